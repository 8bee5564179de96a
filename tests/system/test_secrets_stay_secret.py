# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Neither what Secrets hold nor a secret option is in any output, job event or file of ours outside the archive.

Plays run at -vvv under ansible-runner, as in AWX, in a home and a temporary directory of their own; afterwards all of that is
searched, and what lies in the location beside the archive as well.
"""

from __future__ import annotations

import base64
import dataclasses
import gzip
import json
import os
import signal
import threading
import typing as t
from pathlib import Path

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._arguments import CLUSTER, LOCATION, Option
from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.capture import CaptureOptions, capture
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.registry import open_location
from ansible_collections.stowage.kubernetes.plugins.module_utils._progress import Progress
from ansible_collections.stowage.kubernetes.plugins.module_utils._selection import Selection
from support import fake_cluster as fake
from support.fake_cluster import FakeCluster
from support.leaks import files, leaks
from support.plays import Plays
from support.scripted_api import Request
from support.served_cluster import served
from testbed import Cluster, MinIO

if t.TYPE_CHECKING:
    from conftest import ClusterFactory

CAPTURED: t.Final = "captured-canary-8d1f2c"
THERE: t.Final = "canary-of-the-target-77aa01"
OPTION: t.Final = "option-canary-"
NAMESPACE: t.Final = "canaries"
VERBOSE: t.Final = ("-vvv", "--diff")


def secret(name: str, value: str, **more: t.Any) -> dict[str, t.Any]:
    """A Secret with a canary in its data and, as kubectl leaves it, in an annotation."""
    data = {
        "password": base64.b64encode(value.encode()).decode(),
        "other": base64.b64encode(f"a {value} b".encode()).decode(),
    }
    applied = json.dumps({"kind": "Secret", "data": data, "stringData": {"password": value}})
    annotations = {"kubectl.kubernetes.io/last-applied-configuration": applied}
    metadata = {"name": name, "namespace": NAMESPACE, "annotations": annotations}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data, **more}


@dataclasses.dataclass(frozen=True)
class World:
    """Two clusters, a bucket, and plays that know the secrets to reach them."""

    plays: Plays
    source: Cluster
    target: Cluster
    store: MinIO
    bucket: str
    canaries: list[str]

    def outside_the_archive(self) -> t.Iterator[tuple[str, bytes]]:
        """Everything that was written and is no tarball of a backup."""
        yield from files(self.plays.path)
        for key in self.store.keys(self.bucket):
            if not key.endswith(".tar.gz"):
                content = self.store.read(self.bucket, key)
                yield key, gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content

    def check(self, output: str) -> None:
        assert leaks([("the output", output.encode()), *self.outside_the_archive()], self.canaries) == []


def kubeconfig(cluster: Cluster, token: str) -> dict[str, t.Any]:
    """Access with a token, as a dictionary."""
    import yaml

    admin = yaml.safe_load(cluster.kubeconfig.read_text(encoding="utf-8"))
    return {**admin, "users": [{"name": user["name"], "user": {"token": token}} for user in admin["users"]]}


def account(cluster: Cluster) -> str:
    """The token of an account that may do everything."""
    cluster.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}, field_manager="test")
    metadata = {"name": "stowage", "namespace": NAMESPACE}
    cluster.api.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}, field_manager="test")
    group = "rbac.authorization.k8s.io"
    binding = {"apiVersion": f"{group}/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "secrets-stay-secret"}}
    role = {"apiGroup": group, "kind": "ClusterRole", "name": "cluster-admin"}
    subject = {"kind": "ServiceAccount", "name": "stowage", "namespace": NAMESPACE}
    cluster.api.apply({**binding, "roleRef": role, "subjects": [subject]}, field_manager="test")
    return cluster.token_for(NAMESPACE, "stowage")


@pytest.fixture(scope="module")
def world(cluster: ClusterFactory, minio: MinIO, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[World]:
    source, target = cluster(), cluster("other")
    tokens = account(source), account(target)
    for name in ("changed", "immutable", "missing"):
        source.api.apply(secret(name, CAPTURED), field_manager="test")
    target.api.apply(secret("changed", THERE), field_manager="test")
    target.api.apply(secret("immutable", THERE, immutable=True), field_manager="test")
    bucket = minio.create_bucket("secrets-stay-secret")
    auth = {"method": "access_key", "access_key": minio.access_key, "secret_key": minio.secret_key}
    location = {
        "provider": "minio",
        "endpoint": minio.endpoint,
        "bucket": bucket,
        "ca_cert": str(minio.ca_cert),
        "auth": auth,
    }
    plays = Plays.make(
        tmp_path_factory.mktemp("secrets"),
        hosts={
            "source": {"stowage_kubeconfig": kubeconfig(source, tokens[0])},
            "target": {"stowage_kubeconfig": kubeconfig(target, tokens[1])},
        },
        vars={
            "stowage_locations": {"primary": location, "lost": {**location, "bucket": "there-is-no-such-bucket"}},
            "stowage_location": "primary",
        },
    )
    yield World(plays, source, target, minio, bucket, [CAPTURED, THERE, *tokens, minio.secret_key])
    plays.end()
    for one in (source, target):
        one.api.delete("v1", "Namespace", NAMESPACE)


def test_a_backup_a_plan_and_a_failed_restore_show_no_secret(world: World) -> None:
    plays = world.plays
    named = ("-e", "backup_name=b1", "-e", f"backup_included_namespaces={NAMESPACE}", "--limit", "source")
    code, output = plays.run_by_runner("backup", "stowage.kubernetes.backup", *named, *VERBOSE)
    assert code == 0, output
    tarball = world.store.read(world.bucket, "clusters/source/backups/b1/b1.tar.gz")
    assert leaks([("", gzip.decompress(tarball))], [CAPTURED]), "the canary is not even in the archive"
    world.check(output)

    restore: tuple[str, ...] = ("-e", "restore_hosts=target", "-e", "restore_cluster=source", "-e", "restore_backup=b1")
    restore += ("-e", "restore_allow_other_cluster=true", "-e", "restore_existing_resource_policy=update")
    diff = ("-e", f"restore_diff_path={plays.path}/diff.json", "--check")
    code, output = plays.run_by_runner("plan", "stowage.kubernetes.restore", *restore, *diff, *VERBOSE)
    assert code == 0, output
    assert "data.password" in output, "the diff does not even name what differs"
    assert (plays.path / "diff.json").stat().st_size
    world.check(output)

    code, output = plays.run_by_runner("restore", "stowage.kubernetes.restore", *restore, *VERBOSE)
    assert code == 2, output
    assert '"error_code": "restore_partial"' in output
    assert f"secrets {NAMESPACE}/immutable" in output
    world.check(output)


@pytest.mark.parametrize(
    ("name", "says"), [("nowhere", "There is no location"), ("lost", '"error_code": "bucket_not_found"')]
)
def test_a_location_that_cannot_be_had_shows_no_secret(name: str, says: str, world: World) -> None:
    options = ("-e", f"backup_location={name}", *VERBOSE)
    code, output = world.plays.run_by_runner(name, "stowage.kubernetes.backup", *options)
    assert code == 2, output
    assert says in output
    world.check(output)


def _secret_options(spec: t.Mapping[str, Option], path: tuple[str, ...] = ()) -> t.Iterator[tuple[str, ...]]:
    for name, option in spec.items():
        if option.get("no_log"):
            yield (*path, name)
        yield from _secret_options(option.get("options", {}), (*path, name))


def _task(name: str, variable: str, options: t.Mapping[str, t.Any], **more: t.Any) -> dict[str, t.Any]:
    """A task that fails, with a secret from a variable."""
    fine = {"provider": "minio", "endpoint": "http://127.0.0.1:1", "bucket": "none"}
    args = {"location": fine, "cluster": "x", "backup": "b", "host": "http://127.0.0.1:1", **options, **more}
    return {"name": name, "stowage.kubernetes.restore": args, "ignore_errors": True}


def test_no_secret_option_is_shown_whatever_is_wrong_with_it(tmp_path: Path) -> None:
    shapes: dict[str, dict[str, t.Any]] = {}
    secrets: dict[str, str] = {}
    paths = [
        *_secret_options({**LOCATION, **CLUSTER}),
        ("kubeconfig", "users"),
        ("location", "auth"),
        ("location", "auth", "credentials_json"),
        ("location", "auth", "credentials_json", "private_key"),
        ("location", "unknown"),
    ]
    for number, path in enumerate(paths):
        secrets[f"canary{number}"] = f"{OPTION}{number:04}"
        value: t.Any = f"{{{{ canary{number} }}}}"
        for name in reversed(path):
            value = {name: value}
        if "location" in value:
            value["location"] = {
                "provider": "minio",
                "endpoint": "http://127.0.0.1:1",
                "bucket": "none",
                **value["location"],
            }
        shapes["-".join(path)] = value
    tasks = [_task(name, "", options) for name, options in shapes.items()]
    tasks += [
        _task(f"{name} with a wrong option", "", options, preserve_node_ports="perhaps")
        for name, options in shapes.items()
    ]
    plays = Plays.make(tmp_path, hosts={"localhost": {"ansible_connection": "local", **secrets}})
    variables = {"ansible_pipelining": True, "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
    play = [{"hosts": "all", "gather_facts": False, "vars": variables, "tasks": tasks}]
    (plays.path / "play.yml").write_text(json.dumps(play), encoding="utf-8")
    code, output = plays.run_by_runner("options", str(plays.path / "play.yml"), *VERBOSE)
    plays.end()
    assert code == 0, output
    assert output.count('"error_code": ') >= 2 * len(shapes), output
    assert leaks([("the output", output.encode()), *files(plays.path)], secrets.values()) == []


class Aborted:
    """A play of a backup or restore that is asked to end while the cluster does not answer for a kind."""

    def __init__(self, path: Path, cluster: FakeCluster, plural: str) -> None:
        self.path = path
        self.token = f"{OPTION}of-the-cluster"
        self._cluster, self._plural = cluster, plural
        self._asked, self._over = threading.Event(), threading.Event()
        (path / "backups").mkdir()

    def _wait(self, _method: str, path: str, query: dict[str, str]) -> None:
        if path.endswith(f"/{self._plural}") and query.get("limit") != "1":
            self._asked.set()
            self._over.wait(600)

    def run(self, *command: str) -> tuple[str, list[Request]]:
        """What the play printed, and what it asked of the cluster."""
        self._cluster.hook = self._wait
        with served(self._cluster).running() as api:
            plays = Plays.make(
                self.path,
                hosts={"prod-1": {"stowage_host": api.url, "stowage_api_key": self.token}},
                vars={
                    "stowage_locations": {"primary": {"provider": "filesystem", "path": str(self.path / "backups")}},
                    "stowage_location": "primary",
                },
            )
            self.run_path = plays.path
            with plays.start(*command, *VERBOSE) as play:
                while not self._asked.wait(0.1):
                    assert play.poll() is None, play.communicate()
                os.kill(play.pid, signal.SIGTERM)
                output, _errors = play.communicate()
            self._over.set()
            plays.end()
        assert self.token in {request.token for request in api.requests}
        return output, list(api.requests)

    def check(self, output: str) -> None:
        """Nothing secret is in the output, or in a file that is no archive."""
        written = [*files(self.run_path), *files(self.path / "backups")]
        kept = [(name, content) for name, content in written if ".tar.gz" not in name]
        assert leaks([("the output", output.encode()), *kept], [CAPTURED, THERE, self.token]) == []


def hold(cluster: FakeCluster, value: str) -> None:
    """Put a Secret with a canary into a cluster in memory, and objects that come after it."""
    document = secret("password", value)
    annotations = document["metadata"]["annotations"]
    cluster.add(fake.NAMESPACES, NAMESPACE)
    cluster.add(fake.SECRETS, "password", NAMESPACE, data=document["data"], annotations=annotations)
    cluster.add(fake.CONFIGMAPS, "last", NAMESPACE)
    cluster.add(fake.ACCOUNTS, "last", NAMESPACE)


def test_an_aborted_backup_shows_no_secret(tmp_path: Path) -> None:
    cluster = FakeCluster()
    hold(cluster, CAPTURED)
    aborted = Aborted(tmp_path, cluster, "serviceaccounts")
    output, requests = aborted.run("stowage.kubernetes.backup")
    assert "/api/v1/secrets" in {request.path for request in requests}
    assert "[prod-1] capture" in output
    aborted.check(output)


def test_an_aborted_restore_shows_no_secret(tmp_path: Path) -> None:
    source, target = FakeCluster(), FakeCluster()
    hold(source, CAPTURED)
    hold(target, THERE)
    aborted = Aborted(tmp_path, target, "configmaps")
    location = open_location({"provider": "filesystem", "path": str(tmp_path / "backups"), "prefix": ""}, {})
    options = CaptureOptions(cluster="prod-1", name="b0", selection=Selection.from_params({}))
    capture(source.connection(), location, options, Progress())
    location.close()
    named = ("-e", "restore_backup=b0", "-e", "restore_hosts=prod-1", "-e", "restore_allow_other_cluster=true")
    output, requests = aborted.run(
        "stowage.kubernetes.restore", *named, "-e", "restore_existing_resource_policy=update"
    )
    written = [request.body for request in requests if request.method == "PUT" and "/secrets/" in request.path]
    assert leaks([("", body) for body in written], [CAPTURED]), "no Secret was in hand yet"
    aborted.check(output)
