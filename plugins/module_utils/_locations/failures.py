# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a request to a store failed, whatever the provider. Private to the collection.

Each provider has one classifier that makes a :class:`Failure` of its SDK's exceptions; nothing else looks at those.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError

Doubt = t.Literal["unsent", "refused", "unknown"]
"""What a failed write may have done. ``refused``: the store said no. ``unsent``: it never got there. ``unknown``: it may
have been carried out."""


@dataclasses.dataclass(frozen=True)
class Failure:
    """A request's failure. ``transient``: trying again may help. ``store_code`` and ``status`` are the store's, if it answered.
    ``denied`` is the action that was denied, if the store named it; ``own_side``: it was a policy of the caller's own; ``its_side``: it
    was one of what the request is about; ``guessed``: the store named none, and ``denied`` is what the request needs."""

    code: str
    message: str
    hint: str
    store_code: str = ""
    status: int = 0
    transient: bool = False
    doubt: Doubt = "refused"
    denied: str = ""
    own_side: bool = False
    its_side: bool = False
    guessed: bool = False


class LocationError(StowageError):
    """A location error that remembers what the store answered."""

    def __init__(self, failure: Failure) -> None:
        details = {"store_code": failure.store_code} if failure.store_code else {}
        super().__init__(failure.code, failure.message, failure.hint, details=details)
        self.failure = failure


_E = t.TypeVar("_E", bound=BaseException)


def cause(error: BaseException, kind: type[_E]) -> _E | None:
    """An exception of a kind within another: as its cause, its context, or what an SDK
    or urllib3 wraps."""
    waiting: list[object] = [error]
    for _dummy in range(20):
        if not waiting:
            return None
        current = waiting.pop(0)
        if isinstance(current, kind):
            return current
        if isinstance(current, BaseException):
            wrapped = getattr(current, "kwargs", None)
            waiting += [current.__cause__, current.__context__, getattr(current, "reason", None), *current.args]
            waiting.append(getattr(current, "inner_exception", None))
            waiting += [wrapped.get("error")] if isinstance(wrapped, dict) else []
    return None
