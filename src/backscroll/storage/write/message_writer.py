"""Rows of messages and everything derived from them: counters, chats, the search index, the change feed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from msgspec import structs

from backscroll.core.model import Media
from backscroll.core.pgtext.tsvector import tsvector
from backscroll.database.protocol import Txn
from backscroll.formats.jsontext import encode
from backscroll.formats.periskope_ids import has_participants
from backscroll.storage.records.aspects import Erased, created, leaves_in_place
from backscroll.storage.records.chat_rows import NEW_CHAT, StoredChat, read_chat
from backscroll.storage.records.chunks import chunks
from backscroll.storage.records.counters import MONTH, CounterChanges, column_of
from backscroll.storage.records.identity import ContactResolver
from backscroll.storage.records.org_state import Change, OrgState
from backscroll.storage.records.registers import Registers, decode_registers, encode_registers, join
from backscroll.storage.records.resolve import Resolved
from backscroll.storage.records.rows import (
    ANNOTATED,
    DELETED,
    EXPORT_PREFIX,
    EXPORTED,
    FROM_ME,
    MEDIA,
    NOTICE,
    OBSERVED,
    MessageRow,
    decode_details,
    encode_details,
    kind_flags,
    only_value,
)
from backscroll.storage.search.documents import entry_of, is_indexed_alike
from backscroll.storage.search.index_writer import IndexWriter
from backscroll.storage.write.labels import LabelWriter
from backscroll.storage.write.outbox_events import tell_gone, tell_message

ChatKey = tuple[int, int]
"""Phone and chat."""
Values = dict[str, Any]


class MessageWriter:
    """The message rows of one writing transaction and everything derived from them; incomplete before ``flush``.

    Rows are buffered until they have to be read, so that batches in the same transaction also share statements.
    """

    def __init__(self, tx: Txn, state: OrgState, resolver: ContactResolver, now: int) -> None:
        self._tx = tx
        self._state = state
        self._org = state.org
        self._resolver = resolver
        self._provenance = resolver.provenance
        self.now = now
        self._counters = CounterChanges()
        self._touched: dict[ChatKey, tuple[int | None, int, int]] = {}
        """Time of the newest new message, whether any has a file, and whether any is a line of an export."""
        self._left: set[ChatKey] = set()
        """Chats from which rows were removed, so that their pages have changed."""
        self._shrunk: set[ChatKey] = set()
        self._has_row: dict[ChatKey, bool] = {}
        """For each chat looked up so far: whether it has a row or is about to get one."""
        self._rows: list[Values] = []
        self._held: set[str] = set()
        """Ids of ``_rows``."""
        self._index = IndexWriter(tx, state)
        self._labels = LabelWriter(tx, state)
        self._chats: dict[ChatKey, Values] = {}
        self.raw: int | None = None
        """The payload in which the batch arrived."""

    # ------------------------------------------------------------------ rows

    def keep_file(self, media: Media | None) -> None:
        """Note a file that the media store holds for this organisation."""
        if media is not None and media.file is not None:
            self._provenance.tell_file(media.file)
            about = {"file": media.file, "size": media.size or 0, "mimetype": media.mimetype}
            self._tx.run("add_file", about | {"org": self._org, "now": self.now})

    def row_for(
        self, phone: int, chat: int, id: str, resolved: Resolved, row: MessageRow | None = None, observed: bool = False
    ) -> Values:
        """A row's columns. ``row`` is the row to replace; ``observed`` is whether observations are stored beside it."""
        message = resolved.message
        same_text = row is not None and row.text == message.text
        return {
            "org": self._org,
            "no": row.no if row else 0,
            "phone": phone,
            "chat": chat,
            "sender": resolved.sender,
            "id": id,
            "sent_at": message.sent_at,
            "flags": _flags(id, resolved) | (OBSERVED if observed else 0),
            "kind": message.kind,
            "text": message.text,
            "details": encode_details(message.details),
            "ack": message.ack,
            "deleted_at": resolved.deleted_at,
            "edited_at": resolved.edited_at,
            "prev_text": resolved.prev_text,
            "fts": row.fts if row and same_text else (None if message.text is None else tsvector(message.text)),
            "client_ref": message.details.client_ref,
            "source": resolved.source,
            "raw": self._raw_of(row) if row else self.raw,
            "stored_at": row.stored_at if row else self.now,
            "changed_at": self.now,
        }

    def _raw_of(self, row: MessageRow) -> int | None:
        """The payload that a row refers to, unless it is removed with the import that is being undone."""
        if row.raw is not None and self._provenance.undoing is not None:
            return row.raw if self._provenance.tellers_of([row.raw])[row.raw] else None
        return row.raw

    def insert(self, rows: list[Values]) -> None:
        """Insert new rows and number them. ``aspects`` of a row is what the change feed reports about it."""
        for values in rows:
            values["no"] = no = self._state.number()
            aspects = values.pop("aspects", None)
            self._state.change("message", no, aspects, phone=values["phone"], chat=values["chat"])
            tell_message(self._state, self.now, None, values, aspects)
            self._count(values["phone"], values["chat"], values["sent_at"], values["flags"])
            self._add_to_index(values)
            self._held.add(values["id"])
        self._rows += rows

    def holds_back(self, ids: Iterable[str]) -> bool:
        """Whether rows with any of these ids are buffered, and so cannot be read yet."""
        return not self._held.isdisjoint(ids)

    def replace(self, row: MessageRow, values: Values, anyway: bool = False, aspects: str | None = None) -> None:
        """Write a row if it differs, or if ``anyway`` is set because the annotations of the message changed.

        ``aspects``: what the change feed reports about the change.
        """
        same = all(values[f] == getattr(row, f) for f in MessageRow.__struct_fields__ if f != "changed_at")
        if same and not anyway:
            return
        self._tx.run("save_message", values)
        self._state.change("update", row.no, aspects, phone=row.phone, chat=values["chat"])
        tell_message(self._state, self.now, row, values, aspects)
        if row.chat != values["chat"]:
            self._left.add((row.phone, row.chat))
        counted, flags = (row.chat, row.sent_at, column_of(row.flags)), values["flags"]
        if counted != (values["chat"], values["sent_at"], column_of(flags)):
            self._uncount(row)
            self._count(row.phone, values["chat"], values["sent_at"], flags)
        elif not leaves_in_place("update", aspects):
            self._touch((row.phone, values["chat"]), None, 0, 0)
        if not is_indexed_alike(row, values):
            self._index.remove(row.no, row.sent_at)
            self._add_to_index(values)

    def relocate(self, row: MessageRow, chat: int, sender: int, from_me: bool) -> None:
        """Move a row to another chat or sender without other changes."""
        values = structs.asdict(row) | {"chat": chat, "sender": sender, "org": self._org}
        values["flags"] = row.flags | (FROM_ME if from_me else 0)
        values["client_ref"] = decode_details(row.details).client_ref
        self.replace(row, values | {"changed_at": self.now})

    def remove(self, row: MessageRow, is_double: bool = False) -> None:
        """Remove a row, and subtract it from the counters. ``is_double``: another one has the same identity and stays,
        so that followers must not take it for gone.
        """
        self._tx.run("delete_message", {"org": self._org, "no": row.no})
        self._provenance.drop(row.no)
        erased = None if is_double else encode(self._identity(row)).decode()
        self._state.change("gone", row.no, erased, phone=row.phone, chat=row.chat)
        if erased is not None:
            tell_gone(self._state, self.now, row, erased)
        self._uncount(row)
        self._index.remove(row.no, row.sent_at)

    def _identity(self, row: MessageRow) -> Erased:
        """By the JIDs under which the row was stored, also if its contacts have been merged into others since: what it
        was merged with has those of the others, and stays.
        """
        chat = self._resolver.contact_row(row.chat).jid
        by = self._resolver.contact_row(row.sender).jid if row.sender and has_participants(chat) else None
        return Erased(row.id, row.sender, row.flags, chat, by)

    # ------------------------------------------------------------------ counters and the search index

    def _count(self, phone: int, chat: int, sent_at: int, flags: int) -> None:
        self._counters.add(phone, chat, sent_at, flags)
        last_at = None if flags & NOTICE else sent_at
        self._touch((phone, chat), last_at, int(bool(flags & MEDIA)), 0)

    def _touch(self, where: ChatKey, last_at: int | None, has_media: int, exported: int) -> None:
        newest, had_media, was_exported = self._touched.get(where, (None, 0, 0))
        if last_at is not None and (newest is None or last_at > newest):
            newest = last_at
        self._touched[where] = (newest, has_media or had_media, exported or was_exported)

    def _uncount(self, row: MessageRow) -> None:
        self._counters.add(row.phone, row.chat, row.sent_at, row.flags, -1)
        # A row of a merged chat also counts for the chat in which it is shown.
        self._shrunk |= {(row.phone, row.chat), (row.phone, self._resolver.resolve(row.chat))}

    def _add_to_index(self, values: Values) -> None:
        self._index.add(entry_of(values, decode_details(values["details"])))

    def flush_index(self) -> None:
        """Update the search index, at the end of the transaction only, because each call creates a segment."""
        self._index.flush()

    def flush_early(self) -> None:
        """Write the buffered rows, and a segment of the index if there are enough rows for one."""
        self.flush_rows()
        self._index.flush_early()

    def flush_rows(self) -> None:
        """Write the buffered messages."""
        if self._rows:
            self._tx.many("add_message", self._rows)
        self._rows = []
        self._held.clear()

    # ------------------------------------------------------------------ chats

    def note_export(self, phone: int, chat: int) -> None:
        """Note that lines of an export were reported for this chat."""
        self._touch((phone, chat), None, 0, 1)

    def tell_chat(self, phone: int, chat: int, change: Callable[[Registers], bool]) -> bool:
        """Change the facts about a chat, creating it if needed. Returns whether the chat records who reported what."""
        self._flush_chats()
        params: Values = {"org": self._org, "phone": phone, "chat": chat}
        stored = read_chat(self._tx, params)
        before = stored or NEW_CHAT
        registers = decode_registers(before.facts)
        imported = before.imported or 0
        if self._provenance.teller and not imported:
            imported = 1
            if stored is not None:
                self._provenance.pin(phone, self._resolver.jid_used_live(chat), registers)
        changed = change(registers) or stored is None
        if changed or imported != before.imported:
            # Who reported a fact is not shown to anyone.
            params |= before.summary() | {"imported": imported, "now": self.now if changed else before.changed_at}
            self._tx.run("save_chat", params | {"facts": encode_registers(registers), "seq": self._state.seq + 1})
        if changed:
            aspects = created(phone) if stored is None else None
            self._state.change("chat", chat, aspects, phone=phone, chat=chat)
            self._has_row[(phone, chat)] = True
            self._state.tell("chat.created" if stored is None else "chat.updated", self.now, phone=phone, chat=chat)
        return bool(imported)

    def tell_label(self, phone: int, label: str, facts: Values, at: int | None, rank: int) -> None:
        """Change the facts about a phone's label, and with it the chats that have it."""
        self._flush_chats()
        self._labels.tell(phone, label, facts, at, rank, self._provenance.teller, self.now)

    def forget_labels(self, import_id: int, limit: int) -> int:
        """Remove what an import reported about up to ``limit`` labels; returns how many there were."""
        self._flush_chats()
        return self._labels.forget(import_id, limit, self.now)

    def join_chats(self, loser: int, winner: int) -> None:
        """Show the chats of a merged contact under the winner immediately, before any row is moved."""
        self._flush_chats()
        for (phone,) in self._tx.all("phones_with_chat", {"org": self._org, "chat": loser}):
            stored = read_chat(self._tx, {"org": self._org, "phone": phone, "chat": loser})
            if stored is not None:
                facts = decode_registers(stored.facts)
                self._pin_both(phone, loser, winner)
                self.tell_chat(phone, winner, lambda registers, facts=facts: join(registers, facts))  # type: ignore[misc]
                self._touch((phone, winner), stored.last_at, stored.has_media, stored.exported)

    def _pin_both(self, phone: int, loser: int, winner: int) -> None:
        """If one of two chats records who reported what, or an import joins them, make both record it."""
        found: dict[int, StoredChat] = {}
        base: Values = {"org": self._org, "phone": phone}
        for chat in (loser, winner):
            stored = read_chat(self._tx, base | {"chat": chat})
            if stored is None and chat == winner:
                stored = NEW_CHAT
            if stored is not None:
                found[chat] = stored
        if not (self._provenance.teller or any(stored.imported for stored in found.values())):
            return
        for chat, stored in found.items():
            if stored.imported == 0:
                self._provenance.pin(phone, self._resolver.jid_used_live(chat), decode_registers(stored.facts))
            if not stored.imported:
                params = base | stored.summary() | {"chat": chat, "facts": stored.facts, "imported": 1}
                params["now"] = stored.changed_at or self.now
                self._tx.run("save_chat", params | {"seq": self._state.seq + 1})

    def look_up_chats(self, chats: Iterable[ChatKey]) -> set[ChatKey]:
        """Which of these chats had lines of exports at the end of the last batch."""
        by_phone: dict[int, list[int]] = defaultdict(list)
        for phone, chat in chats:
            by_phone[phone].append(chat)
            self._has_row.setdefault((phone, chat), False)
        exported: set[ChatKey] = set()
        for phone, some in by_phone.items():
            for part in chunks(some):
                params: Values = {"org": self._org, "phone": phone, "chats": part}
                for chat, has_lines in self._tx.all("look_at_chats", params):
                    self._has_row[(phone, chat)] = True
                    if has_lines:
                        exported.add((phone, chat))
        return exported

    def is_exported(self, phone: int, chat: int) -> bool:
        """Whether one chat has lines of exports."""
        return bool(self.look_up_chats([(phone, chat)]))

    def _note_new_chats(self) -> None:
        """Report in the change feed the touched chats that have no row yet, before the batch's other changes."""
        made = []
        self.look_up_chats(self._touched.keys() - self._has_row.keys())
        for phone, chat in sorted(self._touched):
            if not self._has_row[(phone, chat)]:
                self._has_row[(phone, chat)] = True
                self._state.tell("chat.created", self.now, first=True, phone=phone, chat=chat)
                made.append(Change("chat", chat, created(phone), phone, chat))
        self._state.changes[:0] = made

    # ------------------------------------------------------------------ the end of a batch, and of the transaction

    def finish(self) -> None:
        """End a batch; ``flush`` writes what was collected."""
        self._note_new_chats()
        for phone, chat in sorted(self._left):
            self._state.change("chat", chat, phone=phone, chat=chat)
        self._left.clear()
        # Readers cache a chat with a page of it while nothing but such things as receipts changes (rendered_cache.py).
        changed = {
            (change.phone, change.chat)
            for change in self._state.changes
            if not leaves_in_place(change.what, change.aspects)
        }
        base = {"org": self._org, "seq": self._state.seq + 1, "now": self.now, "stored_at": self.now}
        for (phone, chat), (last_at, has_media, exported) in sorted(self._touched.items()):
            params = base | {"phone": phone, "chat": chat, "last_at": last_at}
            params["imported"] = int(bool(self._provenance.teller))
            # Whether a chat has lines of an export is not shown to anyone.
            params["shown"] = int((phone, chat) in changed)
            self._note_chat(params | {"has_media": has_media, "exported": exported})
        if self._shrunk or any(exported for _, _, exported in self._touched.values()):
            self.flush()
        self._touched.clear()
        for phone, chat in sorted(self._shrunk):
            params = {"org": self._org, "phone": phone, "chat": chat}
            chats = self._resolver.numbers_of(chat)
            last_at, has_media = self._last_at(phone, chats), self._has_media(phone, chats)
            self._tx.run("set_chat_last", params | {"last_at": last_at, "has_media": has_media})
        self._shrunk.clear()

    def flush(self) -> None:
        """Write everything that is buffered, so that it can be read."""
        self.flush_rows()
        self._counters.write(self._tx, self._org)
        self._flush_chats()

    def _note_chat(self, params: Values) -> None:
        """If several batches of a transaction touch the same chat, its row is written only once."""
        before = self._chats.get((params["phone"], params["chat"]))
        if before is not None:
            times = [at for at in (before["last_at"], params["last_at"]) if at is not None]
            params["last_at"] = max(times, default=None)
            params |= {"imported": before["imported"], "stored_at": before["stored_at"]}
            if not params["shown"]:
                params["now"] = before["now"]
            for name in ("has_media", "exported", "shown"):
                params[name] = max(params[name], before[name])
        self._chats[(params["phone"], params["chat"])] = params

    def _flush_chats(self) -> None:
        shown = [params for params in self._chats.values() if params["shown"]]
        self._tx.many("touch_chat", shown)
        for params in self._chats.values():
            if not params["shown"]:
                self._tx.run("touch_chat_unseen", params)
        self._chats = {}

    def _last_at(self, phone: int, chats: tuple[int, ...]) -> int | None:
        base = {"org": self._org, "phone": phone}
        found = [only_value(self._tx.one("last_in_chat", base | {"chat": chat})) for chat in chats]
        return max((at for at in found if at is not None), default=None)

    def _has_media(self, phone: int, chats: tuple[int, ...]) -> int:
        params = {"org": self._org, "phones": (phone,), "chats": chats, "level": MONTH}
        months = self._tx.all("sum_counters", params | {"low": -(2**31), "high": 2**31})
        return int(any(media_in or media_out for _, _, _, media_in, media_out, *_ in months))


def _flags(id: str, resolved: Resolved) -> int:
    flags = kind_flags(resolved.message.kind)
    flags |= FROM_ME if resolved.message.from_me else 0
    flags |= ANNOTATED if resolved.has_annotations else 0
    flags |= DELETED if resolved.deleted else 0
    return flags | (EXPORTED if id.startswith(EXPORT_PREFIX) and resolved.source == "export" else 0)
