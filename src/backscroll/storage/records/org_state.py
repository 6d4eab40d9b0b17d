"""The state row of an organisation: locked first by every writing transaction, written last."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any, NamedTuple

from msgspec import Struct, structs

from backscroll.core.errors import NotFound
from backscroll.core.webhooks import IMPORTS, OutboxEvent, bit_of
from backscroll.database.protocol import Txn


class Change(Struct, frozen=True):
    """A line of the change feed: what changed, its number, in which respects (storage/records/aspects.py), and where.

    ``phone`` and ``chat`` are 0 for what may show in more than one.
    """

    what: str
    no: int
    aspects: str | None = None
    phone: int = 0
    chat: int = 0


class OrgState(Struct):
    """The organisation's counter row while it is held by a writer."""

    org: int
    seq: int
    next_no: int
    named: int
    indexed_from: int | None = None
    """The search index has the messages from this number on; None when nobody has begun it (storage/search/)."""
    next_segment: int = 1
    imports: int = 0
    """Number of imports it ever had, which is the number of the last one."""
    hooks: int = 0
    """Bits of the event types that any webhook wants (core/webhooks.py); 0 where there is none."""
    imported: bool = False
    """Whether the current batch is imported history."""
    told: list[OutboxEvent] = []
    """Webhook events of the batch being written, not numbered yet."""
    events: list[OutboxEvent] = []
    """Webhook events of earlier batches of the same transaction."""
    changes: list[Change] = []
    """Changes of the batch being written."""
    numbered: list[Change] = []
    """Changes of earlier batches of the same transaction, up to ``seq``."""

    def number(self) -> int:
        """The next number for a message, contact, phone or payload; never given twice."""
        self.next_no += 1
        return self.next_no - 1

    def segment(self) -> int:
        """The next number for a segment of the search index; never given twice."""
        self.next_segment += 1
        return self.next_segment - 1

    def change(self, what: str, no: int, aspects: str | None = None, *, phone: int = 0, chat: int = 0) -> None:
        """Record a change for the feed, and where it shows; it gets its seq when the batch ends."""
        self.changes.append(Change(what, no, aspects, phone, chat))
        if what == "phone":
            # Readers cache phones together with names.
            self.named = -1

    def wants(self, type: str, history: bool = False) -> bool:
        """Whether some webhook wants events of this type, for the present or for history."""
        is_history = history or self.imported
        return bool(self.hooks & bit_of(type)) and (not is_history or bool(self.hooks & IMPORTS))

    def tell(self, type: str, at: int, *, first: bool = False, history: bool = False, **about: Any) -> None:
        """Record an event for the outbox, if some webhook wants it; ``about`` are fields of ``OutboxEvent``.

        ``first``: before the batch's other events. ``history``: it counts as history although it is not from an import.
        """
        if self.wants(type, history):
            event = OutboxEvent(no=0, type=type, at=at, imported=history or self.imported, **about)
            self.told.insert(0 if first else len(self.told), event)

    def end_batch(self) -> int:
        """Number the changes of a batch, and return how many there are."""
        changed = len(self.changes)
        self.seq += changed
        self.numbered += self.changes
        self.changes = []
        self.events += [structs.replace(event, no=self.number()) for event in self.told]
        self.told = []
        if self.named < 0:
            self.named = self.seq
        return changed


class Applied(Struct, frozen=True):
    """The result of a batch: ``changed`` rows, up to the organisation's ``seq``."""

    changed: int
    seq: int
    refused: tuple[str, ...] = ()
    """Events that could not be stored and went to quarantine (ingest/pipeline.py), each with its reason."""


class OrgRow(NamedTuple):
    """An organisation's row for readers: the columns of the statement read_org_state, in order."""

    seq: int
    next_no: int
    named: int
    """The ``seq`` of the last change of names, JIDs or phones."""
    indexed_from: int | None
    next_segment: int
    pruned: int
    """The change feed begins after this ``seq`` (storage/write/feed.py)."""


def read_org_state(tx: Txn, org: int) -> OrgRow | None:
    """None when there is no such organisation."""
    row = tx.one("read_org_state", {"org": org})
    return None if row is None else OrgRow(*row)


def lock_org_state(tx: Txn, org: int) -> OrgState:
    """Lock the row, so that nobody else writes to the organisation until the transaction ends."""
    row = tx.one("lock_org_state", {"org": org})
    if row is None:
        raise NotFound("organisation", str(org))
    return OrgState(org, *row)


def save_org_state(tx: Txn, state: OrgState) -> Applied:
    """Write the changes and the row; returns the result of the last batch."""
    changed = state.end_batch()
    if state.numbered:
        tx.many("add_change", _change_rows(state))
    if state.events:
        tx.many("add_event", (_event_row(state.org, event) for event in state.events))
    row = {"org": state.org, "seq": state.seq, "next_no": state.next_no, "named": state.named, "imports": state.imports}
    tx.run("save_org_state", row | {"indexed_from": state.indexed_from, "next_segment": state.next_segment})
    return Applied(changed, state.seq)


def _change_rows(state: OrgState) -> Iterator[dict[str, Any]]:
    for seq, change in enumerate(state.numbered, state.seq - len(state.numbered) + 1):
        yield {
            "org": state.org,
            "seq": seq,
            "what": change.what,
            "no": change.no,
            "aspects": change.aspects,
            "phone": change.phone,
            "chat": change.chat,
        }


def _event_row(org: int, event: OutboxEvent) -> dict[str, Any]:
    row = structs.asdict(event)
    # Unlike its number, which is used again after restoring a backup, the id is never used twice.
    row |= {"org": org, "event": row.pop("no"), "id": f"evt_{secrets.token_hex(12)}", "imported": int(event.imported)}
    return row
