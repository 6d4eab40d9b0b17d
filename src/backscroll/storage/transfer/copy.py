"""Copying a whole archive to another database, row by row: every number, token and position in the change feed is kept.

Each page of rows is written together with the copy's position in one transaction of the target, so an interrupted copy
continues where it was. Until the end the target is marked ``copying``, and other programs do not use it (migrate.py).
Nobody may write to the source meanwhile; this is checked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import zip_longest
from typing import Any, Literal

import msgspec
from msgspec import Struct

from backscroll.core.errors import Conflict, StorageBusy, StorageError
from backscroll.core.model import Org
from backscroll.database.migrate import holds_archive, migrate, read_meta
from backscroll.database.protocol import Engine, Row, Txn
from backscroll.database.tables import TABLES, Table
from backscroll.storage.accounts import accounts
from backscroll.storage.records.org_state import read_org_state

Report = Callable[[int, int], None]
"""(rows done so far, of how many)"""
Key = list[int | str]


class Place(Struct, frozen=True):
    """The last row that was copied."""

    org: int
    table: str
    after: Key


class State(Struct, frozen=True):
    """The copy's state in the target. ``heads`` is the source's seq by organisation when the copy began."""

    archive: str
    heads: dict[int, int]
    place: Place | None = None


class Copied(Struct, frozen=True):
    """A copy that was compared with its source, row by row. ``digest`` is SHA-256 over all rows in their order."""

    archive: str
    orgs: int
    rows: dict[str, int]
    digest: str
    found: Literal["empty", "unfinished", "whole"]
    """The state of the target before the copy."""


class Copy:
    """A copy from one database to another; both are migrated when this is made.

    ``Conflict`` when the target is neither empty nor a copy of this source, ``StorageError`` when the source has
    changed since an unfinished copy began.
    """

    def __init__(self, source: Engine, target: Engine, now: int) -> None:
        migrate(source, now)
        migrate(target, now, copying=True)
        self._source = source
        self._target = target
        self._archive = read_meta(source, "archive") or ""
        self._heads = _heads(source)
        self._counts = {
            (org, table.name): count_rows(source, org, table.name) for org in self._heads for table in TABLES
        }
        self.found: Literal["empty", "unfinished", "whole"]
        self._place = self._look_at_target()

    @property
    def rows(self) -> int:
        """How many rows were copied, in all tables."""
        return sum(self._counts.values())

    def _look_at_target(self) -> Place | None:
        begun, done = (_state(read_meta(self._target, key)) for key in ("copying", "copied"))
        state = begun or done
        if state is None:
            if _heads(self._target):
                raise Conflict(
                    "The database to copy to already holds another archive; name an empty one. Nothing was changed"
                )
            self.found = "empty"
            return None
        if state.archive != self._archive:
            raise Conflict("The database to copy to holds a copy of another archive; name an empty one")
        if state.heads != self._heads:
            raise StorageError(
                "The source has changed since the copy began; stop all programs that write to it, and start again "
                "with an empty database"
            )
        if done and _heads(self._target) != self._heads:
            raise Conflict(
                "The database to copy to is a copy of this archive that has been changed since; name another one"
            )
        self.found = "unfinished" if begun else "whole"
        return state.place

    # ------------------------------------------------------------------ copying

    def run(self, report: Report) -> None:
        """Copy what is missing. May be interrupted anywhere and run again."""
        if self.found == "whole":
            return
        if self.found == "empty":
            self._target.write(self._begin)
        done = 0
        for org in self._heads:
            for table in TABLES:
                count = self._counts[(org, table.name)]
                if self._is_behind(org, table):
                    for copied in self._copy(org, table):
                        report(done + copied, self.rows)
                done += count
                report(done, self.rows)

    def _begin(self, tx: Txn) -> None:
        for org in self._source.read(accounts.list_orgs):
            _add_org(tx, org)
        tx.run("save_meta", {"key": "archive", "value": self._archive})
        self._note(tx, "copying", None)

    def _note(self, tx: Txn, key: str, place: Place | None) -> None:
        state = State(self._archive, self._heads, place)
        tx.run("save_meta", {"key": key, "value": msgspec.json.encode(state).decode()})

    def _is_behind(self, org: int, table: Table) -> bool:
        """Whether rows of this table still have to be copied."""
        if self._place is None:
            return True
        order = [(o, t.name) for o in self._heads for t in TABLES]
        return order.index((org, table.name)) >= order.index((self._place.org, self._place.table))

    def _copy(self, org: int, table: Table) -> Iterator[int]:
        begun = self._place is not None and (self._place.org, self._place.table) == (org, table.name)
        after = self._place.after if self._place is not None and begun else None
        if begun and not table.key:
            return
        copied = 0
        for rows in _pages(_separate_reads(self._source, org), org, table, after):
            place = Place(org, table.name, _key_of(table, rows[-1]))

            def work(tx: Txn, rows: list[Row] = rows, place: Place = place) -> None:
                tx.many(f"copy_put_{table.name}", (dict(zip(table.columns, row, strict=True)) for row in rows))
                self._note(tx, "copying", place)

            self._target.write(work, org)
            copied += len(rows)
            yield copied

    # ------------------------------------------------------------------ comparing

    def verify(self, report: Report) -> Copied:
        """Compare every row with the source's; ``StorageError`` names the first difference. Then open the copy."""
        if _heads(self._source) != self._heads:
            raise StorageError(
                "The source was written to while it was copied; stop all programs that write to it, empty the target "
                "and start again"
            )
        digest = hashlib.sha256()
        done = 0
        # Without statistics PostgreSQL plans what is read next as if the tables were empty.
        self._target.write(lambda tx: tx.run("refresh_statistics", {}))
        for org in self._heads:
            for table in TABLES:
                for rows in self._same_pages(org, table):
                    digest.update(msgspec.msgpack.encode(rows))
                    done += len(rows)
                    report(done, self.rows)
        self._target.write(self._finish)
        counts = {t.name: sum(self._counts[(org, t.name)] for org in self._heads) for t in TABLES}
        return Copied(self._archive, len(self._heads), counts, digest.hexdigest(), self.found)

    def _finish(self, tx: Txn) -> None:
        self._note(tx, "copied", None)
        tx.run("forget_meta", {"key": "copying"})

    def _same_pages(self, org: int, table: Table) -> Iterator[list[Row]]:
        pages = (_pages(_separate_reads(engine, org), org, table, None) for engine in (self._source, self._target))
        for ours, theirs in zip_longest(*pages, fillvalue=[]):
            if ours != theirs:
                raise StorageError(f"{_difference(table, ours, theirs)}; begin again with an empty database")
            yield ours


def _difference(table: Table, ours: list[Row], theirs: list[Row]) -> str:
    our, their = next((our, their) for our, their in zip_longest(ours, theirs) if our != their)
    if our is None:
        return f"The copy has more than its source: {_named(table, their)}"
    return f"The copy differs from its source: {_named(table, our)}"


def _named(table: Table, row: Row) -> str:
    """The key of a row, without its content."""
    key = ", ".join(f"{column} {value}" for column, value in zip(("org", *table.key), row, strict=False))
    return f"{table.name}, {key}"


def is_in_use(engine: Engine) -> bool:
    """Whether the database holds an archive with organisations, or part of a copy."""
    if not holds_archive(engine):
        return False
    return bool(engine.read(lambda tx: tx.all("list_orgs", {}))) or read_meta(engine, "copying") is not None


def snapshot_rows(source: Engine, target: Engine, now: int, report: Report) -> None:
    """Copy an archive that is in use to an empty database, each organisation from one consistent snapshot.

    Every row is read back and compared. ``StorageBusy`` if the source becomes unavailable; then start again.
    """
    migrate(target, now)
    target.write(lambda tx: tx.run("save_meta", {"key": "archive", "value": read_meta(source, "archive") or ""}))
    for org in source.read(accounts.list_orgs):
        target.write(lambda tx, org=org: _add_org(tx, org))  # type: ignore[misc]
        _Snapshot(target, org.no, report).take(source)


def _add_org(tx: Txn, org: Org) -> None:
    tx.run("add_org", {"org": org.no, "id": org.id, "name": org.name, "now": org.created_at})


class _Snapshot:
    """One organisation's rows, read in one transaction of the source."""

    def __init__(self, target: Engine, org: int, report: Report) -> None:
        self._target = target
        self._org = org
        self._report = report
        self._begun = False

    def take(self, source: Engine) -> None:
        source.read(self._all, self._org)

    def _all(self, tx: Txn) -> None:
        if self._begun:
            raise StorageBusy("The database went away while it was backed up; start the backup again")
        self._begun = True
        whole = sum(_count(tx, self._org, table.name) for table in TABLES)
        done = 0
        for table in TABLES:
            read = hashlib.sha256()
            for rows in _pages(tx.all, self._org, table, None):
                read.update(msgspec.msgpack.encode(rows))
                self._target.write(lambda target, table=table, rows=rows: self._put(target, table, rows))  # type: ignore[misc]
                done += len(rows)
                self._report(done, whole)
            self._compare(table, read.hexdigest())

    def _put(self, tx: Txn, table: Table, rows: list[Row]) -> None:
        tx.many(f"copy_put_{table.name}", (dict(zip(table.columns, row, strict=True)) for row in rows))

    def _compare(self, table: Table, expected: str) -> None:
        written = hashlib.sha256()
        for rows in _pages(_separate_reads(self._target, self._org), self._org, table, None):
            written.update(msgspec.msgpack.encode(rows))
        if written.hexdigest() != expected:
            raise StorageError(f"The rows of {table.name} read back different from what was written; look at that disk")


def _state(text: str | None) -> State | None:
    return None if text is None else msgspec.json.decode(text, type=State)


def _heads(engine: Engine) -> dict[int, int]:
    """Each organisation with its seq, which changes with every write."""
    found = {}
    for org in engine.read(accounts.list_orgs):
        row = engine.read(partial(read_org_state, org=org.no), org.no)
        found[org.no] = -1 if row is None else row.seq
    return found


def count_rows(engine: Engine, org: int, table: str) -> int:
    """How many rows of one table an organisation has."""
    return engine.read(lambda tx: _count(tx, org, table), org)


def _count(tx: Txn, org: int, table: str) -> int:
    (count,) = tx.one(f"copy_count_{table}", {"org": org}) or (0,)
    return int(count)


Fetch = Callable[[str, Mapping[str, Any]], list[Row]]
"""Runs a named statement."""


def _separate_reads(engine: Engine, org: int) -> Fetch:
    """Each statement in a transaction of its own, so that a long copy holds none open."""
    return lambda name, params: engine.read(lambda tx: tx.all(name, params), org)


def _pages(fetch: Fetch, org: int, table: Table, after: Key | None) -> Iterator[list[Row]]:
    """A table's rows in the order of its key, after a key."""
    while True:
        name = f"copy_first_{table.name}" if after is None else f"copy_next_{table.name}"
        params: dict[str, Any] = {"org": org, "limit": table.page} | dict(zip(table.key, after or (), strict=False))
        rows = fetch(name, params)
        if rows:
            yield rows
        if len(rows) < table.page or not table.key:
            return
        after = _key_of(table, rows[-1])


def _key_of(table: Table, row: Row) -> Key:
    """The row's key within its organisation, whose number comes first."""
    return list(row[1 : 1 + len(table.key)])
