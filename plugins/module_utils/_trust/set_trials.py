# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lines that prove a permission set in a store that looks at permissions before it looks for the object. Private to the
collection.

All names in them are random, so that no request is about an object of somebody.
"""

from __future__ import annotations

import dataclasses
import functools
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.lines import Seen, Trial, never
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.sets import Operation, PermissionSet

NOBODY: t.Final = "stowage-trust-check"
"""The folder of a cluster that is not among those of a trust, where no other is known."""
_ARCHIVE: t.Final = "backups/{0}/{0}.tar.gz"
_DOCUMENT: t.Final = "backups/{0}/velero-backup.json"

Paths = t.Mapping[Operation, str]
_RUN: t.Final = "{0}/runs/{0}/expected.json"
# Paths are in the folder that the set is about; {0} becomes a random word.
_ALLOWED: t.Final[t.Mapping[PermissionSet, Paths]] = {
    "writer": {"list": "backups/", "read": _DOCUMENT, "create": _ARCHIVE},
    "reader": {"list": "backups/", "read": _ARCHIVE},
    "pruner": {"list": "backups/", "read": _DOCUMENT, "delete": _ARCHIVE},
    "auditor": {"list": "backups/", "read": _DOCUMENT},
    "coordinator": {"list": "{0}/runs/", "read": _RUN, "create": _RUN},
}
_REFUSED: t.Final[t.Mapping[PermissionSet, Paths]] = {
    "writer": {"read": _ARCHIVE, "delete": _ARCHIVE},
    "reader": {"create": _ARCHIVE, "delete": _ARCHIVE},
    "pruner": {"read": _ARCHIVE, "create": _ARCHIVE},
    "auditor": {"read": _ARCHIVE, "create": _ARCHIVE, "delete": _ARCHIVE},
    "coordinator": {"create": "{0}/runs/{0}/{0}/1.json", "delete": _RUN},
}
_ELSEWHERE: t.Final[Paths] = {"list": "backups/", "read": _ARCHIVE, "create": _ARCHIVE, "delete": _ARCHIVE}
_NOTHING_MORE: t.Final = (
    "Look for a policy that allows more than this trust does, such as one for a group or for everybody."
)


class Tries(t.Protocol):
    """Somebody who tries what they may do."""

    def action(self, operation: Operation) -> str:
        """The provider's name for an operation."""

    def may(self, operation: Operation, path: str) -> Seen:
        """Whether an operation is allowed at a path within the location. Nothing comes of it."""


def proof(me: Tries, name: PermissionSet, folder: str, others: t.Sequence[str] = (NOBODY,)) -> list[Trial]:
    """The lines that prove a permission set for one of its folders, within the location.

    :param me: the caller who has it, at the location's prefix.
    :param others: clusters that must be closed to the caller.
    """
    control, controls = control_of(me, folder), controls_of(me, name, folder)
    trials = [
        Trial(
            f"{operation}_allowed",
            "allowed",
            _words(me, operation, folder + path),
            controls[operation],
            fix="Look for a policy elsewhere that denies it.",
        )
        for operation, path in _ALLOWED[name].items()
    ]
    elsewhere = [("other_cluster_", f"clusters/{other}/", _ELSEWHERE) for other in others]
    for start, where, paths in [("", folder, _REFUSED[name]), *elsewhere]:
        make = refused_elsewhere if start else refused
        trials += [
            make(f"{start}{operation}_refused", me, operation, where + path, controls.get(operation, control))
            for operation, path in paths.items()
        ]
    return trials


def control_of(me: Tries, folder: str) -> t.Callable[[], Seen]:
    """What everybody with a permission set for the folder may do."""
    return functools.partial(me.may, "list", f"{folder}backups/")


def controls_of(me: Tries, name: PermissionSet, folder: str) -> dict[Operation, t.Callable[[], Seen]]:
    """What a permission set allows in the folder, by operation. That a request of the same kind is allowed shows that the store tells
    those that are from those that are not; where a set allows none, there is :func:`control_of`."""
    return {
        operation: functools.partial(me.may, operation, folder + path) for operation, path in _ALLOWED[name].items()
    }


def created_in(name: PermissionSet, folder: str) -> str:
    """What is created by who makes backups, or begins runs, in a folder of theirs; empty for others."""
    path = _ALLOWED[name].get("create")
    return folder + path if path else ""


def refused(id_: str, caller: Tries, operation: Operation, path: str, control: t.Callable[[], Seen] | None) -> Trial:
    """The line of a request that has to be refused."""
    attempt = functools.partial(caller.may, operation, path)
    return Trial(id_, "refused", _words(caller, operation, path), attempt, control, _NOTHING_MORE)


def refused_elsewhere(
    id_: str, caller: Tries, operation: Operation, path: str, control: t.Callable[[], Seen] | None
) -> Trial:
    """The same where the caller may not list either: a refusal that may be about that shows nothing, whatever the control says."""

    def attempt() -> Seen:
        seen = caller.may(operation, path)
        return never(seen.words) if seen.vague else seen

    return dataclasses.replace(refused(id_, caller, operation, path, control), attempt=attempt)


def _words(caller: Tries, operation: Operation, where: str) -> str:
    return f"{caller.action(operation)} in {where.format('*')}"
