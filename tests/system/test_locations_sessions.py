# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions of MinIO and SeaweedFS: of users, of web identities and of client certificates."""

from __future__ import annotations

import base64
import json
import secrets
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3
from minio import MinioAdmin
from minio.credentials.providers import StaticProvider

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import Location
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.registry import open_location
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.rules import check_location
from support.aws import Issuer, allow, document, served_issuer
from testbed import MinIO, S3Store, SeaweedFS, Testbed
from testbed.pki import Authority

LARGE = (8 << 20) + 5
CLIENT_ID = "stowage-test"
SUBJECT = "system:serviceaccount:velero:stowage"


def code_of(action: Callable[[], object]) -> str:
    """The error code that an action fails with."""
    with pytest.raises(StowageError) as caught:
        action()
    assert caught.value.hint
    return caught.value.code


def unique(name: str) -> str:
    """A name that nothing else has."""
    return f"{name}-{uuid.uuid4().hex[:10]}"


def use(location: Location) -> None:
    """Writes, reads, lists and deletes."""
    location.create("c/small", b"x")
    with location.writer("c/large") as writer:
        writer.write(bytes(LARGE))
        writer.commit()
    assert location.read_range("c/large", LARGE - 5, 5) == bytes(5)
    assert sorted(info.key for info in location.list("")) == ["c/large", "c/small"]
    assert list(location.delete(["c/small", "c/large"])) == []


class Place:
    """A bucket of a store, and locations in it."""

    def __init__(self, store: S3Store) -> None:
        self.store = store
        self.bucket = store.create_bucket(unique("sessions"))
        self.locations: list[Location] = []

    def open(self, auth: dict[str, Any], **more: Any) -> Location:
        """A location in the bucket; options are checked as a module would."""
        where = {"endpoint": self.store.endpoint, "ca_cert": str(self.store.ca_cert), "bucket": self.bucket}
        location = open_location(check_location({"provider": "minio", **where, "auth": auth, **more}), {})
        self.locations.append(location)
        return location

    def everything(self, folder: str = "") -> dict[str, Any]:
        """A statement that allows all of the bucket, or of a folder."""
        arn = f"arn:aws:s3:::{self.bucket}"
        return allow(["s3:*"], [arn, f"{arn}/{folder}*"])


class Minio(Place):
    """A bucket of a MinIO, and its users and policies."""

    def __init__(self, store: MinIO) -> None:
        super().__init__(store)
        pool = urllib3.PoolManager(ca_certs=str(store.ca_cert))
        provider = StaticProvider(store.access_key, store.secret_key)
        where = store.endpoint.removeprefix("https://")
        self.admin = MinioAdmin(endpoint=where, credentials=provider, http_client=pool)

    def policy(self, *statements: dict[str, Any]) -> str:
        """A new policy; returns its name."""
        name = unique("policy")
        self.admin.policy_add(name, policy=json.loads(document(*statements)))
        return name

    def user(self, *statements: dict[str, Any]) -> dict[str, str]:
        """A new user with these rights; returns the options of its keys."""
        name, secret = unique("user"), secrets.token_urlsafe(24)
        self.admin.user_add(name, secret)
        self.admin.attach_policy([self.policy(*statements)], user=name)
        return {"access_key": name, "secret_key": secret}


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    """An OpenID provider."""
    with served_issuer() as found:
        yield found


@pytest.fixture(scope="module")
def server(testbed: Testbed, issuer: Issuer) -> Iterator[MinIO]:
    """A MinIO that gives sessions to tokens of the issuer, by their claim `policy`, and to client certificates."""
    openid = {"CONFIG_URL": f"{issuer.url}/.well-known/openid-configuration", "CLIENT_ID": CLIENT_ID}
    settings = {f"MINIO_IDENTITY_OPENID_{name}": value for name, value in openid.items()}
    found = testbed.minio(settings={**settings, "MINIO_IDENTITY_TLS_ENABLE": "on"})
    yield found
    testbed.stop(found)


@pytest.fixture
def place(server: MinIO) -> Iterator[Minio]:
    """A new bucket of it."""
    found = Minio(server)
    yield found
    for location in found.locations:
        location.close()


def token_file(directory: Path, issuer: Issuer, **claims: Any) -> dict[str, str]:
    """The options of a file with a token."""
    path = directory / unique("token")
    given = {"sub": SUBJECT, "aud": CLIENT_ID, "iat": int(time.time()), "exp": int(time.time()) + 3600, **claims}
    path.write_text(issuer.token(**given))
    return {"method": "web_identity", "web_identity_token_file": str(path)}


def test_a_session_of_a_user(place: Minio) -> None:
    user = place.user(place.everything())
    location = place.open({"method": "assume_role", **user, "duration": "2h", "session_name": "nightly"})
    use(location)
    assert len(location.secrets()) == 3


def test_a_session_may_do_less_than_its_user(place: Minio) -> None:
    user = place.user(place.everything())
    policy = {"Version": "2012-10-17", "Statement": [place.everything("c/")]}
    location = place.open({"method": "assume_role", **user, "session_policy": policy})
    use(location)
    assert code_of(lambda: location.create("d/small", b"x")) == "permission_denied"
    assert place.store.keys(place.bucket) == []


def test_who_gets_no_session(place: Minio) -> None:
    user = place.user(place.everything())
    wrong = place.open({"method": "assume_role", **user, "secret_key": "wrong"})
    # MinIO's token service has one answer for all of them.
    assert code_of(lambda: wrong.create("a", b"x")) == "permission_denied"
    unknown = place.open({"method": "assume_role", **user, "access_key": "unknown"})
    assert code_of(lambda: unknown.create("a", b"x")) == "permission_denied"
    provider = StaticProvider(user["access_key"], user["secret_key"])
    pool = urllib3.PoolManager(ca_certs=str(place.store.ca_cert))
    where = place.store.endpoint.removeprefix("https://")
    own = MinioAdmin(endpoint=where, credentials=provider, http_client=pool)
    key, secret = unique("key")[:20], secrets.token_urlsafe(24)
    own.add_service_account(access_key=key, secret_key=secret)
    keys = {"access_key": key, "secret_key": secret}
    use(place.open({"method": "access_key", **keys}))
    location = place.open({"method": "assume_role", **keys})
    with pytest.raises(StowageError) as caught:
        location.create("a", b"x")
    assert caught.value.code == "permission_denied"
    assert "users only" in caught.value.hint


def test_a_session_for_a_token(place: Minio, issuer: Issuer, tmp_path: Path) -> None:
    name = place.policy(place.everything())
    use(place.open(token_file(tmp_path, issuer, policy=name)))
    narrow = {"Version": "2012-10-17", "Statement": [place.everything("c/")]}
    location = place.open({**token_file(tmp_path, issuer, policy=name), "session_policy": narrow, "duration": 900})
    use(location)
    assert code_of(lambda: location.create("d/small", b"x")) == "permission_denied"


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"aud": "other"}, "credentials_invalid"),
        ({"exp": 1_700_000_000}, "credentials_expired"),
        ({"policy": "none"}, "credentials_invalid"),
        ({"policy": None}, "credentials_invalid"),
    ],
)
def test_a_token_that_gets_no_session(
    place: Minio, issuer: Issuer, tmp_path: Path, claims: dict[str, Any], expected: str
) -> None:
    auth = token_file(tmp_path, issuer, **{"policy": place.policy(place.everything()), **claims})
    location = place.open(auth)
    assert code_of(lambda: location.create("a", b"x")) == expected
    assert place.store.keys(place.bucket) == []


def test_a_token_that_somebody_else_signed(place: Minio, issuer: Issuer, tmp_path: Path) -> None:
    forged = token_file(tmp_path, Issuer(issuer.url), policy=place.policy(place.everything()))
    location = place.open(forged)
    assert code_of(lambda: location.create("a", b"x")) == "credentials_invalid"


def certificate(authority: Authority, name: str) -> dict[str, str]:
    """The options of a client certificate."""
    pair = authority.client(unique("client"), name)
    return {"client_cert": str(pair.certificate), "client_key": str(pair.key)}


def test_a_session_for_a_certificate(place: Minio, server: MinIO, tmp_path: Path) -> None:
    name = place.policy(place.everything())
    auth = {"method": "client_certificate", "duration": "1h"}
    use(place.open(auth, **certificate(server.authority, name)))
    nobody = place.open(auth, **certificate(server.authority, unique("nobody")))
    with pytest.raises(StowageError) as caught:
        nobody.create("a", b"x")
    assert caught.value.code == "store_error", "MinIO answers with InternalError"
    assert "a policy named like the certificate's common name" in caught.value.hint
    forged = place.open(auth, **certificate(Authority(tmp_path, "other"), name))
    assert code_of(lambda: forged.create("a", b"x")) == "credentials_invalid"


def test_a_store_without_sessions_for_certificates(minio: MinIO) -> None:
    place = Place(minio)
    location = place.open({"method": "client_certificate"}, **certificate(minio.authority, "x"))
    assert code_of(lambda: location.create("a", b"x")) == "unsupported_by_store"
    location.close()


def test_keys_and_a_client_certificate(place: Minio, server: MinIO) -> None:
    user = place.user(place.everything())
    use(place.open({"method": "access_key", **user}, **certificate(server.authority, "any")))


ROLE = "arn:aws:iam::000000000000:role/backup"


@pytest.fixture(scope="module")
def weed(testbed: Testbed, issuer: Issuer) -> Iterator[SeaweedFS]:
    """A SeaweedFS with a role for one subject of the issuer."""
    trusted = {
        "Effect": "Allow",
        "Principal": {"Federated": "tests"},
        "Action": ["sts:AssumeRoleWithWebIdentity"],
        "Condition": {"StringEquals": {"oidc:sub": SUBJECT}},
    }
    provider = {"issuer": issuer.url, "clientId": CLIENT_ID, "jwksUri": f"{issuer.url}/jwks"}
    everything = json.loads(document(allow(["s3:*"], ["arn:aws:s3:::*", "arn:aws:s3:::*/*"])))
    iam = {
        "sts": {
            "tokenDuration": "1h",
            "maxSessionLength": "12h",
            "issuer": "stowage-tests",
            "signingKey": base64.b64encode(secrets.token_bytes(32)).decode(),
        },
        "providers": [{"name": "tests", "type": "oidc", "enabled": True, "config": provider}],
        "policy": {"defaultEffect": "Deny"},
        "policies": [{"name": "everything", "document": everything}],
        "roles": [
            {
                "roleName": "backup",
                "roleArn": "arn:aws:iam::role/backup",
                "trustPolicy": {"Version": "2012-10-17", "Statement": [trusted]},
                "attachedPolicies": ["everything"],
            }
        ],
    }
    found = testbed.seaweedfs(iam=iam)
    yield found
    testbed.stop(found)


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({}, ""),
        ({"sub": SUBJECT + "x"}, "permission_denied"),
        ({"aud": "other"}, "credentials_invalid"),
        ({"exp": 1_700_000_000}, "credentials_expired"),
    ],
)
def test_a_role_of_seaweedfs(
    weed: SeaweedFS, issuer: Issuer, tmp_path: Path, claims: dict[str, Any], expected: str
) -> None:
    place = Place(weed)
    location = place.open({**token_file(tmp_path, issuer, **claims), "role_arn": ROLE})
    if expected:
        assert code_of(lambda: location.create("a", b"x")) == expected
        assert weed.keys(place.bucket) == []
    else:
        use(location)
    location.close()


def test_a_token_that_somebody_else_signed_is_nobody_at_seaweedfs(
    weed: SeaweedFS, issuer: Issuer, tmp_path: Path
) -> None:
    place = Place(weed)
    location = place.open({**token_file(tmp_path, Issuer(issuer.url)), "role_arn": ROLE})
    assert code_of(lambda: location.create("a", b"x")) == "credentials_invalid"
    assert weed.keys(place.bucket) == []
    location.close()
