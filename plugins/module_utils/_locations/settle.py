# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What became of a write that must happen once. Private to the collection. Pure: requests and waits are given to it.

A write that only creates can end in doubt: the connection broke, or the store failed half-way. Sent again, it is refused
because it exists already, by us or by somebody else. Only a look at the object tells: each carries the id of its writer.
"""

from __future__ import annotations

import dataclasses
import enum
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import Failure, LocationError

WRITER_METADATA: t.Final = "stowage-writer"


@dataclasses.dataclass(frozen=True)
class NewObject:
    """An object to be: its key in the location and in the bucket, what to call the writing of it in a message, the random
    id of its one writer, and its size."""

    key: str
    full_key: str
    what: str
    writer: str
    size: int

    def metadata(self) -> dict[str, str]:
        """The metadata by which its writer knows it again."""
        return {WRITER_METADATA: self.writer}


class Sight(enum.Enum):
    """Whose object is under the key."""

    OURS = "ours"
    OTHERS = "others"
    ABSENT = "absent"
    HIDDEN = "hidden"
    """It could not be seen, or not be told whose it is."""


def settle(
    what: str,
    *,
    attempt: t.Callable[[], object],
    look: t.Callable[[], Sight],
    pause: t.Callable[[int], None],
    may_pass: t.Callable[[Failure, int], bool],
    attempts: int,
) -> None:
    """Writes until it is certain that our object is under the key, or why not.

    :param attempt: sends the write; LocationError when it fails.
    :param look: whose object is there; never raises.
    :param pause: waits before another attempt (its number is given); may raise ``interrupted``.
    :param may_pass: whether a failure of attempt number n is worth another.
    :raises StowageError: ``key_exists`` when somebody else's object is there; ``outcome_unknown`` when a write may have
        been carried out and that cannot be learnt; what the store said when it is certain that it was not.
    """
    in_doubt = False
    for number in range(1, attempts + 1):
        try:
            attempt()
        except LocationError as error:
            failure = error.failure
            in_doubt = in_doubt or failure.doubt == "unknown"
            exists = failure.code == "key_exists"
            sight = look() if in_doubt or exists or failure.code == "key_not_found" else Sight.ABSENT
            if sight is Sight.OURS:
                return
            # Refused at the first attempt, it cannot be ours.
            if sight is Sight.OTHERS or (exists and sight is Sight.HIDDEN and not in_doubt):
                raise _exists(what) from None
            again = exists or in_doubt or may_pass(failure, number)
            if not again or number == attempts:
                raise (_unknown(what, error) if in_doubt else error) from None
            _pause(what, pause, number, error if in_doubt else None)
        except StowageError as error:
            # Not the store's answer: the credentials could not be renewed, say.
            raise (_unknown(what, error) if in_doubt else error) from None
        else:
            return


def _pause(what: str, pause: t.Callable[[int], None], number: int, doubtful: LocationError | None) -> None:
    try:
        pause(number)
    except StowageError:
        if doubtful is not None:
            raise _unknown(what, doubtful) from None
        raise


def _exists(what: str) -> StowageError:
    return StowageError("key_exists", f"{what}: there already is such an object, written by somebody else.")


def _unknown(what: str, error: StowageError) -> StowageError:
    return StowageError(
        "outcome_unknown",
        f"{what}: it could not be learnt whether the store carried it out. The last that was seen: {error.message}",
        "Look again once the store answers; nothing was removed.",
        details={"last_error_code": error.code},
    )
