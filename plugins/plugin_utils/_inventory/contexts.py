# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Clusters that are contexts of kubeconfigs. Private to the collection.

Of a kubeconfig only names are read: neither is a credential in what is returned, nor is any entry of it used.
"""

from __future__ import annotations

import dataclasses
import glob
import os
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster import kubeconfig as _kubeconfig
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.plugin_utils._inventory.model import Cluster, Failure
from ansible_collections.stowage.kubernetes.plugins.plugin_utils._inventory.names import LONGEST, Patterns
from ansible_collections.stowage.kubernetes.plugins.plugin_utils._inventory.options import Contexts

_LARGEST: t.Final = 64 << 20


@dataclasses.dataclass(frozen=True)
class Place:
    """Where paths begin, and what variables there are.

    :param folder: that of the inventory file.
    """

    folder: str
    environ: t.Mapping[str, str]


@dataclasses.dataclass(frozen=True)
class File:
    """A kubeconfig.

    :param shown: its path as it is emitted; of one that a variable names, the variable, for the path is another tomorrow.
    :param given: what the user gave, such as the folder that it is in.
    """

    path: str
    shown: str
    given: str


def find_contexts(origin: Contexts, place: Place) -> tuple[list[Cluster], list[Failure]]:
    """The contexts that are chosen, file by file, and what could not be read."""
    try:
        files, failures = _from_variable(origin.variable, place) if origin.variable else _files(origin.paths, place)
    except StowageError as error:
        return [], [Failure(None, error)]
    clusters: list[Cluster] = []
    seen: set[str] = set()
    for file in files:
        try:
            names = context_names(read_kubeconfig(file), file.shown)
        except StowageError as error:
            failures.append(Failure(file.shown, error))
            continue
        seen.update(names)
        clusters += [
            _cluster(name, cluster, file, given=not origin.variable)
            for name, cluster in names.items()
            if origin.chosen.fit(name) and not origin.excluded.fit(name)
        ]
    if origin.variable:  # one kubeconfig in several files, of which the first that has a name counts
        clusters = list({cluster.name: cluster for cluster in reversed(clusters)}.values())[::-1]
    return clusters, failures + _missing(origin.chosen, seen, failures)


def read_kubeconfig(file: File) -> _kubeconfig.Document:
    """A kubeconfig, its relative paths made absolute.

    :raises StowageError: ``cluster_access_invalid``; no text of it holds a path that a variable named.
    """
    try:
        if not os.path.isfile(file.path):
            raise _kubeconfig.invalid(f"The kubeconfig {file.path} does not exist, or is no file.")
        if os.path.getsize(file.path) > _LARGEST:
            raise _kubeconfig.invalid(f"The kubeconfig {file.path} is larger than {_LARGEST >> 20} MiB.")
        return _kubeconfig.read((file.path,))[0]
    except StowageError as error:
        raise StowageError(error.code, error.message.replace(file.path, file.shown), error.hint) from None
    except OSError as error:
        raise _kubeconfig.invalid(f"The kubeconfig {file.shown} cannot be read: {error.strerror}.") from None


def context_names(document: _kubeconfig.Document, shown: str) -> dict[str, str]:
    """The names of contexts, each with that of its cluster. Of two with one name the first counts, as with kubectl.

    :raises StowageError: ``cluster_access_invalid`` when there is none, or one has no name that could be used.
    """
    contexts = document.get("contexts")
    found: dict[str, str] = {}
    for entry in contexts if isinstance(contexts, list) else ():
        name = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(name, str) or not 0 < len(name) <= LONGEST or not _encodable(name):
            raise _kubeconfig.invalid(
                f"The kubeconfig {shown} has a context without a name, or with one that is too long."
            )
        context = entry.get("context")
        cluster = context.get("cluster") if isinstance(context, dict) else None
        found.setdefault(
            name, cluster if isinstance(cluster, str) and len(cluster) <= LONGEST and _encodable(cluster) else ""
        )
    if not found:
        raise _kubeconfig.invalid(f"The kubeconfig {shown} has no contexts.")
    return found


def one_file(path: str, variable: str, place: Place) -> File:
    """The one kubeconfig that is given, by its path or by a variable.

    :raises StowageError: ``cluster_access_invalid``.
    """
    if not variable:
        return File(_absolute(path, place), _shown(_absolute(path, place), path), path)
    files, _failures = _from_variable(variable, place)
    return files[0]


def _cluster(name: str, cluster: str, file: File, *, given: bool) -> Cluster:
    access: dict[str, t.Any] = {"stowage_cluster_auth": "kubeconfig"}
    if given:
        access["stowage_kubeconfig"] = file.shown
    access["stowage_context"] = name
    if cluster:
        access["stowage_kubeconfig_cluster"] = cluster
    return Cluster(name, (file.shown, file.given), access)


def _missing(chosen: Patterns, seen: t.Collection[str], failures: t.Collection[Failure]) -> list[Failure]:
    """Contexts that are named, but nowhere to be found. (Where a file failed, they may be in it.)"""
    missing = sorted(chosen.exact - set(seen))
    if not missing or failures:
        return []
    return [Failure(f"context {missing[0]}", _kubeconfig.invalid(f"No kubeconfig has the context {missing[0]!r}.", ""))]


def _from_variable(variable: str, place: Place) -> tuple[list[File], list[Failure]]:
    paths = _kubeconfig.split_paths(place.environ.get(variable, ""))
    if not paths:
        raise _kubeconfig.invalid(
            f"The variable {variable} of the environment is not set, or empty.",
            "It holds the path of a kubeconfig; in AWX, a credential type's injector sets it.",
        )
    existing = [path for path in paths if os.path.exists(path)] or paths[:1]
    return [File(path, f"${variable}", f"${variable}") for path in existing], []


def _files(paths: t.Iterable[str], place: Place) -> tuple[list[File], list[Failure]]:
    found: dict[str, File] = {}
    failures: list[Failure] = []
    for given in paths:
        try:
            matching = _matching(_absolute(given, place))
        except OSError as error:
            failures.append(Failure(given, _kubeconfig.invalid(f"{given} cannot be read: {error.strerror}.", "")))
            continue
        if not matching:
            failures.append(Failure(given, _kubeconfig.invalid(f"There is no file in or for {given}.", "")))
        for path in matching:
            if _usable(path):
                found.setdefault(path, File(path, _shown(path, given), given))
            else:
                what = f"A file in or for {given} has a name that cannot be used."
                failures.append(Failure(f"a name in {given}", _kubeconfig.invalid(what, "")))
    return list(found.values()), failures


def _matching(path: str) -> list[str]:
    if os.path.isdir(path):
        names = (name for name in os.listdir(path) if not name.startswith(".") and not name.endswith("~"))
        return sorted(file for name in names if os.path.isfile(file := os.path.join(path, name)))
    if not os.path.exists(path) and glob.has_magic(path):
        return sorted(filter(os.path.isfile, glob.glob(path, recursive=True)))
    return [path]


def _usable(path: str) -> bool:
    """Whether a path can be given to a module: of a colon two paths would be made, of a line break the text of a kubeconfig."""
    return path.isprintable() and os.pathsep not in path and _encodable(path)


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _absolute(path: str, place: Place) -> str:
    return os.path.normpath(os.path.join(place.folder, os.path.expanduser(path)))


def _shown(path: str, given: str) -> str:
    """The path, in the home folder of whom the user meant: plays may run as somebody else than the inventory."""
    home = os.path.expanduser("~")
    return f"~{path[len(home) :]}" if given.startswith("~/") and path.startswith(f"{home}/") else path
