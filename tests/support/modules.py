# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs one of the collection's modules, in a process of its own as a task does, or here, without the cost of a play."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import typing as t
from unittest import mock

PACKAGE: t.Final = "ansible_collections.stowage.kubernetes.plugins.modules."


class Failed(Exception):  # noqa: N818 - a failed task, not a defect
    """The module failed; ``result`` is what it returned."""

    def __init__(self, result: dict[str, t.Any]) -> None:
        super().__init__(json.dumps(result, indent=1))
        self.result = result


def run(module: str, args: t.Mapping[str, t.Any], *, check: bool = False, diff: bool = False) -> dict[str, t.Any]:
    """Run a module and return its result.

    :raises Failed: when the module fails, or does not answer in JSON.
    """
    told = {**args, "_ansible_check_mode": check, "_ansible_diff": diff, "_ansible_no_log": False}
    done = subprocess.run(
        [sys.executable, "-m", "support.modules"],
        input=json.dumps({"module": module, "args": told}),
        capture_output=True,
        text=True,
        check=False,
        env={name: value for name, value in os.environ.items() if not name.startswith("K8S_AUTH_")},
    )
    try:
        result: dict[str, t.Any] = json.loads(done.stdout)
    except ValueError:
        ended = {"status": done.returncode, "stdout": done.stdout, "stderr": done.stderr}
        raise Failed({"msg": "no JSON", **ended}) from None
    if result.get("failed"):
        raise Failed(result)
    return result


def run_here(module: str, args: t.Mapping[str, t.Any], *, check: bool = False, diff: bool = False) -> dict[str, t.Any]:
    """Run a module's task in this process, its arguments validated by its spec, and return its result: for tests that run
    one many times. Warnings are in it as ``warnings``.

    :raises Failed: when the module fails.
    """
    from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

    from ansible_collections.stowage.kubernetes.plugins.module_utils import _module
    from ansible_collections.stowage.kubernetes.plugins.module_utils._progress import Progress
    from ansible_collections.stowage.kubernetes.plugins.module_utils._task import Task

    spec, task = _parts(module)
    validator: t.Any = ArgumentSpecValidator  # ansible-core's, which is not annotated
    validated = validator(spec).validate(dict(args))
    if validated.error_messages:
        raise Failed({"msg": "; ".join(validated.error_messages), "error_code": "invalid_option"})
    warnings: list[str] = []
    given = Task(
        params=validated.validated_parameters,
        check=check,
        diff=diff,
        environ={},
        progress=Progress(),
        warn=warnings.append,
        hide=lambda _dummy: None,
    )
    result = _module._outcome(task, given, f"ansible-doc stowage.kubernetes.{module} describes all options.")
    if warnings:
        result["warnings"] = warnings
    if result.get("failed"):
        raise Failed(result)
    return result


def _parts(module: str) -> tuple[dict[str, t.Any], t.Callable[..., t.Mapping[str, t.Any]]]:
    """The argument spec of a module, and the function that does its work."""
    found = importlib.import_module(PACKAGE + module)
    seen: list[t.Any] = []
    with mock.patch.object(found, "run_module", lambda *parts: seen.extend(parts)):
        found.main()
    return seen[0], seen[1]


def _main() -> None:
    from ansible.module_utils.testing import patch_module_args

    job = json.load(sys.stdin)
    with patch_module_args(job["args"]):
        importlib.import_module(PACKAGE + job["module"]).main()


if __name__ == "__main__":
    _main()
