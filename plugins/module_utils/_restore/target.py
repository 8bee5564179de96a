# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the target serves the kinds of an archive. Private to the collection. Pure."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.discovery import Discovery

_NEEDED: t.Final = frozenset({"create", "list"})


@dataclasses.dataclass(frozen=True, slots=True)
class Target:
    """An archived kind, and the kind that the target serves for it.

    :param relabelled: the target serves another version only: the object is sent under that one, with unknown fields
        refused, so that nothing is lost without a word.
    :param strict: its definition was updated just now. An API server that has not noticed yet would drop the fields that are
        new, without a word, so unknown fields are refused here, too.
    :param planned: the target serves the archived version once the plan is carried out.
    """

    archived: Kind
    served: Kind
    planned: bool = False
    strict: bool = False

    @property
    def relabelled(self) -> bool:
        return self.served.version != self.archived.version

    @property
    def query(self) -> tuple[tuple[str, str], ...]:
        """Query parameters of every write."""
        return (("fieldValidation", "Strict"),) if self.relabelled or self.strict else ()


def find_target(discovery: Discovery, kind: Kind) -> Target | None:
    """The same version if it is served, else the first of the group's versions that is; ``None`` when there is none."""
    versions = [kind.version, *(version for version in discovery.served(kind.group) if version != kind.version)]
    for version in versions:
        served = discovery.find(kind.group, version, kind.plural)
        if served is not None and served.verbs >= _NEEDED:
            return Target(kind, served)
    return None


def why_not_served(discovery: Discovery, kind: Kind) -> str:
    """One sentence for an archived kind that the target does not serve."""
    for failure in discovery.failures:
        if failure.group == kind.group:
            return f"the target's API group {kind.group} does not answer: {failure.message}"
    versions = discovery.served(kind.group)
    if versions:
        return f"the target does not serve {kind.resource} (its group {kind.group} is there in {', '.join(versions)})"
    return f"the target does not serve {kind.resource} in {kind.api_version}, nor in another version"
