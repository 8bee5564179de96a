# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What somebody else is asked to set up at AWS, in words, documents and command lines. Private to the collection. Pure."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import aws, aws_bucket
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import aws_documents as documents
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.aws_wanted import Wants


def review(wants: Wants) -> str:
    """The whole of it, as Markdown."""
    shown = wants.documents
    parts = [f"# Trust {wants.role.name} at AWS", f"## In the account {wants.role.account}, which has the bucket"]
    parts += _role(wants, shown) if wants.by_role else _owned(wants)
    parts += _bucket(wants, shown) + _key(wants, shown) + _grants(wants)
    return "\n\n".join([*parts, *_other_account(wants, shown), *_keys(wants)]) + "\n"


def _role(wants: Wants, shown: t.Mapping[str, t.Any]) -> list[str]:
    role = wants.role
    tags = " ".join(f"Key={key},Value={value}" for key, value in role.all_tags.items())
    boundary = f" --permissions-boundary {role.boundary}" if role.boundary else ""
    providers = [
        f"aws iam create-open-id-connect-provider --url https://{host} --client-id-list {documents.AUDIENCE} "
        f"--tags Key={aws.MARK},Value={role.bucket}"
        for host in role.hosts
    ]
    return [
        (
            f"A role {role.name}. Who may take it over (`trust.json`; where it says CHOOSE-ONE, put a long random text, and use that as "
            "`external_id`):"
        ),
        _json(shown["trust_policy"]),
        "What it may do then (`permissions.json`):",
        _json(shown["permissions"]),
        _commands(
            *providers,
            f"aws iam create-role --role-name {role.name} --assume-role-policy-document file://trust.json \\",
            f"    --max-session-duration {role.longest}{boundary} --tags {tags}",
            f"aws iam put-role-policy --role-name {role.name} --policy-name {aws.INLINE} "
            "--policy-document file://permissions.json",
        ),
    ]


def _owned(wants: Wants) -> list[str]:
    rule = f"'Rules=[{{ObjectOwnership={aws_bucket.OWNED}}}]'"
    return [
        "No role: the bucket's policy lets the other account in. Objects that are written from there have to belong to this account:",
        _commands(
            f"aws s3api get-bucket-ownership-controls --bucket {wants.role.bucket}",
            f"aws s3api put-bucket-ownership-controls --bucket {wants.role.bucket} --ownership-controls {rule}",
        ),
    ]


def _bucket(wants: Wants, shown: t.Mapping[str, t.Any]) -> list[str]:
    if "bucket_policy" not in shown:
        return []
    bucket = wants.role.bucket
    return [
        "Statements in the policy of the bucket. A policy is written as a whole: put these among those that are there, in `bucket.json`.",
        _json(shown["bucket_policy"]),
        _commands(
            f"aws s3api get-bucket-policy --bucket {bucket} --query Policy --output text > bucket.json",
            f"aws s3api put-bucket-policy --bucket {bucket} --policy file://bucket.json",
        ),
    ]


def _key(wants: Wants, shown: t.Mapping[str, t.Any]) -> list[str]:
    if wants.key is None or "key_policy" not in shown:
        return []
    named = f"--key-id {wants.key.arn} --policy-name default"
    return [
        (
            "A statement in the policy of the key. Put it among those that are there, in `key.json`; without those of the key's "
            "administrators nobody could change the policy any more."
        ),
        _json(shown["key_policy"]),
        _commands(
            f"aws kms get-key-policy {named} --query Policy --output text > key.json",
            f"aws kms put-key-policy {named} --policy file://key.json",
        ),
    ]


def _grants(wants: Wants) -> list[str]:
    if wants.grants is None or not wants.grants.grantees:
        return []
    key = f"--key-id {wants.grants.arn}"
    made = [
        f"aws kms create-grant {key} --grantee-principal {grantee} --operations {' '.join(wants.grants.operations)} "
        f"--name {wants.grants.name}"
        for grantee in wants.grants.grantees
    ]
    return [
        (
            "Grants of the key, to be made when the permissions are there: they allow its use outside S3 as well, which the permissions deny. The "
            "last command lists them, and `aws kms revoke-grant` takes one back. Those of a key that was used before are taken back "
            "before permissions change."
        ),
        _commands(*made, f"aws kms list-grants {key}"),
    ]


def _other_account(wants: Wants, shown: t.Mapping[str, t.Any]) -> list[str]:
    heading = "## In the account of the cluster"
    if wants.pods:
        return [heading, *_pods(wants, shown)]
    if not wants.by_role:
        return [
            heading,
            "For the role or user that the bucket's policy names (`party.json`); both sides have to allow it:",
            _json(shown["party_permissions"]),
            _holder_commands(wants.bucket.policy_name, "party.json"),
        ]
    return [
        heading,
        "For the role or user that takes it over (`assume.json`):",
        _json(shown["assume_permission"]),
        _holder_commands(aws.INLINE, "assume.json"),
    ]


def _holder_commands(name: str, file: str) -> str:
    return _commands(
        f"aws iam put-role-policy --role-name ROLE-OF-THE-CLUSTER --policy-name {name} --policy-document file://{file}",
        f"aws iam put-user-policy --user-name OR-ITS-USER --policy-name {name} --policy-document file://{file}",
    )


def _keys(wants: Wants) -> list[str]:
    if wants.keys is None:
        return []
    user = f"--user-name {wants.keys.user}"
    return [
        (
            "An access key of the user, which belongs into a file of mode 0600 as "
            '`{"access_key": "...", "secret_key": "..."}`, at the secret_path of later runs. To replace it: a new one first, into the file; '
            "when it is seen to work, the old one is disabled, and deleted later."
        ),
        _commands(
            f"aws iam create-access-key {user}",
            f"aws iam update-access-key {user} --access-key-id THE-OLD-ONE --status Inactive",
            f"aws iam delete-access-key {user} --access-key-id THE-OLD-ONE",
        ),
    ]


def _pods(wants: Wants, shown: t.Mapping[str, t.Any]) -> list[str]:
    pods = wants.pods
    if pods is None:
        return []
    associations = [
        f"aws eks create-pod-identity-association --region {pod.region} --cluster-name {pod.cluster_name} "
        f"--namespace {pod.namespace} \\\n    --service-account {pod.name} --role-arn {pods.role_arn} "
        f"--target-role-arn {pods.target_arn} --tags {aws.MARK}={pods.bucket}"
        for pod in pods.pods
    ]
    return [
        (
            f"A role {pods.role}, which EKS takes over for the pods first (`pods.json`; if the role is there, put the statements among those "
            "of its trust policy, and use `aws iam update-assume-role-policy`):"
        ),
        _json(shown["pod_trust_policy"]),
        "What it may do is to take over the other role, with tags (`assume.json`):",
        _json(shown["assume_permission"]),
        "The cluster needs the add-on eks-pod-identity-agent, which is none of this.",
        _commands(
            f"aws iam create-role --role-name {pods.role} --assume-role-policy-document file://pods.json "
            f"--tags Key={aws.MARK},Value={pods.bucket}",
            f"aws iam put-role-policy --role-name {pods.role} --policy-name {aws.INLINE} --policy-document file://assume.json",
            *associations,
        ),
    ]


def _json(document: t.Any) -> str:
    return f"```json\n{json.dumps(document, indent=2)}\n```"


def _commands(*lines: str) -> str:
    return "\n".join(["```", *lines, "```"])
