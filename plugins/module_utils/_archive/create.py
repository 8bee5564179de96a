# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Creation of small files whose outcome is known. Private to the collection."""

from __future__ import annotations

import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import Location


def create_once(location: Location, key: str, data: bytes) -> None:
    """Create a file; one that is there with exactly these bytes is taken for ours.

    A client that repeats a request whose answer was lost is told that the file exists. So ``key_exists`` and
    ``outcome_unknown`` are followed by a look at what is there. Only for content that nobody else writes.

    :raises StowageError: as :meth:`_locations.base.Location.create`.
    """
    try:
        location.create(key, data)
    except StowageError as error:
        if error.code not in ("key_exists", "outcome_unknown") or not _is_there(location, key, data):
            raise


def _is_there(location: Location, key: str, data: bytes) -> bool:
    try:
        return location.read(key, limit=len(data)) == data
    except StowageError:  # not there, larger than ours, or not to be read: what the creation said stands
        return False
