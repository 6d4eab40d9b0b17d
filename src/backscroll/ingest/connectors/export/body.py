"""The part after the author: text, a file, a poll, or WhatsApp's own words for something else."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import PurePosixPath
from typing import TypedDict

from msgspec import Struct

from backscroll.core.model import Call, Kind, Location, Poll
from backscroll.formats.places import place_at
from backscroll.ingest.connectors.export import attachments
from backscroll.ingest.connectors.export.attachments import FileNames
from backscroll.ingest.connectors.export.calls import read_call
from backscroll.ingest.connectors.export.header import MARKS
from backscroll.ingest.connectors.export.notices import notice_type
from backscroll.ingest.connectors.export.phrases import (
    DELETED,
    EDITED,
    GIF_OMITTED,
    LIVE_LOCATION,
    LOCATION,
    MEDIA_OMITTED,
    OMITTED,
    VIEW_ONCE,
    WAITING,
    YOU_DELETED,
    deleting_admin,
)
from backscroll.ingest.connectors.export.wording import fold, has_mark, unmark


class Content(TypedDict, total=False):
    """The fields of an ``ExportedLine`` that its body tells."""

    kind: Kind
    text: str | None
    attachment: str | None
    filename: str | None
    media_omitted: bool
    is_gif: bool | None
    is_view_once: bool | None
    is_edited: bool | None
    is_deleted: bool | None
    deleted_by: str | None
    mentions: tuple[str, ...]
    poll: Poll | None
    location: Location | None
    contact_name: str | None
    call: Call | None
    notice_type: str | None


class Body(Struct, frozen=True, gc=False):
    """What one line says, and how it is marked."""

    author: str | None
    text: str
    is_marked: bool = False
    """WhatsApp's own mark stands before it, in a file where that tells something."""
    is_marked_twice: bool = False
    """Before the head too, or it is one of the lines before anybody wrote anything."""


class Context(Struct, frozen=True):
    """What is known of the whole file."""

    ios: bool
    names: FileNames | None
    """The files that came along; None when that is not known."""
    frequent: frozenset[str]
    """Phrases in angle brackets that come again and again: WhatsApp's, in a language unknown here."""
    writers: frozenset[str]
    """Authors of at least one ordinary text."""
    claimed: frozenset[str] = frozenset()
    """Files that some line names as WhatsApp does."""
    mentioned_once: frozenset[str] = frozenset()
    """Files that no line names so, and that stand in the words of exactly one."""
    marks_omitted: bool = False
    """WhatsApp's phrases for files that were left out have its mark in this file; without it they are a person's."""
    marks_deleted: bool = False
    """The same of its phrases for deleted messages."""


MAX_PHRASE = 120
_MAX_DELETED = 200
_FILE_NAME = re.compile(r"[^\n/\\]{1,200}\.\w{2,5}")
_MAP = re.compile(
    r"(?:(.{1,300}?)\s*[:：]\s*)?https?://(?:maps\.google\.com|(?:www\.)?google\.com/maps)/?(?:maps)?/?"
    r"\?q=(-?\d{1,3}(?:\.\d+)?),(-?\d{1,3}(?:\.\d+)?)\S*\s*"
)
_FOURSQUARE = re.compile(r"([^\n]{1,300}?)\s*[:：]\s*https?://(?:www\.)?foursquare\.com/v/(?:[^\s/]+/)?[0-9a-f]{24}\s*")
_POLL_OPTION = re.compile(r"([^\s:：]{1,40})\s?[:：]\s?(.*)\s\(\D{0,40}(\d{1,9})\D{0,40}\)")
_MENTION = re.compile("@\u2068([^\u2068\u2069\n]{1,100})\u2069")
_MAX_POLL = 80


def read(body: Body, context: Context) -> Content:
    """The message, call or notice that a body is."""
    if body.author is None:
        plain = unmark(body.text).strip()
        call = read_call(body.text, plain, is_marked=True, has_author=False)
        return _call(plain, call) if call else _notice(plain)
    rest, edited = _without_edit(body.text, context)
    content = _content(body, body.author, rest, context)
    if edited:
        content["is_edited"] = True
    if (text := content.get("text")) and "@\u2068" in text:
        content["mentions"] = tuple(dict.fromkeys(_MENTION.findall(text)))
    return content


def _content(body: Body, author: str, rest: str, context: Context) -> Content:
    plain = unmark(rest).strip()
    found = _file(rest, context)
    if not found and (has_mark(rest) or not context.marks_omitted):
        found = _omitted(plain, body.is_marked, context)
    if not found and len(plain) <= _MAX_DELETED and (has_mark(rest) or not context.marks_deleted):
        found = _phrase(plain)
    if not found and _is_about_its_author(body, author, plain, context):
        return _notice(plain)
    if not found and (call := read_call(rest, plain, body.is_marked)):
        found = _call(plain, call)
    found = found or _poll(plain) or _location(plain, body.is_marked, context.ios)
    if found:
        return found
    if body.is_marked and context.ios and (author not in context.writers or notice_type(plain)):
        return _notice(plain)
    text = rest.lstrip("\u200e") if body.is_marked else rest
    return {"text": text} if text else {}


def _notice(plain: str) -> Content:
    return {"kind": "notice", "text": plain, "notice_type": notice_type(plain)}


def _call(plain: str, call: Call) -> Content:
    return {"kind": "call", "text": plain, "call": call}


def _is_about_its_author(body: Body, author: str, plain: str, context: Context) -> bool:
    """``Cansu: Cansu grup adını değiştirdi``: what iOS marks twice and begins with its author's name is a notice."""
    if not (context.ios and body.is_marked_twice):
        return False
    plain = plain.replace("\u00a0", " ").replace("\u202f", " ")
    return plain.startswith(author) or f" {author}" in plain


def _phrase(plain: str) -> Content | None:
    if admin := deleting_admin(plain):
        return {"is_deleted": True, "deleted_by": admin}
    phrase = fold(plain) if len(plain) <= MAX_PHRASE else ""
    if phrase in WAITING:
        return {"kind": "ciphertext"}
    if phrase in LIVE_LOCATION:
        return {"kind": "live_location"}
    return {"is_deleted": True} if phrase in DELETED or phrase in YOU_DELETED else None


class MarkedPhrases:
    """Whether a file marks WhatsApp's phrases for files that were left out, and for deleted messages."""

    def __init__(self) -> None:
        self.omitted = False
        self.deleted = False

    def count(self, body: str) -> None:
        """Look at what one message says."""
        if (self.omitted and self.deleted) or len(body) > MAX_PHRASE or not has_mark(body):
            return
        phrase = fold(body)
        self.omitted = self.omitted or phrase in OMITTED or phrase in GIF_OMITTED
        self.deleted = self.deleted or phrase in DELETED or phrase in YOU_DELETED


def deleted_by_owner(body: str) -> bool:
    """Whether a body is what only the phone's owner sees of a message that they deleted."""
    return len(body) <= MAX_PHRASE and fold(body) in YOU_DELETED


# ---------------------------------------------------------------------- phrases in angle brackets


class Phrases:
    """Counts phrases in angle brackets that stand alone or at the end of messages."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def count(self, body: str) -> None:
        """Look at the first and the last line of a message's body."""
        if ">" not in body:
            return
        for line in {body.partition("\n")[0], body[-MAX_PHRASE:].rpartition("\n")[2]}:
            if phrase := _bracketed(line.strip()):
                self._counts[phrase] += 1

    def frequent(self) -> frozenset[str]:
        """Those of at least three messages."""
        return frozenset(phrase for phrase, count in self._counts.items() if count >= 3 and _is_prose(phrase))


def _bracketed(line: str) -> str | None:
    """The folded phrase in angle brackets that ends a line."""
    line = line.rstrip(MARKS)
    start = line.rfind("<", -MAX_PHRASE)
    return fold(line[start + 1 : -1]) if line.endswith(">") and start >= 0 else None


def _is_prose(phrase: str) -> bool:
    return len(phrase) >= 6 and (" " in phrase or not phrase.isascii()) and not set(phrase) & set(":/=\"'@")


def _without_edit(body: str, context: Context) -> tuple[str, bool]:
    """``body`` less the sign that it was edited, and whether it had one."""
    tail = body.rstrip(MARKS + " ") if body[-1:] in MARKS + " " else body
    if not tail.endswith(">"):
        return body, False
    start = tail.rfind("<", -MAX_PHRASE)
    phrase = fold(tail[start + 1 : -1]) if start >= 0 else ""
    if not phrase or _is_omission(phrase) or _is_about_a_file(tail[start:], context):
        return body, False
    by_mark = start > 1 and tail[start - 1] in MARKS and context.ios and not set(phrase) & set(":：")
    known = phrase in EDITED or (start > 0 and (by_mark or phrase in context.frequent))
    return (tail[:start].rstrip(MARKS + " "), True) if known else (body, False)


def _is_omission(phrase: str) -> bool:
    return phrase in MEDIA_OMITTED or phrase in OMITTED or phrase in GIF_OMITTED or phrase in VIEW_ONCE


def _is_about_a_file(phrase: str, context: Context) -> bool:
    if attachments.holds_file(phrase):
        return True
    names = context.names
    return names is not None and names.may_hold(phrase) and any(True for _ in names.spans(phrase))


# ---------------------------------------------------------------------- files


class FilesNamed:
    """Which files are named as WhatsApp does, and which stand in the words of one message only."""

    def __init__(self, names: FileNames) -> None:
        self._names = names
        self._mentioned: Counter[str] = Counter()
        self.claimed: set[str] = set()

    def count(self, body: str) -> None:
        if self._names.may_hold(body) and (found := attachments.find(body, self._names)) and found.key:
            if found.strength == "sure":
                self.claimed.add(found.key)
            else:
                self._mentioned[found.key] += 1

    def once(self) -> frozenset[str]:
        """Files that no line names so, and that stand in the words of exactly one."""
        return frozenset(name for name, count in self._mentioned.items() if count == 1) - self.claimed


def _file(body: str, context: Context) -> Content | None:
    found = attachments.find(body, context.names)
    if found is None:
        return None
    if found.strength == "alone" and found.key in context.claimed:
        return None
    if found.strength == "mentioned" and found.key not in context.mentioned_once:
        return None
    content = _of_file(found.name)
    content["filename"] = attachments.bare_name(found.name)
    if found.key is None:
        content["media_omitted"] = True
    else:
        content["attachment"] = found.key
    if text := body if found.strength == "mentioned" else attachments.caption(found):
        content["text"] = text
    return content


def _of_file(name: str) -> Content:
    kind = attachments.kind_of_file(name)
    content: Content = {"kind": kind}
    if kind == "contact":
        content["contact_name"] = PurePosixPath(attachments.bare_name(name)).stem
    if re.match(r"\d{8}-GIF-", name):
        content["is_gif"] = True
    return content


def _omitted(plain: str, marked: bool, context: Context) -> Content | None:
    first, _, caption = plain.partition("\n")
    if first.startswith("<") and (phrase := _bracketed(first)) and first.count("<") == 1:
        known = _is_omission(phrase) or (phrase in context.frequent and phrase not in EDITED)
        return _left_out(phrase, caption.strip()) if known else None
    if len(plain) <= MAX_PHRASE and fold(plain) in VIEW_ONCE:
        return _left_out(fold(plain), "")
    if not (marked or context.ios):
        return None
    before, dot, phrase = plain[-400:].rpartition("•")
    phrase = fold(phrase)
    if phrase in OMITTED or phrase in GIF_OMITTED:
        return _left_out(phrase, before.strip() if dot else "")
    return _named_and_left_out(plain)


def _named_and_left_out(plain: str) -> Content | None:
    """``Invoice.pdf • 3 pages document omitted``: the phrase is told from the rest by its words only."""
    if "•" not in plain or "\n" in plain or len(plain) > 400:
        return None
    words = fold(plain).split(" ")
    for length in range(1, min(8, len(words))):
        if (phrase := " ".join(words[-length:])) in OMITTED:
            return _left_out(phrase, plain.partition("•")[0].strip())
    return None


def _left_out(phrase: str, caption: str) -> Content:
    content: Content = {"kind": OMITTED.get(phrase, "unknown"), "media_omitted": True}
    if phrase in GIF_OMITTED:
        content["kind"], content["is_gif"] = "video", True
    if phrase in VIEW_ONCE:
        content["is_view_once"] = True
    if caption and _FILE_NAME.fullmatch(caption):
        content |= _of_file(caption)
        content["filename"] = caption
    elif caption:
        content["text"] = caption
    return content


# ---------------------------------------------------------------------- polls and places


def _poll(plain: str) -> Content | None:
    """A poll is recognised by its structure in any language: ``WORD:``, the question, then ``WORD: choice (3
    votes)``.
    """
    head, _, _ = plain[:60].partition("\n")
    if head[-1:] not in (":", "：") or len(head) > 40 or plain.count("\n") > _MAX_POLL:
        return None
    lines = [line.strip() for line in plain.split("\n")[1:] if line.strip()]
    options = []
    while lines and (match := _POLL_OPTION.fullmatch(lines[-1][:2000])):
        options.append(match)
        lines.pop()
    if not options or not lines or len({match[1] for match in options}) > 1:
        return None
    options.reverse()
    counts = {match[2].strip(): int(match[3]) for match in options}
    question = "\n".join(lines)
    poll = Poll(name=question, options=tuple(match[2].strip() for match in options), counts=counts)
    return {"kind": "poll", "text": question, "poll": poll}


def _location(plain: str, marked: bool, ios: bool) -> Content | None:
    if len(plain) > 500 or "://" not in plain:
        return None
    if match := _FOURSQUARE.fullmatch(plain):
        # ``Pimlico Gardens (London): https://foursquare.com/v/…``: coordinates are not told.
        is_place = marked or fold(match[1]) in LOCATION or (ios and match[1].endswith(")"))
        return {"kind": "location", "text": plain} if is_place else None
    match = _MAP.fullmatch(plain)
    if match is None or match[1] is None:
        return None
    known = fold(match[1]) in LOCATION
    if not known and not marked:
        return None
    url = plain[plain.index("http") :]
    place = place_at(match[2], match[3], name=None if known else match[1].strip(), url=url)
    return None if place is None else {"kind": "location", "location": place}
