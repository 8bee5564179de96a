# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between a bucket of Google's and what it should be, and our rule among those of others."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import gcs_lifecycle
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.desired import (
    NEVER,
    Encryption,
    Retention,
    Wanted,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_desired import (
    patch,
    plan,
    seconds_of,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_settings import (
    MAX_RULES,
    Bucket,
    parse_bucket,
)
from testbed.google_buckets import patch as patch_bucket
from testbed.google_objects import Bucket as StoredBucket

ABORT = {"type": "AbortIncompleteMultipartUpload"}
KEY = "projects/p/locations/l/keyRings/r/cryptoKeys/k"
PREFIXES = ["", "fleet/", "fleet/a/", "other/"]


def rule(age: Any, *prefixes: str, **more: Any) -> dict[str, Any]:
    return {
        "action": dict(ABORT),
        "condition": {"age": age, **({"matchesPrefix": list(prefixes)} if prefixes else {})},
        **more,
    }


rules = st.lists(
    st.one_of(
        st.builds(rule, st.integers(1, 30), st.sampled_from(PREFIXES[1:])),
        st.builds(rule, st.integers(1, 30)),
        st.builds(lambda age: {"action": {"type": "Delete"}, "condition": {"age": age}}, st.integers(0, 9)),
        st.builds(lambda age: rule(age, "fleet/", more="new"), st.integers(1, 9)),
    ),
    max_size=5,
)
wanted = st.builds(
    Wanted,
    object_ownership=st.sampled_from([None, "BucketOwnerEnforced", "ObjectWriter"]),
    encryption=st.sampled_from([None, Encryption("AES256"), Encryption("aws:kms", KEY)]),
    versioning=st.sampled_from([None, True, False]),
    object_lock=st.sampled_from([None, Retention("GOVERNANCE", days=30), Retention("GOVERNANCE", years=1)]),
    block_public_access=st.sampled_from([None, True, False]),
    abort_stale_uploads=st.sampled_from([None, NEVER, 1, 7]),
)


@given(rules, st.sampled_from(PREFIXES), st.integers(1, 30))
def test_our_rule_and_those_of_others(given_rules: list[dict[str, Any]], prefix: str, days: int) -> None:
    others = gcs_lifecycle.without_rule(given_rules, prefix)
    after = gcs_lifecycle.with_rule(given_rules, prefix, days)
    assert gcs_lifecycle.our_days(after, prefix) == days
    assert gcs_lifecycle.without_rule(after, prefix) == others
    assert gcs_lifecycle.with_rule(after, prefix, days) == after
    assert [one for one in given_rules if one in others] == others
    assert gcs_lifecycle.our_days(others, prefix) is None


@pytest.mark.parametrize(
    "strange",
    [
        rule(7, "fleet/", note="theirs"),
        rule(7, "fleet/", "x/"),
        rule(7, "fleet"),
        rule(7),
        rule(True, "fleet/"),
        rule(0, "fleet/"),
        rule("7", "fleet/"),
        {"action": {"type": "Delete"}, "condition": {"age": 7, "matchesPrefix": ["fleet/"]}},
        {"action": ABORT, "condition": {"age": 7, "matchesPrefix": ["fleet/"], "matchesSuffix": [".x"]}},
        {"action": {**ABORT, "more": 1}, "condition": {"age": 7, "matchesPrefix": ["fleet/"]}},
        {"action": ABORT},
        {},
    ],
)
def test_whose_rule_it_is(strange: dict[str, Any]) -> None:
    assert gcs_lifecycle.our_days([strange], "fleet/") is None
    assert gcs_lifecycle.with_rule([strange], "fleet/", 7) == [strange, rule(7, "fleet/")]


def test_what_others_do_is_enough_only_if_it_is_for_all_of_the_location() -> None:
    assert gcs_lifecycle.others_abort([rule(7)], "fleet/", 7)
    assert gcs_lifecycle.others_abort([rule(3, "x/", "fl")], "fleet/", 7)
    for other in (
        rule(8),
        rule(3, "fleet/a/"),
        rule(True),
        {"action": ABORT, "condition": {"age": 3, "matchesSuffix": ["x"]}},
    ):
        assert not gcs_lifecycle.others_abort([other], "fleet/", 7)
    assert gcs_lifecycle.our_days([rule(3, "fleet/"), rule(4, "fleet/")], "fleet/") == 0


@given(wanted, rules, st.sampled_from([0, 86400, 31557600 * 2]), st.booleans())
def test_what_is_planned_leads_there_and_puts_nothing_at_risk(
    wish: Wanted, given_rules: list[dict[str, Any]], seconds: int, versioning: bool
) -> None:
    retention = {"retentionPolicy": {"retentionPeriod": str(seconds)}} if seconds else {}
    stored = StoredBucket("b", versioning, {"lifecycle": {"rule": given_rules}, **retention})

    def seen() -> Bucket:
        found = parse_bucket(stored.resource(), "b")
        assert found is not None
        return found

    before = seen()
    if wish.object_lock and seconds > seconds_of(wish.object_lock):
        with pytest.raises(StowageError) as caught:
            plan(wish, before, "fleet/")
        assert caught.value.code == "unsafe_change"
        return
    for change in plan(wish, before, "fleet/").changes:
        patch_bucket(stored, {}, patch(change.setting, wish, seen(), "fleet/"))
    after = seen()
    assert plan(wish, after, "fleet/").changes == ()
    assert (after.retention.seconds if after.retention else 0) >= seconds
    assert after.soft_delete == before.soft_delete
    assert gcs_lifecycle.without_rule(after.lifecycle or (), "fleet/") == gcs_lifecycle.without_rule(
        given_rules, "fleet/"
    )


def test_rules_that_cannot_be_read_as_a_whole_are_not_written() -> None:
    for odd in ([rule(1)] * (MAX_RULES + 1), ["x"], {"x": 1}):
        found = parse_bucket({**StoredBucket("b").resource(), "lifecycle": {"rule": odd}}, "b")
        assert found is not None
        assert found.lifecycle is None
        (unsupported,) = plan(Wanted(abort_stale_uploads=7), found, "fleet/").unsupported
        assert unsupported.option == "abort_stale_uploads"
