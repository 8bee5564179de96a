# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What somebody else is asked to do at Azure, as text. Private to the collection. Pure."""

from __future__ import annotations

import json
import shlex
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import azure_policy
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.azure_policy import Tree, Wanted, Who

UNKNOWN: t.Final = Who("OBJECT_ID", "CLIENT_ID")


def who_of(wanted: Wanted) -> Who:
    """The principal; words in capitals for what is not known before it is made."""
    given = wanted.given or UNKNOWN
    return Who(given.object_id, given.client_id or UNKNOWN.client_id)


def documents(wanted: Wanted, who: Who) -> Tree:
    """All that is to exist, as Azure has it."""
    found: Tree = {"role_assignments": [{"scope": wanted.scope, **azure_policy.assignment(wanted, who)}]}
    if wanted.sas:
        found["role_assignments"].append({"scope": wanted.account_id, **azure_policy.delegation(wanted, who)})
    if wanted.custom_role:
        found["role"] = azure_policy.role(wanted)
    if wanted.federation:
        found["federated_credentials"] = azure_policy.credentials(wanted)
    return found


def review(wanted: Wanted, auth: Tree) -> str:
    """Documents and command lines, as Markdown."""
    parts = [
        f"# Trust {wanted.name} at Azure, in the tenant {wanted.tenant}",
        f"The {wanted.principal} may use the container `{wanted.container}` below `{wanted.prefix}/` as a {wanted.permissions}.",
        _TENANTS,
    ]
    shown = {**documents(wanted, who_of(wanted)), "auth of the location": auth}
    parts += [f"## {name}\n\n```json\n{json.dumps(document, indent=2)}\n```" for name, document in shown.items()]
    notes = f"\n\n{_OF_THE_APPLICATION}" if wanted.given and wanted.federation else ""
    return "\n\n".join([*parts, "## As commands", "```\n" + "\n".join(commands(wanted)) + "\n```"]) + notes + "\n"


def commands(wanted: Wanted) -> list[str]:
    """The same as command lines of az."""
    return [*_identity(wanted), *_credentials(wanted), *_role(wanted), *_assignments(wanted), *_sas(wanted)]


def _identity(wanted: Wanted) -> list[str]:
    identity = wanted.identity
    if identity is None:
        return []
    where = ["--name", identity.name, "--resource-group", identity.group, "--subscription", identity.subscription]
    made = ["identity", "create", *where, *(["--location", identity.region] if identity.region else [])]
    shown = "--query {OBJECT_ID:principalId,CLIENT_ID:clientId}"
    tags = ["--tags", *(f"{name}={value}" for name, value in wanted.tags.items())]
    return [_line([*made, *tags]), f"{_line(['identity', 'show', *where])} {shown}"]


def _credentials(wanted: Wanted) -> list[str]:
    found = []
    for name, properties in azure_policy.credentials(wanted).items():
        if wanted.identity:
            identity = wanted.identity
            where = ["--identity-name", identity.name, "--resource-group", identity.group]
            made = [
                "identity",
                "federated-credential",
                "create",
                "--name",
                name,
                *where,
                "--subscription",
                identity.subscription,
            ]
            told = [
                "--issuer",
                properties["issuer"],
                "--subject",
                properties["subject"],
                "--audiences",
                *properties["audiences"],
            ]
            found.append(_line([*made, *told]))
        else:
            document = json.dumps({"name": name, **properties})
            app = who_of(wanted).client_id
            found.append(_line(["ad", "app", "federated-credential", "create", "--id", app, "--parameters", document]))
    return found


def _role(wanted: Wanted) -> list[str]:
    if not wanted.custom_role:
        return []
    properties = azure_policy.role(wanted)
    (permissions,) = properties["permissions"]
    document = {
        "Name": properties["roleName"],
        "Id": azure_policy.role_name(wanted),
        "IsCustom": True,
        "Description": wanted.marker,
        **{name[0].upper() + name[1:]: value for name, value in permissions.items()},
        "AssignableScopes": properties["assignableScopes"],
    }
    return [_line(["role", "definition", "create", "--role-definition", json.dumps(document)])]


def _assignments(wanted: Wanted) -> list[str]:
    who = who_of(wanted)
    wanted_ones = [(wanted.scope, azure_policy.assignment(wanted, who))]
    if wanted.sas:
        wanted_ones.append((wanted.account_id, azure_policy.delegation(wanted, who)))
    found = []
    for scope, properties in wanted_ones:
        name = azure_policy.assignment_path(scope, properties).rpartition("/")[2]
        line = ["role", "assignment", "create", "--role", properties["roleDefinitionId"], "--scope", scope]
        line += ["--assignee-object-id", who.object_id, "--assignee-principal-type", properties["principalType"]]
        line += ["--description", wanted.marker]
        # The name is made of the object's id, which may not be known yet.
        line += ["--name", name] if wanted.given else []
        if properties.get("condition"):
            line += ["--condition", properties["condition"], "--condition-version", properties["conditionVersion"]]
        found.append(_line(line))
    return found


def _sas(wanted: Wanted) -> list[str]:
    if wanted.sas is None:
        return []
    account = wanted.account_id.rpartition("/")[2]
    line = ["storage", "container", "generate-sas", "--as-user", "--auth-mode", "login", "--https-only"]
    line += ["--account-name", account, "--name", wanted.container, "--permissions", azure_policy.letters(wanted)]
    line += ["--ip", wanted.sas.addresses] if wanted.sas.addresses else []
    return [f'{_line(line)} --expiry "$(date -u -d "+{wanted.sas.hours} hours" +%Y-%m-%dT%H:%MZ)"  # as the principal']


def _line(words: t.Iterable[str]) -> str:
    return "az " + " ".join(map(shlex.quote, words))


_TENANTS: t.Final = (
    "The principal has to be known in the storage account's tenant. An identity is known in its own only, so it is made there; clusters "
    "of any tenant act as it by federation. An application of another tenant has to be consented to there first, and its federated "
    "credentials are its owner's to set, in its own tenant: nobody of this tenant can."
)
_OF_THE_APPLICATION: t.Final = (
    "`az ad app federated-credential` is for who owns the application, in the application's own tenant."
)
