# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A file that keeps a secret that was made. Private to the collection.

Its mode is 0600, it appears whole or not at all, and it is in the form in which a playbook reads it back.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets as random

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError

_LARGEST = 64 << 10


def read_keys(path: str) -> tuple[str, str] | None:
    """The access key and secret key of a file, ``None`` if it does not exist.

    :raises StowageError: ``invalid_option`` if it is something else: it is not overwritten then.
    """
    found = read_document(path, ("access_key", "secret_key"))
    return None if found is None else (found["access_key"], found["secret_key"])


def read_document(path: str, names: tuple[str, ...]) -> dict[str, str] | None:
    """What a file holds under some names, ``None`` if it does not exist.

    :raises StowageError: ``invalid_option`` if it is something else: it is not overwritten then.
    """
    try:
        with open(path, "rb", opener=_opener) as file:
            found = json.loads(file.read(_LARGEST))
            return {name: str(found[name]) for name in names}
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unusable(error.strerror or "it cannot be read") from None
    except (ValueError, KeyError, TypeError):
        raise _unusable("it holds something else") from None


def _opener(path: str, flags: int) -> int:
    """A pipe must not make a task wait."""
    return os.open(path, flags | os.O_NONBLOCK)


def write_keys(path: str, access_key: str, secret_key: str) -> None:
    """Puts keys into a file.

    :raises StowageError: ``invalid_option`` if it cannot be written.
    """
    write_document(path, {"access_key": access_key, "secret_key": secret_key})


def write_document(path: str, document: dict[str, str]) -> None:
    """Puts values into a file.

    :raises StowageError: ``invalid_option`` if it cannot be written.
    """
    content = json.dumps(document, indent=2) + "\n"
    new = f"{path}.{random.token_hex(6)}"
    try:
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(new, path)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(new)
            raise
    except OSError as error:
        raise _unusable(error.strerror or "it cannot be written") from None


def remove(path: str) -> None:
    """Deletes a file; one that is gone is no failure.

    :raises StowageError: ``invalid_option`` if it cannot be deleted.
    """
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise _unusable(error.strerror or "it cannot be deleted") from None


def check_writable(path: str) -> None:
    """Makes sure that a file can be written, before something is made whose secret it is to keep.

    :raises StowageError: ``invalid_option``.
    """
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder) or not os.access(folder, os.W_OK | os.X_OK):
        raise _unusable("its directory does not exist, or may not be written into")


def _unusable(why: str) -> StowageError:
    hint = "Choose another secret_path, in a directory that exists, or move the file away."
    return StowageError("invalid_option", f"The file of secret_path cannot be used: {why}.", hint)
