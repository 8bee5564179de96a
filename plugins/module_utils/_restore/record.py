# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a restore leaves about itself in the location: that it began, and how it ended. Private to the collection."""

from __future__ import annotations

import datetime
import json
import socket
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.create import create_once
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._version import VERSION

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.layout import RestorePaths
    from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import Location
    from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.outcome import (
        RestoreOptions,
        RestoreResult,
    )


def begin(location: Location, paths: RestorePaths, options: RestoreOptions, target_uid: str) -> None:
    """Write the record that ties the restore to its backup; nothing else may bear its name.

    :raises StowageError: ``restore_exists``, and location errors.
    """
    record: dict[str, t.Any] = {
        "format": "stowage-restore/1",
        "backup": options.record.name,
        "capture_id": options.record.capture_id,
        "started": _now(),
        "host": socket.gethostname(),
        "version": VERSION,
        "selection": options.selection.as_dict(),
        "existing_resource_policy": options.existing_resource_policy,
        "target_uid": target_uid,
    }
    if options.run:
        record |= {"workspace": options.run[0], "run": options.run[1]}
    try:
        create_once(location, paths.record, json.dumps(record).encode())
    except StowageError as error:
        if error.code != "key_exists":
            raise
        raise StowageError(
            "restore_exists",
            f"There is a restore {options.name} of the cluster {options.record.cluster} already.",
            "Give the restore another name, or none.",
        ) from error


def end(location: Location, paths: RestorePaths, result: RestoreResult) -> None:
    """Write how it ended: what ``restore_info`` returns, and no object of it.

    :raises StowageError: location errors.
    """
    document = {
        "format": "stowage-restore-result/1",
        "completed": _now(),
        "phase": result.phase,
        "counts": result.counts,
        "seconds": result.seconds,
        "warnings": len(result.warnings),
        "errors": len(result.errors),
        "error_code": str(result.error.get("error_code", "")),
    }
    create_once(location, paths.result, json.dumps(document).encode())


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat()
