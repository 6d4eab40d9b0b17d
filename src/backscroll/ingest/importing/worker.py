"""Running an import job: recognise the files, ask questions, import, and undo. Used by the command and the server.

Whatever interrupts a job, the next process that takes its lease continues it. What is about to be written is first
recorded in the job; the files of an import that replaces another are stored in the archive before the other is
touched; and importing the same data again after a restart changes nothing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from msgspec import Struct, structs

from backscroll.core.errors import BadField, Error, NotFound, Question, StorageError, Unreadable
from backscroll.core.import_jobs import (
    OVER,
    WORKED_ON,
    Asked,
    Item,
    Job,
    JobFailure,
    JobProgress,
    JobState,
    Phase,
    Preview,
)
from backscroll.core.imports import Import, NewImport
from backscroll.core.model import Org
from backscroll.ingest import imports
from backscroll.ingest.importing.answers import START, answers_for, gathered, is_skipped
from backscroll.ingest.importing.kind import ImportKind, Outcome, Plan, Recognised, Stopped, Task, Work, asked_of
from backscroll.ingest.importing.registry import NothingRecognised, kind_of, recognise
from backscroll.ingest.importing.spool import Spool
from backscroll.storage.files.media import MediaStore
from backscroll.storage.store import Store

T = TypeVar("T")

log = logging.getLogger("backscroll.imports")

REPORT_SECONDS = 0.5
"""Minimum time between two updates of the saved progress."""
MAX_ITEMS = 2000
MAX_NOTES = 20
CUT = "This import was cut: import it again, or take back what it told"
INTERNAL = "This import met an error of the program; the log of the server tells more"
_START = Asked(name=START, text="Take this in?", type="confirm", free=False)


class Place(Struct, frozen=True, kw_only=True):
    """What a worker needs besides the job. ``root`` is the given file or folder, if it is not in the spool."""

    store: Store
    media: MediaStore
    spool: Spool
    org: Org
    max_media_bytes: int
    root: Path | None = None
    found: tuple[Recognised, ...] | None = None
    """The kind of import, if the user named it; otherwise it is recognised."""
    asks: bool = True
    """Whether questions become part of the job; otherwise they end it."""
    alive: Callable[[], bool] = lambda: True
    """Returns False when the work is to stop where it is."""
    watch: Callable[[JobProgress], None] = lambda progress: None


class _Changed(Stopped):
    """Another process or request changed the job's state, which has been read again."""


class Worker:
    """Continues one job, whose lease the caller holds, until it has a question, is over, or has to stop."""

    def __init__(self, place: Place, job: Job) -> None:
        self._place = place
        self._store = place.store
        self.job = job
        self._plan: tuple[int, Plan] | None = None
        """The plan of the only entry, so that its file is not read twice."""
        self.outcomes: dict[int, Outcome] = {}
        """What this run did, by number of the entry."""
        self.errors: dict[int, Error] = {}
        self._told = 0.0

    def run(self) -> Job:
        """Raises ``StorageError`` while the database or the disk cannot be used; the job can be continued later."""
        steps: dict[JobState, Callable[[], None]] = {
            "recognising": self._recognise,
            "queued": self._begin,
            "running": self._take_items,
            "cancelling": self._cancel,
            "undoing": self._undo,
        }
        try:
            if self._place.root is None and not self.job.spooled and self.job.state not in ("cancelling", "undoing"):
                self._end_cut()
            while (step := steps.get(self.job.state)) is not None:
                if not self._place.alive():
                    break
                before = self.job.state
                with suppress(_Changed):
                    step()
                self._clean_up(before)
        except Stopped:
            log.info("import %s stops here for now", self.job.id)
        return self.job

    # ------------------------------------------------------------------ recognising

    @property
    def _root(self) -> Path:
        if self._place.root is not None and not self.job.spooled:
            return self._place.root
        return self._place.spool.root_of(self.job.org, self.job.id)

    def _recognise(self) -> None:
        job, root = self.job, self._root
        self._show(JobProgress(phase="recognising"))
        if not root.exists() or (root.is_dir() and not any(root.iterdir())):
            problem = "its files are not here, as after a backup was restored; send them again"
            self._fail(JobFailure(code="FILES_MISSING", message=f"This import cannot go on: {problem}"))
            return
        known = {item.path: item for item in job.found if item.import_id is not None}
        try:
            found = self._place.found or self._guarded(lambda: recognise(root, job.kind))
        except Error as error:
            self.errors[0] = error
            self._fail(_failure_of(error))
            return
        if len(found) > MAX_ITEMS:
            problem = f"{len(found)} things to import are too many at once; the most is {MAX_ITEMS}"
            self._fail(JobFailure(code="TOO_MANY", message=problem))
            return
        items = [self._item(no, one, root) for no, one in enumerate(found, 1)]
        job.found = [known.get(item.path, item) for item in items]
        self._plan_all()

    def _item(self, no: int, found: Recognised, root: Path) -> Item:
        base = root if root.is_dir() else root.parent
        also = tuple(str(path.relative_to(base)) if path.is_relative_to(base) else str(path) for path in found.also)
        return Item(no=no, kind=found.kind, path=str(found.path.relative_to(base)), also=also)

    def _plan_all(self) -> None:
        """Plan each entry, and ask all necessary questions before anything is written."""
        asked: list[tuple[int, Asked]] = []
        new = [item for item in self.job.found if item.import_id is None and item.state != "done"]
        for at, item in enumerate(new):
            self._advance(JobProgress(phase="recognising", item=at + 1, items=len(new), total=len(new), done=at))
            if is_skipped(self.job, item):
                item.state, item.error = "skipped", None
                continue
            plan = self._planned(item)
            if plan is not None:
                asked += [(item.no, one) for one in plan.questions]
        questions = gathered(asked)
        left = [item for item in self.job.found if item.state == "waiting"]
        if left and not questions and self.job.confirm and not self.job.answers.get(START):
            questions.append(structs.replace(_START, items=tuple(item.no for item in left)))
        self._plan = self._plan if len(self.job.found) == 1 and not questions else None
        self.job.questions = questions
        if not left and all(item.state == "failed" for item in self.job.found):
            self._fail(_nothing_left(self.job, self.errors))
        else:
            self._move("asking" if questions else "queued")

    def _planned(self, item: Item) -> Plan | None:
        """The plan of an entry, None if it cannot be imported. Either result is recorded in the entry."""
        item.error, item.state = None, "waiting"
        try:
            plan = self._guarded(lambda: kind_of(item.kind).plan(self._task(item)))
        except Question as question:
            if self._place.asks:
                return self._asking(item, question)
            self._give_up(item, question)
            return None
        except StorageError:
            raise
        except Error as error:
            self._give_up(item, error)
            return None
        item.preview, item.replaces, item.repeats = plan.preview, plan.replaces, plan.repeats
        self._plan = (item.no, plan)
        return plan

    def _asking(self, item: Item, question: Question) -> Plan:
        item.preview = item.preview or Preview()
        return Plan(source=NewImport(kind=item.kind), preview=item.preview, questions=[asked_of(question)])

    def _give_up(self, item: Item, error: Error) -> None:
        item.state, item.error = "failed", str(error)
        self.errors[item.no] = error

    def _guarded(self, work: Callable[[], T]) -> T:
        """Treat running out of memory as an error of the file, so that it does not end the process."""
        try:
            return work()
        except MemoryError as error:
            problem = "this needs more memory than there is; give the program more, or smaller files"
            raise Unreadable("import", self.job.name, problem) from error

    def _task(self, item: Item, as_import: Store | None = None) -> Task:
        root = self._root
        base = root if root.is_dir() else root.parent
        return Task(
            store=as_import or self._store,
            media=self._place.media,
            org=self._place.org,
            found=Recognised(kind=item.kind, path=base / item.path, also=tuple(base / path for path in item.also)),
            answers=answers_for(self.job, item, self._secrets()),
            asks=self._place.asks,
            max_media_bytes=self._place.max_media_bytes,
        )

    def _secrets(self) -> dict[str, str]:
        return self._store.import_jobs.secrets(self.job.org, self.job.id) if self.job.has_secrets else {}

    # ------------------------------------------------------------------ importing

    def _begin(self) -> None:
        self._move("running")

    def _take_items(self) -> None:
        asked: list[tuple[int, Asked]] = []
        for item in self.job.found:
            if item.state in ("waiting", "running"):
                asked += [(item.no, one) for one in self._take(item)]
        self.job.questions = gathered(asked)
        if asked:
            self._move("asking")
        elif any(item.state in ("done", "skipped") for item in self.job.found):
            self._move("done")
        else:
            self._fail(_nothing_left(self.job, self.errors))

    def _take(self, item: Item) -> list[Asked]:
        """Import one entry. If new questions came up since it was planned, returns them and writes nothing."""
        if item.import_id is None:
            plan = self._plan[1] if self._plan and self._plan[0] == item.no else self._planned(item)
            self._plan = None
            if plan is None:
                self._save()
                return []
            if plan.questions:
                return list(plan.questions)
            if plan.repeated is not None:
                self._note(item, plan.repeated)
                return []
            self._replaceable(plan)
            item.decided = plan.decided
            new = structs.replace(plan.source, replaces=plan.replaces)
            entry = self._store.import_jobs.begin_item(self.job, item, new)
            if entry is None:
                self._reload()
            self._write(item, entry, plan)
        else:
            self._resume(item)
        return []

    def _replaceable(self, plan: Plan) -> None:
        """Copy the files to the archive's spool before another import, which they replace, is undone."""
        if plan.replaces and not self.job.spooled:
            given = self._root
            size = sum(file.stat().st_size for file in (given.rglob("*") if given.is_dir() else [given]))
            self._place.spool.check_space(size)
            self._place.spool.adopt(self.job.org, self.job.id, given)
            self.job.spooled = True

    def _resume(self, item: Item) -> None:
        assert item.import_id is not None
        entry = self._store.find_import(self.job.org, item.import_id)
        if entry.state == "running":
            self._write(item, entry, None)
        elif entry.state == "done":
            report = entry.report or {}
            self._note(item, Outcome(report=report, added=report.get("added"), known=report.get("known")))
        else:
            item.state = "failed"
            item.error = (entry.report or {}).get("error") or f"import {entry.id} is {entry.state}"
            self._save()

    def _write(self, item: Item, entry: Import, plan: Plan | None) -> None:
        try:
            gone = self._take_back(item, entry)
            outcome = self._guarded(partial(self._run_kind, item, entry, plan, gone))
        except (Stopped, StorageError):
            raise
        except Error as error:
            self._store.finish_import(self.job.org, entry.id, {"error": str(error)}, "failed")
            self._give_up(item, error)
            self._save()
            return
        if plan is None and outcome.added is not None:
            outcome = self._recounted(entry, outcome, gone)
        self._store.finish_import(self.job.org, entry.id, outcome.report)
        self._note(item, outcome)

    def _take_back(self, item: Item, entry: Import) -> int:
        """Undo the imports that this one replaces; returns how many messages that removed."""
        gone = 0
        for known in entry.replaces:
            show = partial(self._undone, item)
            gone += imports.undo(self._store, self._place.media, self.job.org, known, show).messages
        return gone

    def _undone(self, item: Item, done: int) -> None:
        self._advance(self._progress("replacing", item, done=done))

    def _run_kind(self, item: Item, entry: Import, plan: Plan | None, gone: int) -> Outcome:
        counted: dict[str, int | None] = {"new": None, "known": None}

        def count(new: int, known: int) -> None:
            counted.update(new=max(0, new - gone), known=known + min(new, gone))

        def progress(done: int, total: int | None) -> None:
            self._advance(self._progress("importing", item, done=done, total=total, **counted))

        work = Work(
            task=self._task(item, self._store.as_import(entry.id)),
            import_id=entry.id,
            decided=item.decided,
            ready=None if plan is None else plan.ready,
            resumed=plan is None,
            replaces=entry.replaces,
            taken_back=gone,
            progress=progress,
            count=count,
        )
        progress(0, None)
        return self._kind(item).run(work)

    def _kind(self, item: Item) -> ImportKind:
        return kind_of(item.kind)

    def _recounted(self, entry: Import, outcome: Outcome, gone: int) -> Outcome:
        """After a restart, messages imported before seem known; count what only this import reported instead."""
        all_of_it = (outcome.added or 0) + (outcome.known or 0)
        alone = self._store.plan_undo(self.job.org, entry.id).messages
        added = min(all_of_it, max(0, alone - gone))
        counts = {"added": added, "known": all_of_it - added}
        return structs.replace(outcome, **counts, report=outcome.report | counts)

    def _note(self, item: Item, outcome: Outcome) -> None:
        item.state, item.error = "done", None
        item.added, item.known, item.files = outcome.added, outcome.known, outcome.files
        item.notes = outcome.notes[:MAX_NOTES]
        self.outcomes[item.no] = outcome
        self._save()

    # ------------------------------------------------------------------ undoing

    def _cancel(self) -> None:
        for item in self.job.found:
            if item.import_id is not None:
                self._undo_one(item.import_id)
            item.state = "skipped" if item.state in ("waiting", "running", "done") else item.state
        self.job.questions = []
        self._move("cancelled")

    def _undo(self) -> None:
        """Undo those imports of the job whose undo has begun."""
        entries = self._store.import_jobs.imports(self.job.org, self.job.id)
        for entry in entries:
            if entry.state == "undoing":
                self._undo_one(entry.id)
        entries = self._store.import_jobs.imports(self.job.org, self.job.id)
        self._move("undone" if all(entry.state == "undone" for entry in entries) else "done")

    def _undo_one(self, import_id: int) -> None:
        show = lambda done: self._advance(JobProgress(phase="undoing", done=done))  # noqa: E731
        imports.undo(self._store, self._place.media, self.job.org, import_id, show)

    # ------------------------------------------------------------------ the job itself

    def _progress(self, phase: Phase, item: Item, **counts: Any) -> JobProgress:
        return JobProgress(phase=phase, item=item.no, items=len(self.job.found), **counts)

    def _advance(self, progress: JobProgress) -> None:
        """Show the progress; raises ``Stopped`` if the work is to end here."""
        if not self._place.alive():
            raise Stopped
        now = time.monotonic()
        self._place.watch(progress)
        if now - self._told >= REPORT_SECONDS or progress.phase != getattr(self.job.progress, "phase", None):
            self._told = now
            self._show(progress)

    def _show(self, progress: JobProgress) -> None:
        if not self._store.import_jobs.advance(self.job, progress):
            self._reload()

    def _save(self) -> None:
        if not self._store.import_jobs.save(self.job, self.job.state):
            self._reload()

    def _move(self, state: JobState) -> None:
        before, self.job.state = self.job.state, state
        if state not in WORKED_ON:
            self.job.progress = None
        if not self._store.import_jobs.save(self.job, before):
            self._reload()

    def _reload(self) -> NoReturn:
        """Continue from a state that another process or request set, such as when the job was cancelled."""
        try:
            self.job = self._store.import_jobs.find(self.job.org, self.job.id)
        except NotFound:
            raise Stopped from None
        raise _Changed

    def break_off(self) -> None:
        """End the job after an error of the program itself."""
        self._end("INTERNAL_ERROR", INTERNAL)

    def _end_cut(self) -> None:
        """End the job of an interrupted command, because only that command knew where its files are."""
        self._end("INTERRUPTED", CUT)

    def _end(self, code: str, problem: str) -> None:
        for item in self.job.found:
            if item.state == "running" and item.import_id is not None:
                self._store.finish_import(self.job.org, item.import_id, {"error": problem}, "failed")
            if item.state in ("running", "waiting"):
                item.state, item.error = "failed", problem
        with suppress(_Changed):
            self._fail(JobFailure(code=code, message=problem))
        self._clean_up("running")

    def _fail(self, failure: JobFailure) -> None:
        self.job.error = failure
        self._move("failed")

    def _clean_up(self, before: JobState) -> None:
        """Delete the files when the job is over."""
        if before != "undoing" and not needs_files(self.job):
            self._place.spool.remove(self.job.org, self.job.id)


def needs_files(job: Job) -> bool:
    """Whether a job's files are still needed: until it is over, and if it failed after replacing another import."""
    lost = any(item.state == "failed" and item.replaces and item.import_id for item in job.found)
    return job.state not in OVER or (lost and job.state == "failed")


def _nothing_left(job: Job, errors: Mapping[int, Error]) -> JobFailure:
    """Why nothing of a job can be imported."""
    if len(job.found) == 1:
        item = job.found[0]
        error = errors.get(item.no)
        return _failure_of(error) if error else JobFailure(code="UNREADABLE", message=item.error or "it is unreadable")
    reasons = f"; {job.found[0].path}: {job.found[0].error}" if job.found else ""
    return JobFailure(code="UNREADABLE", message=f"None of {len(job.found)} things can be imported{reasons}")


def _failure_of(error: Error) -> JobFailure:
    code = next((code for kind, code in _CODES if isinstance(error, kind)), "FAILED")
    return JobFailure(code=code, message=str(error), field=error.field if isinstance(error, BadField) else None)


_CODES: tuple[tuple[type[Error], str], ...] = (
    (NothingRecognised, "NOTHING_RECOGNISED"),
    (Question, "QUESTION"),
    (BadField, "BAD_FIELD"),
    (Unreadable, "UNREADABLE"),
)
