"""Fixtures and helpers of most tests: an empty archive, an organisation with two phones, messages and batches."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer

import shadow
from backscroll.core.events import Batch, Event, MessageSeen, Target
from backscroll.core.model import Details, Message, MessageKey, Org, Phone, Source
from backscroll.storage.files.opening import SQLITE_FILE
from backscroll.storage.records.org_state import Applied
from backscroll.storage.store import Store, open_store
from distribution import Distribution
from postgres_server import Databases, session_databases
from thorough import examples

# No deadlines: a busy machine must not fail a test.
settings.register_profile(
    "some", max_examples=examples(40, 200), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
# Runs that must pass use the same examples each time; other runs look for new ones.
settings.register_profile("same", settings.get_profile("some"), derandomize=True, database=None, print_blob=True)
settings.load_profile("same" if os.environ.get("CI") else "some")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Distribution:
    return Distribution(config, log)


CHAT = "919537851844@s.whatsapp.net"
MORNING = 1_741_856_400_000_000
"""13 March 2025, 09:00 UTC."""

ENGINES = ("sqlite", "postgres")

MakeMessage = Callable[..., MessageSeen]
MakeTarget = Callable[..., Target]
Tell = Callable[..., Applied]
OwnDatabase = Callable[[], str | None]


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    """The PostgreSQL server of this run."""
    with session_databases() as made:
        yield made


@pytest.fixture(scope="session")
def empty_archive(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Name of a database that is only copied: nobody may be connected to it while it is copied."""
    name = databases.create()
    open_store(shadow.as_wanted(databases.url(name)), tmp_path_factory.mktemp("empty")).close()
    return name


@pytest.fixture(scope="session")
def standing_archive(databases: Databases, empty_archive: str) -> str:
    """Name of the database that the tests use one after another."""
    return databases.create(template=empty_archive)


@pytest.fixture(scope="session")
def other_standing_archive(databases: Databases, empty_archive: str) -> str:
    """Name of a second one, for tests that need two archives."""
    return databases.create(template=empty_archive)


@pytest.fixture
def postgres_url(databases: Databases, standing_archive: str) -> str:
    """An empty archive on PostgreSQL."""
    databases.clear(standing_archive)
    return databases.url(standing_archive)


@pytest.fixture(params=ENGINES)
def database_url(request: pytest.FixtureRequest) -> str | None:
    """URL of an empty archive, on each engine in turn; None means SQLite in the archive's folder."""
    if request.param == "sqlite":
        return None
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def other_database_url(request: pytest.FixtureRequest, database_url: str | None) -> str | None:
    """A second empty archive on the same engine; None means SQLite, for which the test must use another folder."""
    if database_url is None:
        return None
    databases: Databases = request.getfixturevalue("databases")
    name: str = request.getfixturevalue("other_standing_archive")
    databases.clear(name)
    return databases.url(name)


@pytest.fixture
def spare_database_url(request: pytest.FixtureRequest, database_url: str | None) -> Iterator[str | None]:
    """An empty archive whose schema the test may damage; None as for ``database_url``."""
    if database_url is None:
        yield None
        return
    databases: Databases = request.getfixturevalue("databases")
    name = databases.create(template=request.getfixturevalue("empty_archive"))
    yield databases.url(name)
    databases.drop(name)


@pytest.fixture(scope="session", params=ENGINES)
def own_database(request: pytest.FixtureRequest) -> OwnDatabase:
    """Makes databases for archives that many tests share, on each engine in turn."""
    if request.param == "sqlite":
        return lambda: None
    databases: Databases = request.getfixturevalue("databases")
    return lambda: shadow.as_wanted(databases.url(databases.create()))


@pytest.fixture(scope="session")
def empty_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive on SQLite that is only copied: this is quicker than migrating one for each test."""
    folder = tmp_path_factory.mktemp("empty")
    open_store(None, folder).close()
    return folder / SQLITE_FILE


@pytest.fixture
def store(tmp_path: Path, database_url: str | None, empty_file: Path) -> Iterator[Store]:
    if database_url is None:
        shutil.copy(empty_file, tmp_path)
    opened = open_store(database_url, tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def org(store: Store) -> Org:
    return store.create_org("Sample")


@pytest.fixture
def phone(store: Store, org: Org) -> Phone:
    return store.add_phone(org.no, "918527184400")


@pytest.fixture
def other_phone(store: Store, org: Org, phone: Phone) -> Phone:
    return store.add_phone(org.no, "6289685028129")


@pytest.fixture
def make_message(phone: Phone) -> MakeMessage:
    """A message; fields of ``Message`` and of ``Details`` may be given by name."""

    def make(
        id: str = "M1", at: int = MORNING, text: str | None = "hello", chat: str = CHAT, **fields: Any
    ) -> MessageSeen:
        key = MessageKey(fields.pop("phone", phone.jid), chat, id, fields.pop("sender", None))
        direct = {name: fields.pop(name) for name in ("from_me", "kind", "ack") if name in fields}
        direct.setdefault("from_me", False)
        return MessageSeen(Message(key=key, sent_at=at, text=text, details=Details(**fields), **direct))

    return make


@pytest.fixture
def target(phone: Phone) -> MakeTarget:
    def make(id: str = "M1", chat: str = CHAT, sender: str | None = None) -> Target:
        return Target(phone.jid, chat, id, sender)

    return make


@pytest.fixture
def tell(store: Store, org: Org) -> Tell:
    """Apply events as one batch of a source."""

    def apply(*events: Event, source: Source = "webhook") -> Applied:
        return store.apply(org.no, Batch(source=source, events=events))

    return apply
