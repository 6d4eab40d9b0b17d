"""Databases of phones and programs as kinds of import: recognised by content, with questions, imported as jobs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from android_files import ROOT_KEY, Msgstore, encrypted, key_file, root_key_file, wa_db
from click.testing import CliRunner, Result
from gowa_files import ChatStorage
from msgspec import structs
from whatsmeow_files import GoFile, session

from backscroll.cli.main import main as cli
from backscroll.core.errors import BadField, Question
from backscroll.core.model import Org
from backscroll.core.query import MessageQuery
from backscroll.ingest.importing.kind import Outcome, Plan, Task, Work
from backscroll.ingest.importing.registry import KINDS, kind_of, recognise
from backscroll.storage.files.media import MediaStore
from backscroll.storage.store import Store
from export_desk import BEN, NINE, jpeg

NUMBER = "4915550001001"
AT = NINE // 1_000_000


def backup(path: Path) -> Path:
    file = Msgstore(path)
    file.message(BEN, "A1", AT, "Hello Mara")
    picture = file.message(BEN, "A2", AT + 9, "Look", message_type=1)
    file.media(picture, "Media/WhatsApp Images/IMG-1.jpg", jpeg(), mime_type="image/jpeg")
    return file.done()


def sealed(path: Path, plain: Path, scheme: Any = "crypt15") -> Path:
    path.write_bytes(encrypted(plain.read_bytes(), scheme))
    plain.unlink()
    return path


def bridge(path: Path) -> Path:
    told = {"sender": BEN, "content": "Hello Mara", "timestamp": "2026-03-14 09:00:00+00:00", "is_from_me": 0}
    return GoFile(path, "bridge").row("messages", id="A1", chat_jid=BEN, **told).done()


def task(store: Store, org: Org, path: Path, tmp_path: Path, **answers: Any) -> Task:
    (found,) = recognise(path)
    media = MediaStore(tmp_path / "archive" / "media", bytes(32))
    asks = answers.pop("asks", True)
    return Task(store=store, media=media, org=org, found=found, answers=answers, asks=asks, max_media_bytes=1 << 20)


def planned(given: Task) -> Plan:
    return kind_of(given.found.kind).plan(given)


def run(given: Task, plan: Plan) -> Outcome:
    entry = given.store.begin_import(given.org.no, plan.source)
    telling = structs.replace(given, store=given.store.as_import(entry.id))
    outcome = kind_of(given.found.kind).run(Work(task=telling, import_id=entry.id, decided=plan.decided))
    given.store.finish_import(given.org.no, entry.id, outcome.report)
    assert list(given.store.check()) == []
    return outcome


def texts(store: Store, org: Org) -> list[str | None]:
    phones = tuple(phone.no for phone in store.list_phones(org.no))
    return [found.message.text for found in store.list_messages(MessageQuery(org=org.no, phones=phones)).messages]


def test_each_database_is_recognised_by_its_content_whatever_it_is_called(tmp_path: Path) -> None:
    made: dict[str, Callable[[Path], Path]] = {
        "gowa": lambda path: ChatStorage(path, "9.2", device="628111@s.whatsapp.net").done(),
        "msgstore": backup,
        "wacli": lambda path: GoFile(path, "wacli").done(),
        "whatsapp-mcp": bridge,
        "waha": lambda path: GoFile(path, "noweb").done(),
    }
    for name, make in made.items():
        (tmp_path / name).mkdir()
        assert [found.kind for found in recognise(make(tmp_path / name / "data.bin"))] == [name]
    GoFile(tmp_path / "gows.db", "gows").done()
    session(tmp_path / "session.db", NUMBER)
    kinds = sorted(found.kind for found in recognise(tmp_path))
    assert kinds == ["gowa", "msgstore", "wacli", "waha", "waha", "whatsapp-mcp"]
    assert {"msgstore", "wacli", "whatsapp-mcp", "waha"} <= {kind.name for kind in KINDS}


def test_a_phones_folder_is_one_import_with_its_names_key_and_files(store: Store, org: Org, tmp_path: Path) -> None:
    phone = tmp_path / "WhatsApp"
    (phone / "Databases").mkdir(parents=True)
    (phone / "Media" / "WhatsApp Images").mkdir(parents=True)
    (phone / "Media" / "WhatsApp Images" / "IMG-1.jpg").write_bytes(jpeg())
    sealed(phone / "Databases" / "msgstore.db.crypt15", backup(tmp_path / "plain.db"))
    names = wa_db(tmp_path / "names.db")
    names.row("wa_contacts", jid=BEN, is_whatsapp_user=1, display_name="Ben Bean")
    sealed(phone / "wa.db.crypt15", names.done())
    root_key_file(phone / "encrypted_backup.key")
    given = task(store, org, phone, tmp_path, phone=NUMBER)
    plan = planned(given)
    assert (plan.questions, plan.preview.phones) == ((), (NUMBER,))
    outcome = run(given, plan)
    assert (outcome.files, outcome.report["messages"], outcome.notes) == (1, 2, ())
    assert texts(store, org) == ["Look", "Hello Mara"]
    assert [person.name for person in [store.find_contact(org.no, (1,), BEN)] if person] == ["Ben Bean"]
    assert list((tmp_path / "archive" / ".scratch").iterdir()) == []


def test_number_and_key_are_asked_for_and_a_wrong_key_again(store: Store, org: Org, tmp_path: Path) -> None:
    path = sealed(tmp_path / "backup", backup(tmp_path / "plain.db"))
    plan = planned(task(store, org, path, tmp_path))
    assert [(asked.name, asked.type) for asked in plan.questions] == [("phone", "choice"), ("key", "secret")]
    assert plan.preview.notes[0] == "encrypted (crypt15)"
    for wrong, problem in (("00" * 32, "does not open"), (str(tmp_path / "key"), "must be the 64 digits")):
        (asked,) = planned(task(store, org, path, tmp_path, phone=NUMBER, key=wrong)).questions
        assert (asked.name, problem in asked.evidence[0]) == ("key", True)
    with pytest.raises(BadField, match="which ends in 01"):
        planned(task(store, org, path, tmp_path, phone="4915550001002", key=ROOT_KEY.hex()))
    given = task(store, org, path, tmp_path, phone=NUMBER, key=ROOT_KEY.hex())
    plan = planned(given)
    assert ROOT_KEY.hex() not in repr(plan)
    run(given, plan)
    assert texts(store, org) == ["Look", "Hello Mara"]
    assert ROOT_KEY.hex() not in repr(store.list_imports(org.no))


def test_the_name_of_a_file_is_never_taken_for_a_key(store: Store, org: Org, tmp_path: Path) -> None:
    """A client that answers over HTTP must not be able to read the server's files."""
    (tmp_path / "a").mkdir()
    path = sealed(tmp_path / "a" / "backup", backup(tmp_path / "x"))
    elsewhere = root_key_file(tmp_path / "encrypted_backup.key")
    (asked,) = planned(task(store, org, path, tmp_path, phone=NUMBER, key=str(elsewhere))).questions
    assert asked.evidence == ("key: must be the 64 digits of the backup, or its key file uploaded beside it",)


def test_crypt14_opens_with_the_key_file_beside_it(store: Store, org: Org, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    path = sealed(tmp_path / "a" / "msgstore.db.crypt14", backup(tmp_path / "x"), "crypt14")
    key_file(tmp_path / "a" / "key")
    given = task(store, org, path, tmp_path, phone=NUMBER)
    run(given, planned(given))
    assert texts(store, org) == ["Look", "Hello Mara"]


def test_the_own_number_is_asked_for_where_a_bridge_does_not_tell_it(store: Store, org: Org, tmp_path: Path) -> None:
    path = bridge(tmp_path / "messages.db")
    (asked,) = planned(task(store, org, path, tmp_path)).questions
    assert (asked.name, asked.free) == ("phone", True)
    with pytest.raises(Question, match="--phone NUMBER"):
        planned(task(store, org, path, tmp_path, asks=False))
    given = task(store, org, path, tmp_path, phone=NUMBER)
    plan = planned(given)
    assert (plan.preview.messages, plan.preview.samples[0].text) == (1, "Hello Mara")
    run(given, plan)
    assert texts(store, org) == ["Hello Mara"]
    assert [phone.number for phone in store.list_phones(org.no)] == [NUMBER]


@pytest.fixture
def command(tmp_path: Path) -> Callable[..., Result]:
    def run(*words: str, code: int = 0) -> Result:
        result = CliRunner().invoke(cli, words, env={"BACKSCROLL_DATA": str(tmp_path / "archive")})
        assert result.exit_code == code, result.output
        return result

    run("org", "create", "Garden")
    run("phone", "add", "--number", NUMBER)
    return run


def test_the_bare_command_recognises_and_says_what_is_missing(command: Any, tmp_path: Path) -> None:
    (tmp_path / "given").mkdir()
    path = backup(tmp_path / "given" / "unknown.bin")
    assert "--phone NUMBER" in command("import", str(path), code=2).stderr
    assert "2 messages read" in command("import", str(path), "--phone", NUMBER).stdout
    locked = sealed(tmp_path / "given" / "b.crypt15", backup(tmp_path / "x"))
    asked = command("import", str(locked), "--phone", NUMBER, code=2).stderr
    assert "backscroll import msgstore FILE --phone NUMBER --key KEY" in asked
    session(tmp_path / "given" / "session.db", NUMBER)
    GoFile(tmp_path / "given" / "wacli.db", "wacli").done()
    shown = json.loads(command("import", str(tmp_path / "given" / "wacli.db"), "--json").stdout)
    assert [(item["kind"], item["state"]) for item in shown["items"]] == [("wacli", "done")]
