"""Dates of exported chats: which number is the day, which the month, in which calendar."""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from itertools import pairwise
from typing import Literal

from backscroll.core.errors import Candidate, Question, Unreadable
from backscroll.ingest.connectors.export.header import Date, Layout

DateOrder = Literal["ymd", "dmy", "mdy"]


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


def choose_order(days: list[Date], layout: Layout, day_first: bool | None, unpadded: bool = False) -> DateOrder:
    """How all dates of a file are to be read; ``days`` in the file's order, each day once in a row.

    The user's answer wins. Otherwise the reading with the fewest impossible dates, then the one with the fewest steps
    back in time. Raises Question if that is not enough: a chat on the fifth of each month can be read both ways.
    ``unpadded`` is whether the first number is written without the zero that the second has (5.01.2026).
    """
    readings = {order: _read(days, order, layout.era) for order in _possible(days, layout)}
    wrong = {order: len(days) - len(ordinals) for order, ordinals in readings.items()}
    fewest = min(wrong.values())
    if fewest * 2 > len(days):
        raise Unreadable("export", _show(days[0], layout), "this date belongs to no known calendar")
    if day_first is not None:
        sensible = [order for order in readings if wrong[order] in (fewest, 0) or wrong[order] * 20 <= len(days)]
        return _as_told(sensible, "dmy" if day_first else "mdy")
    valid = {order: ordinals for order, ordinals in readings.items() if wrong[order] == fewest}
    if found := _likeliest(valid):
        return found
    # No language writes the month first with dots or dashes, and none pads a day and not the month before it.
    return "dmy" if unpadded and layout.separator not in ("/", "") and "dmy" in valid else _ask(days, valid, layout)


def _possible(days: list[Date], layout: Layout) -> tuple[DateOrder, ...]:
    long_last = any(third > 99 for _, _, third in days)
    if all(first > 31 for first, _, _ in days) or (layout.year_first and not long_last):
        return ("ymd",)
    return ("dmy", "mdy") if long_last else ("dmy", "mdy", "ymd")


def _read(days: list[Date], order: DateOrder, era: int | None) -> list[int]:
    known = {day: to_ordinal(day, order, era) for day in set(days)}
    return [ordinal for day in days if (ordinal := known[day]) is not None]


def _as_told(sensible: list[DateOrder], told: DateOrder) -> DateOrder:
    if told in sensible:
        return told
    if sensible == ["ymd"]:
        return "ymd"
    other = "--month-first" if told == "dmy" else "--day-first"
    candidate = Candidate("month_first" if told == "dmy" else "day_first")
    question = "With this reading, some dates of this export do not exist."
    raise Question(question, other, name="date_order", candidates=[candidate], free=False)


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
            raise Question(
                question,
                "--day-first or --month-first",
                name="date_order",
                candidates=[_candidate(day, order, layout) for order in ("dmy", "mdy") if order in orders],
                evidence=[_show(day, layout)],
                free=False,
            )
    return orders[0]


def _candidate(day: Date, order: DateOrder, layout: Layout) -> Candidate:
    ordinal = to_ordinal(day, order, layout.era)
    return Candidate(_ANSWERS[order], None if ordinal is None else _spell(ordinal))


_ANSWERS: dict[DateOrder, str] = {"dmy": "day_first", "mdy": "month_first", "ymd": "year_first"}


def _spell(ordinal: int) -> str:
    day = date.fromordinal(ordinal)
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip


def _show(day: Date, layout: Layout) -> str:
    return (layout.separator or " ").join(f"{n:02}" for n in day)
