# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A restore of nothing must not look like a good one."""

from __future__ import annotations

import pathlib
import typing as t

import pytest

from support.fake_cluster import CONFIGMAPS, NAMESPACES
from support.fake_restores import Stage, archived


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize(
    ("selection", "words"),
    [
        ({"included_namespaces": ["shpo"]}, "The namespace shpo is included by its name"),
        ({"included_namespaces": ["shop", "shpo"]}, "The namespace shpo is included by its name"),
        ({"included_namespaces": ["x-*"]}, "The selection leaves nothing"),
        ({"label_selector": "app=wbe"}, "The selection leaves nothing"),
        ({"included_resources": ["nonsense"]}, "The selection leaves nothing"),
    ],
)
def test_what_matches_nothing_is_an_error(
    tmp_path: pathlib.Path, selection: dict[str, t.Any], words: str, check: bool
) -> None:
    objects = [archived(NAMESPACES, "shop"), archived(CONFIGMAPS, "a", "shop", data={"a": "b"})]
    done = Stage(tmp_path).restore(*objects, selection=selection, check=check)
    assert done.result.phase == "PartiallyFailed"
    assert any(words in text for text in done.result.errors)


@pytest.mark.parametrize("selection", [{}, {"included_namespaces": ["shop"]}, {"included_namespaces": ["sh*"]}])
def test_what_matches_something_is_none(tmp_path: pathlib.Path, selection: dict[str, t.Any]) -> None:
    objects = [archived(NAMESPACES, "shop"), archived(CONFIGMAPS, "a", "shop", data={"a": "b"})]
    done = Stage(tmp_path).restore(*objects, selection=selection)
    assert (done.result.phase, done.result.errors) == ("Completed", [])
