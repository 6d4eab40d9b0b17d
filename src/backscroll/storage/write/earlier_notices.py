"""Group notices that version 0.1.0 stored under ids of its own making, told once more by a source."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

from msgspec import structs

from backscroll.core import events
from backscroll.core.notices import earlier_id
from backscroll.storage.write.event_collector import Key
from backscroll.storage.write.known import KnownReader
from backscroll.storage.write.message_writer import ChatKey


def under_earlier_ids(
    incoming: Sequence[events.Event], known: KnownReader, place_of: Callable[[events.MessageSeen], ChatKey]
) -> Sequence[events.Event]:
    """The events, with the ids under which the archive already holds notices, so that it does not hold them twice."""
    keys: dict[int, Key] = {}
    for at, event in enumerate(incoming):
        if isinstance(event, events.MessageSeen) and event.message.kind == "notice":
            earlier = earlier_id(event.message)
            if earlier is not None:
                keys[at] = (*place_of(event), earlier)
    if not keys:
        return incoming
    wanted: dict[ChatKey, list[str]] = defaultdict(list)
    for phone, chat, id in dict.fromkeys(keys.values()):
        wanted[(phone, chat)].append(id)
    met = known.met(wanted)
    return [_under(event, keys[at][2]) if keys.get(at) in met else event for at, event in enumerate(incoming)]


def _under(event: events.Event, id: str) -> events.Event:
    assert isinstance(event, events.MessageSeen)
    message = event.message
    return events.MessageSeen(structs.replace(message, key=structs.replace(message.key, id=id)))
