# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The example inventories of trust say what the role passes on, and AWX's credentials set what they read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.keys import (
    AWS_VARIABLES,
    MINIO_VARIABLES,
    Keys,
    keys_of_options,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import azure_parties
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.gcp_parties import auth_option
from support.trust_examples import (
    EXAMPLES,
    ROOT,
    Tree,
    credential_types,
    filled,
    injected,
    lookups,
    values,
    variables,
)

PARTIES = {
    "location_account": {"LOCATION"},
    "cluster_account": {"CLUSTER", "CONTROLLER"},
    "controller_account": {"CONTROLLER", "CLUSTER"},
}
TYPES = {kind["name"]: kind for kind in credential_types()}
NAMES = {name: (kind, field) for kind in TYPES.values() for name, field in kind["injectors"]["env"].items()}


def name_of(path: Path) -> str:
    return path.stem


def provider_of(path: Path, trust: Tree) -> str:
    return str(variables(path)["stowage_locations"][trust["location"]]["provider"])


@pytest.mark.parametrize("path", EXAMPLES, ids=name_of)
def test_the_role_passes_on_all_that_an_example_says(path: Path) -> None:
    for name, trust in variables(path)["stowage_trusts"].items():
        tasks = (ROOT / "roles" / "trust" / "tasks" / f"{provider_of(path, trust)}.yml").read_text(encoding="utf-8")
        passed = set(re.findall(r"trust_wanted\[trust_name\]\.(\w+)", tasks))
        assert set(trust) - passed == set(), name


@pytest.mark.parametrize("path", EXAMPLES, ids=name_of)
def test_each_variable_is_set_by_the_credential_of_its_party_for_its_option(path: Path) -> None:
    for where, name in lookups(variables(path)):
        kind, text = NAMES[name]
        _stowage, party, provider, field = name.split("_", 3)
        found = variables(path)["stowage_trusts"][where[1]] if where[0] == "stowage_trusts" else None
        assert party in (PARTIES[where[2]] if found else {"CLUSTER"}), where
        assert provider.lower() == (
            provider_of(path, found) if found else variables(path)[where[0]][where[1]]["provider"]
        )
        assert kind["name"].lower().startswith(f"stowage {party.lower()} ")
        assert where[-1] == field.lower()
        source = kind["injectors"].get("file", {}).get("template", "") if "tower.filename" in text else text
        assert source == f"{{{{ {where[-1]} }}}}"


@pytest.mark.parametrize("path", EXAMPLES, ids=name_of)
def test_what_credentials_set_is_what_modules_take(path: Path) -> None:
    environment = {name: value for kind in TYPES.values() for name, value in injected(kind, values(kind)).items()}
    for trust in variables(path)["stowage_trusts"].values():
        for option in PARTIES:
            party = filled(trust.get(option) or {}, environment)
            auth = party.get("auth", party)
            if not auth:
                continue
            if provider_of(path, trust) == "gcp":
                assert set(auth) <= set(auth_option()["options"])
                assert auth["credentials_file"] == "/runner/env/file"
            elif provider_of(path, trust) == "azure":
                assert set(auth) <= set(azure_parties.auth_option()["options"])
                assert "value-of-client_id" in auth["client_id"]
                assert "value-of-secret" in auth["secret"]
            else:
                assert keys_of_options(auth) == Keys(
                    auth["access_key"], auth["secret_key"], auth.get("session_token", "")
                )
                assert "value-of-access_key" in auth["access_key"]
                assert "value-of-secret_key" in auth["secret_key"]


def test_a_session_token_that_is_not_given_is_none() -> None:
    kind = TYPES["Stowage location (AWS)"]
    set_by_awx = injected(kind, {**values(kind), "session_token": ""})
    auth = {name.partition("_AWS_")[2].lower(): value for name, value in set_by_awx.items()}
    assert keys_of_options(auth) == Keys(auth["access_key"], auth["secret_key"], "")


@pytest.mark.parametrize("name", TYPES)
def test_a_credential_type_uses_all_its_fields_and_hides_secrets(name: str) -> None:
    kind = TYPES[name]
    fields = {field["id"]: field for field in kind["inputs"]["fields"]}
    given = values(kind)
    shown = "".join(injected(kind, given).values()) + "".join(
        text.replace(f"{{{{ {one} }}}}", given[one])
        for text in kind["injectors"].get("file", {}).values()
        for one in fields
    )
    assert all(value in shown for value in given.values())
    assert all(fields[one].get("secret") is True for one in fields if one not in {"access_key", "client_id"})
    assert set(kind["inputs"]["required"]) == set(fields) - {"session_token"}
    assert (kind["kind"], bool(kind["description"])) == ("cloud", True)


def test_no_two_parties_share_a_variable_and_no_module_reads_one_by_itself() -> None:
    every = [name for kind in TYPES.values() for name in kind["injectors"]["env"]]
    assert len(every) == len(set(every))
    known = {name for group in (*AWS_VARIABLES, *MINIO_VARIABLES) for name in group}
    assert known.isdisjoint(every)
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "plugins").rglob("*.py"))
    assert [name for name in every if name in sources] == []


def test_each_variable_has_an_example() -> None:
    used = {name for path in EXAMPLES for _where, name in lookups(variables(path))}
    assert set(NAMES) == used


def test_each_example_is_in_the_list() -> None:
    text = (ROOT / "docs" / "trust" / "README.md").read_text(encoding="utf-8")
    assert [path.name for path in EXAMPLES if f"[{path.name}]({path.name})" not in text] == []
