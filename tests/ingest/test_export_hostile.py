"""Whatever an export contains: each of its lines is stored once, however often it is imported."""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backscroll.core.errors import BadField, Question, Unreadable
from backscroll.core.query import MessageQuery, Shows
from backscroll.ingest.connectors.export.archive import open_export
from backscroll.ingest.connectors.export.chat import parse
from backscroll.ingest.exports.importer import import_export
from backscroll.storage.files.media import MediaStore
from backscroll.storage.store import Store, open_store
from backscroll.storage.transfer.check.run import findings_of_org
from conftest import OwnDatabase
from hostile_exports import FILES, lines_of_exports
from thorough import examples

GROUP = "120363041234567890@g.us"


class Shelf:
    """One database for many archives."""

    def __init__(self, folder: Path, database: str | None) -> None:
        self.folder = folder
        self.store: Store = open_store(database, folder)
        self.media = MediaStore(folder / "media", bytes(32))
        self._made = 0

    def new_org(self) -> int:
        self._made += 1
        org = self.store.create_org(f"org {self._made}").no
        self.store.add_phone(org, "4915550001001", name="Mara")
        return org

    def zipped(self, org: int, lines: list[str], names: set[str]) -> Path:
        path = self.folder / f"{org}.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("_chat.txt", "\n".join([*lines, ""]).encode("utf-8", "replace"))
            for name in sorted(names):
                archive.writestr(name, b"\xff\xd8\xff" + name.encode())
        return path

    def count(self, org: int, shows: Shows) -> int:
        phones = tuple(phone.no for phone in self.store.list_phones(org))
        return self.store.list_messages(MessageQuery(org=org, phones=phones, shows=shows, limit=1000)).total


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory, own_database: OwnDatabase) -> Iterator[Shelf]:
    made = Shelf(tmp_path_factory.mktemp("shelf"), own_database())
    yield made
    made.store.close()


@settings(max_examples=examples(10, 60), deadline=None, suppress_health_check=list(HealthCheck))
@given(lines=lines_of_exports(), names=st.sets(st.sampled_from(FILES)), by_jid=st.booleans())
def test_each_line_is_in_the_archive_once(shelf: Shelf, lines: list[str], names: set[str], by_jid: bool) -> None:
    org = shelf.new_org()
    [phone] = shelf.store.list_phones(org)
    path = shelf.zipped(org, lines, names)
    chat = GROUP if by_jid else "Hostile"

    def take() -> tuple[int, int, int]:
        taken = import_export(
            shelf.store, shelf.media, org, phone, path, chat=chat, timezone="UTC", day_first=True, me="Mara"
        )
        return taken.lines, taken.added, taken.files

    try:
        told, added, files = take()
    except (Question, Unreadable, BadField):
        assert shelf.count(org, "messages") == shelf.count(org, "notices") == 0
        return
    export = open_export(path)
    kinds = Counter(line.kind for line in parse(export.text, timezone=UTC, day_first=True, names=names).lines)
    assert (told, added) == (kinds.total(), kinds.total())
    assert shelf.count(org, "messages") == told - kinds["notice"] - kinds["call"]
    assert shelf.count(org, "notices") == kinds["notice"] + kinds["call"]
    assert files >= len(names)
    before = shelf.store.version(org)
    assert take()[1] == 0
    assert shelf.store.version(org) == before
    assert shelf.store._engine.read(lambda tx: findings_of_org(tx, org), org) == []
