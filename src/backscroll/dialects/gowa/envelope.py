"""Parts common to all of GOWA's answers: the envelope, Go's zero time, names for chats without one."""

from __future__ import annotations

from typing import Any

from backscroll.core.ids import kind_of, user_part
from backscroll.formats.jsontext import go_json

NEVER = "0001-01-01T00:00:00Z"
"""Go's zero time."""


def success(message: str, results: Any) -> bytes:
    """The envelope of every answer that is not an error."""
    return go_json({"code": "SUCCESS", "message": message, "results": results})


def chat_label(jid: str) -> str:
    """What a chat without a name is called."""
    match kind_of(jid):
        case "group":
            return f"Group {user_part(jid)}"
        case "newsletter":
            return f"Newsletter {user_part(jid)}"
        case "status":
            return "Status"
    return user_part(jid) or jid
