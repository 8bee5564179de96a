# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Our rule in the lifecycle configuration of an S3 bucket. Private to the collection. Pure.

A configuration is always written as a whole. So that rules of others keep all that is in them, also what an SDK does not know
(MinIO's ``ExpiredObjectAllVersions``, what AWS adds next year), it is changed as the XML that the store gave. A rule is ours
by its ID, which has the location's prefix in it: each location in a bucket has a rule of its own.
"""

from __future__ import annotations

import copy
import hashlib
import re
import typing as t
from xml.etree import ElementTree

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_settings import Lifecycle

NAMESPACE: t.Final = "http://s3.amazonaws.com/doc/2006-03-01/"
LONGEST: t.Final = 4 << 20
"""AWS allows 1000 rules."""
_ID: t.Final = "stowage-abort-stale-uploads"
_DECLARES: t.Final = re.compile(rb"<!(DOCTYPE|ENTITY)", re.IGNORECASE)


def rule_id(prefix: str) -> str:
    """The ID of the rule for a location's prefix, which may be longer than an ID."""
    return f"{_ID}-{hashlib.sha256(prefix.encode()).hexdigest()[:12]}" if prefix else _ID


def our_days(lifecycle: Lifecycle | None, prefix: str) -> int | None:
    """The days of our rule; ``None`` if there is none, 0 if it is not what we write."""
    if lifecycle is None:
        return None
    found = [one for one in _rules(_root(lifecycle.body)) if _text(one, "ID") == rule_id(prefix)]
    if not found:
        return None
    days = _text(found[0], "AbortIncompleteMultipartUpload/DaysAfterInitiation")
    number = int(days) if re.fullmatch(r"[0-9]{1,6}", days) else 0
    return number if len(found) == 1 and _meaning(found[0]) == _meaning(_rule(prefix, number)) else 0


def others_abort(lifecycle: Lifecycle | None, prefix: str, days: int) -> bool:
    """Whether a rule of others ends all stale uploads of a location after at most these days."""
    return any(
        rule.enabled and not rule.tagged and prefix.startswith(rule.prefix) and 0 < rule.abort_days <= days
        for rule in (lifecycle.rules if lifecycle else ())
        if rule.id != rule_id(prefix)
    )


def with_rule(lifecycle: Lifecycle | None, prefix: str, days: int) -> bytes:
    """The configuration with our rule in its place, or after all others."""
    root = _root(lifecycle.body) if lifecycle else ElementTree.Element("LifecycleConfiguration")
    places = [number for number, one in enumerate(root) if _is_ours(one, prefix)]
    place = places[0] if places else len(root)
    for one in [root[number] for number in places]:
        root.remove(one)
    root.insert(place, _rule(prefix, days))
    return _written(root)


def without_rule(lifecycle: Lifecycle | None, prefix: str) -> bytes | None:
    """The configuration without our rule; ``None`` when no rule is left, which a configuration cannot say."""
    if lifecycle is None:
        return None
    root = _root(lifecycle.body)
    for one in [one for one in root if _is_ours(one, prefix)]:
        root.remove(one)
    return _written(root) if _rules(root) else None


def others(lifecycle: Lifecycle | None, prefix: str) -> list[str]:
    """The rules of others, each as text that is equal if they mean the same, in order of that text."""
    rules = _rules(_root(lifecycle.body)) if lifecycle else []
    return sorted(_meaning(one) for one in rules if not _is_ours(one, prefix))


def _rule(prefix: str, days: int) -> ElementTree.Element:
    rule = ElementTree.Element("Rule")
    ElementTree.SubElement(rule, "ID").text = rule_id(prefix)
    ElementTree.SubElement(rule, "Status").text = "Enabled"
    ElementTree.SubElement(ElementTree.SubElement(rule, "Filter"), "Prefix").text = prefix
    abort = ElementTree.SubElement(rule, "AbortIncompleteMultipartUpload")
    ElementTree.SubElement(abort, "DaysAfterInitiation").text = str(days)
    return rule


def _root(body: bytes) -> ElementTree.Element:
    """The configuration, names in S3's namespace without it.

    :raises StowageError: ``store_error`` when it is none.
    """
    if len(body) > LONGEST or _DECLARES.search(body):
        raise _broken()
    try:
        root = ElementTree.fromstring(body)  # noqa: S314 - bounded, and without declarations there is nothing to expand
    except ElementTree.ParseError:
        raise _broken() from None
    for element in root.iter():
        if isinstance(element.tag, str):
            element.tag = element.tag.removeprefix(f"{{{NAMESPACE}}}")
    if root.tag != "LifecycleConfiguration":
        raise _broken()
    return root


def _written(root: ElementTree.Element) -> bytes:
    """Without an XML declaration: some stores keep what they get, and put one before it when they are asked.

    :raises StowageError: ``store_error`` when it would not be read as it is, as with a carriage return in a key.
    """
    inside = _parts(root)
    root.set("xmlns", NAMESPACE)
    written: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=False)
    if _parts(_root(written)) != inside:
        raise _broken()
    return written


def _parts(root: ElementTree.Element) -> list[tuple[t.Any, ...]]:
    """All that is within a configuration."""
    return [(one.tag, one.text or "", one.attrib) for child in root for one in child.iter()]


def _rules(root: ElementTree.Element) -> list[ElementTree.Element]:
    return [one for one in root if one.tag == "Rule"]


def _is_ours(element: ElementTree.Element, prefix: str) -> bool:
    return element.tag == "Rule" and _text(element, "ID") == rule_id(prefix)


def _text(element: ElementTree.Element, path: str) -> str:
    return (element.findtext(path) or "").strip()


def _meaning(rule: ElementTree.Element) -> str:
    """A rule as text in one form: elements in order of their names, without the space between them. A filter for the empty
    prefix is none."""
    rule = copy.deepcopy(rule)
    for scope in (*rule.findall("Filter"), rule):
        for empty in [one for one in scope if one.tag in {"Prefix", "Filter"} and _is_empty(one)]:
            scope.remove(empty)
    _sort(rule)
    return ElementTree.canonicalize(ElementTree.tostring(rule, encoding="unicode"), strip_text=True)


def _is_empty(element: ElementTree.Element) -> bool:
    return not len(element) and not (element.text or "").strip()


def _sort(element: ElementTree.Element) -> None:
    for child in element:
        _sort(child)
        child.tail = None
    element[:] = sorted(element, key=lambda child: (str(child.tag), ElementTree.tostring(child)))


def _broken() -> StowageError:
    hint = "Look at it with the store's own tools. Nothing was changed."
    return StowageError("store_error", "The bucket's lifecycle configuration cannot be read.", hint)
