# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The projects of Acme, whose example inventories are run at the testbed's server that stands for Google."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from support.example_plays import Listing
from testbed import GoogleServer
from testbed.cluster import Cluster

PROJECTS = {"acme-backups": "111111111111", "acme-clusters": "222222222222", "acme-awx": "333333333333"}
CONTROLLER = "controller@acme-awx.iam.gserviceaccount.com"
RESTORER = "restore@acme-clusters.iam.gserviceaccount.com"
BUCKET = "acme-backups"
Tree = dict[str, Any]


class Acme:
    """Three projects and a bucket with backups, with the accounts that the examples say are there.

    :param path: for the files of their credentials.
    """

    def __init__(self, google: GoogleServer, path: Path) -> None:
        self.google, self.iam, self.path = google, google.iam, path
        self.iam.projects |= PROJECTS
        google.create_bucket(BUCKET, projectNumber=PROJECTS["acme-backups"])
        self.iam.guard(BUCKET)
        for email in (CONTROLLER, RESTORER):
            self.iam.add_account(email)
        self.files = {
            "LOCATION": self._file("location", self.iam.owner("acme-backups")),
            "CLUSTER": self._file("cluster", self.iam.owner("acme-clusters")),
            "CONTROLLER": self._file("controller", CONTROLLER),
        }
        for cluster in ("prod-1", "edge-1", "prod-2"):
            folder = f"fleet/clusters/{cluster}/backups/b"
            for name in ("b.tar.gz", "velero-backup.json"):
                google.write(BUCKET, f"{folder}/{name}", b"{}")
        for name in (
            "clusters/prod-2/backups/b/stowage-manifest.json",
            "clusters/prod-2/metadata/stowage/reservations/b.json",
            "workspaces/w/runs/r/prod-2/1.json",
        ):
            google.write(BUCKET, f"fleet/{name}", b"{}")
        google.write(BUCKET, "elsewhere/x", b"x")

    def _file(self, name: str, email: str) -> str:
        """A key of an account, as AWX writes it into a file."""
        path = self.path / f"{name}.json"
        path.write_text(json.dumps(self.google.tokens.key_document(self.google.endpoint, email)), encoding="ascii")
        return str(path)

    @property
    def credentials(self) -> dict[str, str]:
        """The variables that AWX sets."""
        return {f"STOWAGE_{party}_GCP_CREDENTIALS_FILE": path for party, path in self.files.items()}

    @property
    def where(self) -> Tree:
        """What the location differs by from the example's."""
        return {"endpoint": self.google.endpoint, "ca_cert": str(self.google.ca_cert)}

    @property
    def trust(self) -> Tree:
        """What each trust differs by from the example's."""
        return {"api_endpoint": self.google.endpoint, "verify_timeout": 0}

    def listing(self) -> Listing:
        """All that a trust may make, and the bucket's objects. What is deleted keeps its name at Google for a while, and is gone."""
        iam = self.iam
        found: Listing = {f"service_account {email}": one for email, one in iam.accounts.items()}
        found |= {
            f"service_account_policy {email}": held.bindings for email, held in iam.policies.items() if held.bindings
        }
        found |= {f"role {name.rpartition('/')[2]}": one for name, one in iam.roles.items() if not one.get("deleted")}
        for name, one in iam.federated.items():
            if one["state"] == "ACTIVE":
                found[f"{'provider' if '/providers/' in name else 'pool'} {name.rpartition('/')[2]}"] = one
        found |= {f"bucket_policy {name}": held.bindings for name, held in iam.buckets.items() if held.bindings}
        found |= {"keys": iam.keys, "hmac_keys": iam.hmac_keys, "objects": self.google.keys(BUCKET)}
        now: Listing = json.loads(json.dumps(found))
        return now | {"uploads": self.google.uploads(BUCKET)}


def account(cluster: Cluster, subject: str) -> None:
    """A service account of a cluster, in a namespace."""
    namespace, _slash, name = subject.partition("/")
    meta: Tree = {"name": namespace}
    cluster.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": meta}, field_manager="test")
    for one in (name, "default"):
        meta = {"name": one, "namespace": namespace}
        cluster.api.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta}, field_manager="test")


def token(cluster: Cluster, subject: str, audience: str) -> str:
    """A token of a service account, as the kubelet would mount it."""
    namespace, _slash, name = subject.partition("/")
    path = cluster.api.resource("v1", "ServiceAccount").path(namespace, name) + "/token"
    spec = {"audiences": [audience], "expirationSeconds": 3600}
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    return str(cluster.api.json("POST", path, body=body)["status"]["token"])


def keys(cluster: Cluster) -> Tree:
    """The keys that a cluster signs its tokens with."""
    found: Tree = json.loads(cluster.api.raw("GET", "/openid/v1/jwks", accept="application/jwk-set+json"))
    return found
