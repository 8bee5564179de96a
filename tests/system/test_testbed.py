# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The testbed's servers do what other tests count on."""

from __future__ import annotations

import pytest

from testbed import Api, ApiError, MinIO, S3Store, SeaweedFS, Testbed, extras, samples
from testbed.build import KUBERNETES_VERSION
from testbed.cluster import Cluster


@pytest.fixture(scope="module")
def shared(testbed: Testbed) -> Cluster:
    """A cluster with a second etcd, and with the list feature off that would hide a compaction."""
    return testbed.cluster("testbed", events_etcd=True, apiserver_args=["--feature-gates=ListFromCacheSnapshot=false"])


def config_map(name: str) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}}


def test_cluster_says_its_version(shared: Cluster) -> None:
    assert shared.api.json("GET", "/version")["gitVersion"] == KUBERNETES_VERSION


def test_kubeconfigs_are_private(shared: Cluster) -> None:
    token = shared.kubeconfig_for_token(shared.token_for("default", "default"))
    for path in (shared.kubeconfig, token):
        assert path.stat().st_mode & 0o777 == 0o600
    assert shared.directory.stat().st_mode & 0o777 == 0o700


def test_token_stands_for_its_account_and_ends(shared: Cluster) -> None:
    long, short = (shared.token_for("default", "default", seconds) for seconds in (600, -1))
    with pytest.raises(ApiError) as refused:
        Api(shared.kubeconfig_for_token(long)).list("v1", "Secret", "default")
    assert refused.value.status == 403
    assert "system:serviceaccount:default:default" in refused.value.message
    with pytest.raises(ApiError) as ended:
        Api(shared.kubeconfig_for_token(short)).json("GET", "/api/v1/namespaces")
    assert ended.value.status == 401


def test_users_have_the_name_and_groups_of_their_certificate(shared: Cluster) -> None:
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    someone = Api(shared.kubeconfig_for_user("someone", ["team"]))
    info = someone.json("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", body=review)["status"]["userInfo"]
    assert info["username"] == "someone"
    assert "team" in info["groups"]


def test_requests_are_counted_by_who_made_them(shared: Cluster) -> None:
    mark = shared.audit.mark()
    shared.api.list("v1", "ConfigMap", "default")
    seen = [one for one in shared.audit.since(mark) if one.user == "testbed-admin"]
    assert [(one.verb, one.resource, one.namespace, one.status) for one in seen] == [
        ("list", "configmaps", "default", 200)
    ]


def test_events_are_in_their_own_etcd(shared: Cluster) -> None:
    involved = {"kind": "Namespace", "name": "default", "apiVersion": "v1"}
    meta = {"name": "e1", "namespace": "default"}
    shared.api.create({"apiVersion": "v1", "kind": "Event", "metadata": meta, "involvedObject": involved})
    assert shared.events_etcd is not None
    assert "/registry/events/default/e1" in dict(shared.events_etcd.pairs("/registry/", keys_only=True))
    assert not [key for key, _dummy in shared.etcd.pairs("/registry/events/", keys_only=True)]
    assert "/registry/events/default/e1" in shared.etcd_keys()


def test_compaction_ends_an_older_list(shared: Cluster) -> None:
    for number in range(3):
        shared.api.create(config_map(f"page-{number}"))
    path = shared.api.resource("v1", "ConfigMap").path("default")
    page = shared.api.json("GET", path, query={"limit": 1})
    shared.api.create(config_map("later"))
    assert shared.compact() == shared.revision()
    with pytest.raises(ApiError) as gone:
        shared.api.json("GET", path, query={"limit": 1, "continue": page["metadata"]["continue"]})
    assert (gone.value.status, gone.value.reason) == (410, "Expired")


def test_a_part_stops_and_starts_again(shared: Cluster) -> None:
    shared.stop_part("kube-apiserver")
    with pytest.raises(ConnectionError):
        shared.api.json("GET", "/version")
    shared.start("kube-apiserver")
    shared.wait_ready()
    assert shared.api.json("GET", "/version")["major"] == "1"


def test_samples_and_extras_load(testbed: Testbed) -> None:
    cluster = testbed.cluster("samples")
    assert samples.load(cluster.api) == 167
    loaded = extras.load_extras(cluster.api)
    keys = cluster.etcd_keys()
    assert "/registry/alpha.example.com/trinkets/extras/trinket" in keys
    assert loaded > 60
    managers = cluster.api.get("v1", "ConfigMap", "shared", extras.NAMESPACE)["metadata"]["managedFields"]
    assert {(one["manager"], one["operation"]) for one in managers} >= {
        ("gitops-one", "Apply"),
        ("gitops-two", "Apply"),
    }
    metrics = cluster.api.get("apiregistration.k8s.io/v1", "APIService", "v1beta1.metrics.k8s.io")
    assert not samples.has_condition(metrics, "Available")
    testbed.stop(cluster)


def check_store(store: S3Store) -> None:
    bucket = store.create_bucket("testbed-check", versioning=True)
    store.write(bucket, "a/b", b"content")
    assert store.keys(bucket, "a/") == ["a/b"]
    assert store.read(bucket, "a/b") == b"content"
    assert store.uploads(bucket) == []
    assert store.client().get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    locked = store.create_bucket("testbed-locked", object_lock=True)
    lock = store.client().get_object_lock_configuration(Bucket=locked)["ObjectLockConfiguration"]
    assert lock["ObjectLockEnabled"] == "Enabled"


def test_minio_stores(minio: MinIO) -> None:
    check_store(minio)


def test_seaweedfs_stores(seaweedfs: SeaweedFS) -> None:
    check_store(seaweedfs)


def test_two_clusters_start_at_once(testbed: Testbed) -> None:
    one, two = testbed.clusters("one", "two")
    one.api.create(config_map("only-here"))
    assert two.api.find("v1", "ConfigMap", "only-here", "default") is None
    for cluster in (one, two):
        testbed.stop(cluster)
