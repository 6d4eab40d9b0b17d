"""Queries of an archive."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from backscroll.core.errors import BadField

MAX_OFFSET = 2**53
"""Larger offsets are refused: they make no sense, and do not fit every client's numbers."""

Shows = Literal["messages", "messages_and_calls", "notices"]
"""``notices`` are system messages, group events and calls: everything that is not an ordinary message."""


class MessageQuery(Struct, frozen=True, kw_only=True):
    """Messages of ``phones`` (numbers of ``Phone.no``), newest first. Filters only narrow.

    Order is (sent_at, id, phone, chat), descending; time bounds are inclusive microseconds.
    """

    org: int
    phones: tuple[int, ...]
    chat: str | None = None
    """A JID in any spelling."""
    since: int | None = None
    until: int | None = None
    media_only: bool = False
    from_me: bool | None = None
    search: str | None = None
    """A literal substring; case and accents are ignored. Needs a ``chat``."""
    shows: Shows = "messages"
    offset: int = 0
    limit: int = 50

    def __post_init__(self) -> None:
        if self.search is not None and self.chat is None:
            raise BadField("search", self.search, "name the chat to search")


class ChatQuery(Struct, frozen=True, kw_only=True):
    """Chats of ``phones``, latest message first; time bounds are on that message."""

    org: int
    phones: tuple[int, ...]
    since: int | None = None
    until: int | None = None
    kind: str | None = None
    label: str | None = None
    search: str | None = None
    """A literal part of the name."""
    by_number: bool = False
    """``search`` may also match part of the number."""
    has_media: bool = False
    archived: bool | None = None
    after: tuple[int, int, int] | None = None
    """``ChatPage.place`` of the previous page; replaces an offset."""
    offset: int = 0
    limit: int = 25


class ContactQuery(Struct, frozen=True, kw_only=True):
    """Contacts known to the phones' chats, by name. ``saved_only`` leaves out people who are only group members."""

    org: int
    phones: tuple[int, ...]
    saved_only: bool = False
    search: str | None = None
    """A literal part of a name or number."""
    offset: int = 0
    limit: int | None = 2000


class ReactionQuery(Struct, frozen=True, kw_only=True):
    """Reactions, latest first."""

    org: int
    phones: tuple[int, ...]
    chat: str | None = None
    message: str | None = None
    """A bare WhatsApp id."""
    since: int | None = None
    until: int | None = None
    offset: int = 0
    limit: int = 2000


class Position(Struct, frozen=True):
    """A position in the order of one chat's messages, whether or not a message is there. ``sender`` is a contact's
    number.
    """

    sent_at: int
    id: str = ""
    sender: int = -1


class ThreadQuery(Struct, frozen=True, kw_only=True):
    """Part of one chat of one own phone, with calls and notices. Without a position it is the newest part.

    ``around`` is the number of a message, ``at`` a time in microseconds; ``before`` and ``after`` are exclusive
    positions.
    """

    org: int
    phone: int
    chat: str
    """A JID in any spelling."""
    around: int | None = None
    at: int | None = None
    before: Position | None = None
    after: Position | None = None
    limit: int = 50


class MediaQuery(Struct, frozen=True, kw_only=True):
    """Messages with files, newest first: of some phones, or of one chat of the first of them."""

    org: int
    phones: tuple[int, ...]
    kinds: tuple[str, ...]
    chat: str | None = None
    until: int | None = None
    before: tuple[int, int] | None = None
    """Time and number of the message after which the result continues."""
    limit: int = 60


class SearchQuery(Struct, frozen=True, kw_only=True):
    """A search query as typed, over all chats of ``phones``."""

    org: int
    phones: tuple[int, ...]
    text: str
    sort: Literal["newest", "relevance"] = "newest"
    zone: str = "UTC"
    """IANA time zone for the days in ``on:``, ``before:`` and ``after:``."""
    context: int = 1
    """Number of messages to show before and after each hit."""
    limit: int = 50
    cursor: str | None = None
    """``SearchPage.next`` of the previous page; only for the same search."""
