# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes what AWX and AAP take from one source, docs/awx: patterns, wrapper playbooks, and credential types as variables.

The form of a pattern: https://github.com/ansible/pattern-service, specifications/pattern-specification.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tools.paths import COLLECTIONS, ROOT, VENV, ToolError

Tree = dict[str, Any]

AWX = ROOT / "docs" / "awx"
VARIABLES = AWX / "aap_configuration"
TYPES = (AWX / "credential_types.yml", AWX / "credential_types_jobs.yml")
TYPES_MADE = VARIABLES / "controller_credential_types.yml"
PATTERNS = ROOT / "extensions" / "patterns"
PLAYBOOKS = AWX / "project" / "playbooks"
MADE = "# Made by `make awx`; change docs/awx instead.\n"
NAMES = (
    "controller_templates",
    "controller_workflows",
    "controller_schedules",
    "controller_roles",
    "aap_teams",
    "controller_projects",
    "controller_inventories",
    "controller_inventory_sources",
    "controller_execution_environments",
)

_KEPT = ("name", "description", "job_type", "diff_mode", "forks", "job_slice_count", "survey_enabled", "survey")
_SPEC_TYPES = {"multiselect": {"type": "list", "elements": "str"}}


class _Unsafe(str):
    """What Ansible must not take for a template."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    """Lists are indented, as yamllint wants them."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002 - PyYAML's
        return super().increase_indent(flow, False)


_Dumper.add_representer(_Unsafe, lambda dumper, text: dumper.represent_scalar("!unsafe", str(text), style='"'))


def resolved(*files: Path) -> Tree:
    """The variables of docs/awx/aap_configuration as Ansible reads them.

    :param files: further files of variables, which count more.
    """
    wanted = "{{ {" + ", ".join(f"'{name}': {name}" for name in NAMES) + "} | to_json }}"
    tasks = [
        {"ansible.builtin.include_vars": {"dir": str(VARIABLES), "extensions": ["yml"]}},
        {"ansible.builtin.debug": {"msg": "made:" + wanted}},
    ]
    play = json.dumps([{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}])
    more = [word for file in files for word in ("-e", f"@{file}")]
    done = subprocess.run(
        [VENV / "bin" / "ansible-playbook", "-i", "localhost,", *more, "/dev/stdin"],
        input=play,
        env={
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", "/"),
            "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
            "ANSIBLE_NOCOLOR": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    line = next((one for one in done.stdout.splitlines() if '"msg": "made:' in one), None)
    if line is None:
        raise ToolError(f"The variables of {VARIABLES.relative_to(ROOT)} cannot be read:\n{done.stdout}{done.stderr}")
    found: Tree = json.loads(json.loads("{" + line.strip().rstrip(",") + "}")["msg"].removeprefix("made:"))
    return found


def credential_types() -> str:
    """The credential types as the variable that infra.aap_configuration reads."""
    found = [one for path in TYPES for one in yaml.safe_load(path.read_text(encoding="utf-8"))]
    made = [{**one, "injectors": _unsafe(one["injectors"])} for one in found]
    dumped = yaml.dump({"controller_credential_types": made}, Dumper=_Dumper, sort_keys=False, width=1000)
    return f"---\n{MADE}{dumped}"


def _unsafe(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {name: _unsafe(value) for name, value in tree.items()}
    return _Unsafe(tree)


def wrapper(name: str, description: str) -> str:
    """A playbook of a project: AWX lets nobody choose one of a collection."""
    play = {
        "name": description.split(".", maxsplit=1)[0],
        "ansible.builtin.import_playbook": f"stowage.kubernetes.{name}",
    }
    return f"---\n{MADE}{yaml.dump([play], Dumper=_Dumper, sort_keys=False, width=1000)}"


def argument_spec(template: Tree) -> str:
    """What a playbook of a pattern is asked for, as patterns have to say."""
    questions = template.get("survey", {}).get("spec", [])
    options: Tree = {}
    for one in questions:
        option: Tree = {"description": one["question_description"], **_SPEC_TYPES.get(one["type"], {"type": "str"})}
        options[one["variable"]] = option | {"required": bool(one["required"])}
        if one.get("choices"):
            options[one["variable"]]["choices"] = one["choices"]
    words = template["description"]
    example = [{"ansible.builtin.import_playbook": f"{_playbook(template)}.yml"}]
    spec = {
        "short_description": words.split(".")[0],
        "description": [words],
        "author": ["Stowage contributors (@stowage)"],
        "options": options,
        "examples": yaml.dump(example, Dumper=_Dumper, width=1000).strip(),
    }
    found = {
        "short_description": spec["short_description"],
        "description": words,
        "argument_specs": {_playbook(template): spec},
    }
    return f"---\n{MADE}{yaml.dump(found, Dumper=_Dumper, sort_keys=False, width=1000)}"


def pattern(about: Tree, templates: list[Tree]) -> str:
    """``meta/pattern.json``."""
    labels = about["labels"]
    made = [
        {
            **{key: template[key] for key in _KEPT if key in template},
            "playbook": f"{_playbook(template)}.yml",
            "execution_environment": about["execution_environment"]["name"],
            "labels": labels,
            "primary": template["name"] == about["primary"],
            "ask_credential_on_launch": True,
            "ask_inventory_on_launch": True,
        }
        for template in templates
    ]
    found = {
        "schema_version": "1.0",
        **{key: about[key] for key in ("name", "title", "description", "short_description", "tags")},
        "aap_resources": {
            "controller_project": about["project"],
            "controller_execution_environment": about["execution_environment"],
            "controller_labels": labels,
            "controller_job_templates": made,
        },
    }
    return json.dumps(found, indent=2) + "\n"


def _playbook(template: Tree) -> str:
    return Path(template["playbook"]).stem


def wanted() -> dict[Path, str]:
    """All files that are made, with what belongs into them."""
    found = {TYPES_MADE: credential_types()}
    by_name = {one["name"]: one for one in resolved()["controller_templates"]}
    source = yaml.safe_load((AWX / "patterns.yml").read_text(encoding="utf-8"))
    by_name |= {one["name"]: one for one in source["templates"]}
    for template in by_name.values():
        found[PLAYBOOKS / f"{_playbook(template)}.yml"] = wrapper(_playbook(template), template["description"])
    for about in source["patterns"]:
        folder = PATTERNS / about["name"]
        templates = [by_name[name] for name in about["templates"]]
        found[folder / "meta" / "pattern.json"] = pattern({**source["common"], **about}, templates)
        for one in templates:
            playbooks = folder / "playbooks"
            found[playbooks / f"{_playbook(one)}.yml"] = wrapper(_playbook(one), one["description"])
            found[playbooks / f"{_playbook(one)}.meta.yml"] = argument_spec(one)
    return found


def write() -> None:
    """Writes all of them."""
    for path, text in wanted().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
