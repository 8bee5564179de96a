# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Argument specs that modules put together, and checks of what specs cannot express. Private to the collection. Pure.

Each spec has a documentation fragment of the same name. Specs have no ``fallback``: one in a nested spec fires before
exclusions are checked, so the environment is read by whoever uses an option, and only for options that are not set.
"""

from __future__ import annotations

import datetime
import re
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import SEE_DOCUMENTATION, StowageError


class Option(t.TypedDict, total=False):
    """One option of an argument spec, as AnsibleModule takes it."""

    type: t.Literal["bool", "dict", "float", "int", "list", "path", "raw", "str"]
    elements: t.Literal["dict", "str"]
    options: dict[str, Option]
    choices: list[str]
    default: t.Any
    required: bool
    no_log: bool
    aliases: list[str]


ArgumentSpec = dict[str, Option]

LOCATION: t.Final[ArgumentSpec] = {
    "location": {
        "type": "dict",
        "required": True,
        "options": {
            "provider": {"type": "str", "required": True, "choices": ["aws", "minio", "gcp", "azure", "filesystem"]},
            "bucket": {"type": "str"},
            "path": {"type": "path"},
            "prefix": {"type": "str"},
            "region": {"type": "str"},
            "endpoint": {"type": "str"},
            "path_style": {"type": "bool"},
            "ca_cert": {"type": "path"},
            "client_cert": {"type": "path"},
            "client_key": {"type": "path", "no_log": False},
            "bucket_owner": {"type": "str"},
            "storage_account": {"type": "str"},
            "cloud": {"type": "str", "choices": ["public", "china", "usgovernment"]},
            "subscription": {"type": "str"},
            "resource_group": {"type": "str"},
            "management_endpoint": {"type": "str"},
            "auth": {
                "type": "dict",
                "options": {
                    "method": {
                        "type": "str",
                        "required": True,
                        "choices": [
                            "default_chain",
                            "access_key",
                            "assume_role",
                            "web_identity",
                            "client_certificate",
                            "service_account_key",
                            "impersonation",
                            "account_key",
                            "sas",
                            "service_principal",
                            "managed_identity",
                            "workload_identity",
                        ],
                    },
                    "account": {"type": "str"},
                    "access_key": {"type": "str", "no_log": False},
                    "secret_key": {"type": "str", "no_log": True},
                    "session_token": {"type": "str", "no_log": True},
                    "profile": {"type": "str"},
                    "role_arn": {"type": "str"},
                    "external_id": {"type": "str"},
                    "session_name": {"type": "str"},
                    "web_identity_token_file": {"type": "path", "no_log": False},
                    "source_role_arn": {"type": "str"},
                    "duration": {"type": "str"},
                    "session_policy": {"type": "raw"},
                    "sts_endpoint": {"type": "str"},
                    "credentials_file": {"type": "path"},
                    # Masked by _secrets: no_log would mask each short word in it too, such as the project's name.
                    "credentials_json": {"type": "raw", "no_log": False},
                    "service_account": {"type": "str"},
                    "delegates": {"type": "list", "elements": "str"},
                    "iam_endpoint": {"type": "str"},
                    "account_key": {"type": "str", "no_log": True},
                    "sas_token": {"type": "str", "no_log": True},
                    "tenant": {"type": "str"},
                    "client_id": {"type": "str"},
                    "secret": {"type": "str", "no_log": True},
                    "x509_certificate_path": {"type": "path"},
                    "x509_certificate_password": {"type": "str", "no_log": True},
                    "federated_token_file": {"type": "path", "no_log": False},
                    "authority": {"type": "str"},
                },
            },
        },
    },
}

CLUSTER: t.Final[ArgumentSpec] = {
    "kubeconfig": {"type": "raw"},
    "context": {"type": "str"},
    "host": {"type": "str"},
    "api_key": {"type": "str", "no_log": True},
    "username": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "validate_certs": {"type": "bool", "aliases": ["verify_ssl"]},
    "ca_cert": {"type": "path", "aliases": ["ssl_ca_cert"]},
    "client_cert": {"type": "path", "aliases": ["cert_file"]},
    "client_key": {"type": "path", "aliases": ["key_file"], "no_log": False},
    "proxy": {"type": "str"},
    "no_proxy": {"type": "str"},
    "proxy_headers": {
        "type": "dict",
        "options": {
            "proxy_basic_auth": {"type": "str", "no_log": True},
            "basic_auth": {"type": "str", "no_log": True},
            "user_agent": {"type": "str"},
        },
    },
    "impersonate_user": {"type": "str"},
    "impersonate_groups": {"type": "list", "elements": "str"},
    "cluster_auth": {"type": "str", "choices": ["kubeconfig", "capi", "eks", "gke", "aks"], "default": "kubeconfig"},
    # A reference, and nothing that would have to be masked; so is the key in it.
    "kubeconfig_secret": {
        "type": "dict",
        "no_log": False,
        "options": {
            "namespace": {"type": "str", "required": True},
            "name": {"type": "str", "required": True},
            "key": {"type": "str", "default": "value", "no_log": False},
        },
    },
    "eks": {
        "type": "dict",
        "options": {
            "name": {"type": "str", "required": True},
            "region": {"type": "str", "required": True},
            "endpoint": {"type": "str"},
            "ca_cert": {"type": "path"},
        },
    },
    # Checked as a location's auth is; what is secret in it is masked by its names.
    "eks_auth": {"type": "dict"},
    "gke": {
        "type": "dict",
        "options": {
            "name": {"type": "str", "required": True},
            "location": {"type": "str", "required": True},
            "project": {"type": "str", "required": True},
            "address": {"type": "str", "choices": ["auto", "public", "private", "dns"], "default": "auto"},
            "endpoint": {"type": "str"},
            "ca_cert": {"type": "path"},
        },
    },
    "gke_auth": {"type": "dict"},
    "aks": {
        "type": "dict",
        "options": {
            "name": {"type": "str", "required": True},
            "resource_group": {"type": "str", "required": True},
            "subscription": {"type": "str", "required": True},
            "address": {"type": "str", "choices": ["auto", "public"], "default": "auto"},
            "cloud": {"type": "str", "choices": ["public", "china", "usgovernment"]},
            "management_endpoint": {"type": "str"},
            "ca_cert": {"type": "path"},
        },
    },
    "aks_auth": {"type": "dict"},
    "expected_cluster_uid": {"type": "str"},
}

SELECTION: t.Final[ArgumentSpec] = {
    "included_namespaces": {"type": "list", "elements": "str"},
    "excluded_namespaces": {"type": "list", "elements": "str"},
    "included_resources": {"type": "list", "elements": "str"},
    "excluded_resources": {"type": "list", "elements": "str"},
    "label_selector": {"type": "str"},
    "or_label_selectors": {"type": "list", "elements": "str"},
    "include_cluster_resources": {"type": "str", "choices": ["auto", "always", "never"], "default": "auto"},
}

_DURATION: t.Final = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?[wdhms])+")
_UNITS: t.Final = {"w": 604800.0, "d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
_LONGEST: t.Final = datetime.timedelta(days=36500)

_LABEL_NAME: t.Final = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_LABEL_PREFIX: t.Final = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*")


def merge(*specs: ArgumentSpec) -> ArgumentSpec:
    """One spec of several. An option in two of them is a defect.

    :raises ValueError: an option is in more than one spec.
    """
    merged: ArgumentSpec = {}
    for spec in specs:
        if twice := merged.keys() & spec.keys():
            raise ValueError(f"options in more than one spec: {sorted(twice)}")
        merged.update(spec)
    return merged


def parse_duration(option: str, text: str) -> datetime.timedelta:
    """A duration such as ``36h``, ``30d``, ``2w`` or Go's ``1h30m0s``.

    :raises StowageError: ``invalid_option`` for anything else, for zero, and for more than a hundred years.
    """
    compact = text.strip()
    if not _DURATION.fullmatch(compact):
        raise unfit(f"{option} must be a duration such as 90m, 36h, 30d or 2w.")
    seconds = sum(float(number) * _UNITS[unit] for number, unit in re.findall(r"([0-9.]+)([wdhms])", compact))
    if not 0 < seconds <= _LONGEST.total_seconds():
        raise unfit(f"{option} must be more than nothing and at most a hundred years.")
    return datetime.timedelta(seconds=seconds)


def check_labels(option: str, labels: t.Mapping[t.Any, t.Any]) -> dict[str, str]:
    """Labels with text for values (YAML reads ``tier: 1`` as a number).

    :raises StowageError: ``invalid_option`` when Kubernetes would not take one.
    """
    checked: dict[str, str] = {}
    for key, value in labels.items():
        text = str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)
        prefix, slash, name = str(key).rpartition("/")
        fits = _LABEL_NAME.fullmatch(name) and (not slash or (len(prefix) <= 253 and _LABEL_PREFIX.fullmatch(prefix)))
        if not fits or (text and not _LABEL_NAME.fullmatch(text)):
            raise unfit(f"{option} has a key or value that is no Kubernetes label: {str(key)[:80]!r}.")
        checked[str(key)] = text
    return checked


def unfit(message: str, hint: str = SEE_DOCUMENTATION) -> StowageError:
    """The error of options that make no sense."""
    return StowageError("invalid_option", message, hint)
