# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Backups go from a directory into MinIO and on to Google's storage, and are the same there."""

from __future__ import annotations

import itertools
import random
import typing as t
import uuid
from pathlib import Path

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive import catalog
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.layout import BackupPaths
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.reader import BackupReader
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.registry import open_location
from ansible_collections.stowage.kubernetes.plugins.module_utils._progress import Progress
from support import archives, modules
from testbed import FakeGcs, MinIO

Options = dict[str, t.Any]
LARGE: t.Final = random.Random(3).randbytes(9 << 20).hex()
"""More than one part of an upload."""


@pytest.fixture
def directory(tmp_path: Path) -> Options:
    found: Options = {"provider": "filesystem", "path": str(tmp_path / "backups"), "prefix": "fleet"}
    (tmp_path / "backups").mkdir()
    location = open_location(found, {})
    for name, data in (("small", "x"), ("large", LARGE)):
        items = [
            (archives.CONFIG_MAPS, archives.make_item(archives.CONFIG_MAPS, "shop", f"c{part}", data=data[part::64]))
            for part in range(64)
        ]
        ordered = sorted(items, key=lambda pair: pair[1].key)
        archives.make_backup(location, ordered, paths=BackupPaths("east", name))
    archives.put_foreign(location, archives.tarball([]), paths=BackupPaths("east", "veleros"))
    return found


def in_minio(store: MinIO) -> Options:
    auth = {"method": "access_key", "access_key": store.access_key, "secret_key": store.secret_key}
    bucket = store.create_bucket(f"copies-{uuid.uuid4().hex[:12]}")
    return {
        "provider": "minio",
        "endpoint": store.endpoint,
        "bucket": bucket,
        "ca_cert": str(store.ca_cert),
        "auth": auth,
    }


def in_google(store: FakeGcs) -> Options:
    bucket = store.create_bucket(f"copies-{uuid.uuid4().hex[:12]}")
    return {
        "provider": "gcp",
        "endpoint": store.endpoint,
        "bucket": bucket,
        "ca_cert": str(store.ca_cert),
        "auth": store.auth(),
    }


def held(options: Options) -> dict[str, bytes]:
    """What a location has of backups."""
    location = open_location(options, {})
    keys = [info.key for info in location.list("clusters/east/backups/")]
    return {key: location.read(key, limit=1 << 30) for key in keys}


def test_from_a_directory_through_minio_to_google(directory: Options, minio: MinIO, fake_gcs: FakeGcs) -> None:
    before = held(directory)
    chain = [directory, in_minio(minio), in_google(fake_gcs)]
    for origin, target in itertools.pairwise(chain):
        args = {"location": origin, "destination": target, "cluster": "east", "verify": True}
        predicted = modules.run("backup_copy", args, check=True)
        assert held(target) == {}
        made = modules.run("backup_copy", args)
        assert made["copies"] == predicted["copies"]
        assert {one["name"]: (one["state"], one["checked"]) for one in made["copies"]["backups"]} == {
            "small": ("copied", "sha256"),
            "large": ("copied", "sha256"),
            "veleros": ("copied", "size"),
        }
        assert held(target) == before
        assert not modules.run("backup_copy", args)["changed"]
    last = open_location(chain[-1], {})
    with BackupReader.open(last, catalog.read_backup(last, "east", "large"), progress=Progress()) as reader:
        assert sum(block.count for block in reader.blocks) == 64


def test_a_secret_of_the_destination_is_not_shown(directory: Options, minio: MinIO) -> None:
    target = in_minio(minio)
    target["auth"]["secret_key"] = "no-such-secret-key-of-anybodys"
    with pytest.raises(modules.Failed) as failed:
        modules.run("backup_copy", {"location": directory, "destination": target, "cluster": "east"})
    assert failed.value.result["error_code"] == "credentials_invalid"
    assert "no-such-secret-key-of-anybodys" not in str(failed.value)
    target["nonsense"] = "no-such-secret-either"
    with pytest.raises(modules.Failed) as failed:
        modules.run("backup_copy", {"location": directory, "destination": target, "cluster": "east"})
    assert failed.value.result["error_code"] == "invalid_option"
    assert "nonsense" in failed.value.result["msg"]
    assert "no-such-secret" not in str(failed.value)
