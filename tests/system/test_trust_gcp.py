# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trust at the testbed's server that stands for Google: who gets in, who does not, and that the proof sees when somebody does who
should not. Tokens are those of a real cluster."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support import modules
from testbed import GoogleServer, Testbed, controlplane
from testbed.cluster import Cluster
from testbed.google_iam import CLUSTER_PROJECT
from testbed.google_objects import PROJECT_NUMBER
from testbed.google_tokens import PROJECT

PREFIX = "fleet"
AUDIENCE = "https://stowage.example/google"
SETS = ("writer", "reader", "pruner", "auditor", "coordinator")
WORKLOAD_USER, TOKEN_CREATOR = "roles/iam.workloadIdentityUser", "roles/iam.serviceAccountTokenCreator"
THERE = 'resource.name.extract("/objects/fleet/clusters/{any}/") == "prod-2"'
"""A condition of a mistake that only shows where backups of another cluster are."""
Tree = dict[str, Any]


class World:
    """A bucket, its owner, and trust in it."""

    def __init__(self, google: GoogleServer, cluster: Cluster | None = None) -> None:
        self.google, self.iam, self.cluster = google, google.iam, cluster
        self.bucket = google.create_bucket(f"trust-{uuid.uuid4().hex[:12]}")
        self.iam.guard(self.bucket)
        self.held = self.iam.buckets[self.bucket]
        self.owner = self.iam.owner()
        self.name = f"stowage-{uuid.uuid4().hex[:8]}"
        self.email = f"{self.name}@{PROJECT}.iam.gserviceaccount.com"
        self.where: Tree = {
            "provider": "gcp",
            "endpoint": google.endpoint,
            "bucket": self.bucket,
            "prefix": PREFIX,
            "ca_cert": str(google.ca_cert),
        }

    def arguments(self, **options: Any) -> Tree:
        found: Tree = {
            "name": self.name,
            "location": self.where,
            "clusters": None if options.get("permissions") == "coordinator" else ["prod-1"],
            "location_account": {"account": PROJECT, "auth": self.iam.auth(self.owner)},
            "api_endpoint": self.google.endpoint,
            "verify_timeout": 0,
            **options,
        }
        if self.cluster is not None:
            found.setdefault("federation", federation(self.cluster))
            found.setdefault("kubeconfig", str(self.cluster.kubeconfig))
        return {name: value for name, value in found.items() if value is not None}

    def run(self, *, check: bool = False, **options: Any) -> Tree:
        """What the module returns; no secret is in it."""
        try:
            found = modules.run_here("gcp_trust", self.arguments(**options), check=check, diff=True)
        except modules.Failed as failed:
            found = failed.result
        shown = json.dumps(found)
        assert "ya29." not in shown
        assert "PRIVATE KEY" not in shown
        assert "eyJ" not in shown, "a token of the cluster"
        return found

    def present(self, **options: Any) -> Tree:
        """The trust, after it was made."""
        found = self.run(**options)
        assert not found.get("failed"), found
        trust: Tree = found["trust"]
        return trust

    def write(self, *names: str) -> None:
        """Objects by which it can be told who may read and delete."""
        for name in names:
            self.google.write(self.bucket, name, b"x")

    def fill(self) -> None:
        for cluster in ("prod-1", "prod-2"):
            folder = f"{PREFIX}/clusters/{cluster}/backups/b"
            self.write(f"{folder}/b.tar.gz", f"{folder}/velero-backup.json")
        self.write("elsewhere/x", f"{PREFIX}/workspaces/shop/runs/r1/expected.json")

    def traces(self) -> list[str]:
        """What of the trust is left anywhere."""
        found = [f"account {one}" for one in self.iam.accounts if self.name in one]
        found += [f"role {name}" for name, one in self.iam.roles.items() if not one.get("deleted") and self.mine(name)]
        found += [name for name, one in self.iam.federated.items() if one["state"] == "ACTIVE" and self.name in name]
        return found + [one["role"] for one in self.held.bindings if self.name in json.dumps(one)]

    def mine(self, role: str) -> bool:
        return self.name.replace("-", "_") in role


def federation(cluster: Cluster, **more: Any) -> Tree:
    keys = json.loads(cluster.api.raw("GET", "/openid/v1/jwks", accept="application/jwk-set+json"))
    given = {"issuer": controlplane.ISSUER, "audiences": [AUDIENCE], "subjects": ["trust-a/backup"], "jwks": keys}
    return {**given, **more}


@pytest.fixture(scope="module")
def server(testbed: Testbed) -> GoogleServer:
    """A server whose identities these tests change."""
    return testbed.google()


@pytest.fixture(scope="module")
def source(cluster: Any) -> Cluster:
    """A cluster with accounts of the same name in two namespaces."""
    found: Cluster = cluster()
    for namespace in ("trust-a", "trust-b"):
        found.api.apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}, field_manager="test"
        )
        for account in ("backup", "default"):
            meta = {"name": account, "namespace": namespace}
            found.api.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta}, field_manager="test")
    return found


@pytest.fixture
def world(server: GoogleServer, source: Cluster) -> Iterator[World]:
    """A new bucket with backups, and trust by federation that is removed in the end."""
    found = World(server, source)
    found.fill()
    yield found
    server.iam.lax, server.iam.of_projects = set(), {}
    found.run(state="absent")


@pytest.fixture
def alone(server: GoogleServer) -> Iterator[World]:
    """A new bucket, and trust by impersonation: without a cluster."""
    found = World(server)
    found.fill()
    yield found
    server.iam.of_projects = {}


def controller(world: World) -> Tree:
    """Options of a trust in which another project's account impersonates ours."""
    email = world.iam.add_account(f"awx-{uuid.uuid4().hex[:8]}@{CLUSTER_PROJECT}.iam.gserviceaccount.com")
    party = {"account": CLUSTER_PROJECT, "auth": world.iam.auth(email)}
    return {"impersonators": [f"serviceAccount:{email}"], "controller_account": party}


def verdicts(trust: Tree) -> dict[str, str]:
    return {line["id"]: line["verdict"] for line in trust["checks"]}


def failed(found: Tree) -> list[str]:
    assert found.get("error_code") == "trust_not_proven", found
    return [line["id"] for line in found["trust"]["checks"] if line["verdict"] == "failed"]


def changes(trust: Tree) -> list[Tree]:
    found: list[Tree] = trust["changes"]
    return found


@pytest.mark.parametrize("permissions", SETS)
def test_a_permission_set_is_made_proven_and_taken_away(world: World, permissions: str) -> None:
    options: Tree = {"permissions": permissions, "custom_role": permissions in {"pruner", "auditor"}}
    before = world.google.keys(world.bucket)
    planned = world.run(check=True, **options)
    assert world.traces() == []
    assert set(verdicts(planned["trust"]).values()) == {"unknown"}, "there is nothing yet that could be proven"
    made = world.run(**options)
    assert made["changed"] is planned["changed"] is True
    assert changes(made["trust"]) == changes(planned["trust"])
    assert [line for line in made["trust"]["checks"] if line["verdict"] != "passed"] == []
    again = world.run(**options)
    assert (again["changed"], again["trust"]["changes"]) == (False, [])
    assert verdicts(again["trust"]) == verdicts(made["trust"])
    checked = world.run(check=True, **options)
    assert (checked["changed"], verdicts(checked["trust"])) == (False, verdicts(made["trust"]))
    assert world.google.keys(world.bucket) == before
    assert world.google.uploads(world.bucket) == []

    planned = world.run(check=True, state="absent", **options)
    gone = world.run(state="absent", **options)
    assert changes(gone["trust"]) == changes(planned["trust"]) != []
    assert world.traces() == []
    assert world.run(state="absent", **options)["changed"] is False
    back = world.present(**options)
    assert set(verdicts(back).values()) == {"passed"}, "names that Google still keeps are taken back"


def test_by_impersonation_without_a_cluster(alone: World) -> None:
    options = controller(alone)
    trust = alone.present(**options)
    assert set(verdicts(trust).values()) == {"passed"}
    auth = {"method": "impersonation", "service_account": alone.email, "iam_endpoint": alone.google.endpoint}
    assert trust["auth"] == trust["controller_auth"] == auth
    policy = alone.iam.policies[alone.email].bindings
    assert policy == [{"role": TOKEN_CREATOR, "members": options["impersonators"]}]
    assert alone.run(**options)["changed"] is False
    alone.run(state="absent", **options)
    assert alone.traces() == []


def test_gke_can_be_tried_by_nobody_else(alone: World) -> None:
    options: Tree = {"gke_subjects": [{"project": CLUSTER_PROJECT, "subject": "trust-a/backup"}]}
    trust = alone.present(**options)
    who = f"serviceAccount:{CLUSTER_PROJECT}.svc.id.goog[trust-a/backup]"
    assert alone.iam.policies[alone.email].bindings == [{"role": WORKLOAD_USER, "members": [who]}]
    seen = verdicts(trust)
    assert (trust["auth"], seen["gke_trust-a/backup_allowed"]) == ({"method": "default_chain"}, "unknown")
    assert seen["list_allowed"] == seen["delete_refused"] == "unknown"
    assert seen["anonymous_list_refused"] == seen["plain_http_refused"] == seen["no_keys"] == "passed"
    found = alone.run(verify_required=["list_allowed"], **options)
    assert found["error_details"]["checks"] == ["list_allowed"]
    alone.run(state="absent", **options)


def test_before_the_first_backup_reading_is_unknown(server: GoogleServer, source: Cluster) -> None:
    world = World(server, source)
    seen = verdicts(world.present())
    unknown = {name for name, verdict in seen.items() if verdict == "unknown"}
    assert {"read_allowed", "read_refused", "delete_refused", "other_cluster_read_refused"} <= unknown
    assert seen["create_allowed"] == seen["list_allowed"] == seen["other_cluster_create_refused"] == "passed"
    world.run(state="absent")


# what the proof finds


@pytest.mark.parametrize(
    ("role", "expression", "line"),
    [
        ("roles/storage.objectViewer", "", "read_refused"),
        ("roles/storage.objectViewer", "", "other_cluster_list_refused"),
        ("roles/storage.objectViewer", "", "outside_prefix_read_refused"),
        ("roles/storage.objectUser", 'resource.name.endsWith(".tar.gz")', "delete_refused"),
        ("roles/storage.objectCreator", "", "other_cluster_create_refused"),
        ("roles/storage.objectCreator", THERE, "other_cluster_create_refused"),
        ("roles/storage.objectViewer", THERE, "other_cluster_read_refused"),
        ("roles/storage.admin", "", "bucket_policy_refused"),
        ("roles/storage.legacyBucketOwner", "", "bucket_changes_refused"),
        (
            "roles/storage.objectViewer",
            'resource.name.endsWith("/velero-backup.json")',
            "other_cluster_document_read_refused",
        ),
        (
            "roles/storage.objectCreator",
            'resource.name.extract("/metadata/{any}/") == "stowage"',
            "other_cluster_metadata_create_refused",
        ),
    ],
)
def test_who_may_do_more_is_found_out(world: World, role: str, expression: str, line: str) -> None:
    assert verdicts(world.present())[line] == "passed"
    world.iam.bind(world.held, role, f"serviceAccount:{world.email}", expression=expression)
    found = world.run()
    assert found["changed"] is False, "what others set up is kept"
    assert line in failed(found)
    assert role in json.dumps(found["trust"]["foreign"]["bucket"])
    refused = world.run(state="absent")
    assert refused["error_code"] == "trust_in_use"
    world.held.bindings.pop()
    assert set(verdicts(world.present()).values()) == {"passed"}


def test_a_right_to_change_objects_is_found_out_where_the_bucket_does_not_tell(world: World) -> None:
    role = f"projects/{PROJECT}/roles/changes"
    world.iam.roles[role] = {"includedPermissions": ["storage.objects.update"]}
    mine = f'resource.name.startsWith("projects/_/buckets/{world.bucket}/objects/fleet/clusters/prod-1/")'
    for expression, lines in (
        (mine, ["object_changes_refused"]),
        ("", ["bucket_changes_refused", "object_changes_refused"]),
    ):
        assert verdicts(world.present())["object_changes_refused"] == "passed"
        world.iam.bind(world.held, role, f"serviceAccount:{world.email}", expression=expression)
        assert failed(world.run()) == lines
        world.held.bindings.pop()
    del world.iam.roles[role]


def test_a_proxy_s_refusal_proves_nothing(world: World) -> None:
    # The mistake that nobody would notice.
    world.iam.bind(world.held, "roles/storage.objectCreator", f"serviceAccount:{world.email}")
    world.iam.bind(world.held, "roles/storage.objectCreator", "allUsers")
    assert {"create_refused", "anonymous_create_refused"} <= set(failed(world.run(permissions="reader")))
    world.google.stopped = re.compile("POST /upload/")
    try:
        seen = verdicts(world.present(permissions="reader"))
    finally:
        world.google.stopped = None
    unknown = {name for name, verdict in seen.items() if verdict == "unknown"}
    assert unknown == {name for name in seen if name.endswith("_create_refused")} | {"create_refused"}
    del world.held.bindings[-2:]


@pytest.mark.parametrize(("member", "verdict"), [("allUsers", "failed"), ("", "unknown")])
def test_a_bucket_that_is_read_without_tls_is_found_out(world: World, member: str, verdict: str) -> None:
    assert verdicts(world.present())["plain_http_refused"] == "passed"
    if member:
        world.iam.bind(world.held, "roles/storage.objectViewer", member)
    world.google.tls_only = False
    try:
        found = world.run()
    finally:
        world.google.tls_only = True
        world.held.bindings = [one for one in world.held.bindings if one["members"] != [member]]
    seen = verdicts(found["trust"])
    assert seen["plain_http_refused"] == verdict
    assert [name for name in seen if seen[name] == "unknown"] == (
        ["plain_http_refused"] if verdict == "unknown" else []
    )
    assert world.google.plain
    assert not any(token for _target, token in world.google.plain), "no token went over plain HTTP"


def test_a_role_of_the_project_is_found_out(world: World) -> None:
    world.present()
    binding = {"role": "roles/storage.objectUser", "members": [f"serviceAccount:{world.email}"]}
    world.iam.of_projects[PROJECT] = [binding]
    assert {"delete_refused", "other_cluster_delete_refused", "outside_prefix_create_refused"} <= set(
        failed(world.run())
    )


def test_a_bucket_that_is_open_to_everybody_is_found_out(world: World) -> None:
    world.present()
    world.iam.bind(world.held, "roles/storage.objectViewer", "allUsers")
    assert {"anonymous_list_refused", "anonymous_read_refused"} <= set(failed(world.run()))
    world.held.bindings.pop()


def test_who_may_do_less_is_found_out(world: World) -> None:
    world.present()
    role = next(one for one in world.held.bindings if one["role"] == "roles/storage.objectCreator")
    world.iam.after_read = role["members"].clear
    assert failed(world.run()) == ["create_allowed"]
    assert world.present()["changes"] != []


@pytest.mark.parametrize(
    ("lax", "line"), [("condition", "other_account_refused"), ("condition", "other_namespace_refused")]
)
def test_a_set_of_the_whole_pool_is_found_out(world: World, lax: str, line: str) -> None:
    assert verdicts(world.present())[line] == "passed"
    pool = f"principalSet://iam.googleapis.com/projects/{PROJECT_NUMBER}/locations/global/workloadIdentityPools/{world.name}/*"
    policy = world.iam.policies[world.email]
    world.iam.bind(policy, WORKLOAD_USER, pool)
    assert set(verdicts(world.present()).values()) == {"passed"}, "the provider's condition still holds"
    world.iam.lax = {lax}
    found = world.run()
    assert line in failed(found)
    assert pool in found["trust"]["foreign"]["service_account"][WORKLOAD_USER]
    assert world.run(state="absent")["error_code"] == "trust_in_use"
    trust = world.present(exclusive=True)
    assert (len(trust["changes"]), trust["foreign"]["service_account"]) == (1, {})
    assert set(verdicts(trust).values()) == {"passed"}, "each subject is bound by itself"


def test_an_audience_that_is_not_asked_is_found_out(world: World) -> None:
    assert verdicts(world.present())["wrong_audience_refused"] == "passed"
    world.iam.lax = {"audience"}
    assert failed(world.run()) == ["wrong_audience_refused"]


def test_a_provider_that_was_changed_is_put_right(world: World) -> None:
    world.present()
    provider = next(one for name, one in world.iam.federated.items() if name.endswith(f"/providers/{world.name}"))
    provider["attributeCondition"] = ""
    provider["oidc"]["allowedAudiences"].append("https://other.example")
    trust = world.present()
    assert [one["what"] for one in trust["changes"]] == ["provider"]
    assert provider["attributeCondition"] == 'assertion.sub in ["system:serviceaccount:trust-a:backup"]'
    assert provider["oidc"]["allowedAudiences"] == [AUDIENCE]


def test_another_provider_in_the_pool_is_found_out(world: World) -> None:
    world.present()
    ours = next(name for name in world.iam.federated if name.endswith(f"/providers/{world.name}"))
    theirs = ours.replace(f"/providers/{world.name}", "/providers/theirs")
    world.iam.federated[theirs] = {**world.iam.federated[ours], "name": theirs}
    assert failed(world.run()) == ["no_other_providers"]
    assert world.run(state="absent")["error_code"] == "trust_in_use"
    del world.iam.federated[theirs]


@pytest.mark.parametrize(("kind", "line"), [("keys", "no_keys"), ("hmac_keys", "no_hmac_keys")])
def test_keys_that_do_not_expire_are_found_out(world: World, kind: str, line: str) -> None:
    world.present()
    getattr(world.iam, kind)[world.email] = ["0123"]
    assert failed(world.run()) == [line]
    getattr(world.iam, kind).clear()


def test_others_must_neither_get_in_nor_become_the_account(world: World) -> None:
    other = world.iam.add_account(f"other-{uuid.uuid4().hex[:6]}@{PROJECT}.iam.gserviceaccount.com")
    them = [{"name": "prod-2", "auth": world.iam.auth(other)}]
    seen = verdicts(world.present(verify_as=them))
    assert {one for name, one in seen.items() if name.startswith("as_prod-2")} == {"passed"}
    # The mistake of granting it for the whole project.
    world.iam.of_projects[PROJECT] = [{"role": TOKEN_CREATOR, "members": [f"serviceAccount:{other}"]}]
    assert failed(world.run(verify_as=them)) == ["as_prod-2_impersonation_refused"]
    world.iam.of_projects = {}
    world.iam.bind(world.held, "roles/storage.objectViewer", f"serviceAccount:{other}")
    assert set(failed(world.run(verify_as=them))) == {"as_prod-2_list_refused", "as_prod-2_read_refused"}


def test_a_stranger_whose_credentials_are_none_proves_nothing(world: World) -> None:
    other = world.iam.add_account(f"other-{uuid.uuid4().hex[:6]}@{PROJECT}.iam.gserviceaccount.com")
    them = [{"name": "prod-2", "auth": world.iam.auth(other)}]
    # The mistake that nobody would notice.
    world.iam.bind(world.held, "roles/storage.objectViewer", f"serviceAccount:{other}")
    world.iam.server.tokens.accounts.discard(other)
    seen = verdicts(world.present(verify_as=them))
    assert {one for name, one in seen.items() if name.startswith("as_prod-2")} == {"unknown"}
    world.iam.server.tokens.accounts.add(other)
    assert set(failed(world.run(verify_as=them))) == {"as_prod-2_list_refused", "as_prod-2_read_refused"}
    world.held.bindings.pop()


def test_a_refusal_of_somebody_who_never_gets_in_proves_nothing(alone: World) -> None:
    options = controller(alone)
    alone.present(**options)
    stranger = controller(alone)["controller_account"]
    found = alone.run(impersonators=options["impersonators"], controller_account=stranger)
    seen = verdicts(found["trust"])
    assert seen["list_allowed"] == "failed"
    assert seen["delete_refused"] == seen["other_cluster_create_refused"] == "unknown"
    alone.run(state="absent", **options)


# how it is written


def test_what_is_of_others_is_kept_and_writers_do_not_lose_each_other_s_changes(world: World) -> None:
    world.iam.bind(
        world.held, "roles/storage.objectViewer", f"serviceAccount:{world.owner}", expression='resource.name == "x"'
    )
    theirs = world.held.bindings[0]
    world.iam.unknown_for = 1
    world.present()
    assert world.iam.unknown_for == 0, "an account that was just made was not known at first"
    assert theirs in world.held.bindings
    assert world.held.version == 3
    role = next(one for one in world.held.bindings if one["role"] == "roles/storage.objectCreator")
    role["members"] = [f"deleted:serviceAccount:{world.email}?uid=1"]
    reader = f"serviceAccount:{world.owner}"

    def write() -> None:
        world.iam.bind(world.held, "roles/storage.legacyBucketReader", reader)

    def before_the_next() -> None:
        world.iam.after_read = before_the_write

    def before_the_write() -> None:
        world.iam.after_read = write

    # The account's policy is read first, or the bucket's; then the bucket's again, right before it is written.
    world.iam.after_read = before_the_next
    changed = world.present()
    assert [one["what"] for one in changed["changes"]] == ["bucket_policy"]
    kept = [one["role"] for one in world.held.bindings if world.name not in json.dumps(one)]
    assert kept == ["roles/storage.objectViewer", "roles/storage.legacyBucketReader"]
    assert theirs in changed["foreign"]["bucket"]


def test_two_trusts_of_one_bucket_live_side_by_side(world: World, server: GoogleServer, source: Cluster) -> None:
    world.present()
    other = World(server, source)
    other.bucket, other.held, other.where, other.owner = world.bucket, world.held, world.where, world.owner
    other.present(permissions="reader", clusters=["prod-1", "prod-2"])
    assert set(verdicts(world.present()).values()) == {"passed"}
    other.run(state="absent")
    assert other.traces() == []
    assert world.run()["changed"] is False


def test_an_account_of_the_cluster_s_project(alone: World) -> None:
    email = alone.iam.add_account(f"given-{uuid.uuid4().hex[:6]}@{CLUSTER_PROJECT}.iam.gserviceaccount.com")
    alone.iam.bind(alone.iam.policies[email], TOKEN_CREATOR, f"serviceAccount:{alone.owner}")
    owner = alone.iam.owner(CLUSTER_PROJECT)
    options: Tree = {
        **controller(alone),
        "service_account": email,
        "cluster_account": {"account": CLUSTER_PROJECT, "auth": alone.iam.auth(owner)},
    }
    planned = alone.run(check=True, **options)
    trust = alone.present(**options)
    assert [one["what"] for one in changes(trust)] == ["service_account_policy", "bucket_policy"]
    assert changes(trust) == changes(planned["trust"])
    assert set(verdicts(trust).values()) == {"passed"}
    assert alone.run(**options)["changed"] is False
    alone.run(state="absent", **options)
    assert email in alone.iam.accounts
    assert alone.iam.policies[email].bindings == [{"role": TOKEN_CREATOR, "members": [f"serviceAccount:{alone.owner}"]}]
    assert [one for one in alone.held.bindings if email in json.dumps(one)] == []


@pytest.mark.parametrize("policy", ["bucket", "account"])
def test_an_organization_that_takes_nobody_else_is_named(alone: World, policy: str) -> None:
    options = controller(alone)
    if policy == "bucket":
        alone.present(**options)
        alone.held.bindings.clear()
    alone.iam.permitted = {"elsewhere"}
    found = alone.run(**options)
    alone.iam.permitted = set()
    assert (found["error_code"], "allowedPolicyMemberDomains" in found["hint"]) == ("permission_denied", True)
    assert set(verdicts(alone.present(**options)).values()) == {"passed"}
    alone.run(state="absent", **options)


def test_what_is_not_ours_is_left_alone(alone: World) -> None:
    alone.iam.add_account(alone.email, "somebody's")
    options = controller(alone)
    assert alone.run(**options)["error_code"] == "trust_in_use"
    assert alone.run(state="absent", **options)["error_code"] == "trust_in_use"
    assert alone.email in alone.iam.accounts


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"clusters": None}, "invalid_option"),
        ({"name": "short"}, "invalid_name"),
        ({"clusters": ["../x"]}, "invalid_name"),
        ({"clusters": [f"c{number}" for number in range(11)]}, "invalid_option"),
        ({"permissions": "pruner"}, "invalid_option"),
        ({"impersonators": None}, "invalid_option"),
        ({"impersonators": ["allUsers"]}, "invalid_option"),
        ({"impersonators": ["domain:example.com"]}, "invalid_option"),
        (
            {
                "impersonators": [
                    "principalSet://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/*"
                ]
            },
            "invalid_option",
        ),
        ({"gke_subjects": [{"project": "my-project", "subject": "ns/*"}]}, "invalid_option"),
        ({"service_account": "nobody@stowage-testbed.iam.gserviceaccount.com"}, "invalid_option"),
        ({"federation": {"issuer": "http://x", "audiences": ["a"], "subjects": ["a/b"]}}, "invalid_option"),
        ({"federation": {"issuer": "https://x", "audiences": ["a"], "subjects": ["*/b"]}}, "invalid_option"),
        ({"federation": {"issuer": "https://x", "audiences": [], "subjects": ["a/b"]}}, "invalid_option"),
        (
            {"federation": {"issuer": "https://x", "audiences": ["a"], "subjects": ["a/b"], "jwks": "no"}},
            "invalid_option",
        ),
        ({"location_account": {"account": CLUSTER_PROJECT}}, "wrong_account"),
        ({"api_endpoint": "http://127.0.0.1"}, "invalid_option"),
    ],
)
def test_what_makes_no_sense(alone: World, options: Tree, code: str) -> None:
    if "location_account" in options:
        options = {"location_account": {**options["location_account"], "auth": alone.iam.auth(alone.owner)}}
    found = alone.run(**{**controller(alone), **options})
    assert (found.get("error_code"), bool(found.get("hint"))) == (code, True), found
    assert alone.traces() == []


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"iamConfiguration": {"uniformBucketLevelAccess": {"enabled": False}}}, "location_unfit"),
        ({"projectNumber": "210987654321"}, "bucket_wrong_owner"),
    ],
)
def test_a_bucket_that_does_not_fit(alone: World, settings: Tree, code: str) -> None:
    alone.google.objects.buckets[alone.bucket].settings |= settings
    if "projectNumber" in settings:
        alone.iam.bind(alone.held, "roles/storage.admin", f"serviceAccount:{alone.owner}")
    assert alone.run(**controller(alone))["error_code"] == code
    assert alone.traces() == []


def test_the_environment_gives_no_credentials_to_another_endpoint(alone: World) -> None:
    found = alone.run(**controller(alone), location_account={"account": PROJECT})
    assert found["error_code"] == "credentials_missing"


def test_somebody_else_can_be_asked_to_do_it(world: World) -> None:
    seen = len(world.google.seen)
    trust = world.present(render_only=True, location_account={"account": PROJECT}, custom_role=True)
    assert len(world.google.seen) == seen
    assert f"gcloud iam service-accounts create {world.name}" in trust["review"]
    assert f"--member=serviceAccount:{world.email}" in trust["review"]
    assert "create-oidc" in trust["review"]
    assert trust["documents"]["provider"]["attributeMapping"] == {"google.subject": "assertion.sub"}
    assert world.traces() == []


def test_a_module_of_its_own_process_keeps_secrets(alone: World) -> None:
    found = modules.run("gcp_trust", alone.arguments(**controller(alone)))
    assert found["changed"] is True
    assert "ya29." not in json.dumps(found)
    assert "PRIVATE KEY" not in json.dumps(found)


def test_a_backup_and_a_restore_with_nothing_but_trust(
    world: World, cluster: Any, source: Cluster, tmp_path: Path
) -> None:
    target: Cluster = cluster("other")
    settings = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "settings", "namespace": "trust-b"},
        "data": {"a": "b"},
    }
    source.api.apply(settings, field_manager="test")
    reader = World(world.google, source)
    reader.bucket, reader.held, reader.where, reader.owner = world.bucket, world.held, world.where, world.owner
    file = tmp_path / "token"
    file.write_text(token(source), encoding="ascii")
    writes, reads = (
        {**world.where, "auth": one["auth"]}
        for one in (world.present(token_file=str(file)), reader.present(permissions="reader", token_file=str(file)))
    )
    given = {"location": writes, "cluster": "prod-1", "kubeconfig": str(source.kubeconfig)}
    selected = {"included_namespaces": ["trust-b"], "name": "by-trust"}
    made = modules.run("backup", {**given, **selected})
    assert made["backup"]["phase"] == "Completed"
    assert modules.run("backup", {**given, **selected})["changed"] is False
    restored = modules.run(
        "restore",
        {
            "location": reads,
            "cluster": "prod-1",
            "backup": "by-trust",
            "kubeconfig": str(target.kubeconfig),
            "allow_other_cluster": True,
            "report_dir": str(tmp_path),
        },
    )
    assert restored["restore"]["phase"] == "Completed"
    found = target.api.find("v1", "ConfigMap", "settings", "trust-b")
    assert found is not None
    assert found["data"] == {"a": "b"}
    reader.run(state="absent")
    target.api.delete("v1", "Namespace", "trust-b")


def token(cluster: Cluster) -> str:
    """A token of the account that may come, for Google, as the kubelet would mount it."""
    path = cluster.api.resource("v1", "ServiceAccount").path("trust-a", "backup") + "/token"
    spec = {"audiences": [AUDIENCE], "expirationSeconds": 3600}
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    return str(cluster.api.json("POST", path, body=body)["status"]["token"])
