"""What all sources told about one WhatsApp id in one chat, taken together.

Everything here is a pure function of a *set* of tellings and add-ons, so that neither order nor
repetition nor splitting can matter. Rules: contracts of decisions 0003 (docs/decisions).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec import Struct, structs

from backscroll.model import SOURCE_RANK, Details, Edit, Kind, Location, Media, Message, MessageKey, Poll, Quote, Source

ACK_ORDER = {0: 0, 1: 1, 2: 2, -1: 3, 3: 4, 4: 5, 5: 6}
"""An ack is only raised. A failure beats what the server alone confirmed, a delivery beats a failure."""

ALTERING = frozenset({"edit", "media"})
"""Add-ons that change the row itself, so that what was told must be kept beside it."""

_VAGUE: frozenset[Kind] = frozenset({"unknown", "ciphertext"})
_DETAIL_FIELDS = Details.__struct_fields__
_NESTED = (Media, Quote, Location, Poll)
_ENCODER = msgspec.json.Encoder()
_MEDIA = msgspec.json.Decoder(Media)


class Telling(Struct, frozen=True):
    """What one source told once. ``sender`` is the number of the party, 0 when it did not know."""

    sender: int
    source: Source
    message: Message
    digest: str

    @property
    def priority(self) -> tuple[int, int, str]:
        return (SOURCE_RANK[self.source], self.message.details.updated_at or 0, self.digest)


class Addon(Struct, frozen=True):
    """An edit, revoke, reaction, receipt or vote. ``target`` 0 means the one message with the id."""

    kind: str
    actor: int
    target: int
    ref: str
    at: int | None
    value: str | None

    @property
    def key(self) -> tuple[str, int, int, str]:
        return (self.kind, self.actor, self.target, self.ref)

    @property
    def recency(self) -> tuple[int, str]:
        return (-1 if self.at is None else self.at, self.value or "")


class Folded(Struct, frozen=True, kw_only=True):
    """One message as it is to be shown, before receipts and reactions."""

    sender: int
    source: Source
    message: Message
    prev_text: str | None
    edited_at: int | None
    deleted: bool
    deleted_at: int | None
    has_addons: bool


def telling(sender: int, source: Source, message: Message) -> Telling:
    """``message`` with its key reduced to the id: the numbers stand in the row."""
    bare = structs.replace(message, key=MessageKey("", "", message.key.id))
    return Telling(sender, source, bare, hashlib.sha256(_ENCODER.encode(bare)).hexdigest()[:16])


def prune(tellings: Iterable[Telling]) -> list[Telling]:
    """Drop those that cannot show: a later telling of the same source knows all they know."""
    kept: list[Telling] = []
    ordered = sorted({(t.sender, t.source, t.digest): t for t in tellings}.values(), key=lambda t: t.priority)
    for candidate in reversed(ordered):
        rivals = (k for k in kept if k.source == candidate.source and k.sender == candidate.sender)
        if not any(_known(candidate) <= _known(rival) for rival in rivals):
            kept.append(candidate)
    return sorted(kept, key=lambda t: (t.sender, t.source, t.digest))


def _known(telling: Telling) -> frozenset[str]:
    names: set[str] = {"text"} if telling.message.text is not None else set()
    if telling.message.kind not in _VAGUE:
        names.add("kind")
    if telling.message.ack is not None:
        names.add(f"ack{telling.message.ack}")
    for name in _DETAIL_FIELDS:
        value = getattr(telling.message.details, name)
        if value is None or value == ():
            continue
        names.add(name)
        if isinstance(value, _NESTED):
            names.update(f"{name}.{f}" for f in value.__struct_fields__ if getattr(value, f) not in (None, ()))
    return frozenset(names)


def fold(tellings: Sequence[Telling], addons: Sequence[Addon], own: int, is_group: bool) -> list[Folded]:
    """The messages that stand behind one id: one a known sender, or one of unknown sender.

    Tellings that do not know the sender join the one known message; when there are several, they stay apart.
    """
    senders = sorted({t.sender for t in tellings if t.sender})
    anonymous = [t for t in tellings if not t.sender]
    groups: list[tuple[int, list[Telling]]] = [(s, [t for t in tellings if t.sender == s]) for s in senders]
    if anonymous:
        if len(groups) == 1:
            groups[0][1].extend(anonymous)
        else:
            groups.append((0, anonymous))
    only = len(groups) == 1
    return [
        _fold_one(sender, told, [a for a in addons if a.target == sender or (a.target == 0 and only)], own, is_group)
        for sender, told in groups
    ]


def _fold_one(sender: int, told: list[Telling], addons: list[Addon], own: int, is_group: bool) -> Folded:
    best_first = sorted(told, key=lambda t: t.priority, reverse=True)
    message = _with_held_media(merged([t.message for t in best_first]), addons)
    edits = edits_of(addons, sender)
    texts = _texts(message, edits)
    revokes = [a for a in addons if a.kind == "revoke" and _may_revoke(a, sender, is_group)]
    times = [a.at for a in revokes if a.at is not None]
    return Folded(
        sender=sender,
        source=best_first[0].source,
        message=structs.replace(message, text=texts[-1], from_me=message.from_me or (sender == own and sender != 0)),
        prev_text=texts[-2] if len(texts) > 1 else message.details.prev_text,
        edited_at=edits[-1].at if edits else None,
        deleted=bool(revokes) or bool(message.details.is_deleted),
        deleted_at=min(times) if times else None,
        has_addons=bool(addons),
    )


def _with_held_media(message: Message, addons: Iterable[Addon]) -> Message:
    """Files that came to be held here fill what the sources did not know of the media."""
    held = [_MEDIA.decode(a.value) for a in sorted(addons, key=lambda a: a.ref) if a.kind == "media" and a.value]
    if not held:
        return message
    media = _first([m for m in (message.details.media, *held) if m is not None])
    return structs.replace(message, details=structs.replace(message.details, media=media))


def _may_revoke(addon: Addon, sender: int, is_group: bool) -> bool:
    return addon.actor in (0, sender) or (is_group and addon.value == "admin")


def edits_of(addons: Iterable[Addon], sender: int) -> list[Edit]:
    """The author's edits, oldest first; what others sent under this id does not count."""
    mine = [a for a in addons if a.kind == "edit" and a.actor in (0, sender) and a.value is not None]
    mine.sort(key=lambda a: (a.at or 0, a.ref, a.value or ""))
    return [Edit(text=a.value, at=a.at or 0, id=a.ref or None) for a in mine]


def _texts(message: Message, edits: Sequence[Edit]) -> list[str | None]:
    """Original and edited texts in order. A source that shows the current text only tells no original."""
    base = message.text
    if edits and base == edits[-1].text and message.details.prev_text is not None:
        base = message.details.prev_text
    texts = [base]
    for edit in edits:
        if edit.text != texts[-1]:
            texts.append(edit.text)
    return texts


def original_text(message: Message, edits: Sequence[Edit]) -> str | None:
    return _texts(message, edits)[0]


def merged(best_first: Sequence[Message]) -> Message:
    """Field by field the first that knows; acks only rise."""
    first = best_first[0]
    if len(best_first) == 1:
        return first
    details = Details(**{name: _first([getattr(m.details, name) for m in best_first]) for name in _DETAIL_FIELDS})
    exact = [m for m in best_first if m.details.precision != "minute"]
    kinds = [m.kind for m in best_first if m.kind not in _VAGUE]
    return Message(
        key=first.key,
        sent_at=(exact or best_first)[0].sent_at,
        from_me=first.from_me,
        kind=(kinds or [first.kind])[0],
        text=_first([m.text for m in best_first]),
        ack=highest_ack([m.ack for m in best_first]),
        details=structs.replace(
            details,
            precision=(exact or best_first)[0].details.precision,
            is_deleted=True if any(m.details.is_deleted for m in best_first) else details.is_deleted,
        ),
    )


def highest_ack(acks: Iterable[int | None]) -> int | None:
    known = [a for a in acks if a is not None]
    return max(known, key=lambda a: ACK_ORDER.get(a, 0)) if known else None


def _first(values: Sequence[Any]) -> Any:
    """The first known value; of Media and its like, the first known of each field."""
    known = [v for v in values if v is not None and v != ()]
    if not known:
        return values[0]
    if len(known) > 1 and isinstance(known[0], _NESTED):
        kind = type(known[0])
        return kind(**{f: _first([getattr(v, f) for v in known]) for f in kind.__struct_fields__})
    return known[0]
