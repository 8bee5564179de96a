# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What of a cluster or of a backup is meant: namespaces, resources, labels. Private to the collection. Pure.

The rules are Velero's (``pkg/util/collections``, ``pkg/util/wildcard`` at 1.18), with one difference: no filter at all,
``[]`` and ``["*"]`` alike, means everything.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import re
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils import _label_selectors
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind

EXCLUDE_LABEL: t.Final = "velero.io/exclude-from-backup"
"""An object, or a namespace with all in it, that has this label with the value ``true`` is not captured."""

ClusterResources = t.Literal["auto", "always", "never"]
ClusterScope = t.Literal["all", "related", "none"]

_CORE: t.Final = (
    "bindings componentstatuses configmaps endpoints events limitranges namespaces nodes persistentvolumeclaims"
    " persistentvolumes pods podtemplates replicationcontrollers resourcequotas secrets serviceaccounts services"
)
_BUILT_IN: t.Final[t.Mapping[str, frozenset[str]]] = {
    **{plural: frozenset({""}) for plural in _CORE.split()},
    **{
        plural: frozenset(groups.split())
        for groups, plurals in {
            "apps extensions": "controllerrevisions daemonsets deployments replicasets statefulsets",
            "autoscaling": "horizontalpodautoscalers",
            "batch": "cronjobs jobs",
            "networking.k8s.io extensions": "ingresses ingressclasses networkpolicies",
            "policy extensions": "poddisruptionbudgets podsecuritypolicies",
            "rbac.authorization.k8s.io": "clusterrolebindings clusterroles rolebindings roles",
            "storage.k8s.io": "csidrivers csinodes storageclasses volumeattachments",
            "scheduling.k8s.io": "priorityclasses",
            "node.k8s.io": "runtimeclasses",
            "coordination.k8s.io": "leases",
        }.items()
        for plural in plurals.split()
    },
}
"""Plural -> groups that a bare word means, as for kubectl: ``jobs`` is not another group's kind of that name."""


@dataclasses.dataclass(frozen=True)
class Selection:
    """A normal form: lists are sorted and without repetition, an empty list of includes means everything.

    Made by :meth:`from_params`; equal selections are equal objects with the same fingerprint.
    """

    included_namespaces: tuple[str, ...] = ()
    excluded_namespaces: tuple[str, ...] = ()
    included_resources: tuple[str, ...] = ()
    excluded_resources: tuple[str, ...] = ()
    label_selector: str = ""
    or_label_selectors: tuple[str, ...] = ()
    include_cluster_resources: ClusterResources = "auto"
    namespace_patterns: tuple[str, ...] = ()
    """Regular expressions that a namespace's whole name may fit, in place of ``included_namespaces``."""
    namespace_selectors: tuple[str, ...] = ()
    """Selectors that a namespace's labels may fit, in place of ``included_namespaces``."""

    @classmethod
    def from_params(cls, params: t.Mapping[str, t.Any]) -> Selection:
        """Validate and normalise a module's options; options that are absent or ``None`` select everything.

        :raises StowageError: ``invalid_option``.
        """
        included_namespaces, excluded_namespaces = _lists(params, "namespaces", _namespace)
        included_resources, excluded_resources = _lists(params, "resources", _resource)
        selector = _label_selectors.normalise(params.get("label_selector"))
        selectors = tuple(sorted({_or_selector(one) for one in params.get("or_label_selectors") or ()}))
        if selector and selectors:
            raise StowageError(
                "invalid_option",
                "label_selector and or_label_selectors cannot be used together.",
                "Repeat the common conditions in each entry of or_label_selectors.",
            )
        if len(selectors) == 1:
            selector, selectors = selectors[0], ()
        mode = params.get("include_cluster_resources") or "auto"
        if mode not in t.get_args(ClusterResources):
            raise StowageError(
                "invalid_option",
                f"include_cluster_resources cannot be {mode!r}.",
                "Use auto, always or never.",
            )
        return cls(
            included_namespaces=included_namespaces,
            excluded_namespaces=excluded_namespaces,
            included_resources=included_resources,
            excluded_resources=excluded_resources,
            label_selector=selector,
            or_label_selectors=selectors,
            include_cluster_resources=t.cast("ClusterResources", mode),
            namespace_patterns=_patterns(params),
            namespace_selectors=tuple(
                sorted({_namespace_selector(one) for one in params.get("namespace_selectors") or ()})
            ),
        )

    def as_dict(self) -> dict[str, t.Any]:
        """The options again, in normal form; what came later than the first backups only if it is set."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in ((field.name, getattr(self, field.name)) for field in dataclasses.fields(self))
            if value or not name.startswith("namespace_")
        }

    def fingerprint(self, ignored_api_groups: t.Collection[str] = ()) -> str:
        """sha256 (hexadecimal) of the normal form: backups of the same selection have the same.

        :param ignored_api_groups: what may be missing from a backup without a word is part of what it holds.
        """
        form = self.as_dict() | ({"ignored_api_groups": sorted(ignored_api_groups)} if ignored_api_groups else {})
        document = json.dumps(form, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(document.encode("ascii")).hexdigest()

    @property
    def all_namespaces(self) -> bool:
        """Whether there is no namespace filter, neither includes nor excludes."""
        return not self.namespace_words and not self.excluded_namespaces

    @property
    def namespace_words(self) -> tuple[str, ...]:
        """What a namespace may fit: names, globs, expressions and selectors. Empty for all."""
        return (*self.included_namespaces, *self.namespace_patterns, *self.namespace_selectors)

    @property
    def exact_namespaces(self) -> bool:
        """Whether the wanted namespaces are known by name without asking a cluster."""
        if self.namespace_patterns or self.namespace_selectors:
            return False
        return bool(self.included_namespaces) and not any(_is_glob(name) for name in self.included_namespaces)

    @property
    def label_selectors(self) -> tuple[str, ...]:
        """The selectors of which one must match; empty when labels do not matter."""
        return (self.label_selector,) if self.label_selector else self.or_label_selectors

    @property
    def cluster_scope(self) -> ClusterScope:
        """Which cluster-scoped objects belong to it: all, those that wanted namespaced ones are tied to, or none.

        Namespaces follow the namespace filter in every case.
        """
        if self.include_cluster_resources == "never":
            return "none"
        return "all" if self.include_cluster_resources == "always" or self.all_namespaces else "related"

    def wants_namespace(self, name: str, labels: t.Mapping[str, str] | None = None) -> bool:
        """Whether the namespace passes the filter; excludes win.

        :param labels: of the namespace; without them ``namespace_selectors`` fit none.
        """
        if self.excluded_namespaces and _any_glob(self.excluded_namespaces, name):
            return False
        return (
            not self.namespace_words
            or _any_glob(self.included_namespaces, name)
            or any(_expression(one).fullmatch(name) for one in self.namespace_patterns)
            or (labels is not None and any(_label_selectors.matches(one, labels) for one in self.namespace_selectors))
        )

    def wants_kind(self, kind: Kind) -> bool:
        """Whether the kind passes the resource filter; excludes win. Its scope is not looked at."""
        if self.excludes_kind(kind):
            return False
        return not self.included_resources or any(_names_kind(word, kind) for word in self.included_resources)

    def excludes_kind(self, kind: Kind) -> bool:
        """Whether ``excluded_resources`` names the kind."""
        return any(_names_kind(word, kind) for word in self.excluded_resources)

    def wants_labels(self, labels: t.Mapping[str, str]) -> bool:
        """Whether labels pass the selectors."""
        selectors = self.label_selectors
        return not selectors or any(_label_selectors.matches(one, labels) for one in selectors)

    def unmatched_namespaces(self, known: t.Container[str]) -> list[str]:
        """Namespaces that are included by name and are not among those that are known."""
        return [name for name in self.included_namespaces if not _is_glob(name) and name not in known]

    def unmatched_resources(self, kinds: t.Iterable[Kind]) -> list[str]:
        """The words of ``included_resources`` that none of the kinds bears: misspelt, or not in this cluster."""
        known = list(kinds)
        return [word for word in self.included_resources if not any(_names_kind(word, kind) for kind in known)]

    def may_want_group(self, group: str) -> bool:
        """Whether resources of an API group that nobody could see may be wanted, by ``included_resources`` or because wanted
        objects are tied to them."""
        built_in = "." not in group or group.endswith(".k8s.io")
        return (
            built_in or not self.included_resources or any(_may_be_of(word, group) for word in self.included_resources)
        )

    def to_velero_spec(self, namespaces: t.Sequence[str] = ()) -> dict[str, t.Any]:
        """The fields of a Backup's or Restore's ``spec`` that say the same to Velero.

        :param namespaces: those that were found, since Velero knows neither patterns nor selectors of namespaces.
        """
        included = (
            sorted(namespaces) if self.namespace_patterns or self.namespace_selectors else self.included_namespaces
        )
        spec: dict[str, t.Any] = {"includedNamespaces": list(included) or ["*"]}
        for field, names in (
            ("excludedNamespaces", self.excluded_namespaces),
            ("includedResources", self.included_resources),
            ("excludedResources", self.excluded_resources),
        ):
            if names:
                spec[field] = list(names)
        if self.label_selector:
            spec["labelSelector"] = _label_selectors.to_label_selector(self.label_selector)
        if self.or_label_selectors:
            spec["orLabelSelectors"] = [_label_selectors.to_label_selector(one) for one in self.or_label_selectors]
        if self.include_cluster_resources != "auto":
            spec["includeClusterResources"] = self.include_cluster_resources == "always"
        return spec


def _lists(
    params: t.Mapping[str, t.Any], what: str, check: t.Callable[[str, str], str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The normal forms of ``included_<what>`` and ``excluded_<what>``."""
    names = (f"included_{what}", f"excluded_{what}")
    included, excluded = (tuple(sorted({check(name, word) for word in _words(params, name)})) for name in names)
    if "*" in included:
        if len(included) > 1:
            raise StowageError("invalid_option", f"{names[0]} has * beside other entries.", "Leave * alone or out.")
        included = ()
    if "*" in excluded:
        raise StowageError("invalid_option", f"{names[1]} cannot be *.", "It would leave nothing.")
    both = sorted(set(included) & set(excluded))
    if both:
        raise StowageError("invalid_option", f"{both[0]} is in {names[0]} and in {names[1]}.", "Remove one of them.")
    return included, excluded


def _words(params: t.Mapping[str, t.Any], name: str) -> list[str]:
    value = params.get(name)
    words = [] if value is None else value
    if isinstance(words, str) or not isinstance(words, t.Iterable):
        raise StowageError("invalid_option", f"{name} is no list.", "Give a list of names.")
    return [str(word).strip() for word in words]


_GLOB_STAND_IN: t.Final = str.maketrans("*?[]", "xxxx")


def _namespace(option: str, name: str) -> str:
    """Check a namespace or a pattern as Velero does: ``*``, ``?`` and ``[...]``, nothing else."""
    stand_in = name.translate(_GLOB_STAND_IN)
    if not name or len(name) > 63 or not re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", stand_in):
        raise StowageError(
            "invalid_option",
            f"{option} has {name!r}, which is neither a namespace nor a pattern.",
            "Patterns know *, ? and [abc].",
        )
    if "**" in name or not re.fullmatch(r"([^\[\]]|\[[^\[\]]+\])*", name) or not _compiles(name):
        raise StowageError(
            "invalid_option",
            f"{option} has the malformed pattern {name!r}.",
            "Write one * for any characters, and close what [ opens.",
        )
    return name


def _resource(option: str, word: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9*?]([-A-Za-z0-9.*?]*[A-Za-z0-9*?])?", word):
        raise StowageError(
            "invalid_option",
            f"{option} has {word!r}, which is no resource.",
            "Name resources as in pods, deployments.apps or Deployment.",
        )
    return word.lower()


def _patterns(params: t.Mapping[str, t.Any]) -> tuple[str, ...]:
    found = set(_words(params, "namespace_patterns"))
    for text in found:
        try:
            fits = bool(text) and len(text) <= 1000 and bool(_expression(text))
        except (re.error, OverflowError, RecursionError):
            fits = False
        if not fits:
            raise StowageError(
                "invalid_option",
                f"namespace_patterns has {text[:80]!r}, which is no regular expression.",
                "Write it as for Python's re; it has to fit a namespace's whole name.",
            )
    return tuple(sorted(found))


@functools.lru_cache(maxsize=1024)
def _expression(text: str) -> re.Pattern[str]:
    return re.compile(text)


def _namespace_selector(selector: object) -> str:
    normal = _label_selectors.normalise(selector)
    if not normal:
        raise StowageError(
            "invalid_option",
            "namespace_selectors has an empty selector, which every namespace fulfils.",
            "Remove the entry, or write a condition such as team=shop.",
        )
    return normal


def _or_selector(selector: object) -> str:
    normal = _label_selectors.normalise(selector)
    if not normal:
        raise StowageError(
            "invalid_option",
            "or_label_selectors has an empty selector, which every object fulfils.",
            "Remove the entry, or the whole option to select everything.",
        )
    return normal


def _is_glob(name: str) -> bool:
    return any(character in name for character in "*?[")


@functools.lru_cache(maxsize=1024)
def _pattern(glob: str) -> re.Pattern[str]:
    """A glob as a regular expression; inside brackets only ranges mean something, as in gobwas/glob."""
    parts = []
    for part in re.findall(r"\[[^\]]*\]|.", glob, re.DOTALL):
        if part == "*":
            parts.append(".*")
        elif part == "?":
            parts.append(".")
        elif len(part) > 1:
            parts.append("[" + "".join(c if c == "-" else re.escape(c) for c in part[1:-1]) + "]")
        else:
            parts.append(re.escape(part))
    return re.compile("".join(parts), re.DOTALL)


def _compiles(glob: str) -> bool:
    try:
        _pattern(glob)
    except re.error:  # a range that runs backwards
        return False
    return True


def _any_glob(globs: t.Iterable[str], name: str) -> bool:
    return any(glob == name or (_is_glob(glob) and _pattern(glob).fullmatch(name) is not None) for glob in globs)


def _may_be_of(word: str, group: str) -> bool:
    """Whether a word of a resource list may mean a kind of a group that is not known."""
    if _is_glob(word):
        return True
    if "." in word:
        return word.endswith(f".{group.lower()}")
    return word not in _BUILT_IN


@functools.lru_cache(maxsize=65536)
def _names_kind(word: str, kind: Kind) -> bool:
    """Whether a word of a resource list means the kind: plural, singular or kind, alone or with the group."""
    group, plural, singular = kind.group.lower(), kind.plural.lower(), kind.kind.lower()
    if _is_glob(word):
        return _pattern(word).fullmatch(f"{plural}.{group}" if group else plural) is not None
    if word in (plural, singular):
        own_groups = _BUILT_IN.get(plural)
        return own_groups is None or group in own_groups
    return bool(group) and word in (f"{plural}.{group}", f"{singular}.{group}")
