# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""IAM and STS of AWS, with errors of ours. Private to the collection."""

from __future__ import annotations

import dataclasses
import json
import typing as t
import urllib.parse

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import s3_policy
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.keys import Keys
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.botocore_session import isolated_session
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_errors import classify
from ansible_collections.stowage.kubernetes.plugins.module_utils._version import USER_AGENT

_SECONDS: t.Final = 30
_MOST_PAGES: t.Final = 50


@dataclasses.dataclass(frozen=True)
class AwsRole:
    """A role, with what is in it.

    :param inline: names of policies of its own.
    :param attached: ARNs of policies that are attached.
    :param profiles: instance profiles that it is in.
    :param id: the unique id, which one that is made again does not have; empty if it is not known.
    """

    arn: str
    trust: dict[str, t.Any]
    longest: int
    boundary: str
    tags: dict[str, str]
    inline: dict[str, dict[str, t.Any]]
    attached: tuple[str, ...]
    profiles: tuple[str, ...] = ()
    id: str = ""


@dataclasses.dataclass(frozen=True)
class OidcProvider:
    """A provider of web identities.

    :param audiences: that it takes tokens for.
    """

    audiences: tuple[str, ...]
    tags: t.Mapping[str, str] = dataclasses.field(default_factory=dict)


class AwsApi:
    """One of AWS's services, as one identity.

    :param client: botocore's.
    """

    absent: t.ClassVar[frozenset[str]] = frozenset()
    """Error codes that say that there is no such thing."""

    def __init__(self, client: t.Any) -> None:
        self._client = client

    def do(self, operation: str, **parameters: t.Any) -> dict[str, t.Any]:
        """One request that changes something. :raises LocationError: if it failed."""
        try:
            answer: dict[str, t.Any] = getattr(self._client, operation)(**parameters)
        except StowageError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever botocore raises becomes an error of ours
            raise failure(operation, error, str(self._client.meta.service_model.service_name)) from None
        return answer

    def asked(self, operation: str, **parameters: t.Any) -> dict[str, t.Any] | None:
        """The answer to a question, ``None`` if there is no such thing. :raises LocationError: if it failed."""
        try:
            return self.do(operation, **parameters)
        except LocationError as error:
            if error.failure.store_code in self.absent:
                return None
            raise


class IamApi(AwsApi):
    """What is asked of IAM.

    :param endpoint: empty for AWS's own.
    """

    absent = frozenset({"NoSuchEntity", "NoSuchEntityException"})

    def __init__(self, keys: Keys, region: str, endpoint: str, verify: str | None) -> None:
        super().__init__(service("iam", keys, region, endpoint, verify))

    def role(self, name: str) -> AwsRole | None:
        """A role, ``None`` if there is none."""
        found = self.asked("get_role", RoleName=name)
        if found is None:
            return None
        role = found["Role"]
        inline = {one: self._inline(name, one) for one in self._all("list_role_policies", "PolicyNames", RoleName=name)}
        attached = self._all("list_attached_role_policies", "AttachedPolicies", RoleName=name)
        tags = self._all("list_role_tags", "Tags", RoleName=name)
        profiles = self._all("list_instance_profiles_for_role", "InstanceProfiles", RoleName=name)
        return AwsRole(
            arn=str(role["Arn"]),
            trust=document_of(role.get("AssumeRolePolicyDocument")),
            longest=int(role.get("MaxSessionDuration") or 3600),
            boundary=str((role.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn") or ""),
            tags={str(one["Key"]): str(one["Value"]) for one in tags},
            inline=inline,
            attached=tuple(str(one["PolicyArn"]) for one in attached),
            profiles=tuple(str(one["InstanceProfileName"]) for one in profiles),
            id=str(role.get("RoleId") or ""),
        )

    def _inline(self, role: str, name: str) -> dict[str, t.Any]:
        return document_of((self.asked("get_role_policy", RoleName=role, PolicyName=name) or {}).get("PolicyDocument"))

    def inline_of(self, kind: str, holder: str, name: str) -> dict[str, t.Any] | None:
        """A policy in a role or user; ``None`` if there is none.

        :param kind: ``role`` or ``user``.
        """
        holder_name = {"role": "RoleName", "user": "UserName"}[kind]
        found = self.asked(f"get_{kind}_policy", PolicyName=name, **{holder_name: holder})
        return None if found is None else document_of(found.get("PolicyDocument"))

    def user_tags(self, name: str) -> dict[str, str]:
        """The tags of a user; none if there is no such user."""
        found = self._all("list_user_tags", "Tags", UserName=name)
        return {str(one["Key"]): str(one["Value"]) for one in found}

    def access_keys(self, name: str) -> dict[str, bool]:
        """The ids of a user's access keys, and whether each is enabled; none if there is no such user."""
        found = self._all("list_access_keys", "AccessKeyMetadata", UserName=name)
        return {str(one["AccessKeyId"]): one.get("Status") == "Active" for one in found}

    def provider(self, arn: str) -> OidcProvider | None:
        """A provider of web identities, ``None`` if there is none."""
        found = self.asked("get_open_id_connect_provider", OpenIDConnectProviderArn=arn)
        if found is None:
            return None
        tags = {str(one["Key"]): str(one["Value"]) for one in found.get("Tags") or ()}
        return OidcProvider(tuple(str(one) for one in found.get("ClientIDList") or ()), tags)

    def federated(self, *, but: str) -> frozenset[str]:
        """The providers of web identities that the roles of the account trust.

        :param but: the name of a role that does not count.
        """
        roles = [one for one in self._all("list_roles", "Roles") if one.get("RoleName") != but]
        trusts = [document_of(one.get("AssumeRolePolicyDocument")) for one in roles]
        return frozenset(arn for trust in trusts for arn in federated_of(trust))

    def _all(self, operation: str, field: str, **parameters: t.Any) -> list[t.Any]:
        found: list[t.Any] = []
        for _dummy in range(_MOST_PAGES):
            answer = self.asked(operation, **parameters) or {}
            found += answer.get(field) or []
            if not answer.get("IsTruncated"):
                break
            parameters["Marker"] = answer["Marker"]
        return found


def service(name: str, keys: Keys | None, region: str, endpoint: str, verify: str | None) -> t.Any:
    """A client of one of AWS's services that signs with these keys, or not at all. It sends each request once."""
    from botocore import UNSIGNED
    from botocore.config import Config

    choices: dict[str, t.Any] = {
        "connect_timeout": 10,
        "read_timeout": _SECONDS,
        "retries": {"total_max_attempts": 1},
        "user_agent_extra": USER_AGENT,
        "ignore_configured_endpoint_urls": True,
        **({} if keys else {"signature_version": UNSIGNED}),
    }
    session = isolated_session(keys)
    return session.create_client(
        name, region_name=region, endpoint_url=endpoint or None, verify=verify, config=Config(**choices)
    )


def failure(operation: str, error: Exception, prefix: str = "iam") -> LocationError:
    """What a failed request comes down to, with the action to allow.

    :param prefix: of the service's actions.
    """
    found = classify(error, f"Asking AWS to {operation.replace('_', ' ')}")
    # What KMS refuses is not always what a bucket needs of a key.
    if found.code == "permission_denied" and (not found.hint or prefix == "kms"):
        action = "".join(part.capitalize() for part in operation.split("_")).replace("OpenIdConnect", "OpenIDConnect")
        found = dataclasses.replace(found, hint=f"Allow {prefix}:{action} (and look for an explicit deny).")
    if found.code in {"key_not_found", "key_exists"}:
        found = dataclasses.replace(found, code="store_error")
    return LocationError(found)


def federated_of(document: t.Mapping[str, t.Any]) -> list[str]:
    """The providers of web identities that a trust policy names. Pure."""
    principals = [one.get("Principal") for one in s3_policy.statements(document) if isinstance(one, dict)]
    named = [one.get("Federated") for one in principals if isinstance(one, dict)]
    return [str(arn) for one in named if one for arn in (one if isinstance(one, list) else [one])]


def document_of(value: t.Any) -> dict[str, t.Any]:
    """A policy, which IAM gives URL-encoded and botocore decoded; empty if it is none."""
    if isinstance(value, str):
        try:
            value = json.loads(urllib.parse.unquote(value))
        except ValueError:
            value = {}
    return value if isinstance(value, dict) else {}
