# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""MinIO's admin API, by the package ``minio``, with errors of ours. Private to the collection.

The package gives answers as text, and raises one exception whose code is a status and whose body has the store's error
(``minio/minioadmin.py``, ``minio/error.py`` of 7.2).
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing as t
import urllib.parse

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.keys import printable

KEY_NAME: t.Final = "stowage"
"""The name of access keys of ours."""
_SECONDS: t.Final = 30
_ABSENT: t.Final = frozenset(
    {
        "XMinioAdminNoSuchUser",
        "XMinioAdminNoSuchGroup",
        "XMinioAdminNoSuchPolicy",
        "XMinioAdminServiceAccountNotFound",
        "XMinioInvalidIAMCredentials",
    }
)
_NO_DIRECTORY: t.Final = frozenset({"XMinioIAMActionNotAllowed", "XMinioLDAPNotEnabled"})
# What options ask for that this MinIO does not have -> what happened, hint.
_UNFIT: t.Final[t.Mapping[str, tuple[str, str]]] = {
    "XMinioAdminNoSuchUser": ("there is no such user", "Name users that are there."),
    "XMinioAdminNoSuchGroup": ("there is no such group", "Name groups that are there."),
    "XMinioLDAPNotEnabled": ("it has no directory (LDAP)", "Leave ldap_users and ldap_groups out."),
    "XMinioIAMActionNotAllowed": (
        "a MinIO with a directory (LDAP) has no users and groups of its own",
        "Leave secret_path and members out, and name ldap_users or ldap_groups.",
    ),
}
_UNKNOWN_KEYS: t.Final = frozenset({"InvalidAccessKeyId", "SignatureDoesNotMatch", "XMinioAdminNoSuchAccessKey"})


@dataclasses.dataclass(frozen=True)
class AccessKey:
    """An access key of a user, without its secret."""

    access_key: str
    ours: bool
    enabled: bool


@dataclasses.dataclass(frozen=True)
class User:
    """A user, with the policies that are attached to it and the groups that it is in."""

    policies: frozenset[str]
    groups: frozenset[str]
    enabled: bool


@dataclasses.dataclass(frozen=True)
class Group:
    """A group, with the policies that are attached to it and the users that are in it."""

    policies: frozenset[str]
    members: frozenset[str]


class MinioAdminApi:
    """What is asked of the admin API, as one identity.

    :param endpoint: scheme, host and port.
    :param verify: a file of trusted certificates.
    :raises StowageError: ``dependency_missing``.
    """

    def __init__(self, endpoint: str, access_key: str, secret_key: str, verify: str | None) -> None:
        try:
            import urllib3
            from minio import MinioAdmin
            from minio.credentials.providers import StaticProvider
        except ImportError:
            message = "The Python package minio is missing."
            raise StowageError("dependency_missing", message, "pip install 'minio>=7.2.0,!=7.2.19'") from None
        parts = urllib.parse.urlsplit(endpoint)
        # The package's own pool waits for five minutes and tries five times.
        timeout = urllib3.Timeout(connect=_SECONDS, read=_SECONDS)
        pool = urllib3.PoolManager(timeout=timeout, retries=False, cert_reqs="CERT_REQUIRED", ca_certs=verify)
        self.endpoint = endpoint
        self._verify = verify
        self._secret = secret_key
        self._admin: t.Any = MinioAdmin(
            endpoint=parts.netloc,
            credentials=StaticProvider(access_key, secret_key),
            secure=parts.scheme == "https",
            http_client=pool,
        )

    def as_user(self, access_key: str, secret_key: str) -> MinioAdminApi:
        """The same API as somebody else."""
        return MinioAdminApi(self.endpoint, access_key, secret_key, self._verify)

    def policy(self, name: str) -> dict[str, t.Any] | None:
        """A policy's document, ``None`` if there is none. What MinIO keeps as sets, it tells in another order each time."""
        found = self._asked("Reading a policy", "policy_info", name)
        if not isinstance(found, dict):
            return None
        # Newer servers wrap the document.
        document = found.get("Policy", found)
        return dict(_in_order(document)) if isinstance(document, dict) else None

    def put_policy(self, name: str, document: t.Mapping[str, t.Any]) -> None:
        """Creates a policy or replaces it."""
        self._done("Writing a policy", "policy_add", name, policy=dict(document))

    def remove_policy(self, name: str) -> None:
        """Deletes a policy."""
        self._done("Deleting a policy", "policy_remove", name)

    def user(self, name: str) -> User | None:
        """A user, ``None`` if there is none; sessions and access keys, of which MinIO does not tell by their names, are none."""
        try:
            found = self._asked("Looking for a user", "user_info", name)
        except StowageError as error:
            if error.details.get("store_code") == "XMinioIAMActionNotAllowed":
                return None
            raise
        if not isinstance(found, dict):
            return None
        attached = [part for part in str(found.get("policyName") or "").split(",") if part]
        groups = frozenset(map(str, found.get("memberOf") or ()))
        return User(frozenset(attached), groups, found.get("status") != "disabled")

    def put_user(self, name: str, secret: str) -> None:
        """Creates a user, or gives it another secret; its access keys stay."""
        self._done("Making a user", "user_add", name, secret)

    def remove_user(self, name: str) -> None:
        """Deletes a user, and its access keys with it."""
        self._done("Deleting a user", "user_remove", name)

    def attach(self, policy: str, user: str) -> None:
        """Attaches a policy to a user."""
        self._done("Attaching a policy", "attach_policy", [policy], user=user)

    def detach(self, policy: str, user: str) -> None:
        """Detaches a policy from a user."""
        self._done("Detaching a policy", "detach_policy", [policy], user=user)

    def group(self, name: str) -> Group | None:
        """A group, ``None`` if there is none. A MinIO with a directory answers for every name."""
        found = self._asked("Looking for a group", "group_info", name)
        if not isinstance(found, dict) or not found.get("status"):
            return None
        attached = [part for part in str(found.get("policy") or "").split(",") if part]
        return Group(frozenset(attached), frozenset(map(str, found.get("members") or ())))

    def put_members(self, group: str, members: t.Sequence[str]) -> None:
        """Creates a group, or puts more users into it.

        :raises StowageError: also for users that there are not.
        """
        self._done("Putting users into a group", "group_add", group, list(members))

    def drop_members(self, group: str, members: t.Sequence[str]) -> None:
        """Takes users out of a group."""
        self._done("Taking users out of a group", "group_remove", group, list(members))

    def remove_group(self, group: str) -> None:
        """Deletes a group that nobody is in."""
        self._done("Deleting a group", "group_remove", group)

    def attach_to_group(self, policy: str, group: str) -> None:
        """Attaches a policy to a group."""
        self._done("Attaching a policy", "attach_policy", [policy], group=group)

    def holders(self, policy: str) -> list[str]:
        """Users and groups that a policy is attached to, as ``user:NAME`` and ``group:NAME``. Identities that have a session by
        their token are listed as users, and are none."""
        found = self._asked("Looking who has a policy", "get_policy_entities", [], [], [policy])
        names = _holders(found, policy)
        return [name for name in names if name.startswith("group:") or self.user(name.removeprefix("user:"))]

    def directory_holders(self, policy: str) -> list[str]:
        """Users and groups of the directory (LDAP) that a policy is attached to, by their distinguished names; none where MinIO has
        no directory. The package has no call for it."""

        def ask() -> str:
            from minio.crypto import decrypt

            command = types.SimpleNamespace(value="idp/ldap/policy-entities")
            query = {"policy": [policy]}
            answer = self._admin._url_open(method="GET", command=command, query_params=query, preload_content=False)
            return decrypt(answer, self._secret).decode()

        try:
            return _holders(self._decoded("Looking who of the directory has a policy", ask), policy)
        except StowageError as error:
            if error.details.get("store_code") in _NO_DIRECTORY:
                return []
            raise

    def attach_to_directory(self, policy: str, holder: str) -> None:
        """Attaches a policy to ``user:NAME`` or ``group:NAME`` of the directory.

        :raises StowageError: ``invalid_option`` for names that the directory does not have.
        """
        kind, _colon, name = holder.partition(":")
        self._done("Attaching a policy in the directory", "attach_policy_ldap", [policy], **{kind: name})

    def detach_from_directory(self, policy: str, holder: str) -> None:
        """Detaches a policy from ``user:NAME`` or ``group:NAME`` of the directory."""
        kind, _colon, name = holder.partition(":")
        self._done("Detaching a policy in the directory", "detach_policy_ldap", [policy], **{kind: name})

    def access_keys(self, user: str) -> list[AccessKey]:
        """The access keys of a user."""
        answer = self._asked("Listing access keys", "list_service_account", user)
        accounts = (answer.get("accounts") or ()) if isinstance(answer, dict) else ()
        found = [
            AccessKey(str(one["accessKey"]), one.get("name") == KEY_NAME, one.get("accountStatus") == "on")
            for one in accounts
            if isinstance(one, dict) and one.get("accessKey")
        ]
        return sorted(found, key=lambda one: one.access_key)

    def make_access_key(self) -> tuple[str, str]:
        """A new access key of this identity: access key and secret key. It may do what its user may."""
        found = self._asked(
            "Making an access key", "add_service_account", name=KEY_NAME, description="Made by stowage.kubernetes"
        )
        made = (found.get("credentials") or {}) if isinstance(found, dict) else {}
        if not made.get("accessKey") or not made.get("secretKey"):
            raise StowageError("store_error", "MinIO made an access key and did not tell it.", "Look for it in MinIO.")
        return str(made["accessKey"]), str(made["secretKey"])

    def switch_off(self, access_key: str) -> None:
        """Disables an access key."""
        self._done("Disabling an access key", "update_service_account", access_key=access_key, status="off")

    def remove_access_key(self, access_key: str) -> None:
        """Deletes an access key."""
        self._done("Deleting an access key", "delete_service_account", access_key)

    def _asked(self, what: str, method: str, *arguments: t.Any, **named: t.Any) -> t.Any:
        """The decoded answer; ``None`` for something that does not exist."""
        return self._decoded(what, lambda: getattr(self._admin, method)(*arguments, **named))

    def _decoded(self, what: str, ask: t.Callable[[], str]) -> t.Any:
        try:
            text = ask()
        except Exception as error:  # noqa: BLE001 - whatever the package raises becomes an error of ours
            failure = self._failure(what, error)
            if failure.details.get("store_code") in _ABSENT:
                return None
            raise failure from None
        try:
            return json.loads(text)
        except ValueError:
            message = f"{what} at {self.endpoint}: the answer is none of MinIO's."
            raise StowageError("store_error", message, "Check that the endpoint is MinIO's API.") from None

    def _done(self, what: str, method: str, *arguments: t.Any, **named: t.Any) -> None:
        try:
            getattr(self._admin, method)(*arguments, **named)
        except Exception as error:  # noqa: BLE001 - see above
            failure = self._failure(what, error)
            if failure.details.get("store_code") != "XMinioAdminPolicyChangeAlreadyApplied":
                raise failure from None

    def _failure(self, what: str, error: Exception) -> StowageError:
        """Says nothing that the server says but its code."""
        start = f"{what} at {self.endpoint}"
        code = _code(error)
        details = {"store_code": code} if code else {}
        if code == "AccessDenied":
            hint = "Use an administrator of MinIO: policies with admin:* actions, such as consoleAdmin, allow it."
            return StowageError("permission_denied", f"{start}: access is denied.", hint, details=details)
        if code in _UNFIT:
            return StowageError("invalid_option", f"{start}: {_UNFIT[code][0]}.", _UNFIT[code][1], details=details)
        if code in _UNKNOWN_KEYS:
            hint = "Check the access key and the secret key of location_account."
            return StowageError("credentials_invalid", f"{start}: the keys are not accepted.", hint, details=details)
        if code:
            hint = "See the server's log for what it minded."
            return StowageError("store_error", f"{start}: it failed ({code}).", hint, details=details)
        if "SSL" in type(error).__name__ or "SSL" in str(error):
            hint = "Set the location's ca_cert to the certificate of the authority that signed the server's."
            return StowageError("tls_untrusted", f"{start}: its certificate is not trusted.", hint)
        hint = "Check the location's endpoint, and that this machine reaches it."
        return StowageError("endpoint_unreachable", f"{start}: no answer ({type(error).__name__}).", hint)


def _in_order(tree: t.Any) -> t.Any:
    """A document with its lists of texts sorted. Statements stay as they are."""
    if isinstance(tree, dict):
        return {name: _in_order(value) for name, value in tree.items()}
    if isinstance(tree, list):
        return sorted(tree) if all(isinstance(one, str) for one in tree) else [_in_order(one) for one in tree]
    return tree


def _holders(found: t.Any, policy: str) -> list[str]:
    names: list[str] = []
    for mapping in found.get("policyMappings") or () if isinstance(found, dict) else ():
        if isinstance(mapping, dict) and mapping.get("policy") == policy:
            names += [f"user:{name}" for name in mapping.get("users") or ()]
            names += [f"group:{name}" for name in mapping.get("groups") or ()]
    return sorted(names)


def _code(error: Exception) -> str:
    """MinIO's error code in an exception of the package, or its status."""
    body = str(getattr(error, "_body", "") or "")
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    if isinstance(found, dict) and found.get("Code"):
        return printable(str(found["Code"]), 60)
    return printable(str(getattr(error, "_code", "") or ""), 10)
