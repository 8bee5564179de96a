# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is made of answers of Azure, as Microsoft's documentation and issues of its clients show them."""

from __future__ import annotations

import datetime
import urllib.parse
from typing import Any

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import azure_judge
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_claims import Sas, sas_of
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_client import AzureSettings
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_errors import classify_answer
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_rights import (
    Right,
    fix_of_sas,
    judge,
    no_blocks,
    resource,
    rights,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_settings import (
    ContainerSettings,
    parse_container,
    parse_service,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_upload import Round, checksum_check
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import Failure, LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.prober import Access, Aim
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.readings import Reading
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.report import Check, Verdict

NOW = datetime.datetime(2026, 6, 1, tzinfo=datetime.UTC)
DENIED: Reading[Any] = Reading("denied", failure=Failure("permission_denied", "no", ""))
BLOBS = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
SETTINGS = AzureSettings.from_options({"storage_account": "acme", "bucket": "backups", "prefix": "fleet"}, {})
TENANT, OBJECT = "00000000-1111-2222-3333-444455556666", "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
SERVICE = "sr=c&sp=rwdl&se=2026-12-01&spr=https"
USER = f"sr=c&sp=rwdl&se=2026-06-03&spr=https&skoid={OBJECT}&sktid={TENANT}&ske=2026-06-07"
ACCOUNT = "ss=b&srt=co&sp=rwdl&se=2026-12-01&spr=https"


def sas(token: str) -> Sas:
    return sas_of(dict(urllib.parse.parse_qsl(token)))


def refused(code: str, status: int, text: str = "") -> LocationError:
    """A refusal of the service."""
    return LocationError(classify_answer(code, status, text, "Listing azure://acme/backups"))


def lost() -> LocationError:
    """A connection that broke."""
    return LocationError(Failure("endpoint_unreachable", "Listing: the connection was lost.", "Check.", transient=True))


def of(value: Any) -> Reading[Any]:
    return Reading("set", value)


# what a SAS says


@pytest.mark.parametrize(
    ("token", "verdict", "words"),
    [
        (SERVICE, Verdict.PASSED, "revoked by nothing but a new key, allows dlrw."),
        (ACCOUNT, Verdict.PASSED, "of the account"),
        (USER, Verdict.PASSED, "of a user"),
        ("sr=c&si=writers&spr=https", Verdict.PASSED, "policy writers"),
        (SERVICE + "&sip=10.0.0.1", Verdict.PASSED, "from 10.0.0.1 only"),
        (SERVICE.replace("spr=https", "spr=https,http"), Verdict.WARNING, "plain HTTP"),
        (SERVICE.replace("&spr=https", ""), Verdict.WARNING, "plain HTTP"),
        (ACCOUNT.replace("ss=b", "ss=bfqt"), Verdict.WARNING, "ss=bfqt"),
        (SERVICE.replace("sr=c", "sr=b"), Verdict.FAILED, "single blob"),
    ],
)
def test_how_far_a_sas_goes(token: str, verdict: Verdict, words: str) -> None:
    found = azure_judge.sas_checks(sas(token), NOW)[0]
    assert (found.id, found.verdict) == ("sas", verdict)
    assert words in found.seen
    assert bool(found.fix) is (verdict is not Verdict.PASSED)


@pytest.mark.parametrize(
    ("token", "verdict", "code"),
    [
        (SERVICE, Verdict.PASSED, ""),
        (SERVICE.replace("2026-12-01", "2026-06-10"), Verdict.WARNING, ""),
        (SERVICE.replace("2026-12-01", "2026-05-31T23:59:59Z"), Verdict.FAILED, "credentials_expired"),
        (SERVICE + "&st=2026-06-02", Verdict.FAILED, "credentials_invalid"),
        (USER, Verdict.PASSED, ""),
        (USER.replace("2026-06-03", "2026-06-01T12:00:00Z"), Verdict.WARNING, ""),
        (USER.replace("ske=2026-06-07", "ske=2026-05-01"), Verdict.FAILED, "credentials_expired"),
        ("sr=c&si=writers", Verdict.UNKNOWN, ""),
    ],
)
def test_when_a_sas_ends(token: str, verdict: Verdict, code: str) -> None:
    found = azure_judge.expiry_check(sas(token), NOW)
    assert (found.verdict, found.error_code) == (verdict, code)


# who


@pytest.mark.parametrize(
    ("error", "verdict", "code"),
    [
        (None, Verdict.PASSED, ""),
        (refused("AuthenticationFailed", 403), Verdict.FAILED, "credentials_invalid"),
        (
            refused("AuthenticationFailed", 403, "not valid in the specified time frame"),
            Verdict.FAILED,
            "credentials_expired",
        ),
        (refused("AuthenticationFailed", 403, "The Date header is too old"), Verdict.FAILED, "clock_skew"),
        (refused("InvalidAuthenticationInfo", 401), Verdict.FAILED, "credentials_invalid"),
        (refused("KeyBasedAuthenticationNotPermitted", 403), Verdict.FAILED, "permission_denied"),
        (refused("AuthorizationSourceIPMismatch", 403), Verdict.FAILED, "permission_denied"),
        (refused("AccountIsDisabled", 403), Verdict.FAILED, "permission_denied"),
        (refused("AuthorizationFailure", 403), Verdict.UNKNOWN, "permission_denied"),
        (refused("AuthorizationPermissionMismatch", 403), Verdict.PASSED, ""),
        (refused("ContainerNotFound", 404), Verdict.PASSED, ""),
        (lost(), Verdict.UNKNOWN, "endpoint_unreachable"),
    ],
)
def test_what_the_first_answer_says_of_credentials(error: LocationError | None, verdict: Verdict, code: str) -> None:
    found = azure_judge.credentials_check(error)
    assert (found.verdict, found.error_code) == (verdict, code)


def test_a_key_that_is_not_let_in_says_what_is() -> None:
    assert "service_principal" in azure_judge.credentials_check(refused("KeyBasedAuthenticationNotPermitted", 403)).fix


@pytest.mark.parametrize(
    ("claims", "token", "by_key", "words"),
    [
        ({}, "", True, "key of the storage account acme"),
        ({}, SERVICE, False, "in the name of the storage account acme"),
        ({}, USER, False, f"object {OBJECT} of the tenant {TENANT}"),
        (
            {"oid": OBJECT, "tid": TENANT, "appid": TENANT},
            "",
            False,
            f"application {TENANT} (object {OBJECT}) of the tenant",
        ),
        ({"oid": OBJECT}, "", False, f"(object {OBJECT})."),
    ],
)
def test_who_it_is(claims: dict[str, str], token: str, by_key: bool, words: str) -> None:
    found = azure_judge.identity_check("acme", claims, sas(token) if token else None, by_key=by_key)
    assert found.verdict is Verdict.PASSED
    assert words in found.seen


def test_a_token_that_says_nothing() -> None:
    assert azure_judge.identity_check("acme", {}, None, by_key=False).verdict is Verdict.UNKNOWN


def test_tenants() -> None:
    assert azure_judge.tenant_check(TENANT.upper(), TENANT).verdict is Verdict.PASSED
    for other in (OBJECT, ""):
        found = azure_judge.tenant_check(TENANT, other)
        assert (found.id, found.verdict, found.error_code) == ("account", Verdict.FAILED, "wrong_account")


# the container


def ids(checks: list[Check]) -> list[tuple[str, str]]:
    return [(check.id, check.verdict.value) for check in checks]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (refused("ContainerNotFound", 404), [("bucket", "failed")]),
        (refused("ContainerBeingDeleted", 409), [("bucket", "failed")]),
        (refused("AuthorizationFailure", 403), [("network_rules", "failed")]),
        (refused("ServerBusy", 503), [("listing", "failed")]),
        (lost(), [("listing", "failed")]),
        (
            LocationError(Failure("store_error", "the answer is no listing of the container", "")),
            [("bucket", "unknown"), ("listing", "failed")],
        ),
        (refused("AuthorizationPermissionMismatch", 403), [("bucket", "unknown"), ("listing", "unknown")]),
    ],
)
def test_a_container_that_does_not_list(error: LocationError, expected: list[tuple[str, str]]) -> None:
    assert ids(azure_judge.not_found_checks(error, None, "backups")) == expected


@pytest.mark.parametrize(
    ("blob", "verdict"),
    [
        (refused("BlobNotFound", 404), Verdict.PASSED),
        (refused("ContainerNotFound", 404), Verdict.FAILED),
        (refused("AuthorizationPermissionMismatch", 403), Verdict.UNKNOWN),
    ],
)
def test_a_container_that_may_not_be_listed(blob: LocationError, verdict: Verdict) -> None:
    denied = refused("AuthorizationPermissionMismatch", 403)
    assert azure_judge.not_found_checks(denied, blob, "backups")[0].verdict is verdict


# permissions


def right(name: str, aim: Aim | None = None) -> Right:
    return next(found for found in rights(aim or Aim("c"), "fleet/") if found.id == name)


def test_the_permissions_of_each_use() -> None:
    uses: dict[Access, list[str]] = {
        "read": ["may_list", "may_read"],
        "write": ["may_list", "may_create", "may_abort_uploads"],
        "delete": ["may_list", "may_delete"],
    }
    for use, names in uses.items():
        assert [found.id for found in rights(Aim("c", frozenset({"list", use})), "")] == names
    assert [found.id for found in rights(Aim("c"), "")] == ["may_list", "may_create", "may_read", "may_delete"]


def test_nothing_can_come_of_what_is_asked() -> None:
    create = right("may_create")
    assert create.parameters == {"comp": "blocklist"}
    assert create.headers["If-None-Match"] == "*"
    assert create.content is not None
    assert create.content.count(b"<Uncommitted>") == 1
    assert no_blocks() != no_blocks(), "nobody has such a block"
    for name in ("may_read", "may_delete"):
        assert right(name).key != right(name).key, "nobody has such a blob"
        assert right(name).key.startswith("fleet/clusters/c/")


def test_what_a_permission_is_for() -> None:
    container = "storageAccounts/acme/blobServices/default/containers/backups"
    assert resource(right("may_list"), SETTINGS) == container
    assert resource(right("may_read"), SETTINGS) == f"{container}/blobs/fleet/*"


@pytest.mark.parametrize("name", ["may_list", "may_create", "may_read", "may_delete"])
@pytest.mark.parametrize(
    ("error", "verdict", "granted"),
    [
        (refused("BlobNotFound", 404), Verdict.PASSED, "allowed"),
        (refused("InvalidBlockList", 400), Verdict.PASSED, "allowed"),
        (refused("BlobAlreadyExists", 409), Verdict.PASSED, "allowed"),
        (refused("ConditionNotMet", 412), Verdict.PASSED, "allowed"),
        (refused("BlobImmutableDueToPolicy", 409), Verdict.PASSED, "allowed"),
        (refused("LeaseIdMissing", 412), Verdict.PASSED, "allowed"),
        (refused("AuthorizationPermissionMismatch", 403), Verdict.FAILED, "missing"),
        (refused("InsufficientAccountPermissions", 403), Verdict.FAILED, "missing"),
        (refused("", 403), Verdict.FAILED, "missing"),
        (refused("AuthorizationFailure", 403), Verdict.UNKNOWN, "unknown"),
        (refused("KeyVaultEncryptionKeyNotFound", 403), Verdict.UNKNOWN, "unknown"),
        (refused("ServerBusy", 503), Verdict.UNKNOWN, "unknown"),
        (refused("ContainerNotFound", 404), Verdict.UNKNOWN, "unknown"),
        (lost(), Verdict.UNKNOWN, "unknown"),
    ],
)
def test_what_a_refusal_says_of_a_permission(name: str, error: LocationError, verdict: Verdict, granted: str) -> None:
    asked = right(name)
    found = judge(asked, error, None, "there")
    assert (found.verdict, found.granted) == (verdict, granted)
    assert (found.action, found.resource) == (asked.action, "there")
    assert found.fix or verdict is Verdict.PASSED or error.code == "bucket_not_found" or not error.hint


def test_the_firewall_is_named() -> None:
    assert "network rules" in judge(right("may_read"), refused("AuthorizationFailure", 403), None, "there").fix


def test_a_role_is_named_and_what_is_not_enough() -> None:
    found = judge(right("may_create"), refused("AuthorizationPermissionMismatch", 403), None, "there")
    assert found.seen == f"{BLOBS}/write is denied."
    assert "Storage Blob Data Contributor" in found.fix
    assert "Owner and Contributor" in found.fix


def test_a_users_sas_permits_what_the_user_may_do() -> None:
    found = judge(right("may_create"), refused("AuthorizationPermissionMismatch", 403), sas(USER), "there")
    assert found.action == f"{BLOBS}/write"
    assert OBJECT in found.fix


def test_a_stored_policy_is_named() -> None:
    policy = sas("sr=c&si=writers")
    found = judge(right("may_delete"), refused("AuthorizationPermissionMismatch", 403), policy, "there")
    assert found.action == "sp=d"
    assert found.fix == "Add d (delete) to the stored access policy writers."


@pytest.mark.parametrize(
    ("field", "words"),
    [("sp=l", "l (list)"), ("ss=b", "b (blob)"), ("srt=c", "c (containers)"), ("srt=o", "o (objects)")],
)
def test_what_a_sas_lacks_can_be_put_right(field: str, words: str) -> None:
    assert words in fix_of_sas(sas(ACCOUNT), field)


def test_to_abort_is_not_needed() -> None:
    abort = right("may_abort_uploads", Aim("c", frozenset({"list", "write"})))
    found = judge(abort, refused("AuthorizationPermissionMismatch", 403), None, "there")
    assert (found.verdict, found.granted) == (Verdict.WARNING, "missing")


# settings

# As in "Get Container Properties".
HEADERS = {
    "etag": '"0x8DB"',
    "x-ms-has-immutability-policy": "false",
    "x-ms-has-legal-hold": "false",
    "x-ms-immutable-storage-with-versioning-enabled": "false",
    "x-ms-default-encryption-scope": "$account-encryption-key",
}


def test_container_properties() -> None:
    assert parse_container(HEADERS) == ContainerSettings(scope="$account-encryption-key")
    found = parse_container(
        HEADERS
        | {
            "x-ms-has-immutability-policy": "true",
            "x-ms-has-legal-hold": "true",
            "x-ms-immutable-storage-with-versioning-enabled": "true",
            "x-ms-blob-public-access": "blob",
        }
    )
    assert found == ContainerSettings("blob", policy=True, hold=True, versions=True, scope="$account-encryption-key")


@pytest.mark.parametrize("without", ["etag", "x-ms-has-legal-hold", "x-ms-has-immutability-policy"])
def test_an_empty_answer_is_no_private_container(without: str) -> None:
    assert parse_container({name: value for name, value in HEADERS.items() if name != without}) is None
    assert parse_container({}) is None


def service(inside: str) -> bytes:
    """As in "Get Blob Service Properties"."""
    return f"\ufeff<?xml version='1.0' encoding='utf-8'?><StorageServiceProperties>{inside}</StorageServiceProperties>".encode()


@pytest.mark.parametrize(
    ("body", "state", "days"),
    [
        (service("<DeleteRetentionPolicy><Enabled>true</Enabled><Days>7</Days></DeleteRetentionPolicy>"), "set", 7),
        (service("<DeleteRetentionPolicy><Enabled>false</Enabled></DeleteRetentionPolicy>"), "unset", None),
        (service(""), "unknown", None),
        (
            service("<DeleteRetentionPolicy><Enabled>true</Enabled><Days>x</Days></DeleteRetentionPolicy>"),
            "unknown",
            None,
        ),
        (b"", "unsupported", None),
        (b"<html/>", "unsupported", None),
        (b"<!DOCTYPE x [<!ENTITY a 'b'>]>" + service(""), "unsupported", None),
    ],
)
def test_service_properties(body: bytes, state: str, days: int | None) -> None:
    found = parse_service(body, "Reading")
    assert (found.state, found.value) == (state, days)


@pytest.mark.parametrize("name", azure_judge.AUDIT_ACTIONS)
def test_what_may_not_be_read_is_unknown_and_says_what_to_allow(name: str) -> None:
    found = azure_judge.unread(name, DENIED)
    assert found is not None
    assert found.verdict is Verdict.UNKNOWN
    assert azure_judge.AUDIT_ACTIONS[name] in found.fix


@pytest.mark.parametrize(
    ("found", "engine", "expected"),
    [
        (ContainerSettings(), "velero", ["passed", "passed", "passed"]),
        (ContainerSettings(policy=True), "stowage", ["passed", "passed", "passed"]),
        (ContainerSettings(policy=True), "velero", ["passed", "warning", "passed"]),
        (ContainerSettings(hold=True), "stowage", ["passed", "passed", "warning"]),
        (ContainerSettings(versions=True), "stowage", ["passed", "unknown", "passed"]),
    ],
)
def test_locks(found: ContainerSettings, engine: str, expected: list[str]) -> None:
    checks = azure_judge.lock_checks(of(found), engine)
    assert [check.id for check in checks] == ["object_lock", "default_retention", "legal_hold"]
    assert [check.verdict.value for check in checks] == expected
    assert found.locked is (found.policy or found.hold)


def test_locks_that_may_not_be_read() -> None:
    assert [check.verdict for check in azure_judge.lock_checks(DENIED, "velero")] == [Verdict.UNKNOWN] * 3


@pytest.mark.parametrize(
    ("reading", "seen", "verdict"),
    [
        (of(ContainerSettings()), False, Verdict.PASSED),
        (of(ContainerSettings("container")), False, Verdict.FAILED),
        (of(ContainerSettings()), True, Verdict.FAILED),
        (DENIED, False, Verdict.PASSED),
        (DENIED, True, Verdict.FAILED),
        (DENIED, None, Verdict.UNKNOWN),
        (Reading("unsupported"), None, Verdict.UNSUPPORTED),
    ],
)
def test_public_access(reading: Reading[ContainerSettings], seen: bool | None, verdict: Verdict) -> None:
    found = azure_judge.public_check(reading, seen)
    assert found.verdict is verdict
    assert found.error_code == ("bucket_public" if verdict is Verdict.FAILED else "")


@pytest.mark.parametrize(
    ("error", "seen", "listed"),
    [
        (None, True, Verdict.FAILED),
        (refused("ResourceNotFound", 404), False, Verdict.PASSED),
        (refused("PublicAccessNotPermitted", 409), False, Verdict.PASSED),
        (refused("NoAuthenticationInformation", 401), False, Verdict.PASSED),
        (refused("AuthorizationFailure", 403), False, Verdict.PASSED),
        (refused("ServerBusy", 503), None, Verdict.UNKNOWN),
        (lost(), None, Verdict.UNKNOWN),
    ],
)
def test_what_is_shown_without_credentials(error: LocationError | None, seen: bool | None, listed: Verdict) -> None:
    assert azure_judge.blobs_seen(error) is seen
    assert azure_judge.anonymous_check(error).verdict is listed


def test_of_a_public_container_it_is_said_that_a_blob_is_missing() -> None:
    assert azure_judge.blobs_seen(refused("BlobNotFound", 404)) is True


@pytest.mark.parametrize(
    ("reading", "seen", "azure", "verdict", "words"),
    [
        (of(ContainerSettings(scope="$account-encryption-key")), Round(), True, Verdict.PASSED, "the account's key"),
        (of(ContainerSettings(scope="own")), Round(), True, Verdict.PASSED, "scope own"),
        (DENIED, Round(True, "sent"), True, Verdict.PASSED, "scope sent"),
        (DENIED, Round(True), False, Verdict.PASSED, "is encrypted."),
        (DENIED, Round(False), False, Verdict.WARNING, "does not say"),
        (DENIED, Round(), False, Verdict.UNKNOWN, ""),
    ],
)
def test_encryption(
    reading: Reading[ContainerSettings], seen: Round, azure: bool, verdict: Verdict, words: str
) -> None:
    found = azure_judge.encryption_check(reading, seen, azure=azure)
    assert found.verdict is verdict
    assert words in found.seen


@pytest.mark.parametrize(
    ("reading", "verdict"),
    [
        (of(True), Verdict.PASSED),
        (Reading("unset"), Verdict.WARNING),
        (Reading("unknown"), Verdict.UNKNOWN),
        (DENIED, Verdict.UNKNOWN),
        (Reading("unsupported"), Verdict.UNSUPPORTED),
    ],
)
def test_versions(reading: Reading[bool], verdict: Verdict) -> None:
    assert azure_judge.versioning_check(reading).verdict is verdict


@pytest.mark.parametrize(
    ("reading", "verdict"), [(of(7), Verdict.PASSED), (Reading("unset"), Verdict.WARNING), (DENIED, Verdict.UNKNOWN)]
)
def test_soft_delete(reading: Reading[int], verdict: Verdict) -> None:
    assert azure_judge.soft_delete_check(reading).verdict is verdict


@pytest.mark.parametrize(
    ("error", "azure", "verdict"),
    [
        (refused("AccountRequiresHttps", 400), True, Verdict.PASSED),
        (refused("ResourceNotFound", 404), True, Verdict.WARNING),
        (None, True, Verdict.WARNING),
        (lost(), True, Verdict.UNKNOWN),
        (None, False, Verdict.UNSUPPORTED),
    ],
)
def test_plain_http(error: LocationError | None, azure: bool, verdict: Verdict) -> None:
    assert azure_judge.tls_only_check(error, azure=azure).verdict is verdict


def test_what_only_the_resource_provider_knows() -> None:
    assert {check.verdict for check in azure_judge.lifecycle_checks(azure=True)} == {Verdict.UNKNOWN}
    assert {check.verdict for check in azure_judge.lifecycle_checks(azure=False)} == {Verdict.UNSUPPORTED}
    assert azure_judge.stale_uploads_check(azure=True).verdict is Verdict.PASSED
    assert azure_judge.stale_uploads_check(azure=False).verdict is Verdict.UNSUPPORTED


def test_checksums() -> None:
    verdicts = [checksum_check(Round(compared=value)).verdict for value in (True, False, None)]
    assert verdicts == [Verdict.PASSED, Verdict.UNSUPPORTED, Verdict.UNKNOWN]
