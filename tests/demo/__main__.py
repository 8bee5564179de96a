# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Backs up a cluster to a directory, restores it into an empty cluster, and compares the two.

Without --kubeconfig the source is a test cluster with sample applications. With it, the source is your cluster, which is
only read: its objects are restored into the test cluster.
"""

from __future__ import annotations

import argparse
import collections
import gzip
import json
import os
import pathlib
import subprocess
import sys
import time
import typing as t

import yaml

from testbed import Cluster, Testbed, samples

if t.TYPE_CHECKING:
    from compare.stored import Snapshot

HOME: t.Final = pathlib.Path(os.environ.get("STOWAGE_DEMO_DIR", "demo-output")).absolute()
PLAYBOOKS: t.Final = "stowage.kubernetes."
MEANINGS: t.Final = {
    "created": "created",
    "updated": "there already, made by a controller, and completed",
    "unchanged": "there already, and as in the backup",
    "differs": "there already, different, and left as they are",
    "skipped": "never restored: each cluster makes its own (events, default roles ...)",
    "left_to_controller": "left to controllers, which make them from others (pods of a Deployment ...)",
    "failed": "failed",
}
"""What became of the objects of a restore, in words."""


def say(text: str = "") -> None:
    """A line for the person who watches."""
    print(text, flush=True)


def step(number: int, text: str) -> None:
    """A heading."""
    say(f"\n\033[1m[{number}/5] {text}\033[0m" if sys.stdout.isatty() else f"\n[{number}/5] {text}")


def location(name: str) -> pathlib.Path:
    """The directory of one run's backup: test clusters of two runs have one name, and are two clusters."""
    return HOME / "backups" / name


def inventory(name: str, hosts: dict[str, pathlib.Path]) -> pathlib.Path:
    """Write an inventory like one that a user would write: hosts are clusters, the location is a directory."""
    backups = location(name)
    backups.mkdir(mode=0o700, parents=True, exist_ok=True)
    content = {
        "all": {
            "vars": {
                "stowage_locations": {"here": {"provider": "filesystem", "path": str(backups)}},
                "stowage_default_location": "here",
            },
            "hosts": {host: {"stowage_kubeconfig": str(path)} for host, path in hosts.items()},
        }
    }
    path = HOME / "inventory.yml"
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return path


def play(playbook: str, inventory_file: pathlib.Path, host: str, *extra: str) -> None:
    """Run one of the collection's playbooks, as a user does; its failure ends the demo."""
    command = ["ansible-playbook", PLAYBOOKS + playbook, "-i", str(inventory_file), "--limit", host, *extra]
    say("$ " + " ".join(command))
    done = subprocess.run([str(pathlib.Path(sys.executable).parent / command[0]), *command[1:]], check=False)
    if done.returncode:
        say(f"\nThe playbook failed; what it wrote is below {HOME}.")
        sys.exit(done.returncode)


def load(source: Cluster) -> Snapshot:
    """Put the sample applications into the source and remember what it holds."""
    from compare import beds

    loaded = samples.load(source.api)
    before = beds.snapshot(source)
    say(
        f"{loaded} objects were loaded: kube-prometheus with its CRDs, and a shop of eleven services. With what Kubernetes\n"
        f"makes from them and for itself, the source holds {len(before.objects)} objects."
    )
    return before


def fates(name: str) -> collections.Counter[str]:
    """What became of the objects of this run's restore: action -> number, from its report."""
    restores = location(name) / "clusters" / "source" / "restores"
    (path,) = restores.glob("*/stowage-report.json.gz")
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    return collections.Counter(json.loads(line)["action"] for line in lines)


def story(held: int, found: t.Mapping[str, int], compared_objects: int) -> str:
    """How the numbers of the demo belong together.

    :param held: how many objects the source held before the backup.
    :param found: what became of those in the backup, action -> number.
    """
    total = sum(found.values())
    drift = total - held
    since = f"{abs(drift)} {'more' if drift > 0 else 'fewer'}, for controllers go on working" if drift else "as many"
    lines = [
        f"How the numbers add up: the source held {held} objects when they were counted. The backup has {total} ({since}),",
        "and the restore dealt with each of them:",
        *(f"  {found[action]:>6} {words}" for action, words in MEANINGS.items() if found.get(action)),
        f"  {total:>6} in all",
        f"{compared_objects} of the source's objects were made by users, not by Kubernetes. These have to come back, so these were",
        "compared, with their owners and field managers.",
    ]
    return "\n".join(lines)


def compared(name: str, before: Snapshot, target: Cluster) -> bool:
    """Hold the restored cluster against what the source held; prints the result."""
    from compare import beds

    report = beds.settled(before, target)
    say(str(report))
    say()
    say(story(len(before.objects), fates(name), report.compared))
    return report.equal


def test_clusters(own: str | None, bed: Testbed) -> tuple[pathlib.Path, Snapshot | None, Cluster]:
    """The source's kubeconfig, what it holds if it is ours, and the empty target."""
    if own:
        path = pathlib.Path(own).expanduser().absolute()
        if not path.is_file():
            sys.exit(f"{own}: there is no such file")
        step(1, "Start an empty test cluster (your own is only read)")
        return path, None, bed.cluster("target")
    step(1, "Start two test clusters, and load sample applications into one")
    source, target = bed.clusters("source", "target")
    return source.kubeconfig, load(source), target


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    parser.add_argument("--kubeconfig", help="your own cluster as the source (current context); it is only read")
    return parser.parse_args()


def main() -> int:
    """Show the main job."""
    own = options().kubeconfig
    name = time.strftime("demo-%Y%m%d-%H%M%S", time.gmtime())
    HOME.mkdir(mode=0o700, parents=True, exist_ok=True)
    with Testbed() as bed:
        source, before, target = test_clusters(own, bed)
        hosts = inventory(name, {"source": source, "target": target.kubeconfig})
        # In a real cluster something is always amiss, such as an API without its server; the playbooks say what.
        partial = "true" if own else "false"
        step(2, "Back the source up to a directory")
        play("backup", hosts, "source", "-e", f"backup_name={name}", "-e", f"backup_allow_partial={partial}")
        step(3, "Plan a restore into the empty cluster: nothing is written")
        more = [
            "-e",
            f"restore_backup={name}",
            "-e",
            "restore_cluster=source",
            "-e",
            "restore_allow_other_cluster=true",
            "-e",
            f"restore_allow_partial={partial}",
        ]
        play("restore", hosts, "target", "-e", "restore_hosts=target", *more, "--check")
        step(4, "Restore")
        play("restore", hosts, "target", "-e", "restore_hosts=target", *more)
        step(5, "Compare")
        if before is None:
            say("Another plan: what is `created`, `updated` or `differs` here is not as in your cluster.")
            play("restore", hosts, "target", "-e", "restore_hosts=target", *more, "--check")
            equal = True
        else:
            equal = compared(name, before, target)
    ending(name)
    return 0 if equal else 1


def ending(name: str) -> None:
    """Where things lie, and what to do next."""
    say(f"""
The test clusters are stopped again. What is left:
  {location(name)}/clusters/source/backups/{name}/   the backup
  {HOME}/inventory.yml                             the inventory that was used; its clusters are gone, its location is not:
    .venv/bin/ansible-playbook stowage.kubernetes.backups -i {HOME}/inventory.yml

Your own cluster (it is only read; the restore goes into a test cluster):
  make demo KUBECONFIG=~/.kube/config

Your own bucket: write an inventory as in the README ("Five minutes with your own cluster"), with your bucket in
stowage_locations and your clusters as hosts, and run the same playbooks:
  .venv/bin/ansible-playbook stowage.kubernetes.locations -i your-inventory.yml
  .venv/bin/ansible-playbook stowage.kubernetes.backup -i your-inventory.yml""")


if __name__ == "__main__":
    sys.exit(main())
