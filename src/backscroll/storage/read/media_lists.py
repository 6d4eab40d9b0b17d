"""Messages with files, newest first: the gallery of a chat or of all."""

from __future__ import annotations

from typing import Any

from backscroll.core.answers import MediaPage
from backscroll.core.limits import LATEST
from backscroll.core.query import MediaQuery
from backscroll.storage.read.messages import Assembler
from backscroll.storage.read.names import Reading
from backscroll.storage.records.damage import readable
from backscroll.storage.records.rows import row_of


def list_media(reading: Reading, query: MediaQuery) -> MediaPage:
    """A page of them. An unknown chat is an empty page."""
    chats: tuple[int, ...] = ()
    if query.chat is not None:
        found = reading.names.find(query.chat)
        if found is None:
            return MediaPage(messages=[], chats={}, more=False)
        chats = reading.names.numbers_of(found.contact)
    at, no = query.before or (LATEST if query.until is None else query.until, 2**62)
    params: dict[str, Any] = {
        "org": query.org,
        "phones": query.phones,
        "chats": chats,
        "kinds": query.kinds,
        "at": at,
        "no": no,
        "limit": query.limit + 1,
    }
    rows = reading.tx.all("media_in_chats" if chats else "media_in_phones", params)
    shown = readable(reading.org, map(row_of, rows[: query.limit]))
    messages = Assembler(reading.tx, query.org, reading.names).messages(shown)
    jids = {message.message.key.chat for message in messages}
    reading.names.meet(jids)
    called = {jid: None if (row := reading.names.find(jid)) is None else row.display_name for jid in jids}
    return MediaPage(messages=messages, chats=called, more=len(rows) > query.limit)
