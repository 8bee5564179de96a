# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What somebody else is asked to do at Google, as text. Private to the collection. Pure."""

from __future__ import annotations

import json
import shlex
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import gcp_policy
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.gcp_policy import Tree, Wanted


def review(wanted: Wanted, auth: Tree) -> str:
    """Documents and command lines, as Markdown. Where the project's number is not known, ``PROJECT_NUMBER`` stands for it."""
    title = f"# Trust {wanted.name} at Google, in the project {wanted.project}"
    parts = [
        title,
        f"The account `{wanted.account}` may use `gs://{wanted.bucket}/{wanted.prefix}` as a {wanted.permissions}.",
    ]
    for heading, document in (
        ("Bindings of the bucket", gcp_policy.bindings(wanted)),
        ("Who may act as the account", gcp_policy.members(wanted)),
        ("Provider of the identity pool", wanted.federation and gcp_policy.provider(wanted, wanted.federation)),
        ("`auth` of the location", auth),
    ):
        if document:
            parts.append(f"## {heading}\n\n```json\n{json.dumps(document, indent=2)}\n```")
    return "\n\n".join([*parts, "## As commands", "```\n" + "\n".join(commands(wanted)) + "\n```"]) + "\n"


def commands(wanted: Wanted) -> list[str]:
    """The same as command lines of gcloud."""
    project = f"--project={wanted.project}"
    found: list[list[str]] = []
    if not wanted.given:
        name = wanted.account.partition("@")[0]
        found.append(["iam", "service-accounts", "create", name, project, f"--description={wanted.marker}"])
    for role, permissions in gcp_policy.roles(wanted).items():
        described = [f"--title=stowage {role}", f"--description={wanted.marker}"]
        found.append(["iam", "roles", "create", role, project, *described, f"--permissions={','.join(permissions)}"])
    found += _federation(wanted, project)
    for role, members in gcp_policy.members(wanted).items():
        for member in members:
            grant = ["iam", "service-accounts", "add-iam-policy-binding", wanted.account]
            found.append([*grant, f"--role={role}", f"--member={member}"])
    lines = [_line(one) for one in found]
    return lines + [line for binding in gcp_policy.bindings(wanted) for line in _of_bucket(wanted, binding)]


def _federation(wanted: Wanted, project: str) -> list[list[str]]:
    if wanted.federation is None:
        return []
    document = gcp_policy.provider(wanted, wanted.federation)
    where = [project, "--location=global"]
    provider = [
        *("iam", "workload-identity-pools", "providers", "create-oidc", wanted.name, *where),
        f"--workload-identity-pool={wanted.name}",
        f"--issuer-uri={wanted.federation.issuer}",
        f"--allowed-audiences={','.join(sorted(wanted.federation.audiences))}",
        "--attribute-mapping=google.subject=assertion.sub",
        f"--attribute-condition={document['attributeCondition']}",
        f"--description={wanted.marker}",
        *(["--jwk-json-path=jwks.json"] if wanted.federation.jwks else []),
    ]
    pool = ["iam", "workload-identity-pools", "create", wanted.name, *where, f"--description={wanted.marker}"]
    return [pool, provider]


def _of_bucket(wanted: Wanted, binding: Tree) -> list[str]:
    """A condition has commas, so it is given as a file."""
    name = f"{gcp_policy.title(binding).replace(':', '-')}.json"
    condition = shlex.quote(json.dumps(binding["condition"]))
    grant = ["storage", "buckets", "add-iam-policy-binding", f"gs://{wanted.bucket}"]
    options = [f"--member={binding['members'][0]}", f"--role={binding['role']}", f"--condition-from-file={name}"]
    return [f"printf %s {condition} > {shlex.quote(name)}", _line([*grant, *options])]


def _line(words: t.Iterable[str]) -> str:
    return "gcloud " + " ".join(map(shlex.quote, words))
