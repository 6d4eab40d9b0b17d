"""Writing a batch: one transaction, with the same result in any order and however often it is repeated."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from backscroll.core import events
from backscroll.core.ids import canonical
from backscroll.core.model import Source
from backscroll.database.protocol import Txn
from backscroll.formats.periskope_ids import has_participants
from backscroll.storage.records.aspects import aspects_of
from backscroll.storage.records.identity import ContactResolver
from backscroll.storage.records.org_state import Applied, OrgState, lock_org_state, save_org_state
from backscroll.storage.records.provenance import Provenance
from backscroll.storage.records.resolve import (
    Annotation,
    AnnotationKey,
    Annotations,
    Observation,
    Resolved,
    kept_beside,
    prune,
    put_latest,
    resolve,
    resolve_one,
)
from backscroll.storage.records.rows import (
    EXPORT_PREFIX,
    FROM_ME,
    MessageRow,
    only_value,
)
from backscroll.storage.records.tellers import (
    LIVE,
    NOBODY,
    Tellers,
    decode_tellers,
    encode_tellers,
    together,
)
from backscroll.storage.write.chunks import by_minutes, runs, said_at
from backscroll.storage.write.coverage import CoverageWriter
from backscroll.storage.write.earlier_notices import under_earlier_ids
from backscroll.storage.write.event_collector import EventCollector, Key, Observed
from backscroll.storage.write.export_matching import MATCHED, MINUTE_US, matched, minutes_of
from backscroll.storage.write.fetches import note_files
from backscroll.storage.write.idempotency import keep_answer
from backscroll.storage.write.imports import must_be_running
from backscroll.storage.write.known import Known, KnownReader
from backscroll.storage.write.message_writer import ChatKey, MessageWriter, Values
from backscroll.storage.write.phones import OwnPhones
from backscroll.storage.write.raws import PackedRaw, keep_raw
from backscroll.storage.write.told_rows import ToldRows
from backscroll.storage.write.validation import cleaned_batch, everybody_in, named_in, told_of

_UNSETTLING = (events.NumberMapped, events.PhoneSeen)


Pair = tuple[Resolved, MessageRow | None]
"""A message and its row."""


def apply_batch(tx: Txn, org: int, batch: events.Batch, now: int, make_phone_id: Callable[[], str]) -> Applied:
    """Write a batch alone in its transaction."""
    session = Session(tx, org, make_phone_id)
    applied = session.write(cleaned_batch(batch), now)
    session.finish()
    return applied


class Session:
    """One transaction for several batches of an organisation, each written as if it had its own."""

    def __init__(self, tx: Txn, org: int, make_phone_id: Callable[[], str]) -> None:
        self._tx = tx
        self._state = lock_org_state(tx, org)
        self._provenance = Provenance(tx, self._state)
        self._make_phone_id = make_phone_id
        self._writer: Writer | None = None

    def expect(self, batches: Sequence[events.Batch]) -> None:
        """Look up the contacts that these batches need, all at once."""
        if len(batches) > 1:
            incoming = [event for batch in batches for event in batch.events]
            resolver = self._ready("linked", 0).resolver
            resolver.look_up(jid for event in incoming for jid in everybody_in(event))
            resolver.load_known(jid for event in incoming for jid in named_in(event))

    def write(self, batch: events.Batch, now: int, raw: PackedRaw | None = None) -> Applied:
        """Write a batch that ``cleaned_batch`` made storable. It is on disk once the transaction is committed.

        ``raw`` is the batch's payload if it is compressed already; the batch itself has none then.
        """
        unsettling = any(isinstance(event, _UNSETTLING) for event in batch.events)
        if unsettling:
            self._begin_anew()
        if batch.import_id is not None:
            must_be_running(self._tx, self._state.org, batch.import_id)
        self._state.imported = batch.import_id is not None
        self._provenance.begin(batch.import_id or NOBODY)
        self._ready(batch.source, now).write(batch, self._make_phone_id, raw)
        self._provenance.end()
        if unsettling:
            self._begin_anew()
        if batch.position is not None:
            stream, place = batch.position
            params = {"org": self._state.org, "stream": stream, "place": place}
            told = encode_tellers(self._position_tellers(batch, stream))
            self._tx.run("save_position", params | {"told": told})
        if batch.answer is not None:
            keep_answer(self._tx, self._state.org, batch.answer, now)
        return Applied(self._state.end_batch(), self._state.seq)

    def _position_tellers(self, batch: events.Batch, stream: str) -> Tellers:
        """Those that read a stream up to its position. If one of them is undone, the stream has to be read anew."""
        if batch.import_id is None:
            return LIVE
        row = self._tx.one("told_position", {"org": self._state.org, "stream": stream})
        return together(decode_tellers(only_value(row)) if row else (), (batch.import_id,))

    def _ready(self, source: Source, now: int) -> Writer:
        if self._writer is None:
            self._writer = Writer(self._tx, self._state, now, source, self._provenance)
        else:
            self._writer.turn_to(source, now)
        return self._writer

    def _begin_anew(self) -> None:
        """Discard the cached contacts and phones, because they are about to change."""
        if self._writer is not None:
            self._writer.flush()
            self._writer = None

    def write_rows(self) -> None:
        """Write the buffered messages early, so that the end of a large transaction is short."""
        if self._writer is not None:
            self._writer.message_writer.flush_early()

    def finish(self) -> None:
        """Write everything that is buffered, and the organisation's row."""
        self._begin_anew()
        save_org_state(self._tx, self._state)


class Writer:
    """One writing transaction of one organisation. No other process or thread writes to it before the end."""

    def __init__(
        self, tx: Txn, state: OrgState, now: int, source: Source, provenance: Provenance | None = None
    ) -> None:
        self.tx = tx
        self.state = state
        self.org = state.org
        self.now = now
        self.source: Source = source
        self.provenance = provenance or Provenance(tx, state)
        self.resolver = ContactResolver(tx, state, now, self.provenance)
        self.phones = OwnPhones(tx, state, self.resolver, now)
        self.message_writer = MessageWriter(tx, state, self.resolver, now)
        self.coverage = CoverageWriter(tx, self.org, self.phones)
        self._known = KnownReader(tx, self.org, self.resolver)
        self._told_rows = ToldRows(tx, self.org)
        self._exported: dict[ChatKey, bool] = {}

    def turn_to(self, source: Source, now: int) -> None:
        """Treat what follows as reported by ``source`` at ``now``."""
        self.source = source
        self.now = self.resolver.now = self.phones.now = self.message_writer.now = now
        self.message_writer.raw = None
        # Each batch that contains lines of an export notes this again.
        self._exported = {where: False for where, is_exported in self._exported.items() if not is_exported}

    # ------------------------------------------------------------------ a batch

    def write(self, batch: events.Batch, make_phone_id: Callable[[], str], raw: PackedRaw | None = None) -> None:
        """Write a batch; part of it is buffered until ``flush``."""
        self.introduce(batch.events, make_phone_id)
        payload = raw or batch.raw
        if payload:
            self.message_writer.raw = self.keep_raw(batch.source, batch.raw_type, payload)
        collector = EventCollector(self.resolver, self.phones, self.message_writer, self.source)
        for event in under_earlier_ids(batch.events, self._known, self._place_of):
            collector.collect(event)
        self.settle(collector.observed)
        self.coverage.note_batch(batch, self.provenance.teller, self.now)
        note_files(self.tx, self.org, batch, self.phones, self.now)
        self.resolver.finish()
        self.message_writer.finish()

    def _place_of(self, seen: events.MessageSeen) -> ChatKey:
        phone, _ = self.phones.find(seen.message.key.phone)
        return phone, self.resolver.number(seen.message.key.chat)

    def introduce(self, incoming: Sequence[events.Event], make_phone_id: Callable[[], str]) -> None:
        """Process phones, then mappings, then contacts, so that names are known for the following events."""
        for event in incoming:
            if isinstance(event, events.PhoneSeen):
                self.see_phone(event, make_phone_id())
        for event in incoming:
            if isinstance(event, events.NumberMapped):
                self.resolver.map_number(event.lid, event.jid)
        self._join_chats(self.resolver.just_merged)
        self.resolver.learn(jid for event in incoming for jid in everybody_in(event))
        if self.provenance.teller:
            self._name_all(incoming)
        elif self.resolver.has_unclaimed:
            self.resolver.claim(canonical(jid) for jid in told_of(incoming).everybody)

    def _join_chats(self, merged: Iterable[tuple[int, int]]) -> None:
        for loser, winner in merged:
            self.message_writer.join_chats(loser, winner)

    def map_again(self, lid: str, jid: str) -> None:
        """Apply a mapping that was refused, for all who reported it."""
        for teller in self.provenance.tellers_of_mapping(lid, jid):
            before = len(self.resolver.just_merged)
            with self.provenance.on_behalf_of(teller):
                self.resolver.map_number(lid, jid)
                self._join_chats(self.resolver.just_merged[before:])

    def _name_all(self, incoming: Sequence[events.Event]) -> None:
        """Note which contacts an import mentions, so that undoing it can see which ones others mention too."""
        told = told_of(incoming)
        self.provenance.name((0, canonical(jid)) for jid in told.everybody)
        self.provenance.name((self.phones.number_of(phone), canonical(chat)) for phone, chat in told.places)
        self.provenance.expect((-self.phones.told_by(phone), canonical(jid)) for phone, jid in told.named)

    def keep_raw(self, source: Source, type: str, payload: bytes | PackedRaw) -> int:
        """Store a payload as received, once, and return its number."""
        raw = keep_raw(self.tx, self.state, source, type, payload, self.now)
        self.provenance.tell_again(raw)
        return raw

    def see_phone(self, event: events.PhoneSeen, phone_id: str) -> int:
        """Create or complete an own phone and return its number."""
        return self.phones.see(event, phone_id)

    def finish(self) -> None:
        """End what was written outside a batch."""
        self.resolver.finish()
        self.message_writer.finish()
        self.flush()
        self.provenance.end()

    def flush(self) -> None:
        """Write everything that is buffered, so that it can be read."""
        self.resolver.flush()
        self.message_writer.flush()
        self.message_writer.flush_index()
        self.coverage.flush()

    # ------------------------------------------------------------------ settling: combining reported and known data

    def settle(self, observed: dict[Key, Observed]) -> None:
        """Combine what was reported with what is known, and write the result."""
        by_chat: dict[ChatKey, dict[str, Observed]] = defaultdict(dict)
        for (phone, chat, id), what in observed.items():
            by_chat[(phone, chat)][id] = what
        self._look_up_chats(by_chat)
        alone: dict[ChatKey, dict[str, Observed]] = {}
        for where, items in by_chat.items():
            ordered = sorted(items, key=lambda id: (said_at(items[id]), id))
            if not self._meets_export(where, items):
                alone[where] = {id: items[id] for id in ordered}
                continue
            # Lines are matched minute by minute. A minute that is split would be matched again with each of its parts.
            for chunk in by_minutes(ordered, items):
                self._settle_exported(where, {id: items[id] for id in chunk})
        self._settle_alone(alone)
        self._told_rows.flush()

    def _look_up_chats(self, chats: Iterable[ChatKey]) -> None:
        """Find out which of these chats have lines of exports, all at once."""
        missing = {where: self.resolver.numbers_of(where[1]) for where in chats if where not in self._exported}
        exported = self.message_writer.look_up_chats((phone, no) for (phone, _), nos in missing.items() for no in nos)
        for (phone, chat), numbers in missing.items():
            self._exported[(phone, chat)] = any((phone, number) in exported for number in numbers)

    def _settle_alone(self, by_chat: Mapping[ChatKey, Mapping[str, Observed]]) -> None:
        """Settle ids of many chats without lines of exports. Plain new messages are inserted together."""
        if any(self.message_writer.holds_back(items) for items in by_chat.values()):
            self.message_writer.flush_rows()
        met = self._known.met({where: list(items) for where, items in by_chat.items()})
        now_telling = (self.provenance.teller,)
        fresh: list[Values] = []
        rest: list[tuple[Key, Observed]] = []
        for (phone, chat), items in by_chat.items():
            own = self.phones.contact_of(phone)
            for id, what in items.items():
                plain = len(what.observations) == 1 and not what.annotations
                if (phone, chat, id) in met or not plain or what.observations[0].told != now_telling:
                    rest.append(((phone, chat, id), what))
                else:
                    fresh.append(self.message_writer.row_for(phone, chat, id, resolve_one(what.observations[0], own)))
        self._settle_each(rest, met)
        self.message_writer.insert(fresh)

    def _settle_each(self, told: Sequence[tuple[Key, Observed]], met: Collection[Key]) -> None:
        """Settle ids by all rules. The archive holds nothing about ids that are not in ``met``."""
        wanted: dict[ChatKey, list[str]] = defaultdict(list)
        for (phone, chat, id), _ in told:
            if (phone, chat, id) in met:
                wanted[(phone, chat)].append(id)
        found = self._known.of(wanted) if wanted else {}
        self.resolver.load({key[1] for key, _ in told} | {t.sender for _, what in told for t in what.observations})
        for key, what in told:
            known = found.get(key) or Known()
            annotations = dict(known.annotations)
            for annotation in what.annotations:
                put_latest(annotations, annotation)
            self.write_outcome(*key, known, prune(known.observations + what.observations), annotations)

    def resettle(self, phone: int, chat: int, wanted: Sequence[str]) -> None:
        """Rewrite what is known about some ids, using the current contact numbers."""
        items = {id: Observed() for id in wanted}
        known = self.known(phone, chat, wanted)
        if self._meets_export((phone, chat), items):
            self._settle_with_lines(phone, chat, items, known)
        else:
            for id, held in known.items():
                self.write_outcome(phone, chat, id, held, prune(held.observations), dict(held.annotations))
        self._told_rows.flush()

    def forget(self, phone: int, chat: int, wanted: Sequence[str], tellers: Collection[int]) -> None:
        """Write anew what others than these tell of some ids, and of all that is settled with them."""
        items = {id: Observed() for id in wanted}
        known = self.known(phone, chat, wanted)
        if self._meets_export((phone, chat), items):
            self._settle_with_lines(phone, chat, items, known, tellers)
        else:
            for id, held in known.items():
                left = held.without(tellers)
                self.write_outcome(phone, chat, id, held, prune(left.observations), left.annotations)
        self._told_rows.flush()

    def known_in(self, phone: int, chat: int, minutes: Collection[int]) -> dict[str, Known]:
        """What the archive holds about all messages of some minutes that are stored under exactly this chat number."""
        return self.known_under(phone, chat, sorted(self._said_in(phone, (chat,), minutes)))

    def known(self, phone: int, chat: int, wanted: Sequence[str]) -> dict[str, Known]:
        """What the archive holds about some ids, using the current contact numbers."""
        return self.known_under(phone, chat, wanted, self.resolver.numbers_of(chat))

    def known_together(self, phone: int, chat: int, wanted: Sequence[str]) -> dict[str, Known]:
        """The same, and about all that is settled with these ids: ``forget`` takes it from there too."""
        items = {id: Observed() for id in wanted}
        known = self.known(phone, chat, wanted)
        return self._with_lines(phone, chat, items, known) if self._meets_export((phone, chat), items) else known

    def known_under(
        self, phone: int, chat: int, wanted: Sequence[str], numbers: tuple[int, ...] | None = None
    ) -> dict[str, Known]:
        """Like ``known``, but only what is stored under the given numbers of the chat; by default its own number."""
        self._write_held()
        return self._known.under(phone, numbers or (chat,), wanted)

    def _write_held(self) -> None:
        """Write buffered messages and their observations, so that they can be read."""
        self.message_writer.flush_rows()
        self._told_rows.flush()

    # ------------------------------------------------------------------ lines of exported chats

    def _meets_export(self, where: ChatKey, items: Mapping[str, Observed]) -> bool:
        """Whether lines of an export and messages with real ids may be about the same messages here."""
        if not self._exported.get(where):
            named = {t.message.key.id for what in items.values() for t in what.observations}
            observed = any(id.startswith(EXPORT_PREFIX) for id in named | items.keys())
            if observed:
                self._exported[where] = True
                self.message_writer.note_export(*where)
            elif where not in self._exported:
                self._look_up_chats([where])
        return self._exported[where]

    def _settle_exported(self, where: ChatKey, items: dict[str, Observed]) -> None:
        known = self.known(*where, list(items))
        if self._are_lines_alone(where, known, items):
            self._settle_alone({where: items})
        else:
            self._settle_with_lines(*where, items, known)

    def _are_lines_alone(self, where: ChatKey, known: Mapping[str, Known], items: Mapping[str, Observed]) -> bool:
        """Whether only lines of exports are reported here and stored nearby, so that none of them can be matched."""
        return (
            all(id.startswith(EXPORT_PREFIX) for id in items)
            and not any(annotation.kind == MATCHED for k in known.values() for annotation in k.annotations.values())
            and all(id.startswith(EXPORT_PREFIX) for id in self._around(*where, minutes_of(known, items)))
        )

    def _settle_with_lines(
        self,
        phone: int,
        chat: int,
        items: dict[str, Observed],
        known: dict[str, Known],
        forgotten: Collection[int] = (),
    ) -> None:
        """Settle some ids and, with them, all that was said in the same minutes, but for what some told."""
        known = self._with_lines(phone, chat, items, known)
        held = {id: k.without(forgotten) for id, k in known.items()} if forgotten else known
        outcomes = matched(
            held,
            items,
            lambda observations, annotations: self._resolve(phone, chat, observations, annotations),
            lambda senders: self._by_name(chat, senders),
        )
        for id, outcome in outcomes.items():
            self.write_outcome(phone, chat, id, known[id], outcome.observations, outcome.annotations)

    def _with_lines(
        self, phone: int, chat: int, items: dict[str, Observed], known: dict[str, Known]
    ) -> dict[str, Known]:
        around = self._around(phone, chat, minutes_of(known, items))
        known = known | self.known(phone, chat, sorted(around - known.keys()))
        lines = {t.message.key.id for k in known.values() for t in k.observations} - known.keys()
        return known | self.known(phone, chat, sorted(lines))

    def _around(self, phone: int, chat: int, minutes: Iterable[int]) -> set[str]:
        return self._said_in(phone, self.resolver.numbers_of(chat), minutes)

    def _said_in(self, phone: int, chats: tuple[int, ...], minutes: Iterable[int]) -> set[str]:
        self._write_held()
        params: dict[str, Any] = {"org": self.org, "phone": phone, "chats": chats}
        wanted = set(minutes)
        found: set[str] = set()
        for first, last in runs(wanted):
            span = {"low": first * MINUTE_US, "high": last * MINUTE_US + MINUTE_US - 1}
            rows = self.tx.all("ids_said", params | span)
            found.update(id for id, sent_at in rows if sent_at // MINUTE_US in wanted)
        return found

    # ------------------------------------------------------------------ the outcome

    def write_outcome(
        self,
        phone: int,
        chat: int,
        id: str,
        known: Known,
        observations: list[Observation],
        annotations: dict[AnnotationKey, Annotation],
    ) -> None:
        """Make this the only thing that the archive holds about an id."""
        resolved = self._resolve(phone, chat, observations, annotations)
        observed = kept_beside(observations, annotations)
        pairs, left = self._paired(chat, resolved, known.rows)
        if observations and not observed:
            # The teller has to be recorded somewhere.
            _, row = pairs[0]
            observed = not self.provenance.may_tell(row.no if row else None, observations[0].told)
        self._told_rows.write(phone, chat, id, known, observations if observed else [], annotations)
        # Deletions come first, because a new row may have the key of a deleted one.
        for row in left:
            self.message_writer.remove(row, self._is_double(row, chat, resolved))
        self._write_rows(phone, chat, id, pairs, observed, known.annotations, annotations)
        for _, row in pairs:
            if row is not None:
                self.provenance.set_tellers(row.no, () if observed else observations[0].told)

    def _is_double(self, row: MessageRow, chat: int, resolved: Sequence[Resolved]) -> bool:
        """Whether one of the messages that stay has the identity of a row: it names the sender in groups only."""
        is_group = has_participants(self.resolver.contact_row(chat).jid)
        alike = (m for m in resolved if m.message.from_me == bool(row.flags & FROM_ME))
        return row.chat == chat and any(not is_group or m.sender == row.sender for m in alike)

    def expected(self, phone: int, chat: int, wanted: Sequence[str]) -> dict[str, list[Values]]:
        """The rows that would be written from what is known about some ids; ``no`` is 0 for rows that do not exist."""
        found: dict[str, list[Values]] = {}
        for id, known in self.known(phone, chat, wanted).items():
            observations = prune(known.observations)
            resolved = self._resolve(phone, chat, observations, known.annotations)
            pairs, _ = self._paired(chat, resolved, known.rows)
            observed = kept_beside(observations, known.annotations) or self._needs_tellers(known, pairs)
            found[id] = [self.message_writer.row_for(phone, chat, id, m, row, observed) for m, row in pairs]
        return found

    def _needs_tellers(self, known: Known, pairs: Sequence[Pair]) -> bool:
        """Whether observations are kept beside a row to say who told it, as its number alone would not."""
        if any(kept.told != LIVE for kept in known.kept):
            return True
        return bool(known.kept) and any(row and not self.provenance.may_tell(row.no, LIVE) for _, row in pairs)

    def _resolve(
        self, phone: int, chat: int, observations: Sequence[Observation], annotations: Annotations
    ) -> list[Resolved]:
        is_group = self.resolver.contact_row(chat).kind == "group"
        by_name = self._by_name(chat, (t.sender for t in observations))
        return resolve(observations, annotations.values(), self.phones.contact_of(phone), is_group, by_name)

    def _by_name(self, chat: int, senders: Iterable[int]) -> set[int]:
        """Senders that are known only by name from an export, except the contact of this private chat."""
        return self.resolver.known_by_name(senders) - {chat}

    def _write_rows(
        self,
        phone: int,
        chat: int,
        id: str,
        pairs: Sequence[Pair],
        observed: bool,
        was_added: Annotations,
        is_added: Annotations,
    ) -> None:
        new = []
        touched = _shown(is_added) != _shown(was_added)
        for message, before in pairs:
            values = self.message_writer.row_for(phone, chat, id, message, before, observed)
            aspects = aspects_of(before, values, was_added.values(), is_added.values())
            if before is None:
                new.append(values | {"aspects": aspects})
            else:
                self.message_writer.replace(before, values, touched, aspects)
        self.message_writer.insert(new)

    def _paired(
        self, chat: int, resolved: Sequence[Resolved], rows: Sequence[MessageRow]
    ) -> tuple[list[Pair], list[MessageRow]]:
        """Each message with its row: its own, else that of a merged contact, else one with unknown sender."""
        left = list(rows)
        found: dict[int, MessageRow] = {}
        for fits in (
            lambda m, row: (row.chat, row.sender) == (chat, m.sender),
            lambda m, row: self.resolver.resolve(row.sender) == m.sender,
            lambda m, row: row.sender == 0,
        ):
            for message in resolved:
                row = next((r for r in left if message.sender not in found and fits(message, r)), None)
                if row is not None:
                    left.remove(row)
                    found[message.sender] = row
        return [(message, found.get(message.sender)) for message in resolved], left


def _shown(annotations: Annotations) -> list[tuple[AnnotationKey, int | None, str | None]]:
    return sorted((key, a.at, a.value) for key, a in annotations.items())
