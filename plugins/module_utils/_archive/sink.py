# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files on their way into a location, with their size and hash. Private to the collection."""

from __future__ import annotations

import dataclasses
import hashlib
import typing as t

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import Location


@dataclasses.dataclass(frozen=True, slots=True)
class FileDigest:
    """What the manifest says of a file: its size in bytes, and the sha256 (hexadecimal) of its bytes."""

    size: int
    sha256: str

    @classmethod
    def of(cls, data: bytes) -> FileDigest:
        return cls(len(data), hashlib.sha256(data).hexdigest())


class Sink:
    """A streaming upload that knows what went through it. Belongs to one thread at a time."""

    def __init__(self, location: Location, key: str) -> None:
        self._writer = location.writer(key)
        self._hash = hashlib.sha256()
        self._committed = False
        self.size = 0
        """Bytes written so far: the offset of what is written next."""

    def write(self, data: bytes) -> None:
        self._hash.update(data)
        self.size += len(data)
        self._writer.write(data)

    def commit(self) -> FileDigest:
        """Make the file visible; errors as :meth:`_locations.base.Writer.commit`."""
        self._writer.commit()
        self._committed = True
        return FileDigest(self.size, self._hash.hexdigest())

    def abort(self) -> None:
        """Drop the upload unless it was committed. Safe to call twice."""
        if not self._committed:
            self._writer.abort()
