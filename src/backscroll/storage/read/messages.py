"""Turning rows into messages as shown, with contacts resolved and annotations added."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import msgspec
from msgspec import structs

from backscroll.core import ids
from backscroll.core.model import (
    NO_DETAILS,
    ArchivedMessage,
    Details,
    Edit,
    Message,
    MessageKey,
    Pin,
    PlainMessage,
    Reaction,
    Receipt,
    Shown,
    Vote,
)
from backscroll.database.protocol import Row, Txn
from backscroll.storage.read.names import Names
from backscroll.storage.records.damage import UNREADABLE, annotation_problem, leave_out, readable, registers_of
from backscroll.storage.records.pins import PIN, end_of_pin, pins_in_effect
from backscroll.storage.records.registers import value_of
from backscroll.storage.records.resolve import ACK_ORDER, Annotation, Observation, edits_of, merged, original_text
from backscroll.storage.records.rows import (
    ANNOTATED,
    DELETED,
    FROM_ME,
    ListedRow,
    decode_details,
)

_OPTIONS = msgspec.json.Decoder(tuple[str, ...])
_BY_NUMBER = f"@{ids.USER}"
_MESSAGE = msgspec.json.Decoder(Message)
_NOT_PLAIN = ANNOTATED | DELETED
_CHUNK = 500
"""Maximum values in one statement."""
Place = tuple[int, int]
"""Phone and chat."""
_MessagePlace = tuple[int, int, str]
"""Phone, chat and id."""
_Annotated = tuple[_MessagePlace, list[Any]]
"""A message as it is listed, and an annotation: kind, actor, target, ref, at and value."""
_Standing = tuple[_MessagePlace, int, list[Any]]
"""The same with the chat under which the annotation is stored."""


class _People(NamedTuple):
    """JIDs and names of contacts by their numbers; None for 0, which stands for an unknown sender."""

    jids: dict[int, str | None]
    names: dict[int, str | None]


class Assembler:
    """Turns rows into messages as shown."""

    def __init__(self, tx: Txn, org: int, names: Names) -> None:
        self._tx = tx
        self._org = org
        self._names = names
        self._phones = names.phones
        self._sizes: dict[Place, int] = {}

    def know_size(self, phone: int, chat: int, members: int) -> None:
        """Set the number of members of a chat that has already been counted."""
        self._sizes[(phone, chat)] = members

    def messages(self, rows: Sequence[ListedRow], full: bool = False) -> list[ArchivedMessage]:
        """Messages in the rows' order, without unreadable ones. ``full`` adds edits and original texts."""
        try:
            told = list(map(_details_of, rows))
        except UNREADABLE:
            rows = readable(self._org, rows)
            told = list(map(_details_of, rows))
        return self._messages(rows, told, self._people(rows), full)

    def shown(self, rows: Sequence[ListedRow]) -> list[Shown]:
        """The same for renderers, with plain messages as such."""
        others = _not_plain(rows)
        try:
            told = list(map(_details_of, others))
        except UNREADABLE:
            rows = readable(self._org, rows)
            others = _not_plain(rows)
            told = list(map(_details_of, others))
        people = self._people(rows)
        by_no = {archived.no: archived for archived in self._messages(others, told, people)}
        jids, names = people.jids, people.names
        found: list[Shown] = []
        for row in rows:
            if (archived := by_no.get(row.no)) is not None:
                found.append(archived)
                continue
            sender = row.sender
            # By position, because keyword arguments take half as long again.
            plain = PlainMessage(
                row.no,
                self._phones[row.phone].phone,
                jids[row.chat] or "",
                jids[sender],
                row.id,
                row.sent_at,
                row.flags & FROM_ME != 0,
                row.text,
                row.ack,
                names[sender],
                row.fts,
                row.stored_at,
                row.changed_at,
            )
            found.append(plain)
        return found

    def _people(self, rows: Sequence[ListedRow]) -> _People:
        """The contacts of the rows."""
        met = {row.sender for row in rows} | {row.chat for row in rows}
        self._names.load(met)
        contacts = {contact: self._names.contact_row(contact) for contact in met if contact}
        jids: dict[int, str | None] = {contact: contact_row.jid for contact, contact_row in contacts.items()}
        names = {contact: contact_row.display_name for contact, contact_row in contacts.items()}
        jids[0] = names[0] = None
        return _People(jids, names)

    def _messages(
        self, rows: Sequence[ListedRow], told: list[Details], people: _People, full: bool = False
    ) -> list[ArchivedMessage]:
        messages = list(map(partial(self._message, people), rows, self._with_known_names(told)))
        if touched := [row for row in rows if row.flags & ANNOTATED]:
            annotations = self._annotations(touched)
            self._learn_sizes([row for row in touched if _has_receipts(annotations.get(_place(row), ()))])
            for at, row in enumerate(rows):
                if row.flags & ANNOTATED and (found := annotations.get(_place(row))):
                    messages[at] = self._with_annotations(messages[at], found, row, full)
        return messages

    def _annotations(self, rows: Sequence[ListedRow]) -> dict[tuple[int, int, str], list[Annotation]]:
        """By phone, chat and id of the messages; in one go for each chat, or for all when there are several."""
        alone = len({(row.phone, row.chat) for row in rows}) == 1
        observed = self._annotations_in_chat(rows) if alone else self._annotations_of(rows)
        self._names.load(contact for _, (_, actor, target, _, _, _) in observed for contact in (actor, target))
        found: dict[tuple[int, int, str], list[Annotation]] = defaultdict(list)
        for place, (kind, actor, target, ref, at, value) in observed:
            if problem := annotation_problem(kind, ref, at, value):
                leave_out("annotation of message", self._org, place, problem)
                continue
            found[place].append(Annotation(kind, self._resolve(actor), self._resolve(target), ref, at, value))
        return found

    def _annotations_in_chat(self, rows: Sequence[ListedRow]) -> list[_Annotated]:
        phone, chat = rows[0].phone, rows[0].chat
        observed = self._read_annotations(phone, self._names.numbers_of(chat), [row.id for row in rows])
        return [((phone, chat, id), annotation) for _, id, *annotation in observed]

    def _annotations_of(self, rows: Sequence[ListedRow]) -> list[_Annotated]:
        """In the order of their key, as the index of one chat gives them."""
        nos = _one_for_each(rows)
        own = [
            ((phone, chat, id), chat, annotation)
            for start in range(0, len(nos), _CHUNK)
            for phone, chat, id, *annotation in self._tx.all(
                "annotations_of_messages", {"org": self._org, "nos": nos[start : start + _CHUNK]}
            )
        ]
        # Up to its ref it is the key of an annotation, so that times and values are never compared.
        found = sorted([*own, *self._annotations_of_merged(rows)])
        return [(place, annotation) for place, _, annotation in found]

    def _annotations_of_merged(self, rows: Sequence[ListedRow]) -> list[_Standing]:
        """Annotations stored under contacts that are being merged into the rows' chats."""
        into: dict[int, int] = {}
        for chat in {row.chat for row in rows}:
            _, *losers = self._names.numbers_of(chat)
            into |= dict.fromkeys(losers, chat)
        meant: dict[int, set[str]] = defaultdict(set)
        for row in rows if into else ():
            if row.chat in into.values():
                meant[row.phone].add(row.id)
        return [
            ((phone, into[chat], id), chat, annotation)
            for phone, wanted in sorted(meant.items())
            for chat, id, *annotation in self._read_annotations(phone, sorted(into), sorted(wanted))
        ]

    def _read_annotations(self, phone: int, chats: Sequence[int], wanted: Sequence[str]) -> Iterator[Row]:
        for start in range(0, len(wanted), _CHUNK):
            params = {"org": self._org, "phone": phone, "chats": chats, "ids": wanted[start : start + _CHUNK]}
            yield from self._tx.all("read_annotations", params)

    def _resolve(self, contact: int) -> int:
        return self._names.contact_row(contact).contact if contact else 0

    def _message(self, people: _People, row: ListedRow, details: Details) -> ArchivedMessage:
        phone, sender, flags = self._phones[row.phone].phone, row.sender, row.flags
        message = Message(
            key=MessageKey(phone.jid, people.jids[row.chat] or "", row.id, people.jids[sender]),
            sent_at=row.sent_at,
            from_me=flags & FROM_ME != 0,
            kind=row.kind,
            text=row.text,
            ack=row.ack,
            details=details,
        )
        return ArchivedMessage(
            no=row.no,
            message=message,
            phone=phone,
            ack=row.ack,
            deleted_at=row.deleted_at,
            deleted=flags & DELETED != 0,
            prev_text=row.prev_text,
            edited_at=row.edited_at,
            sender_name=people.names[sender],
            fts=row.fts,
            stored_at=row.stored_at,
            changed_at=row.changed_at,
        )

    def _with_known_names(self, found: list[Details]) -> list[Details]:
        """Details of rows, with the people whom they name by number if the LID's number is known."""
        odd = [
            at
            for at, observed in enumerate(found)
            if observed is not NO_DETAILS
            and (observed.mentions or observed.quoted is not None or observed.notice is not None)
            and _names_lid(observed)
        ]
        if odd:
            self._names.meet(jid for at in odd for jid in named_in(found[at]))
        for at in odd:
            found[at] = self._with_numbers(found[at])
        return found

    def _with_numbers(self, details: Details) -> Details:
        quoted = details.quoted
        if quoted is not None and quoted.sender is not None:
            quoted = structs.replace(quoted, sender=self._shown(quoted.sender))
        notice = details.notice
        if notice is not None:
            # Sources may have named the same person by LID and by number.
            notice = structs.replace(notice, recipients=tuple(dict.fromkeys(map(self._shown, notice.recipients))))
        mentions = tuple(map(self._shown, details.mentions))
        return structs.replace(details, mentions=mentions, quoted=quoted, notice=notice)

    def _shown(self, jid: str) -> str:
        contact_row = self._names.find(jid)
        return jid if contact_row is None else contact_row.jid

    def _with_annotations(
        self, shown: ArchivedMessage, found: list[Annotation], row: ListedRow, full: bool
    ) -> ArchivedMessage:
        sender = self._resolve(row.sender)
        by_kind: dict[str, list[Annotation]] = defaultdict(list)
        for annotation in found:
            if annotation.is_meant_for((sender,)):
                by_kind[annotation.kind].append(annotation)
        changes: dict[str, Any] = {}
        if receipts := by_kind["receipt"]:
            changes["receipts"] = self._receipts(receipts)
            if row.flags & FROM_ME:
                changes["ack"] = self._ack(row, receipts)
        if reactions := by_kind["reaction"]:
            changes["reactions"] = self._reactions(reactions, self._phones[row.phone].contact)
        if votes := by_kind["vote"]:
            changes["votes"] = self._votes(votes)
        if pins := by_kind[PIN]:
            changes["pinned"] = self._pin(pins)
        if revokes := by_kind["revoke"]:
            changes["deleted_by"] = self._deleted_by(revokes)
        edits = edits_of(by_kind["edit"], sender)
        changes["edits"] = tuple(edits)
        if full:
            changes["original_text"] = self._original(row, edits)
        return structs.replace(shown, **changes)

    def _deleted_by(self, revokes: list[Annotation]) -> str | None:
        """The first person who deleted it: later revokes had nothing to delete."""
        by = [(a.at or 0, a.actor) for a in revokes if a.actor]
        if not by:
            return None
        _, first = min(by)
        return self._names.contact_row(first).jid

    def _reactions(self, annotations: list[Annotation], own: int) -> tuple[Reaction, ...]:
        latest = _latest_by_actor(annotations)
        standing = sorted(
            (a for a in latest if a.value), key=lambda a: (a.at or 0, self._names.contact_row(a.actor).jid)
        )
        return tuple(self.reaction(a, own) for a in standing)

    def reaction(self, annotation: Annotation, own: int) -> Reaction:
        """A reaction from its row. ``own`` is the contact number of the phone itself."""
        contact_row = self._names.contact_row(annotation.actor)
        return Reaction(
            sender=contact_row.jid,
            emoji=annotation.value or "",
            at=annotation.at,
            sender_name=contact_row.display_name,
            from_me=contact_row.contact == own,
        )

    def _votes(self, annotations: list[Annotation]) -> tuple[Vote, ...]:
        latest = sorted(_latest_by_actor(annotations), key=lambda a: (a.at or 0, self._names.contact_row(a.actor).jid))
        return tuple(
            Vote(voter=self._names.contact_row(a.actor).jid, options=_OPTIONS.decode(a.value or "[]"), at=a.at or 0)
            for a in latest
        )

    def _pin(self, observed: list[Annotation]) -> Pin | None:
        # Numbers of contacts depend on the order of arrival, JIDs do not.
        pins = [(self._names.contact_row(a.actor).jid if a.actor else "", a) for a in pins_in_effect(observed)]
        if not pins:
            return None
        by, pin = max(pins, key=lambda named: named[0])
        return Pin(at=pin.at or 0, by=by or None, until=end_of_pin(pin.value or ""))

    def _receipts(self, annotations: list[Annotation]) -> tuple[Receipt, ...]:
        times: dict[str, dict[str, int | None]] = defaultdict(dict)
        for a in annotations:
            field = {"3": "delivered_at", "4": "read_at", "5": "played_at"}.get(a.ref)
            if field and a.actor and a.at is not None:
                times[self._names.contact_row(a.actor).jid][field] = a.at
        return tuple(Receipt(participant=jid, **known) for jid, known in sorted(times.items()))

    def _ack(self, row: ListedRow, receipts: list[Annotation]) -> int | None:
        """The reported ack, raised by receipts; in a group the lowest confirmed by all known participants."""
        by_participant: dict[int, int] = {}
        for a in receipts:
            ack = int(a.ref)
            if ACK_ORDER.get(ack, 0) > ACK_ORDER.get(by_participant.get(a.actor, 0), 0):
                by_participant[a.actor] = ack
        if not by_participant:
            return row.ack
        chat = self._names.contact_row(row.chat)
        least = min(by_participant.values(), key=lambda a: ACK_ORDER.get(a, 0))
        if chat.kind == "group":
            pending = decode_details(row.details).pending
            if pending or len(by_participant) < self._sizes.get((row.phone, chat.contact), 0) - 1:
                least = min(least, 2, key=lambda a: ACK_ORDER.get(a, 0))
        return max((row.ack or 0, least), key=lambda a: ACK_ORDER.get(a, 0))

    def _learn_sizes(self, rows: Sequence[ListedRow]) -> None:
        """Load the member counts of the groups in which the own messages among these were sent."""
        sent = [(row.phone, self._names.contact_row(row.chat)) for row in rows if row.flags & FROM_ME]
        places = {(phone, chat.contact) for phone, chat in sent if chat.kind == "group"} - self._sizes.keys()
        phones, chats = sorted({phone for phone, _ in places}), sorted({chat for _, chat in places})
        for start in range(0, len(chats), _CHUNK):
            params = {"org": self._org, "phones": phones, "chats": chats[start : start + _CHUNK]}
            for phone, chat, observed in self._tx.all("facts_of_chats", params):
                members = value_of(registers_of(observed, "chat", self._org, chat), "members")
                self._sizes[(phone, chat)] = len(members or ())

    def _original(self, row: ListedRow, edits: list[Edit]) -> str | None:
        params = {"org": self._org, "phone": row.phone, "chats": self._names.numbers_of(row.chat), "ids": (row.id,)}
        observed = [
            Observation(sender, source, _MESSAGE.decode(text), digest)
            for _, _, sender, source, digest, text in self._tx.all("read_observations", params)
            if self._resolve(sender) in (0, self._resolve(row.sender))
        ]
        observed.sort(key=lambda t: t.priority, reverse=True)
        return original_text(merged([t.message for t in observed]), edits) if observed else row.text


def _details_of(row: ListedRow) -> Details:
    return NO_DETAILS if row.details is None else decode_details(row.details)


def _not_plain(rows: Iterable[ListedRow]) -> list[ListedRow]:
    """The rows that hold more than a ``PlainMessage`` shows."""
    return [
        row
        for row in rows
        if row.details is not None or row.flags & _NOT_PLAIN or row.kind != "text" or row.prev_text is not None
    ]


def _place(row: ListedRow) -> tuple[int, int, str]:
    return row.phone, row.chat, row.id


def _one_for_each(rows: Iterable[ListedRow]) -> list[int]:
    """One number per key: messages that differ only by sender share their annotations."""
    return sorted({_place(row): row.no for row in rows}.values())


def _latest_by_actor(annotations: Iterable[Annotation]) -> list[Annotation]:
    latest: dict[int, Annotation] = {}
    for a in annotations:
        if a.actor not in latest or a.recency > latest[a.actor].recency:
            latest[a.actor] = a
    return list(latest.values())


def _has_receipts(annotations: Iterable[Annotation]) -> bool:
    return any(annotation.kind == "receipt" for annotation in annotations)


def _names_lid(details: Details) -> bool:
    odd = (jid for jid in named_in(details) if not jid.endswith(_BY_NUMBER))
    return any(ids.kind_of(ids.canonical(jid)) == "lid" for jid in odd)


def named_in(details: Details) -> tuple[str, ...]:
    """JIDs of people whom a message mentions or quotes, or whom a notice is about."""
    named = details.mentions
    if details.quoted is not None and details.quoted.sender is not None:
        named = (*named, details.quoted.sender)
    return named if details.notice is None else (*named, *details.notice.recipients)
