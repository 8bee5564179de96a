# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What AWS is asked outside of a bucket, by botocore's own description of the services: nothing is sent."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.stub import Stubber

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import s3_account, s3_probe
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.keys import Keys
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.prober import Aim
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.readings import Reading
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.report import Check, Verdict
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_account import Asker, key_region
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_client import S3Settings
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_identity import aws_client
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_settings import (
    EncryptionKey,
    PublicAccessBlock,
)

ACCOUNT = "111122223333"
KEY = f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
ASKER = Asker(Keys("AKIAEXAMPLE", "secret"), "eu-west-1")


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What each operation is answered with: an answer, or an error's code. `asked` has where it was asked."""
    told: dict[str, Any] = {"asked": []}

    def stubbed(service: str, keys: Keys, region: str, endpoint: str, verify: str | None) -> Any:
        client = aws_client(service, keys, region, endpoint, verify)
        told["asked"].append((service, region, client.meta.endpoint_url))
        stub = Stubber(client)
        operation = {"s3control": "get_public_access_block", "kms": "describe_key"}[service]
        if isinstance(told[operation], str):
            stub.add_client_error(operation, told[operation], http_status_code=403)
        else:
            stub.add_response(operation, told[operation])
        stub.activate()
        return client

    monkeypatch.setattr(s3_account, "aws_client", stubbed)
    return told


def test_the_account_s_public_access_block(answers: dict[str, Any]) -> None:
    answers["get_public_access_block"] = {"PublicAccessBlockConfiguration": {"BlockPublicAcls": True}}
    assert ASKER.account_block(ACCOUNT) == Reading("set", PublicAccessBlock(BlockPublicAcls=True))
    answers["get_public_access_block"] = "NoSuchPublicAccessBlockConfiguration"
    assert ASKER.account_block(ACCOUNT) == Reading("unset")
    answers["get_public_access_block"] = "AccessDenied"
    assert ASKER.account_block(ACCOUNT).state == "denied"
    answers["get_public_access_block"] = {}
    assert ASKER.account_block(ACCOUNT).state == "unknown", "an answer that says nothing"
    assert answers["asked"][0] == ("s3control", "eu-west-1", "https://s3-control.eu-west-1.amazonaws.com")


def test_a_key(answers: dict[str, Any]) -> None:
    """It is asked for in its own region."""
    metadata = {"KeyId": "1", "KeyState": "PendingDeletion", "Enabled": False, "KeyManager": "CUSTOMER"}
    answers["describe_key"] = {"KeyMetadata": metadata}
    assert ASKER.key(KEY) == Reading("set", EncryptionKey("PendingDeletion"))
    answers["describe_key"] = {"KeyMetadata": metadata | {"KeyState": "Enabled", "Enabled": True, "KeyManager": "AWS"}}
    assert ASKER.key("alias/aws/s3") == Reading("set", EncryptionKey("Enabled", True, True))
    answers["describe_key"] = "NotFoundException"
    assert ASKER.key(KEY) == Reading("unset")
    answers["describe_key"] = "AccessDeniedException"
    assert ASKER.key(KEY).state == "denied"
    assert [region for _service, region, _url in answers["asked"]] == ["eu-central-1", "eu-west-1"] + [
        "eu-central-1"
    ] * 2


@pytest.mark.parametrize(
    ("name", "region"),
    [(KEY, "eu-central-1"), ("alias/aws/s3", ""), ("1234abcd", ""), ("arn:aws:s3:::b", ""), ("", "")],
)
def test_where_a_key_is(name: str, region: str) -> None:
    assert key_region(name) == region


def checks(account: str = ACCOUNT, **options: str) -> list[Check]:
    """What a prober says of the account of its caller, and of a key."""
    told = {"provider": "aws", "bucket": "backups", **options}
    prober: Any = s3_probe.open_s3_prober(told, {}, Aim())
    prober._settings = S3Settings.from_options(told, {})
    prober._identity = {"account": account}
    prober._asker = ASKER
    return [*prober._account_block(), *prober._encryption_key(KEY)]


def test_what_is_asked_of_whom(answers: dict[str, Any]) -> None:
    answers["get_public_access_block"] = {"PublicAccessBlockConfiguration": {"BlockPublicAcls": True}}
    answers["describe_key"] = "NotFoundException"
    assert [found.verdict for found in checks()] == [Verdict.WARNING, Verdict.FAILED]
    assert [found.verdict for found in checks("")] == [Verdict.UNKNOWN, Verdict.FAILED]
    assert [found.verdict for found in checks(bucket_owner="444455556666")] == [Verdict.UNKNOWN, Verdict.FAILED]
    asked = len(answers["asked"])
    elsewhere = checks(endpoint="https://store.example.com")
    assert [found.verdict for found in elsewhere] == [Verdict.UNSUPPORTED]
    assert len(answers["asked"]) == asked, "keys for another store are not tried at AWS"
