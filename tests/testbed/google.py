# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server of the testbed's own that stands for Google: Cloud Storage's JSON API as far as a location uses it, and the services
that give access tokens (`testbed.google_tokens`).

No emulator that is to be had asks for a token, refuses what a permission is missing for, or knows a cancelled or broken
resumable upload. The sources of its answers:

* requests and resources: https://cloud.google.com/storage/docs/json_api/v1;
* errors: https://cloud.google.com/storage/docs/json_api/v1/status-codes;
* permissions: https://cloud.google.com/storage/docs/json_api/v1/buckets/testIamPermissions, and which request wants which:
  https://cloud.google.com/storage/docs/access-control/iam-json; to who has no credentials, 401 and not 403:
  https://cloud.google.com/storage/docs/json_api/v1/status-codes#401-unauthorized;
* conditions: https://cloud.google.com/storage/docs/request-preconditions;
* plain HTTP, which the JSON API never takes ("sslRequired", see errors) and the XML API does unless an organization forbids it:
  https://cloud.google.com/storage/docs/org-policy-constraints. What that answers is told nowhere; the shape is that of other constraints
  (https://github.com/googleapis/java-storage/issues/1240), in XML: https://cloud.google.com/storage/docs/xml-api/reference-status;
* resumable uploads (308 and Range, 499 for a cancelled one, units of 256 KiB):
  https://cloud.google.com/storage/docs/performing-resumable-uploads and .../resumable-uploads.
"""

from __future__ import annotations

import http.server
import json
import re
import socket
import ssl
import threading
import urllib.parse
import xml.sax.saxutils
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testbed import google_buckets
from testbed.google_clusters import GoogleClusters
from testbed.google_iam import Iam, Wrong
from testbed.google_objects import BLOCK, UNIT, Bucket, Objects, Refused, Session, Stored, no_condition
from testbed.google_tokens import POOL, TokenAnswer, Tokens
from testbed.pki import Authority

LONGEST_BODY = 64 << 20
_XML = "<?xml version='1.0' encoding='UTF-8'?>"
_HANDSHAKE = b"\x16"
_RANGE = re.compile(r"bytes (?:\*|(\d+)-(\d+))/(?:\*|(\d+))")


@dataclass
class Reply:
    """An answer."""

    status: int
    body: bytes = b""
    content_type: str = "application/json; charset=UTF-8"
    headers: dict[str, str] | None = None
    file: tuple[Path, int, int] | None = None
    """Instead of a body: a file, where in it to begin, and how much to send."""


class GoogleServer:
    """The server. `endpoint` is its URL, `ca_cert` the file of its CA.

    `denied` are permissions that nobody has; `seen` are methods and targets of requests to the store. Without `tls` it
    stands behind something that has TLS. `conditional` are permissions that are granted for objects only, so that asking for
    them on the bucket (testIamPermissions) finds none; `says_permissions` whether that is answered at all, `says` what it
    answers if not the truth. With `hides` an object's absence is hidden from who may not list, as an absent object is of
    no other look than a forbidden one ("or it may not exist"). Buckets that `iam` guards have policies instead of all these.

    `tls_only` is the organization's constraint, and `plain` what is asked over plain HTTP: the target, and whether with a token. What
    `stopped` fits, as method and target, does not get there: something on the way answers with a bare 403.
    """

    def __init__(self, directory: Path, *, tls: bool = True, conditions: bool = True) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.tokens = Tokens()
        self.objects = Objects(directory / "objects", conditions=conditions)
        self.iam = Iam(self)
        self.clusters = GoogleClusters(self)
        self.denied: set[str] = set()
        self.conditional: set[str] = set()
        self.says_permissions = True
        self.says: set[str] | None = None
        self.hides = False
        self.seen: list[tuple[str, str]] = []
        self.tls_only = True
        self.plain: list[tuple[str, bool]] = []
        self.stopped: re.Pattern[str] | None = None
        authority = Authority(directory / "pki", "ca")
        self.ca_cert = authority.pair.certificate
        self.pair = authority.server("google")
        owner = self

        class Handler(_Handler):
            server_side = owner

        self._server = _Server(("127.0.0.1", 0), Handler)
        if tls:
            self._server.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._server.context.load_cert_chain(self.pair.certificate, self.pair.key)
        self.endpoint = f"{'https' if tls else 'http'}://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, name="google", daemon=True).start()

    def stop(self) -> None:
        """Ends it."""
        self._server.shutdown()
        self._server.server_close()

    def create_bucket(self, name: str, *, versioning: bool = False, **settings: Any) -> str:
        """Makes a bucket; returns its name. `settings` are fields of its resource."""
        self.objects.buckets[name] = Bucket(name, versioning, settings)
        return name

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        """The names of a bucket's objects."""
        return self.objects.names(bucket, prefix)

    def read(self, bucket: str, name: str) -> bytes:
        """The content of an object."""
        return self.objects.get(bucket, name).path.read_bytes()

    def write(self, bucket: str, name: str, content: bytes) -> None:
        """Writes an object as somebody else would."""
        path = self.objects.new_path()
        path.write_bytes(content)
        self.objects.put(bucket, {"name": name}, path, {})

    def uploads(self, bucket: str) -> list[str]:
        """The names of objects whose uploads were begun and neither finished nor cancelled."""
        del bucket
        return self.objects.open_uploads()

    def auth(self) -> dict[str, Any]:
        """A location's `auth` with a key of a service account."""
        return {
            "method": "service_account_key",
            "credentials_json": json.dumps(self.tokens.key_document(self.endpoint)),
        }


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    context: ssl.SSLContext | None = None

    def finish_request(self, request: Any, client_address: Any) -> None:
        """With or without TLS, as the client begins."""
        if self.context is None or request.recv(1, socket.MSG_PEEK) != _HANDSHAKE:
            super().finish_request(request, client_address)
            return
        with self.context.wrap_socket(request, server_side=True) as secure:
            super().finish_request(secure, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that ends early ends alone, quietly."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 256 << 10
    server: _Server
    server_side: GoogleServer

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self._answer()

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 - the names that http.server asks for

    def _answer(self) -> None:
        self._left = int(self.headers.get("Content-Length") or 0)
        self._parts = urllib.parse.urlsplit(self.path)
        self._query = dict(urllib.parse.parse_qsl(self._parts.query, keep_blank_values=True))
        server = self.server_side
        try:
            if server.stopped and server.stopped.match(f"{self.command} {self.path}"):
                reply = Reply(403, b"<html><title>Forbidden</title></html>", "text/html")
            elif self.server.context is not None and not isinstance(self.connection, ssl.SSLSocket):
                reply = self._plainly()
            else:
                reply = self._route()
        except Refused as refused:
            reply = _error(refused)
        except Wrong as wrong:
            reply = _json(wrong.document(), wrong.status)
        for _dummy in self._pieces():
            pass
        self._send(reply)

    def _route(self) -> Reply:
        path = self._parts.path
        if self.command == "POST" and path in {"/token", "/v1/token"}:
            return self._token(path)
        if match := re.fullmatch(r"/v1/projects/-/serviceAccounts/([^/:]+):generateAccessToken", path):
            body = json.loads(self._body() or b"{}")
            tokens, email = self.server_side.tokens, urllib.parse.unquote(match[1])
            if email in self.server_side.iam.accounts and not tokens.fail_with:
                return _of(self.server_side.iam.impersonate(tokens.whose(self.headers.get("Authorization", "")), email))
            return _of(tokens.of_impersonation(self.headers.get("Authorization", ""), match[1], body))
        self.server_side.seen.append((self.command, self.path))
        authorization = self.headers.get("Authorization", "")
        self._anonymous = not authorization
        self._caller = self.server_side.tokens.whose(authorization)
        if authorization and self._caller is None:
            raise Refused(401, "authError", "Invalid Credentials")
        if self.server_side.clusters.has(path):
            body = json.loads(self._body() or b"{}")
            return _json(self.server_side.clusters.answer(self._caller, path, body))
        if path.startswith(("/v1/", "/v3/")):
            body = json.loads(self._body() or b"{}")
            path = urllib.parse.unquote(path)
            return _json(self.server_side.iam.answer(self._caller, self.command, path, self._query, body))
        for pattern, methods in _ROUTES:
            match = re.fullmatch(pattern, path)
            if match and self.command in methods:
                names = [urllib.parse.unquote(name) for name in match.groups()]
                return methods[self.command](self, *names)
        raise Refused(404, "notFound", "Not Found")

    def _plainly(self) -> Reply:
        """What is asked over plain HTTP."""
        server, authorization = self.server_side, self.headers.get("Authorization", "")
        server.plain.append((self.path, bool(authorization)))
        match = re.fullmatch(r"/([^/]+)", self._parts.path)
        if match is None or self.command != "GET":
            raise Refused(403, "sslRequired", "SSL is required to perform this operation.")
        if server.tls_only:
            return _xml(412, "ConditionNotMet", "Request violates constraint 'constraints/storage.secureHttpTransport'")
        bucket = urllib.parse.unquote(match[1])
        self._anonymous = not authorization
        self._caller = server.tokens.whose(authorization)
        if not self._has("storage.objects.list", bucket):
            return _xml(403, "AccessDenied", "Anonymous caller does not have storage.objects.list access.")
        found = server.objects.names(bucket, self._query.get("prefix", ""))[: int(self._query.get("max-keys", 1000))]
        contents = "".join(f"<Contents><Key>{xml.sax.saxutils.escape(name)}</Key></Contents>" for name in found)
        document = f"<ListBucketResult xmlns='http://doc.s3.amazonaws.com/2006-03-01'><Name>{bucket}</Name>{contents}</ListBucketResult>"
        return Reply(200, (_XML + document).encode(), "application/xml; charset=UTF-8")

    def _token(self, path: str) -> Reply:
        text, tokens = self._body().decode(), self.server_side.tokens
        form = json.loads(text) if text.startswith("{") else dict(urllib.parse.parse_qsl(text))
        if path == "/v1/token" and form.get("audience") != POOL and not tokens.fail_with:
            return _of(self.server_side.iam.exchange(form))
        return _of(tokens.of_assertion(form) if path == "/token" else tokens.of_subject(form))

    def _has(self, permission: str, bucket: str, name: str = "") -> bool:
        if bucket in self.server_side.iam.buckets:
            listed = self._query.get("prefix", "") if permission == "storage.objects.list" and not name else None
            if self._parts.path.endswith("/iam/testPermissions"):
                listed = None
            return self.server_side.iam.may(self._caller, permission, bucket, name, listed)
        if self._anonymous:
            return permission in self.server_side.objects.bucket(bucket).public
        return permission not in self.server_side.denied

    def _may(self, permission: str, resource: str) -> None:
        bucket, _dummy, name = resource.partition("/")
        if not self._has(permission, bucket, name):
            raise self._denied(permission, resource)

    def _denied(self, permission: str, resource: str) -> Refused:
        who = "Anonymous caller" if self._anonymous else self._caller
        message = (
            f"{who} does not have {permission} access to the Google Cloud Storage object. Permission "
            f"'{permission}' denied on resource '{resource}' (or it may not exist)."
        )
        return Refused(401, "required", message) if self._anonymous else Refused(403, "forbidden", message)

    def _test_permissions(self, bucket: str) -> Reply:
        server = self.server_side
        if not server.says_permissions:
            raise Refused(404, "notFound", "Not Found")
        server.objects.bucket(bucket)
        asked = urllib.parse.parse_qs(self._parts.query).get("permissions", [])
        has = [one for one in asked if self._has(one, bucket) and one not in server.conditional]
        found = has if server.says is None else [one for one in asked if one in server.says]
        document: dict[str, Any] = {"kind": "storage#testIamPermissionsResponse"}
        return _json({**document, "permissions": found} if found else document)

    # objects

    def _list(self, bucket: str) -> Reply:
        self._may("storage.objects.list", bucket)
        objects = self.server_side.objects
        found_more = google_buckets.not_live(objects.bucket(bucket), self._query)
        if found_more is not None:
            return _json(
                {"kind": "storage#objects", "items": found_more} if found_more else {"kind": "storage#objects"}
            )
        prefix, delimiter = self._query.get("prefix", ""), self._query.get("delimiter", "")
        most, after = int(self._query.get("maxResults", 1000)), self._query.get("pageToken", "")
        entries: dict[str, bool] = {}
        for name in objects.names(bucket, prefix):
            head, found, _dummy = name[len(prefix) :].partition(delimiter) if delimiter else (name, "", "")
            entries[prefix + head + delimiter if found else name] = bool(found)
        page = [entry for entry in entries if not after or entry.encode() > after.encode()]
        document: dict[str, Any] = {"kind": "storage#objects"}
        if len(page) > most:
            document["nextPageToken"] = page[most - 1]
        page = page[:most]
        if items := [objects.get(bucket, name).resource() for name in page if not entries[name]]:
            document["items"] = items
        if folders := [name for name in page if entries[name]]:
            document["prefixes"] = folders
        return _json(document)

    def _get(self, bucket: str, name: str) -> Reply:
        self._may("storage.objects.get", f"{bucket}/{name}")
        stored = self._found(bucket, name, "storage.objects.get", self._query.get("generation"))
        wanted = self._query.get("ifGenerationMatch", str(stored.generation))
        if self.server_side.objects.conditions and wanted != str(stored.generation):
            raise no_condition()
        if self._query.get("alt") != "media":
            return _json(stored.resource())
        return self._media(stored)

    def _found(self, bucket: str, name: str, permission: str, generation: str | None = None) -> Stored:
        try:
            return self.server_side.objects.get(bucket, name, generation)
        except Refused as refused:
            hides = self.server_side.hides or bucket in self.server_side.iam.buckets
            if refused.status == 404 and hides and not self._has("storage.objects.list", bucket):
                raise self._denied(permission, f"{bucket}/{name}") from None
            raise

    def _media(self, stored: Stored) -> Reply:
        headers = {"X-Goog-Generation": str(stored.generation), "X-Goog-Hash": f"md5={stored.md5}"}
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not match:
            return Reply(200, b"", "application/octet-stream", headers, (stored.path, 0, stored.size))
        start, end = int(match[1]), min(int(match[2] or stored.size), stored.size - 1)
        if start >= stored.size:
            return Reply(416, b"Request range not satisfiable", "text/html; charset=UTF-8")
        headers["Content-Range"] = f"bytes {start}-{end}/{stored.size}"
        return Reply(206, b"", "application/octet-stream", headers, (stored.path, start, end - start + 1))

    def _delete(self, bucket: str, name: str) -> Reply:
        self._may("storage.objects.delete", f"{bucket}/{name}")
        stored = self._found(bucket, name, "storage.objects.delete")
        wanted = self._query.get("ifGenerationMatch", str(stored.generation))
        if self.server_side.objects.conditions and wanted != str(stored.generation):
            raise no_condition()
        self.server_side.objects.delete(bucket, name)
        return Reply(204)

    def _mark(self, bucket: str, name: str) -> Reply:
        """https://cloud.google.com/storage/docs/json_api/v1/objects/patch, as far as a condition that is not met."""
        for permission in ("storage.objects.get", "storage.objects.update"):
            self._may(permission, f"{bucket}/{name}")
        stored = self._found(bucket, name, "storage.objects.update").resource()
        if self._query.get("ifMetagenerationMatch", stored["metageneration"]) != stored["metageneration"]:
            raise no_condition()
        raise Refused(501, "notImplemented", "Not Implemented")

    def _bucket(self, bucket: str) -> Reply:
        self._may("storage.buckets.get", bucket)
        return _json(self.server_side.objects.bucket(bucket).resource())

    def _policy(self, bucket: str) -> Reply:
        self._may("storage.buckets.getIamPolicy", bucket)
        return _json(self.server_side.iam.bucket_policy(bucket, self._query))

    def _set_policy(self, bucket: str) -> Reply:
        self._may("storage.buckets.setIamPolicy", bucket)
        return _json(self.server_side.iam.set_bucket_policy(bucket, json.loads(self._body())))

    def _hmac_keys(self, project: str) -> Reply:
        iam, email = self.server_side.iam, self._query["serviceAccountEmail"]
        if iam.owners.get(self._caller or "") != project:
            raise self._denied("storage.hmacKeys.list", project)
        keys = iam.hmac_keys.get(email, [])
        items = [{"kind": "storage#hmacKeyMetadata", "accessId": one, "state": "ACTIVE"} for one in keys]
        return _json({"kind": "storage#hmacKeysMetadata", **({"items": items} if items else {})})

    def _make_bucket(self) -> Reply:
        self._may("storage.buckets.create", self._query.get("project", ""))
        return _json(google_buckets.create(self.server_side.objects, self._query, json.loads(self._body())))

    def _change_bucket(self, bucket: str) -> Reply:
        self._may("storage.buckets.update", bucket)
        held = self.server_side.objects.bucket(bucket)
        return _json(google_buckets.patch(held, self._query, json.loads(self._body())))

    def _delete_bucket(self, bucket: str) -> Reply:
        self._may("storage.buckets.delete", bucket)
        google_buckets.delete(self.server_side.objects, bucket, self._query)
        return Reply(204)

    # uploads

    def _upload(self, bucket: str) -> Reply:
        if self._query.get("uploadType") == "resumable":
            document = json.loads(self._body() or b"{}")
            document.setdefault("name", self._query.get("name"))
            self._may("storage.objects.create", f"{bucket}/{document['name']}")
            self.server_side.objects.bucket(bucket)
            upload_id = self.server_side.objects.begin(bucket, document, self._query)
            query = urllib.parse.urlencode({"uploadType": "resumable", "upload_id": upload_id})
            location = f"{self.server_side.endpoint}{self._parts.path}?{query}"
            return Reply(200, headers={"Location": location, "X-GUploader-UploadID": upload_id})
        return self._multipart(bucket)

    def _multipart(self, bucket: str) -> Reply:
        """https://cloud.google.com/storage/docs/uploading-objects#uploading-an-object: two parts, metadata and content."""
        boundary = re.fullmatch(r"multipart/related; *boundary=\"?([^\"]+)\"?", self.headers.get("Content-Type", ""))
        if not boundary or self._query.get("uploadType") != "multipart":
            raise Refused(400, "badContent", "Malformed multipart body.")
        mark = b"--" + boundary[1].encode()
        body = self._body()
        head, _dummy, rest = body.removeprefix(mark + b"\r\n").partition(b"\r\n" + mark + b"\r\n")
        content = rest.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n" + mark + b"--\r\n")
        document = json.loads(head.partition(b"\r\n\r\n")[2])
        self._may("storage.objects.create", f"{bucket}/{document['name']}")
        path = self.server_side.objects.new_path()
        path.write_bytes(content)
        return _json(self.server_side.objects.put(bucket, document, path, self._query).resource())

    def _session(self) -> Session:
        session = self.server_side.objects.sessions.get(self._query.get("upload_id", ""))
        if session is None:
            raise Refused(404, "notFound", "Not Found")
        return session

    def _cancel(self, bucket: str) -> Reply:
        del bucket
        session = self._session()
        with session.lock:
            session.cancelled = True
        return Reply(499)

    def _chunk(self, bucket: str) -> Reply:
        del bucket
        session = self._session()
        span = _RANGE.fullmatch(self.headers.get("Content-Range", ""))
        if span is None:
            raise Refused(400, "badRequest", "Failed to parse Content-Range header.")
        with session.lock:
            if session.cancelled:
                return Reply(499)
            if session.finished:
                return _json(session.finished.resource())
            self._take(session, span)
            if span[3] and session.persisted == int(span[3]):
                md5 = re.search(r"md5=([^,]+)", self.headers.get("X-Goog-Hash", ""))
                stored = self.server_side.objects.finish(session, md5[1] if md5 else "")
                return _json(stored.resource())
            held = {"Range": f"bytes=0-{session.persisted - 1}"} if session.persisted else {}
            return Reply(308, headers=held)

    def _take(self, session: Session, span: re.Match[str]) -> None:
        if span[1] is None:
            return
        size = int(span[2]) - int(span[1]) + 1
        if int(span[1]) != session.persisted or size != self._left:
            raise Refused(400, "badRequest", "Invalid request. According to the Content-Range header, ...")
        if not span[3] and size % UNIT:
            raise Refused(
                400, "badRequest", "Invalid request. The number of bytes uploaded is required to be a multiple."
            )
        self.server_side.objects.append(session, self._pieces(), last=bool(span[3]))

    # the wire

    def _pieces(self) -> Iterator[bytes]:
        while self._left > 0:
            piece = self.rfile.read(min(self._left, UNIT))
            if not piece:
                raise EOFError
            self._left -= len(piece)
            yield piece

    def _body(self) -> bytes:
        if self._left > LONGEST_BODY:
            raise Refused(413, "uploadTooLarge", "Too large.")
        return b"".join(self._pieces())

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        size = reply.file[2] if reply.file else len(reply.body)
        if reply.status != 204:
            self.send_header("Content-Type", reply.content_type)
            self.send_header("Content-Length", str(size))
        for name, value in (reply.headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body)
        if reply.file:
            path, start, left = reply.file
            with path.open("rb") as stream:
                stream.seek(start)
                while left > 0 and (block := stream.read(min(BLOCK, left))):
                    self.wfile.write(block)
                    left -= len(block)


_Method = Callable[..., Reply]
_ROUTES: list[tuple[str, dict[str, _Method]]] = [
    (r"/storage/v1/b", {"POST": _Handler._make_bucket}),
    (
        r"/storage/v1/b/([^/]+)",
        {"GET": _Handler._bucket, "PATCH": _Handler._change_bucket, "DELETE": _Handler._delete_bucket},
    ),
    (r"/storage/v1/b/([^/]+)/iam", {"GET": _Handler._policy, "PUT": _Handler._set_policy}),
    (r"/storage/v1/projects/([^/]+)/hmacKeys", {"GET": _Handler._hmac_keys}),
    (r"/storage/v1/b/([^/]+)/iam/testPermissions", {"GET": _Handler._test_permissions}),
    (r"/storage/v1/b/([^/]+)/o", {"GET": _Handler._list}),
    (r"/storage/v1/b/([^/]+)/o/([^/]+)", {"GET": _Handler._get, "PATCH": _Handler._mark, "DELETE": _Handler._delete}),
    (
        r"/upload/storage/v1/b/([^/]+)/o",
        {"POST": _Handler._upload, "PUT": _Handler._chunk, "DELETE": _Handler._cancel},
    ),
]


def _json(document: dict[str, Any], status: int = 200) -> Reply:
    return Reply(status, json.dumps(document).encode())


def _xml(status: int, code: str, message: str) -> Reply:
    """The XML API's way to say an error."""
    body = f"{_XML}<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return Reply(status, body.encode(), "application/xml; charset=UTF-8")


def _of(answer: TokenAnswer) -> Reply:
    return _json(answer.document, answer.status)


def _error(refused: Refused) -> Reply:
    """The JSON API's way to say an error."""
    entry = {"message": refused.message, "domain": "global", "reason": refused.reason}
    return _json({"error": {"code": refused.status, "message": refused.message, "errors": [entry]}}, refused.status)
