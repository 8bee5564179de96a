# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Azure Resource Manager tells of a storage account, for validation. Private to the collection.

It takes a token and rights that a backup does not need, so each part may be denied, and is then unknown.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_account import (
    Account,
    BlobRule,
    Policy,
    StorageResource,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import Failure, LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.readings import Reading, state_of

KEYED: t.Final = "It is a setting of the storage account's resource, which neither a key nor a SAS opens."
UNNAMED: t.Final = "It is a setting of the storage account's resource, and nothing says which subscription that is in."

_Value = t.TypeVar("_Value")


@dataclasses.dataclass(frozen=True)
class Managed:
    """A storage account's settings.

    :param reason: why nobody was asked, a sentence; empty if somebody was. ``fix`` is what to do about that.
    :param service: the properties of the Blob service, as they are.
    :param policy: the container's retention policy, ``unset`` if there is none.
    """

    reason: str = ""
    fix: str = ""
    account: Reading[Account] = dataclasses.field(default_factory=lambda: Reading("unknown"))
    service: Reading[t.Mapping[str, t.Any]] = dataclasses.field(default_factory=lambda: Reading("unknown"))
    policy: Reading[Policy] = dataclasses.field(default_factory=lambda: Reading("unknown"))
    rules: Reading[tuple[BlobRule, ...]] = dataclasses.field(default_factory=lambda: Reading("unknown"))


def read_managed(resource: StorageResource) -> Managed:
    """Reads all of it; nothing raises for what is answered. What does not answer at all is not asked again.

    :raises StowageError: ``interrupted``.
    """
    found = _read(lambda: resource.id)
    if found.failure is not None:
        lost: Reading[t.Any] = Reading(found.state, failure=found.failure)
        return Managed(account=lost, service=lost, policy=lost, rules=lost)
    return Managed(
        account=_read(resource.account),
        service=_read(resource.service),
        policy=_read(resource.policy),
        rules=_read(resource.rules),
    )


def _read(look: t.Callable[[], _Value | None]) -> Reading[_Value]:
    try:
        value = look()
    except LocationError as error:
        return Reading(state_of(error.failure), failure=error.failure)
    except StowageError as error:
        if error.code == "interrupted":
            raise
        return Reading("unknown", failure=Failure(error.code, error.message, error.hint))
    return Reading("unset") if value is None else Reading("set", value)
