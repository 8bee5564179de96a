# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A block that is sent and taken back: it proves that backups can be written, and leaves nothing. Private to the collection.

A block that nobody commits makes no blob and no version, no lock holds it, and no listing shows it unless asked to. Delete Blob
takes it away. If this is killed before, or a block comes in after the connection that it was sent by had broken, the service does
so a week later, and the next probe before that.
"""

from __future__ import annotations

import base64
import dataclasses
import secrets as random
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_calls import Answer, AzureCalls
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_listing import Blob
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_rights import no_blocks
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_wire import md5_of
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_writer import drop_blocks
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.catalogue import (
    failed,
    of_error,
    passed,
    unknown,
    unsupported,
    warning,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.keys import printable
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.report import Check

BODY: t.Final = b"s"


@dataclasses.dataclass(frozen=True)
class Round:
    """What a block showed.

    :param encrypted: whether the store said that it encrypted it; ``None`` if none was sent.
    :param scope: the encryption scope that it named.
    :param compared: whether it refused a block with a wrong checksum.
    """

    encrypted: bool | None = None
    scope: str = ""
    compared: bool | None = None


def upload_round(calls: AzureCalls, key: str, *, real: bool) -> tuple[Round, Check]:
    """Sends a block that looks damaged, which the store refuses, and one that does not, and takes that back.

    :param real: whether a block can be taken back; if not, none is sent that the store would keep.
    """
    what = f"Sending a block to {calls.address}"
    seen = Round()
    try:
        seen = Round(compared=_refuses_damage(calls, key, what))
        if not real:
            return seen, _refused(seen)
        answer = _send(calls, key, what, md5_of(BODY))
        check = _taken(answer)
        seen = dataclasses.replace(
            seen,
            encrypted=answer.headers.get("x-ms-request-server-encrypted") == "true",
            scope=printable(answer.headers.get("x-ms-encryption-scope", ""), 80),
        )
    except LocationError as error:
        check = of_error("upload", error)
    except BaseException:
        _drop(calls, key)
        raise
    return seen, (_drop(calls, key) if real else None) or check


def _refused(seen: Round) -> Check:
    if seen.compared:
        return passed(
            "upload", "A block was refused only for its wrong MD5. None was sent that could not be taken back."
        )
    text = "A block with a wrong MD5 was taken, and cannot be taken back. Nobody sees it, and Azure removes it within a week."
    return warning("upload", text, fix="")


def _send(calls: AzureCalls, key: str, what: str, md5: str) -> Answer:
    parameters = {"comp": "block", "blockid": base64.b64encode(random.token_bytes(24)).decode()}
    headers = {"Content-MD5": md5, "Content-Type": "application/octet-stream"}
    return calls.once("PUT", what, key, parameters=parameters, headers=headers, content=BODY)


def _refuses_damage(calls: AzureCalls, key: str, what: str) -> bool:
    try:
        _send(calls, key, what, md5_of(b"damaged"))
    except LocationError as error:
        if error.failure.store_code != "Md5Mismatch":
            raise
        return True
    return False


def _taken(answer: Answer) -> Check:
    if answer.status != 201:
        return failed("upload", f"A block was answered with status {answer.status}, not 201.", "store_error")
    return passed("upload", "A block was taken, and taken back.")


def _drop(calls: AzureCalls, key: str) -> Check | None:
    """Takes the blocks back; a check if that failed."""
    what = f"Taking a block back from {calls.address}"
    try:
        calls.retried(lambda: drop_blocks(calls, key, what))
    except StowageError as error:
        if error.code == "locked":
            seen = "A block was taken; a lock or lease keeps it from being taken back. Azure removes it within a week."
            return warning("upload", seen, fix="")
        return of_error("upload", error)
    return None


def checksum_check(seen: Round) -> Check:
    """Pure."""
    if seen.compared is None:
        return unknown("checksums", "No block was sent.", fix="")
    if seen.compared:
        return passed("checksums", "A block with a wrong MD5 was refused.")
    return unsupported("checksums", "A block with a wrong MD5 was taken.")


def conditional_check(calls: AzureCalls, first: Blob | None) -> Check:
    """Whether the store refuses to create what exists.

    Asked by committing a block that does not exist under a name that does: nothing can come of it, and a store that knows the
    condition looks at it first. Without a blob there is nothing to ask about, and one is not made for it.
    """
    if calls.settings.own_endpoint:
        return passed("conditional_create", "Azure honours If-None-Match.")
    learnt = "The first backup learns it."
    if first is None:
        return unknown("conditional_create", f"There is no blob yet to try it on. {learnt}", fix="")
    headers = {"If-None-Match": "*", "Content-Type": "text/plain; charset=UTF-8"}
    what = f"Trying a condition in {calls.address}"
    try:
        calls.once("PUT", what, first.name, parameters={"comp": "blocklist"}, headers=headers, content=no_blocks())
    except LocationError as error:
        if error.code == "key_exists":
            return passed("conditional_create", "If-None-Match is honoured.")
    return unknown("conditional_create", f"What the store answers does not tell. {learnt}", fix="")
