# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways to authenticate to Azure, against a real Azurite over TLS, with tokens of the testbed's Entra, and what each permits."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import azure_wire
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import Location
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.registry import open_location
from testbed import Azurite, Testbed
from testbed.entra import Entra
from testbed.entra_applications import service_account_token
from testbed.pki import Authority

LARGE = (8 << 20) + 5
ISSUER, SUBJECT = "https://oidc.example/cluster", "system:serviceaccount:stowage:stowage"


@pytest.fixture(scope="module")
def entra(azurite: Azurite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Entra]:
    """A server that gives tokens."""
    with Entra(tmp_path_factory.mktemp("entra")) as server:
        yield server


@pytest.fixture
def bucket(azurite: Azurite) -> str:
    """A new container."""
    return azurite.create_bucket(f"auth-{uuid.uuid4().hex[:12]}")


@pytest.fixture
def both(azurite: Azurite, entra: Entra, tmp_path: Path) -> Path:
    """The certificates of both authorities, as a private cloud has one for everything."""
    assert azurite.ca_cert is not None
    path = tmp_path / "both.pem"
    path.write_text(azurite.ca_cert.read_text("utf-8") + entra.ca_cert.read_text("utf-8"), encoding="utf-8")
    return path


def opened(store: Azurite, bucket: str, auth: dict[str, Any], ca_cert: Path | None = None) -> Location:
    """A location in the container."""
    options = {
        "provider": "azure",
        "storage_account": store.account,
        "endpoint": store.endpoint,
        "bucket": bucket,
        "prefix": "fleet",
        "ca_cert": str(ca_cert or store.ca_cert),
        "auth": auth,
    }
    return open_location(options, {})


def code_of(action: Callable[[], object]) -> str:
    """The error code that an action fails with."""
    with pytest.raises(StowageError) as caught:
        action()
    return caught.value.code


def exercise(location: Location) -> None:
    """All that a backup does."""
    location.create("small", b"x")
    with location.writer("large") as writer:
        writer.write(bytes(LARGE))
        writer.commit()
    with location.writer("dropped") as writer:
        writer.write(bytes(LARGE))
    assert location.read("small", limit=1) == b"x"
    assert location.read_range("large", LARGE - 3, 3) == bytes(3)
    assert [info.key for info in location.list("")] == ["large", "small"]
    assert list(location.uploads("")) == []
    assert location.stat("nothing") is None
    assert list(location.delete(["small", "large", "nothing"])) == []
    location.close()


def test_an_account_sas_and_a_container_sas(azurite: Azurite, bucket: str) -> None:
    for token in (azurite.sas(None, "rwdlac"), "?" + azurite.sas(bucket, "racwdl")):
        exercise(opened(azurite, bucket, {"method": "sas", "sas_token": token}))


def test_a_sas_of_a_user(azurite: Azurite, entra: Entra, both: Path, bucket: str) -> None:
    """Its key comes from the Blob service for a token, and no account key is involved."""
    import datetime

    from azure.identity import ClientSecretCredential
    from azure.storage.blob import BlobServiceClient, generate_container_sas

    application = entra.register()
    verify: dict[str, Any] = {"connection_verify": str(both)}
    credential = ClientSecretCredential(
        entra.tenant, application.client_id, application.secret, authority=entra.authority,
        disable_instance_discovery=True, **verify,
    )  # fmt: skip
    now = datetime.datetime.now(datetime.UTC)
    start, end = now - datetime.timedelta(hours=1), now + datetime.timedelta(hours=1)
    url = f"{azurite.endpoint}/{azurite.account}"
    with BlobServiceClient(url, credential=credential, api_version=azure_wire.API_VERSION, **verify) as client:
        key = client.get_user_delegation_key(start, end)
    token = generate_container_sas(
        azurite.account, bucket, user_delegation_key=key, permission="racwdl", start=start, expiry=end
    )
    exercise(opened(azurite, bucket, {"method": "sas", "sas_token": token}))


def test_a_sas_without_the_right_to_read(azurite: Azurite, bucket: str) -> None:
    """A writer that cannot read back what it wrote knows its own objects from listings."""
    writer = opened(azurite, bucket, {"method": "sas", "sas_token": azurite.sas(bucket, "cwl")})
    writer.create("a", b"x")
    assert code_of(lambda: writer.create("a", b"y")) == "key_exists"
    assert code_of(lambda: writer.read("a", limit=1)) == "permission_denied"
    found = writer.stat("a")
    assert found is not None
    assert found.size == 1
    assert writer.stat("b") is None
    assert [failure.code for failure in writer.delete(["a"])] == ["permission_denied"]
    writer.close()


def test_an_abort_without_the_right_to_read_and_without_that_to_delete(azurite: Azurite, bucket: str) -> None:
    """What cannot be taken away stays invisible, and Azure removes it a week later."""
    for permissions, left in (("cwld", []), ("cwl", ["fleet/big"])):
        location = opened(azurite, bucket, {"method": "sas", "sas_token": azurite.sas(bucket, permissions)})
        with location.writer("big") as writer:
            writer.write(bytes(LARGE))
        assert azurite.uploads(bucket) == left
        assert azurite.keys(bucket) == []
        assert list(location.list("")) == []
        location.close()


def test_a_sas_that_expired(azurite: Azurite, bucket: str) -> None:
    location = opened(azurite, bucket, {"method": "sas", "sas_token": azurite.sas(bucket, "racwdl", hours=-1)})
    assert code_of(lambda: list(location.list(""))) == "credentials_expired"
    location.close()


def test_a_sas_that_was_tampered_with(azurite: Azurite, bucket: str) -> None:
    token = azurite.sas(bucket, "rl").replace("sp=rl", "sp=racwdl")
    location = opened(azurite, bucket, {"method": "sas", "sas_token": token})
    # Azure answers AuthenticationFailed, Azurite AuthorizationFailure.
    assert code_of(lambda: list(location.list(""))) in {"credentials_invalid", "permission_denied"}
    location.close()


def principal(entra: Entra, **options: Any) -> dict[str, Any]:
    """Options of a service principal."""
    application = entra.register(**options)
    return {
        "method": "service_principal",
        "tenant": entra.tenant,
        "client_id": application.client_id,
        "secret": application.secret,
        "authority": entra.authority,
    }


def test_a_service_principal(azurite: Azurite, entra: Entra, both: Path, bucket: str) -> None:
    exercise(opened(azurite, bucket, principal(entra), both))


def test_a_service_principal_that_is_refused(azurite: Azurite, entra: Entra, both: Path, bucket: str) -> None:
    refused = opened(azurite, bucket, principal(entra, secret_expired=True), both)
    for action in (
        lambda: list(refused.list("")),
        lambda: refused.create("a", b""),
        lambda: refused.read("a", limit=1),
    ):
        assert code_of(action) == "credentials_expired"
    refused.close()
    assert azurite.keys(bucket) == []


def test_a_workload_identity(azurite: Azurite, entra: Entra, both: Path, bucket: str, tmp_path: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    application = entra.register(issuer=ISSUER, issuer_key=key.public_key(), subject=SUBJECT)
    file = tmp_path / "token"
    file.write_text(service_account_token(key, issuer=ISSUER, subject=SUBJECT), encoding="utf-8")
    auth = {
        "method": "workload_identity",
        "tenant": entra.tenant,
        "client_id": application.client_id,
        "federated_token_file": str(file),
        "authority": entra.authority,
    }
    exercise(opened(azurite, bucket, auth, both))


@pytest.fixture
def stranger(tmp_path: Path) -> Path:
    """The certificate of an authority that signed nothing here."""
    return Authority(tmp_path / "stranger", "ca").pair.certificate


def test_who_is_not_signed_by_ca_cert_is_not_trusted(
    azurite: Azurite, entra: Entra, both: Path, stranger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environment's certificates do not help: the store, or the token service, is somebody else."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, str(both))
    key = {"method": "account_key", "account_key": azurite.key}
    for auth, ca_cert in (
        (principal(entra), stranger),
        (principal(entra), azurite.ca_cert),
        (principal(entra), entra.ca_cert),
        (key, stranger),
    ):
        location = opened(azurite, "backups", auth, ca_cert)
        assert code_of(lambda: list(location.list(""))) == "tls_untrusted"  # noqa: B023
        location.close()


@pytest.fixture
def _misled(stranger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that trusts somebody else."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, str(stranger))


@pytest.mark.usefixtures("_misled")
def test_ca_cert_comes_before_the_environment(azurite: Azurite, bucket: str, entra: Entra, both: Path) -> None:
    exercise(opened(azurite, bucket, principal(entra), both))


def test_a_password_of_the_users_netrc_is_not_sent(
    azurite: Azurite, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login who password canary\n", encoding="utf-8")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    exercise(opened(azurite, bucket, {"method": "account_key", "account_key": azurite.key}))


def test_a_version_of_the_service_that_the_store_does_not_know(
    azurite: Azurite, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is why every request asks for an old one."""
    from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import azure_calls

    monkeypatch.setattr(azure_calls, "API_VERSION", "2199-01-01")
    location = opened(azurite, bucket, {"method": "account_key", "account_key": azurite.key})
    assert code_of(lambda: list(location.list(""))) == "unsupported_by_store"
    location.close()


def test_plain_http_where_tls_is_spoken_and_the_other_way(azurite: Azurite, testbed: Testbed, bucket: str) -> None:
    plain = testbed.azurite(tls=False)
    key = {"method": "account_key", "account_key": azurite.key}
    where = {"provider": "azure", "storage_account": azurite.account, "bucket": bucket, "auth": key}
    for endpoint in (azurite.endpoint.replace("https", "http"), plain.endpoint.replace("http", "https")):
        location = open_location({**where, "endpoint": endpoint}, {})
        location.stopped.set()  # one attempt is enough
        assert code_of(lambda: list(location.list(""))) in {"endpoint_unreachable", "interrupted"}  # noqa: B023
        location.close()
    testbed.stop(plain)
