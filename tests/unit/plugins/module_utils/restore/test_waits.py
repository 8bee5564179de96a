# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.connection import ApiStatusError, Response
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.discovery import Discovery
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind
from ansible_collections.stowage.kubernetes.plugins.module_utils._progress import Progress
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore import waits
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.apply import Answer, RefusedError

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.connection import Connection
    from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.apply import Sender

Tree = dict[str, t.Any]
SECRETS = Kind("", "v1", "secrets", "Secret", True)
WIDGETS = Kind("example.com", "v1", "widgets", "Widget", True, frozenset({"list"}))


class Script:
    """Answers each GET with the next tree; ``None`` is 404. The last answer stays."""

    def __init__(self, *answers: Tree | None) -> None:
        self.answers = list(answers)
        self.asked = 0

    def send(self, method: str, path: str) -> Answer:
        assert (method, path.rpartition("/")[2]) == ("GET", "x")
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer is None:
            raise RefusedError(ApiStatusError("gone", status=404, reason="NotFound"), uncertain=False)
        return Answer(Response(200, {}, json.dumps(answer).encode()))


def scripted(*answers: Tree | None) -> tuple[Sender, Script]:
    script = Script(*answers)
    return t.cast("Sender", script), script


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waits, "_FIRST_PAUSE", 0.001)
    monkeypatch.setattr(waits, "_LONGEST_PAUSE", 0.002)


def token(*answers: Tree | None) -> tuple[str, int]:
    sender, script = scripted(*answers)
    return waits.token_made(sender, Progress(), SECRETS, "n", "x"), script.asked


def test_a_token_is_waited_for() -> None:
    assert token({"data": {"token": "t"}}) == ("", 1)
    assert token({}, {"data": {"ca.crt": "c"}}, {"data": {"token": "t"}}) == ("", 3)


def test_a_token_that_does_not_come_is_said_and_so_is_a_deleted_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waits, "TOKEN_SECONDS", 0.05)
    why, asked = token({})
    assert "no token" in why
    assert asked > 1
    why, asked = token({}, None)
    assert "no such service account" in why
    assert asked == 2


def test_what_is_being_deleted_is_waited_for() -> None:
    sender, script = scripted({}, {}, None)
    assert waits.gone(sender, Progress(), SECRETS, "x")
    assert script.asked == 3
    assert not waits.gone(scripted({})[0], Progress(), SECRETS, "x", seconds=0.01)


def test_a_stop_ends_waiting() -> None:
    progress = Progress()
    progress.stop("a test")
    with pytest.raises(StowageError) as caught:
        waits.gone(scripted({})[0], progress, SECRETS, "x")
    assert caught.value.code == "interrupted"


def test_definitions_are_waited_for_by_discovery(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing, all_of_it = Discovery((), (), ()), Discovery((WIDGETS,), (), ())
    answers = [nothing, nothing, all_of_it]
    monkeypatch.setattr(waits, "discover", lambda _connection: answers.pop(0))
    connection = t.cast("Connection", None)
    assert waits.served(connection, Progress(), {"widgets.example.com": ("v1",)}) == (all_of_it, [])
    assert answers == []
    monkeypatch.setattr(waits, "discover", lambda _connection: all_of_it)
    monkeypatch.setattr(waits, "ESTABLISHED_SECONDS", 0.01)
    late = waits.served(connection, Progress(), {"widgets.example.com": (), "gadgets.example.com": ()})
    assert late == (all_of_it, ["gadgets.example.com"])


@pytest.mark.parametrize(
    ("conditions", "why"),
    [
        ([{"type": "NamesAccepted", "status": "False"}], "names that another"),
        ([{"type": "Established", "status": "False"}], "not established"),
        ([{"type": "Established", "status": "True"}], "not served as archived yet"),
        (None, "deleted"),
    ],
)
def test_why_a_definition_is_not_served(conditions: list[Tree] | None, why: str) -> None:
    sender, _script = scripted({"status": {"conditions": conditions}} if conditions else None)
    assert why in waits.why_not_served(sender, SECRETS, "x")
