"""The keys of linked devices: in a backup only on request, and then usable after a restore."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from msgspec import structs

from backscroll.jobs import linking
from backscroll.jobs.device import folder_of
from backscroll.storage.store import open_store
from shell import Shell


def archive_with_a_device(data: Path, database: str | None) -> tuple[Shell, str]:
    shell = Shell(data, database)
    shell.run("org", "create", "Sample")
    store = open_store(database, data)
    try:
        link = linking.begin(store, store.list_orgs()[0].no, None, "Sales", None)
        store.sources.links.write(structs.replace(link, state="connected", jid="4915550001001@s.whatsapp.net"))
    finally:
        store.close()
    folder = folder_of(data, link.id)
    folder.mkdir(parents=True)
    (folder / "account.json").write_text("{}")
    with closing(sqlite3.connect(folder / "session.db")) as session:
        session.execute("PRAGMA journal_mode = WAL")
        session.execute("CREATE TABLE keys (key TEXT)")
        session.execute("INSERT INTO keys VALUES ('a key')")
        session.commit()
    return shell, link.id


def key_in(file: Path) -> str:
    with closing(sqlite3.connect(file)) as session:
        return str(session.execute("SELECT key FROM keys").fetchone()[0])


def test_keys_are_backed_up_and_restored_only_when_asked_for(
    tmp_path: Path, database_url: str | None, other_database_url: str | None
) -> None:
    shell, id = archive_with_a_device(tmp_path / "data", database_url)
    backup, other = tmp_path / "backup", tmp_path / "other"
    shell.json("backup", str(backup))
    assert not [path for path in backup.rglob("*") if "linked" in path.name]
    for _ in range(2):
        shell.json("backup", str(backup), "--sessions")
    assert len(list(backup.glob("linked-*"))) == 1
    Shell(other, other_database_url).json("restore", str(backup))
    restored = folder_of(other, id)
    assert key_in(restored / "session.db") == "a key"
    assert (restored / "account.json").stat().st_mode & 0o777 == 0o600
    (link,) = Shell(other, other_database_url).json("link", "list")
    assert (link["id"], link["state"]) == (id, "connected")


def test_a_copy_without_the_keys_is_shown_as_logged_out_and_not_paired_by_itself(
    tmp_path: Path, database_url: str | None, other_database_url: str | None
) -> None:
    shell, id = archive_with_a_device(tmp_path / "data", database_url)
    shell.json("backup", str(tmp_path / "backup"))
    other = tmp_path / "other"
    Shell(other, other_database_url).json("restore", str(tmp_path / "backup"))
    store = open_store(other_database_url, other)
    try:
        rounds = linking.Rounds(store, None, data=other, max_media_bytes=1, command=lambda folder, size: ["false"])
        rounds.look()
        for thread in list(rounds._threads.values()):
            thread.join()
        found = store.sources.links.find(store.list_orgs()[0].no, id)
        assert found.state == "logged_out"
        assert found.problem is not None
        assert "keys" in found.problem
    finally:
        store.close()
