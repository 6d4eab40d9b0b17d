"""A payload that a source pushed, from its signature to the commit.

What is understood is written; what is not goes to quarantine, as bytes. Either is on disk when ``take`` returns.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator

from msgspec import Struct, structs

from backscroll.core import events
from backscroll.core.coverage import Heard
from backscroll.core.errors import BadField, NotFound, Unreadable, story_of
from backscroll.core.events import Answer, Batch, Event, NumberMapped, PhoneSeen
from backscroll.core.ids import canonical, user_part
from backscroll.core.model import Phone
from backscroll.ingest.connector import pushed
from backscroll.ingest.connectors.pushed import HASHED_OPTION, UNKNOWN_CHAT, Connection, FileGiven, Observed, Setup
from backscroll.ingest.media import held
from backscroll.storage.files.media import MediaStore
from backscroll.storage.store import Store
from backscroll.storage.write.live_sources import LiveSource, SourceSecrets
from backscroll.storage.write.validation import cleaned

log = logging.getLogger("backscroll.ingest")

MEMORY_SECONDS = 1.0
"""So long a source and an organisation's phones are not looked up again."""
HEARD_SECONDS = 5.0
"""The time of the last event is exact to this, so that events cost no write of their own."""
MAX_MAPPINGS = 50_000
WAITS = "waits for message"
"""What is wrong with input that is understood as soon as the message that it names is here."""
_SAYS_CONNECTION = {"waha", "evolution", "periskope", "linked"}
"""Of the others an event itself shows that the phone is connected."""


class Outcome(Struct, frozen=True):
    """What became of a payload: how many events were written, and why its bytes are in quarantine, if they are."""

    events: int
    quarantined: int | None = None
    problem: str | None = None


class Opened(Struct, frozen=True):
    """A source with its secrets."""

    source: LiveSource
    secrets: SourceSecrets


class Ingestor:
    """Takes payloads of any source, from any thread."""

    def __init__(
        self,
        store: Store,
        now: Callable[[], float] = time.monotonic,
        media: MediaStore | None = None,
        max_media_bytes: int = 100 << 20,
    ) -> None:
        self._store = store
        self._media = media
        self._max_media_bytes = max_media_bytes
        self._now = now
        self._opened: dict[str, tuple[float, Opened]] = {}
        self._phones: dict[int, tuple[float, dict[str, Phone]]] = {}
        self._heard: dict[tuple[str, str], float] = {}
        self._mapped: OrderedDict[tuple[int, NumberMapped], None] = OrderedDict()

    def open(self, id: str) -> Opened:
        """The source with this id; ``NotFound``. A source that was removed is gone within a second."""
        until, opened = self._opened.get(id, (0.0, None))
        if opened is not None and self._now() < until:
            return opened
        self._opened.pop(id, None)
        opened = Opened(*self._store.sources.open(id))
        self._opened[id] = (self._now() + MEMORY_SECONDS, opened)
        return opened

    def take(self, source: LiveSource, body: bytes) -> Outcome:
        """Write what a payload says. What cannot be understood of it is in quarantine when this returns.

        ``StorageBusy`` and ``StorageFull`` mean that the sender has to come again.
        """
        connector = pushed(source.kind)
        try:
            observed = self._observe(source, body)
        except Unreadable as error:
            return self._quarantine(source, body, [error])
        fit, problems = self._fit(source, [*observed.events, *self._kept(source, observed.files)])
        try:
            batch = Batch(source=connector.counts_as, events=fit, raw=observed.raw, via=source.id)
            self._write(source, self._with_life(source, batch))
        except (BadField, NotFound) as error:
            return self._quarantine(source, body, [_as_unreadable(source, error)])
        self._connect(source, observed.connections)
        if problems := [*observed.problems, *problems]:
            return structs.replace(self._quarantine(source, body, problems), events=len(fit))
        return Outcome(len(fit))

    def take_request(self, source: LiveSource, body: bytes, key: str | None, answer: Callable[[int], bytes]) -> Outcome:
        """The same for a program that waits for the outcome: all of its events are written, or none and it hears why.

        ``BadField`` names the field. ``answer`` is kept under the Idempotency-Key in the transaction of the events.
        """
        try:
            observed = self._observe(source, body)
        except Unreadable as error:
            raise BadField(error.where, None, error.problem) from error
        fit, problems = self._fit(source, observed.events)
        if problems:
            raise BadField(problems[0].where, None, problems[0].problem)
        kept = None
        if key is not None:
            digest = hashlib.sha256(body).hexdigest()
            kept = Answer(source=source.id, key=key, digest=digest, status=200, body=answer(len(fit)))
        counts_as = pushed(source.kind).counts_as
        batch = Batch(source=counts_as, events=fit, raw=observed.raw, answer=kept, via=source.id)
        self._write(source, self._with_life(source, batch, observed.sequence))
        return Outcome(len(fit))

    def retry(self, source: LiveSource, body: bytes) -> Outcome:
        """Read quarantined bytes again; ``problem`` says what is still wrong, and nothing is quarantined twice."""
        connector = pushed(source.kind)
        try:
            observed = self._observe(source, body)
        except Unreadable as error:
            return Outcome(0, problem=_story([error]))
        fit, problems = self._fit(source, [*observed.events, *self._kept(source, observed.files)])
        try:
            self._write(source, Batch(source=connector.counts_as, events=fit, raw=observed.raw, via=source.id))
        except (BadField, NotFound) as error:
            return Outcome(0, problem=_story([_as_unreadable(source, error)]))
        problems = [*observed.problems, *problems]
        return Outcome(len(fit), problem=_story(problems) if problems else None)

    def _observe(self, source: LiveSource, body: bytes) -> Observed:
        try:
            return pushed(source.kind).observe(body, self._setup(source))
        except RecursionError:
            raise Unreadable(source.kind, "body", "is nested too deeply") from None

    def _setup(self, source: LiveSource) -> Setup:
        phones = self._phones_of(source.org)
        own = next((phone.jid for phone in phones.values() if phone.no == source.phone), None)
        return Setup(phone=own, base_url=source.upstream)

    def _phones_of(self, org: int) -> dict[str, Phone]:
        until, phones = self._phones.get(org, (0.0, None))
        if phones is None or self._now() >= until:
            phones = {phone.jid: phone for phone in self._store.list_phones(org)}
            self._phones[org] = (self._now() + MEMORY_SECONDS, phones)
        return phones

    def _write(self, source: LiveSource, batch: Batch) -> None:
        if not (batch.events or batch.raw or batch.answer or batch.heard):
            return
        self._store.apply(source.org, batch)
        if batch.heard is not None:
            self._connect_by_events(source)
        for event in batch.events:
            if isinstance(event, NumberMapped):
                self._remember(source.org, event)
            elif isinstance(event, PhoneSeen):
                self._phones.pop(source.org, None)

    def _kept(self, source: LiveSource, files: Iterable[FileGiven]) -> Iterator[Event]:
        """The files that came inside a payload, kept on the disk before anything says that they are there."""
        media = self._media
        if media is None:
            return
        for given in files:
            try:
                content = base64.b64decode(given.base64.partition(",")[2] or given.base64, validate=True)
                yield held(media, source.org, given.target, given.media, content, self._max_media_bytes)
            except (binascii.Error, ValueError, BadField) as error:
                log.warning("a file that %s sent inside an event cannot be kept: %s", source.id, story_of(error))

    # What fits

    def _fit(self, source: LiveSource, observed: Iterable[Event]) -> tuple[list[Event], list[Unreadable]]:
        """The events that can be written, without those that say nothing new, and what is wrong with the others."""
        fit: list[Event] = []
        problems: list[Unreadable] = []
        new_phones: set[str] = set()
        for event in observed:
            try:
                if isinstance(event, PhoneSeen):
                    if not self._is_news(source, event):
                        continue
                    new_phones.add(event.jid)
                if isinstance(event, NumberMapped) and (source.org, event) in self._mapped:
                    continue
                self._check_phone(source, event, new_phones)
                fit.append(cleaned(self._in_its_chat(source, event)))
            except BadField as error:
                problems.append(Unreadable(source.kind, error.field, error.remedy))
            except Unreadable as error:
                problems.append(error)
        return fit, problems

    def _is_news(self, source: LiveSource, event: PhoneSeen) -> bool:
        """A source of many phones makes those that it names; one that was set up for one phone does not."""
        return source.phone is None and event.jid not in self._phones_of(source.org)

    def _check_phone(self, source: LiveSource, event: Event, new: set[str]) -> None:
        jid = _phone_of(event)
        if jid is None or jid in new or jid in self._phones_of(source.org):
            return
        number = user_part(canonical(jid))[:80]
        problem = f"{number} is none of the organisation's phones; add it with: backscroll phone add --number {number}"
        raise Unreadable(source.kind, "phone", problem)

    def _in_its_chat(self, source: LiveSource, event: Event) -> Event:
        """An event that names no chat belongs where the phone has the message that it names."""
        if isinstance(event, events.MessageEdited | events.MessageRevoked) and event.target.chat == UNKNOWN_CHAT:
            phone = self._phones_of(source.org)[canonical(event.target.phone)]
            found = self._store.find_message(source.org, (phone.no,), event.target.id)
            if found is None:
                raise Unreadable(source.kind, WAITS, f"{event.target.id[:80]}, because its chat is not told")
            target = structs.replace(event.target, chat=found.message.key.chat)
            return structs.replace(event, target=target)
        if isinstance(event, events.PollVoted) and any(name.startswith(HASHED_OPTION) for name in event.options):
            return self._with_names(source, event)
        return event

    def _with_names(self, source: LiveSource, event: events.PollVoted) -> Event:
        """A vote by the names of the options, which the poll has; one that it has not is left out."""
        phone = self._phones_of(source.org)[canonical(event.target.phone)]
        found = self._store.find_message(source.org, (phone.no,), event.target.id, chat=event.target.chat)
        poll = None if found is None else found.message.details.poll
        if poll is None:
            raise Unreadable(source.kind, WAITS, f"{event.target.id[:80]}, which has the names of the options")
        names = {HASHED_OPTION + hashlib.sha256(name.encode()).hexdigest(): name for name in poll.options}
        return structs.replace(event, options=tuple(names[name] for name in event.options if name in names))

    def _remember(self, org: int, event: NumberMapped) -> None:
        self._mapped[(org, event)] = None
        while len(self._mapped) > MAX_MAPPINGS:
            self._mapped.popitem(last=False)

    # What else is noted

    def _quarantine(self, source: LiveSource, body: bytes, problems: list[Unreadable]) -> Outcome:
        story = _story(problems)
        no = self._store.quarantine(
            source.org, source.kind, body, story, via=source.id, waits=problems[0].where == WAITS
        )
        return Outcome(0, no, story)

    def _connect(self, source: LiveSource, connections: Iterable[Connection]) -> None:
        phones = self._phones_of(source.org)
        for connection in connections:
            phone = phones.get(connection.phone)
            if phone is not None and phone.state != connection.state:
                self._store.sources.connect(source.org, phone.no, connection.state, connection.at, source.id)
                self._phones.pop(source.org, None)

    def _with_life(self, source: LiveSource, batch: Batch, sequence: int | None = None) -> Batch:
        """The batch with a sign that the source is alive, every few seconds for each phone at most."""
        if not batch.events and sequence is None:
            return batch
        own = next((jid for jid, phone in self._phones_of(source.org).items() if phone.no == source.phone), None)
        phones = {"", own, *map(_phone_of, batch.events)} - {None}
        now = self._now()
        due = sorted(jid for jid in phones if jid is not None and now >= self._heard.get((source.id, jid), 0.0))
        if not due and sequence is None:
            return batch
        self._heard.update({(source.id, jid): now + HEARD_SECONDS for jid in due})
        heard = Heard(source=source.id, phones=tuple(filter(None, due)), sequence=sequence)
        return structs.replace(batch, heard=heard)

    def _connect_by_events(self, source: LiveSource) -> None:
        """What a gateway tells shows that it is connected, where it does not say so itself."""
        if source.phone is not None and source.kind not in _SAYS_CONNECTION:
            own = next((p for p in self._phones_of(source.org).values() if p.no == source.phone), None)
            if own is not None and own.state != "CONNECTED":
                self._store.sources.connect(source.org, own.no, "CONNECTED")
                self._phones.pop(source.org, None)


def _phone_of(event: Event) -> str | None:
    """The own phone that an event is about."""
    match event:
        case events.MessageSeen(message):
            return canonical(message.key.phone)
        case events.ChatSeen(phone=phone) | events.LabelSeen(phone=phone) | events.ChatLabeled(phone=phone):
            return canonical(phone)
        case events.ContactSeen(phone=phone):
            return None if phone is None else canonical(phone)
        case events.NumberMapped():
            return None
        case events.PhoneSeen(jid=jid):
            return canonical(jid)
        case _:
            return canonical(event.target.phone)


def _as_unreadable(source: LiveSource, error: BadField | NotFound) -> Unreadable:
    if isinstance(error, BadField):
        return Unreadable(source.kind, error.field, error.remedy)
    return Unreadable(source.kind, error.what, str(error))


def _story(problems: list[Unreadable]) -> str:
    """What is wrong, in a line: where and what, never a value."""
    first = f"{problems[0].where}: {problems[0].problem}"
    return first if len(problems) == 1 else f"{first} (and {len(problems) - 1} more)"


def find(ingestor: Ingestor, kind: str, id: str) -> Opened | None:
    """The source of this kind with this id, or None: who asks is not told which of the two was wrong."""
    try:
        opened = ingestor.open(id)
    except NotFound:
        return None
    return opened if opened.source.kind == kind else None
