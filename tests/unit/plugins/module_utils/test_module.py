# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What lies between AnsibleModule and a task: results, error codes, and no secret in any of them."""

from __future__ import annotations

import contextlib
import importlib
import json
import typing as t
from pathlib import Path

import pytest
from ansible.module_utils import basic
from ansible.module_utils.common.parameters import PASS_VARS
from ansible.module_utils.testing import patch_module_args

from ansible_collections.stowage.kubernetes.plugins.module_utils._arguments import CLUSTER, LOCATION, merge
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._module import run_module
from ansible_collections.stowage.kubernetes.plugins.module_utils._task import Task, TaskFailedError
from support import modules

SECRET: t.Final = "canary-0123"
AUTH: t.Final = {"method": "access_key", "access_key": "who", "secret_key": SECRET}
FINE: t.Final = {"location": {"provider": "minio", "bucket": "b", "endpoint": "https://h", "auth": AUTH}}


class Logged(list[str]):
    """What would have gone to syslog."""


@pytest.fixture(autouse=True)
def _no_secrets_of_other_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Since 2.22 a process names each secret once."""
    with contextlib.suppress(ImportError):
        secrets: t.Any = importlib.import_module("ansible.module_utils.secrets")
        monkeypatch.setattr(secrets, "_secret_masker", type(secrets._secret_masker)())


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> Logged:
    found = Logged()
    monkeypatch.setattr(basic.AnsibleModule, "log", lambda _self, msg, log_args=None: found.append(f"{msg} {log_args}"))
    return found


def run(
    capsys: pytest.CaptureFixture[str],
    params: t.Mapping[str, t.Any],
    task: t.Callable[[Task], t.Mapping[str, t.Any]] = lambda _task: {},
    **internal: t.Any,
) -> dict[str, t.Any]:
    """Run a task as a module and return its result, the invocation with it."""
    told = {
        **params,
        **(
            {"_ansible_inject_invocation": True} if "inject_invocation" in PASS_VARS else {}
        ),  # else always (2.19, 2.20)
        **{f"_ansible_{name}": value for name, value in internal.items()},
    }
    with patch_module_args(told), pytest.raises(SystemExit):
        run_module(merge(LOCATION, CLUSTER), task)
    return _as_shown(json.loads(capsys.readouterr().out))


def _as_shown(result: dict[str, t.Any]) -> dict[str, t.Any]:
    """The result as the controller shows it: since 2.22 it is the controller that masks what the module names."""
    named = sorted(result.pop("_ansible_new_secrets", ()), key=len, reverse=True)

    def masked(value: t.Any) -> t.Any:
        if isinstance(value, dict):
            return {name: masked(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [masked(inner) for inner in value]
        for secret in named if isinstance(value, str) else ():
            value = value.replace(secret, "********")
        return value

    return {name: masked(value) for name, value in result.items()}


def test_a_result_is_what_the_task_returns(capsys: pytest.CaptureFixture[str]) -> None:
    result = run(capsys, FINE, lambda _task: {"changed": True, "backup": {"name": "x"}})
    assert result["changed"] is True
    assert result["backup"] == {"name": "x"}
    assert "failed" not in result


def test_a_task_learns_how_it_was_called(capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[Task] = []

    def task(told: Task) -> dict[str, t.Any]:
        seen.append(told)
        return {}

    assert run(capsys, FINE, task, check_mode=True, diff=True)["changed"] is False
    assert (seen[0].check, seen[0].diff, seen[0].params["location"]["bucket"]) == (True, True, "b")


def test_an_error_of_ours_is_a_failure_with_code_hint_and_details(capsys: pytest.CaptureFixture[str]) -> None:
    def task(_task: Task) -> dict[str, t.Any]:
        raise StowageError("bucket_not_found", "There is none.", "Make it.", details={"bucket": "b"})

    result = run(capsys, FINE, task)
    assert result["failed"] is True
    assert result["error_code"] == "bucket_not_found"
    assert (result["msg"], result["hint"]) == ("There is none. Make it.", "Make it.")
    assert result["error_details"] == {"bucket": "b"}


def test_a_failed_task_can_have_a_result(capsys: pytest.CaptureFixture[str]) -> None:
    def task(_task: Task) -> dict[str, t.Any]:
        raise TaskFailedError(StowageError("backup_partial", "Not all."), {"changed": True, "backup": {"name": "x"}})

    result = run(capsys, FINE, task)
    assert (result["failed"], result["changed"], result["error_code"]) == (True, True, "backup_partial")
    assert result["backup"] == {"name": "x"}


def test_a_defect_says_where_it_is_and_nothing_that_it_holds(capsys: pytest.CaptureFixture[str]) -> None:
    def task(_task: Task) -> dict[str, t.Any]:
        raise ValueError("captured-data")

    result = run(capsys, FINE, task)
    assert result["error_code"] == "internal_error"
    assert "ValueError at test_module.py:" in result["msg"]
    assert "captured-data" not in json.dumps(result)
    assert "Traceback" not in json.dumps(result)


def test_what_a_task_hides_is_hidden(capsys: pytest.CaptureFixture[str]) -> None:
    def task(told: Task) -> dict[str, t.Any]:
        told.hide(["learnt-later"])
        return {"text": "a learnt-later b"}

    assert run(capsys, FINE, task)["text"] == "a ******** b"


def test_a_warning_is_shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    # True once another test has loaded Ansible's controller, whose modules warn on the screen instead.
    monkeypatch.setattr("ansible.module_utils._internal.is_controller", False)

    def task(told: Task) -> dict[str, t.Any]:
        told.warn("take care")
        return {}

    assert "take care" in json.dumps(run(capsys, FINE, task)["warnings"])


def test_a_stop_that_was_asked_for_before_keeps_the_task_from_beginning(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("STOWAGE_PROGRESS_FIFO", str(tmp_path / "gone"))
    with pytest.raises(modules.Failed) as caught:
        modules.run("backup_info", {"location": {"provider": "filesystem", "path": str(tmp_path)}})
    assert caught.value.result["error_code"] == "interrupted"


KUBECONFIG: t.Final = {"users": [{"name": "x", "user": {"token": SECRET, "client-key-data": f"{SECRET}-key"}}]}


@pytest.mark.parametrize(
    "params",
    [
        FINE,
        {"location": {"provider": "minio", "auth": SECRET}},
        {"location": {"provider": "minio", "auth": [SECRET]}},
        {"location": {"provider": "minio", "auth": {"method": "access_key", "secretkey": SECRET}}},
        {"location": {"provider": "minio", "auth": json.dumps({**AUTH, "method": "none"})}},
        {"location": {"provider": "none", "auth": AUTH}},
        {"location": f"provider=minio secret_key={SECRET}"},
        {"location": [SECRET]},
        {"location": SECRET},
        {**FINE, "kubeconfig": KUBECONFIG, "impersonate_groups": {"not": "a list"}},
        {**FINE, "kubeconfig": {"users": SECRET, "token": SECRET}, "unknown": 1},
        {**FINE, "kubeconfig": f"users:\n- user:\n    token: {SECRET}\n", "validate_certs": "perhaps"},
        {**FINE, "api_key": SECRET, "validate_certs": "perhaps"},
        {**FINE, "proxy_headers": SECRET},
        {**FINE, "proxy_headers": {"basic_auth": SECRET, "unknown": 1}},
        {**FINE, "proxy": f"http://who:{SECRET}@proxy", "validate_certs": "perhaps"},
        {"api_key": SECRET, "password": SECRET},
    ],
)
def test_no_secret_is_returned_or_logged_whatever_is_wrong(
    params: dict[str, t.Any], capsys: pytest.CaptureFixture[str], logged: Logged
) -> None:
    result = run(capsys, params)
    assert result["invocation"]["module_args"].keys() >= params.keys()
    assert SECRET not in json.dumps(result)
    assert SECRET not in "".join(logged)
    assert not result.get("failed") or result["error_code"] == "invalid_option"


def test_arguments_are_not_logged(capsys: pytest.CaptureFixture[str], logged: Logged) -> None:
    run(capsys, FINE)
    assert logged == ["Invoked None"]
