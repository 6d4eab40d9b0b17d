"""Report sentences about lines that may have been read incorrectly."""

from __future__ import annotations

from backscroll.core.text import counted
from backscroll.ingest.connectors.export.blocks import Doubt, Why
from backscroll.ingest.connectors.export.chat import ExportedChat

MAX_SHOWN = 10
_SENTENCES: dict[Why, str] = {
    "preamble": "{lines} {come} before the first message and {are} part of none; the original file is kept",
    "other_format": "{lines} {begin} with a date in a different format and {were} read as part of the message above; "
    "if they are from another export, split the file there and import both parts",
    "impossible_date": "{lines} {begin} with a date that does not exist and {were} read as part of the message above",
}


def doubts_of(parsed: ExportedChat) -> list[str]:
    """A sentence for each kind of doubt, with the numbers of its lines."""
    return [
        _sentence(why, [doubt for doubt in parsed.doubts if doubt.why == why], parsed.unlisted.get(why, 0))
        for why in _SENTENCES
        if any(doubt.why == why for doubt in parsed.doubts)
    ]


def _sentence(why: Why, doubts: list[Doubt], unlisted: int) -> str:
    is_one = len(doubts) == 1 and doubts[0].first == doubts[0].last
    verbs = {"come": "comes", "are": "is", "begin": "begins", "were": "was"}
    words = verbs if is_one else {verb: verb for verb in verbs}
    return _SENTENCES[why].format(lines=f"line{'' if is_one else 's'} {_ranges(doubts, unlisted)}", **words)


def _ranges(doubts: list[Doubt], unlisted: int) -> str:
    shown = [str(d.first) if d.first == d.last else f"{d.first}-{d.last}" for d in doubts[:MAX_SHOWN]]
    left = len(doubts) + unlisted - len(shown)
    return ", ".join(shown) + (f" and {counted(left, 'more place')}" if left else "")
