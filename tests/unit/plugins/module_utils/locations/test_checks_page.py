# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/checks.md is the catalogue of checks. `python tests/unit/plugins/module_utils/locations/test_checks_page.py` writes it."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.catalogue import CATALOGUE
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.report import Layer

PAGE = Path(__file__).resolve().parents[5] / "docs" / "checks.md"
HEAD = """# Checks of a location

What `stowage.kubernetes.backup_location_info` looks at, layer by layer. The first layer with a failure is the last that is looked
at, but all of it is. Which checks there are depends on the provider; each means the same with all of them. The page is made of
`plugins/module_utils/_locations/catalogue.py`.
"""


def page() -> str:
    """The page's text."""
    parts = [HEAD]
    for layer in Layer:
        parts.append(f"\n## {layer.value}\n\n| Check | Why it matters | How to fix it |\n|---|---|---|\n")
        parts += [
            f"| `{name}` | {kind.why} | {kind.fix.replace('{what}', 'the action that is named')} |\n"
            for name, kind in CATALOGUE.items()
            if kind.layer is layer
        ]
    return "".join(parts)


def test_the_page_is_that_of_the_catalogue() -> None:
    assert PAGE.read_text(encoding="utf-8") == page()


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
