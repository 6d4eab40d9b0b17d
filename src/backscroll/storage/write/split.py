"""Separating two contacts that only an undone import had joined.

Each JID that only that import had tied to the contact becomes a contact of its own, with what was reported under it.
Rows do not record the JID under which their message was reported, but the JIDs that each teller (an import or a live
source) used are recorded. What comes from tellers that used only JIDs of the new contact moves to it. A teller that
used JIDs of both is assumed to have meant the contact that keeps the number. Mapping one JID to another does not
count as using either.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Any

from msgspec import Struct, structs

from backscroll.database.protocol import Txn
from backscroll.storage.records.chat_rows import read_chat
from backscroll.storage.records.provenance import reached
from backscroll.storage.records.registers import Registers, decode_registers, encode_registers, join
from backscroll.storage.records.resolve import Annotation, AnnotationKey, Observation, prune, put_latest
from backscroll.storage.records.rows import EXPORT_PREFIX, row_of
from backscroll.storage.records.tellers import NOBODY
from backscroll.storage.write.batch import Writer
from backscroll.storage.write.event_collector import Observed
from backscroll.storage.write.export_matching import MATCHED
from backscroll.storage.write.known import Known

STAGES = ("chat", "waiting", "sent", "doings", "facts")
_FIRST = -(2**63)


class Split(Struct):
    """A split in progress: the contact, the part to be separated from it, and which rows have been moved."""

    contact: int
    part: int
    jids: list[str]
    tellers: list[int]
    """The tellers whose reports move with the part."""
    stage: str = STAGES[0]
    phone: int = 0
    after: list[Any] = []


def begin_split(writer: Writer, tx: Txn, import_id: int, lid: str, jid: str) -> Split | None:
    """Remove the tie between two JIDs. None if nothing that was reported has to be moved."""
    resolver = writer.resolver
    if resolver.look_up([lid, jid]) or resolver.number(lid) != resolver.number(jid):
        return None
    contact = resolver.contact_row(resolver.number(jid))
    jids = resolver.aliases_of(contact.contact)
    pairs = tx.all("mappings_among", {"org": writer.org, "jids": jids})
    for end in (lid, jid):
        part = reached(end, pairs)
        if contact.jid not in part:
            return _part_with(writer, tx, import_id, contact.contact, sorted(part), jids)
    return None


def _part_with(writer: Writer, tx: Txn, import_id: int, contact: int, part: list[str], jids: list[str]) -> Split | None:
    known: set[str] = set()
    used: dict[int, set[str]] = defaultdict(set)
    for teller, jid, is_used in tx.all("told_jids", {"org": writer.org, "jids": jids}):
        if teller != import_id:
            known.add(jid)
            if is_used:
                used[teller].add(jid)
    if writer.resolver.contact_row(contact).imported == 0:
        used[NOBODY].add(writer.resolver.contact_row(contact).jid)
    rest = sorted(set(jids) - set(part))
    if known.isdisjoint(part):
        writer.resolver.drop_aliases(contact, part, rest)
        return None
    number = writer.resolver.part_with(contact, part, rest)
    tellers = sorted(teller for teller, some in used.items() if some <= set(part))
    return Split(contact, number, part, tellers)


class Splitter:
    """Moves rows from a contact to the part separated from it, some in each transaction."""

    def __init__(self, tx: Txn, writer: Writer, split: Split, limit: int) -> None:
        self._tx = tx
        self._writer = writer
        self._split = split
        self._limit = limit

    def step(self) -> bool:
        """Move some rows; False if all have been moved."""
        if self._split.stage == "doings":
            return self._move_doings() or self._turn()
        phone = next((p for p in self._writer.phones.numbers() if p >= self._split.phone), None)
        if phone is None:
            return self._turn()
        self._split.phone = phone
        if not getattr(self, f"_move_{self._split.stage}")(phone):
            self._split.phone, self._split.after = phone + 1, []
        return True

    def _turn(self) -> bool:
        at = STAGES.index(self._split.stage) + 1
        if at == len(STAGES):
            return False
        self._split.stage, self._split.phone, self._split.after = STAGES[at], 0, []
        return True

    # ------------------------------------------------------------------ the contact's own chat

    def _where(self, phone: int) -> dict[str, Any]:
        return {"org": self._writer.org, "phone": phone, "chat": self._split.contact, "limit": self._limit}

    def _move_chat(self, phone: int) -> bool:
        at, id = self._split.after or [_FIRST, ""]
        rows = [row_of(r) for r in self._tx.all("dump_messages", self._where(phone) | {"at": at, "id": id})]
        self._move(phone, sorted({row.id for row in rows}))
        if rows:
            self._split.after = [rows[-1].sent_at, rows[-1].id]
        return bool(rows)

    def _move_waiting(self, phone: int) -> bool:
        (after,) = self._split.after or [""]
        found = [id for (id,) in self._tx.all("ids_waiting", self._where(phone) | {"after": after})]
        self._move(phone, found)
        self._split.after = found[-1:]
        return bool(found)

    def _move(self, phone: int, wanted: list[str]) -> None:
        """Remove what the tellers reported from the chat, and report it in the other chat."""
        if not wanted:
            return
        known = self._writer.known_together(phone, self._split.contact, wanted)
        observed: dict[tuple[int, int, str], Observed] = defaultdict(Observed)
        for id, held in known.items():
            going = held.only(self._split.tellers)
            for t in going.observations:
                line = t.message.key.id
                place = line if line.startswith(EXPORT_PREFIX) else id
                observed[(phone, self._split.part, place)].observations.append(self._of_part(t))
            for a in going.annotations.values():
                if a.kind != MATCHED:
                    moved = self._done_by_part(a).at_line
                    observed[(phone, self._split.part, a.line or id)].annotations.append(moved)
        self._writer.forget(phone, self._split.contact, wanted, self._split.tellers)
        self._writer.settle(observed)

    def _of_part(self, t: Observation) -> Observation:
        return structs.replace(t, sender=self._split.part) if t.sender == self._split.contact else t

    def _done_by_part(self, a: Annotation) -> Annotation:
        actor, target = (self._split.part if c == self._split.contact else c for c in (a.actor, a.target))
        return structs.replace(a, actor=actor, target=target)

    # ------------------------------------------------------------------ what the contact wrote and did in other chats

    def _move_sent(self, phone: int) -> bool:
        (after,) = self._split.after or [0]
        params = {"org": self._writer.org, "sender": self._split.contact, "phone": phone, "after": after}
        rows = self._tx.all("sent_after", params | {"limit": self._limit})
        self._rename((phone, chat, id) for _, chat, id in rows)
        self._split.after = [no for no, _, _ in rows[-1:]]
        return bool(rows)

    def _move_doings(self) -> bool:
        phone, chat, id = self._split.after or [0, 0, ""]
        params = {"org": self._writer.org, "contact": self._split.contact, "phone": phone, "chat": chat, "id": id}
        rows = self._tx.all("doings_after", params | {"limit": self._limit})
        self._rename((phone, chat, id) for phone, chat, id in rows)
        self._split.after = list(rows[-1]) if rows else []
        return bool(rows)

    def _rename(self, some: Iterable[tuple[int, int, str]]) -> None:
        """Attribute to the part what the tellers reported that the contact did."""
        by_chat: dict[tuple[int, int], set[str]] = defaultdict(set)
        for phone, chat, id in some:
            by_chat[(phone, self._writer.resolver.resolve(chat))].add(id)
        for (phone, chat), wanted in by_chat.items():
            known = self._writer.known(phone, chat, sorted(wanted))
            for id, held in known.items():
                self._rename_one(phone, chat, id, held)
            self._writer.resettle(phone, chat, sorted(wanted))

    def _rename_one(self, phone: int, chat: int, id: str, held: Known) -> None:
        going, staying = held.only(self._split.tellers), held.without(self._split.tellers)
        observations = [*staying.observations, *map(self._of_part, going.observations)]
        annotations: dict[AnnotationKey, Annotation] = dict(staying.annotations)
        for a in going.annotations.values():
            put_latest(annotations, self._done_by_part(a))
        self._writer.write_outcome(phone, chat, id, held, prune(observations), annotations)

    # ------------------------------------------------------------------ facts about both chats

    def _move_facts(self, phone: int) -> bool:
        self._writer.message_writer.flush()
        where = self._where(phone) | {"now": self._writer.now}
        stored = read_chat(self._tx, where)
        if stored is None or not (stored.imported or NOBODY in self._split.tellers):
            self._mark_part(where)
            return False
        if stored.imported:
            self._tell_part(phone, *self._told(phone, self._split.jids), is_imported=True)
            registers, is_told = self._told(phone, self._writer.resolver.aliases_of(self._split.contact))
        else:
            # No import told a fact of it, and all that live sources told goes: what stays is imports' alone.
            self._tell_part(phone, decode_registers(stored.facts), is_told=True, is_imported=False)
            registers, is_told, stored = {}, False, stored._replace(imported=1)
        if not is_told and self._tx.one("chat_is_told_of", where) is None:
            for name in ("delete_chat", "delete_import_tallies"):
                self._tx.run(name, where)
        else:
            where |= stored.summary() | {"facts": encode_registers(registers), "seq": self._writer.state.seq + 1}
            self._tx.run("save_chat", where)
        self._writer.state.change("chat", self._split.contact, phone=phone, chat=self._split.contact)
        return False

    def _told(self, phone: int, jids: Collection[str]) -> tuple[Registers, bool]:
        return self._writer.provenance.derived_of_chat(phone, jids)

    def _mark_part(self, where: dict[str, Any]) -> None:
        """Mark that the part's chat has only messages of imports, so that it is removed with the last of them."""
        part = where | {"chat": self._split.part}
        made = read_chat(self._tx, part)
        if NOBODY not in self._split.tellers and made is not None and made.facts is None:
            self._tx.run("mark_chat_imported", part)

    def _tell_part(self, phone: int, facts: Registers, is_told: bool, is_imported: bool) -> None:
        if not is_told and read_chat(self._tx, self._where(phone) | {"chat": self._split.part}) is None:
            return
        self._writer.message_writer.tell_chat(phone, self._split.part, lambda registers: join(registers, facts))
        if is_imported:
            self._tx.run("mark_chat_imported", self._where(phone) | {"chat": self._split.part})
