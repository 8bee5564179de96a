# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bed: starts servers when they are asked for, and ends all of them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, TypeVar

from testbed import build, controlplane, toolchain
from testbed.azurite import Azurite
from testbed.browser import Browser
from testbed.cluster import Cluster
from testbed.errors import TestbedError
from testbed.etcd import Etcd
from testbed.fake_gcs import FakeGcs, GcpEmulator
from testbed.google import GoogleServer
from testbed.minio import MinIO
from testbed.ministack import MiniStack
from testbed.paths import PrivateDirectory
from testbed.seaweedfs import SeaweedFS
from testbed.store import S3Store
from testbed.velero import VeleroServer

# A port may be taken by another program between its choice and its use.
ATTEMPTS = 3
FLEET_AT_ONCE = 4
PORT_TAKEN = "address already in use"


class Stoppable(Protocol):
    """Whatever the bed has to end."""

    def stop(self) -> None:
        """Ends it."""


S = TypeVar("S", bound=Stoppable)


class Testbed:
    """Real servers for tests, on loopback, ended together:

        with Testbed() as bed:
            source, target = bed.clusters("source", "target")
            store = bed.minio()

    Their files are in a private directory (`directory`, or a temporary one) that is removed at the end. If this process is
    killed, guards end the servers, and the next bed removes the directory.
    """

    __test__ = False  # its name looks like a test class to pytest

    def __init__(self, directory: Path | None = None, *, say: build.Say = build.say_on_stderr) -> None:
        self._home = PrivateDirectory(directory)
        self.directory = self._home.path
        self.say = say
        self._running: list[Stoppable] = []
        self._numbers = itertools.count(1)

    def __enter__(self) -> Testbed:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def cluster(
        self,
        name: str = "cluster",
        *,
        events_etcd: bool = False,
        apiserver_args: Sequence[str] = (),
        audit: bool = True,
        issuer: str = controlplane.ISSUER,
    ) -> Cluster:
        """Starts a new cluster and returns when it works (see `Cluster`).

        `events_etcd` gives Events an etcd of their own; `apiserver_args` are added to the apiserver's, such as
        `--feature-gates=ListFromCacheSnapshot=false`; without `audit` no request is logged; `issuer` is that of its tokens.
        """
        binary = build.binary("kubernetes", self.say)

        def start(directory: Path) -> Cluster:
            cluster = Cluster(
                name,
                directory,
                binary,
                events_etcd=events_etcd,
                apiserver_args=apiserver_args,
                audit=audit,
                issuer=issuer,
            )
            return self._ready(cluster, cluster.bring_up)

        return self._start(name, start)

    def clusters(self, *names: str, **options: Any) -> list[Cluster]:
        """Starts several clusters at once, each with these options."""
        build.binary("kubernetes", self.say)
        with ThreadPoolExecutor(max(len(names), 1)) as pool:
            return list(pool.map(lambda name: self.cluster(name, **options), names))

    def fleet(self, *names: str) -> list[Cluster]:
        """Starts many clusters that are apiservers alone, on one etcd: nothing is controlled or scheduled in them."""
        binary = build.binary("kubernetes", self.say)

        def start_store(directory: Path) -> Etcd:
            directory.mkdir(mode=0o700, parents=True)
            store = Etcd("etcd", binary, directory)
            return self._ready(store, store.wait_ready)

        store = self._start("fleet-etcd", start_store)

        def start(name: str) -> Cluster:
            def one(directory: Path) -> Cluster:
                cluster = Cluster(name, directory, binary, audit=False, shared=store)
                return self._ready(cluster, cluster.bring_up)

            return self._start(name, one)

        with ThreadPoolExecutor(FLEET_AT_ONCE) as pool:
            return list(pool.map(start, names))

    def minio(self, *, tls: bool = True, settings: Mapping[str, str] | None = None) -> MinIO:
        """Starts a new MinIO; `settings` are variables of its environment."""
        binary = build.binary("minio", self.say)

        def start(directory: Path) -> MinIO:
            store = MinIO(directory, binary, tls=tls, settings=settings)
            return self._ready(store, store.wait_ready)

        return self._start("minio", start)

    def seaweedfs(
        self, *, tls: bool = True, identities: dict[str, list[str]] | None = None, iam: dict[str, Any] | None = None
    ) -> SeaweedFS:
        """Starts a new SeaweedFS (see `SeaweedFS`)."""
        binary = toolchain.seaweedfs()

        def start(directory: Path) -> SeaweedFS:
            store = SeaweedFS(directory, binary, tls=tls, identities=identities, iam=iam)
            return self._ready(store, store.wait_ready)

        return self._start("seaweedfs", start)

    def ministack(self, *, session_seconds: int = 0) -> MiniStack:
        """Starts a new ministack; its sessions end after `session_seconds` unless that is 0."""
        packages = toolchain.ministack()

        def start(directory: Path) -> MiniStack:
            store = MiniStack(directory, packages, session_seconds=session_seconds)
            return self._ready(store, store.wait_ready)

        return self._start("ministack", start)

    def google(self, *, tls: bool = True, conditions: bool = True) -> GoogleServer:
        """Starts a new server that stands for Google (see there)."""

        def start(directory: Path) -> GoogleServer:
            return self._ready(GoogleServer(directory, tls=tls, conditions=conditions), lambda: None)

        return self._start("google", start)

    def fake_gcs(self) -> FakeGcs:
        """Starts a new fake-gcs-server."""
        binary = toolchain.fake_gcs()

        def start(directory: Path) -> FakeGcs:
            store = FakeGcs(directory, binary)
            return self._ready(store, store.wait_ready)

        return self._start("fake-gcs", start)

    def gcp_emulator(self) -> GcpEmulator:
        """Starts a new gcp-storage-emulator."""
        packages = toolchain.gcp_emulator()

        def start(directory: Path) -> GcpEmulator:
            store = GcpEmulator(directory, packages)
            return self._ready(store, store.wait_ready)

        return self._start("gcp-emulator", start)

    def azurite(self, *, tls: bool = True, account: str = "") -> Azurite:
        """Starts a new Azurite (see `Azurite`)."""
        script = build.azurite(self.say)

        def start(directory: Path) -> Azurite:
            store = Azurite(directory, toolchain.node(), script, tls=tls, account=account)
            return self._ready(store, store.wait_ready)

        return self._start("azurite", start)

    def velero(
        self, cluster: Cluster, store: S3Store, bucket: str, prefix: str = "", *, server_args: Sequence[str] = ()
    ) -> VeleroServer:
        """Installs Velero's kinds in the cluster and starts a Velero server for it that keeps its backups in the bucket.

        `server_args` are added to the server's, such as `--client-qps=1000`.
        """
        binary = build.binary("velero", self.say)
        plugin = build.binary("velero-plugin-for-aws", self.say)

        def start(directory: Path) -> VeleroServer:
            server = VeleroServer(
                directory,
                binary=binary,
                plugins=plugin.parent,
                cluster=cluster,
                store=store,
                bucket=bucket,
                prefix=prefix,
                server_args=server_args,
            )
            return self._ready(server, server.wait_ready)

        return self._start("velero", start)

    def browser(self) -> Browser:
        """Starts a new Chromium (see `Browser`)."""
        driver, chromium = toolchain.chromium()

        def start(directory: Path) -> Browser:
            browser = Browser(directory, driver, chromium)
            return self._ready(browser, browser.wait_ready)

        return self._start("browser", start)

    def stop(self, server: Stoppable) -> None:
        """Ends one of the bed's servers before the rest."""
        if server in self._running:
            self._running.remove(server)
        server.stop()

    def close(self) -> None:
        """Ends all servers, the last started first, and removes their files."""
        while self._running:
            self._running.pop().stop()
        self._home.remove()

    def _ready(self, server: S, wait: Callable[[], None]) -> S:
        try:
            wait()
        except BaseException:
            server.stop()
            raise
        self._running.append(server)
        return server

    def _start(self, name: str, start: Callable[[Path], S]) -> S:
        attempt = 0
        while True:
            attempt += 1
            try:
                return start(self.directory / f"{name}-{next(self._numbers)}")
            except TestbedError as error:
                if PORT_TAKEN not in str(error) or attempt == ATTEMPTS:
                    raise
                self.say(f"{name}: a port was taken meanwhile, trying again")
