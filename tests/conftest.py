"""What most tests begin with: an empty archive, an organisation with two phones, and short ways to say things."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from backscroll.events import Batch, Event, MessageSeen, Target
from backscroll.model import Details, Message, MessageKey, Org, Phone, Source
from backscroll.storage.store import Store, open_store
from backscroll.storage.writer import Applied

CHAT = "919537851844@s.whatsapp.net"
MORNING = 1_741_856_400_000_000
"""13 March 2025, 09:00 UTC."""

MakeMessage = Callable[..., MessageSeen]
MakeTarget = Callable[..., Target]
Tell = Callable[..., Applied]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(None, tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def org(store: Store) -> Org:
    return store.create_org("Sample")


@pytest.fixture
def phone(store: Store, org: Org) -> Phone:
    return store.add_phone(org.no, "918527184400")


@pytest.fixture
def other_phone(store: Store, org: Org, phone: Phone) -> Phone:
    return store.add_phone(org.no, "6289685028129")


@pytest.fixture
def make_message(phone: Phone) -> MakeMessage:
    """A message; fields of ``Message`` and of ``Details`` may be given by name."""

    def make(
        id: str = "M1", at: int = MORNING, text: str | None = "hello", chat: str = CHAT, **fields: Any
    ) -> MessageSeen:
        key = MessageKey(fields.pop("phone", phone.jid), chat, id, fields.pop("sender", None))
        direct = {name: fields.pop(name) for name in ("from_me", "kind", "ack") if name in fields}
        direct.setdefault("from_me", False)
        return MessageSeen(Message(key=key, sent_at=at, text=text, details=Details(**fields), **direct))

    return make


@pytest.fixture
def target(phone: Phone) -> MakeTarget:
    def make(id: str = "M1", chat: str = CHAT, sender: str | None = None) -> Target:
        return Target(phone.jid, chat, id, sender)

    return make


@pytest.fixture
def tell(store: Store, org: Org) -> Tell:
    """Apply events as one batch of a source."""

    def apply(*events: Event, source: Source = "webhook") -> Applied:
        return store.apply(org.no, Batch(source=source, events=events))

    return apply
