# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong in the testbed itself."""

from __future__ import annotations


class TestbedError(Exception):
    """A server cannot be built, started or asked; the text says which, why, and where its log is."""

    __test__ = False  # its name looks like a test class to pytest
