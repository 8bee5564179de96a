# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documents of AWS trust: who may take a role over, and what it may do then. Private to the collection. Pure.

Sources: IAM's user guide ("Policy evaluation logic", "AWS JSON policy elements: Principal", "How to use an external ID when
granting access to your AWS resources to a third party"); STS's reference for the keys ``sts:ExternalId`` and ``aws:PrincipalArn``.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import s3_policy
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.s3_permissions import SID, Statement

ASSUME: t.Final = "StowageAssume"
FEDERATE: t.Final = "StowageWebIdentity"
AUDIENCE: t.Final = "sts.amazonaws.com"

_ACCOUNT: t.Final = re.compile(r"[0-9]{12}")
_ARN: t.Final = re.compile(r"arn:(aws|aws-cn|aws-us-gov):iam::([0-9]{12}):(root|(?:role|user)/[\w+=,.@/-]{1,512})")
_UNIQUE: t.Final = re.compile(r"A(ROA|IDA)[A-Z0-9]{12,}")
_EXTERNAL_ID: t.Final = re.compile(r"[\w+=,.@:/-]{2,1224}")


@dataclasses.dataclass(frozen=True)
class Subject:
    """A service account of a cluster, by the issuer of its tokens.

    :param issuer: the cluster's issuer as its tokens name it, an https:// URL.
    """

    issuer: str
    namespace: str
    name: str

    @property
    def host(self) -> str:
        """The issuer as IAM names its providers and conditions."""
        return self.issuer.removeprefix("https://").rstrip("/")

    @property
    def sub(self) -> str:
        """The subject of its tokens."""
        return f"system:serviceaccount:{self.namespace}:{self.name}"


@dataclasses.dataclass(frozen=True)
class Trusted:
    """Who may take a role over.

    :param principals: ARNs of roles and users, or numbers of accounts.
    :param principal_arns: narrows accounts to these, by ``aws:PrincipalArn``.
    :param organization: narrows all to an organisation.
    :param external_id: empty if none is asked for.
    """

    principals: tuple[str, ...] = ()
    principal_arns: tuple[str, ...] = ()
    organization: str = ""
    external_id: str = ""
    subjects: tuple[Subject, ...] = ()


def check_trusted(trusted: Trusted) -> Trusted:
    """Refuses what lets in more than is meant.

    :raises StowageError: ``invalid_option``.
    """
    if not trusted.principals and not trusted.subjects:
        raise _unfit("Nobody is trusted: set principals or service_accounts.")
    for one in trusted.principals:
        if not _ACCOUNT.fullmatch(one) and not _ARN.fullmatch(one):
            raise _unfit("principals takes account numbers, and ARNs of roles and users without wildcards.")
    if trusted.external_id and not _EXTERNAL_ID.fullmatch(trusted.external_id):
        raise _unfit("external_id must be 2 to 1224 characters of those that AWS allows.")
    for subject in trusted.subjects:
        if not subject.issuer.startswith("https://") or "*" in subject.sub or "?" in subject.sub:
            raise _unfit("service_accounts needs an https:// issuer, and names without wildcards.")
    return trusted


def trust_statements(trusted: Trusted, role_account: str, partition: str) -> list[Statement]:
    """Our statements in a role's trust policy.

    The provider of web identities is that of the role's own account: STS looks for it nowhere else.
    """
    found: list[Statement] = []
    if trusted.principals:
        principals = sorted({_arn(one, partition) for one in trusted.principals})
        condition: dict[str, dict[str, t.Any]] = {}
        if trusted.external_id:
            condition.setdefault("StringEquals", {})["sts:ExternalId"] = trusted.external_id
        if trusted.organization:
            condition.setdefault("StringEquals", {})["aws:PrincipalOrgID"] = trusted.organization
        if trusted.principal_arns:
            condition["ArnEquals"] = {"aws:PrincipalArn": sorted(trusted.principal_arns)}
        statement = {
            "Sid": ASSUME,
            "Effect": "Allow",
            "Principal": {"AWS": principals},
            "Action": "sts:AssumeRole",
        }
        found.append({**statement, **({"Condition": condition} if condition else {})})
    for number, host in enumerate(sorted({one.host for one in trusted.subjects})):
        subs = sorted(one.sub for one in trusted.subjects if one.host == host)
        found.append(
            {
                "Sid": f"{FEDERATE}{number or ''}",
                "Effect": "Allow",
                "Principal": {"Federated": provider_arn(host, role_account, partition)},
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": {"StringEquals": {f"{host}:aud": AUDIENCE, f"{host}:sub": subs}},
            }
        )
    return found


def provider_arn(host: str, account: str, partition: str) -> str:
    """The ARN of an issuer's provider in an account."""
    return f"arn:{partition}:iam::{account}:oidc-provider/{host}"


def assume_statement(role_arn: str) -> Statement:
    """What the other side needs: to take over this one role."""
    return {"Sid": f"{SID}AssumeRole", "Effect": "Allow", "Action": ["sts:AssumeRole"], "Resource": [role_arn]}


def key_statements(key_arn: str, region: str, *, writes: bool) -> list[Statement]:
    """What the bucket's encryption key is needed for: every permission set reads something, and a multipart upload decrypts."""
    actions = ["kms:Decrypt", *(["kms:GenerateDataKey"] if writes else [])]
    condition = {"StringEquals": {"kms:ViaService": f"s3.{region}.amazonaws.com"}}
    statement = {
        "Sid": f"{SID}Key",
        "Effect": "Allow",
        "Action": actions,
        "Resource": [key_arn],
        "Condition": condition,
    }
    return [statement]


def merged(document: t.Mapping[str, t.Any] | None, ours: t.Sequence[Statement]) -> dict[str, t.Any]:
    """A policy with our statements in the place of those that were ours, and those of others as they were."""
    return {"Version": "2012-10-17", "Statement": [*foreign(document), *ours]}


def foreign(document: t.Mapping[str, t.Any] | None) -> list[t.Any]:
    """The statements of others, by their Sids."""
    found = s3_policy.statements(document)
    return [one for one in found if not isinstance(one, dict) or not str(one.get("Sid") or "").startswith(SID)]


def same(one: t.Mapping[str, t.Any] | None, other: t.Mapping[str, t.Any] | None, partition: str) -> bool:
    """Whether two policies mean the same. A principal that IAM shows by a unique id is of a role or user that is gone: it is
    never the same as one that is there, though it may have its name."""
    some, others = s3_policy.statements(one), s3_policy.statements(other)
    return s3_policy.all_same([_plain(part, partition) for part in some], [_plain(part, partition) for part in others])


def gone(document: t.Mapping[str, t.Any] | None) -> list[str]:
    """Unique ids among the principals: of roles and users that were deleted."""
    found = [one for statement in s3_policy.statements(document) for one in _principals(statement)]
    return sorted({one for one in found if _UNIQUE.fullmatch(one)})


def external_id_of(document: t.Mapping[str, t.Any] | None) -> str:
    """The external id in our statement, empty if it has none."""
    for statement in s3_policy.ours(document, ASSUME):
        condition = statement.get("Condition") if isinstance(statement, dict) else None
        equals = condition.get("StringEquals") if isinstance(condition, dict) else None
        value = equals.get("sts:ExternalId") if isinstance(equals, dict) else None
        value = value[0] if isinstance(value, list) and len(value) == 1 else value
        if isinstance(value, str):
            return value
    return ""


def _plain(statement: t.Any, partition: str) -> t.Any:
    if not isinstance(statement, dict) or not isinstance(statement.get("Principal"), dict):
        return statement
    principal = dict(statement["Principal"])
    if "AWS" in principal:
        principal["AWS"] = [_arn(one, partition) for one in _principals(statement)]
    return {**statement, "Principal": principal}


def _principals(statement: t.Any) -> list[str]:
    principal = statement.get("Principal") if isinstance(statement, dict) else None
    found = principal.get("AWS") if isinstance(principal, dict) else None
    return [str(one) for one in (found if isinstance(found, list) else [found]) if one]


def _arn(principal: str, partition: str) -> str:
    """The long form of an account's number."""
    return f"arn:{partition}:iam::{principal}:root" if _ACCOUNT.fullmatch(principal) else principal


def _unfit(message: str) -> StowageError:
    return StowageError("invalid_option", message, "ansible-doc stowage.kubernetes.aws_trust says what they take.")
