"""A page of messages: which rows it holds, and how many there are in all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import starmap
from typing import Any, NamedTuple

from msgspec import Struct, structs

from backscroll.core import ids
from backscroll.core.limits import EARLIEST, LATEST
from backscroll.core.model import Page
from backscroll.core.query import MessageQuery
from backscroll.core.text import fold
from backscroll.database.protocol import Ask, Row, Txn
from backscroll.storage.read.listings import ChatRow, Lists, ask_for_chat
from backscroll.storage.read.messages import Assembler
from backscroll.storage.read.names import Names
from backscroll.storage.records.counters import Counter, Scope, Window
from backscroll.storage.records.damage import sound
from backscroll.storage.records.org_state import read_org_state
from backscroll.storage.records.rows import FROM_ME, MEDIA, NOTICE, NOTIFICATION, ListedRow, row_of
from backscroll.storage.search.asking import Scope as SearchScope
from backscroll.storage.search.asking import Search
from backscroll.storage.search.literal import groups_of
from backscroll.storage.search.names import NameIndex
from backscroll.storage.search.query import Filters, Query
from backscroll.storage.search.reader import PartCache

_CHUNK = 500
"""Values that one statement is asked about."""


def class_filter(query: MessageQuery) -> tuple[int, int]:
    """Mask and wanted bits of the flags."""
    mask, want = {
        "messages": (NOTIFICATION, 0),
        "messages_and_calls": (NOTICE, 0),
        "notices": (NOTIFICATION, NOTIFICATION),
    }[query.shows]
    if query.media_only:
        mask, want = mask | MEDIA, want | MEDIA
    if query.from_me is not None:
        mask, want = mask | FROM_ME, want | (FROM_ME if query.from_me else 0)
    return mask, want


class Listing(Struct):
    """Rows of a page, how many match in all, and the chat's row where one chat was asked for."""

    rows: Sequence[ListedRow]
    total: int
    chat: ChatRow | None = None


def read_page(tx: Txn, query: MessageQuery, names: Names, parts: PartCache) -> Page:
    """A page, newest first, with the number of all that match. An unknown chat is an empty page."""
    found = None if query.chat is None else names.find(query.chat)
    if query.chat is not None and found is None:
        return Page(messages=[], total=0, offset=query.offset, limit=query.limit)
    chats = None if found is None else names.numbers_of(found.contact)
    listing = _list_found(tx, query, chats, parts) if query.search else list_rows(tx, query, chats)
    lists = Lists(tx, query.org, names)
    return Page(
        messages=Assembler(tx, query.org, names).messages(listing.rows),
        total=listing.total,
        offset=query.offset,
        limit=query.limit,
        chat=None if listing.chat is None or found is None else lists.chat_of(listing.chat, found.contact),
        chats=chats or (),
    )


class _Statements(NamedTuple):
    """That list messages newest first: the same messages in each set of them."""

    in_chats: str
    media_in_chats: str
    in_phone: str
    in_phones: str


_ROWS = _Statements("list_in_chats", "list_media_in_chats", "list_in_phone", "list_in_phones")
_PLACES = _Statements("keys_in_chats", "keys_of_media_in_chats", "numbers_in_phone", "numbers_in_phones")


def list_rows(tx: Txn, query: MessageQuery, chats: tuple[int, ...] | None, terms: bool = True) -> Listing:
    """A page of rows and the number of all that match. ``chats`` None is all chats. Not for searches.

    ``terms``: whether ``fts`` is read; it is None otherwise.
    """
    rows, listing = _listed(tx, query, chats, _ROWS, terms)
    return structs.replace(listing, rows=sound(query.org, list(starmap(ListedRow, rows))))


def list_places(tx: Txn, query: MessageQuery, chats: tuple[int, ...] | None) -> tuple[list[Row], Listing]:
    """Which messages the same page contains; the listing is without rows.

    In chats, each is given by phone, chat, id and sender, which the index of a chat has; across all chats by its number
    alone, because a big page takes as long as its values are many.
    """
    return _listed(tx, query, chats, _PLACES)


def _listed(
    tx: Txn, query: MessageQuery, chats: tuple[int, ...] | None, statements: _Statements, terms: bool = False
) -> tuple[list[Row], Listing]:
    if not query.phones:
        return [], Listing([], 0)
    besides = _asks_for_chat(query, chats)
    if len(query.phones) > 1 and chats is not None and len(chats) == 1:
        query = _narrowed(tx, query, chats[0])
    scope = _scope_of(query, chats)
    counter = Counter(tx, scope)
    if query.offset:
        counter.read_months()
    # The first page needs no total to know where it lies: both are read in one round trip.
    window = counter.first_window(query.since, query.until) if query.limit > 0 and not query.offset else None
    if window is not None:
        besides.append(_ask_for_rows(statements, scope, query, window, terms))
    times = [query.until] if query.since is None else [query.until, query.since - 1]
    found = counter.look_up(times, besides)
    rows = found.pop() if window is not None else []
    total = counter.total(query.since, query.until)
    if window is None:
        window = counter.window(query.since, query.until, query.offset, query.limit, total)
        rows = [] if window is None else tx.all(*_ask_for_rows(statements, scope, query, window, terms))
    return rows, _with_chat(Listing([], total), found)


def _narrowed(tx: Txn, query: MessageQuery, chat: int) -> MessageQuery:
    """The query for the one phone that has messages of the chat, where it is one: an index yields these in order."""
    found = tx.all("phones_in_chat", {"org": query.org, "phones": query.phones, "chat": chat})
    return structs.replace(query, phones=(found[0][0],)) if len(found) == 1 else query


def _scope_of(query: MessageQuery, chats: tuple[int, ...] | None) -> Scope:
    mask, want = class_filter(query)
    return Scope(org=query.org, phones=query.phones, chats=chats or (0,), mask=mask, want=want)


def _asks_for_chat(query: MessageQuery, chats: tuple[int, ...] | None) -> list[Ask]:
    return [ask_for_chat(query.org, chat, query.phones) for chat in chats or ()]


def _with_chat(listing: Listing, rows: Sequence[Sequence[Row]]) -> Listing:
    """The listing with the row of the first number of the chat that has one."""
    chats = [ChatRow(*row) for found in rows for row in found]
    return Listing(listing.rows, listing.total, chats[0] if chats else None)


def _ask_for_rows(statements: _Statements, scope: Scope, query: MessageQuery, window: Window, terms: bool) -> Ask:
    page = {"low": window.low, "high": window.high, "limit": query.limit, "offset": window.skip, "terms": int(terms)}
    return _statement(statements, scope), scope.params | page | {"phone": query.phones[0]}


def _statement(statements: _Statements, scope: Scope) -> str:
    if scope.by_chat:
        return statements.media_in_chats if scope.mask & scope.want & MEDIA else statements.in_chats
    return statements.in_phone if len(scope.phones) == 1 else statements.in_phones


def _list_found(tx: Txn, query: MessageQuery, chats: tuple[int, ...] | None, parts: PartCache) -> Listing:
    """A page of a search."""
    if not query.phones:
        return Listing([], 0)
    return _with_chat(_search(tx, query, _scope_of(query, chats), parts), tx.several(_asks_for_chat(query, chats)))


def _search(tx: Txn, query: MessageQuery, scope: Scope, parts: PartCache) -> Listing:
    """Literal substrings of one chat's texts; the index narrows, the folded text decides."""
    wanted = fold(ids.clean_text(query.search or "")[0])
    params = scope.params | {
        "low": EARLIEST if query.since is None else query.since,
        "high": LATEST if query.until is None else query.until,
    }
    found = sorted(
        (
            (sent_at, id, phone, chat, sender, no)
            for no, sent_at, id, phone, chat, sender, text in _candidates(tx, scope, wanted, params, parts)
            if type(text) is str and wanted in fold(text)
        ),
        reverse=True,
    )
    page = [no for _, _, _, _, _, no in found[query.offset : query.offset + query.limit]]
    found_rows = map(row_of, tx.all("rows_by_no", {"org": query.org, "nos": page}))
    rows = {row.no: row for row in sound(query.org, list(found_rows))}
    return Listing([rows[no] for no in page if no in rows], len(found))


def _candidates(tx: Txn, scope: Scope, wanted: str, params: dict[str, Any], parts: PartCache) -> Iterator[Row]:
    """Rows that may hold the words, a few hundred texts in memory at a time where the index can tell."""
    nos = _looked_up(tx, scope, wanted, params, parts)
    if nos is None:
        yield from tx.all("texts_in_chats", params)
        return
    for start in range(0, len(nos), _CHUNK):
        yield from tx.all("texts_by_no", params | {"nos": nos[start : start + _CHUNK]})


def _looked_up(tx: Txn, scope: Scope, wanted: str, params: dict[str, Any], parts: PartCache) -> list[int] | None:
    """Numbers of messages that may hold the words; None where the chat must be read: nothing can be looked up."""
    state = read_org_state(tx, scope.org)
    groups = groups_of(wanted)
    if state is None or state.indexed_from != 0 or not groups:
        return None
    filters = Filters(since=params["low"], until=params["high"] + 1)
    where = SearchScope(frozenset(scope.phones), frozenset(scope.chats), scope.mask, scope.want)
    search = Search(tx, scope.org, Query(include=groups, filters=filters), where, NameIndex(()), parts)
    return sorted(search.all_nos()) if search.is_current and search.narrows else None
