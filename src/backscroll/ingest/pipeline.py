"""Passing a connector's batches to the store, despite outages of the database and single invalid events."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

import msgspec
from msgspec import structs

from backscroll.concurrency.retry import retry
from backscroll.core import events
from backscroll.core.errors import BadField, Error, StorageBusy
from backscroll.core.events import Batch, Event
from backscroll.storage.records.org_state import Applied
from backscroll.storage.store import Store
from backscroll.storage.write.bulk import BulkWriter
from backscroll.storage.write.validation import cleaned

_ENCODER = msgspec.json.Encoder()
EVENT = "row event"
"""Prefix of ``via`` of an event in quarantine, followed by its batch's source (quarantined_rows.py)."""


def apply_with_retry(store: Store, org: int, batch: Batch) -> Applied:
    """``store.apply``, retried while the store is busy. A batch whose commit is uncertain may be applied twice.

    An event that cannot be stored goes to quarantine and is named in ``refused``; the others are applied.
    """
    try:
        return retry(lambda: store.apply(org, batch))
    except BadField:
        good, refused = _sorted_out(batch)
        if not refused:
            raise
    named = _put_aside(store, org, batch, refused)
    applied = retry(lambda: store.apply(org, structs.replace(batch, events=good)))
    return structs.replace(applied, refused=named)


def apply_all(store: Store, org: int, batches: Iterable[Batch]) -> Iterator[Applied]:
    """``apply_with_retry`` of each batch, many per transaction. Yields the results in order, once they are on disk.

    Batches are read ahead of writing. If reading fails, what was read before is written before the error is raised.
    """
    refused: deque[tuple[str, ...]] = deque()
    source = iter(batches)
    failure: Exception | None = None
    with store.bulk_writer(org) as writer:
        while True:
            try:
                while failure is None and not writer.is_full and (batch := next(source, None)) is not None:
                    refused.append(_add(store, org, writer, batch))
            except Exception as error:
                failure = error
            if writer.is_empty:
                if failure is not None:
                    raise failure
                return
            for applied in _written(store, org, writer):
                yield structs.replace(applied, refused=(*refused.popleft(), *applied.refused))


def _add(store: Store, org: int, writer: BulkWriter, batch: Batch) -> tuple[str, ...]:
    """Add a batch without the events that cannot be stored; returns the names of those."""
    try:
        writer.add(batch)
    except BadField:
        good, bad = _sorted_out(batch)
        if not bad:
            raise
        named = _put_aside(store, org, batch, bad)
        writer.add(structs.replace(batch, events=good))
        return named
    return ()


def _written(store: Store, org: int, writer: BulkWriter) -> list[Applied]:
    try:
        return retry(writer.write)
    except StorageBusy:
        raise
    except Error:
        # Written alone, so that an error affects only the batch that caused it.
        applied = apply_with_retry(store, org, writer.first)
        writer.drop_first()
        return [applied]


def _put_aside(store: Store, org: int, batch: Batch, refused: Sequence[tuple[Event, BadField]]) -> tuple[str, ...]:
    """Put events in quarantine, each separately; returns their names with the problems."""
    named = tuple(f"{name_of(event)}: {problem}" for event, problem in refused)
    via = f"{EVENT} {batch.source}"
    for (event, _), problem in zip(refused, named, strict=True):
        retry(partial(store.quarantine, org, batch.source, encoded(event), problem, via))
    return named


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
    """A name by which a user can find an event."""
    match event:
        case events.MessageSeen(message):
            return f"message {message.key.id[:80]!r} in {message.key.chat[:80]!r}"
        case events.ChatSeen(chat=chat):
            return f"chat {chat[:80]!r}"
        case events.LabelSeen(id=id):
            return f"label {id[:80]!r}"
        case events.ChatLabeled(label=id, chat=chat):
            return f"label {id[:80]!r} of chat {chat[:80]!r}"
        case events.ContactSeen(jid=jid) | events.NumberMapped(jid=jid):
            return f"contact {jid[:80]!r}"
        case events.PhoneSeen(jid=jid):
            return f"phone {jid[:80]!r}"
        case _:
            return f"what was added to message {event.target.id[:80]!r} in {event.target.chat[:80]!r}"
