# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever a server does to its revisions, a capture says truthfully what it got.

The server here keeps every state of two stores, changes them between any two requests, and compacts as it likes.
"""

from __future__ import annotations

import dataclasses
import typing as t

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.consistency import (
    Course,
    Outcome,
    RevisionGone,
    RevisionUnknown,
    Source,
    StartOver,
    Stream,
    follow,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.listing import Item, Page
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind

CONFIGMAPS = Kind("", "v1", "configmaps", "ConfigMap", True)
SECRETS = Kind("", "v1", "secrets", "Secret", True)
EVENTS = Kind("", "v1", "events", "Event", True)
KINDS = (CONFIGMAPS, SECRETS, EVENTS)

State = dict[bytes, int]
"""Key -> revision of the object's last change."""


class Store:
    """A store of many revisions, as etcd is."""

    def __init__(self, revision: int) -> None:
        self.revision = revision
        self.compacted = 0
        self.states: dict[tuple[Kind, int], State] = {}
        self.current: dict[Kind, State] = {kind: {} for kind in KINDS}
        self._remember()

    def change(self, kind: Kind, name: bytes, *, delete: bool) -> None:
        self.revision += 1
        if delete:
            self.current[kind].pop(name, None)
        else:
            self.current[kind][name] = self.revision
        self._remember()

    def _remember(self) -> None:
        for kind in KINDS:
            self.states[kind, self.revision] = dict(sorted(self.current[kind].items()))

    def at(self, kind: Kind, revision: int) -> State:
        return self.states[kind, revision]


@dataclasses.dataclass
class Server:
    """Answers lists page by page, and between the pages does what the script says."""

    script: t.Iterator[tuple[str, Kind, int]]
    split: bool
    tokens: bool = True
    limit: int = 2
    seen_always: dict[Kind, set[bytes]] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        self.main = Store(1000)
        self.other = Store(77) if self.split else self.main
        for kind in KINDS:
            for name in ("a/1", "a/2", "a-b/1", "b/1", "b/2"):
                self.store(kind).change(kind, name.encode(), delete=False)
        self.reset()

    def reset(self) -> None:
        self.seen_always = {kind: set(self.store(kind).current[kind]) for kind in KINDS}

    def store(self, kind: Kind) -> Store:
        return self.other if kind == EVENTS else self.main

    def step(self) -> None:
        """One change of the world."""
        action, kind, number = next(self.script, ("nothing", CONFIGMAPS, 0))
        store = self.store(kind)
        name = (b"a/1", b"a/15", b"a-b/1", b"b/1", b"b/9", b"c/1")[number % 6]
        if action == "compact":
            store.change(kind, b"z/1", delete=False)
            store.compacted = store.revision
        elif action in ("write", "delete"):
            store.change(kind, name, delete=action == "delete")
            if action == "delete":
                self.seen_always[kind].discard(name)

    def read(self, kind: Kind) -> str:
        self.step()
        return str(self.store(kind).revision)

    def __call__(self, stream: Stream, revision: str | None, token: str) -> t.Generator[Page, None, None]:
        store = self.store(stream.kind)
        start = b""
        self.step()
        at = store.revision if revision is None else int(revision)
        if token:
            at_text, _slash, rest = token.partition("/")
            at, start = int(at_text) or store.revision, rest.encode()
        if at > store.revision:
            raise RevisionUnknown
        while True:
            if at < store.compacted:
                raise RevisionGone(f"0/{start.decode()}" if start and self.tokens else "")
            state = {k: r for k, r in store.at(stream.kind, at).items() if _within(stream, k)}
            names = [name for name in sorted(state) if name > start]
            chosen = names[: self.limit]
            more = len(names) > self.limit
            yield Page(
                items=[_item(name, state[name]) for name in chosen],
                revision=str(at),
                continue_token="more" if more else "",
                size=1,
                remaining=None,
            )
            if not more:
                return
            start = chosen[-1]
            self.step()


def _within(stream: Stream, name: bytes) -> bool:
    return not stream.namespace or name.startswith(f"{stream.namespace}/".encode())


def _item(name: bytes, revision: int) -> Item:
    namespace, _slash, short = name.decode().partition("/")
    return Item(
        namespace=namespace,
        name=short,
        uid=name.decode(),
        revision=str(revision),
        labels=None,
        deleting=False,
        owners=(),
        body=b"{}",
    )


@dataclasses.dataclass
class Capture:
    """What came of one attempt."""

    course: Course
    states: dict[Kind, State] = dataclasses.field(default_factory=dict)
    order: dict[Kind, list[bytes]] = dataclasses.field(default_factory=dict)
    outcomes: dict[Kind, Outcome] = dataclasses.field(default_factory=dict)

    def consistency(self, kind: Kind) -> str:
        return self.outcomes[kind].consistency(self.course.pin, not self.course.is_elsewhere(kind))


def attempt(server: Server, namespaces: t.Sequence[str], *, last: bool) -> Capture:
    server.reset()
    before = server.read(CONFIGMAPS)
    probes = {kind: server.read(kind) for kind in KINDS}
    capture = Capture(Course(before, server.read(CONFIGMAPS), probes.items(), last=last))
    for kind in KINDS:
        outcome = capture.outcomes[kind] = Outcome()
        state: State = {}
        order: list[bytes] = []
        for namespace in namespaces:
            for page in follow(server, capture.course, Stream(kind, namespace), outcome):
                for item in page.items:
                    order.append(item.key)
                    state[item.key] = int(item.revision)
        capture.states[kind], capture.order[kind] = state, order
    return capture


def run(server: Server, namespaces: t.Sequence[str]) -> Capture:
    try:
        return attempt(server, namespaces, last=False)
    except StartOver:
        return attempt(server, namespaces, last=True)


QUIET = [("nothing", CONFIGMAPS, 0)]
READS = QUIET * 5
"""The steps of two readings of the pin and three probes."""

ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["nothing", "write", "delete", "compact", "compact"]),
        st.sampled_from(KINDS),
        st.integers(0, 5),
    ),
    min_size=5,
    max_size=40,
).map(lambda actions: [*READS, *actions[:4], *READS, *actions[4:]])


@settings(max_examples=250, deadline=None)
@given(ACTIONS, st.booleans(), st.booleans(), st.sampled_from([("",), ("a-b", "a", "b")]))
def test_a_capture_is_what_it_says(
    script: list[tuple[str, Kind, int]], split: bool, tokens: bool, namespaces: tuple[str, ...]
) -> None:
    server = Server(iter(script), split, tokens)
    capture = run(server, namespaces)
    for kind in KINDS:
        store, order = server.store(kind), capture.order[kind]
        assert order == sorted(set(order)), "each key once, in order"
        assert server.seen_always[kind] <= set(order) | _outside(namespaces, server.seen_always[kind])
        consistency, revision = capture.consistency(kind), capture.outcomes[kind].revision()
        if consistency == "pinned":
            assert revision == capture.course.pin
        if consistency != "inconsistent":
            expected = store.at(kind, int(revision))
            assert capture.states[kind] == {
                k: r for k, r in expected.items() if k not in _outside(namespaces, expected)
            }


def _outside(namespaces: t.Sequence[str], names: t.Iterable[bytes]) -> set[bytes]:
    return {n for n in names if "" not in namespaces and n.partition(b"/")[0].decode() not in namespaces}


@given(
    ACTIONS.map(lambda script: [step for step in script if step[0] != "compact"]),
    st.booleans(),
    st.sampled_from([("",), ("a-b", "a", "b")]),
)
def test_without_compaction_everything_is_as_consistent_as_can_be(
    script: list[tuple[str, Kind, int]], split: bool, namespaces: tuple[str, ...]
) -> None:
    server = Server(iter(script), split)
    capture = attempt(server, namespaces, last=False)
    assert capture.consistency(CONFIGMAPS) == "pinned"
    assert capture.consistency(SECRETS) == "pinned"
    assert capture.consistency(EVENTS) == ("per-kind" if split else "pinned")


def test_the_first_410_starts_over_and_the_second_goes_on_with_the_token() -> None:
    compaction = [("write", SECRETS, 1), ("compact", CONFIGMAPS, 0)]
    first = [*READS, *QUIET, *compaction]
    second = [*READS, *QUIET * 3, *QUIET, *compaction, *QUIET * 9]
    capture = run(Server(iter(first + second), split=True), ("",))
    assert capture.course.last
    assert capture.consistency(CONFIGMAPS) == "pinned"
    assert capture.consistency(SECRETS) == "inconsistent"
    assert b"a/15" in capture.states[SECRETS], "the part after the token is of a later revision"
    assert capture.consistency(EVENTS) == "per-kind"


def test_kinds_after_a_lost_pin_have_a_revision_of_their_own() -> None:
    lost = [*READS, ("write", SECRETS, 0), ("compact", CONFIGMAPS, 0)]
    server = Server(iter([*lost, *lost]), split=False)
    server.limit = 100
    capture = run(server, ("",))
    assert [capture.consistency(kind) for kind in KINDS] == ["pinned", "per-kind", "per-kind"]
    assert int(capture.outcomes[SECRETS].revision()) > int(capture.course.pin)


def test_a_410_of_another_store_does_not_cost_the_pin() -> None:
    script = [*READS, *QUIET * 6, *QUIET, ("write", EVENTS, 1), ("compact", EVENTS, 0)]
    server = Server(iter(script), split=True)
    capture = attempt(server, ("",), last=False)
    assert capture.consistency(EVENTS) == "inconsistent"
    assert [capture.consistency(kind) for kind in (CONFIGMAPS, SECRETS)] == ["pinned", "pinned"]


def found_out(server: Server, source: Source) -> None:
    pin = str(server.main.revision)
    course = Course(pin, pin, [(kind, pin) for kind in KINDS], last=False)
    outcome = Outcome()
    found = [i.key for page in follow(source, course, Stream(EVENTS), outcome) for i in page.items]
    assert found == sorted(server.other.current[EVENTS])
    assert course.is_elsewhere(EVENTS)
    assert outcome.consistency(pin, on_pin=False) == "per-kind"
    assert outcome.revision() == str(server.other.revision)


def test_a_store_that_has_not_reached_the_pin_is_found_out() -> None:
    server = Server(iter(()), split=True)
    found_out(server, server)


def test_a_server_that_cannot_pin_is_found_out() -> None:
    server = Server(iter(()), split=True)
    found_out(server, lambda stream, _revision, token: server(stream, None, token))


def test_a_revision_that_is_no_number_is_elsewhere() -> None:
    course = Course("5", "9", [(CONFIGMAPS, "7"), (SECRETS, ""), (EVENTS, "abc")], last=False)
    assert [course.revision(kind) for kind in KINDS] == ["9", None, None]


def test_a_server_that_compacts_without_end_is_given_up() -> None:
    def source(stream: Stream, revision: str | None, token: str) -> t.Generator[Page, None, None]:
        yield from ()
        raise RevisionGone("again")

    course = Course("1", "1", (), last=True)
    with pytest.raises(StowageError) as caught:
        list(follow(source, course, Stream(CONFIGMAPS), Outcome()))
    assert caught.value.code == "cluster_api_error"
