# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What signatures and tokens say of themselves, by fields as Microsoft's documentation shows them."""

from __future__ import annotations

import base64
import datetime
import json
import urllib.parse
from typing import Any

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_claims import Sas, claims_of, sas_of

TENANT, OBJECT = "00000000-1111-2222-3333-444455556666", "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
ACCOUNT = "sv=2022-11-02&ss=bf&srt=co&sp=rwdl&st=2029-01-01&se=2030-01-02T03:04:05Z&spr=https&sig=x"
SERVICE = "sv=2022-11-02&sr=c&sp=rl&se=2030-01-02T03:04:05Z&sip=10.0.0.1-10.0.0.9&ses=scope&spr=https,http&sig=x"
USER = (
    f"sv=2022-11-02&sr=c&sp=racwdl&se=2030-01-02T03:04:05Z&skoid={OBJECT}&sktid={TENANT}"
    "&skt=2029-12-31T00:00:00Z&ske=2030-01-01T00:00:00Z&sks=b&skv=2022-11-02&sig=x"
)
POLICY = "sv=2022-11-02&sr=c&si=writers&sig=x"


def described(token: str) -> Sas:
    return sas_of(dict(urllib.parse.parse_qsl(token)))


def day(year: int, month: int, number: int, *time: int) -> datetime.datetime:
    hours, minutes, seconds = (*time, 0, 0, 0)[:3]
    since = datetime.timedelta(hours=hours, minutes=minutes, seconds=seconds)
    return datetime.datetime(year, month, number, tzinfo=datetime.UTC) + since


def test_an_accounts() -> None:
    found = described(ACCOUNT)
    assert (found.kind, found.services, found.kinds) == ("account", frozenset("bf"), frozenset("co"))
    assert found.permissions == frozenset("rwdl")
    assert (found.starts, found.expires) == (day(2029, 1, 1), day(2030, 1, 2, 3, 4, 5))
    assert found.tls_only
    assert found.whole


def test_a_containers() -> None:
    found = described(SERVICE)
    assert (found.kind, found.resource, found.scope, found.addresses) == ("service", "c", "scope", "10.0.0.1-10.0.0.9")
    assert not found.tls_only
    assert found.starts is None


def test_a_users_ends_with_its_key() -> None:
    found = described(USER)
    assert (found.kind, found.tenant, found.object_id) == ("user", TENANT, OBJECT)
    assert found.expires == day(2030, 1, 1)


def test_what_a_stored_policy_says_is_not_known() -> None:
    found = described(POLICY)
    assert (found.policy, found.permissions, found.expires) == ("writers", None, None)
    assert found.lacks("w", "o") == ()


def test_a_blobs_is_no_containers() -> None:
    assert not described(SERVICE.replace("sr=c", "sr=b")).whole


@pytest.mark.parametrize(
    ("token", "letter", "kind", "missing"),
    [
        (ACCOUNT, "l", "c", ()),
        (ACCOUNT, "w", "o", ()),
        (ACCOUNT.replace("sp=rwdl", "sp=rwl"), "d", "o", ("sp=d",)),
        (ACCOUNT.replace("srt=co", "srt=o"), "l", "c", ("srt=c",)),
        (ACCOUNT.replace("srt=co", "srt=c"), "r", "o", ("srt=o",)),
        (ACCOUNT.replace("ss=bf&srt=co&sp=rwdl", "ss=f&srt=s&sp=r"), "l", "c", ("ss=b", "srt=c", "sp=l")),
        (SERVICE, "w", "o", ("sp=w",)),
        (SERVICE.replace("sp=rl", "sp=rcl"), "w", "o", ("sp=w",)),
        (USER, "w", "o", ()),
        (SERVICE.replace("sp=rl&", ""), "r", "o", ("sp=r",)),
    ],
)
def test_what_is_missing_is_in_the_token(token: str, letter: str, kind: str, missing: tuple[str, ...]) -> None:
    assert described(token).lacks(letter, kind) == missing


def jwt(claims: Any) -> str:
    return f"e30.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.x"


def test_claims() -> None:
    assert claims_of(jwt({"tid": TENANT.upper(), "oid": OBJECT, "appid": "no id", "upn": "who@example.com"})) == {
        "tid": TENANT,
        "oid": OBJECT,
    }


@pytest.mark.parametrize(
    "token", ["", "opaque", "a.b", "a.!.c", jwt([]), jwt({"tid": ["x"]}), "a." + "e" * 70_000 + ".c"]
)
def test_what_is_no_token_has_no_claims(token: str) -> None:
    assert claims_of(token) == {}
