# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A SAS that a principal signs with a key which Entra gave it: it allows what both allow, and ends with either. Private to the
collection.

Sources: https://learn.microsoft.com/rest/api/storageservices/create-user-delegation-sas and .../get-user-delegation-key. A key lives for
7 days at most. Whoever takes the principal's role away ends what it signed.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import datetime
import re
import typing as t
import urllib.parse

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_calls import AzureCalls
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_claims import sas_of
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_wire import API_VERSION, signature
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import key_file
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.azure_policy import Sas, Tree, unfit

LONGEST_HOURS: t.Final = 168
_SKEW: t.Final = datetime.timedelta(minutes=15)
_ADDRESSES: t.Final = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?:-[0-9]{1,3}(?:\.[0-9]{1,3}){3})?")
_KEY: t.Final = ("SignedOid", "SignedTid", "SignedStart", "SignedExpiry", "SignedService", "SignedVersion", "Value")


@dataclasses.dataclass(frozen=True)
class DelegationKey:
    """A user delegation key."""

    object_id: str
    tenant: str
    starts: str
    expires: str
    service: str
    version: str
    value: str = dataclasses.field(repr=False)


def sas_option(given: t.Mapping[str, t.Any] | None) -> Sas | None:
    """What the option asks for. Pure.

    :raises StowageError: ``invalid_option``.
    """
    if not given:
        return None
    hours, addresses = int(given["hours"]), str(given.get("addresses") or "")
    if not 1 <= hours <= LONGEST_HOURS:
        raise unfit(f"sas.hours must be 1 to {LONGEST_HOURS}: a key that signs a SAS lives for seven days at most.")
    if addresses and not _ADDRESSES.fullmatch(addresses):
        raise unfit("sas.addresses must be an IPv4 address, or two with a hyphen between them.")
    return Sas(hours, str(given["secret_path"]), addresses)


def described(sas: Sas, letters: str) -> Tree:
    """What is told of a SAS. Nothing in it is secret."""
    return {"permissions": letters, "hours": sas.hours, "addresses": sas.addresses, "protocol": "https"}


def kept(sas: Sas, letters: str, address: str, object_id: str) -> tuple[bool, bool]:
    """Whether the file holds a SAS, and whether that is as it should be, for half of its time at least.

    :raises StowageError: ``invalid_option`` for a file that holds something else.
    """
    found = key_file.read_document(sas.path, ("sas_token", "address"))
    if found is None:
        return False, False
    fields = dict(urllib.parse.parse_qsl(found["sas_token"]))
    said = sas_of(fields)
    now = datetime.datetime.now(datetime.UTC)
    left = (said.expires - now) if said.expires else datetime.timedelta()
    fits = (
        found["address"] == address
        and said.object_id == object_id
        and fields.get("sp") == letters
        and fields.get("sip", "") == sas.addresses
        and datetime.timedelta(hours=sas.hours / 2) <= left <= datetime.timedelta(hours=sas.hours)
    )
    return True, fits


def get_key(calls: AzureCalls, hours: int) -> DelegationKey:
    """A key for the caller, for some hours.

    :raises LocationError: if it gets none.
    """
    now = calls.clock(lambda: None)
    start, end = _moment(now - _SKEW), _moment(now + datetime.timedelta(hours=hours))
    body = f'<?xml version="1.0" encoding="utf-8"?><KeyInfo><Start>{start}</Start><Expiry>{end}</Expiry></KeyInfo>'
    answer = calls.once(
        "POST",
        "Asking for a key to sign a SAS with",
        parameters={"restype": "service", "comp": "userdelegationkey"},
        headers={"Content-Type": "application/xml"},
        content=body.encode(),
        of_account=True,
    )
    return parse_key(answer.body)


def parse_key(body: bytes) -> DelegationKey:
    """From the answer's XML. Pure. :raises StowageError: ``store_error`` if it is something else."""
    from xml.etree import ElementTree

    try:
        root = None if b"<!DOCTYPE" in body else ElementTree.fromstring(body.removeprefix(b"\xef\xbb\xbf"))  # noqa: S314 - no entities
        values = [root.findtext(name) or "" for name in _KEY] if root is not None else []
        if not values or not all(values):
            raise ValueError("no key")
        base64.b64decode(values[-1], validate=True)
    except (ElementTree.ParseError, ValueError, binascii.Error):
        raise StowageError(
            "store_error", "What is answered is no key to sign a SAS with.", "Try again later."
        ) from None
    return DelegationKey(*values)


def token(key: DelegationKey, account: str, container: str, letters: str, addresses: str) -> str:
    """A SAS of a container, which ends with the key, over TLS only. Pure."""
    where = f"/blob/{account}/{container}"
    lines = [
        letters,
        "",
        key.expires,
        where,
        key.object_id,
        key.tenant,
        key.starts,
        key.expires,
        key.service,
        key.version,
    ]
    # Nobody else is named as its user, nothing correlates it, and it is neither of a snapshot nor of a scope; no header is set.
    lines += ["", "", "", addresses, "https", API_VERSION, "c", "", "", "", "", "", "", ""]
    fields = {
        "sv": API_VERSION,
        "sr": "c",
        "sp": letters,
        "se": key.expires,
        "spr": "https",
        **({"sip": addresses} if addresses else {}),
        "skoid": key.object_id,
        "sktid": key.tenant,
        "skt": key.starts,
        "ske": key.expires,
        "sks": key.service,
        "skv": key.version,
        "sig": signature(base64.b64decode(key.value), "\n".join(lines)),
    }
    return urllib.parse.urlencode(fields, quote_via=urllib.parse.quote)


def _moment(when: datetime.datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")
