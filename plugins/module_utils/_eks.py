# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Clusters of Amazon EKS: where they are, and tokens for them. Private to the collection.

A token is a request to STS that asks who the caller is, signed but not sent: the cluster sends it. It counts for a quarter of
an hour, and a new one is made when the cluster no longer takes it. No command is run for it.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._cloud_options import (
    Issue,
    Issued,
    checked_auth,
    named_cluster,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.kubeconfig import of_cluster
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.aws import aws_credentials
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.keys import Credentials
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.sts import StsAccess
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.botocore_session import isolated_session
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_errors import classify
from ansible_collections.stowage.kubernetes.plugins.module_utils._version import USER_AGENT

_PREFIX: t.Final = "k8s-aws-v1."
_HEADER: t.Final = "x-k8s-aws-id"
_SECONDS: t.Final = 60
"""What EKS's own tools sign for; how long the cluster takes it is the cluster's affair."""


@dataclasses.dataclass(frozen=True)
class EksAccess:
    """The EKS API of a region, and who asks.

    :param endpoint: empty for AWS's own.
    """

    region: str
    endpoint: str
    verify: str | None
    credentials: Credentials

    @classmethod
    def of(
        cls, eks: t.Mapping[str, t.Any], auth: t.Mapping[str, t.Any] | None, environ: t.Mapping[str, str]
    ) -> EksAccess:
        """What options and environment say.

        :raises StowageError: ``dependency_missing``, ``invalid_option``, ``credentials_missing``.
        """
        _require_botocore()
        region, endpoint, verify = str(eks["region"]), str(eks.get("endpoint") or ""), eks.get("ca_cert") or None
        if endpoint and not endpoint.startswith("https://"):
            raise StowageError(
                "invalid_option", "The endpoint of EKS is not https://.", "Tokens are asked for by TLS only."
            )
        checked = checked_auth("eks_auth", {"provider": "aws", "region": region}, auth)
        sts = StsAccess(region, str(checked.get("sts_endpoint") or ""), verify)
        # What the environment provides is for AWS's own endpoints.
        return cls(region, endpoint, verify, aws_credentials(checked, environ, ambient=not endpoint, sts=sts))

    def ask(self, operation: str, **parameters: t.Any) -> dict[str, t.Any]:
        """One question to EKS.

        :raises StowageError: it could not be asked, or refuses.
        """
        from botocore.config import Config

        settings: dict[str, t.Any] = {
            "connect_timeout": 10,
            "read_timeout": 30,
            "retries": {"total_max_attempts": 4, "mode": "standard"},
            "user_agent_extra": USER_AGENT,
            "ignore_configured_endpoint_urls": True,
        }
        try:
            client = isolated_session(self.credentials.source).create_client(
                "eks",
                region_name=self.region,
                endpoint_url=self.endpoint or None,
                verify=self.verify,
                config=Config(**settings),
            )
            with contextlib.closing(client):
                answer: dict[str, t.Any] = getattr(client, operation)(**parameters)
        except StowageError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever botocore raises becomes an error of ours
            raise _failure(error, operation, parameters.get("name"), self.region) from None
        return answer

    def token(self, name: str) -> str:
        """A token for a cluster. Nothing is sent, unless credentials have to be got first.

        :raises StowageError: there are no credentials.
        """
        from botocore.signers import RequestSigner

        session = isolated_session(self.credentials.source)
        session.set_config_variable("sts_regional_endpoints", "regional")
        try:
            with contextlib.closing(session.create_client("sts", region_name=self.region)) as client:
                signer = RequestSigner(
                    client.meta.service_model.service_id,
                    self.region,
                    "sts",
                    "v4",
                    session.get_credentials(),
                    session.get_component("event_emitter"),
                )
                request = {
                    "method": "GET",
                    "url": f"{client.meta.endpoint_url}/?Action=GetCallerIdentity&Version=2011-06-15",
                    "body": {},
                    "headers": {_HEADER: name},
                    "context": {},
                }
                url = signer.generate_presigned_url(
                    request, region_name=self.region, expires_in=_SECONDS, operation_name=""
                )
        except StowageError:
            raise
        except Exception as error:  # noqa: BLE001 - credentials are got now, and botocore raises what it likes
            raise LocationError(classify(error, "Signing a token for EKS")) from None
        return _PREFIX + base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")


def eks_issue(params: t.Mapping[str, t.Any], environ: t.Mapping[str, str]) -> Issue:
    """What gives kubeconfigs for the cluster that a module's options name: its address, and a token that is new each time.

    :raises StowageError: see :meth:`EksAccess.of`; ``cluster_access_invalid``.
    """
    eks = named_cluster(params, "eks", "Set eks: {name: …, region: …}.")
    access, name = EksAccess.of(eks, params.get("eks_auth"), environ), str(eks["name"])
    described: dict[str, str] = {}

    def issue() -> Issued:
        if not described:
            described.update(_address(access.ask("describe_cluster", name=name), name))
        return of_cluster(name, described, {"token": access.token(name)}), access.credentials.secrets

    return issue


def _address(answer: t.Mapping[str, t.Any], name: str) -> dict[str, str]:
    cluster = answer.get("cluster") or {}
    server, authority = cluster.get("endpoint"), (cluster.get("certificateAuthority") or {}).get("data")
    if not server or not authority:
        status = str(cluster.get("status") or "unknown")[:40]
        raise StowageError(
            "cluster_access_invalid",
            f"The cluster {name} of EKS has no address yet: its status is {status}.",
            "Wait until it is ACTIVE.",
        )
    return {"server": str(server), "certificate-authority-data": str(authority)}


def _failure(error: Exception, operation: str, name: object, region: str) -> StowageError:
    found = classify(error, f"Asking EKS to {operation.replace('_', ' ')}")
    if found.store_code == "ResourceNotFoundException":
        return StowageError(
            "cluster_access_invalid",
            f"EKS has no cluster {str(name)[:100]!r} in {region}.",
            "Check its name, its region, and of which account the credentials are.",
        )
    if found.store_code == "InvalidSignatureException":
        message, hint = "Asking EKS: the secret key is wrong.", "Check the access key and the secret key of eks_auth."
        return StowageError("credentials_invalid", message, hint)
    if found.code == "permission_denied" and not found.hint:
        action = "".join(part.capitalize() for part in operation.split("_"))
        found = dataclasses.replace(found, hint=f"Allow eks:{action} (and look for an explicit deny).")
    return LocationError(found)


def _require_botocore() -> None:
    try:
        import botocore  # noqa: F401
    except ImportError:
        hint = "Install boto3>=1.36 for the Python that runs the task."
        raise StowageError("dependency_missing", "Clusters of EKS need the Python package boto3.", hint) from None
