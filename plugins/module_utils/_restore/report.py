# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a restore tells: a line for each object, counts, and Velero's files about it. Private to the collection.

Memory stays bounded: lines go to a private temporary directory at once, and to the location at the end.
"""

from __future__ import annotations

import collections
import datetime
import functools
import threading
import time
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.sidecars import Messages
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore import objects, spool
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.model import Action, Result

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.layout import RestorePaths
    from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import Location

_KEPT: t.Final = 100
"""Results of one action that a summary can show."""
_MESSAGES: t.Final = 2000
_VELERO_WORDS: t.Final[t.Mapping[Action, str]] = {
    Action.CREATED: "created",
    Action.UPDATED: "updated",
    Action.FAILED: "failed",
}
_LOGGED: t.Final = frozenset({Action.CREATED, Action.UPDATED, Action.FAILED, Action.DIFFERS})
_LEVELS: t.Final[t.Mapping[Action, str]] = {Action.FAILED: "error", Action.DIFFERS: "warning"}


class Report:
    """Collects results. For any thread, until :meth:`save` or :meth:`discard`.

    :param files: whether lines are written at all: a plan without a place for them keeps counts and the first results.
    """

    def __init__(self, *, files: bool) -> None:
        self.counts: collections.Counter[Action] = collections.Counter()
        self.kinds: dict[str, collections.Counter[Action]] = {}
        self.first: dict[Action, list[Result]] = {action: [] for action in Action}
        self.data_not_restored: list[str] = []
        self.data_not_restored_count = 0
        self.warnings: list[str] = []
        self.errors: list[str] = []
        self.notes: list[str] = []
        """What is said of objects that are as they should be."""
        self.note_count = 0
        self._messages = {"warnings": Messages(), "errors": Messages()}
        self._lock = threading.Lock()
        self._files = _Files() if files else None

    @property
    def objects(self) -> int:
        """How many results there are."""
        return self.counts.total()

    @property
    def written(self) -> int:
        """How many objects were created or updated."""
        return self.counts[Action.CREATED] + self.counts[Action.UPDATED]

    def add(self, result: Result) -> None:
        """One object's fate."""
        with self._lock:
            self.counts[result.action] += 1
            kind = self.kinds.get(result.resource)
            if kind is None:
                kind = self.kinds[result.resource] = collections.Counter()
            kind[result.action] += 1
            if len(self.first[result.action]) < _KEPT:
                self.first[result.action].append(result)
            if result.data_not_restored:
                self._lost_data(result)
            if result.action in _LEVELS or result.warning:
                self._message(result)
            if result.warning and not result.data_not_restored:
                self.note_count += 1
                if len(self.notes) < _KEPT:
                    self.notes.append(f"{result.key}: {result.reason}")
            if self._files is not None:
                try:
                    self._files.add(result)
                except OSError as error:
                    self._give_up(error)

    def _lost_data(self, result: Result) -> None:
        self.data_not_restored_count += 1
        if len(self.data_not_restored) < _KEPT:
            self.data_not_restored.append(f"{result.namespace}/{result.name}" if result.namespace else result.name)

    def _message(self, result: Result) -> None:
        messages = self._messages["errors" if result.action is Action.FAILED else "warnings"]
        scope = messages.namespaces.setdefault(result.namespace, []) if result.namespace else messages.cluster
        if len(scope) < _MESSAGES and len(messages) < 10 * _MESSAGES:
            scope.append(f"{result.resource} {result.name}: {result.action}: {result.reason}")

    def _give_up(self, error: OSError) -> None:
        """A full disk keeps nobody from restoring: the report ends, and the result says so."""
        if self._files is not None:
            spool.remove(self._files.directory)
        self._files = None
        self.warnings.append(f"There is no report, for it cannot be written: {error.strerror}.")

    def warn(self, text: str) -> None:
        """About the restore as a whole."""
        with self._lock:
            self.warnings.append(text)
            self._messages["warnings"].velero.append(text)

    def error(self, text: str) -> None:
        """What makes the restore ``PartiallyFailed``, beside failed objects."""
        with self._lock:
            self.errors.append(text)
            self._messages["errors"].velero.append(text)

    def save(self, location: Location, paths: RestorePaths) -> None:
        """Put everything into the location.

        :raises StowageError: as locations do; the files are still there then, for :meth:`keep`.
        """
        if self._files is not None:
            with self._lock:
                try:
                    files = self._files.finish(paths, {name: one.as_dict() for name, one in self._messages.items()})
                except OSError as error:
                    self._give_up(error)
                    return
            for key, path in files.items():
                spool.upload(location, key, path)

    def keep(self, directory: str) -> str:
        """Put the report alone into a local directory; its path, empty when there are no files."""
        with self._lock:
            if self._files is None:
                return ""
            try:
                self._files.lines.flush()
                return spool.keep(self._files.lines.path, directory)
            except OSError as error:
                self._give_up(error)
                return ""

    @property
    def has_files(self) -> bool:
        """Whether there is a report to be kept."""
        return self._files is not None

    def discard(self) -> None:
        """Remove the temporary files."""
        if self._files is not None:
            spool.remove(self._files.directory)


class _Files:
    """What becomes the files of a restore."""

    def __init__(self) -> None:
        self.directory = spool.private_directory()
        self.lines = spool.Spool(self.directory, "stowage-report.json.gz")
        self.log = spool.Spool(self.directory, "logs.gz")
        self.resources = spool.ResourceSpool(self.directory)

    def add(self, result: Result) -> None:
        """A line in the report and in Velero's list; in the log, where Velero writes one for each step, if it says more."""
        encode = objects.encode
        self.lines.write(encode(result.as_dict()) + b"\n")
        name = f"{result.namespace}/{result.name}" if result.namespace else result.name
        word = _VELERO_WORDS.get(result.action, "skipped")
        self.resources.add(f"{result.api_version}/{result.kind}", encode(f"{name}({word})"))
        if result.action in _LOGGED or result.warning:
            level = _LEVELS.get(result.action, "warning" if result.warning else "info")
            self.log.write(
                b"time=%b level=%b msg=%b reason=%b\n"
                % (encode(_now()), level.encode(), encode(f"{result.key}: {result.action}"), encode(result.reason))
            )

    def finish(self, paths: RestorePaths, results: t.Mapping[str, t.Any]) -> dict[str, str]:
        """Complete them; key in the location -> path."""
        self.lines.flush()
        self.log.flush()
        listing = spool.Spool(self.directory, "resource-list.json.gz")
        self.resources.write_to(listing, objects.encode)
        messages = spool.Spool(self.directory, "results.gz")
        messages.write(objects.encode(results))
        messages.flush()
        return {
            paths.report: self.lines.path,
            paths.logs: self.log.path,
            paths.resource_list: listing.path,
            paths.results: messages.path,
        }


def _now() -> str:
    return _moment(int(time.time() * 10))


@functools.lru_cache(maxsize=1)
def _moment(tenths: int) -> str:
    """A tenth of a second as Velero's logs write it. Made once: a thousand lines a second are usual."""
    moment = datetime.datetime.fromtimestamp(tenths / 10, datetime.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def location_refuses(error: StowageError) -> bool:
    """Whether a location cannot be written by this identity, so that a report has to stay here."""
    return error.code in {
        "permission_denied",
        "key_exists",
        "locked",
        "quota",
        "outcome_unknown",
        "unsupported_by_store",
        "endpoint_unreachable",
        "credentials_expired",
        "throttled",
        "store_error",
    }
