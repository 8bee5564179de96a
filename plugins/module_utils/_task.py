# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a module hands to the room that does its work. Private to the collection."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._progress import Progress


@dataclasses.dataclass(frozen=True)
class Task:
    """One run of a module.

    :param check: predict, change nothing.
    :param diff: say what differs.
    :param warn: shows a warning on the screen; never captured data.
    :param hide: takes values that no result may show; called with every secret as soon as it is known.
    """

    params: t.Mapping[str, t.Any]
    check: bool
    diff: bool
    environ: t.Mapping[str, str]
    progress: Progress
    warn: t.Callable[[str], None]
    hide: t.Callable[[t.Iterable[str]], None]


_SHOWN: t.Final = 5


def tell(task: Task, warnings: t.Sequence[str], count: int) -> None:
    """Show the first warnings of a task's work on the screen, and how many there are."""
    for text in warnings[:_SHOWN]:
        task.warn(text)
    if count > _SHOWN:
        task.warn(f"There are {count - _SHOWN} more warnings, in the result and in the location.")


class TaskFailedError(Exception):
    """A task that failed and has a result to return all the same, such as a backup that ended PartiallyFailed."""

    def __init__(self, error: StowageError, result: t.Mapping[str, t.Any]) -> None:
        super().__init__(error.message)
        self.error = error
        self.result = result
