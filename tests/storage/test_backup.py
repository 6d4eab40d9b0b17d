"""Backup and restore on both engines: online, complete or refused, and interrupted anywhere."""

from __future__ import annotations

import io
import json
import os
import shutil
import stat
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from msgspec import Struct
from test_copy import ANNA, MORNING, Known, answers_of, make_rich, rows_of

from backscroll.cli.main import main
from backscroll.core.errors import BadField, Conflict, Error, StorageError, Unreadable
from backscroll.core.events import Batch, MessageSeen
from backscroll.core.model import Message, MessageKey
from backscroll.core.query import MessageQuery
from backscroll.storage.files.media import MediaStore
from backscroll.storage.files.opening import RESTORE_MARK, make_engine, open_engine
from backscroll.storage.store import Store, open_store
from backscroll.storage.transfer.backup import Backup, Stages
from backscroll.storage.transfer.backup_files import Manifest, read_manifest, verify
from backscroll.storage.transfer.restoring import Restore, RestoreStages
from crash_points import MAX_POINTS, crashes
from postgres_server import Databases


def silent(done: int, whole: int) -> None:
    pass


class House(Struct, frozen=True):
    """An archive in ``data``, and the places of its backup and of a restored archive."""

    data: Path
    url: str
    known: Known
    backup: Path
    other: Path

    def back_up(self) -> Manifest:
        engine = open_engine(self.url, self.data, create=False)
        try:
            return Backup(engine, self.data, self.backup, MORNING).take(Stages(silent, silent, silent))
        finally:
            engine.close()

    def restore(self, url: str | None = None) -> str:
        """Restore to an SQLite file, or to the database of ``url``; returns the URL of the restored archive."""
        work = Restore(self.backup, self.other, MORNING)
        stages = RestoreStages(silent, silent, silent)
        if url is None:
            work.to_file(self.other / "backscroll.db", stages)
            return f"sqlite:{self.other}/backscroll.db"
        engine = make_engine(url, self.other)
        try:
            work.to_engine(engine, stages)
        finally:
            engine.close()
        return url

    def tell(self, id: str) -> None:
        store = open_store(self.url, self.data)
        add_message(store, id)
        store.close()


def add_message(store: Store, id: str) -> None:
    phone = store.list_phones(1)[0].jid
    message = Message(key=MessageKey(phone, ANNA, id, None), sent_at=MORNING, from_me=False, kind="text", text=id)
    store.apply(1, Batch(source="webhook", events=(MessageSeen(message),)))


@pytest.fixture(params=["sqlite", "postgres"])
def house(request: pytest.FixtureRequest, tmp_path: Path, databases: Databases) -> Iterator[House]:
    data = tmp_path / "data"
    name = databases.create()
    url = f"sqlite:{data}/backscroll.db" if request.param == "sqlite" else databases.url(name)
    store = open_store(url, data)
    known = make_rich(store)
    media = MediaStore(data / "media", store.key())
    for org in (1, 2):
        for body in (b"one", b"two" * 5000):
            media.put(org, io.BytesIO(body), max_bytes=10**6, declared_mimetype="text/plain", filename="a.txt")
    store.close()
    yield House(data, url, known, tmp_path / "backup", tmp_path / "restored")
    databases.drop(name)


@pytest.fixture
def spare(databases: Databases) -> Iterator[str]:
    """A fresh database on PostgreSQL."""
    name = databases.create()
    yield databases.url(name)
    databases.drop(name)


def same(house: House, url: str) -> None:
    """Assert that the restored archive equals the original: rows, answers, media, key."""
    assert rows_of(url) == rows_of(house.url)
    assert tree(house.other / "media") == tree(house.data / "media")
    assert (house.other / "secret.key").read_bytes() == (house.data / "secret.key").read_bytes()
    stores = [open_store(house.url, house.data, create=False), open_store(url, house.other, create=False)]
    assert list(stores[1].check()) == []
    assert answers_of(stores[0], house.known) == answers_of(stores[1], house.known)
    for store in stores:
        store.close()


def tree(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("to_postgres", [False, True], ids=["to sqlite", "to postgres"])
def test_a_backup_of_either_engine_restores_to_either_as_the_same_archive(
    house: House, spare: str, to_postgres: bool
) -> None:
    manifest = house.back_up()
    assert (manifest.orgs, manifest.media, manifest.media_damaged) == (3, 4, 0)
    assert manifest.media_missing == 4, "each of two organisations names two files that were never stored"
    same(house, house.restore(spare if to_postgres else None))


def test_a_backup_is_its_owners_alone_and_reads_back_with_sha256sum(house: House) -> None:
    old = os.umask(0)
    try:
        manifest = house.back_up()
    finally:
        os.umask(old)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in house.backup.rglob("*") if path.is_file()}
    folders = {stat.S_IMODE(path.stat().st_mode) for path in (house.backup, *house.backup.rglob("*")) if path.is_dir()}
    assert (modes, folders) == ({0o600}, {0o700})
    subprocess.run(["sha256sum", "--check", "--quiet", manifest.sums], cwd=house.backup, check=True)


def test_messages_that_come_in_meanwhile_never_leave_half_an_organisation_behind(house: House) -> None:
    store = open_store(house.url, house.data)
    stop = threading.Event()
    written: list[str] = []

    def write() -> None:
        while not stop.is_set():
            add_message(store, f"NEW{len(written)}")
            written.append(f"NEW{len(written)}")

    thread = threading.Thread(target=write)
    thread.start()
    while len(written) < 5:
        stop.wait(0.01)
    acknowledged = list(written)
    try:
        house.back_up()
    finally:
        stop.set()
        thread.join()
        store.close()
    restored = open_store(house.restore(), house.other)
    assert list(restored.check()) == []
    query = MessageQuery(org=1, phones=house.known.orgs[1], chat=ANNA, limit=2000)
    ids = {message.message.key.id for message in restored.list_messages(query).messages}
    restored.close()
    assert set(acknowledged) <= ids


def test_a_later_backup_writes_only_new_media_and_forgets_what_the_archive_no_longer_has(house: House) -> None:
    first = house.back_up()
    before = {p: p.stat().st_ino for p in (house.backup / "media").rglob("*") if p.is_file()}
    media = MediaStore(house.data / "media", bytes(32))
    added = media.put(1, b"three", max_bytes=99, declared_mimetype="text/plain", filename="c.txt")
    gone = next(media.files(2))
    media.delete(2, gone)
    house.tell("LATER")
    second = house.back_up()
    after = {p: p.stat().st_ino for p in (house.backup / "media").rglob("*") if p.is_file()}
    target = MediaStore(house.backup / "media", bytes(32))
    assert set(after) - set(before) == {target.path(1, added.sha256)}
    assert set(before) - set(after) == {target.path(2, gone)}
    assert {path: after[path] for path in after if path in before} == {p: n for p, n in before.items() if p in after}
    assert not (house.backup / first.database).exists()
    assert read_manifest(house.backup) == second
    same(house, house.restore())


def test_a_medium_that_was_damaged_in_the_backup_is_written_again(house: House) -> None:
    house.back_up()
    victim = next(p for p in (house.backup / "media").rglob("*") if p.is_file())
    victim.write_bytes(b"x" * victim.stat().st_size)
    verify(house.backup, house.back_up(), silent)


def test_a_medium_that_is_damaged_in_the_archive_is_counted_and_does_not_stop_the_backup(house: House) -> None:
    victim = next(p for p in (house.data / "media").rglob("*") if p.is_file())
    victim.write_bytes(b"other bytes")
    assert house.back_up().media_damaged == 1
    house.restore()
    assert tree(house.other / "media") == tree(house.data / "media")


def test_one_changed_byte_anywhere_in_a_backup_is_found_before_anything_is_written(house: House) -> None:
    house.back_up()
    for path in sorted(p for p in house.backup.rglob("*") if p.is_file() and p.name != ".lock"):
        whole = path.read_bytes()
        for at in {0, len(whole) // 2, len(whole) - 1}:
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
            with pytest.raises((Unreadable, StorageError)):
                house.restore()
            assert not house.other.exists(), path
        path.write_bytes(whole)
    house.restore()


def test_a_file_that_is_missing_from_a_backup_is_named(house: House) -> None:
    house.back_up()
    for path in sorted(p for p in house.backup.rglob("*") if p.is_file() and p.name not in (".lock", "manifest.json")):
        aside = path.rename(house.backup.parent / "aside")
        with pytest.raises(Unreadable, match=f"{path.name}: is missing"):
            house.restore()
        aside.rename(path)
    assert not house.other.exists()


def test_a_folder_without_a_manifest_is_no_backup(house: House) -> None:
    house.back_up()
    (house.backup / "manifest.json").unlink()
    with pytest.raises(StorageError, match="contains no finished backup"):
        house.restore()


def test_an_archive_that_is_there_is_never_overwritten(house: House, spare: str) -> None:
    house.back_up()
    house.restore()
    with pytest.raises(BadField, match="already exists; restore into an empty directory"):
        house.restore()
    with pytest.raises(BadField, match="already exists"):
        house.restore(spare)
    shutil.rmtree(house.other)
    other = open_store(spare, house.other.parent / "else")
    other.create_org("Somebody else's")
    other.close()
    with pytest.raises(BadField, match="database: already holds an archive"):
        house.restore(spare)
    assert not house.other.exists()


def test_a_folder_of_something_else_or_of_another_archive_is_left_alone(house: House, tmp_path: Path) -> None:
    house.backup.mkdir()
    (house.backup / "letters.txt").write_text("mine")
    with pytest.raises(BadField, match=r"contains other files \(letters.txt\)"):
        house.back_up()
    assert [p.name for p in house.backup.iterdir()] == ["letters.txt"]
    (house.backup / "letters.txt").unlink()
    house.back_up()
    stranger = tmp_path / "stranger"
    store = open_store(None, stranger)
    store.create_org("Stranger")
    store.close()
    engine = open_engine(None, stranger, create=False)
    with pytest.raises(BadField, match="a backup of another archive"):
        Backup(engine, stranger, house.backup, MORNING).take(Stages(silent, silent, silent))
    engine.close()


def test_two_backups_do_not_write_to_one_folder(house: House) -> None:
    house.back_up()
    refused: list[Error] = []

    def second(done: int, whole: int) -> None:
        if not refused:
            with pytest.raises(Conflict) as raised:
                house.back_up()
            refused.append(raised.value)

    engine = open_engine(house.url, house.data, create=False)
    Backup(engine, house.data, house.backup, MORNING).take(Stages(second, silent, silent))
    engine.close()
    assert "Another backup is being written" in str(refused[0])
    house.restore()


# ------------------------------------------------------------------ cut at each sync to disk, on SQLite


@pytest.fixture
def plain(tmp_path: Path) -> House:
    """A small archive on SQLite for commands that run as processes."""
    data = tmp_path / "data"
    store = open_store(None, data)
    store.create_org("Bakery")
    store.add_phone(1, "918527184400")
    add_message(store, "FIRST")
    media = MediaStore(data / "media", store.key())
    for body in (b"one", b"two"):
        media.put(1, body, max_bytes=99, declared_mimetype="text/plain", filename=None)
    store.close()
    known = Known({}, "")
    return House(data, f"sqlite:{data}/backscroll.db", known, tmp_path / "backup", tmp_path / "restored")


def messages_of(data: Path) -> list[str]:
    store = open_store(None, data, create=False)
    phones = tuple(phone.no for phone in store.list_phones(1))
    page = store.list_messages(MessageQuery(org=1, phones=phones))
    assert list(store.check()) == []
    store.close()
    return sorted(found.message.key.id for found in page.messages)


def test_a_first_backup_that_was_killed_is_no_backup_and_the_next_run_completes_it(plain: House) -> None:
    killed = 0
    for _ in crashes(plain.data, "backup", str(plain.backup), points=range(MAX_POINTS)):
        killed += 1
        if read_manifest(plain.backup) is None:
            with pytest.raises(StorageError, match="no finished backup"):
                plain.restore()
    assert killed > 5
    plain.restore()
    assert messages_of(plain.other) == ["FIRST"]


def test_a_later_backup_that_was_killed_leaves_the_earlier_one_or_the_new_one_whole(plain: House) -> None:
    plain.back_up()
    plain.tell("SECOND")
    media = MediaStore(plain.data / "media", bytes(32))
    media.delete(1, next(media.files(1)))
    media.put(1, b"three", max_bytes=99, declared_mimetype=None, filename=None)
    found = set()
    for _ in crashes(plain.data, "backup", str(plain.backup), points=range(MAX_POINTS)):
        plain.restore()
        found.add(tuple(messages_of(plain.other)))
        shutil.rmtree(plain.other)
    assert found <= {("FIRST",), ("FIRST", "SECOND")}
    assert ("FIRST",) in found
    plain.restore()
    assert messages_of(plain.other) == ["FIRST", "SECOND"]
    assert not [p.name for p in plain.backup.rglob("*") if p.name.endswith(".part")]


def test_half_a_restore_opens_for_nobody_and_the_next_run_completes_it(plain: House) -> None:
    plain.back_up()
    killed = 0
    for _ in crashes(plain.other, "restore", str(plain.backup), points=range(MAX_POINTS)):
        killed += 1
        if (plain.other / RESTORE_MARK).exists():
            for command in (["serve"], ["org", "create", "New"], ["check"], ["status"]):
                done = run(plain.other, *command)
                assert done.exit_code == 1, done.output
                assert "restore that is not finished" in done.stderr
        elif (plain.other / "backscroll.db").exists():
            assert messages_of(plain.other) == ["FIRST"]
            shutil.rmtree(plain.other)
    assert killed > 5
    assert messages_of(plain.other) == ["FIRST"]
    assert tree(plain.other / "media") == tree(plain.data / "media")


def test_a_cut_restore_to_postgres_opens_for_nobody_and_goes_on(house: House, spare: str) -> None:
    class Cut(Exception):
        pass

    def cut(done: int, whole: int) -> None:
        if done > whole // 2:
            raise Cut

    house.back_up()
    engine = make_engine(spare, house.other)
    with pytest.raises(Cut):
        Restore(house.backup, house.other, MORNING).to_engine(engine, RestoreStages(silent, silent, cut))
    engine.close()
    for data in (house.other, house.other.parent / "elsewhere"):
        with pytest.raises(StorageError, match=r"not finished|unfinished copy"):
            open_store(spare, data)
    same(house, house.restore(spare))


def test_a_cut_restore_does_not_go_on_with_another_backup(plain: House) -> None:
    plain.back_up()
    next(iter(crashes(plain.other, "restore", str(plain.backup), points=range(4, MAX_POINTS))))
    assert (plain.other / RESTORE_MARK).exists()
    plain.tell("SECOND")
    plain.back_up()
    with pytest.raises(BadField, match="unfinished restore of another backup"):
        plain.restore()


# ------------------------------------------------------------------ the commands


def run(data: Path, *arguments: str) -> Result:
    environ: dict[str, str | None] = {name: None for name in os.environ if name.startswith("BACKSCROLL_")}
    return CliRunner().invoke(main, [*arguments, "--data", str(data)], env=environ)


def test_the_commands_say_what_they_did(plain: House) -> None:
    done = run(plain.data, "backup", str(plain.backup))
    assert done.exit_code == 0, done.output
    assert "1 organisation, 1 message, 2 media files" in done.stdout
    told: Any = json.loads(run(plain.data, "backup", str(plain.backup), "--json").stdout)
    assert (told["messages"], told["media"], told["engine"]) == (1, 2, "sqlite")
    done = run(plain.other, "restore", str(plain.backup))
    assert done.exit_code == 0, done.output
    assert f"backscroll check --data {plain.other}" in done.stdout
    assert run(plain.other, "check").exit_code == 0


def test_a_backup_needs_the_key_and_says_where_it_comes_from(plain: House) -> None:
    (plain.data / "secret.key").unlink()
    done = run(plain.data, "backup", str(plain.backup))
    assert done.exit_code == 1
    assert "secret.key" in done.stderr
    assert not plain.backup.exists()
