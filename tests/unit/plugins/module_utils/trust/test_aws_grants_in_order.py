# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Grants of keys from one run to the next: whatever options change, and wherever a run ends, no grant of ours allows the use of a key
outside S3 at any moment, and none is lost track of."""

from __future__ import annotations

import copy
import itertools
import json
import types
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.auth.keys import Keys
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.s3_client import S3Settings
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import aws_documents as documents
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import aws_iam, aws_parties, aws_task
from support import modules

Tree = dict[str, Any]
MINE, THEIRS = "222222222222", "111111111111"
NAME, USER = "prod-1-trust", "controller"
TRUST, PRINCIPAL = f"arn:aws:iam::{MINE}:role/{NAME}", f"arn:aws:iam::{THEIRS}:user/{USER}"
ONE, TWO = (f"arn:aws:kms:{region}:{MINE}:key/k" for region in ("eu-west-1", "eu-west-2"))
FAR = "arn:aws:kms:eu-west-1:333333333333:key/k"
ADMINISTRATORS = {"Sid": "Administrators", "Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*"}
BOTH = {"kms:Decrypt", "kms:GenerateDataKey"}
OPTIONS: Tree = {
    "name": NAME,
    "location": {"provider": "aws", "bucket": "bucket", "region": "eu-west-1"},
    "clusters": ["prod-1"],
    "principals": [PRINCIPAL],
    "external_id": "acme",
    "location_account": {"account": MINE},
    "cluster_account": {"account": THEIRS, "user": USER, "auth": {"method": "access_key"}},
    "verify": False,
}


def refusal(operation: str, code: str, status: int = 403) -> ClientError:
    problem = {"Code": code, "Message": f"not authorized to perform: kms:{operation}"}
    answer: Any = {"Error": problem, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, operation)


class Cloud:
    """Both accounts, as far as a trust reaches. Changes are checked one by one.

    :ivar refused: operations that nobody may do.
    :ivar breaks_after: changes that are made before everything is refused.
    :ivar loose: grants that allowed the use of a key outside S3 at some moment.
    """

    def __init__(self) -> None:
        self.roles: dict[str, Tree] = {}
        self.user: dict[str, Tree] = {}
        self.bucket_policy: str | None = None
        self.keys: dict[str, Tree] = {
            arn: {"policy": {"Statement": [ADMINISTRATORS]}, "grants": []} for arn in (ONE, TWO)
        }
        self.refused: set[str] = set()
        self.breaks_after: int | None = None
        self.made = 0
        self.loose: list[str] = []

    # what is asked

    def client(self, name: str, *_keys: Any) -> Any:
        """A client of a service, as botocore has them."""
        meta = types.SimpleNamespace(service_model=types.SimpleNamespace(service_name=name))
        return Client(self, meta)

    def get_role(self, asked: Tree) -> Tree:
        return {"Role": self._role(asked["RoleName"])}

    def list_role_policies(self, asked: Tree) -> Tree:
        return {"PolicyNames": list(self._role(asked["RoleName"])["inline"])}

    def get_role_policy(self, asked: Tree) -> Tree:
        return {"PolicyDocument": json.loads(self._role(asked["RoleName"])["inline"][asked["PolicyName"]])}

    def list_attached_role_policies(self, _asked: Tree) -> Tree:
        return {"AttachedPolicies": []}

    def list_instance_profiles_for_role(self, _asked: Tree) -> Tree:
        return {"InstanceProfiles": []}

    def list_role_tags(self, asked: Tree) -> Tree:
        return {"Tags": self._role(asked["RoleName"])["tags"]}

    def get_user_policy(self, asked: Tree) -> Tree:
        if asked["PolicyName"] not in self.user:
            raise refusal("GetUserPolicy", "NoSuchEntity", 404)
        return {"PolicyDocument": self.user[asked["PolicyName"]]}

    def get_bucket_policy(self, _asked: Tree) -> Tree:
        if self.bucket_policy is None:
            raise refusal("GetBucketPolicy", "NoSuchBucketPolicy", 404)
        return {"Policy": self.bucket_policy}

    def get_bucket_ownership_controls(self, _asked: Tree) -> Tree:
        return {"OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}}

    def get_key_policy(self, asked: Tree) -> Tree:
        return {"Policy": json.dumps(self._key(asked["KeyId"])["policy"])}

    def list_grants(self, asked: Tree) -> Tree:
        return {"Grants": copy.deepcopy(self._key(asked["KeyId"])["grants"])}

    # what is changed

    def create_role(self, asked: Tree) -> None:
        arn = f"arn:aws:iam::{MINE}:role/{asked['RoleName']}"
        unique, trust = f"AROA{self.made:017}", json.loads(asked["AssumeRolePolicyDocument"])
        self.roles[asked["RoleName"]] = {
            "Arn": arn,
            "RoleId": unique,
            "AssumeRolePolicyDocument": trust,
            "inline": {},
            "tags": asked["Tags"],
        }

    def update_assume_role_policy(self, asked: Tree) -> None:
        self.roles[asked["RoleName"]]["AssumeRolePolicyDocument"] = json.loads(asked["PolicyDocument"])

    def put_role_policy(self, asked: Tree) -> None:
        self.roles[asked["RoleName"]]["inline"][asked["PolicyName"]] = asked["PolicyDocument"]

    def delete_role_policy(self, asked: Tree) -> None:
        del self.roles[asked["RoleName"]]["inline"][asked["PolicyName"]]

    def delete_role(self, asked: Tree) -> None:
        """KMS shows who was granted something by the unique id then."""
        gone = self.roles.pop(asked["RoleName"])
        for grant in (grant for key in self.keys.values() for grant in key["grants"]):
            if grant["GranteePrincipal"] == gone["Arn"]:
                grant["GranteePrincipal"] = gone["RoleId"]

    def put_user_policy(self, asked: Tree) -> None:
        self.user[asked["PolicyName"]] = json.loads(asked["PolicyDocument"])

    def delete_user_policy(self, asked: Tree) -> None:
        del self.user[asked["PolicyName"]]

    def put_bucket_policy(self, asked: Tree) -> None:
        self.bucket_policy = asked["Policy"]

    def delete_bucket_policy(self, _asked: Tree) -> None:
        self.bucket_policy = None

    def put_key_policy(self, asked: Tree) -> None:
        self.keys[asked["KeyId"]]["policy"] = json.loads(asked["Policy"])

    def create_grant(self, asked: Tree) -> None:
        """One that is the same is given back."""
        found = self._key(asked["KeyId"])["grants"]
        if not any(all(one[name] == value for name, value in asked.items()) for one in found):
            found.append({**asked, "GrantId": f"grant-{self.made}"})

    def revoke_grant(self, asked: Tree) -> None:
        found = self._key(asked["KeyId"])["grants"]
        found.remove(next(one for one in found if one["GrantId"] == asked["GrantId"]))

    def _role(self, name: str) -> Tree:
        if name not in self.roles:
            raise refusal("GetRole", "NoSuchEntity", 404)
        return self.roles[name]

    def _key(self, arn: str) -> Tree:
        if arn not in self.keys:
            raise refusal("DescribeKey", "NotFoundException", 400)
        return self.keys[arn]

    # what is tested

    def look(self) -> None:
        """Notes grants to whoever is not denied to use the key outside S3."""
        self.loose += [
            f"{grant} of {arn}"
            for arn, key in self.keys.items()
            for grant in key["grants"]
            if not self._is_held(grant["GranteePrincipal"], arn)
        ]

    def _is_held(self, grantee: str, key: str) -> bool:
        if grantee.startswith("AROA"):
            return True
        role = self.roles.get(NAME, {"inline": {}})
        found = list(map(json.loads, role["inline"].values())) if grantee == TRUST else list(self.user.values())
        return any(
            one["Effect"] == "Deny" and set(one["Action"]) >= BOTH and {key, "*"} & set(one["Resource"])
            for document in found
            for one in document["Statement"]
        )

    def granted(self) -> set[tuple[str, str, tuple[str, ...]]]:
        """The keys, whom they are granted to, and for what."""
        return {
            (arn, one["GranteePrincipal"], tuple(one["Operations"]))
            for arn, key in self.keys.items()
            for one in key["grants"]
        }

    def run(self, *, check: bool = False, **options: Any) -> Tree:
        """What the module returns."""
        with (
            # The SDK knows it, and takes its time.
            mock.patch.object(S3Settings, "partition", "aws"),
            mock.patch.object(aws_iam, "service", self.client),
            mock.patch.object(aws_task, "service", self.client),
            mock.patch.object(aws_task, "make_client", return_value=self.client("s3")),
            mock.patch.object(aws_parties.Parties, "keys", lambda _self, party: Keys(party, "secret", "")),
        ):
            try:
                return modules.run_here("aws_trust", {**OPTIONS, **options}, check=check)
            except modules.Failed as failed:
                return failed.result


class Client:
    """A service of the cloud. After each change it is looked at, whether that went wrong or not."""

    def __init__(self, cloud: Cloud, meta: Any) -> None:
        self._cloud = cloud
        self.meta = meta

    def __getattr__(self, operation: str) -> Callable[..., Tree]:
        def asked(**parameters: Any) -> Tree:
            cloud = self._cloud
            if operation in cloud.refused:
                raise refusal(operation, "AccessDeniedException")
            if operation.startswith(("get_", "list_")):
                found: Tree = getattr(cloud, operation)(parameters)
                return found
            if cloud.breaks_after == 0:
                raise refusal(operation, "AccessDeniedException")
            cloud.breaks_after = None if cloud.breaks_after is None else cloud.breaks_after - 1
            cloud.made += 1
            getattr(cloud, operation)(parameters)
            cloud.look()
            return {}

        return asked


def expected(options: Tree) -> set[tuple[str, str, tuple[str, ...]]]:
    """The grants that options ask for."""
    if not options.get("key_grant") or options.get("state") == "absent":
        return set()
    operations = ("Decrypt",) if options["permissions"] == "reader" else ("Decrypt", "GenerateDataKey")
    return {(options["kms_key_arn"], TRUST if options["method"] == "role" else PRINCIPAL, operations)}


def steps(*keyed: Tree) -> st.SearchStrategy[tuple[Tree, int | None]]:
    """Options of a run, and after how many changes it ends if it does."""
    options = st.builds(
        lambda method, permissions, key: {"method": method, "permissions": permissions, **key},
        st.sampled_from(["role", "bucket_policy"]),
        st.sampled_from(["writer", "reader"]),
        st.sampled_from(keyed),
    )
    return st.tuples(options, st.none() | st.integers(0, 6))


GRANTED: list[Tree] = [{"kms_key_arn": arn, "key_grant": True} for arn in (ONE, TWO)]
OTHERS: list[Tree] = [{}, {"state": "absent"}, {"kms_key_arn": ONE}, {"kms_key_arn": ONE, "key_policy": True}]


@settings(max_examples=20, deadline=None)
@given(steps(*GRANTED), st.lists(steps(*GRANTED, *OTHERS), min_size=1, max_size=3))
def test_no_grant_reaches_outside_s3_at_any_moment(
    first: tuple[Tree, int | None], more: list[tuple[Tree, int | None]]
) -> None:
    """The last run is never broken off; what it leaves is what it was asked for, wherever those before it ended."""
    runs = [first, *more]
    cloud = Cloud()
    for number, (options, breaks_after) in enumerate(runs):
        planned = cloud.run(check=True, **options)
        last = number == len(runs) - 1
        cloud.breaks_after = None if last else breaks_after
        found = cloud.run(**options)
        assert cloud.loose == []
        broken, cloud.breaks_after = found.get("failed"), None
        if broken:
            assert (found["error_code"], last) == ("permission_denied", False)
            continue
        assert found["trust"]["changes"] == planned["trust"]["changes"]
        assert cloud.granted() == expected(options)
        assert cloud.run(**options)["changed"] is False
        others = [cloud.keys[arn]["policy"]["Statement"] for arn in {ONE, TWO} - {options.get("kms_key_arn")}]
        assert all(one == [ADMINISTRATORS] for one in others)


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    """With a grant of a key."""
    found = Cloud()
    assert found.run(kms_key_arn=ONE, key_grant=True)["changed"]
    yield found
    assert found.loose == []


WITHOUT: list[Tree] = [{}, {"kms_key_arn": ONE}, {"kms_key_arn": TWO, "key_grant": True}, {"state": "absent"}]


@pytest.mark.parametrize("method", ["role", "bucket_policy"])
@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("options", WITHOUT, ids=["no key", "no grant", "another key", "absent"])
def test_a_grant_that_cannot_be_listed_is_not_lost_track_of(method: str, options: Tree, check: bool) -> None:
    """Nothing is changed, so the next run still knows the key."""
    cloud = Cloud()
    cloud.run(method=method, kms_key_arn=ONE, key_grant=True)
    made = cloud.made
    cloud.refused = {"list_grants"}
    found = cloud.run(check=check, method=method, **options)
    assert (found["error_code"], "lost track of" in found["msg"], cloud.made) == ("permission_denied", True, made)
    assert "kms:ListGrants" in found["hint"]
    cloud.refused = set()
    assert cloud.run(method=method, **options)["changed"]
    assert not any(arn == ONE for arn, _grantee, _operations in cloud.granted())


@pytest.mark.parametrize("options", WITHOUT, ids=["no key", "no grant", "another key", "absent"])
def test_a_grant_that_cannot_be_revoked_keeps_permissions_as_they_are(cloud: Cloud, options: Tree) -> None:
    before = copy.deepcopy(cloud.roles)
    cloud.refused = {"revoke_grant"}
    assert cloud.run(**options)["error_code"] == "permission_denied"
    assert cloud.roles == before
    cloud.refused = set()
    assert cloud.run(**options)["changed"]
    assert not any(arn == ONE for arn, _grantee, _operations in cloud.granted())


def test_who_never_had_grants_is_told_what_is_not_known() -> None:
    cloud = Cloud()
    cloud.refused = {"list_grants"}
    for _again in range(2):
        found = cloud.run(kms_key_arn=ONE, key_policy=True)
        (warning,) = found["warnings"]
        assert (ONE in warning, "kms:ListGrants" in warning) == (True, True)
    assert cloud.run(**OPTIONS).get("warnings"), "the key of before is asked, too"
    assert "warnings" not in cloud.run(**OPTIONS), "and then none is named any more"


def test_the_policy_of_a_key_of_before_that_cannot_be_read_is_told() -> None:
    cloud = Cloud()
    cloud.run(kms_key_arn=ONE, key_policy=True)
    cloud.refused = {"get_key_policy"}
    warning, _of_backups = cloud.run(kms_key_arn=TWO)["warnings"]
    assert (ONE in warning, "kms:GetKeyPolicy" in warning) == (True, True)


def test_a_key_of_before_that_is_gone_is_in_nobody_s_way(cloud: Cloud) -> None:
    del cloud.keys[ONE]
    found = cloud.run(kms_key_arn=TWO, key_grant=True)
    assert (found["changed"], found.get("warnings")) == (True, None)
    assert {arn for arn, _grantee, _operations in cloud.granted()} == {TWO}


def test_a_role_of_somebody_else_does_not_say_where_grants_are(cloud: Cloud) -> None:
    cloud.roles[NAME]["tags"] = []
    assert cloud.run()["error_code"] == "trust_in_use"
    assert {arn for arn, _grantee, _operations in cloud.granted()} == {ONE}


def test_the_role_denies_it_without_any_key_too() -> None:
    """A grant that nothing knows of is held as well."""
    cloud = Cloud()
    cloud.run()
    cloud.create_grant(
        {"KeyId": TWO, "GranteePrincipal": TRUST, "Operations": ["Decrypt"], "Name": f"{documents.sid_of(TRUST)}Key"}
    )
    cloud.look()
    assert cloud.loose == []


def elsewhere(bucket: str) -> Tree:
    """Where another trust is."""
    return {"location": {**OPTIONS["location"], "bucket": bucket}}


@pytest.mark.parametrize("key", [{"key_grant": True}, {"key_policy": True}], ids=["grant", "statement"])
@pytest.mark.parametrize(("there", "method"), [("role", "bucket_policy"), ("bucket_policy", "role")])
@pytest.mark.parametrize("state", ["present", "absent"])
@pytest.mark.parametrize("check", [True, False])
def test_a_trust_of_this_name_for_another_bucket_keeps_what_it_has(
    there: str, method: str, key: Tree, state: str, check: bool
) -> None:
    """Its grants, its statement at the key and its permission in the other account look like ours by their names."""
    cloud = Cloud()
    cloud.run(method=there, kms_key_arn=ONE, **key)
    before = copy.deepcopy((cloud.roles, cloud.user, cloud.bucket_policy, cloud.keys, cloud.made))
    found = cloud.run(check=check, method=method, state=state, kms_key_arn=ONE, **key, **elsewhere("bucket-two"))
    assert (found["error_code"], "for the bucket bucket" in found["msg"]) == ("trust_in_use", True)
    assert "choose another name" in found["hint"]
    assert (cloud.roles, cloud.user, cloud.bucket_policy, cloud.keys, cloud.made) == before


@pytest.mark.parametrize("state", ["present", "absent"])
@pytest.mark.parametrize("check", [True, False])
def test_two_buckets_do_not_take_a_permission_from_each_other(state: str, check: bool) -> None:
    cloud = Cloud()
    cloud.run(method="bucket_policy")
    before = copy.deepcopy((cloud.user, cloud.bucket_policy))
    found = cloud.run(check=check, method="bucket_policy", state=state, **elsewhere("bucket-two"))
    assert (found["error_code"], "is for the bucket bucket." in found["msg"]) == ("trust_in_use", True)
    assert (cloud.user, cloud.bucket_policy) == before


@pytest.mark.parametrize("state", ["present", "absent"])
def test_a_role_of_somebody_else_is_in_the_way_of_a_bucket_s_policy_too(cloud: Cloud, state: str) -> None:
    """It has a grant that looks like ours."""
    cloud.roles[NAME]["tags"] = []
    found = cloud.run(method="bucket_policy", state=state, kms_key_arn=ONE)
    assert (found["error_code"], "without the tag stowage-trust" in found["msg"]) == ("trust_in_use", True)
    assert {arn for arn, _grantee, _operations in cloud.granted()} == {ONE}


AFTERWARDS: list[Tree] = [{"kms_key_arn": TWO, "key_grant": True}, {"kms_key_arn": FAR}, {}]


@pytest.mark.parametrize("before", [ONE, FAR], ids=["mine", "of a third account"])
@pytest.mark.parametrize("options", AFTERWARDS, ids=["another", "of a third account", "none"])
@pytest.mark.parametrize("methods", list(itertools.product(["role", "bucket_policy"], repeat=2)))
def test_what_is_encrypted_with_a_key_of_before_cannot_be_read_any_more(
    methods: tuple[str, str], options: Tree, before: str
) -> None:
    """Said before it happens, and once it has, not any more."""
    cloud, (then, now) = Cloud(), methods
    cloud.run(method=then, kms_key_arn=before)
    assert not warnings(cloud.run(method=now, kms_key_arn=before), before), "it stays"
    assert not warnings(cloud.run(method=now, kms_key_arn=before, state="absent", check=True), before)
    expected = options.get("kms_key_arn") != before
    for check in (True, False):
        found = warnings(cloud.run(check=check, method=now, **options), before)
        assert [("can no longer be read" in one, "second trust" in one) for one in found] == [(True, True)] * expected
    assert warnings(cloud.run(method=now, **options), before) == []


def warnings(result: Tree, key: str) -> list[str]:
    """Those that name a key."""
    return [one for one in result.get("warnings", []) if key in one]


SECOND = f"arn:aws:iam::{THEIRS}:role/path/second"
WITH_PATH = PRINCIPAL.replace("user/", "user/path/")


@pytest.mark.parametrize(
    ("options", "unheld"),
    [
        ({"principals": [PRINCIPAL]}, []),
        ({"principals": [WITH_PATH]}, []),
        ({"principals": [PRINCIPAL, SECOND]}, [SECOND]),
        ({"principals": [PRINCIPAL.replace("user/", "role/")]}, [PRINCIPAL.replace("user/", "role/")]),
        ({"principals": [PRINCIPAL.replace(THEIRS, MINE)]}, [PRINCIPAL.replace(THEIRS, MINE)]),
        ({"principals": [PRINCIPAL, SECOND], "cluster_account": None}, [SECOND, PRINCIPAL]),
        ({"principals": [PRINCIPAL, SECOND], "key_grant": False, "key_policy": True}, []),
        ({"principals": [PRINCIPAL, SECOND], "method": "role"}, []),
        ({"principals": [PRINCIPAL, SECOND], "state": "absent"}, []),
    ],
)
@pytest.mark.parametrize("check", [True, False])
def test_whoever_is_granted_a_key_and_is_not_held_is_named(options: Tree, unheld: list[str], check: bool) -> None:
    """The denial is in the permissions of one, and the others have theirs from somebody else."""
    given = {"method": "bucket_policy", "kms_key_arn": ONE, "key_grant": True, **options}
    found = Cloud().run(check=check, **given).get("warnings", [])
    assert [one.partition(" is granted ")[0] for one in found] == unheld
    assert all(ONE in one and "StowageKeyOutside" in one for one in found)


def test_the_statement_that_holds_them_is_among_the_documents() -> None:
    cloud = Cloud()
    found = cloud.run(method="bucket_policy", kms_key_arn=ONE, key_grant=True)["trust"]["documents"][
        "party_permissions"
    ]
    assert [one["Effect"] for one in found["Statement"] if one["Sid"] == "StowageKeyOutside"] == ["Deny"]
