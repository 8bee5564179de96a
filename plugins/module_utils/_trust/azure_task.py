# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module ``azure_trust``. Private to the collection."""

from __future__ import annotations

import contextlib
import dataclasses
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.azure import AzureCredentials
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure import require_azure
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_account import StorageResource
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_calls import AzureCalls
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_client import AzureSettings
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.certificates import TrustedCertificates
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._reach import reach_cluster
from ansible_collections.stowage.kubernetes.plugins.module_utils._task import Task
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import azure, azure_policy, azure_sas, key_file
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.azure_api import AzureApi
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.azure_arguments import (
    authority_of,
    graph_of,
    wanted_of,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.azure_federation import left_behind
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.azure_others import Others, others_of
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.azure_parties import Parties, account_of
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.azure_policy import Sas, Tree, Who
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.azure_proof import AzureProof
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.azure_review import documents, review, who_of
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.azure_steps import Apis, Found
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.cluster_tokens import ClusterTokens
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.lines import Line, not_tried, prove
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.model import Change
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.request import Request, TaskClock, result_of

_CLUSTER_OPTIONS: t.Final = ("kubeconfig", "context", "host", "api_key")
_NOT_MADE: t.Final = "Nothing is tried before the changes are made."
_NOT_ASKED: t.Final = "Nobody asked for it: verify is false."
_NOBODY: t.Final = Others()
_PAUSE: t.Final = 2.0


class AzureTrust:
    """One run of the module."""

    def __init__(self, task: Task, tokens: ClusterTokens | None) -> None:
        require_azure()
        self._task, self._cluster = task, tokens
        self._request = Request.of(task.params, "azure")
        self._settings = self._settings_of()
        self._authority = authority_of(task.params)
        owned = task.params["cluster_account"] and task.params["service_principal"]
        self._graph = graph_of(task.params, self._settings) if owned else ""
        self._wanted = wanted_of(task.params, self._request, self._settings)
        self._trust = TrustedCertificates(self._settings.ca_cert)
        self._parties = Parties(task, self._settings, self._trust.verify, self._authority)
        self._principal: AzureCredentials | None = None

    def _settings_of(self) -> AzureSettings:
        """The location's, with the subscription that its party must be of."""
        _dummy, subscription = account_of(self._task.params, "location_account")
        given = str(self._request.location.get("subscription") or subscription).lower()
        if given != subscription:
            raise azure_policy.unfit("location.subscription is another than that of location_account.account.")
        location = {**self._request.location, "subscription": subscription}
        settings = AzureSettings.from_options(location, self._task.environ)
        if not settings.management or not settings.encrypted:
            raise azure_policy.unfit(
                "A location with an endpoint of its own needs https:// there, and management_endpoint, to set trust up."
            )
        return settings

    def close(self) -> None:
        """Lets go of connections, and removes temporary files."""
        self._parties.close()
        self._trust.close()

    def run(self) -> dict[str, t.Any]:
        """Does what the task asks for.

        :raises StowageError: as :func:`ensure_azure_trust` says.
        """
        if self._request.render_only:
            who = who_of(self._wanted)
            return result_of(
                self._task,
                self._request,
                [],
                documents=documents(self._wanted, who),
                review=review(self._wanted, self._auth(who)),
            )
        apis = self._apis()
        found = azure.look(apis, self._wanted)
        if self._task.params["controller_account"] and not self._request.absent:
            self._principal = self._parties.principal("controller_account", found.who)
        return self._removed(apis, found) if self._request.absent else self._made(apis, found)

    def _apis(self) -> Apis:
        """Both parties, after each was compared with what it must be of."""
        location = self._parties.api("location_account", ambient=True)
        cluster = location
        if self._task.params["cluster_account"] and self._wanted.identity:
            cluster = self._parties.api("cluster_account")
        application = self._parties.graph("cluster_account", self._graph) if self._graph else None
        self._wanted = dataclasses.replace(self._wanted, account_id=self._storage_account(location))
        return Apis(location, cluster, application)

    def _storage_account(self, location: AzureApi) -> str:
        resource = StorageResource(location.calls, self._settings)
        if resource.is_there() is False:
            raise StowageError(
                "wrong_account",
                f"The storage account {self._settings.account} is not in the subscription {self._settings.subscription}.",
                "Nothing was written. Check storage_account, resource_group and location_account.account.",
                details={"expected": self._settings.subscription},
            )
        return resource.id

    def _made(self, apis: Apis, found: Found) -> dict[str, t.Any]:
        steps = azure.plan(apis, self._wanted, found)
        changes = [step.change for step in steps] + self._sas_change(found.who)
        who = found.who
        if not self._task.check:
            self._task.progress.check()
            who = azure.apply(steps, who, clock=TaskClock(self._task), patience=self._request.patience)
            azure.require_known(who)
            self._sign(who, changes)
        lines = self._lines(apis, found, who, _NOT_MADE if self._task.check and changes else "")
        if steps and not self._task.check:
            found = azure.look(apis, self._wanted)
        return self._result(changes, lines, found, who)

    def _removed(self, apis: Apis, found: Found) -> dict[str, t.Any]:
        steps = azure.plan_removal(apis, self._wanted, found)
        if left := left_behind(apis, self._wanted):
            self._task.warn(left)
        changes = [step.change for step in steps]
        sas = self._wanted.sas
        if sas and key_file.read_document(sas.path, ("sas_token", "address")) is not None:
            changes.append(Change("sas", sas.path, {"address": self._address}, None))
        if not self._task.check:
            azure.apply(steps, found.who, clock=TaskClock(self._task), patience=self._request.patience)
            if sas and len(changes) > len(steps):
                key_file.remove(sas.path)
        return self._result(changes, [], found, found.who)

    # SAS

    @property
    def _address(self) -> str:
        return f"azure://{self._settings.account}/{self._settings.container}"

    def _sas_change(self, who: Who) -> list[Change]:
        """What is to be done about the SAS, if anything."""
        sas = self._wanted.sas
        if sas is None:
            return []
        key_file.check_writable(sas.path)
        letters = azure_policy.letters(self._wanted)
        there, fits = azure_sas.kept(sas, letters, self._address, who.object_id)
        before = {"address": self._address} if there else None
        return [] if fits else [Change("sas", sas.path, before, azure_sas.described(sas, letters))]

    def _sign(self, who: Who, changes: t.Sequence[Change]) -> None:
        """Makes the SAS. Who was just allowed to sign it may have to wait for that to be known."""
        sas = self._wanted.sas
        if sas is None or not any(change.what == "sas" for change in changes):
            return
        clock, until = TaskClock(self._task), TaskClock(self._task).now() + self._request.patience
        calls = self._parties.calls(self._proof(who).credentials())
        while True:
            try:
                self._write(sas, azure_sas.get_key(calls, sas.hours))
                return
            except LocationError as error:
                if error.failure.code != "permission_denied" or clock.now() + _PAUSE > until:
                    raise _not_signed(error) from None
                clock.pause(_PAUSE)

    def _write(self, sas: Sas, key: azure_sas.DelegationKey) -> None:
        self._task.hide([key.value])
        letters = azure_policy.letters(self._wanted)
        token = azure_sas.token(key, self._settings.account, self._settings.container, letters, sas.addresses)
        self._task.hide([token])
        key_file.write_document(sas.path, {"sas_token": token, "address": self._address})

    # proof

    def _proof(self, who: Who, others: Others = _NOBODY) -> AzureProof:
        return AzureProof(
            self._task,
            self._parties,
            self._wanted,
            who,
            settings=self._settings,
            cluster=self._cluster,
            principal=self._principal,
            others=others,
        )

    def _owner(self) -> AzureCalls:
        """The container as its owner."""
        auth = self._task.params["location_account"].get("auth")
        return self._parties.calls(self._parties.credentials(auth, "location_account", ambient=True))

    def _lines(self, apis: Apis, found: Found, who: Who, why_not: str) -> list[Line]:
        """The lines of the proof; all unknown if there is a reason not to try."""
        why_not = why_not or ("" if self._request.verify else _NOT_ASKED)
        others = _NOBODY if why_not else others_of(self._wanted, found.assignments, self._owner)
        proof = self._proof(who, others)
        trials = proof.trials(apis)
        if why_not:
            return not_tried(trials, why_not) + proof.unknown
        return prove(trials, TaskClock(self._task), patience=self._request.patience) + proof.unknown

    # what is told

    def _auth(self, who: Who) -> Tree:
        return azure_policy.auth_of(self._wanted, who, str(self._task.params["token_file"]), self._authority)

    def _result(self, changes: t.Sequence[Change], lines: t.Sequence[Line], found: Found, who: Who) -> dict[str, t.Any]:
        absent, sas = self._request.absent, self._wanted.sas
        return result_of(
            self._task,
            self._request,
            changes,
            lines,
            auth={} if absent else self._auth(who),
            object_id=who.object_id,
            client_id=who.client_id,
            documents={} if absent else documents(self._wanted, who),
            foreign=azure.foreign(self._wanted, found),
            **({"secret_path": sas.path} if sas and not absent else {}),
        )


def _not_signed(error: LocationError) -> LocationError:
    hint = error.hint
    if error.failure.code == "permission_denied":
        hint = (
            "The principal was assigned Storage Blob Delegator at the storage account, which may take minutes to count: "
            "raise verify_timeout, or run it again."
        )
    return LocationError(dataclasses.replace(error.failure, hint=hint))


def ensure_azure_trust(task: Task) -> dict[str, t.Any]:
    """Run the module.

    :raises StowageError: ``trust_in_use``, ``wrong_account``, and what keeps it from being done.
    :raises TaskFailedError: ``trust_not_proven``.
    """
    with contextlib.ExitStack() as stack:
        tokens = None
        if any(task.params.get(name) for name in _CLUSTER_OPTIONS) and not task.params["render_only"]:
            tokens = ClusterTokens(stack.enter_context(reach_cluster(task)))
        trust = AzureTrust(task, tokens)
        stack.callback(trust.close)
        return trust.run()
