# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ministack, an emulator of AWS that enforces IAM: it stands for S3, STS, IAM and EKS of AWS with several accounts.

It checks signatures, identity and session policies, trust policies across accounts (principal, `sts:ExternalId`, `aud` and
`sub` of web identities), bucket policies, Object Lock, regions, clocks and the end of sessions. `ministack_server.py`
changes a few functions of it, and says which and why.

Where it is not AWS, as far as was seen, so that no test may count on it:

- the signature and the end of a web identity token are not checked, and a session policy given with one is not applied;
- a batch of deletes is permitted or refused as a whole, by what the bucket's ARN is allowed, and not key by key;
- a session longer than the role's MaxSessionDuration, or longer than an hour though its source is a session, is granted;
- a bucket or trust policy is stored unread: no MalformedPolicy, no "Invalid principal";
- versioning can be suspended on a bucket with Object Lock;
- SSE-KMS without a key id is refused, and of all that uses a key only the begin of a write asks the key's policy;
- organisations can only be read, so `aws:PrincipalOrgID` can only be seen to refuse;
- the root keys of an account are not held to the clock: use a user.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from testbed import ports
from testbed.pki import Authority
from testbed.process import Process, plain_environment
from testbed.store import S3Store

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_sts import STSClient

SERVER = Path(__file__).with_name("ministack_server.py")
WORKLOAD_ACCOUNT = "111111111111"
BUCKET_ACCOUNT = "222222222222"
OTHER_ACCOUNT = "333333333333"
# Of the root of every account: it is built into ministack.
ROOT_SECRET = "test"


class MiniStack(S3Store):
    """AWS with TLS on one endpoint, and without on `plain_endpoint`, as S3 has both. `access_key` and `secret_key` are
    the root's of `BUCKET_ACCOUNT`: in ministack each number of twelve digits is the access key of that account's root, with the secret `test`.

    Sessions end after `session_seconds`, whatever is asked for, unless it is 0.
    """

    name = "ministack"

    def __init__(self, directory: Path, packages: Path, *, session_seconds: int = 0) -> None:
        super().__init__(directory)
        self.access_key, self.secret_key = BUCKET_ACCOUNT, ROOT_SECRET
        self._ports = ports.take(2)
        authority = Authority(directory / "pki", "ca")
        pair = authority.server("ministack")
        self.ca_cert = authority.pair.certificate
        self.endpoint = f"https://127.0.0.1:{self._ports[0]}"
        self.plain_endpoint = f"http://127.0.0.1:{self._ports[1]}"
        environment = plain_environment(
            AUTH="true",
            BIND_HOST="127.0.0.1",
            GATEWAY_PORT=str(self._ports[0]),
            USE_SSL="1",
            MINISTACK_SSL_CERT=str(pair.certificate),
            MINISTACK_SSL_KEY=str(pair.key),
            IOT_MTLS_ENABLED="0",
            SFTP_ENABLED="0",
            DOCKER_HOST=f"unix://{directory / 'no-docker.sock'}",
            HOME=str(directory),
            S3_DATA_DIR=str(directory / "s3"),
        )
        command: list[str | Path] = [sys.executable, "-I", "-S", SERVER, packages, str(session_seconds)]
        command.append(str(self._ports[1]))
        self.process = Process(self.name, command, log=directory / "ministack.log", environment=environment)

    def sts(self, access_key: str, secret_key: str, token: str | None = None) -> STSClient:
        """A boto3 client of STS with these keys."""
        client: STSClient = self._service("sts", access_key, secret_key, token)
        return client

    def iam(self, account: str) -> IAMClient:
        """A boto3 client of IAM as the root of an account."""
        client: IAMClient = self._service("iam", account, ROOT_SECRET, None)
        return client

    def eks(self, account: str) -> Any:
        """A boto3 client of EKS as the root of an account."""
        return self._service("eks", account, ROOT_SECRET, None)

    def token_webhook(self, account: str, cluster: str, secret: str) -> str:
        """Where an apiserver has tokens checked, for a cluster of EKS whose tag `testbed:secret` is this."""
        return f"{self.endpoint}/_ministack/eks-auth/{account}/{self.region}/{cluster}/{secret}"

    def _service(self, service: Any, access_key: str, secret_key: str, token: str | None, *, endpoint: str = "") -> Any:
        import boto3
        import botocore.session
        from botocore.config import Config

        from testbed.store import NO_SETTINGS

        session = boto3.session.Session(
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
            aws_session_token=token,
            region_name=self.region,
            botocore_session=botocore.session.Session(session_vars=NO_SETTINGS),
        )
        config = Config(connect_timeout=5, read_timeout=60, retries={"total_max_attempts": 1}, proxies={})
        return session.client(service, endpoint_url=endpoint or self.endpoint, verify=str(self.ca_cert), config=config)

    def root(self, service: str, account: str) -> Any:
        """A boto3 client of a service, as the root of an account."""
        return self._service(service, account, ROOT_SECRET, None)

    def user(self, account: str, name: str, policy: str = "") -> tuple[str, str]:
        """Makes a user of an account, with this policy; returns its access key and secret key."""
        iam = self.iam(account)
        iam.create_user(UserName=name)
        if policy:
            iam.put_user_policy(UserName=name, PolicyName="inline", PolicyDocument=policy)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return key["AccessKeyId"], key["SecretAccessKey"]

    def role(self, account: str, name: str, trust: str, policy: str = "") -> str:
        """Makes a role of an account, with this trust policy and these permissions; returns its ARN."""
        iam = self.iam(account)
        arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        if policy:
            iam.put_role_policy(RoleName=name, PolicyName="inline", PolicyDocument=policy)
        return arn
