"""Files in the body of a line: which file it is, and the resulting kind of message.

The name of an included file is an attachment whatever the text around it, so this works in any language. Without the
files, WhatsApp's file name patterns and its words for "attached" are used.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator
from pathlib import PurePosixPath
from typing import Literal

from msgspec import Struct, structs

from backscroll.core.model import Kind
from backscroll.ingest.connectors.export.header import MARKS
from backscroll.ingest.connectors.export.phrases import ATTACHED, FILE_ATTACHED
from backscroll.ingest.connectors.export.wording import fold, unmark

Strength = Literal["sure", "alone", "mentioned"]
"""How a line names a file: as WhatsApp does; by nothing but its name; or within other words."""

MAX_LINE = 600
"""Characters at both ends of a line that are looked at."""
_MAX_EDGES = 150
_MARKS = tuple(MARKS)
_WHATSAPP_FILE = re.compile(r"(?:(?:IMG|VID|PTT|AUD|STK|DOC)-\d{8}-WA\d+|\d{8}-\S.*)\.\w{1,8}", re.ASCII)
_IN_BRACKETS = re.compile(r"<([^<>\n]{1,300})>|\[([^\[\]\n]{1,300})\]")
_BEFORE_BRACKETS = re.compile(r"([^\n]{1,255}?) ?[(<\[（]([^()<>\[\]（）\n]{1,60})[)>\]）]")
_LABELLED = re.compile(r"([^<>:：\n]{1,40})[:：]\s?(.{1,255})")
_PHRASE = re.compile(r"[(<\[（][^()<>\[\]（）]{1,60}[)>\]）]|[^\s:：][^:：]{0,30}[:：]")
_EXTENSION = re.compile(r"\.(\w{1,8})")
_IOS_NUMBER = re.compile(r"^\d{8}-")
_STARTS = re.compile(f"[<(\\[{{（【「:：\"'“« {MARKS}]+")
_ENDS = re.compile(f"[>)\\]}}）】」\"'”» <(\\[（,;!?،{MARKS}]")
_BRACKETS = frozenset("<([（")
_ATTACHED = FILE_ATTACHED | ATTACHED
_CLOSING = {"<": ">", "[": "]"}

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


class Attachment(Struct, frozen=True):
    """A file that a line names. ``key`` is its name among the files that came along, None when it is not there."""

    name: str
    key: str | None
    strength: Strength
    before: str = ""
    after: str = ""
    """What else the message says."""


class FileNames:
    """The files that came along, for finding their names in lines."""

    def __init__(self, names: Collection[str]) -> None:
        self._by_key = {file_key(name): name for name in names}
        self._extensions = {name.rpartition(".")[2].lower() for name in self._by_key if "." in name}
        self._has_bare = any("." not in name for name in self._by_key)

    def get(self, name: str) -> str | None:
        """The name as the archive spells it."""
        return self._by_key.get(file_key(name))

    def may_hold(self, line: str) -> bool:
        """Whether it is worth looking for a name."""
        if not self._by_key:
            return False
        return self._has_bare or any(found.lower() in self._extensions for found in _EXTENSION.findall(line))

    def spans(self, line: str) -> Iterator[tuple[int, int, str]]:
        """Where names stand in a line, the longest first at each end; ``line`` is at most ``MAX_LINE`` long."""
        starts = [0, *(match.end() for match in _STARTS.finditer(line))]
        ends = [*(match.start() for match in _ENDS.finditer(line)), len(line)]
        for end in ends[:_MAX_EDGES]:
            if not (self._has_bare or line[:end].rpartition(".")[2].lower() in self._extensions):
                continue
            for start in starts[:_MAX_EDGES]:
                if start >= end:
                    break
                if (name := self._by_key.get(file_key(line[start:end]))) is not None:
                    yield start, end, name
                    break


def file_key(name: str) -> str:
    """A file's name for comparing: the text and the archive may spell accents in two ways."""
    name = unmark(name).strip()
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def find(body: str, names: FileNames | None) -> Attachment | None:
    """The file that a message names, if it names one: in its first line or, behind a caption, in its last."""
    for start, end in _lines_at_the_ends(body):
        line = body[start:end]
        if "." not in line and _BRACKETS.isdisjoint(line) and not (names and names.may_hold(line)):
            continue
        found = _listed(line, names) if names and names.may_hold(line) else None
        found = found or _by_wording(line, names)
        if found:
            return structs.replace(found, before=body[:start] + found.before, after=found.after + body[end:])
    return None


def _lines_at_the_ends(body: str) -> Iterator[tuple[int, int]]:
    """Of the first and the last line what may hold a file's name; long lines end or begin with it."""
    first = body.find("\n")
    first = len(body) if first < 0 else first
    last = body.rfind("\n") + 1
    yield 0, min(first, MAX_LINE)
    if last or first > MAX_LINE:
        yield max(last, len(body) - MAX_LINE), len(body)


def _listed(line: str, names: FileNames) -> Attachment | None:
    """A name that is among the files: surest where WhatsApp's own brackets or words stand around it."""
    best: Attachment | None = None
    for start, end, name in names.spans(line):
        before, after = line[:start], line[end:]
        if found := _enclosed(before, after, name):
            return found
        rest = unmark(f"{before} {after}").strip()
        if not rest:
            return Attachment(name, name, "sure" if before.startswith(_MARKS) else "alone")
        if _PHRASE.fullmatch(rest):
            return Attachment(name, name, "sure")
        best = best or Attachment(name, name, "mentioned", line)
    return best


def _enclosed(before: str, after: str, name: str) -> Attachment | None:
    for opening, closing in _CLOSING.items():
        start, end = before.rfind(opening), after.find(closing)
        if start >= 0 and 0 <= end <= 60 and closing not in before[start:] and len(before) - start <= 60:
            return Attachment(name, name, "sure", before[:start], after[end + 1 :])
    return None


def _by_wording(line: str, names: FileNames | None) -> Attachment | None:
    """A file that did not come along, or of which no list is there."""
    for match in _IN_BRACKETS.finditer(line) if "<" in line or "[" in line else ():
        inner = unmark(match[1] or match[2]).strip()
        is_marked = line[max(0, match.start() - 1)] in MARKS
        if name := _name_in_brackets(inner, is_marked or match[1] is not None):
            return Attachment(name, _key(name, names), "sure", line[: match.start()], line[match.end() :])
    plain = unmark(line).strip()
    named = _BEFORE_BRACKETS.fullmatch(plain) if plain[-1:] in (")", ">", "]", "）") else None
    if named and (fold(named[2]) in _ATTACHED or _WHATSAPP_FILE.fullmatch(named[1].strip())):
        return Attachment(named[1].strip(), _key(named[1], names), "sure")
    if line.startswith(_MARKS) and _WHATSAPP_FILE.fullmatch(plain):
        return Attachment(plain, _key(plain, names), "sure")
    return None


def _name_in_brackets(inner: str, is_whatsapps: bool) -> str | None:
    labelled = _LABELLED.fullmatch(inner)
    if labelled and fold(labelled[1]) in ATTACHED:
        return labelled[2].strip()
    if not is_whatsapps:
        return None
    named = _WHATSAPP_FILE.search(labelled[2] if labelled else inner)
    return named[0] if named else None


def _key(name: str, names: FileNames | None) -> str | None:
    return names.get(name) if names else name if names is None else None


def caption(found: Attachment) -> str:
    """What the message says besides its file."""
    bare = bare_name(found.name)
    parts = (unmark(part).strip() for part in (found.before, found.after))
    return "\n".join(part for part in parts if part and not _describes(part, bare))


def _describes(part: str, name: str) -> bool:
    """``Invoice.pdf • 3 pages`` before a document says nothing new."""
    return part == name or part.startswith((f"{name} •", f"{PurePosixPath(name).stem} •"))


def bare_name(name: str) -> str:
    """A file's name without the number that iOS puts before it."""
    return _IOS_NUMBER.sub("", name)


def holds_file(phrase: str) -> bool:
    """Whether a phrase in brackets is about a file, so that it is no remark such as "edited"."""
    return _WHATSAPP_FILE.search(unmark(phrase)) is not None


def kind_of_file(name: str) -> Kind:
    """What a file is by the name that WhatsApp gave it; everything unheard of is a document."""
    for pattern, kind in _BY_NAME:
        if pattern.search(name):
            return kind
    return _BY_EXTENSION.get(name.rpartition(".")[2].lower(), "document")
