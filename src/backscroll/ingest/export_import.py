"""Taking in an exported chat: whose lines they are, which of them are new, and the files that came along."""

from __future__ import annotations

import hashlib
import mimetypes
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Struct

from backscroll import ids
from backscroll.errors import BadField, Question, Unreadable
from backscroll.events import Batch, ContactSeen, Event, MessageSeen, NumberMapped
from backscroll.ingest.alignment import MINUTE_US, Utterance, align, utterance
from backscroll.ingest.connectors.export.archive import ExportArchive, open_export
from backscroll.ingest.connectors.export.chat import ExportedChat, ExportedLine, parse
from backscroll.model import ArchivedMessage, Details, Media, Message, MessageKey, Notice, Phone
from backscroll.query import MessageQuery, Shows
from backscroll.storage.media import MediaStore
from backscroll.storage.store import Store
from backscroll.storage.writer import EXPORT_PREFIX

BATCH = 1000
MAX_MEDIA = 2 * 2**30
LONGEST_VCARD = 256 * 1024
_SLUG = re.compile(r"[^a-z0-9]+")
_ALL: tuple[Shows, ...] = ("messages", "notices")

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
    work = _Import(store, media, org, phone, archive, parsed, people)
    if timezone is None:
        people.warnings.append(
            "times were read as UTC; give --timezone, such as Europe/Berlin, if the phone was elsewhere"
        )
    work.run(progress)
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
    """The JID of a party that an export knows by name only; the same name in the same place, the same JID."""
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
        found = self._store.find_by_name(self._org, name)
        fitting = [jid for jid in found if (ids.kind_of(jid) == "group") == self.is_group]
        if len(fitting) > 1:
            raise Question(f"Several chats are called {name}: {', '.join(fitting[:5])}. Which one is it?", "--chat JID")
        return fitting[0] if fitting else None

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
        if self.title:
            for group in (True, False):
                if group == self.is_group:
                    earlier = made_up_jid(self._phone.jid, self.title, group)
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
        if not mine:
            self.warnings.append(
                "nothing tells which author is the phone's owner; import again with --me NAME to mark your own messages"
            )
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
        found = [jid for jid in self._store.find_by_name(self._org, name) if ids.kind_of(jid) in ("user", "lid")]
        made_up = made_up_jid(self.chat, name)
        if len(found) == 1:
            self.events.append(NumberMapped(lid=made_up, jid=found[0]))
            return found[0]
        self._tell_name(made_up, name)
        return made_up

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
    ) -> None:
        self._store = store
        self._media = media
        self._org = org
        self._phone = phone
        self._archive = archive
        self._parsed = parsed
        self._people = people
        self._given: Counter[tuple[int, str | None, str]] = Counter()
        self.added = 0
        self.files = 0

    def run(self, progress: Progress) -> None:
        # People first: what an earlier import kept under a made-up JID must stand in the chat before lines are aligned.
        self._store.apply(self._org, Batch(source="export", events=self._people.known()))
        raw: bytes | None = self._archive.text
        done = 0
        for lines in _by_whole_minutes(self._parsed.lines):
            batch = Batch(source="export", events=[*self._events(lines)], raw=raw, raw_type="text/plain; charset=utf-8")
            self._store.apply(self._org, batch)
            raw = None
            done += len(lines)
            progress(done, len(self._parsed.lines))

    def _events(self, lines: list[ExportedLine]) -> Iterator[Event]:
        stored = self._stored(lines)
        said = [self._utterance(i, line) for i, line in enumerate(lines)]
        matches = align(said, [self._stored_utterance(i, m) for i, m in enumerate(stored)])
        for i, line in enumerate(lines):
            nth = self._nth(line)
            if i in matches:
                yield self._seen(line, stored[matches[i]].message.key.id, stored[matches[i]])
            else:
                self.added += 1
                yield self._seen(line, self._made_up_id(line, nth), None)

    def _stored(self, lines: list[ExportedLine]) -> list[ArchivedMessage]:
        low = min(line.sent_at for line in lines) // MINUTE_US * MINUTE_US
        high = max(line.sent_at for line in lines) // MINUTE_US * MINUTE_US + MINUTE_US - 1
        found: list[ArchivedMessage] = []
        for shows in _ALL:
            query = MessageQuery(
                org=self._org,
                phones=(self._phone.no,),
                chat=self._people.chat,
                since=low,
                until=high,
                shows=shows,
                limit=1_000_000,
            )
            found += self._store.list_messages(query).messages
        return sorted(found, key=lambda m: (m.message.sent_at, m.no))

    def _utterance(self, place: int, line: ExportedLine) -> Utterance:
        changed = bool(line.is_edited or line.is_deleted)
        author = self._author(line)
        return utterance(place, line.sent_at, author, line.kind, line.text, changed, line.media_omitted)

    def _author(self, line: ExportedLine) -> str | None:
        jid = self._people.authors.get(line.author) if line.author else None
        return "" if jid == self._phone.jid else jid

    def _stored_utterance(self, place: int, shown: ArchivedMessage) -> Utterance:
        message = shown.message
        details = message.details
        author = "" if message.from_me else message.key.sender
        if message.kind in ("notice", "call") and not message.from_me:
            author = None if author == message.key.chat else author
        changed = bool(details.is_edited or shown.edited_at or shown.deleted or shown.prev_text)
        omitted = bool(details.media and details.media.omitted)
        return utterance(place, message.sent_at, author, message.kind, message.text, changed, omitted)

    def _nth(self, line: ExportedLine) -> int:
        """How many lines of the same minute, author and words came before this one in the file."""
        key = (line.sent_at // MINUTE_US, line.author, line.text or line.filename or "")
        self._given[key] += 1
        return self._given[key] - 1

    def _made_up_id(self, line: ExportedLine, nth: int) -> str:
        parts = (
            self._phone.jid,
            self._people.chat,
            str(line.sent_at // MINUTE_US),
            self._people.authors.get(line.author or "", line.author or ""),
            line.text or line.filename or line.kind,
            str(nth),
        )
        return EXPORT_PREFIX + hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:24]

    # ------------------------------------------------------------------ a line as a message

    def _seen(self, line: ExportedLine, id: str, stored: ArchivedMessage | None) -> MessageSeen:
        author = self._people.authors.get(line.author) if line.author else None
        from_me = author == self._phone.jid
        media = self._media_of(line)
        edited = line.is_edited or None
        details = Details(
            media=media,
            is_gif=line.is_gif,
            is_edited=edited,
            prev_text=stored.message.text if edited and stored and stored.message.text != line.text else None,
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
                    self._org, source, max_bytes=MAX_MEDIA, declared_mimetype=declared, filename=name
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
                return (ids.clean_text(source.read(LONGEST_VCARD).decode("utf-8", "replace"))[0],)
        except Unreadable as error:
            self._people.warnings.append(f"{line.attachment} was left out: {error}")
            return None


def _by_whole_minutes(lines: Sequence[ExportedLine]) -> Iterator[list[ExportedLine]]:
    """Batches that never cut a minute in two, so that each can be aligned by itself. Lines may jump back in time."""
    batch: list[ExportedLine] = []
    for line in lines:
        if len(batch) >= BATCH and line.sent_at // MINUTE_US != batch[-1].sent_at // MINUTE_US:
            yield batch
            batch = []
        batch.append(line)
    if batch:
        yield batch
