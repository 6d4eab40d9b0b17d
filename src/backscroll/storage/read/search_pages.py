"""A search, from what was typed to messages as they are shown."""

from __future__ import annotations

import hashlib
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Iterable, Sequence
from heapq import nlargest
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Struct

from backscroll.core.answers import FacetCount, SearchFacets, SearchHit, SearchPage
from backscroll.core.errors import BadField
from backscroll.core.ids import clean_text
from backscroll.core.query import SearchQuery
from backscroll.database.protocol import Txn
from backscroll.storage.read.messages import Assembler
from backscroll.storage.read.names import Names, Reading
from backscroll.storage.read.neighbours import Side, read_sides
from backscroll.storage.read.surroundings import surroundings_of
from backscroll.storage.records.damage import readable
from backscroll.storage.records.identity import ContactRow
from backscroll.storage.records.rows import NOTIFICATION, MessageRow
from backscroll.storage.search.asking import BOUNDS, Bounds, Facets, Found, Position, Scope, Search
from backscroll.storage.search.documents import document_of_row
from backscroll.storage.search.highlight import highlights
from backscroll.storage.search.names import NamesCache
from backscroll.storage.search.query import Query, parse
from backscroll.storage.search.reader import PartCache

MAX_FACETS = 50
"""Chats that facets name."""
_TAG_BYTES = 8
_POSITION = msgspec.json.Decoder(Position)
_ENCODER = msgspec.json.Encoder()


class SearchCaches(Struct, frozen=True):
    """What searches of one process share."""

    parts: PartCache = msgspec.field(default_factory=PartCache)
    names: NamesCache = msgspec.field(default_factory=NamesCache)
    bounds: Bounds = BOUNDS


def find(reading: Reading, query: SearchQuery, caches: SearchCaches) -> SearchPage:
    """One page of a search. ``BadField`` for a time zone or cursor that is none."""
    tx, names = reading.tx, reading.names
    asked = parse(clean_text(query.text)[0], _zone(query.zone))
    after = _position(query)
    search = Search(
        tx,
        query.org,
        asked,
        Scope(frozenset(query.phones)),
        caches.names.of(tx, query.org, names.named, names.viewer),
        caches.parts,
        names.numbers_of,
        caches.bounds,
    )
    complete = names.indexed_from == 0 and search.is_current
    if asked.is_empty or not query.phones:
        nothing = SearchFacets() if after is None else None
        return SearchPage(
            hits=[], total=0, total_is_exact=True, complete=complete, ignored=asked.ignored, facets=nothing
        )
    found = search.page(query.limit, query.sort == "relevance", after)
    hits = _hits(tx, query, asked, names, found.rows)
    return SearchPage(
        hits=hits,
        total=found.total,
        total_is_exact=found.is_exact,
        complete=complete,
        ignored=asked.ignored,
        facets=None if found.facets is None else _facets(names, found.facets),
        next=_cursor(query, found),
        around=surroundings_of(reading, [m for hit in hits for m in (hit.message, *hit.context)]),
    )


# ------------------------------------------------------------------ cursors


def _cursor(query: SearchQuery, found: Found) -> str | None:
    if found.next is None:
        return None
    place = _ENCODER.encode(found.next)
    return urlsafe_b64encode(_tag(query, place) + place).decode().rstrip("=")


def _position(query: SearchQuery) -> Position | None:
    if query.cursor is None:
        return None
    try:
        data = b64decode(query.cursor.encode("ascii") + b"=" * (-len(query.cursor) % 4), b"-_", validate=True)
        if data[:_TAG_BYTES] == _tag(query, data[_TAG_BYTES:]):
            return _POSITION.decode(data[_TAG_BYTES:])
    except (ValueError, msgspec.DecodeError) as error:
        raise BadField("cursor", query.cursor, "must be the next of an earlier page, as it was given") from error
    raise BadField("cursor", query.cursor, "belongs to another search, or was altered; leave it out to begin this one")


def _tag(query: SearchQuery, place: bytes) -> bytes:
    """Binds a cursor to everything that decides which messages are found in which order. It notices alterations, but
    any client could make one: a place gives access to nothing.
    """
    told = _ENCODER.encode((query.org, query.text, query.sort, query.zone, sorted(query.phones)))
    return hashlib.blake2b(place, key=hashlib.sha256(told).digest(), digest_size=_TAG_BYTES).digest()


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise BadField("tz", name, "must be an IANA time zone such as Europe/Lisbon") from error


# ------------------------------------------------------------------ hits as they are shown


def _hits(tx: Txn, query: SearchQuery, asked: Query, names: Names, rows: Sequence[MessageRow]) -> list[SearchHit]:
    around = _around(tx, query, names, rows)
    every = {row.no: row for row in (*rows, *(near for some in around for near in some))}
    shown = dict(zip(every, Assembler(tx, query.org, names).messages(list(every.values())), strict=True))
    return [
        SearchHit(
            message=shown[row.no],
            highlights=highlights(asked, document_of_row(row), shown[row.no].sender_name),
            context=tuple(shown[near.no] for near in some),
        )
        for row, some in zip(rows, around, strict=True)
    ]


def _around(tx: Txn, query: SearchQuery, names: Names, rows: Sequence[MessageRow]) -> list[list[MessageRow]]:
    """For each message those of its chat right before and after it, oldest first."""
    if not query.context:
        return [[] for _ in rows]
    sides = [side for row in rows for side in _sides(query, names, row)]
    found = [readable(query.org, some) for some in read_sides(tx, sides)]
    return [[*reversed(before), *after] for before, after in zip(found[::2], found[1::2], strict=True)]


def _sides(query: SearchQuery, names: Names, row: MessageRow) -> tuple[Side, Side]:
    names.load((row.chat,))
    chats = names.numbers_of(names.contact_row(row.chat).contact)
    params = {"org": query.org, "phone": row.phone, "at": row.sent_at, "id": row.id}
    params |= {"mask": NOTIFICATION, "limit": query.context}
    return Side("context_before", params, chats), Side("context_after", params, chats)


def _most_first(chat: tuple[ContactRow, int]) -> tuple[int, str]:
    contact, count = chat
    return -count, contact.jid


def _facets(names: Names, facets: Facets) -> SearchFacets:
    chats: dict[int, int] = {}
    names.load(facets.chats)
    for chat, count in facets.chats.items():
        standing = names.contact_row(chat).contact
        chats[standing] = chats.get(standing, 0) + count
    # Only those that may be named are put in order by their JIDs, too.
    least = min(nlargest(MAX_FACETS, chats.values()), default=0)
    counted = sorted(((names.contact_row(chat), n) for chat, n in chats.items() if n >= least), key=_most_first)
    phones = ((names.phones[phone].phone, count) for phone, count in sorted(facets.phones.items()))
    return SearchFacets(
        chats=tuple(FacetCount(value=chat.jid, name=chat.display_name, count=n) for chat, n in counted[:MAX_FACETS]),
        phones=tuple(FacetCount(value=phone.phone_id, name=phone.name, count=n) for phone, n in phones),
        months=tuple(_months(facets.months.items())),
        complete=facets.is_complete,
    )


def _months(counts: Iterable[tuple[int, int]]) -> Iterable[FacetCount]:
    for month, count in sorted(counts, reverse=True):
        yield FacetCount(value=f"{month // 12:04}-{month % 12 + 1:02}", name=None, count=count)
