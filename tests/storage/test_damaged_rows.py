"""A row that cannot be read is left out; lists, exports and everything else still work."""

from __future__ import annotations

import io
import logging
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import pytest

from backscroll.core.events import (
    Batch,
    ChatLabeled,
    ChatSeen,
    ContactSeen,
    Event,
    LabelSeen,
    MessagePinned,
    PollVoted,
    ReactionSet,
    ReceiptSet,
)
from backscroll.core.model import ArchivedMessage, PlainMessage, Poll, RenderedPage, Shown
from backscroll.core.query import ChatQuery, ContactQuery, MessageQuery, ReactionQuery
from backscroll.ingest.jsonl import export_jsonl, import_jsonl
from backscroll.storage.files.media import MediaStore
from backscroll.storage.read.rendered import Way, read_rendered
from backscroll.storage.read.rendered_cache import RenderedMessages
from backscroll.storage.records import damage
from backscroll.storage.store import Store, open_store
from conftest import CHAT, MORNING, MakeMessage, MakeTarget
from plain_sql import PlainSql

BEN = "4915112345678@s.whatsapp.net"

DAMAGES = [
    "UPDATE messages SET details = '{\"media\":' WHERE id = 'BAD'",
    "UPDATE messages SET details = '{\"media\":', sender = 99999 WHERE id = 'BAD'",
    "UPDATE messages SET kind = 'nonsense' WHERE id = 'BAD'",
    "UPDATE messages SET sent_at = 9000000000000000000 WHERE id = 'BAD'",
    "UPDATE messages SET sent_at = 9000000000000000000, details = NULL WHERE id = 'BAD'",
]
SQLITE_ONLY = [
    "UPDATE messages SET text = CAST(x'ff68' AS TEXT) WHERE id = 'BAD'",
    "UPDATE messages SET text = x'00ff' WHERE id = 'BAD'",
    "UPDATE messages SET text = x'00ff', details = NULL WHERE id = 'BAD'",
    "UPDATE messages SET prev_text = x'00ff' WHERE id = 'BAD'",
    "UPDATE messages SET fts = x'00ff', details = NULL WHERE id = 'BAD'",
]
BESIDE = [
    "UPDATE chats SET facts = '{\"name\":'",
    "UPDATE contacts SET facts = '{\"name\":' WHERE kind = 'user'",
    "UPDATE labels SET facts = '{\"name\":'",
    "UPDATE addons SET value = '[1' WHERE kind = 'vote'",
    "UPDATE addons SET ref = 'seen' WHERE kind = 'receipt'",
    "UPDATE addons SET value = 'soon' WHERE kind = 'pin'",
    "UPDATE addons SET value = '9000000000000000000' WHERE kind = 'pin'",
    "UPDATE addons SET at = NULL WHERE kind = 'pin'",
    "UPDATE addons SET at = 9000000000000000000",
]


@pytest.fixture(autouse=True)
def forget_what_was_named() -> None:
    damage._named.clear()


def fill(store: Store, make_message: MakeMessage, target: MakeTarget) -> int:
    org = store.list_orgs()[0].no
    poll = Poll(name="Lunch?", options=("yes", "no"))
    events: list[Event] = [
        make_message("FIRST", at=MORNING, text="the first"),
        make_message("BAD", at=MORNING + 1, text="the bad", is_forwarded=True),
        make_message("LAST", at=MORNING + 2, text="the last", poll=poll),
        ReceiptSet(target=target("LAST"), ack=4, participant=CHAT, at=MORNING),
        PollVoted(target=target("LAST"), by=BEN, options=("yes",), at=MORNING),
        ReactionSet(target=target("FIRST"), by=BEN, emoji="👍", at=MORNING),
        MessagePinned(target=target("FIRST"), pinned=True, at=MORNING, by=BEN),
        ContactSeen(jid=CHAT, name="Ana", at=MORNING),
        ChatSeen(phone=target("LAST").phone, chat=CHAT, archived=True, at=MORNING),
        ChatLabeled(phone=target("LAST").phone, chat=CHAT, label="9", at=MORNING),
        LabelSeen(phone=target("LAST").phone, id="9", name="Lead", at=MORNING),
    ]
    store.apply(org, Batch(source="webhook", events=events, raw=b"{}"))
    return org


def plant(store: Store, database: str | None, folder: Path, damage: str) -> None:
    sql = PlainSql(database, folder)
    assert sql.change(damage) > 0
    sql.close()


def everything_is_answered(store: Store, org: int, tmp_path: Path) -> tuple[list[str], int, str]:
    """Ids of a page of the chat, its total, and the ids of an export; every other list is read too."""
    phones = tuple(phone.no for phone in store.list_phones(org))
    page = store.list_messages(MessageQuery(org=org, phones=phones, chat=CHAT, limit=10))
    everywhere = store.list_messages(MessageQuery(org=org, phones=phones, limit=10))
    assert [m.message.key.id for m in everywhere.messages] == [m.message.key.id for m in page.messages]
    store.list_messages(MessageQuery(org=org, phones=phones, chat=CHAT, search="the", limit=10))
    store.list_chats(ChatQuery(org=org, phones=phones))
    store.list_contacts(ContactQuery(org=org, phones=phones))
    store.list_reactions(ReactionQuery(org=org, phones=phones))
    for id in ("FIRST", "BAD", "LAST"):
        store.find_message(org, phones, id)
    out = io.BytesIO()
    summary = export_jsonl(store, out, org=store.list_orgs()[0], raws=True)
    out.seek(0)
    other = open_store(None, tmp_path / "other")
    import_jsonl(other, MediaStore(tmp_path / "other/media", b"k" * 32), out)
    other_phones = tuple(phone.no for phone in other.list_phones(1))
    taken = other.list_messages(MessageQuery(org=1, phones=other_phones, limit=10))
    other.close()
    assert bool(summary.left_out) == ("could not be read" in str(summary))
    assert rendered(store, org, page.limit) == [[m.message.key.id for m in page.messages]] * 4
    return [m.message.key.id for m in page.messages], page.total, " ".join(m.message.key.id for m in taken.messages)


def rendered(store: Store, org: int, limit: int) -> list[list[str]]:
    """The ids in rendered pages across chats and of the chat, without a cache and with one."""

    def ids(messages: Sequence[Shown]) -> list[bytes]:
        return [(m.id if isinstance(m, PlainMessage) else m.message.key.id).encode() for m in messages]

    def page(query: MessageQuery, way: Way) -> RenderedPage:
        return store.ask(org, lambda reading: read_rendered(reading, query, way))

    phones = tuple(phone.no for phone in store.list_phones(org))
    queries = [MessageQuery(org=org, phones=phones, chat=chat, limit=limit) for chat in (None, CHAT)]
    ways = [Way(RenderedMessages(max_bytes), "ids", ids) for max_bytes in (0, 1_000_000)]
    return [[row.decode() for row in page(*asked).rows] for asked in product(queries, ways)]


@pytest.mark.parametrize("damage", [*DAMAGES, *SQLITE_ONLY], ids=range(len(DAMAGES) + len(SQLITE_ONLY)))
def test_a_row_that_cannot_be_read_is_left_out_and_named_once(
    store: Store,
    database_url: str | None,
    tmp_path: Path,
    make_message: MakeMessage,
    target: MakeTarget,
    damage: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    if damage in SQLITE_ONLY and database_url is not None:
        return
    org = fill(store, make_message, target)
    (number,) = {m.no for m in _page(store, org) if m.message.key.id == "BAD"}
    plant(store, database_url, tmp_path, damage)
    with caplog.at_level(logging.WARNING):
        assert everything_is_answered(store, org, tmp_path) == (["LAST", "FIRST"], 3, "LAST FIRST")
        everything_is_answered(store, org, tmp_path / "again")
    told = [record.getMessage() for record in caplog.records if f"message {number} " in record.getMessage()]
    assert len(told) == 1
    assert "backscroll check" in told[0]
    assert "the bad" not in caplog.text


def test_damage_in_what_a_reader_does_not_show_costs_no_message(
    store: Store, database_url: str | None, tmp_path: Path, make_message: MakeMessage, target: MakeTarget
) -> None:
    if database_url is not None:
        return
    org = fill(store, make_message, target)
    plant(store, database_url, tmp_path, "UPDATE messages SET fts = x'00ff' WHERE id = 'BAD'")
    phones = tuple(phone.no for phone in store.list_phones(org))
    kept = RenderedMessages(1_000_000)

    def texts(messages: Sequence[Shown]) -> list[bytes]:
        return [repr(message.fts).encode() for message in messages]

    def shown(chat: str | None, limit: int) -> int:
        query = MessageQuery(org=org, phones=phones, chat=chat, limit=limit)
        way = Way(kept, "texts", texts, terms=False)
        return len(store.ask(org, lambda reading: read_rendered(reading, query, way)).rows)

    for chat in (None, CHAT):
        assert shown(chat, 3) == 3
        # Another list of the same messages, one of which has left the cache: it is read by its number or its key.
        for way in kept._ways.values():
            way._drop_text(sorted(way.texts)[1])
        assert (shown(chat, 3), shown(chat, 4)) == (3, 3)


def _page(store: Store, org: int) -> list[ArchivedMessage]:
    phones = tuple(phone.no for phone in store.list_phones(org))
    return store.list_messages(MessageQuery(org=org, phones=phones, limit=10)).messages


@pytest.mark.parametrize("damage", BESIDE, ids=range(len(BESIDE)))
def test_damage_beside_a_message_does_not_cost_the_message(
    store: Store,
    database_url: str | None,
    tmp_path: Path,
    make_message: MakeMessage,
    target: MakeTarget,
    damage: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    org = fill(store, make_message, target)
    plant(store, database_url, tmp_path, damage)
    ids, total, taken = everything_is_answered(store, org, tmp_path)
    assert (ids, total, taken) == (["LAST", "BAD", "FIRST"], 3, "LAST BAD FIRST")
    assert "left out" in caplog.text
