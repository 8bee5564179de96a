# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists of a real API server: pinned to one revision, bounded, in etcd's order, and what follows a compaction."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster import listing
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.connection import ApiStatusError
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.discovery import discover
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.listing import Gone, Page, pages, probe
from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind
from conftest import ClusterFactory
from support.clusters import config_map, connect, namespace
from testbed import Cluster, Testbed

CONFIG_MAPS = Kind("", "v1", "configmaps", "ConfigMap", namespaced=True)
SECRETS = Kind("", "v1", "secrets", "Secret", namespaced=True)
EVENTS = Kind("", "v1", "events", "Event", namespaced=True)
SERVICE_ACCOUNTS = Kind("", "v1", "serviceaccounts", "ServiceAccount", namespaced=True)


def names(found: Iterator[Page]) -> list[str]:
    return [item.name for page in found for item in page.items]


def test_every_kind_is_listed_as_the_server_has_it_and_in_etcds_order(cluster: ClusterFactory) -> None:
    shared = cluster()
    conn = connect(shared)
    for name in ("order", "order-b", "order.c"):
        shared.api.create(namespace(name.replace(".", "-")))
    for space in ("order-b", "order", "order-c"):
        for name in ("b", "a-b", "a.b", "a"):
            shared.api.create(config_map(space, name))
    seen = 0
    for kind in discover(conn).chosen:
        revision = probe(conn, kind).revision
        found = list(pages(conn, kind, revision=revision, page_bytes=64 << 10))
        assert all(page.ordered for page in found), kind
        assert {page.revision for page in found} == {revision}
        answer = shared.api.json(
            "GET", kind.path(), query={"resourceVersion": revision, "resourceVersionMatch": "Exact"}
        )
        wanted = [{"apiVersion": kind.api_version, "kind": kind.kind} | item for item in answer["items"]]
        assert [json.loads(item.body) for page in found for item in page.items] == wanted, kind
        seen += len(wanted)
    assert seen > 100


def test_all_kinds_are_pinned_to_one_instant(cluster: ClusterFactory) -> None:
    shared = cluster()
    conn = connect(shared)
    shared.api.create(namespace("pinned"))
    for number in range(30):
        shared.api.create(config_map("pinned", f"kept-{number:02}"))
    shared.api.create(config_map("pinned", "changed", value="then"))
    pin = probe(conn, CONFIG_MAPS).revision
    shared.api.create(config_map("pinned", "later"))
    shared.api.delete("v1", "ConfigMap", "kept-00", "pinned")
    shared.api.replace(config_map("pinned", "changed", value="now"))
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"namespace": "pinned", "name": "later"}}
    shared.api.create(account)
    found = [item for page in pages(conn, CONFIG_MAPS, namespace="pinned", revision=pin) for item in page.items]
    mine = {item.name: json.loads(item.body).get("data") for item in found if item.name != "kube-root-ca.crt"}
    assert mine == {f"kept-{number:02}": None for number in range(30)} | {"changed": {"value": "then"}}
    assert "later" not in names(pages(conn, SERVICE_ACCOUNTS, namespace="pinned", revision=pin))
    assert "later" in names(pages(conn, SERVICE_ACCOUNTS, namespace="pinned"))


def test_large_objects_come_in_small_pages(cluster: ClusterFactory) -> None:
    shared = cluster()
    conn = connect(shared)
    shared.api.create(namespace("large"))
    release = base64.b64encode(os.urandom(600_000)).decode()
    for number in range(20):
        metadata = {"namespace": "large", "name": f"release-{number:02}"}
        shared.api.create({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {"release": release}})
    found = list(pages(conn, SECRETS, namespace="large", page_bytes=2 << 20))
    assert len(names(iter(found))) == 20
    assert max(page.size for page in found) <= 2 << 20


def test_compressed_answers_hold_the_same(cluster: ClusterFactory) -> None:
    shared = cluster()
    conn, plain = connect(shared), connect(shared)
    object.__setattr__(conn._session, "compress", True)  # as if it were not loopback
    query = [
        ("resourceVersion", probe(conn, CONFIG_MAPS).revision),
        ("resourceVersionMatch", "Exact"),
        ("limit", "500"),
    ]
    shared.api.create(namespace("compressed"))
    for number in range(4):
        shared.api.create(config_map("compressed", f"c-{number}", value="x" * 100_000))
    path = "/api/v1/namespaces/compressed/configmaps"
    answer = conn.request("GET", path)
    assert answer.headers["content-encoding"] == "gzip"
    assert json.loads(answer.body)["items"] == plain.get_json(path)["items"]
    assert conn.request("GET", "/api/v1/configmaps", query=query).json() == plain.get_json("/api/v1/configmaps", query)


@pytest.fixture(scope="module")
def forgetful(testbed: Testbed) -> Iterator[Cluster]:
    """A cluster whose API server reads old revisions from etcd, so that a compaction shows; its events live elsewhere."""
    gate = "--feature-gates=ListFromCacheSnapshot=false"
    one = testbed.cluster("forgetful", apiserver_args=(gate,), events_etcd=True)
    yield one
    testbed.stop(one)


def test_a_compaction_in_the_middle_of_a_list(forgetful: Cluster) -> None:
    conn = connect(forgetful)
    forgetful.api.create(namespace("compacted"))
    for number in range(60):
        forgetful.api.create(config_map("compacted", f"c-{number:02}"))
    source = pages(conn, CONFIG_MAPS, namespace="compacted", ahead=0)
    found = [item.name for item in next(source).items]
    forgetful.api.create(config_map("compacted", "c-99"))
    forgetful.compact()
    with pytest.raises(Gone) as caught:
        next(source)
    assert 0 < len(found) < 60
    assert caught.value.continue_token
    rest = names(pages(conn, CONFIG_MAPS, namespace="compacted", token=caught.value.continue_token))
    assert found + rest == [f"c-{number:02}" for number in range(60)] + ["c-99", "kube-root-ca.crt"]


def test_a_compacted_pin_is_gone(forgetful: Cluster) -> None:
    conn = connect(forgetful)
    pin = probe(conn, CONFIG_MAPS).revision
    forgetful.api.create(namespace("gone"))
    forgetful.compact()
    with pytest.raises(Gone):
        names(pages(conn, CONFIG_MAPS, revision=pin))


def test_events_in_another_etcd_have_revisions_of_their_own(
    forgetful: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    conn = connect(forgetful)
    before = int(probe(conn, CONFIG_MAPS).revision)
    of_events = int(probe(conn, EVENTS).revision)
    after = int(probe(conn, CONFIG_MAPS).revision)
    assert not before <= of_events <= after
    monkeypatch.setattr(listing, "_TOO_LARGE_REVISION_SECONDS", 0.5)
    with pytest.raises(ApiStatusError) as caught:
        names(pages(conn, EVENTS, revision=str(max(before, of_events) + 1_000_000)))
    assert caught.value.has_cause("ResourceVersionTooLarge")
    assert names(pages(conn, EVENTS)) == names(pages(conn, EVENTS, revision=str(int(probe(conn, EVENTS).revision))))
