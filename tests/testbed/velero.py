# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Velero server, outside the cluster that it serves: what it writes and reads is the measure of the archive format."""

from __future__ import annotations

import base64
import signal
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

import yaml

from testbed import ports
from testbed.api import Api, Object
from testbed.cluster import Cluster
from testbed.errors import TestbedError
from testbed.process import Process, plain_environment, wait_until
from testbed.samples import put_all, wait_established
from testbed.store import S3Store

API_VERSION = "velero.io/v1"
NAMESPACE = "velero"
CREDENTIALS = "cloud-credentials"
LOCATION = "default"

READY_SECONDS = 120.0
WORK_SECONDS = 600.0
COMMAND_SECONDS = 120.0
# Long enough for the server to end its plugins itself.
GRACE_SECONDS = 5.0

TERMINAL_PHASES = {"Completed", "PartiallyFailed", "Failed", "FailedValidation"}


class VeleroServer:
    """Velero for one cluster, with one location in a bucket. `Testbed.velero` makes it."""

    def __init__(
        self,
        directory: Path,
        *,
        binary: Path,
        plugins: Path,
        cluster: Cluster,
        store: S3Store,
        bucket: str,
        prefix: str = "",
        server_args: Sequence[str] = (),
    ) -> None:
        directory.mkdir(mode=0o700, parents=True)
        self.directory = directory
        self.cluster = cluster
        self.api: Api = cluster.api
        self._binary = binary
        self._store = store
        self._ports = ports.take(2)
        self._metrics, self._profiler = (f"127.0.0.1:{port}" for port in self._ports)
        self._plugins = plugins
        self._install(bucket, prefix)
        self._more = server_args
        self.process = self._serve()

    def _install(self, bucket: str, prefix: str) -> None:
        """Does what `velero install` does, but for the server's pod."""
        printed = self.run("install", "--crds-only", "--dry-run", "-o", "yaml")
        definitions = [
            one for document in yaml.safe_load_all(printed) if document for one in document.get("items", [document])
        ]
        put_all(self.api, definitions, created_kinds=())
        wait_established(self.api, (one["metadata"]["name"] for one in definitions))
        keys = (
            f"[default]\naws_access_key_id={self._store.access_key}\naws_secret_access_key={self._store.secret_key}\n"
        )
        put_all(self.api, _installation(keys, self._location(bucket, prefix)), created_kinds=())

    def _location(self, bucket: str, prefix: str) -> Object:
        storage: Object = {"bucket": bucket} | ({"prefix": prefix} if prefix else {})
        if self._store.ca_cert is not None:
            storage["caCert"] = base64.b64encode(self._store.ca_cert.read_bytes()).decode()
        return {
            "provider": "aws",
            "default": True,
            "objectStorage": storage,
            "credential": {"name": CREDENTIALS, "key": "cloud"},
            "config": {
                "region": self._store.region,
                "s3ForcePathStyle": "true",
                "s3Url": self._store.endpoint,
                "checksumAlgorithm": "",
            },
        }

    def _serve(self) -> Process:
        # `server` comes first: Velero hands what follows on to each plugin.
        options: list[str | Path] = [
            "--kubeconfig",
            self.cluster.kubeconfig,
            "--namespace",
            NAMESPACE,
            "--plugin-dir",
            self._plugins,
        ]
        options += ["--metrics-address", self._metrics, "--profiler-address", self._profiler]
        options += ["--backup-sync-period", "1s", *self._more]
        command: list[str | Path] = [self._binary, "server", *options]
        return Process(
            "velero",
            command,
            log=self.directory / "velero.log",
            environment=self._environment(),
            stop_signal=signal.SIGTERM,
            grace_seconds=GRACE_SECONDS,
        )

    def _environment(self) -> dict[str, str]:
        return plain_environment(HOME=str(self.directory), VELERO_NAMESPACE=NAMESPACE)

    def restart(self) -> None:
        """Ends the server and starts it again; returns when it runs. It looks into the bucket as soon as it does."""
        self.process.stop()
        self.process = self._serve()
        self.wait_ready()

    def wait_ready(self) -> None:
        """Returns when the location is Available. Raises TestbedError when it does not become so."""

        def available() -> bool:
            location = self.api.get(API_VERSION, "BackupStorageLocation", LOCATION, NAMESPACE)
            return bool(location.get("status", {}).get("phase") == "Available")

        wait_until(available, seconds=READY_SECONDS, what="Velero's location", processes=[self.process])

    def backup(self, name: str, **spec: object) -> Object:
        """Makes a backup with these fields of a Backup's spec, and returns the Backup in a terminal phase, whichever."""
        return self._do("Backup", name, {"storageLocation": LOCATION, "snapshotVolumes": False, **spec})

    def restore(self, name: str, backup: str, **spec: object) -> Object:
        """Restores a backup with these fields of a Restore's spec, and returns the Restore in a terminal phase."""
        self.wait_synced(backup)
        return self._do("Restore", name, {"backupName": backup, **spec})

    def _do(self, kind: str, name: str, spec: Object) -> Object:
        meta = {"name": name, "namespace": NAMESPACE}
        self.api.create({"apiVersion": API_VERSION, "kind": kind, "metadata": meta, "spec": spec})

        def ended() -> Object | None:
            found = self.api.get(API_VERSION, kind, name, NAMESPACE)
            return found if found.get("status", {}).get("phase") in TERMINAL_PHASES else None

        return wait_until(ended, seconds=WORK_SECONDS, what=f"Velero's {kind} {name}", processes=[self.process])

    def wait_synced(self, backup: str) -> Object:
        """Returns the Backup once Velero has found it in the bucket.

        Velero looks once a minute, and when it starts: so a server that does not know the backup is started again. Other
        work of the server ends with that.
        """

        def found() -> Object | None:
            return self.api.find(API_VERSION, "Backup", backup, NAMESPACE)

        if found() is None:
            self.restart()
        return wait_until(found, seconds=READY_SECONDS, what=f"Velero's sync of {backup}", processes=[self.process])

    def run(self, *arguments: str) -> str:
        """Runs the velero command line against the cluster and returns what it prints. Raises TestbedError when it fails."""
        command = [
            str(self._binary),
            *arguments,
            "--kubeconfig",
            str(self.cluster.kubeconfig),
            "--namespace",
            NAMESPACE,
        ]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            env=self._environment(),
            timeout=COMMAND_SECONDS,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        if done.returncode != 0:
            raise TestbedError(
                f"velero {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
            )
        return done.stdout

    def describe(self, backup: str) -> str:
        """What `velero backup describe --details` says."""
        return self.run("backup", "describe", backup, "--details", *self._trust())

    def logs(self, backup: str) -> str:
        """The log of a backup, which Velero reads from the bucket."""
        return self.run("backup", "logs", backup, *self._trust())

    def restore_logs(self, restore: str) -> str:
        """The log of a restore."""
        return self.run("restore", "logs", restore, *self._trust())

    def delete_backup(self, backup: str) -> None:
        """Has Velero delete a backup with its files; returns when it is gone."""
        self.run("backup", "delete", backup, "--confirm")

        def gone() -> bool:
            return self.api.find(API_VERSION, "Backup", backup, NAMESPACE) is None

        wait_until(gone, seconds=READY_SECONDS, what=f"Velero's deletion of {backup}", processes=[self.process])

    def _trust(self) -> Iterable[str]:
        return ["--cacert", str(self._store.ca_cert)] if self._store.ca_cert else []

    def stop(self) -> None:
        """Ends the server and its plugins."""
        self.process.stop()
        ports.give_back(self._ports)


def _installation(keys: str, location: Object) -> list[Object]:
    """The namespace, the credentials, the location, and a Deployment of no replicas: a restore asks for it."""
    labels = {"component": "velero"}
    container = {"name": "velero", "image": "registry.example.com/velero:none"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}},
        _object("v1", "Secret", CREDENTIALS, {"stringData": {"cloud": keys}}),
        _object(
            "apps/v1",
            "Deployment",
            "velero",
            {"spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}},
        ),
        _object(API_VERSION, "BackupStorageLocation", LOCATION, {"spec": location}),
    ]


def _object(api_version: str, kind: str, name: str, rest: Object) -> Object:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE}, **rest}
