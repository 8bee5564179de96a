# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Brings a bucket of Google Cloud Storage into the wanted state. Private to the collection.

All settings are in one resource, each change of which counts its metageneration up. Every write names the one that it was made
for, so what somebody else changed meanwhile is looked at again instead of being overwritten:
https://cloud.google.com/storage/docs/request-preconditions.
"""

from __future__ import annotations

import json
import secrets as random
import threading
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import gcs_desired
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.gcp import check_account, projects_of
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.certificates import TrustedCertificates
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.desired import (
    BUCKET,
    Change,
    Plan,
    Unsupported,
    Wanted,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs import GcsAccess, gcs_access
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_calls import (
    GRANTS,
    GcsCalls,
    Request,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_client import (
    GcsSettings,
    require_google,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_identity import token_of
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_settings import Bucket, read_bucket
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.setup import Outcome, Setup

_REFUSED: t.Final = "The store refused it as something that it does not do."
_MOST_PAGES: t.Final = 10_000
_JSON: t.Final = {"Content-Type": "application/json; charset=UTF-8"}


def open_gcs_setup(
    options: t.Mapping[str, t.Any], environ: t.Mapping[str, str], stopped: threading.Event | None = None
) -> GcsSetup:
    """What sets up a location of provider ``gcp``. Nothing is sent to the store yet."""
    require_google()
    settings = GcsSettings.from_options(options)
    trust = TrustedCertificates(settings.ca_cert)
    access = gcs_access(settings, trust, options.get("auth") or {}, environ, setup=True)
    return GcsSetup(access, settings, trust, stopped or threading.Event())


class GcsSetup(Setup):
    """A bucket."""

    def __init__(
        self, access: GcsAccess, settings: GcsSettings, trust: TrustedCertificates, stopped: threading.Event
    ) -> None:
        self._access = access
        self._settings = settings
        self._trust = trust
        self._calls = GcsCalls(access.session, access.tokens, settings, stopped)

    def describe(self) -> str:
        return self._calls.address

    def secrets(self) -> frozenset[str]:
        return self._access.identity.secrets | token_of(self._access.identity)

    def close(self) -> None:
        self._access.session.close()
        self._trust.close()

    def denied(self, actions: t.Sequence[str]) -> StowageError:
        names = ", ".join(dict.fromkeys(actions))
        return StowageError(
            "permission_denied",
            f"{self.describe()}: the store denies {names}.",
            f"Grant a role with {names}, such as roles/storage.admin (and look for deny policies and conditions).",
            details={"actions": list(dict.fromkeys(actions))},
        )

    # looking

    def plan(self, wanted: Wanted) -> Plan:
        bucket = self._see()
        if bucket is None:
            self._check_new(wanted)
        plan = gcs_desired.plan(wanted, bucket, self._settings.prefix, self._settings.region)
        if plan.changes:
            self._check_account()
        return plan

    def _see(self) -> Bucket | None:
        """The bucket, ``None`` if it is not there.

        :raises StowageError: ``permission_denied``, and what else keeps it from being read.
        """

        def look() -> Bucket | None:
            found = read_bucket(self._calls)
            if found.failure is None or found.failure.code == "bucket_not_found":
                return found.value
            raise LocationError(found.failure)

        try:
            bucket: Bucket | None = self._calls.retried(look)
        except LocationError as error:
            if error.code == "permission_denied" and error.failure.denied == GRANTS["look"]:
                raise self.denied([GRANTS["look"]]) from None
            raise
        return bucket

    def _check_new(self, wanted: Wanted) -> None:
        if not wanted.create_bucket:
            raise StowageError(
                "bucket_not_found",
                f"The bucket {self._settings.bucket} does not exist.",
                "Set create_bucket to true to have it made, or check its name and the endpoint.",
            )
        if not self._settings.region:
            hint = "Set the location's region, such as europe-west1 or EU. A bucket cannot be moved."
            raise StowageError("invalid_option", "Nothing says where the new bucket is to be.", hint)
        if not self._project():
            hint = "Set auth.account to the project's id or number."
            raise StowageError("invalid_option", "Nothing says which project the new bucket is to be in.", hint)

    def _project(self) -> str:
        """The project of a new bucket: the one that the options demand, which is the credentials' own; without it, where the
        environment has things made, for who has no project."""
        identity = self._access.identity
        own = min(projects_of(identity.credentials, identity.project), default="")
        return identity.account or own or identity.usual

    def _check_account(self) -> None:
        """Before the first write."""
        if self._access.identity.account:
            check_account(self._access.identity, self._access.tokens)

    # changing

    def apply(self, plan: Plan) -> Outcome:
        wanted, outcome = plan.wanted, Outcome()
        try:
            if not plan.present:
                self._create(wanted)
                outcome.done.append(plan.changes[0])
            for change in plan.changes:
                if change.setting != BUCKET:
                    self._apply(change, wanted, outcome)
        except StowageError as error:
            outcome.error = error
        return outcome

    def _apply(self, change: Change, wanted: Wanted, outcome: Outcome) -> None:
        try:
            unsupported = self._bring(change.setting, wanted.only(change.setting))
        except LocationError as error:
            if error.code == "unsupported_by_store":
                outcome.unsupported.append(Unsupported(change.setting, _REFUSED))
            elif error.code == "permission_denied":
                outcome.denied[change.setting] = error.failure.denied or "an action that the store does not name"
            else:
                raise
        else:
            outcome.unsupported += unsupported
            outcome.done += [] if unsupported else [change]

    def _bring(self, setting: str, wanted: Wanted) -> list[Unsupported]:
        """Writes a setting until it reads as it should: what was read is compared again before each write.

        :returns: why a new bucket does not have it, if so.
        :raises LocationError: if the store refuses.
        :raises StowageError: ``unsafe_change`` for what somebody else made stricter meanwhile, ``outcome_unknown``.
        """
        for number in range(1, self._calls.attempts + 1):
            bucket = self._see()
            if bucket is not None:
                found = gcs_desired.plan(wanted, bucket, self._settings.prefix)
                if all(change.setting != setting for change in found.changes):
                    return [one for one in found.unsupported if one.option == setting]
                self._write(gcs_desired.patch(setting, wanted, bucket, self._settings.prefix), bucket, number)
            if number > 1 or bucket is None:
                self._calls.wait(number)
        raise self._does_not_show(f"{setting} was accepted and does not show.")

    def _write(self, body: t.Mapping[str, t.Any], bucket: Bucket, number: int) -> None:
        query = {"ifMetagenerationMatch": bucket.metageneration} if bucket.metageneration else {}
        request = Request(
            "PATCH",
            self._calls.bucket_path(),
            "change",
            query=query,
            headers=_JSON,
            body=json.dumps(body).encode(),
            of_bucket=True,
        )
        try:
            self._calls.once(request, f"Setting up {self.describe()}")
        except LocationError as error:
            # Somebody was faster, or we were, and the answer was lost: the next look tells.
            if error.failure.status != 412 and not self._calls.may_pass(error.failure, number):
                raise

    def _create(self, wanted: Wanted) -> None:
        """An answer may be lost, and the bucket be there at the next attempt: ours, if it has the label that was sent. All of
        Google's customers share one namespace, so anything else is somebody else's."""
        made = random.token_hex(16)
        body = gcs_desired.new_bucket(wanted, self._settings.bucket, self._settings.region, made)
        lock = {"enableObjectRetention": "true"} if wanted.object_lock_enabled else {}
        request = Request(
            "POST",
            "/storage/v1/b",
            "make",
            query={"project": self._project(), **lock},
            headers=_JSON,
            body=json.dumps(body).encode(),
        )
        lost = False

        def attempt() -> None:
            nonlocal lost
            try:
                self._calls.once(request, f"Creating the bucket {self._settings.bucket}")
            except LocationError as error:
                if error.failure.status == 409 and lost and self._is_made_by(made):
                    return
                lost = lost or error.failure.doubt == "unknown"
                raise

        try:
            self._calls.retried(attempt)
        except LocationError as error:
            if error.failure.status == 409:
                hint = "Names are the same for all of Google's customers. Choose another, or run the task again."
                message = f"Somebody else has a bucket {self._settings.bucket}, or has made it meanwhile."
                raise StowageError("bucket_wrong_owner", message, hint) from None
            raise
        self._until(lambda: self._see() is not None, "The new bucket does not show up.")

    def _is_made_by(self, made: str) -> bool:
        """Whether the bucket is the one that a request of ours made."""
        found = read_bucket(self._calls)
        if found.failure is not None and found.failure.code not in {"bucket_not_found", "permission_denied"}:
            raise LocationError(found.failure)
        return found.value is not None and found.value.made == made

    def _until(self, shows: t.Callable[[], bool], otherwise: str) -> None:
        for number in range(1, self._calls.attempts + 1):
            if shows():
                return
            if number < self._calls.attempts:
                self._calls.wait(number)
        raise self._does_not_show(otherwise)

    def _does_not_show(self, message: str) -> StowageError:
        hint = "Run the task again later. If it stays so, the store does not keep what it accepts."
        return StowageError("outcome_unknown", f"{self.describe()}: {message}", hint)

    # removal

    def plan_removal(self) -> Plan:
        bucket = self._see()
        if bucket is None:
            return Plan(Wanted(), False)
        self._check_empty(bucket)
        self._check_account()
        return Plan(Wanted(), True, (Change(BUCKET, "present", "absent"),))

    def _check_empty(self, bucket: Bucket) -> None:
        """Looks at the whole bucket, not at the prefix. Unfinished uploads keep no object and show nowhere."""
        looks = {"objects, or older generations of objects": {"versions": "true"}}
        if bucket.soft_delete:
            looks["objects that were deleted and can still be restored (soft delete)"] = {"softDeleted": "true"}
        for kind, query in looks.items():
            if self._lists_any(query):
                raise self._not_empty(kind)

    def _lists_any(self, query: t.Mapping[str, str]) -> bool:
        """Whether anything is in a listing of the whole bucket, which may begin with empty pages."""
        what = f"Looking whether the bucket {self._settings.bucket} is empty"
        token = ""
        for _dummy in range(_MOST_PAGES):
            more = {"maxResults": "1", **query, **({"pageToken": token} if token else {})}
            request = Request("GET", self._calls.objects_path(), "list", query=more, of_bucket=True)
            try:
                document = self._calls.call(request, what).document() or {}
            except LocationError as error:
                if error.code == "permission_denied" and error.failure.denied:
                    raise self.denied([error.failure.denied]) from None
                raise
            if document.get("kind") != "storage#objects":
                raise StowageError("store_error", f"{what}: the answer is no listing of the bucket.")
            token = str(document.get("nextPageToken") or "")
            if document.get("items") or not token:
                return bool(document.get("items"))
        raise StowageError("store_error", f"{what}: the store goes round in circles.")

    def _not_empty(self, kind: str) -> StowageError:
        hint = "Only an empty bucket is deleted. Look at the whole of it, not only at the location's prefix."
        return StowageError("bucket_not_empty", f"The bucket {self._settings.bucket} holds {kind}.", hint)

    def remove(self) -> None:
        """Google deletes no bucket with objects or older generations in it."""
        bucket = self._see()
        if bucket is None:
            return
        self._check_empty(bucket)
        query = {"ifMetagenerationMatch": bucket.metageneration} if bucket.metageneration else {}
        request = Request("DELETE", self._calls.bucket_path(), "remove", query=query, of_bucket=True)
        try:
            self._calls.call(request, f"Deleting the bucket {self._settings.bucket}")
        except LocationError as error:
            if error.failure.status == 409:
                raise self._not_empty("objects that were written meanwhile") from None
            if error.failure.status == 412:
                hint = "Look at the bucket, and run the task again."
                raise StowageError("unsafe_change", "The bucket's settings were changed meanwhile.", hint) from None
            if error.code != "bucket_not_found":
                raise
        self._until(lambda: self._see() is None, "The bucket was deleted and is still there.")
