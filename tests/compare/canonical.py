# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An object without what a server sets: what must be equal in both clusters."""

from __future__ import annotations

import copy
import json
import typing as t

from compare.stored import Object

SERVER_METADATA: t.Final = ("uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink")
SERVER_ANNOTATIONS: t.Final = (
    "deployment.kubernetes.io/revision",
    "deprecated.daemonset.template.generation",
    "kubernetes.io/service-account.uid",
    "pv.kubernetes.io/bind-completed",
    "pv.kubernetes.io/bound-by-controller",
)
VELERO_LABELS: t.Final = ("velero.io/backup-name", "velero.io/restore-name")
JOB_LABELS: t.Final = ("controller-uid", "batch.kubernetes.io/controller-uid")


def canonical(value: Object, *, status: bool = False, asked: t.Collection[str] = ()) -> Object:
    """A copy without whatever a server or controller sets.

    :param status: its status is a field like any other.
    :param asked: what :func:`asked_for` says of the object as it was.
    """
    out = copy.deepcopy(value)
    if not status:
        out.pop("status", None)
    meta = out["metadata"]
    for name in SERVER_METADATA:
        meta.pop(name, None)
    _drop(meta, "annotations", SERVER_ANNOTATIONS)
    _drop(meta, "labels", VELERO_LABELS)
    for owner in meta.get("ownerReferences", ()):
        owner.pop("uid", None)
    if out["kind"] == "Service":
        _service(out, asked)
    special = _SPECIAL.get(out["kind"])
    if special is not None:
        special(out)
    return out


def _drop(holder: Object, field: str, names: t.Iterable[str]) -> None:
    mapping = holder.get(field)
    if mapping is None:
        return
    for name in names:
        mapping.pop(name, None)
    if not mapping:
        del holder[field]


def _service(out: Object, asked: t.Collection[str]) -> None:
    spec = out["spec"]
    if spec.get("clusterIP") != "None" and "clusterIP" not in asked:
        spec.pop("clusterIP", None)
        spec.pop("clusterIPs", None)
    if "healthCheckNodePort" not in asked:
        spec.pop("healthCheckNodePort", None)
    for port in spec.get("ports", ()):
        if _node_port(port) not in asked:
            port.pop("nodePort", None)


def _node_port(port: Object) -> str:
    return f"nodePort of {port['port']}/{port.get('protocol', 'TCP')}"


def asked_for(value: Object) -> frozenset[str]:
    """Addresses and ports of a Service that its user chose: managedFields or the last applied manifest say so."""
    if value["kind"] != "Service":
        return frozenset()
    text = (value["metadata"].get("annotations") or {}).get("kubectl.kubernetes.io/last-applied-configuration", "{}")
    spec = json.loads(text).get("spec", {})
    found = {name for name in ("clusterIP", "healthCheckNodePort") if spec.get(name)}
    found |= {_node_port(port) for port in spec.get("ports", ()) if port.get("nodePort")}
    for path in field_owners(value):
        parts = path.split("/f:")
        if parts[:2] == ["", "spec"] and parts[2] in {"clusterIP", "clusterIPs", "healthCheckNodePort"}:
            found.add(parts[2].removesuffix("s"))
        elif parts[:2] == ["", "spec"] and parts[-1] == "nodePort":
            found.add(_node_port(json.loads(path.partition("/k:")[2].partition("/f:")[0])))
    return frozenset(found)


def _volume(out: Object) -> None:
    for name in ("uid", "resourceVersion"):
        out["spec"].get("claimRef", {}).pop(name, None)


def _secret(out: Object) -> None:
    if out.get("type") == "kubernetes.io/service-account-token":
        out["data"] = sorted(out.get("data", ()))


def _pod(out: Object) -> None:
    spec = out["spec"]
    for name in ("nodeName", "priority"):
        spec.pop(name, None)
    mine = {v["name"] for v in spec.get("volumes", ()) if v["name"].startswith("kube-api-access-")}
    spec["volumes"] = [v for v in spec.get("volumes", ()) if v["name"] not in mine]
    for container in [*spec["containers"], *spec.get("initContainers", ())]:
        container["volumeMounts"] = [m for m in container.get("volumeMounts", ()) if m["name"] not in mine]


def _job(out: Object) -> None:
    _drop(out["metadata"], "labels", JOB_LABELS)
    _drop(out["spec"].get("selector", {}), "matchLabels", JOB_LABELS)
    _drop(out["spec"]["template"].get("metadata", {}), "labels", JOB_LABELS)


_SPECIAL: t.Final[dict[str, t.Callable[[Object], None]]] = {
    "PersistentVolume": _volume,
    "Secret": _secret,
    "Pod": _pod,
    "Job": _job,
}


def paths(one: t.Any, other: t.Any, where: str = "") -> t.Iterator[str]:
    """Where two values differ, as paths; never the values, which may be secret."""
    if isinstance(one, dict) and isinstance(other, dict):
        for name in sorted(one.keys() | other.keys()):
            if name not in one or name not in other:
                yield f"{where}.{name}"
            else:
                yield from paths(one[name], other[name], f"{where}.{name}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, (left, right) in enumerate(zip(one, other, strict=True)):
            yield from paths(left, right, f"{where}[{number}]")
    elif one != other:
        yield where


def field_owners(value: Object) -> dict[str, set[tuple[str, str]]]:
    """Who owns each field, from managedFields: path -> {(manager, operation)}. Status is left out: it is a server's."""
    owners: dict[str, set[tuple[str, str]]] = {}

    def walk(fields: Object, where: str, who: tuple[str, str]) -> None:
        if not fields:
            owners.setdefault(where, set()).add(who)
        for name, inner in fields.items():
            walk(inner, f"{where}/{name}", who)

    for entry in value["metadata"].get("managedFields", ()):
        if not entry.get("subresource"):
            walk(entry.get("fieldsV1", {}), "", (entry.get("manager", ""), entry["operation"]))
    return owners


def applied(value: Object) -> list[str]:
    """The ``Apply`` entries of managedFields without their times, in a form that can be compared."""
    return sorted(
        json.dumps({name: part for name, part in entry.items() if name != "time"}, sort_keys=True)
        for entry in value["metadata"].get("managedFields", ())
        if entry["operation"] == "Apply" and entry.get("subresource") != "status"
    )


def new_owners(source: Object, target: Object) -> list[str]:
    """Fields that an applier owns in the source and that somebody else owns too in the target only:
    there its next apply of another value would conflict."""
    before, after = field_owners(source), field_owners(target)
    return sorted(
        path
        for path, owners in before.items()
        if any(operation == "Apply" for _dummy, operation in owners) and after.get(path, set()) - owners
    )
