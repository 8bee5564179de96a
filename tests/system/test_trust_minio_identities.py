# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trust in a real MinIO for who is there already: groups of its users, identities of an OpenID provider, names of a directory."""

from __future__ import annotations

import json
import secrets
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from support import modules
from support.aws import Issuer, allow, served_issuer
from support.ldap_server import Directory, served_directory
from support.minio_trust import Tree, World, changes, verdicts
from testbed import MinIO, Testbed
from testbed.cluster import Cluster

CLIENT_ID = "stowage-test"


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    """An OpenID provider."""
    with served_issuer() as found:
        yield found


@pytest.fixture(scope="module")
def server(testbed: Testbed, issuer: Issuer) -> Iterator[MinIO]:
    """A MinIO that gives sessions to tokens of the issuer, by their claim `policy`."""
    openid = {"CONFIG_URL": f"{issuer.url}/.well-known/openid-configuration", "CLIENT_ID": CLIENT_ID}
    found = testbed.minio(settings={f"MINIO_IDENTITY_OPENID_{name}": value for name, value in openid.items()})
    yield found
    testbed.stop(found)


@pytest.fixture
def world(server: MinIO, tmp_path: Path) -> Iterator[World]:
    """A new bucket, and a trust that is removed in the end."""
    found = World(server, tmp_path)
    yield found
    found.run(state="absent")


class Tokens:
    """Files with tokens of the provider, for `verify_tokens`."""

    def __init__(self, path: Path, issuer: Issuer) -> None:
        self.path, self.issuer = path, issuer

    def __call__(self, name: str, expected: str, *, signer: Issuer | None = None, **claims: Any) -> Tree:
        given = {"sub": name, "aud": CLIENT_ID, "exp": int(time.time()) + 3600, **claims}
        file = self.path / f"token-{name}"
        file.write_text((signer or self.issuer).token(**given), encoding="ascii")
        return {"name": name, "path": str(file), "expected": expected}


@pytest.fixture
def token(tmp_path: Path, issuer: Issuer) -> Tokens:
    return Tokens(tmp_path, issuer)


def web(*tokens: Tree, **more: Any) -> Tree:
    """Options of a trust that has no user."""
    return {"secret_path": None, "web_identity": True, "verify_tokens": list(tokens), **more}


@pytest.mark.parametrize("permissions", ["writer", "pruner"])
def test_identities_whose_tokens_name_the_trust(world: World, token: Tokens, permissions: str) -> None:
    forged = Issuer(token.issuer.url)
    options = web(
        token("right", "allowed", policy=world.name),
        token("audience", "refused", policy=world.name, aud="other"),
        token("unnamed", "refused", policy="nothing-that-is-there"),
        token("without", "refused"),
        token("forged", "refused", policy=world.name, signer=forged),
        permissions=permissions,
    )
    planned = world.run(check=True, **options)
    assert set(verdicts(planned["trust"]).values()) == {"unknown"}
    trust = world.present(**options)
    assert changes(trust) == changes(planned["trust"]) == [("policy", False, True)]
    seen = verdicts(trust)
    assert set(seen.values()) == {"passed"}
    assert set(seen) == set(verdicts(planned["trust"]))
    assert {"token_right_allowed", "token_right_list_allowed", "token_forged_refused"} <= set(seen)
    assert trust["auth"] == {"method": "web_identity"}
    assert world.name not in json.loads(world.admin.user_list())
    assert world.run(**options)["changed"] is False
    gone = world.run(state="absent", **options)
    assert changes(gone["trust"]) == [("policy", True, False)]
    assert world.name not in json.loads(world.admin.policy_list())


def test_a_token_that_names_more_is_found_out(world: World, token: Tokens) -> None:
    more = world.add_policy(allow("s3:DeleteObject", f"arn:aws:s3:::{world.bucket}/*"))
    found = world.run(**web(token("greedy", "allowed", policy=f"{world.name},{more}")))
    assert set(found["error_details"]["checks"]) == {
        "token_greedy_delete_refused",
        "token_greedy_document_delete_refused",
        "token_greedy_other_cluster_delete_refused",
        "token_greedy_outside_prefix_delete_refused",
    }


def test_a_token_that_gets_in_and_should_not_is_found_out(world: World, token: Tokens) -> None:
    right, wrong = token("right", "allowed", policy=world.name), token("wrong", "refused", policy=world.name)
    assert world.run(**web(right, wrong))["error_details"]["checks"] == ["token_wrong_refused"]


def test_a_refusal_proves_nothing_where_nobody_gets_in_or_the_token_is_old(world: World, token: Tokens) -> None:
    other = token("other", "refused", policy="nothing-that-is-there")
    seen = verdicts(world.present(**web(other)))
    assert (seen["token_other_refused"], seen["list_allowed"], seen["delete_refused"]) == ("unknown",) * 3
    assert seen["anonymous_list_refused"] == "passed"
    old = token("old", "refused", policy=world.name, exp=1_700_000_000)
    seen = verdicts(world.present(**web(token("right", "allowed", policy=world.name), old)))
    assert seen["token_old_refused"] == "unknown"
    Path(other["path"]).write_text("no token at all", encoding="ascii")
    seen = verdicts(world.present(**web(token("right", "allowed", policy=world.name), other)))
    assert seen["token_other_refused"] == "unknown", "it gets in nowhere"
    gone = {**other, "path": "/nonexistent/token", "expected": "allowed"}
    found = world.run(**web(gone, verify_required=["token_other_allowed"]))
    assert found["error_details"]["checks"] == ["token_other_allowed"]


def test_both_a_key_and_tokens(world: World, token: Tokens) -> None:
    options = {"web_identity": True, "verify_tokens": [token("right", "allowed", policy=world.name)]}
    trust = world.present(**options)
    assert set(verdicts(trust).values()) == {"passed"}
    assert {"read_refused", "token_right_read_refused"} <= set(verdicts(trust))
    assert trust["auth"]["method"] == "access_key"


def users(world: World, *names: str) -> list[tuple[str, str]]:
    """New users, with their keys."""
    found = [(f"{name}-{uuid.uuid4().hex[:6]}", secrets.token_urlsafe(20)) for name in names]
    for keys in found:
        world.admin.user_add(*keys)
    return found


def test_users_that_are_there_get_it_through_a_group(world: World) -> None:
    alice, bob, carol = people = users(world, "alice", "bob", "carol")
    options: Tree = {"secret_path": None, "permissions": "reader", "members": [bob[0], alice[0]]}
    planned = world.run(check=True, **options)
    trust = world.present(**options)
    assert changes(trust) == changes(planned["trust"]) == [("policy", False, True), ("group", False, True)]
    assert trust["changes"][1]["after"] == {"members": sorted([alice[0], bob[0]]), "policies": [world.name]}
    seen = verdicts(trust)
    assert seen["list_allowed"] == seen["delete_refused"] == "unknown", "nobody of the group is here"
    assert seen["anonymous_list_refused"] == "passed"
    assert world.run(**options)["changed"] is False
    assert may_list(world, alice)
    assert not may_list(world, carol)
    changed = world.present(**{**options, "members": [bob[0], carol[0]]})
    assert changes(changed) == [("group", True, True)]
    assert not may_list(world, alice), "who is not meant any more is out"
    assert may_list(world, carol)
    gone = world.run(state="absent", **options)
    assert changes(gone["trust"]) == [("group", True, False), ("policy", True, False)]
    assert world.run(state="absent", **options)["changed"] is False
    assert {name for name, _secret in people} <= set(json.loads(world.admin.user_list()))
    assert world.name not in json.loads(world.admin.group_list())


def test_a_member_s_keys_prove_the_group_s_rights(world: World) -> None:
    ((alice, secret), (carol, other)) = users(world, "alice", "carol")
    options: Tree = {"secret_path": None, "permissions": "reader", "members": [alice]}
    trust = world.present(**options, controller_account={"access_key": alice, "secret_key": secret})
    assert set(verdicts(trust).values()) == {"passed"}
    assert {"controller_list_allowed", "controller_other_cluster_read_refused"} <= verdicts(trust).keys()
    more = world.add_policy(allow("s3:DeleteObject", f"arn:aws:s3:::{world.bucket}/fleet/clusters/prod-1/*"))
    world.admin.attach_policy([more], user=alice)
    found = world.run(**options, controller_account={"access_key": alice, "secret_key": secret})
    assert found["error_details"]["checks"] == ["controller_delete_refused", "controller_document_delete_refused"]
    world.admin.detach_policy([more], user=alice)
    found = world.run(**options, controller_account={"access_key": carol, "secret_key": other})
    assert "controller_list_allowed" in found["error_details"]["checks"], "who is no member has nothing"
    assert secret not in json.dumps(found)


def test_a_user_of_its_own_and_a_group(world: World) -> None:
    ((alice, _secret),) = users(world, "alice")
    trust = world.present(members=[alice])
    assert set(verdicts(trust).values()) == {"passed"}
    assert changes(world.present()) == [("group", True, False)], "without members there is no group"
    assert world.run(secret_path=None, members=[alice])["error_code"] == "invalid_option"


def test_a_group_that_is_not_ours_is_left_alone(world: World) -> None:
    ((alice, _secret),) = users(world, "alice")
    world.admin.group_add(world.name, [alice])  # type: ignore[arg-type]  # it says text, and sends what it gets
    for options in ({}, {"state": "absent"}, {"members": ["somebody"]}):
        assert world.run(**options)["error_code"] == "trust_in_use"
    assert json.loads(world.admin.group_info(world.name))["members"] == [alice]
    world.admin.group_remove(world.name, [alice])  # type: ignore[arg-type]  # see above
    world.admin.group_remove(world.name)


def test_a_group_with_more_than_ours_stays(world: World) -> None:
    ((alice, _secret),) = users(world, "alice")
    world.present(members=[alice])
    more = world.add_policy(allow("s3:GetObject", "arn:aws:s3:::elsewhere/*"))
    world.admin.attach_policy([more], group=world.name)
    refused = world.run(state="absent")
    assert (refused["error_code"], f"policy {more} of the group" in refused["msg"]) == ("trust_in_use", True)
    world.admin.detach_policy([more], group=world.name)


def test_a_member_that_there_is_not(world: World) -> None:
    found = world.run(secret_path=None, members=["nobody-of-that-name"])
    assert (found["error_code"], bool(found["hint"])) == ("invalid_option", True)


@pytest.mark.parametrize(
    "options",
    [
        {"secret_path": None},
        {"secret_path": None, "web_identity": True, "rotate": True},
    ],
)
def test_what_makes_no_sense(world: World, options: Tree) -> None:
    found = world.run(**options)
    assert (found["error_code"], bool(found["hint"])) == ("invalid_option", True)
    assert world.run(members=[world.name])["error_code"] == "invalid_option"
    assert world.name not in json.loads(world.admin.policy_list())


def test_somebody_else_can_be_asked_to_do_it(world: World) -> None:
    options: Tree = {"render_only": True, "location_account": None, "secret_path": None}
    who: Tree = {"members": ["alice", "b o b"], "ldap_groups": ["cn=ops,dc=example"], "web_identity": True}
    text = str(world.present(**options, **who)["review"])
    assert f"mc idp ldap policy attach ALIAS {world.name} --group cn=ops,dc=example" in text
    assert f"mc admin group add ALIAS {world.name} alice 'b o b'" in text
    assert f"mc admin policy attach ALIAS {world.name} --group {world.name}" in text
    assert "user add" not in text
    assert "claim" in text


def test_a_backup_and_a_restore_with_nothing_but_tokens(
    world: World, token: Tokens, cluster: Any, tmp_path: Path
) -> None:
    source: Cluster = cluster()
    target: Cluster = cluster("other")
    meta = {"name": "settings", "namespace": "by-token"}
    for one in (
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "by-token"}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"a": "b"}},
    ):
        source.api.apply(one, field_manager="test")
    reader = World(world.store, tmp_path)
    reader.bucket, reader.where = world.bucket, world.where
    places = {}
    for permissions, party in (("writer", world), ("reader", reader)):
        file = token(permissions, "allowed", policy=party.name)
        auth = party.present(**web(file, permissions=permissions))["auth"]
        places[permissions] = {**party.where, "auth": {**auth, "web_identity_token_file": file["path"]}}
    given = {"cluster": "prod-1", "kubeconfig": str(source.kubeconfig), "location": places["writer"]}
    made = modules.run("backup", {**given, "included_namespaces": ["by-token"], "name": "by-token"})
    assert made["backup"]["phase"] == "Completed"
    restored = modules.run(
        "restore",
        {
            "location": places["reader"],
            "cluster": "prod-1",
            "backup": "by-token",
            "kubeconfig": str(target.kubeconfig),
            "allow_other_cluster": True,
            "report_dir": str(tmp_path),
        },
    )
    assert restored["restore"]["phase"] == "Completed"
    found = target.api.find("v1", "ConfigMap", "settings", "by-token")
    assert found is not None
    assert found["data"] == {"a": "b"}
    reader.run(state="absent")
    for bed in (source, target):
        bed.api.delete("v1", "Namespace", "by-token")


# names of a directory


@pytest.fixture(scope="module")
def directory() -> Iterator[Directory]:
    """A directory with people and groups."""
    with served_directory() as found:
        yield found


@pytest.fixture(scope="module")
def of_directory(testbed: Testbed, directory: Directory) -> Iterator[MinIO]:
    """A MinIO that knows nobody but those of the directory."""
    found = testbed.minio(settings=directory.minio())
    yield found
    testbed.stop(found)


@pytest.fixture
def named(of_directory: MinIO, tmp_path: Path) -> World:
    """A new bucket of it."""
    return World(of_directory, tmp_path)


def login(directory: Directory, name: str, expected: str) -> Tree:
    """Somebody for `verify_ldap`."""
    password = directory.passwords[f"uid={name},{directory.people}"]
    return {"name": name, "username": name, "password": password, "expected": expected}


def people(directory: Directory, *names: str) -> list[str]:
    """New people; their short names."""
    found = [f"{name}-{uuid.uuid4().hex[:6]}" for name in names]
    for name in found:
        directory.person(name)
    return found


def test_users_and_groups_of_a_directory(named: World, directory: Directory) -> None:
    alice, bob, carol = people(directory, "alice", "bob", "carol")
    person, group = f"uid={alice},{directory.people}", directory.group(f"ops-{bob}", f"uid={bob},{directory.people}")
    options: Tree = {
        "secret_path": None,
        "ldap_users": [person.upper()],
        "ldap_groups": [group],
        "verify_ldap": [
            login(directory, alice, "allowed"),
            login(directory, bob, "allowed"),
            login(directory, carol, "refused"),
        ],
    }
    planned = named.run(check=True, **options)
    trust = named.present(**options)
    assert changes(trust) == changes(planned["trust"]) == [("policy", False, True), ("directory", False, True)]
    seen = verdicts(trust)
    assert set(seen.values()) == {"passed"}
    assert {f"ldap_{bob}_read_refused", f"ldap_{carol}_refused"} <= set(seen)
    assert named.run(**options)["changed"] is False, "names are the same in another case"
    refused = named.run(state="absent", secret_path=None)
    assert (refused["error_code"], "of the directory" in refused["msg"]) == ("trust_in_use", True)
    fewer = {
        **options,
        "ldap_users": None,
        "verify_ldap": [login(directory, bob, "allowed"), login(directory, alice, "refused")],
    }
    assert changes(named.present(**fewer)) == [("directory", True, True)]
    gone = named.run(state="absent", **options)
    assert changes(gone["trust"]) == [("directory", True, False), ("policy", True, False)]
    assert named.run(state="absent", **options)["changed"] is False


def test_who_has_more_by_another_group_is_found_out(named: World, directory: Directory) -> None:
    (alice,) = people(directory, "alice")
    person = f"uid={alice},{directory.people}"
    group = directory.group(f"more-{alice}", person)
    more = named.add_policy(allow("s3:GetObject", f"arn:aws:s3:::{named.bucket}/*"))
    named.admin.attach_policy_ldap([more], group=group)
    options: Tree = {"secret_path": None, "ldap_users": [person], "verify_ldap": [login(directory, alice, "allowed")]}
    found = named.run(**options)
    assert set(found["error_details"]["checks"]) > {
        f"ldap_{alice}_read_refused",
        f"ldap_{alice}_other_cluster_read_refused",
        f"ldap_{alice}_outside_prefix_read_refused",
    }
    named.run(state="absent", **options)


def test_who_gets_in_and_should_not_is_found_out(named: World, directory: Directory) -> None:
    alice, bob = people(directory, "alice", "bob")
    group = directory.group(f"all-{alice}", *(f"uid={one},{directory.people}" for one in (alice, bob)))
    logins = [login(directory, alice, "allowed"), login(directory, bob, "refused")]
    options: Tree = {"secret_path": None, "ldap_groups": [group], "verify_ldap": logins}
    assert named.run(**options)["error_details"]["checks"] == [f"ldap_{bob}_refused"]
    alone = verdicts(
        named.present(**{**options, "ldap_groups": [group], "verify_ldap": [login(directory, bob, "allowed")]})
    )
    assert set(alone.values()) == {"passed"}
    named.run(state="absent", **options)


def test_a_refusal_proves_nothing_while_nobody_of_the_directory_gets_in(named: World, directory: Directory) -> None:
    alice, bob = people(directory, "alice", "bob")
    options: Tree = {"secret_path": None, "ldap_users": [f"uid={alice},{directory.people}"]}
    seen = verdicts(named.present(**options, verify_ldap=[login(directory, bob, "refused")]))
    assert (seen[f"ldap_{bob}_refused"], seen["list_allowed"]) == ("unknown", "unknown")
    named.run(state="absent", **options)


def test_who_is_refused_for_a_wrong_password_proves_nothing(named: World, directory: Directory) -> None:
    alice, bob, carol = people(directory, "alice", "bob", "carol")
    # The mistake that nobody would notice: bob has the policy by a group, and his password is not this one any more.
    group = directory.group(f"all-{alice}", *(f"uid={one},{directory.people}" for one in (alice, bob)))
    stale, password = login(directory, bob, "refused"), "not-this-one"
    unknown = {**stale, "name": "nobody", "username": f"nobody-{bob}"}
    right, none = login(directory, alice, "allowed"), login(directory, carol, "refused")
    options: Tree = {"secret_path": None, "ldap_groups": [group]}
    trust = named.present(**options, verify_ldap=[right, {**stale, "password": password}, unknown, none])
    seen = verdicts(trust)
    assert (seen[f"ldap_{bob}_refused"], seen["ldap_nobody_refused"]) == ("unknown", "unknown")
    assert (seen[f"ldap_{alice}_allowed"], seen[f"ldap_{carol}_refused"]) == ("passed", "passed")
    assert password not in json.dumps(trust)
    assert named.run(**options, verify_ldap=[right, stale])["error_details"]["checks"] == [f"ldap_{bob}_refused"]
    # Who must get in, and has a wrong password, is not shown to get in.
    line = f"ldap_{bob}_allowed"
    found = named.run(
        **options, verify_ldap=[right, {**stale, "password": password, "expected": "allowed"}], verify_required=[line]
    )
    assert line in found["error_details"]["checks"]
    assert password not in json.dumps(found)
    named.run(state="absent", **options)


def test_what_a_minio_with_and_without_a_directory_does_not_have(
    named: World, world: World, directory: Directory
) -> None:
    for found in (
        named.run(),
        named.run(secret_path=None, members=["somebody"]),
        named.run(secret_path=None, ldap_users=[f"uid=nobody,{directory.people}"]),
        named.run(secret_path=None, ldap_groups=[f"cn=nobody,{directory.groups}"]),
        world.run(secret_path=None, ldap_users=[f"uid=nobody,{directory.people}"]),
    ):
        assert (found["error_code"], bool(found["hint"])) == ("invalid_option", True), found
    named.run(state="absent")


def may_list(world: World, keys: tuple[str, str]) -> bool:
    """Whether somebody may list the cluster's backups."""
    client = world.store.client(access_key=keys[0], secret_key=keys[1])
    try:
        client.list_objects_v2(Bucket=world.bucket, Prefix="fleet/clusters/prod-1/backups/")
    except ClientError as error:
        return error.response["Error"]["Code"] != "AccessDenied"
    return True
