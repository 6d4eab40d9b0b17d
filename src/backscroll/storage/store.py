"""The only interface to the archive. Every method is synchronous, may be called from any thread, and reads or writes in
one transaction; a write is on disk when its method returns.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from msgspec import structs

from backscroll.concurrency import greenlets
from backscroll.core import events
from backscroll.core.answers import LastStored, SearchPage
from backscroll.core.errors import BadField, NotFound, StorageError
from backscroll.core.ids import bare_number, clean_text
from backscroll.core.imports import Import, ImportState, NewImport, Undone, UndoPlan
from backscroll.core.model import (
    Access,
    ArchivedMessage,
    Chat,
    ChatPage,
    Contact,
    ContactPage,
    Org,
    Page,
    Phone,
    ReactionPage,
    RenderedPage,
)
from backscroll.core.query import ChatQuery, ContactQuery, MessageQuery, ReactionQuery, SearchQuery
from backscroll.database import migrate
from backscroll.database.protocol import Engine, Row, Txn
from backscroll.storage.accounts import accounts, leases
from backscroll.storage.accounts.accounts import NewToken, TokenInfo
from backscroll.storage.accounts.organisations import Organisations
from backscroll.storage.accounts.sessions import Sessions
from backscroll.storage.files.keys import KEY_FILE, Sealer, load_key, load_or_make_key
from backscroll.storage.files.media import MediaStore
from backscroll.storage.files.opening import make_engine, open_engine
from backscroll.storage.read.export_lines import StoredLines, lines_between
from backscroll.storage.read.finding import Finder, Wanted
from backscroll.storage.read.listings import Lists
from backscroll.storage.read.names import ContactCache, Names, Reading, Viewer
from backscroll.storage.read.pages import read_page
from backscroll.storage.read.rendered import Way, read_rendered
from backscroll.storage.read.search_pages import SearchCaches, find
from backscroll.storage.records.org_state import Applied, lock_org_state, save_org_state
from backscroll.storage.records.rows import only_value
from backscroll.storage.search.maintenance import Progress, outdate, progress, start_anew
from backscroll.storage.transfer.check.findings import Finding
from backscroll.storage.transfer.check.repair import repair_org, repair_structure
from backscroll.storage.transfer.check.run import findings
from backscroll.storage.transfer.dump import Dump, Line, restore_lines, take_dump
from backscroll.storage.transfer.undo_plan import plan_undo
from backscroll.storage.write import imports, quarantine, undo
from backscroll.storage.write.batch import Writer
from backscroll.storage.write.bulk import BulkWriter, bulk_writer
from backscroll.storage.write.coverage_upkeep import CoverageUpkeep
from backscroll.storage.write.feed import FeedUpkeep
from backscroll.storage.write.fetches import FetchQueue
from backscroll.storage.write.group_commit import GroupCommit
from backscroll.storage.write.import_jobs import ImportJobs
from backscroll.storage.write.index_upkeep import IndexUpkeep
from backscroll.storage.write.live_sources import LiveSources
from backscroll.storage.write.merge import finish_merges
from backscroll.storage.write.outbox import Outbox
from backscroll.storage.write.pace import Pace
from backscroll.storage.write.quarantine import Quarantined
from backscroll.storage.write.webhooks import Webhooks

__all__ = ["LastStored", "Quarantined", "Store", "make_engine", "now_us", "open_store"]

T = TypeVar("T")

TOUCH_SECONDS = 0.02
"""How long a reader waits at most for its token's time of use to be written."""

UNDO_ROWS = 400
"""Maximum items that one transaction of an undo removes (write/pace.py)."""


def now_us() -> int:
    """Microseconds since 1970 UTC."""
    return time.time_ns() // 1000


def open_store(url: str | None, data: Path, clock: Callable[[], int] = now_us, create: bool = True) -> Store:
    """Open the archive and migrate it if needed. ``create`` creates a missing archive; otherwise ``NotFound`` is
    raised.

    ``url`` None is the file ``backscroll.db`` in ``data``; ``sqlite:PATH`` another file.
    """
    store = Store(open_engine(url, data, create), data, clock)
    try:
        store.migrate()
    except BaseException:
        store.close()
        raise
    return store


class Store:
    """An open archive. Use ``open_store`` to get one, and ``close`` it."""

    def __init__(self, engine: Engine, data: Path, clock: Callable[[], int] = now_us) -> None:
        self._engine = engine
        self._data = data
        self._clock = clock
        self._import_id: int | None = None
        self._viewer: Viewer = None
        self._contact_cache = ContactCache()
        self._waiting_after: dict[int, int] = {}
        """By organisation, the last entry of the quarantine that was listed as waiting."""
        self._sealer: Sealer | None = None
        self.sessions = Sessions(engine, clock, self.authenticate, self._change_tokens)
        self.orgs = Organisations(engine, clock, partial(load_or_make_key, data / KEY_FILE), self._change_tokens)
        self.sources = LiveSources(engine, clock, self._seal)
        self.import_jobs = ImportJobs(engine, clock, self._seal)
        self.webhooks = Webhooks(engine, clock, self._seal)
        self.outbox = Outbox(engine, clock)
        self.fetches = FetchQueue(engine, clock)
        self.coverage = CoverageUpkeep(engine)
        self.feed = FeedUpkeep(engine, clock)
        self._group_commit = GroupCommit(engine, accounts.make_phone_id)
        self._token_uses = ThreadPoolExecutor(1, thread_name_prefix="backscroll-tokens")
        self._search_caches = SearchCaches()
        self._index_upkeep = IndexUpkeep(engine, clock)

    def migrate(self) -> list[migrate.Migration]:
        """Bring the schema up to date; raises ``NewerData`` if it is newer than this program."""
        ran = migrate.migrate(self._engine, self._clock())
        self._engine.use_app_role()
        return ran

    def close(self) -> None:
        """Wait for token uses that are being written, then close the database."""
        self._token_uses.shutdown()
        self._engine.close()

    # ------------------------------------------------------------------ writing

    def apply(self, org: int, batch: events.Batch) -> Applied:
        """Write a source's batch completely or not at all; it is on disk when this returns.

        Simultaneous batches of several threads are committed together. After ``StorageBusy`` it may or may not have
        been written. Applying a batch twice, split up, or in another order with others leaves the same archive.
        """
        if self._import_id is not None and batch.import_id is None:
            batch = structs.replace(batch, import_id=self._import_id)
        applied = self._group_commit.apply(org, batch, self._clock())
        if any(isinstance(event, events.NumberMapped) for event in batch.events):
            self.finish_merges(org)
        return applied

    def bulk_writer(self, org: int) -> AbstractContextManager[BulkWriter]:
        """For the many batches of an import: written like ``apply``, but in large transactions."""
        make, merge = accounts.make_phone_id, partial(self.finish_merges, org)
        return bulk_writer(self._engine, org, self._import_id, self._clock, make, merge)

    def finish_merges(self, org: int | None = None, stop: Callable[[], bool] = lambda: False) -> bool:
        """Move the rows of merged contacts, a bounded number in each transaction. Continues after an interruption.

        Only one process at a time does this for an organisation; if another is working on it, nothing is done. ``stop``
        is checked after each transaction. Returns whether anything was moved.
        """
        orgs = [org] if org is not None else [known.no for known in self.list_orgs()]
        moved = [finish_merges(self._engine, no, self._clock, stop) for no in orgs]
        return any(moved)

    def held_leases(self, org: int) -> list[leases.Held]:
        """The holders of an organisation's leases."""
        return self._engine.read(lambda tx: leases.held(tx, org), org)

    def quarantine(
        self, org: int, source: str, payload: bytes, problem: str, via: str | None = None, waits: bool = False
    ) -> int:
        """Store input that could not be understood, encrypted; once for each source. Returns its number.

        ``waits``: it will be understood once the message that it refers to has arrived.
        """
        sealed = self._seal().seal(payload)
        entry = quarantine.Entry(source=source, problem=problem, via=via, waits=waits)
        return self._engine.write(lambda tx: quarantine.keep(tx, org, entry, payload, sealed, self._clock()), org)

    def quarantined(self, org: int) -> list[Quarantined]:
        """All entries, decrypted, oldest first."""
        rows = self._engine.read(lambda tx: tx.all("list_quarantined", {"org": org}), org)
        return [self._unsealed(row) for row in rows]

    def find_quarantined(self, org: int, no: int) -> Quarantined:
        """One entry, decrypted; raises ``NotFound``."""
        row = self._engine.read(lambda tx: tx.one("read_quarantined", {"org": org, "no": no}), org)
        if row is None:
            raise NotFound("quarantined input", str(no))
        return self._unsealed(row)

    def _unsealed(self, row: Row) -> Quarantined:
        no, source, problem, sealed, stored_at, via = row
        return Quarantined(no, source, problem, self._seal().unseal(bytes(sealed)), stored_at, via)

    def list_quarantined(self, org: int, via: str | None = None) -> list[Quarantined]:
        """All entries, or those that came through the live source ``via``; oldest first, without the bytes."""
        rows = self._engine.read(lambda tx: tx.all("index_of_quarantine", {"org": org, "via": via}), org)
        return [Quarantined(no, source, problem, b"", stored_at, via) for no, source, problem, stored_at, via in rows]

    def waiting_in_quarantine(self, org: int, limit: int = 100) -> list[int]:
        """Numbers of entries that wait for a message, oldest first.

        Each call continues where the one before ended, and begins again after the last entry: entries that wait for
        ever hold back no others.
        """
        params = {"org": org, "after": self._waiting_after.get(org, 0), "limit": limit}
        found = [no for (no,) in self._engine.read(lambda tx: tx.all("quarantine_that_waits", params), org)]
        self._waiting_after[org] = found[-1] if len(found) == limit else 0
        return found

    def rename_quarantined(self, org: int, no: int, problem: str) -> None:
        """Replace the description of its problem."""
        params = {"org": org, "no": no, "problem": problem}
        self._engine.write(lambda tx: tx.run("rename_quarantined", params), org)

    def drop_quarantined(self, org: int, no: int) -> None:
        """Delete it permanently; raises ``NotFound``."""
        if self._engine.write(lambda tx: tx.one("drop_quarantined", {"org": org, "no": no}), org) is None:
            raise NotFound("quarantined input", str(no))

    def _seal(self) -> Sealer:
        if self._sealer is None:
            self._sealer = Sealer(self.key())
        return self._sealer

    # ------------------------------------------------------------------ imports

    def begin_import(self, org: int, new: NewImport) -> Import:
        """Give an import its id, which its batches carry (``as_import``). End it with ``finish_import``."""
        return self._engine.write(lambda tx: imports.begin_import(tx, org, new, self._clock()), org)

    def as_import(self, import_id: int) -> Store:
        """The same archive, but writes are recorded as coming from an import. Must not be closed separately."""
        copied = copy.copy(self)
        copied._import_id = import_id
        return copied

    def finish_import(
        self, org: int, import_id: int, report: dict[str, Any] | None, state: ImportState = "done"
    ) -> Import:
        """Record how an import ended."""
        return self._engine.write(
            lambda tx: imports.finish_import(tx, org, import_id, state, report, self._clock()), org
        )

    def list_imports(self, org: int) -> list[Import]:
        """All imports of an organisation, oldest first, including undone ones."""
        return self._engine.read(lambda tx: imports.list_imports(tx, org), org)

    def find_import(self, org: int, import_id: int) -> Import:
        """An import; raises ``NotFound`` if the organisation never had it."""
        return self._engine.read(lambda tx: imports.find_import(tx, org, import_id), org)

    def imports_of_file(self, org: int, sha256: str) -> list[Import]:
        """Imports of the same bytes, oldest first, in any state."""
        return self._engine.read(lambda tx: imports.imports_of_file(tx, org, sha256), org)

    def plan_undo(self, org: int, import_id: int) -> UndoPlan:
        """What ``undo_import`` would do now."""
        self.finish_merges(org)
        return self._engine.read(lambda tx: plan_undo(tx, org, import_id), org)

    def undo_import(
        self,
        org: int,
        import_id: int,
        remove_file: Callable[[str], None] = lambda file: None,
        progress: Callable[[int], None] = lambda done: None,
    ) -> Undone:
        """Remove what only this import brought in, in bounded transactions; an interrupted undo continues when called
        again.

        ``remove_file`` deletes a file that no other source has; ``progress`` receives the number of messages done.
        """
        self._engine.write(lambda tx: undo.begin_undo(tx, org, import_id), org)
        pace = Pace(UNDO_ROWS)

        def take_step(tx: Txn) -> undo.Progress | None:
            pace.begin(tx, org)
            return undo.undo_step(tx, org, import_id, self._clock(), pace.rows, remove_file)

        self.finish_merges(org)
        while (step := self._engine.write(take_step, org)) is not None:
            pace.end()
            progress(step.messages + step.changed)
            self.finish_merges(org)
            self._engine.let_others_write()
        return self._engine.read(lambda tx: undo.outcome(tx, org, import_id), org)

    # ------------------------------------------------------------------ messages

    def list_messages(self, query: MessageQuery) -> Page:
        """A page, newest first, with the number of all matching messages. An unknown chat gives an empty page."""

        def work(tx: Txn) -> Page:
            return read_page(tx, query, self._names(tx, query.org), self._search_caches.parts)

        return self._engine.read(work, query.org)

    def list_rendered(self, query: MessageQuery, way: Way) -> RenderedPage:
        """A page as of ``list_messages``, with each message as JSON text: what this process has cached, or anew."""
        if query.search is not None:
            return self.list_messages(query).rendered(way.render)
        return self.ask(query.org, lambda reading: read_rendered(reading, query, way))

    def search(self, query: SearchQuery) -> SearchPage:
        """A page of search results. No query is an error; raises ``BadField`` for an invalid cursor or time zone."""
        return self.ask(query.org, lambda reading: find(reading, query, self._search_caches))

    def tend_search(self, org: int, stop: Callable[[], bool] = lambda: False) -> bool:
        """Maintain the search index: add older messages, merge segments, rebuild outdated ones."""
        return self._index_upkeep.run(org, stop)

    def forget_in_search(self, org: int) -> None:
        """Immediately remove all words of deleted messages from the search index."""
        self._index_upkeep.forget(org)

    def remake_search(self, org: int, from_nothing: bool = False) -> None:
        """Make ``tend_search`` rebuild the search index: segment by segment, or completely from the messages."""
        work = start_anew if from_nothing else outdate
        self._engine.write(lambda tx: work(tx, org), org)

    def search_progress(self, org: int) -> Progress:
        """What still has to be added to the search index."""
        return self._engine.read(lambda tx: progress(tx, org), org)

    def find_message(
        self,
        org: int,
        phones: tuple[int, ...],
        message_id: str,
        chat: str | None = None,
        sender: str | None = None,
        from_me: bool | None = None,
    ) -> ArchivedMessage | None:
        """The message with this bare WhatsApp id; the other arguments narrow it down if several share the id."""
        wanted = Wanted(id=message_id, chat=chat, sender=sender, from_me=from_me)
        return self.ask(org, lambda reading: Finder(reading, phones).message(wanted))

    def find_by_client_ref(self, org: int, phones: tuple[int, ...], ref: str) -> ArchivedMessage | None:
        """The message that was sent with this reference chosen by the sender; None if there is none."""
        return self.ask(org, lambda reading: Finder(reading, phones).by_client_ref(ref))

    def lines_of_exports(self, org: int, phone: int, chat: str, since: int, until: int) -> StoredLines:
        """The lines that exported chats contained for a chat, including those matched with messages of other
        sources.
        """
        return self._engine.read(
            lambda tx: lines_between(tx, self._names(tx, org), org, phone, chat, since, until), org
        )

    # ------------------------------------------------------------------ chats, contacts, reactions

    def list_chats(self, query: ChatQuery) -> ChatPage:
        """A page of chats with the number of all matching ones."""
        return self._ask(query.org, lambda lists: lists.chats(query))

    def find_chat(self, org: int, phones: tuple[int, ...], jid: str) -> Chat | None:
        """The chat as seen by the first of ``phones`` that has it; None if none has it."""
        return self._ask(org, lambda lists: lists.chat(phones, jid))

    def list_contacts(self, query: ContactQuery) -> ContactPage:
        """A page of contacts that these phones know, with the number of all matching ones."""
        return self._ask(query.org, lambda lists: lists.contacts(query))

    def find_contact(self, org: int, phones: tuple[int, ...], jid: str) -> Contact | None:
        """A contact; None if these phones do not know the JID."""
        return self._ask(org, lambda lists: lists.contact(phones, jid))

    def find_by_name(self, org: int, name: str) -> list[str]:
        """JIDs of the contacts that go by exactly this name."""
        rows = self._engine.read(lambda tx: tx.all("find_by_name", {"org": org, "name": clean_text(name)[0]}), org)
        return [jid for _, jid in rows]

    def list_reactions(self, query: ReactionQuery) -> ReactionPage:
        """A page of reactions, newest first, with the number of all matching ones."""
        return self._ask(query.org, lambda lists: lists.reactions(query))

    def _ask(self, org: int, question: Callable[[Lists], T]) -> T:
        return self.ask(org, lambda reading: question(Lists(reading.tx, org, reading.names)))

    def ask(self, org: int, question: Callable[[Reading], T]) -> T:
        """The result of a query function of ``storage/read``, from one snapshot. The function may be called again."""
        return self._engine.read(lambda tx: question(Reading(tx=tx, org=org, names=self._names(tx, org))), org)

    def seen_by(self, phones: Iterable[int] | None) -> Store:
        """The same archive as visible to a reader of these phones; None is a reader of the whole organisation.

        It shows names and other facts of contacts that these phones' sources reported, and those that belong to no
        phone. Which messages are read is decided by each query. Must not be closed separately.
        """
        if phones is None:
            return self
        # As copy.copy would, in a fifth of its time: this is done for each request.
        seen = object.__new__(Store)
        vars(seen).update(vars(self), _viewer=frozenset(phones))
        return seen

    def _names(self, tx: Txn, org: int) -> Names:
        return Names(tx, org, self._contact_cache, self._viewer)

    # ------------------------------------------------------------------ changes and positions

    def version(self, org: int) -> int:
        """The organisation's head seq: another number after every write."""
        row = self._engine.read_one("read_version", {"org": org}, org)
        return int(row[0]) if row else 0

    def position(self, org: int, stream: str) -> str | None:
        """Where the next pull from a source continues, in the source's own format; None before its first batch."""
        params = {"org": org, "stream": stream}
        place: str | None = only_value(self._engine.read(lambda tx: tx.one("read_position", params), org))
        return place

    # ------------------------------------------------------------------ organisations, phones, tokens

    def create_org(self, name: str, id: str | None = None) -> Org:
        """``BadField`` for its name or id (a UUID, chosen when None), ``Conflict`` when either is taken."""
        return self.orgs.create(name, id)

    def key(self) -> bytes:
        """The archive's key; raises ``StorageError`` if its file is missing although the archive is in use."""
        path = self._data / KEY_FILE
        return load_key(path) if self.list_orgs() else load_or_make_key(path)

    def list_orgs(self) -> list[Org]:
        """All organisations, in the order of their numbers."""
        return self._engine.read(accounts.list_orgs)

    def find_org(self, name_or_id: str) -> Org:
        """By its exact name or its id; ``NotFound``."""
        return self._engine.read(lambda tx: accounts.find_org(tx, name_or_id))

    def add_phone(self, org: int, number: str, device_id: str | None = None, name: str | None = None) -> Phone:
        """Create an own phone, or change the names of an existing one."""
        digits = bare_number(number.partition("@")[0])
        if not 5 <= len(digits) <= 15:
            raise BadField("number", number, "must be digits with the country code, such as 919876543210")
        others = [p for p in self.list_phones(org) if device_id and p.device_id == device_id and p.number != digits]
        if others:
            raise BadField("device_id", device_id, f"belongs to phone {others[0].number} already")
        event = events.PhoneSeen(jid=digits, device_id=device_id, name=name)

        def work(tx: Txn) -> None:
            state = lock_org_state(tx, org)
            writer = Writer(tx, state, self._clock(), "linked")
            writer.phones.correct(writer.see_phone(event, accounts.make_phone_id()), device_id, name)
            writer.finish()
            save_org_state(tx, state)

        self._engine.write(work, org)
        return self.find_phone(org, digits)

    def list_phones(self, org: int) -> tuple[Phone, ...]:
        """Own phones, oldest first."""
        phones = self._engine.read(lambda tx: accounts.phones_of(tx, org), org)
        return tuple(phone for phone, _ in phones.values())

    def find_phone(self, org: int, number_or_id: str) -> Phone:
        """Find a phone by number in any form, phone id or device id."""
        digits = bare_number(number_or_id.partition("@")[0])
        for phone in self.list_phones(org):
            if number_or_id in (phone.phone_id, phone.device_id) or (digits and phone.number == digits):
                return phone
        raise NotFound("phone", number_or_id)

    def create_token(
        self,
        org: int,
        name: str | None = None,
        phones: tuple[int, ...] | None = None,
        scopes: frozenset[str] = frozenset({"read"}),
        expires_at: int | None = None,
    ) -> NewToken:
        """A credential for both dialects; its secret is returned once and kept as a hash only."""
        return self._engine.write(
            lambda tx: accounts.create_token(tx, org, name, phones, scopes, expires_at, self._clock()), org
        )

    def list_tokens(self, org: int) -> list[TokenInfo]:
        """All tokens of an organisation, revoked ones too; no secrets."""
        return self._engine.read(lambda tx: accounts.list_tokens(tx, org), org)

    def revoke_token(self, org: int, token_id: str) -> None:
        """Revoke a token immediately: every process looks up its credentials again."""

        self._change_tokens(org, lambda tx: accounts.revoke_token(tx, org, token_id, self._clock()))

    def _change_tokens(self, org: int, change: Callable[[Txn], object]) -> None:
        """Have every process look its credentials up again after a change."""

        def work(tx: Txn) -> None:
            state = lock_org_state(tx, org)
            change(tx)
            state.change("token", 0)
            save_org_state(tx, state)

        self._engine.write(work, org)

    def authenticate(self, secret: str) -> Access:
        """The access that a secret gives; raises ``Unauthorised`` whatever is wrong with it."""
        return self._authenticate(secret, None)

    def authenticate_basic(self, token_id: str, secret: str) -> Access:
        """The same for a token id with its secret; ``Unauthorised`` unless they belong together."""
        return self._authenticate(secret, token_id)

    def access_of_token(self, token_id: str) -> Access:
        """The access that a token gives without its secret: for ``open_access`` on loopback.

        ``Unauthorised`` when there is no such token, or it is no longer valid.
        """
        now = self._clock()
        return self._engine.read(
            lambda tx: accounts.access_of_token(tx, token_id, now), accounts.org_of_token(token_id)
        )

    def _authenticate(self, secret: str, token: str | None) -> Access:
        now = self._clock()
        found = self._engine.read(
            lambda tx: accounts.authenticate(tx, secret, now, token), accounts.org_of_token(secret)
        )
        if found.touch:
            self._touch(found.access, now)
        return found.access

    def _touch(self, access: Access, now: int) -> None:
        """Record the time of use. A reader does not wait for a long write, and does not fail if nothing can be
        written.
        """
        params = {"org": access.org.no, "token": access.token_id, "now": now}
        touched = self._token_uses.submit(self._engine.write, lambda tx: tx.run("touch_token", params), access.org.no)
        with suppress(TimeoutError, StorageError):
            greenlets.wait(touched, TOUCH_SECONDS)

    # ------------------------------------------------------------------ the archive itself

    def archive_id(self) -> str:
        """The archive's own id, which copies and backups of it share."""
        return migrate.read_meta(self._engine, "archive") or ""

    def schema(self) -> int:
        """The number of the newest migration that was run here."""
        return max(migrate.applied(self._engine), default=0)

    def last_stored(self, org: int) -> LastStored | None:
        """The message that was stored last; None if there is none."""
        row = self._engine.read(lambda tx: tx.one("last_stored", {"org": org}), org)
        return None if row is None else LastStored(*row)

    # ------------------------------------------------------------------ dumps

    def dump(
        self,
        org: int,
        take: Callable[[Dump], T],
        chat: str | None = None,
        raws: bool = False,
        phones: tuple[int, ...] | None = None,
    ) -> T:
        """Call ``take`` with everything that was reported, or one chat (of ``phones``), as one snapshot; ``raws`` adds
        payloads.
        """
        settle = partial(self.finish_merges, org)
        return take_dump(self._engine, org, take, chat, raws, phones, now=self._clock(), settle=settle)

    def restore(self, org: int, lines: Sequence[Line]) -> Applied:
        """Apply lines of a dump in one transaction; existing data stays as it is."""
        import_id = self._import_id
        now = self._clock()
        applied = self._engine.write(
            lambda tx: restore_lines(tx, org, lines, now, accounts.make_phone_id, import_id), org
        )
        if any(isinstance(line.event, events.NumberMapped) for line in lines):
            self.finish_merges(org)
        return applied

    def let_others_write(self) -> None:
        """To be called between two writes of long work: pauses while other writers wait and write."""
        self._engine.let_others_write()

    def restore_org(self, org: Org) -> Org:
        """Create an organisation as it is in another archive; its number may differ here."""
        return self.orgs.create(org.name, org.id, org.created_at)

    # ------------------------------------------------------------------ invariants

    def check(self, media: Path | MediaStore | None = None, read_files: bool = False) -> Iterator[Finding]:
        """Check the archive's consistency; an intact archive has no findings.

        ``media`` is where files are looked for too, a folder or a store; ``read_files`` compares the SHA-256 of each.
        """
        key = self._data / KEY_FILE
        sealer = Sealer(load_key(key)) if key.exists() else None
        return findings(self._engine, sealer, media, read_files)

    def repair(self) -> None:
        """Rebuild what can be derived from intact data: indexes, counters, search rows. ``check`` shows what is
        left.
        """
        repair_structure(self._engine)
        for org in self.list_orgs():
            self._engine.write(lambda tx, org=org: repair_org(tx, org.no, self._clock()), org.no)  # type: ignore[misc]
            self.tend_search(org.no)
        # Once more: rows that were stored twice may be so no longer.
        repair_structure(self._engine)
