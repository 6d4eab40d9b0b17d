"""What may differ where two sources tell one message: its kind, its words, the caption of its file.

Lines of exported chats have no ids. They are matched by these rules with lines of other exports (ingest/alignment.py)
and with messages of other sources (storage/write/export_matching.py).
"""

from __future__ import annotations

from backscroll.core.model import MEDIA_KINDS, Kind

_SORTS: dict[Kind, str] = {
    **dict.fromkeys(MEDIA_KINDS, "media"),
    "call": "call",
    "notice": "notice",
    "location": "location",
    "live_location": "location",
    "contact": "contact",
    "contacts": "contact",
}
_WORDLESS = ("location", "contact", "call")
_DISTINCTIVE = ("media", "location", "contact")


def sort_of(kind: Kind, *, is_omitted: bool = False) -> str:
    """A common name for kinds that may be the same message: media, call, notice, location, contact or message.

    ``is_omitted``: an export left the file out, so that its line does not say which kind of file it was.
    """
    if kind in ("call", "notice"):
        return kind
    return "media" if is_omitted else _SORTS.get(kind, "message")


def is_wordless(kind: Kind) -> bool:
    """Whether sources put this kind into words of their own, or into none, so that words say nothing."""
    return _SORTS.get(kind) in _WORDLESS


def is_distinctive(sort: str, words: str) -> bool:
    """Whether sort and words suffice where the author is known by another name: of a text, some words are needed."""
    return bool(words) or sort in _DISTINCTIVE


def lacks_caption(one: str, other: str, *, have_words: bool) -> bool:
    """Whether two sorts may be one file, told without its caption by one side: an iPhone exports files so.

    ``have_words``: whether both sides have words.
    """
    return one == other == "media" and not have_words
