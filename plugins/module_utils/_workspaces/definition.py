# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What ``stowage_workspaces`` says, checked before anything runs. Private to the collection. Pure.

Errors name the place: ``stowage_workspaces.prod.namespaces[2]``. A key that is not known is an error, so that a misspelt
``excluded_namespaces`` does not become a backup of everything.
"""

from __future__ import annotations

import collections.abc as c
import dataclasses
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils import _label_selectors
from ansible_collections.stowage.kubernetes.plugins.module_utils._arguments import check_labels, parse_duration
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._selection import Selection
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces import retention_options, schedule
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.names import check_workspace

VARIABLE: t.Final = "stowage_workspaces"
WORKSPACE_LABEL: t.Final = "stowage.io/workspace"
RUN_LABEL: t.Final = "stowage.io/run"

_Document = t.Mapping[t.Any, t.Any]
_LATER: t.Final = frozenset({"volumes", "hooks"})
_SELECTION: t.Final = (
    "included_resources",
    "excluded_resources",
    "label_selector",
    "or_label_selectors",
    "include_cluster_resources",
    "ignored_api_groups",
)
_LISTS: t.Final = frozenset({"included_resources", "excluded_resources", "or_label_selectors", "ignored_api_groups"})


@dataclasses.dataclass(frozen=True)
class Members:
    """Clusters by the names of their hosts (``*`` and ``?`` stand for characters), and by groups of the inventory."""

    names: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Failure:
    """What counts as failure.

    :param partial_backups: whether a cluster whose backup is PartiallyFailed has failed.
    :param max_clusters: so many clusters may have failed, or be missing, without the run being a failure.
    """

    partial_backups: bool = True
    max_clusters: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Workspace:
    """One workspace.

    :param namespaces: names and globs; ``namespace_patterns`` are regular expressions, ``namespace_selectors`` labels. A
        namespace that fits one of the three is in it. None of them: all.
    :param location: the name of a location; empty for that of each cluster.
    :param selection: options of ``backup``, other than those of namespaces.
    :param schedule: as the option ``schedule`` of ``backup``; ``None`` without one.
    :param jitter: how long a trigger waits at most.
    :param retention: options of ``backup_retention``; ``None`` without any.
    """

    name: str
    clusters: Members
    excluded_clusters: Members = Members()
    namespaces: tuple[str, ...] = ()
    namespace_patterns: tuple[str, ...] = ()
    namespace_selectors: tuple[str, ...] = ()
    excluded_namespaces: tuple[str, ...] = ()
    location: str = ""
    selection: _Document = dataclasses.field(default_factory=dict)
    schedule: _Document | None = None
    jitter: str = ""
    retention: _Document | None = None
    name_prefix: str = ""
    expires_in: str = ""
    labels: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    owner: str = ""
    failure: Failure = Failure()

    @property
    def paused(self) -> bool:
        """Whether scheduled runs are left out."""
        return bool((self.schedule or {}).get("paused"))


def read_workspaces(value: t.Any, locations: t.Container[str] | None = None) -> dict[str, Workspace]:
    """All workspaces of ``stowage_workspaces`` by name.

    :param locations: the names of all locations; ``None`` if they are not to be checked.
    :raises StowageError: ``invalid_option``, with the place in its message.
    """
    found = {}
    for name, definition in _mapping(value, VARIABLE).items():
        where = f"{VARIABLE}.{str(name)[:80]}"
        if not isinstance(name, str):
            raise _unfit(where, "must have a name that is text")
        with _At(VARIABLE):
            check_workspace(name)
        found[name] = _workspace(name, _mapping(definition, where), where, locations)
    return found


def _workspace(name: str, given: _Document, where: str, locations: t.Container[str] | None) -> Workspace:
    _known(given, where, _KEYS, _LATER)
    included = _namespaces(given.get("namespaces"), f"{where}.namespaces")
    excluded = _namespaces(given.get("excluded_namespaces"), f"{where}.excluded_namespaces")
    for field, kind in ((1, "regex"), (2, "labels")):
        if excluded[field]:
            raise _unfit(f"{where}.excluded_namespaces", f"cannot have {kind}", "Leave out by names and globs.")
    location = _text(given.get("location"), f"{where}.location")
    if location and locations is not None and location not in locations:
        raise _unfit(f"{where}.location", f"names {location[:80]!r}, which is not in stowage_locations")
    workspace = Workspace(
        name=name,
        clusters=_members(given.get("clusters"), f"{where}.clusters") or Members(groups=(name,)),
        excluded_clusters=_members(given.get("excluded_clusters"), f"{where}.excluded_clusters") or Members(),
        namespaces=included[0],
        namespace_patterns=included[1],
        namespace_selectors=included[2],
        excluded_namespaces=excluded[0],
        location=location,
        selection=_selection(given.get("selection"), f"{where}.selection"),
        retention=_retention(given.get("retention"), f"{where}.retention"),
        name_prefix=_text(given.get("name_prefix"), f"{where}.name_prefix"),
        expires_in=_duration(given.get("expires_in"), f"{where}.expires_in"),
        labels=_labels(given.get("labels"), f"{where}.labels"),
        owner=_text(given.get("owner"), f"{where}.owner"),
        failure=_failure(given.get("failure"), f"{where}.failure"),
        **_schedule(given.get("schedule"), f"{where}.schedule"),
    )
    _check_namespaces(workspace, where)
    return workspace


_KEYS: t.Final = (
    "clusters",
    "excluded_clusters",
    "namespaces",
    "excluded_namespaces",
    "location",
    "selection",
    "schedule",
    "retention",
    "name_prefix",
    "expires_in",
    "labels",
    "owner",
    "failure",
)


def _check_namespaces(workspace: Workspace, where: str) -> None:
    """What the module will check, now; the message names its option."""
    with _At(f"{where}.namespaces"):
        Selection.from_params(
            {
                "included_namespaces": workspace.namespaces,
                "excluded_namespaces": workspace.excluded_namespaces,
                "namespace_patterns": workspace.namespace_patterns,
                "namespace_selectors": workspace.namespace_selectors,
            }
        )


def _members(value: t.Any, where: str) -> Members | None:
    if value is None:
        return None
    names: list[str] = []
    groups: list[str] = []
    for number, entry in enumerate(_list(value, where)):
        place = f"{where}[{number}]"
        if isinstance(entry, str) and entry.strip():
            names.append(entry.strip())
            continue
        one = _one_of(entry, place, ("name", "group"), "a host's name, a pattern of names, or {group: name}")
        (groups if one[0] == "group" else names).append(one[1])
    if not names and not groups:
        raise _unfit(where, "is empty", "Leave it out for the group of the workspace's name.")
    return Members(tuple(names), tuple(groups))


def _namespaces(value: t.Any, where: str) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Names and globs, regular expressions, label selectors."""
    names: list[str] = []
    patterns: list[str] = []
    selectors: list[str] = []
    for number, entry in enumerate(_list(value, where)):
        place = f"{where}[{number}]"
        if isinstance(entry, str):
            with _At(place):
                Selection.from_params({"included_namespaces": [entry]})
            names.append(entry.strip())
            continue
        form = "a name, a pattern with * and ?, {regex: expression} or {labels: selector}"
        kind, text = _one_of(entry, place, ("regex", "labels"), form)
        with _At(f"{place}.{kind}"):
            option = "namespace_patterns" if kind == "regex" else "namespace_selectors"
            Selection.from_params({option: [text]})
        (patterns if kind == "regex" else selectors).append(
            text if kind == "regex" else _label_selectors.normalise(text)
        )
    return tuple(names), tuple(patterns), tuple(selectors)


def _selection(value: t.Any, where: str) -> _Document:
    given = _mapping(value, where, empty=True)
    _known(given, where, _SELECTION, {"included_namespaces", "excluded_namespaces"}, "Namespaces stand beside it.")
    for name in _LISTS & given.keys():
        for number, entry in enumerate(_list(given[name], f"{where}.{name}")):
            if not isinstance(entry, str):
                raise _unfit(f"{where}.{name}[{number}]", "must be text")
    with _At(where):
        Selection.from_params(given)
    return _said(given)


def _schedule(value: t.Any, where: str) -> dict[str, t.Any]:
    if value is None:
        return {"schedule": None, "jitter": ""}
    given = dict(_mapping(value, where))
    _known(given, where, ("preset", "cron", "time_zone", "anchor", "paused", "jitter"))
    jitter = _duration(given.pop("jitter", None), f"{where}.jitter")
    given["paused"] = _bool(given.get("paused"), f"{where}.paused", default=False)
    if given.get("anchor") is not None:
        given["anchor"] = str(given["anchor"])  # YAML reads a date
    with _At(where):
        schedule.read(given)
    return {"schedule": _said(given), "jitter": jitter}


def _said(given: _Document) -> dict[t.Any, t.Any]:
    """Without what is null, which a module takes for a value that it does not know."""
    return {name: value for name, value in given.items() if value is not None}


def _retention(value: t.Any, where: str) -> _Document | None:
    if value is None:
        return None
    given = _mapping(value, where)
    _known(given, where, retention_options.OPTIONS)
    with _At(where):
        retention_options.read_rules(given)
    return dict(given)


def _failure(value: t.Any, where: str) -> Failure:
    given = _mapping(value, where, empty=True)
    _known(given, where, ("partial_backups", "max_clusters"))
    most = given.get("max_clusters", 0)
    if isinstance(most, bool) or not isinstance(most, int) or most < 0:
        raise _unfit(f"{where}.max_clusters", "must be a number of clusters")
    return Failure(_bool(given.get("partial_backups"), f"{where}.partial_backups", default=True), most)


def _labels(value: t.Any, where: str) -> dict[str, str]:
    given = _mapping(value, where, empty=True)
    if taken := given.keys() & {WORKSPACE_LABEL, RUN_LABEL}:
        raise _unfit(where, f"sets {min(taken)}, which every backup of a workspace has already")
    with _At(where):
        return check_labels("it", given)


def _duration(value: t.Any, where: str) -> str:
    text = _text(value, where)
    if text:
        with _At(where):
            parse_duration("it", text)
    return text


class _At:
    """Names the place in the error of a check that does not know it."""

    def __init__(self, where: str) -> None:
        self._where = where

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, StowageError):
            raise StowageError("invalid_option", f"{self._where}: {error.message}", error.hint) from None


def _mapping(value: t.Any, where: str, *, empty: bool = False) -> _Document:
    if value is None and empty:
        return {}
    if not isinstance(value, c.Mapping):
        raise _unfit(where, "must be a dictionary")
    return value


def _list(value: t.Any, where: str) -> t.Sequence[t.Any]:
    if value is None:
        return ()
    if isinstance(value, str) or not isinstance(value, c.Sequence):
        raise _unfit(where, "must be a list")
    return value


def _text(value: t.Any, where: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _unfit(where, "must be text")
    return value.strip()


def _bool(value: t.Any, where: str, *, default: bool) -> bool:
    if value is None:
        return default
    if not isinstance(value, bool):
        raise _unfit(where, "must be true or false")
    return value


def _one_of(entry: t.Any, where: str, kinds: t.Sequence[str], form: str) -> tuple[str, str]:
    """The one key of a dictionary, and its text."""
    if not isinstance(entry, c.Mapping) or len(entry) != 1 or next(iter(entry)) not in kinds:
        raise _unfit(where, f"must be {form}")
    kind, text = next(iter(entry.items()))
    if not isinstance(text, str) or not text.strip():
        raise _unfit(f"{where}.{kind}", "must be text")
    return kind, text.strip()


def _known(
    given: _Document, where: str, keys: t.Collection[str], special: t.Collection[str] = (), hint: str = ""
) -> None:
    for key in given:
        if key in special:
            raise _unfit(f"{where}.{key}", "is not supported here" if hint else "is not supported yet", hint)
        if key not in keys:
            raise _unfit(where, f"has {str(key)[:80]!r}, which is not known", f"There are: {', '.join(keys)}.")


def _unfit(where: str, what: str, hint: str = "") -> StowageError:
    return StowageError("invalid_option", f"{where} {what}.", hint)
