"""Which webhook events a change causes, decided when it is written, without reading from the database."""

from __future__ import annotations

from typing import Any

from backscroll.storage.records.aspects import (
    ACK,
    CONTENT,
    FLAGGED,
    IS_DELETED,
    PINNED,
    TICKET,
    UNFLAGGED,
    reaction_of,
)
from backscroll.storage.records.org_state import OrgState
from backscroll.storage.records.rows import NOTIFICATION, MessageRow

HISTORY_US = 7 * 86_400_000_000
"""A message sent this long before it was stored counts as history, like messages from an import."""
_TYPES = {
    CONTENT: "message.updated",
    IS_DELETED: "message.deleted",
    ACK: "message.ack.updated",
    PINNED: "message.updated",
    FLAGGED: "message.flagged",
    UNFLAGGED: "message.unflagged",
    TICKET: "message.ticket.attached",
}


def tell_message(state: OrgState, at: int, row: MessageRow | None, values: dict[str, Any], aspects: str | None) -> None:
    """Report a message that is new (``row`` is None) or was changed in some aspects."""
    if not state.hooks:
        return
    where: dict[str, Any] = {"phone": values["phone"], "chat": values["chat"], "message": values["no"]}
    # A newly linked device, or a gateway that is asked for everything it has, reports years of messages as if new.
    where["history"] = row is None and at - values["sent_at"] > HISTORY_US
    if values["flags"] & NOTIFICATION:
        if row is None:
            state.tell("chat.notification.created", at, **where)
        return
    if row is None:
        state.tell("message.created", at, **where)
    words = (aspects or "").split()
    for word in words:
        if word == PINNED and CONTENT in words:
            continue
        reaction = reaction_of(word)
        if reaction is not None:
            type = "reaction.created" if reaction.is_first else "reaction.updated"
            state.tell(type, at, **where, ref=str(reaction.actor))
        elif row is not None and word in _TYPES:
            state.tell(_TYPES[word], at, **where, ref=_before(row, values, word))


def _before(row: MessageRow, values: dict[str, Any], aspect: str) -> str | None:
    """The previous state, as far as it can be given without message text."""
    if aspect == CONTENT and row.text != values["text"]:
        return "body"
    return str(row.ack) if aspect == ACK and row.ack is not None and row.ack != values["ack"] else None


def tell_gone(state: OrgState, at: int, row: MessageRow, erased: str) -> None:
    """Report a removed row. The event contains its identity, because that can no longer be looked up."""
    if state.wants("message.erased"):
        state.tell("message.erased", at, phone=row.phone, chat=row.chat, message=row.no, ref=erased)
