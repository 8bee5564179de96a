# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small client of the Kubernetes API for tests. It shares no code with the collection, so that neither hides the other's bugs."""

from __future__ import annotations

import base64
import json
import re
import ssl
import tempfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import urllib3
import yaml

JSON = "application/json"
APPLY = "application/apply-patch+yaml"
MERGE_PATCH = "application/merge-patch+json"
PAGE = 500
CONNECTIONS = 16
TIMEOUT_SECONDS = 60.0
MUST_ESCAPE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")

Object = dict[str, Any]


class ApiError(Exception):
    """The server refused: `status` (HTTP), `reason` (of the Status object), `message`, and the whole `body`."""

    def __init__(self, method: str, path: str, status: int, body: bytes) -> None:
        self.status = status
        self.body = body
        self.reason, self.message = _status_words(body)
        super().__init__(f"{method} {path}: {status} {self.reason}: {self.message}")


@dataclass(frozen=True)
class Resource:
    """Where objects of a kind are served: `prefix` such as `/apis/apps/v1`, the plural `name`."""

    prefix: str
    name: str
    namespaced: bool

    def path(self, namespace: str | None = None, name: str | None = None) -> str:
        """The path of a collection (all namespaces if none is given) or of one object."""
        parts = [self.prefix]
        if self.namespaced and namespace is not None:
            parts += ["namespaces", namespace]
        return "/".join([*parts, self.name, *([name] if name is not None else [])])


class Api:
    """Talks to the current context's cluster of a kubeconfig (a path or a dictionary). Safe for several threads."""

    def __init__(self, kubeconfig: Path | str | Mapping[str, Any]) -> None:
        if isinstance(kubeconfig, Mapping):
            config: Mapping[str, Any] = kubeconfig
        else:
            config = yaml.safe_load(Path(kubeconfig).read_text(encoding="utf-8"))
        context = _named(config, "contexts", config["current-context"])["context"]
        cluster = _named(config, "clusters", context["cluster"])["cluster"]
        user = _named(config, "users", context["user"])["user"]
        self.server: str = cluster["server"]
        self._headers = {"Authorization": f"Bearer {user['token']}"} if "token" in user else {}
        self._pool = urllib3.PoolManager(
            maxsize=CONNECTIONS, ssl_context=_tls(cluster, user), retries=False, timeout=TIMEOUT_SECONDS
        )
        self._resources: dict[str, dict[str, Resource]] = {}
        self._lock = threading.Lock()

    def raw(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        body: bytes | str | Mapping[str, Any] | None = None,
        content_type: str = JSON,
        accept: str = JSON,
    ) -> bytes:
        """One request; returns the answer's body. A mapping is sent as JSON. Raises ApiError from status 400 on."""
        url = f"{self.server}{path}" + (f"?{urlencode(query)}" if query else "")
        data = _encoded(body) if isinstance(body, Mapping) else body
        headers = {**self._headers, "Accept": accept} | ({"Content-Type": content_type} if data is not None else {})
        try:
            answer = self._pool.request(method, url, body=data, headers=headers)
        except urllib3.exceptions.HTTPError as error:
            raise ConnectionError(f"{method} {path}: {error}") from error
        if answer.status >= 400:
            raise ApiError(method, path, answer.status, answer.data)
        return answer.data

    def json(self, method: str, path: str, **options: Any) -> Any:
        """Like `raw`, with the answer parsed."""
        return json.loads(self.raw(method, path, **options))

    def resource(self, api_version: str, kind: str) -> Resource:
        """Where this kind is served. Raises KeyError when the server does not serve it (asked anew each time it is missing)."""
        with self._lock:
            known = self._resources.get(api_version, {})
        if kind not in known:
            known = self._discover(api_version)
            with self._lock:
                self._resources[api_version] = known
        return known[kind]

    def _discover(self, api_version: str) -> dict[str, Resource]:
        prefix = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
        try:
            served = self.json("GET", prefix)["resources"]
        except ApiError as error:
            if error.status == 404:
                return {}
            raise
        whole = [one for one in served if "/" not in one["name"]]
        return {one["kind"]: Resource(prefix, one["name"], one["namespaced"]) for one in whole}

    def path_of(self, obj: Object, *, named: bool = True) -> str:
        """The path of this object, or of its collection."""
        meta = obj["metadata"]
        resource = self.resource(obj["apiVersion"], obj["kind"])
        namespace = meta.get("namespace", "default") if resource.namespaced else None
        return resource.path(namespace, meta["name"] if named else None)

    def get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> Object:
        """One object."""
        found: Object = self.json("GET", self.resource(api_version, kind).path(namespace, name))
        return found

    def find(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> Object | None:
        """One object, or None when there is none of this name or kind."""
        try:
            return self.get(api_version, kind, name, namespace)
        except KeyError:
            return None
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def list(self, api_version: str, kind: str, namespace: str | None = None, **query: object) -> list[Object]:
        """All objects of a kind, in one namespace or in all, read in pages; with `apiVersion` and `kind` in each."""
        path = self.resource(api_version, kind).path(namespace)
        return [{"apiVersion": api_version, "kind": kind, **item} for item in self.items(path, **query)]

    def items(self, path: str, **query: object) -> Iterator[Object]:
        """The items of a collection at a path, page by page, as the server sends them."""
        query = {"limit": PAGE, **query}
        while True:
            page = self.json("GET", path, query=query)
            yield from page["items"]
            if not page["metadata"].get("continue"):
                return
            query["continue"] = page["metadata"]["continue"]

    def create(self, obj: Object, *, field_manager: str = "testbed-create") -> Object:
        """Creates by POST (which makes managedFields with operation Update)."""
        path = self.path_of(obj, named=False)
        made: Object = self.json("POST", path, body=obj, query={"fieldManager": field_manager})
        return made

    def apply(
        self, obj: Object, *, field_manager: str = "testbed-apply", force: bool = False, subresource: str = ""
    ) -> Object:
        """Applies server-side; without `force` a field that another manager owns is a conflict (status 409)."""
        path = self.path_of(obj) + (f"/{subresource}" if subresource else "")
        query = {"fieldManager": field_manager, "force": str(force).lower()}
        made: Object = self.json("PATCH", path, body=obj, query=query, content_type=APPLY)
        return made

    def replace(self, obj: Object, *, subresource: str = "", field_manager: str = "testbed-update") -> Object:
        """Updates by PUT; with `subresource="status"` only the status."""
        path = self.path_of(obj) + (f"/{subresource}" if subresource else "")
        made: Object = self.json("PUT", path, body=obj, query={"fieldManager": field_manager})
        return made

    def merge_patch(
        self,
        api_version: str,
        kind: str,
        name: str,
        patch: Object,
        *,
        namespace: str | None = None,
        subresource: str = "",
    ) -> Object:
        """Changes some fields of an object."""
        path = self.resource(api_version, kind).path(namespace, name) + (f"/{subresource}" if subresource else "")
        made: Object = self.json("PATCH", path, body=patch, content_type=MERGE_PATCH)
        return made

    def delete(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> None:
        """Deletes an object in the background; that there is none is fine."""
        try:
            path = self.resource(api_version, kind).path(namespace, name)
            self.raw("DELETE", path, query={"propagationPolicy": "Background"})
        except ApiError as error:
            if error.status != 404:
                raise


def _status_words(body: bytes) -> tuple[str, str]:
    try:
        status = json.loads(body)
        return str(status.get("reason", "")), str(status.get("message", ""))
    except (ValueError, AttributeError):
        return "", body[:300].decode("utf-8", "replace")


def _encoded(body: Mapping[str, Any]) -> bytes:
    """JSON that reads the same as YAML, as which the server takes an apply.

    There a pair of surrogate escapes is an error, so is a raw control character, and a raw line separator becomes a space.
    A key beyond 1,024 characters as written is an error in any case, so no more is escaped than must be.
    """
    text = json.dumps(body, ensure_ascii=False)
    return MUST_ESCAPE.sub(lambda found: f"\\u{ord(found[0]):04x}", text).encode()


def _named(config: Mapping[str, Any], part: str, name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = next(one for one in config[part] if one["name"] == name)
    return found


def _bytes(part: Mapping[str, Any], name: str) -> bytes | None:
    if f"{name}-data" in part:
        return base64.b64decode(part[f"{name}-data"])
    return Path(part[name]).read_bytes() if name in part else None


def _tls(cluster: Mapping[str, Any], user: Mapping[str, Any]) -> ssl.SSLContext:
    """Trusts the kubeconfig's CA alone, whatever the environment says. The ssl module takes a client's key only from a file."""
    authority = _bytes(cluster, "certificate-authority")
    context = ssl.create_default_context(cadata=authority.decode() if authority else None)
    certificate, key = _bytes(user, "client-certificate"), _bytes(user, "client-key")
    if certificate and key:
        with tempfile.NamedTemporaryFile() as file:  # mode 0600
            file.write(certificate + b"\n" + key)
            file.flush()
            context.load_cert_chain(file.name)
    return context
