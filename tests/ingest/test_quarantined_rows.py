"""Rows in quarantine, from imports or pulls, are stored once they are understood, and can be undone."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from backscroll.core.errors import BadField
from backscroll.core.events import Batch, MessageSeen
from backscroll.core.model import Org, Phone
from backscroll.core.query import MessageQuery
from backscroll.ingest import imports, quarantined_rows
from backscroll.ingest.jsonl import LINE, encode_line
from backscroll.ingest.pipeline import EVENT, apply_with_retry
from backscroll.ingest.quarantine import retry
from backscroll.storage.files.media import MediaStore
from backscroll.storage.store import Store
from backscroll.storage.transfer.dump import About, Line
from backscroll.storage.write import validation
from conftest import CHAT, MakeMessage

ROW = {
    "id": "G1",
    "chat_jid": CHAT,
    "sender": CHAT,
    "content": "from the database",
    "timestamp": "2026-01-13T09:15:00Z",
}
ASKED = {
    "id": "G2",
    "chat_jid": CHAT,
    "sender_jid": CHAT,
    "content": "from the server",
    "timestamp": "2026-01-13T09:16:00Z",
}
PULLED = {
    "message_id": "true_4915112345678@c.us_P1",
    "chat_id": "4915112345678@c.us",
    "org_phone": "918527184400@c.us",
    "body": "from Periskope",
    "from_me": True,
    "message_type": "chat",
    "timestamp": "2026-01-13T09:17:00Z",
}


def texts(store: Store, org: Org) -> list[str | None]:
    phones = tuple(phone.no for phone in store.list_phones(org.no))
    page = store.list_messages(MessageQuery(org=org.no, phones=phones, limit=100))
    return [message.message.text for message in page.messages]


def event_of(make_message: MakeMessage, **more: Any) -> MessageSeen:
    return make_message(id="E1", text="an event", **more)


def payloads(phone: Phone, make_message: MakeMessage) -> dict[str, tuple[str, bytes]]:
    """For each form of a row: its ``via``, and the bytes of a row that is now understood."""
    event = event_of(make_message)
    line = encode_line(Line(event, About(source="gowa"))).rstrip()
    in_table = {
        "table": "messages",
        "rowid": 1,
        "row": {**ROW, "device_id": phone.jid, "media_key": {"base64": "AAEC"}},
    }
    return {
        "an event": (f"{EVENT} gowa", line.replace(b',"source":"gowa"', b"")),
        "jsonl": (LINE, line),
        "from the database": (quarantined_rows.via_gowa_database(None), json.dumps(in_table).encode()),
        "from the server": (quarantined_rows.via_gowa("messages", phone.jid), json.dumps(ASKED).encode()),
        "from Periskope": (quarantined_rows.via_periskope("messages"), json.dumps(PULLED).encode()),
    }


@pytest.mark.parametrize("form", ["an event", "jsonl", "from the database", "from the server", "from Periskope"])
def test_a_row_that_is_understood_now_is_taken_and_can_be_taken_back(
    store: Store, org: Org, phone: Phone, make_message: MakeMessage, tmp_path: Path, form: str
) -> None:
    via, payload = payloads(phone, make_message)[form]
    no = store.quarantine(org.no, "gowa", payload, "was not understood", via=via)
    assert retry(store, org.no, no) is None
    assert texts(store, org) == ["an event" if form == "jsonl" else form]
    assert store.list_quarantined(org.no) == []
    [entry] = store.list_imports(org.no)
    assert (entry.kind, entry.state) == ("quarantine", "done")
    imports.undo(store, MediaStore(tmp_path / "media", b"k" * 32), org.no, entry.id)
    assert texts(store, org) == []
    assert list(store.check()) == []


@pytest.mark.parametrize(
    ("via", "payload"),
    [
        ("row event gowa", b"{}"),
        ("row event gowa", b"\xff"),
        ("row event nobody", b"{}"),
        ("row jsonl", b"{"),
        ("row gowa-messages 1@s.whatsapp.net", b'{"id": 5}'),
        ("row gowa-messages 1@s.whatsapp.net", b"["),
        ("row gowa-database", b'{"table": "messages", "rowid": 1, "row": {"id": null, "device_id": "elsewhere"}}'),
        ("row gowa-database", b'{"table": "message_edits", "rowid": 1, "row": {}}'),
        ("row periskope messages", b'{"message_id": 7}'),
        ("row of the future", b"x"),
    ],
)
def test_a_row_that_is_not_understood_yet_stays_with_what_is_wrong(
    store: Store, org: Org, phone: Phone, via: str, payload: bytes
) -> None:
    no = store.quarantine(org.no, "gowa", payload, "first", via=via)
    problem = retry(store, org.no, no)
    assert problem
    [left] = store.list_quarantined(org.no)
    assert (left.no, left.problem) == (no, problem)
    assert store.list_imports(org.no) == []


def test_an_event_that_the_store_refused_is_taken_by_one_that_does_not(
    store: Store, org: Org, phone: Phone, make_message: MakeMessage, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = validation.cleaned

    def strict(event: Any) -> Any:
        if isinstance(event, MessageSeen) and event.message.text == "an event":
            raise BadField("text", None, "is refused by this version")
        return good(event)

    for module in (
        "backscroll.storage.write.validation",
        "backscroll.ingest.pipeline",
        "backscroll.ingest.quarantined_rows",
    ):
        monkeypatch.setattr(f"{module}.cleaned", strict)
    other = make_message(id="E2", text="another")
    applied = apply_with_retry(store, org.no, Batch(source="gowa", events=[event_of(make_message), other]))
    assert len(applied.refused) == 1
    assert texts(store, org) == ["another"]
    [kept] = store.list_quarantined(org.no)
    assert "refused by this version" in (retry(store, org.no, kept.no) or "")
    monkeypatch.undo()
    assert retry(store, org.no, kept.no) is None
    assert sorted(str(text) for text in texts(store, org)) == ["an event", "another"]


def test_a_row_of_a_database_is_found_its_phone_by_its_slot(store: Store, org: Org, make_message: MakeMessage) -> None:
    row = {"table": "messages", "rowid": 1, "row": {**ROW, "device_id": "desk"}}
    no = store.quarantine(org.no, "gowa", json.dumps(row).encode(), "first", via="row gowa-database")
    assert "add that phone" in (retry(store, org.no, no) or "")
    store.add_phone(org.no, "4915550000009", device_id="desk")
    assert retry(store, org.no, no) is None
    assert texts(store, org) == ["from the database"]


def test_an_import_of_a_database_says_how_its_rows_are_read_again(
    store: Store, org: Org, phone: Phone, tmp_path: Path
) -> None:
    from backscroll.ingest.importing.spool import Spool
    from backscroll.ingest.importing.working import ImportContext, import_here

    path = tmp_path / "chatstorage.db"
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE chats (jid TEXT, name TEXT, last_message_time TIMESTAMP, ephemeral_expiration INTEGER)")
    columns = "id, chat_jid, sender, content, timestamp, created_at, updated_at"
    db.execute(f"CREATE TABLE messages ({columns})")
    for id, at in (("G1", "2026-01-13T09:15:00Z"), ("G2", "no time")):
        db.execute("INSERT INTO messages VALUES (?, ?, ?, 'x', ?, NULL, NULL)", (id, CHAT, CHAT, at))
    db.commit()
    db.close()
    context = ImportContext(
        store=store, media=MediaStore(tmp_path / "media", b"k" * 32), spool=Spool(tmp_path), max_media_bytes=1 << 20
    )
    import_here(context, org, path, {"account": phone.number})
    [kept] = store.list_quarantined(org.no)
    assert kept.via == f"row gowa-database {phone.number}"
    assert "no time" in store.find_quarantined(org.no, kept.no).payload.decode()
    assert retry(store, org.no, kept.no) is not None
