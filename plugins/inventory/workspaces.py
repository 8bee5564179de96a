# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An inventory in which hosts are clusters and groups are workspaces."""

from __future__ import annotations

DOCUMENTATION = r"""
name: workspaces
short_description: Clusters as hosts, workspaces as groups
version_added: 0.2.0
author:
  - Stowage contributors (@stowage)
description:
  - Makes a host of each cluster that is found in kubeconfigs, in management clusters of the Cluster API, at Amazon EKS, Google Kubernetes Engine or
    Azure Kubernetes Service, or in a list, and a group of each workspace. A cluster may be in several workspaces.
  - The file's name ends in C(workspaces.yml) or C(workspaces.yaml).
  - Hosts hold references only, to a path, a context, a Secret; never a credential or a kubeconfig's content. The roles of this collection
    take what they need to reach the cluster from these variables, and so may a static inventory that sets them.
  - Names, contexts and labels come from whoever runs the clusters. They are never trusted as templates. The name of a host is made of a
    cluster's by replacing what cannot be in a name by C(-). Two clusters that would be one host are an error, until O(hostname) tells
    them apart.
  - No C(exec) entry of a kubeconfig is run, neither of those that are listed nor of that of a management cluster.
  - A source, or a part of one such as a file, that cannot be read yields the clusters that it had when it last could be, if O(cache) is on;
    they have the variable C(stowage_source_error). If none is known, there is a host that is named after the source, in all of O(workspaces),
    with the variable C(stowage_error), and so is each cluster that a workspace names and no source has. The roles fail on such hosts, so
    that no cluster is left out in silence.
notes:
  - A host gets C(stowage_cluster_auth) (C(kubeconfig), C(capi), C(eks), C(gke) or C(aks)), C(stowage_source), C(stowage_cluster_labels), and as far
    as it is known C(stowage_kubeconfig), C(stowage_context), C(stowage_kubeconfig_cluster) (the name of the context's cluster),
    C(stowage_kubeconfig_secret), C(stowage_capi_cluster) (C(namespace) and C(name)), C(stowage_eks) (C(name) and C(region)), C(stowage_gke)
    (C(name), C(location) and C(project)), C(stowage_aks) (C(name), C(resource_group) and C(subscription)) and C(stowage_cluster_uid). These are
    what O(hostname), O(compose), O(groups) and O(keyed_groups) can use.
  - Interpreter and connection are up to the play. The playbooks of this collection set both.
  - Labels of clusters of the Cluster API and of the clouds are set by whoever may write there. What must not be chosen by them belongs into
    the source's own C(labels), which win.
extends_documentation_fragment:
  - ansible.builtin.constructed
  - ansible.builtin.inventory_cache
options:
  plugin:
    description:
      - Says that the file is for this plugin.
    type: str
    required: true
    choices:
      - stowage.kubernetes.workspaces
  sources:
    description:
      - Where clusters come from, by name. Each takes exactly one of C(kubeconfig), C(capi), C(eks), C(gke), C(aks) and C(clusters), and beside it
        C(labels), C(label_patterns) and C(hostname).
      - C(kubeconfig) makes a host of each context. C(paths) is a list of files, globs and folders (all files in them that are not hidden);
        relative ones begin at the inventory file. Instead of it, C(env) names a variable of the environment that holds the path. The path
        is then no variable of the hosts, for it is another in each job of AWX; set C(stowage_kubeconfig) to a lookup of the variable.
        C(contexts) and C(excluded_contexts) are lists of names, globs and regular expressions that begin with C(~).
      - C(capi) makes a host of each cluster of a management cluster, which is reached by C(kubeconfig) (or C(env)) and C(context), with a
        token or a client certificate. C(namespaces) and C(excluded_namespaces) are names and patterns, C(label_selector) is as for
        C(kubectl --selector). The account needs C(list) on C(clusters.cluster.x-k8s.io), in the named namespaces or, if there are patterns
        or none, in all of them. The roles need C(get) on the Secrets C(<cluster>-kubeconfig).
      - C(eks) makes a host of each cluster of Amazon EKS in C(regions) that fits C(clusters) and not C(excluded_clusters), which are names and
        patterns. It needs C(eks:ListClusters) and the Python package boto3. C(auth) says who asks, as C(location.auth) of provider V(aws)
        does; if not set, the environment or the machine's role. It is no variable of the hosts, so set C(stowage_eks_auth) for tasks. They
        need C(eks:DescribeCluster) and an access entry in the cluster. C(endpoint) and C(ca_cert) are for an endpoint of your own.
      - C(gke) makes a host of each cluster of Google Kubernetes Engine in C(projects) that fits C(clusters) and not C(excluded_clusters). It needs
        C(container.clusters.list) in the projects and the Python packages google-auth and requests. C(auth) says who asks, as C(location.auth) of
        provider V(gcp) does, with texts only; if not set, the environment, what gcloud left, or the machine's service account. It is no variable
        of the hosts, so set C(stowage_gke_auth) for tasks. They need C(container.clusters.get) and permissions in the cluster. C(address) is a
        part of each host's C(stowage_gke). C(endpoint) and C(ca_cert) are for an endpoint of your own. Zones that do not answer are a
        part that cannot be read. Labels of clusters become labels.
      - C(aks) makes a host of each cluster of Azure Kubernetes Service in C(subscriptions), which are ids, that fits C(clusters) and not
        C(excluded_clusters). It needs C(Microsoft.ContainerService/managedClusters/read) in the subscriptions and the Python package
        azure-identity. C(auth) says who asks, as C(location.auth) of provider V(azure) does, with a method that gets tokens; if not set, a service
        principal of the environment. It is no variable of the hosts, so set C(stowage_aks_auth) for tasks. They need
        C(Microsoft.ContainerService/managedClusters/listClusterUserCredential/action) and permissions in the cluster. C(address) and C(cloud) are
        a part of each host's C(stowage_aks), C(management_endpoint) and C(ca_cert) are for an endpoint of your own. Tags become labels.
      - C(clusters) is a dictionary of clusters by name, each with C(kubeconfig), C(context), C(cluster_uid), C(labels) and, for one that is
        reached by a Secret in the cluster that these are about, C(kubeconfig_secret).
      - C(labels) are labels of all of a source's clusters, C(label_patterns) regular expressions whose named groups become labels when they
        are found in a host's name.
    type: dict
    required: true
  workspaces:
    description:
      - Which clusters are members of a workspace, by its name. The group has this name, with C(_) for what cannot be in a group's name.
      - C(clusters) and C(excluded_clusters) are hosts' names, globs and regular expressions that begin with C(~), C(selector) is a label
        selector over C(stowage_cluster_labels), as for C(kubectl --selector). A member fits all that are set.
      - This says who is a member and nothing else. What a workspace is backed up with, and where, is not said by groups.
    type: dict
    default: {}
  hostname:
    description:
      - Jinja2 expression for hosts' names, over the variables of the host. A source's own C(hostname) counts more.
      - If not set, a host is named after the context, or the cluster of the Cluster API.
    type: str
  strict:
    description:
      - Let the inventory fail if a source, or a part of one, cannot be read, a named cluster is not there, or an expression of O(compose),
        O(groups) or O(keyed_groups) cannot be evaluated.
      - Ansible itself goes on without an inventory file that failed, unless E(ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED) is set to V(true).
    type: bool
    default: false
  cache:
    description:
      - Keep what was read, and do not read it again for O(cache_timeout) seconds.
      - What was read is kept for longer than that, for the time when a source cannot be read.
seealso:
  - module: stowage.kubernetes.cluster_info
"""

EXAMPLES = r"""
# fleet.workspaces.yml: contexts of kubeconfigs, grouped by what their names say.
plugin: stowage.kubernetes.workspaces
sources:
  datacentre:
    kubeconfig:
      paths:
        - ~/.kube/config
        - /etc/stowage/clusters/*.yaml
      contexts:
        - prod-*
        - ~test-[0-9]+
    labels:
      owner: platform
    label_patterns:
      - ^(?P<env>prod|test)-
workspaces:
  production:
    selector: env=prod
  payments:
    clusters:
      - prod-pay-*
      - test-7
keyed_groups:
  - key: stowage_cluster_labels.env
    prefix: env

---
# capi.workspaces.yml: the clusters of a management cluster, named after their namespace too.
plugin: stowage.kubernetes.workspaces
sources:
  management:
    capi:
      kubeconfig: /etc/stowage/management.kubeconfig
      context: reader@management
      label_selector: backup!=none
    hostname: stowage_capi_cluster.namespace ~ '-' ~ stowage_capi_cluster.name
workspaces:
  everything:
    clusters: ["*"]
cache: true
cache_plugin: ansible.builtin.jsonfile
cache_connection: ~/.cache/stowage-inventory

---
# cloud.workspaces.yml: clusters of Amazon EKS. Who asks is in the environment, such as that of AWX's credential for AWS.
plugin: stowage.kubernetes.workspaces
sources:
  cloud:
    eks:
      regions: [eu-west-1, eu-central-1]
      clusters: [prod-*]
    hostname: stowage_eks.name ~ '-' ~ stowage_eks.region
workspaces:
  production:
    clusters: [prod-*]

---
# clouds.workspaces.yml: clusters of Google Kubernetes Engine and Azure Kubernetes Service.
plugin: stowage.kubernetes.workspaces
sources:
  google:
    gke:
      projects: [shop-prod, shop-test]
      address: dns
    hostname: stowage_gke.name ~ '-' ~ stowage_gke.location
  azure:
    aks:
      subscriptions: [00000000-0000-0000-0000-000000000000]
    hostname: stowage_aks.name ~ '-' ~ stowage_aks.resource_group
workspaces:
  production:
    selector: env=prod

---
# awx.workspaces.yml: one kubeconfig of all clusters, in a file that a credential of AWX injects. With
#   stowage_kubeconfig: "{{ lookup('ansible.builtin.env', 'STOWAGE_KUBECONFIG') }}"
# among the inventory's variables, jobs find it where it is then.
plugin: stowage.kubernetes.workspaces
sources:
  injected:
    kubeconfig:
      env: STOWAGE_KUBECONFIG
workspaces:
  everything:
    clusters: ["*"]

---
# listed.workspaces.yml
plugin: stowage.kubernetes.workspaces
sources:
  listed:
    clusters:
      prod-1:
        kubeconfig: /etc/stowage/prod.kubeconfig
        context: prod-1
        cluster_uid: 5a6e7e66-8f0e-4d4d-9d2f-0a6a6f8f3d19
        labels:
          tier: gold
workspaces:
  gold:
    selector: tier=gold
"""

import os
import time
import typing as t

from ansible.errors import AnsibleError, AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable, get_cache_plugin

from ansible_collections.stowage.kubernetes.plugins.module_utils._arguments import unfit
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.plugin_utils._inventory import known
from ansible_collections.stowage.kubernetes.plugins.plugin_utils._inventory.contexts import Place
from ansible_collections.stowage.kubernetes.plugins.plugin_utils._inventory.hosts import (
    Host,
    build,
    complaints,
    empty_workspaces,
    told_errors,
)
from ansible_collections.stowage.kubernetes.plugins.plugin_utils._inventory.options import (
    Options,
    Source,
    plain,
    read_options,
)
from ansible_collections.stowage.kubernetes.plugins.plugin_utils._inventory.read import read_sources
from ansible_collections.stowage.kubernetes.plugins.plugin_utils._lines import clean

_LONGEST: t.Final = 2000
_make_cache: t.Final[t.Callable[..., t.Any]] = get_cache_plugin


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    """The plugin by its name."""

    NAME = "stowage.kubernetes.workspaces"

    @property
    def _ansible(self) -> t.Any:
        """Itself, for what ansible-core has no annotations for."""
        return self

    def verify_file(self, path: str) -> bool:
        """Whether the file is for this plugin, by its name."""
        return bool(t.cast("t.Any", super()).verify_file(path)) and path.endswith(("workspaces.yml", "workspaces.yaml"))

    def parse(self, inventory: t.Any, loader: t.Any, path: str, cache: bool = True) -> None:
        """See BaseInventoryPlugin.

        :raises AnsibleParserError: the file makes no sense, two clusters would be one host, or, if it is to be strict, not all
            could be read.
        """
        super().parse(inventory, loader, path, cache)
        self._ansible._read_config_data(path)
        try:
            get_option = self._ansible.get_option
            options = read_options(get_option("sources"), get_option("workspaces"), get_option("hostname"))
            hosts = self._hosts(options, path, use_cache=cache)
            self._check_new(hosts)
        except StowageError as error:
            raise AnsibleParserError(clean(f"{error.code}: {error.message} {error.hint}", _LONGEST)) from None
        for workspace in options.workspaces:
            self._ansible.inventory.add_group(workspace.group)
        for host in hosts:
            self._add(host)

    def _hosts(self, options: Options, path: str, *, use_cache: bool) -> list[Host]:
        keep, timeout, now = self._open_cache(), float(self._ansible.get_option("cache_timeout") or 0), time.time()
        key = self.get_cache_key(path)
        kept = known.read(self._ansible._cache.get(key), options.sources) if keep else {}
        place = Place(os.path.dirname(os.path.abspath(path)), os.environ)
        read = read_sources(options.sources, place, kept, lambda one: use_cache and one.is_fresh(now, timeout), now)
        outcomes = [outcome for outcome, _kept in read]
        hosts = build(options, outcomes, self._name)
        found = [*complaints(outcomes), *told_errors(hosts), *empty_workspaces(options.workspaces, hosts)]
        if found and self._ansible.get_option("strict"):
            raise unfit(" ".join(found), "")
        for text in found:
            self.display.warning(clean(text, _LONGEST))
        if keep:
            self._ansible._cache[key] = known.write({outcome.source.name: after for outcome, after in read})
        return hosts

    def _open_cache(self) -> bool:
        """Whether there is a cache; ours has no end, since what is known is of use for longer than it counts as read."""
        if not self._ansible.get_option("cache"):
            return False
        names = {"_uri": "cache_connection", "_prefix": "cache_prefix"}
        given = {
            name: value for name, option in names.items() if (value := self._ansible.get_option(option)) is not None
        }
        self._ansible._cache = _make_cache(self._ansible.get_option("cache_plugin"), _timeout=0, **given)
        return True

    def _name(self, source: Source, name: str, variables: t.Mapping[str, t.Any]) -> str:
        """What a cluster's host is called before it is made fit for a name."""
        if source.hostname is None:
            return name
        try:
            found = self._ansible._compose(source.hostname, dict(variables))
        except AnsibleError as error:
            raise unfit(f"hostname cannot be evaluated for {name[:80]!r}: {error.message}", "") from None
        if not isinstance(found, str):
            raise unfit(f"hostname gives no text for {name[:80]!r}.", "")
        return plain(found)

    def _add(self, host: Host) -> None:
        ansible = self._ansible
        ansible.inventory.add_host(host.name)
        for name, value in host.variables.items():
            ansible.inventory.set_variable(host.name, name, value)
        for group in host.groups:
            ansible.inventory.add_child(group, host.name)
        strict = ansible.get_option("strict")
        ansible._set_composite_vars(ansible.get_option("compose"), host.variables, host.name, strict=strict)
        ansible._add_host_to_composed_groups(ansible.get_option("groups"), host.variables, host.name, strict=strict)
        ansible._add_host_to_keyed_groups(ansible.get_option("keyed_groups"), host.variables, host.name, strict=strict)

    def _check_new(self, hosts: t.Iterable[Host]) -> None:
        """Ansible would make one host of two that inventory files call the same."""
        for host in hosts:
            there = self._ansible.inventory.hosts.get(host.name)
            if there is not None and "stowage_source" in there.vars:
                raise unfit(
                    f"Another inventory file has the host {host.name} already.",
                    "Set hostname in one of them to tell them apart.",
                )
