"""The state of an archive for operators, from counters and newest rows. The cost does not grow with the archive."""

from __future__ import annotations

from msgspec import Struct

from backscroll.core.answers import LastStored
from backscroll.core.imports import ImportState
from backscroll.storage.read.listings import Lists
from backscroll.storage.read.names import Reading
from backscroll.storage.records.rows import only_value

SHOWN_IMPORTS = 5
MAX_COUNTED = 1000
"""Maximum number of counted inputs in quarantine; there may be more."""


class ImportLine(Struct, frozen=True, kw_only=True):
    """One of the latest imports. Times are microseconds."""

    id: int
    kind: str
    file: str | None
    state: ImportState
    started_at: int
    finished_at: int | None


class Quarantine(Struct, frozen=True, kw_only=True):
    """How much input could not be understood, and how much of it waits for a message; only the latest are counted."""

    total: int
    waiting: int


class ArchiveHealth(Struct, frozen=True, kw_only=True):
    """One organisation's part of the archive, and the size of the whole database."""

    messages: int
    chats: int
    phones: int
    last_stored: LastStored | None
    database_bytes: int | None
    """None if the database does not report it."""
    is_search_complete: bool
    quarantine: Quarantine
    imports: list[ImportLine]
    """The latest, newest first."""


def health_of(reading: Reading) -> ArchiveHealth:
    """The current state of the organisation."""
    tx, org = reading.tx, reading.org
    summaries = Lists.of(reading).phone_summaries(tuple(reading.names.phones))
    stored = tx.one("last_stored", {"org": org})
    size = only_value(tx.one("database_size", {}))
    kept = tx.all("latest_quarantined", {"org": org, "limit": MAX_COUNTED})
    return ArchiveHealth(
        messages=sum(summary.messages for summary in summaries),
        chats=sum(summary.chats for summary in summaries),
        phones=len(summaries),
        last_stored=None if stored is None else LastStored(*stored),
        database_bytes=None if size is None else int(size),
        is_search_complete=reading.names.indexed_from is not None and reading.names.indexed_from <= 0,
        quarantine=Quarantine(
            total=sum(count for _, _, count, _ in kept), waiting=sum(count for _, waits, count, _ in kept if waits)
        ),
        imports=[
            ImportLine(id=id, kind=kind, file=file, state=state, started_at=started_at, finished_at=finished_at)
            for id, kind, file, state, started_at, finished_at in tx.all(
                "latest_imports", {"org": org, "limit": SHOWN_IMPORTS}
            )
        ],
    )
