# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a capture returns: small, and the same for a plan as far as that can know it. Private to the collection."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

SHOWN_MESSAGES: t.Final = 20
_SHOWN_KINDS: t.Final = 200


@dataclasses.dataclass(kw_only=True)
class BackupResult:
    """A finished or planned backup. Times are the store's (UTC), sizes in bytes.

    :param phase: ``Completed`` or ``PartiallyFailed``; in a plan what the phase would be as far as is known.
    :param size: bytes of all files of the backup; ``raw_size`` those of the objects in it, each counted once.
    :param rate: objects a second.
    :param revision: the pinned ``resourceVersion``.
    :param counts: objects of each resource; the largest 200.
    :param consistency: resources that were not read at the pinned revision, by how they were read.
    :param incomplete: resources of which something could not be read, with the reason.
    :param warnings: the first ones; ``warning_count`` is how many there are. The same for errors.
    :param started_over: the pinned revision was compacted once, and the capture began again.
    :param results: where all warnings and errors are: a key in the location.
    :param capture_id: ties the backup to its reservation.
    """

    name: str
    cluster: str
    phase: str
    started: datetime.datetime
    fingerprint: str
    cluster_uid: str
    capture_id: str = ""
    completed: datetime.datetime | None = None
    expires_at: datetime.datetime | None = None
    objects: int = 0
    size: int = 0
    raw_size: int = 0
    seconds: float = 0.0
    rate: float = 0.0
    requests: int = 0
    revision: str = ""
    kinds: int = 0
    counts: dict[str, int] = dataclasses.field(default_factory=dict)
    consistency: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    incomplete: dict[str, str] = dataclasses.field(default_factory=dict)
    claims_without_data: int = 0
    labels: dict[str, str] = dataclasses.field(default_factory=dict)
    started_over: bool = False
    warnings: list[str] = dataclasses.field(default_factory=list)
    warning_count: int = 0
    errors: list[str] = dataclasses.field(default_factory=list)
    error_count: int = 0
    results: str = ""
    planned: bool = False

    def as_dict(self) -> dict[str, t.Any]:
        """The result as a module returns it: JSON-able and small."""
        return {
            field.name: value.isoformat() if isinstance(value, datetime.datetime) else value
            for field in dataclasses.fields(self)
            for value in (getattr(self, field.name),)
        }


def largest(counts: t.Mapping[str, int]) -> dict[str, int]:
    """The resources with most objects, in order of their names; those without any are left out."""
    kept = sorted((resource for resource in counts if counts[resource]), key=lambda each: -counts[each])
    return {resource: counts[resource] for resource in sorted(kept[:_SHOWN_KINDS])}
