# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report's page in a real browser: what is seen, read aloud, reached by keys, and refused."""

from __future__ import annotations

import dataclasses
import datetime
import itertools
import typing as t
from pathlib import Path

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._report import as_html
from ansible_collections.stowage.kubernetes.plugins.module_utils._report.found import FoundCluster
from ansible_collections.stowage.kubernetes.plugins.module_utils._report.model import Report
from support import hostile
from support.report_fleets import DAY, NOW, Fleet, backup
from testbed import Browser

Tree = dict[str, t.Any]
WIDE, NARROW = 1280, 360
CHECK: t.Final = {
    "verdict": "warning",
    "address": "s3://acme-backups/fleet",
    "findings": [{"finding": "versioning: The bucket keeps no versions.", "fix": "Switch versioning on."}],
}


def write(path: Path, report: Report) -> Path:
    path.write_bytes(as_html.render(report, "0" * 64))
    return path


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen rows in which something is late, something failed once, and something is of no workspace."""
    fleet = Fleet(5, 3, 30, trouble=25)
    fleet.place.clusters["old-1"] = FoundCluster([backup("old-1", "", NOW, labels={}, ours=False)])
    fleet.place.notes.append("Something was not seen.")
    return write(tmp_path_factory.mktemp("page") / "report.html", fleet.report(primary=CHECK))


@pytest.fixture
def shown(browser: Browser, page: Path) -> Browser:
    """The page, wide and light, as on its first day."""
    browser.emulate(prefers_color_scheme="light")
    browser.resize(WIDE)
    browser.open(page)
    browser.run("try { localStorage.clear() } catch {}")
    browser.open(page)
    return browser


def rows(browser: Browser) -> list[list[str]]:
    """The workspace, the cluster and the status of the rows that are seen, in their order."""
    found: list[list[str]] = browser.run(
        "return [...document.querySelectorAll('#fleet>tbody')].filter(b => b.getClientRects().length)"
        ".map(b => [b.dataset.workspace, b.querySelector('summary').textContent, b.dataset.status])"
    )
    return found


def test_nothing_is_asked_for_and_nothing_is_wrong(shown: Browser, page: Path) -> None:
    shown.emulate(prefers_color_scheme="dark")
    shown.run("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert shown.console() == []
    assert set(shown.requests()) <= {page.resolve().as_uri(), "data:,"}
    assert len(rows(shown)) == 16


def test_the_policy_refuses_what_is_not_ours(browser: Browser, page: Path, tmp_path: Path) -> None:
    injected = (
        "<script>document.title='owned'</script><style>h1{position:fixed}</style>"
        "<img src='http://127.0.0.1:9/seen.png' onerror=\"document.title='owned'\"><p style='position:fixed' id=p>x</p>"
        "<iframe src='http://127.0.0.1:9/frame'></iframe><link rel=stylesheet href='http://127.0.0.1:9/x.css'>"
    )
    changed = tmp_path / "changed.html"
    changed.write_text(page.read_text(encoding="utf-8").replace("<main", f"{injected}<main"), encoding="utf-8")
    browser.open(changed)
    assert browser.run("return document.title") != "owned"
    assert browser.run("return getComputedStyle(document.querySelector('h1')).position") == "static"
    assert browser.run("return getComputedStyle(document.getElementById('p')).position") == "static"
    assert len([line for line in browser.console() if "Content Security Policy" in line]) >= 5
    refused = browser.run(
        "try { document.body.insertAdjacentHTML('beforeend', '<i></i>'); return '' } catch (error) { return error.name }"
    )
    assert refused == "TypeError"


@pytest.mark.parametrize("text", hostile.TEXTS, ids=range(len(hostile.TEXTS)))
def test_a_hostile_text_is_text(browser: Browser, tmp_path: Path, text: str) -> None:
    browser.resize(NARROW)
    browser.open(write(tmp_path / "report.html", hostile.report_full_of(text)))
    browser.run("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert "owned" not in browser.run("return document.title").split(" - ")[0]
    assert (
        browser.run(
            "return document.querySelectorAll('img, iframe, object, svg[onload], [autofocus], [onfocus]').length"
        )
        == 0
    )
    assert browser.run("return document.scripts.length") == 2
    assert browser.console() == []
    assert browser.run("return document.documentElement.scrollWidth") <= NARROW


@pytest.mark.parametrize("width", [NARROW, 600, 960, WIDE])
def test_the_page_never_scrolls_sideways(shown: Browser, width: int) -> None:
    shown.resize(width)
    shown.run("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert shown.run("return document.documentElement.scrollWidth") <= width
    beyond = shown.run(
        "return [...document.querySelectorAll('main *')].filter(e => !e.closest('.scroll, svg, .vh') && e.getClientRects().length"
        " && e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 80))"
    )
    assert beyond == []


CONTRASTS: t.Final = """
const light = c => { const v = c / 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
const rgb = text => text.match(/[\\d.]+/g).map(Number);
const luminance = ([r, g, b]) => 0.2126 * light(r) + 0.7152 * light(g) + 0.0722 * light(b);
const ground = node => { for (let e = node; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor);
  if (c.length < 4 || c[3] > 0) return c; } return [255, 255, 255]; };
const found = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const e = walker.currentNode.parentElement;
  if (!walker.currentNode.data.trim() || !e.getClientRects().length || ['SCRIPT', 'STYLE', 'TITLE'].includes(e.tagName)) continue;
  const [a, b] = [luminance(rgb(getComputedStyle(e).color)), luminance(ground(e))];
  found.push([Math.round((Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) * 100) / 100, walker.currentNode.data.slice(0, 40)]);
}
return found;
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_has_enough_contrast(shown: Browser, scheme: str) -> None:
    shown.emulate(prefers_color_scheme=scheme)
    shown.run("document.querySelectorAll('details').forEach(one => one.open = true)")
    found = shown.run(CONTRASTS)
    assert len(found) > 500
    assert [one for one in found if one[0] < 4.5] == []


def test_colours_follow_the_system_until_somebody_chooses(shown: Browser, page: Path) -> None:
    def ground() -> str:
        return str(shown.run("return getComputedStyle(document.body).backgroundColor"))

    light = ground()
    shown.emulate(prefers_color_scheme="dark")
    dark = ground()
    assert light != dark
    shown.run("document.querySelector('#theme [value=light]').click()")
    assert ground() == light
    shown.open(page)
    assert ground() == light, "it is remembered"
    assert shown.run("return document.querySelector('#theme [aria-pressed=true]').value") == "light"
    shown.run("document.querySelector('#theme [value=auto]').click()")
    assert ground() == dark


def focused(browser: Browser) -> str:
    return str(
        browser.run(
            "const e = document.activeElement; const s = getComputedStyle(e);"
            "return (s.outlineStyle === 'none' || s.outlineWidth === '0px' ? 'UNSEEN ' : '') + (e.id || e.value || e.textContent.trim()).slice(0, 30)"
        )
    )


def test_everything_is_reached_by_keys(shown: Browser) -> None:
    order = []
    for _dummy in range(16):
        shown.press("Tab")
        order.append(focused(shown))
    assert order[:7] == ["Skip to the clusters", "auto", "light", "dark", "words", "status", "workspace"]
    assert order[7:14] == ["Status", "Cluster", "Workspace", "Last good backup", "Good until", "Size", "Took"]
    assert order[14] == rows(shown)[0][1]
    assert not [one for one in order if one.startswith("UNSEEN")]
    shown.press("Shift+Tab")
    shown.press("Enter")
    opened = "return document.querySelector('#fleet>tbody>.more').getClientRects().length"
    assert shown.run(opened) == 1
    shown.press("Tab")
    assert focused(shown).startswith("The last 8 of 30 attempts"), "a region that scrolls is reached, too"
    shown.press("Shift+Tab", "Enter")
    assert shown.run(opened) == 0


def test_it_is_filtered(shown: Browser) -> None:
    everything = rows(shown)
    shown.press("/", *"edge")
    assert focused(shown) == "words"
    shown.run("return new Promise(done => setTimeout(done, 0))")
    assert rows(shown) == [one for one in everything if one[1].startswith("edge")]
    assert (
        shown.run("return document.getElementById('shown').textContent")
        == f"{len(rows(shown))} of {len(everything)} shown"
    )
    shown.press("Escape")
    assert rows(shown) == everything
    for control, value, column in (("status", "late", 2), ("workspace", "=shop", 0)):
        shown.run(
            f"const e = document.getElementById('{control}'); e.value = '{value}'; e.dispatchEvent(new Event('change'))"
        )
        everything = [one for one in everything if one[column] == value.lstrip("=")]
        assert rows(shown) == everything
    assert everything


def test_it_is_sorted(shown: Browser) -> None:
    def sorts() -> list[str]:
        return list(shown.run("return [...document.querySelectorAll('#fleet th[aria-sort]')].map(e => e.ariaSort)"))

    assert sorts() == ["ascending", *["none"] * 6]
    shown.run("document.querySelectorAll('#fleet thead button')[1].focus()")
    shown.press("Enter")
    names = [one[1] for one in rows(shown)]
    assert names == sorted(names)
    assert sorts()[1] == "ascending"
    shown.press("Enter")
    assert [one[1] for one in rows(shown)] == sorted(names, reverse=True)
    assert sorts() == ["none", "descending", *["none"] * 5]
    shown.run("document.querySelectorAll('#fleet thead button')[5].click()")
    sizes = shown.run(
        "return [...document.querySelectorAll('#fleet>tbody')].map(b => Number(b.rows[0].cells[6].dataset.sort))"
    )
    assert sizes == sorted(sizes)
    # Where heads are not shown, a choice does the same.
    shown.resize(NARROW)
    assert shown.run("return document.getElementById('order').value") == "6a"
    shown.run("const e = document.getElementById('order'); e.value = '1a'; e.dispatchEvent(new Event('change'))")
    assert [one[1] for one in rows(shown)] == sorted(names)


def test_it_is_read_aloud(shown: Browser) -> None:
    shown.run("document.querySelector('details').open = true")
    shown.devtools("Accessibility.enable")
    nodes = [one for one in shown.devtools("Accessibility.getFullAXTree")["nodes"] if not one["ignored"]]
    named = [(one["role"]["value"], str(one.get("name", {}).get("value", ""))) for one in nodes]
    need = {
        "button",
        "link",
        "searchbox",
        "combobox",
        "image",
        "table",
        "columnheader",
        "rowheader",
        "region",
        "group",
        "heading",
        "DisclosureTriangle",
        "search",
    }
    assert [one for one in named if one[0] in need - {"group"} and not one[1].strip()] == []
    roles = [role for role, _name in named]
    for role in ("main", "banner", "contentinfo", "search", "searchbox", "table", "columnheader", "rowheader", "row"):
        assert role in roles, role
    headings = shown.run("return [...document.querySelectorAll('h1, h2, h3')].map(e => Number(e.tagName[1]))")
    assert (headings[0], headings.count(1)) == (1, 1)
    assert all(after <= before + 1 for before, after in itertools.pairwise(headings))
    assert ("table", "Clusters of workspaces, the worst first") in named
    # As cards, they are tables still.
    shown.resize(NARROW)
    narrow = [one for one in shown.devtools("Accessibility.getFullAXTree")["nodes"] if not one["ignored"]]
    assert "table" in [one["role"]["value"] for one in narrow]
    assert [one["role"]["value"] for one in narrow].count("rowheader") >= 16


def test_it_is_read_without_its_script(browser: Browser, page: Path) -> None:
    browser.devtools("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.resize(WIDE)
        browser.open(page)

        def ask(expression: str) -> t.Any:
            return browser.devtools("Runtime.evaluate", expression=expression, returnByValue=True)["result"]["value"]

        assert ask("[...document.querySelectorAll('#fleet>tbody')].filter(b => b.getClientRects().length).length") == 16
        assert ask("document.getElementById('tools').getClientRects().length") == 0
        assert ask("document.querySelectorAll('thead button').length") == 0
        ask("document.querySelector('summary').click(), 1")
        assert ask("document.querySelector('.more').getClientRects().length") == 1
    finally:
        browser.devtools("Emulation.setScriptExecutionDisabled", value=False)


def test_it_is_printed(shown: Browser) -> None:
    shown.emulate("print", prefers_color_scheme="dark")
    assert shown.run("return getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert shown.run("return document.getElementById('tools').getClientRects().length") == 0
    assert shown.run("return document.querySelector('.s-late>.more').getClientRects().length") == 1
    assert shown.run("return document.querySelector('.s-ok>.more').getClientRects().length") == 0


def test_an_old_page_says_so(browser: Browser, tmp_path: Path) -> None:
    report = Fleet(2, 1, 5).report()
    said = "const e = document.getElementById('stale'); return e.hidden ? '' : e.textContent"
    now = datetime.datetime.now(datetime.UTC)
    later = [dataclasses.replace(row, status="ok", deadline=now + DAY) for row in report.rows]
    for generated, rows_then, expected in (
        (now, later, ""),
        (now - 3 * DAY, later, "This page was made 3 d ago. Make it anew to see how things are."),
        (
            now - DAY / 24,
            [dataclasses.replace(later[0], deadline=now - DAY / 48), later[1]],
            "1 of its clusters may have become late since",
        ),
    ):
        changed = dataclasses.replace(report, generated=generated, rows=tuple(rows_then))
        browser.open(write(tmp_path / "report.html", changed))
        assert (expected in browser.run(said)) if expected else browser.run(said) == ""


def test_a_fleet_of_two_hundred(browser: Browser, tmp_path: Path) -> None:
    browser.resize(WIDE)
    browser.open(write(tmp_path / "report.html", Fleet(200, 3, 12).report()))
    assert len(rows(browser)) == 600
    browser.run(
        "const e = document.getElementById('words'); e.value = 'edge-7 shop'; e.dispatchEvent(new Event('input'))"
    )
    browser.run("return new Promise(done => setTimeout(done, 500))")
    assert [one[:2] for one in rows(browser)] == [["shop", "edge-7"]]
