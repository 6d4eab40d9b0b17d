"""Pulls from a running GOWA what its webhooks missed, faults included."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from backscroll.config import load
from backscroll.core.errors import BadField, Error, Unauthorised, Unreadable
from backscroll.core.events import MessageSeen, ReactionSet
from backscroll.ingest.connectors.gowa.answers import read_chats, read_messages
from backscroll.ingest.gowa.pull import PullStopped, PullSummary, pull
from backscroll.ingest.sync import due, last_run, sync
from backscroll.jobs import syncing
from backscroll.storage.store import Store
from backscroll.storage.write.live_sources import LiveSource, SourceSecrets, make_source_id
from gateway_archive import Archive
from gateways import ANA, ANSWER, BEN, GROUP, HELLO, ME, gowa, net
from standin_gowa import LOGIN, StandIn, busy, go_time, half_json, hang_up, web_page, wire_message

NOW = 1_773_306_000
Fault = Any


@pytest.fixture
def archive(store: Store) -> Archive:
    return Archive(store)


def history(amount: int, chat: str = net(ANA)) -> list[dict[str, Any]]:
    """Messages of which 130 share one second, more than a page of GOWA has."""
    return [wire_message(f"3A{chat[:4]}{n:08d}", chat, NOW - max(n, 130) * 60) for n in range(amount)]


def take(archive: Archive, server: StandIn, **options: Any) -> PullSummary:
    defaults: dict[str, Any] = {"login": LOGIN, "url": server.url, "sleep": lambda _: None}
    return pull(archive.store, archive.org.no, net(ME), **defaults | options)


def ids(archive: Archive) -> set[str]:
    return set(archive.messages())


def told(server: StandIn) -> set[str]:
    return {str(row["id"]) for rows in server.chats.values() for row in rows}


def test_everything_that_gowa_has_comes(archive: Archive) -> None:
    group = wire_message("G1", GROUP, NOW, sender_jid=net(BEN))
    with StandIn(net(ME), {net(ANA): history(320), GROUP: [group]}, {GROUP: "The shop"}) as server:
        summary = take(archive, server)
        assert ids(archive) == told(server)
    assert (summary.chats, summary.quarantined) == (2, 0)
    assert archive.messages()["G1"].message.key.sender == net(BEN)
    chats = {chat[0]: chat[2] for chat in archive.view()["chats"]}
    assert chats[GROUP] == "The shop"
    assert chats[net(ANA)] is None


def test_a_message_is_told_with_all_that_gowa_knows_of_it(archive: Archive) -> None:
    reaction = {"emoji": "👍", "sender_jid": net(ANA), "is_from_me": False, "timestamp": go_time(NOW + 9)}
    file = {"media_type": "image", "filename": "image.jpg", "url": "https://mmg.whatsapp.net/x", "file_length": 812}
    picture = wire_message("P1", net(ANA), NOW, content="look", is_from_me=True, sender_jid=net(ME), **file)
    place = wire_message("L1", net(ANA), NOW + 1, content="Café — https://maps.google.com/?q=40.4,-3.7")
    with StandIn(net(ME), {net(ANA): [picture | {"reactions": [reaction]}, place]}) as server:
        take(archive, server)
    found = archive.messages()
    message = found["P1"].message
    assert (message.kind, message.text, message.from_me, message.sent_at) == ("image", "look", True, NOW * 1_000_000)
    assert message.details.media is not None
    assert (message.details.media.size, message.details.media.filename) == (812, "image.jpg")
    assert [(r.emoji, r.sender) for r in found["P1"].reactions] == [("👍", net(ANA))]
    location = found["L1"].message.details.location
    assert location is not None
    assert (found["L1"].message.kind, location.latitude, location.name) == ("location", 40.4, "Café")


def test_asked_again_it_changes_nothing(archive: Archive) -> None:
    with StandIn(net(ME), {net(ANA): history(150)}) as server:
        take(archive, server)
        seen = archive.view()
        assert take(archive, server).changed == 0
        assert archive.view() == seen


def test_a_webhook_that_was_missed_comes_and_one_that_came_stays_as_it_was(archive: Archive) -> None:
    archive.take("gowa", gowa(HELLO) or b"")
    before = archive.messages()[HELLO.id]
    rows = [
        wire_message(HELLO.id, net(ANA), HELLO.at, content="later words"),
        wire_message(ANSWER.id, net(ANA), ANSWER.at, content=ANSWER.text, is_from_me=True, sender_jid=net(ME)),
    ]
    with StandIn(net(ME), {net(ANA): rows}) as server:
        take(archive, server)
    after = archive.messages()
    assert ids(archive) == {HELLO.id, ANSWER.id}
    assert after[HELLO.id].message.text == before.message.text
    assert after[ANSWER.id].message.text == ANSWER.text


def test_only_what_is_new_is_asked_for(archive: Archive) -> None:
    old = [wire_message("O1", net(BEN), NOW - 90 * 86_400)]
    with StandIn(net(ME), {net(ANA): history(5), net(BEN): old}) as server:
        take(archive, server, since=(NOW - 86_400) * 1_000_000)
        asked = [(path, params.get("start_time")) for path, params in server.requests[1:]]
    assert asked == [(f"/chat/{net(ANA)}/messages", go_time(NOW - 86_400))]


@pytest.mark.parametrize("fault", [busy, hang_up, half_json, web_page])
def test_a_fault_that_passes_costs_nothing(archive: Archive, fault: Fault) -> None:
    with StandIn(net(ME), {net(ANA): history(150)}) as server:
        server.faults = [None, fault, fault, None, fault]
        take(archive, server)
        assert ids(archive) == told(server)


@pytest.mark.parametrize("fault", [busy, hang_up, half_json, web_page])
def test_a_fault_that_stays_ends_the_run_in_words(archive: Archive, fault: Fault) -> None:
    with StandIn(net(ME), {net(ANA): history(5)}) as server:
        server.faults = [fault] * 50
        with pytest.raises(PullStopped, match="times in a row"):
            take(archive, server)


def test_who_may_not_ask_is_told_so(archive: Archive) -> None:
    with StandIn(net(ME), {}) as server:
        with pytest.raises(Unauthorised, match="USER:PASSWORD") as refused:
            take(archive, server, login="desk:wrong")
        assert "wrong" not in str(refused.value)
        server.phone = net(BEN)
        with pytest.raises(PullStopped, match="no such device"):
            take(archive, server)


def test_a_run_that_was_cut_is_made_good_by_the_next(archive: Archive) -> None:
    def cut(summary: PullSummary) -> None:
        if summary.messages >= 200:
            raise KeyboardInterrupt

    with StandIn(net(ME), {net(ANA): history(320)}) as server:
        with pytest.raises(KeyboardInterrupt):
            take(archive, server, progress=cut)
        assert 0 < len(ids(archive)) < 320
        take(archive, server)
        assert ids(archive) == told(server)


def test_a_row_that_cannot_be_read_goes_to_quarantine_alone(archive: Archive) -> None:
    rows = [wire_message("A1", net(ANA), NOW), wire_message("A2", net(ANA), NOW) | {"id": 7}, {"id": "A3"}]
    rows.append(wire_message("A4", net(ANA), NOW, reactions=[{"emoji": "👍"}]))
    rows[2] |= {"timestamp": go_time(NOW)}
    with StandIn(net(ME), {net(ANA): rows}) as server:
        assert take(archive, server).quarantined == 3
        take(archive, server)
    assert ids(archive) == {"A1", "A4"}
    aside = archive.store.quarantined(archive.org.no)
    assert len(aside) == 3
    assert all(found.problem.startswith(("messages.", "reactions.")) for found in aside)
    assert json.loads(aside[1].payload)["id"] == "A3"


def test_a_server_that_ignores_offsets_does_not_hold_it_for_ever(archive: Archive) -> None:
    body = json.dumps({"results": {"data": history(100)}}).encode()

    def answer(request: httpx.Request) -> httpx.Response:
        chats = [{"jid": net(ANA), "name": "", "updated_at": go_time(NOW)}] * 100
        page = json.dumps({"results": {"data": chats}}).encode()
        return httpx.Response(200, content=page if request.url.path == "/chats" else body)

    with (
        httpx.Client(transport=httpx.MockTransport(answer)) as client,
        pytest.raises(PullStopped, match="ignores the offset"),
    ):
        pull(archive.store, archive.org.no, net(ME), "http://gowa", client=client)
    assert len(ids(archive)) == 100


ODD = st.one_of(
    st.none(),
    st.integers(),
    st.text(max_size=8),
    st.floats(allow_nan=False, allow_infinity=False),
    st.lists(st.text(), max_size=2),
)
NAMES = (
    "id",
    "jid",
    "chat_jid",
    "sender_jid",
    "content",
    "timestamp",
    "media_type",
    "reactions",
    "file_length",
    "name",
)


@given(rows=st.lists(st.dictionaries(st.sampled_from(NAMES), ODD), max_size=3), spoil=st.sampled_from(NAMES), odd=ODD)
@example(rows=[], spoil="sender_jid", odd="\0")
def test_spoilt_answers_raise_only_the_decoders_own_error(rows: list[dict[str, Any]], spoil: str, odd: Any) -> None:
    reaction = {"emoji": "👍", "sender_jid": net(ANA), "timestamp": go_time(NOW)}
    whole = wire_message("A1", net(ANA), NOW, jid=net(ANA), reactions=[reaction])
    body = json.dumps({"results": {"data": [*rows, {**whole, spoil: odd}, {**whole, "reactions": [{spoil: odd}]}]}})
    messages, chats = read_messages(body.encode(), net(ME)), read_chats(body.encode(), net(ME))
    assert all(isinstance(event, MessageSeen | ReactionSet) for event in messages.events)
    assert messages.rows == chats.rows == len(rows) + 2


@given(body=st.binary(max_size=100))
@example(body=b"[" * 100_000)
@example(body=b'{"results":{"data":[1]}}')
@example(body=b'{"results":null}')
def test_what_is_no_answer_is_unreadable(body: bytes) -> None:
    for read in (read_messages, read_chats):
        with pytest.raises(Unreadable):
            read(body, net(ME))


# Sources that are pulled from


def add(archive: Archive, kind: str = "gowa", **fields: Any) -> LiveSource:
    wanted = LiveSource(org=archive.org.no, id=make_source_id(archive.org.no), kind=kind, **fields)
    return archive.store.sources.add(wanted, SourceSecrets("a secret of some length", upstream_token=LOGIN))


def test_a_source_is_asked_for_what_is_new_since_the_last_whole_run(archive: Archive) -> None:
    with StandIn(net(ME), {net(ANA): history(150)}) as server:
        source = add(archive, phone=archive.phone.no, upstream=server.url)
        first = sync(archive.store, None, source.id)
        assert first.summary is not None
        assert first.summary["changed"] > 0
        assert all("start_time" not in params for _, params in server.requests)
        server.requests.clear()
        server.chats[net(ANA)].append(wire_message("NEW", net(ANA), int(time.time())))
        sync(archive.store, None, source.id)
        assert "NEW" in ids(archive)
        assert all("start_time" in params for path, params in server.requests if path != "/chats")
        server.requests.clear()
        sync(archive.store, None, source.id, full=True)
        assert len(server.requests) == 4


def test_a_run_that_fails_does_not_count_as_whole(archive: Archive) -> None:
    source = add(archive, phone=archive.phone.no, upstream="http://127.0.0.1:9", every=60_000_000)
    with pytest.raises(Error):
        sync(archive.store, None, source.id, sleep=lambda _: None)
    run = last_run(archive.store, source)
    assert run.done is None
    assert due(archive.store, archive.org.no, run.tried + 1) == []
    assert due(archive.store, archive.org.no, run.tried + 60_000_000) == [source]


def test_one_process_at_a_time_asks(archive: Archive) -> None:
    with StandIn(net(ME), {net(ANA): history(5)}) as server:
        source = add(archive, phone=archive.phone.no, upstream=server.url)
        turn = archive.store.sources.take_turn(source)
        assert turn is not None
        assert sync(archive.store, None, source.id).summary is None
        assert server.requests == []
        archive.store.sources.end_turn(turn)
        assert sync(archive.store, None, source.id).summary is not None
        assert not archive.store.sources.keep_turn(turn)


def test_sources_that_cannot_be_asked_are_told(archive: Archive) -> None:
    for source in (add(archive), add(archive, "waha", upstream="http://127.0.0.1:9", every=1)):
        with pytest.raises(BadField, match="--upstream"):
            sync(archive.store, None, source.id)
    assert due(archive.store, archive.org.no, time.time_ns()) == []


def test_the_server_asks_by_itself(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syncing, "LOOK_SECONDS", 0.05)

    async def run(server: StandIn) -> None:
        async with syncing.syncing(archive.store, None, load({})):
            while len(ids(archive)) < 5:
                await asyncio.sleep(0.05)

    with StandIn(net(ME), {net(ANA): history(5)}) as server:
        add(archive, phone=archive.phone.no, upstream="http://127.0.0.1:9", every=3_600_000_000)
        add(archive, phone=archive.phone.no, upstream=server.url, every=3_600_000_000)
        asyncio.run(asyncio.wait_for(run(server), 120))
        assert ids(archive) == told(server)
        assert sum(path == "/chats" for path, _ in server.requests) == 1
