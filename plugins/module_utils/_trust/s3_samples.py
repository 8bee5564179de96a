# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Objects that are there, to see whether somebody may read who may not list. Private to the collection.

Whoever may not list hears of an object that is not there that access is denied, whether reading is allowed or not
(https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html, "Permissions").
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_calls import S3Calls

Find = t.Callable[[str], str]
"""The name of an object that stands for a path of a line; empty if there is none to be seen."""


class Samples:
    """What is in a bucket, as its owner sees it.

    :param open_: the bucket, with the owner's credentials. Asked only when a sample is needed.
    :param prefix: the location's, with a slash at its end or empty.
    """

    def __init__(self, open_: t.Callable[[], S3Calls], prefix: str) -> None:
        self._open, self._prefix = open_, prefix

    def like(self, path: str) -> str:
        """An object of the location that fits a path, whatever its random words are."""
        start, *_rest = fixed = path.split("{0}")
        pattern = re.escape(self._prefix) + ".+".join(map(re.escape, fixed))
        return next((key for key in self._keys(Prefix=self._prefix + start) if re.fullmatch(pattern, key)), "")

    def outside(self, _path: str) -> str:
        """An object beside the location: before or behind all that begins with its prefix."""
        behind = self._prefix[:-1] + chr(ord("/") + 1)
        keys = (key for start in ({}, {"StartAfter": behind}) for key in self._keys(**start))
        return next((key for key in keys if not key.startswith(self._prefix)), "")

    def _keys(self, **chosen: str) -> list[str]:
        try:
            answer = self._open().once("list_objects_v2", "Looking for an object to try", **chosen)
        except LocationError:
            return []
        return [str(one.get("Key")) for one in answer.get("Contents") or ()]
