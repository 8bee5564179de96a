# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every supported ansible-core on every Python found here: sanity, unit tests, integration targets."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tools import environments, integration, pythons, sanity
from tools.environments import Environment
from tools.paths import CACHE, ToolError, run, say

# The Pythons that each ansible-core runs on as a controller.
CORES: dict[str, tuple[str, ...]] = {
    "2.19": ("3.11", "3.12", "3.13"),
    "2.20": ("3.12", "3.13", "3.14"),
    "2.21": ("3.12", "3.13", "3.14"),
    "2.22": ("3.13", "3.14", "3.15"),
}


@dataclass(frozen=True)
class Cell:
    """One combination to try."""

    core: str
    environment: Environment
    with_sanity: bool
    label: str


def cells(wanted: Sequence[str]) -> list[Cell]:
    """The combinations of the wanted cores (all, when none is named) with the Pythons found, and one of oldest requirements.

    Sanity goes once over each core, on its newest Python: its tests of imports and syntax try every Python by themselves.
    """
    unknown = set(wanted) - set(CORES)
    if unknown:
        raise ToolError(f"{', '.join(sorted(unknown))}: the matrix knows {', '.join(CORES)}")
    found = pythons.newest_of_each()
    planned = []
    for core in wanted or CORES:
        usable = [found[minor] for minor in found if minor in CORES[core]]
        if not usable:
            say(f"NOT TRIED: ansible-core {core} needs Python {' or '.join(CORES[core])}, and none was found")
        for number, python in enumerate(usable):
            label = f"ansible-core {core}, Python {python.minor}"
            planned.append(Cell(core, environments.for_core(core, python), number == 0, label))
    core = next(iter(CORES))
    oldest = next((found[minor] for minor in CORES[core] if minor in found), None)
    if oldest and not wanted:
        label = f"ansible-core {core}, Python {oldest.minor}, oldest requirements"
        planned.append(Cell(core, environments.for_core(core, oldest, floor=True), False, label))
    return planned


def _unit(environment: Environment) -> None:
    run(
        [
            environment.program("python"),
            "-m",
            "pytest",
            "-q",
            "-o",
            f"cache_dir={CACHE / 'pytest-matrix'}",
            "tests/unit",
        ]
    )


def run_matrix(wanted: Sequence[str]) -> None:
    """Tries every combination to its end, prints a table, and raises ToolError if anything failed."""
    environments.ensure_development()
    rows: list[tuple[str, str, str, float]] = []
    with integration.bed() as servers:
        known = integration.variables(servers)
        for cell in cells(wanted):
            steps: list[tuple[str, Callable[[Environment], None]]] = [
                ("unit", _unit),
                ("integration", lambda environment: integration.run_targets(environment, known)),
            ]
            if cell.with_sanity:
                steps.insert(0, ("sanity", sanity.run_sanity))
            say(f"== {cell.label}")
            cell.environment.ensure()
            environments.add_paths(cell.environment)
            rows += [(cell.label, name, *_tried(step, cell.environment)) for name, step in steps]
    for label, name, outcome, seconds in rows:
        say(f"{label:58} {name:12} {outcome:7} {seconds:5.0f} s")
    failed = sum(outcome != "passed" for unused, name, outcome, seconds in rows)
    if failed:
        raise ToolError(f"FAILED: {failed} of {len(rows)} checks of the matrix")
    say(f"All {len(rows)} checks of the matrix passed")


def _tried(step: Callable[[Environment], None], environment: Environment) -> tuple[str, float]:
    started = time.monotonic()
    try:
        step(environment)
    except ToolError as error:
        say(f"error: {error}")
        return "FAILED", time.monotonic() - started
    return "passed", time.monotonic() - started
