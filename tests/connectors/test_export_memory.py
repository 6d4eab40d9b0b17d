"""Reading an exported chat takes bounded memory, however long the chat is."""

from __future__ import annotations

import codecs
import tracemalloc
from datetime import UTC, datetime, timedelta

import pytest

from backscroll.core.errors import Unreadable
from backscroll.ingest.connectors.export import blocks
from backscroll.ingest.connectors.export.chat import MAX_PER_MINUTE, parse
from backscroll.ingest.exports.doubts import doubts_of

BEGAN = datetime(2020, 1, 31, tzinfo=UTC)


def chat(lines: int, said: str = "line {} of a long conversation") -> bytes:
    """A conversation of two people with seven lines a minute; clocks are set back an hour every thousand lines."""
    told = []
    for number in range(lines):
        at = BEGAN + timedelta(minutes=number // 7 - number // 1000 * 60)
        told.append(f"{at:%d/%m/%Y, %H:%M} - {'Ana' if number % 3 else 'Rob'}: {said.format(number)}\n")
    return "".join(told).encode()


def most_memory(text: bytes) -> int:
    """Peak memory in bytes while a chat is parsed and all its lines are read once."""
    tracemalloc.start()
    try:
        parsed = parse(text, timezone=UTC)
        assert sum(1 for _ in parsed.lines) == len(parsed.lines)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "said", ["line {} of a long conversation", "a\n12/31/2020, 25:61 - {}\n45/45/2020, 10:00 - b: c"]
)
def test_a_longer_chat_takes_few_bytes_for_each_line_more(said: str) -> None:
    most_memory(chat(100, said))
    few, many = (chat(lines, said) for lines in (2_000, 12_000))
    more_lines = many.count(b"\n") - few.count(b"\n")
    assert most_memory(many) - most_memory(few) < 100 * more_lines


def test_lines_that_were_not_understood_are_all_counted_and_some_listed() -> None:
    parsed = parse(chat(blocks.MAX_DOUBTS + 200, "a\n45/45/2020, 10:00 - b: {}\nc"), timezone=UTC)
    assert len(parsed.doubts) == blocks.MAX_DOUBTS
    [told] = doubts_of(parsed)
    assert told.startswith("lines 2, 5, 8, ")
    assert f" and {blocks.MAX_DOUBTS + 200 - 10:,} more places" in told


def test_any_line_may_be_read_by_its_place() -> None:
    lines = parse(chat(50), timezone=UTC).lines
    assert [lines[at] for at in range(len(lines))] == list(lines)
    assert (lines[-1], lines[10:40:7]) == (list(lines)[-1], list(lines)[10:40:7])
    with pytest.raises(IndexError):
        lines[50]


def test_a_text_in_utf_16_or_with_other_ends_of_lines_gives_the_same_lines() -> None:
    text = chat(3_000, "naïve 🌱 {}\nand more")
    plain = [(line.sent_at, line.author, line.text) for line in parse(text, timezone=UTC).lines]
    for other in (
        text.decode().encode("utf-16"),
        codecs.BOM_UTF16_BE + text.decode().encode("utf-16-be"),
        codecs.BOM_UTF8 + text.replace(b"\n", b"\r\n"),
        text.removesuffix(b"\n"),
    ):
        parsed = parse(other, timezone=UTC)
        assert [(line.sent_at, line.author, line.text) for line in parsed.lines] == plain


def test_a_byte_that_is_no_text_is_named_wherever_it_stands() -> None:
    text = chat(3_000)
    with pytest.raises(Unreadable, match=f"byte {len(text) + 3}"):
        parse(text + b"abc\xff" + text, timezone=UTC)
    with pytest.raises(Unreadable, match="UTF-8"):
        parse(text.decode().encode("utf-16") + b"\0", timezone=UTC)


def test_more_lines_of_one_minute_than_a_phone_exports_are_refused() -> None:
    line = b"14/03/2026, 10:00 - Ben: hello\n"
    assert len(parse(line * MAX_PER_MINUTE, timezone=UTC).lines) == MAX_PER_MINUTE
    with pytest.raises(Unreadable, match="line 2: more than 20,000 messages are in this minute; remove"):
        parse(b"13/03/2026, 10:00 - Ben: hi\n" + line * (MAX_PER_MINUTE + 1), timezone=UTC)


def test_more_messages_than_can_be_held_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "MAX_MESSAGES", 50)
    assert len(parse(chat(50), timezone=UTC).lines) == 50
    with pytest.raises(Unreadable, match="line 51: this holds more than 50 messages; split it into several files"):
        parse(chat(51), timezone=UTC)
