# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is at an endpoint, before any SDK: name, port, TLS, HTTP, clock. Private to the collection.

SDKs blur these: the same exception stands for a name that is not known and a port that is closed. Nothing here signs
anything or sends a credential; the one request is an anonymous HEAD of ``/``. How it is judged is in ``network_judge``.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import email.utils
import socket
import ssl
import time
import typing as t
import urllib.parse
import urllib.request

from ansible_collections.stowage.kubernetes.plugins.module_utils._version import USER_AGENT

SECONDS: t.Final = 10.0
_LONGEST_HEAD: t.Final = 32 << 10
_NO_CHECK_TIME: t.Final = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL, which Python has no name for."""
_NOT_TLS: t.Final = (
    "WRONG_VERSION_NUMBER",
    "HTTP_REQUEST",
    "HTTPS_PROXY_REQUEST",
    "UNKNOWN_PROTOCOL",
    "RECORD_LAYER_FAILURE",
)

Trouble = t.Literal[
    "",
    "unknown_name",
    "refused",
    "timeout",
    "unreachable",
    "unknown_authority",
    "self_signed",
    "expired",
    "not_yet_valid",
    "wrong_name",
    "untrusted",
    "no_tls",
    "no_certificate",
    "tls_failed",
    "tls_port",
    "certificate_wanted",
    "reset",
    "no_http",
]
"""What went wrong at a step."""


@dataclasses.dataclass(frozen=True)
class Target:
    """An endpoint, and how it is to be reached.

    :param url: scheme, host and port.
    :param ca_file: the certificates to trust; empty for those of the machine.
    :param proxy: the proxy's URL, empty if none is used.
    :param client_pair: the files of our own certificate and its key, for stores that want one.
    """

    url: str
    ca_file: str = ""
    proxy: str = ""
    seconds: float = SECONDS
    client_pair: tuple[str, str] | None = None

    @property
    def host(self) -> str:
        return urllib.parse.urlsplit(self.url).hostname or ""

    @property
    def tls(self) -> bool:
        return self.url.startswith("https:")

    @property
    def port(self) -> int:
        return urllib.parse.urlsplit(self.url).port or (443 if self.tls else 80)


@dataclasses.dataclass(frozen=True)
class Certificate:
    """What is looked at of a certificate: its names, its times, and who signed it."""

    names: tuple[str, ...] = ()
    not_before: datetime.datetime | None = None
    not_after: datetime.datetime | None = None
    issuer: str = ""


@dataclasses.dataclass(frozen=True)
class Sighting:
    """What was seen; a step is ``None`` if it was not reached, and ``""`` if it went well.

    :param skew: seconds by which the store's clock is ahead of this machine's; ``None`` if the answer had no time.
    """

    addresses: tuple[str, ...] = ()
    dns: Trouble | None = None
    tcp: Trouble | None = None
    tls: Trouble | None = None
    version: str = ""
    certificate: Certificate | None = None
    http: Trouble | None = None
    status: int = 0
    server: str = ""
    skew: float | None = None


def proxy_for(url: str, proxies: t.Mapping[str, str] | None = None) -> str:
    """The proxy that HTTP clients of this process use for a URL, by HTTP_PROXY, HTTPS_PROXY and NO_PROXY; empty if none."""
    parts = urllib.parse.urlsplit(url)
    host = parts.hostname or ""
    try:
        if urllib.request.proxy_bypass(f"{host}:{parts.port}" if parts.port else host):
            return ""
    except (OSError, ValueError):
        return ""
    found = urllib.request.getproxies() if proxies is None else proxies
    return found.get(parts.scheme) or found.get("all") or ""


def look(target: Target) -> Sighting:
    """Looks at an endpoint directly. Never raises for what is there."""
    sighting, address = _resolved(target)
    if address is None:
        return sighting
    connection, sighting = _connected(target, sighting)
    if connection is None:
        return sighting
    try:
        if target.tls:
            connection, sighting = _secured(target, connection, sighting)
        return sighting if sighting.tls else _asked(target, connection, sighting)
    finally:
        connection.close()


def _resolved(target: Target) -> tuple[Sighting, str | None]:
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return Sighting(dns="unknown_name"), None
    addresses = tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
    return Sighting(addresses, dns=""), addresses[0] if addresses else None


def _connected(target: Target, sighting: Sighting) -> tuple[socket.socket | None, Sighting]:
    """The first address that answers."""
    trouble: Trouble = "unreachable"
    for address in sighting.addresses:
        try:
            connection = socket.create_connection((address, target.port), timeout=target.seconds)
        except TimeoutError:
            trouble = "timeout"
        except ConnectionRefusedError:
            trouble = "refused"
        except OSError:
            trouble = "unreachable"
        else:
            return connection, dataclasses.replace(sighting, tcp="")
    return None, dataclasses.replace(sighting, tcp=trouble)


# TLS


def _context(target: Target) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=target.ca_file or None)
    if target.client_pair is not None:
        context.load_cert_chain(*target.client_pair)
    return context


def _secured(target: Target, connection: socket.socket, sighting: Sighting) -> tuple[socket.socket, Sighting]:
    try:
        secured = _context(target).wrap_socket(connection, server_hostname=target.host)
    except ssl.SSLCertVerificationError as error:
        trouble = _untrusted(error)
        return connection, dataclasses.replace(sighting, tls=trouble, certificate=_described(target, trouble))
    except ssl.SSLError as error:
        return connection, dataclasses.replace(sighting, tls=_tls_trouble(target, error))
    except OSError:
        # Some servers hang up on what they do not understand, others on everybody.
        trouble = "no_tls" if _speaks_http(target) else "reset"
        return connection, dataclasses.replace(sighting, tls=trouble)
    certificate = certificate_of(secured.getpeercert() or {})
    return secured, dataclasses.replace(sighting, tls="", version=secured.version() or "", certificate=certificate)


def _untrusted(error: ssl.SSLCertVerificationError) -> Trouble:
    """By OpenSSL's number of the verification's error (x509_vfy.h)."""
    numbers: dict[int, Trouble] = {
        2: "unknown_authority",
        9: "not_yet_valid",
        10: "expired",
        18: "self_signed",
        19: "unknown_authority",
        20: "unknown_authority",
        21: "unknown_authority",
        62: "wrong_name",
        64: "wrong_name",
    }
    return numbers.get(error.verify_code, "untrusted")


def _tls_trouble(target: Target, error: ssl.SSLError) -> Trouble:
    reason = str(error.reason or "")
    if reason in _NOT_TLS or _speaks_http(target):
        return "no_tls"
    if "ALERT" in reason:
        # A server without a certificate, or without one for this name, says so in one of several ways.
        return "no_certificate"
    return "reset" if isinstance(error, ssl.SSLEOFError) else "tls_failed"


def _described(target: Target, trouble: Trouble) -> Certificate | None:
    """What is in a certificate whose name or time is wrong, its signature being right: who has to act needs to know."""
    if trouble not in {"wrong_name", "expired", "not_yet_valid"}:
        return None
    context = _context(target)
    context.check_hostname = False
    context.verify_flags = ssl.VerifyFlags(int(context.verify_flags) | _NO_CHECK_TIME)
    with (
        contextlib.suppress(OSError, ValueError),
        socket.create_connection((target.host, target.port), timeout=target.seconds) as connection,
        context.wrap_socket(connection, server_hostname=target.host) as secured,
    ):
        return certificate_of(secured.getpeercert() or {})
    return None


def certificate_of(found: t.Mapping[str, t.Any]) -> Certificate:
    """From what ``getpeercert`` returns."""

    def moment(name: str) -> datetime.datetime | None:
        try:
            return datetime.datetime.fromtimestamp(ssl.cert_time_to_seconds(found[name]), datetime.UTC)
        except (KeyError, ValueError, OverflowError):
            return None

    names = tuple(str(value) for _kind, value in found.get("subjectAltName", ()))
    issuer = dict(pair for part in found.get("issuer", ()) for pair in part)
    by = str(issuer.get("commonName") or issuer.get("organizationName") or "")
    return Certificate(names, moment("notBefore"), moment("notAfter"), by)


def _speaks_http(target: Target) -> bool:
    """Whether plain HTTP is answered at the endpoint."""
    with (
        contextlib.suppress(OSError),
        socket.create_connection((target.host, target.port), timeout=target.seconds) as connection,
    ):
        return _exchange(target, connection).startswith(b"HTTP/")
    return False


def _speaks_tls(target: Target) -> bool:
    """Whether TLS is answered at the endpoint. Nobody is trusted and nothing sent."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with socket.create_connection((target.host, target.port), timeout=target.seconds) as connection:
            context.wrap_socket(connection, server_hostname=target.host).close()
    except ssl.SSLError as error:
        # An alert is TLS, too.
        return "ALERT" in str(error.reason or "")
    except OSError:
        return False
    return True


# HTTP


def _asked(target: Target, connection: socket.socket, sighting: Sighting) -> Sighting:
    sent = time.time()
    try:
        head = _exchange(target, connection)
    except TimeoutError:
        return dataclasses.replace(sighting, http=_unanswered(target, "timeout"))
    except OSError:
        return dataclasses.replace(sighting, http=_unanswered(target, "reset"))
    between = (sent + time.time()) / 2
    status, headers = parse_head(head)
    if not status:
        return dataclasses.replace(sighting, http=_unanswered(target, "no_http" if head else "reset"))
    # Go's servers answer plain HTTP at their TLS port, with a 400.
    if status == 400 and not target.tls and _speaks_tls(target):
        return dataclasses.replace(sighting, http="tls_port", status=status)
    server = headers.get("server", "")[:100]
    skew = skew_of(headers.get("date", ""), between)
    return dataclasses.replace(sighting, http="", status=status, server=server, skew=skew)


def _unanswered(target: Target, trouble: Trouble) -> Trouble:
    if not target.tls:
        return "tls_port" if _speaks_tls(target) else trouble
    return "certificate_wanted" if trouble == "reset" and _wants_certificate(target) else trouble


def _wants_certificate(target: Target) -> bool:
    """Whether the server ends the connection because it wants a certificate of ours. With TLS 1.3 it says so only after the
    handshake; a request would cross that on its way, so none is sent."""
    try:
        with (
            socket.create_connection((target.host, target.port), timeout=target.seconds) as connection,
            _context(target).wrap_socket(connection, server_hostname=target.host) as secured,
        ):
            secured.recv(1)
    except ssl.SSLError as error:
        return "ALERT" in str(error.reason or "")
    except OSError:
        return False
    return False


def _exchange(target: Target, connection: socket.socket) -> bytes:
    """Sends the request and returns the head of the answer, or as much as came of it. Bounded in bytes and in time."""
    host = f"[{target.host}]" if ":" in target.host else target.host
    lines = ["HEAD / HTTP/1.1", f"Host: {host}:{target.port}", f"User-Agent: {USER_AGENT}", "Connection: close", "", ""]
    end = time.monotonic() + target.seconds
    connection.settimeout(target.seconds)
    connection.sendall("\r\n".join(lines).encode("ascii", "replace"))
    head = b""
    while b"\r\n\r\n" not in head and len(head) < _LONGEST_HEAD:
        left = end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        connection.settimeout(left)
        piece = connection.recv(4096)
        if not piece:
            break
        head += piece
    return head


def parse_head(head: bytes) -> tuple[int, dict[str, str]]:
    """The status and the headers (names in lower case) of an answer's head; status 0 if that is no HTTP."""
    first, *rest = head.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    words = first.split(" ", 2)
    if not words[0].startswith("HTTP/") or len(words) < 2 or not (words[1].isascii() and words[1].isdigit()):
        return 0, {}
    pairs = (line.partition(":") for line in rest)
    return int(words[1][:3]), {name.strip().lower(): value.strip() for name, _colon, value in pairs}


def skew_of(date: str, now: float) -> float | None:
    """Seconds by which a ``Date`` is ahead of ``now`` (seconds since 1970); ``None`` if it is no date."""
    try:
        told = email.utils.parsedate_to_datetime(date)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    told = told.replace(tzinfo=datetime.UTC) if told.tzinfo is None else told
    # A Date has whole seconds, cut off: half a second is the best guess.
    return told.timestamp() + 0.5 - now
