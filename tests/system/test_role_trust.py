# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role trust and its playbook against real servers and those that stand for clouds, as a person runs them."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.aws import allow, document
from support.azure import World
from support.leaks import files, leaks
from support.plays import Plays
from testbed import Azurite, MinIO, MiniStack, Testbed, controlplane
from testbed.azure import AzureCloud
from testbed.google_tokens import PROJECT
from testbed.ministack import BUCKET_ACCOUNT, ROOT_SECRET, WORKLOAD_ACCOUNT

PLAYBOOK = "stowage.kubernetes.cross_account"
NAMES = ("writer", "auditor")


@pytest.fixture
def plays(minio: MinIO, tmp_path: Path) -> Iterator[Plays]:
    """An inventory with a trust for each permission set, and a location that cannot be evaluated."""
    bucket = minio.create_bucket(f"role-{uuid.uuid4().hex[:12]}")
    where = {"provider": "minio", "endpoint": minio.endpoint, "bucket": bucket, "prefix": "fleet"}
    where["ca_cert"] = str(minio.ca_cert)
    account = {"access_key": minio.access_key, "secret_key": minio.secret_key}
    run = uuid.uuid4().hex[:6]
    trusts = {
        name: {
            "name": f"{name}-{run}",
            "location": "primary",
            "clusters": ["prod-1", "prod-2"],
            "permissions": name,
            "secret_path": str(tmp_path / f"{name}.json"),
            "location_account": account,
        }
        for name in NAMES
    }
    locations = {"primary": where, "unset": {"provider": "minio", "bucket": "{{ not_defined_anywhere }}"}}
    found = Plays.make(tmp_path, vars={"stowage_locations": locations, "stowage_trusts": trusts})
    yield found
    found.end()


def changed(output: str) -> int:
    """How many tasks changed something."""
    found = re.search(r"localhost .* changed=(\d+)", output)
    assert found, output
    return int(found[1])


def test_trust_is_set_up_proven_and_taken_away(plays: Plays, minio: MinIO, tmp_path: Path) -> None:
    code, output = plays.run(PLAYBOOK, "--check", "--diff")
    assert (code, changed(output)) == (0, len(NAMES)), output
    assert not list(tmp_path.glob("*.json"))
    code, output = plays.run_by_runner("made", PLAYBOOK, "-vvv")
    assert (code, changed(output)) == (0, len(NAMES)), output
    assert output.count("passed, s3:DeleteObject in clusters/prod-1/backups/*/*.tar.gz") == len(NAMES)
    secrets = [json.loads((tmp_path / f"{name}.json").read_text(encoding="ascii"))["secret_key"] for name in NAMES]
    canaries = [minio.secret_key, *secrets]
    assert leaks([("the output", output.encode()), *files(plays.path)], canaries) == []
    code, output = plays.run(PLAYBOOK)
    assert (code, changed(output)) == (0, 0), output
    code, output = plays.run(PLAYBOOK, "-e", "trust_state=absent")
    assert (code, "trust_state=absent needs trust_names" in output) == (2, True), output
    gone = ("-e", "trust_state=absent", "-e", f"trust_names={','.join(NAMES)}")
    code, output = plays.run(PLAYBOOK, *gone)
    assert (code, changed(output)) == (0, len(NAMES)), output
    code, output = plays.run(PLAYBOOK, *gone)
    assert (code, changed(output)) == (0, 0), output


def test_the_lines_are_shown_too_when_the_proof_fails(plays: Plays, minio: MinIO) -> None:
    variables = json.loads(plays.inventory.read_text(encoding="utf-8"))["all"]["vars"]
    name, bucket = variables["stowage_trusts"]["writer"]["name"], variables["stowage_locations"]["primary"]["bucket"]
    options = ("-e", "trust_names=writer", "-e", '{"trust_validate": false}')
    code, output = plays.run(PLAYBOOK, *options)
    assert code == 0, output
    admin = minio.admin()
    more = f"more-{name}"
    admin.policy_add(more, policy=json.loads(document(allow("s3:DeleteObject", f"arn:aws:s3:::{bucket}/*"))))
    admin.attach_policy([more], user=name)
    code, output = plays.run(PLAYBOOK, *options)
    assert code == 2, output
    shown = output.partition("Show the lines of the proof")[2]
    lines = re.findall(r"(failed|unknown|passed), s3:", shown)
    assert lines == sorted(lines, key=["failed", "unknown", "passed"].index)
    assert {"failed", "passed"} <= set(lines)
    assert (
        "failed, s3:DeleteObject in clusters/prod-1/backups/*/*.tar.gz, refused, s3:DeleteObject was allowed" in shown
    )
    assert f"writer: {name} is not as it should be" in shown
    assert minio.secret_key not in output
    admin.detach_policy([more], user=name)
    admin.policy_remove(more)
    code, output = plays.run(PLAYBOOK, *options, "-e", "trust_state=absent")
    assert code == 0, output


def test_two_accounts_of_aws(ministack: MiniStack, tmp_path: Path) -> None:
    run = uuid.uuid4().hex[:8]
    access, secret = ministack.user(WORKLOAD_ACCOUNT, f"controller-{run}")
    where = {"provider": "aws", "endpoint": ministack.endpoint, "bucket": ministack.create_bucket(f"role-{run}")}
    sts = {"method": "access_key", "sts_endpoint": ministack.endpoint}
    own = {**sts, "access_key": BUCKET_ACCOUNT, "secret_key": ROOT_SECRET}
    trusted = {
        "location": "primary",
        "clusters": ["prod-1"],
        "principals": [f"arn:aws:iam::{WORKLOAD_ACCOUNT}:user/controller-{run}"],
        "location_account": {"account": BUCKET_ACCOUNT, "auth": own},
        "cluster_account": {"account": WORKLOAD_ACCOUNT, "auth": {**sts, "access_key": access, "secret_key": secret}},
        "iam_endpoint": ministack.endpoint,
        "sts_endpoint": ministack.endpoint,
    }
    # Whoever administers the other account gives the permission.
    ministack.iam(WORKLOAD_ACCOUNT).put_user_policy(
        UserName=f"controller-{run}",
        PolicyName="assume",
        PolicyDocument=document(allow("sts:AssumeRole", f"arn:aws:iam::{BUCKET_ACCOUNT}:role/writer-{run}")),
    )
    locations = {"primary": {**where, "prefix": "fleet", "region": ministack.region, "ca_cert": str(ministack.ca_cert)}}
    variables = {"stowage_locations": locations, "stowage_trusts": {f"writer-{run}": trusted}}
    plays = Plays.make(tmp_path, vars=variables)
    code, output = plays.run(PLAYBOOK)
    assert (code, changed(output)) == (0, 1), output
    assert "passed, sts:AssumeRole without an external id, refused" in output
    statement: Any = ministack.iam(BUCKET_ACCOUNT).get_role(RoleName=f"writer-{run}")["Role"][
        "AssumeRolePolicyDocument"
    ]
    made = statement["Statement"][0]["Condition"]["StringEquals"]["sts:ExternalId"]
    told = output.partition("Show what the location needs")[2].partition("TASK")[0]
    for line in (
        "method: assume_role",
        f"role_arn: arn:aws:iam::{BUCKET_ACCOUNT}:role/writer-{run}",
        f"external_id: {made}",
    ):
        assert f'"    {line}"' in told
    assert leaks([("the output", output.encode()), *files(plays.path)], [secret]) == []
    chosen = {"stowage_trusts": {f"writer-{run}": {**trusted, "external_id": f"chosen-{run}"}}}
    code, output = plays.run(PLAYBOOK, "-e", json.dumps(chosen))
    told = output.partition("Show what the location needs")[2].partition("TASK")[0]
    assert (code, f"external_id: that of stowage_trusts.writer-{run}" in told, f"chosen-{run}" in told) == (
        0,
        True,
        False,
    ), output
    code, output = plays.run(PLAYBOOK)
    assert code == 0, output
    code, output = plays.run(PLAYBOOK, "--check")
    assert (code, changed(output)) == (0, 0), output
    code, output = plays.run(PLAYBOOK, "-e", "trust_state=absent", "-e", f"trust_names=writer-{run}")
    assert (code, changed(output)) == (0, 1), output
    plays.end()


def test_a_principal_and_somebody_else_s_identity_at_azure(azurite: Azurite, tmp_path: Path) -> None:
    cloud = AzureCloud(tmp_path / "azure", azurite)
    try:
        world = World(cloud)
        name = world.name
        given = world.arguments()
        kept = (
            "service_principal",
            "controller_account",
            "location_account",
            "authority",
            "verify_timeout",
            "clusters",
        )
        trusted = {"location": "primary", **{one: given[one] for one in kept}}
        variables = {"stowage_locations": {"primary": world.where}, "stowage_trusts": {name: trusted}}
        plays = Plays.make(tmp_path / "plays", vars=variables)
        code, output = plays.run(PLAYBOOK, "--check", "--diff")
        assert (code, changed(output), world.traces()) == (0, 1, []), output
        code, output = plays.run_by_runner("made", PLAYBOOK, "-vvv")
        assert (code, changed(output)) == (0, 1), output
        assert "passed, blobs/delete in clusters/stowage-trust-check/" in output
        secrets = [world.principal.secret, world.owner.secret]
        assert leaks([("the output", output.encode()), *files(plays.path)], secrets) == []
        code, output = plays.run(PLAYBOOK)
        assert (code, changed(output)) == (0, 0), output
        asked = {"trust_render_only": True}
        code, output = plays.run(PLAYBOOK, "-e", json.dumps(asked))
        assert (code, "az role assignment create" in output) == (0, True), output
        code, output = plays.run(PLAYBOOK, "-e", "trust_state=absent", "-e", f"trust_names={name}")
        assert (code, changed(output), world.traces()) == (0, 1, []), output
        plays.end()
    finally:
        cloud.stop()


def test_pods_of_eks_and_a_user_without_a_role(ministack: MiniStack, tmp_path: Path) -> None:
    run = uuid.uuid4().hex[:8]
    sts = {"method": "access_key", "sts_endpoint": ministack.endpoint}
    user = ministack.user(WORKLOAD_ACCOUNT, f"edge-{run}")
    bucket = ministack.create_bucket(f"role-{run}")
    controls: Any = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    ministack.client().put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=controls)
    service = document({"Effect": "Allow", "Principal": {"Service": "eks.amazonaws.com"}, "Action": "sts:AssumeRole"})
    ministack.root("eks", WORKLOAD_ACCOUNT).create_cluster(
        name=f"prod-{run}",
        roleArn=ministack.role(WORKLOAD_ACCOUNT, f"eks-{run}", service),
        resourcesVpcConfig={"subnetIds": ["subnet-1", "subnet-2"]},
    )
    root = {**sts, "access_key": WORKLOAD_ACCOUNT, "secret_key": ROOT_SECRET}
    common = {
        "location": "primary",
        "clusters": ["prod-1"],
        "location_account": {
            "account": BUCKET_ACCOUNT,
            "auth": {**sts, "access_key": BUCKET_ACCOUNT, "secret_key": ROOT_SECRET},
        },
        **{f"{name}_endpoint": ministack.endpoint for name in ("iam", "sts", "eks", "kms")},
    }
    controller = {"account": WORKLOAD_ACCOUNT, "auth": {**sts, "access_key": user[0], "secret_key": user[1]}}
    trusts = {
        f"edge-{run}": {
            **common,
            "method": "bucket_policy",
            "principals": [f"arn:aws:iam::{WORKLOAD_ACCOUNT}:user/edge-{run}"],
            "guard_rails": {"tls_only": True},
            "cluster_account": {"account": WORKLOAD_ACCOUNT, "user": f"edge-{run}", "auth": root},
            "controller_account": controller,
        },
        f"pods-{run}": {
            **common,
            "pod_identities": [{"cluster": f"prod-{run}", "namespace": "stowage", "name": "backup"}],
            "cluster_account": {"account": WORKLOAD_ACCOUNT, "role": f"pods-{run}", "auth": root},
        },
    }
    where = {"provider": "aws", "endpoint": ministack.endpoint, "bucket": bucket, "region": ministack.region}
    locations = {"primary": {**where, "prefix": "fleet", "ca_cert": str(ministack.ca_cert)}}
    plays = Plays.make(tmp_path, vars={"stowage_locations": locations, "stowage_trusts": trusts})
    code, output = plays.run(PLAYBOOK)
    assert (code, changed(output)) == (0, 2), output
    assert "passed, s3:DeleteObject in clusters/prod-1/" in output
    assert "unknown, sts:AssumeRole with the tags of stowage_backup, allowed" in output
    assert leaks([("the output", output.encode()), *files(plays.path)], [user[1]]) == []
    code, output = plays.run(PLAYBOOK)
    assert (code, changed(output)) == (0, 0), output
    code, output = plays.run(PLAYBOOK, "-e", "trust_state=absent", "-e", f"trust_names=edge-{run},pods-{run}")
    assert (code, changed(output)) == (0, 2), output
    plays.end()


def test_a_cluster_that_is_not_at_google(testbed: Testbed, cluster: Any, tmp_path: Path) -> None:
    google, source = testbed.google(), cluster()
    run = uuid.uuid4().hex[:8]
    bucket = google.create_bucket(f"role-{run}")
    google.iam.guard(bucket)
    meta = {"name": "default", "namespace": "default"}
    source.api.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta}, field_manager="test")
    audience, file = "https://stowage.example/google", tmp_path / "token"
    path = source.api.resource("v1", "ServiceAccount").path("default", "default") + "/token"
    spec = {"audiences": [audience], "expirationSeconds": 3600}
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    file.write_text(str(source.api.json("POST", path, body=body)["status"]["token"]), encoding="ascii")
    keys = json.loads(source.api.raw("GET", "/openid/v1/jwks", accept="application/jwk-set+json"))
    trusted = {
        "location": "primary",
        "clusters": ["prod-1"],
        "federation": {
            "issuer": controlplane.ISSUER,
            "jwks": keys,
            "audiences": [audience],
            "subjects": ["default/default"],
        },
        "kubeconfig": str(source.kubeconfig),
        "token_file": str(file),
        "location_account": {"account": PROJECT, "auth": google.iam.auth(google.iam.owner())},
        "api_endpoint": google.endpoint,
    }
    where = {"provider": "gcp", "endpoint": google.endpoint, "bucket": bucket, "prefix": "fleet"}
    locations = {"primary": {**where, "ca_cert": str(google.ca_cert)}}
    plays = Plays.make(tmp_path, vars={"stowage_locations": locations, "stowage_trusts": {f"writer-{run}": trusted}})
    code, output = plays.run(PLAYBOOK)
    assert (code, changed(output)) == (0, 1), output
    assert re.search(r"Look at the location through the trust\][ *]*\nok: ", output), output
    assert leaks([("the output", output.encode())], [file.read_text(encoding="ascii")]) == []
    code, output = plays.run(PLAYBOOK, "--check")
    assert (code, changed(output)) == (0, 0), output
    gone = ("-e", "trust_state=absent", "-e", f"trust_names=writer-{run}")
    code, output = plays.run(PLAYBOOK, *gone)
    assert (code, changed(output)) == (0, 1), output
    plays.end()


def test_somebody_else_is_asked_at_google(tmp_path: Path) -> None:
    trusted = {
        "location": "primary",
        "clusters": ["prod-1"],
        "gke_subjects": [{"project": "acme-clusters", "subject": "stowage/backup"}],
        "location_account": {"account": "acme-backups"},
    }
    variables = {
        "stowage_locations": {"primary": {"provider": "gcp", "bucket": "acme-backups", "prefix": "fleet"}},
        "stowage_trusts": {"prod-1-writer": trusted},
    }
    plays = Plays.make(tmp_path, vars=variables)
    code, output = plays.run(PLAYBOOK, "-e", "trust_render_only=true")
    assert (code, changed(output)) == (0, 0), output
    assert "gcloud " in output
    plays.end()


def test_somebody_else_is_asked(plays: Plays) -> None:
    code, output = plays.run(PLAYBOOK, "-e", "trust_render_only=true", "-e", "trust_names=writer")
    assert (code, changed(output)) == (0, 0), output
    assert "mc admin policy create ALIAS writer-" in output


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("-e", "trust_names=writer,nobody"), "There is no trust nobody."),
        (("-e", '{"stowage_trusts": {}}'), "There are no trusts."),
        (
            ("-e", '{"stowage_trusts": {"a": {"location": "elsewhere"}}}'),
            "stowage_trusts.a.location must be one of primary, unset.",
        ),
    ],
)
def test_what_makes_no_sense(plays: Plays, options: tuple[str, ...], says: str) -> None:
    code, output = plays.run(PLAYBOOK, *options)
    assert code == 2, output
    assert says in output
