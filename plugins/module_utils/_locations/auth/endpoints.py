# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which endpoints are AWS's own. Private to the collection. Pure."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.endpoints import is_of

OWN_SUFFIXES: t.Final = (
    # Of botocore's partitions, the usual and the dual-stack one of each: a test compares them.
    "amazonaws.com",
    "api.aws",
    "amazonaws.com.cn",
    "api.amazonwebservices.com.cn",
    "amazonaws.eu",
    "api.amazonwebservices.eu",
    "c2s.ic.gov",
    "api.aws.ic.gov",
    "sc2s.sgov.gov",
    "api.aws.scloud",
    "cloud.adc-e.uk",
    "api.cloud-aws.adc-e.uk",
    "csp.hci.ic.gov",
    "api.aws.hci.ic.gov",
)

_SERVICE: t.Final = re.compile(r"(s3|sts)(-fips|-accelerate|-accesspoint|-accesspoint-fips|-[a-z]{2}(-[a-z]+)+-[0-9])?")


def is_own_endpoint(endpoint: str) -> bool:
    """Whether a URL is S3's or STS's own, by TLS: the only kind of endpoint that gets credentials of the environment.

    Customers run hosts below these domains too (``execute-api``, ``elb``), so a label must name the service.
    """
    return is_of(endpoint, OWN_SUFFIXES) and any(map(_SERVICE.fullmatch, endpoint.partition("://")[2].split(".")))
