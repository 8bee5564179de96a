# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Permission sets, and the policies that they become: nobody gets more than the set says."""

from __future__ import annotations

import fnmatch
import re
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.s3_permissions import (
    action,
    is_ours,
    policy,
    statements,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.sets import (
    MOST_OTHERS,
    PERMISSION_SETS,
    Operation,
    PermissionSet,
    grants,
    other_clusters,
)

CLUSTERS = st.lists(st.from_regex(r"[a-z][a-z0-9]{0,8}", fullmatch=True), min_size=1, max_size=3, unique=True)
PREFIXES = st.sampled_from(["", "fleet", "a/b"])
KEYS = st.lists(
    st.sampled_from(
        [
            "clusters",
            "a",
            "b1",
            "backups",
            "restores",
            "metadata",
            "stowage",
            "workspaces",
            "w",
            "runs",
            "r",
            "1.json",
            "expected.json",
        ]
    ),
    min_size=1,
    max_size=6,
).map("/".join)
OBJECTS: tuple[Operation, ...] = ("create", "read", "delete", "abort", "list_parts")


def fits(pattern: str, text: str) -> bool:
    """Whether a text fits a pattern of IAM, in which * stands for anything."""
    return bool(re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text, re.DOTALL))


def allows(found: list[dict[str, t.Any]], operation: Operation, bucket: str, key: str) -> bool:
    """What IAM would say of a request: our own reading of the policy, apart from the code that makes it."""
    for statement in found:
        if action(operation) not in statement["Action"] or statement["Effect"] != "Allow":
            continue
        if operation == "list":
            patterns = statement.get("Condition", {"StringLike": {"s3:prefix": ["*"]}})["StringLike"]["s3:prefix"]
            if f"arn:aws:s3:::{bucket}" in statement["Resource"] and any(fits(one, key) for one in patterns):
                return True
        elif any(fits(resource, f"arn:aws:s3:::{bucket}/{key}") for resource in statement["Resource"]):
            return True
    return False


def may(name: PermissionSet, operation: Operation, clusters: list[str], key: str) -> bool:
    """What DESIGN says of a request, key by key."""
    parts = key.split("/")
    if name == "coordinator":
        begun = parts[0] == "workspaces" and len(parts) >= 5 and "runs" in parts[2:-2] and parts[-1] == "expected.json"
        return (operation == "create" and begun) or (
            operation == "read" and parts[0] == "workspaces" and len(parts) > 1
        )
    of_run = len(parts) >= 6 and parts[0] == "workspaces" and "runs" in parts[2:-3]
    if parts[0] != "clusters" or len(parts) < 3 or parts[1] not in clusters:
        mine = of_run and any(part in clusters for part in parts[4:-1])
        # With a name of a cluster deeper in the path, * reaches over slashes: not decided here.
        return mine and operation in ({"create", "read", "abort", "list_parts"} if name == "writer" else {"read"})
    rest = "/".join(parts[2:])
    document = fnmatch.fnmatchcase(rest, "backups/*/velero-backup.json") or fnmatch.fnmatchcase(
        rest, "backups/*/stowage-manifest.json"
    )
    ours = rest.startswith("metadata/stowage/")
    report = fnmatch.fnmatchcase(rest, "restores/*/stowage-restore.json")
    writes = rest.startswith("backups/") or ours
    rules: dict[PermissionSet, dict[Operation, bool]] = {
        "writer": {"create": writes, "abort": writes, "list_parts": writes, "read": document or ours},
        "reader": {"read": True},
        "pruner": {"read": document or ours or report, "delete": True, "abort": True},
        "auditor": {"read": document},
    }
    return rules[name].get(operation, False)


@given(st.sampled_from(PERMISSION_SETS), CLUSTERS, PREFIXES, KEYS, st.sampled_from(OBJECTS))
def test_a_policy_allows_what_the_set_says(
    name: PermissionSet, clusters: list[str], prefix: str, key: str, operation: Operation
) -> None:
    found = statements(grants(name, clusters), "b", prefix)
    full = f"{prefix}/{key}" if prefix else key
    if key.startswith("workspaces/") and name != "coordinator":
        return
    assert allows(found, operation, "b", full) is may(name, operation, clusters, key)
    assert not allows(found, operation, "other", full)
    if prefix:
        assert not allows(found, operation, "b", key), "outside of the prefix"


@pytest.mark.parametrize("name", PERMISSION_SETS)
def test_records_of_runs(name: PermissionSet) -> None:
    found = statements(grants(name, ["a"]), "b", "fleet")
    mine, others = "fleet/workspaces/w/runs/r/a/1.json", "fleet/workspaces/w/runs/r/b1/1.json"
    of_all = name == "coordinator"
    assert allows(found, "read", "b", mine)
    assert allows(found, "create", "b", mine) is (name == "writer")
    assert allows(found, "read", "b", others) is of_all
    assert allows(found, "create", "b", "fleet/workspaces/w/runs/r/expected.json") is of_all
    assert allows(found, "list", "b", "fleet/workspaces/w/runs/r/a/") is (name in ("writer", "reader", "coordinator"))
    assert allows(found, "list", "b", "fleet/workspaces/w/runs/r/") is of_all


@pytest.mark.parametrize("name", PERMISSION_SETS)
def test_only_the_folders_of_the_clusters_are_listed(name: PermissionSet) -> None:
    found = statements(grants(name, ["a"]), "b", "fleet")
    assert allows(found, "list", "b", "fleet/clusters/a/backups/") is (name != "coordinator")
    for elsewhere in ("", "fleet/", "fleet/clusters/", "fleet/clusters/ab/", "clusters/a/"):
        assert not allows(found, "list", "b", elsewhere)


def test_a_reader_may_keep_its_reports() -> None:
    found = statements(grants("reader", ["a"], writes_restores=True), "b", "")
    assert allows(found, "create", "b", "clusters/a/restores/r/report.json")
    assert not allows(found, "create", "b", "clusters/a/backups/x/y")
    assert not allows(statements(grants("reader", ["a"]), "b", ""), "create", "b", "clusters/a/restores/r/x")


def test_nobody_gets_what_an_engine_never_needs() -> None:
    for name in PERMISSION_SETS:
        found = statements(grants(name, ["a"], writes_restores=True), "b", "")
        every = {one for statement in found for one in statement["Action"]}
        assert every <= {
            "s3:PutObject",
            "s3:GetObject",
            "s3:DeleteObject",
            "s3:AbortMultipartUpload",
            "s3:ListMultipartUploadParts",
            "s3:ListBucket",
            "s3:ListBucketMultipartUploads",
            "s3:GetBucketLocation",
        }


def test_a_policy_is_ours_by_its_sids() -> None:
    made = policy(statements(grants("writer", ["a", "b"]), "b", "fleet"))
    assert is_ours(made, "b")
    assert not is_ours(made, "bb")
    sids = [statement["Sid"] for statement in made["Statement"]]
    assert len(set(sids)) == len(sids)
    assert all(re.fullmatch("[A-Za-z0-9]+", sid) for sid in sids)
    foreign = {**made, "Statement": [*made["Statement"], {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    named = [{**statement, "Sid": "StowageOfSomebody"} for statement in made["Statement"]]
    others: list[t.Any] = [foreign, {}, {"Statement": []}, None, {"Statement": {"Sid": "Mine"}}, {"Statement": named}]
    for other in others:
        assert not is_ours(other, "b")


def test_other_partitions() -> None:
    found = statements(grants("writer", ["a"]), "b", "", partition="aws-cn")
    assert all(resource.startswith("arn:aws-cn:s3:::b") for one in found for resource in one["Resource"])


def test_what_is_no_cluster() -> None:
    for name in ("*", "a/b", "..", ""):
        with pytest.raises(StowageError) as caught:
            grants("writer", [name])
        assert caught.value.code == "invalid_name"


def test_other_clusters_are_those_that_are_most_easily_let_in() -> None:
    folders = ["prod-1", "a", "prod-10", "", "x{y}", "a/b", "prod-1-blue", "prod-2"]
    assert other_clusters(folders, ["prod-1"]) == ("prod-1-blue", "prod-10", "a", "prod-2")
    assert other_clusters(folders, ["prod-1", "prod-10", "prod-1-blue", "prod-2", "a"]) == ()
    assert len(other_clusters((f"c{number}" for number in range(99)), ["prod-1"])) == MOST_OTHERS
