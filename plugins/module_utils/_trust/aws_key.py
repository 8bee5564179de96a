# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The policy of the key that a bucket is encrypted with: our statement in it. Private to the collection.

Source: KMS's developer guide ("Allowing users in other accounts to use a KMS key", "Default key policy", the key
``kms:ViaService``). Statements of others stay, those of the key's administrators among them, so that nobody is locked out.
"""

from __future__ import annotations

import dataclasses
import json
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import s3_policy
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import aws_documents as documents
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.aws_iam import AwsApi
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.aws_parts import Request
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.model import Change, in_use
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.s3_permissions import Statement

_MOST_PAGES: t.Final = 500
_POLICY: t.Final = "default"
"""The only name that a key's policy can have."""


@dataclasses.dataclass(frozen=True)
class KeyWanted:
    """What is to be there.

    :param trust: ARN of the trust's role, which tells trusts apart.
    :param statement: ours, ``None`` if the key's policy is somebody else's to change.
    """

    trust: str
    arn: str
    partition: str
    statement: Statement | None

    @property
    def statements(self) -> list[Statement]:
        """Ours in the key's policy."""
        return documents.with_sids(self.trust, [("Key", self.statement)]) if self.statement else []


def statement_for(principals: t.Iterable[str], use: Statement, condition: t.Mapping[str, t.Any]) -> Statement:
    """Lets principals use a key as a statement of their own permissions says.

    :param use: that statement.
    :param condition: what narrows the principals.
    """
    return {
        "Effect": "Allow",
        "Principal": {"AWS": sorted(principals)},
        "Action": use["Action"],
        "Resource": "*",
        "Condition": _both(use["Condition"], condition),
    }


def _both(one: t.Mapping[str, t.Any], other: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    return {name: {**one.get(name, {}), **other.get(name, {})} for name in {**one, **other}}


@dataclasses.dataclass(frozen=True)
class Grant:
    """A grant of a key.

    :param grantee: whom it is to: an ARN, or a unique id.
    :param operations: sorted.
    :param constrained: whether it holds under conditions only.
    """

    id: str
    name: str
    grantee: str
    operations: tuple[str, ...]
    constrained: bool = False


class KmsApi(AwsApi):
    """What is asked of KMS about a key."""

    absent = frozenset({"NotFoundException"})

    def policy(self, arn: str) -> dict[str, t.Any]:
        """A key's policy."""
        found = json.loads(str(self.do("get_key_policy", KeyId=arn, PolicyName=_POLICY)["Policy"]))
        return found if isinstance(found, dict) else {}

    def grants(self, arn: str) -> list[Grant]:
        """A key's grants."""
        found: list[Grant] = []
        asked: dict[str, t.Any] = {"KeyId": arn, "Limit": 100}
        for _dummy in range(_MOST_PAGES):
            answer = self.do("list_grants", **asked)
            found += [_grant(one) for one in answer.get("Grants") or ()]
            if not answer.get("Truncated"):
                break
            asked["Marker"] = answer["NextMarker"]
        return found


def _grant(found: t.Mapping[str, t.Any]) -> Grant:
    """A grant as KMS lists it."""
    return Grant(
        str(found["GrantId"]),
        str(found.get("Name") or ""),
        str(found.get("GranteePrincipal") or ""),
        tuple(sorted(str(one) for one in found.get("Operations") or ())),
        bool(found.get("Constraints")),
    )


def plan(wanted: KeyWanted, there: dict[str, t.Any]) -> list[Change]:
    """What differs. Pure.

    :raises StowageError: ``trust_in_use`` if the policy has, or would have, no statement of somebody else: it would let nobody
        administer the key.
    """
    mine = documents.of_trust(there, wanted.trust)
    if documents.same({"Statement": mine}, {"Statement": wanted.statements}, wanted.partition):
        return []
    if documents.placed(there, wanted.trust, []) is None:
        raise in_use(wanted.arn, ["the key's policy lets nobody else administer it"])
    return [Change("key_policy", wanted.arn, there, documents.placed(there, wanted.trust, wanted.statements))]


class KeyPart:
    """The key's part of a trust.

    :param former: whether options named the key before, and do not any more.
    """

    def __init__(self, kms: KmsApi, wanted: KeyWanted, *, former: bool = False) -> None:
        self._kms = kms
        self._wanted = wanted
        self.arn = wanted.arn
        self.former = former
        self._error: LocationError | None = None
        self._there = self._policy()

    @property
    def strangers(self) -> list[t.Any]:
        """Statements of others beside ours."""
        return documents.not_of_trust(self._there, self._wanted.trust) if self._wanted.statement else []

    @property
    def is_gone(self) -> bool:
        """Whether there is no such key any more."""
        return self._error is not None and self._error.failure.store_code in self._kms.absent

    @property
    def doubt(self) -> str:
        """What is not known of the policy of a former key, for whoever runs the task; empty if nothing is to be said."""
        if self._error is None or not self.former or self.is_gone:
            return ""
        return (
            f"Whether a statement of this trust stays in the policy of {self._wanted.arn}, which was used before, is not known: "
            f"{self._error.message} {self._error.hint}"
        )

    def plan(self) -> list[Change]:
        """See :class:`~.aws_parts.Part`."""
        if self._error is not None and self._wanted.statement:
            raise self._error
        return plan(self._wanted, self._there)

    def plan_removal(self) -> list[Change]:
        """See :class:`~.aws_parts.Part`. A key that is gone has nothing of ours."""
        if self._error is not None and self._wanted.statement and not self.is_gone:
            raise self._error
        return plan(dataclasses.replace(self._wanted, statement=None), self._there)

    def request(self, change: Change) -> Request | None:
        """See :class:`~.aws_parts.Part`. What others wrote in the meantime is kept."""
        if change.what != "key_policy" or change.name != self._wanted.arn:
            return None
        mine = documents.of_trust(change.after, self._wanted.trust)
        after = documents.placed(self._kms.policy(self._wanted.arn), self._wanted.trust, mine)
        parameters = {"KeyId": self._wanted.arn, "PolicyName": _POLICY, "Policy": s3_policy.compact(after or {})}
        return self._kms, "put_key_policy", parameters

    def _policy(self) -> dict[str, t.Any]:
        """Who wants nothing of the policy need not be allowed to read it."""
        try:
            return self._kms.policy(self._wanted.arn)
        except LocationError as error:
            if error.code != "permission_denied" and error.failure.store_code not in self._kms.absent:
                raise
            self._error = error
            return {}
