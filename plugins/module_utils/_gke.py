# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Clusters of Google Kubernetes Engine: where they are, and tokens for them. Private to the collection.

A cluster takes the access tokens of Google. google-auth gets them, and another one when the cluster no longer takes the last.
No command is run for it. The API: https://cloud.google.com/kubernetes-engine/docs/reference/rest/v1/projects.locations.clusters.
"""

from __future__ import annotations

import dataclasses
import re
import threading
import typing as t
import urllib.parse

from ansible_collections.stowage.kubernetes.plugins.module_utils._cloud_options import (
    Issue,
    Issued,
    checked_auth,
    checked_text,
    named_cluster,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.kubeconfig import invalid, of_cluster
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.gcp import (
    CLOUD_SCOPES,
    for_setup,
    google_identity,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.certificates import TrustedCertificates
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.endpoints import plain_endpoint
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_client import (
    TokenRequests,
    TokenSource,
    is_own_endpoint,
    make_session,
    require_google,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_errors import classify
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.google_json import GoogleJson, Tree

OWN_ENDPOINT: t.Final = "https://container.googleapis.com"
PROJECT: t.Final = re.compile(r"([a-z0-9][a-z0-9.-]{0,60}:)?[a-z0-9][a-z0-9-]{1,61}")
"""Its id, which may begin with a domain, or its number."""
LOCATION: t.Final = re.compile(r"[a-z]+-[a-z0-9]+(-[a-z])?")
"""A region or a zone."""
NAME: t.Final = re.compile(r"[a-z]([-a-z0-9]{0,98}[a-z0-9])?")
_HOST: t.Final = re.compile(r"(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9.-]+)(:[0-9]{1,5})?")
_LIST: t.Final = "container.clusters.list"
_GET: t.Final = "container.clusters.get"


class Gke:
    """The GKE API, and who asks. Make it with :meth:`of`.

    :param secrets: what of the credentials must never be shown.
    """

    def __init__(self, endpoint: str, calls: GoogleJson, trust: TrustedCertificates, secrets: frozenset[str]) -> None:
        self.secrets = secrets
        self._endpoint = endpoint
        self._calls = calls
        self._trust = trust
        self._given: dict[str, str] = {}

    @classmethod
    def of(
        cls,
        gke: t.Mapping[str, t.Any],
        auth: t.Mapping[str, t.Any] | None,
        environ: t.Mapping[str, str],
        stopped: threading.Event | None = None,
    ) -> Gke:
        """What options and environment say. Nothing is sent but what the default chain asks of a metadata service.

        :param gke: ``endpoint`` and ``ca_cert`` count.
        :raises StowageError: ``dependency_missing``, ``invalid_option``, ``credentials_missing``, ``credentials_invalid``.
        """
        require_google("Clusters of GKE need")
        endpoint = plain_endpoint(str(gke.get("endpoint") or OWN_ENDPOINT), OWN_ENDPOINT)
        if not endpoint.startswith("https:"):
            raise StowageError("invalid_option", "The endpoint of GKE is not https://.", "Tokens are sent by TLS only.")
        checked = checked_auth("gke_auth", {"provider": "gcp"}, auth)
        trust = TrustedCertificates(str(gke.get("ca_cert") or ""))
        session = make_session(trust.verify)
        requests = TokenRequests(session)
        # What the environment provides is for Google's own endpoints.
        identity = google_identity(checked, environ, ambient=is_own_endpoint(endpoint), requests=requests)
        tokens = TokenSource(for_setup(identity, CLOUD_SCOPES).credentials, requests)
        return cls(endpoint, GoogleJson(session, tokens, stopped or threading.Event()), trust, identity.secrets)

    def clusters(self, project: str) -> Tree:
        """All clusters of a project, and the zones that did not answer: ``clusters`` and ``missingZones``.

        :raises StowageError: it cannot be asked, or refuses.
        """
        what = f"Asking GKE for the clusters of {project}"
        return self._ask(f"projects/{_quoted(project)}/locations/-/clusters", what, _LIST, project)

    def cluster(self, project: str, location: str, name: str) -> Tree:
        """One cluster. :raises StowageError: it is not there, or GKE refuses."""
        path = f"projects/{_quoted(project)}/locations/{location}/clusters/{name}"
        try:
            return self._ask(path, f"Asking GKE for the cluster {name}", _GET, project)
        except LocationError as error:
            if error.failure.status != 404:
                raise
            raise invalid(
                f"GKE has no cluster {name!r} in {project}/{location}.",
                "Check its name, its project and its location, which is a region or a zone.",
            ) from None

    def token(self) -> str:
        """A token for clusters; a new one each time after the first, as far as Google gives one.

        :raises StowageError: none was to be had.
        """
        try:
            if self._given:
                self._calls.tokens.renew(self._given)
            self._given = self._calls.tokens.headers("GET", self._endpoint)
        except Exception as error:  # noqa: BLE001 - whatever google-auth raises becomes an error of ours
            found = classify(error, "Getting a token for GKE")
            raise LocationError(dataclasses.replace(found, doubt="unsent")) from None
        return self._given["authorization"].removeprefix("Bearer ")

    def _ask(self, path: str, what: str, permission: str, project: str) -> Tree:
        url = f"{self._endpoint}/v1/{path}"
        try:
            found: Tree = self._calls.retried(lambda: self._calls.once("GET", url, what))
        except LocationError as error:
            failure = dataclasses.replace(error.failure, message=error.failure.message.replace("the store", "Google"))
            if failure.code == "permission_denied" and "not enabled" not in failure.message:
                failure = dataclasses.replace(
                    failure,
                    hint=f"Grant {permission} in the project {project}, as roles/container.clusterViewer has it.",
                )
            raise LocationError(failure) from None
        return found


def gke_issue(params: t.Mapping[str, t.Any], environ: t.Mapping[str, str], stopped: threading.Event) -> Issue:
    """What gives kubeconfigs for the cluster that a module's options name: its address, and a token that is new each time.

    :raises StowageError: see :meth:`Gke.of`; ``cluster_access_invalid``.
    """
    gke = named_cluster(params, "gke", "Set gke: {name: …, location: …, project: …}.")
    project = checked_text("gke.project", gke.get("project"), PROJECT)
    location = checked_text("gke.location", gke.get("location"), LOCATION)
    name = checked_text("gke.name", gke.get("name"), NAME)
    access = Gke.of(gke, params.get("gke_auth"), environ, stopped)
    described: dict[str, str] = {}

    def issue() -> Issued:
        if not described:
            described.update(
                address_of(access.cluster(project, location, name), name, str(gke.get("address") or "auto"))
            )
        return of_cluster(name, described, {"token": access.token()}), access.secrets

    return issue


def address_of(cluster: t.Mapping[str, t.Any], name: str, kind: str) -> dict[str, str]:
    """The entry of a kubeconfig that says where a cluster is.

    :param cluster: GKE's resource.
    :param kind: ``auto``, ``public``, ``private`` or ``dns``.
    :raises StowageError: ``cluster_access_invalid`` when it has no such address.
    """
    config = _part(cluster, "controlPlaneEndpointsConfig")
    by_name = str(_part(config, "dnsEndpointConfig").get("endpoint") or "")
    addresses = _part(config, "ipEndpointsConfig")
    private = _part(cluster, "privateClusterConfig")
    # Clusters without addresses are reached by name only.
    if kind == "dns" or (kind == "auto" and addresses.get("enabled") is False):
        # The name's certificate is one that everybody trusts.
        return {"server": f"https://{_host(by_name, cluster, name, 'dns')}"}
    found = {
        "public": addresses.get("publicEndpoint") or private.get("publicEndpoint"),
        "private": addresses.get("privateEndpoint") or private.get("privateEndpoint"),
    }.get(kind, cluster.get("endpoint"))
    authority = str(_part(cluster, "masterAuth").get("clusterCaCertificate") or "")
    host = _host(str(found or "") if authority else "", cluster, name, kind)
    return {"server": f"https://{host}", "certificate-authority-data": authority}


def _host(host: str, cluster: t.Mapping[str, t.Any], name: str, kind: str) -> str:
    if _HOST.fullmatch(host):
        return host
    status = re.sub(r"[^A-Z_]", "", str(cluster.get("status") or ""))[:40] or "unknown"
    what = "address" if kind == "auto" else f"address of the kind {kind}"
    raise invalid(
        f"The cluster {name} of GKE has no {what}: its status is {status}.",
        "Wait until it is RUNNING, or set gke.address to an address that it has.",
    )


def _part(value: t.Mapping[str, t.Any], name: str) -> t.Mapping[str, t.Any]:
    found = value.get(name)
    return found if isinstance(found, t.Mapping) else {}


def _quoted(text: str) -> str:
    return urllib.parse.quote(text, safe="")
