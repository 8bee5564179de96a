# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts ministack with what it lacks of AWS. Run as a script by a bare Python (`-I -S`); imports nothing of ours.

    ministack_server.py PACKAGES SESSION_SECONDS PLAIN_PORT

PACKAGES is the directory that ministack is installed in. Sessions end after SESSION_SECONDS whatever was asked for, unless it
is 0: no client can ask AWS for less than 15 minutes. PLAIN_PORT answers without TLS, as S3 does beside its port with TLS.

What is changed, each by replacing one function of ministack 1.5.33 (any other version is refused, as the replacements rely on
what is inside):

- `aws:PrincipalArn` of a role's session is the role's ARN, as AWS documents for this key. ministack gives the session's.
- The bucket policy of another account's bucket sees the caller that it is, with its ARN, its type and the request's
  conditions. ministack shows it the caller's account, so that no statement for a role or user of another account matches.
- An object of another account's bucket that is not there is refused to who may not list it, as the API reference of GetObject
  has it. ministack tells everybody that it is missing.
- `x-amz-expected-bucket-owner` with another account than the owner's is answered by 403 AccessDenied, as AWS documents under
  "Verifying bucket ownership with bucket owner condition". ministack ignores the header.
- The audience of a web identity's token may be a list of one, as Kubernetes writes it: AWS's own EKS relies on that. ministack
  compares the list with the condition's text.
- S3 calls itself `AmazonS3` in the header Server, as each sample answer of AWS's API reference has it. ministack says nothing.
- Who writes with a key of KMS must be allowed kms:GenerateDataKey by its policies and the key's own, as S3 documents under "Using
  server-side encryption with AWS KMS keys". ministack asks neither.
- A grant of a key lets its principal use the key as a statement of the key's policy would, as KMS documents under "Grants in AWS
  KMS". ministack keeps grants, and asks nothing of them. One with constraints lets nobody in here.
- A key of another account is found by its ARN, and its policy asked, as KMS documents under "Allowing users in other accounts to use a
  KMS key". ministack knows no key but those of the caller's account.
- Whoever is refused a role of their own account is told that it was its trust policy, as IAM documents under "Troubleshoot access
  denied error messages". To another account AWS says no more than ministack does.
- A cluster of EKS whose tags `testbed:server`, `testbed:authority` and `testbed:secret` are set is one that runs elsewhere: EKS
  says so of it, and that secret opens the webhook by which its apiserver has tokens checked. ministack starts one in a container.
- Nothing but the given ports is opened (as root, ministack opens 443 too).
"""

from __future__ import annotations

import importlib
import json
import re
import runpy
import sys
import time
from typing import Any

VERSION = "1.5.33"


def part(name: str) -> Any:
    """A module of ministack, which is not installed where this file is checked."""
    return importlib.import_module(f"ministack.{name}")


def role_arn(session_arn: str) -> str:
    """The ARN of the role that a session is of; other ARNs as they are."""
    match = re.fullmatch(r"arn:([^:]+):sts::(\d+):assumed-role/([^/]+)/.*", session_arn)
    return f"arn:{match[1]}:iam::{match[2]}:role/{match[3]}" if match else session_arn


def repair_principal_arn() -> None:
    """`aws:PrincipalArn` is the ARN of the role."""
    iam_evaluator = part("core.iam_evaluator")
    original = iam_evaluator._resolve_condition_key

    def resolve(key: str, context: Any) -> Any:
        found = original(key, context)
        return role_arn(str(found)) if key.lower() == "aws:principalarn" and found else found

    iam_evaluator._resolve_condition_key = resolve


def repair_foreign_buckets() -> None:
    """A bucket policy is evaluated for the real caller."""
    iam_actions, iam_evaluator, s3 = part("core.iam_actions"), part("core.iam_evaluator"), part("services.s3")
    original = s3._foreign_bucket_allows

    def allows(*request: Any) -> bool:
        owner, bucket, key, method, query, caller = request[:6]
        headers: dict[str, str] = request[6] if len(request) > 6 else {}
        policy = s3._bucket_policies.get_scoped(owner, None, bucket)
        if not caller or not policy:
            return bool(original(*request))
        if s3._public_access_blocked(owner, bucket, "RestrictPublicBuckets") and s3._policy_is_public(policy):
            return False
        name = iam_actions._s3_action(method, f"/{bucket}/{key}" if key else f"/{bucket}", query)
        action = f"s3:{name or ('GetObject' if method in ('GET', 'HEAD') else 'PutObject')}"
        arn = iam_evaluator.request_caller_arn(headers or {}, query)
        source_ip, secure = iam_evaluator._request_origin.get()

        def allowed(action: str, key: str, query: Any) -> bool:
            path = f"/{bucket}/{key}" if key else f"/{bucket}"
            with s3.request_scope(owner, s3.get_region()):
                conditions = iam_actions.s3_service_context(action, query, path, headers or {})
            context = iam_evaluator.EvalContext(
                principal_arn=arn,
                principal_type="AssumedRole" if ":assumed-role/" in arn else "User",
                principal_account=caller,
                action=action,
                resource_arn=f"arn:aws:s3::{path.replace('/', ':', 1)}",
                region=s3.get_region(),
                source_ip=source_ip,
                secure_transport=secure,
                service_context={name.lower(): value for name, value in conditions.items()},
            )
            return bool(iam_evaluator.evaluate_resource_policy(policy, context).decision == "Allow")

        objects = (s3._buckets.get_scoped(owner, None, bucket) or {}).get("objects", {})
        hidden = action == "s3:GetObject" and key not in objects
        return allowed(action, key, query) and (not hidden or allowed("s3:ListBucket", "", {"prefix": key}))

    s3._foreign_bucket_allows = allows


def honour_expected_owner() -> None:
    """A bucket of another account than the caller expects refuses."""
    s3 = part("services.s3")
    original = s3._apply_bucket_scope

    def apply(method: str, bucket: str, key: str, headers: dict[str, str], *rest: Any, **more: Any) -> Any:
        expected = headers.get("x-amz-expected-bucket-owner")
        owner = s3._bucket_owner_account(bucket) if bucket else None
        if expected and owner and expected != owner:
            return s3._error("AccessDenied", "Access Denied", 403, f"/{bucket}")
        return original(method, bucket, key, headers, *rest, **more)

    s3._apply_bucket_scope = apply


def read_lists_of_audiences() -> None:
    """A token's audience is a text, or a list of one."""
    sts = part("services.sts")
    original = sts._web_identity_principal

    def principal(*request: Any) -> Any:
        who, conditions = original(*request)
        plain = {
            name: value[0] if isinstance(value, list) and len(value) == 1 else value
            for name, value in conditions.items()
        }
        return who, plain

    sts._web_identity_principal = principal


def say_what_it_stands_for() -> None:
    """S3's answers, which are those with an `x-amz-id-2`, name the server."""
    app = part("app")
    original = app._asgi_header_list

    def listed(headers: dict[str, Any]) -> Any:
        names = {name.lower() for name in headers}
        return original({**headers, "Server": "AmazonS3"} if "x-amz-id-2" in names else headers)

    app._asgi_header_list = listed


def heed_key_policies() -> None:
    """A write with a key needs the permission to use it, through S3."""
    s3, kms, evaluator = part("services.s3"), part("services.kms"), part("core.iam_evaluator")
    router = part("core.router")
    original = s3._resolve_sse_write_headers

    def refused(headers: dict[str, str], key: str) -> str:
        """The ARN of a caller who may not use the key, empty for one who may."""
        access_key = router.extract_access_key_id(headers, {}) or ""
        account = evaluator.find_iam_access_key_account(access_key) or s3.get_account_id()
        with s3.request_scope(account, s3.get_region()):
            who = evaluator.resolve_principal(access_key, account)
        owner, region = key.split(":")[4], key.split(":")[3]
        with s3.request_scope(owner, region):
            found = kms.key_policy_for_arn(key)
        if found is None or getattr(who, "policies", None) is None:
            return ""
        context = evaluator.EvalContext(
            principal_arn=who.arn,
            principal_type=who.type,
            principal_account=who.account,
            action="kms:GenerateDataKey",
            resource_arn=key,
            region=region,
            service_context={"kms:viaservice": f"s3.{region}.amazonaws.com"},
            principal_keys=who.keys,
        )
        allowed = evaluator.evaluate(context, who.policies, *who.limits)
        both = evaluator.combine_resource_policy(allowed, context, found[0], owner, required=True, limits=who.limits)
        return "" if both.decision == "Allow" else str(who.arn)

    def resolve(headers: dict[str, str], bucket: str) -> Any:
        answer = original(headers, bucket)
        key = (answer[0] or {}).get("x-amz-server-side-encryption-aws-kms-key-id", "")
        who = refused(headers, key) if key.startswith("arn:") else ""
        if not who:
            return answer
        words = f"User: {who} is not authorized to perform: kms:GenerateDataKey on resource: {key}"
        return None, s3._error("AccessDenied", words, 403)

    s3._resolve_sse_write_headers = resolve


def heed_grants() -> None:
    """A key's policy is read with a statement for each grant."""
    kms = part("services.kms")
    original = kms.key_policy_for_arn

    def with_grants(resource_arn: str) -> Any:
        found = original(resource_arn)
        if found is None:
            return found
        document = json.loads(found[0] or "{}")
        key = kms._resolve_key(resource_arn)["Arn"]
        granted = [
            {
                "Effect": "Allow",
                "Principal": {"AWS": grant["GranteePrincipal"]},
                "Action": [f"kms:{operation}" for operation in grant["Operations"]],
                "Resource": "*",
            }
            for grant in kms._grants.values()
            if grant["KeyId"] == key and not grant["Constraints"]
        ]
        statements = document.get("Statement", [])
        statements = statements if isinstance(statements, list) else [statements]
        return json.dumps({**document, "Statement": [*statements, *granted]}), *found[1:]

    kms.key_policy_for_arn = with_grants


def find_keys_of_other_accounts() -> None:
    """A key's ARN says whose it is."""
    kms, responses = part("services.kms"), part("core.responses")

    def at_home(original: Any) -> Any:
        def found(key: str) -> Any:
            arn = re.fullmatch(r"arn:aws:kms:([^:]+):(\d{12}):key/.+", str(key))
            if arn is None or arn[2] == responses.get_account_id():
                return original(key)
            with responses.request_scope(arn[2], arn[1]):
                return original(key)

        return found

    kms._resolve_key, kms.key_policy_for_arn = at_home(kms._resolve_key), at_home(kms.key_policy_for_arn)


def name_trust_policies() -> None:
    """A refusal within an account says whose it was."""
    sts = part("services.sts")
    original = sts._error

    def error(status: int, code: str, message: str, *rest: Any, **more: Any) -> Any:
        start = r"User: arn:[^:]+:(?:iam|sts)::(\d+):\S+ is not authorized to perform: (sts:\w+) on resource: "
        found = re.fullmatch(start + r"arn:[^:]+:iam::(\d+):role/\S+", message)
        within = found and found[1] == found[3]
        words = f"{message} because no role trust policy allows the {found[2]} action" if found and within else message
        return original(status, code, words, *rest, **more)

    sts._error = error


def know_clusters_elsewhere() -> None:
    """EKS describes clusters as their tags say."""
    eks = part("services.eks")
    sanitize, find = eks._sanitize, eks._cluster_for_auth

    def described(cluster: dict[str, Any]) -> Any:
        found = sanitize(cluster)
        tags = found.get("tags") or {}
        if "testbed:server" in tags:
            authority = {"data": tags["testbed:authority"]}
            found |= {"endpoint": tags["testbed:server"], "certificateAuthority": authority}
        return found

    def found_for_auth(*asked: Any, **more: Any) -> Any:
        found = find(*asked, **more)
        if not found:
            return found
        account, region, cluster = found
        secret = (cluster.get("tags") or {}).get("testbed:secret", cluster.get("_auth_token"))
        return account, region, {**cluster, "_auth_token": secret}

    eks._sanitize, eks._cluster_for_auth = described, found_for_auth


def open_no_other_port(plain_port: int) -> None:
    """The given ports are the only ones."""
    app = part("app")
    app._port_is_bindable = lambda *_dummy: False
    importlib.import_module("hypercorn.config").Config._insecure_bind = [f"127.0.0.1:{plain_port}"]


def shorten_sessions(seconds: int) -> None:
    """Every session ends this soon, and says so."""
    sts = part("services.sts")
    register, future = sts.register_session, sts._future

    def short(access_key: str, session: dict[str, Any]) -> None:
        register(access_key, {**session, "Expiration": time.time() + seconds})

    sts.register_session = short
    sts._future = lambda asked: future(min(asked, seconds))


def main(packages: str, session_seconds: int, plain_port: int) -> None:
    """Changes what has to be, and becomes ministack."""
    sys.path.insert(0, packages)
    from importlib.metadata import version

    found = version("ministack")
    if found != VERSION:
        raise SystemExit(f"ministack is {found}; the changes made here are for {VERSION} (see tools/requirements)")
    repair_principal_arn()
    repair_foreign_buckets()
    honour_expected_owner()
    read_lists_of_audiences()
    say_what_it_stands_for()
    heed_key_policies()
    heed_grants()
    find_keys_of_other_accounts()
    name_trust_policies()
    know_clusters_elsewhere()
    open_no_other_port(plain_port)
    if session_seconds:
        shorten_sessions(session_seconds)
    print(json.dumps({"ministack": found, "session_seconds": session_seconds}), flush=True)
    sys.argv = ["ministack"]
    runpy.run_module("ministack", run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
