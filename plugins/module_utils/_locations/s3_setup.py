# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Brings an S3 bucket into the wanted state: of AWS, MinIO, or another store. Private to the collection.

What differs is said by ``s3_desired``. Each change is read back until it shows, for AWS answers with old settings for a while,
and some stores accept what they do not keep.
"""

from __future__ import annotations

import datetime
import threading
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import s3_desired
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.botocore_session import require_botocore
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.certificates import TrustedCertificates
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.desired import (
    BUCKET,
    Change,
    Plan,
    Unsupported,
    Wanted,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import Failure, LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.readings import Reading
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3 import S3Access, s3_access
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_bucket import Listing, list_bucket
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_calls import ACTIONS, S3Calls
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_client import S3Settings
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_empty import check_empty
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_identity import (
    caller_identity,
    frozen_keys,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_settings import (
    note_lifecycle,
    note_roots,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_write import SettingsWriter
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.setup import Outcome, Setup

_READS: t.Final[t.Mapping[str, str]] = {
    # field of s3_desired.Seen -> operation
    "versioning": "get_bucket_versioning",
    "encryption": "get_bucket_encryption",
    "object_lock": "get_object_lock_configuration",
    "public_access_block": "get_public_access_block",
    "policy": "get_bucket_policy",
    "lifecycle": "get_bucket_lifecycle_configuration",
    "ownership": "get_bucket_ownership_controls",
}

_INEXACT: t.Final = datetime.timedelta(seconds=10)
"""By which a store's Date and what it says of a bucket's creation may differ."""
_REFUSED: t.Final = "The store refused it as something that it does not do."
_TRIED: t.Final[t.Mapping[str, str]] = {
    "encryption": f"{_REFUSED} MinIO does so unless it has a key management service (KMS).",
}


def open_s3_setup(
    options: t.Mapping[str, t.Any], environ: t.Mapping[str, str], stopped: threading.Event | None = None
) -> S3Setup:
    """What sets up a location of provider ``aws`` or ``minio``. Nothing is sent yet."""
    require_botocore()
    settings = S3Settings.from_options(options, environ)
    trust = TrustedCertificates(settings.ca_cert)
    auth = options.get("auth") or {}
    access = s3_access(settings, trust, auth, environ)
    return S3Setup(access, str(auth.get("sts_endpoint") or ""), stopped or threading.Event())


class S3Setup(Setup):
    """A bucket."""

    def __init__(self, access: S3Access, sts_endpoint: str, stopped: threading.Event) -> None:
        self._access = access
        self._settings = access.settings
        self._sts_endpoint = sts_endpoint
        self._calls = S3Calls(access.client, access.settings, stopped)
        note_roots(access.client)
        note_lifecycle(access.client)
        self._writer = SettingsWriter(access.client, self._calls)

    def describe(self) -> str:
        return self._calls.address

    def secrets(self) -> frozenset[str]:
        return self._access.credentials.secrets

    def close(self) -> None:
        self._access.client.close()
        self._access.trust.close()

    # looking

    def plan(self, wanted: Wanted) -> Plan:
        if wanted.tls_only and self._settings.endpoint.startswith("http://"):
            raise StowageError(
                "unsafe_change",
                "The location's own endpoint is http://, and tls_only would lock it out.",
                "Use the store's endpoint with TLS first.",
            )
        seen = self._see(wanted)
        if not seen.present and not wanted.create_bucket:
            raise StowageError(
                "bucket_not_found",
                f"The bucket {self._settings.bucket} does not exist.",
                "Set create_bucket to true to have it made, or check its name and the endpoint.",
            )
        plan = s3_desired.plan(wanted, seen)
        if plan.changes:
            self._check_account(creates=not seen.present)
        return plan

    def _see(self, wanted: Wanted) -> s3_desired.Seen:
        """The bucket, with what has to be read of it.

        :raises StowageError: ``permission_denied`` with all that may not be read, and what keeps it from being read.
        """
        fields = s3_desired.fields_for(wanted)
        listing = self._listing()
        if listing.error is not None and not fields:
            fields = ("versioning",)
        readings = {field: self._writer.read(field) for field in fields}
        present = self._is_present(listing, readings)
        if present:
            denied = [ACTIONS[_READS[field]] for field, found in readings.items() if found.state == "denied"]
            if denied:
                raise self.denied(denied)
        for field, found in readings.items():
            if found.failure is not None and found.state == "unknown" and present:
                raise LocationError(found.failure)
            if found.state in {"unknown", "denied"}:
                readings[field] = Reading("unset")
        return s3_desired.Seen(
            present,
            self._settings.bucket,
            self._settings.prefix,
            self._settings.partition,
            self._calls.aws,
            "minio" in self._calls.server,
            self._calls.aws or "seaweedfs" in self._calls.server,
            **readings,
        )

    def _listing(self) -> Listing:
        """The first look, again while it may help."""

        def look() -> Listing:
            found = list_bucket(self._calls, self._settings.prefix)
            if found.error is not None and found.error.failure.transient:
                raise found.error
            return found

        listing: Listing = self._calls.retried(look)
        return listing

    def _is_present(self, listing: Listing, readings: t.Mapping[str, Reading[t.Any]]) -> bool:
        """Whether the bucket is there: by its listing, or, where that is denied, by what is said of its settings."""
        if listing.error is None and not listing.genuine:
            hint = "Check that the endpoint is the S3 API of the store (not its console), and proxies on the way."
            raise StowageError("store_error", f"{self.describe()}: what answers is not the store.", hint)
        if listing.error is None:
            return True
        if listing.error.code == "bucket_not_found":
            return False
        if listing.error.code != "permission_denied":
            raise listing.error
        if any(found.state in {"set", "unset"} for found in readings.values()):
            return True
        if any(found.failure and found.failure.code == "bucket_not_found" for found in readings.values()):
            return False
        actions = ["s3:ListBucket", *(ACTIONS[_READS[name]] for name, one in readings.items() if one.state == "denied")]
        raise self.denied(actions)

    def denied(self, actions: t.Sequence[str]) -> StowageError:
        names = ", ".join(dict.fromkeys(actions))
        arn = f"arn:{self._settings.partition}:s3:::{self._settings.bucket}"
        return StowageError(
            "permission_denied",
            f"{self.describe()}: the store denies {names}.",
            f"Allow {names} on {arn} (and look for an explicit deny).",
            details={"actions": list(dict.fromkeys(actions))},
        )

    def _check_account(self, *, creates: bool) -> None:
        """Before the first write: whose the credentials are, and whose a new bucket would be."""
        self._access.account.pass_or_raise()
        owner = self._settings.bucket_owner
        if not creates or not owner:
            return
        if not self._sts_endpoint and not self._settings.own_endpoint:
            raise StowageError(
                "invalid_option",
                "Whose a new bucket would be is not known, for no token service is for an endpoint that is not AWS's own.",
                "Set auth.sts_endpoint, or make the bucket without bucket_owner.",
            )
        keys = frozen_keys(self._access.credentials.source)
        found = caller_identity(keys, self._settings.region, self._sts_endpoint, self._access.trust.verify)
        if found["account"] != owner:
            raise StowageError(
                "bucket_wrong_owner",
                f"The bucket would belong to the account {found['account']}, and bucket_owner is {owner}.",
                "Use credentials of that account to make the bucket.",
            )

    # changing

    def apply(self, plan: Plan) -> Outcome:
        wanted, outcome = plan.wanted, Outcome()
        current = plan
        try:
            if not plan.present:
                self._create(wanted)
                outcome.done.append(plan.changes[0])
                # What it is like from the beginning depends on the store.
                current = self._plan_of_new(wanted)
                outcome.unsupported += [one for one in current.unsupported if one not in plan.unsupported]
            for change in current.changes:
                self._apply(change, wanted, outcome)
        except StowageError as error:
            outcome.error = error
            return outcome
        failed = {one.option for one in outcome.unsupported} | outcome.denied.keys()
        outcome.done = [change for change in plan.changes if change.setting not in failed]
        return outcome

    def _apply(self, change: Change, wanted: Wanted, outcome: Outcome) -> None:
        try:
            self._writer.put(change.setting, wanted)
            self._wait_for(change.setting, wanted)
        except LocationError as error:
            if error.code == "unsupported_by_store":
                outcome.unsupported.append(Unsupported(change.setting, _TRIED.get(change.setting, _REFUSED)))
            elif error.code == "permission_denied":
                outcome.denied[change.setting] = error.failure.denied or "an action that the store does not name"
            else:
                raise
        else:
            if change not in outcome.done:
                outcome.done.append(change)

    def _create(self, wanted: Wanted) -> None:
        region = self._settings.region
        more: dict[str, t.Any] = {}
        if region != "us-east-1":
            more["CreateBucketConfiguration"] = {"LocationConstraint": region}
        if wanted.object_lock_enabled:
            more["ObjectLockEnabledForBucket"] = True
        self._send_create(more)
        self._writer.created = True
        self._writer.until(lambda: self._see(Wanted()).present, "The new bucket does not show up.")

    def _plan_of_new(self, wanted: Wanted) -> Plan:
        """As :meth:`plan`, of a bucket that is there for sure: one that was made a moment ago may not be known everywhere."""

        def attempt() -> Plan:
            try:
                return self.plan(wanted)
            except StowageError as error:
                if error.code != "bucket_not_found":
                    raise
                raise LocationError(Failure(error.code, error.message, error.hint, transient=True)) from None

        plan: Plan = self._calls.retried(attempt)
        return plan

    def _send_create(self, parameters: dict[str, t.Any]) -> None:
        """An answer may be lost, and the bucket be there at the next attempt. What is there is looked at afterwards, whoever
        of the account made it."""
        lost, begun = False, self._calls.now() or datetime.datetime.now(datetime.UTC)

        def attempt() -> None:
            nonlocal lost
            try:
                self._calls.once("create_bucket", f"Creating the bucket {self._settings.bucket}", **parameters)
            except LocationError as error:
                lost = lost or error.failure.doubt == "unknown"
                raise

        try:
            self._calls.retried(attempt)
        except LocationError as error:
            if error.failure.store_code == "BucketAlreadyOwnedByYou":
                return
            if error.failure.store_code != "BucketAlreadyExists" or not lost or self._calls.aws:
                raise
            if not self._is_own(begun):
                raise

    def _is_own(self, begun: datetime.datetime) -> bool:
        """Whether a bucket that "already exists" is the one whose creation was answered by nothing. SeaweedFS says so of one's
        own bucket, too; clouds with one namespace for all say it of somebody else's.

        :param begun: when it was first asked for, by the store's clock.
        :raises StowageError: ``outcome_unknown`` when that cannot be told.
        """
        name = self._settings.bucket
        try:
            answer = self._calls.call("list_buckets", "Listing the caller's own buckets")
        except LocationError as error:
            raise self._whose(f"the buckets of the caller cannot be listed: {error.message}") from None
        made = [found.get("CreationDate") for found in answer.get("Buckets") or [] if found.get("Name") == name]
        if not made:
            return False
        if not isinstance(made[0], datetime.datetime) or made[0] < begun - _INEXACT:
            raise self._whose("one of its name is older than the request.")
        return True

    def _whose(self, why: str) -> StowageError:
        message = f"An answer to the creation of the bucket {self._settings.bucket} was lost, and whose it is is not known: {why}"
        hint = "Look whether it is yours. If so, run the task again; if not, choose another name."
        return StowageError("outcome_unknown", message, hint)

    def _wait_for(self, setting: str, wanted: Wanted) -> None:
        """Until the setting reads as it was written."""

        def shows() -> bool:
            found = self._plan_of_new(wanted.only(setting))
            return all(change.setting != setting for change in found.changes)

        self._writer.until(shows, f"{setting} was accepted and does not show.")

    # removal

    def plan_removal(self) -> Plan:
        if not self._see(Wanted()).present:
            return Plan(Wanted(), False)
        if not self._calls.aws and "minio" not in self._calls.server:
            raise StowageError(
                "unsupported_by_store",
                "Only AWS and MinIO are known to keep a bucket that is not empty; others (SeaweedFS) delete it with what is in "
                "it, so a backup that begins meanwhile could be lost.",
                "Delete the bucket with the store's own tools.",
            )
        if refused := check_empty(self._calls):
            raise self.denied(refused)
        self._check_account(creates=False)
        return Plan(Wanted(), True, (Change(BUCKET, "present", "absent"),))

    def remove(self) -> None:
        what = f"Deleting the bucket {self._settings.bucket}"
        try:
            self._calls.call("delete_bucket", what)
        except LocationError as error:
            if error.code != "bucket_not_found":
                raise
        self._writer.until(lambda: not self._see(Wanted()).present, "The bucket was deleted and is still there.")
