# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lines about progress are readable, printable and rare."""

from __future__ import annotations

import typing as t
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.stowage.kubernetes.plugins.plugin_utils import _lines as lines

REPORT: t.Final = {
    "step": "capture",
    "detail": "pods",
    "objects": 12034,
    "total": None,
    "size": 47290777,
    "seconds": 14.0,
}


@pytest.mark.parametrize(
    ("document", "text"),
    [
        (REPORT, "[prod-1] capture pods: 12,034 objects, 45.1 MiB, 3.2 MiB/s"),
        ({**REPORT, "total": 20000}, "[prod-1] capture pods: 12,034 of 20,000 objects, 45.1 MiB, 3.2 MiB/s"),
        ({**REPORT, "size": 0, "seconds": 2}, "[prod-1] capture pods: 12,034 objects, 6,017/s"),
        ({**REPORT, "seconds": 0.5}, "[prod-1] capture pods: 12,034 objects, 45.1 MiB"),
        ({"step": "capture", "detail": "discovery", "objects": 0}, "[prod-1] capture discovery"),
        ({"step": "delete", "objects": 3}, "[prod-1] delete: 3 objects"),
        ({"note": "The capture starts over."}, "[prod-1] The capture starts over."),
    ],
)
def test_lines(document: dict[str, t.Any], text: str) -> None:
    assert lines.format_line("prod-1", document) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1 << 20, "1.0 MiB"),
        (5 << 40, "5.0 TiB"),
        (1 << 60, "1048576.0 TiB"),
    ],
)
def test_sizes(size: int, text: str) -> None:
    assert lines.format_size(size) == text


def test_escape_sequences_and_overrides_are_shown_as_question_marks() -> None:
    assert lines.format_line("h", {"note": "a\x1b[31mb\r\n\u202e\u2028c"}) == "[h] a?[31mb????c"


_ANY = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=3), inner, max_size=2)),
)
_NAMES = st.sampled_from(["step", "detail", "objects", "total", "size", "seconds", "note"])


@given(st.text(), st.dictionaries(_NAMES, _ANY))
def test_whatever_comes_out_of_a_fifo_makes_one_printable_line(host: str, document: dict[str, t.Any]) -> None:
    line = lines.format_line(host, document)
    assert len(line) <= 200
    assert not [each for each in line if unicodedata.category(each) in ("Cc", "Cf", "Zl", "Zp")]


@given(st.binary())
def test_only_json_objects_are_documents(line: bytes) -> None:
    document = lines.parse(line)
    assert document is None or isinstance(document, dict)
    assert lines.parse(b'{"note": "x"}') == {"note": "x"}


def test_a_deep_document_is_none_of_ours() -> None:
    assert lines.parse(b"[" * 100_000) is None


_HOSTS = st.sampled_from([f"host{number}" for number in range(15)])
_ASKED = st.lists(st.tuples(st.floats(0, 0.2), _HOSTS), max_size=200)


@given(_ASKED)
def test_no_host_and_no_job_gets_more_lines_than_allowed(asked: list[tuple[float, str]]) -> None:
    now, state = 1000.0, t.cast("object", None)
    shown: list[tuple[float, str]] = []
    for pause, host in asked:
        now += pause
        state, granted = lines.grant(state, host, now)
        if granted:
            shown.append((now, host))
    for at, host in shown:
        second = [other for when, other in shown if at <= when < at + 1.0]
        assert len(second) <= 10
        assert second.count(host) == 1


@given(_ANY)
def test_a_state_of_any_shape_is_taken(state: object) -> None:
    found, _granted = lines.grant(state, "h", 1000.0)
    assert all(0 <= 1000.0 - at < 1.0 for at in found.values())


def test_the_first_line_and_one_a_second_later_are_shown() -> None:
    state, first = lines.grant(None, "h", 5.0)
    state, early = lines.grant(state, "h", 5.9)
    state, later = lines.grant(state, "h", 6.0)
    assert (first, early, later) == (True, False, True)
