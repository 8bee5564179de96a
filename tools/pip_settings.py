# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""pip's settings as a file. ansible-test hands few environment variables on, and runs here with a home directory of its own."""

from __future__ import annotations

import configparser
import io
from collections.abc import Mapping
from pathlib import Path

# Where the certificate authorities may be named, the first that is set wins.
AUTHORITIES = ("PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
# Settings of one command, or of no use in a file.
LEFT_OUT = ("PIP_CONFIG_FILE", "PIP_TARGET", "PIP_PREFIX", "PIP_USER", "PIP_REQUIRE_VIRTUALENV", "PIP_FIND_LINKS")


def _user_files(environ: Mapping[str, str]) -> list[Path]:
    """Files that pip would read for this user, those that win last."""
    home = Path(environ.get("HOME") or "/nonexistent")
    configuration = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    files = [home / ".pip" / "pip.conf", configuration / "pip" / "pip.conf"]
    if environ.get("PIP_CONFIG_FILE"):
        files.append(Path(environ["PIP_CONFIG_FILE"]))
    return files


def as_file(environ: Mapping[str, str]) -> str:
    """The text of a pip.conf that says what the user's files and the environment say."""
    settings = configparser.RawConfigParser()
    settings.read([file for file in _user_files(environ) if file.is_file()], encoding="utf-8")
    if not settings.has_section("global"):
        settings.add_section("global")
    for name, value in environ.items():
        if name.startswith("PIP_") and name not in LEFT_OUT:
            settings.set("global", name.removeprefix("PIP_").lower().replace("_", "-"), value)
    authority = next((environ[name] for name in AUTHORITIES if environ.get(name)), None)
    if authority and not settings.has_option("global", "cert"):
        settings.set("global", "cert", authority)
    text = io.StringIO()
    settings.write(text)
    return text.getvalue()
