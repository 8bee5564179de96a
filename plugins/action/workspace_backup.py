# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Shows the progress of stowage.kubernetes.workspace_backup while it runs. Private to the collection; the module is the interface."""

from __future__ import annotations

from ansible_collections.stowage.kubernetes.plugins.plugin_utils._long_action import LongAction


class ActionModule(LongAction):
    """Runs the module and shows its progress."""
