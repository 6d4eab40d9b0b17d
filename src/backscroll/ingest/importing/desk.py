"""Operations on jobs: create, add files, answer, cancel, undo, delete."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct, structs

from backscroll.core.errors import BadField, Conflict, Error, NotFound
from backscroll.core.import_jobs import OVER, Item, Job, JobFailure, JobFile, JobState, NewJob
from backscroll.core.imports import Import, UndoPlan
from backscroll.core.model import Org
from backscroll.ingest.importing.answers import SECRETS, checked, joined
from backscroll.ingest.importing.registry import kind_of
from backscroll.ingest.importing.spool import Appender, Spool, safe_name
from backscroll.ingest.importing.worker import needs_files
from backscroll.storage.store import Store
from backscroll.storage.write.import_jobs import ImportJobs

MAX_FILES = 1000
_SLASH = re.compile("/")
EXPIRES_US = 7 * 24 * 3600 * 1_000_000
"""A job that waits for the user for this long expires."""
WITHOUT_JOB = "import-"
"""Prefix of the id of an import that is part of no job; its number follows."""


class TooLarge(Error):
    """More bytes than an import may have, or than was announced for a file."""


class Seen(Struct, frozen=True):
    """A job with its imports."""

    job: Job
    imports: list[Import]


class Upload:
    """A file of a job, open for further bytes. What was written is recorded at regular intervals."""

    SYNC_BYTES = 8 << 20

    def __init__(self, desk: Desk, job: Job, file: JobFile, appender: Appender | None) -> None:
        self._desk = desk
        self._job = job
        self._file = file
        self._appender = appender
        self._counted = file.received

    @property
    def state(self) -> str:
        """The job's state when the file was opened."""
        return self._job.state

    @property
    def size(self) -> int:
        """The announced size of the file in bytes."""
        return self._file.size

    @property
    def at(self) -> int:
        """The offset of the next byte."""
        return self._counted if self._appender is None else self._appender.at

    def write(self, data: bytes) -> None:
        """Append bytes."""
        assert self._appender is not None, "nothing is written to a job that waits for no file"
        self._appender.write(data)
        if self._appender.at - self._counted >= self.SYNC_BYTES:
            self._count()

    def finish(self, data: bytes) -> None:
        """Append the last bytes of this request. Everything written is recorded when this returns."""
        if data:
            self.write(data)
        if self._appender is not None and self._appender.at > self._counted:
            self._count()

    def _count(self) -> None:
        assert self._appender is not None
        self._counted = self._appender.sync()
        self._desk.received(self._job, self._file.no, self._counted)

    def close(self) -> None:
        """Let other requests send this file."""
        if self._appender is not None:
            self._appender.close()


class Desk:
    """The import jobs of an archive. ``news`` is set when there is something to work on."""

    def __init__(self, store: Store, spool: Spool, max_bytes: int) -> None:
        self._store = store
        self.spool = spool
        self._max_bytes = max_bytes
        self.news = threading.Event()

    @property
    def _jobs(self) -> ImportJobs:
        return self._store.import_jobs

    # ------------------------------------------------------------------ making

    def create(self, org: Org, new: NewJob) -> tuple[Seen, bool]:
        """Create a job, or find the one with the same ``request_key``; returns it and whether it is new.

        ``BadField`` for invalid file names and answers, ``TooLarge``, ``StorageFull``, and ``TooManyJobs`` while there
        are too many unfinished jobs.
        """
        if new.kind is not None:
            kind_of(new.kind)
        files = self._checked_files(new.files, ())
        answers = joined({}, checked(new.answers))
        secrets = _taken_out(answers)
        job, is_new = self._jobs.create(org.no, structs.replace(new, files=files, answers=answers))
        if is_new and secrets:
            self._jobs.keep_secrets(org.no, job.id, secrets)
        if is_new:
            self._settle(job)
        return self.see(org, job.id), is_new

    def add_files(self, org: Org, id: str, files: Sequence[JobFile]) -> Seen:
        """Add files to a job that is waiting for files or answers, such as the key of a backup."""
        job = self._jobs.find(org.no, id)
        self._must(job, "uploading", "asking")
        more = self._checked_files(files, job.files)
        self._jobs.add_files(org.no, id, more)
        job = self._jobs.find(org.no, id)
        before, job.state, job.questions = job.state, "uploading", []
        if not self._jobs.save(job, before):
            raise _changed(job)
        self._settle(job)
        return self.see(org, id)

    def _checked_files(self, files: Sequence[JobFile], known: Sequence[JobFile]) -> tuple[JobFile, ...]:
        if not files:
            raise BadField("files", None, "must name at least one file")
        if len(files) + len(known) > MAX_FILES:
            raise BadField("files", None, f"must be at most {MAX_FILES}; pack them into a zip, or import them in parts")
        names = [file.name for file in known] + [safe_name(file.name) for file in files]
        folders = {name[: at.start()] for name in names for at in _SLASH.finditer(name)}
        if len(set(names)) < len(names) or folders & set(names):
            raise BadField("files", None, "must have names that differ, none of them also that of a folder")
        if any(file.size < 0 for file in files):
            raise BadField("files", None, "must each have a size in bytes")
        size = sum(file.size for file in (*known, *files))
        if size > self._max_bytes:
            raise TooLarge(f"An import may have {self._max_bytes} bytes, and this has {size}; see max_import_bytes")
        self.spool.check_space(sum(file.size for file in files))
        first = len(known) + 1
        return tuple(JobFile(no=no, name=safe_name(file.name), size=file.size) for no, file in enumerate(files, first))

    # ------------------------------------------------------------------ uploads

    def upload(self, org: Org, id: str, no: int) -> tuple[Job, JobFile]:
        """A file of a job; ``NotFound``."""
        job = self._jobs.find(org.no, id)
        for file in job.files:
            if file.no == no:
                return job, file
        raise NotFound("file of this import", str(no))

    def open_upload(self, org: Org, id: str, no: int) -> Upload:
        """Continue the upload of a file; to be closed. ``NotFound``, ``Busy``, ``Conflict`` if its bytes are gone."""
        job, file = self.upload(org, id, no)
        if job.state != "uploading":
            return Upload(self, job, file, None)
        appender = self.spool.append(org.no, id, file.name)
        try:
            # A request that had the file open until now may have written to it since.
            job, file = self.upload(org, id, no)
            if appender.size < file.received:
                self.lose(job)
                raise Conflict("The bytes that were received before are gone; create the import anew")
            appender.at = file.received
        except BaseException:
            appender.close()
            raise
        return Upload(self, job, file, appender)

    def received(self, job: Job, no: int, at: int) -> None:
        """Record that a file is durably on disk up to the offset ``at``. With the last file the job continues."""
        self._jobs.receive(job.org, job.id, no, at)
        self._settle(self._jobs.find(job.org, job.id))

    def _settle(self, job: Job) -> None:
        """Continue the job if all files are there."""
        if job.state != "uploading" or any(file.received < file.size for file in job.files):
            return
        self.spool.make(job.org, job.id, [file.name for file in job.files if not file.size])
        job.state = "recognising"
        if self._jobs.save(job, "uploading"):
            self.news.set()

    def lose(self, job: Job) -> None:
        """Record that the received files no longer exist, such as after a backup was restored."""
        before, job.state = job.state, "failed"
        job.error = JobFailure(code="FILES_MISSING", message="The files of this import are gone; send them again")
        self._jobs.save(job, before)

    # ------------------------------------------------------------------ answering

    def answer(self, org: Org, id: str, given: Mapping[str, Any]) -> Seen:
        """Save answers, and have the job's files recognised again with them. ``BadField`` names an unusable answer."""
        answers = checked(given)
        job = self._jobs.find(org.no, id)
        self._must(job, "asking")
        known = {str(item.no) for item in job.found}
        for no in answers.get("items", {}):
            if no not in known:
                raise BadField("items", no, f"must be numbers of entries: {', '.join(sorted(known, key=int))}")
        secrets = _taken_out(answers)
        if secrets:
            self._jobs.keep_secrets(org.no, id, secrets)
        job.answers = joined(job.answers, answers)
        job.phone = job.answers.pop("phone", job.phone)
        job.questions, job.state = [], "recognising"
        if not self._jobs.save(job, "asking"):
            raise _changed(job)
        self.news.set()
        return self.see(org, id)

    def retry(self, org: Org, id: str) -> Seen:
        """Retry a failed job whose files still exist, which is one that failed after it had replaced another import."""
        job = self._jobs.find(org.no, id)
        if job.state != "failed" or not needs_files(job) or not self.spool.folder(org.no, id).is_dir():
            raise Conflict("Only an import that failed after it took another's place has its files here; send it again")
        for item in job.found:
            if item.state == "failed":
                # This becomes a new import with its own number, because the first one has ended.
                item.state, item.error, item.import_id = "waiting", None, None
        job.state, job.error, job.finished_at = "recognising", None, None
        if not self._jobs.save(job, "failed"):
            raise _changed(job)
        self.news.set()
        return self.see(org, id)

    # ------------------------------------------------------------------ ending

    def cancel(self, org: Org, id: str) -> Seen:
        """Cancel a job. A running one stops soon and removes what it has imported; repeating this has no further
        effect.

        ``Conflict`` if it is over, or has begun to replace another import.
        """
        job = self._jobs.find(org.no, id)
        before = job.state
        if before in ("cancelled", "cancelling"):
            return self.see(org, id)
        if before in OVER or before == "undoing":
            raise Conflict(f"This import is {before}; it can be taken back, and no longer be cancelled")
        if any(item.state == "running" and item.replaces for item in job.found):
            raise Conflict("This import is taking the place of another, and will end; it can be taken back afterwards")
        told = any(item.import_id for item in job.found)
        job.state = "cancelling" if told or before in ("running", "queued", "recognising") else "cancelled"
        job.questions = []
        if not self._jobs.save(job, before):
            return self.cancel(org, id)
        if job.state == "cancelled":
            self.spool.remove(org.no, id)
        self.news.set()
        return self.see(org, id)

    def expire(self, org: Org, id: str, state: JobState) -> None:
        """End a job that has been waiting in this state for too long."""
        job = self._jobs.find(org.no, id)
        told = any(item.import_id for item in job.found)
        job.state, job.questions = "cancelling" if told else "cancelled", []
        job.error = JobFailure(code="EXPIRED", message="Nobody went on with this import for seven days")
        if self._jobs.save(job, state) and not told:
            self.spool.remove(org.no, id)

    def plan_undo(self, org: Org, id: str) -> list[UndoPlan]:
        """What undoing each import of the job would do; undone ones are left out."""
        return [
            self._store.plan_undo(org.no, entry.id) for entry in self.see(org, id).imports if entry.state != "undone"
        ]

    def undo(self, org: Org, id: str, only: Sequence[int] | None = None) -> Seen:
        """Start undoing all or some imports of a job. ``Conflict`` while the job is running."""
        seen = self.see(org, id)
        if seen.job.state in ("undoing", "undone") and only is None:
            return seen
        if seen.job.state not in ("done", "failed", "undoing"):
            raise Conflict(f"This import is {seen.job.state}; cancel it instead")
        entries = {entry.id: entry for entry in seen.imports}
        if unknown := [no for no in only or () if no not in entries]:
            raise BadField("imports", str(unknown[0]), f"must be imports of this job: {', '.join(map(str, entries))}")
        wanted = [no for no in (entries if only is None else only) if entries[no].state != "undone"]
        if not wanted:
            raise Conflict("This import told nothing that could be taken back")
        job = seen.job
        if seen.imports[0].job is None:
            job = self._jobs.adopt(job, seen.imports[0].id)
        self._jobs.begin_undo(job, wanted)
        self.news.set()
        return self.see(org, job.id)

    def delete(self, org: Org, id: str) -> None:
        """Delete a job that is over and has no imported data left in the archive; ``Conflict`` for others."""
        seen = self.see(org, id)
        if seen.job.state not in OVER or any(entry.state in ("done", "undoing") for entry in seen.imports):
            raise Conflict("Only an import that is over and tells nothing can be forgotten; take it back first")
        if id.startswith(WITHOUT_JOB):
            raise Conflict("This import was no job; it stays in the list")
        self._jobs.delete(org.no, id)
        self.spool.remove(org.no, id)

    # ------------------------------------------------------------------ seeing

    def see(self, org: Org, id: str) -> Seen:
        """A job with its imports; ``NotFound``."""
        number = id.removeprefix(WITHOUT_JOB)
        if id.startswith(WITHOUT_JOB) and number.isdecimal() and len(number) <= 15:
            entry = self._store.find_import(org.no, int(number))
            if entry.job is None:
                return Seen(as_job(org.no, entry), [entry])
        return Seen(self._jobs.find(org.no, id), self._jobs.imports(org.no, id))

    def page(self, org: Org, limit: int, before: tuple[int, str] | None) -> tuple[list[Seen], tuple[int, str] | None]:
        """Jobs and imports without a job, newest first, and the position from which to continue."""
        jobs = [Seen(job, self._jobs.imports(org.no, job.id)) for job in self._jobs.page(org.no, limit + 1, before)]
        others = self._jobs.without_job(org.no, limit + 1, _before_import(before))
        both = jobs + [Seen(as_job(org.no, entry), [entry]) for entry in others]
        both.sort(key=lambda seen: (seen.job.created_at, seen.job.id), reverse=True)
        last = both[limit - 1].job if len(both) > limit else None
        return both[:limit], None if last is None else (last.created_at, last.id)

    def _must(self, job: Job, *states: str) -> None:
        if job.state not in states:
            raise Conflict(f"This import is {job.state} now, not {' or '.join(states)}")


def _taken_out(answers: dict[str, Any]) -> dict[str, str]:
    """Remove the secret answers from the others and return them. Those given for one entry apply to all entries."""
    found = {name: answers.pop(name) for name in SECRETS & answers.keys()}
    for own in answers.get("items", {}).values():
        found |= {name: own.pop(name) for name in SECRETS & own.keys()}
    return {name: value for name, value in found.items() if value is not None}


def _changed(job: Job) -> Conflict:
    return Conflict(f"Import {job.id} was changed by another request; read it again")


def _before_import(before: tuple[int, str] | None) -> tuple[int, int] | None:
    if before is None:
        return None
    number = before[1].removeprefix(WITHOUT_JOB)
    # At equal times, jobs (imp…) sort behind imports without a job (import-…) because both are sorted by id.
    return before[0], int(number) if number.isdecimal() else 0


def as_job(org: int, entry: Import) -> Job:
    """An import that is part of no job, in the shape of one."""
    states = {"running": "failed", "done": "done", "failed": "failed", "undoing": "undoing", "undone": "undone"}
    report = entry.report or {}
    error = report.get("error") if entry.state == "failed" else "It was cut" if entry.state == "running" else None
    item = Item(no=1, kind=entry.kind, path=entry.file or entry.kind, import_id=entry.id, replaces=entry.replaces)
    item.state = "failed" if error else "done"
    item.error, item.added, item.known = error, report.get("added"), report.get("known")
    return Job(
        id=f"{WITHOUT_JOB}{entry.id}",
        org=org,
        origin="cli",
        state=states[entry.state],  # type: ignore[arg-type]
        name=entry.file or entry.kind,
        phone=entry.answers.get("phone"),
        kind=entry.kind,
        answers={name: answer for name, answer in entry.answers.items() if name != "phone"},
        confirm=False,
        spooled=False,
        found=[item],
        questions=[],
        progress=None,
        error=None if error is None else JobFailure(code="FAILED", message=error),
        notes=(),
        created_at=entry.started_at,
        updated_at=entry.finished_at or entry.started_at,
        finished_at=entry.finished_at,
    )
