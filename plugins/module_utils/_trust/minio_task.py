# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module ``minio_trust``. Private to the collection."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.keys import (
    MINIO_VARIABLES,
    Keys,
    keys_of_environment,
    keys_of_options,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.botocore_session import require_botocore
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.certificates import TrustedCertificates
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_calls import S3Calls
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_client import S3Settings, make_client
from ansible_collections.stowage.kubernetes.plugins.module_utils._task import Task, TaskFailedError
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import key_file, minio
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.lines import (
    Line,
    Trial,
    not_tried,
    prove,
    unproven,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.minio_admin import MinioAdminApi
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.model import Change
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.request import Request, TaskClock, result_of
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.s3_permissions import policy, statements
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.s3_trials import S3Caller
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.set_trials import control_of, proof, refused


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
            self._request.name, self._settings.bucket, found, str(params["secret_path"] or ""), params["rotate"]
        )
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
        if not request.absent and not self._wanted.secret_path:
            raise StowageError(
                "invalid_option", "state: present needs secret_path.", "Say which file keeps the access key."
            )
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
            lines = not_tried(self._trials(None), why) if changes else self._proven(found.kept)
            return self._result(changes, lines, found.kept)
        return self._made(admin, changes, found.kept)

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
        self._task.hide(keys.secrets())
        if not self._settings.endpoint.startswith("https://") and not _stays_here(self._settings.endpoint):
            hint = "Give MinIO a certificate, and set an https:// endpoint."
            raise StowageError("invalid_option", "Keys of an administrator do not go over plain HTTP.", hint)
        return MinioAdminApi(self._settings.endpoint, keys.access_key, keys.secret_key, self._trust.verify)

    # proof

    def _proven(self, kept: str) -> list[Line]:
        if not self._request.verify:
            return not_tried(self._trials(None), "Nobody asked for it: verify is false.")
        keys = key_file.read_keys(self._wanted.secret_path)
        if keys is None or keys[0] != kept:
            return not_tried(self._trials(None), "The file of secret_path has no key to try it with.")
        self._task.hide([keys[1]])
        return prove(self._trials(Keys(*keys)), TaskClock(self._task), patience=self._request.patience)

    def _trials(self, keys: Keys | None) -> list[Trial]:
        """All lines; without keys only to be named."""
        require_botocore()
        me = self._caller(keys)
        everywhere = self._caller(keys, everywhere=True)
        anonymous = self._caller(None)
        trials: list[Trial] = []
        for cluster in self._request.clusters:
            control = control_of(me, cluster)
            folder = f"clusters/{cluster}/"
            trials += proof(me, self._request.permissions, cluster)
            if self._request.location["prefix"]:
                trials.append(
                    refused("outside_prefix_create_refused", everywhere, "create", "stowage-trust-check/{0}", control)
                )
                trials.append(refused("outside_prefix_list_refused", everywhere, "list", "", control))
            trials.append(refused("anonymous_list_refused", anonymous, "list", folder, None))
            trials.append(
                refused("anonymous_read_refused", anonymous, "read", folder + "backups/{0}/velero-backup.json", None)
            )
            for name, other in self._others:
                caller = self._caller(other)
                trials.append(refused(f"as_{name}_list_refused", caller, "list", folder, caller.known))
                trials.append(
                    refused(f"as_{name}_create_refused", caller, "create", folder + "backups/{0}/x", caller.known)
                )
        return trials

    def _caller(self, keys: Keys | None, *, everywhere: bool = False) -> S3Caller:
        client = make_client(self._settings, keys, self._trust.verify, signed=keys is not None)
        return S3Caller(
            S3Calls(client, self._settings, self._task.progress.stopped), "" if everywhere else self._settings.prefix
        )

    # what is told

    def _result(self, changes: t.Sequence[Change], lines: t.Sequence[Line], kept: str) -> dict[str, t.Any]:
        auth = {"method": "access_key", "access_key": kept} if kept else {}
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
        return {} if self._request.absent else {"policy": dict(self._wanted.document)}

    def _review(self) -> str:
        name, text = self._request.name, json.dumps(self._wanted.document, indent=2)
        return REVIEW.format(name=name, endpoint=self._settings.endpoint, policy=text)


REVIEW: t.Final = """# Trust {name} in MinIO at {endpoint}

A policy and a user, both named {name}. The policy:

```json
{policy}
```

With MinIO's command line, where `ALIAS` is an administrator's alias of that server:

```
mc admin policy create ALIAS {name} policy.json
mc admin user add ALIAS {name}          # asks for a secret: a long random one, which nobody needs again
mc admin policy attach ALIAS {name} --user {name}
mc admin accesskey create ALIAS {name} --name stowage
```

What the last line prints belongs into a file of mode 0600 as `{{"access_key": "...", "secret_key": "..."}}`, at the secret_path of later runs.
"""


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
