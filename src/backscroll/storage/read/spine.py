"""How the messages of a chat spread over time, told by counters: the same work however many there are."""

from __future__ import annotations

from backscroll.core.answers import Spine
from backscroll.storage.read.names import Reading
from backscroll.storage.records.counters import MONTH, Counter, Scope, start_of


def spine_of(reading: Reading, phone: int, chat: str, month: int | None = None) -> Spine:
    """The months of a chat, or the days of one ``month``. An unknown chat has none."""
    found = reading.names.find(chat)
    if found is None:
        return Spine(buckets=[], before=0, total=0, first_at=None, last_at=None)
    chats = reading.names.numbers_of(found.contact)
    counter = Counter(reading.tx, Scope(org=reading.org, phones=(phone,), chats=chats, mask=0, want=0))
    first_at, last_at = reading.tx.all("ends_of_chats", {"org": reading.org, "phone": phone, "chats": chats})[0]
    return Spine(
        buckets=counter.months() if month is None else counter.days(month),
        before=0 if month is None else counter.up_to(start_of(MONTH, month) - 1),
        total=counter.total(None, None),
        first_at=first_at,
        last_at=last_at,
    )
