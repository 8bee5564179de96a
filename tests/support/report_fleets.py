# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fleets to report on: what would be read of a location, without one."""

from __future__ import annotations

import datetime
import random
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.record import BackupRecord
from ansible_collections.stowage.kubernetes.plugins.module_utils._report.assemble import assemble
from ansible_collections.stowage.kubernetes.plugins.module_utils._report.found import (
    FoundCluster,
    FoundLocation,
    FoundRun,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._report.model import (
    Member,
    Report,
    Wanted,
    WantedWorkspace,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces import schedule
from ansible_collections.stowage.kubernetes.plugins.module_utils._workspaces.runs import Expected, Record

NOW: t.Final = datetime.datetime(2026, 11, 26, 7, 0, tzinfo=datetime.UTC)
DAY: t.Final = datetime.timedelta(days=1)
_NIGHT: t.Final = datetime.datetime(2026, 11, 26, 2, 0, tzinfo=datetime.UTC)
_WHY: t.Final = (
    ("cluster_unreachable", "The API server does not answer within 30 s."),
    ("cluster_unauthorized", "The API server does not accept the credential."),
    ("permission_denied", "s3:PutObject is refused for clusters/prod-7/backups/."),
)


def labels(workspace: str, run: str = "") -> dict[str, str]:
    """The labels of a backup that was made for a run of a workspace."""
    return {"stowage.io/workspace": workspace} | ({"stowage.io/run": run} if run else {})


def backup(
    cluster: str, workspace: str, at: datetime.datetime, phase: str = "Completed", **fields: t.Any
) -> BackupRecord:
    """A backup as the catalogue knows it."""
    given: dict[str, t.Any] = {
        "completed": at + datetime.timedelta(seconds=40),
        "ours": True,
        "capture_id": "c",
        "cluster_uid": f"uid-of-{cluster}",
        "labels": labels(workspace, f"{at:%Y%m%dT%H%M%SZ}"),
        "objects": 1200,
        "size": 5_000_000,
    }
    name = fields.pop("name", f"{workspace}-{cluster}-{at:%Y%m%d%H%M%S}-3f2a")
    return BackupRecord(name, cluster, phase, started=at, **given | fields)


def record(one: BackupRecord, **fields: t.Any) -> Record:
    """The record of a run that made a backup."""
    given: dict[str, t.Any] = {
        "phase": one.phase,
        "attempt": 1,
        "written": one.completed,
        "backup": one.name,
        "made": True,
        "cluster_uid": one.cluster_uid,
        "location": "primary",
        "objects": one.objects or 0,
        "size": one.size or 0,
        "seconds": 40.0,
    }
    return Record(cluster=one.cluster, **given | fields)


def failed(cluster: str, at: datetime.datetime, code: str, reason: str) -> Record:
    """The record of a cluster that was not backed up."""
    return Record(cluster=cluster, phase="Failed", attempt=1, written=at, error_code=code, reason=reason)


class Fleet:
    """Clusters that are in all workspaces, and nightly runs; from time to time something fails.

    :param trouble: how often, of a hundred.
    """

    def __init__(self, clusters: int, workspaces: int, nights: int, *, trouble: float = 2.0, seed: int = 7) -> None:
        chance = random.Random(seed)
        self.trouble = trouble
        names = [f"{('prod', 'stage', 'edge')[number % 3]}-{number // 3 + 1}" for number in range(clusters)]
        teams = ["shop", "payments", "platform", "data", "search"][:workspaces]
        self.place = FoundLocation(NOW, "s3://acme-backups/fleet", {name: FoundCluster() for name in names})
        self.wanted = Wanted(
            title="Backups of the fleet",
            workspaces=tuple(self._workspace(team, names) for team in teams),
        )
        for team in teams:
            growth = {name: chance.uniform(2e6, 4e8) for name in names}
            down = {name: chance.randint(2, 6) for name in names if chance.random() * 100 < trouble}
            for night in reversed(range(nights)):
                self._run(team, night, growth, down, chance)
        for cluster in self.place.clusters.values():
            cluster.backups.sort(key=lambda one: one.order)

    @staticmethod
    def _workspace(team: str, names: t.Sequence[str]) -> WantedWorkspace:
        return WantedWorkspace(
            name=team,
            owner=f"Team {team.title()} <{team}@example.com>",
            location="primary",
            members=tuple(Member(host=name, cluster=name, location="primary") for name in names),
            schedule=schedule.parse({"cron": "0 2 * * *"}),
        )

    def _run(
        self,
        team: str,
        night: int,
        growth: dict[str, float],
        down: t.Mapping[str, int],
        chance: random.Random,
    ) -> None:
        began = _NIGHT - night * DAY
        run = FoundRun(team, f"{began:%Y%m%dT%H%M%SZ}", Expected(tuple(sorted(growth)), began))
        for name, before in list(growth.items()):
            growth[name] = before * chance.uniform(0.985, 1.03)
            at = began + datetime.timedelta(seconds=chance.randint(5, 900))
            if night < down.get(name, 0) or chance.random() * 100 < self.trouble / 4:
                if chance.random() < 0.9:
                    run.records[name] = failed(name, at, *chance.choice(_WHY))
                continue
            partial = chance.random() * 100 < self.trouble / 4
            size, seconds = int(growth[name]), growth[name] / 4e6 + chance.uniform(2, 9)
            one = backup(
                name,
                team,
                at,
                "PartiallyFailed" if partial else "Completed",
                size=size,
                objects=size // 900,
                completed=at + datetime.timedelta(seconds=seconds),
                errors=int(partial),
                labels=labels(team, run.name),
            )
            self.place.clusters[name].backups.append(one)
            run.records[name] = record(
                one, seconds=round(seconds, 3), reason="metrics.k8s.io/v1beta1: it timed out" if partial else ""
            )
        self.place.runs.append(run)

    def report(self, **checks: t.Any) -> Report:
        """What is said of it."""
        return assemble(self.wanted, {"primary": self.place}, checks, NOW)
