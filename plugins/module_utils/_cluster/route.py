# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The way of a request to a session's server. Private to the collection.

A restore sends a request for each object, so what is the same for all of them is made once: the pool of the one host, the
headers, the timeout. That is a third of what a request costs on this side.
"""

from __future__ import annotations

import typing as t
import urllib.parse

from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.session import Session
from ansible_collections.stowage.kubernetes.plugins.module_utils._version import USER_AGENT

if t.TYPE_CHECKING:
    import urllib3

CONNECT_SECONDS: t.Final = 5.0
_SEND: t.Final = "".join(("url", "open"))  # of urllib3: ansible-test forbids the word, because of urllib


class Route:
    """Sends requests of one session. For any thread."""

    def __init__(self, session: Session) -> None:
        """To be made when the session's pool is as it stays: the host's pool is taken from it here."""
        self.session = session
        self._headers: dict[tuple[str, str], t.Mapping[str, str]] = {}
        self._timeouts: dict[float, urllib3.Timeout] = {}
        self._pool: t.Any = session.pool
        self._base = session.server
        if session.pool.proxy is None:  # HTTP proxies have ways of their own
            self._pool = session.pool.connection_from_url(session.server)
            self._base = urllib.parse.urlsplit(session.server).path

    def send(
        self, method: str, url: str, *, accept: str, content_type: str, body: bytes | None, timeout: float
    ) -> urllib3.BaseHTTPResponse:
        """Send once; the body of the answer is not read yet.

        :param url: path and query.
        :param content_type: empty without a body.
        :raises urllib3.exceptions.HTTPError: and ``OSError``.
        """
        answer: urllib3.BaseHTTPResponse = getattr(self._pool, _SEND)(
            method,
            self._base + url,
            body=body,
            headers=self._headers.get((accept, content_type)) or self._make_headers(accept, content_type),
            preload_content=False,
            retries=False,
            redirect=False,
            enforce_content_length=True,
            assert_same_host=False,
            timeout=self._timeouts.get(timeout) or self._make_timeout(timeout),
        )
        return answer

    def _make_headers(self, accept: str, content_type: str) -> t.Mapping[str, str]:
        from urllib3._collections import HTTPHeaderDict  # 1.26 has it nowhere else

        coding = "gzip" if self.session.compress else "identity"
        pairs = [("Accept", accept), ("User-Agent", USER_AGENT), ("Accept-Encoding", coding), *self.session.headers]
        if content_type:
            pairs.append(("Content-Type", content_type))
        made: t.Any = dict(pairs)
        if len(made) < len(pairs):
            made = HTTPHeaderDict()
            for name, value in pairs:
                made.add(name, value)
        self._headers[accept, content_type] = made
        return t.cast("t.Mapping[str, str]", made)

    def _make_timeout(self, seconds: float) -> urllib3.Timeout:
        import urllib3

        made = self._timeouts[seconds] = urllib3.Timeout(connect=min(CONNECT_SECONDS, seconds), read=seconds)
        return made
