# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All that a trust may make in a MinIO, and what is in its bucket, for comparing what there is before and after."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from minio.error import MinioAdminException

from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.minio_admin import MinioAdminApi
from testbed import MinIO

Tree = dict[str, Any]


def listing(store: MinIO, bucket: str) -> Tree:
    """By kind and name, as changes name them. The times of changes are left out."""
    admin = store.admin()
    api = MinioAdminApi(store.endpoint, store.access_key, store.secret_key, str(store.ca_cert))
    policies = json.loads(admin.policy_list())
    found: Tree = {f"policy {name}": _sorted(document) for name, document in policies.items()}
    for name in policies:
        if holders := api.directory_holders(name):
            found[f"directory {name}"] = holders
    # Those of a directory are told of with its policies' holders.
    for user in (one for one in _names(store, "user_list") if "=" not in one):
        told = json.loads(admin.user_info(user))
        found[f"user {user}"] = told.get("status")
        if told.get("policyName"):
            found[f"attachment {user}"] = told["policyName"]
        found |= {f"access_key {key}": status for key, status in keys(store, user).items()}
    for group in (one for one in _names(store, "group_list") if "=" not in one):
        told = json.loads(admin.group_info(group))
        found[f"group {group}"] = {"members": sorted(told.get("members") or ()), "policy": told.get("policy")}
    answer: Tree = dict(store.client().list_object_versions(Bucket=bucket))
    found["objects"] = [(one["Key"], one["VersionId"]) for one in _versions(answer)]
    found["uploads"] = store.uploads(bucket)
    return found


def keys(store: MinIO, user: str) -> dict[str, str]:
    """The access keys of a user, and whether each is on."""
    accounts = json.loads(store.admin().list_service_account(user)).get("accounts") or ()
    return {one["accessKey"]: one["accountStatus"] for one in accounts}


def empty(store: MinIO, bucket: str) -> None:
    """Removes all versions of all objects."""
    client = store.client()
    answer: Tree = dict(client.list_object_versions(Bucket=bucket))
    for one in _versions(answer):
        client.delete_object(Bucket=bucket, Key=one["Key"], VersionId=one["VersionId"])


def _sorted(tree: Any) -> Any:
    """Lists in order: MinIO tells sets as they come."""
    if isinstance(tree, dict):
        return {name: _sorted(value) for name, value in tree.items()}
    return sorted(map(_sorted, tree), key=str) if isinstance(tree, list) else tree


def _versions(answer: Tree) -> Iterator[Tree]:
    yield from answer.get("Versions", [])
    yield from answer.get("DeleteMarkers", [])


def _names(store: MinIO, method: str) -> list[str]:
    """Names of users or groups; none where a directory has them."""
    try:
        found = json.loads(getattr(store.admin(), method)())
    except MinioAdminException:
        return []
    return list(found or ())
