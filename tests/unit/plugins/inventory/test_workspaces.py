# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory plugin's examples run as they stand, and its file is thin."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible.plugins.doc_fragments import constructed, inventory_cache

from ansible_collections.stowage.kubernetes.plugins.inventory import workspaces
from ansible_collections.stowage.kubernetes.plugins.plugin_utils._inventory.options import read_options

COLLECTIONS: t.Final = Path(workspaces.__file__).parents[4]
ROOT: t.Final = Path(__file__).resolve().parents[4]
Tree = dict[str, t.Any]


def examples() -> list[Tree]:
    return list(yaml.safe_load_all(workspaces.EXAMPLES))


def named(origin: str) -> Tree:
    return next(one for one in examples() if origin in json.dumps(one))


def documented() -> set[str]:
    texts = (workspaces.DOCUMENTATION, *(one.ModuleDocFragment.DOCUMENTATION for one in (constructed, inventory_cache)))
    return {name for text in texts for name in yaml.safe_load(text)["options"]}


def listed(example: Tree, folder: Path, **environment: str) -> Tree:
    path = folder / "example.workspaces.yml"
    path.write_text(yaml.safe_dump(example), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "ansible", "inventory", "-i", str(path), "--list"],
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS), "HOME": str(folder), **environment},
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
    )
    found: Tree = json.loads(done.stdout)
    return found


def kubeconfig(path: Path, *contexts: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    entries = [{"name": name, "context": {"cluster": "c", "user": "u"}} for name in contexts]
    path.write_text(yaml.safe_dump({"contexts": entries}), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("example", examples(), ids=lambda example: next(iter(example["sources"])))
def test_an_example_makes_sense(example: Tree) -> None:
    assert example.keys() <= documented()
    assert example["plugin"] == workspaces.InventoryModule.NAME
    read_options(example["sources"], example["workspaces"], example.get("hostname"))


def test_the_example_with_files_finds_and_groups(tmp_path: Path) -> None:
    kubeconfig(tmp_path / ".kube/config", "prod-1", "prod-pay-1", "test-7", "mine")
    example = named("datacentre")
    example["sources"]["datacentre"]["kubeconfig"]["paths"][1] = str(tmp_path / ".kube/*")  # instead of one in /etc
    found = listed(example, tmp_path)
    assert found["production"]["hosts"] == found["env_prod"]["hosts"] == ["prod-1", "prod-pay-1"]
    assert found["payments"]["hosts"] == ["prod-pay-1", "test-7"]
    assert found["_meta"]["hostvars"].keys() == {"prod-1", "prod-pay-1", "test-7"}


def test_the_example_for_awx_emits_no_path(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path / "injected-4711", "prod-1")
    found = listed(named("injected"), tmp_path, STOWAGE_KUBECONFIG=path)
    assert found["everything"]["hosts"] == ["prod-1"]
    assert "injected-4711" not in json.dumps(found)


def test_the_example_of_a_list(tmp_path: Path) -> None:
    assert listed(named("listed"), tmp_path)["gold"]["hosts"] == ["prod-1"]


def test_the_guides_example_makes_sense() -> None:
    for page in ("README.md", "docs/inventories.md"):
        blocks = (ROOT / page).read_text(encoding="utf-8").split("```")[1::2]
        mine = [yaml.safe_load(block.removeprefix("yaml")) for block in blocks if "plugin: stowage" in block]
        assert mine
        for example in mine:
            read_options(example["sources"], example["workspaces"], None)


def test_the_plugin_is_thin() -> None:
    source = Path(workspaces.__file__).read_text(encoding="utf-8")
    code = source.rpartition('"""\n\nimport os')[2]
    assert len([line for line in code.splitlines() if line.strip()]) <= 120
