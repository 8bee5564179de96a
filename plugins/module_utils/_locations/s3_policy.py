# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Our statement in the policy of an S3 bucket. Private to the collection. Pure.

A statement is ours by its Sid. Those of others stay as they are, in their places.
"""

from __future__ import annotations

import json
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_judge import denies_plain_http

TLS_ONLY: t.Final = "StowageTlsOnly"
"""The Sid of the statement that denies requests without TLS."""

Policy = t.Mapping[str, t.Any]


def tls_only_statement(bucket: str, partition: str) -> dict[str, t.Any]:
    """Denies everybody everything in a bucket without TLS."""
    arn = f"arn:{partition}:s3:::{bucket}"
    return {
        "Sid": TLS_ONLY,
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [arn, f"{arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def statements(policy: Policy | None) -> list[t.Any]:
    """The statements of a policy, which may be a single one."""
    found = (policy or {}).get("Statement")
    if found is None:
        return []
    return list(found) if isinstance(found, list) else [found]


def ours(policy: Policy | None, sid: str) -> list[t.Any]:
    """The statements with a Sid; more than one only if somebody wrote them."""
    return [one for one in statements(policy) if _sid(one) == sid]


def others(policy: Policy | None, sid: str) -> list[t.Any]:
    """All but those with the Sid."""
    return [one for one in statements(policy) if _sid(one) != sid]


def with_statement(policy: Policy | None, statement: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The policy with a statement in the place of the one with its Sid, or after all others."""
    sid = str(statement["Sid"])
    merged = []
    for one in statements(policy):
        if _sid(one) != sid:
            merged.append(one)
        elif statement not in merged:
            merged.append(dict(statement))
    if statement not in merged:
        merged.append(dict(statement))
    return {**({"Version": "2012-10-17"} if policy is None else policy), "Statement": merged}


def without_statement(policy: Policy | None, sid: str) -> dict[str, t.Any] | None:
    """The policy without the statement with a Sid; ``None`` when none is left, which a policy cannot say."""
    left = others(policy, sid)
    return {**(policy or {}), "Statement": left} if left else None


def same(one: t.Any, other: t.Any) -> bool:
    """Whether two statements mean the same: stores write a list of one for a single value, and the other way around."""
    return bool(_plain(one) == _plain(other))


def all_same(some: t.Sequence[t.Any], other: t.Sequence[t.Any]) -> bool:
    """Whether two lists of statements mean the same, in whatever order."""
    left = list(other)
    for one in some:
        found = next((number for number, two in enumerate(left) if same(one, two)), None)
        if found is None:
            return False
        del left[found]
    return not left


def others_deny_plain_http(policy: Policy | None, bucket: str) -> bool:
    """Whether statements of others deny all requests without TLS already."""
    left = without_statement(policy, TLS_ONLY)
    return left is not None and denies_plain_http(left, bucket)


def compact(policy: Policy) -> str:
    """The policy as text without spaces, which some stores do not decode."""
    return json.dumps(policy, separators=(",", ":"))


def _sid(statement: t.Any) -> str:
    return str(statement.get("Sid") or "") if isinstance(statement, dict) else ""


def _plain(value: t.Any, name: str = "") -> t.Any:
    """A part of a statement in one form. Names of elements are as they are; what is a set is sorted."""
    if name == "Principal" and value == "*":
        value = {"AWS": "*"}
    if isinstance(value, dict):
        return {str(key): _plain(found, str(key)) for key, found in value.items()}
    if name in {"Sid", "Effect", "Version", "Id"}:
        return value
    values = value if isinstance(value, list) else [value]
    return sorted({str(one).lower() if isinstance(one, bool) else str(one) for one in values})
