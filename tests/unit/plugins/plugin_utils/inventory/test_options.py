# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plugin's options: what they become, and that an error names its place."""

from __future__ import annotations

import typing as t

import pytest
from ansible.template import is_trusted_as_template, trust_as_template
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.plugin_utils._inventory.options import (
    Contexts,
    Management,
    plain,
    read_options,
)

HERE: t.Final = {"kubeconfig": {"paths": ["a"]}}


def refused(sources: object, workspaces: object = None) -> str:
    with pytest.raises(StowageError) as caught:
        read_options(sources, workspaces, None)
    assert caught.value.code == "invalid_option"
    return caught.value.message


@pytest.mark.parametrize(
    ("sources", "says"),
    [
        (None, "sources is empty"),
        ({}, "sources is empty"),
        ([], "sources is no dictionary"),
        ({1: HERE}, "sources is no dictionary"),
        ({"a b": HERE}, "sources.a b cannot be the name"),
        ({"localhost": HERE}, "sources.localhost cannot be the name"),
        ({"a": None}, "sources.a takes exactly one"),
        ({"a": {**HERE, "clusters": {}}}, "sources.a takes exactly one"),
        ({"a": {"kubeconfigs": {}}}, "sources.a has no option 'kubeconfigs'"),
        ({"a": {"kubeconfig": "~/.kube/config"}}, "sources.a.kubeconfig is no dictionary"),
        ({"a": {"kubeconfig": {}}}, "sources.a.kubeconfig takes either paths or env"),
        ({"a": {"kubeconfig": {"paths": "a", "env": "B"}}}, "sources.a.kubeconfig takes either paths or env"),
        ({"a": {"kubeconfig": {"paths": [1]}}}, "sources.a.kubeconfig.paths is neither"),
        ({"a": {"kubeconfig": {"env": "A B"}}}, "sources.a.kubeconfig.env is not the name"),
        ({"a": {"kubeconfig": {"paths": "a", "contexts": ["~("]}}}, "sources.a.kubeconfig.contexts: '('"),
        ({"a": {**HERE, "label_patterns": "("}}, "sources.a.label_patterns: '('"),
        ({"a": {**HERE, "labels": {"a b": "c"}}}, "sources.a.labels has a key"),
        ({"a": {**HERE, "hostname": 1}}, "sources.a.hostname is no text"),
        ({"a": {"capi": {}}}, "sources.a.capi takes either kubeconfig or env"),
        ({"a": {"capi": {"kubeconfig": "a", "label_selector": "a=("}}}, "sources.a.capi.label_selector: "),
        ({"a": {"clusters": {"x/y": {}}}}, "sources.a.clusters.x/y cannot be the name"),
        ({"a": {"clusters": {"x": {"token": "t"}}}}, "sources.a.clusters.x has no option 'token'"),
        (
            {"a": {"clusters": {"x": {"kubeconfig_secret": {"namespace": "a"}}}}},
            "sources.a.clusters.x: kubeconfig_secret.name",
        ),
    ],
)
def test_an_error_in_a_source_names_its_place(sources: object, says: str) -> None:
    assert refused(sources).startswith(says)


@pytest.mark.parametrize(
    ("workspaces", "says"),
    [
        ([], "workspaces is no dictionary"),
        ({"a": {}}, "workspaces.a does not say"),
        ({"a": {"selector": "x in ("}}, "workspaces.a.selector: "),
        ({"a": {"clusters": ["~("]}}, "workspaces.a.clusters: '('"),
        ({"a": {"clusters": ["admin@prod"]}}, "workspaces.a.clusters: 'admin@prod' cannot be a host's name"),
        ({"1a": {"selector": "x"}}, "workspaces.1a cannot be a workspace"),
        ({"all": {"selector": "x"}}, "workspaces.all cannot be a workspace"),
        ({"a-b": {"selector": "x"}, "a_b": {"selector": "x"}}, "workspaces.a-b and workspaces.a_b would be one group"),
        ({"here": {"selector": "x"}}, "sources.here has the name of a workspace's group"),
        ({"a": {"selector": "x", "location": "primary"}}, "workspaces.a has no option 'location'"),
    ],
)
def test_an_error_in_a_workspace_names_its_place(workspaces: object, says: str) -> None:
    assert refused({"here": HERE}, workspaces).startswith(says)


def test_what_is_emitted_is_no_template_and_what_ansible_evaluates_is() -> None:
    trusted = trust_as_template("{{ 1 }}/config")
    expression = trust_as_template("stowage_context")
    options = read_options({"a": {"kubeconfig": {"paths": [trusted]}, "hostname": expression}}, None, None)
    source = options.sources[0]
    assert isinstance(source.origin, Contexts)
    assert source.origin.paths == ("{{ 1 }}/config",)
    assert not is_trusted_as_template(source.origin.paths[0])
    assert is_trusted_as_template(source.hostname)


@given(st.text(max_size=30))
def test_a_plain_text_is_the_same_text(text: str) -> None:
    assert plain(trust_as_template(text)) == text
    assert not is_trusted_as_template(plain(trust_as_template(text)))


def test_the_fingerprint_is_about_what_is_read() -> None:
    def fingerprint(**source: t.Any) -> str:
        return read_options({"a": source}, None, None).sources[0].fingerprint

    assert fingerprint(**HERE) == fingerprint(**HERE, labels={"a": "b"}, hostname="x")
    assert fingerprint(**HERE) != fingerprint(kubeconfig={"paths": ["b"]})


def test_the_hostname_of_a_source_counts_more() -> None:
    options = read_options({"a": HERE, "b": {**HERE, "hostname": "mine"}}, None, "everybodys")
    assert [source.hostname for source in options.sources] == ["everybodys", "mine"]


def test_a_management_cluster() -> None:
    capi = {"env": "MANAGEMENT", "context": "m", "namespaces": ["fleet-*"], "label_selector": "b,a=x"}
    origin = read_options({"a": {"capi": capi}}, None, None).sources[0].origin
    assert isinstance(origin, Management)
    assert (origin.path, origin.variable, origin.context, origin.selector) == ("", "MANAGEMENT", "m", "a=x,b")
    assert origin.namespaces.fit("fleet-1")
    assert not origin.namespaces.fit("default")
