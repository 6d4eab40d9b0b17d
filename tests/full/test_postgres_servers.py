"""More than one server: a lost primary, a connection pooler, another version, restoring a backup."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from backscroll.cli.main import main
from backscroll.core.errors import StorageBusy
from backscroll.core.events import Batch
from backscroll.database.postgres.engine import PostgresEngine
from backscroll.storage.store import Store, open_store
from crowd import PHONE, Crowd, Follower, Writer, assert_nothing_lost_or_doubled, stored_ids
from postgres_server import DEBIAN, DURABLE, SUPERUSER, Cluster, Databases, running_cluster, server_folder, server_user

pytestmark = pytest.mark.full

GAP_SECONDS = 10.0
ROUNDS = 3


def command(cluster: Cluster, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(cluster.url("postgres"), autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def wait_for(truth: Callable[[], object], seconds: float = 30) -> None:
    give_up = time.monotonic() + seconds
    while not truth():
        assert time.monotonic() < give_up
        time.sleep(0.02)


def set_synchronous(cluster: Cluster, names: str) -> None:
    command(cluster, f"ALTER SYSTEM SET synchronous_standby_names = '{names}'")
    command(cluster, "SELECT pg_reload_conf()")


def make_archive(url: str, folder: Path) -> tuple[Store, int]:
    store = open_store(url, folder)
    org = store.create_org("Sample").no
    store.add_phone(org, PHONE)
    return store, org


def four_writers(store: Store, org: int) -> list[Writer]:
    return [Writer(store, org, name, random.Random(name)) for name in "ABCD"]


# ------------------------------------------------------------------ failover


def attach(primary: Cluster, standby: Cluster) -> None:
    """Make ``standby`` a synchronous standby of ``primary``."""
    standby.clone(primary)
    standby.start()
    set_synchronous(primary, "*")
    wait_for(lambda: command(primary, "SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'"))


def test_a_lost_primary_costs_ten_seconds_and_no_message(tmp_path: Path) -> None:
    with running_cluster() as first, server_folder() as folder:
        second = Cluster(folder, first.binaries, DURABLE)
        attach(first, second)
        command(first, "CREATE DATABASE archive ENCODING 'UTF8' TEMPLATE template0")
        store, org = make_archive(
            f"postgresql://{SUPERUSER}@/archive?host={first.folder},{second.folder}&connect_timeout=2", tmp_path
        )
        writers, follower = four_writers(store, org), Follower(store, org)
        gaps = []
        primary, standby = first, second
        try:
            with Crowd([follower.work, *(writer.work for writer in writers)]):
                for _ in range(ROUNDS):
                    time.sleep(1.0)
                    killed = time.monotonic()
                    primary.kill()
                    command(standby, "SELECT pg_promote()")
                    set_synchronous(standby, "")
                    wait_for(lambda killed=killed: all(w.last > killed for w in writers), GAP_SECONDS)  # type: ignore[misc]
                    gaps.append(round(time.monotonic() - killed, 2))
                    primary, standby = standby, primary
                    attach(primary, standby)
            assert_nothing_lost_or_doubled(store, org, writers, follower)
        finally:
            store.close()
            second.kill()
        told = sum(len(writer.acknowledged) for writer in writers)
        print(json.dumps({"gaps": gaps, "messages": told, "told_again": sum(writer.busy for writer in writers)}))


# ------------------------------------------------------------------ a pooler in between


@contextmanager
def pooled(cluster: Cluster, folder: Path) -> Iterator[str]:
    """pgbouncer in transaction mode with five server connections; yields the URL of a database."""
    name = "archive"
    command(cluster, f"CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0")
    (folder / "users").write_text(f'"{SUPERUSER}" ""\n')
    settings = {
        "listen_addr": "",
        "unix_socket_dir": folder,
        "listen_port": 6432,
        "auth_type": "trust",
        "auth_file": folder / "users",
        "pool_mode": "transaction",
        "default_pool_size": 5,
        "server_login_retry": 1,
        "server_connect_timeout": 2,
        "query_wait_timeout": 10,
    }
    lines = [f"{key} = {value}" for key, value in settings.items()]
    lines = ["[databases]", f"* = host={cluster.folder}", "[pgbouncer]", *lines]
    (folder / "pgbouncer.ini").write_text("\n".join(lines))
    program = next(path for path in ("/usr/sbin/pgbouncer", "/usr/bin/pgbouncer") if Path(path).exists())
    process = subprocess.Popen(
        [program, "--quiet", str(folder / "pgbouncer.ini")], user=server_user(), stderr=subprocess.DEVNULL
    )
    url = f"postgresql://{SUPERUSER}@/{name}?host={folder}&port=6432"
    try:
        wait_for(lambda: (folder / ".s.PGSQL.6432").exists())
        yield url
    finally:
        process.terminate()
        process.wait(20)


def test_everything_works_through_pgbouncer_in_transaction_mode(tmp_path: Path) -> None:
    with running_cluster() as cluster, server_folder() as folder, pooled(cluster, folder) as url:
        store, org = make_archive(url, tmp_path)
        foreign = store.create_org("Others").no
        writers = four_writers(store, org)
        follower = Follower(store, org)
        wrong: list[object] = []
        engine = store._engine
        assert isinstance(engine, PostgresEngine)
        engine._statements["orgs_seen"] = "SELECT DISTINCT org FROM contacts UNION SELECT DISTINCT org FROM heads"

        def look(_: object) -> None:
            for i in range(2000):
                wanted = (None, org, foreign)[i % 3]
                try:
                    seen = engine.read(lambda tx: tx.all("orgs_seen", {}), wanted)
                except StorageBusy:
                    continue
                if seen != ([] if wanted is None else [(wanted,)]):
                    wrong.append((wanted, seen))

        with Crowd([look, follower.work, *(writer.work for writer in writers)]):
            time.sleep(2.0)
            cluster.kill()
            cluster.start()
            back = time.monotonic()
            wait_for(lambda: all(writer.last > back for writer in writers), 15)
            time.sleep(1.0)
        assert wrong == []
        assert_nothing_lost_or_doubled(store, org, writers, follower)
        with engine._pool.connection() as connection:
            assert connection.prepare_threshold is None
        store.close()


# ------------------------------------------------------------------ another version


def test_the_store_passes_its_tests_on_debians_postgresql_15() -> None:
    tests = Path(__file__).parents[1]
    chosen = ["-k", "postgres and not killed", str(tests / "storage"), str(tests / "contract")]
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *chosen],
        env=os.environ | {"TEST_POSTGRES_BIN": str(DEBIAN)},
        cwd=tests.parent,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout[-4000:]


# ------------------------------------------------------------------ the drill of docs/postgresql.md


def test_a_backup_taken_while_messages_come_in_is_restored_whole(tmp_path: Path) -> None:
    with running_cluster() as cluster, running_cluster() as elsewhere:
        databases = Databases(cluster.url("postgres"))
        name = databases.create()
        databases.close()
        store, org = make_archive(cluster.url(name), tmp_path)
        writers = four_writers(store, org)
        dumped = cluster.folder / "archive.dump"
        with Crowd([writer.work for writer in writers]):
            time.sleep(1.0)
            before = [id for writer in writers for id in list(writer.acknowledged)]
            source = ("--host", str(cluster.folder), "--username", SUPERUSER, "--dbname", name)
            cluster.run("pg_dump", "--format=custom", "--file", str(dumped), *source)
            time.sleep(0.3)
        command(elsewhere, "CREATE DATABASE archive ENCODING 'UTF8' TEMPLATE template0")
        target = ("--host", str(elsewhere.folder), "--username", SUPERUSER, "--dbname", "archive")
        elsewhere.run("pg_restore", "--exit-on-error", "--no-owner", "--no-privileges", *target, str(dumped))
        url = elsewhere.url("archive")
        result = CliRunner().invoke(main, ["check", "--data", str(tmp_path), "--database", url])
        assert result.exit_code == 0, result.output
        restored = open_store(url, tmp_path)
        found = stored_ids(restored, org)
        assert set(before) <= set(found)
        assert len(found) == len(set(found))
        later = Batch(source="linked", events=[writers[0].message("3EB0AFTER")])
        assert restored.apply(org, later).changed > 0
        restored.close()
        store.close()


def test_a_base_backup_with_one_wrong_byte_is_recognised() -> None:
    with running_cluster() as cluster:
        copy = cluster.folder / "copy"
        source = ("--host", str(cluster.folder), "--username", SUPERUSER)
        cluster.run("pg_basebackup", "--pgdata", str(copy), "--checkpoint=fast", "--no-sync", *source)
        cluster.run("pg_verifybackup", str(copy))
        victim = max((copy / "base").rglob("*"), key=lambda path: path.stat().st_size if path.is_file() else 0)
        data = bytearray(victim.read_bytes())
        data[len(data) // 2] ^= 1
        victim.write_bytes(data)
        with pytest.raises(AssertionError, match="checksum mismatch"):
            cluster.run("pg_verifybackup", str(copy))
