# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.owners import (
    OwnerRecord,
    OwnerState,
    OwnerTable,
    Relinked,
    relink,
)

DEPLOYMENT = Kind("apps", "v1", "deployments", "Deployment", True)


def table(state: OwnerState, uid: str = "", namespace: str = "shop") -> OwnerTable:
    made = OwnerTable()
    made.want(["old"])
    made.put("old", OwnerRecord(DEPLOYMENT, 3, namespace, "web", ()))
    made.settle("old", state, uid)
    return made


def reference(
    uid: str = "old", name: str = "web", kind: str = "Deployment", api_version: str = "apps/v1"
) -> dict[str, object]:
    return {"apiVersion": api_version, "kind": kind, "name": name, "uid": uid, "controller": True}


class Around:
    """A target that serves all versions but ``v1beta1``, and has one owner."""

    def __init__(self, there: str | None) -> None:
        self.there = there

    def owner_uid(self, api_version: str, kind: str, namespace: str, name: str) -> str | None:
        assert api_version.startswith("apps/")
        assert kind in {"Deployment", "StatefulSet"}
        assert (namespace, bool(name)) == ("shop", True)
        return self.there

    def served_version(self, api_version: str, kind: str) -> str:
        assert kind
        return api_version.replace("v1beta1", "v1")


def link(
    owners: OwnerTable,
    *,
    there: str | None = None,
    namespace: str = "shop",
    last: bool = False,
    words: dict[str, str] | None = None,
) -> Relinked:
    return relink([reference(**(words or {}))], namespace, owners, Around(there), last=last)


def test_a_restored_owner_s_new_uid_is_written_and_all_else_kept() -> None:
    for state in (OwnerState.THERE, OwnerState.DIFFERS):
        assert link(table(state, "new")).references == [{**reference(), "uid": "new"}]


def test_an_owner_is_named_by_a_version_that_is_served() -> None:
    """The garbage collector would look for it in vain."""
    found = link(table(OwnerState.THERE, "new"), words={"api_version": "apps/v1beta1"})
    assert found.references == [{**reference(), "uid": "new"}]


def test_an_owner_that_is_only_there_is_found_by_name() -> None:
    assert link(OwnerTable(), there="live").references == [{**reference(), "uid": "live"}]


@pytest.mark.parametrize(
    "state", [OwnerState.PENDING, OwnerState.ABSENT, OwnerState.FAILED, OwnerState.LEFT, OwnerState.LATE]
)
def test_an_old_uid_is_never_written(state: OwnerState) -> None:
    found = link(table(state), last=True)
    assert found.references == []
    assert len(found.dropped) == 1
    assert "Deployment web" in found.dropped[0]


def test_an_owner_that_comes_later_is_awaited_but_not_for_ever() -> None:
    for state in (OwnerState.PENDING, OwnerState.LATE):
        found = link(table(state))
        assert (found.references, found.dropped) == ([], [])
        assert [one["uid"] for one in found.awaited] == ["old"]
        assert not link(table(state), last=True).awaited


def test_an_owner_left_to_a_controller_is_used_once_it_is_there() -> None:
    assert link(table(OwnerState.LEFT), there="live").references[0]["uid"] == "live"


def test_a_planned_owner_is_assumed() -> None:
    found = link(table(OwnerState.PLANNED))
    assert found.assumed
    assert found.dropped == []


def test_an_owner_in_another_namespace_is_none() -> None:
    """The garbage collector would delete the dependent."""
    assert link(table(OwnerState.THERE, "new", namespace="other")).references == []


def test_a_cluster_scoped_owner_owns_across_namespaces() -> None:
    assert link(table(OwnerState.THERE, "new", namespace="")).references[0]["uid"] == "new"


@pytest.mark.parametrize("words", [{"name": "other"}, {"kind": "StatefulSet"}])
def test_a_uid_that_belongs_to_something_else_is_not_believed(words: dict[str, str]) -> None:
    assert link(table(OwnerState.THERE, "new"), words=words).references == []


def test_nonsense_is_left_out() -> None:
    assert relink(["text", None, 3], "shop", OwnerTable(), Around("live")).references == []


def test_only_owners_are_remembered() -> None:
    made = OwnerTable()
    assert not made.wanted
    made.want(["a"])
    made.put("b", OwnerRecord(DEPLOYMENT, 0, "", "b", ()))
    assert list(made) == []
    assert made.get_record("b") is None
    made.put("a", OwnerRecord(DEPLOYMENT, 0, "", "first", ()))
    made.put("a", OwnerRecord(DEPLOYMENT, 0, "", "second", ()))
    assert made["a"].name == "first"
    assert not made.wants("a")
