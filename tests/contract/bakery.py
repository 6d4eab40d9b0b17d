"""A bakery's archive: two phones, people, a group, and one message of every kind in the contracts."""

from __future__ import annotations

import base64
from pathlib import Path

from backscroll.core.events import MediaHeld, MessageEdited, MessageRevoked, ReactionSet, ReceiptSet
from backscroll.core.model import Call, Location, Media, Member, Notice, Poll, Quote
from contract.world import Teller, World, known_as, micros, same_person, user

SHOP, OVEN = "918527184400", "6281111111111"
ANA, BEN, CARO = user("6289685028129"), user("4915112345678"), user("919537851844")
BEN_LID = "77700011122233@lid"
GROUP, QUIET_GROUP = "120363025246125916@g.us", "120363099999999999@g.us"
STRANGER = user("33600000000")
JPEG = bytes.fromhex("ffd8ffe000104a46494600010100000100010000ffd9")
THUMBNAIL = base64.b64encode(JPEG).decode()
CAKE = f"{SHOP}:false_{ANA}_M03"
"""The key of a picture with a stored file, a thumbnail and the payload in which it arrived."""

DAY = "2024-01-15T"


class Bakery(World):
    """The phone ``shop`` has the chats, ``oven`` one message; the client ``both`` reads everything."""

    def __init__(self, folder: Path, database: str | None = None) -> None:
        super().__init__(folder, database=database)
        self.shop = self.phone(SHOP, "my-device", "Hill Street Bakery")
        self.oven = self.phone(OVEN, "oven")
        self._people()
        self._talk_with_ana()
        self._other_chats()
        oven = Teller(self.oven)
        self.tell(oven.message(ANA, "OVEN1", f"{DAY}09:00:00+00:00", "canary of the oven"))
        self.one = self.client([self.shop])
        self.both = self.client()
        self.none = self.client([])

    def _people(self) -> None:
        shop = Teller(self.shop)
        self.tell(
            known_as(ANA, "Ana"),
            known_as(BEN, push_name="ben ☕"),
            same_person(BEN_LID, BEN),
            shop.chat(ANA, created_at=micros("2023-05-01T08:00:00+00:00"), updated_at=micros(f"{DAY}11:00:00+00:00")),
            shop.chat(BEN, archived=True, ephemeral_seconds=86_400),
            shop.chat(GROUP, name="Neighbours 100%", members=(Member(jid=ANA, is_admin=True), Member(jid=BEN))),
            shop.chat(QUIET_GROUP),
        )

    def _talk_with_ana(self) -> None:
        shop = Teller(self.shop)
        picture = self.media.put(
            self.org.no, JPEG, max_bytes=10_000, declared_mimetype="image/jpeg", filename="cake.jpg"
        )
        self.tell(
            shop.message(ANA, "M01", f"{DAY}10:00:00+00:00", "Olá, 50% off_today? <b>&</b>"),
            shop.message(ANA, "M02", f"{DAY}10:01:00+00:00", "Yes, 500 off today", from_me=True, ack=2),
            shop.message(
                ANA,
                "M03",
                f"{DAY}10:02:00+00:00",
                "the CAKE",
                kind="image",
                media=Media(mimetype="image/jpeg", size=len(JPEG), filename="cake.jpg", thumbnail=THUMBNAIL),
            ),
            shop.message(
                ANA,
                "M04",
                f"{DAY}10:03:00+00:00",
                kind="document",
                from_me=True,
                media=Media(
                    mimetype="application/pdf", size=51_200, filename="bill.pdf", url="https://mmg.example/x.enc"
                ),
            ),
            shop.message(
                ANA, "M05", f"{DAY}10:04:00+00:00", kind="voice", media=Media(mimetype="audio/ogg; codecs=opus")
            ),
            shop.message(ANA, "call:C06", f"{DAY}10:05:00+00:00", kind="call", call=Call(metadata={"call_id": "C06"})),
            shop.message(ANA, "M07", f"{DAY}10:06:00+00:00", "tie one"),
            shop.message(ANA, "M08", f"{DAY}10:06:00+00:00", "tie two"),
            shop.message(ANA, "M09", f"{DAY}10:06:00+00:00", "tie three", from_me=True),
            shop.message(
                ANA,
                "M10",
                f"{DAY}10:07:00+00:00",
                kind="location",
                location=Location(latitude=-6.2, longitude=106.8, name="Bakery", address="Hill Street 1"),
            ),
            shop.message(
                ANA,
                "M11",
                f"{DAY}10:08:00+00:00",
                kind="contact",
                vcards=("BEGIN:VCARD\nVERSION:3.0\nFN:Ben Müller\nTEL;waid=4915112345678:+49 151 12345678\nEND:VCARD",),
            ),
            shop.message(
                ANA,
                "M12",
                f"{DAY}10:09:00+00:00",
                kind="poll",
                poll=Poll(name="Which bread?", options=("rye", "wheat")),
            ),
            shop.message(
                ANA, "M13", f"{DAY}10:10:00+00:00", kind="sticker", media=Media(mimetype="image/webp", size=7)
            ),
            shop.message(ANA, "M14", f"{DAY}10:11:00+00:00", "frist words"),
            shop.message(ANA, "M15", f"{DAY}10:12:00+00:00", "said and taken back"),
            shop.message(
                ANA,
                "M16",
                f"{DAY}10:13:00+00:00",
                "an answer",
                quoted=Quote(id="M02", sender=self.shop.jid, text="Yes"),
                client_ref="0b3a5a0e-1111-4222-8333-444455556666",
            ),
            shop.message(ANA, "N17", f"{DAY}10:14:00+00:00", "encrypted", kind="notice", notice=Notice(type="e2e")),
            MessageEdited(target=shop.target(ANA, "M14", ANA), text="first words", at=micros(f"{DAY}10:20:00+00:00")),
            MessageRevoked(target=shop.target(ANA, "M15", ANA), at=micros(f"{DAY}10:21:00+00:00")),
            ReactionSet(
                target=shop.target(ANA, "M02"), by=ANA, emoji="👍", at=micros(f"{DAY}10:22:00+00:00"), id="R01"
            ),
            ReactionSet(
                target=shop.target(ANA, "M02"), by=self.shop.jid, emoji="🎂", at=micros(f"{DAY}10:23:00+00:00")
            ),
            ReactionSet(target=shop.target(ANA, "M03"), by=ANA, emoji="❤️", at=micros(f"{DAY}10:24:00+00:00")),
            ReactionSet(target=shop.target(ANA, "M03"), by=ANA, emoji="", at=micros(f"{DAY}10:25:00+00:00")),
            ReceiptSet(target=shop.target(ANA, "M02"), ack=3, participant=ANA, at=micros(f"{DAY}10:01:01+00:00")),
            ReceiptSet(target=shop.target(ANA, "M02"), ack=4, participant=ANA, at=micros(f"{DAY}10:01:02+00:00")),
            MediaHeld(
                target=shop.target(ANA, "M03", ANA),
                media=Media(file=picture.sha256, size=picture.size, mimetype="image/jpeg", filename="cake.jpg"),
            ),
            raw=b'{"what": "came"}',
        )

    def _other_chats(self) -> None:
        shop = Teller(self.shop)
        self.tell(
            shop.message(BEN_LID, "B01", f"{DAY}12:00:00+00:00", "by my lid"),
            shop.message(BEN, "B02", f"{DAY}12:01:00+00:00", "by my number"),
            shop.message(GROUP, "G01", f"{DAY}13:00:00+00:00", "hello all", sender=ANA),
            shop.message(GROUP, "G02", f"{DAY}13:01:00+00:00", "hello", sender=BEN_LID, mentions=(ANA,)),
            shop.message(GROUP, "G03", f"{DAY}13:02:00+00:00", "welcome", from_me=True),
            shop.message(
                GROUP,
                "N04",
                f"{DAY}13:03:00+00:00",
                "Ana added Caro",
                kind="notice",
                sender=ANA,
                notice=Notice(type="add", recipients=(CARO,)),
            ),
            shop.message("status@broadcast", "S01", f"{DAY}08:00:00+00:00", "my status", sender=ANA),
            shop.message("120363111111111111@newsletter", "W01", f"{DAY}08:01:00+00:00", "news"),
        )


MESSAGES_OF_ANA = [
    *("M16", "M15", "M14", "M13", "M12", "M11", "M10", "M09", "M08", "M07"),
    *("call:C06", "M05", "M04", "M03", "M02", "M01"),
]
"""Newest first, as GOWA's route lists them."""
