# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What credentials for Azure say of themselves: a shared access signature in its fields, a token in its claims. Private to
the collection. Pure.

The fields are those of Microsoft's "Create an account SAS", "Create a service SAS" and "Create a user delegation SAS". Nothing
is verified here: who reads this holds the credentials, and the service decides.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import datetime
import json
import re
import typing as t

Kind = t.Literal["account", "service", "user"]

_CLAIMS: t.Final = ("tid", "oid", "appid")
_MOST_TOKEN: t.Final = 64 << 10
_UUID: t.Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_POLICY: t.Final = re.compile(r"[\x20-\x7e]{1,64}")


@dataclasses.dataclass(frozen=True)
class Sas:
    """A shared access signature, without what is secret in it.

    :param kind: ``account`` and ``service`` are signed with the account's key, ``user`` with one that Entra gave somebody.
    :param permissions: its letters; ``None`` where a stored access policy may have them.
    :param services: of an account's: letters of services, ``b`` for blobs.
    :param kinds: of an account's: letters of kinds of resources, ``c`` for containers and ``o`` for blobs.
    :param resource: of the others: ``c`` for a container, ``b`` for a single blob, ``d`` for a directory.
    :param policy: the name of the stored access policy, if there is one.
    :param expires: when it ends, or the key that it is signed with, whatever comes first; ``None`` if a policy says it.
    """

    kind: Kind
    permissions: frozenset[str] | None = None
    services: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()
    resource: str = ""
    policy: str = ""
    starts: datetime.datetime | None = None
    expires: datetime.datetime | None = None
    tls_only: bool = False
    addresses: str = ""
    scope: str = ""
    tenant: str = ""
    object_id: str = ""

    @property
    def whole(self) -> bool:
        """Whether it is for more than a single blob."""
        return self.kind == "account" or self.resource in {"", "c", "d"}

    def lacks(self, letter: str, kind: str) -> tuple[str, ...]:
        """What is missing for a permission, as fields of the SAS with what would have to be in them.

        :param letter: of the permission (``l``, ``r``, ``w``, ``d``).
        :param kind: what it is for, ``c`` a container or ``o`` a blob.
        """
        missing = []
        if self.kind == "account":
            missing += [] if "b" in self.services else ["ss=b"]
            missing += [] if kind in self.kinds else [f"srt={kind}"]
        if self.permissions is not None and letter not in self.permissions:
            missing.append(f"sp={letter}")
        return tuple(missing)


def sas_of(fields: t.Mapping[str, str]) -> Sas:
    """What a SAS says, by its fields."""
    account = "ss" in fields or "srt" in fields
    kind: Kind = "account" if account else "user" if fields.get("skoid") else "service"
    policy = _text(fields.get("si", ""))
    ends = [found for found in (moment(fields.get("se", "")), moment(fields.get("ske", ""))) if found is not None]
    return Sas(
        kind=kind,
        # A policy may add to what is not in the token.
        permissions=None if policy and not fields.get("sp") else frozenset(fields.get("sp", "")),
        services=frozenset(fields.get("ss", "")),
        kinds=frozenset(fields.get("srt", "")),
        resource=fields.get("sr", "")[:2],
        policy=policy,
        starts=moment(fields.get("st", "")),
        expires=min(ends) if ends else None,
        tls_only=fields.get("spr", "") == "https",
        addresses=_text(fields.get("sip", "")),
        scope=_text(fields.get("ses", "")),
        tenant=_uuid(fields.get("sktid", "")),
        object_id=_uuid(fields.get("skoid", "")),
    )


def moment(text: str) -> datetime.datetime | None:
    """A moment of a SAS (ISO 8601; a day counts from its beginning). A stored access policy has it instead: then ``None``."""
    try:
        found = datetime.datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.replace(tzinfo=datetime.UTC) if found.tzinfo is None else found.astimezone(datetime.UTC)


def claims_of(token: str) -> dict[str, str]:
    """The ids in a token of Entra: ``tid`` of the tenant, ``oid`` of the object, ``appid`` of the application. Those that are
    no UUIDs are left out; of what is no JSON web token there is none."""
    parts = token.split(".")
    if len(parts) != 3 or len(token) > _MOST_TOKEN:
        return {}
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return {}
    if not isinstance(claims, dict):
        return {}
    found = {name: _uuid(str(claims.get(name) or "")) for name in _CLAIMS}
    return {name: value for name, value in found.items() if value}


def _uuid(text: str) -> str:
    return text.lower() if _UUID.fullmatch(text.lower()) else ""


def _text(text: str) -> str:
    return text if _POLICY.fullmatch(text) else ""
