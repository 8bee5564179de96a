# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Failures below HTTP: names, connections, TLS, proxies. Private to the collection."""

from __future__ import annotations

import ssl
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError

_UNTRUSTED_HINT: t.Final = "Give the cluster's CA: `ca_cert`, or certificate-authority-data in the kubeconfig."
_REACH_HINT: t.Final = "Check the address, and that this machine's network, firewall and proxy let it through."
_HOSTNAME_MISMATCH: t.Final = (62, 64)  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
_NO_TLS: t.Final = (
    "WRONG_VERSION_NUMBER",
    "UNKNOWN_PROTOCOL",
    "HTTP_REQUEST",
    "PACKET_LENGTH_TOO_LONG",
    "RECORD_LAYER_FAILURE",
)


class TransportError(Exception):
    """There was no answer, or not a whole one.

    :ivar error: what to raise.
    :ivar transient: whether another try may help.
    """

    def __init__(self, error: StowageError, *, transient: bool) -> None:
        super().__init__(error.message)
        self.error = error
        self.transient = transient


def describe(error: Exception, server: str) -> TransportError:
    """What an exception of urllib3, ``http.client`` or the socket means. Messages hold the server's address only."""
    reason = _root(error)
    if type(reason).__name__ == "CertificateError":  # urllib3 1.26 compares names itself
        return TransportError(_misnamed(server), transient=False)
    if isinstance(reason, ssl.SSLCertVerificationError):
        return TransportError(_untrusted(reason, server), transient=False)
    if isinstance(reason, ssl.SSLError):
        return _tls_failure(reason, server)
    name, text = type(error).__name__, ""
    if isinstance(reason, OSError) and reason.strerror:
        text = f": {reason.strerror}"
    if "Proxy" in name:
        message = f"The proxy on the way to {server} does not answer or refuses{text}."
        return TransportError(
            StowageError("cluster_unreachable", message, "Check `proxy`, `no_proxy` and HTTPS_PROXY."), transient=True
        )
    if "Timeout" in name:
        return TransportError(
            StowageError("cluster_unreachable", f"{server} did not answer in time.", _REACH_HINT), transient=True
        )
    if "NameResolution" in name or type(reason).__name__ == "gaierror":
        return TransportError(
            StowageError("cluster_unreachable", f"The name in {server} cannot be resolved.", _REACH_HINT),
            transient=True,
        )
    return TransportError(
        StowageError("cluster_unreachable", f"The connection to {server} failed{text or f' ({name})'}.", _REACH_HINT),
        transient=True,
    )


def too_slow(server: str, seconds: float) -> TransportError:
    """The error for an answer that trickles in."""
    message = f"{server} needed more than {seconds:.0f} s for one answer."
    return TransportError(StowageError("cluster_unreachable", message, _REACH_HINT), transient=False)


def _root(error: BaseException) -> BaseException:
    """The exception at the bottom: urllib3 keeps it as ``reason``, as an argument, or as the cause."""
    for _depth in range(8):
        inner = [getattr(error, "reason", None), getattr(error, "original_error", None), error.__cause__, *error.args]
        inner.append(error.__context__)
        below = next((e for e in inner if isinstance(e, BaseException) and e is not error), None)
        if below is None:
            break
        error = below
    return error


def _untrusted(error: ssl.SSLCertVerificationError, server: str) -> StowageError:
    if error.verify_code in _HOSTNAME_MISMATCH:
        return _misnamed(server)
    message = f"The certificate of {server} is not trusted: {error.verify_message}."
    return StowageError("cluster_tls_untrusted", message, _UNTRUSTED_HINT)


def _misnamed(server: str) -> StowageError:
    hint = "Use the name that the certificate has, or set tls-server-name in the kubeconfig."
    return StowageError("cluster_tls_untrusted", f"The certificate of {server} is for another name.", hint)


def _tls_failure(error: ssl.SSLError, server: str) -> TransportError:
    reason = error.reason or ""
    if any(word in reason for word in _NO_TLS):
        message = f"{server} does not answer with TLS."
        return TransportError(
            StowageError("cluster_unreachable", message, "Check the port; a plain server has http://."), transient=False
        )
    if "ALERT" in reason and "CERTIFICATE" in reason:
        message = f"{server} does not accept the client certificate ({reason})."
        return TransportError(
            StowageError("cluster_unauthorized", message, "Renew the client certificate."), transient=False
        )
    message = f"The TLS connection to {server} failed ({reason or 'broken off'})."
    return TransportError(StowageError("cluster_unreachable", message, _REACH_HINT), transient=True)
