# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trust in a real MinIO: who gets in, who does not, and that the proof sees when somebody does who should not."""

from __future__ import annotations

import json
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.minio_admin import MinioAdminApi
from support import modules
from support.aws import allow, document
from support.minio_trust import Tree, World, changes, verdicts
from testbed import MinIO
from testbed.cluster import Cluster

SETS = ("writer", "reader", "pruner", "auditor", "coordinator")


@pytest.fixture
def world(minio: MinIO, tmp_path: Path) -> Iterator[World]:
    """A new bucket, and a trust that is removed in the end."""
    found = World(minio, tmp_path)
    yield found
    found.run(state="absent")


@pytest.mark.parametrize("permissions", SETS)
def test_a_permission_set_is_made_proven_and_taken_away(world: World, permissions: str) -> None:
    planned = world.run(check=True, permissions=permissions)
    assert not world.secret_path.exists()
    assert set(verdicts(planned["trust"]).values()) == {"unknown"}, "there is nothing yet that could be proven"
    made = world.run(permissions=permissions)
    assert made["changed"] is planned["changed"] is True
    assert changes(made["trust"]) == changes(planned["trust"])
    assert set(verdicts(made["trust"]).values()) == {"passed"}
    assert stat.S_IMODE(world.secret_path.stat().st_mode) == 0o600
    again = world.run(permissions=permissions)
    assert (again["changed"], again["trust"]["changes"]) == (False, [])
    assert verdicts(again["trust"]) == verdicts(made["trust"])
    assert again["trust"]["auth"] == {"method": "access_key", "access_key": world.keys()["access_key"]}
    checked = world.run(check=True, permissions=permissions)
    assert checked["changed"] is False
    versions = world.store.client().list_object_versions(Bucket=world.bucket)
    assert versions.get("Versions", []) == versions.get("DeleteMarkers", []) == [], "the proof left something"
    assert world.store.uploads(world.bucket) == []

    planned = world.run(check=True, state="absent")
    gone = world.run(state="absent")
    assert changes(gone["trust"]) == changes(planned["trust"])
    assert world.run(state="absent")["changed"] is False
    assert world.name not in json.loads(world.admin.policy_list())
    assert world.name not in json.loads(world.admin.user_list())


@pytest.mark.parametrize(
    ("action", "resource", "line"),
    [
        ("s3:GetObject", "{bucket}/*", "read_refused"),
        ("s3:DeleteObject", "{bucket}/fleet/clusters/prod-1/*", "delete_refused"),
        ("s3:PutObject", "{bucket}/fleet/*", "other_cluster_create_refused"),
        ("s3:PutObject", "{bucket}/*", "outside_prefix_create_refused"),
        ("s3:ListBucket", "{bucket}", "other_cluster_list_refused"),
        ("s3:GetObject", "{bucket}/fleet/clusters/*/velero-backup.json", "other_cluster_document_read_refused"),
        ("s3:PutObject", "{bucket}/fleet/clusters/*/metadata/*", "other_cluster_metadata_create_refused"),
        ("s3:PutObject", "{bucket}/fleet/workspaces/*", "other_cluster_record_create_refused"),
        ("s3:DeleteObject", "{bucket}/*/velero-backup.json", "document_delete_refused"),
        ("s3:GetObject", "{bucket}/stowage-*", "outside_prefix_read_refused"),
    ],
)
def test_who_may_do_more_is_found_out(world: World, action: str, resource: str, line: str) -> None:
    assert verdicts(world.present())[line] == "passed"
    more = world.add_policy(allow(action, f"arn:aws:s3:::{resource.format(bucket=world.bucket)}"))
    world.admin.attach_policy([more], user=world.name)
    found = world.run()
    assert (found["error_code"], line in found["error_details"]["checks"]) == ("trust_not_proven", True)
    assert verdicts(found["trust"])[line] == "failed"
    refused = world.run(state="absent")
    assert refused["error_code"] == "trust_in_use"
    assert f"policy {more} of the user" in refused["msg"]
    world.admin.detach_policy([more], user=world.name)
    assert set(verdicts(world.present()).values()) == {"passed"}


def test_a_cluster_that_is_there_is_tried(world: World) -> None:
    world.store.client().put_object(Bucket=world.bucket, Key="fleet/clusters/prod-10/backups/b/b.tar.gz", Body=b"x")
    trust = world.present()
    assert set(verdicts(trust).values()) == {"passed"}
    assert "s3:GetObject in clusters/prod-10/backups/*/*.tar.gz" in [line["what"] for line in trust["checks"]]
    # The mistake of a missing slash.
    more = world.add_policy(allow("s3:GetObject", f"arn:aws:s3:::{world.bucket}/fleet/clusters/prod-10*"))
    world.admin.attach_policy([more], user=world.name)
    assert "other_cluster_read_refused" in world.run()["error_details"]["checks"]
    world.admin.detach_policy([more], user=world.name)


def test_a_bucket_that_is_open_to_everybody_is_found_out(world: World) -> None:
    world.present()
    bucket = f"arn:aws:s3:::{world.bucket}"
    policy = document(allow(["s3:ListBucket"], bucket, Principal={"AWS": ["*"]}))
    world.store.client().put_bucket_policy(Bucket=world.bucket, Policy=policy)
    found = world.run()
    assert found["error_details"]["checks"] == ["anonymous_list_refused"]


def test_who_may_do_less_is_found_out(world: World) -> None:
    world.present()
    deny = {**allow("s3:PutObject", f"arn:aws:s3:::{world.bucket}/*"), "Effect": "Deny"}
    less = world.add_policy(deny)
    world.admin.attach_policy([less], user=world.name)
    found = world.run()
    assert found["error_details"]["checks"] == ["create_allowed"]
    world.admin.detach_policy([less], user=world.name)


def test_a_refusal_of_somebody_who_never_gets_in_proves_nothing(world: World) -> None:
    world.present()
    world.admin.user_disable(world.name)
    found = world.run()
    seen = verdicts(found["trust"])
    assert seen["list_allowed"] == "failed"
    assert seen["delete_refused"] == seen["other_cluster_read_refused"] == "unknown"
    world.admin.user_enable(world.name)


def test_another_s_keys_must_not_get_in(world: World, tmp_path: Path) -> None:
    other = World(world.store, tmp_path)
    other.present(clusters=["prod-2"])
    them = {"name": "prod-2", **other.keys()}
    seen = verdicts(world.present(verify_as=[them]))
    assert seen["as_prod-2_list_refused"] == seen["as_prod-2_create_refused"] == "passed"
    root = {"name": "root", "access_key": world.store.access_key, "secret_key": world.store.secret_key}
    found = world.run(verify_as=[root])
    assert found["error_details"]["checks"] == ["as_root_list_refused", "as_root_create_refused"]
    other.run(state="absent")


def test_a_line_may_be_required(world: World) -> None:
    world.present()
    world.admin.user_disable(world.name)
    found = world.run(verify_required=["delete_refused"])
    assert "delete_refused" in found["error_details"]["checks"]
    world.admin.user_enable(world.name)


def test_keys_are_replaced_one_after_the_other(world: World) -> None:
    world.present()
    old = world.keys()
    planned = world.run(check=True, rotate=True)
    turned = world.present(rotate=True)
    new = world.keys()
    assert new["access_key"] != old["access_key"]
    assert changes(turned) == changes(planned["trust"]) == [("access_key", False, True), ("access_key", True, True)]
    keys = {one["accessKey"]: one["accountStatus"] for one in accounts(world)}
    assert keys == {old["access_key"]: "off", new["access_key"]: "on"}
    assert changes(world.present()) == [("access_key", True, False)]
    assert [one["accessKey"] for one in accounts(world)] == [new["access_key"]]
    assert world.run()["changed"] is False


def test_an_old_key_stays_until_the_new_one_is_proven(world: World) -> None:
    world.present()
    more = world.add_policy(allow("s3:DeleteObject", f"arn:aws:s3:::{world.bucket}/*"))
    world.admin.attach_policy([more], user=world.name)
    assert world.run(rotate=True)["error_code"] == "trust_not_proven"
    assert {one["accountStatus"] for one in accounts(world)} == {"on"}
    world.admin.detach_policy([more], user=world.name)
    assert changes(world.present()) == [("access_key", True, True)], "what failed is made up for"
    assert {one["accessKey"]: one["accountStatus"] for one in accounts(world)}[world.keys()["access_key"]] == "on"
    assert sorted(one["accountStatus"] for one in accounts(world)) == ["off", "on"]


def test_a_key_that_was_made_and_never_kept_goes(world: World) -> None:
    world.present()
    kept, secret = world.keys(), secrets.token_urlsafe(20)
    # As a task that is killed between the two leaves it.
    world.admin.user_add(world.name, secret)
    api = MinioAdminApi(world.store.endpoint, world.name, secret, str(world.store.ca_cert))
    lost, _secret = api.make_access_key()
    assert changes(world.present()) == [("access_key", True, True)]
    assert {one["accessKey"]: one["accountStatus"] for one in accounts(world)} == {
        kept["access_key"]: "on",
        lost: "off",
    }
    assert changes(world.present()) == [("access_key", True, False)]
    assert world.keys() == kept


def test_without_a_proof_no_old_key_goes(world: World) -> None:
    world.present()
    planned = world.run(check=True, rotate=True, verify=False)
    assert (
        changes(world.present(rotate=True, verify=False)) == changes(planned["trust"]) == [("access_key", False, True)]
    )
    assert {one["accountStatus"] for one in accounts(world)} == {"on"}


def test_a_user_that_somebody_disabled_stays_so(world: World) -> None:
    world.present()
    world.admin.user_disable(world.name)
    assert world.run(rotate=True)["error_code"] == "unsafe_change"
    assert json.loads(world.admin.user_info(world.name))["status"] == "disabled"


def test_a_file_with_the_keys_of_somebody_else_is_left_alone(world: World) -> None:
    content = json.dumps({"access_key": world.store.access_key, "secret_key": "canary"})
    world.secret_path.write_text(content, encoding="ascii")
    assert world.run()["error_code"] == "invalid_option"
    assert world.secret_path.read_text(encoding="ascii") == content
    assert world.name not in json.loads(world.admin.policy_list())
    world.secret_path.unlink()


def test_a_trust_for_another_bucket_is_left_alone(world: World, tmp_path: Path) -> None:
    world.present()
    other = World(world.store, tmp_path)
    other.name = world.name
    assert other.run()["error_code"] == other.run(state="absent")["error_code"] == "trust_in_use"
    assert set(verdicts(world.present()).values()) == {"passed"}


def test_what_cannot_be_kept_is_not_made(world: World) -> None:
    world.secret_path.mkdir()
    for check in (True, False):
        found = world.run(check=check)
        assert (found["error_code"], found.get("changed", False)) == ("invalid_option", False)
    assert world.name not in json.loads(world.admin.policy_list())
    world.secret_path.rmdir()


def test_a_key_whose_file_is_lost_is_made_anew(world: World) -> None:
    world.present()
    world.secret_path.unlink()
    assert changes(world.present()) == [("access_key", False, True), ("access_key", True, True)]


def accounts(world: World) -> list[Tree]:
    found: list[Tree] = json.loads(world.admin.list_service_account(world.name))["accounts"]
    return found


def test_what_is_not_ours_is_left_alone(world: World) -> None:
    world.admin.user_add(world.name, secrets.token_urlsafe(20))
    found = world.run()
    assert found["error_code"] == "trust_in_use"
    assert world.run(state="absent")["error_code"] == "trust_in_use"
    assert world.name in json.loads(world.admin.user_list())
    world.admin.user_remove(world.name)
    world.admin.policy_add(world.name, policy=json.loads(document(allow("s3:GetObject", "arn:aws:s3:::x/*"))))
    assert world.run()["error_code"] == "trust_in_use"
    world.admin.policy_remove(world.name)


def test_a_policy_that_was_changed_is_put_right(world: World) -> None:
    world.present()
    policy = json.loads(world.admin.policy_info(world.name))
    policy = policy.get("Policy", policy)
    policy["Statement"][0]["Action"] = ["s3:*"]
    world.admin.policy_add(world.name, policy=policy)
    assert changes(world.present()) == [("policy", True, True)]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"clusters": None}, "invalid_option"),
        ({"secret_path": None}, "invalid_option"),
        ({"secret_path": "/nonexistent/keys.json"}, "invalid_option"),
        ({"name": "No Name"}, "invalid_name"),
        ({"clusters": ["../x"]}, "invalid_name"),
        ({"location_account": {"access_key": "nobody", "secret_key": "nothing-at-all"}}, "credentials_invalid"),
    ],
)
def test_what_makes_no_sense(world: World, options: Tree, code: str) -> None:
    found = world.run(**options)
    assert (found["error_code"], bool(found["hint"])) == (code, True)
    assert world.name not in json.loads(world.admin.policy_list())


def test_an_administrator_is_needed(world: World) -> None:
    world.present()
    found = world.run(location_account=world.keys(), name=f"{world.name}-more")
    assert found["error_code"] == "permission_denied"


def test_somebody_else_can_be_asked_to_do_it(world: World) -> None:
    trust = world.present(render_only=True, location_account=None, secret_path=None)
    assert f"mc admin policy create ALIAS {world.name}" in trust["review"]
    assert trust["documents"]["policy"]["Statement"][0]["Sid"].startswith("Stowage")
    assert world.name not in json.loads(world.admin.policy_list())


def test_a_backup_and_a_restore_with_nothing_but_trust(world: World, cluster: Any, tmp_path: Path) -> None:
    source: Cluster = cluster()
    target: Cluster = cluster("other")
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "trusted"}}
    settings = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "settings", "namespace": "trusted"},
        "data": {"a": "b"},
    }
    for one in (namespace, settings):
        source.api.apply(one, field_manager="test")
    world.present()
    writer = {"location": world.location(), "cluster": "prod-1", "kubeconfig": str(source.kubeconfig)}
    selected = {"included_namespaces": ["trusted"], "name": "by-trust"}
    made = modules.run("backup", {**writer, **selected})
    assert made["backup"]["phase"] == "Completed"
    assert modules.run("backup", {**writer, **selected})["changed"] is False
    reader = World(world.store, tmp_path)
    reader.bucket, reader.where = world.bucket, world.where
    reader.present(permissions="reader")
    restored = modules.run(
        "restore",
        {
            "location": reader.location(),
            "cluster": "prod-1",
            "backup": "by-trust",
            "kubeconfig": str(target.kubeconfig),
            "allow_other_cluster": True,
            "report_dir": str(tmp_path),
        },
    )
    assert restored["restore"]["phase"] == "Completed"
    found = target.api.find("v1", "ConfigMap", "settings", "trusted")
    assert found is not None
    assert found["data"] == {"a": "b"}
    reader.run(state="absent")
    for bed in (source, target):
        bed.api.delete("v1", "Namespace", "trusted")
