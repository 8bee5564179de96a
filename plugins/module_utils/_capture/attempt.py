# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One attempt at a capture: every selected kind is listed and streamed into an archive. Private to the collection.

Memory is bounded by a few pages, and by the different names that captured objects refer to.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import typing as t

from ansible_collections.stowage.kubernetes.plugins.module_utils import _related as related
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.limits import MAX_OBJECT
from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.manifest import KindRecord
from ansible_collections.stowage.kubernetes.plugins.module_utils._capture import crds
from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.ahead import begun
from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.asked import one_by_one
from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.consistency import Course, Outcome
from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.intake import Intake
from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.lists import Order, Pages, listing
from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.namespaces import Namespaces
from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.report import report_namespaces
from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.survey import (
    NAMESPACES,
    Survey,
    Target,
    extend,
    is_fatal,
    look_again,
)
from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.tasks import Task, Tasks
from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.listing import Page
from ansible_collections.stowage.kubernetes.plugins.module_utils._errors import StowageError
from ansible_collections.stowage.kubernetes.plugins.module_utils._kinds import Kind

if t.TYPE_CHECKING:
    from ansible_collections.stowage.kubernetes.plugins.module_utils._archive.writer import ArchiveWriter
    from ansible_collections.stowage.kubernetes.plugins.module_utils._capture.findings import Findings
    from ansible_collections.stowage.kubernetes.plugins.module_utils._cluster.connection import Connection
    from ansible_collections.stowage.kubernetes.plugins.module_utils._progress import Progress
    from ansible_collections.stowage.kubernetes.plugins.module_utils._selection import Selection

_FIRST_PAGE: t.Final = 4 << 20
"""What the lister aims at for a page."""

_DISCOVERIES: t.Final = 5
_PAUSE: t.Final = 1.0


class Attempt:
    """Lists what a survey found, at the revisions that a course says, into an archive.

    :param check: called with each page; raises to stop.
    :raises StartOver: from :meth:`run`.
    """

    def __init__(
        self,
        conn: Connection,
        selection: Selection,
        survey: Survey,
        *,
        ignored_groups: t.Collection[str],
        last: bool,
        findings: Findings,
        progress: Progress,
        check: t.Callable[[], None],
    ) -> None:
        self._conn = conn
        self._selection = selection
        self.survey = survey
        self._ignored_groups = ignored_groups
        self.findings = findings
        self._progress = progress
        self._check = check
        self.intake: Intake
        filtered = bool(selection.label_selectors) or not selection.all_namespaces
        self._total = None if filtered else survey.total
        self.course = Course(survey.before, survey.after, survey.probes(), last=last)
        self.namespaces = Namespaces(selection)
        self.records: list[KindRecord] = []

    def run(self, writer: ArchiveWriter) -> None:
        """Fill the archive; records, intake and findings then say how well."""
        self._writer = writer
        self._read_namespaces()
        self._agree_with_definitions()
        intake = self.intake = Intake(writer, follow=Tasks.follows(self._selection))
        tasks = Tasks(self._selection, self.survey, self.namespaces, intake)
        straight = [task for task in tasks.straight() if self._is_open(task)]
        for task, future in begun(straight, self._begin, _first_page_size):
            self._take(task, _resumed(future))
        for task in tasks.waiting():
            if self._is_open(task, tasks.wanted_names(task.target)):
                self._take(task, self._pages(task))

    def unpinned(self) -> dict[str, list[str]]:
        """The resources that were not read at the pinned revision, by how they were read."""
        found: dict[str, list[str]] = {}
        for record in self.records:
            if record.consistency != "pinned" and record.count:
                found.setdefault(record.consistency, []).append(record.to_kind().resource)
        return found

    def incomplete(self) -> dict[str, str]:
        """The resources of which something could not be read, and why."""
        return {record.to_kind().resource: record.reason for record in self.records if not record.complete}

    def _take(self, task: Task, pages: Pages) -> None:
        """Take in a kind. A list that fails costs this kind, unless the others would fail as well."""
        kind, count, reason = task.target.kind, 0, ""
        with contextlib.closing(pages):
            while True:
                try:
                    page = next(pages, None)
                except StowageError as error:
                    if is_fatal(self._conn, error):
                        raise
                    reason = error.message
                    break
                if page is None:
                    break
                self._check()
                count += self.intake.take(kind, page.items, task.keep)
                del page
                self._progress.report(
                    "capture",
                    kind.resource,
                    objects=self._writer.objects,
                    total=self._total,
                    size=self._writer.raw_bytes,
                )
        self._record(task, count, reason or self._refused())

    def _refused(self) -> str:
        """What is said of the objects of the last list that were not taken in."""
        large, self.intake.too_large = self.intake.too_large, []
        misnamed, self.intake.misnamed = self.intake.misnamed, 0
        said = []
        if large:
            more = f" and {len(large) - 1} more" if len(large) > 1 else ""
            said.append(f"{large[0]}{more} has more than {MAX_OBJECT >> 20} MiB, which no archive takes")
        if misnamed:
            said.append(f"{misnamed} of its objects have a name or namespace that no API server accepts")
        return ", and ".join(said)

    def _record(self, task: Task, count: int, reason: str) -> None:
        kind = task.target.kind
        consistency = task.outcome.consistency(self.course.pin, not self.course.is_elsewhere(kind))
        record = KindRecord.of(
            kind,
            count=count,
            revision=task.outcome.revision(),
            consistency=consistency,
            complete=not reason,
            reason=reason,
        )
        self.records.append(record)
        self.findings.info(f"{kind.resource}: {count} objects at revision {record.revision} ({consistency})")
        if reason:
            self.findings.error(f"{kind.resource} is not complete: {reason}", cluster=not kind.namespaced)
        elif consistency == "inconsistent":
            self.findings.warn(
                f"{kind.resource} was read at more than one revision, because the cluster compacted them meanwhile.",
                cluster=not kind.namespaced,
            )

    def _is_open(self, task: Task, wanted: int = 0) -> bool:
        """Whether a kind has to be listed; what keeps it from being listed is recorded."""
        target = task.target
        if target.missing:
            self._ask_again(target)
        by_name = target.kind.resource == NAMESPACES and target.namespaces is not None
        if target.forbidden and target.namespaces is None:
            what = f"{wanted} that captured objects name" if wanted else "those that captured objects are tied to"
            self._record(task, 0, f"the account may not list it, so {what} could not be captured")
        elif target.problem:
            self._record(task, 0, target.problem)
        elif target.missing and self.survey.discovery.versions_of(target.kind.group, target.kind.plural):
            self._record(task, 0, "discovery names it, but its API answers that there is no such resource")
        elif target.missing:
            self.findings.warn(f"{target.kind.resource} was served, and then no longer.")
        elif not by_name and target.count == 0 and set(target.revisions) == {self.course.pin}:
            task.outcome.revisions.add(self.course.pin)  # its probe has seen all of it
            self._record(task, 0, "")
        else:
            return True
        return False

    def _ask_again(self, target: Target) -> None:
        """A resource that discovery named and a list did not find: gone, or not yet known to one of several servers."""
        for number in range(_DISCOVERIES):
            if number:
                self._progress.stopped.wait(_PAUSE)
                self._progress.check()
            look_again(self._conn, self._selection, self.survey, self._ignored_groups, target)
            if not target.missing or not self.survey.discovery.versions_of(target.kind.group, target.kind.plural):
                return

    def _begin(self, task: Task) -> _Primed:
        pages = self._pages(task)
        return _Primed([next(pages, None)], pages)

    def _pages(self, task: Task) -> Pages:
        if task.target.kind.resource == NAMESPACES and task.target.namespaces is not None:
            return self._by_name(task.target, task.outcome)
        pages = listing(self._conn, self.course, task.order, task.outcome)
        return self._after_roles(task, pages) if task.scan_roles else pages

    def _after_roles(self, task: Task, pages: Pages) -> Pages:
        references = self.intake.references
        for page in listing(self._conn, self.course, Order(task.target.kind), Outcome()):
            for item in page.items:
                references.note_role(item)
        references.resolve_roles()
        yield from pages

    def _read_namespaces(self) -> None:
        target = self.survey.targets[NAMESPACES]
        if target.namespaces is not None:
            pages = self._by_name(target, Outcome())
        else:
            pages = listing(self._conn, self.course, Order(target.kind, size_hint=target.size_hint), Outcome())
        for page in pages:
            for item in page.items:
                self.namespaces.note(item)
        report_namespaces(self.namespaces, self._selection, self.findings)

    def _by_name(self, target: Target, outcome: Outcome) -> Pages:
        """Namespaces that may be read but not listed. Reads of single objects cannot be pinned."""
        for page in one_by_one(self._conn, target):
            outcome.revisions.update(item.revision for item in page.items)
            yield page

    def _agree_with_definitions(self) -> None:
        """Hold the definitions at the pin against discovery, and ask discovery again while it lacks one."""
        target = self.survey.targets.get(related.CRDS)
        selection = self._selection
        if target is None or target.forbidden or target.problem or target.missing:
            self.findings.info("Definitions of custom resources could not be held against discovery.")
            return
        if selection.included_resources and not selection.unmatched_resources(self.survey.discovery.kinds):
            return
        try:
            self._agree(target.kind)
        except StowageError as error:
            if is_fatal(self._conn, error):
                raise
            self.findings.error(f"Definitions of custom resources could not be held against discovery: {error.message}")

    def _agree(self, definitions: Kind) -> None:
        selection = self._selection
        names = crds.names_at(self._conn, definitions, self.course)
        for number in range(_DISCOVERIES):
            unseen = crds.unseen(names, self.survey.discovery)
            if number:
                unseen = names = [name for name in unseen if crds.is_served(self._conn, definitions, name)]
            if not unseen:
                return
            if number:
                self._progress.stopped.wait(_PAUSE)
                self._progress.check()
            extend(self._conn, selection, self.survey, self._ignored_groups)
        for name in crds.unseen(names, self.survey.discovery):
            plural, _dot, group = name.partition(".")
            if selection.wants_kind(Kind(group, "", plural, "", namespaced=True)):
                self.findings.error(f"{name} is defined, but the API server does not serve it.")


def _first_page_size(task: Task) -> int:
    """A guess at the bytes of a task's first page."""
    return _FIRST_PAGE if task.target.count is None else min(task.target.size, _FIRST_PAGE)


class _Primed(t.NamedTuple):
    """A list whose first page is there, in a list of its own so that it can be let go of."""

    first: list[Page | None]
    rest: Pages


def _resumed(future: concurrent.futures.Future[_Primed]) -> Pages:
    primed = future.result()
    page = primed.first.pop()
    if page is not None:
        handed_over = [page]
        del page
        yield handed_over.pop()
        yield from primed.rest
