"""An import that replaces another, killed anywhere: one of the two remains complete, even if the file is gone."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from backscroll.core.errors import Question
from backscroll.core.model import Org, Phone
from backscroll.core.query import MessageQuery
from backscroll.ingest.importing.spool import Spool
from backscroll.ingest.importing.working import ImportContext, finish_cut, import_here
from backscroll.storage.files.media import MediaStore
from backscroll.storage.store import Store, open_store
from backscroll.storage.transfer.backup import Backup, Stages
from backscroll.storage.transfer.backup_uploads import replacing
from backscroll.storage.transfer.restoring import Restore, RestoreStages
from plain_sql import PlainSql

SIX = "".join(f"13/01/2026, 09:{15 + n} - {'Rob' if n % 2 else 'Ana'}: thing {n} of six\n" for n in range(6))
NAME = "WhatsApp Chat with Ana.txt"
MINUTE = 60_000_000
ZONES = {"UTC": 0, "Asia/Kolkata": 330}


class Killed(BaseException):
    """The process has died: it writes nothing more."""


class Desk:
    """An archive whose process can be killed before any of its writes."""

    def __init__(self, store: Store, org: Org, phone: Phone, folder: Path, sql: PlainSql) -> None:
        self.store, self.org, self.phone = store, org, phone
        self._sql = sql
        self._write = store._engine.write
        media = MediaStore(folder / "media", b"k" * 32)
        self.context = ImportContext(store=store, media=media, spool=Spool(folder), max_media_bytes=1 << 20)
        self.path = folder / "given" / NAME
        self.path.parent.mkdir()
        self.path.write_text(SIX, "utf-8")

    def take(self, zone: str, **more: Any) -> Any:
        answers = {"phone": self.phone.number, "me": "Rob", "timezone": zone, **more}
        return import_here(self.context, self.org, self.path, answers)

    def killed_at(self, point: int, zone: str) -> bool:
        """Whether the import was killed before its write number ``point``.

        The thread that renews the lease is not counted: how often it writes depends on how busy the machine is.
        """
        left, importing = point, threading.current_thread()

        def write(*given: Any, **named: Any) -> Any:
            nonlocal left
            if threading.current_thread() is not importing:
                return self._write(*given, **named)
            left -= 1
            if left < 0:
                raise Killed
            return self._write(*given, **named)

        self.store._engine.write = write  # type: ignore[method-assign]
        try:
            self.take(zone)
        except Killed:
            return True
        finally:
            self.store._engine.write = self._write  # type: ignore[method-assign]
        return False

    def come_back(self) -> None:
        """Do what the next process does, long after the other one died; the file is no longer in its place."""
        self._sql.change("UPDATE leases SET ends_at = 0")
        away = self.path.rename(self.path.with_suffix(".away"))
        finish_cut(self.context, self.org)
        away.rename(self.path)

    def shift(self) -> int:
        """Minutes by which all six lines are earlier than with UTC; asserts that each is stored once and in order."""
        query = MessageQuery(org=self.org.no, phones=(self.phone.no,), limit=100)
        messages = self.store.list_messages(query).messages[::-1]
        assert [message.message.text for message in messages] == [f"thing {n} of six" for n in range(6)]
        [shift] = {message.message.sent_at // MINUTE - n for n, message in enumerate(messages)}
        return NINE_FIFTEEN - shift


NINE_FIFTEEN = 1_768_295_700 // 60


@pytest.fixture
def desk(store: Store, org: Org, phone: Phone, tmp_path: Path, database_url: str | None) -> Iterator[Desk]:
    sql = PlainSql(database_url, tmp_path)
    yield Desk(store, org, phone, tmp_path, sql)
    sql.close()


def test_killed_before_any_of_its_writes_one_of_the_two_stands_whole(desk: Desk, database_url: str | None) -> None:
    desk.take("UTC")
    seen = {"old": 0, "new": 0}
    standing, point = "UTC", 0
    while True:
        wanted = "Asia/Kolkata" if standing == "UTC" else "UTC"
        if not desk.killed_at(point, wanted):
            break
        desk.come_back()
        found = desk.shift()
        assert found in (ZONES[standing], ZONES[wanted]), point
        if found == ZONES[wanted]:
            standing = wanted
            seen["new"] += 1
        else:
            seen["old"] += 1
        assert [job.state for job in desk.store.import_jobs.page(desk.org.no, 1)] in ([], ["done"], ["failed"]), point
        # Each step is slow on a PostgreSQL server, so that only every second one is tried there.
        point += 1 if database_url is None else 2
    assert list(map(str, desk.store.check())) == []
    assert seen["old"] > 0
    assert seen["new"] > 5
    assert not any(desk.context.spool.jobs())


def test_all_is_asked_before_the_other_is_touched(desk: Desk) -> None:
    """The question about the time zone must come before the older import is removed."""
    other = desk.path.with_name("later.txt")
    other.write_text(
        SIX + "".join(f"13/01/2026, 10:{n:02} - Ana: and more, number {n}\n" for n in range(20, 40)), "utf-8"
    )
    desk.take("Asia/Kolkata")
    desk.path, first = other, desk.path
    desk.take("Asia/Kolkata", chat="Ana", me="Rob")
    before = [(entry.id, entry.state) for entry in desk.store.list_imports(desk.org.no)]
    desk.path = first
    with pytest.raises(Question) as asked:
        desk.take("Europe/Berlin")
    assert asked.value.name == "timezone"
    assert [(entry.id, entry.state) for entry in desk.store.list_imports(desk.org.no)] == before
    assert list(map(str, desk.store.check())) == []


def test_a_better_time_zone_is_no_question_about_the_lines_that_it_replaces(desk: Desk) -> None:
    longer = "".join(f"13/01/2026, {9 + n // 60:02}:{n % 60:02} - Ana: line number {n} of many\n" for n in range(400))
    desk.path.write_text(longer, "utf-8")
    assert desk.take("UTC").outcomes[1].added == 400
    again = desk.take("Asia/Kolkata").outcomes[1]
    assert (again.added, again.known) == (0, 400)
    assert [entry.state for entry in desk.store.list_imports(desk.org.no)] == ["undone", "done"]


def test_a_cut_import_that_replaces_nothing_is_noted_as_cut_and_may_be_run_again(desk: Desk) -> None:
    assert desk.killed_at(9, "UTC")
    desk.come_back()
    [job] = desk.store.import_jobs.page(desk.org.no, 5)
    assert (job.state, job.error and job.error.code) == ("failed", "INTERRUPTED")
    desk.take("UTC")
    assert desk.shift() == 0
    assert desk.store.list_imports(desk.org.no)[-1].state == "done"


def test_a_backup_of_a_half_replaced_import_can_be_restored_and_ends_right(
    desk: Desk, tmp_path: Path, database_url: str | None
) -> None:
    desk.take("UTC")
    point = 0
    while not (jobs := replacing(desk.store._engine)):
        desk.come_back()
        assert desk.killed_at(point, "Asia/Kolkata")
        point += 1
    folder, other = tmp_path / "backup", tmp_path / "restored"
    silent: Any = lambda done, whole: None  # noqa: E731
    Backup(desk.store._engine, tmp_path, folder, 1).take(Stages(silent, silent, silent))
    assert [path.name for path in folder.rglob("*.tar")] == [f"{id}.tar" for _, id in jobs]
    Restore(folder, other, 1).to_file(other / "backscroll.db", RestoreStages(silent, silent, silent))
    restored = open_store(None, other)
    context = structs.replace(desk.context, store=restored, spool=Spool(other))
    sql = PlainSql(None, other)
    sql.change("UPDATE leases SET ends_at = 0")
    sql.close()
    finish_cut(context, desk.org)
    desk.store, mine = restored, desk.store
    assert desk.shift() == ZONES["Asia/Kolkata"]
    assert list(map(str, restored.check())) == []
    restored.close()
    desk.store = mine
    desk.come_back()
    Backup(desk.store._engine, tmp_path, folder, 2).take(Stages(silent, silent, silent))
    assert list(folder.rglob("*.tar")) == []


KILLED_SCRIPT = """
import os, signal, sys
from backscroll.ingest.importing import worker

take_back = worker.Worker._take_back

def kill(self, item, entry):
    gone = take_back(self, item, entry)
    if entry.replaces:
        os.kill(os.getpid(), signal.SIGKILL)
    return gone

worker.Worker._take_back = kill
from backscroll.cli.main import main
main(sys.argv[1:], prog_name="backscroll")
"""


def test_a_command_killed_between_undo_and_import_is_ended_by_the_next_one(
    tmp_path: Path, database_url: str | None
) -> None:
    data, given = tmp_path / "archive", tmp_path / NAME
    given.write_text(SIX, "utf-8")
    place = ["--data", str(data), *([] if database_url is None else ["--database", database_url])]

    def run(*words: str, code: int = 0, script: str | None = None) -> str:
        command = [sys.executable, *(["-m", "backscroll"] if script is None else ["-c", script]), *words, *place]
        environ = {name: value for name, value in os.environ.items() if not name.startswith("BACKSCROLL_")}
        done = subprocess.run(command, capture_output=True, text=True, env=environ, timeout=120, check=False)
        assert done.returncode == code, done.stderr
        return done.stdout

    store = open_store(database_url, data)
    org = store.create_org("Bakery")
    phone = store.add_phone(org.no, "4915550000001")
    options = ("--phone", phone.number, "--me", "Rob")
    run("import", str(given), *options, "--timezone", "UTC")
    run("import", str(given), *options, "--timezone", "Asia/Kolkata", code=-signal.SIGKILL, script=KILLED_SCRIPT)
    query = MessageQuery(org=org.no, phones=(phone.no,), limit=100)
    assert store.list_messages(query).total == 0
    given.unlink()
    shutil.copytree(data / "imports", tmp_path / "kept")
    assert [path.name for path in (tmp_path / "kept").rglob("*.txt")] == [NAME]
    (tmp_path / "other.txt").write_text("no chat", "utf-8")
    run("import", "export", str(tmp_path / "other.txt"), *options, code=1)
    messages = store.list_messages(query).messages
    assert {message.message.sent_at // MINUTE for message in messages} == {NINE_FIFTEEN - 330 + n for n in range(6)}
    assert [entry.state for entry in store.list_imports(org.no)] == ["undone", "done"]
    assert not (data / "imports" / str(org.no)).exists()
    store.close()
