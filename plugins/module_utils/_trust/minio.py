# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Trust in MinIO: a policy that allows one permission set, and who has it - a user of its own for a party, a group of users that
are there, names of a directory (LDAP), or identities whose tokens name the policy. Private to the collection.

A deployment is one account, so there is no trust across accounts; what keeps parties apart is policies. The user's own secret is
thrown away: what is handed out is an access key, of which two can be valid at once, so that keys can be replaced.
"""

from __future__ import annotations

import dataclasses
import secrets as random
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import s3_policy
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import key_file
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.minio_admin import (
    AccessKey,
    Group,
    MinioAdminApi,
    User,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.model import Change, in_use
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.s3_permissions import is_ours

_ACTIVE: t.Final = {"status": "enabled"}
_OFF: t.Final = {"status": "disabled"}


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What is to be there.

    :param name: of the policy, the user and the group.
    :param document: the policy.
    :param secret_path: where the access key is kept; without one there is no user.
    :param members: users that are there, for the group; without any there is none.
    :param directory: names of the directory, as ``user:NAME`` and ``group:NAME``.
    """

    name: str
    bucket: str
    document: t.Mapping[str, t.Any]
    secret_path: str
    rotate: bool = False
    members: tuple[str, ...] = ()
    directory: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Found:
    """What is there.

    :param holders: whom the policy is attached to.
    :param kept: the access key in the file, if there is one.
    """

    policy: dict[str, t.Any] | None
    holders: tuple[str, ...]
    user: User | None
    keys: tuple[AccessKey, ...]
    kept: str = ""
    group: Group | None = None
    directory: tuple[str, ...] = ()


def look(admin: MinioAdminApi, name: str, secret_path: str = "") -> Found:
    """What is there of a trust.

    :raises StowageError: what requests end with, and ``invalid_option`` for a file that holds something else.
    """
    policy, user = admin.policy(name), admin.user(name)
    return Found(
        policy,
        tuple(admin.holders(name)) if policy is not None else (),
        user,
        tuple(admin.access_keys(name)) if user else (),
        (key_file.read_keys(secret_path) or ("", ""))[0] if secret_path else "",
        admin.group(name),
        tuple(admin.directory_holders(name)) if policy is not None else (),
    )


def plan(wanted: Wanted, found: Found) -> list[Change]:
    """What differs, in the order in which it is changed. Pure.

    :raises StowageError: ``trust_in_use`` for a policy or user of that name that is not ours.
    """
    _require_ours(wanted, found)
    if found.kept and all(key.access_key != found.kept for key in found.keys):
        message = f"The file of secret_path has a key that is none of {wanted.name}."
        raise StowageError("invalid_option", message, "Choose another secret_path, or move the file away.")
    changes = []
    if found.policy is None or not _same(found.policy, wanted.document):
        changes.append(Change("policy", wanted.name, found.policy, dict(wanted.document)))
    changes += [*_plan_group(wanted, found.group), *_plan_directory(wanted, found)]
    if not wanted.secret_path:
        if found.user is not None:
            message = f"The user {wanted.name} of this trust is there, and secret_path is not set."
            raise StowageError("invalid_option", message, "Set secret_path, or take the trust away first.")
        return changes
    if found.user is None:
        changes.append(Change("user", wanted.name, None, {"policies": []}))
    if found.user is None or wanted.name not in found.user.policies:
        before = sorted(found.user.policies) if found.user else []
        changes.append(Change("attachment", wanted.name, before, sorted({*before, wanted.name})))
    return [*changes, *_plan_keys(wanted, found)]


def _plan_group(wanted: Wanted, group: Group | None) -> list[Change]:
    """The group has the members that are named and no others; without any it goes."""
    before = _described(group)
    after = None
    if wanted.members:
        policies = sorted({*(group.policies if group else ()), wanted.name})
        after = {"members": sorted(wanted.members), "policies": policies}
    return [Change("group", wanted.name, before, after)] if before != after else []


def _plan_directory(wanted: Wanted, found: Found) -> list[Change]:
    """Names of the directory have the policy that are meant, and no others."""
    if set(map(_plain, wanted.directory)) == set(map(_plain, found.directory)):
        return []
    before, after = ({"holders": sorted(names)} if names else None for names in (found.directory, wanted.directory))
    return [Change("directory", wanted.name, before, after)]


def _plain(holder: str) -> str:
    """A distinguished name as it is compared: case and blanks between its parts do not count."""
    return ",".join(part.strip() for part in holder.lower().split(","))


def _described(group: Group | None) -> dict[str, list[str]] | None:
    return {"members": sorted(group.members), "policies": sorted(group.policies)} if group else None


def _plan_keys(wanted: Wanted, found: Found) -> list[Change]:
    """A new key if the file has none that works, or if keys are to be replaced. All others of ours are disabled then, those of a
    rotation that failed and of a file that was lost among them; what was disabled by an earlier run is deleted."""
    ours = [key for key in found.keys if key.ours]
    current = next((key.access_key for key in ours if key.access_key == found.kept and key.enabled), "")
    changes = []
    if not current or wanted.rotate:
        if found.user is not None and not found.user.enabled:
            message = f"The user {wanted.name} is disabled, and to make a key would enable it."
            raise StowageError("unsafe_change", message, "Enable it in MinIO if that is meant, or remove the trust.")
        changes.append(Change("access_key", "new", None, _ACTIVE))
        current = ""
    changes += [
        Change("access_key", key.access_key, _ACTIVE, _OFF) for key in ours if key.enabled and key.access_key != current
    ]
    return changes + [Change("access_key", key.access_key, _OFF, None) for key in ours if not key.enabled]


def plan_removal(wanted: Wanted, found: Found) -> list[Change]:
    """What is ours and there, in the order in which it is deleted. Pure.

    :raises StowageError: ``trust_in_use``.
    """
    name = wanted.name
    _require_ours(wanted, found)
    others = [holder for holder in found.holders if holder not in {f"user:{name}", f"group:{name}"}]
    others += [f"policy {one} of the group" for one in sorted(found.group.policies - {name})] if found.group else []
    meant = set(map(_plain, wanted.directory))
    others += [f"{one} of the directory" for one in found.directory if _plain(one) not in meant]
    others += [f"access key {key.access_key}" for key in found.keys if not key.ours]
    others += [f"policy {one} of the user" for one in sorted(found.user.policies - {name})] if found.user else []
    others += [f"group {one} of the user" for one in sorted(found.user.groups)] if found.user else []
    if others:
        raise in_use(name, others)
    changes = [Change("access_key", key.access_key, _ACTIVE if key.enabled else _OFF, None) for key in found.keys]
    if found.kept and any(key.access_key == found.kept for key in found.keys):
        changes.append(Change("secret_file", wanted.secret_path, {"access_key": found.kept}, None))
    changes += [Change("user", name, {"policies": sorted(found.user.policies)}, None)] if found.user else []
    changes += [Change("group", name, _described(found.group), None)] if found.group else []
    changes += [Change("directory", name, {"holders": list(found.directory)}, None)] if found.directory else []
    return changes + ([Change("policy", name, found.policy, None)] if found.policy is not None else [])


def apply(
    admin: MinioAdminApi, wanted: Wanted, changes: t.Iterable[Change], done: list[Change]
) -> tuple[str, str] | None:
    """Makes the changes but those of keys that go: nothing old is disabled before what is new was proven.

    :param done: takes each change that was made, with the real name of a new key.
    :returns: the new key, if one was made.
    :raises StowageError: what requests end with; what was done before stays, and a second run goes on.
    """
    made: tuple[str, str] | None = None
    for change in changes:
        if change.what == "policy":
            admin.put_policy(wanted.name, wanted.document)
        elif change.what == "user":
            admin.put_user(wanted.name, _secret())
        elif change.what == "attachment":
            admin.attach(wanted.name, wanted.name)
        elif change.what == "group":
            _change_group(admin, change)
        elif change.what == "directory":
            _change_directory(admin, change)
        elif retires(change):
            continue
        else:
            made = _make_key(admin, wanted)
            change = dataclasses.replace(change, name=made[0])  # noqa: PLW2901 - the key has its name only now
        done.append(change)
    return made


def retires(change: Change) -> bool:
    """Whether a key goes."""
    return change.what == "access_key" and change.before is not None


def retire(admin: MinioAdminApi, changes: t.Iterable[Change], done: list[Change]) -> None:
    """Disables and deletes keys as planned.

    :param done: takes each change that was made.
    """
    for change in filter(retires, changes):
        if change.after is None:
            admin.remove_access_key(change.name)
        else:
            admin.switch_off(change.name)
        done.append(change)


def remove(admin: MinioAdminApi, changes: t.Iterable[Change], done: list[Change]) -> None:
    """Makes the changes of :func:`plan_removal`.

    :param done: takes each change that was made.
    """
    for change in changes:
        if change.what == "access_key":
            admin.remove_access_key(change.name)
        elif change.what == "secret_file":
            key_file.remove(change.name)
        elif change.what == "user":
            admin.remove_user(change.name)
        elif change.what == "group":
            _change_group(admin, change)
        elif change.what == "directory":
            _change_directory(admin, change)
        else:
            admin.remove_policy(change.name)
        done.append(change)


def _change_group(admin: MinioAdminApi, change: Change) -> None:
    """A group lets its members in by the policy, so that comes last; whoever is not meant any more goes first."""
    had, has = ({*(state or {}).get("members", ())} for state in (change.before, change.after))
    if gone := sorted(had - has):
        admin.drop_members(change.name, gone)
    if change.after is None:
        admin.remove_group(change.name)
        return
    if new := sorted(has - had):
        admin.put_members(change.name, new)
    if change.name not in (change.before or {}).get("policies", ()):
        admin.attach_to_group(change.name, change.name)


def _change_directory(admin: MinioAdminApi, change: Change) -> None:
    had, has = ((state or {}).get("holders", ()) for state in (change.before, change.after))
    for holder in had:
        if _plain(holder) not in map(_plain, has):
            admin.detach_from_directory(change.name, holder)
    for holder in has:
        if _plain(holder) not in map(_plain, had):
            admin.attach_to_directory(change.name, holder)


def _make_key(admin: MinioAdminApi, wanted: Wanted) -> tuple[str, str]:
    """MinIO makes keys for who asks only. So the user gets a new secret, with which the key is asked for, and which nobody
    learns: the access keys of the user stay as they are."""
    secret = _secret()
    admin.put_user(wanted.name, secret)
    made = admin.as_user(wanted.name, secret).make_access_key()
    try:
        key_file.write_keys(wanted.secret_path, *made)
    except StowageError:
        admin.remove_access_key(made[0])
        raise
    admin.put_user(wanted.name, _secret())
    return made


def _require_ours(wanted: Wanted, found: Found) -> None:
    if found.policy is not None and not is_ours(found.policy, wanted.bucket):
        raise in_use(wanted.name, ["a policy of this name is not ours, or for another bucket"])
    group = found.group
    if group and (found.policy is None or (wanted.name not in group.policies and not _half_made(wanted, group))):
        raise in_use(wanted.name, ["a group of this name is not ours"])
    if found.user is None:
        return
    strangers = found.user.policies or found.user.groups or any(not key.ours for key in found.keys)
    if found.policy is None or (strangers and wanted.name not in found.user.policies):
        raise in_use(wanted.name, ["a user of this name is not ours"])


def _half_made(wanted: Wanted, group: Group) -> bool:
    """Whether a group without the policy is one of ours, from a run that did not get further."""
    return not group.policies and group.members <= set(wanted.members)


def _same(one: t.Any, other: t.Any) -> bool:
    return s3_policy.all_same(s3_policy.statements(one), s3_policy.statements(other))


def _secret() -> str:
    return random.token_urlsafe(30)
