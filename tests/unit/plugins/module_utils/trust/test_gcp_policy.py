# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents of trust at Google: nobody gets more than the permission set says, and what others set up stays as it is."""

from __future__ import annotations

import copy
import re
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import gcp_policy
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.gcp_policy import Federation, Tree, Wanted
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.sets import (
    PERMISSION_SETS,
    Operation,
    PermissionSet,
    grants,
)
from testbed import google_cel

BUCKET = "acme-backups"
OBJECTS: tuple[Operation, ...] = ("create", "read", "delete")
# Few names, so that keys hit the folders of clusters that are meant, and of others whose names begin alike.
CLUSTERS = st.lists(st.sampled_from(["a", "ab", "b1"]), min_size=1, max_size=3, unique=True)
PREFIXES = st.sampled_from(["", "fleet", "a/b"])
_WORDS = st.sampled_from(
    ["clusters", "a", "ab", "b1", "backups", "runs", "workspaces", "metadata", "stowage", "x.tar.gz"]
)
_PATHS = st.sampled_from(
    [
        "clusters/{}/backups/{}/velero-backup.json",
        "clusters/{}/backups/{}/stowage-manifest.json",
        "clusters/{}/backups/{}/{}.tar.gz",
        "clusters/{}/backups/velero-backup.json",
        "clusters/{}/metadata/stowage/{}",
        "clusters/{}/metadata/stowage/leases/{}",
        "clusters/{}/metadata/{}",
        "clusters/{}/restores/{}/stowage-restore.json",
        "clusters/{}/{}",
        "workspaces/{}/runs/{}/{}/{}",
        "workspaces/{}/runs/{}",
        "workspaces/{}/runs/{}/expected.json",
        "workspaces/{}/{}/{}/{}",
        "elsewhere/clusters/{}/backups/{}/velero-backup.json",
    ]
)
KEYS = st.builds(lambda path, words: path.format(*words), _PATHS, st.lists(_WORDS, min_size=4, max_size=4))
SETS = st.sampled_from(PERMISSION_SETS)

PREDEFINED: dict[str, set[str]] = {
    "roles/storage.objectViewer": {"list", "read"},
    "roles/storage.objectCreator": {"create"},
}
ROLES = ["roles/storage.objectViewer", "roles/storage.objectCreator", "roles/storage.admin", "roles/viewer"]
MEMBERS = st.lists(
    st.sampled_from(
        ["user:a@example.com", "group:b@example.com", "allUsers", "serviceAccount:c@p.iam.gserviceaccount.com"]
    ),
    max_size=3,
)
# Titles that begin as ours do among them, and conditions without a title.
TITLES = st.sampled_from(
    ["", "theirs", "stowage", "stowage:", "stowage:other-name:prod-1:list", "stowage:trust-name-2:a:read"]
)
CONDITIONS = st.none() | st.fixed_dictionaries(
    {"expression": st.sampled_from(["true", 'resource.name == "x"'])}, optional={"title": TITLES}
)
BINDINGS = st.builds(
    lambda role, members, condition: (
        {"role": role, "members": members} | ({"condition": condition} if condition else {})
    ),
    st.sampled_from(ROLES),
    MEMBERS,
    CONDITIONS,
)
POLICIES = st.builds(
    lambda bindings, version: {"bindings": bindings, "version": version, "etag": "BwW=", "kind": "storage#policy"},
    st.lists(BINDINGS, max_size=5),
    st.sampled_from([1, 3]),
)


def wanted(**options: t.Any) -> Wanted:
    """A trust with two clusters, if nothing else is said."""
    found: dict[str, t.Any] = {
        "name": "trust-name",
        "project": "acme-project",
        "number": "123",
        "bucket": BUCKET,
        "prefix": "fleet",
        "account": "trust-name@acme-project.iam.gserviceaccount.com",
        "given": False,
        "clusters": ("prod-1", "prod-2"),
        "permissions": "writer",
        "writes_restores": False,
        "custom_role": False,
    }
    return Wanted(**{**found, **options})


def allows(bindings: list[Tree], operation: Operation, key: str) -> bool:
    """What Google would say of a request: the server's own reading of the conditions."""
    listed = operation == "list"
    name = f"projects/_/buckets/{BUCKET}" + ("" if listed else f"/objects/{key}")
    variables = {"resource": {"name": name}, "api": {"storage.googleapis.com/objectListPrefix": key} if listed else {}}
    return any(
        operation in PREDEFINED.get(one["role"], {one["role"].rpartition(".")[2]})
        and google_cel.holds(one["condition"]["expression"], variables)
        for one in bindings
    )


def fits(path: str, key: str) -> bool:
    """Whether a key fits a path in which * stands for anything. Conditions take a slash on both sides of it for one."""
    return bool(re.fullmatch(".*".join(map(re.escape, path.split("*"))), key, re.DOTALL))


def bound(name: PermissionSet, clusters: list[str], prefix: str, **options: t.Any) -> list[Tree]:
    """The bindings of a permission set, of predefined roles where there are any."""
    more = {"custom_role": name == "pruner", **options}
    return gcp_policy.bindings(wanted(permissions=name, clusters=tuple(clusters), prefix=prefix, **more))


@pytest.mark.parametrize("operation", OBJECTS)
@pytest.mark.parametrize("name", PERMISSION_SETS)
@given(clusters=CLUSTERS, prefix=PREFIXES, key=KEYS, writes=st.booleans())
def test_conditions_allow_what_the_permission_set_says_and_no_more(
    operation: Operation, name: PermissionSet, **of: t.Any
) -> None:
    clusters, prefix, key, writes = of["clusters"], of["prefix"], of["key"], of["writes"]
    found = bound(name, clusters, prefix, writes_restores=writes)
    allowed = grants(name, clusters, writes_restores=writes)
    paths = [grant.path for grant in allowed if operation in grant.operations]
    # A condition compares the beginning and the end, which may share a slash.
    loose = any(fits(path, key) or fits(path.replace("/*/", "/", 1), key) for path in paths)
    may = allows(found, operation, f"{prefix}/{key}" if prefix else key)
    assert not may or loose
    assert may or not any(fits(path, key) for path in paths)
    if prefix:
        assert not allows(found, operation, key)


@given(SETS, CLUSTERS, PREFIXES, KEYS)
def test_listing_is_narrowed_by_its_prefix(name: PermissionSet, clusters: list[str], prefix: str, key: str) -> None:
    found = bound(name, clusters, prefix)
    start = f"{prefix}/" if prefix else ""
    folders = ["workspaces"] if name == "coordinator" else [f"clusters/{cluster}" for cluster in clusters]
    inside = any(key.startswith(f"{folder}/") for folder in folders)
    assert allows(found, "list", start + key) is inside
    # A listing that says no prefix is one of the whole bucket.
    assert not allows(found, "list", "")
    assert not allows(found, "list", f"{start}clusters/")


@given(SETS, CLUSTERS, PREFIXES)
def test_google_takes_the_conditions(name: PermissionSet, clusters: list[str], prefix: str) -> None:
    for one in bound(name, clusters, prefix, custom_role=True):
        google_cel.check(one["condition"]["expression"])


@given(SETS, CLUSTERS)
def test_each_binding_is_conditional_and_for_one_account(name: PermissionSet, clusters: list[str]) -> None:
    found = gcp_policy.bindings(wanted(permissions=name, clusters=tuple(clusters), custom_role=True))
    titles = [gcp_policy.title(one) for one in found]
    assert len(titles) == len(set(titles)) == len(found)
    assert titles == sorted(titles)
    for one in found:
        assert one["members"] == ["serviceAccount:trust-name@acme-project.iam.gserviceaccount.com"]
        assert one["condition"]["expression"]


def test_no_role_of_ours_has_a_permission_too_many() -> None:
    for name in PERMISSION_SETS:
        roles = gcp_policy.roles(wanted(permissions=name, custom_role=True))
        assert all(len(permissions) == 1 for permissions in roles.values())
        used = {
            one["role"].rpartition("/")[2] for one in gcp_policy.bindings(wanted(permissions=name, custom_role=True))
        }
        assert used == set(roles)
        held = {permission for permissions in roles.values() for permission in permissions}
        assert held <= {f"storage.objects.{verb}" for verb in ("list", "get", "create", "delete")}
    assert "storage.objects.delete" not in str(gcp_policy.roles(wanted(permissions="writer", custom_role=True)))


def test_deleting_alone_needs_a_role_of_ours() -> None:
    with pytest.raises(StowageError) as refused:
        gcp_policy.bindings(wanted(permissions="pruner"))
    assert "custom_role" in refused.value.hint


# merging with what is there


@given(POLICIES)
def test_what_is_of_others_is_kept_and_the_etag_too(policy: Tree) -> None:
    before, ours = copy.deepcopy(policy), gcp_policy.bindings(wanted())
    merged = gcp_policy.replaced(policy, "trust-name", ours)
    assert policy == before, "what was read is not changed in place"
    assert [one for one in merged["bindings"] if one not in ours] == before["bindings"]
    assert [one for one in merged["bindings"] if one in ours] == ours
    assert {**merged, "bindings": 0, "version": 0} == {**before, "bindings": 0, "version": 0}
    assert merged["version"] == 3, "without it, Google takes no condition"
    assert gcp_policy.foreign_of(merged, "trust-name") == gcp_policy.foreign_of(before, "trust-name")


@given(POLICIES)
def test_merging_twice_changes_nothing(policy: Tree) -> None:
    ours = gcp_policy.bindings(wanted())
    once = gcp_policy.replaced(policy, "trust-name", ours)
    assert gcp_policy.replaced(once, "trust-name", ours) == once
    assert gcp_policy.ours_of(once, "trust-name") == [gcp_policy.normal(one) for one in ours]


@given(POLICIES)
def test_taking_ours_away_leaves_the_others(policy: Tree) -> None:
    made = gcp_policy.replaced(policy, "trust-name", gcp_policy.bindings(wanted()))
    assert gcp_policy.replaced(made, "trust-name", [])["bindings"] == policy["bindings"]


@given(POLICIES, st.permutations(gcp_policy.bindings(wanted())))
def test_order_and_empty_fields_do_not_count(policy: Tree, ours: list[Tree]) -> None:
    # As Google gives them back: shuffled, and with an empty description.
    shown = [{**one, "condition": {**one["condition"], "description": ""}} for one in ours]
    found = gcp_policy.ours_of({**policy, "bindings": [*policy["bindings"], *shown]}, "trust-name")
    assert found == gcp_policy.bindings(wanted())


def test_a_condition_of_somebody_else_on_the_same_role_stays() -> None:
    theirs = {
        "role": "roles/storage.objectViewer",
        "members": ["user:a@example.com", wanted().member],
        "condition": {"title": "theirs", "expression": 'resource.name == "x"'},
    }
    plain = {"role": "roles/storage.objectViewer", "members": ["user:a@example.com"]}
    policy = {"bindings": [theirs, plain], "version": 3, "etag": "BwW="}
    merged = gcp_policy.replaced(policy, "trust-name", gcp_policy.bindings(wanted()))
    assert merged["bindings"][:2] == [theirs, plain]
    assert gcp_policy.foreign_of(merged, "trust-name") == [gcp_policy.normal(theirs), gcp_policy.normal(plain)]


def test_what_was_changed_in_ours_is_seen() -> None:
    ours = gcp_policy.bindings(wanted())
    for change in (
        {"members": [*ours[0]["members"], "allUsers"]},
        {"members": ["deleted:serviceAccount:trust-name@acme-project.iam.gserviceaccount.com?uid=1"]},
        {"role": "roles/storage.admin"},
        {"condition": {**ours[0]["condition"], "expression": "true"}},
    ):
        policy = {"bindings": [{**ours[0], **change}, *ours[1:]], "version": 3}
        assert gcp_policy.ours_of(policy, "trust-name") != ours
        assert gcp_policy.replaced(policy, "trust-name", ours)["bindings"] == ours


# who may act as the account

ACTING = st.dictionaries(
    st.sampled_from([gcp_policy.WORKLOAD_USER, gcp_policy.TOKEN_CREATOR, "roles/viewer"]),
    st.lists(st.sampled_from(["user:a@example.com", "user:b@example.com", "group:c@example.com"]), max_size=3),
)


@given(POLICIES, ACTING, ACTING)
def test_members_come_and_go_and_conditions_stay(policy: Tree, add: Tree, drop: Tree) -> None:
    before = copy.deepcopy(policy)
    changed = gcp_policy.with_members(policy, add, drop)
    assert policy == before
    assert gcp_policy.with_members(changed, add, drop) == changed
    conditional = [one for one in before["bindings"] if one.get("condition")]
    assert [one for one in changed["bindings"] if one.get("condition")] == conditional
    assert changed["version"] == 3 or not conditional
    assert changed["etag"] == before["etag"]
    had, has = gcp_policy.member_bindings(before), gcp_policy.member_bindings(changed)
    for role in {*had, *has, *add, *drop}:
        expected = (set(had.get(role, ())) | set(add.get(role, ()))) - set(drop.get(role, ()))
        assert set(has.get(role, ())) == expected
    assert all(one["members"] for one in changed["bindings"] if not one.get("condition")), (
        "Google takes no empty binding"
    )


def test_each_subject_is_bound_by_itself() -> None:
    pool = Federation("https://issuer.example.com", ("stowage",), ("stowage/backup", "stowage/restore"))
    found = gcp_policy.members(wanted(federation=pool, gke=(("acme-clusters", "ns/backup"),)))
    start = "principal://iam.googleapis.com/projects/123/locations/global/workloadIdentityPools/trust-name/subject"
    assert found == {
        gcp_policy.WORKLOAD_USER: [
            f"{start}/system:serviceaccount:stowage:backup",
            f"{start}/system:serviceaccount:stowage:restore",
            "serviceAccount:acme-clusters.svc.id.goog[ns/backup]",
        ]
    }


def test_a_provider_takes_one_issuer_its_audiences_and_the_subjects_that_are_named() -> None:
    pool = Federation("https://issuer.example.com", ("z", "stowage"), ("stowage/restore", "stowage/backup"))
    document = gcp_policy.provider(wanted(federation=pool), pool)
    assert document["oidc"] == {"issuerUri": "https://issuer.example.com", "allowedAudiences": ["stowage", "z"]}
    assert document["attributeMapping"] == {"google.subject": "assertion.sub"}
    condition = document["attributeCondition"]
    for subject, fine in (
        ("system:serviceaccount:stowage:backup", True),
        ("system:serviceaccount:stowage:restore", True),
        ("system:serviceaccount:stowage:default", False),
        ("system:serviceaccount:other:backup", False),
        ("", False),
    ):
        assert google_cel.holds(condition, {"assertion": {"sub": subject}}) is fine


@pytest.mark.parametrize(
    "member",
    [
        "allUsers",
        "allAuthenticatedUsers",
        "domain:example.com",
        "projectOwner:acme",
        "principalSet://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/*",
        "principal://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/subject/*",
        "serviceAccount:acme-clusters.svc.id.goog[ns/backup]",
        "user:",
        "",
    ],
)
def test_whoever_is_more_than_one_may_not_impersonate(member: str) -> None:
    with pytest.raises(StowageError) as refused:
        gcp_policy.check_impersonator(member)
    assert refused.value.code == "invalid_option"


@pytest.mark.parametrize("subject", ["*/backup", "ns/*", "ns", "ns/a/b", "/a", "ns/", "NS/a", "ns/a]", 'ns/a"'])
def test_a_subject_is_one_account_of_one_namespace(subject: str) -> None:
    with pytest.raises(StowageError):
        gcp_policy.check_subject("gke.subject", subject)
    assert gcp_policy.check_subject("gke.subject", "ns/backup-1.a") == "ns/backup-1.a"


@pytest.mark.parametrize("name", ["short", "gcp-anything", "With-Capitals", "ends-in-", "a" * 31])
def test_names_that_google_does_not_take(name: str) -> None:
    with pytest.raises(StowageError) as refused:
        gcp_policy.account_of(name, "acme-project")
    assert refused.value.code == "invalid_name"


def test_a_location_s_credentials_hold_no_secret() -> None:
    ends = {"sts": "https://sts.googleapis.com", "iamcredentials": "https://iamcredentials.googleapis.com"}
    pool = Federation("https://issuer.example.com", ("stowage",), ("stowage/backup",), jwks="{}")
    auth = gcp_policy.auth_of(wanted(federation=pool), ends, "/var/run/token")
    assert auth["credentials_json"]["credential_source"] == {"file": "/var/run/token"}
    assert auth["credentials_json"]["audience"].endswith("/workloadIdentityPools/trust-name/providers/trust-name")
    assert gcp_policy.auth_of(wanted(gke=(("p", "a/b"),)), ends, "") == {"method": "default_chain"}
    assert gcp_policy.auth_of(wanted(), ends, "")["method"] == "impersonation"
