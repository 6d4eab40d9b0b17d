"""Lines of exported chats have no ids. Here a line and the message that it is become one, whichever came first.

Within a minute of a chat, lines and messages are matched anew whenever one of them changes, in their own order
and not in that of arrival. A matched line's telling moves under the message's id, but keeps the id that was made
for it, so that it can be told apart and go back.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from msgspec import Struct, structs

from backscroll.model import Message
from backscroll.storage.fold import Addon, AddonKey, Addons, Folded, Telling, prune, put_latest
from backscroll.storage.hearing import Told
from backscroll.storage.ledger import EXPORT_PREFIX
from backscroll.storage.parties import Parties
from backscroll.storage.rows import CLASS, kind_flags

MINUTE_US = 60_000_000
_SPACE = re.compile(r"\s+")
ADOPTED = "line"
"""Kind of the add-on that stands under an adopted line's id and tells by its time where the line went."""


Fold = Callable[[Sequence[Telling], Addons], list[Folded]]


class Held(Protocol):
    """What the archive holds about one id; ``writer.Known``."""

    @property
    def tellings(self) -> list[Telling]: ...
    @property
    def addons(self) -> dict[AddonKey, Addon]: ...


class Outcome(Struct):
    """What is to be held about one id."""

    tellings: list[Telling] = []
    addons: dict[AddonKey, Addon] = {}


class _Saying(Struct):
    """What stands under one id, line or message, and how it would be shown alone."""

    id: str
    outcome: Outcome
    folded: Folded

    @property
    def order(self) -> tuple[int, str]:
        return (self.folded.message.sent_at, self.id)


def minutes_of(known: Mapping[str, Held], items: Mapping[str, Told]) -> set[int]:
    """Every minute that some id was or is said to be of."""
    times = [t.message.sent_at for id, what in items.items() for t in (*known[id].tellings, *what.tellings)]
    times += [a.at for id in items for a in known[id].addons.values() if a.kind == ADOPTED and a.at is not None]
    return {at // MINUTE_US for at in times}


def adopted(known: Mapping[str, Held], items: Mapping[str, Told], fold: Fold, parties: Parties) -> dict[str, Outcome]:
    """The outcome for every id in ``known``: lines matched to messages stand under these."""
    outcomes = _apart(known, items)
    messages: list[_Saying] = []
    lines: list[_Saying] = []
    for id, outcome in outcomes.items():
        folded = fold(outcome.tellings, outcome.addons)
        # Under an id that several senders use, nothing tells whose line it would be.
        if len(folded) == 1:
            (lines if id.startswith(EXPORT_PREFIX) else messages).append(_Saying(id, outcome, folded[0]))
    free = sorted(messages, key=lambda m: m.order)
    for line in sorted(lines, key=lambda m: m.order):
        message = next((m for m in free if _is_one(line.folded, m.folded, parties)), None)
        if message is not None:
            free.remove(message)
            _move(line, message.outcome)
    return outcomes


def _apart(known: Mapping[str, Held], items: Mapping[str, Told]) -> dict[str, Outcome]:
    """What is held and told about each id, with every line back under its own."""
    outcomes = {id: Outcome() for id in known}
    told: dict[str, list[Telling]] = defaultdict(list)
    for id, held in known.items():
        what = items.get(id, Told())
        for t in (*held.tellings, *what.tellings):
            line = t.message.key.id
            told[line if line.startswith(EXPORT_PREFIX) else id].append(t)
        for addon in (*held.addons.values(), *what.addons):
            _put_apart(outcomes, id, addon)
    for id, tellings in told.items():
        outcomes[id].tellings = prune(tellings)
    return outcomes


def _put_apart(outcomes: dict[str, Outcome], id: str, addon: Addon) -> None:
    line, _, ref = addon.ref.partition("/")
    if addon.kind == "media" and line.startswith(EXPORT_PREFIX) and line in outcomes:
        put_latest(outcomes[line].addons, structs.replace(addon, ref=ref))
    elif addon.kind != ADOPTED:
        put_latest(outcomes[id].addons, addon)


def _move(line: _Saying, outcome: Outcome) -> None:
    """Put a line's telling and its files under the message that it is."""
    outcome.tellings = prune([*outcome.tellings, *line.outcome.tellings])
    files = [a for a in line.outcome.addons.values() if a.kind == "media"]
    for addon in files:
        put_latest(outcome.addons, structs.replace(addon, target=0, ref=f"{line.id}/{addon.ref}"))
    mark = Addon(ADOPTED, 0, 0, "", line.folded.message.sent_at, None)
    line.outcome.tellings = []
    line.outcome.addons = {a.key: a for a in line.outcome.addons.values() if a.kind != "media"} | {mark.key: mark}


def _is_one(line: Folded, message: Folded, parties: Parties) -> bool:
    return (
        _sort_of(line.message) == _sort_of(message.message)
        and _same_time(line.message, message.message)
        and _same_sender(line.sender, message.sender, parties)
        and not _words(line.texts).isdisjoint(_words(message.texts))
    )


def _sort_of(message: Message) -> str:
    """Kinds that may meet: a file that an export left out does not say which it was."""
    media = message.details.media
    flags = kind_flags(message.kind)
    if flags & CLASS:
        return message.kind
    return "media" if flags or (media is not None and media.omitted) else "message"


def _same_time(line: Message, message: Message) -> bool:
    width = MINUTE_US if "minute" in (line.details.precision, message.details.precision) else 1_000_000
    return line.sent_at // width == message.sent_at // width


def _same_sender(one: int, other: int, parties: Parties) -> bool:
    """The same party, or one that is known by name only and shares it."""
    if one == other:
        return True
    by_name = parties.known_by_name((one, other))
    if 0 in (one, other) or not by_name:
        return False
    a, b = parties.party(one), parties.party(other)
    names = {a.name, a.push_name, a.business_name} & {b.name, b.push_name, b.business_name}
    return bool(names - {None})


def _words(texts: Iterable[str | None]) -> set[str]:
    return {_SPACE.sub(" ", text or "").strip() for text in texts}
