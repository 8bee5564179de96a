# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Imports what is needed of the kubernetes package, and no more. Private to the collection.

``import kubernetes`` runs package initialisers that import a thousand models of the API: with 28 to 36 that is 65 MB and
one to two seconds of a process that never uses one of them. So the needed modules are imported below packages whose
initialisers do not run. The packages are taken out of ``sys.modules`` again: whoever imports kubernetes later gets it
whole. Where any of this fails, with a version that is built otherwise, the package is imported the ordinary way.

``kube_config`` also imports requests, oauthlib and google-auth, a third of a second of a processor, for kubeconfigs that name an
``auth-provider`` (Kubernetes' predecessor of exec plugins). They are left out unless one does.
"""

from __future__ import annotations

import builtins
import contextlib
import dataclasses
import functools
import importlib
import importlib.machinery
import importlib.util
import sys
import types
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError

_PROVIDERS: t.Final = ("google", "oauthlib", "requests_oauthlib")
_PACKAGES: t.Final = ("kubernetes", "kubernetes.client", "kubernetes.config", "kubernetes.utils")


@dataclasses.dataclass(frozen=True)
class KubernetesPackage:
    """The parts that are used. Their classes have no types before version 37.

    :param configuration: class ``kubernetes.client.Configuration``.
    :param rest_client: class ``kubernetes.client.rest.RESTClientObject``, whose ``pool_manager`` is urllib3's.
    :param kube_config: module ``kubernetes.config.kube_config``.
    :param incluster: class ``kubernetes.config.incluster_config.InClusterConfigLoader``.
    :param slim: whether the package's models, and what its ``auth-provider`` need, were left out.
    """

    configuration: t.Any
    rest_client: t.Any
    kube_config: t.Any
    incluster: t.Any
    slim: bool


@functools.cache
def kubernetes_package() -> KubernetesPackage:
    """The package, imported once, without its models if that can be.

    :raises StowageError: ``dependency_missing`` when it is not installed.
    """
    if "kubernetes.client" not in sys.modules:
        with contextlib.suppress(Exception):  # whatever went wrong, the ordinary way decides
            return _import_slim()
    return whole_kubernetes_package()


@functools.cache
def whole_kubernetes_package() -> KubernetesPackage:
    """The package with all that it has, which a kubeconfig's ``auth-provider`` needs, imported once.

    :raises StowageError: ``dependency_missing`` when it is not installed.
    """
    try:
        return _collect(slim=False)
    except ImportError as error:
        raise StowageError(
            "dependency_missing",
            f"The Python package kubernetes cannot be imported ({error.name or 'unknown module'} is missing or too old).",
            f"Install kubernetes>=28.1.0,!=37.0.2 for {sys.executable}.",
        ) from error


def temporary_files() -> t.Iterator[dict[str, str]]:
    """Paths of the files that the package has written, and that it would hand out again (before 36)."""
    loaded = [kubernetes_package()]
    if whole_kubernetes_package.cache_info().currsize:
        loaded.append(whole_kubernetes_package())
    for package in loaded:
        files = getattr(package.kube_config, "_temp_files", None)
        if isinstance(files, dict):
            yield files


def _collect(*, slim: bool) -> KubernetesPackage:
    return KubernetesPackage(
        configuration=importlib.import_module("kubernetes.client.configuration").Configuration,
        rest_client=importlib.import_module("kubernetes.client.rest").RESTClientObject,
        kube_config=importlib.import_module("kubernetes.config.kube_config"),
        incluster=importlib.import_module("kubernetes.config.incluster_config").InClusterConfigLoader,
        slim=slim,
    )


def _import_slim() -> KubernetesPackage:
    before = set(sys.modules)
    try:
        packages = {name: _bare(name) for name in _PACKAGES}
        client = packages["kubernetes.client"]
        # These two names are what kube_config and incluster_config take from the package itself.
        vars(client)["Configuration"] = importlib.import_module("kubernetes.client.configuration").Configuration
        vars(client)["ApiClient"] = None
        _import_without_providers("kubernetes.config.kube_config")
        return _collect(slim=True)
    finally:
        for name in set(sys.modules) - before:
            if name == "kubernetes" or name.startswith("kubernetes."):
                del sys.modules[name]


def _bare(name: str) -> types.ModuleType:
    """A package in ``sys.modules`` whose submodules can be imported, but whose initialiser has not run."""
    parent, _dot, last = name.rpartition(".")
    spec = importlib.machinery.PathFinder.find_spec(name, sys.modules[parent].__path__ if parent else None)
    if spec is None or spec.submodule_search_locations is None:
        raise ImportError(f"no package {name}", name=name)
    module = types.ModuleType(name)
    module.__spec__, module.__path__, module.__package__ = spec, list(spec.submodule_search_locations), name
    sys.modules[name] = module
    if parent:
        setattr(sys.modules[parent], last, module)
    return module


def _import_without_providers(name: str) -> None:
    """Import a module, into ``sys.modules``, for which what providers need is not installed or does nothing. For others it is there."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        raise ImportError(f"no module {name}", name=name)
    module = importlib.util.module_from_spec(spec)
    vars(module)["__builtins__"] = {**vars(builtins), "__import__": _provider_free_import}
    sys.modules[name] = module
    spec.loader.exec_module(module)


def _provider_free_import(name: str, *args: t.Any) -> t.Any:
    """``__import__`` of that module."""
    package = name.partition(".")[0]
    if package not in _PROVIDERS:
        return builtins.__import__(name, *args)
    if package == "google":  # which the module can do without
        raise ImportError("left out", name=name)
    return types.SimpleNamespace(OAuth2Session=None)
