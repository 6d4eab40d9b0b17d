"""``messages.db`` of the whatsapp-mcp bridges, and ``whatsapp.db`` beside it.

Both bridges have the same two tables; verygoodplugins' has more columns, reactions among the messages, and calls. What
a file holds is found by its columns. Nothing is ever written to the files.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from backscroll.core.events import PhoneSeen
from backscroll.ingest.connectors.foreign.pieces import Found, Piece, first_piece
from backscroll.ingest.connectors.foreign.rows import OnSkip
from backscroll.ingest.connectors.foreign.sqlite import ForeignFile, Product, opened
from backscroll.ingest.connectors.foreign.stages import Stage, Told, each, told_of, walk
from backscroll.ingest.connectors.foreign.tables import Tables
from backscroll.ingest.connectors.foreign.whatsmeow import Whatsmeow, own_number
from backscroll.ingest.connectors.whatsapp_mcp import mapping

BRIDGE = Product("whatsapp-mcp", "the bridge's store/")
BATCH = 1000
_MESSAGES = {"id", "chat_jid", "sender", "content", "timestamp", "is_from_me"}


def looks_like(tables: set[str], columns: set[str]) -> bool:
    """Whether a database with these tables, and these columns of ``messages``, is a bridge's. GOWA's has more."""
    return {"messages", "chats"} <= tables and columns >= _MESSAGES and not {"created_at", "device_id"} & columns


def look(path: Path, whatsapp: Path | None = None, phone: str | None = None) -> Found:
    """Whose messages a file holds, and how many. ``whatsapp`` is ``whatsapp.db`` beside it: numbers, names and LIDs.

    ``Question`` where ``phone`` must be told, ``Unreadable`` where a file is not what it should be.
    """
    with _opened(path, whatsapp, phone, lambda skipped: None) as reading:
        return Found(reading.phone, int(reading.tables.file.one("SELECT count(*) FROM messages")))


def read(
    path: Path,
    whatsapp: Path | None = None,
    *,
    phone: str | None = None,
    after: str | None = None,
    batch_size: int = BATCH,
    on_skip: OnSkip,
) -> Iterator[Piece]:
    """Everything that the files tell, from the place ``after`` on; raises as ``look``."""
    with _opened(path, whatsapp, phone, on_skip) as reading:
        if after is None:
            yield first_piece("database", [PhoneSeen(jid=reading.phone)])
        yield from walk(reading.stages(), "database", after, batch_size)


@contextmanager
def _opened(path: Path, whatsapp: Path | None, phone: str | None, on_skip: OnSkip) -> Iterator[_Reading]:
    with ExitStack() as stack:
        store = stack.enter_context(opened(path, BRIDGE, "messages.db"))
        _check(store)
        linked = Whatsmeow(stack.enter_context(opened(whatsapp, BRIDGE, "whatsapp.db")), on_skip)
        own = own_number(phone, linked.own_numbers(), path.name)
        yield _Reading(Tables(store, on_skip), linked, own)


def _check(store: ForeignFile) -> None:
    columns = set(store.columns("messages"))
    if not columns >= _MESSAGES:
        if "whatsmeow_device" in store.tables():
            raise store.unreadable(
                "this is the bridge's whatsapp.db, which holds no messages; name the file messages.db"
            )
        raise store.unreadable("this is not a database of a whatsapp-mcp bridge; name the file messages.db")
    if {"created_at", "device_id"} & columns:
        raise store.unreadable("this is GOWA's chatstorage.db; import it with: backscroll import gowa")


class _Reading:
    def __init__(self, tables: Tables, linked: Whatsmeow, phone: str) -> None:
        self.tables = tables
        self.linked = linked
        self.phone = phone

    def stages(self) -> tuple[Stage, ...]:
        """In the order in which what they tell can be applied."""
        return (
            *self.linked.stages(self.phone),
            each("chats", self.tables, lambda row: mapping.chat_of(row, self.phone)),
            Stage("messages", self.tables, self._messages, counts=True),
            each("calls", self.tables, lambda row: mapping.call_of(row, self.phone, self.linked.person)),
        )

    def _messages(self, numbers: list[int]) -> Told:
        told = Told(raw=list(self.tables.rows("messages", numbers)))
        for row in told.raw:
            found = told_of(row, lambda row: mapping.told_of(row, self.phone, self.linked.person))
            told.events += found.events
            told.files += found.files
        return told
