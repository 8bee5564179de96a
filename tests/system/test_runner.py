# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs over workspaces under ansible-runner as AWX uses it: nodes of a workflow, slices, surveys, and one that is killed."""

from __future__ import annotations

import base64
import contextlib
import json
import threading
import typing as t
import uuid
from pathlib import Path

import pytest

from support.awx_jobs import Controller, Inventory, Job
from support.clusters import config_map, namespace
from support.fleets import Fleet
from support.leaks import files, leaks
from support.plays import Plays
from testbed import Cluster, MinIO, Testbed, accounts, kubeconfig

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
    answers = {"stowage_workspace": "shop", "workspace_now": "true"}
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
