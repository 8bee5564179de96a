# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The collection's version, for manifests and the User-Agent header. Private to the collection.

A test holds it equal to galaxy.yml: a module does not carry that file along.
"""

from __future__ import annotations

import typing as t

VERSION: t.Final = "0.1.0"
USER_AGENT: t.Final = f"stowage.kubernetes/{VERSION}"
