# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The certificates that a location's store is checked against. Private to the collection."""

from __future__ import annotations

import contextlib
import os
import ssl
import tempfile
import typing as t
import weakref

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.keys import printable


class TrustedCertificates:
    """What the option ``ca_cert`` (a path, or PEM text) means: ``verify`` is a path, or ``None`` for what the machine trusts."""

    def __init__(self, ca_cert: str) -> None:
        self.verify: str | None = None
        self._finalizer: weakref.finalize[t.Any, TrustedCertificates] | None = None
        if not ca_cert:
            return
        text = ca_cert.lstrip().startswith("-----BEGIN")
        path = "" if text else os.path.expanduser(ca_cert)
        _check_certificates(path, ca_cert if text else None)
        if text:
            # SDKs take a path only. It holds no secret, and goes when the location is closed or forgotten.
            handle, path = tempfile.mkstemp(prefix="stowage-ca-", suffix=".pem")
            self._finalizer = weakref.finalize(self, _remove, path)
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(ca_cert)
        self.verify = path

    def close(self) -> None:
        """Removes the temporary file, if there is one."""
        if self._finalizer is not None:
            self._finalizer()


def client_pair(certificate: str, key: str) -> tuple[str, str] | None:
    """The files of a client certificate and its key, if there are any.

    :raises StowageError: ``invalid_option`` when they cannot be used.
    """
    if not certificate and not key:
        return None
    pair = os.path.expanduser(certificate), os.path.expanduser(key)
    try:
        # A password is asked for on the terminal otherwise.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(*pair, password=lambda: b"")
    except (OSError, ValueError):
        # ssl.SSLError is an OSError.
        message = "What client_cert and client_key name cannot be read as a certificate and its key."
        hint = "Give the paths of files in PEM format, the key without a password."
        raise StowageError("invalid_option", message, hint) from None
    return pair


def _check_certificates(path: str, text: str | None) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path or None, cadata=text)
    except FileNotFoundError:
        raise StowageError(
            "invalid_option", f"The file {printable(path)} of ca_cert does not exist.", "Check the path."
        ) from None
    except (OSError, ValueError):
        # ssl.SSLError is an OSError.
        hint = "Give the path or the text of certificates in PEM format."
        raise StowageError("invalid_option", "What ca_cert gives cannot be read as certificates.", hint) from None


def _remove(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)
