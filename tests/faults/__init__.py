# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A proxy that does to HTTP requests what networks and overloaded servers do. See `FaultProxy`."""

from faults.proxy import Fault, FaultProxy, Seen, answer, cut_answer, cut_request, hold, reset, slow_down, swallow

__all__ = [
    "Fault",
    "FaultProxy",
    "Seen",
    "answer",
    "cut_answer",
    "cut_request",
    "hold",
    "reset",
    "slow_down",
    "swallow",
]
