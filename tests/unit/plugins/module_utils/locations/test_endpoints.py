# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An endpoint is the host that it looks like, to every library: ambient credentials depend on it."""

from __future__ import annotations

import pytest
import urllib3
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.endpoints import is_of, plain_endpoint

SUFFIXES = ("googleapis.com", "blob.core.windows.net")


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://evil.example\\.googleapis.com",
        "https://evil.example\\@storage.googleapis.com",
        "https://evil.example%5c.googleapis.com",
        "https://evil.example .googleapis.com",
        "https://evil.example;.googleapis.com",
        "https://\r.googleapis.com",
        "https://storage.google\tapis.com",
        " https://storage.googleapis.com",
        "https://storage.g\u00f6ogleapis.com",
        "https://user@storage.googleapis.com",
        "https://storage.googleapis.com:0",
        "https://storage.googleapis.com:99999999",
        "ftp://storage.googleapis.com",
    ],
)
def test_what_libraries_may_read_differently_is_refused(endpoint: str) -> None:
    with pytest.raises(StowageError) as caught:
        plain_endpoint(endpoint, "https://storage.example.com")
    assert caught.value.code == "invalid_option"
    assert not is_of(endpoint, SUFFIXES)


@given(st.text(alphabet=st.characters(codec="ascii"), max_size=30), st.sampled_from(SUFFIXES))
def test_a_host_of_its_own_is_the_one_that_is_connected_to(text: str, suffix: str) -> None:
    endpoint = f"https://{text}.{suffix}"
    if is_of(endpoint, SUFFIXES):
        assert (urllib3.util.parse_url(endpoint).host or "").rstrip(".").endswith(f".{suffix}")


@pytest.mark.parametrize(
    "endpoint", ["https://a.example.com:9000", "http://127.0.0.1:1", "https://[::1]:9000", "https://a_b.example"]
)
def test_plain_endpoints_stay(endpoint: str) -> None:
    assert plain_endpoint(f"{endpoint}/", "x") == endpoint
