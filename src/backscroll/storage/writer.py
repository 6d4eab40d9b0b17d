"""Writing a batch: one transaction, the same outcome in any order and however often it is told."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, assert_never, cast

import msgspec
import zstandard
from msgspec import Struct, structs

from backscroll import events, ids
from backscroll.errors import BadField, NotFound
from backscroll.fts import tsvector
from backscroll.model import SOURCE_RANK, Message, Source
from backscroll.storage import search
from backscroll.storage.engine import Txn
from backscroll.storage.fold import ALTERING, Addon, Folded, Telling, fold, prune, telling
from backscroll.storage.parties import Head, Parties, Registers, decode_registers, encode_registers, tell
from backscroll.storage.rows import (
    ADDONS,
    DELETED,
    EXPORTED,
    FROM_ME,
    MEDIA,
    NOTICE,
    TOLD,
    MessageRow,
    decode_details,
    encode_details,
    kind_flags,
    row_of,
    told_by,
)
from backscroll.storage.tallies import EARLIEST, LATEST, Tally

EXPORT_PREFIX = "exp_"
"""Ids that exported chats were given, because they have none (ingest/export_import.py)."""
LONGEST_ID = 512
_CHUNK = 400
_PERSONAL = ("user", "lid", "export", "bot", "newsletter", "unknown")
_CHAT_FACTS = tuple(f for f in events.ChatSeen.__struct_fields__ if f not in ("phone", "chat", "at"))
_CONTACT_FACTS = tuple(f for f in events.ContactSeen.__struct_fields__ if f not in ("jid", "at"))
_MESSAGE = msgspec.json.Decoder(Message)
_ENCODER = msgspec.json.Encoder()
_SPACE = re.compile(r"\s+")

AddonEvent = (
    events.MessageEdited
    | events.MessageRevoked
    | events.ReactionSet
    | events.ReceiptSet
    | events.PollVoted
    | events.MediaHeld
)
ChatKey = tuple[int, int]
"""Phone and chat."""
Key = tuple[int, int, str]
"""Phone, chat and WhatsApp id."""
PhoneRow = tuple[int, str, str, str | None, str | None, int, int]


class Applied(Struct, frozen=True):
    """What a batch did: ``changed`` rows, up to the organisation's ``seq``."""

    changed: int
    seq: int


class Told(Struct):
    """What the batch tells about one key."""

    tellings: list[Telling] = []
    addons: list[Addon] = []


class Known(Struct):
    """What the archive holds about one key."""

    rows: list[MessageRow] = []
    tellings: list[Telling] = []
    kept: list[Telling] = []
    """Those of ``tellings`` that have rows of their own."""
    addons: dict[tuple[str, int, int, str], Addon] = {}
    chats: set[int] = set()
    """Chats that its tellings and add-ons stand under: more than one while a merge goes on."""
    resettled: bool = False
    """Add-ons may stand under numbers of merged parties; write them all anew."""


def lock_head(tx: Txn, org: int) -> Head:
    row = tx.one("lock_head", {"org": org})
    if row is None:
        raise NotFound("organisation", str(org))
    return Head(org, row[0], row[1], row[2])


def save_head(tx: Txn, head: Head) -> Applied:
    """Number the changes and put the counter row back. Without changes nothing is written."""
    seq = head.seq + len(head.changes)
    if head.changes:
        tx.many(
            "add_change",
            (
                {"org": head.org, "seq": head.seq + i, "what": what, "no": no}
                for i, (what, no) in enumerate(head.changes, 1)
            ),
        )
    named = seq if head.named < 0 else head.named
    tx.run("save_head", {"org": head.org, "seq": seq, "next_no": head.next_no, "named": named})
    return Applied(len(head.changes), seq)


def apply_batch(tx: Txn, org: int, batch: events.Batch, now: int, make_phone_id: Callable[[], str]) -> Applied:
    """Write a batch; see ``Store.apply``."""
    head = lock_head(tx, org)
    writer = Writer(tx, head, now, batch.source)
    writer.write(batch, make_phone_id)
    applied = save_head(tx, head)
    if batch.position is not None:
        stream, place = batch.position
        tx.run("save_position", {"org": org, "stream": stream, "place": place})
    return applied


class Writer:
    """One writing transaction of one organisation."""

    def __init__(self, tx: Txn, head: Head, now: int, source: Source) -> None:
        self.tx = tx
        self.head = head
        self.org = head.org
        self.now = now
        self.source: Source = source
        self.parties = Parties(tx, head, now)
        self.tally = Tally()
        self._phones: dict[str, PhoneRow] = {}
        self._own: dict[int, int] = {}
        self._touched: dict[ChatKey, list[int | None]] = {}
        self._shrunk: set[ChatKey] = set()
        self._exported: dict[ChatKey, bool] = {}
        self._raw: int | None = None
        self._search: list[dict[str, Any]] = []
        self._load_phones()

    # ------------------------------------------------------------------ a batch

    def write(self, batch: events.Batch, make_phone_id: Callable[[], str]) -> None:
        heard = [_cleaned(event) for event in batch.events]
        for event in heard:
            if isinstance(event, events.PhoneSeen):
                self.see_phone(event, make_phone_id())
        for event in heard:
            if isinstance(event, events.NumberMapped):
                self.parties.map_number(event.lid, event.jid)
        self.parties.learn(jid for event in heard for jid in _jids_of(event))
        if batch.raw:
            self._raw = keep_raw(self.tx, self.head, batch.source, batch.raw_type, batch.raw, self.now)
        told: dict[Key, Told] = defaultdict(Told)
        for event in heard:
            self._hear(event, told)
        self.settle(told)
        self.finish()

    def _hear(self, event: events.Event, told: dict[Key, Told]) -> None:
        match event:
            case events.MessageSeen(message):
                self._hear_message(message, told)
            case events.MessageEdited() | events.MessageRevoked() | events.ReactionSet():
                self._hear_addon(event, told)
            case events.ReceiptSet() | events.PollVoted() | events.MediaHeld():
                self._hear_addon(event, told)
            case events.ChatSeen():
                self._hear_chat(event)
            case events.ContactSeen():
                facts = {name: getattr(event, name) for name in _CONTACT_FACTS}
                self.parties.tell(self.parties.number(event.jid), facts, event.at, SOURCE_RANK[self.source])
            case events.NumberMapped() | events.PhoneSeen():
                pass
            case _:
                assert_never(event)

    def _hear_message(self, message: Message, told: dict[Key, Told]) -> None:
        phone, own = self.phone(message.key.phone)
        chat = self.parties.number(message.key.chat)
        sender = self._sender(message, chat, own)
        told[(phone, chat, message.key.id)].tellings.append(telling(sender, self.source, message))
        if message.details.push_name and sender not in (0, own):
            facts = {"push_name": message.details.push_name}
            self.parties.tell(sender, facts, message.sent_at, SOURCE_RANK[self.source])

    def _sender(self, message: Message, chat: int, own: int) -> int:
        if message.from_me:
            return own
        if ids.kind_of(ids.canonical(message.key.chat)) in _PERSONAL:
            return chat
        return 0 if message.key.sender is None else self.parties.number(message.key.sender)

    def _key_of(self, target: events.Target) -> tuple[Key, int]:
        phone, own = self.phone(target.phone)
        chat = self.parties.number(target.chat)
        sender = 0 if target.sender is None else self.parties.number(target.sender)
        if sender and ids.kind_of(ids.canonical(target.chat)) in _PERSONAL and sender != own:
            sender = chat
        return (phone, chat, target.id), sender

    def _hear_addon(self, event: AddonEvent, told: dict[Key, Told]) -> None:
        key, target = self._key_of(event.target)
        told[key].addons.append(self._addon(event, key[1], target))

    def _addon(self, event: AddonEvent, chat: int, target: int) -> Addon:
        match event:
            case events.MessageEdited(text=text, at=at, id=id, by=by):
                return Addon("edit", self._actor(by), target, id or str(at), at, text)
            case events.MessageRevoked(at=at, by=by, by_admin=by_admin):
                return Addon("revoke", self._actor(by), target, "", at, "admin" if by_admin else None)
            case events.ReactionSet(by=by, emoji=emoji, at=at):
                return Addon("reaction", self._actor(by), target, "", at, emoji)
            case events.PollVoted(by=by, options=options, at=at):
                return Addon("vote", self._actor(by), target, "", at, _ENCODER.encode(options).decode())
            case events.ReceiptSet(ack=ack, participant=participant, at=at):
                who = chat if participant is None else self._actor(participant)
                return Addon("receipt", who, target, str(ack), at, None)
            case events.MediaHeld(media=media):
                return Addon("media", 0, target, media.file or "", None, _ENCODER.encode(media).decode())
            case _:
                assert_never(event)

    def _actor(self, jid: str | None) -> int:
        return 0 if jid is None else self.parties.number(jid)

    def _hear_chat(self, event: events.ChatSeen) -> None:
        phone, _ = self.phone(event.phone)
        chat = self.parties.number(event.chat)
        facts = {name: getattr(event, name) for name in _CHAT_FACTS}
        self.tell_chat(phone, chat, lambda registers: tell(registers, facts, event.at, SOURCE_RANK[self.source]))
        if event.name and ids.kind_of(ids.canonical(event.chat)) in ("group", "newsletter", "broadcast"):
            self.parties.tell(chat, {"name": event.name}, event.at, SOURCE_RANK[self.source])

    def tell_chat(self, phone: int, chat: int, change: Callable[[Registers], bool]) -> None:
        params: dict[str, Any] = {"org": self.org, "phone": phone, "chat": chat}
        row = self.tx.one("read_chat", params)
        last_at, has_media, exported, facts = (row[0], row[1], row[2], row[3]) if row else (None, 0, 0, None)
        registers = decode_registers(facts)
        if change(registers) or row is None:
            params |= {"last_at": last_at, "has_media": has_media, "exported": exported, "now": self.now}
            self.tx.run("save_chat", params | {"facts": encode_registers(registers), "seq": self.head.seq + 1})
            self.head.change("chat", chat)

    # ------------------------------------------------------------------ phones

    def _load_phones(self) -> None:
        for row in self.tx.all("list_phones", {"org": self.org}):
            self._phones[row[1]] = row
            self._own[self.parties.resolve(row[6])] = row[0]

    def phone(self, jid: str) -> tuple[int, int]:
        """Number of an own phone and of its party. Its LID will do too."""
        row = self._phones.get(ids.canonical(jid))
        if row is None:
            contact = self.parties.number(jid)
            phone = self._own.get(contact)
            if phone is None:
                raise NotFound("phone", f"{ids.user_part(jid)}; add it with `backscroll phone add`")
            return phone, contact
        return row[0], self.parties.resolve(row[6])

    def see_phone(self, event: events.PhoneSeen, phone_id: str) -> int:
        """Make or complete an own phone and return its number."""
        jid = ids.canonical(event.jid)
        if ids.kind_of(jid) != "user":
            raise BadField("number", event.jid, "must be digits with the country code, such as 919876543210")
        row = self._phones.get(jid)
        device = event.device_id if self._device_is_free(event.device_id) else None
        if row is None:
            number = self.head.number()
            contact = self.parties.number(jid)
            params = {"org": self.org, "phone": number, "jid": jid, "contact": contact, "device_id": device}
            params |= {"phone_id": self._free_phone_id(event.phone_id) or phone_id, "name": event.name}
            self.tx.run("add_phone", params | {"created_at": event.created_at or self.now})
        elif (row[3] is None and device) or (row[4] is None and event.name):
            number = row[0]
            self.tx.run("update_phone", {"org": self.org, "phone": number, "device_id": device, "name": event.name})
        else:
            return row[0]
        self.head.change("phone", number)
        self.head.named = -1
        self._load_phones()
        return number

    def _device_is_free(self, device_id: str | None) -> bool:
        return device_id is not None and all(row[3] != device_id for row in self._phones.values())

    def _free_phone_id(self, phone_id: str | None) -> str | None:
        taken = any(row[2] == phone_id for row in self._phones.values())
        return None if phone_id is None or taken else phone_id

    # ------------------------------------------------------------------ messages

    def settle(self, told: dict[Key, Told]) -> None:
        """Bring what was told together with what is known, and write the outcome."""
        by_chat: dict[ChatKey, dict[str, Told]] = defaultdict(dict)
        for (phone, chat, id), what in told.items():
            _check_id(id)
            by_chat[(phone, chat)][id] = what
        fresh: list[dict[str, Any]] = []
        for (phone, chat), items in by_chat.items():
            chats = self.parties.standing_under(chat)
            for chunk in _chunks(sorted(items)):
                params = {"org": self.org, "phone": phone, "chats": chats, "ids": chunk}
                met = {row[0] for row in self.tx.all("known_ids", params)}
                plain = [id for id in chunk if id not in met and _is_plain(items[id])]
                if plain and self._meets_export((phone, chat), plain):
                    plain = []
                for id in plain:
                    fresh.append(self._new_row(phone, chat, self._fold_plain(phone, items[id].tellings[0])))
                rest = {id: items[id] for id in chunk if id not in set(plain)}
                if rest:
                    self._settle_chat(phone, chat, chats, rest)
        self._insert(fresh)

    def _fold_plain(self, phone: int, only: Telling) -> Folded:
        """The outcome of a single telling about a new message: the common case of an import."""
        message = only.message
        return Folded(
            sender=only.sender,
            source=only.source,
            message=message,
            prev_text=message.details.prev_text,
            edited_at=None,
            deleted=bool(message.details.is_deleted),
            deleted_at=None,
            has_addons=False,
        )

    def _settle_chat(self, phone: int, chat: int, chats: Sequence[int], items: dict[str, Told]) -> None:
        self._adopt(phone, chat, items)
        known = self.known(phone, chats, list(items))
        for id, what in sorted(items.items()):
            self.settle_one(phone, chat, id, known[id], what)

    def known(self, phone: int, chats: Sequence[int], wanted: Sequence[str]) -> dict[str, Known]:
        """What the archive holds about some ids, in words of today's parties."""
        params: dict[str, Any] = {"org": self.org, "phone": phone, "phones": (phone,), "chats": chats, "ids": wanted}
        known: dict[str, Known] = {id: Known() for id in wanted}
        for values in self.tx.all("rows_by_id", params):
            row = row_of(values)
            known[row.id].rows.append(row)
            if not row.flags & TOLD:
                known[row.id].tellings.append(telling(self.parties.resolve(row.sender), row.source, told_by(row)))
        for chat, id, sender, source, digest, text in self.tx.all("read_tellings", params):
            kept = Telling(self.parties.resolve(sender), source, _MESSAGE.decode(text), digest)
            known[id].tellings.append(kept)
            known[id].kept.append(kept)
            known[id].chats.add(chat)
        for chat, id, kind, actor, target, ref, at, value in self.tx.all("read_addons", params):
            addon = Addon(kind, self.parties.resolve(actor), self.parties.resolve(target), ref, at, value)
            _put_latest(known[id].addons, addon)
            known[id].chats.add(chat)
        return known

    def settle_one(self, phone: int, chat: int, id: str, known: Known, what: Told) -> None:
        tellings = prune(known.tellings + what.tellings)
        addons = dict(known.addons)
        for addon in what.addons:
            _put_latest(addons, addon)
        own = self._own_of(phone)
        party = self.parties.party(chat)
        folded = fold(tellings, list(addons.values()), own, party.kind == "group")
        keep = len(tellings) > 1 or any(a.kind in ALTERING for a in addons.values())
        self._write_told(phone, chat, id, known, tellings if keep else [], addons)
        self._write_rows(phone, chat, known.rows, folded, keep, touched=addons != known.addons)

    def own_contacts(self) -> dict[int, int]:
        """Phones by the number of their party."""
        return self._own

    def _own_of(self, phone: int) -> int:
        return next(contact for contact, number in self._own.items() if number == phone)

    def _write_told(
        self,
        phone: int,
        chat: int,
        id: str,
        known: Known,
        tellings: list[Telling],
        addons: dict[tuple[str, int, int, str], Addon],
    ) -> None:
        base = {"org": self.org, "phone": phone, "chat": chat, "id": id}
        rewritten = known.resettled or bool(known.chats - {chat})
        if rewritten:
            for old in known.chats:
                self.tx.run("delete_addons", base | {"chat": old})
        if rewritten or tellings != known.kept:
            for old in known.chats | {chat}:
                self.tx.run("delete_tellings", base | {"chat": old})
            for t in tellings:
                text = _ENCODER.encode(t.message).decode()
                told = {"sender": t.sender, "source": t.source, "digest": t.digest, "message": text}
                self.tx.run("add_telling", base | told)
        for key, addon in addons.items():
            if rewritten or known.addons.get(key) != addon:
                self.tx.run("save_addon", base | structs.asdict(addon))

    def _take_of(self, sender: int, rows: list[MessageRow]) -> MessageRow | None:
        for i, row in enumerate(rows):
            if self.parties.resolve(row.sender) == sender:
                return rows.pop(i)
        return None

    def _write_rows(
        self, phone: int, chat: int, rows: list[MessageRow], folded: list[Folded], keep: bool, touched: bool
    ) -> None:
        left = list(rows)
        new: list[dict[str, Any]] = []
        for message in folded:
            row = self._take_of(message.sender, left) or self._take_of(0, left)
            values = self._new_row(phone, chat, message, row, TOLD if keep else 0)
            if row is None:
                new.append(values)
            else:
                self._replace(row, values, anyway=touched)
        for row in left:
            self._remove(row)
        self._insert(new)

    def _new_row(
        self, phone: int, chat: int, folded: Folded, row: MessageRow | None = None, extra: int = 0
    ) -> dict[str, Any]:
        message = folded.message
        details = message.details
        flags = kind_flags(message.kind) | extra
        flags |= FROM_ME if message.from_me else 0
        flags |= ADDONS if folded.has_addons else 0
        flags |= DELETED if folded.deleted else 0
        flags |= EXPORTED if message.key.id.startswith(EXPORT_PREFIX) and folded.source == "export" else 0
        if not EARLIEST <= message.sent_at <= LATEST:
            raise BadField("timestamp", str(message.sent_at), "must lie between the years 1 and 9999")
        same_text = row is not None and row.text == message.text
        return {
            "org": self.org,
            "no": row.no if row else 0,
            "phone": phone,
            "chat": chat,
            "sender": folded.sender,
            "id": row.id if row else message.key.id,
            "sent_at": message.sent_at,
            "flags": flags,
            "kind": message.kind,
            "text": message.text,
            "details": encode_details(details),
            "ack": message.ack,
            "deleted_at": folded.deleted_at,
            "edited_at": folded.edited_at,
            "prev_text": folded.prev_text,
            "fts": row.fts if row and same_text else (None if message.text is None else tsvector(message.text)),
            "client_ref": details.client_ref,
            "source": folded.source,
            "raw": row.raw if row else self._raw,
            "stored_at": row.stored_at if row else self.now,
            "changed_at": self.now,
        }

    def _insert(self, rows: list[dict[str, Any]]) -> None:
        for values in rows:
            values["no"] = no = self.head.number()
            self.head.change("message", no)
            self.count(values["phone"], values["chat"], values["sent_at"], values["flags"])
            self._index(no, values["chat"], values["text"])
        self.tx.many("add_message", rows)

    def _replace(self, row: MessageRow, values: dict[str, Any], anyway: bool = False) -> None:
        """Write a row that differs; ``anyway`` when what was added to the message changed."""
        same = all(values[f] == getattr(row, f) for f in MessageRow.__struct_fields__ if f != "changed_at")
        if same and not anyway:
            return
        self.tx.run("save_message", values)
        self.head.change("message", row.no)
        self.uncount(row)
        self.count(row.phone, values["chat"], values["sent_at"], values["flags"])
        if (row.text, row.chat) != (values["text"], values["chat"]):
            self._unindex(row)
            self._index(row.no, values["chat"], values["text"])

    def relocate(self, row: MessageRow, chat: int, sender: int, flags: int) -> None:
        """Put a row under another chat or sender as it is."""
        values = structs.asdict(row) | {"chat": chat, "sender": sender, "flags": flags}
        self._replace(row, values | {"changed_at": self.now, "client_ref": self._client_ref(row), "org": self.org})

    @staticmethod
    def _client_ref(row: MessageRow) -> str | None:
        return decode_details(row.details).client_ref

    def _remove(self, row: MessageRow) -> None:
        self.tx.run("delete_message", {"org": self.org, "no": row.no})
        self.head.change("gone", row.no)
        self.uncount(row)
        self._unindex(row)

    # ------------------------------------------------------------------ counters and the search index

    def count(self, phone: int, chat: int, sent_at: int, flags: int) -> None:
        self.tally.add(phone, chat, sent_at, flags)
        touched = self._touched.setdefault((phone, chat), [None, 0, 0])
        if not flags & NOTICE:
            touched[0] = sent_at if touched[0] is None else max(touched[0], sent_at)
        if flags & MEDIA:
            touched[1] = 1
        if flags & EXPORTED:
            touched[2] = 1

    def uncount(self, row: MessageRow) -> None:
        self.tally.add(row.phone, row.chat, row.sent_at, row.flags, -1)
        self._shrunk.add((row.phone, row.chat))

    def _index(self, no: int, chat: int, text: str | None) -> None:
        if text:
            self._search.append(
                {"rowid": search.rowid(self.org, no), "text": ids.fold(text), "scope": search.scope(self.org, chat)}
            )

    def _unindex(self, row: MessageRow) -> None:
        if row.text:
            self._flush_search()
            self.tx.run("delete_search", {"rowid": search.rowid(self.org, row.no)})

    def _flush_search(self) -> None:
        if self._search:
            self.tx.many("add_search", self._search)
            self._search = []

    def finish(self) -> None:
        """Write what was gathered: counters, chats, the search index."""
        self._flush_search()
        self.tally.write(self.tx, self.org)
        base = {"org": self.org, "seq": self.head.seq + 1, "now": self.now}
        for (phone, chat), (last_at, has_media, exported) in sorted(self._touched.items()):
            params = base | {"phone": phone, "chat": chat, "last_at": last_at}
            self.tx.run("touch_chat", params | {"has_media": has_media, "exported": exported})
        for phone, chat in sorted(self._shrunk):
            params = {"org": self.org, "phone": phone, "chat": chat}
            row = self.tx.one("last_in_chat", params)
            self.tx.run("set_chat_last", params | {"last_at": row[0] if row else None})

    # ------------------------------------------------------------------ exported chats

    def _meets_export(self, where: ChatKey, new: list[str]) -> bool:
        """Whether rows of an exported chat and rows with real ids may tell of the same messages here."""
        if where not in self._exported:
            row = self.tx.one("read_chat", {"org": self.org, "phone": where[0], "chat": where[1]})
            self._exported[where] = row is not None and (bool(row[2]) or new[0].startswith(EXPORT_PREFIX))
        return self._exported[where]

    def _adopt(self, phone: int, chat: int, items: dict[str, Told]) -> None:
        """Let an exported line and a message with a real id that are one become one, whichever came first."""
        if not self._exported.get((phone, chat)):
            return
        for id in sorted(items):
            if not items[id].tellings:
                continue
            if id.startswith(EXPORT_PREFIX):
                real = self._twin(phone, chat, items[id].tellings[0], exported=False)
                if real is not None:
                    target = items.setdefault(real.id, Told())
                    target.tellings = [*target.tellings, *items.pop(id).tellings]
            else:
                line = self._twin(phone, chat, items[id].tellings[0], exported=True)
                if line is not None:
                    known = self.known(phone, (chat,), [line.id])[line.id]
                    items[id].tellings = [*items[id].tellings, *known.tellings]
                    for row in known.rows:
                        self._remove(row)
                    self._write_told(phone, chat, line.id, known, [], {})

    def _twin(self, phone: int, chat: int, t: Telling, exported: bool) -> MessageRow | None:
        width = 60_000_000
        low = t.message.sent_at // width * width if exported else t.message.sent_at
        params = {"org": self.org, "phone": phone, "chat": chat, "low": low, "high": low + width - 1}
        rows = self.tx.all("exported_twins", params | {"exported": EXPORTED if exported else 0})
        found = [r for r in rows if self._is_twin(t, r, exported)]
        if exported:
            return self._row(found[0][0]) if found else None
        for candidate in found:
            row = self._row(candidate[0])
            told = self.known(phone, (chat,), [row.id])[row.id].tellings
            lines = [k.message.key.id for k in told if k.source == "export"]
            if not lines or t.message.key.id in lines:
                return row
        return None

    def _row(self, no: int) -> MessageRow:
        return row_of(self.tx.all("rows_by_no", {"org": self.org, "nos": (no,)})[0])

    def _is_twin(self, t: Telling, row: tuple[Any, ...], exported: bool) -> bool:
        _, sender, _, sent_at, flags, kind, text, _ = row
        ours, theirs = kind_flags(t.message.kind), flags & (MEDIA | NOTICE | 1)
        # Media that an export left out is of kind unknown.
        vague = {ours, theirs} == {0, MEDIA} and "unknown" in (t.message.kind, kind)
        if (ours != theirs and not vague) or not self._same_sender(t.sender, self.parties.resolve(sender)):
            return False
        exact = (t.message.sent_at if exported else sent_at) // 1_000_000
        line = (sent_at if exported else t.message.sent_at) // 1_000_000
        if line % 60 and line != exact:
            return False
        return _comparable(t.message.text) == _comparable(text)

    def _same_sender(self, one: int, other: int) -> bool:
        if one == other:
            return True
        if 0 in (one, other):
            return False
        a, b = self.parties.party(one), self.parties.party(other)
        if "export" not in (a.kind, b.kind):
            return False
        names = [{p.name, p.push_name, p.business_name} - {None} for p in (a, b)]
        return bool(names[0] & names[1])


# ---------------------------------------------------------------------- helpers


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


def _is_plain(what: Told) -> bool:
    return len(what.tellings) == 1 and not what.addons


def _put_latest(addons: dict[tuple[str, int, int, str], Addon], addon: Addon) -> None:
    """Of one actor's add-ons of a kind the latest stands; of receipts and revokes the first time told."""
    known = addons.get(addon.key)
    if known is None:
        addons[addon.key] = addon
    elif addon.kind in ("receipt", "revoke"):
        times = [a.at for a in (known, addon) if a.at is not None]
        value = max(filter(None, (known.value, addon.value)), default=None)
        addons[addon.key] = structs.replace(known, at=min(times, default=None), value=value)
    elif addon.recency > known.recency:
        addons[addon.key] = addon


def _check_id(id: str) -> None:
    if not id or len(id) > LONGEST_ID:
        raise BadField("id", id[:80], f"must be a WhatsApp message id of 1 to {LONGEST_ID} characters")


def _comparable(text: str | None) -> str:
    return "" if text is None else _SPACE.sub(" ", text).strip()


def _chunks(items: Sequence[str]) -> Iterable[Sequence[str]]:
    return (items[i : i + _CHUNK] for i in range(0, len(items), _CHUNK))


def _jids_of(event: events.Event) -> Iterator[str]:
    match event:
        case events.MessageSeen(message):
            yield message.key.chat
            if message.key.sender is not None:
                yield message.key.sender
        case events.ChatSeen(chat=chat):
            yield chat
        case events.ContactSeen(jid=jid):
            yield jid
        case events.NumberMapped() | events.PhoneSeen():
            pass
        case _:
            yield event.target.chat
            if event.target.sender is not None:
                yield event.target.sender


def _cleaned(event: events.Event) -> events.Event:
    """The event with text that both engines can keep; nearly always itself."""
    if isinstance(event, events.MessageSeen):
        text = event.message.text
        if text is not None:
            cleaned, altered = ids.clean_text(text)
            if altered:
                details = structs.replace(event.message.details, altered=True)
                event = events.MessageSeen(structs.replace(event.message, text=cleaned, details=details))
    try:
        encoded = _ENCODER.encode(event)
    except UnicodeEncodeError:
        encoded = b"\\u0000"
    return cast(events.Event, _deep_cleaned(event)) if b"\\u0000" in encoded else event


def _deep_cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return ids.clean_text(value)[0]
    if isinstance(value, Struct):
        return structs.replace(value, **{f: _deep_cleaned(getattr(value, f)) for f in value.__struct_fields__})
    if isinstance(value, tuple | list):
        return type(value)(_deep_cleaned(v) for v in value)
    if isinstance(value, dict):
        return {_deep_cleaned(k): _deep_cleaned(v) for k, v in value.items()}
    return value
