# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module ``aws_trust``. Private to the collection."""

from __future__ import annotations

import functools
import json
import secrets as random
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.botocore_session import require_botocore
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.certificates import TrustedCertificates
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_client import S3Settings, make_client
from ansible_collections.stowage.kubernetes.plugins.module_utils._task import Task
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import aws
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import aws_documents as documents
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import aws_key_documents as key_documents
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.aws_bucket import BucketApi, BucketPart
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.aws_grants import GrantsPart, GrantsWanted
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.aws_iam import IamApi, service
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.aws_key import KeyPart, KeyWanted, KmsApi
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.aws_keys import UserKeys, retires
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.aws_parties import Parties
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.aws_parts import Part, apply
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.aws_pods import EksApi, PodsPart
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.aws_proof import Proof
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.aws_review import CHOOSE, review
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.aws_wanted import Wants, wants
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.lines import Line, not_tried, prove, unproven
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.model import Change
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.request import Request, TaskClock, result_of
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.s3_permissions import policy

AUTO: t.Final = "auto"
_LATER: t.Final = "made-when-it-is-run"
_LET_IN: t.Final = frozenset({"assume_allowed", "list_allowed"})
"""The lines that show that a key works."""
_KEY_LOST: t.Final = (
    "Backups that are encrypted with {0} can no longer be read through this trust, which does not name that key any more: what was written stays "
    "encrypted with the key of then. Re-encrypt them first, or keep a second trust for them, with that key."
)
_UNHELD: t.Final = (
    "{0} is granted {1}, and this trust does not write its permissions: unless these deny it, as the statement StowageKeyOutside of "
    "party_permissions in trust.documents does, it may use the key outside S3, too. A trust of its own with it as cluster_account.role or user, or "
    "key_policy in place of key_grant, would see to that."
)


class AwsTrust:
    """One run of the module."""

    def __init__(self, task: Task) -> None:
        require_botocore()
        self._task = task
        self._request = Request.of(task.params, "aws")
        self._trust = TrustedCertificates(str(self._request.location.get("ca_cert") or ""))
        self._settings = S3Settings.from_options(self._request.location, task.environ)
        self._parties = Parties(task, self._settings, self._trust)
        self._parties.account("location_account")

    def run(self) -> dict[str, t.Any]:
        """Does what the task asks for.

        :raises StowageError: as :func:`ensure_aws_trust` says.
        """
        task, request = self._task, self._request
        if request.render_only:
            given = str(task.params["external_id"] or "")
            wanted = self._wants(CHOOSE if given == AUTO and task.params["principals"] else given)
            text = review(wanted, self._parties.accounts, self._auth(wanted))
            return result_of(task, request, [], documents=wanted.documents, review=text)
        iam = IamApi(self._parties.keys("location_account"), *self._where("iam_endpoint"))
        there = iam.role(request.name)
        wanted = self._wants(self._external_id(documents.external_id_of(there.trust) if there else ""))
        role, bucket = self._role(iam, wanted), self._bucket(wanted)
        # Before anything at keys is looked for, since what another trust of this name has there looks like ours.
        role.require_ours()
        bucket.require_ours()
        parts = _Parts(wanted, role, bucket, self._pods(wanted), self._keys(wanted, role, bucket))
        for doubt in parts.doubts():
            task.warn(doubt)
        keys = self._user_keys(wanted)
        if request.absent:
            return self._removed(parts, keys)
        for key in parts.keys_lost():
            task.warn(_KEY_LOST.format(key))
        for arn in wanted.unheld:
            task.warn(_UNHELD.format(arn, self._task.params["kms_key_arn"]))
        changes, of_keys = parts.plan(), keys.plan() if keys else []
        if not request.verify:
            # The old key is all that is known to work.
            of_keys = [change for change in of_keys if not retires(change)]
        if not task.check:
            apply(parts.all, changes, clock=TaskClock(task), patience=request.patience)
            of_keys = [keys.make(one) if keys and not retires(one) else one for one in of_keys]
        return self._told(wanted, parts, [*changes, *of_keys], keys)

    def _removed(self, parts: _Parts, keys: UserKeys | None) -> dict[str, t.Any]:
        of_keys = keys.plan_removal() if keys else []
        changes = parts.plan_removal()
        if not self._task.check:
            if keys:
                for change in of_keys:
                    keys.make(change)
                keys.forget()
            apply(parts.all, changes, clock=TaskClock(self._task), patience=self._request.patience)
        return result_of(self._task, self._request, [*of_keys, *changes])

    def close(self) -> None:
        """Removes temporary files."""
        self._trust.close()

    def _told(self, wanted: Wants, parts: _Parts, changes: list[Change], keys: UserKeys | None) -> dict[str, t.Any]:
        kept = keys.kept() if keys else None
        if kept:
            self._parties.hand_out(kept)
        trials = Proof(self._task, self._request, self._parties, wanted).trials()
        if self._task.check and changes:
            lines = not_tried(trials, "Nothing is tried before the changes are made.")
        elif not self._request.verify:
            lines = not_tried(trials, "Nobody asked for it: verify is false.")
        else:
            lines = prove(trials, TaskClock(self._task), patience=self._request.patience)
        if keys and not self._task.check:
            changes = self._retired(changes, lines, keys)
        role = parts.role.found.role if wanted.by_role else None
        if role and documents.gone(role.trust):
            self._task.warn(f"The trust policy of {wanted.role.name} names roles or users that were deleted.")
        return result_of(
            self._task,
            self._request,
            changes,
            lines,
            auth={**self._auth(wanted), **({"access_key": kept.access_key} if kept else {})},
            foreign=[json.dumps(one) if isinstance(one, dict) else f"policy {one}" for one in parts.strangers()],
            documents=wanted.documents,
            secret_path=wanted.keys.secret_path if wanted.keys else "",
        )

    def _retired(self, changes: t.Sequence[Change], lines: t.Sequence[Line], keys: UserKeys) -> list[Change]:
        """Disables keys that were replaced, if the new one is certain to work; returns the changes that were made."""
        shown = [line.verdict for line in lines if line.id in _LET_IN]
        if set(shown) == {"passed"} and not unproven(lines, self._request.required):
            return [keys.make(change) if retires(change) else change for change in changes]
        return [change for change in changes if not retires(change)]

    def _wants(self, external_id: str) -> Wants:
        return wants(self._task.params, self._request, self._settings, self._parties, external_id)

    def _external_id(self, there: str) -> str:
        """That of our statement is kept; one is made only where there is none."""
        given = str(self._task.params["external_id"] or "")
        if given != AUTO:
            return given
        if not self._task.params["principals"]:
            return ""
        return there or (_LATER if self._task.check else f"stowage-{random.token_hex(16)}")

    # parts

    def _where(self, endpoint: str, region: str = "") -> tuple[str, str, str | None]:
        return region or self._settings.region, str(self._task.params[endpoint] or ""), self._trust.verify

    def _other(self) -> IamApi:
        return IamApi(self._parties.keys("cluster_account"), *self._where("iam_endpoint"))

    def _role(self, iam: IamApi, wanted: Wants) -> aws.RolePart:
        return aws.RolePart(iam, self._other() if self._parties.holder else None, wanted.role)

    def _bucket(self, wanted: Wants) -> BucketPart:
        client = make_client(self._settings, self._parties.keys("location_account"), self._trust.verify)
        other = self._other() if self._parties.holder else None
        return BucketPart(BucketApi(client, self._settings.bucket), other, wanted.bucket)

    def _pods(self, wanted: Wants) -> PodsPart | None:
        if wanted.pods is None:
            return None
        keys = self._parties.keys("cluster_account")

        def eks(region: str) -> EksApi:
            return EksApi(service("eks", keys, *self._where("eks_endpoint", region)))

        return PodsPart(self._other(), eks, wanted.pods)

    def _user_keys(self, wanted: Wants) -> UserKeys | None:
        return UserKeys(self._other(), wanted.keys) if wanted.keys else None

    def _keys(self, wanted: Wants, role: aws.RolePart, bucket: BucketPart) -> list[tuple[KeyPart, GrantsPart]]:
        """The key that the options name, and those of before that permissions of ours still name: nothing of ours stays there."""
        trust, account = wanted.role.role_arn, wanted.role.account
        wished = [(wanted.key, wanted.grants)] if wanted.key and wanted.grants else []
        named = key_documents.keys_named([role.permissions, bucket.party], account)
        former = sorted(named.keys() - {key.arn for key, _grants in wished})
        wished += [(KeyWanted(trust, arn, wanted.role.partition, None), GrantsWanted(trust, arn)) for arn in former]
        parts = []
        for key, grants in wished:
            where = self._where("kms_endpoint", key.arn.split(":")[3])
            kms = KmsApi(service("kms", self._parties.keys("location_account"), *where))
            expected = named.get(key.arn, False)
            part = GrantsPart(kms, grants, role.found.role, expected=expected)
            parts.append((KeyPart(kms, key, former=key.arn in former), part))
        return parts

    def _auth(self, wanted: Wants) -> dict[str, str]:
        if not wanted.by_role:
            return {}
        role = {"role_arn": wanted.role.role_arn}
        if self._task.params["principals"]:
            return {
                "method": "assume_role",
                **role,
                **({"external_id": wanted.external_id} if wanted.external_id else {}),
            }
        # The agent of Pod Identity gives pods the role's session.
        return {"method": "web_identity", **role} if wanted.trusted.subjects else {"method": "default_chain"}


class _Parts:
    """All parts, and the order of their changes."""

    def __init__(
        self,
        wanted: Wants,
        role: aws.RolePart,
        bucket: BucketPart,
        pods: PodsPart | None,
        keys: list[tuple[KeyPart, GrantsPart]],
    ) -> None:
        self._wanted = wanted
        self.role = role
        self._bucket = bucket
        self._pods = pods
        self._keys = [key for key, _grants in keys]
        self._grants = [grants for _key, grants in keys]

    @functools.cached_property
    def all(self) -> list[Part]:
        """Those that there are."""
        found = (self.role, self._bucket, self._pods, *self._keys, *self._grants)
        return [part for part in found if part is not None]

    def strangers(self) -> list[t.Any]:
        """Statements of others, and names of policies in the role."""
        role = self.role.found.role if self._wanted.by_role else None
        policies = [*sorted(role.inline.keys() - {aws.INLINE}), *role.attached] if role else []
        found = [*documents.foreign(role.trust), *policies] if role else []
        return [*found, *self._bucket.strangers, *(one for key in self._keys for one in key.strangers)]

    def doubts(self) -> list[str]:
        """What could not be looked at, and is not known to matter."""
        found = [*(part.doubt for part in self._grants), *(part.doubt for part in self._keys)]
        return [doubt for doubt in found if doubt]

    def keys_lost(self) -> list[str]:
        """The keys that permissions of ours name, and will not any more. What is encrypted with one that is deleted nobody reads."""
        wanted = self._wanted
        after = policy(wanted.role.permissions if wanted.by_role else wanted.bucket.party)
        gone = {part.arn for part in self._keys if part.is_gone}
        there = key_documents.keys_named([self.role.permissions, self._bucket.party])
        return sorted(there.keys() - key_documents.keys_named([after]).keys() - gone)

    def plan(self) -> list[Change]:
        """What names a role comes after the role, but for what says where pods get it. Permissions hold what grants allow outside S3,
        and name the keys, so they change after what is at keys of before is gone, and before anything is at others."""
        grants = [part.look() for part in self._grants]
        changes = [change for one in grants for change in one.dropped]
        changes += [change for part in self._keys if part.former for change in part.plan()]
        changes += self._pods.plan() if self._pods else []
        changes += self.role.plan() if self._wanted.by_role else []
        changes += self._bucket.plan()
        changes += [change for part in self._keys if not part.former for change in part.plan()]
        changes += [change for one in grants for change in one.given]
        return changes if self._wanted.by_role else changes + self.role.plan_removal()

    def plan_removal(self) -> list[Change]:
        """The other way around."""
        changes = [change for part in self._grants for change in part.plan_removal()]
        changes += [change for part in self._keys for change in part.plan_removal()]
        changes += self._pods.plan_removal() if self._pods else []
        changes += self._bucket.plan_removal()
        changes += self.role.plan_removal()
        return changes + (self._pods.plan_role_removal() if self._pods else [])


def ensure_aws_trust(task: Task) -> dict[str, t.Any]:
    """Run the module.

    :raises StowageError: ``trust_in_use``, ``wrong_account``, ``unsafe_change``, and what keeps it from being done.
    :raises TaskFailedError: ``trust_not_proven``.
    """
    trust = AwsTrust(task)
    try:
        return trust.run()
    finally:
        trust.close()
