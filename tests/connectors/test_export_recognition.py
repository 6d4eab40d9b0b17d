"""WhatsApp's own lines are recognised by their structure, in any language and wording; people's words stay text."""

from __future__ import annotations

import zipfile
from datetime import UTC
from pathlib import Path

import pytest

from backscroll.ingest.connectors.export.archive import open_export
from backscroll.ingest.connectors.export.chat import ExportedChat, ExportedLine, parse

CASES = Path(__file__).parent.parent / "fixtures" / "export" / "cases"
PHOTO = "00000003-PHOTO-2026-01-05-10-02-00.jpg"
PLAN = "Plan v1.2 (draft).pdf"


def chat(*lines: str, names: tuple[str, ...] | None = None) -> ExportedChat:
    return parse("\n".join([*lines, ""]).encode(), timezone=UTC, day_first=True, names=names)


def android(body: str, *more: str, names: tuple[str, ...] | None = None) -> ExportedLine:
    return chat(f"13/01/2026, 09:00 - Ana: {body}", *more, names=names).lines[0]


def iphone(body: str, names: tuple[str, ...] | None = None, author: str = "Ana", head: str = "") -> ExportedLine:
    said = [f"[13/01/2026, 09:00:0{n}] {name}: hello" for n, name in enumerate(("Ana", "Rob"))]
    return chat(*said, f"{head}[13/01/2026, 09:01:00] {author}: {body}", names=names).lines[2]


def system(body: str, author: str = "Ana") -> ExportedLine:
    """A system line, which iOS marks in two places."""
    return iphone(f"\u200e{body}", author=author, head="\u200e")


# Files


def test_files_of_a_turkish_iphone_are_attached() -> None:
    export = open_export(CASES / "attachment-line-shapes/WhatsApp Chat - Deniz.zip")
    parsed = parse(export.text, timezone=UTC, names=export.attachments)
    assert [(line.author, line.kind, line.text) for line in parsed.lines if line.attachment] == [
        ("Ece", "image", None),
        ("Deniz", "image", "bak"),
        ("Deniz", "voice", None),
    ]
    assert not any(line.is_edited for line in parsed.lines)
    assert parsed.is_group is None


@pytest.mark.parametrize(
    "name", [PHOTO, PLAN, "IMG-20260105-WA0001.jpg", "Zoé & Söhne [1].docx", "README", "報告書.xlsx"]
)
@pytest.mark.parametrize(
    "shape",
    ["<{} eklendi>", "<{}>", "{} <ek>", "[attached: {}]", "{}", "<qqq: {}>", "<qqq {}>", "{} (qqq www)", "({})",
     "qqq: {}",
     "{}（附件）", "「{}」", "[{}]"],
)  # fmt: skip
@pytest.mark.parametrize("mark", ["", "\u200e"])
def test_a_name_that_came_along_is_an_attachment_whatever_stands_around_it(name: str, shape: str, mark: str) -> None:
    body = mark + shape.format(name)
    for line in (android(body, names=(name, "other.jpg")), iphone(body, names=(name, "other.jpg"))):
        assert (line.attachment, line.author, line.is_edited) == (name, "Ana", None)
        assert line.text in (None, body)


@pytest.mark.parametrize("name", [PHOTO, PLAN])
@pytest.mark.parametrize("shape", ["<{} eklendi>", "<{}>", "<attached: {}>"])
def test_a_caption_before_the_file_on_an_iphone_is_kept(name: str, shape: str) -> None:
    for mark in ("", "\u200e"):
        line = iphone(f"look at this\nand this {mark}{shape.format(name)}", names=(name,))
        assert (line.attachment, line.text, line.is_edited) == (name, "look at this\nand this", None)


def test_a_caption_of_any_length_is_not_cut() -> None:
    words = "word " * 400
    line = iphone(f"{words}\u200e<attached: {PHOTO}>", names=(PHOTO,))
    assert (line.attachment, line.text) == (PHOTO, words.strip())
    assert android(f"{PHOTO} (qqq)\n{words}", names=(PHOTO,)).text == words.strip()


def test_a_file_whose_list_is_not_there_is_known_by_the_name_that_whatsapp_gives() -> None:
    line = iphone(f"bak \u200e<{PHOTO} eklendi>", names=())
    assert (line.kind, line.filename, line.media_omitted) == ("image", "PHOTO-2026-01-05-10-02-00.jpg", True)
    assert (line.text, line.is_edited) == ("bak", None)


def test_somebody_who_talks_about_a_file_that_another_line_sent_says_words() -> None:
    for body in (PHOTO, f"did you get {PHOTO}?"):
        line = android(body, f"13/01/2026, 09:01 - Rob: {PHOTO} (file attached)", names=(PHOTO,))
        assert (line.kind, line.text, line.attachment) == ("text", body, None)


def test_a_file_that_only_a_sentence_names_comes_with_the_whole_sentence() -> None:
    line = android(f"adjunto va {PHOTO} ahora", names=(PHOTO,))
    assert (line.attachment, line.text) == (PHOTO, f"adjunto va {PHOTO} ahora")


# Calls


def test_calls_with_a_full_stop_are_calls() -> None:
    lines = parse((CASES / "ios-call-lines-full-stop/WhatsApp Chat - Bea/_chat.txt").read_bytes(), timezone=UTC).lines
    calls = [(line.call.result, line.call.duration, line.call.video) for line in lines if line.call]
    assert calls == [
        ("connected", 120.0, False),
        ("missed", None, False),
        ("missed", None, False),
        ("unanswered", None, True),
        (None, None, False),
        ("failed", None, False),
        ("connected", 120.0, False),
        ("connected", 300.0, True),
        ("missed", None, False),
        ("connected", 300.0, False),
        ("connected", 120.0, False),
        ("missed", None, False),
    ]
    assert [line.kind for line in lines if not line.call] == ["notice", "text", "text", "text"]


@pytest.mark.parametrize(
    ("body", "result", "seconds"),
    [
        ("Anruf. \u200e12 Sek.", "connected", 12.0),
        ("Nieodebrane poł. głosowe. \u200eDotknij", "missed", None),
        ("音声通話、 \u200e5分", "connected", 300.0),
        ("مكالمة صوتية، \u200e5 دقائق", "connected", 300.0),
        ("Kutunyushiyana na moyo, \u200e1 h 2 min", "connected", 3720.0),
        ("Missed group video call, \u200eTap to join", "missed", None),
    ],
)
def test_a_call_is_known_by_its_build(body: str, result: str, seconds: float | None) -> None:
    call = system(body).call
    assert call
    assert (call.result, call.duration) == (result, seconds)


@pytest.mark.parametrize("body", ["Voice call. 2 min", "I had a video call, 5 min", "call me. 5 min", "Anruf, 3 Min."])
def test_somebody_who_talks_about_a_call_says_words(body: str) -> None:
    assert (iphone(body).kind, android(body).kind) == ("text", "text")


# Notices


def test_a_line_that_ios_marks_twice_and_that_names_its_author_is_a_notice() -> None:
    lines = parse((CASES / "ios-system-lines-other-words/_chat.txt").read_bytes(), timezone=UTC).lines
    assert [line.kind for line in lines] == ["notice"] + ["text"] * 7 + ["notice"] * 11
    assert not any(line.author for line in lines if line.kind == "notice")


@pytest.mark.parametrize(
    "body", ["Ana qqq www eee", "\u2068Ana\u2069 qqq", "Anaさんがグループを作成しました", "qqq Ana www"]
)
def test_such_a_notice_may_be_in_any_language(body: str) -> None:
    assert system(body).kind == "notice"


@pytest.mark.parametrize("body", ["Ana here again", "Ana: hi", "so says Ana"])
def test_somebody_who_says_their_own_name_says_words(body: str) -> None:
    assert (iphone(body).text, iphone(body).author) == (body, "Ana")


def test_notices_about_business_accounts_are_notices() -> None:
    body = "This business uses a secure service from Meta to manage this chat. Tap to learn more."
    assert (system(body).kind, system(body).notice_type) == ("notice", "business")


# Places, view once, deletions


@pytest.mark.parametrize("mark", ["", "\u200e"])
def test_a_place_of_foursquare_is_a_place(mark: str) -> None:
    body = "Pimlico Gardens (London, United Kingdom): https://foursquare.com/v/4e89af95e5fa82ad4c0aa03b"
    line = iphone(mark + body)
    assert (line.kind, line.text, line.location) == ("location", body, None)


@pytest.mark.parametrize(
    "body",
    [
        "look here: https://foursquare.com/v/4e89af95e5fa82ad4c0aa03b",
        "https://foursquare.com/v/4e89af95e5fa82ad4c0aa03b",
    ],
)
def test_a_link_that_somebody_sends_is_text(body: str) -> None:
    assert (iphone(body).kind, android(body).kind) == ("text", "text")


@pytest.mark.parametrize("body", ["<View once photo omitted>", "View once voice message omitted"])
def test_media_to_be_seen_once_says_so(body: str) -> None:
    for line in (android(body), iphone(body)):
        assert (line.media_omitted, line.is_view_once, line.text) == (True, True, None)


@pytest.mark.parametrize(
    ("body", "who"),
    [
        ("This message was deleted by admin Ben Holt.", "Ben Holt"),
        ("Diese Nachricht wurde von Admin Jörg gelöscht.", "Jörg"),
        ("Mensagem apagada pelo admin João", "João"),
        ("Dit bericht is verwijderd door beheerder Fem", "Fem"),
    ],
)
def test_the_admin_who_deleted_a_message_is_named(body: str, who: str) -> None:
    for line in (android(body), system(body)):
        assert (line.is_deleted, line.deleted_by, line.text) == (True, who, None)


def test_the_files_of_a_zip_are_each_found_once_among_many(tmp_path: Path) -> None:
    names = [f"{n:08}-PHOTO-2026-01-05-10-02-{n % 60:02}.jpg" for n in range(300)]
    path = tmp_path / "WhatsApp Chat - Deniz.zip"
    with zipfile.ZipFile(path, "w") as archive:
        said = [
            f"[13/01/2026, 10:{n // 60:02}:{n % 60:02}] Deniz: \u200e<{name} eklendi>" for n, name in enumerate(names)
        ]
        archive.writestr("_chat.txt", "\n".join(said))
        for name in names:
            archive.writestr(name, b"x")
    export = open_export(path)
    parsed = parse(export.text, timezone=UTC, names=export.attachments)
    assert [line.attachment for line in parsed.lines] == names


# People's own words


@pytest.mark.parametrize("own", ["This message was deleted.", "image omitted"])
@pytest.mark.parametrize("body", ["You deleted this message", "This message was deleted.", "GIF omitted"])
def test_words_like_whatsapps_stay_words_where_it_marks_its_own(body: str, own: str) -> None:
    marked, plain = (f"[13/01/2026, 09:00:00] Rob: {mark}{own}" for mark in ("\u200e", ""))
    said = f"[13/01/2026, 09:01:00] Ana: {body}"
    is_of_its_kind = ("deleted" in body) == ("deleted" in own)
    assert (chat(marked, said).lines[1].text == body) == is_of_its_kind
    assert chat(plain, said).lines[1].text is None
    assert chat(marked, said.replace(": ", ": \u200e")).lines[1].text is None


def test_a_notice_about_a_stranger_names_them_with_other_spaces() -> None:
    line = system("~\u202fOlek qqq www", author="~\u202fOlek")
    said = chat(
        "[13/01/2026, 09:00:00] ~\u202fOlek: hello",
        "[13/01/2026, 09:00:01] Rob: hello",
        f"\u200e{line.raw.lstrip(chr(0x200E))}",
    )
    assert said.lines[2].kind == "notice"
    assert said.title is None
