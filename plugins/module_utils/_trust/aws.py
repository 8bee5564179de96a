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
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import aws_providers as providers
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.aws_iam import (
    AwsRole,
    IamApi,
    OidcProvider,
    federated_of,
)
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

    :param providers: issuer's host -> its provider in the account of the role.
    :param assume: the policy of ours in the other account's role or user.
    """

    role: AwsRole | None
    providers: t.Mapping[str, OidcProvider] = dataclasses.field(default_factory=dict)
    assume: dict[str, t.Any] | None = None


def look(iam: IamApi, other: IamApi | None, wanted: Wanted) -> Found:
    """What is there. :raises StowageError: what requests end with."""
    role = iam.role(wanted.name)
    hosts = [*wanted.hosts, *_hosts(wanted, role.trust if role else None)]
    assume = other.inline_of(*wanted.holder, INLINE) if other and wanted.holder else None
    return Found(role, providers.look(iam, hosts, wanted.account, wanted.partition), assume)


def _hosts(wanted: Wanted, trust: t.Mapping[str, t.Any] | None) -> list[str]:
    """The issuers that a trust policy names, of the role's account."""
    start = documents.provider_arn("", wanted.account, wanted.partition)
    return [arn.removeprefix(start) for arn in federated_of(trust or {}) if arn.startswith(start)]


def plan(wanted: Wanted, found: Found, unused: t.Sequence[str] = ()) -> list[Change]:
    """What differs, in the order in which it is changed. Pure.

    :param unused: issuers whose provider is not needed any more then.
    :raises StowageError: ``trust_in_use`` for a role of that name that is not ours.
    """
    role = found.role
    _require_ours(wanted, role)
    changes = providers.plan(wanted.hosts, found.providers)
    trust = documents.merged(role.trust if role else None, wanted.trust)
    permissions = policy(wanted.permissions)
    if role is None:
        settings = {"max_session_duration": wanted.longest, "permissions_boundary": wanted.boundary}
        changes.append(Change("role", wanted.name, None, {**settings, "tags": wanted.all_tags, "trust_policy": trust}))
        changes.append(Change("permissions", wanted.name, None, permissions))
    else:
        changes += _plan_role(wanted, role, trust, permissions)
    return [*changes, *_plan_other(wanted, found), *providers.plan_removal(unused, found.providers)]


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


def plan_removal(wanted: Wanted, found: Found, unused: t.Sequence[str] = ()) -> list[Change]:
    """What is ours and there, in the order in which it is deleted. Pure.

    :param unused: issuers whose provider nobody else needs.
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
        return changes + providers.plan_removal(unused, found.providers)
    holders = [f"policy {name} in the role" for name in sorted(role.inline.keys() - {INLINE})]
    holders += [f"attached policy {arn}" for arn in role.attached]
    holders += [f"instance profile {one}" for one in role.profiles]
    holders += ["a statement of others in its trust policy" for _dummy in documents.foreign(role.trust)]
    if holders:
        raise in_use(wanted.name, holders)
    if INLINE in role.inline:
        changes.append(Change("permissions", wanted.name, role.inline[INLINE], None))
    changes.append(Change("role", wanted.name, {"trust_policy": role.trust}, None))
    return changes + providers.plan_removal(unused, found.providers)


_KINDS: t.Final = frozenset(
    {
        providers.WHAT,
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
        return plan(self._wanted, self.found, self._unused(but=self._wanted.hosts))

    def plan_removal(self) -> list[Change]:
        """See :class:`~.aws_parts.Part`."""
        return plan_removal(self._wanted, self.found, self._unused())

    def _unused(self, but: t.Sequence[str] = ()) -> list[str]:
        wanted, found = self._wanted, self.found.providers
        strangers = _hosts(wanted, policy(documents.foreign(self.found.role.trust if self.found.role else None)))
        where = {"account": wanted.account, "partition": wanted.partition}
        return providers.unused(self._iam, found.keys() - {*but, *strangers}, found, MARK, **where, role=wanted.name)

    @property
    def permissions(self) -> dict[str, t.Any] | None:
        """What the role may do by the policy of ours, as it is there; ``None`` if there is none."""
        return self.found.role.inline.get(INLINE) if self.found.role else None

    def require_ours(self) -> None:
        """A role of this name that is not ours is in the way where none is wanted, too: grants and statements of keys tell trusts apart
        by it.

        :raises StowageError: ``trust_in_use``.
        """
        _require_ours(self._wanted, self.found.role)

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
    if change.what == providers.WHAT:
        arn = documents.provider_arn(change.name, wanted.account, wanted.partition)
        return providers.request(change, arn, tag_list({MARK: wanted.bucket}))
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


def _require_ours(wanted: Wanted, role: AwsRole | None) -> None:
    if role is None or role.tags.get(MARK) == wanted.bucket:
        return
    mark = role.tags.get(MARK)
    whose = f"for the bucket {mark}, as its tag {MARK} says" if mark else f"without the tag {MARK}"
    raise in_use(wanted.name, [f"a role of this name is there {whose}"])
