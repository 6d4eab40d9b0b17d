"""Writing a batch: one transaction, the same outcome in any order and however often it is told."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec
import zstandard
from msgspec import Struct, structs

from backscroll.core import events
from backscroll.core.errors import NotFound
from backscroll.core.model import Message, Source
from backscroll.database.protocol import Txn
from backscroll.storage.records.identity import Head, Parties
from backscroll.storage.records.resolve import (
    ALTERING,
    Addon,
    AddonKey,
    Addons,
    Folded,
    Telling,
    fold,
    fold_only,
    prune,
    put_latest,
    telling,
)
from backscroll.storage.records.rows import EXPORT_PREFIX, TOLD, MessageRow, row_of, told_by
from backscroll.storage.write.event_collector import Hearing, Key, Told
from backscroll.storage.write.export_matching import ADOPTED, MINUTE_US, adopted, minutes_of
from backscroll.storage.write.message_writer import ChatKey, Ledger, Values
from backscroll.storage.write.phones import OwnPhones
from backscroll.storage.write.validation import cleaned_batch, jids_of, named_in

__all__ = [
    "Applied",
    "Key",
    "Known",
    "Session",
    "Told",
    "Writer",
    "apply_batch",
    "keep_raw",
    "lock_head",
    "save_head",
]

_UNSETTLING = (events.NumberMapped, events.PhoneSeen)
_CHUNK = 400
_CLOSE = 60
"""Minutes."""
_MESSAGE = msgspec.json.Decoder(Message)
_ENCODER = msgspec.json.Encoder()


class Applied(Struct, frozen=True):
    """What a batch did: ``changed`` rows, up to the organisation's ``seq``."""

    changed: int
    seq: int


class Known(Struct):
    """What the archive holds about one id of a chat."""

    rows: list[MessageRow] = []
    tellings: list[Telling] = []
    kept: list[Telling] = []
    """Those of ``tellings`` that have rows of their own."""
    addons: dict[AddonKey, Addon] = {}
    chats: set[int] = set()
    """Chats that its tellings and add-ons stand under: more than one while a merge goes on."""
    renamed: bool = False
    """Tellings or add-ons stand under numbers of merged parties; they are to be written anew."""


def lock_head(tx: Txn, org: int) -> Head:
    row = tx.one("lock_head", {"org": org})
    if row is None:
        raise NotFound("organisation", str(org))
    return Head(org, row[0], row[1], row[2])


def save_head(tx: Txn, head: Head) -> Applied:
    """Write the changes and put the counter row back; what the last batch did comes back."""
    changed = head.end_batch()
    if head.numbered:
        numbered = enumerate(head.numbered, head.seq - len(head.numbered) + 1)
        tx.many("add_change", ({"org": head.org, "seq": n, "what": what, "no": no} for n, (what, no) in numbered))
    tx.run("save_head", {"org": head.org, "seq": head.seq, "next_no": head.next_no, "named": head.named})
    return Applied(changed, head.seq)


def apply_batch(tx: Txn, org: int, batch: events.Batch, now: int, make_phone_id: Callable[[], str]) -> Applied:
    """Write a batch alone in its transaction."""
    session = Session(tx, org, make_phone_id)
    applied = session.write(cleaned_batch(batch), now)
    session.finish()
    return applied


class Session:
    """One transaction for some batches of an organisation, each written as if it had one of its own."""

    def __init__(self, tx: Txn, org: int, make_phone_id: Callable[[], str]) -> None:
        self._tx = tx
        self._head = lock_head(tx, org)
        self._make_phone_id = make_phone_id
        self._writer: Writer | None = None

    def expect(self, batches: Sequence[events.Batch]) -> None:
        """Look up together whom these batches will ask for."""
        if len(batches) > 1:
            heard = [event for batch in batches for event in batch.events]
            parties = self._ready("linked", 0).parties
            parties.look_up(jid for event in heard for jid in jids_of(event))
            parties.load_known(jid for event in heard for jid in named_in(event))

    def write(self, batch: events.Batch, now: int) -> Applied:
        """Write a batch that is fit to be stored (``cleaned_batch``); on disk when the transaction is."""
        unsettling = any(isinstance(event, _UNSETTLING) for event in batch.events)
        if unsettling:
            self._begin_anew()
        self._ready(batch.source, now).write(batch, self._make_phone_id)
        if unsettling:
            self._begin_anew()
        if batch.position is not None:
            stream, place = batch.position
            self._tx.run("save_position", {"org": self._head.org, "stream": stream, "place": place})
        return Applied(self._head.end_batch(), self._head.seq)

    def _ready(self, source: Source, now: int) -> Writer:
        if self._writer is None:
            self._writer = Writer(self._tx, self._head, now, source)
        else:
            self._writer.turn_to(source, now)
        return self._writer

    def _begin_anew(self) -> None:
        """Forget who is who: it changes."""
        if self._writer is not None:
            self._writer.flush()
            self._writer = None

    def finish(self) -> None:
        self._begin_anew()
        save_head(self._tx, self._head)


class Writer:
    """One writing transaction of one organisation. Until its end nobody else writes there."""

    def __init__(self, tx: Txn, head: Head, now: int, source: Source) -> None:
        self.tx = tx
        self.head = head
        self.org = head.org
        self.now = now
        self.source: Source = source
        self.parties = Parties(tx, head, now)
        self.phones = OwnPhones(tx, head, self.parties, now)
        self.ledger = Ledger(tx, head, self.parties, now)
        self._exported: dict[ChatKey, bool] = {}

    def turn_to(self, source: Source, now: int) -> None:
        """What comes next was told by ``source`` at ``now``."""
        self.source = source
        self.now = self.parties.now = self.phones.now = self.ledger.now = now
        self.ledger.raw = None
        # Each batch that tells of an export notes it anew.
        self._exported = {where: False for where, is_exported in self._exported.items() if not is_exported}

    # ------------------------------------------------------------------ a batch

    def write(self, batch: events.Batch, make_phone_id: Callable[[], str]) -> None:
        """Write a batch but for what is held back until ``flush``."""
        self.introduce(batch.events, make_phone_id)
        if batch.raw:
            self.ledger.raw = keep_raw(self.tx, self.head, batch.source, batch.raw_type, batch.raw, self.now)
        hearing = Hearing(self.parties, self.phones, self.ledger, self.source)
        for event in batch.events:
            hearing.hear(event)
        self.settle(hearing.told)
        self.parties.finish()
        self.ledger.finish()

    def introduce(self, heard: Sequence[events.Event], make_phone_id: Callable[[], str]) -> None:
        """Phones first, then who is who, then everybody who is met: what is heard after that has names."""
        for event in heard:
            if isinstance(event, events.PhoneSeen):
                self.see_phone(event, make_phone_id())
        for event in heard:
            if isinstance(event, events.NumberMapped):
                self.parties.map_number(event.lid, event.jid)
        for loser, winner in self.parties.just_merged:
            self.ledger.join_chats(loser, winner)
        self.parties.learn(jid for event in heard for jid in jids_of(event))

    def see_phone(self, event: events.PhoneSeen, phone_id: str) -> int:
        """Make or complete an own phone and return its number."""
        return self.phones.see(event, phone_id)

    def finish(self) -> None:
        """The end of what was not written as a batch."""
        self.parties.finish()
        self.ledger.finish()
        self.flush()

    def flush(self) -> None:
        self.parties.flush()
        self.ledger.flush()

    # ------------------------------------------------------------------ settling: what is told meets what is known

    def settle(self, told: dict[Key, Told]) -> None:
        """Bring what was told together with what is known, and write the outcome."""
        by_chat: dict[ChatKey, dict[str, Told]] = defaultdict(dict)
        for (phone, chat, id), what in told.items():
            by_chat[(phone, chat)][id] = what
        fresh: list[Values] = []
        for where, items in by_chat.items():
            for chunk in _chunks(sorted(items, key=lambda id: (_said_at(items[id]), id))):
                some = {id: items[id] for id in chunk}
                if self._meets_export(where, some):
                    # What is matched with lines must be there to be found.
                    self.ledger.insert(fresh)
                    fresh = self._settle_exported(where, some)
                else:
                    fresh += self._settle_some(where, some)
        self.ledger.insert(fresh)

    def _settle_some(self, where: ChatKey, items: dict[str, Told]) -> list[Values]:
        """Settle some ids of a chat; rows of plain new messages come back, to be inserted together."""
        phone, chat = where
        if self.ledger.holds_back(items):
            self.ledger.flush_rows()
        chats = self.parties.standing_under(chat)
        params = {"org": self.org, "phone": phone, "chats": chats, "ids": list(items)}
        met = {row[0] for row in self.tx.all("known_ids", params)}
        own = self.phones.contact_of(phone)
        fresh = []
        rest: dict[str, Told] = {}
        for id, what in items.items():
            if id in met or len(what.tellings) != 1 or what.addons:
                rest[id] = what
            else:
                fresh.append(self.ledger.row_for(phone, chat, id, fold_only(what.tellings[0], own)))
        if rest:
            self._settle_each(phone, chat, rest)
        return fresh

    def _settle_each(self, phone: int, chat: int, items: dict[str, Told]) -> None:
        known = self.known(phone, chat, list(items))
        for id, what in items.items():
            addons = dict(known[id].addons)
            for addon in what.addons:
                put_latest(addons, addon)
            self.write_outcome(phone, chat, id, known[id], prune(known[id].tellings + what.tellings), addons)

    def resettle(self, phone: int, chat: int, wanted: Sequence[str]) -> None:
        """Write anew what is known of some ids, in words of today's parties."""
        items = {id: Told() for id in wanted}
        if self._meets_export((phone, chat), items):
            self._settle_with_lines(phone, chat, items, self.known(phone, chat, wanted))
        else:
            self._settle_each(phone, chat, items)

    def known(self, phone: int, chat: int, wanted: Sequence[str]) -> dict[str, Known]:
        """What the archive holds about some ids, in words of today's parties."""
        self.ledger.flush_rows()
        chats = self.parties.standing_under(chat)
        params: dict[str, Any] = {"org": self.org, "phone": phone, "phones": (phone,), "chats": chats, "ids": wanted}
        rows = [row_of(values) for values in self.tx.all("rows_by_id", params)]
        tellings = self.tx.all("read_tellings", params)
        addons = self.tx.all("read_addons", params)
        self.parties.load(
            {row.sender for row in rows} | {t[2] for t in tellings} | {a[3] for a in addons} | {a[4] for a in addons}
        )
        known: dict[str, Known] = {id: Known() for id in wanted}
        for row in rows:
            known[row.id].rows.append(row)
            if not row.flags & TOLD:
                known[row.id].tellings.append(telling(self.parties.resolve(row.sender), row.source, told_by(row)))
        for t in tellings:
            self._recall_telling(known[t[1]], *t)
        for a in addons:
            self._recall_addon(known[a[1]], *a)
        return known

    def _recall_telling(
        self, known: Known, chat: int, _: str, sender: int, source: Source, digest: str, text: str
    ) -> None:
        today = self.parties.resolve(sender)
        kept = Telling(today, source, _MESSAGE.decode(text), digest)
        known.tellings.append(kept)
        known.kept.append(kept)
        known.chats.add(chat)
        known.renamed |= today != sender

    def _recall_addon(
        self, known: Known, chat: int, _: str, kind: str, actor: int, target: int, ref: str, at: int, value: str
    ) -> None:
        addon = Addon(kind, self.parties.resolve(actor), self.parties.resolve(target), ref, at, value)
        put_latest(known.addons, addon)
        known.chats.add(chat)
        known.renamed |= (addon.actor, addon.target) != (actor, target)

    # ------------------------------------------------------------------ lines of exported chats

    def _meets_export(self, where: ChatKey, items: Mapping[str, Told]) -> bool:
        """Whether lines of an export and messages with real ids may tell of the same here."""
        if not self._exported.get(where):
            named = {t.message.key.id for what in items.values() for t in what.tellings}
            told = any(id.startswith(EXPORT_PREFIX) for id in named | items.keys())
            if told:
                self._exported[where] = True
                self.ledger.note_export(*where)
            elif where not in self._exported:
                chats = self.parties.standing_under(where[1])
                self._exported[where] = any(self.ledger.is_exported(where[0], chat) for chat in chats)
        return self._exported[where]

    def _settle_exported(self, where: ChatKey, items: dict[str, Told]) -> list[Values]:
        known = self.known(*where, list(items))
        if not self._are_lines_alone(where, known, items):
            self._settle_with_lines(*where, items, known)
            return []
        return self._settle_some(where, items)

    def _are_lines_alone(self, where: ChatKey, known: Mapping[str, Known], items: Mapping[str, Told]) -> bool:
        """Whether only lines of exports are told here and stand around, so that none of them can be a message."""
        return (
            all(id.startswith(EXPORT_PREFIX) for id in items)
            and not any(addon.kind == ADOPTED for k in known.values() for addon in k.addons.values())
            and all(id.startswith(EXPORT_PREFIX) for id in self._said_in(*where, minutes_of(known, items)))
        )

    def _settle_with_lines(self, phone: int, chat: int, items: dict[str, Told], known: dict[str, Known]) -> None:
        """Settle some ids and, with them, all that was said in the same minutes."""
        around = self._said_in(phone, chat, minutes_of(known, items))
        known = known | self.known(phone, chat, sorted(around - known.keys()))
        lines = {t.message.key.id for k in known.values() for t in k.tellings} - known.keys()
        known |= self.known(phone, chat, sorted(lines))
        outcomes = adopted(
            known,
            items,
            lambda tellings, addons: self._fold(phone, chat, tellings, addons),
            lambda senders: self._by_name(chat, senders),
        )
        for id, outcome in outcomes.items():
            self.write_outcome(phone, chat, id, known[id], outcome.tellings, outcome.addons)

    def _said_in(self, phone: int, chat: int, minutes: Iterable[int]) -> set[str]:
        self.ledger.flush_rows()
        params: dict[str, Any] = {"org": self.org, "phone": phone, "chats": self.parties.standing_under(chat)}
        wanted = set(minutes)
        found: set[str] = set()
        for first, last in _runs(wanted):
            span = {"low": first * MINUTE_US, "high": last * MINUTE_US + MINUTE_US - 1}
            rows = self.tx.all("ids_said", params | span)
            found.update(id for id, sent_at in rows if sent_at // MINUTE_US in wanted)
        return found

    # ------------------------------------------------------------------ the outcome

    def write_outcome(
        self, phone: int, chat: int, id: str, known: Known, tellings: list[Telling], addons: dict[AddonKey, Addon]
    ) -> None:
        """Make the archive hold exactly this about an id."""
        folded = self._fold(phone, chat, tellings, addons)
        told = len(tellings) > 1 or (bool(tellings) and any(a.kind in ALTERING for a in addons.values()))
        self._write_told(phone, chat, id, known, tellings if told else [], addons)
        self._write_rows(phone, chat, id, known, folded, told, touched=addons != known.addons)

    def _fold(self, phone: int, chat: int, tellings: Sequence[Telling], addons: Addons) -> list[Folded]:
        is_group = self.parties.party(chat).kind == "group"
        by_name = self._by_name(chat, (t.sender for t in tellings))
        return fold(tellings, addons.values(), self.phones.contact_of(phone), is_group, by_name)

    def _by_name(self, chat: int, senders: Iterable[int]) -> set[int]:
        """Whoever an export knows by name only, unless the chat is theirs: there they are one of two."""
        return self.parties.known_by_name(senders) - {chat}

    def _write_told(
        self, phone: int, chat: int, id: str, known: Known, tellings: list[Telling], addons: dict[AddonKey, Addon]
    ) -> None:
        base = {"org": self.org, "phone": phone, "chat": chat, "id": id}
        moved = known.renamed or bool(known.chats - {chat})
        anew = moved or bool(known.addons.keys() - addons.keys())
        if moved or _marks(tellings) != _marks(known.kept):
            for old in known.chats | {chat}:
                self.tx.run("delete_tellings", base | {"chat": old})
            for t in tellings:
                text = _ENCODER.encode(t.message).decode()
                told = {"sender": t.sender, "source": t.source, "digest": t.digest, "message": text}
                self.tx.run("add_telling", base | told)
        if anew:
            for old in known.chats:
                self.tx.run("delete_addons", base | {"chat": old})
        for key, addon in addons.items():
            if anew or known.addons.get(key) != addon:
                self.tx.run("save_addon", base | structs.asdict(addon))

    def _write_rows(
        self, phone: int, chat: int, id: str, known: Known, folded: list[Folded], told: bool, touched: bool
    ) -> None:
        pairs, left = self._paired(chat, folded, known.rows)
        # What goes, goes first: a row may take the key of one that is no longer.
        for row in left:
            self.ledger.remove(row)
        new = []
        for message, before in pairs:
            values = self.ledger.row_for(phone, chat, id, message, before, told)
            if before is None:
                new.append(values)
            else:
                self.ledger.replace(before, values, anyway=touched)
        self.ledger.insert(new)

    def _paired(
        self, chat: int, folded: Sequence[Folded], rows: Sequence[MessageRow]
    ) -> tuple[list[tuple[Folded, MessageRow | None]], list[MessageRow]]:
        """Each message with the row that it has: its own, else a merged party's, else one of unknown sender."""
        left = list(rows)
        found: dict[int, MessageRow] = {}
        for fits in (
            lambda m, row: (row.chat, row.sender) == (chat, m.sender),
            lambda m, row: self.parties.resolve(row.sender) == m.sender,
            lambda m, row: row.sender == 0,
        ):
            for message in folded:
                row = next((r for r in left if message.sender not in found and fits(message, r)), None)
                if row is not None:
                    left.remove(row)
                    found[message.sender] = row
        return [(message, found.get(message.sender)) for message in folded], left


def _said_at(what: Told) -> int:
    return min((t.message.sent_at for t in what.tellings), default=0)


def _runs(minutes: Collection[int]) -> Iterable[tuple[int, int]]:
    """First and last of minutes that lie so close that one look takes in all of them."""
    first = last = None
    for minute in sorted(minutes):
        if first is None or last is None or minute - last > _CLOSE:
            if first is not None and last is not None:
                yield first, last
            first = minute
        last = minute
    if first is not None and last is not None:
        yield first, last


def _marks(tellings: Iterable[Telling]) -> list[tuple[int, str, str]]:
    return sorted((t.sender, t.source, t.digest) for t in tellings)


def keep_raw(tx: Txn, head: Head, source: str, type: str, payload: bytes, now: int) -> int:
    """Keep a payload as received, once, and return its number."""
    digest = hashlib.sha256(payload).hexdigest()
    row = tx.one("find_raw", {"org": head.org, "digest": digest})
    if row is not None:
        return int(row[0])
    raw = head.number()
    packed = zstandard.ZstdCompressor(level=6).compress(payload)
    params = {"org": head.org, "raw": raw, "digest": digest, "source": source, "type": type}
    tx.run("add_raw", params | {"size": len(payload), "payload": packed, "now": now})
    return raw


def _chunks(items: Sequence[str]) -> Iterable[Sequence[str]]:
    return (items[i : i + _CHUNK] for i in range(0, len(items), _CHUNK))
