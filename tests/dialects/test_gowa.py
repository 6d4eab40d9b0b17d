"""GOWA's wire format: the published response byte for byte, and its rules for parameters."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from backscroll.core import errors
from backscroll.core.kinds import gowa_kind, gowa_media_type
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
    Org,
    Page,
    Phone,
    Reaction,
)
from backscroll.core.query import ChatQuery, MessageQuery
from backscroll.dialects.gowa.errors import render_error
from backscroll.dialects.gowa.objects import (
    Options,
    render_app_devices,
    render_app_info,
    render_app_status,
    render_chats,
    render_contacts,
    render_device,
    render_device_status,
    render_devices,
    render_download,
    render_messages,
    rows_renderer,
)
from backscroll.dialects.gowa.requests import (
    find_device,
    parse_chats,
    parse_device,
    parse_download,
    parse_messages,
)
from backscroll.dialects.links import NoLinks
from backscroll.formats.jsontext import go_json

ORG = Org(no=1, id="2997dd64-89bf-48d3-9a22-b314fca017e5", name="Sample", created_at=0)
PHONE = Phone(no=7, jid="6281234567890@s.whatsapp.net", phone_id="phone-abcdefghijklmnop", device_id="my-device")
OTHER = Phone(no=8, jid="6280000000001@s.whatsapp.net", phone_id="phone-qrstuvwxyzabcdef", name="Desk")
ONE = Access(org=ORG, phones=(PHONE,))
TWO = Access(org=ORG, phones=(PHONE, OTHER))
PERSON = "6289876543210@s.whatsapp.net"
NO_LINKS = NoLinks()
NULLS = Options()


class HeldFiles:
    """Media links of an archive that has every file whose hash it knows."""

    def media_url(self, org_no: int, media: Media) -> str | None:
        return None if media.file is None else f"https://archive.test/media/{media.file}?sig=1"

    def media_path(self, org_no: int, media: Media) -> str | None:
        return None if media.file is None else f"media/sig/{media.file}"

    def thumbnail_url(self, org_no: int, media: Media) -> str | None:
        return None


def micros(text: str) -> int:
    return (datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def make(
    *,
    kind: Kind = "text",
    text: str | None = "Hello, how are you?",
    from_me: bool = False,
    details: Details | None = None,
    at: str = "2024-01-15T10:30:00+00:00",
    **archived: Any,
) -> ArchivedMessage:
    key = MessageKey(PHONE.jid, PERSON, "3EB0B430B6F8F1D0E053AC120E0A9E5C", None if from_me else PERSON)
    message = Message(key=key, sent_at=micros(at), from_me=from_me, kind=kind, text=text, details=details or Details())
    values: dict[str, Any] = {"ack": 0, "stored_at": message.sent_at, "changed_at": message.sent_at, **archived}
    return ArchivedMessage(no=1, message=message, phone=PHONE, **values)


CHAT = Chat(
    jid=PERSON,
    phone=PHONE,
    kind="user",
    name="John Doe",
    last_message_at=micros("2024-01-15T10:30:00+00:00"),
    created_at=micros("2024-01-10T08:00:00+00:00"),
    updated_at=micros("2024-01-15T10:30:00+00:00"),
)


def body_of(*messages: ArchivedMessage, chat: Chat | None = CHAT, total: int = 1250, **options: Any) -> bytes:
    page = Page(messages=list(messages), total=total, offset=0, limit=50, chat=chat)
    return render_messages(page.rendered(rows_renderer(HeldFiles(), Options(**options), ONE)), PERSON)


def row_of(archived: ArchivedMessage, **options: Any) -> dict[str, Any]:
    row: dict[str, Any] = json.loads(body_of(archived, **options))["results"]["data"][0]
    return row


def refused(error: errors.Error) -> tuple[int, str]:
    status, body, _ = render_error(error)
    told = json.loads(body)
    return status, f"{told['code']} {told['message']}"


# --- messages


def test_the_published_message_comes_out_as_published_with_one_key_more() -> None:
    assert body_of(make(sender_name="John Doe")).decode() == (
        '{"code":"SUCCESS","message":"Success get chat messages","results":{"data":[{'
        '"id":"3EB0B430B6F8F1D0E053AC120E0A9E5C","chat_jid":"6289876543210@s.whatsapp.net",'
        '"sender_jid":"6289876543210@s.whatsapp.net","content":"Hello, how are you?",'
        '"timestamp":"2024-01-15T10:30:00Z","is_from_me":false,"media_type":null,"filename":null,"url":null,'
        '"file_length":null,"created_at":"2024-01-15T10:30:00Z","updated_at":"2024-01-15T10:30:00Z",'
        '"sender_display_name":"John Doe"}],"pagination":{"limit":50,"offset":0,"total":1250},'
        '"chat_info":{"jid":"6289876543210@s.whatsapp.net","name":"John Doe",'
        '"last_message_time":"2024-01-15T10:30:00Z","ephemeral_expiration":0,"created_at":"2024-01-10T08:00:00Z",'
        '"updated_at":"2024-01-15T10:30:00Z","archived":false}}}'
    )


def test_an_unknown_chat_is_an_empty_page_with_a_label() -> None:
    results = json.loads(body_of(chat=None, total=0))["results"]
    assert results["data"] == []
    assert results["chat_info"] == {
        "jid": PERSON,
        "name": "6289876543210",
        "last_message_time": "",
        "ephemeral_expiration": 0,
        "created_at": "",
        "updated_at": "",
        "archived": False,
    }


def test_what_is_empty_is_null_unless_zero_values_are_wanted() -> None:
    names = ("media_type", "filename", "url", "file_length")
    assert [row_of(make())[name] for name in names] == [None, None, None, None]
    assert [row_of(make(), empty_values="zero")[name] for name in names] == ["", "", "", 0]


@pytest.mark.parametrize(
    ("kind", "mimetype", "name"),
    [
        ("image", "image/jpeg", "image_20240115_103000_Two_cats.jpg"),
        ("video_note", None, "video_note_20240115_103000_Two_cats.mp4"),
        ("voice", "audio/ogg; codecs=opus", "audio_20240115_103000_Two_cats.ogg"),
        ("sticker", "image/webp", "sticker_20240115_103000_Two_cats.webp"),
        ("document", "application/pdf", "document_20240115_103000_Two_cats.pdf"),
        ("document", "../../etc", "document_20240115_103000_Two_cats.bin"),
    ],
)
def test_a_file_without_a_name_gets_one_from_kind_time_and_caption(kind: Kind, mimetype: str, name: str) -> None:
    media = Media(mimetype=mimetype, size=9, url="https://cdn.test/x.enc")
    row = row_of(make(kind=kind, text="Two cats", details=Details(media=media)))
    assert (row["media_type"], row["filename"]) == (gowa_media_type(kind), name)
    assert (row["url"], row["file_length"], row["content"]) == ("https://cdn.test/x.enc", 9, "Two cats")


def test_a_document_keeps_its_name_and_a_held_file_has_our_address() -> None:
    media = Media(filename="report.pdf", file="ab" * 32)
    row = row_of(make(kind="document", text=None, details=Details(media=media)))
    assert (row["filename"], row["content"], row["file_length"]) == ("report.pdf", "", None)
    assert row["url"].startswith("https://archive.test/media/abab")


def test_contacts_locations_and_calls_are_told_in_one_line() -> None:
    card = "BEGIN:VCARD\nVERSION:3.0\nN:Lee;Ann\nFN:Ann Lee\nitem1.TEL;waid=62811:+62 811\nEND:VCARD"
    ann = Details(vcards=(card,))
    two = Details(vcards=(card, "FN:Bo"))
    place = Details(location=Location(latitude=-6.2, longitude=106.0, name="Cafe", address="Street 1"))
    assert row_of(make(kind="contact", text=None, details=ann))["content"] == "Contact: Ann Lee (+62 811)"
    assert row_of(make(kind="contacts", text=None, details=two))["content"] == "Contacts: Ann Lee (+62 811), Bo"
    assert row_of(make(kind="location", text=None, details=place))["content"] == (
        "Cafe — Street 1 — https://maps.google.com/?q=-6.2,106"
    )
    call = row_of(make(kind="call", text=None, details=Details(call=Call(metadata={"call_id": "<1>"}))))
    assert (call["content"], call["media_type"], call["filename"]) == ("Incoming call", "call", None)
    assert json.loads(call["call_metadata"]) == {"call_id": "<1>"}


def test_reactions_and_call_metadata_are_left_out_when_there_are_none() -> None:
    assert not {"reactions", "call_metadata"} & set(row_of(make()))
    reaction = Reaction(sender=PERSON, emoji="👍", at=micros("2024-01-15T10:31:00+00:00"), sender_name="Ann")
    assert row_of(make(reactions=(reaction,)))["reactions"] == [
        {
            "emoji": "👍",
            "sender_jid": PERSON,
            "sender_display_name": "Ann",
            "is_from_me": False,
            "timestamp": "2024-01-15T10:31:00Z",
        }
    ]


def test_a_sender_without_a_name_is_shown_by_number_and_times_have_no_fraction() -> None:
    row = row_of(make(from_me=True, at="2024-01-15T10:30:00.999999+00:00"))
    assert (row["sender_jid"], row["sender_display_name"]) == (PHONE.jid, "6281234567890")
    assert row["timestamp"] == "2024-01-15T10:30:00Z"


def test_text_is_escaped_as_go_escapes_it() -> None:
    assert go_json({"a": '<b>&"\\\u2028\u2029é\n\x01'}) == (
        b'{"a":"\\u003cb\\u003e\\u0026\\"\\\\\\u2028\\u2029\xc3\xa9\\n\\u0001"}'
    )


@given(st.recursive(st.text(), lambda inner: st.dictionaries(st.text(), inner) | st.lists(inner), max_leaves=5))
def test_escaping_changes_no_value(value: Any) -> None:
    assert json.loads(go_json(value)) == value


# --- requests


def ask(**params: str) -> MessageQuery:
    return parse_messages(ONE, None, params, PERSON)


def test_nothing_asked_means_the_newest_fifty() -> None:
    assert ask() == MessageQuery(org=1, phones=(7,), chat=PERSON, shows="messages_and_calls", limit=50)
    assert parse_chats(ONE, None, {}) == ChatQuery(org=1, phones=(7,), limit=25)


@pytest.mark.parametrize(
    "raw", ["", "abc", "1.5", "0", "٣", "1_0", " 5", "9" * 19, "9" * 5000, "-" + "9" * 5000, "NaN"]
)
def test_a_limit_that_is_no_number_means_the_default(raw: str) -> None:
    assert ask(limit=raw).limit == 50
    assert ask(offset=raw if raw != "0" else "").offset == 0


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"limit": "101"}, "limit: must be no greater than 100."),
        ({"limit": "-1"}, "limit: must be no less than 1."),
        ({"offset": "-1"}, "offset: must be no less than 0."),
        (
            {"limit": "101", "offset": "-1"},
            "limit: must be no greater than 100; offset: must be no less than 0.",
        ),
        ({"offset": str(2**53 + 1)}, "offset: must be no greater than 9007199254740992."),
        ({"is_from_me": "yes"}, "is_from_me: must be true or false."),
        (
            {"start_time": "1705312200"},
            'invalid start_time format: "1705312200" is not ISO 8601, such as 2024-01-01T00:00:00Z',
        ),
        (
            {"end_time": "2024-04-31"},
            'invalid end_time format: "2024-04-31" is not ISO 8601, such as 2024-01-01T00:00:00Z',
        ),
    ],
)
def test_what_is_out_of_bounds_is_refused_in_gowas_words(params: dict[str, str], message: str) -> None:
    with pytest.raises(errors.BadField) as caught:
        ask(**params)
    assert refused(caught.value) == (400, f"VALIDATION_ERROR {message}")


def test_a_blank_chat_or_phone_is_refused() -> None:
    with pytest.raises(errors.BadField) as chat:
        parse_messages(ONE, None, {}, " ")
    with pytest.raises(errors.BadField) as phone:
        parse_download({})
    assert refused(chat.value) == (400, "VALIDATION_ERROR chat_jid: cannot be blank.")
    assert refused(phone.value) == (400, "VALIDATION_ERROR phone: cannot be blank.")


def test_switches_are_read_as_go_reads_them() -> None:
    assert ask(media_only="T").media_only is True
    assert ask(media_only="yes").media_only is False
    assert [ask(is_from_me=raw).from_me for raw in ("1", "f", "")] == [True, False, None]


def test_media_only_takes_precedence_over_received_only() -> None:
    assert ask(media_only="true", is_from_me="false").from_me is None
    assert ask(media_only="true", is_from_me="true").from_me is True


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("2024-01-01T00:00:00Z", "2024-01-01T00:00:00+00:00"),
        ("2024-01-01", "2024-01-01T00:00:00+00:00"),
        ("2024-01-01T07:00:00+07:00", "2024-01-01T00:00:00+00:00"),
        ("2024-01-01T07:00:00 07:00", "2024-01-01T00:00:00+00:00"),
        ("2024-01-01T00:00:00", "2024-01-01T00:00:00+00:00"),
    ],
)
def test_times_are_iso_8601(raw: str, expected: str) -> None:
    assert ask(start_time=raw).since == micros(expected)


def test_an_end_given_as_a_day_covers_all_of_it() -> None:
    assert ask(end_time="2024-01-01").until == micros("2024-01-01T23:59:59.999999+00:00")


def test_search_goes_along_with_every_other_filter() -> None:
    query = ask(search="50%_\0", offset="50", is_from_me="true", start_time="2024-01-01")
    assert (query.search, query.offset, query.from_me) == ("50%_\ufffd", 50, True)


def test_chats_filter_by_name_media_and_archive() -> None:
    query = parse_chats(ONE, None, {"search": "a", "has_media": "true", "archived": "false"})
    assert (query.search, query.has_media, query.archived) == ("a", True, False)


# --- devices


@pytest.mark.parametrize(
    ("header", "param", "expected"),
    [
        ("my-device", None, PHONE),
        (" my%2Ddevice ", None, PHONE),
        ("6280000000001@s.whatsapp.net", None, OTHER),
        ("6280000000001:12@s.whatsapp.net", "my-device", OTHER),
        (None, "my-device", PHONE),
        ("", "my-device", PHONE),
    ],
)
def test_a_device_is_named_by_slot_or_jid_and_the_header_comes_first(
    header: str | None, param: str | None, expected: Phone
) -> None:
    params = {} if param is None else {"device_id": param}
    assert parse_device(TWO, header, params) == expected


def test_the_only_device_needs_no_name_but_one_of_several_does() -> None:
    assert parse_device(ONE, None, {}) == PHONE
    with pytest.raises(errors.PhoneRequired) as caught:
        parse_device(TWO, None, {})
    message = "DEVICE_ID_REQUIRED device_id is required via X-Device-Id header or device_id query"
    assert refused(caught.value) == (400, message)


def test_an_unknown_device_beats_a_wrong_limit() -> None:
    with pytest.raises(errors.PhoneNotInScope) as caught:
        parse_messages(ONE, "Nope", {"limit": "101", "device_id": "my-device"}, PERSON)
    status, body, _ = render_error(caught.value)
    assert status == 404
    assert body == (
        b'{"code":"DEVICE_NOT_FOUND","message":"device not found; create a device first from /api/devices or provide '
        b'a valid X-Device-Id","results":{"device_id":"Nope"}}'
    )


def test_devices_are_listed_and_none_is_null() -> None:
    assert render_devices([]) == b'{"code":"SUCCESS","message":"List devices","results":null}'
    rows = json.loads(render_devices(TWO.phones))["results"]
    assert [row["id"] for row in rows] == ["my-device", OTHER.jid]
    assert json.loads(render_device(OTHER))["results"] == rows[1]
    assert json.loads(render_device_status(PHONE))["results"]["device_id"] == "my-device"
    connected = structs.replace(PHONE, state="CONNECTED")
    assert json.loads(render_app_status(connected))["results"]["is_logged_in"] is True
    assert json.loads(render_app_status(PHONE))["results"]["is_logged_in"] is False
    states = [structs.replace(PHONE, state=state) for state in ("CONNECTED", "CONNECTING", "DISCONNECTED", None)]
    assert [row["state"] for row in json.loads(render_devices(states))["results"]] == [
        "logged_in",
        "connecting",
        "disconnected",
        "disconnected",
    ]
    assert json.loads(render_app_devices(TWO.phones))["results"][1]["name"] == "Desk"
    assert json.loads(render_app_info("0.1.0"))["results"]["chatwoot_enabled"] is False
    assert find_device(TWO, "my-device") == PHONE
    with pytest.raises(errors.NotFound) as caught:
        find_device(ONE, OTHER.jid)
    assert refused(caught.value) == (404, "NOT_FOUND device not found")


# --- the rest


def test_chats_without_a_name_are_labelled() -> None:
    jids = (PERSON, "120363@g.us", "77@newsletter", "status@broadcast")
    chats = [Chat(jid=jid, phone=PHONE, kind="unknown") for jid in jids]
    results = json.loads(render_chats(ChatPage(chats=chats, total=4, offset=0, limit=25)))["results"]
    names = ["6289876543210", "Group 120363", "Newsletter 77", "Status"]
    assert [row["name"] for row in results["data"]] == names
    assert results["data"][0]["last_message_time"] == "0001-01-01T00:00:00Z"
    assert results["pagination"] == {"limit": 25, "offset": 0, "total": 4}


def test_contacts_are_people_and_none_is_null() -> None:
    contacts = [Contact(jid=PERSON, push_name="Ann"), Contact(jid="120363@g.us", name="Group")]
    page = ContactPage(contacts=contacts, total=2, offset=0, limit=2)
    assert json.loads(render_contacts(page))["results"] == {"data": [{"jid": PERSON, "name": "Ann"}]}
    empty = ContactPage(contacts=[], total=0, offset=0, limit=2)
    assert json.loads(render_contacts(empty))["results"] == {"data": None}


def test_a_held_file_can_be_downloaded_and_a_missing_one_is_not_found() -> None:
    held = make(kind="image", text=None, details=Details(media=Media(file="ab" * 32, size=5)))
    body = json.loads(render_download(held, ONE, HeldFiles()))
    assert body["results"]["file_path"] == f"media/sig/{'ab' * 32}"
    assert body["message"] == body["results"]["status"] == f"Media downloaded successfully to media/sig/{'ab' * 32}"
    with pytest.raises(errors.NotFound):
        render_download(held, ONE, NO_LINKS)
    assert parse_download({"phone": "+62 811"}) == "62811@s.whatsapp.net"
    assert parse_download({"phone": "1203630000000000001"}) == "1203630000000000001@g.us"


def test_media_types_lead_back_to_kinds() -> None:
    for word in ("image", "video", "video_note", "audio", "document", "sticker", "call"):
        assert gowa_media_type(gowa_kind(word)) == word
    assert gowa_kind("") == gowa_kind(None) == "text"


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (errors.NotFound("message", "X"), 404, "NOT_FOUND"),
        (errors.BadField("body", None, "is not JSON"), 400, "BAD_REQUEST"),
        (errors.Conflict("device X already exists"), 409, "CONFLICT"),
        (errors.Unreadable("body", "line 1", "no JSON"), 400, "BAD_REQUEST"),
        (errors.RateLimited(100, 0), 429, "RATE_LIMITED"),
        (errors.Unsupported("send", "configure a gateway"), 501, "NOT_IMPLEMENTED"),
        (errors.StorageBusy("locked: /secret/path"), 503, "SERVICE_UNAVAILABLE"),
        (errors.StorageFull("full"), 507, "INSUFFICIENT_STORAGE"),
        (errors.NewerData("newer"), 503, "SERVICE_UNAVAILABLE"),
        (ValueError("secret"), 500, "INTERNAL_SERVER_ERROR"),
    ],
)
def test_every_error_has_a_body_that_tells_no_secret(error: Exception, status: int, code: str) -> None:
    answered, body, _ = render_error(error)
    told = json.loads(body)
    assert (answered, told["code"], list(told)) == (status, code, ["code", "message"])
    assert "secret" not in told["message"]


def test_a_wrong_credential_is_challenged() -> None:
    status, body, headers = render_error(errors.Unauthorised())
    assert (status, body) == (401, b'{"code":"UNAUTHORIZED","message":"Unauthorized"}')
    assert headers["WWW-Authenticate"].startswith("Basic ")
