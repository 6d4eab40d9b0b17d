"""Periskope's reading routes, as the contracts and decisions define them."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import time
import zlib
from pathlib import Path
from typing import Any

import brotli  # type: ignore[import-untyped]
import pytest
import zstandard

from backscroll.core.events import ChatLabeled, LabelSeen, MessageEdited, PhoneSeen
from backscroll.http.routes.unsupported import REMEDIES, UNSERVED
from contract.bakery import ANA, BEN, BEN_LID, GROUP, JPEG, OVEN, QUIET_GROUP, SHOP, Bakery
from contract.world import Client, Teller, World, basic, user

GOLDEN = Path(__file__).parent.parent / "golden"
MESSAGES = "/v1/chats/messages"
BAD_TOKEN = {
    "name": "Unauthorized",
    "code": "UNAUTHORIZED_ERROR",
    "message": "Invalid bearer auth token",
    "status": 401,
}
ANA_C, BEN_C = "6289685028129@c.us", "4915112345678@c.us"
READS = [
    *(MESSAGES, f"/v1/chats/{ANA_C}/messages", "/v1/message/M02", "/v1/messages/M02", "/v1/message/M02/status"),
    *("/v1/chats", f"/v1/chats/{ANA_C}", "/v1/chats/notifications", f"/v1/chats/{ANA_C}/notifications"),
    *("/v1/contacts", "/v1/contacts/6289685028129", "/v1/phones", "/v1/phones/all", "/v1/reactions"),
]
NOTES = '{"from":1,"to":0,"count":0,"notes":[],"start_time":"","end_time":""}'
EMPTY = {
    "/v1/note": NOTES,
    f"/v1/chats/{ANA_C}/notes": NOTES,
    "/v1/tickets": '{"from":1,"to":0,"count":0,"tickets":[]}',
    "/v1/tasks": '{"from":1,"to":0,"count":0,"tasks":[]}',
    "/v1/queue": '{"active":0,"failed":0,"completed":0,"is_running":false,"pending":0}',
    "/v1/queue/jobs": "[]",
    "/v1/knowledge-base": '{"data":[],"count":0}',
}
LISTS = {
    MESSAGES: "messages",
    f"/v1/chats/{ANA_C}/messages": "messages",
    "/v1/chats": "chats",
    "/v1/chats/notifications": "notifications",
    f"/v1/chats/{ANA_C}/notifications": "notifications",
    "/v1/contacts": "contacts",
    "/v1/reactions": "reactions",
}
"""The routes that take offset and limit, with the name of their rows."""
TIMED = [path for path in LISTS if "contacts" not in path]
ALL = [
    *("G03", "G02", "G01", "B02", "B01", "M16", "M15", "M14", "M13", "M12", "M11", "M10", "M09", "M08", "M07", "M05"),
    *("M04", "M03", "M02", "M01", "OVEN1", "W01", "S01"),
]
"""The messages of both phones, newest first; calls and group events are notifications."""


def ids(client: Client, path: str, headers: dict[str, str] | None = None) -> list[str]:
    return [row["unique_id"] for row in client.json(path, headers)["messages"]]


def refusal(client: Client, path: str, **more: Any) -> tuple[int, Any]:
    response = client.ask(path, **more)
    body = response.json()
    assert list(body) in (["name", "code", "message", "status"], ["name", "code", "fields", "message", "status"])
    assert body["status"] == response.status_code
    return response.status_code, body


# credentials


@pytest.mark.parametrize("path", [*READS, *EMPTY, "/v1/nowhere", f"{MESSAGES}?limit=x"])
def test_without_a_credential_nothing_is_told(bakery: Bakery, path: str) -> None:
    response = bakery.guest().ask(path)
    assert (response.status_code, response.json()) == (401, BAD_TOKEN)


@pytest.mark.parametrize(
    "value",
    ["", "Bearer", "Bearer ", "Bearer rubbish", "Digest x", "sk_periskope_x", "Basic !!", "Bearer bsk1xaaaa_b_c"],
)
def test_whatever_is_wrong_with_a_credential_the_answer_is_the_same(bakery: Bakery, value: str) -> None:
    response = bakery.guest({"authorization": value}).ask(MESSAGES)
    assert (response.status_code, response.json()) == (401, BAD_TOKEN)
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    assert "x-periskope-org-id" not in response.headers


def test_a_token_opens_until_it_expires_or_is_revoked(world: World) -> None:
    world.phone("628111111111")
    assert world.client(expires_at=1).ask(MESSAGES).json() == BAD_TOKEN
    assert world.client(expires_at=2**52).ask(MESSAGES).status_code == 200
    token = world.store.create_token(world.org.no, None)
    client = world.guest({"authorization": f"bearer {token.secret}"})
    assert client.ask(MESSAGES).status_code == 200
    assert world.guest(basic(token.id, token.secret)).ask(MESSAGES).status_code == 200
    world.store.revoke_token(world.org.no, token.id)
    assert client.ask(MESSAGES).json() == BAD_TOKEN


# which phone


@pytest.mark.parametrize("path", [f"{MESSAGES}?limit=100", f"/chat/{ANA}/messages?limit=100"])
def test_links_begin_with_the_address_of_each_request(bakery: Bakery, path: str) -> None:
    """This holds for messages that were rendered for another address before, too."""
    for host in ("one.test", "two.test", "one.test"):
        text = bakery.both.ask(path, headers={"host": host, "x-device-id": bakery.shop.number}).text
        assert set(re.findall(r"http://([a-z.]+)/media/", text)) == {host}


@pytest.mark.parametrize(
    "named", [SHOP, f"+{SHOP}", "+91 85271-84400", f"{SHOP}@c.us", f" {SHOP} ", f"{SHOP}@s.whatsapp.net"]
)
def test_a_phone_is_named_by_number(bakery: Bakery, named: str) -> None:
    response = bakery.both.ask(f"{MESSAGES}?limit=1", headers={"x-phone": named})
    assert response.headers["x-periskope-phone-id"] == bakery.shop.phone_id
    assert response.json()["count"] == 22


def test_a_phone_is_named_by_its_id(bakery: Bakery, world: World) -> None:
    assert re.fullmatch(r"phone-[a-z]{16}", bakery.oven.phone_id)
    assert ids(bakery.both, MESSAGES, {"x-phone": bakery.oven.phone_id}) == ["OVEN1"]
    world.tell(PhoneSeen(jid=user("628111111111"), phone_id="phone-abc123def456"))
    assert world.client().ask(MESSAGES, headers={"x-phone": "phone-abc123def456"}).status_code == 200


def test_without_the_header_all_phones_of_the_token_are_meant(bakery: Bakery) -> None:
    assert ids(bakery.both, MESSAGES) == ALL
    assert ids(bakery.both, MESSAGES, {"x-phone": " "}) == ALL
    assert ids(bakery.one, MESSAGES) == [id for id in ALL if id != "OVEN1"]
    assert ids(bakery.none, MESSAGES) == []
    for client, named in ((bakery.both, False), (bakery.one, True), (bakery.none, False)):
        assert ("x-periskope-phone-id" in client.ask(MESSAGES).headers) is named


@pytest.mark.parametrize("path", [path for path in READS if "/contacts" not in path and path != "/v1/phones/all"])
def test_a_phone_out_of_scope_and_an_unknown_one_are_refused_alike(bakery: Bakery, path: str) -> None:
    answers = [
        bakery.one.ask(path, headers={"x-phone": named})
        for named in (OVEN, f"{OVEN}@c.us", bakery.oven.phone_id, "999999999", "phone-aaaaaaaaaaaaaaaa", "rubbish")
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.content for answer in answers}) == 1
    body = answers[0].json()
    assert list(body) == ["name", "code", "message", "status"]
    assert (body["name"], body["code"]) == ("Unauthorized", "UNAUTHORIZED_ERROR")
    assert answers[0].headers["x-periskope-org-id"] == bakery.org.id


def test_contacts_ignore_the_phone_that_the_official_client_always_sends(bakery: Bakery) -> None:
    for path in ("/v1/contacts", "/v1/contacts/6289685028129"):
        assert bakery.one.ask(path, headers={"x-phone": "999"}).content == bakery.one.ask(path).content


def test_a_scoped_token_sees_only_its_phones_everywhere(bakery: Bakery) -> None:
    oven = bakery.client([bakery.oven])
    assert [chat["chat_id"] for chat in oven.json("/v1/chats")["chats"]] == [ANA_C]
    assert oven.json("/v1/chats")["chats"][0]["org_phone"] == f"{OVEN}@c.us"
    assert oven.json("/v1/chats")["chats"][0]["latest_message"]["unique_id"] == "OVEN1"
    assert ids(oven, f"/v1/chats/{ANA_C}/messages") == ["OVEN1"]
    assert [phone["org_phone"] for phone in oven.json("/v1/phones/all")] == [f"{OVEN}@c.us"]
    assert oven.json("/v1/reactions")["count"] == oven.json("/v1/chats/notifications")["count"] == 0
    for path in (f"/v1/chats/{BEN_C}", f"/v1/chats/{GROUP}/messages", "/v1/message/M02", "/v1/message/M02/status"):
        assert oven.ask(path).status_code == 404
    assert oven.json(f"/v1/reactions?chat_id={GROUP}")["count"] == 0
    assert oven.json(f"/v1/chats/{GROUP}/notifications")["count"] == 0


def test_a_scoped_token_sees_only_contacts_that_its_phones_know(bakery: Bakery) -> None:
    oven = bakery.client([bakery.oven])
    seen = {contact["contact_id"] for contact in oven.json("/v1/contacts")["contacts"]}
    assert ANA_C in seen
    assert BEN_C not in seen
    assert f"{SHOP}@c.us" not in seen
    assert oven.json("/v1/contacts")["count"] == len(seen)
    unknown = oven.ask("/v1/contacts/999999999999")
    foreign = oven.ask("/v1/contacts/4915112345678")
    assert (foreign.status_code, foreign.content) == (unknown.status_code, unknown.content)
    assert foreign.status_code == 404


# offset and limit


@pytest.mark.parametrize(
    ("query", "start", "expected"),
    [
        ("", 1, ALL),
        ("limit=&offset=", 1, ALL),
        ("limit=1", 1, ALL[:1]),
        ("limit=5&offset=2", 3, ALL[2:7]),
        ("limit=2000", 1, ALL),
        ("limit=0007", 1, ALL[:7]),
        ("limit=%207%20", 1, ALL[:7]),
        ("limit=3&limit=9", 1, ALL[:3]),
        ("offset=22", 23, ALL[22:]),
        ("offset=23", 24, []),
        ("offset=9007199254740992", 9_007_199_254_740_993, []),
        ("foo=bar&sort_order=desc&bar[x]=1", 1, ALL),
    ],
)
def test_a_page_tells_where_it_begins_and_ends(bakery: Bakery, query: str, start: int, expected: list[str]) -> None:
    body = bakery.both.json(f"{MESSAGES}?{query}")
    assert list(body) == ["from", "to", "count", "messages"]
    assert (body["from"], body["to"], body["count"]) == (start, start - 1 + len(expected), len(ALL))
    assert [row["unique_id"] for row in body["messages"]] == expected


def test_the_count_setting_page_counts_the_rows_of_the_page(bakery: Bakery) -> None:
    client = bakery.client(app=bakery.make_app(periskope_count="page"))
    for path, name in LISTS.items():
        for query in ("limit=2", "limit=2&offset=1", "offset=1000"):
            body = client.json(f"{path}?{query}")
            assert body["count"] == len(body[name]) == body["to"] - body["from"] + 1


@pytest.mark.parametrize("path", [*LISTS, "/v1/note"])
@pytest.mark.parametrize("value", ["2001", "10000", "99999999999999999999999999"])
def test_a_limit_above_the_largest_is_refused_in_the_seeds_bytes(bakery: Bakery, path: str, value: str) -> None:
    response = bakery.both.ask(f"{path}?limit={value}")
    golden = (GOLDEN / "list-all-messages-422.json").read_bytes().strip()
    assert (response.status_code, response.content) == (422, golden.replace(b'"10000"', f'"{value}"'.encode()))
    if value == "10000":
        assert response.headers["etag"] == 'W/"c5-sOfQmoGHJ22vOJ8WnucWzYQT5DI"'
        assert response.headers["content-length"] == "197"
        assert response.headers["org_id"] == response.headers["x-periskope-org-id"] == bakery.org.id


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("limit", value) for value in ("0", "-1", "abc", "1.5", "+5", "1e3", "٣")),
        *(("offset", value) for value in ("-1", "abc", "1.5", "9007199254740993", "99999999999999999999999")),
    ],
)
def test_a_bad_number_is_refused_and_named(bakery: Bakery, path: str, field: str, value: str) -> None:
    status, body = refusal(bakery.both, f"{path}?{field}={value.replace('+', '%2B')}")
    assert (status, body["name"], body["code"]) == (422, "Validation Error", "VALIDATION_ERROR")
    assert body["fields"] == {field: {"message": body["message"], "value": value}}


# times


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("start_time=2024-01-15T13:00:00Z", ["G03", "G02", "G01"]),
        ("start_time=2024-01-15T13:00:00.5Z", ["G03", "G02"]),
        ("end_time=2024-01-15T08:01:00Z", ["W01", "S01"]),
        ("end_time=2024-01-15T08:00:59.999999Z", ["S01"]),
        ("start_time=2024-01-15T10:06:00Z&end_time=2024-01-15T10:06:00Z", ["M09", "M08", "M07"]),
        ("start_time=2024-01-15T18:30:00%2B05:30", ["G03", "G02", "G01"]),
        ("start_time=2024-01-15T18:30:00+05:30", ["G03", "G02", "G01"]),
        ("start_time=2024-01-15T13:00:00", ["G03", "G02", "G01"]),
        ("start_time=2024-01-15&end_time=2024-01-15", ALL),
        ("start_time=2024-01-16", []),
        ("end_time=2024-01-14", []),
        ("end_time=2024-01-15T00:00:00Z", []),
        ("start_time=2024-01-16&end_time=2024-01-14", []),
        ("start_time=&end_time=%20", ALL),
    ],
)
def test_time_bounds_are_inclusive_instants(bakery: Bakery, query: str, expected: list[str]) -> None:
    body = bakery.both.json(f"{MESSAGES}?{query}")
    assert [row["unique_id"] for row in body["messages"]] == expected
    assert body["count"] == len(expected)


def test_the_seeds_impossible_date_rolls_over(world: World) -> None:
    told = Teller(world.phone("628111111111"))
    world.tell(
        told.message(ANA, "APRIL", "2025-04-30T23:59:59+00:00", "april"),
        told.message(ANA, "MAY", "2025-05-01T23:59:59+00:00", "may"),
        told.message(ANA, "LATER", "2025-05-02T00:00:00+00:00", "later"),
    )
    client = world.client()
    assert ids(client, f"{MESSAGES}?end_time=2025-04-30") == ["APRIL"]
    assert ids(client, f"{MESSAGES}?end_time=2025-04-31") == ["MAY", "APRIL"]
    assert ids(client, f"{MESSAGES}?start_time=2025-04-31") == ["LATER", "MAY"]
    assert ids(client, f"{MESSAGES}?end_time=2025-04-31T23:59:59Z") == ["MAY", "APRIL"]


@pytest.mark.parametrize("path", TIMED)
@pytest.mark.parametrize("field", ["start_time", "end_time"])
@pytest.mark.parametrize("value", ["yesterday", "1737695468", "2025-13-01", "2025-04-32", "2025-04-25T99:00:00Z"])
def test_a_time_that_cannot_be_read_is_refused_and_named(bakery: Bakery, path: str, field: str, value: str) -> None:
    status, body = refusal(bakery.both, f"{path}?{field}={value}")
    assert (status, body["code"]) == (422, "VALIDATION_ERROR")
    assert body["fields"] == {field: {"message": body["message"], "value": value}}


# messages


def test_rows_carry_the_53_keys_in_order(bakery: Bakery) -> None:
    golden = json.loads((GOLDEN / "list-all-messages-200.json").read_bytes())["messages"][0]
    for row in bakery.both.json(MESSAGES)["messages"]:
        assert list(row) == [*golden, "interactive"]
        assert list(row["id"]) == ["id", "remote", "from_me", "serialized"]


def test_a_message_shows_what_happened_to_it(bakery: Bakery) -> None:
    rows = {row["unique_id"]: row for row in bakery.both.json(MESSAGES)["messages"]}
    assert (rows["M14"]["body"], rows["M14"]["prev_body"]) == ("first words", "frist words")
    assert (rows["M15"]["body"], rows["M15"]["is_deleted"]) == ("said and taken back", True)
    assert rows["M16"]["quoted_message_id"] == f"true_{ANA_C}_M02"
    assert rows["M02"]["ack"] == "4"
    assert rows["M02"]["delivery_info"] == {
        "read": {ANA_C: 1_705_312_862_000},
        "pending": [],
        "delivered": {ANA_C: 1_705_312_861_000},
        "read_count": 1,
        "delivered_count": 1,
    }
    assert rows["M01"]["delivery_info"] == {"pending": [], "read_count": 0, "delivered_count": 0}
    assert (rows["M01"]["ack"], rows["M01"]["sender_phone"], rows["M02"]["sender_phone"]) == (
        "0",
        ANA_C,
        f"{SHOP}@c.us",
    )
    assert rows["G02"]["message_id"] == f"false_{GROUP}_G02_{BEN_C}"
    assert rows["G02"]["mentioned_ids"] == [ANA_C]
    assert {rows["B01"]["chat_id"], rows["B02"]["chat_id"]} == {BEN_C}
    assert rows["M12"]["poll_info"] == {"pollName": "Which bread?", "pollOptions": ["rye", "wheat"]}
    assert rows["M07"]["timestamp"] == "2024-01-15T10:06:00+00:00"
    assert all("reactions" not in row for row in rows.values())


def test_a_held_file_is_served_where_the_path_says(bakery: Bakery) -> None:
    rows = {row["unique_id"]: row for row in bakery.both.json(MESSAGES)["messages"]}
    media = rows["M03"]["media"]
    assert list(media) == ["path", "size", "filename", "mimetype", "thumbnail", "dimensions"]
    assert bakery.guest().ask(media["path"].removeprefix("http://archive.test")).content == JPEG
    assert rows["M04"]["media"]["path"] == "https://mmg.example/x.enc"


@pytest.mark.parametrize(
    "spelling", [BEN_C, BEN, BEN_LID, "4915112345678", "%2B4915112345678", BEN_C.replace("@", "%40")]
)
def test_a_chats_messages_are_found_by_any_spelling(bakery: Bakery, spelling: str) -> None:
    body = bakery.both.json(f"/v1/chats/{spelling}/messages")
    assert [row["unique_id"] for row in body["messages"]] == ["B02", "B01"]
    assert (body["from"], body["to"], body["count"]) == (1, 2, 2)


def test_a_chats_messages_can_be_paged_and_bounded(bakery: Bakery) -> None:
    path = f"/v1/chats/{ANA_C}/messages"
    mine = [id for id in ALL if id.startswith("M") or id == "OVEN1"]
    assert ids(bakery.both, path) == mine
    assert ids(bakery.both, f"{path}?limit=2&offset=1") == mine[1:3]
    assert ids(bakery.both, f"{path}?start_time=2024-01-15T10:12:00Z") == ["M16", "M15"]
    assert ids(bakery.both, path, {"x-phone": OVEN}) == ["OVEN1"]
    assert bakery.both.json(f"/v1/chats/{QUIET_GROUP}/messages")["messages"] == []


@pytest.mark.parametrize("path", ["/v1/chats/999999999@c.us/messages", "/v1/chats/999999999@c.us", "/v1/chats/rubbish"])
def test_an_unknown_chat_is_not_found(bakery: Bakery, path: str) -> None:
    assert refusal(bakery.both, path) == (
        404,
        {"name": "Not Found", "code": "NOT_FOUND_ERROR", "message": "Chat not found", "status": 404},
    )


@pytest.mark.parametrize(
    "name", [f"true_{ANA_C}_M02", f"true_{ANA_C}_M02".replace("@", "%40"), f"true_{ANA}_M02", "M02"]
)
@pytest.mark.parametrize("route", ["/v1/message", "/v1/messages"])
def test_one_message_is_found_by_any_of_its_ids_and_shows_reactions(bakery: Bakery, route: str, name: str) -> None:
    body = bakery.both.json(f"{route}/{name}")
    assert list(body)[-2:] == ["interactive", "reactions"]
    assert len(body) == 54
    assert body["message_id"] == f"true_{ANA_C}_M02"
    assert [(reaction["reaction"], reaction["sender_id"]) for reaction in body["reactions"]] == [
        ("👍", ANA_C),
        ("🎂", f"{SHOP}@c.us"),
    ]
    assert {reaction["message_id"] for reaction in body["reactions"]} == {body["message_id"]}


def test_a_message_is_found_by_the_id_that_sending_it_returned(bakery: Bakery) -> None:
    body = bakery.both.json("/v1/message/0b3a5a0e-1111-4222-8333-444455556666")
    assert (body["unique_id"], body["reactions"]) == ("M16", [])


def test_a_group_message_is_found_by_an_id_with_participant(bakery: Bakery) -> None:
    for participant in (BEN_C, BEN, BEN_LID):
        assert bakery.both.json(f"/v1/message/false_{GROUP}_G02_{participant}")["unique_id"] == "G02"
    assert bakery.both.ask(f"/v1/message/false_{GROUP}_G02_{ANA_C}").status_code == 404


@pytest.mark.parametrize("name", ["NOPE", f"true_{ANA_C}_M01", f"true_{BEN_C}_M02", "%20", "a" * 3000])
def test_an_unknown_message_is_not_found(bakery: Bakery, name: str) -> None:
    for path in (f"/v1/message/{name}", f"/v1/message/{name}/status"):
        status, body = refusal(bakery.both, path)
        assert (status, body["message"]) == (404, "Message not found")


def test_a_status_tells_how_far_a_message_came(bakery: Bakery) -> None:
    body = bakery.both.json("/v1/message/M02/status")
    assert (body["status"], body["ack"], body["delivered_count"], body["read_count"]) == ("read", 4, 1, 1)
    keys = "queue_id unique_id message_id chat_id performed_by status status_description ack message timeline"
    assert list(body) == [*keys.split(), "attempts", "delivered_count", "read_count"]


# chats, contacts, phones


def chats(client: Client, query: str = "") -> list[str]:
    return [chat["chat_id"] for chat in client.json(f"/v1/chats?{query}")["chats"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("chat_type=user", [BEN_C, ANA_C]),
        ("chat_type=individual", [BEN_C, ANA_C]),
        ("chat_type=group", [GROUP, QUIET_GROUP]),
        ("chat_type=business", []),
        ("chat_type=group&limit=1&offset=1", [QUIET_GROUP]),
        ("start_time=2024-01-15T12:00:00Z", [GROUP, BEN_C]),
        ("end_time=2024-01-15T08:00:00Z", ["status@broadcast"]),
        ("label=nothing", []),
        ("chat_type=&label=", [GROUP, BEN_C, ANA_C, "120363111111111111@newsletter", "status@broadcast", QUIET_GROUP]),
    ],
)
def test_chats_are_listed_latest_first_and_can_be_narrowed(bakery: Bakery, query: str, expected: list[str]) -> None:
    assert chats(bakery.one, query) == expected
    if "limit" not in query:
        assert bakery.one.json(f"/v1/chats?{query}")["count"] == len(expected)


def test_an_unknown_chat_type_is_refused(bakery: Bakery) -> None:
    status, body = refusal(bakery.one, "/v1/chats?chat_type=channel")
    assert (status, body["fields"]["chat_type"]["value"]) == (422, "channel")


def test_chats_are_found_by_label_name_and_id(world: World) -> None:
    told = Teller(world.phone("628111111111"))
    world.tell(
        told.chat(ANA, labels=("VIP", "Bread"), extras={"label_ids": {"label-abc": True}}),
        told.chat(BEN, labels=("Bread",)),
    )
    client = world.client()
    assert chats(client, "label=VIP") == [ANA_C]
    assert set(chats(client, "label=Bread")) == {ANA_C, BEN_C}
    assert chats(client, "label=label-abc") == [ANA_C]
    assert client.json(f"/v1/chats/{ANA_C}")["labels"] == ["VIP", "Bread"]


def test_labels_that_gateways_report_by_number_are_found_by_name_and_id(world: World) -> None:
    phone = world.phone("628111111111")
    told = Teller(phone)
    world.tell(
        told.chat(ANA, labels=("VIP",)),
        ChatLabeled(phone=phone.jid, chat=ANA, label="9"),
        ChatLabeled(phone=phone.jid, chat=BEN, label="9"),
        LabelSeen(phone=phone.jid, id="9", name="Bread", at=1),
    )
    client = world.client()
    assert set(chats(client, "label=Bread")) == set(chats(client, "label=9")) == {ANA_C, BEN_C}
    chat = client.json(f"/v1/chats/{ANA_C}")
    assert (chat["labels"], chat["label_ids"]) == (["VIP", "Bread"], {"9": True})
    world.tell(LabelSeen(phone=phone.jid, id="9", name="Rolls", at=2))
    assert client.json(f"/v1/chats/{ANA_C}")["labels"] == ["VIP", "Rolls"]
    assert chats(client, "label=Bread") == []
    world.tell(LabelSeen(phone=phone.jid, id="9", deleted=True, at=3))
    assert [one["labels"] for one in client.json("/v1/chats")["chats"]] == [["VIP"], []]


def test_a_chat_tells_its_members_and_its_latest_message(bakery: Bakery) -> None:
    group = bakery.one.json(f"/v1/chats/{GROUP}")
    assert group == bakery.one.json("/v1/chats")["chats"][0]
    assert list(group)[:3] == ["org_id", "chat_id", "members"]
    assert (group["chat_name"], group["chat_type"], group["member_count"]) == ("Neighbours 100%", "group", 2)
    assert {jid: member["is_admin"] for jid, member in group["members"].items()} == {ANA_C: True, BEN_C: False}
    assert group["latest_message"]["unique_id"] == "G03"
    assert group["latest_message_timestamp"] == 1_705_323_720_000
    assert group["org_phone"] == f"{SHOP}@c.us"
    two = bakery.one.json(f"/v1/chats/{ANA_C}")
    assert set(two["members"]) == {ANA_C, f"{SHOP}@c.us"}
    assert bakery.one.json(f"/v1/chats/{QUIET_GROUP}")["latest_message"] is None


@pytest.mark.parametrize("spelling", ["6289685028129", ANA_C, ANA, "%2B6289685028129"])
def test_a_contact_is_found_by_number(bakery: Bakery, spelling: str) -> None:
    body = bakery.one.json(f"/v1/contacts/{spelling}")
    assert (body["contact_id"], body["contact_name"], body["chat_ids"]) == (ANA_C, "Ana", [ANA_C])
    assert body["contact_type"] == "user"
    listed = {contact["contact_id"]: contact for contact in bakery.one.json("/v1/contacts")["contacts"]}
    assert listed[ANA_C] == body


def test_an_unknown_contact_is_not_found(bakery: Bakery) -> None:
    for name in ("999999999", "rubbish", GROUP):
        status, body = refusal(bakery.one, f"/v1/contacts/{name}")
        assert (status, body["message"]) == (404, "Contact not found")


def test_one_phone_must_be_named(bakery: Bakery) -> None:
    response = bakery.one.ask("/v1/phones")
    assert response.status_code == 422
    assert response.text == (
        '{"name":"Validation Error","code":"VALIDATION_ERROR","fields":{"x-phone":{"message":"x-phone is missing"}},'
        '"message":"Missing Header: {x-phone}","status":422}'
    )
    for named in (OVEN, bakery.oven.phone_id):
        shown = bakery.both.ask("/v1/phones", headers={"x-phone": named})
        assert shown.json()["phone_id"] == shown.headers["x-periskope-phone-id"] == bakery.oven.phone_id


def test_all_phones_are_a_bare_list(bakery: Bakery) -> None:
    phones = bakery.both.json("/v1/phones/all")
    assert [phone["org_phone"] for phone in phones] == [f"{SHOP}@c.us", f"{OVEN}@c.us"]
    assert phones[0]["phone_name"] == "Hill Street Bakery"
    keys = "org_id org_phone created_at updated_at wa_state phone_id qr_code phone_image phone_name first_connected_at"
    assert list(phones[0]) == [*keys.split(), "is_ready", "label_ids", "labels"]
    assert bakery.none.json("/v1/phones/all") == []


# notifications and reactions


def test_notifications_are_group_events_and_calls_under_both_names(bakery: Bakery) -> None:
    body = bakery.both.json("/v1/chats/notifications")
    assert list(body) == ["from", "to", "count", "notifications", "messages"]
    assert body["notifications"] == body["messages"]
    assert [row["unique_id"] for row in body["notifications"]] == ["N04", "N17", "call:C06"]
    added = body["notifications"][0]
    assert added["notification_id"] == f"false_{GROUP}_N04_{ANA_C}_add"
    assert (added["author"], added["recipientids"], added["type"]) == (ANA_C, ["919537851844@c.us"], "add")
    assert list(added["id"]) == ["id", "fromMe", "remote", "serialized"]
    here = bakery.both.json(f"/v1/chats/{GROUP}/notifications")
    assert here["notifications"] == [added]
    assert bakery.both.json("/v1/chats/notifications?limit=1&offset=1")["notifications"] == body["notifications"][1:2]
    bounded = bakery.both.json("/v1/chats/notifications?start_time=2024-01-15T13:00:00Z")
    assert bounded["notifications"] == [added]
    assert bakery.both.json("/v1/chats/999@c.us/notifications")["count"] == 0


def test_reactions_are_listed_latest_first_and_can_be_narrowed(bakery: Bakery) -> None:
    def seen(query: str) -> list[tuple[str, str]]:
        body = bakery.both.json(f"/v1/reactions?{query}")
        return [(row["message_id"], row["reaction"]) for row in body["reactions"]]

    cake, thumb, taken_back = (f"true_{ANA_C}_M02", "🎂"), (f"true_{ANA_C}_M02", "👍"), (f"false_{ANA_C}_M03", "")
    assert seen("") == [taken_back, cake, thumb]
    for name in ("M02", f"true_{ANA_C}_M02", f"true_{ANA}_M02"):
        assert seen(f"message_id={name}") == [cake, thumb]
    assert seen(f"chat_id={ANA_C}&limit=1&offset=1") == [cake]
    assert seen("start_time=2024-01-15T10:23:00Z&end_time=2024-01-15T10:23:00Z") == [cake]
    assert seen(f"chat_id={GROUP}") == seen("message_id=NOPE") == seen("chat_id=999@c.us") == []
    echoed = bakery.both.json("/v1/reactions?start_time=2024-01-15")
    assert list(echoed) == ["from", "to", "count", "reactions", "start_time", "end_time"]
    assert (echoed["start_time"], echoed["end_time"]) == ("2024-01-15", "")


# lists that are always empty


@pytest.mark.parametrize(("path", "body"), EMPTY.items())
def test_what_an_archive_has_none_of_is_empty_but_well_formed(bakery: Bakery, path: str, body: str) -> None:
    assert bakery.one.ask(path).text == body


def test_a_broadcast_that_nobody_began_has_reached_nobody(bakery: Bakery) -> None:
    body = bakery.one.json("/v1/queue/broadcast?broadcast_id=broadcast-x")
    assert (body["broadcast_id"], body["org_id"], body["total_chats"]) == ("broadcast-x", bakery.org.id, 0)


def test_single_notes_and_tickets_are_not_found(bakery: Bakery) -> None:
    for path, what in (("/v1/note/x", "Note"), ("/v1/tickets/x", "Ticket")):
        status, body = refusal(bakery.one, path)
        assert (status, body["message"]) == (404, f"{what} not found")
    assert bakery.one.json("/v1/note?start_time=2026-01-01")["start_time"] == "2026-01-01"


@pytest.mark.parametrize("path", ["/v1/knowledge-base/faq/1", "/v1/knowledge-base/document/1"])
def test_what_the_archive_never_has_is_not_found(bakery: Bakery, path: str) -> None:
    status, body = refusal(bakery.one, path)
    assert (status, body["code"]) == (404, "NOT_FOUND_ERROR")


def test_every_route_that_an_archive_does_not_have_answers_501_in_periskopes_shape(bakery: Bakery) -> None:
    unserved = [route for route in UNSERVED if route.dialect == "periskope"]
    assert len(unserved) > 40
    for route in unserved:
        method, path = route.method, route.path
        path = path.replace("{id}", "true_6289685028129%40c.us_M02")
        status, body = refusal(
            bakery.one, path, method=method, **({} if method == "GET" else {"json": {"message": "x"}})
        )
        assert (status, body["name"], body["code"]) == (501, "Not Implemented", "NOT_IMPLEMENTED_ERROR")
        assert body["message"].endswith(f"({route.action}) is not available here: {REMEDIES[route.reason]}")
        assert bakery.guest().ask(path, method).status_code == 401


# headers


def test_answers_carry_the_seeds_headers(bakery: Bakery) -> None:
    client = bakery.client([bakery.shop], app=bakery.make_app(rate_limit=100))
    asked = int(time.time())
    headers = client.ask(f"{MESSAGES}?limit=1", headers={"content-type": "application/json"}).headers
    assert headers["content-type"] == "application/json; charset=utf-8"
    assert headers["access-control-allow-origin"] == "*"
    assert (headers["connection"], headers["keep-alive"]) == ("keep-alive", "timeout=5")
    assert headers["x-powered-by"] == "Backscroll"
    assert headers["x-periskope-org-id"] == bakery.org.id
    assert headers["x-periskope-phone-id"] == bakery.shop.phone_id
    assert re.fullmatch(
        r"[0-9a-f]{8}-[0-9a-f]{4}-1[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", headers["x-periskope-trace-id"]
    )
    assert (headers["x-ratelimit-limit"], headers["x-ratelimit-remaining"]) == ("100", "99")
    assert asked <= int(headers["x-ratelimit-reset"]) <= int(time.time()) + 2
    assert "org_id" not in headers


def test_errors_carry_them_too(bakery: Bakery) -> None:
    client = bakery.client(app=bakery.make_app(rate_limit=100))
    for path in (f"{MESSAGES}?limit=0", "/v1/chats/999@c.us", "/v1/nowhere"):
        headers = client.ask(path).headers
        assert headers["org_id"] == headers["x-periskope-org-id"] == bakery.org.id
        assert headers["content-type"] == "application/json; charset=utf-8"
        assert "x-ratelimit-limit" in headers
        assert "x-periskope-trace-id" in headers


def test_too_many_requests_in_a_second_are_refused(bakery: Bakery) -> None:
    client = bakery.client(app=bakery.make_app(rate_limit=1))
    refused = next(answer for answer in (client.ask(MESSAGES) for _ in range(50)) if answer.status_code == 429)
    assert refused.json() == {
        "name": "Too Many Requests",
        "code": "RATE_LIMIT_ERROR",
        "message": "You can only make 1 requests per second",
        "status": 429,
    }
    assert (refused.headers["retry-after"], refused.headers["x-ratelimit-remaining"]) == ("1", "0")
    other = bakery.client(app=client.app)
    assert other.ask(MESSAGES).status_code == 200


def test_the_etag_is_expresss_and_an_unchanged_answer_is_304(world: World) -> None:
    told, client = Teller(world.phone("628111111111")), world.client()
    world.tell(told.message(ANA, "A1", 1_705_314_600_000_000, "one"))
    got = client.ask(MESSAGES)
    digest = base64.b64encode(hashlib.sha1(got.content).digest()).decode()[:27]
    etag = got.headers["etag"]
    assert etag == f'W/"{len(got.content):x}-{digest}"'
    for asked in (etag, etag.removeprefix("W/"), f'"other", {etag}', "*"):
        same = client.ask(MESSAGES, headers={"if-none-match": asked})
        assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", etag)
        assert same.headers["x-periskope-org-id"] == world.org.id
    assert client.ask(MESSAGES, headers={"if-none-match": '"other"'}).status_code == 200
    world.tell(MessageEdited(target=told.target(ANA, "A1", ANA), text="two", at=1_705_314_700_000_000))
    changed = client.ask(MESSAGES, headers={"if-none-match": etag})
    assert (changed.status_code, changed.json()["messages"][0]["body"]) == (200, "two")


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd"])
def test_a_compressed_answer_unpacks_to_the_plain_one(bakery: Bakery, encoding: str) -> None:
    plain = bakery.both.ask(MESSAGES)
    packed = bakery.both.ask(MESSAGES, headers={"accept-encoding": encoding})
    assert packed.headers["content-encoding"] == encoding
    assert int(packed.headers["content-length"]) < len(plain.content) / 3
    assert packed.headers["etag"] == plain.headers["etag"]
    raw = bakery.both.raw(MESSAGES, {"accept-encoding": encoding})
    unpack = {
        "gzip": lambda body: zlib.decompress(body, 31),
        "br": brotli.decompress,
        "zstd": zstandard.ZstdDecompressor().decompress,
    }[encoding]
    assert unpack(raw) == plain.content


@pytest.mark.parametrize("path", [*READS, *EMPTY])
def test_head_is_answered_for_every_get(bakery: Bakery, path: str) -> None:
    phone = {"x-phone": SHOP}
    got, head = bakery.both.ask(path, headers=phone), bakery.both.ask(path, "HEAD", headers=phone)
    assert (got.status_code, head.status_code, head.content) == (200, 200, b"")
    for name in ("content-length", "content-type", "etag"):
        assert head.headers[name] == got.headers[name]


def test_a_preflight_comes_before_the_credential(bakery: Bakery) -> None:
    asked = {"origin": "https://app.example", "access-control-request-method": "GET"}
    for path in READS:
        response = bakery.guest().ask(path, "OPTIONS", asked)
        assert (response.status_code, response.headers["access-control-allow-origin"]) == (204, "*")
        assert "x-phone" in response.headers["access-control-allow-headers"]


def test_unknown_addresses_and_methods_are_told_in_periskopes_shape(bakery: Bakery) -> None:
    assert refusal(bakery.one, "/v1/nowhere")[0] == 404
    assert refusal(bakery.one, "/v1")[0] == 404
    assert refusal(bakery.one, MESSAGES, method="DELETE")[0] == 405
    assert refusal(bakery.one, "/v1/chats/%zz")[0] == 400
    assert bakery.one.ask(f"{MESSAGES}/").status_code == 200
    assert refusal(bakery.one, "/v1/Chats/Messages")[0] == 404
