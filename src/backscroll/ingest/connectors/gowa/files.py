"""GOWA's two files, told apart by their tables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from backscroll.ingest.connectors.foreign import sqlite
from backscroll.ingest.connectors.foreign.sqlite import ForeignFile, Product

GOWA = Product("GOWA", "GOWA's storages/")
_NEEDED = {"messages": {"id", "chat_jid", "sender", "timestamp"}, "whatsmeow_device": {"jid"}}


@contextmanager
def opened(path: Path | None, usual: str, *, needed: str) -> Iterator[ForeignFile]:
    """The file, which must hold the table ``needed``; without a path, an empty one."""
    with sqlite.opened(path, GOWA, usual) as file:
        if path is not None and not _NEEDED[needed].issubset(file.columns(needed)):
            _refuse(file, usual)
        yield file


def _refuse(file: ForeignFile, usual: str) -> NoReturn:
    tables = file.tables()
    if "whatsmeow_device" in tables:
        problem = "this is GOWA's whatsapp.db, which holds no messages"
    elif usual == "whatsapp.db" and {"messages", "chats"} <= tables:
        problem = "this is GOWA's chatstorage.db"
    else:
        problem = "not a GOWA database"
    raise file.unreadable(f"{problem}; name the file {usual}")
