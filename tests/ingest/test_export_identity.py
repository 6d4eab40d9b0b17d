"""Identifies the chat of an export and its people from evidence that is weak, copied or contradictory."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest

from backscroll.core.errors import BadField, Question
from backscroll.core.events import ContactSeen
from backscroll.core.model import Org
from backscroll.ingest.connectors.export.titles import sign_of
from backscroll.ingest.exports.names import made_up_jid, number_of
from backscroll.storage.files.media import MediaStore
from backscroll.storage.store import Store
from export_desk import BEN, GROUP, IRA, Desk

CASES = Path(__file__).parent.parent / "fixtures" / "export" / "cases"
COPIES = sorted(path.name for path in (CASES / "copy-suffix-in-file-name").iterdir())
TALK = ("09:00 - Ana: one", "09:01 - Rob: two", "09:02 - Ana: three")
GROUP_TALK = ("08:59 - Ana added you", "09:00 - Ana: a", "09:01 - Rob: b", "09:02 - Ida: c")


@pytest.fixture
def desk(store: Store, org: Org, tmp_path: Path) -> Desk:
    phone = store.add_phone(org.no, "4915550000001", name="Phone")
    return Desk(store, MediaStore(tmp_path / "media", bytes(32)), org, phone, tmp_path)


def titled(name: str) -> str:
    return f"WhatsApp Chat with {name}.txt"


# ---------------------------------------------------------------------- copies


def test_copies_of_a_file_are_one_chat(desk: Desk) -> None:
    added = [desk.take(CASES / "copy-suffix-in-file-name" / name, me="Rob").added for name in COPIES]
    assert added == [4, 0, 0, 0, 0]
    assert desk.said() == ["one", "two", "three", "four"]


@pytest.mark.parametrize(
    "name",
    ["Ana (1)", "Ana (12)", "Ana_", "Ana - Copy", "Ana - Copy (2)", "Ana - Kopie", "Ana - copie", "Ana - copia",
     "Ana - Cópia", "Ana – Kopie (3)", "Ana - копия", "Ana - コピー", "Ana.txt", "Ana.txt (1)", "Ana (1).txt - Copy",
     "Ana 2", "Ana-1", "Ana copy", "Ana copy 2", "Ana Kopie 2"],
)  # fmt: skip
def test_what_a_copy_adds_is_no_part_of_the_name(desk: Desk, name: str) -> None:
    desk.android(*TALK, name=titled("Ana"), me="Rob")
    assert desk.android(*TALK, name=titled(name), me="Rob").added == 0


@pytest.mark.parametrize("start", ["Copy of ", "Copie de ", "Kopie von ", "Copia di "])
def test_nor_what_it_puts_before_it(start: str) -> None:
    sign = sign_of(f"{start}WhatsApp Chat with Ana (1).zip")
    assert sign
    assert sign.title == "Ana"


@pytest.mark.parametrize("name", ["Plot 14", "Ana 2", "10-12", "Team copy"])
def test_a_name_that_ends_like_a_copy_stays_whole_where_nothing_says_otherwise(desk: Desk, name: str) -> None:
    taken = desk.android(*GROUP_TALK, name=titled(name), me="Rob")
    assert taken.chat == made_up_jid(desk.phone.jid, name, True)


def test_a_person_whose_saved_name_ends_so_is_found_under_it(desk: Desk) -> None:
    lines = [line.replace("Ana", "Ana 2") for line in TALK]
    assert desk.android(*lines, name=titled("Ana 2"), me="Rob").chat == made_up_jid(desk.phone.jid, "Ana 2")


def test_a_groups_file_that_may_be_a_copy_is_the_same_group_where_lines_are_equal_and_else_asked(desk: Desk) -> None:
    first = desk.android(*GROUP_TALK, name=titled("Family"), me="Rob")
    assert desk.android(*GROUP_TALK, "09:05 - Ana: new", name=titled("Family 2"), me="Rob").chat == first.chat
    later = ("15/03/2026, 10:00 - Ana: x", "15/03/2026, 10:01 - Ida: y", "15/03/2026, 10:02 - Rob: z")
    with pytest.raises(Question, match="from a copy of its file, or one called Family 2"):
        desk.android(*later, name=titled("Family 2"), me="Rob")
    assert desk.android(*later, name=titled("Family 2"), me="Rob", chat="Family").chat == first.chat
    assert desk.android(*later, name=titled("Family 2"), me="Rob", chat="Family 2").chat != first.chat


# ---------------------------------------------------------------------- titles


@pytest.mark.parametrize("form", ["folder", "file", "zip"])
def test_two_groups_of_one_creator_are_two_chats(desk: Desk, form: str) -> None:
    cases = CASES / "group-title-from-creator"
    for title in ("Book club", "Street party"):
        path = {"folder": cases / title, "file": cases / title / "_chat.txt", "zip": cases / "zips" / f"{title}.zip"}
        taken = desk.take(path[form], me="Rob")
        assert (taken.lines, taken.added, taken.chat) == (6, 6, made_up_jid(desk.phone.jid, title, True))
    assert desk.said().count("hi") == desk.said().count("welcome") == 2


@pytest.mark.parametrize("form", ["folder", "inner folder", "zip"])
def test_where_no_line_names_the_group_its_folders_and_its_zip_do(desk: Desk, tmp_path: Path, form: str) -> None:
    text = "13/01/2026, 09:00 - Ana: a\n13/01/2026, 09:01 - Rob: b\n13/01/2026, 09:02 - Ida: c\n"
    path = tmp_path / "Book club"
    if form == "folder":
        path.mkdir()
        (path / "_chat.txt").write_text(text)
        path /= "_chat.txt"
    else:
        path = tmp_path / ("export.zip" if form == "inner folder" else "Book club.zip")
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("Book club/_chat.txt" if form == "inner folder" else "_chat.txt", text)
    assert desk.take(path, me="Rob").chat == made_up_jid(desk.phone.jid, "Book club", True)


def test_a_group_that_nothing_names_is_asked_for_by_jid_or_title(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "Downloads" / "_chat.txt"
    path.parent.mkdir()
    path.write_text("13/01/2026, 09:00 - Ana: a\n13/01/2026, 09:01 - Rob: b\n13/01/2026, 09:02 - Ida: c\n")
    with pytest.raises(Question) as caught:
        desk.take(path)
    assert caught.value.option == "--chat with the group's JID or its title"
    assert desk.take(path, chat="Book club").chat == made_up_jid(desk.phone.jid, "Book club", True)
    assert desk.take(path, chat=GROUP).chat == GROUP
    with pytest.raises(BadField, match="3 people write in this export; give --chat with the group's JID or its title"):
        desk.take(path, chat="4915550001003")


def test_a_title_is_never_somebody_who_writes_in_the_chat(desk: Desk) -> None:
    with pytest.raises(Question, match="named after Ana, who is one of the authors in this group"):
        desk.android(*GROUP_TALK, name=titled("Ana"), me="Rob")


def test_a_file_and_its_lines_that_name_two_chats_are_asked_about(desk: Desk) -> None:
    lines = ("09:00:00] Garden: \u200eAna added you", "09:01:00] Ana: a", "09:02:00] Rob: b")
    with pytest.raises(Question, match="named after Street party, but its lines are from Garden"):
        desk.ios(*lines, name=titled("Street party"), me="Rob")
    assert desk.ios(*lines, name=titled("Garden_"), me="Rob").chat == made_up_jid(desk.phone.jid, "Garden", True)
    assert desk.ios(*lines, name=titled("Street party"), me="Rob", chat="Garden").added == 0


def test_a_group_in_which_two_write_is_a_group(desk: Desk) -> None:
    lines = ("09:00:00] Garden: \u200eMessages are end-to-end encrypted.", "09:01:00] Ana: a", "09:02:00] Rob: b")
    assert desk.ios(*lines, name="_chat.txt", me="Rob").chat.endswith("@g.us")
    assert desk.android(*GROUP_TALK[:3], name=titled("Two"), me="Rob").chat.endswith("@g.us")


def test_a_title_that_is_neither_of_two_writers_is_asked_about_and_either_answer_is_taken(desk: Desk) -> None:
    with pytest.raises(Question) as caught:
        desk.android(*TALK, name=titled("Family"), me="Rob")
    assert caught.value.option == '--chat "Family" if it is, or --chat "Ana" if it is the chat with Ana'
    group = desk.android(*TALK, name=titled("Family"), me="Rob", chat="Family")
    private = desk.android(*TALK, name=titled("Family"), me="Rob", chat="Ana")
    assert (group.chat, private.chat) == (
        made_up_jid(desk.phone.jid, "Family", True),
        made_up_jid(desk.phone.jid, "Ana"),
    )


# ---------------------------------------------------------------------- one title, two chats


def family(case: str) -> Path:
    return CASES / "two-chats-one-title" / case / "WhatsApp Chat with Family.txt"


def test_two_groups_of_one_title_and_no_common_author_are_asked_about_and_kept_apart(desk: Desk) -> None:
    first = desk.take(family("c"))
    with pytest.raises(Question, match="none of its members write here") as caught:
        desk.take(family("d"))
    assert '--chat "Family (2)"' in caught.value.option
    other = desk.take(family("d"), chat="Family (2)")
    assert (other.added, other.chat == first.chat) == (3, False)
    assert desk.take(family("d"), chat="Family (2)").added == 0
    assert len(desk.said()) == 6


def test_they_are_one_where_that_is_answered(desk: Desk) -> None:
    first = desk.take(family("c"))
    assert desk.take(family("d"), chat=first.chat).chat == first.chat


def test_nobodys_words_are_taken_for_those_of_somebody_who_still_writes(desk: Desk) -> None:
    desk.take(family("one-group-1"), me="Rob")
    taken = desk.take(family("one-group-2"), me="Rob")
    assert (taken.added, taken.known, len(desk.said())) == (3, 2, 6)
    assert [m.sender_name for m in desk.shown() if m.message.text == "Good morning"] in (["Tom", "Jan"], ["Jan", "Tom"])


def test_joining_a_group_by_its_jid_takes_the_people_of_its_placeholder_along(desk: Desk) -> None:
    desk.take(family("one-group-1"), me="Rob")
    assert desk.take(family("one-group-2"), me="Rob", chat=GROUP).added == 3
    names = {(m.message.key.sender, m.sender_name) for m in desk.shown(GROUP) if not m.message.from_me}
    assert sorted(name or "" for _, name in names) == ["Ida", "Jan", "Tom"]


def test_joining_a_group_by_its_jid_leaves_another_group_of_its_title_alone(desk: Desk) -> None:
    first = desk.take(family("c"))
    taken = desk.take(family("d"), chat=GROUP)
    assert any("same title but different members" in warning for warning in taken.warnings)
    assert (len(desk.said(first.chat)), len(desk.said(GROUP))) == (3, 3)


# ---------------------------------------------------------------------- digits


@pytest.mark.parametrize("title", ["2024", "007", "10-12"])
def test_a_title_of_digits_is_a_title(desk: Desk, title: str) -> None:
    taken = desk.take(CASES / "digit-names-taken-for-numbers" / titled(title), me="Rob")
    assert taken.chat == made_up_jid(desk.phone.jid, title, True)
    assert set(taken.authors) == {"Ana", "Rob", "Ida"}


def test_names_of_digits_are_names_and_stay_as_written(desk: Desk) -> None:
    taken = desk.take(CASES / "digit-names-taken-for-numbers" / titled("Numbers"))
    assert all(jid.endswith("@export") for jid in taken.authors.values())
    assert {m.sender_name for m in desk.shown()} == set(taken.authors)
    assert "(555) 010-0199" in taken.authors


@pytest.mark.parametrize(
    ("name", "digits"),
    [
        ("+49 1555 0001003", "4915550001003"),
        ("\u202a+49\u00a01555\u00a00001003\u202c", "4915550001003"),
        ("\u200e+1 (555) 010-0199", "15550100199"),
        ("+123456", None),
        ("+1234567", "1234567"),
        ("+1234567890123456", None),
        ("4915550001003", None),
        ("112", None),
        ("+49 Ana", None),
        ("", None),
    ],
)
def test_only_what_begins_with_a_plus_is_a_number(name: str, digits: str | None) -> None:
    assert number_of(name) == digits


def test_digits_given_as_the_chat_are_a_number_unless_they_are_the_title(desk: Desk) -> None:
    assert desk.android(*TALK, name=titled("Ana"), me="Rob", chat="4915550001003").chat == BEN
    lines = [*GROUP_TALK, "09:09 - Ana: d"]
    assert desk.android(*lines, name=titled("12345678"), me="Rob", chat="12345678").chat.endswith("@g.us")
    assert desk.android(*lines, name=titled("x"), me="Rob", chat="120363041234567890").chat == GROUP


# ---------------------------------------------------------------------- the owner


def test_an_owner_who_wrote_nothing_is_no_error(desk: Desk) -> None:
    taken = desk.android("09:00 - Ana: one", name=titled("Ana"), me="Rob")
    assert (taken.added, taken.authors) == (1, {"Ana": made_up_jid(desk.phone.jid, "Ana")})
    assert any("Rob wrote nothing" in warning for warning in taken.warnings)
    group = desk.android(*(line for line in GROUP_TALK if "Rob" not in line), name=titled("G"), me="Rob")
    assert group.added == 3
    assert [w for w in group.warnings if "--me" in w] == [], "a warning suggests --me although the owner was given"


def test_one_who_is_misspelt_is_an_error_where_two_people_write(desk: Desk) -> None:
    with pytest.raises(BadField, match="is not among the authors: Ana, Rob"):
        desk.android(*TALK, name=titled("Ana"), me="Robert")
    assert desk.android(*TALK, name=titled("Ana"), me="rob").authors["Rob"] == "me"


def test_a_sole_writer_may_be_the_owner_or_the_other_side_and_is_asked_for(desk: Desk) -> None:
    with pytest.raises(Question, match="Only Rob writes here, in a chat called Ana"):
        desk.android("09:00 - Rob: one", name=titled("Ana"))
    taken = desk.android("09:00 - Rob: one", name=titled("Ana"), me="Rob")
    assert (taken.chat, taken.authors) == (made_up_jid(desk.phone.jid, "Ana"), {"Rob": "me"})


def test_with_the_owner_given_nothing_is_asked_again(desk: Desk) -> None:
    taken = desk.android(*TALK, name="_chat.txt", me="Rob", chat=IRA)
    assert taken.authors == {"Ana": IRA, "Rob": "me"}


def test_a_chat_that_the_archive_knows_by_the_title_needs_no_question(desk: Desk) -> None:
    desk.live("3EB0", 900, "hello", sender=BEN, chat=GROUP)
    desk.tell(ContactSeen(jid=GROUP, name="Family"), ContactSeen(jid=BEN, name="Ana"))
    assert desk.android(*TALK, name=titled("Family"), me="Rob").chat == GROUP


def test_a_private_chat_shows_the_name_in_its_file_as_the_senders(desk: Desk) -> None:
    desk.android(*TALK, name=titled("Ana"), me="Rob", chat=BEN)
    assert [m.sender_name for m in desk.shown() if not m.message.from_me] == ["Ana", "Ana"]


def test_a_file_may_be_imported_from_where_it_lies(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(CASES / "group-title-from-creator" / "Book club", tmp_path / "Book club")
    monkeypatch.chdir(tmp_path / "Book club")
    assert desk.take(Path("_chat.txt"), me="Rob").chat == made_up_jid(desk.phone.jid, "Book club", True)
    assert desk.take(Path("."), me="Rob").added == 0
