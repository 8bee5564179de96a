#!/usr/bin/python
# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reports on the backups of clusters, as a page and for machines."""

from __future__ import annotations

DOCUMENTATION = r"""
module: report
short_description: Report on the backups of Kubernetes clusters, as a page and for machines
version_added: 0.2.0
author:
  - Stowage contributors (@stowage)
description:
  - Says for each cluster of each workspace which backup is the last good one, how old it is and how old it may be, what failed and
    why, and what is due; how the last runs went; and how the locations are. Nothing but the locations is read. No cluster is contacted.
  - Only backups that are Completed, that are in the location, and that were made for the workspace, are good. What satisfies a schedule is what
    M(stowage.kubernetes.backup) would make no other for, as far as the report knows it, which does not look at selections.
  - Writes a page of HTML that needs nothing else (C(report.html)), the same as JSON (C(report.json)), as JUnit's XML (C(report.xml)) and
    in the text format of Prometheus (C(report.prom)). Each file is replaced in one step.
  - A location, or a cluster's folder, that cannot be read is in the report as such, and does not make the task fail.
  - The permission set V(auditor) is enough. Where runs may not be listed, as with one for single clusters, those are looked at whose
    names the labels of backups tell, and the report says so.
options:
  locations:
    description:
      - The locations by name, each as O(stowage.kubernetes.backup_info#module:location).
    type: dict
    required: true
  location_checks:
    description:
      - What the filter P(stowage.kubernetes.location_summary#filter) made of looks at the locations, by their names. A name that O(locations)
        lacks is a location that could not be read.
    type: dict
    default: {}
  workspaces:
    description:
      - The workspaces that the inventory knows. The filter P(stowage.kubernetes.report_workspaces#filter) makes them of C(stowage_workspaces).
        Backups for others, and for none, have no objective but O(max_age).
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Its name.
        type: str
        required: true
      owner:
        description: Whose it is, for people.
        type: str
      location:
        description: Name of the location that its runs are kept in.
        type: str
      schedule:
        description:
          - As O(stowage.kubernetes.backup#module:schedule), and C(jitter), how long a trigger waits at most. A backup has to be begun after each
            of its instants.
        type: dict
      expires_in:
        description:
          - As O(stowage.kubernetes.backup#module:expires_in). A backup for which something else was said does not satisfy the schedule.
        type: str
      allow_partial:
        description: Whether an attempt that is PartiallyFailed counts as failed. It never makes a good backup.
        type: bool
        default: false
      clusters:
        description: The clusters.
        type: list
        elements: dict
        default: []
        suboptions:
          host:
            description: What the inventory calls it.
            type: str
            required: true
          cluster:
            description: Its folder in the location, O(workspaces[].clusters[].host) if not set.
            type: str
          location:
            description: Name of the location that its backups are in.
            type: str
          problem:
            description: What the inventory says is wrong with it.
            type: str
  others:
    description:
      - Whether the report is also about backups for other workspaces, and for none.
    type: bool
    default: true
  path:
    description:
      - The directory that the files are written into. It is made if it is not there.
      - In an execution environment it has to be mounted from outside. If it is not, the files vanish with the job, of which the task warns.
    type: path
    required: true
  prometheus_path:
    description:
      - Another directory for C(report.prom), such as the one that the textfile collector of node_exporter reads.
    type: path
  formats:
    description:
      - Which files are written.
    type: list
    elements: str
    choices: [html, json, junit, prometheus]
    default: [html, json, junit, prometheus]
  mode:
    description:
      - The permissions of the files, as octal digits. The report names clusters, backups and what went wrong, and holds nothing of what
        is in a cluster.
    type: str
    default: "0644"
  title:
    description:
      - What the page is called.
    type: str
    default: Backups
  max_age:
    description:
      - How old a last good backup may be where no schedule says it, such as V(26h). If not set, it may have any age there.
    type: str
  grace:
    description:
      - How long after its scheduled instant a backup is not late yet. For that long, a run in which clusters have no record is taken to be
        under way, too.
    type: str
    default: 2h
  max_runs:
    description:
      - How many runs of each workspace are looked at, the newest. Each is one request, and one for each cluster that has a record.
    type: int
    default: 30
  fail_on:
    description:
      - What makes the task fail with the error code V(report_failed), once all is written.
      - V(failed) is a cluster whose good backup is missing or late, or that could not be looked at. V(warning) is also one whose last attempt
        failed, and one that is due.
    type: str
    choices: [never, failed, warning]
    default: never
extends_documentation_fragment:
  - stowage.kubernetes.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details: The files say it all.
  idempotent:
    support: full
    details: The files are written each time, because when they were made is part of what they say. They count as changed if anything else differs.
  async:
    support: full
seealso:
  - module: stowage.kubernetes.backup_info
  - module: stowage.kubernetes.backup_location_info
  - module: stowage.kubernetes.workspace_run
"""

EXAMPLES = r"""
- name: Report on all clusters in a location
  stowage.kubernetes.report:
    locations:
      primary:
        provider: minio
        endpoint: https://minio.example.com:9000
        bucket: backups
        ca_cert: /etc/ssl/private-ca.pem
    max_age: 26h
    path: /srv/www/backups

- name: Have Prometheus know when backups of a workspace are late
  stowage.kubernetes.report:
    locations:
      primary:
        provider: filesystem
        path: /srv/backups
    workspaces:
      - name: shop
        location: primary
        schedule:
          cron: 0 2 * * *
          time_zone: Europe/Berlin
        clusters:
          - host: prod-1
            location: primary
    formats: [prometheus]
    path: /var/lib/node_exporter/textfile
"""

RETURN = r"""
report:
  description: What was found, in short.
  returned: always
  type: dict
  contains:
    generated:
      description: When the report was made.
      returned: always
      type: str
      sample: "2026-11-23T07:00:00+00:00"
    verdict:
      description:
        - V(failed) if a good backup is missing or late, or a location is not fit or could not be read; V(warning) if the last attempt of a cluster
          failed, if one is due, or a location has warnings; else V(passed).
      returned: always
      type: str
      sample: failed
    counts:
      description: How many clusters of workspaces have each status, the worst first.
      returned: always
      type: dict
      sample: {"unknown": 0, "missing": 0, "late": 1, "failing": 0, "due": 0, "paused": 0, "unwatched": 0, "ok": 19}
    clusters_count:
      description: How many clusters of workspaces there are. A cluster in two workspaces counts twice.
      returned: always
      type: int
      sample: 20
    clusters:
      description: The clusters of workspaces, the worst first, at most 500.
      returned: always
      type: list
      elements: dict
      contains:
        workspace:
          description: The workspace, empty for backups that were made for none.
          returned: always
          type: str
          sample: shop
        cluster:
          description: Its folder in the location.
          returned: always
          type: str
          sample: prod-1
        location:
          description: Name of its location.
          returned: always
          type: str
          sample: primary
        status:
          description:
            - V(unknown) if it could not be looked at, V(missing) without a good backup, V(late) if that is older than it may be, V(failing) if
              the last attempt failed since, V(due) if one is due and not late, V(paused), V(unwatched) if nothing says how old it may be, V(ok).
          returned: always
          type: str
          sample: late
        last_good:
          description: The instant that the last good backup shows.
          returned: always
          type: str
          sample: "2026-11-20T02:00:07+00:00"
        last_good_name:
          description: Its name.
          returned: always
          type: str
          sample: shop-prod-1-20261120020007-3f2a
        deadline:
          description: When it becomes too old, or did.
          returned: always
          type: str
          sample: "2026-11-21T03:00:00+00:00"
        reason:
          description: Why it has its status.
          returned: always
          type: str
          sample: It is late by 2 d 4 h.
    locations:
      description: The locations.
      returned: always
      type: list
      elements: dict
      contains:
        name:
          description: Its name.
          returned: always
          type: str
          sample: primary
        verdict:
          description: Of its checks. Empty if it was not checked.
          returned: always
          type: str
          sample: passed
        problem:
          description: Why it could not be read. Empty if it was.
          returned: always
          type: str
          sample: ""
    notes:
      description: What the report does not see, the first 20.
      returned: always
      type: list
      elements: str
      sample: []
files:
  description: The files, also those that check mode does not write.
  returned: always
  type: list
  elements: dict
  contains:
    format:
      description: One of O(formats).
      returned: always
      type: str
      sample: html
    path:
      description: Where it is.
      returned: always
      type: str
      sample: /srv/www/backups/report.html
    changed:
      description: Whether it says anything else than before, but for the time.
      returned: always
      type: bool
      sample: true
    size:
      description: Its bytes.
      returned: always
      type: int
      sample: 48213
error_code:
  description: What went wrong, for programs. One of a list that only grows.
  returned: failure
  type: str
  sample: report_failed
hint:
  description: What can be done about it.
  returned: failure
  type: str
  sample: The report says why.
error_details:
  description: Facts about the failure, for programs.
  returned: if there are any
  type: dict
  sample: {}
"""

from ansible_collections.stowage.kubernetes.plugins.module_utils._arguments import ArgumentSpec
from ansible_collections.stowage.kubernetes.plugins.module_utils._module import run_module
from ansible_collections.stowage.kubernetes.plugins.module_utils._report.task import make_report

ARGUMENTS: ArgumentSpec = {
    "locations": {"type": "dict", "required": True},
    "location_checks": {"type": "dict", "default": {}},
    "workspaces": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "name": {"type": "str", "required": True},
            "owner": {"type": "str"},
            "location": {"type": "str"},
            "schedule": {"type": "dict"},
            "expires_in": {"type": "str"},
            "allow_partial": {"type": "bool", "default": False},
            "clusters": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "host": {"type": "str", "required": True},
                    "cluster": {"type": "str"},
                    "location": {"type": "str"},
                    "problem": {"type": "str"},
                },
            },
        },
    },
    "others": {"type": "bool", "default": True},
    "path": {"type": "path", "required": True},
    "prometheus_path": {"type": "path"},
    "formats": {
        "type": "list",
        "elements": "str",
        "choices": ["html", "json", "junit", "prometheus"],
        "default": ["html", "json", "junit", "prometheus"],
    },
    "mode": {"type": "str", "default": "0644"},
    "title": {"type": "str", "default": "Backups"},
    "max_age": {"type": "str"},
    "grace": {"type": "str", "default": "2h"},
    "max_runs": {"type": "int", "default": 30},
    "fail_on": {"type": "str", "choices": ["never", "failed", "warning"], "default": "never"},
}


def main() -> None:
    """Run the module."""
    run_module(ARGUMENTS, make_report)


if __name__ == "__main__":
    main()
