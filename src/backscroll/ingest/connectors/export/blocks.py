"""The text of an export cut into messages: a head, and every line up to the next one."""

from __future__ import annotations

import re
from itertools import groupby
from typing import Literal

from msgspec import Struct

from backscroll.core.errors import Unreadable
from backscroll.ingest.connectors.export.dates import DateOrder, choose_order, to_ordinal
from backscroll.ingest.connectors.export.header import Date, Head, HeadReader, choose_shape

_UNPADDED = re.compile(r"\D*\d\D+0\d\D")


class Block(Struct, gc=False):
    """A head with all that belongs to it."""

    line_no: int
    head: Head
    day: Date
    clock: tuple[int, int, int]
    lines: list[str]
    author: str | None = None
    is_push_name: bool = False
    body: str = ""


class Doubt(Struct, frozen=True):
    """Lines that look like the start of a message and were not read as one, or that come before the first."""

    first: int
    last: int
    why: Literal["preamble", "other_format", "impossible_date"]


class Blocks(Struct, frozen=True):
    """An export as messages, before anything is made of their words."""

    blocks: list[Block]
    order: DateOrder
    preamble: str | None
    doubts: tuple[Doubt, ...]


def decode(text: bytes) -> str:
    """UTF-8, or UTF-16 with its mark. Raises Unreadable for anything else."""
    try:
        return text.decode(_encoding(text))
    except UnicodeDecodeError as error:
        problem = "this is no text in UTF-8; save the export unchanged, as WhatsApp sent it"
        raise Unreadable("export", f"byte {error.start}", problem) from None


def looks_like_export(start: bytes) -> bool:
    """Whether a file that begins so is the text of a chat."""
    lines = start.decode(_encoding(start), errors="replace").split("\n", 20)[:20]
    reader = HeadReader()
    return any(reader.read(line) for line in lines)


def _encoding(text: bytes) -> str:
    return "utf-16" if text.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"


def read_blocks(text: bytes, day_first: bool | None) -> Blocks:
    """Cut an export into messages. Every line that is not empty is part of one, or of the preamble.

    Raises Unreadable for what is no export, Question when only a person can tell days from months.
    """
    lines = decode(text).split("\n")
    if lines[-1] == "":
        lines.pop()
    lines = [line.removesuffix("\r") for line in lines]
    blocks, others = _headed(lines)
    order = _order(blocks, day_first)
    blocks, impossible = _possible(blocks, order)
    for block, following in zip(blocks, [*blocks[1:], None], strict=True):
        block.lines = lines[block.line_no - 1 : following.line_no - 1 if following else len(lines)]
    before = blocks[0].line_no - 1
    preamble = "\n".join(lines[:before]).strip()
    if preamble and len(blocks) < 3:
        raise Unreadable("export", "line 1", "this does not begin like an exported chat")
    doubts = [Doubt(1, before, "preamble")] if preamble else []
    doubts += _runs([number for number in others if number > before], "other_format")
    doubts += _runs([number for number in impossible if number > before], "impossible_date")
    return Blocks(blocks, order, preamble or None, tuple(doubts))


def _headed(lines: list[str]) -> tuple[list[Block], list[int]]:
    """The lines that begin a message, still without what follows them, and those with another kind of head."""
    reader = HeadReader()
    found = [(number, head) for number, line in enumerate(lines, 1) if (head := reader.read(line))]
    plain = [head.layout.shape for _, head in found if head.layout.unknown is None]
    shape = choose_shape(plain or [head.layout.shape for _, head in found]) if found else ""
    blocks = [
        block
        for number, head in found
        if head.layout.shape == shape
        and _on_the_clock((block := Block(number, head, *head.layout.numbers(head.stamp), [])).clock)
    ]
    if not blocks:
        raise Unreadable("export", "line 1", "no line begins with a date and a time as WhatsApp writes them")
    _refuse_unknown_words([head for _, head in found], blocks)
    chosen = {block.line_no for block in blocks}
    return blocks, [number for number, _ in found if number not in chosen]


def _on_the_clock(clock: tuple[int, int, int]) -> bool:
    hour, minute, second = clock
    return hour < 24 and minute < 60 and second < 61


def _refuse_unknown_words(found: list[Head], chosen: list[Block]) -> None:
    """A word beside the time that is not known here may mean am or pm, unless the clock has twenty-four hours."""
    layout = chosen[0].head.layout
    strange = [head for head in found if head.layout.build == layout.build and head.layout.unknown]
    words = {head.layout.unknown for head in strange}
    if layout.unknown is not None:
        whole_day = len(words) == 1 and any(block.clock[0] > 12 for block in chosen)
        refused = not whole_day
    else:
        refused = layout.half is not None and len(strange) * 10 > len(chosen)
    if refused:
        word = strange[0].layout.unknown
        raise Unreadable("export", "line 1", f"the word {word!r} beside the time is not known here; please report it")


def _order(blocks: list[Block], day_first: bool | None) -> DateOrder:
    days = [day for day, _ in groupby(block.day for block in blocks)]
    layout = blocks[0].head.layout
    unpadded = layout.date_first and any(_UNPADDED.match(block.head.stamp) for block in blocks)
    return choose_order(days, layout, day_first, unpadded)


def _possible(blocks: list[Block], order: DateOrder) -> tuple[list[Block], list[int]]:
    """Lines whose date does not exist belong to the message before them; their numbers come back too."""
    kept = [block for block in blocks if to_ordinal(block.day, order, block.head.layout.era) is not None]
    there = {block.line_no for block in kept}
    return kept, [block.line_no for block in blocks if block.line_no not in there]


def _runs(numbers: list[int], why: Literal["other_format", "impossible_date"]) -> list[Doubt]:
    """Numbers of lines as ranges of neighbours."""
    runs: list[Doubt] = []
    for number in numbers:
        if runs and runs[-1].last == number - 1:
            runs[-1] = Doubt(runs[-1].first, number, why)
        else:
            runs.append(Doubt(number, number, why))
    return runs
