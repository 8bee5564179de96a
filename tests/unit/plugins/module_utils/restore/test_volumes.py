# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._restore import volumes
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.volumes import Kept, RestoreVolumes, Volumes

Tree = dict[str, t.Any]
CSI = {"csi": {"volumeHandle": "vol-1"}}
PROVISIONED = {"pv.kubernetes.io/provisioned-by": "csi.example.com"}


def volume(source: Tree, policy: str = "Retain", **annotations: str) -> Tree:
    return {
        "metadata": {"name": "pv", "annotations": annotations},
        "spec": {**source, "persistentVolumeReclaimPolicy": policy},
    }


@pytest.mark.parametrize(
    ("tree", "mode", "own", "exists", "kept"),
    [
        (volume(CSI), "own", True, False, Kept.YES),
        (volume(CSI), "own", False, False, Kept.NO),
        (volume(CSI), "own", False, True, Kept.NO),
        (volume(CSI), "reuse", False, False, Kept.YES),
        (volume({"nfs": {"server": "s"}}), "own", False, False, Kept.NO),
        # what was provisioned for a claim that is gone went with it
        (volume(CSI, "Delete", **PROVISIONED), "own", True, False, Kept.NO),
        (volume(CSI, "Delete", **PROVISIONED), "own", True, True, Kept.YES),
        (volume(CSI, "Delete", **PROVISIONED), "reuse", True, False, Kept.YES),
        (volume(CSI, "Delete"), "own", True, False, Kept.YES),
        (volume({"hostPath": {"path": "/x"}}), "own", False, False, Kept.NODE_LOCAL),
        (volume({"local": {"path": "/x"}}), "own", True, False, Kept.YES),
        (volume({"local": {"path": "/x"}}), "own", False, True, Kept.YES),
    ],
)
def test_two_clusters_never_write_one_disk(
    tree: Tree, mode: RestoreVolumes, own: bool, exists: bool, kept: Kept
) -> None:
    found = Volumes(mode, own_cluster=own)
    verdict = found.decide(tree, exists=exists)
    assert (verdict is not None) == (kept is Kept.NO)
    assert found.kept("pv") is kept
    assert found.kept("other") is None


@pytest.mark.parametrize("kept", [Kept.YES, Kept.RELEASED, Kept.TAKEN])
@pytest.mark.parametrize(("mode", "own"), [("own", True), ("reuse", False)])
def test_a_volume_that_exists_is_known_for_what_it_is(mode: RestoreVolumes, own: bool, kept: Kept) -> None:
    found = Volumes(mode, own_cluster=own)
    assert found.decide(volume(CSI), exists=True, as_it_is=kept) is None
    assert found.kept("pv") is kept


def claimed(name: str, phase: str = "Bound") -> Tree:
    spec = {"claimRef": {"namespace": "n", "name": name}} if name else {}
    return {"spec": spec, "status": {"phase": phase}}


@pytest.mark.parametrize(
    ("live", "update", "kept"),
    [
        (claimed("mine"), False, Kept.YES),
        (claimed("mine", "Released"), False, Kept.RELEASED),
        (claimed("mine", "Released"), True, Kept.YES),
        (claimed("other", "Released"), False, Kept.RELEASED),
        (claimed("other", "Released"), True, Kept.YES),
        (claimed("other"), False, Kept.TAKEN),
        (claimed("other"), True, Kept.TAKEN),
        (claimed(""), False, Kept.YES),
    ],
)
def test_what_a_volume_is_to_the_archived_claim(live: Tree, update: bool, kept: Kept) -> None:
    assert volumes.as_it_is(claimed("mine"), live, update=update) is kept
    assert volumes.as_it_is(claimed(""), claimed("other"), update=update) is Kept.YES


def test_a_volume_belongs_to_its_claim() -> None:
    bound = {"spec": {"claimRef": {"namespace": "n", "name": "c"}}}
    assert volumes.belongs_to(bound, "n", "c")
    assert not volumes.belongs_to(bound, "m", "c")
    assert not volumes.belongs_to({}, "n", "c")
