# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What AWS says outside of a bucket about how it is guarded: its account, and the key that it encrypts with. Private to the
collection."""

from __future__ import annotations

import contextlib
import dataclasses
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.keys import Keys
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import Failure
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.readings import Reading, Value, state_of
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_errors import classify
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_identity import aws_client
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_settings import (
    EncryptionKey,
    PublicAccessBlock,
    parse_public_access_block,
)


@dataclasses.dataclass(frozen=True)
class Asker:
    """Asks services of AWS beside S3; nothing raises for what they answer.

    :param region: where to ask, unless a key names another.
    :param endpoint: of the service; empty for AWS's own.
    """

    keys: Keys
    region: str
    verify: str | None = None
    endpoint: str = ""

    def account_block(self, account: str) -> Reading[PublicAccessBlock]:
        """The public access block of an account, which has to be the caller's."""

        def ask(client: t.Any) -> PublicAccessBlock | None:
            return parse_public_access_block(client.get_public_access_block(AccountId=account))

        what = f"Reading the public access block of the account {account}"
        return self._read("s3control", self.region, what, ask, "NoSuchPublicAccessBlockConfiguration")

    def key(self, name: str) -> Reading[EncryptionKey]:
        """A key, by its id or ARN; ``unset`` if there is none of the name."""

        def ask(client: t.Any) -> EncryptionKey | None:
            found = client.describe_key(KeyId=name).get("KeyMetadata") or {}
            state = str(found.get("KeyState") or "")
            return (
                EncryptionKey(state, found.get("Enabled") is True, found.get("KeyManager") == "AWS") if state else None
            )

        return self._read(
            "kms", key_region(name) or self.region, "Looking at the encryption key", ask, "NotFoundException"
        )

    def _read(
        self, service: str, region: str, what: str, ask: t.Callable[[t.Any], Value | None], absent: str
    ) -> Reading[Value]:
        """:param absent: the error code that means that there is none."""
        try:
            with contextlib.closing(aws_client(service, self.keys, region, self.endpoint, self.verify)) as client:
                value = ask(client)
        except Exception as error:  # noqa: BLE001 - whatever botocore raises becomes an error of ours
            failure = classify(error, what, region=region)
            if failure.store_code == absent:
                return Reading("unset")
            return Reading(state_of(failure), failure=failure)
        if value is None:
            return Reading("unknown", failure=Failure("store_error", f"{what}: the answer says nothing.", ""))
        return Reading("set", value)


def key_region(name: str) -> str:
    """The region that a key's ARN names; empty for other names. Pure."""
    parts = name.split(":")
    return parts[3] if len(parts) >= 6 and parts[0] == "arn" and parts[2] == "kms" else ""
