"""Lining an exported chat up with what the archive holds of it.

Exports have no ids. A line is one with a message of the same minute that says the same, n-th with n-th;
what is left over may have changed its words (edited, deleted) or its author's name. So a second, longer
or overlapping export adds only what is new, and a first minute that the export cut adds nothing.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence

from msgspec import Struct

from backscroll.ids import EXPORT
from backscroll.model import MEDIA_KINDS, Kind

MINUTE_US = 60_000_000
_SPACE = re.compile(r"\s+")


class Utterance(Struct, frozen=True, kw_only=True):
    """What alignment looks at, of an exported line or of a stored message. ``place`` is the caller's own."""

    place: int
    sent_at: int
    author: str | None
    """JID of the sender, "" for the phone's owner, None when nobody is named."""
    kind: Kind
    text: str | None
    changed: bool = False
    """Edited or deleted: its words need not be those of the other side."""
    is_media: bool = False

    @property
    def minute(self) -> int:
        return self.sent_at // MINUTE_US

    @property
    def words(self) -> str:
        return _SPACE.sub(" ", self.text or "").strip()

    @property
    def sort(self) -> str:
        """Kinds that may meet: media told as omitted does not say which."""
        if self.is_media or self.kind in MEDIA_KINDS:
            return "media"
        return self.kind if self.kind in ("call", "notice") else "message"


def utterance(
    place: int,
    sent_at: int,
    author: str | None,
    kind: Kind,
    text: str | None,
    changed: bool = False,
    omitted: bool = False,
) -> Utterance:
    return Utterance(
        place=place, sent_at=sent_at, author=author, kind=kind, text=text, changed=changed, is_media=omitted
    )


def align(lines: Sequence[Utterance], stored: Sequence[Utterance]) -> dict[int, int]:
    """Places of stored messages by the places of the lines that are one with them, each used once."""
    matches: dict[int, int] = {}
    by_minute: dict[int, list[Utterance]] = defaultdict(list)
    for message in stored:
        by_minute[message.minute].append(message)
    for minute, some in _grouped(lines).items():
        left_lines, left_stored = some, by_minute.get(minute, [])
        for key, fits in _ROUNDS:
            left_lines, left_stored = _pair(left_lines, left_stored, key, fits, matches)
    return matches


def _grouped(lines: Iterable[Utterance]) -> dict[int, list[Utterance]]:
    groups: dict[int, list[Utterance]] = defaultdict(list)
    for line in lines:
        groups[line.minute].append(line)
    return groups


Key = Callable[[Utterance], Hashable]
Fits = Callable[[Utterance, Utterance], bool]


def _pair(
    lines: list[Utterance], stored: list[Utterance], key: Key, fits: Fits, matches: dict[int, int]
) -> tuple[list[Utterance], list[Utterance]]:
    """Pair those with the same key in their order; give back what is left of both sides."""
    waiting: dict[Hashable, list[Utterance]] = defaultdict(list)
    for message in stored:
        waiting[key(message)].append(message)
    left = []
    for line in lines:
        partner = next((m for m in waiting[key(line)] if fits(line, m)), None)
        if partner is None:
            left.append(line)
        else:
            waiting[key(line)].remove(partner)
            matches[line.place] = partner.place
    taken = set(matches.values())
    return left, [m for m in stored if m.place not in taken]


def _same_second(line: Utterance, message: Utterance) -> bool:
    """Where the export knows seconds they must agree; a whole minute may be all that it knows."""
    seconds = line.sent_at % MINUTE_US
    return not seconds or not message.sent_at % MINUTE_US or seconds // 10**6 == message.sent_at % MINUTE_US // 10**6


def _one_changed(line: Utterance, message: Utterance) -> bool:
    return (line.changed or message.changed) and _same_second(line, message)


def _renamed(line: Utterance, message: Utterance) -> bool:
    """One of the two is known by name only, and names change in the phone's address book."""
    by_name = any((u.author or f"@{EXPORT}").endswith(f"@{EXPORT}") for u in (line, message))
    return by_name and bool(line.words or line.sort == "media") and _same_second(line, message)


_ROUNDS: tuple[tuple[Key, Fits], ...] = (
    (lambda u: (u.sort, u.author, u.words), _same_second),
    (lambda u: (u.sort, u.words), _renamed),
    (lambda u: u.author, _one_changed),
    (lambda u: (u.author, u.words), lambda a, b: "media" in (a.sort, b.sort) and _same_second(a, b)),
)
"""Same words by the same author; the same words by another name; the same author, with words that changed;
media that one side tells as text."""
