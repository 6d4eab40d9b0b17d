"""Kinds of messages and their names in Periskope and GOWA, in both directions.

Connectors read these names and dialects write them. If several names map to one kind, ``type_name`` in a message's
details keeps the source's name, so that it is returned unchanged.
"""

from __future__ import annotations

from backscroll.core.model import Kind

_TO_PERISKOPE: dict[Kind, str] = {
    "text": "chat",
    "image": "image",
    "video": "video",
    "video_note": "video",
    "audio": "audio",
    "voice": "ptt",
    "document": "document",
    "sticker": "sticker",
    "location": "location",
    "live_location": "location",
    "contact": "vcard",
    "contacts": "multi_vcard",
    "poll": "poll_creation",
    "event": "event_creation",
    "group_invite": "groups_v4_invite",
    "order": "order",
    "product": "product",
    "interactive": "interactive",
    "album": "album",
    "ciphertext": "ciphertext",
    "unknown": "unknown",
    "call": "call_log",
    "notice": "notification",
}
_FROM_PERISKOPE: dict[str, Kind] = {
    **{word: kind for kind, word in _TO_PERISKOPE.items() if kind not in ("video_note", "live_location")},
    "text": "text",
    "ptv": "video_note",
    "live_location": "live_location",
    "contact_card": "contact",
    "contact_card_multi": "contacts",
    "list": "interactive",
    "list_response": "interactive",
    "buttons_response": "interactive",
    "template_button_reply": "interactive",
    "hsm": "interactive",
    "call": "call",
    "gp2": "notice",
    "e2e_notification": "notice",
    "notification_template": "notice",
    "group_notification": "notice",
    "broadcast_notification": "notice",
    "protocol": "notice",
}
_TO_GOWA: dict[Kind, str] = {
    "image": "image",
    "video": "video",
    "video_note": "video_note",
    "audio": "audio",
    "voice": "audio",
    "document": "document",
    "sticker": "sticker",
    "call": "call",
}
_FROM_GOWA: dict[str, Kind] = {
    "": "text",
    **{word: kind for kind, word in _TO_GOWA.items() if kind != "voice"},
    "ptt": "voice",
}


def periskope_type(kind: Kind, type_name: str | None = None) -> str:
    """Periskope's ``message_type``: the kept name if it maps to this kind, otherwise the kind's own."""
    if type_name is not None and periskope_kind(type_name) == kind:
        return type_name
    return _TO_PERISKOPE.get(kind, "unknown")


def periskope_kind(word: str) -> Kind:
    """The kind for a ``message_type``; ``unknown`` for an unknown name."""
    return _FROM_PERISKOPE.get(word, "unknown")


def periskope_type_name(word: str) -> str | None:
    """The name to keep as ``type_name``: None if the kind alone determines it."""
    return None if _TO_PERISKOPE[periskope_kind(word)] == word else word


def gowa_media_type(kind: Kind) -> str | None:
    """GOWA's ``media_type``, None for kinds that GOWA does not treat as media."""
    return _TO_GOWA.get(kind)


def gowa_kind(media_type: str | None) -> Kind:
    """The kind for a ``media_type``; ``unknown`` for an unknown name."""
    return _FROM_GOWA.get(media_type or "", "unknown")
