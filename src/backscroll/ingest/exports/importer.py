"""Taking in an exported chat: whose lines they are, which of them are new, and the files that came along."""

from __future__ import annotations

import datetime
import hashlib
import mimetypes
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Struct

from backscroll.core import ids
from backscroll.core.errors import BadField, Question, Unreadable
from backscroll.core.events import Batch, ContactSeen, Event, MessageSeen, NumberMapped
from backscroll.core.model import MEDIA_KINDS, ArchivedMessage, Details, Media, Message, MessageKey, Notice, Phone
from backscroll.core.query import MessageQuery
from backscroll.ingest.alignment import OBSERVATION, Utterance, align, shift_of, utterance
from backscroll.ingest.connectors.export.archive import ExportArchive, open_export
from backscroll.ingest.connectors.export.chat import ExportedChat, ExportedLine, parse
from backscroll.ingest.pipeline import apply_with_retry
from backscroll.storage.files.media import MediaStore
from backscroll.storage.read.export_lines import StoredLine, StoredLines
from backscroll.storage.records.rows import EXPORT_PREFIX
from backscroll.storage.store import Store
from backscroll.storage.write.export_matching import MINUTE_US, words_of

BATCH = 1000
MAX_MEDIA_BYTES = 2 * 2**30
DAY_US = 86_400_000_000
SAMPLE = 2000
"""Messages that the time zone is told by."""
PROOFS = 3
"""Messages of one author that make two names one person."""
MAX_VCARD = 256 * 1024
_SLUG = re.compile(r"[^a-z0-9]+")

Progress = Callable[[int, int | None], None]


class ExportSummary(Struct, frozen=True, kw_only=True):
    """What an import found and did. ``known`` lines were in the archive before."""

    chat: str
    phone: str
    lines: int
    added: int
    known: int
    files: int
    authors: dict[str, str]
    """JIDs by the names in the export; the phone's owner is "me"."""
    warnings: list[str]

    def __str__(self) -> str:
        told = f"{self.lines} lines of {self.chat}: {self.added} new, {self.known} known, {self.files} files kept."
        return "\n".join([told, *(f"Note: {warning}" for warning in self.warnings)])


def import_export(
    store: Store,
    media: MediaStore,
    org: int,
    phone: Phone,
    path: Path,
    *,
    chat: str | None = None,
    timezone: str | None = None,
    day_first: bool | None = None,
    me: str | None = None,
    max_media_bytes: int = MAX_MEDIA_BYTES,
    progress: Progress = lambda done, whole: None,
) -> ExportSummary:
    """Import an export; the same, a longer or an overlapping one as often as one likes.

    Raises ``Question`` where only a person can decide, ``Unreadable`` for what is no export.
    """
    archive = open_export(path)
    parsed = parse(archive.text, timezone=_zone(timezone), day_first=day_first, names=archive.attachments)
    if not parsed.lines:
        raise Unreadable("export", path.name, "there is no message in it")
    people = _People(store, org, phone, archive, parsed, chat, me)
    work = _Import(store, media, org, phone, archive, parsed, people, max_media_bytes)
    work.check_zone(timezone)
    if timezone is None:
        people.warnings.append(
            "times were read as UTC; give --timezone, such as Europe/Berlin, if the phone was elsewhere"
        )
    work.run(progress)
    if phone.jid not in people.authors.values() and people.is_group:
        people.warnings.append(
            "nothing tells which author is the phone's owner; import again with --me NAME to mark your own messages"
        )
    return ExportSummary(
        chat=people.chat,
        phone=phone.number,
        lines=len(parsed.lines),
        added=work.added,
        known=len(parsed.lines) - work.added,
        files=work.files,
        authors={name: "me" if jid == phone.jid else jid for name, jid in people.authors.items()},
        warnings=people.warnings,
    )


def _zone(name: str | None) -> ZoneInfo:
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadField("timezone", name, "must be a zone name such as Europe/Berlin or Asia/Kolkata") from None


def made_up_jid(scope: str, name: str, group: bool = False) -> str:
    """The JID of a contact that an export knows by name only; the same name in the same place, the same JID."""
    digest = hashlib.sha256(f"{scope}\0{name}".encode("utf-8", "surrogatepass")).hexdigest()
    if group:
        return f"exp{digest[:16]}@{ids.GROUP}"
    slug = _SLUG.sub("-", ids.fold(name)).strip("-")[:24]
    return f"{slug}.{digest[:10]}@{ids.EXPORT}" if slug else f"{digest[:16]}@{ids.EXPORT}"


class _People:
    """Which chat the export is of, and who its authors are."""

    def __init__(
        self,
        store: Store,
        org: int,
        phone: Phone,
        archive: ExportArchive,
        parsed: ExportedChat,
        chat: str | None,
        me: str | None,
    ) -> None:
        self._store = store
        self._org = org
        self._phone = phone
        self._parsed = parsed
        self.warnings: list[str] = []
        self.title = archive.title or parsed.title
        self.events: list[Event] = []
        self.is_group = False
        self.chat = self._find_chat(chat)
        self.authors = self._find_authors(me)

    # ------------------------------------------------------------------ the chat

    def _find_chat(self, given: str | None) -> str:
        if given is not None and ("@" in given or ids.bare_number(given)):
            jid = ids.canonical(given)
            self.is_group = ids.kind_of(jid) == "group"
            self._rename(jid)
            return jid
        name = given or self.title
        if given is not None:
            self.title = given
        self.is_group = bool(self._parsed.is_group) or len(self._parsed.authors) > 2
        if name is None:
            name = self._only_other()
        if ids.bare_number(name):
            return ids.canonical(name)
        return self._by_name(name) or self._made_up_chat(name)

    def _by_name(self, name: str) -> str | None:
        found = [jid for jid in self._store.find_by_name(self._org, name) if self._may_be_chat(jid)]
        if len(found) > 1:
            raise Question(f"Several chats are called {name}: {', '.join(found[:5])}. Which one is it?", "--chat JID")
        return found[0] if found else None

    def _may_be_chat(self, jid: str) -> bool:
        """Names are the phone's own, so only whom this phone knows may be meant."""
        phones = (self._phone.no,)
        if self.is_group:
            return ids.kind_of(jid) == "group" and self._store.find_chat(self._org, phones, jid) is not None
        return _is_numbered(jid) and self._store.find_contact(self._org, phones, jid) is not None

    def _made_up_chat(self, name: str) -> str:
        self.title = name
        jid = made_up_jid(self._phone.jid, name, self.is_group)
        self.warnings.append(
            f"the number of {name} is not known yet; the chat is kept as {jid}. "
            "Import again with --chat NUMBER to join them"
        )
        return jid

    def _rename(self, jid: str) -> None:
        """An earlier import may have known this chat by its name only."""
        if self.title and not ids.bare_number(self.title):
            earlier = made_up_jid(self._phone.jid, self.title, self.is_group)
            self.events.append(NumberMapped(lid=earlier, jid=jid))

    def _only_other(self) -> str:
        others = [name for name in self._parsed.authors if not self._is_me(name, None)]
        if len(others) != 1:
            raise Question("The file's name does not tell which chat this is.", "--chat JID or --chat NAME")
        return others[0]

    # ------------------------------------------------------------------ its authors

    def _find_authors(self, me: str | None) -> dict[str, str]:
        names = self._parsed.authors
        mine = [name for name in names if self._is_me(name, me)]
        if me is not None and not mine:
            raise BadField("me", me, f"is none of the authors: {', '.join(names[:20])}")
        if not self.is_group:
            return self._two_sides(names, mine)
        return {name: self._phone.jid if name in mine else self._someone(name) for name in names}

    def _is_me(self, name: str, me: str | None) -> bool:
        if me is not None:
            return name == me
        number = ids.bare_number(name)
        return name in self._parsed.own_names or name == self._phone.name or number == self._phone.number

    def _two_sides(self, names: Sequence[str], mine: list[str]) -> dict[str, str]:
        """In a chat of two, whoever is not the other one is the phone's owner."""
        others = [name for name in names if name not in mine]
        if len(others) > 1:
            known = [name for name in others if self._is_other(name)]
            if len(known) != 1:
                raise Question(f"Which of {', '.join(others[:5])} is the phone's owner?", "--me NAME")
            others = known
        elif not mine and len(others) == 1 and len(names) == 1 and not self._is_other(others[0]) and self.title:
            others = []
        result = {name: self.chat if name in others else self._phone.jid for name in names}
        self._tell_name(self.chat, others[0] if others else self.title)
        return result

    def _is_other(self, name: str) -> bool:
        number = ids.bare_number(name)
        contact = self._store.find_contact(self._org, (self._phone.no,), self.chat)
        known = {contact.name, contact.push_name, contact.business_name} if contact else set()
        return name == self.title or name in known or (bool(number) and ids.canonical(number) == self.chat)

    def _someone(self, name: str) -> str:
        if ids.bare_number(name):
            return ids.canonical(name)
        made_up = made_up_jid(self.chat, name)
        found = [jid for jid in self._store.find_by_name(self._org, name) if _is_numbered(jid)]
        known = [contact for jid in found if (contact := self._store.find_contact(self._org, (self._phone.no,), jid))]
        if len(known) != 1:
            self._tell_name(made_up, name)
            return made_up
        if known[0].name == name:
            # As this phone's owner saved it; a name that people chose themselves is no proof.
            self.events.append(NumberMapped(lid=made_up, jid=known[0].jid))
        return known[0].jid

    def _tell_name(self, jid: str, name: str | None) -> None:
        if name and not ids.bare_number(name):
            self.events.append(ContactSeen(jid=jid, name=name))

    def known(self) -> list[Event]:
        """What is learned of people, told before the lines."""
        mine = [name for name, jid in self.authors.items() if jid == self._phone.jid]
        known_before = [NumberMapped(lid=made_up_jid(self.chat, name), jid=self._phone.jid) for name in mine]
        if self.is_group and self.title:
            self.events.append(ContactSeen(jid=self.chat, name=self.title))
        return [*self.events, *(known_before if self.is_group else [])]


def _is_numbered(jid: str) -> bool:
    return ids.kind_of(jid) in ("user", "lid")


def _is_by_name(jid: str | None) -> bool:
    return jid is not None and ids.kind_of(jid) == "export"


class _Import:
    """Line by line into the archive, in batches of whole minutes."""

    def __init__(
        self,
        store: Store,
        media: MediaStore,
        org: int,
        phone: Phone,
        archive: ExportArchive,
        parsed: ExportedChat,
        people: _People,
        max_media_bytes: int,
    ) -> None:
        self._store = store
        self._media = media
        self._org = org
        self._phone = phone
        self._archive = archive
        self._parsed = parsed
        self._people = people
        self._max_media_bytes = max_media_bytes
        self._first = min(line.sent_at for line in parsed.lines)
        self._last = max(line.sent_at for line in parsed.lines)
        self._aliases: dict[str, Counter[str]] = defaultdict(Counter)
        self.added = 0
        self.files = 0

    def run(self, progress: Progress) -> None:
        # People first: what an earlier import kept under a made-up JID must stand in the chat before lines are aligned.
        apply_with_retry(self._store, self._org, Batch(source="export", events=self._people.known()))
        raw: bytes | None = self._archive.text
        done = 0
        for lines in _by_whole_minutes(self._parsed.lines):
            self._take(lines, raw)
            raw = None
            done += len(lines)
            progress(done, len(self._parsed.lines))
        self._join_names()

    def _take(self, lines: list[ExportedLine], raw: bytes | None) -> None:
        """Lines that were told before keep their ids; the store finds out which messages all of them are."""
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
            if i in matches:
                before = known[matches[i]]
                self._note_alias(self._author(line), before.sender, line.text)
                events.append(self._seen(line, before.id, before))
            else:
                id = self._made_up_id(line, nth, taken)
                taken.add(id)
                new.add(id)
                events.append(self._seen(line, id, None))
        batch = Batch(source="export", events=events, raw=raw, raw_type="text/plain; charset=utf-8")
        self._store.apply(self._org, batch)
        met = [told for told in self._known(lines).lines if told.is_matched] if there.meet_others else []
        self.added += len(new - {told.id for told in met})
        for told in met:
            self._note_alias(told.sender, told.host, told.message.text)

    def _known(self, lines: Sequence[ExportedLine]) -> StoredLines:
        times = [line.sent_at // MINUTE_US for line in lines]
        low, high = min(times) * MINUTE_US, max(times) * MINUTE_US + MINUTE_US - 1
        return self._store.lines_of_exports(self._org, self._phone.no, self._people.chat, low, high)

    def _stored(self, low: int, high: int, limit: int) -> list[ArchivedMessage]:
        """Messages of the chat, oldest first; the latest ``limit`` of them."""
        query = MessageQuery(
            org=self._org,
            phones=(self._phone.no,),
            chat=self._people.chat,
            since=low,
            until=high,
            shows="messages",
            limit=limit,
        )
        return self._store.list_messages(query).messages[::-1]

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
            by_name=self._people.is_group and _is_by_name(author),
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
            by_name=self._people.is_group and (author is None or _is_by_name(author)),
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

    # ------------------------------------------------------------------ a wrong time zone

    def check_zone(self, given: str | None) -> None:
        """Ask when most of what is said here stands in the archive at another hour: it would all be doubled."""
        stored = self._stored(self._first - DAY_US, self._last + DAY_US, SAMPLE)
        if not stored:
            return
        low, high = (at.message.sent_at for at in (stored[0], stored[-1]))
        lines = [line for line in self._parsed.lines if low - DAY_US <= line.sent_at <= high + DAY_US][-2 * SAMPLE :]
        shift = shift_of(
            [self._utterance(i, line) for i, line in enumerate(lines)],
            [utterance(i, m.message.sent_at, None, m.message.kind, m.message.text) for i, m in enumerate(stored)],
        )
        if shift is not None:
            raise _zone_question(given, shift, lines[-1])

    # ------------------------------------------------------------------ names that turn out to be somebody

    def _note_alias(self, by_name: str | None, jid: str | None, text: str | None) -> None:
        """Somebody known by name said what the archive knows of somebody else."""
        if by_name and jid and _is_by_name(by_name) and by_name != jid and len(text or "") >= OBSERVATION:
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

    # ------------------------------------------------------------------ a line as a message

    def _seen(self, line: ExportedLine, id: str, before: StoredLine | None) -> MessageSeen:
        author = self._people.authors.get(line.author) if line.author else None
        if before is not None and (author is None or _is_by_name(author)):
            author = before.sender
        from_me = author == self._phone.jid
        prev_text, updated_at = self._versions(line, before)
        details = Details(
            media=self._media_of(line),
            has_media=line.kind in MEDIA_KINDS or line.media_omitted,
            is_gif=line.is_gif,
            is_edited=line.is_edited or None,
            prev_text=prev_text,
            updated_at=updated_at,
            is_deleted=line.is_deleted or None,
            poll=line.poll,
            location=line.location,
            call=line.call,
            notice=Notice(type=line.notice_type) if line.kind == "notice" else None,
            vcards=self._vcards(line),
            push_name=line.author if line.is_push_name and not from_me else None,
            precision=self._parsed.precision,
        )
        key = MessageKey(self._phone.jid, self._people.chat, id, None if from_me else author)
        return MessageSeen(
            Message(key=key, sent_at=line.sent_at, from_me=from_me, kind=line.kind, text=line.text, details=details)
        )

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

    def _media_of(self, line: ExportedLine) -> Media | None:
        if line.attachment is not None and line.kind != "contact":
            return self._kept(line.attachment, line.filename)
        if line.media_omitted:
            return Media(omitted=True, filename=line.filename)
        return Media(filename=line.filename) if line.filename and line.kind != "contact" else None

    def _kept(self, attachment: str, filename: str | None) -> Media:
        name = filename or attachment
        declared = mimetypes.guess_type(name)[0]
        try:
            with self._archive.attachments[attachment]() as source:
                kept = self._media.put(
                    self._org, source, max_bytes=self._max_media_bytes, declared_mimetype=declared, filename=name
                )
        except (Unreadable, BadField) as error:
            self._people.warnings.append(f"{attachment} was left out: {error}")
            return Media(filename=name, omitted=True)
        self.files += 1
        return Media(
            filename=name,
            file=kept.sha256,
            sha256=kept.sha256,
            size=kept.size,
            mimetype=kept.mimetype,
            width=kept.width,
            height=kept.height,
            duration=kept.duration,
        )

    def _vcards(self, line: ExportedLine) -> tuple[str, ...] | None:
        if line.kind not in ("contact", "contacts") or line.attachment is None:
            return None
        try:
            with self._archive.attachments[line.attachment]() as source:
                return (ids.clean_text(source.read(MAX_VCARD).decode("utf-8", "replace"))[0],)
        except Unreadable as error:
            self._people.warnings.append(f"{line.attachment} was left out: {error}")
            return None


def _by_whole_minutes(lines: Sequence[ExportedLine]) -> Iterator[list[ExportedLine]]:
    """Batches that never cut a minute in two, so that each can be aligned by itself. Lines may jump back in time."""
    batch: list[ExportedLine] = []
    for line in sorted(lines, key=lambda line: line.sent_at // MINUTE_US):
        if len(batch) >= BATCH and line.sent_at // MINUTE_US != batch[-1].sent_at // MINUTE_US:
            yield batch
            batch = []
        batch.append(line)
    if batch:
        yield batch


def _places(lines: Iterable[ExportedLine]) -> Iterator[int]:
    """Of each line its place in its minute, from 0."""
    minute, nth = -1, 0
    for line in lines:
        minute, nth = (minute, nth + 1) if line.sent_at // MINUTE_US == minute else (line.sent_at // MINUTE_US, 0)
        yield nth


_ZONES = (
    "Europe/London", "Europe/Berlin", "Europe/Helsinki", "Europe/Moscow", "Asia/Dubai", "Asia/Karachi",
    "Asia/Kolkata", "Asia/Kathmandu", "Asia/Dhaka", "Asia/Jakarta", "Asia/Singapore", "Asia/Tokyo",
    "Australia/Adelaide", "Australia/Sydney", "Pacific/Auckland", "Atlantic/Azores", "America/Sao_Paulo",
    "America/Halifax", "America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles",
    "America/Anchorage", "Pacific/Honolulu", "Africa/Lagos", "Africa/Johannesburg", "Africa/Nairobi", "UTC",
)  # fmt: skip


def _zone_question(given: str | None, shift: int, line: ExportedLine) -> Question:
    at = datetime.datetime.fromtimestamp((line.sent_at // 1_000_000) + shift * 60, datetime.UTC)
    offset = datetime.datetime.fromisoformat(line.local).replace(tzinfo=datetime.UTC) - at
    minutes = round(offset.total_seconds() / 60)
    clock = f"UTC{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
    example = next((zone for zone in _ZONES if at.astimezone(ZoneInfo(zone)).utcoffset() == offset), None)
    apart = f"{abs(shift) // 60} h {abs(shift) % 60} min" if shift % 60 else f"{abs(shift) // 60} h"
    return Question(
        f"These messages stand in the archive already, {apart} {'earlier' if shift < 0 else 'later'} than "
        f"{given or 'UTC'} would make them. Was the phone's clock at {clock}?",
        f"--timezone {example}" if example else f"--timezone, a zone that is at {clock}",
    )
