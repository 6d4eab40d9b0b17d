"""Authors, marks and line heads: who wrote a line, and that no line is lost."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backscroll.core.errors import Question, Unreadable
from backscroll.ingest.connectors.export.chat import ExportedChat, parse
from hostile_exports import FILES, lines_of_exports
from thorough import examples

CASES = Path(__file__).parent.parent / "fixtures" / "export" / "cases"


def case(name: str) -> ExportedChat:
    return parse((CASES / name).read_bytes(), timezone=UTC)


def chat(*lines: str, names: tuple[str, ...] | None = None) -> ExportedChat:
    return parse("\n".join([*lines, ""]).encode(), timezone=UTC, day_first=True, names=names)


def spoken(parsed: ExportedChat) -> list[tuple[str | None, str | None]]:
    return [(line.author, line.text) for line in parsed.lines]


# Authors


def test_a_quotation_mark_in_a_name_is_part_of_the_name() -> None:
    parsed = case("odd-quote-in-name/WhatsApp Chat with Family.txt")
    assert parsed.authors == ("Ana", 'ד"ר לוי', 'עו"ד כהן', '6" Pipes Ltd', 'O"Neil', "ד״ר גל")
    assert {line.kind for line in parsed.lines} == {"text"}


def test_on_an_iphone_too_and_for_its_pictures() -> None:
    parsed = case("odd-quote-in-name/ios/_chat.txt")
    assert parsed.authors == ("Ana", 'ד"ר לוי', 'O"Neil')
    assert [line.kind for line in parsed.lines] == ["text", "text", "image", "text"]


@pytest.mark.parametrize("file", ["all", "some"])
def test_a_space_that_is_missing_after_the_colon_neither_cuts_nor_hides_anything(file: str) -> None:
    said = [("Alice", "Hey"), ("Bob", "Hi"), ("Bob", "How are you: fine?"), ("Alice", "ok"), ("Bob", "yes")]
    assert spoken(case(f"no-space-after-author/{file}/_chat.txt")) == (said if file == "some" else said[:4])


@pytest.mark.parametrize(("people", "said"), [((), (None, "Rob:Good morning")), (("rob",), ("Rob", "Good morning"))])
def test_on_android_a_name_that_no_other_line_has_needs_evidence(
    people: tuple[str, ...], said: tuple[str | None, str]
) -> None:
    lines = "13/01/2026, 09:00 - Rob:Good morning\n13/01/2026, 09:01 - Ana: hello\n"
    parsed = parse(lines.encode(), timezone=UTC, day_first=True, people=people)
    assert spoken(parsed) == [said, ("Ana", "hello")]
    assert parsed.possible_authors == (() if people else ("Rob",))


def test_on_android_a_name_that_is_known_from_other_lines_needs_no_space() -> None:
    parsed = chat(
        "13/01/2026, 09:00 - Bob: hello",
        "13/01/2026, 09:01 - Bob:Hi: you",
        "13/01/2026, 09:02 - Your security code with Ana:Shop changed. Tap to learn more.",
    )
    assert spoken(parsed)[:2] == [("Bob", "hello"), ("Bob", "Hi: you")]
    assert parsed.lines[2].kind == "notice"


def test_a_mark_after_the_colon_stands_for_the_space() -> None:
    line = chat("[13/01/2026, 09:00:00] Bob: a", "[13/01/2026, 09:00:00] Bob:\u200eimage omitted").lines[1]
    assert (line.author, line.kind) == ("Bob", "image")


@pytest.mark.parametrize("name", ["Shop:Berlin", "Mara :)", "Kim :-)", "a:b", "Re:Start GmbH", "12:30 club"])
def test_a_name_with_a_colon_inside_that_writes_again_stays_whole(name: str) -> None:
    parsed = chat(*(f"13/01/2026, 09:0{n} - {name}: line {n}" for n in range(3)))
    assert spoken(parsed) == [(name, f"line {n}") for n in range(3)]


@pytest.mark.parametrize(
    "text",
    [
        'Mara changed the subject from "Plan: A" to "Plan: B"',
        "Mara hat den Betreff von „Plan: A“ zu „Plan: B“ geändert",
        'Cansu, konuyu "Plan: A" yerine "Plan: B" olarak değiştirdi',
    ],
)
def test_a_colon_in_the_words_of_a_notice_names_nobody(text: str) -> None:
    assert spoken(chat("13/01/2026, 09:00 - Mara: hi", f"13/01/2026, 09:01 - {text}"))[1] == (None, text)


def test_somebody_with_a_long_name_may_say_what_a_notice_says() -> None:
    assert spoken(chat("13/01/2026, 09:00 - Anna von der Musikschule: hinzugefügt habe ich es"))[0] == (
        "Anna von der Musikschule",
        "hinzugefügt habe ich es",
    )


def test_a_name_that_a_saved_contact_and_a_stranger_have_is_told_apart() -> None:
    parsed = chat("13/01/2026, 09:00 - ~\u202fJo: a", "13/01/2026, 09:01 - Jo: b", "13/01/2026, 09:02 - ~ Ida: c")
    assert spoken(parsed) == [("~ Jo", "a"), ("Jo", "b"), ("Ida", "c")]
    assert (parsed.authors, parsed.push_names) == (("~ Jo", "Jo", "Ida"), ("~ Jo", "Ida"))


@pytest.mark.parametrize("head", ["13/01/2026, 09:0{} - ", "[13/01/2026, 09:0{}:00] "])
def test_a_name_may_hold_the_end_of_a_line(head: str) -> None:
    lines = [f"{head.format(n)}Ana\nShop: line {n}\nmore: of it" for n in range(2)]
    parsed = chat(*lines, f"{head.format(2)}Rob: hello")
    assert spoken(parsed)[:2] == [("Ana\nShop", f"line {n}\nmore: of it") for n in range(2)]
    assert parsed.authors == ("Ana\nShop", "Rob")


def test_on_android_one_line_alone_is_no_such_name() -> None:
    lines = ("13/01/2026, 09:00 - Ana joined the choir", "note: bring cake", "13/01/2026, 09:01 - Rob: hello")
    assert spoken(chat(*lines))[0] == (None, "Ana joined the choir\nnote: bring cake")


def test_a_name_with_a_colon_and_a_space_is_whole_where_it_is_known() -> None:
    lines = b"13/01/2026, 09:00 - Dr: Who: hello\n13/01/2026, 09:01 - Dr: Who\n13/01/2026, 09:02 - Rob: a: b\n"
    parsed = parse(lines, timezone=UTC, day_first=True, people=("dr: who",))
    assert spoken(parsed) == [("Dr: Who", "hello"), ("Dr", "Who"), ("Rob", "a: b")]
    assert parse(lines, timezone=UTC, day_first=True).possible_authors == ("Dr: Who", "Rob: a")


# Marks


@pytest.mark.parametrize("file", ["ar1", "ar3"])
def test_a_mark_before_every_head_says_nothing_about_a_line(file: str) -> None:
    parsed = case(f"every-line-marked/{file}.txt")
    assert [line.author for line in parsed.lines] == ["Ali", "Sara", "Ali", "Sara", "Ali"]
    assert {line.kind for line in parsed.lines} == {"text"}


@pytest.mark.parametrize("mark", ["\u200e", "\u200f", "\u202a"])
def test_nor_does_one_before_all_words(mark: str) -> None:
    lines = [f"{mark}[13/01/2026, 09:00:0{n}] {name}: {mark}hi" for n, name in enumerate(("Ali", "Sara", "Ali"))]
    assert [line.author for line in chat(*lines).lines] == ["Ali", "Sara", "Ali"]


@pytest.mark.parametrize("words", ["\u202a+49 1515 5550001\u202c", "\u2068Ana\u2069 said so", "\u202bשלום"])
def test_words_that_begin_with_a_sign_of_direction_are_somebodys(words: str) -> None:
    lines = ["[13/01/2026, 09:00:00] Ana: hi", "[13/01/2026, 09:00:01] Rob: hi"]
    assert spoken(chat(*lines, f"[13/01/2026, 09:01:00] Ida: {words}"))[2] == ("Ida", words)


# A second kind of head


def test_lines_with_a_head_of_another_kind_are_named() -> None:
    parsed = chat(
        "sent from my phone",
        "13/01/2026, 09:00 - Ana: one",
        "13/01/2026, 09:01 - Rob: two",
        "[13/01/2026, 09:02:11] Ana: three",
        "[13/01/2026, 09:02:12] Ana: four",
        "13/01/2026, 09:03 - Ana: five",
    )
    assert [(doubt.first, doubt.last, doubt.why) for doubt in parsed.doubts] == [
        (1, 1, "preamble"),
        (4, 5, "other_format"),
    ]
    assert parsed.lines[1].text == "two\n[13/01/2026, 09:02:11] Ana: three\n[13/01/2026, 09:02:12] Ana: four"


@pytest.mark.parametrize("dash", [" - ", " – ", " — ", " -", "- "])
def test_a_dash_may_lack_a_space_or_be_a_long_one(dash: str) -> None:
    parsed = chat("13/01/2026, 09:00 - Ana: one", f"13/01/2026, 09:01{dash}Rob: two")
    assert spoken(parsed) == [("Ana", "one"), ("Rob", "two")]


# Nothing is lost


@settings(max_examples=examples(150, 1000), deadline=None)
@given(lines=lines_of_exports(), names=st.one_of(st.none(), st.sets(st.sampled_from(FILES))))
def test_every_line_becomes_a_message_a_notice_a_continuation_or_is_named(
    lines: list[str], names: set[str] | None
) -> None:
    text = "\n".join([*lines, ""]).encode("utf-8", "replace")
    lines = text.decode().removesuffix("\n").split("\n")
    try:
        parsed = parse(text, timezone=UTC, day_first=True, names=names)
    except (Unreadable, Question):
        return
    first = parsed.lines[0].line_no
    above = [line.removesuffix("\r") for line in lines[: first - 1]]
    if any(line.strip() for line in above):
        assert [(doubt.first, doubt.last) for doubt in parsed.doubts if doubt.why == "preamble"] == [(1, first - 1)]
    told = [line for message in parsed.lines for line in message.raw.split("\n")]
    body = [line.removesuffix("\r") for line in lines[first - 1 :]]
    if body[0].startswith("\ufeff") and first == 1:
        body[0] = body[0].removeprefix("\ufeff")
    assert told == body
    assert [message.line_no for message in parsed.lines] == sorted({message.line_no for message in parsed.lines})


@settings(max_examples=examples(150, 1000), deadline=None)
@given(lines=lines_of_exports(), names=st.one_of(st.none(), st.sets(st.sampled_from(FILES))))
def test_a_text_is_all_that_stands_behind_its_author(lines: list[str], names: set[str] | None) -> None:
    """The author's name and the text are always complete, whatever is around the colon."""
    try:
        parsed = parse("\n".join([*lines, ""]).encode("utf-8", "replace"), timezone=UTC, day_first=True, names=names)
    except (Unreadable, Question):
        return
    for line in parsed.lines:
        if line.kind == "text" and line.author and line.text and not line.is_edited:
            head, found, tail = line.raw.rpartition(line.text)
            assert found
            assert not tail.strip("\u200e")
            # Some exports have a space after the colon that does not break.
            assert head.rstrip("\u200e \u00a0\u202f").endswith(":")
        if line.attachment and names is not None:
            assert line.attachment in names
