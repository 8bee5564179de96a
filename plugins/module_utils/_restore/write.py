# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes one object into the target, or finds out what a write would do. Private to the collection.

New objects are created by POST. A POST drops managedFields, so those that somebody applied get them back by a merge
patch; an update is a PUT with the live resourceVersion as its precondition. Server-side apply is not used: it leaves added
fields in place and takes ownership away.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._restore import (
    apply,
    compare,
    fields,
    objects,
    owners,
    update,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.apply import RefusedError, Sender
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.compare import Difference
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.model import Action, Known, LaterError, Tree
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.plan import ACCOUNTS, Job, Planner, Prepared

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.target import Target

_TRIES: t.Final = 5
_DRY_RUN: t.Final = (("dryRun", "All"),)


@dataclasses.dataclass(slots=True)
class Outcome:
    """What became of an object, and its uid in the target.

    :param changes: where archived and live object differ, with values, for a diff.
    """

    action: Action
    uid: str = ""
    known: Known = Known.SERVER
    reasons: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    warning: bool = False
    changes: tuple[compare.Change, ...] = ()
    data_not_restored: bool = False
    awaits_token: bool = False
    awaited: tuple[Tree, ...] = ()
    """The archived references to owners that come later, when the object is to get them then."""


@dataclasses.dataclass(frozen=True, slots=True)
class Policy:
    """What may be done to one object that exists.

    :param update: it is made as archived (``existing_resource_policy: update``).
    :param merge: a ServiceAccount is merged, and what an earlier restore left undone is done.
    :param check: nothing is written at all.
    :param why: why it is left as it is, when it is.
    """

    update: bool
    merge: bool = True
    check: bool = False
    why: str = "left as it is (existing_resource_policy: none)"


class ObjectWriter:
    """Creates and updates objects. For any thread."""

    def __init__(self, sender: Sender, planner: Planner) -> None:
        self._sender = sender
        self._planner = planner

    # New objects

    def create(self, job: Job, prepared: Prepared) -> Outcome | Tree:
        """Create an object. If there is one of its name after all, that one is returned.

        :raises RefusedError: the server refuses it.
        :raises LaterError: one of its name is being deleted.
        """
        answer = self._post(job, prepared)
        if isinstance(answer, RefusedError):
            live = self._get(job.target, job.entry.namespace, job.entry.name)
            if live is None:
                raise answer
            if "deletionTimestamp" in fields.mapping(live, "metadata"):
                raise LaterError("one of its name is being deleted")
            if not (answer.uncertain and self._planner.compare(job, prepared, _copy(live)) is None):
                return live
            created = live  # an earlier try, whose answer was lost
        else:
            created = answer
        lost = self._put_back_managers(job.target, prepared, created) if prepared.has_apply else ""
        return Outcome(
            Action.CREATED,
            uid=str(fields.mapping(created, "metadata").get("uid") or ""),
            reasons=(*prepared.notes, *filter(None, (lost,))),
            warning=bool(prepared.notes or lost),
            data_not_restored=prepared.data_not_restored,
            awaits_token=fields.is_token_secret(prepared.tree),
            awaited=tuple(prepared.awaited),
        )

    def _post(self, job: Job, prepared: Prepared) -> Tree | RefusedError:
        """The created object's metadata, or the refusal because its name is taken."""
        refusal: Exception = RuntimeError("nothing was tried")
        for _try in range(_TRIES):
            try:
                answer = self._sender.send(
                    "POST",
                    job.target.served.path(job.entry.namespace),
                    body=objects.encode(prepared.tree),
                    query=(("fieldManager", prepared.manager), *job.target.query),
                    accept=apply.METADATA_ONLY,
                )
            except RefusedError as error:
                if error.reason == "AlreadyExists":
                    return error
                if not (error.reason == "Conflict" or _give_up_address(job, prepared, error)):
                    raise
                refusal = error
            else:
                return objects.decode(answer.response.body)
        raise refusal

    # Objects that exist

    def existing(self, job: Job, prepared: Prepared, live: Tree, policy: Policy) -> Outcome:
        """Deal with an object that exists.

        :param live: the whole object in the target.
        :raises RefusedError: the server refuses a change.
        """
        if job.target.archived.resource == ACCOUNTS:
            return self._merge_account(job, prepared, live, policy)
        uid = str(fields.mapping(live, "metadata").get("uid") or "")
        difference = self._planner.compare(job, prepared, _copy(live))
        if difference is None and prepared.awaited:
            difference = Difference(("metadata.ownerReferences",), only_added=False)
        if difference is None:
            return self._only_managers(job, prepared, live, policy)
        left = self._planner.why_left(job, prepared, live)
        if left:
            policy = dataclasses.replace(policy, update=False, why=left)
        if policy.update and not policy.check:
            updated = self._update(job, prepared, live, difference)
            return dataclasses.replace(updated, awaited=tuple(prepared.awaited))
        known = Known.LOCAL
        if difference.only_added:
            same = self._would_be_same(job, prepared, live)
            if same:
                return Outcome(Action.UNCHANGED, uid=uid, known=Known.SERVER)
            known = Known.LOCAL if same is None else Known.SERVER
        action = Action.UPDATED if policy.update else Action.DIFFERS
        reason = "differs from the archive" if policy.update else policy.why
        return Outcome(
            action, uid=uid, known=known, reasons=(reason,), paths=difference.paths, changes=difference.changes
        )

    def _only_managers(self, job: Job, prepared: Prepared, live: Tree, policy: Policy) -> Outcome:
        uid = str(fields.mapping(live, "metadata").get("uid") or "")
        lost_them = policy.update and self._planner.lost_appliers(prepared, live)
        if not (lost_them or (policy.merge and self._planner.half_written(prepared, live))):
            return Outcome(Action.UNCHANGED, uid=uid, known=Known.LOCAL)
        if policy.check:
            return Outcome(Action.UPDATED, uid=uid, known=Known.LOCAL, reasons=("its field managers are put back",))
        lost = self._put_back_managers(job.target, prepared, live)
        reasons = (lost or "its field managers are put back",)
        return Outcome(Action.UNCHANGED if lost else Action.UPDATED, uid=uid, reasons=reasons, warning=bool(lost))

    def _would_be_same(self, job: Job, prepared: Prepared, live: Tree) -> bool | None:
        """Whether the server, asked by a dry run, would change nothing; ``None`` when it cannot tell."""
        try:
            answer = self._put(job, prepared, self._planner.replacement(job, prepared, live), dry_run=True)
        except RefusedError:
            return None
        written, before = objects.decode(answer.response.body), _copy(live)
        for tree in (written, before):
            metadata = fields.mapping(tree, "metadata")
            for key in ("managedFields", "resourceVersion", "generation"):
                metadata.pop(key, None)
        return written == before

    def _update(self, job: Job, prepared: Prepared, live: Tree, difference: Difference) -> Outcome:
        refusal: Exception = RuntimeError("nothing was tried")
        for _try in range(_TRIES):
            before = fields.mapping(live, "metadata").get("resourceVersion")
            body = self._planner.replacement(job, prepared, live)
            try:
                answer = self._put(job, prepared, body, dry_run=False)
            except RefusedError as error:
                if error.reason not in {"Conflict", "NotFound"}:
                    raise
                refusal = error
                again = self._get(job.target, job.entry.namespace, job.entry.name)
                if again is None:
                    raise
                live = again
                continue
            return self._updated(job, prepared, objects.decode(answer.response.body), before, difference)
        raise refusal

    def _updated(self, job: Job, prepared: Prepared, now: Tree, before: t.Any, difference: Difference) -> Outcome:
        metadata = fields.mapping(now, "metadata")
        uid = str(metadata.get("uid") or "")
        if metadata.get("resourceVersion") == before:
            return Outcome(Action.UNCHANGED, uid=uid)
        lost = self._put_back_managers(job.target, prepared, now) if prepared.has_apply else ""
        reasons = ("differed from the archive", *prepared.notes, *filter(None, (lost,)))
        warning = bool(prepared.notes or lost)
        after = self._planner.compare(job, prepared, _copy(now))
        if after is not None and not after.only_added:
            reasons = (*reasons, "not all of it can be changed")
            warning = True
        return Outcome(
            Action.UPDATED,
            uid=uid,
            reasons=reasons,
            paths=difference.paths,
            warning=warning,
            changes=difference.changes,
        )

    def _put(self, job: Job, prepared: Prepared, body: Tree, *, dry_run: bool) -> apply.Answer:
        return self._sender.send(
            "PUT",
            job.target.served.path(job.entry.namespace, job.entry.name),
            body=objects.encode(body),
            query=(("fieldManager", prepared.manager), *job.target.query, *(_DRY_RUN if dry_run else ())),
        )

    def _merge_account(self, job: Job, prepared: Prepared, live: Tree, policy: Policy) -> Outcome:
        """ServiceAccounts are merged whatever the policy: they hold references of theirs and of controllers."""
        refusal: Exception = RuntimeError("nothing was tried")
        for _try in range(_TRIES):
            metadata = fields.mapping(live, "metadata")
            uid = str(metadata.get("uid") or "")
            body = update.merged_account(prepared.tree, live, overwrite=policy.update)
            if body is None:
                return Outcome(Action.UNCHANGED, uid=uid, known=Known.LOCAL)
            changes = compare.changes(body, live)
            paths = tuple(change.path for change in changes)
            merged = Outcome(
                Action.UPDATED, uid=uid, reasons=("merged with the archived one",), paths=paths, changes=changes
            )
            if not policy.merge:
                return dataclasses.replace(merged, action=Action.DIFFERS, known=Known.LOCAL, reasons=(policy.why,))
            if policy.check:
                return dataclasses.replace(merged, known=Known.LOCAL)
            try:
                self._put(job, prepared, body, dry_run=False)
            except RefusedError as error:
                again = self._get(job.target, job.entry.namespace, job.entry.name)
                if error.reason not in {"Conflict", "NotFound"} or again is None:
                    raise
                refusal, live = error, again
                continue
            return merged
        raise refusal

    # Both

    def _put_back_managers(self, target: Target, prepared: Prepared, written: Tree) -> str:
        """Give those who applied the archived object their fields again; what to say if that fails."""

        def managers(live: Tree) -> Tree:
            return {"managedFields": fields.merged_managers(prepared.managed, fields.managed(live), prepared.manager)}

        place = fields.namespace_of(prepared.tree), fields.name_of(prepared.tree)
        return self._put_back("its field managers", target, place, managers, manager=prepared.manager, live=written)

    def put_back_owners(self, job: Job, references: t.Sequence[Tree]) -> str:
        """Give an object owners that came after it; what to say if that fails.

        :param references: with the target's uids.
        """

        def united(live: Tree) -> Tree:
            there = fields.owner_references(live)
            uids = [one.get("uid") for one in there]
            both = there + [one for one in references if one.get("uid") not in uids]
            return {"ownerReferences": owners.one_controller(both, there)}

        place = job.entry.namespace, job.entry.name
        return self._put_back("its owners", job.target, place, united)

    def _put_back(
        self,
        what: str,
        target: Target,
        place: tuple[str, str],
        change: t.Callable[[Tree], Tree],
        *,
        manager: str = fields.FIELD_MANAGER,
        live: Tree | None = None,
    ) -> str:
        """Patch an object's metadata with what ``change`` makes of the one in the target; what to say if that fails.

        :param place: its namespace and name.
        :param live: the object, if it is known.
        """
        for _try in range(_TRIES):
            live = live or self._get(target, *place)
            if live is None:
                return f"it was deleted before {what} could be put back"
            version = fields.mapping(live, "metadata").get("resourceVersion")
            try:
                self._sender.send(
                    "PATCH",
                    target.served.path(*place),
                    body=objects.encode({"metadata": {"resourceVersion": version, **change(live)}}),
                    content_type=apply.MERGE_PATCH,
                    query=(("fieldManager", manager),),
                    accept=apply.METADATA_ONLY,
                )
            except RefusedError as error:
                if error.reason != "Conflict":
                    return f"{what} could not be put back ({error.status} {error.reason})"
                live = None
            else:
                return ""
        return f"{what} could not be put back: it keeps changing"

    def _get(self, target: Target, namespace: str, name: str) -> Tree | None:
        try:
            answer = self._sender.send("GET", target.served.path(namespace, name))
        except RefusedError as error:
            if error.status == 404:
                return None
            raise
        return objects.decode(answer.response.body)


def _give_up_address(job: Job, prepared: Prepared, error: RefusedError) -> bool:
    """A Service whose address was asked for, but is taken or foreign here: try again without, and say so."""
    spec = fields.mapping(prepared.tree, "spec")
    if job.target.archived.resource != "services" or spec.get("clusterIP") in {None, "", "None"}:
        return False
    if not any(cause.field.startswith("spec.clusterIP") for cause in error.error.causes):
        return False
    spec.pop("clusterIP", None)
    spec.pop("clusterIPs", None)
    prepared.notes.append("its cluster IP cannot be had here, so it gets another")
    return True


def _copy(tree: Tree) -> Tree:
    """Cheaper than ``copy.deepcopy``."""
    return objects.decode(objects.encode(tree))
