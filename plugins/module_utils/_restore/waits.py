# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a restore waits for, each time bounded. Private to the collection."""

from __future__ import annotations

import time
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.discovery import discover
from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore import fields, objects
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.apply import RefusedError
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.model import Tree

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.connection import Connection
    from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.discovery import Discovery
    from ansible_collections.stowage.kubernetes.plugins.module_utils._progress import Progress
    from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.apply import Sender

ESTABLISHED_SECONDS: t.Final = 60.0
TERMINATING_SECONDS: t.Final = 600.0
"""As Velero's ``--terminating-resource-timeout``."""
TOKEN_SECONDS: t.Final = 30.0
MADE_SECONDS: t.Final = 5.0

_FIRST_PAUSE: t.Final = 0.1
_LONGEST_PAUSE: t.Final = 2.0


def poll(progress: Progress, seconds: float, done: t.Callable[[], bool]) -> bool:
    """Ask again and again, more and more slowly; whether it was done in time.

    :raises StowageError: ``interrupted``.
    """
    end = time.monotonic() + seconds
    pause = _FIRST_PAUSE
    while not done():
        left = end - time.monotonic()
        if left <= 0:
            return False
        progress.stopped.wait(min(pause, left))
        progress.check()
        pause = min(_LONGEST_PAUSE, pause * 1.5)
    return True


def served(
    connection: Connection, progress: Progress, definitions: t.Mapping[str, t.Collection[str]]
) -> tuple[Discovery, list[str]]:
    """Wait until custom resources are served; what the target serves then, and which are not in time.

    Discovery tells it in one small request: to get definitions, which may have half a megabyte each, costs the server more
    than to serve them.

    :param definitions: names of CustomResourceDefinitions (``plural.group``), and the versions that each shall serve; with
        none given, any will do.
    """
    waiting = dict(definitions)
    found: list[Discovery] = []

    def ask() -> bool:
        found[:] = [discover(connection)]
        for name, versions in list(waiting.items()):
            plural, _dot, group = name.partition(".")
            if all(found[0].find(group, version, plural) is not None for version in versions or ("",)):
                del waiting[name]
        return not waiting

    poll(progress, ESTABLISHED_SECONDS, ask)
    return found[0], sorted(waiting)


def why_not_served(sender: Sender, kind: Kind, name: str) -> str:
    """What a CustomResourceDefinition says of itself when nothing is served for it."""
    tree = _get(sender, kind, "", name)
    if tree is None:
        return "was deleted"
    if _condition(tree, "NamesAccepted") == "False":
        return "has names that another definition has taken"
    return (
        "is not established"
        if _condition(tree, "Established") != "True"
        else "is established, but not served as archived yet"
    )


def gone(sender: Sender, progress: Progress, kind: Kind, name: str, seconds: float = TERMINATING_SECONDS) -> bool:
    """Wait until a cluster-scoped object that is being deleted is gone."""
    return poll(progress, seconds, lambda: _get(sender, kind, "", name) is None)


def made(sender: Sender, progress: Progress, kind: Kind, namespace: str, name: str) -> Tree | None:
    """Wait for an object that a controller makes; ``None`` when it does not come."""
    found: list[Tree | None] = [None]

    def ask() -> bool:
        found[0] = _get(sender, kind, namespace, name)
        return found[0] is not None

    poll(progress, MADE_SECONDS, ask)
    return found[0]


def token_made(sender: Sender, progress: Progress, kind: Kind, namespace: str, name: str) -> str:
    """Wait until a token Secret has its token; empty when it has, else why not."""
    why = ["the token controller has made no token for it"]

    def ask() -> bool:
        tree = _get(sender, kind, namespace, name)
        if tree is None:
            why[0] = "the token controller has deleted it: there is no such service account"
            return True
        return bool(fields.mapping(tree, "data").get("token"))

    return "" if poll(progress, TOKEN_SECONDS, ask) and "deleted" not in why[0] else why[0]


def _get(sender: Sender, kind: Kind, namespace: str, name: str) -> Tree | None:
    try:
        answer = sender.send("GET", kind.path(namespace, name))
    except RefusedError as error:
        if error.status == 404:
            return None
        raise
    return objects.decode(answer.response.body)


def _condition(tree: Tree, name: str) -> str:
    """The status of a condition, empty when it is not there."""
    for condition in fields.items(tree, "status", "conditions"):
        if condition.get("type") == name:
            return str(condition.get("status"))
    return ""
