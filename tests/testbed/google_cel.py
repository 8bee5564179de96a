# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""As much of the Common Expression Language as conditions at Google need (`testbed.google_iam`).

* IAM's conditions, and what `extract` and `api.getAttribute` are: https://cloud.google.com/iam/docs/conditions-attribute-reference;
* conditions of providers, with `assertion`: https://cloud.google.com/iam/docs/workload-identity-federation#conditions;
* the language: https://github.com/google/cel-spec. Without macros, numbers and arithmetic.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

MOST_OPERATORS = 12
"""Logical operators in one expression: https://cloud.google.com/iam/quotas"""

_TOKEN = re.compile(
    r"\s*(?:(\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')|([A-Za-z_][A-Za-z0-9_]*)|(\|\||&&|==|!=|[().,!\[\]]))"
)


class CelError(Exception):
    """The expression is none."""


def check(expression: str) -> None:
    """Raises `CelError` for what is no expression, or too long a one."""
    if sum(token in {"||", "&&", "!"} for token in _tokens(expression)) > MOST_OPERATORS:
        raise CelError("too many logical operators")
    _Parser(_tokens(expression), {}, lax=True).whole()


def holds(expression: str, variables: Mapping[str, Any]) -> bool:
    """Whether the expression is true. One that fails, as a missing attribute makes it, is not."""
    try:
        return _Parser(_tokens(expression), variables).whole() is True
    except CelError:
        return False


def extract(text: str, template: str) -> str:
    """What stands for the template's word in a text; empty if it does not fit."""
    match = re.fullmatch(r"([^{}]*)\{[A-Za-z_]+\}([^{}]*)", template)
    if match is None:
        raise CelError("a template has one word in braces")
    before, after = match[1], match[2]
    start = text.find(before)
    if start < 0:
        return ""
    start += len(before)
    end = text.find(after, start) if after else len(text)
    return text[start:end] if end >= 0 else ""


def _tokens(expression: str) -> list[str]:
    found, at = [], 0
    while expression[at:].strip():
        match = _TOKEN.match(expression, at)
        if match is None:
            raise CelError(f"cannot be read at {at}")
        found.append(match[0].strip())
        at = match.end()
    return found


class _Parser:
    """Reads and computes at once. `lax`: what is not known is not looked at, only how it is written."""

    def __init__(self, tokens: list[str], variables: Mapping[str, Any], *, lax: bool = False) -> None:
        self._tokens, self._at = tokens, 0
        self._variables, self._lax = variables, lax

    def whole(self) -> Any:
        value = self._or()
        if self._at != len(self._tokens):
            raise CelError("something is left over")
        return value

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _take(self, wanted: str = "") -> str:
        token = self._peek()
        if not token or (wanted and token != wanted):
            raise CelError(f"{wanted or 'something'} is missing")
        self._at += 1
        return token

    def _or(self) -> Any:
        value = self._and()
        while self._peek() == "||":
            self._take()
            other = self._and()
            value = bool(value) or bool(other)
        return value

    def _and(self) -> Any:
        value = self._compared()
        while self._peek() == "&&":
            self._take()
            other = self._compared()
            value = bool(value) and bool(other)
        return value

    def _compared(self) -> Any:
        if self._peek() == "!":
            self._take()
            return not self._compared()
        value = self._member()
        operator = self._peek()
        if operator not in {"==", "!=", "in"}:
            return value
        self._take()
        other = self._member()
        if operator == "in":
            return value in (other or [])
        return (value == other) is (operator == "==")

    def _member(self) -> Any:
        value = self._primary()
        while self._peek() == ".":
            self._take()
            name = self._take()
            if self._peek() == "(":
                value = self._call(value, name, self._arguments())
            elif not isinstance(value, Mapping) or name not in value:
                value = self._unknown(name)
            else:
                value = value[name]
        return value

    def _unknown(self, name: str) -> Any:
        if self._lax:
            return ""
        raise CelError(f"there is no {name}")

    def _arguments(self) -> list[Any]:
        self._take("(")
        found = []
        while self._peek() != ")":
            found.append(self._or())
            if self._peek() == ",":
                self._take()
        self._take(")")
        return found

    def _call(self, value: Any, name: str, arguments: list[Any]) -> Any:
        if name == "getAttribute":
            return value.get(arguments[0], arguments[1]) if isinstance(value, Mapping) else arguments[1]
        if name not in {"startsWith", "endsWith", "extract"}:
            raise CelError(f"there is no function {name}")
        text, given = str(value), str(arguments[0])
        if name == "extract":
            return extract(text, given)
        return text.startswith(given) if name == "startsWith" else text.endswith(given)

    def _primary(self) -> Any:
        token = self._take()
        if token == "(":
            value = self._or()
            self._take(")")
            return value
        if token == "[":
            found = []
            while self._peek() != "]":
                found.append(self._or())
                if self._peek() == ",":
                    self._take()
            self._take("]")
            return found
        if token[0] in "\"'":
            return json.loads(token) if token[0] == '"' else token[1:-1]
        if token in {"true", "false"}:
            return token == "true"
        if token in self._variables:
            return self._variables[token]
        return self._unknown(token)
