"""GOWA's reading routes, as the contracts and decisions define them."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import Any
from urllib.parse import quote

import pytest

from backscroll.core.events import MessageEdited
from backscroll.core.model import Call, Member
from backscroll.http.routes.unsupported import REMEDIES, UNSERVED
from contract.bakery import (
    ANA,
    BEN,
    BEN_LID,
    GROUP,
    JPEG,
    MESSAGES_OF_ANA,
    OVEN,
    QUIET_GROUP,
    SHOP,
    STRANGER,
    Bakery,
)
from contract.world import Client, Teller, World, basic, known_as, micros, user

TALK = f"/chat/{ANA}/messages"
DAY_START = "2024-01-15T00:00:00+00:00"
DEVICE_REQUIRED = {
    "code": "DEVICE_ID_REQUIRED",
    "message": "device_id is required via X-Device-Id header or device_id query",
}
READS = [
    *(TALK, "/chats", "/devices", "/devices/my-device", "/devices/my-device/status", "/app/devices", "/app/status"),
    *("/user/my/groups", f"/group/info?group_id={GROUP}", "/devices/my-device/webhook"),
    *("/app/info", "/user/my/contacts", f"/message/M03/download?phone={ANA}"),
]


def ids(client: Client, path: str) -> list[str]:
    return [row["id"] for row in client.json(path)["results"]["data"]]


def total(client: Client, path: str) -> int:
    found = client.json(path)["results"]["pagination"]["total"]
    assert isinstance(found, int)
    return found


def refusal(client: Client, path: str, **more: Any) -> tuple[int, str, str]:
    response = client.ask(path, **more)
    body = response.json()
    assert list(body)[:2] == ["code", "message"]
    return response.status_code, body["code"], body["message"]


def among(*wanted: str) -> list[str]:
    return [id for id in MESSAGES_OF_ANA if id in wanted]


# credentials


@pytest.mark.parametrize("path", [*READS, "/nowhere", f"{TALK}?limit=101", "/chat/%zz/messages", "/send/message"])
@pytest.mark.parametrize("headers", [{}, {"authorization": "Basic eDp5"}, {"authorization": "Digest x"}])
def test_without_a_credential_nothing_else_is_told(bakery: Bakery, path: str, headers: dict[str, str]) -> None:
    response = bakery.guest().ask(path, "POST" if path.startswith("/send") else "GET", headers)
    assert (response.status_code, response.content) == (401, b'{"code":"UNAUTHORIZED","message":"Unauthorized"}')
    assert response.headers["www-authenticate"] == 'Basic realm="Restricted", charset="UTF-8"'
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["vary"] == "Authorization"
    assert response.headers["content-type"] == "application/json; charset=utf-8"


@pytest.mark.parametrize("value", ["Basic !!!", "Basic bm9jb2xvbg==", "Basic", "Basic /w=="])
def test_a_malformed_basic_header_is_a_bad_request(bakery: Bakery, value: str) -> None:
    assert refusal(bakery.guest(), TALK, headers={"authorization": value}) == (400, "BAD_REQUEST", "Bad Request")


def test_a_token_opens_as_basic_and_as_bearer(bakery: Bakery) -> None:
    token = bakery.store.create_token(bakery.org.no, "both forms", (bakery.shop.no,))
    for header in (basic(token.id, token.secret), {"authorization": f"Bearer {token.secret}"}):
        assert bakery.guest(header).ask(TALK).status_code == 200
    for user_name, secret in (("", token.secret), (token.id, "x"), (token.id + "x", token.secret)):
        assert bakery.guest(basic(user_name, secret)).ask(TALK).status_code == 401


def test_a_revoked_or_expired_token_opens_nothing(world: World) -> None:
    phone = world.phone("628111111111")
    old = world.client([phone], expires_at=1)
    assert old.ask("/chats").status_code == 401
    token = world.store.create_token(world.org.no, "soon gone", None)
    client = world.guest(basic(token.id, token.secret))
    assert client.ask("/chats").status_code == 200
    world.store.revoke_token(world.org.no, token.id)
    assert client.ask("/chats").status_code == 401


def test_health_needs_no_credential(bakery: Bakery) -> None:
    response = bakery.guest().ask("/health")
    assert (response.status_code, response.text) == (200, "OK")
    assert response.headers["content-type"].startswith("text/plain")


def test_a_preflight_comes_before_the_credential(bakery: Bakery) -> None:
    asked = {
        "origin": "https://app.example",
        "access-control-request-method": "GET",
        "access-control-request-headers": "authorization, x-device-id",
    }
    response = bakery.guest().ask(TALK, "OPTIONS", asked)
    assert (response.status_code, response.content) == (204, b"")
    assert response.headers["access-control-allow-origin"] == "*"
    assert {"GET", "POST", "HEAD", "PUT", "PATCH", "DELETE"} <= set(
        response.headers["access-control-allow-methods"].split(", ")
    )
    allowed = response.headers["access-control-allow-headers"]
    assert allowed == "Origin, Content-Type, Accept, Authorization, X-Device-Id"
    assert "access-control-allow-credentials" not in response.headers


# which device


@pytest.mark.parametrize(
    "named",
    [
        "my-device",
        " my-device ",
        "my%2Ddevice",
        f"{SHOP}:12@s.whatsapp.net",
        f"{SHOP}@s.whatsapp.net",
        f"{SHOP}%40s.whatsapp.net",
        SHOP,
    ],
)
def test_a_device_is_named_by_slot_or_number(bakery: Bakery, named: str) -> None:
    assert len(bakery.both.json(TALK, {"X-Device-Id": named})["results"]["data"]) == 16


@pytest.mark.parametrize("named", ["My-Device", "nothing", "my device", "999@s.whatsapp.net"])
def test_an_unknown_device_is_not_found(bakery: Bakery, named: str) -> None:
    response = bakery.both.ask(TALK, headers={"X-Device-Id": named})
    assert response.status_code == 404
    assert response.json() == {
        "code": "DEVICE_NOT_FOUND",
        "message": "device not found; create a device first from /api/devices or provide a valid X-Device-Id",
        "results": {"device_id": named},
    }


def test_a_plus_in_the_device_header_is_a_space(bakery: Bakery) -> None:
    response = bakery.both.ask(TALK, headers={"X-Device-Id": "my+device"})
    assert response.json()["results"] == {"device_id": "my device"}


def test_a_slot_id_may_hold_letters_that_a_header_cannot(world: World) -> None:
    world.phone("628111111111", "Küche 1")
    world.phone("628222222222", "other")
    response = world.client().ask("/app/status", headers={"X-Device-Id": "K%C3%BCche+1"})
    assert response.json()["results"]["device_id"] == "Küche 1"


def test_a_device_outside_the_token_is_not_found(bakery: Bakery) -> None:
    for named in ("oven", OVEN, user(OVEN)):
        assert refusal(bakery.one, TALK, headers={"X-Device-Id": named})[:2] == (404, "DEVICE_NOT_FOUND")


def test_the_only_device_needs_no_name_and_among_none_or_several_one_must_be_named(bakery: Bakery) -> None:
    assert bakery.one.ask(TALK).status_code == 200
    for client in (bakery.none, bakery.both):
        response = client.ask(TALK)
        assert (response.status_code, response.json()) == (400, DEVICE_REQUIRED)


def test_the_header_wins_over_the_parameter_even_when_it_is_unknown(bakery: Bakery) -> None:
    assert total(bakery.both, f"{TALK}?device_id=my-device") == 16
    oven = bakery.both.json(f"{TALK}?device_id=my-device", {"X-Device-Id": "oven"})
    assert [row["id"] for row in oven["results"]["data"]] == ["OVEN1"]
    unknown = bakery.both.ask(f"{TALK}?device_id=my-device", headers={"X-Device-Id": "nothing"})
    assert unknown.status_code == 404
    blank = bakery.both.ask(f"{TALK}?device_id=%20my-device%20", headers={"X-Device-Id": "  "})
    assert blank.status_code == 200


def test_what_is_wrong_with_the_device_is_told_before_what_is_wrong_with_values(bakery: Bakery) -> None:
    wrong = f"{TALK}?limit=101&start_time=x&is_from_me=x"
    assert refusal(bakery.both, wrong)[1] == "DEVICE_ID_REQUIRED"
    assert refusal(bakery.both, wrong, headers={"X-Device-Id": "x"})[1] == "DEVICE_NOT_FOUND"
    assert refusal(bakery.both, wrong, headers={"X-Device-Id": "my-device"})[1] == "VALIDATION_ERROR"


def test_devices_and_app_info_need_no_device(bakery: Bakery) -> None:
    for client in (bakery.none, bakery.both):
        assert client.ask("/devices").status_code == 200
        assert client.ask("/app/info").status_code == 200


# limit and offset


@pytest.mark.parametrize(
    ("query", "limit", "offset"),
    [
        ("", 50, 0),
        ("limit=&offset=", 50, 0),
        ("limit=abc", 50, 0),
        ("limit=1.5", 50, 0),
        ("limit=99999999999999999999", 50, 0),
        ("limit=9223372036854775808", 50, 0),
        ("limit=0", 50, 0),
        ("limit=-0", 50, 0),
        ("limit=%2B7", 7, 0),
        ("limit=007", 7, 0),
        ("limit=+7", 50, 0),
        ("limit=0x10", 50, 0),
        ("limit=1_0", 50, 0),
        ("limit=%D9%A3", 50, 0),
        ("limit=1", 1, 0),
        ("limit=100", 100, 0),
        ("limit=3&limit=101", 3, 0),
        ("limit=100&offset=15", 100, 15),
        ("offset=abc", 50, 0),
        ("offset=1e3", 50, 0),
        ("offset=16", 50, 16),
        ("offset=1000000", 50, 1_000_000),
    ],
)
def test_a_page_has_the_size_that_was_asked_for(bakery: Bakery, query: str, limit: int, offset: int) -> None:
    results = bakery.one.json(f"{TALK}?{query}")["results"]
    assert results["pagination"] == {"limit": limit, "offset": offset, "total": 16}
    assert [row["id"] for row in results["data"]] == MESSAGES_OF_ANA[offset : offset + limit]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("limit=-1", "limit: must be no less than 1."),
        ("limit=101", "limit: must be no greater than 100."),
        ("limit=9223372036854775807", "limit: must be no greater than 100."),
        ("offset=-1", "offset: must be no less than 0."),
        ("limit=101&offset=-1", "limit: must be no greater than 100; offset: must be no less than 0."),
        ("offset=-5&limit=-5", "limit: must be no less than 1; offset: must be no less than 0."),
    ],
)
def test_bounds_are_refused_in_gowas_words(bakery: Bakery, query: str, message: str) -> None:
    for path in (TALK, "/chats"):
        response = bakery.one.ask(f"{path}?{query}")
        expected = json.dumps({"code": "VALIDATION_ERROR", "message": message}, separators=(",", ":"))
        assert (response.status_code, response.text) == (400, expected)


def test_chats_have_a_page_of_25(bakery: Bakery) -> None:
    assert bakery.one.json("/chats")["results"]["pagination"] == {"limit": 25, "offset": 0, "total": 6}
    assert bakery.one.json("/chats?limit=0&offset=x")["results"]["pagination"]["limit"] == 25


# times


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("start_time=2024-01-15T10:12:00Z", among("M16", "M15")),
        ("start_time=2024-01-15T10:12:01Z", among("M16")),
        ("start_time=2024-01-15T10:12:00.000001Z", among("M16")),
        ("end_time=2024-01-15T10:01:00Z", among("M02", "M01")),
        ("end_time=2024-01-15T10:00:59.999Z", among("M01")),
        ("start_time=2024-01-15T10:06:00Z&end_time=2024-01-15T10:06:00Z", among("M07", "M08", "M09")),
        ("start_time=2024-01-15T17:12:00%2B07:00", among("M16", "M15")),
        ("start_time=2024-01-15T17:12:00+07:00", among("M16", "M15")),
        ("start_time=2024-01-15T05:12:00-05:00", among("M16", "M15")),
        ("start_time=2024-01-15T10:12:00", among("M16", "M15")),
        ("start_time=2024-01-15%2010:12:00", among("M16", "M15")),
        ("start_time=2024-01-15t10:12:00z", among("M16", "M15")),
        ("start_time=2024-01-15T10:12Z", among("M16", "M15")),
        ("start_time=2024-01-15", MESSAGES_OF_ANA),
        ("start_time=2024-01-16", []),
        ("end_time=2024-01-15", MESSAGES_OF_ANA),
        ("end_time=2024-01-14", []),
        ("start_time=2024-01-15&end_time=2024-01-15", MESSAGES_OF_ANA),
        ("end_time=2024-01-15T00:00:00Z", []),
        ("start_time=&end_time=", MESSAGES_OF_ANA),
        ("start_time=2025-01-01T00:00:00Z&end_time=2024-01-01T00:00:00Z", []),
        ("start_time=0001-01-01T00:00:00Z&end_time=9999-12-31T23:59:59Z", MESSAGES_OF_ANA),
    ],
)
def test_time_bounds_are_inclusive_instants(bakery: Bakery, query: str, expected: list[str]) -> None:
    assert ids(bakery.one, f"{TALK}?{query}") == expected
    assert total(bakery.one, f"{TALK}?{query}") == len(expected)


@pytest.mark.parametrize("field", ["start_time", "end_time"])
@pytest.mark.parametrize(
    "value",
    [
        "yesterday",
        "1705312800",
        "2024-13-01",
        "2024-02-30",
        "2024-01-15T25:00:00Z",
        "15.01.2024",
        "2024-01-15T10:12:00Q",
    ],
)
def test_a_time_that_cannot_be_read_is_refused(bakery: Bakery, field: str, value: str) -> None:
    for chat in (ANA, STRANGER):
        status, code, message = refusal(bakery.one, f"/chat/{chat}/messages?{field}={value}")
        assert (status, code) == (400, "VALIDATION_ERROR")
        assert message.startswith(f"invalid {field} format: ")
        assert value in message


# filters

MEDIA = among("M03", "M04", "M05", "M13")
OWN = among("M02", "M04", "M09")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("media_only=true", MEDIA),
        ("media_only=false", MESSAGES_OF_ANA),
        ("is_from_me=true", OWN),
        ("is_from_me=false", [id for id in MESSAGES_OF_ANA if id not in OWN]),
        ("is_from_me=", MESSAGES_OF_ANA),
        ("media_only=true&is_from_me=true", among("M04")),
        ("media_only=true&is_from_me=false", MEDIA),
        ("media_only=false&is_from_me=true", OWN),
        ("media_only=false&is_from_me=false", [id for id in MESSAGES_OF_ANA if id not in OWN]),
        ("is_from_me=true&is_from_me=false", OWN),
        *((f"media_only={word}", MEDIA) for word in ("1", "t", "T", "True", "TRUE")),
        *(
            (f"media_only={word}", MESSAGES_OF_ANA)
            for word in ("0", "f", "F", "False", "FALSE", "yes", "tRuE", "", "2")
        ),
        *((f"is_from_me={word}", OWN) for word in ("1", "t", "T", "True", "TRUE")),
        ("media_only=true&start_time=2024-01-15T10:04:00Z", among("M05", "M13")),
        ("media_only=true&limit=1&offset=1", among("M05")),
        ("is_from_me=true&end_time=2024-01-15T10:03:00Z", among("M02", "M04")),
    ],
)
def test_filters_narrow(bakery: Bakery, query: str, expected: list[str]) -> None:
    assert ids(bakery.one, f"{TALK}?{query}") == expected
    if "limit" not in query:
        assert total(bakery.one, f"{TALK}?{query}") == len(expected)


@pytest.mark.parametrize("word", ["yes", "no", "2", "tRuE", "null", "%20true"])
def test_a_sender_that_is_neither_is_refused(bakery: Bakery, word: str) -> None:
    assert refusal(bakery.one, f"{TALK}?is_from_me={word}")[:2] == (400, "VALIDATION_ERROR")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("search=today", among("M01", "M02")),
        ("search=TODAY", among("M01", "M02")),
        ("search=cake", among("M03")),
        ("search=50%25", among("M01")),
        ("search=f_t", among("M01")),
        ("search=%25", among("M01")),
        ("search=_", among("M01")),
        ("search=ol%C3%A1", among("M01")),
        ("search=OLA", among("M01")),
        ("search=OL%C3%81", among("M01")),
        ("search=%22today", []),
        ("search=50%25%20off", among("M01")),
        ("search=50%25+off", among("M01")),
        ("search=f+t", among("M02")),
        ("search=50", among("M01", "M02")),
        ("search=%3Cb%3E%26", among("M01")),
        ("search='", []),
        ("search=nothing", []),
        ("search=", MESSAGES_OF_ANA),
        ("search=%20", []),
        ("search=%20%20%20", []),
        ("search=frist", []),
        ("search=first", among("M14")),
        ("search=said", among("M15")),
        ("search=tie&is_from_me=true", among("M09")),
        ("search=tie&is_from_me=false", among("M07", "M08")),
        ("search=tie&limit=1&offset=1", among("M08")),
        ("search=tie&offset=3", []),
        ("search=cake&media_only=true", among("M03")),
        ("search=today&media_only=true", []),
        ("search=today&start_time=2024-01-15T10:01:00Z", among("M02")),
        ("search=today&end_time=2024-01-15T10:00:00Z", among("M01")),
    ],
)
def test_a_search_is_a_literal_part_of_the_text_and_narrows_like_the_rest(
    bakery: Bakery, query: str, expected: list[str]
) -> None:
    assert ids(bakery.one, f"{TALK}?{query}") == expected
    if "offset" not in query:
        assert total(bakery.one, f"{TALK}?{query}") == len(expected)


def test_the_total_is_of_what_is_being_paged_through(bakery: Bakery) -> None:
    assert total(bakery.one, f"{TALK}?search=tie&limit=1&offset=1") == 3
    assert total(bakery.one, f"{TALK}?media_only=true&limit=1&offset=99") == 4


# order


def test_messages_are_newest_first_and_ties_keep_one_order(bakery: Bakery) -> None:
    rows = bakery.one.json(TALK)["results"]["data"]
    keys = [(row["timestamp"], row["id"]) for row in rows]
    assert keys == sorted(keys, reverse=True)
    by_one = [ids(bakery.one, f"{TALK}?limit=1&offset={offset}")[0] for offset in range(16)]
    assert by_one == MESSAGES_OF_ANA


# which chat


@pytest.mark.parametrize(
    "spelling",
    [
        ANA,
        ANA.replace("@", "%40"),
        "6289685028129",
        "6289685028129@c.us",
        "%2B6289685028129",
        "6289685028129:12@s.whatsapp.net",
    ],
)
def test_a_chat_is_found_by_any_spelling(bakery: Bakery, spelling: str) -> None:
    results = bakery.one.json(f"/chat/{spelling}/messages")["results"]
    assert results["pagination"]["total"] == 16
    assert results["chat_info"]["jid"] == ANA
    assert {row["chat_jid"] for row in results["data"]} == {ANA}


@pytest.mark.parametrize("spelling", [BEN, BEN_LID, BEN_LID.replace("@", "%40"), "4915112345678", "4915112345678@c.us"])
def test_one_person_is_one_chat_by_number_and_by_lid(bakery: Bakery, spelling: str) -> None:
    results = bakery.one.json(f"/chat/{spelling}/messages")["results"]
    assert [row["id"] for row in results["data"]] == ["B02", "B01"]
    assert results["chat_info"]["jid"] == BEN
    assert {row["sender_jid"] for row in results["data"]} == {BEN}


def test_a_long_bare_number_is_a_group(bakery: Bakery) -> None:
    results = bakery.one.json(f"/chat/{GROUP.partition('@')[0]}/messages")["results"]
    assert [row["id"] for row in results["data"]] == ["G03", "G02", "G01"]


@pytest.mark.parametrize(("path", "escape"), [("%zz", "%zz"), ("100%", "%"), ("a%4", "%4")])
def test_a_wrong_escape_in_the_path_is_a_bad_request(bakery: Bakery, path: str, escape: str) -> None:
    expected = f'invalid chat_jid path parameter: invalid URL escape "{escape}"'
    assert refusal(bakery.one, f"/chat/{path}/messages") == (400, "BAD_REQUEST", expected)


def test_a_chat_without_a_name_in_the_path_is_no_route(bakery: Bakery) -> None:
    assert bakery.one.ask("/chat//messages").status_code == 404
    assert refusal(bakery.one, "/chat/%20/messages")[:2] == (400, "VALIDATION_ERROR")


@pytest.mark.parametrize(
    ("jid", "name"),
    [
        (STRANGER, "33600000000"),
        ("12345678901234567890@g.us", "Group 12345678901234567890"),
        ("999@newsletter", "Newsletter 999"),
        ("rubbish", "rubbish"),
    ],
)
def test_an_unknown_chat_is_an_empty_page(bakery: Bakery, jid: str, name: str) -> None:
    response = bakery.one.ask(f"/chat/{jid.replace('@', '%40')}/messages?limit=7&offset=3")
    assert response.status_code == 200
    expected = {
        "code": "SUCCESS",
        "message": "Success get chat messages",
        "results": {
            "data": [],
            "pagination": {"limit": 7, "offset": 3, "total": 0},
            "chat_info": {
                "jid": jid,
                "name": name,
                "last_message_time": "",
                "ephemeral_expiration": 0,
                "created_at": "",
                "updated_at": "",
                "archived": False,
            },
        },
    }
    assert response.text == json.dumps(expected, separators=(",", ":"))


def test_a_chat_that_only_another_device_has_is_unknown_to_this_one(bakery: Bakery) -> None:
    here = bakery.both.ask(f"/chat/{BEN}/messages?device_id=oven").json()["results"]
    assert here["data"] == []
    assert here["chat_info"]["last_message_time"] == ""
    assert here["chat_info"]["name"] == "4915112345678"


# what a message looks like


def test_a_page_is_written_as_gowa_writes_it(world: World) -> None:
    phone = world.phone("628111111111", "my-device", "Bakery")
    told = Teller(phone)
    stamps: dict[str, Any] = {"created_at": 1_705_314_601_000_000, "updated_at": 1_705_314_602_999_999}
    world.tell(
        known_as(ANA, "Ana <3"),
        told.chat(ANA, archived=False, ephemeral_seconds=604_800, **stamps),
        told.message(ANA, "3EB0A", 1_705_314_600_000_000, '<b>a & b</b>\u2028 é \U0001f35e \x01\n"\\', **stamps),
    )
    expected = (
        '{"code":"SUCCESS","message":"Success get chat messages","results":{"data":[{"id":"3EB0A",'
        '"chat_jid":"6289685028129@s.whatsapp.net","sender_jid":"6289685028129@s.whatsapp.net",'
        '"content":"\\u003cb\\u003ea \\u0026 b\\u003c/b\\u003e\\u2028 é 🍞 \\u0001\\n\\"\\\\",'
        '"timestamp":"2024-01-15T10:30:00Z","is_from_me":false,"media_type":null,"filename":null,"url":null,'
        '"file_length":null,"created_at":"2024-01-15T10:30:01Z","updated_at":"2024-01-15T10:30:02Z",'
        '"sender_display_name":"Ana \\u003c3"}],"pagination":{"limit":50,"offset":0,"total":1},"chat_info":{'
        '"jid":"6289685028129@s.whatsapp.net","name":"Ana \\u003c3","last_message_time":"2024-01-15T10:30:00Z",'
        '"ephemeral_expiration":604800,"created_at":"2024-01-15T10:30:01Z","updated_at":"2024-01-15T10:30:02Z",'
        '"archived":false}}}'
    )
    response = world.client().ask(TALK)
    assert response.text == expected
    assert response.headers["content-type"] == "application/json; charset=utf-8"


@pytest.fixture(scope="module")
def rows(bakery: Bakery) -> dict[str, dict[str, Any]]:
    return {row["id"]: row for row in bakery.one.json(TALK)["results"]["data"]}


def test_every_row_has_the_seeds_keys_in_order(rows: dict[str, dict[str, Any]]) -> None:
    seed = (
        "id chat_jid sender_jid content timestamp is_from_me media_type filename url file_length created_at updated_at"
    )
    for row in rows.values():
        assert list(row)[:13] == [*seed.split(), "sender_display_name"]
        assert set(list(row)[13:]) <= {"reactions", "call_metadata"}


def test_text_has_null_where_media_has_values(rows: dict[str, dict[str, Any]]) -> None:
    for id in ("M01", "M02", "M10", "M11", "M12", "M16"):
        assert [rows[id][key] for key in ("media_type", "filename", "url", "file_length")] == [None] * 4


def test_the_zero_setting_shows_gowas_own_empty_values(bakery: Bakery) -> None:
    client = bakery.client([bakery.shop], app=bakery.make_app(gowa_empty_values="zero"))
    shown = {row["id"]: row for row in client.json(TALK)["results"]["data"]}
    assert [shown["M01"][key] for key in ("media_type", "filename", "url", "file_length")] == ["", "", "", 0]
    assert [shown["M13"][key] for key in ("media_type", "url", "file_length")] == ["sticker", "", 7]


def test_media_tell_their_type_name_and_size(rows: dict[str, dict[str, Any]]) -> None:
    assert [rows[id]["media_type"] for id in ("M03", "M04", "M05", "M13", "call:C06")] == [
        *("image", "document", "audio", "sticker", "call")
    ]
    assert (rows["M04"]["filename"], rows["M04"]["file_length"]) == ("bill.pdf", 51_200)
    assert rows["M04"]["url"] == "https://mmg.example/x.enc"
    assert rows["M05"]["filename"] == "audio_20240115_100400.ogg"
    assert rows["M03"]["content"] == "the CAKE"
    assert rows["M13"]["content"] == ""


def test_what_is_no_text_is_told_in_a_line(rows: dict[str, dict[str, Any]]) -> None:
    assert rows["M10"]["content"] == "Bakery — Hill Street 1 — https://maps.google.com/?q=-6.2,106.8"
    assert rows["M11"]["content"] == "Contact: Ben Müller (+49 151 12345678)"
    assert rows["call:C06"]["content"] == "Incoming call"


def test_reactions_are_there_only_where_somebody_reacted(rows: dict[str, dict[str, Any]]) -> None:
    assert [id for id, row in rows.items() if "reactions" in row] == ["M02"]
    assert rows["M02"]["reactions"] == [
        {
            "emoji": "👍",
            "sender_jid": ANA,
            "sender_display_name": "Ana",
            "is_from_me": False,
            "timestamp": "2024-01-15T10:22:00Z",
        },
        {
            "emoji": "🎂",
            "sender_jid": user(SHOP),
            "sender_display_name": "Hill Street Bakery",
            "is_from_me": True,
            "timestamp": "2024-01-15T10:23:00Z",
        },
    ]


def test_call_metadata_are_json_in_a_string_and_only_there_for_calls(rows: dict[str, dict[str, Any]]) -> None:
    assert [id for id, row in rows.items() if "call_metadata" in row] == ["call:C06"]
    assert rows["call:C06"]["call_metadata"] == '{"call_id":"C06"}'


def test_an_edit_shows_its_words_and_a_deleted_message_keeps_them(rows: dict[str, dict[str, Any]]) -> None:
    assert rows["M14"]["content"] == "first words"
    assert rows["M15"]["content"] == "said and taken back"


def test_senders_are_named_as_the_phone_knows_them(bakery: Bakery) -> None:
    rows = bakery.one.json(f"/chat/{GROUP}/messages")["results"]["data"]
    named = {row["id"]: (row["sender_jid"], row["sender_display_name"]) for row in rows}
    assert named == {
        "G01": (ANA, "Ana"),
        "G02": (BEN, "ben ☕"),
        "G03": (user(SHOP), "Hill Street Bakery"),
    }


def test_an_unnamed_sender_is_shown_by_number(world: World) -> None:
    told = Teller(world.phone("628111111111"))
    world.tell(told.message(STRANGER, "S1", 1_705_314_600_000_000, "hi"))
    world.tell(told.message(STRANGER, "S2", 1_705_314_601_000_000, "hi", from_me=True))
    rows = world.client().json(f"/chat/{STRANGER}/messages")["results"]["data"]
    assert [row["sender_display_name"] for row in rows] == ["628111111111", "33600000000"]


def test_a_page_follows_the_writes(world: World) -> None:
    told, client = Teller(world.phone("628111111111")), world.client()
    world.tell(told.message(ANA, "A1", 1_705_314_600_000_000, "before"))
    assert client.json(TALK)["results"]["data"][0]["content"] == "before"
    world.tell(MessageEdited(target=told.target(ANA, "A1", ANA), text="after", at=1_705_314_700_000_000))
    assert client.json(TALK)["results"]["data"][0]["content"] == "after"


# chats


def chats(client: Client, query: str = "") -> list[str]:
    return [chat["jid"] for chat in client.json(f"/chats?{query}")["results"]["data"]]


ALL_CHATS = [GROUP, BEN, ANA, "120363111111111111@newsletter", "status@broadcast", QUIET_GROUP]


def test_chats_are_listed_by_their_latest_message(bakery: Bakery) -> None:
    body = bakery.one.json("/chats")
    assert (body["code"], body["message"]) == ("SUCCESS", "Success get chat list")
    assert list(body["results"]) == ["data", "pagination"]
    assert chats(bakery.one) == ALL_CHATS
    times = [chat["last_message_time"] for chat in body["results"]["data"]]
    assert all(newer >= older for newer, older in pairwise(times))


def test_a_chat_has_gowas_fields_and_always_a_name(bakery: Bakery) -> None:
    by_jid = {chat["jid"]: chat for chat in bakery.one.json("/chats")["results"]["data"]}
    keys = "jid name last_message_time ephemeral_expiration created_at updated_at archived"
    assert all(list(chat) == keys.split() for chat in by_jid.values())
    assert {jid: chat["name"] for jid, chat in by_jid.items()} == {
        GROUP: "Neighbours 100%",
        BEN: "ben ☕",
        ANA: "Ana",
        "120363111111111111@newsletter": "Newsletter 120363111111111111",
        "status@broadcast": "Status",
        QUIET_GROUP: "Group 120363099999999999",
    }
    assert by_jid[QUIET_GROUP]["last_message_time"] == "0001-01-01T00:00:00Z"
    assert (by_jid[BEN]["archived"], by_jid[BEN]["ephemeral_expiration"]) == (True, 86_400)
    for jid, chat in by_jid.items():
        assert bakery.one.json(f"/chat/{jid}/messages")["results"]["chat_info"] == chat


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("limit=2", ALL_CHATS[:2]),
        ("limit=2&offset=2", ALL_CHATS[2:4]),
        ("offset=6", []),
        ("search=neigh", [GROUP]),
        ("search=NEIGH", [GROUP]),
        ("search=100%25", [GROUP]),
        ("search=%25", [GROUP]),
        ("search=_", []),
        ("search=", ALL_CHATS),
        ("search=n&limit=1&offset=1", [BEN]),
        ("has_media=true", [ANA]),
        ("has_media=false", ALL_CHATS),
        ("has_media=yes", ALL_CHATS),
        ("archived=true", [BEN]),
        ("archived=false", [jid for jid in ALL_CHATS if jid != BEN]),
        ("archived=yes", [jid for jid in ALL_CHATS if jid != BEN]),
        ("archived=", ALL_CHATS),
        ("archived=true&has_media=true", []),
        ("search=a&has_media=true", [ANA]),
    ],
)
def test_chats_can_be_narrowed(bakery: Bakery, query: str, expected: list[str]) -> None:
    assert chats(bakery.one, query) == expected
    if "limit" not in query and "offset" not in query:
        assert total(bakery.one, f"/chats?{query}") == len(expected)


def test_each_device_has_its_own_chats(bakery: Bakery) -> None:
    assert chats(bakery.both, "device_id=oven") == [ANA]
    assert refusal(bakery.both, "/chats")[:2] == (400, "DEVICE_ID_REQUIRED")


# devices and the app


def test_devices_are_listed_oldest_first(bakery: Bakery) -> None:
    body = bakery.both.json("/devices")
    assert list(body) == ["code", "message", "results"]
    assert (body["code"], body["message"]) == ("SUCCESS", "List devices")
    assert [(device["id"], device["jid"], device["state"]) for device in body["results"]] == [
        ("my-device", user(SHOP), "logged_in"),
        ("oven", user(OVEN), "logged_in"),
    ]
    assert body["results"][0]["display_name"] == "Hill Street Bakery"
    assert "display_name" not in body["results"][1]


def test_a_credential_without_devices_sees_null(bakery: Bakery) -> None:
    assert bakery.none.ask("/devices").text == '{"code":"SUCCESS","message":"List devices","results":null}'


def test_one_device_can_be_shown(bakery: Bakery) -> None:
    shown = bakery.both.json("/devices/oven")
    assert shown["message"] == "Device info"
    assert shown["results"] == bakery.both.json("/devices")["results"][1]
    status = bakery.both.json("/devices/oven/status")
    assert status == {
        "code": "SUCCESS",
        "message": "Device status",
        "results": {"device_id": "oven", "is_connected": True, "is_logged_in": True},
    }


@pytest.mark.parametrize(
    "path", ["/devices/nothing", "/devices/nothing/status", "/devices/oven", "/devices/oven/status"]
)
def test_a_device_that_is_unknown_or_out_of_reach_is_not_found(bakery: Bakery, path: str) -> None:
    assert refusal(bakery.one, path) == (404, "NOT_FOUND", "device not found")


def test_the_app_tells_of_the_device_asked_for(bakery: Bakery) -> None:
    oven = {"X-Device-Id": "oven"}
    assert bakery.both.json("/app/devices", oven) == {
        "code": "SUCCESS",
        "message": "Fetch device success",
        "results": [{"name": OVEN, "device": "oven", "jid": user(OVEN)}],
    }
    assert bakery.both.json("/app/status", oven) == {
        "code": "SUCCESS",
        "message": "Connection status retrieved",
        "results": {"is_connected": True, "is_logged_in": True, "device_id": "oven", "jid": user(OVEN)},
    }
    for path in ("/app/devices", "/app/status"):
        assert refusal(bakery.both, path)[:2] == (400, "DEVICE_ID_REQUIRED")


def test_app_info_tells_what_this_is(bakery: Bakery) -> None:
    body = bakery.one.json("/app/info")
    assert body["message"] == "Fetch app info success"
    keys = "version os base_path max_file_size max_video_size max_image_size chatwoot_enabled"
    assert list(body["results"]) == keys.split()


def test_contacts_are_people_with_names(bakery: Bakery) -> None:
    body = bakery.one.json("/user/my/contacts")
    assert body["code"] == "SUCCESS"
    assert {row["jid"]: row["name"] for row in body["results"]["data"]} == {ANA: "Ana", BEN: "ben ☕"}
    assert refusal(bakery.both, "/user/my/contacts")[:2] == (400, "DEVICE_ID_REQUIRED")


def test_a_device_that_knows_nobody_has_null_contacts(world: World) -> None:
    world.phone("628111111111")
    assert world.client().json("/user/my/contacts")["results"] == {"data": None}


# groups and channels


def test_groups_are_shown_as_gowa_shows_them(bakery: Bakery) -> None:
    body = bakery.one.json("/user/my/groups")
    assert (body["code"], body["message"]) == ("SUCCESS", "Success get list groups")
    groups = {group["JID"]: group for group in body["results"]["data"]}
    assert set(groups) == {GROUP, QUIET_GROUP}
    shown = groups[GROUP]
    assert (shown["Name"], shown["ParticipantCount"], shown["GroupCreated"]) == (
        "Neighbours 100%",
        2,
        "0001-01-01T00:00:00Z",
    )
    ana = next(member for member in shown["Participants"] if member["JID"] == ANA)
    assert (ana["PhoneNumber"], ana["IsAdmin"], ana["IsSuperAdmin"], ana["DisplayName"]) == (ANA, True, False, "Ana")
    assert groups[QUIET_GROUP]["Participants"] == []
    assert bakery.one.json(f"/group/info?group_id={GROUP}") == {
        "code": "SUCCESS",
        "message": "Success get group info",
        "results": shown,
    }


@pytest.mark.parametrize("group", [GROUP, GROUP.partition("@")[0], f"%20{GROUP}%20"])
def test_the_participants_of_a_group_are_listed_and_exported(bakery: Bakery, group: str) -> None:
    body = bakery.one.json(f"/group/participants?group_id={group}")
    assert body["message"] == "Success getting group participants"
    assert body["results"] == {
        "group_id": GROUP,
        "name": "Neighbours 100%",
        "participants": [
            {
                "jid": ANA,
                "phone_number": "6289685028129",
                "display_name": "Ana",
                "is_admin": True,
                "is_super_admin": False,
            },
            {
                "jid": BEN,
                "phone_number": "4915112345678",
                "display_name": "ben ☕",
                "is_admin": False,
                "is_super_admin": False,
            },
        ],
    }
    table = bakery.one.ask(f"/group/participants/export?group_id={group}")
    assert table.headers["content-type"] == "text/csv; charset=utf-8"
    assert table.headers["content-disposition"] == (
        f'attachment; filename="group-{GROUP.replace("@", "_")}-participants.csv"'
    )
    assert table.text.splitlines() == [
        "participant_jid,phone_number,lid,display_name,role",
        f"{ANA},6289685028129,,Ana,admin",
        f"{BEN},4915112345678,,ben ☕,member",
    ]


def test_a_name_that_a_spreadsheet_would_run_is_exported_as_text(world: World) -> None:
    phone = world.phone("628111111111")
    world.tell(Teller(phone).chat(GROUP, members=(Member(jid=ANA), Member(jid=BEN, is_super_admin=True))))
    world.tell(known_as(ANA, "=HYPERLINK(1)"), known_as(BEN, 'Ben, the "second"'))
    table = world.client().ask(f"/group/participants/export?group_id={GROUP}").text
    assert table.splitlines()[1:] == [
        f"{ANA},6289685028129,,'=HYPERLINK(1),member",
        f'{BEN},4915112345678,,"Ben, the ""second""",super_admin',
    ]


def test_a_group_that_was_left_is_not_among_the_groups_but_can_be_shown(world: World) -> None:
    told = Teller(world.phone("628111111111"))
    world.tell(told.chat(GROUP, name="Gone", is_exited=True, description="what it was", created_at=micros(DAY_START)))
    client = world.client()
    assert client.json("/user/my/groups")["results"] == {"data": None}
    shown = client.json(f"/group/info?group_id={GROUP}")["results"]
    assert (shown["Name"], shown["Topic"], shown["GroupCreated"]) == ("Gone", "what it was", "2024-01-15T00:00:00Z")


@pytest.mark.parametrize("path", ["/group/info", "/group/participants", "/group/participants/export"])
def test_a_group_that_cannot_be_shown_says_why(bakery: Bakery, path: str) -> None:
    for nothing in ("", "?group_id=", "?group_id=%20"):
        assert refusal(bakery.one, path + nothing) == (400, "INVALID_GROUP_ID", "Group ID cannot be empty")
    for other in (ANA, "120363000000000000@g.us", "%00"):
        assert refusal(bakery.one, f"{path}?group_id={other}") == (404, "NOT_FOUND", "group not found")
    assert refusal(bakery.both, f"{path}?group_id={GROUP}")[:2] == (400, "DEVICE_ID_REQUIRED")
    assert refusal(bakery.both, f"{path}?group_id={GROUP}&device_id=oven") == (404, "NOT_FOUND", "group not found")


def test_an_invitation_is_shown_where_a_source_told_it(world: World) -> None:
    told = Teller(world.phone("628111111111"))
    world.tell(told.chat(GROUP, invite_link="https://chat.whatsapp.com/AbC"), told.chat(QUIET_GROUP))
    client = world.client()
    assert client.json(f"/group/invite-link?group_id={GROUP}") == {
        "code": "SUCCESS",
        "message": "Success get group invite link",
        "results": {"invite_link": "https://chat.whatsapp.com/AbC", "group_id": GROUP},
    }
    for needs_whatsapp in (f"group_id={GROUP}&reset=true", f"group_id={QUIET_GROUP}"):
        assert refusal(client, f"/group/invite-link?{needs_whatsapp}")[:2] == (501, "NOT_IMPLEMENTED")


def test_channels_are_listed_by_name(bakery: Bakery) -> None:
    body = bakery.one.json("/user/my/newsletters")
    assert body["message"] == "Success get list newsletter"
    assert [(row["id"], row["thread_metadata"]["name"]["text"]) for row in body["results"]["data"]] == [
        ("120363111111111111@newsletter", "Newsletter 120363111111111111")
    ]
    assert bakery.both.json("/user/my/newsletters?device_id=oven")["results"] == {"data": None}


def test_a_device_has_no_webhook(bakery: Bakery) -> None:
    assert bakery.one.json("/devices/my-device/webhook")["results"] == {
        "device_id": "my-device",
        "webhook_url": "",
        "webhook_secret": "",
        "webhook_events": "",
        "webhook_insecure_skip_verify": False,
    }
    assert refusal(bakery.one, "/devices/oven/webhook") == (404, "NOT_FOUND", "device not found")


def test_only_what_needs_whatsapp_says_so() -> None:
    said = {f"{route.method} {route.path}": route.reason for route in UNSERVED if route.dialect == "gowa"}
    assert said["POST /send/message"] == said["POST /group/participants"] == "whatsapp"
    assert (said["POST /devices"], said["GET /ws"], said["POST /chatwoot/sync"]) == ("phones", "events", "chatwoot")
    for reason, remedy in REMEDIES.items():
        assert ("WhatsApp" in remedy) == (reason == "whatsapp")


# files


@pytest.mark.parametrize("phone", [ANA, "6289685028129", "6289685028129%40c.us", "%2B6289685028129"])
def test_a_held_file_can_be_fetched_where_download_says(bakery: Bakery, phone: str) -> None:
    body = bakery.one.json(f"/message/M03/download?phone={phone}")
    results = body["results"]
    assert list(results) == ["message_id", "status", "media_type", "filename", "file_path", "file_url", "file_size"]
    assert body["message"] == results["status"] == f"Media downloaded successfully to {results['file_path']}"
    assert (results["message_id"], results["media_type"], results["filename"]) == ("M03", "image", "cake.jpg")
    assert results["file_size"] == len(JPEG)
    for address in (results["file_url"].removeprefix("http://archive.test"), "/" + results["file_path"]):
        file = bakery.guest().ask(address)
        assert (file.status_code, file.content, file.headers["content-type"]) == (200, JPEG, "image/jpeg")


def test_a_files_path_opens_below_the_base_path_and_only_with_its_signature(bakery: Bakery) -> None:
    app = bakery.make_app(gowa_base_path="/gowa")
    client = bakery.client([bakery.shop], app=app)
    path = client.json(f"/gowa/message/M03/download?phone={ANA}")["results"]["file_path"]
    assert re.fullmatch(r"media/[0-9]+/[\w-]{43}/[0-9a-f]{64}\.jpg", path)
    start, signature, name = path.rsplit("/", 2)
    guest = bakery.guest(app=app)
    assert guest.ask(f"/gowa/{path}").content == guest.ask(f"/{path}").content == JPEG
    changed = "A" if signature[0] != "A" else "B"
    wrong = (f"{start}/{name}", f"{start}/{changed}{signature[1:]}/{name}", f"{start}/{signature}/{name[:-3]}png")
    assert [guest.ask(f"/gowa/{other}").status_code for other in wrong] == [404, 404, 404]
    assert guest.ask(f"/{start}/{name}?s={signature}").content == JPEG


def test_the_files_address_in_a_message_serves_it_too(rows: dict[str, dict[str, Any]], bakery: Bakery) -> None:
    address = rows["M03"]["url"].removeprefix("http://archive.test")
    assert bakery.guest().ask(address).content == JPEG
    assert bakery.guest().ask(address[:-2] + "xx").status_code == 404


@pytest.mark.parametrize(
    ("path", "status", "code", "message"),
    [
        ("/message/M03/download", 400, "VALIDATION_ERROR", "phone: cannot be blank."),
        ("/message/M03/download?phone=%20", 400, "VALIDATION_ERROR", "phone: cannot be blank."),
        (f"/message/NOPE/download?phone={ANA}", 404, "NOT_FOUND", "message with ID NOPE not found"),
        (f"/message/M03/download?phone={BEN}", 404, "NOT_FOUND", "message with ID M03 not found"),
        (f"/message/OVEN1/download?phone={ANA}", 404, "NOT_FOUND", "message with ID OVEN1 not found"),
        (f"/message/M01/download?phone={ANA}", 404, "NOT_FOUND", "file of this message not found"),
        (f"/message/M04/download?phone={ANA}", 404, "NOT_FOUND", "file of this message not found"),
    ],
)
def test_what_cannot_be_downloaded_says_why(bakery: Bakery, path: str, status: int, code: str, message: str) -> None:
    assert refusal(bakery.one, path) == (status, code, message)


# addresses


@pytest.mark.parametrize("path", [*READS, "/health"])
def test_head_is_answered_for_every_get(bakery: Bakery, path: str) -> None:
    got, head = bakery.one.ask(path), bakery.one.ask(path, "HEAD")
    assert (got.status_code, head.status_code, head.content) == (200, 200, b"")
    assert head.headers["content-length"] == str(len(got.content))
    assert head.headers["content-type"] == got.headers["content-type"]


@pytest.mark.parametrize("path", READS)
def test_fixed_words_match_in_any_case_and_with_a_slash_behind(bakery: Bakery, path: str) -> None:
    plain, question, query = path.partition("?")
    shouted = "/".join(word.upper() if word in WORDS else word for word in plain.split("/"))
    expected = bakery.one.ask(path).content
    for spelling in (shouted, plain + "/", shouted + "/"):
        assert bakery.one.ask(spelling + question + query).content == expected


WORDS = {
    *["chat", "messages", "chats", "devices", "status", "app", "info", "user", "my", "contacts", "message", "download"],
    *["groups", "group", "webhook"],
}


@pytest.mark.parametrize("path", ["/nowhere", "/chat", f"/chat/{ANA}", "/devices/x/y/z", "/message/M03"])
def test_an_unknown_address_is_not_found_with_or_without_a_device(bakery: Bakery, path: str) -> None:
    for client in (bakery.none, bakery.one, bakery.both):
        response = client.ask(path)
        assert (response.status_code, response.json()["code"]) == (404, "NOT_FOUND")
        assert set(response.json()) == {"code", "message"}


def test_a_wrong_method_is_not_allowed(bakery: Bakery) -> None:
    for path, allow in ((TALK, "GET, HEAD, OPTIONS"), ("/chats", "GET, HEAD, OPTIONS")):
        response = bakery.one.ask(path, "DELETE")
        assert (response.status_code, response.headers["allow"]) == (405, allow)
        assert set(response.json()) == {"code", "message"}


def test_the_base_path_stands_before_all_routes_but_health(bakery: Bakery) -> None:
    app = bakery.make_app(gowa_base_path="/gowa")
    client = bakery.client([bakery.shop], app=app)
    for path in READS:
        assert client.ask("/gowa" + path).status_code == 200
        response = client.ask(path)
        assert response.status_code == 404
    assert client.json("/gowa/app/info")["results"]["base_path"] == "/gowa"
    assert bakery.guest(app=app).ask("/health").status_code == 200
    assert bakery.guest(app=app).ask("/gowa/chats").json() == {"code": "UNAUTHORIZED", "message": "Unauthorized"}
    assert client.ask("/gowa/nowhere").json()["code"] == "NOT_FOUND"
    assert client.ask("/GOWA/chats").status_code == 200


def test_every_route_that_an_archive_does_not_have_answers_501_in_gowas_envelope(bakery: Bakery) -> None:
    unserved = [route for route in UNSERVED if route.dialect == "gowa"]
    assert len(unserved) > 60
    for route in unserved:
        method, path = route.method, route.path
        path = path.replace("{chat_jid}", quote(ANA)).replace("{message_id}", "M01").replace("{device_id}", "my-device")
        response = bakery.both.ask(
            path, method, **({} if method == "GET" else {"json": {"phone": ANA, "message": "hi"}})
        )
        body = response.json()
        assert (response.status_code, list(body), body["code"]) == (501, ["code", "message"], "NOT_IMPLEMENTED")
        assert body["message"].endswith(f"({route.action}) is not available here: {REMEDIES[route.reason]}")
        assert bakery.guest().ask(path, method).status_code == 401


def test_a_call_without_metadata_has_no_such_key(world: World) -> None:
    told = Teller(world.phone("628111111111"))
    world.tell(told.message(ANA, "call:1", 1_705_314_600_000_000, kind="call", from_me=True, call=Call(outgoing=True)))
    row = world.client().json(TALK)["results"]["data"][0]
    assert "call_metadata" not in row
    assert (row["media_type"], row["content"]) == ("call", "Outgoing call")
