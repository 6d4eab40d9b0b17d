"""Messages in the names of WhatsApp Web, which WAHA's engines WEBJS and WPP pass on. See waha.md."""

from __future__ import annotations

from msgspec import Struct

from backscroll.core.ids import canonical
from backscroll.core.kinds import periskope_kind
from backscroll.core.model import Call, Details, Kind, Location, Media, Poll
from backscroll.formats.places import place_at
from backscroll.ingest.connectors.webhooks.proto_json import Node, whole_number

WITHOUT_TEXT: frozenset[Kind] = frozenset({"location", "live_location", "contact", "contacts"})
"""Kinds whose ``body`` is a thumbnail in Base64, or the card itself."""


CHANGES = ("revoked", "protocol")
"""Types of messages that change others."""

_OUTCOMES = {
    "completed": "connected",
    "acceptedelsewhere": "connected",
    "missed": "missed",
    "canceled": "missed",
    "cancelled": "missed",
    "rejected": "rejected",
    "failed": "failed",
}
"""How calls end, by WhatsApp Web's words in small letters; a call that goes on has none yet."""
_MISSED = {"miss": False, "miss_group": False, "miss_video": True, "miss_group_video": True}
"""Whether it was with video, by the subtype of a missed call of which WhatsApp Web knows no more."""


class WebContent(Struct, frozen=True, kw_only=True):
    """What a message holds. ``text`` is only what stands outside of ``body``."""

    kind: Kind
    text: str | None = None
    details: Details = Details()


def jid(value: object) -> str | None:
    """A JID, which some versions write as an object."""
    text = value if isinstance(value, str) else Node(value).text("_serialized")
    return text or None


def read(node: Node, *, has_media: bool) -> WebContent:
    """The kind that WhatsApp Web names, and what it tells besides the text."""
    word = node.text("type")
    kind = periskope_kind(word) if word else "unknown"
    if kind == "location" and node.flag("isLive"):
        kind = "live_location"
    expires = whole_number(node.raw("ephemeralDuration"))
    mentioned = node.raw("mentionedJidList")
    people = [jid(value) for value in mentioned] if isinstance(mentioned, list) else []
    details = Details(
        media=_media(node) if has_media else None,
        location=_location(node) if kind in ("location", "live_location") else None,
        vcards=_cards(node, kind),
        poll=_poll(node),
        call=_call(node) if kind == "call" else None,
        mentions=tuple(canonical(person) for person in people if person),
        is_forwarded=node.flag("isForwarded"),
        forwarding_score=node.number("forwardingScore"),
        is_view_once=True if node.flag("isViewOnce") else None,
        is_ephemeral=True if expires else None,
        expires_after=expires or None,
        is_gif=True if node.flag("isGif") else None,
        broadcast=True if node.flag("broadcast") else None,
    )
    text = node.text("eventName") or (node.text("comment") if kind in WITHOUT_TEXT else None)
    return WebContent(kind=kind, text=text, details=details)


def _media(node: Node) -> Media:
    filehash = node.bytes("filehash")
    duration = whole_number(node.raw("duration"))
    return Media(
        mimetype=node.text("mimetype"),
        size=node.number("size"),
        filename=node.text("filename"),
        sha256=filehash.hex() if filehash else None,
        width=node.number("width"),
        height=node.number("height"),
        duration=duration if duration and duration > 0 else None,
        media_key=node.text("mediaKey"),
        direct_path=node.text("directPath"),
    )


def _location(node: Node) -> Location | None:
    name, _, address = (node.text("loc") or "").partition("\n")
    place = {"name": name or None, "address": address or None, "url": node.text("clientUrl")}
    return place_at(node.raw("lat"), node.raw("lng"), **place)


def _cards(node: Node, kind: Kind) -> tuple[str, ...] | None:
    if kind == "contact":
        card = node.text("body")
        return (card,) if card else None
    if kind == "contacts":
        return tuple(card for item in node.nodes("vcardList") if (card := item.text("vcard"))) or None
    return None


def _call(node: Node) -> Call:
    """A call as WhatsApp Web lists it in the chat. ``finalCallOutcome`` is the later one."""
    outgoing, subtype = node.node("id").flag("fromMe"), node.text("subtype") or ""
    told = (_OUTCOMES.get((node.text(name) or "").lower()) for name in ("finalCallOutcome", "callOutcome"))
    result = next(filter(None, told), "missed" if subtype in _MISSED else None)
    duration, video = node.number("callDuration"), node.flag("isVideoCall")
    return Call(
        video=_MISSED.get(subtype) if video is None else video,
        outgoing=outgoing,
        result="unanswered" if outgoing and result == "missed" else result,
        duration=float(duration) if duration and duration > 0 else None,
    )


def _poll(node: Node) -> Poll | None:
    name, options = node.text("pollName"), node.nodes("pollOptions")
    if name is None and not options:
        return None
    names = tuple(text for option in options if (text := option.text("name")) is not None)
    return Poll(name=name or "", options=names, selectable=node.number("pollSelectableOptionsCount"))
