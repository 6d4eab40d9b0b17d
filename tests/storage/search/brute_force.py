"""A search without an index: it reads every message and applies the rules of docs/search.md."""

from __future__ import annotations

from collections.abc import Iterable

from backscroll.core.model import ArchivedMessage
from backscroll.core.text import fold
from backscroll.storage.search.documents import document_of
from backscroll.storage.search.matching import Reading
from backscroll.storage.search.query import Filters, Query, Run, parse

KINDS = {
    "image": {"image"},
    "video": {"video", "video_note"},
    "audio": {"audio", "voice"},
    "voice": {"voice"},
    "document": {"document"},
    "poll": {"poll"},
    "location": {"location", "live_location"},
    "contact": {"contact", "contacts"},
    "sticker": {"sticker"},
}
MEDIA = {"image", "video", "video_note", "audio", "voice", "document", "sticker"}


def found(messages: Iterable[ArchivedMessage], text: str, names: dict[str, list[str]]) -> list[ArchivedMessage]:
    """Messages that a search finds, newest first. ``names`` are the names of each JID."""
    query = parse(text)
    if query.is_empty:
        return []
    hits = [message for message in messages if matches(message, query, names)]
    return sorted(hits, key=lambda m: (m.message.sent_at, m.message.key.id, m.phone.no), reverse=True)


def matches(shown: ArchivedMessage, query: Query, names: dict[str, list[str]]) -> bool:
    """Whether one message matches the query."""
    message = shown.message
    sender = message.key.sender or ""
    document = document_of(message.text, message.details, message.kind, 0, shown.edited_at is not None)
    reading = Reading(document)
    for group in query.include:
        by_name = (
            not isinstance(group, Run)
            and group.sender is not None
            and begins(names.get(sender, ()), group.sender)
            and sum(begins(some, group.sender) for some in names.values()) <= 50
        )
        if not by_name and not reading.matches(group):
            return False
    return not any(reading.matches(group) for group in query.exclude) and passes(shown, query.filters, names, reading)


def begins(names: Iterable[str], beginning: str) -> bool:
    """Whether a word of one of these names begins with this text."""
    return any(word.startswith(beginning) for name in names for word in fold(name).split())


def passes(shown: ArchivedMessage, filters: Filters, names: dict[str, list[str]], reading: Reading) -> bool:
    """Whether a message passes the filters."""
    message = shown.message
    sender, chat, at = message.key.sender or "", message.key.chat, message.sent_at
    if filters.senders and not any(is_meant(sender, v, names, message.from_me) for v in filters.senders):
        return False
    if any(is_meant(sender, v, names, message.from_me) for v in filters.not_senders):
        return False
    if filters.chats and not any(is_meant(chat, v, names, False) for v in filters.chats):
        return False
    if any(is_meant(chat, v, names, False) for v in filters.not_chats):
        return False
    if (filters.since is not None and at < filters.since) or (filters.until is not None and at >= filters.until):
        return False
    if any(since <= at < until for since, until in filters.not_within):
        return False
    has = [is_fact(shown, fact, reading) for fact in filters.facts]
    return all(has) and not any(is_fact(shown, fact, reading) for fact in filters.not_facts)


def is_meant(jid: str, value: str, names: dict[str, list[str]], from_me: bool) -> bool:
    """Whether a filter's value means this contact."""
    if value.lower() == "me":
        return from_me
    if not jid:
        return False
    if jid == value or jid.partition("@")[0] == value.removeprefix("+"):
        return True
    wanted = fold(value).strip()
    folded = [fold(name).split() for name in names.get(jid, ())]
    return any(" ".join(words[at:]).startswith(wanted) for words in folded for at in range(len(words)))


def is_fact(shown: ArchivedMessage, fact: str, reading: Reading) -> bool:
    """Whether a fact of ``has:`` or ``is:`` holds."""
    message, details = shown.message, shown.message.details
    if fact in KINDS:
        return message.kind in KINDS[fact]
    return {
        "media": message.kind in MEDIA,
        "mine": message.from_me,
        "received": not message.from_me,
        "deleted": shown.deleted,
        "edited": shown.edited_at is not None or bool(details.is_edited),
        "starred": bool(details.is_starred),
        "forwarded": bool(details.is_forwarded),
        "link": "!hlink" in reading.all_terms.terms,
        "quote": details.quoted is not None or bool(details.has_quoted),
    }[fact]
