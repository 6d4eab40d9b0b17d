"""The state of the archive: sizes, the latest imports, sources, the last check, and problems that need attention."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from backscroll.core.model import Access
from backscroll.dialects.native.health import render_health
from backscroll.http.messages import AppState, Reply, Request
from backscroll.http.router import Answer, Route
from backscroll.http.routes.sources import states_for
from backscroll.http.routes.tokens import NO_STORE, manager
from backscroll.ingest.source_state import Problem, SourceState
from backscroll.storage.files.opening import sqlite_file
from backscroll.storage.read.health import MAX_COUNTED, ArchiveHealth, health_of
from backscroll.storage.store import Store
from backscroll.storage.transfer.check.last import LastCheck, last_check

LITTLE_SPACE = 2 * 2**30
"""In bytes; the problem is reported only if less than a twentieth of the disk is free as well."""
_DAY = 86_400_000_000
_DEAD_AFTER = _DAY // 24
"""A webhook receiver that fails for this long is reported as a problem."""
_CUT_AFTER = _DAY
"""An import that has been running for this long is assumed to be interrupted."""


async def get_health(request: Request) -> Reply:
    """The state of the archive, for managers of the organisation."""
    access, app = manager(request, "the archive"), request.app
    body = await request.app.workers.run(lambda: _health(app, access), org=access.org.no, heavy=True)
    return Reply(200, body, (NO_STORE,))


def _health(app: AppState, access: Access) -> bytes:
    store, settings, now = app.store, app.settings, time.time_ns() // 1000
    found = store.ask(access.org.no, health_of)
    sources = states_for(store, access)
    checked = last_check(settings.data)
    total, free = _disk(settings.data)
    stored = found.last_stored
    facts: dict[str, Any] = {
        "version": version("backscroll"),
        "archive": store.archive_id(),
        "schema": store.schema(),
        "engine": "sqlite" if sqlite_file(settings.database, settings.data) else "postgresql",
        "database_bytes": found.database_bytes,
        "disk_bytes": total,
        "disk_free_bytes": free,
        "messages": found.messages,
        "chats": found.chats,
        "phones": found.phones,
        "last_stored_at": stored.at if stored else None,
        "last_source": stored.source if stored else None,
        "search_complete": found.is_search_complete,
        "quarantined": found.quarantine.total,
        "quarantined_waiting": found.quarantine.waiting,
    }
    problems = [
        *_space(total, free),
        *_findings(checked, access.org.no),
        *_imports(found, now),
        *_sources(sources),
        *_webhooks(store, access.org.no, now),
        *_quarantine(found),
        *_index(found),
    ]
    check = None if checked is None else (checked.at, checked.media, checked.of(access.org.no))
    return render_health(facts, found.imports, sources, problems, check)


def _disk(data: Path) -> tuple[int | None, int | None]:
    """Total and free bytes on the disk of the data directory."""
    try:
        usage = shutil.disk_usage(data)
    except OSError:
        return None, None
    return usage.total, usage.free


def _space(total: int | None, free: int | None) -> Iterator[Problem]:
    if total and free is not None and free < min(LITTLE_SPACE, total // 20):
        yield Problem(
            code="disk_full",
            text=f"Only {free // 2**20:,} MB are free on the disk of the data directory.",
            remedy="Free some space soon: without it nothing more can be stored.",
        )


def _findings(checked: LastCheck | None, org: int) -> Iterator[Problem]:
    found = None if checked is None else checked.of(org)
    if checked is not None and found is not None and found.count:
        yield Problem(
            code="check",
            text=f"The last check found {found.count:,} thing{'' if found.count == 1 else 's'} wrong.",
            remedy="List them, then repair what can be repaired: backscroll check, then backscroll check --repair",
            at=checked.at,
        )


def _imports(found: ArchiveHealth, now: int) -> Iterator[Problem]:
    for one in found.imports:
        name = one.file or one.kind
        if one.state == "failed":
            yield Problem(
                code="import_failed",
                text=f"Import {one.id} ({name}) failed.",
                remedy=f"Import the file again, or undo the import: backscroll import undo {one.id}",
                at=one.finished_at,
            )
        elif one.state == "undoing" or (one.state == "running" and now - one.started_at > _CUT_AFTER):
            again = "backscroll import undo" if one.state == "undoing" else "backscroll import show"
            yield Problem(
                code="import_cut",
                text=f"Import {one.id} ({name}) has not finished.",
                remedy=f"If no process is working on it any more, continue with: {again} {one.id}",
                at=one.started_at,
            )


def _sources(sources: list[SourceState]) -> Iterator[Problem]:
    for standing in sources:
        problem, phone = standing.problem, standing.phone
        if problem is not None:
            of = f" of +{phone.number}" if phone else ""
            yield Problem(
                code=f"source_{problem.code}",
                text=f"Source {standing.source.kind}{of}: {problem.text}",
                remedy=problem.remedy,
                at=problem.at,
            )


def _webhooks(store: Store, org: int, now: int) -> Iterator[Problem]:
    for webhook in store.webhooks.of(org):
        named = f"{webhook.name} ({webhook.id})" if webhook.name else webhook.id
        since = webhook.failing_since
        if webhook.enabled and since is not None and now - since > _DEAD_AFTER:
            yield Problem(
                code="webhook_failing",
                text=f"Webhook {named} has accepted nothing for a while: {webhook.last_error}.",
                remedy="Check the receiver; waiting events are sent as soon as it answers. Its deliveries: "
                f"backscroll webhook deliveries {webhook.id}",
                at=since,
            )
        parked = store.outbox.counts(org, webhook.id).parked
        if parked:
            yield Problem(
                code="webhook_parked",
                text=f"{parked:,} event{' was' if parked == 1 else 's were'} given up for webhook {named}.",
                remedy=f"Send them again with: backscroll webhook redeliver {webhook.id} --parked",
            )


def _quarantine(found: ArchiveHealth) -> Iterator[Problem]:
    count = found.quarantine.total - found.quarantine.waiting
    if count:
        many = f"At least {count:,}" if found.quarantine.total >= MAX_COUNTED else f"{count:,}"
        yield Problem(
            code="quarantine",
            text=f"{many} input{'' if count == 1 else 's'} could not be understood and {'is' if count == 1 else 'are'} "
            "kept in quarantine.",
            remedy="See why with: backscroll quarantine list. After an update of Backscroll run: backscroll "
            "quarantine retry",
        )


def _index(found: ArchiveHealth) -> Iterator[Problem]:
    if not found.is_search_complete and found.messages:
        yield Problem(
            code="search_incomplete",
            text="The search index is being built. Some older messages are not found yet.",
            remedy="A running server does this by itself.",
        )


ROUTES: tuple[Route, ...] = (
    Route(
        method="GET",
        path="/api/health",
        dialect="backscroll",
        summary="Show the state of the archive",
        description=(
            "Sizes, the latest imports, live sources, what the last `backscroll check` found, and `problems`: what "
            "needs somebody's attention, each with a remedy. `/health` shows without a credential whether the server "
            "is well."
        ),
        handler=get_health,
        scope="admin",
        answers={200: Answer(description="OK", schema="backscroll.Health")},
        errors=(401, 403, 429),
        tag="backscroll: archive",
    ),
)
