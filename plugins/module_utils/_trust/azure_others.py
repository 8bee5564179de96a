# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Clusters beside those of a trust whose folders are in the container, to try what must be refused there. Private to the collection."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import azure_listing
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_calls import AzureCalls
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.azure_policy import Tree, Wanted
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.lines import Line
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.set_trials import NOBODY
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.sets import other_clusters

_FIX: t.Final = "Give location_account Storage Blob Data Reader at the container, so that what must be refused is tried in folders that are there."


@dataclasses.dataclass(frozen=True)
class Others:
    """Clusters that are not a trust's.

    :param unseen: why it is not known which there are; empty if it is.
    """

    clusters: tuple[str, ...] = (NOBODY,)
    unseen: str = ""

    def lines(self) -> list[Line]:
        """What cannot be shown, because it is not known which folders are there."""
        if not self.unseen:
            return []
        what = "everything in the folders of other clusters that are there"
        return [Line("existing_clusters_refused", "refused", "unknown", what, self.unseen, _FIX)]


def others_of(wanted: Wanted, assignments: t.Iterable[Tree], open_: t.Callable[[], AzureCalls]) -> Others:
    """Some clusters that are not the trust's: those whose folders are listed, and those that conditions of roles name.

    :param assignments: of roles at the container.
    :param open_: makes requests to the container as its owner, who may have no role for data.
    """
    start = f"{wanted.prefix}/clusters/" if wanted.prefix else "clusters/"
    names, unseen = named(start, assignments), ""
    try:
        folders = [one for page in azure_listing.pages(open_(), start, delimiter="/") for one in page.folders]
        names |= {one.removeprefix(start).removesuffix("/") for one in folders}
    except StowageError as error:
        if error.code == "interrupted":
            raise
        unseen = f"location_account cannot list the container: {error.message}"
    found = other_clusters(names, wanted.clusters)
    return Others(found or (NOBODY,), "" if found else unseen)


def named(start: str, assignments: t.Iterable[Tree]) -> set[str]:
    """Clusters that conditions are about. Pure."""
    pattern = re.compile("'" + re.escape(start) + r"([^/'*?\\]+)/")
    conditions = [str((one.get("properties") or {}).get("condition") or "") for one in assignments]
    return {cluster for condition in conditions for cluster in pattern.findall(condition)}
