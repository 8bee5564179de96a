# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The policy of the bucket: a permission set for principals of another account, where no role is taken over, and guard rails, which
only deny. Private to the collection.

Sources: S3's user guide ("Bucket owner granting cross-account bucket permissions", "Controlling ownership of objects"); IAM's user
guide on data perimeters (``aws:PrincipalOrgID`` with ``aws:PrincipalIsAWSService``) and on ``aws:PrincipalArn``.
"""

from __future__ import annotations

import dataclasses
import json
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import s3_policy
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import aws
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import aws_documents as documents
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.aws_documents import Trusted
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.aws_iam import AwsApi, IamApi
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.aws_parts import Request
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.model import Change, in_use
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.s3_permissions import SID, Statement, policy

OWNED: t.Final = "BucketOwnerEnforced"
"""The object ownership with which objects belong to the bucket's account, whoever writes them."""


@dataclasses.dataclass(frozen=True)
class GuardRails:
    """What nobody may do, whatever else allows it.

    :param organization: keeps principals of other organisations out; those of the bucket's own account are never meant.
    :param keep_versions: nobody deletes versions but ``version_deleters``.
    :param version_deleters: ARNs of roles and users.
    """

    tls_only: bool = False
    organization: str = ""
    keep_versions: bool = False
    version_deleters: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class BucketWanted:
    """What is to be there.

    :param trust: ARN of the trust's role, which tells trusts apart.
    :param granted: what the bucket's policy allows others, if no role is taken over.
    :param rails: what it denies.
    :param party: what the other account allows its role or user, if no role is taken over.
    :param holder: that role or user; see :class:`~.aws.Wanted`.
    """

    trust: str
    bucket: str
    partition: str
    granted: tuple[Statement, ...] = ()
    rails: tuple[Statement, ...] = ()
    party: tuple[Statement, ...] = ()
    holder: tuple[str, str] | None = None

    @property
    def statements(self) -> list[Statement]:
        """Ours in the bucket's policy."""
        return [*self.granted, *self.rails]

    @property
    def policy_name(self) -> str:
        """The name of the policy in the other account's role or user."""
        return f"{aws.INLINE}-{self.trust.rpartition('/')[2]}"


def grant_statements(
    trust: str, permissions: t.Iterable[Statement], trusted: Trusted, partition: str
) -> list[Statement]:
    """A permission set in a bucket's policy, for principals of other accounts."""
    principals = sorted({documents.principal_arn(one, partition) for one in trusted.principals})
    found = []
    for one in permissions:
        condition = {**one.get("Condition", {}), **documents.narrowing(trusted)}
        statement = {**one, "Principal": {"AWS": principals}, **({"Condition": condition} if condition else {})}
        found.append((str(one["Sid"]).removeprefix(SID), statement))
    return documents.with_sids(trust, found)


def rail_statements(trust: str, rails: GuardRails, bucket: str, account: str, partition: str) -> list[Statement]:
    """Guard rails in a bucket's policy."""
    arn = f"arn:{partition}:s3:::{bucket}"
    everything = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": [arn, f"{arn}/*"]}
    found: list[tuple[str, Statement]] = []
    if rails.tls_only:
        found.append(("TlsOnly", s3_policy.tls_only_statement(bucket, partition)))
    if rails.organization:
        # Whoever administers the bucket must be able to take this back.
        other = {"aws:PrincipalOrgID": rails.organization, "aws:PrincipalAccount": account}
        condition: dict[str, t.Any] = {
            "StringNotEqualsIfExists": other,
            "BoolIfExists": {"aws:PrincipalIsAWSService": "false"},
        }
        found.append(("Organization", {**everything, "Condition": condition}))
    if rails.keep_versions:
        kept = {**everything, "Action": "s3:DeleteObjectVersion", "Resource": [f"{arn}/*"]}
        deleters = sorted(rails.version_deleters)
        but = {"Condition": {"ArnNotEquals": {"aws:PrincipalArn": deleters}}} if deleters else {}
        found.append(("KeepVersions", {**kept, **but}))
    return documents.with_sids(trust, found)


class BucketApi(AwsApi):
    """What is asked of S3 about the bucket."""

    absent = frozenset({"NoSuchBucketPolicy", "OwnershipControlsNotFoundError"})

    def __init__(self, client: t.Any, bucket: str) -> None:
        super().__init__(client)
        self.bucket = bucket

    def policy(self) -> dict[str, t.Any] | None:
        """The bucket's policy, ``None`` if it has none."""
        found = self.asked("get_bucket_policy", Bucket=self.bucket)
        if found is None:
            return None
        document = json.loads(str(found["Policy"]))
        return document if isinstance(document, dict) else {}

    def ownership(self) -> str:
        """Whose objects are; empty if nothing says."""
        found = self.asked("get_bucket_ownership_controls", Bucket=self.bucket)
        rules = ((found or {}).get("OwnershipControls") or {}).get("Rules") or ()
        return str(rules[0].get("ObjectOwnership") or "") if rules else ""


def plan(wanted: BucketWanted, there: t.Mapping[str, t.Any] | None, party: dict[str, t.Any] | None) -> list[Change]:
    """What differs, in the order in which it is changed. Pure.

    :param there: the bucket's policy.
    :param party: the policy of ours in the other account's role or user.
    """
    changes = []
    mine = {"Statement": documents.of_trust(there, wanted.trust)}
    if not documents.same(mine, {"Statement": wanted.statements}, wanted.partition):
        after = documents.placed(there, wanted.trust, wanted.statements)
        changes.append(Change("bucket_policy", wanted.bucket, there, after))
    after = policy(wanted.party) if wanted.party else None
    if wanted.holder and not documents.same(party, after, wanted.partition):
        changes.append(Change("party_permissions", "/".join(wanted.holder), party, after))
    return changes


def require_ours(wanted: BucketWanted, party: t.Mapping[str, t.Any] | None) -> None:
    """The policy in the other account's role or user has to be for this bucket: its name is the trust's, whatever bucket that is for.

    :raises StowageError: ``trust_in_use``.
    """
    others = [one for one in documents.buckets_named(party) if one != wanted.bucket]
    if others and wanted.holder:
        where = f"the policy {wanted.policy_name} of the {' '.join(wanted.holder)}"
        raise in_use(wanted.trust.rpartition("/")[2], [f"{where} is for the bucket {one}" for one in others])


def require_owned(ownership: str) -> None:
    """Objects that are written from another account have to belong to the bucket's.

    :raises StowageError: ``unsafe_change``.
    """
    if ownership != OWNED:
        raise StowageError(
            "unsafe_change",
            f"Objects that others write would belong to them: the bucket's object ownership is {ownership or 'not set'}.",
            f"Set it to {OWNED} first, as backup_location does with object_ownership.",
        )


class BucketPart:
    """The bucket's part of a trust.

    :param bucket: in the bucket's account.
    :param other: IAM of the other account, if what its role or user may do is ours to give.
    """

    def __init__(self, bucket: BucketApi, other: IamApi | None, wanted: BucketWanted) -> None:
        self._bucket = bucket
        self._other = other
        self._wanted = wanted
        self._error: LocationError | None = None
        self._there = self._policy()
        named = wanted.holder and other
        self._party = other.inline_of(*wanted.holder, wanted.policy_name) if named and wanted.holder and other else None

    @property
    def party(self) -> dict[str, t.Any] | None:
        """The permissions of ours that the other account's role or user has; ``None`` if it has none, or is not ours to look at."""
        return self._party

    def require_ours(self) -> None:
        """See :func:`require_ours`."""
        require_ours(self._wanted, self._party)

    @property
    def strangers(self) -> list[t.Any]:
        """Statements of others beside ours."""
        return documents.not_of_trust(self._there, self._wanted.trust) if self._wanted.statements else []

    def plan(self) -> list[Change]:
        """See :class:`~.aws_parts.Part`."""
        if self._error is not None and self._wanted.statements:
            raise self._error
        if self._wanted.granted:
            require_owned(self._bucket.ownership())
        return plan(self._wanted, self._there, self._party)

    def plan_removal(self) -> list[Change]:
        """See :class:`~.aws_parts.Part`. A bucket that is gone has nothing of ours."""
        if self._error is not None and self._wanted.statements and self._error.code != "bucket_not_found":
            raise self._error
        nothing = dataclasses.replace(self._wanted, granted=(), rails=(), party=())
        return plan(nothing, self._there, self._party)

    def request(self, change: Change) -> Request | None:
        """See :class:`~.aws_parts.Part`. What others wrote in the meantime is kept."""
        if change.what == "party_permissions" and self._other:
            kind, holder = change.name.split("/", 1)
            return (self._other, *aws.policy_request(kind, holder, self._wanted.policy_name, change.after))
        if change.what != "bucket_policy":
            return None
        mine = documents.of_trust(change.after, self._wanted.trust)
        after = documents.placed(self._bucket.policy(), self._wanted.trust, mine)
        named = {"Bucket": self._wanted.bucket}
        if after is None:
            return self._bucket, "delete_bucket_policy", named
        return self._bucket, "put_bucket_policy", {**named, "Policy": s3_policy.compact(after)}

    def _policy(self) -> dict[str, t.Any] | None:
        """Who wants nothing of the policy need not be allowed to read it."""
        try:
            return self._bucket.policy()
        except LocationError as error:
            if error.code not in {"permission_denied", "bucket_not_found"}:
                raise
            self._error = error
            return None
