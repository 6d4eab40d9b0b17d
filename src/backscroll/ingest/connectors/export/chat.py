"""An exported chat as lines with a time, an author and what they say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from datetime import date, datetime, timedelta, tzinfo
from functools import lru_cache
from itertools import groupby
from typing import Literal

from msgspec import Struct

from backscroll.core.errors import Unreadable
from backscroll.core.model import Call, Kind, Location, Poll
from backscroll.ingest.connectors.export import body as bodies
from backscroll.ingest.connectors.export.body import Context, file_key
from backscroll.ingest.connectors.export.header import (
    MARKS,
    Date,
    DateOrder,
    Head,
    HeadReader,
    choose_order,
    choose_shape,
    to_ordinal,
)
from backscroll.ingest.connectors.export.wording import YOU, fold, notice_type, unmark

_MICROSECOND = timedelta(microseconds=1)
_EPOCH = date(1970, 1, 1).toordinal()
_GROUP_NOTICES = frozenset(("create", "add", "remove", "leave", "invite", "subject", "picture", "desc", "promote"))
_QUOTES = frozenset('"“”„«»‟「」『』〝〞＂')
_MARKS = tuple(MARKS)
MAX_AUTHOR = 150


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
    is_edited: bool | None = None
    is_deleted: bool | None = None
    deleted_by_admin: bool | None = None
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
    """On iOS, the group or contact in whose name the notices stand."""
    authors: tuple[str, ...] = ()
    """Whoever wrote something, in order of appearance."""
    own_names: tuple[str, ...] = ()
    """Authors that must be the phone's owner: they deleted a message themselves, or are called "You"."""
    is_group: bool | None = None
    """True when notices or a third author say so; None when nothing tells."""
    preamble: str | None = None
    """Text before the first message."""


class _Block(Struct, gc=False):
    """A head with all that belongs to it."""

    line_no: int
    head: Head
    day: Date
    clock: tuple[int, int, int]
    lines: list[str]
    author: str | None = None
    is_push_name: bool = False
    body: str = ""
    marked: bool = False


def parse(
    text: bytes, *, timezone: tzinfo, day_first: bool | None = None, names: Collection[str] | None = None
) -> ExportedChat:
    """Read an export. ``timezone`` is the exporting phone's; ``names`` are the files that came along, if known.

    Raises Unreadable for what is no export, Question when only a person can tell days from months.
    """
    lines = decode(text).split("\n")
    if lines[-1] == "":
        lines.pop()
    blocks, preamble = _blocks([line.removesuffix("\r") for line in lines])
    order = _order(blocks, day_first)
    blocks, preamble = _settle(blocks, order, preamble)
    ios = blocks[0].head.layout.shape.startswith("[]")
    _find_authors(blocks, ios)
    context = _context(blocks, names, ios)
    clock = _Clock(timezone)
    parsed = tuple(_exported(block, order, context, clock) for block in blocks)
    return ExportedChat(
        lines=parsed,
        precision="second" if blocks[0].head.layout.seconds else "minute",
        system="ios" if ios else "android",
        day_first=None if order == "ymd" else order == "dmy",
        title=_title(blocks, parsed) if ios else None,
        authors=tuple(dict.fromkeys(line.author for line in parsed if line.author and line.kind != "notice")),
        own_names=_own_names(blocks, parsed),
        is_group=_is_group(parsed) or None,
        preamble=preamble,
    )


def decode(text: bytes) -> str:
    """UTF-8, or UTF-16 with its mark. Raises Unreadable for anything else."""
    encoding = "utf-16" if text.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        return text.decode(encoding)
    except UnicodeDecodeError as error:
        problem = "this is no text in UTF-8; save the export unchanged, as WhatsApp sent it"
        raise Unreadable("export", f"byte {error.start}", problem) from None


def looks_like_export(start: bytes) -> bool:
    """Whether a file that begins so is the text of a chat."""
    encoding = "utf-16" if start.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    lines = start.decode(encoding, errors="replace").split("\n", 20)[:20]
    reader = HeadReader()
    return any(reader.read(line) for line in lines)


def _blocks(lines: list[str]) -> tuple[list[_Block], str | None]:
    blocks = _headed(lines)
    if not blocks:
        problem = "no line begins with a date and a time as WhatsApp writes them"
        raise Unreadable("export", "line 1", problem)
    for block, following in zip(blocks, [*blocks[1:], None], strict=True):
        block.lines = lines[block.line_no - 1 : following.line_no - 1 if following else len(lines)]
    preamble = "\n".join(lines[: blocks[0].line_no - 1]).strip()
    if preamble and len(blocks) < 3:
        raise Unreadable("export", "line 1", "this does not begin like an exported chat")
    return blocks, preamble or None


def _headed(lines: list[str]) -> list[_Block]:
    """The lines that begin a message, still without what follows them."""
    reader = HeadReader()
    found = [(number, head) for number, line in enumerate(lines, 1) if (head := reader.read(line))]
    if not found:
        return []
    plain = [head.layout.shape for _, head in found if head.layout.unknown is None]
    shape = choose_shape(plain or [head.layout.shape for _, head in found])
    chosen = [
        _Block(number, head, *head.layout.numbers(head.stamp), [])
        for number, head in found
        if head.layout.shape == shape
    ]
    blocks = [block for block in chosen if _on_the_clock(block.clock)]
    if blocks:
        _refuse_unknown_words([head for _, head in found], blocks)
    return blocks


def _on_the_clock(clock: tuple[int, int, int]) -> bool:
    hour, minute, second = clock
    return hour < 24 and minute < 60 and second < 61


def _refuse_unknown_words(found: list[Head], chosen: list[_Block]) -> None:
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


def _order(blocks: list[_Block], day_first: bool | None) -> DateOrder:
    days = [day for day, _ in groupby(block.day for block in blocks)]
    return choose_order(days, blocks[0].head.layout, day_first)


def _settle(blocks: list[_Block], order: DateOrder, preamble: str | None) -> tuple[list[_Block], str | None]:
    """Lines whose date does not exist belong to the message before them."""
    kept: list[_Block] = []
    for block in blocks:
        if to_ordinal(block.day, order, block.head.layout.era) is not None:
            kept.append(block)
        elif kept:
            kept[-1].lines += block.lines
        else:
            preamble = "\n".join(filter(None, [preamble, *block.lines]))
    return kept, preamble


def _find_authors(blocks: list[_Block], ios: bool) -> None:
    seen: Counter[str] = Counter()
    for block in blocks:
        first = block.lines[0]
        rest = first[block.head.end :]
        name, said = split_author(rest)
        block.marked = first.startswith(_MARKS) or said.startswith(_MARKS)
        block.body = "\n".join([said, *block.lines[1:]])
        if name is not None:
            block.author, block.is_push_name = clean_author(name)
            seen[block.author] += 1
    if not ios:
        for block in blocks:
            if block.author and seen[block.author] == 1 and _is_notice_with_colon(block):
                block.author, block.body = None, block.lines[0][block.head.end :]


def split_author(rest: str) -> tuple[str | None, str]:
    """``Mara: hello`` in two; no author where what stands before the colon is hardly a name."""
    at = rest.find(": ", 0, MAX_AUTHOR)
    name, said = (rest[:at], rest[at + 2 :]) if at > 0 else (rest[:-1], "") if rest[-1:] == ":" else ("", rest)
    if not name.strip() or len(name) > MAX_AUTHOR or sum(c in _QUOTES for c in name) % 2:
        return None, rest
    return name, said


def _is_notice_with_colon(block: _Block) -> bool:
    """``Your security code with Mara: Shop changed``: a name of that many words never writes but once."""
    words = (block.author or "").count(" ")
    return words >= 3 and len(block.lines) == 1 and notice_type(f"{block.author}: {block.body}") is not None


@lru_cache(maxsize=4096)
def clean_author(name: str) -> tuple[str, bool]:
    """The name without marks, and whether its owner chose it (``~ Mara``)."""
    name = unmark(name).replace("\u00a0", " ").replace("\u202f", " ").strip()
    bare = name.removeprefix("~").strip()
    return (bare, True) if bare and bare != name else (name, False)


def _context(blocks: list[_Block], names: Collection[str] | None, ios: bool) -> Context:
    known = None if names is None else {file_key(name): name for name in names}
    return Context(
        ios=ios,
        names=known,
        frequent=bodies.frequent_phrases(block.body for block in blocks if block.author is not None),
        writers=frozenset(block.author for block in blocks if block.author and not block.marked),
    )


class _Clock:
    """Local times to UTC. An hour that comes twice is the later one where the earlier would go back in time."""

    def __init__(self, timezone: tzinfo) -> None:
        self._timezone = timezone
        self._last = -(2**62)
        self._offsets: dict[tuple[int, int, int], tuple[int, int]] = {}

    def micros(self, ordinal: int, clock: tuple[int, int, int]) -> int:
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


def _exported(block: _Block, order: DateOrder, context: Context, clock: _Clock) -> ExportedLine:
    layout = block.head.layout
    ordinal = to_ordinal(block.day, order, layout.era) or _EPOCH
    content = bodies.read(block.author, block.body, block.marked, context)
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


def _title(blocks: list[_Block], lines: tuple[ExportedLine, ...]) -> str | None:
    """iOS writes notices in the name of the group, or of the contact."""
    for block, line in zip(blocks, lines, strict=True):
        if line.kind == "notice" and block.author:
            return block.author
    return None


def _own_names(blocks: list[_Block], lines: tuple[ExportedLine, ...]) -> tuple[str, ...]:
    own = (
        line.author
        for block, line in zip(blocks, lines, strict=True)
        if line.author and ((line.is_deleted and bodies.deleted_by_owner(block.body)) or fold(line.author) in YOU)
    )
    return tuple(dict.fromkeys(own))


def _is_group(lines: tuple[ExportedLine, ...]) -> bool:
    authors = {line.author for line in lines if line.author}
    return len(authors) > 2 or any(line.notice_type in _GROUP_NOTICES for line in lines)
