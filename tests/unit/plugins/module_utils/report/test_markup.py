# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Elements: whatever text is put in, it stays text."""

from __future__ import annotations

import html
import html.parser
import json
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.stowage.kubernetes.plugins.module_utils._report import markup
from ansible_collections.stowage.kubernetes.plugins.module_utils._report.markup import raw, script_json, tag, text, xml

ANY = st.text(st.characters(), max_size=60) | st.sampled_from(
    ["</p>", "<!--", "]]>", '" onclick="', "&amp;", "\x00", "\ud800"]
)


class Parsed(html.parser.HTMLParser):
    """The elements and the text that a parser of HTML sees."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, list[tuple[str, str | None]]]] = []
        self.seen = ""
        self.feed(document)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, attrs))

    def handle_data(self, data: str) -> None:
        self.seen += data


@given(ANY, ANY)
def test_text_is_text_in_html(inside: str, attribute: str) -> None:
    found = Parsed(tag("p", inside, title=attribute))
    assert [name for name, _attributes in found.tags] == ["p"]
    assert [name for name, _value in found.tags[0][1]] == ["title"]
    assert found.seen == html.unescape(text(inside))


@given(ANY, ANY)
def test_text_is_text_in_xml(inside: str, attribute: str) -> None:
    element = ET.fromstring(xml("failure", inside, message=attribute).encode())  # noqa: S314 - ours
    assert len(element) == 0
    assert set(element.attrib) == {"message"}
    # A parser makes one character of the ends of lines.
    assert (element.text or "") == markup._NO_CHARACTER.sub("\ufffd", inside).replace("\r\n", "\n").replace("\r", "\n")


@given(st.recursive(ANY, lambda part: st.lists(part, max_size=3) | st.dictionaries(ANY, part, max_size=3)))
def test_json_stays_in_its_script(value: object) -> None:
    found = script_json(value)
    assert json.loads(found) == json.loads(json.dumps(value))
    assert not set("<>&\u2028\u2029") & set(found)
    assert found.isascii()


def test_elements() -> None:
    made = tag("p", "a & b", None, [tag("br"), 3], class_="x", data_label="<", hidden=True, open=False, id=None)
    assert made == '<p class="x" data-label="&lt;" hidden>a &amp; b<br>3</p>'
    assert xml("skipped", message="x") == '<skipped message="x"/>'
    for name in ("", "a b", "p>", "1"):
        with pytest.raises(ValueError, match="no name"):
            tag(name)
    with pytest.raises(ValueError, match="no name"):
        tag("p", **{"on click": "x"})


def test_a_script_that_would_end_early_is_a_defect() -> None:
    assert raw("style", "p{}") == "<style>p{}</style>"
    for content in ("</STYLE>", "<!-- "):
        with pytest.raises(ValueError, match="cannot hold"):
            raw("style", content)


def test_the_hash_is_what_browsers_compute() -> None:
    # The example of the specification (CSP level 3, "Hash usage for script elements").
    assert markup.csp_hash("alert('Hello, world.');") == "'sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng='"
