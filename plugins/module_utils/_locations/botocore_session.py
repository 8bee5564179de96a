# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""botocore without what it reads by itself. Private to the collection."""

from __future__ import annotations

import functools
import os
import re
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.keys import Keys

_MINIMUM: t.Final = (1, 36)


def require_botocore() -> None:
    """``dependency_missing`` when botocore is not there, or too old to leave out checksums that other stores refuse."""
    try:
        import botocore
    except ImportError:
        hint = "Install boto3>=1.36 for the Python that runs the task."
        raise StowageError("dependency_missing", "S3 locations need the Python package boto3.", hint) from None
    version = tuple(int(part) for part in re.findall(r"\d+", botocore.__version__)[:2])
    if version < _MINIMUM:
        hint = "Install boto3>=1.36 for the Python that runs the task."
        raise StowageError("dependency_missing", f"botocore {botocore.__version__} is too old.", hint)


@functools.cache
def _loader() -> t.Any:
    """Reads botocore's descriptions of services, megabytes of JSON, once for all sessions; and not those in ``~/.aws/models``."""
    from botocore.loaders import Loader

    return Loader(extra_search_paths=[Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)


def partition_of(region: str) -> str:
    """The part of AWS that a region belongs to, as ARNs name it; of names that are no region of AWS, the usual one."""
    from botocore.exceptions import UnknownRegionError

    try:
        return str(isolated_session(None).get_partition_for_region(region))
    except UnknownRegionError:
        return "aws"


def isolated_session(source: t.Any) -> t.Any:
    """A botocore session that reads no file and no profile of the user, with these keys, or none."""
    import botocore.session
    from botocore.credentials import CredentialProvider, CredentialResolver, Credentials

    variables: dict[str, tuple[str | None, str | None, str | None, t.Any]] = {
        "profile": (None, None, None, None),
        "config_file": (None, None, os.devnull, None),
        "credentials_file": (None, None, os.devnull, None),
    }
    if isinstance(source, Keys):
        source = Credentials(source.access_key, source.secret_key, source.session_token or None, method="stowage")

    class Given(CredentialProvider):
        METHOD = "stowage"

        def load(self) -> t.Any:
            return source

    session = botocore.session.Session(session_vars=variables)
    session.register_component("credential_provider", CredentialResolver([Given()]))
    session.register_component("data_loader", _loader())
    return session
