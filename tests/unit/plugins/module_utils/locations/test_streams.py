# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An object is read whole and of one version, or not at all."""

from __future__ import annotations

import io
import threading

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import Failure, LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.retries import Retries
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.streams import Sent, StoredObject


def retries() -> Retries:
    found = Retries(threading.Event())
    found.first_wait = 0.0
    return found


def failed(error: Exception) -> Failure:
    return Failure("endpoint_unreachable", str(error), "", transient=True)


class Breaking(io.BytesIO):
    """Ends early, as a lost connection does."""

    def __init__(self, content: bytes, after: int) -> None:
        super().__init__(content[:after])


@pytest.mark.parametrize(
    ("length", "content_range"), [(None, ""), ("", ""), ("x", ""), ("-1", ""), (5, "bytes 0-4/*"), (5, "what")]
)
def test_an_answer_that_does_not_say_what_it_has_is_none(length: object, content_range: str) -> None:
    with pytest.raises(LocationError) as caught:
        Sent.of(io.BytesIO(b"hello"), length, content_range, "1", "Reading")
    assert caught.value.code == "store_error"
    assert caught.value.failure.transient


def test_a_stream_that_goes_on_with_another_version_is_refused() -> None:
    versions = iter(["one", "two"])

    def fetch(span: str, _version: str) -> Sent:
        start = int(span.removeprefix("bytes=").removesuffix("-") or 0)
        content = (b"A" if start == 0 else b"B") * 10
        return Sent(Breaking(content[start:], 5), start, 10 - start, 10, next(versions))

    reader = StoredObject(retries(), "Reading", fetch, failed).stream(0)
    with pytest.raises(StowageError) as caught:
        reader.read(10)
    assert caught.value.code == "backup_damaged"


def test_a_connection_that_is_lost_while_bytes_are_skipped_is_taken_up_again() -> None:
    tries: list[int] = []

    def fetch(_span: str, _version: str) -> Sent:
        tries.append(1)
        body = Breaking(b"0123456789", 3 if len(tries) == 1 else 10)
        return Sent(body, 0, 10, 10, "one", ranged=False)

    reader = StoredObject(retries(), "Reading", fetch, failed).stream(6)
    assert reader.read(10) == b"6789"
    assert len(tries) == 2
