# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Finds the secrets in a module's parameters before anything checked those. Private to the collection. Pure.

``no_log`` in an argument spec is not enough: a nested option of the wrong type is quoted by the message that says so, an
unknown option is not masked at all, and a kubeconfig as a whole cannot be ``no_log`` (its short words would be cut out
of names and numbers that a task returns). So this takes values of any shape, well-formed or not, and never fails.
"""

from __future__ import annotations

import json
import re
import typing as t

_LOCATION_HARMLESS: t.Final = frozenset(
    {
        "access_key", "account", "authority", "bucket", "bucket_owner", "ca_cert", "client_cert", "client_id", "client_key",
        "cloud", "credentials_file", "delegates", "duration", "endpoint", "external_id", "federated_token_file",
        "iam_endpoint", "management_endpoint", "method", "path", "path_style", "prefix", "profile", "provider", "region",
        "resource_group", "role_arn", "service_account", "session_name", "source_role_arn", "storage_account", "sts_endpoint",
        "subscription", "tenant", "web_identity_token_file", "x509_certificate_path",
    }
)  # fmt: skip
_DOCUMENT_HARMLESS: t.Final = frozenset(
    {
        "type", "project_id", "quota_project_id", "client_email", "client_id", "token_uri", "token_url", "auth_uri", "universe_domain",
        "auth_provider_x509_cert_url", "client_x509_cert_url", "service_account_impersonation_url", "audience",
        "subject_token_type", "subject_token_field_name", "token_lifetime_seconds", "file", "private_key_id",
    }
)  # fmt: skip
"""Names in a credentials document of Google's that hide nothing. The text of a whole document is a secret."""
_TELLING: t.Final = re.compile(
    r"(?i)(?:password|passwd|passphrase|secret|token|api[-_]?key|private[-_]?key|key-data|auth$)"
)
_PATHS: t.Final = frozenset({"client-key", "client_key", "tokenFile", "token_file", "token-key", "private-key-file"})
_URL: t.Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://([^/@\s]+)@")
_SIGNATURE: t.Final = re.compile(r"\bsig=([^&\s'\"]+)")  # of a SAS, in a URL or alone
_LINE: t.Final = re.compile(r"""(?i)(?:password|secret|token|key-data)["']?\s*[:=]\s*["']?([^"'\s,}]+)""")
_SHORTEST: t.Final = 4
"""Characters of a value that is masked on suspicion only. Of a known option, any value is masked."""
_PARTIES: t.Final = frozenset(
    {
        "location_account", "cluster_account", "controller_account", "verify_as",
        "eks", "eks_auth", "gke", "gke_auth", "aks", "aks_auth",
    }
)  # fmt: skip
"""Options that say who logs in, each like a location's ``auth``."""
_KUBECONFIGS: t.Final = frozenset({"kubeconfig", "kubeconfig_secret"})
"""The second is a reference, unless somebody takes it for the first."""
_DOCUMENTS: t.Final = frozenset({"session_policy"})
"""Options whose value is a document of its own, with names that are not ours, and nothing to hide."""


def secrets_of(params: object) -> frozenset[str]:
    """Every value in a module's parameters that must not be shown, multi-line values also line by line."""
    found: set[str] = set()
    for name, value in params.items() if isinstance(params, dict) else ():
        if name in ("location", "locations", "destination", "backups"):
            found.update(_suspects(_without_names(name, value), _location_harmless))
        elif name in _PARTIES:
            found.update(_suspects(value, _party_harmless))
        elif name in _KUBECONFIGS:
            found.update(_suspects(value, _kubeconfig_harmless))
            if isinstance(value, dict):
                found.update(_suspects(value.get("users"), _user_harmless))
            if isinstance(value, str) and ("\n" in value or "{" in value):  # a file's text, where its path belongs
                found.update({value, *_LINE.findall(value)})
        elif name in ("api_key", "password", "proxy_headers"):
            found.update(text for key, text in _leaves(value, str(name)) if key != "user_agent")
        elif name == "proxy":
            found.update(_in_urls(value))
    lines = {line.strip() for text in found if "\n" in text for line in text.splitlines()}
    return frozenset(text for text in found if text) | {line for line in lines if len(line) >= 2 * _SHORTEST}


def _suspects(value: object, harmless: t.Callable[[str], bool]) -> t.Iterator[str]:
    for key, text in _leaves(value, ""):
        yield from _in_urls(text)
        yield from _SIGNATURE.findall(text)
        if "PRIVATE KEY-----" in text or (not harmless(key) and (len(text) >= _SHORTEST or _TELLING.search(key))):
            yield text


def _without_names(option: str, value: object) -> object:
    """Locations by name without their names, which may be words that tell of secrets, and what of ``backups`` is a location by mistake."""
    if option == "backups":
        return [_misplaced(one) for one in value] if isinstance(value, list) else None
    return list(value.values()) if option == "locations" and isinstance(value, dict) else value


def _misplaced(backup: object) -> object:
    told = [backup.get(name) for name in ("location", "records", "problem")] if isinstance(backup, dict) else []
    return [value for value in told if isinstance(value, (dict, list))]


def _location_harmless(key: str) -> bool:
    return key in _LOCATION_HARMLESS or key in _DOCUMENT_HARMLESS


def _party_harmless(key: str) -> bool:
    return key in ("name", "role", "user", "project", "location", "address") or _location_harmless(key)


def _kubeconfig_harmless(key: str) -> bool:
    return key in _PATHS or not _TELLING.search(key)


def _user_harmless(key: str) -> bool:
    return key not in ("", "user") and _kubeconfig_harmless(key)


def _leaves(value: object, key: str) -> t.Iterator[tuple[str, str]]:
    """Scalars as text, each with the key that it was found under; text that holds a document, with its leaves too."""
    if isinstance(value, dict):
        named = value.get("name") if "value" in value and len(value) == 2 else None  # an environment variable
        for name, part in value.items():
            if name in _DOCUMENTS:
                continue
            yield from _leaves(part, str(named) if named and name == "value" else str(name))
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _leaves(part, key)
    elif isinstance(value, str):
        yield key, value
        yield from _leaves(_document(value), key)
    elif value is not None and not isinstance(value, bool):
        yield key, str(value)


def _document(text: str) -> object:
    """What Ansible makes of text where it wants a dictionary: JSON, or ``key=value`` words."""
    if text.lstrip().startswith(("{", "[")):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return None
    pairs = [word.partition("=") for word in re.split(r"[\s,]+", text)]
    return {key: value.strip("\"'") for key, _equals, value in pairs if value} or None


def _in_urls(value: object) -> t.Iterator[str]:
    for match in _URL.finditer(value) if isinstance(value, str) else ():
        yield match[1]
        if password := match[1].partition(":")[2]:
            yield password
