"""``check`` finds each kind of damage, and nothing in a sound archive; ``repair`` rebuilds what can be rebuilt."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from backscroll.core.errors import NotFound, StorageError
from backscroll.core.events import (
    Batch,
    ChatLabeled,
    ContactSeen,
    Event,
    LabelSeen,
    MediaHeld,
    MessageEdited,
    MessagePinned,
    MessageSeen,
    NumberMapped,
    PollVoted,
    ReactionSet,
    ReceiptSet,
    Target,
)
from backscroll.core.model import Details, Media, Message, MessageKey, Poll
from backscroll.core.webhooks import Webhook
from backscroll.database.postgres.engine import PostgresEngine
from backscroll.database.sqlite import SqliteEngine
from backscroll.storage.files.media import MediaStore
from backscroll.storage.store import Store, open_store
from backscroll.storage.transfer.check.findings import Finding
from conftest import CHAT, MORNING
from plain_sql import PlainSql

LID, BEN = "22222222222@lid", "4915112345678@s.whatsapp.net"

TOLD = "message differs from what was reported"
DERIVED = "derived columns of a message are wrong"
COUNTER = "counter is wrong"
SEARCH = "search index is wrong"
ALIAS = "contact is not found by its JID"
BY_PHONE = "contact's facts differ from what was reported by phone"
LABEL = "label's facts cannot be read, or its phone is missing"
MERGE = "unfinished merge lacks a contact"
ROW = "message cannot be decoded"
GAPS = "change feed has gaps"

SEALED = ["quarantined input does not open with the key", "webhook's secret does not open with the key"]

DAMAGES: list[tuple[str, str]] = [
    ("UPDATE tallies SET plain_in = plain_in + 1 WHERE chat <> 0 AND level = 1", COUNTER),
    ("UPDATE tallies SET media_in = 0 WHERE chat = 0 AND level = 2", COUNTER),
    ("DELETE FROM tallies WHERE level = 0", COUNTER),
    (
        "INSERT INTO tallies SELECT org, phone, chat, level, bucket + 90000, 1, 0, 0, 0, 0, 0, 0, 0 FROM tallies",
        "counter is wrong",
    ),
    ("DELETE FROM messages WHERE id = 'M1'", COUNTER),
    ("UPDATE messages SET sent_at = sent_at + 86400000000 WHERE id = 'M1'", COUNTER),
    ("DELETE FROM search_segments", SEARCH),
    ("DELETE FROM search_fresh", SEARCH),
    ("UPDATE search_segments SET high = high + 1", SEARCH),
    ("DELETE FROM search_tombstones", SEARCH),
    ("UPDATE messages SET text = 'other words' WHERE id = 'M1'", SEARCH),
    ("UPDATE messages SET sent_at = sent_at + 1 WHERE id = 'M1'", SEARCH),
    ("DELETE FROM messages WHERE id = 'M1'", SEARCH),
    ("UPDATE messages SET text = NULL, fts = NULL WHERE id = 'M1'", "search index is wrong"),
    (
        "DROP INDEX messages_key; CREATE TEMP TABLE t AS SELECT * FROM messages WHERE id = 'M1';"
        "UPDATE t SET no = 999; INSERT INTO messages SELECT * FROM t",
        "message is stored more than once",
    ),
    ("DROP INDEX messages_media", "index is missing"),
    ("DROP INDEX quarantine_digest", "index is missing"),
    ("DROP TABLE positions", "table is missing"),
    ("DELETE FROM changes WHERE seq = 2", GAPS),
    ("DELETE FROM changes WHERE seq = (SELECT max(seq) FROM changes)", GAPS),
    ("UPDATE heads SET seq = seq + 1", GAPS),
    ("UPDATE heads SET pruned = 1", GAPS),
    ("UPDATE heads SET pruned = seq + 1; DELETE FROM changes", GAPS),
    ("DELETE FROM changes WHERE seq = 1", GAPS),
    ("UPDATE heads SET named = seq + 1", GAPS),
    ("UPDATE changes SET what = 'MESS' WHERE seq = 2", "change cannot be decoded"),
    ("UPDATE heads SET next_no = 2", "next number is wrong"),
    ("DELETE FROM heads", "next number is wrong"),
    ("UPDATE orgs SET id = 'nobody'", "organisation cannot be decoded"),
    (
        "UPDATE aliases SET contact = (SELECT contact FROM contacts WHERE merged_into > 0) WHERE jid LIKE '%@lid'",
        "JID does not lead to a contact",
    ),
    ("UPDATE aliases SET contact = 4242 WHERE jid LIKE '4915%'", "JID does not lead to a contact"),
    ("UPDATE aliases SET jid = '+49 151 12345678' WHERE jid LIKE '4915%'", "JID does not lead to a contact"),
    ("DELETE FROM aliases WHERE jid LIKE '9195%'", ALIAS),
    (
        "UPDATE aliases SET contact = (SELECT min(contact) FROM contacts) WHERE jid LIKE '4915%'",
        "contact is not found by its JID",
    ),
    ("UPDATE contacts SET facts = '{\"name\":[1' WHERE merged_into IS NULL", "contact cannot be decoded"),
    ("UPDATE contacts SET kind = 'group' WHERE kind = 'user'", "contact cannot be decoded"),
    (
        "UPDATE contacts SET push_name = 'Somebody' WHERE merged_into IS NULL",
        "contact's names differ from what was reported",
    ),
    ("UPDATE contact_facts SET facts = '{\"name\":[1' WHERE phone > 0", BY_PHONE),
    ("DELETE FROM contact_facts WHERE phone > 0", BY_PHONE),
    ("UPDATE contact_facts SET phone = 4242 WHERE phone > 0", BY_PHONE),
    ("UPDATE contact_facts SET facts = replace(facts, 'Benjamin', 'Bob')", BY_PHONE),
    ("UPDATE labels SET facts = '{\"name\":[1'", LABEL),
    ("UPDATE labels SET facts = '{\"name\":[1]}'", LABEL),
    ("UPDATE labels SET phone = 4242", LABEL),
    ("UPDATE contacts SET told_by = 4242 WHERE told_by = 0 AND merged_into IS NULL", BY_PHONE),
    ("UPDATE contacts SET merged_into = 4242 WHERE merged_into IS NOT NULL", "merged contact has no successor"),
    (
        "INSERT INTO merges SELECT org, contact, 4242, 1 FROM contacts WHERE merged_into > 0",
        "unfinished merge lacks a contact",
    ),
    ("UPDATE phones SET jid = 'nonsense'", "phone cannot be decoded"),
    ("UPDATE phones SET contact = 4242", "phone does not lead to its contact"),
    ("UPDATE tokens SET phones = '[4242]'", "token cannot be decoded"),
    ("UPDATE tokens SET scopes = 'everything'", "token cannot be decoded"),
    ("UPDATE tokens SET hash = {blob}", "token cannot be decoded"),
    ("UPDATE chats SET last_at = last_at - 1", "time of a chat's latest message is wrong"),
    ("UPDATE chats SET has_media = 1 - has_media", "chat is wrongly marked as having media or none"),
    ("UPDATE chats SET facts = '[]'", "chat cannot be decoded"),
    ("UPDATE chats SET seq = 1000000", "chat cannot be decoded"),
    ("UPDATE chats SET chat = 4242 WHERE last_at > 0 AND has_media = 1", "chat has no contact or no phone"),
    ("DELETE FROM chats", "chat has no row"),
    ("UPDATE messages SET phone = 4242", "message has no chat or no phone"),
    ("UPDATE messages SET chat = 4242", "message has no chat or no phone"),
    ("UPDATE messages SET sender = 4242", "message has no chat or no phone"),
    (
        "UPDATE messages SET sender = (SELECT contact FROM contacts WHERE merged_into > 0) WHERE id = 'M2'",
        "merged contact still has messages",
    ),
    ("UPDATE messages SET details = '{\"media\":' WHERE id = 'M2'", ROW),
    ('UPDATE messages SET details = \'{"media":{"size":"many"}}\' WHERE id = \'M2\'', ROW),
    ("UPDATE messages SET kind = 'nonsense' WHERE id = 'M1'", ROW),
    ("UPDATE messages SET source = 'nobody' WHERE id = 'M1'", ROW),
    ("UPDATE messages SET sent_at = 9000000000000000000 WHERE id = 'M1'", ROW),
    ("UPDATE messages SET edited_at = -9000000000000000000 WHERE id = 'M3'", ROW),
    ("UPDATE messages SET ack = 77 WHERE id = 'M1'", ROW),
    ("UPDATE messages SET text = 'hello world' WHERE id = 'M1'", DERIVED),
    ("UPDATE messages SET fts = '''hello'':2' WHERE id = 'M1'", DERIVED),
    ("UPDATE messages SET kind = 'text' WHERE id = 'M2'", DERIVED),
    ("UPDATE messages SET flags = flags - 4 WHERE id = 'OUT'", DERIVED),
    ("UPDATE messages SET client_ref = 'another' WHERE id = 'OUT'", DERIVED),
    ("UPDATE messages SET text = 'third', fts = '''third'':1' WHERE id = 'M3'", TOLD),
    ("UPDATE messages SET prev_text = 'never said' WHERE id = 'M3'", TOLD),
    ("UPDATE messages SET deleted_at = 5 WHERE id = 'M3'", TOLD),
    ("UPDATE messages SET flags = flags - 16 WHERE id = 'M1'", TOLD),
    ("UPDATE messages SET flags = flags - 32 WHERE id = 'M3'", TOLD),
    ("DELETE FROM tellings", TOLD),
    ("DELETE FROM messages WHERE id = 'M3'", "observation has no message"),
    ("UPDATE tellings SET message = '{\"key\":' ", "observation cannot be decoded"),
    ("UPDATE tellings SET message = replace(message, 'first', 'fiRst')", "observation cannot be decoded"),
    ("UPDATE addons SET kind = 'nonsense' WHERE kind = 'reaction'", "annotation cannot be decoded"),
    ("UPDATE addons SET ref = 'seen' WHERE kind = 'receipt'", "annotation cannot be decoded"),
    ("UPDATE addons SET value = '[1' WHERE kind = 'vote'", "annotation cannot be decoded"),
    ("UPDATE addons SET value = '{\"file\":4}' WHERE kind = 'media'", "annotation cannot be decoded"),
    ("UPDATE addons SET value = 'soon' WHERE kind = 'pin'", "annotation cannot be decoded"),
    ("UPDATE addons SET at = 9000000000000000000 WHERE kind = 'receipt'", "annotation cannot be decoded"),
    ("UPDATE addons SET value = 'edited otherwise' WHERE kind = 'edit'", TOLD),
    ("DELETE FROM files", "file of a message is not listed"),
    ("DELETE FROM raws", "payload of a message is missing"),
    ("UPDATE raws SET payload = {blob}", "payload differs from what was received"),
    ("UPDATE raws SET size = size + 1", "payload differs from what was received"),
    ("UPDATE raws SET digest = 'other'", "payload differs from what was received"),
    ("UPDATE quarantine SET payload = {blob}", "quarantined input does not open with the key"),
    ("UPDATE quarantine SET digest = 'other'", "quarantined input differs from what was received"),
    ("UPDATE files SET size = size + 1", "file of a message is damaged"),
    ("UPDATE webhooks SET types = '[1'", "webhook cannot be decoded"),
    ("UPDATE webhooks SET format = 'nonsense'", "webhook cannot be decoded"),
    ("UPDATE webhooks SET url = 'nowhere'", "webhook cannot be decoded"),
    ("UPDATE webhooks SET phones = '[4242]'", "webhook cannot be decoded"),
    ("UPDATE webhooks SET secret = {blob}", "webhook's secret does not open with the key"),
    ("UPDATE heads SET hooks = 0", "event types that webhooks want are not recorded"),
    ("UPDATE outbox SET type = 'nonsense'", "event of the outbox cannot be decoded"),
    ("DELETE FROM outbox", "delivery has no event or no webhook"),
    ("DELETE FROM webhooks", "delivery has no event or no webhook"),
    ("UPDATE deliveries SET state = 9", "delivery has no event or no webhook"),
    ("DELETE FROM webhook_lanes", "waiting event will never be sent"),
]

SQLITE_ONLY: list[tuple[str, str]] = [
    ("UPDATE messages SET text = CAST(x'ff68' AS TEXT) WHERE id = 'M1'", ROW),
    ("UPDATE messages SET id = x'ff' WHERE id = 'M1'", ROW),
    ("UPDATE messages SET text = x'00' WHERE id = 'M1'", ROW),
    ("UPDATE messages SET sent_at = 'noon' WHERE id = 'M1'", ROW),
    ("UPDATE contacts SET name = CAST(x'ff' AS TEXT) WHERE merged_into IS NULL", "contact cannot be decoded"),
    ("UPDATE aliases SET jid = x'ff' WHERE jid LIKE '4915%'", "JID does not lead to a contact"),
    ("UPDATE addons SET value = x'ff' WHERE kind = 'reaction'", "annotation cannot be decoded"),
    ("UPDATE tellings SET message = CAST(x'ff' AS TEXT)", "observation cannot be decoded"),
    ("UPDATE chats SET seq = 'many'", "table cannot be read"),
]

BLOB = {"sqlite": "x'00ff'", "postgres": "'\\x00ff'"}


def seen(phone: str, chat: str, id: str, sent_at: int, from_me: bool = False, **about: object) -> MessageSeen:
    return MessageSeen(Message(key=MessageKey(phone, chat, id), sent_at=sent_at, from_me=from_me, **about))  # type: ignore[arg-type]


@pytest.fixture
def archive(request: pytest.FixtureRequest, tmp_path: Path, database_url: str | None) -> str | None:
    """The database of a sound archive with a bit of everything."""
    damage: str = request.node.callspec.params.get("damage", "")
    url: str | None = request.getfixturevalue("spare_database_url") if "DROP" in damage else database_url
    fill(url, tmp_path)
    return url


def fill(database: str | None, tmp_path: Path) -> None:
    store = open_store(database, tmp_path)
    org = store.create_org("Sample").no
    phone = store.add_phone(org, "918527184400").jid
    store.create_token(org, phones=(store.list_phones(org)[0].no,))
    store.quarantine(org, "periskope", b"what nobody understands", "it is not JSON")
    add_webhook(store, org)
    kept = media_of(tmp_path).put(org, b"a picture", max_bytes=100, declared_mimetype=None, filename=None)
    poll = Details(poll=Poll(name="Lunch?", options=("yes", "no")))
    events: list[Event] = [
        seen(phone, CHAT, "M1", MORNING, text="hello there"),
        seen(phone, LID, "M2", MORNING, kind="image"),
        MediaHeld(target=Target(phone, LID, "M2"), media=Media(file=kept.sha256, size=kept.size)),
        seen(phone, CHAT, "M3", MORNING + 1, text="first"),
        MessageEdited(target=Target(phone, CHAT, "M3"), text="second", at=MORNING + 5),
        seen(phone, CHAT, "M4", MORNING + 2, kind="poll", details=poll),
        PollVoted(target=Target(phone, CHAT, "M4"), by=BEN, options=("yes",), at=MORNING),
        seen(phone, CHAT, "OUT", MORNING + 3, from_me=True, text="mine", details=Details(client_ref="mine-1")),
        ReceiptSet(target=Target(phone, CHAT, "M1"), ack=4, participant=BEN, at=MORNING),
        MessagePinned(target=Target(phone, CHAT, "M1"), pinned=True, at=MORNING, until=MORNING + 5),
        ReactionSet(target=Target(phone, CHAT, "M1"), by=LID, emoji="👍"),
        ReactionSet(target=Target(phone, CHAT, "M1"), by=BEN, emoji="👍"),
        ContactSeen(jid=BEN, phone=phone, name="Ben", at=MORNING),
        ContactSeen(jid=BEN, name="Benjamin", at=MORNING + 1),
        LabelSeen(phone=phone, id="9", name="Lead", at=MORNING),
        ChatLabeled(phone=phone, chat=CHAT, label="9", at=MORNING),
    ]
    store.apply(org, Batch(source="webhook", events=events, raw=b'{"what":"came"}'))
    store.apply(org, Batch(source="webhook", events=[NumberMapped(lid=LID, jid=BEN), *events]))
    queue(store, org)
    assert found_in(store, tmp_path) == []
    store.close()


def add_webhook(store: Store, org: int) -> None:
    """Add an endpoint to which nothing is sent."""
    wanted = Webhook(org=org, id="", name=None, url="https://example.com/", format="native", types=("*",))
    store.webhooks.add(wanted)


def queue(store: Store, org: int) -> None:
    """Queue the events for every endpoint, as the sender does."""
    lease = store.outbox.take_turn(org)
    assert lease is not None
    assert store.outbox.queue(lease)
    store.outbox.end_turn(lease)


def media_of(folder: Path) -> MediaStore:
    return MediaStore(folder / "media", b"k" * 32)


def found_in(store: Store, folder: Path, read_files: bool = True) -> list[Finding]:
    return list(store.check(folder / "media", read_files))


def plant(database: str | None, folder: Path, damage: str, engine: str) -> None:
    sql = PlainSql(database, folder)
    changed = sql.change(damage.replace("{blob}", BLOB[engine]))
    assert changed > 0 or "DROP" in damage
    sql.close()


@pytest.mark.parametrize(("damage", "what"), DAMAGES, ids=range(len(DAMAGES)))
def test_a_planted_damage_is_found_and_a_repair_makes_anew_what_follows_from_the_rest(
    archive: str | None, tmp_path: Path, damage: str, what: str
) -> None:
    store = open_store(archive, tmp_path)
    plant(archive, tmp_path, damage, store._engine.name)
    before = found_in(store, tmp_path)
    assert what in {finding.what for finding in before}
    try:
        store.repair()
    except (NotFound, StorageError):
        # A repair needs every table and the organisation's own row.
        assert "DROP TABLE" in damage or "DELETE FROM heads" in damage
        store.close()
        return
    left = found_in(store, tmp_path)
    assert [finding for finding in left if finding.repairable] == []
    assert {finding.what for finding in left} <= {finding.what for finding in before if not finding.repairable}
    store.close()


@pytest.mark.parametrize(("damage", "what"), SQLITE_ONLY, ids=range(len(SQLITE_ONLY)))
def test_a_damage_that_only_sqlite_can_hold_is_found(tmp_path: Path, damage: str, what: str) -> None:
    fill(None, tmp_path)
    store = open_store(None, tmp_path)
    plant(None, tmp_path, damage, "sqlite")
    assert what in {finding.what for finding in found_in(store, tmp_path)}
    store.close()


def test_a_file_that_is_gone_or_changed_is_found(archive: str | None, tmp_path: Path) -> None:
    store = open_store(archive, tmp_path)
    media = media_of(tmp_path)
    (name,) = media.files(1)
    media.path(1, name).write_bytes(b"a pictur_")
    assert found_in(store, tmp_path, read_files=False) == []
    assert {finding.what for finding in found_in(store, tmp_path)} == {"file of a message is damaged"}
    shutil.rmtree(tmp_path / "media")
    assert {finding.what for finding in found_in(store, tmp_path)} == {"file of a message is missing"}
    store.close()


def test_another_key_is_found(archive: str | None, tmp_path: Path) -> None:
    store = open_store(archive, tmp_path)
    (tmp_path / "secret.key").write_bytes(b"x" * 32)
    found = found_in(store, tmp_path)
    assert [finding.what for finding in found] == SEALED
    assert all("put back the key file" in finding.detail for finding in found)
    (tmp_path / "secret.key").unlink()
    found = found_in(store, tmp_path)
    assert [finding.what for finding in found] == SEALED
    assert all("there is no key file" in finding.detail for finding in found)
    assert not (tmp_path / "secret.key").exists()
    store.close()


def test_checking_again_and_again_opens_no_more_connections(archive: str | None, tmp_path: Path) -> None:
    store = open_store(archive, tmp_path)

    def connections() -> int:
        if isinstance(store._engine, SqliteEngine):
            return len(store._engine._connections)
        assert isinstance(store._engine, PostgresEngine)
        return len(store._engine._pool._idle)

    assert found_in(store, tmp_path) == []
    first = connections()
    for _ in range(3):
        assert found_in(store, tmp_path) == []
    assert connections() == first
    store.close()
