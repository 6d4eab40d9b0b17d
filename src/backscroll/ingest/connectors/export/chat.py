"""An exported chat as lines with a time, an author and content."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterator, Sequence
from datetime import date, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Literal, overload

from msgspec import Struct

from backscroll.core.errors import Unreadable
from backscroll.core.model import Call, Kind, Location, Poll
from backscroll.ingest.connectors.export import body as bodies
from backscroll.ingest.connectors.export.attachments import FileNames
from backscroll.ingest.connectors.export.authors import MAX_AUTHOR, chosen_name, clean_author
from backscroll.ingest.connectors.export.blocks import Doubt, Why, read_blocks
from backscroll.ingest.connectors.export.body import Context
from backscroll.ingest.connectors.export.dates import to_ordinal
from backscroll.ingest.connectors.export.held import Text
from backscroll.ingest.connectors.export.phrases import YOU
from backscroll.ingest.connectors.export.script import Said, Script
from backscroll.ingest.connectors.export.wording import fold

_MINUTE_US = 60_000_000
_MICROSECOND = timedelta(microseconds=1)
_EPOCH = date(1970, 1, 1).toordinal()
MAX_PER_MINUTE = 20_000
"""Lines of one minute are compared with each other, all at once; no phone sends or is sent so many."""
_GROUP_NOTICES = frozenset(("create", "add", "remove", "leave", "invite", "subject", "picture", "desc", "promote"))


class ExportedLine(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One message, call or notice. Text is as WhatsApp wrote it, less its own marks; it may hold NUL."""

    line_no: int
    """Of its first line in the file, from 1."""
    sent_at: int
    local: str
    """Local time of the exporting phone: ``2026-02-01T14:05``, with seconds if the file has them."""
    author: str | None = None
    """As the exporting phone names them; None for notices and calls that name nobody. A name that its owner chose is
    written without its sign (``~ Mara``), unless a saved contact of that name writes too."""
    is_push_name: bool | None = None
    """True when the author is no saved contact (``~ Mara``) and chose the name themselves."""
    kind: Kind = "text"
    """``unknown`` with ``media_omitted`` is media of a kind that the export does not show."""
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


class ExportedLines(Sequence[ExportedLine]):
    """The lines of an export in its order, each read anew from the text whenever it is asked for."""

    def __init__(self, script: Script, context: Context, timezone: tzinfo) -> None:
        self._script = script
        self._context = context
        clock = _Clock(timezone)
        heads = script.blocks.heads
        self.times = array("q", (clock.micros(self._ordinal(at), heads.clock(at)) for at in range(len(heads))))
        """When each was sent, in microseconds."""
        self._refuse_crowds()

    def _refuse_crowds(self) -> None:
        order = self.by_time(_MINUTE_US)
        for first, later in zip(order, order[MAX_PER_MINUTE:], strict=False):
            if self.times[first] // _MINUTE_US == self.times[later] // _MINUTE_US:
                problem = (
                    f"more than {MAX_PER_MINUTE:,} messages are in this minute; remove lines that no phone exported"
                )
                raise Unreadable("export", f"line {self._script.blocks.heads.numbers[first]}", problem)

    def __len__(self) -> int:
        return len(self.times)

    @overload
    def __getitem__(self, at: int) -> ExportedLine: ...
    @overload
    def __getitem__(self, at: slice) -> list[ExportedLine]: ...
    def __getitem__(self, at: int | slice) -> ExportedLine | list[ExportedLine]:
        if isinstance(at, slice):
            return [self[one] for one in range(*at.indices(len(self)))]
        if not -len(self) <= at < len(self):
            raise IndexError(at)
        return self.read(at % len(self))[0]

    def __iter__(self) -> Iterator[ExportedLine]:
        return (self.read(at)[0] for at in range(len(self)))

    def read(self, at: int) -> tuple[ExportedLine, Said]:
        """The line at a place from 0, and what it was read from."""
        said = self._script.said(at)
        heads = self._script.blocks.heads
        content = bodies.read(said.body, self._context)
        by_nobody = content.get("kind") == "notice"
        line = ExportedLine(
            line_no=heads.numbers[at],
            sent_at=self.times[at],
            local=_local(self._ordinal(at), heads.clock(at), heads.layout(at).seconds),
            author=None if by_nobody else said.body.author,
            is_push_name=True if said.is_push_name and not by_nobody else None,
            raw="\n".join(said.lines),
            **content,
        )
        return line, said

    def by_time(self, unit: int) -> Sequence[int]:
        """The places of all lines in the order of their times, told in steps of ``unit`` microseconds."""
        times = self.times
        if all(times[at] // unit <= times[at + 1] // unit for at in range(len(times) - 1)):
            return range(len(times))
        # One number for both time and place: a sort by a key would hold three objects for each line.
        first = min(times) // unit
        both = sorted((times[at] // unit - first) << 32 | at for at in range(len(times)))
        return array("I", (one & 0xFFFFFFFF for one in both))

    def _ordinal(self, at: int) -> int:
        blocks = self._script.blocks
        return to_ordinal(blocks.heads.day(at), blocks.order, blocks.heads.layout(at).era) or _EPOCH


class ExportedChat(Struct, frozen=True, kw_only=True, omit_defaults=True):
    lines: ExportedLines
    precision: Literal["minute", "second"]
    system: Literal["android", "ios"]
    day_first: bool | None = None
    """None when years come first."""
    title: str | None = None
    """On iOS, the group or contact in whose name the notices stand; never somebody who writes in the chat."""
    authors: tuple[str, ...] = ()
    """The authors, in order of appearance."""
    push_names: tuple[str, ...] = ()
    """Those of the authors who are no saved contacts."""
    possible_authors: tuple[str, ...] = ()
    """What may be a name by somebody's evidence and was not read as one: in front of a colon without a space, where the
    file names it nowhere else and its lines are read as notices; and in front of a line's second colon."""
    own_names: tuple[str, ...] = ()
    """Authors that must be the phone's owner: they deleted a message themselves, or are called "You"."""
    is_group: bool | None = None
    """True when notices or a third author say so; None when nothing tells."""
    preamble: str | None = None
    """Text before the first message."""
    attachments: frozenset[str] = frozenset()
    """Those of the files that came along which some line names."""
    doubts: tuple[Doubt, ...] = ()
    """Lines that may have been meant otherwise than they were read; the import tells their numbers."""
    unlisted: dict[Why, int] = {}
    """How many more such places there are of each kind than ``doubts`` holds."""


def parse(
    text: Text,
    *,
    timezone: tzinfo,
    day_first: bool | None = None,
    names: Collection[str] | None = None,
    people: Collection[str] = (),
) -> ExportedChat:
    """Read an export. ``timezone`` is the exporting phone's; ``names`` are the files that came along, if known, and
    ``people`` the names of those who are known to be in the chat.

    Every non-empty line of the text is in the ``raw`` of one of the lines, or in ``preamble``. Raises Unreadable for
    anything but an export, Question if only the user can tell days from months.
    """
    blocks = read_blocks(text, day_first)
    layout = blocks.heads.layout(0)
    ios = layout.shape.startswith("[]")
    script = Script(blocks, ios, people)
    lines = ExportedLines(script, _context(script, names, ios), timezone)
    facts = _Facts(lines)
    title = facts.title() if ios else None
    return ExportedChat(
        lines=lines,
        precision="second" if layout.seconds else "minute",
        system="ios" if ios else "android",
        day_first=None if blocks.order == "ymd" else blocks.order == "dmy",
        title=title,
        authors=tuple(facts.authors),
        push_names=tuple(facts.push_names),
        possible_authors=tuple(sorted(script.possible_authors)),
        own_names=tuple(facts.own_names),
        is_group=facts.is_group(title) or None,
        preamble=blocks.preamble,
        attachments=frozenset(facts.attachments),
        doubts=blocks.doubts,
        unlisted=blocks.unlisted,
    )


def _context(script: Script, names: Collection[str] | None, ios: bool) -> Context:
    files = None if names is None else FileNames(names)
    phrases, named = bodies.Phrases(), bodies.FilesNamed(files) if files else None
    unmarked: set[str] = set()
    everybody: set[str] = set()
    written = 0
    marked = bodies.MarkedPhrases()
    for body in script.bodies():
        if body.author is None:
            continue
        written += 1
        phrases.count(body.text)
        marked.count(body.text)
        if named:
            named.count(body.text)
        if body.author:
            everybody.add(body.author)
            if not body.is_marked:
                unmarked.add(body.author)
    # Where every line is marked, that tells nobody's words from WhatsApp's.
    writers = everybody if not unmarked and written > 2 else unmarked
    return Context(
        ios=ios,
        names=files,
        frequent=phrases.frequent(),
        writers=frozenset(writers),
        claimed=frozenset(named.claimed) if named else frozenset(),
        mentioned_once=named.once() if named else frozenset(),
        marks_omitted=ios and marked.omitted,
        marks_deleted=ios and marked.deleted,
    )


class _Facts:
    """What all lines together show about the chat and its authors."""

    def __init__(self, lines: ExportedLines) -> None:
        self.authors: dict[str, None] = {}
        self.push_names: dict[str, None] = {}
        self.own_names: dict[str, None] = {}
        self.attachments: set[str] = set()
        self._titles: dict[str, None] = {}
        """The names that notices stand under; below, those of the notice about encryption."""
        self._first_titles: dict[str, None] = {}
        self._is_group = False
        for at in range(len(lines)):
            self._learn(*lines.read(at))

    def _learn(self, line: ExportedLine, said: Said) -> None:
        if line.kind == "notice":
            self._learn_notice(line, said.body.author)
        elif line.author:
            self.authors[line.author] = None
            if line.is_push_name:
                self.push_names[line.author] = None
            is_you = fold(line.author) in YOU and not line.is_push_name
            if (line.is_deleted and bodies.deleted_by_owner(said.body.text)) or is_you:
                self.own_names[line.author] = None
        if line.attachment is not None:
            self.attachments.add(line.attachment)

    def _learn_notice(self, line: ExportedLine, author: str | None) -> None:
        self._is_group = self._is_group or line.notice_type in _GROUP_NOTICES
        if author and not clean_author((line.text or "")[:MAX_AUTHOR])[0].startswith(chosen_name(author)):
            self._titles[author] = None
            if line.notice_type == "e2e":
                self._first_titles[author] = None

    def title(self) -> str | None:
        """The group or contact in whose name iOS writes notices: somebody who writes and does nothing themselves."""
        return next((name for name in (*self._first_titles, *self._titles) if name not in self.authors), None)

    def is_group(self, title: str | None) -> bool:
        """More than two people write, or two and the title is neither; or a notice tells what only groups have."""
        with_title = len(self.authors) + (title is not None and title not in self.authors)
        return with_title > 2 or self._is_group


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


def _local(ordinal: int, clock: tuple[int, int, int], seconds: bool) -> str:
    hour, minute, second = clock
    day = _iso(ordinal)
    return f"{day}T{hour:02}:{minute:02}:{second:02}" if seconds else f"{day}T{hour:02}:{minute:02}"


@lru_cache(maxsize=1024)
def _iso(ordinal: int) -> str:
    return date.fromordinal(ordinal).isoformat()
