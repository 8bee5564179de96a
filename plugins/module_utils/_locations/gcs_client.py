# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""HTTP for one location in Google Cloud Storage. Private to the collection.

google-auth gives tokens; requests go to the documented JSON API as they are. The client of google-cloud-storage is not
used: it reads error bodies without a bound, does not tell a lost answer from a refusal, and takes endpoints and client
certificates from the environment.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import re
import threading
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.endpoints import is_of, plain_endpoint
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.keys import normal_prefix, printable
from ansible_collections.stowage.kubernetes.plugins.module_utils._version import USER_AGENT

OWN_ENDPOINT: t.Final = "https://storage.googleapis.com"
CONNECT_SECONDS: t.Final = 10
READ_SECONDS: t.Final = 60
POOL_SIZE: t.Final = 16
TOKEN_BYTES: t.Final = 1 << 20
"""More than any answer of a token service has."""
_BUCKET: t.Final = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")


def require_google(who: str = "Locations of provider gcp need") -> None:
    """``dependency_missing`` when google-auth or requests is not there."""
    try:
        import google.auth
        import requests
    except ImportError:
        hint = "Install google-auth>=2.26.1 and requests for the Python that runs the task."
        message = f"{who} the Python packages google-auth and requests."
        raise StowageError("dependency_missing", message, hint) from None
    del google, requests


@dataclasses.dataclass(frozen=True)
class GcsSettings:
    """The options of a location in normal form."""

    bucket: str
    prefix: str
    endpoint: str
    ca_cert: str
    region: str = ""

    @property
    def own_endpoint(self) -> bool:
        """Whether requests go to Google itself."""
        return is_own_endpoint(self.endpoint)

    @classmethod
    def from_options(cls, options: t.Mapping[str, t.Any]) -> GcsSettings:
        """Checks and completes a location's options; ``invalid_option`` for what makes no sense."""
        bucket = str(options.get("bucket") or "")
        if not _BUCKET.fullmatch(bucket):
            hint = "Names of buckets have 3 to 63 lower-case letters, digits, hyphens, underscores and dots."
            raise StowageError("invalid_option", f"{printable(bucket)!r} is no name of a bucket.", hint)
        return cls(
            bucket=bucket,
            prefix=normal_prefix(options.get("prefix")),
            endpoint=_endpoint(str(options.get("endpoint") or OWN_ENDPOINT)),
            ca_cert=str(options.get("ca_cert") or ""),
            region=str(options.get("region") or ""),
        )


def is_own_endpoint(endpoint: str) -> bool:
    """Whether a URL is Google's own, by TLS: the only kind of endpoint that gets credentials of the environment."""
    return is_of(endpoint, ("googleapis.com",))


def _endpoint(text: str) -> str:
    """An endpoint without a trailing slash; only https, host and port are allowed."""
    endpoint = plain_endpoint(text, "https://storage-backups.p.googleapis.com")
    if not endpoint.startswith("https:"):
        message = "A location of provider gcp sends an access token with each request, so its endpoint must be https."
        raise StowageError("invalid_option", message, "Use https://, with ca_cert if the authority is your own.")
    return endpoint


def make_session(verify: str | None) -> t.Any:
    """A session of requests that retries nothing, follows nobody elsewhere, keeps no cookie and reads no .netrc (which
    would replace our tokens). ``verify``: the only certificates to trust, whatever REQUESTS_CA_BUNDLE says."""
    import http.cookiejar

    import requests
    from requests.adapters import HTTPAdapter

    class Adapter(HTTPAdapter):
        """For requests, a bundle of the environment comes before the session's."""

        def cert_verify(self, conn: t.Any, url: t.Any, verify: t.Any, cert: t.Any) -> None:
            super().cert_verify(conn, url, verify if trusted is None else trusted, cert)

        def send(self, request: t.Any, *args: t.Any, **kwargs: t.Any) -> t.Any:
            if trusted is not None:
                kwargs["verify"] = trusted
            return super().send(request, *args, **kwargs)

    def nobody(*_args: object, **_kwargs: object) -> t.Iterator[t.Any]:
        return iter(())

    trusted = verify
    session: t.Any = requests.Session()
    session.resolve_redirects = nobody
    session.mount("https://", Adapter(max_retries=0, pool_maxsize=POOL_SIZE))
    session.mount("http://", HTTPAdapter(max_retries=0))
    session.auth = _as_it_is
    session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
    session.headers.update({"User-Agent": USER_AGENT, "Accept-Encoding": "identity"})
    return session


def _as_it_is(request: t.Any) -> t.Any:
    """Authentication that adds nothing; where there is any, requests does not look into .netrc."""
    return request


@dataclasses.dataclass(frozen=True)
class _TokenAnswer:
    """What google-auth wants to see of an answer."""

    status: int
    headers: t.Any
    data: bytes = dataclasses.field(repr=False)


class TokenRequests:
    """How google-auth sends requests: over the location's session, so that the same certificates are trusted; bounded;
    and with nothing secret over plain HTTP (which a machine's metadata service speaks)."""

    def __init__(self, session: t.Any) -> None:
        self.session = session

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: t.Any = None,
        headers: t.Any = None,
        timeout: t.Any = None,
        **kwargs: t.Any,
    ) -> _TokenAnswer:
        """See :class:`google.auth.transport.Request`."""
        from google.auth import exceptions
        from requests.exceptions import RequestException
        from urllib3.exceptions import HTTPError

        google: t.Any = exceptions
        secret = body or any(name.lower() == "authorization" for name in headers or {})
        if secret and not url.startswith("https://"):
            raise google.TransportError("invalid_request: no secret is sent over plain HTTP")
        wait = timeout or (CONNECT_SECONDS, READ_SECONDS)
        try:
            with self.session.request(
                method, url, data=body, headers=headers, timeout=wait, stream=True, **kwargs
            ) as response:
                return _TokenAnswer(response.status_code, response.headers, read_bounded(response, TOKEN_BYTES))
        except (RequestException, HTTPError) as error:
            raise google.TransportError(error) from error


def read_bounded(response: t.Any, limit: int) -> bytes:
    """At most ``limit`` bytes of an answer's body, as they come: nothing is unpacked, and nothing packed is asked for."""
    pieces: list[bytes] = []
    size = 0
    for piece in response.raw.stream(64 << 10, decode_content=False):
        pieces.append(piece[: limit - size])
        size += len(piece)
        if size >= limit:
            break
    return b"".join(pieces)


class TokenSource:
    """The access token for each request, renewed when it is due. Safe for several threads."""

    def __init__(self, credentials: t.Any, requests: collections.abc.Callable[..., t.Any]) -> None:
        self.credentials = credentials
        self._requests = requests
        self._lock = threading.Lock()

    def headers(self, method: str, url: str) -> dict[str, str]:
        """What authorizes a request. Raises what google-auth raises."""
        found: dict[str, str] = {}
        with self._lock:
            self.credentials.before_request(self._requests, method, url, found)
        return found

    def renew(self, refused: t.Mapping[str, str]) -> None:
        """Gets a new token, unless another thread has got one since the refused headers were made."""
        with self._lock:
            current: dict[str, str] = {}
            self.credentials.apply(current)
            if current.get("authorization") == refused.get("authorization"):
                self.credentials.refresh(self._requests)


class NoTokens(TokenSource):
    """For requests that come from nobody."""

    def __init__(self) -> None:
        super().__init__(None, lambda *_args, **_kwargs: None)

    def headers(self, method: str, url: str) -> dict[str, str]:
        del method, url
        return {}

    def renew(self, refused: t.Mapping[str, str]) -> None:
        """There is nothing to renew."""
