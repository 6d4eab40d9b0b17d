"""The questions that can be asked of an archive."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from backscroll.core.errors import BadField

MAX_OFFSET = 2**53
"""Larger offsets are refused: they cannot be meant, and do not fit every reader's numbers."""

Shows = Literal["messages", "messages_and_calls", "notices"]
"""``notices`` are system lines, group events and calls: all that is not a message."""


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
    """A literal substring; case and accents do not matter. Needs a ``chat``."""
    shows: Shows = "messages"
    offset: int = 0
    limit: int = 50

    def __post_init__(self) -> None:
        if self.search is not None and self.chat is None:
            raise BadField("search", self.search, "name the chat that is to be searched")


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
    """``search`` may also be a part of the number."""
    has_media: bool = False
    archived: bool | None = None
    after: tuple[int, int, int] | None = None
    """``ChatPage.place`` of the page before; instead of an offset."""
    offset: int = 0
    limit: int = 25


class ContactQuery(Struct, frozen=True, kw_only=True):
    """Contacts that the phones' chats know, by name. ``saved_only`` leaves out mere group members."""

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
    """A place in the order of one chat's messages, whether one is there or not. ``sender``: a contact's number."""

    sent_at: int
    id: str = ""
    sender: int = -1


class ThreadQuery(Struct, frozen=True, kw_only=True):
    """A stretch of one chat of one own phone, with calls and notices. Without a place it is the newest one.

    ``around`` is the number of a message, ``at`` a moment in microseconds; ``before`` and ``after`` are places that
    are not part of the answer.
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
    """Time and number of the message that the answer goes on after."""
    limit: int = 60


class SearchQuery(Struct, frozen=True, kw_only=True):
    """A search as it was typed, over all chats of ``phones``."""

    org: int
    phones: tuple[int, ...]
    text: str
    sort: Literal["newest", "relevance"] = "newest"
    zone: str = "UTC"
    """IANA name; the days of ``on:`` and its like are days there."""
    context: int = 1
    """Messages of the chat to show before and after each hit."""
    limit: int = 50
    cursor: str | None = None
    """``SearchPage.next`` of the page before; only for the same search."""
