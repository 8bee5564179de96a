# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which provider a location's options open."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.registry import open_location
from testbed.google_tokens import Tokens

KEYS = {"access_key": "a", "secret_key": "s"}


def test_providers(tmp_path: Path) -> None:
    stopped = threading.Event()
    directory = open_location({"provider": "filesystem", "path": str(tmp_path), "prefix": None}, {}, stopped)
    assert directory.describe() == str(tmp_path)
    assert directory.stopped is stopped
    minio = {"provider": "minio", "endpoint": "https://m", "bucket": "backups", "prefix": "/fleet/", "auth": KEYS}
    bucket = open_location(minio, {}, stopped)
    assert bucket.describe() == "s3://backups/fleet"
    assert bucket.stopped is stopped
    bucket.close()
    aws = open_location(
        {"provider": "aws", "bucket": "backups", "auth": {**KEYS, "method": "access_key", "role_arn": None}}, {}
    )
    assert aws.describe() == "s3://backups"
    aws.close()
    azure = {"provider": "azure", "storage_account": "acme", "bucket": "backups", "prefix": "/fleet/"}
    container = open_location({**azure, "auth": {"method": "account_key", "account_key": "a2V5"}}, {}, stopped)
    assert container.describe() == "azure://acme/backups/fleet"
    assert container.stopped is stopped
    container.close()

    key = {
        "method": "service_account_key",
        "credentials_json": json.dumps(Tokens().key_document("https://tokens.example")),
    }
    google = open_location({"provider": "gcp", "bucket": "backups", "prefix": "/fleet/", "auth": key}, {}, stopped)
    assert google.describe() == "gs://backups/fleet"
    assert google.stopped is stopped
    google.close()


@pytest.mark.parametrize("provider", [None, "", "gcs", "ftp"])
def test_others(provider: str | None) -> None:
    with pytest.raises(StowageError) as caught:
        open_location({"provider": provider}, {})
    assert caught.value.code == "invalid_option"


def test_a_directory_needs_no_package(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.registry import open_location\n"
        "open_location({'provider': 'filesystem', 'path': sys.argv[1]}, {}).create('a', b'x')\n"
        "print([name for name in ('botocore', 'boto3', 'urllib3', 'kubernetes') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "botocore", None)
    with pytest.raises(StowageError) as caught:
        open_location({"provider": "minio", "endpoint": "https://m", "bucket": "backups", "auth": KEYS}, {})
    assert caught.value.code == "dependency_missing"


@pytest.mark.parametrize("package", ["azure.core", "azure.identity"])
def test_a_missing_package_of_azure(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    auth = {"method": "service_principal", "tenant": "t", "client_id": "c", "secret": "s"}
    with pytest.raises(StowageError) as caught:
        open_location({"provider": "azure", "storage_account": "acme", "bucket": "backups", "auth": auth}, {})
    assert caught.value.code == "dependency_missing"


def test_an_old_package_of_azure(monkeypatch: pytest.MonkeyPatch) -> None:
    import azure.identity

    monkeypatch.setattr(azure.identity, "__version__", "1.17.1")
    auth = {"method": "managed_identity"}
    with pytest.raises(StowageError) as caught:
        open_location({"provider": "azure", "storage_account": "acme", "bucket": "backups", "auth": auth}, {})
    assert caught.value.code == "dependency_missing"


def test_an_old_package(monkeypatch: pytest.MonkeyPatch) -> None:
    import botocore

    monkeypatch.setattr(botocore, "__version__", "1.35.99")
    with pytest.raises(StowageError) as caught:
        open_location({"provider": "minio", "endpoint": "https://m", "bucket": "backups", "auth": KEYS}, {})
    assert caught.value.code == "dependency_missing"
