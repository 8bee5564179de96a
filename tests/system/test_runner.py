# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs over workspaces under ansible-runner as AWX uses it: nodes of a workflow, slices, surveys, and one that is killed.

And what an operator and an admin look at and clear away then, each job with the account that its template names.
"""

from __future__ import annotations

import base64
import contextlib
import json
import secrets
import threading
import typing as t
import uuid
from pathlib import Path

import pytest
import yaml

from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.s3_permissions import statements
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.sets import (
    PERMISSION_SETS,
    PermissionSet,
    grants,
)
from support.awx_jobs import PROJECT, Controller, Inventory, Job
from support.clusters import config_map, namespace
from support.fleets import Fleet
from support.leaks import files, leaks
from support.plays import Plays
from testbed import Cluster, MinIO, Testbed, accounts, kubeconfig
from tools import awx

Tree = dict[str, t.Any]
REAL: t.Final = ("prod-1", "prod-2", "prod-3")
CANARY: t.Final = "runner-canary-41d7"
MOST: t.Final = 24 << 10
"""Bytes of an event; the largest is a task's result. AWX's own bound is 700,000."""
PARTS: t.Final = ("workspace_start", "workspace_clusters", "workspace_end")
COUNTED: t.Final = ("phase", "cluster", "made", "objects", "warning_count", "error_count", "cluster_uid", "location")


@pytest.fixture(scope="module")
def clusters(testbed: Testbed) -> t.Iterator[dict[str, Cluster]]:
    found = dict(zip(REAL, testbed.fleet(*REAL), strict=True))
    for name, cluster in found.items():
        accounts.ship(cluster)
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "password", "namespace": "shop"},
            "data": {"password": base64.b64encode(f"{CANARY}-{name}".encode()).decode()},
        }
        for document in (namespace("shop"), config_map("shop", "settings", cluster=name), secret):
            cluster.api.apply(document, field_manager="test")
    yield found
    for cluster in found.values():
        testbed.stop(cluster)


def merged(path: Path, clusters: dict[str, Cluster]) -> list[str]:
    """Write one kubeconfig with a context for each cluster, as a credential holds it; the tokens in it."""
    document: Tree = {"apiVersion": "v1", "kind": "Config", "clusters": [], "users": [], "contexts": []}
    for name, cluster in clusters.items():
        one = json.loads(accounts.kubeconfig(cluster, "backup").read_text(encoding="utf-8"))
        document["clusters"].append({**one["clusters"][0], "name": name})
        document["users"].append({**one["users"][0], "name": name})
        document["contexts"].append({"name": name, "context": {"cluster": name, "user": name}})
    kubeconfig.write(path, document)
    return [user["user"]["token"] for user in document["users"]]


class Bucket:
    """A run's records in a bucket."""

    def __init__(self, store: MinIO) -> None:
        self.store = store
        self.name = store.create_bucket(f"runner-{uuid.uuid4().hex[:12]}")
        self.location: Tree = {
            "provider": "minio",
            "endpoint": store.endpoint,
            "bucket": self.name,
            "ca_cert": str(store.ca_cert),
            "auth": {"method": "access_key"},
        }

    def records(self, run: int) -> dict[str, Tree]:
        """What counts of each cluster's records, by their keys without the run's name."""
        start = f"workspaces/shop/runs/{run}/"
        keys = [
            key for key in self.store.keys(self.name) if key.startswith(start) and not key.endswith("expected.json")
        ]
        return {
            key.removeprefix(start): {
                name: value for name, value in json.loads(self.store.read(self.name, key)).items() if name in COUNTED
            }
            for key in keys
        }


def keys(store: MinIO) -> dict[str, str]:
    """What a credential of the type Stowage MinIO sets."""
    return {"MINIO_ACCESS_KEY": store.access_key, "MINIO_SECRET_KEY": store.secret_key}


def workflow(controller: Controller, answers: Tree, *, slices: int = 1) -> tuple[int, list[Job]]:
    """Run the three nodes, each begun whatever came of the one before. AWX makes a workflow of its own of a sliced node."""
    run = controller.number()
    told: Tree = {**answers, "awx_workflow_job_id": run}
    jobs = [controller.run(PARTS[0], told)]
    told = jobs[0].left() | told
    inner = told if slices == 1 else {**told, "awx_workflow_job_id": controller.number()}
    started = [controller.start(PARTS[1], inner, piece=(one + 1, slices)) for one in range(slices)]
    for job in started:
        job.wait()
    return run, [*jobs, *started, controller.run(PARTS[2], told)]


def test_nodes_of_a_workflow_and_slices_of_one(clusters: dict[str, Cluster], minio: MinIO, tmp_path: Path) -> None:
    bucket = Bucket(minio)
    tokens = merged(tmp_path / "fleet.kubeconfig", clusters)
    plays = Plays.make(tmp_path)
    variables: Tree = {
        "stowage_kubeconfig": "{{ lookup('ansible.builtin.env', 'STOWAGE_KUBECONFIG') }}",
        "stowage_locations": {"primary": bucket.location},
        "stowage_default_location": "primary",
        # Not due: what is answered says that it is to be done all the same.
        "stowage_workspaces": {
            "shop": {"clusters": [{"group": "prod"}], "namespaces": ["shop"], "schedule": {"preset": "never"}},
            "other": {"clusters": ["prod-1"]},
        },
    }
    hosts = {name: {"stowage_context": name} for name in REAL}
    environment = {"STOWAGE_KUBECONFIG": str(tmp_path / "fleet.kubeconfig"), **keys(minio)}
    controller = Controller(plays, Inventory(hosts, {"prod": list(REAL)}, variables), environment)
    # As AWX gives answers: text.
    answers = {"stowage_workspace": "shop"}
    try:
        whole, jobs = workflow(controller, answers)
        assert [job.code for job in jobs] == [0, 0, 0], jobs[-1].output
        assert f"shop, run {whole}: Completed (3 Completed)" in jobs[-1].output
        cut, slices = workflow(controller, answers, slices=2)
        assert [job.code for job in slices] == [0, 0, 0, 0], slices[-1].output
        assert bucket.records(cut) == bucket.records(whole)
        assert set(bucket.records(cut)) == {f"{name}/1.json" for name in REAL}
        assert {one["phase"] for one in bucket.records(cut).values()} == {"Completed"}

        for job in (*jobs, *slices):
            assert max(size for _event, size in job.events()) < MOST
            found = [one for one in files(job.artifacts) if not one[0].endswith("/command")]
            assert len(found) > 5
            # The runner's own note of how it was begun has the environment; AWX keeps it masked.
            assert leaks(found, [CANARY, minio.secret_key, *tokens]) == []
            assert not any(b"settings" in content and b"shop-settings" in content for _name, content in found)
    finally:
        plays.end()


def test_a_slice_that_is_killed_is_named_and_made_up_for(minio: MinIO, tmp_path: Path) -> None:
    fleet = Fleet(("prod-1", "prod-2", "prod-3", "prod-4"))
    plays = Plays.make(tmp_path)
    asked, go = threading.Event(), threading.Event()

    def hold(name: str) -> None:
        if name in ("prod-2", "prod-4"):
            asked.set()
            go.wait()

    with contextlib.ExitStack() as stack:
        hosts = stack.enter_context(fleet.running())
        stack.callback(plays.end)
        stack.callback(go.set)
        variables: Tree = {
            "stowage_locations": {"primary": Bucket(minio).location},
            "stowage_default_location": "primary",
            "stowage_workspaces": {"shop": {"clusters": ["prod-*"]}},
        }
        controller = Controller(plays, Inventory(hosts, {}, variables), keys(minio))
        run = controller.number()
        told: Tree = {"stowage_workspace": "all", "awx_workflow_job_id": run}
        start = controller.run(PARTS[0], told)
        assert start.code == 0, start.output
        told |= start.left()
        inner = {**told, "awx_workflow_job_id": controller.number()}
        fleet.asked = hold
        lost = controller.start(PARTS[1], {**inner}, piece=(2, 2))
        assert asked.wait(300)
        assert controller.run(PARTS[1], inner, piece=(1, 2)).code == 0
        controller.lose(lost)
        end = controller.run(PARTS[2], told)
        assert end.code == 2
        assert f"shop, run {run}: PartiallyFailed (2 Completed, 2 Missing)" in end.output
        for name in ("prod-2", "prod-4"):
            assert f"{name}  Missing" in end.output
        assert "2 of 4 clusters failed" in end.output
        go.set()
        again = {**told, "stowage_run": str(run), "awx_workflow_job_id": controller.number()}
        assert controller.run(PARTS[1], again).code == 0
        assert controller.run(PARTS[2], again).code == 0


def account(store: MinIO, bucket: str, permissions: PermissionSet) -> dict[str, str]:
    """What a credential sets that has keys of a new user with a permission set, of all clusters that sets are about."""
    name, secret = f"user-{uuid.uuid4().hex[:10]}", secrets.token_urlsafe(24)
    clusters = () if permissions == "coordinator" else REAL
    allowed = statements(grants(permissions, clusters), bucket, "")
    admin = store.admin()
    admin.user_add(name, secret)
    admin.policy_add(name, policy={"Version": "2012-10-17", "Statement": allowed})
    admin.attach_policy([name], user=name)
    return {"MINIO_ACCESS_KEY": name, "MINIO_SECRET_KEY": secret}


class Templates:
    """Starts the job of a template of docs/awx: its playbook, what nobody answered, and the account of its credential."""

    def __init__(self, controller: Controller, store: MinIO, bucket: str) -> None:
        self.controller = controller
        self.found = {one["name"]: one for one in awx.resolved()["controller_templates"]}
        self.accounts = {f"Stowage {name}": account(store, bucket, name) for name in PERMISSION_SETS}
        self.accounts["Stowage location keeper"] = keys(store)

    def launch(self, template: str, answers: t.Mapping[str, str], *, check: bool = False) -> Job:
        found = self.found[f"Stowage: {template}"]
        (credential,) = found["credentials"]
        self.controller.environment = self.accounts[credential]
        asked = {one["variable"]: one.get("default", "") for one in found["survey"]["spec"]}
        assert set(answers) <= set(asked)
        return self.controller.run(Path(found["playbook"]).stem, asked | dict(answers), check=check)


@pytest.fixture
def after_a_night(minio: MinIO, tmp_path: Path) -> t.Iterator[tuple[Templates, Bucket, int]]:
    """Three clusters after two runs over them: one of them was down in the first, all in the second, whose number this gives."""
    fleet = Fleet(REAL)
    bucket = Bucket(minio)
    plays = Plays.make(tmp_path)
    project = yaml.safe_load((PROJECT / "inventory" / "variables.yml").read_text(encoding="utf-8"))["all"]["vars"]
    variables: Tree = {
        "stowage_locations": {"primary": bucket.location},
        "stowage_default_location": "primary",
        "stowage_workspaces": {"shop": {"clusters": ["prod-*"]}},
        "report_max_age": "26h",
        **{name: project[name] for name in ("report_path", "report_cluster")},
    }
    with fleet.running() as hosts:
        controller = Controller(plays, Inventory(hosts, {}, variables), keys(minio))
        fleet.down.add("prod-2")
        first, _jobs = workflow(controller, {"stowage_workspace": "shop"})
        fleet.down |= set(REAL)
        workflow(controller, {"stowage_workspace": "shop"})
        yield Templates(controller, minio, bucket.name), bucket, first
        plays.end()


def told(job: Job) -> str:
    """What was shown, however its lines were broken."""
    return " ".join(job.output.split())


def test_templates_that_look_have_what_they_need(after_a_night: tuple[Templates, Bucket, int]) -> None:
    templates, _bucket, run = after_a_night
    job = templates.launch("report", {})
    assert job.code == 2, job.output
    assert "report_failed: Of 3 clusters of workspaces, 1 are not" in told(job)
    assert "no backup shop prod-2 - It has no good backup. The last attempt" in told(job)
    # What an auditor does not see is said, and is no failure of the location.
    assert "Which clusters have backups may not be listed" in told(job)
    assert "Runs of shop may not be listed: only those that made a backup were looked at" in told(job)
    assert "location primary" not in told(job)
    reports = job.artifacts.parents[1] / "project" / "reports"
    found = json.loads((reports / "report.json").read_bytes())
    assert {one["cluster"]: one["status"] for one in found["clusters"]} == {
        "prod-1": "ok",
        "prod-2": "missing",
        "prod-3": "ok",
    }
    assert [one["name"] for one in found["runs"]] == [str(run)]
    assert (reports / "report.html").is_file()
    assert templates.launch("report", {"report_fail_on": "never"}).code == 0

    job = templates.launch("list runs", {})
    assert job.code == 0, job.output
    assert "PartiallyFailed 3 1 0 prod-2" in told(job)
    assert "Failed 3 3 0 prod-1, prod-2, prod-3" in told(job)
    job = templates.launch("list runs", {"stowage_workspace": "shop", "stowage_run": str(run)})
    assert f"shop, run {run}: PartiallyFailed (2 Completed, 1 Failed)" in told(job)
    job = templates.launch("list restores", {"restores_cluster": "prod-1"})
    assert (job.code, "no restores" in told(job)) == (0, True), job.output


def test_backups_are_copied_and_deleted_by_names(after_a_night: tuple[Templates, Bucket, int], minio: MinIO) -> None:
    templates, bucket, run = after_a_night
    second = Bucket(minio)
    templates.controller.inventory.variables["stowage_locations"]["second"] = second.location

    def backups(place: Bucket) -> set[str]:
        made = [key.split("/") for key in minio.keys(place.name) if key.endswith("/velero-backup.json")]
        return {key[1] for key in made}

    job = templates.launch("copy backups", {"copy_from": "primary", "copy_to": "second", "copy_clusters": "prod-1"})
    assert job.code == 0, job.output
    assert (backups(bucket), backups(second)) == ({"prod-1", "prod-3"}, {"prod-1"})

    asked = {"delete_location": "primary", "stowage_workspace": "shop", "stowage_run": str(run)}
    job = templates.launch("delete backups", asked)
    assert (job.code, f"delete_confirm={run}" in told(job)) == (2, True), job.output
    assert templates.launch("delete backups", asked, check=True).code == 0
    assert templates.launch("delete backups", {"delete_location": "primary", "delete_cluster": "prod-1"}).code == 2
    assert backups(bucket) == {"prod-1", "prod-3"}
    job = templates.launch("delete backups", asked | {"delete_confirm": str(run)})
    assert job.code == 0, job.output
    assert (backups(bucket), bucket.records(run)) == (set(), {})

    (name,) = {key.split("/")[3] for key in minio.keys(second.name) if key.endswith("/velero-backup.json")}
    by_name = {"delete_location": "second", "delete_cluster": "prod-1", "delete_backups": name}
    assert templates.launch("delete backups", by_name | {"delete_confirm": "prod-1"}).code == 0
    assert backups(second) == set()
