# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two accounts of AWS, and trust between them, for tests."""

from __future__ import annotations

import json
import uuid
from typing import Any

from support import modules
from support.aws import allow, document
from testbed import MiniStack
from testbed.ministack import BUCKET_ACCOUNT, ROOT_SECRET, WORKLOAD_ACCOUNT

PREFIX = "fleet"
Tree = dict[str, Any]
MORE = [
    ("s3:GetObject", "{bucket}/fleet/clusters/*/velero-backup.json", "other_cluster_document_read_refused"),
    ("s3:GetObject", "{bucket}/fleet/clusters/*/stowage-manifest.json", "other_cluster_manifest_read_refused"),
    ("s3:GetObject", "{bucket}/fleet/clusters/*/metadata/*", "other_cluster_metadata_read_refused"),
    ("s3:PutObject", "{bucket}/fleet/clusters/*/metadata/*", "other_cluster_metadata_create_refused"),
    ("s3:GetObject", "{bucket}/fleet/clusters/*/restores/*", "other_cluster_restore_read_refused"),
    ("s3:PutObject", "{bucket}/fleet/clusters/*/restores/*", "other_cluster_restore_create_refused"),
    ("s3:GetObject", "{bucket}/fleet/workspaces/*", "other_cluster_record_read_refused"),
    ("s3:PutObject", "{bucket}/fleet/workspaces/*", "other_cluster_record_create_refused"),
    ("s3:DeleteObject", "{bucket}/*/velero-backup.json", "document_delete_refused"),
    ("s3:GetObject", "{bucket}/stowage-*", "outside_prefix_read_refused"),
    ("s3:DeleteObject", "{bucket}/stowage-*", "outside_prefix_delete_refused"),
]
"""What a writer is given by hand, and the line that has to see it."""


class World:
    """A bucket in one account, a user in another, and trust between them."""

    def __init__(self, aws: MiniStack) -> None:
        run = uuid.uuid4().hex[:8]
        self.aws = aws
        self.bucket = aws.create_bucket(f"trust-{run}")
        self.name = f"stowage-{run}"
        self.user = f"controller-{run}"
        self.mine = aws.iam(BUCKET_ACCOUNT)
        self.theirs = aws.iam(WORKLOAD_ACCOUNT)
        # Whoever sets trust up may change IAM; the proof needs nothing of that.
        self.keys = aws.user(WORKLOAD_ACCOUNT, self.user, document(allow("iam:*")))
        self.principal = f"arn:aws:iam::{WORKLOAD_ACCOUNT}:user/{self.user}"
        self.where: Tree = {
            "provider": "aws",
            "endpoint": aws.endpoint,
            "bucket": self.bucket,
            "prefix": PREFIX,
            "region": aws.region,
            "ca_cert": str(aws.ca_cert),
        }

    def auth(self, keys: tuple[str, str]) -> Tree:
        access, secret = keys
        return {"method": "access_key", "access_key": access, "secret_key": secret, "sts_endpoint": self.aws.endpoint}

    def run(self, *, check: bool = False, apart: bool = False, **options: Any) -> Tree:
        """What the module returns; no secret is in it.

        :param apart: in a process of its own, as a task does.
        """
        root = self.auth((BUCKET_ACCOUNT, ROOT_SECRET))
        args = {
            "name": self.name,
            "location": self.where,
            "clusters": None if options.get("permissions") == "coordinator" else ["prod-1"],
            "principals": [self.principal],
            "location_account": {"account": BUCKET_ACCOUNT, "auth": root},
            "cluster_account": {"account": WORKLOAD_ACCOUNT, "auth": self.auth(self.keys), "user": self.user},
            "iam_endpoint": self.aws.endpoint,
            "sts_endpoint": self.aws.endpoint,
            "eks_endpoint": self.aws.endpoint,
            "kms_endpoint": self.aws.endpoint,
            "verify_timeout": 0,
            **options,
        }
        try:
            found = (modules.run if apart else modules.run_here)("aws_trust", args, check=check, diff=True)
        except modules.Failed as failed:
            found = failed.result
        assert self.keys[1] not in json.dumps(found)
        return found

    def present(self, **options: Any) -> Tree:
        """The trust, after it was made."""
        found = self.run(**options)
        assert not found.get("failed"), json.dumps(found)
        trust: Tree = found["trust"]
        return trust

    def administrator(self) -> Tree:
        """Who administers the bucket's account. The emulator holds a root to no policy, so it is a user."""
        keys = self.aws.user(BUCKET_ACCOUNT, f"{self.user}-admin", document(allow(["iam:*", "s3:*", "kms:*"])))
        return {"account": BUCKET_ACCOUNT, "auth": self.auth(keys)}

    def fill(self) -> list[str]:
        """Objects of another cluster and beside the location, and their keys: AWS tells who may not list nothing of what is not there."""
        within = [
            "clusters/prod-10/backups/b/b.tar.gz",
            "clusters/prod-10/backups/b/stowage-manifest.json",
            "clusters/prod-10/backups/b/velero-backup.json",
            "clusters/prod-10/metadata/stowage/x.json",
            "clusters/prod-10/restores/r/stowage-restore.json",
            "workspaces/w/runs/r/prod-10/1.json",
        ]
        keys = [*(f"{PREFIX}/{one}" for one in within), "stowage-else/x"]
        for key in keys:
            self.aws.client().put_object(Bucket=self.bucket, Key=key, Body=b"x")
        return keys

    def bucket_policy(self) -> list[Tree]:
        """The statements of the bucket's policy."""
        try:
            found = self.aws.client().get_bucket_policy(Bucket=self.bucket)["Policy"]
        except self.aws.client().exceptions.ClientError:
            return []
        statements: list[Tree] = json.loads(found)["Statement"]
        return statements

    def put_bucket_policy(self, statements: list[Tree]) -> None:
        self.aws.client().put_bucket_policy(Bucket=self.bucket, Policy=document(*statements))

    def trust_policy(self) -> Tree:
        found: Tree = self.mine.get_role(RoleName=self.name)["Role"]["AssumeRolePolicyDocument"]  # type: ignore[assignment]  # decoded
        return found

    def put_trust_policy(self, policy: Tree) -> None:
        self.mine.update_assume_role_policy(RoleName=self.name, PolicyDocument=json.dumps(policy))


def verdicts(trust: Tree) -> dict[str, str]:
    """By line, but for the one that S3 tells nobody, and the one about a port that is not known."""
    found = {line["id"]: line["verdict"] for line in trust["checks"]}
    for unknown in ("anonymous_read_refused", "plain_http_refused"):
        assert found.pop(unknown, "unknown") == "unknown"
    return found


def failed_lines(found: Tree) -> list[str]:
    """The lines that keep a trust from being proven."""
    assert found.get("error_code") == "trust_not_proven", json.dumps(found)
    lines: list[str] = found["error_details"]["checks"]
    return lines


def changes(trust: Tree) -> list[tuple[str, bool, bool]]:
    """The kinds of what is changed, and whether each was there and will be."""
    return [(one["what"], one["before"] is not None, one["after"] is not None) for one in trust["changes"]]
