"""Writes examples/sample.jsonl: what a linked device reports from the time at which the sample's exported chats end.

python tools/make_sample.py > examples/sample.jsonl
"""

from __future__ import annotations

import datetime
import sys
import tempfile
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from backscroll.cli.sample import ALLOTMENT, MARA, NAME, SHOP
from backscroll.core.events import (
    Batch,
    ChatSeen,
    ContactSeen,
    Event,
    MessageEdited,
    MessageRevoked,
    MessageSeen,
    NumberMapped,
    PhoneSeen,
    PollVoted,
    ReactionSet,
    ReceiptSet,
    Target,
)
from backscroll.core.model import Call, Details, Kind, Location, Media, Member, Message, MessageKey, Notice, Poll, Quote
from backscroll.ingest.jsonl import export_jsonl
from backscroll.storage.store import open_store

PICTURE = Media(
    mimetype="image/png",
    size=560,
    filename="IMG-20260910-WA0001.png",
    file="e93c927a50f573f63e1b349abed2b09f095bbd156eb323fce83318f0e034955f",
    width=160,
    height=120,
)
"""A file that comes with the exported chats of the sample."""
BERLIN = ZoneInfo("Europe/Berlin")
ORG_ID = "5f0c3a52-7d1e-4c39-9a63-0f6b1d2e8c47"
MADE_AT = 1_789_900_000_000_000
OWNER, FLORIST = (f"{phone.number}@s.whatsapp.net" for phone in (MARA, SHOP))
BEN, IRA, JUN = (f"491555000100{n}@s.whatsapp.net" for n in (3, 5, 4))
IRA_LID = "99999000000005@lid"


def at(text: str) -> int:
    """``2026-09-07 10:00:12`` in Berlin's time zone, in microseconds."""
    when = datetime.datetime.fromisoformat(text).replace(tzinfo=BERLIN)
    return int(when.timestamp()) * 1_000_000


def id_of(number: int) -> str:
    return f"3EB0C0FFEE{number:010X}"


def between(number: int, when: str, author: str, text: str | None, kind: Kind = "text", **details: Any) -> list[Event]:
    """A message between the two phones of the sample, as each of them stores it."""
    return [
        MessageSeen(
            Message(
                key=MessageKey(phone, other, id_of(number), author),
                sent_at=at(when),
                from_me=author == phone,
                kind=kind,
                text=text,
                ack=4 if author == phone else None,
                details=Details(**details),
            )
        )
        for phone, other in ((OWNER, FLORIST), (FLORIST, OWNER))
    ]


def targets(number: int, author: str) -> list[Target]:
    return [Target(OWNER, FLORIST, id_of(number), author), Target(FLORIST, OWNER, id_of(number), author)]


def read(number: int, author: str, delivered: str, seen: str) -> list[Event]:
    """The other side's receipts, on the phone of the author."""
    [target] = [t for t in targets(number, author) if t.phone == author]
    other = target.chat
    return [
        ReceiptSet(target=target, ack=3, participant=other, at=at(delivered)),
        ReceiptSet(target=target, ack=4, participant=other, at=at(seen)),
    ]


def shop_talk() -> list[Event]:
    thanks = Quote(id=id_of(2), sender=FLORIST, text="Tulips, crocuses and a few alliums. All bulbs, all bees welcome.")
    return [
        *between(1, "2026-09-07 10:00:12", OWNER, "Good morning! Which bulbs do you have for the four beds?"),
        *read(1, OWNER, "2026-09-07 10:00:13", "2026-09-07 10:04:51"),
        *between(2, "2026-09-07 10:05:30", FLORIST, thanks.text, links=None),
        *read(2, FLORIST, "2026-09-07 10:05:31", "2026-09-07 10:06:02"),
        *between(3, "2026-09-07 10:06:40", OWNER, "Alliums! Forty, please.", quoted=thanks, has_quoted=True),
        *read(3, OWNER, "2026-09-07 10:06:41", "2026-09-07 10:07:20"),
        *(ReactionSet(target=t, by=FLORIST, emoji="🌷", at=at("2026-09-07 10:07:25")) for t in targets(3, OWNER)),
        *between(4, "2026-09-07 10:08:03", FLORIST, "They come on Thursday at nine"),
        *(
            MessageEdited(target=t, text="They come on Thursday at ten", at=at("2026-09-07 10:09:00"), by=FLORIST)
            for t in targets(4, FLORIST)
        ),
        *between(5, "2026-09-07 10:10:10", OWNER, "My door code is 4711"),
        *(MessageRevoked(target=t, at=at("2026-09-07 10:10:31"), by=OWNER) for t in targets(5, OWNER)),
        *between(6, "2026-09-07 10:10:50", OWNER, "Ring twice, Ben is at home."),
        *read(6, OWNER, "2026-09-07 10:10:51", "2026-09-07 10:15:00"),
        *(ReactionSet(target=t, by=FLORIST, emoji="👍", at=at("2026-09-07 10:15:04")) for t in targets(6, OWNER)),
        *between(
            7, "2026-09-10 10:02:00", FLORIST, "Missed voice call", kind="call", call=Call(video=False, result="missed")
        ),
        *between(
            8, "2026-09-10 10:03:15", FLORIST, "Nobody opens. I leave the bulbs with the neighbour.", is_forwarded=False
        ),
    ]


def in_group(number: int, when: str, author: str, text: str | None, kind: Kind = "text", **details: Any) -> MessageSeen:
    return MessageSeen(
        Message(
            key=MessageKey(OWNER, ALLOTMENT, id_of(number), author),
            sent_at=at(when),
            from_me=author == OWNER,
            kind=kind,
            text=text,
            ack=3 if author == OWNER else None,
            details=Details(**details),
        )
    )


def group_target(number: int, author: str) -> Target:
    return Target(OWNER, ALLOTMENT, id_of(number), author)


def allotment_talk() -> list[Event]:
    soup = Poll(name="Which soup?", options=("Pumpkin", "Tomato", "Both"), selectable=1)
    bulbs = Quote(id=id_of(102), sender=OWNER, text="Forty alliums on plot 14. Who lends me a dibber?")
    added = Notice(type="add", recipients=(FLORIST,))
    return [
        in_group(101, "2026-09-05 18:00:00", BEN, "Ben Holt added Shop", kind="notice", notice=added),
        in_group(102, "2026-09-10 17:20:09", OWNER, bulbs.text),
        in_group(
            103, "2026-09-10 17:21:40", IRA_LID, "Me. It is in the shed, blue handle.", quoted=bulbs, has_quoted=True
        ),
        in_group(104, "2026-09-10 17:22:05", BEN, "@4915550001001 leave room for my garlic", mentions=(OWNER,)),
        *(
            ReactionSet(target=group_target(104, BEN), by=by, emoji=emoji, at=at(f"2026-09-10 17:2{n}:30"))
            for n, (by, emoji) in enumerate(((OWNER, "😂"), (IRA_LID, "😂"), (JUN, "🧄")), 3)
        ),
        in_group(107, "2026-09-10 17:30:00", BEN, "Plot 14, before the alliums", kind="image", media=PICTURE),
        in_group(105, "2026-09-12 09:00:00", IRA_LID, soup.name, kind="poll", poll=soup),
        *(
            PollVoted(target=group_target(105, IRA_LID), by=by, options=(choice,), at=at(f"2026-09-12 09:1{n}:00"))
            for n, (by, choice) in enumerate(((BEN, "Pumpkin"), (OWNER, "Both"), (JUN, "Both")))
        ),
        in_group(
            106,
            "2026-09-13 11:30:00",
            JUN,
            None,
            kind="location",
            location=Location(latitude=52.491222, longitude=13.436671, name="Canal gate"),
        ),
        *(
            ReceiptSet(target=group_target(102, OWNER), ack=4, participant=who, at=at("2026-09-10 17:25:00"))
            for who in (BEN, IRA_LID)
        ),
        ReceiptSet(target=group_target(102, OWNER), ack=3, participant=JUN, at=at("2026-09-10 17:26:00")),
    ]


def people() -> list[Event]:
    members = (
        Member(jid=BEN, is_admin=True, is_super_admin=True),
        *(Member(jid=jid) for jid in (OWNER, IRA, JUN, FLORIST)),
    )
    return [
        *(PhoneSeen(jid=f"{p.number}@s.whatsapp.net", device_id=p.device_id, name=p.name) for p in (MARA, SHOP)),
        ContactSeen(jid=BEN, name="Ben Holt", push_name="Ben", is_saved=True),
        ContactSeen(jid=IRA, name="Ira Novak", push_name="ira 🌻", is_saved=True),
        ContactSeen(jid=JUN, push_name="Jun"),
        ContactSeen(jid=OWNER, push_name="Mara"),
        ContactSeen(jid=FLORIST, name="Shop", business_name="Canal Street Flowers", is_business=True),
        NumberMapped(lid=IRA_LID, jid=IRA),
        ChatSeen(phone=OWNER, chat=ALLOTMENT, name="Allotment: plots 14 & 15", members=members, pinned=True),
        ChatSeen(phone=FLORIST, chat=OWNER, unread=0, labels=("regulars",)),
    ]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(None, Path(folder), clock=lambda: MADE_AT)
        org = store.create_org(NAME, ORG_ID)
        store.apply(org.no, Batch(source="linked", events=[*people(), *shop_talk(), *allotment_talk()]))
        export_jsonl(store, sys.stdout.buffer, org=org)
        store.close()


if __name__ == "__main__":
    main()
