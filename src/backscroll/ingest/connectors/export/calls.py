"""Calls, as exported chats write them: ``Voice call, 12 sec``, ``Missed video call. Tap to call back``."""

from __future__ import annotations

import re

from backscroll.core.model import Call
from backscroll.ingest.connectors.export.call_words import (
    CALL,
    CALL_FAILED,
    MISSED,
    MISSED_VIDEO_CALL,
    MISSED_VOICE_CALL,
    NO_ANSWER,
    VIDEO,
    VIDEO_CALL,
    VOICE_CALL,
)
from backscroll.ingest.connectors.export.header import MARKS
from backscroll.ingest.connectors.export.notices import notice_type
from backscroll.ingest.connectors.export.wording import fold

MAX_CALL = 120
_MAX_PHRASE = 40
_MAX_WORDS = 6
_MARKED_DETAIL = re.compile(f"^[{MARKS}]*([^\n{MARKS}]+?)[.,،，、。:]?\\s*[{MARKS}]+([^\n{MARKS}]+)$")
_DETAIL = re.compile("[,،，、]|[.。](?=\\s|$)")
_DURATION = re.compile(r"(\d+)\s*([^\W\d]+)")
_UNITS = {
    "s": 1, "с": 1, "秒": 1, "초": 1, "ث": 1, "ש": 1, "σ": 1, "δ": 1, "ว": 1,
    "m": 60, "м": 60, "х": 60, "d": 60, "λ": 60, "分": 60, "분": 60, "د": 60, "ד": 60, "น": 60, "p": 60, "मि": 60,
    "h": 3600, "u": 3600, "ч": 3600, "г": 3600, "t": 3600, "ώ": 3600, "時": 3600, "小": 3600, "시": 3600, "س": 3600,
}  # fmt: skip
"""Seconds of a unit by the letter that it begins with, as far as that letter is the same in all languages."""


def read_call(body: str, plain: str, is_marked: bool, has_author: bool = True) -> Call | None:
    """The call that a line tells of. A missed one is known by its exact words, others need WhatsApp's own mark.

    What stands behind a comma, a full stop or a mark is the detail: how long, or that nobody answered.
    """
    if len(plain) > MAX_CALL or "\n" in plain:
        return None
    phrase, detail = _parts(body, plain)
    if phrase in MISSED_VOICE_CALL or phrase in MISSED_VIDEO_CALL:
        return Call(video=phrase in MISSED_VIDEO_CALL, result="missed")
    if not is_marked or not (phrase in _EXACT or (has_author and _is_about_a_call(phrase, detail, body))):
        return None
    is_video = phrase in VIDEO_CALL or any(word in phrase for word in VIDEO)
    return Call(video=is_video, result=_result(phrase, detail), duration=_seconds(detail))


def _parts(body: str, plain: str) -> tuple[str, str]:
    if match := _MARKED_DETAIL.match(body.strip()):
        return fold(match[1]), fold(match[2])
    for cut in _DETAIL.finditer(plain):
        phrase = fold(plain[: cut.start()])
        if phrase in _EXACT or not any(other.start() > cut.start() for other in _DETAIL.finditer(plain)):
            return phrase, fold(plain[cut.end() :])
    return fold(plain), ""


_EXACT = MISSED_VOICE_CALL | MISSED_VIDEO_CALL | VOICE_CALL | VIDEO_CALL | CALL_FAILED


def _is_about_a_call(phrase: str, detail: str, body: str) -> bool:
    if len(phrase) > _MAX_PHRASE or phrase.count(" ") >= _MAX_WORDS or notice_type(body):
        return False
    if any(word in phrase for word in CALL):
        return True
    # Whatever the language: a short phrase and, behind a mark of its own, a duration.
    return _MARKED_DETAIL.match(body.strip()) is not None and _seconds(detail) is not None


def _result(phrase: str, detail: str) -> str | None:
    if phrase in MISSED_VOICE_CALL or phrase in MISSED_VIDEO_CALL or any(word in phrase for word in MISSED):
        return "missed"
    if detail in NO_ANSWER:
        return "unanswered"
    if phrase in CALL_FAILED:
        return "failed"
    return "connected" if _seconds(detail) is not None else None


def _seconds(detail: str) -> float | None:
    """``1 hr 3 min`` in seconds; None when there is no such thing or the unit is unknown."""
    parts = [(int(number), _unit(word)) for number, word in _DURATION.findall(detail)]
    known = [number * unit for number, unit in parts if unit]
    return float(sum(known)) if known and len(known) == len(parts) else None


def _unit(word: str) -> int | None:
    return _UNITS.get(word[:2]) or _UNITS.get(word[0])
