"""The envelope of events, and the identity of messages: shared by live events and histories."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec import Raw, Struct

from backscroll.core.errors import Unreadable
from backscroll.core.events import NumberMapped, Target
from backscroll.core.ids import canonical, is_person
from backscroll.ingest.connectors.pushed import HASHED_OPTION
from backscroll.ingest.connectors.webhooks import wire
from backscroll.ingest.connectors.webhooks.proto_json import Node

SOURCE = "linked"
STATUS = "status@broadcast"
ACKS = {"ERROR": -1, "PENDING": 1, "SERVER_ACK": 2, "DELIVERY_ACK": 3, "READ": 4, "PLAYED": 5}
"""WebMessageInfo's words in the archive's numbering."""


class Envelope(Struct):
    """What the process of the device puts around everything."""

    event: str
    at: int
    own: str
    own_lid: str | None = None
    numbers: dict[str, str] = {}
    """The numbers behind LIDs in ``data``, as far as the device's session knows them."""
    data: Raw = Raw(b"null")
    opened: Raw = Raw(b"null")
    """What an encrypted addition says."""
    problem: str | None = None


class Told(Struct, frozen=True):
    """One event: of which account, when it came, and what it says."""

    phone: str
    lid: str | None
    at: int
    data: Node
    opened: Node
    """An empty one where nothing was encrypted, or where it could not be read."""
    was_opened: bool
    numbers: dict[str, str] = {}

    def is_own(self, jid: str | None) -> bool:
        return jid is not None and canonical(jid) in (self.phone, self.lid)

    def person(self, *jids: str | None) -> str | None:
        """Of several spellings of one person the number; the account itself is always its number."""
        named = wire.number_first(*jids)
        if named is not None:
            named = self.numbers.get(named, named)
        return self.phone if self.is_own(named) else named

    def mapped(self) -> list[NumberMapped]:
        """What the session knows of people in the event: they may be mentioned or quoted only."""
        return [event for lid, number in self.numbers.items() for event in wire.same_person(lid, number)]


def told_of(envelope: Envelope) -> Told:
    """The event of an envelope."""
    data = wire.decode_part(SOURCE, "data", bytes(envelope.data), Any)
    opened = wire.decode_part(SOURCE, "opened", bytes(envelope.opened), Any)
    phone = wire.required_jid(envelope.own, SOURCE, "own")
    lid = canonical(envelope.own_lid) if envelope.own_lid else None
    numbers = {canonical(hidden): canonical(number) for hidden, number in envelope.numbers.items()}
    return Told(phone, lid, envelope.at, Node(data), Node(opened), opened is not None, numbers)


class Key(Struct, frozen=True):
    """Whose message and which. ``sender`` is None where nobody told."""

    chat: str
    id: str
    from_me: bool
    sender: str | None
    mapped: tuple[NumberMapped, ...] = ()
    broadcast: bool = False
    """It came through a broadcast list of the sender."""


def key_of_source(told: Told, source: Node, id: str | None) -> Key:
    """Of a live event, whose source names chat and sender in both spellings."""
    chat, sender = source.text("Chat"), source.text("Sender")
    if chat is None or not id:
        raise Unreadable(SOURCE, "Info", "has no chat or no message id")
    from_me = bool(source.flag("IsFromMe"))
    sender_alt, recipient_alt = source.text("SenderAlt"), source.text("RecipientAlt")
    mapped = [*wire.same_person(sender, sender_alt)]
    who = told.phone if from_me else told.person(sender, sender_alt)
    where = canonical(chat)
    broadcast = where.endswith("@broadcast") and where != STATUS
    if broadcast and not from_me and who is not None:
        where = who
    elif is_person(where):
        other = recipient_alt if from_me else sender_alt
        mapped += wire.same_person(chat, other)
        where = told.person(chat, other) or where
    return Key(where, id, from_me, who, tuple(mapped), broadcast)


def target_of(told: Told, key: Key, inner: Node, where: str) -> Target:
    """The message that another one changes. Its key is written as the one who changes it sees the chat."""
    id = inner.text("ID")
    if id is None:
        raise Unreadable(SOURCE, where, "has no message id")
    participant = inner.text("participant")
    if inner.flag("fromMe"):
        sender: str | None = key.sender
    elif participant is not None:
        sender = told.person(participant)
    elif is_person(key.chat):
        # The other of the two.
        sender = None if key.sender is None else key.chat if key.from_me else told.phone
    else:
        sender = None
    return Target(told.phone, key.chat, id, sender)


def hashed(options: Iterable[str]) -> tuple[str, ...]:
    """The options of a vote by the hashes of their names."""
    return tuple(HASHED_OPTION + option for option in options)
