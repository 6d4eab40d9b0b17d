"""From a line of the device's process to events. See linked.md."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from backscroll.core.errors import Unreadable
from backscroll.core.events import Event
from backscroll.ingest.connectors.linked import live, past, state
from backscroll.ingest.connectors.linked.told import SOURCE, Envelope, Told, told_of
from backscroll.ingest.connectors.pushed import Observed, Setup, nothing
from backscroll.ingest.connectors.webhooks import wire

_HANDLERS: dict[str, Callable[[Told], list[Event]]] = {
    "Message": live.message,
    "UndecryptableMessage": live.undecryptable,
    "Receipt": live.receipt,
    "GroupInfo": lambda told: state.group(told, told.data),
    "GroupInfoEvent": state.changed,
    "JoinedGroup": state.joined,
    "NewsletterJoin": state.channel,
    "NewsletterLeave": state.left_channel,
    "CallOffer": state.call,
    "CallOfferNotice": state.call,
    "CallTerminate": state.call,
}
_LISTS: dict[str, Callable[[Told, list[Any]], list[Event]]] = {
    "Contacts": state.contacts,
    "ChatSettings": state.settings,
}


def observe(body: bytes, setup: Setup) -> Observed:
    """What one line says; ``Unreadable`` when nothing of it can be understood."""
    envelope = wire.decode(SOURCE, body, Envelope)
    if envelope.event == "Unreadable":
        raise Unreadable(SOURCE, "bytes", envelope.problem or "the library's event could not be read")
    told = told_of(envelope)
    if envelope.event in _LISTS:
        rows = wire.decode_part(SOURCE, "data", bytes(envelope.data), Any)
        return Observed(events=_LISTS[envelope.event](told, rows if isinstance(rows, list) else []))
    if envelope.event == "History":
        events, problems = past.piece(told)
        return Observed(events=wire.unrepeated([*told.mapped(), *events]), raw=body, problems=problems)
    handler = _HANDLERS.get(envelope.event)
    if handler is None:
        raise Unreadable(SOURCE, "event", f"this version does not know the event {envelope.event[:80]!r}")
    events = handler(told)
    if not events and not (envelope.event == "Message" and live.is_kept(told)):
        return nothing()
    return Observed(events=wire.unrepeated([*told.mapped(), *events]), raw=body)
