# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose certificates an S3 location trusts, whatever the environment says; by a small TLS server on loopback."""

from __future__ import annotations

import http.server
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.probe import probe
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.prober import Aim
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.registry import open_location, open_prober
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.report import Verdict
from testbed.pki import Authority, Pair

ACCOUNT = b'{"AccountName": "backup"}'
EMPTY = b"<ListBucketResult><Name>backups</Name><IsTruncated>false</IsTruncated></ListBucketResult>"


class Empty(http.server.BaseHTTPRequestHandler):
    """A bucket without objects, of a store that says who asks as MinIO does."""

    def do_GET(self) -> None:
        body = ACCOUNT if self.path == "/minio/admin/v3/accountinfo" else EMPTY
        self.send_response(200)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


class Server(http.server.ThreadingHTTPServer):
    """Serves with a certificate; a failed handshake ends that connection only, quietly."""

    def __init__(self, pair: Pair | None, clients: Path | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Empty)
        if pair is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(pair.certificate, pair.key)
            if clients is not None:
                context.verify_mode = ssl.CERT_REQUIRED
                context.load_verify_locations(clients)
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


class Zoo:
    """A server with a good certificate, one with a certificate for another name, and one without TLS."""

    def __init__(self, directory: Path) -> None:
        self.ca = Authority(directory, "ca")
        self.other_ca = Authority(directory, "other")
        self.good = Server(self.ca.server("good"))
        self.misnamed = Server(self.ca.server("misnamed", hosts=["wrong.example.org"]))
        self.plain = Server(None)
        self.mutual = Server(self.ca.server("mutual"), self.ca.pair.certificate)

    def verdict(
        self, server: Server, ca_cert: Path | str | None, scheme: str = "https", client: Pair | None = None
    ) -> str:
        """What listing ends with: `fine`, or an error code."""
        endpoint = f"{scheme}://127.0.0.1:{server.server_address[1]}"
        auth = {"access_key": "a", "secret_key": "s"}
        options = {"provider": "minio", "endpoint": endpoint, "bucket": "backups", "ca_cert": ca_cert, "auth": auth}
        shown = {"client_cert": str(client.certificate), "client_key": str(client.key)} if client else {}
        location = open_location({**options, **shown, "ca_cert": str(ca_cert) if ca_cert else None}, {})
        try:
            assert list(location.list("")) == []
        except StowageError as error:
            return error.code
        finally:
            location.close()
        return "fine"


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zoo]:
    """The servers."""
    found = Zoo(tmp_path_factory.mktemp("pki"))
    yield found
    for server in (found.good, found.misnamed, found.plain, found.mutual):
        server.shutdown()
        server.server_close()


BUNDLES = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE")


@pytest.fixture(params=["unset", "other", "missing"])
def _bundles(request: pytest.FixtureRequest, zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables that name bundles: unset, another CA's, or a file that is not there."""
    for name in BUNDLES:
        monkeypatch.delenv(name, raising=False)
        if request.param != "unset":
            monkeypatch.setenv(name, str(zoo.other_ca.pair.certificate) if request.param == "other" else "/nonexistent")


@pytest.mark.usefixtures("_bundles")
def test_ca_cert_wins_over_every_variable(zoo: Zoo) -> None:
    ca = zoo.ca.pair.certificate
    assert zoo.verdict(zoo.good, ca) == "fine"
    assert zoo.verdict(zoo.good, ca.read_text()) == "fine"
    assert zoo.verdict(zoo.good, zoo.other_ca.pair.certificate) == "tls_untrusted"


@pytest.mark.usefixtures("_bundles")
def test_an_unknown_authority(zoo: Zoo) -> None:
    assert zoo.verdict(zoo.good, None) == "tls_untrusted"


def test_the_variables_count_without_the_option(zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in BUNDLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(zoo.ca.pair.certificate))
    assert zoo.verdict(zoo.good, None) == "fine"


def test_a_certificate_for_another_name(zoo: Zoo) -> None:
    assert zoo.verdict(zoo.misnamed, zoo.ca.pair.certificate) == "tls_untrusted"


def test_the_wrong_scheme(zoo: Zoo) -> None:
    assert zoo.verdict(zoo.plain, None, "http") == "fine"
    assert zoo.verdict(zoo.plain, zoo.ca.pair.certificate) == "endpoint_unreachable"
    assert zoo.verdict(zoo.good, None, "http") == "endpoint_unreachable"


def test_a_store_that_wants_a_client_certificate(zoo: Zoo) -> None:
    ca = zoo.ca.pair.certificate
    assert zoo.verdict(zoo.mutual, ca, client=zoo.ca.client("client", "stowage")) == "fine"
    # The alert that says why may be lost when the server closes the connection at once.
    assert zoo.verdict(zoo.mutual, ca) in {"credentials_missing", "endpoint_unreachable"}
    other = zoo.other_ca.client("client", "stowage")
    assert zoo.verdict(zoo.mutual, ca, client=other) in {"credentials_invalid", "endpoint_unreachable"}


def test_who_we_are_for_a_store_that_wants_a_client_certificate(zoo: Zoo) -> None:
    ca, client = str(zoo.ca.pair.certificate), zoo.ca.client("client", "stowage")
    location = {
        "provider": "minio",
        "endpoint": f"https://127.0.0.1:{zoo.mutual.server_address[1]}",
        "bucket": "backups",
        "ca_cert": ca,
        "client_cert": str(client.certificate),
        "client_key": str(client.key),
        "auth": {"method": "access_key", "access_key": "a", "secret_key": "s"},
    }
    prober = open_prober(location, {}, Aim(access=frozenset({"list"})))
    found = {check.id: check.verdict for check in probe(prober).checks}
    prober.close()
    assert found["identity"] is Verdict.PASSED
    assert prober.identity()["user"] == "backup"
