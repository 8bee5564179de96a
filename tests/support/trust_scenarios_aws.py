# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the example inventories of trust at AWS take for granted, made in an emulator: accounts, who is in them, and the bucket. And
what the accounts hold, to compare it."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import botocore.exceptions

from support.aws import allow, document, trust
from support.plays import Plays
from support.trust_examples import variables
from testbed import Cluster, MiniStack
from testbed.ministack import BUCKET_ACCOUNT, OTHER_ACCOUNT, WORKLOAD_ACCOUNT

ACCOUNTS = (WORKLOAD_ACCOUNT, BUCKET_ACCOUNT, OTHER_ACCOUNT)
PARTIES = ("location_account", "cluster_account", "controller_account")
LATER = "made-when-it-is-run"
"""What a prediction has in place of an external id that is yet to be made."""
# Ends with what the trusts are, for whoever started it.
_PLAYBOOK = """
- ansible.builtin.import_playbook: stowage.kubernetes.cross_account
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.copy: {content: "{{ trust_made | to_json }}", dest: "{{ keep_at }}", mode: "0600"}
      check_mode: false
      changed_when: false
"""
Tree = dict[str, Any]
Keys = tuple[str, str, str]
"""An access key, its secret, and the token of a session or nothing."""


def merged(tree: Any, more: Any) -> Any:
    """A tree with what another one says, dictionary by dictionary."""
    if not isinstance(tree, dict) or not isinstance(more, dict):
        return copy.deepcopy(more)
    return {**tree, **{name: merged(tree.get(name), value) for name, value in more.items()}}


def only_adds(tree: Any, more: Any, *but: str) -> bool:
    """Whether an overlay leaves all values of a tree as they are, but those of some names."""
    if isinstance(tree, dict) and isinstance(more, dict):
        return all(name in but or name not in tree or only_adds(tree[name], more[name], *but) for name in more)
    return bool(tree == more)


class Scene:
    """The accounts of the examples in an emulator of their own."""

    def __init__(self, aws: MiniStack, example: Path, folder: Path) -> None:
        aws.region = "eu-west-1"
        self.aws = aws
        self.variables = variables(example)
        self.folder = folder
        self.secrets: list[str] = []
        self._keys: dict[str, Keys] = {}
        self._tokens: Tree = {}
        place: Any = {"LocationConstraint": aws.region}
        aws.client().create_bucket(Bucket=self.bucket, CreateBucketConfiguration=place)
        self.has_keys("LOCATION", self.user(BUCKET_ACCOUNT, "owner", allow(["iam:*", "s3:*", "kms:*"])))

    @property
    def bucket(self) -> str:
        return str(self.variables["stowage_locations"]["primary"]["bucket"])

    @property
    def trusts(self) -> list[str]:
        return list(self.variables["stowage_trusts"])

    # who is there

    def user(self, account: str, name: str, *may: Tree) -> Keys:
        """Somebody of an account."""
        return (*self.aws.user(account, name, document(*may) if may else ""), "")

    def session(self, account: str, name: str, *may: Tree) -> Keys:
        """A session of a role that is made, which everybody of its account may take over."""
        arn = self.aws.role(account, name, trust({"AWS": account}), document(*may) if may else "")
        access, secret, _token = self.user(account, f"{name}-user", allow("sts:AssumeRole", arn))
        made = self.aws.sts(access, secret).assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
        return made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"]

    def has_keys(self, party: str, keys: Keys) -> None:
        """Gives a party its credential, as AWX's credential types do."""
        self._keys[party] = keys
        self.secrets += [one for one in keys[1:] if one]

    def has_tokens(self, clusters: dict[str, Cluster]) -> None:
        """Asks clusters for the tokens that the examples try, by their names."""
        for name, given in self.variables["stowage_trusts"].items():
            tried = [
                {**one, "path": str(self._token(clusters, str(one["name"])))} for one in given.get("verify_tokens", ())
            ]
            self._tokens[name] = {"verify_tokens": tried}

    def _token(self, clusters: dict[str, Cluster], name: str) -> Path:
        cluster = next(cluster for key, cluster in clusters.items() if name.startswith(key))
        namespace = "elsewhere" if name.endswith("-other-namespace") else "stowage"
        account = "other" if name.endswith("-other-account") else "backup"
        audience = "somebody-else" if name.endswith("-other-audience") else "sts.amazonaws.com"
        token = service_account_token(cluster, namespace, account, audience)
        self.secrets.append(token)
        path = self.folder / f"token-{name}"
        path.write_text(token, encoding="ascii")
        return path

    # the inventory

    def overlay(self) -> Tree:
        """Where the emulator is, in the terms of an inventory."""
        here = {f"{name}_endpoint": self.aws.endpoint for name in ("iam", "sts", "eks", "kms")}
        trusts = {
            name: {
                **here,
                "http_endpoint": self.aws.plain_endpoint,
                **{party: {"auth": {"sts_endpoint": self.aws.endpoint}} for party in PARTIES if party in given},
                **self._tokens.get(name, {}),
            }
            for name, given in self.variables["stowage_trusts"].items()
        }
        where = {"endpoint": self.aws.endpoint, "ca_cert": str(self.aws.ca_cert)}
        return {"stowage_locations": {"primary": where}, "stowage_trusts": trusts}

    @property
    def environment(self) -> dict[str, str]:
        """The variables that the examples read."""
        names = ("ACCESS_KEY", "SECRET_KEY", "SESSION_TOKEN")
        return {
            f"STOWAGE_{party}_AWS_{name}": value
            for party in ("LOCATION", "CLUSTER", "CONTROLLER")
            for name, value in zip(names, self._keys.get(party, ("", "", "")), strict=True)
        }


@dataclasses.dataclass(frozen=True)
class Played:
    """How a play went.

    :param changed: how many trusts it says to have changed.
    :param validated: how many locations were looked at through a trust.
    :param trusts: what the role keeps of each.
    """

    changed: int
    validated: int
    output: str
    trusts: Tree

    @property
    def changes(self) -> list[Tree]:
        """The changes of all trusts. An external id that was made reads as in a prediction."""
        made = list(self.trusts.values())
        text = json.dumps([change for one in made for change in one["changes"]])
        for one in made:
            text = text.replace(str(one.get("auth", {}).get("external_id") or LATER), LATER)
        found: list[Tree] = json.loads(text)
        return found

    def lines(self, verdict: str) -> set[str]:
        """The lines of all trusts with a verdict."""
        return {line["id"] for one in self.trusts.values() for line in one["checks"] if line["verdict"] == verdict}


def play(plays: Plays, folder: Path, *arguments: str, **environment: str) -> Played:
    """Runs the playbook cross_account; it must not fail."""
    playbook, kept = folder / "playbook.yml", folder / "kept.json"
    playbook.write_text(_PLAYBOOK, encoding="ascii")
    kept.unlink(missing_ok=True)
    with plays.start(str(playbook), *arguments, "-e", f"keep_at={kept}", **environment) as running:
        output, _errors = running.communicate()
    assert running.returncode == 0, output
    changed = next(int(part.partition("=")[2]) for part in output.split() if part.startswith("changed="))
    tasks = [part for part in output.split("\nTASK [") if "Look at the location through the trust]" in part[:100]]
    looked = sum(re.search("^ok: ", part, re.MULTILINE) is not None for part in tasks)
    return Played(changed, looked, output, json.loads(kept.read_text(encoding="utf-8")))


class Stage:
    """Plays an example inventory with what a scene adds to it."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        overlay = scene.overlay()
        assert only_adds(scene.variables, overlay, "verify_tokens"), "an example is proven as it is"
        self.plays = Plays.make(scene.folder / "plays", vars=merged(scene.variables, overlay))

    def play(self, *arguments: str) -> Played:
        """Runs the playbook; it must not fail."""
        return play(self.plays, self._scene.folder, *arguments, **self._scene.environment)


def service_account_token(cluster: Cluster, namespace: str, account: str, audience: str) -> str:
    """A token of a service account, which is made if it is not there."""
    cluster.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}, field_manager="test")
    metadata = {"name": account, "namespace": namespace}
    cluster.api.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}, field_manager="test")
    spec = {"audiences": [audience], "expirationSeconds": 3600}
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
    return str(cluster.api.json("POST", path, body=body)["status"]["token"])


def holdings(aws: MiniStack, accounts: Iterable[str] = ACCOUNTS) -> Tree:
    """What accounts hold of what trust is made of, as it can be compared."""
    return {account: _of_account(aws, account) for account in accounts}


def _of_account(aws: MiniStack, account: str) -> Tree:
    iam: Any = aws.iam(account)
    eks, kms = aws.root("eks", account), aws.root("kms", account)
    keys = [one["KeyId"] for one in kms.list_keys()["Keys"]]
    clusters = eks.list_clusters()["clusters"]
    providers = [one["Arn"] for one in iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]]
    found = {
        "roles": {role["RoleName"]: _of_role(iam, role) for role in iam.list_roles()["Roles"]},
        "users": {user["UserName"]: _of_user(iam, user["UserName"]) for user in iam.list_users()["Users"]},
        "policies": [one["Arn"] for one in iam.list_policies(Scope="Local")["Policies"]],
        "providers": {
            arn: iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)["ClientIDList"] for arn in providers
        },
        "buckets": _policies_of_buckets(aws, account),
        "keys": {key: kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"] for key in keys},
        "grants": {key: [one["GrantId"] for one in kms.list_grants(KeyId=key)["Grants"]] for key in keys},
        "pods": {name: eks.list_pod_identity_associations(clusterName=name)["associations"] for name in clusters},
    }
    compared: Tree = json.loads(json.dumps(found, default=str))
    return compared


def _of_role(iam: Any, role: Tree) -> Tree:
    name = {"RoleName": role["RoleName"]}
    inline = iam.list_role_policies(**name)["PolicyNames"]
    return {
        "trust": role["AssumeRolePolicyDocument"],
        "inline": {one: iam.get_role_policy(**name, PolicyName=one)["PolicyDocument"] for one in inline},
        "attached": iam.list_attached_role_policies(**name)["AttachedPolicies"],
        "tags": iam.list_role_tags(**name)["Tags"],
    }


def _of_user(iam: Any, name: str) -> Tree:
    named = {"UserName": name}
    inline = iam.list_user_policies(**named)["PolicyNames"]
    return {
        "inline": {one: iam.get_user_policy(**named, PolicyName=one)["PolicyDocument"] for one in inline},
        "keys": [(one["AccessKeyId"], one["Status"]) for one in iam.list_access_keys(**named)["AccessKeyMetadata"]],
        "tags": iam.list_user_tags(**named)["Tags"],
    }


def _policies_of_buckets(aws: MiniStack, account: str) -> Tree:
    s3 = aws.root("s3", account)
    found: Tree = {}
    for bucket in s3.list_buckets()["Buckets"]:
        found[bucket["Name"]] = None
        with contextlib.suppress(botocore.exceptions.ClientError):
            found[bucket["Name"]] = json.loads(s3.get_bucket_policy(Bucket=bucket["Name"])["Policy"])
    return found
