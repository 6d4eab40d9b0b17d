"""An import at the command line: a job like any other, done by this process, of files that lie where they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from backscroll.core.import_jobs import WORKED_ON, Job, JobProgress, NewJob
from backscroll.core.model import Org
from backscroll.ingest.importing.kind import Recognised
from backscroll.ingest.importing.spool import Spool
from backscroll.ingest.importing.worker import Place, Worker
from backscroll.ingest.turns import kept
from backscroll.storage.files.media import MediaStore
from backscroll.storage.store import Store


class Hall(Struct, frozen=True, kw_only=True):
    """An archive with what importing needs besides."""

    store: Store
    media: MediaStore
    spool: Spool
    max_media_bytes: int


def import_here(
    hall: Hall,
    org: Org,
    path: Path,
    answers: Mapping[str, Any],
    *,
    kind: str | None = None,
    found: tuple[Recognised, ...] | None = None,
    watch: Callable[[JobProgress], None] = lambda progress: None,
) -> Worker:
    """Import a file or folder. The worker has the job as it ended, what each entry did, and what was wrong.

    First go on with what an earlier command began and could not end. An error of the only entry is raised: ``Question``
    where an option is missing, ``Unreadable``, and ``StorageError`` after which the command may be run again.
    """
    finish_cut(hall, org)
    given = {name: answer for name, answer in answers.items() if answer is not None}
    phone = given.pop("phone", None)
    new = NewJob(origin="cli", name=path.name, state="recognising", phone=phone, kind=kind, answers=given)
    job, _ = hall.store.import_jobs.create(org.no, new)
    worker = worked(hall, org, job.id, root=path, found=found, asks=False, watch=watch)
    assert worker is not None, "nobody else knows the job yet"
    if len(worker.job.found) <= 1 and worker.errors:
        raise next(iter(worker.errors.values()))
    return worker


def finish_cut(hall: Hall, org: Org) -> list[Job]:
    """Go on with what earlier commands began, if its files are with the archive; note of the rest that it was cut."""
    ended = []
    for id, state, _ in hall.store.import_jobs.open_jobs(org.no):
        if state in WORKED_ON and hall.store.import_jobs.find(org.no, id).origin == "cli":
            worker = worked(hall, org, id)
            ended += [worker.job] if worker else []
    return ended


def worked(hall: Hall, org: Org, id: str, **more: Any) -> Worker | None:
    """Go on with a job as far as it goes now; None when another process is at it. ``more`` are fields of ``Place``."""
    jobs = hall.store.import_jobs
    lease = jobs.take_turn(org.no, id)
    if lease is None:
        return None
    stopping = more.pop("stopping", lambda: False)
    try:
        with kept(lambda: jobs.keep_turn(lease), "backscroll-import-lease") as ours:
            place = Place(
                store=hall.store,
                media=hall.media,
                spool=hall.spool,
                org=org,
                max_media_bytes=hall.max_media_bytes,
                alive=lambda: ours() and not stopping(),
                **more,
            )
            worker = Worker(place, jobs.find(org.no, id))
            worker.run()
            return worker
    finally:
        jobs.end_turn(lease)
