# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What trust at AWS is made of, part by part, and how changes are made. Private to the collection."""

from __future__ import annotations

import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.aws_iam import AwsApi
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.lines import Clock
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.model import Change

_PAUSE: t.Final = 2.0
_NOT_KNOWN_YET: t.Final = frozenset(
    {
        "MalformedPolicyDocument",
        "MalformedPolicyDocumentException",
        "MalformedPolicy",
        "InvalidArnException",
        "InvalidParameterException",
    }
)

Request = tuple[AwsApi, str, dict[str, t.Any]]
"""Whom to ask, the operation, and its parameters."""


class Part(t.Protocol):
    """A part of what is set up. What is there is looked at when it is made."""

    def plan(self) -> list[Change]:
        """What differs, in the order in which it is changed. :raises StowageError: if that would hurt somebody else."""

    def plan_removal(self) -> list[Change]:
        """What is ours and there, in the order in which it is deleted. :raises StowageError: as :meth:`plan`."""

    def request(self, change: Change) -> Request | None:
        """The request that makes a change; ``None`` if it is one of another part."""


def apply(parts: t.Sequence[Part], changes: t.Iterable[Change], *, clock: Clock, patience: float) -> None:
    """Makes changes in order. A principal that was just made is not known everywhere at once, so what names one is tried again.

    :raises LocationError: what was done before stays, and a second run goes on.
    """
    until = clock.now() + patience
    for change in changes:
        _make(parts, change, clock, until)


def _make(parts: t.Sequence[Part], change: Change, clock: Clock, until: float) -> None:
    while True:
        request = next(found for part in parts if (found := part.request(change)) is not None)
        api, operation, parameters = request
        try:
            api.do(operation, **parameters)
        except LocationError as error:
            if error.failure.store_code not in _NOT_KNOWN_YET or clock.now() + _PAUSE > until:
                raise
            clock.pause(_PAUSE)
        else:
            return
