"""Undoing an import: what only it reported is removed; what others also reported remains as they reported it.

Each step is one transaction of bounded size that records its progress, so an interrupted undo continues, and a finished
one does nothing. Messages are removed first, then the chats, contacts, files and payloads to which nothing else
refers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from msgspec import Struct, convert, to_builtins

from backscroll.core.errors import Conflict
from backscroll.core.imports import Undone
from backscroll.database.protocol import Txn
from backscroll.storage.records.chat_rows import read_chat
from backscroll.storage.records.org_state import lock_org_state, save_org_state
from backscroll.storage.records.registers import decode_registers, encode_registers
from backscroll.storage.records.resolve import decode_told
from backscroll.storage.records.rows import row_of
from backscroll.storage.records.tellers import NOBODY, decode_tellers
from backscroll.storage.write.batch import Writer
from backscroll.storage.write.coverage import Spans, take_back_walk
from backscroll.storage.write.imports import find_import, progress_of, save_progress
from backscroll.storage.write.split import Split, Splitter, begin_split

_FIRST = -(2**63)
_RANGES = 50
_CHUNK = 400
PHASES = (
    "coverage",
    "messages",
    "retold",
    "observations",
    "annotations",
    # Before mappings, because what only the import reported about a chat is found by the JIDs that it joined.
    "chats",
    "mappings",
    "labels",
    "phones",
    "contacts",
    "files",
    "payloads",
    "positions",
    "refusals",
)
RemoveFile = Callable[[str], None]
"""Deletes the bytes of a media file."""


class Progress(Struct):
    """The state of an undo: its phase, the position within the phase, and what was removed so far."""

    phase: str = PHASES[0]
    after: list[Any] = []
    found: int = 0
    """How many things this pass over the chats found. Passes are repeated until one finds nothing."""
    messages: int = 0
    changed: int = 0
    chats: int = 0
    contacts: int = 0
    files: int = 0
    mappings: int = 0
    split: Split | None = None

    @property
    def done(self) -> Undone:
        return Undone(
            messages=self.messages,
            changed=self.changed,
            chats=self.chats,
            contacts=self.contacts,
            files=self.files,
            mappings=self.mappings,
        )


def begin_undo(tx: Txn, org: int, import_id: int) -> None:
    """From now on the import may not report anything, and whatever it numbered remains only if others report it too."""
    lock_org_state(tx, org)
    found = find_import(tx, org, import_id)
    if found.state in ("undoing", "undone"):
        return
    tx.run("disown_numbers", {"org": org, "import": import_id, "disowned": -import_id})
    save_progress(tx, org, import_id, "undoing", to_builtins(Progress()))


def undo_step(tx: Txn, org: int, import_id: int, now: int, limit: int, remove_file: RemoveFile) -> Progress | None:
    """Undo up to ``limit`` things; None if nothing is left to do."""
    state = lock_org_state(tx, org)
    found = find_import(tx, org, import_id)
    if found.state == "undone":
        return None
    if found.state != "undoing":
        raise Conflict(f"Import {import_id} is {found.state}; its undo has not begun")
    state.imported = True
    writer = Writer(tx, state, now, "linked")
    writer.provenance.undoing = import_id
    progress = convert(progress_of(tx, org, import_id), Progress)
    _Undo(tx, writer, import_id, progress, limit, remove_file).step()
    writer.finish()
    over = progress.phase not in PHASES
    save_progress(tx, org, import_id, "undone" if over else "undoing", to_builtins(progress))
    save_org_state(tx, state)
    return progress


def outcome(tx: Txn, org: int, import_id: int) -> Undone:
    """What an undo has done so far."""
    return convert(progress_of(tx, org, import_id), Progress).done


class _Undo:
    def __init__(
        self, tx: Txn, writer: Writer, import_id: int, progress: Progress, limit: int, remove_file: RemoveFile
    ) -> None:
        self._tx = tx
        self._writer = writer
        self._resolver = writer.resolver
        self._provenance = writer.provenance
        self._import = import_id
        self._progress = progress
        self._limit = limit
        self._remove_file = remove_file
        self._base: dict[str, Any] = {"org": writer.org, "import": import_id, "limit": limit}

    def step(self) -> None:
        """Do a part of the current phase, or go to the next phase."""
        phase = self._progress.phase
        if not getattr(self, f"_take_{phase}")():
            self._progress.after = []
            self._progress.phase = self._next(phase)

    def _next(self, phase: str) -> str:
        if phase == "annotations" and self._progress.found:
            # Others write meanwhile, so a line may move to a chat that this pass has already processed.
            self._progress.found = 0
            return "observations"
        at = PHASES.index(phase) + 1
        return PHASES[at] if at < len(PHASES) else "over"

    # ------------------------------------------------------------------ coverage

    def _take_coverage(self) -> bool:
        """Remove the import's coverage first, so that no period counts as covered while its messages are removed."""
        report = find_import(self._tx, self._writer.org, self._import)
        take_back_walk(self._tx, self._writer.org, report)
        return bool(Spans(self._tx, self._writer.org).forget_import(self._import, self._limit))

    # ------------------------------------------------------------------ messages

    def _take_messages(self) -> bool:
        """Remove the import from the messages within the numbers that it used."""
        first, after = self._progress.after or [0, -1]
        ranges = self._tx.all("ranges_of_import", self._disowned() | {"low": first, "limit": _RANGES})
        rows: list[tuple[int, int, int, str]] = []
        for low, high in ranges:
            first = low
            params = {"org": self._writer.org, "low": max(low, after + 1), "high": high}
            rows += self._tx.all("import_rows", params | {"limit": self._limit - len(rows)})
            if len(rows) >= self._limit:
                after, *_ = rows[-1]
                break
            after = high
        self._forget((phone, chat, id) for _, phone, chat, id in rows)
        self._progress.after = [first, after]
        return bool(rows) or len(ranges) == _RANGES

    def _disowned(self) -> dict[str, Any]:
        return {"org": self._writer.org, "import": -self._import}

    def _take_retold(self) -> bool:
        """Remove the import from messages that others brought and it reported again."""
        nos = [no for (no,) in self._tx.all("retold_by_import", self._base | {"after": -1})]
        rows = self._tx.all("rows_by_no", {"org": self._writer.org, "nos": nos}) if nos else []
        self._forget((row.phone, row.chat, row.id) for row in map(row_of, rows))
        for no in nos:
            self._tx.run("delete_retold", {"org": self._writer.org, "import": self._import, "no": no})
            if not self._provenance.tellers_of([no])[no]:
                self._tx.run("delete_raw", {"org": self._writer.org, "raw": no})
        return bool(nos)

    def _take_observations(self) -> bool:
        """Remove the import's observations of rows with several tellers, in every chat that the import mentioned."""
        return self._scan("tellings_after", lambda told: self._import in decode_tellers(told))

    def _take_annotations(self) -> bool:
        return self._scan(
            "addons_after", lambda told: any(t == self._import for t, _, _ in decode_told(told, None, None))
        )

    def _scan(self, name: str, mentions: Callable[[str], bool]) -> bool:
        phone, jid, after = self._progress.after or [0, "", ""]
        place = self._chat_at(phone, jid) if after else None
        if place is None:
            row = self._tx.one("chats_of_import", self._base | {"phone": phone, "jid": jid, "limit": 1})
            if row is None:
                return False
            (phone, jid), after = row, ""
            place = self._chat_at(phone, jid)
        if place is None:
            self._progress.after = [phone, jid, ""]
            return True
        _, chat = place
        rows = self._tx.all(name, self._base | {"phone": phone, "chat": chat, "after": after})
        wanted = {id for id, told in rows if mentions(told)}
        self._progress.found += len(wanted)
        last = ""
        if len(rows) == self._limit:
            last, _ = rows[-1]
            # The page may end between rows of the same id.
            wanted.add(last)
        self._forget((*place, id) for id in sorted(wanted))
        self._progress.after = [phone, jid, last]
        return True

    def _chat_at(self, phone: int, jid: str) -> tuple[int, int] | None:
        contact = self._find(jid)
        return None if contact is None else (phone, contact)

    def _find(self, jid: str) -> int | None:
        """The contact of a JID; None if it no longer has one."""
        if self._resolver.look_up([jid]):
            return None
        return self._resolver.number(jid)

    def _forget(self, some: Iterable[tuple[int, int, str]]) -> None:
        by_chat: dict[tuple[int, int], set[str]] = defaultdict(set)
        for phone, chat, id in some:
            by_chat[(phone, self._resolver.resolve(chat))].add(id)
        for place, wanted in by_chat.items():
            ids = sorted(wanted)
            for start in range(0, len(ids), _CHUNK):
                self._count(place, ids[start : start + _CHUNK])

    def _count(self, place: tuple[int, int], ids: list[str]) -> None:
        before = self._standing(place, ids)
        self._writer.forget(*place, ids, (self._import,))
        after = self._standing(place, ids)
        self._progress.messages += max(0, before - after)
        self._progress.changed += after

    def _standing(self, place: tuple[int, int], ids: list[str]) -> int:
        self._writer.message_writer.flush_rows()
        phone, chat = place
        params = {"org": self._writer.org, "phones": (phone,), "chats": self._resolver.numbers_of(chat)}
        return len(self._tx.all("rows_by_id", params | {"ids": ids}))

    # ------------------------------------------------------------------ mappings, chats, phones, contacts

    def _take_mappings(self) -> bool:
        """Undo the pairs of JIDs that only this import had joined."""
        if self._progress.split is not None:
            if not Splitter(self._tx, self._writer, self._progress.split, self._limit).step():
                self._progress.split = None
            return True
        pairs = self._tx.all("mappings_of_import", self._base)
        for lid, jid in pairs:
            pair = {"org": self._writer.org, "lid": lid, "jid": jid}
            self._tx.run("delete_import_mapping", pair | {"import": self._import})
            if not (self._resolver.apart([(lid, jid)]) or self._provenance.tellers_of_mapping(lid, jid)):
                self._progress.mappings += 1
                self._progress.split = begin_split(self._writer, self._tx, self._import, lid, jid)
                if self._progress.split is not None:
                    break
        return bool(pairs)

    def _take_refusals(self) -> bool:
        """Apply mappings of others that were refused because they contradicted one of the import.

        Of those that contradict each other, live sources' come first, then those of earlier imports.
        """
        if not self._progress.mappings:
            return False
        teller, lid, jid = self._progress.after or [NOBODY, "", ""]
        rows = self._tx.all("mappings_after", self._base | {"import": teller, "lid": lid, "jid": jid})
        for pair in self._resolver.apart(list(dict.fromkeys((lid, jid) for _, lid, jid in rows))):
            self._writer.map_again(*pair)
        self._progress.after = list(rows[-1]) if rows else []
        return bool(rows)

    def _take_chats(self) -> bool:
        rows = self._tx.all("chats_of_import", self._base | {"phone": 0, "jid": ""})
        for phone, jid in rows:
            self._tx.run("delete_import_facts", self._base | {"phone": phone, "jid": jid})
            chat = self._find(jid)
            if chat is not None:
                self._take_chat(phone, chat)
        return bool(rows)

    def _take_chat(self, phone: int, chat: int) -> None:
        self._writer.message_writer.flush()
        where: dict[str, Any] = {"org": self._writer.org, "phone": phone, "chat": chat, "now": self._writer.now}
        stored = read_chat(self._tx, where)
        if stored is None or not stored.imported:
            return
        registers, is_told = self._provenance.derived_of_chat(phone, self._jids_of(chat))
        if not is_told and self._tx.one("chat_is_told_of", where) is None:
            for name in ("delete_chat", "delete_import_tallies"):
                self._tx.run(name, where)
            self._progress.chats += 1
        elif registers != decode_registers(stored.facts):
            where |= stored.summary() | {"facts": encode_registers(registers), "seq": self._writer.state.seq + 1}
            self._tx.run("save_chat", where)
        else:
            return
        self._writer.state.change("chat", chat, phone=phone, chat=chat)

    def _jids_of(self, contact: int) -> list[str]:
        return self._resolver.aliases_of(contact)

    def _take_labels(self) -> bool:
        """Remove what the import reported about labels of phones; which chats have them went with the chats' facts."""
        return bool(self._writer.message_writer.forget_labels(self._import, self._limit))

    def _take_phones(self) -> bool:
        """Remove phones without messages that no one else reported, in one step: an organisation has few phones."""
        for phone, jid, _ in self._tx.all("import_phones", {"org": self._writer.org}):
            params = {"org": self._writer.org, "phone": phone, "import": self._import}
            gone = not self._provenance.tellers_of([phone])[phone]
            if gone and self._tx.one("phone_is_referred_to", params) is None and not self._has_token(jid):
                self._tx.run("delete_phone", params)
                self._writer.state.change("phone", phone)
        return False

    def _has_token(self, jid: str) -> bool:
        number, _, _ = jid.partition("@")
        tokens = self._tx.all("list_tokens", {"org": self._writer.org})
        return any(number in (phones or "") for _, _, phones, *_ in tokens)

    def _take_contacts(self) -> bool:
        rows = self._tx.all("facts_of_import", self._base | {"phone": _FIRST, "jid": ""})
        for phone, jid in rows:
            self._tx.run("delete_import_facts", self._base | {"phone": phone, "jid": jid})
            contact = self._find(jid)
            if contact is not None:
                self._take_contact(contact)
        return bool(rows)

    def _take_contact(self, contact: int) -> None:
        if not self._resolver.contact_row(contact).is_recorded:
            return
        by_phone, is_named = self._provenance.derived_of_contact(self._jids_of(contact))
        self._resolver.set_told(contact, by_phone)
        params = {"org": self._writer.org, "contact": contact}
        if not is_named and self._tx.one("contact_is_referred_to", params) is None:
            self._resolver.remove(contact)
            self._progress.contacts += 1

    # ------------------------------------------------------------------ files and payloads

    def _take_files(self) -> bool:
        files = [file for (file,) in self._tx.all("files_of_import", self._base)]
        for file in files:
            params = {"org": self._writer.org, "file": file}
            self._tx.run("delete_import_file", params | {"import": self._import})
            if self._tx.one("file_tellers", params) is None:
                self._tx.run("delete_file", params)
                self._remove_file(file)
                self._progress.files += 1
        return bool(files)

    def _take_payloads(self) -> bool:
        """Remove received payloads that came from no one else. Messages that referred to them now refer to none."""
        (first,) = self._progress.after or [0]
        ranges = self._tx.all("ranges_of_import", self._disowned() | {"low": first, "limit": _RANGES})
        for raw in self._payloads(ranges):
            if not self._provenance.tellers_of([raw])[raw]:
                self._tx.run("delete_raw", {"org": self._writer.org, "raw": raw})
        self._progress.after = [low + 1 for low, _ in ranges[-1:]]
        return bool(ranges)

    def _take_positions(self) -> bool:
        """Make streams that the import read be read from their beginning again."""
        for stream, told in self._tx.all("told_positions", {"org": self._writer.org}):
            if self._import in decode_tellers(told):
                self._tx.run("delete_position", {"org": self._writer.org, "stream": stream})
        return False

    def _payloads(self, ranges: Iterable[tuple[int, ...]]) -> Iterator[int]:
        for low, high in ranges:
            params = {"org": self._writer.org, "low": low, "high": high, "limit": high - low + 1}
            yield from [raw for (raw,) in self._tx.all("import_raws", params)]
