# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents of trust at Azure: what a role and its condition allow together is what the permission set says, and nothing more."""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.rules import check_location
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import azure_policy, azure_review
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.azure_policy import (
    ACTIONS,
    Federation,
    Identity,
    Sas,
    Wanted,
    Who,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.sets import PERMISSION_SETS, Operation
from testbed.azure_conditions import PATH, PREFIX, Asked, MalformedError, matches, parse

SUBSCRIPTION = "22222222-2222-2222-2222-222222222222"
TENANT = "11111111-1111-1111-1111-111111111111"
WHO = Who("33333333-3333-3333-3333-333333333333", "44444444-4444-4444-4444-444444444444")
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/backups"
WANTED = Wanted(
    name="prod-1-writer",
    account_id=f"{GROUP}/providers/Microsoft.Storage/storageAccounts/acme",
    container="backups",
    prefix="fleet",
    tenant=TENANT,
    clusters=("prod-1",),
    permissions="writer",
    given=WHO,
)
IDENTITY = Identity(SUBSCRIPTION, "clusters", "prod-1-writer", "westeurope")
FEDERATION = Federation("https://issuer.example/c/", ("stowage/backup", "stowage/restore"))
CLUSTERS = st.lists(st.sampled_from(["a", "b1", "c"]), min_size=1, max_size=3, unique=True)
PREFIXES = st.sampled_from(["", "fleet/", "a/b/"])
FOLDERS = st.sampled_from(["clusters/a/", "clusters/b1/", "clusters/d/", "workspaces/w/runs/r/a/", ""])
KEYS = st.builds(
    "".join,
    st.tuples(
        PREFIXES,
        FOLDERS,
        st.sampled_from(["backups/b/", "restores/r/", "metadata/stowage/", "metadata/stowage/leases/", "kopia/", ""]),
        st.sampled_from(
            ["velero-backup.json", "stowage-manifest.json", "stowage-restore.json", "b.tar.gz", "1.json", ""]
        ),
    ),
)
OPERATIONS: tuple[Operation, ...] = ("list", "read", "create", "delete")


def allows(wanted: Wanted, operation: Operation, key: str) -> bool:
    """What Azure would say of a request: by the testbed's own reading of the role and its condition."""
    (permissions,) = azure_policy.role(wanted)["permissions"]
    action = ACTIONS[operation]
    if not any(matches(one, action) for one in permissions["dataActions"]):
        return False
    listed = operation == "list"
    attributes = {PREFIX: key} if listed else {PATH: key}
    asked = Asked(action, frozenset({"Blob.List"} if listed else ()), attributes)
    return parse(azure_policy.condition(wanted))(asked)


def fits(pattern: str, text: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text, re.DOTALL) is not None


@given(
    st.tuples(st.sampled_from(PERMISSION_SETS), st.booleans()),
    CLUSTERS,
    PREFIXES,
    st.sampled_from(OPERATIONS),
    KEYS,
)
def test_a_role_and_its_condition_allow_what_the_set_says(
    given_set: tuple[t.Any, bool], clusters: list[str], prefix: str, operation: Operation, key: str
) -> None:
    name, writes = given_set
    wanted = dataclasses.replace(
        WANTED, permissions=name, writes_restores=writes, clusters=tuple(clusters), prefix=prefix.strip("/")
    )
    said = any(operation in one.operations and fits(prefix + one.path, key) for one in wanted.grants)
    assert allows(wanted, operation, key) is said


@pytest.mark.parametrize("name", PERMISSION_SETS)
def test_a_role_has_nothing_that_an_engine_never_needs(name: t.Any) -> None:
    wanted = dataclasses.replace(WANTED, permissions=name, writes_restores=True)
    role = azure_policy.role(wanted)
    (permissions,) = role["permissions"]
    assert permissions["actions"] == []
    assert {one.rpartition("/")[2] for one in permissions["dataActions"]} <= {"read", "write", "delete"}
    assert ("delete" in json.dumps(permissions)) is (name == "pruner")
    assert role["assignableScopes"] == [GROUP]
    assert not any(azure_policy.may(role, one) for one in (*azure_policy.KEYS, *azure_policy.ROLES))


def test_a_condition_has_an_end() -> None:
    many = tuple(f"cluster-{number:040}" for number in range(60))
    with pytest.raises(StowageError) as caught:
        azure_policy.condition(dataclasses.replace(WANTED, clusters=many))
    assert caught.value.code == "invalid_option"


def test_ids_are_the_same_for_each_run_whatever_the_case() -> None:
    properties = azure_policy.assignment(WANTED, WHO)
    path = azure_policy.assignment_path(WANTED.scope, properties)
    upper = {**properties, "roleDefinitionId": properties["roleDefinitionId"].upper()}
    assert (
        azure_policy.assignment_path(WANTED.scope.upper(), upper).lower().rpartition("/")[2] == path.rpartition("/")[2]
    )
    other = azure_policy.assignment(WANTED, Who("55555555-5555-5555-5555-555555555555"))
    assert azure_policy.assignment_path(WANTED.scope, other) != path
    assert azure_policy.role_name(WANTED) != azure_policy.role_name(dataclasses.replace(WANTED, container="other"))
    assert azure_policy.role_name(WANTED) != azure_policy.role_name(dataclasses.replace(WANTED, name="other"))


def test_an_assignment_says_what_its_principal_is() -> None:
    """A principal that is new is not found otherwise."""
    assert azure_policy.assignment(WANTED, WHO)["principalType"] == "ServicePrincipal"
    assert azure_policy.delegation(WANTED, WHO)["roleDefinitionId"].endswith(azure_policy.DELEGATOR)
    assert "condition" not in azure_policy.delegation(WANTED, WHO)


def test_what_is_the_same_role() -> None:
    role = azure_policy.role(dataclasses.replace(WANTED, permissions="pruner"))
    (permissions,) = role["permissions"]
    turned = {**permissions, "dataActions": list(reversed(permissions["dataActions"])), "notActions": None}
    scopes = [one.upper() for one in role["assignableScopes"]]
    assert azure_policy.same_role({**role, "permissions": [turned], "assignableScopes": scopes}, role)
    more = {**permissions, "dataActions": [*permissions["dataActions"], "x"]}
    others: list[dict[str, t.Any]] = [
        {"permissions": [more]},
        {"permissions": []},
        {"assignableScopes": ["/"]},
        {"roleName": "x"},
    ]
    for changed in others:
        assert not azure_policy.same_role({**role, **changed}, role)


@pytest.mark.parametrize(
    ("actions", "not_actions", "may"),
    [
        (["*"], [], True),
        (["Microsoft.Storage/storageAccounts/*"], [], True),
        (["microsoft.storage/storageaccounts/listKeys/action"], [], True),
        (["*/read"], [], False),
        (["*"], ["Microsoft.Storage/storageAccounts/listKeys/*"], False),
        ([], [], False),
    ],
)
def test_which_roles_list_keys(actions: list[str], not_actions: list[str], may: bool) -> None:
    role = {"permissions": [{"actions": actions, "notActions": not_actions}]}
    assert azure_policy.may(role, azure_policy.KEYS[0]) is may


def test_each_subject_has_a_credential_of_its_own() -> None:
    wanted = dataclasses.replace(WANTED, given=None, identity=IDENTITY, federation=FEDERATION)
    found = azure_policy.credentials(wanted)
    assert [one["subject"] for one in found.values()] == [
        "system:serviceaccount:stowage:backup",
        "system:serviceaccount:stowage:restore",
    ]
    assert {one["issuer"] for one in found.values()} == {"https://issuer.example/c/"}, "its slash stays"
    assert {tuple(one["audiences"]) for one in found.values()} == {("api://AzureADTokenExchange",)}
    assert all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{2,119}", name) for name in found)
    assert all(azure_policy.is_ours(wanted, name, one) for name, one in found.items())
    assert all(azure_policy.is_ours(wanted, name, {}) for name in found), "also if somebody changed it"
    fewer = dataclasses.replace(wanted, federation=None)
    assert all(azure_policy.is_ours(fewer, name, one) for name, one in found.items()), (
        "also if it is not wanted any more"
    )
    for other in (dataclasses.replace(wanted, name="prod-1"), dataclasses.replace(wanted, container="other")):
        assert not any(azure_policy.is_ours(other, name, one) for name, one in found.items()), "another trust's"
        assert all(azure_policy.lets_in(other, one) for one in found.values())
    first = next(iter(found.values()))
    assert not azure_policy.is_ours(wanted, "theirs", first)
    assert not azure_policy.lets_in(wanted, {**first, "audiences": ["other"]})


@pytest.mark.parametrize(
    "wanted",
    [
        WANTED,
        dataclasses.replace(WANTED, federation=FEDERATION),
        dataclasses.replace(WANTED, given=None, identity=IDENTITY),
        dataclasses.replace(WANTED, given=None, identity=IDENTITY, federation=FEDERATION),
    ],
)
def test_a_location_takes_the_auth_that_is_told(wanted: Wanted) -> None:
    auth = azure_policy.auth_of(wanted, WHO, "/token", "")
    location = {"provider": "azure", "bucket": "backups", "storage_account": "acme", "auth": auth}
    assert check_location(location)["auth"] == auth
    assert auth["client_id"] == WHO.client_id


def test_a_sas_has_the_letters_of_its_set_in_the_order_of_the_service() -> None:
    found = {name: azure_policy.letters(dataclasses.replace(WANTED, permissions=name)) for name in PERMISSION_SETS}
    assert found == {"writer": "rcwl", "reader": "rl", "pruner": "rdl", "auditor": "rl", "coordinator": "rcwl"}


def test_commands_say_what_the_documents_do() -> None:
    sas = Sas(24, "/root/x", "192.0.2.1")
    wanted = dataclasses.replace(WANTED, given=None, identity=IDENTITY, federation=FEDERATION, sas=sas)
    lines = [shlex.split(one) for one in azure_review.commands(wanted)]
    kinds = [" ".join(one[1:4]) for one in lines]
    assert kinds == [
        "identity create --name",
        "identity show --name",
        *["identity federated-credential create"] * 2,
        "role definition create",
        *["role assignment create"] * 2,
        "storage container generate-sas",
    ]
    role = json.loads(lines[4][lines[4].index("--role-definition") + 1])
    assert role["DataActions"] == azure_policy.data_actions(wanted)
    assert role["Actions"] == []
    assigned = lines[5]
    assert assigned[assigned.index("--condition") + 1] == azure_policy.condition(wanted)
    assert assigned[assigned.index("--scope") + 1] == wanted.scope
    assert "--name" not in assigned, "it is made of an id that is not known yet"
    assert "--https-only" in lines[-1]


def test_an_application_s_credentials_are_its_owner_s_to_set() -> None:
    wanted = dataclasses.replace(WANTED, federation=FEDERATION)
    text = azure_review.review(wanted, azure_policy.auth_of(wanted, WHO, "/token", ""))
    assert f"az ad app federated-credential create --id {WHO.client_id}" in text
    assert "in the application's own tenant" in text
    assigned = next(shlex.split(one) for one in azure_review.commands(wanted) if "assignment" in one)
    path = azure_policy.assignment_path(wanted.scope, azure_policy.assignment(wanted, WHO))
    assert assigned[assigned.index("--name") + 1] == path.rpartition("/")[2]


# the reading of conditions that tests rely on


@pytest.mark.parametrize(
    "condition",
    [
        "",
        "(ActionMatches{'x'}",
        "ActionMatches{'x'} AND ActionMatches{'y'} OR ActionMatches{'z'}",
        "@Resource[nothing:known] StringLike 'x'",
        f"{PATH} StringIs 'x'",
        f"{PATH} StringLike {{'x', 'y'}}",
        f"{PATH} ForAnyOfAnyValues:StringLike 'x'",
        f"{PATH} StringLike x",
        "ActionMatches{'x'} )",
    ],
)
def test_conditions_that_azure_would_not_take(condition: str) -> None:
    with pytest.raises(MalformedError):
        parse(condition)


@pytest.mark.parametrize(
    ("condition", "asked", "met"),
    [
        (f"{PATH} StringLike 'a/*'", Asked("x", attributes={PATH: "a/b/c"}), True),
        (f"{PATH} StringLike 'a/*'", Asked("x", attributes={PATH: "A/b"}), False),
        (f"{PATH} StringLike 'a\\*'", Asked("x", attributes={PATH: "ab"}), False),
        (f"{PATH} StringLike 'a\\*'", Asked("x", attributes={PATH: "a*"}), True),
        (f"{PATH} StringLike '*'", Asked("x"), False),
        (f"!({PATH} StringLike '*')", Asked("x"), True),
        (f"{PATH} ForAnyOfAnyValues:StringEquals {{'a', 'b'}}", Asked("x", attributes={PATH: "b"}), True),
        ("ActionMatches{'a/*'} && NOT SubOperationMatches{'L'}", Asked("a/b"), True),
        ("ActionMatches{'a/*'} && NOT SubOperationMatches{'L'}", Asked("a/b", frozenset({"L"})), False),
        ("ActionMatches{'a'} OR ActionMatches{'b'}", Asked("b"), True),
    ],
)
def test_conditions_as_azure_reads_them(condition: str, asked: Asked, met: bool) -> None:
    assert parse(condition)(asked) is met
