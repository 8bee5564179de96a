# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The layers between a name and an answer, looked at once and the same for every store behind a URL. Private to the
collection."""

from __future__ import annotations

import datetime
import functools

from ansible_collections.stowage.kubernetes.plugins.module_utils._locations import network, network_judge
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.report import Check


class EndpointLooks:
    """Looks at an endpoint. Behind a proxy there is nothing to see of it."""

    def __init__(
        self,
        url: str,
        ca_file: str,
        seconds: float = network.SECONDS,
        *,
        client_pair: tuple[str, str] | None = None,
        skew_fails: float = network_judge.SKEW_FAILS,
    ) -> None:
        """
        :param url: scheme, host and port.
        :param ca_file: the certificates to trust; empty without TLS.
        :param client_pair: the files of our own certificate and its key.
        :param skew_fails: seconds of difference between the clocks from which on the store refuses requests.
        """
        self.target = network.Target(url, ca_file, network.proxy_for(url), seconds, client_pair=client_pair)
        self._skew_fails = skew_fails

    @functools.cached_property
    def _sighting(self) -> network.Sighting:
        return network.look(self.target)

    @property
    def _seen(self) -> network.Sighting:
        return network.Sighting() if self.target.proxy else self._sighting

    @property
    def server(self) -> str:
        """What the store calls itself."""
        return self._seen.server

    def network(self) -> list[Check]:
        """The layer of names and ports."""
        if self.target.proxy:
            return network_judge.proxy_checks(self.target)
        return network_judge.network_checks(self.target, self._sighting)

    def tls(self) -> list[Check]:
        """The layer of TLS."""
        return network_judge.tls_checks(self.target, self._seen, datetime.datetime.now(datetime.UTC))

    def clock(self) -> list[Check]:
        """The layer of HTTP and time."""
        return network_judge.clock_checks(self.target, self._seen, self._skew_fails)
