# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each mistake about trust that is known has a test, or a reason why none can be had (mistakes.toml)."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from support.tables import TESTS, Named

HERE = Path(__file__).parent
TABLE = tomllib.loads((HERE / "mistakes.toml").read_text(encoding="utf-8"))
NAMED = Named(
    {"unit": HERE, "system": TESTS / "system"},
    [test for rows in TABLE.values() for row in rows.values() for test in row.get("tests") or []],
)
ROWS = {f"{provider}.{name}": row for provider, rows in TABLE.items() for name, row in rows.items()}

LISTED = {
    "gcp": (
        "no_signing_of_urls signing_without_a_key permissions_missing list_denied_by_the_condition list_of_the_whole_bucket "
        "another_cluster_that_is_there policy_of_version_1 written_without_etag bindings_of_others_overwritten "
        "no_uniform_access bound_to_the_project role_too_wide overwriting_needs_delete open_to_everybody "
        "account_that_was_made_again account_that_is_not_known_yet whole_pool no_attribute_condition wildcard_subject "
        "audience_not_compared another_provider same_name_in_another_cluster token_creator_of_the_project "
        "organization_policy keys_that_do_not_expire hmac_keys lifetime_of_tokens retention_and_velero "
        "key_of_the_service_agent wrong_account certificates_of_the_environment condition_forgets_the_cluster "
        "refused_for_another_reason reader_said_to_be_unfit refused_by_a_proxy plain_http objects_may_be_changed"
    ),
    "minio": (
        "no_accounts access_key_of_an_administrator attached_twice bucket_policy_for_users own_certificate "
        "assume_role_with_an_access_key wrong_administrator wrong_region another_endpoint_for_people "
        "token_names_more_policies another_group_of_the_directory token_for_another_audience key_without_a_user_s_policy "
        "path_forgets_the_cluster commit_point_deleted more_outside_of_the_prefix refused_for_another_reason "
        "members_have_more key_replaced_before_it_is_handed_on refused_for_a_wrong_password refused_by_a_proxy"
    ),
    "azure": (
        "path_forgets_the_cluster commit_point_deleted more_outside_of_the_prefix "
        "role_of_the_control_plane role_wider_than_needed condition_missing condition_forgets_listing condition_forgets_an_action "
        "account_keys velero_reads_the_account workload_identity_incomplete issuer_with_another_slash subject_not_exact "
        "audience_not_compared firewall_taken_for_roles principal_not_replicated assigned_twice not_effective_yet "
        "identity_of_another_tenant credentials_of_another_tenant_s_application lighthouse sas_without_an_end sas_and_properties "
        "public_container plain_http wrong_account another_cluster_that_is_there keys_by_another_action assigns_roles "
        "role_that_cannot_be_read adds_without_writing versions_deleted firewall_keeps_nobody_out plain_http_out_of_reach "
        "another_credential_of_the_application no_room_for_credentials answer_of_graph_got_lost graph_of_another_cloud "
        "refused_by_a_proxy credentials_left_behind"
    ),
}
"""What is known to go wrong: a row that is taken away is missed. A row more is welcome."""


def faults(row: dict[str, Any]) -> list[str]:
    """What is wrong with a row."""
    tests, why_not = row.get("tests") or [], str(row.get("why_not") or "")
    found = [] if bool(tests) is not bool(why_not) else ["it has neither a test nor a reason, or both"]
    found += [] if str(row.get("what", "")).endswith(".") else ["it does not say what is wrong"]
    return found + [fault for test in tests if (fault := NAMED.missing(test))]


@pytest.mark.parametrize("provider", LISTED)
def test_no_mistake_is_forgotten(provider: str) -> None:
    assert [name for name in LISTED[provider].split() if name not in TABLE.get(provider, {})] == []


@pytest.mark.parametrize("name", ROWS)
def test_each_mistake_has_a_test_or_a_reason(name: str) -> None:
    assert faults(ROWS[name]) == []


def test_providers_are_in_the_table() -> None:
    assert {"aws", "azure", "minio"} <= TABLE.keys()


def test_a_fault_of_the_table_is_found() -> None:
    fine = {"what": "It is wrong.", "tests": ["unit/test_sets.py::test_other_partitions"]}
    assert faults(fine) == []
    assert faults({"what": "It is wrong.", "why_not": "No server can."}) == []
    assert faults({"what": "It is wrong."}) == ["it has neither a test nor a reason, or both"]
    assert faults({**fine, "tests": ["unit/test_sets.py::test_nothing"]}) == [
        "unit/test_sets.py has no test test_nothing"
    ]
