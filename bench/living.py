"""Messages and receipts that arrive while pages are read."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from backscroll.core.events import Batch, Event, MessageSeen, ReceiptSet, Target
from backscroll.core.model import Message, MessageKey
from backscroll.core.query import MessageQuery
from bench.data import PHONES, Loaded
from bench.places import Place

Tell = Callable[[int], Event]
"""The event with a number."""

CHATS = [f"49151{n:08}@s.whatsapp.net" for n in range(20)]
"""Of nobody whose pages are asked for."""


def message(number: int) -> MessageSeen:
    """A message in a chat of nobody whose pages are asked for."""
    return _message(PHONES[0][0], CHATS[number % len(CHATS)], number)


def messages_in(loaded: Loaded, jids: list[str]) -> Tell:
    """Messages in these chats, one after another."""

    def tell(number: int) -> MessageSeen:
        jid = jids[number % len(jids)]
        device, *_ = loaded.chats[jid]
        return _message(dict(map(reversed, PHONES))[device], jid, number)

    return tell


def receipts_in(place: Place, jids: list[str]) -> Tell:
    """Receipts of the newest own messages in these chats, each by somebody else, so that each changes something."""
    store = place.open()
    org = store.list_orgs()[0].no
    phones = tuple(phone.no for phone in store.list_phones(org))
    pages = [store.list_messages(MessageQuery(org=org, phones=phones, chat=jid)).messages for jid in jids]
    store.close()
    keys = [shown.message.key for page in pages for shown in page if shown.message.from_me]

    def tell(number: int) -> ReceiptSet:
        key = keys[number % len(keys)]
        target = Target(key.phone, key.chat, key.id, key.sender)
        return ReceiptSet(target=target, participant=f"49160{number:08}@s.whatsapp.net", ack=3, at=_now())

    return tell


@contextmanager
def arriving(place: Place, per_second: int, took: list[float] | None = None, tell: Tell = message) -> Iterator[None]:
    """Write ``per_second`` single events a second, one per transaction, until the block ends.

    ``took`` receives, for each event, the seconds from when it was due until it was on disk.
    """
    store = place.open()
    org = store.list_orgs()[0].no
    ended = threading.Event()
    # No number twice, however often this is called.
    numbers = itertools.count(time.monotonic_ns() // 10**7)

    def write() -> None:
        due = time.monotonic()
        for number in numbers:
            due += 1 / per_second
            if ended.wait(max(0.0, due - time.monotonic())):
                return
            store.apply(org, Batch(source="linked", events=[tell(number)]))
            if took is not None:
                took.append(time.monotonic() - due)

    for number in range(len(CHATS)):
        # Create the chats before anything is measured.
        store.apply(org, Batch(source="linked", events=[message(number)]))
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


def _message(phone: str, chat: str, number: int) -> MessageSeen:
    now = _now()
    key = MessageKey(phone=f"{phone}@s.whatsapp.net", chat=chat, id=f"LIVE{now:X}{number}", sender=chat)
    return MessageSeen(Message(key=key, sent_at=now, from_me=False, text=f"message {number} that has just arrived"))


def _now() -> int:
    return time.time_ns() // 1000
