# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The proof of trust at Azure: who tries what. Private to the collection."""

from __future__ import annotations

import dataclasses
import functools
import typing as t
import urllib.parse

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.azure import (
    AzureCredentials,
    SharedAccessSignature,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_calls import AzureCalls
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_client import AzureSettings
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_look import Nobody
from ansible_collections.stowage.kubernetes.plugins.module_utils._task import Task
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import (
    azure,
    azure_federation,
    azure_policy,
    azure_trials,
    key_file,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.azure_others import Others
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.azure_parties import Parties
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.azure_policy import Federation, Wanted, Who
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.azure_steps import Apis
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.azure_trials import (
    AzureCaller,
    login,
    none_of,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.closed_trials import closed, outside
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.cluster_tokens import ClusterTokens
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.lines import Line, Trial, not_tried
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.set_trials import (
    control_of,
    proof,
    refused,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.sets import Operation

_NOBODY_ACTS: t.Final = (
    "Nobody here can act as the principal: give controller_account, or access to the cluster and federation."
)
_NO_CLUSTER: t.Final = "There is no access to the cluster."
_NO_NAMESAKE: t.Final = "No other namespace has an account of that name."
_NOT_MORE: t.Final = "Look for another role that the principal has there (trust.foreign)."
_NOT_OURS: t.Final = "Only who owns the application sees its credentials: give cluster_account."
_WRONG_AUDIENCE: t.Final = "stowage-trust-check"


class AzureProof:
    """The lines, and who tries them. ``unknown`` are those of which it is known that they cannot be tried.

    :param principal: the principal's own credentials, if somebody has them.
    :param others: clusters that must be closed to it.
    """

    def __init__(
        self,
        task: Task,
        parties: Parties,
        wanted: Wanted,
        who: Who,
        *,
        settings: AzureSettings,
        cluster: ClusterTokens | None,
        principal: AzureCredentials | None,
        others: Others,
    ) -> None:
        self._task, self._parties, self._wanted, self._who = task, parties, wanted, who
        self._settings, self._cluster, self._principal, self._closed = settings, cluster, principal, others.clusters
        self.unknown: list[Line] = others.lines()

    def credentials(self) -> AzureCredentials:
        """The principal's, by whoever can act as it here.

        :raises StowageError: ``credentials_missing`` if nobody can.
        """
        if self._wanted.federation and self._cluster:
            return self._federated(self._wanted.federation.subjects[0], self._wanted.federation.audience)
        if self._principal is not None:
            return self._principal
        raise StowageError("credentials_missing", _NOBODY_ACTS)

    def trials(self, apis: Apis) -> list[Trial]:
        """All lines that can be tried."""
        can = bool(self._principal) or bool(self._wanted.federation and self._cluster)
        me, everywhere = self._caller(self.credentials), self._caller(self.credentials, prefix="")
        anonymous = self._caller(Nobody, anonymous=True)
        found: list[Trial] = []
        for number, folder in enumerate(self._wanted.folders):
            others = () if number else self._closed
            mine = self._of_set(me, everywhere, folder, others)
            found += self._if(can, mine, _NOBODY_ACTS)
            found += self._of_strangers(anonymous, folder)
            found += self._if(can, self._of_sas(folder, others), _NOBODY_ACTS)
        same_port = urllib.parse.urlsplit(self._settings.base).port is not None
        found.append(azure_trials.plain(self._plain(), anonymous, same_port=same_port))
        if self._wanted.federation:
            found += self._of_federation(self._wanted.federation)
        return found + self._of_account(apis)

    def _if(self, can: bool, trials: list[Trial], why_not: str) -> list[Trial]:
        """The lines if they can be tried; otherwise they are known to be unknown."""
        if can:
            return trials
        self.unknown += not_tried(trials, why_not)
        return []

    # lines

    def _of_set(self, me: AzureCaller, everywhere: AzureCaller, folder: str, others: t.Sequence[str]) -> list[Trial]:
        control, name = control_of(me, folder), self._wanted.permissions
        trials = proof(me, name, folder, others) + closed(me, name, folder, others)
        version = f"{folder}backups/{{0}}/{{0}}.tar.gz"
        what = "blobs/deleteBlobVersion/action in " + version.format("*")
        attempt = functools.partial(me.delete_version, version)
        trials.append(Trial("delete_version_refused", "refused", what, attempt, control, _NOT_MORE))
        if self._settings.prefix:
            trials += outside(me, everywhere, name, folder)
        if self._wanted.custom_role:
            what = "containers/read, the container's settings"
            trials.append(Trial("container_settings_refused", "refused", what, me.settings, control, _NOT_MORE))
        return trials

    def _of_strangers(self, anonymous: AzureCaller, folder: str) -> list[Trial]:
        document = folder + "backups/{0}/velero-backup.json"
        trials = [
            refused("anonymous_list_refused", anonymous, "list", folder, None),
            refused("anonymous_read_refused", anonymous, "read", document, None),
        ]
        for one in self._task.params["verify_as"] or ():
            caller = self._caller(functools.partial(self._parties.credentials, one["auth"], "verify_as"))
            for operation, path in (("list", folder), ("create", folder + "backups/{0}/x"), ("read", document)):
                doing = t.cast(Operation, operation)
                trials.append(refused(f"as_{one['name']}_{operation}_refused", caller, doing, path, caller.known))
        return trials

    def _of_sas(self, folder: str, others: t.Sequence[str]) -> list[Trial]:
        """The same lines, tried with the SAS."""
        if self._wanted.sas is None:
            return []
        caller, everywhere = self._caller(self._signed), self._caller(self._signed, prefix="")
        name = self._wanted.permissions
        trials = proof(caller, name, folder, others) + closed(caller, name, folder, others)
        if self._settings.prefix:
            trials += outside(caller, everywhere, name, folder)
        return [dataclasses.replace(one, id=f"sas_{one.id}", what=f"{one.what}, by the SAS") for one in trials]

    def _of_federation(self, federation: Federation) -> list[Trial]:
        folder = f"{self._wanted.folders[0]}backups/"
        right = self._subject(federation.subjects[0], federation.audience)
        control = functools.partial(right.may, "list", folder)
        trials = []
        for subject in federation.subjects:
            what = f"a token of {subject}"
            trials.append(
                login(
                    f"subject_{subject}_allowed",
                    "allowed",
                    self._subject(subject, federation.audience),
                    folder,
                    what=what,
                )
            )
        for id_, subject, what, missing in self._others(federation):
            trial = login(
                id_, "refused", self._subject(subject, federation.audience), folder, what=what, control=control
            )
            trials += self._if(not missing or not self._cluster, [trial], missing)
        wrong = self._subject(federation.subjects[0], _WRONG_AUDIENCE)
        what = "a token for another audience"
        trials.append(login("wrong_audience_refused", "refused", wrong, folder, what=what, control=control))
        return self._if(self._cluster is not None, trials, _NO_CLUSTER)

    def _others(self, federation: Federation) -> list[tuple[str, str, str, str]]:
        """Service accounts that must not get in: a line's id, who, in words, and why it cannot be tried if so."""
        first = federation.subjects[0]
        namespace, _dummy, account = first.partition("/")
        names = self._cluster.namespaces_with(account) if self._cluster else []
        namesakes = [f"{one}/{account}" for one in names if f"{one}/{account}" not in federation.subjects]
        default = f"{namespace}/default"
        known = "It is one of the subjects." if default in federation.subjects else ""
        elsewhere, missing = (namesakes[0], "") if namesakes else (first, _NO_NAMESAKE)
        return [
            ("other_account_refused", default, "another account of the namespace", known),
            ("other_namespace_refused", elsewhere, "the same name in another namespace", missing),
        ]

    def _of_account(self, apis: Apis) -> list[Trial]:
        with_keys = functools.partial(azure.roles_with, apis, self._wanted, self._who, azure_policy.KEYS)
        fix = "Take such roles away from the principal: the account's keys allow everything, and do not expire."
        trials = [none_of("no_account_keys", "a role of the principal that lists the account's keys", with_keys, fix)]
        with_roles = functools.partial(azure.roles_with, apis, self._wanted, self._who, azure_policy.ROLES)
        fix = "Take such roles away from the principal: with them it gives itself all others."
        trials.append(none_of("no_role_administration", "a role of the principal that assigns roles", with_roles, fix))
        if self._wanted.identity or self._wanted.federation:
            others = functools.partial(azure_federation.other_credentials, apis, self._wanted)
            fix = "Delete the principal's other federated credentials: they let others act as it."
            line = none_of("no_other_credentials", "another federated credential of the principal", others, fix)
            trials += self._if(apis.store(self._wanted) is not None, [line], _NOT_OURS)
        return trials

    # callers

    def _subject(self, subject: str, audience: str) -> AzureCaller:
        return self._caller(functools.partial(self._federated, subject, audience))

    def _federated(self, subject: str, audience: str) -> AzureCredentials:
        if self._cluster is None:
            raise StowageError("cluster_access_missing", _NO_CLUSTER)
        ask = functools.partial(self._cluster.token, subject, audience)
        return self._parties.federated(self._wanted.tenant, self._who.client_id, ask)

    def _signed(self) -> AzureCredentials:
        sas = self._wanted.sas
        found = key_file.read_document(sas.path, ("sas_token",)) if sas else None
        if found is None:
            raise StowageError("credentials_missing", "The SAS is not there.")
        credentials = SharedAccessSignature(found["sas_token"])
        self._task.hide(credentials.secrets())
        return credentials

    def _caller(
        self, credentials: t.Callable[[], AzureCredentials], *, prefix: str | None = None, anonymous: bool = False
    ) -> AzureCaller:
        def open_() -> AzureCalls:
            return self._parties.calls(credentials())

        return AzureCaller(open_, self._settings.prefix if prefix is None else prefix, anonymous=anonymous)

    def _plain(self) -> AzureCaller:
        """Nobody, over plain HTTP."""
        settings = dataclasses.replace(self._settings, base=self._settings.base.replace("https:", "http:", 1))
        return AzureCaller(lambda: self._parties.calls(Nobody(), settings), "", anonymous=True)
