"""The native API over HTTP: reading a chat in both directions, lists, single messages, sessions."""

from __future__ import annotations

import base64
import itertools
import random
from collections import Counter
from datetime import datetime
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import pytest

from backscroll.core.events import (
    Batch,
    MessageEdited,
    MessagePinned,
    MessageRevoked,
    PollVoted,
    ReactionSet,
    ReceiptSet,
)
from backscroll.core.imports import NewImport
from backscroll.core.model import Media, Member, Poll, Quote
from contract.world import SECOND, Client, Teller, World, known_as, micros, same_person, user

ANA, BEN, CAT = user("4915550002001"), user("4915550002002"), user("4915550002003")
GROUP = "120363041234567890@g.us"
LID = "99887766554433@lid"
NOON = micros("2026-03-01T12:00:00+00:00")


class Shelf:
    """A phone with a group that has messages of many kinds."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.phone = world.phone("4915550001001", name="Desk")
        self.teller = Teller(self.phone)
        self.client = world.client()

    def fill(self, count: int, chat: str = GROUP, step: int = 60 * SECOND) -> list[str]:
        ids = [f"3EB0{n:06}" for n in range(count)]
        say = self.teller.message
        self.world.tell(*(say(chat, id, NOON + n * step, f"line {n}", BEN) for n, id in enumerate(ids)))
        return ids

    def thread(self, chat: str = GROUP, **params: Any) -> Any:
        asked = "&".join(f"{name}={quote(str(value), safe='')}" for name, value in params.items())
        return self.client.json(f"/api/chats/{self.phone.number}/{chat}/messages?{asked}")


@pytest.fixture
def shelf(world: World) -> Shelf:
    return Shelf(world)


def ids_of(page: Any) -> list[str]:
    return [item["unique_id"] for item in page["items"]]


# ---------------------------------------------------------------------- reading a chat


def test_the_newest_stretch_is_given_oldest_message_first(shelf: Shelf) -> None:
    ids = shelf.fill(30)
    page = shelf.thread(limit=10)
    assert ids_of(page) == ids[-10:]
    assert (page["found_oldest"], page["found_newest"], page["newer"]) == (False, True, None)
    assert page["seq"] == shelf.world.store.version(shelf.world.org.no)


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 50])
def test_cursors_walk_a_chat_both_ways_without_loss_or_repetition(shelf: Shelf, limit: int) -> None:
    ids = shelf.fill(23, step=SECOND // 4)
    back: list[str] = []
    page = shelf.thread(limit=limit)
    while True:
        back = ids_of(page) + back
        if page["older"] is None:
            break
        page = shelf.thread(limit=limit, cursor=page["older"])
    assert back == ids
    assert page["found_oldest"] is True
    forth: list[str] = []
    while True:
        forth += ids_of(page)
        if page["newer"] is None:
            break
        page = shelf.thread(limit=limit, cursor=page["newer"])
    assert forth == ids


def test_messages_of_one_moment_are_walked_once_each(shelf: Shelf) -> None:
    ids = shelf.fill(40, step=0)
    middle = shelf.thread(limit=5, at="2026-03-01T12:00:00Z")
    seen = ids_of(middle)
    page = middle
    while page["older"]:
        page = shelf.thread(limit=5, cursor=page["older"])
        seen = ids_of(page) + seen
    page = middle
    while page["newer"]:
        page = shelf.thread(limit=5, cursor=page["newer"])
        seen += ids_of(page)
    assert seen == ids


def test_around_a_message_lies_about_half_on_each_side(shelf: Shelf) -> None:
    ids = shelf.fill(40)
    keys = {item["unique_id"]: item["key"] for item in shelf.thread(limit=40)["items"]}
    page = shelf.thread(around=keys[ids[20]], limit=11)
    assert ids_of(page) == ids[15:26]
    assert page["target"] == keys[ids[20]]
    assert (page["found_oldest"], page["found_newest"]) == (False, False)
    at_the_start = shelf.thread(around=keys[ids[1]], limit=10)
    assert ids_of(at_the_start) == ids[:10]
    assert at_the_start["found_oldest"] is True
    assert ids_of(shelf.thread(before=keys[ids[20]], limit=3)) == ids[17:20]
    assert ids_of(shelf.thread(after=keys[ids[20]], limit=3)) == ids[21:24]


def test_a_moment_leads_to_the_first_message_from_then_on(shelf: Shelf) -> None:
    ids = shelf.fill(10)
    page = shelf.thread(at="2026-03-01T12:04:30Z", limit=3)
    assert (page["target"].endswith(f"{ids[5]}_{'4915550002002@c.us'}"), ids_of(page)) == (True, ids[4:7])
    after_the_end = shelf.thread(at="2027-01-01", limit=3)
    assert (ids_of(after_the_end), after_the_end["target"]) == (ids[-3:], None)


def test_a_walk_meets_every_message_once_while_others_arrive_change_and_merge(shelf: Shelf) -> None:
    tell, say = shelf.world.tell, shelf.teller
    chat = user("4915550002009")
    ids = [f"3EB0{n:06}" for n in range(60)]
    tell(*(say.message(chat if n % 2 else LID, id, NOON + n * SECOND, f"line {n}") for n, id in enumerate(ids)))
    page = shelf.thread(chat=chat, limit=7)
    tell(same_person(LID, chat))
    seen: list[str] = []
    page = shelf.thread(chat=chat, limit=7)
    for round in itertools.count():
        seen = ids_of(page) + seen
        if page["older"] is None:
            break
        tell(say.message(chat, f"NEW{round}", NOON + 10**4 * SECOND + round, "later"))
        tell(MessageEdited(target=say.target(chat, ids[round]), text=f"edited {round}", at=NOON + 10**5 * SECOND))
        tell(MessageRevoked(target=say.target(chat, ids[30 + round]), at=NOON + 10**5 * SECOND))
        page = shelf.thread(chat=chat, limit=7, cursor=page["older"])
    assert [id for id in seen if not id.startswith("NEW")] == ids


def test_a_key_leads_to_its_message_after_chats_were_merged(shelf: Shelf) -> None:
    chat = user("4915550002009")
    shelf.world.tell(shelf.teller.message(LID, "3EB0AA", NOON, "hello"))
    key = shelf.thread(chat=LID)["items"][0]["key"]
    shelf.world.tell(same_person(LID, chat))
    assert ids_of(shelf.thread(chat=chat, around=key)) == ["3EB0AA"]
    assert shelf.client.json(f"/api/messages/{quote(key, safe='')}")["chat"]["chat_id"] == "4915550002009@c.us"


# ---------------------------------------------------------------------- a message


def test_a_message_shows_what_is_known_of_it(shelf: Shelf) -> None:
    say, target = shelf.teller, shelf.teller.target(GROUP, "3EB001")
    shelf.world.tell(
        known_as(ANA, "Ana"),
        known_as(BEN, "Ben"),
        say.chat(GROUP, name="Hill Street", members=(Member(jid=ANA, is_admin=True), Member(jid=BEN), Member(jid=CAT))),
        say.message(GROUP, "3EB000", NOON, "who comes?", ANA),
        say.message(
            GROUP,
            "3EB001",
            NOON + SECOND,
            "me, and @4915550002001",
            BEN,
            quoted=Quote(id="3EB000", sender=ANA, text="who comes?"),
            mentions=(ANA,),
        ),
        ReactionSet(target=target, by=ANA, emoji="🎉", at=NOON + 2 * SECOND),
        MessageEdited(target=target, text="me, and also @4915550002001", at=NOON + 3 * SECOND, by=BEN),
    )
    item = shelf.thread()["items"][1]
    assert (item["phone"], item["kind"], item["body"]) == ("4915550001001", "text", "me, and also @4915550002001")
    assert item["sender"] == {"jid": "4915550002002@c.us", "name": "Ben"}
    assert item["mentions"] == [{"jid": "4915550002001@c.us", "name": "Ana", "as": "@4915550002001"}]
    assert (item["edits"], item["edited_at"]) == (1, "2026-03-01T12:00:03+00:00")
    assert item["quoted"] == {
        "key": shelf.thread()["items"][0]["key"],
        "id": "3EB000",
        "sender": {"jid": "4915550002001@c.us", "name": "Ana"},
        "from_me": False,
        "kind": "text",
        "text": "who comes?",
        "thumbnail": None,
    }
    assert item["reactions"] == [
        {
            "emoji": "🎉",
            "sender": {"jid": "4915550002001@c.us", "name": "Ana"},
            "from_me": False,
            "at": "2026-03-01T12:00:02+00:00",
        }
    ]
    card = shelf.client.json(f"/api/messages/{quote(item['key'], safe='')}")
    assert [version["text"] for version in card["versions"]] == ["me, and @4915550002001", item["body"]]
    assert [told["source"] for told in card["tellings"]] == ["linked"]
    assert card["chat"] == {"phone": "4915550001001", "chat_id": GROUP, "name": "Hill Street"}


def test_a_pin_is_shown_with_its_end_also_when_that_has_passed(shelf: Shelf) -> None:
    target = shelf.teller.target(GROUP, "3EB001")
    shelf.world.tell(
        known_as(ANA, "Ana"),
        shelf.teller.message(GROUP, "3EB000", NOON, "words", BEN),
        shelf.teller.message(GROUP, "3EB001", NOON + SECOND, "the plan", BEN),
        MessagePinned(target=target, pinned=True, at=NOON + 2 * SECOND, by=ANA, until=NOON + 9 * SECOND),
    )
    pinned = {
        "by": {"jid": "4915550002001@c.us", "name": "Ana"},
        "at": "2026-03-01T12:00:02+00:00",
        "until": "2026-03-01T12:00:09+00:00",
    }
    assert [item["pinned"] for item in shelf.thread()["items"]] == [None, pinned]
    shelf.world.tell(MessagePinned(target=target, pinned=True, at=NOON + 3 * SECOND))
    assert shelf.thread()["items"][1]["pinned"] == {"by": None, "at": "2026-03-01T12:00:03+00:00", "until": None}
    shelf.world.tell(MessagePinned(target=target, pinned=False, at=NOON + 4 * SECOND, by=BEN))
    assert shelf.thread()["items"][1]["pinned"] is None


def test_periskopes_53_fields_are_those_of_periskopes_own_route(shelf: Shelf) -> None:
    shelf.fill(3)
    native = shelf.thread()["items"]
    periskope = shelf.client.json("/v1/chats/messages?limit=3")["messages"][::-1]
    assert [{name: item[name] for name in told} for item, told in zip(native, periskope, strict=True)] == periskope


def test_a_deleted_message_keeps_its_words_and_says_who_deleted_it(shelf: Shelf) -> None:
    shelf.world.tell(
        known_as(CAT, "Cat"),
        shelf.teller.message(GROUP, "3EB001", NOON, "oops", BEN),
        MessageRevoked(target=shelf.teller.target(GROUP, "3EB001"), at=NOON + SECOND, by=CAT, by_admin=True),
    )
    item = shelf.thread()["items"][0]
    assert (item["is_deleted"], item["body"], item["deleted_at"]) == (True, "oops", "2026-03-01T12:00:01+00:00")
    assert item["deleted_by"] == {"jid": "4915550002003@c.us", "name": "Cat"}


def test_receipts_of_own_messages_are_counted(shelf: Shelf) -> None:
    target = shelf.teller.target(GROUP, "3EB001")
    members = tuple(Member(jid=jid) for jid in (ANA, BEN, CAT, shelf.phone.jid))
    shelf.world.tell(
        shelf.teller.chat(GROUP, members=members),
        shelf.teller.message(GROUP, "3EB001", NOON, "hi", from_me=True),
        ReceiptSet(target=target, ack=3, at=NOON + SECOND, participant=ANA),
        ReceiptSet(target=target, ack=4, at=NOON + 2 * SECOND, participant=ANA),
        ReceiptSet(target=target, ack=3, at=NOON + SECOND, participant=BEN),
    )
    item = shelf.thread()["items"][0]
    assert item["receipts"] == {"of": 3, "delivered": 2, "read": 1, "played": 0}
    card = shelf.client.json(f"/api/messages/{quote(item['key'], safe='')}")
    assert [(who["jid"], who["read_at"]) for who in card["receipt_list"]] == [
        ("4915550002001@c.us", "2026-03-01T12:00:02+00:00"),
        ("4915550002002@c.us", None),
    ]


def test_a_poll_names_its_voters_and_a_counted_one_its_numbers(shelf: Shelf) -> None:
    poll = Poll(name="Lunch?", options=("Pizza", "Sushi"))
    counted = Poll(name="Tea?", options=("Yes", "No"), counts={"Yes": 4, "No": 1})
    shelf.world.tell(
        known_as(ANA, "Ana"),
        shelf.teller.message(GROUP, "3EB001", NOON, None, BEN, kind="poll", poll=poll),
        PollVoted(target=shelf.teller.target(GROUP, "3EB001"), by=ANA, options=("Sushi",), at=NOON + SECOND),
        shelf.teller.message(GROUP, "3EB002", NOON + 2 * SECOND, None, BEN, kind="poll", poll=counted),
    )
    first, second = shelf.thread()["items"]
    ana = {"jid": "4915550002001@c.us", "name": "Ana"}
    assert first["poll"]["options"] == [
        {"text": "Pizza", "votes": 0, "voters": []},
        {"text": "Sushi", "votes": 1, "voters": [ana]},
    ]
    assert [option["votes"] for option in second["poll"]["options"]] == [4, 1]


def test_the_small_picture_inside_a_message_is_served_by_link(shelf: Shelf) -> None:
    picture = b"\xff\xd8\xff\xe0 small"
    media = Media(mimetype="image/jpeg", thumbnail=base64.b64encode(picture).decode())
    hostile = Media(mimetype="image/jpeg", thumbnail=base64.b64encode(b"<svg onload=x>").decode())
    shelf.world.tell(
        shelf.teller.message(GROUP, "3EB001", NOON, None, BEN, kind="image", media=media),
        shelf.teller.message(GROUP, "3EB002", NOON + SECOND, None, BEN, kind="image", media=hostile),
    )
    good, bad = (item["file"] for item in shelf.thread()["items"])
    assert (good["state"], good["url"]) == ("missing", None)
    answer = shelf.client.ask(good["thumbnail"])
    assert (answer.status_code, answer.headers["content-type"], answer.content) == (200, "image/jpeg", picture)
    assert shelf.client.ask(bad["thumbnail"]).status_code == 404


def test_an_original_is_shown_as_it_was_received(shelf: Shelf) -> None:
    from backscroll.core.events import Batch

    event = shelf.teller.message(GROUP, "3EB001", NOON, "hi", BEN)
    raw = '{"event":"message","text":"hi ✓"}'.encode()
    batch = Batch(source="webhook", events=[event], raw=raw, raw_type="application/json")
    shelf.world.store.apply(shelf.world.org.no, batch)
    key = quote(shelf.thread()["items"][0]["key"], safe="")
    assert shelf.client.json(f"/api/messages/{key}")["has_original"] is True
    shown = shelf.client.json(f"/api/messages/{key}/original")["items"]
    assert [(one["source"], one["payload"], one["whole"]) for one in shown] == [("webhook", raw.decode(), True)]
    shelf.world.tell(shelf.teller.message(GROUP, "3EB002", NOON, "hi", BEN))
    other = quote(shelf.thread()["items"][1]["key"], safe="")
    assert shelf.client.ask(f"/api/messages/{other}/original").status_code == 404


def test_the_feed_goes_on_past_contacts_whom_an_undone_import_took_away(shelf: Shelf) -> None:
    store, org = shelf.world.store, shelf.world.org.no
    after = store.version(org)
    begun = store.begin_import(org, NewImport(kind="export", file="a.txt"))
    told = (known_as(CAT, "Cat"), shelf.teller.message(CAT, "C1", NOON, "hello"))
    store.as_import(begun.id).apply(org, Batch(source="export", events=told))
    store.finish_import(org, begun.id, {})
    store.undo_import(org, begun.id)
    feed = shelf.client.json(f"/api/changes?after={after}&limit=1000")
    assert feed["next"] == store.version(org)
    assert "contact.updated" not in {change["type"] for change in feed["items"]}


# ---------------------------------------------------------------------- chats, spine, media, contacts, phones


def test_chats_are_listed_over_all_phones_and_walked_by_cursor(world: World) -> None:
    phones = [world.phone(number) for number in ("4915550001001", "4915550001003")]
    tell = [Teller(phone) for phone in phones]
    for n in range(9):
        world.tell(tell[n % 2].message(user(f"49155500020{n:02}"), "3EB0", NOON + n * SECOND, f"hello {n}"))
    world.tell(tell[0].chat(user("4915550002099"), name="Silent"))
    client = world.client()
    page, seen = client.json("/api/chats?limit=4"), []
    assert page["total"] == 10
    while True:
        seen += [chat["chat_id"] for chat in page["items"]]
        if page["next"] is None:
            break
        page = client.json(f"/api/chats?limit=4&cursor={page['next']}")
    assert seen == [f"49155500020{n:02}@c.us" for n in (8, 7, 6, 5, 4, 3, 2, 1, 0)] + ["4915550002099@c.us"]
    only = client.json("/api/chats?phone=4915550001003")["items"]
    assert {chat["phone"] for chat in only} == {"4915550001003"}
    assert only[0]["last"]["text"] == "hello 7"
    assert [chat["name"] for chat in client.json("/api/chats?q=SIL")["items"]] == ["Silent"]
    assert [chat["chat_id"] for chat in client.json("/api/chats?q=0002008")["items"]] == ["4915550002008@c.us"]


def test_a_chat_shows_its_members_admins_first_and_when_it_began(shelf: Shelf) -> None:
    members = (Member(jid=BEN), Member(jid=CAT, is_admin=True), Member(jid=ANA))
    shelf.world.tell(known_as(ANA, "Ana"), known_as(BEN, "Ben"), shelf.teller.chat(GROUP, name="G", members=members))
    shelf.fill(2)
    chat = shelf.client.json(f"/api/chats/{shelf.phone.number}/{GROUP}")
    assert [member["jid"][:13] for member in chat["members"]] == ["4915550002003", "4915550002001", "4915550002002"]
    assert (chat["members_total"], chat["first_message_at"]) == (3, "2026-03-01T12:00:00+00:00")
    assert shelf.client.ask(f"/api/chats/{shelf.phone.number}/120363049999999999@g.us").status_code == 404


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Sao_Paulo", "Asia/Kolkata", "Pacific/Kiritimati", "UTC"])
def test_the_spine_counts_in_the_readers_zone(shelf: Shelf, zone: str) -> None:
    draws = random.Random(zone)
    start, clock = micros("2018-10-01T00:00:00+00:00"), ZoneInfo(zone)
    times = [start + draws.randrange(120 * 24 * 3600) * SECOND for _ in range(300)]
    # Exactly at midnight, and on a day when clocks in São Paulo skipped midnight.
    times += [micros(f"2018-11-04T0{hour}:00:00+00:00") - before for hour in range(6) for before in (0, 1)]
    say = shelf.teller.message
    shelf.world.tell(*(say(GROUP, f"Z{n}", at, "x", BEN) for n, at in enumerate(times)))
    local = [datetime.fromtimestamp(at // SECOND, clock).date().isoformat() for at in times]
    path = f"/api/chats/{shelf.phone.number}/{GROUP}/spine?zone={zone}"
    spine = shelf.client.json(path)
    assert dict(spine["months"]) == Counter(day[:7] for day in local)
    for month, _ in spine["months"]:
        found = shelf.client.json(f"{path}&month={month}")
        assert dict(found["days"]) == Counter(day for day in local if day.startswith(month))
        assert found["before"] == sum(day < month for day in local)


def test_a_zone_that_is_none_is_refused(shelf: Shelf) -> None:
    answer = shelf.client.ask(f"/api/chats/{shelf.phone.number}/{GROUP}/spine?zone=Mars/Base")
    assert (answer.status_code, answer.json()["field"]) == (422, "zone")


def test_the_spine_counts_months_and_days_with_notices(shelf: Shelf) -> None:
    say = shelf.teller.message
    shelf.world.tell(
        say(GROUP, "A", "2025-12-31T23:59:59+00:00", "a", BEN),
        say(GROUP, "B", "2026-03-01T00:00:00+00:00", "b", BEN),
        say(GROUP, "C", "2026-03-01T10:00:00+00:00", None, BEN, kind="notice"),
        say(GROUP, "D", "2026-03-31T23:00:00+00:00", "d", BEN),
    )
    spine = shelf.client.json(f"/api/chats/{shelf.phone.number}/{GROUP}/spine")
    assert spine["months"] == [["2025-12", 1], ["2026-03", 3]]
    assert (spine["total"], spine["first_at"]) == (4, "2025-12-31T23:59:59+00:00")
    days = shelf.client.json(f"/api/chats/{shelf.phone.number}/{GROUP}/spine?month=2026-03")
    assert days == {"month": "2026-03", "days": [["2026-03-01", 2], ["2026-03-31", 1]], "before": 1}


def test_files_are_listed_newest_first_by_kind_and_walked_by_cursor(shelf: Shelf) -> None:
    say = shelf.teller.message
    kinds = ("image", "voice", "document", "video")
    shelf.world.tell(
        *(
            say(GROUP, f"M{n:02}", NOON + n * SECOND, None, BEN, kind=kinds[n % 4], media=Media(size=n))
            for n in range(24)
        )
    )
    page, seen = shelf.client.json("/api/media?limit=5"), []
    while True:
        seen += [item["file"]["size"] for item in page["items"]]
        if page["next"] is None:
            break
        page = shelf.client.json(f"/api/media?limit=5&cursor={page['next']}")
    assert seen == [n for n in range(23, -1, -1) if n % 4 in (0, 3)]
    voices = shelf.client.json(f"/api/media?kind=voice&phone={shelf.phone.number}&chat={GROUP}&at=2026-03-01T12:00:09Z")
    assert [item["file"]["size"] for item in voices["items"]] == [9, 5, 1]


def test_a_contact_shows_names_ids_and_shared_chats(shelf: Shelf) -> None:
    shelf.world.tell(
        known_as(ANA, "Ana Lima", push_name="ana ✨", at=NOON),
        same_person(LID, ANA),
        shelf.teller.chat(GROUP, name="Hill Street", members=(Member(jid=LID), Member(jid=BEN))),
        shelf.teller.chat("120363040000000001@g.us", name="Others", members=(Member(jid=BEN),)),
        shelf.teller.message(ANA, "3EB0", NOON, "hi"),
    )
    card = shelf.client.json("/api/contacts/4915550002001")
    assert (card["number"], card["display_name"], card["lid"]) == ("+4915550002001", "Ana Lima", LID)
    assert {(name["kind"], name["name"]) for name in card["names"]} == {("saved", "Ana Lima"), ("chosen", "ana ✨")}
    assert sorted(card["jids"]) == ["4915550002001@c.us", LID]
    assert {chat["name"] for chat in card["shared"]} == {"Hill Street", "Ana Lima"}
    found = shelf.client.json("/api/contacts?q=lima")
    assert [contact["jid"] for contact in found["items"]] == ["4915550002001@c.us"]


def test_phones_tell_what_is_held_of_them(shelf: Shelf) -> None:
    shelf.fill(3)
    phone = shelf.client.json("/api/phones")["items"][0]
    assert (phone["phone"], phone["messages"], phone["chats"]) == ("4915550001001", 3, 1)
    assert (phone["first_message_at"], phone["last_message_at"]) == (
        "2026-03-01T12:00:00+00:00",
        "2026-03-01T12:02:00+00:00",
    )


# ---------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("query", "code", "field"),
    [
        ("limit=0", "BAD_FIELD", "limit"),
        ("limit=201", "BAD_FIELD", "limit"),
        ("limit=x", "BAD_FIELD", "limit"),
        ("at=yesterday", "BAD_FIELD", "at"),
        ("at=2026-01-01&around=x", "BAD_FIELD", "at"),
        ("cursor=abc", "BAD_CURSOR", "cursor"),
        ("cursor=%00%ff", "BAD_CURSOR", "cursor"),
    ],
)
def test_a_bad_value_is_named(shelf: Shelf, query: str, code: str, field: str) -> None:
    shelf.fill(1)
    answer = shelf.client.ask(f"/api/chats/{shelf.phone.number}/{GROUP}/messages?{query}")
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (422, code, field)


def test_a_cursor_counts_only_for_the_filters_it_was_made_with(shelf: Shelf) -> None:
    shelf.fill(5)
    shelf.fill(5, chat="120363040000000001@g.us")
    cursor = shelf.thread(limit=2)["older"]
    other = shelf.client.ask(f"/api/chats/{shelf.phone.number}/120363040000000001@g.us/messages?cursor={cursor}")
    assert (other.status_code, other.json()["code"]) == (422, "BAD_CURSOR")
    changed = cursor[:-2] + ("AA" if cursor[-2:] != "AA" else "BB")
    assert shelf.client.ask(f"/api/chats/{shelf.phone.number}/{GROUP}/messages?cursor={changed}").status_code == 422


def test_a_phone_outside_the_scope_is_as_if_it_were_not_there(world: World) -> None:
    one, two = world.phone("4915550001001"), world.phone("4915550001003")
    world.tell(
        Teller(one).message(GROUP, "3EB0", NOON, "seen", BEN), Teller(two).message(GROUP, "3EB0", NOON, "x", BEN)
    )
    client = world.client([one])
    own = client.json(f"/api/chats/{one.number}/{GROUP}/messages")["items"][0]["key"]
    foreign = own.replace(one.number, two.number, 1)
    paths = [
        f"/api/chats/{two.number}/{GROUP}",
        f"/api/chats/{two.number}/{GROUP}/messages",
        f"/api/messages/{quote(foreign, safe='')}",
        f"/api/chats?phone={two.number}",
    ]
    absent = [path.replace(two.number, "4915550001999") for path in paths]
    for path, nowhere in zip(paths, absent, strict=True):
        answers = [client.ask(path), client.ask(nowhere)]
        assert [answer.status_code for answer in answers] == [404, 404]
        told = [answer.json()["message"].replace(two.number, "N").replace("4915550001999", "N") for answer in answers]
        assert told[0] == told[1]
    assert [chat["phone"] for chat in client.json("/api/chats")["items"]] == [one.number]


def test_nobody_reads_without_a_credential(world: World) -> None:
    for path in ("/api/chats", "/api/session", "/api/changes", "/api/events", "/api/phones", "/api/media"):
        answer = world.guest().ask(path)
        assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHORIZED")


# ---------------------------------------------------------------------- sessions


def cookie_of(answer: Any) -> dict[str, str]:
    return {"cookie": answer.headers["set-cookie"].partition(";")[0]}


SAME = {"sec-fetch-site": "same-origin"}


def sign_in(world: World, guest: Client) -> Any:
    secret = world.store.create_token(world.org.no, "browser").secret
    return guest.ask("/api/session", "POST", SAME, json={"token": secret})


def test_a_browser_signs_in_reads_and_signs_out(world: World) -> None:
    phone = world.phone("4915550001001", name="Desk")
    guest = world.guest()
    answer = sign_in(world, guest)
    assert answer.status_code == 200
    assert answer.json()["org"]["name"] == "Hill Street Bakery"
    assert answer.json()["phones"][0]["phone"] == phone.number
    told = answer.headers["set-cookie"]
    assert told.endswith("; HttpOnly; SameSite=Strict")
    cookie = cookie_of(answer)
    assert guest.json("/api/session", cookie)["expires_at"] is not None
    assert guest.json("/api/chats", cookie)["items"] == []
    assert guest.ask("/api/session", "DELETE", cookie | SAME).status_code == 204
    assert guest.ask("/api/session", headers=cookie).status_code == 401


def test_over_https_the_cookie_is_kept_for_this_host_alone(world: World) -> None:
    app = world.make_app(public_url="https://archive.example.org")
    answer = sign_in(world, world.guest(app=app))
    assert answer.headers["set-cookie"].startswith("__Host-backscroll=")
    assert answer.headers["set-cookie"].endswith("; Secure")


def test_another_sites_page_changes_nothing_with_a_session(world: World) -> None:
    guest = world.guest()
    cookie = cookie_of(sign_in(world, guest))
    for proof in (
        {},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "http://evil.test"},
    ):
        answer = guest.ask("/api/session", "DELETE", cookie | proof)
        assert (answer.status_code, answer.json()["code"]) == (403, "CROSS_SITE")
    assert guest.ask("/api/session", headers=cookie).status_code == 200
    assert guest.ask("/api/session", "DELETE", cookie | {"origin": "http://archive.test"}).status_code == 204


def test_a_session_ends_with_its_token(world: World) -> None:
    guest, secret = world.guest(), world.store.create_token(world.org.no, "browser")
    cookie = cookie_of(guest.ask("/api/session", "POST", SAME, json={"token": secret.secret}))
    assert guest.ask("/api/session", headers=cookie).status_code == 200
    world.store.revoke_token(world.org.no, secret.id)
    assert guest.ask("/api/session", headers=cookie).status_code == 401


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"token":1}', b'{"token":"a","once":"b"}', b"\xff"])
def test_a_bad_sign_in_is_told_what_to_send(world: World, body: bytes) -> None:
    answer = world.guest().ask("/api/session", "POST", SAME, content=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "BAD_FIELD")


@pytest.mark.parametrize("secret", ["x", "bsk1xabc_def", "", "bss1x0_0"])
def test_a_wrong_secret_opens_nothing(world: World, secret: str) -> None:
    assert world.guest().ask("/api/session", "POST", SAME, json={"token": secret}).status_code == 401
    assert world.guest().ask("/api/session", headers={"cookie": f"backscroll={secret or 'y'}"}).status_code == 401
    assert world.guest().ask("/api/chats", headers={"authorization": f"Cookie {secret}"}).status_code == 401


def test_a_link_that_signs_in_works_once_and_on_this_machine_only(world: World) -> None:
    token = world.store.create_token(world.org.no, "browser")
    once = world.store.sessions.invite_once(token.id).secret
    far = world.guest().ask("/api/session", "POST", SAME, json={"once": once})
    assert far.status_code == 401
    session = world.store.sessions.sign_in_once(once)
    assert world.store.sessions.open(session.secret).access.token_id == token.id
    with pytest.raises(Exception, match="Invalid"):
        world.store.sessions.sign_in_once(once)
