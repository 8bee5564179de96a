# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A location in an S3 bucket, of AWS, MinIO, or another store. Private to the collection."""

from __future__ import annotations

import dataclasses
import datetime
import secrets as random
import threading
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import s3_listing
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.account import AccountCheck
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.aws import aws_credentials
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.keys import Credentials
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.minio import minio_credentials
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.sts import StsAccess
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import (
    Capabilities,
    DeleteFailure,
    Location,
    ObjectInfo,
    PendingUpload,
    Reader,
    Writer,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.botocore_session import require_botocore
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.certificates import (
    TrustedCertificates,
    client_pair,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.endpoints import plain_endpoint
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import Failure, LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.keys import (
    check_key,
    names_below,
    printable,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_calls import S3Calls
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_client import (
    READ_SECONDS,
    S3Settings,
    make_client,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_create import S3Creator
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_errors import classify
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_reader import stored
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_writer import S3Writer
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.settle import NewObject
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.streams import StoredObject

DELETE_BATCH: t.Final = 1000


@dataclasses.dataclass(frozen=True)
class S3Access:
    """What it takes to send requests to a bucket."""

    settings: S3Settings
    credentials: Credentials
    trust: TrustedCertificates
    sts: StsAccess
    account: AccountCheck
    client: t.Any


def s3_access(
    settings: S3Settings,
    trust: TrustedCertificates,
    auth: t.Mapping[str, t.Any],
    environ: t.Mapping[str, str],
    *,
    read_seconds: int = READ_SECONDS,
) -> S3Access:
    """Credentials by the method of ``auth``, and a client that signs with them. Nothing is sent yet."""
    pair = client_pair(settings.client_cert, settings.client_key)
    if settings.provider == "minio":
        sts = StsAccess(settings.region, settings.endpoint, trust.verify, pair)
        credentials = minio_credentials(auth, environ, sts)
    else:
        endpoint = plain_endpoint(
            str(auth.get("sts_endpoint") or ""), "https://sts.eu-west-1.amazonaws.com", "auth.sts_endpoint"
        )
        sts = StsAccess(settings.region, endpoint, trust.verify)
        credentials = aws_credentials(auth, environ, ambient=settings.own_endpoint, sts=sts)
    client = make_client(settings, credentials.source, trust.verify, pair, read_seconds=read_seconds)
    account = AccountCheck(str(auth.get("account") or ""), sts, credentials.source)
    return S3Access(settings, credentials, trust, sts, account, client)


def open_s3(
    options: t.Mapping[str, t.Any], environ: t.Mapping[str, str], stopped: threading.Event | None = None
) -> S3Location:
    """The location of provider ``aws`` or ``minio``. Nothing is sent yet."""
    require_botocore()
    settings = S3Settings.from_options(options, environ)
    access = s3_access(settings, TrustedCertificates(settings.ca_cert), options.get("auth") or {}, environ)
    return S3Location(access.client, settings, access.credentials, access.trust, stopped, account=access.account)


class S3Location(Location):
    """A bucket, or what begins with a prefix in it."""

    def __init__(
        self,
        client: t.Any,
        settings: S3Settings,
        credentials: Credentials | None = None,
        trust: TrustedCertificates | None = None,
        stopped: threading.Event | None = None,
        *,
        account: AccountCheck | None = None,
    ) -> None:
        """:param account: has to pass before anything is written or deleted."""
        super().__init__(stopped)
        self.capabilities = Capabilities(conditional_create=True)
        self.calls = S3Calls(client, settings, self.stopped)
        self._client = client
        self._settings = settings
        self._credentials = credentials
        self._trust = trust
        self._account = account
        self._bucket_seen = False
        self._creator = S3Creator(self.calls, lambda key: self.stat(key) is not None, self._learnt)

    def describe(self) -> str:
        return self.calls.address

    # reading

    def read(self, key: str, *, limit: int) -> bytes:
        return self._stored(key).whole(limit)

    def read_range(self, key: str, offset: int, length: int) -> bytes:
        return self._stored(key).span(offset, length)

    def open(self, key: str, offset: int = 0) -> Reader:
        return self._stored(key).stream(offset)

    def stat(self, key: str) -> ObjectInfo | None:
        """By HEAD. Its answers carry no error code, so what is not simply there is looked for by listing."""
        full = self._full(key)
        try:
            answer = self.calls.call("head_object", self._what("Looking at", key), Key=full)
        except LocationError as error:
            missing = error.failure.status == 404
            if missing and self._bucket_seen:
                return None
            if not missing and error.failure.status not in {400, 403}:
                raise
        else:
            self._bucket_seen = True
            return ObjectInfo(key, int(answer["ContentLength"]), _utc(answer["LastModified"]))
        found = s3_listing.find(self.calls, full)
        self._bucket_seen = True
        return ObjectInfo(key, int(found["Size"]), _utc(found["LastModified"])) if found else None

    def list(self, prefix: str) -> t.Iterator[ObjectInfo]:
        whole = self._settings.prefix + prefix
        for page in s3_listing.pages(self.calls, whole):
            self._bucket_seen = True
            for found in page.get("Contents", []):
                key = str(found["Key"])
                if key.startswith(whole) and key != self._settings.prefix:
                    yield ObjectInfo(key[len(self._settings.prefix) :], int(found["Size"]), _utc(found["LastModified"]))

    def list_names(self, prefix: str) -> t.Iterator[str]:
        whole = self._settings.prefix + prefix
        yield from names_below(whole, s3_listing.names(self.calls, whole))

    # writing

    def create(self, key: str, data: bytes) -> ObjectInfo:
        self._before_a_write()
        return self._creator.put(self._new(key, len(data)), data)

    def writer(self, key: str) -> Writer:
        self._before_a_write()
        return S3Writer(self._creator, self._new(key, 0))

    def _before_a_write(self) -> None:
        if self._account is not None:
            self._account.pass_or_raise()

    def _new(self, key: str, size: int) -> NewObject:
        return NewObject(key, self._full(key), self._what("Writing", key), random.token_hex(16), size)

    def _learnt(self, conditional: bool) -> None:
        self.capabilities = Capabilities(conditional_create=conditional)

    def delete(self, keys: t.Sequence[str]) -> t.Sequence[DeleteFailure]:
        self._before_a_write()
        failures: list[DeleteFailure] = []
        for start in range(0, len(keys), DELETE_BATCH):
            failures += self._delete_batch([key for key in keys[start : start + DELETE_BATCH] if key])
        return failures

    def _delete_batch(self, keys: t.Sequence[str]) -> t.Iterator[DeleteFailure]:
        if not keys:
            return
        what = f"Deleting from {self.describe()}"
        prefix = self._settings.prefix
        objects = {"Objects": [{"Key": prefix + key} for key in keys], "Quiet": True}
        answer = self.calls.call("delete_objects", what, Delete=objects)
        # The answer is 200 whatever became of the single keys.
        for problem in answer.get("Errors", []):
            key = str(problem.get("Key") or "").removeprefix(prefix)
            failure = self._delete_failure(problem, self._what("Deleting", key))
            if failure.code != "key_not_found":
                yield DeleteFailure(key, failure.code, failure.message)

    def _delete_failure(self, problem: t.Mapping[str, t.Any], what: str) -> Failure:
        from botocore.exceptions import ClientError

        answer: t.Any = {"Error": {"Code": problem.get("Code"), "Message": problem.get("Message")}}
        return classify(ClientError(answer, "DeleteObjects"), what)

    # uploads

    def uploads(self, prefix: str) -> t.Iterator[PendingUpload]:
        """MinIO forgets with its restart what it can list by prefix; by a whole key it always finds them."""
        own = self._settings.prefix
        for upload in s3_listing.pending(self.calls, own + prefix):
            yield PendingUpload(upload.key.removeprefix(own), upload.token, _utc(upload.started))

    def abort_upload(self, upload: PendingUpload) -> None:
        self._before_a_write()
        what = self._what("Aborting an upload of", upload.key)
        try:
            self.calls.call("abort_multipart_upload", what, Key=self._full(upload.key), UploadId=upload.token)
        except LocationError as error:
            if error.failure.store_code != "NoSuchUpload":
                raise

    # the rest

    def now(self) -> datetime.datetime:
        return self.calls.clock(lambda: next(s3_listing.pages(self.calls, self._settings.prefix, most=1)))

    def secrets(self) -> frozenset[str]:
        return self._credentials.secrets if self._credentials else frozenset()

    def warnings(self) -> t.Sequence[str]:
        return self._credentials.warnings if self._credentials else ()

    def close(self) -> None:
        self._client.close()
        if self._trust is not None:
            self._trust.close()

    def _stored(self, key: str) -> StoredObject:
        return stored(self.calls, self._full(key), self._what("Reading", key))

    def _full(self, key: str) -> str:
        full = self._settings.prefix + check_key(key)
        return check_key(full)

    def _what(self, doing: str, key: str) -> str:
        return f"{doing} {self.calls.address}/{printable(key)}"


def _utc(moment: datetime.datetime) -> datetime.datetime:
    """botocore gives local time zones."""
    return moment.astimezone(datetime.UTC)
