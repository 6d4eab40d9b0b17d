"""The archives of the whatsapp-mcp bridges: the original schema of lharries and the later one of verygoodplugins."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from gowa_files import ChatStorage
from told_pieces import Told, events_of, of, told_by
from whatsmeow_files import GoFile, Shape, session

from backscroll.core.errors import Question, Unreadable
from backscroll.core.events import (
    ChatSeen,
    Event,
    MessageRevoked,
    MessageSeen,
    NumberMapped,
    PhoneSeen,
    ReactionSet,
    Target,
)
from backscroll.core.model import Call, MessageKey, Quote
from backscroll.ingest.connectors.foreign.pieces import Found
from backscroll.ingest.connectors.whatsapp_mcp.database import look, read

ME, BOB = "4915550001001@s.whatsapp.net", "4915550001002@s.whatsapp.net"
GROUP = "120363001@g.us"
AT = 1_767_348_000_000_000
"""2 January 2026, 10:00 UTC."""


def clock(second: int = 0, zone: str = "+00:00") -> str:
    return f"2026-01-02 10:00:{second:02}{zone}"


def pieces(path: Path, beside: Path | None = None, **options: Any) -> Told:
    return told_by(read, path, beside, phone=ME, **options)


def told(file: GoFile, beside: Path | None = None) -> list[Event]:
    """All events of a file, which must all be readable."""
    return events_of(pieces(file.done(), beside))


def say(file: GoFile, id: str, content: str = "", chat: str = BOB, **values: Any) -> GoFile:
    usual: dict[str, Any] = {"sender": "4915550001002", "timestamp": clock(), "is_from_me": 0, "media_type": ""}
    return file.row("messages", id=id, chat_jid=chat, content=content, **usual | values)


@pytest.fixture(params=["bridge-first", "bridge"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> GoFile:
    shape: Shape = request.param
    return GoFile(tmp_path / "messages.db", shape)


@pytest.fixture
def newest(tmp_path: Path) -> GoFile:
    return GoFile(tmp_path / "messages.db", "bridge")


def test_texts_of_both_sides_and_in_a_group(file: GoFile) -> None:
    say(file, "A1", "Hello")
    say(file, "A2", "Yes", is_from_me=1, sender="4915550001001", timestamp=clock(1, "+07:00"))
    say(file, "A3", "All", GROUP, timestamp="2026-01-02T10:00:02Z")
    events = told(file)
    first, second, third = (seen.message for seen in of(MessageSeen, events))
    assert events[0] == PhoneSeen(jid=ME)
    assert (first.key, first.sent_at, first.text) == (MessageKey(ME, BOB, "A1", BOB), AT, "Hello")
    assert (second.key.sender, second.from_me, second.sent_at) == (ME, True, AT - 7 * 3600 * 1_000_000 + 1_000_000)
    assert (third.key.sender, third.sent_at) == (BOB, AT + 2_000_000)


@pytest.mark.parametrize("kind", ["image", "video", "audio", "document", "sticker"])
def test_media_with_the_places_where_the_bridge_puts_files(file: GoFile, kind: str) -> None:
    hashed = hashlib.sha256(b"picture").digest()
    say(file, "A1", "Look", media_type=kind, filename="plan.pdf", file_sha256=hashed, media_key=b"k", file_length=7,
        url="https://mmg.example/x.enc")  # fmt: skip
    found, _ = pieces(file.done())
    (piece,) = [piece for piece in found if piece.files]
    (local,) = piece.files
    endings = {"image": ".jpg", "video": ".mp4", "audio": ".ogg", "sticker": ".webp", "document": ""}
    assert local.path == f"{BOB}/{kind}_20260102_100000_A1{endings[kind]}"
    assert local.also == (f"{BOB}/plan.pdf",)
    assert (local.media.sha256, local.media.filename) == (hashed.hex(), "plan.pdf" if kind == "document" else None)


def test_reactions_answers_deletions_and_calls(newest: GoFile) -> None:
    say(newest, "A1", "Hello", GROUP, quoted_message_id="A0")
    say(newest, "R1", "👍", GROUP, media_type="reaction", filename="A1", timestamp=clock(5))
    say(newest, "R2", "", GROUP, media_type="reaction", filename="A1", is_from_me=1, timestamp=clock(6))
    say(newest, "A2", "Never mind", deleted_at=clock(9))
    call: dict[str, Any] = {
        "chat_jid": BOB,
        "from_jid": BOB,
        "timestamp": clock(),
        "is_from_me": 0,
        "call_type": "video",
    }
    newest.row("calls", call_id="C1", result="ended", duration_sec=65, **call)
    events = told(newest)
    first, second, called = (seen.message for seen in of(MessageSeen, events))
    assert first.details.quoted == Quote(id="A0")
    assert [(r.target, r.by, r.emoji) for r in of(ReactionSet, events)] == [
        (Target(ME, GROUP, "A1"), BOB, "👍"),
        (Target(ME, GROUP, "A1"), ME, ""),
    ]
    assert (second.text, second.details.is_deleted) == ("Never mind", True)
    assert of(MessageRevoked, events) == [MessageRevoked(target=Target(ME, BOB, "A2", BOB), at=AT + 9_000_000)]
    ended = Call(video=True, outgoing=False, result="connected", duration=65.0, metadata={"result": "ended"})
    assert (called.key, called.details.call) == (MessageKey(ME, BOB, "call:C1", BOB), ended)


def test_senders_without_a_server_are_told_apart_by_the_bridges_own_numbers(newest: GoFile, tmp_path: Path) -> None:
    say(newest, "A1", "From a hidden id", GROUP, sender="999")
    say(newest, "A2", "From a number", GROUP, sender="4915550001002")
    say(newest, "A3", "In full", GROUP, sender="777@lid")
    beside = session(tmp_path / "whatsapp.db", "4915550001001", lids={"999": "4915550001003"})
    events = told(newest, beside)
    assert [seen.message.key.sender for seen in of(MessageSeen, events)] == ["999@lid", BOB, "777@lid"]
    assert of(NumberMapped, events) == [NumberMapped(lid="999@lid", jid="4915550001003@s.whatsapp.net")]
    assert look(newest.path, beside) == Found(ME, 3)
    with pytest.raises(Question, match="--phone NUMBER"):
        look(newest.path)


def test_names_of_chats_but_not_those_that_were_made_up(newest: GoFile) -> None:
    for jid, name in ((GROUP, "Bakers"), (BOB, "4915550001002"), ("1@g.us", "Group 1")):
        newest.row("chats", jid=jid, name=name, last_message_time=clock(), ephemeral_expiration=86400)
    found = of(ChatSeen, told(newest))
    assert [(chat.name, chat.ephemeral_seconds, chat.last_message_at) for chat in found] == [
        ("Bakers", 86400, AT),
        (None, 86400, AT),
        (None, 86400, AT),
    ]


def test_reading_goes_on_from_any_place(newest: GoFile) -> None:
    newest.row("chats", jid=BOB, name="Bob")
    for number in range(7):
        say(newest, f"A{number}", f"line {number}", timestamp=clock(number))
    path = newest.done()
    whole, _ = pieces(path, batch_size=3)
    for at, piece in enumerate(whole):
        rest, _ = pieces(path, batch_size=3, after=piece.place)
        assert [p.batch.events for p in rest] == [p.batch.events for p in whole[at + 1 :]]


def test_other_programs_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match=r"this is the bridge's whatsapp\.db"):
        look(session(tmp_path / "whatsapp.db", "4915550001001"))
    with pytest.raises(Unreadable, match=r"GOWA's chatstorage\.db; import it with: backscroll import gowa"):
        look(ChatStorage(tmp_path / "chatstorage.db", "9.2", device=ME).done())
    with pytest.raises(Unreadable, match="not a database of a whatsapp-mcp bridge"):
        look(GoFile(tmp_path / "wacli.db", "wacli").done())


def test_a_row_that_makes_no_sense_costs_no_other(newest: GoFile) -> None:
    say(newest, "A1", "Hello")
    say(newest, "A2", "No time", timestamp="yesterday")
    say(newest, "R1", "👍", GROUP, media_type="reaction", filename="")
    found, skipped = pieces(newest.done())
    events = [event for piece in found for event in piece.batch.events]
    assert [seen.message.text for seen in of(MessageSeen, events)] == ["Hello"]
    assert [(row.row, row.column, row.kept) for row in skipped] == [
        (2, "timestamp", True),
        (2, "timestamp", False),
        (3, "filename", False),
    ]
