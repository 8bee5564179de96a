# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What durations and labels may be, and how specs are put together."""

from __future__ import annotations

import contextlib
import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.stowage.kubernetes.plugins.module_utils import _arguments as arguments
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError


@pytest.mark.parametrize(
    ("text", "hours"),
    [("90m", 1.5), ("36h", 36), ("30d", 720), ("2w", 336), ("1h30m0s", 1.5), ("0.5h", 0.5), (" 1h ", 1)],
)
def test_durations(text: str, hours: float) -> None:
    assert arguments.parse_duration("max_age", text) == datetime.timedelta(hours=hours)


@pytest.mark.parametrize("text", ["", "1", "h", "-1h", "1h-", "1 h", "0s", "1y", "999999999w", "1e9h", "\u0661h"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(StowageError, match="max_age must be") as caught:
        arguments.parse_duration("max_age", text)
    assert caught.value.code == "invalid_option"


@given(st.text())
def test_a_duration_is_positive_or_refused(text: str) -> None:
    with contextlib.suppress(StowageError):
        assert arguments.parse_duration("max_age", text) > datetime.timedelta(0)


def test_labels_become_text() -> None:
    given_labels = {"tier": 1, "acme.com/on": True, "empty": None, "v": "1.2"}
    assert arguments.check_labels("labels", given_labels) == {
        "tier": "1",
        "acme.com/on": "true",
        "empty": "",
        "v": "1.2",
    }


@pytest.mark.parametrize("key", ["", "a b", "-a", "a/b/c", "/a", "A_.com/x y", "UPPER.com/x", "a" * 64, "é"])
def test_what_is_no_label(key: str) -> None:
    with pytest.raises(StowageError, match="no Kubernetes label"):
        arguments.check_labels("labels", {key: "x"})
    with pytest.raises(StowageError, match="no Kubernetes label"):
        arguments.check_labels("labels", {"x": "a b"})


def test_an_option_in_two_specs_is_a_defect() -> None:
    with pytest.raises(ValueError, match="host"):
        arguments.merge(arguments.CLUSTER, {"host": {"type": "str"}})
    assert set(arguments.merge(arguments.LOCATION, {"a": {}})) == {"location", "a"}
