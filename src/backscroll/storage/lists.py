"""Chats, contacts and reactions as they are listed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from backscroll import ids
from backscroll.model import (
    ArchivedMessage,
    Chat,
    ChatPage,
    Contact,
    ContactPage,
    Member,
    ReactionPage,
    ReactionRow,
)
from backscroll.query import ChatQuery, ContactQuery, MessageQuery, ReactionQuery
from backscroll.storage.engine import Row, Txn
from backscroll.storage.fold import Addon
from backscroll.storage.parties import Party, Registers, decode_registers, value_of
from backscroll.storage.reader import Assembler, Names, list_rows
from backscroll.storage.rows import ASIDE, row_of
from backscroll.storage.tallies import Counter, Scope

ChatKind = Literal["user", "group", "newsletter", "broadcast", "status", "unknown"]
_KINDS: dict[str, ChatKind] = {
    "group": "group",
    "newsletter": "newsletter",
    "broadcast": "broadcast",
    "status": "status",
    "unknown": "unknown",
}
_PARTY_KINDS = {
    "user": ("user", "lid", "export", "bot"),
    "group": ("group",),
    "newsletter": ("newsletter",),
    "broadcast": ("broadcast",),
    "status": ("status",),
    "unknown": ("unknown",),
}
_TOLD = (
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
EVERYTHING = 1_000_000


def _has_label(registers: Registers, label: str) -> bool:
    """By the label's name, or by the id that a source told with it."""
    told = (value_of(registers, "extras") or {}).get("label_ids")
    return label in (value_of(registers, "labels") or ()) or (isinstance(told, dict) and bool(told.get(label)))


_CHUNK = 500
"""Parties that one statement is asked about."""


class Lists:
    """Answers within one reading transaction."""

    def __init__(self, tx: Txn, org: int, names: Names) -> None:
        self._tx = tx
        self._org = org
        self._names = names
        self._assembler = Assembler(tx, org, names)

    # ------------------------------------------------------------------ chats

    def chats(self, query: ChatQuery) -> ChatPage:
        """Latest first. Filters on what sources told (name, label, archived) read every chat of the phones."""
        kinds = _PARTY_KINDS.get(query.kind or "", ()) if query.kind else ()
        params: dict[str, Any] = {
            "org": self._org,
            "phones": query.phones,
            "any_kind": int(query.kind is None),
            "kinds": kinds,
            "has_media": int(query.has_media),
            "since": query.since,
            "until": query.until,
        }
        if query.search or query.label is not None or query.archived is not None:
            return self._filtered(query, params)
        row = self._tx.one("count_chats", params)
        rows = self._tx.all("list_chats", params | {"limit": query.limit, "offset": query.offset})
        chats = [self._chat(r) for r in rows]
        return ChatPage(chats=chats, total=row[0] if row else 0, offset=query.offset, limit=query.limit)

    def _filtered(self, query: ChatQuery, params: dict[str, Any]) -> ChatPage:
        rows = self._tx.all("list_chats", params | {"limit": EVERYTHING, "offset": 0})
        self._names.load(row[1] for row in rows)
        found = [row for row in rows if self._fits(row, query)]
        page = [self._chat(row) for row in found[query.offset : query.offset + query.limit]]
        return ChatPage(chats=page, total=len(found), offset=query.offset, limit=query.limit)

    def _fits(self, row: Row, query: ChatQuery) -> bool:
        registers = decode_registers(row[3])
        if query.archived is not None and bool(value_of(registers, "archived")) != query.archived:
            return False
        if query.label is not None and not _has_label(registers, query.label):
            return False
        name = self._chat_name(self._names.party(row[1]), registers)
        return not query.search or ids.fold(query.search) in ids.fold(name or "")

    def chat(self, phones: Sequence[int], jid: str, brief: bool = False) -> Chat | None:
        """One chat as the first of ``phones`` that has it sees it; ``brief`` leaves messages and members out."""
        party = self._names.find(jid)
        if party is None:
            return None
        for contact in self._names.standing_under(party.contact):
            for (phone,) in self._tx.all("phones_of_chat", {"org": self._org, "chat": contact, "phones": phones}):
                row = self._tx.one("read_chat", {"org": self._org, "phone": phone, "chat": contact})
                if row is not None:
                    return self._chat((phone, party.contact, row[0], row[3], row[5], row[6]), brief)
        return None

    def _chat_name(self, party: Party, registers: Registers) -> str | None:
        return value_of(registers, "name") or party.display_name

    def _chat(self, row: Row, brief: bool = False) -> Chat:
        phone_no, contact, last_at, facts, stored_at, changed_at = row
        registers = decode_registers(facts)
        party = self._names.party(contact)
        told: dict[str, Any] = {name: value_of(registers, name) for name in _TOLD if name in registers}
        if not brief:
            told["messages"] = self._messages_in(phone_no, contact)
            told["members"] = self._members(registers, party, phone_no)
            told["last_message"] = self._last_message(phone_no, contact)
        return Chat(
            jid=party.jid,
            phone=self._names.phones[phone_no][0],
            kind=_KINDS.get(party.kind, "user"),
            name=self._chat_name(party, registers),
            lid=party.lid,
            last_message_at=last_at,
            labels=tuple(value_of(registers, "labels") or ()),
            stored_at=stored_at,
            changed_at=changed_at,
            **told,
        )

    def _messages_in(self, phone: int, contact: int) -> int:
        chats = self._names.standing_under(contact)
        scope = Scope(org=self._org, phones=(phone,), chats=chats, mask=ASIDE, want=0)
        return Counter(self._tx, scope).total(None, None)

    def _last_message(self, phone: int, contact: int) -> ArchivedMessage | None:
        query = MessageQuery(org=self._org, phones=(phone,), limit=1)
        rows = list_rows(self._tx, query, self._names.standing_under(contact)).rows
        return self._assembler.messages(rows)[0] if rows else None

    def _members(self, registers: Registers, party: Party, phone: int) -> tuple[Member, ...]:
        told = value_of(registers, "members")
        if told is None:
            return self._both_sides(party, phone) if party.kind in _PARTY_KINDS["user"] else ()
        members = msgspec.convert(told, tuple[Member, ...])
        return tuple(self._member(m) for m in members)

    def _member(self, member: Member) -> Member:
        party = self._names.find(member.jid)
        jid, name = (member.jid, member.name) if party is None else (party.jid, party.display_name or member.name)
        return Member(jid=jid, is_admin=member.is_admin, is_super_admin=member.is_super_admin, name=name)

    def _both_sides(self, party: Party, phone: int) -> tuple[Member, ...]:
        own, contact = self._names.phones[phone]
        mine = self._names.party(contact)
        return (
            Member(jid=party.jid, is_admin=True, name=party.display_name),
            Member(jid=mine.jid, is_admin=True, name=mine.display_name or own.name),
        )

    # ------------------------------------------------------------------ contacts

    def contacts(self, query: ContactQuery) -> ContactPage:
        params = {
            "org": self._org,
            "saved_only": int(query.saved_only),
            "everybody": int(self._are_all(query.phones)),
            "phones": query.phones,
        }
        count = self._tx.one("count_contacts", params)
        limit = EVERYTHING if query.limit is None else query.limit
        rows = self._tx.all("list_contacts", params | {"limit": limit, "offset": query.offset})
        contacts = self._contacts([Party(*row) for row in rows], query.phones)
        return ContactPage(contacts=contacts, total=count[0] if count else 0, offset=query.offset, limit=limit)

    def contact(self, phones: Sequence[int], jid: str) -> Contact | None:
        party = self._names.find(jid)
        if party is None or party.kind == "group":
            return None
        known = {"org": self._org, "contact": party.contact, "phones": phones}
        if not self._are_all(phones) and self._tx.one("is_known_to", known) is None:
            return None
        return self._contacts([party], phones)[0]

    def _are_all(self, phones: Sequence[int]) -> bool:
        """Whether these are all phones of the organisation, to whom nobody is a stranger."""
        return set(self._names.phones) <= set(phones)

    def _contacts(self, parties: Sequence[Party], phones: Sequence[int]) -> list[Contact]:
        numbers = [party.contact for party in parties]
        chatting: set[int] = set()
        for start in range(0, len(numbers), _CHUNK):
            params = {"org": self._org, "phones": phones, "chats": numbers[start : start + _CHUNK]}
            chatting.update(chat for (chat,) in self._tx.all("with_chat", params))
        return [_contact(party, party.contact in chatting) for party in parties]

    # ------------------------------------------------------------------ reactions

    def reactions(self, query: ReactionQuery) -> ReactionPage:
        """Latest first; those that were taken back are shown with an empty emoji, as their source tells it."""
        chats: tuple[int, ...] = ()
        if query.chat is not None:
            party = self._names.find(query.chat)
            if party is None:
                return ReactionPage(reactions=[], total=0, offset=query.offset, limit=query.limit)
            chats = self._names.standing_under(party.contact)
        params: dict[str, Any] = {
            "org": self._org,
            "phones": query.phones,
            "any_chat": int(query.chat is None),
            "chats": chats,
            "id": None if query.message is None else ids.clean_text(query.message)[0],
            "since": query.since,
            "until": query.until,
        }
        count = self._tx.one("count_reactions", params)
        rows = self._tx.all("list_reactions", params | {"limit": query.limit, "offset": query.offset})
        found = [shown for row in rows if (shown := self._reaction(row)) is not None]
        total = count[0] if count else 0
        return ReactionPage(reactions=found, total=total, offset=query.offset, limit=query.limit)

    def _reaction(self, row: Row) -> ReactionRow | None:
        phone, chat, id, actor, target, ref, at, value = row
        addon = Addon("reaction", actor, target, ref, at, value)
        params = {"org": self._org, "phones": (phone,), "chats": (chat,), "ids": (id,)}
        rows = [row_of(r) for r in self._tx.all("rows_by_id", params)]
        meant = [r for r in rows if not target or self._same(r.sender, target)]
        if not meant:
            return None
        message = self._assembler.messages(meant[:1])[0]
        return ReactionRow(reaction=self._assembler.reaction(addon, self._names.phones[phone][1]), message=message)

    def _same(self, one: int, other: int) -> bool:
        if 0 in (one, other):
            return False
        return self._names.party(one).contact == self._names.party(other).contact


def _contact(party: Party, has_chat: bool) -> Contact:
    registers = decode_registers(party.facts)
    return Contact(
        jid=party.jid,
        lid=party.lid,
        name=party.name,
        push_name=party.push_name,
        business_name=party.business_name,
        image=value_of(registers, "image"),
        is_business=value_of(registers, "is_business"),
        is_saved=value_of(registers, "is_saved"),
        labels=tuple(value_of(registers, "labels") or ()),
        chats=(party.jid,) if has_chat else (),
        extras=value_of(registers, "extras"),
        stored_at=party.stored_at,
        changed_at=party.changed_at,
    )
