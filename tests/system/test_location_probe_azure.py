# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What validation finds out about a real Azurite over TLS, and that it leaves nothing there.

Azurite enforces what a SAS permits, with the error codes of Azure. It lists what has only uncommitted blocks as Azure does, if asked
to, but with an ETag and the time of the blocks. What it does otherwise: a SAS that is not valid is answered AuthorizationFailure,
which is Azure's firewall; whoever has a token may do everything; there are no versions, locks, lifecycle rules and firewalls.
Those are in the unit tests, by answers as Microsoft documents them.
"""

from __future__ import annotations

import base64
import datetime
import json
import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import network
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import probe as probe_file
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.prober import STALE, Aim
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.registry import open_prober
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.report import Layer, Report, Verdict
from faults import Fault, FaultProxy, answer, cut_request, hold, reset, swallow
from support import modules
from testbed import Azurite, Testbed
from testbed.entra import Entra

PREFIX, CLUSTER = "fleet", "c"
UPLOAD = f"{PREFIX}/clusters/{CLUSTER}/metadata/stowage/probe"
ALL = "rwdl"
ACTIONS = {
    f"Microsoft.Storage/storageAccounts/blobServices/containers/blobs/{name}" for name in ("read", "write", "delete")
}


def options(store: Azurite, bucket: str, auth: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """A location in a container, by the account's key or by something else."""
    return {
        "provider": "azure",
        "storage_account": store.account,
        "endpoint": store.endpoint,
        "bucket": bucket,
        "prefix": PREFIX,
        "ca_cert": str(store.ca_cert) if store.ca_cert else None,
        "auth": auth or {"method": "account_key", "account_key": store.key},
        **more,
    }


def by_sas(token: str) -> dict[str, Any]:
    return {"method": "sas", "sas_token": token}


def look(location: dict[str, Any], **more: Any) -> dict[str, Any]:
    """What the module returns about a location; no secret is in it."""
    found = modules.run("backup_location_info", {"location": location, **more})
    for name in ("account_key", "sas_token", "secret"):
        secret = location["auth"].get(name)
        assert not secret or secret not in json.dumps(found)
    signature = location["auth"].get("sas_token", "sig=there-is-none").rpartition("sig=")[2]
    assert signature not in json.dumps(found)
    result: dict[str, Any] = found["location"]
    return result


def verdicts(found: dict[str, Any]) -> dict[str, str]:
    return {check["id"]: check["verdict"] for check in found["checks"]}


def seen(found: dict[str, Any], name: str) -> str:
    return " ".join(check["seen"] for check in found["checks"] if check["id"] == name)


def failures(found: dict[str, Any]) -> list[tuple[str, str]]:
    return [(check["id"], check["error_code"]) for check in found["checks"] if check["verdict"] == "failed"]


def actions(found: dict[str, Any], kind: str) -> set[str]:
    return {entry["action"] for entry in found["permissions"][kind]}


def traces(store: Azurite, bucket: str) -> list[str]:
    """All blobs, and those that have only blocks which nobody committed."""
    return store.keys(bucket) + [f"blocks of {key}" for key in store.uploads(bucket)]


def new_bucket(store: Azurite) -> str:
    return store.create_bucket(f"probe-{uuid.uuid4().hex[:12]}")


@pytest.fixture(scope="module")
def shared(azurite: Azurite) -> str:
    """A container that tests of permissions share; they leave it empty."""
    return new_bucket(azurite)


@pytest.fixture(scope="module")
def entra(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Entra]:
    """A server that gives tokens."""
    with Entra(tmp_path_factory.mktemp("entra")) as server:
        yield server


# what is fine


def test_a_container_that_is_fit(azurite: Azurite) -> None:
    bucket = new_bucket(azurite)
    azurite.write(bucket, f"{PREFIX}/clusters/{CLUSTER}/backups/b/x", b"x")
    before = traces(azurite, bucket)
    found = look(options(azurite, bucket), cluster=CLUSTER)
    assert failures(found) == []
    assert found["fit"] is True
    assert actions(found, "allowed") == ACTIONS
    assert actions(found, "missing") == actions(found, "unknown") == set()
    checks = verdicts(found)
    for name in ("tls", "clock", "credentials", "bucket", "listing", "upload", "conditional_create", "checksums"):
        assert checks[name] == "passed", name
    for name in ("encryption", "public_access", "anonymous_listing", "legal_hold", "foreign_names"):
        assert checks[name] == "passed", name
    assert checks["versioning"] == "warning", "Azurite keeps none"
    assert found["settings"]["public_access"] == "private"
    assert found["identity"] == {"storage_account": azurite.account}
    assert found["address"] == f"azure://{azurite.account}/{bucket}/{PREFIX}"
    assert traces(azurite, bucket) == before
    assert azurite.read(bucket, before[0]) == b"x", "what a condition was tried on is as it was"


def test_what_an_empty_container_cannot_show(azurite: Azurite, shared: str) -> None:
    checks = verdicts(look(options(azurite, shared)))
    assert checks["conditional_create"] == "unknown"
    assert checks["versioning"] == "unknown"


def test_soft_delete(testbed: Testbed) -> None:
    from azure.storage.blob import RetentionPolicy

    own = testbed.azurite()
    bucket = new_bucket(own)
    try:
        assert verdicts(look(options(own, bucket)))["soft_delete"] in {"unknown", "warning"}
        with own.client() as client:
            client.set_service_properties(delete_retention_policy=RetentionPolicy(enabled=True, days=9))
        found = look(options(own, bucket))
        assert verdicts(found)["soft_delete"] == "passed"
        assert found["settings"]["soft_delete_days"] == 9
        narrow = look(options(own, bucket, by_sas(own.sas(bucket, ALL))))
        assert verdicts(narrow)["soft_delete"] == "unknown"
        assert narrow["settings"]["soft_delete_days"] is None
        with own.client() as client:
            client.set_service_properties(delete_retention_policy=RetentionPolicy(enabled=False))
        assert verdicts(look(options(own, bucket)))["soft_delete"] == "warning"
        assert traces(own, bucket) == []
    finally:
        testbed.stop(own)


# permissions


@pytest.mark.parametrize("forbidden", ALL)
def test_exactly_the_letter_that_is_missing_is_named(azurite: Azurite, shared: str, forbidden: str) -> None:
    token = azurite.sas(shared, "rac" + ALL.replace(forbidden, "") if forbidden != "r" else "acwdl")
    found = look(options(azurite, shared, by_sas(token)))
    resource = f"storageAccounts/{azurite.account}/blobServices/default/containers/{shared}"
    resource += "" if forbidden == "l" else f"/blobs/{PREFIX}/*"
    assert found["permissions"]["missing"] == [{"action": f"sp={forbidden}", "resource": resource}]
    assert actions(found, "unknown") == set()
    assert found["stopped_at"] == "permission"
    assert found["fit"] is False
    assert [check["fix"] for check in found["checks"] if check["verdict"] == "failed"]
    assert verdicts(found)["bucket"] == "passed", "that shows without the right to list, too"
    assert traces(azurite, shared) == []


@pytest.mark.parametrize("forbidden", ALL)
def test_what_a_stored_policy_lacks_is_asked_for(azurite: Azurite, forbidden: str) -> None:
    """The token does not say what it permits, so the store is asked; this proves the requests."""
    from azure.storage.blob import AccessPolicy, generate_container_sas

    bucket = new_bucket(azurite)
    now = datetime.datetime.now(datetime.UTC)
    allowed = "".join(letter for letter in "racwdl" if letter != forbidden)
    policy: Any = AccessPolicy(
        permission=allowed, expiry=now + datetime.timedelta(hours=1), start=now - datetime.timedelta(1)
    )
    with azurite.client() as client:
        client.get_container_client(bucket).set_container_access_policy({"writers": policy})
    token = generate_container_sas(azurite.account, bucket, account_key=azurite.key, policy_id="writers")
    found = look(options(azurite, bucket, by_sas(token)))
    assert actions(found, "missing") == {f"sp={forbidden}"}
    assert actions(found, "unknown") == set()
    fixes = [check["fix"] for check in found["checks"] if check["verdict"] == "failed"]
    assert fixes
    assert all("stored access policy writers" in fix for fix in fixes)
    assert verdicts(found)["credentials_expiry"] == "unknown"
    assert traces(azurite, bucket) == []


def test_all_that_is_missing_is_named_in_one_go(azurite: Azurite, shared: str) -> None:
    found = look(options(azurite, shared, by_sas(azurite.sas(shared, "c"))))
    assert actions(found, "missing") == {"sp=r", "sp=w", "sp=d", "sp=l"}
    assert traces(azurite, shared) == []


def test_to_create_is_not_enough_to_write(azurite: Azurite, shared: str) -> None:
    """Azure takes no blocks for the letter c alone, and backups are written in blocks."""
    found = look(options(azurite, shared, by_sas(azurite.sas(shared, "rcdl"))))
    assert actions(found, "missing") == {"sp=w"}


def test_a_writer_that_deletes_nothing(azurite: Azurite) -> None:
    bucket = new_bucket(azurite)
    found = look(options(azurite, bucket, by_sas(azurite.sas(bucket, "wl"))), cluster=CLUSTER, access=["write"])
    assert found["fit"] is True
    assert actions(found, "missing") == {"sp=d"}
    checks = verdicts(found)
    assert checks["may_abort_uploads"] == "warning"
    assert checks["upload"] == checks["checksums"] == "passed"
    assert "may_delete" not in checks
    assert traces(azurite, bucket) == [], "a block that could not be taken back is not sent"


def test_a_reader(azurite: Azurite, shared: str) -> None:
    found = look(options(azurite, shared, by_sas(azurite.sas(shared, "rl"))), access=["read"])
    assert found["fit"] is True
    assert actions(found, "allowed") == {"sp=r", "sp=l"}
    assert "upload" not in verdicts(found)


def account_sas(store: Azurite, services: dict[str, bool], kinds: dict[str, bool], permissions: str = ALL) -> str:
    """A SAS of the account, for HTTPS only."""
    from azure.storage.blob import ResourceTypes, Services, generate_account_sas

    return str(
        generate_account_sas(
            store.account,
            store.key,
            ResourceTypes(**kinds),
            permissions,
            datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=30),
            services=Services(**services),
            protocol="https",
        )
    )


def test_a_sas_of_the_account(azurite: Azurite, shared: str) -> None:
    token = account_sas(azurite, {"blob": True}, {"container": True, "object": True})
    found = look(options(azurite, shared, by_sas(token)))
    assert found["fit"] is True
    assert found["identity"] == {"storage_account": azurite.account, "sas": "account"}
    checks = verdicts(found)
    assert checks["sas"] == checks["credentials_expiry"] == "passed"
    assert checks["public_access"] == checks["object_lock"] == "passed", "it may read the container's properties"


def test_a_sas_of_the_account_for_blobs_without_containers(azurite: Azurite, shared: str) -> None:
    token = account_sas(azurite, {"blob": True}, {"object": True})
    found = look(options(azurite, shared, by_sas(token)))
    assert actions(found, "missing") == {"srt=c"}
    token = account_sas(azurite, {"blob": True}, {"container": True})
    found = look(options(azurite, shared, by_sas(token)))
    assert actions(found, "missing") == {"srt=o"}
    assert (
        found["permissions"]["missing"].count(
            {"action": "srt=o", "resource": found["permissions"]["missing"][0]["resource"]}
        )
        == 1
    )


def test_a_sas_of_a_container_reads_no_properties(azurite: Azurite, shared: str) -> None:
    checks = verdicts(look(options(azurite, shared, by_sas(azurite.sas(shared, ALL)))))
    assert checks["object_lock"] == checks["legal_hold"] == checks["default_retention"] == "unknown"
    assert checks["public_access"] == "passed", "that shows to somebody without credentials, too"
    assert checks["sas"] == "warning", "it may be used over plain HTTP"
    assert checks["credentials_expiry"] == "warning", "it ends within two weeks"


# who


def principal(entra: Entra, **more: Any) -> dict[str, Any]:
    application = entra.register()
    return {
        "method": "service_principal",
        "tenant": entra.tenant,
        "client_id": application.client_id,
        "secret": application.secret,
        "authority": entra.authority,
        **more,
    }


@pytest.fixture
def both(azurite: Azurite, entra: Entra, tmp_path: Path) -> str:
    """The certificates of both authorities."""
    assert azurite.ca_cert is not None
    path = tmp_path / "both.pem"
    path.write_text(azurite.ca_cert.read_text("utf-8") + entra.ca_cert.read_text("utf-8"), encoding="utf-8")
    return str(path)


def test_an_application(azurite: Azurite, entra: Entra, both: str, shared: str) -> None:
    auth = principal(entra, account=entra.tenant)
    found = look(options(azurite, shared, auth, ca_cert=both))
    assert found["fit"] is True
    assert actions(found, "allowed") == ACTIONS
    identity = found["identity"]
    assert identity["tenant"] == entra.tenant
    assert identity["client_id"] == auth["client_id"]
    assert identity["object_id"]
    assert verdicts(found)["account"] == "passed"


def test_an_application_of_another_tenant(azurite: Azurite, entra: Entra, both: str) -> None:
    bucket = new_bucket(azurite)
    location = options(azurite, bucket, principal(entra, account=str(uuid.uuid4())), ca_cert=both)
    found = look(location)
    assert failures(found) == [("account", "wrong_account")]
    assert found["stopped_at"] == "identity"
    from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
    from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.registry import open_location

    opened = open_location(location, {})
    for act in (
        lambda: opened.create("a", b"x"),
        lambda: opened.writer("b"),
        lambda: opened.delete(["c"]),
    ):
        with pytest.raises(StowageError) as caught:
            act()
        assert caught.value.code == "wrong_account"
    assert list(opened.list("")) == []
    opened.close()
    assert traces(azurite, bucket) == []


def test_an_application_that_is_refused(azurite: Azurite, entra: Entra, both: str, shared: str) -> None:
    auth = principal(entra, secret="not-the-secret")
    assert failures(look(options(azurite, shared, auth, ca_cert=both))) == [("credentials", "credentials_invalid")]
    # The store is trusted, whoever gives tokens is not.
    assert failures(look(options(azurite, shared, principal(entra)))) == [("credentials", "tls_untrusted")]


# nothing is left behind


def probed(location: dict[str, Any]) -> Report:
    """A report of a prober in this process."""
    prober = open_prober(location, {}, Aim(CLUSTER))
    try:
        return probe_file.probe(prober)
    finally:
        prober.close()


def test_a_hundred_probes_leave_nothing(azurite: Azurite) -> None:
    """Azurite has neither versions nor locks; what a lock changes is tested without a server."""
    bucket = new_bucket(azurite)
    for _dummy in range(100):
        found = probed(options(azurite, bucket))
        assert found.fit, found
    assert traces(azurite, bucket) == []


@pytest.fixture(scope="module")
def plain_azurite(testbed: Testbed) -> Azurite:
    """An Azurite without TLS, for a proxy to read along."""
    return testbed.azurite(tls=False)


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Azurite answers a look at its address with 400, whereupon it is asked whether it speaks TLS; the proxy waits for more."""
    monkeypatch.setattr(network, "SECONDS", 2.0)


BLOCK, DROP, ASK = r"comp=block&", r"/metadata/stowage/probe$", r"comp=blocklist"
BUSY = answer(503, b"<Error><Code>ServerBusy</Code></Error>", x_ms_error_code="ServerBusy")


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize(
    ("fault", "fails"),
    [
        (Fault(swallow(), "DELETE", DROP), []),
        (Fault(reset(), "DELETE", DROP, times=2), []),
        (Fault(BUSY, "DELETE", DROP), []),
        (Fault(BUSY, "PUT", BLOCK), [("upload", "throttled")]),
        (Fault(BUSY, "PUT", BLOCK, skip=1), [("upload", "throttled")]),
        (Fault(swallow(), "PUT", BLOCK, skip=1), [("upload", "endpoint_unreachable")]),
        (Fault(cut_request(), "PUT", BLOCK, skip=1), [("upload", "endpoint_unreachable")]),
    ],
    ids=["lost drop", "reset drop", "busy drop", "busy damage", "busy block", "lost block", "cut block"],
)
def test_what_breaks_in_the_middle_leaves_nothing(
    plain_azurite: Azurite, fault: Fault, fails: list[tuple[str, str]]
) -> None:
    bucket = new_bucket(plain_azurite)
    with FaultProxy(plain_azurite.endpoint) as proxy:
        proxy.add(fault)
        found = probed(options(plain_azurite, bucket, endpoint=proxy.endpoint))
    assert fault.hits
    assert [(check.id, check.error_code) for check in found.of(Verdict.FAILED)] == fails
    assert found.fit is not bool(fails)
    assert traces(plain_azurite, bucket) == []


@pytest.mark.usefixtures("_impatient")
def test_a_permission_that_could_not_be_asked_for_is_unknown(plain_azurite: Azurite) -> None:
    bucket = new_bucket(plain_azurite)
    with FaultProxy(plain_azurite.endpoint) as proxy:
        proxy.add(Fault(BUSY, "PUT", ASK))
        found = probed(options(plain_azurite, bucket, endpoint=proxy.endpoint))
    assert [check.id for check in found.of(Verdict.UNKNOWN) if check.layer is Layer.PERMISSION] == [
        "may_create",
        "upload",
    ]
    assert found.fit is False
    assert traces(plain_azurite, bucket) == []


KILLED = """
import json, sys
from support.modules import run
run("backup_location_info", json.load(sys.stdin))
"""


def test_a_probe_that_is_killed_leaves_at_most_a_block_and_that_is_swept(
    plain_azurite: Azurite, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = new_bucket(plain_azurite)
    with FaultProxy(plain_azurite.endpoint) as proxy:
        location = options(plain_azurite, bucket, endpoint=proxy.endpoint)
        held = proxy.add(Fault(hold(threading.Event()), "DELETE", DROP, times=None))
        kill_at(held.hit, json.dumps({"location": location, "cluster": CLUSTER}))
    assert traces(plain_azurite, bucket) == [f"blocks of {UPLOAD}"]
    monkeypatch.setattr(probe_file, "STALE", STALE * 0)
    # Not with an upload of its own, which would take back the blocks of all who use the name.
    aim = Aim(CLUSTER, frozenset({"list", "read"}))
    prober = open_prober(options(plain_azurite, bucket), {}, aim)
    probe_file.probe(prober)
    assert [check.verdict.value for check in probe_file.sweep(prober, aim)] == ["warning"]
    prober.close()
    assert traces(plain_azurite, bucket) == []


def test_the_next_probe_takes_back_what_a_killed_one_left(azurite: Azurite) -> None:
    bucket = new_bucket(azurite)
    with azurite.client() as client:
        # All ids of a blob's blocks have one length.
        client.get_blob_client(bucket, UPLOAD).stage_block("x" * 24, b"x")
    assert traces(azurite, bucket) == [f"blocks of {UPLOAD}"]
    assert look(options(azurite, bucket), cluster=CLUSTER)["fit"] is True
    assert traces(azurite, bucket) == []


def test_probes_at_the_same_time_do_not_disturb_each_other(azurite: Azurite) -> None:
    bucket = new_bucket(azurite)

    def once(_dummy: int) -> tuple[bool, list[str]]:
        found = probed(options(azurite, bucket))
        return found.fit, [check.seen for check in found.of(Verdict.FAILED)]

    with futures.ThreadPoolExecutor(6) as pool:
        assert list(pool.map(once, range(18))) == [(True, [])] * 18
    assert traces(azurite, bucket) == []


def kill_at(event: threading.Event, job: str) -> None:
    """Runs the module in processes of its own, and kills all of them when the event is set."""
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True
    )
    assert process.stdin is not None
    try:
        process.stdin.write(job.encode())
        process.stdin.close()
        assert event.wait(120)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


# what is wrong


def test_what_is_wrong_with_containers_and_keys(azurite: Azurite) -> None:
    bucket = new_bucket(azurite)
    assert failures(look(options(azurite, "there-is-no-such"))) == [("bucket", "bucket_not_found")]
    wrong = {"method": "account_key", "account_key": base64.b64encode(b"not the key").decode()}
    assert failures(look(options(azurite, bucket, wrong))) == [("credentials", "credentials_invalid")]
    none = {"method": "account_key", "account_key": "no base64!"}
    assert failures(look(options(azurite, bucket, none))) == [("credentials", "credentials_invalid")]
    assert failures(look(options(azurite, bucket, storage_account="Not-A-Name"))) == [("address", "invalid_option")]
    assert failures(look(options(azurite, bucket, ca_cert=None))) == [("tls", "tls_untrusted")]
    plain = options(azurite, bucket, endpoint=azurite.endpoint.replace("https", "http"))
    assert failures(look(plain)) == [("tls", "endpoint_unreachable")]
    assert traces(azurite, bucket) == []


def test_a_container_that_is_not_there_shows_without_the_right_to_list(azurite: Azurite) -> None:
    found = look(options(azurite, "there-is-no-such", by_sas(azurite.sas("there-is-no-such", "rwd"))))
    assert failures(found) == [("bucket", "bucket_not_found")]


def test_a_sas_out_of_its_time(azurite: Azurite, shared: str) -> None:
    found = look(options(azurite, shared, by_sas(azurite.sas(shared, ALL, hours=-1))))
    assert failures(found) == [("credentials_expiry", "credentials_expired")]
    assert found["stopped_at"] == "identity"


def test_a_sas_that_was_tampered_with(azurite: Azurite, shared: str) -> None:
    """Azure answers AuthenticationFailed, which is the check of the credentials; Azurite what Azure's firewall does."""
    token = azurite.sas(shared, "rl").replace("sp=rl", "sp=rwdl")
    found = look(options(azurite, shared, by_sas(token)))
    assert failures(found) == [("network_rules", "permission_denied")]
    assert verdicts(found)["credentials"] == "unknown"
    assert found["permissions"]["missing"] == [], "nothing is blamed on permissions"


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("blob", {("public_access", "bucket_public")}),
        ("container", {("public_access", "bucket_public"), ("anonymous_listing", "bucket_public")}),
    ],
)
def test_a_public_container(azurite: Azurite, level: str, expected: set[tuple[str, str]]) -> None:
    bucket = new_bucket(azurite)
    with azurite.client() as client:
        public: Any = level
        client.get_container_client(bucket).set_container_access_policy({}, public_access=public)
    for auth in (None, by_sas(azurite.sas(bucket, ALL))):
        found = look(options(azurite, bucket, auth))
        assert set(failures(found)) == expected
        assert found["stopped_at"] == "posture"
    assert traces(azurite, bucket) == []


def test_a_prefix_that_others_use(azurite: Azurite) -> None:
    bucket = new_bucket(azurite)
    azurite.write(bucket, f"{PREFIX}/dump.sql.gz", b"x")
    assert verdicts(look(options(azurite, bucket)))["foreign_names"] == "warning"


def test_a_task_that_is_to_fail(azurite: Azurite, shared: str) -> None:
    token = azurite.sas(shared, "rwl")
    location = options(azurite, shared, by_sas(token))
    with pytest.raises(modules.Failed) as caught:
        modules.run("backup_location_info", {"location": location, "fail_on": "failed"})
    result = caught.value.result
    assert result["error_code"] == "location_unfit"
    assert result["error_details"] == {"checks": ["may_delete"], "first_error_code": "permission_denied"}
    assert "d (delete)" in result["hint"]
    assert token.rpartition("sig=")[2] not in json.dumps(result)
