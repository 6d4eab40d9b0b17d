"""The native API's answers, shortened for a language model: absent values are omitted and long texts truncated."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, unquote

from backscroll.core.errors import NotFound

Json = dict[str, Any]

MAX_TEXT = 2_000
"""Maximum characters of a text in a list; ``get_message`` shows all of it."""
MAX_REACTIONS = 20
MAX_SPANS = 10
"""Maximum number of spans and gaps shown for a chat."""
MEDIA = "backscroll://media/"
MEDIA_TEMPLATE = "backscroll://media/{key}"


def message_object(told: Json, max_text: int = MAX_TEXT) -> Json:
    """A message of the native API."""
    file = told["file"]
    made = {
        "key": told["key"],
        "phone": told["phone"],
        "chat_id": told["chat_id"],
        "at": told["timestamp"],
        "from_me": told["from_me"],
        "kind": told["kind"],
        "sender": _without_absent(told["sender"] or {}) or None,
        **_cut(told["body"], max_text),
        "edited_at": told["edited_at"],
        "deleted": told["is_deleted"] or None,
        "forwarded": told["forwarded"] or None,
        "quoted": told["quoted"] and _quoted(told["quoted"]),
        "reactions": [_reaction(reaction) for reaction in told["reactions"][:MAX_REACTIONS]] or None,
        "pinned": told["pinned"] and _pinned(told["pinned"]),
        "file": file and file_object(file, told["key"]),
        "place": told["place"] and _without_absent(told["place"]),
        "contacts": told["contacts"] or None,
        "poll": told["poll"] and _poll(told["poll"]),
        "call": told["call"],
        "notice": told["notice"] and _without_absent(told["notice"]),
    }
    return _without_absent(made)


def card_object(told: Json, max_text: int) -> Json:
    """A message with its earlier versions and receipts."""
    made = message_object(told, max_text)
    made["chat"] = told["chat"]
    made["versions"] = [
        {"at": v["at"], **_cut(v["text"], min(MAX_TEXT, max_text // 8))} for v in told["versions"][-20:]
    ]
    made["receipts"] = [_without_absent(receipt) for receipt in told["receipt_list"][:50]]
    made["told_by"] = sorted({observed["source"] for observed in told["tellings"]})
    return made


def _cut(text: str | None, most: int) -> Json:
    if text is None:
        return {}
    return {"text": text} if len(text) <= most else {"text": text[:most], "text_is_cut": True}


def _quoted(told: Json) -> Json:
    return _without_absent({"key": told["key"], "sender": told["sender"], "text": told["text"]})


def _reaction(told: Json) -> Json:
    return _without_absent({"emoji": told["emoji"], "sender": told["sender"]["name"] or told["sender"]["jid"]})


def _pinned(told: Json) -> Json:
    by = told["by"] and (told["by"]["name"] or told["by"]["jid"])
    return _without_absent({"by": by, "at": told["at"], "until": told["until"]})


def file_object(told: Json, key: str) -> Json:
    """A file; with ``uri`` if the archive has it."""
    made = {name: told[name] for name in ("filename", "mimetype", "size", "duration", "state")}
    return _without_absent({**made, "uri": media_uri(key) if told["state"] == "held" else None})


def _poll(told: Json) -> Json:
    options = [{"text": option["text"], "votes": option["votes"]} for option in told["options"]]
    return {"name": told["name"], "options": options}


def chat_object(told: Json) -> Json:
    """A chat of a list."""
    last = told["last"]
    made = {name: told[name] for name in ("kind", "messages", "last_message_at", "unread", "archived")}
    made["labels"] = told["labels"] or None
    preview = None if last is None else _without_absent({"kind": last["kind"], **_cut(last["text"], 120)})
    named = {"phone": told["phone"], "chat_id": told["chat_id"], "name": told["name"]}
    return named | _without_absent({**made, "last": preview})


def contact_object(told: Json) -> Json:
    """A contact of a list."""
    made = {name: told[name] for name in ("number", "push_name", "business_name", "is_business", "lid")}
    labels = told["labels"] or None
    return {"jid": told["jid"], "name": told["display_name"], **_without_absent({**made, "labels": labels})}


def contact_card(told: Json) -> Json:
    """A contact with its names, ids and chats."""
    names = [_without_absent(name) for name in told["names"]]
    shared = [chat_object(chat) for chat in told["shared"]]
    return contact_object(told) | {"names": names, "jids": told["jids"], "chats": shared}


def media_object(told: Json) -> Json:
    """A message of a list of files."""
    made = {name: told[name] for name in ("key", "phone", "from_me", "kind")}
    rest = {"sender": told["sender"], **_cut(told["text"], MAX_TEXT), "file": file_object(told["file"], told["key"])}
    return _without_absent({**made, "at": told["timestamp"], "chat_id": told["chat"]["chat_id"], **rest})


def phone_object(told: Json) -> Json:
    """An own phone and what the archive holds for it."""
    return {name: told[name] for name in ("phone", "name", "messages", "chats", "first_message_at", "last_message_at")}


def covered_object(told: Json) -> Json:
    """What sources cover for a phone or a chat, latest first."""
    names = (
        "phone",
        "chat_id",
        "name",
        "first_message_at",
        "last_message_at",
        "messages",
        "covered_from",
        "covered_until",
    )
    spans = [_without_absent(_span(span)) for span in told["spans"][:MAX_SPANS]]
    gaps = [_without_absent({name: gap[name] for name in _GAP}) for gap in told["gaps"][:MAX_SPANS]]
    more = bool(
        told["more_spans"] or told["more_gaps"] or len(told["spans"]) > MAX_SPANS or len(told["gaps"]) > MAX_SPANS
    )
    return {**{name: told[name] for name in names if name in told}, "spans": spans, "gaps": gaps, "more": more}


_GAP = ("from", "to", "reason", "text", "messages")


def _span(told: Json) -> Json:
    source = told["source"]
    named = f"{source['kind']} {source['name'] or ''}".rstrip()
    return {"from": told["from"], "to": told["to"], "live": told["live"] or None, "source": named}


def _without_absent(told: Json) -> Json:
    return {name: value for name, value in told.items() if value is not None}


def media_uri(key: str) -> str:
    """The resource URI of a message's file."""
    return MEDIA + quote(key, safe="")


def key_of_uri(uri: str) -> str:
    """The message whose file a URI refers to; raises ``NotFound``."""
    key = unquote(uri.removeprefix(MEDIA))
    if not uri.startswith(MEDIA) or not key:
        raise NotFound("resource", uri[:200])
    return key
