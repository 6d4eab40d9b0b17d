"""Results of the native API's queries. Times are integer microseconds since 1970 in UTC; absence is None."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from backscroll.core.model import ArchivedMessage, Chat, Contact, Message, Phone, Reaction, Source
from backscroll.core.query import Position

ChangeKind = Literal["message", "update", "gone", "chat", "contact", "phone", "silent", "heard"]


class ReactionChanged(Struct, frozen=True):
    """A reaction in its current state, and whether it was its sender's first to the message."""

    reaction: Reaction
    is_first: bool


class ErasedMessage(Struct, frozen=True):
    """The identity of a message that no longer exists. JIDs are in canonical form."""

    id: str
    chat: str
    sender: str | None
    from_me: bool


class ChangeLine(Struct, frozen=True, kw_only=True):
    """One change. ``message`` is in its current state; it may have changed again, in a later line."""

    seq: int
    what: ChangeKind
    message: ArchivedMessage | None = None
    phone: Phone | None = None
    jid: str | None = None
    """Of the chat or contact."""
    source: str | None = None
    """The id of a source that has become silent, or is heard again."""
    chat: Chat | None = None
    """The chat, for a line that created it."""
    erased: ErasedMessage | None = None
    """The message that is gone; None if its line does not tell, or if another message is shown under the same id."""
    aspects: tuple[str, ...] | None = None
    """What changed: content, deleted, ack, pinned, flagged, unflagged, ticket; created for a chat, state for a phone.
    None if that is not known.
    """
    reactions: tuple[ReactionChanged, ...] = ()
    """Reactions that were added, changed or removed; removed ones have no emoji."""


class Changes(Struct, frozen=True, kw_only=True):
    """Lines after a position. ``upto`` is where to continue, including past lines that this reader may not see."""

    lines: list[ChangeLine]
    upto: int
    more: bool
    touches_tokens: bool
    """Whether credentials, or the phones that they give access to, are among the changes."""
    around: Surroundings


class Surroundings(Struct, frozen=True, kw_only=True):
    """What a page shows besides its messages."""

    names: dict[str, str | None] = {}
    """Names of contacts, by the JIDs used in the messages."""
    lids: dict[str, str] = {}
    """LIDs of contacts: a text may mention somebody by LID."""
    quoted: dict[tuple[str, str], ArchivedMessage] = {}
    """Known quoted messages, by the phone's JID and the id."""
    sizes: dict[tuple[str, str], int] = {}
    """Numbers of group members, if known, by the JIDs of phone and chat."""


class Thread(Struct, frozen=True, kw_only=True):
    """Part of one chat, oldest message first. ``seq`` is the position in the change feed when it was read."""

    messages: list[ArchivedMessage]
    found_oldest: bool
    found_newest: bool
    target: int | None
    """Number of the requested message."""
    seq: int
    oldest: Position | None
    newest: Position | None
    """The positions of the first and the last row that was read, also if it cannot be shown."""
    around: Surroundings


class Spine(Struct, frozen=True, kw_only=True):
    """The numbers of messages in a chat over time, including calls and notices. Months and days are in UTC."""

    buckets: list[tuple[int, int]]
    """Months as ``year * 12 + month - 1``, or days since 1970, with how many messages; empty ones are left out."""
    before: int
    """Messages older than the first requested bucket."""
    total: int
    first_at: int | None
    last_at: int | None


class FileFetch(Struct, frozen=True, kw_only=True):
    """A file that is still to be fetched. ``next_at`` None: it was given up. Microseconds UTC."""

    tries: int
    next_at: int | None
    problem: str | None


class MessageCard(Struct, frozen=True, kw_only=True):
    """One message with everything known about it. ``observations`` are what each source reported, the best source
    first.
    """

    message: ArchivedMessage
    chat: Chat | None
    observations: list[tuple[Source, Message]]
    raw: int | None
    """Number of the payload that it came in first, if that was kept."""
    fetch: FileFetch | None = None
    """For a missing file that is queued."""
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
    """Names of their chats, by JID."""
    more: bool


class NameKnown(Struct, frozen=True, kw_only=True):
    """A name of a contact, and the source that last reported it. ``at`` is in microseconds UTC, None if it gave no
    time.
    """

    kind: Literal["saved", "chosen", "business"]
    name: str
    source: Source | None
    at: int | None


class ContactCard(Struct, frozen=True, kw_only=True):
    """Everything known about one contact: names, ids, and the chats that it takes part in."""

    contact: Contact
    names: tuple[NameKnown, ...]
    jids: tuple[str, ...]
    shared: list[Chat]


class PhoneSummary(Struct, frozen=True, kw_only=True):
    """What the archive holds for one own phone."""

    phone: Phone
    messages: int
    chats: int
    first_at: int | None
    last_at: int | None


class Highlight(Struct, frozen=True, kw_only=True):
    """A text of a message in parts, in order; parts with True are hits."""

    field: str
    """body, file_name, poll, place, contact, link, invite, interactive or sender_name."""
    parts: tuple[tuple[str, bool], ...]


class SearchHit(Struct, frozen=True, kw_only=True):
    """A message that was found. ``context`` are the messages around it in its chat, oldest first, without itself."""

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
    """False while the index is being built: older messages may be missing."""
    ignored: tuple[str, ...] = ()
    """Parts of the query that could not be searched for."""
    facets: SearchFacets | None = None
    """Only with the first page."""
    next: str | None = None
    """The cursor of the page after this one."""
    around: Surroundings = Surroundings()


class ChangedPlace(Struct, frozen=True):
    """Where a line of the change feed is: numbers of a phone and a chat, 0 where it concerns more than one.

    ``what`` is message, update, gone, chat, contact, phone, token, silent or heard; ``no`` is its number, or 0. In
    feeds of older programs ``message`` may also be an update.
    """

    seq: int
    what: str
    phone: int
    chat: int
    no: int = 0
    aspects: str | None = None
    """What changed, as the feed stores it (storage/records/aspects.py)."""


class LastStored(Struct, frozen=True):
    """When the newest row of an organisation was stored, in microseconds UTC, and the kind of source that
    reported it.
    """

    at: int
    source: str
