# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which options of a location fit which provider and method, and their normal form. Private to the collection. Pure."""

from __future__ import annotations

import json
import re
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._arguments import parse_duration, unfit

_ADDRESS: t.Final[t.Mapping[str, tuple[frozenset[str], frozenset[str]]]] = {
    # provider -> options that it needs, and those that it may have
    "filesystem": (frozenset({"path"}), frozenset({"prefix"})),
    "aws": (
        frozenset({"bucket"}),
        frozenset({"prefix", "region", "endpoint", "path_style", "ca_cert", "auth", "bucket_owner"}),
    ),
    "minio": (
        frozenset({"bucket", "endpoint"}),
        frozenset({"prefix", "region", "path_style", "ca_cert", "auth", "client_cert", "client_key"}),
    ),
    "gcp": (frozenset({"bucket"}), frozenset({"prefix", "region", "endpoint", "ca_cert", "auth"})),
    "azure": (
        frozenset({"bucket"}),
        frozenset(
            {
                "storage_account",
                "cloud",
                "subscription",
                "resource_group",
                "management_endpoint",
                "prefix",
                "endpoint",
                "path_style",
                "ca_cert",
                "auth",
            }
        ),
    ),
}
# A credential type of AWX sets every variable: that of a token which keys have not is empty.
_MAY_BE_EMPTY: t.Final = frozenset({"prefix", "session_token"})
_KEYS: t.Final = frozenset({"access_key", "secret_key", "session_token"})
_ANY_AWS: t.Final = frozenset({"account", "sts_endpoint"})
_SESSION: t.Final = frozenset({"session_name", "session_policy", "duration"})
_GOOGLE: t.Final = frozenset({"credentials_file", "credentials_json", "account"})
_METHODS: t.Final[t.Mapping[str, t.Mapping[str, tuple[frozenset[str], frozenset[str]]]]] = {
    # provider -> method, the default first -> options that it needs, and those that it may have
    "aws": {
        "default_chain": (frozenset(), frozenset({"profile"}) | _ANY_AWS),
        "access_key": (frozenset(), _KEYS | _ANY_AWS),
        "assume_role": (
            frozenset({"role_arn"}),
            frozenset({"external_id", "profile", "web_identity_token_file", "source_role_arn"})
            | _KEYS
            | _SESSION
            | _ANY_AWS,
        ),
        "web_identity": (frozenset(), frozenset({"role_arn", "web_identity_token_file"}) | _SESSION | _ANY_AWS),
    },
    "minio": {
        "access_key": (frozenset(), _KEYS),
        "assume_role": (frozenset(), frozenset({"role_arn"}) | _KEYS | _SESSION),
        "web_identity": (frozenset({"web_identity_token_file"}), frozenset({"role_arn"}) | _SESSION),
        "client_certificate": (frozenset(), frozenset({"duration"})),
    },
    "gcp": {
        "default_chain": (frozenset(), frozenset({"account"})),
        "service_account_key": (frozenset(), _GOOGLE),
        "impersonation": (
            frozenset({"service_account"}),
            frozenset({"delegates", "duration", "iam_endpoint"}) | _GOOGLE,
        ),
        "workload_identity": (frozenset(), _GOOGLE),
    },
    "azure": {
        "service_principal": (
            frozenset(),
            frozenset(
                {
                    "tenant",
                    "client_id",
                    "secret",
                    "x509_certificate_path",
                    "x509_certificate_password",
                    "authority",
                    "account",
                }
            ),
        ),
        "account_key": (frozenset(), frozenset({"account_key"})),
        "sas": (frozenset(), frozenset({"sas_token"})),
        "managed_identity": (frozenset(), frozenset({"client_id", "account"})),
        "workload_identity": (
            frozenset(),
            frozenset({"tenant", "client_id", "federated_token_file", "authority", "account"}),
        ),
    },
}
_TOGETHER: t.Final = frozenset({"access_key", "secret_key"})
_EITHER: t.Final = frozenset({"credentials_file", "credentials_json"})
_SESSION_SECONDS: t.Final[t.Mapping[str, tuple[int, int]]] = {
    # provider -> the shortest and the longest session that its token service gives
    "aws": (900, 12 * 3600),
    "minio": (900, 365 * 86400),
    "gcp": (1, 12 * 3600),
}
_LONGEST_POLICY: t.Final = 2048

_UUID: t.Final = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"


def check_location(location: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """A location's dictionary in normal form: nothing that is ``None``, no slashes around the prefix, and ``auth`` with a
    method wherever the provider has any.

    :raises StowageError: ``invalid_option`` when options do not fit the provider or the method. Values are never quoted,
        apart from those of ``provider`` and ``method``.
    """
    given = {name: value for name, value in location.items() if value is not None}
    provider = given.pop("provider", None)
    if not isinstance(provider, str) or provider not in _ADDRESS:
        raise unfit(f"location.provider must be one of {_words(_ADDRESS)}.")
    _check_names(f"a location of provider {provider}", "location", given, _ADDRESS[provider])
    given["prefix"] = check_prefix(given.get("prefix", ""))
    if provider in _METHODS:
        given["auth"] = _check_auth(provider, given.get("auth"))
    if "endpoint" in given and not re.match(r"https?://[^/@?#\\\s]+/?$", str(given["endpoint"])):
        raise unfit("location.endpoint must be http:// or https://, a host and perhaps a port, and nothing else.")
    if provider in ("aws", "minio"):
        _check_s3(provider, given)
    if provider == "azure":
        _check_tenant(given)
    if provider == "gcp" and not str(given.get("endpoint", "https:")).startswith("https:"):
        raise unfit("location.endpoint of provider gcp must be https://: each request carries an access token.")
    return {"provider": provider, **given}


def check_prefix(prefix: object) -> str:
    """A prefix without slashes at its ends.

    :raises StowageError: ``invalid_option`` for empty parts, ``.`` and ``..``, control characters and backslashes.
    """
    text = str(prefix).strip("/")
    parts = text.split("/") if text else []
    if any(part in ("", ".", "..") or not part.isprintable() or "\\" in part for part in parts):
        raise unfit("location.prefix must be names joined by single slashes, none of them `.` or `..`.")
    return text


def _check_auth(provider: str, auth: object) -> dict[str, t.Any]:
    methods = _METHODS[provider]
    if auth is None:
        return {"method": next(iter(methods))}
    if not isinstance(auth, dict):
        raise unfit("location.auth must be a dictionary.")
    given = {name: value for name, value in auth.items() if value is not None}
    method = given.pop("method", None)
    if not isinstance(method, str) or method not in methods:
        raise unfit(f"location.auth.method must be one of {_words(methods)} for provider {provider}.")
    _check_names(f"method {method} of provider {provider}", "location.auth", given, methods[method])
    if given.keys() >= _EITHER:
        raise unfit("location.auth.credentials_file and location.auth.credentials_json exclude each other.")
    missing = _TOGETHER - given.keys()
    if missing and given.keys() & _KEYS:
        raise unfit(f"location.auth.{min(missing)} is missing: access_key and secret_key go together.")
    if provider == "aws":
        _check_account("location.auth.account", given)
    if provider in _SESSION_SECONDS:
        given = _check_session(method, _SESSION_SECONDS[provider], given)
    return {"method": method, **given}


def _check_s3(provider: str, given: t.Mapping[str, t.Any]) -> None:
    """What only locations of S3 stores have: a bucket's owner, a client certificate, token services."""
    _check_account("location.bucket_owner", given)
    if len(given.keys() & {"client_cert", "client_key"}) == 1:
        raise unfit("location.client_cert and location.client_key go together.")
    method = given["auth"]["method"]
    if method == "client_certificate" and "client_cert" not in given:
        raise unfit("location.client_cert is required by method client_certificate.")
    # Its answers are keys, and what it is asked with may be a token.
    if provider == "minio" and method != "access_key" and not str(given["endpoint"]).startswith("https://"):
        raise unfit(f"Method {method} needs a location.endpoint with https://, for keys are sent in its answer.")


def _check_session(method: str, seconds: tuple[int, int], given: dict[str, t.Any]) -> dict[str, t.Any]:
    """The options of sessions in normal form: ``duration`` in seconds, ``session_policy`` as compact JSON."""
    given = dict(given)
    if "duration" in given:
        given["duration"] = _session_seconds(given["duration"], *seconds)
    if "session_policy" in given:
        given["session_policy"] = _policy_text(given["session_policy"])
    if "session_name" in given and not re.fullmatch(r"[A-Za-z0-9_+=,.@-]{2,64}", str(given["session_name"])):
        raise unfit("location.auth.session_name must be 2 to 64 letters, digits and characters of _+=,.@-")
    for name in ("sts_endpoint", "iam_endpoint"):
        if name in given and not re.match(r"https://[^/@?#\s]+/?$", str(given[name])):
            raise unfit(f"location.auth.{name} must be https://, a host and perhaps a port, and nothing else.")
    if method == "assume_role":
        _check_sources(given)
    return given


def _check_sources(given: t.Mapping[str, t.Any]) -> None:
    """A role is taken over by one identity."""
    if len(given.keys() & {"web_identity_token_file", "source_role_arn"}) == 1:
        raise unfit("location.auth.web_identity_token_file and location.auth.source_role_arn go together.")
    sources = [name for name in ("access_key", "profile", "web_identity_token_file") if name in given]
    if len(sources) > 1:
        raise unfit(
            f"location.auth.{sources[0]} and location.auth.{sources[1]} are two sources; a role is assumed by one."
        )


def _session_seconds(value: object, shortest: int, longest: int) -> int:
    text = str(value).strip()
    seconds = int(text) if re.fullmatch(r"[0-9]{1,9}", text) else 0
    seconds = seconds or int(parse_duration("location.auth.duration", text).total_seconds())
    if not shortest <= seconds <= longest:
        raise unfit(f"location.auth.duration must be between {shortest} and {longest} seconds.")
    return seconds


def _policy_text(value: object) -> str:
    """A policy as compact JSON: some stores do not decode what else may stand between its parts."""
    try:
        policy = json.loads(value) if isinstance(value, str) else value
        text = json.dumps(policy, separators=(",", ":")) if isinstance(policy, dict) and policy else ""
    except (ValueError, TypeError, RecursionError):
        text = ""
    if not text:
        raise unfit("location.auth.session_policy must be a policy, as a dictionary or as the text of a JSON object.")
    if len(text) > _LONGEST_POLICY:
        raise unfit(f"location.auth.session_policy has more than {_LONGEST_POLICY} characters, even without spaces.")
    return text


def _check_account(option: str, given: t.Mapping[str, t.Any]) -> None:
    found = given.get(option.rpartition(".")[2])
    if found is not None and not re.fullmatch(r"[0-9]{12}", str(found)):
        hint = "Put it in quotes: YAML takes a number that begins with 0 for another one."
        raise unfit(f"{option} must be the 12 digits of an AWS account.", hint)


def _check_tenant(given: t.Mapping[str, t.Any]) -> None:
    """Tokens name a tenant by its id only, and resources a subscription by its."""
    account = str(given["auth"].get("account", ""))
    if account and not re.fullmatch(f"{_UUID}(/{_UUID})?", account):
        hint = "A tenant's domain is no id, and a subscription's name is none."
        raise unfit(
            "location.auth.account must be the id of an Entra tenant, a UUID, alone or with that of a subscription after "
            "a slash.",
            hint,
        )
    subscription = str(given.get("subscription", ""))
    demanded = account.partition("/")[2]
    if subscription and not re.fullmatch(_UUID, subscription):
        raise unfit("location.subscription must be the id of a subscription, a UUID.")
    if subscription and demanded and subscription.lower() != demanded.lower():
        raise unfit("location.subscription and location.auth.account name two subscriptions.")


def _check_names(
    what: str, option: str, given: t.Mapping[str, t.Any], names: tuple[frozenset[str], frozenset[str]]
) -> None:
    required, optional = names
    for name in sorted(required - given.keys()):
        raise unfit(f"{option}.{name} is required by {what}.")
    for name in sorted(map(str, given.keys() - required - optional)):
        raise unfit(f"{option}.{name[:80]} does not belong to {what}.", f"It takes {_words(required | optional)}.")
    for name, value in given.items():
        if value == "" and name not in _MAY_BE_EMPTY:
            raise unfit(f"{option}.{name} is empty.", "Leave it out, or set it.")


def _words(words: t.Iterable[str]) -> str:
    return ", ".join(sorted(words)) or "no options"
