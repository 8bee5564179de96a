# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compares what users made in two clusters. Shares no code with the collection.

Which kinds exist is learnt from the keys in etcd, not from discovery, so that a kind which discovery hides, or serves in a
version that nobody prefers, is missed by neither side.
"""
