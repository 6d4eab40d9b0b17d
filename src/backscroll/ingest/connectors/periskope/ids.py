"""Message ids in the spellings of Periskope's API."""

from __future__ import annotations

from msgspec import Struct

from backscroll.core.errors import Unreadable
from backscroll.formats.periskope_ids import decode_message_id
from backscroll.ingest.connectors.periskope.values import (
    SOURCE,
    first_known,
    jid_of,
)
from backscroll.ingest.connectors.periskope.wire import WireId


class Parts(Struct, frozen=True):
    """What ``<true|false>_<chat>_<id>[_<participant>]`` and its unpacked form say together."""

    chat: str
    id: str
    from_me: bool | None
    participant: str | None


def parts_of(serialized: str | None, bare: str | None, unpacked: WireId | str | None, chat: str | None) -> Parts:
    """All spellings of a message's id taken together; ``Unreadable`` when they name no chat or no message."""
    wire_id = unpacked if isinstance(unpacked, WireId) else WireId(serialized=unpacked)
    serialized = serialized or wire_id.serialized or wire_id.underscored
    told = decode_message_id(serialized or "", chat or wire_id.remote)
    chat = chat or wire_id.remote or told.chat
    id = bare or wire_id.id or told.id
    if not chat:
        raise Unreadable(SOURCE, "chat_id", "the row has no chat")
    if not id:
        raise Unreadable(SOURCE, "unique_id", "the row has no message id")
    from_me = first_known(told.from_me, wire_id.from_me, wire_id.camel_from_me)
    return Parts(jid_of(chat), id, from_me, told.sender)
