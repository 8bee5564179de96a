# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a kind of Kubernetes object is called, and where the API serves it. Private to the collection."""

from __future__ import annotations

import dataclasses
import urllib.parse


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class Kind:
    """One resource of one API version, as discovery tells it.

    :param group: API group, empty for the core group.
    :param version: e.g. ``v1``.
    :param plural: resource name, e.g. ``deployments``.
    :param kind: e.g. ``Deployment``.
    :param namespaced: whether objects live in namespaces.
    :param verbs: what the API offers for it.
    """

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool
    verbs: frozenset[str] = dataclasses.field(default=frozenset(), compare=False)

    @property
    def resource(self) -> str:
        """``plural[.group]``: Velero's directory name and the word that users type (``pods``, ``deployments.apps``)."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def api_version(self) -> str:
        """The ``apiVersion`` of its objects."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The request path of the collection, of one object, or of its subresource; parts are percent-encoded."""
        parts = ["/apis", self.group, self.version] if self.group else ["/api", self.version]
        if namespace:
            parts += ["namespaces", urllib.parse.quote(namespace, safe="")]
        parts.append(self.plural)
        parts += [urllib.parse.quote(part, safe=":") for part in (name, subresource) if part]
        return "/".join(parts)
