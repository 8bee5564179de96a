# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What options want, what differs from it, and what is refused because it would put backups at risk."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import s3_lifecycle, s3_policy
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.desired import (
    NEVER,
    SETTINGS,
    Encryption,
    Plan,
    Retention,
    Wanted,
    diff_of,
    nothing_wanted,
    wanted_of,
    weaker,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.readings import Reading
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_desired import Seen, plan, same_key
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_settings import (
    Encryption as SeenEncryption,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_settings import (
    Lifecycle,
    ObjectLock,
    PublicAccessBlock,
    Versioning,
)

UNSUPPORTED: Reading[Any] = Reading("unsupported")


def of(value: Any) -> Reading[Any]:
    return Reading("set", value)


def seen(**more: Any) -> Seen:
    return Seen(**{"present": True, "bucket": "backups", "prefix": "fleet/", **more})


def changes(found: Plan) -> list[tuple[str, Any, Any]]:
    return [(change.setting, change.before, change.after) for change in found.changes]


def code_of(**params: Any) -> str:
    with pytest.raises(StowageError) as caught:
        wanted_of(params)
    assert caught.value.hint
    return caught.value.code


def refused(wanted: Wanted, found: Seen) -> StowageError:
    with pytest.raises(StowageError) as caught:
        plan(wanted, found)
    assert caught.value.code == "unsafe_change"
    assert caught.value.hint
    return caught.value


# options


def test_options() -> None:
    found = wanted_of(
        {
            "versioning": True,
            "encryption": {"algorithm": "aws:kms", "kms_key_id": "k", "bucket_key_enabled": None},
            "object_lock": {"mode": "GOVERNANCE", "days": None, "years": 2},
            "object_lock_enabled": True,
            "abort_stale_uploads": "1w",
            "tls_only": None,
        }
    )
    assert found == Wanted(
        versioning=True,
        encryption=Encryption("aws:kms", "k"),
        object_lock=Retention("GOVERNANCE", years=2),
        object_lock_enabled=True,
        abort_stale_uploads=7,
    )
    assert found.settings() == ("encryption", "versioning", "object_lock_enabled", "object_lock", "abort_stale_uploads")
    assert wanted_of({}).settings() == ()
    assert wanted_of({"abort_stale_uploads": "Never"}).abort_stale_uploads == NEVER


@pytest.mark.parametrize(
    "params",
    [
        {"object_lock": {"mode": "GOVERNANCE"}},
        {"object_lock": {"mode": "GOVERNANCE", "days": 1, "years": 1}},
        {"object_lock": {"mode": "GOVERNANCE", "days": 0}},
        {"object_lock": {"mode": "GOVERNANCE", "years": 101}},
        {"object_lock": {"mode": "GOVERNANCE", "days": 1}, "object_lock_enabled": False},
        {"object_lock": {"mode": "GOVERNANCE", "days": 1}, "versioning": False},
        {"object_lock_enabled": True, "versioning": False},
        {"encryption": {"algorithm": "AES256", "kms_key_id": "k"}},
        {"encryption": {"algorithm": "AES256", "bucket_key_enabled": True}},
        {"encryption": {"algorithm": "aws:kms", "kms_key_id": ""}},
        {"abort_stale_uploads": "36h"},
        {"abort_stale_uploads": "7"},
        {"abort_stale_uploads": "0d"},
    ],
    ids=str,
)
def test_options_that_make_no_sense(params: dict[str, Any]) -> None:
    assert code_of(**params) == "invalid_option"


def test_nothing_is_wanted_of_what_is_to_be_absent() -> None:
    nothing_wanted({"create_bucket": False, "versioning": None})
    for name in ("create_bucket", *SETTINGS):
        with pytest.raises(StowageError) as caught:
            nothing_wanted({name: True})
        assert name in caught.value.message


# retention


retentions = st.builds(
    lambda mode, number, years: Retention(mode, years=number) if years else Retention(mode, days=number * 100),
    st.sampled_from(["GOVERNANCE", "COMPLIANCE"]),
    st.integers(1, 60),
    st.booleans(),
)


def ends(start: datetime.date, retention: Retention) -> datetime.date:
    """When what is written on a day may be deleted; a year ends on the same day, or on the first of March."""
    if retention.days:
        return start + datetime.timedelta(days=retention.days)
    try:
        return start.replace(year=start.year + retention.years)
    except ValueError:
        return start.replace(year=start.year + retention.years, month=3, day=1)


@given(retentions, retentions, st.dates(datetime.date(2024, 1, 1), datetime.date(2031, 12, 31)))
def test_what_is_not_weaker_keeps_no_object_shorter(before: Retention, after: Retention, day: datetime.date) -> None:
    if not weaker(before, after):
        assert ends(day, after) >= ends(day, before)
        assert after.mode in {before.mode, "COMPLIANCE"}


@given(retentions)
def test_the_same_is_not_weaker(retention: Retention) -> None:
    assert not weaker(retention, retention)


def test_weaker() -> None:
    year = Retention("GOVERNANCE", years=1)
    assert weaker(year, Retention("GOVERNANCE", days=365))
    assert not weaker(year, Retention("GOVERNANCE", days=366))
    assert not weaker(Retention("GOVERNANCE", days=365), year)
    assert weaker(Retention("COMPLIANCE", days=1), Retention("GOVERNANCE", days=100))
    assert not weaker(Retention("GOVERNANCE", days=1), Retention("COMPLIANCE", days=1))


def test_a_lock_does_not_get_weaker() -> None:
    locked = seen(object_lock=of(ObjectLock("COMPLIANCE", days=30)))
    assert "COMPLIANCE for 30 days" in refused(Wanted(object_lock=Retention("COMPLIANCE", days=29)), locked).message
    refused(Wanted(object_lock=Retention("GOVERNANCE", days=60)), locked)
    longer = plan(Wanted(object_lock=Retention("COMPLIANCE", days=31)), locked)
    assert changes(longer) == [
        ("object_lock", {"mode": "COMPLIANCE", "days": 30}, {"mode": "COMPLIANCE", "days": 31}),
    ]
    assert plan(Wanted(object_lock=Retention("COMPLIANCE", days=30)), locked).changes == ()
    first = plan(Wanted(object_lock=Retention("GOVERNANCE", years=1)), seen(object_lock=of(ObjectLock())))
    assert changes(first) == [("object_lock", None, {"mode": "GOVERNANCE", "years": 1})]


def test_versions_stay_under_lock() -> None:
    versions = of(Versioning("Enabled"))
    refused(Wanted(versioning=False), seen(versioning=versions, object_lock=of(ObjectLock())))
    assert changes(plan(Wanted(versioning=False), seen(versioning=versions))) == [("versioning", True, False)]
    assert plan(Wanted(versioning=False), seen()).changes == ()
    assert plan(Wanted(versioning=False), seen(versioning=of(Versioning("Suspended")))).changes == ()
    assert changes(plan(Wanted(versioning=True), seen(versioning=of(Versioning("Suspended"))))) == [
        ("versioning", False, True)
    ]


def test_object_lock() -> None:
    on, retention = Wanted(object_lock_enabled=True), Retention("GOVERNANCE", days=1)
    versions = of(Versioning("Enabled"))
    assert plan(on, seen(object_lock=of(ObjectLock()))).changes == ()
    refused(Wanted(object_lock_enabled=False), seen(object_lock=of(ObjectLock())))
    assert plan(Wanted(object_lock_enabled=False), seen()).changes == ()
    # AWS switches it on for a bucket with versions; the others do not.
    assert changes(plan(on, seen(aws=True, versioning=versions))) == [("object_lock_enabled", False, True)]
    refused(on, seen(aws=True))
    both = plan(Wanted(object_lock_enabled=True, versioning=True), seen(aws=True))
    assert [change.setting for change in both.changes] == ["versioning", "object_lock_enabled"]
    late = plan(Wanted(object_lock_enabled=True, object_lock=retention), seen(versioning=versions))
    assert [one.option for one in late.unsupported] == ["object_lock_enabled", "object_lock"]
    assert late.changes == ()
    refused(Wanted(object_lock=retention), seen())
    made = plan(Wanted(create_bucket=True, object_lock_enabled=True, object_lock=retention), seen(present=False))
    assert [change.setting for change in made.changes] == ["bucket", "object_lock_enabled", "object_lock"]


# the rest


def test_encryption() -> None:
    kms = Wanted(encryption=Encryption("aws:kms", "alias/backups", True))
    with_key = of(SeenEncryption("aws:kms", "arn:aws:kms:eu-west-1:222222222222:alias/backups", True))
    assert plan(kms, seen(encryption=with_key)).changes == ()
    assert plan(Wanted(encryption=Encryption("aws:kms")), seen(encryption=with_key)).changes == ()
    found = plan(Wanted(encryption=Encryption("aws:kms:dsse")), seen(encryption=with_key))
    assert found.changes[0].after["kms_key_id"] == "arn:aws:kms:eu-west-1:222222222222:alias/backups"
    plain = plan(Wanted(encryption=Encryption("AES256")), seen(encryption=with_key))
    assert plain.changes[0].after == {"algorithm": "AES256"}
    key = of(SeenEncryption("AES256", "", True))
    assert plan(Wanted(encryption=Encryption("AES256")), seen(encryption=key)).changes == ()
    assert changes(plan(kms, seen())) == [
        ("encryption", None, {"algorithm": "aws:kms", "kms_key_id": "alias/backups", "bucket_key_enabled": True})
    ]


def test_names_of_keys() -> None:
    arn = "arn:aws:kms:eu-west-1:222222222222:key/1234"
    assert same_key(arn, "1234")
    assert same_key("arn:aws:kms:mine", "mine")
    assert same_key("", "")
    assert not same_key(arn, "")
    assert not same_key(arn, "123")
    assert not same_key(arn, "alias/1234")
    assert not same_key(arn, "arn:aws:kms:eu-west-1:333333333333:key/1234")


def test_public_access() -> None:
    everything = PublicAccessBlock(*[True] * 4)
    on, off = Wanted(block_public_access=True), Wanted(block_public_access=False)
    assert plan(on, seen(public_access_block=of(everything))).changes == ()
    assert changes(plan(on, seen())) == [("block_public_access", False, True)]
    some = seen(public_access_block=of(PublicAccessBlock(BlockPublicAcls=True)))
    assert changes(plan(on, some)) == [("block_public_access", ["BlockPublicAcls"], True)]
    assert changes(plan(off, seen(public_access_block=of(everything)))) == [("block_public_access", True, False)]
    assert plan(off, seen()).changes == ()


def test_tls_only() -> None:
    on, off = Wanted(tls_only=True), Wanted(tls_only=False)
    ours = s3_policy.tls_only_statement("backups", "aws")
    with_ours, theirs = of({"Statement": [ours]}), of({"Statement": {**ours, "Sid": "Theirs"}})
    assert changes(plan(on, seen())) == [("tls_only", False, True)]
    assert plan(on, seen(policy=with_ours)).changes == ()
    assert plan(on, seen(policy=theirs)).changes == ()
    weak = of({"Statement": [{**ours, "Principal": {"AWS": "111111111111"}}]})
    assert changes(plan(on, seen(policy=weak))) == [("tls_only", "incomplete", True)]
    assert changes(plan(off, seen(policy=with_ours))) == [("tls_only", True, False)]
    found = plan(off, seen(policy=theirs))
    assert found.changes == ()
    assert len(found.warnings) == 1
    assert [one.option for one in plan(on, seen(minio=True)).unsupported] == ["tls_only"]


def test_stale_uploads() -> None:
    week, never = Wanted(abort_stale_uploads=7), Wanted(abort_stale_uploads=NEVER)

    def rule(days: int) -> Reading[Any]:
        return of(Lifecycle(s3_lifecycle.with_rule(None, "fleet/", days)))

    assert changes(plan(week, seen())) == [("abort_stale_uploads", "never", "7d")]
    assert plan(week, seen(lifecycle=rule(7))).changes == ()
    assert changes(plan(week, seen(lifecycle=rule(3)))) == [("abort_stale_uploads", "3d", "7d")]
    assert changes(plan(never, seen(lifecycle=rule(3)))) == [("abort_stale_uploads", "3d", "never")]
    assert plan(never, seen()).changes == ()
    assert changes(plan(week, seen(prefix="other/", lifecycle=rule(7)))) == [("abort_stale_uploads", "never", "7d")]
    assert [one.option for one in plan(week, seen(minio=True)).unsupported] == ["abort_stale_uploads"]


def test_ownership() -> None:
    wanted = Wanted(object_ownership="BucketOwnerEnforced")
    assert plan(wanted, seen(ownership=of("BucketOwnerEnforced"))).changes == ()
    assert changes(plan(wanted, seen())) == [("object_ownership", None, "BucketOwnerEnforced")]


def test_what_the_store_does_not_know_is_said() -> None:
    everything = Wanted(
        object_ownership="ObjectWriter",
        encryption=Encryption("AES256"),
        versioning=True,
        object_lock_enabled=True,
        object_lock=Retention("GOVERNANCE", days=1),
        tls_only=True,
        block_public_access=True,
        abort_stale_uploads=7,
        shared_key_access=False,
    )
    assert everything.settings() == SETTINGS
    names = ("versioning", "encryption", "object_lock", "public_access_block", "policy", "lifecycle", "ownership")
    found = plan(everything, seen(**dict.fromkeys(names, UNSUPPORTED)))
    assert tuple(one.option for one in found.unsupported) == SETTINGS
    assert all(one.reason for one in found.unsupported)
    assert found.changes == ()


def test_what_is_not_wanted_is_not_touched() -> None:
    assert plan(Wanted(), seen(policy=of({"Statement": []}))) == Plan(Wanted(), True)


def test_diff() -> None:
    found = plan(Wanted(versioning=True, abort_stale_uploads=7), seen())
    assert diff_of(found.changes) == {
        "before": {"versioning": False, "abort_stale_uploads": "never"},
        "after": {"versioning": True, "abort_stale_uploads": "7d"},
    }
