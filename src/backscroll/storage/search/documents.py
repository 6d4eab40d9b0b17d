"""The indexed content of a message: its texts by field, facts about it, and its place."""

from __future__ import annotations

import quopri
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from backscroll.core.model import NO_DETAILS, Details
from backscroll.storage.records.rows import CLASS, DELETED, FROM_ME, MEDIA, NOTIFICATION, MessageRow, decode_details
from backscroll.storage.search.terms import LINK, Document, Field, Terms, sender_mark, terms_of

PLACE_FLAGS = CLASS | NOTIFICATION | FROM_ME | MEDIA | DELETED
"""Of a row's flags, what listings filter by."""

_TITLES = frozenset(
    [
        "title",
        "description",
        "name",
        "groupname",
        "subject",
        "text",
        "body",
        "header",
        "footer",
        "caption",
        "displaytext",
        "buttontext",
        "contentbody",
        "location",
    ]
)
"""Keys in a source's own objects that contain text by people."""
_DEEPEST = 6
_VCARD_LINE = re.compile(r"(?:[\w-]+\.)?(FN|N|NICKNAME|ORG|TITLE|TEL|EMAIL|ADR|URL|NOTE)((?:;[^:]*)?):(.*)", re.I)
_FOLDED_LINE = re.compile(r"\r?\n[ \t]")


class Place(NamedTuple):
    """Where a message belongs, and its attributes for filtering; many messages share one."""

    phone: int
    chat: int
    flags: int
    languages: str


class Entry(NamedTuple):
    """A message in the form in which it is indexed."""

    sent_at: int
    no: int
    place: Place
    terms: frozenset[str]


def document_of(text: str | None, details: Details, kind: str, sender: int, is_edited: bool) -> Document:
    """The texts of a message, and the facts that are terms of it."""
    fields = tuple(Field(name, told) for name, told in _fields(text, details) if told)
    return Document(fields, tuple(_marks(fields, details, kind, sender, is_edited)))


def document_of_row(row: MessageRow) -> Document:
    """The same of a stored message."""
    return document_of(row.text, decode_details(row.details), row.kind, row.sender, row.edited_at is not None)


def entry_of(values: Mapping[str, Any], details: Details) -> Entry:
    """Of a row that is being written, by its columns; ``details`` is what its column of that name says."""
    document = document_of(
        values["text"], details, values["kind"], values["sender"], is_edited=values["edited_at"] is not None
    )
    found: Terms = terms_of(document)
    place = _place(values["phone"], values["chat"], values["flags"] & PLACE_FLAGS, found.languages)
    return Entry(values["sent_at"], values["no"], place, found.terms)


def entry_of_row(row: MessageRow) -> Entry:
    """Of a stored message."""
    found = terms_of(document_of_row(row))
    place = _place(row.phone, row.chat, row.flags & PLACE_FLAGS, found.languages)
    return Entry(row.sent_at, row.no, place, found.terms)


@lru_cache(maxsize=8192)
def _place(phone: int, chat: int, flags: int, languages: str) -> Place:
    return Place(phone, chat, flags, languages)


def is_indexed_alike(row: MessageRow, values: Mapping[str, Any]) -> bool:
    """Whether a change of a row makes no difference to the index."""
    same = ("text", "details", "kind", "chat", "sender", "sent_at")
    return (
        all(getattr(row, name) == values[name] for name in same)
        and (row.flags ^ values["flags"]) & PLACE_FLAGS == 0
        and (row.edited_at is None) == (values["edited_at"] is None)
    )


def _marks(fields: tuple[Field, ...], details: Details, kind: str, sender: int, is_edited: bool) -> Iterator[str]:
    yield f"k{kind}"
    if sender:
        yield sender_mark(sender)
    if any(("." in f.text or ":" in f.text) and LINK.search(f.text) for f in fields):
        yield "hlink"
    if is_edited or details.is_edited:
        yield "e"
    if details is NO_DETAILS:
        return
    if details.quoted is not None or details.has_quoted:
        yield "hquote"
    if details.is_starred:
        yield "*"
    if details.is_forwarded:
        yield "f"


def _fields(text: str | None, details: Details) -> Iterator[tuple[str, str]]:
    if text:
        yield "body", text
    if details is NO_DETAILS:
        return
    if details.media is not None and details.media.filename:
        yield "file_name", details.media.filename
    if details.poll is not None:
        yield "poll", "\n".join((details.poll.name, *details.poll.options))
    if details.location is not None:
        place = details.location
        yield "place", "\n".join(filter(None, (place.name, place.address)))
    for card in details.vcards or ():
        yield "contact", "\n".join(_of_card(card))
    yield "link", "\n".join(_words_in(details.links))
    yield "invite", "\n".join(_words_in(details.invite))
    yield "interactive", "\n".join(_words_in(details.interactive))


def _words_in(value: Any, depth: int = 0) -> Iterator[str]:
    """Titles and the like in what a source told in a shape of its own."""
    if depth > _DEEPEST:
        return
    if isinstance(value, dict):
        for key, told in value.items():
            if isinstance(told, str):
                if str(key).lower() in _TITLES:
                    yield told
            else:
                yield from _words_in(told, depth + 1)
    elif isinstance(value, list | tuple):
        for told in value:
            yield from _words_in(told, depth + 1)


def _of_card(card: str) -> Iterator[str]:
    """Names, numbers and addresses of a vCard."""
    for line in _FOLDED_LINE.sub("", card).splitlines():
        match = _VCARD_LINE.fullmatch(line.strip())
        if match is None:
            continue
        value = match[3]
        if "QUOTED-PRINTABLE" in match[2].upper():
            value = quopri.decodestring(value.encode("utf-8", "replace")).decode("utf-8", "replace")
        yield value.replace("\\n", " ").replace("\\,", ",").replace("\\;", ";").replace(";", " ").strip()
