from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest
from gowa_files import WITHOUT_DEVICES, ChatStorage, GowaFile, Version, WhatsAppDb

from backscroll.core.errors import BadField, Question, Unreadable
from backscroll.core.events import (
    ChatSeen,
    ContactSeen,
    Event,
    MessageEdited,
    MessageSeen,
    NumberMapped,
    PhoneSeen,
    ReactionSet,
    Target,
)
from backscroll.core.model import Call, Location, Media, Message, MessageKey, Quote
from backscroll.ingest.connectors.foreign.rows import Skipped
from backscroll.ingest.connectors.foreign.times import instant
from backscroll.ingest.connectors.gowa.database import count, read
from backscroll.ingest.connectors.gowa.files import opened

ME = "628111@s.whatsapp.net"
OTHER_ME = "628999@s.whatsapp.net"
BOB = "628222@s.whatsapp.net"
CAROL = "628333@s.whatsapp.net"
GROUP = "120363025246125486@g.us"
TEN_THIRTY = 1_768_473_000_000_000
"""2026-01-15 10:30:00 UTC: 20,468 days and 37,800 seconds after 1970."""
AT = "2026-01-15 10:30:00+00:00"
SECOND = 1_000_000

E = TypeVar("E")


def told(path: Path, whatsapp: Path | None = None, *, account: str | None = None) -> tuple[list[Event], list[Skipped]]:
    skipped: list[Skipped] = []
    batches = list(read(path, whatsapp, account=account, on_skip=skipped.append))
    return [event for batch in batches for event in batch.events], skipped


def all_of(kind: type[E], path: Path, whatsapp: Path | None = None, *, account: str | None = None) -> list[E]:
    events, skipped = told(path, whatsapp, account=account)
    assert skipped == []
    return [event for event in events if isinstance(event, kind)]


def messages(path: Path, whatsapp: Path | None = None, *, account: str | None = None) -> list[Message]:
    return [seen.message for seen in all_of(MessageSeen, path, whatsapp, account=account)]


def the_message(store: ChatStorage, *, whatsapp: Path | None = None) -> Message:
    (message,) = messages(store.done(), whatsapp)
    return message


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "chatstorage.db"


@pytest.fixture
def store(path: Path) -> ChatStorage:
    return ChatStorage(path, device=ME)


@pytest.fixture
def whatsapp(tmp_path: Path) -> WhatsAppDb:
    return WhatsAppDb(tmp_path / "whatsapp.db").device("628111:12@s.whatsapp.net", "999111:12@lid", "Ann")


# versions


@pytest.mark.parametrize("version", ["7.1", "7.11", "hybrid", "8.0", "8.1", "8.3", "8.6", "8.11", "9.2"])
def test_every_version_in_the_wild_tells_the_same_chat(path: Path, version: Version) -> None:
    store = ChatStorage(path, version, device=ME)
    store.chat(BOB, "Bob", created_at=AT, updated_at="2026-01-15 10:31:00+00:00", ephemeral_expiration=86400)
    store.message("A1", BOB, BOB, "hello", AT, created_at=AT, updated_at="2026-01-15 10:31:00+00:00")
    store.message("A2", BOB, ME, "hi", "2026-01-15 10:30:01+00:00", is_from_me=True, created_at=AT, updated_at=AT)
    account = "+62 8111" if version in WITHOUT_DEVICES else None

    assert count(store.done()) == 2
    events, skipped = told(path, account=account)

    assert skipped == []
    phone, chat, first, second = events
    assert phone == PhoneSeen(jid=ME)
    assert chat == ChatSeen(
        phone=ME,
        chat=BOB,
        at=TEN_THIRTY + 60 * SECOND,
        name="Bob",
        archived=None if version in (*WITHOUT_DEVICES, "8.0") else False,
        ephemeral_seconds=86400,
        created_at=TEN_THIRTY,
        updated_at=TEN_THIRTY + 60 * SECOND,
        last_message_at=TEN_THIRTY,
    )
    assert isinstance(first, MessageSeen)
    assert first.message.key == MessageKey(phone=ME, chat=BOB, id="A1", sender=BOB)
    assert (first.message.text, first.message.kind, first.message.sent_at) == ("hello", "text", TEN_THIRTY)
    assert first.message.details.created_at == TEN_THIRTY
    assert first.message.details.updated_at == TEN_THIRTY + 60 * SECOND
    assert isinstance(second, MessageSeen)
    assert second.message.key == MessageKey(phone=ME, chat=BOB, id="A2", sender=ME)
    assert second.message.from_me


# whose messages


def test_a_v7_file_asks_for_the_account_when_nothing_tells_it(path: Path) -> None:
    ChatStorage(path, "7.11").message("A1", BOB, "628222", "hello", AT).done()
    with pytest.raises(Question, match=r"which WhatsApp number is it\? Answer with --account\."):
        told(path)


def test_a_v7_file_takes_the_account_from_its_outgoing_messages(path: Path) -> None:
    store = ChatStorage(path, "7.1").message("A1", BOB, "628222", "hello", AT)
    store.message("A2", BOB, "628111:7@s.whatsapp.net", "hi", AT, is_from_me=True).done()
    assert {message.key.phone for message in messages(path)} == {ME}


def test_a_hybrid_file_takes_the_only_device(path: Path) -> None:
    store = ChatStorage(path, "hybrid").message("A1", BOB, "628222", "hello", AT)
    store.add("devices", device_id="my-device", jid=ME, display_name="Shop", created_at=AT).done()
    phone, message = told(path)[0]
    assert phone == PhoneSeen(jid=ME, device_id="my-device", name="Shop", created_at=TEN_THIRTY)
    assert isinstance(message, MessageSeen)
    assert message.message.key.phone == ME


def test_a_v7_file_takes_the_only_account_of_whatsapp_db(path: Path, whatsapp: WhatsAppDb) -> None:
    ChatStorage(path, "7.11").message("A1", BOB, "628222", "hello", AT).done()
    assert [message.key.phone for message in messages(path, whatsapp.done())] == [ME]


def test_a_device_that_contradicts_the_outgoing_messages_is_asked_about(path: Path) -> None:
    store = ChatStorage(path, "hybrid").message("A1", BOB, "628111", "hi", AT, is_from_me=True)
    store.add("devices", device_id="new", jid=OTHER_ME).done()
    with pytest.raises(Question):
        told(path)
    assert [message.key.phone for message in messages(path, account="628111")] == [ME]


def test_an_account_that_is_no_number_is_refused(path: Path) -> None:
    ChatStorage(path, "7.11").message("A1", BOB, "628222", "hello", AT).done()
    with pytest.raises(BadField, match="phone number"):
        told(path, account="my-device")


def test_a_slot_id_leads_to_the_account_of_its_device(path: Path) -> None:
    store = ChatStorage(path, device="my-device").message("A1", BOB, BOB, "hello", AT)
    store.add("devices", device_id="my-device", jid="", ad_jid="628111:3@s.whatsapp.net", created_at=AT)
    assert the_message(store).key.phone == ME


def test_a_logged_out_slot_is_known_by_its_outgoing_messages(path: Path) -> None:
    store = ChatStorage(path, device="my-device").message("A1", BOB, BOB, "hello", AT)
    store.message("A2", BOB, ME, "hi", AT, is_from_me=True)
    store.add("devices", device_id="my-device", jid="", created_at=AT).done()
    assert all_of(PhoneSeen, path) == [PhoneSeen(jid=ME, device_id="my-device", created_at=TEN_THIRTY)]


def test_a_logged_out_slot_without_outgoing_messages_is_asked_about(path: Path) -> None:
    ChatStorage(path, device="my-device").message("A1", BOB, BOB, "hello", AT).done()
    with pytest.raises(Question, match="my-device"):
        told(path)
    assert [message.key.phone for message in messages(path, account="628111")] == [ME]


def test_one_answer_is_not_taken_for_two_unknown_slots(path: Path) -> None:
    store = ChatStorage(path, device="one").message("A1", BOB, BOB, "hello", AT)
    store.message("B1", CAROL, CAROL, "hello", AT, device_id="two").done()
    with pytest.raises(Question, match="one, two"):
        told(path, account="628111")
    phones = {message.key.id: message.key.phone for message in messages(path, account="one=628111,two=+628999")}
    assert phones == {"A1": ME, "B1": OTHER_ME}


def test_one_group_in_two_accounts_is_two_phones_and_two_messages(path: Path) -> None:
    store = ChatStorage(path, device=ME).chat(GROUP, "Team").chat(GROUP, "Team", device_id=OTHER_ME)
    store.message("A1", GROUP, BOB, "hello", AT).message("A1", GROUP, BOB, "hello", AT, device_id=OTHER_ME).done()
    assert [phone.jid for phone in all_of(PhoneSeen, path)] == [ME, OTHER_ME]
    assert [message.key for message in messages(path)] == [
        MessageKey(ME, GROUP, "A1", BOB),
        MessageKey(OTHER_ME, GROUP, "A1", BOB),
    ]
    assert [chat.phone for chat in all_of(ChatSeen, path)] == [ME, OTHER_ME]


# senders


@pytest.mark.parametrize(
    ("chat", "sender", "known_as"),
    [
        (GROUP, "628222", BOB),
        (GROUP, "628222:14@s.whatsapp.net", BOB),
        (GROUP, "628222:14", BOB),
        (GROUP, GROUP, None),
        (GROUP, "120363025246125486", None),
        (GROUP, "", None),
        (GROUP, "777222@lid", "777222@lid"),
        (GROUP, "777222", "777222@lid"),
        ("777222@lid", "777222", "777222@lid"),
        (BOB, "", BOB),
        ("status@broadcast", BOB, BOB),
        ("120363144038483540@newsletter", "120363144038483540@newsletter", None),
    ],
)
def test_senders_are_people_or_nobody(
    store: ChatStorage, whatsapp: WhatsAppDb, chat: str, sender: str, known_as: str | None
) -> None:
    whatsapp.add("whatsmeow_lid_map", lid="777222", pn="628222")
    store.message("A1", chat, sender, "hello", AT)
    message = the_message(store, whatsapp=whatsapp.done())
    assert message.key == MessageKey(ME, chat, "A1", known_as)
    assert message.details.is_status is (True if chat == "status@broadcast" else None)


def test_an_own_message_is_from_the_account_whatever_its_row_says(store: ChatStorage) -> None:
    assert the_message(store.message("A1", GROUP, GROUP, "hi", AT, is_from_me=1)).key.sender == ME


# kinds


def test_media_keep_all_that_is_needed_to_fetch_them(store: ChatStorage) -> None:
    store.message(
        "A1",
        BOB,
        BOB,
        "look",
        AT,
        media_type="image",
        filename="image_20260115_103000.jpg",
        url="https://mmg.whatsapp.net/x.enc",
        direct_path="/v/t62/x.enc",
        media_key=b"\x00" * 31 + b"\x01",
        file_sha256=b"\xab" * 32,
        file_enc_sha256=b"\xcd" * 32,
        file_length=12345,
    )
    message = the_message(store)
    assert (message.kind, message.text) == ("image", "look")
    assert message.details.media == Media(
        size=12345,
        filename="image_20260115_103000.jpg",
        url="https://mmg.whatsapp.net/x.enc",
        direct_path="/v/t62/x.enc",
        media_key="AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE=",
        sha256="ab" * 32,
        enc_sha256="cd" * 32,
    )


@pytest.mark.parametrize(
    ("media_type", "kind"),
    [
        ("video", "video"),
        ("video_note", "video_note"),
        ("audio", "audio"),
        ("ptt", "voice"),
        ("document", "document"),
        ("sticker", "sticker"),
        (None, "text"),
        ("hologram", "unknown"),
    ],
)
def test_media_types_become_kinds(store: ChatStorage, media_type: str | None, kind: str) -> None:
    message = the_message(store.message("A1", BOB, BOB, "", AT, media_type=media_type))
    assert (message.kind, message.text) == (kind, None)
    assert message.details.type_name == ("hologram" if kind == "unknown" else None)


def test_a_call_keeps_what_is_known_of_it(store: ChatStorage) -> None:
    metadata = '{"call_id":"C1","auto_rejected":true,"remote_platform":"android"}'
    store.message("call:C1", BOB, BOB, "Incoming call", AT, media_type="call", call_metadata=metadata)
    message = the_message(store)
    assert (message.key.id, message.kind, message.text) == ("call:C1", "call", "Incoming call")
    assert message.details.call == Call(
        outgoing=False,
        result="rejected",
        metadata={"call_id": "C1", "auto_rejected": True, "remote_platform": "android"},
    )


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Contact: Bob Smith (+62 822-2)", "contact"),
        ("Contacts: Bob (628222), Carol (628333)", "contacts"),
        ("Contact: me tomorrow", "text"),
        ("Contact: Bob (628222)\nand call him", "text"),
    ],
)
def test_contact_cards_are_known_by_their_summary(store: ChatStorage, text: str, kind: str) -> None:
    message = the_message(store.message("A1", BOB, BOB, text, AT))
    assert (message.kind, message.text) == (kind, text)


@pytest.mark.parametrize(
    ("text", "name", "address"),
    [
        ("Monas — Jl. Medan — Jakarta — https://maps.google.com/?q=-6.1754,106.8272", "Monas", "Jl. Medan — Jakarta"),
        ("Monas — https://maps.google.com/?q=-6.1754,106.8272", "Monas", None),
        ("https://maps.google.com/?q=-6.1754,106.8272", None, None),
    ],
)
def test_locations_are_known_by_their_summary(
    store: ChatStorage, text: str, name: str | None, address: str | None
) -> None:
    message = the_message(store.message("A1", BOB, BOB, text, AT))
    assert (message.kind, message.text) == ("location", text)
    assert message.details.location == Location(
        latitude=-6.1754,
        longitude=106.8272,
        name=name,
        address=address,
        url="https://maps.google.com/?q=-6.1754,106.8272",
    )


def test_a_link_to_a_map_inside_a_sentence_is_text(store: ChatStorage) -> None:
    text = "see https://maps.google.com/?q=-6.1,106.8 please"
    assert the_message(store.message("A1", BOB, BOB, text, AT)).kind == "text"


def test_a_referral_and_an_answer_are_kept(store: ChatStorage) -> None:
    store.add("schema_info", version=49)
    store.db.execute("ALTER TABLE messages ADD COLUMN context_metadata TEXT DEFAULT ''")
    store.message(
        "A1", BOB, BOB, "hi", AT, referral_metadata='{"ctwa_clid":"X"}', context_metadata='{"replied_to_id":"A0"}'
    )
    details = the_message(store).details
    assert details.referral == {"ctwa_clid": "X"}
    assert details.quoted == Quote(id="A0")


def test_nul_in_a_text_is_replaced_and_marked(store: ChatStorage) -> None:
    message = the_message(store.message("A1", BOB, BOB, "a\0b", AT))
    assert (message.text, message.details.altered) == ("a\ufffdb", True)


# reactions and edits


def test_reactions_follow_their_message(store: ChatStorage) -> None:
    store.message("A1", GROUP, BOB, "hello", AT)
    store.reaction("A1", GROUP, CAROL, "👍", "2026-01-15 10:30:05+00:00")
    store.reaction("A1", GROUP, ME, "❤️", "2026-01-15 10:30:06+00:00", is_from_me=True)
    store.reaction("GONE", GROUP, CAROL, "👍", "2026-01-15 10:30:07+00:00")
    assert all_of(ReactionSet, store.done()) == [
        ReactionSet(target=Target(ME, GROUP, "A1", BOB), by=CAROL, emoji="👍", at=TEN_THIRTY + 5 * SECOND),
        ReactionSet(target=Target(ME, GROUP, "A1", BOB), by=ME, emoji="❤️", at=TEN_THIRTY + 6 * SECOND),
        ReactionSet(target=Target(ME, GROUP, "GONE"), by=CAROL, emoji="👍", at=TEN_THIRTY + 7 * SECOND),
    ]


def test_a_reaction_belongs_to_the_message_of_its_own_account(path: Path) -> None:
    store = ChatStorage(path, device=ME).message("A1", GROUP, BOB, "hello", AT)
    store.message("A1", GROUP, BOB, "hello", AT, device_id=OTHER_ME)
    store.reaction("A1", GROUP, CAROL, "👍", AT, device_id=OTHER_ME)
    assert [reaction.target.phone for reaction in all_of(ReactionSet, store.done())] == [OTHER_ME]


def test_an_edited_message_is_told_with_its_first_text_and_every_edit(store: ChatStorage) -> None:
    store.message("A1", BOB, BOB, "three", AT)
    store.edit("A1", "E2", BOB, BOB, "two", "three", "2026-01-15 10:32:00+00:00")
    store.edit("A1", "E1", BOB, "628222:3@s.whatsapp.net", "one", "two", "2026-01-15 10:31:00+00:00")
    events, skipped = told(store.done())
    assert skipped == []
    _, seen, first, second = events
    assert isinstance(seen, MessageSeen)
    assert seen.message.text == "one"
    target = Target(ME, BOB, "A1", BOB)
    assert first == MessageEdited(target=target, text="two", at=TEN_THIRTY + 60 * SECOND, id="E1", by=BOB)
    assert second == MessageEdited(target=target, text="three", at=TEN_THIRTY + 120 * SECOND, id="E2", by=BOB)


def test_a_newer_text_than_the_last_edit_is_told_as_an_edit(store: ChatStorage) -> None:
    store.message("A1", BOB, BOB, "three", AT, updated_at="2026-01-15 10:40:00+00:00")
    store.edit("A1", "E1", BOB, BOB, "one", "two", "2026-01-15 10:31:00+00:00")
    assert [(edit.text, edit.at) for edit in all_of(MessageEdited, store.done())] == [
        ("two", TEN_THIRTY + 60 * SECOND),
        ("three", TEN_THIRTY + 600 * SECOND),
    ]


def test_a_row_that_went_back_to_its_first_text_stays_edited(store: ChatStorage) -> None:
    store.message("A1", BOB, BOB, "one", AT, updated_at="2026-01-15 10:40:00+00:00")
    store.edit("A1", "E1", BOB, BOB, "one", "two", "2026-01-15 10:31:00+00:00")
    assert [edit.text for edit in all_of(MessageEdited, store.done())] == ["two"]


# chats and people


def test_whatsapp_db_tells_people_numbers_and_settings(store: ChatStorage, whatsapp: WhatsAppDb) -> None:
    store.chat(BOB, "628222", archived=True, updated_at=AT, created_at=AT)
    whatsapp.add("whatsmeow_lid_map", lid="777222", pn="628222")
    ours = "628111:12@s.whatsapp.net"
    whatsapp.add("whatsmeow_contacts", our_jid=ours, their_jid=BOB, full_name="Bob Smith", push_name="bobby")
    whatsapp.add("whatsmeow_contacts", our_jid=ours, their_jid=CAROL, full_name="", business_name="Carol's")
    whatsapp.add("whatsmeow_contacts", our_jid=ours, their_jid="628444@s.whatsapp.net", push_name="")
    whatsapp.add("whatsmeow_chat_settings", our_jid=ours, chat_jid=BOB, muted_until=-1, pinned=1)
    whatsapp.add("whatsmeow_chat_settings", our_jid=ours, chat_jid=GROUP, muted_until=1768473000, archived=1)
    whatsapp.add("whatsmeow_chat_settings", our_jid=ours, chat_jid=CAROL)

    events, skipped = told(store.done(), whatsapp.done())

    assert skipped == []
    assert events == [
        PhoneSeen(jid=ME, name="Ann"),
        NumberMapped(lid="999111@lid", jid=ME),
        NumberMapped(lid="777222@lid", jid=BOB),
        ContactSeen(jid=BOB, phone=ME, name="Bob Smith", push_name="bobby", is_saved=True),
        ContactSeen(jid=CAROL, phone=ME, business_name="Carol's", is_business=True),
        ChatSeen(
            phone=ME,
            chat=BOB,
            at=TEN_THIRTY,
            archived=False,
            pinned=True,
            muted_until=253_402_300_799_000_000,
            created_at=TEN_THIRTY,
            updated_at=TEN_THIRTY,
            last_message_at=TEN_THIRTY,
        ),
        ChatSeen(phone=ME, chat=GROUP, archived=True, pinned=False, muted_until=TEN_THIRTY),
    ]


@pytest.mark.parametrize("name", ["", "Group 120363025246125486", "120363025246125486"])
def test_a_name_that_gowa_made_up_is_no_name(store: ChatStorage, name: str) -> None:
    (chat,) = all_of(ChatSeen, store.chat(GROUP, name).done())
    assert chat.name is None


def test_chats_without_messages_and_messages_without_chats_are_told(store: ChatStorage) -> None:
    store.chat(CAROL, "Carol", last="0001-01-01 00:00:00+00:00").message("A1", BOB, BOB, "hello", AT)
    events, _ = told(store.done())
    assert [type(event) for event in events] == [PhoneSeen, ChatSeen, MessageSeen]


# times


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("2026-01-15 10:30:00+00:00", TEN_THIRTY),
        ("2026-01-15 10:30:00", TEN_THIRTY),
        ("2026-01-15T10:30:00Z", TEN_THIRTY),
        ("2026-01-15 17:30:00.123456789+07:00", TEN_THIRTY + 123_456),
        ("2026-01-15 16:00:00.5+05:30", TEN_THIRTY + 500_000),
        ("2026-01-15 10:30:00 +0000 UTC", TEN_THIRTY),
        ("2026-01-15 17:30:00.25 +0700 WIB m=+12.3", TEN_THIRTY + 250_000),
        ("2026-01-15 07:30:00.000001 -0300 -03 m=-0.000000001", TEN_THIRTY + 1),
        ("1969-12-31 23:59:59.999999+00:00", -1),
        ("0001-01-01 00:00:00+00:00", None),
        ("0001-01-01 00:00:00 +0000 UTC", None),
    ],
)
def test_times_are_read_in_every_spelling_of_gos_drivers(text: str, micros: int | None) -> None:
    assert instant(text) == micros


@pytest.mark.parametrize("text", ["", "soon", "2026-13-15 10:30:00+00:00", "2026-01-15 25:00:00 +0000 UTC"])
def test_what_is_no_time_is_not_guessed(text: str) -> None:
    with pytest.raises(ValueError):
        instant(text)


def test_messages_come_oldest_first_by_instant_not_by_spelling(store: ChatStorage) -> None:
    store.message("third", BOB, BOB, "3", "2026-01-15 10:30:02 +0000 UTC")
    store.message("first", BOB, BOB, "1", "2026-01-15 17:30:00+07:00")
    store.message("second", BOB, BOB, "2", "2026-01-15 05:30:01-05:00")
    assert [message.key.id for message in messages(store.done())] == ["first", "second", "third"]


# what cannot be read


def test_a_row_that_cannot_be_told_is_named_and_kept_in_the_payload(store: ChatStorage) -> None:
    store.message("A1", BOB, b"\x01\x02", "no sender", AT)  # type: ignore[arg-type]
    store.message("A2", BOB, BOB, "fine", AT)
    skipped: list[Skipped] = []
    batches = list(read(store.done(), on_skip=skipped.append))
    assert [str(one) for one in skipped] == ["messages row 1 (A1): sender is a blob, not text"]
    assert not skipped[0].kept
    raw = b"\n".join(batch.raw or b"" for batch in batches).splitlines()
    (row,) = [json.loads(line)["row"] for line in raw if b'"A1"' in line]
    assert row["sender"] == {"base64": "AQI="}
    assert row["content"] == "no sender"


def test_text_that_is_not_utf8_is_told_as_far_as_it_can_be_read(store: ChatStorage) -> None:
    store.add_broken_text(
        "messages", "content", b"caf\xe9!", id="A1", chat_jid=BOB, sender=BOB, timestamp=AT, device_id=ME
    )
    events, skipped = told(store.done())
    (message,) = [event.message for event in events if isinstance(event, MessageSeen)]
    assert (message.text, message.details.altered) == ("caf\ufffd!", True)
    assert [(one.column, one.kept) for one in skipped] == [("content", True)]


def test_a_message_without_a_usable_time_is_dated_by_its_storing(store: ChatStorage) -> None:
    store.message("A1", BOB, BOB, "hello", "2026-99-99 10:30:00", created_at=AT)
    store.message("A2", BOB, BOB, "hello", "0001-01-01 00:00:00+00:00", created_at=AT)
    store.message("A3", BOB, BOB, "hello", "soon", created_at="0001-01-01 00:00:00+00:00")
    events, skipped = told(store.done())
    seen = [event.message for event in events if isinstance(event, MessageSeen)]
    assert [(message.key.id, message.sent_at) for message in seen] == [("A1", TEN_THIRTY), ("A2", TEN_THIRTY)]
    assert {(one.name, one.kept) for one in skipped} == {("A1", True), ("A2", True), ("A3", True), ("A3", False)}


def test_edits_and_reactions_outlive_their_unreadable_message(store: ChatStorage) -> None:
    store.message("A1", BOB, b"\x01", "two", AT)  # type: ignore[arg-type]
    store.edit("A1", "E1", BOB, BOB, "one", "two", AT).reaction("A1", BOB, BOB, "👍", AT)
    events, _ = told(store.done())
    assert [type(event) for event in events] == [PhoneSeen, MessageEdited, ReactionSet]


def test_skipped_rows_are_logged_when_nobody_listens(store: ChatStorage, caplog: pytest.LogCaptureFixture) -> None:
    store.message("A1", BOB, b"\x01", "private words", AT)  # type: ignore[arg-type]
    list(read(store.done()))
    assert "messages row 1 (A1): sender is a blob, not text" in caplog.text
    assert "private words" not in caplog.text


# payloads


def test_the_payload_keeps_unmapped_columns_and_media_keys_but_no_secret(
    store: ChatStorage, whatsapp: WhatsAppDb
) -> None:
    store.db.execute("ALTER TABLE messages ADD COLUMN mood TEXT")
    store.message("A1", BOB, BOB, "", AT, media_type="image", media_key=b"\x07" * 32, mood="good")
    store.add("devices", device_id="my-device", jid=ME, webhook_secret="hush", webhook_url="https://u:pw@example.org")
    store.add("chatwoot_device_configs", api_token="token-in-clear")
    raw = b"\n".join(batch.raw or b"" for batch in read(store.done(), whatsapp.done()))
    row = next(json.loads(line)["row"] for line in raw.splitlines() if b'"A1"' in line)
    assert row["mood"] == "good"
    assert row["media_key"] == {"base64": "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc="}
    assert row["timestamp"] == AT
    for secret in (b"hush", b"example.org", b"token-in-clear", b"PRIVATE", b"noise_key"):
        assert secret not in raw


def test_batches_are_no_larger_than_asked(store: ChatStorage) -> None:
    for number in range(25):
        store.message(f"A{number:02}", BOB, BOB, "hello", f"2026-01-15 10:30:{number:02}+00:00")
    sizes = [len(batch.events) for batch in read(store.done(), batch_size=10)]
    assert sizes == [1, 10, 10, 5]


# files


def fingerprints(folder: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir() if file.is_file()}


def test_a_write_ahead_log_beside_the_file_is_read_and_nothing_is_touched(tmp_path: Path) -> None:
    live, copy = tmp_path / "live", tmp_path / "copy"
    live.mkdir()
    copy.mkdir()
    store = ChatStorage(live / "chatstorage.db", device=ME, wal=True).message("A1", BOB, BOB, "in the log", AT)
    store.commit()
    for suffix in ("", "-wal"):
        (copy / f"chatstorage.db{suffix}").write_bytes((live / f"chatstorage.db{suffix}").read_bytes())
    before = fingerprints(copy)
    assert [message.text for message in messages(copy / "chatstorage.db")] == ["in the log"]
    assert fingerprints(copy) == before
    store.db.close()


def test_a_running_gowa_is_read_as_it_was_at_one_moment(path: Path) -> None:
    store = ChatStorage(path, device=ME, wal=True)
    store.message("A1", BOB, BOB, "before", AT).message("A2", BOB, BOB, "before", AT).commit()
    batches = read(path)
    next(batches)
    store.message("A3", BOB, BOB, "meanwhile", AT).commit()
    assert sum(len(batch.events) for batch in batches) == 2
    assert len(messages(path)) == 3
    store.db.close()


def test_a_log_that_cannot_be_shared_is_read_from_a_copy(tmp_path: Path) -> None:
    live = tmp_path / "live"
    live.mkdir()
    store = ChatStorage(live / "chatstorage.db", device=ME, wal=True).message("A1", BOB, BOB, "hello", AT).commit()
    copy = tmp_path / "chatstorage.db"
    for suffix in ("", "-wal"):
        copy.with_name(copy.name + suffix).write_bytes((live / f"chatstorage.db{suffix}").read_bytes())
    (tmp_path / "chatstorage.db-shm").mkdir()
    assert len(messages(copy)) == 1
    store.db.close()


def test_a_file_without_its_log_leaves_no_files_behind(path: Path) -> None:
    ChatStorage(path, device=ME, wal=True).message("A1", BOB, BOB, "hello", AT).done()
    assert os.listdir(path.parent) == ["chatstorage.db"]
    assert len(messages(path)) == 1
    assert os.listdir(path.parent) == ["chatstorage.db"]


def test_an_interrupted_write_is_rolled_back_in_a_copy(tmp_path: Path) -> None:
    store = ChatStorage(tmp_path / "chatstorage.db", device=ME).message("A1", BOB, BOB, "whole", AT).commit()
    store.db.execute("PRAGMA cache_size = 1")
    for number in range(2000):
        store.message(f"B{number}", BOB, BOB, "half written " * 20, AT)
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    for suffix in ("", "-journal"):
        (crashed / f"chatstorage.db{suffix}").write_bytes((tmp_path / f"chatstorage.db{suffix}").read_bytes())
    store.db.rollback()
    store.db.close()
    before = fingerprints(crashed)
    assert [message.text for message in messages(crashed / "chatstorage.db")] == ["whole"]
    assert fingerprints(crashed) == before


def test_a_file_that_is_no_gowa_database_is_refused_with_a_remedy(path: Path, whatsapp: WhatsAppDb) -> None:
    with pytest.raises(Unreadable, match="there is no such file"):
        told(path)
    path.write_bytes(b"")
    with pytest.raises(Unreadable, match="the file is empty"):
        told(path)
    path.write_bytes(b"jid,name\n" * 100)
    with pytest.raises(Unreadable, match="this is not an SQLite database"):
        told(path)
    with pytest.raises(Unreadable, match=r"this is GOWA's whatsapp\.db"):
        told(whatsapp.done())
    other = GowaFile(path.with_name("other.db"), ["CREATE TABLE messages_fts (x)"]).done()
    with pytest.raises(Unreadable, match=r"not a GOWA database; name the file chatstorage\.db"):
        count(other)


def test_swapped_files_are_told_apart(store: ChatStorage, whatsapp: WhatsAppDb) -> None:
    file = store.done()
    with pytest.raises(Unreadable, match=r"this is GOWA's chatstorage\.db; name the file whatsapp\.db"):
        told(file, file)


def test_a_foreign_messages_table_is_refused(path: Path) -> None:
    GowaFile(path, ["CREATE TABLE messages (key_id TEXT, data TEXT)"]).done()
    with pytest.raises(Unreadable, match="not a GOWA database"):
        told(path)


def test_a_file_cut_off_on_the_way_is_refused(store: ChatStorage) -> None:
    for number in range(200):
        store.message(f"A{number}", BOB, BOB, "hello " * 50, AT)
    path = store.done()
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(Unreadable, match=r"the file is cut off \(\d+ of \d+ bytes\)"):
        told(path)


def test_a_damaged_page_is_named_after_what_could_be_read(store: ChatStorage) -> None:
    for number in range(400):
        store.message(f"A{number}", BOB, BOB, "hello " * 50, AT)
    path = store.done()
    with sqlite3.connect(path) as db:
        page = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'messages'").fetchone()[0]
        size = db.execute("PRAGMA page_size").fetchone()[0]
    db.close()
    raw = bytearray(path.read_bytes())
    raw[(page - 1) * size : page * size] = b"\xff" * size
    path.write_bytes(raw)
    with pytest.raises(Unreadable, match=r"chatstorage\.db: .*malformed; copy the file again"):
        told(path)


# Hostile rows and files


@pytest.mark.parametrize(
    ("column", "value", "problem"),
    [
        ("id", "X" * 600, "1 to 512 characters"),
        ("chat_jid", "1" * 600 + "@s.whatsapp.net", "at most 512 characters"),
        ("timestamp", "9999-12-31 23:59:59-12:00", "years 1 and 9999"),
    ],
)
def test_a_row_that_no_archive_could_keep_is_left_out_by_itself(
    store: ChatStorage, path: Path, column: str, value: object, problem: str
) -> None:
    for number in range(3):
        store.message(f"A{number}", BOB, BOB, "hello", AT)
    db = sqlite3.connect(store.done())
    db.execute(f"UPDATE messages SET {column} = ? WHERE id = 'A1'", (value,))
    db.commit()
    db.close()
    events, skipped = told(path)
    assert [event.message.key.id for event in events if isinstance(event, MessageSeen)] == ["A0", "A2"]
    (row,) = skipped
    assert (row.kept, row.table) == (False, "messages")
    assert problem in str(row)
    assert msgspec.json.decode(row.payload)["row"][column] == value


def test_a_number_that_is_no_time_does_not_stop_the_others(store: ChatStorage, path: Path) -> None:
    store.message("A0", BOB, BOB, "hello", AT).message("A1", BOB, BOB, "late", AT).done()
    db = sqlite3.connect(path)
    db.execute("UPDATE messages SET timestamp = 10000000000000000 WHERE id = 'A1'")
    db.commit()
    db.close()
    events, skipped = told(path)
    assert {event.message.key.id for event in events if isinstance(event, MessageSeen)} >= {"A0"}
    assert skipped


def test_a_row_of_many_megabytes_is_left_out_and_the_others_are_read(
    store: ChatStorage, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backscroll.ingest.connectors.foreign.sqlite._MAX_ROW", 1 << 20)
    for number in range(5):
        store.message(f"A{number}", BOB, BOB, "hello", AT)
    db = sqlite3.connect(store.done())
    db.execute("UPDATE messages SET media_key = zeroblob(3000000) WHERE id IN ('A1', 'A4')")
    db.commit()
    db.close()
    events, skipped = told(path)
    assert [event.message.key.id for event in events if isinstance(event, MessageSeen)] == ["A0", "A2", "A3"]
    assert [(row.column, row.problem, row.kept) for row in skipped] == [("row", "is too large", False)] * 2


def test_a_time_too_large_to_sort_by_costs_its_row_alone(
    store: ChatStorage, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backscroll.ingest.connectors.foreign.sqlite._MAX_ROW", 1 << 20)
    store.message("A0", BOB, BOB, "hello", AT).message("A1", BOB, BOB, "hello", AT).done()
    db = sqlite3.connect(path)
    db.execute("UPDATE messages SET timestamp = zeroblob(3000000) WHERE id = 'A0'")
    db.commit()
    db.close()
    events, skipped = told(path)
    assert [event.message.key.id for event in events if isinstance(event, MessageSeen)] == ["A1"]
    assert len(skipped) == 1


ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n)"


@pytest.mark.parametrize("table", ["messages", "message_reactions", "chats"])
def test_a_view_is_no_table(store: ChatStorage, path: Path, table: str) -> None:
    store.message("A0", BOB, BOB, "hello", AT).done()
    db = sqlite3.connect(path)
    names = [name for _, name, *_ in db.execute(f"PRAGMA table_info({table})")] or ["message_id"]
    db.execute(f"DROP TABLE IF EXISTS {table}")
    db.execute(f"CREATE VIEW {table} AS {ENDLESS} SELECT {', '.join(f'x AS {name}' for name in names)} FROM n")
    db.commit()
    db.close()
    if table == "messages":
        with pytest.raises(Unreadable, match="not a GOWA database"):
            told(path)
    else:
        assert [event.message.key.id for event in told(path)[0] if isinstance(event, MessageSeen)] == ["A0"]


def test_a_statement_that_comes_to_no_row_is_given_up(store: ChatStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backscroll.ingest.connectors.foreign.sqlite._MAX_SECONDS", 0.2)
    path = store.message("A0", BOB, BOB, "hello", AT).done()
    with opened(path, "chatstorage.db", needed="messages") as file, pytest.raises(Unreadable, match="without a row"):
        file.one(f"{ENDLESS} SELECT count(*) FROM n")
