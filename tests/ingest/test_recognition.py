"""Files to import are recognised by their content, whatever their names."""

from __future__ import annotations

import gzip
import sqlite3
import zipfile
from pathlib import Path

import pytest
from msgspec import structs

from backscroll.core.errors import BadField
from backscroll.ingest.importing.kind import ImportKind, Recognised
from backscroll.ingest.importing.registry import KINDS, NothingRecognised, kind_of, recognise
from backscroll.ingest.importing.walking import columns_of, files_at

CHAT = "13/01/2026, 09:15 - Ana: one good thing\n13/01/2026, 09:16 - Rob: two good things\n"
LINES = b'{"backscroll":"jsonl","version":1,"created_at":1,"org":{"id":"x","name":"y","created_at":1}}\n'
GOWA_TABLES = (
    "CREATE TABLE chats (jid TEXT, name TEXT, last_message_time TIMESTAMP, ephemeral_expiration INTEGER)",
    "CREATE TABLE messages (id TEXT, chat_jid TEXT, sender TEXT, content TEXT, timestamp TIMESTAMP,"
    " created_at TIMESTAMP, updated_at TIMESTAMP)",
)


def database(path: Path, *statements: str) -> Path:
    db = sqlite3.connect(path)
    for statement in statements:
        db.execute(statement)
    db.close()
    return path


def zipped(path: Path, **files: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name.replace("__", "."), text)
    return path


def kinds_at(path: Path) -> list[tuple[str, str]]:
    return [(found.kind, found.path.name) for found in recognise(path)]


def test_a_chat_is_known_by_its_lines(tmp_path: Path) -> None:
    (tmp_path / "whatever.bin").write_text(CHAT, "utf-8")
    assert kinds_at(tmp_path / "whatever.bin") == [("export", "whatever.bin")]
    assert kinds_at(zipped(tmp_path / "packed", _chat__txt=CHAT)) == [("export", "packed")]


def test_our_own_lines_are_known_also_when_they_are_packed(tmp_path: Path) -> None:
    for name, body in (("a.txt", LINES), ("b", gzip.compress(LINES))):
        (tmp_path / name).write_bytes(body)
        assert kinds_at(tmp_path / name) == [("jsonl", name)]


def test_gowas_database_is_known_by_its_tables_with_its_neighbour(tmp_path: Path) -> None:
    store = database(tmp_path / "some.db", *GOWA_TABLES)
    whatsapp = database(tmp_path / "whatsapp.db", "CREATE TABLE whatsmeow_device (jid TEXT)")
    assert recognise(store) == [Recognised(kind="gowa", path=store, also=(whatsapp,))]
    assert recognise(tmp_path) == [Recognised(kind="gowa", path=store, also=(whatsapp,))]


def test_another_programs_database_of_messages_is_not_taken_for_gowas(tmp_path: Path) -> None:
    bridge = (
        "CREATE TABLE chats (jid TEXT PRIMARY KEY, name TEXT, last_message_time TIMESTAMP)",
        "CREATE TABLE messages (id TEXT, chat_jid TEXT, sender TEXT, content TEXT, timestamp TIMESTAMP)",
    )
    with pytest.raises(NothingRecognised):
        recognise(database(tmp_path / "messages.db", *bridge), "gowa")


def test_a_folder_of_different_things_is_all_of_them(tmp_path: Path) -> None:
    for name in ("WhatsApp Chat with Ana.txt", "WhatsApp Chat with Bea.txt"):
        (tmp_path / name).write_text(CHAT, "utf-8")
    database(tmp_path / "chatstorage.db", *GOWA_TABLES)
    (tmp_path / "bakery.jsonl").write_bytes(LINES)
    assert kinds_at(tmp_path) == [
        ("gowa", "chatstorage.db"),
        ("jsonl", "bakery.jsonl"),
        ("export", "WhatsApp Chat with Ana.txt"),
        ("export", "WhatsApp Chat with Bea.txt"),
    ]


@pytest.mark.parametrize("body", [b"", b"hello", b"SQLite format 3\0 and no more", b"\x1f\x8b broken", b"%PDF-1.7"])
def test_what_is_nothing_says_what_was_looked_for(tmp_path: Path, body: bytes) -> None:
    (tmp_path / "file").write_bytes(body)
    for path in (tmp_path / "file", tmp_path):
        with pytest.raises(NothingRecognised) as refused:
            recognise(path)
        for kind in KINDS:
            assert kind.looked_for in str(refused.value)


def test_a_zip_without_a_chat_is_nothing_and_a_damaged_one_is_named_when_it_is_read(tmp_path: Path) -> None:
    with pytest.raises(NothingRecognised):
        recognise(zipped(tmp_path / "photos.zip", a__txt="no chat", b__jpg="x"))
    (tmp_path / "cut.zip").write_bytes(b"PK\x03\x04 cut")
    assert kinds_at(tmp_path / "cut.zip") == [("export", "cut.zip")]


def test_a_kind_that_claims_a_folder_keeps_it_from_those_behind_it(tmp_path: Path) -> None:
    inner = tmp_path / "backup"
    inner.mkdir()
    (inner / "notes.txt").write_text(CHAT, "utf-8")
    greedy: ImportKind = structs.replace(
        KINDS[0], name="backup", find=lambda path: [Recognised(kind="backup", path=inner)]
    )
    assert [found.kind for found in recognise(tmp_path, kinds=(greedy, *KINDS))] == ["backup"]


def test_links_and_hidden_files_are_not_looked_at(tmp_path: Path) -> None:
    (tmp_path / "real.txt").write_text(CHAT, "utf-8")
    (tmp_path / ".hidden.txt").write_text(CHAT, "utf-8")
    (tmp_path / "link.txt").symlink_to(tmp_path / "real.txt")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert [path.name for path in files_at(tmp_path)] == ["real.txt"]


def test_a_view_or_virtual_table_is_no_table(tmp_path: Path) -> None:
    path = database(tmp_path / "x.db", "CREATE TABLE real (a)", "CREATE VIEW messages AS SELECT 1 AS id")
    assert columns_of(path) == {"real": frozenset({"a"})}


def test_an_unknown_kind_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(BadField, match=r"must be one of gowa, .*jsonl, export"):
        kind_of("fax")
