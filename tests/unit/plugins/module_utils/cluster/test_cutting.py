# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pages are cut into the same objects that a JSON parser sees."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.cutting import Item, cut
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind

KIND = Kind("apps", "v1", "deployments", "Deployment", namespaced=True)

text = st.text(max_size=12)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False) | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=12,
)
labels = st.none() | st.dictionaries(text, text, max_size=4)
owners = st.none() | st.lists(
    st.fixed_dictionaries({"uid": text}, optional={"name": text, "controller": st.booleans()}), max_size=3
)
metadata = st.fixed_dictionaries(
    {"name": text},
    optional={
        "namespace": text,
        "uid": text,
        "resourceVersion": text,
        "labels": labels,
        "deletionTimestamp": st.none() | text,
        "ownerReferences": owners,
        "annotations": values,
        "managedFields": values,
    },
)
objects = st.fixed_dictionaries(
    {"metadata": metadata}, optional={"apiVersion": text, "kind": text, "spec": values, "data": values, "items": values}
)
list_metadata = st.fixed_dictionaries(
    {},
    optional={"resourceVersion": text, "continue": text, "remainingItemCount": st.integers(0, 10**9), "selfLink": text},
)


@st.composite
def shuffled(draw: st.DrawFn, of: st.SearchStrategy[dict[str, Any]]) -> dict[str, Any]:
    """The same keys in any order: custom resources have theirs sorted, their list's metadata last."""
    document = draw(of)
    return {key: document[key] for key in draw(st.permutations(list(document)))}


listings = shuffled(
    st.fixed_dictionaries(
        {"items": st.none() | st.lists(shuffled(objects), max_size=6)},
        optional={"metadata": list_metadata, "apiVersion": text, "kind": text},
    )
)


def expected(document: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": KIND.api_version, "kind": KIND.kind} | document


@given(listings, st.sampled_from([None, 2]), st.booleans(), st.sampled_from([bytes, bytearray, memoryview]))
def test_a_page_holds_what_a_parser_sees(
    listing: dict[str, Any], indent: int | None, ascii_only: bool, kind: Any
) -> None:
    data = json.dumps(listing, indent=indent, ensure_ascii=ascii_only).encode()
    page = cut(kind(data), KIND)
    meta = listing.get("metadata") or {}
    assert page.size == len(data)
    assert page.revision == meta.get("resourceVersion", "")
    assert page.continue_token == meta.get("continue", "")
    assert page.remaining == meta.get("remainingItemCount")
    documents = listing["items"] or []
    assert [json.loads(item.body) for item in page.items] == [expected(document) for document in documents]
    for item, document in zip(page.items, documents, strict=True):
        of = document["metadata"]
        assert (item.namespace, item.name) == (of.get("namespace", ""), of["name"])
        assert (item.uid, item.revision) == (of.get("uid", ""), of.get("resourceVersion", ""))
        assert item.labels == of.get("labels")
        assert item.deleting == (of.get("deletionTimestamp") is not None)
        assert item.owners == tuple(owner["uid"] for owner in of.get("ownerReferences") or ())
    keys = [item.key for item in page.items]
    assert page.ordered == (keys == sorted(set(keys)))


def one(raw: str, kind: Kind = KIND) -> Item:
    return cut(f'{{"metadata":{{"resourceVersion":"1"}},"items":[{raw}]}}'.encode(), kind).items[0]


def test_bytes_are_kept_as_the_server_sent_them() -> None:
    raw = '{"metadata":{"name":"a"},"spec":{"big":12345678901234567890123,"exact":1.10,"text":"\\u00e9é\\/"}}'
    assert one(raw).body == b'{"apiVersion":"apps/v1","kind":"Deployment",' + raw.encode()[1:]
    whole = '{"apiVersion":"x/v2","kind":"Y","metadata":{"name":"a"},"n":1.10}'
    assert one(whole).body == whole.encode()


def test_only_what_lacks_is_put_in_front() -> None:
    assert (
        one('{"kind":"Y","metadata":{"name":"a"}}').body
        == b'{"apiVersion":"apps/v1","kind":"Y","metadata":{"name":"a"}}'
    )
    assert (
        one('{"metadata":{"name":"a"},"apiVersion":"x"}').body
        == b'{"kind":"Deployment","metadata":{"name":"a"},"apiVersion":"x"}'
    )


def test_the_core_groups_api_version() -> None:
    body = one('{"metadata":{"name":"a"}}', Kind("", "v1", "pods", "Pod", namespaced=True)).body
    assert body == b'{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"}}'


def test_keys_are_in_etcds_order_not_that_of_pairs() -> None:
    def page(*names: tuple[str, str]) -> bool:
        items = [{"metadata": {"namespace": namespace, "name": name}} for namespace, name in names]
        return cut(json.dumps({"items": items}).encode(), KIND).ordered

    assert page(("a-b", "x"), ("a", "x"))  # `-` is before `/`
    assert not page(("a", "x"), ("a-b", "x"))
    assert not page(("a", "x"), ("a", "x"))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"<html>canary",
        b'{"items": 5}',
        b'{"items": ["canary"]}',
        b'{"items": [{}]}',
        b'{"items": [{"metadata": {"name": 5}}]}',
        b'{"items": [{"metadata": {"name": "a"',
        b'{"items": [], "metadata": {"resourceVersion": {"canary": 1}}}',
    ],
)
def test_what_is_no_list_is_one_error(data: bytes) -> None:
    with pytest.raises(StowageError) as caught:
        cut(data, KIND)
    assert caught.value.code == "cluster_api_error"
    assert "deployments.apps" in caught.value.message
    assert "canary" not in caught.value.message
