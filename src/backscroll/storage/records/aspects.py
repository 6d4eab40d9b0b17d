"""Names for what a line of the change feed changed, by which followers distinguish a receipt from an edit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import Struct, structs

from backscroll.core.answers import ErasedMessage
from backscroll.core.model import Details
from backscroll.storage.records.counters import column_of
from backscroll.storage.records.pins import pins_in_effect
from backscroll.storage.records.resolve import Annotation
from backscroll.storage.records.rows import DELETED, FROM_ME, MessageRow, decode_details

CONTENT = "content"
"""Anything shown about a message, except what has its own aspect."""
IS_DELETED = "deleted"
ACK = "ack"
"""The delivery status, or who received or read it."""
PINNED = "pinned"
"""Whether it is pinned in its chat, by whom, or until when."""
FLAGGED = "flagged"
UNFLAGGED = "unflagged"
TICKET = "ticket"
CREATED = "created"
"""For a chat: it is new for the phone. With the number of the phone, ``created+7``."""
STATE = "state"
"""For a phone: whether it is connected."""

_COLUMNS = ("phone", "chat", "sender", "id", "sent_at", "kind", "text", "edited_at", "prev_text")
_APART: dict[str, Any] = {
    "flag_status": None,
    "flag_metadata": None,
    "flag_response_time": None,
    "ticket_id": None,
    "pending": None,
    "updated_at": None,
    "has_reaction": None,
}
"""Details that do not count as content."""
_ORDER = (CONTENT, IS_DELETED, ACK, PINNED, FLAGGED, UNFLAGGED, TICKET)


class ReactionChange(Struct, frozen=True):
    """A contact's reaction that was added, replaced or removed; ``actor`` is the contact's number."""

    actor: int
    is_first: bool

    def __str__(self) -> str:
        return f"reaction{'+' if self.is_first else '~'}{self.actor}"


class Erased(Struct, frozen=True, omit_defaults=True):
    """What identifies a removed row, in lines of the feed and events of the outbox. Those of earlier versions lack
    ``chat`` and ``by``, which processes of those versions ignore.
    """

    id: str
    sender: int
    flags: int
    chat: str | None = None
    by: str | None = None
    """The sender's JID, in chats in which several people write."""

    @property
    def message(self) -> ErasedMessage | None:
        """None if it does not tell the chat."""
        if self.chat is None:
            return None
        return ErasedMessage(self.id, self.chat, self.by, bool(self.flags & FROM_ME))


_IN_PLACE = frozenset({ACK, PINNED, FLAGGED, UNFLAGGED, TICKET})


def leaves_in_place(what: str, aspects: str | None) -> bool:
    """Whether a line of the feed is about a message that stays on the pages on which it was, of any filter, and changes
    neither totals nor chats.
    """
    # A damaged line may hold something else than text.
    if what != "update" or not isinstance(aspects, str):
        return False
    return all(word in _IN_PLACE or word.startswith("reaction") for word in aspects.split())


def created(phone: int) -> str:
    """The aspect of a chat that a phone did not have before."""
    return f"{CREATED}+{phone}"


def reaction_of(aspect: str) -> ReactionChange | None:
    """The reaction that an aspect is about, if it is about one."""
    if not aspect.startswith("reaction"):
        return None
    return ReactionChange(int(aspect[9:]), aspect[8] == "+")


def aspects_of(
    row: MessageRow | None, values: dict[str, Any], before: Iterable[Annotation], after: Iterable[Annotation]
) -> str | None:
    """The aspects that ``values`` and annotations ``after`` change of a row (None: a new one) and those ``before``.

    Words separated by spaces; None of a new message without reactions, of which nothing needs to be said.
    """
    senders = (values["sender"],)
    # Annotations that waited for the message arrive with it.
    old = [] if row is None else [a for a in before if a.is_meant_for(senders)]
    new = [a for a in after if a.is_meant_for(senders)]
    reactions = [str(change) for change in _reactions(old, new)]
    if row is None:
        return " ".join(reactions) or None
    found = set(_of_columns(row, values))
    if row.details != values["details"]:
        found |= set(_of_details(decode_details(row.details), decode_details(values["details"])))
    if _told(old, "vote") != _told(new, "vote"):
        found.add(CONTENT)
    if _told(old, "receipt") != _told(new, "receipt"):
        found.add(ACK)
    if _pins(old) != _pins(new):
        found.add(PINNED)
    return " ".join([word for word in _ORDER if word in found] + reactions)


def _of_columns(row: MessageRow, values: dict[str, Any]) -> Iterator[str]:
    changed = row.flags ^ values["flags"]
    if column_of(row.flags) != column_of(values["flags"]):
        # Only where the row was damaged do they not follow from the other columns.
        yield CONTENT
    if changed & DELETED:
        # A restored message is shown differently from before.
        yield CONTENT if row.flags & DELETED else IS_DELETED
    if changed & FROM_ME or any(getattr(row, name) != values[name] for name in _COLUMNS):
        yield CONTENT
    if row.ack != values["ack"]:
        yield ACK


def _of_details(was: Details, now: Details) -> Iterator[str]:
    if structs.replace(was, **_APART) != structs.replace(now, **_APART):
        yield CONTENT
    if was.pending != now.pending:
        yield ACK
    if bool(was.flag_status) != bool(now.flag_status):
        yield FLAGGED if now.flag_status else UNFLAGGED
    if now.ticket_id is not None and was.ticket_id != now.ticket_id:
        yield TICKET


def _told(annotations: list[Annotation], kind: str) -> set[tuple[int, str, int | None, str | None]]:
    return {(a.actor, a.ref, a.at, a.value) for a in annotations if a.kind == kind}


def _pins(annotations: list[Annotation]) -> set[tuple[int, int | None, str | None]]:
    return {(a.actor, a.at, a.value) for a in pins_in_effect(annotations)}


def _reactions(old: list[Annotation], new: list[Annotation]) -> list[ReactionChange]:
    """In the order of contacts' numbers, so that every reader of a line counts alike."""
    was, now = _standing(old), _standing(new)
    changed = sorted(actor for actor in was.keys() | now.keys() if was.get(actor, "") != now.get(actor, ""))
    return [ReactionChange(actor, actor not in was) for actor in changed]


def _standing(annotations: list[Annotation]) -> dict[int, str]:
    """Each contact's reaction, without removed ones."""
    latest: dict[int, Annotation] = {}
    for a in annotations:
        if a.kind == "reaction" and (a.actor not in latest or a.recency > latest[a.actor].recency):
            latest[a.actor] = a
    return {actor: a.value or "" for actor, a in latest.items()}
