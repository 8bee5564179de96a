# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Opens what a task's options name, and has its secrets hidden. Private to the collection."""

from __future__ import annotations

import contextlib
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._arguments import LOCATION, unfit
from ansible_collections.stowage.kubernetes.plugins.module_utils._cloud_options import Issue
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.access import ClusterAccess, access_secrets
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.connection import Connection
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import Location
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.registry import open_location
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.rules import check_location
from ansible_collections.stowage.kubernetes.plugins.module_utils._task import Task


@contextlib.contextmanager
def reach_location(task: Task) -> t.Iterator[Location]:
    """The location of the option ``location``, open until the end of the block.

    :raises StowageError: ``invalid_option``, ``credentials_missing``, ``dependency_missing``, ``not_persistent``.
    """
    with _open(task, task.params["location"]) as location:
        yield location


@contextlib.contextmanager
def reach_other(task: Task, name: str, given: object) -> t.Iterator[Location]:
    """A location that no argument spec has checked: it is checked here as that of the option ``location`` is.

    :param name: what to call it in an error.
    :raises StowageError: as :func:`reach_location`.
    """
    from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

    validator: t.Any = ArgumentSpecValidator  # ansible-core's, which is not annotated
    found = validator(LOCATION).validate({"location": given})
    if found.error_messages:
        # What Ansible says quotes values, and a secret may be in the wrong place; names of options are none.
        unknown = sorted(".".join(path[1:]) for path in found.unsupported_parameters)
        told = f" Not among them: {', '.join(unknown)}." if unknown else ""
        raise unfit(f"{name}: its options are not those of a location.{told}")
    with _open(task, found.validated_parameters["location"]) as location:
        yield location


@contextlib.contextmanager
def _open(task: Task, given: t.Mapping[str, t.Any]) -> t.Iterator[Location]:
    location = open_location(check_location(given), task.environ, task.progress.stopped)
    task.hide(location.secrets())
    try:
        yield location
    finally:
        task.hide(location.secrets())  # those that it got on the way, such as a session's
        location.close()


@contextlib.contextmanager
def reach_cluster(task: Task) -> t.Iterator[Connection]:
    """A connection to the cluster that the options name, open until the end of the block. Nothing is sent yet.

    :raises StowageError: ``cluster_access_missing``, ``cluster_access_invalid``, ``dependency_missing``; where the cluster's
        kubeconfig lies in another one, or a cloud gives it, whatever goes wrong there.
    """
    task.hide(access_secrets(task.params, task.environ))
    access = ClusterAccess.from_params(task.params, task.environ)
    connection = Connection.open(access, progress=task.progress, issue=_issue(task))
    task.hide(connection.secrets)
    try:
        yield connection
    finally:
        task.hide(connection.secrets)  # those of a credential that was loaded again
        connection.close()


def _issue(task: Task) -> Issue | None:
    """What gives the cluster's kubeconfig, where a cloud does. What knows a cloud is loaded for its clusters only."""
    cloud = task.params.get("cluster_auth")
    if cloud == "eks":
        from ansible_collections.stowage.kubernetes.plugins.module_utils._eks import eks_issue

        return eks_issue(task.params, task.environ)
    if cloud == "gke":
        from ansible_collections.stowage.kubernetes.plugins.module_utils._gke import gke_issue

        return gke_issue(task.params, task.environ, task.progress.stopped)
    if cloud == "aks":
        from ansible_collections.stowage.kubernetes.plugins.module_utils._aks import aks_issue

        return aks_issue(task.params, task.environ, task.progress.stopped)
    return None
