# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a location should be, and what differs from it, whatever the provider. Private to the collection. Pure.

An option that is not set is not touched. What a provider has to do is a list of :class:`Change`, found by comparing what is
wanted with what was seen; the same list is what check mode predicts and what diff mode shows.
"""

from __future__ import annotations

import collections
import dataclasses
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._arguments import parse_duration
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import SEE_DOCUMENTATION, StowageError

BUCKET: t.Final = "bucket"
"""The setting of a change that makes or deletes the bucket, container or directory itself."""
SETTINGS: t.Final = (
    "object_ownership",
    "encryption",
    "versioning",
    "object_lock_enabled",
    "object_lock",
    "tls_only",
    "block_public_access",
    "abort_stale_uploads",
    "shared_key_access",
)
"""The options that are settings, in the order in which they are applied: object lock needs versions, and a policy may be
refused once public access is blocked."""
NEVER: t.Final = 0
"""The wanted days of ``abort_stale_uploads`` when there is to be no rule of ours."""

_DAY: t.Final = 86400
_LONGEST_DAYS: t.Final = 36500
_LONGEST_YEARS: t.Final = 100


@dataclasses.dataclass(frozen=True)
class Encryption:
    """The default encryption that is wanted. What is ``None`` is not touched."""

    algorithm: str
    kms_key_id: str | None = None
    bucket_key_enabled: bool | None = None


@dataclasses.dataclass(frozen=True)
class Retention:
    """A default retention: ``GOVERNANCE`` or ``COMPLIANCE`` for days or for years, one of which is 0."""

    mode: str
    days: int = 0
    years: int = 0

    def shown(self) -> dict[str, t.Any]:
        """As options name it."""
        return {"mode": self.mode, **({"years": self.years} if self.years else {"days": self.days})}


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What a location should be. What is ``None`` is not touched."""

    create_bucket: bool = False
    object_ownership: str | None = None
    encryption: Encryption | None = None
    versioning: bool | None = None
    object_lock_enabled: bool | None = None
    object_lock: Retention | None = None
    tls_only: bool | None = None
    block_public_access: bool | None = None
    abort_stale_uploads: int | None = None
    shared_key_access: bool | None = None

    def settings(self) -> tuple[str, ...]:
        """The settings that are wanted, in the order of :data:`SETTINGS`."""
        return tuple(name for name in SETTINGS if getattr(self, name) is not None)

    def only(self, setting: str) -> Wanted:
        """This setting alone, with what it needs."""
        lock = {"object_lock_enabled", "versioning"} if setting in {"object_lock", "object_lock_enabled"} else set()
        needed = {setting} | lock
        return Wanted(create_bucket=self.create_bucket, **{name: getattr(self, name) for name in needed})

    def only_this(self, setting: str) -> Wanted:
        """This setting alone."""
        return Wanted(create_bucket=self.create_bucket, **{setting: getattr(self, setting)})


@dataclasses.dataclass(frozen=True)
class Change:
    """Something that is to be changed: an option's name, or :data:`BUCKET`, and its value before and after as options name
    it, JSON-able; ``None`` is nothing."""

    setting: str
    before: t.Any
    after: t.Any

    def as_result(self) -> dict[str, t.Any]:
        """As modules return it."""
        return {"setting": self.setting, "before": self.before, "after": self.after}


@dataclasses.dataclass(frozen=True)
class Unsupported:
    """An option that the store cannot do, and why, in a sentence."""

    option: str
    reason: str

    def as_result(self) -> dict[str, str]:
        """As modules return it."""
        return {"option": self.option, "reason": self.reason}


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is to be done.

    :param wanted: what it is to lead to.
    :param present: whether the bucket, container or directory was there.
    :param warnings: what somebody should know, and no change can help.
    """

    wanted: Wanted
    present: bool
    changes: tuple[Change, ...] = ()
    unsupported: tuple[Unsupported, ...] = ()
    warnings: tuple[str, ...] = ()


Found = t.Union["Change", "Unsupported", str]
"""A change, an option that the store cannot do, or a warning."""


def plan_of(wanted: Wanted, present: bool, found: t.Iterable[Found]) -> Plan:
    """A plan of what was found to differ, in its order."""
    sorted_out: dict[type, list[t.Any]] = collections.defaultdict(list)
    for one in found:
        sorted_out[type(one)].append(one)
    return Plan(
        wanted,
        present,
        changes=tuple(sorted_out[Change]),
        unsupported=tuple(sorted_out[Unsupported]),
        warnings=tuple(sorted_out[str]),
    )


def changed(setting: str, before: t.Any, after: t.Any) -> list[Found]:
    """The change of a setting, if there is any."""
    return [] if before == after else [Change(setting, before, after)]


def wanted_of(params: t.Mapping[str, t.Any]) -> Wanted:
    """What a module's options want of a location.

    :raises StowageError: ``invalid_option`` when options make no sense together.
    """
    wanted = Wanted(
        create_bucket=bool(params.get("create_bucket")),
        object_ownership=params.get("object_ownership"),
        encryption=_encryption(params.get("encryption")),
        versioning=params.get("versioning"),
        object_lock_enabled=params.get("object_lock_enabled"),
        object_lock=_retention(params.get("object_lock")),
        tls_only=params.get("tls_only"),
        block_public_access=params.get("block_public_access"),
        abort_stale_uploads=_days(params.get("abort_stale_uploads")),
        shared_key_access=params.get("shared_key_access"),
    )
    if wanted.object_lock and wanted.object_lock_enabled is False:
        raise _unfit("object_lock needs object lock, and object_lock_enabled is false.")
    if wanted.versioning is False and (wanted.object_lock_enabled or wanted.object_lock):
        raise _unfit("Object lock needs versions, and versioning is false.")
    return wanted


def nothing_wanted(params: t.Mapping[str, t.Any]) -> None:
    """Checks the options of a location that is to be absent.

    :raises StowageError: ``invalid_option`` when one of them wants a setting.
    """
    for name in ("create_bucket", *SETTINGS):
        if params.get(name) not in (None, False):
            raise _unfit(f"{name} makes no sense with state=absent.")


def _encryption(given: t.Mapping[str, t.Any] | None) -> Encryption | None:
    if given is None:
        return None
    wanted = Encryption(str(given["algorithm"]), given.get("kms_key_id"), given.get("bucket_key_enabled"))
    for name, value in (("kms_key_id", wanted.kms_key_id), ("bucket_key_enabled", wanted.bucket_key_enabled)):
        if value is not None and wanted.algorithm == "AES256":
            raise _unfit(f"encryption.{name} does not belong to algorithm AES256, which has no key of yours.")
    if wanted.kms_key_id == "":
        raise _unfit("encryption.kms_key_id is empty.")
    return wanted


def _retention(given: t.Mapping[str, t.Any] | None) -> Retention | None:
    if given is None:
        return None
    days, years = given.get("days"), given.get("years")
    if (days is None) == (years is None):
        raise _unfit("object_lock needs either days or years.")
    if not 1 <= (days or years or 0) <= (_LONGEST_YEARS if days is None else _LONGEST_DAYS):
        raise _unfit(f"object_lock lasts 1 to {_LONGEST_DAYS} days, or 1 to {_LONGEST_YEARS} years.")
    return Retention(str(given["mode"]), days or 0, years or 0)


def _days(given: str | None) -> int | None:
    if given is None:
        return None
    if given.strip().lower() == "never":
        return NEVER
    seconds = parse_duration("abort_stale_uploads", given).total_seconds()
    if seconds % _DAY:
        raise _unfit("abort_stale_uploads must be whole days, such as 7d, or never.")
    return int(seconds) // _DAY


def weaker(before: Retention, after: Retention) -> bool:
    """Whether a default retention would keep objects for a shorter time, or less strictly, than the one before it. Years
    and days are compared so that leap years never shorten anything."""
    if before.mode == "COMPLIANCE" and after.mode != "COMPLIANCE":
        return True
    if before.years and after.years:
        return after.years < before.years
    if before.days and after.days:
        return after.days < before.days
    return (after.days or after.years * 365) < (before.days or before.years * 366)


def unsafe(message: str, hint: str) -> StowageError:
    """The refusal of a change that would put at risk what is in the location."""
    return StowageError("unsafe_change", message, hint)


def diff_of(changes: t.Iterable[Change]) -> dict[str, dict[str, t.Any]]:
    """What Ansible shows in diff mode."""
    changes = list(changes)
    return {
        "before": {change.setting: change.before for change in changes},
        "after": {change.setting: change.after for change in changes},
    }


def _unfit(message: str) -> StowageError:
    return StowageError("invalid_option", message, SEE_DOCUMENTATION)
