# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bed that outlives the command that started it: `up` starts a process that owns the servers, `down` ends it."""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from testbed import build, paths
from testbed.bed import Testbed
from testbed.cluster import Cluster
from testbed.errors import TestbedError
from testbed.minio import MinIO
from testbed.seaweedfs import SeaweedFS
from testbed.store import S3Store

# Starting everything on a busy machine; builds come before and are not counted.
START_SECONDS = 600.0
STOP_SECONDS = 60.0
POLL_SECONDS = 0.1
LOOK_SECONDS = 1.0
# In each store, for whoever needs no more than one.
BUCKET = "stowage"

State = dict[str, Any]
T = TypeVar("T")
Say = Callable[[str], None]


@dataclass(frozen=True)
class Wanted:
    """Which servers a bed is to have."""

    clusters: int = 1
    minio: bool = False
    seaweedfs: bool = False
    velero: bool = False
    """A Velero server for the first cluster, with the bucket `velero` of MinIO."""
    ancestor: int = 0
    """The bed ends with this process, if it is not 0."""

    def servers(self) -> set[str]:
        """What runs beside the clusters."""
        return {name for name in ("minio", "seaweedfs", "velero") if getattr(self, name)}

    def builds(self) -> list[str]:
        """The programs that have to be there before anything starts."""
        names = self.servers() | ({"kubernetes"} if self.clusters else set())
        return sorted(names | ({"velero-plugin-for-aws"} if self.velero else set()))


class Home:
    """The directory of a lasting bed: `state.json` (mode 0600), a kubeconfig for each cluster, the servers' files in `work`."""

    def __init__(self, path: Path | None = None, name: str = "bed") -> None:
        self.path = path.absolute() if path else paths.cache() / "beds" / name
        self.work = self.path / "work"
        self.state_file = self.path / "state.json"
        self.log = self.path / "daemon.log"

    def running(self) -> bool:
        """Whether a process owns the bed: the lock ends with its owner, however that ended."""
        try:
            with (self.work / paths.OWNER_LOCK).open("a") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def state(self) -> State | None:
        """What runs: see `describe`. None when the bed is down or still starts."""
        if not self.running() or not self.state_file.exists():
            return None
        state: State = json.loads(self.state_file.read_text(encoding="utf-8"))
        return state

    def clear(self) -> None:
        """Removes what an ended owner left."""
        shutil.rmtree(self.work, ignore_errors=True)
        for file in (self.state_file, *self.path.glob("*.kubeconfig")):
            file.unlink(missing_ok=True)


def up(
    home: Home,
    wanted: Wanted,
    say: Say,
    *,
    foreground: bool = False,
    ready: Callable[[State], None] = lambda _dummy: None,
) -> State:
    """Starts the bed unless it runs; calls `ready` with its state when all servers work, and returns it.

    In the foreground it owns the bed and returns at its end.
    """
    home.path.mkdir(mode=0o700, parents=True, exist_ok=True)
    with paths.locked(home.path / "up.lock"):
        if home.running():
            state = _as_it_runs(home, wanted)
            ready(state)
            return state
        home.clear()
        build.build(wanted.builds(), say)
        if not foreground:
            state = _started(home, wanted, say)
            ready(state)
            return state
    return serve(home, wanted, say, ready)


def _as_it_runs(home: Home, wanted: Wanted) -> State:
    state = _poll(home.state, START_SECONDS)
    if state is None:
        raise TestbedError(f"the bed in {home.path} runs but does not get ready; see {home.log}, or end it with `down`")
    has = Wanted(**state["wanted"])
    if has.clusters < wanted.clusters or wanted.servers() - has.servers():
        raise TestbedError(f"the bed in {home.path} runs with fewer servers ({asdict(has)}); end it with `down` first")
    return state


def _started(home: Home, wanted: Wanted, say: Say) -> State:
    """Starts the owner in a session of its own and waits for it, passing on what it says."""
    command = [sys.executable, "-m", "testbed", "serve", "--dir", str(home.path), json.dumps(asdict(wanted))]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(paths.TESTS), os.environ.get("PYTHONPATH", "")])}
    with home.log.open("wb") as output:
        owner = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, start_new_session=True
        )
    with home.log.open(encoding="utf-8", errors="replace") as log:

        def look() -> State | None:
            for line in log:
                say(line.rstrip("\n").removeprefix("testbed: "))
            if owner.poll() is not None:
                raise TestbedError(f"the bed did not start; its log is {home.log}")
            return home.state()

        state = _poll(look, START_SECONDS)
    if state is None:
        owner.terminate()
        raise TestbedError(f"the bed did not start within {START_SECONDS:.0f} s; its log is {home.log}")
    return state


def serve(home: Home, wanted: Wanted, say: Say, ready: Callable[[State], None] = lambda _dummy: None) -> State:
    """Owns the bed until SIGTERM, SIGINT or SIGHUP. Returns the last state."""
    ends = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
    # Blocked from the start, and in every thread: a signal during the start is answered when the start is over.
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    with Testbed(home.work, say=say) as bed:
        state = _start(home, bed, wanted)
        paths.write_private(home.state_file, json.dumps(state, indent=2) + "\n")
        say(f"ready; {home.state_file}")
        ready(state)
        _wait_for_end(ends, wanted.ancestor)
        say("ending")
    home.clear()
    return state


def _wait_for_end(ends: set[signal.Signals], ancestor: int) -> None:
    """Returns at one of the signals, or when the ancestor is gone."""
    if not ancestor:
        signal.sigwait(ends)
        return
    watched = select.poll()
    try:
        watched.register(os.pidfd_open(ancestor), select.POLLIN)
    except ProcessLookupError:
        return
    while signal.sigtimedwait(ends, LOOK_SECONDS) is None and not watched.poll(0):
        pass


def find_ancestor(word: str) -> int:
    """The id of the outermost ancestor of this process with the word in its command line: programs that it starts may have
    the word in theirs too. Raises TestbedError without one."""
    found = 0
    pid = os.getppid()
    while pid > 1:
        process = Path(f"/proc/{pid}")
        if word.encode() in (process / "cmdline").read_bytes():
            found = pid
        pid = int((process / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
    if not found:
        raise TestbedError(f"no ancestor of this process has {word} in its command line")
    return found


def _start(home: Home, bed: Testbed, wanted: Wanted) -> State:
    """Starts all servers at once; returns what `state.json` is to say."""
    names = [f"cluster{number}" for number in range(1, wanted.clusters + 1)]
    with ThreadPoolExecutor() as pool:
        clusters = [pool.submit(bed.cluster, name) for name in names]
        stores: dict[str, Future[MinIO] | Future[SeaweedFS]] = {}
        if wanted.minio:
            stores["minio"] = pool.submit(bed.minio)
        if wanted.seaweedfs:
            stores["seaweedfs"] = pool.submit(bed.seaweedfs)
    return {
        "pid": os.getpid(),
        "wanted": asdict(wanted),
        "clusters": {one.result().name: _cluster_state(home, one.result()) for one in clusters},
        **{name: _store_state(store.result()) for name, store in stores.items()},
        **({"velero": _start_velero(bed, clusters[0].result(), stores["minio"].result())} if wanted.velero else {}),
    }


def _start_velero(bed: Testbed, cluster: Cluster, store: S3Store) -> State:
    bucket = store.create_bucket("velero")
    server = bed.velero(cluster, store, bucket)
    return {"cluster": cluster.name, "bucket": bucket, "prefix": "", "log": str(server.process.log)}


def _cluster_state(home: Home, cluster: Cluster) -> State:
    kubeconfig = home.path / f"{cluster.name}.kubeconfig"
    paths.write_private(kubeconfig, cluster.kubeconfig.read_text(encoding="utf-8"))
    return {
        "kubeconfig": str(kubeconfig),
        "server": cluster.server,
        "etcd": cluster.etcd.endpoint,
        "directory": str(cluster.directory),
    }


def _store_state(store: S3Store) -> State:
    return {
        "endpoint": store.endpoint,
        "access_key": store.access_key,
        "secret_key": store.secret_key,
        "ca_cert": str(store.ca_cert) if store.ca_cert else None,
        "region": store.region,
        "bucket": store.create_bucket(BUCKET),
    }


def down(home: Home) -> bool:
    """Ends the bed and removes its files; returns whether it ran."""
    ran = home.running()
    if ran:
        _end(home)
    home.clear()
    return ran


def _end(home: Home) -> None:
    state = _poll(home.state, START_SECONDS)
    if state is None:
        raise TestbedError(f"the bed in {home.path} has no state; see {home.log}")
    for number in (signal.SIGTERM, signal.SIGKILL):
        os.kill(state["pid"], number)
        if _poll(lambda: not home.running(), STOP_SECONDS):
            return
    raise TestbedError(f"process {state['pid']} does not end")


def _poll(look: Callable[[], T | None], seconds: float) -> T | None:
    """Calls `look` until it returns something true, for so long; returns the last answer."""
    deadline = time.monotonic() + seconds
    while not (answer := look()) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    return answer
