# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module report, from its options to its files."""

from __future__ import annotations

import json
import os
import typing as t
from pathlib import Path

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.layout import BackupPaths
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import persistence
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.filesystem import open_filesystem
from ansible_collections.stowage.kubernetes.plugins.module_utils._report import files
from support import modules
from support.archives import CONFIG_MAPS, make_backup, make_item
from support.report_fleets import labels

Tree = dict[str, t.Any]
SECRET: t.Final = "hunter2-in-the-wrong-place"


@pytest.fixture
def given(tmp_path: Path) -> Tree:
    """Options: a directory with a backup, and a workspace of two clusters."""
    place = {"provider": "filesystem", "path": str(tmp_path / "backups")}
    objects = [(CONFIG_MAPS, make_item(CONFIG_MAPS, "a", "x"))]
    location = open_filesystem(place, {})
    make_backup(location, objects, paths=BackupPaths("a", "b1"), labels=labels("shop"))
    clusters = [{"host": one, "location": "primary"} for one in "ab"]
    return {
        "locations": {"primary": place},
        "workspaces": [{"name": "shop", "location": "primary", "clusters": clusters}],
        "max_age": "1d",
        "path": str(tmp_path / "out" / "deep"),
    }


def run(given: Tree, **options: t.Any) -> Tree:
    return modules.run_here("report", given | options)


def refused(given: Tree, **options: t.Any) -> Tree:
    with pytest.raises(modules.Failed) as caught:
        run(given, **options)
    return caught.value.result


def test_files_are_written_and_count_as_changed_for_what_they_say(given: Tree, tmp_path: Path) -> None:
    folder = tmp_path / "out" / "deep"
    predicted = modules.run_here("report", given, check=True)
    assert predicted["changed"]
    assert not folder.exists()
    first = run(given)
    assert first["changed"]
    assert [(one["format"], one["changed"]) for one in first["files"]] == [
        (form, True) for form in ("html", "json", "junit", "prometheus")
    ]
    assert sorted(os.listdir(folder)) == ["report.html", "report.json", "report.prom", "report.xml"]
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o644}
    assert [one["size"] for one in first["files"]] == [Path(one["path"]).stat().st_size for one in first["files"]]
    assert first["report"]["counts"]["ok"] == first["report"]["counts"]["missing"] == 1
    assert first["report"]["verdict"] == "failed"

    before = {path.name: path.stat().st_ino for path in folder.iterdir()}
    again = run(given)
    assert not again["changed"]
    assert not modules.run_here("report", given, check=True)["changed"]
    assert all(path.stat().st_ino != before[path.name] for path in folder.iterdir()), "their time is new"

    (folder / "report.xml").write_text("", encoding="utf-8")
    (folder / "report.prom").chmod(0o600)
    assert [one["changed"] for one in run(given)["files"]] == [False, False, True, True]
    changed = run(given, title="Others")
    assert [one["changed"] for one in changed["files"]] == [True] * 4
    assert b"<h1>Others</h1>" in (folder / "report.html").read_bytes()


def test_where_and_how(given: Tree, tmp_path: Path) -> None:
    found = run(given, formats=["prometheus", "json"], prometheus_path=str(tmp_path / "textfile"), mode="0640")
    assert [one["path"] for one in found["files"]] == [
        str(tmp_path / "textfile/report.prom"),
        str(tmp_path / "out/deep/report.json"),
    ]
    assert (tmp_path / "textfile/report.prom").stat().st_mode & 0o777 == 0o640
    assert os.listdir(tmp_path / "textfile") == ["report.prom"]


def test_files_that_vanish_with_the_job_are_no_failure(
    given: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "warnings" not in run(given)
    monkeypatch.setattr(persistence, "in_execution_environment", lambda *_dummy: True)
    kept = str(tmp_path / "textfile")
    monkeypatch.setattr(persistence, "survives", lambda path, *_dummy: path == kept)
    for check in (False, True):
        found = modules.run_here("report", given | {"prometheus_path": kept}, check=check)
        (warning,) = found["warnings"]
        assert warning.startswith(f"not_persistent: The directory {given['path']} belongs to the execution environment")
    assert "warnings" not in run(given, formats=["prometheus"], prometheus_path=kept)
    assert "warnings" not in run(given, formats=[])


def test_it_fails_for_what_it_is_told_to(given: Tree) -> None:
    failed = refused(given, fail_on="failed")
    assert failed["error_code"] == "report_failed"
    assert "1 missing" in failed["msg"]
    assert failed["files"][0]["changed"], "all is written"
    given["workspaces"][0]["clusters"].pop()
    assert run(given, fail_on="warning")["report"]["verdict"] == "passed"


def test_options_that_make_no_sense(given: Tree, tmp_path: Path) -> None:
    workspace = given["workspaces"][0]
    for options in (
        {"max_age": "long"},
        {"grace": ""},
        {"max_runs": -1},
        {"mode": "rw"},
        {"mode": "4755"},
        {"fail_on": "always"},
        {"workspaces": [workspace, workspace]},
        {"workspaces": [workspace | {"schedule": {"cron": "often"}}]},
    ):
        assert refused(given, **options)["error_code"] == "invalid_option", options
    assert refused(given, workspaces=[{"name": "a/b"}])["error_code"] == "invalid_name"
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "deep").write_text("", encoding="utf-8")
    assert refused(given)["error_code"] == "invalid_option"


def test_a_location_of_which_nothing_can_be_made(given: Tree) -> None:
    wrong: Tree = {
        "odd": {"provider": "tape"},
        "text": SECRET,
        "quoted": {"provider": "minio", "bucket": "backups", "path_style": SECRET},
        "misplaced": {"provider": "minio", "bucket": "backups", "secret_key": SECRET},
        "gone": {"provider": "filesystem", "path": "/nowhere/at/all"},
    }
    found = run(given, locations=given["locations"] | wrong)
    problems = {one["name"]: one["problem"] for one in found["report"]["locations"]}
    assert problems.pop("primary") == ""
    assert all(problem.startswith(("invalid_option: ", "bucket_not_found: ")) for problem in problems.values()), (
        problems
    )
    everything = json.dumps(found) + "".join(Path(one["path"]).read_text(encoding="utf-8") for one in found["files"])
    assert SECRET not in everything
    assert found["report"]["counts"]["ok"] == 1


def test_a_link_or_a_directory_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("mine", encoding="utf-8")
    (tmp_path / "report.html").symlink_to(tmp_path / "target")
    with pytest.raises(StowageError) as caught:
        files.differs(str(tmp_path / "report.html"), "0" * 64, 0o644)
    assert caught.value.code == "invalid_option"
    with pytest.raises(StowageError):
        files.differs(str(tmp_path), "0" * 64, 0o644)
    with pytest.raises(StowageError):
        files.write(str(tmp_path / "nowhere" / "x"), b"", 0o644)
    assert (tmp_path / "target").read_text(encoding="utf-8") == "mine"


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.json"
    path.write_text("before", encoding="utf-8")

    def fail(*_arguments: object) -> t.NoReturn:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StowageError):
        files.write(str(path), b"after", 0o644)
    assert path.read_text(encoding="utf-8") == "before"
    assert os.listdir(tmp_path) == ["report.json"]
