# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How tasks get to sign requests to Azure, and where credentials never go. Entra is the testbed's, which verifies."""

from __future__ import annotations

import base64
import datetime
import logging
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.azure import (
    AzureCredentials,
    Unsigned,
    azure_credentials,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.tenant import TenantCheck
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_arm import ArmCalls, open_arm
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_client import AzureSettings
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.registry import open_location
from testbed.entra import Entra
from testbed.entra_applications import Application, service_account_token
from testbed.pki import Authority

OWN = {"storage_account": "acme", "bucket": "backups"}
OTHER = {**OWN, "endpoint": "https://azurite.example:10000"}
PLAIN = {**OWN, "endpoint": "http://azurite.example:10000"}
KEY = base64.b64encode(b"canary-key").decode()
SAS = "sv=2022-11-02&ss=b&srt=co&sp=rwdl&se=2030-01-02T03:04:05Z&spr=https&sig=ca%2Bnary%3D"
REQUEST = Unsigned("GET", "acme", "/backups/a", {}, {})
ENVIRON = {
    "AZURE_CLIENT_ID": "env-client",
    "AZURE_SECRET": "env-canary",
    "AZURE_TENANT": "env-tenant",
    "AZURE_STORAGE_KEY": KEY,
    "AZURE_STORAGE_SAS_TOKEN": SAS,
    "AZURE_FEDERATED_TOKEN_FILE": "/nonexistent",
}


@pytest.fixture(autouse=True)
def _no_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """No identity of the machine that runs the tests, and trusted certificates of the environment that know nobody here."""
    for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER", "MSI_ENDPOINT", "IMDS_ENDPOINT", *ENVIRON):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def entra(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Entra]:
    """A server that gives tokens."""
    with Entra(tmp_path_factory.mktemp("entra")) as server:
        yield server


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    """The key of a cluster's service account tokens."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def credentials(
    auth: dict[str, Any],
    environ: dict[str, str] | None = None,
    where: dict[str, Any] | None = None,
    ca: Path | None = None,
) -> AzureCredentials:
    """The credentials of a location with these options."""
    settings = AzureSettings.from_options(where or OWN, environ or {})
    return azure_credentials(auth, environ or {}, settings, str(ca) if ca else None)


def code_of(action: Callable[[], object]) -> str:
    """The error code that an action fails with; nothing secret is said."""
    with pytest.raises(StowageError) as caught:
        action()
    assert "canary" not in str(caught.value.as_result())
    assert caught.value.__cause__ is None
    return caught.value.code


def principal(entra: Entra, application: Application, **changes: Any) -> dict[str, Any]:
    """Options of a service principal."""
    return {
        "method": "service_principal",
        "tenant": entra.tenant,
        "client_id": application.client_id,
        "secret": application.secret,
        "authority": entra.authority,
        **changes,
    }


def bearer(found: AzureCredentials) -> str:
    """The token that a request gets."""
    scheme, _dummy, token = found.sign(REQUEST).headers["Authorization"].partition(" ")
    assert scheme == "Bearer"
    return token


def test_an_authority_that_is_not_azures_gets_nothing_of_the_environment() -> None:
    environ = {"AZURE_TENANT": "t", "AZURE_CLIENT_ID": "c", "AZURE_SECRET": "canary"}
    auth = {"method": "service_principal", "authority": "https://evil.example"}
    assert code_of(lambda: credentials(auth, environ)) == "credentials_missing"
    own = {"method": "service_principal", "authority": "https://login.microsoftonline.us"}
    assert credentials(own, environ).secrets() == {"canary"}


# keys and SAS


def test_an_account_key_signs_and_is_secret() -> None:
    found = credentials({"method": "account_key", "account_key": KEY})
    assert found.sign(REQUEST).headers["Authorization"].startswith("SharedKey acme:")
    assert found.secrets() == {KEY}
    assert found.expires is None
    assert credentials({"method": "account_key"}, ENVIRON).secrets() == {KEY}


@pytest.mark.parametrize("text", ["canary!", "canary", "=", "cañary="])
def test_an_account_key_that_is_none(text: str) -> None:
    assert code_of(lambda: credentials({"method": "account_key", "account_key": text})) == "credentials_invalid"


@pytest.mark.parametrize("text", [SAS, "?" + SAS, f"  {SAS}\n", SAS + "&"])
def test_a_sas_becomes_part_of_the_url(text: str) -> None:
    found = credentials({"method": "sas", "sas_token": text})
    assert found.sign(REQUEST).query == SAS
    assert found.sign(REQUEST).headers == {}
    assert {SAS, "ca%2Bnary%3D", "ca+nary="} <= found.secrets()
    assert found.expires == datetime.datetime(2030, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    "text",
    [
        "canary",
        "sv=1&se=canary",
        f"https://acme.blob.core.windows.net/backups?{SAS}",
        "sig=can ary",
        "sig=a\nHost: canary",
        "sig=a#canary",
    ],
)
def test_a_sas_that_is_none(text: str) -> None:
    assert code_of(lambda: credentials({"method": "sas", "sas_token": text})) == "credentials_invalid"


def test_a_sas_by_a_stored_policy_has_no_end_that_is_known() -> None:
    assert credentials({"method": "sas", "sas_token": "si=policy&sig=x"}).expires is None
    day = credentials({"method": "sas", "sas_token": "se=2030-01-02&sig=x"}).expires
    assert day == datetime.datetime(2030, 1, 2, tzinfo=datetime.UTC)


def test_nobody_can_renew_a_sas_which_is_said_before_a_long_task() -> None:
    (dated,) = credentials({"method": "sas", "sas_token": SAS}).warnings()
    (policy,) = credentials({"method": "sas", "sas_token": "si=policy&sig=x"}).warnings()
    assert "2030-01-02T03:04:05+00:00" in dated
    assert "a time that is not known" in policy
    assert "canary" not in dated + policy
    assert credentials({"method": "account_key", "account_key": KEY}).warnings() == ()
    location = open_location(
        {
            "provider": "azure",
            "storage_account": "acme",
            "bucket": "backups",
            "auth": {"method": "sas", "sas_token": SAS},
        },
        {},
    )
    assert location.warnings() == (dated,)
    location.close()


# the environment


@pytest.mark.parametrize("method", ["account_key", "sas", "service_principal", "workload_identity", "managed_identity"])
def test_what_the_environment_has_stays_at_azures_own_endpoints(method: str) -> None:
    credentials({"method": method}, ENVIRON).close()
    for where in (OTHER, {**OTHER, "endpoint": "https://acme.blob.core.windows.net.evil.example"}):
        assert code_of(lambda: credentials({"method": method}, ENVIRON, where)) == "credentials_missing"  # noqa: B023


@pytest.mark.parametrize("method", ["service_principal", "workload_identity", "managed_identity"])
def test_what_the_environment_has_stays_at_azures_own_resource_manager(method: str, tmp_path: Path) -> None:
    """Though the data is at Azure."""

    def arm(management: str | None, auth: dict[str, Any]) -> ArmCalls | None:
        settings = AzureSettings.from_options({**OWN, "management_endpoint": management}, {})
        return open_arm(settings, {"method": method, **auth}, ENVIRON, None, threading.Event())

    for own in (None, "https://management.azure.com/", "https://Management.usgovcloudapi.net"):
        found = arm(own, {})
        assert found is not None
        found.close()
    for other in (
        "https://evil.example",
        "https://management.azure.com.evil.example",
        "https://management.azure.com:8443",
    ):
        assert code_of(lambda: arm(other, {})) == "credentials_missing"  # noqa: B023
    given = {"tenant": "t", "client_id": "c", "secret": "mine", "federated_token_file": str(tmp_path)}
    if method != "managed_identity":
        found = arm("https://azure-stack.example", given)
        assert found is not None
        found.close()


@pytest.mark.parametrize("method", ["account_key", "sas"])
@pytest.mark.parametrize("management", ["https://management.azure.com", "https://azure-stack.example"])
def test_resource_manager_is_not_asked_with_keys(method: str, management: str) -> None:
    settings = AzureSettings.from_options({**OWN, "management_endpoint": management}, {})
    assert open_arm(settings, {"method": method}, ENVIRON, None, threading.Event()) is None


def test_options_come_before_the_environment() -> None:
    found = credentials({"method": "sas", "sas_token": "sig=other"}, ENVIRON)
    assert found.secrets() == {"sig=other", "other"}
    default = credentials({}, ENVIRON)
    assert default.secrets() == {"env-canary"}
    default.close()
    mine = credentials({"method": "service_principal", "secret": "mine"}, ENVIRON)
    assert mine.secrets() == {"mine"}
    mine.close()


@pytest.mark.parametrize(
    ("auth", "missing"),
    [
        ({"method": "account_key"}, "account_key"),
        ({"method": "sas"}, "sas_token"),
        ({"method": "service_principal"}, "tenant"),
        ({"method": "service_principal", "tenant": "t"}, "client_id"),
        ({"method": "service_principal", "tenant": "t", "client_id": "c"}, "secret"),
        ({"method": "workload_identity", "tenant": "t", "client_id": "c"}, "federated_token_file"),
    ],
)
def test_what_is_missing_is_named(auth: dict[str, Any], missing: str) -> None:
    with pytest.raises(StowageError) as caught:
        credentials(auth)
    assert caught.value.code == "credentials_missing"
    assert f"lack {missing}." in caught.value.message


@pytest.mark.parametrize("method", ["sas", "service_principal", "workload_identity", "managed_identity"])
def test_what_works_for_whoever_has_it_never_goes_over_plain_http(method: str) -> None:
    auth = {"method": method, "sas_token": SAS, "tenant": "t", "client_id": "c", "secret": "canary"}
    assert code_of(lambda: credentials(auth, {}, PLAIN)) == "invalid_option"
    assert credentials({"method": "account_key", "account_key": KEY}, {}, PLAIN).secrets() == {KEY}


def test_methods_of_others_and_odd_authorities() -> None:
    assert code_of(lambda: credentials({"method": "assume_role"})) == "invalid_option"
    auth = {"method": "service_principal", "tenant": "t", "client_id": "c", "secret": "canary"}
    for authority in ("http://login.example", "https://who:canary@login.example", "login.example", "https://a/b"):
        assert code_of(lambda: credentials({**auth, "authority": authority})) == "invalid_option"  # noqa: B023
    both = {**auth, "x509_certificate_path": "/etc/app.pem"}
    assert code_of(lambda: credentials(both)) == "invalid_option"
    assert code_of(lambda: credentials({**auth, "tenant": "no tenant!"})) == "credentials_invalid"


# tokens


def test_a_service_principal_with_a_secret(entra: Entra) -> None:
    application = entra.register()
    found = credentials(principal(entra, application), where=OTHER, ca=entra.ca_cert)
    before = len(entra.asked)
    assert bearer(found) == bearer(found)
    assert len(entra.asked) == before + 1, "a token is used until it is about to expire"
    assert entra.asked[-1]["client_id"] == application.client_id
    assert found.secrets() == {application.secret}
    found.close()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"secret": "canary"}, "credentials_invalid"),
        ({"client_id": "00000000-0000-0000-0000-000000000000"}, "credentials_invalid"),
        ({"tenant": "00000000-0000-0000-0000-000000000000"}, "credentials_invalid"),
    ],
)
def test_what_entra_refuses(entra: Entra, change: dict[str, str], code: str, capfd: pytest.CaptureFixture[str]) -> None:
    found = credentials(principal(entra, entra.register(), **change), where=OTHER, ca=entra.ca_cert)
    with pytest.raises(LocationError) as caught:
        found.sign(REQUEST)
    assert caught.value.code == code
    assert caught.value.failure.doubt == "unsent"
    assert "canary" not in str(caught.value.as_result())
    assert "Entra" in caught.value.message
    found.close()
    assert capfd.readouterr().err == "", "an SDK's warnings reach nobody"


def test_an_expired_secret(entra: Entra) -> None:
    found = credentials(principal(entra, entra.register(secret_expired=True)), where=OTHER, ca=entra.ca_cert)
    assert code_of(lambda: found.sign(REQUEST)) == "credentials_expired"
    found.close()


def test_a_token_is_renewed_before_it_expires(entra: Entra, monkeypatch: pytest.MonkeyPatch) -> None:
    found = credentials(principal(entra, entra.register()), where=OTHER, ca=entra.ca_cert)
    monkeypatch.setattr(entra, "lifetime", 60)
    tokens = {bearer(found) for _dummy in range(3)}
    assert len(tokens) == 3, "a minute is less than what a long request needs"
    found.close()


def test_a_busy_token_service_is_worth_another_try(entra: Entra) -> None:
    found = credentials(principal(entra, entra.register()), where=OTHER, ca=entra.ca_cert)
    entra.busy = 1
    with pytest.raises(LocationError) as caught:
        found.sign(REQUEST)
    assert caught.value.failure.transient
    assert bearer(found)
    found.close()


def test_the_token_service_is_checked_against_ca_cert(
    entra: Entra, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Authority(tmp_path, "other").pair.certificate
    auth = principal(entra, entra.register())
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other))
    good = credentials(auth, where=OTHER, ca=entra.ca_cert)
    assert bearer(good), "ca_cert comes before the environment"
    good.close()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(entra.ca_cert))
    bad = credentials(auth, where=OTHER, ca=other)
    assert code_of(lambda: bad.sign(REQUEST)) == "tls_untrusted"
    bad.close()


def test_a_token_service_that_is_not_there(entra: Entra) -> None:
    auth = principal(entra, entra.register(), authority="https://127.0.0.1:1")
    found = credentials(auth, where=OTHER, ca=entra.ca_cert)
    assert code_of(lambda: found.sign(REQUEST)) == "endpoint_unreachable"
    found.close()


def made_certificate(password: bytes | None = None) -> tuple[x509.Certificate, bytes]:
    """A certificate, and a file of it with its key."""
    own = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "stowage")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(own.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now)
    certificate = builder.not_valid_after(now + datetime.timedelta(days=1)).sign(own, hashes.SHA256())
    encryption: Any = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    pem = own.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    return certificate, pem + certificate.public_bytes(serialization.Encoding.PEM)


@pytest.mark.parametrize("password", ["", "canary-password"])
def test_a_service_principal_with_a_certificate(entra: Entra, tmp_path: Path, password: str) -> None:
    certificate, text = made_certificate(password.encode() or None)
    file = tmp_path / "app.pem"
    file.write_bytes(text)
    application = entra.register(certificate=certificate)
    auth = principal(entra, application, secret=None, x509_certificate_path=str(file))
    if password:
        assert code_of(lambda: credentials(auth, where=OTHER, ca=entra.ca_cert)) == "credentials_invalid"
        auth["x509_certificate_password"] = password
    found = credentials(auth, where=OTHER, ca=entra.ca_cert)
    assert bearer(found)
    assert found.secrets() == ({password} if password else frozenset())
    found.close()
    application.certificate = made_certificate()[0]
    refused = credentials(auth, where=OTHER, ca=entra.ca_cert)
    assert code_of(lambda: refused.sign(REQUEST)) == "credentials_invalid"
    refused.close()


def test_a_certificate_that_is_none(entra: Entra, tmp_path: Path) -> None:
    file = tmp_path / "app.pem"
    auth = principal(entra, entra.register(), secret=None, x509_certificate_path=str(file))
    assert code_of(lambda: credentials(auth)) == "credentials_missing"
    file.write_text("canary", encoding="utf-8")
    assert code_of(lambda: credentials(auth)) == "credentials_invalid"


ISSUER, SUBJECT = "https://oidc.example/cluster", "system:serviceaccount:velero:stowage"


def federated(entra: Entra, key: rsa.RSAPrivateKey) -> Application:
    """An application that trusts a service account."""
    return entra.register(issuer=ISSUER, issuer_key=key.public_key(), subject=SUBJECT)


def workload(entra: Entra, application: Application, file: Path) -> AzureCredentials:
    """Credentials by a service account's token in a file."""
    auth = principal(entra, application, method="workload_identity", secret=None, federated_token_file=str(file))
    return credentials(auth, where=OTHER, ca=entra.ca_cert)


def test_a_workload_identity_reads_its_file_at_each_renewal(
    entra: Entra, key: rsa.RSAPrivateKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "token"
    file.write_text(service_account_token(key, issuer=ISSUER, subject=SUBJECT), encoding="utf-8")
    found = workload(entra, federated(entra, key), file)
    monkeypatch.setattr(entra, "lifetime", 0)  # azure-identity keeps a token as long as it lives
    assert bearer(found)
    file.write_text(service_account_token(key, issuer=ISSUER, subject="somebody else"), encoding="utf-8")
    assert code_of(lambda: found.sign(REQUEST)) == "credentials_invalid"
    file.unlink()
    assert code_of(lambda: found.sign(REQUEST)) == "credentials_missing"
    file.write_text(service_account_token(key, issuer=ISSUER, subject=SUBJECT) + "\n", encoding="utf-8")
    assert bearer(found)
    found.close()


def test_workload_identities_that_do_not_fit(entra: Entra, key: rsa.RSAPrivateKey, tmp_path: Path) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    wrong = {
        "issuer": service_account_token(key, issuer="https://other.example", subject=SUBJECT),
        "audience": service_account_token(key, issuer=ISSUER, subject=SUBJECT, audience="sts.amazonaws.com"),
        "key": service_account_token(other, issuer=ISSUER, subject=SUBJECT),
        "shape": "canary",
    }
    for name, token in wrong.items():
        file = tmp_path / name
        file.write_text(token, encoding="utf-8")
        found = workload(entra, federated(entra, key), file)
        assert code_of(lambda: found.sign(REQUEST)) == "credentials_invalid", name  # noqa: B023
        found.close()
    late = tmp_path / "late"
    late.write_text(service_account_token(key, issuer=ISSUER, subject=SUBJECT, seconds=-10), encoding="utf-8")
    found = workload(entra, federated(entra, key), late)
    assert code_of(lambda: found.sign(REQUEST)) == "credentials_expired"
    found.close()


def test_a_managed_identity(entra: Entra, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{entra.authority}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", entra.identity_header)
    for auth in ({"method": "managed_identity"}, {"method": "managed_identity", "client_id": "mine"}):
        found = credentials(auth, ca=entra.ca_cert)
        assert bearer(found)
        assert entra.asked[-1].get("client_id") == auth.get("client_id")
        assert found.secrets() == frozenset()
        found.close()


def test_a_machine_without_an_identity(entra: Entra, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{entra.authority}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", "wrong")
    found = credentials({"method": "managed_identity"}, ca=entra.ca_cert)
    assert code_of(lambda: found.sign(REQUEST)) in {"credentials_missing", "credentials_invalid"}
    found.close()


def test_a_token_says_whom_it_is_for(entra: Entra) -> None:
    application = entra.register()
    claims = credentials(principal(entra, application), ca=entra.ca_cert).claims()
    assert claims["tid"] == entra.tenant
    assert claims["appid"] == application.client_id
    assert claims["oid"]
    assert credentials({"method": "account_key", "account_key": KEY}).claims() == {}


def test_a_token_of_another_tenant_writes_nothing(entra: Entra) -> None:
    found = credentials(principal(entra, entra.register()), ca=entra.ca_cert)
    TenantCheck(entra.tenant.upper(), found).pass_or_raise()
    TenantCheck("", found).pass_or_raise()
    other = "00000000-1111-2222-3333-444455556666"
    with pytest.raises(StowageError) as caught:
        TenantCheck(other, found).pass_or_raise()
    assert caught.value.code == "wrong_account"
    assert caught.value.details == {"account": entra.tenant, "expected": other}


def test_a_token_that_names_no_tenant_is_not_trusted() -> None:
    assert (
        code_of(lambda: TenantCheck("x", credentials({"method": "sas", "sas_token": SAS})).pass_or_raise())
        == "store_error"
    )


def test_nothing_is_logged(entra: Entra, caplog: pytest.LogCaptureFixture) -> None:
    application = entra.register()
    found = credentials(principal(entra, application), where=OTHER, ca=entra.ca_cert)
    with caplog.at_level(logging.INFO):
        token = bearer(found)
    found.close()
    assert token not in caplog.text
    assert application.secret not in caplog.text
    assert urllib.parse.quote(application.secret) not in caplog.text
