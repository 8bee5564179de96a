# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What modules return about a backup. Private to the collection. Pure."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.manifest import Manifest
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.record import BackupRecord
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.shown import brief, printable

_MOST: t.Final = 500
"""Kinds in one result: AWX drops a result of more than 700,000 characters as a whole."""
_FEW: t.Final = 100
_VELERO_S: t.Final = "velero.io/storage-location"
"""A label that every backup must have for Velero."""


def describe_record(record: BackupRecord) -> dict[str, t.Any]:
    """A record as modules return it: small, JSON-able. Pure."""
    described = record.as_dict()
    labels = [(name, value) for name, value in record.labels.items() if name != _VELERO_S]
    described["labels"] = dict(labels[:_FEW])
    described["warning_count"] = described.pop("warnings")
    described["error_count"] = described.pop("errors")
    return described


def describe_manifest(manifest: Manifest) -> dict[str, t.Any]:
    """What a manifest adds to a record: small, JSON-able, without the hashes. Pure."""
    return {
        "server_version": manifest.server_version,
        "selection": brief(manifest.selection),
        "kinds": [
            {
                "resource": kind.to_kind().resource,
                "version": kind.version,
                "count": kind.count,
                "consistency": kind.consistency,
                "complete": kind.complete,
                "reason": printable(kind.reason),
            }
            for kind in manifest.kinds[:_MOST]
        ],
        "groups_failed": [brief(dataclasses.asdict(group)) for group in manifest.groups_failed[:_FEW]],
        "claims_without_data": brief(manifest.claims_without_data),
        "claims_without_data_count": manifest.claims_without_data_count,
        "long_names": brief(manifest.long_names),
        "files": {name: digest.size for name, digest in list(manifest.files.items())[:_FEW]},
        "raw_bytes": manifest.raw_bytes,
        "tools": brief(manifest.tools),
        "timings": brief(manifest.timings),
    }
