"""Import jobs in a running server: found, resumed after a restart, and reported to followers."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import httpx
import pytest

from backscroll.core.query import MessageQuery
from backscroll.ingest.importing.desk import EXPIRES_US, Desk
from backscroll.ingest.importing.worker import Worker
from backscroll.ingest.importing.working import ImportContext
from backscroll.jobs.importing import Rounds, importing
from backscroll.storage.store import Store, open_store
from contract.imports import NAME, PHONE, Importer, chat
from contract.test_ingest_durability import Served
from contract.test_live import Stream, run
from contract.world import World

OPTIONS = {"timezone": "UTC", "me": "Rob"}


@pytest.fixture
def someone(world: World) -> Importer:
    world.phone(PHONE)
    return Importer(world)


def rounds_of(someone: Importer) -> tuple[Rounds, Desk]:
    world = someone.world
    context = ImportContext(store=world.store, media=world.media, spool=someone.spool, max_media_bytes=1 << 20)
    desk = Desk(world.store, someone.spool, 1 << 30)
    return Rounds(context, desk), desk


def finished(rounds: Rounds) -> None:
    """Look once for jobs, and wait until the work that this began has ended."""
    rounds.look()
    for thread in list(rounds._working.values()):
        thread.join(30)


def count(store: Store, org: int) -> int:
    phones = tuple(phone.no for phone in store.list_phones(org))
    return store.list_messages(MessageQuery(org=org, phones=phones, limit=1)).total


def test_a_server_finds_jobs_and_goes_on_with_one_of_each_organisation(world: World, someone: Importer) -> None:
    other = world.store.create_org("Garage")
    stranger = Importer(world, world.client(org=other, scopes=frozenset({"write"})))
    ids = [someone.send((NAME, chat(2 + n)), phone=PHONE, options=OPTIONS) for n in range(2)]
    theirs = stranger.send((NAME, chat()), phone="4915550002002", options=OPTIONS)
    rounds, _ = rounds_of(someone)
    finished(rounds)
    states = sorted(someone.read(id)["state"] for id in ids)
    assert (states, stranger.read(theirs)["state"]) == (["done", "recognising"], "done")
    finished(rounds)
    assert [someone.read(id)["state"] for id in ids] == ["done", "done"]
    assert (count(world.store, world.org.no), count(world.store, other.no)) == (3, 6)


def test_a_job_whose_turn_another_process_has_is_left_to_it(world: World, someone: Importer) -> None:
    id = someone.send((NAME, chat()), phone=PHONE, options=OPTIONS)
    lease = world.store.import_jobs.take_turn(world.org.no, id)
    assert lease is not None
    rounds, _ = rounds_of(someone)
    finished(rounds)
    assert someone.read(id)["state"] == "recognising"
    world.store.import_jobs.end_turn(lease)
    again, _ = rounds_of(someone)
    finished(again)
    assert someone.read(id)["state"] == "done"
    assert [held.name for held in world.store.held_leases(world.org.no) if held.name.startswith("import ")] == []


def test_a_job_that_is_stopped_goes_on_where_it_was_and_counts_right(
    world: World, someone: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A transaction may hold 10,000 lines otherwise. Now it holds fewer than 2,000; a run writes one more than asked.
    monkeypatch.setattr("backscroll.storage.write.bulk.LARGEST", 1000)
    id = someone.send((NAME, chat(6500)), phone=PHONE, options=OPTIONS)
    told: list[int] = []
    for stop_after in (1000, 2000):
        told.append(0)
        someone.work(stopping=lambda: told[-1] >= stop_after, watch=lambda at: told.append(at.done))  # noqa: B023
        assert someone.read(id)["state"] == "running"
    assert 0 < count(world.store, world.org.no) < 6500
    someone.work()
    job = someone.read(id)
    assert (job["state"], job["report"]["new"], job["report"]["known"]) == ("done", 6500, 0)
    assert (count(world.store, world.org.no), len(job["imports"])) == (6500, 1)
    assert list(world.store.check()) == []


def test_a_job_that_nobody_comes_back_to_is_given_up(world: World, someone: Importer) -> None:
    id = someone.create((NAME, 100)).json()["id"]
    someone.patch(id, b"x")
    late = open_store(world.database, world.folder, clock=lambda: someone.world.store._clock() - EXPIRES_US - 1)
    late.import_jobs.receive(world.org.no, id, 1, 2)
    late.close()
    rounds, _ = rounds_of(someone)
    finished(rounds)
    job = someone.read(id)
    assert (job["state"], job["error"]["code"]) == ("cancelled", "EXPIRED")
    assert not someone.spool.folder(world.org.no, id).exists()


def test_an_error_of_the_program_ends_the_job_and_not_the_server(
    world: World, someone: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = someone.send((NAME, chat()), phone=PHONE, options=OPTIONS)

    def broken(self: Worker, *given: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Worker, "_run_kind", broken)
    rounds, _ = rounds_of(someone)
    finished(rounds)
    job = someone.read(id)
    assert (job["state"], job["error"]["code"]) == ("failed", "INTERNAL_ERROR")
    assert [entry["state"] for entry in job["imports"]] == ["failed"]
    assert job["can"] == ["undo", "delete"]


def test_files_of_jobs_that_are_gone_are_swept(world: World, someone: Importer) -> None:
    import os

    orphan = someone.spool.folder(77, "imp0123")
    orphan.mkdir(parents=True)
    (orphan / "x").write_bytes(b"x")
    rounds, _ = rounds_of(someone)
    finished(rounds)
    assert orphan.exists()
    os.utime(orphan, (1, 1))
    again, _ = rounds_of(someone)
    finished(again)
    assert not orphan.exists()


def test_who_follows_hears_of_a_job_from_its_first_byte_to_its_end(world: World, someone: Importer) -> None:
    async def work() -> None:
        stream = Stream(world, {"authorization": f"Bearer {someone.client.secret}"})
        events = stream.events()
        assert (await anext(events))["event"] == "hello"
        made = threading.Thread(target=lambda: server_side(someone))
        made.start()
        states: list[str] = []
        async for event in events:
            if event["event"] == "import":
                told = json.loads(event["data"])
                assert set(told) == {"id", "state", "progress", "updated_at"}
                states.append(told["state"])
                if told["state"] == "done":
                    break
        made.join()
        await stream.leave()
        assert states[-1] == "done"

    run(world, work)


def server_side(someone: Importer) -> None:
    """Create the same job without HTTP, for use in another thread."""
    from backscroll.core.import_jobs import JobFile, NewJob

    world = someone.world
    desk = Desk(world.store, someone.spool, 1 << 30)
    body = chat()
    new = NewJob(
        origin="api", name=NAME, files=(JobFile(no=1, name=NAME, size=len(body)),), phone=PHONE, answers=OPTIONS
    )
    seen, _ = desk.create(world.org, new)
    upload = desk.open_upload(world.org, seen.job.id, 1)
    upload.finish(body)
    upload.close()
    someone.work()


def test_a_token_that_only_reads_hears_nothing_of_jobs(world: World, someone: Importer) -> None:
    secret = world.store.create_token(world.org.no, "reader").secret

    async def work() -> None:
        stream = Stream(world, {"authorization": f"Bearer {secret}"})
        events = stream.events()
        assert (await anext(events))["event"] == "hello"
        made = threading.Thread(target=lambda: server_side(someone))
        made.start()
        async for event in events:
            assert event["event"] != "import"
            if event["event"] == "change" and "message.created" in event["data"]:
                break
        made.join()
        await stream.leave()

    run(world, work)


def test_a_server_imports_while_it_runs_and_lets_go_when_it_stops(world: World, someone: Importer) -> None:
    desk = Desk(world.store, someone.spool, 1 << 30)
    id = someone.send((NAME, chat()), phone=PHONE, options=OPTIONS)

    async def work() -> None:
        import asyncio

        async with importing(world.store, world.media, desk, world.settings()):
            while world.store.import_jobs.find(world.org.no, id).state != "done":
                await asyncio.sleep(0.02)

    run(world, work)
    assert not any(thread.name.startswith("backscroll-import") for thread in threading.enumerate())


@pytest.mark.full
def test_a_server_that_is_killed_again_and_again_ends_each_import_right(
    tmp_path: Any, database_url: str | None
) -> None:
    store = open_store(database_url, tmp_path)
    org = store.create_org("Bakery")
    secret = store.create_token(org.no, scopes=frozenset({"read", "write"})).secret
    served = Served(tmp_path, database_url)
    served.start()
    try:
        _import_under_fire(served, secret, chat(12_000), "UTC")
        assert count(store, org.no) == 12_000
        # The same export with another time zone replaces the first import.
        _import_under_fire(served, secret, chat(12_000), "Asia/Kolkata")
    finally:
        served.kill()
    assert count(store, org.no) == 12_000
    assert [entry.state for entry in store.list_imports(org.no)] == ["undone", "done"]
    assert list(map(str, store.check())) == []
    assert not any((tmp_path / "imports").iterdir())
    store.close()


def _import_under_fire(served: Served, secret: str, body: bytes, zone: str) -> None:
    """Send a file and import it, and kill the server in the middle of each part."""
    base = f"http://127.0.0.1:{served.port}/api/imports"
    with httpx.Client(headers={"authorization": f"Bearer {secret}"}, timeout=30) as client:
        options = {"timezone": zone, "me": "Rob"}
        new = {"files": [{"name": NAME, "size": len(body)}], "phone": PHONE, "options": options}
        id = client.post(base, json=new).json()["id"]
        part = {"content-type": "application/offset+octet-stream"}
        client.patch(f"{base}/{id}/files/1", headers=part | {"upload-offset": "0"}, content=body[:100_000])
        _again(served)
        at = client.head(f"{base}/{id}/files/1").headers["upload-offset"]
        assert at == "100000"
        sent = client.patch(f"{base}/{id}/files/1", headers=part | {"upload-offset": at}, content=body[100_000:])
        assert sent.status_code == 204
        kills = 0
        while (job := client.get(f"{base}/{id}").json()).get("state") != "done":
            # Requests of a token are limited per second.
            time.sleep(0.1)
            if "state" not in job:
                continue
            assert job["error"] is None
            if kills < 3 and job["state"] == "running" and (job["progress"] or {}).get("done", 0) > 1000 * kills:
                kills += 1
                _again(served)
        assert kills > 0


def _again(served: Served) -> None:
    served.kill()
    served.start()
