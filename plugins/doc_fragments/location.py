# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the options in _arguments.LOCATION."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  location:
    description:
      - Where backups are kept, and how to authenticate there. A bucket with an optional prefix, or a directory.
      - Put the locations of all clusters into one dictionary by name, and tasks can name them.
        See the examples of M(stowage.kubernetes.backup).
    type: dict
    required: true
    suboptions:
      provider:
        description:
          - Who keeps the objects.
          - V(aws) is Amazon S3.
          - V(minio) is MinIO and every other store that speaks S3.
          - V(gcp) is Google Cloud Storage.
          - V(azure) is Azure Blob Storage. What an upload that failed left there is invisible, and taken away by whoever may
            delete, or else by Azure a week later.
          - V(filesystem) is a directory on the machine where the task runs. It needs no other service.
            In a container it must be on a mount, for it would vanish with the container.
        type: str
        required: true
        choices:
          - aws
          - minio
          - gcp
          - azure
          - filesystem
      bucket:
        description:
          - Name of the bucket, with O(location.provider=azure) of the container. It must exist.
          - Required unless O(location.provider=filesystem).
        type: str
      path:
        description:
          - The directory. It is made, with mode 0700, on the first write if the one that it is in exists.
          - Required if O(location.provider=filesystem), and only for that.
        type: path
      prefix:
        description:
          - Names joined by slashes, below which everything is kept. Several prefixes of a bucket are several locations.
        type: str
      region:
        description:
          - Region of the bucket. If not set, it is E(AWS_REGION) or E(AWS_DEFAULT_REGION) with O(location.provider=aws),
            and V(us-east-1) with O(location.provider=minio).
          - With O(location.provider=gcp) it is where a new bucket is made (a region, dual-region or multi-region), and nothing else
            needs it.
        type: str
      endpoint:
        description:
          - URL of the store, V(https://) or V(http://), host and port.
          - Required if O(location.provider=minio).
          - With O(location.provider=gcp) it must be V(https://), for each request carries an access token.
            If not set, it is Google's own.
          - With O(location.provider=azure), only for what is not reached by the account's own name, such as Azurite,
            Azure Stack or a domain of one's own.
        type: str
      path_style:
        description:
          - Whether the bucket is the first part of a URL's path instead of the first part of its host name.
          - If not set, it is so unless O(location.endpoint) is one of AWS, or not set.
          - With O(location.provider=azure) it is the storage account that is the first part of the path. If not set, it is
            so unless the host name of O(location.endpoint) begins with O(location.storage_account).
        type: bool
      ca_cert:
        description:
          - File with the PEM certificates of the authorities that the store's certificate is checked against,
            instead of the system's. So is the certificate of whoever gives tokens or sessions (such as AWS's STS, Google's
            services or Entra), where one is asked. Where that is a public service and the store's authority is your own, the
            file must have the public authorities too.
        type: path
      client_cert:
        description:
          - File with a PEM certificate to show to the store, for stores and proxies that want one (mutual TLS).
          - Needs O(location.client_key). Only for O(location.provider=minio).
        type: path
      client_key:
        description:
          - File with the private key of O(location.client_cert) in PEM format, without a password.
        type: path
      bucket_owner:
        description:
          - Number of the AWS account that the bucket must belong to. It is sent with each request (S3's
            C(ExpectedBucketOwner)), so that nothing is written into somebody else's bucket of the same name.
            Put it in quotes.
          - Only for O(location.provider=aws).
        type: str
      storage_account:
        description:
          - Name of the storage account that the container is in. Only for O(location.provider=azure), which needs it;
            if not set, it is E(AZURE_STORAGE_ACCOUNT) at Azure's own endpoints.
        type: str
      cloud:
        description:
          - Which of Azure's clouds the storage account is in. Only for O(location.provider=azure).
          - If not set, E(AZURE_CLOUD_ENVIRONMENT) decides (V(AzureCloud), V(AzureChinaCloud) or V(AzureUSGovernment)), and
            else it is the public one.
        type: str
        choices:
          - public
          - china
          - usgovernment
      subscription:
        description:
          - The ID of the storage account's subscription (a UUID). Only for O(location.provider=azure), and only what is asked of
            Azure Resource Manager needs it, such as settings of the account.
          - If not set, it is the one in O(location.auth.account), or else E(AZURE_SUBSCRIPTION_ID) at Azure's own endpoints.
        type: str
      resource_group:
        description:
          - The storage account's resource group. If not set, the account is looked for in O(location.subscription) by its name.
            Only for O(location.provider=azure).
        type: str
      management_endpoint:
        description:
          - URL of Azure Resource Manager, V(https://), host and port, where it is not the public one of O(location.cloud), as with
            Azure Stack. Tokens for it are asked for by this URL. With an O(location.endpoint) that is not Azure's own, nothing is
            asked of it unless this is set. Nor does another one than Azure's own get tokens for credentials of the environment.
          - Only for O(location.provider=azure).
        type: str
      auth:
        description:
          - How to authenticate. If not set, O(location.provider=aws) uses the default chain of AWS tools,
            O(location.provider=minio) an access key from the environment, O(location.provider=gcp) Google's application
            default credentials, and O(location.provider=azure) a service principal from the environment, as AWX's credential
            for Azure sets it.
          - What O(location.provider=azure) takes from the environment it uses at Azure's own endpoints only.
        type: dict
        suboptions:
          method:
            description:
              - V(default_chain) looks where AWS tools look, or, with O(location.provider=gcp), where Google's do (application
                default credentials).
              - V(access_key) takes O(location.auth.access_key) and O(location.auth.secret_key).
              - V(assume_role) takes over a role, mostly of another account, with credentials from the default chain or
                O(location.auth.profile), with O(location.auth.access_key) and O(location.auth.secret_key), or with those of
                O(location.auth.source_role_arn). With O(location.provider=minio) it gets a session of the user whose keys
                are set, which O(location.auth.session_policy) can narrow.
              - V(web_identity) takes over a role with a token from a file, as service accounts in EKS do. A MinIO gives a
                session for the token if it knows who issued it. Only for O(location.provider=aws) and
                O(location.provider=minio), as are V(access_key) and V(assume_role).
              - V(client_certificate) gets a session for O(location.client_cert) (MinIO's C(AssumeRoleWithCertificate)).
                Only for O(location.provider=minio).
              - V(assume_role), V(web_identity) and V(client_certificate) are not used at an O(location.endpoint) without TLS.
              - V(service_account_key) takes the key of a service account from O(location.auth.credentials_file) or
                O(location.auth.credentials_json). Only for O(location.provider=gcp).
              - V(impersonation) takes tokens of O(location.auth.service_account), got with O(location.auth.credentials_file),
                O(location.auth.credentials_json) or the default chain. Only for O(location.provider=gcp).
              - V(account_key) signs with a key of the storage account. Only for O(location.provider=azure).
              - V(sas) uses a shared access signature of the account, the container or a user. Nothing can renew it.
                Only for O(location.provider=azure).
              - V(service_principal) is an application of Entra with a secret or a certificate.
                Only for O(location.provider=azure).
              - V(managed_identity) is the identity that Azure gives the machine or pod that the task runs on.
                Only for O(location.provider=azure).
              - V(workload_identity) exchanges a token of another identity provider, as of a cluster's service account. With
                O(location.provider=gcp), by a configuration of an external account in O(location.auth.credentials_file) or
                O(location.auth.credentials_json). With O(location.provider=azure), the token in
                O(location.auth.federated_token_file) for one of an application of Entra that trusts the cluster's.
                Only for these two providers.
              - Sessions and access tokens are renewed before they end, and a file with a token is read again each time. Where
                a session was given from outside and nobody here can renew it, a warning says so before a long task begins.
            type: str
            required: true
            choices:
              - default_chain
              - access_key
              - assume_role
              - web_identity
              - client_certificate
              - service_account_key
              - impersonation
              - account_key
              - sas
              - service_principal
              - managed_identity
              - workload_identity
          account:
            description:
              - The account that the credentials must be of, lest a task writes with those of another. It is compared before the
                first object is written or deleted, and another account fails with C(wrong_account).
              - With O(location.provider=aws), the number of the AWS account, in quotes; with a role, that of the role. The
                comparison takes one request to the token service.
              - With O(location.provider=gcp), the project of the service account as its address says it (of a pool without
                a service account, the number of the pool's project). A person who logged in has none, so it never matches.
              - With O(location.provider=azure), the ID of the Entra tenant that the token is of (a UUID), for the methods with
                a token - V(service_principal), V(managed_identity) and V(workload_identity). With the ID of a subscription after a
                slash, the storage account must be in that, too, which is compared where the caller may read the account's resource
                (C(Microsoft.Storage/storageAccounts/read)). Who may not is not told, and then the tenant alone counts.
              - Only for these three providers.
            type: str
          access_key:
            description:
              - Name of the access key. If neither it nor O(location.auth.secret_key) is set, both are read from
                E(AWS_ACCESS_KEY_ID) and E(AWS_SECRET_ACCESS_KEY) with O(location.provider=aws), and from
                E(MINIO_ACCESS_KEY) and E(MINIO_SECRET_KEY) with O(location.provider=minio).
            type: str
          secret_key:
            description:
              - The access key's secret.
            type: str
          session_token:
            description:
              - The token that belongs to a temporary access key. An empty one is none.
            type: str
          profile:
            description:
              - Profile of the AWS configuration to use with O(location.auth.method=default_chain) or
                O(location.auth.method=assume_role).
            type: str
          role_arn:
            description:
              - The role to take over. Required if O(location.auth.method=assume_role) with O(location.provider=aws).
                With O(location.auth.method=web_identity), E(AWS_ROLE_ARN) names it if not set.
              - With O(location.provider=minio), the role of a store that has any. MinIO itself has them for
                O(location.auth.method=web_identity) only.
            type: str
          external_id:
            description:
              - What the role's trust policy demands as external ID. Only for O(location.auth.method=assume_role).
            type: str
          session_name:
            description:
              - Name of the session, which shows in the account's audit log. 2 to 64 letters, digits and characters of
                C(_+=,.@-).
            type: str
          web_identity_token_file:
            description:
              - File with the token for O(location.auth.method=web_identity).
                If not set, E(AWS_WEB_IDENTITY_TOKEN_FILE) names it, with O(location.provider=aws).
              - With O(location.auth.method=assume_role), the token for O(location.auth.source_role_arn).
            type: path
          source_role_arn:
            description:
              - With O(location.auth.method=assume_role), a role that is taken over first, with the token in
                O(location.auth.web_identity_token_file). It then takes over O(location.auth.role_arn).
              - Only for O(location.provider=aws).
            type: str
          duration:
            description:
              - How long each session lasts, in seconds or as a duration such as V(2h). From 15 minutes to 12 hours with
                O(location.provider=aws), and to a year with O(location.provider=minio). If not set, the store decides,
                mostly for an hour.
              - A role that is assumed from another session is asked for at most an hour, for AWS gives no longer ones.
              - With O(location.provider=gcp), how long a token of O(location.auth.method=impersonation) is valid, at most 12 hours.
                If not set, it is an hour; more needs an organization policy.
            type: str
          session_policy:
            description:
              - A policy, as a dictionary or JSON text, that narrows what sessions may do. They may do what both the role
                (or the user) and this policy allow. At most 2048 characters without spaces.
            type: raw
          sts_endpoint:
            description:
              - URL of the token service, V(https://), host and port, where it is not AWS's public one of the region, such
                as that of a private endpoint. Credentials of the environment are sent only to endpoints of AWS.
              - Only for O(location.provider=aws).
            type: str
          credentials_file:
            description:
              - File with Google's JSON of a service account's key, or of an external account.
              - If neither it nor O(location.auth.credentials_json) is set, O(location.auth.method=default_chain),
                O(location.auth.method=service_account_key) and O(location.auth.method=workload_identity) read
                E(GCP_SERVICE_ACCOUNT_CONTENTS), or the file that E(GCP_SERVICE_ACCOUNT_FILE), E(GCE_CREDENTIALS_FILE_PATH) or
                E(GOOGLE_APPLICATION_CREDENTIALS) names; so do those of O(location.auth.method=impersonation) that use the
                default chain. The environment counts for Google's own endpoints only.
            type: path
          credentials_json:
            description:
              - The same as text or as a dictionary.
            type: raw
          service_account:
            description:
              - Address of the service account whose tokens are used. Required if O(location.auth.method=impersonation).
            type: str
          delegates:
            description:
              - Addresses of the service accounts between the caller and O(location.auth.service_account), in that order, for
                O(location.auth.method=impersonation). Each must be allowed to create tokens of the next.
            type: list
            elements: str
          iam_endpoint:
            description:
              - URL of the service that gives a service account's tokens, V(https://), host and port, where it is not Google's public
                one, such as that of Private Service Connect, for O(location.auth.method=impersonation). Credentials of the
                environment are sent only to endpoints of Google.
            type: str
          account_key:
            description:
              - One of the storage account's two keys. If not set, it is E(AZURE_STORAGE_KEY).
            type: str
          sas_token:
            description:
              - The shared access signature, as C(sv=...&sig=...); a question mark before it does no harm.
                If not set, it is E(AZURE_STORAGE_SAS_TOKEN).
              - It needs the permissions C(r), C(c), C(w), C(l) and, for whatever deletes, C(d).
            type: str
          tenant:
            description:
              - ID or domain of the tenant that the application is registered in, for O(location.auth.method=service_principal)
                and O(location.auth.method=workload_identity). If not set, it is E(AZURE_TENANT) or E(AZURE_TENANT_ID).
            type: str
          client_id:
            description:
              - ID of the application, for O(location.auth.method=service_principal) and
                O(location.auth.method=workload_identity). If not set, it is E(AZURE_CLIENT_ID).
              - With O(location.auth.method=managed_identity), the client ID of a user-assigned identity; if not set, the
                identity is the system-assigned one.
            type: str
          secret:
            description:
              - Secret of the application, for O(location.auth.method=service_principal). If neither it nor
                O(location.auth.x509_certificate_path) is set, it is E(AZURE_SECRET) or E(AZURE_CLIENT_SECRET).
            type: str
          x509_certificate_path:
            description:
              - File with the certificate of the application and its RSA key, PEM or PKCS#12, instead of
                O(location.auth.secret). If no secret is found either, it is E(AZURE_X509_CERTIFICATE_PATH) or
                E(AZURE_CLIENT_CERTIFICATE_PATH).
            type: path
          x509_certificate_password:
            description:
              - Password of O(location.auth.x509_certificate_path), if it has one. If not set, it is
                E(AZURE_CLIENT_CERTIFICATE_PASSWORD).
            type: str
          federated_token_file:
            description:
              - File with the service account's token for O(location.auth.method=workload_identity), read anew for each token of
                Entra. If not set, E(AZURE_FEDERATED_TOKEN_FILE) names it.
            type: path
          authority:
            description:
              - URL of the service that gives tokens, V(https://), host and perhaps a port, where it is not the one of
                O(location.cloud). If not set, it is E(AZURE_AUTHORITY_HOST).
            type: str
"""
