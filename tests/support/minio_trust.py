# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trust in a bucket of a MinIO, for tests of it."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

from support import modules
from support.aws import document
from testbed import MinIO

PREFIX = "fleet"
Tree = dict[str, Any]


class World:
    """A bucket, and trust in it."""

    def __init__(self, store: MinIO, path: Path) -> None:
        self.store = store
        self.path = path
        self.bucket = store.create_bucket(f"trust-{uuid.uuid4().hex[:12]}", versioning=True)
        self.name = f"stowage-{uuid.uuid4().hex[:8]}"
        self.admin = store.admin()
        self.where: Tree = {
            "provider": "minio",
            "endpoint": store.endpoint,
            "bucket": self.bucket,
            "prefix": PREFIX,
            "ca_cert": str(store.ca_cert),
        }

    @property
    def secret_path(self) -> Path:
        return self.path / f"{self.name}.json"

    def run(self, *, check: bool = False, **options: Any) -> Tree:
        """What the module returns; no secret is in it."""
        account = {"access_key": self.store.access_key, "secret_key": self.store.secret_key}
        args = {
            "name": self.name,
            "location": self.where,
            "clusters": None if options.get("permissions") == "coordinator" else ["prod-1"],
            "secret_path": str(self.secret_path),
            "location_account": account,
            "verify_timeout": 0,
            **options,
        }
        try:
            found = modules.run("minio_trust", args, check=check, diff=True)
        except modules.Failed as failed:
            found = failed.result
        shown = json.dumps(found)
        assert self.store.secret_key not in shown
        if self.secret_path.is_file():
            assert self.keys()["secret_key"] not in shown
        return found

    def present(self, **options: Any) -> Tree:
        """The trust, after it was made."""
        found = self.run(**options)
        assert not found.get("failed"), found
        trust: Tree = found["trust"]
        return trust

    def keys(self) -> dict[str, str]:
        found: dict[str, str] = json.loads(self.secret_path.read_text(encoding="ascii"))
        return found

    def location(self) -> Tree:
        """The location through the trust."""
        return {**self.where, "auth": {"method": "access_key", **self.keys()}}

    def add_policy(self, *statements: Tree) -> str:
        """A policy that somebody else made."""
        name = f"foreign-{uuid.uuid4().hex[:8]}"
        self.admin.policy_add(name, policy=json.loads(document(*statements)))
        return name


def verdicts(trust: Tree) -> dict[str, str]:
    return {line["id"]: line["verdict"] for line in trust["checks"]}


def changes(trust: Tree) -> list[tuple[str, bool, bool]]:
    """The kinds of what is changed, and whether each was there and will be."""
    return [(one["what"], one["before"] is not None, one["after"] is not None) for one in trust["changes"]]
