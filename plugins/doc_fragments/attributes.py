# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Attributes that every module says something about."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
  async:
    description: Supports being used with the C(async) keyword.
  platform:
    description: Target OS/families that can be operated against.
    support: full
    platforms: posix
requirements:
  - python >= 3.11
  - kubernetes >= 28.1.0
  - msgspec >= 0.19.0
  - isal >= 1.7.1
  - boto3 >= 1.36.0, for locations of provider C(aws) and C(minio)
  - google-auth >= 2.26.1 and requests >= 2.31.0, for locations of provider C(gcp)
  - azure-core >= 1.31.0 and requests >= 2.31.0, for locations of provider C(azure), and azure-identity >= 1.18.0 for those that
    authenticate by other methods than C(account_key) and C(sas)
"""

    GROUP_LOCATION = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/stowage.kubernetes.location) in C(module_defaults) to set the location for all modules of the group.
    support: full
    membership:
      - stowage.kubernetes.location
"""

    GROUP_CLUSTER_ALONE = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/stowage.kubernetes.cluster) in C(module_defaults) to set cluster access for all modules of the group.
    support: full
    membership:
      - stowage.kubernetes.cluster
"""

    GROUP_CLUSTER = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/stowage.kubernetes.cluster) in C(module_defaults) to set cluster access for all modules of the group.
    support: full
    membership:
      - stowage.kubernetes.cluster
      - stowage.kubernetes.location
"""
