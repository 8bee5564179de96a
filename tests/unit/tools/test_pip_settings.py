# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""pip under ansible-test gets the same index and authorities as pip elsewhere."""

from __future__ import annotations

import configparser
from pathlib import Path

from tools import pip_settings


def _settings(environ: dict[str, str]) -> dict[str, str]:
    parsed = configparser.RawConfigParser()
    parsed.read_string(pip_settings.as_file(environ))
    return dict(parsed["global"])


def test_variables_become_settings() -> None:
    environ = {
        "PIP_INDEX_URL": "https://pypi.example.com/simple",
        "PIP_DEFAULT_TIMEOUT": "60",
        "PIP_TARGET": "/elsewhere",
    }
    assert _settings(environ) == {"index-url": "https://pypi.example.com/simple", "default-timeout": "60"}


def test_the_users_file_is_kept_and_variables_win(tmp_path: Path) -> None:
    file = tmp_path / ".config" / "pip" / "pip.conf"
    file.parent.mkdir(parents=True)
    file.write_text("[global]\nindex-url = https://a.example.com/simple\ntimeout = 5\n", encoding="utf-8")
    environ = {"HOME": str(tmp_path), "PIP_TIMEOUT": "9"}
    assert _settings(environ) == {"index-url": "https://a.example.com/simple", "timeout": "9"}


def test_authorities_of_other_programs_are_used_where_pip_has_none() -> None:
    assert _settings({"REQUESTS_CA_BUNDLE": "/a.pem", "SSL_CERT_FILE": "/b.pem"}) == {"cert": "/a.pem"}
    assert _settings({"PIP_CERT": "/c.pem", "REQUESTS_CA_BUNDLE": "/a.pem"}) == {"cert": "/c.pem"}


def test_percent_signs_are_kept() -> None:
    assert (
        _settings({"PIP_INDEX_URL": "https://user:a%40b@example.com/"})["index-url"]
        == "https://user:a%40b@example.com/"
    )
