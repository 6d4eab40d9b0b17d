"""`import list`, `import show`, `import undo` and the import of a folder of exports, on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from backscroll.cli.main import main as cli

PHONE = "4915550000001"
LINES = "13/01/2026, 09:15 - {0}: one good thing\n13/01/2026, 09:16 - Rob: two good things\n"


class Shell:
    """Runs commands on one archive."""

    def __init__(self, data: Path, database: str | None) -> None:
        self._place = ["--data", str(data), *([] if database is None else ["--database", database])]

    def run(self, *words: str, typed: str = "", code: int = 0) -> Result:
        done = CliRunner().invoke(cli, [*words, *self._place], input=typed)
        assert done.exit_code == code, done.output
        return done

    def json(self, *words: str, code: int = 0) -> Any:
        return json.loads(self.run(*words, "--json", code=code).stdout)

    def take(self, path: Path, *words: str, code: int = 0) -> Result:
        return self.run("import", "export", str(path), "--phone", PHONE, "--me", "Rob", *words, code=code)


@pytest.fixture
def shell(tmp_path: Path, database_url: str | None) -> Shell:
    made = Shell(tmp_path / "archive", database_url)
    made.run("org", "create", "Bakery")
    made.run("phone", "add", "--org", "Bakery", "--number", PHONE)
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "exports"
    made.mkdir()
    for name in ("Ana", "Bea"):
        (made / f"WhatsApp Chat with {name}.txt").write_text(LINES.format(name), "utf-8")
    return made


def test_imports_are_listed_shown_and_taken_back(shell: Shell, folder: Path) -> None:
    assert "cannot be undone" in shell.run("import", "list").stdout
    file = "WhatsApp Chat with Ana.txt"
    shell.take(folder / file)
    (entry,) = shell.json("import", "list", "--org", "Bakery")
    assert {name: entry[name] for name in ("id", "kind", "file", "state")} == {
        "id": 1,
        "kind": "export",
        "file": file,
        "state": "done",
    }
    assert entry["started_at"].endswith("Z")
    assert entry["answers"] == {"phone": PHONE, "me": "Rob"}
    assert "2 lines" not in shell.run("import", "show", "1").stdout
    assert shell.json("import", "show", "1")["report"]["lines"] == 2
    undone = shell.json("import", "undo", "1", "--yes")
    assert (undone["messages"], undone["chats"]) == (2, 1)
    assert [entry["state"] for entry in shell.json("import", "list")] == ["undone"]
    assert "nothing to do" in shell.run("import", "undo", "1", "--yes").stdout
    shell.run("check")


def test_undo_shows_what_it_will_do_and_asks_first(shell: Shell, folder: Path) -> None:
    shell.take(folder / "WhatsApp Chat with Ana.txt")
    asked = shell.run("import", "undo", "1", typed="n\n", code=1)
    assert "2 messages will be removed, 0 stay" in asked.output
    assert [entry["state"] for entry in shell.json("import", "list")] == ["done"]
    undone = shell.run("import", "undo", "1", typed="y\n").output
    assert "2 messages, 1 chat, 1 contact and 0 files were removed" in undone


def test_an_import_that_is_not_there_is_named(shell: Shell) -> None:
    assert "has none yet" in shell.run("import", "undo", "3", "--yes", code=1).output


def test_a_folder_of_exports_is_imported_by_one_command(shell: Shell, folder: Path) -> None:
    (folder / "broken.zip").write_bytes(b"PK\x03\x04 no zip")
    told = shell.take(folder, code=1)
    assert "2 of 3 exports imported: 4 new lines, 0 known." in told.stdout
    assert "Not imported: broken.zip" in told.stdout
    (folder / "broken.zip").unlink()
    assert "2 of 2 exports imported: 0 new lines, 4 known." in shell.take(folder).stdout
    assert [entry["file"] for entry in shell.json("import", "list")] == [
        "WhatsApp Chat with Ana.txt",
        "WhatsApp Chat with Bea.txt",
    ]


def test_one_chat_cannot_be_named_for_a_folder_of_many(shell: Shell, folder: Path) -> None:
    assert "names one chat" in shell.take(folder, "--chat", "Ana", code=2).output


def test_a_folder_that_is_one_export_is_one_import(shell: Shell, folder: Path) -> None:
    (folder / "WhatsApp Chat with Bea.txt").unlink()
    (folder / "notes.zip").write_bytes(b"a file that somebody sent")
    assert "2 lines" in shell.take(folder).stdout
    assert len(shell.json("import", "list")) == 1


def test_what_is_given_without_a_word_for_its_kind_is_recognised(shell: Shell, folder: Path) -> None:
    told = shell.run("import", str(folder), "--phone", PHONE, "--me", "Rob").stdout
    assert told.count("2 new, 0 known") == 2
    assert "WhatsApp Chat with Ana.txt (chat exported from WhatsApp)" in told
    found = shell.json("import", str(folder), "--phone", PHONE, "--me", "Rob")
    assert found["state"] == "done"
    assert [(item["file"], item["import"], item["known"]) for item in found["items"]] == [
        ("WhatsApp Chat with Ana.txt", 1, 2),
        ("WhatsApp Chat with Bea.txt", 2, 2),
    ]


def test_our_own_lines_need_no_word_and_bring_their_organisation(shell: Shell, folder: Path, tmp_path: Path) -> None:
    shell.take(folder)
    shell.run("export", "jsonl", "-o", str(tmp_path / "bakery.gz"))
    assert 'into "Bakery"; 0 rows changed' in shell.run("import", str(tmp_path / "bakery.gz")).stdout


def test_what_is_neither_a_file_nor_a_command_is_refused(shell: Shell, tmp_path: Path) -> None:
    assert "neither a file or folder nor one of the commands" in shell.run("import", "exprot", code=2).output
    (tmp_path / "letter.txt").write_text("Dear Ana")
    refused = shell.run("import", str(tmp_path / "letter.txt"), code=1).output
    assert "nothing in it that can be imported" in refused
    assert "chatstorage.db" in refused


def test_an_answer_that_is_missing_is_asked_for_before_anything_is_written(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "_chat.txt").write_text(LINES.format("Ana"), "utf-8")
    assert "--phone NUMBER" in shell.run("import", str(tmp_path / "_chat.txt"), code=2).output
    assert "phone's owner" in shell.run("import", str(tmp_path / "_chat.txt"), "--phone", PHONE, code=2).output
    assert shell.json("import", "list") == []
