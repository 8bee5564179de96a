# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is kept of sources between runs, in Ansible's cache. Private to the collection. Pure.

It serves for two things: a source that was read a short while ago is not read again, and of one that cannot be read the
clusters are still known. What comes out of the cache is checked like anything else from outside.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import typing as t

from ansible_collections.stowage.kubernetes.plugins.plugin_utils._inventory.model import Cluster, Outcome
from ansible_collections.stowage.kubernetes.plugins.plugin_utils._inventory.options import Source

_FORMAT: t.Final = 1
_ACCESS: t.Final = frozenset(
    {
        "stowage_cluster_auth", "stowage_kubeconfig", "stowage_context", "stowage_kubeconfig_cluster",
        "stowage_kubeconfig_secret", "stowage_capi_cluster", "stowage_cluster_uid", "stowage_eks", "stowage_gke", "stowage_aks",
    }
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Kept:
    """A source as it was.

    :param read_at: when, in seconds since 1970; 0 if it could not be read as a whole.
    """

    fingerprint: str
    read_at: float
    clusters: tuple[Cluster, ...]

    def is_fresh(self, now: float, timeout: float) -> bool:
        """Whether it still counts as read; a timeout of 0 is none."""
        return bool(self.read_at) and (not timeout or 0 <= now - self.read_at < timeout)


def read(document: object, sources: t.Iterable[Source]) -> dict[str, Kept]:
    """What is known of sources that are described as they were then; nothing of what is not in order."""
    if not isinstance(document, collections.abc.Mapping) or document.get("format") != _FORMAT:
        return {}
    entries = document.get("sources")
    found: dict[str, Kept] = {}
    for source in sources:
        entry = entries.get(source.name) if isinstance(entries, collections.abc.Mapping) else None
        if isinstance(entry, collections.abc.Mapping) and entry.get("fingerprint") == source.fingerprint:
            clusters = _clusters(entry.get("clusters"))
            read_at = entry.get("read_at")
            if clusters is not None and isinstance(read_at, (int, float)):
                found[source.name] = Kept(source.fingerprint, float(read_at), clusters)
    return found


def write(kept: t.Mapping[str, Kept]) -> dict[str, t.Any]:
    """The document that :func:`read` reads."""
    return {"format": _FORMAT, "sources": {name: _entry(one) for name, one in kept.items()}}


def after(outcome: Outcome, now: float) -> Kept:
    """What to keep of a source that was read just now."""
    read_at = 0.0 if outcome.failures else now
    return Kept(outcome.source.fingerprint, read_at, outcome.clusters + outcome.known)


def _entry(kept: Kept) -> dict[str, t.Any]:
    clusters = [{**dataclasses.asdict(one), "parts": list(one.parts)} for one in kept.clusters]
    return {"fingerprint": kept.fingerprint, "read_at": kept.read_at, "clusters": clusters}


def _clusters(value: object) -> tuple[Cluster, ...] | None:
    if not isinstance(value, list):
        return None
    found = [_cluster(entry) for entry in value]
    return tuple(one for one in found if one is not None) if None not in found else None


def _cluster(entry: object) -> Cluster | None:
    if not isinstance(entry, collections.abc.Mapping) or entry.keys() != {"name", "parts", "access", "labels"}:
        return None
    name, parts, access, labels = (entry[key] for key in ("name", "parts", "access", "labels"))
    if not isinstance(name, str) or not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        return None
    if not _texts(labels) or not isinstance(access, collections.abc.Mapping) or access.keys() - _ACCESS:
        return None
    if not all(isinstance(part, str) or _texts(part) for part in access.values()):
        return None
    return Cluster(name, tuple(parts), dict(access), dict(labels))


def _texts(value: object) -> bool:
    return isinstance(value, collections.abc.Mapping) and all(
        isinstance(key, str) and isinstance(part, str) for key, part in value.items()
    )
