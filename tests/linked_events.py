"""Events of the library, built as its own protobuf, and pushed through its own dispatch into a spool."""

from __future__ import annotations

import ctypes
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from neonize._binder import func_callback_bytes
from neonize.events import EVENT_TO_INT
from neonize.proto import Neonize_pb2 as neonize
from neonize.proto.waE2E import WAWebProtobufsE2E_pb2 as e2e

from backscroll.linked.bodies import Bodies, Own
from backscroll.linked.client import Client
from backscroll.linked.local import Local
from backscroll.linked.numbers import Numbers
from backscroll.linked.spool import Spool

OWN, OWN_LID = "4915550001001", "90000000000001"
ANA, ANA_LID = "4915550001002", "90000000000002"
BEN = "4915550001003"
GROUP = "120363000000000001"
SECONDS = 1_796_000_000
MICROS = SECONDS * 1_000_000
MAX_FILE = 10 << 20


def net(user: str) -> str:
    return f"{user}@s.whatsapp.net"


def jid(user: str = "", server: str = "s.whatsapp.net", device: int = 0) -> Any:
    """A JID as the library writes it; the empty one for no user."""
    return neonize.JID(
        User=user, Server=server if user else "", Device=device, RawAgent=0, Integrator=0, IsEmpty=not user
    )


def source(chat: Any, sender: Any, *, from_me: bool = False, sender_alt: Any = None, recipient_alt: Any = None) -> Any:
    return neonize.MessageSource(
        Chat=chat,
        Sender=sender,
        IsFromMe=from_me,
        IsGroup=chat.Server == "g.us",
        SenderAlt=sender_alt or jid(),
        RecipientAlt=recipient_alt or jid(),
        BroadcastListOwner=jid(),
    )


def direct(sender: str = ANA) -> Any:
    """The source of a message between the account and Ana."""
    return source(jid(ANA), jid(sender, device=3), from_me=sender == OWN)


def in_group(sender: str = ANA, **more: Any) -> Any:
    return source(jid(GROUP, "g.us"), jid(sender, device=2), from_me=sender == OWN, **more)


def info(id: str, where: Any = None, seconds: int = SECONDS) -> Any:
    """The envelope of a message."""
    return neonize.MessageInfo(
        MessageSource=where or direct(),
        ID=id,
        ServerID=0,
        Type="text",
        Pushname="Ana",
        Timestamp=seconds * 1000,
        Category="",
        Multicast=False,
        MediaType="",
        Edit="",
    )


def message(content: Any, id: str = "A1", where: Any = None, seconds: int = SECONDS, **flags: Any) -> Any:
    """A message as it arrives, with the flags that the library sets when it unwraps one."""
    names = ("IsEphemeral", "IsViewOnce", "IsViewOnceV2", "IsViewOnceV2Extension", "IsDocumentWithCaption")
    given = {name: flags.get(name, False) for name in (*names, "IsLottieSticker", "IsEdit")}
    return neonize.Message(
        Info=info(id, where, seconds), Message=content, UnavailableRequestID="", RetryCount=0, Raw=content, **given
    )


def text(words: str, **more: Any) -> Any:
    """The content of a plain text."""
    return e2e.Message(conversation=words, **more)


def receipt(kind: str, ids: list[str], where: Any, seconds: int = SECONDS) -> Any:
    return neonize.Receipt(
        MessageSource=where, MessageIDs=ids, Timestamp=seconds, Type=neonize.Receipt.ReceiptType.Value(kind)
    )


class Phone:
    """A device without a network: events are pushed into it; it gives what its process would send to the server."""

    def __init__(self, folder: Path, clock: int = MICROS) -> None:
        self.noticed: list[Any] = []
        self.failed: list[BaseException] = []
        self._now = clock
        self.spool = Spool(folder / "spool", self._clock)
        self.local = Local(folder / "local.db")
        self.session = folder / "session.db"
        self.bodies = Bodies(self.local, MAX_FILE, Numbers(self.session).of)
        self.own = Own(net(OWN), f"{OWN_LID}@lid")
        self.client = Client(
            self.spool,
            notice=self.noticed.append,
            code=lambda code: None,
            status=lambda status: None,
            fail=self.failed.append,
        )
        # The library calls this pointer.
        self._call = func_callback_bytes(self.client.event.execute)

    def learn(self, lids: dict[str, str]) -> None:
        """Let the session know the numbers behind these LIDs, both without server."""
        with closing(sqlite3.connect(self.session)) as db, db:
            db.execute("CREATE TABLE IF NOT EXISTS whatsmeow_lid_map (lid TEXT PRIMARY KEY, pn TEXT UNIQUE NOT NULL)")
            db.executemany("INSERT INTO whatsmeow_lid_map VALUES (?, ?)", [*lids.items()])

    def _clock(self) -> int:
        self._now += 1
        return self._now

    def push(self, event: Any) -> None:
        """Pass the event to the library's own callback, as its Go part does."""
        payload = event.SerializeToString()
        buffer = ctypes.create_string_buffer(payload, len(payload))
        self._call(b"backscroll", ctypes.addressof(buffer), len(payload), EVENT_TO_INT[type(event)])
        assert not self.failed, self.failed

    def lines(self) -> Iterator[bytes]:
        """The bodies that the process would send; they are removed from the spool as if they were committed."""
        while (entry := self.spool.next(timeout=0)) is not None:
            for body in self.bodies.of(entry, self.own):
                yield json.dumps(body).encode()
            self.spool.remove(entry.no)

    def close(self) -> None:
        self.local.close()
