# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two archives side by side, against dictionaries."""

from __future__ import annotations

import json
import typing as t

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.stowage.kubernetes.plugins.module_utils._inspect import differences
from ansible_collections.stowage.kubernetes.plugins.module_utils._inspect.differences import Differences, Fate, paired


class Thing(t.NamedTuple):
    key: str


KEYS = st.sets(st.text(alphabet="ab-./é\U0001f6a2", max_size=4), max_size=20)


def things(keys: t.Iterable[str]) -> list[Thing]:
    return [Thing(key) for key in sorted(keys)]


@given(KEYS, KEYS)
def test_each_key_comes_once_in_order_with_its_namesake(ones: set[str], others: set[str]) -> None:
    found = list(paired(things(ones), things(others)))
    keys = [(one or other or Thing("")).key for one, other in found]
    assert keys == sorted(ones | others)
    for key, (one, other) in zip(keys, found, strict=True):
        assert one == (Thing(key) if key in ones else None)
        assert other == (Thing(key) if key in others else None)


@given(KEYS, KEYS)
def test_the_other_way_round_is_the_mirror_image(ones: set[str], others: set[str]) -> None:
    assert [(b, a) for a, b in paired(things(others), things(ones))] == list(paired(things(ones), things(others)))


def test_one_object_of_each_is_held() -> None:
    taken = [0, 0]

    def counted(side: int) -> t.Iterator[Thing]:
        for number in range(0, 1000, side + 1):
            taken[side] += 1
            yield Thing(f"{number:04}")

    met = [0, 0]
    for pair in paired(counted(0), counted(1)):
        for side, thing in enumerate(pair):
            met[side] += thing is not None
        assert all(taken[side] - met[side] <= 1 for side in (0, 1))
    assert met == [1000, 500]


FATES = st.lists(
    st.tuples(st.sampled_from(["a", "b.c"]), st.sampled_from(list(Fate)), st.text(max_size=3)), max_size=30
)


@given(FATES, st.integers(0, 5))
def test_counts_are_of_all_and_lists_of_the_first(fates: list[tuple[str, Fate, str]], most: int) -> None:
    found = Differences(most)
    for resource in ("a", "b.c"):
        found.begin(resource, "v1", "v1")
    for resource, fate, name in fates:
        found.add(resource, fate, "n", name)
    result = found.as_dict()
    assert result["equal"] == all(fate is Fate.UNCHANGED for _resource, fate, _name in fates)
    for fate in Fate:
        mine = [(resource, name) for resource, one, name in fates if one is fate]
        assert result["counts"][fate.value] == len(mine)
        for kind in result["kinds"]:
            assert kind[fate.value] == sum(resource == kind["resource"] for resource, _name in mine)
        if fate is not Fate.UNCHANGED:
            assert [one["resource"] for one in result[fate.value]] == [resource for resource, _name in mine[:most]]
            assert any(f"{len(mine)} {fate.value} objects" in note for note in found.notes()) == (len(mine) > most)
    assert "unchanged" not in result


def test_names_from_a_bucket_are_shown_harmlessly() -> None:
    found = Differences()
    found.begin("x\x1b[31m", "v1", "")
    found.add("x\x1b[31m", Fate.ADDED, "a\nb", "n" * 5000)
    text = json.dumps(found.as_dict(), ensure_ascii=False)
    assert text.isprintable()
    assert len(text) < 1500
    assert found.as_dict()["added"] == [{"resource": "x\\x1b[31m", "namespace": "a\\nb", "name": "n" * 253}]


def test_when_there_are_too_many_kinds_those_that_differ_are_kept() -> None:
    found = Differences()
    for number in range(differences.MOST_KINDS + 7):
        found.begin(f"k{number:04}", "v1", "v1")
        found.add(f"k{number:04}", Fate.UNCHANGED, "", "x")
    found.add("k0506", Fate.CHANGED, "", "y")
    kinds = [kind["resource"] for kind in found.as_dict()["kinds"]]
    assert len(kinds) == differences.MOST_KINDS
    assert kinds[:2] == ["k0506", "k0000"]
    assert found.notes() == ["Only 500 of 507 kinds are listed, those that differ first."]


def test_kinds_in_two_versions_are_told() -> None:
    found = Differences()
    found.begin("a", "v1", "v1")
    found.begin("b", "v1", "v1beta1")
    found.begin("c", "", "v1")
    assert found.of_two_versions == ["b"]
