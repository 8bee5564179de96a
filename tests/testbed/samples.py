# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Loads the applications in `tests/samples/` into a cluster, as their users would."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import yaml

from testbed import paths
from testbed.api import Api, ApiError, Object
from testbed.errors import TestbedError

MONITORING = paths.SAMPLES / "kube-prometheus"
SHOP = paths.SAMPLES / "online-boutique" / "kubernetes-manifests.yaml"
SHOP_NAMESPACE = "online-boutique"
FIELD_MANAGER = "kubectl"

# Kinds that are created by POST, so that fields owned by Update stand beside those owned by Apply.
CREATED_KINDS = {"Service", "ServiceMonitor", "PodDisruptionBudget", "ClusterRoleBinding"}

# A namespace, a kind or a default service account that another document brings may not be there yet.
PATIENCE_SECONDS = 60.0
POLL_SECONDS = 0.1

T = TypeVar("T")


def _text(_dummy: yaml.CSafeLoader, node: yaml.ScalarNode) -> str:
    return str(node.value)


class _Loader(yaml.CSafeLoader):
    """Reads a lone `=` (in an enumeration of kube-prometheus' CRDs) and times as text, as Kubernetes does."""


for _tag in ("value", "timestamp"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_tag}", _text)


def load(api: Api) -> int:
    """Loads kube-prometheus and the shop; returns how many objects that were.

    kube-prometheus registers the aggregated API `v1beta1.metrics.k8s.io`, which nobody serves here: from then on discovery
    has a group that is unavailable, as on many a real cluster.
    """
    return load_monitoring(api) + load_shop(api)


def load_monitoring(api: Api) -> int:
    """Loads kube-prometheus: its namespace and CRDs first, the rest when the CRDs are established."""
    setup = list(documents(MONITORING / "setup"))
    put_all(api, setup, created_kinds=set())
    wait_established(api, (one["metadata"]["name"] for one in setup if one["kind"] == "CustomResourceDefinition"))
    return len(setup) + put_all(api, documents(MONITORING))


def load_shop(api: Api, namespace: str = SHOP_NAMESPACE) -> int:
    """Loads the shop of eleven services into a namespace of its own."""
    shop: list[Object] = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}]
    for one in documents(SHOP):
        one["metadata"]["namespace"] = namespace
        shop.append(one)
    return put_all(api, shop)


def documents(path: Path) -> Iterator[Object]:
    """The objects in a YAML file, or in the files of a folder (not of folders in it), with the items of lists one by one."""
    for file in sorted(path.glob("*.yaml")) if path.is_dir() else [path]:
        for document in yaml.load_all(file.read_text(encoding="utf-8"), Loader=_Loader):
            if document and document["kind"].endswith("List") and "items" in document:
                yield from document["items"]
            elif document:
                yield document


def put_all(api: Api, objects: Iterable[Object], *, created_kinds: Iterable[str] = frozenset(CREATED_KINDS)) -> int:
    """Creates or applies the objects in order; returns how many. Each is tried again while what it needs is not there yet."""
    kinds = set(created_kinds)
    wanted = list(objects)
    for obj in wanted:
        put(api, obj, by_apply=obj["kind"] not in kinds)
    return len(wanted)


def put(api: Api, obj: Object, *, by_apply: bool) -> None:
    """Applies an object server-side (taking fields over), or creates it by POST (that it is there is fine)."""

    def attempt() -> bool:
        try:
            if by_apply:
                api.apply(obj, field_manager=FIELD_MANAGER, force=True)
            else:
                api.create(obj, field_manager=FIELD_MANAGER)
        except ApiError as error:
            if not by_apply and error.reason == "AlreadyExists":
                return True
            if _not_yet(error):
                return False
            raise
        except KeyError:  # the kind is not served yet
            return False
        return True

    until(attempt, f"{obj['kind']} {obj['metadata']['name']}")


def wait_established(api: Api, names: Iterable[str]) -> None:
    """Returns when these custom resource definitions are served."""
    for name in names:
        until(functools.partial(_established, api, name), f"CustomResourceDefinition {name}")


def until(check: Callable[[], T | None], what: str, seconds: float = PATIENCE_SECONDS) -> T:
    """Calls `check` until it returns something true, and returns that. Raises TestbedError after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (answer := check()):
        if time.monotonic() > deadline:
            raise TestbedError(f"{what}: not there after {seconds:.0f} s")
        time.sleep(POLL_SECONDS)
    return answer


def has_condition(obj: Object | None, kind: str) -> bool:
    """Whether the object's status has this condition with status True. A new definition's conditions are null."""
    conditions = ((obj or {}).get("status") or {}).get("conditions") or []
    return any(one["type"] == kind and one["status"] == "True" for one in conditions)


def _established(api: Api, name: str) -> bool:
    return has_condition(api.find("apiextensions.k8s.io/v1", "CustomResourceDefinition", name), "Established")


def _not_yet(error: ApiError) -> bool:
    """A namespace that is not there is 404; a pod whose service account is not there yet is 403."""
    return error.status == 404 or (error.status == 403 and "serviceaccount" in error.message)
