# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the files of the inventory plugin hand to each other. Private to the collection. Pure."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.plugin_utils._inventory.options import Source


@dataclasses.dataclass(frozen=True)
class Cluster:
    """A cluster as its source knows it. Nothing in it is secret; all of it is plain JSON.

    :param name: what it is called there.
    :param parts: which parts of the source have it, such as a file, and the folder that it is in.
    :param access: the variables that say how to reach it.
    :param labels: those that the source has for it.
    """

    name: str
    parts: tuple[str, ...]
    access: t.Mapping[str, t.Any]
    labels: t.Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Failure:
    """What could not be read.

    :param part: of the source; ``None`` is all of it.
    """

    part: str | None
    error: StowageError

    def is_about(self, cluster: Cluster) -> bool:
        """Whether the cluster is of the part that could not be read."""
        return self.part is None or self.part in cluster.parts


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What came of a source.

    :param known: clusters that it had before, of the parts that failed.
    """

    source: Source
    clusters: tuple[Cluster, ...] = ()
    failures: tuple[Failure, ...] = ()
    known: tuple[Cluster, ...] = ()

    @property
    def lost(self) -> tuple[Failure, ...]:
        """Failures of parts of which no cluster is known."""
        return tuple(one for one in self.failures if not any(one.is_about(cluster) for cluster in self.known))
