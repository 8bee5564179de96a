# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Examples run as they stand, documented results are the real ones, and roles take what modules take."""

from __future__ import annotations

import dataclasses
import datetime
import importlib
import typing as t
from pathlib import Path
from unittest import mock

import jinja2.nativetypes
import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.stowage.kubernetes.plugins.module_utils import _module as module_file
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.describe import describe_record
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.record import BackupRecord
from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.ensure import Wanted
from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.result import BackupResult
from ansible_collections.stowage.kubernetes.plugins.module_utils._inspect.compare import Comparison
from ansible_collections.stowage.kubernetes.plugins.module_utils._inspect.differences import Differences
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.rules import check_location
from ansible_collections.stowage.kubernetes.plugins.module_utils._report.assemble import assemble
from ansible_collections.stowage.kubernetes.plugins.module_utils._report.model import Wanted as WantedReport
from ansible_collections.stowage.kubernetes.plugins.module_utils._report.task import describe as describe_report
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.model import Result
from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.outcome import RestoreResult
from ansible_collections.stowage.kubernetes.plugins.module_utils._selection import Selection
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.runs import Record
from support.report_fleets import Fleet

ROOT: t.Final = Path(__file__).resolve().parents[4]
PREFIX: t.Final = "stowage.kubernetes."
MODULES: t.Final = sorted(path.stem for path in (ROOT / "plugins/modules").glob("[!_]*.py"))
Tree = dict[str, t.Any]


def module(name: str) -> t.Any:
    return importlib.import_module(f"ansible_collections.stowage.kubernetes.plugins.modules.{name}")


def spec(name: str) -> Tree:
    """The argument spec that a module runs with."""
    with mock.patch.object(module(name), "run_module") as run:
        module(name).main()
    found: Tree = run.call_args.args[0]
    return found


def documented(name: str) -> Tree:
    """What a module documents about its results."""
    found: Tree = yaml.safe_load(module(name).RETURN)
    return found


def keys(documentation: Tree) -> set[str]:
    return set(documentation["contains"])


def rendered(value: t.Any, variables: Tree) -> t.Any:
    """A value with its templates filled in, as Ansible would."""
    if isinstance(value, dict):
        return {name: rendered(part, variables) for name, part in value.items()}
    if isinstance(value, list):
        return [rendered(part, variables) for part in value]
    if isinstance(value, str) and "{{" in value:
        environment = jinja2.nativetypes.NativeEnvironment(undefined=jinja2.StrictUndefined, autoescape=False)
        return environment.from_string(value).render(lookup=lambda *_name: "from outside", **variables)
    return value


def examples() -> t.Iterator[tuple[str, Tree]]:
    for name in MODULES:
        tasks = yaml.safe_load(module(name).EXAMPLES)
        mine = [task for task in tasks if PREFIX + name in task]
        assert mine, f"{name} has no example"
        yield from ((f"{name}: {task['name']}", task) for task in mine)


@pytest.mark.parametrize("task", [pytest.param(task, id=title) for title, task in examples()])
def test_an_example_runs_as_it_stands(task: Tree) -> None:
    name = next(key for key in task if key.startswith(PREFIX))
    args = rendered(task[name], task.get("vars", {}))
    validator: t.Any = ArgumentSpecValidator  # not annotated
    checked = validator(spec(name.removeprefix(PREFIX))).validate(args)
    assert checked.error_messages == []
    params = checked.validated_parameters
    if "location" in params:
        check_location(params["location"])
    if name == f"{PREFIX}backup":
        Wanted.from_params(params)
    if "included_namespaces" in spec(name.removeprefix(PREFIX)):
        Selection.from_params(params)


@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_thin(name: str) -> None:
    assert module_file.run_module is module(name).run_module
    source = Path(module(name).__file__).read_text(encoding="utf-8")
    code = source.rpartition('"""\n\nfrom ansible_collections')[2]
    assert len([line for line in code.splitlines() if line.strip()]) <= 60


def _fields(of: type) -> set[str]:
    assert dataclasses.is_dataclass(of)
    return {field.name for field in dataclasses.fields(of)}


def test_the_results_of_backup_are_documented() -> None:
    assert keys(documented("backup")["backup"]) == _fields(BackupResult)


def test_what_a_found_backup_has_is_documented_as_always_there() -> None:
    contains = documented("backup")["backup"]["contains"]
    always = {name for name, field in contains.items() if field["returned"] == "always"}
    described = describe_record(BackupRecord("x", "y", "Completed"))
    assert always == set(described) - {"ours", "filters", "format_version", "message"} | {"planned"}


def test_the_results_of_backup_info_are_documented() -> None:
    contains = documented("backup_info")["backups"]["contains"]
    always = {name for name, field in contains.items() if field["returned"] == "always"}
    assert always == set(describe_record(BackupRecord("x", "y", "Completed")))


def test_the_results_of_a_comparison_are_documented() -> None:
    compared = Comparison(Differences(), [], [], [], 0, 0).as_dict()
    named = {name for name in spec("backup_info") if name.startswith("compare_")} | {"name", "cluster"}
    assert keys(documented("backup_info")["comparison"]) == compared.keys() | named


def test_the_results_of_restore_are_documented() -> None:
    documentation = documented("restore")["restore"]
    elsewhere = {"check", "diff", "diff_left_out", "error"}  # planned, diff, and the failure
    assert keys(documentation) == _fields(RestoreResult) - elsewhere | {"planned"}
    internal = {"api_version", "resource"}
    assert keys(documentation["contains"]["objects"]) == _fields(Result) - internal


def test_the_records_of_a_run_are_documented() -> None:
    assert keys(documented("workspace_run")["run"]["contains"]["clusters"]) == _fields(Record)


@pytest.mark.parametrize("name", MODULES)
def test_failures_are_documented(name: str) -> None:
    assert {"error_code", "hint", "error_details"} <= documented(name).keys()


def _variable(role: str, option: str) -> str:
    return option if option.startswith(f"{role}_") else f"{role}_{option}"


def _role(role: str, path: str) -> t.Any:
    return yaml.safe_load((ROOT / "roles" / role / path).read_text(encoding="utf-8"))


def _module_task(tasks: t.Any, name: str) -> Tree:
    """The options of the task that runs a module, wherever it is; defaults of the block that it is in among them."""
    for task in tasks:
        if name in task:
            return dict(task[name])
        for part in ("block", "always"):
            if found := _module_task(task.get(part, ()), name):
                return {**task.get("module_defaults", {}).get(f"group/{PREFIX}cluster", {}), **found}
    return {}


ROLE_ALONE: t.Final = {"location", "locations"}
"""The second is in no argument specification: to check it, Ansible would evaluate all locations."""
MODULE_OF: t.Final = {"backup": "backup", "restore": "restore", "retention": "backup_retention"}
NEVER: t.Final = {"state", "run"}
"""A role ensures that a backup is there; it removes none, and runs are of workspaces."""


@pytest.mark.parametrize("role", MODULE_OF)
def test_a_role_takes_what_its_module_takes(role: str) -> None:
    module_name = MODULE_OF[role]
    options = spec(module_name).keys() - ROLE_ALONE - NEVER
    documentation = _role(role, "meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    assert documentation.keys() == {_variable(role, option) for option in options | {"location"}}
    for option in options:
        described, own = documentation[_variable(role, option)], spec(module_name)[option]
        assert described["type"] == own["type"], option
        assert described.get("choices") == own.get("choices"), option
        assert bool(described.get("no_log")) == bool(own.get("no_log")), option
    passed = _module_task(_role(role, "tasks/main.yml"), PREFIX + module_name)
    assert passed.pop("location") == f"{{{{ {role}_locations[{role}_location] }}}}"
    assert passed == {option: f"{{{{ {_variable(role, option)} }}}}" for option in options}


@pytest.mark.parametrize("role", MODULE_OF)
def test_a_role_documents_its_defaults_and_requires_the_rest(role: str) -> None:
    documentation = _role(role, "meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    defaults = _role(role, "defaults/main.yml")
    required = {name for name, option in documentation.items() if option.get("required")}
    assert defaults.keys() - {f"{role}_locations"} == documentation.keys() - required
    assert required == ({"restore_backup"} if role == "restore" else set())
    for name in documentation.keys() - required:
        default = defaults[name]
        templated = isinstance(default, str) and "{{" in default
        assert documentation[name].get("default") == (None if templated else default), name
    readme = (ROOT / "roles" / role / "README.md").read_text(encoding="utf-8")
    assert all(f"| `{name}` |" in readme for name in documentation.keys() | defaults.keys())


def test_the_role_workspace_documents_its_variables() -> None:
    defaults, specs = _role("workspace", "defaults/main.yml"), _role("workspace", "meta/argument_specs.yml")
    readme = (ROOT / "roles/workspace/README.md").read_text(encoding="utf-8")
    for entry in specs["argument_specs"].values():
        assert defaults.keys() - {"workspace_locations"} == entry["options"].keys()
    assert all(f"| `{name}` |" in readme for name in defaults)
    given = _module_task(_role("workspace", "tasks/cluster.yml"), f"{PREFIX}workspace_backup").keys()
    assert given == spec("workspace_backup").keys()
    given = _module_task(_role("workspace", "tasks/restore_cluster.yml"), f"{PREFIX}restore").keys()
    assert given == spec("restore").keys() - {"backup_labels", "backup_selection", "name", "diff_path", "report_dir"}


def test_the_results_of_report_are_documented() -> None:
    found = describe_report(assemble(WantedReport(), {}, {}, datetime.datetime.now(datetime.UTC)))
    assert keys(documented("report")["report"]) == found.keys()
    row = describe_report(Fleet(1, 1, 1).report())["clusters"][0]
    assert keys(documented("report")["report"]["contains"]["clusters"]) == row.keys()


def test_the_role_report_documents_its_variables() -> None:
    defaults, options = (_role("report", "defaults/main.yml"), _role("report", "meta/argument_specs.yml"))
    documentation = options["argument_specs"]["main"]["options"]
    assert defaults.keys() - {"report_locations"} == documentation.keys() - {"report_path"}
    for name, default in defaults.items():
        templated = isinstance(default, str) and "{{" in default
        if name in documentation:
            assert documentation[name].get("default") == (None if templated else default), name
    readme = (ROOT / "roles/report/README.md").read_text(encoding="utf-8")
    assert all(f"| `{name}` |" in readme for name in defaults.keys() | documentation.keys())
    given = _module_task(_role("report", "tasks/main.yml"), f"{PREFIX}report")
    assert given.keys() == spec("report").keys()
    for option in spec("report").keys() & {name.removeprefix("report_") for name in documentation} - {
        "fail_on",
        "workspaces",
    }:
        described, own = documentation[f"report_{option}"], spec("report")[option]
        assert given[option] == f"{{{{ report_{option} }}}}"
        assert (described["type"], described.get("choices")) == (own["type"], own.get("choices")), option


@pytest.mark.parametrize(
    "path", sorted((ROOT / "roles").glob("*/files/*")), ids=lambda path: f"{path.parts[-3]}/{path.name}"
)
def test_permissions_are_shipped_with_the_role(path: Path) -> None:
    assert path.resolve().parent == ROOT / "docs/rbac"
    assert yaml.safe_load(path.read_text(encoding="utf-8"))
