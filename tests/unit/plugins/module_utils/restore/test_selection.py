# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A restore of nothing, or of half of a cluster, must not look like a good one."""

from __future__ import annotations

import pathlib
import typing as t

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from support import fake_cluster
from support.fake_cluster import CONFIGMAPS, NAMESPACES
from support.fake_restores import Stage, archived


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize(
    ("selection", "words"),
    [
        (
            {"included_namespaces": ["shop", "shpo"]},
            "The namespace shpo is included by its name, and the backup does not hold it. Did you mean shop?",
        ),
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


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize(
    ("names", "message", "hint"),
    [
        (["shpo"], "The backup backup-1 has no namespace shpo.", "Did you mean shop?"),
        (["shpo", "x-*"], "none of the namespaces that are asked for: shpo, x-*.", "Did you mean shop?"),
        (["x-*"], "The backup backup-1 has no namespace x-*.", "Check included_namespaces"),
    ],
)
def test_namespaces_that_the_backup_does_not_hold_are_named_before_anything_is_done(
    tmp_path: pathlib.Path, names: list[str], message: str, hint: str, check: bool
) -> None:
    stage = Stage(tmp_path)
    before = stage.cluster.revision
    objects = [archived(NAMESPACES, "shop"), archived(CONFIGMAPS, "a", "shop", data={"a": "b"})]
    with pytest.raises(StowageError) as error:
        stage.restore(*objects, selection={"included_namespaces": names}, check=check)
    assert error.value.code == "namespace_not_found"
    assert message in error.value.message
    assert hint in error.value.hint
    assert not (tmp_path / "location/clusters/east/restores").exists()
    assert stage.cluster.revision == before


@pytest.mark.parametrize("selection", [{}, {"included_namespaces": ["shop"]}, {"included_namespaces": ["sh*"]}])
def test_what_matches_something_is_none(tmp_path: pathlib.Path, selection: dict[str, t.Any]) -> None:
    objects = [archived(NAMESPACES, "shop"), archived(CONFIGMAPS, "a", "shop", data={"a": "b"})]
    done = Stage(tmp_path).restore(*objects, selection=selection)
    assert (done.result.phase, done.result.errors) == ("Completed", [])


GAPS: t.Final[dict[str, t.Any]] = {
    "phase": "PartiallyFailed",
    "incomplete": [fake_cluster.SECRETS, fake_cluster.CRDS, fake_cluster.CLUSTER_ROLES],
}
LACKS: t.Final = "The backup backup-1 of east is PartiallyFailed: it may lack objects, in "


@pytest.mark.parametrize("check", [False, True], ids=["run", "plan"])
@pytest.mark.parametrize(
    ("selection", "more", "lacks"),
    [
        ({}, {}, f"secrets, {fake_cluster.CRDS.resource}, {fake_cluster.CLUSTER_ROLES.resource}"),
        ({"include_cluster_resources": "never"}, {}, "secrets"),
        ({"included_resources": ["configmaps"]}, {}, fake_cluster.CRDS.resource),
        ({"include_cluster_resources": "never"}, {"groups_failed": ["lost.example.com"]}, "secrets, lost.example.com"),
    ],
)
def test_what_the_backup_may_lack_is_a_warning(
    tmp_path: pathlib.Path, selection: dict[str, t.Any], more: dict[str, t.Any], lacks: str, check: bool
) -> None:
    objects = [archived(NAMESPACES, "shop"), archived(CONFIGMAPS, "a", "shop", data={"a": "b"})]
    done = Stage(tmp_path).restore(*objects, selection=selection, check=check, backup=GAPS | more)
    assert done.result.warnings[:1] == [f"{LACKS}{lacks}."]
    assert done.result.phase == "Completed"


def test_what_the_backup_may_lack_but_nobody_wants_is_not_told(tmp_path: pathlib.Path) -> None:
    objects = [archived(NAMESPACES, "shop"), archived(CONFIGMAPS, "a", "shop", data={"a": "b"})]
    selection = {"included_resources": ["configmaps"], "include_cluster_resources": "never"}
    assert Stage(tmp_path).restore(*objects, selection=selection, backup=GAPS).result.warnings == []


def test_a_partial_backup_that_does_not_say_what_it_lacks(tmp_path: pathlib.Path) -> None:
    """As Velero's."""
    done = Stage(tmp_path).restore(archived(NAMESPACES, "shop"), backup={"phase": "PartiallyFailed"})
    assert done.result.warnings == ["The backup backup-1 of east is PartiallyFailed: it may lack objects."]


@pytest.mark.parametrize(
    ("selection", "lost"),
    [({}, True), ({"included_namespaces": ["shop"]}, True), ({"included_namespaces": ["other"]}, False)],
    ids=["everything", "its namespace", "another"],
)
def test_an_object_that_the_archive_holds_and_that_cannot_be_placed_is_an_error(
    tmp_path: pathlib.Path, selection: dict[str, t.Any], lost: bool
) -> None:
    done = Stage(tmp_path).restore(
        archived(NAMESPACES, "other"),
        archived(NAMESPACES, "shop"),
        archived(CONFIGMAPS, "n" * 252, "shop"),
        selection=selection,
        without=["stowage-index.json.gz", "stowage-manifest.json"],
    )
    why = "without index and manifest it is not known where they belong."
    assert done.result.errors == ([f"1 objects with very long names are left out (ConfigMap): {why}"] if lost else [])
    assert done.result.phase == ("PartiallyFailed" if lost else "Completed")
    assert any("The archive is read in full instead." in text for text in done.result.warnings)
