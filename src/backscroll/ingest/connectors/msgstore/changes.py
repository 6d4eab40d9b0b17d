"""Changes of a message of msgstore.db after it was sent: edits, deletions, reactions, votes, pins, receipts."""

from __future__ import annotations

from collections.abc import Iterator

from backscroll.core import ids
from backscroll.core.events import (
    Event,
    MessageEdited,
    MessagePinned,
    MessageRevoked,
    PollVoted,
    ReactionSet,
    ReceiptSet,
    Target,
)
from backscroll.core.model import Message
from backscroll.ingest.connectors.foreign.rows import Row, Unusable
from backscroll.ingest.connectors.msgstore.content import (
    DELETED,
    is_from_me,
    moment,
    target_of,
    text_of,
    type_of,
)
from backscroll.ingest.connectors.msgstore.records import AddOn, Jids, Record

_RECEIPTS = (("receipt_timestamp", 3), ("read_timestamp", 4), ("played_timestamp", 5))


def changes_of(record: Record, message: Message, phone: str, jids: Jids) -> Iterator[Event]:
    """All changes of the message; an unusable row is reported and left out."""
    target = target_of(record, phone)
    yield from _edits(record, message, target)
    yield from _revokes(record, target, jids)
    for add_on in record.reactions:
        if (reaction := _reaction(add_on, record, target, phone, jids)) is not None:
            yield reaction
    yield from _votes(record, target, phone, jids)
    yield from _pins(record, target, phone, jids)
    yield from _receipts(record, target, jids)


def _edits(record: Record, message: Message, target: Target) -> Iterator[Event]:
    """The file holds the newest text alone: what stood there before is not told."""
    part = record.part("message_edit_info")
    at = moment(part, "sender_timestamp", "edited_timestamp")
    if part is None or at is None or type_of(record) in DELETED:
        return
    own = record.row.text("key_id")
    id = own if own != target.id else None
    yield MessageEdited(target=target, text=text_of(record, message.kind), at=at, id=id, by=target.sender)


def _revokes(record: Record, target: Target, jids: Jids) -> Iterator[Event]:
    if type_of(record) not in DELETED:
        return
    part = record.part("message_revoked")
    admin = jids.person(part.values.get("admin_jid_row_id")) if part else None
    at = moment(part, "revoke_timestamp")
    yield MessageRevoked(target=target, at=at, by=admin or target.sender, by_admin=admin is not None)


def _person(row: Row, record: Record, phone: str, jids: Jids) -> str | None:
    """Whose addition it is. In chats of two only the direction is told."""
    if row.values.get("from_me") == 1:
        return phone
    return jids.person(row.values.get("sender_jid_row_id")) or (record.chat if ids.is_person(record.chat) else None)


def _reaction(add_on: AddOn, record: Record, target: Target, phone: str, jids: Jids) -> ReactionSet | None:
    by = _person(add_on.row, record, phone, jids)
    if by is None:
        add_on.row.report("sender_jid_row_id", "does not say who reacted", kept=False)
        return None
    emoji, id = add_on.detail.text("reaction") or "", add_on.row.text("key_id")
    at = moment(add_on.detail, "sender_timestamp") or moment(add_on.row, "timestamp")
    return ReactionSet(target=target, by=by, emoji=emoji, at=at, id=id)


def _votes(record: Record, target: Target, phone: str, jids: Jids) -> Iterator[Event]:
    options = {part.no: part.text("option_name") or "" for part in record.parts("message_poll_option")}
    for add_on in record.votes:
        by = _person(add_on.row, record, phone, jids)
        at = moment(add_on.detail, "sender_timestamp") or moment(add_on.row, "timestamp")
        if by is None or at is None:
            add_on.row.report("sender_jid_row_id", "does not say who voted, or when", kept=False)
            continue
        numbers = [row.values.get("message_poll_option_id") for row in add_on.chosen]
        chosen = tuple(options[no] for no in numbers if isinstance(no, int) and options.get(no))
        yield PollVoted(target=target, by=by, options=chosen, at=at)


def _pins(record: Record, target: Target, phone: str, jids: Jids) -> Iterator[Event]:
    """WhatsApp keeps a row of an unpin for some days."""
    for add_on in record.pins:
        state = add_on.detail.values.get("pin_in_chat_state")
        at = moment(add_on.detail, "sender_timestamp") or moment(add_on.row, "timestamp")
        if state not in (0, 1) or at is None:
            add_on.detail.report("pin_in_chat_state", "does not say whether it was pinned, or when", kept=False)
            continue
        by, until = _person(add_on.row, record, phone, jids), moment(add_on.row, "expiry_timestamp")
        yield MessagePinned(target=target, pinned=state == 1, at=at, by=by, until=until if state == 1 else None)


def _receipts(record: Record, target: Target, jids: Jids) -> Iterator[Event]:
    """Of own messages, how far they came with each participant."""
    if not is_from_me(record):
        return
    in_two = ids.is_person(record.chat)
    for part in record.parts("receipt_user"):
        person = jids.person(part.values.get("receipt_user_jid_row_id"))
        if person is None and not in_two:
            part.report("receipt_user_jid_row_id", "refers to no person", kept=False)
            continue
        for column, ack in _RECEIPTS:
            at = moment(part, column)
            if at is not None:
                yield ReceiptSet(target=target, ack=ack, participant=None if in_two else person, at=at)


def told(record: Record, message: Message, phone: str, jids: Jids) -> list[Event]:
    """``changes_of`` as a list; nothing where a row makes no sense."""
    try:
        return list(changes_of(record, message, phone, jids))
    except Unusable as error:
        record.row.report(error.column, error.problem, kept=True)
        return []
