"""What stands behind the author: text, a file, a poll, or WhatsApp's own words for something else."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import TypedDict

from msgspec import Struct

from backscroll.core.model import Call, Kind, Location, Poll
from backscroll.ingest.connectors.export.header import MARKS
from backscroll.ingest.connectors.export.wording import (
    ATTACHED,
    DELETED,
    DELETED_BY_ADMIN,
    EDITED,
    FILE_ATTACHED,
    GIF_OMITTED,
    LIVE_LOCATION,
    LOCATION,
    MEDIA_OMITTED,
    MISSED_VIDEO_CALL,
    MISSED_VOICE_CALL,
    NO_ANSWER,
    OMITTED,
    VIDEO_CALL,
    VOICE_CALL,
    WAITING,
    YOU_DELETED,
    fold,
    notice_type,
    unmark,
)


class Content(TypedDict, total=False):
    """The fields of an ``ExportedLine`` that its body tells."""

    kind: Kind
    text: str | None
    attachment: str | None
    filename: str | None
    media_omitted: bool
    is_gif: bool | None
    is_edited: bool | None
    is_deleted: bool | None
    deleted_by_admin: bool | None
    mentions: tuple[str, ...]
    poll: Poll | None
    location: Location | None
    contact_name: str | None
    call: Call | None
    notice_type: str | None


class Context(Struct, frozen=True):
    """What is known of the whole file."""

    ios: bool
    names: dict[str, str] | None
    """The files that came along, by ``file_key``; None when that is not known."""
    frequent: frozenset[str]
    """Phrases in angle brackets that come again and again: WhatsApp's, in a language unknown here."""
    writers: frozenset[str]
    """Authors of at least one ordinary text."""


MAX_PHRASE = 120
_IOS_FILE = re.compile(r"<([^<>:：\n]{1,40})[:：]\s?([^<>:\n]{1,255})>")
_ANDROID_FILE = re.compile(r"([^\n]{1,255}) \(([^()\n]{1,60})\)")
_WHATSAPP_FILE = re.compile(r"(?:(?:IMG|VID|PTT|AUD|STK|DOC)-\d{8}-WA\d+|\d{8}-\S.*)\.\w{1,8}", re.ASCII)
_IOS_NUMBER = re.compile(r"^\d{8}-")
_FILE_NAME = re.compile(r"[^\n/\\]{1,200}\.\w{2,5}")
_MAP = re.compile(
    r"(?:(.{1,300}?)\s*[:：]\s*)?https://maps\.google\.com/(?:maps)?\?q=(-?\d{1,3}(?:\.\d+)?),(-?\d{1,3}(?:\.\d+)?)\s*"
)
_POLL_OPTION = re.compile(r"([^\s:：]{1,40})\s?[:：]\s?(.*)\s\(\D{0,40}(\d+)\D{0,40}\)")
_MENTION = re.compile("@\u2068([^\u2068\u2069\n]{1,100})\u2069")
_MAX_POLL = 80
_DURATION = re.compile(r"(\d+)\s*(\S+)")
_UNITS = {"s": 1, "с": 1, "m": 60, "м": 60, "d": 60, "h": 3600, "u": 3600, "ч": 3600}

_BY_EXTENSION: dict[str, Kind] = {
    **dict.fromkeys(("jpg", "jpeg", "png", "heic", "gif", "bmp"), "image"),
    **dict.fromkeys(("mp4", "3gp", "mov", "mkv", "m4v", "avi"), "video"),
    **dict.fromkeys(("m4a", "mp3", "aac", "amr", "ogg", "wav", "flac"), "audio"),
    "opus": "voice",
    "webp": "sticker",
    "vcf": "contact",
}
_BY_NAME: tuple[tuple[re.Pattern[str], Kind], ...] = (
    (re.compile(r"^PTT-|-PTT-"), "voice"),
    (re.compile(r"^STK-|^\d{8}-STICKER-"), "sticker"),
    (re.compile(r"^DOC-"), "document"),
    (re.compile(r"^\d{8}-GIF-"), "video"),
)


def file_key(name: str) -> str:
    """A file's name for comparing: the text and the archive may spell accents in two ways."""
    return unicodedata.normalize("NFC", unmark(name)).strip()


def read(author: str | None, body: str, marked: bool, context: Context) -> Content:
    """What a body says. ``marked`` is whether WhatsApp's own sign stands before it."""
    plain = unmark(body).strip()
    if author is None:
        return _call(plain, marked=True) or {"kind": "notice", "text": plain, "notice_type": notice_type(plain)}
    rest, edited = _without_edit(body, context)
    content = _content(author, rest, marked, context)
    if edited:
        content["is_edited"] = True
    if (text := content.get("text")) and "@\u2068" in text:
        content["mentions"] = tuple(dict.fromkeys(_MENTION.findall(text)))
    return content


def _content(author: str, body: str, marked: bool, context: Context) -> Content:
    plain = unmark(body).strip()
    found = _file(body, plain, context) or _omitted(plain, marked, context)
    if not found and len(plain) <= MAX_PHRASE:
        phrase = fold(plain)
        found = _phrase(phrase) if phrase in _PHRASES else _deleted_by_admin(phrase) or _call(plain, marked)
    found = found or _poll(plain) or _location(plain, marked)
    if found:
        return found
    if marked and context.ios and (author not in context.writers or notice_type(plain)):
        return {"kind": "notice", "text": plain, "notice_type": notice_type(plain)}
    text = body.lstrip("\u200e") if marked else body
    return {"text": text} if text else {}


_PHRASES = DELETED | YOU_DELETED | WAITING | LIVE_LOCATION


def _phrase(phrase: str) -> Content:
    if phrase in WAITING:
        return {"kind": "ciphertext"}
    return {"kind": "live_location"} if phrase in LIVE_LOCATION else {"is_deleted": True}


def _deleted_by_admin(phrase: str) -> Content | None:
    return {"is_deleted": True, "deleted_by_admin": True} if DELETED_BY_ADMIN.match(phrase) else None


def frequent_phrases(bodies: Iterable[str]) -> frozenset[str]:
    """Phrases in angle brackets that stand alone or at the end of at least three messages."""
    counts: Counter[str] = Counter()
    for body in bodies:
        if ">" not in body:
            continue
        for line in {body.partition("\n")[0], body[-MAX_PHRASE:].rpartition("\n")[2]}:
            if phrase := _bracketed(line.strip()):
                counts[phrase] += 1
    return frozenset(phrase for phrase, count in counts.items() if count >= 3 and _is_prose(phrase))


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
    by_mark = start > 1 and tail[start - 1] in MARKS and context.ios and not set(phrase) & set(":：")
    known = phrase in EDITED or (start > 0 and (by_mark or phrase in context.frequent) and not _is_omission(phrase))
    return (tail[:start].rstrip(MARKS + " "), True) if known and phrase else (body, False)


def _is_omission(phrase: str) -> bool:
    return phrase in MEDIA_OMITTED or phrase in OMITTED or phrase in GIF_OMITTED


def _file(body: str, plain: str, context: Context) -> Content | None:
    if "<" in body and (match := _ios_file(body, context)):
        around = [unmark(body[: match.start()]).strip(), unmark(body[match.end() :]).strip()]
        return _attached(unmark(match[2]).strip(), around, context)
    first, _, caption = plain.partition("\n")
    if first.endswith(")") and (match := _ANDROID_FILE.fullmatch(first)) and _is_file(match, FILE_ATTACHED, context):
        return _attached(match[1].strip(), [caption], context)
    return None


def _ios_file(body: str, context: Context) -> re.Match[str] | None:
    for match in _IOS_FILE.finditer(body):
        name = unmark(match[2]).strip()
        known = _is_listed(name, context) or fold(match[1]) in ATTACHED
        if known or (body[max(0, match.start() - 1)] in MARKS and _WHATSAPP_FILE.fullmatch(name)):
            return match
    return None


def _is_file(match: re.Match[str], words: frozenset[str], context: Context) -> bool:
    name = match[1].strip()
    return fold(match[2]) in words or _is_listed(name, context) or bool(_WHATSAPP_FILE.fullmatch(name))


def _is_listed(name: str, context: Context) -> bool:
    return context.names is not None and file_key(name) in context.names


def _attached(name: str, around: list[str], context: Context) -> Content:
    key = name if context.names is None else context.names.get(file_key(name))
    bare = _IOS_NUMBER.sub("", name)
    caption = "\n".join(part for part in around if part and not _describes(part, bare))
    content = _of_file(name)
    content["filename"] = bare
    if key is None:
        content["media_omitted"] = True
    else:
        content["attachment"] = key
    if caption:
        content["text"] = caption
    return content


def _describes(part: str, name: str) -> bool:
    """``Invoice.pdf • 3 pages`` before a document says nothing new."""
    return part == name or part.startswith((f"{name} •", f"{PurePosixPath(name).stem} •"))


def _of_file(name: str) -> Content:
    kind = kind_of_file(name)
    content: Content = {"kind": kind}
    if kind == "contact":
        content["contact_name"] = PurePosixPath(_IOS_NUMBER.sub("", name)).stem
    if re.match(r"\d{8}-GIF-", name):
        content["is_gif"] = True
    return content


def kind_of_file(name: str) -> Kind:
    """What a file is by the name that WhatsApp gave it; everything unheard of is a document."""
    for pattern, kind in _BY_NAME:
        if pattern.search(name):
            return kind
    return _BY_EXTENSION.get(name.rpartition(".")[2].lower(), "document")


def _omitted(plain: str, marked: bool, context: Context) -> Content | None:
    first, _, caption = plain.partition("\n")
    if first.startswith("<") and (phrase := _bracketed(first)) and first.count("<") == 1:
        known = _is_omission(phrase) or (phrase in context.frequent and phrase not in EDITED)
        return _left_out(phrase, caption.strip()) if known else None
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
    if caption and _FILE_NAME.fullmatch(caption):
        content |= _of_file(caption)
        content["filename"] = caption
    elif caption:
        content["text"] = caption
    return content


def deleted_by_owner(body: str) -> bool:
    return len(body) <= MAX_PHRASE and fold(body) in YOU_DELETED


def _call(plain: str, marked: bool) -> Content | None:
    """Calls that were missed are known by their words alone, others only where WhatsApp's sign stands before them."""
    if len(plain) > MAX_PHRASE:
        return None
    what, _, how = plain.replace("，", ",").replace("、", ",").partition(",")
    phrase, detail = fold(what), fold(how)
    if phrase in MISSED_VOICE_CALL or phrase in MISSED_VIDEO_CALL:
        call = Call(video=phrase in MISSED_VIDEO_CALL, result="missed")
    elif marked and (phrase in VOICE_CALL or phrase in VIDEO_CALL):
        call = Call(video=phrase in VIDEO_CALL, result=_result(detail), duration=_seconds(detail))
    else:
        return None
    return {"kind": "call", "text": plain, "call": call}


def _result(detail: str) -> str | None:
    if detail in NO_ANSWER:
        return "unanswered"
    return "connected" if _seconds(detail) is not None else None


def _seconds(detail: str) -> float | None:
    """``1 hr 3 min`` in seconds; None when there is no such thing or the unit is unknown."""
    parts = [(int(number), _UNITS.get(unit[0])) for number, unit in _DURATION.findall(detail)]
    known = [number * unit for number, unit in parts if unit]
    return float(sum(known)) if known and len(known) == len(parts) else None


def _poll(plain: str) -> Content | None:
    """A poll is told by its build in any language: ``WORD:``, the question, then ``WORD: choice (3 votes)``."""
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
    tally = {match[2].strip(): int(match[3]) for match in options}
    question = "\n".join(lines)
    poll = Poll(name=question, options=tuple(match[2].strip() for match in options), tally=tally)
    return {"kind": "poll", "text": question, "poll": poll}


def _location(plain: str, marked: bool) -> Content | None:
    if len(plain) > 500 or "https://maps.google.com/" not in plain:
        return None
    match = _MAP.fullmatch(plain)
    if match is None or match[1] is None:
        return None
    known = fold(match[1]) in LOCATION
    if not known and not marked:
        return None
    latitude, longitude = float(match[2]), float(match[3])
    if abs(latitude) > 90 or abs(longitude) > 180:
        return None
    place = None if known else match[1].strip()
    url = plain[plain.index("https://") :]
    return {"kind": "location", "location": Location(latitude=latitude, longitude=longitude, name=place, url=url)}
