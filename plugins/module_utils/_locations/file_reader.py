# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An object of a directory as a stream. Private to the collection."""

from __future__ import annotations

import os

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import disk


class FileReader:
    """A file from an offset to the end that it had when it was opened."""

    def __init__(self, handle: int, offset: int, size: int, name: str) -> None:
        self._handle = handle
        self._offset = offset
        self._size = size
        self._name = name

    def read(self, size: int, /) -> bytes:
        want = min(size, self._size - self._offset)
        if want <= 0:
            return b""
        with disk.translated(f"Reading {self._name}"):
            data = os.pread(self._handle, want, self._offset)
            while len(data) < want:
                more = os.pread(self._handle, want - len(data), self._offset + len(data))
                if not more:
                    raise StowageError("backup_damaged", f"{self._name} became shorter while it was read.")
                data += more
        self._offset += len(data)
        return data

    def close(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def __del__(self) -> None:
        self.close()
