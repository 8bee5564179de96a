# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The interface to what looks at a location. Private to the collection.

A provider says for each layer what there is to look at; :func:`~.probe.probe` decides what is looked at and when. Probes
change nothing: no object, version or delete marker is made, and nothing is overwritten, also when they are killed. What a
probe must begin to see whether it works, an upload, it ends again; one that was killed leaves at most an unfinished upload
of :data:`UPLOAD_NAME`, which the next one aborts.
"""

from __future__ import annotations

import abc
import dataclasses
import datetime
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import Location
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.report import Check, Layer

UPLOAD_NAME: t.Final = "metadata/stowage/probe"
"""The key, in a cluster's folder, of every upload that a probe begins. It is always the same, since MinIO finds uploads
after its restart by their whole key only."""
STALE: t.Final = datetime.timedelta(hours=1)
"""The age at which the upload of a probe belongs to one that was killed."""

Access = t.Literal["list", "read", "write", "delete"]
ALL_ACCESS: t.Final[frozenset[Access]] = frozenset({"list", "read", "write", "delete"})


@dataclasses.dataclass(frozen=True)
class Aim:
    """What a location is looked at for.

    :param cluster: the folder of a cluster; permissions may be narrowed to it. Empty: the whole location.
    :param access: what the identity must be allowed to do.
    :param engine: what writes the backups, ``stowage`` or ``velero``.
    """

    cluster: str = ""
    access: frozenset[Access] = ALL_ACCESS
    engine: str = "stowage"

    @property
    def folder(self) -> str:
        """The folder, with a slash at its end, in which permissions are tried: the cluster's, or one that no cluster has."""
        return f"clusters/{self.cluster or 'stowage-probe'}/"

    @property
    def upload_key(self) -> str:
        """The key of uploads that are begun."""
        return self.folder + UPLOAD_NAME

    @property
    def listed(self) -> str:
        """The prefix, within the location, that must be listable."""
        return f"clusters/{self.cluster}/" if self.cluster else ""


@dataclasses.dataclass(frozen=True)
class Look:
    """Something to look at: the ids of its checks, and what makes them.

    :param ids: reported as unknown when ``run`` fails.
    :param run: returns the checks. A StowageError of it means that they could not be made.
    :param alone: it must not run beside the layer's other looks, and comes after them.
    """

    ids: tuple[str, ...]
    run: t.Callable[[], t.Iterable[Check]]
    alone: bool = False


class Prober(abc.ABC):
    """Looks at one location. The layers are asked for in order; each may use what those before it found out.

    ``lists_uploads``: whether the store tells which uploads are unfinished, so that those of killed probes are found.
    """

    lists_uploads = True

    @abc.abstractmethod
    def describe(self) -> str:
        """The location's address for messages; no secrets."""

    @abc.abstractmethod
    def looks(self, layer: Layer) -> t.Sequence[Look]:
        """What there is to look at in a layer, nothing if the provider has none."""

    @abc.abstractmethod
    def location(self) -> Location | None:
        """The location, for what is the same with every provider; ``None`` before the layer of identity is through."""

    @abc.abstractmethod
    def identity(self) -> dict[str, str]:
        """Who the store takes us for, as far as it is known; no secrets."""

    @abc.abstractmethod
    def settings(self) -> dict[str, t.Any]:
        """Settings of the bucket as far as they are known, small and JSON-able."""

    @abc.abstractmethod
    def secrets(self) -> frozenset[str]:
        """Values that must never be shown, for ``no_log_values``."""

    def close(self) -> None:
        """Let go of connections."""
