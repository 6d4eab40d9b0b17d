"""Imports of Android backups: they match stored messages, resume when interrupted, and can be undone."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from android_files import ROOT_KEY, Msgstore, encrypted, root_key_file, wa_db
from click.testing import CliRunner, Result

from backscroll.cli.main import main as cli
from backscroll.core.errors import BadField, Question, Unreadable
from backscroll.core.model import ArchivedMessage, Org
from backscroll.core.query import ChatQuery
from backscroll.ingest import imports
from backscroll.ingest.connectors.msgstore import database
from backscroll.ingest.databases.msgstore import import_msgstore
from backscroll.ingest.databases.taking import ImportOutcome
from backscroll.storage.files.media import MediaStore
from backscroll.storage.store import Store
from backscroll.storage.write import bulk
from export_desk import BEN, GROUP, IRA, IRA_LID, NINE, Desk, jpeg

MARA = "4915550001001@s.whatsapp.net"
AT = NINE // 1_000_000


@pytest.fixture
def desk(store: Store, org: Org, tmp_path: Path) -> Desk:
    phone = store.add_phone(org.no, "4915550001001", name="Mara")
    return Desk(store, MediaStore(tmp_path / "media", bytes(32)), org, phone, tmp_path)


def take(desk: Desk, path: Path, **options: Any) -> ImportOutcome:
    usual: dict[str, Any] = {"scratch": path.parent / "scratch", "max_media_bytes": 1 << 20}
    taken = import_msgstore(desk.store, desk.media, desk.org.no, desk.phone, path, **usual | options)
    assert list(desk.store.check()) == []
    return taken


def talk(path: Path) -> Msgstore:
    """Four messages with Ben, of which the third was edited, the last one a picture."""
    file = Msgstore(path)
    file.message(BEN, "A1", AT + 5, "Hello Ben", from_me=1, status=13)
    second = file.message(BEN, "A2", AT + 30, "Hello Mara")
    file.reaction(second, "👍", AT + 40, from_me=1)
    file.message(BEN, "A3", AT + 61, "How is the plot?", from_me=1, status=5)
    picture = file.message(BEN, "A4", AT + 185, "Wet", message_type=1)
    file.media(picture, "Media/WhatsApp Images/IMG-20260314-WA0001.jpg", jpeg(), mime_type="image/jpeg")
    return file


EXPORT = (
    "09:00 - Mara: Hello Ben",
    "09:00 - Ben: Hello Mara",
    "09:01 - Mara: How is the plot?",
    "09:03 - Ben: IMG-20260314-WA0001.jpg (file attached)\nWet",
)


def comparable(found: list[ArchivedMessage]) -> list[Any]:
    """Everything that a reader sees of messages, except when they were stored."""
    return [
        (m.message.key, m.message.sent_at, m.message.kind, m.message.text, m.ack, m.message.details.media, m.reactions)
        for m in found
    ]


def test_a_backup_becomes_messages_and_is_taken_once(desk: Desk, tmp_path: Path) -> None:
    path = talk(tmp_path / "msgstore.db").done()
    taken = take(desk, path)
    assert (taken.messages, taken.left_out, taken.resumed) == (4, 0, False)
    assert desk.said(BEN) == ["Hello Ben", "Hello Mara", "How is the plot?", "Wet"]
    first, second, *_ = desk.shown()
    assert (first.message.from_me, first.ack, first.message.sent_at) == (True, 4, (AT + 5) * 1_000_000)
    assert [(reaction.sender, reaction.emoji) for reaction in second.reactions] == [(MARA, "👍")]
    before = comparable(desk.shown())
    take(desk, path)
    assert comparable(desk.shown()) == before


@pytest.mark.parametrize("first", ["backup", "export"])
def test_a_backup_and_an_export_of_one_chat_give_one_archive_in_either_order(
    desk: Desk, tmp_path: Path, first: str
) -> None:
    path = talk(tmp_path / "msgstore.db").done()
    if first == "backup":
        take(desk, path)
    desk.android(*EXPORT, chat=BEN, files={"IMG-20260314-WA0001.jpg": jpeg()})
    if first == "export":
        assert len(desk.shown()) == 4
        take(desk, path)
    found = desk.shown()
    assert [m.message.key.id for m in found] == ["A1", "A2", "A3", "A4"]
    assert [m.message.text for m in found] == ["Hello Ben", "Hello Mara", "How is the plot?", "Wet"]
    assert [m.message.sent_at // 1_000_000 - AT for m in found] == [5, 30, 61, 185]
    media = found[3].message.details.media
    assert media is not None
    assert media.file is not None
    assert media.mimetype == "image/jpeg"
    (chat,) = desk.store.list_chats(ChatQuery(org=desk.org.no, phones=(desk.phone.no,))).chats
    assert chat.messages == 4


def test_what_a_live_source_told_is_the_same_message(desk: Desk, tmp_path: Path) -> None:
    desk.live("A2", 30, "Hello Mara")
    desk.live("A9", 300, "Later")
    take(desk, talk(tmp_path / "msgstore.db").done())
    assert [m.message.key.id for m in desk.shown()] == ["A1", "A2", "A3", "A4", "A9"]
    assert [reaction.emoji for reaction in desk.shown()[1].reactions] == ["👍"]


def test_a_deletion_in_the_backup_marks_what_another_source_kept(desk: Desk, tmp_path: Path) -> None:
    desk.live("A2", 30, "Hello Mara")
    file = Msgstore(tmp_path / "msgstore.db")
    deleted = file.message(BEN, "D2", AT + 30, message_type=15)
    file.row("message_revoked", message_row_id=deleted, revoked_key_id="A2", revoke_timestamp=(AT + 50) * 1000)
    take(desk, file.done())
    (found,) = desk.shown()
    assert (found.message.text, found.deleted, found.deleted_at) == ("Hello Mara", True, (AT + 50) * 1_000_000)


def test_a_hidden_id_and_its_number_are_one_person(desk: Desk, tmp_path: Path) -> None:
    desk.live("B1", 1, "Under my number", sender=IRA, chat=IRA)
    file = Msgstore(tmp_path / "msgstore.db")
    file.row("jid_map", lid_row_id=file.jid(IRA_LID), jid_row_id=file.jid(IRA))
    file.message(IRA_LID, "B2", AT + 2, "Under my hidden id")
    file.message(GROUP, "B3", AT + 3, "In the group", sender=IRA_LID)
    names = wa_db(tmp_path / "wa.db")
    names.row("wa_contacts", jid=IRA, is_whatsapp_user=1, display_name="Ira Plot")
    take(desk, file.done(), wa_db=names.done())
    assert desk.said(IRA) == ["Under my number", "Under my hidden id"]
    assert [(m.message.key.sender, m.sender_name) for m in desk.shown(GROUP)] == [(IRA, "Ira Plot")]


@pytest.mark.parametrize("root", ["", "Media", "Android"])
def test_files_are_found_wherever_the_folder_begins(desk: Desk, tmp_path: Path, root: str) -> None:
    folder = tmp_path / "phone" / ("WhatsApp/Media" if root == "Android" else "Media") / "WhatsApp Images"
    folder.mkdir(parents=True)
    (folder / "IMG-20260314-WA0001.jpg").write_bytes(jpeg())
    taken = take(
        desk, talk(tmp_path / "msgstore.db").done(), folder=tmp_path / "phone" / ("Media" if root == "Media" else "")
    )
    assert (taken.files, taken.files_missing) == (1, 0)
    media = desk.shown()[3].message.details.media
    assert media is not None
    assert media.file is not None
    assert desk.media.path(desk.org.no, media.file).read_bytes() == jpeg()


def test_a_file_that_is_another_is_left_out_and_named(desk: Desk, tmp_path: Path) -> None:
    folder = tmp_path / "Media" / "WhatsApp Images"
    folder.mkdir(parents=True)
    (folder / "IMG-20260314-WA0001.jpg").write_bytes(jpeg("blue"))
    taken = take(desk, talk(tmp_path / "msgstore.db").done(), folder=tmp_path)
    assert taken.files == 0
    assert "not the file that was sent (its hash differs)" in taken.problems[0]


@pytest.mark.parametrize(
    "path",
    ["../secret.txt", "Media/../../secret.txt", "/etc/passwd", "Media//secret.txt", "Media/link.txt", "Media/pipe"],
)
def test_no_file_outside_the_folder_is_ever_read(desk: Desk, tmp_path: Path, path: str) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "phone" / "Media").mkdir(parents=True)
    (tmp_path / "phone" / "Media" / "link.txt").symlink_to(tmp_path / "secret.txt")
    os.mkfifo(tmp_path / "phone" / "Media" / "pipe")
    file = Msgstore(tmp_path / "msgstore.db")
    file.media(file.message(BEN, "A1", AT, message_type=9), path)
    taken = take(desk, file.done(), folder=tmp_path / "phone")
    assert (taken.files, taken.files_missing) == (0, 1)


def test_an_encrypted_backup_is_opened_and_leaves_nothing_behind(desk: Desk, tmp_path: Path) -> None:
    plain = talk(tmp_path / "msgstore.db").done()
    path = tmp_path / "msgstore.db.crypt15"
    path.write_bytes(encrypted(plain.read_bytes(), "crypt15"))
    names = wa_db(tmp_path / "wa.db")
    names.row("wa_contacts", jid=BEN, is_whatsapp_user=1, display_name="Ben Bean")
    sealed = tmp_path / "wa.db.crypt15"
    sealed.write_bytes(encrypted(names.done().read_bytes(), "crypt15"))
    take(desk, path, key=ROOT_KEY.hex(), wa_db=sealed)
    assert len(desk.shown()) == 4
    assert desk.shown()[1].sender_name == "Ben Bean"
    assert list((tmp_path / "scratch").iterdir()) == []
    (entry,) = desk.store.list_imports(desk.org.no)
    assert ROOT_KEY.hex() not in str(entry)


def test_without_the_key_it_is_asked_for_and_with_a_wrong_one_nothing_is_begun(desk: Desk, tmp_path: Path) -> None:
    plain = talk(tmp_path / "msgstore.db").done()
    path = tmp_path / "msgstore.db.crypt15"
    path.write_bytes(encrypted(plain.read_bytes(), "crypt15"))
    with pytest.raises(Question, match="encrypted"):
        take(desk, path)
    with pytest.raises((BadField, Unreadable), match="key"):
        take(desk, path, key="00" * 32)
    path.write_bytes(encrypted(plain.read_bytes(), "crypt15", ending="77"))
    with pytest.raises(BadField, match="not the number of this backup, which ends in 77"):
        take(desk, path, key=ROOT_KEY.hex())
    assert desk.store.list_imports(desk.org.no) == []
    assert list((tmp_path / "scratch").iterdir()) == []


def test_an_import_that_was_cut_goes_on_and_is_one_import(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = Msgstore(tmp_path / "msgstore.db")
    for number in range(20):
        file.message(BEN, f"A{number}", AT + number, f"line {number}")
    path = file.done()
    monkeypatch.setattr(bulk, "LARGEST", 1)
    monkeypatch.setattr(database, "BATCH", 5)
    read = database.read
    monkeypatch.setattr(database, "read", lambda *a, **o: read(*a, batch_size=5, **o))

    def cut(done: int, whole: int | None) -> None:
        assert whole == 20
        if done == 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        take(desk, path, progress=cut)
    assert len(desk.shown()) == 10
    taken = take(desk, path)
    assert (taken.resumed, taken.messages, taken.import_id) == (True, 10, 1)
    assert len(desk.shown()) == 20
    (entry,) = desk.store.list_imports(desk.org.no)
    assert entry.state == "done"
    imports.undo(desk.store, desk.media, desk.org.no, entry.id)
    assert desk.shown() == []
    assert list(desk.store.check()) == []
    assert take(desk, path).messages == 20


def test_a_backup_is_taken_back_with_its_files(desk: Desk, tmp_path: Path) -> None:
    folder = tmp_path / "Media" / "WhatsApp Images"
    folder.mkdir(parents=True)
    (folder / "IMG-20260314-WA0001.jpg").write_bytes(jpeg())
    desk.live("A2", 30, "Hello Mara")
    before = comparable(desk.shown())
    taken = take(desk, talk(tmp_path / "msgstore.db").done(), folder=tmp_path)
    imports.undo(desk.store, desk.media, desk.org.no, taken.import_id or 0)
    assert comparable(desk.shown()) == before
    assert list(desk.media.files(desk.org.no)) == []


def test_rows_that_cannot_be_read_are_in_quarantine(desk: Desk, tmp_path: Path) -> None:
    file = talk(tmp_path / "msgstore.db")
    file.message(BEN, "A5", 0, "Without a time")
    file.message(BEN, "A6", AT, "x" * 600, sender=None)
    file.db.execute("UPDATE message SET key_id = ? WHERE key_id = 'A6'", ("y" * 600,))
    taken = take(desk, file.done())
    assert (taken.messages, taken.left_out) == (4, 2)
    assert len(desk.store.list_quarantined(desk.org.no)) == 2


# The command


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Result]:
    def run(*words: str, code: int = 0, env: dict[str, str] | None = None) -> Result:
        settings = {"BACKSCROLL_DATA": str(tmp_path / "archive")} | (env or {})
        result = CliRunner().invoke(cli, words, env=settings)
        assert result.exit_code == code, result.output
        return result

    run("org", "create", "Garden")
    run("phone", "add", "--number", "4915550001001")
    return run


def test_the_command_imports_with_the_key_from_a_file_or_a_variable(run: Any, tmp_path: Path) -> None:
    plain = talk(tmp_path / "msgstore.db").done()
    path = tmp_path / "msgstore.db.crypt15"
    path.write_bytes(encrypted(plain.read_bytes(), "crypt15"))
    words = ("import", "msgstore", str(path), "--phone", "4915550001001")
    asked = run(*words, code=2)
    assert "Answer with --key, with the 64 digits or the path of the key file." in asked.stderr
    key = str(root_key_file(tmp_path / "encrypted_backup.key"))
    shown = json.loads(run(*words, "--key", key, "--json").stdout)
    assert (shown["org"], shown["messages"], shown["import_id"]) == ("Garden", 4, 1)
    again = run(*words, env={"BACKSCROLL_BACKUP_KEY": ROOT_KEY.hex()})
    assert "4 messages read" in again.stdout
    assert ROOT_KEY.hex() not in again.output
    assert [entry["kind"] for entry in json.loads(run("import", "list", "--json").stdout)] == ["msgstore", "msgstore"]


def test_the_command_names_a_wrong_key_and_a_missing_phone(run: Any, tmp_path: Path) -> None:
    plain = talk(tmp_path / "msgstore.db").done()
    path = tmp_path / "msgstore.db.crypt14"
    path.write_bytes(encrypted(plain.read_bytes(), "crypt14"))
    words = ("import", "msgstore", str(path), "--key", "ab" * 32)
    assert "crypt14 needs the file" in run(*words, "--phone", "4915550001001", code=2).stderr
    assert "add it with: backscroll phone add" in run(*words, "--phone", "4915550009999", code=1).stderr
