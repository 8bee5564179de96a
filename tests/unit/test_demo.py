# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the demo says of its numbers."""

from __future__ import annotations

import re

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._restore.model import Action
from demo import __main__ as demo


def test_each_fate_of_an_object_has_words() -> None:
    assert set(demo.MEANINGS) == {str(action) for action in Action}


@pytest.mark.parametrize(
    ("held", "words"), [(10, "4 fewer"), (6, "(as many)"), (1, "5 more")], ids=["fewer", "as many", "more"]
)
def test_the_numbers_add_up(held: int, words: str) -> None:
    text = demo.story(held, {"created": 3, "skipped": 2, "unchanged": 1, "failed": 0}, 3)
    parts = [int(number) for number in re.findall(r"^ +(\d+) (?!in all)", text, re.MULTILINE)]
    assert sorted(parts) == [1, 2, 3]
    assert re.search(r"^ +6 in all$", text, re.MULTILINE)
    assert words in text
    assert "failed" not in text
