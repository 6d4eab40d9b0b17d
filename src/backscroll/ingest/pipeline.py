"""From a connector's batch to the store, past outages of the database and past single events that are no good."""

from __future__ import annotations

from functools import partial

import msgspec
from msgspec import structs

from backscroll.concurrency.retry import retry
from backscroll.core import events
from backscroll.core.errors import BadField
from backscroll.core.events import Batch, Event
from backscroll.storage.records.org_state import Applied
from backscroll.storage.store import Store
from backscroll.storage.write.validation import cleaned

_ENCODER = msgspec.json.Encoder()
EVENT = "row event"
"""Begins ``via`` of an event in quarantine; its batch's source follows (quarantined_rows.py)."""


def apply_with_retry(store: Store, org: int, batch: Batch) -> Applied:
    """``store.apply``, tried again while the store is busy. A batch whose commit is in doubt may be applied twice.

    An event that cannot be kept goes to quarantine by itself, named in ``refused``, and the others are applied.
    """
    try:
        return retry(lambda: store.apply(org, batch))
    except BadField:
        good, refused = _sorted_out(batch)
        if not refused:
            raise
    named = [f"{name_of(event)}: {problem}" for event, problem in refused]
    via = f"{EVENT} {batch.source}"
    for (event, _), problem in zip(refused, named, strict=True):
        retry(partial(store.quarantine, org, batch.source, encoded(event), problem, via))
    applied = retry(lambda: store.apply(org, structs.replace(batch, events=good)))
    return structs.replace(applied, refused=tuple(named))


def _sorted_out(batch: Batch) -> tuple[list[Event], list[tuple[Event, BadField]]]:
    good: list[Event] = []
    refused: list[tuple[Event, BadField]] = []
    for event in batch.events:
        try:
            cleaned(event)
        except BadField as problem:
            refused.append((event, problem))
        else:
            good.append(event)
    return good, refused


def encoded(event: Event) -> bytes:
    """An event as JSON, for quarantine; letters that JSON cannot hold are replaced."""
    try:
        return _ENCODER.encode(event)
    except UnicodeEncodeError:
        return repr(event).encode("utf-8", "backslashreplace")


def name_of(event: Event) -> str:
    """What a person finds an event by."""
    match event:
        case events.MessageSeen(message):
            return f"message {message.key.id[:80]!r} in {message.key.chat[:80]!r}"
        case events.ChatSeen(chat=chat):
            return f"chat {chat[:80]!r}"
        case events.ContactSeen(jid=jid) | events.NumberMapped(jid=jid):
            return f"contact {jid[:80]!r}"
        case events.PhoneSeen(jid=jid):
            return f"phone {jid[:80]!r}"
        case _:
            return f"what was added to message {event.target.id[:80]!r} in {event.target.chat[:80]!r}"
