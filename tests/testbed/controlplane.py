# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the servers of a test cluster are started with. Nothing runs here: functions of names and files that return arguments."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa

from testbed import kubeconfig
from testbed.paths import write_private
from testbed.pki import Authority, Pair, key_text, public_key_text

ISSUER = "https://kubernetes.default.svc.cluster.local"
SERVICE_RANGE = "10.96.0.0/16"
SERVICE_HOSTS = ("localhost", "127.0.0.1", "10.96.0.1", "kubernetes", "kubernetes.default.svc")

# The apiserver logs the requests of tests, not the chatter of the control plane.
AUDIT_POLICY: dict[str, Any] = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "users": ["system:apiserver", "system:kube-controller-manager", "system:kube-scheduler"]},
        {"level": "None", "userGroups": ["system:serviceaccounts:kube-system"]},
        {"level": "Metadata"},
    ],
}


@dataclass(frozen=True)
class Credentials:
    """The files that a control plane proves itself with, and the kubeconfigs of its parts and of its admin."""

    authority: Authority
    server: Pair
    proxy_authority: Authority
    proxy_client: Pair
    token_key: Path
    token_public_key: Path
    kubeconfigs: Mapping[str, Path]


# Who uses which kubeconfig: the user's name and groups in its client certificate.
USERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "admin": ("testbed-admin", ("system:masters",)),
    "kube-controller-manager": ("system:kube-controller-manager", ()),
    "kube-scheduler": ("system:kube-scheduler", ()),
}


def make_credentials(name: str, directory: Path, server: str) -> Credentials:
    """Makes the certificates, keys and kubeconfigs of one cluster below `directory`."""
    authority = Authority(directory / "pki", "ca")
    proxy_authority = Authority(directory / "pki", "front-proxy-ca")
    token_key = rsa.generate_private_key(65537, 2048)
    files = {}
    for user, (common, groups) in USERS.items():
        pair = authority.client(user, common, groups)
        content = kubeconfig.document(name, server, authority.pair.certificate, kubeconfig.certificate_user(pair))
        files[user] = kubeconfig.write(directory / f"{user}.kubeconfig", content)
    return Credentials(
        authority=authority,
        server=authority.server("kube-apiserver", SERVICE_HOSTS),
        proxy_authority=proxy_authority,
        proxy_client=proxy_authority.client("front-proxy-client", "front-proxy-client"),
        token_key=write_private(directory / "pki" / "service-accounts.key", key_text(token_key)),
        token_public_key=write_private(directory / "pki" / "service-accounts.pub", public_key_text(token_key)),
        kubeconfigs=files,
    )


def flags(options: Mapping[str, object]) -> list[str]:
    """Options as arguments; a list repeats the flag."""
    repeated = [(name, value if isinstance(value, list) else [value]) for name, value in options.items()]
    return [f"--{name}={one}" for name, values in repeated for one in values]


def apiserver(
    credentials: Credentials,
    *,
    port: int,
    advertise: str,
    etcd: str,
    events_etcd: str | None,
    audit: tuple[Path, Path] | None,
    issuer: str,
    more: Sequence[str],
) -> list[str]:
    """The arguments of kube-apiserver. `audit` is the log and where its policy is written, `issuer` that of its tokens.

    `advertise` must not be loopback: the apiserver refuses that for the Endpoints of the Service `kubernetes`. Nothing is
    ever sent there. Aggregator routing makes calls to services of webhooks and aggregated APIs go to endpoints, of which
    there are none without a node, rather than to a cluster address that may lead out of this machine.
    """
    options: dict[str, object] = {
        "bind-address": "127.0.0.1",
        "secure-port": port,
        "advertise-address": advertise,
        "etcd-servers": etcd,
        "tls-cert-file": credentials.server.certificate,
        "tls-private-key-file": credentials.server.key,
        "client-ca-file": credentials.authority.pair.certificate,
        "service-account-issuer": issuer,
        "service-account-key-file": credentials.token_public_key,
        "service-account-signing-key-file": credentials.token_key,
        "service-cluster-ip-range": SERVICE_RANGE,
        "authorization-mode": "Node,RBAC",
        "allow-privileged": "true",
        "enable-aggregator-routing": "true",
        "proxy-client-cert-file": credentials.proxy_client.certificate,
        "proxy-client-key-file": credentials.proxy_client.key,
        "requestheader-client-ca-file": credentials.proxy_authority.pair.certificate,
        "requestheader-allowed-names": "front-proxy-client",
        "requestheader-extra-headers-prefix": "X-Remote-Extra-",
        "requestheader-group-headers": "X-Remote-Group",
        "requestheader-username-headers": "X-Remote-User",
    }
    if events_etcd is not None:
        # One override covers core/v1 and events.k8s.io: both are stored under the core group's resource.
        options["etcd-servers-overrides"] = f"/events#{events_etcd}"
    if audit is not None:
        log, policy = audit
        write_private(policy, json.dumps(AUDIT_POLICY))
        options |= {"audit-log-path": log, "audit-policy-file": policy}
    return [*flags(options), *more]


def controller_manager(credentials: Credentials) -> list[str]:
    """The arguments of kube-controller-manager. It serves nothing, as nobody asks it."""
    return flags(
        {
            "kubeconfig": credentials.kubeconfigs["kube-controller-manager"],
            "secure-port": 0,
            "leader-elect": "false",
            "use-service-account-credentials": "true",
            "service-account-private-key-file": credentials.token_key,
            "root-ca-file": credentials.authority.pair.certificate,
            "cluster-signing-cert-file": credentials.authority.pair.certificate,
            "cluster-signing-key-file": credentials.authority.pair.key,
            "pvclaimbinder-sync-period": "1s",
            "kube-api-qps": 200,
            "kube-api-burst": 400,
        }
    )


def scheduler(credentials: Credentials) -> list[str]:
    """The arguments of kube-scheduler."""
    return flags({"kubeconfig": credentials.kubeconfigs["kube-scheduler"], "secure-port": 0, "leader-elect": "false"})
