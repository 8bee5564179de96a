# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive import layout
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError

NOW = datetime.datetime(2026, 11, 23, 8, 30, 5, tzinfo=datetime.UTC)


def test_keys_are_where_velero_looks() -> None:
    paths = layout.BackupPaths("east", "nightly")
    folder = "clusters/east/backups/nightly/"
    assert paths.folder == folder
    assert paths.tarball == folder + "nightly.tar.gz"
    assert paths.velero_backup == folder + "velero-backup.json"
    assert paths.logs == folder + "nightly-logs.gz"
    assert paths.results == folder + "nightly-results.gz"
    assert paths.resource_list == folder + "nightly-resource-list.json.gz"
    assert paths.volume_info == folder + "nightly-volumeinfo.json.gz"
    assert paths.pod_volume_backups == folder + "nightly-podvolumebackups.json.gz"
    assert paths.volume_snapshots == folder + "nightly-volumesnapshots.json.gz"
    assert paths.item_operations == folder + "nightly-itemoperations.json.gz"
    assert paths.index == folder + "stowage-index.json.gz"
    assert paths.manifest == folder + "stowage-manifest.json"
    assert paths.reservation == "clusters/east/metadata/stowage/reservations/nightly.json"
    restore = layout.RestorePaths("east", "again")
    assert restore.record == "clusters/east/restores/again/stowage-restore.json"
    assert restore.results == "clusters/east/restores/again/restore-again-results.gz"
    assert restore.logs == "clusters/east/restores/again/restore-again-logs.gz"


@pytest.mark.parametrize("name", ["", "-a", "a-", "A", "a_b", "a/b", "..", "a..b", ".a", "a b", "ä", "a\n", "x" * 254])
def test_names_that_are_no_dns_names_are_refused(name: str) -> None:
    for make in (lambda: layout.BackupPaths("east", name), lambda: layout.RestorePaths("east", name)):
        with pytest.raises(StowageError) as caught:
            make()
        assert caught.value.code == "invalid_name"


@pytest.mark.parametrize("name", ["a", "a.b", "0", "a-b.c-d", "x" * 253])
def test_dns_names_are_taken(name: str) -> None:
    assert layout.validate_name(name) == name


@pytest.mark.parametrize("cluster", ["", ".", "..", "a/b", "/a", "-a", "a-", "_a", "a b", "a\n", "ä", "x" * 254])
def test_folders_that_lead_elsewhere_are_refused(cluster: str) -> None:
    with pytest.raises(StowageError) as caught:
        layout.BackupPaths(cluster, "nightly")
    assert caught.value.code == "invalid_name"


def test_names_of_hosts_are_folders() -> None:
    for cluster in ("prod_eu", "Prod-EU.example.com", "10.0.0.1"):
        assert layout.validate_cluster(cluster) == cluster


def test_a_made_name_tells_where_and_when() -> None:
    assert layout.make_name("nightly", "Prod_EU", NOW, "00ff") == "nightly-prod-eu-20261123083005-00ff"
    there = NOW.astimezone(datetime.timezone(datetime.timedelta(hours=5)))
    assert layout.make_name("nightly", "Prod_EU", there, "00ff") == "nightly-prod-eu-20261123083005-00ff"
    assert re.fullmatch(r"n-c-\d{14}-[0-9a-f]{4}", layout.make_name("n", "c", NOW))
    assert len({layout.make_name("n", "c", NOW) for _time in range(50)}) > 1


@given(st.from_regex(r"[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?", fullmatch=True), st.text(min_size=1, max_size=300))
def test_made_names_are_valid_and_short(prefix: str, cluster: str) -> None:
    name = layout.make_name(prefix, cluster, NOW)
    assert len(name) <= 63
    assert name.startswith(prefix + "-")
    assert layout.validate_name(name) == name


def test_a_prefix_that_leaves_no_room_is_refused() -> None:
    with pytest.raises(StowageError) as caught:
        layout.make_name("p" * 60, "c", NOW)
    assert caught.value.code == "invalid_name"
