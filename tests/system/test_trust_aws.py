# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trust between accounts of AWS, against an emulator that enforces IAM: who gets in, who does not, and that the proof sees when
somebody does who should not."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support import modules
from support.aws import allow, document, trust
from support.trust_aws import MORE, PREFIX, Tree, World, changes, failed_lines, verdicts
from testbed import MiniStack
from testbed.cluster import Cluster
from testbed.controlplane import ISSUER
from testbed.ministack import BUCKET_ACCOUNT, OTHER_ACCOUNT, ROOT_SECRET, WORKLOAD_ACCOUNT


@pytest.fixture
def world(ministack: MiniStack) -> World:
    """New accounts' worth of names."""
    return World(ministack)


@pytest.mark.parametrize("permissions", ["writer", "reader", "pruner", "auditor", "coordinator"])
def test_trust_is_made_proven_and_taken_away(world: World, permissions: str) -> None:
    planned = world.run(check=True, permissions=permissions)
    assert set(verdicts(planned["trust"]).values()) == {"unknown"}
    made = world.run(permissions=permissions, apart=True)
    assert (
        changes(made["trust"])
        == changes(planned["trust"])
        == [
            ("role", False, True),
            ("permissions", False, True),
            ("assume_permission", False, True),
        ]
    )
    assert set(verdicts(made["trust"]).values()) == {"passed"}
    again = world.run(permissions=permissions)
    assert (again["changed"], verdicts(again["trust"])) == (False, verdicts(made["trust"]))
    assert again["trust"]["auth"] == made["trust"]["auth"], "the external id is kept"
    assert world.run(check=True, permissions=permissions)["changed"] is False
    assert world.aws.keys(world.bucket) == world.aws.uploads(world.bucket) == []

    planned = world.run(check=True, state="absent")
    gone = world.run(state="absent")
    assert changes(gone["trust"]) == changes(planned["trust"])
    assert world.run(state="absent")["changed"] is False
    assert world.name not in [one["RoleName"] for one in world.mine.list_roles()["Roles"]]
    assert "stowage" not in world.theirs.list_user_policies(UserName=world.user)["PolicyNames"]


def test_a_missing_external_id_is_found_out(world: World) -> None:
    world.present()
    policy = world.trust_policy()
    open_door = {"Effect": "Allow", "Principal": {"AWS": world.principal}, "Action": "sts:AssumeRole"}
    world.put_trust_policy({**policy, "Statement": [*policy["Statement"], open_door]})
    found = world.run()
    assert found["error_details"]["checks"] == [
        "assume_without_external_id_refused",
        "assume_with_wrong_external_id_refused",
    ]
    assert json.loads(found["trust"]["foreign"][0]) == open_door, "it is kept and shown"
    assert world.run(state="absent")["error_code"] == "trust_in_use"
    world.put_trust_policy(policy)
    assert set(verdicts(world.present()).values()) == {"passed"}


def test_somebody_else_of_the_same_account_is_found_out(world: World) -> None:
    keys = world.aws.user(WORKLOAD_ACCOUNT, f"{world.user}-other", document(allow("sts:AssumeRole")))
    them = {"name": "other", "access_key": keys[0], "secret_key": keys[1], **open_to(world, WORKLOAD_ACCOUNT)}
    stranger = world.aws.user(OTHER_ACCOUNT, f"{world.user}-stranger", document(allow("sts:AssumeRole")))
    they = {"name": "stranger", "access_key": stranger[0], "secret_key": stranger[1], **open_to(world, OTHER_ACCOUNT)}
    seen = verdicts(world.present(verify_as=[them, they]))
    assert seen["as_other_assume_refused"] == seen["as_stranger_assume_refused"] == "passed"
    found = world.run(principals=[WORKLOAD_ACCOUNT], verify_as=[them, they])
    assert found["error_details"]["checks"] == ["as_other_assume_refused"]
    narrowed = world.present(principals=[WORKLOAD_ACCOUNT], principal_arns=[world.principal], verify_as=[them])
    assert set(verdicts(narrowed).values()) == {"passed"}
    nobody = {"name": "nobody", "access_key": "AKIA" + "U" * 16, "secret_key": "wrong"}
    assert verdicts(world.present(verify_as=[nobody]))["as_nobody_assume_refused"] == "unknown"


def open_to(world: World, account: str) -> Tree:
    """A role that everybody of an account may take over who is allowed to take over any."""
    return {"control_role_arn": world.aws.role(account, f"{world.user}-control", trust({"AWS": account}))}


def test_a_stranger_needs_a_role_that_shows_that_they_may_come(world: World) -> None:
    """AWS does not tell another account whose policy refused it, and that it knows the keys shows nothing of what they may."""
    keys = world.aws.user(OTHER_ACCOUNT, f"{world.user}-stranger", document(allow("sts:AssumeRole")))
    them: Tree = {"name": "stranger", "access_key": keys[0], "secret_key": keys[1]}
    line = "as_stranger_assume_refused"
    made = world.present(verify_as=[them])
    assert verdicts(made)[line] == "unknown"
    (found,) = [one for one in made["checks"] if one["id"] == line]
    assert "name a role that the caller may take over as control_role_arn" in found["seen"]
    assert failed_lines(world.run(verify_as=[them], verify_required=[line])) == [line]
    control = open_to(world, OTHER_ACCOUNT)
    assert verdicts(world.present(verify_as=[{**them, **control}]))[line] == "passed"
    assert failed_lines(world.run(principals=[world.principal, OTHER_ACCOUNT], verify_as=[them])) == [line]
    lost = {"control_role_arn": f"{control['control_role_arn']}-lost"}
    assert verdicts(world.present(verify_as=[{**them, **lost}]))[line] == "unknown"


def test_a_trust_of_which_nothing_was_proven_is_said_to_be(world: World) -> None:
    nowhere: Tree = {"sts_endpoint": "https://127.0.0.1:1"}
    found = world.run(**nowhere)
    (warning,) = found["warnings"]
    assert (found.get("failed"), "Nothing of this trust was proven" in warning) == (None, True)
    assert "verify_required: [assume_allowed]" in warning
    assert failed_lines(world.run(verify_required=["assume_allowed"], **nowhere)) == ["assume_allowed"]
    assert not world.run().get("warnings")


def test_whom_their_own_account_refuses_shows_nothing(world: World) -> None:
    """The trust policy lets them in, and nobody can see it with them."""
    keys = world.aws.user(WORKLOAD_ACCOUNT, f"{world.user}-other", document(allow("s3:*")))
    control = open_to(world, WORKLOAD_ACCOUNT)
    them: Tree = {"verify_as": [{"name": "other", "access_key": keys[0], "secret_key": keys[1], **control}]}
    line = "as_other_assume_refused"
    assert verdicts(world.present(principals=[WORKLOAD_ACCOUNT], **them))[line] == "unknown"
    assert failed_lines(world.run(principals=[WORKLOAD_ACCOUNT], verify_required=[line], **them)) == [line]
    world.theirs.put_user_policy(
        UserName=f"{world.user}-other", PolicyName="inline", PolicyDocument=document(allow("sts:AssumeRole"))
    )
    assert failed_lines(world.run(principals=[WORKLOAD_ACCOUNT], **them)) == [line]
    assert verdicts(world.present(**them))[line] == "passed"


@pytest.mark.parametrize(
    ("action", "resource", "line"),
    [
        ("s3:GetObject", "{bucket}/*", "read_refused"),
        ("s3:DeleteObject", "{bucket}/fleet/clusters/prod-1/*", "delete_refused"),
        ("s3:PutObject", "{bucket}/*", "outside_prefix_create_refused"),
        ("s3:ListBucket", "{bucket}", "other_cluster_list_refused"),
        *MORE,
    ],
)
def test_a_role_that_may_do_more_is_found_out(world: World, action: str, resource: str, line: str) -> None:
    assert verdicts(world.present())[line] == "passed"
    more = document(allow(action, f"arn:aws:s3:::{resource.format(bucket=world.bucket)}"))
    world.mine.put_role_policy(RoleName=world.name, PolicyName="more", PolicyDocument=more)
    found = world.run()
    assert (found["error_code"], line in found["error_details"]["checks"]) == ("trust_not_proven", True)
    assert found["trust"]["foreign"] == ["policy more"]
    refused = world.run(state="absent")
    assert (refused["error_code"], "policy more in the role" in refused["msg"]) == ("trust_in_use", True)


@pytest.mark.parametrize(
    ("permissions", "action", "resource", "lines"),
    [
        ("reader", "s3:PutObject", "{bucket}/fleet/clusters/prod-1/backups/*.json", ["document_create_refused"]),
        ("pruner", "s3:PutObject", "{bucket}/*/velero-backup.json", ["document_create_refused"]),
        ("auditor", "s3:DeleteObject", "{bucket}/*/velero-backup.json", ["document_delete_refused"]),
        ("pruner", "s3:DeleteObject", "{bucket}/stowage-*", ["outside_prefix_delete_refused"]),
        (
            "coordinator",
            "s3:PutObject",
            "{bucket}/fleet/workspaces/*.json",
            ["create_refused", "other_cluster_record_create_refused"],
        ),
    ],
)
def test_each_permission_set_that_has_more_is_found_out(
    world: World, permissions: str, action: str, resource: str, lines: list[str]
) -> None:
    seen = verdicts(world.present(permissions=permissions))
    assert {seen[line] for line in lines} == {"passed"}
    more = document(allow(action, f"arn:aws:s3:::{resource.format(bucket=world.bucket)}"))
    world.mine.put_role_policy(RoleName=world.name, PolicyName="more", PolicyDocument=more)
    assert failed_lines(world.run(permissions=permissions)) == lines
    assert world.aws.keys(world.bucket) == world.aws.uploads(world.bucket) == [], "what is allowed leaves nothing, too"


def test_what_may_not_be_done_at_all_proves_nothing_elsewhere(world: World) -> None:
    """Whoever may not write anywhere is refused elsewhere, whatever else the policies say: each kind has a control of its own."""
    world.present()
    bucket = f"arn:aws:s3:::{world.bucket}"
    less = [
        {**allow(f"s3:{action}", f"{bucket}/{PREFIX}/*"), "Effect": "Deny"} for action in ("PutObject", "GetObject")
    ]
    world.mine.put_role_policy(RoleName=world.name, PolicyName="less", PolicyDocument=document(*less))
    found = world.run()
    assert failed_lines(found) == ["read_allowed", "create_allowed"]
    seen = verdicts(found["trust"])
    unknown = {line for line, verdict in seen.items() if verdict == "unknown"}
    assert unknown == {
        line
        for line in seen
        if re.fullmatch(r"read_refused|(other_cluster|outside_prefix)_.*(read|create)_refused", line)
    }
    assert seen["outside_prefix_delete_refused"] == seen["other_cluster_list_refused"] == "passed"


def test_a_bucket_that_is_open_to_everybody_is_found_out(world: World) -> None:
    world.present()
    policy = document(allow("s3:ListBucket", f"arn:aws:s3:::{world.bucket}", Principal="*"))
    world.aws.client().delete_public_access_block(Bucket=world.bucket)
    world.aws.client().put_bucket_policy(Bucket=world.bucket, Policy=policy)
    assert "anonymous_list_refused" in world.run()["error_details"]["checks"]


def test_what_was_changed_is_put_right(world: World) -> None:
    world.present()
    kept = world.present()["auth"]["external_id"]
    policy = world.trust_policy()
    policy["Statement"][0]["Principal"] = {"AWS": "AIDAQ3EGSOMEBODYGONE1"}
    world.put_trust_policy(policy)
    world.mine.put_role_policy(
        RoleName=world.name, PolicyName="stowage", PolicyDocument=document(allow("s3:*", "*", Sid="StowageGet"))
    )
    world.theirs.delete_user_policy(UserName=world.user, PolicyName="stowage")
    found = world.present(max_session_duration=7200, tags={"team": "a"})
    assert [one["what"] for one in found["changes"]] == [
        "trust_policy",
        "permissions",
        "max_session_duration",
        "tags",
        "assume_permission",
    ]
    assert found["auth"]["external_id"] == kept
    assert set(verdicts(found).values()) == {"passed"}
    assert world.run(max_session_duration=7200, tags={"team": "a"})["changed"] is False


def test_one_party_takes_several_roles_over(world: World) -> None:
    world.present()
    other = World(world.aws)
    other.user, other.keys, other.principal = world.user, world.keys, world.principal
    other.present()
    assert set(verdicts(world.present()).values()) == {"passed"}
    assert world.run()["changed"] is other.run()["changed"] is False
    other.run(state="absent")
    assert set(verdicts(world.present()).values()) == {"passed"}


@pytest.fixture(scope="module")
def tokens(cluster: Callable[[], Cluster], tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """Files with tokens of a real cluster: of the right account, of another one, and of the same name elsewhere."""
    bed, path = cluster(), tmp_path_factory.mktemp("tokens")
    found = {}
    for namespace, account in (("trusted-pods", "backup"), ("trusted-pods", "other"), ("elsewhere", "backup")):
        for kind, name in (("Namespace", namespace), ("ServiceAccount", account)):
            metadata = {"name": name} | ({"namespace": namespace} if kind == "ServiceAccount" else {})
            bed.api.apply({"apiVersion": "v1", "kind": kind, "metadata": metadata}, field_manager="test")
        for audience in ("sts.amazonaws.com", "somebody-else"):
            body = {
                "apiVersion": "authentication.k8s.io/v1",
                "kind": "TokenRequest",
                "spec": {"audiences": [audience], "expirationSeconds": 3600},
            }
            where = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
            token = bed.api.json("POST", where, body=body)["status"]["token"]
            file = path / f"{namespace}-{account}-{audience}"
            file.write_text(token, encoding="ascii")
            found[file.name] = str(file)
    return found


def test_a_service_account_and_no_other(world: World, tokens: Tree) -> None:
    accounts = [{"issuer": ISSUER, "namespace": "trusted-pods", "name": "backup"}]
    tried = [
        {"name": "right", "path": tokens["trusted-pods-backup-sts.amazonaws.com"], "expected": "allowed"},
        {"name": "other", "path": tokens["trusted-pods-other-sts.amazonaws.com"], "expected": "refused"},
        {"name": "elsewhere", "path": tokens["elsewhere-backup-sts.amazonaws.com"], "expected": "refused"},
        {"name": "audience", "path": tokens["trusted-pods-backup-somebody-else"], "expected": "refused"},
    ]
    options: Tree = {"principals": None, "cluster_account": None, "service_accounts": accounts, "verify_tokens": tried}
    made = world.present(**options)
    assert "role" in [one["what"] for one in made["changes"]]
    assert set(verdicts(made).values()) == {"passed"}
    assert made["auth"] == {"method": "web_identity", "role_arn": f"arn:aws:iam::{BUCKET_ACCOUNT}:role/{world.name}"}
    assert world.run(**options)["changed"] is False
    policy = world.trust_policy()
    host = ISSUER.removeprefix("https://")
    loose = {
        **policy["Statement"][0],
        "Sid": "Loose",
        "Condition": {"StringEquals": {f"{host}:aud": "sts.amazonaws.com"}},
    }
    world.put_trust_policy({**policy, "Statement": [*policy["Statement"], loose]})
    assert world.run(**options)["error_details"]["checks"] == ["token_other_refused", "token_elsewhere_refused"]
    world.put_trust_policy(policy)
    location = {
        **world.where,
        "auth": {**made["auth"], "web_identity_token_file": tried[0]["path"], "sts_endpoint": world.aws.endpoint},
    }
    looked = modules.run("backup_location_info", {"location": location, "cluster": "prod-1", "access": ["write"]})
    assert looked["location"]["fit"] is True
    assert world.run(state="absent", **options)["changed"] is True


def test_a_provider_goes_with_the_last_role_that_names_it(world: World) -> None:
    issuer = f"https://oidc.example.com/id/{world.name}"
    accounts = [{"issuer": issuer, "namespace": "stowage", "name": "backup"}]
    options: Tree = {"principals": None, "cluster_account": None, "service_accounts": accounts, "verify": False}
    second = World(world.aws)
    world.present(**options)
    second.present(**options)

    def there() -> bool:
        found = world.mine.list_open_id_connect_providers()["OpenIDConnectProviderList"]
        return any(one["Arn"].endswith(f"/id/{world.name}") for one in found)

    for one, stays in ((world, True), (second, False)):
        planned = one.run(check=True, state="absent")
        gone = one.run(state="absent")
        assert changes(gone["trust"]) == changes(planned["trust"])
        assert (("oidc_provider", True, False) in changes(gone["trust"]), there()) == (not stays, stays)
    world.mine.create_open_id_connect_provider(Url=issuer, ClientIDList=["sts.amazonaws.com"])
    world.present(**options)
    world.run(state="absent", **options)
    assert there(), "it is somebody else's"


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"principals": ["*"]}, "invalid_option"),
        ({"principals": ["arn:aws:iam::111111111111:role/*"]}, "invalid_option"),
        ({"principals": None}, "invalid_option"),
        ({"external_id": "x"}, "invalid_option"),
        ({"cluster_account": {"account": OTHER_ACCOUNT, "user": "x"}}, "credentials_missing"),
        (
            {"service_accounts": [{"issuer": "https://oidc.example.com", "namespace": "*", "name": "backup"}]},
            "invalid_option",
        ),
    ],
    ids=["everybody", "roles with a wildcard", "nobody", "no id", "no credentials", "a subject with a wildcard"],
)
def test_what_makes_no_sense(world: World, options: Tree, code: str) -> None:
    found = world.run(**options)
    assert (found["error_code"], bool(found["hint"])) == (code, True)
    assert world.name not in [one["RoleName"] for one in world.mine.list_roles()["Roles"]]


def test_another_account_is_noticed_before_anything_is_written(world: World) -> None:
    wrong = {"account": BUCKET_ACCOUNT, "auth": world.auth((OTHER_ACCOUNT, ROOT_SECRET))}
    assert world.run(location_account=wrong)["error_code"] == "wrong_account"
    assert world.name not in [one["RoleName"] for one in world.aws.iam(OTHER_ACCOUNT).list_roles()["Roles"]]


def test_a_role_in_use_elsewhere_is_left_alone(world: World) -> None:
    world.present()
    world.mine.create_instance_profile(InstanceProfileName=world.name)
    world.mine.add_role_to_instance_profile(InstanceProfileName=world.name, RoleName=world.name)
    for check in (True, False):
        assert world.run(check=check, state="absent")["error_code"] == "trust_in_use"
    other = World(world.aws)
    other.name, other.user, other.keys, other.principal = world.name, world.user, world.keys, world.principal
    assert other.run()["error_code"] == "trust_in_use", "it is for another bucket"
    assert set(verdicts(world.present()).values()) == {"passed"}


def test_a_role_of_somebody_else_is_left_alone(world: World) -> None:
    statement = {"Effect": "Allow", "Principal": {"AWS": world.principal}, "Action": "sts:AssumeRole"}
    world.aws.role(BUCKET_ACCOUNT, world.name, document(statement))
    assert world.run()["error_code"] == world.run(state="absent")["error_code"] == "trust_in_use"


def test_somebody_else_can_be_asked_to_do_it(world: World) -> None:
    trust = world.present(render_only=True, location_account={"account": BUCKET_ACCOUNT}, cluster_account=None)
    assert f"aws iam create-role --role-name {world.name}" in trust["review"]
    assert '"sts:ExternalId": "CHOOSE-ONE"' in trust["review"]
    assert trust["documents"].keys() == {"trust_policy", "permissions", "assume_permission"}
    assert world.name not in [one["RoleName"] for one in world.mine.list_roles()["Roles"]]


def test_a_backup_and_a_restore_across_accounts(world: World, cluster: Any, tmp_path: Path) -> None:
    source: Cluster = cluster()
    target: Cluster = cluster("other")
    documents = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "trusted-aws"}},
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "settings", "namespace": "trusted-aws"},
            "data": {"a": "b"},
        },
    ]
    for one in documents:
        source.api.apply(one, field_manager="test")

    def through(trust: Tree) -> Tree:
        return {**world.where, "auth": {**world.auth(world.keys), **trust["auth"]}}

    writer = through(world.present())
    selected = {"included_namespaces": ["trusted-aws"], "name": "across"}
    made = modules.run(
        "backup", {"location": writer, "cluster": "prod-1", "kubeconfig": str(source.kubeconfig), **selected}
    )
    assert made["backup"]["phase"] == "Completed"
    reader = through(world.present(name=f"{world.name}-r", permissions="reader"))
    restored = modules.run(
        "restore",
        {
            "location": reader,
            "cluster": "prod-1",
            "backup": "across",
            "kubeconfig": str(target.kubeconfig),
            "allow_other_cluster": True,
            "report_dir": str(tmp_path),
        },
    )
    assert restored["restore"]["phase"] == "Completed"
    found = target.api.find("v1", "ConfigMap", "settings", "trusted-aws")
    assert found is not None
    assert found["data"] == {"a": "b"}
    for bed in (source, target):
        bed.api.delete("v1", "Namespace", "trusted-aws")
