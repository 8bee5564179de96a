# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said about S3 endpoints that are not what they should be, and about answers as AWS and Ceph give them."""

from __future__ import annotations

import dataclasses
import datetime
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import CODES, StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import network, s3_client, s3_probe
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import Failure, LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.probe import probe
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.prober import Access, Aim
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.readings import Reading
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.registry import open_prober
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.report import Check, Layer, Report, Verdict
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_bucket import (
    Listing,
    owner_check,
    region_check,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_calls import S3Calls
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_identity import account_name
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_rights import ask, judge, rights
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_settings import (
    Versioning,
    root_element,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_upload import (
    checksum_check,
    known_to_honour,
    upload_round,
)
from support.odd_endpoints import XML, ToldServer, Zoo, listing, xml

CANARY = "canary-of-the-secret-key"


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zoo]:
    """All odd endpoints."""
    found = Zoo(tmp_path_factory.mktemp("pki"))
    yield found
    found.stop()


@pytest.fixture
def told() -> Iterator[ToldServer]:
    """A store that answers what it is told to."""
    server = ToldServer()
    yield server
    server.stop()


def report(endpoint: str, bucket: str = "backups", aim: Aim | None = None, **more: Any) -> Report:
    """What is found out about a location."""
    auth = {"method": "access_key", "access_key": "AKIAEXAMPLE", "secret_key": CANARY}
    options = {"provider": "minio", "endpoint": endpoint, "bucket": bucket, "auth": auth, **more}
    prober = open_prober(options, {}, aim or Aim())
    try:
        found = probe(prober)
    finally:
        prober.close()
    shown = json.dumps([check.as_result() for check in found.checks]) + json.dumps(prober.identity())
    assert CANARY not in shown
    assert all(check.error_code in {"", *CODES} for check in found.checks)
    assert prober.secrets() <= {CANARY}
    return found


def by_id(found: Report) -> dict[str, Check]:
    return {check.id: check for check in found.checks}


def failures(found: Report) -> list[tuple[str, str]]:
    return [(check.id, check.error_code) for check in found.of(Verdict.FAILED)]


@pytest.mark.parametrize(
    ("bucket", "expected", "stopped_at"),
    [
        ("region-bucket", ("region", "region_mismatch"), Layer.BUCKET),
        ("header-bucket", ("region", "region_mismatch"), Layer.BUCKET),
        ("html-bucket", ("listing", "store_error"), Layer.BUCKET),
        ("other-bucket", ("listing", "store_error"), Layer.BUCKET),
        ("loop-bucket", ("listing", "store_error"), Layer.BUCKET),
        ("moved-bucket", ("listing", "store_error"), Layer.BUCKET),
        ("proxy-bucket", ("listing", "store_error"), Layer.BUCKET),
        ("slow-down-bucket", ("listing", "throttled"), Layer.BUCKET),
        ("full-bucket", ("listing", "quota"), Layer.BUCKET),
        ("missing-bucket", ("bucket", "bucket_not_found"), Layer.BUCKET),
        ("not-here-bucket", ("listing", "unsupported_by_store"), Layer.BUCKET),
        ("unknown-key", ("credentials", "credentials_invalid"), Layer.IDENTITY),
        ("wrong-secret", ("credentials", "credentials_invalid"), Layer.IDENTITY),
        ("expired-key", ("credentials", "credentials_expired"), Layer.IDENTITY),
        ("skewed-clock", ("credentials", "clock_skew"), Layer.IDENTITY),
        ("reset-bucket", ("listing", "endpoint_unreachable"), Layer.BUCKET),
    ],
)
def test_odd_answers(zoo: Zoo, bucket: str, expected: tuple[str, str], stopped_at: Layer) -> None:
    found = report(zoo.plain.endpoint, bucket)
    assert failures(found) == [expected]
    assert found.stopped_at is stopped_at
    assert not found.fit
    failed = by_id(found)[expected[0]]
    assert failed.fix
    assert failed.seen


def test_an_answer_that_never_comes(zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_probe, "READ_SECONDS", 1)
    found = report(zoo.plain.endpoint, "hang-bucket")
    assert failures(found) == [("listing", "endpoint_unreachable")]


@pytest.mark.parametrize(
    ("server", "scheme", "expected"),
    [
        ("misnamed", "https", ("tls", "tls_untrusted")),
        ("expired", "https", ("tls", "tls_untrusted")),
        ("good", "http", ("tls", "endpoint_unreachable")),
        ("plain", "https", ("tls", "endpoint_unreachable")),
        ("ahead", "http", ("clock", "clock_skew")),
        ("reset", "http", ("answer", "endpoint_unreachable")),
        ("silence", "http", ("answer", "endpoint_unreachable")),
    ],
)
def test_odd_endpoints(
    zoo: Zoo, monkeypatch: pytest.MonkeyPatch, server: str, scheme: str, expected: tuple[str, str]
) -> None:
    monkeypatch.setattr(network, "SECONDS", 0.5)
    endpoint = getattr(zoo, server).endpoint
    found = report(scheme + endpoint[endpoint.index(":") :], ca_cert=str(zoo.ca.pair.certificate))
    assert failures(found) == [expected]


@pytest.mark.parametrize("variable", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
def test_the_variables_count_only_without_ca_cert(zoo: Zoo, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    ca, other = str(zoo.ca.pair.certificate), str(zoo.other_ca.pair.certificate)
    for name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    assert s3_probe.trusted_file(ca, {variable: other}) == ca
    assert s3_probe.trusted_file(None, {variable: other}) == other
    assert s3_probe.trusted_file(None, {}).endswith(".pem")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"bucket": "a"}, ("address", "invalid_option")),
        ({"endpoint": "https://user:canary-of-the-secret-key@store"}, ("address", "invalid_option")),
        ({"prefix": "a/../b"}, ("address", "invalid_option")),
        ({"ca_cert": "/nonexistent"}, ("trusted_certificates", "invalid_option")),
    ],
)
def test_options(changes: dict[str, Any], expected: tuple[str, str]) -> None:
    found = report(**{"endpoint": "http://127.0.0.1:1", **changes})
    assert failures(found) == [expected]
    assert found.stopped_at is Layer.PARSE


def test_through_a_proxy(told: ToldServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but the proxy knows the store's name."""
    for name in ("no_proxy", "NO_PROXY", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", told.endpoint.replace("//", "//user:canary-of-the-secret-key@"))
    bucket_of(told)
    found = by_id(report("http://store.invalid:9000", aim=Aim(access=frozenset({"list"}))))
    assert found["proxy"].verdict is Verdict.PASSED
    assert {found[name].verdict for name in ("dns", "tcp", "clock")} == {Verdict.UNKNOWN}
    assert found["listing"].verdict is Verdict.PASSED
    assert told.seen
    assert all(target.startswith("http://store.invalid:9000/") for _method, target in told.seen)


def test_missing_credentials_are_a_finding(zoo: Zoo) -> None:
    found = report(zoo.plain.endpoint, auth={"method": "access_key"})
    assert failures(found) == [("credentials", "credentials_missing")]


# a store that answers as told


def bucket_of(told: ToldServer, **answers: tuple[int, bytes]) -> None:
    """A bucket with one object in which everything is allowed and nothing set; `GET_lifecycle` stands for `GET lifecycle`."""
    absent = {
        "encryption": "ServerSideEncryptionConfigurationNotFoundError",
        "object-lock": "ObjectLockConfigurationNotFoundError",
        "publicAccessBlock": "NoSuchPublicAccessBlockConfiguration",
        "policy": "NoSuchBucketPolicy",
        "policyStatus": "NoSuchBucketPolicy",
        "lifecycle": "NoSuchLifecycleConfiguration",
        "ownershipControls": "OwnershipControlsNotFoundError",
    }
    told.told = {f"GET {name}": (404, xml(code), XML) for name, code in absent.items()}
    told.told |= {
        "GET list-type": (200, listing("backups", "clusters/a/b"), XML),
        "GET versioning": (200, b"<VersioningConfiguration/>", XML),
        "GET requestPayment": (
            200,
            b"<RequestPaymentConfiguration><Payer>BucketOwner</Payer></RequestPaymentConfiguration>",
            XML,
        ),
        "GET uploads": (200, b"<ListMultipartUploadsResult><Bucket>backups</Bucket></ListMultipartUploadsResult>", XML),
        "GET": (404, xml("NoSuchKey"), XML),
        "GET uploadId": (404, xml("NoSuchUpload"), XML),
        "PUT partNumber": (404, xml("NoSuchUpload"), XML),
        "PUT uploadId": (404, xml("NoSuchUpload"), XML),
        "DELETE uploadId": (404, xml("NoSuchUpload"), XML),
        "DELETE": (204, b"", {}),
        "POST uploadId": (412, xml("PreconditionFailed"), XML),
        "POST uploads": (501, xml("NotImplemented"), XML),
    }
    told.told |= {name.replace("_", " ", 1): (*answer, XML) for name, answer in answers.items()}


def posture(told: ToldServer, aim: Aim | None = None) -> dict[str, Check]:
    """The checks of a bucket of which only listing is asked."""
    found = report(told.endpoint, aim=aim or Aim(access=frozenset({"list"})))
    return by_id(found)


def test_a_store_that_ignores_what_it_does_not_know(told: ToldServer) -> None:
    """Ceph answers unknown sub-resources as if they were listings, from which SDKs read that nothing is set."""
    told.otherwise = (200, listing("backups"), XML)
    found = posture(told)
    settings = ("encryption", "versioning", "object_lock", "public_access_block", "policy_status", "ownership")
    assert {found[name].verdict for name in settings} == {Verdict.UNSUPPORTED}
    assert found["requester_pays"].verdict is Verdict.UNSUPPORTED
    assert found["lifecycle_expiry"].verdict is Verdict.UNSUPPORTED


def test_nobody_may_look(told: ToldServer) -> None:
    told.told = {"GET list-type": (200, listing("backups"), XML)}
    found = posture(told)
    for name in (
        "encryption",
        "versioning",
        "object_lock",
        "public_access_block",
        "bucket_acl",
        "policy_status",
        "stale_uploads",
        "replication",
    ):
        assert found[name].verdict is Verdict.UNKNOWN, name
        assert found[name].fix.startswith("Allow s3:Get"), name


def test_nothing_is_set(told: ToldServer) -> None:
    bucket_of(told)
    found = posture(told)
    for name in ("encryption", "versioning", "public_access_block", "stale_uploads", "ownership"):
        assert found[name].verdict is Verdict.WARNING, name
    assert found["object_lock"].verdict is Verdict.PASSED
    assert found["anonymous_listing"].error_code == "bucket_public", "it lists for everybody"
    assert found["conditional_create"].verdict is Verdict.UNKNOWN, "writing was not asked for"
    assert found["anonymous_reading"].error_code == "bucket_public", "nobody is told that there is no such object"
    assert found["anonymous_writing"].error_code == "bucket_public", "nobody is told that there is no such upload"
    assert all("uploadId=" in target for method, target in told.seen if method == "PUT"), "no object was put"


@pytest.mark.parametrize(
    ("answer", "first", "verdict"),
    [
        ((206, b"x"), True, Verdict.FAILED),
        ((416, xml("InvalidRange")), True, Verdict.FAILED),
        ((404, xml("NoSuchKey")), False, Verdict.FAILED),
        ((403, xml("InvalidObjectState")), True, Verdict.FAILED),
        ((403, xml("AccessDenied")), True, Verdict.PASSED),
        ((403, xml("AccessDenied")), False, Verdict.UNKNOWN),
        ((404, b"<html>"), False, Verdict.UNKNOWN),
        ((503, xml("SlowDown")), True, Verdict.UNKNOWN),
    ],
)
def test_what_is_read_without_credentials(
    told: ToldServer, answer: tuple[int, bytes], first: bool, verdict: Verdict
) -> None:
    """AWS does not tell nobody that an object is missing, so that without one there nothing is learnt."""
    bucket_of(told, GET=answer)
    told.told["GET list-type"] = (200, listing("backups", *(["clusters/a/b"] if first else [])), XML)
    assert posture(told)["anonymous_reading"].verdict is verdict


def test_every_thing_is_asked_of_what_does_not_exist(told: ToldServer) -> None:
    bucket_of(told)
    found = report(told.endpoint)
    assert found.permissions()["missing"] == []
    assert {entry["action"] for entry in found.permissions()["allowed"]} == {
        "s3:ListBucket",
        "s3:PutObject",
        "s3:GetObject",
        "s3:DeleteObject",
        "s3:AbortMultipartUpload",
        "s3:ListMultipartUploadParts",
        "s3:ListBucketMultipartUploads",
    }
    # A store that cannot begin uploads is not fit.
    assert failures(found) == [("upload", "unsupported_by_store")]
    puts = [target for method, target in told.seen if method == "PUT"]
    assert puts
    assert all("uploadId=" in target for target in puts), "no object was put"


def test_a_denied_key(told: ToldServer) -> None:
    text = "User: arn:aws:iam::111122223333:user/u is not authorized to perform: kms:GenerateDataKey on resource: k"
    denied = xml("AccessDenied").replace(b">m<", f">{text}<".encode())
    bucket_of(told, POST_uploads=(403, denied))
    found = report(told.endpoint)
    assert failures(found) == [("may_use_key", "permission_denied")]
    assert found.permissions()["missing"] == [
        {"action": "kms:GenerateDataKey", "resource": "the bucket's encryption key"}
    ]


# pure


NAMED = {"action": "s3:GetObject", "resource": "arn:aws:s3:::b/*"}


def refused(code: str = "permission_denied", store_code: str = "AccessDenied", denied: str = "") -> LocationError:
    return LocationError(Failure(code, "Trying: access is denied.", "", store_code, 403, denied=denied))


@pytest.mark.parametrize(
    ("error", "hidden", "granted", "verdict"),
    [
        (refused("key_not_found", "NoSuchKey"), False, "allowed", Verdict.PASSED),
        (refused(), False, "missing", Verdict.FAILED),
        (refused(), True, "unknown", Verdict.UNKNOWN),
        (refused(denied="s3:GetObject"), True, "missing", Verdict.FAILED),
        (refused(denied="s3:ListBucket"), True, "allowed", Verdict.PASSED),
        (refused("throttled", "SlowDown"), False, "unknown", Verdict.UNKNOWN),
    ],
)
def test_what_a_refusal_says(error: LocationError, hidden: bool, granted: str, verdict: Verdict) -> None:
    right = next(one for one in rights(Aim(), "", aws=True, versioning=Reading("unset")) if one.id == "may_read")
    found = judge(right, error, NAMED, hidden=hidden)
    assert (found.granted, found.verdict) == (granted, verdict)


def deletion(aws: bool, state: Any) -> dict[str, Any]:
    versioning = Reading(state, Versioning("Enabled") if state == "set" else None)
    every = rights(Aim(), "p/", aws=aws, versioning=versioning)
    found = dict(next(one for one in every if one.id == "may_delete").parameters)
    assert found.pop("Key").startswith("p/clusters/stowage-probe/metadata/stowage/probe-")
    return found


def test_no_deletion_can_leave_a_marker() -> None:
    assert deletion(True, "set") == deletion(True, "unknown") == {"IfMatch": "*"}
    assert (
        deletion(False, "set") == deletion(False, "denied") == deletion(False, "unsupported") == {"VersionId": "null"}
    )
    assert deletion(False, "unset") == {}, "a bucket that never had versions has no markers"


@pytest.mark.parametrize(
    ("access", "ids"),
    [
        ({"list"}, ["may_list"]),
        ({"list", "read"}, ["may_list", "may_read"]),
        ({"list", "write"}, ["may_list", "may_create", "may_abort_uploads", "may_list_parts"]),
        ({"list", "delete"}, ["may_list", "may_delete", "may_list_uploads"]),
    ],
)
def test_only_what_is_needed_is_asked_for(access: set[Access], ids: list[str]) -> None:
    aim = Aim(access=frozenset(access))
    assert [one.id for one in rights(aim, "", aws=True, versioning=Reading("unset"))] == ids


def test_a_cluster_narrows_what_is_asked_for() -> None:
    every = rights(Aim("c"), "p/", aws=True, versioning=Reading("unset"))
    parameters = {one.id: dict(one.parameters) for one in every}
    assert parameters["may_list"]["Prefix"] == "p/clusters/c/"
    assert all(
        part["Key"].startswith("p/clusters/c/metadata/stowage/probe") for part in parameters.values() if "Key" in part
    )


def test_the_account() -> None:
    assert s3_probe.account_check("111122223333", "111122223333").verdict is Verdict.PASSED
    wrong = s3_probe.account_check("111122223333", "444455556666")
    assert (wrong.verdict, wrong.error_code) == (Verdict.FAILED, "wrong_account")


@pytest.mark.parametrize(
    ("server", "known"),
    [
        ("SeaweedFS 8000GB 4.48", True),
        ("SeaweedFS 30GB 5.1", True),
        ("SeaweedFS 30GB 3.97", False),
        ("SeaweedFS", False),
        ("MinIO", False),
        ("", False),
    ],
)
def test_what_is_known_of_stores(server: str, known: bool) -> None:
    assert known_to_honour(server) is known


# answers as AWS gives them, to requests that are not sent


class Scripted(S3Calls):
    """Answers each operation, or refuses it, as told; remembers what it was asked."""

    def __init__(self, *, owner: str = "", **answers: dict[str, Any] | BaseException) -> None:
        options = {"provider": "aws", "bucket": "backups", "region": "eu-west-1", "bucket_owner": owner}
        super().__init__(None, s3_client.S3Settings.from_options(options, {}), threading.Event())
        self._answers = answers
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def once(self, operation: str, what: str, **parameters: Any) -> dict[str, Any]:
        assert what
        self.asked.append((operation, parameters))
        answer = self._answers[operation]
        if isinstance(answer, BaseException):
            raise answer
        return answer


def with_region(region: str) -> dict[str, Any]:
    return {"ResponseMetadata": {"HTTPHeaders": {"x-amz-bucket-region": region}}}


@pytest.mark.parametrize(
    ("listed", "headed", "verdict"),
    [
        ("eu-west-1", "", Verdict.PASSED),
        ("us-east-1", "", Verdict.FAILED),
        ("", "eu-west-1", Verdict.PASSED),
        ("", "us-east-1", Verdict.FAILED),
        ("", "", Verdict.UNSUPPORTED),
        ("", "<b>", Verdict.UNSUPPORTED),
    ],
)
def test_the_region(listed: str, headed: str, verdict: Verdict) -> None:
    """A redirect that is followed leaves no other trace than the header."""
    found = region_check(Scripted(head_bucket=with_region(headed)), Listing("", genuine=True, region=listed))
    assert found.verdict is verdict
    assert found.error_code == ("region_mismatch" if verdict is Verdict.FAILED else "")


def test_the_owner() -> None:
    calls = Scripted(list_objects_v2={})
    assert owner_check(calls, "111122223333", "p/").verdict is Verdict.PASSED
    assert calls.asked == [("list_objects_v2", {"Prefix": "p/", "MaxKeys": 1, "ExpectedBucketOwner": "111122223333"})]
    other = owner_check(Scripted(list_objects_v2=refused()), "111122223333", "p/")
    assert (other.verdict, other.error_code) == (Verdict.WARNING, "bucket_wrong_owner")
    assert owner_check(calls, "", "p/").verdict is Verdict.UNKNOWN
    assert owner_check(Scripted(list_objects_v2=refused("throttled", "SlowDown")), "1", "").verdict is Verdict.UNKNOWN


@pytest.mark.parametrize("account", ["111122223333", ""])
def test_the_owner_that_the_location_names(account: str) -> None:
    """A bucket in another account than the caller's is the common case; that it could be listed shows that it is there."""
    calls = Scripted(owner="444455556666")
    found = owner_check(calls, account, "p/")
    assert found.verdict is Verdict.PASSED
    assert "444455556666" in found.seen
    assert calls.asked == []


def test_a_marker_that_was_made_after_all_is_taken_back() -> None:
    right = next(one for one in rights(Aim(), "", aws=True, versioning=Reading("unset")) if one.id == "may_delete")
    calls = Scripted(delete_object={"DeleteMarker": True, "VersionId": "v1"})
    assert ask(calls, right, "", hidden=False).granted == "allowed"
    key = right.parameters["Key"]
    assert [parameters for _operation, parameters in calls.asked] == [
        {"Key": key, "IfMatch": "*"},
        {"Key": key, "VersionId": "v1"},
    ]


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"upload_part": {"ChecksumCRC32": "RoZdgA=="}}, "passed"),
        ({"upload_part": refused("quota", "XMinioStorageFull")}, "failed"),
    ],
)
def test_an_upload_is_aborted_whatever_happens(parts: dict[str, Any], expected: str) -> None:
    calls = Scripted(create_multipart_upload={"UploadId": "u"}, abort_multipart_upload={}, **parts)
    seen, found = upload_round(calls, "k", look=False)
    assert found.verdict.value == expected
    assert calls.asked[-1] == ("abort_multipart_upload", {"Key": "k", "UploadId": "u"})
    if expected == "passed":
        assert seen.compared is False, "it takes what is damaged"
        assert checksum_check(seen).verdict is Verdict.UNSUPPORTED


def test_an_upload_is_aborted_when_the_task_is_ended() -> None:
    calls = Scripted(create_multipart_upload={"UploadId": "u"}, abort_multipart_upload={}, upload_part=SystemExit())
    with pytest.raises(SystemExit):
        upload_round(calls, "k", look=False)
    assert calls.asked[-1][0] == "abort_multipart_upload"


def pending_at(**ages: float) -> dict[str, Any]:
    """A listing of unfinished uploads of a key, by their ids and ages in seconds."""
    now = datetime.datetime.now(datetime.UTC)
    uploads = [
        {"Key": "k", "UploadId": name, "Initiated": now - datetime.timedelta(seconds=age)} for name, age in ages.items()
    ]
    other = {"Key": "k/other", "UploadId": "other", "Initiated": now}
    return {"Bucket": "backups", "Uploads": [*uploads, other]}


LOST = LocationError(Failure("endpoint_unreachable", "Lost.", "", transient=True, doubt="unknown"))


@pytest.mark.parametrize("begun", [LOST, {}], ids=["no answer", "no id"])
def test_an_upload_that_was_begun_without_an_answer_is_ended(begun: Any) -> None:
    """Those of probes before this one are left to be swept, for they may be another's at work."""
    listed = pending_at(mine=-1, older=60)
    calls = Scripted(create_multipart_upload=begun, list_multipart_uploads=listed, abort_multipart_upload={})
    seen, found = upload_round(calls, "k", look=False)
    assert (found.id, found.verdict) == ("upload", Verdict.FAILED)
    assert "may have been begun" not in found.seen
    assert seen.echoed is None
    asked = [(name, parameters) for name, parameters in calls.asked if name != "list_multipart_uploads"]
    assert [name for name, _parameters in asked] == ["create_multipart_upload", "abort_multipart_upload"]
    assert asked[1][1] == {"Key": "k", "UploadId": "mine"}


@pytest.mark.parametrize("refuses", ["list_multipart_uploads", "abort_multipart_upload"])
def test_an_upload_that_may_be_left_is_said(refuses: str) -> None:
    answers: dict[str, Any] = {"list_multipart_uploads": pending_at(mine=-1), refuses: refused("store_error", "Odd")}
    found = upload_round(Scripted(create_multipart_upload=LOST, **answers), "k", look=False)[1]
    assert found.verdict is Verdict.FAILED
    assert "An upload may have been begun" in found.seen


@pytest.mark.parametrize(("status", "again"), [(0, False), (400, True), (500, False), (501, True), (503, False)])
def test_an_upload_is_begun_again_only_where_the_first_surely_was_not(status: int, again: bool) -> None:
    odd = LocationError(Failure("store_error", "Odd.", "", "Odd", status))
    calls = Scripted(create_multipart_upload=odd)
    assert upload_round(calls, "k", look=False)[1].verdict is Verdict.FAILED
    assert [name for name, _parameters in calls.asked] == ["create_multipart_upload"] * (1 + again)


def test_an_upload_that_cannot_be_aborted_is_said() -> None:
    calls = Scripted(
        create_multipart_upload={"UploadId": "u"}, upload_part={}, abort_multipart_upload=refused("store_error", "Odd")
    )
    assert upload_round(calls, "k", look=False)[1].verdict is Verdict.FAILED


def test_who_minio_says_we_are() -> None:
    assert account_name(b'{"AccountName": "backup", "Buckets": []}') == "backup"
    for body in (b"", b"[]", b"<html>", b'{"AccountName": 7}', b"{" * 5000, b" " * (2 << 20)):
        assert account_name(body) == ""


@pytest.mark.parametrize(
    ("body", "root"),
    [
        (b'<?xml version="1.0" encoding="UTF-8"?>\n<VersioningConfiguration xmlns="x"/>', "VersioningConfiguration"),
        (b"<VersioningConfiguration>", "VersioningConfiguration"),
        (b"<s3:Policy attr='1'>", "Policy"),
        (b"<!DOCTYPE html><html>", ""),
        (b"{}", ""),
        (b"", ""),
    ],
)
def test_root_elements(body: bytes, root: str) -> None:
    assert root_element(body) == root


def test_a_missing_package_fails_the_task(monkeypatch: pytest.MonkeyPatch) -> None:
    import botocore

    monkeypatch.setattr(botocore, "__version__", "1.35.99")
    with pytest.raises(StowageError) as caught:
        open_prober({"provider": "minio"}, {}, Aim())
    assert caught.value.code == "dependency_missing"


def test_an_unsigned_client_sends_no_signature(told: ToldServer) -> None:
    settings = s3_client.S3Settings.from_options(
        {"provider": "minio", "endpoint": told.endpoint, "bucket": "backups"}, {}
    )
    client = s3_client.make_client(settings, None, None, signed=False)
    told.told = {"GET list-type": (200, listing("backups"), XML)}
    assert client.list_objects_v2(Bucket="backups")["Name"] == "backups"
    assert dataclasses.replace(settings, bucket="other").bucket == "other"
    client.close()
