"""One day from every source: each alone gives what it can know; all together give the same archive in any order."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from evolution_tables import Evolution

import day_files
import day_stores
import gateways
import linked_day
import standin_gowa
import standin_periskope
from backscroll.core.model import ArchivedMessage, Notice
from backscroll.ingest.connectors.gowa.database import read as read_gowa
from backscroll.ingest.databases.evolution import import_evolution
from backscroll.ingest.databases.files import KINDS, import_files
from backscroll.ingest.databases.iphone import import_ios
from backscroll.ingest.databases.msgstore import import_msgstore
from backscroll.ingest.exports.importer import import_export
from backscroll.ingest.gowa import pull as gowa_pull
from backscroll.ingest.periskope import pull as periskope_pull
from backscroll.ingest.pipeline import apply_with_retry
from backscroll.storage.files.media import MediaStore
from backscroll.storage.store import Store, open_store
from backscroll.storage.transfer.check.run import findings_of_org
from conftest import OwnDatabase
from day_files import EDIT, GROUP_NAME, SHA256
from gateway_archive import Archive
from gateways import (
    ANA,
    ANA_LID,
    ANSWER,
    BEN,
    DAY,
    FROM_BEN,
    GROUP,
    HELLO,
    ME,
    MISTAKE,
    NAMES,
    PICTURE,
    POLL,
    SENDERS,
    TO_ALL,
    Polled,
    Said,
    net,
)
from plain_model import canonical
from plain_sql import PlainSql
from postgres_server import Databases


def _lists(lists: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    return {**lists}


class Sources:
    """The day in every form, made once, and a database for many archives."""

    def __init__(self, folder: Path, database: str | None, evolution: str, open: ExitStack) -> None:
        self.store: Store = open_store(database, folder)
        open.callback(self.store.close)
        self.sql = PlainSql(database, folder)
        open.callback(self.sql.close)
        self._media = MediaStore(folder / "media", bytes(32))
        self._scratch = folder / "scratch"
        self._folders = folder
        gowa, periskope = day_files.gowa_answers(), day_files.periskope_answers()
        names = {GROUP: day_files.GROUP_NAME}
        self._gowa = open.enter_context(standin_gowa.StandIn(net(ME), gowa, names))
        self._periskope = open.enter_context(standin_periskope.StandIn(periskope.pop("messages"), **_lists(periskope)))
        device = linked_day.day(self._new("device"))
        self.tellers: dict[str, Callable[[Archive], None]] = {
            **{kind: self._pushed(kind, gateways.payloads(kind)) for kind in SENDERS},
            "linked": self._pushed("linked", device),
            "gowa pull": self._gowa_pull,
            "periskope pull": self._periskope_pull,
            **self._files(),
            "evolution database": self._evolution_database(evolution, open),
        }

    def _new(self, name: str) -> Path:
        made = self._folders / "day" / name
        made.mkdir(parents=True)
        return made

    def _pushed(self, kind: str, bodies: list[bytes]) -> Callable[[Archive], None]:
        def tell(archive: Archive) -> None:
            for body in bodies:
                archive.take(kind, body)

        return tell

    def _gowa_pull(self, archive: Archive) -> None:
        told = {"login": standin_gowa.LOGIN, "url": self._gowa.url, "sleep": lambda _: None}
        gowa_pull.pull(archive.store, archive.org.no, net(ME), **told)  # type: ignore[arg-type]

    def _periskope_pull(self, archive: Archive) -> None:
        told = {"media": None, "token": standin_periskope.TOKEN, "url": self._periskope.url, "sleep": lambda _: None}
        periskope_pull.pull(archive.store, archive.org.no, **told)  # type: ignore[arg-type]

    def _files(self) -> dict[str, Callable[[Archive], None]]:
        gowa = day_files.gowa_database(self._new("gowa"))
        android, iphone = day_files.android(self._new("android")), day_files.iphone(self._new("iphone"))
        wacli, bridge = day_files.wacli(self._new("wacli")), day_files.bridge(self._new("bridge"))
        noweb, gows = day_stores.noweb(self._new("noweb")), day_stores.gows(self._new("gows"))
        exports = [day_files.export(self._new(f"export{no}"), chat) for no, chat in enumerate((ANA, GROUP))]
        usual: dict[str, Any] = {"max_media_bytes": 1 << 20}
        backup = usual | {"scratch": self._scratch}

        def gowa_database(archive: Archive) -> None:
            for batch in read_gowa(gowa, None, account=None):
                apply_with_retry(archive.store, archive.org.no, batch)

        def msgstore(archive: Archive) -> None:
            told = backup | {"folder": android.parent / "Media"}
            import_msgstore(archive.store, self._media, archive.org.no, archive.phone, android, **told)

        def ios(archive: Archive) -> None:
            import_ios(archive.store, self._media, archive.org.no, iphone, phone=ME, **backup)

        def program(kind: str, path: Path) -> Callable[[Archive], None]:
            def tell(archive: Archive) -> None:
                import_files(archive.store, self._media, archive.org.no, KINDS[kind], path, **usual)

            return tell

        def export(archive: Archive) -> None:
            for path, chat in zip(exports, (ANA, GROUP), strict=True):
                told: dict[str, Any] = {"chat": chat, "me": "Desk", "timezone": "UTC", "day_first": True}
                import_export(archive.store, self._media, archive.org.no, archive.phone, path, **told)

        return {
            "gowa database": gowa_database,
            "msgstore": msgstore,
            "ios": ios,
            "wacli": program("wacli", wacli),
            "whatsapp-mcp": program("whatsapp-mcp", bridge),
            "waha's noweb": program("waha", noweb),
            "waha's gows": program("waha", gows),
            "export": export,
        }

    def _evolution_database(self, url: str, open: ExitStack) -> Callable[[Archive], None]:
        database = Evolution(url, net(ME))
        open.callback(database.db.close)
        day_stores.evolution(database)

        def tell(archive: Archive) -> None:
            import_evolution(archive.store, self._media, archive.org.no, url, max_media_bytes=1 << 20)

        return tell

    def told_by(self, names: list[str]) -> Archive:
        """A new archive that received the day from these sources, one after another."""
        archive = Archive(self.store)
        for name in names:
            self.tellers[name](archive)
        archive.settle()
        found = self.store._engine.read(lambda tx: findings_of_org(tx, archive.org.no), archive.org.no)
        assert found == []
        assert archive.store.list_quarantined(archive.org.no) == []
        return archive

    def held(self, archive: Archive) -> dict[str, Any]:
        return canonical(self.store, self.sql, archive.org.no)


@pytest.fixture(scope="module")
def sources(
    tmp_path_factory: pytest.TempPathFactory, own_database: OwnDatabase, databases: Databases
) -> Iterator[Sources]:
    evolution = databases.create()
    with ExitStack() as open:
        yield Sources(tmp_path_factory.mktemp("one_day"), own_database(), databases.url(evolution), open)
    databases.drop(evolution)


def _at(archive: Archive, step: Said | Polled) -> ArchivedMessage | None:
    """Find a message by its minute, which is unique in this day: exports have no ids."""
    minute = step.at // 60
    return next((m for m in archive.messages().values() if m.message.sent_at // 60_000_000 == minute), None)


def known(archive: Archive) -> set[str]:
    """Keywords for what an archive knows of the day."""
    hello, answer, picture, mistake, to_all, from_ben, poll = (
        _at(archive, step) for step in (HELLO, ANSWER, PICTURE, MISTAKE, TO_ALL, FROM_BEN, POLL)
    )
    assert hello is not None
    assert answer is not None
    assert picture is not None
    assert (hello.message.key.sender, hello.message.text) == (net(ANA), "hello there")
    assert (answer.message.from_me, answer.message.text, answer.reactions) == (True, ANSWER.text, ())
    assert (picture.message.kind, picture.message.text) == ("image", PICTURE.text)
    quoted, media, read_at = answer.message.details.quoted, picture.message.details.media, 1_000_000 * (ANSWER.at + 2)
    whose = archive.org.no, (archive.phone.no,)
    contact, group = archive.store.find_contact(*whose, net(ANA)), archive.store.find_chat(*whose, GROUP)
    edits = [(edit.text, edit.at) for edit in hello.edits]
    told = {
        "ids": hello.message.key.id == HELLO.id,
        "seconds": hello.message.details.precision is None,
        "edit": edits == [(EDIT.text, EDIT.at * 1_000_000)],
        "original": hello.original_text == HELLO.text or hello.prev_text == HELLO.text,
        "answer": quoted is not None and quoted.id == HELLO.id,
        "read": answer.ack == 4,
        "read at": [receipt.read_at for receipt in answer.receipts] == [read_at],
        "type": media is not None and media.mimetype == "image/jpeg",
        "hash": media is not None and media.sha256 == SHA256.hex(),
        "file": media is not None and media.file == SHA256.hex(),
        "reaction": [(r.emoji, r.from_me) for r in picture.reactions] == [("👍", True)],
        "deleted": mistake is not None and mistake.deleted,
        "deleted words": mistake is not None and mistake.message.text == MISTAKE.text,
        "group": from_ben is not None and from_ben.message.key.chat == GROUP and to_all is not None,
        "member": from_ben is not None and from_ben.message.key.sender == net(BEN),
        "group's name": group is not None and group.name == GROUP_NAME,
        "group reaction": to_all is not None and [(r.emoji, r.sender) for r in to_all.reactions] == [("😮", net(BEN))],
        "group receipts": to_all is not None and len(to_all.receipts) == 2,
        "poll": poll is not None and poll.message.details.poll is not None,
        "vote": poll is not None and [(vote.voter, vote.options) for vote in poll.votes] == [(net(BEN), ("yes",))],
        "notice": any(m.message.details.notice and m.message.details.notice.type == "add" for m in archive.notices()),
        "hidden id": contact is not None and contact.lid == ANA_LID,
        "push name": contact is not None and contact.push_name == NAMES[ANA],
    }
    return {word for word, is_known in told.items() if is_known}


LIVE = frozenset({"ids", "seconds", "edit", "original", "answer", "read", "read at", "type", "reaction", "deleted"})
LIVE |= {"deleted words", "hash", "push name"}
IN_GROUPS = frozenset({"group", "member", "group reaction"})
BY_LID = LIVE | IN_GROUPS | {"group receipts", "poll", "vote", "notice", "hidden id"}
BACKUP = frozenset({"ids", "seconds", "answer", "type", "file", "reaction", "deleted", "poll", "hidden id"})

KNOWN: dict[str, frozenset[str]] = {
    "gowa": BY_LID - {"type", "hash", "poll", "vote"},
    "waha": BY_LID,
    "evolution": BY_LID - {"group receipts"},
    "periskope": (BY_LID - {"edit", "hash", "vote", "hidden id", "push name"}),
    "cloud": LIVE,
    "events": BY_LID - {"hash", "notice", "hidden id"},
    "linked": BY_LID,
    "gowa pull": frozenset({"ids", "seconds", "reaction", "group's name"}) | IN_GROUPS,
    "periskope pull": (BY_LID - {"edit", "hash", "vote"}) | {"group's name"},
    "gowa database": frozenset({"ids", "seconds", "edit", "original", "reaction", "hash", "group's name"}) | IN_GROUPS,
    "msgstore": BACKUP | IN_GROUPS | {"edit", "read", "read at", "hash", "group receipts", "vote", "group's name"},
    "ios": BACKUP | IN_GROUPS | {"group's name"},
    "wacli": (BACKUP - {"file"}) | IN_GROUPS | {"edit", "hash", "deleted words", "vote", "group's name"},
    "whatsapp-mcp": frozenset({"ids", "seconds", "answer", "hash", "deleted", "deleted words", "group", "member"})
    | {"hidden id", "group's name"},
    "waha's noweb": frozenset({"ids", "edit", "answer", "read", "type", "hash", "reaction", "poll", "vote"})
    | IN_GROUPS
    | {"hidden id", "push name", "group's name", "group receipts"},
    "waha's gows": (BY_LID - {"read", "read at", "group receipts", "vote", "notice"}) | {"group's name"},
    "evolution database": (BY_LID - {"seconds", "original", "read at", "group receipts", "notice"}) | {"group's name"},
    "export": frozenset({"type", "hash", "file", "deleted", "group", "group's name"}),
}
"""What each source can know; docs/sources says what it cannot know, and why."""


@pytest.mark.parametrize("name", KNOWN)
def test_each_source_alone_gives_all_that_it_can_know(sources: Sources, name: str) -> None:
    assert known(sources.told_by([name])) == KNOWN[name]


def shown(sources: Sources, archive: Archive) -> dict[str, Any]:
    """Everything that an archive holds, except which imports reported it and people known only by a name.

    A name that becomes known after the export does not start the search for that person again (decision 3).
    """
    held = sources.held(archive)
    contacts = [contact for contact in held["shown"].pop("contacts") if "@export" not in contact]
    seen = [[contact for contact in contacts if "@export" not in contact] for contacts in held["seen"].values()]
    rows = {table: [_untold(row) for row in rows] for table, rows in held["rows"].items() if table in _WHOLE}
    return {"shown": held["shown"], "contacts": contacts, "seen": seen, "rows": rows}


_WHOLE = ("chats", "messages", "merges", "tallies")


def _untold(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in ("told", "imported", "told_by")}


@pytest.fixture(scope="module")
def in_order(sources: Sources) -> dict[str, Any]:
    """The result when all sources report in the order of ``tellers``."""
    return shown(sources, sources.told_by([*sources.tellers]))


def test_all_together_know_everything(sources: Sources) -> None:
    archive = sources.told_by([*sources.tellers])
    everything = frozenset().union(*KNOWN.values())
    assert known(archive) == everything
    said = [step for step in DAY if isinstance(step, Said | Polled)]
    assert sorted(archive.messages()) == sorted(step.id for step in said)
    assert [chat[0] for chat in archive.view()["chats"]] == [GROUP, net(ANA)]
    # Some name Ana by hidden id and some by number. Periskope's has an id of its own.
    ids = {notice.message.key.id.partition(":")[0]: notice.message.details.notice for notice in archive.notices()}
    assert len(ids) == len(archive.notices()) == 2
    assert ids["notice"] == Notice(type="add", recipients=(net(ANA),))


def try_orders(sources: Sources, in_order: dict[str, Any], seeds: range) -> None:
    for seed in seeds:
        order = [*sources.tellers]
        random.Random(seed).shuffle(order)
        assert shown(sources, sources.told_by(order)) == in_order, order


def test_any_order_of_all_sources_gives_the_same_archive(sources: Sources, in_order: dict[str, Any]) -> None:
    try_orders(sources, in_order, range(2))


@pytest.mark.full
@pytest.mark.parametrize("first", range(2, 62, 6))
def test_many_orders_of_all_sources_give_the_same_archive(
    sources: Sources, in_order: dict[str, Any], first: int
) -> None:
    try_orders(sources, in_order, range(first, first + 6))
