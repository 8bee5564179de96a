# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our statement among those of others in a bucket's policy."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import s3_policy
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_judge import denies_plain_http

OURS = s3_policy.tls_only_statement("backups", "aws")

words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12)
several = st.one_of(words, st.lists(words, min_size=1, max_size=3))
foreign = st.fixed_dictionaries(
    {"Effect": st.sampled_from(["Allow", "Deny"]), "Action": several, "Resource": several},
    optional={
        "Sid": words.filter(lambda sid: sid != s3_policy.TLS_ONLY),
        "Principal": st.one_of(st.just("*"), st.dictionaries(st.sampled_from(["AWS", "Service"]), several, min_size=1)),
        "Condition": st.dictionaries(words, st.dictionaries(words, several, max_size=2), max_size=2),
    },
)
policies = st.one_of(
    st.none(),
    st.builds(
        lambda found, more: {"Version": "2008-10-17", **more, "Statement": found},
        st.one_of(foreign, st.lists(foreign, max_size=5)),
        st.dictionaries(st.just("Id"), words),
    ),
)


@given(policies)
def test_statements_of_others_stay_in_their_places(policy: dict[str, Any] | None) -> None:
    before = copy.deepcopy(policy)
    merged = s3_policy.with_statement(policy, OURS)
    assert policy == before
    assert s3_policy.others(merged, s3_policy.TLS_ONLY) == s3_policy.statements(policy)
    assert s3_policy.ours(merged, s3_policy.TLS_ONLY) == [OURS]
    assert {name: value for name, value in merged.items() if name != "Statement"} == {
        name: value for name, value in (policy or {"Version": "2012-10-17"}).items() if name != "Statement"
    }
    assert json.loads(s3_policy.compact(merged)) == merged
    assert denies_plain_http(merged, "backups")


@given(policies)
def test_it_is_idempotent_and_can_be_taken_back(policy: dict[str, Any] | None) -> None:
    merged = s3_policy.with_statement(policy, OURS)
    assert s3_policy.with_statement(merged, OURS) == merged
    left = s3_policy.without_statement(merged, s3_policy.TLS_ONLY)
    assert s3_policy.statements(left) == s3_policy.statements(policy)
    assert (left is None) == (not s3_policy.statements(policy))


@given(st.lists(foreign, max_size=4), st.integers(0, 4), st.integers(1, 3))
def test_what_became_of_ours_is_replaced_where_it_is(found: list[Any], place: int, times: int) -> None:
    changed = {**OURS, "Principal": {"AWS": "111111111111"}}
    statements = [*found[:place], *([changed] * times), *found[place:]]
    merged = s3_policy.with_statement({"Version": "2012-10-17", "Statement": statements}, OURS)
    assert merged["Statement"] == [*found[:place], OURS, *found[place:]]


@given(foreign)
def test_a_list_of_one_means_the_same(statement: dict[str, Any]) -> None:
    def listed(value: Any, name: str = "") -> Any:
        if name in {"Sid", "Effect"} or isinstance(value, list):
            return value
        if isinstance(value, dict):
            return {key: listed(found, key) for key, found in value.items()}
        return {"AWS": ["*"]} if name == "Principal" else [value]

    assert s3_policy.same(statement, listed(statement))
    assert s3_policy.all_same([statement], [listed(statement)])
    assert not s3_policy.all_same([statement], [])
    assert not s3_policy.all_same([statement, statement], [statement, {**statement, "Sid": "Other"}])


def test_differences_that_matter() -> None:
    for name, value in (
        ("Effect", "Allow"),
        ("Action", "s3:GetObject"),
        ("Resource", ["arn:aws:s3:::backups"]),
        ("Principal", {"AWS": "111111111111"}),
        ("Condition", {"Bool": {"aws:SecureTransport": "true"}}),
        ("Condition", {}),
    ):
        assert not s3_policy.same(OURS, {**OURS, name: value}), name
    assert s3_policy.same(OURS, {**OURS, "Resource": list(reversed(OURS["Resource"]))})
    assert s3_policy.same(OURS, {**OURS, "Condition": {"Bool": {"aws:SecureTransport": False}}})
    assert not s3_policy.same(OURS, "no statement")


def test_what_others_deny() -> None:
    theirs = {**OURS, "Sid": "Theirs"}
    policy = {"Version": "2012-10-17", "Statement": [theirs, OURS]}
    assert s3_policy.others_deny_plain_http(policy, "backups")
    assert not s3_policy.others_deny_plain_http(policy, "elsewhere")
    assert not s3_policy.others_deny_plain_http({"Statement": [OURS]}, "backups")
    assert not s3_policy.others_deny_plain_http(None, "backups")


def test_other_parts_of_aws() -> None:
    statement = s3_policy.tls_only_statement("backups", "aws-cn")
    assert statement["Resource"] == ["arn:aws-cn:s3:::backups", "arn:aws-cn:s3:::backups/*"]
    assert denies_plain_http({"Statement": [statement]}, "backups")
