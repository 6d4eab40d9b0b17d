"""Lines without words, captions or in other words than another source has: each is stored once, under its author."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from backscroll.core.events import MessageSeen
from backscroll.core.model import Details, Kind, Location, Media, Message, MessageKey, Org, Poll
from backscroll.storage.files.media import MediaStore
from backscroll.storage.store import Store
from export_desk import BEN, GROUP, IRA_LID, NINE, Desk, jpeg

TRIP = "WhatsApp Chat with Trip.txt"
CREATED = '09:00 - Mara created group "Trip"'
WAITING = "Waiting for this message. This may take a while."
POLL = "POLL:\nWhich day?\nOPTION: a (1 vote)\nOPTION: b (0 votes)"
WORDLESS = {
    "location: https://maps.google.com/?q=52.5,13.4": (
        "location",
        Details(location=Location(latitude=52.5, longitude=13.4)),
    ),
    "live location shared": ("live_location", Details(location=Location(latitude=52.5, longitude=13.4))),
    "Max.vcf (file attached)": ("contact", Details(vcards=("BEGIN:VCARD",))),
    "<Media omitted>": ("contact", Details(vcards=("BEGIN:VCARD",))),
    "IMG-20260314-WA0001.jpg (file attached)": ("image", Details(media=Media(mimetype="image/jpeg"))),
    WAITING: ("ciphertext", Details()),
}


@pytest.fixture
def desk(store: Store, org: Org, tmp_path: Path) -> Desk:
    phone = store.add_phone(org.no, "4915550001001", name="Mara")
    return Desk(store, MediaStore(tmp_path / "media", bytes(32)), org, phone, tmp_path)


# ---------------------------------------------------------------------- lines without words


@pytest.mark.parametrize("body", [*WORDLESS, "", "<View once photo omitted>", "This message was deleted"])
def test_a_line_without_words_of_a_renamed_author_is_not_doubled(desk: Desk, body: str) -> None:
    def lines(name: str) -> list[str]:
        return [CREATED, f"09:01 - {name}: something that is long", f"09:02 - {name}: {body}", "09:03 - Ida: hello"]

    assert desk.android(*lines("Ben"), name=TRIP, me="Mara").added == 4
    assert desk.android(*lines("Benny"), "09:04 - Ida: new", name=TRIP, me="Mara").added == 1
    assert len(desk.shown()) == 4


def test_nor_are_two_of_them_joined_where_both_names_still_write(desk: Desk) -> None:
    place = "location: https://maps.google.com/?q=52.5,13.4"
    desk.android(CREATED, f"09:02 - Ben: {place}", "09:03 - Ida: hello", "09:04 - Ben: hi", name=TRIP, me="Mara")
    lines = (f"09:02 - Ben: {place}", f"09:02 - Ida: {place}", "09:03 - Ida: hello", "09:04 - Ben: hi")
    assert desk.android(CREATED, *lines, name=TRIP, me="Mara").added == 1


@pytest.mark.parametrize("first", ["live", "export"])
@pytest.mark.parametrize("body", WORDLESS)
def test_a_line_without_words_meets_the_message_of_a_member_known_by_lid(desk: Desk, body: str, first: str) -> None:
    kind, details = WORDLESS[body]
    key = MessageKey(desk.phone.jid, GROUP, "3EB0A", IRA_LID)
    message = Message(key=key, sent_at=NINE + 130_000_000, from_me=False, kind=kind, details=details)  # type: ignore[arg-type]
    steps: list[Callable[[], object]] = [
        lambda: desk.tell(MessageSeen(message)),
        lambda: desk.android(CREATED, f"09:02 - Ira: {body}", "09:03 - Ida: hello", name=TRIP, me="Mara", chat=GROUP),
    ]
    for step in steps if first == "live" else reversed(steps):
        step()
    first_shown, _ = desk.shown()
    assert first_shown.message.key.sender == IRA_LID


# ---------------------------------------------------------------------- files and words that only one side tells


@pytest.mark.parametrize("first", ["android", "ios"])
@pytest.mark.parametrize("writer", ["Ben", "Benny"])
def test_a_caption_that_an_iphone_does_not_export_makes_no_second_picture(
    desk: Desk, tmp_path: Path, writer: str, first: str
) -> None:
    picture, photo = "IMG-20260314-WA0001.jpg", "00000003-PHOTO-2026-03-14-09-01-10.jpg"
    group: dict[str, Any] = {"name": TRIP, "me": "Mara", "chat": GROUP}
    android = (f"09:01 - Ben: {picture} (file attached)", "the garden", "09:02 - Ida: hello")
    folder = tmp_path / "WhatsApp Chat - Trip"
    folder.mkdir()
    lines = [f"\u200e[14/03/2026, 09:01:10] {writer}: \u200e<attached: {photo}>", "[14/03/2026, 09:02:10] Ida: hello"]
    (folder / "_chat.txt").write_text("\n".join([*lines, ""]))
    (folder / photo).write_bytes(jpeg())
    steps: list[Callable[[], object]] = [
        lambda: desk.android(*android, files={picture: jpeg()}, **group),
        lambda: desk.take(folder, me="Mara", chat=GROUP, day_first=True),
    ]
    for step in steps if first == "android" else reversed(steps):
        step()
    assert [m.message.text for m in desk.shown()] == ["the garden", "hello"]
    assert desk.shown()[0].message.details.media


@pytest.mark.parametrize("first", ["live", "export"])
@pytest.mark.parametrize(
    ("kind", "text", "details", "body"),
    [
        ("image", "the garden", {"media": Media(mimetype="image/jpeg")}, "IMG-20260314-WA0001.jpg (file attached)"),
        ("image", "the garden", {"media": Media(mimetype="image/jpeg")}, "<Media omitted>"),
        ("document", "Plan.pdf", {"media": Media(filename="Plan.pdf")}, "Plan.pdf (file attached)"),
        ("document", "Plan.pdf", {"media": Media(filename="Plan.pdf")}, "<Media omitted>"),
        ("poll", None, {"poll": Poll(name="Which day?", options=("a", "b"))}, POLL),
        ("poll", "Poll: Which day?", {"poll": Poll(name="Which day?", options=("a", "b"))}, POLL),
        ("unknown", None, {}, "what others understood"),
        ("unknown", None, {}, "<Media omitted>"),
    ],
)
@pytest.mark.parametrize("chat", [BEN, GROUP])
def test_what_sources_put_into_other_words_or_none_is_stored_once(
    desk: Desk, kind: Kind, text: str | None, details: dict[str, Any], body: str, chat: str, first: str
) -> None:
    sender = BEN if chat == BEN else IRA_LID
    name = TRIP if chat == GROUP else "WhatsApp Chat with Ben.txt"
    steps: list[Callable[[], object]] = [
        lambda: desk.live("3EB0A", 70, text, sender=sender, chat=chat, kind=kind, **details),
        lambda: desk.android(f"09:01 - Ben: {body}", "09:02 - Mara: ok", name=name, me="Mara", chat=chat),
    ]
    for step in steps if first == "live" else reversed(steps):
        step()
    shown, _ = desk.shown()
    assert (shown.message.key.id, shown.message.key.sender) == ("3EB0A", sender)


def test_two_files_of_one_minute_stay_two(desk: Desk) -> None:
    for nth, text in enumerate(("one", "two")):
        desk.live(f"3EB0{nth}", 70 + nth, text, kind="image", media=Media(mimetype="image/jpeg"))
    lines = [f"09:01 - Ben: {text}" for text in ("<Media omitted>\ntwo", "<Media omitted>", "<Media omitted>")]
    assert desk.android(*lines, "09:02 - Mara: ok", me="Mara", chat=BEN).added == 2
    assert len(desk.shown()) == 4


# ---------------------------------------------------------------------- lines that were not decrypted


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("words", ["the words", "IMG-20260314-WA0001.jpg (file attached)"])
def test_a_line_that_was_decrypted_later_is_stored_once(desk: Desk, words: str, order: Sequence[int]) -> None:
    exports = [("09:01 - Ben: hello", f"09:01 - Ben: {said}", "09:01 - Ben: bye") for said in (WAITING, words)]
    assert [desk.android(*exports[nth], me="Mara").added for nth in order] == [3, 0]
    assert "ciphertext" not in {m.message.kind for m in desk.shown()}


@pytest.mark.parametrize("first", ["live", "export"])
@pytest.mark.parametrize(("kind", "text", "body"), [("ciphertext", None, "the words"), ("text", "the words", WAITING)])
def test_what_only_one_source_could_decrypt_is_stored_once(
    desk: Desk, kind: Kind, text: str | None, body: str, first: str
) -> None:
    steps: list[Callable[[], object]] = [
        lambda: desk.live("3EB0A", 70, text, kind=kind),
        lambda: desk.android(f"09:01 - Ben: {body}", "09:02 - Mara: ok", me="Mara", chat=BEN),
    ]
    for step in steps if first == "live" else reversed(steps):
        step()
    first_shown, _ = desk.shown()
    assert (first_shown.message.key.id, first_shown.message.text) == ("3EB0A", "the words")
