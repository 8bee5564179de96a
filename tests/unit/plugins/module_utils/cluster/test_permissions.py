# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Permissions are asked for in few requests, and what is missing is named in one error. Identity is held to its uid."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.access import ClusterAccess
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.connection import Connection
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.identity import (
    ClusterIdentity,
    cluster_identity,
    expect_uid,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.permissions import (
    Need,
    forbidden_error,
    missing,
    rules,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from support.scripted_api import Reply, Request, ScriptedApi, as_json, as_status

Grant = tuple[
    str, str, str, str
]  # verb, group, resource[/subresource], namespace; `*` for any, empty namespace for all


def reviewer(grants: set[Grant]) -> Callable[[Request], Reply]:
    """Answers reviews as RBAC does: a rule's wildcard covers everything, a question's wildcard only a rule's."""

    def allowed(asked: dict[str, str]) -> bool:
        resource = asked["resource"] + (f"/{asked['subresource']}" if "subresource" in asked else "")
        wanted = (asked["verb"], asked["group"], resource)
        return any(
            all(have in ("*", want) for have, want in zip(grant, wanted, strict=False))
            and grant[3] in ("", asked.get("namespace", ""))
            for grant in grants
        )

    def answer(request: Request) -> Reply:
        assert request.path == "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        review = json.loads(request.body)
        return as_json(review | {"status": {"allowed": allowed(review["spec"]["resourceAttributes"])}}, 201)

    return answer


def asked(grants: set[Grant], needs: list[Need]) -> tuple[list[Need], int]:
    with ScriptedApi(reviewer(grants)).running() as api:
        conn = Connection.open(ClusterAccess.from_params({"host": api.url}, {}))
        return missing(conn, needs), len(api.requests)


LISTS = [Need("list", group, plural) for group in ("", "apps") for plural in ("a", "b", "c", "d")]


def test_an_administrator_costs_one_request() -> None:
    assert asked({("*", "*", "*", "")}, LISTS) == ([], 1)


def test_a_reader_costs_two() -> None:
    assert asked({("list", "*", "*", "")}, LISTS) == ([], 2)


def test_nothing_needed_costs_nothing() -> None:
    assert asked(set(), []) == ([], 0)


def test_needs_are_asked_once_each() -> None:
    found, count = asked(set(), LISTS + LISTS)
    assert found == sorted(LISTS)
    assert count == 2 + len(LISTS)


def test_namespaces_and_subresources() -> None:
    needs = [
        Need("list", "", "pods", "a"),
        Need("list", "", "pods", "b"),
        Need("update", "apps", "deployments", "a", "status"),
        Need("update", "apps", "deployments", "a"),
    ]
    found, _count = asked({("list", "", "pods", "a"), ("update", "apps", "deployments/status", "a")}, needs)
    assert found == [Need("list", "", "pods", "b"), Need("update", "apps", "deployments", "a")]


def test_a_reader_of_one_namespace_costs_three() -> None:
    needs = [Need("list", "", plural, "a") for plural in ("w", "x", "y", "z")]
    assert asked({("list", "*", "*", "a")}, needs) == ([], 3)


words = st.sampled_from(["*", "list", "create"])
all_needs = st.lists(
    st.builds(
        Need,
        st.sampled_from(["list", "create"]),
        st.sampled_from(["", "apps"]),
        st.sampled_from(["pods", "secrets", "x"]),
        st.sampled_from(["", "a", "b"]),
        st.sampled_from(["", "status"]),
    ),
    max_size=14,
)
all_grants = st.sets(
    st.tuples(
        words,
        st.sampled_from(["*", "", "apps"]),
        st.sampled_from(["*", "pods", "x/status"]),
        st.sampled_from(["", "a"]),
    ),
    max_size=5,
)


@pytest.fixture(scope="module")
def server() -> Any:
    with ScriptedApi(reviewer(set())).running() as api:
        yield api, Connection.open(ClusterAccess.from_params({"host": api.url}, {}))


@settings(max_examples=60, deadline=None)
@given(grants=all_grants, needs=all_needs)
def test_wildcards_never_change_the_answer(server: Any, grants: set[Grant], needs: list[Need]) -> None:
    api, conn = server
    api.answer = reviewer(grants)

    def granted(need: Need) -> bool:
        resource = need.resource + (f"/{need.subresource}" if need.subresource else "")
        wanted = (need.verb, need.group, resource)
        return any(
            all(have in ("*", want) for have, want in zip(grant, wanted, strict=False))
            and grant[3] in ("", need.namespace)
            for grant in grants
        )

    assert missing(conn, needs) == sorted({need for need in needs if not granted(need)})


def test_a_review_that_cannot_be_had_is_an_error() -> None:
    with ScriptedApi(lambda _request: as_status(403, "Forbidden", "no")).running() as api:
        conn = Connection.open(ClusterAccess.from_params({"host": api.url}, {}))
        with pytest.raises(StowageError) as caught:
            missing(conn, LISTS)
    assert caught.value.code == "cluster_forbidden"


def test_all_that_is_missing_is_named_in_one_go() -> None:
    error = forbidden_error([Need("list", "", "pods"), Need("update", "apps", "deployments", "a", "status")])
    assert error.code == "cluster_forbidden"
    assert "list pods, update deployments/status.apps in a" in error.message
    assert len(error.details["missing"]) == 2
    assert 'resources: ["deployments/status"]' in error.hint


def test_a_long_list_is_cut_in_the_message_only() -> None:
    needs = [Need("list", "", f"r{number}") for number in range(40)]
    error = forbidden_error(needs)
    assert "and 28 more" in error.message
    assert len(error.details["missing"]) == 40
    assert "r39" in error.hint


@given(all_needs)
def test_the_rules_grant_exactly_what_is_missing(needs: list[Need]) -> None:
    granted = set()
    for text in rules(needs):
        rule, _space, namespace = text.partition(" (in namespace ")
        (parsed,) = yaml.safe_load(rule)
        for verb in parsed["verbs"]:
            for resource in parsed["resources"]:
                name, _slash, subresource = resource.partition("/")
                granted.add(Need(verb, parsed["apiGroups"][0], name, namespace.rstrip(")"), subresource))
    assert granted == set(needs)


def test_a_cluster_is_known_by_the_uid_of_kube_system() -> None:
    answers = {
        "/version": {"major": "1", "minor": "35", "gitVersion": "v1.35.4"},
        "/api/v1/namespaces/kube-system": {"metadata": {"uid": "u-1"}},
    }
    with ScriptedApi(lambda request: as_json(answers[request.path])).running() as api:
        identity = cluster_identity(Connection.open(ClusterAccess.from_params({"host": api.url}, {})))
    assert identity == ClusterIdentity("u-1", "v1.35.4", "1", "35")


def test_a_server_without_that_is_no_cluster() -> None:
    with ScriptedApi(lambda _request: as_json({})).running() as api, pytest.raises(StowageError) as caught:
        cluster_identity(Connection.open(ClusterAccess.from_params({"host": api.url}, {})))
    assert caught.value.code == "cluster_api_error"


@pytest.mark.parametrize("expected", [None, "", "u-1"])
def test_the_expected_cluster_passes(expected: str | None) -> None:
    expect_uid(ClusterIdentity("u-1", "", "", ""), expected)


def test_another_cluster_does_not() -> None:
    with pytest.raises(StowageError) as caught:
        expect_uid(ClusterIdentity("u-1", "", "", ""), "u-2")
    assert caught.value.code == "cluster_uid_mismatch"
    assert "u-1" in caught.value.message
    assert "u-2" in caught.value.message


def test_many_rules_are_those_of_a_role_that_is_shipped() -> None:
    few = forbidden_error([Need("list", f"g{number}.example.com", "things") for number in range(3)])
    assert few.hint.count("apiGroups") == 3
    many = forbidden_error([Need("list", f"g{number}.example.com", "things") for number in range(40)])
    assert ("apiGroups" in many.hint, "docs/rbac" in many.hint) == (False, True)
    assert len(many.details["missing"]) == 40


@pytest.mark.parametrize(("message", "said"), [("No.", "No. Do."), ("No", "No. Do."), ("Why?", "Why? Do.")])
def test_a_message_ends_before_its_hint_begins(message: str, said: str) -> None:
    assert StowageError("invalid_option", message, "Do.").as_result()["msg"] == said
    assert StowageError("invalid_option", message).as_result()["msg"] == message
