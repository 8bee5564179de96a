# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What docs/awx and the patterns say to AWX fits what the collection has, and lets nobody do more than their team may."""

from __future__ import annotations

import functools
import json
import re
import typing as t

import pytest
import yaml
from dateutil import rrule

from ansible_collections.stowage.kubernetes.plugins.module_utils._arguments import parse_duration
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.keys import MINIO_VARIABLES
from support.trust_examples import ROOT, injected, values
from tools import awx

Tree = dict[str, t.Any]

# As of infra.aap_configuration's roles controller_job_templates, controller_workflow_job_templates and controller_roles.
TEMPLATE_KEYS: t.Final = {
    *(
        "name",
        "description",
        "organization",
        "project",
        "inventory",
        "execution_environment",
        "playbook",
        "credentials",
    ),
    *("forks", "job_slice_count", "allow_simultaneous", "survey_enabled", "survey", "job_type", "diff_mode"),
    *("ask_job_type_on_launch", "notification_templates_error"),
}
NODE_KEYS: t.Final = {"identifier", "unified_job_template", "approval_node", "always_nodes", "success_nodes"}
QUESTION_KEYS: t.Final = {
    *("question_name", "question_description", "variable", "type", "required", "choices", "default"),
}
ROLES: t.Final = {"execute", "read", "approval", "admin"}
STOCK_TYPES: t.Final = {"Amazon Web Services", "Google Compute Engine", "Microsoft Azure Resource Manager"}


@functools.cache
def found() -> Tree:
    return awx.resolved()


@functools.cache
def source() -> Tree:
    made: Tree = yaml.safe_load((awx.AWX / "patterns.yml").read_text(encoding="utf-8"))
    return made


def templates() -> dict[str, Tree]:
    return {one["name"]: one for one in (*found()["controller_templates"], *source()["templates"])}


def workflows() -> dict[str, Tree]:
    return {one["name"]: one for one in found()["controller_workflows"]}


def playbook_of(template: Tree) -> str:
    return str(template["playbook"]).removeprefix("playbooks/").removesuffix(".yml")


def text_of(playbook: str) -> str:
    """A playbook of the collection with those that it imports."""
    text = (ROOT / "playbooks" / f"{playbook}.yml").read_text(encoding="utf-8")
    imported = re.findall(r"import_playbook: (\w+)\.yml", text)
    return text + "".join(text_of(name) for name in imported)


def options_of(playbook: str) -> Tree:
    """The options of all roles that a playbook has, whatever the entry point."""
    merged: Tree = {}
    for role in set(re.findall(r"name: stowage\.kubernetes\.(\w+)\n", text_of(playbook))):
        specs = yaml.safe_load((ROOT / "roles" / role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))
        for spec in specs["argument_specs"].values():
            merged |= spec["options"]
    return merged


def known_to(playbook: str) -> set[str]:
    """The variables that a playbook or a role of it reads."""
    text = text_of(playbook)
    for role in set(re.findall(r"name: stowage\.kubernetes\.(\w+)\n", text)):
        text += (ROOT / "roles" / role / "defaults" / "main.yml").read_text(encoding="utf-8")
    code = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    return set(options_of(playbook)) | set(re.findall(r"\b[a-z]+_[a-z_]+\b", code))


def questions(of: Tree) -> list[Tree]:
    asked: list[Tree] = of.get("survey", {}).get("spec", [])
    return asked


def surveys() -> list[tuple[str, Tree, set[str]]]:
    """Each question with its template or workflow, and the playbooks that get the answer."""
    asked = [(one["name"], question, {playbook_of(one)}) for one in templates().values() for question in questions(one)]
    for flow in workflows().values():
        names = [node.get("unified_job_template") for node in flow["simplified_workflow_nodes"]]
        playbooks = {playbook_of(templates()[name]) for name in names if name}
        asked += [(flow["name"], question, playbooks) for question in questions(flow)]
    return asked


def test_what_is_made_is_made_of_the_source() -> None:
    for path, text in awx.wanted().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.relative_to(ROOT)}: run make awx"
    made = {path for path in awx.PATTERNS.rglob("*") if path.is_file() and path.name != "README.md"}
    assert made | set(awx.PLAYBOOKS.iterdir()) | {awx.TYPES_MADE} == set(awx.wanted())


def test_templates_say_what_awx_knows_and_what_there_is() -> None:
    credentials = {one["name"]: one for one in variables("controller_credentials")}
    for one in found()["controller_templates"]:
        assert set(one) <= TEMPLATE_KEYS, one["name"]
        assert (one["project"], one["inventory"]) == ("Stowage", "Stowage clusters")
        assert set(one["credentials"]) <= set(credentials)
        kinds = [credentials[name]["credential_type"] for name in one["credentials"]]
        assert len(set(kinds)) == len(kinds), "AWX gives a job one credential of a type"
    for one in templates().values():
        assert (ROOT / "playbooks" / f"{playbook_of(one)}.yml").is_file()
        assert one.get("survey_enabled", False) is bool(questions(one))
    types = {one["name"] for one in variables("controller_credential_types")}
    assert {one["credential_type"] for one in credentials.values()} <= types | STOCK_TYPES


def variables(name: str) -> list[Tree]:
    """A variable of docs/awx/aap_configuration as it is written, since it has secrets or what is no template."""

    class Loader(yaml.SafeLoader):
        pass

    Loader.add_constructor("!unsafe", lambda loader, node: loader.construct_scalar(t.cast("yaml.ScalarNode", node)))
    text = (awx.VARIABLES / f"{name}.yml").read_text(encoding="utf-8")
    made: list[Tree] = yaml.load(text, Loader)[name]  # noqa: S506 - a safe loader
    return made


def test_each_answer_is_one_that_a_role_takes() -> None:
    assert surveys()
    for name, question, playbooks in surveys():
        assert set(question) <= QUESTION_KEYS, name
        variable = question["variable"]
        assert any(variable in known_to(playbook) for playbook in playbooks), f"{name}: {variable}"
        for option in (options_of(playbook).get(variable, {}) for playbook in playbooks):
            offered = question.get("choices", [])
            assert set(offered) <= set(map(str, option.get("choices", offered))), f"{name}: {variable}"
            assert (option.get("type") == "bool") <= (offered == ["false", "true"])
        # AWX sends an empty text for what nobody answered.
        assert "default" in question or question["required"], f"{name}: {variable}"
        defaults = str(question.get("default", "")).splitlines()
        assert set(defaults) <= set(question.get("choices", defaults))


def test_no_role_knows_what_nobody_wrote_down() -> None:
    assert "stowage_wrokspace" not in known_to("workspace_start")
    assert "prune_everything" not in known_to("workspace_retention")


def test_nodes_of_workflows_are_linked() -> None:
    for flow in workflows().values():
        nodes = {node["identifier"]: node for node in flow["simplified_workflow_nodes"]}
        assert len(nodes) == len(flow["simplified_workflow_nodes"])
        begun = set()
        for node in nodes.values():
            assert set(node) <= NODE_KEYS
            assert node.get("unified_job_template") in templates() or "approval_node" in node
            begun |= set(node.get("always_nodes", [])) | set(node.get("success_nodes", []))
        assert begun <= set(nodes)
        assert len(set(nodes) - begun) == 1, "one node begins"


def test_only_the_clusters_of_a_run_are_sliced() -> None:
    nodes = workflows()["Stowage: back up workspaces"]["simplified_workflow_nodes"]
    parts = [templates()[node["unified_job_template"]] for node in nodes]
    assert [playbook_of(one) for one in parts] == ["workspace_start", "workspace_clusters", "workspace_end"]
    assert ["job_slice_count" in one for one in parts] == [False, True, False]
    assert [node.get("always_nodes") for node in nodes] == [["clusters"], ["end"], None]
    sliced = [one["name"] for one in templates().values() if int(one.get("job_slice_count", 1)) > 1]
    assert sliced == ["Stowage: back up clusters"]


def test_an_answer_never_takes_the_name_of_a_run_away() -> None:
    """What is answered in a workflow counts more than what its first node leaves to the others."""
    for flow in workflows().values():
        for question in questions(flow):
            assert question["variable"] != "stowage_run" or question["required"], flow["name"]


def test_nothing_is_restored_without_a_plan_and_an_approval() -> None:
    flow = workflows()["Stowage: restore a run"]
    plan, approval, restore = flow["simplified_workflow_nodes"]
    assert templates()[plan["unified_job_template"]]["job_type"] == "check"
    assert (plan["success_nodes"], approval["success_nodes"]) == (["approval"], ["restore"])
    assert "always_nodes" not in plan | approval
    assert int(approval["approval_node"]["timeout"]) > 0
    assert questions(flow) == questions(templates()[restore["unified_job_template"]])
    assert questions(flow) == questions(templates()[plan["unified_job_template"]])


def test_nobody_may_do_more_than_their_team() -> None:
    teams = {one["name"] for one in found()["aap_teams"]}
    allowed: dict[tuple[str, str], set[str]] = {}
    for one in found()["controller_roles"]:
        assert one["team"] in teams
        assert one["role"] in ROLES
        assert set(one.get("workflows", [])) <= set(workflows())
        assert set(one.get("job_templates", [])) <= set(templates())
        granted = {*one.get("workflows", []), *one.get("job_templates", [])}
        allowed.setdefault((one["team"], one["role"]), set()).update(granted)
        if one["team"] != "Stowage admins":
            assert not one.keys() & {"credentials", "inventories", "projects"}
    operators = allowed["Stowage operators", "execute"]
    credentials = {name: set(one.get("credentials", ())) for name, one in templates().items()}
    launched = operators | allowed["Stowage approvers", "execute"]
    for name in launched & set(templates()):
        assert not credentials[name] & {"Stowage location owner", "Stowage pruner", "Stowage clusters for restores"}
    # With the keeper's keys, and for admins.
    assert not {"backups_delete", "backups_copy"} & {
        playbook_of(templates()[name]) for name in launched & set(templates())
    }
    assert ("Stowage operators", "admin") not in allowed
    assert ("Stowage operators", "approval") not in allowed
    assert allowed["Stowage approvers", "approval"] == {"Stowage: restore a run"}
    assert allowed["Stowage admins", "admin"] == {one["name"] for one in found()["controller_templates"]} | set(
        workflows()
    )


def test_nobody_is_asked_for_what_would_say_where_backups_go() -> None:
    for one in (*found()["controller_templates"], *found()["controller_workflows"]):
        assert {key for key in one if key.startswith("ask_")} <= {"ask_job_type_on_launch"}
    for _name, question, _playbooks in surveys():
        assert not question["variable"].startswith(("stowage_location", "stowage_default", "stowage_workspaces"))
        assert not re.search(r"kubeconfig|api_key|secret|token|host$", question["variable"])


def test_schedules_are_read_by_awx() -> None:
    launched = {**templates(), **workflows()}
    for one in found()["controller_schedules"]:
        asked = {question["variable"] for question in questions(launched[one["unified_job_template"]])}
        assert set(one["extra_data"]) == asked, "AWX ignores what nobody asks for"
        start, _space, rule = one["rrule"].partition(" ")
        made = rrule.rrulestr(f"{start}\n{rule}")
        assert made.after(made[0]) is not None
        assert re.fullmatch(r"DTSTART;TZID=[A-Za-z/]+:\d{8}T\d{6} RRULE:FREQ=\w+;INTERVAL=\d+", one["rrule"])


def test_the_report_comes_after_the_nightly_run() -> None:
    at = {
        one["unified_job_template"]: rrule.rrulestr(one["rrule"].replace(" ", "\n"))[0]
        for one in found()["controller_schedules"]
    }
    nightly, report = at["Stowage: back up workspaces"], at["Stowage: report"]
    grace = yaml.safe_load((ROOT / "roles" / "report" / "defaults" / "main.yml").read_text(encoding="utf-8"))[
        "report_grace"
    ]
    assert (report - nightly).total_seconds() > parse_duration("report_grace", grace).total_seconds()
    assert templates()["Stowage: report"]["notification_templates_error"] == [
        one["name"] for one in variables("controller_notifications")
    ]


def test_no_answer_says_where_the_report_goes_or_what_it_is_about() -> None:
    """All look at one page."""
    assert [one["variable"] for one in questions(templates()["Stowage: report"])] == ["report_fail_on"]


def test_the_project_requires_what_there_is() -> None:
    """As long as the last release lacks what the project uses, only the repository has it."""
    (required,) = yaml.safe_load(
        (awx.AWX / "project" / "collections" / "requirements.yml").read_text(encoding="utf-8")
    )["collections"]
    collection = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))
    released = yaml.safe_load((ROOT / "changelogs" / "changelog.yaml").read_text(encoding="utf-8"))["releases"]
    assert collection["version"] in released, "galaxy.yml has the version of the last release until the next one"
    if "0.2.0" in released:
        assert (required["name"], required["version"]) == ("stowage.kubernetes", ">=0.2.0")
    else:
        assert (required["type"], required["name"]) == ("git", f"{collection['repository']}.git")


def test_messages_name_what_awx_knows() -> None:
    (one,) = variables("controller_notifications")
    said = re.findall(r"\{\{ ([a-z_.]+) \}\}", json.dumps(one["messages"]))
    assert set(said) <= {"job.name", "job.id", "job.status", "url", "workflow_url", "approval_node_name"}
    assert set(one["messages"]["workflow_approval"]) == {"running", "approved", "denied", "timed_out"}


def test_patterns_name_their_own_playbooks() -> None:
    folders = [path for path in awx.PATTERNS.iterdir() if path.is_dir()]
    assert {path.name for path in folders} == {one["name"] for one in source()["patterns"]}
    for folder in folders:
        made = json.loads((folder / "meta" / "pattern.json").read_text(encoding="utf-8"))
        parts = made["aap_resources"]["controller_job_templates"]
        assert (made["name"], sum(one["primary"] for one in parts)) == (folder.name, 1)
        assert all((folder / "playbooks" / one["playbook"]).is_file() for one in parts)
        assert all("{{" not in json.dumps(one) for one in parts)
        assert len(made["title"]) <= 64
        assert not made["short_description"].endswith(".")
        assert (folder / "README.md").is_file()


@pytest.mark.parametrize(
    "kind", yaml.safe_load(awx.TYPES[1].read_text(encoding="utf-8")), ids=lambda kind: kind["name"]
)
def test_types_of_jobs_set_stock_variables_and_hide_secrets(kind: Tree) -> None:
    given = values(kind)
    environment = injected(kind, given)
    stock = {name for group in MINIO_VARIABLES for name in group}
    assert set(environment) <= stock | {"STOWAGE_KUBECONFIG"}
    shown = {*environment.values(), *kind["injectors"].get("file", {}).values()}
    assert all(value in shown or f"{{{{ {name} }}}}" in shown for name, value in given.items())
    fields = {field["id"]: field for field in kind["inputs"]["fields"]}
    assert [name for name, one in fields.items() if not one.get("secret")] in ([], ["access_key"])
