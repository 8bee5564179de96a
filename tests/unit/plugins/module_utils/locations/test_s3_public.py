# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a bucket's policy lets anybody do with a location."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_public import (
    matches,
    open_to_anybody,
    overlaps,
)

READ: dict[str, Any] = {
    "Effect": "Allow",
    "Principal": {"AWS": ["*"]},
    "Action": ["s3:GetObject"],
    "Resource": ["arn:aws:s3:::b/*"],
}
LIST: dict[str, Any] = {"Action": "s3:ListBucket", "Resource": "arn:aws:s3:::b"}


def found(**changes: Any) -> list[str]:
    """What is open to anybody by a statement that lets anybody read, with these changes."""
    statement = {name: value for name, value in (READ | changes).items() if value is not None}
    return open_to_anybody({"Statement": [statement]}, "b", "fleet/")


@pytest.mark.parametrize(
    ("changes", "actions"),
    [
        ({}, ["s3:GetObject"]),
        ({"Action": "s3:PutObject"}, ["s3:PutObject"]),
        ({"Action": ["s3:DeleteObject", "s3:GetBucketLocation"]}, ["s3:DeleteObject"]),
        ({"Action": None, "NotAction": "s3:PutObject"}, ["all but s3:PutObject"]),
        ({"Action": "s3:GetBucketLocation", "Resource": "arn:aws:s3:::b"}, []),
        ({"Effect": "Deny"}, []),
    ],
)
def test_actions(changes: dict[str, Any], actions: list[str]) -> None:
    assert found(**changes) == actions


@pytest.mark.parametrize(
    ("principal", "public"),
    [
        ("*", True),
        ({"AWS": "*"}, True),
        ({"AWS": ["arn:aws:iam::111122223333:root", "*"]}, True),
        ({"AWS": "arn:aws:iam::111122223333:root"}, False),
        ({"AWS": "arn:aws:iam::111122223333:role/*"}, False),
        ({"Service": "logging.s3.amazonaws.com"}, False),
        (None, False),
    ],
)
def test_principals(principal: Any, public: bool) -> None:
    assert bool(found(Principal=principal)) is public


def test_who_is_not_somebody_is_anybody() -> None:
    assert found(Principal=None, NotPrincipal={"AWS": "arn:aws:iam::111122223333:user/u"}) == ["s3:GetObject"]


@pytest.mark.parametrize(
    ("resource", "reached"),
    [
        ("arn:aws:s3:::b/fleet/*", True),
        ("arn:aws:s3:::b/fleet/clusters/a/*", True),
        ("arn:aws:s3:::b/fl*", True),
        ("arn:aws:s3:::b/*/a", True),
        ("arn:aws:s3:::b/f?eet/*", True),
        ("arn:aws-cn:s3:::b*", True),
        ("arn:aws:s3:::*", True),
        ("arn:aws:s3:*", True),
        ("*", True),
        ("b/*", True),
        ("arn:aws:s3:::b/photos/*", False),
        ("arn:aws:s3:::b/fleet", False),
        ("arn:aws:s3:::bb/*", False),
        ("arn:aws:s3:::other", False),
    ],
)
def test_resources(resource: str, reached: bool) -> None:
    assert bool(found(Resource=["arn:aws:s3:::other/*", resource])) is reached


def test_all_resources_but_one() -> None:
    assert found(Resource=None, NotResource="arn:aws:s3:::b/fleet/*") == ["s3:GetObject"], "not worth telling apart"


@pytest.mark.parametrize(
    ("condition", "public"),
    [
        ({"StringEquals": {"aws:PrincipalOrgID": "o-1"}}, False),
        ({"StringEqualsIfExists": {"aws:PrincipalOrgID": "o-1"}}, True),
        ({"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": "o-1/r-1/*"}}, False),
        ({"ForAllValues:StringLike": {"aws:PrincipalOrgPaths": "o-1/r-1/*"}}, True),
        ({"StringEquals": {"AWS:SourceVpce": ["vpce-1", "vpce-2"]}}, False),
        ({"StringNotEquals": {"aws:SourceVpce": "vpce-1"}}, True),
        ({"StringLike": {"aws:SourceVpce": ["vpce-1", "*"]}}, True),
        ({"ArnLike": {"aws:PrincipalArn": "*:*"}}, True),
        ({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::111122223333:*"}}, False),
        ({"StringEquals": {"aws:SourceAccount": "${aws:PrincipalAccount}"}}, True),
        ({"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}, False),
        ({"IpAddressIfExists": {"aws:SourceIp": "192.0.2.0/24"}}, False),
        ({"IpAddress": {"aws:SourceIp": ["192.0.2.0/24", "0.0.0.0/0"]}}, True),
        ({"IpAddress": {"aws:SourceIp": "2000::/3"}}, True),
        ({"IpAddress": {"aws:SourceIp": "everywhere"}}, True),
        ({"NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}}, True),
        ({"Bool": {"aws:SecureTransport": "true"}}, True),
        ({"StringLike": {"aws:Referer": "https://example.com/*"}}, True),
        ({"StringEquals": {"aws:PrincipalOrgID": []}}, True),
        ({"StringEquals": "x"}, True),
        ("x", True),
    ],
)
def test_conditions(condition: Any, public: bool) -> None:
    assert bool(found(Condition=condition)) is public


@pytest.mark.parametrize(
    ("prefixes", "public"),
    [
        ("photos/*", False),
        (["photos/", "fleets"], False),
        (["photos/", "fleet/clusters/"], True),
        ("", True),
        ("*", True),
        ("fl", True),
        ("fleet/", True),
    ],
)
def test_listings_of_other_prefixes(prefixes: Any, public: bool) -> None:
    """As `mc anonymous set download` writes them."""
    assert bool(found(**LIST, Condition={"StringLike": {"s3:prefix": prefixes}})) is public
    assert found(Action="s3:*", Condition={"StringLike": {"s3:prefix": prefixes}}) == ["s3:*"]


def test_policies_that_are_odd() -> None:
    for policy in (
        {},
        {"Statement": None},
        {"Statement": "x"},
        {"Statement": [7, {}]},
        {"Statement": {"Effect": "Allow"}},
    ):
        assert open_to_anybody(policy, "b", "") == []
    assert open_to_anybody({"Statement": READ}, "b", "") == ["s3:GetObject"]
    assert open_to_anybody({"Statement": [READ, READ]}, "b", "") == ["s3:GetObject"]


def test_patterns() -> None:
    assert matches("a*c?", "abbcd")
    assert matches("**", "")
    assert not matches("a", "ab")
    assert not matches("ab", "a")
    assert overlaps("abc", "ab")
    assert not overlaps("abc", "abd")
    # What is hostile takes no longer.
    assert not matches("*a" * 500 + "b", "a" * 1000)
