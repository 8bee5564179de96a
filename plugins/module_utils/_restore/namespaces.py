# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Namespaces that objects need. Private to the collection."""

from __future__ import annotations

import threading
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.listing import pages
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore import fields, objects, skips, waits
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.apply import RefusedError
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.model import (
    Action,
    Known,
    LaterError,
    Result,
    Tree,
)

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.connection import Connection
    from ansible_collections.stowage.kubernetes.plugins.module_utils._progress import Progress
    from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.apply import Sender
    from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.plan import Job

KIND: t.Final = Kind("", "v1", "namespaces", "Namespace", False)
_FEW: t.Final = 20


class Namespaces:
    """Sees to the namespaces that objects go to. One that was not asked for comes when the first object needs it: from the
    archive, or bare if that does not hold it, as Velero does; if it exists it is left alone. For any thread.

    :param report: takes the results of those that are made bare.
    :param restore: deals with an archived namespace.
    :ivar failed: name -> why nothing can be restored into it.
    :ivar new: those that this restore made, or that a plan would make.
    :ivar attempted: those that were asked for.
    :ivar waiting: those that are tried again later.
    """

    def __init__(
        self,
        sender: Sender,
        connection: Connection,
        progress: Progress,
        *,
        check: bool,
        report: t.Callable[[Result], None],
        restore: t.Callable[[Job], None],
    ) -> None:
        self.failed: dict[str, str] = {}
        self.new: set[str] = set()
        self.attempted: set[str] = set()
        self.waiting: set[str] = set()
        self._held: dict[str, Job] = {}
        self._on_demand: set[str] = set()
        self._tried: set[str] = set()
        self._accounts_come = True
        self._lock = threading.Lock()
        self._sender = sender
        self._connection = connection
        self._progress = progress
        self._check = check
        self._report = report
        self._restore = restore

    def hold(self, job: Job) -> None:
        """An archived namespace that was not asked for."""
        self._held[job.entry.name] = job

    def await_gone(self, name: str) -> bool:
        """Wait for a namespace that is being deleted; whether it is gone."""
        self._progress.note(f"Waiting for the namespace {name} to be deleted")
        if waits.gone(self._sender, self._progress, KIND, name):
            return True
        self.failed[name] = f"its namespace {name} is being deleted, and does not go"
        return False

    def prepare(self, names: t.Collection[str]) -> None:
        """Learn which of these are there to stay, once those that were asked for are dealt with."""
        wanted = [name for name in names if not (self._check and name in self.new)]
        there = self._there(wanted)
        for name in wanted:
            stays = there.get(name) is False
            if there.get(name) and not self._check:
                self.await_gone(name)
            if name in self.attempted and not stays:
                self.failed.setdefault(name, f"its namespace {name} could not be created")
            elif not stays:
                self._on_demand.add(name)

    def need(self, name: str) -> None:
        """An object is to be created there: make the namespace if it still has to be made.

        :raises LaterError: it is tried again later.
        :raises StowageError: it cannot be had.
        """
        if name in self._on_demand:
            with self._lock:
                if name in self._on_demand and name not in self.failed:
                    self._bring(name)
        if name in self.failed:
            raise StowageError("cluster_api_error", self.failed[name])

    def default_account(self, kind: Kind, namespace: str) -> Tree | None:
        """The ServiceAccount that a controller makes in a namespace of :attr:`new`; what it will be, in a plan.

        It is awaited, so that its fate hangs on no race and a plan can tell it. ``None`` when no controller makes it.
        """
        if self._check:
            metadata = {"name": skips.DEFAULT_ACCOUNT, "namespace": namespace}
            return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata}
        if not self._accounts_come:
            return None
        account = waits.made(self._sender, self._progress, kind, namespace, skips.DEFAULT_ACCOUNT)
        if account is None:
            self._accounts_come = False
        return account

    def _bring(self, name: str) -> None:
        if name not in self._tried and not self._stays(name):
            self._tried.add(name)
            job = self._held.pop(name, None)
            if job is None:
                self._make(name)
            else:
                self._restore(job)
        if name in self.waiting:
            raise LaterError(f"its namespace {name} could not be created")
        if not self._check and not self._stays(name):
            self.failed[name] = f"its namespace {name} could not be created"
        self._on_demand.discard(name)

    def _there(self, names: t.Collection[str]) -> dict[str, bool]:
        """Those that exist, and whether they are being deleted."""
        if len(names) <= _FEW:
            return {name: found for name in names if (found := self._find(name)) is not None}
        return {item.name: item.deleting for page in pages(self._connection, KIND) for item in page.items}

    def _find(self, name: str) -> bool | None:
        try:
            tree = objects.decode(self._sender.send("GET", KIND.path("", name)).response.body)
        except RefusedError as error:
            if error.status == 404:
                return None
            raise
        return "deletionTimestamp" in fields.mapping(tree, "metadata")

    def _stays(self, name: str) -> bool:
        """Whether it is there, and not being deleted."""
        return self._find(name) is False

    def _make(self, name: str) -> None:
        result = Result(
            "v1", "Namespace", "namespaces", "", name, Action.CREATED, "made bare: the archive does not hold it"
        )
        if self._check:
            self.new.add(name)
            self._report(result)
            return
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        try:
            self._sender.send(
                "POST", KIND.path(), body=objects.encode(body), query=(("fieldManager", fields.FIELD_MANAGER),)
            )
        except RefusedError as error:
            if error.reason == "AlreadyExists":
                return
            self.failed[name] = f"its namespace {name} could not be created"
            result.action, result.reason, result.code = Action.FAILED, error.message, error.code
        else:
            self.new.add(name)
        result.known = Known.SERVER
        self._report(result)
