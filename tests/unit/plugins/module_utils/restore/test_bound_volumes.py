# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Volumes that another claim uses by now, or none."""

from __future__ import annotations

import pathlib
import typing as t

import pytest

from support.fake_cluster import CLAIMS, NAMESPACES, VOLUMES
from support.fake_restores import Stage, archived

Tree = dict[str, t.Any]


@pytest.fixture
def stage(tmp_path: pathlib.Path) -> Stage:
    """A cluster in which another claim has the volume."""
    found = Stage(tmp_path)
    found.cluster.add(NAMESPACES, "n")
    found.cluster.add(VOLUMES, "pv", **volume("new"))
    return found


def volume(claim: str) -> Tree:
    reference = {"namespace": "n", "name": claim, "uid": f"uid-{claim}"}
    return {
        "spec": {"claimRef": reference, "csi": {"volumeHandle": "h"}, "persistentVolumeReclaimPolicy": "Retain"},
        "status": {"phase": "Bound"},
    }


@pytest.mark.parametrize("policy", ["none", "update"])
def test_a_volume_in_use_stays_with_the_claim_that_uses_it(stage: Stage, policy: t.Literal["none", "update"]) -> None:
    done = stage.restore(
        archived(VOLUMES, "pv", **volume("old"), metadata={"labels": {"a": "b"}}),
        archived(CLAIMS, "old", "n", spec={"volumeName": "pv"}),
        existing_resource_policy=policy,
    )
    assert [path for _method, path, _body in done.writes] == ["/api/v1/namespaces/n/persistentvolumeclaims"]
    line = done.line("persistentvolumes", "pv")
    assert line["action"] == "differs"
    assert line["reason"] == "left as it is: it is in use by another claim"
    claim = done.line("persistentvolumeclaims", "old")
    assert claim["reason"] == "its volume is in use by another claim: it is provisioned anew, without its data"
    assert claim["data_not_restored"]
    assert "volumeName" not in stage.cluster.state(CLAIMS)[b"n/old"]["spec"]


@pytest.mark.parametrize(
    ("selection", "how"),
    [({}, ""), ({"include_cluster_resources": "never"}, "a restore of both with ")],
    ids=["with the volume", "without"],
)
@pytest.mark.parametrize("check", [True, False], ids=["plan", "run"])
def test_a_claim_whose_volume_is_released_says_that_it_cannot_bind(
    stage: Stage, selection: Tree, how: str, check: bool
) -> None:
    stage.cluster.add(VOLUMES, "lost", **{**volume("old"), "status": {"phase": "Released"}})
    done = stage.restore(
        archived(NAMESPACES, "n"),
        archived(VOLUMES, "lost", **volume("old")),
        archived(CLAIMS, "old", "n", spec={"volumeName": "lost"}),
        selection=selection,
        check=check,
    )
    line = done.line("persistentvolumeclaims", "old")
    why = f"its volume is there but released; {how}existing_resource_policy: update lets it bind again"
    assert (line["action"], line["reason"], line["warning"]) == ("created", why, True)
