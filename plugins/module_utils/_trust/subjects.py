# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Service accounts of clusters, as options and tokens name them. Private to the collection. Pure."""

from __future__ import annotations

import re
import typing as t

_SUBJECT: t.Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?/[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")


def is_subject(text: str) -> bool:
    """Whether it is ``namespace/account``, without wildcards."""
    return _SUBJECT.fullmatch(text) is not None


def subject_of(subject: str) -> str:
    """The ``sub`` of a service account's tokens."""
    namespace, _dummy, account = subject.partition("/")
    return f"system:serviceaccount:{namespace}:{account}"
