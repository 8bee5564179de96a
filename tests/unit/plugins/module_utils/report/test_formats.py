# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The four forms of a report, and what hostile text does in each: nothing."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import html.parser
import json
import re
import typing as t
import xml.etree.ElementTree as ET

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._report import (
    as_html,
    as_json,
    as_junit,
    as_prometheus,
    page_style,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._report.model import Report
from ansible_collections.stowage.kubernetes.plugins.module_utils._report.task import FORMATS, describe
from ansible_collections.stowage.kubernetes.plugins.plugin_utils._report import report_table
from support import hostile
from support.report_fleets import DAY, Fleet

Tree = dict[str, t.Any]
DIGEST: t.Final = "0" * 64
TEXTS: t.Final = pytest.mark.parametrize("text", hostile.TEXTS, ids=range(len(hostile.TEXTS)))


@pytest.fixture(scope="module")
def report() -> Report:
    return Fleet(4, 2, 20, trouble=30).report(primary={"verdict": "failed", "findings": [{"finding": "a", "fix": "b"}]})


class Page(html.parser.HTMLParser):
    """What a parser sees of a page."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.raw: dict[str, list[str]] = {"script": [], "style": []}
        self._inside = ""
        self.open: list[str] = []
        self.feed(document)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag
        if tag not in {"meta", "link", "input", "br", "path", "circle", "polyline"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""
        if tag not in {"path", "circle", "polyline"}:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._inside in self.raw:
            self.raw[self._inside].append(data)


@TEXTS
def test_a_page_has_no_element_that_is_not_ours(text: str) -> None:
    document = as_html.render(hostile.report_full_of(text), DIGEST).decode("utf-8")
    page = Page(document)
    assert page.open == []
    assert {name for name, _attributes in page.tags} <= _ELEMENTS
    attributes = {name for _tag, found in page.tags for name in found}
    assert not {name for name in attributes if name.startswith("on") or name in ("style", "src", "srcdoc", "srcset")}
    links = [found.get("href") for _tag, found in page.tags if "href" in found]
    assert set(links) == {"data:,", "#clusters"}
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202e]", document)
    assert len(document) < 300_000, "what is long is cut"


_ELEMENTS: t.Final = frozenset(
    [
        "html",
        "head",
        "meta",
        "title",
        "link",
        "style",
        "body",
        "a",
        "header",
        "main",
        "footer",
        "section",
        "div",
        "p",
        "span",
        "b",
        "strong",
        "h1",
        "h2",
        "h3",
        "ul",
        "li",
        "dl",
        "dt",
        "dd",
        "table",
        "caption",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "details",
        "summary",
        "time",
        "svg",
        "g",
        "path",
        "polyline",
        "circle",
        "figure",
        "figcaption",
        "button",
        "label",
        "input",
        "select",
        "option",
        "script",
        "code",
    ]
)


def test_the_policy_names_what_is_there_and_nothing_else(report: Report) -> None:
    page = Page(as_html.render(report, DIGEST).decode())
    policy = (
        next(found["content"] for _tag, found in page.tags if found.get("http-equiv") == "Content-Security-Policy")
        or ""
    )
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    for kind, content in (("script", page.raw["script"][-1]), ("style", page.raw["style"][0])):
        made = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert rules[f"{kind}-src"] == f"'sha256-{made}'"
    # It comes before anything that it is about.
    names = [tag for tag, _found in page.tags]
    assert names.index("meta") < names.index("style") < names.index("script")
    assert json.loads(page.raw["script"][0])["counts"] == report.counts


@TEXTS
def test_junit_is_well_formed(text: str) -> None:
    data = as_junit.render(hostile.report_full_of(text), DIGEST)
    root = ET.fromstring(data)  # noqa: S314 - ours
    assert {element.tag for element in root.iter()} <= {"testsuites", "testsuite", "testcase", "failure", "skipped"}
    assert len(data) < 60_000
    cases = list(root.iter("testcase"))
    assert int(root.get("tests", "")) == len(cases)
    assert int(root.get("failures", "")) == len(list(root.iter("failure"))) > 0
    for suite in root:
        assert int(suite.get("tests", "")) == len(list(suite))
        assert int(suite.get("skipped", "")) == len(list(suite.iter("skipped")))


SAMPLE: t.Final = re.compile(r'([a-z_]+)(?:\{((?:[a-z]+="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (-?[0-9.e+]+)')


def samples(report: Report) -> list[tuple[str, str, float]]:
    """All samples, by the grammar of the text format; anything else fails."""
    found, typed = [], set()
    for line in as_prometheus.render(report, DIGEST).decode().split("\n")[:-1]:
        if line.startswith("# TYPE "):
            typed.add(line.split()[2])
            continue
        if line.startswith("#"):
            assert re.fullmatch(r"# (HELP [a-z_]+ [ -~]+|stowage-digest: [0-9a-f]{64})", line)
            continue
        match = SAMPLE.fullmatch(line)
        assert match, line
        assert match[1] in typed
        found.append((match[1], match[2] or "", float(match[3])))
    assert len({one[:2] for one in found}) == len(found), "no sample twice"
    return found


@TEXTS
def test_prometheus_reads_all_of_it(text: str) -> None:
    found = samples(hostile.report_full_of(text))
    assert ("stowage_run_clusters", 'workspace="owned"', 1.0) not in found
    assert not [one for one in found if '"owned"' in one[1]]


def test_what_prometheus_is_told(report: Report) -> None:
    found = {one[:2]: one[2] for one in samples(report)}
    assert found["stowage_report_generated_timestamp_seconds", ""] == report.generated.timestamp()
    for row in report.rows:
        labels = f'workspace="{row.workspace}",cluster="{row.cluster}",location="primary"'
        assert row.good is not None
        assert row.deadline is not None
        assert found["stowage_backup_last_success_timestamp_seconds", labels] == row.good.at.timestamp()
        assert found["stowage_backup_deadline_timestamp_seconds", labels] == row.deadline.timestamp()
        states = [found["stowage_backup_status", f'{labels},status="{one}"'] for one in report.counts]
        assert sum(states) == found["stowage_backup_status", f'{labels},status="{row.status}"'] == 1
    assert found["stowage_location_fit", 'location="primary"'] == 0
    assert {name for name, _labels in found} <= set(
        re.findall(r"stowage_[a-z_]+", as_prometheus.render(report, DIGEST).decode())
    )


@TEXTS
def test_json_is_ascii_and_whole(text: str) -> None:
    data = as_json.render(hostile.report_full_of(text), DIGEST)
    assert data.isascii()
    found = json.loads(data)
    assert found["format"] == "stowage-report/1"
    assert len(found["clusters"]) == 4
    assert len(data) < 120_000


@TEXTS
def test_the_terminal_gets_lines(text: str) -> None:
    lines = report_table(describe(hostile.report_full_of(text)))
    assert len(lines) < 20
    for line in lines:
        assert line.isprintable()
        assert len(line) < 600
    json.dumps(lines)


def test_the_result_is_small() -> None:
    found = describe(Fleet(200, 3, 3).report())
    assert len(json.dumps(found)) < 300_000
    assert (len(found["clusters"]), found["clusters_count"]) == (500, 600)


def test_only_the_time_is_no_difference(report: Report) -> None:
    later = dataclasses.replace(report, generated=report.generated + DAY)
    assert as_json.digest_of(later) == as_json.digest_of(report)
    for changed in (
        dataclasses.replace(report, notes=("x",)),
        dataclasses.replace(report, rows=report.rows[1:]),
        dataclasses.replace(report, rows=(dataclasses.replace(report.rows[0], status="ok"), *report.rows[1:])),
        dataclasses.replace(report, runs=report.runs[1:]),
    ):
        assert as_json.digest_of(changed) != as_json.digest_of(report)
    for name, (_file, render) in FORMATS.items():
        assert render(report, DIGEST) == render(report, DIGEST)
        assert render(later, DIGEST) != render(report, DIGEST), name


def luminance(colour: str) -> float:
    """WCAG 2.2, "relative luminance"."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("palette", [page_style.LIGHT, page_style.DARK], ids=["light", "dark"])
def test_colours_have_enough_contrast(palette: page_style.Palette) -> None:
    for ground in ("page", "card"):
        for ink in ("text", "quiet", "accent", "bad", "warn", "good"):
            assert contrast(palette[ink], palette[ground]) >= 4.5, (ink, ground)
        for mark in ("bad-mark", "warn-mark", "good-mark", "gone-mark", "edge"):
            assert contrast(palette[mark], palette[ground]) >= 3, (mark, ground)
    for kind in ("bad", "warn", "good", "idle"):
        assert contrast(palette[kind], palette[f"{kind}-bg"]) >= 4.5, kind
    assert page_style.LIGHT.keys() == page_style.DARK.keys()
