# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is asked for in a trust task, whatever the provider. Private to the collection."""

from __future__ import annotations

import dataclasses
import re
import time
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._arguments import ArgumentSpec
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import SEE_DOCUMENTATION, StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.rules import check_location
from ansible_collections.stowage.kubernetes.plugins.module_utils._task import Task, TaskFailedError
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.lines import Line, unproven
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.model import Change, diff_of
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.sets import (
    PERMISSION_SETS,
    Grant,
    PermissionSet,
    folders,
    grants,
)

ARGUMENTS: t.Final[ArgumentSpec] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "name": {"type": "str", "required": True},
    "clusters": {"type": "list", "elements": "str"},
    "permissions": {"type": "str", "choices": list(PERMISSION_SETS), "default": "writer"},
    "writes_restores": {"type": "bool", "default": False},
    "verify": {"type": "bool", "default": True},
    "verify_required": {"type": "list", "elements": "str"},
    "verify_timeout": {"type": "int", "default": 60},
    "render_only": {"type": "bool", "default": False},
}
_NAME: t.Final = re.compile(r"[a-z0-9][a-z0-9-]{2,62}")
# Policies would read these as wildcards, or as variables.
_SPECIAL: t.Final = re.compile(r"[*?${}\[\]]")


@dataclasses.dataclass(frozen=True)
class Request:
    """The options that all providers' tasks share, checked."""

    name: str
    absent: bool
    location: dict[str, t.Any]
    clusters: tuple[str, ...]
    permissions: PermissionSet
    grants: tuple[Grant, ...]
    verify: bool
    required: frozenset[str]
    patience: float
    render_only: bool

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders that it is about."""
        return folders(self.permissions, self.clusters)

    @property
    def writes(self) -> bool:
        """Whether anything may be created."""
        return any("create" in grant.operations for grant in self.grants)

    @classmethod
    def of(cls, params: t.Mapping[str, t.Any], provider: str) -> Request:
        """:raises StowageError: ``invalid_option``, ``invalid_name``."""
        location = check_location(params["location"])
        if location["provider"] != provider:
            raise _unfit(f"This module is for locations of provider {provider}.")
        if _SPECIAL.search(location["prefix"]) or _SPECIAL.search(str(location["bucket"])):
            raise _unfit("A prefix with characters that policies read as wildcards cannot be narrowed to.")
        name, absent = str(params["name"]), params["state"] == "absent"
        if not _NAME.fullmatch(name):
            hint = "Names have 3 to 63 lower-case letters, digits and hyphens."
            raise StowageError("invalid_name", "The option name is no name of a trust.", hint)
        clusters = tuple(dict.fromkeys(params["clusters"] or ()))
        if not absent and bool(clusters) is (params["permissions"] == "coordinator"):
            raise _unfit(
                "A coordinator is for the runs of all clusters: leave clusters out."
                if clusters
                else "state: present needs clusters, the folders that are meant."
            )
        return cls(
            name=name,
            absent=absent,
            location=location,
            clusters=clusters,
            permissions=params["permissions"],
            grants=grants(params["permissions"], clusters, writes_restores=params["writes_restores"]),
            verify=params["verify"],
            required=frozenset(params["verify_required"] or ()),
            patience=float(params["verify_timeout"]),
            render_only=params["render_only"],
        )


class TaskClock:
    """Time, for a task: waiting ends when it is asked to stop."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def now(self) -> float:
        """See :class:`~.lines.Clock`."""
        return time.monotonic()

    def pause(self, seconds: float) -> None:
        """See :class:`~.lines.Clock`."""
        self._task.progress.stopped.wait(seconds)
        self._task.progress.check()


def result_of(
    task: Task,
    request: Request,
    changes: t.Sequence[Change],
    lines: t.Sequence[Line] = (),
    **more: t.Any,
) -> dict[str, t.Any]:
    """What a trust task returns. It warns if nothing could be proven.

    :raises TaskFailedError: ``trust_not_proven``, with the result, for lines that failed or had to be decided.
    """
    described = {
        "name": request.name,
        "state": "absent" if request.absent else "present",
        "changes": [change.as_result() for change in changes],
        "checks": [line.as_result() for line in lines],
        **more,
    }
    result: dict[str, t.Any] = {"changed": bool(changes), "trust": described}
    if task.diff:
        result["diff"] = diff_of(changes)
    # A plan proves nothing, and does not fail for it.
    bad = [] if task.check else unproven(lines, request.required)
    if bad:
        named = "; ".join(f"{line.id}: {line.seen}" for line in bad[:3]) + (" ..." if len(bad) > 3 else "")
        hint = bad[0].fix or "See trust.checks in the result."
        details = {"checks": [line.id for line in bad]}
        raise TaskFailedError(
            StowageError("trust_not_proven", f"{request.name} is not as it should be: {named}", hint, details=details),
            result,
        )
    if request.verify and not task.check and (reason := nothing_proven(lines)):
        task.warn(f"Nothing of this trust was proven: {request.name} may let in nobody, or anybody. {reason}")
    return result


def nothing_proven(lines: t.Sequence[Line]) -> str:
    """Why a proof shows nothing, with what makes that fail; empty if it shows something, or if there is none.

    A refusal shows nothing where nobody was let in. It is no failure: who is let in cannot be tried from everywhere, such as pods.
    """
    if not lines or any(line.expected == "allowed" and line.verdict == "passed" for line in lines):
        return ""
    first = next((line for line in lines if line.expected == "allowed"), lines[0]).as_result()
    return f"{first['what']}: {first['seen']} verify_required: [{first['id']}] makes that fail."


def _unfit(message: str) -> StowageError:
    return StowageError("invalid_option", message, SEE_DOCUMENTATION)
