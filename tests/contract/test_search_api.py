"""``GET /api/search``: no credential, wrong scope, bad input, success."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest

from contract.bakery import ANA, Bakery
from contract.world import Teller, World


def ids(found: dict[str, list[dict[str, dict[str, str]]]]) -> list[str]:
    return [item["message"]["unique_id"] for item in found["items"]]


def test_nobody_searches_without_a_credential(bakery: Bakery) -> None:
    answer = bakery.guest().ask("/api/search?q=hello")
    assert answer.status_code == 401
    assert answer.json()["code"] == "UNAUTHORIZED"


def test_a_token_finds_nothing_of_phones_outside_its_scope(bakery: Bakery) -> None:
    assert ids(bakery.one.ask("/api/search?q=canary").json()) == []
    assert ids(bakery.none.ask("/api/search?q=canary").json()) == []
    assert ids(bakery.both.ask("/api/search?q=canary").json()) == ["OVEN1"]
    foreign = bakery.one.ask(f"/api/search?q=canary&phone={bakery.oven.number}")
    assert (foreign.status_code, foreign.json()["code"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("", "q"),
        ("q=a&limit=0", "limit"),
        ("q=a&limit=101", "limit"),
        ("q=a&limit=many", "limit"),
        ("q=a&context=11", "context"),
        ("q=a&sort=best", "sort"),
        ("q=a&tz=Nowhere/At_all", "tz"),
        ("q=a&tz=../../etc/passwd", "tz"),
        ("q=a&cursor=abc", "cursor"),
        ("q=a&cursor=%00", "cursor"),
        ("q=a&cursor=" + "A" * 300, "cursor"),
    ],
)
def test_bad_input_names_the_field_and_the_remedy(bakery: Bakery, query: str, field: str) -> None:
    answer = bakery.both.ask(f"/api/search?{query}")
    assert answer.status_code == 422
    assert answer.json()["code"] == ("BAD_CURSOR" if field == "cursor" else "BAD_FIELD")
    assert answer.json()["field"] == field
    assert "must" in answer.json()["message"]


def test_a_hit_is_a_message_with_its_words_marked_and_what_stands_around_it(bakery: Bakery) -> None:
    found = bakery.one.ask("/api/search?q=cakes").json()
    (hit,) = found["items"]
    assert set(hit) == {"message", "highlights", "context"}
    assert {"body", "chat_id", "unique_id", "timestamp", "org_phone", "message_id", "key"} <= set(hit["message"])
    assert hit["message"]["body"] == "the CAKE"
    assert {"field": "body", "parts": [["the ", False], ["CAKE", True]]} in hit["highlights"]
    assert [near["unique_id"] for near in hit["context"]] == ["M02", "M04"]
    rest = {name: found[name] for name in ("total", "total_is_exact", "complete", "ignored", "next")}
    assert rest == {"total": 1, "total_is_exact": True, "complete": True, "ignored": [], "next": None}
    assert found["facets"]["chats"] == [{"chat_id": ANA.replace("s.whatsapp.net", "c.us"), "name": "Ana", "count": 1}]
    assert found["facets"]["months"] == [{"month": "2024-01", "count": 1}]
    assert [phone["count"] for phone in found["facets"]["phones"]] == [1]


def test_pages_follow_each_other_and_a_cursor_belongs_to_its_search(bakery: Bakery) -> None:
    whole = bakery.one.ask("/api/search?q=from:ana&limit=100").json()
    walked: list[str] = []
    cursor = ""
    while True:
        page = bakery.one.ask(f"/api/search?q=from:ana&limit=2{cursor}").json()
        walked += ids(page)
        assert page["total"] == whole["total"]
        if page["next"] is None:
            break
        other = bakery.one.ask(f"/api/search?q=from:ben&limit=2&cursor={page['next']}")
        assert (other.status_code, other.json()["code"]) == (422, "BAD_CURSOR")
        cursor = f"&cursor={page['next']}"
    assert walked == ids(whole)
    assert len(walked) == whole["total"] > 3


def test_what_cannot_be_looked_for_is_named(bakery: Bakery) -> None:
    assert bakery.one.ask("/api/search?q=cake%20%2B%2B").json()["ignored"] == ["++"]


@pytest.mark.parametrize("query", ["", "%2B%2B", "nothinglikeit"])
def test_the_first_page_has_facets_even_where_nothing_is_found(bakery: Bakery, query: str) -> None:
    nothing = {"chats": [], "phones": [], "months": [], "complete": True}
    for client in (bakery.both, bakery.none):
        assert client.ask(f"/api/search?q={query}").json()["facets"] == nothing


def test_an_altered_cursor_is_refused(bakery: Bakery) -> None:
    cursor = bakery.one.ask("/api/search?q=from:ana&limit=2").json()["next"]
    raw = bytearray(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    for at in range(len(raw)):
        altered = bytes([*raw[:at], raw[at] ^ 1, *raw[at + 1 :]])
        answer = bakery.one.ask(f"/api/search?q=from:ana&limit=2&cursor={urlsafe_b64encode(altered).decode()}")
        assert (answer.status_code, answer.json()["code"]) == (422, "BAD_CURSOR"), at
    for odd in (f"!{cursor}", f"{cursor}%20", cursor[:-1]):
        assert bakery.one.ask(f"/api/search?q=from:ana&limit=2&cursor={odd}").status_code == 422


def test_a_cursor_of_another_organisation_is_refused(world: World) -> None:
    other = world.store.create_org("Lake Street Bakery")
    found = []
    for org in (world.org, other):
        teller = Teller(world.store.add_phone(org.no, "918527184400"))
        start = 1_700_000_000_000_000
        world.tell(*(teller.message(ANA, f"M{n}", start + n, "apple") for n in range(3)), org=org)
        client = world.client(org=org)
        found.append((client, client.json("/api/search?q=apple&limit=1")["next"]))
    (one, cursor), (two, _) = found
    assert one.ask(f"/api/search?q=apple&limit=1&cursor={cursor}").status_code == 200
    assert two.ask(f"/api/search?q=apple&limit=1&cursor={cursor}").json()["code"] == "BAD_CURSOR"


def test_a_walk_by_cursor_sees_each_message_once_while_others_come(world: World) -> None:
    phone = world.phone("918527184400")
    teller, client = Teller(phone), world.client()
    start = 1_700_000_000_000_000
    world.tell(*(teller.message(ANA, f"M{n:02}", start + n // 3 * 1_000_000, f"apple {n}") for n in range(30)))
    walked: list[str] = []
    cursor, n = "", 100
    while True:
        page = client.ask(f"/api/search?q=apple&limit=4{cursor}").json()
        walked += ids(page)
        world.tell(teller.message(ANA, f"N{n}", start + n * 1_000_000, "apple, later"))
        n += 1
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert walked == [f"M{n:02}" for n in reversed(range(30))]
