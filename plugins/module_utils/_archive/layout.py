# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where everything of a backup or restore lies in a location, and what names may be. Private to the collection. Pure.

Velero's own names are those of ``pkg/persistence/object_store_layout.go`` (1.18). Nothing else is ever put at the top
level of a cluster's folder, since Velero takes a location with a strange top-level directory for unavailable.
"""

from __future__ import annotations

import dataclasses
import datetime
import re
import secrets
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError

FORMAT_VERSION: t.Final = "1.1.0"
"""Velero's archive format that is written: flat copies and copies below the preferred version."""

MAX_NAME: t.Final = 253
MAX_MADE_NAME: t.Final = 63
VELERO_BACKUP: t.Final = "velero-backup.json"
MANIFEST: t.Final = "stowage-manifest.json"
INDEX: t.Final = "stowage-index.json.gz"
RESTORE_RECORD: t.Final = "stowage-restore.json"
RESTORE_RESULT: t.Final = "stowage-restore-result.json"

_SUBDOMAIN: t.Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_FOLDER: t.Final = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9._]*[A-Za-z0-9])?")
_TIME: t.Final = "%Y%m%d%H%M%S"


@dataclasses.dataclass(frozen=True, slots=True)
class BackupPaths:
    """Every key of one backup. Construction checks both names (``invalid_name``), so that no key leaves its folder.

    :param cluster: the cluster's folder in the location.
    :param backup: the backup's name.
    """

    cluster: str
    backup: str

    def __post_init__(self) -> None:
        validate_cluster(self.cluster)
        validate_name(self.backup)

    @property
    def folder(self) -> str:
        """The folder of the backup's files, with the slash at its end."""
        return f"{backups_folder(self.cluster)}{self.backup}/"

    @property
    def tarball(self) -> str:
        return f"{self.folder}{self.backup}.tar.gz"

    @property
    def index(self) -> str:
        return self.folder + INDEX

    @property
    def manifest(self) -> str:
        return self.folder + MANIFEST

    @property
    def velero_backup(self) -> str:
        """The commit point: a backup without this file does not exist."""
        return self.folder + VELERO_BACKUP

    @property
    def logs(self) -> str:
        return f"{self.folder}{self.backup}-logs.gz"

    @property
    def results(self) -> str:
        return f"{self.folder}{self.backup}-results.gz"

    @property
    def resource_list(self) -> str:
        return f"{self.folder}{self.backup}-resource-list.json.gz"

    @property
    def volume_info(self) -> str:
        return f"{self.folder}{self.backup}-volumeinfo.json.gz"

    @property
    def pod_volume_backups(self) -> str:
        return f"{self.folder}{self.backup}-podvolumebackups.json.gz"

    @property
    def volume_snapshots(self) -> str:
        return f"{self.folder}{self.backup}-volumesnapshots.json.gz"

    @property
    def item_operations(self) -> str:
        return f"{self.folder}{self.backup}-itemoperations.json.gz"

    @property
    def reservation(self) -> str:
        return f"{reservations_folder(self.cluster)}{self.backup}.json"


@dataclasses.dataclass(frozen=True, slots=True)
class RestorePaths:
    """Every key of one restore's report. Construction checks both names (``invalid_name``).

    :param cluster: the folder of the cluster that was *backed up*, as Velero does it too.
    :param restore: the restore's name.
    """

    cluster: str
    restore: str

    def __post_init__(self) -> None:
        validate_cluster(self.cluster)
        validate_name(self.restore)

    @property
    def folder(self) -> str:
        return f"{restores_folder(self.cluster)}{self.restore}/"

    @property
    def record(self) -> str:
        """JSON with at least ``backup`` and ``capture_id``: what ties a restore to its backup when that is deleted."""
        return self.folder + RESTORE_RECORD

    @property
    def result(self) -> str:
        """JSON: how it ended. A restore without it is under way, or died."""
        return self.folder + RESTORE_RESULT

    @property
    def results(self) -> str:
        return f"{self.folder}restore-{self.restore}-results.gz"

    @property
    def logs(self) -> str:
        return f"{self.folder}restore-{self.restore}-logs.gz"

    @property
    def resource_list(self) -> str:
        return f"{self.folder}restore-{self.restore}-resource-list.json.gz"

    @property
    def report(self) -> str:
        """One JSON line for each object of the restore."""
        return self.folder + "stowage-report.json.gz"


def cluster_folder(cluster: str) -> str:
    """The folder that a Velero BackupStorageLocation can point at, with the slash at its end."""
    return f"clusters/{cluster}/"


def backups_folder(cluster: str) -> str:
    return f"{cluster_folder(cluster)}backups/"


def restores_folder(cluster: str) -> str:
    return f"{cluster_folder(cluster)}restores/"


def reservations_folder(cluster: str) -> str:
    return f"{cluster_folder(cluster)}metadata/stowage/reservations/"


def leases_folder(cluster: str) -> str:
    return f"{cluster_folder(cluster)}metadata/stowage/leases/"


def validate_name(name: str, *, what: str = "backup", limit: int = MAX_NAME) -> str:
    """Return a name that Kubernetes and Velero take: a DNS-1123 subdomain of at most ``limit`` characters.

    :raises StowageError: ``invalid_name``.
    """
    if len(name) > limit or not _SUBDOMAIN.fullmatch(name):
        raise StowageError(
            "invalid_name",
            f"{name[:80]!r} cannot be the name of a {what}.",
            f"Use at most {limit} lower-case letters, digits, '-' and '.', beginning and ending with a letter or digit.",
        )
    return name


def is_cluster(name: str) -> bool:
    """Whether a name can be a cluster's folder, see :func:`validate_cluster`."""
    return len(name) <= MAX_NAME and bool(_FOLDER.fullmatch(name))


def validate_cluster(cluster: str) -> str:
    """Return a name that can be a folder everywhere: letters, digits, ``-``, ``_`` and ``.``.

    :raises StowageError: ``invalid_name``.
    """
    if not is_cluster(cluster):
        raise StowageError(
            "invalid_name",
            f"{cluster[:80]!r} cannot be the name of a cluster's folder.",
            "Use letters, digits, '-', '_' and '.', beginning and ending with a letter or digit.",
        )
    return cluster


def make_name(prefix: str, cluster: str, now: datetime.datetime, random: str | None = None) -> str:
    """``<prefix>-<cluster>-<UTC time>-<4 random>``, at most 63 characters; what is too long is cut from the cluster.

    Velero hides a backup whose name it knows from another location, hence the cluster, the time and the random part.

    :param random: four characters, for tests.
    :raises StowageError: ``invalid_name`` when the prefix leaves no room or makes no DNS name.
    """
    end = f"{now.astimezone(datetime.UTC).strftime(_TIME)}-{random or secrets.token_hex(2)}"
    room = MAX_MADE_NAME - len(prefix) - len(end) - 2
    middle = re.sub(r"[^a-z0-9]+", "-", cluster.lower()).strip("-")[: max(room, 0)].strip("-")
    return validate_name("-".join(part for part in (prefix, middle, end) if part), limit=MAX_MADE_NAME)
