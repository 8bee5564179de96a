# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs: which clusters are expected, what each recorded, and what it comes down to."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import datetime
import json
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces import run_task, runs
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.run_name import make_name, run_name
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.runs import Expected, Record, RunPaths
from support import modules
from support.memory_location import START, MemoryLocation

Result = dict[str, t.Any]
PATHS: t.Final = RunPaths("shop", "4711")
GOOD: t.Final = {"phase": "Completed", "backup": "b1", "made": True, "cluster_uid": "u"}
BAD: t.Final = {"phase": "Failed", "error_code": "cluster_unreachable", "reason": "It does not answer."}


@pytest.fixture
def location(monkeypatch: pytest.MonkeyPatch) -> MemoryLocation:
    location = MemoryLocation()

    @contextlib.contextmanager
    def reach(_task: object) -> t.Iterator[MemoryLocation]:
        yield location

    monkeypatch.setattr(run_task, "reach_location", reach)
    return location


def run(state: str, *, check: bool = False, diff: bool = False, **args: t.Any) -> Result:
    where = {"provider": "filesystem", "path": "/nowhere"}
    given = {"location": where, "workspace": "shop", "run": "4711", "state": state}
    return modules.run_here("workspace_run", given | args, check=check, diff=diff)


def refused(state: str, **args: t.Any) -> Result:
    with pytest.raises(modules.Failed) as caught:
        run(state, **args)
    return caught.value.result


def record(cluster: str, outcome: t.Mapping[str, t.Any] | None = None, **args: t.Any) -> Result:
    found: Result = run(
        "recorded", cluster=cluster, outcome={**(outcome or GOOD), "cluster_uid": f"uid-{cluster}"}, **args
    )
    return found


def test_a_run_is_begun_once(location: MemoryLocation) -> None:
    predicted = run("started", clusters=["b", "a"], check=True, diff=True)
    assert (predicted["changed"], location.objects) == (True, {})
    assert predicted["diff"] == {"before": "", "after": "a\nb\n"}
    first = run("started", clusters=["b", "a"], owner="Team")
    assert first["changed"]
    assert location.keys() == ["workspaces/shop/runs/4711/expected.json"]
    location.clock += datetime.timedelta(hours=1)
    again = run("started", clusters=["a", "b"], diff=True)
    assert (again["changed"], again["run"]) == (False, first["run"])
    assert again["diff"]["before"] == again["diff"]["after"]
    other = refused("started", clusters=["a", "c"])
    assert other["error_code"] == "run_exists"
    assert "was begun without c and with b." in other["msg"]
    assert run("started", run="4712", clusters=["a", "c"])["changed"]


def test_a_name_that_is_used_again_and_again_is_noticed(location: MemoryLocation) -> None:
    run("started", clusters=["a"])
    location.clock += datetime.timedelta(hours=23)
    assert not run("started", clusters=["a"]).get("warnings")
    location.clock += datetime.timedelta(hours=2)
    (warning,) = run("started", clusters=["a"])["warnings"]
    assert "Give each run a name of its own" in warning


def test_of_several_that_begin_it_at_once_one_does(location: MemoryLocation) -> None:
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _number: run("started", clusters=["a"])["changed"], range(8)))
    assert sorted(found) == [False] * 7 + [True]


def test_another_task_begins_it_between_look_and_write(location: MemoryLocation) -> None:
    def begin(operation: str, key: str) -> None:
        if operation == "create":
            location.fault = lambda _operation, _key: None
            location.put(key, runs.write_expected(PATHS, Expected(("a", "z"), START)))

    location.fault = begin
    assert refused("started", clusters=["a"])["error_code"] == "run_exists"


def test_a_run_in_which_all_is_well(location: MemoryLocation) -> None:
    run("started", clusters=["a", "b"], owner="Team")
    for cluster in "ab":
        assert run("pending", cluster=cluster)["run"]["pending"]
        assert record(cluster)["run"]["record"]["attempt"] == 1
        assert not run("pending", cluster=cluster)["run"]["pending"]
    found = run("finished")["run"]
    assert (found["phase"], found["counts"]) == (
        "Completed",
        {"Completed": 2, "PartiallyFailed": 0, "Failed": 0, "Missing": 0},
    )
    assert (found["owner"], found["failed_count"], found["unexpected"]) == ("Team", 0, [])
    assert [one["backup"] for one in found["clusters"]] == ["b1", "b1"]
    assert len(location.objects) == 3


def test_who_failed_or_is_missing_is_named_and_then_done_again(location: MemoryLocation) -> None:
    run("started", clusters=["a", "b", "c"])
    record("a")
    record("b", BAD)
    found = refused("finished")
    assert (found["error_code"], found["run"]["phase"]) == ("run_partial", "PartiallyFailed")
    assert "2 of 3 clusters failed, b (Failed) among them. It does not answer." in found["msg"]
    assert (
        "(-e stowage_workspace=shop -e stowage_run=4711)" in found["hint"]
    )  # no other workspace begins a run by this name
    assert [(one["cluster"], one["phase"], one["error_code"]) for one in found["run"]["clusters"]] == [
        ("b", "Failed", "cluster_unreachable"),
        ("c", "Missing", ""),
        ("a", "Completed", ""),
    ]
    assert [run("pending", cluster=one)["run"]["pending"] for one in "abc"] == [False, True, True]
    assert record("b")["run"]["record"]["attempt"] == 2
    record("c")
    assert run("finished")["run"]["phase"] == "Completed"


def test_nothing_at_all_is_failed(location: MemoryLocation) -> None:
    run("started", clusters=["a", "b"])
    record("a", BAD)
    found = refused("finished", max_failures=5)
    assert (found["error_code"], found["run"]["phase"]) == ("run_failed", "Failed")


def test_what_counts_as_failure_is_said(location: MemoryLocation) -> None:
    run("started", clusters=["a", "b", "c"])
    record("a")
    record("b", {**GOOD, "phase": "PartiallyFailed"})
    assert refused("finished", max_failures=1)["run"]["failed_count"] == 2
    allowed = run("finished", max_failures=1, allow_partial=True)
    assert (allowed["run"]["phase"], allowed["run"]["failed_count"]) == ("PartiallyFailed", 1)
    assert "1 of 3 clusters failed, c (Missing) among them." in allowed["warnings"][0]
    assert run("pending", cluster="b")["run"]["pending"]
    assert not run("pending", cluster="b", allow_partial=True)["run"]["pending"]


def test_two_names_for_one_cluster_have_failed(location: MemoryLocation) -> None:
    run("started", clusters=["a", "b", "c"])
    record("c")
    for one in "ab":
        run("recorded", cluster=one, outcome=GOOD)
    found = refused("finished")
    assert [one["cluster"] for one in found["run"]["clusters"] if one["phase"] == "Failed"] == ["a", "b"]
    assert "a and b are one cluster (u)." in found["msg"]


def test_a_cluster_that_nobody_expected_is_told(location: MemoryLocation) -> None:
    run("started", clusters=["a"])
    record("a")
    record("z")
    found = run("finished")
    assert found["run"]["unexpected"] == ["z"]
    assert "1 clusters have records" in found["warnings"][0]


def test_two_tasks_of_one_cluster_write_two_records(location: MemoryLocation) -> None:
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        attempts = pool.map(lambda _number: record("a")["run"]["record"]["attempt"], range(8))
    assert sorted(attempts) == list(range(1, 9))


def test_a_lost_answer_is_no_second_record(location: MemoryLocation) -> None:
    location.lost.add(PATHS.record("a", 1))
    assert record("a")["run"]["record"]["attempt"] == 1
    assert location.keys() == [PATHS.record("a", 1)]


def test_who_may_not_list_reads_one_after_the_other(location: MemoryLocation) -> None:
    def refuse(operation: str, key: str) -> None:
        missing = operation == "read" and key not in location.objects
        if operation == "list" or missing:
            raise StowageError("permission_denied", "No.")

    location.fault = refuse
    assert run("pending", cluster="a")["run"] == {"workspace": "shop", "name": "4711", "pending": True, "record": None}
    record("a", BAD)
    record("a")
    assert not run("pending", cluster="a")["run"]["pending"]
    assert len(location.objects) == 2


def test_a_prediction_writes_nothing(location: MemoryLocation) -> None:
    assert record("a", check=True)["run"]["record"]["attempt"] == 1
    assert not location.objects


def test_a_run_that_was_never_begun(location: MemoryLocation) -> None:
    assert refused("finished")["error_code"] == "run_not_found"


@pytest.mark.parametrize(
    ("state", "args", "code"),
    [
        ("started", {}, "invalid_option"),
        ("started", {"clusters": []}, "invalid_option"),
        ("started", {"clusters": ["a", "a"]}, "invalid_option"),
        ("started", {"clusters": ["a/b"]}, "invalid_name"),
        ("started", {"clusters": ["expected.json"]}, "invalid_name"),
        ("started", {"clusters": ["a"], "run": "../x"}, "invalid_name"),
        ("started", {"clusters": ["a"], "workspace": "all"}, "invalid_name"),
        ("pending", {}, "invalid_option"),
        ("pending", {"cluster": "a/b"}, "invalid_name"),
        ("recorded", {"cluster": "a"}, "invalid_option"),
        ("recorded", {"cluster": "a", "outcome": {"phase": "Failed"}}, "invalid_option"),
    ],
)
def test_what_makes_no_sense_is_refused(location: MemoryLocation, state: str, args: Result, code: str) -> None:
    assert refused(state, **args)["error_code"] == code
    assert not location.calls


HOSTILE: t.Final = (
    b"",
    b"null",
    b"[]",
    b"\xff",
    b"[" * 60_000,
    b"{}",
    b"x" * (5 << 20),
    b'{"seconds": 1' + b"0" * 5000,
)


@pytest.mark.parametrize("data", HOSTILE)
def test_records_that_make_no_sense_are_failures(location: MemoryLocation, data: bytes) -> None:
    run("started", clusters=["a", "b"])
    record("b")
    location.create(PATHS.record("a", 3), data)
    found = refused("finished")["run"]["clusters"][0]
    assert (found["cluster"], found["phase"], found["error_code"]) == ("a", "Failed", "record_damaged")
    assert run("pending", cluster="a")["run"]["pending"]
    assert record("a")["run"]["record"]["attempt"] == 4
    assert run("finished")["run"]["phase"] == "Completed"


@pytest.mark.parametrize("data", [*HOSTILE, b'{"format": "stowage-expected/1", "workspace": "shop", "run": "4711"}'])
def test_an_expectation_that_makes_no_sense_is_an_error(location: MemoryLocation, data: bytes) -> None:
    location.create(PATHS.expected, data)
    for state, args in (("finished", {}), ("started", {"clusters": ["a"]})):
        assert refused(state, **args)["error_code"] in ("record_damaged", "archive_hostile")


def test_a_record_of_another_run_or_cluster_counts_for_nothing(location: MemoryLocation) -> None:
    run("started", clusters=["a", "b"])
    record("a")
    location.create(PATHS.record("b", 1), location.objects[PATHS.record("a", 1)])
    assert refused("finished")["run"]["clusters"][0]["error_code"] == "record_damaged"


@pytest.mark.parametrize("name", ["0.json", "01.json", "-1.json", "9999999.json", "1.txt", "x/1.json", "٣.json"])
def test_names_that_are_no_attempts(location: MemoryLocation, name: str) -> None:
    run("started", clusters=["a"])
    location.create(PATHS.records("a") + name, b"{}")
    assert refused("finished")["run"]["clusters"][0]["phase"] == "Missing"


TEXT: t.Final = st.text(max_size=1200)
RECORDS: t.Final = st.builds(
    Record,
    cluster=st.just("a"),
    attempt=st.just(1),
    phase=st.sampled_from(runs.PHASES),
    written=st.datetimes(timezones=st.just(datetime.UTC)).filter(lambda time: 1970 < time.year < 9000),
    backup=TEXT,
    made=st.booleans(),
    reason=TEXT,
    error_code=TEXT,
    objects=st.integers(),
    size=st.integers(),
    seconds=st.floats(),
)


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59+00:00", "2026-11-26T02:00:00"])
def test_times_that_nobody_can_reckon_with_make_no_sense(time: str) -> None:
    whole = Record(
        cluster="a", attempt=1, phase="Completed", written=datetime.datetime(2026, 11, 26, tzinfo=datetime.UTC)
    )
    document = json.loads(whole.to_json(PATHS, "x")) | {"written": time, "seconds": 5}
    assert runs.read_record(json.dumps(document).encode(), PATHS, "a", 1).error_code == "record_damaged"


@given(RECORDS)
def test_what_is_recorded_is_bounded_and_printable(given: Record) -> None:
    read = runs.read_record(given.to_json(PATHS, "x"), PATHS, "a", 1)
    assert (read.phase, read.made) == (given.phase, given.made)
    assert read.reason.isprintable()
    assert len(read.reason) <= 1000
    assert read.size >= 0
    assert len(read.to_json(PATHS, "x")) <= runs.MAX_RECORD
    assert runs.read_record(read.to_json(PATHS, "x"), PATHS, "a", 1) == read


FIELDS: t.Final = [field.name for field in dataclasses.fields(Record)]
ANYTHING: t.Final = st.none() | st.booleans() | st.integers() | st.floats() | TEXT | st.lists(st.text())


def whole(**more: t.Any) -> bytes:
    """A record with some fields replaced."""
    head = {"format": runs.RECORD_FORMAT, "workspace": "shop", "run": "4711", "cluster": "a", "attempt": 1}
    return json.dumps({**head, "phase": "Completed", "written": START.isoformat(), **more}).encode()


@given(st.binary() | st.dictionaries(st.sampled_from(FIELDS), ANYTHING).map(lambda more: whole(**more)))
def test_no_content_of_a_record_is_a_defect(data: bytes) -> None:
    read = runs.read_record(data, PATHS, "a", 1)
    assert read.phase in runs.PHASES
    json.dumps(read.as_dict(), allow_nan=False)


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(1, 4), st.sampled_from(runs.PHASES)), max_size=20), st.booleans()
)
def test_a_sum_is_what_a_simple_model_says(written: list[tuple[int, int, str]], allow: bool) -> None:
    expected = Expected(("0", "1", "2", "3"), START)
    last: dict[str, tuple[int, str]] = {}
    for cluster, attempt, phase in written:
        last[str(cluster)] = max(last.get(str(cluster), (0, "")), (attempt, phase))
    records = {one: Record(cluster=one, attempt=n, phase=phase) for one, (n, phase) in last.items()}
    found = runs.sum_up(expected, records, allow_partial=allow, unexpected=last)
    phases = [last.get(one, (0, "Missing"))[1] for one in expected.clusters]
    assert [one.phase for one in found.records] == phases
    assert found.counts == {phase: phases.count(phase) for phase in (*runs.PHASES, "Missing")}
    assert (found.phase == "Completed") == (set(phases) == {"Completed"})
    assert (found.phase == "Failed") == (not set(phases) & {"Completed", "PartiallyFailed"})
    good = {"Completed", "PartiallyFailed"} if allow else {"Completed"}
    assert found.bad == tuple(one for one, phase in zip(expected.clusters, phases, strict=True) if phase not in good)
    assert set(found.unexpected) == set(last) - set(expected.clusters)


NOW: t.Final = datetime.datetime(2026, 11, 26, 14, 0, tzinfo=datetime.UTC)
NIGHTLY: t.Final = {"cron": "0 2 * * *"}
MADE: t.Final = make_name(NOW, "ab12")


@pytest.mark.parametrize(
    ("says", "name"),
    [
        ({"given": "x", "workflow": "1", "job": "2", "made": MADE, "plan": NIGHTLY}, "x"),
        ({"workflow": "1", "job": "2", "made": MADE, "plan": NIGHTLY}, "1"),
        ({"job": "2", "made": MADE, "plan": NIGHTLY}, "2"),
        ({"made": MADE, "plan": NIGHTLY}, "20261126T020000Z"),
        ({"plan": NIGHTLY}, "20261126T020000Z"),
        ({"made": MADE, "plan": {"preset": "never"}}, MADE),
        ({"made": MADE}, "20261126T140000Z-ab12"),
        ({}, ""),
    ],
)
def test_what_a_run_is_called(says: Result, name: str) -> None:
    assert run_name(now=NOW, **says) == name


def test_all_take_the_instant_at_which_the_first_began() -> None:
    assert run_name(made=MADE, plan=NIGHTLY, now=NOW + datetime.timedelta(days=3)) == "20261126T020000Z"


@pytest.mark.parametrize("says", [{"given": "../x"}, {"workflow": "a b"}, {"made": "x"}, {"given": "x" * 64}])
def test_what_no_run_is_called(says: Result) -> None:
    with pytest.raises(StowageError) as caught:
        run_name(now=NOW, **says)
    assert caught.value.code == "invalid_name"
