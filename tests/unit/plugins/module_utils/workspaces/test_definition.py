# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What stowage_workspaces may say, and where an error says that it is."""

from __future__ import annotations

import contextlib
import datetime
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces import definition
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.definition import (
    Failure,
    Members,
    Workspace,
    read_workspaces,
)

FULL: t.Final[dict[str, t.Any]] = {
    "clusters": ["prod-*", {"name": "edge-1"}, {"group": "eu"}],
    "excluded_clusters": ["prod-9"],
    "namespaces": ["shop", "team-*", {"regex": "shop-[0-9]+"}, {"labels": "tier in (b,a)"}],
    "excluded_namespaces": ["*-test"],
    "location": "primary",
    "selection": {"excluded_resources": ["events"], "include_cluster_resources": "never"},
    "schedule": {"preset": "every_two_weeks", "anchor": datetime.date(2026, 1, 4), "jitter": "30m"},
    "retention": {"keep_daily": 7, "keep_within": "30d"},
    "name_prefix": "nightly",
    "expires_in": "30d",
    "labels": {"tier": 1},
    "owner": "Team Shop <shop@example.com>",
    "failure": {"partial_backups": False, "max_clusters": 2},
}


def test_all_that_can_be_said() -> None:
    assert read_workspaces({"prod": FULL}, {"primary"})["prod"] == Workspace(
        name="prod",
        clusters=Members(("prod-*", "edge-1"), ("eu",)),
        excluded_clusters=Members(("prod-9",)),
        namespaces=("shop", "team-*"),
        namespace_patterns=("shop-[0-9]+",),
        namespace_selectors=("tier in (a,b)",),
        excluded_namespaces=("*-test",),
        location="primary",
        selection=FULL["selection"],
        schedule={"preset": "every_two_weeks", "anchor": "2026-01-04", "paused": False},
        jitter="30m",
        retention=FULL["retention"],
        name_prefix="nightly",
        expires_in="30d",
        labels={"tier": "1"},
        owner="Team Shop <shop@example.com>",
        failure=Failure(partial_backups=False, max_clusters=2),
    )


def test_nothing_is_all_of_the_group_of_its_name() -> None:
    assert read_workspaces({"prod": {}})["prod"] == Workspace(name="prod", clusters=Members(groups=("prod",)))


def test_null_is_as_if_nothing_was_said() -> None:
    said = {"selection": {"include_cluster_resources": None}, "schedule": {"cron": "0 2 * * *", "preset": None}}
    found = read_workspaces({"prod": said})["prod"]
    assert found.selection == {}
    assert found.schedule == {"cron": "0 2 * * *", "paused": False}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cluster": ["x"]}, "stowage_workspaces.prod has 'cluster', which is not known."),
        ({"volumes": {}}, "stowage_workspaces.prod.volumes is not supported yet."),
        ({"clusters": "prod-*"}, "stowage_workspaces.prod.clusters must be a list."),
        ({"clusters": []}, "stowage_workspaces.prod.clusters is empty."),
        ({"clusters": ["x", {"groups": "y"}]}, "stowage_workspaces.prod.clusters[1] must be a host's name"),
        ({"clusters": ["x", 1]}, "stowage_workspaces.prod.clusters[1] must be"),
        ({"clusters": [{"group": ""}]}, "stowage_workspaces.prod.clusters[0].group must be text."),
        ({"namespaces": ["a", "b", "C"]}, "stowage_workspaces.prod.namespaces[2]: included_namespaces has 'C'"),
        ({"namespaces": [{"regex": "("}]}, "stowage_workspaces.prod.namespaces[0].regex: namespace_patterns has '('"),
        ({"namespaces": [{"labels": "a=b=c"}]}, "stowage_workspaces.prod.namespaces[0].labels: "),
        ({"namespaces": [{"labels": "a", "regex": "b"}]}, "stowage_workspaces.prod.namespaces[0] must be"),
        ({"namespaces": ["*", "a"]}, "stowage_workspaces.prod.namespaces: "),
        ({"excluded_namespaces": [{"regex": "x"}]}, "stowage_workspaces.prod.excluded_namespaces cannot have regex."),
        ({"location": "other"}, "stowage_workspaces.prod.location names 'other', which is not in stowage_locations."),
        ({"selection": {"included_namespaces": []}}, "stowage_workspaces.prod.selection.included_namespaces is not"),
        ({"selection": {"included_resources": ["a b"]}}, "stowage_workspaces.prod.selection: included_resources"),
        ({"selection": {"included_resources": [1]}}, "stowage_workspaces.prod.selection.included_resources[0] must"),
        ({"schedule": {"cron": "x"}}, "stowage_workspaces.prod.schedule: schedule.cron must have five fields"),
        ({"schedule": {"preset": "weekly", "paused": "no"}}, "stowage_workspaces.prod.schedule.paused must be true"),
        ({"schedule": {"preset": "weekly", "jitter": "x"}}, "stowage_workspaces.prod.schedule.jitter: "),
        ({"schedule": "0 2 * * *"}, "stowage_workspaces.prod.schedule must be a dictionary."),
        ({"retention": {"keep_daily": 0}}, "stowage_workspaces.prod.retention: There is no rule"),
        ({"retention": {"keep_dayly": 7}}, "stowage_workspaces.prod.retention has 'keep_dayly'"),
        ({"retention": {"keep_daily": "7"}}, "stowage_workspaces.prod.retention: keep_daily must be at least 0."),
        ({"expires_in": "soon"}, "stowage_workspaces.prod.expires_in: "),
        ({"labels": {"a b": 1}}, "stowage_workspaces.prod.labels: "),
        ({"labels": {"stowage.io/run": "x"}}, "stowage_workspaces.prod.labels sets stowage.io/run"),
        ({"owner": ["x"]}, "stowage_workspaces.prod.owner must be text."),
        ({"failure": {"max_clusters": -1}}, "stowage_workspaces.prod.failure.max_clusters must be a number"),
        ({"failure": {"partial_backups": 0}}, "stowage_workspaces.prod.failure.partial_backups must be true or false."),
    ],
)
def test_an_error_names_the_place(change: dict[str, t.Any], message: str) -> None:
    with pytest.raises(StowageError) as caught:
        read_workspaces({"dev": {}, "prod": change}, {"primary"})
    assert caught.value.code == "invalid_option"
    assert caught.value.message.startswith(message)


@pytest.mark.parametrize("name", ["all", "", "a/b", "-a", "x" * 64, 1, "a\nb"])
def test_names_that_no_workspace_has(name: t.Any) -> None:
    with pytest.raises(StowageError) as caught:
        read_workspaces({name: {}})
    assert caught.value.message.startswith("stowage_workspaces")


@pytest.mark.parametrize("value", [None, [], "prod", {"prod": None}, {"prod": []}])
def test_what_is_no_dictionary(value: t.Any) -> None:
    with pytest.raises(StowageError) as caught:
        read_workspaces(value)
    assert caught.value.message.endswith(" must be a dictionary.")


ANYTHING: t.Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(definition._KEYS), ANYTHING, max_size=4))
def test_whatever_is_said_is_read_or_refused(given: dict[str, t.Any]) -> None:
    # Nothing but a StowageError with the place keeps it from being read.
    with contextlib.suppress(StowageError), placed():
        assert read_workspaces({"prod": given})["prod"].name == "prod"


@contextlib.contextmanager
def placed() -> t.Iterator[None]:
    try:
        yield
    except StowageError as error:
        if not error.message.startswith("stowage_workspaces.prod"):
            raise AssertionError(error.message) from error
        raise
