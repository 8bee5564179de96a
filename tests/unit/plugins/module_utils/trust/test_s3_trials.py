# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which lines prove a permission set in an S3 bucket."""

from __future__ import annotations

import fnmatch
import re
import types
from typing import Any, cast

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import Failure, LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_calls import S3Calls
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import (
    closed_trials,
    s3_samples,
    s3_trials,
    set_trials,
    sets,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.lines import Answer, Seen, Trial, prove
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.sets import Operation
from support.tables import TESTS


class Tries:
    """Somebody who may do everything, and what was tried."""

    def __init__(self) -> None:
        self.tried: list[tuple[Operation, str]] = []

    def may(self, operation: Operation, path: str) -> Seen:
        self.tried.append((operation, path))
        return Seen(Answer.ALLOWED, "")

    def action(self, operation: Operation) -> str:
        return operation


def listing(prefix: str, *folders: str) -> Any:
    """A bucket that lists these clusters, or refuses."""

    def once(operation: str, _what: str, **parameters: Any) -> dict[str, Any]:
        assert (operation, parameters) == ("list_objects_v2", {"Prefix": f"{prefix}clusters/", "Delimiter": "/"})
        if not folders:
            raise LocationError(Failure(code="permission_denied", message="no", hint="no"))
        return {"CommonPrefixes": [{"Prefix": f"{prefix}clusters/{one}/"} for one in folders]}

    return types.SimpleNamespace(once=once, settings=types.SimpleNamespace(prefix=prefix))


def test_clusters_that_are_there_are_tried_each() -> None:
    me = Tries()
    others = s3_trials.others_of(listing("fleet/", "prod-1", "prod-2", "a"), ["prod-1"])
    assert others == ("a", "prod-2")
    for trial in set_trials.proof(me, "writer", "clusters/prod-1/", others):
        trial.attempt()
    tried = {path.split("/")[1] for operation, path in me.tried if operation == "read"}
    assert tried == {"prod-1", "a", "prod-2"}
    for other in others:
        found = [operation for operation, path in me.tried if path.startswith(f"clusters/{other}/")]
        assert found == ["list", "read", "create", "delete"]
        assert all("{0}" in path for operation, path in me.tried if other in path and operation != "list"), (
            "random keys"
        )


def test_where_none_is_known_one_that_is_not_there_is_tried() -> None:
    assert s3_trials.others_of(listing("fleet/"), ["prod-1"]) == ()
    ids = [trial.id for trial in set_trials.proof(Tries(), "writer", "clusters/prod-1/")]
    assert ids.count("other_cluster_read_refused") == 1
    assert "other_cluster_read_refused" not in [
        one.id for one in set_trials.proof(Tries(), "writer", "clusters/prod-1/", ())
    ]


@pytest.mark.parametrize(("name", "operation"), [("writer", "create"), ("writer", "read"), ("pruner", "delete")])
def test_a_refusal_counts_while_the_same_is_allowed_where_it_should_be(name: Any, operation: Operation) -> None:
    me = Tries()
    line = next(
        one for one in set_trials.proof(me, name, "clusters/prod-1/") if one.id == f"other_cluster_{operation}_refused"
    )
    assert line.control is not None
    line.control()
    ((tried, path),) = me.tried
    assert (tried, path.startswith("clusters/prod-1/backups/")) == (operation, True)


@pytest.mark.parametrize(
    ("name", "line", "control"),
    [
        ("writer", "outside_prefix_read_refused", ("read", "clusters/mine/backups/{0}/velero-backup.json")),
        ("writer", "outside_prefix_create_refused", ("create", "clusters/mine/backups/{0}/{0}.tar.gz")),
        ("pruner", "outside_prefix_delete_refused", ("delete", "clusters/mine/backups/{0}/{0}.tar.gz")),
        ("writer", "outside_prefix_list_refused", ("list", "clusters/mine/backups/")),
        # Nobody who has the set deletes anything.
        ("writer", "outside_prefix_delete_refused", ("list", "clusters/mine/backups/")),
        ("writer", "document_delete_refused", ("list", "clusters/mine/backups/")),
        ("pruner", "other_cluster_document_read_refused", ("read", "clusters/mine/backups/{0}/velero-backup.json")),
        ("writer", "other_cluster_record_create_refused", ("create", "clusters/mine/backups/{0}/{0}.tar.gz")),
        ("reader", "other_cluster_metadata_create_refused", ("list", "clusters/mine/backups/")),
    ],
)
def test_what_is_closed_is_tried_by_who_may_do_the_same_in_their_own_folder(
    name: sets.PermissionSet, line: str, control: tuple[Operation, str]
) -> None:
    me, everywhere = Tries(), Tries()
    trials = [
        *closed_trials.closed(me, name, "clusters/mine/", ["other"]),
        *closed_trials.outside(me, everywhere, name, "clusters/mine/"),
    ]
    (trial,) = [one for one in trials if one.id == line]
    assert trial.control is not None
    trial.control()
    assert me.tried == [control]
    trial.attempt()
    ((operation, path),) = everywhere.tried or me.tried[1:]
    assert operation in line
    assert not path.startswith("clusters/mine/") or line.startswith("document_")


def test_beside_the_location_nothing_of_anybody_is_written_or_deleted() -> None:
    everywhere = Tries()
    for trial in closed_trials.outside(Tries(), everywhere, "writer", "clusters/mine/"):
        trial.attempt()
    assert sorted(everywhere.tried) == [
        ("create", "stowage-trust-check/{0}"),
        ("delete", "stowage-trust-check/{0}"),
        ("list", ""),
        ("read", "stowage-trust-check/{0}"),
    ]


class Now:
    """No time to wait."""

    def now(self) -> float:
        return 0.0

    def pause(self, seconds: float) -> None:
        raise AssertionError(f"it waits {seconds} s for what will not change")


def verdict(make: Any, caller: Any, operation: Operation = "read", *, patience: float = 0) -> str:
    """What a line says whose control is allowed."""
    trial: Trial = make(
        "x", caller, operation, "clusters/other/backups/{0}/{0}.tar.gz", lambda: Seen(Answer.ALLOWED, "")
    )
    (line,) = prove([trial], Now(), patience=patience)
    return line.verdict


def test_where_the_caller_may_not_list_a_refusal_has_to_say_what_it_is_about() -> None:
    """Whoever may read hears the same of what is not there."""
    hidden = refusing("aws", store_code="AccessDenied")
    assert verdict(set_trials.refused_elsewhere, hidden, patience=60) == "unknown"
    assert verdict(set_trials.refused, hidden) == "passed", "where it may list, it would be told"
    assert verdict(set_trials.refused_elsewhere, hidden, "create") == "passed"
    named = refusing("aws", store_code="AccessDenied", denied="s3:GetObject")
    assert verdict(set_trials.refused_elsewhere, named) == "passed"
    elsewhere = [
        *set_trials.proof(hidden, "writer", "clusters/mine/", ["other"]),
        *closed_trials.closed(hidden, "writer", "clusters/mine/", ["other"]),
        *closed_trials.outside(hidden, hidden, "writer", "clusters/mine/"),
    ]
    reads = [one for one in elsewhere if one.id.endswith("read_refused") and one.id != "read_refused"]
    assert len(reads) == 7
    assert {one.attempt().answer for one in reads} == {Answer.UNDECIDED}


@pytest.mark.parametrize(
    ("told", "seen"),
    [
        ({"code": "key_exists", "store_code": "PreconditionFailed", "status": 412}, "failed"),
        ({"code": "permission_denied", "store_code": "AccessDenied", "status": 403}, "passed"),
        ({"code": "permission_denied", "store_code": "403", "status": 403}, "unknown"),
        (None, "failed"),
    ],
)
def test_an_object_that_is_there_shows_who_may_read_it(told: dict[str, Any] | None, seen: str) -> None:
    asked = []

    def once(operation: str, _what: str, **parameters: Any) -> Any:
        asked.append((operation, parameters))
        if parameters["Key"] == "fleet/there" and told is None:
            return {"Body": types.SimpleNamespace(close=lambda: None)}
        failure = (
            told if parameters["Key"] == "fleet/there" else {"code": "permission_denied", "store_code": "AccessDenied"}
        )
        raise LocationError(Failure(**{"message": "no", "hint": "no", **(failure or {})}))

    calls = types.SimpleNamespace(once=once, settings=types.SimpleNamespace(provider="aws"))
    caller = s3_trials.S3Caller(cast(S3Calls, calls), "fleet/", find=lambda _path: "fleet/there")
    assert verdict(set_trials.refused_elsewhere, caller) == seen
    (first, second, *more) = asked
    assert "IfMatch" not in first[1]
    assert second == ("get_object", {"Key": "fleet/there", "IfMatch": '"stowage-trust-check"'}), "nothing of it is sent"
    assert more == []


def test_which_object_stands_for_a_path() -> None:
    keys = [
        "a",
        "fleet/clusters/p/backups/b/stowage-manifest.json",
        "fleet/clusters/p/backups/b/velero-backup.json",
        "fleet0",
    ]

    def once(operation: str, _what: str, **chosen: str) -> dict[str, Any]:
        start, after = chosen.get("Prefix", ""), chosen.get("StartAfter", "")
        assert operation == "list_objects_v2"
        # One to a page, so that what is behind the location has to be asked for.
        found = [key for key in keys if key.startswith(start) and key > after]
        return {"Contents": [{"Key": key} for key in (found if start else found[:1])]}

    samples = s3_samples.Samples(lambda: cast(S3Calls, types.SimpleNamespace(once=once)), "fleet/")
    assert samples.like("clusters/p/backups/{0}/velero-backup.json") == keys[2]
    assert samples.like("clusters/p/backups/{0}/{0}.tar.gz") == ""
    assert samples.like("clusters/q/backups/{0}/velero-backup.json") == ""
    assert samples.outside("x") == "a"
    keys[0] = "fleet/a"
    keys[3] = "fleet1"
    assert samples.outside("x") == "fleet1"
    del keys[3]
    assert samples.outside("x") == ""


def test_what_the_owner_may_not_see_stands_for_nothing() -> None:
    def once(*_request: Any, **_parameters: Any) -> Any:
        raise LocationError(Failure(code="permission_denied", message="no", hint="no"))

    samples = s3_samples.Samples(lambda: cast(S3Calls, types.SimpleNamespace(once=once)), "fleet/")
    assert (samples.like("a/{0}"), samples.outside("")) == ("", "")


def refusing(provider: str, **failure: Any) -> s3_trials.S3Caller:
    """Somebody who is refused everything in these words."""

    def once(*_request: Any, **_parameters: Any) -> Any:
        raise LocationError(Failure(**{"code": "permission_denied", "message": "no", "hint": "no", **failure}))

    calls = types.SimpleNamespace(once=once, settings=types.SimpleNamespace(provider=provider))
    return s3_trials.S3Caller(cast(S3Calls, calls), "fleet/")


@pytest.mark.parametrize(
    ("provider", "operation", "failure", "answer", "vague"),
    [
        ("aws", "read", {"store_code": "AccessDenied"}, Answer.REFUSED, True),
        ("aws", "read", {"store_code": "AccessDenied", "denied": "s3:GetObject"}, Answer.REFUSED, False),
        ("aws", "read", {"store_code": "AccessDenied", "denied": "s3:ListBucket"}, Answer.ALLOWED, False),
        ("aws", "create", {"store_code": "AccessDenied"}, Answer.REFUSED, False),
        ("aws", "create", {"store_code": "AccessDenied", "own_side": True}, Answer.REFUSED, False),
        ("minio", "read", {"store_code": "AccessDenied"}, Answer.REFUSED, False),
        # A proxy's page, of which the SDK knows the status only.
        ("aws", "read", {"store_code": "403", "status": 403}, Answer.UNDECIDED, False),
        ("minio", "create", {"store_code": "403", "status": 403}, Answer.UNDECIDED, False),
    ],
)
def test_what_a_refusal_shows(
    provider: str, operation: Operation, failure: dict[str, Any], answer: Answer, vague: bool
) -> None:
    seen = refusing(provider, **failure).may(operation, "clusters/prod-1/backups/{0}")
    assert (seen.answer, seen.vague, seen.own) == (answer, vague, bool(failure.get("own_side")))


@pytest.mark.parametrize("name", [name for name in sets.PERMISSION_SETS if name != "coordinator"])
@pytest.mark.parametrize("writes_restores", [False, True])
def test_each_path_that_a_set_has_is_tried_elsewhere(name: sets.PermissionSet, writes_restores: bool) -> None:
    granted = sets.grants(name, ["mine"], writes_restores=writes_restores)
    me = Tries()
    trials = [
        *set_trials.proof(me, name, "clusters/mine/", ["other"]),
        *closed_trials.closed(me, name, "clusters/mine/", ["other"]),
    ]
    for trial in trials:
        if trial.id.startswith("other_cluster_"):
            trial.attempt()
    tried = [(operation, path.replace("other", "mine")) for operation, path in me.tried]
    for grant in granted:
        for operation in grant.operations & {"read", "create", "delete"}:
            fits = [path for doing, path in tried if doing == operation and fnmatch.fnmatchcase(path, grant.path)]
            assert fits, f"{operation} {grant.path}"


@pytest.mark.parametrize("name", sets.PERMISSION_SETS)
def test_what_must_be_closed_is_granted_to_nobody(name: sets.PermissionSet) -> None:
    granted = sets.grants(name, ["mine"], writes_restores=True)
    me = Tries()
    for trial in closed_trials.closed(me, name, "clusters/mine/", ["other"]):
        trial.attempt()
    for operation, path in me.tried:
        open_ = [grant for grant in granted if operation in grant.operations and fnmatch.fnmatchcase(path, grant.path)]
        assert open_ == [], path


def test_each_line_of_a_permission_set_is_in_the_documentation() -> None:
    text = (TESTS.parent / "docs" / "trust" / "README.md").read_text(encoding="utf-8")
    me = Tries()
    ids = {
        trial.id
        for name in sets.PERMISSION_SETS
        for trial in (
            *set_trials.proof(me, name, "clusters/mine/"),
            *closed_trials.closed(me, name, "clusters/mine/"),
            *closed_trials.outside(me, me, name, "clusters/mine/"),
        )
    }
    assert set(re.findall(r"`(\w+_(?:allowed|refused))`", text)) == ids
