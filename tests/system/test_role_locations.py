# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role and playbook ``locations``: a bucket, a directory, and locations that are not fit."""

from __future__ import annotations

import dataclasses
import json
import re
import typing as t
import uuid
from pathlib import Path

import pytest

from support.leaks import files, leaks
from support.plays import Plays
from testbed import MinIO

Tree = dict[str, t.Any]
PLAYBOOK: t.Final = "stowage.kubernetes.locations"
WRONG_KEY: t.Final = "location-canary-4be1907c"
OF_TYPO: t.Final = "location-canary-c2d41f66"
FIT: t.Final = ("-e", "locations_names=bucket,directory")
UNREACHABLE: t.Final = """
DOCUMENTATION = "{name: unreachable, short_description: Never connects, author: [], description: [], options: {}}"

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection import ConnectionBase


class Connection(ConnectionBase):
    transport = "unreachable"
    _connect = close = lambda self: self

    def exec_command(self, *_args, **_options):
        raise AnsibleConnectionFailure("nobody is there")

    put_file = fetch_file = exec_command
"""
UID: t.Final = "5a6e7e66-8f0e-4d4d-9d2f-0a6a6f8f3d19"


@dataclasses.dataclass(frozen=True)
class World:
    """Where plays run, and what their inventory names."""

    plays: Plays
    store: MinIO
    bucket: str
    directory: Path

    @property
    def canaries(self) -> list[str]:
        return [self.store.secret_key, WRONG_KEY, OF_TYPO]

    def traces(self) -> list[str]:
        """What is in the locations."""
        found = [str(path) for path in self.directory.rglob("*")]
        return found + list(self.store.keys(self.bucket)) + list(self.store.uploads(self.bucket))

    def change(self, change: t.Callable[[Tree], object]) -> None:
        """Change the inventory's group ``all``."""
        inventory = json.loads(self.plays.inventory.read_text(encoding="utf-8"))
        change(inventory["all"])
        self.plays.inventory.write_text(json.dumps(inventory), encoding="utf-8")


def locations(store: MinIO, bucket: str, directory: Path) -> dict[str, Tree]:
    """Two that are fit, and some that are not, each in another way, between them."""
    auth = {"method": "access_key", "access_key": store.access_key, "secret_key": store.secret_key}
    fit = {
        "provider": "minio",
        "endpoint": store.endpoint,
        "bucket": bucket,
        "ca_cert": str(store.ca_cert),
        "auth": auth,
    }
    return {
        "gone": {**fit, "bucket": "there-is-no-such-bucket"},
        "bucket": fit,
        "strange": {**fit, "auth": {**auth, "secret_key": WRONG_KEY}},
        "unset": {**fit, "auth": {**auth, "secret_key": "{{ vault_of_nobody }}"}},
        "typo": {**fit, "auth": {**auth, "secret_kay": OF_TYPO}},
        "own": {"provider": "filesystem", "path": "{{ mine }}"},
        "directory": {"provider": "filesystem", "path": str(directory)},
    }


@pytest.fixture
def world(minio: MinIO, tmp_path: Path) -> t.Iterator[World]:
    bucket = minio.create_bucket(f"role-{uuid.uuid4().hex[:12]}")
    directory = tmp_path / "backups"
    directory.mkdir(mode=0o700)
    variables = {"stowage_locations": locations(minio, bucket, directory), "stowage_default_location": "directory"}
    far = {"ansible_connection": "unreachable"}
    plays = Plays.make(tmp_path, vars=variables, hosts={"prod-1": far, "prod-2": far, "prod-3": {}})
    (plays.path / "unreachable.py").write_text(UNREACHABLE, encoding="utf-8")
    settings = f"[defaults]\nconnection_plugins = {plays.path}\n"
    (plays.path / "ansible.cfg").write_text(settings, encoding="utf-8")
    yield World(plays, minio, bucket, directory)
    plays.end()


def lines(output: str) -> list[str]:
    """The table's lines as they are on the screen."""
    shown = re.search(r'"msg": \[\n(.*?)\n    \]', output, re.DOTALL)
    assert shown, output
    return shown[1].splitlines()


def rows(output: str) -> dict[str, list[str]]:
    """First column -> the other columns, of both tables."""
    found = (line.strip().strip('",').split() for line in lines(output) if not line.startswith('        "  '))
    return {row[0]: row[1:] for row in found if row}


def artifacts(world: World, ident: str) -> Tree:
    """What a job hands on to the next one of a workflow."""
    events = (world.plays.path / "runner" / "artifacts" / ident / "job_events").glob("*.json")
    told = [json.loads(path.read_text(encoding="utf-8")) for path in events]
    (found,) = [event["event_data"]["artifact_data"] for event in told if event["event"] == "playbook_on_stats"]
    return t.cast("Tree", found)


def test_a_default_that_is_none_of_the_locations_is_named(world: World) -> None:
    world.change(lambda group: group["vars"].update(stowage_default_location="shelf"))
    code, output = world.plays.run(PLAYBOOK, *FIT)
    assert code == 2, output
    assert 'invalid_option: stowage_default_location is "shelf", and stowage_locations has only' in " ".join(
        output.split()
    )
    assert "Look at each location" not in output.partition("PLAY RECAP")[0].split("fatal:")[-1]
    world.change(lambda group: group["vars"].update(stowage_default_location=""))
    code, output = world.plays.run(PLAYBOOK, *FIT)
    assert code == 0, output


def test_one_that_is_unfit_fails_the_play_after_all_have_been_looked_at(world: World) -> None:
    code, output = world.plays.run(PLAYBOOK)
    assert code == 2, output
    found = rows(output)
    assert list(found) == ["LOCATION", "gone", "bucket", "strange", "unset", "typo", "own", "directory"]
    fit = {name: row[1] for name, row in found.items() if row[1] != "FIT"}
    assert fit == {name: "yes" if name in {"bucket", "directory"} else "NO" for name in found if name != "LOCATION"}
    assert found["bucket"][-1] == f"s3://{world.bucket}" or f"  s3://{world.bucket} at https://" in "\n".join(
        lines(output)
    )
    assert found["gone"][:3] == ["minio", "NO", "1"]
    assert found["unset"] == found["typo"] == found["own"] == ["-", "NO", "-", "-", "-"]
    table = "\n".join(lines(output))
    assert "  bucket: " in table
    assert "Fix: Create it" in table
    assert max(map(len, lines(output))) <= 80
    assert "location_unfit: Not fit for backups: gone, strange, unset, typo, own." in output
    for name in found.keys() - {"LOCATION"}:
        assert len(re.findall(rf"^\w+: \[localhost\] (?:=> )?\(item={name}\)", output, re.MULTILINE)) == 1, name
    assert world.traces() == []


@pytest.mark.parametrize("options", [(), ("--check",)])
def test_fit_locations_pass_and_nothing_is_left_in_them(options: tuple[str, ...], world: World) -> None:
    code, output = world.plays.run(PLAYBOOK, *FIT, *options)
    assert code == 0, output
    assert list(rows(output)) == ["LOCATION", "bucket", "directory"]
    assert "changed=0" in output
    assert world.traces() == []


def test_what_makes_it_fail_can_be_chosen(world: World) -> None:
    warned = ("-e", "locations_names=bucket")  # it has no versions
    code, output = world.plays.run(PLAYBOOK, *warned)
    assert code == 0, output
    assert int(rows(output)["bucket"][3]) > 0
    code, output = world.plays.run(PLAYBOOK, *warned, "-e", "locations_fail_on=warning")
    assert code == 2
    assert "location_unfit: Fit with warnings only, or not fit for backups: bucket." in output
    never = ("-e", "locations_fail_on=never")
    code, output = world.plays.run(PLAYBOOK, *never, "-e", "locations_names=gone,strange,bucket")
    assert code == 0, output
    assert rows(output)["gone"][1] == "NO"
    code, output = world.plays.run(PLAYBOOK, *never, "-e", "locations_names=gone,typo")
    assert code == 2
    assert "location_unfit: Not fit for backups: typo." in output


@pytest.mark.parametrize("limit", ["prod-1,prod-2", "prod*", "localhost,prod-3"])
def test_each_is_looked_at_once_from_here_whatever_the_limit(limit: str, world: World) -> None:
    code, output = world.plays.run(PLAYBOOK, *FIT, "--limit", limit)
    assert code == 0, output
    assert list(rows(output)) == ["LOCATION", "bucket", "directory"]
    for name in ("bucket", "directory"):
        assert output.count(f"(item={name})") == 1, output


def test_the_role_in_a_play_of_clusters_looks_once(world: World) -> None:
    variables = {
        "ansible_python_interpreter": "{{ ansible_playbook_python }}",
        "locations_names": ["directory", "gone"],
    }
    world.change(lambda everything: everything.update(hosts={"prod-1": {}, "prod-2": {}}))
    play = {"hosts": "all", "connection": "local", "gather_facts": False, "vars": variables, "roles": [PLAYBOOK]}
    path = world.plays.path / "play.yml"
    path.write_text(json.dumps([play]), encoding="utf-8")
    code, output = world.plays.run(str(path))
    assert code == 2
    for name in ("directory", "gone"):
        assert output.count(f"(item={name})") == 1, output
    assert "location_unfit: Not fit for backups: gone." in output


def test_clusters_look_with_their_own_variables_at_the_location_that_they_use(world: World, tmp_path: Path) -> None:
    (tmp_path / "first").mkdir(mode=0o700)
    (world.directory / "clusters" / "third" / "what-velero-does-not-know").mkdir(parents=True)
    hosts = {
        "prod-1": {"stowage_location": "own", "mine": str(tmp_path / "first"), "stowage_cluster_uid": UID},
        "prod-2": {"stowage_location": "own", "mine": str(tmp_path / "no" / "such")},
        "prod-3": {"stowage_cluster_name": "third"},
        "prod-4": {"stowage_location": "nowhere"},
        "prod-5": {"stowage_location": "bucket"},
        "prod-6": {"ansible_connection": "unreachable"},
    }
    world.change(lambda everything: everything.update(hosts=hosts))
    options = ("-e", "locations_hosts=all", "-e", "locations_engine=velero")
    code, output = world.plays.run(PLAYBOOK, *options, "-e", "locations_names=directory,own,nowhere")
    assert code == 2
    assert 'There is no location \\"nowhere\\"' in output
    code, output = world.plays.run(PLAYBOOK, *options)
    assert code == 2
    found = rows(output)
    assert found["CLUSTER"][0] == "LOCATION"
    assert found["prod-1"] == ["own", "filesystem", "yes", "0", "0", str(tmp_path / "first")] or found["prod-1"][
        :3
    ] == [
        "own",
        "filesystem",
        "yes",
    ]
    assert found["prod-2"][:3] == ["own", "filesystem", "NO"]
    assert found["prod-3"][:3] == ["directory", "filesystem", "NO"]
    assert "cluster_folder: " in "\n".join(lines(output))
    assert found["prod-4"][:3] == ["nowhere", "-", "NO"]
    assert found["prod-5"][:3] == ["bucket", "minio", "yes"]
    assert found["prod-6"][:3] == ["directory", "-", "NO"]
    assert "The host could not be reached" in output
    assert found["directory"][1] == "yes"  # the controller looks at no cluster's folder
    assert re.search(
        r"Not fit for backups: .*own, that of prod-2, that of prod-3, that of prod-4, that of prod-6\.", output
    ), output

    code, output = world.plays.run(PLAYBOOK, "-e", "locations_hosts=all", *FIT, "--limit", "prod-3,prod-5,prod-1")
    assert code == 0, output
    assert [*rows(output)] == ["LOCATION", "bucket", "directory", "CLUSTER", "prod-3", "prod-5"]
    code, output = world.plays.run(PLAYBOOK, "-e", "locations_hosts=prod-9", *FIT)
    assert code == 2
    assert "invalid_option: No cluster fits locations_hosts (prod-9)" in output


def test_a_job_as_in_awx_has_the_summary_and_no_secret(world: World) -> None:
    world.change(lambda everything: everything.update(hosts={"prod-1": {"stowage_location": "strange"}, "prod-2": {}}))
    options = ("-e", "locations_hosts=prod-1,prod-2", "-vvv", "--diff")
    code, output = world.plays.run_by_runner("all", PLAYBOOK, *options)
    assert code == 2, output
    assert '"stopped_at": "identity"' in output, "not verbose enough to find anything"
    assert leaks([("the output", output.encode()), *files(world.plays.path)], world.canaries) == []
    assert artifacts(world, "all").keys() == {"stowage_location_checks"}
    summary = artifacts(world, "all")["stowage_location_checks"]
    assert summary["fit"] is False
    assert summary["clusters"].keys() == {"prod-1", "prod-2"}
    assert summary["clusters"]["prod-1"]["location"] == "strange"
    assert summary["locations"]["bucket"]["fit"] is True
    assert summary["locations"]["bucket"]["address"].startswith(f"s3://{world.bucket} at https://")
    gone = summary["locations"]["gone"]
    assert (gone["verdict"], gone["findings"][0]["error_code"], gone["provider"]) == (
        "failed",
        "bucket_not_found",
        "minio",
    )
    assert len(json.dumps(summary)) < 5000

    # Under a runner, a directory inside a container is not fit, and tests may run in one.
    code, output = world.plays.run_by_runner("fit", PLAYBOOK, "-e", "locations_names=bucket")
    assert code == 0, output
    assert artifacts(world, "fit")["stowage_location_checks"]["fit"] is True


@pytest.mark.parametrize(
    ("value", "options", "says"),
    [
        ({}, (), "invalid_option: There are no locations."),
        ([{"name": "a", "provider": "minio", "auth": {"secret_key": WRONG_KEY}}], (), "There are no locations."),
        (f"provider=minio secret_key={WRONG_KEY}", (), "There are no locations."),
        ({"a": {"provider": "minio", "auth": {"secret_key": WRONG_KEY}}}, ("-e", "locations_names=a,b"), "location"),
        ({"a": f"{WRONG_KEY}"}, (), "dictionary requested"),
    ],
    ids=["none", "list", "text", "unknown", "one"],
)
def test_what_are_no_locations_is_said_without_a_secret(
    value: object, options: tuple[str, ...], says: str, world: World
) -> None:
    def change(everything: Tree) -> None:
        everything["vars"] = {"stowage_locations": value} if value is not None else {}

    world.change(change)
    code, output = world.plays.run_by_runner("none", PLAYBOOK, *options, "-vvv")
    assert code == 2, output
    assert says in output
    assert leaks([("the output", output.encode()), *files(world.plays.path)], world.canaries) == []
