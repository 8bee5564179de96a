# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looks at a location, layer by layer. Private to the collection."""

from __future__ import annotations

import concurrent.futures
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.catalogue import (
    CATALOGUE,
    of_error,
    passed,
    unsupported,
    warning,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.prober import STALE, Aim, Look, Prober
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.report import (
    Check,
    Layer,
    Report,
    Verdict,
    failed,
    in_order,
)

_AT_ONCE: t.Final = 6

More = t.Callable[[Layer], t.Sequence[Look]]


def probe(prober: Prober, more: More = lambda _dummy: ()) -> Report:
    """Looks at a location. Never fails for what it finds; that is in the report.

    :param more: further looks of a layer, asked for when the layer is reached.
    :raises StowageError: ``interrupted``, and ``dependency_missing``, which says nothing about the location.
    """
    found: list[Check] = []
    for layer in Layer:
        checks = _layer([*prober.looks(layer), *more(layer)])
        found += checks
        if failed(checks):
            return Report(tuple(found), layer)
    return Report(tuple(found))


def _layer(looks: t.Sequence[Look]) -> list[Check]:
    together = [look for look in looks if not look.alone]
    checks: list[Check] = []
    if together:
        with concurrent.futures.ThreadPoolExecutor(_AT_ONCE, "probe") as pool:
            for made in pool.map(_run, together):
                checks += made
    for look in looks:
        if look.alone:
            checks += _run(look)
    return in_order(checks, list(CATALOGUE))


def _run(look: Look) -> list[Check]:
    try:
        return list(look.run())
    except StowageError as error:
        if error.code in {"interrupted", "dependency_missing"}:
            raise
        # Whatever failed here was no verdict about the location: those are made where something is looked at.
        return [of_error(name, error, _verdict(error)) for name in look.ids]


def _verdict(error: StowageError) -> Verdict:
    return Verdict.UNSUPPORTED if error.code == "unsupported_by_store" else Verdict.UNKNOWN


def sweep(prober: Prober, aim: Aim) -> list[Check]:
    """Aborts the uploads of earlier probes that were killed."""
    location = prober.location()
    if location is None:
        return []
    if not prober.lists_uploads:
        return [unsupported("leftovers", "The store lists no unfinished uploads; it drops them by itself.")]
    swept = younger = 0
    try:
        now = location.now()
        for upload in location.uploads(aim.upload_key):
            if upload.key != aim.upload_key:
                continue
            if now - upload.started < STALE:
                younger += 1
                continue
            location.abort_upload(upload)
            swept += 1
    except StowageError as error:
        if error.code == "interrupted":
            raise
        return [of_error("leftovers", error, _verdict(error))]
    there = f"{younger} of probes began less than an hour ago, and may be at work." if younger else ""
    if swept:
        seen = f"{swept} unfinished uploads of earlier probes were aborted. {there}".rstrip()
        return [warning("leftovers", seen, fix="")]
    if younger:
        return [passed("leftovers", f"No old upload of an earlier probe was left; {there}")]
    return [passed("leftovers", "No upload of an earlier probe was left.")]
