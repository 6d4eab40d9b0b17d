"""``status``, ``migrate`` and the lists, which an operator reads first."""

from __future__ import annotations

from pathlib import Path

import pytest

from backscroll.cli.orgs import shortened
from backscroll.core.events import Batch, MessageSeen
from backscroll.core.model import Message, MessageKey
from backscroll.storage.store import open_store
from backscroll.storage.transfer.check.last import last_check
from shell import Shell

MORNING = 1_741_856_400_000_000


@pytest.fixture
def bakery(tmp_path: Path, database_url: str | None) -> Shell:
    shell = Shell(tmp_path / "data", database_url)
    shell.json("org", "create", "Bakery")
    shell.json("phone", "add", "--number", "919876543210", "--device-id", "bench", "--name", "Shop")
    shell.json("phone", "add", "--number", "4915550001001")
    return shell


def test_status_tells_which_archive_how_much_and_how_each_phone_stands(bakery: Shell) -> None:
    store = open_store(bakery.database, bakery.data)
    for id in ("M1", "M2"):
        key = MessageKey("919876543210@s.whatsapp.net", "919537851844@s.whatsapp.net", id, None)
        seen = MessageSeen(Message(key=key, sent_at=MORNING, from_me=False, kind="text", text="hello"))
        store.apply(1, Batch(source="export", events=(seen,)))
    store.close()
    row = bakery.json("status")
    assert (row["data"], row["key"], row["messages"]) == (str(bakery.data), "present", 2)
    assert row["engine"] == ("postgresql" if bakery.database else "sqlite")
    (org,) = row["orgs"]
    assert (org["name"], org["messages"], org["last_source"]) == ("Bakery", 2, "export")
    assert org["last_stored_at"]
    assert [(p["number"], p["state"], p["messages"], p["chats"], p["last_message_at"]) for p in org["phones"]] == [
        ("919876543210", "archived", 2, 1, "2025-03-13T09:00:00Z"),
        ("4915550001001", "empty", 0, 0, None),
    ]
    told = bakery.run("status").stdout
    assert str(bakery.data) in told
    assert 'Organisation "Bakery": 2 messages' in told
    assert "919876543210" in told


def test_status_never_prints_the_databases_password(tmp_path: Path, database_url: str | None) -> None:
    if database_url is None:
        database_url = f"sqlite:{tmp_path}/one.db"
    else:
        database_url += "&password=hunter2"
    shell = Shell(tmp_path / "data", database_url)
    shell.json("org", "create", "Bakery")
    for done in (shell.run("status"), shell.run("status", "--json")):
        assert done.exit_code == 0
        assert "hunter2" not in done.output


def test_migrate_names_what_it_ran(bakery: Shell) -> None:
    assert bakery.json("migrate") == {"migrated": []}
    assert "nothing was run" in bakery.run("migrate").stdout


def test_names_that_differ_only_in_case_are_one_name(bakery: Shell) -> None:
    told = bakery.refusal("org", "create", "BAKERY", code=1)
    assert "called Bakery already" in told
    assert "only in case" in told
    assert bakery.json("phone", "list", "--org", "bakery") == bakery.json("phone", "list", "--org", "Bakery")


def test_adding_a_phone_twice_says_that_it_is_there(bakery: Shell) -> None:
    again = bakery.run("phone", "add", "--number", "919876543210", "--device-id", "bench", "--name", "Shop")
    assert (again.exit_code, "nothing was changed" in again.stdout) == (0, True)
    assert len(bakery.json("phone", "list")) == 2
    renamed = bakery.run("phone", "add", "--number", "919876543210", "--name", "Front desk")
    assert "now has the name Front desk" in renamed.stdout


def test_the_list_of_tokens_fits_in_100_columns(bakery: Shell) -> None:
    many = [option for number in ("919876543210", "4915550001001") for option in ("--phone", number)]
    bakery.json("token", "create", "--name", "a very long name of a very long purpose", *many, "--expires", "90d")
    revoked = bakery.json("token", "create", "--name", "till")
    bakery.json("token", "revoke", revoked["id"])
    lines = bakery.run("token", "list").stdout.splitlines()
    assert len(lines) == 3
    assert max(map(len, lines)) <= 100
    assert "revoked" in lines[2]
    assert "last used" in lines[0]
    assert len(shortened("x" * 200, 16)) == 16


def test_a_check_leaves_its_result_for_the_page(bakery: Shell) -> None:
    assert last_check(bakery.data) is None
    bakery.json("check", "--media")
    kept = last_check(bakery.data)
    assert kept is not None
    assert (kept.media, kept.of(1).count) == (True, 0)
