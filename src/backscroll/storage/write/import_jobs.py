"""Import jobs: their table, their files, and the process that works on each."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec import Struct

from backscroll.core.errors import Conflict, NotFound, StorageError
from backscroll.core.import_jobs import OVER, Asked, Item, Job, JobFailure, JobFile, JobProgress, JobState, NewJob
from backscroll.core.imports import Import, NewImport
from backscroll.database.protocol import Engine, Row, Txn
from backscroll.storage.accounts import leases
from backscroll.storage.records.rows import only_value
from backscroll.storage.write.imports import begin_import, import_of
from backscroll.storage.write.live_sources import Seal
from backscroll.storage.write.undo import begin_undo

PREFIX = "imp"
MAX_OPEN = 20
"""Maximum unfinished jobs of an organisation."""
_ENCODER = msgspec.json.Encoder(order="sorted")
_FOUND = msgspec.json.Decoder(list[Item])
_QUESTIONS = msgspec.json.Decoder(list[Asked])
_PROGRESS = msgspec.json.Decoder(JobProgress)
_FAILURE = msgspec.json.Decoder(JobFailure)
_NOTES = msgspec.json.Decoder(tuple[str, ...])
END_OF_TIME = 2**62


class _JobRow(NamedTuple):
    """A row of import_jobs, in the order of columns of the statement list_import_jobs."""

    id: str
    origin: Literal["api", "cli"]
    state: JobState
    name: str
    phone: str | None
    kind: str | None
    answers: str
    confirm: int
    spooled: int
    found: str
    questions: str
    progress: str | None
    error: str | None
    notes: str
    created_at: int
    updated_at: int
    finished_at: int | None
    has_secrets: bool


class TooManyJobs(Conflict):
    """There are too many unfinished jobs to add another one."""

    def __init__(self) -> None:
        super().__init__(f"{MAX_OPEN} imports are unfinished; finish or cancel one of them first")


class Changed(Struct, frozen=True):
    """The state of a changed job, for those who follow it."""

    id: str
    state: JobState
    progress: JobProgress | None
    updated_at: int


class ImportJobs:
    """The jobs of an archive; ``Store.import_jobs``."""

    def __init__(self, engine: Engine, clock: Callable[[], int], seal: Callable[[], Seal]) -> None:
        self._engine = engine
        self._clock = clock
        self._seal = seal

    # ------------------------------------------------------------------ making and finding

    def create(self, org: int, new: NewJob) -> tuple[Job, bool]:
        """Create a job, or find the one created with the same ``request_key``; returns it and whether it is new.

        ``TooManyJobs`` if the organisation has too many unfinished ones.
        """
        id = f"{PREFIX}{secrets.token_hex(10)}"

        def work(tx: Txn) -> tuple[Job, bool]:
            if new.request_key is not None:
                known = only_value(tx.one("import_job_by_key", {"org": org, "request_key": new.request_key}))
                if known is not None:
                    return _job(tx, org, known), False
            if new.origin == "api" and len(tx.all("open_import_jobs", {"org": org})) >= MAX_OPEN:
                raise TooManyJobs
            tx.run("add_import_job", _new_row(new) | {"org": org, "job": id, "now": self._clock()})
            tx.many("add_import_upload", (_file_row(org, id, file) for file in new.files))
            return _job(tx, org, id), True

        return self._engine.write(work, org)

    def create_taken(self, org: int, new: NewJob) -> tuple[Job, leases.Lease]:
        """Create a job whose lease the caller has from the beginning, so that no server process starts on it."""
        id = f"{PREFIX}{secrets.token_hex(10)}"

        def work(tx: Txn) -> tuple[Job, leases.Lease]:
            tx.run("add_import_job", _new_row(new) | {"org": org, "job": id, "now": self._clock()})
            lease = leases.take(tx, org, _lease(id), self._clock())
            assert lease is not None, "nobody knows the job yet"
            return _job(tx, org, id), lease

        return self._engine.write(work, org)

    def find(self, org: int, id: str) -> Job:
        """``NotFound`` when the organisation has no such job."""
        return self._engine.read(lambda tx: _job(tx, org, id), org)

    def page(self, org: int, limit: int, before: tuple[int, str] | None = None) -> list[Job]:
        """Newest first, from after ``before`` (time of creation and id) on."""
        at, id = before or (END_OF_TIME, "")
        params = {"org": org, "before": at, "job": id, "limit": limit}

        def work(tx: Txn) -> list[Job]:
            return [_with_files(tx, org, row) for row in tx.all("list_import_jobs", params)]

        return self._engine.read(work, org)

    def open_jobs(self, org: int) -> list[tuple[str, JobState, int]]:
        """Id, state and time of the last change of unfinished jobs; the longest unchanged first."""
        rows = self._engine.read(lambda tx: tx.all("open_import_jobs", {"org": org}), org)
        return [(id, state, at) for id, state, at in rows]

    def changed(self, org: int, since: int) -> list[Changed]:
        """Jobs that changed after a moment."""
        rows = self._engine.read(lambda tx: tx.all("import_jobs_changed", {"org": org, "since": since}), org)
        return [Changed(id, state, _decoded(_PROGRESS, progress), at) for id, state, progress, at in rows]

    def imports(self, org: int, id: str) -> list[Import]:
        """The imports of a job, in the order in which they began."""
        rows = self._engine.read(lambda tx: tx.all("imports_of_job", {"org": org, "job": id}), org)
        return [import_of(row) for row in rows]

    def without_job(self, org: int, limit: int, before: tuple[int, int] | None = None) -> list[Import]:
        """Imports of files that are part of no job, newest first, from after ``before`` (time and number) on."""
        at, number = before or (END_OF_TIME, 0)
        params = {"org": org, "before": at, "import": number, "limit": limit}
        return [import_of(row) for row in self._engine.read(lambda tx: tx.all("imports_without_job", params), org)]

    def adopt(self, job: Job, import_id: int) -> Job:
        """Create a job for an import that began before there were jobs."""
        row = _row(job) | {"origin": job.origin, "name": job.name, "confirm": 0, "request_key": None}

        def work(tx: Txn) -> Job:
            if tx.one("read_import_job", {"org": job.org, "job": job.id}) is None:
                tx.run("add_import_job", row | {"now": job.created_at})
                tx.one("save_import_job", row | {"expected": job.state, "now": self._clock(), "finished_at": None})
                tx.run("join_import_job", {"org": job.org, "job": job.id, "import": import_id})
            return _job(tx, job.org, job.id)

        return self._engine.write(work, job.org)

    def begin_undo(self, job: Job, imports: Sequence[int]) -> None:
        """Start undoing these imports of a job. The process that works on the job carries it out."""
        before, job.state = job.state, "undoing"

        def work(tx: Txn) -> None:
            for import_id in imports:
                begin_undo(tx, job.org, import_id)
            row = _row(job) | {"expected": before, "now": self._clock(), "finished_at": None}
            if tx.one("save_import_job", row) is None:
                raise Conflict(f"Import {job.id} was changed by another request; read it again")

        self._engine.write(work, job.org)

    def delete(self, org: int, id: str) -> None:
        """Delete a job and its list of files; its imports are not changed."""

        def work(tx: Txn) -> None:
            tx.run("delete_import_uploads", {"org": org, "job": id})
            tx.run("delete_import_job", {"org": org, "job": id})

        self._engine.write(work, org)

    # ------------------------------------------------------------------ files

    def add_files(self, org: int, id: str, files: Sequence[JobFile]) -> None:
        """Add files to a job."""
        self._engine.write(lambda tx: tx.many("add_import_upload", (_file_row(org, id, file) for file in files)), org)

    def receive(self, org: int, id: str, file: int, received: int) -> None:
        """Record how many bytes of a file are durably on disk."""
        base = {"org": org, "job": id}

        def work(tx: Txn) -> None:
            tx.run("receive_import_upload", base | {"file": file, "received": received})
            tx.run("touch_import_job", base | {"now": self._clock()})

        self._engine.write(work, org)

    # ------------------------------------------------------------------ going on

    def save(self, job: Job, expected: JobState) -> bool:
        """Save a job if its state is still ``expected``; returns whether it was. Times are set here."""

        def work(tx: Txn) -> bool:
            now = self._clock()
            finished = (job.finished_at or now) if job.state in OVER else None
            row = tx.one("save_import_job", _row(job) | {"expected": expected, "now": now, "finished_at": finished})
            if row is not None:
                job.updated_at, job.finished_at = now, finished
            return row is not None

        return self._engine.write(work, job.org)

    def advance(self, job: Job, progress: JobProgress) -> bool:
        """Save the progress of a job; False if its state has changed meanwhile."""
        params = {"org": job.org, "job": job.id, "state": job.state, "progress": _ENCODER.encode(progress).decode()}
        job.progress = progress
        return self._engine.write(
            lambda tx: tx.one("advance_import_job", params | {"now": self._clock()}) is not None, job.org
        )

    def begin_item(self, job: Job, item: Item, new: NewImport) -> Import | None:
        """Begin the import of an entry and record it in the job, atomically; None if the job's state has changed."""
        expected = job.state

        def work(tx: Txn) -> Import | None:
            entry = begin_import(tx, job.org, msgspec.structs.replace(new, job=job.id), self._clock())
            item.import_id, item.state, item.replaces = entry.id, "running", new.replaces
            params = _row(job) | {"expected": expected, "now": self._clock(), "finished_at": None}
            if tx.one("save_import_job", params) is None:
                raise _StateChanged
            return entry

        try:
            return self._engine.write(work, job.org)
        except _StateChanged:
            item.import_id, item.state = None, "waiting"
            return None

    def keep_secrets(self, org: int, id: str, given: dict[str, str]) -> None:
        """Store secret answers, sealed, until the job is over."""
        text = self.secrets(org, id) | given
        sealed = self._seal().seal(_ENCODER.encode(text))
        self._engine.write(lambda tx: tx.run("seal_import_secrets", {"org": org, "job": id, "secrets": sealed}), org)

    def secrets(self, org: int, id: str) -> dict[str, str]:
        """The secret answers."""
        sealed = only_value(self._engine.read(lambda tx: tx.one("read_import_secrets", {"org": org, "job": id}), org))
        if sealed is None:
            return {}
        return msgspec.json.decode(self._seal().unseal(bytes(sealed)), type=dict[str, str])

    # ------------------------------------------------------------------ who works on one

    def take_turn(self, org: int, id: str) -> leases.Lease | None:
        """The lease for working on a job; None if another process has it."""
        return self._engine.write(lambda tx: leases.take(tx, org, _lease(id), self._clock()), org)

    def keep_turn(self, lease: leases.Lease) -> bool:
        """Renew the lease; False if another process has taken over."""
        return leases.is_kept(self._engine, lease, self._clock())

    def end_turn(self, lease: leases.Lease) -> None:
        """Release the lease for other processes. If the database is away, the lease expires by itself."""
        params = {"org": lease.org, "name": lease.name, "holder": lease.holder, "term": lease.term}
        with suppress(StorageError):
            self._engine.write(lambda tx: tx.run("drop_lease", params), lease.org)


def _lease(id: str) -> str:
    return f"import {id}"


class _StateChanged(Exception):
    """Raised to roll the transaction back."""


def _new_row(new: NewJob) -> dict[str, Any]:
    return {
        "origin": new.origin,
        "state": new.state,
        "name": new.name,
        "phone": new.phone,
        "kind": new.kind,
        "answers": _ENCODER.encode(new.answers).decode(),
        "confirm": int(new.confirm),
        "spooled": int(new.origin == "api"),
        "request_key": new.request_key,
    }


def _file_row(org: int, id: str, file: JobFile) -> dict[str, Any]:
    return {"org": org, "job": id, "file": file.no, "name": file.name, "size": file.size, "received": file.received}


def _row(job: Job) -> dict[str, Any]:
    return {
        "org": job.org,
        "job": job.id,
        "state": job.state,
        "phone": job.phone,
        "kind": job.kind,
        "answers": _ENCODER.encode(job.answers).decode(),
        "spooled": int(job.spooled),
        "found": _ENCODER.encode(job.found).decode(),
        "questions": _ENCODER.encode(job.questions).decode(),
        "progress": None if job.progress is None else _ENCODER.encode(job.progress).decode(),
        "error": None if job.error is None else _ENCODER.encode(job.error).decode(),
        "notes": _ENCODER.encode(job.notes).decode(),
        "over": int(job.state in OVER),
    }


def _job(tx: Txn, org: int, id: str) -> Job:
    row = tx.one("read_import_job", {"org": org, "job": id})
    if row is None:
        raise NotFound("import", id[:80])
    return _with_files(tx, org, row)


def _with_files(tx: Txn, org: int, values: Row) -> Job:
    row = _JobRow(*values)
    files = tx.all("import_uploads", {"org": org, "job": row.id})
    return Job(
        id=row.id,
        org=org,
        origin=row.origin,
        state=row.state,
        name=row.name,
        phone=row.phone,
        kind=row.kind,
        answers=msgspec.json.decode(row.answers),
        confirm=bool(row.confirm),
        spooled=bool(row.spooled),
        found=_FOUND.decode(row.found),
        questions=_QUESTIONS.decode(row.questions),
        progress=_decoded(_PROGRESS, row.progress),
        error=_decoded(_FAILURE, row.error),
        notes=_NOTES.decode(row.notes),
        created_at=row.created_at,
        updated_at=row.updated_at,
        finished_at=row.finished_at,
        has_secrets=bool(row.has_secrets),
        files=tuple(JobFile(no=no, name=name, size=size, received=received) for no, name, size, received in files),
    )


def _decoded(decoder: msgspec.json.Decoder[Any], text: str | None) -> Any:
    return None if text is None else decoder.decode(text)
