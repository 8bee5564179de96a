# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What `make bundle` writes is enough: it is installed without an index into an empty environment, and a module runs there."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import venv
from collections.abc import Sequence
from pathlib import Path

import pytest

from tools import bundle, environments, importer
from tools.paths import ROOT


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle for the Python that runs the tests. Its wheels are downloaded once, as all that tests need."""
    builder = environments.development()
    target = bundle.Target(builder.python.minor, os.uname().machine)
    path = tmp_path_factory.mktemp("bundle")
    tarball = importer.build(builder, path / "built")
    bundle.write(path / "bundle", tarball, target, bundle.wheels(target, environments.tool("bundle")))
    return path / "bundle"


def run(words: Sequence[str | Path], path: Path, **environment: str) -> str:
    """Run a command that finds no index and no network, and nothing of ours."""
    nowhere = "http://127.0.0.1:9"
    variables = {"PATH": os.environ["PATH"], "HOME": str(path), "HTTP_PROXY": nowhere, "HTTPS_PROXY": nowhere}
    variables |= {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": nowhere, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    done = subprocess.run(
        [str(word) for word in words],
        cwd=path,
        env=variables | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_is_installed_without_an_index_and_a_module_runs(made: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "empty", with_pip=True)
    program = tmp_path / "empty" / "bin"
    asked: list[str | Path] = [
        "--no-index",
        "--find-links",
        made / "wheels",
        "-r",
        made / "requirements.txt",
        *bundle.PROGRAMS,
    ]
    run([program / "python", "-m", "pip", "install", "--quiet", *asked], tmp_path)
    (tarball,) = made.glob("*.tar.gz")
    run(
        [program / "ansible-galaxy", "collection", "install", "--offline", "-p", tmp_path / "collections", tarball],
        tmp_path,
    )
    (tmp_path / "backups").mkdir()
    location = {"location": {"provider": "filesystem", "path": str(tmp_path / "backups")}}
    told = run(
        [program / "ansible", "localhost", "-m", "stowage.kubernetes.backup_info", "-a", json.dumps(location)],
        tmp_path,
        ANSIBLE_COLLECTIONS_PATH=str(tmp_path / "collections"),
        ANSIBLE_PYTHON_INTERPRETER=str(program / "python"),
        ANSIBLE_NOCOLOR="1",
    )
    assert '"backups": []' in told
    # What is imported only when it is used is there as well.
    names = "kubernetes, boto3, requests, google.auth, azure.core, azure.identity, minio, msgspec, isal, ansible_runner"
    run([program / "python", "-c", f"import {names}"], tmp_path)


def test_checksums_are_those_of_all_files(made: Path) -> None:
    lines = (made / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    found = {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
    files = {str(path.relative_to(made)) for path in made.rglob("*") if path.is_file()} - {"SHA256SUMS"}
    assert set(found) == files
    assert all(hashlib.sha256((made / name).read_bytes()).hexdigest() == digest for name, digest in found.items())


def test_each_image_is_an_option_and_no_digest_is_invented(made: Path) -> None:
    text = (made / "images.txt").read_text(encoding="utf-8")
    assert "sha256:" not in text
    assert text.count("skopeo inspect") == text.count("option: ") == len(bundle.images())
    # Nothing else in the collection names one.
    named = {
        match
        for folder in ("roles", "playbooks", "extensions")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".yml", ".j2", ".json"}
        for match in re.findall(r"^\s*\"?image\"?: *\"?([^\s{},\"]+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert named <= {"schedule_image"}
    assert {one.name for one in bundle.images()} & named == set()
