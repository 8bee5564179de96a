# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a directory outlives the container, by what a container looks like."""

from __future__ import annotations

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import persistence
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.persistence import (
    Mount,
    check_persistent,
    covering_mount,
    in_execution_environment,
    parse_mounts,
    survives,
)

# As in Podman: overlay root, a volume, a directory of the host with a space in its name, the job's private directory.
MOUNTINFO = r"""
651 560 0:66 / / rw,relatime - overlay overlay rw,lowerdir=/l,upperdir=/u,workdir=/w
652 651 0:69 / /proc rw,nosuid - proc proc rw
655 651 0:70 / /dev/shm rw,nosuid - tmpfs shm rw,size=64000k
660 651 259:2 /var/backups /backups rw,relatime shared:1 master:2 - ext4 /dev/nvme0n1p2 rw
661 651 259:2 /srv /srv/with\040space rw,relatime - xfs /dev/nvme0n1p3 rw
662 651 259:2 /tmp/awx_1 /runner rw,relatime - xfs /dev/nvme0n1p3 rw
"""
RUNNER = {"AWX_ISOLATED_DATA_DIR": "/runner/artifacts/1"}


def test_mounts_are_read() -> None:
    mounts = parse_mounts(MOUNTINFO)
    assert Mount("/", "overlay") in mounts
    assert Mount("/srv/with space", "xfs") in mounts
    assert len(mounts) == 6
    assert parse_mounts("garbage\n\n1 2 3\n") == []


@pytest.mark.parametrize(
    ("path", "point"),
    [
        ("/", "/"),
        ("/backups", "/backups"),
        ("/backups/a/b", "/backups"),
        ("/backups-2", "/"),
        ("/srv", "/"),
        ("/srv/with space/x", "/srv/with space"),
    ],
)
def test_the_longest_mount_covers(path: str, point: str) -> None:
    mount = covering_mount(path, parse_mounts(MOUNTINFO))
    assert mount is not None
    assert mount.point == point


def test_the_last_mount_at_a_point_covers() -> None:
    assert covering_mount("/a", [Mount("/a", "ext4"), Mount("/a", "tmpfs")]) == Mount("/a", "tmpfs")


@pytest.mark.parametrize(
    ("environ", "files", "expected"),
    [
        ({}, set(), False),
        (RUNNER, set(), False),  # ansible-runner on a plain host
        ({}, {"/.dockerenv"}, False),  # somebody's own container
        (RUNNER, {"/.dockerenv"}, True),
        (RUNNER, {"/run/.containerenv"}, True),
        ({**RUNNER, "KUBERNETES_SERVICE_HOST": "10.0.0.1"}, set(), True),
        ({}, {"/run/.containerenv", "/opt/builder/bin/entrypoint"}, True),
    ],
)
def test_what_an_execution_environment_is(environ: dict[str, str], files: set[str], expected: bool) -> None:
    assert in_execution_environment(environ, files.__contains__) is expected


@pytest.mark.parametrize(
    ("path", "environ", "expected"),
    [
        ("/backups/x", {}, True),
        ("/srv/with space", {}, True),
        ("/home/runner/backups", {}, False),
        ("/dev/shm/x", {}, False),
        ("/runner/backups", {}, True),
        ("/runner/backups", {"AWX_PRIVATE_DATA_DIR": "/tmp/awx_1"}, False),
        ("/runners", {"AWX_PRIVATE_DATA_DIR": "/tmp/awx_1"}, False),
    ],
)
def test_what_survives(path: str, environ: dict[str, str], expected: bool) -> None:
    assert survives(path, parse_mounts(MOUNTINFO), environ) is expected


def test_the_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(persistence, "in_execution_environment", lambda *_dummy: True)
    monkeypatch.setattr(persistence, "survives", lambda *_dummy: False)
    with pytest.raises(StowageError) as caught:
        check_persistent("/home/runner/backups", {})
    assert caught.value.code == "not_persistent"
    monkeypatch.setattr(persistence, "survives", lambda *_dummy: True)
    check_persistent("/home/runner/backups", {})
