# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Holds one cluster against another."""

from __future__ import annotations

import dataclasses
import typing as t

from compare import canonical, makers
from compare.stored import Id, Object, Snapshot


@dataclasses.dataclass
class Report:
    """What is not as it was. Empty lists: everything that a user made is there, and equal."""

    compared: int = 0
    missing: list[str] = dataclasses.field(default_factory=list)
    different: list[str] = dataclasses.field(default_factory=list)
    extra: list[str] = dataclasses.field(default_factory=list)
    owners: list[str] = dataclasses.field(default_factory=list)
    managers: list[str] = dataclasses.field(default_factory=list)
    dependents: list[str] = dataclasses.field(default_factory=list)

    @property
    def equal(self) -> bool:
        """Nothing to complain of, and something was compared."""
        return self.compared > 0 and not any(self.findings())

    def findings(self) -> t.Iterator[tuple[str, list[str]]]:
        """The lists that are not empty, by name."""
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, list) and value:
                yield field.name, value

    def __str__(self) -> str:
        lines = [f"{self.compared} objects made by users compared: {'equal' if self.equal else 'NOT equal'}"]
        for name, values in self.findings():
            lines.append(f"{name} ({len(values)}):")
            lines += [f"  {value}" for value in values]
        return "\n".join(lines)


def compare(
    source: Snapshot,
    target: Snapshot,
    *,
    wanted: t.Callable[[Id], bool] = lambda _dummy: True,
    managers: bool = True,
    extra: bool = True,
    owners: bool = True,
    statuses: bool = True,
) -> Report:
    """Compare what users made.

    :param wanted: which objects of the source are expected in the target (a part of a backup, for instance).
    :param managers: whether field managers must be as they were.
    :param extra: whether objects that only the target has are findings.
    :param owners: whether owner references must be there; Velero drops them.
    :param statuses: whether the status of a custom resource without a status subresource must be there; Velero drops it.
    """
    report = Report()
    for key, value in sorted(source.objects.items(), key=lambda pair: pair[0]):
        if not wanted(key) or not makers.by_user(key, value, source):
            continue
        report.compared += 1
        other = target.objects.get(key)
        if other is None:
            report.missing.append(str(key))
            continue
        status = statuses and source.status_is_field(key)
        asked = canonical.asked_for(value)
        left, right = (canonical.canonical(one, status=status, asked=asked) for one in (value, other))
        if not owners:
            left["metadata"].pop("ownerReferences", None)
            right["metadata"].pop("ownerReferences", None)
        where = list(canonical.paths(left, right))
        if where:
            report.different.append(f"{key}: {', '.join(where[:8])}")
        _owners(report, key, other, target)
        if managers:
            _managers(report, key, value, other)
    if extra:
        report.extra = sorted(
            str(key)
            for key, value in target.objects.items()
            if key not in source.objects and makers.by_user(key, value, target)
        )
    _dependents(report, source, target, wanted)
    return report


def _owners(report: Report, key: Id, other: Object, target: Snapshot) -> None:
    for reference in other["metadata"].get("ownerReferences", ()):
        if reference["uid"] not in target.uids:
            report.owners.append(f"{key}: owner {reference['kind']} {reference['name']} has another uid")


def _managers(report: Report, key: Id, value: Object, other: Object) -> None:
    if canonical.applied(value) != canonical.applied(other):
        report.managers.append(f"{key}: not the same appliers")
    fields = canonical.new_owners(value, other)
    if fields:
        report.managers.append(f"{key}: an applier would meet conflicts at {', '.join(fields[:5])}")


def _dependents(report: Report, source: Snapshot, target: Snapshot, wanted: t.Callable[[Id], bool]) -> None:
    after = makers.dependents(target)
    for (namespace, kind, name, resource), count in sorted(makers.dependents(source).items()):
        if wanted(Id(resource, namespace, name)) and after.get((namespace, kind, name, resource), 0) < count:
            report.dependents.append(f"{namespace}/{name}: {kind} had {count} {resource}")
