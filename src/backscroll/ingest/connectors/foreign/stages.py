"""How a reader goes through a database: one stage after the other, each in parts of limited size."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from msgspec import Struct

from backscroll.core import limits
from backscroll.core.errors import BadField
from backscroll.core.events import Event
from backscroll.core.model import Source
from backscroll.ingest.connectors.foreign.pieces import LocalFile, Piece, Place, piece_of
from backscroll.ingest.connectors.foreign.rows import Row, Unusable
from backscroll.ingest.connectors.foreign.tables import Tables, TooMuch


class Told(Struct):
    """What some rows tell. ``raw`` are the rows to keep as payload."""

    events: list[Event] = []
    raw: list[Row] = []
    files: list[LocalFile] = []


class Stage(Struct, frozen=True):
    """One table of one file. ``tell`` makes of some rowids what they tell."""

    name: str
    tables: Tables
    tell: Callable[[list[int]], Told]
    table: str = ""
    """Where it is not called as the stage."""
    counts: bool = False
    """Whether its rows are those that progress is measured by."""

    @property
    def source_table(self) -> str:
        """The table that is walked."""
        return self.table or self.name


def each(
    name: str,
    tables: Tables,
    tell: Callable[[Row], Iterable[Event] | Event | None],
    table: str = "",
    counts: bool = False,
) -> Stage:
    """A stage whose rows stand each for itself; one that cannot be told is reported and left out."""

    def told(numbers: list[int]) -> Told:
        rows = list(tables.rows(table or name, numbers))
        return Told(list(events_of(rows, tell)), rows)

    return Stage(name, tables, told, table, counts)


def events_of(rows: Iterable[Row], tell: Callable[[Row], Iterable[Event] | Event | None]) -> Iterator[Event]:
    """What each row tells; a row that makes no sense costs no other."""
    for row in rows:
        yield from told_of(row, lambda row: Told(_as_list(tell(row)))).events


def told_of(row: Row, tell: Callable[[Row], Told]) -> Told:
    """What ``tell`` makes of one row; nothing where it is reported as unusable."""
    try:
        told = tell(row)
        for event in told.events:
            limits.check(event)
    except Unusable as error:
        row.report(error.column, error.problem, kept=False)
    except BadField as error:
        row.report(error.field, error.remedy, kept=False)
    else:
        return told
    return Told()


def _as_list(told: Iterable[Event] | Event | None) -> list[Event]:
    if told is None:
        return []
    return list(told) if isinstance(told, Iterable) else [told]


def walk(stages: Sequence[Stage], source: Source, after: str | None, batch_size: int) -> Iterator[Piece]:
    """The pieces of all stages, from the place ``after`` on."""
    names = tuple(stage.name for stage in stages)
    place = Place.parse(after, names)
    for stage in stages:
        start = place.after(stage.name, names)
        if start is None or not stage.tables.columns(stage.source_table):
            continue
        for numbers in stage.tables.file.chunks(stage.source_table, batch_size, start):
            yield from _in_parts(stage, source, numbers)


def _in_parts(stage: Stage, source: Source, numbers: list[int]) -> Iterator[Piece]:
    """The piece of these rows, or several of fewer where they hold more than one may."""
    stage.tables.begin(is_whole=len(numbers) == 1)
    try:
        told = stage.tell(numbers)
    except TooMuch:
        half = len(numbers) // 2
        yield from _in_parts(stage, source, numbers[:half])
        yield from _in_parts(stage, source, numbers[half:])
        return
    rows = len(numbers) if stage.counts else 0
    yield piece_of(source, told.events, Place(stage.name, numbers[-1]), told.raw, told.files, rows=rows)
