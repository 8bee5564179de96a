# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module backup_location_info: what it looks at in a location, what it returns, and when it fails."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive import validate
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.document import CLUSTER_UID
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.catalogue import failed, unknown, warning
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.report import Check, Report, Verdict
from ansible_collections.stowage.kubernetes.plugins.module_utils._progress import Progress
from ansible_collections.stowage.kubernetes.plugins.module_utils._task import Task, TaskFailedError
from ansible_collections.stowage.kubernetes.plugins.modules import backup_location_info

DEFAULTS = {"cluster": None, "cluster_uid": None, "access": ["read", "write", "delete"], "engine": "stowage"}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory as it should be."""
    found = tmp_path / "backups"
    found.mkdir(mode=0o700)
    return found


def task(location: dict[str, Any], **params: Any) -> tuple[Task, set[str]]:
    """A run of the module, and what it has hidden."""
    hidden: set[str] = set()
    return (
        Task(
            params={**DEFAULTS, "fail_on": "never", "location": location, **params},
            check=False,
            diff=False,
            environ={},
            progress=Progress(),
            warn=lambda _dummy: None,
            hide=hidden.update,
        ),
        hidden,
    )


def run(path: Path, **params: Any) -> dict[str, Any]:
    result = validate.validate_location(task({"provider": "filesystem", "path": str(path)}, **params)[0])
    found: dict[str, Any] = result["location"]
    return found


def verdicts(found: dict[str, Any]) -> dict[str, str]:
    return {check["id"]: check["verdict"] for check in found["checks"]}


def backup(place: Path, cluster: str, name: str, uid: str) -> None:
    """A backup as the catalogue needs it."""
    folder = place / "clusters" / cluster / "backups" / name
    folder.mkdir(parents=True)
    document = {
        "kind": "Backup",
        "metadata": {"name": name, "annotations": {CLUSTER_UID: uid}},
        "status": {"phase": "Completed"},
    }
    (folder / "velero-backup.json").write_text(json.dumps(document))


def test_a_location_that_is_fit(place: Path) -> None:
    found = run(place, fail_on="warning")
    assert found["fit"] is True
    assert found["stopped_at"] == ""
    assert found["permissions"]["missing"] == []
    assert list(place.iterdir()) == []


def test_everything_returned_is_documented_and_the_other_way_round(place: Path) -> None:
    documented = yaml.safe_load(backup_location_info.RETURN)["location"]["contains"]
    found = run(place)
    assert documented.keys() == found.keys()
    assert documented["checks"]["contains"].keys() == found["checks"][0].keys()
    assert documented["permissions"]["contains"].keys() == found["permissions"].keys()


@pytest.mark.parametrize(("fail_on", "fails"), [("never", False), ("failed", False), ("warning", True)])
def test_failing_over_a_warning(place: Path, fail_on: str, fails: bool) -> None:
    place.chmod(0o755)
    if not fails:
        assert run(place, fail_on=fail_on)["fit"] is True
        return
    with pytest.raises(TaskFailedError) as caught:
        run(place, fail_on=fail_on)
    assert caught.value.error.code == "location_unfit"
    assert caught.value.error.details == {"checks": ["directory_mode"], "first_error_code": ""}
    assert caught.value.result["location"]["fit"] is True


@pytest.mark.parametrize(("fail_on", "fails"), [("never", False), ("failed", True), ("warning", True)])
def test_failing_over_a_failure(place: Path, fail_on: str, fails: bool) -> None:
    missing = place / "a" / "b"
    if not fails:
        assert run(missing, fail_on=fail_on)["fit"] is False
        return
    with pytest.raises(TaskFailedError) as caught:
        run(missing, fail_on=fail_on)
    assert caught.value.error.details == {"checks": ["bucket"], "first_error_code": "bucket_not_found"}
    assert caught.value.error.hint
    assert caught.value.result["location"]["not_reached"] == ["permission", "integrity", "posture", "prefix"]


NO_NAME = unknown("dns", "Not visible through the proxy.")
NO_RIGHT = unknown("may_delete", "The store is busy.", error_code="throttled")
UPLOAD = failed("upload", "None is left.", "quota")
MODE = warning("directory_mode", "0755.")


@pytest.mark.parametrize(
    ("checks", "fail_on", "named"),
    [
        ([NO_NAME], "warning", []),
        ([NO_NAME, NO_RIGHT], "failed", ["may_delete"]),
        ([NO_NAME, NO_RIGHT], "never", []),
        ([NO_NAME, MODE, NO_RIGHT], "warning", ["may_delete", "directory_mode"]),
        ([NO_NAME, MODE, NO_RIGHT, UPLOAD], "failed", ["upload", "may_delete"]),
        ([NO_NAME, MODE, NO_RIGHT, UPLOAD], "warning", ["upload", "may_delete", "directory_mode"]),
    ],
)
def test_the_checks_that_are_named_are_those_it_fails_over(checks: list[Check], fail_on: str, named: list[str]) -> None:
    """Not what could not be looked at and is no condition."""
    report = Report(tuple(checks))
    if not named:
        validate._check_fit(report, "s3://b", fail_on, {})
        return
    with pytest.raises(TaskFailedError) as caught:
        validate._check_fit(report, "s3://b", fail_on, {})
    assert caught.value.error.details["checks"] == named
    assert f"not fit for backups: {named[0]}:" in caught.value.error.message


@pytest.mark.parametrize(
    "params",
    [{"cluster_uid": "u"}, {"cluster": "a/b"}, {"location": {"provider": "filesystem"}}],
)
def test_options_that_make_no_sense(place: Path, params: dict[str, Any]) -> None:
    location = params.pop("location", {"provider": "filesystem", "path": str(place)})
    with pytest.raises(StowageError) as caught:
        validate.validate_location(task(location, **params)[0])
    assert caught.value.code in {"invalid_option", "invalid_name"}


def test_secrets_are_hidden_though_nothing_answers() -> None:
    auth = {"method": "access_key", "access_key": "a", "secret_key": "canary-secret"}
    location = {"provider": "minio", "endpoint": "http://127.0.0.1:1", "bucket": "backups", "auth": auth}
    run, _hidden = task(location)
    result = validate.validate_location(run)
    assert result["location"]["stopped_at"] == "network"
    assert "canary-secret" not in str(result)


def test_names_of_others(place: Path) -> None:
    for name in ("clusters", "workspaces", "photos", "music\x1b"):
        (place / name).mkdir()
    (place / "dump.sql.gz").touch()
    found = run(place)
    check = next(check for check in found["checks"] if check["id"] == "foreign_names")
    assert check["verdict"] == "warning"
    assert "photos/" in check["seen"]
    assert "dump.sql.gz" in check["seen"]
    assert "\x1b" not in check["seen"]
    assert "clusters" not in check["seen"]


@pytest.mark.parametrize("name", ["somebody-elses.sql.gz", "clusters"])
def test_a_file_of_others(place: Path, name: str) -> None:
    (place / name).touch()
    assert verdicts(run(place))["foreign_names"] == "warning"


@pytest.mark.parametrize(("engine", "verdict"), [("stowage", "warning"), ("velero", "failed")])
def test_a_folder_that_velero_does_not_know(place: Path, engine: str, verdict: str) -> None:
    (place / "clusters" / "c" / "notes").mkdir(parents=True)
    (place / "clusters" / "c" / "backups").mkdir()
    assert verdicts(run(place, cluster="c", engine=engine))["cluster_folder"] == verdict


def test_another_cluster_s_backups(place: Path) -> None:
    assert verdicts(run(place, cluster="c", cluster_uid="mine"))["cluster_identity"] == "passed"
    backup(place, "c", "one", "mine")
    assert verdicts(run(place, cluster="c", cluster_uid="mine"))["cluster_identity"] == "passed"
    assert verdicts(run(place, cluster="c"))["cluster_identity"] == "passed"
    backup(place, "c", "two", "theirs")
    assert verdicts(run(place, cluster="c"))["cluster_identity"] == "warning"
    found = run(place, cluster="c", cluster_uid="mine")
    check = next(check for check in found["checks"] if check["id"] == "cluster_identity")
    assert (check["verdict"], check["error_code"]) == ("failed", "cluster_identity_changed")
    assert "theirs" in check["seen"]
    backup(place, "other", "three", "theirs")
    assert verdicts(run(place, cluster="other", cluster_uid="theirs"))["cluster_identity"] == "passed"


@pytest.mark.parametrize("where", ["backup-old-2", "nightly-20260101t010000z-aaaa", "nightly-20260120t010000z-aaaa"])
def test_another_cluster_s_backup_among_many(place: Path, where: str) -> None:
    """Wherever it is among the names, and however many came after it."""
    for number in range(5):
        backup(place, "c", f"backup-old-{number}", "mine")
    for number in range(1, 31):
        backup(place, "c", f"nightly-202601{number:02}t010000z-aaaa", "mine")
    assert verdicts(run(place, cluster="c", cluster_uid="mine"))["cluster_identity"] == "passed"
    shutil.rmtree(place / "clusters" / "c" / "backups" / where)
    backup(place, "c", where, "theirs")
    assert verdicts(run(place, cluster="c", cluster_uid="mine"))["cluster_identity"] == "failed"
    assert verdicts(run(place, cluster="c"))["cluster_identity"] == "warning"


def test_more_backups_than_are_looked_at(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was looked at says nothing of the rest."""
    monkeypatch.setattr(validate, "_SAMPLE", 10)
    for number in range(30):
        backup(place, "c", f"nightly-{number:02}", "mine")
    checks = {check["id"]: check for check in run(place, cluster="c", cluster_uid="mine")["checks"]}
    assert checks["cluster_identity"]["verdict"] == "unknown"
    assert checks["cluster_identity"]["seen"] == "10 of 30 backups were looked at. They are of the cluster mine."
    backup(place, "c", "other-01", "theirs")
    assert verdicts(run(place, cluster="c", cluster_uid="mine"))["cluster_identity"] == "failed"


@given(
    st.lists(st.from_regex(r"[ab]{1,2}(-2026[0-9]{4}z)?[0-9]{0,2}", fullmatch=True), unique=True, max_size=40),
    st.integers(0, 45),
)
def test_a_sample_has_something_of_each_series(names: list[str], most: int) -> None:
    chosen = validate.sample(names, most)
    assert len(chosen) == len(set(chosen)) == min(most, len(names))
    assert set(chosen) <= set(names)
    series = {validate._NUMBERED.sub("", name) for name in names}
    assert len({validate._NUMBERED.sub("", name) for name in chosen}) == min(most, len(series))


def test_a_sample_has_both_ends_and_the_middle() -> None:
    names = [f"n-{number:03}" for number in range(101)]
    assert validate.sample(names, 3) == ["n-100", "n-000", "n-050"]
    assert sorted(validate.sample(names, 101)) == names


def test_velero_s_backups_name_no_cluster() -> None:
    assert validate.cluster_identity(validate.Owners([]), "mine").verdict is Verdict.PASSED
    assert validate.cluster_identity(validate.Owners([], 10, 20), "mine").verdict is Verdict.UNKNOWN


def test_many_names_are_cut_short() -> None:
    seen = validate.foreign_names([f"n{number:02}" for number in range(20)]).seen
    assert seen == "There are things of others: n00, n01, n02, n03, n04 and 15 more."


def test_what_is_damaged_does_not_stop_it(place: Path) -> None:
    folder = place / "clusters" / "c" / "backups" / "broken"
    folder.mkdir(parents=True)
    (folder / "velero-backup.json").write_bytes(os.urandom(100))
    (place / "clusters" / "c" / "backups" / "Not_A_Name").mkdir()
    assert verdicts(run(place, cluster="c", cluster_uid="mine"))["cluster_identity"] == "passed"
