# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What lies between AnsibleModule and a task: results, errors, secrets, signals. Private to the collection.

A module is its documentation, its argument spec and one call of :func:`run_module`.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.stowage.kubernetes.plugins.module_utils._arguments import ArgumentSpec
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster import kubeconfig
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import (
    SEE_DOCUMENTATION,
    StowageError,
    defect,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._progress import Progress, Watch, open_progress
from ansible_collections.stowage.kubernetes.plugins.module_utils._secrets import secrets_of
from ansible_collections.stowage.kubernetes.plugins.module_utils._task import Task, TaskFailedError


class StowageModule(AnsibleModule):
    """AnsibleModule that knows its secrets before it checks its arguments, and gives every failure an error code."""

    @property
    def no_log_values(self) -> set[str]:
        """Values that are masked in whatever is returned. Ansible reads this for each result, also for that of failed
        validation; the parameters are looked through each time, for validation changes their shape."""
        params = getattr(self, "params", None)
        self._hidden.update(secrets_of(params))
        if isinstance(params, dict):
            self._hidden.update(kubeconfig.secrets(params.get("kubeconfig")))
        return self._hidden

    @no_log_values.setter
    def no_log_values(self, values: t.Iterable[str]) -> None:
        self._hidden: set[str] = set(values)

    def log(self, msg: str, log_args: object = None) -> None:
        """Log a message to syslog, but never the arguments: Ansible writes nested ones as Python source, in which an
        escaped secret is not found and masked."""
        super().log("Invoked" if log_args else msg)  # type: ignore[no-untyped-call]  # ansible-core's

    def exit_json(self, **kwargs: t.Any) -> t.NoReturn:
        """See AnsibleModule."""
        _register(self.no_log_values)
        super().exit_json(**kwargs)

    def fail_json(self, msg: str, **kwargs: t.Any) -> t.NoReturn:
        """See AnsibleModule. What it finds wrong by itself is an invalid option."""
        _register(self.no_log_values)
        kwargs.setdefault("error_code", "invalid_option")
        kwargs.setdefault("hint", self.described)
        super().fail_json(msg, **kwargs)

    @property
    def described(self) -> str:
        """Where to read what options there are."""
        return f"ansible-doc stowage.kubernetes.{self._name.rpartition('.')[2]} describes all options."


def _register(values: t.Iterable[str]) -> None:
    """Name secrets to an Ansible that masks on the controller, and not by what ``no_log_values`` holds."""
    try:
        from ansible.module_utils.secrets import register_secrets  # type: ignore[import-not-found]  # since 2.22
    except ImportError:
        return
    register_secrets(values)


def run_module(spec: ArgumentSpec, task: t.Callable[[Task], t.Mapping[str, t.Any]]) -> None:
    """Run a task as a module: never returns, never shows a traceback.

    :param task: takes a :class:`Task`, returns what the module returns (with ``changed``), raises :class:`StowageError` or
        :class:`TaskFailedError`.
    """
    create: t.Callable[..., StowageModule] = StowageModule  # its base is not annotated
    module = create(argument_spec=spec, supports_check_mode=True)
    progress = open_progress(os.environ)
    end = _End(progress)
    try:
        with Watch(progress, end.now):
            result = _outcome(task, _task(module, progress), module.described)
            end.begin()
            if result.get("failed"):
                module.fail_json(**{name: value for name, value in result.items() if name != "failed"})
            module.exit_json(**result)
    finally:
        end.flush()


def _task(module: StowageModule, progress: Progress) -> Task:
    return Task(
        params=module.params,
        check=module.check_mode,
        diff=bool(module._diff),
        environ=os.environ,
        progress=progress,
        warn=module.warn,
        hide=module.no_log_values.update,
    )


def _outcome(run: t.Callable[[Task], t.Mapping[str, t.Any]], task: Task, described: str) -> dict[str, t.Any]:
    try:
        task.progress.check()
        return {"changed": False, **run(task)}
    except TaskFailedError as error:
        return {**error.result, **error.error.as_result(), "failed": True}
    except StowageError as error:
        if error.hint == SEE_DOCUMENTATION:
            error.hint = described
        return {**error.as_result(), "failed": True}
    except Exception as error:  # noqa: BLE001  # a defect, whose own text may hold anything
        return {**defect(error).as_result(), "failed": True}


class _End:
    """Ends the process when an ordered stop takes too long, with a result if none was begun."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._begun = False

    def begin(self) -> None:
        """The result is being written from now on."""
        self._begun = True

    def flush(self) -> None:
        """Have all written before threads that are still at work are waited for."""
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()

    def now(self) -> None:
        """End the process. Called by the watching thread."""
        if not self._begun:
            message = f"The task was asked to stop ({self._progress.reason}), and was ended because it did not in time."
            hint = "Something may be left behind; a backup or restore of the same name says what."
            error = StowageError("interrupted", message, hint)
            with contextlib.suppress(OSError):
                os.write(1, b"\n" + json.dumps({"failed": True, **error.as_result()}).encode() + b"\n")
        os._exit(1)
