# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Custom resources that the target does not serve, when labels select."""

from __future__ import annotations

import pathlib
import typing as t

import pytest

from support.fake_cluster import CONFIGMAPS, CRDS, NAMESPACES, WIDGETS
from support.fake_restores import Stage, archived, definition

Tree = dict[str, t.Any]
SHOP: t.Final[Tree] = {"labels": {"app": "shop"}}


@pytest.fixture
def stage(tmp_path: pathlib.Path) -> Stage:
    return Stage(tmp_path)


def test_only_selected_custom_resources_need_to_be_served(stage: Stage) -> None:
    done = stage.restore(
        definition(WIDGETS),
        archived(NAMESPACES, "a"),
        archived(NAMESPACES, "b"),
        archived(CONFIGMAPS, "x", "a", metadata=SHOP),
        archived(WIDGETS, "w", "b"),
        selection={"label_selector": "app=shop"},
    )
    assert done.result.phase == "Completed"
    assert done.result.errors == []
    assert done.fates() == {"namespaces/a": "created", "configmaps/x": "created"}


def test_selected_ones_that_are_not_served_fail(stage: Stage) -> None:
    done = stage.restore(
        archived(NAMESPACES, "a"),
        archived(WIDGETS, "selected", "a", metadata=SHOP),
        archived(WIDGETS, "w", "a"),
        selection={"label_selector": "app=shop"},
    )
    assert done.fates() == {"widgets.example.com/selected": "failed"}
    assert len(done.result.errors) == 2


def test_a_plan_names_only_the_selected_ones(stage: Stage) -> None:
    done = stage.restore(
        archived(CRDS, WIDGETS.resource, metadata=SHOP, spec={}),
        archived(WIDGETS, "selected", "bare", metadata=SHOP),
        archived(WIDGETS, "w", "bare"),
        selection={"label_selector": "app=shop"},
        check=True,
    )
    assert done.fates() == {
        f"customresourcedefinitions.apiextensions.k8s.io/{WIDGETS.resource}": "created",
        "namespaces/bare": "created",
        "widgets.example.com/selected": "created",
    }
