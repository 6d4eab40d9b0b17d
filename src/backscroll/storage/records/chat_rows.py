"""The row of a chat, as those who write it read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from backscroll.database.protocol import Txn


class StoredChat(NamedTuple):
    """A row of chats, in the order of columns of the statement read_chat. Times in microseconds UTC."""

    last_at: int | None
    has_media: int
    exported: int
    facts: str | None
    """Registers, encoded (storage/records/registers.py)."""
    seq: int
    stored_at: int
    changed_at: int
    imported: int | None
    """1 when import_facts holds all that was told of the chat; None of a chat that is still to be made."""

    def summary(self) -> dict[str, Any]:
        """What follows from its messages, and whether imports told of it, as ``save_chat`` takes them."""
        return {
            "last_at": self.last_at,
            "has_media": self.has_media,
            "exported": self.exported,
            "imported": self.imported,
        }


NEW_CHAT = StoredChat(None, 0, 0, None, 0, 0, 0, None)
"""A chat that has no row yet."""


def read_chat(tx: Txn, where: Mapping[str, Any]) -> StoredChat | None:
    """The chat that ``org``, ``phone`` and ``chat`` of ``where`` name; None when it has no row."""
    row = tx.one("read_chat", where)
    return None if row is None else StoredChat(*row)
