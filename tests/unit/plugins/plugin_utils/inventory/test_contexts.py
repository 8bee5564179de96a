# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Contexts of files, globs and folders become clusters; nothing but names is taken of them, and a bad file hides no other."""

from __future__ import annotations

import contextlib
import json
import os
import typing as t
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.plugin_utils._inventory.contexts import (
    Place,
    context_names,
    find_contexts,
)
from ansible_collections.stowage.kubernetes.plugins.plugin_utils._inventory.model import Cluster, Failure
from ansible_collections.stowage.kubernetes.plugins.plugin_utils._inventory.options import Contexts, read_options

CANARY: t.Final = "canary-31aa90"


def a_kubeconfig(*contexts: str, **user: t.Any) -> dict[str, t.Any]:
    user = user or {"token": CANARY, "exec": {"command": "touch", "args": [CANARY]}}
    return {
        "contexts": [{"name": name, "context": {"cluster": f"c-{name}", "user": "u"}} for name in contexts],
        "clusters": [{"name": "c", "cluster": {"server": f"https://{CANARY}@one.example"}}],
        "users": [{"name": "u", "user": user}],
    }


def write(path: Path, *contexts: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(a_kubeconfig(*contexts)))
    return str(path)


def find(
    folder: Path, environ: dict[str, str] | None = None, **kubeconfig: t.Any
) -> tuple[list[Cluster], list[Failure]]:
    origin = read_options({"a": {"kubeconfig": kubeconfig}}, None, None).sources[0].origin
    assert isinstance(origin, Contexts)
    found = find_contexts(origin, Place(str(folder), environ or {}))
    assert CANARY not in repr(found)
    return found


def names(clusters: t.Iterable[Cluster]) -> list[str]:
    return [cluster.name for cluster in clusters]


def test_files_globs_and_folders(tmp_path: Path) -> None:
    one = write(tmp_path / "one", "a")
    write(tmp_path / "more/x.yaml", "b")
    write(tmp_path / "more/y.yaml", "c")
    write(tmp_path / "more/.hidden", "no")
    write(tmp_path / "more/y.yaml~", "no")
    write(tmp_path / "globbed/z.yaml", "d", "e")
    write(tmp_path / "globbed/z.txt", "no")
    clusters, failures = find(tmp_path, paths=[one, "more", "globbed/*.yaml", "./one"])
    assert failures == []
    assert names(clusters) == ["a", "b", "c", "d", "e"]
    assert clusters[1].access == {
        "stowage_cluster_auth": "kubeconfig",
        "stowage_kubeconfig": str(tmp_path / "more/x.yaml"),
        "stowage_context": "b",
        "stowage_kubeconfig_cluster": "c-b",
    }
    assert all("context" not in json.loads(json.dumps(cluster.access)) for cluster in clusters)


def test_a_path_in_a_home_folder_stays_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path / ".kube/config", "a")
    write(tmp_path / ".kube/more/x", "b")
    clusters, failures = find(Path("/"), paths=["~/.kube/config", "~/.kube/more"])
    assert failures == []
    assert [one.access["stowage_kubeconfig"] for one in clusters] == ["~/.kube/config", "~/.kube/more/x"]


def test_contexts_are_chosen_by_patterns(tmp_path: Path) -> None:
    path = write(tmp_path / "kc", "prod-1", "prod-2", "prod-old", "test-1", "test-x")
    clusters, failures = find(tmp_path, paths=path, contexts=["prod-*", "~test-[0-9]"], excluded_contexts="*-old")
    assert (names(clusters), failures) == (["prod-1", "prod-2", "test-1"], [])


def test_a_context_that_is_named_must_be_there(tmp_path: Path) -> None:
    path = write(tmp_path / "kc", "a")
    clusters, failures = find(tmp_path, paths=path, contexts=["a", "gone"])
    assert names(clusters) == ["a"]
    assert ["'gone'" in failure.error.message for failure in failures] == [True]


def test_a_bad_file_hides_no_other_and_shows_nothing_of_itself(tmp_path: Path) -> None:
    write(tmp_path / "d/good", "a")
    for name, content in {
        "text": CANARY,
        "broken": f"users: [{CANARY}",
        "empty": "",
        "none": "{}",
        "bytes": "\udcff",
        "unnamed": yaml.safe_dump({"contexts": [{"context": {}}]}),
        "number": yaml.safe_dump({"contexts": [{"name": 7}]}),
        "long": yaml.safe_dump({"contexts": [{"name": "x" * 1_000_000}]}),
        "deep": "[" * 5000,
    }.items():
        (tmp_path / "d" / name).write_bytes(content.encode("utf-8", "surrogateescape"))
    os.mkfifo(tmp_path / "d/pipe")
    clusters, failures = find(tmp_path, paths="d")
    assert names(clusters) == ["a"]
    assert len(failures) == 9
    assert all(failure.error.code == "cluster_access_invalid" for failure in failures)
    assert all(len(failure.error.message) < 500 for failure in failures)


def test_nothing_where_something_is_meant_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    clusters, failures = find(tmp_path, paths=["empty", "gone", "*.yaml"])
    assert clusters == []
    assert {failure.part for failure in failures} == {"empty", str(tmp_path / "gone"), "*.yaml"}


def test_a_file_name_that_would_be_two_paths_or_a_text_is_not_used(tmp_path: Path) -> None:
    write(tmp_path / "d/a:b", "x")
    write(tmp_path / "d/c\nd", "y")
    write(tmp_path / "d/\udcff", "z")
    write(tmp_path / "d/good", "a")
    clusters, failures = find(tmp_path, paths="d")
    assert (names(clusters), len(failures)) == (["a"], 3)


def test_a_variable_is_read_but_its_path_is_in_nothing(tmp_path: Path) -> None:
    first, second = write(tmp_path / "injected-1", "a", "b"), write(tmp_path / "injected-2", "b", "c")
    clusters, failures = find(tmp_path, {"KC": f"{first}:{second}:{tmp_path}/gone"}, env="KC")
    assert (names(clusters), failures) == (["a", "b", "c"], [])
    assert "injected" not in repr(clusters)
    assert all("stowage_kubeconfig" not in cluster.access for cluster in clusters)
    (tmp_path / "injected-1").write_text("[")
    clusters, failures = find(tmp_path, {"KC": first}, env="KC")
    assert "injected" not in "".join(failure.error.message + failure.error.hint for failure in failures)
    assert "$KC" in failures[0].error.message
    clusters, failures = find(tmp_path, {}, env="KC")
    assert failures[0].part is None


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda part: st.lists(part) | st.dictionaries(st.sampled_from(["name", "context", "cluster", "x"]), part),
    )
)
def test_any_document_gives_names_or_an_error(contexts: t.Any) -> None:
    found: dict[str, str] = {}
    with contextlib.suppress(StowageError):
        found = context_names({"contexts": contexts}, "kc")
        assert found
    assert all(0 < len(name) <= 253 for name in found)
