# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Loads objects such as users make and backup tools trip over: `extras.yaml`, and what takes more than a document."""

from __future__ import annotations

import json
from pathlib import Path

from testbed.api import Api, Object
from testbed.samples import documents, has_condition, put, put_all, until

NAMESPACE = "extras"
# In every Secret of the extras: whoever finds it outside an archive has found a leak.
CANARY = "stowage-canary-7f3a9d52c1"

DOCUMENTS = Path(__file__).with_name("extras.yaml")
EXTRAS_GROUP = "extras.example.com"
LONGEST_NAME = 253
BIG_BYTES = 900 * 1024

# Created by POST with fields owned by Update; all others are applied.
CREATED_KINDS = {
    "Secret",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Pod",
    "Lease",
    "Endpoints",
    "StatefulSet",
    "Trinket",
}


def load_extras(api: Api) -> int:
    """Loads all extras and waits for what controllers make of them; returns how many objects were written here."""
    count = put_all(api, _documents(), created_kinds=CREATED_KINDS)
    made = [*_long_and_big(), *_owned(api)]
    for obj in made:
        put(api, obj, by_apply=False)
    _set_status(api)
    _share_fields(api)
    _finish_job(api)
    _wait_for_controllers(api)
    return count + len(made)


def load_broken_apiservice(api: Api, group: str = "broken.example.com") -> str:
    """Registers an aggregated API that nobody serves, which makes discovery incomplete; returns its name."""
    name = f"v1.{group}"
    service = {"namespace": NAMESPACE, "name": "nobody", "port": 443}
    spec = {"group": group, "version": "v1", "groupPriorityMinimum": 100, "versionPriority": 100}
    obj = {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": name},
        "spec": {**spec, "service": service, "insecureSkipTLSVerify": True},
    }
    put(api, obj, by_apply=True)
    return name


def _documents() -> list[Object]:
    """The documents of extras.yaml with the canary in them. A kind that a CRD of the file brings is awaited by `put`."""
    text = json.dumps(list(documents(DOCUMENTS))).replace("CANARY", CANARY)
    loaded: list[Object] = json.loads(text)
    return loaded


def _config_map(name: str, data: dict[str, str], **metadata: object) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": NAMESPACE, **metadata},
        "data": data,
    }


def _long_and_big() -> list[Object]:
    """Names of the greatest length, and an object near the greatest size."""
    longest = ".".join(["n" * 63] * 4)[:LONGEST_NAME]
    line = "0123456789abcdef" * 4
    return [
        _config_map(longest, {"k" * 253: "the longest name and the longest key"}),
        _config_map("big", {"text": line * (BIG_BYTES // len(line))}),
    ]


def _owned(api: Api) -> list[Object]:
    """Objects owned by others of the user's making, across kinds and scopes."""
    parent = api.get(f"{EXTRAS_GROUP}/v1", "Widget", "parent", NAMESPACE)
    gadget = api.get(f"{EXTRAS_GROUP}/v1alpha1", "Gadget", "gadget.one")
    deployment = api.get("apps/v1", "Deployment", "web", NAMESPACE)
    patch = {"metadata": {"ownerReferences": [_reference(parent, controller=True)]}}
    api.merge_patch(f"{EXTRAS_GROUP}/v1", "Widget", "child", patch, namespace=NAMESPACE)
    return [
        _config_map("of-widget", {"a": "b"}, ownerReferences=[_reference(parent)]),
        _config_map("of-two", {"a": "b"}, ownerReferences=[_reference(parent), _reference(gadget)]),
        _config_map("of-deployment", {"a": "b"}, ownerReferences=[_reference(deployment)]),
    ]


def _reference(owner: Object, *, controller: bool = False) -> Object:
    meta = owner["metadata"]
    reference = {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": meta["name"], "uid": meta["uid"]}
    return reference | ({"controller": True, "blockOwnerDeletion": True} if controller else {})


def _set_status(api: Api) -> None:
    """A status such as an operator writes."""
    status = {
        "status": {"phase": "Ready", "observedGeneration": 1, "conditions": [{"type": "Ready", "status": "True"}]}
    }
    for name in ("parent", "child"):
        path = {"namespace": NAMESPACE, "subresource": "status"}
        api.merge_patch(f"{EXTRAS_GROUP}/v1", "Widget", name, status, **path)


def _share_fields(api: Api) -> None:
    """Objects whose fields belong to several managers: two appliers, one of a subresource, one that updates."""
    api.apply(_config_map("shared", {"one": "1"}, labels={"from": "one"}), field_manager="gitops-one")
    api.apply(_config_map("shared", {"two": "2"}), field_manager="gitops-two")
    api.merge_patch("v1", "ConfigMap", "shared", {"data": {"three": "3"}}, namespace=NAMESPACE)
    scale = {"spec": {"replicas": 3}}
    api.merge_patch("apps/v1", "Deployment", "web", scale, namespace=NAMESPACE, subresource="scale")


def _finish_job(api: Api) -> None:
    """Does the kubelet's part: the pod of the Job has run, so that the Job completes."""
    pods = until(lambda: api.list("v1", "Pod", NAMESPACE, labelSelector="job-name=done"), "the pod of Job done")
    status = {"status": {"phase": "Succeeded", "containerStatuses": []}}
    api.merge_patch("v1", "Pod", pods[0]["metadata"]["name"], status, namespace=NAMESPACE, subresource="status")


def _wait_for_controllers(api: Api) -> None:
    """Returns when nothing of the extras is half-made."""

    def bound() -> bool:
        claim = api.get("v1", "PersistentVolumeClaim", "bound", NAMESPACE)
        return bool(claim["status"]["phase"] == "Bound")

    def filled() -> bool:
        return "token" in api.get("v1", "Secret", "robot-token", NAMESPACE).get("data", {})

    def mirrored() -> bool:
        return bool(api.list("discovery.k8s.io/v1", "EndpointSlice", NAMESPACE, labelSelector=_slices_of("by-hand")))

    def stateful() -> bool:
        return api.find("v1", "Pod", "db-0", NAMESPACE) is not None

    until(bound, "PersistentVolumeClaim bound")
    until(filled, "Secret robot-token")
    until(mirrored, "the mirrored EndpointSlice of by-hand")
    until(stateful, "Pod db-0")
    until(lambda: has_condition(api.get("batch/v1", "Job", "done", NAMESPACE), "Complete"), "Job done")


def _slices_of(service: str) -> str:
    return f"kubernetes.io/service-name={service}"
