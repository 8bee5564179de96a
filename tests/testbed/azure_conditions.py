# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Conditions of role assignments, evaluated as Azure does, for `testbed.azure_rbac`.

The syntax is Microsoft's "Azure role assignment condition format and syntax"
(https://learn.microsoft.com/azure/role-based-access-control/conditions-format), version 2.0; what an attribute is of is in "Actions
and attributes for Azure role assignment conditions for Azure Blob Storage"
(https://learn.microsoft.com/azure/storage/blobs/storage-auth-abac-attributes). Known are the attributes `path` and `prefix` of blobs
and `name` of containers. A request that lacks an attribute that an expression is about does not meet it. AND and OR are not mixed
without parentheses.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

_TOKEN = re.compile(
    r"\s*(?:(?P<string>'(?:[^'\\]|\\.)*')|(?P<attribute>@(?:Resource|Request)\[[^\]]+\])"
    r"|(?P<word>[A-Za-z]+(?::[A-Za-z]+)?)|(?P<sign>&&|\|\||[(){},!]))"
)
_CONTAINERS = "Microsoft.Storage/storageAccounts/blobServices/containers"
PATH, PREFIX, NAME = (
    f"@Resource[{_CONTAINERS}/blobs:path]",
    f"@Request[{_CONTAINERS}/blobs:prefix]",
    f"@Resource[{_CONTAINERS}:name]",
)
_ATTRIBUTES = {PATH, PREFIX, NAME}
_AND, _OR = {"AND", "&&"}, {"OR", "||"}


class MalformedError(ValueError):
    """A condition that Azure would not take."""


@dataclass(frozen=True)
class Asked:
    """A request, as conditions see it: its action, its suboperations, and the attributes that it has."""

    action: str
    suboperations: frozenset[str] = frozenset()
    attributes: dict[str, str] = field(default_factory=dict)


Test = Callable[[Asked], bool]


def matches(pattern: str, action: str) -> bool:
    """Whether an action is one of a pattern's, as roles and ActionMatches have them."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), action, re.IGNORECASE) is not None


def parse(condition: str) -> Test:
    """What a condition says. Raises MalformedError."""
    parser = _Parser(condition)
    found = parser.expression()
    parser.end()
    return found


def _like(pattern: str) -> re.Pattern[str]:
    parts = re.findall(r"\\.|[*?]|[^\\*?]+", pattern)
    text = "".join({"*": ".*", "?": "."}.get(part) or re.escape(part.removeprefix("\\")) for part in parts)
    return re.compile(text, re.DOTALL)


_COMPARED: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": lambda value, given: value == given,
    "StringNotEquals": lambda value, given: value != given,
    "StringStartsWith": lambda value, given: value.startswith(given),
    "StringLike": lambda value, given: _like(given).fullmatch(value) is not None,
    "StringNotLike": lambda value, given: _like(given).fullmatch(value) is None,
}


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        at = 0
        text = text.rstrip()
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match is None:
                raise MalformedError(f"not understood at {at}")
            self._tokens.append((str(match.lastgroup), match[str(match.lastgroup)]))
            at = match.end()

    def _peek(self) -> str:
        return self._tokens[0][1] if self._tokens else ""

    def _next(self, expected: str = "") -> str:
        if not self._tokens or (expected and self._tokens[0][1] != expected):
            raise MalformedError(f"{expected or 'more'} is missing")
        return self._tokens.pop(0)[1]

    def end(self) -> None:
        """Raises MalformedError if something is left."""
        if self._tokens:
            raise MalformedError(f"{self._peek()} is too much")

    def expression(self) -> Test:
        """Terms that are joined by one kind of operator."""
        terms = [self._term()]
        kind: set[str] = set()
        while self._peek() in _AND | _OR:
            one = _AND if self._next() in _AND else _OR
            if kind and one is not kind:
                raise MalformedError("AND and OR are mixed without parentheses")
            kind = one
            terms.append(self._term())
        together = all if kind is _AND else any
        return lambda asked: together(term(asked) for term in terms)

    def _term(self) -> Test:
        token = self._peek()
        if token in {"!", "NOT"}:
            self._next()
            inner = self._term()
            return lambda asked: not inner(asked)
        if token == "(":
            self._next("(")
            found = self.expression()
            self._next(")")
            return found
        if token in {"ActionMatches", "SubOperationMatches"}:
            self._next()
            (given,) = self._values() or [""]
            if token == "ActionMatches":
                return lambda asked: matches(given, asked.action)
            return lambda asked: given in asked.suboperations
        return self._comparison()

    def _comparison(self) -> Test:
        attribute = self._next()
        if attribute not in _ATTRIBUTES:
            raise MalformedError(f"{attribute} is no attribute")
        quantified, _dummy, operator = self._next().rpartition(":")
        compare = _COMPARED.get(operator)
        if compare is None or quantified not in {"", "ForAnyOfAnyValues"}:
            raise MalformedError(f"{operator} is no operator")
        braces = self._peek() == "{"
        values = self._values() if braces else [self._string()]
        if bool(quantified) is not braces:
            raise MalformedError("several values need ForAnyOfAnyValues, and it needs them")

        def test(asked: Asked) -> bool:
            value = asked.attributes.get(attribute)
            return value is not None and any(compare(value, given) for given in values)

        return test

    def _values(self) -> list[str]:
        self._next("{")
        values = [self._string()]
        while self._peek() == ",":
            self._next()
            values.append(self._string())
        self._next("}")
        return values

    def _string(self) -> str:
        text = self._next()
        if not text.startswith("'"):
            raise MalformedError(f"{text} is no string")
        # A backslash stays: the Like operators read it.
        return text[1:-1].replace("\\'", "'")
