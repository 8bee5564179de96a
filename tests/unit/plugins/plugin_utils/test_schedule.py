# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What triggers are called, and who makes no sense."""

from __future__ import annotations

import re
import typing as t

import pytest
from ansible.errors import AnsibleFilterError
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.stowage.kubernetes.plugins.plugin_utils._schedule import object_name, schedule_triggers

WORDS: t.Final = st.from_regex(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,80}[A-Za-z0-9])?", fullmatch=True)


@given(st.sets(WORDS.map(lambda word: f"stowage-backup-{word}"), min_size=2))
def test_each_workspace_has_a_cronjob_of_its_own(names: set[str]) -> None:
    found = {name: object_name(name) for name in names}
    assert len(set(found.values())) == len(names)
    # https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/: at most 52 characters.
    assert all(len(one) <= 52 and re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", one) for one in found.values())
    assert all(found[name] == name for name in names if re.fullmatch(r"[a-z0-9-]{1,52}", name))


@pytest.mark.parametrize("name", ["", "___", "ü"])
def test_a_name_of_nothing_is_a_name(name: str) -> None:
    assert re.fullmatch(r"[0-9a-f]{8}", object_name(name)) or not name


def test_what_makes_no_sense_is_said() -> None:
    with pytest.raises(AnsibleFilterError, match="start must be a date"):
        schedule_triggers({"preset": "weekly"}, "soon")
    with pytest.raises(AnsibleFilterError, match="jitter must be a duration"):
        schedule_triggers({"preset": "weekly"}, "2026-01-01", "x")
    assert schedule_triggers({"preset": "never"}, "2026-01-01") == {"never": True}
