# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures for tests against real servers. Nothing starts before a test asks for it; all of it ends with the session."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import pytest
from hypothesis import HealthCheck, settings

from testbed import Azurite, Browser, Cluster, FakeGcs, GcpEmulator, GoogleServer, MinIO, MiniStack, SeaweedFS, Testbed

# How long an example takes decides nothing: a busy machine makes no test fail.
settings.register_profile("stowage", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("stowage")


class ClusterFactory(Protocol):
    """Gives a cluster by name; the options are those of `Testbed.cluster`."""

    def __call__(self, name: str = "cluster", **options: Any) -> Cluster:
        """Starts the cluster, or returns it if it was started before with the same name."""


@pytest.fixture(scope="session")
def shared_testbed() -> Iterator[Testbed]:
    """The session's bed, for servers that the fixtures below share."""
    with Testbed() as bed:
        yield bed


@pytest.fixture(scope="module", name="testbed")
def _testbed() -> Iterator[Testbed]:
    """A bed for servers of a test's own. They end with the file: an idle API server takes memory and a processor's time, too."""
    with Testbed() as bed:
        yield bed


@pytest.fixture(scope="session")
def cluster(shared_testbed: Testbed) -> ClusterFactory:
    """Clusters that tests share, by name. A test that leaves something behind uses namespaces of its own, or `new_cluster`."""
    started: dict[str, tuple[Cluster, dict[str, Any]]] = {}

    def give(name: str = "cluster", **options: Any) -> Cluster:
        if name not in started:
            started[name] = (shared_testbed.cluster(name, **options), options)
        shared, made_with = started[name]
        assert made_with == options, f"cluster {name} was started with {made_with}"
        return shared

    return give


@pytest.fixture
def new_cluster(testbed: Testbed) -> Iterator[ClusterFactory]:
    """Clusters for one test alone: each call starts one, and all of them end with the test."""
    started: list[Cluster] = []

    def give(name: str = "cluster", **options: Any) -> Cluster:
        started.append(testbed.cluster(name, **options))
        return started[-1]

    yield give
    for one in started:
        testbed.stop(one)


@pytest.fixture(scope="session")
def minio(shared_testbed: Testbed) -> MinIO:
    """The session's MinIO, with TLS. A test makes buckets of its own."""
    return shared_testbed.minio()


@pytest.fixture(scope="session")
def seaweedfs(shared_testbed: Testbed) -> SeaweedFS:
    """The session's SeaweedFS, with TLS. A test makes buckets of its own."""
    return shared_testbed.seaweedfs()


@pytest.fixture(scope="session")
def ministack(shared_testbed: Testbed) -> MiniStack:
    """The session's AWS emulator, with TLS. A test makes buckets, users and roles of its own."""
    return shared_testbed.ministack()


@pytest.fixture(scope="session")
def google(shared_testbed: Testbed) -> GoogleServer:
    """The session's server that stands for Google, with TLS. A test makes buckets of its own."""
    return shared_testbed.google()


@pytest.fixture(scope="session")
def fake_gcs(shared_testbed: Testbed) -> FakeGcs:
    """The session's fake-gcs-server, with TLS. A test makes buckets of its own."""
    return shared_testbed.fake_gcs()


@pytest.fixture(scope="session")
def gcp_emulator(shared_testbed: Testbed) -> GcpEmulator:
    """The session's gcp-storage-emulator, with TLS. A test makes buckets of its own."""
    return shared_testbed.gcp_emulator()


@pytest.fixture(scope="session")
def azurite(shared_testbed: Testbed) -> Azurite:
    """The session's Azurite, with TLS. A test makes containers of its own."""
    return shared_testbed.azurite()


@pytest.fixture(scope="session")
def browser(shared_testbed: Testbed) -> Browser:
    """The session's Chromium. A test opens a page of its own."""
    return shared_testbed.browser()
