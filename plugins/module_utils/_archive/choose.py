# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which of several backups is meant, or is good enough. Private to the collection. Pure."""

from __future__ import annotations

import datetime
import re
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

UNFILTERED: t.Final = "unfiltered"
"""Of everything: a backup without any filter."""

_SHORTEST: t.Final = 8
_SHOWN: t.Final = 12
_FINGERPRINT: t.Final = re.compile(rf"(velero:)?[0-9a-f]{{{_SHORTEST},64}}")
_CLOCK_TOLERANCE: t.Final = datetime.timedelta(minutes=5)
_ROUNDED: t.Final = datetime.timedelta(seconds=1)
"""Times in a backup's record are whole seconds."""
_NAMED: t.Final = 5
_MOST: t.Final = 50
_ORDER: t.Final[t.Callable[[BackupRecord], t.Any]] = lambda record: record.order  # noqa: E731 - a key function


def fresh(
    records: t.Iterable[BackupRecord],
    *,
    now: datetime.datetime,
    max_age: datetime.timedelta | None,
    cluster_uid: str,
    fingerprint: str,
    labels: t.Mapping[str, str] | None = None,
    expires_in: datetime.timedelta | None = None,
    phases: t.Container[str] = (COMPLETED,),
) -> BackupRecord | None:
    """The newest backup that makes another one needless, ``None`` if there is none.

    It is Completed, of the same cluster and the same selection, is kept for as long as the other one would be, and shows an
    instant that is not older than ``max_age``. One from the future proves nothing, beyond a tolerance of five minutes.

    :param now: the store's clock.
    :param max_age: ``None`` for any age.
    :param labels: those that retention goes by, which may treat a backup with others differently.
    :param expires_in: of the backup that would be made.
    :param phases: what is good enough besides being whole.
    """
    good = [
        record
        for record in records
        if record.phase in phases
        and record.ours
        and record.cluster_uid == cluster_uid
        and record.fingerprint == fingerprint
        and record.started is not None
        and now - record.started >= -_CLOCK_TOLERANCE
        and (max_age is None or now - record.started <= max_age)
        and (labels or {}).items() <= record.labels.items()
        and is_kept_for(record, expires_in, now)
    ]
    return max(good, key=_ORDER, default=None)


def is_kept_for(record: BackupRecord, expires_in: datetime.timedelta | None, now: datetime.datetime) -> bool:
    """Whether a backup is to be kept for as long as one that was begun at the same instant and is made with ``expires_in``.

    Without, nothing says until when a backup is needed: retention may take it away before the wanted instant. One that says it
    will be given up then, where another would not be.

    :param expires_in: ``None`` for a backup without.
    :param now: the store's clock.
    """
    if record.expires_at is None or expires_in is None:
        return record.expires_at is None and expires_in is None
    return (
        record.started is not None
        and now < record.expires_at
        and record.expires_at - record.started > expires_in - _ROUNDED
    )


def latest(
    records: t.Iterable[BackupRecord],
    *,
    labels: t.Mapping[str, str] | None = None,
    selection: str = "",
    cluster_uid: str = "",
) -> BackupRecord:
    """The newest Completed backup that has all the labels, the selection and the cluster, as far as they are given.

    :param selection: :data:`UNFILTERED`, or how the fingerprint of the selection begins.
    :raises StowageError: ``backup_not_found``; ``backup_ambiguous`` when backups of different selections or clusters are
        there and neither labels nor the selection say which.
    """
    wanted = labels or {}
    candidates = [
        record
        for record in records
        if record.phase == COMPLETED
        and wanted.items() <= record.labels.items()
        and _is_of(record, selection)
        and (not cluster_uid or record.cluster_uid == cluster_uid)
    ]
    if not candidates:
        raise StowageError(
            "backup_not_found",
            "There is no Completed backup"
            + (" with these labels" if wanted else "")
            + (f" of the selection {selection}." if selection else "."),
            "List what there is with backup_info, or the playbook backups.",
        )
    if not wanted and not selection:
        _check_alike(candidates)
    return max(candidates, key=_ORDER)


def check_selection(selection: str) -> str:
    """What :func:`latest` takes for a selection.

    :raises StowageError: ``invalid_option``.
    """
    if selection in ("", UNFILTERED) or _FINGERPRINT.fullmatch(selection):
        return selection
    raise StowageError(
        "invalid_option",
        f"backup_selection cannot be {selection[:80]!r}.",
        f"Say {UNFILTERED}, or at least the first {_SHORTEST} characters of a fingerprint, as backup_info returns it.",
    )


def _is_of(record: BackupRecord, selection: str) -> bool:
    if selection == UNFILTERED:
        return not record.filters
    return record.fingerprint.startswith(selection)


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
    uids = _newest_of_each(candidates, lambda record: record.cluster_uid)
    prints = _newest_of_each(candidates, lambda record: record.fingerprint)
    if len(prints) > 1:
        each = [f"{record.name} ({record.filters or 'no filter'})" for record in prints]
        options = list(dict.fromkeys(_option(record) for record in prints))
        hint = (
            f"Name the backup, or say which are meant by {_listed(options, ' or ')}, or by their labels with backup_labels "
            "(with the role: restore_backup_selection, restore_backup_labels)."
        )
        raise _ambiguous("selections", each, hint, candidates, {"selections": options[:_MOST]})
    if len(uids) > 1:
        each = [f"{record.name} (cluster {record.cluster_uid})" for record in uids]
        hint = "Name the backup, or say by its labels (backup_labels; with the role: restore_backup_labels) which ones are meant."
        raise _ambiguous("clusters", each, hint, candidates, {})


def _newest_of_each(candidates: t.Iterable[BackupRecord], key: t.Callable[[BackupRecord], str]) -> list[BackupRecord]:
    """The newest of all that have the same, newest first."""
    newest = {key(record): record for record in sorted(candidates, key=_ORDER) if key(record)}
    return sorted(newest.values(), key=_ORDER, reverse=True)


def _option(record: BackupRecord) -> str:
    """What says that backups of a record's selection are meant, to be copied."""
    head, colon, digits = record.fingerprint.rpartition(":")
    return f"backup_selection: {f'{head}{colon}{digits[:_SHOWN]}' if record.filters else UNFILTERED}"


def _ambiguous(
    what: str, each: t.Sequence[str], hint: str, candidates: t.Iterable[BackupRecord], details: t.Mapping[str, t.Any]
) -> StowageError:
    names = [record.name for record in sorted(candidates, key=_ORDER, reverse=True)]
    return StowageError(
        "backup_ambiguous",
        f"There are backups of different {what}. The newest of each: {_listed(each, '; ')}.",
        hint,
        details={"backups": names[:_MOST], **details},
    )


def _listed(words: t.Sequence[str], gap: str) -> str:
    more = [f"and {len(words) - _NAMED} more"] if len(words) > _NAMED else []
    return gap.join([*words[:_NAMED], *more])


def _names(records: t.Sequence[BackupRecord]) -> str:
    """The newest few by name."""
    names = [record.name for record in sorted(records, key=_ORDER, reverse=True)]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
