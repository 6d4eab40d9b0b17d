"""Plain messages, and what they would be if they were not known to be plain."""

from __future__ import annotations

from backscroll.core.model import ArchivedMessage, Message, MessageKey, Shown


def whole(message: Shown) -> ArchivedMessage:
    """The message as an ``ArchivedMessage``."""
    if isinstance(message, ArchivedMessage):
        return message
    told = Message(
        key=MessageKey(message.phone.jid, message.chat, message.id, message.sender),
        sent_at=message.sent_at,
        from_me=message.from_me,
        text=message.text,
        ack=message.ack,
    )
    return ArchivedMessage(
        no=message.no,
        message=told,
        phone=message.phone,
        ack=message.ack,
        sender_name=message.sender_name,
        fts=message.fts,
        stored_at=message.stored_at,
        changed_at=message.changed_at,
    )
