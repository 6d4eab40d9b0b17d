"""The same bytes from several sources: each has its own row in quarantine, is read again, dropped and counted by it."""

from __future__ import annotations

import random
from collections.abc import Iterator

import msgspec
import pytest

import gateways
from backscroll.core.errors import NotFound
from backscroll.core.model import Org, Phone
from backscroll.ingest.quarantine import retry
from backscroll.ingest.source_state import source_states
from backscroll.ingest.webhooks import Ingestor
from backscroll.storage.read.health import health_of
from backscroll.storage.store import Store, open_store
from backscroll.storage.write.live_sources import LiveSource, SourceSecrets, make_source_id
from conftest import OwnDatabase
from gateways import HELLO, ME, net
from thorough import examples

UNHEARD = b'{"event":"message.unheard","payload":{}}'
STRANGER = "628111111111"


@pytest.fixture(scope="module")
def shared_store(tmp_path_factory: pytest.TempPathFactory, own_database: OwnDatabase) -> Iterator[Store]:
    """One store for all histories; each has its own organisation."""
    opened = open_store(own_database(), tmp_path_factory.mktemp("histories"))
    yield opened
    opened.close()


def add(store: Store, org: Org, kind: str = "gowa", phone: Phone | None = None) -> LiveSource:
    made = LiveSource(org=org.no, id=make_source_id(org.no), kind=kind, phone=phone.no if phone else None)
    return store.sources.add(made, SourceSecrets("a secret of some length"))


def by_source(store: Store, org: Org) -> dict[str | None, int]:
    """The number of the row of each source; fails if one has two."""
    kept = store.list_quarantined(org.no)
    rows = {one.via: one.no for one in kept}
    assert len(rows) == len(kept)
    return rows


def test_each_source_has_its_own_row_and_sending_again_adds_none(store: Store, org: Org, phone: Phone) -> None:
    ingestor, (one, two) = Ingestor(store), (add(store, org, phone=phone), add(store, org, phone=phone))
    for source in (one, two, one, two):
        ingestor.take(source, UNHEARD)
    rows = by_source(store, org)
    assert set(rows) == {one.id, two.id}
    assert [row.via for row in store.list_quarantined(org.no, two.id)] == [two.id]
    refused = {state.source.id: state.refused for state in source_states(store, org.no, (phone,), 0)}
    assert refused == {one.id: 1, two.id: 1}
    assert store.ask(org.no, health_of).quarantine.total == 2
    assert {row.payload for row in store.quarantined(org.no)} == {UNHEARD}
    assert list(store.check()) == []


def test_reading_again_and_dropping_leave_the_row_of_the_other_source(store: Store, org: Org) -> None:
    phone = store.add_phone(org.no, ME)
    ingestor, sources = Ingestor(store), [add(store, org, phone=phone) for _ in range(3)]
    body = gateways.gowa(HELLO)
    assert body is not None
    stray = body.replace(net(ME).encode(), net(STRANGER).encode())
    for source in sources:
        ingestor.take(source, stray)
    rows = by_source(store, org)
    first, second, third = (rows[source.id] for source in sources)
    stranger = store.add_phone(org.no, STRANGER)
    assert retry(store, org.no, first) is None
    found = store.find_message(org.no, (stranger.no,), HELLO.id)
    assert found is not None
    store.drop_quarantined(org.no, second)
    assert set(by_source(store, org).values()) == {third}
    assert retry(store, org.no, third) is None
    assert by_source(store, org) == {}
    assert store.find_message(org.no, (stranger.no,), HELLO.id) == found
    with pytest.raises(NotFound):
        retry(store, org.no, third)


def test_a_removed_source_does_not_take_the_row_of_the_other_along(store: Store, org: Org, phone: Phone) -> None:
    ingestor, (gone, stays) = Ingestor(store), (add(store, org, phone=phone), add(store, org, phone=phone))
    for source in (stays, gone):
        ingestor.take(source, UNHEARD)
    rows = by_source(store, org)
    store.sources.remove(gone.id)
    assert "was removed" in str(retry(store, org.no, rows[gone.id]))
    assert "does not know the event" in str(retry(store, org.no, rows[stays.id]))
    assert by_source(store, org) == rows


def test_what_came_through_a_removed_source_passes_to_the_one_that_sends_it_now(store: Store, org: Org) -> None:
    """A source was removed and added again, of another kind too: its old address was of the wrong kind."""
    phone = store.add_phone(org.no, ME)
    body = msgspec.json.encode({"event": "message.any", "payload": {"id": "false_1@c.us_A", "timestamp": "soon"}})
    ingestor, wrong = Ingestor(store), add(store, org, "gowa", phone)
    ingestor.take(wrong, body)
    before = by_source(store, org)
    store.sources.remove(wrong.id)
    store.quarantine(org.no, "wacli", body, "a file holds it as well")
    right = add(store, org, "waha", phone)
    for _ in range(2):
        ingestor.take(right, body)
    rows = by_source(store, org)
    assert set(rows) == {right.id, None}
    assert rows[right.id] == before[wrong.id]
    kept = store.find_quarantined(org.no, rows[right.id])
    assert (kept.source, kept.problem) == ("waha", "payload.timestamp: 'soon' is not a time")
    assert retry(store, org.no, kept.no) == kept.problem


def test_input_of_files_and_pulled_rows_is_kept_by_its_kind_and_form(store: Store, org: Org) -> None:
    forms = [("wacli", None), ("msgstore", None), ("gowa", "row gowa-chats 1"), ("gowa", "row gowa-chats 2")]
    rows = [[store.quarantine(org.no, kind, b"{}", "unreadable", via=via) for kind, via in forms] for _ in range(2)]
    assert rows[0] == rows[1]
    assert len(set(rows[0])) == len(forms)
    assert [(row.source, row.via) for row in store.list_quarantined(org.no)] == forms


def test_what_is_wrong_with_it_is_what_was_found_last(store: Store, org: Org) -> None:
    first = store.quarantine(org.no, "waha", b"{}", "waits for message: A", via="src1xa", waits=True)
    assert store.waiting_in_quarantine(org.no) == [first]
    assert store.quarantine(org.no, "waha", b"{}", "payload.id: missing", via="src1xa") == first
    assert store.waiting_in_quarantine(org.no) == []
    assert store.find_quarantined(org.no, first).problem == "payload.id: missing"


@pytest.mark.parametrize("seed", range(examples(6, 60)))
def test_after_any_history_each_source_has_what_it_sent(shared_store: Store, seed: int) -> None:
    """Compared with a plain model: rows by source and bytes, and rows of removed sources that others may take over."""
    store, dice = shared_store, random.Random(seed)
    org = store.create_org(f"History {seed}")
    phone = store.add_phone(org.no, ME)
    ingestor = Ingestor(store, now=iter(range(0, 10_000_000, 10)).__next__)
    live: list[LiveSource] = []
    held: dict[tuple[str, bytes], int] = {}
    for _ in range(60):
        step = dice.random()
        if step < 0.15 or not live:
            live.append(add(store, org, phone=phone))
        elif step < 0.25:
            store.sources.remove(live.pop(dice.randrange(len(live))).id)
        elif step < 0.4 and held:
            key = dice.choice(sorted(held))
            store.drop_quarantined(org.no, held.pop(key))
        else:
            source, body = dice.choice(live), UNHEARD + b" " * dice.randrange(3)
            no = ingestor.take(source, body).quarantined
            assert no is not None
            ids = {one.id for one in live}
            orphans = {row: key for key, row in held.items() if key[1] == body and key[0] not in ids}
            expected = held.get((source.id, body), min(orphans, default=no))
            assert no == expected
            if (source.id, body) not in held and no in orphans:
                del held[orphans[no]]
            held[(source.id, body)] = no
        kept = {(str(row.via), row.payload): row.no for row in store.quarantined(org.no)}
        assert kept == held


def test_entries_that_wait_for_ever_hold_back_no_others(store: Store, org: Org) -> None:
    waiting = [
        store.quarantine(org.no, "waha", b"%d" % n, "waits for message: A", via="src1xa", waits=True) for n in range(7)
    ]
    rounds = [store.waiting_in_quarantine(org.no, limit=3) for _ in range(4)]
    assert rounds == [waiting[:3], waiting[3:6], waiting[6:], waiting[:3]]
    for no in waiting[3:6]:
        store.drop_quarantined(org.no, no)
    assert store.waiting_in_quarantine(org.no, limit=3) == waiting[6:]
    assert store.waiting_in_quarantine(org.no, limit=3) == waiting[:3]
