# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a bucket of Google Cloud Storage holds: pages of objects, and one object's resource. Private to the collection."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import Failure, LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_calls import Answer, GcsCalls, Request

PAGE: t.Final = 1000
_FIELDS: t.Final = "name,size,updated,metadata"


@dataclasses.dataclass(frozen=True)
class Resource:
    """An object as the store describes it."""

    name: str
    size: int
    updated: datetime.datetime
    metadata: t.Mapping[str, str]

    @classmethod
    def of(cls, document: t.Any) -> Resource | None:
        """``None`` for what is no object's resource."""
        try:
            updated = datetime.datetime.fromisoformat(str(document["updated"]))
            metadata = document.get("metadata") or {}
            size = int(document["size"])
            return cls(str(document["name"]), size, updated.astimezone(datetime.UTC), dict(metadata))
        except (KeyError, TypeError, ValueError, AttributeError):
            return None


@dataclasses.dataclass(frozen=True)
class Page:
    """One page of a listing."""

    objects: t.Sequence[Resource]
    folders: t.Sequence[str]
    following: str


def pages(calls: GcsCalls, prefix: str, *, delimiter: str = "", most: int = PAGE) -> t.Iterator[Page]:
    """Pages of objects whose names begin with ``prefix`` (the location's own included)."""
    what = f"Listing {calls.address}"
    query = {
        "prefix": prefix,
        "maxResults": str(most),
        "fields": f"kind,nextPageToken,prefixes,items({_FIELDS})",
        **({"delimiter": delimiter} if delimiter else {}),
    }
    seen: set[str] = set()
    while True:
        page = _page(calls, query, what)
        yield page
        if not page.following:
            return
        if page.following in seen:
            raise StowageError("store_error", f"{what}: the store goes round in circles.")
        seen.add(page.following)
        query["pageToken"] = page.following


def find(calls: GcsCalls, full_key: str) -> Resource | None:
    """What a listing says of one key: where its content may not be read, this still may be allowed. The key itself is the
    first of those that begin with it."""
    page = next(pages(calls, full_key, most=1))
    return next((found for found in page.objects if found.name == full_key), None)


def look(calls: GcsCalls, full_key: str, what: str) -> Resource:
    """One object's resource. :raises LocationError: if it failed, also for want of it."""
    request = Request("GET", calls.object_path(full_key), "read", query={"fields": _FIELDS})

    def attempt() -> Resource:
        return made_of(calls.once(request, what), full_key, what)

    found: Resource = calls.retried(attempt)
    return found


def made_of(answer: Answer, full_key: str, what: str) -> Resource:
    """The resource of an object that an answer has. :raises LocationError: for a login page, or an answer cut short."""
    found = Resource.of(answer.document())
    if found is None or found.name != full_key:
        raise LocationError(_strange(what, "the answer describes no such object", "unknown"))
    return found


def _page(calls: GcsCalls, query: t.Mapping[str, str], what: str) -> Page:
    """One page. What is no listing (a login page, an answer cut short) must not read like an empty one: each listing says
    of which kind it is."""
    request = Request("GET", calls.objects_path(), "list", query=query, of_bucket=True)

    def attempt() -> Page:
        document = calls.once(request, what).document() or {}
        found = _page_of(document) if document.get("kind") == "storage#objects" else None
        if found is None:
            raise LocationError(_strange(what, "the answer is no listing of the bucket", "refused"))
        return found

    page: Page = calls.retried(attempt)
    return page


def _page_of(document: t.Mapping[str, t.Any]) -> Page | None:
    items, folders = document.get("items") or [], document.get("prefixes") or []
    if not isinstance(items, list) or not isinstance(folders, list):
        return None
    objects = [Resource.of(item) for item in items]
    known = [found for found in objects if found is not None]
    if len(known) < len(objects):
        return None
    return Page(known, [str(folder) for folder in folders], str(document.get("nextPageToken") or ""))


def _strange(what: str, reason: str, doubt: t.Literal["refused", "unknown"]) -> Failure:
    hint = "Check that the endpoint is Google's JSON API, and proxies on the way."
    return Failure("store_error", f"{what}: {reason}.", hint, transient=True, doubt=doubt)
