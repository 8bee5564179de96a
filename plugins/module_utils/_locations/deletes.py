# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Deleting many keys where each is a request of its own, whatever the provider. Private to the collection."""

from __future__ import annotations

import typing as t
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import DeleteFailure
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import LocationError

AT_ONCE: t.Final = 8


def delete_each(
    keys: t.Sequence[str], delete: t.Callable[[str], None], *, of_the_key: frozenset[str]
) -> list[DeleteFailure]:
    """Deletes keys, several at once.

    :param delete: deletes one; a key that is not there is no failure.
    :param of_the_key: codes of what may be wrong with one key and not with the next. Anything else ends it all.
    :returns: what could not be deleted.
    """
    wanted = [key for key in keys if key]
    if not wanted:
        return []

    def tried(key: str) -> DeleteFailure | None:
        try:
            delete(key)
        except LocationError as error:
            if error.code not in of_the_key:
                raise
            return DeleteFailure(key, error.code, error.message)
        return None

    with ThreadPoolExecutor(min(AT_ONCE, len(wanted)), "stowage-delete") as pool:
        try:
            found = list(pool.map(tried, wanted))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [failure for failure in found if failure is not None]
