"""An exported chat as lines with a time, an author and what they say."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Literal

from msgspec import Struct

from backscroll.core.model import Call, Kind, Location, Poll
from backscroll.ingest.connectors.export import body as bodies
from backscroll.ingest.connectors.export.attachments import FileNames
from backscroll.ingest.connectors.export.authors import split_authors
from backscroll.ingest.connectors.export.blocks import Block, Doubt, read_blocks
from backscroll.ingest.connectors.export.body import Body, Context
from backscroll.ingest.connectors.export.dates import DateOrder, to_ordinal
from backscroll.ingest.connectors.export.header import MARKS
from backscroll.ingest.connectors.export.phrases import YOU
from backscroll.ingest.connectors.export.wording import fold, unmark

_MICROSECOND = timedelta(microseconds=1)
_EPOCH = date(1970, 1, 1).toordinal()
_GROUP_NOTICES = frozenset(("create", "add", "remove", "leave", "invite", "subject", "picture", "desc", "promote"))
_MARKS = tuple(MARKS)


class ExportedLine(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One message, call or notice. Text is as WhatsApp wrote it, less its own marks; it may hold NUL."""

    line_no: int
    """Of its first line in the file, from 1."""
    sent_at: int
    local: str
    """The clock on the wall of the exporting phone: ``2026-02-01T14:05``, with seconds if the file has them."""
    author: str | None = None
    """As the exporting phone names them; None for notices and calls that name nobody."""
    is_push_name: bool | None = None
    """True when the author is no saved contact (``~ Mara``) and chose the name themselves."""
    kind: Kind = "text"
    """``unknown`` with ``media_omitted`` is media of a kind that the export does not tell."""
    text: str | None = None
    attachment: str | None = None
    """Key in ``ExportArchive.attachments``."""
    filename: str | None = None
    """The file's own name, also of files that are not there."""
    media_omitted: bool = False
    is_gif: bool | None = None
    is_view_once: bool | None = None
    is_edited: bool | None = None
    is_deleted: bool | None = None
    deleted_by: str | None = None
    """The admin who deleted it, as the line names them."""
    mentions: tuple[str, ...] = ()
    """Names as they stand in the text."""
    poll: Poll | None = None
    location: Location | None = None
    contact_name: str | None = None
    call: Call | None = None
    notice_type: str | None = None
    raw: str
    """The lines as they stand in the file."""


class ExportedChat(Struct, frozen=True, kw_only=True, omit_defaults=True):
    lines: tuple[ExportedLine, ...]
    precision: Literal["minute", "second"]
    system: Literal["android", "ios"]
    day_first: bool | None = None
    """None when years come first."""
    title: str | None = None
    """On iOS, the group or contact in whose name the notices stand; never somebody who writes in the chat."""
    authors: tuple[str, ...] = ()
    """Whoever wrote something, in order of appearance."""
    own_names: tuple[str, ...] = ()
    """Authors that must be the phone's owner: they deleted a message themselves, or are called "You"."""
    is_group: bool | None = None
    """True when notices or a third author say so; None when nothing tells."""
    preamble: str | None = None
    """Text before the first message."""
    doubts: tuple[Doubt, ...] = ()
    """Lines that may have been meant otherwise than they were read; the import tells their numbers."""


def parse(
    text: bytes, *, timezone: tzinfo, day_first: bool | None = None, names: Collection[str] | None = None
) -> ExportedChat:
    """Read an export. ``timezone`` is the exporting phone's; ``names`` are the files that came along, if known.

    Every line of the text that is not empty is in the ``raw`` of one of the lines, or in ``preamble``. Raises
    Unreadable for what is no export, Question when only a person can tell days from months.
    """
    cut = read_blocks(text, day_first)
    blocks = cut.blocks
    layout = blocks[0].head.layout
    ios = layout.shape.startswith("[]")
    _find_authors(blocks, ios)
    said = _bodies(blocks)
    context = _context(said, names, ios)
    clock = _Clock(timezone)
    parsed = tuple(_exported(*pair, cut.order, context, clock) for pair in zip(blocks, said, strict=True))
    authors = tuple(dict.fromkeys(line.author for line in parsed if line.author and line.kind != "notice"))
    title = _title(blocks, parsed, authors) if ios else None
    return ExportedChat(
        lines=parsed,
        precision="second" if layout.seconds else "minute",
        system="ios" if ios else "android",
        day_first=None if cut.order == "ymd" else cut.order == "dmy",
        title=title,
        authors=authors,
        own_names=_own_names(blocks, parsed),
        is_group=_is_group(parsed, authors, title) or None,
        preamble=cut.preamble,
        doubts=cut.doubts,
    )


def _find_authors(blocks: list[Block], ios: bool) -> None:
    rests = [block.lines[0][block.head.end :] for block in blocks]
    splits = split_authors(rests, [len(block.lines) == 1 for block in blocks], ios)
    for block, split in zip(blocks, splits, strict=True):
        block.author, block.is_push_name = split.author, split.is_push_name
        block.body = "\n".join([split.said, *block.lines[1:]])


def _bodies(blocks: list[Block]) -> list[Body]:
    """What was said, and whether WhatsApp marked it; a mark that all lines of a file carry tells nothing."""
    by_head = [block.lines[0].startswith(_MARKS) for block in blocks]
    by_body = [block.body.startswith(_MARKS) for block in blocks]
    marked_within = sum(head and "\u200e" in block.body for block, head in zip(blocks, by_head, strict=True))
    if marked_within * 2 < sum(by_head):
        by_head = [False] * len(blocks)
    made = []
    anybody_wrote = False
    for block, head, body in zip(blocks, by_head, by_body, strict=True):
        made.append(Body(block.author, block.body, body, body and (head or not anybody_wrote)))
        anybody_wrote = anybody_wrote or (block.author is not None and not body)
    return made


def _context(said: list[Body], names: Collection[str] | None, ios: bool) -> Context:
    files = None if names is None else FileNames(names)
    written = [body for body in said if body.author is not None]
    unmarked = frozenset(body.author for body in written if body.author and not body.is_marked)
    if not unmarked and len(written) > 2:
        # Every line is marked: that tells nobody's words from WhatsApp's.
        unmarked = frozenset(body.author for body in written if body.author)
    claimed, mentioned = (
        bodies.files_named((body.text for body in written), files) if files else (frozenset(), frozenset())
    )
    return Context(
        ios=ios,
        names=files,
        frequent=bodies.frequent_phrases(body.text for body in written),
        writers=unmarked,
        claimed=claimed,
        mentioned_once=mentioned,
    )


class _Clock:
    """Local times to UTC. An hour that comes twice is the later one where the earlier would go back in time."""

    def __init__(self, timezone: tzinfo) -> None:
        self._timezone = timezone
        self._last = -(2**62)
        self._offsets: dict[tuple[int, int, int], tuple[int, int]] = {}

    def micros(self, ordinal: int, clock: tuple[int, int, int]) -> int:
        """Microseconds UTC. Of an hour that comes twice, the later where the earlier would go back in time."""
        hour, minute, second = clock
        naive = ((ordinal - _EPOCH) * 86_400 + hour * 3600 + minute * 60 + second) * 1_000_000
        offsets = self._offsets.get((ordinal, hour, minute)) or self._offset(ordinal, hour, minute)
        earlier = naive - offsets[0]
        if earlier < self._last:
            later = naive - offsets[1]
            earlier = later if later > earlier else earlier
        self._last = earlier
        return earlier

    def _offset(self, ordinal: int, hour: int, minute: int) -> tuple[int, int]:
        """Of the first and of the second time that the clock shows this minute."""
        local = datetime.fromordinal(ordinal).replace(hour=hour, minute=minute, tzinfo=self._timezone)
        first = local.utcoffset() or timedelta()
        second = local.replace(fold=1).utcoffset() or timedelta()
        self._offsets = {(ordinal, hour, minute): (first // _MICROSECOND, second // _MICROSECOND)}
        return self._offsets[ordinal, hour, minute]


def _exported(block: Block, body: Body, order: DateOrder, context: Context, clock: _Clock) -> ExportedLine:
    layout = block.head.layout
    ordinal = to_ordinal(block.day, order, layout.era) or _EPOCH
    content = bodies.read(body, context)
    by_nobody = content.get("kind") == "notice"
    return ExportedLine(
        line_no=block.line_no,
        sent_at=clock.micros(ordinal, block.clock),
        local=_local(ordinal, block.clock, layout.seconds),
        author=None if by_nobody else block.author,
        is_push_name=True if block.is_push_name and not by_nobody else None,
        raw="\n".join(block.lines),
        **content,
    )


def _local(ordinal: int, clock: tuple[int, int, int], seconds: bool) -> str:
    hour, minute, second = clock
    day = _iso(ordinal)
    return f"{day}T{hour:02}:{minute:02}:{second:02}" if seconds else f"{day}T{hour:02}:{minute:02}"


@lru_cache(maxsize=1024)
def _iso(ordinal: int) -> str:
    return date.fromordinal(ordinal).isoformat()


def _title(blocks: list[Block], lines: tuple[ExportedLine, ...], authors: Collection[str]) -> str | None:
    """The group or contact in whose name iOS writes notices: somebody who writes nothing, and does nothing either."""
    titles = [
        (line.notice_type == "e2e", block.author)
        for block, line in zip(blocks, lines, strict=True)
        if line.kind == "notice" and block.author and block.author not in authors
        if not unmark(line.text or "").startswith(block.author)
    ]
    return next((name for is_first, name in titles if is_first), titles[0][1] if titles else None)


def _own_names(blocks: list[Block], lines: tuple[ExportedLine, ...]) -> tuple[str, ...]:
    own = (
        line.author
        for block, line in zip(blocks, lines, strict=True)
        if line.author and ((line.is_deleted and bodies.deleted_by_owner(block.body)) or fold(line.author) in YOU)
    )
    return tuple(dict.fromkeys(own))


def _is_group(lines: tuple[ExportedLine, ...], authors: Collection[str], title: str | None) -> bool:
    """More than two people write, or two and the title is neither; or a notice tells what only groups have."""
    with_title = len(authors) + (title is not None and title not in authors)
    return with_title > 2 or any(line.notice_type in _GROUP_NOTICES for line in lines)
