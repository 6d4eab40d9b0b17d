"""The lines of exported chats for matching with the next import: their positions and their own content."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from backscroll.core.ids import canonical
from backscroll.core.model import Message
from backscroll.database.protocol import Txn
from backscroll.storage.read.names import Names
from backscroll.storage.records.resolve import Observation, merged
from backscroll.storage.records.rows import DELETED, EXPORT_PREFIX, MessageRow, observation_of, row_of

_CHUNK = 400
_MESSAGE = msgspec.json.Decoder(Message)


class StoredLine(Struct, frozen=True, kw_only=True):
    """``message`` is the line's own content, regardless of other sources; its key is empty except for the id."""

    id: str
    sender: str | None
    """JID, None when nobody is named."""
    message: Message
    prev_text: str | None
    is_deleted: bool
    host: str | None = None
    """Sender of the message that the line was matched with, if any; None also while the sender is unknown."""
    is_matched: bool = False
    """It is stored under the id of a message."""


class StoredLines(Struct, frozen=True):
    """The lines of exported chats for one chat, in time order."""

    lines: list[StoredLine]
    """Oldest first."""
    meet_others: bool
    """Other sources also have messages from this period."""


def lines_between(tx: Txn, names: Names, org: int, phone: int, chat: str, since: int, until: int) -> StoredLines:
    """Lines of the chat in this period."""
    contact_row = names.find(canonical(chat))
    if contact_row is None:
        return StoredLines([], False)
    chats = names.numbers_of(contact_row.contact)
    base: dict[str, Any] = {"org": org, "phone": phone, "phones": (phone,), "chats": chats}
    said = sorted({id for id, _ in tx.all("ids_said", base | {"low": since, "high": until})})
    found: list[StoredLine] = []
    for start in range(0, len(said), _CHUNK):
        found += _lines_of(tx, names, base | {"ids": said[start : start + _CHUNK]})
    found.sort(key=lambda line: (line.message.sent_at, line.id))
    return StoredLines(found, any(not id.startswith(EXPORT_PREFIX) for id in said))


def _lines_of(tx: Txn, names: Names, params: dict[str, Any]) -> list[StoredLine]:
    rows = [row_of(values) for values in tx.all("rows_by_id", params)]
    observations: dict[tuple[str, str], list[Observation]] = defaultdict(list)
    for _, id, sender, source, digest, text in tx.all("read_observations", params):
        message = _MESSAGE.decode(text)
        if message.key.id.startswith(EXPORT_PREFIX) and message.key.id != id:
            observations[id, message.key.id].append(Observation(sender, source, message, digest))
    names.load({row.sender for row in rows} | {t.sender for observed in observations.values() for t in observed})
    hosts = {row.id: row for row in rows}
    return [
        *(_alone(names, row) for row in rows if row.id.startswith(EXPORT_PREFIX)),
        *(_matched(names, line, observed, hosts.get(id)) for (id, line), observed in observations.items()),
    ]


def _alone(names: Names, row: MessageRow) -> StoredLine:
    return StoredLine(
        id=row.id,
        sender=_jid(names, row.sender),
        message=observation_of(row),
        prev_text=row.prev_text,
        is_deleted=bool(row.flags & DELETED),
    )


def _matched(names: Names, line: str, observed: Sequence[Observation], host: MessageRow | None) -> StoredLine:
    best_first = sorted(observed, key=lambda t: t.priority, reverse=True)
    message = merged([t.message for t in best_first])
    return StoredLine(
        id=line,
        sender=_jid(names, best_first[0].sender),
        message=message,
        prev_text=message.details.prev_text,
        is_deleted=bool(message.details.is_deleted),
        host=_jid(names, host.sender) if host else None,
        is_matched=True,
    )


def _jid(names: Names, contact: int) -> str | None:
    return names.contact_row(contact).jid if contact else None
