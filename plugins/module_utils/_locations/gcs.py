# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A location in a bucket of Google Cloud Storage. Private to the collection."""

from __future__ import annotations

import dataclasses
import datetime
import secrets as random
import threading
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import gcs_listing
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.gcp import (
    GoogleIdentity,
    check_account,
    for_setup,
    google_identity,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import (
    Capabilities,
    DeleteFailure,
    Location,
    ObjectInfo,
    PendingUpload,
    Reader,
    Writer,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.certificates import TrustedCertificates
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.deletes import delete_each
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_calls import GcsCalls, Request
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_client import (
    GcsSettings,
    TokenRequests,
    TokenSource,
    is_own_endpoint,
    make_session,
    require_google,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_create import GcsCreator
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_reader import stored
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_writer import GcsWriter
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.keys import (
    check_key,
    names_below,
    printable,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.settle import NewObject
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.streams import StoredObject

_OF_THE_KEY: t.Final = frozenset({"permission_denied", "locked"})
"""What may be wrong with one key and not with the next."""

_T = t.TypeVar("_T")


def open_gcs(
    options: t.Mapping[str, t.Any], environ: t.Mapping[str, str], stopped: threading.Event | None = None
) -> GcsLocation:
    """The location of provider ``gcp``. Nothing is sent to the store yet."""
    require_google()
    settings = GcsSettings.from_options(options)
    trust = TrustedCertificates(settings.ca_cert)
    access = gcs_access(settings, trust, options.get("auth") or {}, environ)
    return GcsLocation(access.session, access.tokens, settings, access.identity, trust=trust, stopped=stopped)


@dataclasses.dataclass(frozen=True)
class GcsAccess:
    """How requests reach a store, and who sends them."""

    session: t.Any
    tokens: TokenSource
    identity: GoogleIdentity


def gcs_access(
    settings: GcsSettings,
    trust: TrustedCertificates,
    auth: t.Mapping[str, t.Any],
    environ: t.Mapping[str, str],
    *,
    setup: bool = False,
) -> GcsAccess:
    """What ``auth`` means for a bucket. Nothing is sent but what the default chain asks of a metadata service.

    :param setup: whether the bucket's settings are to be changed.
    :raises StowageError: ``credentials_missing``, ``credentials_invalid``, ``invalid_option``.
    """
    session = make_session(trust.verify)
    requests = TokenRequests(session)
    iam_endpoint = str(auth.get("iam_endpoint") or "").rstrip("/")
    # Tokens of the environment are sent there to be exchanged.
    ambient = settings.own_endpoint and (not iam_endpoint or is_own_endpoint(iam_endpoint))
    identity = google_identity(auth, environ, ambient=ambient, requests=requests, iam_endpoint=iam_endpoint)
    if setup:
        identity = for_setup(identity)
    return GcsAccess(session, TokenSource(identity.credentials, requests), identity)


class GcsLocation(Location):
    """A bucket, or what begins with a prefix in it."""

    def __init__(
        self,
        session: t.Any,
        tokens: TokenSource,
        settings: GcsSettings,
        identity: GoogleIdentity,
        *,
        trust: TrustedCertificates | None = None,
        stopped: threading.Event | None = None,
    ) -> None:
        super().__init__(stopped)
        self.capabilities = Capabilities(conditional_create=True)
        self.calls = GcsCalls(session, tokens, settings, self.stopped)
        self._session = session
        self._settings = settings
        self._identity = identity
        self._trust = trust
        self._bucket_seen = False
        self._account_checked = not identity.account
        self._creator = GcsCreator(self.calls, self._check_account, self._learnt)

    def describe(self) -> str:
        return self.calls.address

    # reading

    def read(self, key: str, *, limit: int) -> bytes:
        found = self._stored(key)
        return self._told(lambda: found.whole(limit))

    def read_range(self, key: str, offset: int, length: int) -> bytes:
        found = self._stored(key)
        return self._told(lambda: found.span(offset, length))

    def open(self, key: str, offset: int = 0) -> Reader:
        found = self._stored(key)
        return self._told(lambda: found.stream(offset))

    def stat(self, key: str) -> ObjectInfo | None:
        """Where objects may not be read, a listing tells it."""
        full = self._full(key)
        try:
            found: gcs_listing.Resource | None = gcs_listing.look(self.calls, full, self._what("Looking at", key))
        except LocationError as error:
            if error.failure.status == 404:
                self._see_bucket()
                return None
            if error.failure.status != 403:
                raise
            found = gcs_listing.find(self.calls, full)
        self._bucket_seen = True
        return ObjectInfo(key, found.size, found.updated) if found else None

    def list(self, prefix: str) -> t.Iterator[ObjectInfo]:
        whole = self._settings.prefix + prefix
        for page in gcs_listing.pages(self.calls, whole):
            self._bucket_seen = True
            for found in page.objects:
                if found.name.startswith(whole) and found.name != self._settings.prefix:
                    yield ObjectInfo(found.name[len(self._settings.prefix) :], found.size, found.updated)

    def list_names(self, prefix: str) -> t.Iterator[str]:
        whole = self._settings.prefix + prefix
        for page in gcs_listing.pages(self.calls, whole, delimiter="/"):
            yield from names_below(whole, [*page.folders, *(found.name for found in page.objects)])

    # writing

    def create(self, key: str, data: bytes) -> ObjectInfo:
        return self._creator.put(self._new(key, len(data)), data)

    def writer(self, key: str) -> Writer:
        return GcsWriter(self._creator, self._new(key, 0))

    def _new(self, key: str, size: int) -> NewObject:
        return NewObject(key, self._full(key), self._what("Writing", key), random.token_hex(16), size)

    def _learnt(self, conditional: bool) -> None:
        self.capabilities = Capabilities(conditional_create=conditional)

    def _check_account(self) -> None:
        if not self._account_checked:
            check_account(self._identity, self.calls.tokens)
            self._account_checked = True

    def delete(self, keys: t.Sequence[str]) -> t.Sequence[DeleteFailure]:
        """One request for each key: a batch of Google's API is as many requests, and one answer."""
        self._check_account()
        return delete_each(keys, self._delete, of_the_key=_OF_THE_KEY)

    def _delete(self, key: str) -> None:
        full = self._settings.prefix + key
        try:
            self.calls.call(Request("DELETE", self.calls.object_path(full), "delete"), self._what("Deleting", key))
        except LocationError as error:
            if error.failure.status != 404:
                raise
            self._see_bucket()

    # uploads

    def uploads(self, prefix: str) -> t.Iterator[PendingUpload]:
        """Nothing: Google lists no resumable uploads. One that was neither finished nor cancelled keeps no object and costs
        nothing that shows, and ends after a week."""
        del prefix
        return iter(())

    def abort_upload(self, upload: PendingUpload) -> None:
        """Nothing to do: :meth:`uploads` gives none. Whose writer lives is cancelled by :meth:`Writer.abort`."""

    # the rest

    def now(self) -> datetime.datetime:
        return self.calls.clock(lambda: next(gcs_listing.pages(self.calls, self._settings.prefix, most=1)))

    def secrets(self) -> frozenset[str]:
        return self._identity.secrets

    def close(self) -> None:
        self._session.close()
        if self._trust is not None:
            self._trust.close()

    def _told(self, read: t.Callable[[], _T]) -> _T:
        """A missing object and a missing bucket have the same status."""
        try:
            found = read()
        except LocationError as error:
            if error.code == "key_not_found":
                self._see_bucket()
            raise
        self._bucket_seen = True
        return found

    def _see_bucket(self) -> None:
        """:raises StowageError: ``bucket_not_found``; also what else keeps the bucket from being seen, but a caller who may
        not list is told of the object."""
        if self._bucket_seen:
            return
        try:
            next(gcs_listing.pages(self.calls, self._settings.prefix, most=1))
        except StowageError as error:
            if error.code != "permission_denied":
                raise
        self._bucket_seen = True

    def _stored(self, key: str) -> StoredObject:
        return stored(self.calls, self._full(key), self._what("Reading", key))

    def _full(self, key: str) -> str:
        full = self._settings.prefix + check_key(key)
        return check_key(full)

    def _what(self, doing: str, key: str) -> str:
        return f"{doing} {self.calls.address}/{printable(key)}"
