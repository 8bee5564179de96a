# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Access keys of a user of IAM, kept in a file and replaced on request. Private to the collection.

A user has two at most, so that one can be replaced by the other: the new one is kept in the file and proven, then the old one is
disabled, and deleted by the next run. IAM keeps no names of keys; which are ours is in a tag of the user. (IAM's user guide,
"Update access keys".)
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.keys import Keys
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import aws, key_file
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.aws_iam import IamApi
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.model import Change, in_use

TAG: t.Final = f"{aws.MARK}-keys"
"""The tag of a user: the name of the trust, and the ids of its keys."""
_MOST: t.Final = 2
_ACTIVE: t.Final = {"status": "enabled"}
_OFF: t.Final = {"status": "disabled"}


@dataclasses.dataclass(frozen=True)
class KeysWanted:
    """What is to be there.

    :param name: of the trust.
    :param secret_path: where the key is kept.
    """

    name: str
    user: str
    secret_path: str
    rotate: bool = False


@dataclasses.dataclass(frozen=True)
class KeysFound:
    """What is there.

    :param keys: ids of the user's keys, and whether each is enabled.
    :param owner: the trust that the user's tag names, empty if it names none.
    :param tagged: the keys that it names.
    :param kept: the key in the file, empty if there is none.
    """

    keys: t.Mapping[str, bool]
    owner: str = ""
    tagged: frozenset[str] = frozenset()
    kept: str = ""

    @property
    def ours(self) -> list[str]:
        """Those that the tag names, and what is in the file, which may have been made by hand."""
        return sorted(self.keys.keys() & (self.tagged | {self.kept}))


def plan(wanted: KeysWanted, found: KeysFound) -> list[Change]:
    """What differs, in the order in which it is changed. Pure.

    :raises StowageError: ``trust_in_use``, and ``invalid_option`` for a file with a key that is not the user's.
    """
    _require_ours(wanted, found)
    if found.kept and found.kept not in found.keys:
        message = f"The file of secret_path has a key that is none of {wanted.user}."
        raise StowageError("invalid_option", message, "Choose another secret_path, or move the file away.")
    off = [key for key in found.ours if not found.keys[key]]
    on = [key for key in found.ours if found.keys[key]]
    current = found.kept if found.kept in on and not wanted.rotate else ""
    changes = [Change("access_key", key, _OFF, None) for key in off]
    if not current:
        if len(found.keys) - len(off) >= _MOST:
            raise in_use(wanted.user, ["it has two enabled access keys, and cannot have another"])
        changes.append(Change("access_key", "new", None, _ACTIVE))
    return changes + [Change("access_key", key, _ACTIVE, _OFF) for key in on if key != current]


def plan_removal(wanted: KeysWanted, found: KeysFound) -> list[Change]:
    """What is ours and there, in the order in which it is deleted. Pure.

    :raises StowageError: ``trust_in_use``.
    """
    _require_ours(wanted, found)
    changes = [Change("access_key", key, _ACTIVE if found.keys[key] else _OFF, None) for key in found.ours]
    if found.kept and found.kept in found.keys:
        changes.append(Change("secret_file", wanted.secret_path, {"access_key": found.kept}, None))
    return changes


def retires(change: Change) -> bool:
    """Whether a key goes that may be in use: only after the new one is proven."""
    return change.what == "access_key" and change.after == _OFF


class UserKeys:
    """The keys of a user.

    :param iam: in the user's account.
    """

    def __init__(self, iam: IamApi, wanted: KeysWanted) -> None:
        self._iam = iam
        self._wanted = wanted
        self.found = _look(iam, wanted)

    def plan(self) -> list[Change]:
        """See :func:`plan`. :raises StowageError: ``invalid_option``, too, if the file could not be written."""
        changes = plan(self._wanted, self.found)
        if any(change.before is None for change in changes):
            key_file.check_writable(self._wanted.secret_path)
        return changes

    def plan_removal(self) -> list[Change]:
        """See :func:`plan_removal`."""
        return plan_removal(self._wanted, self.found)

    def make(self, change: Change) -> Change:
        """Makes a change; returns it, with the id of a new key."""
        if change.what == "secret_file":
            key_file.remove(change.name)
        elif change.before is None:
            return dataclasses.replace(change, name=self._new())
        elif change.after is None:
            self._do("delete_access_key", AccessKeyId=change.name)
        else:
            self._do("update_access_key", AccessKeyId=change.name, Status="Inactive")
        return change

    def forget(self) -> None:
        """Takes the tag away, after all keys."""
        if self.found.owner:
            self._do("untag_user", TagKeys=[TAG])

    def kept(self) -> Keys | None:
        """What is in the file."""
        found = key_file.read_keys(self._wanted.secret_path)
        return Keys(*found) if found else None

    def _new(self) -> str:
        """The key is known as ours before its secret replaces another in the file; what fails leaves none behind."""
        made = self._do("create_access_key")["AccessKey"]
        key = str(made["AccessKeyId"])
        try:
            value = " ".join([self._wanted.name, *self.found.ours, key])
            self._do("tag_user", Tags=aws.tag_list({TAG: value}))
            key_file.write_keys(self._wanted.secret_path, key, str(made["SecretAccessKey"]))
        except StowageError:
            self._do("delete_access_key", AccessKeyId=key)
            raise
        return key

    def _do(self, operation: str, **parameters: t.Any) -> dict[str, t.Any]:
        return self._iam.do(operation, UserName=self._wanted.user, **parameters)


def _look(iam: IamApi, wanted: KeysWanted) -> KeysFound:
    owner, *tagged = iam.user_tags(wanted.user).get(TAG, "").split(" ")
    kept = (key_file.read_keys(wanted.secret_path) or ("", ""))[0]
    return KeysFound(iam.access_keys(wanted.user), owner, frozenset(tagged), kept)


def _require_ours(wanted: KeysWanted, found: KeysFound) -> None:
    if found.owner and found.owner != wanted.name:
        raise in_use(wanted.user, [f"its access keys are those of the trust {found.owner}"])
