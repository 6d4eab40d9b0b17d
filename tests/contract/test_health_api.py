"""The archive's health over the native API: who may read it, what it contains, and what counts as a problem."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from backscroll.core.imports import NewImport
from backscroll.http.routes import health
from backscroll.storage.transfer.check.findings import Finding
from backscroll.storage.transfer.check.last import FILE, keep_check
from contract.world import Client, Teller, World, user

ANA = user("4915550002001")


@pytest.fixture
def admin(world: World) -> Client:
    return world.client(app=world.make_app(data=str(world.folder)), scopes=frozenset({"read", "admin"}))


def problems(client: Client) -> dict[str, Any]:
    return {problem["code"]: problem for problem in client.json("/api/health")["problems"]}


def test_only_who_manages_the_organisation_is_told(world: World, admin: Client) -> None:
    assert world.guest({}).ask("/api/health").status_code == 401
    assert world.client().ask("/api/health").status_code == 403
    phone = world.phone("4915550001001")
    assert world.client([phone], scopes=frozenset({"read", "admin"})).ask("/api/health").status_code == 403


def test_sizes_and_the_latest_are_told(world: World, admin: Client) -> None:
    world.tell(Teller(world.phone("4915550001001")).message(ANA, "A1", "2026-03-01T12:00:00+00:00", "hello"))
    first = world.store.begin_import(world.org.no, NewImport(kind="export", file="a.txt"))
    world.store.finish_import(world.org.no, first.id, {})
    told = admin.json("/api/health")
    assert told["engine"] == ("postgresql" if world.database else "sqlite")
    assert (told["messages"], told["chats"], told["phones"], told["last_source"]) == (1, 1, 1, "linked")
    assert told["database_bytes"] > 100_000
    assert told["disk_free_bytes"] <= told["disk_bytes"]
    assert told["archive"] == world.store.archive_id()
    assert [(one["id"], one["kind"], one["state"]) for one in told["imports"]] == [(first.id, "export", "done")]
    assert (told["check"], told["quarantined"], told["sources"]) == (None, 0, [])


def test_what_failed_and_what_nobody_understood_are_problems_with_a_remedy(world: World, admin: Client) -> None:
    assert problems(admin) == {}
    bad = world.store.begin_import(world.org.no, NewImport(kind="export", file="bad.txt"))
    world.store.finish_import(world.org.no, bad.id, None, "failed")
    world.store.quarantine(world.org.no, "gowa", b"{}", "nobody knows")
    world.store.quarantine(world.org.no, "gowa", b"{1}", "its message is not here yet", waits=True)
    found = problems(admin)
    assert set(found) == {"import_failed", "quarantine"}
    assert found["import_failed"]["remedy"].endswith(f"backscroll import undo {bad.id}")
    assert found["quarantine"]["text"].startswith("1 input could not be understood and is kept")
    told = admin.json("/api/health")
    assert (told["quarantined"], told["quarantined_waiting"]) == (2, 1)


def test_the_last_check_is_told_to_whom_it_concerns(world: World, admin: Client) -> None:
    other = world.store.create_org("Another")
    stranger = world.client(org=other, app=admin.app, scopes=frozenset({"read", "admin"}))
    findings = [Finding(world.org.no, "a message has its chat", "message 7"), Finding(other.no, "secret", "of others")]
    keep_check(world.folder, findings, media=True, now=1_790_000_000_000_000)
    told = admin.json("/api/health")
    assert (told["check"]["findings"], told["check"]["media"]) == (1, True)
    assert told["check"]["first"] == [str(findings[0])]
    assert "backscroll check --repair" in problems(admin)["check"]["remedy"]
    assert stranger.json("/api/health")["check"]["first"] == [str(findings[1])]
    keep_check(world.folder, [], media=False, now=1_790_000_000_000_001)
    assert admin.json("/api/health")["check"]["findings"] == 0
    assert problems(admin) == {}


def test_a_result_of_a_check_that_cannot_be_read_is_none(world: World, admin: Client) -> None:
    Path(world.folder, FILE).write_text("{")
    assert admin.json("/api/health")["check"] is None


def test_little_space_on_the_disk_is_a_problem(world: World, admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_disk", lambda data: (10 * 2**30, 100 * 2**20))
    assert problems(admin)["disk_full"]["text"].startswith("Only 100 MB")
