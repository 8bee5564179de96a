# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the options in _arguments.CLUSTER."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  kubeconfig:
    description:
      - Path of a kubeconfig, or its content as a dictionary. Several paths are a list, or joined by colons.
      - If it is set, none of the variables that begin with C(K8S_AUTH_) is read, so that one cluster's credential never reaches
        another. Options beside it win over what it says, and a credential among them replaces its own.
      - If neither it nor O(host) nor O(context) is set, E(K8S_AUTH_KUBECONFIG) and the other variables that begin with
        C(K8S_AUTH_) are used, which are those of the collection kubernetes.core, then the kubeconfig that kubectl would use,
        then the service account of the pod that the task runs in.
    type: raw
  context:
    description:
      - Context of the kubeconfig, instead of its current one. E(K8S_AUTH_CONTEXT) if not set.
      - If it is set without O(kubeconfig), it is looked up in the kubeconfig of the environment, and the variables that name a
        server or a credential are not read.
    type: str
  host:
    description:
      - URL of the API server. E(K8S_AUTH_HOST) if not set.
      - If it is set without O(kubeconfig), no kubeconfig is looked for. A credential is needed then, and is sent over plain HTTP to
        this machine only.
    type: str
  api_key:
    description:
      - Bearer token. E(K8S_AUTH_API_KEY) if not set.
    type: str
  username:
    description:
      - User name for basic authentication. E(K8S_AUTH_USERNAME) if not set.
    type: str
  password:
    description:
      - Password for basic authentication. E(K8S_AUTH_PASSWORD) if not set.
    type: str
  validate_certs:
    description:
      - Whether the API server's certificate is checked. It is, if nothing says otherwise.
        E(K8S_AUTH_VERIFY_SSL) if not set.
    type: bool
    aliases:
      - verify_ssl
  ca_cert:
    description:
      - File with the PEM certificates of the authorities that the API server's certificate is checked against.
        E(K8S_AUTH_SSL_CA_CERT) if not set.
    type: path
    aliases:
      - ssl_ca_cert
  client_cert:
    description:
      - File with the client certificate. E(K8S_AUTH_CERT_FILE) if not set.
    type: path
    aliases:
      - cert_file
  client_key:
    description:
      - File with the key of the client certificate. E(K8S_AUTH_KEY_FILE) if not set.
    type: path
    aliases:
      - key_file
  proxy:
    description:
      - URL of the HTTP proxy to the API server. E(K8S_AUTH_PROXY) if not set.
    type: str
  no_proxy:
    description:
      - Hosts, separated by commas, that are reached without the proxy. E(K8S_AUTH_NO_PROXY) if not set.
    type: str
  proxy_headers:
    description:
      - Headers for the proxy.
    type: dict
    suboptions:
      proxy_basic_auth:
        description:
          - User and password for the proxy, joined by a colon. E(K8S_AUTH_PROXY_HEADERS_PROXY_BASIC_AUTH) if not set.
        type: str
      basic_auth:
        description:
          - User and password for the server behind it, joined by a colon. E(K8S_AUTH_PROXY_HEADERS_BASIC_AUTH) if not set.
        type: str
      user_agent:
        description:
          - The User-Agent header. E(K8S_AUTH_PROXY_HEADERS_USER_AGENT) if not set.
        type: str
  impersonate_user:
    description:
      - User to act as. E(K8S_AUTH_IMPERSONATE_USER) if not set.
    type: str
  impersonate_groups:
    description:
      - Groups to act as. E(K8S_AUTH_IMPERSONATE_GROUPS), separated by commas, if not set.
    type: list
    elements: str
  cluster_auth:
    description:
      - How the credential of the cluster is got, and got again when it has ended.
      - V(kubeconfig) takes it from the options above.
      - V(capi) reads it from O(kubeconfig_secret) in another cluster, the management cluster of the Cluster API. The options above are
        then about the management cluster, and none of them counts for the cluster itself. When the cluster no longer takes the
        credential, the Secret is read again.
      - V(eks) asks AWS for the address and the certificate authority of O(eks), and makes a token as C(aws eks get-token) does, without
        that command, and a new one when it has ended.
      - V(gke) asks Google for the address and the certificate authority of O(gke), and for an access token, and for a new one when the cluster
        no longer takes it. No command is run for it.
      - V(aks) asks Azure for the address and the certificate authority of O(aks), and Entra for a token, and for a new one when the cluster no
        longer takes it. A cluster without Entra is reached by the client certificate that Azure gives for it, which is an administrator's.
        No command is run for it.
      - With V(eks), V(gke) and V(aks), O(kubeconfig), O(context), O(host) and credentials are not set.
      - A kubeconfig in a Secret is somebody else's. It is refused if it runs a command (C(exec), C(auth-provider)) or names a file of
        the machine that the task runs on.
    type: str
    choices:
      - kubeconfig
      - capi
      - eks
      - gke
      - aks
    default: kubeconfig
    version_added: 0.2.0
  kubeconfig_secret:
    description:
      - The Secret in the management cluster that holds the cluster's kubeconfig. Needs C(get) on it, and nothing else there.
      - Required with O(cluster_auth=capi), and of no use without it.
    type: dict
    version_added: 0.2.0
    suboptions:
      namespace:
        description:
          - Its namespace.
        type: str
        required: true
      name:
        description:
          - Its name. The Cluster API calls it C(<cluster>-kubeconfig).
        type: str
        required: true
      key:
        description:
          - The key of the Secret that holds the kubeconfig.
        type: str
        default: value
  eks:
    description:
      - A cluster of Amazon EKS. Needs C(eks:DescribeCluster), an access entry in the cluster, and the Python package boto3.
      - Required with O(cluster_auth=eks), and of no use without it.
    type: dict
    version_added: 0.2.0
    suboptions:
      name:
        description:
          - Its name.
        type: str
        required: true
      region:
        description:
          - Its region.
        type: str
        required: true
      endpoint:
        description:
          - URL of the EKS API, if it is not AWS's own of the region. Credentials of the environment are not used there.
        type: str
      ca_cert:
        description:
          - File with the PEM certificates of the authorities that AWS's certificates are checked against.
        type: path
  eks_auth:
    description:
      - Who asks AWS, and is known to the cluster. Takes what the option C(location.auth) of provider V(aws) takes, apart from C(account).
      - If not set, C(default_chain), which are the environment, a profile, or the machine's role.
    type: dict
    version_added: 0.2.0
  gke:
    description:
      - A cluster of Google Kubernetes Engine. Needs C(container.clusters.get), permissions in the cluster for the user that is named like the
        service account, and the Python packages google-auth and requests.
      - Required with O(cluster_auth=gke), and of no use without it.
    type: dict
    version_added: 0.2.0
    suboptions:
      name:
        description:
          - Its name.
        type: str
        required: true
      location:
        description:
          - Its region or zone.
        type: str
        required: true
      project:
        description:
          - The id or number of its project.
        type: str
        required: true
      address:
        description:
          - By which of its addresses it is reached.
          - V(auto) is the address that Google calls its endpoint, and the name if the cluster has no addresses. V(public) and V(private) are these
            addresses. V(dns) is the name, for which C(container.clusters.connect) is needed too.
        type: str
        choices:
          - auto
          - public
          - private
          - dns
        default: auto
      endpoint:
        description:
          - URL of the GKE API, if it is not Google's own. Credentials of the environment are not used there.
        type: str
      ca_cert:
        description:
          - File with the PEM certificates of the authorities that Google's certificates are checked against.
        type: path
  gke_auth:
    description:
      - Who asks Google, and is known to the cluster. Takes what the option C(location.auth) of provider V(gcp) takes, apart from C(account).
      - If not set, C(default_chain), which are the environment, what gcloud left, or the machine's service account.
    type: dict
    version_added: 0.2.0
  aks:
    description:
      - A cluster of Azure Kubernetes Service. Needs C(Microsoft.ContainerService/managedClusters/listClusterUserCredential/action), permissions in
        the cluster for the service principal's object id or one of its groups, and the Python package azure-identity.
      - Required with O(cluster_auth=aks), and of no use without it.
    type: dict
    version_added: 0.2.0
    suboptions:
      name:
        description:
          - Its name.
        type: str
        required: true
      resource_group:
        description:
          - The resource group that it is in.
        type: str
        required: true
      subscription:
        description:
          - The id of its subscription.
        type: str
        required: true
      address:
        description:
          - By which of its names it is reached. V(auto) is the one that Azure gives, which is the private one of a private cluster. V(public) is its
            public name, if it has one.
        type: str
        choices:
          - auto
          - public
        default: auto
      cloud:
        description:
          - Azure's cloud. E(AZURE_CLOUD_ENVIRONMENT) if not set, and else V(public).
        type: str
        choices:
          - public
          - china
          - usgovernment
      management_endpoint:
        description:
          - URL of Azure Resource Manager, if it is not the cloud's own. Credentials of the environment are not used there.
        type: str
      ca_cert:
        description:
          - File with the PEM certificates of the authorities that Azure's certificates are checked against.
        type: path
  aks_auth:
    description:
      - Who asks Azure, and is known to the cluster. Takes what the option C(location.auth) of provider V(azure) takes for the methods
        C(service_principal), C(managed_identity) and C(workload_identity), apart from C(account).
      - If not set, C(service_principal), by the environment.
    type: dict
    version_added: 0.2.0
  expected_cluster_uid:
    description:
      - UID of the namespace C(kube-system), which identifies a cluster.
      - If the cluster that is reached has another, the task fails before it reads or writes anything else.
    type: str
"""
