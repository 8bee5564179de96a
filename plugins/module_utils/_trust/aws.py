# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Trust across accounts of AWS: a role in the account of the bucket, and the permission to take it over in the other. Private to
the collection."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import s3_policy
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import aws_documents as documents
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.aws_iam import AwsRole, IamApi
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.aws_parts import Request
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.model import Change, in_use
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.s3_permissions import Statement, policy

MARK: t.Final = "stowage-trust"
"""The tag of a role that is ours, with the bucket that it is for."""
INLINE: t.Final = "stowage"
"""The name of policies of ours in roles and users."""


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What is to be there.

    :param account: of the bucket, in which the role is.
    :param longest: of its sessions, in seconds.
    :param holder: who gets the permission to take it over in the other account: ``role`` or ``user``, and its name; empty if
        that is somebody else's to give.
    :param tagged: whether sessions of it are tagged, as those of Pod Identity are.
    """

    name: str
    bucket: str
    account: str
    partition: str
    trust: tuple[Statement, ...]
    permissions: tuple[Statement, ...]
    hosts: tuple[str, ...] = ()
    longest: int = 3600
    boundary: str = ""
    tags: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    holder: tuple[str, str] | None = None
    tagged: bool = False

    @property
    def role_arn(self) -> str:
        """The role's ARN."""
        return f"arn:{self.partition}:iam::{self.account}:role/{self.name}"

    @property
    def all_tags(self) -> dict[str, str]:
        """The tags with our mark."""
        return {**self.tags, MARK: self.bucket}


@dataclasses.dataclass(frozen=True)
class Found:
    """What is there.

    :param providers: issuer's host -> audiences of its provider in the account of the role.
    :param assume: the policy of ours in the other account's role or user.
    """

    role: AwsRole | None
    providers: t.Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    assume: dict[str, t.Any] | None = None


def look(iam: IamApi, other: IamApi | None, wanted: Wanted) -> Found:
    """What is there. :raises StowageError: what requests end with."""
    providers = {}
    for host in wanted.hosts:
        audiences = iam.provider(documents.provider_arn(host, wanted.account, wanted.partition))
        if audiences is not None:
            providers[host] = tuple(audiences)
    assume = other.inline_of(*wanted.holder, INLINE) if other and wanted.holder else None
    return Found(iam.role(wanted.name), providers, assume)


def plan(wanted: Wanted, found: Found) -> list[Change]:
    """What differs, in the order in which it is changed. Pure.

    :raises StowageError: ``trust_in_use`` for a role of that name that is not ours.
    """
    role = found.role
    _require_ours(wanted, role)
    changes = [
        Change("oidc_provider", host, _audiences(found.providers.get(host)), _audiences((documents.AUDIENCE,)))
        for host in wanted.hosts
        if documents.AUDIENCE not in found.providers.get(host, ())
    ]
    trust = documents.merged(role.trust if role else None, wanted.trust)
    permissions = policy(wanted.permissions)
    if role is None:
        settings = {"max_session_duration": wanted.longest, "permissions_boundary": wanted.boundary}
        changes.append(Change("role", wanted.name, None, {**settings, "tags": wanted.all_tags, "trust_policy": trust}))
        changes.append(Change("permissions", wanted.name, None, permissions))
    else:
        changes += _plan_role(wanted, role, trust, permissions)
    return changes + _plan_other(wanted, found)


def _plan_role(wanted: Wanted, role: AwsRole, trust: dict[str, t.Any], permissions: dict[str, t.Any]) -> list[Change]:
    changes = []
    if not documents.same(role.trust, trust, wanted.partition):
        changes.append(Change("trust_policy", wanted.name, role.trust, trust))
    if not documents.same(role.inline.get(INLINE), permissions, wanted.partition):
        changes.append(Change("permissions", wanted.name, role.inline.get(INLINE), permissions))
    if role.longest != wanted.longest:
        changes.append(Change("max_session_duration", wanted.name, role.longest, wanted.longest))
    if role.boundary != wanted.boundary:
        changes.append(Change("permissions_boundary", wanted.name, role.boundary or None, wanted.boundary or None))
    if wanted.all_tags.items() - role.tags.items():
        changes.append(Change("tags", wanted.name, role.tags, {**role.tags, **wanted.all_tags}))
    return changes


def _plan_other(wanted: Wanted, found: Found) -> list[Change]:
    """One party may take several roles over: the statements of other trusts are somebody else's."""
    if wanted.holder is None:
        return []
    ours = documents.assume_statement(wanted.role_arn, tags=wanted.tagged)
    after = documents.placed(found.assume, wanted.role_arn, [ours])
    if documents.same(found.assume, after, wanted.partition):
        return []
    return [Change("assume_permission", "/".join(wanted.holder), found.assume, after)]


def plan_removal(wanted: Wanted, found: Found) -> list[Change]:
    """What is ours and there, in the order in which it is deleted. Providers of web identities stay: other roles may use them.
    Pure.

    :raises StowageError: ``trust_in_use``.
    """
    role = found.role
    _require_ours(wanted, role)
    changes = []
    if wanted.holder and found.assume is not None:
        after = documents.placed(found.assume, wanted.role_arn, [])
        if not documents.same(found.assume, after, wanted.partition):
            changes.append(Change("assume_permission", "/".join(wanted.holder), found.assume, after))
    if role is None:
        return changes
    holders = [f"policy {name} in the role" for name in sorted(role.inline.keys() - {INLINE})]
    holders += [f"attached policy {arn}" for arn in role.attached]
    holders += [f"instance profile {one}" for one in role.profiles]
    holders += ["a statement of others in its trust policy" for _dummy in documents.foreign(role.trust)]
    if holders:
        raise in_use(wanted.name, holders)
    if INLINE in role.inline:
        changes.append(Change("permissions", wanted.name, role.inline[INLINE], None))
    return [*changes, Change("role", wanted.name, {"trust_policy": role.trust}, None)]


_KINDS: t.Final = frozenset(
    {
        "oidc_provider",
        "role",
        "permissions",
        "trust_policy",
        "max_session_duration",
        "permissions_boundary",
        "tags",
        "assume_permission",
    }
)


class RolePart:
    """The role, and the permission to take it over.

    :param other: IAM of the other account, if the permission is ours to give.
    """

    def __init__(self, iam: IamApi, other: IamApi | None, wanted: Wanted) -> None:
        self._iam = iam
        self._other = other
        self._wanted = wanted
        self.found = look(iam, other, wanted)

    def plan(self) -> list[Change]:
        """See :class:`~.aws_parts.Part`."""
        return plan(self._wanted, self.found)

    def plan_removal(self) -> list[Change]:
        """See :class:`~.aws_parts.Part`."""
        return plan_removal(self._wanted, self.found)

    def plan_leftover(self) -> list[Change]:
        """What is deleted of ours where the role is not wanted any more. One of somebody else's does not matter then."""
        role = self.found.role
        return self.plan_removal() if role is None or role.tags.get(MARK) == self._wanted.bucket else []

    def request(self, change: Change) -> Request | None:
        """See :class:`~.aws_parts.Part`."""
        if change.what not in _KINDS:
            return None
        who = self._other if change.what == "assume_permission" and self._other else self._iam
        return (who, *_request(self._wanted, change))


def _request(wanted: Wanted, change: Change) -> tuple[str, dict[str, t.Any]]:
    """The request that makes a change. Pure."""
    role = {"RoleName": wanted.name}
    if change.what == "assume_permission":
        kind, holder = change.name.split("/", 1)
        return policy_request(kind, holder, INLINE, change.after)
    if change.what == "permissions":
        return policy_request("role", wanted.name, INLINE, change.after)
    if change.what == "oidc_provider":
        return _of_provider(wanted, change)
    if change.what == "role":
        return ("delete_role", role) if change.after is None else ("create_role", _new_role(wanted, change))
    if change.what == "trust_policy":
        return "update_assume_role_policy", {**role, "PolicyDocument": s3_policy.compact(change.after)}
    if change.what == "max_session_duration":
        return "update_role", {**role, "MaxSessionDuration": change.after}
    if change.what == "permissions_boundary":
        if change.after is None:
            return "delete_role_permissions_boundary", role
        return "put_role_permissions_boundary", {**role, "PermissionsBoundary": change.after}
    return "tag_role", {**role, "Tags": tag_list(change.after)}


def policy_request(kind: str, holder: str, name: str, after: t.Any) -> tuple[str, dict[str, t.Any]]:
    """The request that writes a policy into a role or user, or deletes it. Pure."""
    named = {{"role": "RoleName", "user": "UserName"}[kind]: holder, "PolicyName": name}
    if after is None:
        return f"delete_{kind}_policy", named
    return f"put_{kind}_policy", {**named, "PolicyDocument": s3_policy.compact(after)}


def _of_provider(wanted: Wanted, change: Change) -> tuple[str, dict[str, t.Any]]:
    if change.before is None:
        return "create_open_id_connect_provider", {
            "Url": f"https://{change.name}",
            "ClientIDList": [documents.AUDIENCE],
        }
    arn = documents.provider_arn(change.name, wanted.account, wanted.partition)
    return "add_client_id_to_open_id_connect_provider", {
        "OpenIDConnectProviderArn": arn,
        "ClientID": documents.AUDIENCE,
    }


def _new_role(wanted: Wanted, change: Change) -> dict[str, t.Any]:
    made = {
        "RoleName": wanted.name,
        "AssumeRolePolicyDocument": s3_policy.compact(change.after["trust_policy"]),
        "Description": "Backups by stowage.kubernetes",
        "MaxSessionDuration": wanted.longest,
        "Tags": tag_list(wanted.all_tags),
    }
    return made | ({"PermissionsBoundary": wanted.boundary} if wanted.boundary else {})


def tag_list(tags: t.Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as IAM takes them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _audiences(found: t.Sequence[str] | None) -> dict[str, list[str]] | None:
    return None if found is None else {"audiences": list(found)}


def _require_ours(wanted: Wanted, role: AwsRole | None) -> None:
    if role is not None and role.tags.get(MARK) != wanted.bucket:
        raise in_use(wanted.name, [f"a role of this name is there without the tag {MARK}={wanted.bucket}"])
