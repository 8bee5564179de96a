# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Breaks off what a connection pool is waiting for. Private to the collection.

A task that is told to stop may be blocked in a read for a minute. Shutting the sockets down wakes every thread.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import typing as t
import weakref

if t.TYPE_CHECKING:
    import urllib3


class Sockets:
    """The connections of the pools that it was told to watch."""

    def __init__(self) -> None:
        self._connections: weakref.WeakSet[t.Any] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._broken = False

    def watch(self, pool: urllib3.PoolManager) -> None:
        """Make the pool open connections that are known here. To be called before its first request."""
        classes = {scheme: self._watched(of) for scheme, of in pool.pool_classes_by_scheme.items()}
        pool.pool_classes_by_scheme = classes

    def break_off(self) -> None:
        """End every open connection, and each one that is opened later at once."""
        with self._lock:
            self._broken = True
            connections = list(self._connections)
        for connection in connections:
            _shut_down(connection)

    def _watched(self, of: t.Any) -> t.Any:
        sockets = self

        class Connection(of.ConnectionCls):  # type: ignore[misc]  # which class it is depends on scheme and proxy
            def connect(self) -> None:
                super().connect()
                sockets._opened(self)

        return type("WatchedPool", (of,), {"ConnectionCls": Connection})

    def _opened(self, connection: t.Any) -> None:
        with self._lock:
            self._connections.add(connection)
            broken = self._broken
        if broken:
            _shut_down(connection)


def _shut_down(connection: t.Any) -> None:
    """By a second descriptor of the same socket: the object itself belongs to the thread that is reading from it."""
    with (
        contextlib.suppress(OSError, AttributeError, ValueError),
        socket.socket(fileno=os.dup(connection.sock.fileno())) as twin,
    ):
        twin.shutdown(socket.SHUT_RDWR)
