# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The parts of a capture that need no cluster."""

from __future__ import annotations

import datetime
import json
import threading
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.ahead import begun
from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.consistency import Outcome
from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.findings import Findings
from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.lists import in_order, merged
from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.namespaces import Namespaces
from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.result import largest
from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.survey import selects
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.listing import Item, Page
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind
from ansible_collections.stowage.kubernetes.plugins.module_utils._selection import EXCLUDE_LABEL, Selection

KIND = Kind("", "v1", "configmaps", "ConfigMap", True)


def item(name: str, *, namespace: str = "", body: bytes = b"{}", **fields: t.Any) -> Item:
    known: dict[str, t.Any] = {"uid": name, "revision": "1", "labels": None, "deleting": False, "owners": ()}
    return Item(namespace=namespace, name=name, body=body, **(known | fields))


def page(*names: str, size: int = 10, ordered: bool = True) -> Page:
    return Page([item(name) for name in names], "1", "", size, None, ordered)


def pages(*given: Page) -> t.Generator[Page, None, None]:
    yield from given


def names(found: t.Iterable[Page]) -> list[str]:
    return [one.name for each in found for one in each.items]


@given(st.lists(st.lists(st.text("abc", min_size=1, max_size=3), unique=True), min_size=1, max_size=4))
def test_merged_streams_have_each_object_once_and_in_order(streams: list[list[str]]) -> None:
    found = names(merged([pages(*(page(name) for name in sorted(stream))) for stream in streams]))
    assert found == sorted({name for stream in streams for name in stream})


def test_the_cluster_s_own_lists_are_passed_on_page_by_page() -> None:
    assert [names([one]) for one in in_order(pages(page("a", "b"), page("c")), KIND, lambda: False)] == [
        ["a", "b"],
        ["c"],
    ]
    assert list(in_order(pages(), KIND, lambda: True)) == []


def test_another_store_s_lists_are_sorted_while_they_fit() -> None:
    unordered = (page("c", "a", ordered=False), page("b", "a", ordered=False))
    assert names(in_order(pages(*unordered), KIND, lambda: True)) == ["a", "b", "c"]
    large = (page("a", size=20 << 20), page("b", size=20 << 20), page("c"))
    assert names(in_order(pages(*large), KIND, lambda: True)) == ["a", "b", "c"]
    with pytest.raises(StowageError, match="in order"):
        list(in_order(pages(*large, page("b", ordered=False)), KIND, lambda: True))


def test_an_unordered_list_of_the_cluster_itself_is_refused() -> None:
    with pytest.raises(StowageError) as caught:
        list(in_order(pages(page("b", "a", ordered=False)), KIND, lambda: False))
    assert caught.value.code == "cluster_api_error"


def test_tasks_are_begun_ahead_within_a_budget() -> None:
    started: list[int] = []
    lock = threading.Lock()

    def begin(task: int) -> int:
        with lock:
            started.append(task)
        return task * 2

    def sizes(task: int) -> int:
        return 5 << 20 if task >= 3 else 1

    found = []
    for task, future in begun(range(8), begin, sizes):
        assert future.result() == task * 2
        with lock:
            ahead = {one for one in started if one > task}
        assert sum(sizes(one) for one in ahead) <= 8 << 20
        found.append(task)
    assert found == list(range(8))


def test_what_a_beginning_raises_comes_with_its_task() -> None:
    def begin(task: int) -> int:
        if task == 1:
            raise StowageError("cluster_api_error", "no")
        return task

    outcomes = [future.exception() for _task, future in begun(range(3), begin, lambda _task: 1)]
    assert [outcome is None for outcome in outcomes] == [True, False, True]


def test_small_tasks_are_begun_before_they_are_asked_for() -> None:
    second = threading.Event()

    def begin(task: int) -> None:
        if task == 1:
            second.set()

    for task, future in begun(range(2), begin, lambda _task: 1):
        future.result(30)
        if task == 0:
            assert second.wait(30)


def namespaces(selection: dict[str, t.Any], *known: Item) -> Namespaces:
    found = Namespaces(Selection.from_params(selection))
    for one in known:
        found.note(one)
    return found


def namespace(name: str, phase: str = "Active", **fields: t.Any) -> Item:
    return item(name, body=json.dumps({"status": {"phase": phase}}).encode(), **fields)


ALL = (
    namespace("a"),
    namespace("a-b"),
    namespace("b"),
    namespace("c", "Terminating"),
    namespace("d", labels={EXCLUDE_LABEL: "true"}),
)


def test_which_namespaces_are_wanted() -> None:
    found = namespaces({"included_namespaces": ["a*", "c", "d", "gone"]}, *ALL)
    assert found.wanted == ["a", "a-b"]
    assert found.ending == ["c"]
    assert found.labelled == ["d"]
    assert found.absent() == ["gone"]
    assert found.in_order() == ("a-b", "a"), "as etcd has a-b/x before a/x"
    assert [found.admits(name) for name in ("a", "b", "c", "d", "a-new", "new")] == [
        True,
        False,
        False,
        False,
        True,
        False,
    ]


def test_all_are_admitted_only_when_nothing_is_excluded() -> None:
    assert namespaces({}, namespace("a")).all_admitted
    assert not namespaces({}, *ALL).all_admitted
    assert not namespaces({"included_namespaces": ["a"]}, namespace("a")).all_admitted


@pytest.mark.parametrize(
    ("count", "listed"),
    [(None, ("a",)), (0, ("",)), (400, ("",)), (5000, ("a",))],
)
def test_a_few_namespaces_are_listed_alone_when_all_would_be_many_pages(
    count: int | None, listed: tuple[str, ...]
) -> None:
    assert namespaces({"included_namespaces": ["a"]}, *ALL).lists(count) == listed


def test_many_namespaces_are_listed_at_once() -> None:
    many = [namespace(f"a{number}") for number in range(50)]
    assert namespaces({"included_namespaces": ["a*"]}, *many, namespace("b")).lists(5000) == ("",)
    assert namespaces({"included_namespaces": ["a*"]}, *many).lists(10**6) == ("",), "they are all there are"
    assert namespaces({"included_namespaces": ["x"]}, *many).lists(10**6) == ()


def test_findings_are_counted_beyond_what_is_kept() -> None:
    findings = Findings(lambda: datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC))
    for number in range(1500):
        findings.warn(f"w{number}", namespace=f"n{number % 3}")
    findings.error("broken", cluster=True)
    findings.info('said "so"\n')
    assert findings.warning_count == 1500
    assert len(findings.warnings) == 1000
    assert findings.first(findings.warnings, 2) == ["w0", "w3"]
    assert findings.errors.as_dict() == {"cluster": ["broken"]}
    assert findings.log[-1] == r'time="2026-01-02T03:04:05Z" level=info msg="said \"so\"\n"'


def test_the_result_shows_the_largest_kinds() -> None:
    counts = {f"kind-{number:03}": number for number in range(300)}
    shown = largest(counts)
    assert len(shown) == 200
    assert "kind-100" in shown
    assert "kind-099" not in shown
    assert list(shown) == sorted(shown)
    assert largest({"none": 0}) == {}


@pytest.mark.parametrize(
    ("revisions", "broken", "on_pin", "expected"),
    [
        ({"7"}, False, True, "pinned"),
        ({"7"}, False, False, "per-kind"),
        ({"9"}, False, True, "per-kind"),
        (set(), False, True, "per-kind"),
        ({"7"}, True, True, "inconsistent"),
        ({"7", "9"}, False, True, "inconsistent"),
    ],
)
def test_what_a_kind_s_record_promises(revisions: set[str], broken: bool, on_pin: bool, expected: str) -> None:
    assert Outcome(revisions, broken).consistency("7", on_pin) == expected


CRDS = Kind("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", False)
NODES = Kind("", "v1", "nodes", "Node", False)
VOLUMES = Kind("", "v1", "persistentvolumes", "PersistentVolume", False)
SPACES = Kind("", "v1", "namespaces", "Namespace", False)


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ({}, {KIND, CRDS, NODES, VOLUMES, SPACES}),
        ({"included_namespaces": ["a"]}, {KIND, CRDS, VOLUMES, SPACES}),
        ({"included_namespaces": ["a"], "include_cluster_resources": "never"}, {KIND, SPACES}),
        ({"included_namespaces": ["a"], "include_cluster_resources": "always"}, {KIND, CRDS, NODES, VOLUMES, SPACES}),
        ({"included_resources": ["nodes"]}, {NODES, CRDS}),
        ({"excluded_resources": ["crd", "customresourcedefinition", "nodes"]}, {KIND, VOLUMES, SPACES}),
    ],
)
def test_which_kinds_are_looked_at(selection: dict[str, t.Any], expected: set[Kind]) -> None:
    chosen = Selection.from_params(selection)
    assert {kind for kind in (KIND, CRDS, NODES, VOLUMES, SPACES) if selects(chosen, kind)} == expected
