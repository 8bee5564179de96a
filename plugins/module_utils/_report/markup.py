# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Elements of HTML and XML with everything escaped. Private to the collection. Pure.

There is no way to put text into a document other than through here, where it is escaped unless an element was made of it. Templates are
not used: a managed node need not have Jinja, and Ansible's own templating must not see what a bucket holds.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import typing as t

if t.TYPE_CHECKING:
    Child: t.TypeAlias = "str | int | float | None"
    Children: t.TypeAlias = "Child | t.Iterable[Child]"

_VOID: t.Final = frozenset({"meta", "link", "input", "br", "hr"})
_NAME: t.Final = re.compile(r"[A-Za-z][A-Za-z0-9:-]*")
# Beyond these no XML 1.0 document may have a character ("Char", W3C's recommendation, section 2.2); nor is one welcome in HTML.
_NO_CHARACTER: t.Final = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_IN_SCRIPTS: t.Final = {ord(one): f"\\u{ord(one):04x}" for one in "<>&\u2028\u2029"}


class Markup(str):
    """Text of a document in which everything is escaped that has to be. Made by the functions here, and by nothing else."""

    __slots__ = ()


def text(value: object) -> Markup:
    """Text, escaped for elements and quoted attributes alike, without characters that no document may have."""
    if isinstance(value, Markup):
        return value
    return Markup(html.escape(_NO_CHARACTER.sub("\ufffd", str(value)), quote=True))


def join(children: t.Iterable[Child]) -> Markup:
    """Children one after the other; ``None`` is left out."""
    return Markup("".join(text(child) for child in children if child is not None))


def tag(element: str, /, *children: Children, **attributes: str | int | float | bool | None) -> Markup:
    """An element of HTML.

    :param children: text, elements, or lists of these; ``None`` is left out.
    :param attributes: by their names, ``_`` for ``-``, and one at the end for words of Python; ``True`` stands for one without a value,
        ``False`` and ``None`` for one that is not there.
    :raises ValueError: a name is none, which is a defect.
    """
    start = Markup(f"<{_name(element)}{_attributes(attributes)}>")
    if element in _VOID:
        return start
    return Markup(f"{start}{_inside(children)}</{element}>")


def xml(element: str, /, *children: Children, **attributes: str | int | float | bool | None) -> Markup:
    """An element of XML, as :func:`tag`."""
    inside = _inside(children)
    start = f"<{_name(element)}{_attributes(attributes)}"
    return Markup(f"{start}>{inside}</{element}>" if inside else f"{start}/>")


def raw(element: str, content: str, /, **attributes: str | int | float | bool | None) -> Markup:
    """An element with a script or a style that we wrote, which a browser does not unescape.

    :raises ValueError: it would end early, which is a defect.
    """
    if f"</{element}" in content.lower() or "<!--" in content:
        raise ValueError(f"{element} cannot hold this")
    return Markup(f"<{_name(element)}{_attributes(attributes)}>{content}</{element}>")


def script_json(value: t.Any) -> str:
    """JSON that is the same to a browser wherever it stands: nothing in it ends a script or begins markup."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=True).translate(_IN_SCRIPTS)


def csp_hash(content: str) -> str:
    """What a Content-Security-Policy calls a script or style by."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


def _inside(children: t.Iterable[Children]) -> Markup:
    flat: list[Child] = []
    for child in children:
        if child is None or isinstance(child, (str, int, float)):
            flat.append(child)
        else:
            flat.extend(child)
    return join(flat)


def _attributes(attributes: t.Mapping[str, str | int | float | bool | None]) -> str:
    found = []
    for name, value in attributes.items():
        if value is None or value is False:
            continue
        word = _name(name.rstrip("_").replace("_", "-"))
        found.append(f" {word}" if value is True else f' {word}="{text(value)}"')
    return "".join(found)


def _name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name")
    return name
