# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read and written without a server: samples, kubeconfigs, tokens, the audit log, request bodies."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import yaml
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from hypothesis import example, given
from hypothesis import strategies as st

from testbed import api, extras, kubeconfig, samples, tokens
from testbed.audit import AuditLog
from testbed.pki import Authority, key_text

TEXT = st.text(st.characters(codec="utf-8"))
# YAML takes keys of up to 1,024 characters as written; six is the longest escape.
SHORT_TEXT = st.text(st.characters(codec="utf-8"), max_size=150)


@example({"\u2028": "a\x85b\u2029c\x7f\ufeff\uffff\x01\U0001f6a2"})
@given(st.dictionaries(SHORT_TEXT, TEXT, max_size=4))
def test_request_bodies_read_the_same_as_json_and_as_yaml(body: dict[str, str]) -> None:
    encoded = api._encoded(body)
    assert json.loads(encoded) == body
    assert yaml.safe_load(encoded) == body


def test_documents_come_out_of_lists_and_keep_texts(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text("kind: Last\nwhen: 2026-01-02\nequals: =\n", encoding="utf-8")
    (tmp_path / "a.yaml").write_text(
        "---\n---\nkind: RoleList\nitems: [{kind: Role, n: 1}, {kind: Role, n: 2}]\n", encoding="utf-8"
    )
    assert list(samples.documents(tmp_path)) == [
        {"kind": "Role", "n": 1},
        {"kind": "Role", "n": 2},
        {"kind": "Last", "when": "2026-01-02", "equals": "="},
    ]


def test_every_secret_of_the_extras_has_the_canary() -> None:
    secrets = [one for one in extras._documents() if one["kind"] == "Secret" and "stringData" in one]
    assert len(secrets) >= 4
    assert all(extras.CANARY in json.dumps(one) for one in secrets)


def test_long_and_big_are_as_long_and_big_as_can_be() -> None:
    longest, big = extras._long_and_big()
    assert len(longest["metadata"]["name"]) == 253
    assert 899 * 1024 < len(json.dumps(big)) < 1024 * 1024


def test_kubeconfig_holds_everything_in_one_private_file(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "pki", "ca")
    user = kubeconfig.certificate_user(authority.client("me", "me", ["team"]))
    path = kubeconfig.write(
        tmp_path / "config", kubeconfig.document("c", "https://127.0.0.1:1", authority.pair.certificate, user)
    )
    assert path.stat().st_mode & 0o777 == 0o600
    assert str(tmp_path) not in path.read_text(encoding="utf-8")
    client = api.Api(path)
    assert client.server == "https://127.0.0.1:1"
    parsed = yaml.safe_load(path.read_text(encoding="utf-8"))
    key = base64.b64decode(parsed["users"][0]["user"]["client-key-data"])
    assert key == (tmp_path / "pki" / "me.key").read_bytes()


def test_token_is_signed_and_ends_when_told(tmp_path: Path) -> None:
    key = rsa.generate_private_key(65537, 2048)
    file = tmp_path / "key"
    file.write_text(key_text(key), encoding="utf-8")
    account = {"metadata": {"namespace": "n", "name": "a", "uid": "u"}}
    head, claims, signature = tokens.mint(file, "https://issuer", account, 100).split(".")
    key.public_key().verify(_plain(signature), f"{head}.{claims}".encode(), padding.PKCS1v15(), hashes.SHA256())
    parsed = json.loads(_plain(claims))
    assert parsed["sub"] == "system:serviceaccount:n:a"
    assert parsed["exp"] - parsed["iat"] == 100


def _plain(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def test_audit_log_counts_each_request_once_and_no_half_line(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.log")
    assert log.since() == []
    assert log.mark() == 0
    log.path.write_text(_event("1") + _event("2"), encoding="utf-8")
    mark = log.mark()
    later = _event("3", stage="ResponseStarted") + _event("3") + _event("4", user={}) + _event("5")[:-20]
    log.path.write_text(log.path.read_text(encoding="utf-8") + later, encoding="utf-8")
    assert [(one.verb, one.user, one.resource, one.status) for one in log.since(mark)] == [
        ("list", "me", "pods", 200),
        ("list", "", "pods", 200),
    ]
    assert len(log.since()) == 4


def _event(audit_id: str, *, stage: str = "ResponseComplete", user: dict[str, str] | None = None) -> str:
    event = {
        "auditID": audit_id,
        "stage": stage,
        "verb": "list",
        "requestURI": "/api/v1/pods",
        "user": {"username": "me"} if user is None else user,
        "objectRef": {"resource": "pods"},
        "responseStatus": {"code": 200},
    }
    return json.dumps(event) + "\n"
