# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restores by labels: what comes along, and custom resources that the target does not serve."""

from __future__ import annotations

import pathlib
import typing as t

import pytest

from support import fake_cluster
from support.fake_cluster import CLAIMS, CONFIGMAPS, CRDS, NAMESPACES, PODS, VOLUMES, WIDGETS
from support.fake_restores import Archived, Stage, archived, definition

Tree = dict[str, t.Any]
SHOP: t.Final[Tree] = {"labels": {"app": "shop"}}
TENANTS: t.Final = fake_cluster.kind("tenants.example.com", "Tenant", namespaced=False)


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


def bound_pod() -> list[Archived]:
    """A pod and a claim with labels, a claim without that the pod uses, the volumes of both, and what nobody needs."""

    def volume(name: str, claim: str) -> Archived:
        spec = {"claimRef": {"name": claim, "namespace": "a"}, "persistentVolumeReclaimPolicy": "Retain", "nfs": {}}
        return archived(VOLUMES, name, spec=spec)

    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "used"}}]
    return [
        archived(NAMESPACES, "a"),
        archived(PODS, "p", "a", metadata=SHOP, spec={"containers": [], "volumes": volumes}),
        archived(CLAIMS, "used", "a", spec={"volumeName": "of-used"}),
        archived(CLAIMS, "labelled", "a", metadata=SHOP, spec={"volumeName": "of-labelled"}),
        archived(CLAIMS, "other", "a", spec={"volumeName": "of-other"}),
        *(volume(f"of-{claim}", claim) for claim in ("used", "labelled", "other")),
    ]


@pytest.mark.parametrize(
    "more",
    [{}, {"included_namespaces": ["a"]}, {"included_namespaces": ["a"], "include_cluster_resources": "always"}],
    ids=["all", "related", "always"],
)
@pytest.mark.parametrize("check", [True, False], ids=["plan", "run"])
def test_a_pod_brings_its_claims_and_a_claim_its_volume(stage: Stage, more: Tree, check: bool) -> None:
    done = stage.restore(*bound_pod(), selection={"label_selector": "app=shop", **more}, check=check)
    assert done.fates() == dict.fromkeys(
        (
            *("persistentvolumes/of-used", "persistentvolumes/of-labelled", "namespaces/a"),
            *("persistentvolumeclaims/used", "persistentvolumeclaims/labelled", "pods/p"),
        ),
        "created",
    )
    assert not any(line.get("data_not_restored") or line.get("warning") for line in done.lines)


def test_a_pod_brings_its_claims_even_without_cluster_scoped_objects(stage: Stage) -> None:
    selection = {"label_selector": "app=shop", "include_cluster_resources": "never"}
    done = stage.restore(*bound_pod(), selection=selection)
    assert sorted(done.fates()) == [
        *("namespaces/a", "persistentvolumeclaims/labelled", "persistentvolumeclaims/used", "pods/p"),
    ]


def test_a_selected_custom_resource_brings_its_definition(stage: Stage) -> None:
    done = stage.restore(
        definition(WIDGETS),
        definition(TENANTS),
        definition(fake_cluster.kind("others.example.com", "Other", namespaced=False)),
        archived(NAMESPACES, "a"),
        archived(WIDGETS, "w", "a", metadata=SHOP),
        archived(TENANTS, "t", metadata=SHOP),
        archived(TENANTS, "u"),
        selection={"label_selector": "app=shop"},
    )
    assert done.result.phase == "Completed"
    assert done.fates() == dict.fromkeys(
        (
            f"{CRDS.resource}/{WIDGETS.resource}",
            f"{CRDS.resource}/{TENANTS.resource}",
            *("namespaces/a", "widgets.example.com/w", "tenants.example.com/t"),
        ),
        "created",
    )


def test_labels_select_cluster_scoped_objects_beside_those_that_are_needed(stage: Stage) -> None:
    done = stage.restore(
        *bound_pod(),
        archived(VOLUMES, "free", metadata=SHOP, spec={"nfs": {}}),
        selection={"label_selector": "app=shop"},
    )
    assert done.fates()["persistentvolumes/free"] == "created"
    assert done.fates()["persistentvolumes/of-used"] == "created"


def test_definitions_of_what_labels_leave_out_do_not_come(stage: Stage) -> None:
    """With a namespace filter, too."""
    done = stage.restore(
        definition(WIDGETS),
        archived(NAMESPACES, "a"),
        archived(CONFIGMAPS, "x", "a", metadata=SHOP),
        archived(WIDGETS, "w", "a"),
        selection={"label_selector": "app=shop", "included_namespaces": ["a"]},
    )
    assert done.fates() == {"namespaces/a": "created", "configmaps/x": "created"}
