from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from backscroll.core.errors import Unreadable
from backscroll.core.events import (
    Batch,
    ChatSeen,
    ContactSeen,
    MessageSeen,
    NumberMapped,
    PhoneSeen,
    ReactionSet,
    ReceiptSet,
    Target,
)
from backscroll.core.model import Access, Call, Location, Media, Member, Message, MessageKey, Notice, Poll, Quote
from backscroll.core.query import MessageQuery
from backscroll.dialects.links import NoLinks
from backscroll.dialects.periskope.messages import rows_renderer
from backscroll.dialects.periskope.objects import Options, render_messages
from backscroll.ingest.connectors.periskope.answers import (
    chats,
    contacts,
    messages,
    notifications,
    phones,
    reactions,
)
from backscroll.ingest.connectors.periskope.pages import PulledPage
from backscroll.storage.store import Store, open_store

GOLDEN = Path(__file__).parent.parent / "golden" / "list-all-messages-200.json"
ORG_ID = "2997dd64-89bf-48d3-9a22-b314fca017e5"
OWN, PERSON, GROUP = "918527184400@s.whatsapp.net", "919537851844@s.whatsapp.net", "120363231636311517@g.us"
OTHER = "919812345678@s.whatsapp.net"
AT = 1737695468000000

T = TypeVar("T")

PLAIN: dict[str, Any] = {
    "message_id": "false_919537851844@c.us_3FEB",
    "ack": "0",
    "body": "hello",
    "from_me": False,
    "message_type": "chat",
    "chat_id": "919537851844@c.us",
    "timestamp": "2025-01-24T05:11:08+00:00",
    "org_phone": "918527184400@c.us",
    "sender_phone": "919537851844@c.us",
    "unique_id": "3FEB",
}

FULL: dict[str, Any] = {
    "message_id": "true_120363231636311517@g.us_3EB0ABB7_918527184400@c.us",
    "org_id": ORG_ID,
    "ack": "4",
    "author": "918527184400@c.us",
    "body": "Hello, edited world",
    "broadcast": False,
    "device_type": "android",
    "duration": "12.5",
    "forwarding_score": 4,
    "from": "918527184400@c.us",
    "from_me": True,
    "has_media": True,
    "has_quoted_msg": True,
    "has_reaction": False,
    "id": {
        "id": "3EB0ABB7",
        "remote": "120363231636311517@g.us",
        "from_me": True,
        "serialized": "true_120363231636311517@g.us_3EB0ABB7_918527184400@c.us",
    },
    "invite_v4": {"a": [1, 2.5, None, "x"], "inviteCode": "ABC"},
    "is_ephemeral": False,
    "is_forwarded": True,
    "is_gif": False,
    "is_starred": True,
    "is_status": False,
    "links": [{"link": "https://example.org", "isSuspicious": False}],
    "location": {"options": {"name": "Town hall"}, "latitude": "48.137154", "longitude": "11.576124"},
    "media_key": "c2VjcmV0",
    "mentioned_ids": ["919812345678@c.us"],
    "order_id": "order-1",
    "raw_data": {"translations": {"de": "Hallo"}},
    "to": "120363231636311517@g.us",
    "token": "order-token",
    "message_type": "ptt",
    "vcards": ["BEGIN:VCARD\nVERSION:3.0\nFN:A\nEND:VCARD"],
    "chat_id": "120363231636311517@g.us",
    "timestamp": "2025-01-24T05:11:08+00:00",
    "org_phone": "918527184400@c.us",
    "broadcast_id": "broadcast-x",
    "is_deleted": True,
    "media": {
        "path": "https://files.example.org/a.ogg",
        "size": 60511,
        "filename": "3EB0ABB7",
        "mimetype": "audio/ogg",
        "thumbnail": "https://files.example.org/a.png",
        "dimensions": {"ar": 0.45454545454545453, "width": 540, "height": 1188},
    },
    "performed_by": "agent@example.org",
    "prev_body": "Hello, world",
    "quoted_message_id": "false_120363231636311517@g.us_3FEB_919812345678@c.us",
    "sender_phone": "918527184400@c.us",
    "sent_message_id": "02a54379-36cc-456b-81c4-09074adf9597",
    "delivery_info": {
        "read": {"919537851844@c.us": 1737711828823},
        "pending": ["919812345678@c.us"],
        "delivered": {"919537851844@c.us": 1737695471721},
        "read_count": 1,
        "delivered_count": 1,
    },
    "updated_at": "2025-01-24T09:43:48.884123+00:00",
    "message_ticket_id": "ticket-1",
    "unique_id": "3EB0ABB7",
    "flag_metadata": {"status": True, "flagged_at": "2025-01-24T09:43:48.884Z", "flagged_by": "agent@example.org"},
    "flag_response_time": 12.25,
    "fts": "'edit':2 'hello':1 'world':3",
    "flag_status": True,
    "poll_info": {"options": {"allowMultipleAnswers": True}, "pollName": "Lunch?", "pollOptions": ["Yes", "No"]},
    "poll_results": {"Yes": {"919537851844@c.us": "x"}},
    "interactive": {"type": "list", "rows": [{"id": 1, "title": "One"}]},
}


def page_of(*rows: Any) -> bytes:
    return json.dumps({"from": 1, "to": len(rows), "count": len(rows), "messages": rows}).encode()


def told(page: PulledPage, kind: type[T]) -> list[T]:
    assert page.unreadable == []
    return [event for event in page.events if isinstance(event, kind)]


def read(**fields: Any) -> Message:
    """The message of a page with one row, a plain one with these ``fields`` changed."""
    return told(messages(page_of(PLAIN | fields)), MessageSeen)[0].message


@pytest.fixture
def store(tmp_path: Path, database_url: str | None) -> Iterator[Store]:
    store = open_store(database_url, tmp_path)
    store.create_org("ACME", ORG_ID)
    yield store
    store.close()


@pytest.fixture
def passed_through(store: Store) -> Callable[[bytes], bytes]:
    """Stores a page in an archive, and returns the page that the archive then serves."""

    def through(body: bytes) -> bytes:
        org = store.list_orgs()[0]
        store.apply(org.no, Batch(source="periskope", events=messages(body).events, raw=body))
        own = store.list_phones(org.no)
        page = store.list_messages(MessageQuery(org=org.no, phones=tuple(phone.no for phone in own), limit=2000))
        access = Access(org=org, phones=own)
        return render_messages(page.rendered(rows_renderer(access, NoLinks())), Options())

    return through


def test_the_vendors_published_page_comes_back_byte_for_byte(passed_through: Callable[[bytes], bytes]) -> None:
    golden = GOLDEN.read_bytes()
    assert passed_through(golden).replace(b',"interactive":null', b"") == golden


def test_every_one_of_the_53_fields_comes_back(passed_through: Callable[[bytes], bytes]) -> None:
    served = json.loads(passed_through(page_of(FULL)))["messages"][0]
    assert len(FULL) == 53
    assert {name: value for name, value in served.items() if value != FULL[name]} == {}
    assert list(served) == list(FULL)


def test_a_message_is_told_with_all_that_it_is_known_by() -> None:
    message = told(messages(page_of(FULL)), MessageSeen)[0].message
    assert message.key == MessageKey(OWN, GROUP, "3EB0ABB7", OWN)
    assert (message.sent_at, message.ack, message.kind, message.text) == (AT, 4, "voice", "Hello, edited world")
    details = message.details
    assert details.updated_at == 1737711828884123
    assert details.quoted == Quote(id="3FEB", sender=OTHER)
    assert details.location == Location(latitude=48.137154, longitude=11.576124, name="Town hall")
    assert details.poll == Poll(name="Lunch?", options=("Yes", "No"), selectable=0)
    assert details.prev_text == "Hello, world"
    assert details.media is not None
    assert (details.media.url, details.media.duration) == ("https://files.example.org/a.ogg", 12.5)


def test_receipts_carry_their_times() -> None:
    target = Target(OWN, GROUP, "3EB0ABB7", OWN)
    assert told(messages(page_of(FULL)), ReceiptSet) == [
        ReceiptSet(target=target, ack=3, participant=PERSON, at=1737695471721000),
        ReceiptSet(target=target, ack=4, participant=PERSON, at=1737711828823000),
    ]


def test_flags_that_the_source_left_open_stay_open() -> None:
    details = read().details
    assert (details.broadcast, details.has_media, details.is_deleted, details.pending) == (None, None, None, None)
    assert read(broadcast=False).details.broadcast is False


@pytest.mark.parametrize(
    ("quoted", "expected"),
    [
        ("3EB0", Quote(id="3EB0")),
        ("true_919537851844@c.us_3EB0", Quote(id="3EB0", sender=OWN)),
        ("false_919537851844@c.us_3EB0", Quote(id="3EB0", sender=PERSON)),
        ("false_120363231636311517@g.us_A_B_919812345678@c.us", Quote(id="A_B", sender=OTHER)),
        ("false_120363231636311517@g.us_3EB0", Quote(id="3EB0")),
    ],
)
def test_a_quoted_id_is_understood_serialized_and_bare(quoted: str, expected: Quote) -> None:
    assert read(quoted_message_id=quoted).details.quoted == expected


def test_the_sender_follows_from_the_direction_only_in_a_chat_of_two() -> None:
    assert read(sender_phone=None).key.sender == PERSON
    assert read(sender_phone=None, from_me=True).key.sender == OWN
    assert read(sender_phone=None, chat_id="120363231636311517@g.us", message_id=None).key.sender is None
    assert read(sender_phone=None, author="919812345678@c.us").key.sender == OTHER


def test_what_a_row_leaves_out_is_read_from_its_serialized_id() -> None:
    row = {
        "message_id": "true_919537851844@c.us_3EB0",
        "timestamp": PLAIN["timestamp"],
        "org_phone": "918527184400@c.us",
    }
    message = told(messages(page_of(row)), MessageSeen)[0].message
    assert (message.key, message.from_me) == (MessageKey(OWN, PERSON, "3EB0", OWN), True)


@pytest.mark.parametrize(
    "text",
    [
        "2025-01-24T05:11:08+00:00",
        "2025-01-24T05:11:08Z",
        "2025-01-24 05:11:08+00",
        "2025-01-24T10:41:08+05:30",
        "2025-01-24T05:11:08",
        "1737695468",
        1737695468,
        1737695468000,
    ],
)
def test_every_spelling_of_a_time_is_the_same_moment(text: Any) -> None:
    assert read(timestamp=text).sent_at == AT


@pytest.mark.parametrize(
    ("field", "value", "where"),
    [
        ("timestamp", "yesterday", "messages[1].timestamp"),
        ("timestamp", None, "messages[1].timestamp"),
        ("timestamp", 1e300, "messages[1].timestamp"),
        ("ack", "6", "messages[1].ack"),
        ("ack", "read", "messages[1].ack"),
        ("body", 7, "messages[1].body"),
        ("delivery_info", {"read": {"1@c.us": "soon"}}, "messages[1].delivery_info.1@c.us"),
        ("org_phone", None, "messages[1].org_phone"),
        ("unique_id", 5, "messages[1].unique_id"),
        ("forwarding_score", "many", "messages[1].forwarding_score"),
        ("forwarding_score", "inf", "messages[1].forwarding_score"),
    ],
)
def test_a_wrong_field_is_named_and_costs_only_its_row(field: str, value: Any, where: str) -> None:
    other = {**PLAIN, "message_id": "false_919537851844@c.us_4", "unique_id": "4"}
    page = messages(page_of(PLAIN, PLAIN | {field: value}, other))
    assert [event.message.key.id for event in page.events if isinstance(event, MessageSeen)] == ["3FEB", "4"]
    assert [row.error.where for row in page.unreadable] == [where]
    assert json.loads(page.unreadable[0].payload)[field] == value
    assert page.rows == 3


@pytest.mark.parametrize(
    ("size", "kept"), [("1024", 1024), (" 1024 ", 1024), (1024.0, 1024), ("large", None), (-1, None), ("nan", None)]
)
def test_a_message_is_kept_whatever_its_medium_says_of_its_size_and_the_field_is_named(size: Any, kept: Any) -> None:
    page = messages(page_of(PLAIN | {"media": {"size": size, "mimetype": "image/png"}}))
    (message,) = [event.message for event in page.events if isinstance(event, MessageSeen)]
    assert message.details.media is not None
    assert (message.details.media.size, message.details.media.mimetype) == (kept, "image/png")
    wrong = [] if kept else ["messages[0].media.size"]
    assert [row.error.where for row in page.unreadable] == wrong


def test_an_empty_list_may_be_null() -> None:
    page = messages(b'{"messages":null,"count":0}')
    assert (page.rows, page.events, page.unreadable, page.count) == (0, [], [], 0)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b'{"messages":[{"a":1}',
        b'{"ok":true}',
        b'{"messages":7}',
        b"3",
        b'{"messages":[NaN]}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_page_is_refused_whole(body: bytes) -> None:
    with pytest.raises(Unreadable):
        messages(body)


def test_nul_and_lone_surrogates_are_replaced_and_noted() -> None:
    body = page_of(PLAIN | {"body": "a\0b", "raw_data": {"k\0": ["\0"]}}, PLAIN | {"body": "c\\u0000"})
    first, second = [event.message for event in told(messages(body), MessageSeen)]
    assert (first.text, first.details.raw_data, first.details.altered) == ("a\ufffdb", {"k\ufffd": ["\ufffd"]}, True)
    assert (second.text, second.details.altered) == ("c\\u0000", None)
    lone = told(messages(page_of(PLAIN | {"body": "a\ud800b"}, PLAIN | {"body": "😄"})), MessageSeen)
    assert [(event.message.text, event.message.details.altered) for event in lone] == [("a\ufffdb", True), ("😄", None)]


def test_unknown_fields_are_ignored_and_unknown_types_keep_their_word() -> None:
    message = read(message_type="hologram", brand_new={"a": 1})
    assert (message.kind, message.details.type_name) == ("unknown", "hologram")


def test_a_thumbnail_may_be_an_address_or_the_picture_itself() -> None:
    assert read(media={"thumbnail": "/9j/4AAQ"}).details.media == Media(thumbnail_url="/9j/4AAQ")
    assert read(media={"thumbnail": "iVBORw0KGgo="}).details.media == Media(thumbnail="iVBORw0KGgo=")


def test_chats_keep_what_no_field_holds() -> None:
    row = {
        "org_id": ORG_ID,
        "chat_id": "120363231636311517@g.us",
        "org_phone": "918527184400@c.us",
        "chat_org_phones": ["918527184400@c.us", "919812345678@c.us"],
        "chat_name": "Friends",
        "chat_type": "business",
        "updated_at": "2025-01-24T05:11:08+00:00",
        "unread_count": {"918527184400@c.us": 3},
        "members": {
            "919537851844@c.us": {"contact_id": "919537851844@c.us", "is_admin": True, "contact_name": "Bo"},
            "919812345678@c.us": None,
        },
        "labels": ["VIP"],
        "is_archived": False,
        "custom_properties": {"city": "Pune"},
        "latest_message": {"any": "thing"},
        "closed_at": None,
    }
    seen = told(chats(json.dumps({"chats": [row]}).encode()), ChatSeen)
    assert [(chat.phone, chat.chat, chat.unread) for chat in seen] == [(OWN, GROUP, 3), (OTHER, GROUP, None)]
    chat = seen[0]
    assert (chat.name, chat.at, chat.archived, chat.labels) == ("Friends", AT, False, ("VIP",))
    assert chat.members == (Member(jid=PERSON, is_admin=True, name="Bo"), Member(jid=OTHER))
    assert chat.extras == {"chat_type": "business", "custom_properties": {"city": "Pune"}}


def test_contacts_bring_their_names_and_their_hidden_ids() -> None:
    row = {"contact_id": "919537851844@c.us", "contact_name": "Bo", "contact_lid": "77@lid", "contact_color": "#123456"}
    page = contacts(json.dumps({"contacts": [{**row, "labels": ["A"], "is_my_contact": True}]}).encode())
    assert page.events == [
        NumberMapped(lid="77@lid", jid=PERSON),
        ContactSeen(jid=PERSON, name="Bo", is_saved=True, labels=("A",), extras={"contact_color": "#123456"}),
    ]


def test_reactions_name_the_message_the_sender_and_the_moment() -> None:
    row = {
        "message_id": "false_120363231636311517@g.us_3EB0_919812345678@c.us",
        "chat_id": "120363231636311517@g.us",
        "org_phone": "918527184400@c.us",
        "reaction": "😄",
        "reaction_id": "r1",
        "sender_id": "919537851844@c.us",
        "timestamp": "2025-01-24T05:11:08+00:00",
    }
    page = reactions(json.dumps({"reactions": [row, {**row, "reaction": None}]}).encode())
    target = Target(OWN, GROUP, "3EB0", OTHER)
    assert told(page, ReactionSet) == [
        ReactionSet(target=target, by=PERSON, emoji="😄", at=AT, id="r1"),
        ReactionSet(target=target, by=PERSON, emoji="", at=AT, id="r1"),
    ]
    assert page.times == [AT, AT]


def test_phones_are_a_bare_list() -> None:
    body = b'[{"org_phone":"918527184400@c.us","phone_id":"phone-abcdefghijklmnop","phone_name":"Support"}]'
    assert phones(body).events == [PhoneSeen(jid=OWN, name="Support", phone_id="phone-abcdefghijklmnop")]


@pytest.mark.parametrize("key", ["notifications", "messages", "notifictions"])
def test_group_events_and_calls_are_messages_of_their_own_kind(key: str) -> None:
    row = {
        "notification_id": "true_120363231636311517@g.us_123_919537851844@c.us_add",
        "unique_id": "123",
        "chat_id": "120363231636311517@g.us",
        "org_phone": "918527184400@c.us",
        "author": "919537851844@c.us",
        "recipientids": ["919812345678@c.us"],
        "timestamp": "2025-01-24T05:11:08.25+00:00",
        "type": "add",
        "body": "",
    }
    call = {**row, "unique_id": "124", "type": "call", "metadata": {"isVideo": True, "call_result": "MISSED"}}
    notice, rang = (
        event.message for event in told(notifications(json.dumps({key: [row, call]}).encode()), MessageSeen)
    )
    assert (notice.key, notice.kind, notice.sent_at) == (MessageKey(OWN, GROUP, "123", PERSON), "notice", AT + 250_000)
    assert notice.details.notice == Notice(type="add", recipients=(OTHER,))
    assert rang.kind == "call"
    assert rang.details.call == Call(video=True, result="missed", metadata={"isVideo": True, "call_result": "MISSED"})
