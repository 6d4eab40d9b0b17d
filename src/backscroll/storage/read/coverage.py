"""Which source covers which period, and where messages may be missing. The cost does not grow with the number of
messages.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from msgspec import Struct

from backscroll.core.answers import PhoneSummary
from backscroll.core.coverage import (
    SILENT_US,
    ChatCoverage,
    CoveragePage,
    Covered,
    Ended,
    Gap,
    PhoneCoverage,
    Span,
    Teller,
    origin_of,
    teller_of,
)
from backscroll.core.errors import NotFound
from backscroll.core.limits import LATEST
from backscroll.core.model import Chat
from backscroll.core.query import ChatQuery
from backscroll.database.protocol import Ask, Row
from backscroll.storage.read.gaps import Hole, gap_of, holes
from backscroll.storage.read.listings import Lists
from backscroll.storage.read.names import Reading
from backscroll.storage.records.counters import Counter, Scope
from backscroll.storage.records.rows import NOTIFICATION, only_number

MAX_READ = 500
"""Maximum number of spans read for a chat, and for its phone."""
MAX_SPANS = 200
MAX_GAPS = 100
MAX_LISTED = 20
"""Maximum gaps per chat in a list of chats."""
FEW = 200
"""Up to this many messages in a gap are counted one by one."""
_PULLED = ("gowa", "periskope")
"""Kinds of sources that can be asked for history."""


class _Standing(Struct, frozen=True):
    """A chat of a phone: its numbers, and all of its JIDs."""

    phone: int
    chats: tuple[int, ...]
    jids: tuple[str, ...]


class _Found(Struct, frozen=True):
    spans: list[Span]
    more: bool


class Coverages:
    """Queries within one reading transaction, as of ``now`` (microseconds UTC)."""

    def __init__(self, reading: Reading, now: int) -> None:
        self._tx = reading.tx
        self._org = reading.org
        self._names = reading.names
        self._lists = Lists.of(reading)
        self._now = now
        rows = self._tx.all("list_sources", {"org": self._org})
        self._limits: dict[str, int] = {}
        self._pulled: list[tuple[int | None, str]] = []
        """Phone and id of each source that can be asked for history."""
        for source, kind, phone, upstream, _, silent_after, *_ in rows:
            self._limits[source] = silent_after or SILENT_US
            if kind in _PULLED and upstream is not None:
                self._pulled.append((phone, source))
        self._phones: dict[int, _Found] = {}
        self._most_gaps = MAX_GAPS

    # ------------------------------------------------------------------ questions

    def page(self, query: ChatQuery, chat: str | None) -> CoveragePage:
        """Some phones, and a page of their chats or the one that is named; ``NotFound`` for an unknown chat."""
        first = query.after is None
        summaries = self._lists.phone_summaries(query.phones) if first else []
        phones = [self._phone_coverage(summary) for summary in summaries]
        if chat is None:
            self._most_gaps = MAX_LISTED
            found = self._lists.chats(query)
            return CoveragePage(
                phones=phones, chats=self._chat_coverages(found.chats), total=found.total, place=found.place
            )
        one = self._lists.chat(query.phones, chat)
        if one is None:
            raise NotFound("chat", chat)
        return CoveragePage(phones=phones, chats=self._chat_coverages([one]), total=1)

    def of_chat(self, phone: int, chat: str) -> Covered:
        """Coverage of one chat; empty for an unknown one."""
        contact = self._names.find(chat)
        if contact is None:
            return Covered(spans=[], gaps=[])
        ((_, covered),) = self._covered(self._standing([(phone, contact.contact)]))
        return covered

    # ------------------------------------------------------------------ phones

    def _phone_coverage(self, summary: PhoneSummary) -> PhoneCoverage:
        found = self._of_phone(summary.phone.no)
        ends = (None, summary.last_at)
        scope = self._scope(summary.phone.no, (0,))
        covered = self._with_gaps(found, holes(found.spans, None, None, self._now), scope, summary.phone.no, ends)
        return PhoneCoverage(
            phone=summary.phone,
            messages=summary.messages,
            first_at=summary.first_at,
            last_at=summary.last_at,
            covered=covered,
        )

    def _of_phone(self, phone: int) -> _Found:
        """Spans that hold for all chats of a phone."""
        if phone not in self._phones:
            rows = self._tx.all(*self._asked(phone, ("",)))
            self._phones[phone] = _Found([self._span(row, True) for row in rows[:MAX_READ]], len(rows) > MAX_READ)
        return self._phones[phone]

    def _asked(self, phone: int, jids: Sequence[str]) -> Ask:
        params = {"org": self._org, "phone": phone, "jids": jids, "limit": MAX_READ + 1}
        return "spans_of_chat", params

    def _span(self, row: Row, whole_phone: bool) -> Span:
        since, until, ended, origin, import_id, kind, file = row
        teller = _teller(origin, import_id, kind, file)
        limit = self._limits.get(teller.name or "") if teller.how == "live" and not import_id else None
        return Span(
            since=since,
            until=until,
            teller=teller,
            whole_phone=whole_phone,
            ended=cast("Ended | None", ended),
            live=limit is not None and ended is None and self._now - until <= limit,
        )

    # ------------------------------------------------------------------ chats

    def _chat_coverages(self, chats: Sequence[Chat]) -> list[ChatCoverage]:
        places = []
        for chat in chats:
            contact = self._names.find(chat.jid)
            places.append((chat.phone.no, contact.contact if contact else 0))
        covered = self._covered(self._standing(places))
        return [
            ChatCoverage(
                phone=chat.phone,
                jid=chat.jid,
                name=chat.name,
                kind=chat.kind,
                messages=chat.messages,
                first_at=first_at,
                last_at=last_at,
                covered=one,
            )
            for chat, ((first_at, last_at), one) in zip(chats, covered, strict=True)
        ]

    def _standing(self, places: Sequence[tuple[int, int]]) -> list[_Standing]:
        numbers = {(phone, chat): self._names.numbers_of(chat) for phone, chat in places}
        every = sorted({number for some in numbers.values() for number in some})
        aliases: dict[int, list[str]] = {number: [] for number in every}
        for contact, jid in self._tx.all("dump_aliases", {"org": self._org, "contacts": every}) if every else ():
            aliases[contact].append(jid)
        return [
            _Standing(phone, chats, tuple(jid for number in chats for jid in aliases[number]))
            for phone, chats in ((phone, numbers[(phone, chat)]) for phone, chat in places)
        ]

    def _covered(self, standing: Sequence[_Standing]) -> list[tuple[tuple[int | None, int | None], Covered]]:
        """The ends of each chat and its coverage, with the fewest round trips to the database."""
        asks: list[Ask] = []
        for one in standing:
            asks.append(("ends_of_chats", {"org": self._org, "phone": one.phone, "chats": one.chats}))
            asks.append(self._asked(one.phone, one.jids))
        rows = self._tx.several(asks) if asks else []
        found = []
        for one, ends_of_chat, spans in zip(standing, rows[::2], rows[1::2], strict=True):
            ((first_at, last_at),) = ends_of_chat
            found.append(((first_at, last_at), self._chat(one, first_at, last_at, spans)))
        return found

    def _chat(self, standing: _Standing, first_at: int | None, last_at: int | None, rows: list[Row]) -> Covered:
        whole = self._of_phone(standing.phone)
        own = _Found([self._span(row, False) for row in rows[:MAX_READ]], len(rows) > MAX_READ)
        spans = sorted([*own.spans, *whole.spans], key=lambda span: (span.until, span.since), reverse=True)
        found = _Found(spans, own.more or whole.more)
        # Nothing is known about the time before the spans that were read.
        cut = [min(span.since for span in part.spans) for part in (own, whole) if part.more]
        gaps = holes(spans, None if first_at is None else max([first_at, *cut]), last_at, self._now)
        scope = self._scope(standing.phone, standing.chats)
        return self._with_gaps(found, gaps, scope, standing.phone, (first_at, last_at))

    def _scope(self, phone: int, chats: tuple[int, ...]) -> Scope:
        return Scope(org=self._org, phones=(phone,), chats=chats, mask=NOTIFICATION, want=0)

    # ------------------------------------------------------------------ gaps

    def _with_gaps(
        self, found: _Found, gaps: list[Hole], scope: Scope, phone: int, ends: tuple[int | None, int | None]
    ) -> Covered:
        latest = gaps[::-1][: self._most_gaps]
        _, last_at = ends
        windows = [hole.counted(last_at) for hole in latest]
        counts = self._counts(scope, windows)
        source = next((id for own, id in self._pulled if own in (None, phone)), None)
        shown: list[Gap] = [
            gap_of(hole, messages, ends=ends, source=source) for hole, messages in zip(latest, counts, strict=True)
        ]
        return Covered(
            spans=found.spans[:MAX_SPANS],
            gaps=shown,
            more_spans=found.more or len(found.spans) > MAX_SPANS,
            more_gaps=found.more or len(gaps) > self._most_gaps,
        )

    def _counts(self, scope: Scope, windows: Sequence[tuple[int, int | None]]) -> list[int]:
        """Messages between these times. Most gaps have few or none, which is cheap to count; the others use the
        counters.
        """
        name = "few_in_chats" if scope.by_chat else "few_in_phones"
        base = scope.params | {"limit": FEW + 1}
        asks: list[Ask] = [
            (name, base | {"low": low, "high": LATEST if high is None else high}) for low, high in windows
        ]
        found = [only_number(rows) for rows in self._tx.several(asks)] if asks else []
        counter = Counter(self._tx, scope)
        return [
            few if few <= FEW else counter.total(low, high) for few, (low, high) in zip(found, windows, strict=True)
        ]


def _teller(origin: str, import_id: int, kind: str | None, file: str | None) -> Teller:
    """The source of a row. Coverage imported from another archive keeps its own source."""
    told: dict[str, Any] = {"import_id": import_id or None}
    known = teller_of(origin or origin_of("import", kind or "unknown", file))
    return Teller(how=known.how, kind=known.kind, name=known.name, **told)
