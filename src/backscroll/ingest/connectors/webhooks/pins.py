"""Pins of messages for everyone, as WhatsApp's protobuf tells them.

WhatsApp's own programs compare pins by the sender's clock, and count their duration from the server's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from backscroll.core.errors import Unreadable
from backscroll.core.events import MessagePinned, Target
from backscroll.core.ids import canonical, is_person, kind_of
from backscroll.ingest.connectors.webhooks import wire
from backscroll.ingest.connectors.webhooks.proto_json import PIN, Node

_PINNED, _UNPINNED = (1, "1", "PIN_FOR_ALL"), (2, "2", "UNPIN_FOR_ALL")
_IN_CHAT = (4, "4", "PIN_IN_CHAT")
_SENT, _ARRIVED, _LASTS = "senderTimestampMs", "serverTimestampMs", "messageAddOnDurationInSecs"
_SECOND = 1_000_000
_MAX_SECONDS = 2**32 - 1


def pin_of(
    source: str, target: Target, by: str | None, node: Node, arrived: int, seconds: int | None
) -> Iterator[MessagePinned]:
    """A ``pinInChatMessage`` that pins or unpins ``target``; nothing for a type that the protocol does not have.

    ``arrived`` is the time of the message that told it, in microseconds UTC.
    """
    type = node.raw("type")
    if type not in _PINNED and type not in _UNPINNED:
        return
    if seconds is not None and not 0 <= seconds <= _MAX_SECONDS:
        raise Unreadable(source, _LASTS, "is not a number of seconds")
    when = node.number(_SENT)
    at = wire.instant(when, source, _SENT) if when else arrived
    pinned = type in _PINNED
    until = (arrived // _SECOND + seconds) * _SECOND if pinned and seconds else None
    yield MessagePinned(target=target, pinned=pinned, at=at, by=by, until=until)


def pinned_author(chat: str, key: Node, by: str | None) -> str | None:
    """Who wrote the pinned message; None where its id has to do. ``key`` is as the one who pins, ``by``, sees the chat.

    Baileys rewrites the keys of reactions, but not this one. A hidden id in it may be the own one, which not every
    gateway tells.
    """
    if is_person(chat):
        return None
    if (participant := key.text("participant")) is None:
        return by if key.flag("fromMe") else None
    author = canonical(participant)
    return author if kind_of(author) == "user" else None


def noted_pins(source: str, target: Target, row: Node, who: Callable[[Node], str | None]) -> Iterator[MessagePinned]:
    """The pins that a ``WebMessageInfo`` notes at the pinned message itself. Keys are those of the pins' own messages.

    ``who`` gives the author behind a key. One without a time is left out.
    """
    if pin := row.node("pinInChat"):
        yield from _noted(source, target, pin, pin, who(pin.node("key")), pin.node("messageAddOnContextInfo"))
    for note in row.nodes("messageAddOns"):
        if note.raw("messageAddOnType") in _IN_CHAT:
            by, context = who(note.node("messageAddOnKey")), note.node("addOnContextInfo")
            yield from _noted(source, target, note.node(f"messageAddOn.{PIN}"), note, by, context)


def _noted(
    source: str, target: Target, pin: Node, times: Node, by: str | None, context: Node
) -> Iterator[MessagePinned]:
    sent = times.number(_SENT) or pin.number(_SENT)
    if sent:
        arrived = wire.instant(times.number(_ARRIVED) or sent, source, _ARRIVED)
        told = Node({"type": pin.raw("type"), _SENT: sent})
        yield from pin_of(source, target, by, told, arrived, context.number(_LASTS))
