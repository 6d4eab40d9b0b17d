"""Importing the lines of an export: which are new, and the message for each."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

from msgspec import Struct, structs

from backscroll.concurrency.retry import retry
from backscroll.core.events import Batch, Event, MessageRevoked, MessageSeen, NumberMapped, Target
from backscroll.core.model import MEDIA_KINDS, ArchivedMessage, Details, Message, MessageKey, Notice, Phone
from backscroll.core.query import MessageQuery
from backscroll.ingest.alignment import OBSERVATION, Utterance, align, shift_of, utterance
from backscroll.ingest.connectors.export.authors import chosen_name
from backscroll.ingest.connectors.export.chat import ExportedChat, ExportedLine, ExportedLines
from backscroll.ingest.connectors.export.held import IN_MEMORY, Text
from backscroll.ingest.exports.files import Files
from backscroll.ingest.exports.names import is_by_name
from backscroll.ingest.exports.people import People
from backscroll.ingest.exports.zones import zone_question
from backscroll.ingest.pipeline import apply_with_retry
from backscroll.storage.read.export_lines import StoredLine, StoredLines
from backscroll.storage.read.told_by import told_only_by
from backscroll.storage.records.rows import EXPORT_PREFIX
from backscroll.storage.store import Store
from backscroll.storage.write.bulk import BulkWriter
from backscroll.storage.write.export_matching import MINUTE_US, words_of
from backscroll.storage.write.validation import cleaned

BATCH = 1000
BATCH_CHARACTERS = 4 * 2**20
RAW_BYTES = IN_MEMORY
RAW_TYPE = "text/plain; charset=utf-8"
DAY_US = 86_400_000_000
SAMPLE = 2000
"""Minimum number of messages for recognising the time zone."""
PROOFS = 3
"""Messages of one author that make two names one person."""

Progress = Callable[[int, int | None], None]
Count = Callable[[int, int], None]
"""(messages that were new so far, and those that were known)"""


class _Adding(Struct, frozen=True):
    """Lines whose batch waits to be written."""

    lines: list[ExportedLine]
    new: set[str]
    """Ids of the lines that no export told before."""
    meet_others: bool
    """Whether the archive has messages of other sources at their time."""

    @property
    def characters(self) -> int:
        return sum(len(line.raw) for line in self.lines)


class LineImport:
    """Line by line into the archive, in batches of whole minutes."""

    def __init__(
        self,
        store: Store,
        org: int,
        phone: Phone,
        text: Text,
        parsed: ExportedChat,
        people: People,
        files: Files,
        count: Count = lambda new, known: None,
    ) -> None:
        self._store = store
        self._count = count
        self._org = org
        self._phone = phone
        self._text = text
        self._parsed = parsed
        self._people = people
        self._files = files
        self._first, self._last = min(parsed.lines.times), max(parsed.lines.times)
        self._writers: set[str] = set()
        self._aliases: dict[str, Counter[str]] = defaultdict(Counter)
        self._renamed: set[tuple[str, str]] = set()
        """Authors here and those under whom the archive has some of their lines, both known by name only."""
        self._waiting: deque[_Adding] = deque()
        self._done = 0
        self.added = 0

    def run(self, progress: Progress) -> None:
        """Write all lines; ``progress`` receives how many are done, and of how many."""
        # People first: what an earlier import kept under a made-up JID must stand in the chat before lines are aligned.
        apply_with_retry(self._store, self._org, Batch(source="export", events=self._people.known()))
        self._people.learn()
        self._writers = set(self._people.authors.values())
        raw = self._raw()
        with self._store.bulk_writer(self._org) as writer:
            for lines in _by_whole_minutes(self._parsed.lines):
                self._add(writer, lines, next(raw, None))
                # A transaction ends early while others want to write, so one of them may write less than was just read.
                while writer.is_full or self._waiting_characters >= BATCH_CHARACTERS:
                    self._write(writer, progress)
            while not writer.is_empty:
                self._write(writer, progress)
        for part in raw:
            apply_with_retry(self._store, self._org, Batch(source="export", events=[], raw=part, raw_type=RAW_TYPE))
        self._name_renamed()
        self._join_names()

    @property
    def _waiting_characters(self) -> int:
        return sum(adding.characters for adding in self._waiting)

    def _raw(self) -> Iterator[bytes]:
        """The text as it came: one payload, or several of a text that is too long to be held in memory."""
        return (self._text[at : at + RAW_BYTES] for at in range(0, len(self._text), RAW_BYTES))

    def _write(self, writer: BulkWriter, progress: Progress) -> None:
        """Write what fits into one transaction."""
        for _ in retry(writer.write):
            written = self._waiting.popleft()
            self._note_met(written)
            self._done += len(written.lines)
            self._count(self.added, self._done - self.added)
            progress(self._done, len(self._parsed.lines))

    def _add(self, writer: BulkWriter, lines: list[ExportedLine], raw: bytes | None) -> None:
        """Lines that were told before keep their ids; the store finds out which messages all of them are.

        What is known is read before earlier lines are on disk: no two batches have lines of the same minute.
        """
        there = self._known(lines)
        known = there.lines
        matches = align(
            [self._utterance(i, line) for i, line in enumerate(lines)],
            [self._known_utterance(i, line) for i, line in enumerate(known)],
        )
        taken = {line.id for line in known}
        new: set[str] = set()
        events: list[Event] = []
        for i, (line, nth) in enumerate(zip(lines, _places(lines), strict=True)):
            before = known[matches[i]] if i in matches else None
            if before is not None:
                self._note_alias(self._author(line), before.sender, line.text)
                id = before.id
            else:
                id = self._made_up_id(line, nth, taken)
                taken.add(id)
                new.add(id)
            seen = self._seen(line, id, before)
            events.append(seen)
            if line.deleted_by is not None:
                events.append(self._revoked(line.deleted_by, seen.message.key))
        batch = Batch(source="export", events=events, raw=raw, raw_type=RAW_TYPE)
        writer.add(batch)
        self._waiting.append(_Adding(lines, new, there.meet_others))

    def _note_met(self, written: _Adding) -> None:
        """Count the lines that are new, and see whose messages the others are."""
        met = [told for told in self._known(written.lines).lines if told.is_matched] if written.meet_others else []
        self.added += len(written.new - {told.id for told in met})
        for told in met:
            self._note_alias(told.sender, told.host, told.message.text)

    def _known(self, lines: Sequence[ExportedLine]) -> StoredLines:
        times = [line.sent_at // MINUTE_US for line in lines]
        low, high = min(times) * MINUTE_US, max(times) * MINUTE_US + MINUTE_US - 1
        return self._store.lines_of_exports(self._org, self._phone.no, self._people.chat, low, high)

    def _stored(self, low: int, high: int, limit: int, ignoring: Sequence[int]) -> list[ArchivedMessage]:
        """Messages of the chat, oldest first; the latest ``limit`` of those that others tell than some imports."""
        query = MessageQuery(
            org=self._org,
            phones=(self._phone.no,),
            chat=self._people.chat,
            since=low,
            until=high,
            shows="messages",
            limit=limit,
        )
        if not ignoring:
            return self._store.list_messages(query).messages[::-1]
        found: dict[int, ArchivedMessage] = {}
        while len(found) < limit:
            page = self._store.list_messages(query).messages
            alone = self._told_only_by(ignoring, [message.no for message in page])
            found |= {message.no: message for message in page if message.no not in alone}
            if len(page) < limit:
                break
            # The moment of the oldest once more, in case others share it; never the same page twice.
            oldest, newest = page[-1].message.sent_at, page[0].message.sent_at
            query = structs.replace(query, until=oldest if oldest < newest else oldest - 1)
        return [*found.values()][:limit][::-1]

    def _told_only_by(self, imports: Sequence[int], nos: Sequence[int]) -> set[int]:
        return self._store.ask(self._org, lambda reading: told_only_by(reading, nos, imports))

    def _utterance(self, place: int, line: ExportedLine) -> Utterance:
        author = self._author(line)
        return utterance(
            place,
            line.sent_at,
            author,
            line.kind,
            line.text,
            notice=line.notice_type,
            is_exact=self._parsed.precision == "second",
            by_name=self._people.is_group and is_by_name(author),
            is_changed=bool(line.is_edited or line.is_deleted),
            is_omitted=line.media_omitted,
            at_edge=line.sent_at // MINUTE_US in (self._first // MINUTE_US, self._last // MINUTE_US),
        )

    def _author(self, line: ExportedLine) -> str | None:
        jid = self._people.authors.get(line.author) if line.author else None
        return "" if jid == self._phone.jid else jid

    def _known_utterance(self, place: int, line: StoredLine) -> Utterance:
        details = line.message.details
        media = details.media
        author = "" if line.sender == self._phone.jid else line.sender
        if line.message.kind in ("notice", "call") and author == self._people.chat:
            author = None
        return utterance(
            place,
            line.message.sent_at,
            author,
            line.message.kind,
            line.message.text,
            earlier=line.prev_text,
            notice=details.notice.type if details.notice else None,
            is_exact=details.precision != "minute",
            by_name=self._people.is_group and (author is None or is_by_name(author)),
            still_writes=line.sender in self._writers,
            is_changed=bool(details.is_edited or line.is_deleted),
            is_omitted=bool(media and media.omitted and not media.file),
        )

    def _made_up_id(self, line: ExportedLine, nth: int, taken: Collection[str]) -> str:
        """An id that sorts lines of one minute as they stand in the file."""
        author = self._people.authors.get(line.author or "", line.author or "")
        words = line.text or line.filename or line.kind
        while True:
            parts = (self._phone.jid, self._people.chat, line.local, author, words, str(nth))
            digest = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
            id = f"{EXPORT_PREFIX}{nth:04x}{digest[:20]}"
            if id not in taken:
                return id
            nth += 1

    def check_lines(self) -> None:
        """``BadField`` when a line is none that the store takes: said before anything is taken back for this import."""
        for at, line in enumerate(self._parsed.lines):
            cleaned(self._seen(line, f"{EXPORT_PREFIX}{at:x}", None))

    # ------------------------------------------------------------------ a wrong time zone

    def check_zone(self, given: str | None, ignoring: Sequence[int] = ()) -> None:
        """Ask when most of what is said here stands in the archive at another hour: it would all be doubled.

        What only the imports ``ignoring`` told will be gone, and so says nothing.
        """
        stored = self._stored(self._first - DAY_US, self._last + DAY_US, SAMPLE, ignoring)
        if not stored:
            return
        low, high = (at.message.sent_at for at in (stored[0], stored[-1]))
        times = self._parsed.lines.times
        near = (at for at, sent_at in enumerate(times) if low - DAY_US <= sent_at <= high + DAY_US)
        lines = [self._parsed.lines[at] for at in deque(near, 2 * SAMPLE)]
        shift = shift_of(
            [self._utterance(i, line) for i, line in enumerate(lines)],
            [utterance(i, m.message.sent_at, None, m.message.kind, m.message.text) for i, m in enumerate(stored)],
        )
        if shift is not None:
            raise zone_question(given, shift, lines[-1])

    # ------------------------------------------------------------------ names that turn out to be somebody

    def _note_alias(self, by_name: str | None, jid: str | None, text: str | None) -> None:
        """Somebody known by name said what the archive knows of somebody else."""
        if not by_name or not jid or not is_by_name(by_name) or by_name == jid:
            return
        if is_by_name(jid):
            self._renamed.add((by_name, jid))
        if len(text or "") >= OBSERVATION:
            self._aliases[by_name][jid] += 1

    def _join_names(self) -> None:
        """A name and a number are one person where several messages say so, and none speaks against it."""
        authors = self._people.authors
        sure = {name: next(iter(found)) for name, found in self._aliases.items() if len(found) == 1}
        claims = Counter([*sure.values(), *authors.values()])
        for by_name, jid in sure.items():
            if self._aliases[by_name][jid] >= PROOFS and claims[jid] == 1:
                mapped = NumberMapped(lid=by_name, jid=jid)
                self._store.apply(self._org, Batch(source="export", events=[mapped]))
                authors |= {name: jid for name, known in authors.items() if known == by_name}

    def _name_renamed(self) -> None:
        """Lines of a renamed author stay under the JID made up for the old name, which an undo may leave nameless."""
        here, there = Counter(one for one, _ in self._renamed), Counter(other for _, other in self._renamed)
        sure = {one: other for one, other in self._renamed if here[one] == there[other] == 1}
        events: list[Event] = [
            self._people.named(sure[jid], name)
            for name, jid in self._people.authors.items()
            if sure.get(jid) is not None
        ]
        if events:
            apply_with_retry(self._store, self._org, Batch(source="export", events=events))

    # ------------------------------------------------------------------ a line as a message

    def _seen(self, line: ExportedLine, id: str, before: StoredLine | None) -> MessageSeen:
        author = self._people.authors.get(line.author) if line.author else None
        if before is not None and (author is None or is_by_name(author)):
            author = before.sender
        from_me = author == self._phone.jid
        prev_text, updated_at = self._versions(line, before)
        details = Details(
            media=self._files.media_of(line),
            has_media=line.kind in MEDIA_KINDS or line.media_omitted,
            is_gif=line.is_gif,
            is_view_once=line.is_view_once,
            is_edited=line.is_edited or None,
            prev_text=prev_text,
            updated_at=updated_at,
            is_deleted=line.is_deleted or None,
            poll=line.poll,
            location=line.location,
            call=line.call,
            notice=Notice(type=line.notice_type) if line.kind == "notice" else None,
            vcards=self._files.vcards_of(line),
            push_name=chosen_name(line.author) if line.author and line.is_push_name and not from_me else None,
            precision=self._parsed.precision,
        )
        key = MessageKey(self._phone.jid, self._people.chat, id, None if from_me else author)
        text = line.text or line.contact_name
        return MessageSeen(
            Message(key=key, sent_at=line.sent_at, from_me=from_me, kind=line.kind, text=text, details=details)
        )

    def _revoked(self, admin: str, key: MessageKey) -> MessageRevoked:
        target = Target(key.phone, key.chat, key.id, key.sender or self._phone.jid)
        return MessageRevoked(target=target, by=self._people.jid_of(admin), by_admin=True)

    def _versions(self, line: ExportedLine, before: StoredLine | None) -> tuple[str | None, int | None]:
        """The earlier text, and how late the line's own text is known to stand: until its export ended.

        Of two edited versions that tells the later one.
        """
        if before is None:
            return None, self._last if line.is_edited else None
        shown, told_at = before.message.text, before.message.details.updated_at
        if shown is None or line.text is None or words_of(shown) == words_of(line.text):
            return None, told_at if line.is_edited else None
        if not line.is_edited:
            return line.text, None
        return (shown if (told_at or 0) < self._last else line.text), self._last


def _by_whole_minutes(lines: ExportedLines) -> Iterator[list[ExportedLine]]:
    """Batches that never cut a minute in two, so that each can be aligned by itself. Lines may jump back in time."""
    batch: list[ExportedLine] = []
    size = 0
    for at in lines.by_time(MINUTE_US):
        is_full = len(batch) >= BATCH or size >= BATCH_CHARACTERS
        if is_full and lines.times[at] // MINUTE_US != batch[-1].sent_at // MINUTE_US:
            yield batch
            batch, size = [], 0
        batch.append(lines[at])
        size += len(batch[-1].raw)
    if batch:
        yield batch


def _places(lines: Iterable[ExportedLine]) -> Iterator[int]:
    """Of each line its place in its minute, from 0."""
    minute, nth = -1, 0
    for line in lines:
        minute, nth = (minute, nth + 1) if line.sent_at // MINUTE_US == minute else (line.sent_at // MINUTE_US, 0)
        yield nth
