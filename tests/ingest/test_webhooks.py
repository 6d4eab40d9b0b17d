"""Payloads of gateways, up to the archive: one gateway or several, in any order, also repeatedly."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from msgspec import structs

import gateways
from backscroll.core.model import Call
from backscroll.core.query import ChatQuery
from backscroll.ingest import webhooks
from backscroll.ingest.connector import pushed
from backscroll.ingest.connectors.pushed import Observed, Setup
from backscroll.storage.store import Store, open_store
from conftest import OwnDatabase
from gateway_archive import Archive
from gateways import ANA, ANA_LID, ANSWER, BEN, DAY, FROM_BEN, GROUP, HELLO, MISTAKE, PICTURE, SENDERS, TO_ALL, net
from thorough import examples

Delivery = tuple[str, bytes]


@pytest.fixture(scope="module")
def shared_store(tmp_path_factory: pytest.TempPathFactory, own_database: OwnDatabase) -> Iterator[Store]:
    """One store for all examples; each example creates its own organisation."""
    opened = open_store(own_database(), tmp_path_factory.mktemp("gateways"))
    yield opened
    opened.close()


@pytest.fixture
def archive(store: Store) -> Archive:
    return Archive(store)


EVERYTHING: list[Delivery] = [(kind, body) for kind in SENDERS for body in gateways.payloads(kind)]
EVERYTHING += [("periskope", body) for step in DAY if (body := gateways.periskope(step, flat=True)) is not None]


@pytest.mark.parametrize("kind", SENDERS)
def test_a_day_is_told_by_each_gateway_alone(archive: Archive, kind: str) -> None:
    for body in gateways.payloads(kind):
        archive.take(kind, body)
    archive.settle()
    messages = archive.messages()
    assert archive.store.list_quarantined(archive.org.no) == []
    hello = messages[HELLO.id]
    assert (hello.message.text, hello.message.sent_at) == ("hello there", HELLO.at * 1_000_000)
    assert (hello.message.key.chat, hello.message.key.sender) == (net(ANA), net(ANA))
    assert hello.prev_text == "hello ther"
    answer = messages[ANSWER.id]
    assert (answer.message.from_me, answer.ack, answer.reactions) == (True, 4, ())
    quoted = answer.message.details.quoted
    assert quoted is not None
    assert quoted.id == HELLO.id
    picture = messages[PICTURE.id]
    assert (picture.message.kind, picture.message.text) == ("image", "the shop")
    assert [(r.emoji, r.from_me) for r in picture.reactions] == [("👍", True)]
    assert messages[MISTAKE.id].deleted
    assert messages[MISTAKE.id].message.text == "wrong chat"


@pytest.mark.parametrize("kind", ["gowa", "waha", "evolution", "periskope", "events"])
def test_a_group_is_told_with_its_people(archive: Archive, kind: str) -> None:
    for body in gateways.payloads(kind):
        archive.take(kind, body)
    messages = archive.messages()
    why = messages[FROM_BEN.id].message
    assert (why.key.chat, why.key.sender) == (GROUP, net(BEN))
    assert [(r.sender, r.emoji) for r in messages[TO_ALL.id].reactions] == [(net(BEN), "😮")]
    if kind != "evolution":
        times = {r.participant: (r.delivered_at, r.read_at) for r in messages[TO_ALL.id].receipts}
        assert times[net(BEN)][1] == (TO_ALL.at + 2) * 1_000_000


def test_one_person_has_one_chat_whatever_the_gateways_call_her(archive: Archive) -> None:
    for kind, body in EVERYTHING:
        archive.take(kind, body)
    view = archive.view()
    assert [chat[0] for chat in view["chats"]] == [GROUP, net(ANA)]
    (jid, lid, _, push_name, _) = view["names"][0]
    assert (jid, lid, push_name) == (net(ANA), ANA_LID, "Ana")
    assert archive.store.find_chat(archive.org.no, (archive.phone.no,), "IN.1502576394655843") is not None


def _in_order(archive: Archive, deliveries: list[Delivery]) -> dict[str, Any]:
    for kind, body in deliveries:
        archive.take(kind, body)
    archive.settle()
    return archive.view()


@settings(
    max_examples=examples(2, 16),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.generate],
)
@given(seed=st.integers(0, 2**32))
def test_order_repeats_and_halves_do_not_matter(shared_store: Store, seed: int) -> None:
    expected = _in_order(Archive(shared_store), EVERYTHING)
    chance = random.Random(seed)
    shuffled = [*EVERYTHING, *chance.sample(EVERYTHING, 30)]
    chance.shuffle(shuffled)
    half = chance.randrange(len(shuffled))
    archive = Archive(shared_store)
    _in_order(archive, shuffled[:half])
    assert _in_order(archive, shuffled[half:]) == expected


def test_an_edit_that_several_gateways_tell_is_one_edit(archive: Archive) -> None:
    for kind, body in EVERYTHING:
        archive.take(kind, body)
    archive.settle()
    edits = archive.messages()[HELLO.id].edits
    assert [(edit.text, edit.at, edit.id) for edit in edits] == [
        ("hello there", (HELLO.at + 20) * 1_000_000, "3A10000000000000A0E1")
    ]


# What two sources send alike


def test_a_payload_nested_too_deeply_is_kept_in_quarantine(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(body: bytes, setup: Setup) -> Observed:
        raise RecursionError

    connector = pushed("evolution")
    monkeypatch.setattr(webhooks, "pushed", lambda kind: structs.replace(connector, observe=exhausted))
    archive.take("evolution", b"{}")
    (kept,) = archive.store.list_quarantined(archive.org.no)
    assert kept.problem == "body: is nested too deeply"


def test_a_call_told_by_several_gateways_in_any_order_is_one_call(archive: Archive) -> None:
    def waha(event: str, at: int) -> bytes:
        call = {"id": "CALL1", "from": f"{ANA}@c.us", "timestamp": at, "isVideo": True}
        envelope = {"event": event, "timestamp": at * 1000, "engine": "GOWS", "payload": call}
        return msgspec.json.encode(envelope | {"me": {"id": f"{gateways.ME}@c.us"}})

    offer = {"call_id": "CALL1", "from": net(ANA), "auto_rejected": False}
    told: list[Delivery] = [
        ("waha", waha("call.rejected", 1_700_000_060)),
        ("waha", waha("call.accepted", 1_700_000_009)),
        ("gowa", msgspec.json.encode({"event": "call.offer", "payload": offer, "timestamp": "2023-11-14T22:13:22Z"})),
        ("waha", waha("call.received", 1_700_000_001)),
    ]
    views = []
    for order in itertools.permutations(told):
        fresh = Archive(archive.store)
        for kind, body in order:
            fresh.take(kind, body)
        (call,) = fresh.notices()
        views.append((call.message.sent_at, call.message.details.call, call.message.key.chat))
    assert set(map(str, views)) == {str(views[0])}
    assert views[0][0] == 1_700_000_001_000_000
    assert views[0][1] == Call(video=True, outgoing=False, result="connected")


def test_a_number_that_repeats_a_hidden_id_makes_no_contact(archive: Archive) -> None:
    data: dict[str, Any] = {"id": GROUP, "action": "add", "participants": [ANA_LID]}
    data |= {"participantsData": [{"jid": ANA_LID, "phoneNumber": ANA_LID.partition("@")[0]}]}
    envelope = {"event": "group-participants.update", "data": data, "sender": net(gateways.ME)}
    archive.take("evolution", msgspec.json.encode(envelope | {"date_time": "2023-11-14T22:13:22.000Z"}))
    (notice,) = archive.notices()
    assert notice.message.details.notice is not None
    assert notice.message.details.notice.recipients == (ANA_LID,)
    for body in gateways.payloads("gowa"):
        archive.take("gowa", body)
    assert net(ANA) in {chat.jid for chat in archive.store.list_chats(_chats(archive)).chats}
    (notice,) = (n for n in archive.notices() if n.message.key.id == notice.message.key.id)
    assert notice.message.details.notice is not None
    assert notice.message.details.notice.recipients == (net(ANA),)


def _chats(archive: Archive) -> ChatQuery:
    return ChatQuery(org=archive.org.no, phones=(archive.phone.no,), limit=100)
