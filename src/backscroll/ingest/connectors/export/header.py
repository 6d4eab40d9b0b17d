"""The head of an exported line: where it ends, and which of its numbers are a date and a time.

A stamp is read through its skeleton: each run of digits becomes ``0`` (``0/0/0, 0:0 pm``), whatever the script. A
skeleton is understood once; a file's lines share very few of them.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from typing import Literal

from msgspec import Struct

from backscroll.ingest.connectors.export.meridiems import AFTERNOON, MORNING

MARKS = "\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"
"""Invisible signs of writing direction, which WhatsApp puts around what it writes itself."""

MAX_STAMP = 64
_MAX_SKELETONS = 4096
"""Words that begin with a number look like stamps too, and a file may hold millions of them."""
_SPACES = "\u00a0\u202f\u2007\u2009\u3000"
_SAME_LENGTH = {ord(c): " " for c in _SPACES} | {ord(c): "\u200e" for c in MARKS}
_ERAS = {"令和": 2018, "平成": 1988, "r": 2018, "h": 1988, "民國": 1911, "民国": 1911, "พศ": -543}
_ERAS_BEHIND = frozenset(("be", "ap", "ad", "ce", "พศ", "คศ"))
"""Eras that stand behind a date; their years tell the calendar."""
_FILLER_WORDS = """
    klo kl klock klokken klokka kel kell kello в у u um à a om at ob o às as alas alle ore oră lúc vào ч г h uhr godz
    日 일 분 초 分 秒 分秒 น ga gada na ve den dia le del și la ur hr min m s t
"""
_FILLERS = frozenset(_FILLER_WORDS.split())
_FILLERS_AHEAD = ("日", "일", "kl", "klo", "г", "в", "à", "lúc")
_DATE_GAPS = frozenset(
    [("/", "/"), (".", "."), ("-", "-"), ("年", "月"), ("년", "월"), ("", ""), ("/", ""), ("‐", "‐"), ("–", "–")]
)
_TIME_GAPS = frozenset([":", ".", "h", "時", "时", "點", "点", "시", "시간", "：", "分", "분", "min", "mn"])
_NUMBER = re.compile(r"\d+")
_HANGUL = re.compile("[가-힣]")
_DASH = " - "
_SEPARATORS = ((_DASH, _DASH), (" – ", _DASH), (" — ", _DASH), (": ", ": "), (", ", ", "), (" -", _DASH), ("- ", _DASH))
"""What stands between head and author on Android, and the one that each counts as; people lose a space at times."""

Half = Literal["am", "pm", "noon", "night"]
_EXTRA_HALVES: dict[str, Half] = {
    "凌晨": "am",
    "清晨": "am",
    "早上": "am",
    "早晨": "am",
    "午夜": "am",
    "半夜": "am",
    "中午": "noon",
    "正午": "noon",
    "傍晚": "pm",
    "晚上": "night",
    "夜": "night",
    "朝": "am",
    "昼": "noon",
    "夕方": "pm",
    "முற்பகல்": "am",
    "பிற்பகல்": "pm",
    "ಪೂರ್ವಾಹ್ನ": "am",
    "ಅಪರಾಹ್ನ": "pm",
    "sáng": "am",
    "chiều": "pm",
    "tối": "pm",
    "sa": "am",
    "ch": "pm",
}

Date = tuple[int, int, int]
"""Three numbers as they stand in the line, not yet known which is what."""


class Layout(Struct, frozen=True):
    """What the numbers of a stamp are. ``shape`` is equal for all lines that one phone would write."""

    shape: str
    build: str
    """The shape without its words."""
    date_first: bool
    seconds: bool
    separator: str
    half: Half | None = None
    era: int | None = None
    year_first: bool = False
    """Known from the words in it (年, 오후)."""
    unknown: str | None = None
    """A word in the stamp that no table here holds."""

    def numbers(self, stamp: str) -> tuple[Date, tuple[int, int, int]]:
        """The three numbers of the date as they stand, and hour (of 24), minute and second."""
        found = [int(n) for n in _NUMBER.findall(stamp)]
        clock = 3 if self.seconds else 2
        at = 3 if self.date_first else 0
        day = found[:3] if self.date_first else found[clock:]
        hour = hour_of(found[at], self.half)
        return (day[0], day[1], day[2]), (hour, found[at + 1], found[at + 2] if self.seconds else 0)


class Head(Struct, frozen=True, gc=False):
    """The head of one line: its stamp, how to read it, and where the rest of the line begins."""

    layout: Layout
    stamp: str
    end: int


class HeadReader:
    """Finds heads. Keeps what it learned of each skeleton, so one reader serves one file."""

    def __init__(self) -> None:
        self._layouts: dict[str, Layout | None] = {}

    def read(self, line: str) -> Head | None:
        """The head of ``line``, if it has one; looks at its first characters only."""
        text = line[: MAX_STAMP + 8]
        if not text.isascii():
            text = text.translate(_SAME_LENGTH)
        start = len(text) - len(text.lstrip("\u200e"))
        first = text[start : start + 1]
        if first == "[":
            return self._bracketed(text, start)
        if first.isdecimal() or (first and first in "令平民RHrhพ"):
            return self._open(text, start)
        return None

    def _bracketed(self, text: str, start: int) -> Head | None:
        close = text.find("]", start)
        if close < 0:
            return None
        stamp = text[start + 1 : close].replace("\u200e", "").strip()
        layout = self._layout("[]", stamp)
        end = close + 2 if text[close + 1 : close + 2] == " " else close + 1
        return Head(layout, stamp, end) if layout else None

    def _open(self, text: str, start: int) -> Head | None:
        doubtful = None
        for separator, frame in _SEPARATORS:
            at = start
            for _ in range(2):
                at = text.find(separator, at + 1)
                if at < 0:
                    break
                stamp = text[start:at].replace("\u200e", "")
                if layout := self._layout(frame, stamp):
                    head = Head(layout, stamp, at + len(separator))
                    if layout.unknown is None:
                        return head
                    doubtful = doubtful or head
        return doubtful

    def _layout(self, frame: str, stamp: str) -> Layout | None:
        skeleton = frame + _NUMBER.sub("0", stamp)
        if skeleton not in self._layouts:
            if len(self._layouts) >= _MAX_SKELETONS:
                self._layouts.clear()
            self._layouts[skeleton] = understand(frame, stamp)
        return self._layouts[skeleton]


def understand(frame: str, stamp: str) -> Layout | None:
    """What a stamp of this skeleton says, or None when it is no date with a time."""
    gaps = [gap.strip() for gap in _NUMBER.split(stamp)]
    if len(gaps) not in (6, 7) or any(len(n) > 4 for n in _NUMBER.findall(stamp)):
        return None
    clock = len(gaps) - 4
    for date_first in (True, False):
        split = 3 if date_first else clock
        before, middle, after = gaps[1:split], gaps[split], gaps[split + 1 : -1]
        days, times = (before, after) if date_first else (after, before)
        if _is_date(days) and _is_time(times):
            year_first = days[0] in ("年", "년") or bool(_HANGUL.search(stamp))
            return _layout(frame, days, times, (gaps[0], middle, gaps[-1]), date_first, year_first)
    return None


def _is_date(gaps: list[str]) -> bool:
    return len(gaps) == 2 and (gaps[0], gaps[1]) in _DATE_GAPS


def _is_time(gaps: list[str]) -> bool:
    return len(gaps) in (1, 2) and all(gap in _TIME_GAPS for gap in gaps)


def _layout(
    frame: str,
    days: list[str],
    times: list[str],
    words: tuple[str, str, str],
    date_first: bool,
    year_first: bool,
) -> Layout:
    era, half, unknown = None, None, None
    for place, word in enumerate(words):
        folded = fold_word(word)
        if folded in _ERAS and place == 0:
            era = _ERAS[folded]
        elif folded in _ERAS_BEHIND and place == (1 if date_first else 2):
            continue
        elif found := half_of(folded):
            half = found
        elif folded and folded not in _FILLERS:
            unknown = folded
    build = "|".join((frame, *days, *times, str(date_first), str(era is not None)))
    shape = f"{build}|{half is not None}|{unknown is not None}"
    return Layout(shape, build, date_first, len(times) == 2, days[0], half, era, year_first, unknown)


def fold_word(word: str) -> str:
    """``word`` for looking up: case, punctuation and spaces taken away (``p. m.`` is ``pm``)."""
    folded = unicodedata.normalize("NFKC", word).casefold()
    return "".join(c for c in folded if unicodedata.category(c)[0] not in "ZCP" or c == "/")


def half_of(folded: str) -> Half | None:
    """The half of the day that a folded word means, also behind a filler (``일오후``)."""
    if folded in _EXTRA_HALVES:
        return _EXTRA_HALVES[folded]
    if folded in MORNING:
        return "am"
    if folded in AFTERNOON:
        return "pm"
    for filler in _FILLERS_AHEAD:
        if folded.startswith(filler) and len(folded) > len(filler):
            return half_of(folded[len(filler) :])
    return None


def hour_of(hour: int, half: Half | None) -> int:
    """``hour`` on the clock of twenty-four; 24 is midnight, and 13 to 23 are what they say."""
    if half is None or hour > 12:
        return 0 if hour == 24 else hour
    match half:
        case "am":
            return hour % 12
        case "pm":
            return hour % 12 + 12
        case "noon":
            return hour + 12 if hour < 10 else hour
        case "night":
            return hour + 12 if 5 <= hour < 12 else hour % 12


def choose_shape(counts: Counter[str]) -> str:
    """The one shape of a file, of those counted in its order: that of its first head, unless hardly any other line
    has it.

    A pasted chat of another phone may well have more lines than the chat it was pasted into.
    """
    first = next(iter(counts))
    return first if counts[first] * 20 >= counts.total() else counts.most_common(1)[0][0]
