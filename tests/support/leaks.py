# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Finds canaries, as they are or inside of base64, in output and files."""

from __future__ import annotations

import base64
import gzip
import typing as t
from pathlib import Path


def encodings(canary: str) -> list[bytes]:
    """A canary as text, and as it looks inside of base64, wherever in it it begins."""
    found = [canary.encode()]
    for offset in range(3):
        encoded = base64.b64encode(b"x" * offset + canary.encode())
        found.append(encoded[(4 if offset else 0) : len(encoded) // 4 * 4 - 4])
    return found


def leaks(contents: t.Iterable[tuple[str, bytes]], canaries: t.Iterable[str]) -> list[str]:
    """Where canaries are found."""
    looked_for = [(canary, form) for canary in canaries for form in encodings(canary)]
    return [f"{canary} in {name}" for name, content in contents for canary, form in looked_for if form in content]


def files(folder: Path) -> t.Iterator[tuple[str, bytes]]:
    """All files below a folder, those in gzip unpacked as well."""
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
            yield str(path), content
            if content.startswith(b"\x1f\x8b"):
                yield f"{path} (unpacked)", gzip.decompress(content)
