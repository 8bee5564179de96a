# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where tokens for Google come from, and where nothing goes. Google's token services are a server of the testbed."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.gcp import (
    SCOPES,
    SETUP_SCOPES,
    GoogleIdentity,
    check_account,
    for_setup,
    google_identity,
    projects_of,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import Location
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs import GcsLocation
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_client import (
    TokenRequests,
    TokenSource,
    make_session,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_identity import caller
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.registry import open_location
from testbed.google import GoogleServer
from testbed.google_objects import PROJECT_NUMBER
from testbed.google_tokens import PROJECT, SKEWED, Tokens, refused
from testbed.pki import Authority

TARGET = f"target@{PROJECT}.iam.gserviceaccount.com"


@pytest.fixture
def google(tmp_path: Path) -> Iterator[GoogleServer]:
    """A server with one bucket."""
    server = GoogleServer(tmp_path / "google")
    server.create_bucket("backups")
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def _no_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No credentials of the machine that runs the tests."""
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "GCP_SERVICE_ACCOUNT_FILE", "GCP_SERVICE_ACCOUNT_CONTENTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "gcloud"))


def location(google: GoogleServer, auth: dict[str, Any], environ: dict[str, str] | None = None) -> GcsLocation:
    """A location at the server."""
    where = {"endpoint": google.endpoint, "bucket": "backups", "ca_cert": str(google.ca_cert)}
    found = open_location({"provider": "gcp", **where, "auth": auth}, environ or {})
    assert isinstance(found, GcsLocation)
    found.calls.first_wait = 0.01
    return found


def identity(
    google: GoogleServer,
    auth: dict[str, Any],
    environ: dict[str, str] | None = None,
    *,
    ambient: bool = True,
) -> GoogleIdentity:
    """Who `auth` makes of a caller, impersonation at the server."""
    requests = TokenRequests(make_session(str(google.ca_cert)))
    return google_identity(auth, environ or {}, ambient=ambient, requests=requests, iam_endpoint=google.endpoint)


def token_of(google: GoogleServer, found: GoogleIdentity) -> str:
    """For whom the server makes a token with these credentials."""
    source = TokenSource(found.credentials, TokenRequests(make_session(str(google.ca_cert))))
    whose = google.tokens.whose(source.headers("GET", google.endpoint)["authorization"])
    assert whose is not None
    return whose


def error_of(action: Callable[[], object]) -> StowageError:
    """The error that an action fails with."""
    with pytest.raises(StowageError) as caught:
        action()
    assert "PRIVATE KEY" not in str(caught.value.as_result())
    return caught.value


def code_of(action: Callable[[], object]) -> str:
    """The error code that an action fails with."""
    return error_of(action).code


def use(found: Location) -> None:
    """Something that needs a token."""
    assert list(found.list("")) == []


def test_a_key_as_text_as_a_dictionary_and_as_a_file(google: GoogleServer, tmp_path: Path) -> None:
    document = google.tokens.key_document(google.endpoint)
    path = tmp_path / "key.json"
    path.write_text(json.dumps(document))
    for given in (
        {"credentials_json": json.dumps(document)},
        {"credentials_json": document},
        {"credentials_file": str(path)},
    ):
        found = location(google, {"method": "service_account_key", **given})
        use(found)
        assert document["private_key"] in found.secrets()
        assert document["client_email"] not in found.secrets()
    assert google.tokens.given == [google.tokens.account()] * 3


def test_what_awx_makes_of_its_credential_is_enough(google: GoogleServer, tmp_path: Path) -> None:
    """AWX's credential "Google Compute Engine" writes five fields, and names the file in three variables."""
    whole = google.tokens.key_document(google.endpoint)
    path = tmp_path / "awx.json"
    path.write_text(
        json.dumps({k: whole[k] for k in ("type", "private_key", "client_email", "project_id", "token_uri")})
    )
    for name in ("GCP_SERVICE_ACCOUNT_FILE", "GCE_CREDENTIALS_FILE_PATH", "GOOGLE_APPLICATION_CREDENTIALS"):
        for method in ("service_account_key", "default_chain"):
            found = identity(google, {"method": method}, {name: str(path)})
            assert token_of(google, found) == google.tokens.account()
            assert whole["private_key"] in found.secrets
    contents = {"GCP_SERVICE_ACCOUNT_CONTENTS": path.read_text(), "GCP_SERVICE_ACCOUNT_FILE": "/nonexistent"}
    assert token_of(google, identity(google, {}, contents)) == google.tokens.account()


def test_options_come_before_the_environment(google: GoogleServer) -> None:
    other = f"other@{PROJECT}.iam.gserviceaccount.com"
    google.tokens.accounts.add(other)
    environ = {"GCP_SERVICE_ACCOUNT_CONTENTS": json.dumps(google.tokens.key_document(google.endpoint))}
    auth = {"method": "service_account_key", "credentials_json": google.tokens.key_document(google.endpoint, other)}
    assert token_of(google, identity(google, auth, environ)) == other


@pytest.mark.parametrize("method", ["default_chain", "service_account_key", "workload_identity", "impersonation"])
def test_the_environment_is_not_for_other_endpoints(
    google: GoogleServer, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    environ = {"GCP_SERVICE_ACCOUNT_CONTENTS": json.dumps(google.tokens.key_document(google.endpoint))}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    auth = {"method": method, **({"service_account": TARGET} if method == "impersonation" else {})}
    error = error_of(lambda: location(google, auth, environ))
    assert error.code == "credentials_missing"
    assert "not Google's own" in error.message
    assert google.tokens.given == []


def test_nothing_is_found_where_nothing_is(google: GoogleServer) -> None:
    assert code_of(lambda: identity(google, {})) == "credentials_missing"
    assert code_of(lambda: identity(google, {"method": "service_account_key"})) == "credentials_missing"
    assert code_of(lambda: identity(google, {"method": "nonsense"})) == "invalid_option"


def test_what_gcloud_left_is_used(google: GoogleServer, tmp_path: Path) -> None:
    (tmp_path / "gcloud").mkdir()
    document = json.dumps(google.tokens.key_document(google.endpoint))
    (tmp_path / "gcloud" / "application_default_credentials.json").write_text(document)
    assert token_of(google, identity(google, {"method": "default_chain"})) == google.tokens.account()


def test_what_gcloud_writes_for_a_person(google: GoogleServer, tmp_path: Path) -> None:
    path = tmp_path / "adc.json"
    person = {"type": "authorized_user", "client_id": "id", "client_secret": "told-secret", "refresh_token": "1//told"}
    path.write_text(json.dumps(person))
    found = identity(google, {}, {"GOOGLE_APPLICATION_CREDENTIALS": str(path)})
    assert found.credentials.refresh_token == "1//told"
    assert found.secrets >= {"told-secret", "1//told"}
    path.write_text(json.dumps({"type": "authorized_user", "client_secret": "told-secret"}))
    assert code_of(lambda: identity(google, {}, {"GOOGLE_APPLICATION_CREDENTIALS": str(path)})) == "credentials_invalid"


def test_impersonation(google: GoogleServer) -> None:
    google.tokens.creators.add((google.tokens.account(), TARGET))
    key = google.tokens.key_document(google.endpoint)
    auth = {
        "method": "impersonation",
        "service_account": TARGET,
        "credentials_json": key,
        "delegates": ["between@p.iam.gserviceaccount.com"],
        "duration": 900,
    }
    found = identity(google, auth, ambient=False)
    assert token_of(google, found) == TARGET
    assert google.tokens.bodies[0]["lifetime"] == "900s"
    assert google.tokens.bodies[0]["delegates"] == ["between@p.iam.gserviceaccount.com"]
    assert found.secrets >= {key["private_key"]}
    chain = {"GCP_SERVICE_ACCOUNT_CONTENTS": json.dumps(key)}
    assert token_of(google, identity(google, {"method": "impersonation", "service_account": TARGET}, chain)) == TARGET


def test_impersonation_where_google_has_another_address(google: GoogleServer) -> None:
    google.tokens.creators.add((google.tokens.account(), TARGET))
    key = json.dumps(google.tokens.key_document(google.endpoint))
    auth = {"method": "impersonation", "service_account": TARGET, "iam_endpoint": google.endpoint}
    use(location(google, {**auth, "credentials_json": key}))
    assert google.tokens.given == [google.tokens.account(), TARGET]
    google_s = {"provider": "gcp", "bucket": "backups", "auth": auth}
    ambient = {"GCP_SERVICE_ACCOUNT_CONTENTS": key}
    assert code_of(lambda: open_location(google_s, ambient)) == "credentials_missing", (
        "it is not sent to another's address"
    )
    assert len(google.tokens.given) == 2


def test_impersonation_that_is_not_allowed(google: GoogleServer) -> None:
    key = google.tokens.key_document(google.endpoint)
    auth = {"method": "impersonation", "service_account": TARGET, "credentials_json": key}
    source = identity(google, auth)
    found = location(google, google.auth())
    found.calls.tokens = TokenSource(source.credentials, TokenRequests(make_session(str(google.ca_cert))))
    error = error_of(lambda: use(found))
    assert error.code == "permission_denied"
    assert "serviceAccountTokenCreator" in error.hint
    auth["service_account"] = "no-address"
    assert code_of(lambda: identity(google, auth)) == "invalid_option"


def test_a_pool_reads_its_token_anew_each_time(google: GoogleServer, tmp_path: Path) -> None:
    path = tmp_path / "token"
    google.tokens.subjects = {"first", "second"}
    google.tokens.seconds = 60  # less than google-auth takes for fresh: each request renews
    config = google.tokens.pool_document(google.endpoint, str(path))
    found = location(google, {"method": "workload_identity", "credentials_json": config})
    for subject in ("first", "second"):
        path.write_text(subject)
        use(found)
        assert google.tokens.given[-1] == f"principal:{subject}"
    path.write_text("somebody else's")
    assert code_of(lambda: use(found)) == "credentials_invalid"
    path.unlink()
    assert code_of(lambda: use(found)) == "credentials_missing"
    path.mkdir()
    assert code_of(lambda: use(found)) == "credentials_missing"


def test_a_pool_that_impersonates(google: GoogleServer, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("subject")
    google.tokens.subjects = {"subject"}
    config = google.tokens.pool_document(google.endpoint, str(path), TARGET)
    auth = {"method": "workload_identity", "credentials_json": json.dumps(config)}
    assert code_of(lambda: use(location(google, auth))) == "permission_denied"
    google.tokens.creators.add(("principal:subject", TARGET))
    use(location(google, auth))
    assert google.tokens.given[-1] == TARGET


def test_documents_that_are_none(google: GoogleServer, tmp_path: Path) -> None:
    key = google.tokens.key_document(google.endpoint)
    pool = google.tokens.pool_document(google.endpoint, "/token")
    program = {**pool, "credential_source": {"executable": {"command": "/bin/true"}}}
    cases: list[tuple[str, dict[str, Any], str]] = [
        ("service_account_key", {"credentials_json": "no JSON"}, "credentials_invalid"),
        ("service_account_key", {"credentials_json": "[1]"}, "credentials_invalid"),
        ("service_account_key", {"credentials_json": pool}, "credentials_invalid"),
        ("service_account_key", {"credentials_json": {**key, "private_key": "no key"}}, "credentials_invalid"),
        ("service_account_key", {"credentials_json": {**key, "token_uri": "http://x/token"}}, "credentials_invalid"),
        ("service_account_key", {"credentials_file": str(tmp_path / "none")}, "credentials_missing"),
        ("service_account_key", {"credentials_file": str(tmp_path)}, "credentials_missing"),
        ("workload_identity", {"credentials_json": key}, "credentials_invalid"),
        ("workload_identity", {"credentials_json": {**pool, "token_url": "http://x"}}, "credentials_invalid"),
        ("workload_identity", {"credentials_json": {"type": "external_account"}}, "credentials_invalid"),
        ("workload_identity", {"credentials_json": program}, "invalid_option"),
    ]
    for method, given, code in cases:
        assert code_of(lambda m=method, g=given: location(google, {"method": m, **g})) == code, given  # type: ignore[misc]  # defaults


@pytest.mark.parametrize(
    ("error", "description", "code"),
    [
        ("invalid_grant", SKEWED, "clock_skew"),
        ("invalid_grant", "Invalid JWT Signature.", "credentials_invalid"),
        ("invalid_grant", "Invalid grant: account not found", "credentials_invalid"),
        ("invalid_grant", "Token has been expired or revoked.", "credentials_expired"),
        ("unauthorized_client", "Client is unauthorized to retrieve access tokens.", "credentials_invalid"),
        ("invalid_argument", "The access token lifetime cannot exceed 3600 seconds.", "invalid_option"),
        ("invalid_scope", "Invalid OAuth scope or ID token audience provided.", "credentials_invalid"),
    ],
)
def test_what_the_token_service_says(google: GoogleServer, error: str, description: str, code: str) -> None:
    google.tokens.fail_with = refused(error, description + " canary")
    found = error_of(lambda: use(location(google, google.auth())))
    assert found.code == code
    assert found.hint
    assert "canary" not in str(found.as_result())


def test_a_key_of_another_account_and_a_wrong_key(google: GoogleServer) -> None:
    """By real signatures and clocks, not by what the service is told to say."""
    unknown = google.tokens.key_document(google.endpoint, f"gone@{PROJECT}.iam.gserviceaccount.com")
    auth = {"method": "service_account_key", "credentials_json": unknown}
    assert code_of(lambda: use(location(google, auth))) == "credentials_invalid"
    other = Tokens().key_document(google.endpoint, google.tokens.account())
    auth = {"method": "service_account_key", "credentials_json": other}
    assert "key is wrong" in error_of(lambda: use(location(google, auth))).message


def test_a_clock_that_is_wrong(google: GoogleServer, monkeypatch: pytest.MonkeyPatch) -> None:
    from google.auth import _helpers

    real: Callable[[], datetime.datetime] = _helpers.utcnow
    monkeypatch.setattr(_helpers, "utcnow", lambda: real() - datetime.timedelta(hours=2))
    assert code_of(lambda: use(location(google, google.auth()))) == "clock_skew"


def test_a_token_that_was_revoked_is_renewed_once(google: GoogleServer) -> None:
    found = location(google, google.auth())
    use(found)
    google.tokens.revoke_all()
    found.create("a", b"x")
    assert len(google.tokens.given) == 2
    google.tokens.accounts.clear()
    google.tokens.revoke_all()
    assert code_of(lambda: list(found.list(""))) == "credentials_invalid"


def test_the_account_is_compared_before_the_first_write(google: GoogleServer) -> None:
    right, wrong = (location(google, {**google.auth(), "account": name}) for name in (PROJECT, "another-project"))
    right.create("a", b"x")
    for action in (
        lambda: wrong.create("b", b"x"),
        lambda: wrong.delete(["a"]),
        lambda: wrong.writer("b").commit(),
    ):
        error = error_of(action)
        assert error.code == "wrong_account"
        assert error.details == {"account": [PROJECT], "expected": "another-project"}
    assert [info.key for info in wrong.list("")] == ["a"]


def test_the_environment_s_project_is_not_the_caller_s(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A person has no project, whatever GOOGLE_CLOUD_PROJECT says; a new bucket may be made there."""
    given = {"type": "authorized_user", "client_id": "x", "client_secret": "y", "refresh_token": "z"}
    (tmp_path / "application_default_credentials.json").write_text(json.dumps(given))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "prod-backups")
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    auth = {"method": "default_chain", "account": "prod-backups"}
    person = google_identity(auth, {}, ambient=True, requests=lambda *_args, **_more: None)
    assert person.usual == "prod-backups"
    assert caller(person) == {}

    class Token:
        def headers(self, *_args: object) -> dict[str, str]:
            return {}

    with pytest.raises(StowageError) as caught:
        check_account(person, Token())
    assert caught.value.code == "wrong_account"
    assert caught.value.details == {"account": [], "expected": "prod-backups"}


def test_the_account_of_a_pool_and_of_whom_cannot_be_told(google: GoogleServer, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("subject")
    google.tokens.subjects = {"subject"}
    config = google.tokens.pool_document(google.endpoint, str(path))
    auth = {"method": "workload_identity", "credentials_json": config}
    location(google, {**auth, "account": PROJECT_NUMBER}).create("a", b"x")
    assert code_of(lambda: location(google, {**auth, "account": PROJECT}).create("b", b"x")) == "wrong_account"
    assert projects_of(object()) == frozenset()


@pytest.mark.parametrize(
    ("email", "project"),
    [
        ("a@acme-prod.iam.gserviceaccount.com", "acme-prod"),
        ("acme-prod@appspot.gserviceaccount.com", "acme-prod"),
        ("1234-compute@developer.gserviceaccount.com", "1234"),
        ("a@acme.example.com.iam.gserviceaccount.com", "named"),
        ("default", "named"),
    ],
)
def test_projects_of_addresses(email: str, project: str) -> None:
    class Caller:
        service_account_email = email

    assert projects_of(Caller(), "named") == {project}


def test_own_certificates_count_for_tokens_too(
    google: GoogleServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whatever bundle the environment names."""
    other = Authority(tmp_path / "other", "other").pair.certificate
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, str(other))
    use(location(google, google.auth()))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(google.ca_cert))
    where = {"endpoint": google.endpoint, "bucket": "backups", "ca_cert": str(other)}
    found = open_location({"provider": "gcp", **where, "auth": google.auth()}, {})
    error = error_of(lambda: list(found.list("")))
    assert error.code == "tls_untrusted"
    assert "access token" in error.message, "the token is asked for first"


def test_a_bundle_of_the_environment_that_is_not_there(google: GoogleServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nonexistent/bundle.pem")
    where = {"endpoint": google.endpoint, "bucket": "backups"}
    found = open_location({"provider": "gcp", **where, "auth": google.auth()}, {})
    assert code_of(lambda: list(found.list(""))) == "tls_untrusted"


def test_a_netrc_does_not_take_the_place_of_the_token(
    google: GoogleServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    use(location(google, google.auth()))


def test_no_secret_over_plain_http(google: GoogleServer) -> None:
    from google.auth.exceptions import TransportError

    requests = TokenRequests(make_session(None))
    for given in ({"body": b"assertion=x", "method": "POST"}, {"headers": {"Authorization": "Bearer x"}}):
        with pytest.raises(TransportError, match="plain HTTP"):
            requests("http://127.0.0.1:1/token", **given)
    where = {"provider": "gcp", "endpoint": google.endpoint.replace("https", "http"), "bucket": "backups"}
    assert code_of(lambda: open_location({**where, "auth": google.auth()}, {})) == "invalid_option"


def test_only_setting_up_gets_tokens_that_may_change_buckets(google: GoogleServer) -> None:
    """A token for backups cannot, whatever the account may: https://cloud.google.com/storage/docs/oauth-scopes."""
    key = identity(google, google.auth())
    assert tuple(key.credentials.scopes) == SCOPES
    assert tuple(for_setup(key).credentials.scopes) == SETUP_SCOPES
    google.tokens.creators.add((google.tokens.account(), TARGET))
    target = for_setup(identity(google, {**google.auth(), "method": "impersonation", "service_account": TARGET}))
    assert token_of(google, target) == TARGET
    assert google.tokens.bodies[-1]["scope"] == list(SETUP_SCOPES)
    person = GoogleIdentity(object(), frozenset())
    assert for_setup(person) is person, "what has its scopes keeps them"
