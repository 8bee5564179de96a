# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Harmless requests that show what a caller may do in a container of Azure, and lines that only Azure has. Private to the
collection.

The Blob service looks at permissions before it looks for the blob, and names are random: to be told that there is no such thing is
to be allowed. Writing is asked for by committing a block that does not exist, and, where that is refused, by a blob whose checksum is
wrong, since to make a new blob there are two rights (https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes).
"""

from __future__ import annotations

import base64
import functools
import secrets as random
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_calls import AzureCalls
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_rights import no_blocks
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import Failure, LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.azure_policy import ACTIONS
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.lines import (
    Answer,
    Expectation,
    Seen,
    Trial,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.sets import Operation

_ABSENT: t.Final = frozenset({"key_not_found", "key_exists", "locked"})
# With these the service says that somebody is known, and may not do this. AuthorizationFailure is the account's firewall.
_MISMATCH: t.Final = frozenset({"AuthorizationPermissionMismatch", "InsufficientAccountPermissions"})
_NOBODY: t.Final = frozenset({"permission_denied", "credentials_missing", "credentials_invalid", "bucket_not_found"})
# The account's firewall, or its state: whoever is refused so here may be let in from elsewhere, or later.
_ELSEWHERE: t.Final = frozenset({"AuthorizationFailure", "AccountIsDisabled"})
# What Entra says to a token that it does not take for this application, and to an application that it does not take:
# https://learn.microsoft.com/entra/identity-platform/reference-error-codes
_NO_TOKEN: t.Final = frozenset(
    f"AADSTS{number}" for number in (50027, 70021, 700211, 700212, 700213, 700223, 700238, 7000215, 53003, 530003)
)
_PLAIN: t.Final = "AccountRequiresHttps"
_BAD_SUM: t.Final = "Md5Mismatch"
_WRONG_SUM: t.Final = base64.b64encode(b"0" * 16).decode()
_A_VERSION: t.Final = "2020-01-01T00:00:00.0000000Z"

Open = t.Callable[[], AzureCalls]
"""Makes the container's requests as a caller. :raises StowageError: if it gets no token."""


class AzureCaller:
    """Somebody who tries what they may do in a container. Logs in when first needed, and again until that succeeds.

    :param prefix: of all names, with a slash at its end or empty.
    """

    def __init__(self, open_: Open, prefix: str, *, anonymous: bool = False) -> None:
        self._open, self._prefix, self._anonymous = open_, prefix, anonymous
        self._calls: AzureCalls | None = None

    def action(self, operation: Operation) -> str:
        """See :class:`~.set_trials.Tries`."""
        return f"{_short(operation)} ({operation})" if operation in {"list", "read"} else _short(operation)

    def may(self, operation: Operation, path: str) -> Seen:
        """Whether an operation is allowed at a path below the prefix. Nothing comes of it."""
        key = self._prefix + path.format(random.token_hex(8))
        seen = self._seen(self.action(operation), functools.partial(_ask, operation, key))
        if operation == "create" and seen.answer is Answer.REFUSED:
            return self._seen("blobs/add/action", functools.partial(_put, key))
        return seen

    def delete_version(self, path: str) -> Seen:
        """Whether a version of a blob may be deleted: one that does not exist is."""
        key, parameters = self._prefix + path.format(random.token_hex(8)), {"versionid": _A_VERSION}
        what = "blobs/deleteBlobVersion/action"
        return self._seen(what, lambda calls: calls.once("DELETE", f"Trying {what}", key, parameters=parameters))

    def settings(self) -> Seen:
        """Whether the container's properties are shown."""
        return self._seen("containers/read", lambda calls: calls.once("HEAD", "Trying containers/read"))

    def known(self) -> Seen:
        """Whether the service knows the caller, whatever it may do."""
        seen = self.may("list", "")
        if seen.answer is Answer.REFUSED and not seen.words.startswith("No token"):
            return Seen(Answer.ALLOWED, "Azure knows the caller.")
        return seen

    def plain(self, *, same_port: bool) -> Seen:
        """Whether the service answers at all, to a listing over plain HTTP.

        :param same_port: whether it would answer where it does with TLS.
        """
        try:
            self.calls().once("GET", "Listing over plain HTTP", parameters={"comp": "list", "maxresults": "1"})
        except LocationError as error:
            return _plainly(error.failure, same_port=same_port)
        return Seen(Answer.ALLOWED, "A listing was answered.")

    def answered(self) -> Seen:
        """Whether the service answers, whatever it says."""
        try:
            self.calls().once("GET", "Listing with TLS", parameters={"comp": "list", "maxresults": "1"})
        except LocationError as error:
            if not error.failure.status:
                return Seen(Answer.UNDECIDED, error.failure.message)
        return Seen(Answer.ALLOWED, "The service answers.")

    def calls(self) -> AzureCalls:
        """The container, as the caller."""
        if self._calls is None:
            self._calls = self._open()
        return self._calls

    def _seen(self, action: str, ask: t.Callable[[AzureCalls], object]) -> Seen:
        try:
            ask(self.calls())
        except LocationError as error:
            return _told(action, error.failure, anonymous=self._anonymous)
        except StowageError as error:
            if error.code == "interrupted":
                raise
            return Seen(Answer.UNDECIDED, f"{action}: {error.message}")
        return Seen(Answer.ALLOWED, f"{action} was allowed.")


def _short(operation: Operation) -> str:
    return "/".join(ACTIONS[operation].split("/")[-2:])


def _ask(operation: Operation, key: str, calls: AzureCalls) -> None:
    what = f"Trying {_short(operation)}"
    if operation == "list":
        parameters = {"comp": "list", "maxresults": "1"} | ({"prefix": key} if key else {})
        calls.once("GET", what, parameters=parameters)
    elif operation == "create":
        headers = {"If-None-Match": "*", "Content-Type": "text/plain; charset=UTF-8"}
        calls.once("PUT", what, key, parameters={"comp": "blocklist"}, headers=headers, content=no_blocks())
    else:
        calls.once("DELETE" if operation == "delete" else "GET", what, key)


def _put(key: str, calls: AzureCalls) -> None:
    headers = {"x-ms-blob-type": "BlockBlob", "If-None-Match": "*", "Content-MD5": _WRONG_SUM}
    calls.once("PUT", "Trying blobs/add/action", key, headers=headers, content=b"x")


def _told(action: str, failure: Failure, *, anonymous: bool) -> Seen:
    """What a failure shows: a refusal, or nothing. Pure."""
    if failure.store_code == str(failure.status):
        # The Blob service names its errors, in the answer's header or body: a bare status is that of something on the way.
        return Seen(Answer.UNDECIDED, f"{action}: status {failure.status}, without an error code of the Blob service.")
    if failure.code in _ABSENT or failure.store_code == _BAD_SUM:
        return Seen(Answer.ALLOWED, f"{action} was allowed, of something that does not exist.")
    if failure.store_code in _NO_TOKEN:
        return Seen(Answer.REFUSED, f"No token was given ({failure.store_code}).")
    refused = failure.code in _NOBODY if anonymous else failure.store_code in _MISMATCH
    if refused and failure.store_code not in _ELSEWHERE:
        return Seen(Answer.REFUSED, f"{action} was refused ({failure.store_code or failure.code}).")
    return Seen(Answer.UNDECIDED, f"{action}: {failure.message} {failure.hint}".rstrip())


def _plainly(failure: Failure, *, same_port: bool) -> Seen:
    """What a failure over plain HTTP shows. That nothing answers at another port shows nothing: it may elsewhere. Pure."""
    lost = not failure.status and failure.doubt != "unsent"
    if failure.store_code == _PLAIN or (same_port and (lost or failure.store_code == "400")):
        return Seen(Answer.REFUSED, f"Nothing is to be had ({failure.store_code or failure.code}).")
    # Without a code of its own, it is not the Blob service that answers.
    if failure.store_code in {*_ELSEWHERE, str(failure.status)} or not failure.status or failure.status >= 500:
        return Seen(Answer.UNDECIDED, failure.message)
    return Seen(Answer.ALLOWED, f"The account answers over plain HTTP ({failure.store_code}).")


def login(
    id_: str,
    expected: Expectation,
    caller: AzureCaller,
    folder: str,
    *,
    what: str,
    control: t.Callable[[], Seen] | None = None,
) -> Trial:
    """The line of a service account's token that gets in at all, or does not."""
    attempt = functools.partial(caller.may, "list", folder)
    fix = _LET_IN if expected == "allowed" else _OPEN
    return Trial(id_, expected, what, attempt, control if expected == "refused" else None, fix)


def none_of(id_: str, what: str, ask: t.Callable[[], t.Sequence[str]], fix: str) -> Trial:
    """The line of something that must not exist, such as another credential."""

    def attempt() -> Seen:
        try:
            found = ask()
        except StowageError as error:
            return Seen(Answer.UNDECIDED, error.message)
        if found:
            return Seen(Answer.ALLOWED, f"There is {', '.join(found[:5])}.")
        return Seen(Answer.REFUSED, "There is none.")

    return Trial(id_, "refused", what, attempt, None, fix)


def plain(caller: AzureCaller, secure: AzureCaller, *, same_port: bool) -> Trial:
    """The line of a listing over plain HTTP, by nobody: no token is sent that way.

    :param secure: nobody, with TLS.
    """
    fix = "Require secure transfer of the storage account (tls_only of backup_location)."
    attempt = functools.partial(caller.plain, same_port=same_port)
    what = "a listing over plain HTTP, by nobody"
    return Trial("plain_http_refused", "refused", what, attempt, secure.answered, fix)


_LET_IN: t.Final = (
    "Check issuer, subject and audience of the federated credential: each is compared as it is, slashes too."
)
_OPEN: t.Final = "Look for federated credentials that let others in (trust.foreign)."
