# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads every object of a cluster, by the keys that its etcd holds."""

from __future__ import annotations

import dataclasses
import functools
import json
import typing as t

Object = dict[str, t.Any]

_LOOKS = 5
REGISTRY = "/registry/"
# Where the directory in etcd is not the resource's plural (k8s.io/kubernetes pkg/registry, each kind's storage).
PLURALS: t.Final = {
    ("minions",): "nodes",
    ("ingress",): "ingresses",
    ("controllers",): "replicationcontrollers",
    ("services", "specs"): "services",
    ("services", "endpoints"): "endpoints",
}
# Stored in a version that is no longer served (k8s.io/apiextensions-apiserver, which keeps writing the old one).
SERVED: t.Final = {"apiextensions.k8s.io/v1beta1": "apiextensions.k8s.io/v1"}
# The API server's own book-keeping, which no request can name.
NO_OBJECTS: t.Final = frozenset({"ranges", "masterleases", "health", "peerserverleases", "compact_rev_key"})


class Etcd(t.Protocol):
    """What is needed of an etcd."""

    def keys(self, prefix: str) -> list[str]:
        """All keys below a prefix."""

    def value(self, key: str) -> bytes:
        """One value."""


class Api(t.Protocol):
    """What is needed of an API server."""

    def get(self, path: str) -> t.Any:
        """GET and decode; raises on every status but 200."""


class ToolError(Exception):
    """The comparison itself cannot go on: it would miss something."""


@dataclasses.dataclass(frozen=True, order=True)
class Id:
    """What an object is called: ``plural[.group]``, namespace (empty for cluster-scoped), name."""

    resource: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.resource} {self.namespace + '/' if self.namespace else ''}{self.name}"


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """Every object that a cluster stores."""

    objects: dict[Id, Object]

    @functools.cached_property
    def uids(self) -> frozenset[str]:
        """The uids of all objects."""
        return frozenset(value["metadata"]["uid"] for value in self.objects.values())

    def of(self, resource: str) -> dict[Id, Object]:
        """The objects of one resource."""
        return {key: value for key, value in self.objects.items() if key.resource == resource}

    def status_is_field(self, key: Id) -> bool:
        """Whether a custom resource has no status subresource in the version that it is compared in."""
        definition = self.objects.get(Id("customresourcedefinitions.apiextensions.k8s.io", "", key.resource))
        version = self.objects[key]["apiVersion"].rpartition("/")[2]
        return definition is not None and not any(
            "status" in one.get("subresources", ()) for one in definition["spec"]["versions"] if one["name"] == version
        )


def type_of(value: bytes) -> tuple[str, str]:
    """``apiVersion`` and ``kind`` of a stored value: JSON, or protobuf in the envelope ``k8s\\0``
    (k8s.io/apimachinery runtime.Unknown: field 1 is TypeMeta, whose fields 1 and 2 are the two)."""
    if value.startswith(b"{"):
        head = json.loads(value)
        return head["apiVersion"], head["kind"]
    if not value.startswith(b"k8s\x00\x0a"):
        raise ToolError(f"a value in etcd is neither JSON nor protobuf: {value[:8]!r}")
    meta = value[6 : 6 + value[5]]
    length = meta[1]
    version, rest = meta[2 : 2 + length], meta[2 + length :]
    return version.decode(), rest[2 : 2 + rest[1]].decode()


def split_key(key: str) -> tuple[tuple[str, ...], str, str] | None:
    """A key's directory, namespace and name; ``None`` for what is no object."""
    parts = key.removeprefix(REGISTRY).split("/")
    if parts[0] in NO_OBJECTS:
        return None
    depth = 2 if "." in parts[0] or parts[0] == "services" else 1
    directory, rest = tuple(parts[:depth]), parts[depth:]
    if len(rest) == 1:
        return directory, "", rest[0]
    if len(rest) == 2:
        return directory, rest[0], rest[1]
    raise ToolError(f"unknown shape of a key in etcd: {key}")


def _list(api: Api, path: str) -> t.Iterator[Object]:
    token = ""
    while True:
        page = api.get(f"{path}?limit=500" + (f"&continue={token}" if token else ""))
        yield from page["items"]
        token = page["metadata"].get("continue", "")
        if not token:
            return


def take(api: Api, etcd: Etcd) -> Snapshot:
    """Read every object whose key is in etcd. What goes between a look at etcd and one at the list is looked at again.

    :raises ToolError: when an object that etcd holds is not in the API's list: the tool does not know its kind.
    """
    for _dummy in range(_LOOKS - 1):
        try:
            return _take(api, etcd)
        except ToolError:
            continue
    return _take(api, etcd)


def _take(api: Api, etcd: Etcd) -> Snapshot:
    directories: dict[tuple[str, ...], dict[tuple[str, str], str]] = {}
    for key in etcd.keys(REGISTRY):
        parts = split_key(key)
        if parts is not None:
            directories.setdefault(parts[0], {})[parts[1], parts[2]] = key
    objects: dict[Id, Object] = {}
    for directory, names in sorted(directories.items()):
        api_version, kind = type_of(etcd.value(next(iter(names.values()))))
        api_version = SERVED.get(api_version, api_version)
        group = api_version.rpartition("/")[0]
        plural = PLURALS.get(directory, directory[-1])
        found = {}
        for item in _list(api, f"/{'apis' if group else 'api'}/{api_version}/{plural}"):
            meta = item["metadata"]
            found[meta.get("namespace", ""), meta["name"]] = {"apiVersion": api_version, "kind": kind, **item}
        lost = names.keys() - found.keys()
        if lost and kind not in ("Event", "Lease"):
            raise ToolError(f"{plural} in etcd, but not in the list of {api_version}: {sorted(lost)[:5]}")
        resource = f"{plural}.{group}" if group else plural
        objects.update({Id(resource, *name): value for name, value in found.items()})
    return Snapshot(objects)
