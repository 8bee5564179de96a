# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who holds what in a cluster's folder, by the leases in it. Private to the collection.

A lease is a chain of keys ``metadata/stowage/leases/<what>/<number>.json``, each created once; the highest number holds
until the expiry that is written in it. One that cannot be understood holds: better a backup too many.

A task that backs a cluster up, or restores into it, holds ``cluster-<uid>`` alone. Whoever reads a backup holds
``backup-<name>``, together with others that read it.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive import layout, limits
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.shown import printable
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import Location, ObjectInfo

FORMAT: t.Final = "stowage-lease/1"
LONGEST: t.Final = datetime.timedelta(hours=1)
"""No lease is written for longer than this. What cannot be understood keeps nobody waiting for longer either."""

_BACKUP: t.Final = "backup-"
"""With the backup's name: what a reader holds while it reads."""
_CLUSTER: t.Final = "cluster-"
_MOST_HOLDERS: t.Final = 1000
CLOCKS: t.Final = datetime.timedelta(minutes=1)
"""Two readings of a store's clock, by Date headers of whole seconds from several of its machines, differ by less."""
_SOMEBODY: t.Final = "?"
"""The id of a holder that is not known. None of ours is like that."""
_NEVER: t.Final = datetime.datetime.min.replace(tzinfo=datetime.UTC)
_DIGITS: t.Final = 15


@dataclasses.dataclass(frozen=True)
class Holder:
    """Somebody who holds a lease.

    :param until: the store's clock from which on it no longer counts.
    :param who: for people.
    """

    until: datetime.datetime
    who: str


@dataclasses.dataclass(frozen=True)
class Link:
    """What one key of a chain says. Before the first key: number 0, nobody.

    :param holders: by their ids; those that have expired may be among them.
    :param written: when, by the store's clock.
    """

    number: int = 0
    holders: t.Mapping[str, Holder] = dataclasses.field(default_factory=dict)
    written: datetime.datetime = _NEVER

    def others(self, mine: str, now: datetime.datetime) -> dict[str, Holder]:
        """Who holds it besides one's own id. An expiry that no lease can have was written by a clock that was wrong, and holds nobody:
        it would keep everybody waiting until that day."""
        latest = now + LONGEST + CLOCKS
        return {name: one for name, one in self.holders.items() if name != mine and now < one.until <= latest}

    @property
    def expires(self) -> datetime.datetime:
        """From when on nobody holds it: when it was written, if nobody does."""
        return max([self.written, *(one.until for one in self.holders.values())])

    def to_json(self) -> bytes:
        document = {
            "format": FORMAT,
            "written": self.written.isoformat(),
            "expires": self.expires.isoformat(),
            "holders": {
                name: {"until": one.until.isoformat(), "who": one.who} for name, one in sorted(self.holders.items())
            },
        }
        return json.dumps(document, indent=2).encode() + b"\n"


def of_backup(cluster: str, backup: str) -> str:
    """The folder of the chain that readers of a backup hold."""
    return f"{layout.leases_folder(cluster)}{_BACKUP}{backup}/"


def of_cluster(cluster: str, uid: str) -> str:
    """The folder of the chain that who works on a cluster holds.

    :param cluster: the folder in the location that the task uses.
    :param uid: of the cluster itself. What could be no folder's name is hashed.
    """
    try:
        name = layout.validate_cluster(uid)
    except StowageError:
        name = hashlib.sha256(uid.encode()).hexdigest()
    return f"{layout.leases_folder(cluster)}{_CLUSTER}{name}/"


def key_of(chain: str, number: int) -> str:
    """A link's key."""
    return f"{chain}{number:0{_DIGITS}d}.json"


def read_last(location: Location, chain: str) -> Link:
    """The link that counts.

    :param chain: its folder.
    :raises StowageError: location errors.
    """
    last = max(location.list(chain), key=lambda info: _number(info.key), default=None)
    if last is None or _number(last.key)[0] < 1:
        return Link()
    return _read(location, last)


def _read(location: Location, info: ObjectInfo) -> Link:
    """:raises StowageError: location errors."""
    number = _number(info.key)[0]
    try:
        return parse(location.read(info.key, limit=limits.MAX_RECORD), number, info)
    except StowageError as error:
        if error.code not in ("key_not_found", "archive_hostile"):
            raise
        return Link(number) if error.code == "key_not_found" else _not_understood(number, info)


def parse(data: bytes, number: int, info: ObjectInfo) -> Link:
    """What a key says. One that makes no sense is held by somebody unknown, as long as any lease may be. Pure."""
    try:
        document = json.loads(data)
        if document["format"] != FORMAT or len(document["holders"]) > _MOST_HOLDERS:
            return _not_understood(number, info)
        # A holder may have written its expiry by a clock that the store corrected since.
        latest = info.modified + LONGEST
        holders = {
            printable(str(name), 64): Holder(min(_time(one["until"]), latest), printable(str(one["who"]), 200))
            for name, one in document["holders"].items()
        }
        return Link(number, holders, min(_time(document["written"]), latest))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        return _not_understood(number, info)


def _not_understood(number: int, info: ObjectInfo) -> Link:
    who = f"somebody whose lease {printable(info.key, 400)} cannot be understood"
    return Link(number, {_SOMEBODY: Holder(info.modified + LONGEST, who)}, info.modified)


def _time(text: str) -> datetime.datetime:
    found = datetime.datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError("no time zone")
    return found.astimezone(datetime.UTC)


def leased_backups(location: Location, cluster: str) -> frozenset[str]:
    """The names of a cluster's backups that somebody holds now.

    :raises StowageError: location errors.
    """
    prefix = f"{layout.leases_folder(cluster)}{_BACKUP}"
    chains: dict[str, list[ObjectInfo]] = {}
    for info in location.list(prefix):
        name, slash, link = info.key[len(prefix) :].partition("/")
        if slash and link.endswith(".json"):
            chains.setdefault(name, []).append(info)
    now = location.now()
    last = {name: max(links, key=lambda info: _number(info.key)) for name, links in chains.items()}
    return frozenset(name for name, info in last.items() if _read(location, info).others("", now))


def is_held(location: Location, cluster: str, backup: str) -> bool:
    """Whether somebody holds one backup now.

    :raises StowageError: location errors.
    """
    return backup in leased_backups(location, cluster)


def old_links(location: Location, cluster: str, backups: t.Container[str], before: datetime.datetime) -> list[str]:
    """The keys of leases that say nothing any more, and may go.

    The last link of a chain stays, for its number is what the next one goes on from; but not that of a backup which is gone.

    :param backups: the names of the backups that there are.
    :param before: only what was written before that, and an hour, in which a lease could still hold.
    :raises StowageError: location errors.
    """
    prefix = layout.leases_folder(cluster)
    chains: dict[str, list[ObjectInfo]] = {}
    for info in location.list(prefix):
        what, slash, _link = info.key[len(prefix) :].partition("/")
        if slash and _number(info.key)[0] > 0:
            chains.setdefault(what, []).append(info)
    old: list[str] = []
    for what, links in chains.items():
        links.sort(key=lambda info: _number(info.key))
        gone = what.startswith(_BACKUP) and what.removeprefix(_BACKUP) not in backups
        dispensable = links if gone and links[-1].modified + LONGEST <= before else links[:-1]
        old += [info.key for info in dispensable if info.modified + LONGEST <= before]
    return old


def check_free(location: Location, cluster: str, backup: str) -> None:
    """Make sure that nobody reads a backup that is about to be removed.

    :raises StowageError: ``lease_held``, location errors.
    """
    chain = of_backup(cluster, backup)
    held = read_last(location, chain).others("", location.now()).values()
    if held:
        first = max(held, key=lambda one: one.until)
        raise StowageError(
            "lease_held",
            f"The backup {backup} of {cluster} is being read: {first.who}, until"
            f" {first.until.isoformat(timespec='seconds')} unless it goes on.",
            f"Remove it later. What was killed lets go by itself at that time; its lease is in {chain}.",
            details={"until": first.until.isoformat(), "holder": first.who},
        )


def _number(key: str) -> tuple[int, str]:
    text = key.rpartition("/")[2].removesuffix(".json")
    return (int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS else -1, key)
