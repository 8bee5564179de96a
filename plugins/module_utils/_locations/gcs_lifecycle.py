# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Our rule in the lifecycle configuration of a bucket of Google Cloud Storage. Private to the collection. Pure.

Google's rules have no ID: https://cloud.google.com/storage/docs/lifecycle. So a rule is ours by its shape: it ends unfinished
multipart uploads by their age alone, of names that begin with the location's prefix and no others (of all names, if the
location has no prefix). Rules of any other shape are of others, and stay as the store gave them, in their order.
"""

from __future__ import annotations

import typing as t

Rule = t.Mapping[str, t.Any]

_ABORT: t.Final = "AbortIncompleteMultipartUpload"


def our_days(rules: t.Sequence[Rule], prefix: str) -> int | None:
    """The days of our rule; ``None`` if there is none, 0 if there are several."""
    found = [_age(rule) for rule in rules if _is_ours(rule, prefix)]
    if not found:
        return None
    return found[0] if len(found) == 1 else 0


def others_abort(rules: t.Sequence[Rule], prefix: str, days: int) -> bool:
    """Whether a rule of others ends all stale uploads of a location after at most these days."""
    return any(
        _aborts(rule) and not _is_ours(rule, prefix) and 0 < _age(rule) <= days and _covers(rule, prefix)
        for rule in rules
    )


def with_rule(rules: t.Sequence[Rule], prefix: str, days: int) -> list[Rule]:
    """The rules with ours in its place, or after all others."""
    places = [number for number, rule in enumerate(rules) if _is_ours(rule, prefix)]
    others = without_rule(rules, prefix)
    place = places[0] if places else len(others)
    condition = {"age": days, **({"matchesPrefix": [prefix]} if prefix else {})}
    return [*others[:place], {"action": {"type": _ABORT}, "condition": condition}, *others[place:]]


def without_rule(rules: t.Sequence[Rule], prefix: str) -> list[Rule]:
    """The rules of others."""
    return [rule for rule in rules if not _is_ours(rule, prefix)]


def _is_ours(rule: Rule, prefix: str) -> bool:
    condition = _condition(rule)
    shape = {"age": condition.get("age"), **({"matchesPrefix": [prefix]} if prefix else {})}
    return rule.keys() == {"action", "condition"} and _aborts(rule) and _age(rule) > 0 and condition == shape


def _aborts(rule: Rule) -> bool:
    return rule.get("action") == {"type": _ABORT}


def _condition(rule: Rule) -> Rule:
    found = rule.get("condition")
    return found if isinstance(found, dict) else {}


def _age(rule: Rule) -> int:
    age = _condition(rule).get("age")
    return age if isinstance(age, int) and not isinstance(age, bool) else 0


def _covers(rule: Rule, prefix: str) -> bool:
    """Whether a rule is for all uploads of a location."""
    condition = _condition(rule)
    prefixes = condition.get("matchesPrefix", [""])
    told = isinstance(prefixes, list) and all(isinstance(one, str) for one in prefixes)
    return not condition.keys() - {"age", "matchesPrefix"} and told and any(map(prefix.startswith, prefixes))
