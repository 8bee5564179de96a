# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the options of ``aws_trust`` ask for. Private to the collection. Pure."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_client import S3Settings
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import aws, aws_bucket, aws_grants, aws_key
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import aws_documents as documents
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import aws_key_documents as key_documents
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.aws_bucket import BucketWanted, GuardRails
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.aws_documents import (
    Pod,
    Subject,
    Trusted,
    unfit,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.aws_grants import GrantsWanted
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.aws_key import KeyWanted
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.aws_keys import KeysWanted
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.aws_parties import Parties
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.aws_pods import PodsWanted
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.request import Request
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.s3_permissions import (
    Statement,
    policy,
    statements,
)

Params = t.Mapping[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Wants:
    """What is to be there, part by part.

    :param by_role: whether principals take a role over, or are named in the bucket's policy.
    :param external_id: that principals have to say, empty if they have not.
    :param pods: ``None`` without Pod Identity.
    :param key: that the bucket is encrypted with, ``None`` without one.
    :param grants: of that key.
    :param keys: access keys of a user, ``None`` if they are somebody else's to make.
    :param unheld: ARNs of those who get grants, and whose permissions, which have to deny the key's use outside S3, are not ours to write.
    """

    by_role: bool
    external_id: str
    trusted: Trusted
    role: aws.Wanted
    pods: PodsWanted | None
    bucket: BucketWanted
    rails: GuardRails
    key: KeyWanted | None
    grants: GrantsWanted | None = None
    keys: KeysWanted | None = None
    unheld: tuple[str, ...] = ()

    @property
    def documents(self) -> dict[str, t.Any]:
        """The documents by name, ours only."""
        found: dict[str, t.Any] = {}
        if self.by_role:
            found["trust_policy"] = policy(self.role.trust)
            found["permissions"] = policy(self.role.permissions)
            found["assume_permission"] = policy([documents.assume_statement(self.role.role_arn, tags=self.role.tagged)])
        else:
            found["party_permissions"] = policy(self.bucket.party)
        if self.pods:
            found["pod_trust_policy"] = policy(self.pods.statements)
        if self.bucket.statements:
            found["bucket_policy"] = policy(self.bucket.statements)
        if self.key and self.key.statements:
            found["key_policy"] = policy(self.key.statements)
        if self.grants and self.grants.grantees:
            found["key_grants"] = self.grants.documents
        return found


@dataclasses.dataclass(frozen=True)
class _Given:
    """What is asked for."""

    params: Params
    request: Request
    settings: S3Settings
    parties: Parties

    @property
    def partition(self) -> str:
        """That of the location."""
        return self.settings.partition

    @property
    def account(self) -> str:
        """That of the location."""
        return self.parties.account("location_account")

    @property
    def role_arn(self) -> str:
        """The role's, if there is to be one."""
        return f"arn:{self.partition}:iam::{self.account}:role/{self.request.name}"

    def some(self, name: str) -> list[t.Any]:
        """A list that may not be set."""
        return list(self.params[name] or ())

    def text(self, name: str) -> str:
        """A text that may not be set."""
        return str(self.params[name] or "")


def wants(params: Params, request: Request, settings: S3Settings, parties: Parties, external_id: str) -> Wants:
    """What is to be there.

    :param external_id: what ``external_id`` comes down to.
    :raises StowageError: ``invalid_option``.
    """
    given = _Given(params, request, settings, parties)
    where = given.partition
    by_role = params["method"] == "role"
    pods = _pods(given)
    trusted = _trusted(given, external_id if by_role else "", pods)
    rails = _rails(params)
    if not request.absent:
        _check(params, trusted, rails, by_role=by_role)
    use = _key_use(given)
    permissions = statements(request.grants, settings.bucket, request.location["prefix"], partition=where)
    arn = given.role_arn
    # The role is ours, so the denial is there whatever the options say: a grant that was lost track of is held by it, too.
    role = _role(given, trusted, [*permissions, *use, key_documents.key_denial("*", settings.region)])
    granted = () if by_role else aws_bucket.grant_statements(arn, permissions, trusted, where)
    grants = _grants(given, trusted, use)
    return Wants(
        by_role=by_role,
        external_id=external_id if by_role else "",
        trusted=trusted,
        role=role,
        pods=pods,
        bucket=BucketWanted(
            trust=arn,
            bucket=settings.bucket,
            partition=where,
            granted=tuple(granted),
            rails=tuple(aws_bucket.rail_statements(arn, rails, settings.bucket, given.account, where)),
            party=() if by_role else (*permissions, *use, *_denials(given)),
            holder=parties.holder,
        ),
        rails=rails,
        key=_key(given, trusted, use),
        grants=grants,
        keys=_keys(given),
        unheld=tuple(one for one in (grants.grantees if grants and not by_role else ()) if not _is_holder(given, one)),
    )


def _trusted(given: _Given, external_id: str, pods: PodsWanted | None) -> Trusted:
    return Trusted(
        principals=tuple(given.some("principals")),
        principal_arns=tuple(given.some("principal_arns")),
        organization=given.text("organization"),
        external_id=external_id,
        subjects=tuple(
            Subject(str(one["issuer"]), str(one["namespace"]), str(one["name"]))
            for one in given.some("service_accounts")
        ),
        pods=pods.pods if pods else (),
        pod_role=pods.role_arn if pods else "",
    )


def _pods(given: _Given) -> PodsWanted | None:
    pods = given.some("pod_identities")
    if not pods:
        return None
    kind, role = given.parties.holder or ("", "")
    if kind != "role":
        raise unfit("pod_identities needs cluster_account.role, the role that pods have first.")
    account, where = given.parties.account("cluster_account"), given.partition
    found = {
        Pod(
            f"arn:{where}:eks:{one['region'] or given.settings.region}:{account}:cluster/{one['cluster']}",
            str(one["namespace"]),
            str(one["name"]),
        )
        for one in pods
    }
    bucket = given.settings.bucket
    return PodsWanted(bucket, account, where, role, given.role_arn, tuple(sorted(found)))


def _keys(given: _Given) -> KeysWanted | None:
    path = given.text("secret_path")
    kind, user = given.parties.holder or ("", "")
    if path and kind != "user":
        raise unfit("secret_path needs cluster_account.user, whose access key is kept there.")
    if path and (given.params["controller_account"] or {}).get("auth"):
        raise unfit(
            "With secret_path the proof is made with the key that is kept there, not with controller_account.auth."
        )
    return KeysWanted(given.request.name, user, path, bool(given.params["rotate"])) if path else None


def _rails(params: Params) -> GuardRails:
    given = params["guard_rails"] or {}
    return GuardRails(
        tls_only=bool(given.get("tls_only")),
        organization=str(given.get("organization") or ""),
        keep_versions=bool(given.get("keep_versions")),
        version_deleters=tuple(given.get("version_deleters") or ()),
    )


def _check(params: Params, trusted: Trusted, rails: GuardRails, *, by_role: bool) -> None:
    documents.check_trusted(trusted)
    if not by_role and (trusted.subjects or trusted.pods):
        raise unfit("method: bucket_policy is for principals; service accounts and pods need a role.")
    if rails.version_deleters and not rails.keep_versions:
        raise unfit("guard_rails.version_deleters are exceptions of keep_versions, which is not set.")
    if any(not documents.is_principal(one) for one in rails.version_deleters):
        raise unfit("guard_rails.version_deleters takes ARNs of roles and users without wildcards.")
    _check_key(params, trusted, by_role=by_role)


def _check_key(params: Params, trusted: Trusted, *, by_role: bool) -> None:
    if params["key_policy"] and params["key_grant"]:
        raise unfit("key_policy and key_grant are two ways to do the same.")
    if (params["key_policy"] or params["key_grant"]) and not params["kms_key_arn"]:
        raise unfit("key_policy and key_grant need kms_key_arn.")
    if not params["key_grant"] or by_role:
        return
    if documents.narrowing(trusted) or any(not documents.is_principal(one) for one in trusted.principals):
        raise unfit("key_grant is for principals that are roles and users, without principal_arns and organization.")


def _role(given: _Given, trusted: Trusted, permissions: t.Sequence[Statement]) -> aws.Wanted:
    params = given.params
    return aws.Wanted(
        name=given.request.name,
        bucket=given.settings.bucket,
        account=given.account,
        partition=given.partition,
        trust=tuple(documents.trust_statements(trusted, given.account, given.partition)),
        permissions=tuple(permissions),
        hosts=tuple(sorted({one.host for one in trusted.subjects})),
        longest=params["max_session_duration"],
        boundary=given.text("permissions_boundary"),
        tags=dict(params["tags"] or {}),
        holder=given.parties.holder,
        tagged=bool(trusted.pods),
    )


def _key_use(given: _Given) -> list[Statement]:
    arn = given.text("kms_key_arn")
    if not arn:
        return []
    granted = bool(given.params["key_grant"])
    return [key_documents.key_use(arn, given.settings.region, writes=given.request.writes, granted=granted)]


def _denials(given: _Given) -> list[Statement]:
    """Of what grants allow outside S3, in permissions of somebody who may need other keys for other things."""
    granted = bool(given.params["key_grant"])
    return [key_documents.key_denial(given.text("kms_key_arn"), given.settings.region)] if granted else []


def _is_ours_to_open(given: _Given) -> bool:
    """Whether the key is in the account of the location.

    :raises StowageError: ``invalid_option`` if it is not, and has to be.
    """
    here = key_documents.key_account(given.text("kms_key_arn")) == given.account
    if not here and (given.params["key_policy"] or given.params["key_grant"]):
        raise unfit("key_policy and key_grant need the kms_key_arn of a key in the account of location_account.")
    return here


def _grants(given: _Given, trusted: Trusted, use: t.Sequence[Statement]) -> GrantsWanted | None:
    """The grants of the key, if it is in the account of the location."""
    if not _is_ours_to_open(given):
        return None
    none = GrantsWanted(given.role_arn, given.text("kms_key_arn"))
    if not given.params["key_grant"]:
        return none
    grantees = (given.role_arn,) if given.params["method"] == "role" else tuple(sorted(set(trusted.principals)))
    return dataclasses.replace(none, grantees=grantees, operations=aws_grants.operations_of(use[0]))


def _is_holder(given: _Given, arn: str) -> bool:
    """Whether a role or user is the one that gets our permissions in the other account. A name is unique there, whatever path it has."""
    holder = given.parties.holder
    account, kind_and_name = arn.split(":", 5)[4:]
    named = (kind_and_name.partition("/")[0], kind_and_name.rpartition("/")[2])
    return holder == named and account == given.parties.account("cluster_account")


def _key(given: _Given, trusted: Trusted, use: t.Sequence[Statement]) -> KeyWanted | None:
    """The key's part, if the key is in the account of the location."""
    arn, wanted = given.text("kms_key_arn"), given.params["key_policy"]
    if not _is_ours_to_open(given):
        return None
    if not wanted:
        return KeyWanted(given.role_arn, arn, given.partition, None)
    if given.params["method"] == "role":
        statement = aws_key.statement_for([given.role_arn], use[0], {})
    else:
        principals = {documents.principal_arn(one, given.partition) for one in trusted.principals}
        statement = aws_key.statement_for(principals, use[0], documents.narrowing(trusted))
    return KeyWanted(given.role_arn, arn, given.partition, statement)
