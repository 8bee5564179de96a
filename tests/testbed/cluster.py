# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One test cluster: etcd, kube-apiserver, kube-controller-manager and kube-scheduler on loopback."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from testbed import controlplane, kubeconfig, ports, tokens
from testbed.api import Api, ApiError
from testbed.audit import AuditLog
from testbed.etcd import Etcd
from testbed.process import Process, wait_until

READY_SECONDS = 120.0

_numbers = itertools.count(1)


class Cluster:
    """A running cluster. `Testbed.cluster` makes it; all of its files are below `directory`, which is private.

    `kubeconfig` is the admin's (client certificate, mode 0600), `server` the URL, `api` a client for it, `etcd` the store
    (`events_etcd` a second one for Events, if asked for), `audit` the requests, `processes` the servers by name.
    """

    def __init__(
        self,
        name: str,
        directory: Path,
        binary: Path,
        *,
        events_etcd: bool = False,
        apiserver_args: Sequence[str] = (),
        audit: bool = True,
        issuer: str = controlplane.ISSUER,
        shared: Etcd | None = None,
    ) -> None:
        """`shared` is an etcd of several clusters, each of which is an apiserver alone, with its keys below its name."""
        directory.mkdir(mode=0o700, parents=True)
        self.name = name
        self.directory = directory
        self._binary = binary
        self._port = ports.take()
        self.server = f"https://127.0.0.1:{self._port[0]}"
        self.credentials = controlplane.make_credentials(name, directory, self.server)
        self.kubeconfig = self.credentials.kubeconfigs["admin"]
        self.audit = AuditLog(directory / "audit.log")
        self.processes: dict[str, Process] = {}
        self.etcd = shared or Etcd("etcd", binary, directory)
        self._shares = shared is not None
        self.events_etcd = Etcd("events-etcd", binary, directory) if events_etcd else None
        self._commands = {
            "kube-apiserver": controlplane.apiserver(
                self.credentials,
                port=self._port[0],
                advertise=f"192.0.2.{next(_numbers) % 254 + 1}",
                etcd=self.etcd.endpoint,
                events_etcd=self.events_etcd.endpoint if self.events_etcd else None,
                audit=(self.audit.path, directory / "audit-policy.json") if audit else None,
                issuer=issuer,
                more=[*apiserver_args, *([f"--etcd-prefix=/{name}"] if shared else [])],
            ),
            "kube-controller-manager": controlplane.controller_manager(self.credentials),
            "kube-scheduler": controlplane.scheduler(self.credentials),
        }

    @cached_property
    def api(self) -> Api:
        """A client with the admin's rights."""
        return Api(self.kubeconfig)

    def _stores(self) -> list[Etcd]:
        return [self.etcd] + ([self.events_etcd] if self.events_etcd else [])

    def bring_up(self) -> None:
        """Starts the servers and returns when the cluster works: it is ready and its controllers have done their first work."""
        if self._shares:
            self.start("kube-apiserver")
            self.wait_ready()
            wait_until(
                lambda: self.api.find("v1", "Namespace", "kube-system"),
                seconds=READY_SECONDS,
                what=f"the namespaces of cluster {self.name}",
                processes=list(self.processes.values()),
            )
            return
        for store in self._stores():
            store.wait_ready()
            self.processes[store.process.name] = store.process
        self.start("kube-apiserver")
        self.wait_ready()
        self.start("kube-controller-manager")
        self.start("kube-scheduler")
        what = f"the controllers of cluster {self.name}"
        wait_until(self._controllers_work, seconds=READY_SECONDS, what=what, processes=list(self.processes.values()))

    def start(self, part: str) -> None:
        """Starts `kube-apiserver`, `kube-controller-manager` or `kube-scheduler`, also again after `stop_part`."""
        command: list[str | Path] = [self._binary, part, *self._commands[part]]
        self.processes[part] = Process(f"{self.name} {part}", command, log=self.directory / f"{part}.log")

    def stop_part(self, part: str) -> None:
        """Ends one of the servers; the others run on."""
        self.processes.pop(part).stop()

    def wait_ready(self) -> None:
        """Returns when the apiserver says that it is ready."""
        what = f"the apiserver of cluster {self.name}"
        wait_until(self._is_ready, seconds=READY_SECONDS, what=what, processes=list(self.processes.values()))

    def _is_ready(self) -> bool:
        try:
            return self.api.raw("GET", "/readyz") == b"ok"
        except ApiError:
            return False

    def _controllers_work(self) -> bool:
        account = self.api.find("v1", "ServiceAccount", "default", "default")
        return account is not None and self.api.find("v1", "ConfigMap", "kube-root-ca.crt", "default") is not None

    def stop(self) -> None:
        """Ends all servers. The files stay until the bed goes."""
        for process in self.processes.values():
            process.begin_stop()
        for process in self.processes.values():
            process.stop()
        for store in [] if self._shares else self._stores():
            store.stop()
        ports.give_back(self._port)

    # What tests ask of a cluster.

    def token_for(self, namespace: str, account: str, seconds: float = 3600) -> str:
        """A token of an existing service account.

        From 600 s on it comes from the TokenRequest API. That gives none for less, so a shorter one is signed here; its
        end is set so that it is refused after `seconds`, though the apiserver remembers a good token for up to 10 s.
        """
        resource = self.api.resource("v1", "ServiceAccount")
        if seconds < tokens.SHORTEST_REQUEST_SECONDS:
            found = self.api.get("v1", "ServiceAccount", account, namespace)
            return tokens.mint(self.credentials.token_key, controlplane.ISSUER, found, seconds)
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": int(seconds)},
        }
        answer = self.api.json("POST", resource.path(namespace, account) + "/token", body=body)
        return str(answer["status"]["token"])

    def kubeconfig_for_token(self, token: str, name: str = "token") -> Path:
        """Writes a kubeconfig (mode 0600) that uses this token; the same name overwrites."""
        return self._write_kubeconfig(name, {"token": token})

    def kubeconfig_for_user(self, user: str, groups: Sequence[str] = ()) -> Path:
        """Writes a kubeconfig for a user of this name and groups, by client certificate."""
        pair = self.credentials.authority.client(f"user-{user.replace(':', '-')}", user, groups)
        return self._write_kubeconfig(pair.certificate.stem, kubeconfig.certificate_user(pair))

    def _write_kubeconfig(self, name: str, user: dict[str, Any]) -> Path:
        authority = self.credentials.authority.pair.certificate
        content = kubeconfig.document(self.name, self.server, authority, user)
        return kubeconfig.write(self.directory / f"{name}.kubeconfig", content)

    def etcd_keys(self, prefix: str = "/registry/") -> list[str]:
        """The keys below a prefix, of all etcds of the cluster."""
        return [key for store in self._stores() for key, _dummy in store.pairs(prefix, keys_only=True)]

    def revision(self) -> int:
        """The newest resourceVersion."""
        return self.etcd.revision()

    def compact(self, revision: int | None = None) -> int:
        """Makes lists at older resourceVersions end with 410 Gone (see `Etcd.compact`)."""
        return self.etcd.compact(revision)

    def metrics(self) -> str:
        """The apiserver's metrics in Prometheus' text format."""
        return self.api.raw("GET", "/metrics", accept="text/plain").decode()
