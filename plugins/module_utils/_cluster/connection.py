# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests to an API server, as bytes. Private to the collection.

One :class:`Connection` serves all threads of a task. Answers are asked for in gzip unless the server is this machine or
the kubeconfig says ``disable-compression``: as every Go client does, for API servers compress only answers above 128 KiB,
and the network is the slower part everywhere but on loopback, where compression makes a LIST several times slower.
"""

from __future__ import annotations

import dataclasses
import json
import random
import threading
import time
import typing as t
import urllib.parse

from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster import kubeconfig, transport
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.access import ClusterAccess
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.referenced import (
    SecretReference,
    kubeconfig_of,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.route import Route
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.session import Session, open_session
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.sockets import Sockets
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.status import (
    ApiStatusError,
    Cause,
    answer_error,
    status_error,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._progress import Progress

if t.TYPE_CHECKING:
    import urllib3

__all__ = ["ApiStatusError", "Cause", "Connection", "PageTooLarge", "Response"]

Query = t.Sequence[tuple[str, str]]
Issued = tuple[t.Mapping[str, t.Any], t.AbstractSet[str]]
"""A kubeconfig, and what must never be shown besides the secrets in it."""
Issue = t.Callable[[], Issued]

_RETRY_SECONDS: t.Final = 30.0
# Nothing was ever answered: more likely a wrong address than a server that restarts.
_FIRST_RETRY_SECONDS: t.Final = 10.0
_LONGEST_PAUSE: t.Final = 10.0
_TRANSIENT: t.Final = frozenset({429, 500, 502, 503, 504})
# A Status with 500 is an answer about this request (a webhook that cannot be called): a few tries, not half a minute.
_TRIES_OF_500: t.Final = 3
# An answer may trickle, but not for ever: this many times the longest silence.
_TRICKLE: t.Final = 10
_now = time.monotonic  # replaced in tests, which do not wait
_CHUNK: t.Final = 1 << 20
_LARGEST_ERROR: t.Final = 1 << 20


class PageTooLarge(Exception):  # noqa: N818 (no failure: a question to be asked again in smaller parts)
    """The answer has more than ``max_bytes``; reading was given up."""

    def __init__(self, size: int) -> None:
        super().__init__(f"more than {size} bytes")
        self.size = size


@dataclasses.dataclass(frozen=True, slots=True)
class Response:
    """A successful answer (status below 300)."""

    status: int
    headers: t.Mapping[str, str]
    body: bytes

    def json(self) -> t.Any:
        """The body as Python objects."""
        return json.loads(self.body)


class Connection:
    """A way to one API server for one task. Make it with :meth:`open`; all methods may be called from any thread."""

    def __init__(
        self,
        access: ClusterAccess,
        session: Session,
        pool_size: int,
        progress: Progress,
        sockets: Sockets,
        *,
        issue: Issue | None = None,
    ) -> None:
        self.server = session.server
        """Base URL; holds no credential."""
        self._access, self._issue = access, issue
        self._session, self._route = session, Route(session)
        self._pool_size = pool_size
        self._progress = progress
        self._sockets = sockets
        self._secrets = access.secrets | session.secrets
        self._lock = threading.Lock()
        self._answered = False
        self._requests = 0

    @classmethod
    def open(
        cls,
        access: ClusterAccess,
        *,
        pool_size: int = 16,
        progress: Progress | None = None,
        issue: Issue | None = None,
    ) -> Connection:
        """Load configuration and credential. The API server is not contacted, but that of a management cluster is, if the
        kubeconfig lies there.

        :param pool_size: how many requests can be under way; more wait.
        :param progress: asked before each request whether to stop; a stop also breaks off requests under way.
        :param issue: gives the kubeconfig, where a cloud does; called again for each credential.
        :raises StowageError: ``cluster_access_invalid``, ``dependency_missing``; with a management cluster, all that
            :meth:`request` raises; what ``issue`` raises.
        """
        progress = progress or Progress()
        sockets = Sockets()
        session = _session(access, pool_size, progress, issue)
        sockets.watch(session.pool)
        progress.on_stop(sockets.break_off)
        return cls(access, session, pool_size, progress, sockets, issue=issue)

    @property
    def secrets(self) -> frozenset[str]:
        """Every secret value known so far: the options' and what was loaded. Grows when a credential is loaded again."""
        with self._lock:
            return self._secrets

    @property
    def requests(self) -> int:
        """How many requests were sent so far, repeated ones included."""
        return self._requests

    @property
    def progress(self) -> Progress:
        """What was given to :meth:`open`, or quiet progress."""
        return self._progress

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Query = (),
        body: bytes | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        timeout: float = 60.0,
        retry: bool = True,
        max_bytes: int | None = None,
    ) -> Response:
        """Send a request and read the answer whole.

        :param path: begins with ``/``; already percent-encoded.
        :param timeout: seconds of silence after which the connection counts as lost; ten times that for the whole answer.
        :param retry: try again after 429, 500, 502, 503, 504 and lost connections, for at most 30 s. After a lost
            connection a POST may have been carried out, and its repetition may meet 409: the caller has to expect that.
        :param max_bytes: give up reading at this size of the (decompressed) body.
        :raises ApiStatusError: the server answered with an error.
        :raises PageTooLarge: see ``max_bytes``.
        :raises StowageError: ``cluster_unreachable``, ``cluster_tls_untrusted``, ``cluster_unauthorized``, ``interrupted``.
        """
        url = f"{path}?{urllib.parse.urlencode(query)}" if query else path
        sender = _Sender(
            self._progress,
            method=method,
            path=path,
            url=url,
            body=body,
            content_type=content_type,
            accept=accept,
            timeout=timeout,
            max_bytes=max_bytes,
        )
        pauses = _Pauses(self._progress)
        reloaded = False
        while True:
            self._progress.check()
            route = self._route
            with self._lock:
                self._requests += 1
            try:
                response = sender.send(route)
            except ApiStatusError as error:
                self._answered = True
                if error.status == 401 and not reloaded and self._reload(route.session):
                    reloaded = True
                elif not (retry and _is_transient(error)):
                    raise
                else:
                    tries = _TRIES_OF_500 if error.status == 500 else None
                    pauses.after(error, _RETRY_SECONDS, wanted=error.retry_after, tries=tries)
            except transport.TransportError as failure:
                self._progress.check()
                if not (retry and failure.transient):
                    raise failure.error from None
                pauses.after(failure.error, _RETRY_SECONDS if self._answered else _FIRST_RETRY_SECONDS)
            else:
                self._answered = True
                return response

    def get_json(self, path: str, query: Query = ()) -> t.Any:
        """GET, as Python objects. For small answers; errors as in :meth:`request`."""
        response = self.request("GET", path, query=query)
        try:
            return response.json()
        except ValueError:
            raise answer_error("GET", path, response.status, response.headers, "not JSON") from None

    def close(self) -> None:
        """Close idle connections."""
        self._session.pool.clear()

    def _reload(self, used: Session) -> bool:
        """Load the credential again, unless another thread did so meanwhile; whether it is another one now.

        :raises StowageError: ``cluster_access_invalid``, also when the credential is another cluster's by now: somebody
            changed the kubeconfig, and what was begun must not go on there.
        """
        with self._lock:
            if self._session is not used:
                return True
            access = self._access
            if access.secret is None and self._issue is None:
                access = dataclasses.replace(access, context=used.context or None)
            session = _session(access, self._pool_size, self._progress, self._issue)
            self._secrets |= session.secrets
            if (session.server, session.trust) != (used.server, used.trust):
                raise StowageError(
                    "cluster_access_invalid",
                    f"The credential for {used.server} has ended, and what was loaded again is for another cluster.",
                    "Somebody changed the kubeconfig while the task ran. Name the context, and run it again.",
                )
            if session.digest == used.digest:
                return False
            self._sockets.watch(session.pool)
            self._session, self._route = session, Route(session)
            return True


def _session(access: ClusterAccess, pool_size: int, progress: Progress, issue: Issue | None) -> Session:
    """A session with the cluster; its kubeconfig is got first, if a management cluster or a cloud has it."""
    if access.secret is not None:
        document, hidden = _from_secret(access, access.secret, progress)
        access = ClusterAccess(kubeconfig=document, commands=False)
    elif issue is not None:
        document, hidden = issue()
        access = dataclasses.replace(access, kubeconfig=document, commands=False)
    else:
        return open_session(access, pool_size)
    session = open_session(access, pool_size)
    return dataclasses.replace(session, secrets=session.secrets | hidden | kubeconfig.secrets(document))


def _from_secret(access: ClusterAccess, secret: SecretReference, progress: Progress) -> Issued:
    keeper = Connection.open(dataclasses.replace(access, secret=None), pool_size=1, progress=progress)
    try:
        return kubeconfig_of(_read_secret(keeper, secret), secret), keeper.secrets
    finally:
        keeper.close()


def _read_secret(keeper: Connection, secret: SecretReference) -> t.Any:
    try:
        return keeper.get_json(secret.path)
    except ApiStatusError as error:
        if error.status != 404:
            raise
        raise kubeconfig.invalid(
            f"The management cluster has no Secret {secret}.",
            "The Cluster API makes it when the cluster's control plane is there. Has the cluster been deleted?",
        ) from None


class _Sender:
    """One request, to be sent as often as it takes."""

    def __init__(
        self,
        progress: Progress,
        *,
        method: str,
        path: str,
        url: str,
        body: bytes | None,
        content_type: str,
        accept: str,
        timeout: float,
        max_bytes: int | None,
    ) -> None:
        self._progress = progress
        self._method, self._path, self._url, self._body = method, path, url, body
        self._accept, self._content_type = accept, content_type if body is not None else ""
        self._timeout, self._max_bytes = timeout, max_bytes

    def send(self, route: Route) -> Response:
        """Send once and read the answer.

        :raises ApiStatusError: for a status of 300 or more.
        :raises transport.TransportError: without an answer.
        """
        import urllib3

        deadline = _now() + _TRICKLE * self._timeout
        server = route.session.server
        try:
            answer = route.send(
                self._method,
                self._url,
                accept=self._accept,
                content_type=self._content_type,
                body=self._body,
                timeout=self._timeout,
            )
            if answer.status >= 300:
                content = self._read(answer, _LARGEST_ERROR, server, deadline)
                raise status_error(self._method, self._path, answer.status, answer.headers, content)
            content = self._read(answer, self._max_bytes, server, deadline)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise transport.describe(error, server) from None
        return Response(answer.status, answer.headers, content)

    def _read(self, answer: urllib3.BaseHTTPResponse, limit: int | None, server: str, deadline: float) -> bytes:
        """The body. A connection whose body was read to its end goes back to the pool, any other is closed."""
        if limit is None and _is_small(answer):
            whole: bytes = answer.read()
            answer.release_conn()
            return whole
        parts: list[bytes] = []
        size = 0
        try:
            for part in answer.stream(_CHUNK, decode_content=True):
                size += len(part)
                if limit is not None and size > limit:
                    raise PageTooLarge(limit)
                if _now() > deadline:
                    raise transport.too_slow(server, _TRICKLE * self._timeout)
                if self._progress.stopped.is_set():
                    self._progress.check()
                parts.append(part)
        except BaseException:
            answer.close()
            raise
        answer.release_conn()
        return b"".join(parts)


def _is_small(answer: urllib3.BaseHTTPResponse) -> bool:
    """Whether an answer comes in one piece, as it stands: most do."""
    headers = answer.headers
    length = headers.get("content-length", "")
    return length.isdecimal() and int(length) <= _CHUNK and "content-encoding" not in headers


class _Pauses:
    """Waits between tries: exponential with jitter, or as long as the server asks; bounded in sum."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._began: float | None = None
        self._count = 0

    def after(
        self, error: StowageError, budget: float, *, wanted: float | None = None, tries: int | None = None
    ) -> None:
        """Wait before the next try.

        :param budget: seconds from the first failure on within which the last try must begin.
        :param wanted: seconds that the server asks for; more than ten are not granted.
        :param tries: how many tries there are; ``None`` leaves it to the time.
        :raises StowageError: ``error``, when there shall be no other try; ``interrupted``.
        """
        now = _now()
        self._began = now if self._began is None else self._began
        self._count += 1
        rest = self._began + budget - now
        if wanted is None:
            pause = min(rest, random.uniform(0.5, 1.0) * min(_LONGEST_PAUSE, 0.25 * 2 ** min(self._count, 8)))  # noqa: S311 (load)
        else:
            pause = min(_LONGEST_PAUSE, wanted) + random.uniform(0.0, 0.25)  # noqa: S311
        if rest <= 0 or pause > rest or (tries is not None and self._count >= tries):
            raise error
        self._progress.stopped.wait(pause)
        self._progress.check()


def _is_transient(error: ApiStatusError) -> bool:
    """Whether the same request may well succeed soon. A revision that a store has not reached yet is the lister's affair."""
    return error.status in _TRANSIENT and not error.has_cause("ResourceVersionTooLarge")
