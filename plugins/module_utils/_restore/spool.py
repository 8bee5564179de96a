# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files of a report while it is being written: compressed piece by piece into a private directory.

Private to the collection.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive import codec
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import Location

_PIECE: t.Final = 256 << 10
_CHUNK: t.Final = 1 << 20
_LINES: t.Final = 2000


class Spool:
    """A text file in gzip members, mode 0600. One thread at a time."""

    def __init__(self, directory: str, name: str) -> None:
        self.path = os.path.join(directory, name)
        self._waiting: list[bytes] = []
        self._size = 0

    def write(self, text: bytes) -> None:
        """Append UTF-8."""
        self._waiting.append(text)
        self._size += len(text)
        if self._size >= _PIECE:
            self.flush()

    def flush(self) -> None:
        """Write what waits. An empty file is made if there is nothing at all."""
        content = b"".join(self._waiting)
        self._waiting, self._size = [], 0
        if content or not os.path.exists(self.path):
            _append(self.path, codec.compress(content))


class ResourceSpool:
    """Velero's list of resources, ``{"v1/Pod": ["ns/name(created)"]}``, of which each kind's part is a file of its own
    until the end, since an owner's dependents may come long after the rest of their kind."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._parts: dict[str, list[bytes]] = {}
        self._files: dict[str, str] = {}

    def add(self, key: str, text: bytes) -> None:
        """One object, as JSON text, under ``group/version/Kind``."""
        part = self._parts.get(key)
        if part is None:
            part = self._parts[key] = []
        part.append(text)
        if len(part) >= _LINES:
            path = self._files.setdefault(key, os.path.join(self._directory, f"kind-{len(self._files)}"))
            _append(path, b"," + b",".join(part))
            part.clear()

    def write_to(self, spool: Spool, encode: t.Callable[[str], bytes]) -> None:
        """The whole document."""
        for number, key in enumerate(sorted(self._parts)):
            spool.write((b"{" if number == 0 else b",") + encode(key) + b":[")
            first = True
            for piece in self._pieces(key):
                spool.write(piece.removeprefix(b",") if first else piece)
                first = False
            spool.write(b"]")
        spool.write(b"}" if self._parts else b"{}")
        spool.flush()

    def _pieces(self, key: str) -> t.Iterator[bytes]:
        if key in self._files:
            with open(self._files[key], "rb") as file:
                while piece := file.read(_PIECE):
                    yield piece
        if self._parts[key]:
            yield b"," + b",".join(self._parts[key])


def _append(path: str, content: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "ab") as file:
        file.write(content)


def private_directory() -> str:
    """A new directory that nobody else can read.

    :raises StowageError: ``quota`` when there is none to be had.
    """
    try:
        return tempfile.mkdtemp(prefix="stowage-restore-")
    except OSError as error:
        raise StowageError(
            "quota", f"No temporary directory can be made: {error.strerror}.", "Make room, or set TMPDIR."
        ) from error


def remove(directory: str) -> None:
    """Remove such a directory."""
    shutil.rmtree(directory, ignore_errors=True)


def upload(location: Location, key: str, path: str) -> None:
    """Create an object from a file.

    :raises StowageError: as locations do.
    """
    with location.writer(key) as writer, open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            writer.write(chunk)
        writer.commit()


def state_directory(environ: t.Mapping[str, str], wanted: str, name: str) -> str:
    """A directory (0700) of this user for the report of a restore, made if needed.

    :param wanted: the user's choice; empty for the default below ``$XDG_STATE_HOME``.
    """
    base = wanted or os.path.join(
        environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state"), "stowage", "restores"
    )
    directory = os.path.join(base, re.sub(r"[^A-Za-z0-9.-]", "_", name))
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        return directory
    except OSError:
        return tempfile.mkdtemp(prefix=f"stowage-{name[:60]}-")


def keep(path: str, directory: str) -> str:
    """Move a file into a directory, under its name or, if that is taken, a new one; its path there."""
    base, dot, ending = os.path.basename(path).partition(".")
    number = 1
    target = os.path.join(directory, f"{base}{dot}{ending}")
    while os.path.lexists(target):
        number += 1
        target = os.path.join(directory, f"{base}-{number}{dot}{ending}")
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as out, open(path, "rb") as file:
        shutil.copyfileobj(file, out)
    return target
