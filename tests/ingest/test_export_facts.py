"""Facts in an export besides the text reach the archive and both APIs, and what was not read is reported."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from backscroll.core.events import ChatSeen, MessageRevoked
from backscroll.core.model import Org
from backscroll.core.query import ChatQuery
from backscroll.storage.files.media import MediaStore
from backscroll.storage.store import Store
from export_desk import BEN, GROUP, NINE, Desk, Shell, jpeg

CASES = Path(__file__).parent.parent / "fixtures" / "export" / "cases"
GROUP_TALK = ("09:00 - Ana: a", "09:01 - Rob: b", "09:02 - Ida: c")
PICTURE = "IMG-20260314-WA0001.jpg"


@pytest.fixture
def desk(store: Store, org: Org, tmp_path: Path) -> Desk:
    phone = store.add_phone(org.no, "4915550001001", name="Mara")
    return Desk(store, MediaStore(tmp_path / "media", bytes(32)), org, phone, tmp_path)


@pytest.fixture
def shell(tmp_path: Path, database_url: str | None) -> Shell:
    made = Shell(tmp_path / "data", database_url)
    made.json("org", "create", "Garden")
    made.json("phone", "add", "--number", "4915550001001", "--name", "Mara", "--device-id", "mara")
    return made


def asked(shell: Shell, chat: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The messages of a chat, oldest first, as Periskope's API and as GOWA's show them."""
    token = shell.json("token", "create")
    basic = base64.b64encode(f"{token['id']}:{token['secret']}".encode()).decode()
    periskope, gowa = shell.ask(
        (f"/v1/chats/{chat}/messages", {"Authorization": f"Bearer {token['secret']}"}),
        (f"/chat/{chat}/messages", {"Authorization": f"Basic {basic}", "X-Device-Id": "mara"}),
    )
    assert (periskope.status_code, gowa.status_code) == (200, 200)
    return periskope.json()["messages"][::-1], gowa.json()["results"]["data"][::-1]


def revokes(desk: Desk) -> list[MessageRevoked]:
    events = desk.store.dump(desk.org.no, lambda dumped: [line.event for line in dumped.lines])
    return [event for event in events if isinstance(event, MessageRevoked)]


@pytest.mark.parametrize("first", ["export", "live", "neither"])
def test_the_admin_who_deleted_a_message_is_kept(desk: Desk, first: str) -> None:
    lines = (*GROUP_TALK, "09:03 - Ana: This message was deleted by admin Ida")
    if first == "live":
        desk.live("3EB0", 180, "secret", sender=BEN, chat=GROUP)
    taken = desk.android(*lines, name="WhatsApp Chat with G.txt", me="Rob", chat=GROUP)
    if first == "export":
        desk.live("3EB0", 180, "secret", sender=BEN, chat=GROUP)
    assert len(desk.said()) == 4
    assert desk.shown()[-1].deleted
    [revoked] = revokes(desk)
    assert (revoked.by, revoked.by_admin) == (taken.authors["Ida"], True)
    assert desk.android(*lines, name="WhatsApp Chat with G.txt", me="Rob", chat=GROUP).added == 0


def test_a_contact_card_without_its_file_keeps_its_name(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "WhatsApp Chat with Ben.txt"
    path.write_text("14/03/2026, 10:00 - Ben: Ira Novak.vcf (file attached)\n14/03/2026, 10:01 - Mara: Oh\n")
    shell.json("import", "export", str(path), "--phone", "4915550001001", "--chat", "4915550001003")
    periskope, gowa = asked(shell, BEN)
    assert (periskope[0]["message_type"], periskope[0]["body"], gowa[0]["content"]) == (
        "vcard",
        "Ira Novak",
        "Ira Novak",
    )


def test_the_votes_of_a_poll_are_shown(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "WhatsApp Chat with Ben.txt"
    poll = "POLL:\nWhich day?\nOPTION: Monday (2 votes)\nOPTION: Sunday (0 votes)\n"
    path.write_text(f"14/03/2026, 10:00 - Ben: {poll}\n14/03/2026, 10:01 - Mara: Oh\n")
    shell.json("import", "export", str(path), "--phone", "4915550001001", "--chat", "4915550001003")
    periskope, _ = asked(shell, BEN)
    assert periskope[0]["poll_results"] == {"Monday": 2, "Sunday": 0}


def test_media_to_be_seen_once_says_so(desk: Desk) -> None:
    desk.android("09:00 - Ben: <View once photo omitted>", "09:01 - Mara: Oh", chat=BEN)
    assert desk.shown()[0].message.details.is_view_once


def test_the_time_of_a_chat_without_messages_is_the_sources(desk: Desk) -> None:
    def last() -> int | None:
        [chat] = desk.store.list_chats(ChatQuery(org=desk.org.no, phones=(desk.phone.no,))).chats
        return chat.last_message_at

    desk.tell(ChatSeen(phone=desk.phone.jid, chat=BEN, at=NINE, last_message_at=NINE + 5_000_000), source="gowa")
    assert last() == NINE + 5_000_000
    desk.live("3EB0", 900, "hello")
    assert last() == NINE + 900_000_000


def test_a_private_chats_name_is_its_senders_until_a_better_one_is_known(desk: Desk) -> None:
    desk.live("3EB0", 900, "hello")
    desk.tell(ChatSeen(phone=desk.phone.jid, chat=BEN, name="Ben of the shop"), source="gowa")
    assert [m.sender_name for m in desk.shown()] == ["Ben of the shop"]
    desk.live("3EB1", 960, "hello again", push_name="Benny")
    assert [m.sender_name for m in desk.shown()] == ["Benny", "Benny"]


# ---------------------------------------------------------------------- the report


def test_files_that_no_line_names_are_kept_and_counted(desk: Desk) -> None:
    files = {PICTURE: jpeg(), "notes.pdf": b"%PDF-1.4\n"}
    taken = desk.android(f"09:00 - Ben: {PICTURE} (file attached)", "09:01 - Mara: Oh", chat=BEN, files=files)
    assert taken.files == 2
    assert "1 file that no line mentions, kept without a message: notes.pdf" in taken.warnings
    assert len(desk.said()) == 2


def test_a_folder_that_holds_other_things_too_keeps_them_to_itself(desk: Desk, tmp_path: Path) -> None:
    folder = tmp_path / "WhatsApp Chat with Ben"
    folder.mkdir()
    (folder / "_chat.txt").write_text("14/03/2026, 09:00 - Ben: hi\n14/03/2026, 09:01 - Mara: Oh\n")
    (folder / "taxes.pdf").write_bytes(b"%PDF-1.4\n")
    (folder / PICTURE).write_bytes(jpeg())
    taken = desk.take(folder, chat=BEN)
    assert taken.files == 1
    assert f"1 file that no line mentions, kept without a message: {PICTURE}" in taken.warnings
    assert "1 file that no line mentions, left alone: taxes.pdf" in taken.warnings


def test_lines_that_may_have_been_meant_otherwise_are_named(desk: Desk) -> None:
    taken = desk.take(
        desk.write(
            "sent from my phone",
            "14/03/2026, 09:00 - Ben: one",
            "[14/03/2026, 09:01:10] Mara: two",
            "[14/03/2026, 09:01:11] Mara: three",
            "45/45/2026, 09:02 - Mara: four",
            "14/03/2026, 09:02 - Mara: five",
            "14/03/2026, 09:03 - Ben: six",
            "14/03/2026, 09:04 - Ben: " + "seven " * 3,
            *(f"15/03/2026, 09:{n:02} - Ben: {n}" for n in range(20)),
        ),
        chat=BEN,
    )
    report = "\n".join(taken.warnings)
    assert "line 1 comes before the first message" in report
    assert "lines 3-4 begin with a date in a different format" in report
    assert "line 5 begins with a date that does not exist" in report
    assert (desk.said()[0] or "").count("\n") == 3


def test_pictures_of_a_turkish_iphone_are_served_by_both(shell: Shell) -> None:
    case = CASES / "attachment-line-shapes" / "WhatsApp Chat - Deniz.zip"
    taken = shell.json("import", "export", str(case), "--phone", "4915550001001", "--me", "Ece", "--timezone", "UTC")
    assert (taken["files"], taken["added"], taken["chat"].endswith("@export")) == (3, 6, True)
    periskope, gowa = asked(shell, taken["chat"])
    shown = [(m["message_type"], m["body"] or None) for m in periskope if m["has_media"]]
    assert shown == [("image", None), ("image", "bak"), ("ptt", None)]
    assert [row["media_type"] for row in gowa] == [None, "image", "image", "audio", None]
    assert [row["is_from_me"] for row in gowa] == [False, True, False, False, True]


@pytest.mark.parametrize(
    ("case", "chat", "options", "said"),
    [
        ("odd-quote-in-name/WhatsApp Chat with Family.txt", GROUP, (), 6),
        ("odd-quote-in-name/ios/_chat.txt", GROUP, (), 4),
        ("every-line-marked/ar1.txt", GROUP, ("--me", "Ali"), 5),
        ("every-line-marked/ar3.txt", GROUP, ("--me", "Ali"), 5),
        ("no-space-after-author/all/_chat.txt", BEN, ("--me", "Alice"), 4),
        ("no-space-after-author/some/_chat.txt", BEN, ("--me", "Alice"), 5),
        ("ios-call-lines-full-stop/WhatsApp Chat - Bea", BEN, ("--me", "Me"), 3),
        ("ios-system-lines-other-words/_chat.txt", GROUP, (), 7),
    ],
)
def test_what_people_said_is_shown_by_both(
    shell: Shell, case: str, chat: str, options: tuple[str, ...], said: int
) -> None:
    place = ("--phone", "4915550001001", "--chat", chat, "--timezone", "UTC")
    shell.json("import", "export", str(CASES / case), *place, *options)
    periskope, gowa = asked(shell, chat)
    texts = [message for message in periskope if message["message_type"] in ("chat", "image")]
    assert len(texts) == said
    assert len([row for row in gowa if row["media_type"] != "call"]) == said
    assert not any("\u200e" in (message["body"] or "") for message in texts)


@pytest.mark.parametrize("evidence", ["me", "file", "archive", "nothing"])
def test_a_line_without_a_space_is_a_message_where_evidence_names_its_author(desk: Desk, evidence: str) -> None:
    lines = ["09:00 - Mara: hello", "09:01 - Rob:Good morning", "09:02 - Ida: hi"]
    name, chat, options = "WhatsApp Chat with G.txt", GROUP, {"me": "Mara"}
    if evidence == "me":
        options = {"me": "rob"}
    elif evidence == "archive":
        desk.live("3EB0", 0, "before", chat=GROUP, push_name="Rob")
    elif evidence == "file":
        name, chat, lines = "WhatsApp Chat with Rob.txt", BEN, lines[:2]
    taken = desk.android(*lines, name=name, chat=chat, **options)
    assert ("Rob" in taken.authors, "Good morning" in desk.said()) == (evidence != "nothing",) * 2
    [notice] = [m.message.text for m in desk.shown(shows="notices")] or [None]
    assert notice == ("Rob:Good morning" if evidence == "nothing" else None)
    if evidence == "me":
        assert taken.authors["Rob"] == "me"
    assert desk.android(*lines, name=name, chat=chat, **options).added == 0
