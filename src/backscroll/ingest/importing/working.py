"""Working on import jobs: in the server, or from the command line with files that remain where they are."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from backscroll.core.errors import NotFound
from backscroll.core.import_jobs import WORKED_ON, Job, JobProgress, NewJob
from backscroll.core.model import Org
from backscroll.ingest.importing.kind import Recognised
from backscroll.ingest.importing.spool import ORPHAN_SECONDS, Spool
from backscroll.ingest.importing.worker import Place, Worker, needs_files
from backscroll.ingest.turns import kept
from backscroll.storage.accounts import leases
from backscroll.storage.files.media import MediaStore
from backscroll.storage.store import Store

TURN_SECONDS = leases.LEASE_US / 1_000_000 + 1
TRY_SECONDS = 0.25


class ImportContext(Struct, frozen=True, kw_only=True):
    """What importing needs of an archive, and the maximum size of a media file in bytes."""

    store: Store
    media: MediaStore
    spool: Spool
    max_media_bytes: int


def import_here(
    context: ImportContext,
    org: Org,
    path: Path,
    answers: Mapping[str, Any],
    *,
    kind: str | None = None,
    found: tuple[Recognised, ...] | None = None,
    watch: Callable[[JobProgress], None] = lambda progress: None,
) -> Worker:
    """Import a file or folder. The returned worker has the finished job, the result of each entry, and the errors.

    Interrupted jobs of earlier commands are continued first. An error of the only entry is raised: ``Question`` if an
    option is missing, ``Unreadable``, and ``StorageError``, after which the command can be run again.
    """
    finish_cut(context, org)
    given = {name: answer for name, answer in answers.items() if answer is not None}
    phone = given.pop("phone", None)
    new = NewJob(origin="cli", name=path.name, state="recognising", phone=phone, kind=kind, answers=given)
    job, lease = context.store.import_jobs.create_taken(org.no, new)
    worker = _work(context, org, job.id, lease, root=path, found=found, asks=False, watch=watch)
    if len(worker.job.found) <= 1 and worker.errors:
        raise next(iter(worker.errors.values()))
    return worker


def finish_cut(context: ImportContext, org: Org) -> list[Job]:
    """Continue interrupted jobs of earlier commands whose files are in the archive; mark the others as interrupted.

    A job that is replacing another import may still have a lease although its process has ended. This waits until the
    lease has expired.
    """
    ended = []
    for id, state, _ in context.store.import_jobs.open_jobs(org.no):
        job = context.store.import_jobs.find(org.no, id)
        if state in WORKED_ON and job.origin == "cli":
            give_up = time.monotonic() + (TURN_SECONDS if job.spooled else 0)
            while (worker := worked(context, org, id)) is None and time.monotonic() < give_up:
                time.sleep(TRY_SECONDS)
            ended += [worker.job] if worker else []
    tidy(context, org.no)
    return ended


def tidy(context: ImportContext, org: int | None = None) -> None:
    """Delete files of finished or unknown jobs, such as after an organisation was deleted or a process was killed."""
    for owner, id, age in context.spool.jobs():
        if org in (None, owner):
            try:
                is_needed = needs_files(context.store.import_jobs.find(owner, id))
            except NotFound:
                is_needed = age < ORPHAN_SECONDS
            if not is_needed:
                context.spool.remove(owner, id)


def worked(context: ImportContext, org: Org, id: str, **more: Any) -> Worker | None:
    """Continue a job as far as possible now; None if another process is working on it.

    ``more`` are fields of ``Place``, ``stopping``, which returns whether to stop, and ``begin``, a replacement of
    ``run``.
    """
    lease = context.store.import_jobs.take_turn(org.no, id)
    return None if lease is None else _work(context, org, id, lease, **more)


def _work(context: ImportContext, org: Org, id: str, lease: leases.Lease, **more: Any) -> Worker:
    jobs = context.store.import_jobs
    stopping, begin = more.pop("stopping", lambda: False), more.pop("begin", Worker.run)
    try:
        with kept(lambda: jobs.keep_turn(lease), "backscroll-import-lease") as ours:
            place = Place(
                store=context.store,
                media=context.media,
                spool=context.spool,
                org=org,
                max_media_bytes=context.max_media_bytes,
                alive=lambda: ours() and not stopping(),
                **more,
            )
            worker = Worker(place, jobs.find(org.no, id))
            begin(worker)
            return worker
    finally:
        jobs.end_turn(lease)
