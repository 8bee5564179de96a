# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each example inventory of trust is run by the playbook, as far as that needs nobody else: its options are those of the module, and
what somebody else is asked to do comes out. The variables are those that AWX sets."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pytest

from support.leaks import files, leaks
from support.plays import Plays
from support.trust_examples import EXAMPLES, credential_types, injected, values, variables

PLAYBOOK = "stowage.kubernetes.cross_account"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_says_what_somebody_else_is_asked_to_do(example: Path, tmp_path: Path) -> None:
    document = tmp_path / "document.json"
    document.write_text('{"type": "service_account"}', encoding="ascii")
    environment: dict[str, str] = {}
    secrets: list[str] = []
    for kind in credential_types():
        given = values(kind)
        environment |= injected(kind, given, str(document))
        secrets += [given[field["id"]] for field in kind["inputs"]["fields"] if field.get("secret")]
    plays = dataclasses.replace(Plays.make(tmp_path), inventory=example)
    with plays.start(PLAYBOOK, "-vv", "-e", "trust_render_only=true", **environment) as play:
        output, _errors = play.communicate()
    plays.end()
    assert (play.returncode, re.findall(r"changed=(\d+)", output)) == (0, ["0"]), output
    for name in variables(example)["stowage_trusts"]:
        assert f"# Trust {name} " in output
    assert leaks([("the output", output.encode()), *files(plays.path)], secrets) == []


def test_a_word_that_the_module_does_not_know_is_noticed(tmp_path: Path) -> None:
    tree = json.loads(json.dumps(variables(next(path for path in EXAMPLES if path.stem == "minio"))))
    tree["stowage_trusts"]["prod-1-writer"]["permissions"] = "owner"
    plays = Plays.make(tmp_path, vars=tree)
    code, output = plays.run(PLAYBOOK, "-e", "trust_render_only=true", "-e", "trust_names=prod-1-writer")
    plays.end()
    assert code == 2, output
    assert "value of permissions must be one of" in output
