# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody else is asked to do at AWS takes nothing of another trust away, and names who is known."""

from __future__ import annotations

import json
import re
import shlex
import typing as t

import pytest

from ansible_collections.stowage.kubernetes.plugins.module_utils._arguments import LOCATION, merge
from ansible_collections.stowage.kubernetes.plugins.module_utils._progress import Progress
from ansible_collections.stowage.kubernetes.plugins.module_utils._task import Task
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.aws_arguments import ARGUMENTS
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.aws_task import AwsTrust
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.request import ARGUMENTS as TRUST

Tree = dict[str, t.Any]
BUCKET, CLUSTER, CONTROLLER = "222222222222", "111111111111", "333333333333"
ROLE = f"arn:aws:iam::{CLUSTER}:role/path/prod-1-backup"
OPERATOR = f"arn:aws:iam::{CONTROLLER}:user/operator"
POD = {"cluster": "prod-1", "region": None, "namespace": "stowage", "name": "backup"}
SERVICE_ACCOUNT = {"issuer": "https://oidc.example.com/id/X", "namespace": "stowage", "name": "backup"}


def text(name: str = "stowage-prod-1", **options: t.Any) -> str:
    """The text for a trust. No request is sent for it."""
    defaults = {option: of.get("default") for option, of in merge(LOCATION, TRUST, ARGUMENTS).items()}
    params = {
        **defaults,
        "name": name,
        "location": {"provider": "aws", "bucket": "acme-backups", "prefix": "fleet", "region": "eu-west-1"},
        "clusters": ["prod-1"],
        "location_account": {"account": BUCKET},
        "render_only": True,
        **options,
    }
    trust = AwsTrust(Task(params, False, False, {}, Progress(), pytest.fail, lambda _values: None))
    try:
        found: str = trust.run()["trust"]["review"]
    finally:
        trust.close()
    return found


def in_account(of: str, account: str) -> str:
    """The part of a text that is about an account."""
    (found,) = [
        part for part in re.split(r"^## ", of, flags=re.MULTILINE) if part.startswith(f"In the account {account}")
    ]
    return found


def commands(of: str, *start: str) -> list[list[str]]:
    """The words of the commands that begin so."""
    found = [shlex.split(line) for line in of.replace("\\\n", " ").splitlines() if line.startswith("aws ")]
    return [words for words in found if words[: len(start)] == list(start)]


@pytest.mark.parametrize(
    ("options", "kind", "name"),
    [
        ({"principals": [ROLE]}, "role", "prod-1-backup"),
        ({"principals": [OPERATOR]}, "user", "operator"),
        ({"principals": [CLUSTER]}, "role", "ROLE-OF-THE-CLUSTER"),
        ({"principals": [CLUSTER], "cluster_account": {"account": CLUSTER, "role": "stowage"}}, "role", "stowage"),
        ({"pod_identities": [POD], "cluster_account": {"account": CLUSTER, "role": "pods"}}, "role", "pods"),
    ],
)
def test_what_other_trusts_share_is_read_before_it_is_written(options: Tree, kind: str, name: str) -> None:
    shown = text(**options)
    option = ["aws", "iam", f"put-{kind}-policy", f"--{kind}-name", name, "--policy-name", "stowage"]
    (put,) = commands(shown, *option)
    option[2] = f"get-{kind}-policy"
    (got,) = commands(shown, *option)
    assert got[-2:] == [">", put[-1].removeprefix("file://")]
    assert commands(shown, "aws", "iam").index(got) < commands(shown, "aws", "iam").index(put)
    told = shown.partition("in place of one with the same `Sid`")
    assert (bool(told[1]), "NoSuchEntity" in told[2]) == (True, True)


def test_two_trusts_of_one_role_have_statements_of_their_own() -> None:
    sids = {
        statement["Sid"]
        for name in ("writer", "reader")
        for document in re.findall(
            r"```json\n(.*?)```", in_account(text(f"stowage-{name}", principals=[ROLE]), CLUSTER), re.DOTALL
        )
        for statement in json.loads(document)["Statement"]
    }
    assert len(sids) == 2


def test_accounts_are_named_with_whose_they_are() -> None:
    accounts: Tree = {
        "cluster_account": {"account": CLUSTER, "role": "prod-1-backup"},
        "controller_account": {"account": CONTROLLER},
    }
    shown = text(principals=[ROLE, OPERATOR], **accounts)
    assert in_account(shown, CLUSTER).startswith(f"In the account {CLUSTER}, of the cluster")
    assert in_account(shown, CONTROLLER).startswith(f"In the account {CONTROLLER}, of the controller")
    assert commands(in_account(shown, CONTROLLER), "aws", "iam", "put-user-policy")[0][4] == "operator"
    assert [words[4] for words in commands(in_account(shown, CLUSTER), "aws", "iam", "put-role-policy")] == [
        "prod-1-backup"
    ]
    assert "OF-THE-CLUSTER" not in shown


def test_an_account_of_nobody_who_is_named_is_that_of_who_uses_it() -> None:
    assert in_account(text(principals=[OPERATOR]), CONTROLLER).startswith(
        f"In the account {CONTROLLER}, of who uses it"
    )


def test_the_account_of_the_bucket_may_be_that_of_who_uses_it() -> None:
    assert f"## In the account {BUCKET} again" in text(principals=[f"arn:aws:iam::{BUCKET}:role/x"])


def test_service_accounts_need_nothing_in_another_account() -> None:
    shown = text(service_accounts=[SERVICE_ACCOUNT])
    assert ("put-role-policy --role-name stowage-prod-1" in shown, "assume.json" in shown) == (True, False)


def test_who_the_bucket_s_policy_lets_in_has_a_policy_of_this_trust_alone() -> None:
    shown = text(method="bucket_policy", principals=[OPERATOR])
    (put,) = commands(shown, "aws", "iam", "put-user-policy", "--user-name", "operator")
    assert put[6] == "stowage-stowage-prod-1"


def test_what_to_hand_back_and_how_it_is_proven() -> None:
    after = text(principals=[ROLE]).partition("## When it is done")[2]
    assert f"role_arn: arn:aws:iam::{BUCKET}:role/stowage-prod-1\nexternal_id: CHOOSE-ONE\n" in after
    assert "again without `render_only`" in after
    given = text(principals=[ROLE], external_id="acme-1").partition("## When it is done")[2]
    assert ("external_id: acme-1" in given, "was chosen" in given) == (True, False)


def test_a_role_that_is_there_is_looked_at_before_anything() -> None:
    shown = text(principals=[ROLE], tags={"owner": "Backup Team; rm -rf"})
    ours = in_account(shown, BUCKET)
    words = commands(ours, "aws", "iam")
    assert [one[2] for one in words] == ["get-role", "create-role", "update-assume-role-policy", "put-role-policy"]
    assert "Without the tag `stowage-trust=acme-backups` it is somebody else's: stop" in ours
    assert "Key=owner,Value=Backup Team; rm -rf" in words[1]


@pytest.mark.parametrize("how", ["key_policy", "key_grant"])
def test_a_key_is_named_in_its_own_region(how: str) -> None:
    arn = f"arn:aws:kms:eu-north-1:{BUCKET}:key/k"
    options: Tree = {"principals": [ROLE], "kms_key_arn": arn, how: True}
    found = commands(text(**options), "aws", "kms")
    assert found
    assert all(words[words.index("--region") + 1] == "eu-north-1" for words in found)
