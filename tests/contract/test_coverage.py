"""Coverage over HTTP and in the terminal: scopes, pages, and readable sentences."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from backscroll.core.coverage import Coverage, Gap, Heard
from backscroll.core.events import Batch
from backscroll.core.imports import NewImport
from backscroll.dialects.native.coverage import gap_text, stretch
from backscroll.ingest.jsonl import export_jsonl, import_jsonl
from backscroll.storage.files.media import MediaStore
from backscroll.storage.store import open_store
from backscroll.storage.write.live_sources import LiveSource, SourceSecrets, make_source_id
from contract.world import SECOND, Teller, World, micros, same_person, user
from shell import Shell

ANA, BEN = user("4915550002001"), user("4915550002002")
ANA_LID = "99887766554433@lid"
NOON = micros("2026-07-01T12:00:00+00:00")
DAY = 86_400 * SECOND


class Desk:
    """A phone with a chat that two files cover in part, and a chat without coverage."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.phone = world.phone("4915550001001", name="Desk")
        self.teller = Teller(self.phone)
        self.client = world.client()
        self.take("first.zip", ANA, NOON, NOON + 8 * DAY)
        self.take("second.zip", ANA_LID, NOON + 13 * DAY, NOON + 20 * DAY)
        world.tell(same_person(ANA_LID, ANA), self.teller.message(BEN, "B1", NOON, "hello"))

    def take(self, file: str, chat: str, *times: int) -> None:
        entry = self.world.store.begin_import(self.world.org.no, NewImport(kind="export", file=file))
        said = tuple(self.teller.message(chat, f"{file}-{at}", at, "hi") for at in times)
        self.world.store.as_import(entry.id).apply(self.world.org.no, Batch(source="export", events=said))
        self.world.store.finish_import(self.world.org.no, entry.id, None)

    def covered(self, query: str = "") -> Any:
        return self.client.json(f"/api/coverage{query}")


@pytest.fixture
def desk(world: World) -> Desk:
    return Desk(world)


def test_each_chat_comes_with_its_spans_and_gaps(desk: Desk) -> None:
    page = desk.covered()
    assert [phone["phone"] for phone in page["phones"]] == ["4915550001001"]
    assert [item["chat_id"] for item in page["items"]] == ["4915550002001@c.us", "4915550002002@c.us"]
    ana, ben = page["items"]
    assert [(s["from"][:10], s["to"][:10], s["source"]["id"]) for s in ana["spans"]] == [
        ("2026-07-14", "2026-07-21", "import:2"),
        ("2026-07-01", "2026-07-09", "import:1"),
    ]
    (gap,) = ana["gaps"]
    assert (gap["from"][:10], gap["to"][:10], gap["reason"]) == ("2026-07-09", "2026-07-14", "uncovered")
    assert gap["text"] == "No source covers 9 to 14 July 2026."
    assert [one["text"] for one in gap["evidence"]] == [
        "Covered until 9 July 2026, 12:00 by import 1 (export, first.zip).",
        "Covered again from 14 July 2026, 12:00 by import 2 (export, second.zip).",
    ]
    assert gap["remedy"]["code"] == "export"
    assert (ben["covered_from"], ben["spans"], len(ben["gaps"])) == (None, [], 1)


def test_one_chat_is_found_by_any_of_its_ids(desk: Desk) -> None:
    by_number = desk.covered("?phone=4915550001001&chat=4915550002001")
    by_lid = desk.covered(f"?phone=4915550001001&chat={ANA_LID}")
    assert by_number == by_lid
    assert [item["name"] for item in by_number["items"]] == [None]
    assert by_number["total"] == 1


def test_pages_of_chats_go_on_by_cursor(desk: Desk) -> None:
    first = desk.covered("?limit=1")
    second = desk.covered(f"?limit=1&cursor={first['next']}")
    assert [item["chat_id"] for page in (first, second) for item in page["items"]] == [
        "4915550002001@c.us",
        "4915550002002@c.us",
    ]
    assert second["phones"] == []
    refused = desk.client.ask(f"/api/coverage?phone=4915550001001&chat=4915550002001&cursor={first['next']}")
    assert (refused.status_code, refused.json()["code"]) == (422, "BAD_CURSOR")


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("?phone=4915550009999", 404),
        ("?phone=4915550001001&chat=4915550002999", 404),
        ("?limit=0", 422),
        ("?limit=201", 422),
        ("?chat=4915550002001", 422),
        ("?cursor=nonsense", 422),
    ],
)
def test_what_cannot_be_answered_is_refused(desk: Desk, query: str, status: int) -> None:
    desk.world.phone("4915550001002")
    assert desk.client.ask(f"/api/coverage{query}").status_code == status


def test_a_token_sees_its_own_phones_only(desk: Desk) -> None:
    other = desk.world.phone("4915550001002")
    client = desk.world.client([other])
    page = client.json("/api/coverage")
    assert ([phone["phone"] for phone in page["phones"]], page["items"]) == (["4915550001002"], [])
    assert client.ask("/api/coverage?phone=4915550001001").status_code == 404


def test_a_chat_and_its_spine_show_the_gaps(desk: Desk) -> None:
    chat = desk.client.json("/api/chats/4915550001001/4915550002001")
    assert [gap["reason"] for gap in chat["coverage"]["gaps"]] == ["uncovered"]
    spine = desk.client.json("/api/chats/4915550001001/4915550002001/spine")
    assert [(gap["from"][:10], gap["to"][:10], gap["messages"]) for gap in spine["gaps"]] == [
        ("2026-07-09", "2026-07-14", 0)
    ]


def test_a_live_source_shows_up_for_the_phone(desk: Desk) -> None:
    store, org = desk.world.store, desk.world.org.no
    wanted = LiveSource(org=org, id=make_source_id(org), kind="gowa", phone=desk.phone.no)
    source = store.sources.add(wanted, SourceSecrets("secret of a source")).id
    heard = Heard(source=source, phones=(desk.phone.jid,))
    store.apply(org, Batch(source="webhook", events=[], heard=heard))
    (phone,) = desk.covered()["phones"]
    (span,) = phone["spans"]
    assert (span["live"], span["scope"], span["source"]["id"]) == (True, "phone", source)
    (gap,) = desk.covered("?phone=4915550001001&chat=4915550002001")["items"][0]["gaps"][:1]
    assert gap["text"].startswith("No source covers 21 July")


def test_the_answer_grows_with_interruptions_and_no_further(desk: Desk) -> None:
    for n in range(250):
        at = NOON + n * DAY
        told = Coverage(phone=desk.phone.jid, since=at, until=at + SECOND, origin="pull gowa elsewhere")
        desk.world.store.apply(desk.world.org.no, Batch(source="gowa", events=[], coverage=(told,)))
    (phone,) = desk.covered()["phones"]
    assert (len(phone["spans"]), len(phone["gaps"]), phone["more_spans"], phone["more_gaps"]) == (200, 100, True, True)


def test_a_dump_carries_coverage_into_another_archive(
    desk: Desk, other_database_url: str | None, tmp_path: Path
) -> None:
    world = desk.world
    heard = Coverage(phone=desk.phone.jid, since=NOON, until=NOON + DAY, origin="live gowa src1x1", ended="silence")
    world.store.apply(world.org.no, Batch(source="gowa", events=[], coverage=(heard,)))
    first = io.BytesIO()
    export_jsonl(world.store, first, org=world.org)
    other = open_store(other_database_url, tmp_path / "other")
    media = MediaStore(tmp_path / "other" / "media", other.key())
    import_jsonl(other, media, io.BytesIO(first.getvalue()))
    again = io.BytesIO()
    export_jsonl(other, again, org=other.list_orgs()[0])
    told = [line for line in first.getvalue().splitlines() if b'"coverage"' in line]
    assert len(told) == 3
    assert [line for line in again.getvalue().splitlines() if b'"coverage"' in line] == told
    other.undo_import(other.list_orgs()[0].no, 1)
    left = io.BytesIO()
    export_jsonl(other, left, org=other.list_orgs()[0])
    assert b'"coverage"' not in left.getvalue()
    assert list(other.check()) == []
    other.close()


def test_a_dump_of_one_chat_claims_nothing_for_others(desk: Desk) -> None:
    world = desk.world
    told = Coverage(phone=desk.phone.jid, since=NOON, until=NOON + 30 * DAY, origin="live gowa src1x1")
    world.store.apply(world.org.no, Batch(source="gowa", events=[], coverage=(told,)))
    out = io.BytesIO()
    export_jsonl(world.store, out, org=world.org, chat=BEN)
    lines = [json.loads(line) for line in out.getvalue().splitlines() if b'"coverage"' in line]
    assert [(line["chat"], line["origin"]) for line in lines] == [(BEN, "live gowa src1x1")]


def test_the_command_says_it_in_plain_words(desk: Desk) -> None:
    shell = Shell(desk.world.folder, desk.world.database)
    shown = shell.run("coverage", "--chat", "4915550002001").output
    assert "GAP No source covers 9 to 14 July 2026." in shown
    assert "To fill it: backscroll import export FILE" in shown
    rows = shell.json("coverage", "--phone", "4915550001001")
    assert [len(item["gaps"]) for item in rows["items"]] == [1, 1]


@pytest.mark.parametrize(
    ("since", "until", "shown"),
    [
        ("2026-07-09T08:05", "2026-07-14T09:00", "9 to 14 July 2026"),
        ("2026-06-28T08:05", "2026-07-03T09:00", "28 June to 3 July 2026"),
        ("2025-12-30T08:05", "2026-01-02T09:00", "30 December 2025 to 2 January 2026"),
        ("2026-07-09T08:05", "2026-07-09T09:10", "9 July 2026, 08:05 to 09:10"),
        ("2026-07-09T08:05", "2026-07-09T08:05", "9 July 2026, 08:05"),
    ],
)
def test_a_stretch_of_time_reads_like_a_sentence(since: str, until: str, shown: str) -> None:
    assert stretch(micros(f"{since}:00+00:00"), micros(f"{until}:00+00:00")) == shown


def test_a_gap_that_goes_on_says_since_when() -> None:
    gap = Gap(since=NOON, until=None, reason="server_down", messages=0)
    assert gap_text(gap) == "No source has covered anything since 1 July 2026, 12:00. Backscroll was not running."
