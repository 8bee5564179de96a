# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the options in _arguments.SELECTION."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  included_namespaces:
    description:
      - Namespaces to take. Names may hold C(*) and C(?).
      - Not set, an empty list, and the single entry V(*) mean all.
      - If nothing that is asked for is there, the task fails with C(namespace_not_found) before anything is written. If some names
        are missing, it ends V(PartiallyFailed), and says so first.
    type: list
    elements: str
  excluded_namespaces:
    description:
      - Namespaces to leave out. Names may hold C(*) and C(?).
    type: list
    elements: str
  included_resources:
    description:
      - Resources to take, such as V(configmaps) or V(deployments.apps).
      - Not set, an empty list, and the single entry V(*) mean all.
    type: list
    elements: str
  excluded_resources:
    description:
      - Resources to leave out.
    type: list
    elements: str
  label_selector:
    description:
      - Only objects with these labels, written as for C(kubectl --selector).
      - What these objects cannot do without comes along whatever its labels, such as the claims of a pod, the volume of a
        claim and the definition of a custom resource.
      - Cannot be used together with O(or_label_selectors).
    type: str
  or_label_selectors:
    description:
      - Only objects that at least one of these selectors fits.
    type: list
    elements: str
  include_cluster_resources:
    description:
      - What to do about objects that belong to no namespace.
      - V(auto) takes all of them if no namespaces are chosen, and else those that belong to what is taken, such as
        the volume of a claim, the definition of a custom resource and the cluster roles of a service account.
      - V(always) takes all of them.
      - V(never) takes none.
    type: str
    choices:
      - auto
      - always
      - never
    default: auto
"""
