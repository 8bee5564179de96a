# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which runs are forgotten, and that nothing else goes with them."""

from __future__ import annotations

import datetime
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces import run_files, run_pruning, runs
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.run_files import RunFolder
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.runs import Expected, Record, RunPaths
from support.memory_location import MemoryLocation

LATER: t.Final = datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)
EARLIER: t.Final = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)


class World:
    """Runs of a workspace, each with one record."""

    def __init__(self) -> None:
        self.location = MemoryLocation()

    def run(self, name: str, backup: str = "", *, cluster: str = "prod", place: str = "") -> None:
        paths = RunPaths("shop", name)
        when = self.location.now()
        self.location.create(paths.expected, runs.write_expected(paths, Expected((cluster,), when)))
        phase = "Completed" if backup else "Failed"
        record = Record(cluster=cluster, phase=phase, attempt=1, written=when, backup=backup, location=place)
        self.location.create(paths.record(cluster, 1), record.to_json(paths, "m"))

    def decide(self, before: datetime.datetime = LATER, place: str = "primary") -> dict[str, str]:
        fates = run_pruning.find_old(self.location, "shop", before=before, place=place)
        return {one.folder.paths.run: one.reason for one in fates}


@pytest.fixture
def world() -> World:
    return World()


def test_a_run_is_kept_while_a_backup_of_its_is_there(world: World) -> None:
    world.location.create("clusters/prod/backups/b1/b1.tar.gz", b"x")
    for name, backup, place in (("1", "b1", "primary"), ("2", "b2", "primary"), ("3", "", ""), ("4", "b4", "")):
        world.run(name, backup, place=place)
    assert world.decide() == {"1": "The backup b1 is there.", "2": "", "3": "", "4": "It is the newest."}
    assert set(world.decide(before=EARLIER).values()) == {"It is the newest.", "It is young enough."}


def test_what_was_not_looked_at_is_taken_to_be_there(world: World) -> None:
    world.run("1", "b1", place="elsewhere")
    world.run("2")
    assert world.decide()["1"] == "The backup b1 is in elsewhere, which was not looked at."
    assert world.decide(place="")["1"] == world.decide()["1"]


def test_what_is_no_run_is_left_alone(world: World) -> None:
    world.run("1")
    world.run("2")
    for key in ("workspaces/shop/runs/-x/expected.json", "workspaces/shop/runs/stray", "workspaces/other/runs/1/x"):
        world.location.create(key, b"{}")
    assert world.decide() == {"1": "", "2": "It is the newest."}
    assert run_files.find_workspaces(world.location) == ["other", "shop"]


def test_a_record_that_makes_no_sense_keeps_nothing_and_breaks_nothing(world: World) -> None:
    world.run("1")
    world.location.create("workspaces/shop/runs/1/prod/2.json", b"[" * 10_000)
    world.location.create("workspaces/shop/runs/1/..%2f/1.json", b"{}")
    world.run("2")
    assert world.decide() == {"1": "", "2": "It is the newest."}


@given(st.lists(st.tuples(st.integers(0, 50), st.booleans()), max_size=12))
def test_the_newest_that_was_begun_stays_whatever_else_is_written(given_runs: list[tuple[int, bool]]) -> None:
    folders = sorted(
        (
            RunFolder(RunPaths("shop", str(number)), (), EARLIER + datetime.timedelta(days=day), whole)
            for number, (day, whole) in enumerate(given_runs)
        ),
        key=lambda one: one.order,
    )
    fates = run_pruning.decide(folders, before=LATER, needed=lambda _folder: "")
    assert [one.folder for one in fates if one.reason] == [one for one in folders if one.whole][-1:]


def test_records_in_a_run_that_nobody_began_do_not_make_it_the_newest(world: World) -> None:
    world.run("1")
    world.run("2")
    world.location.create("workspaces/shop/runs/3/prod/1.json", b"{}")
    assert world.decide() == {"1": "", "2": "It is the newest.", "3": ""}


def test_a_location_that_fails_decides_nothing(world: World) -> None:
    world.run("1", "b1")
    world.run("2")

    def fault(operation: str, key: str) -> None:
        if operation == "read" and "/1/" in key:
            raise StowageError("store_error", "No.")

    world.location.fault = fault
    with pytest.raises(StowageError):
        world.decide()
