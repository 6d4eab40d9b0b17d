"""Made-up archives of any size, the same each time: 2,000 chats of two phones over three years.

    python -m bench.data FOLDER MESSAGES [DATABASE]

loads one as an import does, in batches of 1,000, and says what that cost. DATABASE is a URL, as for the program.
"""

from __future__ import annotations

import base64
import random
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec
from msgspec import Struct

from backscroll.core.events import Batch, ChatSeen, ContactSeen, Event, MessageSeen, PhoneSeen, ReactionSet, Target
from backscroll.core.model import Details, Kind, Media, Member, Message, MessageKey, Quote

if TYPE_CHECKING:
    from backscroll.storage.store import Store

T = TypeVar("T")

SEED = 20_260_115
CHATS = 2_000
BIG_SHARE = 0.2
"""Of all messages, those of chat 0."""
GROUP_SHARE = 0.3
PEOPLE = 3_000
OWN_SHARE, MEDIA_SHARE, REACTION_SHARE, QUOTE_SHARE = 0.4, 0.15, 0.03, 0.1
BEGIN = 1_672_531_200_000_000
SPAN = 3 * 365 * 86_400_000_000
BATCH = 1_000
PHONES = (("919800000001", "desk"), ("919800000002", "field"))
ORG = "Bench"
FILE = "bench.json"
"""In the archive's folder: what the load was like, and how to get in."""

_ENCODE = msgspec.json.Encoder().encode
_KINDS: tuple[tuple[Kind, str, str, float], ...] = (
    ("image", "image/jpeg", "jpg", 0.55),
    ("voice", "audio/ogg; codecs=opus", "ogg", 0.2),
    ("video", "video/mp4", "mp4", 0.08),
    ("document", "application/pdf", "pdf", 0.1),
    ("sticker", "image/webp", "webp", 0.07),
)
_KIND_WEIGHTS = list(accumulate(share for *_, share in _KINDS))
_SYLLABLES = (
    "ba be bi bo ca ce chi co da de di do el en er fa fi go ha in is ja ka la le li lo ma me mi mo na ne ni no on or "
    "pa per po qui ra re ri ro sa se si so ta te ti to tra un ur va ve vi wa ya"
)
_ACCENTED = ("zé", "ção", "ñu", "ü", "ä")
_FLOURISHES = ("😀", "👍", "🙏", "धन्यवाद", "ठीक है", "спасибо", "好的", "https://example.org/p/2291", "10:30", "₹1,250")


class Loaded(Struct, frozen=True, kw_only=True):
    """An archive that is ready, and what loading it cost."""

    messages: int
    token: str
    secret: str
    chats: dict[str, tuple[str, int, int, int]]
    """By JID: device id, messages, those with media, those of one's own."""
    apply_seconds: float
    """In the store alone: cleaning to commit, every index and counter kept."""
    apply_cpu: float
    """The processor's part of that."""
    tenths: list[tuple[float, float]]
    """Of each tenth of the messages: seconds and processor seconds in the store."""
    seconds: float
    early_rss: int
    """Anonymous memory after a tenth, in bytes."""
    late_rss: int


class ChatInfo(Struct, frozen=True):
    jid: str
    phone: int
    members: tuple[str, ...]
    is_group: bool


@lru_cache(1)
def chats() -> tuple[ChatInfo, ...]:
    rng = random.Random(SEED)
    return tuple(_chat(rng, no) for no in range(CHATS))


def _chat(rng: random.Random, no: int) -> ChatInfo:
    phone = 0 if no == 0 or rng.random() < 0.6 else 1
    if no == 0 or rng.random() < GROUP_SHARE:
        members = tuple(person(n) for n in rng.sample(range(PEOPLE), rng.randint(4, 40)))
        return ChatInfo(f"1203634{no:011d}@g.us", phone, members, True)
    return ChatInfo(person(no), phone, (person(no),), False)


def person(no: int) -> str:
    return f"91770{no:07d}@s.whatsapp.net"


@lru_cache(1)
def _weights() -> list[float]:
    """Cumulated: one chat of a fifth, the rest by Zipf."""
    rest = [1 / rank for rank in range(1, CHATS)]
    scale = (1 - BIG_SHARE) / sum(rest)
    return list(accumulate([BIG_SHARE, *(weight * scale for weight in rest)]))


@lru_cache(1)
def _words() -> tuple[list[str], list[float]]:
    rng = random.Random(SEED + 1)
    syllables = _SYLLABLES.split()
    words = ["".join(rng.choices(syllables, k=rng.randint(1, 4))) for _ in range(20_000)]
    words[::25] = [word + rng.choice(_ACCENTED) for word in words[::25]]
    return words, list(accumulate(1 / (rank + 20) for rank in range(len(words))))


def vocabulary() -> list[str]:
    """The made-up words, the most used first."""
    return list(dict.fromkeys(_words()[0]))


def words(rng: random.Random, mean: float = 9.0) -> str:
    """A few words, seldom very many; one text in eight has something besides Latin letters."""
    vocabulary, weights = _words()
    count = max(1, min(400, int(rng.lognormvariate(1.75, 0.9) * mean / 9)))
    text = " ".join(rng.choices(vocabulary, cum_weights=weights, k=count))
    return f"{text} {rng.choice(_FLOURISHES)}" if rng.random() < 0.125 else text


def batches(messages: int) -> Iterator[Batch]:
    """Everything, oldest first: phones, people and chats, then the messages with their payload as received."""
    yield Batch(source="linked", events=[PhoneSeen(jid=number, device_id=device) for number, device in PHONES])
    yield from _batched([_contact(no) for no in range(PEOPLE)])
    yield from _batched([_chat_seen(no, chat) for no, chat in enumerate(chats())])
    for first in range(0, messages, BATCH):
        events = list(events_of(first, min(BATCH, messages - first), messages))
        yield Batch(source="linked", events=events, raw=_ENCODE(events), position=("bench", str(first)))


def _batched(events: list[Event]) -> Iterator[Batch]:
    for at in range(0, len(events), BATCH):
        yield Batch(source="linked", events=events[at : at + BATCH])


def _contact(no: int) -> ContactSeen:
    rng = random.Random(SEED * 3 + no)
    saved = words(rng, 3).title()[:40] if rng.random() < 0.6 else None
    return ContactSeen(jid=person(no), at=BEGIN, name=saved, push_name=words(rng, 2).title()[:25])


def _chat_seen(no: int, chat: ChatInfo) -> ChatSeen:
    name = words(random.Random(SEED * 5 + no), 3).title()[:50] if chat.is_group else None
    members = tuple(Member(jid=jid) for jid in chat.members) if chat.is_group else None
    return ChatSeen(phone=PHONES[chat.phone][0], chat=chat.jid, at=BEGIN, name=name, members=members)


def events_of(first: int, count: int, messages: int) -> Iterator[Event]:
    rng = random.Random(SEED * 7 + first)
    step = SPAN // messages
    before: dict[int, MessageKey] = {}
    for no, chat_no in enumerate(rng.choices(range(CHATS), cum_weights=_weights(), k=count), first):
        message = _message(rng, no, chat_no, BEGIN + no * step + rng.randrange(step + 1), before.get(chat_no))
        before[chat_no] = message.key
        yield MessageSeen(message)
        if rng.random() < REACTION_SHARE:
            key = message.key
            target = Target(key.phone, key.chat, key.id, key.sender)
            by = rng.choice(chats()[chat_no].members)
            yield ReactionSet(target=target, by=by, emoji=rng.choice("👍🙏😂"), at=message.sent_at + 60_000_000)


def _message(rng: random.Random, no: int, chat_no: int, sent_at: int, before: MessageKey | None) -> Message:
    chat = chats()[chat_no]
    own = rng.random() < OWN_SHARE
    sender = f"{PHONES[chat.phone][0]}@s.whatsapp.net" if own else rng.choice(chat.members)
    kind: Kind = "text"
    media = None
    if rng.random() < MEDIA_SHARE:
        kind, media = _media(rng, no)
    text = words(rng) if kind == "text" or (kind in ("image", "video") and rng.random() < 0.3) else None
    quoted = None
    if before is not None and rng.random() < QUOTE_SHARE:
        quoted = Quote(id=before.id, sender=before.sender, text=words(rng), kind="text")
    details = Details(
        media=media,
        quoted=quoted,
        mentions=(rng.choice(chat.members),) if chat.is_group and rng.random() < 0.05 else (),
        is_forwarded=True if rng.random() < 0.04 else None,
    )
    key = MessageKey(PHONES[chat.phone][0], chat.jid, f"3EB0{rng.getrandbits(72):018X}", sender)
    ack = rng.choice((2, 3, 4, 4)) if own else None
    return Message(key=key, sent_at=sent_at, from_me=own, kind=kind, text=text, ack=ack, details=details)


def _media(rng: random.Random, no: int) -> tuple[Kind, Media]:
    kind, mimetype, extension, _ = rng.choices(_KINDS, cum_weights=_KIND_WEIGHTS)[0]
    pictured, heard = kind in ("image", "video", "sticker"), kind in ("voice", "video")
    return kind, Media(
        mimetype=mimetype,
        size=int(rng.lognormvariate(11.5, 1.2)),
        filename=f"Invoice {no}.{extension}" if kind == "document" else None,
        sha256=rng.randbytes(32).hex(),
        width=rng.choice((720, 1080, 1600)) if pictured else None,
        height=rng.choice((960, 1280, 1600)) if pictured else None,
        duration=float(rng.randint(1, 180)) if heard else None,
        media_key=base64.b64encode(rng.randbytes(32)).decode(),
        direct_path=f"/v/t62.7118-24/{rng.getrandbits(50)}_{rng.getrandbits(60)}_n.enc?ccb=11-4&oh={rng.getrandbits(90):x}",
        enc_sha256=base64.b64encode(rng.randbytes(32)).decode(),
    )


# ---------------------------------------------------------------------- loading


class _Watch:
    """Seconds spent inside what it runs, and those that the processor worked."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.cpu = 0.0

    def run(self, work: Callable[[], T]) -> T:
        began, cpu = time.perf_counter(), time.process_time()
        try:
            return work()
        finally:
            self.seconds += time.perf_counter() - began
            self.cpu += time.process_time() - cpu


def load(folder: Path, messages: int, url: str | None = None) -> Loaded:
    """Make the archive in ``folder`` and in the database, both of which are empty."""
    from backscroll.storage.store import open_store

    began, watch, early, stored = time.perf_counter(), _Watch(), 0, 0
    counts: dict[str, list[int]] = {}
    store = open_store(url, folder)
    org = store.create_org(ORG).no
    tenths: list[tuple[float, float]] = []
    before = 0.0, 0.0
    for batch in _written(store, org, batches(messages), watch):
        _count(batch, counts)
        stored += sum(isinstance(event, MessageSeen) for event in batch.events)
        while len(tenths) < 10 and stored >= messages * (len(tenths) + 1) / 10:
            tenths.append((watch.seconds - before[0], watch.cpu - before[1]))
            before = watch.seconds, watch.cpu
            early = early or memory_of("self")[0]
    token = store.create_token(org)
    late = memory_of("self")[0]
    store.close()
    devices = {chat.jid: PHONES[chat.phone][1] for chat in chats()}
    loaded = Loaded(
        messages=messages,
        token=token.id,
        secret=token.secret,
        chats={jid: (devices[jid], *counted) for jid, counted in counts.items()},  # type: ignore[misc]
        apply_seconds=watch.seconds,
        apply_cpu=watch.cpu,
        tenths=tenths,
        seconds=time.perf_counter() - began,
        early_rss=early,
        late_rss=late,
    )
    (folder / FILE).write_bytes(_ENCODE(loaded))
    return loaded


def _written(store: Store, org: int, told: Iterator[Batch], watch: _Watch) -> Iterator[Batch]:
    """Batches when they are on disk."""
    waiting: deque[Batch] = deque()
    with store.bulk_writer(org) as writer:
        while True:
            while not writer.is_full and (batch := next(told, None)) is not None:
                waiting.append(batch)
                watch.run(partial(writer.add, batch))
            if writer.is_empty:
                return
            for _ in watch.run(writer.write):
                yield waiting.popleft()


def _count(batch: Batch, counts: dict[str, list[int]]) -> None:
    for event in batch.events:
        if isinstance(event, MessageSeen):
            message = event.message
            counted = counts.setdefault(message.key.chat, [0, 0, 0])
            counted[0] += 1
            counted[1] += message.details.media is not None
            counted[2] += message.from_me


def memory_of(pid: int | str) -> tuple[int, int]:
    """Anonymous memory of a process, and what it maps of files, in bytes; nothing once it has ended."""
    return _status(pid, "RssAnon"), _status(pid, "RssFile")


def _status(pid: int | str, field: str) -> int:
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(fields[field].split()[0]) * 1024 if field in fields else 0


if __name__ == "__main__":
    done = load(Path(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
    print(
        f"{done.messages} messages in {done.seconds:.0f} s, {done.apply_seconds:.0f} s of them in the store; "
        f"{done.late_rss // 10**6} MB of memory of its own"
    )
