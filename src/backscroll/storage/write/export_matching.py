"""Matching lines of exported chats, which have no ids, with the messages that they are, whichever came first.

Within a minute of a chat, lines and messages are matched again whenever one of them changes, in their own order and not
in the order of arrival. The observation of a matched line moves under the message's id, but keeps the id that was made
for it, so that it can be recognised and moved back.
"""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from itertools import islice, takewhile
from typing import Protocol

from msgspec import Struct, structs

from backscroll.core.ids import clean_text
from backscroll.core.model import Message
from backscroll.storage.records.resolve import (
    MOVED,
    Annotation,
    AnnotationKey,
    Annotations,
    Observation,
    Resolved,
    prune,
    put_latest,
)
from backscroll.storage.records.rows import CLASS, EXPORT_PREFIX, kind_flags
from backscroll.storage.records.sorts import is_distinctive, is_wordless, lacks_caption, sort_of
from backscroll.storage.write.event_collector import Observed

MINUTE_US = 60_000_000
_SPACE = re.compile(r"\s+")
_MENTION = re.compile("@(?:\u2068[^\u2068\u2069\n]{1,100}\u2069|[0-9]{5,20})")
_MARKS = re.compile("[\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069\ufeff]")
MATCHED = "line"
"""Kind of the annotation stored under a matched line's id. Its time shows where the line was moved."""


Resolve = Callable[[Sequence[Observation], Annotations], list[Resolved]]
ByName = Callable[[Iterable[int]], Collection[int]]
"""Which of some contacts are known only by name."""


class Held(Protocol):
    """What the archive holds about one id; ``writer.Known``."""

    @property
    def observations(self) -> list[Observation]: ...
    @property
    def annotations(self) -> dict[AnnotationKey, Annotation]: ...


class Outcome(Struct):
    """What the archive is to hold about one id."""

    observations: list[Observation] = []
    annotations: dict[AnnotationKey, Annotation] = {}


class _Saying(Struct):
    """What is stored under one id, of a line or a message, and how it would be shown alone."""

    id: str
    outcome: Outcome
    resolved: Resolved

    @property
    def order(self) -> tuple[int, str]:
        return (self.resolved.message.sent_at, self.id)


def minutes_of(known: Mapping[str, Held], items: Mapping[str, Observed]) -> set[int]:
    """Every minute to which a source assigned some of the ids, before or now."""
    times = [t.message.sent_at for id, what in items.items() for t in (*known[id].observations, *what.observations)]
    times += [a.at for id in items for a in known[id].annotations.values() if a.kind == MATCHED and a.at is not None]
    return {at // MINUTE_US for at in times}


def matched(
    known: Mapping[str, Held], items: Mapping[str, Observed], resolve: Resolve, by_name: ByName
) -> dict[str, Outcome]:
    """The outcome for every id in ``known``. Lines that are matched with messages move under the messages' ids."""
    outcomes = _apart(known, items)
    messages: list[_Saying] = []
    lines: list[_Saying] = []
    for id, outcome in outcomes.items():
        resolved = resolve(outcome.observations, outcome.annotations)
        # If several senders use an id, it is unknown which of them wrote the line.
        if len(resolved) == 1:
            (lines if id.startswith(EXPORT_PREFIX) else messages).append(_Saying(id, outcome, resolved[0]))
    names = by_name(said.resolved.sender for said in (*lines, *messages))
    free = sorted(messages, key=lambda m: m.order)
    left = sorted(lines, key=lambda m: m.order)
    for rule in _RULES:
        left, free = _paired_up(rule, left, free, names)
    return outcomes


def _paired_up(
    rule: _Rule, lines: Sequence[_Saying], messages: Sequence[_Saying], names: Collection[int]
) -> tuple[list[_Saying], list[_Saying]]:
    """Move each line that matches a message to it, in order; returns the remaining lines and messages."""
    waiting: dict[Hashable, deque[tuple[int, _Saying]]] = defaultdict(deque)
    for rank, message in enumerate(messages):
        for key in rule.offers(message.resolved, names):
            waiting[key].append((rank, message))
    taken: set[str] = set()
    left: list[_Saying] = []
    for line in lines:
        found = [_first(waiting.get(key), line, rule, names, taken) for key in rule.asks(line.resolved, names)]
        first = min((one for one in found if one is not None), key=lambda one: one[0], default=None)
        if first is None:
            left.append(line)
        else:
            taken.add(first[1].id)
            _move(line, first[1].outcome)
    return left, [message for message in messages if message.id not in taken]


def _first(
    queue: deque[tuple[int, _Saying]] | None, line: _Saying, rule: _Rule, names: Collection[int], taken: set[str]
) -> tuple[int, _Saying] | None:
    while queue and queue[0][1].id in taken:
        queue.popleft()
    few = islice((one for one in queue or () if one[1].id not in taken), _MAX_COMPARED)
    return next((one for one in few if rule.is_one(line.resolved, one[1].resolved, names)), None)


def _apart(known: Mapping[str, Held], items: Mapping[str, Observed]) -> dict[str, Outcome]:
    """What is stored and reported about each id, with every line moved back under its own id."""
    outcomes = {id: Outcome() for id in known}
    observed: dict[str, list[Observation]] = defaultdict(list)
    for id, held in known.items():
        what = items.get(id, Observed())
        for t in (*held.observations, *what.observations):
            line = t.message.key.id
            observed[line if line.startswith(EXPORT_PREFIX) else id].append(t)
        for annotation in (*held.annotations.values(), *what.annotations):
            _put_apart(outcomes, id, annotation)
    for id, observations in observed.items():
        outcomes[id].observations = prune(observations)
    return outcomes


def _put_apart(outcomes: dict[str, Outcome], id: str, annotation: Annotation) -> None:
    if annotation.line in outcomes:
        put_latest(outcomes[annotation.line].annotations, annotation.at_line)
    elif annotation.kind != MATCHED:
        put_latest(outcomes[id].annotations, annotation)


def _move(line: _Saying, outcome: Outcome) -> None:
    """Move a line's observation, its files and its deletion under the matching message.

    What belongs to another sender of the line's id remains there. Each keeps its target, so that it can be moved back.
    """
    outcome.observations = prune([*outcome.observations, *line.outcome.observations])
    told, senders = line.outcome.annotations, {t.sender for t in line.outcome.observations}
    moved = {key: a for key, a in told.items() if a.kind in MOVED and a.is_meant_for(senders)}
    for annotation in moved.values():
        put_latest(outcome.annotations, structs.replace(annotation, ref=f"{line.id}/{annotation.ref}"))
    mark = Annotation(MATCHED, 0, 0, "", line.resolved.message.sent_at, None)
    line.outcome.observations = []
    line.outcome.annotations = {key: a for key, a in told.items() if key not in moved} | {mark.key: mark}


def _says_the_same(line: Resolved, message: Resolved, names: Collection[int]) -> bool:
    return (
        _sort_of(line.message) == _sort_of(message.message)
        and _same_time(line.message, message.message)
        and line.sender == message.sender
        and not _words(line).isdisjoint(_words(message))
    )


def _says_it_by_name(line: Resolved, message: Resolved, names: Collection[int]) -> bool:
    sort = _sort_of(line.message)
    return (
        sort == _sort_of(message.message)
        and _same_time(line.message, message.message)
        and _may_be_sender(line.sender, message.sender, names)
        and any(is_distinctive(sort, words) for words in _words(line) & _words(message))
    )


def _says_it_changed(line: Resolved, message: Resolved, names: Collection[int]) -> bool:
    return _is_other_version(line, message) and line.sender == message.sender


def _says_it_changed_by_name(line: Resolved, message: Resolved, names: Collection[int]) -> bool:
    return _is_other_version(line, message) and _may_be_sender(line.sender, message.sender, names)


def _leaves_it_out(line: Resolved, message: Resolved, names: Collection[int]) -> bool:
    """One is a file and the other a contact card: a card that was left out of the export looks like any file."""
    return _is_card_and_file(line.message, message.message) and line.sender == message.sender


def _leaves_it_out_by_name(line: Resolved, message: Resolved, names: Collection[int]) -> bool:
    return _is_card_and_file(line.message, message.message) and _may_be_sender(line.sender, message.sender, names)


def _is_card_and_file(line: Message, message: Message) -> bool:
    return {_sort_of(line), _sort_of(message)} == {"media", "contact"} and _same_time(line, message)


def _lacks_caption(line: Resolved, message: Resolved, names: Collection[int]) -> bool:
    return _are_files(line, message) and line.sender == message.sender


def _lacks_caption_by_name(line: Resolved, message: Resolved, names: Collection[int]) -> bool:
    return _are_files(line, message) and _may_be_sender(line.sender, message.sender, names)


def _are_files(line: Resolved, message: Resolved) -> bool:
    if not _same_time(line.message, message.message):
        return False
    have_words = all(any(_words(one)) for one in (line, message))
    return lacks_caption(_sort_of(line.message), _sort_of(message.message), have_words=have_words)


def _tells_the_event(line: Resolved, message: Resolved, names: Collection[int]) -> bool:
    """Whether both are the same call or notice, whose wording differs by language."""
    one, other = (said.message.details.notice for said in (line, message))
    return (
        bool(kind_flags(line.message.kind) & CLASS)
        and line.message.kind == message.message.kind
        and _same_time(line.message, message.message)
        and line.sender in (0, message.sender)
        and (line.message.kind == "call" or (one is not None and other is not None and one.type == other.type))
    )


Keys = Callable[[Resolved, Collection[int]], Iterable[Hashable]]


class _Rule(Struct, frozen=True):
    """When a line matches a message. A line is compared only with messages that share one of its keys, and only with
    the next few of these, so that the work grows with the number of lines in a minute, not with that of pairs."""

    is_one: Callable[[Resolved, Resolved, Collection[int]], bool]
    asks: Keys
    offers: Keys


_MAX_COMPARED = 50


def _times(resolved: Resolved, asks: bool) -> Iterable[Hashable]:
    """Minutes, or seconds if both sides know them."""
    at, is_exact = resolved.message.sent_at, resolved.message.details.precision != "minute"
    minute, second = at // MINUTE_US, ("second", at // 1_000_000)
    if asks:
        return (second, ("loose", minute)) if is_exact else (("any", minute),)
    return (("any", minute), second) if is_exact else (("any", minute), ("loose", minute))


def _by_words(asks: bool) -> Keys:
    """The same sort, sender, time and words."""

    def keys(resolved: Resolved, names: Collection[int]) -> Iterable[Hashable]:
        said = (_sort_of(resolved.message), resolved.sender)
        return [(*said, time, words) for time in _times(resolved, asks) for words in _words(resolved)]

    return keys


def _by_words_and_name(asks: bool) -> Keys:
    """One of the two is known only by name, so each side looks for senders of the other kind."""

    def keys(resolved: Resolved, names: Collection[int]) -> Iterable[Hashable]:
        said = (_sort_of(resolved.message), (resolved.sender in names) != asks)
        return [(*said, time, words) for time in _times(resolved, asks) for words in _words(resolved)]

    return keys


def _by_change(asks: bool, by_name: bool) -> Keys:
    """A changed message can match anything; an unchanged one can match only a changed one."""

    def keys(resolved: Resolved, names: Collection[int]) -> Iterable[Hashable]:
        who: Hashable = (resolved.sender in names) != asks if by_name else resolved.sender
        changed = _is_changed(resolved)
        states = ("all" if changed else "changed",) if asks else ("all", "changed") if changed else ("all",)
        return [(who, time, state) for time in _times(resolved, asks) for state in states]

    return keys


def _by_file(asks: bool, by_name: bool) -> Keys:
    """Files of the same time and sender."""

    def keys(resolved: Resolved, names: Collection[int]) -> Iterable[Hashable]:
        if _sort_of(resolved.message) != "media":
            return ()
        who: Hashable = (resolved.sender in names) != asks if by_name else resolved.sender
        return [(time, who) for time in _times(resolved, asks)]

    return keys


def _by_sort(asks: bool, by_name: bool) -> Keys:
    """The same sort, time and sender. A file may be reported as a contact card, and vice versa."""

    def keys(resolved: Resolved, names: Collection[int]) -> Iterable[Hashable]:
        who: Hashable = (resolved.sender in names) != asks if by_name else resolved.sender
        sort = _sort_of(resolved.message)
        other = {"media": "contact", "contact": "media"}.get(sort)
        return [(other if asks else sort, time, who) for time in _times(resolved, asks)]

    return keys


def _by_event(asks: bool) -> Keys:
    """Calls and notices of the same kind, type and time. A source may not have reported the sender."""

    def keys(resolved: Resolved, names: Collection[int]) -> Iterable[Hashable]:
        message = resolved.message
        type = message.details.notice.type if message.kind != "call" and message.details.notice else None
        senders = {resolved.sender} if asks else {0, resolved.sender}
        return [(message.kind, type, time, sender) for time in _times(resolved, asks) for sender in senders]

    return keys


_RULES = (
    _Rule(_says_the_same, _by_words(True), _by_words(False)),
    _Rule(_says_it_by_name, _by_words_and_name(True), _by_words_and_name(False)),
    _Rule(_says_it_changed, _by_change(True, False), _by_change(False, False)),
    _Rule(_says_it_changed_by_name, _by_change(True, True), _by_change(False, True)),
    _Rule(_leaves_it_out, _by_sort(True, False), _by_sort(False, False)),
    _Rule(_leaves_it_out_by_name, _by_sort(True, True), _by_sort(False, True)),
    _Rule(_lacks_caption, _by_file(True, False), _by_file(False, False)),
    _Rule(_lacks_caption_by_name, _by_file(True, True), _by_file(False, True)),
    _Rule(_tells_the_event, _by_event(True), _by_event(False)),
)
"""The most certain rules first; each is applied to everything that the rules before it left unmatched."""


def _is_other_version(line: Resolved, message: Resolved) -> bool:
    """Edited, deleted or not decrypted on one side, so that the words differ or are missing."""
    if not (_is_changed(line) or _is_changed(message)):
        return False
    if kind_flags(line.message.kind) & CLASS or kind_flags(message.message.kind) & CLASS:
        return False
    one, other = _words(line), _words(message)
    gone = (_may_lack_words(line) and not any(one)) or (_may_lack_words(message) and not any(other))
    alike = gone or any(are_alike(a, b) for a in one for b in other)
    return alike and _same_time(line.message, message.message)


def _is_changed(resolved: Resolved) -> bool:
    return _may_lack_words(resolved) or len(resolved.texts) > 1 or bool(resolved.message.details.is_edited)


def _may_lack_words(resolved: Resolved) -> bool:
    """Deleted, or not understood by the phone or program that tells it."""
    message = resolved.message
    return resolved.deleted or message.kind == "ciphertext" or (message.kind == "unknown" and not message.details.media)


def _sort_of(message: Message) -> str:
    media = message.details.media
    return sort_of(message.kind, is_omitted=media is not None and bool(media.omitted))


def _same_time(line: Message, message: Message) -> bool:
    width = MINUTE_US if "minute" in (line.details.precision, message.details.precision) else 1_000_000
    return line.sent_at // width == message.sent_at // width


def _may_be_sender(one: int, other: int, names: Collection[int]) -> bool:
    """Whether one of them is known only by name, so that it may be the other's name."""
    return 0 not in (one, other) and (one in names) != (other in names)


def _words(resolved: Resolved) -> set[str]:
    """The current and all earlier texts, as far as they are known; of a poll also the question."""
    if is_wordless(resolved.message.kind):
        return {""}
    details = resolved.message.details
    texts = {*resolved.texts, *filter(None, [resolved.prev_text, details.poll.name if details.poll else None])}
    if details.media and details.media.filename in texts:
        # Some programs give a document without a caption the name of its file.
        texts.add(None)
    return {words_of(text) for text in texts}


def words_of(text: str | None) -> str:
    """Text normalised for comparison: sources differ in spaces, direction marks and the names of mentioned people."""
    if not text:
        return ""
    text = _MENTION.sub("@", clean_text(text)[0])
    return _SPACE.sub(" ", text if text.isascii() else _MARKS.sub("", text)).strip()


def are_alike(one: str, other: str) -> bool:
    """Whether one text may be an edited version of the other, because they share half of their words or letters."""
    shared = set(one.split()) & set(other.split())
    if 2 * len(shared) >= min(len(one.split()), len(other.split())):
        return bool(one and other)
    same = _common_start(one, other) + _common_start(one[::-1], other[::-1])
    return 2 * same >= min(len(one), len(other))


def _common_start(one: str, other: str) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
