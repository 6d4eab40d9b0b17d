"""Two oracles: an archive's rows in a form that does not depend on the order of arrival, and a plain list of messages
that answers queries by filtering and sorting."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Struct

from backscroll.core import ids
from backscroll.core.model import MEDIA_KINDS, ArchivedMessage, Message
from backscroll.core.query import ChatQuery, ContactQuery, MessageQuery, ReactionQuery
from backscroll.core.text import fold
from backscroll.storage.records.counters import COLUMNS
from backscroll.storage.store import Store
from plain_sql import PlainSql

ARRIVAL = ("no", "raw", "stored_at", "changed_at", "seq", "org", "last_message")
"""What may differ: numbers, payloads, times of arrival, places in the change feed, and which of two messages with
the same time and id comes first."""
WORDS = ("ell", "second", "o", "jose")
ALL_SHOWS = ("messages", "messages_and_calls", "notices")


class Rows:
    """The tables of one organisation, with JIDs in place of row numbers."""

    def __init__(self, sql: PlainSql, org: int) -> None:
        self._sql = sql
        self._org = org
        self._jids = {0: ""}
        merged = dict(self._all("SELECT contact, merged_into FROM contacts WHERE org = ?"))
        jids = dict(self._all("SELECT contact, jid FROM contacts WHERE org = ?"))
        for contact in jids:
            standing = contact
            while merged[standing] is not None:
                standing = merged[standing]
            self._jids[contact] = jids[standing]
        self._phones = dict(self._all("SELECT phone, jid FROM phones WHERE org = ?"))

    def _all(self, sql: str) -> list[tuple[Any, ...]]:
        return self._sql.rows(sql, (self._org,))

    def table(self, name: str, where: str = "") -> list[dict[str, Any]]:
        """Rows without what depends on the order of arrival, sorted."""
        found = self._sql.dicts(f"SELECT * FROM {name} WHERE org = ? {where}", (self._org,))
        return sorted((self._observed(row) for row in found), key=lambda row: json.dumps(row, sort_keys=True))

    def _observed(self, row: dict[str, Any]) -> dict[str, Any]:
        observed = {name: value for name, value in row.items() if name not in ARRIVAL}
        for name in observed.keys() & {"contact", "chat", "sender", "actor", "target"}:
            observed[name] = "all" if name == "chat" and observed[name] == 0 else self._jids[observed[name]]
        if "phone" in observed:
            observed["phone"] = self._phones[observed["phone"]] if observed["phone"] else "everybody"
        return observed

    def whole(self) -> dict[str, list[dict[str, Any]]]:
        counted = " OR ".join(f"{column} <> 0" for column in COLUMNS)
        return {
            "contacts": self.table("contacts", "AND merged_into IS NULL"),
            "contact_facts": self.table("contact_facts"),
            "aliases": self.table("aliases"),
            "merges": self.table("merges"),
            "labels": self.table("labels"),
            "chats": self.table("chats"),
            "messages": self.table("messages"),
            "tellings": self.table("tellings"),
            "addons": self.table("addons"),
            "tallies": self.table("tallies", f"AND ({counted})"),
        }


def canonical(store: Store, sql: PlainSql, org: int) -> dict[str, Any]:
    """Everything that an archive holds and shows, except what depends on the order of arrival."""
    phones = [phone.no for phone in store.list_phones(org)]
    seen = {str(at): _names_seen(store, org, no) for at, no in enumerate(phones)}
    return {"rows": Rows(sql, org).whole(), "shown": _shown(store, org), "seen": seen}


def _names_seen(store: Store, org: int, phone: int) -> list[str]:
    """Contacts as a reader of one phone sees them."""
    everybody = tuple(phone.no for phone in store.list_phones(org))
    return _sorted(store.seen_by([phone]).list_contacts(ContactQuery(org=org, phones=everybody)).contacts)


def _shown(store: Store, org: int) -> dict[str, Any]:
    phones = tuple(p.no for p in store.list_phones(org))
    chats = store.list_chats(ChatQuery(org=org, phones=phones, limit=1000)).chats
    contacts = store.list_contacts(ContactQuery(org=org, phones=phones)).contacts
    reactions = store.list_reactions(ReactionQuery(org=org, phones=phones)).reactions
    return {
        "chats": _sorted(chats),
        "contacts": _sorted(contacts),
        "reactions": _sorted(reactions),
        "messages": {
            f"{chat.phone.jid} {chat.jid} {shows}": _sorted(
                store.list_messages(
                    MessageQuery(org=org, phones=(chat.phone.no,), chat=chat.jid, shows=shows, limit=1000)
                ).messages
            )
            for chat in chats
            for shows in ("messages_and_calls", "notices")
        },
        "found": {
            f"{chat.jid} {word}": sorted(
                m.message.key.id
                for m in store.list_messages(
                    MessageQuery(org=org, phones=phones, chat=chat.jid, search=word, limit=1000)
                ).messages
            )
            for chat in chats
            for word in WORDS
        },
        "whole": _sorted(_whole_messages(store, org, phones)),
    }


def _whole_messages(store: Store, org: int, phones: tuple[int, ...]) -> Iterable[ArchivedMessage | None]:
    for shows in ("messages_and_calls", "notices"):
        for shown in store.list_messages(MessageQuery(org=org, phones=phones, shows=shows, limit=1000)).messages:
            key = shown.message.key
            yield store.find_message(org, (shown.phone.no,), key.id, key.chat, key.sender)


def _sorted(values: Iterable[Any]) -> list[str]:
    return sorted(json.dumps(_without_arrival(msgspec.to_builtins(value)), sort_keys=True) for value in values)


def _without_arrival(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_arrival(v) for k, v in value.items() if k not in (*ARRIVAL, "phone_id", "created_at")}
    if isinstance(value, list):
        return [_without_arrival(v) for v in value]
    return value


class Kept(Struct, frozen=True):
    """A message as the plain model keeps it, with the numbers that break ties."""

    message: Message
    phone: int
    chat: int


class PlainArchive:
    """Answers ``MessageQuery`` in the slow and obvious way, without merging: each message is given to it once."""

    def __init__(self) -> None:
        self._kept: list[Kept] = []

    def keep(self, message: Message, phone: int, chat: int) -> None:
        self._kept.append(Kept(message, phone, chat))

    def ask(self, query: MessageQuery) -> tuple[list[str], int]:
        """Ids of the page, and the total number of matches."""
        found = [k for k in self._kept if self._matches(k, query)]
        found.sort(key=lambda k: (k.message.sent_at, k.message.key.id, k.phone, k.chat), reverse=True)
        page = found[query.offset : query.offset + query.limit]
        return [k.message.key.id for k in page], len(found)

    def _matches(self, kept: Kept, query: MessageQuery) -> bool:
        message = kept.message
        shown = {
            "messages": message.kind not in ("call", "notice"),
            "messages_and_calls": message.kind != "notice",
            "notices": message.kind in ("call", "notice"),
        }
        return (
            kept.phone in query.phones
            and (query.chat is None or ids.canonical(query.chat) == ids.canonical(message.key.chat))
            and (query.since is None or message.sent_at >= query.since)
            and (query.until is None or message.sent_at <= query.until)
            and (not query.media_only or message.kind in MEDIA_KINDS)
            and (query.from_me is None or message.from_me == query.from_me)
            and (not query.search or fold(query.search) in fold(message.text or ""))
            and shown[query.shows]
        )
