"""Writing the pieces of a reader to the archive, in order, with the files that belong to them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from msgspec import Struct, structs, to_builtins

from backscroll.core.errors import Error
from backscroll.core.events import Batch, Event, MediaHeld, MessageSeen
from backscroll.core.imports import Import, NewImport
from backscroll.core.text import counted
from backscroll.ingest.connectors.foreign.pieces import Piece
from backscroll.ingest.connectors.foreign.rows import OnSkip, Skipped
from backscroll.ingest.databases.local_files import LocalFiles
from backscroll.ingest.pipeline import apply_all
from backscroll.storage.records.org_state import Applied
from backscroll.storage.store import Store

MAX_NAMED = 200
"""Maximum problems listed in a report; further ones are only counted."""
MAX_QUARANTINED = 10_000
"""Maximum rows of one import that are kept in quarantine, because a badly damaged file has many more."""

Pieces = Callable[[str | None, OnSkip], Iterator[Piece]]
"""Reads from a position on, None for the beginning, and reports every row that it cannot read."""
Progress = Callable[[int, int | None], None]


class ImportOutcome(Struct, kw_only=True):
    """What an import of databases did. ``messages`` counts messages read, ``changed`` rows of the archive."""

    messages: int = 0
    changed: int = 0
    files: int = 0
    """Files of messages that are now in the archive."""
    files_missing: int = 0
    """Files that are not where the database says."""
    left_out: int = 0
    partly_read: int = 0
    problems: list[str] = []
    resumed: bool = False
    import_id: int | None = None

    def name(self, problem: str) -> None:
        """Add a problem to the report while there is room."""
        if len(self.problems) < MAX_NAMED:
            self.problems.append(problem)
        elif len(self.problems) == MAX_NAMED:
            self.problems.append("… and more; all of them are counted above")


@contextmanager
def importing(store: Store, org: int, source: NewImport) -> Iterator[tuple[Import, Store, ImportOutcome]]:
    """Begin the import, or continue an interrupted one; record the result at the end."""
    cut = _cut(store, org, source)
    entry = cut or store.begin_import(org, source)
    taken = ImportOutcome(import_id=entry.id, resumed=cut is not None)
    try:
        yield entry, store.as_import(entry.id), taken
    except Error as error:
        store.finish_import(org, entry.id, to_builtins(taken) | {"error": str(error)}, "failed")
        raise
    store.finish_import(org, entry.id, to_builtins(taken))


def _cut(store: Store, org: int, source: NewImport) -> Import | None:
    """An interrupted import of the same bytes, or from the same place, with the same answers."""
    of_file = source.sha256 is not None
    found = store.imports_of_file(org, source.sha256) if source.sha256 is not None else store.list_imports(org)
    wanted = (source.kind, source.answers, None if of_file else source.file)
    for entry in reversed(found):
        same = (entry.kind, entry.answers, None if of_file else entry.file) == wanted
        if same and entry.state == "running":
            return entry
    return None


def take(
    store: Store,
    org: int,
    kind: str,
    import_id: int,
    pieces: Pieces,
    taken: ImportOutcome,
    *,
    whole: int | None = None,
    files: LocalFiles | None = None,
    progress: Progress = lambda done, whole: None,
) -> ImportOutcome:
    """Apply every piece that has not been applied yet. ``store`` records this import as the source.

    The position after each piece is saved in the same transaction. What could not be read is in ``taken.problems``,
    and the rows themselves are in quarantine.
    """
    return _Taking(store, org, kind, f"import/{import_id}", taken, files).run(pieces, whole, progress)


class _Taking:
    def __init__(
        self, store: Store, org: int, kind: str, stream: str, taken: ImportOutcome, files: LocalFiles | None
    ) -> None:
        self._store = store
        self._org = org
        self._kind = kind
        self._stream = stream
        self._taken = taken
        self._files = files
        self._quarantined = 0

    def run(self, pieces: Pieces, whole: int | None, progress: Progress) -> ImportOutcome:
        """Apply each remaining piece, then report how many rows of ``whole`` are done."""
        done = 0
        after = self._store.position(self._org, self._stream)
        told: deque[tuple[int, int]] = deque()
        """Numbers of rows and messages of pieces that are not written yet."""

        def batches() -> Iterator[Batch]:
            for piece in pieces(after, self._quarantine):
                batch = self._batch(piece)
                told.append((piece.rows, sum(isinstance(event, MessageSeen) for event in batch.events)))
                yield batch

        for applied in apply_all(self._store, self._org, batches()):
            rows, messages = told.popleft()
            self._note(applied, messages)
            done += rows
            progress(done, whole)
        return self._taken

    def _batch(self, piece: Piece) -> Batch:
        events: list[Event] = [*piece.batch.events, *self._held(piece)]
        return structs.replace(piece.batch, events=events, position=(self._stream, piece.place))

    def _note(self, applied: Applied, messages: int) -> None:
        self._taken.changed += applied.changed
        self._taken.messages += messages
        for named in applied.refused:
            self._taken.left_out += 1
            self._taken.name(f"Put in quarantine: {named}")

    def _held(self, piece: Piece) -> Iterator[MediaHeld]:
        """The available files of the piece's messages."""
        if self._files is None:
            return
        for file in piece.files:
            held, problem = self._files.keep(file)
            if held is not None:
                self._taken.files += 1
                yield held
            elif problem is None:
                self._taken.files_missing += 1
            else:
                self._taken.name(problem)

    def _quarantine(self, row: Skipped) -> None:
        if row.payload and self._quarantined < MAX_QUARANTINED:
            self._quarantined += 1
            self._store.quarantine(self._org, self._kind, row.payload, str(row))
        if row.kept:
            self._taken.partly_read += 1
        else:
            self._taken.left_out += 1
        self._taken.name(f"{'Partly read' if row.kept else 'Left out'}: {row}")


def summary(taken: ImportOutcome) -> str:
    """A report for users, in a few lines."""
    read, changed = counted(taken.messages, "message"), counted(taken.changed, "row")
    lines = [f"{read} read; {changed} changed. This is import {taken.import_id}."]
    if taken.resumed:
        lines.append("An interrupted import of the same file was continued.")
    if taken.files or taken.files_missing:
        lines.append(f"{counted(taken.files, 'file')} kept; not where the database says: {taken.files_missing:,}.")
    if taken.left_out:
        lines.append(f"In quarantine: {counted(taken.left_out, 'row')} that could not be read.")
    return "\n".join(lines)


def report_of(taken: ImportOutcome) -> dict[str, Any]:
    """A report for programs."""
    return dict(to_builtins(taken))
