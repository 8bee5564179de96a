# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes the settings of an S3 bucket. Private to the collection.

What has parts of others in it, the policy and the lifecycle configuration, is read again right before it is written, and
looked at afterwards.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import (
    s3_desired,
    s3_lifecycle,
    s3_policy,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.desired import (
    NEVER,
    Encryption,
    Retention,
    Wanted,
    unsafe,
    weaker,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.readings import Reading
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_calls import ACTIONS, S3Calls
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_settings import (
    PublicAccessBlock,
    SettingsReader,
)


class _Xml:
    """A request body that takes the place of the one that botocore makes of parameters."""

    def __init__(self, client: t.Any) -> None:
        self.body = b""
        # Before checksums of the body are made.
        client.meta.events.register_first("before-call.s3.PutBucketLifecycleConfiguration", self._put)

    def _put(self, params: dict[str, t.Any], **_dummy: object) -> None:
        params["body"] = self.body


class SettingsWriter:
    """Writes single settings of a bucket; belongs to one thread. The client behind ``calls`` must have been given to
    :func:`~.s3_settings.note_roots` and :func:`~.s3_settings.note_lifecycle`."""

    def __init__(self, client: t.Any, calls: S3Calls) -> None:
        self._calls = calls
        self._settings = calls.settings
        self._reader = SettingsReader(calls, patient=True)
        self._client = client
        self._xml = _Xml(client)
        self.created = False
        """The bucket was made a moment ago, and may not be known everywhere yet."""
        self._puts: dict[str, t.Callable[[Wanted], None]] = {
            "object_ownership": self._put_ownership,
            "encryption": self._put_encryption,
            "versioning": self._put_versioning,
            "object_lock_enabled": self._put_lock,
            "object_lock": self._put_lock,
            "tls_only": self._put_policy,
            "block_public_access": self._put_public_access,
            "abort_stale_uploads": self._put_lifecycle,
        }

    def put(self, setting: str, wanted: Wanted) -> None:
        """Writes a setting.

        :raises LocationError: if the store refuses; ``permission_denied`` has the name of the action.
        :raises StowageError: ``outcome_unknown`` when what others have there did not stay as it was.
        """
        self._puts[setting](wanted)

    def read(self, field: str) -> Reading[t.Any]:
        """A setting, by its name in :class:`~.s3_desired.Seen`."""
        found: Reading[t.Any] = getattr(self._reader, "lifecycle_document" if field == "lifecycle" else field)()
        return found

    def _put_ownership(self, wanted: Wanted) -> None:
        rules = {"Rules": [{"ObjectOwnership": wanted.object_ownership}]}
        self._send("put_bucket_ownership_controls", OwnershipControls=rules)

    def _put_encryption(self, wanted: Wanted) -> None:
        """The rest of the rule, such as kinds of encryption that are blocked, stays."""
        reading = self._fresh("encryption")
        target = s3_desired.encryption_target(t.cast(Encryption, wanted.encryption), reading.value)
        rule: dict[str, t.Any] = {}
        if reading.state == "set":
            answer = self._calls.call("get_bucket_encryption", f"Reading the encryption of {self._calls.address}")
            rule = dict(answer["ServerSideEncryptionConfiguration"]["Rules"][0])
            self._require_whole_rules()
        rule["ApplyServerSideEncryptionByDefault"] = {
            "SSEAlgorithm": target.algorithm,
            **({"KMSMasterKeyID": target.key} if target.key else {}),
        }
        if target.algorithm == "AES256":
            rule.pop("BucketKeyEnabled", None)
        else:
            rule["BucketKeyEnabled"] = target.bucket_key
        self._send("put_bucket_encryption", ServerSideEncryptionConfiguration={"Rules": [rule]})

    def _require_whole_rules(self) -> None:
        """botocore leaves out what it does not know of a rule, and AWS has added to it: what is not read would be lost."""
        shape = self._client.meta.service_model.shape_for("ServerSideEncryptionRule")
        if self._settings.own_endpoint and "BlockedEncryptionTypes" not in shape.members:
            raise StowageError(
                "dependency_missing",
                "This botocore does not know blocked kinds of encryption, which a change of the bucket's would drop.",
                "Install boto3>=1.42 for the Python that runs the task.",
            )

    def _put_versioning(self, wanted: Wanted) -> None:
        status = "Enabled" if wanted.versioning else "Suspended"
        self._send("put_bucket_versioning", VersioningConfiguration={"Status": status})

    def _put_lock(self, wanted: Wanted) -> None:
        """A retention that somebody set meanwhile is neither weakened nor lost."""
        lock = self._fresh("object_lock").value
        before = Retention(lock.mode, lock.days, lock.years) if lock is not None and lock.retains else None
        after = wanted.object_lock or before
        if before is not None and after is not None and before != after and weaker(before, after):
            raise unsafe("The bucket's default retention was made stricter meanwhile.", "Run the task again.")
        self._send("put_object_lock_configuration", ObjectLockConfiguration=_lock(after))

    def _put_public_access(self, wanted: Wanted) -> None:
        names = [field.name for field in dataclasses.fields(PublicAccessBlock)]
        block = dict.fromkeys(names, bool(wanted.block_public_access))
        self._send("put_public_access_block", PublicAccessBlockConfiguration=block)

    def _put_policy(self, wanted: Wanted) -> None:
        before = self._fresh("policy").value
        if wanted.tls_only:
            statement = s3_policy.tls_only_statement(self._settings.bucket, self._settings.partition)
            after: dict[str, t.Any] | None = s3_policy.with_statement(before, statement)
        else:
            after = s3_policy.without_statement(before, s3_policy.TLS_ONLY)
        if after is None:
            self._send("delete_bucket_policy")
        else:
            self._send("put_bucket_policy", Policy=s3_policy.compact(after))
        kept = s3_policy.others(before, s3_policy.TLS_ONLY)
        self.until(
            lambda: s3_policy.all_same(s3_policy.others(self._fresh("policy").value, s3_policy.TLS_ONLY), kept),
            "The statements of others in the bucket's policy are not what they were.",
        )

    def _put_lifecycle(self, wanted: Wanted) -> None:
        prefix, days = self._settings.prefix, t.cast(int, wanted.abort_stale_uploads)
        before = self._fresh("lifecycle").value
        after = s3_lifecycle.without_rule(before, prefix) if days == NEVER else None
        if days != NEVER:
            after = s3_lifecycle.with_rule(before, prefix, days)
        if after is None:
            self._send("delete_bucket_lifecycle")
        else:
            self._xml.body = after
            minimum = before.transition_minimum if before else ""
            # Without it, AWS would set it to its default.
            more = {"TransitionDefaultMinimumObjectSize": minimum} if minimum else {}
            self._send("put_bucket_lifecycle_configuration", LifecycleConfiguration={"Rules": []}, **more)
        kept = s3_lifecycle.others(before, prefix)
        self.until(
            lambda: s3_lifecycle.others(self._fresh("lifecycle").value, prefix) == kept,
            "The bucket's lifecycle rules of others are not what they were.",
        )

    def _fresh(self, field: str) -> Reading[t.Any]:
        """A setting as it is now; it could be read a moment ago."""
        found = self.read(field)
        if found.failure is not None and found.state not in {"set", "unset"}:
            raise LocationError(found.failure)
        return found

    def _send(self, operation: str, **parameters: t.Any) -> None:
        what = f"Setting up {self._calls.address} ({operation})"

        def attempt() -> None:
            try:
                self._calls.once(operation, what, **parameters)
            except LocationError as error:
                if self.created and error.code == "bucket_not_found":
                    # A bucket that was made a moment ago is not known everywhere yet.
                    raise LocationError(dataclasses.replace(error.failure, transient=True)) from None
                if error.code == "permission_denied" and not error.failure.denied:
                    raise LocationError(dataclasses.replace(error.failure, denied=ACTIONS[operation])) from None
                raise

        self._calls.retried(attempt)

    def until(self, shows: t.Callable[[], bool], otherwise: str) -> None:
        """Waits for something to show.

        :raises StowageError: ``outcome_unknown``, with this sentence, if it does not.
        """
        for number in range(1, self._calls.attempts + 1):
            if shows():
                return
            if number < self._calls.attempts:
                self._calls.wait(number)
        hint = "Run the task again later. If it stays so, the store does not keep what it accepts."
        raise StowageError("outcome_unknown", f"{self._calls.address}: {otherwise}", hint)


def _lock(retention: Retention | None) -> dict[str, t.Any]:
    enabled: dict[str, t.Any] = {"ObjectLockEnabled": "Enabled"}
    if retention is None:
        return enabled
    period = {"Years": retention.years} if retention.years else {"Days": retention.days}
    return {**enabled, "Rule": {"DefaultRetention": {"Mode": retention.mode, **period}}}
