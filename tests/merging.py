"""Two chats of one person, under a LID and a number, and what readers see while they become one."""

from __future__ import annotations

from typing import Any

from msgspec import structs

from backscroll.core.answers import Thread
from backscroll.core.events import Batch, Event, MessageSeen, NumberMapped, ReactionSet, Target
from backscroll.core.model import Details, Media, Message, MessageKey, Org, Phone
from backscroll.core.query import ChatQuery, MediaQuery, MessageQuery, ThreadQuery
from backscroll.storage.read.media_lists import list_media
from backscroll.storage.read.spine import spine_of
from backscroll.storage.read.threads import Threads
from backscroll.storage.store import Store
from backscroll.storage.write import merge
from backscroll.storage.write.batch import apply_batch
from conftest import MORNING

LID, NUMBER, GROUP = "22222222222@lid", "4915112345678@s.whatsapp.net", "120363041234567890@g.us"
SECOND = 1_000_000


def messages(phone: Phone, chat: str, count: int, prefix: str, late: int = 0) -> list[Event]:
    """Every tenth message has a file, every twentieth a reaction; the times of two chats alternate."""
    events: list[Event] = []
    for i in range(count):
        id = f"{prefix}{i:06}"
        details = Details(media=Media(file=f"{i:064x}", mimetype="image/png")) if i % 10 == 0 else Details()
        key = MessageKey(phone.jid, chat, id, LID if chat == GROUP else None)
        at = MORNING + (2 * i + late) * SECOND
        kind: Any = "image" if i % 10 == 0 else "text"
        events.append(
            MessageSeen(Message(key=key, sent_at=at, from_me=i % 3 == 0, kind=kind, text=f"word {i}", details=details))
        )
        if i % 20 == 0:
            events.append(ReactionSet(target=Target(phone.jid, chat, id), by=LID, emoji="👍", at=at))
    return events


def fill(store: Store, org: Org, phone: Phone, count: int) -> None:
    for chat, prefix, late in ((LID, "L", 0), (NUMBER, "N", 1)):
        events = messages(phone, chat, count, prefix, late)
        for start in range(0, len(events), 5000):
            store.apply(org.no, Batch(source="backup", events=events[start : start + 5000]))


def only_map(store: Store, org: Org) -> None:
    """Map the two to one chat, without moving any row."""
    batch = Batch(source="linked", events=[NumberMapped(lid=LID, jid=NUMBER)])
    store._engine.write(lambda tx: apply_batch(tx, org.no, batch, MORNING, lambda: "phone-x"), org.no)


def step(store: Store, org: Org, limit: int) -> bool:
    return store._engine.write(lambda tx: merge.merge_step(tx, org.no, MORNING, limit), org.no)


def seen_as_one(store: Store, org: Org, phone: Phone, count: int) -> None:
    """What a reader sees at any moment after the mapping."""
    base: dict[str, Any] = {"org": org.no, "phones": (phone.no,)}
    for jid in (LID, NUMBER, "4915112345678@c.us"):
        page = store.list_messages(MessageQuery(chat=jid, limit=40, **base))
        assert page.total == 2 * count
        assert [m.message.sent_at for m in page.messages] == [
            MORNING + i * SECOND for i in range(2 * count - 1, 2 * count - 41, -1)
        ]
        assert {m.message.key.chat for m in page.messages} == {NUMBER}
    deep = store.list_messages(MessageQuery(chat=LID, offset=2 * count - 3, limit=10, **base))
    assert [m.message.key.id for m in deep.messages] == ["L000001", "N000000", "L000000"]
    assert store.list_messages(MessageQuery(chat=LID, media_only=True, **base)).total == 2 * -(-count // 10)
    chats = store.list_chats(ChatQuery(**base))
    assert [(c.jid, c.lid, c.messages, c.last_message_at) for c in chats.chats] == [
        (NUMBER, LID, 2 * count, MORNING + (2 * count - 1) * SECOND)
    ]
    assert chats.total == 1
    threads_as_one(store, org, phone, count)


def threads_as_one(store: Store, org: Org, phone: Phone, count: int) -> None:
    """The chat read in parts, in both directions, its files, and its first and last time."""
    times = [MORNING + i * SECOND for i in range(2 * count)]
    base = ThreadQuery(org=org.no, phone=phone.no, chat=LID, limit=150)
    newest = read(store, base)
    parts = [newest]
    while not parts[-1].found_oldest:
        parts.append(read(store, structs.replace(base, before=parts[-1].oldest)))
    assert [m.message.sent_at for part in reversed(parts) for m in part.messages] == times
    assert [part.found_newest for part in parts] == [True, *(False for _ in parts[1:])]
    after = read(store, structs.replace(base, after=parts[-1].newest, limit=7))
    first = len(parts[-1].messages)
    assert [m.message.sent_at for m in after.messages] == times[first : first + 7]
    middle = read(store, structs.replace(base, at=times[count], limit=5))
    assert [m.message.sent_at for m in middle.messages] == times[count - 2 : count + 3]
    around = read(store, structs.replace(base, around=middle.target, limit=5))
    assert [m.message.key.id for m in around.messages] == [m.message.key.id for m in middle.messages]
    query = MediaQuery(org=org.no, phones=(phone.no,), chat=NUMBER, kinds=("image",), limit=2 * count)
    files = store.ask(org.no, lambda reading: list_media(reading, query))
    assert [m.message.sent_at for m in files.messages] == [
        at for i, at in reversed([*enumerate(times)]) if i // 2 % 10 == 0
    ]
    spine = store.ask(org.no, lambda reading: spine_of(reading, phone.no, LID))
    assert (spine.first_at, spine.last_at, spine.total) == (times[0], times[-1], 2 * count)


def read(store: Store, query: ThreadQuery) -> Thread:
    return store.ask(query.org, lambda reading: Threads(reading, query).read())
