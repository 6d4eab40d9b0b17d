"""Two chats that turn out to be one: equal lines in the exports of both become one line.

The id of a line depends on the chat that the importer knew, so the same line has two ids if the chat was known under
two names. Lines are paired in order, each with the first unpaired line of the same content, so that two equal
messages remain two.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct, structs

from backscroll.core.model import MessageKey
from backscroll.storage.records.resolve import Annotation, Observation, observation
from backscroll.storage.records.rows import EXPORT_PREFIX, MessageRow
from backscroll.storage.write.batch import Writer
from backscroll.storage.write.event_collector import Observed
from backscroll.storage.write.export_matching import MATCHED, MINUTE_US, words_of
from backscroll.storage.write.known import Known


class _Line(Struct):
    """A line, the id under which it is stored, and its observations."""

    id: str
    host: str
    observations: list[Observation]

    @property
    def order(self) -> tuple[int, str]:
        return (self.observations[0].message.sent_at, self.id)


def join_lines(writer: Writer, phone: int, loser: int, winner: int, rows: Iterable[MessageRow]) -> None:
    """Move the observations of the loser's lines to the winner's lines with the same content.

    ``rows`` are rows of the loser's chat, of whole minutes.
    """
    minutes = {row.sent_at // MINUTE_US for row in rows}
    moving = _lines(writer.known_in(phone, loser, minutes))
    waiting: dict[Any, list[_Line]] = defaultdict(list)
    for line in sorted(_lines(writer.known_in(phone, winner, minutes)), key=lambda line: line.order):
        waiting[_key(writer, line)].append(line)
    observed: dict[tuple[int, int, str], Observed] = {}
    for line in sorted(moving, key=lambda line: line.order):
        alike = waiting[_key(writer, line)]
        # A line that was matched with a message moves with the message.
        if alike and line.host == line.id:
            partner = alike.pop(0)
            observed[(phone, winner, partner.id)] = _taken_out(writer, phone, loser, line, partner)
    writer.settle(observed)


def _lines(known: Mapping[str, Known]) -> list[_Line]:
    found: dict[tuple[str, str], list[Observation]] = defaultdict(list)
    for host, held in known.items():
        for t in held.observations:
            if t.message.key.id.startswith(EXPORT_PREFIX):
                found[host, t.message.key.id].append(t)
    return [
        _Line(line, host, sorted(some, key=lambda t: t.priority, reverse=True)) for (host, line), some in found.items()
    ]


def _key(writer: Writer, line: _Line) -> tuple[Any, ...]:
    """What two lines must have in common. Authors known only by name are the same if their names are."""
    told = line.observations[0]
    message = told.message
    author: int | str | None = told.sender
    if told.sender in writer.resolver.known_by_name([told.sender]):
        author = writer.resolver.contact_row(told.sender).display_name or told.sender
    media = message.details.media
    return (message.sent_at // MINUTE_US, author, message.kind, words_of(message.text), media and media.filename)


def _taken_out(writer: Writer, phone: int, loser: int, line: _Line, partner: _Line) -> Observed:
    """Remove a line and move its observations to its partner."""
    held = writer.known_under(phone, loser, [line.id])[line.id]
    writer.write_outcome(phone, loser, line.id, held, [], {})
    sender = partner.observations[0].sender
    told = [_renamed(t, sender, partner.id) for t in held.observations]
    author = {t.sender: sender for t in held.observations if t.sender}
    return Observed(told, [_of(author, a) for a in held.annotations.values() if a.kind != MATCHED])


def _of(author: Mapping[int, int], a: Annotation) -> Annotation:
    """An annotation by the author or for the author, rewritten for the partner."""
    return structs.replace(a, actor=author.get(a.actor, a.actor), target=author.get(a.target, a.target))


def _renamed(t: Observation, sender: int, id: str) -> Observation:
    message = structs.replace(t.message, key=MessageKey("", "", id))
    return observation(sender, t.source, message, t.told)
