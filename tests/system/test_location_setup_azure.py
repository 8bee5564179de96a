# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers of an Azurite, and its storage account in the testbed's Azure Resource Manager, are brought into the wanted state."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import retries
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.registry import open_location
from support import modules
from testbed import Azurite
from testbed.arm import ArmReply, ArmRequest
from testbed.arm_storage import ACTIONS, CONTAINER, GROUP, POLICY, RULES, SERVICE, StorageAccounts
from testbed.entra import Entra
from testbed.entra_applications import Application

KEY = "https://stowage.vault.azure.net/keys/backups"
SETTINGS: dict[str, Any] = {
    "object_ownership": "BucketOwnerEnforced",
    "encryption": {"algorithm": "aws:kms", "kms_key_id": KEY},
    "versioning": True,
    "object_lock": {"mode": "GOVERNANCE", "days": 7},
    "tls_only": True,
    "block_public_access": True,
    "abort_stale_uploads": "7d",
    "shared_key_access": False,
}
CHANGES = ["encryption", "versioning", "object_lock", "tls_only", "block_public_access", "shared_key_access"]
NEED_ARM = {*CHANGES}


class Account:
    """A storage account with everything that answers for it, and a location in it."""

    def __init__(self, azurite: Azurite, entra: Entra, both: Path) -> None:
        self.azurite, self.entra, self.both = azurite, entra, both
        self.application: Application = entra.register()
        self.storage = StorageAccounts(entra.arm, azurite)

    @property
    def arm_writes(self) -> list[str]:
        """The methods of requests that change something."""
        return [method for method, _dummy, _dummy_version in self.entra.arm.seen if method != "GET"]

    def token(self, **more: Any) -> dict[str, Any]:
        auth = {"method": "service_principal", "tenant": self.entra.tenant, "client_id": self.application.client_id}
        return {**auth, "secret": self.application.secret, "authority": self.entra.authority, **more}

    def options(self, bucket: str, **more: Any) -> dict[str, Any]:
        return {
            "provider": "azure",
            "storage_account": self.azurite.account,
            "endpoint": self.azurite.endpoint,
            "management_endpoint": self.entra.authority,
            "subscription": self.storage.subscription,
            "bucket": bucket,
            "prefix": "fleet",
            "ca_cert": str(self.both),
            "auth": self.token(),
            **more,
        }

    def by_key(self, bucket: str, **more: Any) -> dict[str, Any]:
        auth = {"method": "account_key", "account_key": self.azurite.key}
        return self.options(bucket, auth=auth, **more)


@pytest.fixture(scope="module")
def shared(azurite: Azurite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    with Entra(tmp_path_factory.mktemp("entra")) as entra:
        assert azurite.ca_cert is not None
        both = tmp_path_factory.mktemp("both") / "both.pem"
        both.write_text(azurite.ca_cert.read_text("utf-8") + entra.ca_cert.read_text("utf-8"), encoding="utf-8")
        yield Account(azurite, entra, both)


@pytest.fixture
def account(shared: Account) -> Account:
    """The account as it is at first; the container is a test's own."""
    shared.storage.reset()
    shared.entra.arm.denied = set()
    shared.entra.arm.seen.clear()
    return shared


def bring(location: dict[str, Any], *, check: bool = False, process: bool = False, **more: Any) -> dict[str, Any]:
    run = modules.run if process else modules.run_here
    found = run("backup_location", {"location": location, **more}, check=check, diff=True)
    shown = json.dumps({name: value for name, value in found.items() if name != "invocation"})
    assert location["auth"].get("secret", location["auth"].get("account_key", "no secret")) not in shown
    return found


def failure(location: dict[str, Any], *, check: bool = False, **more: Any) -> dict[str, Any]:
    with pytest.raises(modules.Failed) as caught:
        bring(location, check=check, **more)
    assert caught.value.result["hint"]
    return caught.value.result


def settings(found: dict[str, Any]) -> list[str]:
    return [change["setting"] for change in found["location"]["changes"]]


def name() -> str:
    return f"setup-{uuid.uuid4().hex[:12]}"


def exists(account: Account, bucket: str) -> bool:
    with account.azurite.client() as client:
        return bool(client.get_container_client(bucket).exists())


@pytest.mark.parametrize("there", [True, False], ids=["existing", "new"])
def test_everything(account: Account, there: bool) -> None:
    bucket = name()
    if there:
        account.azurite.create_bucket(bucket)
    wanted = {"create_bucket": True, **SETTINGS, **({} if there else {"object_lock_enabled": True})}
    location = account.options(bucket)
    predicted = bring(location, check=True, process=there, **wanted)
    assert exists(account, bucket) is there
    assert account.arm_writes == []
    made = bring(location, process=there, **wanted)
    assert made["location"] == predicted["location"]
    assert made["diff"] == predicted["diff"]
    assert set(settings(made)) == {*CHANGES, *(() if there else ("bucket", "object_lock_enabled"))}
    writes = len(account.arm_writes)
    for check in (False, True):
        again = bring(location, check=check, **wanted)
        assert again["changed"] is False
        assert again["diff"] == {"before": {}, "after": {}}
    assert len(account.arm_writes) == writes
    found = account.storage.account
    assert found["encryption"]["keyvaultproperties"]["keyname"] == "backups"
    assert found["encryption"]["services"], "what is not ours stays"
    assert found["networkAcls"] == {"defaultAction": "Deny"}
    assert found["minimumTlsVersion"] == "TLS1_2"
    assert found["supportsHttpsTrafficOnly"] is True
    assert found["allowSharedKeyAccess"] is found["allowBlobPublicAccess"] is False
    assert account.storage.service["isVersioningEnabled"] is True
    assert account.storage.service["deleteRetentionPolicy"] == {"enabled": True, "days": 7}
    assert account.storage.policies[bucket]["state"] == "Unlocked"
    assert account.storage.containers[bucket].get("immutableStorageWithVersioning") == (
        None if there else {"enabled": True}
    )


def test_all_can_be_taken_back_but_what_keeps_backups(account: Account) -> None:
    location = account.options(account.azurite.create_bucket(name()))
    bring(location, **SETTINGS)
    loose: dict[str, Any] = {
        "encryption": {"algorithm": "AES256"},
        "versioning": False,
        "tls_only": False,
        "block_public_access": False,
        "shared_key_access": True,
    }
    assert set(settings(bring(location, **loose))) == loose.keys()
    assert bring(location, **loose)["changed"] is False
    assert account.storage.account["minimumTlsVersion"] == "TLS1_2"


def test_the_resource_group_may_be_given(account: Account) -> None:
    bucket = account.azurite.create_bucket(name())
    bring(account.options(bucket, resource_group=GROUP), versioning=True)
    paths = [path for _dummy, path, _dummy_version in account.entra.arm.seen]
    assert not any(path.endswith("/storageAccounts") for path in paths), "nothing is looked for"
    wrong = account.options(bucket, resource_group="other")
    assert failure(wrong, versioning=True)["error_code"] == "bucket_not_found"
    assert failure(account.options(bucket, subscription=None), versioning=True)["error_code"] == "invalid_option"


@pytest.mark.parametrize("how", ["token", "key", "data"])
def test_a_container_is_made_only_when_told_to(account: Account, how: str) -> None:
    """Also by the Blob service alone: with a key, or where nothing says the subscription."""
    bucket = name()
    location = account.by_key(bucket) if how == "key" else account.options(bucket)
    location |= {"subscription": None} if how == "data" else {}
    for check in (True, False):
        assert failure(location, check=check)["error_code"] == "bucket_not_found"
    assert bring(location, check=True, create_bucket=True)["changed"] is True
    assert not exists(account, bucket)
    assert settings(bring(location, create_bucket=True)) == ["bucket"]
    assert exists(account, bucket)
    assert bring(location, create_bucket=True)["changed"] is False


def test_a_key_opens_no_settings_of_the_account(account: Account) -> None:
    bucket = name()
    location = account.by_key(bucket)
    for check in (True, False):
        failed = failure(location, check=check, create_bucket=True, **SETTINGS)
        assert failed["error_code"] == "unsupported_by_store"
        assert set(failed["error_details"]["options"]) == NEED_ARM
        assert "Resource Manager" in failed["msg"]
    assert not exists(account, bucket)
    lenient = bring(location, create_bucket=True, unsupported="warn", **SETTINGS)
    assert settings(lenient) == ["bucket"]
    assert {one["option"] for one in lenient["location"]["unsupported"]} == NEED_ARM
    assert account.entra.arm.seen == []
    sas = {"method": "sas", "sas_token": account.azurite.sas(None, "rwdlac")}
    assert failure(account.options(bucket, auth=sas), versioning=True)["error_code"] == "unsupported_by_store"
    nowhere = account.options(bucket, management_endpoint=None)
    assert "management_endpoint" in failure(nowhere, versioning=True)["msg"]


def test_what_azure_does_not_have(account: Account) -> None:
    location = account.options(account.azurite.create_bucket(name()))
    wanted: dict[str, Any] = {
        "object_ownership": "ObjectWriter",
        "object_lock_enabled": True,
        "object_lock": {"mode": "COMPLIANCE", "days": 1},
        "abort_stale_uploads": "3d",
        "encryption": {"algorithm": "aws:kms:dsse"},
        "versioning": True,
    }
    failed = failure(location, **wanted)
    assert set(failed["error_details"]["options"]) == wanted.keys() - {"versioning"}
    assert failure(location, abort_stale_uploads="never")["error_code"] == "unsupported_by_store"
    assert settings(bring(location, unsupported="warn", **wanted)) == ["versioning"]
    assert bring(location, unsupported="warn", **wanted)["changed"] is False


def test_an_encryption_scope_is_for_new_containers(account: Account) -> None:
    bucket = name()
    scope: dict[str, Any] = {"encryption": {"algorithm": "aws:kms", "kms_key_id": "backups"}}
    predicted = bring(account.options(bucket), check=True, create_bucket=True, **scope)
    assert bring(account.options(bucket), create_bucket=True, **scope)["location"] == predicted["location"]
    assert settings(predicted) == ["bucket", "encryption"]
    assert account.storage.containers[bucket]["defaultEncryptionScope"] == "backups"
    assert bring(account.options(bucket), **scope)["changed"] is False
    assert bring(account.options(bucket), encryption={"algorithm": "aws:kms"})["changed"] is False
    for other in ({"algorithm": "AES256"}, {"algorithm": "aws:kms", "kms_key_id": "other"}):
        assert failure(account.options(bucket), encryption=other)["error_code"] == "unsupported_by_store"
    there = account.azurite.create_bucket(name())
    assert failure(account.options(there), **scope)["error_code"] == "unsupported_by_store"
    odd = {"algorithm": "aws:kms", "kms_key_id": "https://example.com/x"}
    assert failure(account.options(there), encryption=odd)["error_code"] == "invalid_option"
    assert failure(account.options(there), encryption={"algorithm": "aws:kms"})["error_code"] == "invalid_option"


def test_a_store_that_does_not_keep_an_encryption_scope(account: Account) -> None:
    """Azurite makes the container and forgets the scope, which must not look like success."""
    bucket = name()
    scope: dict[str, Any] = {"encryption": {"algorithm": "aws:kms", "kms_key_id": "backups"}}
    assert settings(bring(account.by_key(bucket), check=True, create_bucket=True, **scope)) == ["bucket", "encryption"]
    failed = failure(account.by_key(bucket), create_bucket=True, **scope)
    assert failed["error_code"] == "unsupported_by_store"
    assert settings(failed) == ["bucket"]
    assert exists(account, bucket)


def test_a_public_container_is_closed(account: Account) -> None:
    bucket = account.azurite.create_bucket(name())
    location = account.options(bucket)
    bring(location)
    account.storage.containers[bucket] = {"publicAccess": "Blob"}
    account.storage.account["allowBlobPublicAccess"] = False
    found = bring(location, block_public_access=True)
    assert found["diff"]["before"] == {"block_public_access": "incomplete"}
    assert account.storage.containers[bucket]["publicAccess"] == "None"


# nothing is put at risk


def test_a_retention_only_gets_longer(account: Account) -> None:
    bucket = account.azurite.create_bucket(name())
    location = account.options(bucket)
    bring(location, object_lock={"mode": "GOVERNANCE", "days": 7})
    account.storage.policies[bucket]["allowProtectedAppendWrites"] = True
    for check in (True, False):
        assert (
            failure(location, check=check, object_lock={"mode": "GOVERNANCE", "days": 6})["error_code"]
            == "unsafe_change"
        )
    assert settings(bring(location, object_lock={"mode": "GOVERNANCE", "days": 8})) == ["object_lock"]
    assert account.storage.policies[bucket]["allowProtectedAppendWrites"] is True
    account.storage.lock(bucket)
    assert failure(location, object_lock={"mode": "GOVERNANCE", "days": 9})["error_code"] == "unsafe_change"
    assert bring(location, object_lock={"mode": "COMPLIANCE", "days": 8})["changed"] is False
    assert settings(bring(location, object_lock={"mode": "COMPLIANCE", "years": 1})) == ["object_lock"]
    assert account.storage.policies[bucket]["immutabilityPeriodSinceCreationInDays"] == 366
    assert account.storage.policies[bucket]["state"] == "Locked"


def test_a_retention_that_got_longer_meanwhile_stays(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = account.azurite.create_bucket(name())
    location = account.options(bucket)
    bring(location, object_lock={"mode": "GOVERNANCE", "days": 7})
    put = account.entra.arm.answer

    def raced(request: ArmRequest) -> Any:
        if request.method == "PUT" and "immutabilityPolicies" in request.path:
            account.storage.policies[bucket]["immutabilityPeriodSinceCreationInDays"] = 90
            account.storage.changed(bucket)
        return put(request)

    monkeypatch.setattr(account.entra.arm, "answer", raced)
    assert failure(location, object_lock={"mode": "GOVERNANCE", "days": 8})["error_code"] == "unsafe_change"
    assert account.storage.policies[bucket]["immutabilityPeriodSinceCreationInDays"] == 90


@pytest.mark.parametrize(("status", "carried_out"), [(500, True), (500, False), (429, False)])
def test_what_breaks_in_the_middle_is_tried_again(
    account: Account, monkeypatch: pytest.MonkeyPatch, status: int, carried_out: bool
) -> None:
    """Whether Azure carried out what it failed to answer shows when it is looked at again."""
    bucket, real, broken = name(), account.entra.arm.answer, set[str]()
    monkeypatch.setattr(retries, "FIRST_WAIT", 0.01)

    def breaks(request: ArmRequest) -> ArmReply:
        what = f"{request.method} {request.path}"
        if what in broken:
            return real(request)
        broken.add(what)
        if carried_out:
            real(request)
        return ArmReply(status, {"error": {"code": "InternalServerError", "message": "no"}})

    monkeypatch.setattr(account.entra.arm, "answer", breaks)
    made = bring(account.options(bucket), create_bucket=True, object_lock_enabled=True, **SETTINGS)
    assert set(settings(made)) == {"bucket", "object_lock_enabled", *CHANGES}
    assert len(broken) > 8
    assert bring(account.options(bucket), object_lock_enabled=True, **SETTINGS)["changed"] is False


@pytest.mark.parametrize("option", ["versioning", "tls_only", "object_lock"])
def test_an_account_that_does_not_keep_what_it_accepts(
    account: Account, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    location, real = account.options(account.azurite.create_bucket(name())), account.entra.arm.answer
    monkeypatch.setattr(retries, "FIRST_WAIT", 0.01)

    def forgets(request: ArmRequest) -> ArmReply:
        return real(request) if request.method == "GET" else ArmReply(200, {})

    monkeypatch.setattr(account.entra.arm, "answer", forgets)
    assert failure(location, **{option: SETTINGS[option]})["error_code"] == "outcome_unknown"


def test_version_level_immutability_stays(account: Account) -> None:
    bucket = name()
    lock: dict[str, Any] = {"create_bucket": True, "object_lock_enabled": True}
    assert failure(account.options(bucket), **lock)["error_code"] == "unsafe_change", "it needs versions"
    assert set(settings(bring(account.options(bucket), versioning=True, **lock))) == {
        "bucket",
        "object_lock_enabled",
        "versioning",
    }
    assert failure(account.options(bucket), versioning=False)["error_code"] == "unsafe_change"
    assert failure(account.options(bucket), object_lock_enabled=False)["error_code"] == "unsafe_change"


KEPT: dict[str, Any] = {"containerDeleteRetentionPolicy": {"enabled": True, "days": 7}}


def test_only_an_empty_container_is_deleted(account: Account) -> None:
    bucket = account.azurite.create_bucket(name())
    location = account.options(bucket)
    account.storage.service |= KEPT

    def stays() -> None:
        for check in (True, False):
            assert failure(location, check=check, state="absent")["error_code"] == "bucket_not_empty"
        assert exists(account, bucket)

    # Outside the location's prefix, too.
    account.azurite.write(bucket, "x", b"x")
    stays()
    with account.azurite.client() as client:
        blob = client.get_blob_client(bucket, "x")
        blob.delete_blob()
        blob.stage_block("YQ==", b"x")
        stays()
        blob.commit_block_list([])
        blob.delete_blob()
    predicted = bring(location, check=True, state="absent")
    assert exists(account, bucket)
    assert bring(location, state="absent")["location"] == predicted["location"]
    assert not exists(account, bucket)
    for check in (True, False):
        assert bring(location, check=check, state="absent")["changed"] is False


@pytest.mark.parametrize("how", ["off", "unset", "key", "no subscription"])
def test_a_container_is_deleted_only_if_that_can_be_undone(account: Account, how: str) -> None:
    """Nothing else would protect a backup that begins between the last look and the request."""
    bucket = account.azurite.create_bucket(name())
    location = account.by_key(bucket) if how == "key" else account.options(bucket)
    if how == "no subscription":
        location["subscription"] = None
    elif how == "off":
        account.storage.service["containerDeleteRetentionPolicy"] = {"enabled": False}
    for check in (True, False):
        found = failure(location, check=check, state="absent")
        assert found["error_code"] == "unsafe_change"
        assert "soft delete" in found["hint"] if how in {"off", "unset"} else "token" in found["hint"]
    assert exists(account, bucket)
    account.azurite.write(bucket, "x", b"x")
    assert failure(location, state="absent")["error_code"] == "bucket_not_empty"
    gone = {**location, "bucket": name()}
    assert bring(gone, state="absent")["changed"] is False


def test_who_may_not_see_whether_that_can_be_undone(account: Account) -> None:
    bucket = account.azurite.create_bucket(name())
    account.storage.service |= KEPT
    account.entra.arm.denied = {f"{SERVICE}/read"}
    found = failure(account.options(bucket), state="absent")
    assert found["error_details"]["actions"] == [f"{SERVICE}/read"]
    assert exists(account, bucket)


# permissions and accounts

READS = {f"{ACTIONS}/read", f"{SERVICE}/read", f"{POLICY}/read", f"{CONTAINER}/read"}


def test_all_that_may_not_be_read_is_named_at_once(account: Account) -> None:
    bucket = account.azurite.create_bucket(name())
    account.entra.arm.denied = READS - {f"{CONTAINER}/read"}
    failed = failure(account.options(bucket, resource_group=GROUP), **SETTINGS)
    assert failed["error_code"] == "permission_denied"
    assert set(failed["error_details"]["actions"]) == account.entra.arm.denied
    account.entra.arm.denied = {f"{CONTAINER}/read"}
    assert failure(account.options(bucket))["error_details"]["actions"] == [f"{CONTAINER}/read"]


WRITES = {
    "encryption": f"{ACTIONS}/write",
    "versioning": f"{SERVICE}/write",
    "object_lock": f"{POLICY}/write",
}


@pytest.mark.parametrize("forbidden", sorted(WRITES))
def test_exactly_what_is_forbidden_is_named(account: Account, forbidden: str) -> None:
    wanted = {option: SETTINGS[option] for option in WRITES}
    location = account.options(account.azurite.create_bucket(name()))
    account.entra.arm.denied = {WRITES[forbidden]}
    failed = failure(location, **wanted)
    assert failed["error_details"]["actions"] == [WRITES[forbidden]]
    assert set(settings(failed)) == wanted.keys() - {forbidden}
    account.entra.arm.denied = set()
    assert settings(bring(location, **wanted)) == [forbidden]


def test_who_may_not_make_a_container(account: Account) -> None:
    account.entra.arm.denied = {f"{CONTAINER}/write"}
    failed = failure(account.options(name()), create_bucket=True)
    assert failed["error_code"] == "permission_denied"
    assert failed["changed"] is False


def test_another_tenant_or_subscription_is_noticed_before_anything_is_made(account: Account) -> None:
    bucket, other = name(), str(uuid.uuid4())
    for named in (other, f"{account.entra.tenant}/{other}"):
        location = account.options(bucket, subscription=None, auth=account.token(account=named))
        for check in (True, False):
            subscription = {} if "/" in named else {"subscription": account.storage.subscription}
            found = failure({**location, **subscription}, check=check, create_bucket=True)
            assert found["error_code"] == "wrong_account", named
    assert not exists(account, bucket)
    right = f"{account.entra.tenant}/{account.storage.subscription}"
    location = account.options(bucket, subscription=None, auth=account.token(account=right))
    assert bring(location, create_bucket=True)["changed"] is True


def test_a_backup_is_not_written_into_another_subscription(account: Account) -> None:
    bucket, other = account.azurite.create_bucket(name()), str(uuid.uuid4())

    def write(named: str) -> None:
        location = open_location(account.options(bucket, subscription=None, auth=account.token(account=named)), {})
        try:
            location.create(uuid.uuid4().hex, b"x")
        finally:
            location.close()

    with pytest.raises(StowageError) as caught:
        write(f"{account.entra.tenant}/{other}")
    assert caught.value.code == "wrong_account"
    assert account.azurite.keys(bucket) == []
    write(f"{account.entra.tenant}/{account.storage.subscription}")
    # Who may not read the resource is not told: the tenant alone counts.
    account.entra.arm.denied = {f"{ACTIONS}/read"}
    write(f"{account.entra.tenant}/{other}")
    assert len(account.azurite.keys(bucket)) == 2


def test_validation_says_so_too(account: Account) -> None:
    bucket = account.azurite.create_bucket(name())

    def verdict(subscription: str) -> str:
        named = f"{account.entra.tenant}/{subscription}"
        location = account.options(bucket, subscription=None, auth=account.token(account=named))
        found = modules.run_here("backup_location_info", {"location": location, "fail_on": "never"})
        (check,) = [check for check in found["location"]["checks"] if check["id"] == "account"]
        return str(check["verdict"])

    assert verdict(account.storage.subscription) == "passed"
    assert verdict(str(uuid.uuid4())) == "failed"
    account.entra.arm.denied = {f"{ACTIONS}/read"}
    assert verdict(str(uuid.uuid4())) == "unknown"


# what validation sees of it

TOLD = ("public_access_block", "shared_key_access", "tls_only", "versioning", "soft_delete")
RULE: dict[str, Any] = {
    "enabled": True,
    "name": "tidy",
    "type": "Lifecycle",
    "definition": {
        "filters": {"blobTypes": ["blockBlob"], "prefixMatch": ["{bucket}/fl"]},
        "actions": {"baseBlob": {"delete": {"daysAfterModificationGreaterThan": 30}, "tierToArchive": {}}},
    },
}


def looked(location: dict[str, Any]) -> tuple[dict[str, dict[str, str]], dict[str, Any]]:
    """The checks by their ids, and the settings."""
    found = modules.run_here("backup_location_info", {"location": location})["location"]
    assert found["fit"] is True
    return {check["id"]: check for check in found["checks"]}, found["settings"]


def test_validation_sees_the_account(account: Account) -> None:
    bucket = account.azurite.create_bucket(name())
    location = account.options(bucket)
    account.storage.service = {}
    checks, shown = looked(location)
    assert {one: checks[one]["verdict"] for one in TOLD} == dict.fromkeys(TOLD, "warning")
    assert shown["shared_key_access"] is True
    bring(location, unsupported="warn", **SETTINGS)
    account.storage.service |= KEPT | {"deleteRetentionPolicy": {"enabled": True, "days": 9}}
    checks, shown = looked(location)
    assert {one: checks[one]["verdict"] for one in TOLD} == dict.fromkeys(TOLD, "passed")
    assert "7 days" in checks["default_retention"]["seen"]
    wanted = {"tls_only": True, "block_public_access": True, "shared_key_access": False, "minimum_tls": "TLS1_2"}
    assert wanted.items() <= shown.items()
    assert (shown["versioning"], shown["retention_days"], shown["soft_delete_days"]) == ("Enabled", 7, 9)
    assert account.azurite.keys(bucket) == []


def test_validation_sees_the_rules(account: Account) -> None:
    bucket = account.azurite.create_bucket(name())
    names = ("lifecycle_expiry", "lifecycle_archive")
    assert {looked(account.options(bucket))[0][one]["verdict"] for one in names} == {"passed"}
    account.storage.rules = json.loads(json.dumps([RULE]).replace("{bucket}", bucket))
    checks, _dummy = looked(account.options(bucket))
    assert {checks[one]["verdict"] for one in names} == {"warning"}
    assert "tidy" in checks["lifecycle_expiry"]["seen"]
    elsewhere, _dummy = looked(account.options(bucket, prefix="photos"))
    assert {elsewhere[one]["verdict"] for one in names} == {"passed"}


@pytest.mark.parametrize(
    ("denied", "unknown"),
    [
        (f"{ACTIONS}/read", {"public_access_block", "shared_key_access", "tls_only"}),
        (f"{SERVICE}/read", {"versioning", "soft_delete"}),
        (f"{RULES}/read", {"lifecycle_expiry", "lifecycle_archive"}),
        (f"{POLICY}/read", set()),
    ],
)
def test_what_validation_may_not_see(account: Account, denied: str, unknown: set[str]) -> None:
    """Each by itself. What the store shows by other means counts then."""
    bucket = account.azurite.create_bucket(name())
    account.entra.arm.denied = {denied}
    checks, _dummy = looked(account.options(bucket, resource_group=GROUP))
    told = {*TOLD, "lifecycle_expiry", "lifecycle_archive"}
    assert {one for one in told if checks[one]["verdict"] == "unknown"} == unknown
    for one in unknown:
        assert f"Allow {denied}" in checks[one]["fix"]


def test_validation_without_the_account_s_resource(account: Account) -> None:
    bucket = account.azurite.create_bucket(name())
    for location, words in (
        (account.by_key(bucket), "token"),
        (account.options(bucket, subscription=None), "subscription"),
    ):
        checks, shown = looked(location)
        assert words in checks["public_access_block"]["fix"]
        assert checks["public_access_block"]["verdict"] == "unknown"
        assert shown["tls_only"] is None
    nowhere, _dummy = looked(account.options(bucket, management_endpoint=None))
    assert nowhere["public_access_block"]["verdict"] == nowhere["lifecycle_expiry"]["verdict"] == "unsupported"
