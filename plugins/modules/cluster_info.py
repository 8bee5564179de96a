#!/usr/bin/python
# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Says which cluster it is."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_info
short_description: Say which Kubernetes cluster it is
version_added: 0.2.0
author:
  - Stowage contributors (@stowage)
description:
  - Asks a cluster for what it is known by, in two small requests. Needs C(get) on the namespace C(kube-system).
  - Addresses and names are changed and used again, so the UID of that namespace tells whether two ways lead to one cluster, and
    whether a cluster is the one that O(expected_cluster_uid) names.
extends_documentation_fragment:
  - stowage.kubernetes.cluster
  - stowage.kubernetes.attributes
  - stowage.kubernetes.attributes.group_cluster_alone
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details: It changes nothing.
  idempotent:
    support: full
  async:
    support: full
seealso:
  - module: stowage.kubernetes.backup
  - module: stowage.kubernetes.restore
"""

EXAMPLES = r"""
- name: Ask which cluster it is
  stowage.kubernetes.cluster_info:
    kubeconfig: /etc/stowage/prod.kubeconfig
    context: prod-1
  register: found

- name: Show its UID for the inventory
  ansible.builtin.debug:
    msg: "stowage_cluster_uid: {{ found.uid }}"
"""

RETURN = r"""
uid:
  description: UID of the namespace C(kube-system).
  returned: success
  type: str
  sample: 5a6e7e66-8f0e-4d4d-9d2f-0a6a6f8f3d19
version:
  description: Version of the API server.
  returned: success
  type: str
  sample: v1.35.4
error_code:
  description: What went wrong, for programs. One of a list that only grows.
  returned: failure
  type: str
  sample: cluster_unreachable
hint:
  description: What can be done about it.
  returned: failure
  type: str
  sample: Check kubeconfig, context and host.
error_details:
  description: Facts about the failure, for programs.
  returned: if there are any
  type: dict
  sample: {}
"""

from ansible_collections.stowage.kubernetes.plugins.module_utils._arguments import CLUSTER
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.describe import describe_cluster
from ansible_collections.stowage.kubernetes.plugins.module_utils._module import run_module


def main() -> None:
    """Run the module."""
    run_module(CLUSTER, describe_cluster)


if __name__ == "__main__":
    main()
