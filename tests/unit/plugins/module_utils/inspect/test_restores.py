# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restores are told by what they left, whatever that is."""

from __future__ import annotations

import contextlib
import json
import typing as t

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._inspect import restores
from ansible_collections.stowage.kubernetes.plugins.module_utils._progress import Progress
from ansible_collections.stowage.kubernetes.plugins.module_utils._task import Task
from support.memory_location import MemoryLocation

Result = dict[str, t.Any]
RECORD: t.Final = {
    "backup": "b1",
    "capture_id": "c",
    "started": "2026-11-25T02:00:00+00:00",
    "target_uid": "t",
    "host": "h",
}
RESULT: t.Final = {
    "completed": "2026-11-25T03:00:00+01:00",
    "phase": "Completed",
    "counts": {"created": 3},
    "seconds": 1.5,
}


@pytest.fixture
def look(monkeypatch: pytest.MonkeyPatch) -> tuple[MemoryLocation, t.Callable[..., list[Result]]]:
    location = MemoryLocation()
    monkeypatch.setattr(restores, "reach_location", lambda _task: contextlib.nullcontext(location))

    def find(**params: t.Any) -> list[Result]:
        task = Task(
            params={"cluster": None, "backup": None, "workspace": None, "run": None, **params},
            check=False,
            diff=False,
            environ={},
            progress=Progress(),
            warn=lambda _text: None,
            hide=lambda _values: None,
        )
        found: list[Result] = restores.describe_restores(task)["restores"]
        return found

    return location, find


def test_restores_are_found_with_how_they_went(look: tuple[MemoryLocation, t.Callable[..., list[Result]]]) -> None:
    location, find = look
    folder = "clusters/east/restores"
    location.create(f"{folder}/r1/stowage-restore.json", json.dumps(RECORD).encode())
    location.create(f"{folder}/r1/stowage-restore-result.json", json.dumps(RESULT).encode())
    later = {**RECORD, "backup": "b2", "started": "2026-11-26T02:00:00+00:00", "workspace": "shop", "run": "4711"}
    location.create(f"{folder}/r2/stowage-restore.json", json.dumps(later).encode())
    location.create("clusters/west/restores/veleros/restore-veleros-logs.gz", b"x")
    found = {one["name"]: one for one in find()}
    assert list(found) == ["veleros", "r1", "r2"]
    assert (found["r1"]["phase"], found["r1"]["counts"], found["r1"]["target_uid"]) == (
        "Completed",
        {"created": 3},
        "t",
    )
    assert found["r1"]["completed"] == "2026-11-25T02:00:00+00:00"
    assert (found["r2"]["phase"], found["r2"]["run"]) == ("Unknown", "4711")
    assert (found["veleros"]["backup"], found["veleros"]["phase"]) == ("", "Unknown")
    assert [one["name"] for one in find(cluster="east", backup="b1")] == ["r1"]
    assert [one["name"] for one in find(workspace="shop", run="4711")] == ["r2"]


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 50_000,
        b"[]",
        b"\xff",
        json.dumps({"phase": "\x1b[2J", "counts": {"\x1b": True, "a": 1e400}, "seconds": "x", "completed": 7}).encode(),
    ],
)
def test_what_makes_no_sense_is_not_known(
    look: tuple[MemoryLocation, t.Callable[..., list[Result]]], data: bytes
) -> None:
    location, find = look
    location.create("clusters/east/restores/r1/stowage-restore.json", data)
    location.create("clusters/east/restores/r1/stowage-restore-result.json", data)
    (one,) = find()
    assert (one["phase"], one["backup"], one["seconds"], one["completed"]) == ("Unknown", "", 0.0, None)
    assert "\x1b" not in json.dumps(one, ensure_ascii=False)
