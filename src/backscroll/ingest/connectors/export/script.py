"""The author and text of each message of an export, before its kind is determined."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterator, Sequence

from msgspec import Struct

from backscroll.ingest.connectors.export.authors import Authors, may_go_on
from backscroll.ingest.connectors.export.blocks import Blocks
from backscroll.ingest.connectors.export.body import Body
from backscroll.ingest.connectors.export.header import MARKS
from backscroll.ingest.connectors.export.wording import is_marked

_MARKS = tuple(MARKS)
_NOBODY = -1


class Said(Struct, frozen=True, gc=False):
    """What one message says, by whom, and its lines as they stand in the file."""

    body: Body
    is_push_name: bool
    lines: list[str]


class Script:
    """All messages of an export, held as numbers: who says each, and where behind its head their words begin."""

    def __init__(self, blocks: Blocks, ios: bool, people: Collection[str] = ()) -> None:
        self.blocks = blocks
        self._names: list[tuple[str, bool]] = []
        self._authors = array("i")
        """Places among ``_names``."""
        self._starts = array("H")
        self._first_written = len(blocks)
        self._heads_tell = False
        authors = _authors_of(blocks, ios, people)
        self._split(authors)
        self.possible_authors = authors.possible

    def _split(self, authors: Authors) -> None:
        """Find out who says each message, and whether marks before heads tell anything."""
        known: dict[tuple[str, bool], int] = {}
        by_head = marked_within = 0
        for at in range(len(self.blocks)):
            lines = self.blocks.lines(at)
            end = self.blocks.heads.ends[at]
            rest = _rest(lines, end)
            split = authors.split(rest, len(lines) == 1)
            name = _NOBODY
            if split.author is not None:
                name = known.setdefault((split.author, split.is_push_name), len(self._names))
                if name == len(self._names):
                    self._names.append((split.author, split.is_push_name))
            self._authors.append(name)
            self._starts.append(end + len(rest) - len(split.said))
            if name != _NOBODY and at < self._first_written and not is_marked(split.said):
                self._first_written = at
            if lines[0].startswith(_MARKS):
                by_head += 1
                marked_within += "\u200e" in split.said or any("\u200e" in line for line in lines[1:])
        saved = {name for name, is_push_name in self._names if not is_push_name}
        self._names = [(f"~ {name}" if own and name in saved else name, own) for name, own in self._names]
        # A mark that all lines of a file carry tells nothing.
        self._heads_tell = marked_within * 2 >= by_head

    def said(self, at: int) -> Said:
        """The message at a place from 0."""
        lines = self.blocks.lines(at)
        body, is_push_name = self._body(at, lines)
        return Said(body, is_push_name, lines)

    def bodies(self) -> Iterator[Body]:
        """What all of them say."""
        return (self.said(at).body for at in range(len(self.blocks)))

    def _body(self, at: int, lines: list[str]) -> tuple[Body, bool]:
        author, is_push_name = self._names[name] if (name := self._authors[at]) != _NOBODY else (None, False)
        text = "\n".join(lines)[self._starts[at] :]
        marked = is_marked(text)
        by_head = self._heads_tell and lines[0].startswith(_MARKS)
        return Body(author, text, marked, marked and (by_head or at <= self._first_written)), is_push_name


def _authors_of(blocks: Blocks, ios: bool, people: Collection[str]) -> Authors:
    authors = Authors(ios, people)
    doubtful = array("I")
    for at in range(len(blocks)):
        if authors.count(_rest(blocks.lines(at), blocks.heads.ends[at])):
            doubtful.append(at)
    for at in doubtful:
        authors.settle(_rest(blocks.lines(at), blocks.heads.ends[at]))
    return authors


def _rest(lines: Sequence[str], end: int) -> str:
    """The first line less its head; with the second where only that has a colon, so that a name may go over both."""
    rest = lines[0][end:]
    return f"{rest}\n{lines[1]}" if len(lines) > 1 and may_go_on(rest, lines[1]) else rest
