# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The proof of a trust at AWS: which lines there are, and who tries them. Private to the collection."""

from __future__ import annotations

import dataclasses
import functools
import secrets as random
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import s3_policy
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.keys import Keys
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_calls import S3Calls
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_client import S3Settings, make_client
from ansible_collections.stowage.kubernetes.plugins.module_utils._task import Task
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.aws_iam import failure, service
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.aws_parties import Parties
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.aws_trials import (
    Ask,
    Caller,
    S3Session,
    Session,
    assume_trials,
    bucket_trials,
    other_trial,
    pod_trials,
    token_trial,
    told,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.aws_wanted import Wants
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.closed_trials import closed, outside
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.lines import Answer, Seen, Trial, never
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.request import Request
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.s3_permissions import policy
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.s3_samples import Find, Samples
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.s3_trials import S3Caller, others_of
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.set_trials import (
    NOBODY,
    control_of,
    created_in,
    proof,
    refused,
)

_TLS: t.Final = (
    "Set guard_rails.tls_only, or tls_only of backup_location, so that the bucket refuses what is not encrypted."
)
_KEY: t.Final = "Set key_policy or key_grant, or let the key's policy name the role, or allow the account to decide by IAM policies."
_DIRECT: t.Final = (
    "Look for a policy that lets the caller use the key without kms:ViaService, or a grant that no policy narrows so."
)
_TEXT: t.Final = b"stowage-trust-check"
_NOT_ENCRYPTED: t.Final = (
    "Only what was encrypted with the key can tell, for which location_account would need kms:Encrypt."
)
_VERSIONS: t.Final = "Look for the statement of guard_rails.keep_versions in the bucket's policy."


class Proof:
    """The lines that prove a trust."""

    def __init__(self, task: Task, request: Request, parties: Parties, wants: Wants) -> None:
        self._task = task
        self._request = request
        self._settings = parties.settings
        self._verify = parties.verify
        self._parties = parties
        self._wants = wants

    def trials(self) -> list[Trial]:
        """All lines, in order."""
        trials: list[Trial] = []
        asks: list[Ask] = []
        if self._wants.by_role:
            for found, ask in (self._by_principals(), self._by_pods(), self._by_tokens()):
                trials += found
                asks += [ask] if ask else []
        elif self._trusted:
            asks.append(functools.partial(_with_keys, self._trusted))
        ask = asks[0] if asks else _nobody
        me = self._session(ask)
        trials += self._at_location(ask)
        trials.append(self._plain_http(ask if self._wants.by_role else None))
        trials += self._at_key(me, ask) + self._at_rails()
        return trials + [trial for one in self._task.params["verify_as"] or () for trial in self._as_other(one)]

    # who gets in

    @functools.cached_property
    def _trusted(self) -> Keys | None:
        """The keys of who is trusted. A role of theirs may not be there yet, or not let them in: they show nothing then."""
        party = self._parties.trusted
        try:
            return self._parties.keys(party) if party else None
        except LocationError as error:
            if error.code != "permission_denied":
                raise
            self._task.warn(f"There are no credentials for {party}: {error.message}")
            return None

    def _by_principals(self) -> tuple[list[Trial], Ask | None]:
        if self._trusted is None or not self._wants.trusted.principals:
            return [], None
        caller, role, external_id = (
            self._caller(self._trusted),
            self._wants.role.role_arn,
            self._wants.external_id,
        )
        ask = functools.partial(caller.assume, role, external_id)
        return assume_trials(caller, role, external_id, self._session(ask)), ask

    def _by_pods(self) -> tuple[list[Trial], Ask | None]:
        pods = self._wants.pods
        if pods is None:
            return [], None
        caller = self._caller(self._trusted) if self._trusted else None
        caller = caller if caller and caller.is_role(pods.role_arn) else None
        trials: list[Trial] = []
        first: Ask | None = None
        for pod in pods.pods:
            ask: Ask = functools.partial(caller.assume, pods.target_arn, tags=pod.tags) if caller else _no_pod
            first = first or (ask if caller else None)
            name = f"{pod.namespace}_{pod.name}"
            trials += pod_trials(name, caller, pods.target_arn, pod.tags, self._session(ask))
        return trials + self._by_hand(), first

    def _by_hand(self) -> list[Trial]:
        """Whoever administers the clusters' account is not let in as a pod is, and not into the role that pods have first."""
        pods, given = self._wants.pods, (self._task.params["cluster_account"] or {}).get("auth")
        if pods is None or not given:
            return []
        caller = self._caller(self._parties.keys("cluster_account"))
        if caller.is_role(pods.role_arn):
            return []
        tried = functools.partial(
            other_trial,
            "administrator",
            caller,
            external_id="",
            tags=pods.pods[0].tags,
            control_role=str((self._task.params["cluster_account"] or {}).get("control_role_arn") or ""),
        )
        first, target = tried(pods.role_arn), tried(pods.target_arn)
        return [
            dataclasses.replace(
                first, id="pod_role_by_hand_refused", what="sts:AssumeRole of the role of pods, by hand"
            ),
            dataclasses.replace(
                target, id="pod_tags_by_hand_refused", what="sts:AssumeRole with tags of pods, by hand"
            ),
        ]

    def _by_tokens(self) -> tuple[list[Trial], Ask | None]:
        given = self._task.params["verify_tokens"] or ()
        caller, role = self._caller(None), self._wants.role.role_arn
        asks: list[tuple[t.Any, Ask]] = [
            (one, functools.partial(caller.federate, role, str(one["path"]))) for one in given
        ]
        right = next((ask for one, ask in asks if one["expected"] == "allowed"), None)
        control = self._session(right).begin if right else None
        trials = [
            token_trial(str(one["name"]), one["expected"], ask, control if one["expected"] == "refused" else None)
            for one, ask in asks
        ]
        return trials, right

    def _as_other(self, one: t.Mapping[str, t.Any]) -> list[Trial]:
        name, keys = (
            str(one["name"]),
            Keys(str(one["access_key"]), str(one["secret_key"]), str(one["session_token"] or "")),
        )
        self._task.hide(keys.secrets())
        trials = []
        if self._wants.by_role:
            caller, external_id = self._caller(keys), self._wants.external_id
            role, control_role = self._wants.role.role_arn, str(one["control_role_arn"] or "")
            trials.append(other_trial(name, caller, role, external_id, control_role=control_role))
        if not self._wants.by_role or self._wants.rails.organization:
            them = self._open(keys)
            other = str(one["control_bucket"] or "")
            elsewhere = self._open(keys, settings=self._elsewhere(other)) if other else None
            for folder in self._request.folders:
                trials += bucket_trials(name, them, elsewhere, folder)
        return trials

    # what they can do then

    def _at_location(self, ask: Ask) -> list[Trial]:
        samples = Samples(self._owner, self._settings.prefix)
        me = self._session(ask, find=samples.like)
        everywhere = self._session(ask, everywhere=True, find=samples.outside)
        anonymous = self._open(None)
        elsewhere, name = self._closed(), self._request.permissions
        trials: list[Trial] = []
        for number, folder in enumerate(self._request.folders):
            others = () if number else elsewhere
            trials += proof(me, name, folder, others) + closed(me, name, folder, others)
            if self._request.location["prefix"]:
                trials += outside(me, everywhere, name, folder)
            trials.append(refused("anonymous_list_refused", anonymous, "list", folder, None))
            document = folder + "backups/{0}/velero-backup.json"
            trials.append(refused("anonymous_read_refused", anonymous, "read", document, None))
        return trials

    def _closed(self) -> tuple[str, ...]:
        """Clusters whose folders must be closed: such as are there, if the bucket's owner sees any."""
        if not self._request.verify:
            return (NOBODY,)
        return others_of(self._owner(), self._request.clusters) or (NOBODY,)

    def _owner(self) -> S3Calls:
        """The bucket, as its owner."""
        client = make_client(self._settings, self._parties.keys("location_account"), self._verify)
        return S3Calls(client, self._settings, self._task.progress.stopped)

    def _plain_http(self, ask: Ask | None) -> Trial:
        """Without TLS, a session goes over the wire that lasts a quarter of an hour and may only read one key, which is
        random."""
        endpoint = str(self._task.params["http_endpoint"] or "") or _plain(self._settings)
        path = f"{self._request.folders[0]}backups/{random.token_hex(8)}/velero-backup.json"
        line = Trial("plain_http_refused", "refused", "s3:GetObject over plain HTTP", _no_plain, None, _TLS)
        if not endpoint or ask is None:
            return line if ask else dataclasses.replace(line, attempt=_no_session)
        arn = f"arn:{self._wants.role.partition}:s3:::{self._settings.bucket}/{self._settings.prefix}{path}"
        only = policy([{"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": [arn]}])
        narrowed = functools.partial(ask, session_policy=s3_policy.compact(only))
        plain = dataclasses.replace(self._settings, endpoint=endpoint)
        return dataclasses.replace(
            line,
            attempt=functools.partial(self._session(narrowed, settings=plain).may, "read", path),
            control=functools.partial(self._session(narrowed).may, "read", path),
        )

    def _at_key(self, me: S3Session, ask: Ask) -> list[Trial]:
        arn = str(self._task.params["kms_key_arn"] or "")
        if not arn:
            return []
        folder = self._request.folders[0]
        path = created_in(self._request.permissions, folder)
        use = functools.partial(me.tried, lambda caller: caller.encrypt(path, arn)) if path else _nothing_to_read
        region, endpoint = arn.split(":")[3], str(self._task.params["kms_endpoint"] or "")
        direct = Session(ask, lambda keys: service("kms", keys, region, endpoint, self._verify), self._task.hide)
        return [
            Trial("key_through_s3_allowed", "allowed", "kms:GenerateDataKey through S3", use, None, _KEY),
            *(
                Trial(
                    id_,
                    "refused",
                    f"{action}, not through S3",
                    functools.partial(direct.tried, functools.partial(use_key, arn)),
                    control_of(me, folder),
                    _DIRECT,
                )
                for id_, action, use_key in (
                    ("key_outside_s3_refused", "kms:GenerateDataKey", _use_key),
                    (
                        "key_decrypt_outside_s3_refused",
                        "kms:Decrypt",
                        functools.partial(_decrypt, lambda: self._encrypted),
                    ),
                )
            ),
        ]

    @functools.cached_property
    def _encrypted(self) -> bytes:
        """A known text, encrypted with the key by who administers the bucket; empty if they may not."""
        arn = str(self._task.params["kms_key_arn"])
        region, endpoint = arn.split(":")[3], str(self._task.params["kms_endpoint"] or "")
        try:
            kms = service("kms", self._parties.keys("location_account"), region, endpoint, self._verify)
            return bytes(kms.encrypt(KeyId=arn, Plaintext=_TEXT)["CiphertextBlob"])
        except Exception:  # noqa: BLE001 - whatever botocore raises
            return b""

    def _at_rails(self) -> list[Trial]:
        """Who administers the bucket is denied to delete versions, too; others would be refused without the guard rail."""
        rails = self._wants.rails
        if not rails.keep_versions:
            return []
        keys = self._parties.keys("location_account")
        admin, caller = self._open(keys), self._caller(keys)

        def attempt() -> Seen:
            if caller.principal() in rails.version_deleters:
                return never("location_account is among the version_deleters.")
            return admin.delete_version()

        control = functools.partial(admin.may, "list", "")
        what = "s3:DeleteObjectVersion by who administers the bucket"
        return [Trial("delete_version_refused", "refused", what, attempt, control, _VERSIONS)]

    # means

    def _caller(self, keys: Keys | None) -> Caller:
        endpoint = str(self._task.params["sts_endpoint"] or "")
        return Caller(keys, self._settings.region, endpoint, self._verify)

    def _session(
        self, ask: Ask, *, everywhere: bool = False, settings: S3Settings | None = None, find: Find | None = None
    ) -> S3Session:
        opened = functools.partial(self._open, everywhere=everywhere, settings=settings, find=find)
        return S3Session(ask, opened, self._task.hide)

    def _open(
        self,
        keys: Keys | None,
        *,
        everywhere: bool = False,
        settings: S3Settings | None = None,
        find: Find | None = None,
    ) -> S3Caller:
        settings = settings or self._settings
        client = make_client(settings, keys, self._verify, signed=keys is not None)
        calls = S3Calls(client, settings, self._task.progress.stopped)
        return S3Caller(calls, "" if everywhere else settings.prefix, signed=keys is not None, find=find)

    def _elsewhere(self, bucket: str) -> S3Settings:
        """Another bucket, where the same keys are asked for."""
        return dataclasses.replace(self._settings, bucket=bucket, bucket_owner="")


def _use_key(arn: str, kms: t.Any) -> Seen:
    """Asks for a key of data without getting one: KMS says whether it would be made."""
    return _asked_of_key(kms, "generate_data_key", KeyId=arn, KeySpec="AES_256")


def _decrypt(encrypted: t.Callable[[], bytes], arn: str, kms: t.Any) -> Seen:
    """Asks whether a text would be decrypted, without getting it.

    :param encrypted: the text, by the key. Of what is not, who may is told that it is nothing, and who may not may be told so, too.
    """
    text = encrypted()
    seen = _asked_of_key(kms, "decrypt", KeyId=arn, CiphertextBlob=text or _TEXT)
    return never(f"{seen.words} {_NOT_ENCRYPTED}") if seen.answer is Answer.UNDECIDED and not text else seen


def _asked_of_key(kms: t.Any, operation: str, **parameters: t.Any) -> Seen:
    try:
        getattr(kms, operation)(**parameters, DryRun=True)
    except Exception as error:  # noqa: BLE001 - whatever botocore raises
        found: LocationError = failure(operation, error, "kms")
        if found.failure.store_code != "DryRunOperationException":
            return told(found)
    return Seen(Answer.ALLOWED, "It would be allowed.")


def _with_keys(keys: Keys, **_dummy: str) -> tuple[Seen, Keys | None]:
    return Seen(Answer.ALLOWED, "There are credentials."), keys


def _plain(settings: S3Settings) -> str:
    """Where AWS itself answers plain HTTP; empty for other endpoints. Pure."""
    if not settings.own_endpoint:
        return ""
    if settings.endpoint:
        return settings.endpoint.replace("https://", "http://", 1)
    return f"http://s3.{settings.region}.amazonaws.com" + (".cn" if settings.region.startswith("cn-") else "")


def _undecided(words: str) -> t.Callable[..., Seen]:
    return lambda: never(words)


_NOBODY: t.Final = "nobody was named who is let in (controller_account.auth, cluster_account.auth, or verify_tokens)."
_NOT_A_POD: t.Final = (
    "only EKS is let into the role of pods; controller_account.auth may be a session of it, to try this."
)
_no_plain: t.Final = _undecided("It is not known where the store answers plain HTTP (http_endpoint).")
_no_session: t.Final = _undecided(
    "Keys that are in use are not sent over plain HTTP, and there is no session without a role."
)
_nothing_to_read: t.Final = _undecided("Only reading an object that is encrypted with the key can show it.")


def _nobody(**_dummy: str) -> tuple[Seen, Keys | None]:
    return never(_NOBODY), None


def _no_pod(**_dummy: str) -> tuple[Seen, Keys | None]:
    return never(_NOT_A_POD), None
