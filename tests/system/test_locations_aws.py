# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways to authenticate to AWS, against an emulator that enforces IAM: who gets in, who does not, and what that is called."""

from __future__ import annotations

import datetime
import json
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import botocore.auth
import pytest
from botocore.exceptions import ClientError

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.base import Location
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.registry import open_location
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.rules import check_location
from support import fake_cluster as fake
from support import modules
from support.aws import Issuer, allow, document, trust
from support.fake_cluster import FakeCluster
from support.served_cluster import served
from testbed import MiniStack, Testbed
from testbed.ministack import BUCKET_ACCOUNT, OTHER_ACCOUNT, WORKLOAD_ACCOUNT
from testbed.process import wait_until

EXTERNAL_ID = "acme-7f3c"
SUBJECT = "system:serviceaccount:velero:stowage"
PART = 8 << 20
KEY = "clusters/c/backups/b/b.tar.gz"
# The last part of names in this run: roles and users are of the whole server.
RUN = uuid.uuid4().hex[:8]


def code_of(action: Callable[[], object]) -> str:
    """The error code that an action fails with."""
    with pytest.raises(StowageError) as caught:
        action()
    assert caught.value.hint
    return caught.value.code


class Accounts:
    """A bucket in one account; a role there that may use it, and a user of another account who may take the role over."""

    def __init__(self, aws: MiniStack, tokens: Path) -> None:
        self.aws = aws
        self.issuer = Issuer("https://oidc.example.com/id/" + RUN)
        self._tokens = tokens
        self._locations: list[Location] = []
        self._count = 0
        self.bucket = aws.create_bucket(self.unique("backups"))
        arn = f"arn:aws:s3:::{self.bucket}"
        self.use = document(allow("s3:*", [arn, f"{arn}/*"]))
        caller = {"AWS": f"arn:aws:iam::{WORKLOAD_ACCOUNT}:root"}
        guarded = trust(caller, StringEquals={"sts:ExternalId": EXTERNAL_ID})
        self.role = aws.role(BUCKET_ACCOUNT, self.unique("stowage"), guarded, self.use)
        self.user = aws.user(WORKLOAD_ACCOUNT, self.unique("user"), document(allow("sts:AssumeRole", self.role)))

    def unique(self, name: str) -> str:
        """A name that nothing else has."""
        self._count += 1
        return f"{name}-{RUN}-{uuid.uuid4().hex[:8]}-{self._count}"

    def open(self, auth: dict[str, Any], **more: Any) -> Location:
        """A location in the bucket; options are checked as a module would."""
        where = {"endpoint": self.aws.endpoint, "ca_cert": str(self.aws.ca_cert), "region": self.aws.region}
        sts = {"sts_endpoint": self.aws.endpoint}
        options = {
            "provider": "aws",
            "bucket": self.bucket,
            "prefix": "fleet",
            **where,
            "auth": {**sts, **auth},
            **more,
        }
        location = open_location(check_location(options), {})
        self._locations.append(location)
        return location

    def keys(self, pair: tuple[str, str] | None = None) -> dict[str, str]:
        """The options of keys: the user's, or others."""
        access, secret = pair or self.user
        return {"access_key": access, "secret_key": secret}

    def by_role(self, **more: Any) -> dict[str, Any]:
        """How the user takes the role over."""
        auth = {"method": "assume_role", "role_arn": self.role, "external_id": EXTERNAL_ID, **self.keys(), **more}
        return {name: value for name, value in auth.items() if value is not None}

    def federate(self, account: str, permissions: str) -> str:
        """Has an account trust the issuer, and gives a role there to its one subject."""
        iam = self.aws.iam(account)
        host = self.issuer.url.removeprefix("https://")
        provider = f"arn:aws:iam::{account}:oidc-provider/{host}"
        if provider not in [
            found["Arn"] for found in iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]
        ]:
            iam.create_open_id_connect_provider(
                Url=self.issuer.url, ClientIDList=["sts.amazonaws.com"], ThumbprintList=["0" * 40]
            )
        condition = {"StringEquals": {f"{host}:aud": "sts.amazonaws.com", f"{host}:sub": SUBJECT}}
        statement = trust({"Federated": provider}, "sts:AssumeRoleWithWebIdentity", **condition)
        return self.aws.role(account, self.unique("pod"), statement, permissions)

    def token_file(self, **claims: Any) -> str:
        """A file with a token, of the right subject and audience unless told otherwise."""
        path = self._tokens / self.unique("token")
        path.write_text(self.issuer.token(**{"sub": SUBJECT, "aud": "sts.amazonaws.com", **claims}))
        return str(path)

    def close(self) -> None:
        """Closes all locations."""
        for location in self._locations:
            location.close()


@pytest.fixture
def accounts(ministack: MiniStack, tmp_path: Path) -> Iterator[Accounts]:
    """The accounts."""
    found = Accounts(ministack, tmp_path)
    yield found
    found.close()


@pytest.fixture(scope="module")
def brief(testbed: Testbed) -> Iterator[MiniStack]:
    """An AWS whose sessions last a few seconds."""
    server = testbed.ministack(session_seconds=5)
    yield server
    testbed.stop(server)


def listing(location: Location) -> list[str]:
    """All keys."""
    return [info.key for info in location.list("")]


def use(location: Location) -> None:
    """Writes, reads, lists and deletes."""
    location.create("small", b"x")
    with location.writer(KEY) as writer:
        writer.write(bytes(PART + 5))
        writer.commit()
    assert location.read_range(KEY, PART, 5) == bytes(5)
    assert sorted(info.key for info in location.list("")) == [KEY, "small"]
    assert list(location.delete(["small", KEY])) == []
    assert list(location.list("")) == []


def test_a_role_of_another_account(accounts: Accounts) -> None:
    location = accounts.open(accounts.by_role(account=BUCKET_ACCOUNT), bucket_owner=BUCKET_ACCOUNT)
    use(location)
    assert len(location.secrets()) == 3
    assert location.warnings() == ()


@pytest.mark.parametrize("external_id", [None, "other", EXTERNAL_ID.upper()])
def test_the_external_id_has_to_fit(accounts: Accounts, external_id: str | None) -> None:
    location = accounts.open(accounts.by_role(external_id=external_id))
    with pytest.raises(StowageError) as caught:
        location.create("a", b"x")
    assert caught.value.code == "permission_denied"
    assert "sts:ExternalId" in caught.value.hint
    assert accounts.role in caught.value.message
    assert EXTERNAL_ID not in str(caught.value.as_result())
    assert code_of(lambda: list(location.list(""))) == "permission_denied"
    with location.writer(KEY) as writer:
        assert code_of(lambda: writer.write(bytes(PART))) == "permission_denied"
    assert accounts.aws.keys(accounts.bucket) == []


def test_others_do_not_get_the_role(accounts: Accounts) -> None:
    third = accounts.aws.user(OTHER_ACCOUNT, accounts.unique("third"), document(allow("sts:AssumeRole")))
    not_permitted = accounts.aws.user(WORKLOAD_ACCOUNT, accounts.unique("user"))
    for pair in (third, not_permitted):
        location = accounts.open(accounts.by_role(**accounts.keys(pair)))
        assert code_of(partial(location.create, "a", b"x")) == "permission_denied"
    missing = accounts.open(accounts.by_role(role_arn=accounts.role + "-none"))
    assert code_of(lambda: missing.create("a", b"x")) == "permission_denied"
    assert accounts.aws.keys(accounts.bucket) == []


def test_keys_of_a_user(accounts: Accounts) -> None:
    pair = accounts.aws.user(BUCKET_ACCOUNT, accounts.unique("user"), accounts.use)
    use(accounts.open({"method": "access_key", **accounts.keys(pair), "account": BUCKET_ACCOUNT}))


def test_keys_that_are_not_valid(accounts: Accounts) -> None:
    name = accounts.unique("user")
    access, secret = accounts.aws.user(BUCKET_ACCOUNT, name, accounts.use)
    unknown = "AKIA" + "U" * 16
    for pair in ((access, "wrong"), (unknown, secret)):
        location = accounts.open({"method": "access_key", **accounts.keys(pair)})
        assert code_of(partial(location.create, "a", b"x")) == "credentials_invalid"
        by_role = accounts.open(accounts.by_role(**accounts.keys(pair)))
        assert code_of(partial(by_role.create, "a", b"x")) == "credentials_invalid"
    accounts.aws.iam(BUCKET_ACCOUNT).update_access_key(UserName=name, AccessKeyId=access, Status="Inactive")
    location = accounts.open({"method": "access_key", **accounts.keys((access, secret))})
    assert code_of(lambda: list(location.list(""))) == "credentials_invalid"


def test_nothing_is_written_with_credentials_of_another_account(accounts: Accounts) -> None:
    location = accounts.open(accounts.by_role(account=WORKLOAD_ACCOUNT))
    assert code_of(lambda: location.create("a", b"x")) == "wrong_account"
    assert code_of(lambda: location.writer("a")) == "wrong_account"
    assert code_of(lambda: location.delete(["a"])) == "wrong_account"
    assert list(location.list("")) == [], "reading is left to permissions"
    keys = accounts.open({"method": "access_key", **accounts.keys(), "account": BUCKET_ACCOUNT})
    with pytest.raises(StowageError) as caught:
        keys.create("a", b"x")
    assert caught.value.details == {"account": WORKLOAD_ACCOUNT, "expected": BUCKET_ACCOUNT}
    assert accounts.aws.keys(accounts.bucket) == []


def test_a_bucket_of_somebody_else_is_not_written_into(accounts: Accounts) -> None:
    """Whoever takes the name of a bucket that is gone, and opens it to everybody, gets the next backup."""
    trap = accounts.unique("trap")
    theirs = accounts.aws.client(access_key=OTHER_ACCOUNT)
    theirs.create_bucket(Bucket=trap)
    anybody = allow("s3:*", [f"arn:aws:s3:::{trap}", f"arn:aws:s3:::{trap}/*"], Principal="*")
    off: Any = dict.fromkeys(("BlockPublicPolicy", "RestrictPublicBuckets"), False)
    theirs.put_public_access_block(Bucket=trap, PublicAccessBlockConfiguration=off)
    theirs.put_bucket_policy(Bucket=trap, Policy=document(anybody))
    user = accounts.aws.user(BUCKET_ACCOUNT, accounts.unique("user"), document(allow("s3:*")))
    auth = {"method": "access_key", **accounts.keys(user)}
    guarded = accounts.open(auth, bucket=trap, bucket_owner=BUCKET_ACCOUNT)
    assert code_of(lambda: guarded.create("a", b"x")) == "bucket_wrong_owner"
    assert code_of(lambda: list(guarded.list(""))) == "bucket_wrong_owner"
    with guarded.writer(KEY) as writer:
        assert code_of(lambda: writer.write(bytes(PART))) == "bucket_wrong_owner"
    assert theirs.list_objects_v2(Bucket=trap)["KeyCount"] == 0
    accounts.open(auth, bucket=trap, bucket_owner=OTHER_ACCOUNT).create("a", b"x")
    assert theirs.list_objects_v2(Bucket=trap)["KeyCount"] == 1


def test_a_missing_permission_is_not_taken_for_a_wrong_owner(accounts: Accounts) -> None:
    name = f"arn:aws:s3:::{accounts.bucket}"
    user = accounts.aws.user(BUCKET_ACCOUNT, accounts.unique("user"), document(allow("s3:ListBucket", name)))
    auth = {"method": "access_key", **accounts.keys(user)}
    location = accounts.open(auth, bucket_owner=BUCKET_ACCOUNT)
    with pytest.raises(StowageError) as caught:
        location.create("a", b"x")
    assert caught.value.code == "permission_denied"
    assert "s3:PutObject" in caught.value.hint


def test_a_web_identity(accounts: Accounts) -> None:
    role = accounts.federate(BUCKET_ACCOUNT, accounts.use)
    auth = {"method": "web_identity", "role_arn": role, "account": BUCKET_ACCOUNT}
    use(accounts.open({**auth, "web_identity_token_file": accounts.token_file()}))


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": "system:serviceaccount:other:stowage"},
        {"sub": SUBJECT + "x"},
        {"aud": "other"},
        {"iss": "https://evil.example"},
    ],
)
def test_another_web_identity(accounts: Accounts, claims: dict[str, str]) -> None:
    role = accounts.federate(BUCKET_ACCOUNT, accounts.use)
    auth = {"method": "web_identity", "role_arn": role, "web_identity_token_file": accounts.token_file(**claims)}
    location = accounts.open(auth)
    with pytest.raises(StowageError) as caught:
        location.create("a", b"x")
    assert caught.value.code == "permission_denied"
    assert "sub and aud" in caught.value.hint
    assert Path(auth["web_identity_token_file"]).read_text() not in str(caught.value.as_result())
    assert accounts.aws.keys(accounts.bucket) == []


def test_a_role_that_is_taken_over_by_another_role_of_a_web_identity(accounts: Accounts) -> None:
    pod = accounts.federate(WORKLOAD_ACCOUNT, document(allow("sts:AssumeRole", accounts.role)))
    source = {"source_role_arn": pod, "web_identity_token_file": accounts.token_file()}
    auth = accounts.by_role(access_key=None, secret_key=None, account=BUCKET_ACCOUNT, duration="4h", **source)
    use(accounts.open(auth))
    wrong = {**auth, "web_identity_token_file": accounts.token_file(sub="other")}
    assert code_of(lambda: accounts.open(wrong).create("a", b"x")) == "permission_denied"


def test_a_session_policy_narrows_a_session(accounts: Accounts) -> None:
    name = f"arn:aws:s3:::{accounts.bucket}"
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            allow(["s3:PutObject", "s3:GetObject"], f"{name}/fleet/clusters/c/*"),
            allow("s3:ListBucket", name, Condition={"StringLike": {"s3:prefix": "fleet/clusters/c/*"}}),
        ],
    }
    location = accounts.open(accounts.by_role(session_policy=policy))
    location.create("clusters/c/a", b"x")
    assert [info.key for info in location.list("clusters/c/")] == ["clusters/c/a"]
    assert code_of(lambda: location.create("clusters/d/a", b"x")) == "permission_denied"
    assert code_of(lambda: list(location.list("clusters/d/"))) == "permission_denied"
    # ministack permits a batch as a whole, by the bucket; AWS answers key by key.
    assert code_of(lambda: location.delete(["clusters/c/a"])) == "permission_denied"
    assert accounts.aws.keys(accounts.bucket) == ["fleet/clusters/c/a"]


def test_a_session_policy_that_is_none(accounts: Accounts) -> None:
    location = accounts.open(accounts.by_role(session_policy={"Version": "2012-10-17"}))
    assert code_of(lambda: location.create("a", b"x")) == "invalid_option"


def test_a_long_upload_outlives_several_sessions(brief: MiniStack, tmp_path: Path) -> None:
    accounts = Accounts(brief, tmp_path)
    location = accounts.open(accounts.by_role())

    def sessions() -> int:
        location.stat("nothing")
        return (len(location.secrets()) - 1) // 2

    def more_than(number: int) -> bool:
        return sessions() > number

    data = bytes(range(256)) * (PART // 256)
    with location.writer(KEY) as writer:
        for number in range(1, 5):
            writer.write(data)
            wait_until(partial(more_than, number), seconds=120, what="the next session")
        writer.write(b"end")
        writer.commit()
    assert sessions() >= 5
    stream = location.open(KEY)
    assert [stream.read(PART) == data for _dummy in range(4)] == [True] * 4
    assert stream.read(PART) == b"end"
    accounts.close()


def ended_session(accounts: Accounts) -> dict[str, str]:
    """The keys of a session of the role that has ended by now."""
    sts = accounts.aws.sts(*accounts.user)
    found = sts.assume_role(RoleArn=accounts.role, RoleSessionName="brief", ExternalId=EXTERNAL_ID)["Credentials"]
    keys = (found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"])

    def ended() -> bool:
        try:
            accounts.aws.sts(*keys).get_caller_identity()
        except ClientError as error:
            return error.response["Error"]["Code"] == "ExpiredToken"
        return False

    wait_until(ended, seconds=120, what="the end of a session")
    return dict(zip(("access_key", "secret_key", "session_token"), keys, strict=True))


def test_a_session_that_has_ended(brief: MiniStack, tmp_path: Path) -> None:
    accounts = Accounts(brief, tmp_path)
    keys = ended_session(accounts)
    location = accounts.open({"method": "access_key", **keys})
    assert "cannot be renewed" in location.warnings()[0]
    for action in (
        lambda: location.create("a", b"x"),
        lambda: location.read("a", limit=1),
        lambda: location.stat("a"),
        lambda: list(location.list("")),
    ):
        assert code_of(action) == "credentials_expired"
    source = accounts.open(accounts.by_role(**keys))
    assert code_of(lambda: source.create("a", b"x")) == "credentials_expired"
    checked = accounts.open({"method": "access_key", **keys, "account": BUCKET_ACCOUNT})
    assert code_of(lambda: checked.create("a", b"x")) == "credentials_expired"
    accounts.close()


@pytest.mark.parametrize("hours", [2, -2])
def test_a_clock_that_is_wrong(accounts: Accounts, hours: int, monkeypatch: pytest.MonkeyPatch) -> None:
    user = accounts.aws.user(BUCKET_ACCOUNT, accounts.unique("user"), accounts.use)
    right: Any = botocore.auth.get_current_datetime  # type: ignore[attr-defined]  # what the tests move is not in the stubs

    def moved(*arguments: Any, **more: Any) -> Any:
        return right(*arguments, **more) + datetime.timedelta(hours=hours)

    monkeypatch.setattr(botocore.auth, "get_current_datetime", moved)
    by_keys = accounts.open({"method": "access_key", **accounts.keys(user)})
    by_role = accounts.open(accounts.by_role())
    for location in (by_keys, by_role):
        assert code_of(partial(location.create, "a", b"x")) == "clock_skew"
        assert code_of(partial(listing, location)) == "clock_skew"
    assert accounts.aws.keys(accounts.bucket) == []


def test_a_bucket_of_another_region(accounts: Accounts) -> None:
    bucket = accounts.unique("ireland")
    where: Any = {"LocationConstraint": "eu-west-1"}
    accounts.aws.client().create_bucket(Bucket=bucket, CreateBucketConfiguration=where)
    auth = {"method": "access_key", **accounts.keys((accounts.aws.access_key, accounts.aws.secret_key))}
    location = accounts.open(auth, bucket=bucket)
    for action in (lambda: location.create("a", b"x"), lambda: list(location.list(""))):
        with pytest.raises(StowageError) as caught:
            action()
        assert caught.value.code == "region_mismatch"
        assert "eu-west-1" in caught.value.hint
    use(accounts.open(auth, bucket=bucket, region="eu-west-1"))


def test_credentials_of_the_environment_stay_here(accounts: Accounts) -> None:
    access, secret = accounts.user
    environ = {"AWS_ACCESS_KEY_ID": access, "AWS_SECRET_ACCESS_KEY": secret, "AWS_SECURITY_TOKEN": "canary"}
    where = {"provider": "aws", "bucket": accounts.bucket, "endpoint": accounts.aws.endpoint}
    role = {"method": "assume_role", "role_arn": accounts.role, "external_id": EXTERNAL_ID}
    own = {"provider": "aws", "bucket": accounts.bucket, "auth": {**role, "sts_endpoint": accounts.aws.endpoint}}
    for options in (where, {**where, "auth": role}, {**where, "auth": {"method": "access_key"}}, own):
        assert code_of(partial(open_location, check_location(options), environ)) == "credentials_missing"


def where(accounts: Accounts, auth: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The option `location` of a module."""
    endpoints = {"endpoint": accounts.aws.endpoint, "ca_cert": str(accounts.aws.ca_cert), "region": accounts.aws.region}
    own = {"sts_endpoint": accounts.aws.endpoint, **auth}
    return {"provider": "aws", "bucket": accounts.bucket, "prefix": "fleet", **endpoints, "auth": own, **more}


def test_modules_take_every_option(accounts: Accounts) -> None:
    arn = f"arn:aws:s3:::{accounts.bucket}"
    statement = allow(["s3:ListBucket", "s3:GetObject"], [arn, f"{arn}/*"])
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    auth = accounts.by_role(session_name="nightly", duration=3600, session_policy=policy, account=BUCKET_ACCOUNT)
    location = where(accounts, auth, bucket_owner=BUCKET_ACCOUNT)
    assert modules.run("backup_info", {"location": location})["backups"] == []
    as_text = {**location, "auth": {**auth, "session_policy": document(statement), "duration": "1h"}}
    as_text["auth"]["sts_endpoint"] = accounts.aws.endpoint
    assert modules.run("backup_info", {"location": as_text})["backups"] == []
    refusals = [
        ({"external_id": "other"}, "permission_denied"),
        ({"duration": "13h"}, "invalid_option"),
        ({"profile": "x"}, "invalid_option"),
        ({"secret_key": "canary-secret"}, "credentials_invalid"),
    ]
    for change, expected in refusals:
        with pytest.raises(modules.Failed) as caught:
            modules.run("backup_info", {"location": {**location, "auth": {**location["auth"], **change}}})
        assert caught.value.result["error_code"] == expected
        shown = str(caught.value)
        assert "canary" not in shown
        assert accounts.user[1] not in shown


def test_a_backup_names_a_session_that_cannot_be_renewed(accounts: Accounts) -> None:
    sts = accounts.aws.sts(*accounts.user)
    found = sts.assume_role(RoleArn=accounts.role, RoleSessionName="given", ExternalId=EXTERNAL_ID)["Credentials"]
    session = {"secret_key": found["SecretAccessKey"], "session_token": found["SessionToken"]}
    auth = {"method": "access_key", "access_key": found["AccessKeyId"], **session}
    cluster = FakeCluster()
    cluster.add(fake.NAMESPACES, "shop")
    cluster.add(fake.CONFIGMAPS, "settings", "shop")
    with served(cluster).running() as api:
        options = {"location": where(accounts, auth), "cluster": "prod", "name": "b1", "host": api.url, "api_key": "x"}
        made = modules.run("backup", options)
        again = modules.run("backup", options)
    assert made["backup"]["phase"] == "Completed"
    warnings = [warning for warning in made["warnings"] if "cannot be renewed" in str(warning)]
    assert len(warnings) == 1
    assert not any(secret in json.dumps(made) for secret in session.values())
    assert not [warning for warning in again.get("warnings", ()) if "cannot be renewed" in str(warning)]
    assert "fleet/clusters/prod/backups/b1/velero-backup.json" in accounts.aws.keys(accounts.bucket)
