"""The pieces that a reader of a foreign database yields."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from backscroll.core.events import Batch, Event, Target
from backscroll.core.model import Media, Source
from backscroll.ingest.connectors.foreign.rows import Row, raw_lines

RAW_TYPE = "application/x-ndjson"


class LocalFile(Struct, frozen=True):
    """The file of a message at its place in the other program. ``media`` is what that program knows about it."""

    target: Target
    path: str
    media: Media
    also: tuple[str, ...] = ()
    """Other places where it may be."""


class Piece(Struct, frozen=True, kw_only=True):
    """A batch, and the position after it: ``place`` is passed to the reader to continue an interrupted import."""

    batch: Batch
    place: str
    files: tuple[LocalFile, ...] = ()
    rows: int = 0
    """How far it brings the progress: rows of those that are counted beforehand."""


class Found(Struct, frozen=True):
    """The result of examining the files: the own number whose history they contain, and the number of rows to read."""

    phone: str
    rows: int


class Place(Struct, frozen=True):
    """A stage of a reader, and the last row of it that was told."""

    stage: str
    row: int

    @classmethod
    def parse(cls, text: str | None, stages: tuple[str, ...]) -> Place:
        """The place that ``text`` spells; the very beginning for None and for what an older version wrote."""
        stage, _, row = (text or "").partition(":")
        return cls(stage, int(row)) if stage in stages and row.isdecimal() else cls(stages[0], 0)

    def after(self, stage: str, stages: tuple[str, ...]) -> int | None:
        """The row of ``stage`` after which to go on; None when that stage is over."""
        here, there = stages.index(self.stage), stages.index(stage)
        return None if there < here else self.row if there == here else 0

    def __str__(self) -> str:
        return f"{self.stage}:{self.row}"


def piece_of(
    source: Source,
    events: list[Event],
    place: Place,
    raw: Iterable[Row] = (),
    files: Iterable[LocalFile] = (),
    rows: int = 0,
) -> Piece:
    """A piece whose batch keeps ``raw`` as its payload."""
    payload = raw_lines(raw)
    batch = Batch(source=source, events=events, raw=payload or None, raw_type=RAW_TYPE)
    return Piece(batch=batch, place=str(place), files=tuple(files), rows=rows)


def first_piece(source: Source, events: list[Event]) -> Piece:
    """What stands before all stages. A reader that goes on from a place leaves it out."""
    return Piece(batch=Batch(source=source, events=events), place="")
