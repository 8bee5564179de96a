# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a restore says about each object. Private to the collection. Pure."""

from __future__ import annotations

import dataclasses
import enum
import typing as t

Tree: t.TypeAlias = dict[str, t.Any]
"""A Kubernetes object, decoded."""


class Action(enum.StrEnum):
    """What becomes, or in a plan would become, of an object."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    DIFFERS = "differs"
    """It exists, is not as archived, and was left as it is."""
    SKIPPED = "skipped"
    """It is never restored."""
    LEFT_TO_CONTROLLER = "left_to_controller"
    """A controller of the cluster makes it from an object of this restore."""
    FAILED = "failed"


class Known(enum.StrEnum):
    """How an object's fate is known."""

    SERVER = "server"
    """The API server answered the request, or a dry run of it."""
    LOCAL = "local"
    """Archive and list of the cluster were compared."""
    ASSUMED = "assumed"
    """The namespace, kind or owner that it needs is itself only planned."""


class LaterError(Exception):
    """An object cannot be written for now, and why."""


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """A decision that an object is not written, and why."""

    action: Action
    reason: str


@dataclasses.dataclass(slots=True)
class Result:
    """The one line about an object. ``reason`` and ``paths`` never hold captured values.

    :param resource: ``plural[.group]``.
    :param code: an error code of the collection when ``action`` is ``failed``.
    :param paths: where the archived object and the one in the cluster differ.
    :param data_not_restored: a claim, its volume, or a snapshot, whose data this restore does not bring back.
    :param warning: the object is as it should be, but the user should read ``reason``.
    """

    api_version: str
    kind: str
    resource: str
    namespace: str
    name: str
    action: Action
    reason: str = ""
    known: Known = Known.LOCAL
    code: str = ""
    paths: list[str] = dataclasses.field(default_factory=list)
    data_not_restored: bool = False
    warning: bool = False

    def as_dict(self) -> dict[str, t.Any]:
        """What a report line holds: empty fields are left out."""
        line: dict[str, t.Any] = {"kind": self.resource}
        if self.namespace:
            line["namespace"] = self.namespace
        line["name"] = self.name
        line["action"] = self.action.value
        line["known"] = self.known.value
        if self.reason:
            line["reason"] = self.reason
        if self.code:
            line["code"] = self.code
        if self.paths:
            line["paths"] = self.paths
        if self.data_not_restored:
            line["data_not_restored"] = True
        if self.warning:
            line["warning"] = True
        return line

    @property
    def key(self) -> str:
        """``resource namespace/name`` or ``resource name``, for messages."""
        return f"{self.resource} {self.namespace}/{self.name}" if self.namespace else f"{self.resource} {self.name}"
