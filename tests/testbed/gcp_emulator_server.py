# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts gcp-storage-emulator with what it lacks of Google. Run as a script by a bare Python (`-I -S`); imports nothing of ours.

    gcp_emulator_server.py PACKAGES PORT CERTIFICATE KEY

PACKAGES is the directory that the emulator is installed in. What is changed of gcp-storage-emulator 2026.7.19 (any other version
is refused):

- It speaks TLS, for no token goes over plain HTTP. Requests are answered one at a time, as its own server does.
- It does not write down all objects again with each change: what it holds is in memory, and gone with it.
- Answers with an object's content have the header `X-Goog-Generation`, as Google documents it (under "HTTP headers and query
  string parameters for the XML API" and in the answers of its JSON API): nothing else tells whether two of them are of one object.
"""

from __future__ import annotations

import functools
import http.server
import importlib
import importlib.metadata
import logging
import ssl
import sys
from typing import Any

VERSION = "2026.7.19"


def repair_downloads() -> None:
    """An object's content comes with its generation. To be called before the server's routes are made."""
    objects: Any = importlib.import_module("gcp_storage_emulator.handlers.objects")
    original = objects.download

    def download(request: Any, response: Any, storage: Any, *more: Any, **named: Any) -> None:
        original(request, response, storage, *more, **named)
        if response.status < 300:
            held = storage.get_file_obj(request.params["bucket_name"], request.params["object_id"])
            response["X-Goog-Generation"] = held["generation"]

    objects.download = download


def main() -> None:
    """Serves until it is ended."""
    packages, port, certificate, key = sys.argv[1:]
    sys.path.insert(0, packages)
    found = importlib.metadata.version("gcp-storage-emulator")
    if found != VERSION:
        sys.exit(f"gcp-storage-emulator {found} is not {VERSION}, which is what is changed here")
    repair_downloads()
    emulator: Any = importlib.import_module("gcp_storage_emulator.server")
    storage: Any = importlib.import_module("gcp_storage_emulator.storage")
    logging.basicConfig(level=logging.WARNING)
    storage.Storage._write_config_to_file = lambda _self: None
    handler = functools.partial(emulator.RequestHandler, storage.Storage(use_memory_fs=True))
    server = http.server.HTTPServer(("127.0.0.1", int(port)), handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    # The handshake is left to the first read: until then nothing of a connection can fail outside of its request.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.serve_forever()


if __name__ == "__main__":
    main()
