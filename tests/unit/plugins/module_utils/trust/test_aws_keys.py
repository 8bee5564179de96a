# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which access keys of a user are made, disabled and deleted, and in what order."""

from __future__ import annotations

import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import aws_keys
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.aws_keys import KeysFound, KeysWanted
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.model import Change

NAMES = ("A", "B")


def told(changes: list[Change]) -> list[str]:
    """Changes in a short form."""
    words = {None: "delete", "disabled": "disable", "enabled": "make"}
    return [f"{words[one.after and one.after['status']]} {one.name}" for one in changes]


def planned(keys: dict[str, bool], *, kept: str = "", tagged: str = "", rotate: bool = False) -> list[str]:
    """What is planned for a user with these keys."""
    found = KeysFound(keys, "t" if tagged else "", frozenset(tagged), kept)
    return told(aws_keys.plan(KeysWanted("t", "user", "/key", rotate), found))


@pytest.mark.parametrize(
    ("keys", "options", "plan"),
    [
        ({}, {}, ["make new"]),
        ({"A": True}, {"kept": "A", "tagged": "A"}, []),
        ({"A": True}, {"kept": "A"}, []),
        ({"A": False}, {"kept": "A", "tagged": "A"}, ["delete A", "make new"]),
        ({"A": True}, {"kept": "A", "tagged": "A", "rotate": True}, ["make new", "disable A"]),
        ({"A": False, "B": True}, {"kept": "B", "tagged": "AB"}, ["delete A"]),
        ({"A": False, "B": True}, {"kept": "B", "tagged": "AB", "rotate": True}, ["delete A", "make new", "disable B"]),
        ({"A": True, "B": True}, {"kept": "B", "tagged": "AB"}, ["disable A"]),
        ({"A": True}, {"tagged": "A"}, ["make new", "disable A"]),
        ({"A": True, "B": True}, {"kept": "B", "tagged": "B"}, []),
        ({"A": True}, {}, ["make new"]),
    ],
)
def test_what_is_planned(keys: dict[str, bool], options: dict[str, t.Any], plan: list[str]) -> None:
    assert planned(keys, **options) == plan


@given(
    st.dictionaries(st.sampled_from(NAMES), st.booleans()),
    st.sampled_from(["", *NAMES]),
    st.sampled_from(["", "A", "B", "AB"]),
    st.booleans(),
)
def test_no_key_goes_before_there_is_another(keys: dict[str, bool], kept: str, tagged: str, rotate: bool) -> None:
    try:
        plan = planned(keys, kept=kept, tagged=tagged, rotate=rotate)
    except StowageError:
        return
    there = dict(keys)
    for step in plan:
        word, key = step.split(" ")
        if word == "delete":
            assert there.pop(key) is False, "a key that may be in use is disabled first, by an earlier run"
        else:
            there["new" if word == "make" else key] = word == "make"
        assert key == "new" or key in tagged or key == kept, "it is none of ours"
        assert len(there) <= 2
    assert any(there.values())
    assert not kept or there.get(kept) or "new" in there


def test_whose_keys_they_are() -> None:
    wanted = KeysWanted("t", "user", "/key")
    for found, code in (
        (KeysFound({"A": True, "B": True}), "trust_in_use"),
        (KeysFound({"A": True}, "other", frozenset("A")), "trust_in_use"),
        (KeysFound({"A": True}, kept="C"), "invalid_option"),
    ):
        with pytest.raises(StowageError) as caught:
            aws_keys.plan(wanted, found)
        assert caught.value.code == code
    gone = aws_keys.plan_removal(wanted, KeysFound({"A": True, "B": True}, "t", frozenset("A"), "A"))
    assert [(one.what, one.name) for one in gone] == [("access_key", "A"), ("secret_file", "/key")]
