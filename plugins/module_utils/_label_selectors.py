# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Label selectors as Kubernetes and Velero understand them. Private to the collection.

The grammar is that of ``kubectl get -l`` (apimachinery ``labels.Parse``) without ``<`` and ``>``, which the
``LabelSelector`` of a Velero Backup cannot say. Pure.
"""

from __future__ import annotations

import dataclasses
import functools
import re
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError

_TOKEN = re.compile(r"\s*(?:(?P<op>==|!=|=|!|\(|\)|,|<|>)|(?P<word>[^\s=!(),<>]+))")
_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_PREFIX = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_EXPRESSION_OPERATORS: t.Final = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!"}
_HINT: t.Final = "Write it as for kubectl get -l, for example app=web,tier in (front,back),!legacy."


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class Requirement:
    """One condition on one label: ``operator`` is ``in``, ``notin``, ``exists`` or ``!``; values are sorted."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def matches(self, labels: t.Mapping[str, str]) -> bool:
        """As the API server decides: ``notin`` holds for an object without the label."""
        if self.operator == "exists":
            return self.key in labels
        if self.operator == "!":
            return self.key not in labels
        found = self.key in labels and labels[self.key] in self.values
        return found if self.operator == "in" else not found

    def __str__(self) -> str:
        if self.operator == "exists":
            return self.key
        if self.operator == "!":
            return f"!{self.key}"
        if len(self.values) == 1:
            return f"{self.key}{'=' if self.operator == 'in' else '!='}{self.values[0]}"
        return f"{self.key} {self.operator} ({','.join(self.values)})"


class _Parser:
    """Recursive descent over the tokens of one selector."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = _tokens(text)
        self.place = 0

    def requirements(self) -> list[Requirement]:
        found = [self.requirement()]
        while self.peek() == ",":
            self.place += 1
            found.append(self.requirement())
        if self.place < len(self.tokens):
            raise _invalid(self.text, f"a comma is missing before {self.peek()!r}")
        return found

    def requirement(self) -> Requirement:
        if self.peek() == "!":
            self.place += 1
            return Requirement(self.word("a label name"), "!")
        key = self.word("a label name")
        operator = self.peek()
        if operator in ("", ","):
            return Requirement(key, "exists")
        self.place += 1
        if operator in ("=", "==", "!="):
            return Requirement(key, "notin" if operator == "!=" else "in", (self.value(),))
        if operator in ("in", "notin"):
            return Requirement(key, operator, self.values())
        raise _invalid(self.text, f"{operator!r} is no operator that can be used here")

    def values(self) -> tuple[str, ...]:
        self.expect("(")
        found = {self.value()}
        while self.peek() == ",":
            self.place += 1
            found.add(self.value())
        self.expect(")")
        return tuple(sorted(found))

    def value(self) -> str:
        return "" if self.peek() in ("", ",", ")") else self.word("a value")

    def peek(self) -> str:
        return self.tokens[self.place] if self.place < len(self.tokens) else ""

    def word(self, what: str) -> str:
        token = self.peek()
        if not token or token in ("=", "==", "!=", "!", "(", ")", ",", "<", ">"):
            raise _invalid(self.text, f"{what} is missing")
        self.place += 1
        return token

    def expect(self, token: str) -> None:
        if self.peek() != token:
            raise _invalid(self.text, f"{token!r} is missing")
        self.place += 1


def parse(text: str) -> tuple[Requirement, ...]:
    """The requirements of a selector, sorted, without repetition; all must hold. An empty text has none.

    :raises StowageError: ``invalid_option``.
    """
    if not text.strip():
        return ()
    return _checked(_Parser(text).requirements(), text)


def normalise(selector: object) -> str:
    """The normal form of a selector given as text or as ``{matchLabels, matchExpressions}``; empty for none.

    Two selectors that ask for the same in other words or order have the same normal form.
    """
    if selector is None:
        return ""
    if isinstance(selector, str):
        return text(parse(selector))
    if isinstance(selector, t.Mapping):
        return text(_from_mapping(selector))
    raise StowageError("invalid_option", "A label selector is neither a text nor a dictionary.", _HINT)


def text(requirements: t.Iterable[Requirement]) -> str:
    """Requirements as the API server's ``labelSelector`` parameter takes them."""
    return ",".join(str(one) for one in requirements)


@functools.lru_cache(maxsize=256)
def _parsed(selector: str) -> tuple[Requirement, ...]:
    return parse(selector)


def matches(selector: str, labels: t.Mapping[str, str]) -> bool:
    """Whether labels fulfil a selector."""
    return all(one.matches(labels) for one in _parsed(selector))


def to_label_selector(selector: str) -> dict[str, t.Any]:
    """The ``metav1.LabelSelector`` of a Backup's or Restore's spec."""
    labels: dict[str, str] = {}
    expressions: list[dict[str, t.Any]] = []
    names = {word: name for name, word in _EXPRESSION_OPERATORS.items()}
    for one in parse(selector):
        if one.operator == "in" and len(one.values) == 1 and one.key not in labels:
            labels[one.key] = one.values[0]
        else:
            expression: dict[str, t.Any] = {"key": one.key, "operator": names[one.operator]}
            expressions.append({**expression, "values": list(one.values)} if one.values else expression)
    document: dict[str, t.Any] = {}
    if labels:
        document["matchLabels"] = labels
    if expressions:
        document["matchExpressions"] = expressions
    return document


def _from_mapping(selector: t.Mapping[t.Any, t.Any]) -> tuple[Requirement, ...]:
    unknown = sorted(str(key) for key in selector if key not in ("matchLabels", "matchExpressions"))
    if unknown:
        raise StowageError(
            "invalid_option",
            f"A label selector has the unknown field {unknown[0]}.",
            "A selector given as a dictionary has matchLabels and matchExpressions.",
        )
    labels = selector.get("matchLabels") or {}
    expressions = selector.get("matchExpressions") or []
    if not isinstance(labels, t.Mapping) or not isinstance(expressions, t.Sequence) or isinstance(expressions, str):
        raise StowageError("invalid_option", "matchLabels is no dictionary, or matchExpressions no list.", _HINT)
    found = [Requirement(str(key), "in", (str(value),)) for key, value in labels.items()]
    found += [_from_expression(one) for one in expressions]
    return _checked(found, "matchLabels and matchExpressions")


def _from_expression(expression: object) -> Requirement:
    if not isinstance(expression, t.Mapping) or expression.get("operator") not in _EXPRESSION_OPERATORS:
        raise StowageError(
            "invalid_option",
            "An entry of matchExpressions has no valid operator.",
            "Each entry has key, operator (In, NotIn, Exists or DoesNotExist) and, for the first two, values.",
        )
    operator = _EXPRESSION_OPERATORS[str(expression["operator"])]
    given = expression.get("values") or []
    if not isinstance(given, t.Sequence) or isinstance(given, str) or bool(given) != (operator in ("in", "notin")):
        raise StowageError(
            "invalid_option",
            "An entry of matchExpressions has values that do not fit its operator.",
            "In and NotIn need a list of values; Exists and DoesNotExist have none.",
        )
    return Requirement(str(expression.get("key", "")), operator, tuple(sorted({str(value) for value in given})))


def _checked(requirements: t.Iterable[Requirement], given: str) -> tuple[Requirement, ...]:
    found = tuple(sorted(set(requirements)))
    for one in found:
        prefix, slash, name = one.key.rpartition("/")
        if not _NAME.fullmatch(name) or (slash and (not _PREFIX.fullmatch(prefix) or len(prefix) > 253)):
            raise _invalid(given, f"{one.key!r} is no label name")
        for value in one.values:
            if value and not _NAME.fullmatch(value):
                raise _invalid(given, f"{value!r} is no label value")
    return found


def _tokens(selector: str) -> list[str]:
    tokens = []
    place = 0
    end = len(selector.rstrip())
    while place < end:
        match = _TOKEN.match(selector, place)
        if match is None:
            raise _invalid(selector, f"{selector[place:].strip()[:1]!r} has no meaning here")
        tokens.append(match.group("op") or match.group("word"))
        place = match.end()
    return tokens


def _invalid(selector: str, why: str) -> StowageError:
    return StowageError("invalid_option", f"The label selector {selector!r} cannot be read: {why}.", _HINT)
