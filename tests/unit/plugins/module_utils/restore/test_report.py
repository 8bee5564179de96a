# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import gzip
import json
import os
import pathlib
import stat
import typing as t

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.layout import RestorePaths
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore import diff, spool
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.compare import Change
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.model import Action, Known, Result
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.report import Report
from support.memory_location import MemoryLocation

PATHS = RestorePaths("east", "r1")


def result(name: str, action: Action = Action.CREATED, resource: str = "configmaps", **more: t.Any) -> Result:
    namespace = more.pop("namespace", "n")
    return Result("v1", "ConfigMap", resource, namespace, name, action, more.pop("reason", ""), **more)


def read(location: MemoryLocation, key: str) -> t.Any:
    return gzip.decompress(location.objects[key]).decode()


@pytest.fixture
def report() -> t.Iterator[Report]:
    made = Report(files=True)
    yield made
    made.discard()


def test_everything_is_in_the_files(report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "_LINES", 7)
    monkeypatch.setattr(spool, "_PIECE", 200)
    for number in range(40):
        report.add(result(f"c{number:02}"))
    report.add(result("bad", Action.FAILED, reason="no 日本", code="cluster_api_error", known=Known.SERVER))
    report.add(result("other", Action.DIFFERS, namespace="", paths=["data.k"], reason="left"))
    report.warn("careful")
    location = MemoryLocation()
    report.save(location, PATHS)
    lines = [json.loads(line) for line in read(location, PATHS.report).splitlines()]
    assert len(lines) == 42
    assert lines[40] == {
        "kind": "configmaps",
        "namespace": "n",
        "name": "bad",
        "action": "failed",
        "known": "server",
        "reason": "no 日本",
        "code": "cluster_api_error",
    }
    assert lines[41] == {
        "kind": "configmaps",
        "name": "other",
        "action": "differs",
        "known": "local",
        "reason": "left",
        "paths": ["data.k"],
    }
    resources = json.loads(read(location, PATHS.resource_list))
    assert resources == {
        "v1/ConfigMap": [*(f"n/c{number:02}(created)" for number in range(40)), "n/bad(failed)", "other(skipped)"]
    }
    assert json.loads(read(location, PATHS.results)) == {
        "warnings": {"velero": ["careful"], "cluster": ["configmaps other: differs: left"]},
        "errors": {"namespaces": {"n": ["configmaps bad: failed: no 日本"]}},
    }
    log = read(location, PATHS.logs).splitlines()
    assert len(log) == 42
    assert 'level=error msg="configmaps n/bad: failed" reason="no 日本"' in log[40]


def test_counts_and_first_results(report: Report) -> None:
    for number in range(150):
        report.add(result(str(number), Action.UNCHANGED))
    report.add(result("claim", data_not_restored=True, warning=True, reason="r"))
    assert report.counts == {Action.UNCHANGED: 150, Action.CREATED: 1}
    assert report.kinds["configmaps"][Action.UNCHANGED] == 150
    assert len(report.first[Action.UNCHANGED]) == 100
    assert report.data_not_restored == ["n/claim"]
    assert (report.objects, report.written) == (151, 1)


def test_nobody_else_can_read_them(report: Report, tmp_path: pathlib.Path) -> None:
    report.add(result("a"))
    kept = pathlib.Path(report.keep(spool.state_directory({"XDG_STATE_HOME": str(tmp_path)}, "", "r1")))
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    assert kept.is_relative_to(tmp_path / "stowage/restores/r1")
    again = pathlib.Path(report.keep(str(kept.parent)))
    assert again != kept
    assert json.loads(gzip.decompress(again.read_bytes()))["name"] == "a"


def test_a_plan_without_a_place_keeps_no_files() -> None:
    report = Report(files=False)
    report.add(result("a"))
    assert report.keep("/nowhere") == ""
    report.save(MemoryLocation(), PATHS)
    assert report.counts[Action.CREATED] == 1


def test_a_diff_is_bounded_and_never_shows_a_secret(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "diff"
    shown = diff.Diff(str(path))
    shown.open()
    for number in range(diff.MOST_OBJECTS + 5):
        shown.add(result(str(number), Action.DIFFERS, paths=["data.k"]), [Change("data.k", "old", "new")])
    shown.add(result("same", Action.UNCHANGED), [])
    shown.add(result("s", Action.DIFFERS, "secrets", paths=["data.k"]), [Change("data.k", "hidden", "hidden")])
    shown.finish()
    assert len(shown.shown) == diff.MOST_OBJECTS
    assert shown.left_out == 6
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(lines) == diff.MOST_OBJECTS + 6
    assert lines[0]["changes"] == [{"path": "data.k", "archived": "old", "live": "new"}]
    assert lines[-1]["changes"] == [{"path": "data.k"}]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    long = diff.Diff()
    long.add(result("x", Action.DIFFERS, paths=["y" * diff.MOST_BYTES]), [])
    long.add(result("z", Action.DIFFERS), [])
    assert [line["name"] for line in long.shown] == ["z"]


def test_a_diff_replaces_the_last_one_and_only_when_it_is_whole(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "diff"
    path.write_text("the last one")
    for ending, text in (("close", "the last one"), ("finish", "")):
        shown = diff.Diff(str(path))
        shown.open()
        getattr(shown, ending)()
        assert path.read_text() == text
        assert list(tmp_path.iterdir()) == [path]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("kind", ["directory", "link", "fifo", "folder that is not there"])
def test_a_diff_takes_the_place_of_a_file_only(tmp_path: pathlib.Path, kind: str) -> None:
    path, other = tmp_path / "diff", tmp_path / "other"
    other.write_text("mine")
    if kind == "directory":
        path.mkdir()
    elif kind == "link":
        path.symlink_to(other)
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path = tmp_path / "none" / "diff"
    with pytest.raises(StowageError) as caught:
        diff.Diff(str(path)).open()
    assert caught.value.code == "invalid_option"
    assert other.read_text() == "mine"


def test_a_diff_that_cannot_be_put_in_its_place_is_said(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "diff"
    shown = diff.Diff(str(path))
    shown.open()
    path.mkdir()
    shown.finish()
    assert shown.problem
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_ends_the_report_and_not_the_restore(report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*unused: t.Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(spool, "_append", full)
    monkeypatch.setattr(spool, "_PIECE", 10)
    report.add(result("a"))
    report.add(result("b"))
    assert report.counts[Action.CREATED] == 2
    assert not report.has_files
    assert report.warnings == ["There is no report, for it cannot be written: No space left on device."]
    location = MemoryLocation()
    report.save(location, PATHS)
    assert location.objects == {}
    assert report.keep("/nowhere") == ""
