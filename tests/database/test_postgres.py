"""What is specific to PostgreSQL: statements, plans, simultaneous starts, and unknown outcomes of commits."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from backscroll.concurrency import greenlets
from backscroll.concurrency.retry import TRIES, retry
from backscroll.core.errors import BadField, Conflict, NotFound, StorageBusy, StorageError
from backscroll.core.events import Batch, MessageSeen
from backscroll.core.model import Message, MessageKey
from backscroll.core.query import MessageQuery
from backscroll.database import migrate
from backscroll.database.postgres import engine as postgres
from backscroll.database.postgres.connection import Connection
from backscroll.database.postgres.engine import PostgresEngine
from backscroll.database.postgres.parameters import prepared
from backscroll.database.postgres.pool import Exhausted, Pool
from backscroll.database.protocol import Row, Txn, load_statements
from backscroll.ingest.pipeline import apply_with_retry
from backscroll.storage.store import Store, open_store
from postgres_server import Cluster, Databases, running_cluster

PHONE = "918527184400@s.whatsapp.net"
FRIEND = "4915112345678@s.whatsapp.net"
ORG_ID = "2997dd64-89bf-48d3-9a22-b314fca017e5"


def message(id: str, text: str = "hello") -> Batch:
    said = Message(key=MessageKey(PHONE, FRIEND, id, FRIEND), sent_at=1, from_me=False, text=text)
    return Batch(source="linked", events=[MessageSeen(said)])


def an_org(store: Store) -> int:
    org = store.create_org("Sample").no
    store.add_phone(org, PHONE)
    return org


# ------------------------------------------------------------------ statements


def test_a_list_of_one_becomes_equality_and_a_longer_one_an_array() -> None:
    sql = "SELECT 1 WHERE org = :org AND chat IN (:chats*) AND org = :org"
    assert prepared(sql, {"org": 1, "chats": [7]}).text == "SELECT 1 WHERE org = $1 AND chat = $2 AND org = $1"
    several = prepared(sql, {"org": 1, "chats": (7, 8)})
    assert several.text == "SELECT 1 WHERE org = $1 AND chat = ANY($2) AND org = $1"
    assert several.values({"org": 1, "chats": (7, 8)}) == [1, "{7,8}"]
    assert prepared(sql, {"org": 1, "chats": ()}).values({"org": 1, "chats": ()}) == [1, None]


@pytest.fixture
def pg(postgres_url: str, tmp_path: Path) -> Iterator[Store]:
    store = open_store(postgres_url, tmp_path)
    yield store
    store.close()


def engine_of(store: Store) -> PostgresEngine:
    assert isinstance(store._engine, PostgresEngine)
    return store._engine


def test_texts_in_lists_may_hold_anything(pg: Store) -> None:
    org = an_org(pg)
    odd = ['a"b', "a\\b", "a,b", "{a}", "NULL", "", " a ", "a'b", "é\n👍"]
    engine = engine_of(pg)
    engine._statements["put"] = "INSERT INTO positions (org, stream, place) VALUES (:org, :stream, 'x')"
    engine._statements["find"] = "SELECT stream FROM positions WHERE org = :org AND stream IN (:streams*)"
    rows = [{"org": org, "stream": text} for text in odd]
    engine.write(lambda tx: tx.many("put", rows), org)
    found = engine.read(lambda tx: tx.all("find", {"org": org, "streams": odd}), org)
    assert sorted(row[0] for row in found) == sorted(odd)


def test_a_question_with_a_nul_finds_nothing_and_breaks_nothing(pg: Store) -> None:
    org = an_org(pg)
    pg.apply(org, message("3EB0"))
    phones = tuple(phone.no for phone in pg.list_phones(org))
    assert pg.find_message(org, phones, "3EB0\0") is None
    assert pg.list_messages(MessageQuery(org=org, phones=phones, chat=FRIEND, search="he\0llo")).total == 0
    assert pg.find_by_name(org, "\0") == []


def test_many_rows_of_any_number_are_all_written(pg: Store) -> None:
    org = an_org(pg)
    engine = engine_of(pg)
    engine._statements["put"] = "INSERT INTO positions (org, stream, place) VALUES (:org, :stream, :place)"
    engine._statements["count"] = "SELECT COUNT(*) FROM positions WHERE org = :org"
    written = 0
    for count in (0, 1, 7, 8, 9, 63, 64, 65, 200):
        rows = [{"org": org, "stream": f"{count} {n}", "place": "'quoted' $1 %s :x"} for n in range(count)]
        engine.write(lambda tx, rows=rows: tx.many("put", rows), org)  # type: ignore[misc]
        written += count
        assert engine.read(lambda tx: tx.one("count", {"org": org}), org) == (written,)


# ------------------------------------------------------------------ what goes wrong


def test_an_error_of_the_work_is_told_as_it_is_and_leaves_nothing(pg: Store) -> None:
    org = an_org(pg)

    def work(tx: Any) -> None:
        tx.run("save_position", {"org": org, "stream": "s", "place": "p", "told": None})
        raise NotFound("chat", "x")

    with pytest.raises(NotFound):
        engine_of(pg).write(work, org)
    assert pg.position(org, "s") is None


def test_writing_the_same_key_twice_is_a_conflict(pg: Store) -> None:
    pg.create_org("One", ORG_ID)
    with pytest.raises(Conflict):
        pg.create_org("Two", ORG_ID)
    assert [org.name for org in pg.list_orgs()] == ["One"]


def test_a_connection_goes_on_after_writes_that_were_refused_in_the_middle(pg: Store, postgres_url: str) -> None:
    """Statements prepared in a refused transaction are lost with it, also in the second and later transactions."""
    org = an_org(pg)
    engine = PostgresEngine(postgres_url, size=1)
    engine.use_app_role()
    try:
        place = {"org": org, "stream": "s", "place": "p", "told": None}

        def refused(tx: Txn) -> None:
            tx.run("add_org_state", {"org": org})
            tx.run("save_position", place)

        # At first nothing is prepared; the second transaction would prepare its second statement.
        for _ in range(3):
            with pytest.raises(Conflict):
                engine.write(refused, org)
            engine.write(lambda tx: tx.run("save_position", place), org)
    finally:
        engine.close()


def test_all_connections_dead_at_once_cost_no_request(pg: Store) -> None:
    org = an_org(pg)
    url = engine_of(pg)._conninfo
    pause = threading.Barrier(6)
    held = [threading.Thread(target=lambda: engine_of(pg).read(lambda tx: pause.wait() and None)) for _ in range(5)]
    for thread in held:
        thread.start()
    pause.wait()
    for thread in held:
        thread.join()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND datname = current_database() AND backend_type = 'client backend'"
        )
    for number in range(8):
        assert pg.apply(org, message(f"3EB0{number}")).changed > 0


def test_a_read_goes_through_a_cut_in_its_middle(pg: Store) -> None:
    org = an_org(pg)
    engine = engine_of(pg)
    engine._statements["die"] = "SELECT pg_terminate_backend(pg_backend_pid())"
    engine._role = ""
    tried: list[int] = []

    def work(tx: Any) -> int:
        tried.append(1)
        if len(tried) == 1:
            tx.all("die", {})
        return len(tx.all("read_org_state", {"org": org}))

    assert engine.read(work, org) == 1
    assert len(tried) == 2


def test_an_address_where_nothing_listens_is_told_within_the_patience(tmp_path: Path) -> None:
    with pytest.raises(StorageBusy, match="cannot be reached"):
        PostgresEngine(f"postgresql:///x?host={tmp_path}", patience=0.3)
    with pytest.raises(BadField):
        PostgresEngine("postgresql://[")


def test_a_database_that_is_not_there_is_told_at_once(databases: Databases) -> None:
    begun = time.monotonic()
    with pytest.raises(StorageError, match="does not exist"):
        PostgresEngine(databases.url("nowhere"))
    assert time.monotonic() - begun < postgres.RETRY_SECONDS / 2


def test_libpq_keeps_what_the_url_says() -> None:
    given = postgres.conninfo_of("postgresql://a@one,two/db?target_session_attrs=any&sslmode=verify-full")
    observed = conninfo_to_dict(given)
    assert (observed["host"], observed["target_session_attrs"], observed["sslmode"]) == (
        "one,two",
        "any",
        "verify-full",
    )
    assert observed["connect_timeout"] == "5"
    assert conninfo_to_dict(postgres.conninfo_of("postgresql://a@one,two/db"))["target_session_attrs"] == "read-write"


def test_importers_repeat_a_batch_only_so_often(pg: Store) -> None:
    org = an_org(pg)
    waits: list[float] = []
    tried: list[int] = []

    def busy() -> int:
        tried.append(1)
        raise StorageBusy("away")

    with pytest.raises(StorageBusy):
        retry(busy, waits.append)
    assert (len(tried), len(waits)) == (TRIES, TRIES - 1)
    assert 20 < sum(waits) < 120
    assert apply_with_retry(pg, org, message("3EB0")).changed > 0


# ------------------------------------------------------------------ commits whose outcome is in doubt


@pytest.fixture(scope="module")
def alone() -> Iterator[Cluster]:
    """A separate server, whose settings a test may change."""
    with running_cluster() as cluster:
        yield cluster


def configure(cluster: Cluster, name: str, value: str) -> None:
    with psycopg.connect(cluster.url("postgres"), autocommit=True) as connection:
        connection.execute(f"ALTER SYSTEM SET {name} = '{value}'")
        connection.execute("SELECT pg_reload_conf()")


def is_confirmed(store: Store, org: int, batch: Batch) -> bool:
    try:
        store.apply(org, batch)
    except StorageBusy:
        return False
    return True


def test_a_commit_that_no_standby_confirms_is_not_acknowledged(
    alone: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    databases = Databases(alone.url("postgres"))
    store = open_store(databases.url(databases.create()), tmp_path)
    databases.close()
    org = an_org(store)
    monkeypatch.setattr(postgres, "COMMIT_SECONDS", 0.5)
    configure(alone, "synchronous_standby_names", "nobody")
    told = 0
    try:
        # The server's processes load the setting one after another; until then commits are confirmed.
        while is_confirmed(store, org, message(f"3EB0{told}")):
            told += 1
    finally:
        configure(alone, "synchronous_standby_names", "")
    assert apply_with_retry(store, org, message(f"3EB0{told}")).changed == 0
    phones = tuple(phone.no for phone in store.list_phones(org))
    assert store.list_messages(MessageQuery(org=org, phones=phones)).total == told + 1
    assert list(store.check()) == []
    store.close()


# ------------------------------------------------------------------ starting together


def test_instances_that_start_together_migrate_once(databases: Databases, tmp_path: Path) -> None:
    name = databases.create()
    url = databases.url(name)
    ran: list[list[str]] = []
    start = threading.Barrier(4)

    def begin() -> None:
        engine = PostgresEngine(url)
        start.wait()
        ran.append([migration.name for migration in migrate.migrate(engine, 1)])
        engine.use_app_role()
        engine.close()

    threads = [threading.Thread(target=begin) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ran) == 4
    assert sorted(name for names in ran for name in names) == sorted(m.name for m in migrate.migrations("postgres"))
    store = open_store(url, tmp_path)
    store.apply(an_org(store), message("3EB0"))
    assert list(store.check()) == []
    store.close()
    databases.drop(name)


# ------------------------------------------------------------------ plans

PHONES_OF_ORG, CHATS, ROWS = 3, 150, 30_000
FILL = f"""
INSERT INTO messages (org, no, phone, chat, sender, id, sent_at, flags, kind, text, source, stored_at, changed_at)
SELECT org, n, 1 + n % {PHONES_OF_ORG}, 10 + n * 7919::bigint % {CHATS}, 5, 'ID' || n, n * 60000000::bigint,
    CASE WHEN n % 50 = 0 THEN 8 ELSE 0 END, 'text', 'hello', 'gowa', 1, 1
FROM generate_series(1, {ROWS}) n, generate_series(1, 2) org;
INSERT INTO search_full (org, segment, part, body) SELECT org, n / 1024, n % 1024, CAST(repeat('x', 100) AS BYTEA)
FROM generate_series(1, 8192) n, generate_series(1, 2) org;
INSERT INTO contacts (org, contact, jid, kind, stored_at, changed_at, told_by)
SELECT 1, n, n || '@s.whatsapp.net', 'user', 1, 1, -(n % 2) FROM generate_series(1, 1000) n;
INSERT INTO contact_facts (org, contact, phone, facts, is_named)
SELECT 1, n, phone, '{{}}', 0 FROM generate_series(1, 1000, 2) n, generate_series(1, 3) phone;
INSERT INTO tallies (org, phone, chat, level, bucket, plain_in, plain_out, media_in, media_out, calls_in, calls_out,
    notices_in, notices_out)
SELECT 1, phone, chat, 0, month, 1, 0, 0, 0, 0, 0, 0, 0
FROM generate_series(1, {PHONES_OF_ORG}) phone, generate_series(10, {9 + CHATS}) chat, generate_series(1, 12) month;
INSERT INTO addons (org, phone, chat, id, kind, actor, target, ref, at)
SELECT org, phone, chat, id, 'reaction', 5, 0, '', sent_at FROM messages WHERE no % 10 = 0;
ANALYZE;
"""


@pytest.fixture(scope="module")
def filled(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[psycopg.Connection[Row]]:
    name = databases.create()
    open_store(databases.url(name), tmp_path_factory.mktemp("filled")).close()
    with psycopg.connect(databases.url(name), autocommit=True) as connection:
        connection.prepare_threshold = None
        connection.execute(FILL.encode())
        connection.execute("SET ROLE backscroll_app")
        connection.execute("SET app.org = '1'")
        connection.execute(postgres.SESSION)
        yield connection
    databases.drop(name)


def plan_of(connection: psycopg.Connection[Row], name: str, generic: bool, **params: Any) -> str:
    """The plan of a statement: for these values, or the generic one for all values."""
    statement = prepared(load_statements("postgres")[name], {"org": 1, "mask": 48, "want": 0, "terms": 1} | params)
    values = statement.values({"org": 1, "mask": 48, "want": 0, "terms": 1} | params)
    connection.execute(f"SET plan_cache_mode = force_{'generic' if generic else 'custom'}_plan")
    connection.execute(b"DEALLOCATE ALL")
    connection.execute(f"PREPARE asked AS {statement.text}".encode(), prepare=False)
    written = ", ".join("NULL" if v is None else f"'{v}'" for v in values)
    rows = connection.execute(f"EXPLAIN (ANALYZE, TIMING OFF) EXECUTE asked({written})".encode(), prepare=False)
    return "\n".join(row[0] for row in rows)


def rows_touched(plan: str) -> int:
    """The largest number of rows in any step of the plan."""
    return max(int(float(rows)) for rows in re.findall(r"actual rows=([\d.]+)", plan))


LOW, HIGH = -(10**15), 10**15
DEEP = {"low": 15_000 * 60_000_000, "high": 15_100 * 60_000_000, "offset": 40}
FIRST = {"limit": 50, "offset": 0}
SEEN = {"sees_all": 0, "viewer": (1,)}
NEWEST = {"low": LOW, "high": HIGH, "offset": 0}


@pytest.mark.parametrize("generic", [False, True])
@pytest.mark.parametrize(
    ("name", "index", "params", "most"),
    [
        ("list_in_chats", "messages_chat", {"phones": (1,), "chats": (10,), "limit": 50} | NEWEST, 60),
        ("list_in_chats", "messages_chat", {"phones": (1,), "chats": (10,), "limit": 50} | DEEP, 100),
        ("list_media_in_chats", "messages_(media|chat)", {"phones": (1,), "chats": (10,), "limit": 50} | NEWEST, 60),
        ("list_in_phone", "messages_phone", {"phone": 1, "limit": 2000} | NEWEST, 2100),
        ("list_in_phone", "messages_phone", {"phone": 1, "limit": 50} | DEEP, 200),
        ("list_in_phones", "messages_org", {"phones": (1, 2), "limit": 2000} | NEWEST, 2100),
        ("list_in_phones", "messages_org", {"phones": (1, 2), "limit": 50} | DEEP, 200),
        ("rows_by_bare_id", "messages_key", {"phones": (1, 2, 3), "id": "ID77"}, 1),
        ("rows_by_id", "messages_key", {"phones": (1,), "chats": (10,), "ids": ["ID77", "ID78"]}, 2),
        ("rows_by_id", "messages_key", {"phones": (1,), "chats": (10, 11), "ids": ["ID77", "ID78"]}, 2),
        ("rows_by_ids", "messages_key", {"ids": ["ID77", "ID78"]}, 2),
        ("places_by_id", "messages_key", {"ids": ["ID77", "ID78"]}, 2),
        ("messages_with_annotations", "addons_pkey", {"phone": 1, "chats": (10,), "ids": ["ID77", "ID78"]}, 2),
        ("keys_with_annotations", "addons_pkey", {"keys": '[[1, 10, "ID77"], [1, 11, "ID78"], [1, 12, "ID79"]]'}, 3),
        ("texts_by_no", "messages_pkey", {"nos": [5, 6], "phones": (1,), "chats": (10,), "low": LOW, "high": HIGH}, 2),
        ("read_annotations", "addons_pkey", {"phone": 1, "chats": (10,), "ids": ["ID77", "ID78"]}, 2),
        ("read_annotations", "addons_pkey", {"phone": 1, "chats": (10, 11), "ids": ["ID10", "ID20"]}, 2),
        ("last_in_chat", "messages_chat", {"phone": 1, "chat": 10}, 1),
        ("dump_messages", "messages_chat", {"phone": 1, "chat": 10, "at": 0, "id": "", "limit": 100}, 100),
        ("rows_by_no", "messages_pkey", {"nos": [1, 2, 3]}, 3),
        ("count_contacts", "messages_sender", {"phones": (1,), "saved_only": 0, "everybody": 0} | SEEN, 1000),
        ("list_contacts", "messages_sender", {"phones": (1,), "saved_only": 0, "everybody": 0} | SEEN | FIRST, 1000),
        ("read_contacts_seen", "contact_facts_pkey", {"contacts": list(range(1, 21)), "phones": (0, 1)}, 40),
        ("is_known_to", "messages_sender", {"phones": (1,), "contact": 7}, 1),
        ("glance_at_chats", "messages_chat", {"phones": (1,), "chats": (10, 11)}, 24),
        ("annotations_of_messages", "addons_pkey", {"nos": [10, 20, 30]}, 3),
        ("search_full_parts", "search_full_pkey", {"segments": (1, 2, 3), "parts": (10, 11, 500)}, 9),
    ],
)
def test_pages_come_straight_from_their_index(
    filled: psycopg.Connection[Row], name: str, index: str, params: dict[str, Any], most: int, generic: bool
) -> None:
    plan = plan_of(filled, name, generic, **params)
    assert re.search(rf"\b{index}\b", plan), plan
    assert not re.search(r"Seq Scan on (messages|search_full|addons)", plan), plan
    assert rows_touched(plan) <= most, plan


# ------------------------------------------------------------------ the pool


def test_those_who_wait_for_a_connection_are_served_in_their_order(postgres_url: str) -> None:
    pool = Pool(lambda: Connection.connect(postgres_url, autocommit=True), size=1, patience=60)
    served: list[int] = []

    def work(number: int) -> None:
        with pool.connection() as connection:
            served.append(number)
            connection.execute("SELECT pg_sleep(0.02)")

    with pool.connection():
        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for waiting, thread in enumerate(threads, 1):
            thread.start()
            while len(pool._waiting) < waiting:
                time.sleep(0.001)
    for thread in threads:
        thread.join()
    assert served == list(range(8))
    pool.close()


def test_a_pool_that_stays_empty_is_told_after_a_while(postgres_url: str) -> None:
    pool = Pool(lambda: Connection.connect(postgres_url, autocommit=True), size=1, patience=0.05)
    with pool.connection(), pytest.raises(Exhausted), pool.connection():
        pass
    with pool.connection() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    pool.close()


# ------------------------------------------------------------------ a server that is away, or silent


class Flaky:
    """Connects as the engine does, but only while ``is_there`` is true."""

    def __init__(self, engine: PostgresEngine) -> None:
        self._connect = engine._connect
        self.is_there = True
        self.tries = 0

    def __call__(self) -> Connection:
        self.tries += 1
        if not self.is_there:
            raise psycopg.OperationalError("connection refused")
        return self._connect()


@pytest.fixture
def flaky(pg: Store) -> Flaky:
    """Replaces the connections of ``pg``, and shortens its patience."""
    engine = engine_of(pg)
    engine._pool.close()
    flaky = Flaky(engine)
    engine._patience = 0.3
    engine._pool = Pool(flaky, 2, 0.3)
    return flaky


def test_once_the_database_has_been_away_for_long_nobody_waits_for_it_any_more(pg: Store, flaky: Flaky) -> None:
    flaky.is_there = False
    with pytest.raises(StorageBusy):
        pg.version(1)
    assert flaky.tries > 2
    tried = []
    for _ in range(6):
        before = flaky.tries
        with pytest.raises(StorageBusy):
            pg.version(1)
        tried.append(flaky.tries - before)
    assert tried[-3:] == [1, 1, 1]


def test_a_database_that_came_back_is_waited_for_again(pg: Store, flaky: Flaky) -> None:
    flaky.is_there = False
    with pytest.raises(StorageBusy):
        pg.version(1)
    flaky.is_there = True
    assert pg.version(1) == 0
    with engine_of(pg)._pool.connection() as connection:
        connection.close()
    flaky.is_there, tries = False, flaky.tries
    with pytest.raises(StorageBusy):
        pg.version(1)
    assert flaky.tries > tries + 2


def on_the_loop(work: Callable[[], object]) -> object:
    async def wait() -> object:
        return await greenlets.start(work)

    return asyncio.run(wait())


@pytest.mark.parametrize("on", [on_the_loop, lambda work: work()], ids=["loop", "thread"])
def test_a_server_that_falls_silent_is_given_up(
    pg: Store, monkeypatch: pytest.MonkeyPatch, on: Callable[[Callable[[], object]], object]
) -> None:
    engine = engine_of(pg)
    engine._statements["sleep"] = "SELECT pg_sleep(30), :x"
    engine._patience = 0.2
    monkeypatch.setattr(postgres, "SILENCE_SECONDS", 0.2)
    for statement in ({"x": 1}, {"x": "a"}):
        with pytest.raises(StorageBusy):
            on(lambda params=statement: engine.read(lambda tx: tx.all("sleep", params), 1))  # type: ignore[misc]
    engine._patience = 8.0
    monkeypatch.setattr(postgres, "SILENCE_SECONDS", 65.0)
    assert on(lambda: pg.version(1)) == 0


def waits(store: Store, query: MessageQuery, log: Path) -> int:
    """How often one page waits for PostgreSQL: each wait ends with ReadyForQuery. Contacts are already cached."""
    engine = store._engine
    assert isinstance(engine, PostgresEngine)
    store.list_messages(query)
    with log.open("w") as file:
        with engine._pool.connection() as connection:
            connection.pgconn.trace(file.fileno())
        store.list_messages(query)
        with engine._pool.connection() as connection:
            connection.pgconn.untrace()
    return len(re.findall(r"\tB\t\d+\tReadyForQuery", log.read_text()))


def test_a_page_waits_for_few_answers(pg: Store, tmp_path: Path) -> None:
    """Like the test of a page in ``test_citus.py``, without Citus; the last counted wait is not the page's."""
    org = pg.create_org("Trips")
    phone = pg.add_phone(org.no, "4915550001001")
    seen = [
        MessageSeen(
            Message(
                key=MessageKey(phone.jid, "4915550001002@s.whatsapp.net", f"3EB0{n:04}"),
                sent_at=1_700_000_000_000_000 + n,
                from_me=False,
                kind="text",
                text="x",
            )
        )
        for n in range(60)
    ]
    pg.apply(org.no, Batch(source="linked", events=tuple(seen)))
    chat = MessageQuery(org=org.no, phones=(phone.no,), chat="4915550001002@s.whatsapp.net")
    across = MessageQuery(org=org.no, phones=(phone.no,))
    found = {"a chat": waits(pg, chat, tmp_path / "trace"), "across chats": waits(pg, across, tmp_path / "trace")}
    assert found["a chat"] <= 8
    assert found["across chats"] <= 5
