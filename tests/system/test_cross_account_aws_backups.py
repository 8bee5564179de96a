# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup and a restore across accounts of AWS by the playbooks, with nothing but what trust gives: whoever writes cannot read
back, whoever reads cannot write, and without the trust the same credential is good for nothing."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from support.aws import allow, document
from support.leaks import leaks
from support.plays import Plays
from support.trust_scenarios_aws import Tree, play, service_account_token
from testbed import Cluster, MiniStack
from testbed.controlplane import ISSUER
from testbed.ministack import BUCKET_ACCOUNT, WORKLOAD_ACCOUNT

SETS = ("writer", "reader")


class World:
    """Two clusters, a bucket in another account, and who may use it.

    :ivar credential: what each party has beside its trust, as a location's `auth` takes it.
    :ivar trusted: how each party is named in its trust.
    """

    def __init__(self, aws: MiniStack, source: Cluster, target: Cluster, folder: Path) -> None:
        self.aws, self.source, self.target, self.folder = aws, source, target, folder
        self.run = uuid.uuid4().hex[:8]
        self.namespace = f"across-{self.run}"
        self.bucket = aws.create_bucket(f"across-{self.run}")
        self.sts: Tree = {"sts_endpoint": aws.endpoint}
        self.secrets: list[str] = []
        self.credential: dict[str, Tree] = {}
        self.trusted: dict[str, Tree] = {}

    def name(self, party: str) -> str:
        return f"{party}-{self.run}"

    def by_roles(self) -> None:
        """Users of the clusters' account, who may take the roles over if they say the external id, and nothing else."""
        for party in SETS:
            role = f"arn:aws:iam::{BUCKET_ACCOUNT}:role/{self.name(party)}"
            keys = self.aws.user(WORKLOAD_ACCOUNT, self.name(party), document(allow("sts:AssumeRole", role)))
            self.secrets.append(keys[1])
            self.credential[party] = {
                "method": "access_key",
                "access_key": keys[0],
                "secret_key": keys[1],
                **self.sts,
            }
            self.trusted[party] = {
                "principals": [f"arn:aws:iam::{WORKLOAD_ACCOUNT}:user/{self.name(party)}"],
                "controller_account": {"account": WORKLOAD_ACCOUNT, "auth": self.credential[party]},
            }

    def by_tokens(self) -> None:
        """Service accounts: that which writes is one of the first cluster, that which reads one of the second."""
        for party, cluster in zip(SETS, (self.source, self.target), strict=True):
            token = service_account_token(cluster, f"{party}s-{self.run}", "backup", "sts.amazonaws.com")
            file = self.folder / f"{party}.token"
            file.write_text(token, encoding="ascii")
            self.secrets.append(token)
            self.credential[party] = {"web_identity_token_file": str(file), **self.sts}
            account = {"issuer": ISSUER, "namespace": f"{party}s-{self.run}", "name": "backup"}
            tried = [{"name": party, "path": str(file), "expected": "allowed"}]
            self.trusted[party] = {"service_accounts": [account], "verify_tokens": tried}

    @property
    def where(self) -> Tree:
        here = {"endpoint": self.aws.endpoint, "region": self.aws.region, "ca_cert": str(self.aws.ca_cert)}
        return {"provider": "aws", "bucket": self.bucket, "prefix": "fleet", **here}

    def trusts(self) -> Plays:
        """An inventory of whoever owns the bucket."""
        admin = self.aws.user(BUCKET_ACCOUNT, self.name("owner"), document(allow(["iam:*", "s3:*"])))
        self.secrets.append(admin[1])
        owner = {"method": "access_key", "access_key": admin[0], "secret_key": admin[1], **self.sts}
        trusts = {
            self.name(party): {
                "location": "primary",
                "clusters": ["prod-1"],
                "permissions": party,
                "location_account": {"account": BUCKET_ACCOUNT, "auth": owner},
                **{f"{one}_endpoint": self.aws.endpoint for one in ("iam", "sts")},
                **self.trusted[party],
            }
            for party in SETS
        }
        found = {"stowage_locations": {"primary": self.where}, "stowage_trusts": trusts}
        return Plays.make(self.folder / "owner", vars=found)

    def backups(self, auth: dict[str, Tree]) -> Plays:
        """An inventory of whoever makes backups, with the locations `writer` and `reader`."""
        locations = {party: {**self.where, "auth": {**self.credential[party], **auth[party]}} for party in SETS}
        hosts = {
            "prod-1": {"stowage_kubeconfig": str(self.source.kubeconfig)},
            "spare": {"stowage_kubeconfig": str(self.target.kubeconfig)},
        }
        return Plays.make(self.folder / "backups", hosts=hosts, vars={"stowage_locations": locations})


@pytest.fixture
def world(ministack: MiniStack, cluster: Callable[..., Cluster], tmp_path: Path) -> World:
    """New accounts' worth of names, and something to back up."""
    found = World(ministack, cluster(), cluster("other"), tmp_path)
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": found.namespace}}
    settings = {"name": "settings", "namespace": found.namespace}
    document = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": settings, "data": {"a": "b"}}
    for one in (namespace, document):
        found.source.api.apply(one, field_manager="test")
    return found


@pytest.mark.parametrize("way", [World.by_roles, World.by_tokens], ids=["assume_role", "web_identity"])
def test_a_backup_and_a_restore_with_nothing_but_trust(world: World, way: Callable[[World], None]) -> None:
    way(world)
    owner = world.trusts()
    made = play(owner, world.folder)
    assert (made.changed, made.validated, made.lines("failed")) == (2, 2, set())
    plays = world.backups({party: made.trusts[world.name(party)]["auth"] for party in SETS})

    def backup(name: str, location: str) -> tuple[int, str]:
        chosen = {"backup_included_namespaces": [world.namespace], "backup_name": name, "backup_location": location}
        return plays.run("stowage.kubernetes.backup", "--limit", "prod-1", "-e", json.dumps(chosen))

    def restore(location: str) -> tuple[int, str]:
        chosen = {"restore_hosts": "spare", "restore_cluster": "prod-1", "restore_backup": "across"}
        chosen |= {"restore_location": location, "restore_report_dir": str(world.folder)}
        allowed = json.dumps({**chosen, "restore_allow_other_cluster": True})
        return plays.run("stowage.kubernetes.restore", "-e", allowed)

    code, output = backup("across", "writer")
    assert code == 0, output
    shown = output
    assert "fleet/clusters/prod-1/backups/across/velero-backup.json" in world.aws.keys(world.bucket)

    code, output = restore("writer")
    assert (code, "permission_denied" in output) == (2, True), output
    assert world.target.api.find("v1", "Namespace", world.namespace) is None, "whoever writes cannot read back"
    there = world.aws.keys(world.bucket)
    code, output = backup("by-reader", "reader")
    assert (code, "permission_denied" in output) == (2, True), output
    assert world.aws.keys(world.bucket) == there, "whoever reads cannot write"

    code, output = restore("reader")
    assert code == 0, output
    found = world.target.api.find("v1", "ConfigMap", "settings", world.namespace)
    assert (found or {}).get("data") == {"a": "b"}
    world.target.api.delete("v1", "Namespace", world.namespace)

    names = ",".join(world.name(party) for party in SETS)
    play(owner, world.folder, "-e", "trust_state=absent", "-e", f"trust_names={names}")
    code, output = restore("reader")
    assert code == 2, "the credential alone is good for nothing"
    assert leaks([("the output", (made.output + shown + output).encode())], world.secrets) == []
    for one in (owner, plays):
        one.end()
    world.source.api.delete("v1", "Namespace", world.namespace)
