# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looks at a location in an S3 bucket: of AWS, MinIO, or another store. Private to the collection."""

from __future__ import annotations

import functools
import threading
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import network, s3_anonymous, s3_judge
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.botocore_session import require_botocore
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.catalogue import (
    failed,
    of_error,
    passed,
    unknown,
    unsupported,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.certificates import (
    TrustedCertificates,
    client_pair,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.endpoint import EndpointLooks
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.prober import Aim, Look, Prober
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.readings import Reading
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.report import Check, Layer, Verdict
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3 import S3Access, S3Location, s3_access
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_account import Asker
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_bucket import (
    Listing,
    bucket_checks,
    list_bucket,
    owner_check,
    region_check,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_calls import S3Calls
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_client import (
    S3Settings,
    endpoint_of,
    make_client,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_identity import (
    caller_identity,
    frozen_keys,
    minio_account,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_rights import Right, ask, rights
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_settings import (
    SettingsReader,
    Versioning,
    note_roots,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_upload import (
    Round,
    checksum_check,
    conditional_check,
    upload_round,
)

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import Location

READ_SECONDS: t.Final = 20
_CREDENTIALS: t.Final = frozenset({"credentials_missing", "credentials_invalid", "credentials_expired", "clock_skew"})


def open_s3_prober(
    options: t.Mapping[str, t.Any], environ: t.Mapping[str, str], aim: Aim, stopped: threading.Event | None = None
) -> S3Prober:
    """What looks at a location of provider ``aws`` or ``minio``. Nothing is sent, and nothing of the options looked at.

    :raises StowageError: ``dependency_missing``.
    """
    require_botocore()
    return S3Prober(options, environ, aim, stopped or threading.Event())


class S3Prober(Prober):
    """Looks at a bucket. Retries are off: what does not work at once is worth knowing."""

    def __init__(
        self, options: t.Mapping[str, t.Any], environ: t.Mapping[str, str], aim: Aim, stopped: threading.Event
    ) -> None:
        self._options = options
        self._environ = environ
        self._aim = aim
        self._stopped = stopped
        self._identity: dict[str, str] = {}
        self._settings_seen: dict[str, t.Any] = {}
        self._granted: dict[str, bool | None] = {}
        self._round = Round()
        self._seconds = network.SECONDS
        self._settings: S3Settings
        self._secrets: frozenset[str] = frozenset()
        self._trust: TrustedCertificates
        self._pair: tuple[str, str] | None = None
        self._access: S3Access
        self._calls: S3Calls
        self._listing: Listing
        self._location: S3Location | None = None
        self._ends: list[t.Callable[[], None]] = []

    # the interface

    def describe(self) -> str:
        bucket, prefix = self._options.get("bucket") or "", str(self._options.get("prefix") or "").strip("/")
        return f"s3://{bucket}/{prefix}".rstrip("/")

    def location(self) -> Location | None:
        return self._location

    def identity(self) -> dict[str, str]:
        return dict(self._identity)

    def settings(self) -> dict[str, t.Any]:
        return dict(self._settings_seen)

    def secrets(self) -> frozenset[str]:
        return self._secrets

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
            Layer.BUCKET: self._of_bucket,
            Layer.PERMISSION: self._of_permissions,
            Layer.INTEGRITY: lambda: [
                Look(("conditional_create",), self._conditional),
                Look(("checksums",), lambda: [checksum_check(self._round)]),
            ],
            Layer.POSTURE: self._of_posture,
        }
        return made[layer]() if layer in made else []

    # parse, network, tls, clock

    def _parse(self) -> list[Check]:
        try:
            self._settings = S3Settings.from_options(self._options, self._environ)
            checks = [passed("address", f"{self.describe()} at {self._endpoint}.")]
        except StowageError as error:
            return [of_error("address", error)]
        try:
            self._trust = TrustedCertificates(self._settings.ca_cert)
            self._ends.append(self._trust.close)
            self._pair = client_pair(self._settings.client_cert, self._settings.client_key)
        except StowageError as error:
            return [*checks, of_error("trusted_certificates", error)]
        seen = "Those of ca_cert." if self._settings.ca_cert else "Those of this machine or its environment."
        return [*checks, passed("trusted_certificates", seen)]

    @functools.cached_property
    def _endpoint(self) -> str:
        return endpoint_of(self._settings)

    @functools.cached_property
    def _looks(self) -> EndpointLooks:
        ca_file = trusted_file(self._trust.verify, self._environ) if self._endpoint.startswith("https:") else ""
        return EndpointLooks(self._endpoint, ca_file, self._seconds, client_pair=self._pair)

    # identity and bucket

    def _who(self) -> list[Check]:
        try:
            auth = self._options.get("auth") or {}
            self._access = s3_access(self._settings, self._trust, auth, self._environ, read_seconds=READ_SECONDS)
            self._secrets = self._access.credentials.secrets
            keys = frozen_keys(self._access.credentials.source)
        except StowageError as error:
            if error.code == "dependency_missing":
                raise
            return [of_error("credentials", error)]
        self._secrets |= keys.secrets()
        self._identity["access_key"] = keys.access_key
        client = self._access.client
        note_roots(client)
        self._calls = S3Calls(client, self._settings, self._stopped)
        self._location = S3Location(client, self._settings, self._access.credentials, None, self._stopped)
        self._listing = list_bucket(self._calls, self._settings.prefix + self._aim.listed)
        refused = self._listing.error
        if refused is not None and refused.code in _CREDENTIALS:
            return [of_error("credentials", refused)]
        if refused is not None and not refused.failure.status:
            # Nothing was answered: whether the credentials are right is not known.
            return [of_error("credentials", refused, Verdict.UNKNOWN)]
        return [passed("credentials", f"The access key {keys.access_key} is accepted."), *self._called()]

    def _called(self) -> list[Check]:
        return self._called_by_aws() if self._sts is not None else self._called_by_other()

    @property
    def _sts(self) -> str | None:
        """The token service's endpoint: ``""`` for AWS's own, ``None`` where none is known."""
        given = str((self._options.get("auth") or {}).get("sts_endpoint") or "")
        if self._settings.provider != "aws":
            return None
        return given or ("" if self._settings.own_endpoint else None)

    def _called_by_aws(self) -> list[Check]:
        keys = frozen_keys(self._access.credentials.source)
        try:
            found = caller_identity(keys, self._settings.region, self._sts or "", self._trust.verify)
        except LocationError as error:
            return [of_error("identity", error, Verdict.UNKNOWN)]
        self._identity.update(found)
        checks = [passed("identity", f"{found['arn']} of account {found['account']}.")]
        expected = str((self._options.get("auth") or {}).get("account") or "")
        return [*checks, account_check(expected, found["account"])] if expected else checks

    def _called_by_other(self) -> list[Check]:
        name = ""
        if self._settings.provider == "minio":
            keys = frozen_keys(self._access.credentials.source)
            name = minio_account(keys, self._settings, self._looks.target.ca_file, self._pair)
        if self._settings.provider == "aws":
            return [unknown("identity", "No token service is known for an endpoint that is not AWS's own.", fix="")]
        if not name:
            return [unsupported("identity", "The store tells nobody whose access key it is.")]
        self._identity["user"] = name
        return [passed("identity", f"The MinIO account {name}.")]

    def _of_bucket(self) -> list[Look]:
        looks = [Look(("bucket", "listing"), lambda: bucket_checks(self._listing, self._settings))]
        if self._listing.error is None and self._listing.genuine:
            looks.append(Look(("region",), lambda: [region_check(self._calls, self._listing)]))
            account = self._identity.get("account", "")
            looks.append(Look(("bucket_owner",), lambda: [owner_check(self._calls, account, self._listing.prefix)]))
        return looks

    # permission and integrity

    def _of_permissions(self) -> list[Look]:
        versioning = self._versioning if "delete" in self._aim.access else Reading[Versioning]("unknown")
        wanted = rights(self._aim, self._settings.prefix, aws=self._calls.aws, versioning=versioning)
        looks = [Look((right.id,), functools.partial(self._ask, right)) for right in wanted]
        if "write" in self._aim.access:
            looks.append(Look(("upload",), self._upload, alone=True))
        return looks

    @functools.cached_property
    def _versioning(self) -> Reading[Versioning]:
        return SettingsReader(self._calls).versioning()

    @property
    def _server(self) -> str:
        """What the store calls itself, in lower case."""
        return (self._listing.server or self._looks.server).lower()

    @property
    def _shows_what_is_missing(self) -> bool:
        """Whether it says that an object is missing to who may read and not list. AWS and Ceph do not."""
        return "minio" in self._server or "seaweedfs" in self._server

    def _ask(self, right: Right) -> list[Check]:
        error = self._listing.error
        hidden = error is not None and error.code == "permission_denied" and not self._shows_what_is_missing
        found = ask(self._calls, right, self._settings.prefix, hidden=hidden)
        self._granted[right.id] = {"allowed": True, "missing": False}.get(found.granted)
        return [found]

    def _upload(self) -> list[Check]:
        lacking = [name for name in ("may_create", "may_abort_uploads") if not self._granted.get(name)]
        if lacking:
            return [unknown("upload", "Not tried, for it might have stayed.", fix="Allow what is missing first.")]
        self._round, check = upload_round(
            self._calls, self._settings.prefix + self._aim.upload_key, look=bool(self._granted.get("may_list_parts"))
        )
        return [check]

    def _conditional(self) -> list[Check]:
        if "write" not in self._aim.access:
            return [unknown("conditional_create", "Writing was not asked for.", fix="")]
        return [conditional_check(self._calls, self._listing)]

    # posture

    def _of_posture(self) -> list[Look]:
        reader, aws = SettingsReader(self._calls), self._calls.aws
        bucket, prefix, engine = self._settings.bucket, self._settings.prefix, self._aim.engine
        sweeps = "minio" in self._server

        def note(name: str, reading: Reading[t.Any], shown: t.Any) -> Reading[t.Any]:
            self._settings_seen[name] = shown(reading.value) if reading.value is not None else None
            return reading

        def encryption() -> list[Check]:
            found = note("encryption", reader.encryption(), lambda value: value.algorithm)
            return [
                s3_judge.encryption_check(found, self._round.algorithm, self._round.key),
                *self._encryption_key(found.value.key if found.value else ""),
            ]

        def access() -> list[Check]:
            block = reader.public_access_block()
            return [s3_judge.public_access_check(block), s3_judge.acl_check(reader.public_grants(), block)]

        def versioning() -> list[Check]:
            return [s3_judge.versioning_check(note("versioning", self._versioning, lambda value: value.status))]

        def policy() -> list[Check]:
            found = reader.policy()
            status = s3_judge.policy_status_check(reader.policy_public(), found, bucket, prefix, aws=aws)
            return [status, s3_judge.tls_only_check(found, bucket, aws=aws)]

        def lock() -> list[Check]:
            found = note("default_retention", reader.object_lock(), lambda value: value.mode or None)
            self._settings_seen["object_lock"] = {"set": True, "unset": False}.get(found.state)
            return s3_judge.lock_checks(found, engine)

        def lifecycle() -> list[Check]:
            return s3_judge.lifecycle_checks(reader.lifecycle(), prefix, sweeps_itself=sweeps)

        return [
            Look(("encryption", "encryption_key"), encryption),
            Look(("versioning",), versioning),
            Look(("object_lock", "default_retention"), lock),
            Look(("public_access_block", "bucket_acl"), access),
            Look(("account_public_access_block",), self._account_block),
            Look(("policy_status", "tls_only"), policy),
            Look(("anonymous_listing", "anonymous_reading", "anonymous_writing"), self._anonymous),
            Look(("stale_uploads", "lifecycle_expiry", "lifecycle_archive"), lifecycle),
            Look(("ownership",), lambda: [s3_judge.ownership_check(reader.ownership())]),
            Look(("requester_pays",), lambda: [s3_judge.payer_check(reader.payer())]),
            Look(("replication",), lambda: [s3_judge.replication_check(reader.replication())]),
        ]

    @functools.cached_property
    def _asker(self) -> Asker:
        return Asker(frozen_keys(self._access.credentials.source), self._settings.region, self._trust.verify)

    def _account_block(self) -> list[Check]:
        name, account = "account_public_access_block", self._identity.get("account", "")
        if not self._settings.own_endpoint:
            return [unsupported(name, "Only AWS has accounts with one.")]
        if not account or self._settings.bucket_owner not in {"", account}:
            seen = "It is told to its own account only, and the bucket is of another, or the caller's is not known."
            return [unknown(name, seen, fix="")]
        return [s3_judge.account_block_check(self._asker.account_block(account), account)]

    def _encryption_key(self, default: str) -> list[Check]:
        """:param default: the key that the bucket's default encryption names."""
        key = self._round.key or default
        if not key or not self._settings.own_endpoint:
            return []
        return [s3_judge.encryption_key_check(self._asker.key(key), key)]

    def _anonymous(self) -> list[Check]:
        """Tries without credentials, which must be refused."""
        client = make_client(
            self._settings, None, self._trust.verify, self._pair, signed=False, read_seconds=READ_SECONDS
        )
        note_roots(client)
        nobody, prefix = S3Calls(client, self._settings, self._stopped), self._settings.prefix
        every = rights(Aim(self._aim.cluster), prefix, aws=self._calls.aws, versioning=self._versioning)
        folder, shows = prefix + self._aim.folder, self._shows_what_is_missing
        try:
            return [
                s3_anonymous.listing_check(nobody, self._listing.prefix),
                s3_anonymous.reading_check(nobody, self._listing, folder, shows_what_is_missing=shows),
                s3_anonymous.writing_check(nobody, self._calls, every, prefix),
            ]
        finally:
            client.close()


def account_check(expected: str, account: str) -> Check:
    """Whether the caller is of the account that the location names. Pure."""
    if account == expected:
        return passed("account", f"Account {account}, as expected.")
    return failed("account", f"Account {account}, not {expected}.", "wrong_account")


def trusted_file(verify: str | None, environ: t.Mapping[str, str]) -> str:
    """The file of certificates that botocore trusts, by what it looks at in turn."""
    from botocore.httpsession import get_cert_path

    found = verify or environ.get("AWS_CA_BUNDLE") or environ.get("REQUESTS_CA_BUNDLE")
    return found or str(get_cert_path(True))
