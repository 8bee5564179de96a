# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the permissions of AWS trust say of a bucket's encryption key, and which keys they name. Private to the collection. Pure."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import s3_policy
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.s3_permissions import SID, Statement

_KEY: t.Final = f"{SID}Key"
_KEY_GRANTED: t.Final = f"{SID}KeyGranted"
_KEY_OUTSIDE: t.Final = f"{SID}KeyOutside"
_KEY_ARN: t.Final = re.compile(r"arn:(aws|aws-cn|aws-us-gov):kms:([a-z0-9-]{5,30}):([0-9]{12}):key/[0-9A-Za-z-]{1,64}")


def key_use(key_arn: str, region: str, *, writes: bool, granted: bool = False) -> Statement:
    """What the bucket's encryption key is needed for: every permission set reads something, and a multipart upload decrypts.

    :param granted: whether grants allow it, too. The statement's Sid says so, by which :func:`keys_named` knows it later.
    """
    return {
        "Sid": _KEY_GRANTED if granted else _KEY,
        "Effect": "Allow",
        "Action": ["kms:Decrypt", *(["kms:GenerateDataKey"] if writes else [])],
        "Resource": [key_arn],
        "Condition": {"StringEquals": {"kms:ViaService": _via_s3(region)}},
    }


def key_denial(resource: str, region: str) -> Statement:
    """Denies outside S3 whatever a grant of ours may allow: grants know nothing of S3 (KMS's developer guide, "Grants in AWS KMS",
    "kms:ViaService"). It is the same for all permission sets, so that a grant of another one is held by it, too.

    :param resource: a key's ARN, or ``*`` for whichever keys there are grants of.
    """
    return {
        "Sid": _KEY_OUTSIDE,
        "Effect": "Deny",
        "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
        "Resource": [resource],
        "Condition": {"StringNotEquals": {"kms:ViaService": _via_s3(region)}},
    }


def _via_s3(region: str) -> str | list[str]:
    name = f"s3.{region}.amazonaws.com"
    return [name, f"{name}.cn"] if region.startswith("cn-") else name


def key_account(key_arn: str) -> str:
    """The account of a key; empty for what is not the ARN of one, such as that of an alias."""
    found = _KEY_ARN.fullmatch(key_arn)
    return found[3] if found else ""


def keys_named(permissions: t.Iterable[t.Mapping[str, t.Any] | None], account: str = "") -> dict[str, bool]:
    """The keys that permissions of ours name, and of each whether they say that there are grants of it.

    :param permissions: as they are there. A denial that names a key is only written where there are grants of it.
    :param account: the only one whose keys count, if there is one.
    """
    found: dict[str, bool] = {}
    for one in (one for document in permissions for one in s3_policy.statements(document)):
        sid = one.get("Sid") if isinstance(one, dict) else None
        if sid not in {_KEY, _KEY_GRANTED, _KEY_OUTSIDE}:
            continue
        resource = one.get("Resource")
        for arn in resource if isinstance(resource, list) else [resource]:
            of = key_account(arn) if isinstance(arn, str) else ""
            if of and of == (account or of):
                found[arn] = found.get(arn, False) or sid != _KEY
    return found
