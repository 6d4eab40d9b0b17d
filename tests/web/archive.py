"""An archive for the page: two phones, people, a chat with every kind of message, and a long one."""

from __future__ import annotations

import datetime
import random
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from backscroll.config import load
from backscroll.core.coverage import Coverage, origin_of
from backscroll.core.events import (
    Batch,
    ChatSeen,
    ContactSeen,
    Event,
    MessageEdited,
    MessagePinned,
    MessageRevoked,
    MessageSeen,
    PollVoted,
    ReactionSet,
    ReceiptSet,
    Target,
)
from backscroll.core.model import Call, Details, Location, Media, Member, Message, MessageKey, Notice, Org, Poll, Quote
from backscroll.storage.files.keys import load_or_make_key
from backscroll.storage.files.media import MediaStore
from backscroll.storage.store import Store, open_store
from web import scenery

MARA, SALES = "491555000101", "491555000102"
HOUSE, KINDS, ARABIC = "120363900000002@g.us", "120363900000001@g.us", "4917000117@s.whatsapp.net"
LONG = "120363900000003@g.us"
HOSTILE = "4917000666@s.whatsapp.net"
PEOPLE = {
    "Ines": "4917000111@s.whatsapp.net",
    "Tomás": "4917000112@s.whatsapp.net",
    "Jonas": "4917000113@s.whatsapp.net",
    "Karim": "4917000114@s.whatsapp.net",
    "Oma Ruth": "4917000115@s.whatsapp.net",
    "Freya Lund": "4917000116@s.whatsapp.net",
    "ليلى حداد": ARABIC,
}
OTHERS = {"Harbour kiosk": "4917000199@s.whatsapp.net", "Jonas Nyberg": "4917000201@s.whatsapp.net"}
BATCH = 500
SECOND = 1_000_000
MINUTE = 60 * SECOND
DAY = 24 * 60 * MINUTE


def moment(text: str) -> int:
    """Microseconds of a moment in UTC."""
    return int(datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC).timestamp()) * SECOND


class World(Struct, frozen=True, kw_only=True):
    """An archive on disk with an open store; a server may read it at the same time."""

    data: Path
    store: Store
    media: MediaStore
    org: Org
    secret: str

    def apply(self, *events: Event, source: Any = "linked") -> None:
        self.store.apply(self.org.no, Batch(source=source, events=events, raw=b'{"made":"up"}'))

    def held(self, body: bytes, name: str, **fields: Any) -> Media:
        """Store a file in the archive; returns it as the media of a message."""
        file = self.media.put(self.org.no, body, max_bytes=2**24, declared_mimetype=None, filename=name)
        told = {"mimetype": file.mimetype, "size": file.size, "file": file.sha256, "filename": None}
        return Media(**{**told, **fields})


def create(data: Path) -> World:
    settings = load({"BACKSCROLL_DATA": str(data)})
    store = open_store(settings.database, settings.data)
    media = MediaStore(settings.data / "media", load_or_make_key(settings.data / "secret.key"))
    org = store.create_org("Family")
    store.add_phone(org.no, MARA, name="Mara")
    store.add_phone(org.no, SALES, name="Sales")
    token = store.create_token(org.no, name="Browser", scopes=frozenset({"read", "write", "admin", "operator"}))
    return World(data=data, store=store, media=media, org=org, secret=token.secret)


def jid_of(who: str) -> str:
    return {**PEOPLE, **OTHERS}[who]


def say(
    chat: str, id: str, at: int, who: str | None, text: str | None = None, phone: str = MARA, **fields: Any
) -> MessageSeen:
    """A message from ``who``, or from our phone if None; other fields are its details."""
    own = f"{phone}@s.whatsapp.net"
    kind, ack = fields.pop("kind", "text"), fields.pop("ack", 4 if who is None else None)
    key = MessageKey(own, chat, id, own if who is None else jid_of(who))
    details = Details(**fields)
    return MessageSeen(
        Message(key=key, sent_at=at, from_me=who is None, kind=kind, text=text, ack=ack, details=details)
    )


def target(event: MessageSeen) -> Target:
    key = event.message.key
    return Target(key.phone, key.chat, key.id, key.sender)


def chat_seen(chat: str, name: str | None, phone: str = MARA, **fields: Any) -> ChatSeen:
    return ChatSeen(phone=f"{phone}@s.whatsapp.net", chat=chat, name=name, **fields)


def people() -> Iterator[Event]:
    for name, jid in {**PEOPLE, **OTHERS}.items():
        yield ContactSeen(jid=jid, name=name, push_name=name.split()[0].lower(), is_saved=True)
    members = tuple(Member(jid=jid, is_admin=name == "Ines") for name, jid in PEOPLE.items())
    yield chat_seen(HOUSE, "Summer house", members=members, pinned=True, description="Who brings what, and when.")
    yield chat_seen(KINDS, "Every kind of message", members=members)


def every_kind(world: World) -> Iterator[Event]:
    """One message of each kind, in order, and every change that a message can have."""
    start = moment("2026-07-18T06:00:00")

    def at(minute: int) -> int:
        return start + minute * MINUTE

    first = say(KINDS, "K00", at(0), "Ines", MARKS)
    yield first
    yield MessageEdited(target=target(first), text=MARKS + " Edited.", at=at(1))
    yield say(KINDS, "K01", at(1), "Tomás", "🌅🧺")
    picture = say(
        KINDS,
        "K02",
        at(2),
        "Jonas",
        "From the terrace",
        kind="image",
        media=world.held(scenery.landscape(1), "a.jpg", width=1200, height=800),
    )
    yield picture
    small = b64encode(scenery.landscape(2, 64, 43)).decode()
    yield say(
        KINDS,
        "K03",
        at(3),
        None,
        kind="video",
        media=Media(
            mimetype="video/mp4",
            width=1200,
            height=800,
            duration=67,
            size=3_400_000,
            thumbnail=small,
            media_key="a2V5",
            direct_path="/v/x",
        ),
    )
    yield say(
        KINDS,
        "K04",
        at(4),
        "Oma Ruth",
        kind="voice",
        media=world.held(
            scenery.tone(), "v.wav", duration=3, waveform=b64encode(bytes(n * 7 % 100 for n in range(64))).decode()
        ),
    )
    yield say(
        KINDS,
        "K05",
        at(5),
        "Harbour kiosk",
        kind="document",
        media=world.held(b"%PDF-1.4\n" + b"x" * 900, "f.pdf", filename="INV-2026-0042 mooring fee.pdf", pages=3),
    )
    yield say(KINDS, "K06", at(6), "Jonas", kind="image", media=Media(mimetype="image/jpeg", omitted=True))
    yield say(
        KINDS,
        "K07",
        at(7),
        "Tomás",
        kind="location",
        location=Location(latitude=59.3293, longitude=18.0686, name="Old boathouse", address="Strandvägen 7"),
    )
    yield say(KINDS, "K08", at(8), "Karim", kind="contact", vcards=(CARD,))
    poll = say(
        KINDS,
        "K09",
        at(9),
        "Ines",
        kind="poll",
        poll=Poll(name="Which evening for the long table?", options=("Friday", "Saturday", "Sunday"), selectable=1),
    )
    yield poll
    for n, voter in enumerate(PEOPLE.values()):
        yield PollVoted(target=target(poll), by=voter, options=("Saturday" if n else "Friday",), at=at(10))
    yield say(
        KINDS,
        "K10",
        at(11),
        "Oma Ruth",
        kind="sticker",
        media=world.held(scenery.landscape(3, 512, 512), "s.jpg", width=512, height=512),
    )
    own = say(
        KINDS,
        "K11",
        at(12),
        None,
        "Where is this?",
        is_starred=True,
        has_quoted=True,
        quoted=Quote(id="K02", sender=PEOPLE["Jonas"], text="From the terrace", kind="image"),
    )
    yield own
    for n, (who, emoji) in enumerate(zip(("Ines", "Tomás", "Karim"), "👍👍😂", strict=True)):
        yield ReactionSet(target=target(own), by=PEOPLE[who], emoji=emoji, at=at(13) + n)
        yield ReceiptSet(target=target(own), ack=4, participant=PEOPLE[who], at=at(13))
    yield MessagePinned(target=target(own), pinned=True, at=at(13), by=PEOPLE["Ines"], until=at(13) + 100 * 365 * DAY)
    gone = say(KINDS, "K12", at(13), "Tomás", "Do not tell anyone, but it rains on Sunday")
    yield gone
    yield MessageRevoked(target=target(gone), at=at(14))
    yield say(KINDS, "K13", at(17), "Ines", kind="image", is_view_once=True)
    yield say(KINDS, "K14", at(18), "Ines", "The key is under the blue pot.", is_ephemeral=True, expires_after=604800)
    yield say(KINDS, "K15", at(20), "Jonas", kind="ciphertext")
    yield say(
        KINDS,
        "K16",
        at(21),
        "Oma Ruth",
        kind="call",
        call=Call(video=True, outgoing=False, result="connected", duration=1440),
    )
    yield say(KINDS, "K17", at(52), "Karim", kind="call", call=Call(video=False, outgoing=False, result="missed"))
    yield say(KINDS, "K18", at(60), "Ines", kind="notice", notice=Notice(type="add", recipients=(ARABIC,)))
    yield from topics(at)
    yield say(KINDS, "K19", at(66), "Karim", kind="unknown")
    yield say(KINDS, "K20", at(67), "Tomás", "Passed on", is_forwarded=True, forwarding_score=6)
    yield say(KINDS, "K21", at(68), None, "This did not go out", ack=-1)
    yield say(KINDS, "K22", at(70), "ليلى حداد", "سأحضر الحلويات والقهوة إن شاء الله، ومعي الأطفال أيضاً ☕️")


def topics(at: Callable[[int], int]) -> Iterator[Event]:
    """An event, an order, a product and an invitation, in the form in which sources give them."""
    starts = int(moment("2026-07-25T17:00:00") / SECOND)
    party = {
        "name": "Midsummer supper",
        "description": "Bring a chair.",
        "startTime": str(starts),
        "endTime": str(starts + 4 * 3600),
        "location": {"name": "Old boathouse", "address": "Strandvägen 7"},
    }
    yield say(KINDS, "K23", at(61), "Ines", "Midsummer supper", kind="event", interactive=party)
    order = {
        "catalog_id": "1",
        "text": "For Saturday, please",
        "product_items": [
            {"product_retailer_id": "Rye bread", "quantity": 2, "item_price": 4.5, "currency": "EUR"},
            {"product_retailer_id": "Olive rolls", "quantity": 12, "item_price": 0.8, "currency": "EUR"},
        ],
    }
    yield say(KINDS, "K24", at(62), "Harbour kiosk", "For Saturday, please", kind="order", interactive=order)
    product = {"product": {"title": "Chart of the coast", "priceAmount1000": "24900", "currencyCode": "EUR"}}
    yield say(KINDS, "K25", at(63), "Harbour kiosk", "The new edition", kind="product", interactive=product)
    invite = {"groupName": "Regatta 2026", "groupJid": "120363900000077@g.us", "inviteExpiration": str(starts)}
    yield say(KINDS, "K26", at(64), "Jonas", kind="group_invite", invite=invite)


MARKS = (
    "*Bold*, _italic_, ~struck~, `code` and a link to https://example.org/coast?map=2. "
    "Numbers like +49 1555 010 9999 can be searched.\n> A quoted line\n1. first\n2. second\n- bread\n- blankets"
)
CARD = "BEGIN:VCARD\nVERSION:3.0\nFN:Freya Lund\nTEL;type=CELL;waid=4917000116:+49 1700 0116\nEND:VCARD"

TALK = (
    "Good morning! Who brings what?",
    "Bread is mine. Two loaves, ordered at the mill.",
    "I will bring the good map of the coast.",
    "Olives, wine, and something for the children.",
    "The ferry leaves at ten past nine, platform side.",
    "Has anyone seen the key to the boathouse?",
    "It hangs behind the door, where it always hangs.",
    "Rain until noon, then sun. Take a jacket all the same.",
    "I photographed the old map in the museum today.",
    "Then nobody has to rush the dessert.",
    "The kiosk closes early on Sundays.",
    "We are six, maybe seven. Karim does not know yet.",
    "Lovely. I put the kettle on.",
    "The water is warm!",
    "Who takes the first watch at the grill?",
    "Not me, I did it last year.",
    "Ask the harbour master, he has a spare rope.",
    "My train is late, start without me.",
    "We waited. There is still salad.",
    "See you tomorrow.",
)


def conversation(
    world: World, chat: str, count: int, start: int, end: int, seed: int, pictures: bool = True
) -> Iterator[Event]:
    """A conversation over years, in bursts; every twentieth message is a picture, every fifteenth an answer."""
    draws = random.Random(seed)
    names = list(PEOPLE)
    held = (
        [
            world.held(scenery.landscape(n, *size), f"{n}.jpg", width=size[0], height=size[1])
            for n, size in enumerate([(1200, 800), (800, 1000), (1200, 675), (900, 900), (1280, 720)] * 2)
        ]
        if pictures
        else []
    )
    bursts = sorted(start + int((end - start) * draws.random() ** 0.85) for _ in range(count // 8 + 1))
    times = sorted(burst + n * draws.randrange(20, 200) * SECOND for burst in bursts for n in range(8))[:count]
    for n, at in enumerate(times):
        who = None if draws.random() < 0.25 else names[(n // 2 + draws.randrange(2)) % len(names)]
        fields: dict[str, Any] = {}
        if held and n % 20 == 7:
            fields = {"kind": "image", "media": held[n % len(held)]}
        elif n % 15 == 9:
            fields = {
                "quoted": Quote(
                    id=f"{seed}-{max(0, n - draws.randrange(2, 40)):06}", text=draws.choice(TALK), kind="text"
                ),
                "has_quoted": True,
            }
        yield say(chat, f"{seed}-{n:06}", at, who, None if n % 40 == 7 else draws.choice(TALK), **fields)


def summer_house(world: World) -> Iterator[Event]:
    """A group of eleven years; its last day is made for screenshots."""
    yield from conversation(world, HOUSE, 3000, moment("2015-03-03T09:00:00"), moment("2026-07-09T20:00:00"), 7)
    day = moment("2026-07-18T07:00:00")
    yield say(
        HOUSE,
        "H01",
        day + 12 * MINUTE,
        "Ines",
        kind="notice",
        notice=Notice(type="subject", metadata={"new": "Summer house"}),
    )
    asks = say(
        HOUSE,
        "H02",
        day + 14 * MINUTE,
        "Ines",
        "Good morning! Who brings what? *Please write it here*, last year we had _four_ salads and no bread 😄\n"
        "- bread\n- something to drink\n- blankets",
    )
    yield asks
    yield MessageEdited(target=target(asks), text=asks.message.text, at=day + 15 * MINUTE)
    bread = say(
        HOUSE,
        "H03",
        day + 20 * MINUTE,
        "Tomás",
        "Bread is mine. Two loaves, ordered at the mill. They also have the small olive rolls: https://mill.example/rolls",
        has_quoted=True,
        quoted=Quote(id="H02", sender=PEOPLE["Ines"], text="Who brings what?", kind="text"),
    )
    yield bread
    for who, emoji in (("Ines", "🍞"), ("Jonas", "🍞"), ("Karim", "🍞"), ("Oma Ruth", "❤️"), ("ليلى حداد", "❤️")):
        yield ReactionSet(target=target(bread), by=PEOPLE[who], emoji=emoji, at=day + 21 * MINUTE)
    olives = say(HOUSE, "H04", day + 31 * MINUTE, None, "Olives, whine, and the good map.")
    yield olives
    yield MessageEdited(target=target(olives), text="Olives, wine, and the good map.", at=day + 32 * MINUTE)
    yield MessageEdited(
        target=target(olives), text="Olives, wine, and the good map of the coast.", at=day + 35 * MINUTE
    )
    for who in PEOPLE:
        yield ReceiptSet(target=target(olives), ack=4, participant=PEOPLE[who], at=day + 36 * MINUTE)
    yield say(
        HOUSE,
        "H05",
        day + 33 * MINUTE,
        "Oma Ruth",
        kind="voice",
        media=world.held(
            scenery.tone(5),
            "w.wav",
            duration=48,
            waveform=b64encode(bytes((n * 37 + n * n) % 90 + 10 for n in range(64))).decode(),
        ),
    )
    yield say(HOUSE, "H06", day + 41 * MINUTE, "ليلى حداد", "سأحضر الحلويات والقهوة إن شاء الله، ومعي الأطفال أيضاً ☕️")
    yield say(
        HOUSE,
        "H07",
        day + 62 * MINUTE,
        "Jonas",
        "From the terrace, just now. The water is warm!",
        kind="image",
        media=world.held(scenery.landscape(11, 800, 1000), "t.jpg", width=800, height=1000),
    )
    gone = say(HOUSE, "H08", day + 65 * MINUTE, "Karim", "I cannot come, they need me at work again")
    yield gone
    yield MessageRevoked(target=target(gone), at=day + 66 * MINUTE)
    yield say(HOUSE, "H09", day + 118 * MINUTE, "Tomás", "Then Saturday it is 🎉")


def cover(world: World) -> None:
    """Coverage: the summer house has a gap of some days; the phone as a whole is covered for the last two years."""
    phone, house = f"{MARA}@s.whatsapp.net", origin_of("pull", "gowa", "summer house")
    start, gap, again, end, live, last = (
        moment(f"{day}T00:00:00")
        for day in ("2015-03-03", "2019-07-09", "2019-07-14", "2024-06-01", "2024-05-01", "2026-07-19")
    )
    spans = (
        Coverage(phone=phone, chat=HOUSE, since=start, until=gap, origin=house),
        Coverage(phone=phone, chat=HOUSE, since=again, until=end, origin=house),
        Coverage(phone=phone, since=live, until=last, origin=origin_of("pull", "gowa", "everything")),
    )
    world.store.apply(world.org.no, Batch(source="gowa", events=(), coverage=spans))


def small_talk() -> Iterator[Event]:
    """Chats with single people."""
    end = moment("2026-07-17T18:00:00")
    for n, (name, jid) in enumerate({**PEOPLE, **OTHERS}.items()):
        phone = SALES if name in OTHERS else MARA
        for k in range(6):
            text = TALK[(5 * n + 3 * k) % len(TALK)]
            yield say(jid, f"S{n}-{k}", end - n * DAY + k * MINUTE, name if k % 2 else None, text, phone=phone)


def hostile() -> Iterator[Event]:
    """A chat with hostile texts, from a sender with a hostile name."""
    for k, text in enumerate(HOSTILE_TEXTS):
        event = say(HOSTILE, f"hostile/{k}", moment("2026-01-02T10:00:00") + k * MINUTE, "Ines", text)
        key = replace(event.message.key, sender=HOSTILE)
        yield MessageSeen(replace(event.message, key=key))
    yield ContactSeen(jid=HOSTILE, name='<img src=x onerror="document.title=1">\u202egnp.exe', is_saved=True)


HOSTILE_TEXTS = (
    "<script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">",
    "javascript:alert(1) data:text/html,<script>1</script> [x](javascript:1)",
    "\u202etxt.exe \u2066\u2067\u2068 zero\u200bwidth \ufeff",
    "x" * 65_000,
    "*" * 2000 + "_" * 2000 + "~" * 2000,
    "\n" * 500 + "end",
    "ท\u0e49\u0e49\u0e49\u0e49\u0e49\u0e49\u0e49" * 50,
    "https://example.org/" + "a" * 3000,
)


def fill(world: World, *more: Iterator[Event]) -> World:
    """Fill the archive with all parts except the long chat, and with ``more`` of the parts above."""
    for part in (people(), every_kind(world), summer_house(world), small_talk(), *more):
        apply_all(world, part)
    cover(world)
    return world


def apply_all(world: World, events: Iterator[Event]) -> None:
    """Apply events in batches, as a source does with its history."""
    batch: list[Event] = []
    for event in events:
        batch.append(event)
        if len(batch) == BATCH:
            world.apply(*batch)
            batch = []
    world.apply(*batch)


def fill_long(world: World, count: int) -> None:
    """Add one chat of many messages, for measurements."""
    start, end = moment("2015-03-03T09:00:00"), moment("2026-07-01T20:00:00")
    members = tuple(Member(jid=jid) for jid in PEOPLE.values())
    world.apply(chat_seen(LONG, "Long years", members=members))
    apply_all(world, conversation(world, LONG, count, start, end, 9))
