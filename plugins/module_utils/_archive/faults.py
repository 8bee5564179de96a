# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How it is said that a file of a backup cannot be trusted. Private to the collection. Pure."""

from __future__ import annotations

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError


def damaged(key: str, what: str, hint: str = "") -> StowageError:
    """A file that is truncated, altered or missing.

    :param key: the file, as it is called in the location.
    :param what: what is wrong with it, a clause that follows "is damaged:".
    """
    return StowageError(
        "backup_damaged",
        f"{key} is damaged: {what}.",
        hint or "Take an earlier version of the file, if the bucket keeps versions, or another backup.",
        details={"file": key},
    )


def hostile(key: str, what: str) -> StowageError:
    """A file with content that no backup tool writes.

    :param what: what it does, a clause that follows the file's name.
    """
    return StowageError(
        "archive_hostile",
        f"{key} {what}.",
        "No backup tool writes such a file. Find out who can write to the location, and do not use this backup.",
        details={"file": key},
    )


def unsupported(key: str, what: str) -> StowageError:
    """A file in a format of the future, or of another tool."""
    return StowageError(
        "archive_unsupported",
        f"{key} {what}.",
        "Update the collection, or check that the backup was made by Velero or by this collection.",
        details={"file": key},
    )
