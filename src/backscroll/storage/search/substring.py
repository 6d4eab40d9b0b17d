"""Substring search: trigrams of folded text narrow the candidates, the text itself decides.

Queries of fewer than three characters have no trigram; they read the chat's own rows.
"""

from __future__ import annotations

_SCOPE_BASE = 0xF0000
_SCOPE_SIZE = 65_533
"""Three private-use characters name a chat: one trigram that no text is taken for."""

ROWID_BITS = 40
"""Also written out in queries.sqlite.sql."""


def rowid(org: int, no: int) -> int:
    """Of a message's row in the full-text index."""
    return org << ROWID_BITS | no


def scope(org: int, chat: int) -> str:
    """The trigram of a chat. Two chats may share one; rows are compared by chat besides."""
    value = org << 32 | chat
    symbols = []
    for _ in range(3):
        value, digit = divmod(value, _SCOPE_SIZE)
        symbols.append(chr(_SCOPE_BASE + digit))
    return "".join(symbols)


def trigrams(folded: str) -> list[str]:
    """The distinct runs of three letters of a folded text."""
    return sorted({folded[i : i + 3] for i in range(len(folded) - 2)})


def match_expression(org: int, chat: int, folded: str) -> str:
    """FTS5's words for "in this chat, with all these trigrams"; at most 64 of them, the text decides anyway."""
    terms = [scope(org, chat), *trigrams(folded)[:64]]
    return " AND ".join('"' + term.replace('"', '""') + '"' for term in terms)


def like_pattern(folded: str) -> str:
    """PostgreSQL's words for the same."""
    escaped = folded.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"
