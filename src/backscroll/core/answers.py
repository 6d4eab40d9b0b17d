"""Answers of the native API's questions. Times are integer microseconds since 1970 in UTC; absence is None."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from backscroll.core.model import ArchivedMessage, Chat, Contact, Message, Phone, Reaction, Source

ChangeKind = Literal["message", "update", "gone", "chat", "contact", "phone", "silent", "heard"]


class ReactionChanged(Struct, frozen=True):
    """A reaction as it stands now, and whether it was its sender's first to the message."""

    reaction: Reaction
    is_first: bool


class ChangeLine(Struct, frozen=True, kw_only=True):
    """One change. ``message`` is as it stands now; it may have changed again, in a later line."""

    seq: int
    what: ChangeKind
    message: ArchivedMessage | None = None
    phone: Phone | None = None
    jid: str | None = None
    """Of the chat or contact."""
    source: str | None = None
    """The id of a source that fell silent, or is heard again."""
    chat: Chat | None = None
    """The chat of a line that made it."""
    aspects: tuple[str, ...] | None = None
    """What of it changed, in words: content, deleted, ack, flagged, unflagged, ticket; created of a chat, state of a
    phone. None where that is not known."""
    reactions: tuple[ReactionChanged, ...] = ()
    """Reactions that came, changed or went; those that went are without an emoji."""


class Changes(Struct, frozen=True, kw_only=True):
    """Lines after a place. ``upto`` is where to go on, also past lines that this reader may not see."""

    lines: list[ChangeLine]
    upto: int
    more: bool
    touches_tokens: bool
    """Whether credentials, or the phones that they reach, are among what changed."""
    around: Surroundings


class Surroundings(Struct, frozen=True, kw_only=True):
    """What a page shows of others than its messages."""

    names: dict[str, str | None] = {}
    """What contacts are called, by JID as it stands in the messages."""
    lids: dict[str, str] = {}
    """LIDs of those who have one: a text may mention somebody by it."""
    quoted: dict[tuple[str, str], ArchivedMessage] = {}
    """Messages that are quoted and known, by the phone's JID and the id."""
    sizes: dict[tuple[str, str], int] = {}
    """How many members groups have, by the JIDs of phone and chat, where that is known."""


class Thread(Struct, frozen=True, kw_only=True):
    """A stretch of one chat, oldest message first. ``seq`` is the change feed's when it was read."""

    messages: list[ArchivedMessage]
    found_oldest: bool
    found_newest: bool
    target: int | None
    """Number of the message that was asked for."""
    seq: int
    senders: list[int]
    """The contact who wrote each message, by number: with time and id its place in the chat."""
    around: Surroundings


class Spine(Struct, frozen=True, kw_only=True):
    """How the messages of a chat spread over time, calls and notices too. Months and days are UTC's."""

    buckets: list[tuple[int, int]]
    """Months as ``year * 12 + month - 1``, or days since 1970, with how many messages; empty ones are left out."""
    before: int
    """Messages older than the first bucket that was asked for."""
    total: int
    first_at: int | None
    last_at: int | None


class FileFetch(Struct, frozen=True, kw_only=True):
    """A file that is still to be fetched. ``next_at`` None: it was given up. Microseconds UTC."""

    tries: int
    next_at: int | None
    problem: str | None


class MessageCard(Struct, frozen=True, kw_only=True):
    """One message with all that is known of it. ``observations`` are what each source told, the best source first."""

    message: ArchivedMessage
    chat: Chat | None
    observations: list[tuple[Source, Message]]
    raw: int | None
    """Number of the payload that it came in first, if that was kept."""
    fetch: FileFetch | None = None
    """Of a file that is not here and is queued."""
    around: Surroundings


class Original(Struct, frozen=True, kw_only=True):
    """A payload as it was received. ``stored_at`` in microseconds UTC."""

    source: str
    type: str
    payload: bytes
    stored_at: int


class MediaPage(Struct, frozen=True, kw_only=True):
    """Messages with files, newest first. ``more``: there are older ones."""

    messages: list[ArchivedMessage]
    chats: dict[str, str | None]
    """What their chats are called, by JID."""
    more: bool


class NameKnown(Struct, frozen=True, kw_only=True):
    """A name of a contact, and the source that told it last. ``at`` in microseconds UTC, None when it told no time."""

    kind: Literal["saved", "chosen", "business"]
    name: str
    source: Source | None
    at: int | None


class ContactCard(Struct, frozen=True, kw_only=True):
    """All that is known of one contact: names, ids, and the chats that it takes part in."""

    contact: Contact
    names: tuple[NameKnown, ...]
    jids: tuple[str, ...]
    shared: list[Chat]


class PhoneSummary(Struct, frozen=True, kw_only=True):
    """What the archive holds of one own phone."""

    phone: Phone
    messages: int
    chats: int
    first_at: int | None
    last_at: int | None


class Highlight(Struct, frozen=True, kw_only=True):
    """A text of a message in parts, in order; those that are True are what a search found."""

    field: str
    """body, file_name, poll, place, contact, link, invite, interactive or sender_name."""
    parts: tuple[tuple[str, bool], ...]


class SearchHit(Struct, frozen=True, kw_only=True):
    """A message that was found. ``context`` is what stands around it in its chat, oldest first, without itself."""

    message: ArchivedMessage
    highlights: tuple[Highlight, ...] = ()
    context: tuple[ArchivedMessage, ...] = ()


class FacetCount(Struct, frozen=True, kw_only=True):
    """How many hits a chat, phone or month has. ``value`` is a JID, a phone's id or ``2026-03``."""

    value: str
    name: str | None
    count: int


class SearchFacets(Struct, frozen=True, kw_only=True):
    """Hits by chat (the most first), phone and month (latest first, UTC); of the latest hits only unless complete."""

    chats: tuple[FacetCount, ...] = ()
    phones: tuple[FacetCount, ...] = ()
    months: tuple[FacetCount, ...] = ()
    complete: bool = True


class SearchPage(Struct, frozen=True, kw_only=True):
    """One page of hits in their order."""

    hits: list[SearchHit]
    total: int
    total_is_exact: bool
    """Otherwise there are at least ``total``."""
    complete: bool
    """False while the index is being made: older messages may be missing."""
    ignored: tuple[str, ...] = ()
    """What in the query could not be looked for."""
    facets: SearchFacets | None = None
    """Told with the first page."""
    next: str | None = None
    """The cursor of the page after this one."""
    around: Surroundings = Surroundings()


class Change(Struct, frozen=True):
    """One line of the change feed. ``what`` is message, update, gone, chat, contact, phone or token; ``no`` its number
    or 0. In feeds of older programs ``message`` may also be an update."""

    seq: int
    what: str
    no: int
    aspects: str | None = None
    """What of it changed (storage/records/aspects.py), where that is known."""


class ChangedPlace(Struct, frozen=True):
    """Where a line of the change feed is: numbers of a phone and a chat, 0 where it concerns more than one.

    ``no`` is the number of what changed.
    """

    seq: int
    what: str
    phone: int
    chat: int
    no: int = 0


class LastStored(Struct, frozen=True):
    """When the newest row of an organisation was stored, in microseconds UTC, and which kind of source told it."""

    at: int
    source: str
