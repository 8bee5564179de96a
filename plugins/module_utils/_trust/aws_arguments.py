# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of ``aws_trust`` that no other module has. Private to the collection."""

from __future__ import annotations

import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._arguments import ArgumentSpec, Option

_AUTH: t.Final[ArgumentSpec] = {
    "account": {"type": "str", "required": True},
    # Checked as a location's is; what is secret in it is masked by its names.
    "auth": {"type": "dict"},
}
_TEXT: t.Final[Option] = {"type": "str"}
_TEXTS: t.Final[Option] = {"type": "list", "elements": "str"}
_NEEDED: t.Final[Option] = {"type": "str", "required": True}

ARGUMENTS: t.Final[ArgumentSpec] = {
    "method": {"type": "str", "choices": ["role", "bucket_policy"], "default": "role"},
    "principals": _TEXTS,
    "principal_arns": _TEXTS,
    "organization": _TEXT,
    "external_id": {"type": "str", "default": "auto"},
    "service_accounts": {
        "type": "list",
        "elements": "dict",
        "options": {"issuer": _NEEDED, "namespace": _NEEDED, "name": _NEEDED},
    },
    "pod_identities": {
        "type": "list",
        "elements": "dict",
        "options": {"cluster": _NEEDED, "region": _TEXT, "namespace": _NEEDED, "name": _NEEDED},
    },
    "guard_rails": {
        "type": "dict",
        "options": {
            "tls_only": {"type": "bool", "default": False},
            "organization": _TEXT,
            "keep_versions": {"type": "bool", "default": False},
            "version_deleters": _TEXTS,
        },
    },
    "kms_key_arn": {"type": "str", "no_log": False},
    "key_policy": {"type": "bool", "default": False, "no_log": False},
    "key_grant": {"type": "bool", "default": False, "no_log": False},
    "max_session_duration": {"type": "int", "default": 3600},
    "permissions_boundary": _TEXT,
    "tags": {"type": "dict"},
    "location_account": {"type": "dict", "required": True, "options": _AUTH},
    "cluster_account": {"type": "dict", "options": {**_AUTH, "role": _TEXT, "user": _TEXT, "control_role_arn": _TEXT}},
    "controller_account": {"type": "dict", "options": _AUTH},
    "secret_path": {"type": "path", "no_log": False},
    "rotate": {"type": "bool", "default": False},
    "iam_endpoint": _TEXT,
    "sts_endpoint": _TEXT,
    "eks_endpoint": _TEXT,
    "kms_endpoint": _TEXT,
    "http_endpoint": _TEXT,
    "verify_as": {
        "type": "list",
        "elements": "dict",
        "options": {
            "name": _NEEDED,
            "access_key": {"type": "str", "required": True, "no_log": False},
            "secret_key": {"type": "str", "required": True, "no_log": True},
            "session_token": {"type": "str", "no_log": True},
            "control_role_arn": _TEXT,
            "control_bucket": _TEXT,
        },
    },
    "verify_tokens": {
        "type": "list",
        "elements": "dict",
        "no_log": False,
        "options": {
            "name": _NEEDED,
            "path": {"type": "path", "required": True},
            "expected": {"type": "str", "required": True, "choices": ["allowed", "refused"]},
        },
    },
}
