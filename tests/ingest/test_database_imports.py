"""Imports of other programs' databases: they match stored messages, resume when interrupted, and can be undone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from whatsmeow_files import GoFile, session

from backscroll.cli.main import main as cli
from backscroll.core.errors import Question
from backscroll.core.model import Org
from backscroll.ingest import imports
from backscroll.ingest.databases.files import KINDS, import_files
from backscroll.ingest.databases.taking import ImportOutcome
from backscroll.storage.files.media import MediaStore
from backscroll.storage.store import Store
from export_desk import BEN, GROUP, IRA, IRA_LID, NINE, Desk, jpeg

NUMBER = "4915550001001"
AT = NINE // 1_000_000


@pytest.fixture
def desk(store: Store, org: Org, tmp_path: Path) -> Desk:
    phone = store.add_phone(org.no, NUMBER, name="Mara")
    return Desk(store, MediaStore(tmp_path / "media", bytes(32)), org, phone, tmp_path)


def take(desk: Desk, kind: str, path: Path, **options: Any) -> ImportOutcome:
    usual: dict[str, Any] = {"max_media_bytes": 1 << 20}
    taken = import_files(desk.store, desk.media, desk.org.no, KINDS[kind], path, **usual | options)
    assert list(desk.store.check()) == []
    return taken


def wacli(path: Path) -> GoFile:
    file = GoFile(path, "wacli")
    rows: list[dict[str, Any]] = [
        {"chat_jid": BEN, "msg_id": "A1", "sender_jid": BEN, "ts": AT, "from_me": 0, "text": "Hello Mara"},
        {"chat_jid": BEN, "msg_id": "A2", "ts": AT + 61, "from_me": 1, "text": "Hello Ben"},
        {"chat_jid": BEN, "msg_id": "R1", "ts": AT + 70, "from_me": 1, "reaction_to_id": "A1", "reaction_emoji": "👍"},
        {"chat_jid": GROUP, "msg_id": "A3", "sender_jid": IRA_LID, "ts": AT + 80, "from_me": 0, "text": "All"},
        {"chat_jid": BEN, "msg_id": "A4", "sender_jid": BEN, "ts": AT + 185, "from_me": 0, "media_type": "image",
         "local_path": "/home/mara/.wacli/media/ben/A4.jpg", "mime_type": "image/jpeg",
         "file_sha256": hashlib.sha256(jpeg()).digest()},
    ]  # fmt: skip
    for row in rows:
        file.row("messages", **row)
    session(path.with_name("session.db"), NUMBER, lids={IRA_LID.partition("@")[0]: IRA.partition("@")[0]})
    return file


def bridge(path: Path) -> GoFile:
    file = GoFile(path, "bridge")
    for id, second, text in (("A1", 0, "Hello Mara"), ("B9", 200, "Only here")):
        at = f"2026-03-14 09:{second // 60:02}:{second % 60:02}+00:00"
        more: dict[str, Any] = {"sender": BEN.partition("@")[0], "content": text, "timestamp": at, "is_from_me": 0}
        file.row("messages", id=id, chat_jid=BEN, **more)
    session(path.with_name("whatsapp.db"), NUMBER)
    return file


def waha(path: Path) -> GoFile:
    file = GoFile(path, "gows")
    file.row("whatsmeow_device", jid=f"{NUMBER}:7@s.whatsapp.net")
    for id, second, text in (("A1", 0, "Hello Mara"), ("W1", 210, "Only in WAHA")):
        clock = f"2026-03-14T09:{second // 60:02}:{second % 60:02}Z"
        info = {"Chat": BEN, "Sender": BEN, "IsFromMe": False, "ID": id, "Timestamp": clock}
        data = json.dumps({"Info": info, "Message": {"conversation": text}})
        file.row("gows_messages", jid=BEN, id=id, timestamp=clock, from_me=0, data=data)
    return file


def test_wacli_becomes_messages_with_their_files_and_is_taken_back(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "media" / "ben").mkdir(parents=True)
    (tmp_path / "media" / "ben" / "A4.jpg").write_bytes(jpeg())
    taken = take(desk, "wacli", wacli(tmp_path / "wacli.db").done(), folder=tmp_path)
    assert (taken.messages, taken.files, taken.left_out) == (4, 1, 0)
    assert desk.said(BEN) == ["Hello Mara", "Hello Ben", None]
    assert [reaction.emoji for reaction in desk.shown(BEN)[0].reactions] == ["👍"]
    assert [m.message.key.sender for m in desk.shown(GROUP)] == [IRA]
    media = desk.shown(BEN)[2].message.details.media
    assert media is not None
    assert media.file == hashlib.sha256(jpeg()).hexdigest()
    imports.undo(desk.store, desk.media, desk.org.no, taken.import_id or 0)
    assert desk.shown() == []
    assert list(desk.media.files(desk.org.no)) == []
    assert list(desk.store.check()) == []


@pytest.mark.parametrize("first", ["wacli", "whatsapp-mcp", "waha", "export"])
def test_several_archives_of_one_chat_are_one_chat_in_any_order(desk: Desk, tmp_path: Path, first: str) -> None:
    for folder in ("a", "b", "c"):
        (tmp_path / folder).mkdir()
    steps: dict[str, Callable[[], object]] = {
        "wacli": lambda: take(desk, "wacli", wacli(tmp_path / "a" / "wacli.db").done()),
        "whatsapp-mcp": lambda: take(desk, "whatsapp-mcp", bridge(tmp_path / "b" / "messages.db").done()),
        "waha": lambda: take(desk, "waha", waha(tmp_path / "c" / "gows.db").done()),
        "export": lambda: desk.android("09:00 - Ben: Hello Mara", "09:01 - Mara: Hello Ben", chat=BEN),
    }
    for name in (first, *(other for other in steps if other != first)):
        steps[name]()
    found = desk.shown(BEN)
    assert [m.message.key.id for m in found] == ["A1", "A2", "A4", "B9", "W1"]
    assert [m.message.text for m in found] == ["Hello Mara", "Hello Ben", None, "Only here", "Only in WAHA"]


def test_the_own_phone_is_made_and_asked_for_where_nothing_tells_it(store: Store, org: Org, tmp_path: Path) -> None:
    desk_media = MediaStore(tmp_path / "media", bytes(32))
    path = bridge(tmp_path / "messages.db").done()
    import_files(store, desk_media, org.no, KINDS["whatsapp-mcp"], path, max_media_bytes=1)
    assert [phone.number for phone in store.list_phones(org.no)] == [NUMBER]
    (tmp_path / "whatsapp.db").unlink()
    with pytest.raises(Question):
        import_files(store, desk_media, org.no, KINDS["whatsapp-mcp"], path, max_media_bytes=1)
    assert len(store.list_imports(org.no)) == 1


def test_an_import_that_was_cut_goes_on(desk: Desk, tmp_path: Path) -> None:
    file = wacli(tmp_path / "wacli.db")
    path = file.done()

    def cut(done: int, whole: int | None) -> None:
        if done == whole == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        take(desk, "wacli", path, progress=cut)
    taken = take(desk, "wacli", path)
    assert (taken.resumed, taken.messages) == (True, 0)
    assert len(desk.shown()) == 4
    assert [entry.state for entry in desk.store.list_imports(desk.org.no)] == ["done"]


# The commands


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Result]:
    def run(*words: str, code: int = 0) -> Result:
        result = CliRunner().invoke(cli, words, env={"BACKSCROLL_DATA": str(tmp_path / "archive")})
        assert result.exit_code == code, result.output
        return result

    run("org", "create", "Garden")
    return run


def test_the_commands_find_what_lies_beside_and_name_what_is_wrong(run: Any, tmp_path: Path) -> None:
    path = wacli(tmp_path / "wacli.db").done()
    shown = json.loads(run("import", "wacli", str(path), "--json").stdout)
    assert (shown["messages"], shown["files_missing"], shown["import_id"]) == (4, 1, 1)
    assert [phone["number"] for phone in json.loads(run("phone", "list", "--json").stdout)] == [NUMBER]
    store = bridge(tmp_path / "messages.db").done()
    assert "2 messages read" in run("import", "whatsapp-mcp", str(store)).stdout
    refused = run("import", "wacli", str(store), code=1)
    assert "this is not a database of wacli; name the file wacli.db" in refused.stderr
    (tmp_path / "whatsapp.db").unlink()
    assert "Answer with --phone NUMBER." in run("import", "whatsapp-mcp", str(store), code=2).stderr
    assert "2 messages read" in run("import", "whatsapp-mcp", str(store), "--phone", NUMBER).stdout
    kinds = [entry["kind"] for entry in json.loads(run("import", "list", "--json").stdout)]
    assert kinds == ["wacli", "whatsapp-mcp", "whatsapp-mcp"]
    gows = waha(tmp_path / "gows.db").done()
    assert "2 messages read" in run("import", "waha", str(gows), "--media", str(tmp_path)).stdout
