# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real servers for tests, on loopback: Kubernetes clusters, MinIO, SeaweedFS, ministack, Google's, Azurite, Velero; and
a browser. See README.md."""

from __future__ import annotations

from testbed.api import Api, ApiError
from testbed.azurite import Azurite
from testbed.bed import Testbed
from testbed.browser import Browser
from testbed.cluster import Cluster
from testbed.errors import TestbedError
from testbed.fake_gcs import FakeGcs, GcpEmulator
from testbed.google import GoogleServer
from testbed.minio import MinIO
from testbed.ministack import MiniStack
from testbed.seaweedfs import SeaweedFS
from testbed.store import S3Store
from testbed.velero import VeleroServer

__all__ = [
    "Api",
    "ApiError",
    "Azurite",
    "Browser",
    "Cluster",
    "FakeGcs",
    "GcpEmulator",
    "GoogleServer",
    "MinIO",
    "MiniStack",
    "S3Store",
    "SeaweedFS",
    "Testbed",
    "TestbedError",
    "VeleroServer",
]
