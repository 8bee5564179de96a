# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The example inventories of trust in MinIO, as they are but for where servers and files are: each is planned, made, proven, made
again, used, and taken away."""

from __future__ import annotations

import json
import secrets
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3
from minio.credentials.providers import LdapIdentityProvider

from support import modules
from support.aws import Issuer, allow, document, served_issuer
from support.example_plays import ExamplePlays, Journey, Scenario, example, not_passed, overlaid, verdicts
from support.ldap_server import Directory, served_directory
from support.minio_listing import empty, keys, listing
from testbed import MinIO, Testbed

BUCKET = "backups"
CLIENT_ID = "stowage-test"
Tree = dict[str, Any]


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    """An OpenID provider."""
    with served_issuer() as found:
        yield found


@pytest.fixture(scope="module")
def server(testbed: Testbed, issuer: Issuer) -> Iterator[MinIO]:
    """A MinIO of these tests' own, for what is in it is compared as a whole. Its OpenID provider is the issuer."""
    openid = {"CONFIG_URL": f"{issuer.url}/.well-known/openid-configuration", "CLIENT_ID": CLIENT_ID}
    found = testbed.minio(settings={f"MINIO_IDENTITY_OPENID_{name}": value for name, value in openid.items()})
    found.create_bucket(BUCKET, versioning=True)
    yield found
    testbed.stop(found)


@pytest.fixture
def store(server: MinIO) -> Iterator[MinIO]:
    """The same, without objects in the end."""
    yield server
    empty(server, BUCKET)


class Place:
    """An example at a server.

    :param path: for keys, tokens and plays.
    """

    def __init__(self, store: MinIO, path: Path, stem: str) -> None:
        self.store, self.path, self.inventory = store, path, example(stem)
        self.keys = path / "keys"
        self.keys.mkdir()
        self.where: Tree = {"endpoint": store.endpoint, "ca_cert": str(store.ca_cert)}
        self.credentials = {
            "STOWAGE_LOCATION_MINIO_ACCESS_KEY": store.access_key,
            "STOWAGE_LOCATION_MINIO_SECRET_KEY": store.secret_key,
        }

    def secret_path(self, name: str) -> Path:
        return self.keys / f"{name}.json"

    def key(self, name: str) -> dict[str, str]:
        """The key that is kept for a trust."""
        found: dict[str, str] = json.loads(self.secret_path(name).read_text(encoding="ascii"))
        return found

    def scenario(self, trusts: Tree, locations: Tree | None = None, *more: str) -> Scenario:
        """:param trusts: what differs from the example's.
        :param more: secrets beside those of keys.
        """
        places = {
            name: {**self.where, **(locations or {}).get(name, {})} for name in self.inventory["stowage_locations"]
        }
        tree = overlaid(self.inventory, {"stowage_locations": places, "stowage_trusts": trusts})
        plays = ExamplePlays.of(self.path / "plays", self.credentials, vars=tree)

        def hidden() -> list[str]:
            made = [json.loads(one.read_text(encoding="ascii"))["secret_key"] for one in self.keys.iterdir()]
            return [self.store.secret_key, *made, *more]

        return Scenario(plays, lambda: listing(self.store, BUCKET), hidden, list(trusts))

    def with_keys(self) -> Scenario:
        """Of an example whose trusts keep keys."""
        names = self.inventory["stowage_trusts"]
        return self.scenario(
            {name: {"secret_path": str(self.secret_path(name)), "verify_timeout": 0} for name in names}
        )

    def location(self, name: str, **auth: str) -> Tree:
        """A location of the example, at the server."""
        found: Tree = {**self.inventory["stowage_locations"][name], **self.where}
        return {**found, "auth": auth} if auth else found


def test_access_keys(store: MinIO, cluster: Any, tmp_path: Path) -> None:
    place = Place(store, tmp_path, "minio")
    it = place.with_keys()
    before = it.listing()
    made = it.made()
    trusts = made.trusts()
    for name, trust in trusts.items():
        assert not_passed(trust) == {}, name
        assert stat.S_IMODE(place.secret_path(name).stat().st_mode) == 0o600
    assert "read_refused" in verdicts(trusts["prod-1-writer"])
    assert "delete_refused" in verdicts(trusts["prod-1-reader"])
    assert "create_refused" in verdicts(trusts["fleet-pruner"])
    assert made.looked().keys() == trusts.keys()

    # The cluster's owner has put the key into a credential, as the example says.
    written = place.key("prod-1-writer")
    credentials = {f"STOWAGE_CLUSTER_MINIO_{name.upper()}": value for name, value in written.items()}
    reads = place.location("primary", method="access_key", **place.key("prod-1-reader"))
    places = {"writes": place.location("prod-1-write"), "reads": reads}
    clusters = (cluster(), cluster("other"))
    Journey.of(tmp_path / "journey", clusters, places, "prod-1", "by-key", **credentials).go()
    empty(store, BUCKET)
    it.taken_away(before)
    assert list(place.keys.iterdir()) == []
    it.plays.end()


def test_users_that_are_there_and_tokens(store: MinIO, issuer: Issuer, cluster: Any, tmp_path: Path) -> None:
    place = Place(store, tmp_path, "minio_identities")
    people = {name: secrets.token_urlsafe(20) for name in ("alice", "bob")}
    for person in people.items():
        store.admin().user_add(*person)
    place.credentials["STOWAGE_CONTROLLER_MINIO_ACCESS_KEY"] = "alice"
    place.credentials["STOWAGE_CONTROLLER_MINIO_SECRET_KEY"] = people["alice"]
    tokens = []
    for given in place.inventory["stowage_trusts"]["prod-1-pods"]["verify_tokens"]:
        # The provider decides who gets the claim.
        claims = {"policy": "prod-1-pods"} if given["expected"] == "allowed" else {}
        path = tmp_path / given["name"]
        text = issuer.token(sub=given["name"], aud=CLIENT_ID, exp=int(time.time()) + 3600, **claims)
        path.write_text(text, encoding="ascii")
        tokens.append({"path": str(path)})
    right = tokens[0]["path"]
    it = place.scenario(
        {"on-call-reader": {"verify_timeout": 0}, "prod-1-pods": {"verify_timeout": 0, "verify_tokens": tokens}},
        {"prod-1-write": {"auth": {"web_identity_token_file": right}}},
        *people.values(),
        Path(right).read_text(encoding="ascii"),
    )
    before = it.listing()
    made = it.made()
    trusts = made.trusts()
    assert {name: not_passed(trust) for name, trust in trusts.items()} == {"on-call-reader": {}, "prod-1-pods": {}}
    assert {"controller_list_allowed", "controller_delete_refused"} <= verdicts(trusts["on-call-reader"]).keys()
    assert {"token_backup_allowed", "token_other-account_refused"} <= verdicts(trusts["prod-1-pods"]).keys()
    assert made.looked().keys() == trusts.keys()

    writes = place.location("prod-1-write", method="web_identity", web_identity_token_file=right)
    reads = place.location("primary", method="access_key", access_key="bob", secret_key=people["bob"])
    clusters = (cluster(), cluster("other"))
    Journey.of(tmp_path / "journey", clusters, {"writes": writes, "reads": reads}, "prod-1", "by-identity").go()
    empty(store, BUCKET)
    it.taken_away(before)
    it.plays.end()
    for name in people:
        store.admin().user_remove(name)


@pytest.fixture
def directory() -> Iterator[Directory]:
    """The directory of the example."""
    with served_directory("dc=example,dc=com") as found:
        yield found


@pytest.fixture
def of_directory(testbed: Testbed, directory: Directory) -> Iterator[MinIO]:
    """A MinIO that knows nobody but those of the directory."""
    found = testbed.minio(settings=directory.minio())
    found.create_bucket(BUCKET, versioning=True)
    yield found
    testbed.stop(found)


def test_users_and_groups_of_a_directory(of_directory: MinIO, directory: Directory, tmp_path: Path) -> None:
    place = Place(of_directory, tmp_path, "minio_directory")
    alice, bob, carol = (directory.person(name) for name in ("alice", "bob", "carol"))
    directory.group("on-call", bob)
    logins = [
        {"name": name, "username": name, "password": directory.passwords[one], "expected": expected}
        for name, one, expected in (("alice", alice, "allowed"), ("bob", bob, "allowed"), ("carol", carol, "refused"))
    ]
    over = {"on-call-reader": {"verify_timeout": 0, "verify_ldap": logins}}
    it = place.scenario(over, None, *directory.passwords.values())
    before = it.listing()
    made = it.made()
    trust = made.trusts()["on-call-reader"]
    assert not_passed(trust) == {}
    assert {"ldap_alice_read_allowed", "ldap_bob_delete_refused", "ldap_carol_refused"} <= verdicts(trust).keys()
    assert made.looked() == {}, "a location has no method to log in so"

    pool = urllib3.PoolManager(ca_certs=str(of_directory.ca_cert))
    session = LdapIdentityProvider(of_directory.endpoint, "bob", directory.passwords[bob], http_client=pool).retrieve()
    auth = {"access_key": session.access_key, "secret_key": session.secret_key}
    assert session.session_token
    location = place.location("primary", method="access_key", **auth, session_token=session.session_token)
    look = {"location": location, "cluster": "prod-1", "access": ["read"], "fail_on": "failed"}
    assert modules.run("backup_location_info", look)["location"]["fit"] is True
    it.taken_away(before)
    with pytest.raises(modules.Failed):
        modules.run("backup_location_info", look)
    it.plays.end()


def test_keys_are_replaced_and_what_fails_between_two_steps_is_made_up_for(store: MinIO, tmp_path: Path) -> None:
    place = Place(store, tmp_path, "minio")
    it = place.with_keys()
    before = it.listing()
    one = ("-e", "trust_names=prod-1-writer")
    it.fine(*one)
    old = place.key("prod-1-writer")["access_key"]
    # Where a key is handed on by hand, both work until the next run with a proof.
    it.fine(*one, "-e", "trust_rotate=true", "-e", "trust_verify=false")
    new = place.key("prod-1-writer")["access_key"]
    assert keys(store, "prod-1-writer") == {old: "on", new: "on"}

    # The new key does not do what it should: the old one stays.
    deny = {**allow("s3:PutObject", f"arn:aws:s3:::{BUCKET}/*"), "Effect": "Deny"}
    store.admin().policy_add("less", policy=json.loads(document(deny)))
    store.admin().attach_policy(["less"], user="prod-1-writer")
    assert it.run(*one).code == 2
    assert keys(store, "prod-1-writer") == {old: "on", new: "on"}
    store.admin().detach_policy(["less"], user="prod-1-writer")
    store.admin().policy_remove("less")

    done = it.fine(*one)
    assert keys(store, "prod-1-writer") == {old: "off", new: "on"}
    assert done.looked().keys() == {"prod-1-writer"}, "with the new key"
    assert it.fine(*one).changed == 1
    assert keys(store, "prod-1-writer") == {new: "on"}
    assert it.fine(*one).changed == 0

    # Where the file is what the location reads, one run replaces the key.
    planned = it.fine(*one, "-e", "trust_rotate=true", "--check")
    done = it.fine(*one, "-e", "trust_rotate=true")
    assert planned.changed == done.changed == 1
    assert keys(store, "prod-1-writer") == {new: "off", place.key("prod-1-writer")["access_key"]: "on"}
    it.names = ["prod-1-writer"]
    it.taken_away(before)
    it.plays.end()
