# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m tools <command>`: what the Makefile calls."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from tools import bundle, docs, environments, importer, integration, matrix, sanity, steps, tests
from tools.paths import ToolError


def _env(_arguments: Sequence[str]) -> None:
    environments.ensure_development()


def _tool(arguments: Sequence[str]) -> None:
    for name in arguments:
        environments.tool(name).ensure()


def _sanity(arguments: Sequence[str]) -> None:
    sanity.run_sanity(environments.ensure_development(), arguments)


def _docs(_arguments: Sequence[str]) -> None:
    environment = environments.tool("docs")
    environment.ensure()
    docs.check(environment)


def _importer(_arguments: Sequence[str]) -> None:
    environment = environments.tool("importer")
    environment.ensure()
    importer.run_importer(environments.ensure_development(), environment)


def _integration(arguments: Sequence[str]) -> None:
    integration.run_integration(environments.ensure_development(), arguments)


def _bundle(arguments: Sequence[str]) -> None:
    bundle.run_bundle(environments.ensure_development(), environments.tool("bundle"), arguments)


def _awx(_arguments: Sequence[str]) -> None:
    from tools import awx  # needs what is in .venv alone

    awx.write()


COMMANDS: dict[str, tuple[Callable[[Sequence[str]], None], str]] = {
    "env": (_env, "make .venv and the link tree"),
    "tool": (_tool, "make the environments of the named tools"),
    "steps": (steps.run_steps, "run the named make targets one after the other"),
    "sanity": (_sanity, "run ansible-test sanity with these arguments"),
    "integration": (_integration, "run ansible-test integration with these arguments against the testbed"),
    "tests": (tests.run_tests, "run unit and system tests, several files at a time, with these further arguments"),
    "matrix": (matrix.run_matrix, "try every supported ansible-core (or those named) on every Python"),
    "bundle": (_bundle, "write dist/bundle, for machines without a way out"),
    "awx": (_awx, "write patterns and playbooks for AWX from docs/awx"),
    "docs": (_docs, "check the documentation"),
    "importer": (_importer, "build the tarball and check it with galaxy-importer"),
}


def main() -> int:
    """Runs one command; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tools",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(f"  {name:12} {text}" for name, (function, text) in COMMANDS.items()),
    )
    parser.add_argument("command", choices=COMMANDS, metavar="command")
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    try:
        COMMANDS[options.command][0](options.arguments)
    except ToolError as error:
        sys.stdout.flush()
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
