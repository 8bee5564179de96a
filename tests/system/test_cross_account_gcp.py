# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The example inventories of trust at Google, as they are but for where servers and files are: each is planned, made, proven, made
again, used for a backup and a restore with nothing else, and taken away."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.example_plays import ExamplePlays, Journey, Scenario, example, not_passed, overlaid, verdicts
from support.trust_gcp import BUCKET, Acme, account, keys, token
from testbed import Testbed
from testbed.cluster import Cluster

Tree = dict[str, Any]


@pytest.fixture
def acme(testbed: Testbed, tmp_path: Path) -> Iterator[Acme]:
    """A server of its own, for what is in it is compared as a whole."""
    google = testbed.google()
    yield Acme(google, tmp_path)
    testbed.stop(google)


def scenario(acme: Acme, variables: Tree) -> Scenario:
    plays = ExamplePlays.of(acme.path / "plays", acme.credentials, vars=variables)
    texts = [Path(path).read_text(encoding="ascii") for path in acme.files.values()]
    return Scenario(plays, acme.listing, lambda: [texts[0][-400:-300], "ya29.c."], list(variables["stowage_trusts"]))


def test_gke_and_a_controller_in_a_third_project(acme: Acme, cluster: Any, tmp_path: Path) -> None:
    inventory = example("gcp_gke")
    over = {
        "stowage_locations": {"primary": acme.where},
        "stowage_trusts": dict.fromkeys(inventory["stowage_trusts"], acme.trust),
    }
    it = scenario(acme, overlaid(inventory, over))
    before = acme.listing()
    made = it.made()
    trusts = made.trusts()
    for name, subject in (("prod-1-writer", "backup"), ("prod-1-reader", "restore")):
        assert not_passed(trusts[name]) == {f"gke_stowage/{subject}_allowed": "unknown"}, "only a pod can show it"
        assert {"list_allowed", "delete_refused", "other_cluster_read_refused"} <= verdicts(trusts[name]).keys()
        assert trusts[name]["auth"] == {"method": "default_chain"}
    assert made.looked().keys() == trusts.keys(), "the controller looks at the location as each account"

    controller = {"credentials_file": acme.files["CONTROLLER"]}
    places = {
        name: {
            **inventory["stowage_locations"]["primary"],
            **acme.where,
            "auth": {**controller, **trusts[trust]["controller_auth"]},
        }
        for name, trust in (("writes", "prod-1-writer"), ("reads", "prod-1-reader"))
    }
    journey = Journey.of(tmp_path / "journey", (cluster(), cluster("other")), places, "prod-1", "by-impersonation")
    journey.go()
    for key in set(acme.google.keys(BUCKET)) - set(before["objects"]):
        acme.google.objects.delete(BUCKET, key)
    it.taken_away(before)
    it.plays.end()


def test_clusters_that_are_not_at_google(acme: Acme, new_cluster: Any, tmp_path: Path) -> None:
    inventory = example("gcp_outside")
    over: Tree = {"stowage_locations": {"primary": acme.where}, "stowage_trusts": {}}
    clusters: list[Cluster] = []
    files: dict[str, Path] = {}
    for name, given in inventory["stowage_trusts"].items():
        clusters.append(new_cluster(name))
        (subject,), (audience,) = given["federation"]["subjects"], given["federation"]["audiences"]
        account(clusters[-1], subject)
        account(clusters[-1], f"elsewhere/{subject.partition('/')[2]}")
        files[name] = tmp_path / f"{name}.token"
        files[name].write_text(token(clusters[-1], subject, audience), encoding="ascii")
        over["stowage_trusts"][name] = {
            **acme.trust,
            "federation": {"jwks": keys(clusters[-1])},
            "kubeconfig": str(clusters[-1].kubeconfig),
            "token_file": str(files[name]),
        }
    it = scenario(acme, overlaid(inventory, over))
    before = acme.listing()
    made = it.made()
    trusts = made.trusts()
    for name, trust in trusts.items():
        assert not_passed(trust) == {}, name
        assert {"other_account_refused", "other_namespace_refused", "wrong_audience_refused"} <= verdicts(trust).keys()
    assert made.looked().keys() == trusts.keys()

    places = {
        name: {**inventory["stowage_locations"]["primary"], **acme.where, "auth": trusts[trust]["auth"]}
        for name, trust in (("writes", "edge-1-writer"), ("reads", "edge-1-reader"))
    }
    journey = Journey.of(tmp_path / "journey", (clusters[0], clusters[1]), places, "edge-1", "by-federation")
    journey.go()
    for key in set(acme.google.keys(BUCKET)) - set(before["objects"]):
        acme.google.objects.delete(BUCKET, key)
    it.taken_away(before)
    it.plays.end()
