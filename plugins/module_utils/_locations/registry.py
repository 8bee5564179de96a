# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which provider is behind a location: the one file that knows more than one. Private to the collection.

The imports are static statements, so that Ansible packs the providers with a module; they are inside the function, so
that one provider does not load another's packages.
"""

from __future__ import annotations

import threading
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import Location
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.prober import Aim, Prober
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.setup import Setup


def open_location(
    options: t.Mapping[str, t.Any], environ: t.Mapping[str, str], stopped: threading.Event | None = None
) -> Location:
    """Opens a location; nothing is sent to the store yet.

    :param options: the location dictionary, checked; absent keys and ``None`` are the same.
    :param environ: the environment variables, for what the chosen method takes from there.
    :param stopped: see :class:`Location`.
    :raises StowageError: ``invalid_option``, ``credentials_missing``, ``dependency_missing``, ``not_persistent``.
    """
    given = _given(options)
    provider = given.get("provider")
    if provider in {"aws", "minio"}:
        from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3 import open_s3

        return open_s3(given, environ, stopped)
    if provider == "gcp":
        from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs import open_gcs

        return open_gcs(given, environ, stopped)
    if provider == "azure":
        from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure import open_azure

        return open_azure(given, environ, stopped)
    if provider == "filesystem":
        from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.filesystem import open_filesystem

        return open_filesystem(given, environ, stopped)
    raise _no_provider(provider)


def open_prober(
    options: t.Mapping[str, t.Any],
    environ: t.Mapping[str, str],
    aim: Aim,
    stopped: threading.Event | None = None,
) -> Prober:
    """Opens what looks at a location; nothing is looked at yet.

    :param options: as for :func:`open_location`; what is wrong with them is part of what is found.
    :raises StowageError: ``invalid_option`` for a provider that is unknown, ``dependency_missing``.
    """
    given = _given(options)
    provider = given.get("provider")
    if provider in {"aws", "minio"}:
        from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_probe import open_s3_prober

        return open_s3_prober(given, environ, aim, stopped)
    if provider == "gcp":
        from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_probe import open_gcs_prober

        return open_gcs_prober(given, environ, aim, stopped)
    if provider == "azure":
        from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_probe import (
            open_azure_prober,
        )

        return open_azure_prober(given, environ, aim, stopped)
    if provider == "filesystem":
        from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.filesystem_probe import (
            open_filesystem_prober,
        )

        return open_filesystem_prober(given, environ, aim, stopped)
    raise _no_provider(provider)


def open_setup(
    options: t.Mapping[str, t.Any], environ: t.Mapping[str, str], stopped: threading.Event | None = None
) -> Setup:
    """Opens what brings a location into the wanted state; nothing is sent to the store yet.

    :raises StowageError: as :func:`open_location`.
    """
    given = _given(options)
    provider = given.get("provider")
    if provider in {"aws", "minio"}:
        from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_setup import open_s3_setup

        return open_s3_setup(given, environ, stopped)
    if provider == "gcp":
        from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_setup import open_gcs_setup

        return open_gcs_setup(given, environ, stopped)
    if provider == "azure":
        from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_setup import open_azure_setup

        return open_azure_setup(given, environ, stopped)
    if provider == "filesystem":
        from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.filesystem_setup import (
            open_filesystem_setup,
        )

        return open_filesystem_setup(given, environ, stopped)
    raise _no_provider(provider)


def _given(options: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    given = {name: value for name, value in options.items() if value is not None}
    if isinstance(given.get("auth"), dict):
        given["auth"] = {name: value for name, value in given["auth"].items() if value is not None}
    return given


def _no_provider(provider: object) -> StowageError:
    return StowageError(
        "invalid_option",
        f"There is no provider {provider!r} of locations." if provider else "The location has no provider.",
        "Set provider to aws, minio, gcp, azure or filesystem.",
    )
