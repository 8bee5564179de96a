# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.stowage.kubernetes.plugins.module_utils._restore import merge


class Thing(t.NamedTuple):
    namespace: str
    name: str


names = st.text(alphabet="ab-./é\U0001f6a2", min_size=1, max_size=3)
things = st.sets(st.builds(Thing, st.sampled_from(["", "a", "a-b", "a.b", "b"]), names), max_size=12)


def in_etcd_s_order(found: set[Thing]) -> list[Thing]:
    return sorted(found, key=lambda thing: f"{thing.namespace}/{thing.name}".encode())


@given(things, things)
def test_each_archived_object_meets_its_namesake(archived: set[Thing], live: set[Thing]) -> None:
    pairs = ((thing, thing.name) for thing in in_etcd_s_order(archived))
    found = list(merge.merged(pairs, iter(in_etcd_s_order(live))))
    assert [thing for thing, _payload, _live in found] == in_etcd_s_order(archived)
    for thing, payload, namesake in found:
        assert payload == thing.name
        assert namesake == (thing if thing in live else None)


def test_nothing_is_asked_of_the_cluster_before_something_is_wanted() -> None:
    live = iter([Thing("", "a")])
    assert list(merge.merged(iter(()), live)) == []
    assert len(list(live)) == 1
