# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The fate of each object: what would be written, and whether what exists is as archived. Private to the collection.

Decisions only; requests are made through :class:`~.around.Surroundings` where the target must be asked, and results are
acted upon by ``write``.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore import (
    compare,
    fields,
    objects,
    owners,
    reset,
    skips,
    snapshots,
    update,
    volumes,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.compare import Difference
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.model import Tree, Verdict
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.owners import (
    OwnerRecord,
    OwnerTable,
    Relinked,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.reset import ResetRules
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.target import Target
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.volumes import Kept, Volumes

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.reader import Entry
    from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.around import Surroundings

CLAIMS: t.Final = "persistentvolumeclaims"
VOLUMES: t.Final = "persistentvolumes"
ACCOUNTS: t.Final = "serviceaccounts"
HOLD_DATA: t.Final = frozenset({VOLUMES, snapshots.CONTENTS, snapshots.SNAPSHOTS})
"""Kinds of which an object that is skipped stands for data that is not restored."""
WITH_FACTS: t.Final = frozenset({"services", "deployments.apps", VOLUMES}) | snapshots.ALL
"""Kinds of which later decisions need something, so that they are read even when nothing changed."""

_DECIDING: t.Final = ("labels", "annotations", "finalizers", "name", "namespace")
"""The metadata that a person sets, but for owners, whose uids differ from cluster to cluster."""


@dataclasses.dataclass(slots=True)
class Job:
    """An archived object on its way into the target.

    :param live: the bytes of the object of that name in the target, as far as a list told.
    """

    target: Target
    entry: Entry
    body: bytes
    live: bytes | None = None


@dataclasses.dataclass(slots=True)
class Prepared:
    """An object as it would be written.

    :param managed: its managedFields as archived.
    :param notes: what a user should know of it.
    :param assumed: an owner of it is only planned.
    :param awaited: the archived references to owners that come later.
    """

    tree: Tree
    rules: ResetRules
    managed: list[Tree]
    manager: str
    has_apply: bool
    notes: list[str]
    assumed: bool = False
    awaited: list[Tree] = dataclasses.field(default_factory=list)
    data_not_restored: bool = False


class Planner:
    """Prepares and compares objects."""

    def __init__(
        self, table: OwnerTable, around: Surroundings, volume_rules: Volumes, *, preserve_node_ports: bool, update: bool
    ) -> None:
        self._table = table
        self._around = around
        self._volumes = volume_rules
        self._snapshots = snapshots.Snapshots(around, usable=volume_rules.usable)
        self._preserve_node_ports = preserve_node_ports
        self._update = update

    def owners_of(self, entry: Entry) -> list[OwnerRecord]:
        """Those of an entry's owners that are in the archive."""
        if not entry.owners:
            return []
        return [record for uid in entry.owners if (record := self._table.get_record(uid)) is not None]

    def prepare(self, job: Job, *, exists: bool) -> Prepared | Verdict:
        """What would be written, or why nothing is.

        :raises StowageError: ``backup_damaged`` when the archived object cannot be read.
        """
        kind = job.target.archived
        tree = objects.decode(job.body)
        with _form_of_archived():
            _expect(job, tree)
            self._note_facts(kind.resource, job.entry, tree)
            verdict = skips.by_body(kind, skips.Case(tree, self.owners_of(job.entry), self._around))
            if verdict is None:
                verdict = self._of_storage(job, tree, exists=exists)
        if verdict is not None:
            return verdict
        managed = fields.managed(tree)
        prepared = Prepared(
            tree=tree,
            rules=ResetRules(),
            managed=managed,
            manager=fields.creator(tree),
            has_apply=fields.has_apply(tree),
            notes=[],
        )
        keep_volume = self._claim(prepared, exists=exists) if kind.resource == CLAIMS else False
        self._reset(job.target, prepared, volume_name=keep_volume)
        self._relink(kind.resource, prepared)
        if job.target.relabelled:
            tree["apiVersion"] = job.target.served.api_version
            if not job.target.planned:
                prepared.notes.append(
                    f"sent as {job.target.served.api_version}: the target does not serve {kind.api_version}"
                )
        return prepared

    def _reset(self, target: Target, prepared: Prepared, *, volume_name: bool) -> None:
        status = self._around.status_is_field(target.served)
        ports = self._preserve_node_ports
        with _form_of_archived():
            prepared.rules = reset.rules_for(
                target.archived, prepared.tree, preserve_node_ports=ports, volume_name=volume_name, status=status
            )
            prepared.notes += reset.reset(target.archived, prepared.tree, prepared.rules)

    def _of_storage(self, job: Job, tree: Tree, *, exists: bool) -> Verdict | None:
        """A verdict about what stands for something outside the cluster."""
        resource = job.target.archived.resource
        if resource in snapshots.ALL:
            return self._snapshots.decide(resource, tree, exists=exists)
        if resource != VOLUMES:
            return None
        live = objects.decode(job.live) if job.live is not None else {}
        as_it_is = volumes.as_it_is(tree, live, update=self._update)
        return self._volumes.decide(tree, exists=exists, as_it_is=as_it_is)

    def looks_same(self, job: Job) -> bool:
        """Whether the live object equals the archived one at first sight, so that nothing has to be prepared.

        ``False`` says nothing: most objects of some kinds differ in what servers set.
        """
        kind = job.target.archived
        if kind.resource in WITH_FACTS or kind.resource == ACCOUNTS:
            return False
        tree, live = objects.decode(job.body), objects.decode(job.live or b"")
        archived = dict(tree)
        if fields.has_apply(archived) and not fields.has_apply(live):
            return False
        before, now = archived.pop("metadata", None), live.pop("metadata", None)
        if not self._around.status_is_field(job.target.served):
            archived.pop("status", None)
            live.pop("status", None)
        if archived != live or not isinstance(before, dict) or not isinstance(now, dict):
            return False
        if "ownerReferences" in before or [before.get(key) for key in _DECIDING] != [now.get(key) for key in _DECIDING]:
            return False
        # A server may make it at any time: its fate must not hang on whether it is there already.
        return skips.by_body(kind, skips.Case(tree, (), self._around)) is None

    def _note_facts(self, resource: str, entry: Entry, tree: Tree) -> None:
        if resource == "services":
            self._around.note_service(tree)
        elif resource == "deployments.apps":
            self._table.note(entry.uid, skips.deployment_facts(tree))

    def _claim(self, prepared: Prepared, *, exists: bool) -> bool:
        """Whether an archived claim keeps its volume; says so when it comes back without its data."""
        tree = prepared.tree
        volume = volumes.volume_of(tree)
        if not volume or exists:
            return False
        kept = restored = self._volumes.kept(volume)
        if restored is None:
            kept = self._around.kept_volume(volume, fields.namespace_of(tree), fields.name_of(tree))
        if kept is Kept.YES:
            return True
        if kept is Kept.RELEASED:
            how = "a restore of both with " if restored is None else ""
            prepared.notes.append(
                f"its volume is there but released; {how}existing_resource_policy: update lets it bind again"
            )
            return True
        prepared.data_not_restored = True
        if kept is Kept.NODE_LOCAL:
            prepared.notes.append("its volume is a directory of a node, whose data is not restored")
            return True
        why = "is in use by another claim" if kept is Kept.TAKEN else "is not restored"
        prepared.notes.append(f"its volume {why}: it is provisioned anew, without its data")
        return False

    def _relink(self, resource: str, prepared: Prepared) -> None:
        metadata = fields.mapping(prepared.tree, "metadata")
        references = metadata.pop("ownerReferences", None)
        if not isinstance(references, list):
            return
        namespace = fields.namespace_of(prepared.tree)
        if resource == CLAIMS:
            # Controllers of StatefulSets set these again, when there is a StatefulSet that wants it.
            references = [one for one in references if not _is_of(one, "StatefulSet", "Pod")]
        relinked = self.relink(references, namespace)
        if relinked.references:
            metadata["ownerReferences"] = relinked.references
        prepared.notes += relinked.dropped
        prepared.assumed = relinked.assumed
        prepared.awaited = relinked.awaited

    def relink(self, references: t.Sequence[t.Any], namespace: str, *, last: bool = False) -> Relinked:
        """Archived owner references of an object in that namespace, with the target's uids."""
        return owners.relink(references, namespace, self._table, self._around, last=last)

    def compare(self, job: Job, prepared: Prepared, live: Tree) -> Difference | None:
        """Whether an object in the target is as archived.

        :param live: a tree of its own, changed here.
        """
        kind = job.target.archived
        if kind.resource == VOLUMES and volumes.is_released(live):
            return Difference(("spec.claimRef.uid",), only_added=False)
        reset.reset(kind, live, prepared.rules)
        if prepared.tree == live:
            return None
        desired = copy.deepcopy(prepared.tree)
        metadata = fields.mapping(desired, "metadata")
        if "ownerReferences" in metadata:
            metadata["ownerReferences"] = owners.one_controller(
                metadata["ownerReferences"], fields.owner_references(live)
            )
        return compare.compare(kind, desired, live)

    def why_left(self, job: Job, prepared: Prepared, live: Tree) -> str:
        """Why an object in the target is left as it is whatever the policy; empty when the policy decides."""
        if job.target.archived.resource == VOLUMES and volumes.is_taken(prepared.tree, live):
            return "left as it is: it is in use by another claim"
        return ""

    def lost_appliers(self, prepared: Prepared, live: Tree) -> bool:
        """Whether somebody who applied the archived object owns nothing of the one in the target."""
        if not prepared.has_apply:
            return False
        return not _appliers(prepared.managed) <= _appliers(fields.managed(live))

    def half_written(self, prepared: Prepared, live: Tree) -> bool:
        """Whether an object is as a restore leaves it that is ended between creating it and putting its managers back."""
        return prepared.has_apply and fields.is_written_only_by(live, prepared.manager)

    def replacement(self, job: Job, prepared: Prepared, live: Tree) -> Tree:
        """The body of an update."""
        return update.replacement(job.target.archived, prepared.tree, live, prepared.rules)


@contextlib.contextmanager
def _form_of_archived() -> t.Iterator[None]:
    """Where an archived object is looked at, what it has in another form than its kind is damage, and no defect of ours.

    :raises StowageError: ``backup_damaged``.
    """
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise StowageError("backup_damaged", "The archived object has not the form that its kind has.") from error


def _expect(job: Job, tree: Tree) -> None:
    """An object must be what the archive says it is: rules and permissions went by that.

    :raises StowageError: ``archive_hostile``.
    """
    kind, entry = job.target.archived, job.entry
    if (fields.namespace_of(tree), fields.name_of(tree)) != (entry.namespace, entry.name) or (
        tree.get("apiVersion"),
        tree.get("kind"),
    ) != (kind.api_version, kind.kind):
        raise StowageError(
            "archive_hostile",
            "The archived object is not the one that its place in the archive says.",
            "Do not trust this archive.",
        )


def _appliers(managed: list[Tree]) -> set[str]:
    return {
        str(entry.get("manager"))
        for entry in managed
        if entry.get("operation") == "Apply" and not entry.get("subresource")
    }


def _is_of(reference: t.Any, *kinds: str) -> bool:
    return isinstance(reference, dict) and reference.get("kind") in kinds
