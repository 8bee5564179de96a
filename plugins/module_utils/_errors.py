# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The error family. Private to the collection.

Every failure that a user can meet is a :class:`StowageError` with a stable ``code``, one sentence that says what
happened, and a ``hint`` that a person can act on. None of the three ever holds a secret or captured data.
"""

from __future__ import annotations

import os
import typing as t

# code -> what a user should understand by it. Codes are part of the interface: add, never rename.
CODES: t.Final[t.Mapping[str, str]] = {
    # what was asked for
    "invalid_option": "An option, or a combination of options, makes no sense.",
    "invalid_name": "A name is no DNS name, or too long.",
    "dependency_missing": "A Python package that the task needs is missing or too old.",
    # the location
    "endpoint_unreachable": "The store does not answer.",
    "tls_untrusted": "The store's certificate is not trusted or does not fit its name.",
    "clock_skew": "This machine's clock and the store's differ too much.",
    "credentials_missing": "No credentials were given or found for the store.",
    "credentials_invalid": "The store refuses the credentials.",
    "credentials_expired": "The credentials for the store have expired.",
    "permission_denied": "The store knows the caller, who may not do this.",
    "wrong_account": "The credentials are of another account than the location says.",
    "bucket_wrong_owner": "The bucket is of another account than the location says.",
    "bucket_not_found": "The bucket, container or directory does not exist.",
    "bucket_not_empty": "The bucket or directory holds something, and is not deleted.",
    "bucket_public": "Anybody can see into the bucket.",
    "location_unfit": "A check of the location failed.",
    "region_mismatch": "The bucket is in another region.",
    "encryption_key_unusable": "The key that the bucket is encrypted with is missing or switched off.",
    "unsupported_by_store": "The store cannot do what is asked.",
    "unsafe_change": "The change would put at risk what is in the location, or cannot be made.",
    "locked": "The store keeps the object from being changed or deleted.",
    "throttled": "The store asks for fewer requests.",
    "quota": "The store or the disk is full.",
    "not_persistent": "The directory would vanish with the container.",
    "key_not_found": "There is no such object in the location.",
    "key_exists": "There already is such an object in the location.",
    "outcome_unknown": "It could not be learnt whether the store carried out a write.",
    "store_error": "The store failed in a way that is not known.",
    # trust
    "trust_in_use": "Somebody else depends on what is to be changed or removed.",
    "trust_not_proven": "Somebody gets in who should not, or does not who should.",
    # the cluster
    "cluster_access_missing": "Nothing says how to reach the cluster.",
    "cluster_access_invalid": "What says how to reach the cluster cannot be used.",
    "cluster_unreachable": "The cluster's API server does not answer.",
    "cluster_tls_untrusted": "The API server's certificate is not trusted or does not fit its name.",
    "cluster_unauthorized": "The API server does not accept the credential.",
    "cluster_forbidden": "The API server knows the caller, who may not do this.",
    "cluster_api_error": "The API server refused a request.",
    "cluster_uid_mismatch": "The cluster is not the one that was expected.",
    "cluster_identity_changed": "The location's folder holds the backups of another cluster.",
    # backups
    "backup_exists": "A backup of this name exists and is not what is asked for.",
    "backup_not_found": "There is no such backup.",
    "backup_in_progress": "The backup is still being written, or its writer died.",
    "backup_damaged": "A file of the backup is damaged, truncated or missing.",
    "backup_unusable": "The backup is not in a state that can be restored.",
    "backup_ambiguous": "More than one backup could be meant.",
    "backup_foreign": "The backup was made by another tool, which has to delete it.",
    "backup_partial": "The backup ended PartiallyFailed.",
    "namespace_not_found": "None of the namespaces that were asked for is there.",
    "archive_hostile": "The archive holds what no backup tool writes: escapes, links, or a decompression bomb.",
    "archive_unsupported": "The archive's format is not known.",
    # restores
    "other_cluster": "The target is not the cluster that was backed up, and nothing allows that.",
    "restore_partial": "The restore ended PartiallyFailed.",
    "restore_exists": "A restore of this name exists.",
    # runs over workspaces
    "run_exists": "A run of this name was begun with other clusters.",
    "run_not_found": "There is no such run.",
    "run_partial": "Not all clusters of a run were backed up.",
    "run_failed": "No cluster of a run was backed up.",
    "record_damaged": "A file of a run makes no sense.",
    # reports
    "report_failed": "Backups are missing, late or failing.",
    # running
    "lease_held": "Another task works on the cluster, or reads the backup.",
    "interrupted": "The task was asked to stop.",
    "timeout": "Something took longer than it may.",
    "internal_error": "A defect of the collection.",
}


SEE_DOCUMENTATION: t.Final = "ansible-doc describes all options."
"""A hint that a module makes its own by its name."""


class StowageError(Exception):
    """A failure with a stable code, a sentence, and a hint.

    :param code: one of :data:`CODES`.
    :param message: what happened, one sentence, no secrets, no captured data.
    :param hint: what a person can do about it; may be empty.
    :param details: small, JSON-able facts for programs (names, counts, lists of verbs); no secrets, no captured data.
    """

    def __init__(
        self, code: str, message: str, hint: str = "", *, details: t.Mapping[str, t.Any] | None = None
    ) -> None:
        if code not in CODES:
            raise ValueError(f"unknown error code {code!r}")
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.details: dict[str, t.Any] = dict(details or {})

    def __str__(self) -> str:
        return self.message

    def as_result(self) -> dict[str, t.Any]:
        """What a module returns on failure: ``msg``, ``error_code``, ``hint`` and, if any, ``error_details``.

        The message ends with the hint: it is all that Ansible shows in plain text.
        """
        said = self.message if not self.hint or self.message.endswith((".", "?", "!", ":")) else f"{self.message}."
        message = f"{said} {self.hint}".rstrip()
        result: dict[str, t.Any] = {"msg": message, "error_code": self.code, "hint": self.hint}
        if self.details:
            result["error_details"] = self.details
        return result


def defect(error: Exception) -> StowageError:
    """An unexpected exception as ``internal_error``: where it happened, but not what it says, which may be anything."""
    place = error.__traceback__
    while place and place.tb_next:
        place = place.tb_next
    where = f" at {os.path.basename(place.tb_frame.f_code.co_filename)}:{place.tb_lineno}" if place else ""
    return StowageError(
        "internal_error",
        f"Unexpected {type(error).__name__}{where}.",
        "This is a defect of the collection. Please report it with this message and the versions in use.",
    )
