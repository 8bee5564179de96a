# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looks at a location in a bucket of Google Cloud Storage. Private to the collection."""

from __future__ import annotations

import functools
import threading
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import (
    gcs_bucket,
    gcs_judge,
    gcs_rights,
    network,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.gcp import projects_of
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.catalogue import (
    failed,
    of_error,
    passed,
    unknown,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.certificates import TrustedCertificates
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.endpoint import EndpointLooks
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs import (
    GcsAccess,
    GcsLocation,
    gcs_access,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_bucket import Listing, list_bucket
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_calls import GRANTS, GcsCalls
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_client import (
    GcsSettings,
    NoTokens,
    require_google,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_identity import (
    account_checks,
    caller,
    identity_check,
    token_of,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_rights import Held, Right
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_round import (
    checksum_check,
    conditional_check,
    upload_round,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_settings import (
    Bucket,
    held_permissions,
    read_bucket,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.prober import Aim, Look, Prober
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.readings import Reading
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.report import Check, Layer, Verdict

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import Location

READ_SECONDS: t.Final = 20
SKEW_FAILS: t.Final = 600.0
"""What Google allows for the time in what a service account's key signs."""
PUBLIC: t.Final = tuple(GRANTS.values())
"""What nobody without credentials should have."""


def open_gcs_prober(
    options: t.Mapping[str, t.Any], environ: t.Mapping[str, str], aim: Aim, stopped: threading.Event | None = None
) -> GcsProber:
    """What looks at a location of provider ``gcp``. Nothing is sent, and nothing of the options looked at.

    :raises StowageError: ``dependency_missing``.
    """
    require_google()
    return GcsProber(options, environ, aim, stopped or threading.Event())


class GcsProber(Prober):
    """Looks at a bucket. Retries are off: what does not work at once is worth knowing."""

    lists_uploads = False

    def __init__(
        self, options: t.Mapping[str, t.Any], environ: t.Mapping[str, str], aim: Aim, stopped: threading.Event
    ) -> None:
        self._options = options
        self._environ = environ
        self._aim = aim
        self._stopped = stopped
        self._identity: dict[str, str] = {}
        self._seconds = network.SECONDS
        self._settings: GcsSettings
        self._secrets: frozenset[str] = frozenset()
        self._trust: TrustedCertificates
        self._access: GcsAccess
        self._calls: GcsCalls
        self._listing: Listing
        self._bucket: Reading[Bucket] = Reading("unknown")
        self._location: GcsLocation | None = None
        self._ends: list[t.Callable[[], None]] = []

    # the interface

    def describe(self) -> str:
        bucket, prefix = self._options.get("bucket") or "", str(self._options.get("prefix") or "").strip("/")
        return f"gs://{bucket}/{prefix}".rstrip("/")

    def location(self) -> Location | None:
        return self._location

    def identity(self) -> dict[str, str]:
        return dict(self._identity)

    def settings(self) -> dict[str, t.Any]:
        return shown(self._bucket.value) if self._bucket.value else {}

    def secrets(self) -> frozenset[str]:
        # A token may have been renewed meanwhile.
        return self._secrets | (token_of(self._access.identity) if self._location is not None else frozenset())

    def close(self) -> None:
        if self._location is not None:
            self._location.close()
        for end in self._ends:
            end()

    def looks(self, layer: Layer) -> t.Sequence[Look]:
        made: dict[Layer, t.Callable[[], list[Look]]] = {
            Layer.PARSE: lambda: [Look(("address",), self._parse)],
            Layer.NETWORK: lambda: [Look(("dns", "tcp"), self._looks.network)],
            Layer.TLS: lambda: [Look(("tls",), self._looks.tls)],
            Layer.CLOCK: lambda: [Look(("clock",), self._looks.clock)],
            Layer.IDENTITY: lambda: [Look(("credentials", "identity"), self._who)],
            Layer.BUCKET: lambda: [Look(("bucket", "listing"), self._look_at_bucket)],
            Layer.PERMISSION: self._of_permissions,
            Layer.INTEGRITY: lambda: [
                Look(("conditional_create",), lambda: [conditional_check(self._calls, self._listing)]),
                Look(("checksums",), lambda: [checksum_check(self._calls)]),
            ],
            Layer.POSTURE: self._of_posture,
        }
        return made[layer]() if layer in made else []

    # parse, network, tls, clock

    def _parse(self) -> list[Check]:
        try:
            self._settings = GcsSettings.from_options(self._options)
        except StowageError as error:
            return [of_error("address", error)]
        checks = [passed("address", f"{self.describe()} at {self._settings.endpoint}.")]
        try:
            self._trust = TrustedCertificates(self._settings.ca_cert)
        except StowageError as error:
            return [*checks, of_error("trusted_certificates", error)]
        self._ends.append(self._trust.close)
        seen = "Those of ca_cert." if self._settings.ca_cert else "Those of this machine or its environment."
        return [*checks, passed("trusted_certificates", seen)]

    @functools.cached_property
    def _looks(self) -> EndpointLooks:
        ca_file = trusted_file(self._trust.verify, self._environ)
        return EndpointLooks(self._settings.endpoint, ca_file, self._seconds, skew_fails=SKEW_FAILS)

    # identity and bucket

    def _who(self) -> list[Check]:
        try:
            auth = self._options.get("auth") or {}
            self._access = gcs_access(self._settings, self._trust, auth, self._environ)
        except StowageError as error:
            if error.code == "dependency_missing":
                raise
            return [of_error("credentials", error)]
        session, tokens, identity = self._access.session, self._access.tokens, self._access.identity
        self._location = GcsLocation(session, tokens, self._settings, identity, stopped=self._stopped)
        self._calls = GcsCalls(session, tokens, self._settings, self._stopped, read_seconds=READ_SECONDS)
        self._calls.attempts = 1
        self._listing = list_bucket(self._calls, self._settings.prefix + self._aim.listed)
        self._secrets = identity.secrets | token_of(identity)
        if found := credentials_check(self._listing.error):
            return [found]
        self._identity = caller(identity)
        accepted = passed("credentials", "An access token was got, and is accepted.")
        return [accepted, identity_check(self._identity), *account_checks(identity, tokens)]

    def _look_at_bucket(self) -> list[Check]:
        self._bucket = read_bucket(self._calls)
        checks = gcs_bucket.bucket_checks(self._listing, self._settings.bucket, self._bucket)
        if any(check.verdict is Verdict.FAILED for check in checks):
            return checks
        projects = projects_of(self._access.identity.credentials, self._access.identity.project)
        return [*checks, gcs_bucket.region_check(self._bucket), gcs_bucket.owner_check(self._bucket, projects)]

    # permission

    def _of_permissions(self) -> list[Look]:
        wanted = gcs_rights.rights(self._aim)
        held = held_permissions(self._calls, [right.permission for right in wanted])
        looks = []
        for right in wanted:
            ids = (right.id, "upload") if right.id == "may_create" else (right.id,)
            looks.append(Look(ids, functools.partial(self._ask, right, held)))
        return looks

    def _ask(self, right: Right, held: Held) -> list[Check]:
        asked: dict[str, t.Callable[[], LocationError | None]] = {
            "may_list": lambda: self._listing.error,
            "may_read_settings": lambda: LocationError(self._bucket.failure) if self._bucket.failure else None,
        }
        more: tuple[Check, ...] = ()
        sample, below_only = "", gcs_rights.narrowed(self._listing.error, held)
        if right.id == "may_create":
            sent = upload_round(self._calls, self._settings.prefix + self._aim.upload_key)
            error, more = sent.refused, sent.checks
        elif right.id in asked:
            error = asked[right.id]()
        else:
            sample = self._listing.first if below_only and right.tried == "GET" else ""
            error = gcs_rights.ask(self._calls, right, self._settings.prefix + self._aim.folder, sample)
        unlisted = self._listing.error is not None
        where = gcs_rights.resource(right, self._settings.bucket, self._settings.prefix)
        below_only = below_only and not sample
        return [gcs_rights.judge(right, error, held, where, hidden=unlisted, below_only=below_only), *more]

    # posture

    def _of_posture(self) -> list[Look]:
        found = gcs_judge.judge(self._bucket, self._aim.engine, self._settings.prefix) | gcs_judge.always()
        nobody = GcsCalls(self._access.session, NoTokens(), self._settings, self._stopped, read_seconds=READ_SECONDS)
        looks = [Look((name,), functools.partial(list, [check])) for name, check in found.items()]

        def permissions() -> list[Check]:
            return [gcs_judge.anonymous_permissions_check(held_permissions(nobody, PUBLIC))]

        return [
            *looks,
            Look(("policy_status",), permissions),
            Look(("anonymous_listing",), lambda: [anonymous_check(list_bucket(nobody, self._listing.prefix))]),
        ]


def credentials_check(error: LocationError | None) -> Check | None:
    """What the first request says about the credentials, if they are at fault. Pure.

    :param error: how it failed. With status 0 the store answered nothing: there was no token, or no connection.
    """
    if error is None:
        return None
    if error.failure.status == 401:
        return of_error("credentials", error)
    if error.failure.status:
        return None
    unreachable = error.code in {"endpoint_unreachable", "tls_untrusted", "store_error"}
    return of_error("credentials", error, Verdict.UNKNOWN if unreachable else Verdict.FAILED)


def anonymous_check(found: Listing) -> Check:
    """What a listing without credentials says, which must be refused. Pure."""
    name = "anonymous_listing"
    if found.genuine:
        fix = "Remove allUsers from the bucket's IAM policy and ACLs, and enforce public access prevention."
        return failed(name, "The bucket can be listed without credentials.", "bucket_public", fix=fix)
    if found.error is not None and found.error.failure.status in {401, 403}:
        return passed(name, "Listing without credentials is refused.")
    return unknown(name, "What was answered to a listing without credentials says nothing.", fix="")


def shown(bucket: Bucket) -> dict[str, t.Any]:
    """A bucket's settings as they are returned; ``None`` for what is not set or not told. Pure."""
    retention = bucket.retention
    return {
        "versioning": "Enabled" if bucket.versioning else None,
        "encryption": "KMS" if bucket.key else "AES256" if bucket.whole else None,
        "object_lock": bucket.object_retention,
        "default_retention": ("LOCKED" if retention.locked else "UNLOCKED") if retention else None,
    }


def trusted_file(verify: str | None, environ: t.Mapping[str, str]) -> str:
    """The file of certificates that requests trusts, by what it looks at in turn."""
    from requests.utils import DEFAULT_CA_BUNDLE_PATH

    found = verify or environ.get("REQUESTS_CA_BUNDLE") or environ.get("CURL_CA_BUNDLE")
    return found or DEFAULT_CA_BUNDLE_PATH
