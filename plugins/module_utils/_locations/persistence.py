# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a directory outlives the container that the task runs in. Private to the collection.

An execution environment (the container that AWX, ansible-navigator and ansible-runner run playbooks in) is thrown away
after the job. A backup written into its own file system would be reported as made and be gone a moment later.
"""

from __future__ import annotations

import dataclasses
import os
import re
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError

# Docker and Podman leave these; Kubernetes sets the variable in every pod.
_CONTAINER_FILES: t.Final = ("/run/.containerenv", "/.dockerenv")
_POD_VARIABLE: t.Final = "KUBERNETES_SERVICE_HOST"
# ansible-runner sets these for what it starts; ansible-builder puts the file into every image.
_RUNNER_VARIABLES: t.Final = ("AWX_ISOLATED_DATA_DIR", "LAUNCHED_BY_RUNNER")
_BUILDER_FILE: t.Final = "/opt/builder/bin/entrypoint"
# AWX removes the job's private directory, which it mounts here.
_AWX_VARIABLE: t.Final = "AWX_PRIVATE_DATA_DIR"
_AWX_DIRECTORY: t.Final = "/runner"

_EPHEMERAL_TYPES: t.Final = frozenset({"overlay", "fuse.fuse-overlayfs", "tmpfs", "ramfs", "aufs"})


@dataclasses.dataclass(frozen=True)
class Mount:
    """A mount point and the type of the file system there."""

    point: str
    kind: str


def parse_mounts(text: str) -> list[Mount]:
    """The mounts of ``/proc/self/mountinfo`` (proc(5)), the later of two at one point being the one that is seen."""
    mounts = []
    for line in text.splitlines():
        before, _dummy, after = line.partition(" - ")
        fields, kinds = before.split(" "), after.split(" ")
        if len(fields) >= 5 and kinds[0]:
            point = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), fields[4])
            mounts.append(Mount(point, kinds[0]))
    return mounts


def covering_mount(path: str, mounts: t.Iterable[Mount]) -> Mount | None:
    """The mount that holds an absolute, resolved path."""
    found: Mount | None = None
    for mount in mounts:
        inside = mount.point in ("/", path) or path.startswith(mount.point + "/")
        if inside and (found is None or len(mount.point) >= len(found.point)):
            found = mount
    return found


def in_execution_environment(environ: t.Mapping[str, str], exists: t.Callable[[str], bool]) -> bool:
    """Whether this is a container, and one that runs Ansible for somebody else. A container in which a person works, or
    a build does, is left alone: who keeps its directories is not known."""
    container = _POD_VARIABLE in environ or any(exists(path) for path in _CONTAINER_FILES)
    return container and (any(name in environ for name in _RUNNER_VARIABLES) or exists(_BUILDER_FILE))


def survives(path: str, mounts: t.Iterable[Mount], environ: t.Mapping[str, str]) -> bool:
    """Whether a resolved path in an execution environment is on something mounted from outside."""
    if _AWX_VARIABLE in environ and (path + "/").startswith(_AWX_DIRECTORY + "/"):
        return False
    mount = covering_mount(path, mounts)
    return mount is not None and mount.point != "/" and mount.kind not in _EPHEMERAL_TYPES


def check_persistent(path: str, environ: t.Mapping[str, str]) -> None:
    """``not_persistent`` when the directory would vanish with the execution environment."""
    if not in_execution_environment(environ, os.path.exists):
        return
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as stream:
            mounts = parse_mounts(stream.read())
    except OSError:
        return
    if not survives(os.path.realpath(path), mounts, environ):
        raise StowageError(
            "not_persistent",
            f"The directory {path} belongs to the execution environment's container and would vanish with it.",
            "Mount a directory of the host or a volume there (in AWX: a container group's pod specification, or 'Paths to "
            "expose to isolated jobs'), or use a location in object storage.",
        )
