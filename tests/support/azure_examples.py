# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The example inventories of docs/trust for Azure, run by the playbook against the testbed's servers, which have the ids and names of
the examples. Only addresses, files of certificates, tokens and secrets, and the kubeconfig are put into them."""

from __future__ import annotations

import copy
import json
import re
import typing as t
from pathlib import Path

from support.azure import with_accounts
from support.plays import Plays
from support.trust_examples import EXAMPLES, variables
from testbed import controlplane
from testbed.azure import AzureCloud
from testbed.azure_rbac import READER
from testbed.azurite import Azurite
from testbed.cluster import Cluster
from testbed.entra_applications import Application

PLAYBOOK: t.Final = "stowage.kubernetes.cross_account"
ACCOUNT: t.Final = "acmebackups"
TENANT: t.Final = "11111111-1111-1111-1111-111111111111"
SUBSCRIPTION: t.Final = "22222222-2222-2222-2222-222222222222"
CLUSTERS: t.Final = "33333333-3333-3333-3333-333333333333"
ELSEWHERE: t.Final = "77777777-7777-7777-7777-777777777777"
NAMESPACE: t.Final = "stowage"
_TOLD: t.Final = {
    "hosts": "localhost",
    "connection": "local",
    "gather_facts": False,
    "tasks": [
        {
            "name": "Tell the test",
            "ansible.builtin.copy": {"content": "{{ trust_made | to_json }}", "dest": "{{ told }}", "mode": "0600"},
            "changed_when": False,
            "check_mode": False,
        }
    ],
}
Tree = dict[str, t.Any]


class Stage:
    """The servers, with a cluster whose tokens Entra takes, and the owners of the accounts of the examples.

    `environment` is what AWX's credentials set.
    """

    def __init__(self, directory: Path, azurite: Azurite, cluster: Cluster) -> None:
        ids = {"tenant": TENANT, "subscription": SUBSCRIPTION, "cluster_subscription": CLUSTERS, "group": "backups"}
        self.azurite, self.bucket = azurite, azurite.create_bucket("backups")
        self.cloud = AzureCloud(directory, azurite, **ids)
        self.cluster = with_accounts(cluster, self.cloud, (NAMESPACE, "stowage-elsewhere"))
        self.cloud.entra.others.add(ELSEWHERE)
        self.owner, self.keeper = self.cloud.owner(), self.cloud.owner(CLUSTERS)
        # Who sees which folders are there.
        self.cloud.rbac.assign(
            self.owner.object_id, f"{self.cloud.storage.id}/blobServices/default/containers/{self.bucket}", READER
        )
        self.secrets: list[str] = []

    def register(self, trust: Tree, **more: t.Any) -> Application:
        """The application of a trust's service principal."""
        named = trust["service_principal"]
        return self.cloud.entra.register(client_id=named["client_id"], object_id=named["object_id"], **more)

    def environment(self, **parties: Application) -> dict[str, str]:
        """What AWX's credentials set for these parties, named as the credentials' variables are."""
        found = {}
        for party, application in parties.items():
            self.secrets.append(application.secret)
            found[f"STOWAGE_{party.upper()}_AZURE_CLIENT_ID"] = application.client_id
            found[f"STOWAGE_{party.upper()}_AZURE_SECRET"] = application.secret
        return found

    def inventory(self, name: str, **more: t.Any) -> Tree:
        """The variables of an example, with the addresses of the servers. `more` is put into its trusts."""
        path = next(one for one in EXAMPLES if one.stem == name)
        found: Tree = copy.deepcopy(variables(path))
        for location in found["stowage_locations"].values():
            location |= {
                "endpoint": self.cloud.guard.endpoint,
                "management_endpoint": self.cloud.entra.authority,
                "ca_cert": str(self.cloud.ca_cert),
            }
        for trust in found["stowage_trusts"].values():
            for party in ("location_account", "cluster_account", "controller_account"):
                if party in trust:
                    trust[party]["auth"]["authority"] = self.cloud.entra.authority
            if "federation" in trust:
                trust["federation"]["issuer"] = controlplane.ISSUER
                trust["kubeconfig"] = str(self.cluster.kubeconfig)
            trust |= {"authority": self.cloud.entra.authority, "verify_timeout": 60, **more}
        return found

    def everything(self) -> Tree:
        """All that trust could leave behind, anywhere."""
        cloud = self.cloud
        return copy.deepcopy(
            {
                "assignments": sorted(json.dumps(one.document, sort_keys=True) for one in cloud.rbac.assignments),
                "roles": cloud.rbac.roles,
                "identities": cloud.identities.found,
                "credentials": {one.client_id: one.federated for one in cloud.entra.applications.values()},
                "blobs": (self.azurite.keys(self.bucket), self.azurite.uploads(self.bucket)),
                "account": (cloud.storage.account, cloud.storage.service, cloud.storage.policies),
            }
        )


class Walk:
    """An example that is run again and again by the playbook."""

    def __init__(self, stage: Stage, path: Path, inventory: Tree, environment: dict[str, str]) -> None:
        self.stage, self.path = stage, path
        self.names = list(inventory["stowage_trusts"])
        self.plays = Plays.make(path, vars=inventory)
        self.environment = environment
        self._book = path / "book.yml"
        self._book.write_text(json.dumps([{"import_playbook": PLAYBOOK}, _TOLD]), encoding="utf-8")

    def run(self, *arguments: str) -> tuple[int, Tree]:
        """How many tasks changed something, and what is told of the trusts; it succeeds, and shows no secret."""
        code, output, told = self.try_(*arguments)
        assert code == 0, output
        found = re.search(r"localhost .* changed=(\d+)", output)
        assert found, output
        return int(found[1]), told

    def try_(self, *arguments: str) -> tuple[int, str, Tree]:
        """The exit code, the output, and what is told of the trusts if it got that far."""
        told = self.path / "told.json"
        told.unlink(missing_ok=True)
        with self.plays.start(
            str(self._book), "-v", "--diff", "-e", f"told={told}", *arguments, **self.environment
        ) as play:
            output, _errors = play.communicate()
        for secret in (*self.stage.secrets, "eyJ", "sig="):
            assert secret not in output
        return play.returncode, output, json.loads(told.read_text(encoding="utf-8")) if told.exists() else {}

    def absent(self, *arguments: str) -> tuple[int, Tree]:
        """Takes the trusts away."""
        return self.run("-e", "trust_state=absent", "-e", f"trust_names={','.join(self.names)}", *arguments)


def unproven(told: Tree) -> list[str]:
    """The lines that are not passed."""
    return [
        f"{one['id']}: {one['seen']}" for made in told.values() for one in made["checks"] if one["verdict"] != "passed"
    ]
