# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said about endpoints that are no Azure, and about what Azure does and Azurite does not, by a server on loopback.

The server stands for a container of Azure: the shapes of its answers are those of Microsoft's "Blob service REST API"; that of an
anonymous request for a private container (ResourceNotFound) is what clients report in issues. What it is told, it answers
instead. Real servers are in tests/system.
"""

from __future__ import annotations

import base64
import datetime
import json
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import CODES
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import azure_client, azure_probe, network
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_upload import BODY
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_wire import md5_of
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.probe import probe
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.prober import Access, Aim
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.registry import open_prober
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.report import Check, Layer, Report, Verdict
from support.odd_endpoints import XML, Answer, Handler, OddServer
from testbed.pki import Authority, Pair

CANARY = "canary-of-the-key"
KEY = {"method": "account_key", "account_key": base64.b64encode(CANARY.encode()).decode()}
OBJECT, TENANT = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", "00000000-1111-2222-3333-444455556666"
PROPERTIES = {"ETag": '"0x8DB"', "x-ms-has-immutability-policy": "false", "x-ms-has-legal-hold": "false"}


def error(status: int, code: str) -> Answer:
    """An error of the Blob service."""
    return status, f"<Error><Code>{code}</Code><Message>m</Message></Error>".encode(), {**XML, "x-ms-error-code": code}


def listing(*blobs: str, container: str = "backups") -> Answer:
    """A page of List Blobs; a blob's name may be followed by a version."""
    entries = ""
    for blob in blobs:
        name, _colon, version = blob.partition(":")
        entries += f"<Blob><Name>{name}</Name>" + (f"<VersionId>{version}</VersionId>" if version else "")
        entries += "<Properties><Etag>0x8DB</Etag><Content-Length>1</Content-Length></Properties></Blob>"
    page = f'<EnumerationResults ContainerName="{container}"><Blobs>{entries}</Blobs><NextMarker/></EnumerationResults>'
    return 200, page.encode(), XML


Rule: TypeAlias = "Callable[[str, str, dict[str, str]], Answer | None]"
"""What to answer instead: of the method, the blob's name, and the query."""


class FakeAzure(OddServer):
    """A container of Azure with nothing in it. ``rule`` answers first; ``blocks`` are keys with uncommitted blocks."""

    def __init__(self, pair: Pair) -> None:
        super().__init__(pair)
        self.rule: Rule = lambda _method, _name, _query: None
        self.blocks: set[str] = set()
        self.properties = dict(PROPERTIES)
        self.page = listing()
        self.asked: list[str] = []

    def choose(self, request: Handler) -> Answer:
        parts = urllib.parse.urlsplit(request.path)
        name = urllib.parse.unquote(parts.path).removeprefix("/acme").removeprefix("/backups").strip("/")
        query = dict(urllib.parse.parse_qsl(parts.query))
        if parts.path == "/":
            return error(400, "InvalidUri")
        if not request.headers.get("Authorization") and "sig" not in query:
            return error(404, "ResourceNotFound")
        self.asked.append(f"{request.command} {query.get('comp', '')}".strip())
        found = self.rule(request.command, name, query)
        return found or getattr(self, f"_{request.command.lower()}")(name, query, request)

    def _get(self, name: str, query: dict[str, str], _request: Handler) -> Answer:
        if query.get("restype") == "service":
            policy = "<DeleteRetentionPolicy><Enabled>true</Enabled><Days>7</Days></DeleteRetentionPolicy>"
            return 200, f"<StorageServiceProperties>{policy}</StorageServiceProperties>".encode(), XML
        return error(404, "BlobNotFound") if name else self.page

    def _head(self, name: str, _query: dict[str, str], _request: Handler) -> Answer:
        return error(404, "BlobNotFound") if name else (200, b"", self.properties)

    def _put(self, name: str, query: dict[str, str], request: Handler) -> Answer:
        if query.get("comp") == "blocklist":
            return error(400, "InvalidBlockList")
        if request.headers["Content-MD5"] != md5_of(BODY):
            return error(400, "Md5Mismatch")
        self.blocks.add(name)
        return 201, b"", {"x-ms-request-server-encrypted": "true"}

    def _delete(self, name: str, _query: dict[str, str], _request: Handler) -> Answer:
        if name not in self.blocks:
            return error(404, "BlobNotFound")
        self.blocks.discard(name)
        return 202, b"", {}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("pki"), "ca")


@pytest.fixture
def azure(authority: Authority) -> Iterator[FakeAzure]:
    """A container of Azure."""
    server = FakeAzure(authority.server("azure"))
    yield server
    server.stop()


@pytest.fixture
def look(azure: FakeAzure, authority: Authority) -> Callable[..., Report]:
    """Looks at the container; nothing secret is in what is found, and nothing is left."""

    def look(auth: dict[str, Any] | None = None, aim: Aim | None = None, **more: Any) -> Report:
        options = {
            "provider": "azure",
            "storage_account": "acme",
            "endpoint": azure.endpoint,
            "bucket": "backups",
            "prefix": "fleet",
            "ca_cert": str(authority.pair.certificate),
            "auth": auth or KEY,
            **more,
        }
        prober = open_prober(options, {}, aim or Aim("c"))
        try:
            found = probe(prober)
        finally:
            prober.close()
        shown = json.dumps([check.as_result() for check in found.checks]) + json.dumps(prober.identity())
        shown += json.dumps(prober.settings()) + prober.describe()
        assert not any(secret in shown for secret in prober.secrets())
        assert CANARY not in shown
        assert all(check.error_code in {"", *CODES} for check in found.checks)
        assert azure.blocks == set()
        return found

    return look


def sas(**more: str) -> dict[str, Any]:
    """A SAS of a container."""
    end = f"{datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=100):%Y-%m-%dT%H:%M:%SZ}"
    fields = {"sv": "2022-11-02", "sr": "c", "sp": "rwdl", "se": end, "spr": "https", **more, "sig": CANARY}
    return {"method": "sas", "sas_token": urllib.parse.urlencode(fields)}


def by_id(found: Report) -> dict[str, Check]:
    return {check.id: check for check in found.checks}


def failures(found: Report) -> list[tuple[str, str]]:
    return [(check.id, check.error_code) for check in found.of(Verdict.FAILED)]


def test_a_container_that_is_fit(azure: FakeAzure, look: Callable[..., Report]) -> None:
    found = look()
    assert found.fit
    assert failures(found) == []
    assert by_id(found)["soft_delete"].seen == "Deleted blobs can be brought back for 7 days."
    assert found.permissions()["missing"] == []
    assert azure.asked.count("PUT block") == 2


@pytest.mark.parametrize(
    ("answer", "expected", "stopped_at"),
    [
        ((200, b"<html>Log in</html>", {"Content-Type": "text/html"}), ("listing", "store_error"), Layer.BUCKET),
        (listing(container="another"), ("listing", "store_error"), Layer.BUCKET),
        ((200, b"", XML), ("listing", "store_error"), Layer.BUCKET),
        ((302, b"", {"Location": "/loop"}), ("listing", "store_error"), Layer.BUCKET),
        ((407, b"", {}), ("listing", "endpoint_unreachable"), Layer.BUCKET),
        (error(503, "ServerBusy"), ("listing", "throttled"), Layer.BUCKET),
        (error(404, "ContainerNotFound"), ("bucket", "bucket_not_found"), Layer.BUCKET),
        (error(400, "InvalidResourceName"), ("bucket", "invalid_option"), Layer.BUCKET),
        (error(403, "AuthorizationFailure"), ("network_rules", "permission_denied"), Layer.BUCKET),
        (error(501, "APINotImplemented"), ("listing", "unsupported_by_store"), Layer.BUCKET),
        (error(403, "AuthenticationFailed"), ("credentials", "credentials_invalid"), Layer.IDENTITY),
        (error(403, "KeyBasedAuthenticationNotPermitted"), ("credentials", "permission_denied"), Layer.IDENTITY),
        (error(403, "AccountIsDisabled"), ("credentials", "permission_denied"), Layer.IDENTITY),
    ],
)
def test_odd_answers(
    azure: FakeAzure, look: Callable[..., Report], answer: Answer, expected: tuple[str, str], stopped_at: Layer
) -> None:
    azure.rule = lambda *_dummy: answer
    found = look()
    assert failures(found) == [expected]
    assert found.stopped_at is stopped_at
    assert not found.fit
    assert by_id(found)[expected[0]].fix


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"ca_cert": None}, ("tls", "tls_untrusted")),
        ({"ca_cert": "/nonexistent"}, ("trusted_certificates", "invalid_option")),
        ({"bucket": "No-Name"}, ("address", "invalid_option")),
        ({"storage_account": None}, ("address", "invalid_option")),
        ({"endpoint": "https://127.0.0.1:1"}, ("tcp", "endpoint_unreachable")),
        ({"endpoint": "https://there-is-no-such-name.invalid"}, ("dns", "endpoint_unreachable")),
        ({"auth": {"method": "account_key"}}, ("credentials", "credentials_missing")),
        ({"auth": {"method": "sas", "sas_token": "none"}}, ("credentials", "credentials_invalid")),
        ({"auth": {"method": "managed_identity"}}, ("credentials", "credentials_missing")),
    ],
)
def test_what_is_wrong_before(
    look: Callable[..., Report], monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], expected: tuple[str, str]
) -> None:
    monkeypatch.setattr(network, "SECONDS", 2.0)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    auth = change.pop("auth", None)
    assert failures(look(auth, **change)) == [expected]


DENIED = error(403, "AuthorizationPermissionMismatch")


def deny(method: str, comp: str = "", *, blobs: bool | None = None) -> Rule:
    """Denies a kind of request."""

    def rule(asked: str, name: str, query: dict[str, str]) -> Answer | None:
        of_blobs = blobs is None or bool(name) is blobs
        return DENIED if asked == method and query.get("comp", "") == comp and of_blobs else None

    return rule


@pytest.mark.parametrize(
    ("rule", "check", "action"),
    [
        (deny("GET", "list"), "may_list", "read"),
        (deny("GET", blobs=True), "may_read", "read"),
        (deny("PUT", "blocklist"), "may_create", "write"),
        (deny("DELETE"), "may_delete", "delete"),
    ],
)
def test_exactly_the_action_that_is_denied_is_named(
    azure: FakeAzure, look: Callable[..., Report], rule: Rule, check: str, action: str
) -> None:
    """As with Entra, where Azurite lets everybody do everything; by an account's key, which is refused nothing in truth."""
    azure.rule = rule
    found = look()
    assert failures(found) == [(check, "permission_denied")]
    assert [entry["action"].rpartition("/")[2] for entry in found.permissions()["missing"]] == [action]
    assert found.permissions()["unknown"] == []
    assert found.stopped_at is Layer.PERMISSION
    assert by_id(found)["bucket"].verdict is Verdict.PASSED


def test_a_users_sas_whose_user_may_not_write(azure: FakeAzure, look: Callable[..., Report]) -> None:
    azure.rule = deny("PUT", "blocklist")
    found = look(sas(skoid=OBJECT, sktid=TENANT, ske="2099-01-01"))
    assert [entry["action"].rpartition("/")[2] for entry in found.permissions()["missing"]] == ["write"]
    assert OBJECT in by_id(found)["may_create"].fix


def test_what_a_sas_lacks_is_not_asked_for(azure: FakeAzure, look: Callable[..., Report]) -> None:
    found = look(sas(sp="rl"))
    assert {entry["action"] for entry in found.permissions()["missing"]} == {"sp=w", "sp=d"}
    assert not any(asked.startswith(("PUT", "DELETE")) for asked in azure.asked)


@pytest.mark.parametrize("fields", [{"st": "2099-01-01"}, {"se": "2020-01-01"}, {"sr": "b"}])
def test_a_sas_that_is_good_for_nothing_ends_it(
    azure: FakeAzure, look: Callable[..., Report], fields: dict[str, str]
) -> None:
    azure.rule = lambda *_dummy: error(403, "AuthenticationFailed")
    found = look(sas(**fields))
    assert len(failures(found)) == 1
    assert failures(found)[0][0] in {"sas", "credentials_expiry"}
    assert found.stopped_at is Layer.IDENTITY


@pytest.mark.parametrize("held", ["x-ms-has-immutability-policy", "x-ms-has-legal-hold"])
def test_under_a_lock_no_block_is_sent_that_could_stay(
    azure: FakeAzure, look: Callable[..., Report], held: str
) -> None:
    azure.properties[held] = "true"
    found = look()
    assert found.fit
    assert by_id(found)["upload"].verdict is Verdict.PASSED
    assert azure.asked.count("PUT block") == 1, "the one that looks damaged"


def test_a_block_that_a_lock_keeps_is_a_warning(azure: FakeAzure, look: Callable[..., Report]) -> None:
    """Where the properties may not be read, the lock shows only then."""

    def rule(method: str, name: str, _query: dict[str, str]) -> Answer | None:
        if method == "DELETE" and name.endswith("/probe"):
            azure.blocks.clear()  # as Azure does a week later
            return error(409, "BlobImmutableDueToPolicy")
        return None

    azure.rule = rule
    found = look()
    assert by_id(found)["upload"].verdict is Verdict.WARNING
    assert found.fit


def test_a_block_that_cannot_be_taken_back_is_a_failure(azure: FakeAzure, look: Callable[..., Report]) -> None:
    def rule(method: str, name: str, _query: dict[str, str]) -> Answer | None:
        if method == "DELETE" and name.endswith("/probe"):
            azure.blocks.clear()
            return DENIED
        return None

    azure.rule = rule
    assert failures(look()) == [("upload", "permission_denied")]


def test_a_store_that_compares_no_checksums(azure: FakeAzure, look: Callable[..., Report]) -> None:
    def rule(method: str, name: str, query: dict[str, str]) -> Answer | None:
        if method == "PUT" and query.get("comp") == "block":
            azure.blocks.add(name)
            return 201, b"", {}
        return None

    azure.rule = rule
    found = look()
    assert found.fit
    assert by_id(found)["checksums"].verdict is Verdict.UNSUPPORTED
    assert by_id(found)["encryption"].verdict is Verdict.WARNING


def test_a_store_that_commits_what_it_does_not_have(azure: FakeAzure, look: Callable[..., Report]) -> None:
    def rule(method: str, name: str, query: dict[str, str]) -> Answer | None:
        if method == "PUT" and query.get("comp") == "blocklist":
            azure.blocks.add(name)
            return 201, b"", {}
        return None

    azure.rule = rule
    assert failures(look()) == [("may_create", "store_error")]


def test_a_writer_without_the_right_to_delete_leaves_no_block(azure: FakeAzure, look: Callable[..., Report]) -> None:
    azure.rule = deny("DELETE")
    access: frozenset[Access] = frozenset({"list", "write"})
    found = look(aim=Aim("c", access))
    assert found.fit
    assert by_id(found)["may_abort_uploads"].verdict is Verdict.WARNING
    assert azure.asked.count("PUT block") == 1


@pytest.mark.parametrize(
    ("blobs", "verdict"),
    [(("fleet/a:2026-01-01T00:00:00Z",), Verdict.PASSED), (("fleet/a",), Verdict.WARNING), ((), Verdict.UNKNOWN)],
)
def test_versions(azure: FakeAzure, look: Callable[..., Report], blobs: tuple[str, ...], verdict: Verdict) -> None:
    azure.page = listing(*blobs)
    assert by_id(look())["versioning"].verdict is verdict


def test_properties_of_something_else_say_nothing(azure: FakeAzure, look: Callable[..., Report]) -> None:
    azure.properties = {}
    found = by_id(look())
    for name in ("object_lock", "default_retention", "legal_hold"):
        assert found[name].verdict is Verdict.UNSUPPORTED
    assert found["public_access"].verdict is Verdict.PASSED, "what is shown without credentials tells"


def test_at_azures_own_endpoints(
    azure: FakeAzure, look: Callable[..., Report], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is known of Azure need not be tried; plain HTTP is, and here nothing answers."""
    monkeypatch.setattr(azure_client, "is_own_endpoint", lambda _dummy: True)
    found = by_id(look(path_style=True))
    for name in ("conditional_create", "stale_uploads", "encryption"):
        assert found[name].verdict is Verdict.PASSED
    for name in ("lifecycle_expiry", "lifecycle_archive", "tls_only"):
        assert found[name].verdict is Verdict.UNKNOWN
    assert azure.asked.count("PUT blocklist") == 1


def test_the_certificates_that_are_trusted(tmp_path: Path) -> None:
    other = {"REQUESTS_CA_BUNDLE": "a", "CURL_CA_BUNDLE": "b"}
    assert azure_probe.trusted_file(str(tmp_path), other) == str(tmp_path)
    assert azure_probe.trusted_file(None, other) == "a"
    assert azure_probe.trusted_file(None, {"CURL_CA_BUNDLE": "b"}) == "b"
    assert azure_probe.trusted_file(None, {}).endswith(".pem")
