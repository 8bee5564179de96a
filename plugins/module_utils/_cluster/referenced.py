# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A kubeconfig that lies in a Secret of another cluster, and is known by reference only. Private to the collection. Pure.

Management clusters of the Cluster API keep one for each cluster, and renew it. Whoever may write there chooses what it says,
so it is taken for a server and a credential, and for nothing that would act on this machine.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import re
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster import kubeconfig as _kubeconfig

KEY: t.Final = "value"
"""The key that the Cluster API uses."""
_LABEL: t.Final = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_NAMESPACE: t.Final = re.compile(_LABEL)
_NAME: t.Final = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_KEY: t.Final = re.compile(r"[-._a-zA-Z0-9]{1,253}")
_SHAPE: t.Final = "kubeconfig_secret takes namespace, name and, if it is not `value`, key."


@dataclasses.dataclass(frozen=True)
class SecretReference:
    """A key of a Secret."""

    namespace: str
    name: str
    key: str = KEY

    @property
    def path(self) -> str:
        """Where the API server has it. What was checked needs no escaping."""
        return f"/api/v1/namespaces/{self.namespace}/secrets/{self.name}"

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


def secret_reference(params: t.Mapping[str, t.Any]) -> SecretReference | None:
    """What ``cluster_auth`` and ``kubeconfig_secret`` say; ``None`` when the cluster is reached directly.

    :raises StowageError: ``cluster_access_invalid`` when one is set without the other, or names what cannot be.
    """
    given = params.get("kubeconfig_secret")
    if params.get("cluster_auth") != "capi":
        if given:
            raise _kubeconfig.invalid(
                "kubeconfig_secret is set, but nothing says to use it.", "Set cluster_auth: capi."
            )
        return None
    if not isinstance(given, t.Mapping):
        raise _kubeconfig.invalid("cluster_auth is capi, but there is no kubeconfig_secret.", _SHAPE)
    return checked_reference(given)


def checked_reference(given: t.Mapping[str, t.Any]) -> SecretReference:
    """A reference given as a dictionary.

    :raises StowageError: ``cluster_access_invalid``.
    """
    reference = SecretReference(
        str(given.get("namespace") or ""), str(given.get("name") or ""), str(given.get("key") or KEY)
    )
    checks = (
        (_NAMESPACE, reference.namespace, "namespace"),
        (_NAME, reference.name, "name"),
        (_KEY, reference.key, "key"),
    )
    for pattern, value, option in checks:
        if not pattern.fullmatch(value):
            raise _kubeconfig.invalid(f"kubeconfig_secret.{option} cannot be one: {value[:80]!r}.", _SHAPE)
    return reference


def kubeconfig_of(answer: object, reference: SecretReference) -> _kubeconfig.Document:
    """The kubeconfig in a Secret as the API server returned it.

    :raises StowageError: ``cluster_access_invalid``; the text never holds what is in the Secret.
    """
    where = f"The Secret {reference} of the management cluster"
    data = answer.get("data") if isinstance(answer, dict) else None
    encoded = data.get(reference.key) if isinstance(data, dict) else None
    if not isinstance(encoded, str):
        raise _kubeconfig.invalid(f"{where} has no key {reference.key}.", _SHAPE)
    try:
        text = base64.b64decode(encoded, validate=True)
    except (ValueError, binascii.Error):
        raise _kubeconfig.invalid(f"{where} is not base64.") from None
    document = _kubeconfig.parse(text, f"The kubeconfig in the Secret {reference}")
    _kubeconfig.check([document], None)
    _kubeconfig.check_no_commands([document], None)
    _kubeconfig.check_no_files([document], None)
    return document
