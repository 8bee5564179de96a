# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Harmless requests that show what a caller may do in a bucket at Google, and the lines that prove trust. Private to the
collection.

Writing is asked for by an upload that is begun and cancelled, deleting and changing by a condition that no object meets. Google
hides whether an object exists from who may not list, so what is done to an object is decided by objects that are there; without
one the line is unknown. (https://cloud.google.com/storage/docs/json_api/v1/status-codes)
"""

from __future__ import annotations

import dataclasses
import functools
import re
import secrets as random
import threading
import typing as t
import urllib.parse

from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.failures import Failure, LocationError
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_calls import GcsCalls, Request
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_client import GcsSettings, TokenSource
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_settings import held_permissions
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.gcs_upload import ResumableUpload
from ansible_collections.stowage.kubernetes.plugins.module_utils._locations.settle import NewObject
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.closed_trials import elsewhere_of, path_of
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.gcp_answers import (
    ACTING,
    is_refusal,
    is_unmet,
    of_plain_http,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.gcp_policy import PERMISSIONS
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.lines import (
    Answer,
    Expectation,
    Line,
    Seen,
    Trial,
    not_tried,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._trust.sets import Operation, PermissionSet

NOBODY: t.Final = "stowage-trust-check"
"""The folder of a cluster that is not among those of a trust, where no other is known."""
_NO_SAMPLE: t.Final = "There is no object yet by which it could be told; back up once, and try again."
_ANY_STATUS: t.Final = tuple(range(200, 600))
_NOTHING_MORE: t.Final = (
    "Look for bindings of the bucket, its project and its folders that allow more than this trust (trust.foreign)."
)
_PLAIN: t.Final = (
    "Enforce the organization's constraint storage.secureHttpTransport for the bucket's project: without it, Google's XML API answers "
    "over plain HTTP, and whoever sends a token or a signed URL that way shows it to everybody on the way."
)
_OPEN: t.Final = "Look for what lets others in: members of the service account's policy, and its project's bindings."

NEVER: t.Final = (
    "storage.buckets.delete",
    "storage.buckets.setIamPolicy",
    "storage.buckets.update",
    "storage.objects.overrideUnlockedRetention",
    "storage.objects.setIamPolicy",
    "storage.objects.setRetention",
    "storage.objects.update",
)
"""Permissions that nobody needs who backs up, restores or deletes: https://cloud.google.com/storage/docs/access-control/iam-permissions"""

Allowed = t.Mapping[PermissionSet, t.Mapping[Operation, str]]
# Paths in the folder that the set is about; {0} becomes a random word. What is read or deleted is named by its end.
ALLOWED: t.Final[Allowed] = {
    "writer": {"list": "backups/", "create": "backups/{0}/{0}.tar.gz", "read": "/velero-backup.json"},
    "reader": {"list": "backups/", "read": ".tar.gz"},
    "pruner": {"list": "backups/", "read": "/velero-backup.json", "delete": ".tar.gz"},
    "auditor": {"list": "backups/", "read": "/velero-backup.json"},
    "coordinator": {"list": "", "create": "{0}/runs/{0}/expected.json", "read": "/expected.json"},
}
REFUSED: t.Final[Allowed] = {
    "writer": {"read": ".tar.gz", "delete": ".tar.gz"},
    "reader": {"create": "backups/{0}/{0}.tar.gz", "delete": ".tar.gz"},
    "pruner": {"create": "backups/{0}/{0}.tar.gz", "read": ".tar.gz"},
    "auditor": {"create": "backups/{0}/{0}.tar.gz", "read": ".tar.gz", "delete": ".tar.gz"},
    "coordinator": {"create": "{0}/runs/{0}/{0}/1.json", "delete": "/expected.json"},
}
_ELSEWHERE: t.Final[t.Mapping[Operation, str]] = {
    "list": "backups/",
    "create": "backups/{0}/x",
    "read": "",
    "delete": "",
}

Login = t.Callable[[], TokenSource]
"""Gets the caller's tokens. :raises StowageError: if it gets none."""


@dataclasses.dataclass(frozen=True)
class Samples:
    """Names of objects that are there, as the owner of the bucket sees them, and clusters that must be closed."""

    names: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    def find(self, start: str, end: str = "") -> str:
        """One that begins and ends so; empty if there is none."""
        return next((name for name in self.names if name.startswith(start) and name.endswith(end)), "")

    def like(self, prefix: str, path: str, cluster: str) -> str:
        """One that fits a path of another cluster; empty if there is none."""
        pattern = re.escape(prefix) + path_of(
            re.escape(path).replace(r"\{", "{").replace(r"\}", "}"), re.escape(cluster), ".+"
        )
        return next((name for name in self.names if re.fullmatch(pattern, name)), "")

    def outside(self, starts: t.Sequence[str]) -> str:
        """One that begins with none of these; empty if there is none."""
        return next((name for name in self.names if not name.startswith(tuple(starts))), "")


class GcsCaller:
    """Somebody who tries what they may do in a bucket. Logs in when first needed, and again until that succeeds."""

    def __init__(
        self,
        session: t.Any,
        settings: GcsSettings,
        login: Login,
        stopped: threading.Event,
        *,
        anonymous: bool = False,
    ) -> None:
        self._session, self._settings, self._login, self._stopped = session, settings, login, stopped
        self._anonymous = anonymous
        self._calls: GcsCalls | None = None

    def may(self, operation: Operation, key: str) -> Seen:
        """Whether an operation is allowed. Nothing comes of it.

        :param key: the whole name; of an object that is there to read or delete, and of none to create.
        """
        return self._seen(PERMISSIONS[operation], functools.partial(self._try, operation, key))

    def settings(self) -> Seen:
        """Whether the bucket's policy is shown."""

        def ask(calls: GcsCalls) -> None:
            request = Request("GET", f"{calls.bucket_path()}/iam", "look", of_bucket=True)
            _read(calls, request, "Reading the bucket's policy")

        return self._seen("storage.buckets.getIamPolicy", ask)

    def marks(self, key: str) -> Seen:
        """Whether what an object's resource says may be changed, such as its retention. Nothing is.

        :param key: the whole name of an object that is there, and that the caller may read, as they must to change it
            (https://cloud.google.com/storage/docs/access-control/iam-json).
        """

        def ask(calls: GcsCalls) -> None:
            headers = {"Content-Type": "application/json; charset=UTF-8"}
            # No object has been changed so often.
            query = {"ifMetagenerationMatch": str(2**62)}
            request = Request("PATCH", calls.object_path(key), "mark", query=query, headers=headers, body=b"{}")
            calls.once(request, "Trying storage.objects.update")

        return self._seen("storage.objects.update", ask)

    def changes(self) -> Seen:
        """Whether the caller has a permission that no permission set has, as the store says when it is asked."""
        try:
            held = held_permissions(self.calls(), NEVER)
        except StowageError as error:
            return self._refused(error, "Asking for permissions", ACTING)
        if held.value is None:
            return Seen(Answer.UNDECIDED, "The store does not say which permissions the caller has.")
        if held.value:
            return Seen(Answer.ALLOWED, f"{', '.join(sorted(held.value & set(NEVER)))} is granted on the bucket.")
        return Seen(Answer.REFUSED, "None of them is granted on the bucket.")

    def known(self) -> Seen:
        """Whether the caller is somebody: gets a token at all, whatever may be done with it."""
        try:
            self.calls().tokens.headers("GET", self._settings.endpoint)
        except StowageError as error:
            return Seen(Answer.UNDECIDED, error.message)
        except Exception as error:  # noqa: BLE001 - whatever google-auth raises
            return Seen(Answer.UNDECIDED, f"There is no token ({type(error).__name__}).")
        return Seen(Answer.ALLOWED, "A token was given.")

    def plain(self, prefix: str) -> Seen:
        """Whether the bucket is listed over plain HTTP, which the settings' endpoint must be; only for who has no token.

        It is asked by the XML API. The JSON API takes no plain HTTP, whatever the organization wants.
        (https://cloud.google.com/storage/docs/org-policy-constraints, https://cloud.google.com/storage/docs/xml-api/get-bucket-list)
        """
        bucket = urllib.parse.quote(self._settings.bucket, safe="")
        query = {"prefix": prefix, "max-keys": "1"}
        try:
            request = Request("GET", f"/{bucket}", "list", query=query, expected=_ANY_STATUS, of_bucket=True)
            answer = self.calls().once(request, "Listing over plain HTTP")
        except StowageError as error:
            if error.code == "interrupted":
                raise
            return Seen(Answer.UNDECIDED, error.message)
        return of_plain_http(answer.status, answer.data)

    def _seen(self, permission: str, ask: t.Callable[[GcsCalls], None]) -> Seen:
        try:
            calls = self.calls()
        except StowageError as error:
            return self._refused(error, "A token", ACTING)
        try:
            ask(calls)
        except StowageError as error:
            # The condition is not met: whoever may not do it is not told.
            if isinstance(error, LocationError) and is_unmet(error.failure):
                return Seen(Answer.ALLOWED, f"{permission} was allowed.")
            return self._refused(error, permission, permission)
        return Seen(Answer.ALLOWED, f"{permission} was allowed.")

    def _refused(self, error: StowageError, what: str, permission: str) -> Seen:
        """What an error shows: a refusal for want of a permission, or nothing."""
        if error.code == "interrupted":
            raise error
        if isinstance(error, LocationError) and is_refusal(error.failure, permission, anonymous=self._anonymous):
            return Seen(Answer.REFUSED, f"{what} was refused ({error.failure.store_code}).")
        return Seen(Answer.UNDECIDED, f"{what}: {error.message}")

    def calls(self) -> GcsCalls:
        """The bucket, with the caller's tokens."""
        if self._calls is None:
            self._calls = GcsCalls(self._session, self._login(), self._settings, self._stopped)
        return self._calls

    def _try(self, operation: Operation, key: str, calls: GcsCalls) -> None:
        what = f"Trying {PERMISSIONS[operation]}"
        if operation == "create":
            upload = ResumableUpload(calls, NewObject(key, key, what, random.token_hex(16), 0))
            upload.begin(conditional=True)
            upload.cancel()
        elif operation == "list":
            query = {"prefix": key, "maxResults": "1", "fields": "items(name)"}
            _read(calls, Request("GET", calls.objects_path(), "list", query=query, of_bucket=True), what)
        elif operation == "read":
            _read(calls, Request("GET", calls.object_path(key), "read", query={"fields": "name"}), what)
        else:
            # No object has this generation.
            calls.once(Request("DELETE", calls.object_path(key), "delete", query={"ifGenerationMatch": "1"}), what)


def _read(calls: GcsCalls, request: Request, what: str) -> None:
    """A request whose answer is a document. :raises LocationError: also for another answer, such as a login page."""
    if calls.once(request, what).document() is None:
        hint = "Check that the endpoint is Google's JSON API, and proxies on the way."
        raise LocationError(Failure("store_error", f"{what}: what is answered is something else.", hint))


@dataclasses.dataclass
class Proof:
    """Lines to be tried, and those of which it is known that they cannot be."""

    trials: list[Trial] = dataclasses.field(default_factory=list)
    unknown: list[Line] = dataclasses.field(default_factory=list)

    def add(self, trial: Trial, why_not: str = "") -> None:
        """A line; ``why_not`` if it cannot be tried."""
        if why_not:
            self.unknown += not_tried([trial], why_not)
        else:
            self.trials.append(trial)


def prove_set(proof: Proof, me: GcsCaller, name: PermissionSet, place: Place, samples: Samples) -> None:
    """The lines of a permission set in one of its folders, and outside of it."""
    control = place.control(me)
    for expected, operations in (("allowed", ALLOWED[name]), ("refused", REFUSED[name])):
        for operation, path in operations.items():
            key, why_not = _target(operation, place.folder, path, samples)
            trial = _trial(f"{operation}_{expected}", expected, me, operation, key, control=control)
            proof.add(trial, why_not)
    for start, folder, sample in place.elsewhere(samples):
        for operation, path in _ELSEWHERE.items():
            of_sample = operation in ("read", "delete")
            key = sample if of_sample else folder + path.format(random.token_hex(8))
            trial = _trial(f"{start}_{operation}_refused", "refused", me, operation, key, control=control)
            proof.add(trial, _NO_SAMPLE if of_sample and not sample else "")
    prove_closed(proof, me, name, place, samples)
    attempt = me.settings
    fix = "Take roles that read or write the bucket's policy away from the account."
    proof.add(Trial("bucket_policy_refused", "refused", "reading the bucket's policy", attempt, control, fix))
    what = "changing the bucket, its policy, or what objects are guarded by"
    fix = "Take roles that have what is named away from the account."
    proof.add(Trial("bucket_changes_refused", "refused", what, me.changes, control, fix))
    key = samples.find(place.folder, ALLOWED[name]["read"])
    what = f"storage.objects.update at {key.rpartition('/')[0] or place.folder}/"
    attempt = functools.partial(me.marks, key)
    proof.add(
        Trial("object_changes_refused", "refused", what, attempt, control, _NOTHING_MORE), "" if key else _NO_SAMPLE
    )


def prove_closed(proof: Proof, me: GcsCaller, name: PermissionSet, place: Place, samples: Samples) -> None:
    """The lines about other clusters' documents, metadata and records. What is read has to be there: of what is not, there is no line."""
    for other in place.others(samples):
        for id_, operation, path in elsewhere_of(name):
            creates = operation == "create"
            key = (
                place.prefix + path_of(path, other, random.token_hex(8))
                if creates
                else samples.like(place.prefix, path, other)
            )
            if key:
                proof.add(_trial(id_, "refused", me, operation, key, control=place.control(me)))


@dataclasses.dataclass(frozen=True)
class Place:
    """A folder that a trust is about.

    :param prefix: the location's, with a slash at its end or empty.
    :param within: the folder in the location, with a slash at its end.
    :param first: whether what is the same for all folders of the trust is tried with this one.
    """

    prefix: str
    within: str
    first: bool = True

    @property
    def folder(self) -> str:
        """The whole name of the folder, with a slash at its end."""
        return f"{self.prefix}{self.within}"

    def control(self, me: GcsCaller) -> t.Callable[[], Seen]:
        """What everybody with a permission set for the folder may do."""
        return functools.partial(me.may, "list", f"{self.folder}backups/")

    def others(self, samples: Samples) -> tuple[str, ...]:
        """Clusters that must be closed, once for a trust."""
        return samples.others or (NOBODY,) if self.first else ()

    def elsewhere(self, samples: Samples) -> list[tuple[str, str, str]]:
        """Places where the folder's permissions end: how their lines are called, a folder, an object that is there."""
        folders = [f"{self.prefix}clusters/{one}/" for one in self.others(samples)]
        found = [("other_cluster", folder, samples.find(folder)) for folder in folders]
        if self.prefix:
            found.append(("outside_prefix", f"{NOBODY}/", samples.outside([self.prefix])))
        return found


def _target(operation: Operation, folder: str, path: str, samples: Samples) -> tuple[str, str]:
    """What a line is about, and why it cannot be tried if so."""
    if operation in ("read", "delete"):
        found = samples.find(folder, path)
        return found, "" if found else _NO_SAMPLE
    return folder + path.format(random.token_hex(8)), ""


def _trial(
    id_: str, expected: str, caller: GcsCaller, operation: Operation, key: str, *, control: t.Callable[[], Seen] | None
) -> Trial:
    attempt = functools.partial(caller.may, operation, key)
    what = f"{PERMISSIONS[operation]} at {key.rpartition('/')[0] or 'the top'}/"
    if expected == "allowed":
        return Trial(id_, "allowed", what, attempt, fix="Look for deny policies, and for organization policies.")
    return Trial(id_, "refused", what, attempt, control, _NOTHING_MORE)


def prove_strangers(
    proof: Proof, place: Place, strangers: t.Mapping[str, GcsCaller], samples: Samples, *, anonymous: bool = False
) -> None:
    """Lines of callers who may do nothing in a folder. Whose credentials are none are refused whatever the bucket says, so
    all but anonymous ones have to get a token.
    """
    read = samples.find(place.folder)
    for name, caller in strangers.items():
        for operation, key in (
            ("list", f"{place.folder}backups/"),
            ("create", f"{place.folder}backups/{random.token_hex(8)}/x"),
            ("read", read),
        ):
            doing = t.cast("Operation", operation)
            proof.add(
                _trial(
                    f"{name}_{operation}_refused",
                    "refused",
                    caller,
                    doing,
                    key,
                    control=None if anonymous else caller.known,
                ),
                "" if key else _NO_SAMPLE,
            )


def login(
    id_: str,
    expected: Expectation,
    caller: GcsCaller | None,
    place: Place,
    what: str,
    *,
    control: t.Callable[[], Seen] | None = None,
) -> Trial:
    """The line of somebody who gets in at all, or does not. Without a caller it is only named."""
    attempt = functools.partial(caller.may, "list", f"{place.folder}backups/") if caller else _never
    return Trial(id_, expected, what, attempt, control if expected == "refused" else None, _OPEN)


def _never() -> Seen:
    return Seen(Answer.UNDECIDED, "It cannot be tried from here.")


def prove_plain(proof: Proof, place: Place, nobody: GcsCaller) -> None:
    """The line of a listing over plain HTTP, by nobody: no token is sent that way."""
    attempt = functools.partial(nobody.plain, f"{place.folder}backups/")
    proof.add(Trial("plain_http_refused", "refused", "a listing over plain HTTP, by nobody", attempt, None, _PLAIN))


def prove_none(proof: Proof, id_: str, what: str, ask: t.Callable[[], t.Sequence[str]], fix: str) -> None:
    """The line of something that must not exist, such as a key."""

    def attempt() -> Seen:
        try:
            found = ask()
        except StowageError as error:
            return Seen(Answer.UNDECIDED, error.message)
        if found:
            return Seen(Answer.ALLOWED, f"There are {len(found)}.")
        return Seen(Answer.REFUSED, "There is none.")

    proof.add(Trial(id_, "refused", what, attempt, None, fix))
