# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The action plugin of a module that takes long. Private to the collection."""

from __future__ import annotations

import contextlib
import typing as t

from ansible import constants as C  # noqa: N812 (its name everywhere)
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.stowage.kubernetes.plugins.module_utils._progress import FIFO_VARIABLE
from ansible_collections.stowage.kubernetes.plugins.plugin_utils._follow import Follower

Result = dict[str, t.Any]


def _say_nothing(_line: str) -> None:
    """For a task that must not be shown."""


class LongAction(ActionBase):
    """Runs the module of the same name and shows its progress while it runs.

    The module is run by plain ``_execute_module``: under Ansible's asynchronous wrapper it would go on after Ctrl-C.
    Progress needs a module on this machine that is not asynchronous; elsewhere the module runs quietly.
    """

    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: Result | None = None) -> Result:
        """See ActionBase."""
        variables = task_vars or {}
        result: Result = super().run(tmp, variables)
        asynchronous = bool(self._task.async_val)
        with self._follow(variables) if not asynchronous else contextlib.nullcontext():
            result.update(self._execute_module(task_vars=variables, wrap_async=asynchronous))
        return result

    @contextlib.contextmanager
    def _follow(self, variables: Result) -> t.Iterator[None]:
        follower = self._follower(str(variables.get("inventory_hostname", "")))
        if follower is None:
            yield
            return
        environment = self._task.environment
        self._task.environment = [*(environment or []), {FIFO_VARIABLE: follower.path}]
        try:
            with follower:
                yield
        finally:
            self._task.environment = environment

    def _follower(self, host: str) -> Follower | None:
        if self._connection.transport not in ("local", "ansible.builtin.local"):
            return None
        # Without a FIFO the module would not learn that nobody waits for it any more.
        show = _say_nothing if self._task.no_log else Display().display
        try:
            return Follower(host, show, str(vars(C)["DEFAULT_LOCAL_TMP"]))  # set when C is imported
        except OSError as error:
            Display().vv(f"No progress will be shown: {error.strerror}", host=host)
            return None
