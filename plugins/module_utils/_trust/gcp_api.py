# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests to Google's services for identities, errors made ours. Private to the collection.

* IAM: https://cloud.google.com/iam/docs/reference/rest
* tokens: https://cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token and
  https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateAccessToken
* buckets' policies: https://cloud.google.com/storage/docs/json_api/v1/buckets/setIamPolicy
"""

from __future__ import annotations

import json
import threading
import typing as t
import urllib.parse

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_client import (
    NoTokens,
    TokenSource,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_errors import Refusal, classify
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.google_json import GoogleJson, Tree
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.keys import printable

SERVICES: t.Final = ("iam", "iamcredentials", "sts", "cloudresourcemanager")
_TRIES_OF_POLICY: t.Final = 8
_TRIES_OF_OPERATION: t.Final = 30
_MOST_PAGES: t.Final = 50


def endpoints_of(api_endpoint: str) -> dict[str, str]:
    """Where each service is: at Google, or all at one address."""
    return {name: api_endpoint or f"https://{name}.googleapis.com" for name in SERVICES}


class GoogleApi(GoogleJson):
    """Google's services for identities, and policies of buckets, as one identity. Belongs to one thread.

    :param storage: the endpoint of Cloud Storage.
    """

    def __init__(
        self,
        session: t.Any,
        tokens: TokenSource,
        endpoints: t.Mapping[str, str],
        storage: str,
        stopped: threading.Event,
    ) -> None:
        super().__init__(session, tokens, stopped)
        self._endpoints = {**endpoints, "storage": storage}

    # service accounts

    def account(self, email: str) -> Tree | None:
        """A service account; ``None`` if there is none."""
        return self._get("iam", f"/v1/projects/-/serviceAccounts/{_quoted(email)}")

    def create_account(self, project: str, name: str, description: str) -> None:
        """Makes a service account."""
        body = {"accountId": name, "serviceAccount": {"displayName": f"stowage {name}", "description": description}}
        self._ask("POST", "iam", f"/v1/projects/{project}/serviceAccounts", body)

    def delete_account(self, email: str) -> None:
        """Deletes a service account."""
        self._ask("DELETE", "iam", f"/v1/projects/-/serviceAccounts/{_quoted(email)}")

    def user_keys(self, email: str) -> list[str]:
        """The names of the keys of a service account that somebody holds."""
        found = self._ask("GET", "iam", f"/v1/projects/-/serviceAccounts/{_quoted(email)}/keys?keyTypes=USER_MANAGED")
        return [str(one.get("name")) for one in found.get("keys") or ()]

    def hmac_keys(self, project: str, email: str) -> list[str]:
        """The ids of a service account's HMAC keys that are not deleted."""
        path = f"/storage/v1/projects/{project}/hmacKeys?serviceAccountEmail={_quoted(email)}"
        return [str(one.get("accessId")) for one in self._ask("GET", "storage", path).get("items") or ()]

    def account_policy(self, email: str) -> Tree:
        """Who may act as a service account."""
        path = f"/v1/projects/-/serviceAccounts/{_quoted(email)}:getIamPolicy?options.requestedPolicyVersion=3"
        return self._ask("POST", "iam", path, {})

    def change_account_policy(self, email: str, change: t.Callable[[Tree], Tree]) -> None:
        """Reads, changes and writes who may act as a service account; again if somebody else wrote meanwhile."""
        path = f"/v1/projects/-/serviceAccounts/{_quoted(email)}:setIamPolicy"

        def put(policy: Tree) -> None:
            self._ask("POST", "iam", path, {"policy": policy})

        self._change(lambda: self.account_policy(email), change, put)

    # buckets

    def bucket(self, name: str) -> Tree:
        """A bucket's resource."""
        return self._ask("GET", "storage", f"/storage/v1/b/{_quoted(name)}")

    def bucket_policy(self, name: str) -> Tree:
        """A bucket's policy, with conditions."""
        return self._ask("GET", "storage", f"/storage/v1/b/{_quoted(name)}/iam?optionsRequestedPolicyVersion=3")

    def change_bucket_policy(self, name: str, change: t.Callable[[Tree], Tree]) -> None:
        """Reads, changes and writes a bucket's policy; again if somebody else wrote meanwhile."""
        self._change(
            lambda: self.bucket_policy(name),
            change,
            lambda policy: self._ask("PUT", "storage", f"/storage/v1/b/{_quoted(name)}/iam", policy),
        )

    def objects(self, bucket: str, prefix: str) -> list[str]:
        """The first thousand names of objects."""
        query = urllib.parse.urlencode({"prefix": prefix, "fields": "items(name)"})
        found = self._ask("GET", "storage", f"/storage/v1/b/{_quoted(bucket)}/o?{query}")
        return [str(one.get("name")) for one in found.get("items") or ()]

    def folders(self, bucket: str, prefix: str) -> list[str]:
        """The first thousand beginnings of names, up to the next slash after a prefix, without it."""
        query = urllib.parse.urlencode({"prefix": prefix, "delimiter": "/", "fields": "prefixes"})
        found = self._ask("GET", "storage", f"/storage/v1/b/{_quoted(bucket)}/o?{query}")
        return [str(one).removeprefix(prefix).removesuffix("/") for one in found.get("prefixes") or ()]

    # projects, roles, federation

    def project_number(self, project: str) -> str:
        """A project's number."""
        found = self._get("cloudresourcemanager", f"/v3/projects/{project}")
        name = str((found or {}).get("name") or "")
        if not name.startswith("projects/"):
            hint = "Check location_account.account, and that the caller has resourcemanager.projects.get."
            raise StowageError("permission_denied", f"The project {printable(project)} is not to be seen.", hint)
        return name.removeprefix("projects/")

    def role(self, project: str, role: str) -> Tree | None:
        """A custom role, also a deleted one; ``None`` if there is none."""
        return self._get("iam", f"/v1/projects/{project}/roles/{role}")

    def put_role(self, project: str, role: str, document: Tree, before: Tree | None) -> None:
        """Makes a custom role, or changes it. One that was deleted keeps its name for some weeks, and is taken back."""
        path = f"/v1/projects/{project}/roles/{role}"
        if before is None:
            self._ask("POST", "iam", f"/v1/projects/{project}/roles", {"roleId": role, "role": document})
            return
        if before.get("deleted"):
            self._ask("POST", "iam", f"{path}:undelete", {})
        self._ask("PATCH", "iam", path, document)

    def delete_role(self, project: str, role: str) -> None:
        """Deletes a custom role."""
        self._ask("DELETE", "iam", f"/v1/projects/{project}/roles/{role}")

    def federated(self, path: str) -> Tree | None:
        """A pool or a provider, also a deleted one; ``None`` if there is none."""
        return self._get("iam", f"/v1/{path}")

    def put_federated(self, path: str, kind: str, document: Tree, before: Tree | None) -> None:
        """Makes a pool or a provider, or changes it. One that was deleted keeps its name for 30 days, and is taken back.

        :param kind: how the API names the id of a new one: ``workloadIdentityPoolId`` or ``workloadIdentityPoolProviderId``.
        """
        parent, _dummy, name = path.rpartition("/")
        if before is None:
            self._done(self._ask("POST", "iam", f"/v1/{parent}?{kind}={name}", document))
            return
        if before.get("state") == "DELETED":
            self._done(self._ask("POST", "iam", f"/v1/{path}:undelete", {}))
        mask = ",".join(sorted(document))
        self._done(self._ask("PATCH", "iam", f"/v1/{path}?updateMask={_quoted(mask)}", document))

    def delete_federated(self, path: str) -> None:
        """Deletes a pool or a provider."""
        self._done(self._ask("DELETE", "iam", f"/v1/{path}"))

    def providers(self, pool: str) -> list[Tree]:
        """The providers of a pool that are not deleted."""
        found: list[Tree] = []
        page = ""
        for _dummy in range(_MOST_PAGES):
            answer = self._ask("GET", "iam", f"/v1/{pool}/providers" + (f"?pageToken={_quoted(page)}" if page else ""))
            found += answer.get("workloadIdentityPoolProviders") or []
            page = str(answer.get("nextPageToken") or "")
            if not page:
                break
        return [one for one in found if one.get("state") != "DELETED"]

    # tokens

    def exchange(self, audience: str, token: str) -> str:
        """Google's token for a cluster's."""
        body = {
            "grantType": "urn:ietf:params:oauth:grant-type:token-exchange",
            "audience": audience,
            "scope": "https://www.googleapis.com/auth/cloud-platform",
            "requestedTokenType": "urn:ietf:params:oauth:token-type:access_token",
            "subjectTokenType": "urn:ietf:params:oauth:token-type:jwt",
            "subjectToken": token,
        }
        return str(self._ask("POST", "sts", "/v1/token", body).get("access_token") or "")

    def impersonate(self, email: str, scope: str, seconds: int) -> str:
        """A service account's token."""
        body = {"scope": [scope], "lifetime": f"{seconds}s"}
        path = f"/v1/projects/-/serviceAccounts/{_quoted(email)}:generateAccessToken"
        return str(self._ask("POST", "iamcredentials", path, body).get("accessToken") or "")

    # the wire

    def _done(self, operation: Tree) -> None:
        """Waits for what takes its time: https://cloud.google.com/iam/docs/reference/rest/Shared.Types/Operation"""
        for number in range(1, _TRIES_OF_OPERATION + 1):
            if operation.get("done"):
                break
            self.wait(number)
            operation = self._ask("GET", "iam", f"/v1/{operation.get('name')}")
        if error := operation.get("error"):
            body = json.dumps({"error": error}).encode()
            raise LocationError(classify(Refusal.of(400, body), "Changing the identity pool"))
        if not operation.get("done"):
            raise StowageError("timeout", "Google did not finish changing the identity pool.", "Run it again later.")

    def _change(
        self, read: t.Callable[[], Tree], change: t.Callable[[Tree], Tree], put: t.Callable[[Tree], object]
    ) -> None:
        """A policy is read with its etag, and written only as long as nobody else did. An account that was just made may not be
        known yet everywhere."""
        for number in range(1, _TRIES_OF_POLICY + 1):
            try:
                put(change(read()))
            except LocationError as error:
                if number == _TRIES_OF_POLICY or not _may_pass(error):
                    raise
                self.wait(number)
            else:
                return

    def _get(self, service: str, path: str) -> Tree | None:
        try:
            return self._ask("GET", service, path)
        except LocationError as error:
            if error.failure.status == 404:
                return None
            raise

    def _ask(self, method: str, service: str, path: str, body: Tree | None = None) -> Tree:
        """One request, tried again where that may help and cannot hurt."""
        if method == "POST":
            return self._once(method, service, path, body)
        found: Tree = self.retried(lambda: self._once(method, service, path, body))
        return found

    def _once(self, method: str, service: str, path: str, body: Tree | None) -> Tree:
        what = f"{method} {printable(path.partition('?')[0])}"
        return self.once(method, self._endpoints[service] + path, what, body, of_bucket=service == "storage")


class Bearer(TokenSource):
    """A token that was given."""

    def __init__(self, token: str) -> None:
        super().__init__(None, lambda *_args, **_kwargs: None)
        self._token = token

    def headers(self, method: str, url: str) -> dict[str, str]:
        del method, url
        return {"authorization": f"Bearer {self._token}"}

    def renew(self, refused: t.Mapping[str, str]) -> None:
        """There is nothing to renew."""


def anonymous() -> TokenSource:
    """For requests that come from nobody."""
    return NoTokens()


def _may_pass(error: LocationError) -> bool:
    """Somebody else wrote (409 or 412), or a member is too new to be known (400). An organization's policy is answered with the
    same numbers, and stays."""
    failure = error.failure
    return failure.code != "permission_denied" and (failure.status in {400, 409, 412} or failure.transient)


def _quoted(text: str) -> str:
    return urllib.parse.quote(text, safe="")
