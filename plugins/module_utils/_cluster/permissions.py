# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asks the API server what the account may do, before it is done. Private to the collection.

SelfSubjectAccessReviews are answered by every authorizer, and every account may create them (``system:basic-user``).
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import json
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.connection import Connection
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError

_PATH: t.Final = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_THREADS: t.Final = 8
_NAMED: t.Final = 12
_RULES: t.Final = 12
"""Rules that a hint has; of more, the roles that are shipped are a shorter answer."""
_WORTH: t.Final = 3


@dataclasses.dataclass(frozen=True, order=True)
class Need:
    """A permission: a verb on a resource, in one namespace or (empty) in the whole cluster."""

    verb: str
    group: str
    resource: str
    namespace: str = ""
    subresource: str = ""

    def __str__(self) -> str:
        resource = f"{self.resource}/{self.subresource}" if self.subresource else self.resource
        resource = f"{resource}.{self.group}" if self.group else resource
        return f"{self.verb} {resource}" + (f" in {self.namespace}" if self.namespace else "")


def missing(conn: Connection, needs: t.Iterable[Need]) -> list[Need]:
    """The needs that the account has no permission for, sorted.

    Wildcards are asked about first: an account that may do everything costs one request, one that may list everything
    one for each verb.

    :raises StowageError: a review could not be had.
    """
    unknown = sorted(set(needs))
    if not unknown or _allowed(conn, Need("*", "*", "*")):
        return []
    with concurrent.futures.ThreadPoolExecutor(_THREADS) as threads:

        def refused(asked: list[Need]) -> list[Need]:
            answers = threads.map(lambda need: _allowed(conn, need), asked)
            return [need for need, allowed in zip(asked, answers, strict=True) if not allowed]

        for whole in (True, False):
            wildcards = _wildcards(unknown, cluster_wide=whole)
            granted = set(wildcards) - set(refused(wildcards))
            unknown = [need for need in unknown if _wildcard(need, cluster_wide=whole) not in granted]
        return refused(unknown)


def forbidden_error(missing: t.Sequence[Need]) -> StowageError:
    """One error that names all missing permissions, with the RBAC rules that grant them as its hint."""
    named = ", ".join(str(need) for need in missing[:_NAMED])
    more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
    granting = rules(missing)
    hint = f"Grant it a role with these rules: {' '.join(granting)}"
    if len(granting) > _RULES:
        hint = "Grant it what docs/rbac has for backups (backup-reader) or restores (restore-writer); error_details names each verb."
    return StowageError(
        "cluster_forbidden",
        f"The account may not: {named}{more}.",
        hint,
        details={"missing": [dataclasses.asdict(need) for need in missing]},
    )


def rules(missing: t.Iterable[Need]) -> list[str]:
    """RBAC rules in YAML's flow style, one for each group, verbs and namespace; the namespace stands in a comment. Pure."""
    verbs: dict[tuple[str, str, str], set[str]] = {}
    for need in missing:
        resource = f"{need.resource}/{need.subresource}" if need.subresource else need.resource
        verbs.setdefault((need.namespace, need.group, resource), set()).add(need.verb)
    resources: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for (namespace, group, resource), wanted in sorted(verbs.items()):
        resources.setdefault((namespace, group, tuple(sorted(wanted))), []).append(resource)
    return [
        f"- {{apiGroups: [{json.dumps(group)}], resources: [{_join(names)}], verbs: [{_join(wanted)}]}}"
        + (f" (in namespace {namespace})" if namespace else "")
        for (namespace, group, wanted), names in resources.items()
    ]


def _join(words: t.Iterable[str]) -> str:
    return ", ".join(json.dumps(word) for word in words)


def _wildcard(need: Need, *, cluster_wide: bool) -> Need:
    return Need(need.verb, "*", "*", "" if cluster_wide else need.namespace)


def _wildcards(needs: t.Sequence[Need], *, cluster_wide: bool) -> list[Need]:
    """Wildcards that would answer at least three needs each; below that, asking costs more than it saves."""
    counts: dict[Need, int] = {}
    for need in needs:
        if cluster_wide or need.namespace:
            wildcard = _wildcard(need, cluster_wide=cluster_wide)
            counts[wildcard] = counts.get(wildcard, 0) + 1
    return [wildcard for wildcard, count in counts.items() if count >= _WORTH]


def _allowed(conn: Connection, need: Need) -> bool:
    attributes = {name: value for name, value in dataclasses.asdict(need).items() if value}
    # Empty means the core group; left out it means the same, but says less to who reads audit logs.
    attributes["group"] = need.group
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    answer = conn.request("POST", _PATH, body=json.dumps(review).encode()).json()
    status = answer.get("status") if isinstance(answer, dict) else None
    return isinstance(status, dict) and status.get("allowed") is True
