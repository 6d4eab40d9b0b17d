"""What a page shows besides its messages: names of mentioned people, and quoted messages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import starmap

from backscroll.core import ids
from backscroll.core.answers import Surroundings
from backscroll.core.model import ArchivedMessage
from backscroll.database.protocol import Txn
from backscroll.storage.read.listings import Lists
from backscroll.storage.read.messages import Assembler
from backscroll.storage.read.names import Names, Reading
from backscroll.storage.records.rows import MessageRow

_CHUNK = 500
"""Ids that one statement is asked about."""


def surroundings_of(reading: Reading, messages: Sequence[ArchivedMessage]) -> Surroundings:
    """Read for many messages together; of messages that share a quoted id the newest is taken."""
    tx, org, names = reading.tx, reading.org, reading.names
    quoted = _quoted(tx, org, names, messages)
    met = {jid for message in (*messages, *quoted.values()) for jid in _jids_of(message)}
    names.meet(met)
    return Surroundings(
        names={jid: None if (row := names.find(jid)) is None else row.display_name for jid in met},
        lids={jid: row.lid for jid in met if (row := names.find(jid)) is not None and row.lid},
        quoted=quoted,
        sizes=Lists(tx, org, names).sizes({(m.phone.no, m.message.key.chat) for m in messages}),
    )


def _quoted(
    tx: Txn, org: int, names: Names, messages: Sequence[ArchivedMessage]
) -> dict[tuple[str, str], ArchivedMessage]:
    quotes = [(m, quote.id) for m in messages if (quote := m.message.details.quoted) is not None and quote.id]
    if not quotes:
        return {}
    asking, wanted = [m for m, _ in quotes], sorted({id for _, id in quotes})
    names.meet({m.message.key.chat for m in asking})
    chats = {no for m in asking if (row := names.find(m.message.key.chat)) for no in names.numbers_of(row.contact)}
    params = {"org": org, "phones": sorted({m.phone.no for m in asking}), "chats": sorted(chats)}
    rows = [
        row
        for start in range(0, len(wanted), _CHUNK)
        for row in starmap(MessageRow, tx.all("rows_by_id", params | {"ids": wanted[start : start + _CHUNK]}))
    ]
    found = Assembler(tx, org, names).messages(sorted(rows, key=lambda row: row.sent_at))
    return {(message.phone.jid, message.message.key.id): message for message in found}


def _jids_of(archived: ArchivedMessage) -> Iterator[str]:
    """All JIDs that a message refers to."""
    message, details = archived.message, archived.message.details
    pinned_by = None if archived.pinned is None else archived.pinned.by
    jids = (message.key.chat, message.key.sender, archived.phone.jid, archived.deleted_by, pinned_by)
    yield from filter(None, jids)
    yield from filter(ids.is_person, details.mentions)
    if details.quoted is not None and details.quoted.sender:
        yield details.quoted.sender
    if details.notice is not None:
        yield from details.notice.recipients
    yield from (vote.voter for vote in archived.votes)
    yield from (receipt.participant for receipt in archived.receipts)
    yield from (reaction.sender for reaction in archived.reactions)
