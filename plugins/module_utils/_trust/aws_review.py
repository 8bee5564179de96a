# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What somebody else is asked to set up at AWS, in words, documents and command lines. Private to the collection. Pure."""

from __future__ import annotations

import dataclasses
import json
import shlex
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import aws, aws_bucket
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import aws_documents as documents
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.aws_parties import Party
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.aws_wanted import Wants

CHOOSE: t.Final = "CHOOSE-ONE"
"""Stands for an external id that is somebody else's to choose."""


def review(wants: Wants, accounts: t.Mapping[Party, str], auth: t.Mapping[str, str]) -> str:
    """The whole of it, as Markdown.

    :param accounts: the numbers of the parties' accounts, of those that are known.
    :param auth: what the location needs when it is done, without secrets.
    """
    shown = wants.documents
    parts = [f"# Trust {wants.role.name} at AWS", f"## In the account {wants.role.account}, which has the bucket"]
    parts += _role(wants, shown) if wants.by_role else _owned(wants)
    parts += _bucket(wants, shown) + _key(wants, shown) + _grants(wants)
    return "\n\n".join([*parts, *_other_side(wants, shown, accounts), *_keys(wants), *_afterwards(wants, auth)]) + "\n"


def _role(wants: Wants, shown: t.Mapping[str, t.Any]) -> list[str]:
    role = wants.role
    tags = " ".join(shlex.quote(f"Key={key},Value={value}") for key, value in role.all_tags.items())
    boundary = f" --permissions-boundary {role.boundary}" if role.boundary else ""
    providers = [
        f"aws iam create-open-id-connect-provider --url https://{host} --client-id-list {documents.AUDIENCE} "
        f"--tags Key={aws.MARK},Value={role.bucket}"
        for host in role.hosts
    ]
    return [
        (
            f"A role {role.name}. Who may take it over (`trust.json`; where it says CHOOSE-ONE, put a long random text, and use that as "
            "`external_id`):"
        ),
        _json(shown["trust_policy"]),
        "What it may do then (`permissions.json`):",
        _json(shown["permissions"]),
        (
            f"The first command shows whether the role is there. Without the tag `{aws.MARK}={role.bucket}` it is somebody else's: stop, since the "
            "permissions below would also take some away from it. With the tag it is of this trust already: put the statements among "
            "those that are there, in `trust.json`, and use the third command in place of the second."
        ),
        _commands(
            f"aws iam get-role --role-name {role.name}",
            *providers,
            f"aws iam create-role --role-name {role.name} --assume-role-policy-document file://trust.json \\",
            f"    --max-session-duration {role.longest}{boundary} --tags {tags}",
            f"aws iam update-assume-role-policy --role-name {role.name} --policy-document file://trust.json",
            f"aws iam put-role-policy --role-name {role.name} --policy-name {aws.INLINE} "
            "--policy-document file://permissions.json",
        ),
    ]


def _owned(wants: Wants) -> list[str]:
    rule = f"'Rules=[{{ObjectOwnership={aws_bucket.OWNED}}}]'"
    return [
        (
            "No role: the bucket's policy lets the other account in. Objects that are written from there have to belong to this account. The second "
            "command is needed only if the first shows something else. Access control lists of objects count for nothing afterwards, so "
            "look first whether somebody reads by them:"
        ),
        _commands(
            f"aws s3api get-bucket-ownership-controls --bucket {wants.role.bucket}",
            f"aws s3api put-bucket-ownership-controls --bucket {wants.role.bucket} --ownership-controls {rule}",
        ),
    ]


def _bucket(wants: Wants, shown: t.Mapping[str, t.Any]) -> list[str]:
    if "bucket_policy" not in shown:
        return []
    bucket = wants.role.bucket
    return [
        "Statements in the policy of the bucket. A policy is written as a whole: put these among those that are there, in `bucket.json`.",
        _json(shown["bucket_policy"]),
        _commands(
            f"aws s3api get-bucket-policy --bucket {bucket} --query Policy --output text > bucket.json",
            f"aws s3api put-bucket-policy --bucket {bucket} --policy file://bucket.json",
        ),
    ]


def _key(wants: Wants, shown: t.Mapping[str, t.Any]) -> list[str]:
    if wants.key is None or "key_policy" not in shown:
        return []
    named = f"{_key_of(wants.key.arn)} --policy-name default"
    return [
        (
            "A statement in the policy of the key. Put it among those that are there, in `key.json`; without those of the key's "
            "administrators nobody could change the policy any more."
        ),
        _json(shown["key_policy"]),
        _commands(
            f"aws kms get-key-policy {named} --query Policy --output text > key.json",
            f"aws kms put-key-policy {named} --policy file://key.json",
        ),
    ]


def _key_of(arn: str) -> str:
    """The words of a command that say which key, in its own region rather than in that of who types it."""
    return f"--region {arn.split(':')[3]} --key-id {arn}"


def _grants(wants: Wants) -> list[str]:
    if wants.grants is None or not wants.grants.grantees:
        return []
    key = _key_of(wants.grants.arn)
    made = [
        f"aws kms create-grant {key} --grantee-principal {grantee} --operations {' '.join(wants.grants.operations)} "
        f"--name {wants.grants.name}"
        for grantee in wants.grants.grantees
    ]
    return [
        (
            "Grants of the key, to be made when the permissions are there: they allow its use outside S3 as well, which the permissions deny. The "
            "last command lists them, and `aws kms revoke-grant` takes one back. Those of a key that was used before are taken back "
            "before permissions change."
        ),
        _commands(*made, f"aws kms list-grants {key}"),
    ]


@dataclasses.dataclass(frozen=True)
class _Holder:
    """Who is given a permission in an account: a ``role`` or ``user``. Without a name, it is one of the account that is not known here."""

    account: str
    kind: str = ""
    name: str = ""

    @property
    def named(self) -> list[str]:
        """The words of a command that say who it is; more than one where that is not known."""
        known = [f"{self.kind} --{self.kind}-name {self.name}"] if self.name else []
        return known or ["role --role-name ROLE-OF-THE-CLUSTER", "user --user-name OR-ITS-USER"]


def _holders(wants: Wants, accounts: t.Mapping[Party, str]) -> list[_Holder]:
    """Those that are known: who is named for it, and roles and users that are trusted by their names."""
    cluster = accounts.get("cluster_account", "")
    found = [_Holder(cluster, *wants.role.holder)] if wants.role.holder else []
    for one in wants.trusted.principals:
        if documents.is_principal(one):
            account, kind_and_name = one.split(":")[4:]
            found.append(_Holder(account, kind_and_name.partition("/")[0], kind_and_name.rpartition("/")[2]))
        elif not any(holder.account == _account_of(one) for holder in found):
            found.append(_Holder(_account_of(one)))
    return list(dict.fromkeys(found))


def _account_of(principal: str) -> str:
    """The account of a principal that is a whole account, by its number or the ARN of its root."""
    return principal.split(":")[4] if ":" in principal else principal


def _where(account: str, accounts: t.Mapping[Party, str]) -> str:
    if account == accounts.get("location_account"):
        return f"## In the account {account} again, for who uses it"
    parties: dict[Party, str] = {"cluster_account": "the cluster", "controller_account": "the controller"}
    whose = next((name for party, name in parties.items() if account and account == accounts.get(party)), "who uses it")
    return f"## In the account {account}, of {whose}"


def _other_side(wants: Wants, shown: t.Mapping[str, t.Any], accounts: t.Mapping[Party, str]) -> list[str]:
    parts: list[str] = []
    holders = _holders(wants, accounts)
    if wants.pods:
        parts = [_where(wants.pods.account, accounts), *_pods(wants, shown)]
        holders = [one for one in holders if (one.account, one.name) != (wants.pods.account, wants.pods.role)]
    file = "assume.json" if wants.by_role else "party.json"
    if wants.by_role:
        document = shown["assume_permission"]
        what = "For the role or user that takes it over. " + _merged(file)
    else:
        document = shown["party_permissions"]
        what = f"For the role or user that the bucket's policy names (`{file}`); both sides have to allow it:"
    for account in dict.fromkeys(holder.account for holder in holders):
        here = [holder for holder in holders if holder.account == account]
        commands = [line for holder in here for line in _permitted(wants, holder, file)]
        parts += [_where(account, accounts), what, _json(document), _commands(*commands)]
    return parts


def _merged(file: str) -> str:
    return (
        f"All trusts of a role or user share its policy `{aws.INLINE}`, and it is written as a whole: put this statement among those that are "
        f"there, in `{file}`, in place of one with the same `Sid`. Where the first command answers NoSuchEntity there is none yet, and this is "
        "the whole of it:"
    )


def _permitted(wants: Wants, holder: _Holder, file: str) -> list[str]:
    """The commands that give somebody the permission. Without a role, the policy is this trust's alone."""
    name = aws.INLINE if wants.by_role else wants.bucket.policy_name
    return [line for who in holder.named for line in _inline(who, name, file, shared=wants.by_role)]


def _inline(who: str, name: str, file: str, *, shared: bool) -> list[str]:
    """The commands that write a policy in a role or user.

    :param who: such as ``role --role-name x``.
    :param shared: whether it may have statements of other trusts.
    """
    kind, _space, option = who.partition(" ")
    got = f"aws iam get-{kind}-policy {option} --policy-name {name} --query PolicyDocument --output json > {file}"
    return [
        *([got, f"# now put the statement into {file}"] if shared else []),
        f"aws iam put-{kind}-policy {option} --policy-name {name} --policy-document file://{file}",
    ]


def _afterwards(wants: Wants, auth: t.Mapping[str, str]) -> list[str]:
    chosen = "the external id that was chosen, and " if CHOOSE in wants.external_id else ""
    told = "\n".join(["```yaml", *(f"{name}: {value}" for name, value in auth.items()), "```"])
    back = (
        [
            f"Hand back {chosen}that it is done. The `auth` of the location is then this, beside the credentials of who uses it:",
            told,
        ]
        if auth
        else [
            "Hand back that it is done. The `auth` of the location has the credentials of who uses it, and nothing of this."
        ]
    )
    return [
        "## When it is done",
        *back,
        (
            "To have it proven, run the same again without `render_only` (`trust_render_only`), with credentials that may read what was "
            "made as `location_account.auth` and those of who uses it as `controller_account.auth`. It changes nothing if all is as it is "
            "here, and each line of its proof says what was tried. No trust is proven before."
        ),
    ]


def _keys(wants: Wants) -> list[str]:
    if wants.keys is None:
        return []
    user = f"--user-name {wants.keys.user}"
    return [
        (
            "An access key of the user, which belongs into a file of mode 0600 as "
            '`{"access_key": "...", "secret_key": "..."}`, at the secret_path of later runs. To replace it: a new one first, into the file; '
            "when it is seen to work, the old one is disabled, and deleted later."
        ),
        _commands(
            f"aws iam create-access-key {user}",
            f"aws iam update-access-key {user} --access-key-id THE-OLD-ONE --status Inactive",
            f"aws iam delete-access-key {user} --access-key-id THE-OLD-ONE",
        ),
    ]


def _pods(wants: Wants, shown: t.Mapping[str, t.Any]) -> list[str]:
    pods = wants.pods
    if pods is None:
        return []
    associations = [
        f"aws eks create-pod-identity-association --region {pod.region} --cluster-name {pod.cluster_name} "
        f"--namespace {pod.namespace} \\\n    --service-account {pod.name} --role-arn {pods.role_arn} "
        f"--target-role-arn {pods.target_arn} --tags {aws.MARK}={pods.bucket}"
        for pod in pods.pods
    ]
    return [
        (
            f"A role {pods.role}, which EKS takes over for the pods first (`pods.json`; if the role is there, put the statements among those "
            "of its trust policy, and use `aws iam update-assume-role-policy`):"
        ),
        _json(shown["pod_trust_policy"]),
        "What it may do is to take over the other role, with tags. " + _merged("assume.json"),
        _json(shown["assume_permission"]),
        "The cluster needs the add-on eks-pod-identity-agent, which is none of this.",
        _commands(
            f"aws iam create-role --role-name {pods.role} --assume-role-policy-document file://pods.json "
            f"--tags Key={aws.MARK},Value={pods.bucket}",
            *_inline(f"role --role-name {pods.role}", aws.INLINE, "assume.json", shared=True),
            *associations,
        ),
    ]


def _json(document: t.Any) -> str:
    return f"```json\n{json.dumps(document, indent=2)}\n```"


def _commands(*lines: str) -> str:
    return "\n".join(["```", *lines, "```"])
