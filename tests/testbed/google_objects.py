# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Buckets, objects and resumable uploads as Google Cloud Storage keeps them, for the server in `testbed.google`."""

from __future__ import annotations

import base64
import datetime
import hashlib
import itertools
import secrets
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

UNIT = 256 << 10
PROJECT_NUMBER = "123456789012"
BLOCK = 1 << 20


class Refused(Exception):  # noqa: N818 - an answer
    """An error as the JSON API says it."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status, self.reason, self.message = status, reason, message


def no_bucket() -> Refused:
    """There is no such bucket."""
    return Refused(404, "notFound", "The specified bucket does not exist.")


def no_condition() -> Refused:
    """A precondition is not met."""
    return Refused(412, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.")


def retained(bucket: str, name: str) -> Refused:
    """A retention protects the object."""
    what = f"Object '{bucket}/{name}' is subject to bucket's retention policy or object retention"
    message = f"{what} and cannot be deleted or overwritten until 2099-01-01T00:00:00Z"
    return Refused(403, "retentionPolicyNotMet", message)


@dataclass
class Stored:
    """An object: what its resource says, and the file of its content."""

    bucket: str
    name: str
    generation: int
    size: int
    md5: str
    updated: datetime.datetime
    metadata: dict[str, str]
    path: Path

    def resource(self) -> dict[str, Any]:
        """https://cloud.google.com/storage/docs/json_api/v1/objects#resource"""
        when = self.updated.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return {
            "kind": "storage#object",
            "id": f"{self.bucket}/{self.name}/{self.generation}",
            "name": self.name,
            "bucket": self.bucket,
            "generation": str(self.generation),
            "metageneration": "1",
            "contentType": "application/octet-stream",
            "size": str(self.size),
            "md5Hash": self.md5,
            "timeCreated": when,
            "updated": when,
            **({"metadata": self.metadata} if self.metadata else {}),
        }


@dataclass
class Session:
    """A resumable upload."""

    bucket: str
    document: dict[str, Any]
    conditions: dict[str, str]
    path: Path
    lock: threading.Lock = field(default_factory=threading.Lock)
    persisted: int = 0
    finished: Stored | None = None
    cancelled: bool = False


@dataclass
class Bucket:
    """A bucket. `retained` names objects that a retention protects; with `versioning` older generations stay. `settings` are
    fields of its resource, by which those of a new bucket are replaced (`None` leaves one out); a retention policy among
    them is enforced. `public` are permissions that anybody has, without credentials."""

    name: str
    versioning: bool = False
    settings: dict[str, Any] = field(default_factory=dict)
    public: set[str] = field(default_factory=set)
    retained: set[str] = field(default_factory=set)
    live: dict[str, Stored] = field(default_factory=dict)
    older: list[Stored] = field(default_factory=list)
    gone: list[Stored] = field(default_factory=list)
    """What soft delete keeps."""

    def resource(self) -> dict[str, Any]:
        """As Google describes a bucket that was just made: https://cloud.google.com/storage/docs/json_api/v1/buckets#resource"""
        document: dict[str, Any] = {
            "kind": "storage#bucket",
            "id": self.name,
            "name": self.name,
            "projectNumber": PROJECT_NUMBER,
            "metageneration": "1",
            "location": "EUROPE-WEST1",
            "locationType": "region",
            "storageClass": "STANDARD",
            "etag": "CAE=",
            "timeCreated": "2026-01-01T00:00:00.000Z",
            "updated": "2026-01-01T00:00:00.000Z",
            "iamConfiguration": {
                "bucketPolicyOnly": {"enabled": True, "lockedTime": "2026-04-01T00:00:00.000Z"},
                "uniformBucketLevelAccess": {"enabled": True, "lockedTime": "2026-04-01T00:00:00.000Z"},
                "publicAccessPrevention": "enforced",
            },
            "softDeletePolicy": {
                "retentionDurationSeconds": "604800",
                "effectiveTime": "2026-01-01T00:00:00.000Z",
            },
            **({"versioning": {"enabled": True}} if self.versioning else {}),
            **self.settings,
        }
        return {name: value for name, value in document.items() if value is not None}

    def protects(self, stored: Stored) -> bool:
        """Whether an object may be neither deleted nor replaced: https://cloud.google.com/storage/docs/bucket-lock"""
        policy = self.settings.get("retentionPolicy") or {}
        age = datetime.datetime.now(datetime.UTC) - stored.updated
        young = age.total_seconds() < int(policy.get("retentionPeriod", 0))
        return stored.name in self.retained or young


class Objects:
    """All buckets. Contents are files, so that a large object takes no memory. `conditions=False` ignores preconditions."""

    def __init__(self, directory: Path, *, conditions: bool = True) -> None:
        directory.mkdir(mode=0o700, parents=True)
        self.buckets: dict[str, Bucket] = {}
        self.sessions: dict[str, Session] = {}
        self.conditions = conditions
        self._directory = directory
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._generations = itertools.count(1_700_000_000_000_000)

    def new_path(self) -> Path:
        """A file for content."""
        return self._directory / f"{next(self._numbers)}"

    def bucket(self, name: str) -> Bucket:
        """A bucket that is there."""
        if name not in self.buckets:
            raise no_bucket()
        return self.buckets[name]

    def get(self, bucket: str, name: str, generation: str | None = None) -> Stored:
        """An object, or one generation of it."""
        held = self.bucket(bucket)
        known = [one for one in (held.live.get(name), *held.older) if one is not None and one.name == name]
        for one in known:
            if (one is held.live.get(name)) if generation is None else (str(one.generation) == generation):
                return one
        raise Refused(404, "notFound", f"No such object: {bucket}/{name}")

    def put(self, bucket: str, document: dict[str, Any], path: Path, conditions: dict[str, str]) -> Stored:
        """Makes content an object, if the conditions hold."""
        digest = hashlib.md5(usedforsecurity=False)
        with path.open("rb") as stream:
            while block := stream.read(BLOCK):
                digest.update(block)
        md5 = base64.b64encode(digest.digest()).decode()
        if document.get("md5Hash", md5) != md5:
            raise Refused(400, "invalid", f"Provided MD5 hash doesn't match calculated MD5 hash {md5!r}.")
        with self._lock:
            held = self.bucket(bucket)
            name = str(document["name"])
            before = held.live.get(name)
            if self.conditions and "ifGenerationMatch" in conditions:
                current = before.generation if before else 0
                if str(current) != conditions["ifGenerationMatch"]:
                    raise no_condition()
            if before is not None and held.protects(before):
                raise retained(bucket, name)
            now = datetime.datetime.now(datetime.UTC)
            metadata = {str(key): str(value) for key, value in (document.get("metadata") or {}).items()}
            stored = Stored(bucket, name, next(self._generations), path.stat().st_size, md5, now, metadata, path)
            self._replace(held, name, stored)
        return stored

    def delete(self, bucket: str, name: str) -> None:
        """Deletes an object."""
        with self._lock:
            held = self.bucket(bucket)
            if name not in held.live:
                raise Refused(404, "notFound", f"No such object: {bucket}/{name}")
            if held.protects(held.live[name]):
                raise retained(bucket, name)
            self._replace(held, name, None)

    def _replace(self, held: Bucket, name: str, stored: Stored | None) -> None:
        before = held.live.pop(name, None)
        if before is not None and held.versioning:
            held.older.append(before)
        elif before is not None and held.resource().get("softDeletePolicy"):
            held.gone.append(before)
        if stored is not None:
            held.live[name] = stored

    def names(self, bucket: str, prefix: str) -> list[str]:
        """The names of objects, in the order of their bytes."""
        with self._lock:
            return sorted((name for name in self.bucket(bucket).live if name.startswith(prefix)), key=str.encode)

    def begin(self, bucket: str, document: dict[str, Any], conditions: dict[str, str]) -> str:
        """Begins a resumable upload; its id. Conditions are looked at when it is finished, as Google was seen to do
        (https://github.com/googleapis/google-cloud-java/issues/201)."""
        self.bucket(bucket)
        upload_id = "ADPycd" + secrets.token_urlsafe(24)
        path = self.new_path()
        path.touch()
        self.sessions[upload_id] = Session(bucket, document, conditions, path)
        return upload_id

    def open_uploads(self) -> list[str]:
        """The names of objects whose uploads were neither finished nor cancelled."""
        return [str(one.document["name"]) for one in self.sessions.values() if not (one.finished or one.cancelled)]

    def append(self, session: Session, pieces: Iterator[bytes], *, last: bool) -> None:
        """Keeps what arrives. When a connection ends too early, only whole units of it are kept."""
        kept = session.persisted
        try:
            with session.path.open("r+b") as file:
                file.seek(kept)
                for piece in pieces:
                    file.write(piece)
                    kept += len(piece)
        except (OSError, EOFError):
            session.persisted = kept - kept % UNIT
            raise
        session.persisted = kept if last else kept - kept % UNIT

    def finish(self, session: Session, md5: str) -> Stored:
        """Makes an upload an object."""
        if md5:
            session.document["md5Hash"] = md5
        with session.path.open("r+b") as file:
            file.truncate(session.persisted)
        session.finished = self.put(session.bucket, session.document, session.path, session.conditions)
        return session.finished
