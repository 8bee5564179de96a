# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What somebody else is asked to do in MinIO, as text. Private to the collection. Pure."""

from __future__ import annotations

import json
import shlex
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.minio import Wanted

_KEY: t.Final = (
    'What the last line prints belongs into a file of mode 0600 as `{"access_key": "...", "secret_key": "..."}`, at the secret_path '
    "of later runs."
)
_CLAIM: t.Final = (
    "Whoever gives out tokens puts `{name}` into the claim that MinIO's OpenID provider is set up with (`policy`, unless `claim_name` "
    "says otherwise), and no other policy: `mc idp openid info ALIAS` shows the setup."
)


def review(wanted: Wanted, endpoint: str, *, web_identity: bool) -> str:
    """The documents and command lines, as Markdown. A user of its own is asked for unless somebody else has the policy only.

    :param web_identity: identities whose tokens name the policy have it.
    """
    user = bool(wanted.secret_path) or not (wanted.members or wanted.directory or web_identity)
    who = ["a user"] if user else []
    who += ["a group"] if wanted.members else []
    parts = [
        f"# Trust {wanted.name} in MinIO at {endpoint}",
        f"{_listed(['A policy', *who])} named {wanted.name}. The policy:",
        f"```json\n{json.dumps(wanted.document, indent=2)}\n```",
        "With MinIO's command line, where `ALIAS` is an administrator's alias of that server:",
        "```\n" + "\n".join(commands(wanted, user=user)) + "\n```",
    ]
    parts += [_KEY] if user else []
    parts += [_CLAIM.format(name=wanted.name)] if web_identity else []
    return "\n\n".join(parts) + "\n"


def commands(wanted: Wanted, *, user: bool) -> list[str]:
    """The same as command lines of mc."""
    name = wanted.name
    found = [f"mc admin policy create ALIAS {name} policy.json"]
    if wanted.members:
        found.append(f"mc admin group add ALIAS {name} {shlex.join(wanted.members)}")
        found.append(f"mc admin policy attach ALIAS {name} --group {name}")
    for holder in wanted.directory:
        kind, _colon, one = holder.partition(":")
        found.append(f"mc idp ldap policy attach ALIAS {name} --{kind} {shlex.quote(one)}")
    if user:
        found.append(
            f"mc admin user add ALIAS {name}          # asks for a secret: a long random one, which nobody needs again"
        )
        found.append(f"mc admin policy attach ALIAS {name} --user {name}")
        found.append(f"mc admin accesskey create ALIAS {name} --name stowage")
    return found


def _listed(words: t.Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}, each"
