# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is listed for a selection, in which order, and which of it is kept. Private to the collection.

Most kinds are listed straight away. What depends on other captured objects waits until those are read: cluster-scoped
kinds of which only related objects are wanted, claims of pods that labels select, and at last the namespaces.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils import _related as related
from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.consistency import Outcome
from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.intake import Intake, Keep
from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.lists import Order
from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.survey import NAMESPACES, Survey, Target

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.namespaces import Namespaces
    from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.listing import Item
    from ansible_collections.stowage.kubernetes.plugins.module_utils._selection import Selection


@dataclasses.dataclass(slots=True)
class Task:
    """One kind to list.

    :param keep: which of the listed objects are taken; ``None`` for all.
    :param scan_roles: the kind has to be read once before, to learn which roles make up others.
    """

    target: Target
    order: Order
    keep: Keep | None = None
    scan_roles: bool = False
    outcome: Outcome = dataclasses.field(default_factory=Outcome)


class Tasks:
    """The tasks of one attempt."""

    def __init__(self, selection: Selection, survey: Survey, namespaces: Namespaces, intake: Intake) -> None:
        self._selection = selection
        self._survey = survey
        self._namespaces = namespaces
        self._intake = intake

    @staticmethod
    def follows(selection: Selection) -> bool:
        """Whether captured objects decide on others, so that what they name has to be noted. Pure."""
        return selection.cluster_scope == "related" or bool(selection.label_selectors)

    def straight(self) -> list[Task]:
        """What can be listed straight away: namespaced kinds first."""
        targets = [target for target in self._targets() if not self._waits(target)]
        targets.sort(key=lambda target: not target.kind.namespaced)
        return [self._task(target, selectors=self._selection.label_selectors) for target in targets]

    def waiting(self) -> t.Iterator[Task]:
        """What is listed after that, each asked for when the one before it was taken in."""
        waiting = [target for target in self._targets() if self._waits(target)]
        waiting.sort(key=lambda target: (not target.kind.namespaced, *related.order(target.kind)))
        for target in waiting:
            if target.kind.namespaced:
                yield dataclasses.replace(self._task(target), keep=self._keeps_claim)
            elif target.kind.resource != NAMESPACES and self._is_needed(target):
                yield self._cluster_scoped(target)
        if NAMESPACES in self._survey.selected:
            yield self._of_namespaces(self._survey.targets[NAMESPACES])

    def wanted_names(self, target: Target) -> int:
        """How many objects of a kind captured ones name."""
        return len(self._intake.references.names(target.kind))

    def _targets(self) -> list[Target]:
        return [self._survey.targets[resource] for resource in self._survey.selected]

    def _waits(self, target: Target) -> bool:
        if target.kind.namespaced:
            return target.kind.resource == related.CLAIMS and bool(self._selection.label_selectors)
        if target.kind.resource == related.CRDS and not self._selection.wants_kind(target.kind):
            return True
        return target.kind.resource == NAMESPACES or self.follows(self._selection)

    def _is_needed(self, target: Target) -> bool:
        return self._wants_all(target) or self._intake.references.needs(target.kind)

    def _wants_all(self, target: Target) -> bool:
        """Whether objects of a cluster-scoped kind are captured for themselves, if labels select them."""
        return self._selection.cluster_scope == "all" and self._selection.wants_kind(target.kind)

    def _task(self, target: Target, *, selectors: tuple[str, ...] = ()) -> Task:
        if not target.kind.namespaced:
            return Task(target, Order(target.kind, selectors=selectors, size_hint=target.size_hint))
        if target.namespaces is None:
            names = self._namespaces.lists(target.count)
        else:
            names = tuple(name for name in self._namespaces.in_order() if name in target.namespaces)
        keep = None if self._namespaces.all_admitted else self._admits
        return Task(target, Order(target.kind, names, selectors, target.size_hint), keep)

    def _cluster_scoped(self, target: Target) -> Task:
        task = self._task(target)
        references = self._intake.references
        task.scan_roles = target.kind.resource == related.CLUSTER_ROLES and references.needs(target.kind)
        by_label = self._selection.wants_labels if self._wants_all(target) else None
        task.keep = lambda item: references.wants(target.kind, item) or bool(by_label and by_label(item.labels or {}))
        return task

    def _of_namespaces(self, target: Target) -> Task:
        """With labels and without a namespace filter, only namespaces that match, or of which something was captured."""
        task = self._task(target)
        selection, seen = self._selection, self._intake.namespaces
        if selection.label_selectors and selection.all_namespaces:
            task.keep = lambda item: (
                self._namespaces.admits(item.name) and (item.name in seen or selection.wants_labels(item.labels or {}))
            )
        else:
            task.keep = lambda item: self._namespaces.admits(item.name)
        return task

    def _admits(self, item: Item) -> bool:
        return self._namespaces.admits(item.namespace)

    def _keeps_claim(self, item: Item) -> bool:
        return self._namespaces.admits(item.namespace) and (
            self._selection.wants_labels(item.labels or {})
            or self._intake.references.wants(self._survey.targets[related.CLAIMS].kind, item)
        )
