"""The head of an exported line: where it ends, and what its date and time mean.

A stamp is read through its skeleton: each run of digits becomes ``0`` (``0/0/0, 0:0 pm``), whatever the script. A
skeleton is understood once; a file's lines share very few of them.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from datetime import date
from functools import lru_cache
from itertools import pairwise
from typing import Literal

from msgspec import Struct

from backscroll.core.errors import Question, Unreadable
from backscroll.ingest.connectors.export.meridiems import AFTERNOON, MORNING

MARKS = "\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"
"""Invisible signs of writing direction, which WhatsApp puts around what it writes itself."""

MAX_STAMP = 64
_SPACES = "\u00a0\u202f\u2007\u2009\u3000"
_SAME_LENGTH = {ord(c): " " for c in _SPACES} | {ord(c): "\u200e" for c in MARKS}
_ERAS = {"令和": 2018, "平成": 1988, "r": 2018, "h": 1988, "民國": 1911, "民国": 1911, "พศ": -543}
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
_SEPARATORS = (" - ", ": ", ", ")

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

DateOrder = Literal["ymd", "dmy", "mdy"]
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
        for separator in _SEPARATORS:
            at = start
            for _ in range(2):
                at = text.find(separator, at + 1)
                if at < 0:
                    break
                stamp = text[start:at].replace("\u200e", "")
                if layout := self._layout(separator, stamp):
                    head = Head(layout, stamp, at + len(separator))
                    if layout.unknown is None:
                        return head
                    doubtful = doubtful or head
        return doubtful

    def _layout(self, frame: str, stamp: str) -> Layout | None:
        skeleton = frame + _NUMBER.sub("0", stamp)
        if skeleton not in self._layouts:
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
    for word in words:
        folded = fold_word(word)
        if folded in _ERAS and word is words[0]:
            era = _ERAS[folded]
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


def choose_shape(shapes: list[str]) -> str:
    """The one shape of a file: that of its first head, unless hardly any other line has it.

    A pasted chat of another phone may well have more lines than the chat it was pasted into.
    """
    counts = Counter(shapes)
    first = shapes[0]
    return first if counts[first] * 20 >= len(shapes) else counts.most_common(1)[0][0]


@lru_cache(maxsize=8192)
def to_ordinal(day: Date, order: DateOrder, era: int | None = None) -> int | None:
    """The day's number in the proleptic Gregorian calendar, None when there is no such day.

    Understands Buddhist years (also short: 67 is 2567), Iranian ones and Japanese eras. WhatsApp began in 2009.
    """
    year, month, number = _arrange(day, order)
    if era is not None:
        year += era
    elif 9 <= year < 100:
        year += 2000 if year < 52 else 2500
    if 2500 <= year < 2700:
        year -= 543
    try:
        if 1380 <= year <= 1428:
            return _iranian(year, month, number)
        return date(year, month, number).toordinal() if 2000 <= year < 2100 else None
    except ValueError:
        return None


def _arrange(day: Date, order: DateOrder) -> Date:
    first, second, third = day
    match order:
        case "ymd":
            return first, second, third
        case "dmy":
            return third, second, first
        case "mdy":
            return third, first, second


def _iranian(year: int, month: int, day: int) -> int | None:
    """New year is 20 March after a leap day, and from 1408 also in the year after that; else 21 March."""
    length = 31 if month <= 6 else 30
    if not (1 <= month <= 12 and 1 <= day <= length):
        return None
    spring = year + 621
    new_year = date(spring, 3, 20 if spring % 4 == 0 or (year >= 1408 and spring % 4 == 1) else 21).toordinal()
    return new_year + (month - 1) * 31 - max(0, month - 7) + day - 1


def choose_order(days: list[Date], layout: Layout, day_first: bool | None) -> DateOrder:
    """How all dates of a file are to be read; ``days`` in the file's order, each day once in a row.

    The reading with fewest impossible dates wins, then the one with fewest steps back in time. Raises Question where
    that does not tell: a chat on the fifth of each month reads well both ways.
    """
    readings = {order: _read(days, order, layout.era) for order in _possible(days, layout)}
    wrong = {order: len(days) - len(ordinals) for order, ordinals in readings.items()}
    fewest = min(wrong.values())
    if fewest * 20 > len(days):
        raise Unreadable("export", _show(days[0], layout), "this is no date of a calendar that is known here")
    valid = {order: ordinals for order, ordinals in readings.items() if wrong[order] == fewest}
    if day_first is not None:
        return _as_told(valid, "dmy" if day_first else "mdy")
    return _likeliest(valid) or _ask(days, valid, layout)


def _possible(days: list[Date], layout: Layout) -> tuple[DateOrder, ...]:
    long_last = any(third > 99 for _, _, third in days)
    if all(first > 31 for first, _, _ in days) or (layout.year_first and not long_last):
        return ("ymd",)
    # Of all languages in CLDR none writes the month first but with strokes.
    orders: tuple[DateOrder, ...] = ("dmy", "mdy") if layout.separator in ("/", "") else ("dmy",)
    return orders if long_last else (*orders, "ymd")


def _read(days: list[Date], order: DateOrder, era: int | None) -> list[int]:
    known = {day: to_ordinal(day, order, era) for day in set(days)}
    return [ordinal for day in days if (ordinal := known[day]) is not None]


def _as_told(valid: dict[DateOrder, list[int]], told: DateOrder) -> DateOrder:
    if told in valid:
        return told
    if set(valid) == {"ymd"}:
        return "ymd"
    other = "--month-first" if told == "dmy" else "--day-first"
    raise Question("Read that way, some dates of this export do not exist.", other)


def _likeliest(valid: dict[DateOrder, list[int]]) -> DateOrder | None:
    back = {order: _steps_back(ordinals) for order, ordinals in valid.items()}
    left = [order for order in valid if back[order] == min(back.values())]
    if "ymd" in left and len(left) > 1:
        # Few languages write a short year first; it shows, as it varies less than a day.
        span = {order: max(valid[order]) - min(valid[order]) for order in left}
        if span.pop("ymd") + 300 < min(span.values()):
            return "ymd"
        left.remove("ymd")
    if len(left) == 1 or valid[left[0]] == valid[left[1]]:
        return left[0]
    return None


def _steps_back(ordinals: list[int]) -> int:
    return sum(later < earlier for earlier, later in pairwise(ordinals))


def _ask(days: list[Date], valid: dict[DateOrder, list[int]], layout: Layout) -> DateOrder:
    orders: list[DateOrder] = [order for order in valid if order != "ymd"]
    for day in days:
        read = {to_ordinal(day, order, layout.era) for order in orders} - {None}
        if len(read) > 1:
            shown = " or ".join(_spell(ordinal) for ordinal in sorted(o for o in read if o is not None))
            question = f"The dates of this export can be read in two ways: is {_show(day, layout)} {shown}?"
            raise Question(question, "--day-first or --month-first")
    return orders[0]


def _spell(ordinal: int) -> str:
    day = date.fromordinal(ordinal)
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip


def _show(day: Date, layout: Layout) -> str:
    return (layout.separator or " ").join(f"{n:02}" for n in day)
