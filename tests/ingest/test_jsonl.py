"""Export and import of JSON lines: nothing is lost or added, and an incomplete file is refused."""

from __future__ import annotations

import hashlib
import io
import json
import random
import re
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import pytest
from click.testing import CliRunner, Result

from backscroll.cli.main import main
from backscroll.core.errors import Conflict, NewerData, NotFound, Unreadable
from backscroll.core.events import (
    Batch,
    ChatLabeled,
    ChatSeen,
    ContactSeen,
    Event,
    LabelSeen,
    MediaHeld,
    MessageEdited,
    MessagePinned,
    MessageRevoked,
    MessageSeen,
    NumberMapped,
    PhoneSeen,
    PollVoted,
    ReactionSet,
    ReceiptSet,
    Target,
)
from backscroll.core.model import (
    SOURCE_RANK,
    Call,
    Details,
    Kind,
    Location,
    Media,
    Member,
    Message,
    MessageKey,
    Notice,
    Org,
    Poll,
    Quote,
)
from backscroll.core.query import MessageQuery
from backscroll.ingest.jsonl import End, ImportSummary, export_jsonl, import_jsonl
from backscroll.storage.files.compressed_files import packed_file
from backscroll.storage.files.media import MediaStore
from backscroll.storage.records.registers import Registers, decode_registers, join
from backscroll.storage.store import Store, open_store
from plain_sql import PlainSql

NOON = 1_767_182_400_000_000
MINUTE = 60_000_000
SHOP, HOME = "919876543210@s.whatsapp.net", "4915112345678@s.whatsapp.net"
ANA, BEN, CEM = (f"49151000000{n}@s.whatsapp.net" for n in (1, 2, 3))
ANA_LID, BEN_LID, SHOP_LID = "111111111111@lid", "222222222222@lid", "999999999999@lid"
GROUP, CHANNEL, MADE_UP = "120363000000000001@g.us", "120363000000000009@newsletter", "ana.0123456789@export"
DOCS = Path(__file__).parents[2] / "docs" / "jsonl.md"


class World:
    """A separate archive in a folder or a database, with one media folder beside it."""

    def __init__(self, folder: Path, database: str | None, clock: int = NOON) -> None:
        self.clock = clock
        self.store: Store = open_store(database, folder, lambda: self.clock)
        self.media = MediaStore(folder / "media", b"k" * 32)
        self.sql = PlainSql(database, folder)
        self._place = ["--data", str(folder), *(["--database", database] if database else [])]

    def close(self) -> None:
        self.sql.close()
        self.store.close()

    def org(self, name: str = "Bakery") -> Org:
        return self.store.create_org(name, "2997dd64-89bf-48d3-9a22-b314fca017e5")

    def exported(self, org: Org, chat: str | None = None, raws: bool = False) -> bytes:
        out = io.BytesIO()
        export_jsonl(self.store, out, org=org, chat=chat, raws=raws)
        return out.getvalue()

    def take(self, data: bytes, org: str | None = None) -> ImportSummary:
        return import_jsonl(self.store, self.media, io.BytesIO(data), org=org)

    def picture(self) -> dict[str, Any]:
        """Everything that is stored of the events, with JIDs in place of row numbers."""
        return {name: list(rows) for name, rows in _pictured(self.sql)}

    def run(self, *arguments: str, stdin: bytes = b"") -> Result:
        """Run a command on this archive."""
        return CliRunner().invoke(main, [*arguments, *self._place], input=stdin)


def _pictured(sql: PlainSql) -> Iterator[tuple[str, list[Any]]]:
    ask = sql.rows
    jids = dict(
        ask(
            "SELECT c.contact, coalesce(m.jid, c.jid) FROM contacts c LEFT JOIN contacts m ON m.contact = c.merged_into"
        )
    )
    jids[0] = ""
    phones = dict(ask("SELECT phone, jid FROM phones"))
    yield "phones", list(ask("SELECT jid, phone_id, device_id, name, created_at FROM phones ORDER BY phone"))
    shown = "jid, lid, kind, name, push_name, business_name, facts"
    yield "contacts", sorted(ask(f"SELECT {shown} FROM contacts WHERE merged_into IS NULL"), key=repr)
    yield "aliases", sorted((jid, jids[contact]) for jid, contact in ask("SELECT jid, contact FROM aliases"))
    for table, columns in (
        ("chats", "last_at, has_media, facts"),
        (
            "messages",
            "sender, id, sent_at, flags, kind, text, details, ack, deleted_at, edited_at, prev_text, fts, client_ref, "
            "source, stored_at, changed_at",
        ),
        ("tellings", "sender, id, source, message"),
        ("addons", "actor, target, id, kind, ref, at, value"),
        (
            "tallies",
            "level, bucket, plain_in, plain_out, media_in, media_out, calls_in, calls_out, notices_in, notices_out",
        ),
    ):
        named = {"sender": 0, "actor": 0, "target": 1}
        places = (
            [n for c, n in named.items() if c in columns.split(", ")[n]] if table not in ("chats", "tallies") else []
        )
        rows = [
            (phones[phone], jids[chat], *(jids[v] if i in places else v for i, v in enumerate(rest)))
            for phone, chat, *rest in ask(f"SELECT phone, chat, {columns} FROM {table}")
        ]
        if table == "tallies":
            rows = [row for row in rows if any(row[4:])]
        if table == "tellings":
            rows = [(*row[:-1], msgspec.json.decode(row[-1], type=Message)) for row in rows]
        yield table, sorted(rows, key=repr)
    labels: dict[tuple[str, str], Registers] = {}
    for phone, label, facts in ask("SELECT phone, label, facts FROM labels"):
        join(labels.setdefault((phones[phone], label), {}), decode_registers(facts))
    yield "labels", sorted(labels.items())
    yield "positions", sorted(ask("SELECT stream, place FROM positions"))
    yield "raws", sorted(ask("SELECT digest, source, type, payload FROM raws"))


@pytest.fixture
def world(tmp_path: Path, database_url: str | None) -> Iterator[World]:
    made = World(tmp_path / "one", database_url)
    yield made
    made.close()


@pytest.fixture
def other(tmp_path: Path, other_database_url: str | None) -> Iterator[World]:
    made = World(tmp_path / "other", other_database_url, NOON + 1_000_000)
    yield made
    made.close()


# ---------------------------------------------------------------------- archives to try


class Gossip:
    """Generates events of sources from a seed."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)

    def batches(self, count: int = 40) -> list[Batch]:
        yes = self.dice.random
        phones = (
            PhoneSeen(jid=SHOP, device_id="till", name="Till"),
            PhoneSeen(jid=HOME, phone_id="phone-abcdefghijklmnop"),
        )
        batches = [Batch(source="linked", events=phones)]
        for n in range(count):
            events = [self.event() for _ in range(self.dice.randint(1, 8))]
            batches.append(
                Batch(
                    source=self.dice.choice(list(SOURCE_RANK)),
                    events=events,
                    raw=b'{"n":%d}' % n if yes() < 0.2 else None,
                    position=("pull", str(n)) if yes() < 0.1 else None,
                )
            )
        return batches

    def event(self) -> Event:
        made: list[Event] = [
            *[self.message()] * 8,
            MessageEdited(target=self.target(), text=self.text(), at=self.time(), by=self.maybe(self.person())),
            MessageEdited(target=self.target(), text="edited", at=self.time(), id=self.dice.choice(["E1", "E2"])),
            MessageRevoked(target=self.target(), at=self.maybe(self.time()), by=self.maybe(self.person())),
            MessageRevoked(target=self.target(), at=self.time(), by=BEN, by_admin=True),
            ReactionSet(
                target=self.target(), by=self.person(), emoji=self.dice.choice(["👍", ""]), at=self.maybe(self.time())
            ),
            ReceiptSet(
                target=self.target(),
                ack=self.dice.choice([3, 4, 5]),
                participant=self.maybe(self.person()),
                at=self.time(),
            ),
            PollVoted(target=self.target(), by=self.person(), options=self.dice.choice([(), ("rye",)]), at=self.time()),
            MessagePinned(
                target=self.target(),
                pinned=self.dice.random() < 0.7,
                at=self.time(),
                by=self.maybe(self.person()),
                until=self.maybe(self.time()),
            ),
            MediaHeld(target=self.target(), media=Media(file="ab" * 32, size=5, mimetype="image/jpeg")),
            self.chat_seen(),
            self.label(),
            self.contact(),
            self.mapped(ANA_LID, ANA, BEN_LID, BEN),
            self.mapped(SHOP_LID, SHOP, MADE_UP, ANA),
        ]
        return self.dice.choice(made)

    def mapped(self, one: str, number: str, two: str, other: str) -> Event:
        mappings: list[Event] = [NumberMapped(lid=one, jid=number), NumberMapped(lid=two, jid=other), self.contact()]
        return self.dice.choice(mappings)

    def maybe(self, value: Any) -> Any:
        return value if self.dice.random() < 0.6 else None

    def time(self) -> int:
        return NOON + self.dice.randint(0, 20) * 7_000_000

    def text(self) -> str:
        return self.dice.choice(["two loaves, please", "ok", "naïve café 🥐", "see you at nine", ""])

    def person(self) -> str:
        return self.dice.choice([ANA, BEN, CEM, ANA_LID, BEN_LID, SHOP, SHOP_LID])

    def chat(self) -> str:
        return self.dice.choice([ANA, ANA_LID, BEN_LID, GROUP, GROUP, GROUP, CHANNEL, "status@broadcast", HOME])

    def id(self) -> str:
        return f"{self.dice.choice(['3EB0', '3EB0', '3EB0', 'exp_'])}{self.dice.randint(0, 30):02}"

    def target(self) -> Target:
        return Target(self.phone(), self.chat(), self.id(), self.maybe(self.person()))

    def phone(self) -> str:
        return self.dice.choice([SHOP, SHOP, HOME])

    def message(self) -> MessageSeen:
        kinds: list[Kind] = ["text", "text", "text", "image", "poll", "call", "notice", "location", "unknown"]
        kind = self.dice.choice(kinds)
        key = MessageKey(self.phone(), self.chat(), self.id(), self.maybe(self.person()))
        return MessageSeen(
            Message(
                key=key,
                sent_at=self.time(),
                from_me=self.dice.random() < 0.3,
                kind=kind,
                text=self.maybe(self.text()),
                ack=self.maybe(self.dice.randint(-1, 5)),
                details=self.details(kind),
            )
        )

    def details(self, kind: str) -> Details:
        return Details(
            media=Media(mimetype="image/jpeg", duration=1.5, url=self.maybe("https://x.example/a"))
            if kind == "image"
            else None,
            poll=Poll(name="Bread?", options=("rye", "spelt")) if kind == "poll" else None,
            call=Call(video=True, metadata={"b": [1, None], "a": "x"}) if kind == "call" else None,
            notice=Notice(type="add", recipients=(ANA_LID,)) if kind == "notice" else None,
            location=Location(latitude=48.5, longitude=9.25) if kind == "location" else None,
            quoted=self.maybe(Quote(id=self.id(), sender=ANA_LID, text="ok")),
            mentions=self.dice.choice([(), (BEN_LID,)]),
            push_name=self.maybe(self.dice.choice(["Ana", "Ben"])),
            updated_at=self.maybe(self.time()),
            precision=self.dice.choice([None, "minute"]),
            is_deleted=self.dice.choice([None, None, True]),
            raw_data=self.maybe({"z": 1.0, "a": {"deep": [True, None, "é"]}}),
            client_ref=self.maybe("ref-1"),
        )

    def chat_seen(self) -> ChatSeen:
        return ChatSeen(
            phone=self.phone(),
            chat=self.chat(),
            at=self.maybe(self.time()),
            name=self.maybe(self.dice.choice(["Bakers", "Suppliers"])),
            unread=self.maybe(3),
            members=self.maybe((Member(jid=ANA_LID, is_admin=True), Member(jid=BEN, name="Ben"))),
            labels=self.maybe(self.dice.choice([(), ("late", "vip")])),
            extras=self.maybe({"chat_org_phones": [None, "1"], "a": {"b": 1}}),
        )

    def label(self) -> Event:
        label, at = self.dice.choice(["9", "12"]), self.maybe(self.time())
        if self.dice.random() < 0.5:
            labeled = self.dice.random() < 0.7
            return ChatLabeled(phone=self.phone(), chat=self.chat(), label=label, labeled=labeled, at=at)
        name, deleted = self.maybe(self.dice.choice(["late", "paid"])), self.maybe(self.dice.random() < 0.3)
        return LabelSeen(phone=self.phone(), id=label, at=at, name=name, color=self.maybe(3), deleted=deleted)

    def contact(self) -> ContactSeen:
        return ContactSeen(
            jid=self.dice.choice([self.person(), MADE_UP, CHANNEL]),
            at=self.maybe(self.time()),
            name=self.maybe(self.dice.choice(["Ana", "Zoë"])),
            push_name=self.maybe("nickname"),
            is_business=self.maybe(False),
            labels=self.maybe(()),
        )


def fill(world: World, seed: int) -> Org:
    org = world.org()
    for batch in Gossip(seed).batches():
        world.clock += 1_000_000
        world.store.apply(org.no, batch)
    return org


@pytest.fixture
def small(world: World) -> bytes:
    org = world.org()
    seen = MessageSeen(Message(key=MessageKey(SHOP, ANA, "A1"), sent_at=NOON, from_me=False, text="two loaves"))
    edit = MessageEdited(target=Target(SHOP, ANA, "A1"), text="three loaves", at=NOON + MINUTE)
    events: list[Event] = [PhoneSeen(jid=SHOP), ContactSeen(jid=ANA, name="Ana"), seen, edit]
    world.store.apply(org.no, Batch(source="webhook", events=events))
    return world.exported(org)


def resealed(lines: list[bytes]) -> bytes:
    """The lines with a completion record that matches them."""
    observed = sum(b'"type":"message"' in line for line in lines)
    end = End(len(lines), observed, hashlib.sha256(b"".join(lines)).hexdigest())
    return b"".join(lines) + msgspec.json.encode(end) + b"\n"


# ---------------------------------------------------------------------- out and in again


@pytest.mark.parametrize("seed", range(16))
def test_out_and_in_again_gives_the_same_archive_and_the_same_file(world: World, other: World, seed: int) -> None:
    org = fill(world, seed)
    first = world.exported(org, raws=True)
    other.clock = world.clock
    taken = other.take(first)
    assert taken.changed > 0
    assert other.picture() == world.picture()
    (copy,) = other.store.list_orgs()
    assert (copy.id, copy.name, copy.created_at) == (org.id, org.name, org.created_at)
    assert other.exported(copy, raws=True) == first
    assert list(other.store.check()) == []


@pytest.mark.parametrize("seed", range(100, 106))
def test_taking_a_file_in_twice_or_where_it_came_from_changes_nothing(world: World, other: World, seed: int) -> None:
    org = fill(world, seed)
    data = world.exported(org, raws=True)
    before = world.picture()
    other.take(data)
    assert world.take(data).changed == other.take(data).changed == 0
    assert world.picture() == before == other.picture()


def test_only_the_time_of_the_export_differs_between_two_exports(world: World) -> None:
    org = fill(world, 1)
    one = world.exported(org).splitlines()
    world.clock += MINUTE
    two = world.exported(org).splitlines()
    assert one[1:-1] == two[1:-1]
    assert one[0] != two[0]


def test_an_import_that_was_cut_goes_on(world: World, other: World) -> None:
    data = world.exported(fill(world, 2))
    lines = data.splitlines(keepends=True)
    # Between two messages: one that more is told of later has changed since, and says so.
    cut = max(at for at, line in enumerate(lines[:41]) if b'"stored_at":' in line)
    other.take(resealed(lines[:cut]))
    other.take(data)
    whole = world.picture()
    found = other.picture()
    assert found.pop("raws") == []
    assert {name: rows for name, rows in whole.items() if name != "raws"} == found


def test_one_chat_comes_with_those_who_wrote_in_it_and_nobody_else(world: World, other: World, small: bytes) -> None:
    org = world.store.find_org("Bakery")
    seen = Message(key=MessageKey(SHOP, BEN, "B1"), sent_at=NOON, from_me=True, text="secret")
    world.store.apply(org.no, Batch(source="webhook", events=[MessageSeen(seen), PhoneSeen(jid=HOME)]))
    data = world.exported(org, chat=ANA.partition("@")[0])
    assert BEN.encode() not in data
    assert HOME.encode() not in data
    other.take(data)
    (copy,) = other.store.list_orgs()
    (phone,) = other.store.list_phones(copy.no)
    page = other.store.list_messages(MessageQuery(org=copy.no, phones=(phone.no,)))
    assert [m.message.text for m in page.messages] == ["three loaves"]
    with pytest.raises(NotFound):
        world.exported(org, chat="4900000000")


def test_tokens_and_quarantine_stay_behind(world: World, small: bytes) -> None:
    org = world.store.find_org("Bakery")
    token = world.store.create_token(org.no, "Secret token")
    world.store.quarantine(org.no, "webhook", b"unreadable bytes", "no JSON")
    assert world.exported(org) == small
    assert token.id.encode() not in small


# ---------------------------------------------------------------------- into which organisation


def test_a_file_meets_what_is_there_already(world: World, other: World, small: bytes) -> None:
    org = other.org()
    phone = other.store.add_phone(org.no, "919876543210")
    seen = Message(key=MessageKey(SHOP, ANA_LID, "A1"), sent_at=NOON, from_me=False, text="two loaves")
    other.store.apply(org.no, Batch(source="gowa", events=[NumberMapped(lid=ANA_LID, jid=ANA), MessageSeen(seen)]))
    other.take(small)
    assert other.store.list_messages(MessageQuery(org=org.no, phones=(phone.no,))).total == 1


def test_an_organisation_of_the_same_name_but_another_id_is_left_alone(other: World, small: bytes) -> None:
    org = other.store.create_org("Bakery")
    with pytest.raises(Conflict, match='--org "Bakery"'):
        other.take(small)
    assert other.store.list_phones(org.no) == ()
    assert other.take(small, org="Bakery").changed > 0
    with pytest.raises(NotFound):
        other.take(small, org="Nobody")


# ---------------------------------------------------------------------- files that are not whole


def test_a_file_cut_after_any_line_is_refused_and_nothing_is_written(other: World, small: bytes) -> None:
    lines = small.splitlines(keepends=True)
    for count in range(len(lines)):
        for cut in (b"".join(lines[:count]), b"".join(lines[:count]) + lines[count][:-1]):
            with pytest.raises(Unreadable, match=r"cut|empty|not the beginning"):
                other.take(cut)
    assert other.store.list_orgs() == []


def test_a_file_with_a_changed_byte_is_refused_and_nothing_is_written(other: World, small: bytes) -> None:
    for place in range(len(small)):
        for bit in (1, 32):
            changed = small[:place] + bytes([small[place] ^ bit]) + small[place + 1 :]
            with pytest.raises((Unreadable, NewerData)):
                other.take(changed)
    assert other.store.list_orgs() == []


def test_a_line_too_few_too_many_or_in_another_place_is_refused(other: World, small: bytes) -> None:
    lines = small.splitlines(keepends=True)
    for wrong in (
        [*lines[:2], *lines[3:]],
        [*lines[:2], lines[2], *lines[2:]],
        [lines[0], lines[2], lines[1], *lines[3:]],
        [*lines, lines[1]],
        [*lines, lines[-1]],
    ):
        with pytest.raises(Unreadable):
            other.take(b"".join(wrong))
    assert other.store.list_orgs() == []


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('{"type":"number","lid":"1@lid"}', r"line 3: .*`jid`"),
        ('{"type":"sonnet"}', r"line 3: .*sonnet"),
        ('{"type":"contact","jid":"1@lid","name":"Ana"}', r"line 3: .*`source`"),
        ('{"type":"contact","jid":"1@lid","name":"Ana","source":"rumour"}', r"line 3: .*rumour"),
        ('{"type":"message","source":"gowa","message":{"key":{"phone":"1","chat":"2","id":"3"},"sent_at":"noon"}}',
         r"line 3: .*\$\.message\.sent_at"),
        ("nonsense", r"line 3: "),
    ],
)  # fmt: skip
def test_a_line_that_cannot_be_read_is_named_with_its_field(
    other: World, small: bytes, line: str, problem: str
) -> None:
    lines = small.splitlines(keepends=True)[:-1]
    with pytest.raises(Unreadable, match=problem):
        other.take(resealed([*lines[:2], line.encode() + b"\n", *lines[2:]]))
    assert other.store.list_orgs() == []


def test_what_the_archive_cannot_take_is_told_with_its_lines(other: World, small: bytes) -> None:
    lines = [line for line in small.splitlines(keepends=True)[:-1] if b'"type":"phone"' not in line]
    with pytest.raises(Unreadable, match=r"lines 2 to \d+: .*919876543210"):
        other.take(resealed(lines))


def test_a_newer_version_is_refused_with_a_remedy(other: World, small: bytes) -> None:
    lines = small.splitlines(keepends=True)[:-1]
    newer = lines[0].replace(b'"version":1', b'"version":2,"novelty":true')
    with pytest.raises(NewerData, match="version 2"):
        other.take(resealed([newer, *lines[1:]]))


# ---------------------------------------------------------------------- media, raw payloads, compression


def test_media_files_that_are_not_here_yet_are_counted_and_named(world: World, other: World, small: bytes) -> None:
    org = world.store.find_org("Bakery")
    bread = world.media.put(org.no, b"bread", max_bytes=9, declared_mimetype=None, filename=None)
    cake = "cd" * 32
    for id, file in (("M1", bread.sha256), ("M2", cake), ("M3", cake)):
        held = MediaHeld(target=Target(SHOP, ANA, id), media=Media(file=file, size=5))
        world.store.apply(org.no, Batch(source="webhook", events=[held]))
    data = world.exported(org)
    summary = other.take(data)
    assert (summary.missing_files, summary.missing) == (2, sorted([bread.sha256, cake], key=[bread.sha256, cake].index))
    assert summary.media_folder in str(summary)
    other.media.put(1, b"bread", max_bytes=9, declared_mimetype=None, filename=None)
    assert other.take(data).missing == [cake]


def test_raw_payloads_come_only_when_asked_for_and_stay_with_their_messages(world: World, other: World) -> None:
    org = world.org()
    seen = MessageSeen(Message(key=MessageKey(SHOP, ANA, "A1"), sent_at=NOON, from_me=False, text="two loaves"))
    raw = b'{"as":"received \xff"}'
    world.store.apply(org.no, Batch(source="webhook", events=[PhoneSeen(jid=SHOP), seen], raw=raw))
    assert hashlib.sha256(raw).hexdigest().encode() not in world.exported(org)
    other.take(world.exported(org, raws=True))
    rows = other.sql.rows("SELECT m.id, r.digest FROM messages m JOIN raws r ON r.raw = m.raw")
    assert rows == [("A1", hashlib.sha256(raw).hexdigest())]


@pytest.mark.parametrize("name", ["archive.jsonl", "archive.jsonl.gz", "archive.jsonl.zst"])
def test_files_are_compressed_by_their_ending_and_known_by_their_bytes(
    world: World, other: World, small: bytes, tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    for _ in range(2):
        with packed_file(path) as out:
            export_jsonl(world.store, out, org=world.store.find_org("Bakery"))
    stored = path.read_bytes()
    assert (stored == small) == name.endswith("jsonl")
    assert list(tmp_path.glob(".*")) == []
    for cut in (stored[: len(stored) // 2], stored[:-9]):
        with pytest.raises(Unreadable):
            other.take(cut)
    renamed = path.rename(tmp_path / "unnamed")
    assert import_jsonl(other.store, other.media, renamed).changed > 0


def test_an_export_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), packed_file(tmp_path / "archive.jsonl.gz") as out:
        out.write(b"half" * (1 // 0))
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------------- the commands


def test_the_commands_go_through_files_and_pipes(world: World, other: World, small: bytes, tmp_path: Path) -> None:
    piped = world.run("export", "jsonl", "-o", "-").stdout_bytes
    assert piped.splitlines()[1:-1] == small.splitlines()[1:-1]
    observed = other.run("import", "jsonl", "-", stdin=piped)
    assert observed.stdout.startswith('Read 8 lines into "Bakery"; ')
    file = str(tmp_path / "archive.jsonl.gz")
    wrote = other.run("export", "jsonl", "-o", file)
    assert wrote.stdout == 'Wrote 1 message of "Bakery", 8 lines in all.\n'
    again = other.run("import", "jsonl", file, "--json")
    assert msgspec.json.decode(again.stdout)["changed"] == 0
    cut = other.run("import", "jsonl", "-", stdin=piped[:-9])
    assert (cut.exit_code, cut.stdout) == (1, "")
    assert "standard input: line 8: " in cut.stderr


# ---------------------------------------------------------------------- large archives


class Sink(io.RawIOBase):
    """Accepts bytes and discards them."""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return len(data)


def many(count: int) -> Iterator[Batch]:
    yield Batch(source="webhook", events=[PhoneSeen(jid=SHOP)])
    for start in range(0, count, 1000):
        yield Batch(
            source="webhook",
            events=[
                MessageSeen(
                    Message(
                        key=MessageKey(SHOP, ANA if n % 3 else GROUP, f"3EB0{n:08}", BEN),
                        sent_at=NOON + n * 1_000_000,
                        from_me=n % 5 == 0,
                        text=f"message {n} about bread",
                        details=Details(push_name="Ben"),
                    )
                )
                for n in range(start, start + 1000)
            ],
        )


def peak_of(work: Any) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("count", [3_000, pytest.param(20_000, marks=pytest.mark.full)])
def test_more_messages_take_no_more_memory(world: World, other: World, tmp_path: Path, count: int) -> None:
    org = world.org()
    for batch in many(count):
        world.store.apply(org.no, batch)
    sink: BinaryIO = io.BufferedWriter(Sink())
    assert peak_of(lambda: export_jsonl(world.store, sink, org=org)) < 8 << 20
    path = tmp_path / "archive.jsonl"
    with packed_file(path) as out:
        assert export_jsonl(world.store, out, org=org).messages == count
    assert peak_of(lambda: import_jsonl(other.store, other.media, path)) < 24 << 20
    assert other.exported(other.store.find_org("Bakery")).splitlines()[1:-1] == path.read_bytes().splitlines()[1:-1]


# ---------------------------------------------------------------------- the documentation


def documented() -> bytes:
    blocks = re.findall(r"^```json\n(.*?)^```$", DOCS.read_text("utf-8"), re.M | re.S)
    return "".join(blocks).encode()


def test_the_examples_of_the_documentation_are_one_export(other: World) -> None:
    data = documented()
    other.clock = msgspec.json.decode(data.splitlines()[0])["created_at"]
    other.take(data)
    assert other.exported(other.store.find_org("Hill Street Bakery"), raws=True) == data
    types = {msgspec.json.decode(line).get("type") for line in data.splitlines()}
    assert types == {None, "phone", "label", "number", "contact", "chat", "chat_label", "raw", "message",
                     "edit", "revoke", "reaction", "receipt", "vote", "pin", "media", "coverage", "file", "position",
                     "end"}  # fmt: skip


def test_a_line_of_an_exported_chat_stays_with_the_message_that_it_is(world: World, other: World) -> None:
    org = world.org()
    minute = Details(precision="minute")
    line = Message(key=MessageKey(SHOP, ANA, "exp_1"), sent_at=NOON, from_me=False, text="two loaves", details=minute)
    real = Message(key=MessageKey(SHOP, ANA, "A1"), sent_at=NOON + 5_000_000, from_me=False, text="two loaves")
    held = MediaHeld(target=Target(SHOP, ANA, "exp_1"), media=Media(file="ab" * 32))
    world.store.apply(org.no, Batch(source="webhook", events=[PhoneSeen(jid=SHOP), MessageSeen(real)]))
    world.store.apply(org.no, Batch(source="export", events=[MessageSeen(line), held]))
    (row,) = world.picture()["messages"]
    assert row[3] == "A1"
    data = world.exported(org)
    other.clock = world.clock
    other.take(data)
    assert other.picture() == world.picture()
    assert other.exported(other.store.find_org("Bakery")) == data


def test_a_line_that_cannot_be_kept_goes_to_quarantine_and_the_others_come_in(other: World, small: bytes) -> None:
    first, *lines, _ = small.splitlines(keepends=True)
    bad = json.loads(next(line for line in lines if b'"type":"message"' in line))
    bad["message"]["key"]["id"] = "X" * 600
    lines.insert(len(lines) // 2, json.dumps(bad, separators=(",", ":")).encode() + b"\n")
    taken = other.take(resealed([first, *lines]))
    assert len(taken.refused) == 1
    assert f"line {len(lines) // 2 + 2}: id: " in taken.refused[0]
    (org,) = other.store.list_orgs()
    (kept,) = other.store.quarantined(org.no)
    assert b"X" * 600 in kept.payload
    assert list(other.store.check()) == []
    assert other.take(small).changed == 0
