"""An organisation that gateways push events to, and everything that it shows."""

from __future__ import annotations

import itertools
from typing import Any

from backscroll.core.model import ArchivedMessage, Org
from backscroll.core.query import ChatQuery, MessageQuery
from backscroll.ingest.quarantine import retry_waiting
from backscroll.ingest.webhooks import Ingestor
from backscroll.storage.store import Store
from backscroll.storage.write.live_sources import LiveSource, SourceSecrets, make_source_id
from gateways import ANA, BEN, ME, SENDERS, net


class Archive:
    """A separate organisation with a source of each kind."""

    names = itertools.count(1)

    def __init__(self, store: Store) -> None:
        self.store = store
        self.org: Org = store.create_org(f"Gateways {next(self.names)}")
        self.phone = store.add_phone(self.org.no, ME)
        self.ingestor = Ingestor(store)
        self.sources = {kind: self._add(kind) for kind in (*SENDERS, "linked")}

    def _add(self, kind: str) -> LiveSource:
        wanted = LiveSource(org=self.org.no, id=make_source_id(self.org.no), kind=kind, phone=self.phone.no)
        return self.store.sources.add(wanted, SourceSecrets("a secret of some length"))

    def take(self, kind: str, body: bytes) -> None:
        self.ingestor.take(self.sources[kind], body)

    def settle(self) -> None:
        """Do what upkeep does: read again the events that waited for a message."""
        retry_waiting(self.store, self.org.no)

    def messages(self) -> dict[str, ArchivedMessage]:
        page = self.store.list_messages(MessageQuery(org=self.org.no, phones=(self.phone.no,), limit=1000))
        found = (
            self.store.find_message(self.org.no, (self.phone.no,), m.message.key.id, m.message.key.chat)
            for m in page.messages
        )
        return {m.message.key.id: m for m in found if m is not None}

    def notices(self) -> list[ArchivedMessage]:
        query = MessageQuery(org=self.org.no, phones=(self.phone.no,), limit=1000, shows="notices")
        return self.store.list_messages(query).messages

    def view(self) -> dict[str, Any]:
        """Everything that the archive shows, except row numbers and times of storing."""
        chats = self.store.list_chats(ChatQuery(org=self.org.no, phones=(self.phone.no,), limit=100)).chats
        return {
            "messages": [_shown(m) for _, m in sorted(self.messages().items())],
            "notices": [_shown(m) for m in self.notices()],
            "chats": [(c.jid, c.lid, c.name, c.messages, c.unread, c.last_message_at) for c in chats],
            "names": [self._names(number) for number in (ANA, BEN)],
            "quarantine": [q.problem for q in self.store.list_quarantined(self.org.no)],
        }

    def _names(self, number: str) -> tuple[Any, ...]:
        found = self.store.find_contact(self.org.no, (self.phone.no,), net(number))
        return () if found is None else (found.jid, found.lid, found.name, found.push_name, found.extras)


def _shown(m: ArchivedMessage) -> tuple[Any, ...]:
    message = m.message
    fields = (message.key, message.sent_at, message.from_me, message.kind, message.text, message.details, m.ack)
    changes = (m.deleted, m.deleted_at, m.edited_at, m.prev_text, m.edits, m.original_text)
    return (*fields, *changes, m.reactions, m.receipts, m.votes)
