"""Lists of chats, contacts and reactions."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice, starmap
from typing import Any, Literal

import msgspec
from msgspec import Struct, structs

from backscroll.core import ids
from backscroll.core.answers import ContactCard, NameKnown, PhoneSummary
from backscroll.core.model import (
    SOURCE_RANK,
    ArchivedMessage,
    Chat,
    ChatPage,
    Contact,
    ContactPage,
    Label,
    Member,
    Phone,
    ReactionPage,
    ReactionRow,
    Source,
)
from backscroll.core.query import ChatQuery, ContactQuery, ReactionQuery
from backscroll.core.text import fold
from backscroll.database.protocol import Ask, Txn
from backscroll.storage.read.messages import Assembler, Place
from backscroll.storage.read.names import Names, Reading
from backscroll.storage.records.counters import Counter, Scope
from backscroll.storage.records.damage import readable, registers_of
from backscroll.storage.records.identity import ContactRow
from backscroll.storage.records.labels import PhoneLabel, labels_in, names_of, reported_labels, shown_labels
from backscroll.storage.records.registers import Registers, value_of
from backscroll.storage.records.resolve import Annotation
from backscroll.storage.records.rows import NOTIFICATION, MessageRow, only_value, row_of

ChatKind = Literal["user", "group", "newsletter", "broadcast", "status", "unknown"]
_KINDS: dict[str, ChatKind] = {
    "group": "group",
    "newsletter": "newsletter",
    "broadcast": "broadcast",
    "status": "status",
    "unknown": "unknown",
}
_JID_KINDS = {
    "user": ("user", "lid", "export", "bot", "bsuid"),
    "group": ("group",),
    "newsletter": ("newsletter",),
    "broadcast": ("broadcast",),
    "status": ("status",),
    "unknown": ("unknown",),
}
_SHOWN_FACTS = frozenset(
    (
        "image",
        "unread",
        "archived",
        "pinned",
        "muted_until",
        "ephemeral_seconds",
        "description",
        "invite_link",
        "is_exited",
        "created_at",
        "updated_at",
        "extras",
    )
)
EVERYTHING = 1_000_000
MAX_SHARED = 100
"""Maximum number of chats in a contact's card."""
_NAME_KINDS: dict[str, Literal["saved", "chosen", "business"]] = {
    "name": "saved",
    "push_name": "chosen",
    "business_name": "business",
}
_SOURCE_OF: dict[int, Source] = {rank: source for source, rank in SOURCE_RANK.items()}
_NEVER = -(2**62)
"""Stands for the latest time of a chat without messages; queries.sql has it too."""
_FIRST = (2**62, 0, 0)


def _place_of(row: ChatRow) -> tuple[int, int, int]:
    return (_NEVER if row.last_at is None else row.last_at, row.chat, row.phone)


def _is_part_of_number(wanted: str, jid: str) -> bool:
    """Whether part of a phone number, typed with or without spaces, matches this contact."""
    digits = re.sub(r"[\s()+./-]", "", wanted)
    return len(digits) >= 3 and digits.isdigit() and digits in jid.partition("@")[0]


def _has_label(registers: Registers, labels: Sequence[Label], wanted: str) -> bool:
    """Matches a label's name, or the id that a source reported with it. ``labels`` are those of the phone."""
    observed = (value_of(registers, "extras") or {}).get("label_ids")
    return (
        wanted in names_of(labels, value_of(registers, "labels") or ())
        or any(label.id == wanted for label in labels)
        or (isinstance(observed, dict) and bool(observed.get(wanted)))
    )


_CHUNK = 500
"""Maximum contacts in one statement."""


class ChatRow(Struct, gc=False):
    """A row of chats, in the order of the statements that list them. Times in microseconds UTC."""

    phone: int
    chat: int
    last_at: int | None
    facts: str | None
    stored_at: int
    changed_at: int


class ReactionEntry(Struct, gc=False):
    """A row of ``list_reactions``: where the message is, and the annotation. ``target`` 0: its sender was not
    reported.
    """

    phone: int
    chat: int
    id: str
    actor: int
    target: int
    ref: str
    at: int | None
    value: str | None


def ask_for_chat(org: int, chat: int, phones: Sequence[int]) -> Ask:
    """The row of a chat as seen by the first of ``phones`` that has it."""
    return "chat_of_phones", {"org": org, "chat": chat, "phones": phones}


class _ChatCount(Struct):
    """Data from counters and an index about one contact's rows with one phone."""

    total: int
    newest: int | None


def _age(row: MessageRow) -> tuple[int, str, int, int]:
    """The sort key of messages of one phone."""
    return row.sent_at, row.id, row.chat, row.sender


class Lists:
    """Answers within one reading transaction."""

    def __init__(self, tx: Txn, org: int, names: Names) -> None:
        self._tx = tx
        self._org = org
        self._names = names
        self._assembler = Assembler(tx, org, names)
        self._labels: dict[PhoneLabel, Registers] = {}

    @classmethod
    def of(cls, reading: Reading) -> Lists:
        """Those of a reading transaction."""
        return cls(reading.tx, reading.org, reading.names)

    # ------------------------------------------------------------------ chats

    def chats(self, query: ChatQuery) -> ChatPage:
        """Latest first. Filters on reported values (name, label, archived) read every chat of the phones."""
        kinds = _JID_KINDS.get(query.kind or "", ()) if query.kind else ()
        params: dict[str, Any] = {
            "org": self._org,
            "phones": query.phones,
            "any_kind": int(query.kind is None),
            "kinds": kinds,
            "has_media": int(query.has_media),
            "since": query.since,
            "until": query.until,
        } | dict(zip(("after_at", "after_chat", "after_phone"), query.after or _FIRST, strict=True))
        if query.search or query.label is not None or query.archived is not None:
            return self._filtered(query, params)
        total = only_value(self._tx.one("count_chats", params)) or 0
        rows = self._list_chats(params | {"limit": query.limit, "offset": query.offset})
        return self._chat_page(query, rows, total)

    def _list_chats(self, params: dict[str, Any]) -> list[ChatRow]:
        return list(starmap(ChatRow, self._tx.all("list_chats", params)))

    def _filtered(self, query: ChatQuery, params: dict[str, Any]) -> ChatPage:
        rows = self._list_chats(params | {"limit": EVERYTHING, "offset": 0})
        self._names.load(row.chat for row in rows)
        found = [
            row for start in range(0, len(rows), _CHUNK) for row in self._fitting(rows[start : start + _CHUNK], query)
        ]
        return self._chat_page(query, found[query.offset : query.offset + query.limit], len(found))

    def _chat_page(self, query: ChatQuery, rows: Sequence[ChatRow], total: int) -> ChatPage:
        return ChatPage(
            chats=self._chats(rows),
            total=total,
            offset=query.offset,
            limit=query.limit,
            place=_place_of(rows[-1]) if rows else None,
        )

    def _fitting(self, rows: Sequence[ChatRow], query: ChatQuery) -> list[ChatRow]:
        registers = [self._registers(row) for row in rows]
        if query.label is not None:
            self._learn_labels(rows, registers)
        return [row for row, known in zip(rows, registers, strict=True) if self._fits(row, known, query)]

    def _fits(self, row: ChatRow, registers: Registers, query: ChatQuery) -> bool:
        if query.archived is not None and bool(value_of(registers, "archived")) != query.archived:
            return False
        if query.label is not None:
            labels = shown_labels(row.phone, registers, self._labels)
            if not _has_label(registers, labels, query.label):
                return False
        contact_row = self._names.contact_row(row.chat)
        wanted, name = fold(query.search or ""), self._chat_name(contact_row, registers) or ""
        return wanted in fold(name) or (query.by_number and _is_part_of_number(wanted, contact_row.jid))

    def chat(self, phones: Sequence[int], jid: str) -> Chat | None:
        """One chat as seen by the first of ``phones`` that has it."""
        contact_row = self._names.find(jid)
        if contact_row is None:
            return None
        for contact in self._names.numbers_of(contact_row.contact):
            row = self._tx.one(*ask_for_chat(self._org, contact, phones))
            if row is not None:
                (chat,) = self._chats([structs.replace(ChatRow(*row), chat=contact_row.contact)])
                return chat
        return None

    def chat_of(self, row: ChatRow, contact: int) -> Chat:
        """The chat without its members and messages. ``contact`` is its current number, after merges."""
        self._names.load([contact])
        registers = registers_of(row.facts, "chat", self._org, row.chat, without="members")
        self._learn_labels([row], [registers])
        return self._chat(structs.replace(row, chat=contact), registers, {})

    def _registers(self, row: ChatRow) -> Registers:
        return registers_of(row.facts, "chat", self._org, row.chat)

    def _learn_labels(self, rows: Sequence[ChatRow], registers: Sequence[Registers]) -> None:
        """Read together the labels that these chats have; no statement for chats without."""
        wanted = {(row.phone, id) for row, known in zip(rows, registers, strict=True) for id in labels_in(known)}
        if wanted - self._labels.keys():
            self._labels |= reported_labels(self._tx, self._org, wanted - self._labels.keys())

    def _chat_name(self, contact_row: ContactRow, registers: Registers) -> str | None:
        return value_of(registers, "name") or contact_row.display_name

    def _chats(self, rows: Sequence[ChatRow]) -> list[Chat]:
        """Uses the same number of statements for many chats as for few."""
        self._names.load(row.chat for row in rows)
        registers = [self._registers(row) for row in rows]
        self._learn_labels(rows, registers)
        return list(map(self._chat, rows, registers, self._more(rows, registers)))

    def _chat(self, row: ChatRow, registers: Registers, more: dict[str, Any]) -> Chat:
        contact_row = self._names.contact_row(row.chat)
        observed: dict[str, Any] = {name: value_of(registers, name) for name in registers if name in _SHOWN_FACTS}
        labels = shown_labels(row.phone, registers, self._labels)
        return Chat(
            jid=contact_row.jid,
            phone=self._names.phones[row.phone].phone,
            kind=_KINDS.get(contact_row.kind, "user"),
            name=self._chat_name(contact_row, registers),
            lid=contact_row.lid,
            last_message_at=value_of(registers, "last_message_at") if row.last_at is None else row.last_at,
            labels=names_of(labels, value_of(registers, "labels") or ()),
            phone_labels=labels,
            stored_at=row.stored_at,
            changed_at=row.changed_at,
            **observed,
            **more,
        )

    def _more(self, rows: Sequence[ChatRow], registers: Sequence[Registers]) -> list[dict[str, Any]]:
        """Members, the number of messages, and the last of them."""
        self._names.load(self._names.phones[row.phone].contact for row in rows)
        members = self._members(rows, registers)
        places = [[(row.phone, chat) for chat in self._names.numbers_of(row.chat)] for row in rows]
        counts = self._counts({place for standing in places for place in standing})
        totals = [sum(counts[place].total for place in standing if place in counts) for standing in places]
        newest = [[counts[place].newest for place in standing if place in counts] for standing in places]
        last = self._last_messages(newest)
        return [
            {"members": m, "messages": total, "last_message": message}
            for m, total, message in zip(members, totals, last, strict=True)
        ]

    def _counts(self, places: set[Place]) -> dict[Place, _ChatCount]:
        """Counts for the chats with messages; others may be included."""
        phones, chats = sorted({phone for phone, _ in places}), sorted({chat for _, chat in places})
        found: dict[Place, _ChatCount] = {}
        for start in range(0, len(chats), _CHUNK):
            params = {"org": self._org, "phones": phones, "chats": chats[start : start + _CHUNK], "mask": NOTIFICATION}
            for phone, chat, total, newest in self._tx.all("glance_at_chats", params):
                found[(phone, chat)] = _ChatCount(total, newest)
        return found

    def _last_messages(self, newest: Sequence[Sequence[int | None]]) -> list[ArchivedMessage | None]:
        """The last of each chat; ``newest`` are the numbers of those that may be."""
        rows = self._rows(sorted(no for nos in newest for no in nos if no is not None))
        last = [max((rows[no] for no in nos if no in rows), key=_age, default=None) for nos in newest]
        messages = iter(self._assembler.messages([row for row in last if row is not None]))
        return [None if row is None else next(messages) for row in last]

    def _rows(self, nos: Sequence[int]) -> dict[int | None, MessageRow]:
        found: dict[int | None, MessageRow] = {}
        for start in range(0, len(nos), _CHUNK):
            values = self._tx.all("rows_by_no", {"org": self._org, "nos": nos[start : start + _CHUNK]})
            found.update((row.no, row) for row in readable(self._org, map(row_of, values)))
        return found

    def sizes(self, places: set[tuple[int, str]]) -> dict[tuple[str, str], int]:
        """Numbers of group members, by the JIDs of phone and chat; groups without a reported member list are
        left out.
        """
        numbers = {
            (phone, row.contact): jid for phone, jid in places if (row := self._names.find(jid)) and row.kind == "group"
        }
        if not numbers:
            return {}
        params = {
            "org": self._org,
            "phones": sorted({phone for phone, _ in numbers}),
            "chats": sorted({chat for _, chat in numbers}),
        }
        found = {}
        for phone, chat, facts in self._tx.all("facts_of_chats", params):
            members = value_of(registers_of(facts, "chat", self._org, chat), "members")
            if members and (phone, chat) in numbers:
                found[(self._names.phones[phone].phone.jid, numbers[(phone, chat)])] = len(members)
        return found

    def _members(self, rows: Sequence[ChatRow], registers: Sequence[Registers]) -> list[tuple[Member, ...]]:
        observed = [msgspec.convert(value_of(known, "members"), tuple[Member, ...] | None) for known in registers]
        self._names.meet(member.jid for members in observed for member in members or ())
        for row, members in zip(rows, observed, strict=True):
            self._assembler.know_size(row.phone, row.chat, len(members or ()))
        return [
            self._both_sides(row) if members is None else tuple(map(self._member, members))
            for row, members in zip(rows, observed, strict=True)
        ]

    def _member(self, member: Member) -> Member:
        contact_row = self._names.find(member.jid)
        jid, name = (
            (member.jid, member.name)
            if contact_row is None
            else (contact_row.jid, contact_row.display_name or member.name)
        )
        return Member(jid=jid, is_admin=member.is_admin, is_super_admin=member.is_super_admin, name=name)

    def _both_sides(self, row: ChatRow) -> tuple[Member, ...]:
        contact_row = self._names.contact_row(row.chat)
        if contact_row.kind not in _JID_KINDS["user"]:
            return ()
        own, contact = self._names.phones[row.phone]
        mine = self._names.contact_row(contact)
        return (
            Member(jid=contact_row.jid, is_admin=True, name=contact_row.display_name),
            Member(jid=mine.jid, is_admin=True, name=mine.display_name or own.name),
        )

    # ------------------------------------------------------------------ contacts

    def contacts(self, query: ContactQuery) -> ContactPage:
        """A page of the contacts that the phones know, with the total number."""
        params = {
            "org": self._org,
            "saved_only": int(query.saved_only),
            "everybody": int(self._are_all(query.phones)),
            "phones": query.phones,
            "sees_all": int(self._names.viewer is None),
            "viewer": sorted(self._names.viewer or ()),
        }
        limit = EVERYTHING if query.limit is None else query.limit
        if query.search:
            return self._contacts_by_name(query, query.search, params, limit)
        total = only_value(self._tx.one("count_contacts", params)) or 0
        contacts = self._contacts(self._list_contacts(params | {"limit": limit, "offset": query.offset}), query.phones)
        return ContactPage(contacts=contacts, total=total, offset=query.offset, limit=limit)

    def _contacts_by_name(self, query: ContactQuery, search: str, params: dict[str, Any], limit: int) -> ContactPage:
        """Reads every contact of the phones, because names are compared in folded form."""
        wanted = fold(search)
        rows = self._list_contacts(params | {"limit": EVERYTHING, "offset": 0})
        found = [row for row in rows if _is_called(row, wanted)]
        page = found[query.offset : query.offset + limit]
        contacts = self._contacts(page, query.phones)
        return ContactPage(contacts=contacts, total=len(found), offset=query.offset, limit=limit)

    def _list_contacts(self, params: dict[str, Any]) -> list[ContactRow]:
        rows = list(starmap(ContactRow, self._tx.all("list_contacts", params)))
        if self._names.viewer is None:
            return rows
        self._names.load(row.contact for row in rows)
        return [self._names.contact_row(row.contact) for row in rows]

    def card(self, phones: Sequence[int], jid: str) -> ContactCard | None:
        """Everything that these phones know about a contact; None if they do not know the JID. Reads every chat's
        members.
        """
        contact = self.contact(phones, jid)
        contact_row = self._names.find(jid)
        if contact is None or contact_row is None:
            return None
        numbers = self._names.numbers_of(contact_row.contact)
        aliases = self._tx.all("aliases_of", {"org": self._org, "contacts": numbers})
        facts = self._names.reread(contact_row.contact).facts
        return ContactCard(
            contact=contact,
            names=tuple(_names_known(registers_of(facts, "contact", self._org, contact_row.contact))),
            jids=tuple(alias for (alias,) in aliases),
            shared=self._shared(phones, numbers, {alias for (alias,) in aliases}),
        )

    def _shared(self, phones: Sequence[int], numbers: Sequence[int], jids: set[str]) -> list[Chat]:
        """The latest chats with the contact, or of which the contact is a member."""
        rows = starmap(ChatRow, self._tx.all("facts_of_all_chats", {"org": self._org, "phones": phones}))
        meant = (row for row in rows if row.chat in numbers or self._has_member(row, jids))
        return self._chats(list(islice(meant, MAX_SHARED)))

    def _has_member(self, row: ChatRow, jids: set[str]) -> bool:
        """Whether any of the reported members is among these JIDs. The text is searched before it is decoded."""
        if row.facts is None or not any(jid in row.facts for jid in jids):
            return False
        members = value_of(self._registers(row), "members") or ()
        return any(ids.canonical(member["jid"]) in jids for member in members)

    def phone_summaries(self, phones: Sequence[int]) -> list[PhoneSummary]:
        """What the archive holds for some own phones, oldest phone first."""
        chats: dict[int, int] = dict(self._tx.all("phones_stored", {"org": self._org}))
        return [
            self._phone_summary(no, phone, chats.get(no, 0))
            for no, (phone, _) in self._names.phones.items()
            if no in phones
        ]

    def _phone_summary(self, no: int, phone: Phone, chats: int) -> PhoneSummary:
        counter = Counter(self._tx, Scope(org=self._org, phones=(no,), chats=(0,), mask=NOTIFICATION, want=0))
        ends = self._tx.one("ends_of_phone", {"org": self._org, "phone": no}) or (None, None)
        first_at, last_at = ends
        return PhoneSummary(
            phone=phone, messages=counter.total(None, None), chats=chats, first_at=first_at, last_at=last_at
        )

    def contact(self, phones: Sequence[int], jid: str) -> Contact | None:
        """One contact by any JID; None for a group, and for contacts that the phones do not know."""
        contact_row = self._names.find(jid)
        if contact_row is None or contact_row.kind == "group":
            return None
        known = {"org": self._org, "contact": contact_row.contact, "phones": phones}
        if not self._are_all(phones) and self._tx.one("is_known_to", known) is None:
            return None
        (contact,) = self._contacts([contact_row], phones)
        return contact

    def _are_all(self, phones: Sequence[int]) -> bool:
        """Whether these are all phones of the organisation, which together know every contact."""
        return set(self._names.phones) <= set(phones)

    def _contacts(self, rows: Sequence[ContactRow], phones: Sequence[int]) -> list[Contact]:
        numbers = [contact_row.contact for contact_row in rows]
        chatting: set[int] = set()
        for start in range(0, len(numbers), _CHUNK):
            params = {"org": self._org, "phones": phones, "chats": numbers[start : start + _CHUNK]}
            chatting.update(chat for (chat,) in self._tx.all("with_chat", params))
        return [_contact(self._org, contact_row, contact_row.contact in chatting) for contact_row in rows]

    # ------------------------------------------------------------------ reactions

    def reactions(self, query: ReactionQuery) -> ReactionPage:
        """Latest first; removed ones are shown with an empty emoji, as their source reports them."""
        chats: tuple[int, ...] = ()
        if query.chat is not None:
            contact_row = self._names.find(query.chat)
            if contact_row is None:
                return ReactionPage(reactions=[], total=0, offset=query.offset, limit=query.limit)
            chats = self._names.numbers_of(contact_row.contact)
        params: dict[str, Any] = {
            "org": self._org,
            "phones": query.phones,
            "any_chat": int(query.chat is None),
            "chats": chats,
            "id": None if query.message is None else ids.clean_text(query.message)[0],
            "since": query.since,
            "until": query.until,
        }
        total = only_value(self._tx.one("count_reactions", params)) or 0
        found = self._tx.all("list_reactions", params | {"limit": query.limit, "offset": query.offset})
        rows = list(starmap(ReactionEntry, found))
        return ReactionPage(reactions=self._reactions(rows), total=total, offset=query.offset, limit=query.limit)

    def _reactions(self, rows: Sequence[ReactionEntry]) -> list[ReactionRow]:
        """Uses the same number of statements for many as for few."""
        known = self._messages_of(rows)
        meant = [(row, message) for row in rows if (message := self._meant(row, known)) is not None]
        messages = self._assembler.messages([message for _, message in meant])
        return [
            ReactionRow(
                reaction=self._assembler.reaction(
                    Annotation("reaction", row.actor, row.target, row.ref, row.at, row.value),
                    self._names.phones[row.phone].contact,
                ),
                message=message,
            )
            for (row, _), message in zip(meant, messages, strict=True)
        ]

    def _messages_of(self, rows: Sequence[ReactionEntry]) -> dict[tuple[int, int, str], list[MessageRow]]:
        """The messages with the phone, chat and id of reactions; several may share an id."""
        wanted = sorted({row.id for row in rows})
        params = {
            "org": self._org,
            "phones": sorted({row.phone for row in rows}),
            "chats": sorted({row.chat for row in rows}),
        }
        found: dict[tuple[int, int, str], list[MessageRow]] = defaultdict(list)
        for start in range(0, len(wanted), _CHUNK):
            values = self._tx.all("rows_by_id", params | {"ids": wanted[start : start + _CHUNK]})
            for message in readable(self._org, map(row_of, values)):
                found[(message.phone, message.chat, message.id)].append(message)
        self._names.load(message.sender for same in found.values() for message in same)
        self._names.load(contact for row in rows for contact in (row.actor, row.target))
        return found

    def _meant(
        self, reaction: ReactionEntry, messages: dict[tuple[int, int, str], list[MessageRow]]
    ) -> MessageRow | None:
        target = reaction.target
        same_id = messages.get((reaction.phone, reaction.chat, reaction.id), ())
        meant = [row for row in same_id if not target or self._same(row.sender, target)]
        # Without a sender it may match several messages; which one is shown does not depend on the order of arrival.
        return min(
            meant, key=lambda r: (r.sent_at, self._names.contact_row(r.sender).jid if r.sender else ""), default=None
        )

    def _same(self, one: int, other: int) -> bool:
        if 0 in (one, other):
            return False
        return self._names.contact_row(one).contact == self._names.contact_row(other).contact


def _is_called(row: ContactRow, wanted: str) -> bool:
    names = (row.name, row.push_name, row.business_name)
    return any(name and wanted in fold(name) for name in names) or _is_part_of_number(wanted, row.jid)


def _names_known(registers: Registers) -> Iterator[NameKnown]:
    for field, kind in _NAME_KINDS.items():
        at, rank, name = registers.get(field) or (-1, 0, None)
        if name:
            yield NameKnown(kind=kind, name=name, source=_SOURCE_OF.get(rank), at=None if at < 0 else at)


def _contact(org: int, contact_row: ContactRow, has_chat: bool) -> Contact:
    registers = registers_of(contact_row.facts, "contact", org, contact_row.contact)
    return Contact(
        jid=contact_row.jid,
        lid=contact_row.lid,
        name=contact_row.name,
        push_name=contact_row.push_name,
        business_name=contact_row.business_name,
        image=value_of(registers, "image"),
        is_business=value_of(registers, "is_business"),
        is_saved=value_of(registers, "is_saved"),
        labels=tuple(value_of(registers, "labels") or ()),
        chats=(contact_row.jid,) if has_chat else (),
        extras=value_of(registers, "extras"),
        stored_at=contact_row.stored_at,
        changed_at=contact_row.changed_at,
    )
