# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module ``aws_trust``. Private to the collection."""

from __future__ import annotations

import functools
import json
import secrets as random
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.account import AccountCheck
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.keys import Keys
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.botocore_session import require_botocore
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.certificates import TrustedCertificates
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.rules import check_location
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3 import s3_access
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_calls import S3Calls
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_client import S3Settings, make_client
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_identity import frozen_keys
from ansible_collections.stowage.kubernetes.plugins.module_utils._task import Task
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import aws
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import aws_documents as documents
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.aws_iam import IamApi
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.aws_trials import (
    Caller,
    Session,
    assume_trials,
    other_trial,
    token_trial,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.lines import (
    Answer,
    Seen,
    Trial,
    not_tried,
    prove,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.model import Change
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.request import Request, TaskClock, result_of
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.s3_permissions import policy, statements
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.s3_trials import S3Caller
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.set_trials import control_of, proof, refused

AUTO: t.Final = "auto"
_LATER: t.Final = "made-when-it-is-run"
_TO_CHOOSE: t.Final = "CHOOSE-ONE"
_ACCOUNT_DIGITS: t.Final = 12

Tree = t.Mapping[str, t.Any]


class AwsTrust:
    """One run of the module."""

    def __init__(self, task: Task) -> None:
        require_botocore()
        self._task = task
        self._request = Request.of(task.params, "aws")
        self._trust = TrustedCertificates(str(self._request.location.get("ca_cert") or ""))
        self._settings = S3Settings.from_options(self._request.location, task.environ)
        self._partition = self._settings.partition
        self._account = _number(task.params["location_account"], "location_account")
        self._iam: IamApi | None = None

    def run(self) -> dict[str, t.Any]:
        """Does what the task asks for.

        :raises StowageError: as :func:`ensure_aws_trust` says.
        """
        task, request = self._task, self._request
        if request.render_only:
            given = str(task.params["external_id"] or "")
            wanted = self._wanted(_TO_CHOOSE if given == AUTO and task.params["principals"] else given)
            return result_of(task, request, [], documents=_documents(wanted), review=_review(wanted))
        self._iam = iam = IamApi(self._keys("location_account"), *self._where("iam_endpoint"))
        other = IamApi(self._keys("cluster_account"), *self._where("iam_endpoint")) if self._holder() else None
        role = iam.role(request.name)
        external_id = self._external_id(documents.external_id_of(role.trust) if role else "")
        wanted = self._wanted(external_id)
        found = aws.look(iam, other, wanted)
        clock = TaskClock(task)
        if request.absent:
            changes = aws.plan_removal(wanted, found)
            if not task.check:
                aws.apply(iam, other, wanted, changes, clock=clock, patience=request.patience)
            return result_of(task, request, changes)
        changes = aws.plan(wanted, found)
        if not task.check:
            aws.apply(iam, other, wanted, changes, clock=clock, patience=request.patience)
        return self._told(wanted, found, changes, external_id)

    def close(self) -> None:
        """Removes temporary files."""
        self._trust.close()

    def _told(
        self, wanted: aws.Wanted, found: aws.Found, changes: t.Sequence[Change], external_id: str
    ) -> dict[str, t.Any]:
        trials = self._trials(wanted, external_id)
        if self._task.check and changes:
            lines = not_tried(trials, "Nothing is tried before the changes are made.")
        elif not self._request.verify:
            lines = not_tried(trials, "Nobody asked for it: verify is false.")
        else:
            lines = prove(trials, TaskClock(self._task), patience=self._request.patience)
        role = found.role
        strangers = [*documents.foreign(role.trust), *(sorted(role.inline.keys() - {aws.INLINE}))] if role else []
        if role and documents.gone(role.trust):
            self._task.warn(f"The trust policy of {wanted.name} names roles or users that were deleted.")
        return result_of(
            self._task,
            self._request,
            changes,
            lines,
            auth=self._auth(wanted, external_id),
            foreign=[json.dumps(one) if isinstance(one, dict) else f"policy {one}" for one in strangers],
            documents=_documents(wanted),
        )

    # what is wanted

    def _wanted(self, external_id: str) -> aws.Wanted:
        params, request = self._task.params, self._request
        trusted = documents.Trusted(
            principals=tuple(params["principals"] or ()),
            principal_arns=tuple(params["principal_arns"] or ()),
            organization=str(params["organization"] or ""),
            external_id=external_id,
            subjects=tuple(
                documents.Subject(str(one["issuer"]), str(one["namespace"]), str(one["name"]))
                for one in params["service_accounts"] or ()
            ),
        )
        if not request.absent:
            documents.check_trusted(trusted)
        permissions = statements(
            request.grants, self._settings.bucket, request.location["prefix"], partition=self._partition
        )
        if params["kms_key_arn"]:
            writes = request.permissions == "writer" or params["writes_restores"]
            permissions += documents.key_statements(params["kms_key_arn"], self._settings.region, writes=writes)
        return aws.Wanted(
            name=request.name,
            bucket=self._settings.bucket,
            account=self._account,
            partition=self._partition,
            trust=tuple(documents.trust_statements(trusted, self._account, self._partition)),
            permissions=tuple(permissions),
            hosts=tuple(sorted({one.host for one in trusted.subjects})),
            longest=params["max_session_duration"],
            boundary=str(params["permissions_boundary"] or ""),
            tags=dict(params["tags"] or {}),
            holder=self._holder(),
        )

    def _holder(self) -> tuple[str, str] | None:
        given = self._task.params["cluster_account"] or {}
        for kind in ("role", "user"):
            if given.get(kind):
                return kind, str(given[kind])
        return None

    def _external_id(self, there: str) -> str:
        """That of our statement is kept; one is made only where there is none."""
        given = str(self._task.params["external_id"] or "")
        if given != AUTO:
            return given
        if not self._task.params["principals"]:
            return ""
        return there or (_LATER if self._task.check else f"stowage-{random.token_hex(16)}")

    # parties

    def _where(self, endpoint: str) -> tuple[str, str, str | None]:
        return self._settings.region, str(self._task.params[endpoint] or ""), self._trust.verify

    def _keys(self, party: str) -> Keys:
        """The keys of a party, which are of the account that it says."""
        given = self._task.params[party] or {}
        ambient = party == "location_account"
        auth = {name: value for name, value in (given.get("auth") or {}).items() if value is not None}
        if not ambient and auth.get("method") not in {"access_key", "assume_role"}:
            hint = (
                "Set its method to access_key or assume_role: only location_account may use what the environment has."
            )
            raise StowageError("credentials_missing", f"{party}.auth says no credentials of its own.", hint)
        checked = check_location({**self._task.params["location"], "auth": auth})["auth"]
        access = s3_access(self._settings, self._trust, checked, self._task.environ if ambient else {})
        self._task.hide(access.credentials.secrets)
        AccountCheck(_number(given, party), access.sts, access.credentials.source).pass_or_raise()
        keys = frozen_keys(access.credentials.source)
        self._task.hide(keys.secrets())
        return keys

    # proof

    def _trials(self, wanted: aws.Wanted, external_id: str) -> list[Trial]:
        trials: list[Trial] = []
        me: Session | None = None
        everywhere: Session | None = None
        if (self._task.params["cluster_account"] or {}).get("auth") and self._task.params["principals"]:
            caller = self._caller(self._keys("cluster_account"))
            ask = functools.partial(caller.assume, wanted.role_arn, external_id)
            me, everywhere = self._session(ask), self._session(ask, everywhere=True)
            trials += assume_trials(caller, wanted.role_arn, external_id, me)
        trials += self._token_trials(wanted)
        if me is None or everywhere is None:
            me, everywhere = self._token_sessions(wanted)
        trials += self._location_trials(me, everywhere)
        for one in self._task.params["verify_as"] or ():
            keys = Keys(str(one["access_key"]), str(one["secret_key"]), str(one["session_token"] or ""))
            self._task.hide(keys.secrets())
            trials.append(other_trial(str(one["name"]), self._caller(keys), wanted.role_arn, external_id))
        return trials

    def _location_trials(self, me: Session, everywhere: Session) -> list[Trial]:
        anonymous = self._open(None)
        trials: list[Trial] = []
        for cluster in self._request.clusters:
            control, folder = control_of(me, cluster), f"clusters/{cluster}/"
            trials += proof(me, self._request.permissions, cluster)
            if self._request.location["prefix"]:
                outside = "stowage-trust-check/{0}"
                trials.append(refused("outside_prefix_create_refused", everywhere, "create", outside, control))
                trials.append(refused("outside_prefix_list_refused", everywhere, "list", "", control))
            trials.append(refused("anonymous_list_refused", anonymous, "list", folder, None))
            document = folder + "backups/{0}/velero-backup.json"
            trials.append(refused("anonymous_read_refused", anonymous, "read", document, None))
        return trials

    def _token_trials(self, wanted: aws.Wanted) -> list[Trial]:
        given = self._task.params["verify_tokens"] or ()
        allowed = next((one for one in given if one["expected"] == "allowed"), None)
        control = self._token_sessions(wanted)[0].begin if allowed else None
        caller = self._caller(None)
        trials = []
        for one in given:
            ask = functools.partial(caller.federate, wanted.role_arn, str(one["path"]))
            expected: t.Literal["allowed", "refused"] = one["expected"]
            trials.append(token_trial(str(one["name"]), expected, ask, control if expected == "refused" else None))
        return trials

    def _token_sessions(self, wanted: aws.Wanted) -> tuple[Session, Session]:
        """Sessions by the token that is expected to get one, within the prefix and outside of it."""
        given = self._task.params["verify_tokens"] or ()
        path = next((str(one["path"]) for one in given if one["expected"] == "allowed"), "")
        ask: t.Callable[[], tuple[Seen, Keys | None]] = _nobody
        if path:
            ask = functools.partial(self._caller(None).federate, wanted.role_arn, path)
        return self._session(ask), self._session(ask, everywhere=True)

    def _caller(self, keys: Keys | None) -> Caller:
        return Caller(keys, *self._where("sts_endpoint"))

    def _session(self, ask: t.Callable[[], tuple[Seen, Keys | None]], *, everywhere: bool = False) -> Session:
        return Session(ask, functools.partial(self._open, everywhere=everywhere), self._task.hide)

    def _open(self, keys: Keys | None, *, everywhere: bool = False) -> S3Caller:
        client = make_client(self._settings, keys, self._trust.verify, signed=keys is not None)
        calls = S3Calls(client, self._settings, self._task.progress.stopped)
        return S3Caller(calls, "" if everywhere else self._settings.prefix, signed=keys is not None)

    # what is told

    def _auth(self, wanted: aws.Wanted, external_id: str) -> dict[str, str]:
        if not self._task.params["principals"]:
            return {"method": "web_identity", "role_arn": wanted.role_arn}
        auth = {"method": "assume_role", "role_arn": wanted.role_arn}
        return auth | ({"external_id": external_id} if external_id else {})


def _nobody() -> tuple[Seen, Keys | None]:
    return Seen(Answer.UNDECIDED, "nobody was named who is let in (cluster_account.auth, or verify_tokens)."), None


def _number(given: Tree | None, party: str) -> str:
    account = str((given or {}).get("account") or "")
    if len(account) != _ACCOUNT_DIGITS or not account.isdigit():
        raise StowageError("invalid_option", f"{party}.account is no number of an AWS account.", "It has 12 digits.")
    return account


def _documents(wanted: aws.Wanted) -> dict[str, t.Any]:
    found = {"trust_policy": policy(wanted.trust), "permissions": policy(wanted.permissions)}
    return found | {"assume_permission": policy([documents.assume_statement(wanted.role_arn)])}


def _review(wanted: aws.Wanted) -> str:
    shown = {name: json.dumps(document, indent=2) for name, document in _documents(wanted).items()}
    providers = [
        f"aws iam create-open-id-connect-provider --url https://{host} --client-id-list {documents.AUDIENCE}\n"
        for host in wanted.hosts
    ]
    return REVIEW.format(
        name=wanted.name,
        account=wanted.account,
        inline=aws.INLINE,
        providers="".join(providers),
        longest=wanted.longest,
        boundary=f" --permissions-boundary {wanted.boundary}" if wanted.boundary else "",
        tags=" ".join(f"Key={key},Value={value}" for key, value in wanted.all_tags.items()),
        **shown,
    )


REVIEW: t.Final = """# Trust {name} at AWS

## In the account {account}, which has the bucket

A role {name}. Who may take it over (`trust.json`; where it says CHOOSE-ONE, put a long random text, and use that as `external_id`):

```json
{trust_policy}
```

What it may do then (`permissions.json`):

```json
{permissions}
```

```
{providers}aws iam create-role --role-name {name} --assume-role-policy-document file://trust.json \\
    --max-session-duration {longest}{boundary} --tags {tags}
aws iam put-role-policy --role-name {name} --policy-name {inline} --policy-document file://permissions.json
```

## In the account of the cluster

For the role or user that takes it over (`assume.json`):

```json
{assume_permission}
```

```
aws iam put-role-policy --role-name ROLE-OF-THE-CLUSTER --policy-name {inline} --policy-document file://assume.json
aws iam put-user-policy --user-name OR-ITS-USER --policy-name {inline} --policy-document file://assume.json
```
"""


def ensure_aws_trust(task: Task) -> dict[str, t.Any]:
    """Run the module.

    :raises StowageError: ``trust_in_use``, ``wrong_account``, and what keeps it from being done.
    :raises TaskFailedError: ``trust_not_proven``.
    """
    trust = AwsTrust(task)
    try:
        return trust.run()
    finally:
        trust.close()
