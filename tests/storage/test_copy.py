"""Copies of a whole archive to another engine: nothing lost or altered, also after an interruption anywhere."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apsw
import psycopg
import pytest
from click.testing import CliRunner, Result
from msgspec import Struct

from backscroll.cli.main import main
from backscroll.core.errors import Conflict, StorageError
from backscroll.core.events import (
    Answer,
    Batch,
    ChatLabeled,
    ChatSeen,
    ContactSeen,
    LabelSeen,
    MediaHeld,
    MessageEdited,
    MessagePinned,
    MessageSeen,
    NumberMapped,
    PhoneSeen,
    PollVoted,
    ReactionSet,
    ReceiptSet,
    Target,
)
from backscroll.core.import_jobs import JobFile, NewJob
from backscroll.core.imports import NewImport
from backscroll.core.model import Details, Media, Message, MessageKey
from backscroll.core.query import MessageQuery
from backscroll.core.webhooks import Webhook
from backscroll.database.tables import TABLES
from backscroll.storage.store import Store, make_engine, open_store
from backscroll.storage.transfer.copy import Copied, Copy
from backscroll.storage.write.fetches import QueuedFile
from backscroll.storage.write.live_sources import LiveSource, SourceSecrets, make_source_id
from postgres_server import Databases

MORNING = 1_741_856_400_000_000
ANNA = "919537851844@s.whatsapp.net"
GROUP = "120363000000000001@g.us"
MANY = 2300
"""More messages than are copied at a time."""


class Known(Struct, frozen=True):
    """What a test needs to know of the archive that it copies."""

    orgs: dict[int, tuple[int, ...]]
    secret: str


def make_rich(store: Store) -> Known:
    """Two organisations with rows in every table except merges, which is empty between merges; and an empty one."""
    orgs: dict[int, tuple[int, ...]] = {}
    for name, many in (("Bakery", MANY), ("Garage", 40)):
        org = store.create_org(name).no
        phone = store.add_phone(org, "918527184400", device_id="bench", name="Shop")
        wanted = Webhook(org=org, id="", name=None, url="https://example.com/", format="native", types=("*",))
        store.webhooks.add(wanted)
        _tell(store, org, phone.jid, many)
        orgs[org] = (phone.no,)
        secret = store.create_token(org, "till", phones=(phone.no,), expires_at=MORNING * 2).secret
        store.quarantine(org, "webhook", b"\x00\xff what is this", "no JSON")
        source = LiveSource(org=org, id=make_source_id(org), kind="events", phone=phone.no)
        store.sources.add(source, SourceSecrets("a secret", "a token", "a password"))
        file = QueuedFile(phone=phone.no, chat="4915550001", id="F1", sender=None, source=source.id, url="x")
        store.fetches.add(org, file)
        store.sources.links.add(org, source.id, "Shop", "4915112340001")
        answer = Answer(source=source.id, key="once", digest="d", status=200, body=b"{}")
        store.apply(org, Batch(source="webhook", events=[], answer=answer))
        upload = JobFile(no=1, name="WhatsApp Chat with Ana.zip", size=4711, received=12)
        job, _ = store.import_jobs.create(org, NewJob(origin="api", name="Ana", files=(upload,), request_key="once"))
        store.import_jobs.keep_secrets(org, job.id, {"password": "a secret"})
    for org in orgs:
        lease = store.outbox.take_turn(org)
        assert lease is not None
        store.outbox.queue(lease)
        store.outbox.end_turn(lease)
        store.feed.run(org, 0)
    orgs[store.create_org("Nobody's").no] = ()
    return Known(orgs, secret)


def _tell(store: Store, org: int, phone: str, many: int) -> None:
    def tell(*events: Any, source: Any = "webhook", **fields: Any) -> None:
        store.apply(org, Batch(source=source, events=events, **fields))

    for start in range(0, many, 500):
        observed = [_message(phone, n) for n in range(start, min(start + 500, many))]
        tell(*observed, raw=b'{"batch": %d}' % start, position=("stream", str(start)))
    one = Target(phone, ANNA, "M1")
    media = Media(mimetype="image/jpeg", size=12, file="ab" * 32)
    tell(MessageEdited(target=one, text="second words", at=MORNING + 5))
    tell(ReactionSet(target=one, by=ANNA, emoji="👍🏽", at=MORNING + 6), ReceiptSet(target=one, ack=3, at=MORNING + 7))
    tell(MessagePinned(target=one, pinned=True, at=MORNING + 8, by=ANNA, until=MORNING + 9))
    tell(_message(phone, 1), _message(phone, 2, text="as another tells it"), source="backup")
    tell(PollVoted(target=Target(phone, ANNA, "not here yet"), by=ANNA, options=("a", "b"), at=MORNING))
    tell(MediaHeld(target=Target(phone, ANNA, "M3"), media=media))
    tell(ChatSeen(phone=phone, chat=GROUP, name="Grüße 🥐", unread=3), ContactSeen(jid=ANNA, name="Anna ' \\ %"))
    for book, name in ((phone, "Anna of the shop"), ("6289685028129@s.whatsapp.net", "Anna of the oven")):
        tell(PhoneSeen(jid=book), ContactSeen(jid=ANNA, phone=book, name=name))
    tell(LabelSeen(phone=phone, id="9", name="Bäcker", at=MORNING), ChatLabeled(phone=phone, chat=GROUP, label="9"))
    tell(NumberMapped(lid="12345678901234@lid", jid=ANNA))
    kept = Media(file="cd" * 32)
    for name in ("first", "second"):
        imported = store.begin_import(org, NewImport(kind="gowa", file=name)).id
        tell(NumberMapped(lid="22345678901234@lid", jid="4915112340000@s.whatsapp.net"), import_id=imported)
        tell(_message(phone, many + 7), MediaHeld(target=Target(phone, ANNA, "M4"), media=kept), import_id=imported)


def _message(phone: str, n: int, text: str | None = None) -> MessageSeen:
    chat = ANNA if n % 3 else GROUP
    key = MessageKey(phone, chat, f"M{n}", None if n % 3 else ANNA)
    words = text or (None if n % 50 == 0 else f"Straße {n}\n\t'quoted' 日本語 🥖 %s :org")
    details = Details(media=Media(mimetype="image/png", filename="a.png")) if n % 7 == 0 else Details()
    kind: Any = "image" if n % 7 == 0 else "text"
    return MessageSeen(
        Message(key=key, sent_at=MORNING + n * 1_000_000, from_me=n % 2 == 0, kind=kind, text=words, details=details)
    )


class Shelf(Struct, frozen=True):
    """The places of the archive and its copies."""

    data: Path
    source: str
    target: str
    known: Known

    def copy(self, source: str | None = None, target: str | None = None) -> Copied:
        begun = self.begin(source, target)
        begun.run(lambda done, whole: None)
        copied = begun.verify(lambda done, whole: None)
        self.end(begun)
        return copied

    def begin(self, source: str | None = None, target: str | None = None) -> Copy:
        engines = [make_engine(url, self.data) for url in (source or self.source, target or self.target)]
        try:
            return Copy(engines[0], engines[1], MORNING)
        except Exception:
            for engine in engines:
                engine.close()
            raise

    def end(self, copy: Copy) -> None:
        copy._source.close()
        copy._target.close()


@pytest.fixture(params=["sqlite to postgres", "postgres to sqlite"])
def shelf(request: pytest.FixtureRequest, tmp_path: Path, databases: Databases) -> Iterator[Shelf]:
    name = databases.create()
    urls = [f"sqlite:{tmp_path}/one.db", databases.url(name)]
    source, target = urls if request.param == "sqlite to postgres" else reversed(urls)
    store = open_store(source, tmp_path)
    known = make_rich(store)
    store.close()
    yield Shelf(tmp_path, source, target, known)
    databases.drop(name)


def rows_of(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table that must be equal, read without Backscroll."""
    queries = {
        table.name: f"SELECT {', '.join(table.columns)} FROM {table.name} ORDER BY {', '.join(('org', *table.key))}"
        for table in TABLES
    }
    queries["orgs"] = "SELECT org, id, name, created_at FROM orgs ORDER BY org"
    if url.startswith("sqlite:"):
        file = apsw.Connection(url.removeprefix("sqlite:"))
        found = {name: list(file.execute(query)) for name, query in queries.items()}
        file.close()
        return found
    with psycopg.connect(url) as connection:
        return {name: connection.execute(query).fetchall() for name, query in queries.items()}


def change(url: str, statement: str) -> None:
    if url.startswith("sqlite:"):
        file = apsw.Connection(url.removeprefix("sqlite:"))
        file.execute(statement)
        file.close()
        return
    with psycopg.connect(url) as connection:
        connection.execute(statement)


def refuse(error: type[Exception], words: str, act: Callable[[], object]) -> None:
    with pytest.raises(error, match=words):
        act()


def test_every_row_comes_over_as_it_was_and_both_archives_answer_the_same(shelf: Shelf) -> None:
    copied = shelf.copy()
    rows = rows_of(shelf.source)
    assert rows_of(shelf.target) == rows
    assert {name for name, found in rows.items() if not found} == {"merges"}
    assert copied.rows == {name: len(found) for name, found in rows.items() if name != "orgs"}
    assert (copied.orgs, copied.found) == (3, "empty")
    stores = [open_store(url, shelf.data) for url in (shelf.source, shelf.target)]
    assert [list(store.check()) for store in stores] == [[], []]
    assert answers_of(stores[0], shelf.known) == answers_of(stores[1], shelf.known)
    for store in stores:
        store.close()


def answers_of(store: Store, known: Known) -> list[Any]:
    answers: list[Any] = [store.list_orgs()]
    for org, phones in known.orgs.items():
        answers += [store.version(org), store.feed.places_changed_since(org, 0, 9999), store.position(org, "stream")]
        answers += [store.list_tokens(org), store.list_phones(org), store.quarantined(org)]
        for search in (None, "straße 17", "日本語", "second words"):
            query = MessageQuery(org=org, phones=phones, chat=ANNA if search else None, search=search, limit=1000)
            answers.append(store.list_messages(query))
    # This is last because it stores the time of the token's use.
    return [*answers, store.authenticate(known.secret)]


def test_a_copy_of_a_copy_is_the_archive_again_and_takes_new_messages(shelf: Shelf) -> None:
    there = shelf.copy()
    back = f"sqlite:{shelf.data}/back.db"
    again = shelf.copy(shelf.target, back)
    assert (again.digest, again.archive) == (there.digest, there.archive)
    assert rows_of(back) == rows_of(shelf.source)
    store = open_store(back, shelf.data)
    org, (phone,) = next((org, phones) for org, phones in shelf.known.orgs.items() if phones)
    jid = next(p.jid for p in store.list_phones(org) if p.no == phone)
    seq = store.version(org)
    assert store.apply(org, Batch(source="webhook", events=(_message(jid, MANY + 1),))).seq > seq
    assert list(store.check()) == []
    store.close()


CUT = """
import sys
from pathlib import Path
from backscroll.storage.transfer.copy import Copy
from backscroll.storage.store import make_engine
source, target, data = sys.argv[1:]
copy = Copy(make_engine(source, Path(data)), make_engine(target, Path(data)), 0)
copy.run(lambda done, whole: print(done, flush=True))
print(9999, flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("after", [1, 1200, 3000, 9999])
def test_a_copy_that_was_killed_goes_on_where_it_was(shelf: Shelf, after: int) -> None:
    _cut(shelf, after)
    refuse(StorageError, "unfinished copy", lambda: open_store(shelf.target, shelf.data))
    begun = shelf.begin()
    assert begun.found == "unfinished"
    shelf.end(begun)
    assert shelf.copy().found == "unfinished"
    assert rows_of(shelf.target) == rows_of(shelf.source)
    store = open_store(shelf.target, shelf.data)
    assert list(store.check()) == []
    store.close()


def _cut(shelf: Shelf, after: int) -> None:
    """Begin a copy in its own process and kill it once so many rows are copied."""
    command = [sys.executable, "-c", CUT, shelf.source, shelf.target, str(shelf.data)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) >= after:
                process.send_signal(signal.SIGKILL)
                break
        assert process.wait(timeout=30) == -signal.SIGKILL


def test_a_copy_is_not_gone_on_with_when_its_source_has_changed(shelf: Shelf) -> None:
    _cut(shelf, 1200)
    store = open_store(shelf.source, shelf.data)
    store.add_phone(1, "4915112345678")
    store.close()
    refuse(StorageError, "source has changed", shelf.begin)


def test_writing_to_the_source_meanwhile_is_noticed(shelf: Shelf) -> None:
    begun = shelf.begin()
    begun.run(lambda done, whole: None)
    store = open_store(shelf.source, shelf.data)
    store.add_phone(1, "4915112345678")
    store.close()
    refuse(StorageError, "The source was written to", lambda: begun.verify(lambda done, whole: None))
    shelf.end(begun)
    refuse(StorageError, "unfinished copy", lambda: open_store(shelf.target, shelf.data))


@pytest.mark.parametrize(
    ("statement", "observed"),
    [
        ("UPDATE messages SET text = 'other words' WHERE org = 1 AND id = 'M17'", "differs.*messages, org 1, no "),
        ("UPDATE messages SET prev_text = '' WHERE org = 2 AND id = 'M17'", "differs.*messages, org 2, no "),
        ("DELETE FROM tallies WHERE org = 1 AND level = 2", "differs.*tallies, org 1"),
        ("INSERT INTO aliases (org, jid, contact) VALUES (2, 'zz@lid', 1)", "more than its source: aliases, org 2"),
        ("UPDATE tokens SET name = 'another' WHERE org = 2", "differs.*tokens, org 2"),
        ("INSERT INTO files (org, file, size, stored_at) VALUES (3, 'ab', 1, 1)", "more than its source: files, org 3"),
    ],
)
def test_one_row_that_is_not_the_same_is_named(shelf: Shelf, statement: str, observed: str) -> None:
    begun = shelf.begin()
    begun.run(lambda done, whole: None)
    change(shelf.target, statement)
    refuse(StorageError, observed, lambda: begun.verify(lambda done, whole: None))
    shelf.end(begun)
    refuse(StorageError, "unfinished copy", lambda: open_store(shelf.target, shelf.data))


def test_words_of_messages_are_not_told_in_an_error(shelf: Shelf) -> None:
    begun = shelf.begin()
    begun.run(lambda done, whole: None)
    change(shelf.target, "UPDATE messages SET text = 'other words' WHERE org = 1 AND id = 'M17'")
    with pytest.raises(StorageError) as raised:
        begun.verify(lambda done, whole: None)
    shelf.end(begun)
    assert "Straße" not in str(raised.value)
    assert "other words" not in str(raised.value)


def test_a_database_with_an_archive_of_its_own_is_left_alone(shelf: Shelf) -> None:
    store = open_store(shelf.target, shelf.data)
    store.create_org("Somebody else's")
    store.close()
    before = rows_of(shelf.target)
    refuse(Conflict, "already holds another archive", shelf.begin)
    assert rows_of(shelf.target) == before


def test_a_copy_of_another_archive_is_left_alone(shelf: Shelf) -> None:
    shelf.copy()
    other = f"sqlite:{shelf.data}/other.db"
    store = open_store(other, shelf.data)
    store.create_org("Bakery")
    store.close()
    refuse(Conflict, "another archive", lambda: shelf.begin(source=other))


def test_a_whole_copy_is_only_compared_and_one_that_lives_on_is_left_alone(shelf: Shelf) -> None:
    first = shelf.copy()
    again = shelf.copy()
    assert (again.found, again.digest) == ("whole", first.digest)
    store = open_store(shelf.target, shelf.data)
    store.add_phone(1, "4915112345678")
    store.close()
    refuse(Conflict, "changed since", shelf.begin)


# ------------------------------------------------------------------ the command


def run(shelf: Shelf, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["copy", *arguments], env={"BACKSCROLL_DATA": str(shelf.data)})


def test_the_command_copies_and_says_what_the_copy_needs(shelf: Shelf) -> None:
    done = run(shelf, "--from", shelf.source, "--to", shelf.target)
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("Copied: 3 organisations, ")
    assert f"secret.key ({open_store_key(shelf)})" in done.stdout
    observed = json.loads(run(shelf, "--from", shelf.source, "--to", shelf.target, "--json").stdout)
    assert (observed["orgs"], observed["was_there"], observed["resumed"]) == (3, True, False)
    assert observed["rows"]["messages"] == len(rows_of(shelf.source)["messages"])


def open_store_key(shelf: Shelf) -> str:
    from backscroll.storage.files.keys import Sealer, load_or_make_key

    return Sealer(load_or_make_key(shelf.data / "secret.key")).key_id


def test_a_key_that_is_not_there_is_asked_for_and_not_made_up(shelf: Shelf) -> None:
    (shelf.data / "secret.key").rename(shelf.data / "secret.key.old")
    done = run(shelf, "--from", shelf.source, "--to", shelf.target)
    assert f"There is no secret.key in {shelf.data}" in done.stdout
    assert not (shelf.data / "secret.key").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "observed"),
    [
        (("--from", "one.db", "--to", "sqlite:two.db"), 2, "--from: must begin with sqlite: or postgresql:"),
        (("--from", "sqlite:one.db", "--to", "mysql://two"), 2, "--to: must begin with sqlite: or postgresql:"),
        (("--from", "sqlite:one.db", "--to", "sqlite:one.db"), 2, "--to: is the database to copy from"),
        (
            ("--from", "sqlite:no/one.db", "--to", "sqlite:two.db"),
            2,
            "--from: names no database: there is no file",
        ),
        ((), 2, "--to"),
    ],
)
def test_what_cannot_be_copied_is_told_in_a_sentence(arguments: tuple[str, ...], code: int, observed: str) -> None:
    done = CliRunner().invoke(main, ["copy", *arguments])
    assert (done.exit_code, done.stdout) == (code, "")
    assert observed in done.stderr
