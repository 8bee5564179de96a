# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive import catalog
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.reader import BackupReader
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.cutting import Item
from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.scope import find_scope
from ansible_collections.stowage.kubernetes.plugins.module_utils._selection import Selection
from support import archives
from support.memory_location import MemoryLocation

Tree = dict[str, t.Any]


def kind(resource: str, name: str, *, namespaced: bool = True) -> Kind:
    plural, _dot, group = resource.partition(".")
    return Kind(group, "v1", plural, name, namespaced)


NAMESPACES = kind("namespaces", "Namespace", namespaced=False)
CLAIMS = kind("persistentvolumeclaims", "PersistentVolumeClaim")
VOLUMES = kind("persistentvolumes", "PersistentVolume", namespaced=False)
ACCOUNTS = kind("serviceaccounts", "ServiceAccount")
CONFIG_MAPS = kind("configmaps", "ConfigMap")
RBAC = "rbac.authorization.k8s.io"
ROLES = kind(f"clusterroles.{RBAC}", "ClusterRole", namespaced=False)
BINDINGS = kind(f"clusterrolebindings.{RBAC}", "ClusterRoleBinding", namespaced=False)
WIDGETS = kind("widgets.example.com", "Widget")
GADGETS = kind("gadgets.example.com", "Gadget", namespaced=False)
STORAGE = kind("storageclasses.storage.k8s.io", "StorageClass", namespaced=False)
CRDS = kind("customresourcedefinitions.apiextensions.k8s.io", "CustomResourceDefinition", namespaced=False)


def item(of: Kind, namespace: str, name: str, labels: dict[str, str] | None = None, **more: t.Any) -> tuple[Kind, Item]:
    tree = {
        "apiVersion": of.api_version,
        "kind": of.kind,
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        **more,
    }
    return of, Item(namespace, name, f"uid-{namespace}-{name}", "1", labels, False, (), json.dumps(tree).encode())


def binding(name: str, role: str, namespace: str) -> tuple[Kind, Item]:
    subjects = [{"kind": "ServiceAccount", "name": "robot", "namespace": namespace}]
    return item(BINDINGS, "", name, roleRef={"kind": "ClusterRole", "name": role}, subjects=subjects)


OBJECTS = [
    item(CONFIG_MAPS, "a", "one", {"app": "x"}),
    item(CONFIG_MAPS, "a-b", "one"),
    item(CONFIG_MAPS, "b", "one"),
    item(NAMESPACES, "", "a"),
    item(NAMESPACES, "", "a-b"),
    item(NAMESPACES, "", "b"),
    item(NAMESPACES, "", "empty"),
    item(CLAIMS, "a", "data", spec={"volumeName": "pv-a"}),
    item(VOLUMES, "", "pv-a", spec={}),
    item(VOLUMES, "", "pv-b", spec={}),
    item(ACCOUNTS, "a", "robot"),
    item(ACCOUNTS, "b", "robot"),
    item(BINDINGS, "", "of-nobody", roleRef={"kind": "ClusterRole", "name": "role-b"}, subjects=[]),
    binding("of-a", "role-a", "a"),
    binding("of-b", "role-b", "b"),
    item(ROLES, "", "role-a", rules=[]),
    item(ROLES, "", "role-b", rules=[]),
    item(CRDS, "", "gadgets.example.com", spec={}),
    item(CRDS, "", "widgets.example.com", spec={}),
    item(WIDGETS, "a", "w"),
    item(GADGETS, "", "g"),
    item(STORAGE, "", "nobody-s"),
]


@pytest.fixture(scope="module")
def reader() -> t.Iterator[BackupReader]:
    location = MemoryLocation()
    order = list(dict.fromkeys(of for of, _item in OBJECTS))
    archives.make_backup(location, sorted(OBJECTS, key=lambda pair: (order.index(pair[0]), pair[1].key)))
    record = catalog.read_backup(location, archives.PATHS.cluster, archives.PATHS.backup)
    with BackupReader.open(location, record, progress=archives.Notes()) as reader:
        yield reader


def wanted(reader: BackupReader, **options: t.Any) -> dict[str, list[str]]:
    """Resource -> ``namespace/name`` of the entries in scope, labels aside."""
    scope = find_scope(reader, Selection.from_params(options))
    return {
        part.kind.resource: [
            entry.key
            for entry in reader.entries(part.kind, frozenset(part.namespaces).__contains__)
            if part.wants(entry.name)
        ]
        for part in scope.parts
    }


def test_without_a_filter_it_is_everything_in_order(reader: BackupReader) -> None:
    found = wanted(reader)
    assert sum(map(len, found.values())) == len(OBJECTS)
    assert list(found)[:4] == [CRDS.resource, "namespaces", STORAGE.resource, "persistentvolumes"]


def test_a_namespace_brings_what_it_is_tied_to_and_no_more(reader: BackupReader) -> None:
    assert wanted(reader, included_namespaces=["a"]) == {
        CRDS.resource: ["widgets.example.com"],
        "namespaces": ["a"],
        "persistentvolumes": ["pv-a"],
        "persistentvolumeclaims": ["a/data"],
        ROLES.resource: ["role-a"],
        "serviceaccounts": ["a/robot"],
        BINDINGS.resource: ["of-a"],
        "configmaps": ["a/one"],
        "widgets.example.com": ["a/w"],
    }


def test_globs_keep_etcd_s_order(reader: BackupReader) -> None:
    assert wanted(reader, included_namespaces=["a*"])["configmaps"] == ["a-b/one", "a/one"]


def test_never_leaves_only_namespaces(reader: BackupReader) -> None:
    found = wanted(reader, included_namespaces=["b", "empty"], include_cluster_resources="never")
    assert found == {"namespaces": ["b", "empty"], "serviceaccounts": ["b/robot"], "configmaps": ["b/one"]}


def test_always_takes_all_that_is_cluster_scoped(reader: BackupReader) -> None:
    found = wanted(reader, included_namespaces=["b"], include_cluster_resources="always")
    assert found["persistentvolumes"] == ["pv-a", "pv-b"]
    assert found["namespaces"] == ["b"]


def test_a_custom_resource_brings_its_definition_unless_that_is_excluded(reader: BackupReader) -> None:
    assert wanted(reader, included_resources=["widgets.example.com"]) == {
        CRDS.resource: ["widgets.example.com"],
        "namespaces": ["a"],
        "widgets.example.com": ["a/w"],
    }
    without = wanted(
        reader, included_resources=["widgets.example.com"], excluded_resources=["customresourcedefinitions"]
    )
    assert CRDS.resource not in without


def test_a_cluster_scoped_custom_resource_brings_its_definition_too(reader: BackupReader) -> None:
    found = wanted(reader, included_resources=["gadgets.example.com"])
    assert found == {CRDS.resource: ["gadgets.example.com"], "namespaces": [], "gadgets.example.com": ["g"]}


def test_namespaces_come_with_what_is_in_them_only_when_labels_select(reader: BackupReader) -> None:
    found = wanted(reader, included_resources=["configmaps"], label_selector="app=x")
    assert found["namespaces"] == ["a-b", "a", "b"] or found["namespaces"] == ["a", "a-b", "b"]
    assert "empty" not in found["namespaces"]
