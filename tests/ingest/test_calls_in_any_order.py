"""A call is one message, whether its own events tell it or the line that stands for it in the chat, in any order."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from backscroll.core.model import ArchivedMessage, Call
from backscroll.storage.store import Store, open_store
from conftest import OwnDatabase
from gateway_archive import Archive
from gateways import ANA, ANA_LID, GROUP, ME, net
from thorough import examples

Delivery = tuple[str, bytes]
BEGAN = 1_700_000_001
CALL = "00350D7FFB27065CBC5DF80E49E6B7CF"
"""In the form of WhatsApp's own."""


@pytest.fixture(scope="module")
def shared_store(tmp_path_factory: pytest.TempPathFactory, own_database: OwnDatabase) -> Iterator[Store]:
    """One store for all orders; each has its own organisation."""
    opened = open_store(own_database(), tmp_path_factory.mktemp("calls"))
    yield opened
    opened.close()


def waha(engine: str, event: str, at: int, payload: dict[str, Any]) -> Delivery:
    envelope = {"event": event, "timestamp": at * 1000, "engine": engine, "me": {"id": f"{ME}@c.us"}}
    return "waha", msgspec.json.encode(envelope | {"payload": payload | {"timestamp": at}})


def ringing(engine: str, event: str = "call.received", more: dict[str, Any] | None = None) -> Delivery:
    """The event of a call."""
    call: dict[str, Any] = {"id": CALL, "from": f"{ANA}@c.us", "isVideo": True, "isGroup": False}
    return waha(engine, event, BEGAN, call | (more or {}))


def listed(outcome: str, *, chat: str = f"{ANA}@c.us", mine: bool = False, **more: Any) -> Delivery:
    """A call in WhatsApp Web's list of messages, as the engine WEBJS passes it on."""
    id = {"fromMe": mine, "remote": chat, "id": CALL, "_serialized": f"{str(mine).lower()}_{chat}_{CALL}"}
    data = {"id": id, "type": "call_log", "callOutcome": outcome, "isVideoCall": True, **more}
    message = {"id": id["_serialized"], "from": chat, "fromMe": mine, "to": f"{ME}@c.us", "body": ""}
    return waha("WEBJS", "message.any", BEGAN + 2, message | {"hasMedia": False, "_data": data})


def only_call(store: Store, told: list[Delivery]) -> ArchivedMessage:
    """The one line of a new archive after these deliveries, of which none was refused."""
    archive = Archive(store)
    for kind, body in told:
        archive.take(kind, body)
    archive.settle()
    archive.store.finish_merges(archive.org.no)
    assert archive.store.list_quarantined(archive.org.no) == []
    assert archive.messages() == {}
    (call,) = archive.notices()
    return call


def same_in_any_order(store: Store, told: list[Delivery]) -> ArchivedMessage:
    orders = list(itertools.permutations(told))
    random.Random(7).shuffle(orders)
    calls = [only_call(store, [*order, order[0]]) for order in orders[: examples(12, 120)]]
    views = {str((call.message.key, call.message.sent_at, call.message.details)) for call in calls}
    assert len(views) == 1, views
    return calls[0]


def test_an_event_of_whatsapp_web_and_its_line_in_the_chat(shared_store: Store) -> None:
    told = [
        ringing("WEBJS"),
        listed("Ongoing"),
        listed("Ongoing", finalCallOutcome="Completed", callDuration=61),
        ("gowa", msgspec.json.encode({"event": "call.offer", "payload": {"call_id": CALL, "from": net(ANA)}} | _AT)),
    ]
    call = same_in_any_order(shared_store, told).message
    assert (call.key.chat, call.key.sender, call.key.id) == (net(ANA), net(ANA), f"call:{CALL}")
    assert (call.kind, call.sent_at, call.text) == ("call", BEGAN * 1_000_000, None)
    assert call.details.call == Call(video=True, outgoing=False, result="connected", duration=61.0)


_AT = {"timestamp": "2023-11-14T22:13:22Z"}


def test_a_line_under_the_hidden_id_of_the_caller(shared_store: Store) -> None:
    told = [
        ringing("WEBJS"),
        listed("Missed", chat=ANA_LID, subtype="miss_video"),
        ringing("GOWS", more={"from": ANA_LID, "_data": {"CallCreator": ANA_LID, "CallCreatorAlt": net(ANA)}}),
    ]
    call = same_in_any_order(shared_store, told).message
    assert (call.key.chat, call.key.sender) == (net(ANA), net(ANA))
    assert call.details.call == Call(video=True, outgoing=False, result="missed")


def test_an_own_call(shared_store: Store) -> None:
    mine = {"_data": {"CallCreator": net(ME), "From": net(ANA)}}
    told = [ringing("GOWS", "call.accepted", mine), listed("Completed", mine=True, callDuration=5)]
    call = same_in_any_order(shared_store, told).message
    assert (call.key.chat, call.key.sender, call.from_me) == (net(ANA), net(ME), True)
    assert call.details.call == Call(video=True, outgoing=True, result="connected", duration=5.0)


def test_the_message_that_baileys_makes_of_a_call_in_a_group(shared_store: Store) -> None:
    """It has no caller and, beside the key, nothing; Evolution's own events of the call have both."""
    key = {"remoteJid": GROUP, "fromMe": False, "id": CALL}
    made = {"id": f"false_{GROUP}_{CALL}", "from": GROUP, "fromMe": False, "body": None, "hasMedia": False}
    event = {"id": CALL, "from": net(ANA), "chatId": GROUP, "groupJid": GROUP, "isGroup": True, "isVideo": True}
    evolution = {"event": "call", "instance": "desk", "sender": net(ME), "server_url": "http://h", "apikey": "k"}
    evolution |= {"date_time": "2023-11-14T22:13:22.000Z"}
    stub = {"key": key, "messageTimestamp": BEGAN, "messageStubType": "CALL_MISSED_GROUP_VIDEO"}
    told = [
        waha("NOWEB", "message.any", BEGAN, made | {"_data": {"key": key, "message": {"call": {"callKey": "QQ=="}}}}),
        ringing("NOWEB", more={"isGroup": True, "_data": {"from": net(ANA), "groupJid": GROUP}}),
        ("evolution", msgspec.json.encode(evolution | {"data": event | {"date": BEGAN + 1, "status": "timeout"}})),
        ("evolution", msgspec.json.encode(evolution | {"event": "messages.upsert", "data": stub})),
    ]
    call = same_in_any_order(shared_store, told).message
    assert (call.key.chat, call.key.sender, call.key.id) == (GROUP, net(ANA), f"call:{CALL}")
    assert (call.sent_at, call.details.call) == (
        BEGAN * 1_000_000,
        Call(video=True, outgoing=False, result="missed"),
    )


def test_a_line_alone_is_a_call_too(shared_store: Store) -> None:
    call = only_call(shared_store, [listed("Missed")]).message
    assert (call.key.id, call.details.call) == (f"call:{CALL}", Call(video=True, outgoing=False, result="missed"))
