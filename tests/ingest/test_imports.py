"""Records of imports: listed, recognised, replaced if answers change, and undone, on both engines."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from backscroll.core.errors import Conflict, NotFound, Question
from backscroll.core.events import (
    Batch,
    ChatSeen,
    ContactSeen,
    Event,
    MediaHeld,
    MessageEdited,
    NumberMapped,
    PhoneSeen,
    ReactionSet,
)
from backscroll.core.imports import NewImport
from backscroll.core.model import Media, Org, Phone
from backscroll.core.query import ChatQuery, ContactQuery, MessageQuery
from backscroll.ingest import imports
from backscroll.ingest.exports.importer import ExportSummary, import_export
from backscroll.storage.files.media import MediaStore
from backscroll.storage.store import Store
from conftest import CHAT, MORNING, MakeMessage, MakeTarget
from plain_sql import PlainSql

SIX = """13/01/2026, 09:15 - Ana: one good thing
13/01/2026, 09:16 - Rob: two good things
13/01/2026, 09:17 - Ana: three of these
13/01/2026, 09:18 - Rob: four of those
13/01/2026, 09:19 - Ana: five
13/01/2026, 09:20 - Rob: six
"""
NAME = "WhatsApp Chat with Ana.txt"
NUMBER = "4915550000009"
MINUTE = 60_000_000


class Desk:
    """An archive with one phone, and files to import into it."""

    def __init__(self, store: Store, media: MediaStore, org: Org, phone: Phone, folder: Path) -> None:
        self.store = store
        self.media = media
        self.org = org
        self.phone = phone
        self.folder = folder

    def put(self, text: str, name: str = NAME, folder: str = "") -> Path:
        place = self.folder / folder
        place.mkdir(exist_ok=True)
        (place / name).write_text(text, "utf-8")
        return place / name

    def take(self, path: Path, **answers: Any) -> ExportSummary:
        return import_export(self.store, self.media, self.org.no, self.phone, path, **{"me": "Rob", **answers})

    def undo(self, import_id: int) -> None:
        imports.undo(self.store, self.media, self.org.no, import_id)

    def tell(self, *events: Event, import_id: int | None = None, raw: bytes | None = None) -> None:
        self.store.apply(self.org.no, Batch(source="gowa", events=events, import_id=import_id, raw=raw))

    def begin(self) -> int:
        return self.store.begin_import(self.org.no, NewImport(kind="gowa")).id

    def said(self, chat: str | None = None) -> list[tuple[int, str | None]]:
        query = MessageQuery(org=self.org.no, phones=(self.phone.no,), chat=chat, limit=100)
        page = self.store.list_messages(query)
        assert page.total == len(page.messages)
        return [(m.message.sent_at, m.message.text) for m in reversed(page.messages)]

    def chats(self) -> list[str]:
        return [c.jid for c in self.store.list_chats(ChatQuery(org=self.org.no, phones=(self.phone.no,))).chats]

    def contacts(self) -> list[str]:
        found = self.store.list_contacts(ContactQuery(org=self.org.no, phones=(self.phone.no,))).contacts
        return [c.jid for c in found if c.jid != self.phone.jid]

    def states(self) -> list[str]:
        return [entry.state for entry in self.store.list_imports(self.org.no)]

    def is_sound(self) -> bool:
        assert list(map(str, self.store.check())) == []
        return True


@pytest.fixture
def desk(store: Store, org: Org, phone: Phone, tmp_path: Path) -> Desk:
    exports = tmp_path / "exports"
    exports.mkdir()
    return Desk(store, MediaStore(tmp_path / "media", b"k" * 32), org, phone, exports)


@pytest.fixture
def sql(tmp_path: Path, database_url: str | None) -> Iterator[PlainSql]:
    opened = PlainSql(database_url, tmp_path)
    yield opened
    opened.close()


def test_importing_again_with_a_time_zone_replaces_what_was_read_as_utc(desk: Desk) -> None:
    path = desk.put(SIX)
    before = desk.take(path)
    as_utc = desk.said()
    after = desk.take(path, timezone="Asia/Kolkata")
    assert [(at - 330 * MINUTE, text) for at, text in as_utc] == desk.said()
    assert (after.added, after.known, after.replaces) == (0, 6, (before.import_id,))
    assert f"replaces import {before.import_id}" in str(after)
    assert desk.states() == ["undone", "done"]
    assert desk.store.find_import(desk.org.no, after.import_id or 0).replaces == (1,)
    assert desk.is_sound()


@pytest.mark.parametrize(
    "answers", [{"day_first": False}, {"me": "Ana", "chat": "Rob"}, {"chat": NUMBER}, {"timezone": "Europe/Berlin"}]
)
def test_any_other_answer_replaces_and_nothing_stands_twice(desk: Desk, answers: dict[str, Any]) -> None:
    path = desk.put(SIX.replace("13/01", "03/01"))
    desk.take(path, timezone="UTC", day_first=True)
    after = desk.take(path, **{"timezone": "UTC", "day_first": True, **answers})
    assert after.replaces == (1,)
    assert len(desk.said()) == 6
    assert len(desk.chats()) == 1
    assert desk.is_sound()


def test_the_same_file_with_the_same_answers_is_nothing_new_and_says_so(desk: Desk) -> None:
    path = desk.put(SIX)
    desk.take(path)
    seq = desk.store.version(desk.org.no)
    again = desk.take(path)
    assert (again.added, again.known, again.is_repeated, again.import_id) == (0, 6, True, 1)
    assert str(again).startswith("Nothing new: import 1")
    assert desk.store.version(desk.org.no) == seq
    assert desk.states() == ["done"]


def test_a_longer_export_with_other_answers_replaces_the_shorter(desk: Desk) -> None:
    desk.take(desk.put(SIX))
    longer = desk.put(SIX + "13/01/2026, 09:21 - Ana: seven\n", folder="later")
    assert desk.take(longer, timezone="Asia/Kolkata").replaces == (1,)
    assert [text for _, text in desk.said()][-1] == "seven"
    assert len(desk.said()) == 7
    assert desk.is_sound()


def test_an_export_that_overlaps_in_part_with_other_times_is_asked_about(desk: Desk) -> None:
    desk.take(desk.put(SIX))
    before = desk.said()
    lines = SIX.splitlines(keepends=True)
    later = desk.put("".join(lines[3:]) + "13/01/2026, 09:21 - Ana: seven\n", folder="later")
    with pytest.raises(Question, match="backscroll import undo 1"):
        desk.take(later, timezone="Asia/Kolkata")
    assert desk.said() == before
    assert desk.states() == ["done"]


def test_an_export_with_the_same_answers_adds_and_replaces_nothing(desk: Desk) -> None:
    desk.take(desk.put(SIX))
    longer = desk.take(desk.put(SIX + "13/01/2026, 09:21 - Ana: seven\n", folder="later"))
    assert (longer.added, longer.known, longer.replaces) == (1, 6, ())
    desk.undo(2)
    assert len(desk.said()) == 6
    desk.undo(1)
    assert (desk.said(), desk.chats(), desk.contacts()) == ([], [], [])
    assert desk.is_sound()


def test_lines_that_two_imports_told_stay_until_both_are_undone(desk: Desk) -> None:
    desk.take(desk.put(SIX))
    desk.take(desk.put(SIX + "13/01/2026, 09:21 - Ana: seven\n", folder="later"))
    desk.undo(1)
    assert len(desk.said()) == 7
    desk.undo(2)
    assert desk.said() == []
    assert desk.is_sound()


def test_undo_takes_files_payloads_contacts_and_the_placeholder_chat(desk: Desk) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(picture, "JPEG")
    path = desk.folder / "WhatsApp Chat with Ana.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("WhatsApp Chat with Ana.txt", SIX + "13/01/2026, 09:21 - Ana: IMG-1.jpg (file attached)\n")
        archive.writestr("IMG-1.jpg", picture.getvalue())
    desk.take(path)
    assert len(list(desk.media.files(desk.org.no))) == 1
    desk.undo(1)
    assert (desk.said(), desk.chats(), desk.contacts()) == ([], [], [])
    assert list(desk.media.files(desk.org.no)) == []
    assert desk.is_sound()


def test_a_file_that_others_have_too_stays(desk: Desk, make_message: MakeMessage, target: MakeTarget) -> None:
    kept = desk.media.put(desk.org.no, b"pdf", max_bytes=9, declared_mimetype=None, filename="a.pdf")
    first, second = desk.begin(), desk.begin()
    held = MediaHeld(target=target("M1"), media=Media(file=kept.sha256))
    desk.tell(make_message("M1"), held, import_id=first)
    desk.tell(make_message("M2", media=Media(file=kept.sha256)), import_id=second)
    desk.store.finish_import(desk.org.no, first, None)
    desk.undo(first)
    assert desk.media.exists(desk.org.no, kept.sha256)
    desk.store.finish_import(desk.org.no, second, None)
    desk.undo(second)
    assert not desk.media.exists(desk.org.no, kept.sha256)
    assert desk.is_sound()


def test_what_live_sources_told_stays_as_they_told_it(
    desk: Desk, make_message: MakeMessage, target: MakeTarget
) -> None:
    imported = desk.begin()
    desk.tell(
        make_message("M1", text="live and imported"),
        ContactSeen(jid=CHAT, name="Imported", at=MORNING + 1),
        ChatSeen(phone=desk.phone.jid, chat=CHAT, unread=7, at=MORNING + 1),
        MessageEdited(target=target("M1"), text="edited", at=MORNING + 5),
        ReactionSet(target=target("M1"), by=CHAT, emoji="👍", at=MORNING + 9),
        import_id=imported,
    )
    desk.tell(
        make_message("M1", text="live and imported"),
        ContactSeen(jid=CHAT, name="Live", at=MORNING),
        ChatSeen(phone=desk.phone.jid, chat=CHAT, unread=2, at=MORNING),
        ReactionSet(target=target("M1"), by=CHAT, emoji="❤️", at=MORNING + 8),
    )
    desk.undo(imported)
    assert [text for _, text in desk.said()] == ["live and imported"]
    chat = desk.store.find_chat(desk.org.no, (desk.phone.no,), CHAT)
    assert chat is not None
    assert (chat.name, chat.unread) == ("Live", 2)
    shown = desk.store.find_message(desk.org.no, (desk.phone.no,), "M1")
    assert shown is not None
    assert ([r.emoji for r in shown.reactions], shown.edited_at) == (["❤️"], None)
    assert desk.is_sound()


def test_a_payload_that_two_imports_brought_stays_with_the_second(desk: Desk, make_message: MakeMessage) -> None:
    first, second = desk.begin(), desk.begin()
    for import_id in (first, second):
        desk.tell(make_message("M1"), import_id=import_id, raw=b"{}")
    desk.undo(first)
    assert raws_of(desk) == 1
    desk.undo(second)
    assert (raws_of(desk), desk.said()) == (0, [])


def raws_of(desk: Desk) -> int:
    rows = desk.store._engine.read(
        lambda tx: tx.all("dump_raws", {"org": desk.org.no, "after": "", "limit": 100}), desk.org.no
    )
    return len(rows)


def test_a_phone_that_an_import_brought_goes_with_it(desk: Desk, make_message: MakeMessage) -> None:
    imported = desk.begin()
    other = "4915550000002@s.whatsapp.net"
    desk.tell(PhoneSeen(jid=other), make_message("M1", phone=other), import_id=imported)
    desk.undo(imported)
    assert [p.jid for p in desk.store.list_phones(desk.org.no)] == [desk.phone.jid]
    assert desk.is_sound()


def test_an_undo_that_is_cut_goes_on(desk: Desk, make_message: MakeMessage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backscroll.storage.store.UNDO_ROWS", 7)
    imported, other = desk.begin(), desk.begin()
    some = [make_message(f"M{n:03}", at=MORNING + n, text=f"word {n}") for n in range(60)]
    desk.tell(*some, import_id=imported)
    desk.tell(*some[:20], make_message("N1"), import_id=other)
    steps = 0

    def cut(done: int) -> None:
        nonlocal steps
        steps += 1
        raise InterruptedError

    while desk.states()[0] != "undone":
        try:
            desk.store.undo_import(desk.org.no, imported, progress=cut)
        except InterruptedError:
            assert desk.is_sound()
    assert steps > 8
    assert len(desk.said()) == 21
    done = desk.store.undo_import(desk.org.no, imported)
    assert (done.messages, done.changed) == (40, 20)
    assert desk.is_sound()


def test_a_plan_tells_what_an_undo_does(desk: Desk, make_message: MakeMessage) -> None:
    imported, other = desk.begin(), desk.begin()
    some = [make_message(f"M{n:03}", at=MORNING + n, text=f"word {n}") for n in range(10)]
    desk.tell(*some, import_id=imported)
    desk.tell(*some[:4], import_id=other)
    plan = desk.store.plan_undo(desk.org.no, imported)
    assert (plan.messages, plan.kept, plan.chats) == (6, 4, 0)
    done = desk.store.undo_import(desk.org.no, imported)
    assert (done.messages, done.changed) == (plan.messages, plan.kept)


def test_the_change_feed_tells_what_an_undo_took(desk: Desk, make_message: MakeMessage) -> None:
    imported = desk.begin()
    desk.tell(make_message("M1"), import_id=imported)
    seq = desk.store.version(desk.org.no)
    desk.undo(imported)
    assert {change.what for change in desk.store.feed.places_changed_since(desk.org.no, seq, 1000)} == {
        "gone",
        "chat",
        "contact",
    }


def test_an_import_that_is_over_may_tell_nothing_more(desk: Desk, make_message: MakeMessage) -> None:
    imported = desk.begin()
    desk.store.finish_import(desk.org.no, imported, None)
    with pytest.raises(Conflict, match="start a new import"):
        desk.tell(make_message("M1"), import_id=imported)
    with pytest.raises(NotFound, match="the last one is 1"):
        desk.undo(7)


def test_a_mapping_that_only_an_import_told_is_taken_back_with_it(desk: Desk, make_message: MakeMessage) -> None:
    placeholder = "ana.0123456789@export"
    first, second = desk.begin(), desk.begin()
    number = f"{NUMBER}@s.whatsapp.net"
    desk.tell(make_message("M1", chat=placeholder, text="under a name"), import_id=first)
    desk.tell(NumberMapped(lid=placeholder, jid=number), make_message("M2", chat=number), import_id=second)
    assert desk.chats() == [number]
    desk.undo(second)
    assert desk.chats() == [placeholder]
    assert [text for _, text in desk.said(placeholder)] == ["under a name"]
    assert desk.is_sound()


@pytest.mark.parametrize("steps", [1, 1000])
def test_two_placeholder_chats_that_become_one_make_equal_lines_one(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    monkeypatch.setattr("backscroll.storage.write.merge.MERGE_ROWS", steps)
    twice = SIX + "13/01/2026, 09:20 - Rob: six\n13/01/2026, 09:21 - Ana: only here\n"
    once = "13/01/2026, 09:14 - Ana: only there\n" + SIX
    first = desk.take(desk.put(once + "13/01/2026, 09:20 - Rob: six\n"))
    second = desk.take(desk.put(twice.replace("Ana:", "Ana Old:"), "WhatsApp Chat with Ana Old.txt"))
    assert len(desk.chats()) == 2
    number = f"{NUMBER}@s.whatsapp.net"
    for summary in (first, second):
        desk.tell(NumberMapped(lid=summary.chat, jid=number))
    assert desk.chats() == [number]
    assert [text for _, text in desk.said()] == [
        "only there",
        "one good thing",
        "two good things",
        "three of these",
        "four of those",
        "five",
        "six",
        "six",
        "only here",
    ]
    assert desk.is_sound()
    desk.undo(second.import_id or 0)
    assert len(desk.said()) == 8
    desk.undo(first.import_id or 0)
    assert desk.said() == []
    assert desk.is_sound()


@pytest.mark.parametrize(
    ("damage", "finding"),
    [
        ("UPDATE import_numbers SET import = 99", "number range belongs to the wrong import"),
        ("UPDATE import_numbers SET last_no = first_no - 1", "number ranges of imports overlap"),
        (
            "UPDATE import_retold SET no = 9999 WHERE no IN (SELECT no FROM messages)",
            "import refers to something that is missing",
        ),
        ("UPDATE tellings SET told = '[99]'", "observation refers to an unknown or undone import"),
        ("UPDATE addons SET told = '[99]'", "annotation refers to an unknown or undone import"),
        ("UPDATE import_mappings SET import = 99 WHERE import = 1", "something refers to an unknown or undone import"),
        ("UPDATE import_facts SET facts = NULL", "contact's facts differ from what its sources reported"),
        ("DELETE FROM files", "file of an import is not listed"),
        ("UPDATE heads SET imports = 7", "number of the last import is wrong"),
    ],
)
def test_check_names_what_is_wrong_with_imports(
    desk: Desk, sql: PlainSql, make_message: MakeMessage, target: MakeTarget, damage: str, finding: str
) -> None:
    for name in ("one", "two"):
        imported = desk.store.begin_import(desk.org.no, NewImport(kind="gowa", file=name)).id
        desk.tell(
            make_message("M1"),
            make_message("M2", text=name),
            MediaHeld(target=target("M3"), media=Media(file="ab" * 32)),
            ContactSeen(jid=CHAT, name=name),
            NumberMapped(lid="12345678901234@lid", jid=CHAT),
            import_id=imported,
        )
    assert desk.is_sound()
    sql.change(damage)
    assert finding in {found.what for found in desk.store.check()}


def test_a_chat_under_a_lid_goes_with_the_mapping_that_the_import_told_too(desk: Desk) -> None:
    lid, number = "33333333333@lid", f"{NUMBER}@s.whatsapp.net"
    first, second = desk.begin(), desk.begin()
    desk.tell(ChatSeen(phone=desk.phone.jid, chat=lid, at=MORNING, labels=()), import_id=first)
    desk.tell(ChatSeen(phone=desk.phone.jid, chat=number, at=MORNING, labels=()), import_id=second)
    desk.undo(second)
    desk.tell(NumberMapped(lid=lid, jid=number), import_id=first)
    desk.undo(first)
    assert (desk.chats(), desk.contacts()) == ([], [])
    assert desk.is_sound()


FIRST_LID, SECOND_LID = "22222222222@lid", "33333333333@lid"


@pytest.mark.parametrize("teller", ["live", "import"])
def test_tying_two_jids_together_is_no_use_of_either(desk: Desk, make_message: MakeMessage, teller: str) -> None:
    said = None if teller == "live" else desk.begin()
    desk.tell(make_message("M1", chat=FIRST_LID, text="under the LID"), import_id=said)
    wrong = desk.begin()
    desk.tell(NumberMapped(lid=FIRST_LID, jid=SECOND_LID), import_id=wrong)
    desk.tell(NumberMapped(lid=SECOND_LID, jid=CHAT), import_id=said)
    assert [c.jid for c in desk.store.list_chats(ChatQuery(org=desk.org.no, phones=(desk.phone.no,))).chats] == [CHAT]
    desk.undo(wrong)
    assert desk.said(FIRST_LID) == [(MORNING, "under the LID")]
    assert desk.said(CHAT) == []
    found = desk.store.find_contact(desk.org.no, (desk.phone.no,), SECOND_LID)
    assert found is not None
    assert (found.jid, found.lid) == (CHAT, SECOND_LID)
    assert desk.is_sound()


def test_what_a_live_source_told_under_both_jids_stays_with_the_number(desk: Desk, make_message: MakeMessage) -> None:
    desk.tell(make_message("M1", chat=FIRST_LID, text="under the LID"))
    wrong = desk.begin()
    desk.tell(NumberMapped(lid=FIRST_LID, jid=CHAT), import_id=wrong)
    desk.tell(make_message("M2", chat=CHAT, at=MORNING + MINUTE, text="under the number"))
    desk.undo(wrong)
    assert [text for _, text in desk.said(CHAT)] == ["under the LID", "under the number"]
    assert desk.said(FIRST_LID) == []
    assert desk.is_sound()
