# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Listings of containers as the service, and as others, send them. Pure."""

from __future__ import annotations

import datetime

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_listing import (
    LONG_AGO,
    Page,
    moment,
    parse,
)

HEAD = '<?xml version="1.0" encoding="utf-8"?><EnumerationResults ServiceEndpoint="https://acme.blob.core.windows.net/" ContainerName="backups">'


def listing(blobs: str, marker: str = "") -> bytes:
    """A page, with the mark that the service puts before it."""
    return ("\ufeff" + HEAD + f"<Blobs>{blobs}</Blobs><NextMarker>{marker}</NextMarker></EnumerationResults>").encode()


def parsed(data: bytes) -> Page:
    """What is read of a page."""
    return parse(data, "backups", "Listing")


# From Microsoft's "List Blobs", shortened.
COMMITTED = """<Blob><Name>fleet/a &amp; b</Name><Properties><Creation-Time>Mon, 01 Jan 2026 00:00:00 GMT</Creation-Time>
<Last-Modified>Wed, 25 Nov 2026 22:00:01 GMT</Last-Modified><Etag>0x8DE</Etag><Content-Length>12</Content-Length>
<BlobType>BlockBlob</BlobType></Properties><Metadata><Stowage_Writer>abc</Stowage_Writer></Metadata></Blob>"""
UNCOMMITTED = "<Blob><Name>fleet/big</Name><Properties><Content-Length>0</Content-Length><BlobType>BlockBlob</BlobType></Properties></Blob>"
FOLDER = "<BlobPrefix><Name>fleet/x/</Name></BlobPrefix>"
DIRECTORY = "<Blob><Name>fleet/d</Name><Properties><Etag>0x1</Etag><ResourceType>directory</ResourceType><Content-Length>0</Content-Length></Properties></Blob>"
ENCODED = '<Blob><Name Encoded="true">a%EF%BF%BEb%25</Name><Properties><Etag>0x1</Etag><Content-Length>1</Content-Length></Properties></Blob>'


def test_blobs_folders_and_where_the_next_page_begins() -> None:
    page = parsed(listing(COMMITTED + UNCOMMITTED + FOLDER + DIRECTORY + ENCODED, "2!next"))
    assert page.marker == "2!next"
    assert page.folders == ["fleet/x/"]
    assert [(blob.name, blob.size, bool(blob.etag)) for blob in page.blobs] == [
        ("fleet/a & b", 12, True),
        ("fleet/big", 0, False),
        ("a\ufffeb%", 1, True),
    ]
    assert page.blobs[0].modified == datetime.datetime(2026, 11, 25, 22, 0, 1, tzinfo=datetime.UTC)
    assert page.blobs[0].metadata == {"stowage_writer": "abc"}
    assert page.blobs[1].modified == LONG_AGO


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html><head><title>Log in</title></head><body>Welcome</body></html>",
        b"<EnumerationResults/>",
        b"not xml",
        (HEAD + "</EnumerationResults>").encode(),
        listing(COMMITTED)[:-30],
        listing(COMMITTED).replace(b'ContainerName="backups"', b'ContainerName="others"'),
        listing(COMMITTED).replace(b' ContainerName="backups"', b""),
        listing("<Blob><Properties><Content-Length>1</Content-Length></Properties></Blob>"),
        listing(COMMITTED.replace("12", "many")),
        listing(COMMITTED).replace(b"<EnumerationResults", b'<!DOCTYPE x [<!ENTITY a "aaaa">]><EnumerationResults'),
    ],
)
def test_what_is_no_listing_of_the_container_is_not_an_empty_one(data: bytes) -> None:
    with pytest.raises(StowageError) as caught:
        parsed(data)
    assert caught.value.code == "store_error"


def test_moments() -> None:
    assert moment("Wed, 25 Nov 2026 22:00:01 GMT").utcoffset() == datetime.timedelta(0)
    assert moment("nonsense") == moment("") == LONG_AGO
