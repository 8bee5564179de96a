# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module ``minio_trust``. Private to the collection."""

from __future__ import annotations

import functools
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.keys import (
    MINIO_VARIABLES,
    Keys,
    keys_of_environment,
    keys_of_options,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.sts import StsAccess
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.botocore_session import require_botocore
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.certificates import TrustedCertificates
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_calls import S3Calls
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_client import S3Settings, make_client
from ansible_collections.stowage.kubernetes.plugins.module_utils._task import Task, TaskFailedError
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import key_file, minio
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.closed_trials import closed
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.lines import (
    Answer,
    Line,
    Seen,
    Trial,
    not_tried,
    prove,
    unproven,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.minio_admin import MinioAdminApi
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.minio_review import review
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.minio_trials import (
    Asked,
    Login,
    LoginSession,
    Party,
    ask_with_password,
    ask_with_token,
    of_party,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.model import Change
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.request import Request, TaskClock, result_of
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.s3_permissions import policy, statements
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.s3_trials import S3Caller, others_of
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.set_trials import (
    NOBODY,
    control_of,
    proof,
    refused,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.sets import Operation


class MinioTrust:
    """One run of the module."""

    def __init__(self, task: Task) -> None:
        params = task.params
        self._task = task
        self._request = Request.of(params, "minio")
        self._trust = TrustedCertificates(str(self._request.location.get("ca_cert") or ""))
        self._settings = S3Settings.from_options(self._request.location, {})
        found = policy(statements(self._request.grants, self._settings.bucket, self._request.location["prefix"]))
        self._wanted = minio.Wanted(
            self._request.name,
            self._settings.bucket,
            found,
            str(params["secret_path"] or ""),
            params["rotate"],
            tuple(sorted(set(params["members"] or ()))),
            (
                *(f"user:{one}" for one in sorted(set(params["ldap_users"] or ()))),
                *(f"group:{one}" for one in sorted(set(params["ldap_groups"] or ()))),
            ),
        )
        self._logins = self._all_logins()
        self._check()
        self._owner: Keys | None = None
        self._controller = keys_of_options(params["controller_account"] or {})
        task.hide(self._controller.secrets() if self._controller else ())
        self._others = [
            (str(one["name"]), Keys(str(one["access_key"]), str(one["secret_key"])))
            for one in params["verify_as"] or ()
        ]

    def run(self) -> dict[str, t.Any]:
        """Does what the task asks for.

        :raises StowageError: as :func:`ensure_minio_trust` says.
        """
        request = self._request
        if request.render_only:
            return result_of(self._task, request, [], documents=self._documents(), review=self._review())
        admin = self._admin()
        found = minio.look(admin, request.name, self._wanted.secret_path)
        if request.absent:
            return self._removed(admin, found)
        changes = minio.plan(self._wanted, found)
        if not request.verify:
            # The old key is all that is known to work.
            changes = [change for change in changes if not minio.retires(change)]
        if any(change.what == "access_key" and not minio.retires(change) for change in changes):
            key_file.check_writable(self._wanted.secret_path)
        if self._task.check:
            why = "Nothing is tried before the changes are made."
            lines = self._not_tried(why) if changes else self._proven(found.kept)
            return self._result(changes, lines, found.kept)
        return self._made(admin, changes, found.kept)

    def _check(self) -> None:
        """:raises StowageError: ``invalid_option``."""
        params, name = self._task.params, self._request.name
        if self._request.absent or self._request.render_only:
            return
        wanted = self._wanted
        if not (wanted.secret_path or wanted.members or wanted.directory or params["web_identity"]):
            others = "members, ldap_users, ldap_groups or web_identity"
            message = f"Nobody would have the policy: state: present needs secret_path, {others}."
            raise StowageError("invalid_option", message, "Say which file keeps the access key of a user of its own.")
        if self._wanted.rotate and not self._wanted.secret_path:
            raise StowageError("invalid_option", "rotate needs secret_path.", "Only the keys of a user are replaced.")
        if params["verify_ldap"] and not self._settings.endpoint.startswith("https://"):
            raise StowageError("invalid_option", "Passwords do not go over plain HTTP.", "Set an https:// endpoint.")
        if name in self._wanted.members:
            message = "The trust's own user is no member of its group."
            raise StowageError("invalid_option", message, "Leave it out of members.")

    def _made(self, admin: MinioAdminApi, changes: t.Sequence[Change], kept: str) -> dict[str, t.Any]:
        done: list[Change] = []
        try:
            made = minio.apply(admin, self._wanted, changes, done)
            if made:
                self._task.hide([made[1]])
                kept = made[0]
            lines = self._proven(kept)
            certain = all(line.verdict == "passed" for line in lines if line.expected == "allowed")
            if certain and not unproven(lines, self._request.required):
                minio.retire(admin, changes, done)
        except StowageError as error:
            raise TaskFailedError(error, self._result(done, [], kept)) from None
        return self._result(done, lines, kept)

    def close(self) -> None:
        """Removes temporary files."""
        self._trust.close()

    def _removed(self, admin: MinioAdminApi, found: minio.Found) -> dict[str, t.Any]:
        changes = minio.plan_removal(self._wanted, found)
        if self._task.check:
            return self._result(changes, [], "")
        done: list[Change] = []
        try:
            minio.remove(admin, changes, done)
        except StowageError as error:
            raise TaskFailedError(error, self._result(done, [], "")) from None
        return self._result(done, [], "")

    def _admin(self) -> MinioAdminApi:
        given = self._task.params["location_account"] or {}
        keys = keys_of_options(given) or keys_of_environment(self._task.environ, MINIO_VARIABLES)
        if keys is None:
            hint = "Set location_account.access_key and secret_key, or MINIO_ACCESS_KEY and MINIO_SECRET_KEY."
            raise StowageError("credentials_missing", "Nothing says who administers MinIO.", hint)
        self._owner = keys
        self._task.hide(keys.secrets())
        if not self._settings.endpoint.startswith("https://") and not _stays_here(self._settings.endpoint):
            hint = "Give MinIO a certificate, and set an https:// endpoint."
            raise StowageError("invalid_option", "Keys of an administrator do not go over plain HTTP.", hint)
        return MinioAdminApi(self._settings.endpoint, keys.access_key, keys.secret_key, self._trust.verify)

    # proof

    def _proven(self, kept: str) -> list[Line]:
        if not self._request.verify:
            return self._not_tried("Nobody asked for it: verify is false.")
        path = self._wanted.secret_path
        keys = key_file.read_keys(path) if path else None
        if path and (keys is None or keys[0] != kept):
            return self._not_tried("The file of secret_path has no key to try it with.")
        self._task.hide([keys[1]] if keys else [])
        parties = self._parties(Keys(*keys) if keys else None)
        lines = prove(self._trials(parties), TaskClock(self._task), patience=self._request.patience)
        return lines if parties else not_tried(self._set_trials([self._somebody()]), _NOBODY_HERE) + lines

    def _not_tried(self, why: str) -> list[Line]:
        """All lines by their names."""
        parties = self._parties(None)
        if self._wanted.secret_path or not parties:
            parties = [self._somebody(), *parties]
        return not_tried(self._trials(parties), why)

    def _parties(self, keys: Keys | None) -> list[Party]:
        """Who has the permission set, of whom there are keys or a token here."""
        given = (("", keys), ("controller_", self._controller))
        found = [Party(start, self._caller(one), self._caller(one, everywhere=True)) for start, one in given if one]
        for login in self._logins:
            if login.expected == "allowed":
                me, everywhere = self._session(login), self._session(login, everywhere=True)
                found.append(Party(f"{login.id}_", me, everywhere))
        return found

    def _somebody(self) -> Party:
        """Who is only named."""
        return Party("", self._caller(None), self._caller(None, everywhere=True))

    def _all_logins(self) -> list[Login]:
        """Who of the identities that are named gets a session, or must not."""
        params, hide = self._task.params, self._task.hide
        sts = StsAccess(self._settings.region, self._settings.endpoint, self._trust.verify)
        found = []
        for one in params["verify_tokens"] or ():
            ask: t.Callable[[], Asked] = functools.partial(ask_with_token, sts, str(one["path"]), hide)
            what = f"sts:AssumeRoleWithWebIdentity with the token {one['name']}"
            found.append(Login(f"token_{one['name']}", what, one["expected"], ask))
        for one in params["verify_ldap"] or ():
            hide([str(one["password"])])
            ask = functools.partial(ask_with_password, sts, str(one["username"]), str(one["password"]))
            what = f"sts:AssumeRoleWithLDAPIdentity as {one['name']}"
            found.append(Login(f"ldap_{one['name']}", what, one["expected"], ask))
        return found

    def _session(self, login: Login, *, everywhere: bool = False) -> LoginSession:
        def open_caller(keys: Keys) -> S3Caller:
            return self._caller(keys, everywhere=everywhere)

        return LoginSession(login.ask, open_caller, self._task.hide)

    def _trials(self, parties: t.Sequence[Party]) -> list[Trial]:
        """All lines."""
        require_botocore()
        trials = self._set_trials(parties)
        for folder in self._request.folders:
            trials += self._strangers(folder)
        return trials + self._login_trials()

    def _set_trials(self, parties: t.Sequence[Party]) -> list[Trial]:
        """What those who have the permission set can do, and cannot."""
        trials: list[Trial] = []
        elsewhere = self._closed() if parties else ()
        for number, folder in enumerate(self._request.folders):
            for party in parties:
                control = control_of(party.me, folder)
                others = () if number else elsewhere
                found = proof(party.me, self._request.permissions, folder, others)
                found += closed(party.me, self._request.permissions, folder, others)
                if self._request.location["prefix"]:
                    found += [
                        refused(f"outside_prefix_{operation}_refused", party.everywhere, operation, path, control)
                        for operation, path in _OUTSIDE.items()
                    ]
                trials += of_party(party.start, found)
        return trials

    def _strangers(self, folder: str) -> list[Trial]:
        """What nobody and others cannot do."""
        anonymous = self._caller(None)
        document = folder + "backups/{0}/velero-backup.json"
        trials = [
            refused("anonymous_list_refused", anonymous, "list", folder, None),
            refused("anonymous_read_refused", anonymous, "read", document, None),
        ]
        for name, other in self._others:
            caller = self._caller(other)
            trials.append(refused(f"as_{name}_list_refused", caller, "list", folder, caller.known))
            trials.append(
                refused(f"as_{name}_create_refused", caller, "create", folder + "backups/{0}/x", caller.known)
            )
        return trials

    def _login_trials(self) -> list[Trial]:
        """Who gets a session."""
        trials = []
        for kind in ("token_", "ldap_"):
            logins = [one for one in self._logins if one.id.startswith(kind)]
            right = next((one for one in logins if one.expected == "allowed"), None)
            control = self._session(right).begin if right else _nobody_gets_in
            trials += [one.trial(self._session(one), control) for one in logins]
        return trials

    def _closed(self) -> tuple[str, ...]:
        """Clusters whose folders must be closed to the user: such as are there, if the administrator sees any."""
        if self._owner is None or not self._request.verify:
            return (NOBODY,)
        client = make_client(self._settings, self._owner, self._trust.verify)
        calls = S3Calls(client, self._settings, self._task.progress.stopped)
        return others_of(calls, self._request.clusters) or (NOBODY,)

    def _caller(self, keys: Keys | None, *, everywhere: bool = False) -> S3Caller:
        client = make_client(self._settings, keys, self._trust.verify, signed=keys is not None)
        return S3Caller(
            S3Calls(client, self._settings, self._task.progress.stopped), "" if everywhere else self._settings.prefix
        )

    # what is told

    def _result(self, changes: t.Sequence[Change], lines: t.Sequence[Line], kept: str) -> dict[str, t.Any]:
        web = self._task.params["web_identity"] and not self._request.absent
        auth = {"method": "access_key", "access_key": kept} if kept else {"method": "web_identity"} if web else {}
        return result_of(
            self._task,
            self._request,
            changes,
            lines,
            auth=auth,
            secret_path=self._wanted.secret_path,
            documents=self._documents(),
        )

    def _documents(self) -> dict[str, t.Any]:
        if self._request.absent:
            return {}
        group = {"group": {"members": list(self._wanted.members)}} if self._wanted.members else {}
        directory = {"directory": {"holders": list(self._wanted.directory)}} if self._wanted.directory else {}
        return {"policy": dict(self._wanted.document), **group, **directory}

    def _review(self) -> str:
        return review(self._wanted, self._settings.endpoint, web_identity=bool(self._task.params["web_identity"]))


_OUTSIDE: t.Final[t.Mapping[Operation, str]] = {
    "create": "stowage-trust-check/{0}",
    "read": "stowage-trust-check/{0}",
    "delete": "stowage-trust-check/{0}",
    "list": "",
}
_NOBODY_HERE: t.Final = "Neither a key nor a token nor a password of who has the policy is here to try it with."


def _nobody_gets_in() -> Seen:
    return Seen(Answer.UNDECIDED, "Nobody who must get a session is named (verify_tokens, verify_ldap).")


def _stays_here(endpoint: str) -> bool:
    host = endpoint.removeprefix("http://").rpartition(":")[0]
    return host in {"127.0.0.1", "localhost", "[::1]"}


def ensure_minio_trust(task: Task) -> dict[str, t.Any]:
    """Run the module.

    :raises StowageError: ``trust_in_use``, and what keeps it from being done.
    :raises TaskFailedError: ``trust_not_proven``.
    """
    trust = MinioTrust(task)
    try:
        return trust.run()
    finally:
        trust.close()
