# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our rule among those of others in a bucket's lifecycle configuration."""

from __future__ import annotations

from xml.etree import ElementTree
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import s3_lifecycle
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_settings import Lifecycle, Rule

# What no SDK may know stays too: MinIO's element here, and one that nobody has yet.
RULE = (
    "<Rule><ID>{id}</ID><Status>Enabled</Status><Filter><And><Prefix>{prefix}</Prefix><Tag><Key>a&amp;b</Key>"
    "<Value>&lt;c&gt;</Value></Tag></And></Filter><Expiration><Days>{days}</Days>"
    "<ExpiredObjectAllVersions>true</ExpiredObjectAllVersions></Expiration><Brand kind='new'>{days}</Brand></Rule>"
)
NAMESPACES = ["", f' xmlns="{s3_lifecycle.NAMESPACE}"']

text = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=10)
prefixes = st.sampled_from(["", "fleet/", "a b/<&>/", "x" * 900 + "/"])
rules = st.lists(
    st.builds(
        lambda name, prefix, days: RULE.format(id=escape(name), prefix=escape(prefix), days=days),
        text,
        text,
        st.integers(1, 9999),
    ),
    max_size=4,
)


def configuration(found: list[str], namespace: str = "") -> Lifecycle:
    """A configuration as a store gives it."""
    head = '<?xml version="1.0" encoding="UTF-8"?>\n' if namespace else ""
    body = f"{head}<LifecycleConfiguration{namespace}>{''.join(found)}</LifecycleConfiguration>"
    return Lifecycle(body.encode())


def parsed(body: bytes) -> ElementTree.Element:
    return ElementTree.fromstring(body)  # noqa: S314 - our own


@given(rules, prefixes, st.sampled_from(NAMESPACES), st.integers(1, 3650))
def test_rules_of_others_stay(found: list[str], prefix: str, namespace: str, days: int) -> None:
    before = configuration(found, namespace)
    merged = Lifecycle(s3_lifecycle.with_rule(before, prefix, days))
    assert s3_lifecycle.others(merged, prefix) == s3_lifecycle.others(before, prefix)
    assert len(s3_lifecycle.others(before, prefix)) == len(found)
    assert s3_lifecycle.our_days(before, prefix) is None
    assert s3_lifecycle.our_days(merged, prefix) == days
    again = Lifecycle(s3_lifecycle.with_rule(merged, prefix, days))
    assert again.body == merged.body
    changed = Lifecycle(s3_lifecycle.with_rule(merged, prefix, days + 1))
    assert s3_lifecycle.our_days(changed, prefix) == days + 1
    assert s3_lifecycle.others(changed, prefix) == s3_lifecycle.others(before, prefix)


@given(rules, prefixes, st.sampled_from(NAMESPACES))
def test_ours_can_be_taken_back(found: list[str], prefix: str, namespace: str) -> None:
    before = configuration(found, namespace)
    merged = Lifecycle(s3_lifecycle.with_rule(before, prefix, 7))
    left = s3_lifecycle.without_rule(merged, prefix)
    assert (left is None) == (not found)
    if left is not None:
        assert s3_lifecycle.others(Lifecycle(left), prefix) == s3_lifecycle.others(before, prefix)


@given(rules, prefixes)
def test_everything_in_rules_of_others_is_written(found: list[str], prefix: str) -> None:
    written = parsed(s3_lifecycle.with_rule(configuration(found, NAMESPACES[1]), prefix, 7))
    name = f"{{{s3_lifecycle.NAMESPACE}}}"
    given_rules = [parsed(one.encode()) for one in found]
    kept = [one for one in written if one.findtext(f"{name}ID") != s3_lifecycle.rule_id(prefix)]
    assert [rule.findtext("ID") for rule in given_rules] == [rule.findtext(f"{name}ID") for rule in kept]
    for rule, one in zip(given_rules, kept, strict=True):
        assert [(part.tag, part.text, part.attrib) for part in rule.iter()] == [
            (part.tag.removeprefix(name), part.text, part.attrib) for part in one.iter()
        ]


def test_each_location_of_a_bucket_has_a_rule() -> None:
    first = Lifecycle(s3_lifecycle.with_rule(None, "fleet/", 7))
    both = Lifecycle(s3_lifecycle.with_rule(first, "other/", 3))
    assert s3_lifecycle.our_days(both, "fleet/") == 7
    assert s3_lifecycle.our_days(both, "other/") == 3
    assert s3_lifecycle.our_days(both, "") is None
    left = s3_lifecycle.without_rule(both, "fleet/")
    assert left is not None
    assert s3_lifecycle.our_days(Lifecycle(left), "other/") == 3
    assert all(len(s3_lifecycle.rule_id(prefix)) <= 255 for prefix in ("", "x" * 1000))


def test_what_cannot_be_written_as_it_is_stays() -> None:
    odd = configuration(["<Rule><ID>a</ID><Filter><Prefix>x&#13;y</Prefix></Filter></Rule>"])
    with pytest.raises(StowageError) as caught:
        s3_lifecycle.with_rule(odd, "", 7)
    assert caught.value.code == "store_error"


def test_no_declaration_is_written() -> None:
    """SeaweedFS keeps what it gets, and answers with a declaration before it: with two, it is no XML."""
    assert s3_lifecycle.with_rule(None, "", 7).startswith(b"<LifecycleConfiguration ")


@pytest.mark.parametrize(
    "change",
    [
        ("Enabled", "Disabled"),
        ("fleet/", "else/"),
        ("<DaysAfterInitiation>7", "<DaysAfterInitiation>x"),
        ("</Rule>", "<Expiration><Days>1</Days></Expiration></Rule>"),
    ],
)
def test_what_somebody_made_of_ours_is_not_ours(change: tuple[str, str]) -> None:
    written = s3_lifecycle.with_rule(None, "fleet/", 7).decode()
    assert change[0] in written
    broken = Lifecycle(written.replace(*change, 1).encode())
    assert s3_lifecycle.our_days(broken, "fleet/") == 0
    assert s3_lifecycle.our_days(Lifecycle(s3_lifecycle.with_rule(broken, "fleet/", 7)), "fleet/") == 7


def test_ways_to_say_the_whole_bucket() -> None:
    written = s3_lifecycle.with_rule(None, "", 7).decode()
    for other in ("<Filter/>", "<Filter></Filter>", "", "<Prefix></Prefix>", "<Filter><Prefix/></Filter>"):
        assert s3_lifecycle.our_days(Lifecycle(written.replace("<Filter><Prefix /></Filter>", other).encode()), "") == 7


def test_what_others_abort() -> None:
    def among(*found: Rule) -> Lifecycle:
        return Lifecycle(b"", found)

    theirs = Rule("theirs", enabled=True, prefix="fl", tagged=False, abort_days=5)
    assert s3_lifecycle.others_abort(among(theirs), "fleet/", 7)
    assert s3_lifecycle.others_abort(among(theirs), "fleet/", 5)
    assert not s3_lifecycle.others_abort(among(theirs), "fleet/", 4)
    assert not s3_lifecycle.others_abort(among(theirs), "", 7)
    assert not s3_lifecycle.others_abort(None, "fleet/", 7)
    for less in (
        Rule("theirs", enabled=False, prefix="", tagged=False, abort_days=5),
        Rule("theirs", enabled=True, prefix="", tagged=True, abort_days=5),
        Rule("theirs", enabled=True, prefix="", tagged=False),
        Rule(s3_lifecycle.rule_id("fleet/"), enabled=True, prefix="", tagged=False, abort_days=5),
    ):
        assert not s3_lifecycle.others_abort(among(less), "fleet/", 7)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"<html></html>",
        b"<!DOCTYPE x [<!ENTITY a 'b'>]><LifecycleConfiguration>&a;</LifecycleConfiguration>",
        b"<LifecycleConfiguration>" + b" " * s3_lifecycle.LONGEST + b"</LifecycleConfiguration>",
    ],
    ids=["empty", "open", "html", "entities", "long"],
)
def test_what_is_no_configuration(body: bytes) -> None:
    with pytest.raises(StowageError) as caught:
        s3_lifecycle.with_rule(Lifecycle(body), "", 7)
    assert caught.value.code == "store_error"
