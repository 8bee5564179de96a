# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What workspaces and runs may be called: parts of keys, and values of labels. Private to the collection. Pure."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError

ALL: t.Final = "all"
"""What ``stowage_workspace`` says for every workspace; so none can have that name."""

_NAME: t.Final = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_HINT: t.Final = "Use at most 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit"


def check_run(run: str) -> str:
    """:raises StowageError: ``invalid_name``."""
    if len(run) > 63 or not _NAME.fullmatch(run):
        raise StowageError("invalid_name", f"{run[:80]!r} cannot be the name of a run.", f"{_HINT}.")
    return run


def check_workspace(name: str) -> str:
    """:raises StowageError: ``invalid_name``."""
    if len(name) > 63 or not _NAME.fullmatch(name) or name == ALL:
        raise StowageError("invalid_name", f"{name[:80]!r} cannot be the name of a workspace.", f"{_HINT}; not all.")
    return name
