# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Grants of a key: which are made, and which go, whatever is there."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import aws_documents as documents
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import aws_grants
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import aws_key_documents as key_documents
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.aws_grants import GrantsWanted
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.aws_iam import AwsRole
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.aws_key import Grant
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.model import Change

TRUST = "arn:aws:iam::222222222222:role/prod-1-writer"
KEY = "arn:aws:kms:eu-west-1:222222222222:key/k"
USERS = tuple(f"arn:aws:iam::111111111111:user/{name}" for name in "ab")
BOTH = ("Decrypt", "GenerateDataKey")
ID, OLD_ID = "AROA" + "N" * 17, "AROA" + "O" * 17
ROLE = AwsRole(TRUST, {}, 3600, "", {}, {}, (), id=ID)
WANTED = GrantsWanted(TRUST, KEY, (TRUST,), BOTH)


def planned(wanted: GrantsWanted, there: Iterable[Grant], role: AwsRole | None) -> list[Change]:
    """All changes, in their order."""
    found = aws_grants.plan(wanted, there, role)
    return [*found.dropped, *found.given]


def applied(wanted: GrantsWanted, there: Iterable[Grant], changes: Iterable[Change]) -> list[Grant]:
    """What is there after changes. As KMS does, one that looks the same is given back in place of a new one."""
    found = list(there)
    for change in changes:
        if change.after is None:
            found = [one for one in found if one.id != change.before["id"]]
        elif not any((one.grantee, one.operations, one.constrained) == (change.name, BOTH, False) for one in found):
            found.append(Grant(f"new-{change.name}", wanted.name, change.name, tuple(change.after["operations"])))
    return found


grants = st.lists(
    st.builds(
        Grant,
        id=st.uuids().map(str),
        name=st.just(WANTED.name),
        grantee=st.sampled_from([TRUST, *USERS, ID, OLD_ID]),
        operations=st.sampled_from([BOTH, ("Decrypt",), ("Decrypt", "Encrypt", "GenerateDataKey")]),
        constrained=st.booleans(),
    ),
    max_size=6,
)


@given(grants, st.sampled_from([(TRUST,), USERS, USERS[:1], ()]), st.booleans())
def test_afterwards_each_has_one_and_nobody_else(there: list[Grant], grantees: tuple[str, ...], known: bool) -> None:
    wanted = GrantsWanted(TRUST, KEY, grantees, BOTH)
    role = ROLE if known else None
    after = applied(wanted, there, planned(wanted, there, role))
    # Once it was made, the role is there.
    assert sorted(TRUST if one.grantee == ID and known else one.grantee for one in after) == sorted(grantees)
    assert all(one.operations == BOTH and not one.constrained for one in after)
    assert planned(wanted, after, ROLE) == []


@given(grants, st.sampled_from([(TRUST,), USERS, USERS[:1], ()]), st.booleans())
def test_what_is_not_wanted_goes_before_permissions_change(
    there: list[Grant], grantees: tuple[str, ...], known: bool
) -> None:
    """And nothing is made before they did."""
    wanted, role = GrantsWanted(TRUST, KEY, grantees, BOTH), ROLE if known else None
    found = aws_grants.plan(wanted, there, role)
    assert all(one.after is None for one in found.dropped)
    left = {TRUST if one.grantee == ID and known else one.grantee for one in applied(wanted, there, found.dropped)}
    assert left <= set(grantees)


def test_one_that_was_just_made_is_known_by_the_role_s_unique_id() -> None:
    there = Grant("g", WANTED.name, ID, BOTH)
    assert planned(WANTED, [there], ROLE) == []
    gone, made = planned(WANTED, [dataclasses.replace(there, grantee=OLD_ID)], ROLE)
    assert (gone.after, made.before) == (None, None), "it is of one that was there before"


def test_one_of_a_role_that_is_gone_goes_first() -> None:
    changes = planned(WANTED, [Grant("g", WANTED.name, TRUST, BOTH)], None)
    assert [(one.name, one.after is None) for one in changes] == [(TRUST, True), (TRUST, False)]


def test_a_new_one_is_there_before_the_old_one_goes() -> None:
    changes = planned(WANTED, [Grant("g", WANTED.name, TRUST, ("Decrypt",))], ROLE)
    assert [one.after is None for one in changes] == [False, True]


@pytest.mark.parametrize(("writes", "operations"), [(True, BOTH), (False, ("Decrypt",))])
def test_a_grant_allows_what_a_statement_would_and_outside_s3_it_is_denied(
    writes: bool, operations: tuple[str, ...]
) -> None:
    use, denied = key_documents.key_use(KEY, "eu-west-1", writes=writes), key_documents.key_denial(KEY, "eu-west-1")
    assert aws_grants.operations_of(use) == operations
    assert (denied["Effect"], denied["Resource"]) == ("Deny", [KEY])
    assert set(use["Action"]) <= set(denied["Action"]), "one of another permission set is held, too"
    assert denied["Condition"] == {"StringNotEquals": use["Condition"]["StringEquals"]}


def test_names_are_such_as_kms_takes() -> None:
    (made,) = WANTED.documents
    assert made["Name"].isalnum()
    assert made["Name"].startswith(documents.sid_of(TRUST))
