"""What every answer for a language model goes through: characters that only a model can read are removed, and what is
too large is shortened."""

from __future__ import annotations

import re
from typing import Any

import msgspec

Json = dict[str, Any]

STEPS = ((2_000, 100), (500, 30), (100, 10), (30, 3))
"""Maximum characters of a text and length of a list, until an answer is small enough."""
SHORTENED = "shortened"

_IDS = frozenset(
    ["key", "chat_id", "jid", "jids", "lid", "phone", "uri", "next", "older", "newer", "target", "at", "from", "to"]
)
"""What other tools are given, or is compared: never altered."""
_TAGS = "\U000e0000-\U000e007f"
_SELECTORS = "\ufe00-\ufe0f\U000e0100-\U000e01ef"
_INVISIBLE = re.compile(f"[{_TAGS}]|(?<=[{_SELECTORS}])[{_SELECTORS}]+")
"""Tag characters, and variation selectors beyond the first: invisible to people, but a model can read text in them."""
_FLAG = re.compile("\U0001f3f4[\U000e0020-\U000e007f]+")
"""The one legitimate use of tag characters is in the flags of regions."""


def visible(text: str) -> str:
    """The text without characters that only a model can read."""
    if not _INVISIBLE.search(text):
        return text
    parts, at = [], 0
    for found in _FLAG.finditer(text):
        parts += [_INVISIBLE.sub("", text[at : found.start()]), found[0]]
        at = found.end()
    return "".join([*parts, _INVISIBLE.sub("", text[at:])])


def all_visible(told: Any) -> Any:
    """The same for every text of an answer: names of people, chats and files were chosen by others, too."""
    if isinstance(told, str):
        return visible(told)
    if isinstance(told, list):
        return [all_visible(value) for value in told]
    if isinstance(told, dict):
        return {name: value if name in _IDS else all_visible(value) for name, value in told.items()}
    return told


def size_of(told: Json) -> int:
    """Bytes of an answer."""
    return len(msgspec.json.encode(told))


def fitted(told: Json, most: int) -> Json:
    """An answer with its texts cut and its lists ended, as far as it takes to keep it within ``most`` bytes."""
    for text, rows in STEPS:
        if size_of(told) <= most:
            break
        told = {**_shortened(told, text, rows), SHORTENED: True}
    return told


def _shortened(told: Any, text: int, rows: int) -> Any:
    if isinstance(told, str):
        return told if len(told) <= text else f"{told[:text]}…"
    if isinstance(told, list):
        return [_shortened(value, text, rows) for value in told[:rows]]
    if isinstance(told, dict):
        return {name: value if name in _IDS else _shortened(value, text, rows) for name, value in told.items()}
    return told
