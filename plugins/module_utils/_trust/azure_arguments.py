# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the options of ``azure_trust`` ask for. Private to the collection. Pure."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._arguments import ArgumentSpec
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_client import CLOUDS, AzureSettings
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.keys import printable
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import azure_policy
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.azure_parties import (
    account_of,
    auth_option,
    party_option,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.azure_policy import (
    Federation,
    Identity,
    Wanted,
    Who,
    unfit,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.azure_sas import sas_option
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.request import Request
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.subjects import is_subject

ARGUMENTS: t.Final[ArgumentSpec] = {
    "location_account": party_option(required=True),
    "cluster_account": party_option(),
    "controller_account": party_option(),
    "service_principal": {
        "type": "dict",
        "options": {"object_id": {"type": "str", "required": True}, "client_id": {"type": "str"}},
    },
    "identity": {
        "type": "dict",
        "options": {
            "name": {"type": "str"},
            "resource_group": {"type": "str", "required": True},
            "region": {"type": "str"},
        },
    },
    "custom_role": {"type": "bool", "default": True},
    "federation": {
        "type": "dict",
        "options": {
            "issuer": {"type": "str", "required": True},
            "subjects": {"type": "list", "elements": "str", "required": True},
        },
    },
    "sas": {
        "type": "dict",
        "options": {
            "secret_path": {"type": "path", "required": True, "no_log": False},
            "hours": {"type": "int", "default": 24},
            "addresses": {"type": "str"},
        },
    },
    "token_file": {
        "type": "str",
        "default": "/var/run/secrets/azure/tokens/azure-identity-token",
        "no_log": False,
    },
    "authority": {"type": "str"},
    "graph_endpoint": {"type": "str"},
    "verify_as": {
        "type": "list",
        "elements": "dict",
        "options": {"name": {"type": "str", "required": True}, "auth": auth_option()},
    },
}
_GROUP: t.Final = re.compile(r"[\w().-]{0,89}[\w()-]")
_IDENTITY: t.Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{2,127}")
_REGION: t.Final = re.compile(r"[a-z0-9]{1,40}")
_ISSUER: t.Final = re.compile(r"https://[A-Za-z0-9.-]+(?::[0-9]+)?(?:/[A-Za-z0-9._~/-]*)?")
_AUTHORITY: t.Final = re.compile(r"https://[A-Za-z0-9.-]+(?::[0-9]+)?")
UNKNOWN_GROUP: t.Final = "RESOURCE_GROUP"


def wanted_of(params: t.Mapping[str, t.Any], request: Request, settings: AzureSettings) -> Wanted:
    """What the options ask for. The storage account's resource group is only known if it is given.

    :raises StowageError: ``invalid_option``, ``invalid_name``.
    """
    tenant, subscription = account_of(params, "location_account")
    given, identity, federation = _given(params), _identity(params, request.name), _federation(params, settings)
    _check_principal(given, identity, federation, owned=bool(params["cluster_account"]))
    group = f"/subscriptions/{subscription}/resourceGroups/{settings.resource_group or UNKNOWN_GROUP}"
    wanted = Wanted(
        name=request.name,
        account_id=f"{group}/providers/Microsoft.Storage/storageAccounts/{settings.account}",
        container=settings.container,
        prefix=settings.prefix.strip("/"),
        tenant=tenant,
        clusters=request.clusters,
        permissions=request.permissions,
        writes_restores=bool(params["writes_restores"]),
        custom_role=bool(params["custom_role"]),
        given=given,
        identity=identity,
        federation=federation,
        sas=sas_option(params["sas"]),
    )
    return wanted if request.absent else _fit(params, wanted)


def _fit(params: t.Mapping[str, t.Any], wanted: Wanted) -> Wanted:
    """:raises StowageError: ``invalid_option`` for what could not be made."""
    if "'" in wanted.prefix:
        raise unfit("A prefix with quotes cannot be in a condition.")
    azure_policy.condition(wanted)
    if not wanted.custom_role and azure_policy.data_actions(wanted) != [azure_policy.ACTIONS["read"]]:
        raise unfit(
            "Azure has no role that writes or deletes blobs and does not delete the container, too.",
            "Leave custom_role as it is.",
        )
    if wanted.sas and not params["controller_account"] and not wanted.federation:
        raise unfit(
            "A SAS is signed by the principal: set controller_account, or federation and access to the cluster."
        )
    return wanted


def _check_principal(
    given: Who | None, identity: Identity | None, federation: Federation | None, *, owned: bool
) -> None:
    if bool(given) is bool(identity):
        raise unfit("Set either service_principal or identity, whom the role is for.")
    if given and (federation or owned) and not given.client_id:
        raise unfit("federation and cluster_account of a service_principal need its client_id.")


def _given(params: t.Mapping[str, t.Any]) -> Who | None:
    given = params["service_principal"]
    if not given:
        return None
    client = str(given.get("client_id") or "")
    return Who(
        azure_policy.check_uuid("service_principal.object_id", str(given["object_id"])),
        azure_policy.check_uuid("service_principal.client_id", client) if client else "",
    )


def _identity(params: t.Mapping[str, t.Any], name: str) -> Identity | None:
    given = params["identity"]
    if not given:
        return None
    party = "cluster_account" if params["cluster_account"] else "location_account"
    chosen, group, region = str(given.get("name") or name), str(given["resource_group"]), str(given.get("region") or "")
    if not _IDENTITY.fullmatch(chosen) or not _GROUP.fullmatch(group) or (region and not _REGION.fullmatch(region)):
        raise unfit("identity has a name, resource group or region that Azure does not take.")
    return Identity(account_of(params, party)[1], group, chosen, region)


def _federation(params: t.Mapping[str, t.Any], settings: AzureSettings) -> Federation | None:
    given = params["federation"]
    if not given:
        return None
    # Nothing is made of it, such as a slash at its end: Azure compares the text as it is.
    issuer = str(given["issuer"])
    if not _ISSUER.fullmatch(issuer):
        raise unfit("federation.issuer must be https://, exactly as the iss of the cluster's tokens is.")
    subjects = tuple(sorted({_subject(str(one)) for one in given["subjects"]}))
    if not 1 <= len(subjects) <= azure_policy.MOST_CREDENTIALS:
        raise unfit(
            f"federation.subjects must be 1 to {azure_policy.MOST_CREDENTIALS}: a principal has no more credentials."
        )
    cloud = next(name for name, one in CLOUDS.items() if one == settings.cloud)
    return Federation(issuer, subjects, azure_policy.AUDIENCES.get(cloud, azure_policy.AUDIENCE))


def _subject(text: str) -> str:
    if not is_subject(text):
        raise unfit(f"federation.subjects: {printable(text, 80)} is no namespace/account. There are no wildcards.")
    return text


def authority_of(params: t.Mapping[str, t.Any]) -> str:
    """Where tokens come from; empty for the cloud's own.

    :raises StowageError: ``invalid_option``.
    """
    return _secure(params, "authority")


def graph_of(params: t.Mapping[str, t.Any], settings: AzureSettings) -> str:
    """Where Microsoft Graph is.

    :raises StowageError: ``invalid_option``, also if nothing says where it is.
    """
    found = _secure(params, "graph_endpoint") or (settings.cloud.graph if settings.own_endpoint else "")
    if not found:
        raise unfit("A location with an endpoint of its own needs graph_endpoint, to set an application's credentials.")
    return found


def _secure(params: t.Mapping[str, t.Any], option: str) -> str:
    given = str(params[option] or "").rstrip("/")
    if given and not _AUTHORITY.fullmatch(given):
        raise unfit(f"{option} must be https://, a host and perhaps a port, for tokens are sent there.")
    return given
