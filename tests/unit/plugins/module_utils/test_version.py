# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The version in the code is the collection's."""

from __future__ import annotations

from pathlib import Path

import yaml

from ansible_collections.stowage.kubernetes.plugins.module_utils._version import VERSION

ROOT = Path(__file__).resolve().parents[4]


def test_the_version_is_that_of_galaxy_yml() -> None:
    assert yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))["version"] == VERSION
