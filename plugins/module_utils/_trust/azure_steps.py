# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What setting up trust at Azure works with: who asks, what is there, and a change with how it is made. Private to the collection."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.azure_api import AzureApi
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.azure_graph import GraphApi
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.azure_policy import Tree, Wanted, Who
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.model import Change


class CredentialStore(t.Protocol):
    """What keeps federated credentials: Azure Resource Manager those of identities, Microsoft Graph those of applications."""

    def credentials(self, holder: str, /) -> dict[str, Tree]:
        """Name to properties of a holder's federated credentials."""

    def put_credential(self, holder: str, name: str, properties: Tree, /) -> None:
        """Makes a federated credential, or changes it."""

    def delete_credential(self, holder: str, name: str, /) -> None:
        """Deletes a federated credential; one that is gone is no failure."""


@dataclasses.dataclass(frozen=True)
class Apis:
    """Who asks: ``location`` owns the storage account and what is assigned, ``cluster`` the identity, ``application`` the
    application; ``None`` if its owner takes no part."""

    location: AzureApi
    cluster: AzureApi
    application: GraphApi | None = None

    def store(self, wanted: Wanted) -> tuple[CredentialStore, str] | None:
        """What keeps the principal's federated credentials, and under which name; ``None`` if they are not ours to see."""
        if wanted.identity:
            return self.cluster, wanted.identity.id
        if self.application and wanted.given:
            return self.application, wanted.given.client_id
        return None


@dataclasses.dataclass(frozen=True)
class Found:
    """What is there.

    :param who: the principal, as far as it is known.
    :param credentials: name to properties of its federated credentials, if they are ours to see.
    :param role: the properties of the custom role.
    :param assignments: all that the container has, gets from above, and what else of the resource group is seen.
    :param held: those of the principal and of its groups.
    """

    who: Who
    identity: Tree | None
    credentials: t.Mapping[str, Tree]
    role: Tree | None
    assignments: tuple[Tree, ...]
    held: tuple[Tree, ...] = ()


@dataclasses.dataclass(frozen=True)
class Step:
    """A change, and how it is made; it is told who the principal is, and says who it is from then on."""

    change: Change
    make: t.Callable[[Who], Who | None]


def plain(make: t.Callable[[], object]) -> t.Callable[[Who], None]:
    """A change that is the same whoever the principal is."""

    def made(_dummy: Who) -> None:
        make()

    return made
