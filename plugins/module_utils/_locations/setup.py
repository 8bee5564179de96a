# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The interface to what brings a location's bucket, container or directory into the wanted state. Private to the collection.

A provider implements it in a file of its own: it looks, has a pure function say what differs, and makes the changes.
"""

from __future__ import annotations

import abc
import dataclasses
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.desired import (
    Change,
    Plan,
    Unsupported,
    Wanted,
)


@dataclasses.dataclass
class Outcome:
    """What became of a plan.

    :param done: the changes that were made, in the order of the plan.
    :param unsupported: what showed only when it was tried.
    :param denied: settings with the provider's name of the action that is not allowed. All that could be made was made all
        the same, so that all that is missing is named at once.
    :param error: what ended it early.
    """

    done: list[Change] = dataclasses.field(default_factory=list)
    unsupported: list[Unsupported] = dataclasses.field(default_factory=list)
    denied: dict[str, str] = dataclasses.field(default_factory=dict)
    error: StowageError | None = None


class Setup(abc.ABC):
    """Brings one location into the wanted state. Belongs to one thread."""

    @abc.abstractmethod
    def describe(self) -> str:
        """The location's address for messages; no secrets."""

    @abc.abstractmethod
    def plan(self, wanted: Wanted) -> Plan:
        """What is to be done. Nothing is changed.

        :raises StowageError: ``bucket_not_found`` if it is not there and not to be made; ``unsafe_change``;
            ``permission_denied`` with all that may not be looked at in its details' ``actions``; and what requests end with.
        """

    @abc.abstractmethod
    def apply(self, plan: Plan) -> Outcome:
        """Makes the changes of a plan, and reads each back until it shows. Never raises for one of them."""

    @abc.abstractmethod
    def plan_removal(self) -> Plan:
        """Whether there is something to delete. Nothing is changed.

        :raises StowageError: ``bucket_not_empty``, and as in :meth:`plan`.
        """

    @abc.abstractmethod
    def remove(self) -> None:
        """Deletes what :meth:`plan_removal` found empty; refused by the store if it is not any more.

        :raises StowageError: ``bucket_not_empty``, and what requests end with.
        """

    @abc.abstractmethod
    def denied(self, actions: t.Sequence[str]) -> StowageError:
        """The error of actions that are not allowed, all in one."""

    @abc.abstractmethod
    def secrets(self) -> frozenset[str]:
        """Values that must never be shown, for ``no_log_values``."""

    def close(self) -> None:
        """Let go of connections."""
