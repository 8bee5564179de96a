# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which permissions an identity has in an Azure container, learnt without leaving anything there. Private to the collection.

What a SAS lacks is read in it. Everything else is asked for by a request that cannot do anything: it is about a blob or a block
that does not exist. The service looks at permissions first; so whoever hears that there is no such thing may do it.
"""

from __future__ import annotations

import dataclasses
import secrets as random
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_calls import AzureCalls
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_claims import Sas
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_client import AzureSettings
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_writer import block_id
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.catalogue import (
    check,
    failed,
    of_error,
    passed,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.prober import UPLOAD_NAME, Access, Aim
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.report import Check, Verdict

_BLOBS: t.Final = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
_WORDS: t.Final[t.Mapping[str, str]] = {"l": "list", "r": "read", "w": "write", "d": "delete"}
# "locked": a lock or a lease is looked at after permissions.
_ALLOWED: t.Final = frozenset({"key_not_found", "key_exists", "locked"})
# With these the service says that somebody is known, and may not do this.
_MISMATCH: t.Final = frozenset({"AuthorizationPermissionMismatch", "InsufficientAccountPermissions", "403"})


@dataclasses.dataclass(frozen=True)
class Right:
    """A permission, and the request that asks for it.

    :param access: what it is needed for.
    :param letter: what a SAS calls it.
    :param action: what roles call it.
    :param key: the blob's name in the container; empty for the container.
    :param needed: whether backups cannot do without.
    """

    id: str
    access: Access
    letter: str
    action: str
    method: str
    key: str = ""
    parameters: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    headers: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    content: bytes | None = None
    needed: bool = True

    @property
    def kind(self) -> str:
        """What it is for, as a SAS of an account calls that: ``c`` a container, ``o`` a blob."""
        return "o" if self.key else "c"


def rights(aim: Aim, prefix: str) -> list[Right]:
    """The permissions that a location needs. Pure but for random names.

    To write is to commit a list of blocks: with the letter ``c`` alone Azure takes small blobs by Put Blob and no blocks. To
    abort an upload is to delete it.

    :param prefix: the location's, with a slash at its end or empty.
    """
    nothing = f"{prefix}{aim.folder}{UPLOAD_NAME}-{random.token_hex(16)}"
    listed = {"comp": "list", "maxresults": "1"} | ({"prefix": prefix + aim.listed} if prefix + aim.listed else {})
    create: dict[str, t.Any] = {
        "parameters": {"comp": "blocklist"},
        "headers": {"If-None-Match": "*", "Content-Type": "text/plain; charset=UTF-8"},
        "content": no_blocks(),
    }
    abort = "delete" not in aim.access
    every = [
        Right("may_list", "list", "l", f"{_BLOBS}/read", "GET", parameters=listed),
        Right("may_create", "write", "w", f"{_BLOBS}/write", "PUT", prefix + aim.upload_key, **create),
        Right("may_read", "read", "r", f"{_BLOBS}/read", "GET", nothing),
        Right("may_delete", "delete", "d", f"{_BLOBS}/delete", "DELETE", nothing),
    ]
    if abort:
        every.append(Right("may_abort_uploads", "write", "d", f"{_BLOBS}/delete", "DELETE", nothing, needed=False))
    return [right for right in every if right.access in aim.access]


def no_blocks() -> bytes:
    """A list of one block that does not exist, so that it cannot be committed."""
    block = block_id(random.token_hex(16), 1)
    return f'<?xml version="1.0" encoding="utf-8"?><BlockList><Uncommitted>{block}</Uncommitted></BlockList>'.encode()


def resource(right: Right, settings: AzureSettings) -> str:
    """What a permission is for, as scopes of role assignments (and conditions on paths) name it. Pure."""
    container = f"storageAccounts/{settings.account}/blobServices/default/containers/{settings.container}"
    return container + (f"/blobs/{settings.prefix}*" if right.key else "")


def ask(calls: AzureCalls, right: Right, sas: Sas | None) -> list[Check]:
    """Asks for a permission; for what a SAS is known to lack, nobody is asked. Nothing raises for what the store answers."""
    what = resource(right, calls.settings)
    lacking = sas.lacks(right.letter, right.kind) if sas else ()
    if sas and lacking:
        return [_missing(right, action, what, fix_of_sas(sas, action)) for action in lacking]
    action = f"sp={right.letter}" if sas else right.action
    try:
        calls.once(
            right.method,
            f"Trying to {_WORDS[right.letter]} in {calls.address}",
            right.key,
            parameters=right.parameters,
            headers=right.headers,
            content=right.content,
        )
    except LocationError as error:
        return [judge(right, error, sas, what)]
    if right.method == "PUT":
        return [_taken_back(calls, right, action, what)]
    return [passed(right.id, "Allowed.", granted="allowed", action=action, resource=what)]


def _taken_back(calls: AzureCalls, right: Right, action: str, what: str) -> Check:
    """A store that commits blocks which it does not have made a blob of nothing; it is deleted."""
    seen = "The store made a blob of a block that it does not have, so it checks nothing."
    try:
        calls.call("DELETE", f"Removing a blob that should not be in {calls.address}", right.key)
    except StowageError:
        seen += f" The blob {right.key} stayed."
    return failed(
        right.id, seen, "store_error", granted="allowed", action=action, resource=what, fix="Use another store."
    )


def judge(right: Right, error: LocationError, sas: Sas | None, what: str) -> Check:
    """What a refusal says about a permission. Pure."""
    failure = error.failure
    action = f"sp={right.letter}" if sas else right.action
    if failure.code in _ALLOWED:
        return passed(right.id, "Allowed.", granted="allowed", action=action, resource=what)
    if failure.code != "permission_denied":
        return of_error(right.id, error, Verdict.UNKNOWN, action=action, resource=what)
    if failure.store_code not in _MISMATCH:
        # The firewall, or another reason that has nothing to do with this permission.
        return check(
            right.id,
            Verdict.UNKNOWN,
            error.message,
            fix=error.hint,
            error_code=failure.code,
            action=action,
            resource=what,
        )
    if sas and sas.kind == "user":
        return _missing(right, right.action, what, _fix_of_signer(sas, right, what))
    return _missing(right, action, what, fix_of_sas(sas, action) if sas else _fix_of_role(right, what))


def _missing(right: Right, action: str, what: str, fix: str) -> Check:
    verdict = Verdict.FAILED if right.needed else Verdict.WARNING
    seen = f"{action} is missing." if "=" in action else f"{action} is denied."
    if not right.needed:
        seen += " What an upload that failed left stays invisible, and Azure removes it a week later."
    named: dict[str, t.Any] = {"action": action, "resource": what, "granted": "missing"}
    return check(right.id, verdict, seen, fix=fix, error_code="permission_denied", **named)


def fix_of_sas(sas: Sas, field: str) -> str:
    """How to get what a SAS lacks, a field with what would have to be in it."""
    name, _equals, letter = field.partition("=")
    if name == "sp" and sas.policy:
        return f"Add {letter} ({_WORDS[letter]}) to the stored access policy {sas.policy}."
    if name == "sp":
        return f"Make a SAS whose permissions (sp) have {letter} ({_WORDS[letter]}), too."
    if name == "ss":
        return "Make a SAS of the account whose services (ss) have b (blob), or one of the container."
    meant = "containers" if letter == "c" else "objects"
    return f"Make a SAS whose resource types (srt) have {letter} ({meant}), too."


def _fix_of_signer(sas: Sas, right: Right, what: str) -> str:
    who = f"the object {sas.object_id} that signed it" if sas.object_id else "whoever signed it"
    return f"The SAS allows it, but {who} must be allowed {right.action} on {what}, too: give it a data role there."


def _fix_of_role(right: Right, what: str) -> str:
    return (
        f"Give the identity a data role with {right.action} on {what}, such as Storage Blob Data Contributor (Owner and "
        "Contributor have no data action), and look at conditions of the assignment. It takes some minutes to work."
    )
