# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Google's services for identities, for the server in `testbed.google`: IAM's service accounts, roles, policies and workload
identity federation, Resource Manager, and policies of buckets, which are asked for each request.

The sources of its answers:

* service accounts, keys, policies: https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts (errors as
  https://cloud.google.com/apis/design/errors; an etag that is not the current one is ABORTED);
* custom roles, which can be taken back: https://cloud.google.com/iam/docs/reference/rest/v1/projects.roles;
* pools and providers, their operations, and that names stay taken for 30 days:
  https://cloud.google.com/iam/docs/reference/rest/v1/projects.locations.workloadIdentityPools;
* the exchange of tokens: https://cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token, with the texts that are known
  from https://github.com/google-github-actions/auth/issues/202 and https://github.com/circleci/circleci-docs/pull/8541;
* generateAccessToken: https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateAccessToken;
* policies of buckets: https://cloud.google.com/storage/docs/json_api/v1/buckets/setIamPolicy (412 for another etag), and what a
  policy with conditions looks like to who asks for version 1: https://cloud.google.com/iam/docs/troubleshooting-withcond;
* members, and those of deleted accounts: https://cloud.google.com/iam/docs/principal-identifiers;
* attributes of conditions: https://cloud.google.com/iam/docs/conditions-attribute-reference.
"""

from __future__ import annotations

import base64
import copy
import itertools
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from testbed import google_cel
from testbed.google_objects import PROJECT_NUMBER, Refused
from testbed.google_tokens import PROJECT, TokenAnswer, refused

if TYPE_CHECKING:
    from testbed.google import GoogleServer

CLUSTER_PROJECT = "stowage-cluster"
_IMPERSONATE = {"iam.serviceAccounts.getAccessToken", "iam.serviceAccounts.getOpenIdToken"}
# https://cloud.google.com/iam/docs/understanding-roles
ROLES: dict[str, set[str]] = {
    "roles/storage.objectViewer": {"storage.objects.get", "storage.objects.list"},
    "roles/storage.objectCreator": {"storage.objects.create"},
    "roles/storage.objectUser": {f"storage.objects.{verb}" for verb in ("create", "delete", "get", "list", "update")},
    "roles/storage.legacyBucketReader": {"storage.buckets.get", "storage.objects.list"},
    "roles/storage.legacyBucketOwner": {
        "storage.objects.list",
        *(f"storage.buckets.{verb}" for verb in ("get", "getIamPolicy", "setIamPolicy", "update")),
    },
    "roles/storage.admin": {
        *(f"storage.objects.{verb}" for verb in ("create", "delete", "get", "list", "update")),
        *(f"storage.buckets.{verb}" for verb in ("get", "getIamPolicy", "setIamPolicy")),
    },
    "roles/container.clusterViewer": {"container.clusters.get", "container.clusters.list"},
    "roles/iam.workloadIdentityUser": _IMPERSONATE,
    "roles/iam.serviceAccountTokenCreator": _IMPERSONATE | {"iam.serviceAccounts.signBlob"},
}
Tree = dict[str, Any]


class Wrong(Exception):  # noqa: N818 - an answer
    """An error as Google's newer APIs say it: https://cloud.google.com/apis/design/errors"""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message

    def document(self) -> Tree:
        """The body."""
        return {"error": {"code": self.status, "message": self.message, "status": self.code}}


@dataclass
class Held:
    """A policy, and how often it was written."""

    bindings: list[Tree] = field(default_factory=list)
    version: int = 1
    writes: int = 0

    @property
    def etag(self) -> str:
        return base64.b64encode(f"v{self.writes}".encode()).decode()

    def document(self, version: int) -> Tree:
        """The policy, to who asks for a version."""
        bindings = copy.deepcopy(self.bindings)
        if version < 3:
            for one in bindings:
                if one.pop("condition", None):
                    one["role"] += "_withcond_0123456789abcdef"
        return {"version": self.version if version >= 3 else 1, "etag": self.etag, "bindings": bindings}


@dataclass
class Iam:
    """Who may do what. Of buckets, only those that were guarded (`guard`) are asked about here.

    `owners` have every permission in their project; `lax` switches a provider's checks off: `audience`, `condition`, `issuer`;
    `after_read` runs once after a policy was read, as somebody else would who writes at the same time; `unknown_for` is for how
    many writes of policies a new account is not known yet; `permitted` are the only projects whose accounts policies take, if there
    are any (the constraint iam.allowedPolicyMemberDomains, whose text is known from
    https://github.com/googleapis/java-storage/pull/2444); `issuers` are keys that can be fetched, by issuer.
    """

    server: GoogleServer
    projects: dict[str, str] = field(default_factory=lambda: {PROJECT: PROJECT_NUMBER, CLUSTER_PROJECT: "210987654321"})
    owners: dict[str, str] = field(default_factory=dict)
    accounts: dict[str, Tree] = field(default_factory=dict)
    keys: dict[str, list[str]] = field(default_factory=dict)
    hmac_keys: dict[str, list[str]] = field(default_factory=dict)
    roles: dict[str, Tree] = field(default_factory=dict)
    federated: dict[str, Tree] = field(default_factory=dict)
    buckets: dict[str, Held] = field(default_factory=dict)
    policies: dict[str, Held] = field(default_factory=dict)
    of_projects: dict[str, list[Tree]] = field(default_factory=dict)
    issuers: dict[str, Tree] = field(default_factory=dict)
    lax: set[str] = field(default_factory=set)
    after_read: Callable[[], None] | None = None
    unknown_for: int = 0
    permitted: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._numbers = itertools.count(100000000000000000001)
        self._operations: dict[str, Tree] = {}

    # for tests

    def owner(self, project: str = PROJECT) -> str:
        """A new account that owns a project."""
        email = f"owner-{next(self._numbers) % 10000}@{project}.iam.gserviceaccount.com"
        self.add_account(email)
        self.owners[email] = project
        return email

    def add_account(self, email: str, description: str = "") -> str:
        """A new account; its address."""
        project = email.partition("@")[2].partition(".")[0]
        name = f"projects/{project}/serviceAccounts/{email}"
        number = str(next(self._numbers))
        self.accounts[email] = {"name": name, "projectId": project, "uniqueId": number, "email": email}
        self.accounts[email] |= {"description": description} if description else {}
        self.policies[email] = Held()
        self.server.tokens.accounts.add(email)
        return email

    def auth(self, email: str) -> Tree:
        """The `auth` of a location, for an account."""
        document = self.server.tokens.key_document(self.server.endpoint, email)
        return {"method": "service_account_key", "credentials_json": json.dumps(document)}

    def guard(self, bucket: str) -> None:
        """From now on the bucket has a policy, that is asked."""
        self.buckets[bucket] = Held()

    def bind(self, held: Held, role: str, *members: str, expression: str = "") -> None:
        """A binding that somebody else makes."""
        condition = {"condition": {"title": "theirs", "expression": expression}} if expression else {}
        held.bindings.append({"role": role, "members": list(members), **condition})
        held.version = 3 if condition else held.version
        held.writes += 1

    # who may

    def may(self, caller: str | None, permission: str, bucket: str, name: str = "", listed: str | None = None) -> bool:
        """Whether a caller has a permission for a guarded bucket, or an object in it."""
        number = self.server.objects.bucket(bucket).resource()["projectNumber"]
        project = next(id_ for id_, one in self.projects.items() if one == number)
        path = f"projects/_/buckets/{bucket}" + (f"/objects/{name}" if name else "")
        variables: Tree = {
            "resource": {"name": path, "type": f"storage.googleapis.com/{'Object' if name else 'Bucket'}"},
            "api": {} if listed is None else {"storage.googleapis.com/objectListPrefix": listed},
        }
        if caller and self.owners.get(caller) == project:
            return True
        bindings = [*self.buckets[bucket].bindings, *self.of_projects.get(project, [])]
        return self._granted(caller, permission, bindings, variables)

    def may_in(self, caller: str | None, permission: str, project: str) -> bool:
        """Whether a caller has a permission in a project."""
        if caller and self.owners.get(caller) == project:
            return True
        return self._granted(caller, permission, self.of_projects.get(project, []), {})

    def _granted(self, caller: str | None, permission: str, bindings: list[Tree], variables: Tree) -> bool:
        for one in bindings:
            expression = (one.get("condition") or {}).get("expression", "true")
            fits = permission in self._permissions(one["role"]) and self._is(caller, one["members"])
            if fits and google_cel.holds(expression, variables):
                return True
        return False

    def _permissions(self, role: str) -> set[str]:
        custom = self.roles.get(role)
        if custom is not None:
            return set() if custom.get("deleted") else set(custom.get("includedPermissions", []))
        return ROLES.get(role, set())

    def _is(self, caller: str | None, members: list[str]) -> bool:
        if caller is None:
            return "allUsers" in members
        name = caller if caller.startswith("principal:") else f"serviceAccount:{caller}"
        pool = caller.partition("/subject/")[0].replace("principal:", "principalSet:", 1) + "/*"
        return bool({name, pool, "allUsers", "allAuthenticatedUsers"} & set(members))

    def _own(self, caller: str | None, project: str, permission: str) -> None:
        if caller is None:
            raise Wrong(401, "UNAUTHENTICATED", "Request is missing required authentication credential.")
        if self.owners.get(caller) != project:
            raise Wrong(
                403, "PERMISSION_DENIED", f"Permission '{permission}' denied on resource (or it may not exist)."
            )

    # tokens

    def exchange(self, form: Tree) -> TokenAnswer:
        """sts.googleapis.com: a token of somebody else's issuer for one of Google's."""
        audience, token = str(form.get("audience")), str(form.get("subjectToken") or form.get("subject_token"))
        match = re.fullmatch(
            r"//iam\.googleapis\.com/(projects/(\d+)/locations/global/workloadIdentityPools/[^/]+)(/providers/[^/]+)",
            audience,
        )
        document = self._live(match) if match else None
        if match is None or document is None:
            return refused("invalid_target", INVALID_TARGET)
        try:
            claims = self._claims(token, document["oidc"])
        except (ValueError, KeyError, IndexError, InvalidSignature) as error:
            return refused("invalid_grant", str(error) or "Unable to verify the ID Token signature.")
        condition = document.get("attributeCondition", "")
        if condition and "condition" not in self.lax and not google_cel.holds(condition, {"assertion": claims}):
            return refused("unauthorized_client", "The given credential is rejected by the attribute condition.")
        principal = f"principal://iam.googleapis.com/{match[1]}/subject/{claims['sub']}"
        answer = self.server.tokens._answer(principal)
        answer.document["issued_token_type"] = "urn:ietf:params:oauth:token-type:access_token"
        return answer

    def _live(self, match: re.Match[str]) -> Tree | None:
        pool, provider = self.federated.get(match[1]), self.federated.get(match[1] + match[3])
        live = pool and provider and {pool["state"], provider["state"]} == {"ACTIVE"}
        return provider if live and not pool.get("disabled") and not provider.get("disabled") else None  # type: ignore[union-attr]  # live

    def _claims(self, token: str, oidc: Tree) -> Tree:
        head, body, signature = token.split(".")
        header, claims = json.loads(_decoded(head)), json.loads(_decoded(body))
        if claims.get("iss") != oidc["issuerUri"] and "issuer" not in self.lax:
            raise ValueError("The issuer in ID Token does not match the expected ones.")
        keys = (
            json.loads(oidc["jwksJson"]) if oidc.get("jwksJson") else self.issuers.get(oidc["issuerUri"], {"keys": []})
        )
        key = next((one for one in keys["keys"] if one.get("kid") == header.get("kid")), None)
        if key is None or header.get("alg") != "RS256":
            raise ValueError("Unable to find the key of the ID Token.")
        numbers = rsa.RSAPublicNumbers(_number(key["e"]), _number(key["n"]))
        numbers.public_key().verify(_decoded(signature), f"{head}.{body}".encode(), padding.PKCS1v15(), hashes.SHA256())
        given = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
        if not set(given) & set(oidc["allowedAudiences"]) and "audience" not in self.lax:
            raise ValueError("The audience in ID Token does not match the expected audience.")
        if not claims.get("nbf", 0) <= time.time() + 60 or time.time() > claims["exp"]:
            raise ValueError("The ID Token is stale.")
        found: Tree = claims
        return found

    def impersonate(self, caller: str | None, email: str) -> TokenAnswer:
        """iamcredentials.googleapis.com generateAccessToken, for an account that is known here."""
        project = self.accounts[email]["projectId"]
        bindings = [*self.policies[email].bindings, *self.of_projects.get(project, [])]
        if caller is None:
            return TokenAnswer(401, Wrong(401, "UNAUTHENTICATED", "invalid").document())
        if not self._granted(caller, "iam.serviceAccounts.getAccessToken", bindings, {}):
            message = "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist)."
            return TokenAnswer(403, Wrong(403, "PERMISSION_DENIED", message).document())
        return TokenAnswer(200, {"accessToken": self.server.tokens.new(email), "expireTime": "2099-01-01T00:00:00Z"})

    # requests

    def answer(self, caller: str | None, method: str, path: str, query: dict[str, str], body: Tree) -> Tree:
        """The answer to a request of IAM or Resource Manager. Raises `Wrong`."""
        for pattern, verb, name in _ROUTES:
            match = re.fullmatch(pattern, path)
            if match and verb == method:
                done: Tree = getattr(self, name)(caller, *match.groups(), query, body)
                return done
        raise Wrong(404, "NOT_FOUND", "Method not found.")

    def _project(self, caller: str | None, project: str, _query: Tree, _body: Tree) -> Tree:
        self._own(caller, project, "resourcemanager.projects.get")
        return {"name": f"projects/{self.projects[project]}", "projectId": project, "state": "ACTIVE"}

    def _account(self, caller: str | None, email: str, permission: str) -> Tree:
        project = email.partition("@")[2].partition(".")[0]
        self._own(caller, project, permission)
        if email not in self.accounts:
            raise Wrong(404, "NOT_FOUND", f"Unknown service account: {email}")
        return self.accounts[email]

    def _get_account(self, caller: str | None, email: str, _query: Tree, _body: Tree) -> Tree:
        return self._account(caller, email, "iam.serviceAccounts.get")

    def _create_account(self, caller: str | None, project: str, _query: Tree, body: Tree) -> Tree:
        self._own(caller, project, "iam.serviceAccounts.create")
        if not re.fullmatch(r"[a-z][a-z0-9-]{4,28}[a-z0-9]", body["accountId"]):
            raise Wrong(400, "INVALID_ARGUMENT", "The account ID is not valid.")
        email = f"{body['accountId']}@{project}.iam.gserviceaccount.com"
        if email in self.accounts:
            raise Wrong(409, "ALREADY_EXISTS", f"Service account {body['accountId']} already exists within project.")
        self.add_account(email)
        self.accounts[email] |= body.get("serviceAccount") or {}
        return self.accounts[email]

    def _delete_account(self, caller: str | None, email: str, _query: Tree, _body: Tree) -> Tree:
        number = self._account(caller, email, "iam.serviceAccounts.delete")["uniqueId"]
        del self.accounts[email], self.policies[email]
        self.server.tokens.accounts.discard(email)
        gone = f"deleted:serviceAccount:{email}?uid={number}"
        for held in [*self.buckets.values(), *self.policies.values()]:
            for one in held.bindings:
                one["members"] = [gone if who == f"serviceAccount:{email}" else who for who in one["members"]]
        return {}

    def _get_keys(self, caller: str | None, email: str, _query: Tree, _body: Tree) -> Tree:
        account = self._account(caller, email, "iam.serviceAccountKeys.list")
        names = [f"{account['name']}/keys/{one}" for one in self.keys.get(email, [])]
        return {"keys": [{"name": one, "keyType": "USER_MANAGED"} for one in names]} if names else {}

    def _get_policy(self, caller: str | None, email: str, query: Tree, _body: Tree) -> Tree:
        self._account(caller, email, "iam.serviceAccounts.getIamPolicy")
        return self._read(self.policies[email], int(query.get("options.requestedPolicyVersion", 1)))

    def _set_policy(self, caller: str | None, email: str, _query: Tree, body: Tree) -> Tree:
        self._account(caller, email, "iam.serviceAccounts.setIamPolicy")
        held, policy = self.policies[email], body["policy"]
        if policy.get("etag", held.etag) != held.etag:
            raise Wrong(
                409, "ABORTED", "There were concurrent policy changes. Please retry the whole read-modify-write."
            )
        if self._strangers(policy):
            raise Wrong(400, "FAILED_PRECONDITION", NOT_PERMITTED)
        problem = self._problem(policy)
        if problem:
            raise Wrong(400, "INVALID_ARGUMENT", problem)
        return self._write(held, policy)

    def _get_role(self, caller: str | None, role: str, _query: Tree, _body: Tree) -> Tree:
        self._own(caller, role.split("/")[1], "iam.roles.get")
        if role not in self.roles:
            raise Wrong(404, "NOT_FOUND", f"The role named {role} was not found.")
        return self.roles[role]

    def _create_role(self, caller: str | None, project: str, _query: Tree, body: Tree) -> Tree:
        self._own(caller, project, "iam.roles.create")
        name = f"projects/{project}/roles/{body['roleId']}"
        if not re.fullmatch(r"[a-zA-Z0-9_.]{3,64}", body["roleId"]):
            raise Wrong(400, "INVALID_ARGUMENT", "The role_id is not valid.")
        if name in self.roles:
            raise Wrong(409, "ALREADY_EXISTS", f"A role named {name} already exists.")
        self.roles[name] = {"name": name, "etag": "BwY=", **body["role"]}
        return self.roles[name]

    def _patch_role(self, caller: str | None, role: str, query: Tree, body: Tree) -> Tree:
        found = self._get_role(caller, role, query, body)
        if found.get("deleted"):
            raise Wrong(400, "FAILED_PRECONDITION", f"You can't modify a deleted role: {role}")
        found |= body
        return found

    def _delete_role(self, caller: str | None, role: str, query: Tree, body: Tree) -> Tree:
        found = self._get_role(caller, role, query, body)
        found["deleted"] = True
        return found

    def _undelete_role(self, caller: str | None, role: str, query: Tree, body: Tree) -> Tree:
        found = self._get_role(caller, role, query, body)
        found.pop("deleted", None)
        return found

    # federation

    def _numbered(self, path: str) -> str:
        """Projects have two names in requests, and answers have the number."""
        project = path.split("/")[1]
        return path.replace(f"projects/{project}/", f"projects/{self.projects.get(project, project)}/", 1)

    def _of_project(self, caller: str | None, path: str, permission: str) -> str:
        number = self._numbered(path).split("/")[1]
        project = next((id_ for id_, one in self.projects.items() if one == number), "")
        self._own(caller, project, f"iam.workloadIdentityPool{permission}")
        return self._numbered(path)

    def _get_federated(self, caller: str | None, path: str, _query: Tree, _body: Tree) -> Tree:
        name = self._of_project(caller, path, "s.get")
        if name not in self.federated:
            raise Wrong(404, "NOT_FOUND", "Requested entity was not found.")
        return self.federated[name]

    def _list_providers(self, caller: str | None, pool: str, _query: Tree, _body: Tree) -> Tree:
        start = self._of_project(caller, pool, "Providers.list") + "/providers/"
        found = [one for name, one in self.federated.items() if name.startswith(start) and one["state"] == "ACTIVE"]
        return {"workloadIdentityPoolProviders": found} if found else {}

    def _create_federated(self, caller: str | None, parent: str, query: Tree, body: Tree) -> Tree:
        kind = "workloadIdentityPoolProviderId" if parent.endswith("/providers") else "workloadIdentityPoolId"
        name = f"{self._of_project(caller, parent, 's.create')}/{query[kind]}"
        if not re.fullmatch(r"[a-z0-9-]{4,32}", query[kind]) or query[kind].startswith("gcp-"):
            raise Wrong(400, "INVALID_ARGUMENT", "The id is not valid.")
        if name in self.federated:
            raise Wrong(409, "ALREADY_EXISTS", "Requested entity already exists")
        self._check_provider(body)
        self.federated[name] = {
            "name": name,
            "state": "ACTIVE",
            **{key: one for key, one in body.items() if one not in (False, "")},
        }
        return self._operation(name)

    def _check_provider(self, body: Tree) -> None:
        if condition := body.get("attributeCondition"):
            try:
                google_cel.check(condition)
            except google_cel.CelError as error:
                raise Wrong(400, "INVALID_ARGUMENT", f"Error compiling CEL expression: {error}") from None
        if len(body.get("displayName", "")) > 32 or len(body.get("description", "")) > 256:
            raise Wrong(400, "INVALID_ARGUMENT", "A text is too long.")

    def _patch_federated(self, caller: str | None, path: str, query: Tree, body: Tree) -> Tree:
        found = self._get_federated(caller, path, query, body)
        if found["state"] == "DELETED":
            raise Wrong(400, "FAILED_PRECONDITION", "Precondition check failed.")
        self._check_provider(body)
        for name in query["updateMask"].split(","):
            found[name] = body[name]
        return self._operation(found["name"])

    def _delete_federated(self, caller: str | None, path: str, query: Tree, body: Tree) -> Tree:
        found = self._get_federated(caller, path, query, body)
        found["state"] = "DELETED"
        return self._operation(found["name"])

    def _undelete_federated(self, caller: str | None, path: str, query: Tree, body: Tree) -> Tree:
        found = self._get_federated(caller, path, query, body)
        found["state"] = "ACTIVE"
        return self._operation(found["name"])

    def _operation(self, name: str) -> Tree:
        """Pools take a while, providers are there at once."""
        operation = f"{name}/operations/{next(self._numbers)}"
        self._operations[operation] = {"name": operation, "done": True, "response": self.federated[name]}
        return self._operations[operation] if "/providers/" in name else {"name": operation}

    def _get_operation(self, _caller: str | None, name: str, _query: Tree, _body: Tree) -> Tree:
        return self._operations[name]

    # policies of buckets

    def bucket_policy(self, bucket: str, query: dict[str, str]) -> Tree:
        """The policy of a guarded bucket."""
        held = self.buckets[bucket]
        document = self._read(held, int(query.get("optionsRequestedPolicyVersion", 1)))
        return {"kind": "storage#policy", "resourceId": f"projects/_/buckets/{bucket}", **document}

    def set_bucket_policy(self, bucket: str, policy: Tree) -> Tree:
        """Writes it. Raises `Refused`."""
        held = self.buckets[bucket]
        if policy.get("etag", held.etag) != held.etag:
            raise Refused(412, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.")
        access = self.server.objects.bucket(bucket).resource()["iamConfiguration"]["uniformBucketLevelAccess"]
        conditional = any(one.get("condition") for one in policy.get("bindings", []))
        problem = self._problem(policy)
        if self._strangers(policy):
            raise Refused(412, "conditionNotMet", NOT_PERMITTED)
        if conditional and not access.get("enabled"):
            problem = "Bucket policy only must be enabled to use conditions."
        if problem:
            raise Refused(400, "invalid", problem)
        return self._write(held, policy)

    def _read(self, held: Held, version: int) -> Tree:
        document = held.document(version)
        if self.after_read is not None:
            after, self.after_read = self.after_read, None
            after()
        return document

    def _write(self, held: Held, policy: Tree) -> Tree:
        held.bindings = copy.deepcopy([one for one in policy.get("bindings", []) if one.get("members")])
        held.version = int(policy.get("version") or 1)
        held.writes += 1
        return held.document(3)

    def _strangers(self, policy: Tree) -> set[str]:
        """Projects of accounts in a policy that the organization does not take."""
        members = [one for binding in policy.get("bindings", []) for one in binding["members"]]
        projects = {one.partition("@")[2].partition(".")[0] for one in members if one.startswith("serviceAccount:")}
        return projects - self.permitted if self.permitted else set()

    def _problem(self, policy: Tree) -> str:
        """Why a policy is not taken."""
        for one in policy.get("bindings", []):
            condition = one.get("condition")
            if condition and int(policy.get("version") or 1) < 3:
                return "A policy with conditions must be of version 3."
            if condition and {"allUsers", "allAuthenticatedUsers"} & set(one["members"]):
                return "Conditions are not allowed for allUsers."
            try:
                google_cel.check((condition or {}).get("expression", "true"))
            except google_cel.CelError as error:
                return f"Condition expression compilation failed: {error}"
            if not one["role"].startswith("roles/") and one["role"] not in self.roles:
                return f"Role {one['role']} is not supported for this resource."
            if problem := self._unknown(one["members"]):
                return problem
        return ""

    def _unknown(self, members: list[str]) -> str:
        for who in members:
            email = who.removeprefix("serviceAccount:")
            if who.startswith("serviceAccount:") and not who.endswith("]") and email not in self.accounts:
                return f"Service account {email} does not exist."
            if who.startswith("serviceAccount:") and self.unknown_for:
                self.unknown_for -= 1
                return f"Service account {email} does not exist."
        return ""


NOT_PERMITTED = "One or more users named in the policy do not belong to a permitted customer."
INVALID_TARGET = (
    'The target service indicated by the "audience" parameters is invalid. This might either be because the pool or provider '
    "is disabled or deleted or because it doesn't exist."
)
_POOL = r"projects/[^/]+/locations/global/workloadIdentityPools/[^/:]+"
_FEDERATED = rf"({_POOL}(?:/providers/[^/:]+)?)"
_ACCOUNT = r"/v1/projects/-/serviceAccounts/([^/:]+)"
_ROLE = r"/v1/(projects/[^/]+/roles/[^/:]+)"
_ROUTES: list[tuple[str, str, str]] = [
    (r"/v3/projects/([^/]+)", "GET", "_project"),
    (r"/v1/projects/([^/]+)/serviceAccounts", "POST", "_create_account"),
    (_ACCOUNT, "GET", "_get_account"),
    (_ACCOUNT, "DELETE", "_delete_account"),
    (rf"{_ACCOUNT}/keys", "GET", "_get_keys"),
    (rf"{_ACCOUNT}:getIamPolicy", "POST", "_get_policy"),
    (rf"{_ACCOUNT}:setIamPolicy", "POST", "_set_policy"),
    (r"/v1/projects/([^/]+)/roles", "POST", "_create_role"),
    (_ROLE, "GET", "_get_role"),
    (_ROLE, "PATCH", "_patch_role"),
    (_ROLE, "DELETE", "_delete_role"),
    (rf"{_ROLE}:undelete", "POST", "_undelete_role"),
    (rf"/v1/({_POOL})/providers", "GET", "_list_providers"),
    (rf"/v1/({_POOL}/providers|projects/[^/]+/locations/global/workloadIdentityPools)", "POST", "_create_federated"),
    (rf"/v1/{_FEDERATED}", "GET", "_get_federated"),
    (rf"/v1/{_FEDERATED}", "PATCH", "_patch_federated"),
    (rf"/v1/{_FEDERATED}", "DELETE", "_delete_federated"),
    (rf"/v1/{_FEDERATED}:undelete", "POST", "_undelete_federated"),
    (rf"/v1/({_POOL}(?:/providers/[^/]+)?/operations/[^/]+)", "GET", "_get_operation"),
]


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _number(part: str) -> int:
    return int.from_bytes(_decoded(part), "big")
