# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.entries import Entry
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.model import Action, Verdict
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.owners import (
    OwnerRecord,
    OwnerState,
    OwnerTable,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.plan import Job, Planner, Prepared
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.target import Target
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.volumes import Kept, Volumes

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.around import Surroundings

Tree = dict[str, t.Any]
CONFIG_MAPS = Kind("", "v1", "configmaps", "ConfigMap", True)
CLAIMS = Kind("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", True)
VOLUMES = Kind("", "v1", "persistentvolumes", "PersistentVolume", False)
DEPLOYMENTS = Kind("apps", "v1", "deployments", "Deployment", True)
SERVICES = Kind("", "v1", "services", "Service", True)
API_SERVICES = Kind("apiregistration.k8s.io", "v1", "apiservices", "APIService", False)


class Around:
    """A target that has one volume, and owners by name."""

    def __init__(self, volume: str = "", **uids: str) -> None:
        self.volume, self.uids = volume, uids
        self.services: list[str] = []

    def kept_volume(self, volume: str, namespace: str, claim: str) -> Kept | None:
        assert (namespace, claim) == ("n", "x")
        return Kept.YES if volume == self.volume else None

    def owner_uid(self, api_version: str, kind: str, namespace: str, name: str) -> str | None:
        assert (api_version, namespace) == ("v1", "n")
        assert kind
        return self.uids.get(name)

    def served_version(self, api_version: str, kind: str) -> str:
        assert kind
        return api_version

    def status_is_field(self, kind: Kind) -> bool:
        return kind.group == "status.example.com"

    def note_service(self, tree: Tree) -> None:
        self.services.append(tree["metadata"]["name"])


def planner(around: Around | None = None, table: OwnerTable | None = None, *, update: bool = False) -> Planner:
    volumes = Volumes("own", own_cluster=True)
    return Planner(
        table or OwnerTable(),
        t.cast("Surroundings", around or Around()),
        volumes,
        preserve_node_ports=False,
        update=update,
    )


def job(
    kind: Kind, tree: Tree | None = None, *, live: Tree | None = None, served: Kind | None = None, **entry: t.Any
) -> Job:
    namespace = "n" if kind.namespaced else ""
    whole = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": "x"}, **(tree or {})}
    if namespace:
        whole["metadata"] = {"namespace": namespace, **whole["metadata"]}
    made = Entry(namespace, "x", "old", (), 0, "", (0, 0))._replace(**entry)
    body = json.dumps(whole).encode()
    return Job(Target(kind, served or kind), made, body, json.dumps(live).encode() if live else None)


def prepare(using: Planner, one: Job, *, exists: bool = False) -> Prepared:
    found = using.prepare(one, exists=exists)
    assert isinstance(found, Prepared)
    return found


@pytest.mark.parametrize(
    "lie",
    [
        {"metadata": {"name": "other", "namespace": "n"}},
        {"metadata": {"name": "x", "namespace": "kube-system"}},
        {"kind": "Secret"},
        {"apiVersion": "rbac.authorization.k8s.io/v1"},
        {"metadata": None},
    ],
)
def test_an_object_must_be_what_its_place_says(lie: Tree) -> None:
    """Selection, rules and permissions went by the place."""
    whole = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "n"}, **lie}
    one = job(CONFIG_MAPS)
    one.body = json.dumps(whole).encode()
    with pytest.raises(StowageError) as caught:
        planner().prepare(one, exists=False)
    assert caught.value.code == "archive_hostile"


def test_what_is_no_object_is_damaged() -> None:
    one = job(CONFIG_MAPS)
    for body in (b"[]", b"{", b'"x"', b"\xff"):
        one.body = body
        with pytest.raises(StowageError) as caught:
            planner().prepare(one, exists=False)
        assert caught.value.code == "backup_damaged"


def test_another_version_is_said() -> None:
    newer = Kind("apps", "v2", "deployments", "Deployment", True)
    found = prepare(planner(), job(DEPLOYMENTS, served=newer))
    assert found.tree["apiVersion"] == "apps/v2"
    assert "sent as apps/v2" in found.notes[0]


def test_owners_get_their_new_uids_and_lost_ones_are_said() -> None:
    table = OwnerTable()
    table.want(["here", "lost"])
    table.put("here", OwnerRecord(CONFIG_MAPS, 0, "n", "owner", ()))
    table.settle("here", OwnerState.THERE, "new")
    references = [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": uid}
        for name, uid in (("owner", "here"), ("gone", "lost"), ("stays", "unknown"))
    ]
    metadata = {"name": "x", "ownerReferences": references}
    found = prepare(planner(Around(stays="live"), table), job(CONFIG_MAPS, {"metadata": metadata}))
    assert [one["uid"] for one in found.tree["metadata"]["ownerReferences"]] == ["new", "live"]
    assert found.notes == ["owner ConfigMap gone is neither restored nor in the cluster"]
    only_lost = job(CONFIG_MAPS, {"metadata": {"name": "x", "ownerReferences": references[1:2]}})
    assert "ownerReferences" not in prepare(planner(), only_lost).tree["metadata"]


def volume(using: Planner, source: Tree, *, exists: bool = False, phase: str = "Bound") -> Prepared | Verdict:
    return using.prepare(
        job(VOLUMES, {"spec": source}, live={"status": {"phase": phase}} if exists else None), exists=exists
    )


CLAIM: t.Final[Tree] = {"spec": {"volumeName": "x", "storageClassName": "fast"}}


def test_a_claim_keeps_a_volume_that_is_restored() -> None:
    using = planner()
    volume(using, {"csi": {"volumeHandle": "h"}})
    found = prepare(using, job(CLAIMS, CLAIM))
    assert found.tree["spec"]["volumeName"] == "x"
    assert not found.data_not_restored
    assert not found.notes


def test_a_claim_keeps_a_volume_that_is_there_for_it() -> None:
    assert prepare(planner(Around(volume="x")), job(CLAIMS, CLAIM)).tree["spec"]["volumeName"] == "x"
    other = prepare(planner(Around(volume="y")), job(CLAIMS, CLAIM))
    assert "volumeName" not in other.tree["spec"]
    assert other.data_not_restored


def test_a_claim_that_exists_has_its_data() -> None:
    found = prepare(planner(), job(CLAIMS, CLAIM), exists=True)
    assert not found.data_not_restored
    assert not found.notes


@pytest.mark.parametrize("update", [True, False])
def test_a_released_volume_binds_again_only_when_it_may_be_updated(update: bool) -> None:
    using = planner(update=update)
    one = job(VOLUMES, {"spec": {"csi": {}}}, live={"status": {"phase": "Released"}})
    found = prepare(using, one, exists=True)
    difference = using.compare(one, found, {"status": {"phase": "Released"}})
    assert difference is not None
    assert difference.paths == ("spec.claimRef.uid",)
    claim = prepare(using, job(CLAIMS, CLAIM))
    assert claim.tree["spec"]["volumeName"] == "x"
    assert bool(claim.notes) is not update


def test_verdicts_come_before_anything_else() -> None:
    tree = {"metadata": {"name": "x", "labels": {"kubernetes.io/bootstrapping": "1"}}}
    found = planner().prepare(job(CONFIG_MAPS, tree), exists=False)
    assert isinstance(found, Verdict)
    assert found.action is Action.SKIPPED


def test_services_are_noted_for_their_endpoints() -> None:
    around = Around()
    prepare(planner(around), job(SERVICES, {"spec": {"selector": {"a": "b"}}}))
    assert around.services == ["x"]


def same(kind: Kind, archived: Tree, live: Tree) -> bool:
    base: Tree = {"apiVersion": kind.api_version, "kind": kind.kind}
    names = {"name": "x", "namespace": "n"}
    whole = {**base, **live, "metadata": {**names, "uid": "new", "resourceVersion": "9", **live.get("metadata", {})}}
    mine = {**archived, "metadata": {**names, "uid": "old", **archived.get("metadata", {})}}
    return planner().looks_same(job(kind, mine, live=whole))


def test_equal_at_first_sight() -> None:
    assert same(CONFIG_MAPS, {"data": {"a": "1"}}, {"data": {"a": "1"}, "status": {"x": 1}})
    assert not same(CONFIG_MAPS, {"data": {"a": "1"}}, {"data": {"a": "2"}})
    assert not same(CONFIG_MAPS, {"data": {"a": "1"}}, {"data": {"a": "1"}, "binaryData": {}})
    for key, value in (("labels", {"a": "1"}), ("annotations", {"a": "1"}), ("finalizers", ["a"])):
        assert not same(CONFIG_MAPS, {"metadata": {key: value}}, {})
        assert not same(CONFIG_MAPS, {}, {"metadata": {key: value}})
        assert same(CONFIG_MAPS, {"metadata": {key: value}}, {"metadata": {key: value}})


def test_first_sight_leaves_what_needs_rules_to_them() -> None:
    owned = {"metadata": {"ownerReferences": [{"uid": "a"}]}}
    assert not same(CONFIG_MAPS, owned, owned)
    bootstrapped = {"metadata": {"labels": {"kubernetes.io/bootstrapping": "1"}}}
    assert not same(CONFIG_MAPS, bootstrapped, bootstrapped)
    assert not same(SERVICES, {}, {})
    assert not same(DEPLOYMENTS, {}, {})


def test_what_servers_make_is_never_equal_at_first_sight() -> None:
    made = {"metadata": {"labels": {"kube-aggregator.kubernetes.io/automanaged": "onstart"}}}
    assert not same(API_SERVICES, made, made)
    assert same(API_SERVICES, {}, {})
