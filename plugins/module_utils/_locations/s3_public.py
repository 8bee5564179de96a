# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the policy of an S3 bucket lets anybody do with a location. Private to the collection. Pure.

MinIO calls a policy public only if it lets anybody read and write, so the statements themselves are looked at. What narrows a
statement is as AWS has it ("The meaning of public" in the user guide on blocking public access): a key that a stranger's
request cannot have, or an address, compared with values that are fixed. A statement that denies is not counted against one that
allows: who relies on both should not have the second.
"""

from __future__ import annotations

import ipaddress
import re
import typing as t

# Whoever knows no more than this knows nothing of what is in a bucket.
_HARMLESS: t.Final = frozenset({"s3:getbucketlocation"})
_OF_LISTINGS: t.Final = frozenset({"s3:listbucket", "s3:listbucketversions", "s3:listbucketmultipartuploads"})
# Keys that a request without credentials, or one of any account, does not have with a value of its own choosing.
_NARROWING: t.Final = frozenset(
    {
        "aws:principalaccount",
        "aws:principalarn",
        "aws:principalorgid",
        "aws:principalorgpaths",
        "aws:sourceaccount",
        "aws:sourcearn",
        "aws:sourceip",
        "aws:sourceorgid",
        "aws:sourceorgpaths",
        "aws:sourceowner",
        "aws:sourcevpc",
        "aws:sourcevpcarn",
        "aws:sourcevpce",
        "aws:userid",
        "aws:username",
        "aws:vpcsourceip",
        "s3:dataaccesspointaccount",
        "s3:dataaccesspointarn",
    }
)
_EQUAL: t.Final = frozenset(
    {"stringequals", "stringequalsignorecase", "stringlike", "arnequals", "arnlike", "ipaddress", "binaryequals"}
)
_STARS: t.Final = re.compile(r"\*+")
_WIDEST: t.Final = {4: 8, 6: 32}
"""Networks wider than these are no narrowing, as AWS counts them."""


def open_to_anybody(policy: t.Mapping[str, t.Any], bucket: str, prefix: str) -> list[str]:
    """The actions that a policy allows anybody, and that reach a location: as the policy writes them, in its order.

    :param prefix: the location's, with a slash at its end or empty.
    """
    found: list[str] = []
    for statement in _list(policy.get("Statement")):
        if isinstance(statement, dict) and statement.get("Effect") == "Allow" and _is_for_anybody(statement):
            found += _reaching(statement, bucket, prefix)
    return list(dict.fromkeys(found))


def _is_for_anybody(statement: t.Mapping[str, t.Any]) -> bool:
    """Whether it is for everybody, under no condition that keeps strangers out."""
    principal = statement.get("Principal")
    named = (
        [principal] if not isinstance(principal, dict) else [one for kind in principal.values() for one in _list(kind)]
    )
    return ("NotPrincipal" in statement or "*" in named) and not _is_narrowed(statement.get("Condition"))


def _is_narrowed(condition: object) -> bool:
    """Whether one of the conditions, which must all be met, keeps strangers out."""
    if not isinstance(condition, dict):
        return False
    return any(
        _narrows(str(operator).lower(), str(key).lower(), _list(values))
        for operator, keys in condition.items()
        if isinstance(keys, dict)
        for key, values in keys.items()
    )


def _narrows(operator: str, key: str, values: list[t.Any]) -> bool:
    # "ForAllValues" and "IfExists" are met by a request that does not have the key at all.
    comparison = operator.removeprefix("foranyvalue:").removesuffix("ifexists")
    always_there = key == "aws:sourceip"
    if comparison not in _EQUAL or key not in _NARROWING or (operator.endswith("ifexists") and not always_there):
        return False
    return bool(values) and all(_is_fixed(comparison, str(value)) for value in values)


def _is_fixed(comparison: str, value: str) -> bool:
    if comparison != "ipaddress":
        # AWS: not the value "*", and no variable of the request in it.
        return bool(value.strip("*?:/")) and "${" not in value
    try:
        network = ipaddress.ip_network(value, strict=False)
    except ValueError:
        return False
    return network.prefixlen >= _WIDEST[network.version]


def _reaching(statement: t.Mapping[str, t.Any], bucket: str, prefix: str) -> list[str]:
    """The actions of a statement, if what it is for overlaps with the location."""
    if "NotAction" in statement:
        actions = ["all but " + str(action) for action in _list(statement["NotAction"])]
    else:
        actions = [str(action) for action in _list(statement.get("Action"))]
    if "NotResource" not in statement and not any(
        _reaches(str(resource), bucket, prefix) for resource in _list(statement.get("Resource"))
    ):
        return []
    elsewhere = _lists_elsewhere(statement.get("Condition"), prefix)
    return [
        action
        for action in actions
        if action.lower() not in _HARMLESS and not (elsewhere and action.lower() in _OF_LISTINGS)
    ]


def _reaches(resource: str, bucket: str, prefix: str) -> bool:
    """Whether a resource of a policy is the bucket, or overlaps with the location in it. Partitions are not told apart."""
    start, colons, name = resource.partition(":::")
    pattern, named = (name, "") if colons else (start, "arn:aws:s3:::" if start.startswith("arn:") else "")
    return matches(pattern, named + bucket) or overlaps(pattern, f"{named}{bucket}/{prefix}")


def _lists_elsewhere(condition: object, prefix: str) -> bool:
    """Whether listings are narrowed to prefixes that do not show the location."""
    if not isinstance(condition, dict):
        return False
    for operator, keys in condition.items():
        if str(operator).lower() not in {"stringequals", "stringlike"} or not isinstance(keys, dict):
            continue
        for key, values in keys.items():
            if str(key).lower() == "s3:prefix" and not any(_shows(str(value), prefix) for value in _list(values)):
                return True
    return False


def _shows(asked: str, prefix: str) -> bool:
    """Whether a listing of a prefix like this has something of the location in it."""
    return overlaps(asked, prefix) or any(matches(asked, prefix[:end]) for end in range(len(prefix)))


def matches(pattern: str, text: str) -> bool:
    """Whether a pattern with ``*`` and ``?`` matches a text."""
    pattern = _STARS.sub("*", pattern)
    return len(pattern) in _places(pattern, text)


def overlaps(pattern: str, start: str) -> bool:
    """Whether some text that begins with ``start`` is matched by a pattern with ``*`` and ``?``."""
    return bool(_places(_STARS.sub("*", pattern), start))


def _places(pattern: str, text: str) -> set[int]:
    """How far into the pattern one can be after the text: in time that grows with the product of both, whatever they are."""
    places = _skip(pattern, {0})
    for letter in text:
        after = {
            place + (pattern[place] != "*")
            for place in places
            if place < len(pattern) and pattern[place] in (letter, "*", "?")
        }
        places = _skip(pattern, after)
        if not places:
            break
    return places


def _skip(pattern: str, places: set[int]) -> set[int]:
    """With those after a star, which may stand for nothing."""
    return places | {place + 1 for place in places if pattern[place : place + 1] == "*"}


def _list(value: object) -> list[t.Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
