"""GOWA's webhook: every event of docs/webhook-payload.md in version 9.2."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from backscroll.core.errors import Unreadable
from backscroll.core.events import (
    ChatLabeled,
    ChatSeen,
    Event,
    LabelSeen,
    MessageEdited,
    MessageRevoked,
    MessageSeen,
    NumberMapped,
    ReactionSet,
    ReceiptSet,
    Target,
)
from backscroll.core.model import Call, Details, Location, Media, Message, MessageKey, Notice, Quote
from backscroll.ingest.connectors.pushed import Observed, Setup
from backscroll.ingest.connectors.webhooks import gowa

OWN = "628987654321@s.whatsapp.net"
JOHN, JOHN_LID = "628123456789@s.whatsapp.net", "251556368777322@lid"
GROUP, CHANNEL = "120363402106000001@g.us", "120363123456789@newsletter"
AT = "2023-10-15T10:30:00Z"
MICROS = 1_697_365_800_000_000
LATER = 1_697_365_860_000_000


def observed(event: str, payload: dict[str, Any], setup: Setup | None = None, **top: Any) -> Observed:
    body = msgspec.json.encode({"event": event, "device_id": OWN, "payload": payload, **top})
    return gowa.observe(body, setup or Setup())


def events(event: str, payload: dict[str, Any], **top: Any) -> list[Event]:
    return observed(event, payload, **top).events


def common(**more: Any) -> dict[str, Any]:
    fields = {"id": "3EB0C127D7BACC83D6A1", "chat_id": JOHN, "from": JOHN, "from_name": "John Doe", "timestamp": AT}
    return fields | {"is_from_me": False, "sender_display_name": "Saved"} | more


def message(payload: dict[str, Any]) -> Message:
    (event,) = events("message", payload)
    assert isinstance(event, MessageSeen)
    return event.message


def test_a_text_is_told_with_its_sender_in_both_spellings() -> None:
    told = events("message", common(body="Hello, how are you?", from_lid=JOHN_LID, chat_lid=JOHN_LID))
    key = MessageKey(OWN, JOHN, "3EB0C127D7BACC83D6A1", JOHN)
    details = Details(push_name="John Doe")
    text = "Hello, how are you?"
    seen = MessageSeen(Message(key=key, sent_at=MICROS, from_me=False, text=text, details=details))
    assert told == [NumberMapped(lid=JOHN_LID, jid=JOHN), seen]


def test_a_reply_names_what_it_answers() -> None:
    told = message(common(body="thanks", replied_to_id="3EB0A1", quoted_body="Hello"))
    assert told.details.quoted == Quote(id="3EB0A1", text="Hello")


@pytest.mark.parametrize(
    ("field", "value", "kind", "filename", "text"),
    [
        ("image", "statics/media/1-a.jpeg", "image", "1-a.jpeg", None),
        ("image", {"path": "statics/media/1-a.jpeg", "caption": "look"}, "image", "1-a.jpeg", "look"),
        ("video", {"path": "statics/media/2.mp4", "caption": "look"}, "video", "2.mp4", "look"),
        ("video_note", "statics/media/3.mp4", "video_note", "3.mp4", None),
        ("audio", "statics/media/4.ogg", "audio", "4.ogg", None),
        ("sticker", "statics/media/5.webp", "sticker", "5.webp", None),
        ("document", {"path": "statics/media/6-report.pdf"}, "document", "6-report.pdf", None),
    ],
)
def test_a_downloaded_file_is_a_link_where_the_gateway_is_known(
    field: str, value: Any, kind: str, filename: str, text: str | None
) -> None:
    told = observed("message", common(**{field: value}), Setup(base_url="http://127.0.0.1:3000/gowa"))
    (event,) = told.events
    assert isinstance(event, MessageSeen)
    assert (event.message.kind, event.message.text) == (kind, text)
    assert event.message.details.media == Media(
        filename=filename, url=f"http://127.0.0.1:3000/gowa/statics/media/{filename}"
    )
    alone = message(common(**{field: value}))
    assert alone.details.media == Media(filename=filename)


def test_a_file_that_was_not_downloaded_keeps_whatsapps_address() -> None:
    told = message(common(document={"url": "https://mmg.whatsapp.net/x", "filename": "report.pdf"}, body="Report"))
    assert (told.kind, told.text) == ("document", "Report")
    assert told.details.media == Media(filename="report.pdf", url="https://mmg.whatsapp.net/x")


def test_cards_places_and_the_rest_are_kinds_of_their_own() -> None:
    card = {"displayName": "3Care", "vcard": "BEGIN:VCARD\nEND:VCARD", "phone_number": "+62 132"}
    assert message(common(contact=card)).details.vcards == ("BEGIN:VCARD\nEND:VCARD",)
    several = message(common(contacts_array=[card, card]))
    assert (several.kind, several.details.vcards) == ("contacts", ("BEGIN:VCARD\nEND:VCARD",) * 2)
    place = {"degreesLatitude": -6.2088, "degreesLongitude": 106.8456, "name": "Jakarta", "address": "Central"}
    located = message(common(location=place))
    assert located.kind == "location"
    assert located.details.location == Location(latitude=-6.2088, longitude=106.8456, name="Jakarta", address="Central")
    live = message(common(live_location={"degreesLatitude": -7.8, "degreesLongitude": 110.4, "accuracyInMeters": 12}))
    assert live.kind == "live_location"
    assert live.details.location is not None
    assert live.details.location.accuracy == 12
    named = {"degreesLatitude": 1, "degreesLongitude": 2, "URL": "https://m.example", "caption": "soon there"}
    live = message(common(live_location=named))
    assert (live.text, live.details.location) == (
        "soon there",
        Location(latitude=1, longitude=2, url="https://m.example"),
    )
    nowhere = message(common(location={"name": "Somewhere"}))
    assert (nowhere.kind, nowhere.details.location) == ("location", None)
    assert message(common(interactive="Visit us: https://x")).text == "Visit us: https://x"
    menu = message(common(list={"title": "Menu", "description": "Choose"}))
    assert (menu.kind, menu.text) == ("interactive", "Choose")
    order = message(common(order={"orderID": "1", "message": "two, please"}))
    assert (order.kind, order.text) == ("order", "two, please")
    assert message(common()).kind == "unknown"


def test_flags_and_the_advertisement_are_kept() -> None:
    told = message(common(body="hi", view_once=True, forwarded=True, referral={"ctwa_clid": "x"}))
    assert (told.details.is_view_once, told.details.is_forwarded) == (True, True)
    assert told.details.referral == {"ctwa_clid": "x"}


def test_own_messages_are_from_the_phone() -> None:
    told = message(common(is_from_me=True, body="mine", **{"from": "628987654321:3@s.whatsapp.net"}))
    assert (told.from_me, told.key.sender, told.key.chat) == (True, OWN, JOHN)


def test_a_reaction_is_set_and_taken_back() -> None:
    target = Target(OWN, JOHN, "3EB0A1")
    for emoji in ("👍", ""):
        told = events("message.reaction", common(reaction=emoji, reacted_message_id="3EB0A1"))
        assert told == [ReactionSet(target=target, by=JOHN, emoji=emoji, at=MICROS, id="3EB0C127D7BACC83D6A1")]


def test_a_deletion_is_the_authors_or_an_admins() -> None:
    own = events("message.revoked", common(revoked_message_id="3EB0A1", revoked_from_me=True, revoked_chat=JOHN))
    assert own == [MessageRevoked(target=Target(OWN, JOHN, "3EB0A1", JOHN), at=MICROS, by=JOHN)]
    admin = common(chat_id=GROUP, revoked_message_id="3EB0A1", revoked_from_me=False)
    assert events("message.revoked", admin) == [
        MessageRevoked(target=Target(OWN, GROUP, "3EB0A1"), at=MICROS, by=JOHN, by_admin=True)
    ]


def test_an_edit_has_the_new_text_or_changed_a_caption_that_is_not_told() -> None:
    told = events("message.edited", common(original_message_id="3EB0A1", body="new"))
    target = Target(OWN, JOHN, "3EB0A1", JOHN)
    assert told == [MessageEdited(target=target, text="new", at=MICROS, id="3EB0C127D7BACC83D6A1", by=JOHN)]
    caption = observed("message.edited", common(original_message_id="3EB0A1"))
    assert caption.events == []
    assert caption.raw is not None


@pytest.mark.parametrize(("word", "ack"), [("delivered", 3), ("read", 4), ("played", 5)])
def test_a_receipt_of_a_group_is_a_participants_and_of_two_the_chats(word: str, ack: int) -> None:
    payload = {"ids": ["A", "B"], "chat_id": GROUP, "from": JOHN, "receipt_type": word}
    told = events("message.ack", payload, timestamp=AT)
    assert told == [
        ReceiptSet(target=Target(OWN, GROUP, id, OWN), ack=ack, participant=JOHN, at=MICROS) for id in ("A", "B")
    ]
    direct = events("message.ack", payload | {"chat_id": JOHN_LID, "from_lid": JOHN_LID}, timestamp=AT)
    assert direct == [
        NumberMapped(lid=JOHN_LID, jid=JOHN),
        *(ReceiptSet(target=Target(OWN, JOHN_LID, id, OWN), ack=ack, at=MICROS) for id in ("A", "B")),
    ]


@pytest.mark.parametrize(("word", "by"), [("read-self", OWN), ("read", OWN)])
def test_reading_a_chat_on_the_own_phone_is_no_receipt(word: str, by: str) -> None:
    payload = {"ids": ["A"], "chat_id": JOHN, "from": by, "receipt_type": word}
    assert events("message.ack", payload, timestamp=AT) == [ChatSeen(phone=OWN, chat=JOHN, at=MICROS, unread=0)]


def test_deleted_on_the_own_phone_keeps_the_message_with_what_gowa_knew() -> None:
    payload = {
        "deleted_message_id": "3EB0A1",
        "timestamp": "2025-07-13T11:12:00Z",
        "from": JOHN,
        "chat_id": JOHN,
        "original_content": "Hello",
        "original_sender": JOHN,
        "original_timestamp": AT,
        "was_from_me": False,
    }
    (event,) = events("message.deleted", payload)
    assert isinstance(event, MessageSeen)
    assert (event.message.text, event.message.sent_at) == ("Hello", MICROS)
    unknown = observed("message.deleted", {"deleted_message_id": "3EB0A1", "timestamp": AT, "from": JOHN})
    assert unknown.events == []
    assert unknown.raw is not None


@pytest.mark.parametrize(
    ("type", "word"), [("join", "add"), ("leave", "leave"), ("promote", "promote"), ("demote", "demote")]
)
def test_changes_of_a_group_are_notices(type: str, word: str) -> None:
    (event,) = events("group.participants", {"chat_id": GROUP, "type": type, "jids": [JOHN]}, timestamp=AT)
    assert isinstance(event, MessageSeen)
    assert event.message.kind == "notice"
    assert event.message.details.notice == Notice(type=word, recipients=(JOHN,))
    again = events("group.participants", {"chat_id": GROUP, "type": type, "jids": [JOHN]}, timestamp=AT)
    assert again == [event]


def test_being_added_to_a_group_tells_its_name() -> None:
    payload = {"chat_id": GROUP, "type": "join", "jids": [OWN], "reason": "invite", "group_name": "Team"}
    notice, member, chat = events("group.joined", payload, timestamp=AT)
    assert isinstance(notice, MessageSeen)
    assert member == ChatSeen(phone=OWN, chat=GROUP, at=MICROS, is_exited=False)
    assert chat == ChatSeen(phone=OWN, chat=GROUP, at=MICROS, name="Team")


def test_a_change_of_ones_own_membership_is_the_chats() -> None:
    _, left = events("group.participants", {"chat_id": GROUP, "type": "leave", "jids": [JOHN, OWN]}, timestamp=AT)
    assert left == ChatSeen(phone=OWN, chat=GROUP, at=MICROS, is_exited=True)


def test_channels_are_joined_left_muted_and_post() -> None:
    joined = {"newsletter_id": CHANNEL, "name": "Tech", "description": "News"}
    assert events("newsletter.joined", joined, timestamp=AT) == [
        ChatSeen(phone=OWN, chat=CHANNEL, at=MICROS, name="Tech", description="News", is_exited=False)
    ]
    left = events("newsletter.left", {"newsletter_id": CHANNEL, "role": "subscriber"}, timestamp=AT)
    assert left == [ChatSeen(phone=OWN, chat=CHANNEL, at=MICROS, is_exited=True)]
    muted = events("newsletter.mute", {"newsletter_id": CHANNEL, "mute": "on"}, timestamp=AT)
    assert muted == [ChatSeen(phone=OWN, chat=CHANNEL, at=MICROS, muted_until=gowa.MUTED_FOREVER)]
    loud = events("newsletter.mute", {"newsletter_id": CHANNEL, "mute": "off"}, timestamp=AT)
    assert loud == [ChatSeen(phone=OWN, chat=CHANNEL, at=MICROS, muted_until=0)]
    post = {"server_id": 123, "message_id": "ABC", "type": "text", "timestamp": AT, "views_count": 1500}
    (event,) = events("newsletter.message", {"newsletter_id": CHANNEL, "messages": [post]}, timestamp=AT)
    assert isinstance(event, MessageSeen)
    assert event.message == Message(key=MessageKey(OWN, CHANNEL, "ABC", CHANNEL), sent_at=MICROS, from_me=False)


def test_a_call_of_the_own_phone_is_in_no_chat_with_itself() -> None:
    told = observed("call.offer", {"call_id": "ABC123", "from": OWN, "auto_rejected": False}, timestamp=AT)
    assert told.events == []
    assert told.raw is not None


def test_a_call_is_a_message_under_the_id_of_gowas_database() -> None:
    payload = {"call_id": "ABC123", "from": JOHN, "auto_rejected": True, "remote_platform": "android"}
    (event,) = events("call.offer", payload, timestamp=AT)
    assert isinstance(event, MessageSeen)
    assert (event.message.key.id, event.message.key.chat, event.message.kind) == ("call:ABC123", JOHN, "call")
    assert event.message.details.call == Call(outgoing=False, result="rejected")
    (grouped,) = events("call.offer", payload | {"group_jid": GROUP}, timestamp=AT)
    assert isinstance(grouped, MessageSeen)
    assert grouped.message.key.chat == GROUP


def test_typing_is_forgotten() -> None:
    assert observed("chat_presence", {"from": JOHN, "chat_id": JOHN, "state": "composing"}) == Observed()


def test_labels_and_their_chats() -> None:
    edit = {"label_id": "9", "name": "Important", "color": 2, "order_index": 1, "is_active": True, "type": "CUSTOM"}
    assert events("label.edit", edit, timestamp=AT) == [
        LabelSeen(phone=OWN, id="9", at=MICROS, name="Important", color=2, deleted=False)
    ]
    assert events("label.edit", {"label_id": "9", "deleted": True}, timestamp=AT) == [
        LabelSeen(phone=OWN, id="9", at=MICROS, deleted=True)
    ]
    added = {"label_id": "9", "labeled": True, "chat_id": GROUP}
    assert events("label.association", added, timestamp=AT) == [
        ChatLabeled(phone=OWN, chat=GROUP, label="9", at=MICROS)
    ]
    removed = {"label_id": "9", "labeled": False, "chat_id": JOHN, "chat_lid": JOHN_LID}
    assert events("label.association", removed, timestamp=AT) == [
        NumberMapped(lid=JOHN_LID, jid=JOHN),
        ChatLabeled(phone=OWN, chat=JOHN, label="9", labeled=False, at=MICROS),
    ]


def test_a_phone_that_is_not_paired_yet_is_the_sources() -> None:
    body = msgspec.json.encode({"event": "message", "payload": common(body="hi")})
    (event,) = gowa.observe(body, Setup(phone=OWN)).events
    assert isinstance(event, MessageSeen)
    assert event.message.key.phone == OWN


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (b"", "body"),
        (b'{"event":"message"', "body"),
        (b'{"event":"message","payload":NaN}', "body"),
        (b"[]", "body"),
        (b'{"payload":{}}', "body"),
        (b'{"event":"message.unheard","payload":{}}', "event"),
        (b'{"event":"message","payload":{}}', "device_id"),
        (b'{"event":"message","device_id":"1@s.whatsapp.net","payload":{}}', "payload"),
        (b'{"event":"message","device_id":"1@s.whatsapp.net","payload":{"chat_id":7}}', "payload.chat_id"),
        (b'{"event":"message","device_id":"1@s.whatsapp.net","payload":{"chat_id":"2@c.us"}}', "payload.id"),
        (
            b'{"event":"message","device_id":"1@s.whatsapp.net","payload":{"chat_id":"2@c.us","id":"A","from":"2"}}',
            "timestamp",
        ),
        (b'{"event":"message.ack","device_id":"1@s.whatsapp.net","payload":{"chat_id":"2","receipt_type":"read"}}', ""),
    ],
)
def test_what_cannot_be_read_is_named_by_its_place(body: bytes, where: str) -> None:
    with pytest.raises(Unreadable) as caught:
        gowa.observe(body, Setup())
    assert caught.value.where == (where or "timestamp")


def test_half_a_surrogate_pair_hides_no_message() -> None:
    body = msgspec.json.encode({"event": "message", "device_id": OWN, "payload": common(body="half")})
    (event,) = gowa.observe(body.replace(b'"half"', rb'"half \ud83d"'), Setup()).events
    assert isinstance(event, MessageSeen)
    assert event.message.text == "half \ufffd"
