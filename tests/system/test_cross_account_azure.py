# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each example inventory of trust at Azure, as a person runs it: planned, made, proven, looked at through, made again, and taken away
with nothing left. Then a backup and a restore by nothing but such trusts."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support import modules
from support.azure import pod_token
from support.azure_examples import ACCOUNT, CLUSTERS, ELSEWHERE, NAMESPACE, SUBSCRIPTION, TENANT, Stage, Walk, unproven
from support.plays import Plays
from support.trust_examples import EXAMPLES
from testbed import Testbed
from testbed.cluster import Cluster

Tree = dict[str, Any]
LOOKED = re.compile(r"Look at the location through the trust\][ *]*\nok: ")
# What shows that the right ones are the only ones.
GUARDS = {
    "list_allowed",
    "read_allowed",
    "delete_refused",
    "other_cluster_list_refused",
    "other_cluster_read_refused",
    "other_cluster_create_refused",
    "other_cluster_document_read_refused",
    "other_cluster_record_create_refused",
    "outside_prefix_list_refused",
    "outside_prefix_create_refused",
    "outside_prefix_read_refused",
    "outside_prefix_delete_refused",
    "container_settings_refused",
    "anonymous_list_refused",
    "anonymous_read_refused",
    "plain_http_refused",
    "no_account_keys",
}
OF_TOKENS = {
    f"subject_{NAMESPACE}/backup_allowed",
    "other_account_refused",
    "other_namespace_refused",
    "wrong_audience_refused",
    "no_other_credentials",
}


@pytest.fixture(scope="module")
def stage(testbed: Testbed, cluster: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Servers with the ids of the examples."""
    azurite = testbed.azurite(account=ACCOUNT)
    found = Stage(tmp_path_factory.mktemp("azure"), azurite, cluster())
    yield found
    found.cloud.stop()
    testbed.stop(azurite)


@pytest.fixture
def token_file(stage: Stage, tmp_path: Path) -> str:
    """Where a pod of the cluster would find its token."""
    path = tmp_path / "token"
    path.write_text(pod_token(stage.cluster, NAMESPACE), encoding="ascii")
    return str(path)


def make(walk: Walk, required: set[str]) -> Tree:
    """Plans the trusts, makes them, and makes them again; what is told of them."""
    before = walk.stage.everything()
    changed, planned = walk.run("--check")
    assert (changed, walk.stage.everything()) == (len(walk.names), before), "nothing is written in check mode"
    assert {one["verdict"] for told in planned.values() for one in told["checks"]} == {"unknown"}
    code, output, made = walk.try_()
    assert code == 0, output
    assert LOOKED.search(output), "the location was not looked at through the trust"
    assert {name: told["changes"] for name, told in made.items()} == {
        name: told["changes"] for name, told in planned.items()
    }
    assert unproven(made) == []
    for told in made.values():
        assert required <= {one["id"] for one in told["checks"]}
    after = walk.stage.everything()
    changed, again = walk.run()
    assert (changed, walk.stage.everything()) == (0, after)
    assert unproven(again) == []
    assert after["blobs"] == before["blobs"], "the proof leaves nothing"
    return made


def leave(walk: Walk, before: Tree) -> None:
    """Takes the trusts away: all is as it was before."""
    there = walk.stage.everything()
    changed, planned = walk.absent("--check")
    assert (changed, walk.stage.everything()) == (len(walk.names), there)
    changed, gone = walk.absent()
    assert changed == len(walk.names)
    assert [told["changes"] for told in gone.values()] == [told["changes"] for told in planned.values()]
    assert walk.stage.everything() == before
    assert walk.absent()[0] == 0
    walk.plays.end()


def test_there_is_a_test_for_each_example() -> None:
    source = Path(__file__).read_text(encoding="utf-8")
    names = [path.stem for path in EXAMPLES if path.stem.startswith("azure_")]
    assert [name for name in names if f'inventory("{name}"' not in source] == []
    for text in (path.read_text(encoding="utf-8") for path in EXAMPLES if path.stem in names):
        assert f"{TENANT}/{SUBSCRIPTION}" in text
        assert f"storage_account: {ACCOUNT}" in text


def test_service_accounts_of_a_cluster_in_another_subscription(stage: Stage, token_file: str, tmp_path: Path) -> None:
    inventory = stage.inventory("azure_aks", token_file=token_file)
    assert inventory["stowage_trusts"]["prod-1-writer"]["cluster_account"]["account"] == f"{TENANT}/{CLUSTERS}"
    walk = Walk(stage, tmp_path, inventory, stage.environment(location=stage.owner, cluster=stage.keeper))
    before = stage.everything()
    made = make(walk, GUARDS | OF_TOKENS | {"create_allowed", "read_refused"})["prod-1-writer"]
    assert [one["what"] for one in made["changes"]] == [
        "identity",
        "federated_credential",
        "role",
        "role_assignment",
    ]
    assert made["auth"]["method"] == "workload_identity"
    leave(walk, before)


def test_a_service_principal_that_is_there_and_a_sas(stage: Stage, tmp_path: Path) -> None:
    sas = tmp_path / "keys.json"
    inventory = stage.inventory("azure_principal")
    trust = inventory["stowage_trusts"]["controller-reader"]
    trust["sas"]["secret_path"] = str(sas)
    principal = stage.register(trust)
    walk = Walk(stage, tmp_path, inventory, stage.environment(location=stage.owner, controller=principal))
    before = stage.everything()
    made = make(walk, GUARDS | {"create_refused", "sas_list_allowed", "sas_create_refused"})["controller-reader"]
    assert [one["what"] for one in made["changes"]] == ["role", "role_assignment", "role_assignment", "sas"]
    assert stat.S_IMODE(sas.stat().st_mode) == 0o600
    leave(walk, before)
    assert not sas.exists()


def test_an_application_of_another_tenant(stage: Stage, token_file: str, tmp_path: Path) -> None:
    inventory = stage.inventory("azure_tenants", token_file=token_file, graph_endpoint=stage.cloud.entra.graph_endpoint)
    trust = inventory["stowage_trusts"]["branch-1-writer"]
    assert trust["cluster_account"]["account"] == ELSEWHERE
    named = trust["service_principal"]
    application = stage.cloud.entra.register(
        tenant=ELSEWHERE, client_id=named["client_id"], elsewhere={TENANT: named["object_id"]}
    )
    owner = stage.cloud.entra.register(tenant=ELSEWHERE)
    stage.cloud.entra.graph.owners[application.client_id] = {owner.object_id}
    walk = Walk(stage, tmp_path, inventory, stage.environment(location=stage.owner, cluster=owner))
    before = stage.everything()
    made = make(walk, GUARDS | OF_TOKENS | {"create_allowed", "read_refused"})["branch-1-writer"]
    assert [one["what"] for one in made["changes"]] == ["federated_credential", "role", "role_assignment"]
    assert [one.subject for one in application.federated.values()] == [f"system:serviceaccount:{NAMESPACE}:backup"]
    assert made["auth"]["tenant"] == TENANT, "tokens for the storage account are of its tenant"
    leave(walk, before)


def test_the_role_by_its_own_variables_shows_who_gets_in_and_should_not(stage: Stage, tmp_path: Path) -> None:
    inventory = stage.inventory("azure_aks", verify_timeout=0)
    own = {"trust_locations": inventory["stowage_locations"], "trust_wanted": inventory["stowage_trusts"]}
    role = {"name": "Set up trust", "ansible.builtin.include_role": {"name": "stowage.kubernetes.trust"}}
    book = tmp_path / "book.yml"
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "vars": own, "tasks": [role]}
    book.write_text(json.dumps([play]), encoding="utf-8")
    environment = stage.environment(location=stage.owner, cluster=stage.keeper)
    plays, before = Plays.make(tmp_path), stage.everything()

    def run(*arguments: str) -> tuple[int, str]:
        with plays.start(str(book), *arguments, **environment) as running:
            output, _errors = running.communicate()
        return running.returncode, output

    code, output = run()
    assert (code, f"passed, a token of {NAMESPACE}/backup, allowed" in output) == (0, True), output
    assert "passed, another account of the namespace, refused" in output
    assert not LOOKED.search(output), "there is no token here to look with"
    stage.cloud.entra.assertions.lax = {"subject"}
    code, output = run()
    stage.cloud.entra.assertions.lax = set()
    assert (code, "failed, another account of the namespace, refused" in output) == (2, True), output
    assert "failed, the same name in another namespace, refused" in output
    assert "Look for federated credentials that let others in" in output
    code, output = run("-e", "trust_state=absent", "-e", "trust_names=prod-1-writer")
    assert (code, stage.everything()) == (0, before), output
    plays.end()


def test_a_backup_and_a_restore_by_trust_alone(stage: Stage, cluster: Any, token_file: str, tmp_path: Path) -> None:
    """Pods of one cluster write as the identity; the controller reads as its service principal, into another cluster."""
    target: Cluster = cluster("other")
    shop = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "azure-shop"}}
    settings = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "a", "namespace": "azure-shop"},
        "data": {"a": "b"},
    }
    for document in (shop, settings):
        stage.cluster.api.apply(document, field_manager="test")
    writers, readers = stage.inventory("azure_aks", token_file=token_file), stage.inventory("azure_principal")
    del readers["stowage_trusts"]["controller-reader"]["sas"]
    principal = stage.register(readers["stowage_trusts"]["controller-reader"])
    owners = {"location": stage.owner, "cluster": stage.keeper, "controller": principal}
    inventory = {**writers, "stowage_trusts": writers["stowage_trusts"] | readers["stowage_trusts"]}
    walk, before = Walk(stage, tmp_path, inventory, stage.environment(**owners)), stage.everything()
    _changed, made = walk.run()

    where = inventory["stowage_locations"]["primary"]
    own = {"secret": principal.secret, "client_id": principal.client_id, "tenant": TENANT}
    reader = {"method": "service_principal", "authority": stage.cloud.entra.authority, **own}
    locations = {"primary": {**where, "auth": made["prod-1-writer"]["auth"]}, "read": {**where, "auth": reader}}
    hosts = {
        "prod-1": {"stowage_kubeconfig": str(stage.cluster.kubeconfig), "stowage_location": "primary"},
        "spare": {"stowage_kubeconfig": str(target.kubeconfig), "stowage_location": "read"},
    }
    plays = Plays.make(tmp_path / "roles", vars={"stowage_locations": locations}, hosts=hosts)
    stage.cloud.guard.seen.clear()
    chosen = ("-e", "backup_included_namespaces=azure-shop", "--limit", "prod-1", "-e", "backup_name=by-trust")
    code, output = plays.run("stowage.kubernetes.backup", *chosen)
    assert code == 0, output
    assert "prod-1: made by-trust in primary, Completed" in output
    into = ("-e", "restore_hosts=spare", "-e", "restore_cluster=prod-1", "-e", "restore_backup=by-trust")
    more = ("-e", "restore_allow_other_cluster=true", "-e", f"restore_report_dir={tmp_path}")
    code, output = plays.run("stowage.kubernetes.restore", *into, *more)
    assert code == 0, output
    found = target.api.find("v1", "ConfigMap", "a", "azure-shop")
    assert found is not None
    assert found["data"] == {"a": "b"}
    assert {kind for _method, _path, kind in stage.cloud.guard.seen} == {"Bearer"}, "no key and no SAS"

    # Who wrote it cannot read the archive back, or delete it.
    restore: Tree = {"cluster": "prod-1", "backup": "by-trust", "kubeconfig": str(target.kubeconfig)}
    restore |= {"allow_other_cluster": True, "report_dir": str(tmp_path)}
    with pytest.raises(modules.Failed) as refused:
        modules.run("restore", {"location": locations["primary"], **restore})
    assert refused.value.result["error_code"] == "permission_denied"
    with pytest.raises(modules.Failed) as refused:
        modules.run(
            "backup", {"location": locations["primary"], "cluster": "prod-1", "name": "by-trust", "state": "absent"}
        )
    assert refused.value.result["error_code"] == "permission_denied"

    # Nothing else let them in.
    assert walk.absent()[0] == len(walk.names)
    for location in locations.values():
        with pytest.raises(modules.Failed) as refused:
            modules.run("backup_info", {"location": location, "cluster": "prod-1"})
        assert refused.value.result["error_code"] in {"permission_denied", "credentials_invalid"}, json.dumps(
            refused.value.result
        )
    after = stage.everything()
    assert {**after, "blobs": ()} == {**before, "blobs": ()}
    for one in (stage.cluster, target):
        one.api.delete("v1", "Namespace", "azure-shop")
    plays.end()
    walk.plays.end()
