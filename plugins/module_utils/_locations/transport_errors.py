# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why no request came through to a store, whatever the provider. Private to the collection.

Each provider's classifier tells its SDK's exceptions apart; what they mean, and what to do, is said here once.
"""

from __future__ import annotations

import re
import ssl
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import Doubt, Failure, cause

_CLIENT: t.Final = re.compile(r"ALERT_(CERTIFICATE_REQUIRED|UNKNOWN_CA|BAD_CERTIFICATE|CERTIFICATE_(EXPIRED|UNKNOWN))")

_ADDRESS: t.Final = "Check the endpoint, its port, and firewalls."


def unreachable(what: str, reason: str, hint: str, doubt: Doubt) -> Failure:
    """A connection that may come about another time. :param what: what was tried, here and below."""
    return Failure("endpoint_unreachable", f"{what}: {reason}.", hint, transient=True, doubt=doubt)


def proxy_silent(what: str) -> Failure:
    """No connection to a proxy."""
    hint = "Check HTTPS_PROXY and HTTP_PROXY, or name the store in NO_PROXY."
    return unreachable(what, "the proxy does not answer", hint, "unsent")


def name_unknown(what: str, hint: str) -> Failure:
    """DNS does not know the store."""
    message = f"{what}: the name of the endpoint is not known (DNS)."
    return Failure("endpoint_unreachable", message, hint, doubt="unsent")


def nothing_answers(what: str) -> Failure:
    """No connection to the store."""
    return unreachable(what, "nothing answers at the endpoint", _ADDRESS, "unsent")


def no_connection_in_time(what: str) -> Failure:
    """Nothing came back from the store's address."""
    return unreachable(what, "no connection in time", _ADDRESS, "unsent")


def no_answer_in_time(what: str) -> Failure:
    """The request was sent."""
    return unreachable(what, "no answer in time", "Check the store's load, and proxies on the way.", "unknown")


def connection_lost(what: str, endpoint: str = "the endpoint (http or https?)") -> Failure:
    """The request may have been sent."""
    return unreachable(what, "the connection was lost", f"Check {endpoint} and proxies on the way.", "unknown")


def bundle_unusable(what: str) -> Failure:
    """The file of trusted certificates, an option's or the environment's."""
    hint = "Check ca_cert and the variables REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE and AWS_CA_BUNDLE."
    return Failure("tls_untrusted", f"{what}: the file of trusted certificates cannot be used.", hint, doubt="unsent")


def of_tls(error: Exception, what: str, otherwise: str) -> Failure:
    """The failure behind an exception that TLS is the reason of.

    :param what: what was tried.
    :param otherwise: what to do when nothing more is known.
    """
    verification = cause(error, ssl.SSLCertVerificationError)
    text = str(error)
    if verification is not None:
        message = str(verification.verify_message).rstrip(".")
        hints = {
            18: "Set ca_cert to the certificate that signs the store's.",
            19: "Set ca_cert to the certificate of the CA that signs the store's.",
            20: "Set ca_cert to the certificate of the CA that signs the store's.",
            10: "Renew the store's certificate.",
            9: "Check this machine's clock.",
        }
        hint = hints.get(verification.verify_code, "Use the name that the certificate is made for.")
        return Failure(
            "tls_untrusted", f"{what}: the store's certificate is not trusted: {message}.", hint, doubt="unsent"
        )
    if "doesn't match" in text or "mismatch" in text:
        hint = "Use the name that the certificate is made for."
        return Failure("tls_untrusted", f"{what}: the store's certificate is for another name.", hint, doubt="unsent")
    if "WRONG_VERSION_NUMBER" in text or "HTTP_REQUEST" in text:
        hint = "Use http:// in the endpoint, or the port that speaks TLS."
        return Failure("endpoint_unreachable", f"{what}: the endpoint does not speak TLS.", hint, doubt="unsent")
    if "NO_CERTIFICATE_OR_CRL_FOUND" in text or "Errno 2" in text:
        return bundle_unusable(what)
    if _CLIENT.search(text):
        given = "CERTIFICATE_REQUIRED" not in text
        reason = "the client certificate is not accepted" if given else "the store wants a client certificate"
        hint = "Set client_cert and client_key (of provider minio) to a certificate that the store trusts."
        return Failure(f"credentials_{'invalid' if given else 'missing'}", f"{what}: {reason}.", hint)
    # A connection that breaks within TLS looks like this too, and may carry a request already.
    return unreachable(what, "TLS failed", otherwise, "unknown")
