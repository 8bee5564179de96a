# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Service account tokens signed with a test cluster's own key: the TokenRequest API gives none for less than ten minutes."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

# The shortest life that TokenRequest accepts.
SHORTEST_REQUEST_SECONDS = 600
# The apiserver forgives this much after a token's end (go-jose's default leeway).
LEEWAY_SECONDS = 60


def mint(key: Path, issuer: str, account: dict[str, Any], seconds: float) -> str:
    """A token for this ServiceAccount object that the apiserver refuses from `seconds` on (see `Cluster.token_for`)."""
    now = time.time()
    meta = account["metadata"]
    claims = {
        "iss": issuer,
        "aud": [issuer],
        "sub": f"system:serviceaccount:{meta['namespace']}:{meta['name']}",
        "iat": int(now) - LEEWAY_SECONDS,
        "nbf": int(now) - LEEWAY_SECONDS,
        "exp": int(now + seconds - LEEWAY_SECONDS),
        "kubernetes.io": {
            "namespace": meta["namespace"],
            "serviceaccount": {"name": meta["name"], "uid": meta["uid"]},
        },
    }
    signed = f"{_encoded({'alg': 'RS256', 'typ': 'JWT'})}.{_encoded(claims)}"
    private = serialization.load_pem_private_key(key.read_bytes(), None)
    assert isinstance(private, rsa.RSAPrivateKey)
    return f"{signed}.{_text(private.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def _encoded(part: dict[str, Any]) -> str:
    return _text(json.dumps(part, separators=(",", ":")).encode())


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
