# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The settings of an S3 bucket, read and typed. Private to the collection.

Some stores do not know a question and answer it all the same: as if it were a listing, from which an SDK reads that nothing
is set. So the name of an answer's outermost element decides: only the right one can say that there is nothing.
"""

from __future__ import annotations

import dataclasses
import json
import re
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import Failure, LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.readings import Reading, Value, state_of
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_calls import S3Calls

ROOT: t.Final = "StowageRoot"
BODY: t.Final = "StowageBody"
_ROOT_ELEMENT: t.Final = re.compile(rb"\A\s*(?:<\?xml[^>]{0,200}\?>\s*)?<(?:[\w.-]{1,40}:)?([A-Za-z]{1,60})[\s/>]")
LONGEST_POLICY: t.Final = 64 << 10


@dataclasses.dataclass(frozen=True)
class Versioning:
    """``status`` is ``Enabled`` or ``Suspended``; a bucket that never had versions is ``unset``."""

    status: str


@dataclasses.dataclass(frozen=True)
class Encryption:
    """The default encryption: ``AES256``, ``aws:kms`` or ``aws:kms:dsse``, the key if one is named, and whether there is a
    key of the bucket's own in between."""

    algorithm: str
    key: str = ""
    bucket_key: bool = False


@dataclasses.dataclass(frozen=True)
class EncryptionKey:
    """A key of the key management service. ``of_aws``: AWS made it for the account by itself."""

    state: str
    enabled: bool = False
    of_aws: bool = False


@dataclasses.dataclass(frozen=True)
class ObjectLock:
    """Object lock, and the default retention if there is one (``mode``, and ``days`` or ``years``)."""

    mode: str = ""
    days: int = 0
    years: int = 0

    @property
    def retains(self) -> bool:
        """Whether new objects are locked by themselves."""
        return bool(self.mode)


@dataclasses.dataclass(frozen=True)
class PublicAccessBlock:
    """The four settings, by their names in S3."""

    BlockPublicAcls: bool = False
    IgnorePublicAcls: bool = False
    BlockPublicPolicy: bool = False
    RestrictPublicBuckets: bool = False

    def missing(self) -> list[str]:
        """Those that are off."""
        return [field.name for field in dataclasses.fields(self) if not getattr(self, field.name)]


@dataclasses.dataclass(frozen=True)
class Rule:
    """A lifecycle rule, as far as backups care. ``prefix`` is empty for the whole bucket; ``tagged`` if it is for objects
    with a tag, which ours do not have."""

    id: str
    enabled: bool
    prefix: str
    tagged: bool
    abort_days: int = 0
    expires: bool = False
    archives: bool = False


@dataclasses.dataclass(frozen=True)
class Lifecycle:
    """A whole lifecycle configuration, to be changed: its XML, what is understood of its rules, and the one setting of it
    that is in a header."""

    body: bytes
    rules: tuple[Rule, ...] = ()
    transition_minimum: str = ""


class SettingsReader:
    """Reads single settings of a bucket; nothing raises for what the store answers. The client behind ``calls`` must have
    been given to :func:`note_roots`."""

    def __init__(self, calls: S3Calls, *, patient: bool = False) -> None:
        """:param patient: what may pass is tried again."""
        self._calls = calls
        self._ask: t.Callable[..., dict[str, t.Any]] = calls.call if patient else calls.once

    def versioning(self) -> Reading[Versioning]:
        def parse(answer: dict[str, t.Any]) -> Versioning | None:
            status = str(answer.get("Status") or "")
            return Versioning(status) if status in {"Enabled", "Suspended"} else None

        return self._read("get_bucket_versioning", "VersioningConfiguration", parse)

    def encryption(self) -> Reading[Encryption]:
        root = "ServerSideEncryptionConfiguration"
        return self._read("get_bucket_encryption", root, parse_encryption, f"{root}NotFoundError")

    def object_lock(self) -> Reading[ObjectLock]:
        absent = ("ObjectLockConfigurationNotFoundError", "NoSuchObjectLockConfiguration")
        return self._read("get_object_lock_configuration", "ObjectLockConfiguration", parse_object_lock, *absent)

    def public_access_block(self) -> Reading[PublicAccessBlock]:
        root = "PublicAccessBlockConfiguration"
        return self._read("get_public_access_block", root, parse_public_access_block, f"NoSuch{root}")

    def policy(self) -> Reading[dict[str, t.Any]]:
        return self._read("get_bucket_policy", "", parse_policy, "NoSuchBucketPolicy", "NoSuchPolicy")

    def policy_public(self) -> Reading[bool]:
        def parse(answer: dict[str, t.Any]) -> bool | None:
            public = (answer.get("PolicyStatus") or {}).get("IsPublic")
            return public if isinstance(public, bool) else None

        return self._read("get_bucket_policy_status", "PolicyStatus", parse, "NoSuchBucketPolicy")

    def lifecycle(self) -> Reading[tuple[Rule, ...]]:
        absent = "NoSuchLifecycleConfiguration"
        return self._read("get_bucket_lifecycle_configuration", "LifecycleConfiguration", parse_lifecycle, absent)

    def lifecycle_document(self) -> Reading[Lifecycle]:
        """The whole of it. The client must have been given to :func:`note_lifecycle`, too."""

        def parse(answer: dict[str, t.Any]) -> Lifecycle | None:
            minimum = str(answer.get("TransitionDefaultMinimumObjectSize") or "")
            return Lifecycle(answer[BODY], parse_lifecycle(answer) or (), minimum) if answer.get(BODY) else None

        absent = "NoSuchLifecycleConfiguration"
        return self._read("get_bucket_lifecycle_configuration", "LifecycleConfiguration", parse, absent)

    def ownership(self) -> Reading[str]:
        def parse(answer: dict[str, t.Any]) -> str | None:
            rules = (answer.get("OwnershipControls") or {}).get("Rules") or []
            return next((str(rule["ObjectOwnership"]) for rule in rules if rule.get("ObjectOwnership")), None)

        return self._read("get_bucket_ownership_controls", "OwnershipControls", parse, "OwnershipControlsNotFoundError")

    def payer(self) -> Reading[str]:
        root = "RequestPaymentConfiguration"
        return self._read("get_bucket_request_payment", root, lambda answer: str(answer.get("Payer") or "") or None)

    def public_grants(self) -> Reading[tuple[str, ...]]:
        """What the bucket's ACL grants to groups that anybody is in."""
        return self._read("get_bucket_acl", "AccessControlPolicy", parse_public_grants)

    def replication(self) -> Reading[tuple[str, ...]]:
        """The buckets that objects are copied to."""
        root = "ReplicationConfiguration"
        return self._read("get_bucket_replication", root, parse_replication, f"{root}NotFoundError")

    def _read(
        self,
        operation: str,
        root: str,
        parse: t.Callable[[dict[str, t.Any]], Value | None],
        *absent: str,
    ) -> Reading[Value]:
        """:param root: the outermost element of a right answer; empty if it is no XML, and then ``parse`` has to tell.
        :param absent: error codes that mean that nothing is set."""
        what = f"Reading the settings of {self._calls.address} ({operation})"
        try:
            answer = self._ask(operation, what)
        except LocationError as error:
            if error.failure.store_code in absent:
                return Reading("unset")
            return Reading(state_of(error.failure), failure=error.failure)
        if root and answer.get(ROOT) != root:
            return Reading("unsupported", failure=_ignored(what))
        value = parse(answer)
        if value is None and not root:
            return Reading("unsupported", failure=_ignored(what))
        return Reading("unset") if value is None else Reading("set", value)


def _ignored(what: str) -> Failure:
    return Failure("unsupported_by_store", f"{what}: the store answers another question than this one.", "")


def note_roots(client: t.Any) -> None:
    """Has the name of the outermost element put into each answer of a client, as :data:`ROOT`."""

    def note(response_dict: dict[str, t.Any], customized_response_dict: dict[str, t.Any], **_dummy: object) -> None:
        body = response_dict.get("body")
        if isinstance(body, bytes):
            customized_response_dict[ROOT] = root_element(body)

    client.meta.events.register("before-parse.s3", note)


def note_lifecycle(client: t.Any) -> None:
    """Has the XML of a lifecycle configuration put into the answer of a client, as :data:`BODY`."""

    def note(response_dict: dict[str, t.Any], customized_response_dict: dict[str, t.Any], **_dummy: object) -> None:
        body = response_dict.get("body")
        if isinstance(body, bytes):
            customized_response_dict[BODY] = body

    client.meta.events.register("before-parse.s3.GetBucketLifecycleConfiguration", note)


def root_element(body: bytes) -> str:
    """The name of an XML document's outermost element, empty when there is none."""
    found = _ROOT_ELEMENT.match(body[:1000])
    return found[1].decode() if found else ""


def parse_encryption(answer: t.Mapping[str, t.Any]) -> Encryption | None:
    """From GetBucketEncryption's answer."""
    for rule in (answer.get("ServerSideEncryptionConfiguration") or {}).get("Rules") or []:
        default = rule.get("ApplyServerSideEncryptionByDefault") or {}
        if default.get("SSEAlgorithm"):
            key = str(default.get("KMSMasterKeyID") or "")
            return Encryption(str(default["SSEAlgorithm"]), key, rule.get("BucketKeyEnabled") is True)
    return None


def parse_object_lock(answer: t.Mapping[str, t.Any]) -> ObjectLock | None:
    """From GetObjectLockConfiguration's answer."""
    lock = answer.get("ObjectLockConfiguration") or {}
    if lock.get("ObjectLockEnabled") != "Enabled":
        return None
    default = (lock.get("Rule") or {}).get("DefaultRetention") or {}
    return ObjectLock(str(default.get("Mode") or ""), int(default.get("Days") or 0), int(default.get("Years") or 0))


def parse_public_access_block(answer: t.Mapping[str, t.Any]) -> PublicAccessBlock | None:
    """From GetPublicAccessBlock's answer; without any of the four settings it says nothing."""
    block = answer.get("PublicAccessBlockConfiguration") or {}
    names = [field.name for field in dataclasses.fields(PublicAccessBlock)]
    if not any(name in block for name in names):
        return None
    return PublicAccessBlock(**{name: block.get(name) is True for name in names})


_EVERYBODY: t.Final[t.Mapping[str, str]] = {
    "http://acs.amazonaws.com/groups/global/AllUsers": "anybody",
    "http://acs.amazonaws.com/groups/global/AuthenticatedUsers": "anybody with an AWS account",
}


def parse_public_grants(answer: t.Mapping[str, t.Any]) -> tuple[str, ...] | None:
    """From GetBucketAcl's answer: who of everybody may do what; ``None`` when the answer grants nothing to nobody."""
    grants = answer.get("Grants") or []
    if not grants and not (answer.get("Owner") or {}).get("ID"):
        return None
    named = [
        (_EVERYBODY.get(str((one.get("Grantee") or {}).get("URI") or "")), one.get("Permission")) for one in grants
    ]
    return tuple(f"{permission} to {who}" for who, permission in named if who)


def parse_replication(answer: t.Mapping[str, t.Any]) -> tuple[str, ...] | None:
    """From GetBucketReplication's answer: the buckets of rules that are on."""
    rules = (answer.get("ReplicationConfiguration") or {}).get("Rules") or []
    targets = [
        str((rule.get("Destination") or {}).get("Bucket") or "") for rule in rules if rule.get("Status") == "Enabled"
    ]
    return tuple(dict.fromkeys(filter(None, targets))) or None


def parse_policy(answer: t.Mapping[str, t.Any]) -> dict[str, t.Any] | None:
    """From GetBucketPolicy's answer; ``None`` when that is no policy."""
    text = str(answer.get("Policy") or "")
    if len(text) > LONGEST_POLICY:
        return None
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) and "Statement" in document else None


def parse_lifecycle(answer: t.Mapping[str, t.Any]) -> tuple[Rule, ...] | None:
    """From GetBucketLifecycleConfiguration's answer."""
    return tuple(_rule(rule) for rule in answer.get("Rules") or []) or None


_ARCHIVES: t.Final = frozenset({"GLACIER", "DEEP_ARCHIVE"})


def _rule(rule: t.Mapping[str, t.Any]) -> Rule:
    scope = rule.get("Filter") or {}
    both = scope.get("And") or {}
    prefix = str(rule.get("Prefix") or scope.get("Prefix") or both.get("Prefix") or "")
    expiration = rule.get("Expiration") or {}
    return Rule(
        id=str(rule.get("ID") or ""),
        enabled=rule.get("Status") == "Enabled",
        prefix=prefix,
        tagged=bool(scope.get("Tag") or both.get("Tags")),
        abort_days=int((rule.get("AbortIncompleteMultipartUpload") or {}).get("DaysAfterInitiation") or 0),
        # ExpiredObjectDeleteMarker only tidies up markers.
        expires=bool(expiration.get("Days") or expiration.get("Date")),
        archives=any(str(one.get("StorageClass")) in _ARCHIVES for one in rule.get("Transitions") or []),
    )
