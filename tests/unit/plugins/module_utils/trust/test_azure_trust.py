# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What answers of Azure show, the SAS that a principal signs, and what makes no sense across tenants."""

from __future__ import annotations

import base64
import dataclasses
import datetime
import json
import typing as t
import urllib.parse
from pathlib import Path

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import transport_errors
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_errors import classify_answer
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_wire import API_VERSION
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import Failure
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import (
    azure,
    azure_others,
    azure_policy,
    azure_sas,
    azure_trials,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.azure_policy import Identity, Sas, Wanted
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.azure_sas import DelegationKey
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.lines import Answer

TENANT, OBJECT = "11111111-1111-1111-1111-111111111111", "33333333-3333-3333-3333-333333333333"
KEY = DelegationKey(
    OBJECT,
    TENANT,
    "2026-11-26T12:00:00Z",
    "2026-11-27T12:00:00Z",
    "b",
    "2021-12-02",
    base64.b64encode(b"0" * 32).decode(),
)
WANTED = Wanted(
    name="prod-1",
    account_id="/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/acme",
    container="backups",
    prefix="fleet",
    tenant=TENANT,
    clusters=("prod-1",),
    permissions="writer",
    identity=Identity("s", "g", "prod-1"),
)
XML = (
    "<UserDelegationKey><SignedOid>{}</SignedOid><SignedTid>{}</SignedTid><SignedStart>{}</SignedStart><SignedExpiry>{}</SignedExpiry>"
    "<SignedService>{}</SignedService><SignedVersion>{}</SignedVersion><Value>{}</Value></UserDelegationKey>"
)


def parts(key: DelegationKey) -> tuple[str, ...]:
    return key.object_id, key.tenant, key.starts, key.expires, key.service, key.version, key.value


@pytest.mark.parametrize(
    ("status", "code", "anonymous", "answer"),
    [
        (404, "BlobNotFound", False, Answer.ALLOWED),
        (400, "InvalidBlockList", False, Answer.ALLOWED),
        (409, "BlobAlreadyExists", False, Answer.ALLOWED),
        (409, "BlobImmutableDueToPolicy", False, Answer.ALLOWED),
        (403, "AuthorizationPermissionMismatch", False, Answer.REFUSED),
        # A proxy's page, whoever asks, and whether or not it would be a refusal.
        (403, "", False, Answer.UNDECIDED),
        (403, "", True, Answer.UNDECIDED),
        (401, "", True, Answer.UNDECIDED),
        (404, "", True, Answer.UNDECIDED),
        (404, "", False, Answer.UNDECIDED),
        (412, "", False, Answer.UNDECIDED),
        # The firewall, or another account: nothing that says what the caller may do.
        (403, "AuthorizationFailure", False, Answer.UNDECIDED),
        (401, "InvalidAuthenticationInfo", False, Answer.UNDECIDED),
        (404, "ContainerNotFound", False, Answer.UNDECIDED),
        (404, "ResourceNotFound", False, Answer.UNDECIDED),
        (503, "ServerBusy", False, Answer.UNDECIDED),
        (404, "BlobNotFound", True, Answer.ALLOWED),
        (404, "ResourceNotFound", True, Answer.REFUSED),
        (409, "PublicAccessNotPermitted", True, Answer.REFUSED),
        (401, "NoAuthenticationInformation", True, Answer.REFUSED),
        # Others may be let in.
        (403, "AuthorizationFailure", True, Answer.UNDECIDED),
        (400, "Md5Mismatch", False, Answer.ALLOWED),
        (500, "InternalError", True, Answer.UNDECIDED),
    ],
)
def test_what_an_answer_shows(status: int, code: str, anonymous: bool, answer: Answer) -> None:
    failure = classify_answer(code, status, "", "Trying")
    assert azure_trials._told("x", failure, anonymous=anonymous).answer is answer


@pytest.mark.parametrize(
    ("status", "code", "same_port", "answer"),
    [
        (400, "AccountRequiresHttps", False, Answer.REFUSED),
        (400, "", True, Answer.REFUSED),
        (400, "", False, Answer.UNDECIDED),
        (301, "", False, Answer.UNDECIDED),
        (403, "AuthorizationFailure", False, Answer.UNDECIDED),
        (503, "ServerBusy", False, Answer.UNDECIDED),
        (404, "ResourceNotFound", False, Answer.ALLOWED),
        (409, "PublicAccessNotPermitted", False, Answer.ALLOWED),
        (401, "NoAuthenticationInformation", True, Answer.ALLOWED),
    ],
)
def test_what_an_answer_over_plain_http_shows(status: int, code: str, same_port: bool, answer: Answer) -> None:
    """Whoever is answered at all was not refused for want of TLS."""
    failure = classify_answer(code, status, "", "Trying")
    assert azure_trials._plainly(failure, same_port=same_port).answer is answer


@pytest.mark.parametrize(
    ("failure", "same_port", "answer"),
    [
        (transport_errors.nothing_answers("x"), False, Answer.UNDECIDED),
        (transport_errors.name_unknown("x", ""), False, Answer.UNDECIDED),
        (transport_errors.no_connection_in_time("x"), True, Answer.UNDECIDED),
        (transport_errors.connection_lost("x"), False, Answer.UNDECIDED),
        # TLS is answered there just before and again after.
        (transport_errors.connection_lost("x"), True, Answer.REFUSED),
    ],
)
def test_a_port_that_cannot_be_reached_from_here_proves_nothing(
    failure: Failure, same_port: bool, answer: Answer
) -> None:
    assert azure_trials._plainly(failure, same_port=same_port).answer is answer


def test_clusters_that_conditions_name() -> None:
    condition = azure_policy.condition(dataclasses.replace(WANTED, clusters=("prod-1", "prod-2"), permissions="pruner"))
    other = "(@Resource[x:path] StringLike 'fleet/clusters/edge-1/backups/*' OR 'elsewhere/clusters/no/x' OR 'fleet/clusters/*/y')"
    assignments = [{"properties": {"condition": one}} for one in (condition, other, None)] + [{}]
    assert azure_others.named("fleet/clusters/", assignments) == {"prod-1", "prod-2", "edge-1"}
    assert azure_others.named("clusters/", [{"properties": {"condition": "'fleet/clusters/no/x'"}}]) == set()


@pytest.mark.parametrize("addresses", ["", "192.0.2.1", "192.0.2.1-192.0.2.9"])
def test_a_sas_is_signed_as_microsoft_s_client_does(addresses: str) -> None:
    from azure.storage.blob import UserDelegationKey, generate_container_sas

    theirs: t.Any = t.cast("t.Any", UserDelegationKey)()
    (
        theirs.signed_oid,
        theirs.signed_tid,
        theirs.signed_start,
        theirs.signed_expiry,
        theirs.signed_service,
        theirs.signed_version,
        theirs.value,
    ) = parts(KEY)
    expiry: t.Any = KEY.expires
    wanted = generate_container_sas(
        "acme",
        "backups",
        user_delegation_key=theirs,
        permission="rcwl",
        expiry=expiry,
        ip=addresses or None,
        protocol="https",
    )
    ours = dict(urllib.parse.parse_qsl(azure_sas.token(KEY, "acme", "backups", "rcwl", addresses)))
    expected = dict(urllib.parse.parse_qsl(wanted))
    assert ours.keys() == expected.keys()
    different = {name for name in ours if ours[name] != expected[name]}
    # Microsoft's client is of another version, and signs for that.
    assert different <= ({"sv", "sig"} if expected["sv"] != API_VERSION else set())


def test_a_delegation_key_is_read() -> None:
    assert azure_sas.parse_key(XML.format(*parts(KEY)).encode()) == KEY
    assert KEY.value not in repr(KEY)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"<UserDelegationKey/>",
        b"<!DOCTYPE a><UserDelegationKey/>",
        XML.format(*parts(KEY)[:-1], "not base64!").encode(),
    ],
)
def test_an_answer_that_is_no_delegation_key(body: bytes) -> None:
    with pytest.raises(StowageError) as caught:
        azure_sas.parse_key(body)
    assert caught.value.code == "store_error"


def written(path: Path, hours: float, address: str = "azure://acme/backups", permissions: str = "rl") -> None:
    end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=hours)
    fields = {"se": end.strftime("%Y-%m-%dT%H:%M:%SZ"), "sp": permissions, "skoid": OBJECT, "sr": "c", "sig": "x"}
    document = {"sas_token": urllib.parse.urlencode(fields), "address": address}
    path.write_text(json.dumps(document), encoding="ascii")


@pytest.mark.parametrize(
    ("hours", "more", "fits"),
    [
        (20.0, {}, True),
        (13.0, {}, True),
        (11.0, {}, False),
        (-1.0, {}, False),
        (100.0, {}, False),
        (20.0, {"address": "azure://acme/other"}, False),
        (20.0, {"permissions": "rwl"}, False),
    ],
)
def test_a_sas_is_kept_for_half_of_its_time(tmp_path: Path, hours: float, more: dict[str, str], fits: bool) -> None:
    path = tmp_path / "sas.json"
    sas = Sas(24, str(path))
    assert azure_sas.kept(sas, "rl", "azure://acme/backups", OBJECT) == (False, False)
    written(path, hours, **more)
    assert azure_sas.kept(sas, "rl", "azure://acme/backups", OBJECT) == (True, fits)
    assert azure_sas.kept(sas, "rl", "azure://acme/backups", TENANT) == (True, False), "of another signer"


def test_an_identity_of_another_tenant_is_of_no_use() -> None:
    properties = {"tenantId": "99999999-9999-9999-9999-999999999999", "principalId": OBJECT, "clientId": OBJECT}
    with pytest.raises(StowageError) as caught:
        azure._who(WANTED, {"properties": properties})
    assert caught.value.code == "invalid_option"
    assert "federation" in caught.value.hint
    assert azure._who(WANTED, {"properties": {**properties, "tenantId": TENANT.upper()}}).object_id == OBJECT
