"""An organisation that receives from a linked device, and what it shows."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterable
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from neonize.proto.waE2E import WAWebProtobufsE2E_pb2 as e2e

from backscroll.core.model import ArchivedMessage, Org
from backscroll.core.query import ChatQuery, MessageQuery
from backscroll.ingest.quarantine import retry_waiting
from backscroll.ingest.webhooks import Ingestor
from backscroll.linked.additions import bound_to, key_of
from backscroll.storage.store import Store
from backscroll.storage.write.live_sources import LiveSource, SourceSecrets, make_source_id
from linked_events import OWN


class LinkedArchive:
    """A separate organisation with one linked device."""

    names = itertools.count(1)

    def __init__(self, store: Store) -> None:
        self.store = store
        self.org: Org = store.create_org(f"Linked {next(self.names)}")
        self.phone = store.add_phone(self.org.no, OWN)
        self.ingestor = Ingestor(store)
        wanted = LiveSource(org=self.org.no, id=make_source_id(self.org.no), kind="linked", phone=self.phone.no)
        self.source = store.sources.add(wanted, SourceSecrets(secrets.token_urlsafe()))

    def take(self, lines: Iterable[bytes]) -> None:
        for line in lines:
            self.ingestor.take(self.source, line)

    def settle(self) -> None:
        """Do what upkeep does: read again the events that waited for a message."""
        retry_waiting(self.store, self.org.no)

    def messages(self, limit: int = 1000) -> dict[str, ArchivedMessage]:
        page = self.store.list_messages(MessageQuery(org=self.org.no, phones=(self.phone.no,), limit=limit))
        found = (
            self.store.find_message(self.org.no, (self.phone.no,), m.message.key.id, m.message.key.chat)
            for m in page.messages
        )
        return {m.message.key.id: m for m in found if m is not None}

    def notices(self) -> list[ArchivedMessage]:
        query = MessageQuery(org=self.org.no, phones=(self.phone.no,), limit=1000, shows="notices")
        return self.store.list_messages(query).messages

    def chats(self) -> list[Any]:
        return self.store.list_chats(ChatQuery(org=self.org.no, phones=(self.phone.no,), limit=1000)).chats

    def quarantine(self) -> list[str]:
        return [entry.problem for entry in self.store.list_quarantined(self.org.no)]

    def view(self) -> list[Any]:
        """Everything that is shown of messages, except row numbers and times of storing."""
        rows = []
        for id, m in sorted(self.messages().items()):
            changes = (m.deleted, m.deleted_at, m.edited_at, m.edits, m.reactions, m.receipts, m.votes, m.ack)
            rows.append((id, m.message, *changes))
        return [*rows, sorted((c.jid, c.lid, c.name, c.messages) for c in self.chats())]


def secret_context(secret: bytes) -> Any:
    """The context of a message that allows others to send encrypted additions to it."""
    return e2e.MessageContextInfo(messageSecret=secret)


def sealed(content: Any, use: str, *, id: str, secret: bytes, sender: str, adder: str) -> tuple[bytes, bytes]:
    """Ciphertext and nonce of an addition, as WhatsApp's clients produce them."""
    nonce = secrets.token_bytes(12)
    key = key_of(id, use, secret, sender, adder)
    return AESGCM(key).encrypt(nonce, content.SerializeToString(), bound_to(id, use, adder)), nonce
