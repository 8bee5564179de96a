# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the playbooks of workspaces work from. Private to the collection. Pure, but for the clock."""

from __future__ import annotations

import collections.abc as c
import datetime
import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces import (
    definition,
    members,
    names,
    restores,
    schedule,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.definition import Workspace
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.recording import outcome_of as run_outcome
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.run_name import instant_names, run_name

__all__ = [
    "run_outcome",
    "run_table",
    "workspace_backups",
    "workspace_instants",
    "workspace_plan",
    "workspace_restores",
    "workspace_runs",
    "workspace_targets",
]

Plan = dict[str, t.Any]
_SELECTION: t.Final[Plan] = {
    "included_resources": None,
    "excluded_resources": None,
    "label_selector": None,
    "or_label_selectors": None,
    "include_cluster_resources": "auto",
    "ignored_api_groups": None,
}


def workspace_plan(
    definitions: t.Any,
    groups: members.Groups,
    chosen: str | t.Sequence[str] = names.ALL,
    locations: t.Sequence[str] | None = None,
    *,
    strict: bool = True,
    at_once: bool = False,
) -> dict[str, Plan]:
    """See the documentation of the filter.

    :raises AnsibleFilterError: a definition makes no sense.
    """
    try:
        workspaces = definition.read_workspaces(definitions, locations)
        return {one.name: _plan(one, groups, strict, at_once) for one in members.choose(workspaces, chosen)}
    except StowageError as error:
        raise _failed(error) from None


def _plan(one: Workspace, groups: members.Groups, strict: bool, at_once: bool) -> Plan:
    scheduled = not at_once and schedule.read(one.schedule) is not None
    return {
        **_SELECTION,
        **one.selection,
        "hosts": members.members(one, groups, strict=strict),
        "included_namespaces": list(one.namespaces) or None,
        "excluded_namespaces": list(one.excluded_namespaces) or None,
        "namespace_patterns": list(one.namespace_patterns) or None,
        "namespace_selectors": list(one.namespace_selectors) or None,
        "location": one.location,
        "schedule": dict(one.schedule or {}) if scheduled else None,
        "paused": one.paused and not at_once,
        "retention": dict(one.retention) if one.retention else None,
        "name_prefix": one.name_prefix or None,
        "expires_in": one.expires_in or None,
        "labels": {**one.labels, definition.WORKSPACE_LABEL: one.name},
        "owner": one.owner,
        "allow_partial": not one.failure.partial_backups,
        "max_failures": one.failure.max_clusters,
    }


def workspace_runs(
    plans: t.Mapping[str, Plan],
    given: t.Any = "",
    workflow: t.Any = "",
    job: t.Any = "",
    made: str = "",
    *,
    begun: t.Mapping[str, str] | None = None,
) -> dict[str, str]:
    """See the documentation of the filter.

    :raises AnsibleFilterError: a name makes no sense, or there is none.
    """
    now = datetime.datetime.now(datetime.UTC)
    try:
        called = {
            name: run_name(
                given=_word(given),
                workflow=_word(workflow),
                job=_word(job),
                begun=(begun or {}).get(name, ""),
                made=made,
                plan=plan["schedule"],
                now=now,
            )
            for name, plan in plans.items()
        }
    except StowageError as error:
        raise _failed(error) from None
    if nameless := [name for name, run in called.items() if not run]:
        raise AnsibleFilterError(
            f"invalid_option: Nothing says which run of {nameless[0]} is meant. Set stowage_run, the same in all playbooks of a run."
        )
    return called


_OF_BACKUP: t.Final = (
    *_SELECTION,
    "included_namespaces",
    "excluded_namespaces",
    "namespace_patterns",
    "namespace_selectors",
    "schedule",
    "name_prefix",
    "expires_in",
    "labels",
    "allow_partial",
)


def workspace_backups(
    plans: t.Mapping[str, Plan],
    runs: t.Mapping[str, str],
    locations: t.Sequence[str],
    *,
    default: str = "",
    own: object = "",
    problem: str = "",
    host: str = "",
) -> list[Plan]:
    """See the documentation of the filter."""
    found = []
    for name, plan in plans.items():
        if plan["paused"] or (host and host not in plan["hosts"]):
            continue
        place = plan["location"] or (own if isinstance(own, str) else "") or default
        lost = "" if place in locations else f"invalid_option: There is no location {place}."
        if not isinstance(own, str) and not plan["location"]:
            # Not quoted: it may be a location itself, with its secrets.
            lost = "invalid_option: stowage_location is not text. It is the name of one of stowage_locations."
        found.append(
            {
                **{option: plan[option] for option in _OF_BACKUP if plan[option] is not None},
                "workspace": name,
                "run": runs[name],
                "records": plan["location"] or default,
                "location": place,
                "problem": problem or lost,
            }
        )
    return found


def workspace_instants(plans: t.Mapping[str, Plan]) -> list[dict[str, str]]:
    """See the documentation of the filter.

    :raises AnsibleFilterError: a schedule makes no sense.
    """
    now = datetime.datetime.now(datetime.UTC)
    try:
        return [
            {"workspace": name, "run": run}
            for name, plan in plans.items()
            for run in instant_names(plan["schedule"], now)
            if not plan["paused"]
        ]
    except StowageError as error:
        raise _failed(error) from None


def run_table(run: t.Mapping[str, t.Any]) -> list[str]:
    """See the documentation of the filter."""
    counts = ", ".join(f"{count} {phase}" for phase, count in run["counts"].items() if count)
    head = f"{run['workspace']}, run {run['name']}: {run['phase']} ({counts})"
    width = max((len(one["cluster"]) for one in run["clusters"]), default=0)
    lines = [
        f"{one['cluster']:{width}}  {one['phase']:15}  {_said(one)}".rstrip()
        for one in sorted(run["clusters"], key=lambda one: one["cluster"])
    ]
    more = run["clusters_count"] - len(lines)
    return [head, *lines, *([f"… and {more} more clusters"] if more > 0 else [])]


def _said(one: t.Mapping[str, t.Any]) -> str:
    code, message = one["error_code"], one["reason"]
    why = f"{code}: {message}" if code and not message.startswith(code) else message
    found = "" if one["made"] or not one["backup"] else " (was there)"
    return f"{one['backup']}{found}  {why}".strip()


def workspace_restores(
    mapping: t.Any,
    options: t.Any = None,
    hosts: t.Sequence[str] | None = None,
    *,
    same: bool = False,
    shared: bool = True,
) -> list[Plan]:
    """See the documentation of the filter.

    :raises AnsibleFilterError: the map or an option makes no sense.
    """
    try:
        return restores.read_restores(_told(mapping), _told(options), hosts, same=same, shared=shared)
    except StowageError as error:
        raise _failed(error) from None


def workspace_targets(mapping: t.Any) -> str:
    """See the documentation of the filter.

    :raises AnsibleFilterError: the map is text that is no YAML.
    """
    try:
        found = _told(mapping)
    except StowageError as error:
        raise _failed(error) from None
    return ",".join(dict.fromkeys(str(host) for host in found.values())) if isinstance(found, c.Mapping) else "all"


def _told(value: t.Any) -> t.Any:
    """What is said by text, as answers to surveys of AWX are."""
    if not isinstance(value, str):
        return value
    import yaml

    try:
        return yaml.safe_load(value)
    except yaml.YAMLError:
        raise StowageError("invalid_option", f"{value[:80]!r} is no YAML.") from None


def _word(value: t.Any) -> str:
    return "" if value is None else str(value)


def _failed(error: StowageError) -> AnsibleFilterError:
    return AnsibleFilterError(f"{error.code}: {error.message} {error.hint}".rstrip())
