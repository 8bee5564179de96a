# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What setting up trust comes down to, whatever the provider. Private to the collection. Pure."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError


@dataclasses.dataclass(frozen=True)
class Change:
    """Something that is made, changed or deleted. The list of changes is the prediction, the diff and the result alike.

    :param what: the kind of thing: ``policy``, ``user``, ``access_key``, ...
    :param before: how it is, ``None`` if there is none. No secrets.
    :param after: how it will be, ``None`` if it is deleted.
    """

    what: str
    name: str
    before: t.Any
    after: t.Any

    def as_result(self) -> dict[str, t.Any]:
        """The change as a module returns it."""
        return dataclasses.asdict(self)


def diff_of(changes: t.Iterable[Change]) -> dict[str, dict[str, t.Any]]:
    """What Ansible shows in diff mode."""
    changes = list(changes)
    return {
        "before": {f"{one.what} {one.name}": one.before for one in changes},
        "after": {f"{one.what} {one.name}": one.after for one in changes},
    }


def in_use(name: str, holders: t.Sequence[str]) -> StowageError:
    """The refusal to change or remove what somebody else depends on."""
    return StowageError(
        "trust_in_use",
        f"{name} is left as it is, for it is not ours alone: {', '.join(holders[:10])}.",
        "Take these away first, or choose another name.",
        details={"holders": list(holders)[:50]},
    )
