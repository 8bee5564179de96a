# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Custom resources whose definitions the target has in an older form, against a real API server."""

from __future__ import annotations

import json
import pathlib
import typing as t

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.listing import Item
from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind
from support.restores import Bench, fates, line_of
from testbed import ApiError
from testbed.process import wait_until

if t.TYPE_CHECKING:
    from testbed import Api, Cluster

Tree = dict[str, t.Any]
GROUP: t.Final = "defined.example.com"
CRDS: t.Final = Kind(
    "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False
)
NAMESPACES: t.Final = Kind("", "v1", "namespaces", "Namespace", namespaced=False)


@pytest.fixture
def bench(cluster: t.Callable[[str], Cluster], tmp_path: pathlib.Path) -> Bench:
    """The cluster that the tests of restores share; each has its own definitions."""
    return Bench(cluster("restore"), tmp_path)


def definition(plural: str, versions: t.Mapping[str, t.Sequence[str]]) -> Tree:
    """Versions, the first of which is stored, with the fields that their ``spec`` has."""
    kind = plural[:-1].capitalize()
    return {
        "apiVersion": CRDS.api_version,
        "kind": CRDS.kind,
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": {"plural": plural, "singular": plural[:-1], "kind": kind, "listKind": f"{kind}List"},
            "scope": "Namespaced",
            "versions": [
                {"name": version, "served": True, "storage": number == 0, "schema": schema(names)}
                for number, (version, names) in enumerate(versions.items())
            ],
        },
    }


def schema(names: t.Sequence[str]) -> Tree:
    spec = {"type": "object", "properties": {name: {"type": "string"} for name in names}}
    return {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}


def item(tree: Tree) -> Item:
    metadata = tree["metadata"]
    uid = f"old-{metadata['name']}"
    body = json.dumps({**tree, "metadata": {**metadata, "uid": uid}}).encode()
    return Item(metadata.get("namespace", ""), metadata["name"], uid, "7", None, False, (), body)


def custom(plural: str, version: str, space: str, **spec: str) -> tuple[Kind, Item]:
    kind = Kind(GROUP, version, plural, plural[:-1].capitalize(), namespaced=True)
    metadata = {"name": "one", "namespace": space}
    return kind, item({"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, "spec": spec})


def namespace(name: str) -> tuple[Kind, Item]:
    return NAMESPACES, item({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})


def served(api: Api, plural: str, version: str) -> None:
    def ask() -> bool:
        try:
            api.raw("GET", f"/apis/{GROUP}/{version}/{plural}")
        except ApiError as error:
            if error.status not in {404, 429}:
                raise
            return False
        return True

    wait_until(ask, seconds=60, what=f"{plural} is served")


def test_a_version_that_an_update_brings_is_used(bench: Bench) -> None:
    api, space = bench.cluster.api, "valves"
    api.create(definition("valves", {"v1alpha1": ["a"]}))
    served(api, "valves", "v1alpha1")
    newer = definition("valves", {"v1": ["a", "b"], "v1alpha1": ["a"]})
    record = bench.archive([(CRDS, item(newer)), namespace(space), custom("valves", "v1", space, a="x", b="y")])
    plan = bench.restore(record, existing_resource_policy="update", check=True)
    done = bench.restore(record, existing_resource_policy="update")
    assert done.phase == "Completed", done
    assert fates(done) == fates(plan)
    assert "reason" not in line_of(done, f"valves.{GROUP}", "one")
    assert api.get(f"{GROUP}/v1", "Valve", "one", space)["spec"] == {"a": "x", "b": "y"}
    assert not bench.restore(record, existing_resource_policy="update").changed


def test_a_field_that_an_update_brings_is_not_pruned(bench: Bench) -> None:
    api, space = bench.cluster.api, "pumps"
    api.create(definition("pumps", {"v1": ["a"]}))
    served(api, "pumps", "v1")
    newer = definition("pumps", {"v1": ["a", "b"]})
    record = bench.archive([(CRDS, item(newer)), namespace(space), custom("pumps", "v1", space, a="x", b="y")])
    done = bench.restore(record, existing_resource_policy="update")
    assert done.phase == "Completed", done
    assert api.get(f"{GROUP}/v1", "Pump", "one", space)["spec"] == {"a": "x", "b": "y"}
