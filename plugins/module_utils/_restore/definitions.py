# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a restore knows of the definitions of custom resources that it writes. Private to the collection."""

from __future__ import annotations

import threading
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils import _shapes as shapes
from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore import waits
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.target import Target, find_target

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.connection import Connection
    from ansible_collections.stowage.kubernetes.plugins.module_utils._progress import Progress
    from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.apply import Sender
    from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.around import Surroundings
    from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.plan import Job


class Definitions:
    """Remembers definitions that were, or would be, created or updated. :meth:`note` is for any thread.

    :param error: told of those that are not served in time.
    """

    def __init__(
        self,
        connection: Connection,
        sender: Sender,
        progress: Progress,
        around: Surroundings,
        *,
        check: bool,
        error: t.Callable[[str], None],
    ) -> None:
        self._connection = connection
        self._sender = sender
        self._progress = progress
        self._around = around
        self._check = check
        self._error = error
        self._written: dict[str, tuple[Kind, tuple[str, ...]]] = {}
        self._planned: dict[str, tuple[str, ...]] = {}
        self._updated: set[str] = set()
        self._lock = threading.Lock()

    def note(self, job: Job, *, updated: bool) -> None:
        """A definition was created or updated, or would be."""
        crd = shapes.read(shapes.Crd, job.body)
        versions = tuple(version.name for version in crd.spec.versions if version.served) if crd else ()
        with self._lock:
            if self._check:
                self._planned[job.entry.name] = versions
            else:
                self._written[job.entry.name] = job.target.served, versions
                if updated:
                    self._updated.add(job.entry.name)

    def plans(self, kind: Kind) -> bool:
        """Whether a plan would create or update the definition of a kind."""
        return kind.resource in self._planned

    def target(self, kind: Kind) -> Target | None:
        """Where the target serves a kind; where it does only when the plan is carried out, that is said."""
        found = find_target(self._around.discovery, kind)
        if found is None:
            return None
        planned = found.relabelled and kind.version in self._planned.get(kind.resource, ())
        return Target(kind, found.served, planned=planned, strict=kind.resource in self._updated)

    def wait(self) -> None:
        """Custom resources can only be looked up, and written, once their definitions are served as archived."""
        if not self._written:
            return
        waiting, self._written = self._written, {}
        versions = {name: served for name, (_kind, served) in waiting.items()}
        self._around.discovery, late = waits.served(self._connection, self._progress, versions)
        for name in late:
            why = waits.why_not_served(self._sender, waiting[name][0], name)
            self._error(f"CustomResourceDefinition {name} {why}.")
