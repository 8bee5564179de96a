# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Settings of a bucket as they were read, whatever the provider. Private to the collection. Pure."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.catalogue import (
    unknown,
    unsupported,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import Failure
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.report import Check

State = t.Literal["set", "unset", "denied", "unsupported", "unknown"]
Value = t.TypeVar("Value")


@dataclasses.dataclass(frozen=True)
class Reading(t.Generic[Value]):
    """A setting as it was read. ``value`` is there if ``state`` is ``set``; ``failure`` says why not, unless it is ``unset``."""

    state: State
    value: Value | None = None
    failure: Failure | None = None


def state_of(failure: Failure) -> State:
    """What a failure to read a setting says about it."""
    if failure.code == "permission_denied":
        return "denied"
    return "unsupported" if failure.code == "unsupported_by_store" else "unknown"


def unread(name: str, reading: Reading[t.Any], action: str) -> Check | None:
    """The check of a setting that could not be read; ``None`` when it could. :param action: what lets it be read."""
    if reading.state in {"set", "unset"}:
        return None
    if reading.state == "unsupported":
        return unsupported(name, "The store does not know this setting.")
    if reading.state == "denied":
        return unknown(name, f"{action} is denied.", fix=f"Allow {action} on the bucket to have this checked.")
    seen = reading.failure.message if reading.failure else "It could not be read."
    return unknown(name, seen, fix="", error_code=reading.failure.code if reading.failure else "")
