"""The content of events, orders, products and invitations to groups, from the formats that sources use.

Nothing in these formats is trusted: a value with an unexpected type is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from backscroll.core.model import ArchivedMessage, Details
from backscroll.formats.periskope_ids import shown_jid

KINDS = frozenset({"event", "order", "product", "group_invite"})
MAX_TEXT = 1000
MAX_ITEMS = 50
_JID = re.compile(r"[\w.-]{1,64}@(g\.us|s\.whatsapp\.net|c\.us|newsletter)", re.ASCII)
_CURRENCY = re.compile(r"[A-Z]{3}")
_MAX_SECONDS = 253_402_300_799
Fields = Mapping[str, Any]


def card_of(archived: ArchivedMessage) -> dict[str, Any] | None:
    """The card of a message; None for other kinds. All keys are always present."""
    message = archived.message
    if message.kind not in KINDS:
        return None
    told = _told(message.details)
    product, order = _inner(told, "product", "productsnapshot"), _inner(told, "order", "ordermessage")
    every = [told, product, order]
    items = [_item(entry) for entry in _list(told, "productitems", "items", "products")[:MAX_ITEMS]]
    return {
        "title": _first(every, _text, "title", "ordertitle", "groupname", "name", "subject"),
        "text": _first(every, _text, "description", "message", "text", "caption", "body"),
        "place": _place(told),
        "starts_at": _first([told], _time, "starttime"),
        "ends_at": _first([told], _time, "endtime"),
        "expires_at": _first([told], _time, "inviteexpiration", "invitecodeexp", "expiration"),
        "canceled": _first([told], _flag, "iscanceled", "canceled") or False,
        "items": items,
        "item_count": _first(every, _count, "itemcount") or (len(items) or None),
        "price": _price(product) or _price(told) or _price(order),
        "order_id": message.details.order_id or _first(every, _text, "orderid"),
        "chat_id": _first([told], _jid, "groupjid", "groupid"),
        "url": _first(every, _link, "joinlink", "url", "firstimageurl"),
    }


def _told(details: Details) -> Fields:
    for shape in (details.interactive, details.invite, details.raw_data):
        if isinstance(shape, dict) and shape:
            fields = _fields(shape)
            # Some sources provide the whole message, with the relevant part inside.
            inner = next((name for name in fields if name.endswith("message") and isinstance(fields[name], dict)), None)
            return _fields(fields[inner]) if inner and len(fields) == 1 else fields
    return {}


def _fields(shape: Mapping[Any, Any]) -> Fields:
    """Fields by name, in lower case without underscores: sources spell them in three ways."""
    return {str(name).replace("_", "").lower(): value for name, value in shape.items()}


def _inner(fields: Fields, *names: str) -> Fields:
    found = next((fields[name] for name in names if isinstance(fields.get(name), dict)), None)
    return {} if found is None else _fields(found)


def _list(fields: Fields, *names: str) -> list[Fields]:
    found: list[Any] = next((fields[name] for name in names if isinstance(fields.get(name), list)), [])
    return [_fields(entry) for entry in found if isinstance(entry, dict)]


def _first(places: list[Fields], read: Any, *names: str) -> Any:
    values: Iterator[Any] = (read(fields[name]) for fields in places for name in names if name in fields)
    return next((value for value in values if value is not None), None)


def _text(value: Any) -> str | None:
    return value.strip()[:MAX_TEXT] or None if isinstance(value, str) else None


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and re.fullmatch(r"-?\d{1,15}(\.\d{1,6})?", value):
        return float(value)
    return float(value) if isinstance(value, int | float) and abs(value) < 1e15 else None


def _count(value: Any) -> int | None:
    number = _number(value)
    return int(number) if number is not None and number >= 0 else None


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _time(value: Any) -> str | None:
    """Seconds or milliseconds since 1970 as ISO 8601."""
    number = _number(value)
    if number is None or number <= 0:
        return None
    seconds = number / 1000 if number > _MAX_SECONDS / 10 else number
    return datetime.fromtimestamp(seconds, UTC).isoformat() if seconds < _MAX_SECONDS else None


def _jid(value: Any) -> str | None:
    if isinstance(value, dict):
        # whatsapp-web.js writes ids as objects.
        value = value.get("_serialized") or value.get("serialized")
    return shown_jid(value) if isinstance(value, str) and _JID.fullmatch(value) else None


def _link(value: Any) -> str | None:
    return value[:2000] if isinstance(value, str) and re.match(r"https?://[^\s<>\"]+$", value) else None


def _place(fields: Fields) -> str | None:
    location = fields.get("location")
    if isinstance(location, dict):
        inner = _fields(location)
        parts = [part for name in ("name", "address") if (part := _text(inner.get(name)))]
        return ", ".join(parts)[:MAX_TEXT] or None
    return _text(location)


def _item(fields: Fields) -> dict[str, Any]:
    return {
        "name": _first([fields], _text, "title", "name", "productretailerid", "retailerid", "id"),
        "quantity": _first([fields], _count, "quantity"),
        "price": _price(fields),
    }


def _price(fields: Fields) -> str | None:
    """Amount and currency, ``12.50 EUR``; some sources give it in thousandths."""
    thousandths = _first([fields], _number, "priceamount1000", "totalamount1000")
    plain = _first([fields], _number, "itemprice", "price", "total")
    amount = thousandths / 1000 if thousandths is not None else plain
    if amount is None:
        return None
    currency = _first([fields], _text, "currencycode", "totalcurrencycode", "currency")
    return f"{amount:.2f} {currency}" if currency and _CURRENCY.fullmatch(currency) else f"{amount:.2f}"
