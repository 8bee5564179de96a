# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The difference that diff mode shows: the paths that differ, bounded; all of it, with values, in a private file.

Private to the collection. Values of Secrets are in neither.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
import tempfile
import threading
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.compare import Change
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.model import Action, Result

MOST_OBJECTS: t.Final = 200
MOST_BYTES: t.Final = 64 << 10
_SHOWN: t.Final = frozenset({Action.CREATED, Action.UPDATED, Action.DIFFERS})


class Diff:
    """Collects differences. For any thread.

    The file is written beside its place under another name, and takes it in :meth:`finish`: until then, and if that never
    comes, what is there stays.

    :param path: the file for all of them; empty for none.
    """

    def __init__(self, path: str = "") -> None:
        self.shown: list[dict[str, t.Any]] = []
        self.left_out = 0
        self.problem = ""
        """Why there is no file."""
        self._bytes = 0
        self._lock = threading.Lock()
        self._path = path
        self._partial = ""
        self._file: t.TextIO | None = None

    def open(self) -> None:
        """Make the file.

        :raises StowageError: ``invalid_option`` when that cannot be.
        """
        if self._path:
            self._partial, self._file = _open(self._path)

    def add(self, result: Result, changes: t.Sequence[Change]) -> None:
        """One object, and where it differs."""
        if result.action not in _SHOWN:
            return
        line: dict[str, t.Any] = {"kind": result.resource, "name": result.name, "action": str(result.action)}
        if result.namespace:
            line["namespace"] = result.namespace
        if result.paths:
            line["paths"] = result.paths
        with self._lock:
            size = len(json.dumps(line))
            if len(self.shown) < MOST_OBJECTS and self._bytes + size <= MOST_BYTES:
                self.shown.append(line)
                self._bytes += size
            else:
                self.left_out += 1
            if self._file is not None:
                text = json.dumps({**line, "changes": _changes(result, changes)}, ensure_ascii=False)
                self._write(self._file, text)

    def _write(self, file: t.TextIO, text: str) -> None:
        try:
            file.write(text + "\n")
        except OSError as error:
            self.problem = error.strerror or "it cannot be written"
            self.close()

    def finish(self) -> None:
        """Complete the file and put it into its place."""
        with self._lock:
            if self._file is None:
                return
            try:
                self._file.close()
                os.replace(self._partial, self._path)
            except OSError as error:
                self.problem = error.strerror or "it cannot be written"
                self.close()
            self._file = None

    def close(self) -> None:
        """Give an unfinished file up."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                os.unlink(self._partial)
            with contextlib.suppress(OSError):  # what is still buffered for a full disk
                self._file.close()
            self._file = None


def _changes(result: Result, changes: t.Sequence[Change]) -> list[dict[str, t.Any]]:
    hidden = result.resource == "secrets"
    return [
        {"path": change.path} if hidden else {"path": change.path, "archived": change.archived, "live": change.live}
        for change in changes
    ]


def _open(path: str) -> tuple[str, t.TextIO]:
    """A new file, mode 0600, beside the path, and its name."""
    folder, name = os.path.split(path)
    try:
        if os.path.lexists(path) and not stat.S_ISREG(os.lstat(path).st_mode):
            raise OSError(errno.EINVAL, "it is there, and is no regular file")
        descriptor, partial = tempfile.mkstemp(prefix=f".{name[:100]}.", dir=folder or ".")
    except OSError as error:
        raise StowageError(
            "invalid_option",
            f"diff_path {path} cannot be made: {error.strerror}.",
            "Name a file in a directory that you can write.",
        ) from error
    return partial, os.fdopen(descriptor, "w", encoding="utf-8")
