# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes the files of a report, each whole or not at all. Private to the collection."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import stat
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._arguments import unfit
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError

_HEAD: t.Final = 16 << 10
"""Every file says its digest within its first bytes."""
_DIGEST: t.Final = re.compile(
    rb'stowage-digest(?:: |" content=")([0-9a-f]{64})|^ ?"digest": ?"([0-9a-f]{64})"', re.MULTILINE
)


def read_mode(text: str) -> int:
    """The permissions of files, as ``0644`` says them.

    :raises StowageError: ``invalid_option``.
    """
    if not re.fullmatch(r"0?[0-7]{3}", text):
        raise unfit("mode must be three octal digits in quotes, such as '0644'.")
    return int(text, 8)


def differs(path: str, digest: str, mode: int) -> bool:
    """Whether a file says something else than a report with this digest, or has other permissions.

    A file that is there says when it was made; that alone is no difference.

    :raises StowageError: ``invalid_option`` if there is something else than a file.
    """
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return True
    except OSError as error:
        raise _unusable(path, error) from None
    if not stat.S_ISREG(found.st_mode):
        raise unfit(f"{path} is there, and is no file.", "Choose another path.")
    try:
        with open(path, "rb") as file:
            match = _DIGEST.search(file.read(_HEAD))
    except OSError as error:
        raise _unusable(path, error) from None
    return match is None or (match[1] or match[2]).decode() != digest or stat.S_IMODE(found.st_mode) != mode


def write(path: str, content: bytes, mode: int) -> None:
    """Put content into a file, replacing what was there in one step.

    A reader sees the old file or the new one. The name that is written to ends with none that node_exporter reads.

    :raises StowageError: ``invalid_option`` if it cannot be written.
    """
    folder, name = os.path.split(path)
    new = os.path.join(folder, f".{name}.{secrets.token_hex(6)}.new")
    try:
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fchmod(file.fileno(), mode)
                os.fsync(file.fileno())
            os.replace(new, path)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(new)
            raise
    except OSError as error:
        raise _unusable(path, error) from None


def make_folder(path: str) -> None:
    """Make a directory, with those above it, unless it is there.

    :raises StowageError: ``invalid_option``.
    """
    try:
        os.makedirs(path, mode=0o755, exist_ok=True)
    except OSError as error:
        raise _unusable(path, error) from None


def _unusable(path: str, error: OSError) -> StowageError:
    return unfit(f"{path} cannot be used: {error.strerror or 'it cannot be written'}.", "Choose another path.")
