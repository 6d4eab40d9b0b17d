"""Combining what all sources reported about one WhatsApp id in one chat.

Everything here is a pure function of a *set* of observations and annotations, so that order, repetition and batch
boundaries make no difference. The rules are in docs/decisions/0003-merging.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, get_args

import msgspec
from msgspec import Struct, structs

from backscroll.core.model import (
    SOURCE_RANK,
    Call,
    Details,
    Edit,
    Kind,
    Location,
    Media,
    Message,
    MessageKey,
    Notice,
    Poll,
    Quote,
    Source,
)
from backscroll.storage.records.rows import EXPORT_PREFIX
from backscroll.storage.records.tellers import LIVE, NOBODY, Tellers, together

ACK_ORDER = {0: 0, 1: 1, 2: 2, -1: 3, 3: 4, 4: 5, 5: 6}
"""An ack is only raised. A failure beats what the server alone confirmed, a delivery beats a failure."""

ALTERING = frozenset({"edit", "media"})
"""Annotations that change the row itself, so that the original observation must be stored beside it."""

MOVED = ("media", "revoke")
"""Kinds of annotations that go with a line of an export to the message that it is (write/export_matching.py)."""

_VAGUE: frozenset[Kind] = frozenset({"unknown", "ciphertext"})
_DETAIL_FIELDS = Details.__struct_fields__
_KINDS: dict[Kind, Kind] = {kind: kind for kind in get_args(Kind)}
_NO_DETAILS: Details = Message.__struct_defaults__[-1]
_NESTED = (Media, Quote, Location, Poll, Call)
_ENCODER = msgspec.json.Encoder()
_MEDIA = msgspec.json.Decoder(Media)
Told = tuple[int, int | None, str | None]
"""The number of an import, and the time and value that it told of an annotation."""
_TOLD = msgspec.json.Decoder(list[int | Told])


class Observation(Struct, frozen=True):
    """One report of one source. ``sender`` is the number of the contact, 0 if the source did not know it."""

    sender: int
    source: Source
    message: Message
    digest: str
    told: Tellers = LIVE
    """Who told exactly this."""

    @property
    def priority(self) -> tuple[int, int, bool, int, str]:
        """The better source, then its later report; one that knows of an edit was made later.

        A gateway reports a call when it rings, when it is accepted and when it ends: the first gives its time.
        """
        details = self.message.details
        later = bool(details.is_edited or details.is_deleted)
        began = -self.message.sent_at if self.message.kind == "call" else 0
        return (SOURCE_RANK[self.source], details.updated_at or 0, later, began, self.digest)


class Annotation(Struct, frozen=True):
    """An edit, revoke, reaction, receipt, vote or pin. ``target`` 0 means the one message with the id."""

    kind: str
    actor: int
    target: int
    ref: str
    at: int | None
    value: str | None
    told: tuple[Told, ...] = ()
    """What each of its tellers reported; empty if only live sources did."""

    @property
    def key(self) -> AnnotationKey:
        return (self.kind, self.actor, self.target, self.ref)

    @property
    def recency(self) -> tuple[bool, int, bool, str]:
        return (self.at is not None, self.at or 0, self.value is not None, self.value or "")

    @property
    def line(self) -> str | None:
        """The id of the line of an export with which it came to this message."""
        if self.kind not in MOVED or not self.ref.startswith(EXPORT_PREFIX):
            return None
        line, slash, _ = self.ref.partition("/")
        return line if slash else None

    @property
    def at_line(self) -> Annotation:
        """As it is told of the line with which it came; itself when it came with none."""
        return self if self.line is None else structs.replace(self, ref=self.ref.partition("/")[2])

    def is_meant_for(self, senders: Collection[int]) -> bool:
        """Whether the one message with the id is meant, of which these are told to be the sender.

        Who wrote a line may be known by another name than who sent the message that it is.
        """
        return self.target == 0 or self.target in senders or self.line is not None


AnnotationKey = tuple[str, int, int, str]
Annotations = Mapping[AnnotationKey, Annotation]


def put_latest(annotations: dict[AnnotationKey, Annotation], annotation: Annotation) -> None:
    """Of one actor's annotations of a kind the latest wins; for receipts and revokes the earliest reported time."""
    known = annotations.get(annotation.key)
    if known is None:
        annotations[annotation.key] = annotation
        return
    latest = _latest(known, annotation)
    if known.told or annotation.told:
        latest = structs.replace(latest, told=_told_together(known, annotation))
    if latest != known:
        annotations[annotation.key] = latest


def _latest(known: Annotation, annotation: Annotation) -> Annotation:
    if annotation.kind in ("receipt", "revoke"):
        times = [a.at for a in (known, annotation) if a.at is not None]
        value = max(filter(None, (known.value, annotation.value)), default=None)
        return structs.replace(known, at=min(times, default=None), value=value)
    return annotation if annotation.recency > known.recency else known


def _told_together(known: Annotation, annotation: Annotation) -> tuple[Told, ...]:
    together: dict[int, Annotation] = {}
    for teller, at, value in (*_told_of(known), *_told_of(annotation)):
        said = structs.replace(annotation, at=at, value=value, told=())
        together[teller] = _latest(together[teller], said) if teller in together else said
    return tuple((teller, said.at, said.value) for teller, said in sorted(together.items()))


def _told_of(annotation: Annotation) -> tuple[Told, ...]:
    return annotation.told or ((NOBODY, annotation.at, annotation.value),)


def annotation_told_by(annotation: Annotation, counts: Callable[[int], bool]) -> Annotation | None:
    """What some of its tellers say; None when none of them told it."""
    rest = tuple((teller, at, value) for teller, at, value in _told_of(annotation) if counts(teller))
    if not rest:
        return None
    if len(rest) == len(_told_of(annotation)):
        return annotation
    said = [structs.replace(annotation, at=at, value=value, told=()) for _, at, value in rest]
    latest = said[0]
    for other in said[1:]:
        latest = _latest(latest, other)
    return latest if [teller for teller, _, _ in rest] == [NOBODY] else structs.replace(latest, told=rest)


def encode_told(annotation: Annotation) -> str | None:
    """For the column ``told``: numbers of imports, with time and text where these are not the ones that stand."""
    if not annotation.told:
        return None
    standing = (annotation.at, annotation.value)
    told = [teller if (at, value) == standing else [teller, at, value] for teller, at, value in annotation.told]
    return _ENCODER.encode(told).decode()


def decode_told(text: str | None, at: int | None, value: str | None) -> tuple[Told, ...]:
    """``encode_told`` the other way round."""
    if text is None:
        return ()
    return tuple((told, at, value) if isinstance(told, int) else told for told in _TOLD.decode(text))


class Resolved(Struct, frozen=True, kw_only=True):
    """One message as shown, before receipts and reactions."""

    sender: int
    source: Source
    message: Message
    texts: list[str | None]
    """The original and edited texts, oldest first."""
    prev_text: str | None
    edited_at: int | None
    deleted: bool
    deleted_at: int | None
    has_annotations: bool


def observation(sender: int, source: Source, message: Message, told: Tellers = LIVE) -> Observation:
    """``message`` with its key reduced to the id: the numbers stand in the row.

    ``from_me`` is left out too, because it means that the sender is the own phone, which for a LID may become known
    only later.
    """
    # msgspec leaves a default out only when it is the very same object, and the digest is of what it writes.
    kind, details = _KINDS[message.kind], message.details
    if details == _NO_DETAILS:
        details = _NO_DETAILS
    bare = structs.replace(message, key=MessageKey("", "", message.key.id), from_me=False, kind=kind, details=details)
    return Observation(sender, source, bare, hashlib.sha256(_ENCODER.encode(bare)).hexdigest()[:16], told)


def prune(observations: Iterable[Observation]) -> list[Observation]:
    """Drop observations that cannot have an effect, because a later one of the same source knows everything they know.

    One from another import stays: it takes effect again when the later one is undone.
    """
    kept: list[Observation] = []
    for candidate in sorted(_told_once(observations), key=lambda t: t.priority, reverse=True):
        rivals = [k for k in kept if _same_source(k, candidate) and _known(candidate) <= _known(k)]
        left = frozenset(candidate.told).difference(*(rival.told for rival in rivals))
        if left:
            told = candidate.told if len(left) == len(candidate.told) else tuple(sorted(left))
            kept.append(candidate if told is candidate.told else structs.replace(candidate, told=told))
    return sorted(kept, key=lambda t: (t.sender, t.source, t.digest))


def _told_once(observations: Iterable[Observation]) -> Iterable[Observation]:
    """Each observation with all its tellers."""
    found: dict[tuple[int, Source, str], Observation] = {}
    for t in observations:
        key = (t.sender, t.source, t.digest)
        known = found.get(key)
        if known is not None and known.told != t.told:
            t = structs.replace(t, told=together(known.told, t.told))
        found[key] = t
    return found.values()


def _same_source(one: Observation, other: Observation) -> bool:
    """A line of an export keeps its generated id, wherever it is stored."""
    return (one.source, one.sender, one.message.key.id) == (other.source, other.sender, other.message.key.id)


def _known(observation: Observation) -> frozenset[str]:
    names: set[str] = {"text"} if observation.message.text is not None else set()
    if observation.message.kind not in _VAGUE:
        names.add("kind")
    if observation.message.ack is not None:
        names.add(f"ack{observation.message.ack}")
    if observation.message.details.precision != "minute":
        names.add("second")
    if observation.message.details.is_deleted:
        names.add("deletion")
    for name in _DETAIL_FIELDS:
        value = getattr(observation.message.details, name)
        if value is None or value == ():
            continue
        names.add(name)
        if isinstance(value, Notice):
            names.update(f"{name}.{jid}" for jid in value.recipients)
        if isinstance(value, _NESTED):
            names.update(f"{name}.{f}" for f in value.__struct_fields__ if getattr(value, f) not in (None, ()))
    return frozenset(names)


def resolve(
    observations: Sequence[Observation],
    annotations: Collection[Annotation],
    own: int,
    is_group: bool,
    by_name: Collection[int] = (),
) -> list[Resolved]:
    """The messages with one id: one for each known sender, or one with an unknown sender.

    Observations that do not know the sender, or know no more than a name (``by_name``), join the one known
    message; when there are several, they stay apart.
    """
    groups = _by_sender(observations, by_name)
    resolved = []
    for sender, observed in groups:
        # Who is known by name may have joined; what is meant for the name is meant for the one known sender.
        meant = {sender, *(t.sender for t in observed)}
        if len(groups) == 1:
            mine = [a for a in annotations if a.is_meant_for(meant)]
        else:
            mine = [a for a in annotations if a.target in meant]
        resolved.append(_resolve_one(sender, observed, mine, own, is_group))
    return resolved


def _by_sender(observations: Sequence[Observation], by_name: Collection[int]) -> list[tuple[int, list[Observation]]]:
    senders = sorted({t.sender for t in observations if t.sender})
    sure = [sender for sender in senders if sender not in by_name]
    if len(sure) == 1:
        return [(sure[0], list(observations))]
    groups = [(sender, [t for t in observations if t.sender == sender]) for sender in senders]
    anonymous = [t for t in observations if not t.sender]
    if anonymous and len(groups) == 1:
        groups[0][1].extend(anonymous)
    elif anonymous:
        groups.append((0, anonymous))
    return groups


def _resolve_one(
    sender: int, observed: list[Observation], annotations: list[Annotation], own: int, is_group: bool
) -> Resolved:
    best_first = sorted(observed, key=lambda t: t.priority, reverse=True)
    message = _with_held_media(merged([t.message for t in best_first]), annotations)
    edits = edits_of(annotations, sender)
    texts = texts_of(message, edits)
    revokes = [a for a in annotations if a.kind == "revoke" and _may_revoke(a, sender, is_group)]
    times = [a.at for a in revokes if a.at is not None]
    return Resolved(
        sender=sender,
        source=best_first[0].source,
        message=structs.replace(message, text=texts[-1], from_me=sender == own),
        texts=texts,
        prev_text=texts[-2] if len(texts) > 1 else message.details.prev_text,
        edited_at=edits[-1].at if edits else None,
        deleted=bool(revokes) or bool(message.details.is_deleted),
        deleted_at=min(times, default=None),
        has_annotations=bool(annotations),
    )


def resolve_one(observed: Observation, own: int) -> Resolved:
    """The result for a single observation without annotations: the common case in an import."""
    details = observed.message.details
    return Resolved(
        sender=observed.sender,
        source=observed.source,
        message=structs.replace(observed.message, from_me=True) if observed.sender == own else observed.message,
        texts=[observed.message.text],
        prev_text=details.prev_text,
        edited_at=None,
        deleted=bool(details.is_deleted),
        deleted_at=None,
        has_annotations=False,
    )


def _with_held_media(message: Message, annotations: Iterable[Annotation]) -> Message:
    """Stored files fill in what the sources did not know about the media."""
    values = sorted((a.ref, a.value) for a in annotations if a.kind == "media" and a.value)
    if not values:
        return message
    held = [_MEDIA.decode(value) for _, value in values]
    media = _first([m for m in (message.details.media, *held) if m is not None])
    return structs.replace(message, details=structs.replace(message.details, media=media))


def _may_revoke(annotation: Annotation, sender: int, is_group: bool) -> bool:
    return annotation.actor in (0, sender) or (is_group and annotation.value == "admin")


def edits_of(annotations: Iterable[Annotation], sender: int) -> list[Edit]:
    """The author's edits, oldest first; edits by others under this id do not count."""
    mine = [a for a in annotations if a.kind == "edit" and a.actor in (0, sender) and a.value is not None]
    mine.sort(key=lambda a: (a.at or 0, a.ref, a.value or ""))
    return [_one_edit(list(same)) for _, same in groupby(mine, key=lambda a: a.value)]


def _one_edit(same: Sequence[Annotation]) -> Edit:
    """The identity of an edit that several sources reported: its id, or its time if a source does not know the id."""
    first = same[0]
    ids = [a.ref for a in same if a.ref and a.ref != str(a.at)]
    return Edit(text=first.value, at=first.at or 0, id=min(ids, default=first.ref) or None)


def texts_of(message: Message, edits: Sequence[Edit]) -> list[str | None]:
    """Original and edited texts in order. A source that shows the current text only tells no original."""
    base = message.text
    if edits and base == edits[-1].text:
        base = edits[0].text if message.details.prev_text is None else message.details.prev_text
    texts = [base]
    for edit in edits:
        if edit.text != texts[-1]:
            texts.append(edit.text)
    return texts


def original_text(message: Message, edits: Sequence[Edit]) -> str | None:
    """The original text, before any edit."""
    return texts_of(message, edits)[0]


def merged(best_first: Sequence[Message]) -> Message:
    """Field by field the first known value; acks only rise."""
    first = best_first[0]
    if len(best_first) == 1:
        return first
    details = Details(**{name: _first([getattr(m.details, name) for m in best_first]) for name in _DETAIL_FIELDS})
    exact = [m for m in best_first if m.details.precision != "minute"]
    # A message reported as deleted, without text, does not say what kind it was.
    observation = [m for m in best_first if m.text is not None or not m.details.is_deleted]
    kinds = [m.kind for m in observation or best_first if m.kind not in _VAGUE]
    return Message(
        key=first.key,
        sent_at=(exact or best_first)[0].sent_at,
        from_me=first.from_me,
        kind=(kinds or [first.kind])[0],
        text=_first([m.text for m in best_first]),
        ack=highest_ack([m.ack for m in best_first]),
        details=structs.replace(
            details,
            notice=_notice_of_all([notice for m in best_first if (notice := m.details.notice) is not None]),
            precision=(exact or best_first)[0].details.precision,
            is_deleted=True if any(m.details.is_deleted for m in best_first) else details.is_deleted,
        ),
    )


def _notice_of_all(best_first: Sequence[Notice]) -> Notice | None:
    """The best one with everybody whom any of them names: each source may name some, or by another JID."""
    if not best_first:
        return None
    recipients = tuple(dict.fromkeys(jid for notice in best_first for jid in notice.recipients))
    return structs.replace(best_first[0], recipients=recipients)


def highest_ack(acks: Iterable[int | None]) -> int | None:
    """Delivery only rises, except to failed."""
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


def kept_beside(observations: Sequence[Observation], annotations: Annotations) -> bool:
    """Whether observations are stored beside the row, because the row alone would not contain them."""
    return len(observations) > 1 or (bool(observations) and any(a.kind in ALTERING for a in annotations.values()))
