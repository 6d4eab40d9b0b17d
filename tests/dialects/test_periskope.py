"""Periskope's wire format: golden bodies byte for byte, and a plain renderer that must agree with the fast one."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backscroll.core import errors
from backscroll.core.ids import canonical
from backscroll.core.kinds import periskope_kind, periskope_type, periskope_type_name
from backscroll.core.model import (
    Access,
    ArchivedMessage,
    Call,
    Chat,
    ChatPage,
    Contact,
    ContactPage,
    Details,
    Kind,
    Location,
    Media,
    Message,
    MessageKey,
    Notice,
    Org,
    Page,
    Phone,
    Poll,
    Quote,
    Reaction,
    ReactionPage,
    ReactionRow,
    Receipt,
    RenderedPage,
    Vote,
)
from backscroll.core.query import MessageQuery
from backscroll.dialects.links import Links, NoLinks, first_values
from backscroll.dialects.periskope.errors import render_error
from backscroll.dialects.periskope.messages import rows_renderer
from backscroll.dialects.periskope.objects import (
    Options,
    render_chat,
    render_chats,
    render_contact,
    render_contacts,
    render_empty,
    render_message,
    render_messages,
    render_notifications,
    render_phone,
    render_phones,
    render_reactions,
    render_status,
)
from backscroll.dialects.periskope.requests import (
    parse_chats,
    parse_contacts,
    parse_messages,
    parse_notifications,
    parse_phones,
    parse_reactions,
    require_phone,
)
from backscroll.formats.jsontext import jsonb
from backscroll.formats.timestamps import parse_timestamp, postgres_text
from thorough import examples

GOLDEN = Path(__file__).parent.parent / "golden"
ORG = Org(no=1, id="2997dd64-89bf-48d3-9a22-b314fca017e5", name="Sample", created_at=0)
PHONE = Phone(no=7, jid="918527184400@s.whatsapp.net", phone_id="phone-abcdefghijklmnop", name="Support")
OTHER = Phone(no=8, jid="919000000001@s.whatsapp.net", phone_id="phone-qrstuvwxyzabcdef")
ACCESS = Access(org=ORG, phones=(PHONE, OTHER))
PERSON = "919537851844@s.whatsapp.net"
GROUP = "120363231636311517@g.us"
TOTAL = Options()
NO_LINKS = NoLinks()


class HeldFiles:
    """Media links of an archive that has every file whose hash it knows."""

    def media_url(self, org_no: int, media: Media) -> str | None:
        return None if media.file is None else f"https://archive.test/media/{org_no}/{media.file}?sig=1"

    def media_path(self, org_no: int, media: Media) -> str | None:
        return None if media.file is None else f"media/sig/{media.file}"

    def thumbnail_url(self, org_no: int, media: Media) -> str | None:
        return None if media.file is None else f"https://archive.test/thumbnail/{org_no}/{media.file}?sig=1"


def micros(text: str) -> int:
    timestamp = datetime.fromisoformat(text)
    return (timestamp - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def make(
    *,
    id: str = "3EB0A1",
    chat: str = PERSON,
    sender: str | None = PERSON,
    from_me: bool = False,
    kind: Kind = "text",
    text: str | None = "hello",
    details: Details | None = None,
    **archived: Any,
) -> ArchivedMessage:
    message = Message(
        key=MessageKey(PHONE.jid, chat, id, sender),
        sent_at=micros("2025-01-23T12:05:29+00:00"),
        from_me=from_me,
        kind=kind,
        text=text,
        details=details or Details(),
    )
    values: dict[str, Any] = {"ack": None, "changed_at": micros("2025-01-23T12:05:30.038+00:00"), **archived}
    return ArchivedMessage(no=1, message=message, phone=PHONE, **values)


def page_of(*messages: ArchivedMessage, offset: int = 0, total: int | None = None) -> Page:
    count = len(messages) if total is None else total
    return Page(messages=list(messages), total=count, offset=offset, limit=2000)


def rendered(page: Page, links: Links = NO_LINKS) -> RenderedPage:
    return page.rendered(rows_renderer(ACCESS, links))


def shown(archived: ArchivedMessage, links: Links = NO_LINKS) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(render_message(archived, ACCESS, links))
    return body


# --- golden bodies


def archived_from_wire(row: dict[str, Any]) -> ArchivedMessage:
    """A row of the golden body as the archive's own message."""
    media, told = row["media"], row["delivery_info"]
    kind = periskope_kind(row["message_type"])
    details = Details(
        broadcast=row["broadcast"],
        client_ref=row["sent_message_id"],
        updated_at=micros(row["updated_at"]),
        media=None
        if media is None
        else Media(
            url=media["path"],
            size=media["size"],
            filename=media["filename"],
            mimetype=media["mimetype"],
            thumbnail_url=media["thumbnail"],
            width=media["dimensions"]["width"],
            height=media["dimensions"]["height"],
        ),
    )
    receipts = tuple(
        Receipt(
            participant=canonical(jid),
            delivered_at=at * 1000,
            read_at=told["read"][jid] * 1000 if jid in told["read"] else None,
        )
        for jid, at in told.get("delivered", {}).items()
    )
    message = Message(
        key=MessageKey(PHONE.jid, canonical(row["chat_id"]), row["unique_id"], canonical(row["sender_phone"])),
        sent_at=micros(row["timestamp"]),
        from_me=row["from_me"],
        kind=kind,
        text=row["body"],
        details=details,
    )
    return ArchivedMessage(
        no=1, message=message, phone=PHONE, ack=int(row["ack"]), receipts=receipts, fts=row["fts"], changed_at=1
    )


def test_ten_published_messages_come_out_byte_for_byte() -> None:
    golden = (GOLDEN / "list-all-messages-200.json").read_bytes()
    rows = [archived_from_wire(row) for row in json.loads(golden)["messages"]]
    body = render_messages(rendered(page_of(*rows)), TOTAL)
    served = body.replace(b',"interactive":null', b"")
    assert body.count(b',"interactive":null}') == 10
    assert served == golden
    digest = base64.b64encode(hashlib.sha1(served).digest()).decode()[:27]
    assert f'W/"{len(served):x}-{digest}"' == 'W/"3acc-fvp5KujdZIathXpX7lmxPxDSdWc"'


def test_a_limit_above_2000_is_refused_in_the_published_words() -> None:
    with pytest.raises(errors.BadField) as caught:
        parse_messages(ACCESS, None, {"limit": "10000"})
    status, body, _ = render_error(caught.value)
    assert status == 422
    assert body == (GOLDEN / "list-all-messages-422.json").read_bytes()


# --- the fast renderer against a plain one

FLAGS = [
    *("broadcast", "has_media", "has_quoted", "has_reaction", "is_ephemeral", "is_forwarded"),
    *("is_gif", "is_starred", "is_status", "is_deleted", "flag_status"),
]


def cus(jid: str | None) -> str | None:
    return None if jid is None else jid.replace("@s.whatsapp.net", "@c.us")


def plain_message(archived: ArchivedMessage, links: Links) -> dict[str, Any]:
    """A message of the contract as a dict, written to be readable and not fast."""
    message = archived.message
    key, d, mine = message.key, message.details, message.from_me
    sender = PHONE.jid if mine else key.sender
    if sender is None and key.chat.endswith("@s.whatsapp.net"):
        sender = key.chat
    serialized = f"{str(mine).lower()}_{cus(key.chat)}_{key.id}"
    if key.chat.endswith("@g.us") and sender is not None:
        serialized += f"_{cus(sender)}"
    return {
        "message_id": serialized,
        "org_id": ORG.id,
        "ack": str(archived.ack or 0),
        "author": cus(d.author),
        "body": message.text,
        "broadcast": d.broadcast,
        "device_type": d.device_type,
        "duration": None if d.media is None or d.media.duration is None else f"{d.media.duration:g}",
        "forwarding_score": d.forwarding_score,
        "from": cus(d.origin),
        "from_me": mine,
        "has_media": d.has_media,
        "has_quoted_msg": d.has_quoted,
        "has_reaction": d.has_reaction,
        "id": {"id": key.id, "remote": cus(key.chat), "from_me": mine, "serialized": serialized},
        "invite_v4": jsonb(d.invite),
        "is_ephemeral": d.is_ephemeral,
        "is_forwarded": d.is_forwarded,
        "is_gif": d.is_gif,
        "is_starred": d.is_starred,
        "is_status": d.is_status,
        "links": jsonb(d.links),
        "location": jsonb(d.location_data),
        "media_key": d.media_key,
        "mentioned_ids": [cus(jid) for jid in d.mentions],
        "order_id": d.order_id,
        "raw_data": jsonb(d.raw_data),
        "to": cus(d.recipient),
        "token": d.order_token,
        "message_type": periskope_type(message.kind, d.type_name),
        "vcards": d.vcards,
        "chat_id": cus(key.chat),
        "timestamp": postgres_text(message.sent_at),
        "org_phone": cus(PHONE.jid),
        "broadcast_id": d.broadcast_id,
        "is_deleted": True if archived.deleted else d.is_deleted,
        "media": plain_media(d.media, links),
        "performed_by": d.performed_by,
        "prev_body": archived.prev_text if archived.prev_text is not None else d.prev_text,
        "quoted_message_id": plain_quote(key.chat, d.quoted),
        "sender_phone": cus(sender),
        "sent_message_id": d.client_ref,
        "delivery_info": plain_delivery(archived),
        "updated_at": postgres_text(d.updated_at if d.updated_at is not None else archived.changed_at),
        "message_ticket_id": d.ticket_id,
        "unique_id": key.id,
        "flag_metadata": jsonb(d.flag_metadata),
        "flag_response_time": jsonb(d.flag_response_time),
        "fts": archived.fts,
        "flag_status": d.flag_status,
        "poll_info": d.poll and jsonb({"pollName": d.poll.name, "pollOptions": d.poll.options}),
        "poll_results": jsonb(d.poll_results),
        "interactive": jsonb(d.interactive),
    }


def plain_media(media: Media | None, links: Links) -> dict[str, Any] | None:
    if media is None:
        return None
    size = None
    if media.width is not None and media.height is not None:
        ratio = media.width / media.height if media.height else None
        size = {"ar": jsonb(ratio), "width": media.width, "height": media.height}
    return {
        "path": links.media_url(1, media) or media.url,
        "size": media.size,
        "filename": media.filename,
        "mimetype": media.mimetype,
        "thumbnail": links.thumbnail_url(1, media) or media.thumbnail_url,
        "dimensions": size,
    }


def plain_quote(chat: str, quoted: Quote | None) -> str | None:
    if quoted is None or quoted.id is None or quoted.sender is None:
        return None if quoted is None else quoted.id
    tail = f"_{cus(quoted.sender)}" if chat.endswith("@g.us") else ""
    return f"{'true' if quoted.sender == PHONE.jid else 'false'}_{cus(chat)}_{quoted.id}{tail}"


def plain_delivery(archived: ArchivedMessage) -> dict[str, Any]:
    pending = [cus(jid) for jid in archived.message.details.pending or ()]
    if not archived.message.from_me:
        return {"pending": pending, "read_count": 0, "delivered_count": 0}
    seen = sorted(archived.receipts, key=lambda receipt: (len(receipt.participant), receipt.participant))
    read = {cus(r.participant): at // 1000 for r in seen if (at := read_at(r)) is not None}
    delivered = {cus(r.participant): r.delivered_at // 1000 for r in seen if r.delivered_at is not None}
    return {
        "read": read,
        "pending": pending,
        "delivered": delivered,
        "read_count": len(read),
        "delivered_count": len(delivered),
    }


def details_of(told: dict[str, Any]) -> Details:
    return Details(**told)


def read_at(receipt: Receipt) -> int | None:
    return receipt.played_at if receipt.read_at is None else receipt.read_at


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
maybe_text = st.none() | texts
people = st.sampled_from([PERSON, PHONE.jid, "12025550123@s.whatsapp.net", "998877@lid", '1"\\é@s.whatsapp.net'])
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
whole = st.none() | st.integers(0, 2**40)
timestamps = st.integers(micros("1970-01-01T00:00:00+00:00"), micros("2100-01-01T00:00:00+00:00"))
medias = st.builds(
    Media,
    url=maybe_text,
    size=whole,
    filename=maybe_text,
    mimetype=maybe_text,
    thumbnail_url=maybe_text,
    width=whole,
    height=whole,
    file=st.none() | st.just("ab" * 32),
    duration=st.none() | st.integers(0, 9999).map(float) | st.just(2.5),
)
quotes = st.builds(Quote, id=st.none() | texts, sender=st.none() | people)
detailed = st.fixed_dictionaries(
    {},
    optional={
        **{name: st.booleans() for name in FLAGS},
        **dict.fromkeys(("device_type", "media_key", "order_id", "order_token", "performed_by", "prev_text"), texts),
        **dict.fromkeys(("broadcast_id", "ticket_id", "client_ref", "type_name"), texts),
        **dict.fromkeys(("author", "origin", "recipient"), people),
        **dict.fromkeys(("invite", "links", "raw_data", "flag_metadata", "poll_results", "interactive"), values),
        "location_data": values,
        "flag_response_time": st.floats(allow_nan=False),
        "forwarding_score": st.integers(0, 200),
        "updated_at": timestamps,
        "mentions": st.lists(people, max_size=2).map(tuple),
        "pending": st.lists(people, max_size=2).map(tuple),
        "vcards": st.lists(texts, max_size=2).map(tuple),
        "quoted": quotes,
        "media": medias,
        "poll": st.builds(Poll, name=texts, options=st.lists(texts, max_size=2).map(tuple)),
    },
).map(details_of)
archived_messages = st.builds(
    make,
    id=texts,
    chat=st.sampled_from([PERSON, GROUP, "998877@lid"]),
    sender=people,
    from_me=st.booleans(),
    kind=st.sampled_from(["text", "image", "voice", "contact", "poll", "unknown", "interactive"]),
    text=maybe_text,
    details=st.just(Details()) | detailed,
    ack=st.none() | st.integers(-1, 5),
    deleted=st.booleans(),
    prev_text=maybe_text,
    fts=maybe_text,
    changed_at=timestamps,
    receipts=st.lists(
        st.builds(
            Receipt,
            participant=st.sampled_from([PERSON, "12025550123@s.whatsapp.net"]),
            delivered_at=st.none() | timestamps,
            read_at=st.none() | timestamps,
            played_at=st.none() | timestamps,
        ),
        max_size=2,
        unique_by=lambda receipt: receipt.participant,
    ).map(tuple),
)


@settings(max_examples=examples(60, 500), deadline=None)
@given(st.lists(archived_messages, max_size=4), st.integers(0, 10**6))
def test_a_page_says_what_the_contract_says(messages: list[ArchivedMessage], offset: int) -> None:
    links = HeldFiles()
    page = page_of(*messages, offset=offset, total=10**7)
    expected = {
        "from": offset + 1,
        "to": offset + len(messages),
        "count": 10**7,
        "messages": [plain_message(archived, links) for archived in messages],
    }
    assert render_messages(rendered(page, links), TOTAL) == msgspec.json.encode(expected)


# --- the message object


def test_ids_of_groups_name_the_participant_own_or_other() -> None:
    other = shown(make(chat=GROUP, sender="12025550123@s.whatsapp.net"))
    own = shown(make(chat=GROUP, sender=None, from_me=True))
    unknown = shown(make(chat=GROUP, sender=None))
    assert other["message_id"] == f"false_{GROUP}_3EB0A1_12025550123@c.us"
    assert own["message_id"] == f"true_{GROUP}_3EB0A1_918527184400@c.us"
    assert own["sender_phone"] == "918527184400@c.us"
    assert (unknown["message_id"], unknown["sender_phone"]) == (f"false_{GROUP}_3EB0A1", None)


def test_a_single_message_brings_its_reactions_and_a_list_does_not() -> None:
    archived = make(reactions=(Reaction(sender=PERSON, emoji="👍", at=micros("2025-01-23T12:06:00+00:00"), id="R1"),))
    reaction = shown(archived)["reactions"][0]
    assert reaction["reaction"] == "👍"
    assert reaction["reaction_id"] == "false_919537851844@c.us_R1"
    assert reaction["msg_id"]["serialized"] == reaction["message_id"] == "false_919537851844@c.us_3EB0A1"
    assert b'"reactions"' not in render_messages(rendered(page_of(archived)), TOTAL)


def test_a_held_file_is_shown_by_our_address_and_any_other_by_the_sources() -> None:
    media = Media(url="https://source.test/a.jpeg", file="ab" * 32, width=10, height=10, size=5)
    archived = make(kind="image", text=None, details=Details(media=media))
    assert shown(archived)["media"]["path"] == "https://source.test/a.jpeg"
    assert shown(archived, HeldFiles())["media"]["path"].startswith("https://archive.test/media/1/abab")
    assert shown(archived)["media"]["dimensions"] == {"ar": 1, "width": 10, "height": 10}


def test_poll_results_come_from_known_votes_before_the_sources_own() -> None:
    poll = Poll(name="Lunch", options=("Tea", "Coffee"), selectable=1)
    vote = Vote(voter=PERSON, options=("Tea",), at=micros("2025-01-23T12:06:00+00:00"))
    told = Details(poll=poll, poll_results={"Tea": {"x": "y"}})
    assert shown(make(kind="poll", details=told))["poll_results"] == {"Tea": {"x": "y"}}
    voted = shown(make(kind="poll", details=told, votes=(vote,)))
    assert voted["poll_results"] == {"Tea": {"919537851844@c.us": "2025-01-23T12:06:00+00:00"}, "Coffee": {}}
    assert list(voted["poll_info"]) == ["options", "pollName", "pollOptions"]


def test_a_location_has_the_shape_that_clients_send() -> None:
    place = Location(latitude=12.5, longitude=-3.0, name="Cafe")
    assert shown(make(kind="location", details=Details(location=place)))["location"] == {
        "options": {"name": "Cafe"},
        "latitude": "12.5",
        "longitude": "-3",
    }


def test_an_edit_or_deletion_after_the_sources_last_word_moves_updated_at() -> None:
    told = Details(updated_at=micros("2025-01-23T12:06:00+00:00"))
    archived = make(details=told, edited_at=micros("2025-01-23T12:07:00+00:00"), prev_text="helo", deleted=True)
    row = shown(archived)
    assert (row["updated_at"], row["prev_body"]) == ("2025-01-23T12:07:00+00:00", "helo")
    assert (row["is_deleted"], row["body"]) == (True, "hello")


def test_whole_numbers_lose_their_point_and_keys_are_in_jsonb_order() -> None:
    assert msgspec.json.encode(jsonb({"bb": 1.0, "a": 2.5, "10": 1e300, "9": [float("nan")], "é": 10**30})) == (
        b'{"9":[null],"10":1e300,"a":2.5,"bb":1,"\xc3\xa9":1e30}'
    )


def test_hopelessly_nested_data_does_not_break_a_page() -> None:
    deep: Any = 1
    for _ in range(5000):
        deep = [deep]
    body = render_messages(rendered(page_of(make(details=Details(raw_data=deep)))), TOTAL)
    assert json.loads(body)["count"] == 1


@given(st.datetimes(min_value=datetime(1, 1, 1), max_value=datetime(9999, 12, 31)))
def test_times_are_printed_as_postgres_prints_them(timestamp: datetime) -> None:
    text = timestamp.isoformat()
    expected = f"{text.rstrip('0') if timestamp.microsecond else text}+00:00"
    assert postgres_text((timestamp - datetime(1970, 1, 1)) // timedelta(microseconds=1)) == expected


# --- types


def test_every_word_of_periskope_comes_back_as_it_was() -> None:
    for word in ("chat", "ptt", "vcard", "multi_vcard", "poll_creation", "ciphertext", "list_response", "gp2", "new"):
        assert periskope_type(periskope_kind(word), periskope_type_name(word)) == word


def test_another_sources_word_for_a_kind_is_not_shown() -> None:
    assert shown(make(details=Details(type_name="button")))["message_type"] == "chat"


# --- requests


def parse(**params: str) -> MessageQuery:
    return parse_messages(ACCESS, None, params)


def test_nothing_asked_means_everything_in_reach() -> None:
    assert parse() == MessageQuery(org=1, phones=(7, 8), offset=0, limit=2000)
    assert parse(limit="", offset=" ", start_time="", sort_order="desc") == parse()


@pytest.mark.parametrize(
    "named",
    [
        "918527184400",
        "+91 85271-84400",
        "918527184400@c.us",
        "918527184400@s.whatsapp.net",
        " 918527184400 ",
        "phone-abcdefghijklmnop",
    ],
)
def test_a_phone_is_named_by_number_or_phone_id(named: str) -> None:
    assert parse_phones(ACCESS, named) == (PHONE,)


@pytest.mark.parametrize("named", ["919999999999", "phone-zzz", "phone", "@c.us", "918527184400@g.us", "९१८५", "\0"])
def test_an_unknown_phone_is_a_401_like_one_out_of_scope(named: str) -> None:
    with pytest.raises(errors.PhoneNotInScope) as caught:
        parse_messages(ACCESS, named, {})
    status, body, _ = render_error(caught.value)
    assert status == 401
    assert list(json.loads(body)) == ["name", "code", "message", "status"]


def test_a_phone_route_needs_the_header() -> None:
    with pytest.raises(errors.PhoneRequired) as caught:
        require_phone(ACCESS, " ")
    assert render_error(caught.value)[1] == (
        b'{"name":"Validation Error","code":"VALIDATION_ERROR","fields":{"x-phone":{"message":"x-phone is missing"}},'
        b'"message":"Missing Header: {x-phone}","status":422}'
    )


@pytest.mark.parametrize("raw", ["0", "-1", "ten", "1.5", "NaN", "1e3", "٣", "1_0", "0x10", "--1", "\ud800"])
@pytest.mark.parametrize("field", ["limit", "offset"])
def test_a_wrong_number_names_its_field_and_value(field: str, raw: str) -> None:
    if (field, raw) == ("offset", "0"):
        return
    with pytest.raises(errors.BadField) as caught:
        parse(**{field: raw})
    status, body, _ = render_error(caught.value)
    told = json.loads(body)
    assert (status, told["code"]) == (422, "VALIDATION_ERROR")
    assert told["fields"][field]["value"] == ("\ufffd" if raw == "\ud800" else raw)


def test_numbers_may_be_huge_or_padded() -> None:
    assert parse(limit="2000").limit == 2000
    assert parse(limit="0" * 5000 + "7", offset=str(2**53)).offset == 2**53
    for field in ("limit", "offset"):
        with pytest.raises(errors.BadField):
            parse(**{field: "9" * 5000})


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ("2025-04-25", "2025-04-25T00:00:00+00:00"),
        ("2025-04-31", "2025-05-01T00:00:00+00:00"),
        ("2025-02-31", "2025-03-03T00:00:00+00:00"),
        ("2025-04-25T00:00:00Z", "2025-04-25T00:00:00+00:00"),
        ("2025-04-25T10:00", "2025-04-25T10:00:00+00:00"),
        ("2025-04-25T10:00:00.1234567", "2025-04-25T10:00:00.123456+00:00"),
        ("2025-04-25T05:30:00+05:30", "2025-04-25T00:00:00+00:00"),
        ("2025-04-25T05:30:00 05:30", "2025-04-25T00:00:00+00:00"),
        ("2025-04-25 05:30:00+0530", "2025-04-25T00:00:00+00:00"),
        ("2025-04-24T20:00:00-04", "2025-04-25T00:00:00+00:00"),
        ("2025-04-24T24:00:00Z", "2025-04-25T00:00:00+00:00"),
    ],
)
def test_a_start_is_a_day_or_an_instant(start: str, expected: str) -> None:
    assert parse(start_time=start).since == micros(expected)


def test_an_end_given_as_a_day_covers_all_of_it() -> None:
    assert parse(end_time="2025-04-30").until == micros("2025-04-30T23:59:59.999999+00:00")
    assert parse(end_time="2025-04-31").until == micros("2025-05-01T23:59:59.999999+00:00")
    assert parse(end_time="2025-04-31T23:59:59Z").until == micros("2025-05-01T23:59:59+00:00")


@pytest.mark.parametrize(
    "raw",
    ["1737695468", "yesterday", "2025-13-01", "2025-04-32", "2025-04-25T25:00", "2025-04-25T10:60", "２０２５-04-25"],
)
@pytest.mark.parametrize("field", ["start_time", "end_time"])
def test_a_time_that_is_none_is_named(field: str, raw: str) -> None:
    with pytest.raises(errors.BadField) as caught:
        parse(**{field: raw})
    status, body, _ = render_error(caught.value)
    assert (status, json.loads(body)["fields"][field]["value"]) == (422, raw)


@given(st.text(max_size=30))
def test_no_text_breaks_the_reading_of_times(text: str) -> None:
    timestamp = parse_timestamp(text, end=True, roll_over=True)
    assert timestamp is None or isinstance(timestamp, int)


def test_chats_are_asked_for_by_type_and_label() -> None:
    query = parse_chats(ACCESS, PHONE.number, {"chat_type": "individual", "label": "vip", "limit": "5"})
    assert (query.phones, query.kind, query.label, query.limit) == ((7,), "user", "vip", 5)
    with pytest.raises(errors.BadField):
        parse_chats(ACCESS, None, {"chat_type": "robots"})


def test_reactions_are_asked_for_by_any_form_of_message_id() -> None:
    query = parse_reactions(ACCESS, None, {"message_id": "true_919537851844@c.us_3EB0"})
    assert (query.message, query.chat) == ("3EB0", PERSON)
    assert parse_reactions(ACCESS, None, {"message_id": "3EB0"}).chat is None


def test_contacts_ignore_the_phone_and_notifications_ask_for_notices() -> None:
    assert parse_contacts(ACCESS, {"limit": "3"}).phones == (7, 8)
    assert parse_notifications(ACCESS, None, {}, GROUP).shows == "notices"


def test_of_a_repeated_parameter_the_first_value_counts() -> None:
    assert first_values([("limit", "1"), ("limit", "2")]) == {"limit": "1"}


# --- other answers


def test_count_is_the_total_or_the_page_and_an_empty_page_ends_before_it_begins() -> None:
    page = page_of(make(), offset=10, total=99)
    by_page = Options(count="page")
    assert render_messages(rendered(page), TOTAL).startswith(b'{"from":11,"to":11,"count":99,')
    assert render_messages(rendered(page), by_page).startswith(b'{"from":11,"to":11,"count":1,')
    assert render_empty("notes", 5) == b'{"from":6,"to":5,"count":0,"notes":[]}'


def test_notifications_stand_under_both_names() -> None:
    notice = Notice(type="add", recipients=(PERSON,))
    call = Call(video=False, outgoing=False, result="missed")
    page = page_of(
        make(chat=GROUP, sender=PERSON, kind="notice", text=None, details=Details(notice=notice)),
        make(kind="call", text=None, details=Details(call=call)),
    )
    body = json.loads(render_notifications(page, ACCESS, TOTAL))
    assert body["notifications"] == body["messages"]
    added, called = body["notifications"]
    assert added["notification_id"] == f"false_{GROUP}_3EB0A1_919537851844@c.us_add"
    assert added["recipientids"] == ["919537851844@c.us"]
    assert (called["type"], called["metadata"]) == (
        "call",
        {"isVideo": False, "call_result": "MISSED", "isOutgoing": False},
    )


def test_a_chat_of_two_lists_both_sides_and_its_latest_message() -> None:
    chat = Chat(
        jid=PERSON,
        phone=PHONE,
        kind="user",
        name="Ann",
        last_message_at=micros("2025-01-23T12:05:29+00:00"),
        last_message=make(),
        unread=2,
        extras={"assigned_to": "agent@example.com"},
    )
    listed = json.loads(render_chats(ChatPage(chats=[chat], total=1, offset=0, limit=5), ACCESS, NO_LINKS, TOTAL))[
        "chats"
    ]
    assert listed == [json.loads(render_chat(chat, ACCESS, NO_LINKS))]
    assert set(listed[0]["members"]) == {"919537851844@c.us", "918527184400@c.us"}
    assert listed[0]["latest_message"]["unique_id"] == "3EB0A1"
    assert (listed[0]["chat_type"], listed[0]["assigned_to"]) == ("user", "agent@example.com")


def test_contacts_phones_and_reactions_have_their_shapes() -> None:
    contact = Contact(jid=PERSON, push_name="Ann", chats=(PERSON,))
    listed = json.loads(render_contacts(ContactPage(contacts=[contact], total=1, offset=0, limit=5), ACCESS, TOTAL))
    assert listed["contacts"] == [json.loads(render_contact(contact, ACCESS))]
    assert listed["contacts"][0]["contact_name"] == "Ann"
    assert [row["phone_id"] for row in json.loads(render_phones(ACCESS.phones, ACCESS))] == [
        PHONE.phone_id,
        OTHER.phone_id,
    ]
    assert json.loads(render_phone(PHONE, ACCESS))["org_phone"] == "918527184400@c.us"
    row = ReactionRow(reaction=Reaction(sender=PERSON, emoji="x", at=None), message=make())
    page = ReactionPage(reactions=[row], total=1, offset=0, limit=5)
    reactions = json.loads(render_reactions(page, ACCESS, TOTAL, {"start_time": "2025-01-01"}))
    assert (reactions["start_time"], reactions["end_time"]) == ("2025-01-01", "")
    assert reactions["reactions"][0]["reaction_id"] == "false_919537851844@c.us_3EB0A1_919537851844@c.us"


def test_a_status_tells_how_far_a_message_came() -> None:
    receipt = Receipt(participant=PERSON, delivered_at=1, read_at=2)
    status = json.loads(render_status(make(from_me=True, ack=4, receipts=(receipt,))))
    assert (status["status"], status["ack"], status["read_count"], status["delivered_count"]) == ("read", 4, 1, 1)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (errors.Unauthorised(), 401, "UNAUTHORIZED_ERROR"),
        (errors.NotFound("chat", "x"), 404, "NOT_FOUND_ERROR"),
        (errors.Conflict("there already"), 409, "CONFLICT_ERROR"),
        (errors.Unreadable("body", "line 1", "no JSON"), 422, "VALIDATION_ERROR"),
        (errors.Question("Which chat?", "--chat"), 422, "VALIDATION_ERROR"),
        (errors.RateLimited(100, 0), 429, "RATE_LIMIT_ERROR"),
        (errors.Unsupported("send", "configure a gateway"), 501, "NOT_IMPLEMENTED_ERROR"),
        (errors.StorageBusy("locked: /secret/path"), 503, "SERVICE_UNAVAILABLE_ERROR"),
        (errors.StorageFull("full"), 507, "INSUFFICIENT_STORAGE_ERROR"),
        (errors.NewerData("newer"), 503, "SERVICE_UNAVAILABLE_ERROR"),
        (ValueError("secret"), 500, "UNKNOWN_ERROR"),
    ],
)
def test_every_error_has_a_body_that_tells_no_secret(error: Exception, status: int, code: str) -> None:
    answered, body, _ = render_error(error)
    told = json.loads(body)
    assert (answered, told["status"], told["code"]) == (status, status, code)
    assert "secret" not in told["message"]


def test_the_401_is_the_documented_one() -> None:
    assert render_error(errors.Unauthorised())[1] == (
        b'{"name":"Unauthorized","code":"UNAUTHORIZED_ERROR","message":"Invalid bearer auth token","status":401}'
    )
