"""A reader of one phone never sees, by any API, a contact's name that only another phone has."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from backscroll.core.model import Phone
from backscroll.mcp.answers import Answers
from contract.world import Client, Teller, World, basic, known_as, user

ANA, GROUP = user("4915550001002"), "120363000000000001@g.us"
MINE, THEIRS = "Ana Wagner", "Ana never pays"
PERISKOPE = (
    "/v1/chats",
    "/v1/chats/messages",
    "/v1/chats/4915550001002@c.us",
    "/v1/contacts",
    "/v1/contacts/4915550001002",
    "/v1/reactions",
)
GOWA = ("/chats", f"/chat/{ANA}/messages", "/user/my/contacts", f"/group/participants?group_id={GROUP}")
NATIVE = (
    "/api/chats",
    f"/api/chats/{{phone}}/{ANA}",
    f"/api/chats/{{phone}}/{ANA}/messages",
    f"/api/chats/{{phone}}/{GROUP}/messages",
    "/api/contacts",
    f"/api/contacts/{ANA}",
    "/api/search?q=loaves&context=2",
    "/api/search?q=ana",
    "/api/changes?after=0",
)


class Shop:
    """Two phones that both write with Ana and have different names for her."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.mine = world.phone("4915550001001", "till", "Till")
        self.theirs = world.phone("4915550009001", "office", "Office")
        for phone, name, at in ((self.mine, MINE, 5), (self.theirs, THEIRS, 9)):
            tell = Teller(phone)
            members: Any = ({"jid": ANA}, {"jid": phone.jid})
            world.tell(
                known_as(ANA, name, phone=phone.jid, at=at, is_saved=True),
                tell.message(ANA, f"A{at}", "2026-03-01T09:00:00Z", "two loaves", mentions=(ANA,)),
                tell.message(GROUP, f"G{at}", "2026-03-01T09:00:01Z", "for Ana", sender=ANA),
                tell.chat(GROUP, name="Bakers", members=members),
            )

    def answers(self, client: Client, phone: Phone, paths: tuple[str, ...], headers: dict[str, str]) -> str:
        found = []
        for path in paths:
            response = client.ask(path.replace("{phone}", phone.phone_id), headers=headers)
            assert response.status_code == 200, (path, response.text)
            found.append(response.text)
        return "\n".join(found)


@pytest.fixture
def shop(world: World) -> Shop:
    return Shop(world)


@pytest.mark.parametrize("paths", [PERISKOPE, NATIVE], ids=["periskope", "native"])
def test_a_token_of_one_phone_sees_what_that_phone_calls_people(shop: Shop, paths: tuple[str, ...]) -> None:
    # The readers take turns, so that an answer cached for one would be seen by the next.
    whole = shop.answers(shop.world.client(), shop.mine, paths, {})
    for phone, name, other in ((shop.mine, MINE, THEIRS), (shop.theirs, THEIRS, MINE)):
        shown = shop.answers(shop.world.client([phone]), phone, paths, {})
        assert name in shown
        assert other not in shown
    assert THEIRS in whole


def test_gowa_answers_with_the_names_of_the_device_also_to_a_token_of_all(shop: Shop) -> None:
    made = shop.world.store.create_token(shop.world.org.no, "dashboard")
    client = shop.world.guest(basic(made.id, made.secret))
    for phone, name, other in ((shop.mine, MINE, THEIRS), (shop.theirs, THEIRS, MINE)):
        shown = shop.answers(client, phone, GOWA, {"x-device-id": phone.device_id or ""})
        assert name in shown
        assert other not in shown


def test_a_name_of_another_phone_finds_nothing(shop: Shop) -> None:
    client = shop.world.client([shop.mine])
    assert client.json('/api/search?q=from:"Ana never pays"')["total"] == 0
    assert client.json('/api/search?q=from:"Ana Wagner"')["total"] == 2
    assert (client.json("/api/contacts?q=never")["total"], client.json("/api/contacts?q=wagner")["total"]) == (0, 1)
    assert client.json("/api/chats?q=never")["items"] == []
    assert shop.world.client().json('/api/search?q=from:"Ana never pays"')["total"] == 4


def test_downloads_of_one_phone_carry_its_names_alone(shop: Shop) -> None:
    for phone, name, other in ((shop.mine, MINE, THEIRS), (shop.theirs, THEIRS, MINE)):
        client = shop.world.client([phone], app=shop.world.make_app(data=str(shop.world.folder)))
        for kind in ("text", "jsonl"):
            got = client.ask(f"/api/exports/{kind}?phone={phone.number}&chat={ANA}")
            assert got.status_code == 200, got.text
            shown = gzip.decompress(got.content) if kind == "jsonl" else got.content
            assert name.encode() in shown
            assert other.encode() not in shown


def test_the_model_context_protocol_answers_with_the_names_of_the_tokens_phones(shop: Shop) -> None:
    store, org = shop.world.store, shop.world.org.no
    for phone, name, other in ((shop.mine, MINE, THEIRS), (shop.theirs, THEIRS, MINE)):
        access = store.authenticate(store.create_token(org, "model", (phone.no,)).secret)
        answers = Answers(store, shop.world.media, access, 100_000, 100_000)
        asked: dict[str, dict[str, Any]] = {"list_chats": {}, "list_contacts": {}, "search_messages": {"query": "ana"}}
        shown = json.dumps([answers.call(tool, values) for tool, values in asked.items()])
        assert name in shown
        assert other not in shown
