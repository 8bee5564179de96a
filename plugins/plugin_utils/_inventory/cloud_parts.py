# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a source of the inventory says which parts of a cloud it is about. Private to the collection. Pure."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._aks import SUBSCRIPTION
from ansible_collections.stowage.kubernetes.plugins.module_utils._gke import PROJECT

REGION: t.Final = re.compile(r"[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}")
"""Of AWS."""


@dataclasses.dataclass(frozen=True)
class Parts:
    """The parts of one cloud.

    :param option: what they are called. :param pattern: of one. :param example: for a hint.
    :param reached: the options beside it that become a part of references, with their choices if there are any.
    """

    option: str
    pattern: re.Pattern[str]
    example: str
    reached: t.Mapping[str, tuple[str, ...]]


CLOUDS: t.Final[t.Mapping[str, Parts]] = {
    "eks": Parts("regions", REGION, "eu-west-1", {"endpoint": (), "ca_cert": ()}),
    "gke": Parts(
        "projects",
        PROJECT,
        "shop-prod",
        {"endpoint": (), "ca_cert": (), "address": ("auto", "public", "private", "dns")},
    ),
    "aks": Parts(
        "subscriptions",
        SUBSCRIPTION,
        "00000000-0000-0000-0000-000000000000",
        {
            "cloud": ("public", "china", "usgovernment"),
            "management_endpoint": (),
            "ca_cert": (),
            "address": ("auto", "public"),
        },
    ),
}
