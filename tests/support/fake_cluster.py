# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A cluster in memory behind the interface of a connection: many revisions, lists, permissions, discovery.

``FakeCluster.hook`` is called before each request with its method, path and query: a test changes the cluster there,
compacts it, or raises. What an account may do is decided by ``FakeCluster.allows``.
"""

from __future__ import annotations

import base64
import json
import threading
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils import _label_selectors
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.connection import (
    ApiStatusError,
    Connection,
    PageTooLarge,
    Response,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.status import Cause
from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind
from ansible_collections.stowage.kubernetes.plugins.module_utils._progress import Progress

Document = dict[str, t.Any]
Query = t.Sequence[tuple[str, str]]
VERBS: t.Final = frozenset({"create", "delete", "get", "list"})


def kind(resource: str, name: str, *, version: str = "v1", namespaced: bool = True) -> Kind:
    """A kind that can be listed, created and deleted."""
    plural, _dot, group = resource.partition(".")
    return Kind(group, version, plural, name, namespaced, VERBS)


NAMESPACES = kind("namespaces", "Namespace", namespaced=False)
CONFIGMAPS = kind("configmaps", "ConfigMap")
SECRETS = kind("secrets", "Secret")
PODS = kind("pods", "Pod")
CLAIMS = kind("persistentvolumeclaims", "PersistentVolumeClaim")
VOLUMES = kind("persistentvolumes", "PersistentVolume", namespaced=False)
ACCOUNTS = kind("serviceaccounts", "ServiceAccount")
EVENTS = kind("events", "Event")
RBAC = "rbac.authorization.k8s.io"
CLUSTER_ROLES = kind(f"clusterroles.{RBAC}", "ClusterRole", namespaced=False)
CLUSTER_ROLE_BINDINGS = kind(f"clusterrolebindings.{RBAC}", "ClusterRoleBinding", namespaced=False)
CRDS = kind("customresourcedefinitions.apiextensions.k8s.io", "CustomResourceDefinition", namespaced=False)
WIDGETS = kind("widgets.example.com", "Widget")
BUILT_IN = (
    *(NAMESPACES, CONFIGMAPS, SECRETS, PODS, CLAIMS, VOLUMES, ACCOUNTS, EVENTS),
    *(CLUSTER_ROLES, CLUSTER_ROLE_BINDINGS, CRDS),
)


class FakeCluster:
    """Objects, and every earlier state of them. One store, unless ``elsewhere`` names kinds with a store of their own."""

    def __init__(self, kinds: t.Iterable[Kind] = BUILT_IN) -> None:
        self.kinds = list(kinds)
        self.elsewhere: dict[str, int] = {}
        """Resource -> the revision that its own store is ahead of the cluster's."""
        self.stale: dict[str, str] = {}
        """Group -> version that cannot be seen."""
        self.without_status: set[str] = set()
        """Resources that have no status subresource."""
        self.revision = 100
        self.compacted = 0
        self.hook: t.Callable[[str, str, dict[str, str]], None] = lambda _method, _path, _query: None
        self.allows: t.Callable[[str, str, str], bool] = lambda _verb, _resource, _namespace: True
        self._history: dict[str, list[tuple[int, bytes, Document | None]]] = {}
        self._lock = threading.RLock()
        self.put(NAMESPACES, {"metadata": {"name": "kube-system", "uid": "the-uid"}})

    def put(self, of: Kind, document: Document) -> None:
        """Create or change an object."""
        with self._lock:
            self.revision += 1
            metadata = {"uid": f"uid-{self.revision}", **document.get("metadata", {})}
            metadata["resourceVersion"] = str(self.revision + self.elsewhere.get(of.resource, 0))
            stored = {**document, "metadata": metadata}
            if of is NAMESPACES:
                stored.setdefault("status", {"phase": "Active"})
            if "." in of.group and of.resource not in {known.resource for known in BUILT_IN}:
                stored = {"apiVersion": of.api_version, "kind": of.kind, **stored}
            self._history.setdefault(of.resource, []).append((self.revision, _key(metadata), stored))

    def add(
        self, of: Kind, name: str, namespace: str = "", labels: t.Mapping[str, str] | None = None, **rest: t.Any
    ) -> None:
        """Create an object with this name."""
        metadata: Document = {"name": name} | ({"namespace": namespace} if namespace else {})
        self.put(of, {"metadata": metadata | ({"labels": dict(labels)} if labels else {}), **rest})

    def remove(self, of: Kind, name: str, namespace: str = "") -> None:
        with self._lock:
            self.revision += 1
            self._history[of.resource].append((self.revision, _key({"name": name, "namespace": namespace}), None))

    def compact(self) -> None:
        """Forget every state but the current one."""
        with self._lock:
            self.revision += 1
            self.compacted = self.revision

    def define(self, of: Kind) -> None:
        """Serve a custom resource."""
        self.kinds.append(of)
        self.put_definition(of)

    def put_definition(self, of: Kind) -> None:
        """A definition alone, as it is before the API server serves it."""
        self.add(
            CRDS,
            of.resource,
            spec={
                "group": of.group,
                "names": {"plural": of.plural, "kind": of.kind},
                "versions": [{"name": "v1", "served": True}],
            },
            status={"conditions": [{"type": "Established", "status": "True"}]},
        )

    def state(self, of: Kind, at: int | None = None) -> dict[bytes, Document]:
        """The objects at a revision, in etcd's order."""
        with self._lock:
            found: dict[bytes, Document] = {}
            for revision, key, document in self._history.get(of.resource, ()):
                if at is None or revision <= at:
                    found.pop(key, None)
                    if document is not None:
                        found[key] = document
            return dict(sorted(found.items()))

    def find(self, of: Kind, name: str, namespace: str = "") -> Document | None:
        """One object as it is now."""
        return self.state(of).get(_key({"name": name, "namespace": namespace}))

    def place(self, path: str) -> tuple[Kind, str, str]:
        """The kind, namespace and name that a request's path means."""
        parts = path.strip("/").split("/")
        group = parts.pop(1) if parts[0] == "apis" else ""
        if len(parts) == 2:
            raise failure(503, "ServiceUnavailable", f"{path} cannot be seen")
        namespace = parts[3] if len(parts) > 4 and parts[2] == "namespaces" else ""
        plural, *names = parts[4:] if namespace else parts[2:]
        of = next((one for one in self.kinds if (one.group, one.plural) == (group, plural)), None)
        if of is None:
            raise failure(404, "NotFound", "no such resource")
        return of, namespace, names[0] if names else ""

    def serve(self, definition: Document) -> None:
        """Serve what a CustomResourceDefinition defines."""
        spec = definition["spec"]
        named = f"{spec['names']['plural']}.{spec['group']}"
        served = {(one.resource, one.version) for one in self.kinds}
        for version in spec["versions"]:
            if (named, version["name"]) not in served:
                namespaced = spec.get("scope") != "Cluster"
                self.kinds.append(kind(named, spec["names"]["kind"], version=version["name"], namespaced=namespaced))

    def connection(self, progress: Progress | None = None) -> Connection:
        """Something that can be used like a connection."""
        return t.cast("Connection", FakeConnection(self, progress or Progress()))


class FakeConnection:
    """Answers requests from a cluster in memory."""

    server = "https://fake"
    secrets: frozenset[str] = frozenset()

    def __init__(self, cluster: FakeCluster, progress: Progress) -> None:
        self._cluster = cluster
        self.progress = progress
        self.requests = 0
        self.log: list[tuple[str, str, dict[str, str]]] = []

    def get_json(self, path: str, query: Query = ()) -> t.Any:
        return self.request("GET", path, query=query).json()

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Query = (),
        body: bytes | None = None,
        max_bytes: int | None = None,
        **_rest: t.Any,
    ) -> Response:
        self.progress.check()
        self.requests += 1
        asked = dict(query)
        self.log.append((method, path, asked))
        self._cluster.hook(method, path, asked)
        answer = json.dumps(self._answer(path, asked, json.loads(body or b"{}"))).encode()
        if max_bytes is not None and len(answer) > max_bytes:
            raise PageTooLarge(max_bytes)
        return Response(200, {}, answer)

    def _answer(self, path: str, query: dict[str, str], body: Document) -> Document:
        if path in ("/api", "/apis"):
            return self._discovery(core=path == "/api")
        if path == "/version":
            return {"gitVersion": "v1.35.4", "major": "1", "minor": "35"}
        if path.endswith("/selfsubjectaccessreviews"):
            asked = body["spec"]["resourceAttributes"]
            group = f".{asked['group']}" if asked["group"] else ""
            allowed = self._cluster.allows(asked["verb"], asked["resource"] + group, asked.get("namespace", ""))
            return {"status": {"allowed": allowed}}
        return self._objects(path, query)

    def _discovery(self, *, core: bool) -> Document:
        groups: dict[str, dict[str, list[Document]]] = {}
        for one in self._cluster.kinds:
            if (not one.group) == core:
                groups.setdefault(one.group, {}).setdefault(one.version, []).append(
                    {
                        "resource": one.plural,
                        "responseKind": {"kind": one.kind},
                        "scope": "Namespaced" if one.namespaced else "Cluster",
                        "verbs": sorted(one.verbs),
                        "subresources": []
                        if one.resource in self._cluster.without_status
                        else [{"subresource": "status"}],
                    }
                )
        items: list[Document] = [
            {
                "metadata": {"name": group},
                "versions": [{"version": version, "resources": found} for version, found in versions.items()],
            }
            for group, versions in groups.items()
        ]
        if not core:
            items += [
                {"metadata": {"name": group}, "versions": [{"version": version, "freshness": "Stale", "resources": []}]}
                for group, version in self._cluster.stale.items()
            ]
        return {"kind": "APIGroupDiscoveryList", "items": items}

    def _objects(self, path: str, query: dict[str, str]) -> Document:
        of, namespace, name = self._cluster.place(path)
        inside = namespace or (name if of is NAMESPACES else "")
        if not self._cluster.allows("get" if name else "list", of.resource, inside):
            raise failure(403, "Forbidden", f"{of.resource} is forbidden")
        if not name:
            return self._list(of, namespace, query)
        found = self._cluster.find(of, name, namespace)
        if found is None:
            raise failure(404, "NotFound", "no such object")
        return {"apiVersion": of.api_version, "kind": of.kind, **found}

    def _list(self, of: Kind, namespace: str, query: dict[str, str]) -> Document:
        shift = self._cluster.elsewhere.get(of.resource, 0)
        start = b""
        at = self._cluster.revision
        if "continue" in query:
            text, _slash, rest = base64.b64decode(query["continue"]).partition(b"/")
            at, start = int(text) or at, rest
        elif "resourceVersion" in query:
            at = int(query["resourceVersion"]) - shift
            if at > self._cluster.revision:
                raise failure(504, "Timeout", "Too large resource version", cause="ResourceVersionTooLarge")
        if at < self._cluster.compacted:
            token = base64.b64encode(b"0/" + start).decode() if start else ""
            raise failure(410, "Expired", "the revision is compacted", token=token)
        chosen = [
            (key, document)
            for key, document in self._cluster.state(of, at).items()
            if key > start
            and (not namespace or document["metadata"].get("namespace") == namespace)
            and _label_selectors.matches(query.get("labelSelector", ""), document["metadata"].get("labels") or {})
        ]
        limit = int(query.get("limit", 0)) or len(chosen)
        metadata: Document = {"resourceVersion": str(at + shift)}
        if len(chosen) > limit:
            metadata["continue"] = base64.b64encode(b"%d/%b" % (at, chosen[limit - 1][0])).decode()
            metadata["remainingItemCount"] = len(chosen) - limit
        return {
            "kind": f"{of.kind}List",
            "metadata": metadata,
            "items": [document for _key, document in chosen[:limit]],
        }


def _key(metadata: t.Mapping[str, t.Any]) -> bytes:
    namespace = metadata.get("namespace")
    return f"{namespace}/{metadata['name']}".encode() if namespace else str(metadata["name"]).encode()


def failure(status: int, reason: str, message: str, *, cause: str = "", token: str = "") -> ApiStatusError:
    """An error as the API server answers it."""
    causes = (Cause(cause, ""),) if cause else ()
    return ApiStatusError(message, status=status, reason=reason, causes=causes, retry_after=0.01, continue_token=token)
