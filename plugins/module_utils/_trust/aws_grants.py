# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Grants of the key that a bucket is encrypted with, in place of a statement in its policy. Private to the collection.

A grant names one principal and its operations, and cannot be changed: another takes its place. It knows no ``kms:ViaService``, so the
permissions of who has it deny the key's use outside S3. So a grant is made after that denial, and revoked before it goes. Of which keys
there are grants is in these permissions, too (``keys_named`` in ``aws_key_documents.py``), and a run that could not revoke them does not
change what they say. (KMS's developer guide, "Grants in AWS KMS", "Creating grants"; API
reference, ``CreateGrant``, ``GrantListEntry``, ``RevokeGrant``: whoever administers the key revokes, ``RetireGrant`` is for the
principals that a grant names for it, of which ours names none.) A principal that was just made is shown by its unique id for a
while, and one that is gone for ever.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import aws_documents as documents
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.aws_iam import AwsRole
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.aws_key import Grant, KmsApi
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.aws_parts import Request
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.model import Change
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.s3_permissions import Statement

WHAT: t.Final = "key_grant"


@dataclasses.dataclass(frozen=True)
class GrantsWanted:
    """What is to be there.

    :param trust: ARN of the trust's role, which tells trusts apart.
    :param arn: the key's.
    :param grantees: ARNs of roles and users; none if grants are not asked for.
    """

    trust: str
    arn: str
    grantees: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name of each grant of ours."""
        return f"{documents.sid_of(self.trust)}Key"

    @property
    def documents(self) -> list[dict[str, t.Any]]:
        """As ``CreateGrant`` takes them."""
        return [
            {"KeyId": self.arn, "GranteePrincipal": grantee, "Operations": list(self.operations), "Name": self.name}
            for grantee in self.grantees
        ]


def operations_of(use: Statement) -> tuple[str, ...]:
    """What a grant allows in place of a statement. Pure."""
    return tuple(sorted(str(action).removeprefix("kms:") for action in use["Action"]))


@dataclasses.dataclass(frozen=True)
class Plan:
    """What differs, in the order in which it is changed.

    :param dropped: revoked before permissions change, for these hold what a grant allows outside S3.
    :param given: made after them, each before those that it takes the place of are revoked.
    """

    dropped: tuple[Change, ...] = ()
    given: tuple[Change, ...] = ()


def plan(wanted: GrantsWanted, found: t.Iterable[Grant], role: AwsRole | None) -> Plan:
    """What differs. Pure.

    :param found: the grants of ours.
    :param role: that of the trust. A grant to one that was made again is none.
    """
    left, stale, outdated = set(wanted.grantees), [], []
    for one in found:
        grantee = _grantee(wanted, one, role)
        fits = one.operations == wanted.operations and not one.constrained
        if grantee in left and fits:
            left.remove(grantee)
        elif grantee in wanted.grantees:
            outdated.append(_gone(wanted, one))
        else:
            stale.append(_gone(wanted, one))
    after = {"key": wanted.arn, "operations": list(wanted.operations)}
    made = [Change(WHAT, one, None, after) for one in sorted(left)]
    # One that looks as the new one does goes first, too: KMS would give it back in place of a new one.
    return Plan(tuple(stale), (*made, *outdated))


def _grantee(wanted: GrantsWanted, grant: Grant, role: AwsRole | None) -> str:
    """Whom a grant is to, by the name that policies have; empty if that is nobody who is there."""
    if grant.grantee == wanted.trust:
        return grant.grantee if role else ""
    return wanted.trust if role and role.id and grant.grantee == role.id else grant.grantee


def _gone(wanted: GrantsWanted, grant: Grant) -> Change:
    before = {"id": grant.id, "key": wanted.arn, "operations": list(grant.operations)}
    return Change(WHAT, grant.grantee, before, None)


class GrantsPart:
    """The grants of a trust that one key has.

    :param role: that of the trust, as it was before anything was changed; ``None`` if there was none.
    :param expected: whether permissions that are there say that there are grants.
    """

    def __init__(self, kms: KmsApi, wanted: GrantsWanted, role: AwsRole | None, *, expected: bool = False) -> None:
        self._kms = kms
        self._wanted = wanted
        self._role = role
        self._expected = expected
        self._error: LocationError | None = None
        self._there = self._grants()

    @property
    def doubt(self) -> str:
        """What is not known of the key's grants, for whoever runs the task; empty if all is."""
        if self._error is None or self._is_gone:
            return ""
        return (
            f"Whether there are grants of this trust for {self._wanted.arn} is not known, for they could not be listed: "
            f"{self._error.message} None is expected. {self._error.hint}"
        )

    def look(self) -> Plan:
        """What differs.

        :raises LocationError: if grants are wanted, or may be there, and cannot be listed: they would be lost track of.
        """
        return self._planned(self._wanted)

    def plan(self) -> list[Change]:
        """See :class:`~.aws_parts.Part`."""
        found = self.look()
        return [*found.dropped, *found.given]

    def plan_removal(self) -> list[Change]:
        """See :class:`~.aws_parts.Part`. A key that is gone has no grants."""
        if self._is_gone:
            return []
        return list(self._planned(dataclasses.replace(self._wanted, grantees=())).dropped)

    def request(self, change: Change) -> Request | None:
        """See :class:`~.aws_parts.Part`."""
        if change.what != WHAT or (change.after or change.before)["key"] != self._wanted.arn:
            return None
        if change.after is None:
            return self._kms, "revoke_grant", {"KeyId": self._wanted.arn, "GrantId": change.before["id"]}
        made = next(one for one in self._wanted.documents if one["GranteePrincipal"] == change.name)
        return self._kms, "create_grant", made

    @property
    def _is_gone(self) -> bool:
        """Whether there is no such key any more."""
        return self._error is not None and self._error.failure.store_code in self._kms.absent

    def _planned(self, wanted: GrantsWanted) -> Plan:
        error = self._error
        if error is not None and self._is_gone and self._wanted.grantees:
            raise error
        if error is not None and not self._is_gone and (self._wanted.grantees or self._expected):
            lost = f"The grants of this trust for {wanted.arn} would be lost track of. {error.message}"
            raise LocationError(dataclasses.replace(error.failure, message=lost))
        return plan(wanted, self._there, self._role)

    def _grants(self) -> list[Grant]:
        """Where no grants are wanted or expected, nobody need be allowed to see them."""
        try:
            return [one for one in self._kms.grants(self._wanted.arn) if one.name == self._wanted.name]
        except LocationError as error:
            if error.code != "permission_denied" and error.failure.store_code not in self._kms.absent:
                raise
            self._error = error
            return []
