"""wacli's archive: every kind of row, in its first schema and in today's."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from told_pieces import Told, events_of, of, told_by
from whatsmeow_files import GoFile, Shape, session

from backscroll.core.errors import BadField, Question, Unreadable
from backscroll.core.events import (
    ChatSeen,
    ContactSeen,
    Event,
    MessageEdited,
    MessageRevoked,
    MessageSeen,
    NumberMapped,
    PhoneSeen,
    PollVoted,
    ReactionSet,
    Target,
)
from backscroll.core.model import Call, Location, Member, Message, MessageKey, Poll, Quote
from backscroll.ingest.connectors.foreign.pieces import Found
from backscroll.ingest.connectors.wacli.database import look, read

ME, BOB, CY = (f"{number}@s.whatsapp.net" for number in ("4915550001001", "4915550001002", "4915550001003"))
GROUP = "120363001@g.us"
AT = 1_760_000_000
US = 1_000_000


def pieces(path: Path, beside: Path | None = None, **options: Any) -> Told:
    return told_by(read, path, beside, phone=ME, **options)


def told(file: GoFile, beside: Path | None = None) -> list[Event]:
    """All events of a file, which must all be readable."""
    return events_of(pieces(file.done(), beside))


def say(file: GoFile, id: str, text: str | None = None, chat: str = BOB, **values: Any) -> GoFile:
    usual: dict[str, Any] = {"sender_jid": BOB, "ts": AT, "from_me": 0}
    return file.row("messages", chat_jid=chat, msg_id=id, text=text, **usual | values)


def one_message(file: GoFile) -> Message:
    (seen,) = of(MessageSeen, told(file))
    return seen.message


@pytest.fixture(params=["wacli-first", "wacli"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> GoFile:
    shape: Shape = request.param
    return GoFile(tmp_path / "wacli.db", shape)


@pytest.fixture
def newest(tmp_path: Path) -> GoFile:
    return GoFile(tmp_path / "wacli.db", "wacli")


def test_a_text_received_and_one_sent(file: GoFile) -> None:
    say(file, "A1", "Hello")
    say(file, "A2", "Yes", sender_jid="4915550001001:7@s.whatsapp.net", from_me=1, ts=AT + 1)
    events = told(file)
    first, second = (seen.message for seen in of(MessageSeen, events))
    assert events[0] == PhoneSeen(jid=ME)
    assert (first.key, first.sent_at, first.text) == (MessageKey(ME, BOB, "A1", BOB), AT * US, "Hello")
    assert (second.key.sender, second.from_me) == (ME, True)


@pytest.mark.parametrize(
    ("media_type", "mimetype", "kind"),
    [
        ("image", "image/jpeg", "image"),
        ("gif", "video/mp4", "video"),
        ("audio", "audio/mp4", "audio"),
        ("audio", "audio/ogg; codecs=opus", "voice"),
        ("document", "application/pdf", "document"),
        ("sticker", "image/webp", "sticker"),
        ("hologram", "", "unknown"),
    ],
)
def test_the_kind_by_waclis_word(file: GoFile, media_type: str, mimetype: str, kind: str) -> None:
    say(file, "A1", None, media_type=media_type, media_caption="Look", mime_type=mimetype)
    message = one_message(file)
    assert (message.kind, message.text) == (kind, "Look")
    assert message.details.is_gif is (True if media_type == "gif" else None)


def test_a_picture_with_its_file(file: GoFile) -> None:
    hashed, path = hashlib.sha256(b"picture").digest(), "/home/bob/.wacli/media/B/A1.jpg"
    say(file, "A1", None, media_type="image", file_sha256=hashed, media_key=b"k" * 32, file_length=7, local_path=path)
    found, _ = pieces(file.done())
    (piece,) = [piece for piece in found if piece.files]
    (local,) = piece.files
    assert (local.path, local.target, local.media.sha256) == (path, Target(ME, BOB, "A1", BOB), hashed.hex())


def test_reactions_quotes_forwards_and_stars(newest: GoFile) -> None:
    say(newest, "A1", "Yes", GROUP, quoted_msg_id="A0", quoted_sender_jid=CY, is_forwarded=1, forwarding_score=4)
    newest.row("starred", chat_jid=GROUP, msg_id="A1", starred_at=AT)
    say(newest, "R1", "Reacted 👍", GROUP, sender_jid=CY, reaction_to_id="A1", reaction_emoji="👍", ts=AT + 9)
    say(newest, "R2", None, GROUP, from_me=1, reaction_to_id="A1", reaction_emoji="", ts=AT + 10)
    events = told(newest)
    (seen,) = of(MessageSeen, events)
    details = seen.message.details
    assert (details.quoted, details.is_forwarded, details.forwarding_score) == (Quote(id="A0", sender=CY), True, 4)
    assert details.is_starred is True
    assert [(r.by, r.emoji, r.at, r.id) for r in of(ReactionSet, events)] == [
        (CY, "👍", (AT + 9) * US, "R1"),
        (ME, "", (AT + 10) * US, "R2"),
    ]


def test_edits_and_deletions(newest: GoFile) -> None:
    say(newest, "A1", "Three loaves", edited=1, edited_ts=AT + 5)
    say(newest, "A2", "Never mind", revoked=1, deleted_at=AT + 7)
    events = told(newest)
    edited, deleted = (seen.message for seen in of(MessageSeen, events))
    assert (edited.text, edited.details.is_edited) == (None, True)
    assert (deleted.text, deleted.details.is_deleted) == ("Never mind", True)
    assert of(MessageEdited, events) == [
        MessageEdited(target=Target(ME, BOB, "A1", BOB), text="Three loaves", at=(AT + 5) * US)
    ]
    assert of(MessageRevoked, events) == [MessageRevoked(target=Target(ME, BOB, "A2", BOB), at=(AT + 7) * US)]


def test_polls_with_votes_in_both_spellings(newest: GoFile) -> None:
    say(newest, "A1", "Which day?", GROUP)
    newest.row(
        "polls", chat_jid=GROUP, msg_id="A1", question="Which day?", options_json='["Mon", "Tue"]', created_ts=AT
    )
    votes = ((BOB, '["Tue"]'), (CY, '{"selected": ["Mon", "Tue"], "unknown_hashes": ["x"]}'))
    for voter, chosen in votes:
        more = {"vote_msg_id": f"V{voter}", "selected_options_json": chosen, "ts": (AT + 5) * 1000}
        newest.row("poll_votes", chat_jid=GROUP, poll_msg_id="A1", voter_jid=voter, **more)
    events = told(newest)
    (seen,) = of(MessageSeen, events)
    assert seen.message.details.poll == Poll(name="Which day?", options=("Mon", "Tue"), selectable=1)
    assert [(v.by, v.options, v.at) for v in of(PollVoted, events)] == [
        (BOB, ("Tue",), (AT + 5) * US),
        (CY, ("Mon", "Tue"), (AT + 5) * US),
    ]


def test_places_statuses_and_calls(newest: GoFile) -> None:
    say(newest, "A1")
    newest.row("message_locations", chat_jid=BOB, msg_id="A1", latitude=52.5, longitude=13.4, name="Bakery")
    newest.row("status_messages", msg_id="S1", ts=AT, from_me=0, sender_jid=CY, text="Fresh bread")
    call: dict[str, Any] = {"chat_jid": BOB, "sender_jid": BOB, "ts": AT, "media": "video"}
    newest.row("call_events", **call, call_id="C0", event_type="offer")
    newest.row("call_events", **call, call_id="C1", event_type="call_log", direction="inbound", outcome="missed")
    say(newest, "C1", None, ts=AT)
    found = {seen.message.key.id: seen.message for seen in of(MessageSeen, told(newest))}
    assert set(found) == {"A1", "S1", "call:C1"}
    assert (found["A1"].kind, found["A1"].details.location) == (
        "location",
        Location(latitude=52.5, longitude=13.4, name="Bakery"),
    )
    assert found["S1"].key == MessageKey(ME, "status@broadcast", "S1", CY)
    missed = Call(video=True, outgoing=False, result="missed", metadata={"outcome": "missed"})
    assert found["call:C1"].details.call == missed


def test_chats_groups_and_contacts(newest: GoFile) -> None:
    newest.row("chats", jid=GROUP, kind="group", name="Bakers", archived=1, unread_count=3, muted_until=-1)
    newest.row("chats", jid=BOB, kind="dm", name="4915550001002", last_message_ts=AT)
    newest.row("groups", jid=GROUP, name="Bakers", owner_jid=BOB, created_ts=AT, left_at=AT, updated_at=AT)
    for jid, role in ((BOB, "superadmin"), (CY, "member")):
        newest.row("group_participants", group_jid=GROUP, user_jid=jid, role=role, updated_at=AT)
    newest.row("contacts", jid=BOB, push_name="bobby", full_name="Bob Baker", updated_at=AT)
    newest.row("contact_aliases", jid=BOB, alias="Flour", updated_at=AT)
    events = told(newest)
    chat, two, group = of(ChatSeen, events)
    assert (chat.name, chat.archived, chat.unread, chat.muted_until) == ("Bakers", True, 3, 253_402_300_799_000_000)
    assert (two.chat, two.name, two.last_message_at) == (BOB, None, AT * US)
    assert group.members == (Member(jid=BOB, is_admin=True, is_super_admin=True), Member(jid=CY))
    assert (group.is_exited, group.extras) == (True, {"owner": BOB})
    first, second = of(ContactSeen, events)
    assert (first.name, first.push_name, second.extras) == ("Bob Baker", "bobby", {"wacli_alias": "Flour"})


def test_the_session_tells_the_own_number_and_hidden_ids_and_no_secret(newest: GoFile, tmp_path: Path) -> None:
    say(newest, "A1", "Hello", "999@lid", sender_jid="999@lid")
    path = newest.done()
    beside = session(tmp_path / "session.db", "4915550001001", lids={"999": "4915550001002"})
    assert look(path, beside) == Found(ME, 1)
    found = list(read(path, beside, on_skip=lambda row: None))
    events = [event for piece in found for event in piece.batch.events]
    assert events[:2] == [PhoneSeen(jid=ME), NumberMapped(lid="999@lid", jid=BOB)]
    assert b"SECRET" not in b"".join(piece.batch.raw or b"" for piece in found)


def test_the_own_number_is_asked_for_where_nothing_tells_it(newest: GoFile, tmp_path: Path) -> None:
    path = newest.done()
    with pytest.raises(Question, match=r"Whose messages are in wacli\.db\? It is not stored there.*--phone NUMBER"):
        look(path)
    several = session(tmp_path / "session.db", "4915550001001", "4915550001002")
    with pytest.raises(Question, match=r"several accounts are linked there \(4915550001001, 4915550001002\)|Several"):
        look(path, several)
    with pytest.raises(BadField, match="country code"):
        look(path, several, "mine")
    assert look(path, several, "+49 15550001002").phone == BOB


def test_reading_goes_on_from_any_place(newest: GoFile) -> None:
    newest.row("contacts", jid=BOB, push_name="bobby", updated_at=AT)
    for number in range(7):
        say(newest, f"A{number}", f"line {number}", ts=AT + number)
    path = newest.done()
    whole, _ = pieces(path, batch_size=3)
    for at, piece in enumerate(whole):
        rest, _ = pieces(path, batch_size=3, after=piece.place)
        assert [p.batch.events for p in rest] == [p.batch.events for p in whole[at + 1 :]]


def test_what_is_none_of_waclis_files_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match=r"session\.db, which holds no messages; name the file wacli\.db"):
        look(session(tmp_path / "session.db", "4915550001001"))
    with pytest.raises(Unreadable, match="not a database of wacli"):
        look(GoFile(tmp_path / "messages.db", "bridge").done())


def test_a_row_that_makes_no_sense_costs_no_other(newest: GoFile) -> None:
    say(newest, "A1", "Hello")
    say(newest, "", "No id")
    say(newest, "A3", "No time", ts=0)
    newest.row("polls", chat_jid=BOB, msg_id="A1", question="?", options_json="{broken", created_ts=AT)
    found, skipped = pieces(newest.done())
    events = [event for piece in found for event in piece.batch.events]
    assert [seen.message.text for seen in of(MessageSeen, events)] == ["?"]
    assert [(str(row).partition(":")[0], row.kept) for row in skipped] == [
        ("polls row 1 (4915550001002@s.whatsapp.net)", True),
        ("messages row 2", False),
        ("messages row 3", False),
    ]
