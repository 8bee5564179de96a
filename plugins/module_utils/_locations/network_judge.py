# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is to be said about what was seen at an endpoint. Private to the collection. Pure."""

from __future__ import annotations

import datetime
import typing as t
import urllib.parse

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.catalogue import (
    failed,
    passed,
    unknown,
    warning,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.keys import printable
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.network import Sighting, Target, Trouble
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.report import Check

SKEW_WARNS: t.Final = 60.0
SKEW_FAILS: t.Final = 900.0
"""What S3 and Azure allow."""
EXPIRY_WARNS: t.Final = datetime.timedelta(days=14)

_TCP: t.Final[t.Mapping[Trouble, str]] = {
    "refused": "The connection is refused: nothing listens there.",
    "timeout": "No connection in time: a firewall drops it, or the host is down.",
    "unreachable": "There is no route to the host.",
}
# What is wrong -> (error code, what was seen, fix).
_TLS: t.Final[t.Mapping[Trouble, tuple[str, str, str]]] = {
    "unknown_authority": (
        "tls_untrusted",
        "The certificate is signed by an authority that is not trusted.",
        "Set ca_cert to the certificate of the CA that signs the store's.",
    ),
    "self_signed": (
        "tls_untrusted",
        "The certificate is signed by itself, and not trusted.",
        "Set ca_cert to this certificate, or to that of a CA that signs a new one.",
    ),
    "expired": ("tls_untrusted", "The certificate has expired{since}.", "Renew the store's certificate."),
    "not_yet_valid": (
        "tls_untrusted",
        "The certificate is not valid yet{until}.",
        "Check this machine's clock, and when the certificate begins to be valid.",
    ),
    "wrong_name": (
        "tls_untrusted",
        "The certificate is not for {host}{names}.",
        "Use a name in the endpoint that the certificate is made for, or have one made for this name.",
    ),
    "untrusted": ("tls_untrusted", "The certificate cannot be verified.", "Check the store's chain of certificates."),
    "no_tls": (
        "endpoint_unreachable",
        "The port speaks plain HTTP, not TLS.",
        "Use the port of the store that speaks TLS; with http:// in the endpoint, backups would travel in the clear.",
    ),
    "no_certificate": (
        "endpoint_unreachable",
        "The server refuses the handshake: it has no certificate, none for this name, or wants one of ours.",
        "Give the store a certificate for the endpoint's name.",
    ),
    "tls_failed": ("endpoint_unreachable", "The handshake failed.", "Check which versions of TLS the store speaks."),
    "reset": (
        "endpoint_unreachable",
        "The connection was closed during the handshake.",
        "Check the endpoint's port, and firewalls that look into connections.",
    ),
}
_HTTP: t.Final[t.Mapping[Trouble, str]] = {
    "timeout": "It takes the connection and does not answer in time.",
    "reset": "It closes the connection without an answer.",
    "no_http": "What it answers is no HTTP.",
}


def network_checks(target: Target, seen: Sighting) -> list[Check]:
    """The layer of names and ports."""
    if seen.dns:
        return [failed("dns", f"{printable(target.host)} has no address.", "endpoint_unreachable")]
    addresses = ", ".join(seen.addresses[:4])
    checks = [passed("dns", f"{printable(target.host)} is {addresses}.")]
    where = f"Port {target.port} of {addresses}"
    if seen.tcp:
        return [*checks, failed("tcp", f"{where}: {_TCP.get(seen.tcp, seen.tcp)}", "endpoint_unreachable")]
    return [*checks, passed("tcp", f"{where} takes connections.")]


def proxy_checks(target: Target) -> list[Check]:
    """The layer of names and ports where a proxy is used."""
    parts = urllib.parse.urlsplit(target.proxy if "://" in target.proxy else f"http://{target.proxy}")
    # Its user and password stay out.
    shown = printable(f"{parts.hostname or '?'}:{parts.port or 80}")
    seen = f"Requests go through the proxy {shown}."
    hidden = "Not visible through the proxy."
    return [
        passed("proxy", seen, fix="Name the store in NO_PROXY if it should be reached directly."),
        unknown("dns", hidden, fix=""),
        unknown("tcp", hidden, fix=""),
    ]


def tls_checks(target: Target, seen: Sighting, now: datetime.datetime) -> list[Check]:
    """The layer of TLS."""
    if target.proxy:
        return [unknown("tls", "Not visible through the proxy.", fix="")] if target.tls else [_plain(target)]
    if seen.http == "tls_port":
        seen_text = f"Port {target.port} speaks TLS, and the endpoint is http://."
        return [failed("tls", seen_text, "endpoint_unreachable", fix="Use https:// in the endpoint.")]
    if seen.http == "certificate_wanted":
        text = "The store wants a client certificate, and none or a wrong one is given."
        fix = "Give the location a client certificate that the store trusts, or have the store ask for none."
        return [failed("tls", text, "tls_untrusted", fix=fix)]
    if not target.tls:
        return [_plain(target)]
    if seen.tls:
        code, text, fix = _TLS[seen.tls]
        return [failed("tls", _told(text, target, seen), code, fix=fix)]
    issuer = seen.certificate.issuer if seen.certificate else ""
    by = f", with a certificate of {printable(issuer)}" if issuer else ""
    return [passed("tls", f"{seen.version}{by}."), expiry_check(seen, now)]


def _plain(target: Target) -> Check:
    if target.host in {"localhost", "127.0.0.1", "::1"}:
        return passed("tls", "Plain HTTP, which does not leave this machine.")
    return warning("tls", "Plain HTTP: whoever is on the way can read and change backups.")


def _told(text: str, target: Target, seen: Sighting) -> str:
    found = seen.certificate
    names = f", but for {printable(', '.join(found.names[:5]))}" if found and found.names else ""
    since = f", on {found.not_after:%Y-%m-%d}" if found and found.not_after else ""
    until = f", but from {found.not_before:%Y-%m-%d} on" if found and found.not_before else ""
    return text.format(host=printable(target.host), names=names, since=since, until=until)


def expiry_check(seen: Sighting, now: datetime.datetime) -> Check:
    """How long the certificate is valid still."""
    end = seen.certificate.not_after if seen.certificate else None
    if end is None:
        return unknown("certificate_expiry", "The certificate's end could not be read.", fix="")
    text = f"It is valid until {end:%Y-%m-%d}."
    return warning("certificate_expiry", text) if end - now < EXPIRY_WARNS else passed("certificate_expiry", text)


def clock_checks(target: Target, seen: Sighting, fails: float = SKEW_FAILS) -> list[Check]:
    """The layer of HTTP and time. :param fails: the seconds that the store allows."""
    if target.proxy:
        return [unknown("clock", "The proxy's time is not the store's; signed requests will show it.", fix="")]
    if seen.http:
        return [failed("answer", _HTTP.get(seen.http, seen.http), "endpoint_unreachable")]
    by = f" by {printable(seen.server)}" if seen.server else ""
    return [passed("answer", f"HTTP is answered{by}, with status {seen.status}."), clock_check(seen.skew, fails)]


def clock_check(skew: float | None, fails: float = SKEW_FAILS) -> Check:
    """What a difference of clocks means.

    :param skew: seconds by which the store's is ahead.
    :param fails: the seconds that the store allows.
    """
    if skew is None:
        return unknown("clock", "The answer has no date.", fix="")
    off = abs(skew)
    text = f"The store's clock is {off:.0f} s {'ahead of' if skew > 0 else 'behind'} this machine's."
    if off > fails:
        return failed("clock", text, "clock_skew")
    return warning("clock", text) if off > SKEW_WARNS else passed("clock", text)
