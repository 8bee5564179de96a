# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said about endpoints that are not what they should be."""

from __future__ import annotations

import datetime
import socket
from collections.abc import Iterator

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import network, network_judge
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.network import Sighting, Target
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.report import Check, Verdict, failed
from support.odd_endpoints import Zoo

NOW = datetime.datetime.now(datetime.UTC)


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zoo]:
    """All odd endpoints."""
    found = Zoo(tmp_path_factory.mktemp("pki"))
    yield found
    found.stop()


def checks(target: Target) -> dict[str, Check]:
    """The checks of the three layers, up to the first that failed."""
    seen = network.look(target)
    found: list[Check] = []
    for layer in (
        network_judge.network_checks(target, seen),
        network_judge.tls_checks(target, seen, NOW),
        network_judge.clock_checks(target, seen),
    ):
        found += layer
        if failed(layer):
            break
    return {check.id: check for check in found}


def at(endpoint: str, zoo: Zoo, *, ca: str = "ca", seconds: float = 5) -> dict[str, Check]:
    """The checks of an endpoint, with one of the authorities trusted."""
    authority = zoo.ca if ca == "ca" else zoo.other_ca
    return checks(Target(endpoint, str(authority.pair.certificate), seconds=seconds))


def only_failure(found: dict[str, Check]) -> tuple[str, str, str]:
    """The one check that failed: its id, its code, and what was seen."""
    bad = [check for check in found.values() if check.verdict is Verdict.FAILED]
    assert len(bad) == 1, found
    assert bad[0].fix
    return bad[0].id, bad[0].error_code, bad[0].seen


def test_a_good_endpoint(zoo: Zoo) -> None:
    found = at(zoo.good.endpoint, zoo)
    assert {check.verdict for check in found.values()} == {Verdict.PASSED}
    assert list(found) == ["dns", "tcp", "tls", "certificate_expiry", "answer", "clock"]
    assert "TLSv1.3" in found["tls"].seen
    assert "Stowage testbed ca" in found["tls"].seen


@pytest.mark.parametrize(
    ("server", "ca", "code", "words"),
    [
        ("good", "other", "tls_untrusted", "authority that is not trusted"),
        ("misnamed", "ca", "tls_untrusted", "not for 127.0.0.1, but for wrong.example.org"),
        ("expired", "ca", "tls_untrusted", "has expired, on "),
        ("future", "ca", "tls_untrusted", "not valid yet, but from "),
        ("bare", "ca", "endpoint_unreachable", "no certificate"),
    ],
)
def test_certificates(zoo: Zoo, server: str, ca: str, code: str, words: str) -> None:
    name, found, seen = only_failure(at(getattr(zoo, server).endpoint, zoo, ca=ca))
    assert (name, found) == ("tls", code)
    assert words in seen


def test_a_certificate_of_ours_that_is_wanted(zoo: Zoo) -> None:
    name, code, seen = only_failure(at(zoo.wanting.endpoint, zoo))
    assert (name, code) == ("tls", "tls_untrusted")
    assert "client certificate" in seen
    mine = zoo.ca.client("mine", "stowage")
    pair = (str(mine.certificate), str(mine.key))
    found = checks(Target(zoo.wanting.endpoint, str(zoo.ca.pair.certificate), client_pair=pair))
    assert {check.verdict for check in found.values()} == {Verdict.PASSED}


def test_a_certificate_that_ends_soon(zoo: Zoo) -> None:
    found = at(zoo.ending.endpoint, zoo)
    assert found["certificate_expiry"].verdict is Verdict.WARNING
    assert found["tls"].verdict is Verdict.PASSED


def test_http_at_a_tls_port(zoo: Zoo) -> None:
    name, code, seen = only_failure(at(zoo.good.endpoint.replace("https", "http"), zoo))
    assert (name, code) == ("tls", "endpoint_unreachable")
    assert "speaks TLS" in seen


def test_tls_at_a_plain_port(zoo: Zoo) -> None:
    name, code, seen = only_failure(at(zoo.plain.endpoint.replace("http", "https"), zoo))
    assert (name, code) == ("tls", "endpoint_unreachable")
    assert "speaks plain HTTP" in seen


def test_a_port_that_is_closed(zoo: Zoo) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    name, code, seen = only_failure(at(f"https://127.0.0.1:{port}", zoo))
    assert (name, code) == ("tcp", "endpoint_unreachable")
    assert "refused" in seen


def test_a_name_that_does_not_exist(zoo: Zoo) -> None:
    assert only_failure(at("https://store.invalid", zoo))[:2] == ("dns", "endpoint_unreachable")


@pytest.mark.parametrize(
    ("server", "seconds", "words"),
    [("reset", 5, "closes the connection"), ("silence", 0.3, "in time"), ("babble", 5, "no HTTP")],
)
def test_what_is_no_http(zoo: Zoo, server: str, seconds: float, words: str) -> None:
    name, code, seen = only_failure(at(getattr(zoo, server).endpoint, zoo, seconds=seconds))
    assert (name, code) == ("answer", "endpoint_unreachable")
    assert words in seen


def test_a_reset_within_the_handshake(zoo: Zoo) -> None:
    name, code, _seen = only_failure(at(zoo.reset.endpoint.replace("http", "https"), zoo))
    assert (name, code) == ("tls", "endpoint_unreachable")


def test_clocks(zoo: Zoo) -> None:
    for server, words in ((zoo.ahead, "ahead of"), (zoo.behind, "behind")):
        name, code, seen = only_failure(at(server.endpoint, zoo))
        assert (name, code) == ("clock", "clock_skew")
        assert words in seen
    assert at(zoo.late.endpoint, zoo)["clock"].verdict is Verdict.WARNING


@pytest.mark.parametrize(
    ("skew", "verdict"),
    [
        (None, Verdict.UNKNOWN),
        (0.0, Verdict.PASSED),
        (-60.0, Verdict.PASSED),
        (61.0, Verdict.WARNING),
        (-900.0, Verdict.WARNING),
        (901.0, Verdict.FAILED),
    ],
)
def test_the_judgement_of_skew(skew: float | None, verdict: Verdict) -> None:
    assert network_judge.clock_check(skew).verdict is verdict


def test_dates() -> None:
    assert network.skew_of("Thu, 01 Jan 1970 00:01:00 GMT", 0.0) == 60.5
    for text in ("", "yesterday", "Thu, 99 Jan 1970 00:00:00 GMT", "Thu, 01 Jan 99999 00:00:00 GMT"):
        assert network.skew_of(text, 0.0) is None


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"HTTP/1.1 200 OK\r\nDate: x\r\n\r\n", 200),
        (b"HTTP/1.0 400\r\n\r\n", 400),
        (b"HTTP/1.1", 0),
        (b"SSH-2.0-OpenSSH_9\r\n", 0),
        (b"HTTP/1.1 abc OK", 0),
        ("HTTP/1.1 \u00b2\u00b2 OK".encode("latin-1"), 0),
        (b"", 0),
    ],
)
def test_heads(head: bytes, status: int) -> None:
    assert network.parse_head(head)[0] == status


def test_a_proxy_is_named_without_its_password() -> None:
    target = Target("https://store.example.com", proxy="http://user:canary@proxy.example.com:3128")
    found = network_judge.proxy_checks(target) + network_judge.tls_checks(target, Sighting(), NOW)
    assert "proxy.example.com:3128" in found[0].seen
    assert "canary" not in str(found)
    assert {check.verdict for check in found[1:]} == {Verdict.UNKNOWN}


def test_which_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    assert network.proxy_for("https://store.example.com") == ""
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:1")
    assert network.proxy_for("https://store.example.com:9000") == "http://proxy:1"
    assert network.proxy_for("http://store.example.com") == ""
    monkeypatch.setenv("NO_PROXY", "example.com")
    assert network.proxy_for("https://store.example.com:9000") == ""


def test_plain_http_is_a_warning_unless_it_stays_here() -> None:
    for host, verdict in (("127.0.0.1", Verdict.PASSED), ("store.example.com", Verdict.WARNING)):
        target = Target(f"http://{host}:9000")
        assert [check.verdict for check in network_judge.tls_checks(target, Sighting(), NOW)] == [verdict]
