# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What hosts are called, and which names patterns choose."""

from __future__ import annotations

import fnmatch
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.layout import validate_cluster
from ansible_collections.stowage.kubernetes.plugins.plugin_utils._inventory.names import (
    Patterns,
    compiled,
    fit_name,
    group_name,
    is_fit,
    labels_in,
)

HOSTILE = (
    "{{ lookup('pipe','id') }}",
    "\x1b]0;x\x07",
    "a\nb",
    "../../etc",
    "a:b,!c&d",
    "\u202egnp",
    "x" * 300,
    "\ud800",
)


@given(st.text(max_size=400) | st.sampled_from(HOSTILE))
def test_a_made_name_is_one_that_hosts_and_folders_may_have(text: str) -> None:
    name = fit_name(text)
    if name:
        assert is_fit(name)
        assert validate_cluster(name) == name
        assert not set(name) & set("{}:,!&*[]/~ \n\x1b")


@given(st.from_regex(re.compile(r"\A[A-Za-z0-9]([-A-Za-z0-9._]{0,80}[A-Za-z0-9])?\Z"), fullmatch=True))
def test_a_name_that_fits_is_kept(name: str) -> None:
    assert fit_name(name) == (name if is_fit(name) else "")


@given(st.text(max_size=100))
def test_making_a_name_twice_is_making_it_once(text: str) -> None:
    assert fit_name(fit_name(text)) == fit_name(text)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("admin@prod-1", "admin-prod-1"),
        ("arn:aws:eks:eu-west-1:111122223333:cluster/prod", "arn-aws-eks-eu-west-1-111122223333-cluster-prod"),
        ("gke_acme_europe-west1_prod", "gke_acme_europe-west1_prod"),
        ("{{ lookup('pipe','id') }}", "lookup-pipe-id"),
        ("--", ""),
        ("", ""),
        ("日本", ""),
        ("localhost", ""),
        ("LocalHost", ""),
        ("@all@", ""),
        ("127.0.0.1", ""),
        ("::1", "1"),
        ("x" * 254, ""),
    ],
)
def test_names_of_all_kinds(text: str, name: str) -> None:
    assert fit_name(text) == name


@given(st.text(max_size=60))
def test_a_group_is_one_that_ansible_takes_without_a_word(text: str) -> None:
    group = group_name(text)
    assert group == "" or (group.isidentifier() and group.isascii() and group not in ("all", "ungrouped"))


@given(st.text(max_size=20), st.lists(st.text(alphabet="ab*?[]-", min_size=1, max_size=8), max_size=4))
def test_globs_and_names_fit_as_the_shell_has_it(name: str, texts: list[str]) -> None:
    assert Patterns.of(texts).fit(name) == any(
        fnmatch.fnmatchcase(name, text) if set("*?[") & set(text) else name == text for text in texts
    )


def test_a_regular_expression_begins_where_the_name_does() -> None:
    patterns = Patterns.of(["~prod-[0-9]+"])
    assert patterns.fit("prod-1")
    assert patterns.fit("prod-1-old")
    assert not patterns.fit("preprod-1")


@pytest.mark.parametrize("text", ["~(", "~[", "~*", "~(?P<a>x)(?P<a>y)", "~x{99999999999}"])
def test_what_is_no_regular_expression_is_said_to_be_none(text: str) -> None:
    with pytest.raises(ValueError, match="no regular expression"):
        Patterns.of([text])


def test_labels_are_found_in_names_and_the_first_expression_decides() -> None:
    expressions = [compiled("^(?P<env>prod|test)(-(?P<zone>[a-z]))?"), compiled("(?P<env>x)(?P<tail>.*)$")]
    assert labels_in("prod-x1", expressions) == {"env": "prod", "zone": "x", "tail": "1"}
    assert labels_in("prod1", expressions) == {"env": "prod"}
    assert labels_in("none", expressions) == {}
