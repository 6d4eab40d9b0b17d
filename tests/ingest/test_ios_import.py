"""Imports of iPhone backups: found in Finder's folder, with their files; they match messages that are stored."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from android_files import Msgstore
from click.testing import CliRunner, Result
from iphone_files import BUSINESS, PASSWORD, ChatStorage, backup, blob, contacts, sealed_backup

from backscroll.cli.main import main as cli
from backscroll.core.errors import BadField, Question, Unreadable
from backscroll.core.model import Org
from backscroll.ingest import imports
from backscroll.ingest.connectors.ios import database
from backscroll.ingest.databases.iphone import import_ios, place_of
from backscroll.ingest.databases.taking import ImportOutcome
from backscroll.ingest.importing.kind import Plan, Task
from backscroll.ingest.importing.registry import kind_of, recognise
from backscroll.storage.files.media import MediaStore
from backscroll.storage.store import Store
from export_desk import BEN, NINE, Desk, jpeg

NUMBER = "4915550001001"
MARA = f"{NUMBER}@s.whatsapp.net"
AT = NINE // 1_000_000
PICTURE = "Media/4915550001002@s.whatsapp.net/a/b/c0ffee.jpg"


@pytest.fixture
def desk(store: Store, org: Org, tmp_path: Path) -> Desk:
    phone = store.add_phone(org.no, NUMBER, name="Mara")
    return Desk(store, MediaStore(tmp_path / "media", bytes(32)), org, phone, tmp_path)


def take(desk: Desk, path: Path, **options: Any) -> ImportOutcome:
    usual: dict[str, Any] = {"scratch": desk.media.root.parent / "scratch", "max_media_bytes": 1 << 20}
    taken = import_ios(desk.store, desk.media, desk.org.no, path, **usual | options)
    assert list(desk.store.check()) == []
    return taken


def talk(path: Path, to: str | None = MARA) -> ChatStorage:
    """Four messages with Ben, to one of which Mara reacted, the last one a picture."""
    file = ChatStorage(path)
    file.message(BEN, "A1", AT + 5, "Hello Ben", ZISFROMME=1)
    second = file.message(BEN, "A2", AT + 30, "Hello Mara", ZTOJID=to)
    file.receipts(second, blob((7, blob((2, blob((1, "R1"), (2, "👍"), (3, (AT + 40) * 1000)))))))
    file.message(BEN, "A3", AT + 61, "How is the plot?", ZISFROMME=1)
    picture = file.message(BEN, "A4", AT + 185, ZMESSAGETYPE=1, ZTOJID=to)
    told = {"ZFILESIZE": len(jpeg()), "ZVCARDSTRING": "image/jpeg", "ZTITLE": "Wet"}
    file.media(picture, ZMEDIALOCALPATH=PICTURE, **told)
    return file


def files_of(tmp_path: Path) -> dict[str, bytes]:
    """The files of a phone: messages, names, the picture."""
    book = contacts(tmp_path / "book")
    book.row("ZWAADDRESSBOOKCONTACT", ZFULLNAME="Ben Bean", ZWHATSAPPID=BEN)
    return {
        "ChatStorage.sqlite": talk(tmp_path / "chats").done().read_bytes(),
        "ContactsV2.sqlite": book.done().read_bytes(),
        f"Message/{PICTURE}": jpeg(),
    }


def phone_of(tmp_path: Path, **options: Any) -> Path:
    return backup(tmp_path / "phones" / "0000-backup", files_of(tmp_path), **options)


def sealed_phone(tmp_path: Path) -> Path:
    return sealed_backup(tmp_path / "phones" / "0000-sealed", files_of(tmp_path))


@pytest.mark.parametrize("domain", [None, BUSINESS])
def test_a_backup_becomes_messages_with_names_and_files(desk: Desk, tmp_path: Path, domain: str | None) -> None:
    path = phone_of(tmp_path, **({"domain": domain} if domain else {}))
    before = {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
    taken = take(desk, path)
    assert (taken.messages, taken.files, taken.files_missing, taken.left_out) == (4, 1, 0, 0)
    found = desk.shown()
    assert [m.message.text for m in found] == ["Hello Ben", "Hello Mara", "How is the plot?", "Wet"]
    assert [m.message.from_me for m in found] == [True, False, True, False]
    assert [(reaction.sender, reaction.emoji) for reaction in found[1].reactions] == [(MARA, "👍")]
    assert found[1].sender_name == "Ben Bean"
    media = found[3].message.details.media
    assert media is not None
    assert media.file is not None
    assert {file: file.read_bytes() for file in path.rglob("*") if file.is_file()} == before
    take(desk, path)
    assert [m.message.key.id for m in desk.shown()] == ["A1", "A2", "A3", "A4"]
    assert {entry.file for entry in desk.store.list_imports(desk.org.no)} == {"0000-backup/ChatStorage.sqlite"}


def test_what_a_live_source_told_is_the_same_message(desk: Desk, tmp_path: Path) -> None:
    desk.live("A2", 30, "Hello Mara")
    desk.live("A9", 300, "Later")
    take(desk, talk(tmp_path / "ChatStorage.sqlite").done())
    assert [m.message.key.id for m in desk.shown()] == ["A1", "A2", "A3", "A4", "A9"]


@pytest.mark.parametrize("first", ["backup", "export"])
def test_a_backup_and_an_export_of_one_chat_give_one_archive_in_either_order(
    desk: Desk, tmp_path: Path, first: str
) -> None:
    path = phone_of(tmp_path)
    lines = ("09:00 - Mara: Hello Ben", "09:00 - Ben: Hello Mara", "09:01 - Mara: How is the plot?")
    picture = "09:03 - Ben: IMG-20260314-WA0001.jpg (file attached)\nWet"
    if first == "backup":
        take(desk, path)
    desk.android(*lines, picture, chat=BEN, files={"IMG-20260314-WA0001.jpg": jpeg()})
    if first == "export":
        take(desk, path)
    found = desk.shown()
    assert [m.message.key.id for m in found] == ["A1", "A2", "A3", "A4"]
    assert [m.message.sent_at // 1_000_000 - AT for m in found] == [5, 30, 61, 185]


def test_what_stands_in_the_log_beside_the_database_is_read_too(desk: Desk, tmp_path: Path) -> None:
    """Finder copies the database and its write-ahead log as two files with unrelated names."""
    db = sqlite3.connect(talk(tmp_path / "chats").done())
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA wal_autocheckpoint = 0")
    db.execute("UPDATE ZWAMESSAGE SET ZTEXT = 'Only in the log' WHERE ZSTANZAID = 'A3'")
    db.commit()
    files = {"ChatStorage.sqlite": "chats", "ChatStorage.sqlite-wal": "chats-wal"}
    path = backup(tmp_path / "phone", {name: (tmp_path / there).read_bytes() for name, there in files.items()})
    db.close()
    take(desk, path)
    assert desk.said(BEN)[2] == "Only in the log"


def test_the_apps_own_folder_is_read_as_it_is(desk: Desk, tmp_path: Path) -> None:
    """WhatsApp for Mac has such a folder, and other tools copy it out of a backup."""
    folder = tmp_path / "group.net.whatsapp.WhatsApp.shared"
    (folder / "Message" / PICTURE).parent.mkdir(parents=True)
    (folder / "Message" / PICTURE).write_bytes(jpeg())
    talk(folder / "ChatStorage.sqlite").done()
    assert take(desk, folder).files == 1
    assert [(found.kind, found.path.name) for found in recognise(folder)] == [("ios", "ChatStorage.sqlite")]


def test_files_may_lie_elsewhere(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "phone" / PICTURE).parent.mkdir(parents=True)
    (tmp_path / "phone" / PICTURE).write_bytes(jpeg())
    path = talk(tmp_path / "ChatStorage.sqlite").done()
    assert take(desk, path).files_missing == 1
    assert take(desk, path, folder=tmp_path / "phone").files == 1


def test_an_encrypted_backup_opens_with_its_password(desk: Desk, tmp_path: Path) -> None:
    path = sealed_phone(tmp_path)
    with pytest.raises(Question, match="is encrypted") as asked:
        take(desk, path)
    assert asked.value.name == "password"
    with pytest.raises(BadField, match="does not open this backup"):
        take(desk, path, password="wrong")
    assert desk.store.list_imports(desk.org.no) == []
    taken = take(desk, path, password=PASSWORD)
    assert (taken.messages, taken.files, taken.files_missing) == (4, 1, 0)
    assert desk.said(BEN) == ["Hello Ben", "Hello Mara", "How is the plot?", "Wet"]
    assert desk.shown()[1].sender_name == "Ben Bean"
    media = desk.shown()[3].message.details.media
    assert media is not None
    assert (media.size, media.mimetype) == (len(jpeg()), "image/jpeg")
    assert list((tmp_path / "scratch").iterdir()) == []
    assert PASSWORD not in repr(desk.store.list_imports(desk.org.no))


@pytest.mark.parametrize("missing", ["Manifest.plist", "Manifest.db"])
def test_an_encrypted_backup_without_its_keys_or_list_is_refused(desk: Desk, tmp_path: Path, missing: str) -> None:
    path = sealed_phone(tmp_path)
    (path / missing).unlink()
    with pytest.raises(Unreadable, match="copy the whole folder"):
        take(desk, path, password=PASSWORD)


@pytest.mark.parametrize("damage", ["cut", "changed", "list"])
def test_a_damaged_encrypted_backup_is_refused(desk: Desk, tmp_path: Path, damage: str) -> None:
    path = sealed_phone(tmp_path)
    place = place_of(path)
    assert place is not None
    file = path / "Manifest.db" if damage == "list" else place.chats
    content = file.read_bytes()
    file.write_bytes(content[:-5] if damage == "cut" else bytes(32) + content[32:])
    with pytest.raises(Unreadable):
        take(desk, path, password=PASSWORD)
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_cut_file_of_an_encrypted_backup_costs_no_message(desk: Desk, tmp_path: Path) -> None:
    path = sealed_phone(tmp_path)
    place = place_of(path)
    assert place is not None
    picture = place.find(f"Message/{PICTURE}")
    assert picture is not None
    picture.write_bytes(picture.read_bytes()[:-3])
    taken = take(desk, path, password=PASSWORD)
    assert (taken.messages, taken.files, taken.files_missing) == (4, 0, 1)


def test_the_password_is_asked_for_and_a_wrong_one_again(store: Store, org: Org, tmp_path: Path) -> None:
    path = sealed_phone(tmp_path)
    (found,) = recognise(path)
    media = MediaStore(tmp_path / "archive" / "media", bytes(32))

    def plan(**answers: str) -> Plan:
        task = Task(store=store, media=media, org=org, found=found, answers=answers, asks=True, max_media_bytes=1)
        return kind_of("ios").plan(task)

    (asked,) = plan().questions
    assert (asked.name, asked.type, asked.evidence) == ("password", "secret", ())
    (again,) = plan(password="wrong").questions
    assert (again.name, "does not open" in again.evidence[0]) == ("password", True)
    ready = plan(password=PASSWORD)
    assert (ready.questions, ready.decided, ready.preview.messages) == ((), {"phone": MARA}, 4)
    assert ready.preview.samples[0].text == "Hello Ben"
    assert PASSWORD not in repr(ready)


def test_a_folder_without_whatsapp_is_refused(desk: Desk, tmp_path: Path) -> None:
    path = backup(tmp_path / "phone", {"Notes.sqlite": b"x"})
    with pytest.raises(Unreadable, match="there is no WhatsApp in it"):
        take(desk, path)


def test_paths_out_of_the_folder_lead_nowhere(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").write_bytes(jpeg())
    folder = tmp_path / "app"
    folder.mkdir()
    file = talk(folder / "ChatStorage.sqlite")
    file.db.execute("UPDATE ZWAMEDIAITEM SET ZMEDIALOCALPATH = '../secret.jpg'")
    assert take(desk, file.done()).files == 0


def test_an_import_that_was_cut_goes_on(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = ChatStorage(tmp_path / "ChatStorage.sqlite")
    for number in range(30):
        file.message(BEN, f"C{number:02}", AT + number, f"{number}", ZTOJID=MARA)
    path = file.done()
    read, places = database.read, []

    def cut(files: database.Files, **options: Any) -> Any:
        places.append(options["after"])
        for count, piece in enumerate(read(files, batch_size=10, **options)):
            if len(places) == 1 and count == 3:
                raise OSError("the cable was pulled")
            yield piece

    monkeypatch.setattr(database, "read", cut)
    with pytest.raises(OSError, match="cable"):
        take(desk, path)
    taken = take(desk, path)
    assert (taken.resumed, taken.messages, places) == (True, 20, [None, "ZWAMESSAGE:10"])
    assert len(desk.shown()) == 30
    assert len(desk.store.list_imports(desk.org.no)) == 1
    (entry,) = desk.store.list_imports(desk.org.no)
    imports.undo(desk.store, desk.media, desk.org.no, entry.id)
    assert desk.shown() == []


@pytest.fixture
def command(tmp_path: Path) -> Callable[..., Result]:
    def run(*words: str, code: int = 0, env: dict[str, str] | None = None) -> Result:
        result = CliRunner().invoke(cli, words, env={"BACKSCROLL_DATA": str(tmp_path / "archive")} | (env or {}))
        assert result.exit_code == code, result.output
        return result

    run("org", "create", "Garden")
    return run


def test_the_command_makes_the_phone_that_the_backup_names(command: Any, tmp_path: Path) -> None:
    path = phone_of(tmp_path)
    shown = json.loads(command("import", "ios", str(path), "--json").stdout)
    assert (shown["messages"], shown["files"]) == (4, 1)
    assert NUMBER in command("phone", "list").stdout
    other = talk(tmp_path / "ChatStorage.sqlite", to=None).done()
    assert "--phone NUMBER" in command("import", "ios", str(other), code=2).stderr
    assert "4 messages read" in command("import", "ios", str(other), "--phone", NUMBER).stdout


def test_the_command_takes_the_password_from_the_environment(command: Any, tmp_path: Path) -> None:
    path = sealed_phone(tmp_path)
    assert "--password" in command("import", "ios", str(path), code=2).stderr
    told = command("import", "ios", str(path), env={"BACKSCROLL_BACKUP_PASSWORD": PASSWORD}).stdout
    assert "4 messages read" in told
    asked = command("import", str(path), code=2).stderr
    assert "backscroll import ios BACKUP --password PASSWORD" in asked


def test_the_bare_command_recognises_backups_also_in_the_folder_of_all(command: Any, tmp_path: Path) -> None:
    phone_of(tmp_path)
    shown = json.loads(command("import", str(tmp_path / "phones"), "--json").stdout)
    assert [(item["kind"], item["state"]) for item in shown["items"]] == [("ios", "done")]
    talk(tmp_path / "unknown.bin", to=None).done()
    assert "--phone NUMBER" in command("import", str(tmp_path / "unknown.bin"), code=2).stderr


def test_whatever_else_a_backup_holds_belongs_to_it(tmp_path: Path) -> None:
    """Files of other apps, and documents that were sent, are in it with hashes as names."""
    exported = b"14/03/2026, 09:00 - Mara: Hello Ben"
    files = files_of(tmp_path) | {
        "Message/Media/x/chat.txt": exported,
        "other.sqlite": Msgstore(tmp_path / "m").done().read_bytes(),
    }
    path = backup(tmp_path / "phones" / "0000-backup", files)
    assert [(found.kind, found.path) for found in recognise(tmp_path / "phones")] == [("ios", path)]


def test_number_of_a_backup_is_asked(store: Store, org: Org, tmp_path: Path) -> None:
    with pytest.raises(Question, match="Whose messages"):
        import_ios(
            store,
            MediaStore(tmp_path / "media", bytes(32)),
            org.no,
            talk(tmp_path / "ChatStorage.sqlite", to=None).done(),
            scratch=tmp_path / "scratch",
            max_media_bytes=1,
        )
