"""Dumping everything that sources reported to one organisation as replayable events, and restoring from them.

The order of a dump depends only on what was reported, not on when or how: the same archive gives the same lines. All
observations and annotations of one WhatsApp id in one chat are together.
"""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar, assert_never, cast

import msgspec
import zstandard
from msgspec import Struct, structs

from backscroll.core import events
from backscroll.core.coverage import Coverage
from backscroll.core.errors import NotFound, StorageBusy
from backscroll.core.limits import check_coverage
from backscroll.core.model import SOURCE_RANK, Kind, Media, Message, MessageKey, Org, Phone, Source
from backscroll.database.protocol import Engine, Txn
from backscroll.storage.accounts import accounts
from backscroll.storage.read.names import ContactCache, Names
from backscroll.storage.records.damage import UNREADABLE, annotation_problem, leave_out, readable
from backscroll.storage.records.identity import ContactResolver
from backscroll.storage.records.labels import label_of, label_order
from backscroll.storage.records.org_state import Applied, OrgState, lock_org_state, save_org_state
from backscroll.storage.records.pins import end_of_pin
from backscroll.storage.records.registers import Registers, decode_registers, join
from backscroll.storage.records.resolve import (
    Annotation,
    AnnotationKey,
    Observation,
    Resolved,
    observation,
    prune,
    put_latest,
)
from backscroll.storage.records.rows import OBSERVED, MessageRow, observation_of, problem_of, row_of
from backscroll.storage.records.tellers import NOBODY, encode_tellers
from backscroll.storage.transfer.contact_lines import DumpedContact, told_of
from backscroll.storage.transfer.coverage_lines import coverage_of
from backscroll.storage.write.batch import Writer
from backscroll.storage.write.event_collector import EventCollector, Key, Observed
from backscroll.storage.write.export_matching import MATCHED
from backscroll.storage.write.imports import must_be_running
from backscroll.storage.write.message_writer import MessageWriter, Values
from backscroll.storage.write.validation import cleaned

Taken = TypeVar("Taken")
T = TypeVar("T", bound=events.ChatSeen | events.ContactSeen | events.LabelSeen)

PAGE = 400
WAIT_SECONDS = 0.05
FIRST = -(2**63)
"""Earlier than every time."""
_SOURCE_OF: dict[int, Source] = {rank: source for source, rank in SOURCE_RANK.items()}
_ENCODER = msgspec.json.Encoder()
_MESSAGE = msgspec.json.Decoder(Message)
_OPTIONS = msgspec.json.Decoder(tuple[str, ...])
_MEDIA = msgspec.json.Decoder(Media)


class FileKept(Struct, frozen=True, tag="file", omit_defaults=True):
    """A media file of the organisation; its bytes are in the media folder, named by their SHA-256."""

    sha256: str
    size: int
    mimetype: str | None = None


class RawKept(Struct, frozen=True, tag="raw"):
    """A payload as its source sent it. Messages refer to it by the SHA-256 of its bytes."""

    sha256: str
    media_type: str
    payload: bytes


class PositionKept(Struct, frozen=True, tag="position"):
    """The position from which pulling a source continues."""

    stream: str
    place: str


class About(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Data beside an event in a dump."""

    source: Source | None = None
    """The source, for messages, chats, contacts and raw payloads."""
    stored_at: int | None = None
    """On the first observation of each message: when it arrived, when it last changed, and its payload."""
    changed_at: int | None = None
    raw: str | None = None


Dumped = events.Event | FileKept | RawKept | PositionKept | Coverage
_NOTHING = About()


class Line(Struct, frozen=True):
    """An event and its origin: one line of a file."""

    event: Dumped
    about: About = _NOTHING

    @property
    def key(self) -> tuple[str, str, str] | None:
        """The phone, chat and id of the message that it is about."""
        match self.event:
            case events.MessageSeen(message):
                return (message.key.phone, message.key.chat, message.key.id)
            case events.MessageEdited(target=target) | events.MessageRevoked(target=target):
                return (target.phone, target.chat, target.id)
            case events.ReactionSet(target=target) | events.ReceiptSet(target=target):
                return (target.phone, target.chat, target.id)
            case (
                events.PollVoted(target=target) | events.MessagePinned(target=target) | events.MediaHeld(target=target)
            ):
                return (target.phone, target.chat, target.id)
            case _:
                return None


class Dump(Struct):
    """One organisation, or one chat of it, as it was at ``created_at``. ``lines`` can be iterated once."""

    org: Org
    created_at: int
    messages: int
    chat: str | None
    lines: Iterator[Line]
    left_out: list[str]
    """Unreadable rows, added as they are found."""


def take_dump(
    engine: Engine,
    org: int,
    take: Callable[[Dump], Taken],
    chat: str | None,
    raws: bool,
    phones: tuple[int, ...] | None = None,
    *,
    now: int,
    settle: Callable[[], object],
) -> Taken:
    """The result of ``take`` for a snapshot. ``settle`` first moves rows of merged contacts, or waits for this."""
    begun = False

    def work(tx: Txn) -> tuple[Taken] | None:
        nonlocal begun
        if begun:
            raise StorageBusy("The database went away while everything was being read; start again")
        opened = open_dump(tx, org, chat, raws, now, phones)
        begun = opened is not None
        return None if opened is None else (take(opened),)

    while True:
        settle()
        taken = engine.read(work, org)
        if taken is not None:
            return taken[0]
        time.sleep(WAIT_SECONDS)


def open_dump(
    tx: Txn, org: int, chat: str | None, raws: bool, now: int, phones: tuple[int, ...] | None = None
) -> Dump | None:
    """The dump of this snapshot; None while rows of merged contacts are still being moved.

    ``phones`` leaves out other phones' messages; contacts are left out only where a chat is named.
    """
    if tx.all("pending_merges", {"org": org}):
        return None
    dumper = _Dumper(tx, org, chat, raws, phones)
    found = next(o for o in accounts.list_orgs(tx) if o.no == org)
    return Dump(
        org=found,
        created_at=now,
        messages=dumper.count(),
        chat=dumper.chat_jid,
        lines=dumper.lines(),
        left_out=dumper.left_out,
    )


class _Dumper:
    """Reads one snapshot, a bounded number of rows at a time."""

    def __init__(self, tx: Txn, org: int, chat: str | None, raws: bool, phones: tuple[int, ...] | None = None) -> None:
        self._tx = tx
        self._org = org
        self._raws = raws
        self._cache = ContactCache()
        self._names = Names(tx, org, self._cache)
        self._phones: dict[int, tuple[Phone, int]] = {
            no: phone for no, phone in accounts.phones_of(tx, org).items() if phones is None or no in phones
        }
        self._only: set[int] | None = None
        self._chat: int | None = None
        self.chat_jid: str | None = None
        self.left_out: list[str] = []
        if chat is not None:
            self._narrow(chat)

    def _narrow(self, jid: str) -> None:
        """Restrict the dump to one chat: the phones that have it, and the contacts that wrote or acted in it."""
        contact_row = self._names.find(jid)
        if contact_row is None:
            raise NotFound("chat", jid)
        self._chat, self.chat_jid = contact_row.contact, contact_row.jid
        params = {"org": self._org, "chat": contact_row.contact, "phones": tuple(self._phones)}
        having = {phone for (phone,) in self._tx.all("phones_of_chat", params)}
        self._phones = {no: phone for no, phone in self._phones.items() if no in having}
        acting = self._tx.all("dump_actors", params | {"phones": tuple(self._phones)})
        own_contacts = (own for _, own in self._phones.values())
        numbers = {contact_row.contact, *own_contacts, *(contact for (contact,) in acting)}
        self._only = {self._number(contact) for contact in numbers if contact}

    def count(self) -> int:
        """Number of messages in the dump, for a progress bar."""
        params = {"org": self._org, "phones": tuple(self._phones), "chat": self._chat, "any_chat": int(not self._chat)}
        (count,) = self._tx.one("dump_count", params) or (0,)
        return int(count)

    def lines(self) -> Iterator[Line]:
        """All lines, in an order that can be restored. A single chat comes without payloads, files and positions."""
        for phone, _ in self._phones.values():
            yield Line(
                events.PhoneSeen(
                    jid=phone.jid,
                    device_id=phone.device_id,
                    name=phone.name,
                    phone_id=phone.phone_id,
                    created_at=phone.created_at,
                )
            )
        for no, (phone, _) in self._phones.items():
            yield from self._labels(no, phone.jid)
        for page in self._contact_pages():
            yield from self._resolver(page)
        if self._raws and self._chat is None:
            yield from self._raw_payloads()
        for page in self._contact_pages():
            yield from self._chats({row.contact: row.jid for row in page})
        yield from map(Line, self._coverage())
        if self._chat is None:
            yield from self._files()
            for stream, place in self._tx.all("list_positions", {"org": self._org}):
                yield Line(PositionKept(stream, place))

    def _coverage(self) -> Iterator[Coverage]:
        aliases: list[str] = []
        if self._chat is not None:
            rows = self._tx.all("dump_aliases", {"org": self._org, "contacts": [self._chat]})
            aliases = [alias for _, alias in rows]
        for no, (phone, _) in self._phones.items():
            yield from coverage_of(self._tx, self._org, no, phone.jid, self.chat_jid, aliases)

    # ------------------------------------------------------------------ damage

    def _leave_out(self, what: str, key: object, problem: str) -> None:
        leave_out(what, self._org, key, problem)
        self.left_out.append(f"{what} {key}: {problem}")

    def _readable(self, rows: Sequence[MessageRow]) -> list[MessageRow]:
        found = readable(self._org, rows)
        kept = {row.no for row in found}
        self.left_out += [f"message {row.no}: {problem_of(row)}" for row in rows if row.no not in kept]
        return found

    def _facts(self, facts: str | None, what: str, key: object) -> Registers:
        try:
            return decode_registers(facts)
        except UNREADABLE:
            self._leave_out(what, key, "its facts cannot be decoded")
            return {}

    # ------------------------------------------------------------------ contacts

    def _contact_pages(self) -> Iterator[list[DumpedContact]]:
        after = ""
        while page := self._tx.all("dump_contacts", {"org": self._org, "after": after, "limit": PAGE}):
            _, after, *_ = page[-1]
            self._names = Names(self._tx, self._org, self._cache)
            contacts = (DumpedContact(*row) for row in page)
            yield [row for row in contacts if self._only is None or row.contact in self._only]

    def _resolver(self, page: list[DumpedContact]) -> Iterator[Line]:
        aliases: dict[int, list[str]] = defaultdict(list)
        params = {"org": self._org, "contacts": [row.contact for row in page]}
        for contact, alias in self._tx.all("dump_aliases", params):
            aliases[contact].append(alias)
        told = told_of(self._tx, self._org, page, {no: phone.jid for no, (phone, _) in self._phones.items()})
        for contact, jid, *_ in page:
            for alias in aliases[contact]:
                if alias != jid:
                    yield Line(events.NumberMapped(lid=alias, jid=jid))
            for phone, facts in told[contact].items():
                seen = events.ContactSeen(jid=jid, phone=phone)
                yield from _observed(self._facts(facts, "contact", contact), seen)

    def _number(self, contact: int) -> int:
        return self._names.contact_row(contact).contact if contact else 0

    def _jid(self, contact: int) -> str | None:
        return self._names.contact_row(contact).jid if contact else None

    # ------------------------------------------------------------------ labels and chats

    def _labels(self, phone: int, jid: str) -> Iterator[Line]:
        """The labels of a phone; of a single chat only those that it has or had."""
        told: dict[str, Registers] = defaultdict(dict)
        for label, facts in self._tx.all("labels_of_phone", {"org": self._org, "phone": phone}):
            join(told[label], self._facts(facts, "label", (phone, label)))
        if self._chat is not None:
            where = {"org": self._org, "phones": (phone,), "chats": (self._chat,)}
            rows = self._tx.all("facts_of_chats", where)
            fields = (field for _, _, facts in rows for field in self._facts(facts, "chat", (phone, self._chat)))
            used = set(map(label_of, fields))
            told = {label: registers for label, registers in told.items() if label in used}
        for label in sorted(filter(told.get, told), key=label_order):
            yield from _observed(told[label], events.LabelSeen(phone=jid, id=label))

    def _chats(self, contacts: dict[int, str]) -> Iterator[Line]:
        chats = [c for c in contacts if self._chat in (None, c)]
        if not chats:
            return
        params = {"org": self._org, "phones": tuple(self._phones), "chats": chats}
        known: dict[tuple[int, int], Any] = {}
        for phone, chat in self._tx.all("dump_waiting_chats", params):
            known[(phone, chat)] = ...
        for phone, chat, facts in self._tx.all("facts_of_chats", params):
            known[(phone, chat)] = facts
        for phone, chat in sorted(known, key=lambda place: (contacts[place[1]], place[0])):
            bare = events.ChatSeen(phone=self._phones[phone][0].jid, chat=contacts[chat])
            facts = known[(phone, chat)]
            if facts is not ...:
                registers = self._facts(facts, "chat", (phone, chat))
                yield from _observed({f: told for f, told in registers.items() if label_of(f) is None}, bare)
                yield from _labeled(registers, bare.phone, bare.chat)
            yield from self._messages(phone, chat)
            yield from self._waiting(phone, chat)

    def _messages(self, phone: int, chat: int) -> Iterator[Line]:
        at, id = FIRST, ""
        base = {"org": self._org, "phone": phone, "chat": chat, "limit": PAGE}
        while values := self._tx.all("dump_messages", base | {"at": at, "id": id}):
            last = row_of(values[-1])
            at, id = last.sent_at, last.id
            yield from self._page(phone, chat, self._readable([row_of(row) for row in values]))

    def _page(self, phone: int, chat: int, rows: list[MessageRow]) -> Iterator[Line]:
        """Lines for these rows' ids. An id chosen by several senders appears once, with its first row.

        The first line of each id has ``stored_at``. Lines of exported chats have their own ids here; they are matched
        with messages again when restored.
        """
        base = {"org": self._org, "phone": phone, "phones": (phone,), "chats": (chat,)}
        told_of = sorted({row.id for row in rows if row.flags & OBSERVED})
        groups: dict[str, list[MessageRow]] = defaultdict(list)
        for row in readable(self._org, map(row_of, self._tx.all("rows_by_id", base | {"ids": told_of}))):
            groups[row.id].append(row)
        observations: dict[str, list[Observation]] = defaultdict(list)
        for _, id, sender, source, digest, text in self._tx.all("read_observations", base | {"ids": told_of}):
            try:
                message = _MESSAGE.decode(text)
            except UNREADABLE:
                self._leave_out("observation of message", (phone, chat, id), "it cannot be decoded")
                continue
            observations[id].append(Observation(self._number(sender), source, message, digest))
        annotations = self._annotations(phone, chat, [row.id for row in rows])
        self._names.load({row.sender for row in rows} | {a.actor for some in annotations.values() for a in some})
        digests = self._digests(rows)
        for row in rows:
            group = sorted(groups.get(row.id, [row]), key=lambda r: (r.sent_at, r.sender))
            if group[0].no == row.no:
                yield from self._message(phone, chat, row.id, group, observations.get(row.id, []), digests)
                yield from self._added(phone, chat, row.id, annotations.get(row.id, ()))

    def _digests(self, rows: Iterable[MessageRow]) -> dict[int | None, str]:
        raws = sorted({row.raw for row in rows if row.raw is not None})
        if not self._raws or not raws:
            return {}
        return dict(self._tx.all("dump_digests", {"org": self._org, "raws": raws}))

    def _message(
        self,
        phone: int,
        chat: int,
        id: str,
        group: list[MessageRow],
        observed: list[Observation],
        digests: dict[int | None, str],
    ) -> Iterator[Line]:
        observations = prune(observed) or [
            observation(self._number(r.sender), r.source, observation_of(r)) for r in group
        ]
        rows = {self._number(row.sender): row for row in group}
        if len(observations) > 1:
            observations.sort(key=lambda t: (t.sender not in rows, t.message.key.id != id, *self._place(t)))
        for t in observations:
            row = rows.pop(t.sender, None)
            about = About(
                source=t.source,
                stored_at=row.stored_at if row else None,
                changed_at=row.changed_at if row else None,
                raw=digests.get(row.raw) if row else None,
            )
            own, mine = self._phones[phone]
            key = MessageKey(own.jid, self._jid(chat) or "", t.message.key.id, self._jid(t.sender))
            from_me = bool(t.sender) and t.sender == self._number(mine)
            # The encoder recognises a default by object identity, and a kind read from a row is a different object.
            message = structs.replace(t.message, key=key, from_me=from_me, kind=_same(t.message.kind))
            yield Line(events.MessageSeen(message), about)

    def _place(self, t: Observation) -> tuple[str, int, bytes]:
        return (
            self._jid(t.sender) or "",
            -SOURCE_RANK[t.source],
            _ENCODER.encode(structs.replace(t.message, kind=_same(t.message.kind))),
        )

    # ------------------------------------------------------------------ annotations

    def _annotations(self, phone: int, chat: int, wanted: Sequence[str]) -> dict[str, list[Annotation]]:
        params = {"org": self._org, "phone": phone, "chats": (chat,), "ids": wanted}
        found: dict[str, dict[AnnotationKey, Annotation]] = defaultdict(dict)
        for _, id, kind, actor, target, ref, at, value in self._tx.all("read_annotations", params):
            if problem := annotation_problem(kind, ref, at, value):
                self._leave_out("annotation of message", (phone, chat, id), problem)
            elif kind != MATCHED:
                put_latest(found[id], Annotation(kind, self._number(actor), self._number(target), ref, at, value))
        return {id: sorted(some.values(), key=self._annotation_place) for id, some in found.items()}

    def _annotation_place(self, annotation: Annotation) -> tuple[str, str, str, str]:
        return (annotation.kind, self._jid(annotation.actor) or "", self._jid(annotation.target) or "", annotation.ref)

    def _added(self, phone: int, chat: int, id: str, annotations: Iterable[Annotation]) -> Iterator[Line]:
        own, jid = self._phones[phone][0].jid, self._jid(chat) or ""
        for annotation in annotations:
            if annotation.kind != MATCHED:
                target = events.Target(own, jid, annotation.line or id, self._jid(annotation.target))
                yield Line(_event_of(annotation, target, self._jid(annotation.actor), chat))

    def _waiting(self, phone: int, chat: int) -> Iterator[Line]:
        """Annotations waiting for messages that no source has reported yet."""
        after = ""
        base = {"org": self._org, "phone": phone, "chat": chat, "limit": PAGE}
        while page := [id for (id,) in self._tx.all("dump_waiting", base | {"after": after})]:
            after = page[-1]
            annotations = self._annotations(phone, chat, page)
            for id in page:
                yield from self._added(phone, chat, id, annotations.get(id, ()))

    # ------------------------------------------------------------------ files and payloads

    def _files(self) -> Iterator[Line]:
        after = ""
        while page := self._tx.all("dump_files", {"org": self._org, "after": after, "limit": PAGE}):
            for file, size, mimetype in page:
                yield Line(FileKept(file, size, mimetype))
            after, _, _ = page[-1]

    def _raw_payloads(self) -> Iterator[Line]:
        after = ""
        unpack = zstandard.ZstdDecompressor()
        # One at a time, because a payload may have many megabytes.
        while row := self._tx.one("dump_raws", {"org": self._org, "after": after, "limit": 1}):
            after, source, media_type, payload = row
            try:
                plain = unpack.decompress(bytes(payload))
            except zstandard.ZstdError:
                self._leave_out("payload", after, "it cannot be unpacked")
                continue
            yield Line(RawKept(after, media_type, plain), About(source=source))


def _same(kind: Kind) -> Kind:
    return cast(Kind, sys.intern(kind))


def _observed(facts: Registers, bare: T) -> Iterator[Line]:
    """Facts as the events that reported them, one for each source and time; ``bare`` if there are none."""
    if not facts:
        yield Line(bare)
        return
    observations: dict[tuple[int, int], dict[str, Any]] = defaultdict(dict)
    for field, (at, rank, value) in facts.items():
        observations[(at, rank)][field] = value
    for (at, rank), fields in sorted(observations.items(), key=lambda observed: observed[0]):
        event = msgspec.convert(structs.asdict(bare) | fields | {"at": None if at == -1 else at}, type(bare))
        yield Line(event, About(source=_SOURCE_OF[rank]))


def _labeled(registers: Registers, phone: str, chat: str) -> Iterator[Line]:
    """Which labels a chat was reported to have, or to have no longer."""
    found = {label: told for field, told in registers.items() if (label := label_of(field)) is not None}
    for label in sorted(found, key=label_order):
        at, rank, has = found[label]
        event = events.ChatLabeled(phone=phone, chat=chat, label=label, labeled=bool(has), at=None if at == -1 else at)
        yield Line(event, About(source=_SOURCE_OF[rank]))


def _event_of(annotation: Annotation, target: events.Target, actor: str | None, chat: int) -> events.Event:
    """The event from which an annotation was made."""
    at, value = annotation.at, annotation.value
    match annotation.kind:
        case "edit":
            id = None if annotation.ref == str(at) else annotation.ref
            return events.MessageEdited(target=target, text=value, at=at or 0, id=id, by=actor)
        case "revoke":
            return events.MessageRevoked(target=target, at=at, by=actor, by_admin=value == "admin")
        case "reaction":
            return events.ReactionSet(target=target, by=actor or "", emoji=value or "", at=at)
        case "vote":
            return events.PollVoted(target=target, by=actor or "", options=_OPTIONS.decode(value or "[]"), at=at or 0)
        case "pin":
            until = end_of_pin(value or "")
            return events.MessagePinned(target=target, pinned=value is not None, at=at or 0, by=actor, until=until)
        case "receipt":
            participant = None if annotation.actor == chat else actor
            return events.ReceiptSet(target=target, ack=int(annotation.ref), participant=participant, at=at)
        case _:
            return events.MediaHeld(target=target, media=_MEDIA.decode(value or "{}"))


# ---------------------------------------------------------------------- restoring


def restore_lines(
    tx: Txn,
    org: int,
    lines: Sequence[Line],
    now: int,
    make_phone_id: Callable[[], str],
    import_id: int | None = None,
) -> Applied:
    """Apply lines of a dump in one transaction, each as reported by its own source."""
    state = lock_org_state(tx, org)
    state.imported = True
    if import_id is not None:
        must_be_running(tx, org, import_id)
    writer = Writer(tx, state, now, "linked")
    writer.provenance.begin(import_id or NOBODY)
    message_writer = writer.message_writer = _KeepingTimes(tx, state, writer.resolver, now)
    heard: list[tuple[events.Event, About]] = []
    covered: list[Coverage] = []
    for line in lines:
        match line.event:
            case Coverage() as told:
                check_coverage(told)
                covered.append(told)
            case FileKept() | RawKept() | PositionKept() as kept:
                _keep(tx, writer, kept, line.about)
            case event:
                heard.append((cleaned(event), line.about))
    writer.introduce([event for event, _ in heard], make_phone_id)
    observed: dict[Key, Observed] = defaultdict(Observed)
    for event, about in heard:
        collector = EventCollector(writer.resolver, writer.phones, message_writer, about.source or "linked")
        collector.collect(event)
        for key, what in collector.observed.items():
            observed[key].observations.extend(what.observations)
            observed[key].annotations.extend(what.annotations)
            message_writer.remember(key, what, about)
    writer.settle(observed)
    for told in covered:
        writer.coverage.note(writer.provenance.teller, told)
    writer.finish()
    return save_org_state(tx, state)


class _KeepingTimes(MessageWriter):
    """Gives a message that is new here the times and the payload from the dump."""

    def __init__(self, tx: Txn, state: OrgState, resolver: ContactResolver, now: int) -> None:
        super().__init__(tx, state, resolver, now)
        self._known: dict[tuple[Key, int], About] = {}

    def remember(self, key: Key, what: Observed, about: About) -> None:
        if about.stored_at is not None:
            self._known |= {(key, t.sender): about for t in what.observations}

    def row_for(
        self, phone: int, chat: int, id: str, resolved: Resolved, row: MessageRow | None = None, observed: bool = False
    ) -> Values:
        """As in normal writing, but with the times and payload that the dump gives."""
        values = super().row_for(phone, chat, id, resolved, row, observed)
        about = self._known.get(((phone, chat, id), resolved.sender))
        if row is None and about is not None:
            values["stored_at"] = about.stored_at
            values["changed_at"] = about.stored_at if about.changed_at is None else about.changed_at
            found = self._tx.one("find_raw", {"org": self._org, "digest": about.raw}) if about.raw else None
            (values["raw"],) = found or (None,)
        return values


def _keep(tx: Txn, writer: Writer, kept: FileKept | RawKept | PositionKept, about: About) -> None:
    match kept:
        case FileKept(sha256, size, mimetype):
            writer.provenance.tell_file(sha256)
            params = {"file": sha256, "size": size, "mimetype": mimetype}
            tx.run("add_file", params | {"org": writer.org, "now": writer.now})
        case RawKept(_, media_type, payload):
            writer.keep_raw(about.source or "linked", media_type, payload)
        case PositionKept(stream, place):
            told = encode_tellers((writer.provenance.teller,))
            tx.run("keep_position", {"org": writer.org, "stream": stream, "place": place, "told": told})
        case _:
            assert_never(kept)
