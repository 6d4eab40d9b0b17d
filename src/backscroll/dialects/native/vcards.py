"""Contact cards in messages: names and numbers from vCards, which are not trusted."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from backscroll.core.ids import USER
from backscroll.formats.periskope_ids import shown_jid

MAX_CARDS = 50
MAX_NUMBERS = 20
_FOLD = re.compile(r"\r?\n[ \t]")
_WAID = re.compile(r"waid=(\d{5,15})", re.I)


def cards_of(vcards: Iterable[str]) -> list[dict[str, Any]]:
    """``{name, numbers, jid}`` of each card; ``jid`` if the card names a WhatsApp account."""
    return [_card(text) for _, text in zip(range(MAX_CARDS), vcards, strict=False)]


def _card(text: str) -> dict[str, Any]:
    name, numbers, account = None, [], None
    for line in _FOLD.sub("", text).splitlines():
        head, colon, value = line.partition(":")
        field = head.split(";")[0].rpartition(".")[2].upper()
        if not colon:
            continue
        if field == "FN":
            name = _plain(value)
        elif field == "TEL":
            numbers.append(_plain(value))
            found = _WAID.search(head)
            account = account or (found and found[1])
    return {
        "name": name,
        "numbers": numbers[:MAX_NUMBERS],
        "jid": shown_jid(f"{account}@{USER}") if account else None,
    }


def _plain(value: str) -> str:
    return re.sub(r"\\([,;\\])", r"\1", value).replace("\\n", " ").strip()
