"""Merging several segments into one, or rebuilding one: read and computed without blocking others, then written in
parts.

Sources do not change while it is built; messages removed from them meanwhile become tombstones of the new segment at
the end.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, repeat

from msgspec import Struct

from backscroll.database.protocol import Txn
from backscroll.storage.records.damage import readable
from backscroll.storage.records.rows import MessageRow, row_of
from backscroll.storage.search.documents import Entry, Place, entry_of_row
from backscroll.storage.search.index_writer import SegmentHead
from backscroll.storage.search.segments import (
    DOCS_CHUNK,
    FIRST_DOCS,
    FRESH,
    PARTS,
    PLACES,
    VOCABULARY,
    Docs,
    Part,
    Places,
    Segment,
    encode_part,
    split,
    starts_of,
    vocabulary,
)

ROWS_AT_ONCE = 500
LEVEL_NAMES = {1: "young", 2: "full"}


class Source(Struct):
    """A segment as read: its documents, and its postings by part."""

    head: SegmentHead
    docs: Docs
    places: Places
    parts: dict[int, bytes]


class Built(Struct):
    """A segment that is ready to be written. ``offsets`` leads from a message's number to its offset in it."""

    level: int
    docs: Docs
    places: Places
    parts: list[tuple[int, bytes]]
    offsets: dict[int, int]


def read_source(tx: Txn, org: int, head: SegmentHead) -> Source:
    """All of a segment."""
    if head.level == FRESH:
        ((_, docs, places, body),) = tx.all("search_fresh_segments", {"org": org, "segments": (head.segment,)})
        return Source(head, Docs.decode(docs), Places.decode(places), {0: body})
    params = {"org": org, "segment": head.segment}
    parts: dict[int, bytes] = {part: body for _, part, body in tx.all(f"search_{LEVEL_NAMES[head.level]}_all", params)}
    return Source(head, docs_of(parts), Places.decode(parts[PLACES]), parts)


def docs_of(parts: dict[int, bytes]) -> Docs:
    """The documents among the parts of a segment."""
    times, nos = array("q"), array("q")
    at = FIRST_DOCS
    while at in parts:
        chunk = Docs.decode(parts[at])
        times += chunk.times
        nos += chunk.nos
        at -= 1
    return Docs(times, nos)


# ------------------------------------------------------------------ several segments become one


def merge(sources: Sequence[Source], level: int, beat: Callable[[], object] = lambda: None) -> Built:
    """What is alive in the sources, as one segment of this level; ``beat`` is called now and then."""
    alive = sorted(chain.from_iterable(_alive(source, at) for at, source in enumerate(sources)))
    maps = [array("i", repeat(-1, source.head.docs)) for source in sources]
    for offset, (_, _, at, old) in enumerate(alive):
        maps[at][old] = offset
    docs = Docs(array("q", (time for time, _, _, _ in alive)), array("q", (no for _, no, _, _ in alive)))
    places = Places.of((sources[at].places.at(old) for _, _, at, old in alive), docs.times)
    fewest = min(PARTS[source.head.level] for source in sources)

    def merged() -> Iterator[dict[bytes, array[int]]]:
        for part in range(fewest):
            yield _merge_parts(sources, maps, part, fewest, beat)

    return _built(level, docs, places, merged(), beat)


def _alive(source: Source, at: int) -> Iterator[tuple[int, int, int, int]]:
    dead = source.head.dead
    for old, key in enumerate(zip(source.docs.times, source.docs.nos, strict=True)):
        if old not in dead:
            yield (*key, at, old)


def _merge_parts(
    sources: Sequence[Source], maps: Sequence[array[int]], part: int, of: int, beat: Callable[[], object]
) -> dict[bytes, array[int]]:
    """Postings of the terms that fall into one of ``of`` parts, wherever the sources keep them."""
    merged: dict[bytes, array[int]] = {}
    mixed: set[bytes] = set()
    for source, offsets in zip(sources, maps, strict=True):
        beat()
        for at in range(part, PARTS[source.head.level], of):
            if at not in source.parts:
                continue
            for term, old in Part(source.parts[at]).items():
                new = array("H", [offset for o in old if (offset := offsets[o]) >= 0])
                if not new:
                    continue
                if term in merged:
                    merged[term] += new
                    mixed.add(term)
                else:
                    merged[term] = new
    for term in mixed:
        merged[term] = array("H", sorted(merged[term]))
    return merged


def _built(
    level: int, docs: Docs, places: Places, merged: Iterable[dict[bytes, array[int]]], beat: Callable[[], object]
) -> Built:
    words: list[bytes] = []
    parts: list[tuple[int, bytes]] = []
    if level == FRESH:
        postings = {term: offsets for some in merged for term, offsets in some.items()}
        parts.append((0, encode_part(postings)))
    else:
        for some in merged:
            words += some
            for part, terms in sorted(split(some, PARTS[level]).items()):
                beat()
                parts.append((part, encode_part(terms)))
        parts += other_parts(docs, places, vocabulary(words))
    return Built(level, docs, places, parts, {no: offset for offset, no in enumerate(docs.nos)})


def other_parts(docs: Docs, places: Places, words: bytes) -> Iterator[tuple[int, bytes]]:
    """What a segment of the upper levels keeps besides its postings."""
    yield PLACES, places.encode()
    yield VOCABULARY, words
    for chunk, start in enumerate(range(0, len(docs.nos), DOCS_CHUNK)):
        end = start + DOCS_CHUNK
        yield FIRST_DOCS - chunk, Docs(docs.times[start:end], docs.nos[start:end]).encode()


def starts_of_level(built: Built) -> bytes:
    """For the segment's row; a fresh one has no chunks."""
    return b"" if built.level == FRESH else starts_of(built.docs.times)


# ------------------------------------------------------------------ a segment anew, from its messages


def rebuild(tx: Txn, org: int, source: Source, beat: Callable[[], object] = lambda: None) -> Built:
    """The same messages in their current state, with terms by the current rules; ``beat`` is called now and then."""
    dead = source.head.dead
    nos = [no for offset, no in enumerate(source.docs.nos) if offset not in dead]
    keys = sorted((row.sent_at, row.no) for some in _chunks(nos) for row in _rows(tx, org, some))
    ordered = [no for _, no in keys]
    docs = Docs(array("q", (key[0] for key in keys)), array("q", ordered))
    postings: dict[str, array[int]] = {}
    places: list[Place] = []
    for entry in _entries(tx, org, ordered):
        beat()
        for term in entry.terms:
            postings.setdefault(term, array("H")).append(len(places))
        places.append(entry.place)
    encoded = {term.encode("utf-8", "replace"): found for term, found in postings.items()}
    return _built(source.head.level, docs, Places.of(places, docs.times), (encoded,), beat)


def _entries(tx: Txn, org: int, nos: Sequence[int]) -> Iterator[Entry]:
    for some in _chunks(nos):
        rows = {row.no: row for row in _rows(tx, org, some)}
        yield from (entry_of_row(rows[no]) for no in some)


def _rows(tx: Txn, org: int, nos: Sequence[int]) -> list[MessageRow]:
    """Those that can be read; of the others there is nothing to be found."""
    return readable(org, map(row_of, tx.all("rows_by_no", {"org": org, "nos": nos})))


def _chunks(nos: Sequence[int]) -> Iterator[Sequence[int]]:
    return (nos[start : start + ROWS_AT_ONCE] for start in range(0, len(nos), ROWS_AT_ONCE))


def fresh_of(built: Built) -> Segment:
    """A fresh segment as ``add_fresh`` takes it."""
    return Segment(built.docs, built.places, dict(Part(built.parts[0][1]).items()))
