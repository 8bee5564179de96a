# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module ``backup_location_info``: whether a location is fit for backups. Private to the collection.

What is behind an address is looked at by the provider's prober; what lies in the location, the same for each provider, here.
"""

from __future__ import annotations

import collections
import concurrent.futures
import dataclasses
import itertools
import re
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive import catalog, layout
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.catalogue import (
    failed,
    passed,
    unknown,
    warning,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.endpoints import plain_endpoint
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.keys import printable
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.probe import probe, sweep
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.prober import Aim, Look, Prober
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.registry import open_prober
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.report import Check, Layer, Report, Verdict
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.rules import check_location
from ansible_collections.stowage.kubernetes.plugins.module_utils._task import Task, TaskFailedError

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import Location

OURS: t.Final = frozenset({"clusters/", "workspaces/"})
VELERO_S: t.Final = frozenset({"backups", "restores", "restic", "metadata", "plugins", "kopia"})
"""What Velero 1.18 knows at the top level of a location (``pkg/persistence/object_store_layout.go``)."""
_NAMES: t.Final = 1000
_SHOWN: t.Final = 5
_MOST_BACKUPS: t.Final = 20_000
"""Names of backups that are listed."""
_SAMPLE: t.Final = 1000
"""Backups whose cluster is looked at."""
_REQUESTS: t.Final = 8
_NUMBERED: t.Final = re.compile(r"-?[0-9]{8}.*$|[0-9]+$")
"""What tells backups of one series apart: a time and what comes after it, or a number at the end."""


def validate_location(task: Task) -> dict[str, t.Any]:
    """Run the module.

    :raises StowageError: the options make no sense, or a package is missing.
    :raises TaskFailedError: ``location_unfit``, as ``fail_on`` says.
    """
    options = check_location(task.params["location"])
    cluster = str(task.params["cluster"] or "")
    uid = str(task.params["cluster_uid"] or "")
    if cluster:
        layout.validate_cluster(cluster)
    elif uid:
        raise StowageError("invalid_option", "cluster_uid needs cluster.", "Say which folder is the cluster's.")
    aim = Aim(cluster, frozenset(task.params["access"]) | {"list"}, task.params["engine"])
    prober = open_prober(options, task.environ, aim, task.progress.stopped)
    try:
        report = probe(prober, lambda layer: _further(task, layer, prober, aim, uid))
        result = {"location": describe_report(report, prober, options)}
    finally:
        task.hide(prober.secrets())
        prober.close()
    _check_fit(report, prober.describe(), task.params["fail_on"], result)
    return result


def describe_report(report: Report, prober: Prober, options: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """A report as the module returns it: JSON-able, no secrets.

    :param options: of the location.
    """
    return {
        "address": printable(prober.describe(), 400),
        "endpoint": _endpoint(str(options.get("endpoint") or "")),
        "provider": options["provider"],
        "fit": report.fit,
        "stopped_at": report.stopped_at.value if report.stopped_at else "",
        "not_reached": [layer.value for layer in report.not_reached],
        "counts": report.counts(),
        "checks": [check.as_result() for check in report.checks],
        "identity": prober.identity(),
        "permissions": report.permissions(),
        "settings": prober.settings(),
    }


def _endpoint(given: str) -> str:
    """The endpoint, unless it is none: then it may hold a password."""
    try:
        return printable(plain_endpoint(given, ""))
    except StowageError:
        return ""


def _check_fit(report: Report, address: str, fail_on: str, result: dict[str, t.Any]) -> None:
    """Fails the task over a verdict that it is to fail over."""
    if fail_on == "never":
        return
    # The worst first: what failed, what backups cannot do without and is not known, then warnings.
    warned = report.of(Verdict.WARNING) if fail_on == "warning" else ()
    over = (*report.of(Verdict.FAILED), *(one for one in report.against if one.verdict is Verdict.UNKNOWN), *warned)
    if not over:
        return
    first = over[0]
    more = f" (and {len(over) - 1} more)" if len(over) > 1 else ""
    message = f"{printable(address)} is not fit for backups: {first.id}: {printable(first.seen)}{more}"
    details = {"checks": [check.id for check in over], "first_error_code": first.error_code}
    raise TaskFailedError(StowageError("location_unfit", message, printable(first.fix, 500), details=details), result)


def _further(task: Task, layer: Layer, prober: Prober, aim: Aim, uid: str) -> list[Look]:
    """Called before each layer."""
    task.progress.check()
    return _in_the_location(prober, aim, uid) if layer is Layer.PREFIX else []


def _in_the_location(prober: Prober, aim: Aim, uid: str) -> list[Look]:
    location = prober.location()
    if location is None:
        return []
    found = location
    looks = [
        Look(("foreign_names",), lambda: [foreign_names(itertools.islice(found.list_names(""), _NAMES))]),
        Look(("leftovers",), lambda: sweep(prober, aim), alone=True),
    ]
    if aim.cluster:
        folder = layout.cluster_folder(aim.cluster)
        looks.insert(1, Look(("cluster_folder",), lambda: [cluster_folder(_folders(found, folder), aim.engine)]))
        looks.insert(2, Look(("cluster_identity",), lambda: [cluster_identity(_owners(found, aim.cluster), uid)]))
    return looks


def _folders(location: Location, folder: str) -> list[str]:
    return list(itertools.islice(location.list_folders(folder), _NAMES))


def foreign_names(names: t.Iterable[str]) -> Check:
    """What is at the top of the location. Pure.

    :param names: folders have a slash at their end.
    """
    foreign = sorted(set(names) - OURS)
    if foreign:
        return warning("foreign_names", f"There are things of others: {_shown(foreign)}.")
    return passed("foreign_names", "Nothing of others is there.")


def cluster_folder(names: t.Iterable[str], engine: str) -> Check:
    """Which folders are at the top of a cluster's. Pure."""
    foreign = sorted(set(names) - VELERO_S)
    if not foreign:
        return passed("cluster_folder", "It holds nothing that Velero does not know.")
    seen = f"Velero does not know: {_shown(foreign)}."
    return failed("cluster_folder", seen, "location_unfit") if engine == "velero" else warning("cluster_folder", seen)


def _shown(names: t.Sequence[str]) -> str:
    shown = ", ".join(printable(name, 60) for name in names[:_SHOWN])
    return f"{shown} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown


@dataclasses.dataclass(frozen=True)
class Owners:
    """Whose a folder's backups are.

    :param uids: of the clusters that the backups name. Velero's name none.
    :param looked: how many backups were looked at.
    :param backups: how many there are, at least.
    """

    uids: t.Sequence[str]
    looked: int = 0
    backups: int = 0

    @property
    def cut(self) -> str:
        """What was not looked at, as a sentence; empty if everything was."""
        if self.looked >= self.backups:
            return ""
        more = "more than " if self.backups >= _MOST_BACKUPS else ""
        return f"{self.looked} of {more}{self.backups} backups were looked at."


def _owners(location: Location, cluster: str) -> Owners:
    names = list(itertools.islice(location.list_folders(layout.backups_folder(cluster)), _MOST_BACKUPS))

    def uid(name: str) -> str:
        try:
            return catalog.read_backup(location, cluster, name).cluster_uid
        except StowageError as error:
            if error.code not in {"invalid_name", "backup_not_found"}:
                raise
            return ""

    chosen = sample(names, _SAMPLE)
    with concurrent.futures.ThreadPoolExecutor(_REQUESTS, "validate") as pool:
        return Owners([found for found in pool.map(uid, chosen) if found], len(chosen), len(names))


def sample(names: t.Sequence[str], most: int) -> list[str]:
    """All names, or so many that each series of backups is among them, with its ends and what lies between. Pure."""
    if len(names) <= most:
        return list(names)
    series = collections.defaultdict[str, list[str]](list)
    for name in sorted(names):
        series[_NUMBERED.sub("", name)].append(name)
    turns = itertools.zip_longest(*(_spread(series[key]) for key in _spread(sorted(series))))
    return list(itertools.islice((name for turn in turns for name in turn if name is not None), most))


def _spread(names: t.Sequence[str]) -> t.Iterator[str]:
    """Names from everywhere: the ends first, then always what is in the middle."""
    yield from dict.fromkeys((names[-1], names[0]))
    gaps = collections.deque([(0, len(names) - 1)])
    while gaps:
        low, high = gaps.popleft()
        middle = (low + high) // 2
        if low < middle:
            yield names[middle]
            gaps += [(low, middle), (middle, high)]


def cluster_identity(owners: Owners, expected: str) -> Check:
    """Whose backups are in a cluster's folder. Pure."""
    different = sorted(set(owners.uids))
    others = [uid for uid in different if uid != expected]
    if expected and others:
        seen = f"There are backups of another cluster: {_shown(others)}."
        return failed("cluster_identity", seen, "cluster_identity_changed")
    if len(different) > 1:
        return warning("cluster_identity", f"There are backups of several clusters: {_shown(different)}.")
    whose = f"are of the cluster {_shown(different)}" if different else "do not name their cluster"
    if owners.cut:
        fix = "List them with backup_info, which names the cluster of each."
        return unknown("cluster_identity", f"{owners.cut} They {whose}.", fix=fix)
    if not different:
        return passed("cluster_identity", "No backup in it names its cluster.")
    return passed("cluster_identity", f"Its backups {whose}.")
