# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Clusters of Azure Kubernetes Service: where they are, and credentials for them. Private to the collection.

Azure gives a kubeconfig for a cluster. Only its server, its certificate authority and, of a cluster without Entra, its client
certificate are taken from it. To a cluster with Entra go tokens of Entra for the application that all such clusters share.
No command is run for it. The API: https://learn.microsoft.com/rest/api/aks/managed-clusters.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import itertools
import re
import threading
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._cloud_options import (
    Issue,
    Issued,
    checked_auth,
    checked_text,
    named_cluster,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster import kubeconfig as _kubeconfig
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.azure import (
    Unsigned,
    azure_credentials,
    require_identity,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_arm import ArmCalls, open_arm
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_client import AzureSettings
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.certificates import TrustedCertificates
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import LocationError

SERVER: t.Final = "6dae42f8-4368-4678-94ff-3960e28e3630"
"""The application "Azure Kubernetes Service AAD Server", in all of Azure's clouds."""
SUBSCRIPTION: t.Final = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
GROUP: t.Final = re.compile(r"[\w().-]{0,89}[\w()-]")
NAME: t.Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?")
_VERSION: t.Final = "2024-05-01"
_PROVIDER: t.Final = "Microsoft.ContainerService"
_MOST_PAGES: t.Final = 1000


class Aks:
    """Azure Resource Manager about clusters, and who asks. Make it with :meth:`of`."""

    def __init__(
        self,
        settings: AzureSettings,
        auth: t.Mapping[str, t.Any],
        environ: t.Mapping[str, str],
        calls: ArmCalls,
        trust: TrustedCertificates,
    ) -> None:
        self.secrets = calls.credentials.secrets()
        self._settings, self._auth, self._environ = settings, auth, environ
        self._calls = calls
        self._trust = trust

    @classmethod
    def of(
        cls,
        aks: t.Mapping[str, t.Any],
        auth: t.Mapping[str, t.Any] | None,
        environ: t.Mapping[str, str],
        stopped: threading.Event | None = None,
    ) -> Aks:
        """What options and environment say. Nothing is sent.

        :param aks: ``cloud``, ``management_endpoint`` and ``ca_cert`` count.
        :raises StowageError: ``dependency_missing``, ``invalid_option``, ``credentials_missing``, ``credentials_invalid``.
        """
        require_identity("Clusters of AKS need")
        settings = AzureSettings.of_management(aks, environ)
        checked = checked_auth("aks_auth", {"provider": "azure"}, auth)
        trust = TrustedCertificates(settings.ca_cert)
        calls = open_arm(settings, checked, environ, trust.verify, stopped or threading.Event())
        if calls is None:
            hint = "Use service_principal, managed_identity or workload_identity."
            raise StowageError("invalid_option", "The method of aks_auth is one that gives no tokens.", hint)
        return cls(settings, checked, environ, calls, trust)

    def clusters(self, subscription: str) -> t.Iterator[dict[str, t.Any]]:
        """The resources of all clusters of a subscription.

        :raises StowageError: Azure cannot be asked, or refuses.
        """
        what = f"Asking Azure for the clusters of {subscription}"
        path = f"/subscriptions/{subscription}/providers/{_PROVIDER}/managedClusters"
        try:
            yield from self._calls.listed(path, _VERSION, what)
        except LocationError as error:
            raise _told(error, f"{_PROVIDER}/managedClusters/read") from None

    def kubeconfig(self, path: str, name: str, *, public: bool) -> dict[str, t.Any]:
        """The kubeconfig that Azure gives for a cluster, not yet looked at.

        :param path: of its resource.
        :raises StowageError: it is not there, or Azure refuses.
        """
        query = {"format": "exec", **({"server-fqdn": "public"} if public else {})}
        what = f"Asking Azure for the address of the cluster {name}"
        try:
            answer = self._calls.call("POST", f"{path}/listClusterUserCredential", _VERSION, what, query=query)
        except LocationError as error:
            if error.failure.status == 404:
                raise _kubeconfig.invalid(
                    f"Azure has no cluster {name!r} there that the caller can see.",
                    "Check name, resource_group and subscription of aks, and that the caller has a role there.",
                ) from None
            raise _told(error, f"{_PROVIDER}/managedClusters/listClusterUserCredential/action") from None
        return answer.document

    def token(self) -> str:
        """A new token for clusters. :raises StowageError: none was to be had."""
        # What is made anew remembers no token that a cluster no longer takes.
        found = azure_credentials(self._auth, self._environ, self._settings, self._trust.verify, f"{SERVER}/.default")
        try:
            signed = found.sign(Unsigned("GET", "", "/", {}, {}))
        finally:
            found.close()
        return signed.headers["Authorization"].removeprefix("Bearer ")


def aks_issue(params: t.Mapping[str, t.Any], environ: t.Mapping[str, str], stopped: threading.Event) -> Issue:
    """What gives kubeconfigs for the cluster that a module's options name: its address, and a credential that is new each time.

    :raises StowageError: see :meth:`Aks.of`; ``cluster_access_invalid``.
    """
    aks = named_cluster(params, "aks", "Set aks: {name: …, resource_group: …, subscription: …}.")
    name = checked_text("aks.name", aks.get("name"), NAME)
    group = checked_text("aks.resource_group", aks.get("resource_group"), GROUP)
    subscription = checked_text("aks.subscription", aks.get("subscription"), SUBSCRIPTION)
    path = f"/subscriptions/{subscription}/resourceGroups/{group}/providers/{_PROVIDER}/managedClusters/{name}"
    access = Aks.of(aks, params.get("aks_auth"), environ, stopped)
    known: list[tuple[dict[str, str], dict[str, str]]] = []

    def issue() -> Issued:
        # A client certificate comes with the address, so both are asked for again. A token does not.
        if not known or known[0][1]:
            known[:] = [taken_from(access.kubeconfig(path, name, public=aks.get("address") == "public"), name)]
        cluster, user = known[0]
        return _kubeconfig.of_cluster(name, cluster, user or {"token": access.token()}), access.secrets

    return issue


def taken_from(answer: t.Mapping[str, t.Any], name: str) -> tuple[dict[str, str], dict[str, str]]:
    """What of a kubeconfig of Azure counts: where the cluster is, and a client certificate, if it is one without Entra.

    :param answer: to ``listClusterUserCredential``.
    :raises StowageError: ``cluster_access_invalid``; the text never holds what is in it.
    """
    document = _document(answer, name)
    cluster, user = _kubeconfig.active([document], None)
    server, authority = str(cluster.get("server")), cluster.get("certificate-authority-data")
    if not server.startswith("https://") or not authority:
        raise _kubeconfig.invalid(
            f"The cluster {name} of AKS has no address yet, or none that is https://.", "Wait until Azure has made it."
        )
    where = {"server": server, "certificate-authority-data": str(authority)}
    plugin = user.get("exec") or user.get("auth-provider")
    if plugin:
        _check_application(plugin, name)
        return where, {}
    pair = {key: str(user[key]) for key in ("client-certificate-data", "client-key-data") if user.get(key)}
    if len(pair) != 2:
        raise _kubeconfig.invalid(
            f"The cluster {name} of AKS takes no tokens of Entra, and Azure gives no client certificate for it.",
            "Turn the cluster's integration with Entra on, or reach it by a kubeconfig of a service account.",
        )
    return where, pair


def _document(answer: t.Mapping[str, t.Any], name: str) -> _kubeconfig.Document:
    entries = answer.get("kubeconfigs")
    first = entries[0] if isinstance(entries, list) and entries else None
    try:
        text = base64.b64decode(first["value"], validate=True) if isinstance(first, dict) else b""
    except (KeyError, TypeError, ValueError, binascii.Error):
        text = b""
    document = _kubeconfig.parse(text, f"What Azure gives for the cluster {name}")
    _kubeconfig.check([document], None)
    return document


def _check_application(plugin: object, name: str) -> None:
    """Tokens are got for the application that all clusters share: a kubeconfig cannot choose who gets one."""
    found = plugin if isinstance(plugin, dict) else {}
    arguments, config = found.get("args"), found.get("config")
    words = [str(one) for one in arguments] if isinstance(arguments, list) else []
    given = [word for flag, word in itertools.pairwise(words) if flag == "--server-id"]
    given += [str(config["apiserver-id"])] if isinstance(config, dict) and "apiserver-id" in config else []
    if set(given) - {SERVER}:
        raise _kubeconfig.invalid(
            f"The cluster {name} of AKS takes tokens for an application of its own, as the old integration with Entra had it.",
            "Change it to the integration that Azure manages, or reach it by a kubeconfig of a service account.",
        )


def _told(error: LocationError, action: str) -> StowageError:
    failure = dataclasses.replace(error.failure, message=error.failure.message.replace("the store", "Azure"))
    if failure.store_code == "MissingSubscriptionRegistration":
        hint = f"Check the subscription; one with clusters has the resource provider {_PROVIDER} registered."
        failure = dataclasses.replace(failure, code="cluster_access_invalid", hint=hint)
    elif failure.code == "permission_denied":
        hint = f"Allow {failure.denied or action}, as Azure Kubernetes Service Cluster User Role has it."
        failure = dataclasses.replace(failure, hint=hint)
    elif failure.code == "bucket_not_found":
        hint = "Check the subscription, and that the caller has a role there."
        failure = dataclasses.replace(failure, code="cluster_access_invalid", hint=hint)
    return LocationError(failure)
