# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a capture has to tell: warnings, errors and a log. Private to the collection. Never captured data."""

from __future__ import annotations

import datetime
import json
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.sidecars import Messages

_KEPT: t.Final = 1000
"""Messages that are kept of each sort, and lines of the log for each kind of line: memory stays bounded."""

_KEPT_LINES: t.Final = 20000


class Findings:
    """Collects messages by Velero's scopes, and a line of the log for each. Belongs to one thread."""

    def __init__(self, now: t.Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.UTC)) -> None:
        self.warnings = Messages()
        self.errors = Messages()
        self.warning_count = 0
        self.error_count = 0
        self.log: list[str] = []
        self._now = now

    def info(self, text: str) -> None:
        """A line of the log and nothing else."""
        self._line("info", text)

    def warn(self, text: str, *, namespace: str = "", cluster: bool = False) -> None:
        """The backup is whole, but somebody should know."""
        self.warning_count += 1
        _add(self.warnings, self.warning_count, text, namespace, cluster=cluster)
        self._line("warning", text)

    def error(self, text: str, *, namespace: str = "", cluster: bool = False) -> None:
        """Something that was asked for is not in the backup."""
        self.error_count += 1
        _add(self.errors, self.error_count, text, namespace, cluster=cluster)
        self._line("error", text)

    def first(self, messages: Messages, count: int) -> list[str]:
        """The first messages whatever their scope."""
        everything = [*messages.velero, *messages.cluster, *(m for each in messages.namespaces.values() for m in each)]
        return everything[:count]

    def _line(self, level: str, text: str) -> None:
        """In the form that Velero's own logs have (logrus' text formatter)."""
        if len(self.log) < _KEPT_LINES:
            time = self._now().strftime("%Y-%m-%dT%H:%M:%SZ")
            self.log.append(f'time="{time}" level={level} msg={json.dumps(text, ensure_ascii=False)}')


def _add(messages: Messages, count: int, text: str, namespace: str, *, cluster: bool) -> None:
    if count > _KEPT:
        return
    if namespace:
        messages.namespaces.setdefault(namespace, []).append(text)
    else:
        (messages.cluster if cluster else messages.velero).append(text)
