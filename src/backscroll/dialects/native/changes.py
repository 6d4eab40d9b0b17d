"""The change feed in the native API, for clients that poll and for those that listen."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from backscroll.core.answers import ChangeLine, Changes
from backscroll.core.model import Access, Phone
from backscroll.dialects.links import Links
from backscroll.dialects.native.messages import erased_key, key_of, message_renderer
from backscroll.formats.jsontext import encode
from backscroll.formats.periskope_ids import shown_jid

_TYPES = {
    "gone": "message.erased",
    "chat": "chat.updated",
    "contact": "contact.updated",
    "phone": "phone.updated",
    "silent": "source.silent",
    "heard": "source.recovered",
}


class Lines(Struct, frozen=True):
    """Rendered lines of the feed with their positions; ``upto`` is where to continue."""

    lines: list[tuple[int, bytes]]
    upto: int
    more: bool
    touches_tokens: bool
    """Whether credentials changed: a listener's credential has to be checked again."""


def render_changes(changes: Changes) -> bytes:
    """Lines of the feed without the messages, and where to continue."""
    return encode({"items": [_line(line) for line in changes.lines], "next": changes.upto, "more": changes.more})


def changes_seen(changes: Changes, access: Access, links: Links) -> Lines:
    """Each line with its message in its current state."""
    render = message_renderer(access, links, changes.around)
    lines = []
    for line in changes.lines:
        body = encode(_line(line))
        if line.message is not None:
            body = body[:-1] + b',"message":' + render(line.message) + b"}"
        lines.append((line.seq, body))
    return Lines(lines, changes.upto, changes.more, changes.touches_tokens)


def _line(line: ChangeLine) -> dict[str, Any]:
    message = line.message
    phone = line.phone or (message.phone if message else None)
    jid = line.jid if message is None else message.message.key.chat
    shown = {
        "seq": line.seq,
        "type": _type(line),
        "phone": None if phone is None else phone.number,
        "chat_id": None if jid is None else shown_jid(jid),
        "key": _key(line, phone),
    }
    return shown if line.source is None else shown | {"source": line.source}


def _key(line: ChangeLine, phone: Phone | None) -> str | None:
    if line.message is not None:
        return key_of(line.message)
    return erased_key(line.erased, phone) if line.erased is not None and phone is not None else None


def _type(line: ChangeLine) -> str:
    if line.message is None:
        return _TYPES[line.what]
    if line.what == "message":
        return "message.created"
    return "message.deleted" if line.message.deleted else "message.updated"


def server_sent(event: str, data: bytes, seq: int | None = None) -> bytes:
    """A server-sent event; ``seq`` is the position from which a listener continues."""
    place = b"" if seq is None else b"id: %d\n" % seq
    return place + b"event: " + event.encode() + b"\ndata: " + data + b"\n\n"


def still_here(seq: int | None) -> bytes:
    """A comment that keeps a connection open, with the position from which a listener continues if that has changed."""
    return (b"" if seq is None else b"id: %d\n" % seq) + b": still here\n\n"


def server_sent_lines(lines: Iterable[tuple[int, bytes]]) -> bytes:
    """Changes as events, each with its position. If a position has several lines, only the last of them carries it."""
    found = list(lines)
    following = [seq for seq, _ in found[1:]] + [None]
    return b"".join(
        server_sent("change", body, None if seq == after else seq)
        for (seq, body), after in zip(found, following, strict=True)
    )
