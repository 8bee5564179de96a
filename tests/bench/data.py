# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The objects that are measured, made from a fixed seed."""

from __future__ import annotations

import json
import random
import typing as t

NAMESPACES: t.Final = 50


def namespaces() -> list[str]:
    """``bench-00`` and so on."""
    return [f"bench-{number:02}" for number in range(NAMESPACES)]


def namespace_bodies() -> t.Iterator[tuple[str, bytes]]:
    """Requests that make the namespaces."""
    for name in namespaces():
        yield "/api/v1/namespaces", _json({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})


def config_maps(count: int) -> t.Iterator[tuple[str, bytes]]:
    """Requests that make ``count`` ConfigMaps with 1 KiB of data each, half of it random, spread over the namespaces."""
    rng = random.Random(20260601)
    names = namespaces()
    for number in range(count):
        space = names[number % NAMESPACES]
        data = {"settings": rng.randbytes(256).hex() + "colour=blue;size=12;" * 25 + "x" * 12}
        meta = {"name": f"settings-{number:06}", "namespace": space, "labels": {"app": f"app-{number % 20}"}}
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}
        yield f"/api/v1/namespaces/{space}/configmaps", _json(body)


def pods(count: int) -> t.Iterator[tuple[str, bytes]]:
    """Requests that make ``count`` pods without an owner."""
    names = namespaces()
    for number in range(count):
        space = names[number % NAMESPACES]
        container = {
            "name": "main",
            "image": f"registry.example.com/team/app:{number % 9}",
            "env": [{"name": f"SETTING_{n}", "value": f"value-{n}"} for n in range(12)],
            "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
        }
        meta = {"name": f"pod-{number:05}", "namespace": space, "labels": {"app": f"app-{number % 20}"}}
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {"containers": [container]}}
        yield f"/api/v1/namespaces/{space}/pods", _json(body)


def secrets(count: int, size: int = 900_000) -> t.Iterator[tuple[str, bytes]]:
    """Requests that make ``count`` Secrets of ``size`` bytes of data."""
    import base64

    rng = random.Random(7)
    for number in range(count):
        data = {"release": base64.b64encode(rng.randbytes(size)).decode()}
        space = namespaces()[number % NAMESPACES]
        meta = {"name": f"release-{number:04}", "namespace": space}
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "type": "helm.sh/release.v1", "data": data}
        yield f"/api/v1/namespaces/{space}/secrets", _json(body)


def _json(value: t.Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
