# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks all documentation with antsibull-docs."""

from __future__ import annotations

import os
import shutil

from tools import tree
from tools.environments import Environment
from tools.paths import CACHE, run, say

# References to other collections cannot be checked without them, so there are none.
STRICT = ("--plugin-docs", "--validate-collection-refs=self", "--disallow-unknown-collection-refs")


def check(environment: Environment) -> None:
    """Lints the documentation of plugins and roles, extra documents and links, then renders every page."""
    rendered = CACHE / "docs"
    shutil.rmtree(rendered, ignore_errors=True)
    rendered.mkdir(parents=True)
    antsibull = environment.program("antsibull-docs")
    with tree.copy("docs") as copied:
        variables = {
            "ANSIBLE_COLLECTIONS_PATH": str(copied.parents[2]),
            "PATH": f"{environment.path / 'bin'}{os.pathsep}{os.environ['PATH']}",
        }
        run([antsibull, "lint-collection-docs", *STRICT, copied], env=variables)
        run(
            [antsibull, "collection", "--use-current", "--fail-on-error", "--dest-dir", rendered, "stowage.kubernetes"],
            env=variables,
            quiet=True,
        )
    pages = len(list(rendered.rglob("*.rst")))
    say(f"Rendered {pages} pages to {rendered.relative_to(CACHE.parent)}/")
