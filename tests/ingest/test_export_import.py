"""Imports of exported chats: new messages are added, known ones are matched, nothing is stored twice."""

from __future__ import annotations

import base64
import datetime
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from backscroll.cli import sample
from backscroll.cli.common import open_archive
from backscroll.config import load
from backscroll.core.errors import BadField, Question, Unreadable
from backscroll.core.events import (
    ContactSeen,
    MessageEdited,
    MessageRevoked,
    NumberMapped,
    Target,
)
from backscroll.core.model import Media, Org
from backscroll.core.query import MessageQuery, ReactionQuery
from backscroll.ingest.exports.importer import ExportSummary
from backscroll.storage.files.media import MediaStore
from backscroll.storage.store import Store
from export_desk import BEN, GROUP, IRA, IRA_LID, MINUTE, NINE, Desk, Shell, jpeg


@pytest.fixture
def desk(store: Store, org: Org, tmp_path: Path) -> Desk:
    phone = store.add_phone(org.no, "4915550001001", name="Mara")
    return Desk(store, MediaStore(tmp_path / "media", bytes(32)), org, phone, tmp_path)


TALK = ("09:00 - Mara: Hello Ben", "09:00 - Ben: Hello Mara", "09:01 - Mara: How is the plot?", "09:03 - Ben: Wet")


# ---------------------------------------------------------------------- once, again, more


def test_an_export_becomes_messages_in_the_order_of_the_file(desk: Desk) -> None:
    taken = desk.android(*TALK, chat=BEN)
    assert (taken.chat, taken.lines, taken.added, taken.known) == (BEN, 4, 4, 0)
    assert taken.authors == {"Mara": "me", "Ben": BEN}
    assert desk.said(BEN) == ["Hello Ben", "Hello Mara", "How is the plot?", "Wet"]
    assert [m.message.from_me for m in desk.shown()] == [True, False, True, False]
    assert desk.shown()[0].message.details.precision == "minute"


def test_the_same_export_again_changes_nothing(desk: Desk) -> None:
    path = desk.write(*(f"14/03/2026, {line}" for line in TALK), "14/03/2026, 09:04 - Ben: <Media omitted>")
    desk.take(path, chat=BEN)
    before = desk.store.version(desk.org.no)
    again = desk.take(path, chat=BEN)
    assert (again.added, again.known) == (0, 5)
    assert desk.store.version(desk.org.no) == before


def test_a_longer_export_adds_what_is_new(desk: Desk) -> None:
    desk.android(*TALK[:3], chat=BEN)
    taken = desk.android(*TALK, "09:04 - Mara: Oh", chat=BEN)
    assert (taken.added, taken.known) == (2, 3)
    assert len(desk.said()) == 5


def test_overlapping_exports_meet(desk: Desk) -> None:
    desk.android(*TALK[:3], chat=BEN)
    taken = desk.android(*TALK[1:], chat=BEN)
    assert (taken.added, taken.known) == (1, 2)
    assert desk.said() == ["Hello Ben", "Hello Mara", "How is the plot?", "Wet"]


def test_an_older_export_after_a_newer_one_adds_nothing(desk: Desk) -> None:
    desk.android(*TALK, chat=BEN)
    assert desk.android(*TALK[:2], chat=BEN).added == 0
    assert len(desk.said()) == 4


def test_equal_words_in_one_minute_are_as_many_as_were_said(desk: Desk) -> None:
    desk.android("09:00 - Ben: ok", "09:00 - Ben: ok", "09:01 - Ben: so", chat=BEN)
    assert desk.android("09:00 - Ben: ok", "09:00 - Ben: ok", "09:00 - Ben: ok", "09:01 - Ben: so", chat=BEN).added == 1
    assert desk.android("09:00 - Ben: ok", "09:01 - Ben: so", chat=BEN).added == 0
    assert desk.said() == ["ok", "ok", "ok", "so"]


def test_a_minute_that_the_export_cut_adds_nothing_that_is_known(desk: Desk) -> None:
    desk.ios("09:00:05] Ben: ok", "09:00:40] Ben: ok", "09:01:00] Ben: so", chat=BEN)
    assert desk.ios("09:00:40] Ben: ok", "09:01:00] Ben: so", chat=BEN).added == 0
    assert len(desk.said()) == 3


def test_equal_words_at_another_second_are_another_message(desk: Desk) -> None:
    desk.ios("09:00:40] Ben: ok", "09:01:00] Ben: so", chat=BEN)
    assert desk.ios("09:00:00] Ben: ok", "09:00:40] Ben: ok", "09:01:00] Ben: so", chat=BEN).added == 1
    assert [m.message.sent_at - NINE for m in desk.shown()] == [0, 40_000_000, MINUTE]


def test_two_people_may_say_the_same_in_one_minute(desk: Desk) -> None:
    lines = ("09:00 - Mara: ok", "09:00 - Ben: ok")
    desk.android(*lines, chat=BEN)
    assert desk.android(*lines, chat=BEN).added == 0
    assert [m.message.from_me for m in desk.shown()] == [True, False]


def test_lines_that_jump_back_in_time_are_kept_once_each(desk: Desk) -> None:
    many = [f"{9 + i // 60:02}:{i % 60:02} - Ben: line {i}" for i in range(600)] * 2
    lines = ["09:00 - Ben: ok", *many, "09:00 - Ben: ok"]
    assert desk.android(*lines, chat=BEN).added == 1202
    assert desk.android(*lines, chat=BEN).added == 0
    assert desk.said().count("ok") == 2


# ---------------------------------------------------------------------- edited, deleted


def test_an_edit_between_two_exports_keeps_the_first_words(desk: Desk) -> None:
    desk.android("09:00 - Ben: See you at five", "09:02 - Ben: bye", chat=BEN)
    taken = desk.android("09:00 - Ben: See you at six <This message was edited>", "09:02 - Ben: bye", chat=BEN)
    assert taken.added == 0
    first = desk.shown()[0]
    assert (first.message.text, first.prev_text) == ("See you at six", "See you at five")
    assert first.message.details.is_edited


def test_an_older_version_tells_what_the_words_were(desk: Desk) -> None:
    desk.android("09:00 - Ben: See you at six <This message was edited>", "09:02 - Ben: bye", chat=BEN)
    assert desk.android("09:00 - Ben: See you at five", "09:02 - Ben: bye", chat=BEN).added == 0
    first = desk.shown()[0]
    assert (first.message.text, first.prev_text) == ("See you at six", "See you at five")


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0), (2, 0, 1)])
def test_of_several_versions_the_latest_stands_whatever_the_order(desk: Desk, order: Sequence[int]) -> None:
    exports = [
        ("09:00 - Ben: at five", "09:02 - Ben: bye"),
        ("09:00 - Ben: at six <This message was edited>", "09:02 - Ben: bye", "09:05 - Mara: fine"),
        ("09:00 - Ben: at ten <This message was edited>", "09:02 - Ben: bye", "09:05 - Mara: fine", "09:09 - Ben: so"),
    ]
    for number in order:
        desk.android(*exports[number], chat=BEN)
    assert desk.said() == ["at ten", "bye", "fine", "so"]
    before = desk.store.version(desk.org.no)
    for number in order:
        assert desk.android(*exports[number], chat=BEN).added == 0
    assert desk.said() == ["at ten", "bye", "fine", "so"]
    assert desk.shown()[0].prev_text in ("at five", "at six")
    assert desk.store.version(desk.org.no) - before <= 2


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_deletion_keeps_the_words_and_marks_them(desk: Desk, order: Sequence[int]) -> None:
    exports = [
        ("09:00 - Ben: secret", "09:00 - Ben: ok", "09:02 - Ben: bye"),
        ("09:00 - Ben: This message was deleted", "09:00 - Ben: ok", "09:02 - Ben: bye"),
    ]
    for number in order:
        desk.android(*exports[number], chat=BEN)
    assert desk.said() == ["secret", "ok", "bye"]
    assert [m.deleted for m in desk.shown()] == [True, False, False]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_deleted_picture_stays_a_picture(desk: Desk, order: Sequence[int]) -> None:
    files = {"IMG-20260314-WA0001.jpg": jpeg()}
    exports: list[Callable[[], ExportSummary]] = [
        lambda: desk.android("09:00 - Ben: IMG-20260314-WA0001.jpg (file attached)", chat=BEN, files=files),
        lambda: desk.android("09:00 - Ben: This message was deleted", "09:05 - Ben: so", chat=BEN),
    ]
    for number in order:
        exports[number]()
    picture = desk.shown()[0]
    assert (picture.message.kind, picture.deleted, len(desk.shown())) == ("image", True, 2)
    assert picture.message.details.media
    assert picture.message.details.media.file


# ---------------------------------------------------------------------- Android and iPhone, two phones


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_minutes_and_seconds_of_one_chat_meet(desk: Desk, order: Sequence[int]) -> None:
    exports: list[Callable[[], ExportSummary]] = [
        lambda: desk.android("09:00 - Mara: ok", "09:00 - Ben: ok", "09:00 - Mara: ok", "09:01 - Ben: so", chat=BEN),
        lambda: desk.ios(
            "09:00:05] Mara: ok", "09:00:20] Ben: ok", "09:00:50] Mara: ok", "09:01:07] Ben: so", chat=BEN
        ),
    ]
    exports[order[0]]()
    assert exports[order[1]]().added == 0
    assert [(m.message.sent_at - NINE) // 1_000_000 for m in desk.shown()] == [5, 20, 50, 67]


def test_both_phones_of_a_chat_have_a_row_each(desk: Desk) -> None:
    shop = desk.store.add_phone(desk.org.no, "4915550001003", name="Ben")
    desk.android(*TALK, chat=BEN)
    taken = desk.android(*TALK, name="WhatsApp Chat with Mara.txt", phone=shop, chat=desk.phone.jid)
    assert taken.added == 4
    assert [m.message.from_me for m in desk.shown(phone=shop)] == [False, True, False, True]
    assert len(desk.shown()) == 4


# ---------------------------------------------------------------------- meeting live sources


def live_talk(desk: Desk) -> None:
    desk.live("3EB0A", 5, "Hello Ben", sender=None)
    desk.live("3EB0B", 31, "Hello Mara")
    desk.live("3EB0C", 60, "How is the plot?", sender=None)


@pytest.mark.parametrize("first", ["export", "live"])
def test_export_and_live_rows_are_one(desk: Desk, first: str) -> None:
    if first == "live":
        live_talk(desk)
    taken = desk.android(*TALK, chat=BEN)
    assert (taken.added, taken.known) == ((1, 3) if first == "live" else (4, 0))
    if first == "export":
        live_talk(desk)
    assert desk.said() == ["Hello Ben", "Hello Mara", "How is the plot?", "Wet"]
    assert [m.message.key.id for m in desk.shown()][:3] == ["3EB0A", "3EB0B", "3EB0C"]
    assert [m.message.sent_at - NINE for m in desk.shown()][:3] == [5_000_000, 31_000_000, MINUTE]
    before = desk.store.version(desk.org.no)
    assert desk.android(*TALK, chat=BEN).added == 0
    assert desk.store.version(desk.org.no) == before


@pytest.mark.parametrize("first", ["export", "live"])
def test_a_live_message_that_the_export_knows_as_edited_is_one_with_it(desk: Desk, first: str) -> None:
    lines = ("09:00 - Ben: See you at six <This message was edited>", "09:02 - Ben: bye")
    if first == "export":
        desk.android(*lines, chat=BEN)
    desk.live("3EB0A", 5, "See you at five")
    if first == "live":
        desk.android(*lines, chat=BEN)
    assert desk.shown()[0].message.key.id == "3EB0A"
    assert len(desk.said()) == 2
    desk.tell(MessageEdited(target=Target(desk.phone.jid, BEN, "3EB0A"), text="See you at six", at=NINE + 9_000_000))
    assert desk.said() == ["See you at six", "bye"]
    assert desk.shown()[0].prev_text == "See you at five"


@pytest.mark.parametrize("first", ["export", "live"])
def test_a_deletion_that_only_the_export_knows_marks_the_live_message(desk: Desk, first: str) -> None:
    lines = ("09:00 - Ben: This message was deleted", "09:02 - Ben: bye")
    if first == "export":
        desk.android(*lines, chat=BEN)
    desk.live("3EB0A", 5, "secret")
    if first == "live":
        desk.android(*lines, chat=BEN)
    assert [(m.message.text, m.deleted) for m in desk.shown()] == [("secret", True), ("bye", False)]


@pytest.mark.parametrize("first", ["export", "live"])
def test_a_live_deletion_meets_words_that_an_old_export_kept(desk: Desk, first: str) -> None:
    lines = ("09:00 - Ben: secret", "09:02 - Ben: bye")
    if first == "export":
        desk.android(*lines, chat=BEN)
    desk.live("3EB0A", 5, None, is_deleted=True)
    desk.tell(MessageRevoked(target=Target(desk.phone.jid, BEN, "3EB0A"), at=NINE + 9_000_000))
    if first == "live":
        desk.android(*lines, chat=BEN)
    assert [(m.message.text, m.deleted) for m in desk.shown()] == [("secret", True), ("bye", False)]


GROUP_TALK = (
    '08:59 - Mara created group "Plot 14"',
    "09:00 - Ira Novak: Apple or plum cake?",
    "09:00 - Mara: Yes",
    "09:01 - Ira Novak: I have potatoes",
    "09:01 - Ben Holt: Yes",
    "09:02 - Ira Novak: See you all there @⁨Ben Holt⁩",
)
PLOT = "WhatsApp Chat with Plot 14.txt"


def live_group(desk: Desk) -> None:
    desk.live("3EB01", 12, "Apple or plum cake?", sender=IRA_LID, chat=GROUP, push_name="Ira")
    desk.live("3EB02", 20, "Yes", sender=None, chat=GROUP)
    desk.live("3EB03", 61, "I have potatoes", sender=IRA_LID, chat=GROUP)
    desk.live("3EB05", 121, "See you all there @4915550001003", sender=IRA_LID, chat=GROUP)


@pytest.mark.parametrize("first", ["export", "live"])
def test_a_group_meets_its_live_rows_by_lid_whatever_the_names(desk: Desk, first: str) -> None:
    if first == "live":
        live_group(desk)
    desk.android(*GROUP_TALK, name=PLOT, chat=GROUP, me="Mara")
    if first == "export":
        live_group(desk)
    assert len(desk.said(GROUP)) == 5
    assert {m.message.key.id for m in desk.shown(GROUP)} > {"3EB01", "3EB02", "3EB03", "3EB05"}
    assert {m.message.key.sender for m in desk.shown(GROUP) if m.message.key.id in ("3EB01", "3EB05")} == {IRA_LID}
    before = desk.store.version(desk.org.no)
    assert desk.android(*GROUP_TALK, name=PLOT, chat=GROUP, me="Mara").added == 0
    assert desk.store.version(desk.org.no) - before <= 4


def test_words_that_stand_under_another_name_tell_whose_name_it_is(desk: Desk) -> None:
    live_group(desk)
    taken = desk.android(*GROUP_TALK, "09:09 - Ira Novak: not live", name=PLOT, chat=GROUP, me="Mara")
    assert taken.authors["Ira Novak"] == IRA_LID
    assert [m.message.key.sender for m in desk.shown(GROUP) if m.message.text == "not live"] == [IRA_LID]
    desk.tell(NumberMapped(lid=IRA_LID, jid=IRA))
    assert len(desk.said(GROUP)) == 6
    assert desk.android(*GROUP_TALK, "09:09 - Ira Novak: not live", name=PLOT, chat=GROUP, me="Mara").added == 0


def test_an_author_who_was_saved_under_a_name_later_is_the_same(desk: Desk) -> None:
    before = [line.replace("Ira Novak", "+49 1555 0001005") for line in GROUP_TALK]
    desk.android(*before, name=PLOT, chat=GROUP, me="Mara")
    taken = desk.android(*GROUP_TALK, "09:09 - Ira Novak: new", name=PLOT, chat=GROUP, me="Mara")
    assert taken.added == 1
    assert taken.authors["Ira Novak"] == IRA
    assert {m.message.key.sender for m in desk.shown(GROUP) if not m.message.from_me} >= {IRA}
    assert len({m.message.key.sender for m in desk.shown(GROUP)}) == 3


def test_an_author_who_was_renamed_is_not_doubled(desk: Desk) -> None:
    desk.android(*GROUP_TALK, name=PLOT, chat=GROUP, me="Mara")
    renamed = [line.replace("Ira Novak", "Ira from the choir") for line in GROUP_TALK]
    assert desk.android(*renamed, "09:10 - Ira from the choir: new", name=PLOT, chat=GROUP, me="Mara").added == 1
    assert len(desk.said(GROUP)) == 6
    assert len({m.message.key.sender for m in desk.shown(GROUP)}) == 3


def test_words_of_another_person_are_never_taken_for_a_renamed_one(desk: Desk) -> None:
    desk.live("3EB01", 5, "ok", sender=BEN, chat=GROUP)
    desk.live("3EB02", 9, "ok", sender=None, chat=GROUP)
    lines = ("09:00 - +49 1555 0001005: ok", "09:00 - +49 1555 0001003: ok", "09:00 - Mara: ok", "09:01 - X: so")
    assert desk.android(*lines, name=PLOT, chat=GROUP, me="Mara").added == 2
    assert [m.message.key.sender for m in desk.shown(GROUP)].count(IRA) == 1


# ---------------------------------------------------------------------- which chat, who am I


def test_a_chat_may_be_given_by_number_jid_name_or_the_title_of_the_file(desk: Desk) -> None:
    assert desk.android(*TALK, chat="+49 1555 0001003").chat == BEN
    assert desk.android(*TALK, chat="4915550001003@c.us").chat == BEN
    assert desk.android(*TALK, chat="Ben").chat == BEN
    assert desk.android(*TALK).chat == BEN
    assert desk.android(*TALK, name="WhatsApp Chat with +49 1555 0001003.txt").chat == BEN
    assert len(desk.said()) == 4


def test_a_chat_of_unknown_number_is_joined_by_its_number_later(desk: Desk) -> None:
    first = desk.android(*TALK)
    assert first.chat.endswith("@export")
    assert "not known yet" in first.warnings[0]
    live_talk(desk)
    taken = desk.android(*TALK, "09:09 - Ben: new", chat=BEN)
    assert (taken.chat, len(desk.said(BEN)), len(desk.said())) == (BEN, 5, 5)
    assert desk.android(*TALK).chat == BEN
    # The first import was replaced, and the chat that only it had created was removed.
    assert desk.shown(first.chat) == []


def test_a_group_of_unknown_jid_is_joined_by_its_jid_later(desk: Desk) -> None:
    first = desk.android(*GROUP_TALK, name=PLOT, me="Mara")
    assert first.chat.endswith("@g.us")
    live_group(desk)
    assert len(desk.said()) == 9
    assert desk.android(*GROUP_TALK, name=PLOT, me="Mara", chat=GROUP).added == 0
    assert len(desk.said()) == len(desk.said(GROUP)) == 5


def test_a_name_that_several_chats_have_is_asked(desk: Desk) -> None:
    for jid in (BEN, IRA):
        desk.live(f"3EB{jid}", 900, "hello", sender=jid, chat=jid)
        desk.tell(ContactSeen(jid=jid, name="Ben"))
    with pytest.raises(Question, match="Several chats are called Ben"):
        desk.android(*TALK)


def test_the_owner_is_asked_for_where_nothing_tells_who_it_is(desk: Desk) -> None:
    lines = [line.replace("Mara", "M.") for line in TALK]
    with pytest.raises(Question, match="the phone's owner"):
        desk.android(*lines, name="chat.txt", chat=IRA)
    assert desk.android(*lines, name="chat.txt", chat=IRA, me="M.").authors == {"M.": "me", "Ben": IRA}
    with pytest.raises(BadField, match="not among the authors"):
        desk.android(*lines, chat=BEN, me="Nobody")


def test_ones_own_messages_in_a_group_are_marked_once_the_owner_is_told(desk: Desk) -> None:
    lines = [line.replace("Mara", "M.") for line in GROUP_TALK]
    first = desk.android(*lines, name=PLOT, chat=GROUP)
    assert "--me NAME" in first.warnings[-1]
    assert not any(m.message.from_me for m in desk.shown())
    assert desk.android(*lines, name=PLOT, chat=GROUP, me="M.").added == 0
    assert [m.message.text for m in desk.shown() if m.message.from_me] == ["Yes"]
    assert len(desk.said()) == 5


def test_days_and_months_that_cannot_be_told_apart_are_asked(desk: Desk) -> None:
    with pytest.raises(Question, match="--day-first or --month-first"):
        desk.take(desk.write(*(f"05/{month:02}/2026, 09:00 - Ben: rent is paid" for month in range(1, 9))), chat=BEN)
    assert desk.said() == []


# ---------------------------------------------------------------------- the wrong time zone


def distinct(count: int, hour: int = 9) -> list[str]:
    return [f"{hour + i // 60:02}:{i % 60:02} - Ben: this is sentence number {i}" for i in range(count)]


def test_a_wrong_time_zone_is_asked_for_instead_of_doubling_everything(desk: Desk) -> None:
    for i in range(12):
        desk.live(f"3EB{i:02}", i * 60 + 7, f"this is sentence number {i}")
    with pytest.raises(Question) as caught:
        desk.android(*distinct(12, hour=14), chat=BEN)
    assert "5 h earlier than UTC would give" in str(caught.value)
    assert caught.value.option == "--timezone Asia/Karachi"
    assert len(desk.said()) == 12
    assert desk.android(*distinct(13, hour=14), chat=BEN, timezone="Asia/Karachi").added == 1


def test_messages_at_their_own_time_are_never_a_question(desk: Desk) -> None:
    desk.android(*distinct(30), chat=BEN)
    assert desk.android(*distinct(20), *distinct(30, hour=12), chat=BEN).added == 30
    assert desk.android(*distinct(30, hour=15)[20:], *distinct(30), chat=BEN).added == 10


def test_a_zone_must_exist(desk: Desk) -> None:
    with pytest.raises(BadField, match="such as Europe/Berlin"):
        desk.android(*TALK, chat=BEN, timezone="Berlin")


# ---------------------------------------------------------------------- files


def test_attachments_are_kept_and_told_by_their_bytes(desk: Desk) -> None:
    picture = jpeg()
    files = {
        "IMG-20260314-WA0001.jpg": picture,
        "Plan.pdf": b"%PDF-1.4\n",
        "Ben.vcf": b"BEGIN:VCARD\nFN:Ben\nEND:VCARD",
    }
    lines = (
        "09:00 - Ben: IMG-20260314-WA0001.jpg (file attached)",
        "Look",
        "09:01 - Ben: Plan.pdf (file attached)",
        "09:02 - Ben: Ben.vcf (file attached)",
    )
    taken = desk.android(*lines, chat=BEN, files=files)
    assert (taken.added, taken.files) == (3, 2)
    image, document, contact = (m.message for m in desk.shown())
    assert image.details.media == Media(
        filename="IMG-20260314-WA0001.jpg",
        file=image.details.media.file if image.details.media else None,
        sha256=image.details.media.sha256 if image.details.media else None,
        size=len(picture),
        mimetype="image/jpeg",
        width=40,
        height=30,
    )
    assert (image.kind, image.text, document.kind, contact.kind) == ("image", "Look", "document", "contact")
    assert contact.details.vcards == ("BEGIN:VCARD\nFN:Ben\nEND:VCARD",)


def test_a_file_left_out_first_comes_with_a_later_export(desk: Desk) -> None:
    desk.android("09:00 - Ben: <Media omitted>", "09:00 - Ben: <Media omitted>", "09:01 - Ben: so", chat=BEN)
    files = {"IMG-20260314-WA0001.jpg": jpeg(), "PTT-20260314-WA0002.opus": b"OggS" + bytes(40)}
    lines = [f"09:00 - Ben: {name} (file attached)" for name in files]
    assert desk.android(*lines, "09:01 - Ben: so", chat=BEN, files=files).added == 0
    assert [m.message.kind for m in desk.shown()] == ["image", "voice", "text"]
    media = [m.message.details.media for m in desk.shown()]
    assert media[0]
    assert media[0].file
    before = desk.store.version(desk.org.no)
    assert desk.android("09:00 - Ben: <Media omitted>", "09:00 - Ben: <Media omitted>", chat=BEN).added == 0
    assert desk.store.version(desk.org.no) == before


@pytest.mark.parametrize("first", ["export", "live"])
def test_a_file_of_an_export_comes_to_a_live_message_that_has_none(desk: Desk, first: str) -> None:
    def export() -> None:
        files = {"IMG-20260314-WA0001.jpg": jpeg()}
        desk.android("09:00 - Ben: IMG-20260314-WA0001.jpg (file attached)", "Look", chat=BEN, files=files)

    if first == "export":
        export()
    desk.live("3EB0A", 5, "Look", kind="image", media=Media(mimetype="image/jpeg", media_key="a2V5"))
    if first == "live":
        export()
    [message] = desk.shown()
    assert message.message.details.media
    assert message.message.details.media.file
    assert (message.message.key.id, message.message.details.media.media_key) == ("3EB0A", "a2V5")


@pytest.mark.parametrize("first", ["export", "live"])
def test_locations_and_cards_meet_whatever_words_a_source_gives_them(desk: Desk, first: str) -> None:
    lines = ("09:00 - Ben: location: https://maps.google.com/?q=52.5,13.4", "09:01 - Ben: <Media omitted>")
    if first == "export":
        desk.android(*lines, chat=BEN)
    desk.live("3EB0A", 5, "The shed", kind="location")
    desk.live("3EB0B", 70, "Ira Novak", kind="contact", vcards=("BEGIN:VCARD",))
    if first == "live":
        assert desk.android(*lines, chat=BEN).added == 0
    assert [m.message.key.id for m in desk.shown()] == ["3EB0A", "3EB0B"]
    assert [m.message.kind for m in desk.shown()] == ["location", "contact"]
    place = desk.shown()[0].message.details.location
    assert place
    assert (place.latitude, place.longitude) == (52.5, 13.4)


def test_polls_keep_their_numbers(desk: Desk) -> None:
    lines = ("09:00 - Ben: POLL:", "Which day?", "OPTION: Monday (2 votes)", "OPTION: Sunday (0 votes)", "")
    desk.android(*lines, "09:01 - Ben: so", chat=BEN)
    poll = desk.shown()[0].message.details.poll
    assert poll
    assert (poll.name, poll.counts) == ("Which day?", {"Monday": 2, "Sunday": 0})


def test_a_file_above_the_limit_is_left_out_and_told(desk: Desk) -> None:
    files = {"IMG-20260314-WA0001.jpg": jpeg() + bytes(5000)}
    lines = ("09:00 - Ben: IMG-20260314-WA0001.jpg (file attached)", "09:01 - Ben: so")
    taken = desk.android(*lines, chat=BEN, files=files, max_media_bytes=4096)
    assert (taken.added, taken.files) == (2, 0)
    assert any("IMG-20260314-WA0001.jpg was left out" in warning for warning in taken.warnings)


def test_what_is_no_export_is_refused_and_leaves_nothing(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("shopping\n- milk\n")
    with pytest.raises(Unreadable):
        desk.take(path, chat=BEN)
    assert desk.shown() == []


def test_notices_stand_apart_and_meet_those_of_live_sources(desk: Desk) -> None:
    desk.android(*GROUP_TALK, name=PLOT, chat=GROUP, me="Mara")
    notices = desk.shown(GROUP, "notices")
    assert [m.message.text for m in notices] == ['Mara created group "Plot 14"']
    assert notices[0].message.details.notice
    assert notices[0].message.details.notice.type == "create"


# ---------------------------------------------------------------------- by command, and out through both APIs


@pytest.fixture
def shell(tmp_path: Path, database_url: str | None) -> Shell:
    made = Shell(tmp_path / "data", database_url)
    made.json("org", "create", "Garden")
    made.json("phone", "add", "--number", "4915550001001", "--name", "Mara", "--device-id", "mara")
    return made


def zipped(path: Path, text: str, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("WhatsApp Chat with Ben.txt", text)
        for name, body in files.items():
            archive.writestr(name, body)
    return path


def test_an_imported_picture_is_served_whole_and_in_parts(shell: Shell, tmp_path: Path) -> None:
    picture = jpeg()
    text = "14/03/2026, 10:00 - Ben: IMG-20260314-WA0001.jpg (file attached)\nThe shed\n14/03/2026, 10:01 - Mara: Oh\n"
    path = zipped(tmp_path / "WhatsApp Chat with Ben.zip", text, {"IMG-20260314-WA0001.jpg": picture})
    place = ["--phone", "4915550001001", "--chat", "4915550001003", "--timezone", "Europe/Berlin"]
    taken = shell.json("import", "export", str(path), *place)
    assert (taken["added"], taken["files"], taken["warnings"]) == (2, 1, [])
    assert shell.json("import", "export", str(path), *place)["added"] == 0
    token = shell.json("token", "create")
    bearer = {"Authorization": f"Bearer {token['secret']}"}
    basic = base64.b64encode(f"{token['id']}:{token['secret']}".encode()).decode()
    gowa = {"Authorization": f"Basic {basic}", "X-Device-Id": "mara"}
    periskope, whatsapp = shell.ask(("/v1/chats/messages", bearer), (f"/chat/{BEN}/messages", gowa))
    newest, shed = periskope.json()["messages"]
    assert (periskope.json()["count"], newest["body"], newest["from_me"]) == (2, "Oh", True)
    assert (shed["body"], shed["message_type"], shed["timestamp"]) == ("The shed", "image", "2026-03-14T09:00:00+00:00")
    rows = whatsapp.json()["results"]["data"]
    assert [(row["content"], row["media_type"]) for row in rows] == [("Oh", None), ("The shed", "image")]
    link = shed["media"]["path"]
    assert link.startswith("http://archive.test/media/")
    whole, part, forged = shell.ask((link, {}), (link, {"Range": "bytes=2-9"}), (f"{link}0", {}))
    assert (whole.status_code, whole.content, whole.headers["content-type"]) == (200, picture, "image/jpeg")
    assert (part.status_code, part.content) == (206, picture[2:10])
    assert forged.status_code in (403, 404)


def test_a_question_and_an_unreadable_file_are_one_sentence_each(shell: Shell, tmp_path: Path) -> None:
    asked = tmp_path / "WhatsApp Chat with Ben.txt"
    asked.write_text("03/04/2026, 10:00 - Ben: hello\n")
    result = shell.run("import", "export", str(asked), "--phone", "4915550001001")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "is 03/04/2026 4 March 2026 or 3 April 2026? Answer with --day-first or --month-first." in result.stderr
    bomb = zipped(tmp_path / "bomb.zip", "14/03/2026, 10:00 - Ben: hello\n" * 1_000_000, {})
    result = shell.run("import", "export", str(bomb), "--phone", "4915550001001")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.endswith(": this would unpack to far more than its size\n")


def test_the_sample_is_whole_and_holds_a_bit_of_everything(tmp_path: Path, database_url: str | None) -> None:
    where = {"data": str(tmp_path / "data")} | ({"database": database_url} if database_url else {})
    with open_archive(load({}, where), create=True) as archive:
        assert sample.is_wanted(archive.store)
        observed = sample.fill(archive)
        assert not sample.is_wanted(archive.store)
        store = archive.store
        [org] = store.list_orgs()
        phones = tuple(phone.no for phone in store.list_phones(org.no))
        messages = store.list_messages(MessageQuery(org=org.no, phones=phones, limit=1000)).messages
        assert list(store.check()) == []
        reactions = store.list_reactions(ReactionQuery(org=org.no, phones=phones)).total
        group = store.find_chat(org.no, phones, sample.ALLOTMENT)
    assert f"{len(messages)} messages" in observed
    assert reactions >= 5
    assert group
    assert (group.name, len(group.members)) == ("Allotment: plots 14 & 15", 5)
    senders = {m.sender_name for m in messages if m.message.key.chat == sample.ALLOTMENT}
    assert senders == {"Ben Holt", "Ira Novak", "Jun", "Mara"}
    assert not any(m.message.key.sender and m.message.key.sender.endswith("@export") for m in messages)
    kinds = {m.message.kind for m in messages}
    assert kinds >= {"text", "image", "voice", "sticker", "document", "contact", "location", "poll"}
    assert any(m.message.details.quoted for m in messages)
    assert any(m.message.details.mentions for m in messages)
    assert any(m.deleted and m.message.text for m in messages)
    assert any(m.prev_text for m in messages)
    assert {m.ack for m in messages if m.message.from_me} >= {3, 4}


@pytest.mark.full
def test_two_hundred_thousand_lines_are_taken_in_once(desk: Desk) -> None:
    words = [
        "the",
        "shed",
        "key",
        "is",
        "under",
        "the",
        "blue",
        "pot",
        "do",
        "not",
        "tell",
        "anyone",
        "outside",
        "this",
        "group",
    ]
    lines = []
    for i in range(200_000):
        day, minute = divmod(i // 3, 1440)
        date = datetime.date(2024, 1, 1) + datetime.timedelta(days=day)
        said = " ".join(words[i % 7 : i % 13 + 8])
        lines.append(f"{date:%d/%m/%Y}, {minute // 60:02}:{minute % 60:02} - {('Mara', 'Ben')[i % 2]}: {said}")
    path = desk.write(*lines)
    taken = desk.take(path, chat=BEN)
    assert (taken.added, taken.known) == (200_000, 0)
    before = desk.store.version(desk.org.no)
    assert desk.take(path, chat=BEN).added == 0
    assert desk.store.version(desk.org.no) == before
