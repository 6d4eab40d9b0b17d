"""``check`` finds each kind of damage, and nothing in a sound archive."""

from __future__ import annotations

from pathlib import Path

import pytest

from backscroll.core.events import Batch, Event, MessageSeen, NumberMapped, ReactionSet, Target
from backscroll.core.model import Message, MessageKey
from backscroll.storage.store import open_store
from conftest import CHAT, MORNING
from plain_sql import PlainSql

LID, BEN = "22222222222@lid", "4915112345678@s.whatsapp.net"

DAMAGES: list[tuple[str, str]] = [
    ("UPDATE tallies SET plain_in = plain_in + 1 WHERE chat <> 0 AND level = 1", "counter"),
    ("UPDATE tallies SET media_in = 0 WHERE chat = 0 AND level = 2", "counter"),
    ("DELETE FROM tallies WHERE level = 0", "counter"),
    ("DELETE FROM messages WHERE id = 'M1'", "counter"),
    ("UPDATE messages SET sent_at = sent_at + 86400000000 WHERE id = 'M1'", "counter"),
    ("DELETE FROM search WHERE {search_no} = (SELECT no FROM messages WHERE id = 'M1')", "text can be searched"),
    (
        "DROP INDEX messages_key; CREATE TEMP TABLE t AS SELECT * FROM messages WHERE id = 'M1';"
        "UPDATE t SET no = 999; INSERT INTO messages SELECT * FROM t",
        "message stored once",
    ),
    ("DELETE FROM changes WHERE seq = 2", "change feed without gaps"),
    ("DELETE FROM changes WHERE seq = (SELECT max(seq) FROM changes)", "change feed without gaps"),
    ("UPDATE heads SET seq = seq + 1", "change feed without gaps"),
    (
        "UPDATE aliases SET contact = (SELECT contact FROM contacts WHERE merged_into > 0) WHERE jid LIKE '%@lid'",
        "JID leads to a standing party",
    ),
    ("UPDATE aliases SET contact = 4242 WHERE jid LIKE '4915%'", "JID leads to a standing party"),
    ("UPDATE chats SET last_at = last_at - 1", "latest message of a chat"),
    ("UPDATE chats SET has_media = 1 - has_media", "chat has media"),
    ("DELETE FROM chats", "chat has a row"),
    ("UPDATE messages SET phone = 4242", "message has a chat and a phone"),
    ("UPDATE messages SET chat = 4242", "message has a chat and a phone"),
    (
        "UPDATE messages SET sender = (SELECT contact FROM contacts WHERE merged_into > 0) WHERE id = 'M2'",
        "merged parties hold nothing",
    ),
]


SEARCH_NO = {"sqlite": "rowid % 1099511627776", "postgres": "no"}
"""The number of the message that a row of the search index belongs to."""


@pytest.fixture
def archive(tmp_path: Path, spare_database_url: str | None) -> str | None:
    """A sound archive with a bit of everything."""
    store = open_store(spare_database_url, tmp_path)
    org = store.create_org("Sample").no
    phone = store.add_phone(org, "918527184400").jid
    events: list[Event] = [
        MessageSeen(Message(key=MessageKey(phone, CHAT, "M1"), sent_at=MORNING, from_me=False, text="hello there")),
        MessageSeen(Message(key=MessageKey(phone, LID, "M2"), sent_at=MORNING, from_me=False, kind="image")),
        ReactionSet(target=Target(phone, CHAT, "M1"), by=LID, emoji="👍"),
        ReactionSet(target=Target(phone, CHAT, "M1"), by=BEN, emoji="👍"),
    ]
    store.apply(org, Batch(source="webhook", events=events))
    store.apply(org, Batch(source="webhook", events=[NumberMapped(lid=LID, jid=BEN), *events]))
    assert list(store.check()) == []
    store.close()
    return spare_database_url


@pytest.mark.parametrize(("damage", "what"), DAMAGES, ids=range(len(DAMAGES)))
def test_a_planted_damage_is_found(archive: str | None, tmp_path: Path, damage: str, what: str) -> None:
    store = open_store(archive, tmp_path)
    sql = PlainSql(archive, tmp_path)
    changed = sql.change(damage.replace("{search_no}", SEARCH_NO[store._engine.name]))
    assert changed > 0 or "DROP" in damage
    sql.close()
    assert what in {finding.what for finding in store.check()}
    store.close()
