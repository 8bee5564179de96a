# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module ``gcp_trust``. Private to the collection."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.certificates import TrustedCertificates
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.endpoints import plain_endpoint
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_client import (
    GcsSettings,
    NoTokens,
    TokenSource,
    require_google,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._reach import reach_cluster
from ansible_collections.stowage.kubernetes.plugins.module_utils._task import Task
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust import gcp, gcp_policy, gcp_trials
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.cluster_tokens import ClusterTokens
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.gcp_parties import Parties
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.gcp_policy import Federation, Tree, Wanted
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.gcp_review import review
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.gcp_trials import (
    GcsCaller,
    Place,
    Proof,
    Samples,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.lines import Line, not_tried, prove
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.model import Change
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.request import Request, TaskClock, result_of
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.sets import other_clusters

_CLUSTER_OPTIONS: t.Final = ("kubeconfig", "context", "host", "api_key")
_UNKNOWN_NUMBER: t.Final = "PROJECT_NUMBER"
_NOBODY_ACTS: t.Final = "Nobody here can act as the account: give controller_account, or access to the cluster."
_NOT_MADE: t.Final = "Nothing is tried before the changes are made."
_NOT_ASKED: t.Final = "Nobody asked for it: verify is false."


class GcpTrust:
    """One run of the module."""

    def __init__(self, task: Task, tokens: ClusterTokens | None) -> None:
        require_google()
        params = task.params
        self._task, self._cluster = task, tokens
        self._request = Request.of(params, "gcp")
        self._settings = GcsSettings.from_options(self._request.location)
        self._api_endpoint = plain_endpoint(
            str(params["api_endpoint"] or ""), "https://iam.googleapis.com", "api_endpoint"
        )
        if self._api_endpoint and not self._api_endpoint.startswith("https:"):
            raise _unfit("api_endpoint must be https://, for tokens are sent there.")
        self._trust = TrustedCertificates(str(self._request.location.get("ca_cert") or ""))
        self._parties = Parties(task, self._settings, self._api_endpoint, self._trust.verify)
        self._wanted = wanted_of(params, self._request, self._settings)

    def close(self) -> None:
        """Removes temporary files."""
        self._trust.close()

    def run(self) -> dict[str, t.Any]:
        """Does what the task asks for.

        :raises StowageError: as :func:`ensure_gcp_trust` says.
        """
        if self._request.render_only:
            return result_of(
                self._task,
                self._request,
                [],
                documents=documents(self._wanted),
                review=review(self._wanted, self._auth()),
            )
        location = self._parties.api("location_account", ambient=True)
        account = self._parties.api("cluster_account") if self._task.params["cluster_account"] else location
        self._wanted = dataclasses.replace(self._wanted, number=location.project_number(self._wanted.project))
        apis = gcp.Apis(location, account)
        ids = [gcp_policy.role_id(self._wanted.name, one) for one in gcp_policy.PERMISSIONS]
        look = functools.partial(gcp.look, apis, self._wanted, ids)
        found = look()
        if self._request.absent:
            steps = gcp.plan_removal(apis, self._wanted, found)
        else:
            steps = gcp.plan(apis, self._wanted, found, exclusive=self._task.params["exclusive"])
        changes = [step.change for step in steps]
        if self._task.check or self._request.absent:
            if not self._task.check:
                gcp.apply(steps)
            lines = [] if self._request.absent else self._lines(apis, _NOT_MADE if changes else "")
            return self._result(changes, lines, found)
        self._task.progress.check()
        done = gcp.apply(steps)
        return self._result(done, self._lines(apis, ""), look() if done else found)

    # proof

    def _lines(self, apis: gcp.Apis, why_not: str) -> list[Line]:
        """The lines of the proof; all unknown if there is a reason not to try."""
        why_not = why_not or ("" if self._request.verify else _NOT_ASKED)
        samples = Samples() if why_not else self._samples(apis)
        proof = self._proof(apis, samples)
        if why_not:
            return not_tried(proof.trials, why_not) + proof.unknown
        return prove(proof.trials, TaskClock(self._task), patience=self._request.patience) + proof.unknown

    def _samples(self, apis: gcp.Apis) -> Samples:
        names: list[str] = []
        for folder in self._wanted.folders:
            names += apis.location.objects(self._settings.bucket, f"{self._settings.prefix}{folder}")
        start = f"{self._settings.prefix}clusters/"
        others = other_clusters(apis.location.folders(self._settings.bucket, start), self._wanted.clusters)
        for prefix in ("", f"{self._settings.prefix}workspaces/", *(f"{start}{one}/" for one in others)):
            names += apis.location.objects(self._settings.bucket, prefix)
        return Samples(tuple(dict.fromkeys(names)), others)

    def _proof(self, apis: gcp.Apis, samples: Samples) -> Proof:
        proof = Proof()
        me = self._me()
        anonymous = {"anonymous": self._caller(NoTokens, anonymous=True)}
        others = {f"as_{one['name']}": self._other(one["auth"]) for one in self._task.params["verify_as"] or ()}
        for number, folder in enumerate(self._wanted.folders):
            place = Place(self._settings.prefix, folder, first=number == 0)
            if me is None:
                unsaid = Proof()
                gcp_trials.prove_set(unsaid, self._caller(NoTokens), self._wanted.permissions, place, samples)
                proof.unknown += not_tried(unsaid.trials, _NOBODY_ACTS) + unsaid.unknown
            else:
                gcp_trials.prove_set(proof, me, self._wanted.permissions, place, samples)
            gcp_trials.prove_strangers(proof, place, anonymous, samples, anonymous=True)
            gcp_trials.prove_strangers(proof, place, others, samples)
            gcp_trials.prove_plain(proof, place, self._plain())
        self._prove_logins(proof)
        self._prove_keys(proof, apis)
        return proof

    def _prove_logins(self, proof: Proof) -> None:
        """Who may act as the account."""
        place = Place(self._settings.prefix, self._wanted.folders[0])
        for one in self._task.params["verify_as"] or ():
            caller = self._caller(functools.partial(self._impersonated, one["auth"]))
            id_, what, known = (
                f"as_{one['name']}_impersonation_refused",
                "acting as the account",
                self._other(one["auth"]).known,
            )
            proof.add(gcp_trials.login(id_, "refused", caller, place, what, control=known))
        for project, subject in self._wanted.gke:
            trial = gcp_trials.login(f"gke_{subject}_allowed", "allowed", None, place, f"{subject} of {project}")
            proof.add(trial, "Only a pod of the cluster gets such a token.")
        if self._wanted.federation:
            self._prove_federation(proof, self._wanted.federation, place)

    def _prove_federation(self, proof: Proof, federation: Federation, place: Place) -> None:
        audience, why_not = federation.audiences[0], "" if self._cluster else "There is no access to the cluster."
        first = federation.subjects[0]
        namespace, _dummy, account = first.partition("/")
        right = self._subject(first, audience)
        control = place.control(right)
        for subject in federation.subjects:
            caller = self._subject(subject, audience)
            trial = gcp_trials.login(f"subject_{subject}_allowed", "allowed", caller, place, f"a token of {subject}")
            proof.add(trial, why_not)
        elsewhere = self._elsewhere(account, federation)
        for id_, name, what, missing in (
            ("other_account_refused", f"{namespace}/default", "another account of the namespace", ""),
            (
                "other_namespace_refused",
                elsewhere,
                "the same name in another namespace",
                "" if elsewhere else _NO_NAMESAKE,
            ),
        ):
            subject = name or first
            known = "It is one of the subjects." if subject in federation.subjects and not missing else missing
            tried = self._subject(subject, audience)
            proof.add(gcp_trials.login(id_, "refused", tried, place, what, control=control), why_not or known)
        wrong = self._subject(first, "stowage-trust-check")
        what = "a token for another audience"
        proof.add(gcp_trials.login("wrong_audience_refused", "refused", wrong, place, what, control=control), why_not)

    def _elsewhere(self, account: str, federation: Federation) -> str:
        """An account of the same name in a namespace that is not meant; empty if there is none."""
        names = self._cluster.namespaces_with(account) if self._cluster else []
        found = [f"{namespace}/{account}" for namespace in names]
        return next((one for one in found if one not in federation.subjects), "")

    def _prove_keys(self, proof: Proof, apis: gcp.Apis) -> None:
        account = self._wanted.account
        project = account.partition("@")[2].partition(".")[0]
        ask = functools.partial(apis.account.user_keys, account)
        gcp_trials.prove_none(
            proof, "no_keys", "a key of the account", ask, "Delete the account's keys: they do not expire."
        )
        hmac = functools.partial(apis.account.hmac_keys, project, account)
        gcp_trials.prove_none(
            proof, "no_hmac_keys", "an HMAC key of the account", hmac, "Delete the account's HMAC keys."
        )
        if self._wanted.federation:
            providers = functools.partial(self._other_providers, apis)
            fix = "Delete the pool's other providers: their tokens may name the same subjects."
            gcp_trials.prove_none(proof, "no_other_providers", "another provider of the pool", providers, fix)

    def _other_providers(self, apis: gcp.Apis) -> list[str]:
        names = [str(one.get("name")) for one in apis.location.providers(gcp.pool_path(self._wanted))]
        return [one for one in names if not one.endswith(f"/{self._wanted.name}")]

    # callers

    def _me(self) -> GcsCaller | None:
        """The account of the trust, by whoever may act as it here; ``None`` if nobody may."""
        controller = self._task.params["controller_account"]
        if self._wanted.federation and self._cluster:
            return self._subject(self._wanted.federation.subjects[0], self._wanted.federation.audiences[0])
        if controller:
            return self._caller(functools.partial(self._impersonated, controller.get("auth")))
        return None

    def _impersonated(self, auth: t.Mapping[str, t.Any] | None) -> TokenSource:
        return self._parties.impersonating(self._parties.tokens(auth), self._wanted.account)

    def _subject(self, subject: str, audience: str) -> GcsCaller:
        def login() -> TokenSource:
            if self._cluster is None:
                raise StowageError("cluster_access_missing", "There is no access to the cluster.")
            token = self._cluster.token(subject, audience)
            return self._parties.federated(gcp_policy.audience_of(self._wanted), token, self._wanted.account)

        return self._caller(login)

    def _other(self, auth: t.Mapping[str, t.Any]) -> GcsCaller:
        return self._caller(functools.partial(self._parties.tokens, auth))

    def _caller(self, login: gcp_trials.Login, *, anonymous: bool = False) -> GcsCaller:
        stopped = self._task.progress.stopped
        return GcsCaller(self._parties.session, self._settings, login, stopped, anonymous=anonymous)

    def _plain(self) -> GcsCaller:
        """Nobody, over plain HTTP."""
        endpoint = self._settings.endpoint.replace("https:", "http:", 1)
        settings = dataclasses.replace(self._settings, endpoint=endpoint)
        return GcsCaller(self._parties.session, settings, NoTokens, self._task.progress.stopped, anonymous=True)

    # what is told

    def _auth(self) -> Tree:
        return gcp_policy.auth_of(self._wanted, self._parties.endpoints, str(self._task.params["token_file"]))

    def _controller_auth(self) -> Tree:
        account, endpoints = self._wanted.account, self._parties.endpoints
        return gcp_policy.impersonation_of(account, endpoints) if self._wanted.impersonators else {}

    def _result(self, changes: t.Sequence[Change], lines: t.Sequence[Line], found: gcp.Found) -> dict[str, t.Any]:
        absent = self._request.absent
        return result_of(
            self._task,
            self._request,
            changes,
            lines,
            auth={} if absent else self._auth(),
            controller_auth={} if absent else self._controller_auth(),
            service_account=self._wanted.account,
            documents={} if absent else documents(self._wanted),
            foreign=gcp.foreign(self._wanted, found),
        )


_NO_NAMESAKE: t.Final = "No other namespace has an account of that name."


def documents(wanted: Wanted) -> Tree:
    """All that is to exist, as Google's APIs have it."""
    found: Tree = {
        "bucket_bindings": gcp_policy.bindings(wanted),
        "service_account_members": gcp_policy.members(wanted),
    }
    if wanted.custom_role:
        found["roles"] = gcp_policy.roles(wanted)
    if wanted.federation:
        found["provider"] = gcp_policy.provider(wanted, wanted.federation)
    return found


def wanted_of(params: t.Mapping[str, t.Any], request: Request, settings: GcsSettings) -> Wanted:
    """What the options ask for.

    :raises StowageError: ``invalid_option``, ``invalid_name``.
    """
    project = gcp_policy.check_project("location_account.account", str(params["location_account"]["account"]))
    given = str(params["service_account"] or "")
    account = gcp_policy.check_account_name(given) if given else gcp_policy.account_of(request.name, project)
    wanted = Wanted(
        name=request.name,
        project=project,
        number=_UNKNOWN_NUMBER,
        bucket=settings.bucket,
        prefix=settings.prefix.strip("/"),
        account=account,
        given=bool(given),
        clusters=request.clusters,
        permissions=request.permissions,
        writes_restores=bool(params["writes_restores"]),
        custom_role=bool(params["custom_role"]),
        gke=tuple(_gke(one) for one in params["gke_subjects"] or ()),
        federation=_federation(params["federation"]),
        impersonators=tuple(map(gcp_policy.check_impersonator, params["impersonators"] or ())),
    )
    if len(wanted.clusters) > gcp_policy.MOST_CLUSTERS:
        raise _unfit(
            f"Google allows bindings for at most {gcp_policy.MOST_CLUSTERS} clusters; make more than one trust."
        )
    if not request.absent and not (wanted.gke or wanted.federation or wanted.impersonators):
        raise _unfit("Nobody could act as the account: set gke_subjects, federation or impersonators.")
    if not request.absent:
        gcp_policy.bindings(wanted)
    return wanted


def _gke(given: t.Mapping[str, t.Any]) -> tuple[str, str]:
    project = gcp_policy.check_project("gke_subjects.project", str(given["project"]))
    return project, gcp_policy.check_subject("gke_subjects.subject", str(given["subject"]))


def _federation(given: t.Mapping[str, t.Any] | None) -> Federation | None:
    if not given:
        return None
    issuer = str(given["issuer"])
    if not issuer.startswith("https://"):
        raise _unfit("federation.issuer must be https://, as the iss of the cluster's tokens is.")
    subjects = tuple(sorted({gcp_policy.check_subject("federation.subjects", str(one)) for one in given["subjects"]}))
    audiences = tuple(sorted(set(map(str, given["audiences"]))))
    if not subjects or not audiences or "" in audiences:
        raise _unfit("federation needs subjects and audiences.")
    return Federation(issuer, audiences, subjects, _jwks(given.get("jwks")))


def _jwks(value: t.Any) -> str:
    if not value:
        return ""
    with contextlib.suppress(ValueError, RecursionError):
        found = json.loads(value) if isinstance(value, str) else value
        if isinstance(found, dict) and isinstance(found.get("keys"), list):
            return json.dumps(found, sort_keys=True, separators=(",", ":"))
    raise _unfit("federation.jwks must be what the cluster answers at /openid/v1/jwks, as text or a dictionary.")


def _unfit(message: str) -> StowageError:
    return StowageError("invalid_option", message, "See the documentation of gcp_trust.")


def ensure_gcp_trust(task: Task) -> dict[str, t.Any]:
    """Run the module.

    :raises StowageError: ``trust_in_use``, ``wrong_account``, and what keeps it from being done.
    :raises TaskFailedError: ``trust_not_proven``.
    """
    with contextlib.ExitStack() as stack:
        tokens = None
        if any(task.params.get(name) for name in _CLUSTER_OPTIONS) and not task.params["render_only"]:
            tokens = ClusterTokens(stack.enter_context(reach_cluster(task)))
        trust = GcpTrust(task, tokens)
        stack.callback(trust.close)
        return trust.run()
