# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two restores into one cluster from different folders keep apart."""

from __future__ import annotations

import datetime
import threading

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._progress import Progress
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces import elsewhere
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.holding import Lease
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.leases import of_cluster
from support.memory_location import MemoryLocation

NONE = datetime.timedelta(0)
LONG = datetime.timedelta(minutes=10)


@pytest.fixture
def location() -> MemoryLocation:
    made = MemoryLocation()
    for folder in ("east", "west"):
        made.create(f"clusters/{folder}/backups/b/b.tar.gz", b"x")
    return made


def working(location: MemoryLocation, folder: str, uid: str = "target") -> Lease:
    return Lease(location, of_cluster(folder, uid), Progress(), what="the cluster", who=f"restore from {folder}")


def test_who_works_on_the_cluster_from_another_folder_is_seen(location: MemoryLocation) -> None:
    with working(location, "east"):
        found = elsewhere.holder(location, "west", "target")
        assert found is not None
        assert found.who.startswith("restore from east")
        assert elsewhere.holder(location, "east", "target") is None, "one's own folder has a lease"
        assert elsewhere.holder(location, "west", "another") is None
        with pytest.raises(StowageError) as caught:
            elsewhere.wait(location, "west", "target", Progress(), NONE)
        assert caught.value.code == "lease_held"
        assert "restore from east" in caught.value.message
    assert elsewhere.wait(location, "west", "target", Progress(), NONE) == 0


def test_it_waits_until_they_have_let_go(location: MemoryLocation) -> None:
    class Noting(Progress):
        def note(self, text: str) -> None:
            assert "Waiting for restore from east" in text
            done.set()

    done = threading.Event()
    held = working(location, "east")
    with held:
        progress = Noting()
        waits: list[float] = []
        waiting = threading.Thread(
            target=lambda: waits.append(elsewhere.wait(location, "west", "target", progress, LONG))
        )
        waiting.start()
        assert done.wait(30)
    waiting.join(30)
    assert waits
    assert waits[0] > 0


def test_who_may_not_look_does_not(location: MemoryLocation) -> None:
    def fault(operation: str, key: str) -> None:
        if operation == "list" and key.startswith("clusters/east/"):
            raise StowageError("permission_denied", "No.")

    with working(location, "east"):
        location.fault = fault
        assert elsewhere.holder(location, "west", "target") is None
        location.fault = lambda _operation, _key: None
