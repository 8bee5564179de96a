# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether somebody reads a backup, by the leases in its cluster's folder. Private to the collection.

A lease is a chain of keys ``metadata/stowage/leases/<what>/<number>.json``, each created once; the highest number holds
until the expiry that is written in it. One that cannot be understood holds: better a backup too many.
"""

from __future__ import annotations

import datetime
import json
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive import layout, limits
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import Location

_WHAT: t.Final = "backup-"
"""With the backup's name: what a reader holds while it reads."""


def leased_backups(location: Location, cluster: str) -> frozenset[str]:
    """The names of a cluster's backups that somebody holds now.

    :raises StowageError: location errors.
    """
    prefix = f"{layout.cluster_folder(cluster)}metadata/stowage/leases/{_WHAT}"
    chains: dict[str, list[str]] = {}
    for info in location.list(prefix):
        name, slash, link = info.key[len(prefix) :].partition("/")
        if slash and link.endswith(".json"):
            chains.setdefault(name, []).append(info.key)
    now = location.now()
    return frozenset(name for name, keys in chains.items() if _holds(location, max(keys, key=_number), now))


def is_held(location: Location, cluster: str, backup: str) -> bool:
    """Whether somebody holds one backup now.

    :raises StowageError: location errors.
    """
    return backup in leased_backups(location, cluster)


def _number(key: str) -> tuple[int, str]:
    text = key.rpartition("/")[2].removesuffix(".json")
    return (int(text) if text.isascii() and text.isdigit() and len(text) < 20 else -1, key)


def _holds(location: Location, key: str, now: datetime.datetime) -> bool:
    try:
        lease = json.loads(location.read(key, limit=limits.MAX_RECORD))
        return datetime.datetime.fromisoformat(lease["expires"]) > now
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError):
        return True
    except StowageError as error:
        if error.code in ("key_not_found", "archive_hostile"):
            return error.code == "archive_hostile"
        raise
