# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was found out about a location: checks in layers, and whether it is fit for use. Private to the collection. Pure.

A layer rests on those before it: without a connection there is nothing to say about a bucket. So the first layer with a
failure is the last that is looked at, but all of it is, so that whoever repairs it sees everything that is wrong there.
"""

from __future__ import annotations

import dataclasses
import enum
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.keys import printable

_LONGEST: t.Final = 500
"""Characters of one text: what a store says is not ours to trust."""


Granted = t.Literal["allowed", "missing", "unknown"]


class Layer(enum.Enum):
    """The layers, in the order in which they are looked at."""

    PARSE = "parse"
    NETWORK = "network"
    TLS = "tls"
    CLOCK = "clock"
    IDENTITY = "identity"
    BUCKET = "bucket"
    PERMISSION = "permission"
    INTEGRITY = "integrity"
    POSTURE = "posture"
    PREFIX = "prefix"


class Verdict(enum.Enum):
    """How a check ended."""

    PASSED = "passed"
    FAILED = "failed"
    WARNING = "warning"
    """It works, but somebody should know."""
    UNKNOWN = "unknown"
    """It could not be looked at, mostly because that is not allowed."""
    UNSUPPORTED = "unsupported"
    """This store has no such thing."""


@dataclasses.dataclass(frozen=True)
class Check:
    """One check.

    :param id: its name, the same for each provider; one of :data:`~.catalogue.CATALOGUE`.
    :param seen: what was seen, in a sentence; no secrets.
    :param why: why it matters.
    :param fix: what to do about it; empty when there is nothing to do.
    :param error_code: one of :data:`~._errors.CODES` when it failed, else mostly empty.
    :param action: of a permission: the provider's name of the action.
    :param resource: of a permission: what the action is for.
    :param granted: of a permission: whether it is. One that backups can do without is missing and no failure.
    """

    id: str
    layer: Layer
    verdict: Verdict
    seen: str
    why: str
    fix: str = ""
    error_code: str = ""
    action: str = ""
    resource: str = ""
    granted: Granted = "unknown"

    def as_result(self) -> dict[str, str]:
        """As modules return it."""
        return {
            "id": self.id,
            "layer": self.layer.value,
            "verdict": self.verdict.value,
            "seen": printable(self.seen, _LONGEST),
            "why": self.why,
            "fix": printable(self.fix, _LONGEST),
            "error_code": self.error_code,
        }


@dataclasses.dataclass(frozen=True)
class Report:
    """All checks, in order, and the layers that were not looked at."""

    checks: tuple[Check, ...]
    stopped_at: Layer | None = None

    @property
    def fit(self) -> bool:
        """Whether backups can be kept there: every layer was reached, nothing failed, and nothing that backups cannot do
        without remained unknown."""
        return self.stopped_at is None and not self.against

    @property
    def against(self) -> tuple[Check, ...]:
        """The checks for which the location is not fit."""
        return tuple(check for check in self.checks if _unfit(check))

    @property
    def not_reached(self) -> tuple[Layer, ...]:
        """The layers after the one with a failure."""
        if self.stopped_at is None:
            return ()
        layers = list(Layer)
        return tuple(layers[layers.index(self.stopped_at) + 1 :])

    def counts(self) -> dict[str, int]:
        """How many checks ended with each verdict."""
        return {verdict.value: len(self.of(verdict)) for verdict in Verdict}

    def of(self, *verdicts: Verdict) -> tuple[Check, ...]:
        """The checks that ended so."""
        return tuple(check for check in self.checks if check.verdict in verdicts)

    def permissions(self) -> dict[str, list[dict[str, str]]]:
        """The provider's actions with their resources: ``allowed``, ``missing`` and ``unknown``."""
        found: dict[str, list[dict[str, str]]] = {"allowed": [], "missing": [], "unknown": []}
        for check in self.checks:
            entry = {"action": check.action, "resource": check.resource}
            if check.action and entry not in found[check.granted]:
                found[check.granted].append(entry)
        return found


def _unfit(check: Check) -> bool:
    if check.verdict is Verdict.FAILED:
        return True
    return check.verdict is Verdict.UNKNOWN and check.layer is Layer.PERMISSION


def failed(checks: t.Iterable[Check]) -> bool:
    """Whether a layer with these checks is the last that is looked at."""
    return any(check.verdict is Verdict.FAILED for check in checks)


def in_order(checks: t.Iterable[Check], ids: t.Sequence[str]) -> list[Check]:
    """Checks in the catalogue's order, however they came; several of one id stay as they were."""
    places = {name: number for number, name in enumerate(ids)}
    return sorted(checks, key=lambda check: places.get(check.id, len(places)))
