"""Coverage in a dump, under names that have the same meaning in another archive."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from backscroll.core.coverage import Coverage, Ended, origin_of
from backscroll.database.protocol import Txn

_PAGE = 400


class Piece(NamedTuple):
    """A period that a source covers, including both ends, and what ended it."""

    since: int
    until: int
    ended: Ended | None


def coverage_of(tx: Txn, org: int, phone: int, jid: str, chat: str | None, aliases: list[str]) -> Iterator[Coverage]:
    """What sources cover of one phone, whose JID is ``jid``.

    With ``chat``, only the coverage of that chat, whose JIDs are ``aliases``. Coverage of all chats then counts for it.
    """
    if chat is not None:
        spans = [piece for named in ["", *aliases] for piece in _spans(tx, org, phone, named).items()]
        yield from _told(jid, chat, _together(spans))
        return
    yield from _told(jid, None, _spans(tx, org, phone, ""))
    after = ""
    while page := tx.all("dump_spanned_chats", {"org": org, "phone": phone, "after": after, "limit": _PAGE}):
        for (named,) in page:
            yield from _told(jid, named, _spans(tx, org, phone, named))
        (after,) = page[-1]


def _spans(tx: Txn, org: int, phone: int, jid: str) -> dict[str, list[Piece]]:
    found: dict[str, list[Piece]] = defaultdict(list)
    params = {"org": org, "phone": phone, "jid": jid}
    for _, origin, _, kind, file, since, until, ended in tx.all("dump_spans", params):
        found[origin or origin_of("import", kind, file)].append(Piece(since, until, ended))
    return found


def _together(spans: list[tuple[str, list[Piece]]]) -> dict[str, list[Piece]]:
    found: dict[str, list[Piece]] = defaultdict(list)
    for origin, pieces in spans:
        found[origin] += pieces
    return found


def _told(phone: str, chat: str | None, spans: dict[str, list[Piece]]) -> Iterator[Coverage]:
    for origin, pieces in sorted(spans.items()):
        for since, until, ended in united(pieces):
            yield Coverage(phone=phone, chat=chat, since=since, until=until, origin=origin, ended=ended)


def united(pieces: list[Piece]) -> list[Piece]:
    """The same periods, with adjoining spans merged."""
    found: list[Piece] = []
    for piece in sorted(pieces, key=lambda piece: (piece.since, piece.until)):
        if not found or piece.since > found[-1].until:
            found.append(piece)
        elif piece.until > found[-1].until:
            found[-1] = piece._replace(since=found[-1].since)
    return found
