"""Messages that arrive while pages are read."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from backscroll.core.events import Batch, MessageSeen
from backscroll.core.model import Message, MessageKey
from bench.data import PHONES
from bench.places import Place

CHATS = [f"49151{n:08}@s.whatsapp.net" for n in range(20)]
"""Of nobody whose pages are asked for."""


@contextmanager
def arriving(place: Place, per_second: int, took: list[float] | None = None) -> Iterator[None]:
    """Write ``per_second`` single messages a second, in separate chats, until the block ends.

    ``took`` receives, for each message, the seconds from when it was due until it was on disk.
    """
    store = place.open()
    org = store.list_orgs()[0].no
    ended = threading.Event()

    def write() -> None:
        due = time.monotonic()
        for number in itertools.count():
            due += 1 / per_second
            if ended.wait(max(0.0, due - time.monotonic())):
                return
            store.apply(org, Batch(source="linked", events=[_message(number)]))
            if took is not None:
                took.append(time.monotonic() - due)

    for number in range(len(CHATS)):
        # Create the chats before anything is measured.
        store.apply(org, Batch(source="linked", events=[_message(number)]))
    thread = threading.Thread(target=write)
    if per_second:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        if per_second:
            thread.join()
        store.close()


def _message(number: int) -> MessageSeen:
    now = time.time_ns() // 1000
    chat = CHATS[number % len(CHATS)]
    key = MessageKey(phone=f"{PHONES[0][0]}@s.whatsapp.net", chat=chat, id=f"LIVE{now:X}{number}", sender=chat)
    return MessageSeen(Message(key=key, sent_at=now, from_me=False, text=f"message {number} that has just arrived"))
