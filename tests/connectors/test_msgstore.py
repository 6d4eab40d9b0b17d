"""``msgstore.db`` of an Android phone: each kind of message, and later changes to it."""

from __future__ import annotations

import base64
import hashlib
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from android_files import VERSIONS, AndroidFile, Msgstore, Version, legacy, wa_db
from told_pieces import Told, events_of, of, told_by

from backscroll.core.errors import Unreadable
from backscroll.core.events import (
    ChatLabeled,
    ChatSeen,
    ContactSeen,
    Event,
    LabelSeen,
    MessageEdited,
    MessagePinned,
    MessageRevoked,
    MessageSeen,
    NumberMapped,
    PollVoted,
    ReactionSet,
    ReceiptSet,
    Target,
)
from backscroll.core.model import Call, Location, Member, Message, MessageKey, Notice, Poll, Quote
from backscroll.ingest.connectors.foreign import tables
from backscroll.ingest.connectors.msgstore.database import count, looks_like, read

ME, BOB, CY = (f"{number}@s.whatsapp.net" for number in ("4915550001001", "4915550001002", "4915550001003"))
BOB_LID, GROUP = "999222@lid", "120363001@g.us"
AT = 1_760_000_000
US = 1_000_000


def pieces(path: Path, names: Path | None = None, **options: Any) -> Told:
    return told_by(read, path, names, phone=ME, **options)


def told(path: Path, names: Path | None = None) -> list[Event]:
    """All events of a file, which must all be readable."""
    return events_of(pieces(path, names))


def one_message(file: Msgstore) -> Message:
    (seen,) = of(MessageSeen, told(file.done()))
    return seen.message


@pytest.fixture(params=VERSIONS)
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Msgstore:
    return Msgstore(tmp_path / "msgstore.db", request.param)


@pytest.fixture
def newest(tmp_path: Path) -> Msgstore:
    return Msgstore(tmp_path / "msgstore.db", "2026")


# Messages


def test_a_text_received_and_one_sent(file: Msgstore) -> None:
    file.message(BOB, "A1", AT, "Hello 🥐")
    file.message(BOB, "A2", AT + 1, "Yes", from_me=1, status=13)
    first, second = (seen.message for seen in of(MessageSeen, told(file.done())))
    assert (first.key, first.sent_at, first.from_me) == (MessageKey(ME, BOB, "A1", BOB), AT * US, False)
    assert (first.kind, first.text, first.ack) == ("text", "Hello 🥐", None)
    assert (second.key.sender, second.from_me, second.ack) == (ME, True, 4)


@pytest.mark.parametrize(("status", "ack"), [(0, 1), (4, 2), (5, 3), (13, 4), (8, 5), (7, -1), (99, None)])
def test_how_far_an_own_message_came(newest: Msgstore, status: int, ack: int | None) -> None:
    newest.message(BOB, "A1", AT, "Yes", from_me=1, status=status)
    assert one_message(newest).ack == ack


def test_in_a_group_the_sender_is_named(file: Msgstore) -> None:
    file.message(GROUP, "A1", AT, "Hello", sender=CY)
    assert one_message(file).key == MessageKey(ME, GROUP, "A1", CY)


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (0, "text"),
        (1, "image"),
        (2, "audio"),
        (3, "video"),
        (9, "document"),
        (11, "ciphertext"),
        (13, "video"),
        (20, "sticker"),
        (42, "image"),
        (43, "video"),
        (45, "interactive"),
        (66, "poll"),
        (81, "video_note"),
        (82, "voice"),
        (92, "event"),
        (99, "album"),
        (777, "unknown"),
    ],
)
def test_the_kind_by_whatsapps_number(newest: Msgstore, number: int, kind: str) -> None:
    newest.message(BOB, "A1", AT, None, message_type=number)
    message = one_message(newest)
    assert (message.kind, message.details.type_name) == (kind, "777" if kind == "unknown" else None)
    assert message.details.is_view_once is (True if number in (42, 43, 82) else None)
    assert message.details.is_gif is (True if number == 13 else None)


def test_a_picture_with_its_file(file: Msgstore) -> None:
    number = file.message(BOB, "A1", AT, "Look", message_type=1)
    path = "Media/WhatsApp Images/IMG-20251009-WA0001.jpg"
    more: dict[str, Any] = {"mime_type": "image/jpeg", "width": 800, "height": 600, "direct_path": "/v/x.enc"}
    file.media(number, path, b"picture", media_key=b"k" * 32, message_url="https://mmg.example/x.enc", **more)
    file.row("message_thumbnail", message_row_id=number, thumbnail=b"\xff\xd8small")
    found, _ = pieces(file.done())
    piece = next(piece for piece in found if piece.files)
    (seen,) = of(MessageSeen, list(piece.batch.events))
    media = seen.message.details.media
    assert media is not None
    assert (seen.message.kind, seen.message.text, media.size, media.width) == ("image", "Look", 7, 800)
    assert media.sha256 == hashlib.sha256(b"picture").hexdigest()
    assert media.thumbnail == base64.b64encode(b"\xff\xd8small").decode()
    assert (media.media_key, media.direct_path) == (base64.b64encode(b"k" * 32).decode(), "/v/x.enc")
    assert [(local.path, local.target) for local in piece.files] == [(path, Target(ME, BOB, "A1", BOB))]


@pytest.mark.parametrize(
    ("origin", "path", "kind"),
    [
        (1, None, "voice"),
        (0, "Media/WhatsApp Voice Notes/202510/PTT-20251009-WA0002.opus", "voice"),
        (0, "Media/WhatsApp Audio/AUD-20251009-WA0003.m4a", "audio"),
    ],
)
def test_a_voice_message_and_a_sound(newest: Msgstore, origin: int, path: str | None, kind: str) -> None:
    number = newest.message(BOB, "A1", AT, message_type=2, origin=origin)
    newest.media(number, path, media_duration=12)
    newest.row("audio_data", message_row_id=number, waveform=b"\1\2")
    message = one_message(newest)
    assert message.kind == kind
    assert message.details.media is not None
    assert (message.details.media.duration, message.details.media.waveform) == (12.0, "AQI=")


def test_a_place_on_the_map(file: Msgstore) -> None:
    number = file.message(BOB, "A1", AT, message_type=5)
    file.row("message_location", message_row_id=number, latitude=52.5, longitude=13.4, place_name="Bakery")
    message = one_message(file)
    assert (message.kind, message.details.location) == (
        "location",
        Location(latitude=52.5, longitude=13.4, name="Bakery"),
    )


@pytest.mark.parametrize(("latitude", "longitude"), [(91.0, 0.0), (0.0, 0.0), ("north", 1.0), (float("inf"), 1.0)])
def test_a_place_that_is_none(newest: Msgstore, latitude: Any, longitude: Any) -> None:
    number = newest.message(BOB, "A1", AT, message_type=16)
    newest.row("message_location", message_row_id=number, latitude=latitude, longitude=longitude)
    message = one_message(newest)
    assert (message.kind, message.details.location) == ("live_location", None)


def test_contact_cards(file: Msgstore) -> None:
    number = file.message(BOB, "A1", AT, "Ana, Cy", message_type=14)
    for name in ("Ana", "Cy"):
        file.row("message_vcard", message_row_id=number, vcard=f"BEGIN:VCARD\nFN:{name}\nEND:VCARD")
    message = one_message(file)
    assert (message.kind, message.text) == ("contacts", None)
    assert [card.split("\n")[1] for card in message.details.vcards or ()] == ["FN:Ana", "FN:Cy"]


def test_an_answer_with_the_copy_of_what_it_answers(file: Msgstore) -> None:
    number = file.message(GROUP, "A2", AT, "Yes", sender=CY)
    file.row(
        "message_quoted",
        message_row_id=number,
        chat_row_id=1,
        parent_message_chat_row_id=1,
        from_me=0,
        sender_jid_row_id=file.jid(BOB),
        key_id="A1",
        message_type=1,
        text_data="Tuesday?",
    )
    assert one_message(file).details.quoted == Quote(id="A1", sender=BOB, text="Tuesday?", kind="image")


def test_mentions_forwards_stars_and_disappearing(file: Msgstore) -> None:
    number = file.message(GROUP, "A1", AT, "@4915550001002 look", sender=CY, starred=1)
    file.row("message_mentions", message_row_id=number, jid_row_id=file.jid(BOB))
    file.row("message_forwarded", message_row_id=number, forward_score=5)
    file.row("message_ephemeral", message_row_id=number, duration=86400, expire_timestamp=0)
    details = one_message(file).details
    assert (details.mentions, details.is_forwarded, details.forwarding_score) == ((BOB,), True, 5)
    assert (details.is_starred, details.is_ephemeral, details.expires_after) == (True, True, 86400)


def test_view_once_is_told_by_its_table_too(file: Msgstore) -> None:
    number = file.message(BOB, "A1", AT, message_type=1)
    file.row("message_view_once_media", message_row_id=number, state=1)
    assert one_message(file).details.is_view_once is True


def test_a_status_and_a_channel(newest: Msgstore) -> None:
    newest.message("status@broadcast", "A1", AT, "Fresh bread", sender=BOB)
    channel = newest.chat("120363@newsletter")
    newest.row("newsletter", chat_row_id=channel, name="Bread news", description="Every day")
    newest.message("120363@newsletter", "A2", AT, "Rye")
    events = told(newest.done())
    status, letter = (seen.message for seen in of(MessageSeen, events))
    assert (status.details.is_status, status.key.sender) == (True, BOB)
    assert (letter.key.chat, letter.key.sender) == ("120363@newsletter", None)
    named = {seen.chat: (seen.name, seen.description) for seen in of(ChatSeen, events)}
    assert named["120363@newsletter"] == ("Bread news", "Every day")


def test_invitations_orders_products_and_events(newest: Msgstore) -> None:
    invite = newest.message(BOB, "A1", AT, message_type=24)
    newest.row(
        "message_group_invite",
        message_row_id=invite,
        group_jid_row_id=newest.jid(GROUP),
        admin_jid_row_id=newest.jid(BOB),
        group_name="Bakers",
        invite_code="abc",
    )
    order = newest.message(BOB, "A2", AT + 1, message_type=44)
    newest.row("message_order", message_row_id=order, order_id="77", message="Two loaves", token="t")
    product = newest.message(BOB, "A3", AT + 2, message_type=62)
    newest.row("message_product", message_row_id=product, product_id="9", title="Rye", currency_code="EUR")
    event = newest.message(BOB, "A4", AT + 3, message_type=92)
    newest.row("message_event", message_row_id=event, name="Open day", start_time=0, location_latitude=52.0)
    template = newest.message(BOB, "A5", AT + 4, message_type=27)
    newest.row("message_template", message_row_id=template, content_text_data="Buy now", footer_text_data="Bakery")
    newest.row("message_template_button", message_row_id=template, text_data="Yes")
    found = {seen.message.key.id: seen.message for seen in of(MessageSeen, told(newest.done()))}
    assert [found[f"A{no}"].kind for no in range(1, 6)] == ["group_invite", "order", "product", "event", "interactive"]
    assert found["A1"].details.invite == {"group": GROUP, "name": "Bakers", "code": "abc", "admin": BOB}
    assert (found["A2"].text, found["A2"].details.order_id) == ("Two loaves", "77")
    assert found["A3"].details.interactive == {"product_id": "9", "title": "Rye", "currency_code": "EUR"}
    assert [found[f"A{no}"].text for no in (4, 5)] == ["Open day", "Buy now"]
    assert found["A5"].details.interactive["buttons"] == ["Yes"]


def test_a_poll_with_its_votes(newest: Msgstore) -> None:
    number = newest.message(GROUP, "A1", AT, "Which day?", sender=CY, message_type=66)
    newest.row("message_poll", message_row_id=number, selectable_options_count=1)
    options = [newest.row("message_poll_option", message_row_id=number, option_name=name) for name in ("Mon", "Tue")]
    newest.vote(number, [options[1]], AT + 5, sender=BOB)
    newest.vote(number, [], AT + 6, from_me=1)
    events = told(newest.done())
    (seen,) = of(MessageSeen, events)
    assert seen.message.details.poll == Poll(name="Which day?", options=("Mon", "Tue"), selectable=1)
    target = Target(ME, GROUP, "A1", CY)
    assert of(PollVoted, events) == [
        PollVoted(target=target, by=BOB, options=("Tue",), at=(AT + 5) * US),
        PollVoted(target=target, by=ME, options=(), at=(AT + 6) * US),
    ]


def test_a_poll_of_which_only_the_totals_are_known(newest: Msgstore) -> None:
    number = newest.message(GROUP, "A1", AT, "Which day?", sender=CY, message_type=66)
    for name, votes in (("Mon", 3), ("Tue", 0)):
        newest.row("message_poll_option", message_row_id=number, option_name=name, vote_total=votes)
    poll = one_message(newest).details.poll
    assert poll is not None
    assert poll.counts == {"Mon": 3, "Tue": 0}


# What happened to messages


def test_reactions_in_a_chat_of_two_and_in_a_group(file: Msgstore) -> None:
    alone = file.message(BOB, "A1", AT, "Hello", from_me=1)
    file.reaction(alone, "👍", AT + 3)
    shared = file.message(GROUP, "A2", AT, "Hello all", sender=CY)
    file.reaction(shared, "❤️", AT + 4, sender=BOB)
    file.reaction(shared, "", AT + 5, from_me=1)
    found = of(ReactionSet, told(file.done()))
    assert [(r.target, r.by, r.emoji, r.at) for r in found] == [
        (Target(ME, BOB, "A1", ME), BOB, "👍", (AT + 3) * US),
        (Target(ME, GROUP, "A2", CY), BOB, "❤️", (AT + 4) * US),
        (Target(ME, GROUP, "A2", CY), ME, "", (AT + 5) * US),
    ]


def test_pins_and_unpins_and_a_state_that_nobody_knows(newest: Msgstore) -> None:
    alone = newest.message(BOB, "A1", AT, "Hello", from_me=1)
    newest.pin(alone, AT + 3, expires=AT + 86_400)
    shared = newest.message(GROUP, "A2", AT, "Hello all", sender=CY)
    newest.pin(shared, AT + 4, sender=BOB)
    newest.pin(shared, AT + 5, from_me=1, state=0, expires=AT + 9)
    newest.pin(shared, AT + 6, from_me=1, state=2)
    found, skipped = pieces(newest.done())
    assert of(MessagePinned, events_of((found, []))) == [
        MessagePinned(
            target=Target(ME, BOB, "A1", ME), pinned=True, at=(AT + 3) * US, by=BOB, until=(AT + 86_400) * US
        ),
        MessagePinned(target=Target(ME, GROUP, "A2", CY), pinned=True, at=(AT + 4) * US, by=BOB),
        MessagePinned(target=Target(ME, GROUP, "A2", CY), pinned=False, at=(AT + 5) * US, by=ME),
    ]
    assert [(row.table, row.column) for row in skipped] == [("message_add_on_pin_in_chat", "pin_in_chat_state")]


def test_an_edited_message_keeps_the_id_under_which_it_was_sent(newest: Msgstore) -> None:
    number = newest.message(BOB, "E1", AT, "Three loaves")
    stamps = {"edited_timestamp": (AT + 9) * 1000, "sender_timestamp": (AT + 8) * 1000}
    newest.row("message_edit_info", message_row_id=number, original_key_id="A1", **stamps)
    events = told(newest.done())
    (seen,), (edit,) = of(MessageSeen, events), of(MessageEdited, events)
    assert (seen.message.key.id, seen.message.text, seen.message.details.is_edited) == ("A1", None, True)
    assert edit == MessageEdited(
        target=Target(ME, BOB, "A1", BOB), text="Three loaves", at=(AT + 8) * US, id="E1", by=BOB
    )


def test_a_message_deleted_by_its_author_and_one_by_an_admin(newest: Msgstore) -> None:
    mine = newest.message(BOB, "D1", AT, message_type=15)
    newest.row("message_revoked", message_row_id=mine, revoked_key_id="A1", revoke_timestamp=(AT + 5) * 1000)
    other = newest.message(GROUP, "A2", AT, sender=CY, message_type=64)
    newest.row("message_revoked", message_row_id=other, revoked_key_id="A2", admin_jid_row_id=newest.jid(BOB))
    events = told(newest.done())
    assert [(s.message.key.id, s.message.details.is_deleted) for s in of(MessageSeen, events)] == [
        ("A1", True),
        ("A2", True),
    ]
    assert of(MessageRevoked, events) == [
        MessageRevoked(target=Target(ME, BOB, "A1", BOB), at=(AT + 5) * US, by=BOB),
        MessageRevoked(target=Target(ME, GROUP, "A2", CY), by=BOB, by_admin=True),
    ]


def test_receipts_of_own_messages_with_each_participant(file: Msgstore) -> None:
    alone = file.message(BOB, "A1", AT, "Hello", from_me=1)
    times = {"receipt_timestamp": (AT + 1) * 1000, "read_timestamp": (AT + 2) * 1000, "played_timestamp": 0}
    file.row("receipt_user", message_row_id=alone, receipt_user_jid_row_id=file.jid(BOB), **times)
    shared = file.message(GROUP, "A2", AT, "Hello all", from_me=1)
    file.row("receipt_user", message_row_id=shared, receipt_user_jid_row_id=file.jid(CY), receipt_timestamp=AT * 1000)
    received = file.message(BOB, "A3", AT, "Hi")
    file.row("receipt_user", message_row_id=received, receipt_user_jid_row_id=file.jid(BOB), read_timestamp=AT * 1000)
    found = [(r.target.id, r.participant, r.ack, r.at) for r in of(ReceiptSet, told(file.done()))]
    assert found == [
        ("A1", None, 3, (AT + 1) * US),
        ("A1", None, 4, (AT + 2) * US),
        ("A2", CY, 3, AT * US),
    ]


@pytest.mark.parametrize(
    ("action", "type"), [(12, "add"), (14, "remove"), (5, "leave"), (15, "promote"), (67, "e2e"), (9999, None)]
)
def test_notices_of_a_group(file: Msgstore, action: int, type: str | None) -> None:
    number = file.message(GROUP, "A1", AT, sender=CY, message_type=7)
    file.row("message_system", message_row_id=number, action_type=action)
    file.row("message_system_chat_participant", message_row_id=number, user_jid_row_id=file.jid(BOB))
    message = one_message(file)
    assert (message.kind, message.key.sender) == ("notice", CY)
    assert message.details.notice == Notice(type=type, recipients=(BOB,), metadata={"action_type": action})


def test_a_new_subject_and_a_new_number(newest: Msgstore) -> None:
    subject = newest.message(GROUP, "A1", AT, "Bakers", sender=CY, message_type=7)
    newest.row("message_system", message_row_id=subject, action_type=1)
    newest.row("message_system_value_change", message_row_id=subject, old_data="Baking")
    number = newest.message(BOB, "A2", AT, message_type=7)
    newest.row("message_system", message_row_id=number, action_type=10)
    numbers = {"old_jid_row_id": newest.jid(BOB), "new_jid_row_id": newest.jid(CY)}
    newest.row("message_system_number_change", message_row_id=number, **numbers)
    first, second = (seen.message for seen in of(MessageSeen, told(newest.done())))
    assert (first.text, first.details.notice) == (
        "Bakers",
        Notice(type="subject", metadata={"action_type": 1, "text": "Bakers", "old": "Baking"}),
    )
    told_numbers = {"action_type": 10, "old_number": BOB, "new_number": CY}
    assert second.details.notice == Notice(type="change_number", metadata=told_numbers)


def test_calls_come_from_their_log_and_once(newest: Msgstore) -> None:
    row: dict[str, Any] = {"jid_row_id": newest.jid(BOB), "from_me": 0, "call_id": "call:C1", "timestamp": AT * 1000}
    log = newest.row("call_log", **row, video_call=1, duration=65, call_result=5)
    group = {"group_jid_row_id": newest.jid(GROUP), "timestamp": AT * 1000, "from_me": 1}
    newest.row("call_log", **(row | group | {"call_id": "C2"}), video_call=0, duration=0, call_result=2)
    bubble = newest.message(BOB, "A1", AT, message_type=90)
    newest.row("message_call_log", message_row_id=bubble, call_log_row_id=log)
    missed = newest.message(CY, "call:C3", AT, message_type=10)
    newest.row("missed_call_logs", message_row_id=missed, video_call=0)
    found = {seen.message.key.id: seen.message for seen in of(MessageSeen, told(newest.done()))}
    assert set(found) == {"call:C1", "call:C2", "call:C3"}
    answered = Call(video=True, outgoing=False, result="connected", duration=65.0, metadata={"call_result": 5})
    assert (found["call:C1"].details.call, found["call:C1"].key.sender) == (answered, BOB)
    assert (found["call:C2"].key.chat, found["call:C2"].key.sender, found["call:C2"].from_me) == (GROUP, ME, True)
    assert found["call:C2"].details.call is not None
    assert found["call:C2"].details.call.result == "unanswered"
    assert found["call:C3"].details.call == Call(video=False, outgoing=False, result="missed")


# People and chats


def test_hidden_ids_meet_their_numbers_first(newest: Msgstore) -> None:
    newest.row("jid_map", lid_row_id=newest.jid(BOB_LID), jid_row_id=newest.jid(BOB))
    newest.row("lid_display_name", lid_row_id=newest.jid("777@lid"), display_name="Dee", username="dee.bakes")
    newest.message(BOB_LID, "A1", AT, "Hello")
    events = told(newest.done())
    assert events[0] == NumberMapped(lid=BOB_LID, jid=BOB)
    assert of(ContactSeen, events) == [
        ContactSeen(jid="777@lid", phone=ME, push_name="Dee", extras={"username": "dee.bakes"})
    ]
    assert of(MessageSeen, events)[0].message.key.chat == BOB_LID


def test_chats_and_members(file: Msgstore) -> None:
    group = file.chat(GROUP, "Bakers", created_timestamp=AT * 1000, archived=1, unseen_message_count=4)
    assert group
    for jid, rank in ((BOB, 0), (CY, 1), (ME, 2)):
        file.row("group_participant_user", group_jid_row_id=file.jid(GROUP), user_jid_row_id=file.jid(jid), rank=rank)
    file.chat(BOB, ephemeral_expiration=604800, unseen_message_count=-1)
    first, second = of(ChatSeen, told(file.done()))
    assert (first.name, first.archived, first.unread, first.created_at) == ("Bakers", True, 4, AT * US)
    assert first.members == (
        Member(jid=BOB),
        Member(jid=CY, is_admin=True),
        Member(jid=ME, is_admin=True, is_super_admin=True),
    )
    assert (second.chat, second.unread, second.ephemeral_seconds, second.members) == (BOB, None, 604800, None)


@pytest.mark.parametrize("table", ["labeled_jid", "labeled_jids"])
def test_labels_of_business_phones(newest: Msgstore, table: str) -> None:
    newest.db.executescript("""
        CREATE TABLE labels (_id INTEGER PRIMARY KEY AUTOINCREMENT, label_name TEXT, predefined_id INTEGER,
            color_id INTEGER);
        CREATE TABLE labeled_jid (_id INTEGER PRIMARY KEY AUTOINCREMENT, label_id INTEGER NOT NULL,
            jid_row_id INTEGER NOT NULL);
        CREATE TABLE labeled_jids (_id INTEGER PRIMARY KEY AUTOINCREMENT, label_id INTEGER NOT NULL, jid TEXT);
    """)
    newest.row("labels", _id=9, label_name="Lead", color_id=2)
    newest.row("labels", _id=10, label_name=None, predefined_id=3)
    chat = {"jid_row_id": newest.jid(BOB)} if table == "labeled_jid" else {"jid": BOB}
    newest.row(table, label_id=9, **chat)
    events = told(newest.done())
    assert of(LabelSeen, events) == [LabelSeen(phone=ME, id="9", name="Lead", color=2)]
    assert of(ChatLabeled, events) == [ChatLabeled(phone=ME, chat=BOB, label="9")]


def test_names_from_the_list_of_contacts(newest: Msgstore, tmp_path: Path) -> None:
    names = wa_db(tmp_path / "wa.db")
    names.row("wa_contacts", jid=BOB, is_whatsapp_user=1, display_name="Bob Baker", wa_name="bobby", status="At work")
    names.row("wa_contacts", jid=GROUP, is_whatsapp_user=1, display_name="Bakers")
    names.row("wa_contacts", jid=CY, is_whatsapp_user=0, given_name="Cy", family_name="Rye")
    names.row("wa_vnames", jid=BOB, verified_name="Bob's Bread")
    names.row("wa_group_descriptions", jid=GROUP, description="All who bake")
    events = told(newest.done(), names.done())
    assert of(ContactSeen, events) == [
        ContactSeen(jid=BOB, phone=ME, name="Bob Baker", push_name="bobby", is_saved=True, extras={"about": "At work"}),
        ContactSeen(jid=CY, phone=ME, name="Cy Rye", is_saved=True),
        ContactSeen(jid=BOB, phone=ME, business_name="Bob's Bread", is_business=True),
    ]
    assert of(ChatSeen, events) == [ChatSeen(phone=ME, chat=GROUP, description="All who bake")]


# The table of before 2022


def old_message(file: Msgstore, id: str, **values: Any) -> int:
    usual = {"key_remote_jid": BOB, "key_from_me": 0, "status": 0, "timestamp": AT * 1000, "media_wa_type": "0"}
    return file.row("messages", key_id=id, **(usual | values))


def test_the_old_table_is_read_as_the_new_one(tmp_path: Path) -> None:
    file = legacy(tmp_path / "msgstore.db")
    old_message(file, "-1", key_remote_jid="-1", timestamp=0)
    quote = file.row("messages_quotes", key_remote_jid=BOB, key_from_me=1, key_id="A0", data="When?")
    old_message(file, "A1", data="Tuesday", quoted_row_id=quote, mentioned_jids=f"{CY},{ME}", forwarded=1)
    old_message(file, "A2", key_remote_jid=GROUP, remote_resource=CY, media_wa_type="1", media_caption="Look",
                media_mime_type="image/jpeg", media_size=7, media_name="x.jpg")  # fmt: skip
    old_message(file, "A3", media_wa_type="4", data="BEGIN:VCARD", media_name="Ana")
    old_message(file, "A4", media_wa_type="5", latitude=52.5, longitude=13.4)
    old_message(file, "A5", key_remote_jid=GROUP, remote_resource=CY, status=6, media_size=12)
    old_message(file, "A6", media_wa_type="2", origin=1, key_from_me=1, status=8)
    old_message(file, "A7", media_wa_type="15", edit_version=7)
    found = {seen.message.key.id: seen.message for seen in of(MessageSeen, told(file.done()))}
    assert [message.kind for message in found.values()] == [
        "text",
        "image",
        "contact",
        "location",
        "notice",
        "voice",
        "text",
    ]
    assert found["A1"].details.quoted == Quote(id="A0", text="When?", kind="text")
    assert (found["A1"].details.mentions, found["A1"].details.is_forwarded) == ((CY, ME), True)
    assert found["A2"].details.media is not None
    assert (found["A2"].key.sender, found["A2"].text, found["A2"].details.media.size) == (CY, "Look", 7)
    assert found["A3"].details.vcards == ("BEGIN:VCARD",)
    assert found["A5"].details.notice == Notice(type="add", metadata={"action_type": 12})
    assert (found["A6"].ack, found["A6"].key.sender) == (5, ME)
    assert found["A7"].details.is_deleted is True


def test_a_file_between_the_two_tells_each_message_of_either(tmp_path: Path) -> None:
    file = legacy(tmp_path / "msgstore.db")
    old_message(file, "A1", data="Old")
    file.message(BOB, "A2", AT + 1, "New")
    path = file.done()
    assert count(path) == 2
    assert [seen.message.text for seen in of(MessageSeen, told(path))] == ["Old", "New"]


# Reading


def test_rows_are_kept_as_they_stand(newest: Msgstore) -> None:
    number = newest.message(BOB, "A1", AT, "Hello")
    newest.row("message_forwarded", message_row_id=number, forward_score=1)
    found, _ = pieces(newest.done())
    raw = found[-1].batch.raw
    assert raw is not None
    rows = [json.loads(line) for line in raw.splitlines()]
    assert [row["table"] for row in rows] == ["message", "message_forwarded"]
    assert rows[0]["row"]["text_data"] == "Hello"


def test_reading_goes_on_from_any_place_and_tells_the_same(newest: Msgstore) -> None:
    newest.row("jid_map", lid_row_id=newest.jid(BOB_LID), jid_row_id=newest.jid(BOB))
    for number in range(10):
        newest.message(BOB, f"A{number}", AT + number, f"line {number}")
    newest.row("call_log", jid_row_id=newest.jid(BOB), from_me=0, call_id="C1", timestamp=AT * 1000)
    path = newest.done()
    whole, _ = pieces(path, batch_size=3)
    assert [piece.place for piece in whole][-3:] == ["message:9", "message:10", "call_log:1"]
    assert sum(piece.rows for piece in whole) == count(path) == 11
    for at, piece in enumerate(whole):
        rest, _ = pieces(path, after=piece.place, batch_size=3)
        assert [p.batch.events for p in rest] == [p.batch.events for p in whole[at + 1 :]]
    assert pieces(path, after="nonsense", batch_size=3)[0] == whole


def test_a_row_that_makes_no_sense_costs_no_other(newest: Msgstore) -> None:
    newest.message(BOB, "A1", AT, "Hello")
    newest.message(BOB, "A2", 0, "Without a time")
    newest.row(
        "message", chat_row_id=999, from_me=0, key_id="A3", timestamp=AT * 1000, message_type=0, text_data="Lost"
    )
    newest.row("message", chat_row_id=1, from_me=0, key_id="", timestamp=AT * 1000, message_type=0, text_data="No id")
    newest.message(BOB, "A5", AT, "Bye")
    newest.row("call_log", jid_row_id=newest.jid(BOB), from_me=0, call_id=None, timestamp=AT * 1000)
    found, skipped = pieces(newest.done())
    events = [event for piece in found for event in piece.batch.events]
    assert [seen.message.text for seen in of(MessageSeen, events)] == ["Hello", "Bye"]
    assert [str(row) for row in skipped] == [
        "message row 2: timestamp is unknown",
        "message row 3: chat_row_id refers to no chat",
        "message row 4: key_id is empty",
        "call_log row 1: call_id is missing",
    ]
    assert all(row.payload for row in skipped)


def test_text_that_is_damaged_is_told_as_far_as_it_can_be_read(newest: Msgstore) -> None:
    newest.message(BOB, "A1", AT, "a\0b")
    newest.db.execute("UPDATE message SET text_data = CAST(x'61ff62' AS TEXT) WHERE 0")
    newest.row(
        "message", chat_row_id=1, from_me=0, key_id="A2", timestamp=AT * 1000, message_type=0, text_data=b"a\xffb"
    )
    found, skipped = pieces(newest.done())
    messages = [e.message for p in found for e in p.batch.events if isinstance(e, MessageSeen)]
    assert [(m.text, m.details.altered) for m in messages] == [("a\ufffdb", True), ("a\ufffdb", True)]
    assert [row.kept for row in skipped] == [True]


def test_what_belongs_to_one_message_is_bounded(newest: Msgstore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MAX_CHILDREN", 5)
    for number in range(3):
        message = newest.message(GROUP, f"A{number}", AT, "Hello", sender=CY)
        for other in range(4 if number < 2 else 9):
            newest.row("message_mentions", message_row_id=message, jid_row_id=newest.jid(f"{1000 + other}@lid"))
    found, skipped = pieces(newest.done())
    messages = [e.message for p in found for e in p.batch.events if isinstance(e, MessageSeen)]
    assert [len(message.details.mentions) for message in messages] == [4, 4, 5]
    assert [str(row) for row in skipped] == ["message_mentions row 14: row belongs to a message with too many of them"]


def test_a_piece_is_made_smaller_where_its_rows_are_large(newest: Msgstore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MAX_BYTES", 30_000)
    for number in range(8):
        message = newest.message(BOB, f"A{number}", AT + number, message_type=1)
        newest.row("message_thumbnail", message_row_id=message, thumbnail=bytes(9_000))
    found, skipped = pieces(newest.done())
    assert [piece.rows for piece in found if piece.rows] == [2, 2, 2, 2]
    assert skipped == []


def test_what_is_no_backup_is_named(tmp_path: Path) -> None:
    names = wa_db(tmp_path / "wa.db").done()
    with pytest.raises(Unreadable, match=r"wa\.db, which holds no messages; name the file msgstore\.db"):
        pieces(names)
    store = Msgstore(tmp_path / "msgstore.db").done()
    with pytest.raises(Unreadable, match=r"not WhatsApp's list of contacts; name the phone's wa\.db"):
        pieces(store, store)
    with pytest.raises(Unreadable, match=r"not a database of WhatsApp for Android"):
        pieces(AndroidFile(tmp_path / "other.db", {"message": "_id INTEGER PRIMARY KEY"}).done())
    assert looks_like({"jid", "chat", "message"})
    assert not looks_like({"chats", "messages"})


def test_views_in_the_place_of_tables_are_never_read(tmp_path: Path) -> None:
    file = Msgstore(tmp_path / "msgstore.db")
    file.message(BOB, "A1", AT, "Hello")
    file.db.executescript("""
        DROP TABLE message_forwarded;
        CREATE VIEW message_forwarded AS
            WITH RECURSIVE n (message_row_id) AS (SELECT 1 UNION ALL SELECT message_row_id + 1 FROM n)
            SELECT message_row_id, 1 AS forward_score FROM n;
    """)
    assert one_message(file).details.is_forwarded is None


@pytest.mark.parametrize("version", VERSIONS)
def test_a_file_with_torn_pages_is_refused(tmp_path: Path, version: Version) -> None:
    file = Msgstore(tmp_path / "msgstore.db", version)
    for number in range(400):
        file.message(BOB, f"A{number}", AT + number, f"line {number}")
    path = file.done()
    whole = bytearray(path.read_bytes())
    for at in range(4096, len(whole), 4096 * 7):
        whole[at : at + 64] = b"\xee" * 64
    path.write_bytes(whole)
    with pytest.raises(Unreadable, match="copy the file again"):
        pieces(path)


def test_nothing_is_written_to_the_files(newest: Msgstore) -> None:
    newest.message(BOB, "A1", AT, "Hello")
    newest.db.execute("DROP INDEX message_add_on_parent_message_row_id_index")
    path = newest.done()
    before = path.read_bytes()
    pieces(path)
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    sqlite3.connect(path).close()
