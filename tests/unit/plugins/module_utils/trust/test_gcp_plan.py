# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is changed at Google for a trust, and that it comes to an end: what was made is there, what was there stays, and what is taken
away leaves nothing."""

from __future__ import annotations

import copy
import dataclasses
import functools
import typing as t

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import gcp, gcp_policy
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.gcp_policy import Federation, Tree, Wanted
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.gcp_trials import NOBODY, Place, Samples

EMAIL = "trust-name@acme-project.iam.gserviceaccount.com"
POOL = Federation("https://issuer.example.com", ("stowage",), ("stowage/backup",))
PEOPLE = st.lists(st.sampled_from(["user:a@example.com", "group:b@example.com"]), min_size=1, max_size=2, unique=True)
CONDITION = st.none() | st.just({"title": "theirs", "expression": "true"})


def bindings(*roles: str) -> st.SearchStrategy[list[Tree]]:
    """Bindings of others, each role and condition once, as Google keeps them."""
    made = st.builds(
        lambda role, members, condition: (
            {"role": role, "members": sorted(members)} | ({"condition": condition} if condition else {})
        ),
        st.sampled_from(roles),
        PEOPLE,
        CONDITION,
    )
    return st.lists(made, max_size=3, unique_by=lambda one: (one["role"], "condition" in one))


BUCKETS = bindings("roles/storage.objectViewer", "roles/storage.admin")
ACTING = bindings("roles/viewer", gcp_policy.TOKEN_CREATOR, gcp_policy.WORKLOAD_USER)


@dataclasses.dataclass
class Memory:
    """As much of Google as setting up trust asks for; each write is noted."""

    policy: Tree = dataclasses.field(default_factory=lambda: {"etag": "a", "version": 1, "bindings": []})
    accounts: dict[str, Tree] = dataclasses.field(default_factory=dict)
    acting: Tree = dataclasses.field(default_factory=lambda: {"etag": "b", "version": 1, "bindings": []})
    roles: dict[str, Tree] = dataclasses.field(default_factory=dict)
    pools: dict[str, Tree] = dataclasses.field(default_factory=dict)
    uniform: bool = True

    def bucket(self, _name: str) -> Tree:
        access = {"uniformBucketLevelAccess": {"enabled": self.uniform}}
        return {"projectNumber": "123", "iamConfiguration": access}

    def bucket_policy(self, _name: str) -> Tree:
        return copy.deepcopy(self.policy)

    def change_bucket_policy(self, _name: str, change: t.Callable[[Tree], Tree]) -> None:
        self.policy = change(self.bucket_policy(""))

    def account(self, email: str) -> Tree | None:
        return self.accounts.get(email)

    def create_account(self, project: str, name: str, description: str) -> None:
        self.accounts[f"{name}@{project}.iam.gserviceaccount.com"] = {"description": description}

    def delete_account(self, email: str) -> None:
        del self.accounts[email]
        self.acting = {"etag": "b", "version": 1, "bindings": []}

    def account_policy(self, _email: str) -> Tree:
        return copy.deepcopy(self.acting)

    def change_account_policy(self, email: str, change: t.Callable[[Tree], Tree]) -> None:
        assert email in self.accounts
        self.acting = change(self.account_policy(email))

    def role(self, _project: str, name: str) -> Tree | None:
        return self.roles.get(name)

    def put_role(self, _project: str, name: str, document: Tree, _before: Tree | None) -> None:
        self.roles[name] = dict(document)

    def delete_role(self, _project: str, name: str) -> None:
        self.roles[name]["deleted"] = True

    def federated(self, path: str) -> Tree | None:
        return copy.deepcopy(self.pools.get(path))

    def put_federated(self, path: str, _kind: str, document: Tree, _before: Tree | None) -> None:
        # Google leaves out what is empty.
        shown = {name: value for name, value in document.items() if value not in (False, "")}
        self.pools[path] = {"name": path, "state": "ACTIVE", **copy.deepcopy(shown)}

    def delete_federated(self, path: str) -> None:
        self.pools[path]["state"] = "DELETED"

    def providers(self, pool: str) -> list[Tree]:
        return [one for name, one in self.pools.items() if name.startswith(f"{pool}/") and one["state"] == "ACTIVE"]


def wanted(**options: t.Any) -> Wanted:
    """A trust by federation."""
    found: dict[str, t.Any] = {
        "name": "trust-name",
        "project": "acme-project",
        "number": "123",
        "bucket": "acme-backups",
        "prefix": "fleet",
        "account": EMAIL,
        "given": False,
        "clusters": ("prod-1",),
        "permissions": "writer",
        "writes_restores": False,
        "custom_role": True,
        "federation": POOL,
        "impersonators": ("user:awx@example.com",),
    }
    return Wanted(**{**found, **options})


def made(memory: Memory, of: Wanted, *, exclusive: bool = False, absent: bool = False) -> list[str]:
    """Looks, plans and changes; the kinds of what was changed."""
    apis = gcp.Apis(t.cast("t.Any", memory), t.cast("t.Any", memory))
    ids = [gcp_policy.role_id(of.name, one) for one in gcp_policy.PERMISSIONS]
    found = gcp.look(apis, of, ids)
    steps = gcp.plan_removal(apis, of, found) if absent else gcp.plan(apis, of, found, exclusive=exclusive)
    return [change.what for change in gcp.apply(steps)]


removed = functools.partial(made, absent=True)


@settings(max_examples=40)
@given(BUCKETS, st.sampled_from([None, POOL]), st.booleans())
def test_it_comes_to_an_end_and_leaves_nothing(theirs: list[Tree], pool: Federation | None, custom: bool) -> None:
    memory = Memory()
    memory.policy["bindings"] = copy.deepcopy(theirs)
    of = wanted(federation=pool, custom_role=custom)
    assert made(memory, of) != []
    assert made(memory, of) == [], "the second time there is nothing to do"
    assert [one for one in memory.policy["bindings"] if one in theirs] == theirs
    assert removed(memory, of) != []
    assert removed(memory, of) == []
    assert memory.policy["bindings"] == theirs
    assert (memory.accounts, memory.acting["bindings"]) == ({}, [])
    assert all(one.get("deleted") for one in memory.roles.values())
    assert all(one["state"] == "DELETED" for one in memory.pools.values())
    assert made(memory, of) != []
    assert made(memory, of) == [], "names that are kept for a while are taken back"


@settings(max_examples=40)
@given(ACTING)
def test_an_account_that_was_given_keeps_its_others(theirs: list[Tree]) -> None:
    memory = Memory(accounts={EMAIL: {"description": "somebody's"}})
    memory.acting["bindings"] = copy.deepcopy(theirs)
    of = wanted(given=True)
    assert "service_account" not in made(memory, of)
    assert made(memory, of) == []
    removed(memory, of)

    def key(one: Tree) -> tuple[str, bool]:
        return one["role"], "condition" in one

    assert sorted(memory.acting["bindings"], key=key) == sorted(theirs, key=key)
    assert EMAIL in memory.accounts


def test_the_order_lets_each_thing_name_the_one_before() -> None:
    order = ["service_account", "role", "role", "role", "pool", "provider", "service_account_policy", "bucket_policy"]
    assert made(Memory(), wanted()) == order
    memory = Memory()
    made(memory, wanted())
    assert removed(memory, wanted()) == ["bucket_policy", "provider", "pool", "role", "role", "role", "service_account"]


def test_exclusive_takes_the_roles_of_others_away_and_no_others() -> None:
    memory = Memory()
    made(memory, wanted())
    stranger = {"role": gcp_policy.TOKEN_CREATOR, "members": ["user:stranger@example.com"]}
    viewer = {"role": "roles/viewer", "members": ["user:stranger@example.com"]}
    memory.acting["bindings"] += [stranger, viewer]
    assert made(memory, wanted()) == []
    assert made(memory, wanted(), exclusive=True) == ["service_account_policy"]
    assert viewer in memory.acting["bindings"]
    assert "stranger" not in str([one for one in memory.acting["bindings"] if one["role"] != "roles/viewer"])
    assert made(memory, wanted(), exclusive=True) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda one: one.update(attributeCondition="true"), ["provider"]),
        (lambda one: one.update(disabled=True), ["provider"]),
        (lambda one: one["oidc"].update(issuerUri="https://other.example.com"), ["provider"]),
        (lambda one: one["oidc"]["allowedAudiences"].append("more"), ["provider"]),
        (lambda one: one["attributeMapping"].update({"google.subject": "assertion.email"}), ["provider"]),
        (lambda one: one.update(expireTime="2099-01-01T00:00:00Z"), []),
    ],
)
def test_a_provider_that_somebody_changed_is_put_right(change: t.Callable[[Tree], None], expected: list[str]) -> None:
    memory = Memory()
    made(memory, wanted())
    change(memory.pools[gcp.provider_path(wanted())])
    assert made(memory, wanted()) == expected
    assert made(memory, wanted()) == []


def test_a_role_and_a_binding_that_somebody_changed_are_put_right() -> None:
    memory = Memory()
    made(memory, wanted())
    memory.roles["trust_name.create"]["includedPermissions"].append("storage.objects.delete")
    memory.policy["bindings"][0]["members"].append("allUsers")
    assert made(memory, wanted()) == ["role", "bucket_policy"]
    assert memory.roles["trust_name.create"]["includedPermissions"] == ["storage.objects.create"]
    assert made(memory, wanted()) == []


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda memory: memory.accounts.update({EMAIL: {"description": "theirs"}}), "trust_in_use"),
        (lambda memory: memory.roles.update({"trust_name.create": {"description": "theirs"}}), "trust_in_use"),
        (
            lambda memory: memory.pools.update({gcp.pool_path(wanted()): {"state": "ACTIVE", "description": "theirs"}}),
            "trust_in_use",
        ),
        (lambda memory: setattr(memory, "uniform", False), "location_unfit"),
    ],
)
@pytest.mark.parametrize("absent", [True, False])
def test_what_is_not_ours_is_left_alone(spoil: t.Callable[[Memory], None], code: str, absent: bool) -> None:
    memory = Memory()
    spoil(memory)
    before = copy.deepcopy(memory)
    with pytest.raises(StowageError) as refused:
        made(memory, wanted(), absent=absent)
    assert (refused.value.code, memory) == (code, before)


@pytest.mark.parametrize(
    "depend",
    [
        lambda memory: memory.policy["bindings"].append(
            {"role": "roles/storage.admin", "members": [f"serviceAccount:{EMAIL}"]}
        ),
        lambda memory: memory.acting["bindings"].append({"role": "roles/viewer", "members": ["user:a@example.com"]}),
        lambda memory: memory.pools.update(
            {f"{gcp.pool_path(wanted())}/providers/x": {"name": "a/providers/x", "state": "ACTIVE"}}
        ),
    ],
)
def test_nothing_is_removed_that_others_depend_on(depend: t.Callable[[Memory], None]) -> None:
    memory = Memory()
    made(memory, wanted())
    depend(memory)
    before = copy.deepcopy(memory)
    with pytest.raises(StowageError) as refused:
        removed(memory, wanted())
    assert (refused.value.code, memory) == ("trust_in_use", before)


# where the permissions end


def test_places_elsewhere_are_clusters_that_are_there() -> None:
    names = ("fleet/clusters/prod-10/backups/b/b.tar.gz", "other/x")
    place = Place("fleet/", "clusters/prod-1/")
    found = place.elsewhere(Samples(names, ("prod-10", "empty")))
    assert found == [
        ("other_cluster", "fleet/clusters/prod-10/", names[0]),
        ("other_cluster", "fleet/clusters/empty/", ""),
        ("outside_prefix", f"{NOBODY}/", "other/x"),
    ]
    second = Place("fleet/", "clusters/prod-3/", first=False)
    assert [one[0] for one in second.elsewhere(Samples(names, ("prod-10",)))] == ["outside_prefix"]


def test_where_no_other_cluster_is_known_there_is_one_that_is_not_there() -> None:
    assert Place("", "clusters/prod-1/").elsewhere(Samples(("clusters/prod-1/backups/x",))) == [
        ("other_cluster", f"clusters/{NOBODY}/", "")
    ]
