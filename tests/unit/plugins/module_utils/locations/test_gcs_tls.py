# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose certificates a location at Google trusts, by servers on loopback: for requests to the store, and for tokens."""

from __future__ import annotations

import http.server
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import gcs_listing
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_calls import GcsCalls
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_client import (
    GcsSettings,
    TokenSource,
    make_session,
)
from testbed.pki import Authority, Pair

EMPTY = b'{"kind": "storage#objects"}'
BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


class Empty(http.server.BaseHTTPRequestHandler):
    """A bucket without objects."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(EMPTY)))
        self.end_headers()
        self.wfile.write(EMPTY)

    def log_message(self, *args: object) -> None:
        pass


class Server(http.server.ThreadingHTTPServer):
    """Serves with a certificate; a failed handshake ends that connection only, quietly."""

    def __init__(self, pair: Pair | None) -> None:
        super().__init__(("127.0.0.1", 0), Empty)
        if pair is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(pair.certificate, pair.key)
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


class Known:
    """Credentials that need no server."""

    def before_request(self, _request: Any, _method: str, _url: str, headers: dict[str, str]) -> None:
        headers["authorization"] = "Bearer known"


class Zoo:
    """A server with a good certificate, one with a certificate for another name, and one without TLS."""

    def __init__(self, directory: Path) -> None:
        self.ca = Authority(directory, "ca")
        self.other_ca = Authority(directory, "other")
        self.good = Server(self.ca.server("good"))
        self.misnamed = Server(self.ca.server("misnamed", hosts=["wrong.example.org"]))
        self.plain = Server(None)

    def verdict(self, server: Server, ca_cert: Path | None) -> str:
        """What listing ends with: `fine`, or an error code."""
        settings = GcsSettings("backups", "", f"https://127.0.0.1:{server.server_address[1]}", "")
        session = make_session(str(ca_cert) if ca_cert else None)
        calls = GcsCalls(session, TokenSource(Known(), lambda: None), settings, threading.Event())
        try:
            assert [page.objects for page in gcs_listing.pages(calls, "")] == [[]]
        except StowageError as error:
            return error.code
        finally:
            session.close()
        return "fine"


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zoo]:
    """The servers."""
    found = Zoo(tmp_path_factory.mktemp("pki"))
    yield found
    for server in (found.good, found.misnamed, found.plain):
        server.shutdown()
        server.server_close()


@pytest.fixture(params=["unset", "other", "missing"])
def _bundles(request: pytest.FixtureRequest, zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables that name bundles: unset, another CA's, or a file that is not there."""
    for name in BUNDLES:
        monkeypatch.delenv(name, raising=False)
        if request.param != "unset":
            monkeypatch.setenv(name, str(zoo.other_ca.pair.certificate) if request.param == "other" else "/nonexistent")


@pytest.mark.usefixtures("_bundles")
def test_own_certificates_win_over_every_variable(zoo: Zoo) -> None:
    assert zoo.verdict(zoo.good, zoo.ca.pair.certificate) == "fine"
    assert zoo.verdict(zoo.good, zoo.other_ca.pair.certificate) == "tls_untrusted"


@pytest.mark.usefixtures("_bundles")
def test_an_unknown_authority(zoo: Zoo) -> None:
    assert zoo.verdict(zoo.good, None) == "tls_untrusted"


def test_the_variable_counts_without_the_option(zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in BUNDLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(zoo.ca.pair.certificate))
    assert zoo.verdict(zoo.good, None) == "fine"


def test_a_certificate_for_another_name(zoo: Zoo) -> None:
    assert zoo.verdict(zoo.misnamed, zoo.ca.pair.certificate) == "tls_untrusted"


def test_no_tls_and_nobody(zoo: Zoo) -> None:
    assert zoo.verdict(zoo.plain, zoo.ca.pair.certificate) == "endpoint_unreachable"
    gone = Server(None)
    gone.shutdown()
    gone.server_close()
    assert zoo.verdict(gone, zoo.ca.pair.certificate) == "endpoint_unreachable"
