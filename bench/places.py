"""Where the measured archives are: in SQLite files, or in databases of a PostgreSQL server that the bench starts."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from fcntl import LOCK_EX, LOCK_NB, LOCK_SH, flock
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import apsw
import msgspec
import psycopg
from msgspec import Struct
from psycopg import sql

from backscroll.core.query import MessageQuery
from backscroll.storage.store import Store, open_store
from bench import data
from bench.data import Loaded
from bench.servers import family_of
from postgres_server import Cluster, server_folder, server_user, wheel_binaries

ROOT = Path(__file__).parent.parent
CACHE = ROOT / ".bench"
HELD = "held"
OWNER = "backscroll"
SETTINGS = {
    "shared_buffers": "512MB",
    "max_wal_size": "4GB",
    "max_connections": "100",
    "autovacuum_naptime": "1min",
    "log_min_messages": "warning",
}
"""All that differs from PostgreSQL's own; commits are synced, as they are by default."""


class Place(Struct, frozen=True):
    """One archive: the folder of its data, and the URL of its database unless that is a file in the folder."""

    folder: Path
    url: str | None = None

    @property
    def environ(self) -> dict[str, str]:
        """Environment variables for the program, without Backscroll settings of the user who runs the bench."""
        known = {name: value for name, value in os.environ.items() if not name.startswith("BACKSCROLL_")}
        database = {} if self.url is None else {"BACKSCROLL_DATABASE": self.url}
        return known | {"BACKSCROLL_DATA": str(self.folder)} | database

    def open(self) -> Store:
        return open_store(self.url, self.folder)


class Engine:
    """A database engine for archives. ``home`` is the folder of those that are kept between runs."""

    name: str
    title: str

    def __init__(self, home: Path) -> None:
        self.home = home

    def at(self, folder: Path) -> Place:
        return Place(folder)

    def make(self, place: Place, source: Place | None = None) -> None:
        """Create an empty archive, or a copy of ``source``, which must not be open."""
        if source is None:
            place.folder.mkdir(parents=True)
        else:
            shutil.copytree(source.folder, place.folder)

    def drop(self, place: Place) -> None:
        """Delete an archive if it exists."""
        shutil.rmtree(place.folder, ignore_errors=True)

    def settle(self, place: Place) -> None:
        """Bring the archive into the state that it would reach some minutes after the load."""

    def disk(self, place: Place) -> int:
        """Size of the archive in bytes, with all its files."""
        return sum(file.stat().st_size for file in place.folder.rglob("*") if file.is_file())

    def index_disk(self, place: Place) -> int:
        """Size of the search index in bytes."""
        raise NotImplementedError

    def pids(self) -> list[int]:
        """The processes that work for the archives, except the program's own."""
        return []


class Sqlite(Engine):
    name = "sqlite"
    title = f"SQLite {apsw.sqlite_lib_version()}"

    def index_disk(self, place: Place) -> int:
        with closing(apsw.Connection(str(place.folder / "backscroll.db"), flags=apsw.SQLITE_OPEN_READONLY)) as db:
            sizes = db.execute(
                "SELECT pgsize FROM dbstat WHERE aggregate = TRUE AND name IN"
                " (SELECT name FROM sqlite_schema WHERE substr(tbl_name, 1, 7) = 'search_')"
            )
            return sum(size for (size,) in sizes)


class Postgres(Engine):
    name = "postgres"

    def __init__(self, home: Path, cluster: Cluster) -> None:
        super().__init__(home)
        self._cluster = cluster
        self._admin = psycopg.connect(cluster.url("postgres"), autocommit=True)
        self.title = f"PostgreSQL {self._admin.info.parameter_status('server_version')}"

    def at(self, folder: Path) -> Place:
        return Place(folder, self._cluster.url(_database(folder), OWNER))

    def make(self, place: Place, source: Place | None = None) -> None:
        super().make(place, source)
        template = sql.Identifier("template0" if source is None else _database(source.folder))
        self._command("CREATE DATABASE {} TEMPLATE {} OWNER {}", place, template, sql.Identifier(OWNER))

    def drop(self, place: Place) -> None:
        super().drop(place)
        self._command("DROP DATABASE IF EXISTS {} WITH (FORCE)", place)

    def settle(self, place: Place) -> None:
        """Do at once what autovacuum does over time."""
        with psycopg.connect(self._cluster.url(_database(place.folder)), autocommit=True) as connection:
            connection.execute("VACUUM (ANALYZE)")
        self._admin.execute("CHECKPOINT")

    def disk(self, place: Place) -> int:
        row = self._admin.execute("SELECT pg_database_size(%s)", (_database(place.folder),)).fetchone()
        return super().disk(place) + int(row[0] if row else 0)

    def index_disk(self, place: Place) -> int:
        with psycopg.connect(self._cluster.url(_database(place.folder))) as connection:
            tables = connection.execute(
                "SELECT pg_total_relation_size(oid) FROM pg_class"
                " WHERE relkind = 'r' AND substr(relname, 1, 7) = 'search_'"
            )
            return sum(int(size) for (size,) in tables)

    def pids(self) -> list[int]:
        return family_of(int((self._cluster.data / "postmaster.pid").read_text().split()[0]))

    def close(self) -> None:
        """Close after a checkpoint, so that the server stops quickly."""
        with suppress(psycopg.OperationalError):
            self._admin.execute("CHECKPOINT")
        self._admin.close()

    def _command(self, text: str, place: Place, *words: sql.Composable) -> None:
        self._admin.execute(sql.SQL(text).format(sql.Identifier(_database(place.folder)), *words))


def _database(folder: Path) -> str:
    return f"archive_{folder.name}"


@contextmanager
def sqlite() -> Iterator[Sqlite]:
    with home_of("sqlite") as home:
        yield Sqlite(home)


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server for the bench on a Unix socket, with the archives kept from earlier runs."""
    with home_of("postgres") as home, server_folder() as folder:
        cluster = Cluster(folder, wheel_binaries(folder), SETTINGS)
        room = _room(home)
        if not (room / "data").exists():
            _init(cluster, room)
            for note in home.glob(f"*/{data.FILE}"):
                note.unlink()  # of archives that went with an earlier server's files
        cluster.data = room / "data"
        try:
            cluster.start()
            with closing(Postgres(home, cluster)) as engine:
                yield engine
        finally:
            cluster.stop()


def _init(cluster: Cluster, room: Path) -> None:
    """Initialise in another folder and rename it, so that an interruption leaves nothing half done."""
    cluster.data = room / "new"
    shutil.rmtree(cluster.data, ignore_errors=True)
    cluster.init()
    cluster.start()
    with psycopg.connect(cluster.url("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(OWNER)))
    cluster.stop()
    cluster.data.rename(room / "data")


def _room(home: Path) -> Path:
    """The folder of the server's files: in ``home``, or linked from there if the server's user cannot enter it, as in
    root's home."""
    room, user = home / "cluster", server_user()
    if not room.exists():
        room.unlink(missing_ok=True)
        room.mkdir()
        _give(room, user)
        if subprocess.run(["test", "-w", room], user=user, cwd="/").returncode:
            room.rmdir()
            room.symlink_to(tempfile.mkdtemp(prefix="backscroll-bench-", dir="/var/tmp"))
            _give(room, user)
    return room.resolve()


def _give(folder: Path, user: str | None) -> None:
    if user is not None:
        shutil.chown(folder, user)
    folder.chmod(0o700)


ENGINES: dict[str, Callable[[], AbstractContextManager[Engine]]] = {"sqlite": sqlite, "postgres": postgres}


# ---------------------------------------------------------------------- what is kept


class Archive(Struct, frozen=True):
    """A loaded archive."""

    engine: Engine
    place: Place
    loaded: Loaded


@lru_cache(1)
def schema_key() -> str:
    """A hash of the tables and the generator: when it changes, archives have to be loaded again."""
    database = files("backscroll.database")
    sources = sorted((database / "sql" / "migrations").iterdir(), key=lambda file: file.name)
    digest = hashlib.sha256(Path(data.__file__).read_bytes())
    for source in sources:
        digest.update(source.read_bytes())
    return digest.hexdigest()[:12]


@contextmanager
def home_of(engine: str) -> Iterator[Path]:
    """The folder of an engine's archives, locked while in use. Deletes unlocked ones that have another schema."""
    home = CACHE / f"{engine}-{schema_key()}"
    home.mkdir(parents=True, exist_ok=True)
    with (home / HELD).open("w") as mark:
        flock(mark, LOCK_SH)
        for old in CACHE.glob(f"{engine}-*"):
            if old != home and not _is_held(old):
                shutil.rmtree((old / "cluster").resolve(), ignore_errors=True)
                shutil.rmtree(old)
        yield home


def _is_held(home: Path) -> bool:
    with (home / HELD).open("w") as mark:
        try:
            flock(mark, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            return True
        return False


def archive_of(engine: Engine, messages: int, fresh: bool) -> Archive:
    place = engine.at(engine.home / str(messages))
    note = place.folder / data.FILE
    if fresh or not note.is_file():
        engine.drop(place)
        engine.make(place)
        kept = f"kept in {engine.home.relative_to(ROOT)} for the next time"
        print(f"Loading {messages:,} messages into {engine.title}; {kept} …", file=sys.stderr, flush=True)
        # In a separate process, so that its memory is that of the load.
        arguments = [str(place.folder), str(messages), *([place.url] if place.url else [])]
        subprocess.run([sys.executable, "-m", "bench.data", *arguments], check=True, stdout=sys.stderr)
        _merge_index(place)
        engine.settle(place)
        if found := _missing(place, messages):
            note.unlink()
            raise SystemExit(f"The archive is not what was loaded: {found}")
    return Archive(engine, place, msgspec.json.decode(note.read_bytes(), type=Loaded))


def _merge_index(place: Place) -> None:
    """Merge the segments of the search index, which a server would otherwise do while it is measured."""
    store = place.open()
    try:
        for org in store.list_orgs():
            while store.tend_search(org.no, lambda: False):
                pass
    finally:
        store.close()


def _missing(place: Place, messages: int) -> str | None:
    """What is wrong with the newest and the oldest message, or None: a program that loses messages would look fast."""
    store = place.open()
    try:
        org = store.list_orgs()[0].no
        phones = tuple(phone.no for phone in store.list_phones(org))
        for offset in (0, messages - 1):
            page = store.list_messages(MessageQuery(org=org, phones=phones, offset=offset, limit=1))
            if (page.total, len(page.messages)) != (messages, 1):
                return f"of {messages:,} messages {page.total:,} are counted, {len(page.messages)} at offset {offset:,}"
        return None
    finally:
        store.close()


@contextmanager
def passing(engine: Engine, source: Archive | None = None) -> Iterator[Place]:
    """A temporary place: empty, or with a copy of an archive."""
    with tempfile.TemporaryDirectory(prefix="backscroll-bench-") as folder:
        place = engine.at(Path(folder) / "passing")
        engine.drop(place)
        engine.make(place, None if source is None else source.place)
        try:
            yield place
        finally:
            engine.drop(place)
