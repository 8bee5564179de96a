# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs an example inventory of docs/trust against servers of the tests, by the playbook, as AWX does: the credentials come from
variables of the environment, and what each task returned is read from ansible-runner's events."""

from __future__ import annotations

import copy
import dataclasses
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from support.leaks import files, leaks
from support.plays import Plays
from support.trust_examples import EXAMPLES, variables
from testbed.cluster import Cluster

PLAYBOOK = "stowage.kubernetes.cross_account"
OVERLAID = frozenset(
    {
        "endpoint",
        "ca_cert",
        "api_endpoint",
        "kubeconfig",
        "jwks",
        "secret_path",
        "path",
        "token_file",
        "web_identity_token_file",
        "verify_ldap",
        "verify_timeout",
    }
)
"""All that differs from the example: where servers and files are, and what of them is a credential."""
_CREDENTIALS = (
    "AWS_",
    "AZURE_",
    "CLOUDSDK_",
    "GCE_",
    "GCP_",
    "GOOGLE_",
    "K8S_AUTH_",
    "KUBECONFIG",
    "MINIO_",
    "STOWAGE_",
)
_PARTS = {"attachment": "user", "service_account_policy": "service_account"}
Tree = dict[str, Any]
Listing = dict[str, Any]
"""What there is, by kind and name."""


def example(stem: str) -> Tree:
    """The variables of an example."""
    return copy.deepcopy(variables(next(path for path in EXAMPLES if path.stem == stem)))


def overlaid(tree: Tree, over: Mapping[str, Any], *path: str) -> Tree:
    """A tree with leaves replaced: only those that may differ."""
    found = dict(tree)
    for name, value in over.items():
        where = (*path, name)
        if name in OVERLAID:
            found[name] = value
            continue
        assert name in tree, f"the example has no {'.'.join(where)}"
        if isinstance(value, list):
            found[name] = [overlaid(*pair, *where) for pair in zip(tree[name], value, strict=True)]
            continue
        assert isinstance(value, Mapping), f"{'.'.join(where)} is the example's to say"
        found[name] = overlaid(tree[name], value, *where)
    return found


@dataclasses.dataclass(frozen=True)
class ExamplePlays(Plays):
    """Plays whose environment holds the credentials that are given, and no others."""

    credentials: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in super().environment.items() if not name.startswith(_CREDENTIALS)}
        return {**kept, **self.credentials}

    @classmethod
    def of(cls, path: Path, credentials: Mapping[str, str], **inventory: Any) -> ExamplePlays:
        """In an empty directory."""
        return dataclasses.replace(cls.make_here(path, **inventory), credentials=credentials)

    @classmethod
    def make_here(cls, path: Path, **inventory: Any) -> ExamplePlays:
        path.mkdir(parents=True, exist_ok=True)
        made = cls.make(path, **inventory)
        assert isinstance(made, cls)
        return made


@dataclasses.dataclass(frozen=True)
class Done:
    """A run of the playbook."""

    code: int
    output: str
    tasks: list[Tree]

    @property
    def changed(self) -> int:
        """How many tasks changed something."""
        found = re.search(r"localhost .* changed=(\d+)", self.output)
        assert found, self.output
        return int(found[1])

    def trusts(self) -> dict[str, Tree]:
        """What each trust's task returned, by the trust's name in the inventory."""
        return {name: result["trust"] for name, result in self._results() if "trust" in result}

    def looked(self) -> dict[str, Tree]:
        """What was found of the location of each trust that it was looked at through."""
        return {name: result["location"] for name, result in self._results() if "location" in result}

    def _results(self) -> Iterator[tuple[str, Tree]]:
        name = ""
        for task in self.tasks:
            result = task["res"]
            if "trust" in result:
                name = result["trust"]["name"]
            yield name, result


class Scenario:
    """An example, and a way to say what there is on its server.

    :param listing: tells all that a trust may make, and what of it is in the bucket.
    :param secrets: what must be shown nowhere.
    """

    def __init__(
        self, plays: ExamplePlays, listing: Callable[[], Listing], secrets: Callable[[], list[str]], names: list[str]
    ) -> None:
        self.plays, self.listing, self.secrets, self.names = plays, listing, secrets, names
        self._runs = 0

    def run(self, *arguments: str) -> Done:
        """The playbook, by ansible-runner. No secret is in its output, its events or its files."""
        self._runs += 1
        ident = f"run-{self._runs}"
        code, output = self.plays.run_by_runner(ident, PLAYBOOK, "-vv", *arguments)
        folder = self.plays.path / "runner" / "artifacts" / ident / "job_events"
        events = [json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")]
        told = [one for one in events if one["event"] in {"runner_on_ok", "runner_on_failed"}]
        tasks = [one["event_data"] for one in sorted(told, key=lambda one: int(one["counter"]))]
        found = leaks([("the output", output.encode()), *files(self.plays.path)], self.secrets())
        # What ansible-runner keeps of the command line and the environment that it was given, as AWX masks it.
        assert [one for one in found if not one.endswith("/command")] == [], found
        return Done(code, output, tasks)

    def fine(self, *arguments: str) -> Done:
        """A run that succeeds."""
        done = self.run(*arguments)
        assert done.code == 0, done.output
        return done

    # what every scenario has to show

    def made(self) -> Done:
        """Check mode writes nothing and predicts what is made then; the second run changes nothing. The run that made it."""
        before = self.listing()
        planned = self.fine("--check", "--diff")
        assert (now := differing(before, self.listing())) == set(), f"check mode wrote {now}"
        assert sorted(planned.trusts()) == sorted(self.names)
        done = self.fine()
        after = self.listing()
        for name in self.names:
            assert told(planned.trusts()[name]) == told(done.trusts()[name]), name
        assert (now := differing(before, after)) == named(done), f"{now} has changed"
        assert (planned.changed, done.changed) == (len(self.names), len(self.names))
        again = self.fine()
        assert again.changed == 0
        assert (now := differing(after, self.listing())) == set(), f"the second run wrote {now}"
        seen = [{name: verdicts(one) for name, one in run.trusts().items()} for run in (done, again)]
        assert seen[0] == seen[1]
        return done

    def taken_away(self, before: Listing) -> None:
        """Check mode predicts, and in the end there is what there was before."""
        held = self.listing()
        gone = ("-e", "trust_state=absent", "-e", f"trust_names={','.join(self.names)}")
        planned = self.fine("--check", "--diff", *gone)
        assert (now := differing(held, self.listing())) == set(), f"check mode deleted {now}"
        done = self.fine(*gone)
        for name in self.names:
            assert told(planned.trusts()[name]) == told(done.trusts()[name]), name
        assert (now := differing(before, self.listing())) == set(), f"what is left is {now}"
        assert (now := whole(differing(held, before))) == named(done), f"{now} is gone"
        assert self.fine(*gone).changed == 0


def told(trust: Tree) -> list[Tree]:
    """The changes, as a prediction and a result have them alike: a key has its name only when it is made."""
    changes = copy.deepcopy(trust["changes"])
    for one in changes:
        if one["what"] == "access_key" and one["before"] is None:
            one["name"] = "new"
    return list(changes)


def named(done: Done) -> set[str]:
    """All that is said to be changed on a server, as listings name it."""
    changes = [one for trust in done.trusts().values() for one in trust["changes"]]
    return {f"{one['what']} {one['name']}" for one in changes if one["what"] != "secret_file"}


def differing(one: Listing, other: Listing) -> set[str]:
    """The names of what differs."""
    return {name for name in one.keys() | other.keys() if one.get(name) != other.get(name)}


def whole(names: set[str]) -> set[str]:
    """Without what goes with something else that goes."""
    kept = [(kind, of) for kind, _blank, of in (name.partition(" ") for name in names)]
    return {f"{kind} {of}" for kind, of in kept if f"{_PARTS.get(kind)} {of}" not in names}


def verdicts(trust: Tree) -> dict[str, str]:
    """The lines of a proof."""
    return {line["id"]: line["verdict"] for line in trust["checks"]}


def not_passed(trust: Tree) -> dict[str, str]:
    """The lines of a proof that are not passed."""
    return {name: verdict for name, verdict in verdicts(trust).items() if verdict != "passed"}


@dataclasses.dataclass(frozen=True)
class Journey:
    """A backup of one cluster that is restored into another, by playbooks, with the credentials of two locations and no others.

    :param folder: the cluster's name, and its folder.
    """

    plays: ExamplePlays
    source: Cluster
    target: Cluster
    folder: str
    namespace: str

    @classmethod
    def of(
        cls,
        path: Path,
        clusters: tuple[Cluster, Cluster],
        places: Mapping[str, Tree],
        folder: str,
        namespace: str,
        **credentials: str,
    ) -> Journey:
        """:param places: the locations of the writer, `writes`, and of the reader, `reads`.
        :param credentials: variables that these read.
        """
        hosts = {
            folder: {"stowage_kubeconfig": str(clusters[0].kubeconfig), "stowage_location": "writes"},
            "spare": {"stowage_kubeconfig": str(clusters[1].kubeconfig), "stowage_location": "reads"},
        }
        plays = ExamplePlays.of(path, credentials, vars={"stowage_locations": dict(places)}, hosts=hosts)
        return cls(plays, *clusters, folder, namespace)

    def go(self) -> None:
        """Each does what it is for, and cannot do what the other one is for."""
        for one in (
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}},
            {**self._settings, "data": {"a": "b"}},
        ):
            self.source.api.apply(one, field_manager="test")
        backup: tuple[str, ...] = ("stowage.kubernetes.backup", "-e", f"backup_hosts={self.folder}")
        backup += ("-e", f"backup_included_namespaces={self.namespace}")
        self._refused(*backup, "-e", "backup_location=reads")
        assert f"{self.folder}: made " in self._done(*backup)
        assert f"{self.folder}: found " in self._done(*backup, "-e", "backup_max_age=24h")
        restore: tuple[str, ...] = (
            "stowage.kubernetes.restore",
            "-e",
            "restore_hosts=spare",
            "-e",
            f"restore_cluster={self.folder}",
        )
        restore += ("-e", "restore_backup=latest", "-e", "restore_allow_other_cluster=true")
        restore += ("-e", f"restore_report_dir={self.plays.path}")
        self._refused(*restore, "-e", "restore_location=writes")
        assert self.target.api.find("v1", "Namespace", self.namespace) is None
        self._done(*restore)
        found = self.target.api.find("v1", "ConfigMap", "settings", self.namespace)
        assert found is not None
        assert found["data"] == {"a": "b"}
        self.plays.end()
        for cluster in (self.source, self.target):
            cluster.api.delete("v1", "Namespace", self.namespace)

    @property
    def _settings(self) -> Tree:
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "settings", "namespace": self.namespace},
        }

    def _done(self, *command: str) -> str:
        code, output = self.plays.run(*command)
        assert code == 0, output
        return output

    def _refused(self, *command: str) -> None:
        code, output = self.plays.run(*command)
        assert (code, "permission_denied" in output) == (2, True), output
