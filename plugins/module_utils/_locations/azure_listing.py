# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Listings of an Azure container. Private to the collection."""

from __future__ import annotations

import dataclasses
import datetime
import email.utils
import typing as t
import urllib.parse

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.azure_calls import AzureCalls
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import Failure, LocationError

if t.TYPE_CHECKING:
    from xml.etree.ElementTree import Element

PAGE: t.Final = 1000
LONG_AGO: t.Final = datetime.datetime.fromtimestamp(0, datetime.UTC)


@dataclasses.dataclass(frozen=True, slots=True)
class Blob:
    """A blob of a listing. ``etag`` is empty where there are only blocks that nobody committed, ``version`` where the account
    keeps no versions or none was asked for."""

    name: str
    size: int
    modified: datetime.datetime
    etag: str
    metadata: t.Mapping[str, str]
    version: str = ""


@dataclasses.dataclass(frozen=True)
class Page:
    """A page of a listing: blobs, folders (with their slash), and where the next begins."""

    blobs: t.Sequence[Blob]
    folders: t.Sequence[str]
    marker: str


def pages(
    calls: AzureCalls, prefix: str, *, delimiter: str = "", include: str = "", most: int = PAGE
) -> t.Iterator[Page]:
    """Pages of blobs whose name begins with ``prefix`` (the location's own included).

    :param include: ``metadata``, or ``uncommittedblobs`` for those too that have only blocks which nobody committed; several
        kinds with commas between them.
    """
    what = f"Listing {calls.address}"
    parameters = {"comp": "list", "maxresults": str(most)}
    more = {"prefix": prefix, "delimiter": delimiter, "include": include}
    parameters |= {name: value for name, value in more.items() if value}
    seen: set[str] = set()
    while True:
        page = _page(calls, what, parameters)
        yield page
        if not page.marker:
            return
        if page.marker in seen:
            raise StowageError("store_error", f"{what}: the store goes round in circles.")
        seen.add(page.marker)
        parameters["marker"] = page.marker


def first_page(calls: AzureCalls, prefix: str, *, include: str = "", most: int = 1) -> Page:
    """The first page, asked for once.

    :param include: ``versions`` for those that are not the current ones, too.
    :raises LocationError: what the store answered, or that it was no listing of the container.
    """
    what = f"Listing {calls.address}"
    more = {"prefix": prefix, "include": include}
    parameters = {"comp": "list", "maxresults": str(most)} | {name: value for name, value in more.items() if value}
    return parse(calls.once("GET", what, parameters=parameters).body, calls.settings.container, what)


def find(calls: AzureCalls, full_key: str, include: str = "") -> Blob | None:
    """What a listing says of one blob: where its content may not be read, this still may be allowed."""
    for page in pages(calls, full_key, include=include, most=10):
        for blob in page.blobs:
            if blob.name == full_key:
                return blob
            if blob.name.encode() > full_key.encode():
                return None
    return None


def pending(calls: AzureCalls, prefix: str) -> t.Iterator[Blob]:
    """Blobs that have only blocks which nobody committed. The service tells them by what their entry lacks ("List Blobs":
    no ETag, no Last-Modified); Azurite gives them an ETag, so that a look at each empty blob decides."""
    for page in pages(calls, prefix, include="uncommittedblobs"):
        for blob in page.blobs:
            if not blob.etag or (blob.size == 0 and not _there(calls, blob.name)):
                yield blob


def _there(calls: AzureCalls, full_key: str) -> bool:
    """Whether a blob with an ETag was committed after all; where it may not be read, it was."""
    try:
        calls.call("HEAD", f"Looking at {calls.address}", full_key)
    except LocationError as error:
        if error.failure.code not in {"key_not_found", "permission_denied"}:
            raise
        return error.failure.code == "permission_denied"
    return True


def _page(calls: AzureCalls, what: str, parameters: t.Mapping[str, str]) -> Page:
    def attempt() -> Page:
        answer = calls.once("GET", what, parameters=parameters)
        return parse(answer.body, calls.settings.container, what)

    page: Page = calls.retried(attempt)
    return page


def parse(data: bytes, container: str, what: str) -> Page:
    """A page. What is no listing of the container (a login page, an answer cut short) is an error, not an empty page.

    Entities are not looked up: an answer that declares any is refused.
    """
    from xml.etree import ElementTree

    try:
        root = None if b"<!DOCTYPE" in data else ElementTree.fromstring(data.removeprefix(b"\xef\xbb\xbf"))  # noqa: S314 - no entities
        if root is not None and root.tag == "EnumerationResults" and root.get("ContainerName") == container:
            return _read(root)
    except (ElementTree.ParseError, ValueError):
        pass
    hint = "Check that the endpoint is the Blob service of the account, and proxies on the way."
    failure = Failure("store_error", f"{what}: the answer is no listing of the container.", hint, transient=True)
    raise LocationError(failure)


def _read(root: Element) -> Page:
    blobs = [blob for blob in map(_blob, root.iterfind("Blobs/Blob")) if blob is not None]
    folders = [_name(found) for found in root.iterfind("Blobs/BlobPrefix")]
    if root.find("Blobs") is None:
        raise ValueError("no blobs")
    return Page(blobs, folders, root.findtext("NextMarker") or "")


def _blob(found: Element) -> Blob | None:
    """``None`` for folders, which accounts with a hierarchical namespace list among blobs."""
    properties = found.find("Properties")
    if properties is None or properties.findtext("ResourceType") == "directory":
        return None
    modified = properties.findtext("Last-Modified") or properties.findtext("Creation-Time") or ""
    metadata = found.find("Metadata")
    return Blob(
        _name(found),
        int(properties.findtext("Content-Length") or 0),
        moment(modified),
        properties.findtext("Etag") or "",
        {entry.tag.lower(): entry.text or "" for entry in metadata} if metadata is not None else {},
        found.findtext("VersionId") or "",
    )


def _name(found: Element) -> str:
    """The name, which is encoded as in an URL where XML cannot hold it."""
    name = found.find("Name")
    if name is None or not name.text:
        raise ValueError("no name")
    return urllib.parse.unquote(name.text) if name.get("Encoded") == "true" else name.text


def moment(text: str) -> datetime.datetime:
    """A date of HTTP, or the beginning of time if it is none."""
    try:
        found = email.utils.parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return LONG_AGO
    return found.replace(tzinfo=datetime.UTC) if found.tzinfo is None else found.astimezone(datetime.UTC)
