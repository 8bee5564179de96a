# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which of several backups is meant, or is good enough. Private to the collection. Pure."""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.record import (
    ABANDONED,
    COMPLETED,
    DAMAGED,
    IN_PROGRESS,
    INCOMPLETE,
    PARTIALLY_FAILED,
    BackupRecord,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError

_CLOCK_TOLERANCE: t.Final = datetime.timedelta(minutes=5)
_NAMED: t.Final = 5
_ORDER: t.Final[t.Callable[[BackupRecord], t.Any]] = lambda record: record.order  # noqa: E731 - a key function


def fresh(
    records: t.Iterable[BackupRecord],
    *,
    now: datetime.datetime,
    max_age: datetime.timedelta,
    cluster_uid: str,
    fingerprint: str,
) -> BackupRecord | None:
    """The newest backup that makes another one needless, ``None`` if there is none.

    It is Completed, of the same cluster and the same selection, not expired, and shows an instant that is not older
    than ``max_age``. One from the future proves nothing, beyond a tolerance of five minutes.

    :param now: the store's clock.
    """
    good = [
        record
        for record in records
        if record.phase == COMPLETED
        and record.ours
        and record.cluster_uid == cluster_uid
        and record.fingerprint == fingerprint
        and record.started is not None
        and -_CLOCK_TOLERANCE <= now - record.started <= max_age
        and (record.expires_at is None or now < record.expires_at)
    ]
    return max(good, key=_ORDER, default=None)


def latest(
    records: t.Iterable[BackupRecord],
    *,
    labels: t.Mapping[str, str] | None = None,
    fingerprint: str = "",
    cluster_uid: str = "",
) -> BackupRecord:
    """The newest Completed backup that has all the labels, the fingerprint and the cluster, as far as they are given.

    :raises StowageError: ``backup_not_found``; ``backup_ambiguous`` when backups of different selections or clusters are
        there and neither labels nor a fingerprint say which.
    """
    wanted = labels or {}
    candidates = [
        record
        for record in records
        if record.phase == COMPLETED
        and wanted.items() <= record.labels.items()
        and (not fingerprint or record.fingerprint == fingerprint)
        and (not cluster_uid or record.cluster_uid == cluster_uid)
    ]
    if not candidates:
        raise StowageError(
            "backup_not_found",
            "There is no Completed backup" + (" with these labels." if wanted else "."),
            "List what there is with backup_info, or the playbook backups.",
        )
    if not wanted and not fingerprint:
        _check_alike(candidates)
    return max(candidates, key=_ORDER)


def check_identity(records: t.Iterable[BackupRecord], cluster_uid: str, *, accept_new_identity: bool = False) -> None:
    """Make sure that a folder holds no backup of another cluster.

    :param cluster_uid: of the cluster that is about to be backed up there.
    :raises StowageError: ``cluster_identity_changed``.
    """
    others = [record for record in records if record.ours and record.cluster_uid not in ("", cluster_uid)]
    if others and not accept_new_identity:
        newest = max(others, key=_ORDER)
        raise StowageError(
            "cluster_identity_changed",
            f"The folder {newest.cluster} holds backups of another cluster: {_names(others)}.",
            "Two clusters may have been given one name. If this cluster replaces the other one, say "
            "accept_new_identity: true (with the role: backup_accept_new_identity), or give it a folder of its own with the option cluster.",
            details={"cluster_uid": newest.cluster_uid},
        )


def check_existing(record: BackupRecord, *, cluster_uid: str, fingerprint: str) -> BackupRecord:
    """The backup of a given name, if it is what is asked for: then nothing needs to be done.

    :raises StowageError: ``backup_exists``, ``backup_in_progress``.
    """
    if record.phase in (IN_PROGRESS, ABANDONED):
        check_restorable(record)
    differences = [
        what
        for what, differs in (
            (f"its phase is {record.phase}", record.phase != COMPLETED),
            ("it was not made by this collection", not record.ours),
            ("it is of another cluster", record.cluster_uid != cluster_uid),
            ("it is of another selection", record.fingerprint != fingerprint),
        )
        if differs
    ]
    if differences:
        raise StowageError(
            "backup_exists",
            f"A backup {record.name} of {record.cluster} exists, but {', and '.join(differences)}.",
            "Choose another name, or remove the backup with state: absent of the module backup.",
        )
    return record


def check_restorable(record: BackupRecord) -> None:
    """Make sure that a backup may be read: only what is Completed or PartiallyFailed is whole.

    :raises StowageError: ``backup_in_progress``, ``backup_damaged``, ``backup_unusable``.
    """
    name = f"The backup {record.name} of {record.cluster}"
    if record.phase in (COMPLETED, PARTIALLY_FAILED):
        return
    if record.phase in (IN_PROGRESS, ABANDONED, INCOMPLETE):
        raise StowageError(
            "backup_in_progress",
            f"{name} is still being written, or its writer died. {record.message}".rstrip(),
            "Choose another backup. What a killed capture left is removed with state: absent.",
        )
    if record.phase == DAMAGED:
        raise StowageError("backup_damaged", f"{name} is damaged. {record.message}", "Choose another backup.")
    raise StowageError("backup_unusable", f"{name} has the phase {record.phase}.", "Choose another backup.")


def _check_alike(candidates: t.Sequence[BackupRecord]) -> None:
    by: tuple[tuple[str, t.Callable[[BackupRecord], str], t.Callable[[BackupRecord], str]], ...] = (
        ("selections", lambda record: record.fingerprint, lambda record: record.filters or "no filter"),
        ("clusters", lambda record: record.cluster_uid, lambda record: f"cluster {record.cluster_uid}"),
    )
    for what, key, described in by:
        # The newest of each, newest first.
        newest = {key(record): record for record in sorted(candidates, key=_ORDER) if key(record)}
        shown = sorted(newest.values(), key=_ORDER, reverse=True)
        if len(shown) > 1:
            each = "; ".join(f"{record.name} ({described(record)})" for record in shown[:_NAMED])
            more = f"; and {len(shown) - _NAMED} more" if len(shown) > _NAMED else ""
            raise StowageError(
                "backup_ambiguous",
                f"There are backups of different {what}. The newest of each: {each}{more}.",
                "Name the backup, or say by its labels (backup_labels; with the role: restore_backup_labels) which ones are meant.",
                details={"backups": [record.name for record in sorted(candidates, key=_ORDER, reverse=True)][:50]},
            )


def _names(records: t.Sequence[BackupRecord]) -> str:
    """The newest few by name."""
    names = [record.name for record in sorted(records, key=_ORDER, reverse=True)]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
