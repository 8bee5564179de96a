# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""In which order kinds are restored, and where an object with owners goes. Private to the collection. Pure.

The tiers are those of Velero 1.18 (``pkg/cmd/server/config``, ``defaultRestorePriorities``) with these differences:

- Services come before Endpoints, because the endpoints controller deletes Endpoints that have no Service.
- ResourceQuotas come after what they count: a quota that was lowered later would refuse what the source had.
- APIServices, admission policies and webhook configurations come last, so that none of them stands in the way of
  objects while what serves it is not up yet; webhooks after all else, for they can refuse anything.
- An owner comes before what it owns (:class:`Positions`), which Velero does not do because it drops owner references.
"""

from __future__ import annotations

import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind

CRDS: t.Final = "customresourcedefinitions.apiextensions.k8s.io"
NAMESPACES: t.Final = "namespaces"

FIRST: t.Final[tuple[str, ...]] = (
    CRDS,
    NAMESPACES,
    "storageclasses.storage.k8s.io",
    "volumesnapshotclasses.snapshot.storage.k8s.io",
    "volumesnapshotcontents.snapshot.storage.k8s.io",
    "volumesnapshots.snapshot.storage.k8s.io",
    "datauploads.velero.io",
    "persistentvolumes",
    "persistentvolumeclaims",
    "clusterroles.rbac.authorization.k8s.io",
    "roles.rbac.authorization.k8s.io",
    "serviceaccounts",
    "clusterrolebindings.rbac.authorization.k8s.io",
    "rolebindings.rbac.authorization.k8s.io",
    "secrets",
    "configmaps",
    "limitranges",
    "priorityclasses.scheduling.k8s.io",
    "pods",
    "replicasets.apps",
    "clusterclasses.cluster.x-k8s.io",
    "services",
    "endpoints",
)

LAST: t.Final[tuple[str, ...]] = (
    "clusterbootstraps.run.tanzu.vmware.com",
    "clusters.cluster.x-k8s.io",
    "clusterresourcesets.addons.cluster.x-k8s.io",
    "apps.kappctrl.k14s.io",
    "packageinstalls.packaging.carvel.dev",
    "resourcequotas",
    "apiservices.apiregistration.k8s.io",
    "mutatingadmissionpolicies.admissionregistration.k8s.io",
    "mutatingadmissionpolicybindings.admissionregistration.k8s.io",
    "validatingadmissionpolicies.admissionregistration.k8s.io",
    "validatingadmissionpolicybindings.admissionregistration.k8s.io",
    "mutatingwebhookconfigurations.admissionregistration.k8s.io",
    "validatingwebhookconfigurations.admissionregistration.k8s.io",
)

_MIDDLE: t.Final = len(FIRST)
_RANKS: t.Final[t.Mapping[str, int]] = {
    **{resource: rank for rank, resource in enumerate(FIRST)},
    **{resource: _MIDDLE + 1 + rank for rank, resource in enumerate(LAST)},
}


def rank(resource: str) -> tuple[int, str]:
    """A sort key for ``plural[.group]``: the tier, then the name."""
    return _RANKS.get(resource, _MIDDLE), resource


def ordered(kinds: t.Iterable[Kind]) -> list[Kind]:
    """The kinds in the order in which they are restored."""
    return sorted(kinds, key=lambda kind: (*rank(kind.resource), kind.version))


class Position(t.NamedTuple):
    """When an object is restored: with the kind at ``step``, in the given ``round`` of that step."""

    step: int
    round: int


class Owner(t.Protocol):
    """What is known of an object that owns others."""

    step: int
    owners: tuple[str, ...]


class Positions:
    """Places each object after its owners.

    An object whose owners all come in earlier steps is restored with its own kind (round 0). Otherwise it waits for the
    last of its owners, and goes one round after it. In a cycle of owners the reference that closes it is not waited for.

    :param owners: uid -> owner, for every uid that is named as an owner and is in the archive.
    """

    def __init__(self, owners: t.Mapping[str, Owner]) -> None:
        self._owners = owners
        self._known: dict[str, Position] = {}

    def of(self, step: int, owners: t.Sequence[str]) -> Position:
        """The position of an object whose kind is at ``step`` and whose owners have the given uids."""
        best = Position(step, 0)
        for uid in owners:
            if uid in self._owners:
                best = max(best, _after(self._of_owner(uid), step))
        return best

    def _of_owner(self, uid: str) -> Position:
        """The position of an owner; depth first without recursion, for chains in an archive may be long."""
        path = [uid]
        on_path = {uid}
        while path:
            current = path[-1]
            waiting = [
                one
                for one in self._owners[current].owners
                if one in self._owners and one not in self._known and one not in on_path
            ]
            if waiting:
                path.append(waiting[0])
                on_path.add(waiting[0])
                continue
            path.pop()
            on_path.discard(current)
            record = self._owners[current]
            best = Position(record.step, 0)
            for one in record.owners:
                if one in self._known:
                    best = max(best, _after(self._known[one], record.step))
            self._known[current] = best
        return self._known[uid]


def _after(owner: Position, step: int) -> Position:
    """The earliest position of an object of the kind at ``step`` after an owner at the given position."""
    return Position(step, 0) if owner.step < step else Position(owner.step, owner.round + 1)
