# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""EKS Pod Identity: the role in the cluster's account that pods have first, and who of them is associated with it and with the role
in the account of the bucket. Private to the collection."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import s3_policy
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import aws
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import aws_documents as documents
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.aws_documents import Pod
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.aws_iam import AwsApi, AwsRole, IamApi
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.aws_parts import Request
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.model import Change, in_use
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.s3_permissions import Statement, policy


@dataclasses.dataclass(frozen=True)
class PodsWanted:
    """What is to be there.

    :param account: of the clusters.
    :param role: the name of the role that pods have first.
    :param target_arn: the role that they get with it.
    """

    bucket: str
    account: str
    partition: str
    role: str
    target_arn: str
    pods: tuple[Pod, ...]

    @property
    def role_arn(self) -> str:
        """The ARN of the role that pods have first."""
        return f"arn:{self.partition}:iam::{self.account}:role/{self.role}"

    @property
    def statements(self) -> list[Statement]:
        """Ours in that role's trust policy."""
        numbered = enumerate(sorted(self.pods))
        return documents.with_sids(
            self.target_arn, ((f"Pod{number or ''}", documents.pod_statement(pod)) for number, pod in numbered)
        )

    @property
    def tags(self) -> dict[str, str]:
        """Our mark, of the role and of associations."""
        return {aws.MARK: self.bucket}


@dataclasses.dataclass(frozen=True)
class Association:
    """What EKS gives to the pods of a service account."""

    id: str
    role_arn: str
    target_arn: str
    ours: bool
    tagged: bool = True

    @property
    def shown(self) -> dict[str, t.Any]:
        """As changes show it."""
        return {"role": self.role_arn, "target_role": self.target_arn, "session_tags": self.tagged}


@dataclasses.dataclass(frozen=True)
class PodsFound:
    """What is there.

    :param associations: by the pods' address.
    :param missing: addresses whose cluster does not exist.
    """

    role: AwsRole | None
    associations: t.Mapping[str, Association]
    missing: frozenset[str] = frozenset()


class EksApi(AwsApi):
    """What is asked of EKS."""

    absent = frozenset({"ResourceNotFoundException"})

    def associations(self, pod: Pod, mark: t.Mapping[str, str]) -> list[Association] | None:
        """Those of a service account, of which there is one at most; ``None`` if there is no such cluster.

        :param mark: the tags that make it ours.
        """
        named = {"clusterName": pod.cluster_name}
        listed = self.asked("list_pod_identity_associations", **named, namespace=pod.namespace, serviceAccount=pod.name)
        if listed is None:
            return None
        associations = []
        for one in listed.get("associations") or ():
            asked = self.asked("describe_pod_identity_association", **named, associationId=one["associationId"])
            found = (asked or {}).get("association")
            if found:
                associations.append(
                    Association(
                        str(found["associationId"]),
                        str(found.get("roleArn") or ""),
                        str(found.get("targetRoleArn") or ""),
                        mark.items() <= (found.get("tags") or {}).items(),
                        not found.get("disableSessionTags"),
                    )
                )
        return associations


def plan(wanted: PodsWanted, found: PodsFound) -> list[Change]:
    """What differs, in the order in which it is changed. Pure.

    :raises StowageError: ``trust_in_use`` for an association that is somebody else's, ``invalid_option`` for a cluster that does
        not exist.
    """
    if found.missing:
        raise documents.unfit(f"There is no EKS cluster for {', '.join(sorted(found.missing))}.")
    changes = []
    if found.role is None:
        after = {"tags": wanted.tags, "trust_policy": policy(wanted.statements)}
        changes.append(Change("pod_role", wanted.role, None, after))
    else:
        changes += _plan_trust(wanted, found.role, wanted.statements)
    for pod in wanted.pods:
        there = found.associations.get(pod.address)
        association = Association("", wanted.role_arn, wanted.target_arn, ours=True)
        if there is None:
            changes.append(Change("pod_identity", pod.address, None, association.shown))
        elif there.shown != association.shown:
            _require_ours(pod, there)
            changes.append(Change("pod_identity", pod.address, there.shown, association.shown))
    return changes


def plan_removal(wanted: PodsWanted, found: PodsFound) -> list[Change]:
    """What is ours and there: the associations first. A role that is ours alone goes; from others only our statements. Pure.

    :raises StowageError: ``trust_in_use``.
    """
    changes = []
    for pod in wanted.pods:
        there = found.associations.get(pod.address)
        if there is not None and there.target_arn == wanted.target_arn:
            _require_ours(pod, there)
            changes.append(Change("pod_identity", pod.address, there.shown, None))
    return changes


def plan_role_removal(wanted: PodsWanted, found: PodsFound) -> list[Change]:
    """What becomes of the role that pods have first, after all else. Pure.

    :raises StowageError: ``trust_in_use`` if its trust policy, which nobody else has anything in, cannot be left empty.
    """
    role = found.role
    if role is None:
        return []
    left = documents.placed(role.trust, wanted.target_arn, [])
    assume = role.inline.get(aws.INLINE)
    others = [*role.attached, *role.profiles, *(role.inline.keys() - {aws.INLINE})]
    if assume and documents.placed(assume, wanted.target_arn, []) is not None:
        others.append(aws.INLINE)
    if wanted.tags.items() <= role.tags.items() and left is None and not others:
        return [Change("pod_role", wanted.role, {"trust_policy": role.trust}, None)]
    if left is None:
        raise in_use(wanted.role, ["it would be left without a trust policy, and is not ours to delete"])
    return _plan_trust(wanted, role, [])


def _plan_trust(wanted: PodsWanted, role: AwsRole, statements: t.Sequence[Statement]) -> list[Change]:
    after = documents.placed(role.trust, wanted.target_arn, statements)
    mine = documents.of_trust(role.trust, wanted.target_arn)
    if documents.same({"Statement": mine}, {"Statement": list(statements)}, wanted.partition):
        return []
    return [Change("pod_trust_policy", wanted.role, role.trust, after)]


def _require_ours(pod: Pod, found: Association) -> None:
    if not found.ours:
        raise in_use(pod.address, [f"its association {found.id} is somebody else's"])


class PodsPart:
    """The pods' part of a trust.

    :param iam: of the clusters' account.
    :param eks: by region.
    """

    def __init__(self, iam: IamApi, eks: t.Callable[[str], EksApi], wanted: PodsWanted) -> None:
        self._iam = iam
        self._wanted = wanted
        self._eks = {pod.region: eks(pod.region) for pod in wanted.pods}
        self._pods = {pod.address: pod for pod in wanted.pods}
        found = {pod.address: self._eks[pod.region].associations(pod, wanted.tags) for pod in wanted.pods}
        self._found = PodsFound(
            iam.role(wanted.role),
            {address: some[0] for address, some in found.items() if some},
            frozenset(address for address, some in found.items() if some is None),
        )

    def plan(self) -> list[Change]:
        """See :class:`~.aws_parts.Part`."""
        return plan(self._wanted, self._found)

    def plan_removal(self) -> list[Change]:
        """See :class:`~.aws_parts.Part`."""
        return plan_removal(self._wanted, self._found)

    def plan_role_removal(self) -> list[Change]:
        """What goes last."""
        return plan_role_removal(self._wanted, self._found)

    def request(self, change: Change) -> Request | None:
        """See :class:`~.aws_parts.Part`."""
        role = {"RoleName": self._wanted.role}
        if change.what == "pod_trust_policy":
            document = s3_policy.compact(change.after)
            return self._iam, "update_assume_role_policy", {**role, "PolicyDocument": document}
        if change.what == "pod_role" and change.after is None:
            return self._iam, "delete_role", role
        if change.what == "pod_role":
            made = {
                "AssumeRolePolicyDocument": s3_policy.compact(change.after["trust_policy"]),
                "Description": "Backups by stowage.kubernetes, for pods",
                "Tags": aws.tag_list(change.after["tags"]),
            }
            return self._iam, "create_role", {**role, **made}
        return self._of_association(change) if change.what == "pod_identity" else None

    def _of_association(self, change: Change) -> Request:
        pod = self._pods[change.name]
        eks, there = self._eks[pod.region], self._found.associations.get(pod.address)
        named = {"clusterName": pod.cluster_name}
        if change.after is None and there is not None:
            return eks, "delete_pod_identity_association", {**named, "associationId": there.id}
        roles = {
            "roleArn": self._wanted.role_arn,
            "targetRoleArn": self._wanted.target_arn,
            "disableSessionTags": False,
        }
        if there is not None:
            return eks, "update_pod_identity_association", {**named, "associationId": there.id, **roles}
        made = {"namespace": pod.namespace, "serviceAccount": pod.name, "tags": self._wanted.tags}
        return eks, "create_pod_identity_association", {**named, **made, **roles}
