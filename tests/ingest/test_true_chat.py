"""Any exports of parts of a chat, from either kind of phone, with or without live rows: each message is stored once."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Struct

from backscroll.core.events import Batch, Event, MessageEdited, MessageRevoked, MessageSeen, Target
from backscroll.core.model import Details, Media, Message, MessageKey
from backscroll.core.query import ChatQuery, MessageQuery
from backscroll.ingest.exports.importer import import_export
from backscroll.storage.files.media import MediaStore
from backscroll.storage.store import Store, open_store
from backscroll.storage.transfer.check.run import findings_of_org
from conftest import OwnDatabase
from thorough import examples

ME = "4915550001001@s.whatsapp.net"
BEN, IRA_LID = "4915550001003@s.whatsapp.net", "77777777777@lid"
GROUP = "120363041234567890@g.us"
NINE = 1_773_478_800_000_000
SECOND = 1_000_000
NAMES = {"Mara": None, "Ben": BEN, "Ira": IRA_LID}
"""From names in the exports to JIDs of a linked device, which has other names; None is the owner."""


class Said(Struct, frozen=True):
    """A message of the real chat; ``changed_before`` is the number of messages after which it was changed."""

    at: int
    author: str
    text: str
    is_media: bool
    is_place: bool
    is_live: bool
    change: str | None
    changed_before: int

    def text_at(self, count: int) -> str:
        """The text in an export that was made after ``count`` messages."""
        if self.change is None or count < self.changed_before:
            return self.text
        return f"{self.text} indeed" if self.change == "edit" else ""


class Cut(Struct, frozen=True):
    """An export of the messages from ``start`` on, made when the chat had ``stop`` messages."""

    start: int
    stop: int
    ios: bool
    with_media: bool


class TrueChat(Struct, frozen=True):
    said: list[Said]
    cuts: list[Cut]
    is_group: bool

    def shows_text(self, number: int) -> bool:
        """Whether some source tells the text of a message as it is: an iPhone exports no captions."""
        said = self.said[number]
        by_phone = (cut.start <= number < cut.stop and not (cut.ios and said.is_media) for cut in self.cuts)
        return bool(said.text) and said.change is None and (said.is_live or any(by_phone))

    def covered(self) -> set[int]:
        exported = {i for cut in self.cuts for i in range(cut.start, cut.stop)}
        return exported | {i for i, said in enumerate(self.said) if said.is_live}


@st.composite
def true_chats(draw: st.DrawFn) -> TrueChat:
    is_group = draw(st.booleans())
    count = draw(st.integers(4, 14))
    cuts = []
    for _ in range(draw(st.integers(2, 4))):
        start = draw(st.integers(0, count - 2))
        cuts.append(Cut(start, draw(st.integers(start + 1, count)), draw(st.booleans()), draw(st.booleans())))
    times = [0]
    for _ in range(count - 1):
        times.append(times[-1] + draw(st.sampled_from([0, 3, 20, 55, 61, 600])))
    # If an export splits a minute, an "ok" or a deletion in one half cannot be told from that in the other half.
    edges = {times[i] // 60 for cut in cuts for i in (cut.start, cut.stop - 1)}
    said = []
    for number, at in enumerate(times):
        kind = draw(st.sampled_from(["ok", "ok", "words", "words", "media", "caption", "place"]))
        if at // 60 in edges:
            kind = "words"
        changes = [None, None, "edit", "delete"] if kind == "words" and at // 60 not in edges else [None]
        said.append(
            Said(
                at=at,
                author=draw(st.sampled_from(["Mara", "Ben", "Ira"] if is_group else ["Mara", "Ben"])),
                text="ok" if kind == "ok" else f"sentence {number}" if kind in ("words", "caption") else "",
                is_media=kind in ("media", "caption"),
                is_place=kind == "place",
                is_live=draw(st.booleans()),
                change=draw(st.sampled_from(changes)),
                changed_before=number + draw(st.integers(1, 4)),
            )
        )
    return TrueChat(said, cuts, is_group)


def written(chat: TrueChat, cut: Cut) -> tuple[str, dict[str, bytes]]:
    """The text of an export and the files beside it."""
    lines, files = [], {}
    for number in range(cut.start, cut.stop):
        said = chat.said[number]
        at = datetime.datetime.fromtimestamp(NINE // SECOND + said.at, datetime.UTC)
        head = at.strftime("[%d/%m/%Y, %H:%M:%S] " if cut.ios else "%d/%m/%Y, %H:%M - ")
        text = said.text_at(cut.stop)
        caption = f"\n{text}" if text and not cut.ios else ""
        if said.is_media and cut.with_media:
            name = f"IMG-20260314-WA{number:04}.jpg"
            files[name] = b"\xff\xd8\xff" + bytes([number])
            text = f"\u200e<attached: {name}>" if cut.ios else f"\u200e{name} (file attached){caption}"
        elif said.is_media:
            text = "\u200eimage omitted" if cut.ios else f"<Media omitted>{caption}"
        elif said.is_place:
            label = "\u200eLocation" if cut.ios else "location"
            text = f"{label}: https://maps.google.com/?q=52.5,13.{number}"
        elif text == "":
            text = "\u200eThis message was deleted." if cut.ios else "This message was deleted"
        elif text != said.text:
            text += " \u200e<This message was edited>" if cut.ios else " <This message was edited>"
        lines.append(f"{head}{said.author}: {text}")
    return "\n".join(lines) + "\n", files


class Shelf:
    """One database with room for many archives."""

    def __init__(self, folder: Path, database: str | None) -> None:
        self._folder = folder
        self.store: Store = open_store(database, folder)
        self._media = MediaStore(folder / "media", bytes(32))
        self._made = 0

    def close(self) -> None:
        self.store.close()

    def new_org(self) -> int:
        self._made += 1
        org = self.store.create_org(f"org {self._made}").no
        self.store.add_phone(org, ME, name="Mara")
        return org

    def take(self, org: int, chat: TrueChat, cut: Cut) -> None:
        text, files = written(chat, cut)
        folder = self._folder / f"{org}-{cut.start}-{cut.stop}-{cut.ios}-{cut.with_media}"
        folder.mkdir(exist_ok=True)
        (folder / "_chat.txt").write_text(text)
        for name, body in files.items():
            (folder / name).write_bytes(body)
        jid = GROUP if chat.is_group else BEN
        [phone] = self.store.list_phones(org)
        import_export(
            self.store,
            self._media,
            org,
            phone,
            folder,
            chat=jid,
            timezone="UTC",
            day_first=True,
            me="Mara",
        )

    def tell(self, org: int, event: Event) -> None:
        self.store.apply(org, Batch(source="linked", events=[event]))


def live(chat: TrueChat, number: int) -> list[Event]:
    """The events of a linked device for a message, its change included."""
    said = chat.said[number]
    jid, sender = (GROUP if chat.is_group else BEN), NAMES[said.author]
    at = NINE + said.at * SECOND
    message = Message(
        key=MessageKey(ME, jid, f"3EB0{number:02}", sender),
        sent_at=at,
        from_me=sender is None,
        kind="image" if said.is_media else "location" if said.is_place else "text",
        text="The shed" if said.is_place else said.text or None,
        details=Details(
            push_name=f"{said.author}'s own name", media=Media(mimetype="image/jpeg") if said.is_media else None
        ),
    )
    target = Target(ME, jid, f"3EB0{number:02}", ME if sender is None else sender)
    if said.change == "edit":
        return [MessageSeen(message), MessageEdited(target=target, text=f"{said.text} indeed", at=at + SECOND)]
    return [MessageSeen(message), *([MessageRevoked(target=target, at=at + SECOND)] if said.change else [])]


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory, own_database: OwnDatabase) -> Iterator[Shelf]:
    made = Shelf(tmp_path_factory.mktemp("shelf"), own_database())
    yield made
    made.close()


@settings(max_examples=examples(12, 120), deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_each_true_message_stands_there_once(shelf: Shelf, data: st.DataObject) -> None:
    chat = data.draw(true_chats())
    org = shelf.new_org()
    steps: list[Cut | Event] = [*chat.cuts]
    for number, said in enumerate(chat.said):
        if said.is_live:
            steps += live(chat, number)
    for step in data.draw(st.permutations(steps)):
        if isinstance(step, Cut):
            shelf.take(org, chat, step)
        else:
            shelf.tell(org, step)
    store = shelf.store
    assert store._engine.read(lambda tx: findings_of_org(tx, org), org) == []
    phones = tuple(phone.no for phone in store.list_phones(org))
    page = store.list_messages(MessageQuery(org=org, phones=phones, limit=1000))
    covered = chat.covered()
    truth = Counter((NINE // SECOND + chat.said[i].at) // 60 for i in covered)
    assert Counter(m.message.sent_at // SECOND // 60 for m in page.messages) == truth
    [seen] = store.list_chats(ChatQuery(org=org, phones=phones)).chats
    assert (page.total, seen.messages) == (len(covered), len(covered))
    assert Counter(m.message.from_me for m in page.messages) == Counter(chat.said[i].author == "Mara" for i in covered)
    texts = {m.message.text for m in page.messages}
    assert texts >= {chat.said[i].text for i in covered if chat.shows_text(i)}
