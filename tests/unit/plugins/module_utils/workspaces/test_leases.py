# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Leases: one task at a time on a cluster, many readers of a backup, and an end to those whose task was killed."""

from __future__ import annotations

import concurrent.futures
import datetime
import json
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import Capabilities, ObjectInfo
from ansible_collections.stowage.kubernetes.plugins.module_utils._progress import Progress
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces import leases
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.holding import Lease, Times, parse_wait
from support.memory_location import START, MemoryLocation
from testbed.process import wait_until

CLUSTER: t.Final = leases.of_cluster("east", "uid")
BACKUP: t.Final = leases.of_backup("east", "b1")
SECOND: t.Final = datetime.timedelta(seconds=1)
QUICK: t.Final = Times(datetime.timedelta(seconds=0.15), datetime.timedelta(seconds=0.3))


def lease(location: MemoryLocation, *, shared: bool = False, times: Times | None = None, wait: float = 0) -> Lease:
    return Lease(
        location,
        BACKUP if shared else CLUSTER,
        Progress(),
        what="the cluster east",
        who="backup",
        shared=shared,
        times=times,
        wait=datetime.timedelta(seconds=wait),
    )


def taken(location: MemoryLocation, *, shared: bool = False) -> bool:
    """Whether somebody can take it; who does is killed."""
    try:
        lease(location, shared=shared).__enter__()
    except StowageError as error:
        if error.code == "lease_held":
            return False
        raise
    return True


def last(location: MemoryLocation, chain: str = CLUSTER) -> leases.Link:
    return leases.read_last(location, chain)


def test_one_at_a_time_and_then_the_next() -> None:
    location = MemoryLocation()
    with lease(location) as first:
        assert first.as_dict() == {"held": True, "waited": 0.0, "message": ""}
        with pytest.raises(StowageError) as caught:
            lease(location).__enter__()
        assert caught.value.code == "lease_held"
        assert "backup on " in caught.value.message
        assert caught.value.details["until"] == (START + datetime.timedelta(minutes=2)).isoformat()
    with lease(location):
        pass
    assert [key.rpartition("/")[2] for key in sorted(location.objects)] == [f"{n:015d}.json" for n in (1, 2, 3, 4)]


def test_a_killed_task_lets_go_when_its_time_is_over() -> None:
    location = MemoryLocation()
    lease(location).__enter__()
    location.clock += datetime.timedelta(minutes=2) - SECOND
    assert not taken(location)
    location.clock += SECOND
    assert taken(location)


def test_a_failure_lets_go_too() -> None:
    location = MemoryLocation()
    with pytest.raises(ZeroDivisionError), lease(location):
        raise ZeroDivisionError
    assert taken(location)


def test_who_waits_gets_it_when_it_is_free() -> None:
    location = MemoryLocation()
    first = lease(location)
    first.__enter__()

    def end(operation: str, _key: str) -> None:
        if operation == "list" and location.calls["list"] == 4:
            first.__exit__()

    location.fault = end
    with lease(location, wait=600) as second:
        assert second.held
        assert second.waited > 0
        assert second.others_since(START - datetime.timedelta(days=1))


def test_who_is_asked_to_stop_does_not_wait() -> None:
    location = MemoryLocation()
    lease(location).__enter__()
    progress = Progress()
    progress.stop("it received SIGTERM")
    waiting = Lease(location, CLUSTER, progress, what="x", who="backup", wait=datetime.timedelta(hours=1))
    with pytest.raises(StowageError) as caught:
        waiting.__enter__()
    assert caught.value.code == "interrupted"


def test_somebody_held_it_meanwhile_without_being_waited_for() -> None:
    location = MemoryLocation()
    with lease(location) as first:
        assert not first.others_since(START - datetime.timedelta(days=1))
    location.clock += datetime.timedelta(hours=1)
    with lease(location) as second:
        assert second.others_since(START)
        assert not second.others_since(location.clock)


def test_of_many_that_ask_at_once_one_gets_it() -> None:
    location = MemoryLocation()
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(lambda _number: taken(location), range(16))) == 1


def test_readers_hold_a_backup_together() -> None:
    location = MemoryLocation()
    first, second = lease(location, shared=True), lease(location, shared=True)
    first.__enter__()
    second.__enter__()
    second.__exit__()
    assert leases.leased_backups(location, "east") == {"b1"}
    with pytest.raises(StowageError) as caught:
        leases.check_free(location, "east", "b1")
    assert caught.value.code == "lease_held"
    first.__exit__()
    assert leases.leased_backups(location, "east") == frozenset()
    leases.check_free(location, "east", "b1")
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert all(pool.map(lambda _number: taken(location, shared=True), range(16)))
    assert len(last(location, BACKUP).holders) == 16
    location.clock += datetime.timedelta(minutes=3)
    assert leases.leased_backups(location, "east") == frozenset()


def test_long_work_renews_it_and_its_end_releases_it() -> None:
    location = MemoryLocation()
    with lease(location, times=QUICK) as held:
        wait_until(lambda: last(location).number >= 4, seconds=60, what="three renewals")
        assert last(location).expires == START + QUICK.longest
    number = last(location).number
    assert held.held
    assert not last(location).holders
    assert taken(location)
    assert last(location).number == number + 1


def test_who_cannot_renew_it_goes_on_and_says_so() -> None:
    location = MemoryLocation()

    def refuse(operation: str, _key: str) -> None:
        if operation == "create":
            raise StowageError("store_error", "The store is out of order.")

    with lease(location, times=QUICK) as held:
        location.fault = refuse
        wait_until(lambda: not held.held, seconds=60, what="the loss")
        assert held.message == "The lease on the cluster east could not be kept. The store is out of order."


def test_who_was_asleep_sees_that_another_has_it() -> None:
    location = MemoryLocation()
    with lease(location, times=QUICK) as held:
        # Another takes it in the instant in which the holder renews it, its time being over.
        def take(operation: str, key: str) -> None:
            if operation == "create":
                location.fault = lambda _operation, _key: None
                location.clock += datetime.timedelta(minutes=3)
                other = leases.Holder(location.clock + leases.LONGEST, "backup elsewhere")
                location.put(key, leases.Link(last(location).number + 1, {"other": other}, location.clock).to_json())

        location.fault = take
        wait_until(lambda: not held.held, seconds=60, what="the loss")
        assert held.message == "The lease on the cluster east could not be kept. Another task has taken it over."
    assert last(location).holders.keys() == {"other"}


def test_who_may_not_write_goes_on_and_says_so() -> None:
    location = MemoryLocation()

    def refuse(operation: str, _key: str) -> None:
        if operation == "create":
            raise StowageError("permission_denied", "The caller may not write.")

    location.fault = refuse
    with lease(location) as without:
        assert without.as_dict()["held"] is False
        assert without.message == "No lease could be taken on the cluster east: The caller may not write."
    assert not location.objects


@pytest.mark.parametrize("code", ["throttled", "endpoint_unreachable", "outcome_unknown"])
def test_an_answer_that_fails_does_not_mean_that_the_holder_let_go(code: str) -> None:
    location = MemoryLocation()
    lease(location).__enter__()

    def fail(operation: str, _key: str) -> None:
        if operation == "list" and location.calls["list"] > 2:
            raise StowageError(code, "Later.")

    location.fault = fail
    with pytest.raises(StowageError) as caught:
        lease(location, wait=0.5).__enter__()
    assert caught.value.code == "lease_held"
    assert "backup on " in caught.value.message


def test_a_clock_that_was_years_ahead_keeps_nobody_waiting() -> None:
    location = MemoryLocation()
    location.clock += datetime.timedelta(days=3650)
    lease(location).__enter__()
    lease(location, shared=True).__enter__()
    location.clock -= datetime.timedelta(days=3650)
    assert taken(location)
    assert leases.leased_backups(location, "east") == frozenset()
    leases.check_free(location, "east", "b1")


def test_what_keeps_it_from_being_released_does_not_hide_what_happened() -> None:
    location = MemoryLocation()

    def fail(_operation: str, _key: str) -> None:
        raise OSError("the disk is gone")

    def work() -> None:
        with lease(location):
            location.fault = fail
            raise ValueError("of the work")

    with pytest.raises(ValueError, match="of the work"):
        work()


def test_a_store_that_cannot_refuse_a_key_is_named() -> None:
    location = MemoryLocation()
    location.capabilities = Capabilities(conditional_create=False)
    with lease(location) as held:
        assert held.held
        assert "cannot refuse a key that exists" in held.message


def test_a_lost_answer_is_no_loss() -> None:
    location = MemoryLocation()
    location.lost.add(leases.key_of(CLUSTER, 1))
    with lease(location) as held:
        assert held.held
        assert not taken(location)
    assert taken(location)


UNREADABLE: t.Final = (b"", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"format": "stowage-lease/2"}', b"x" * (2 << 20))


@pytest.mark.parametrize("data", UNREADABLE)
def test_what_cannot_be_understood_holds_for_an_hour(data: bytes) -> None:
    location = MemoryLocation()
    location.create(leases.key_of(CLUSTER, 7), data)
    with pytest.raises(StowageError) as caught:
        lease(location).__enter__()
    assert "cannot be understood" in caught.value.message
    location.clock += datetime.timedelta(hours=1)
    with lease(location):
        assert last(location).number == 8


def test_names_that_are_no_numbers_are_no_links() -> None:
    location = MemoryLocation()
    for name in ("x.json", "9" * 16 + ".json", "-1.json", "٣.json", "0.json"):
        location.create(CLUSTER + name, b"{}")
    with lease(location):
        assert last(location).number == 1


JSON: t.Final = st.recursive(
    st.none() | st.text() | st.integers(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.sampled_from(["format", "holders", "until", "who", "written", leases.FORMAT]), inner)
    ),
)


@given(st.binary() | JSON.map(lambda document: json.dumps(document).encode()))
def test_no_content_of_a_link_is_a_defect(data: bytes) -> None:
    info = ObjectInfo("k", len(data), START)
    link = leases.parse(data, 1, info)
    assert link.expires <= START + leases.LONGEST


@given(until=st.datetimes(timezones=st.just(datetime.UTC)), who=st.text(), name=st.text(min_size=1))
def test_an_expiry_far_away_counts_for_an_hour(until: datetime.datetime, who: str, name: str) -> None:
    holders = {name: {"until": until.isoformat(), "who": who}}
    document = {"format": leases.FORMAT, "written": START.isoformat(), "holders": holders}
    link = leases.parse(json.dumps(document).encode(), 1, ObjectInfo("k", 1, START))
    assert link.expires <= START + leases.LONGEST
    assert all(one.who.isprintable() for one in link.holders.values())
    assert leases.parse(link.to_json(), 1, ObjectInfo("k", 1, START)) == link


@given(
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["take", "end", "kill"]), st.integers(0, 150)), max_size=25)
)
def test_never_two_at_once(steps: list[tuple[int, str, int]]) -> None:
    """Against a model: who holds it, and until when at most."""
    location = MemoryLocation()
    tasks: dict[int, Lease] = {}
    holder: int | None = None
    until = START
    try:
        for number, step, seconds in steps:
            location.clock += seconds * SECOND
            if step == "take" and number not in tasks:
                one = lease(location)
                free = holder is None or location.clock >= until
                try:
                    one.__enter__()
                except StowageError:
                    assert not free
                else:
                    assert free
                    tasks[number], holder, until = one, number, location.clock + 120 * SECOND
            elif step == "end" and number in tasks:
                tasks.pop(number).__exit__()
                holder = None if holder == number else holder
            elif step == "kill" and number in tasks:
                tasks.pop(number)._over.set()
    finally:
        for one in tasks.values():
            one._over.set()


@pytest.mark.parametrize(("text", "seconds"), [(None, 0), ("", 0), ("0", 0), ("0s", 0), ("90s", 90), ("10m", 600)])
def test_how_long_to_wait(text: str | None, seconds: int) -> None:
    assert parse_wait(text) == seconds * SECOND


def test_a_wait_that_makes_no_sense() -> None:
    with pytest.raises(StowageError) as caught:
        parse_wait("soon")
    assert caught.value.code == "invalid_option"


def test_a_strange_uid_leaves_no_folder() -> None:
    assert leases.of_cluster("east", "../../x").startswith("clusters/east/metadata/stowage/leases/cluster-")
    assert "/.." not in leases.of_cluster("east", "../../x")
