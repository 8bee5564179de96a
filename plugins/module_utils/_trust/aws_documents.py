# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documents of AWS trust: who may take a role over, and what it may do then. Private to the collection. Pure.

Sources: IAM's user guide ("Policy evaluation logic", "AWS JSON policy elements: Principal", "How to use an external ID when
granting access to your AWS resources to a third party"); STS's reference for the keys ``sts:ExternalId`` and ``aws:PrincipalArn``;
EKS's user guide ("Create IAM role with trust policy required by EKS Pod Identity", "Access AWS Resources using EKS Pod Identity
Target IAM Roles", "List of session tags added by EKS Pod Identity"). EKS says who a pod is by tags of the session; it sends an
external id instead where these are switched off, so none is asked for here.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import s3_policy
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.s3_permissions import SID, Statement

ASSUME: t.Final = "StowageAssume"
POD: t.Final = "StowagePod"
POD_SERVICE: t.Final = "pods.eks.amazonaws.com"
"""Who takes over the roles of Pod Identity, in all partitions."""
FEDERATE: t.Final = "StowageWebIdentity"
AUDIENCE: t.Final = "sts.amazonaws.com"

_ACCOUNT: t.Final = re.compile(r"[0-9]{12}")
_ARN: t.Final = re.compile(r"arn:(aws|aws-cn|aws-us-gov):iam::([0-9]{12}):(root|(?:role|user)/[\w+=,.@/-]{1,512})")
_UNIQUE: t.Final = re.compile(r"A(ROA|IDA)[A-Z0-9]{12,}")
_POD_PART: t.Final = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_CLUSTER: t.Final = re.compile(
    r"arn:(aws|aws-cn|aws-us-gov):eks:[a-z0-9-]{5,30}:[0-9]{12}:cluster/[0-9A-Za-z][0-9A-Za-z_-]{0,99}"
)
_BUCKET_ARN: t.Final = re.compile(r"arn:[a-z-]+:s3:::([^/]+)")
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


@dataclasses.dataclass(frozen=True, order=True)
class Pod:
    """A service account of an EKS cluster, whose pods get the role by EKS Pod Identity.

    :param cluster: the cluster's ARN.
    """

    cluster: str
    namespace: str
    name: str

    @property
    def address(self) -> str:
        """``cluster/namespace/name``."""
        return f"{self.cluster_name}/{self.namespace}/{self.name}"

    @property
    def cluster_name(self) -> str:
        """The cluster's name."""
        return self.cluster.rpartition("/")[2]

    @property
    def region(self) -> str:
        """The cluster's region."""
        return self.cluster.split(":")[3]

    @property
    def account(self) -> str:
        """The cluster's account."""
        return self.cluster.split(":")[4]

    @property
    def tags(self) -> dict[str, str]:
        """The tags of its sessions that say which pods they are of."""
        return {
            "eks-cluster-arn": self.cluster,
            "kubernetes-namespace": self.namespace,
            "kubernetes-service-account": self.name,
        }


@dataclasses.dataclass(frozen=True)
class Trusted:
    """Who may take a role over.

    :param principals: ARNs of roles and users, or numbers of accounts.
    :param principal_arns: narrows accounts to these, by ``aws:PrincipalArn``.
    :param organization: narrows all to an organisation.
    :param external_id: empty if none is asked for.
    :param pods: of Pod Identity.
    :param pod_role: ARN of the role in the clusters' account that they have first.
    """

    principals: tuple[str, ...] = ()
    principal_arns: tuple[str, ...] = ()
    organization: str = ""
    external_id: str = ""
    subjects: tuple[Subject, ...] = ()
    pods: tuple[Pod, ...] = ()
    pod_role: str = ""


def check_trusted(trusted: Trusted) -> Trusted:
    """Refuses what lets in more than is meant.

    :raises StowageError: ``invalid_option``.
    """
    if not trusted.principals and not trusted.subjects and not trusted.pods:
        raise unfit("Nobody is trusted: set principals, service_accounts or pod_identities.")
    for one in trusted.principals:
        if not _ACCOUNT.fullmatch(one) and not _ARN.fullmatch(one):
            raise unfit("principals takes account numbers, and ARNs of roles and users without wildcards.")
    if trusted.external_id and not _EXTERNAL_ID.fullmatch(trusted.external_id):
        raise unfit("external_id must be 2 to 1224 characters of those that AWS allows.")
    for subject in trusted.subjects:
        if not subject.issuer.startswith("https://") or "*" in subject.sub or "?" in subject.sub:
            raise unfit("service_accounts needs an https:// issuer, and names without wildcards.")
    if any(not _POD_PART.fullmatch(part) for pod in trusted.pods for part in (pod.namespace, pod.name)):
        raise unfit("pod_identities needs names of namespaces and service accounts, without wildcards.")
    if any(not _CLUSTER.fullmatch(pod.cluster) for pod in trusted.pods):
        raise unfit("pod_identities needs names and regions of clusters, without wildcards.")
    return trusted


def is_principal(arn: str) -> bool:
    """Whether something is the ARN of a role or user, without wildcards."""
    found = _ARN.fullmatch(arn)
    return found is not None and found[3] != "root"


def trust_statements(trusted: Trusted, role_account: str, partition: str) -> list[Statement]:
    """Our statements in a role's trust policy.

    The provider of web identities is that of the role's own account: STS looks for it nowhere else.
    """
    found: list[Statement] = []
    if trusted.principals:
        principals = sorted({principal_arn(one, partition) for one in trusted.principals})
        condition = narrowing(trusted)
        if trusted.external_id:
            condition.setdefault("StringEquals", {})["sts:ExternalId"] = trusted.external_id
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
    return found + [
        {**_pod_target(pod, trusted.pod_role, partition), "Sid": f"{POD}{number or ''}"}
        for number, pod in enumerate(sorted(trusted.pods))
    ]


def narrowing(trusted: Trusted) -> dict[str, dict[str, t.Any]]:
    """The condition that tells who of the principals is meant."""
    condition: dict[str, dict[str, t.Any]] = {}
    if trusted.organization:
        condition["StringEquals"] = {"aws:PrincipalOrgID": trusted.organization}
    if trusted.principal_arns:
        condition["ArnEquals"] = {"aws:PrincipalArn": sorted(trusted.principal_arns)}
    return condition


def _pod_target(pod: Pod, pod_role: str, partition: str) -> Statement:
    """Lets the role that pods have first take this one over, in sessions of the pods that are meant. The account is the
    principal, as AWS shows it, so that the role can be made again without being another principal."""
    return {
        "Effect": "Allow",
        "Principal": {"AWS": [account_arn(pod.account, partition)]},
        "Action": ["sts:AssumeRole", "sts:TagSession"],
        "Condition": {
            "StringEquals": {f"aws:RequestTag/{key}": value for key, value in pod.tags.items()},
            "ArnEquals": {"aws:PrincipalArn": pod_role},
        },
    }


def pod_statement(pod: Pod) -> Statement:
    """Lets EKS take over the role that pods have first, for the pods that are meant and no other cluster or account."""
    return {
        "Effect": "Allow",
        "Principal": {"Service": POD_SERVICE},
        "Action": ["sts:AssumeRole", "sts:TagSession"],
        "Condition": {
            "StringEquals": {
                "aws:SourceAccount": pod.account,
                "aws:RequestTag/kubernetes-namespace": pod.namespace,
                "aws:RequestTag/kubernetes-service-account": pod.name,
            },
            "ArnEquals": {"aws:SourceArn": pod.cluster},
        },
    }


def sid_of(role_arn: str) -> str:
    """What the Sids of a trust's statements begin with where statements of several trusts are side by side: in the policies of
    buckets, keys, and of who takes roles over. A Sid has letters and digits only, so the role's name alone would not do.

    :param role_arn: of the trust's role, also where there is none: it tells trusts apart.
    """
    words = "".join(word.capitalize() for word in role_arn.rpartition("/")[2].split("-"))
    return f"{SID}{words}{hashlib.sha256(role_arn.encode()).hexdigest()[:8]}"


def with_sids(role_arn: str, found: t.Iterable[tuple[str, Statement]]) -> list[Statement]:
    """Statements with Sids of a trust."""
    start = sid_of(role_arn)
    return [{**statement, "Sid": f"{start}{kind}"} for kind, statement in found]


def of_trust(document: t.Mapping[str, t.Any] | None, role_arn: str) -> list[t.Any]:
    """The statements of a trust in a policy that is not its own."""
    start = sid_of(role_arn)
    return [one for one in s3_policy.statements(document) if _sid(one).startswith(start)]


def not_of_trust(document: t.Mapping[str, t.Any] | None, role_arn: str) -> list[t.Any]:
    """The statements of others, those of other trusts among them."""
    mine = of_trust(document, role_arn)
    return [one for one in s3_policy.statements(document) if one not in mine]


def placed(
    document: t.Mapping[str, t.Any] | None, role_arn: str, ours: t.Sequence[Statement]
) -> dict[str, t.Any] | None:
    """A policy with a trust's statements instead of those it had, and all others as they were; ``None`` if none is left."""
    left = [*not_of_trust(document, role_arn), *ours]
    return {**(document or {"Version": "2012-10-17"}), "Statement": left} if left else None


def _sid(statement: t.Any) -> str:
    return str(statement.get("Sid") or "") if isinstance(statement, dict) else ""


def account_arn(account: str, partition: str) -> str:
    """An account as a principal."""
    return f"arn:{partition}:iam::{account}:root"


def provider_arn(host: str, account: str, partition: str) -> str:
    """The ARN of an issuer's provider in an account."""
    return f"arn:{partition}:iam::{account}:oidc-provider/{host}"


def assume_statement(role_arn: str, *, tags: bool = False) -> Statement:
    """What the other side needs: to take over this one role.

    :param tags: whether it tags its sessions.
    """
    actions = ["sts:AssumeRole", *(["sts:TagSession"] if tags else [])]
    return {"Sid": f"{sid_of(role_arn)}Assume", "Effect": "Allow", "Action": actions, "Resource": [role_arn]}


def buckets_named(document: t.Mapping[str, t.Any] | None) -> list[str]:
    """The buckets that the statements of a policy name."""
    resources = [one.get("Resource") for one in s3_policy.statements(document) if isinstance(one, dict)]
    arns = [arn for one in resources for arn in (one if isinstance(one, list) else [one]) if isinstance(arn, str)]
    return sorted({found[1] for arn in arns if (found := _BUCKET_ARN.match(arn))})


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
        principal["AWS"] = [principal_arn(one, partition) for one in _principals(statement)]
    return {**statement, "Principal": principal}


def _principals(statement: t.Any) -> list[str]:
    principal = statement.get("Principal") if isinstance(statement, dict) else None
    found = principal.get("AWS") if isinstance(principal, dict) else None
    return [str(one) for one in (found if isinstance(found, list) else [found]) if one]


def principal_arn(principal: str, partition: str) -> str:
    """The long form of an account's number."""
    return account_arn(principal, partition) if _ACCOUNT.fullmatch(principal) else principal


def unfit(message: str) -> StowageError:
    """The refusal of options that make no sense."""
    return StowageError("invalid_option", message, "ansible-doc stowage.kubernetes.aws_trust says what they take.")
