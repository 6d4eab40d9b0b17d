"""Imports write many batches in a transaction, and let other writers in between."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec import structs

from backscroll.core.errors import BadField, Conflict
from backscroll.core.events import Batch, Event, MessageSeen, NumberMapped, ReactionSet, Target
from backscroll.core.imports import NewImport
from backscroll.core.model import Message, MessageKey, Org, Phone
from backscroll.core.query import MessageQuery
from backscroll.ingest.pipeline import apply_all
from backscroll.storage.store import Store
from backscroll.storage.write import bulk
from backscroll.storage.write.batch import Session
from backscroll.storage.write.raws import PackedRaw, packed
from conftest import CHAT, MORNING

LID = "11111111111@lid"
SOON = 60.0
"""Seconds after which a wait fails the test."""


def batches(phone: str, count: int, first: int = 0) -> Iterator[Batch]:
    """Batches of one message each, with a reaction and a position to resume from."""
    for no in range(first, first + count):
        key = MessageKey(phone, CHAT, f"3EB0{no:04d}")
        seen = MessageSeen(Message(key=key, sent_at=MORNING + no, from_me=False, text=f"number {no}"))
        by = ReactionSet(target=Target(phone, CHAT, key.id), by="4917000001@s.whatsapp.net", emoji="👍", at=MORNING)
        yield Batch(source="backup", events=[seen, by], position=("import/1", str(no)), vouches=True)


def ids(store: Store, org: Org, phone: Phone) -> set[str]:
    page = store.list_messages(MessageQuery(org=org.no, phones=(phone.no,), limit=10_000))
    assert page.total == len(page.messages)
    return {message.message.key.id for message in page.messages}


class Transactions:
    """Records how many batches each writing transaction of a store had."""

    def __init__(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sizes: list[int] = []
        write = bulk.BulkWriter.write

        def watched(writer: bulk.BulkWriter) -> Any:
            done = write(writer)
            self.sizes.append(len(done))
            return done

        monkeypatch.setattr(bulk.BulkWriter, "write", watched)
        monkeypatch.setattr(bulk, "ALONE_SECONDS", SOON)
        monkeypatch.setattr(bulk, "WANTED_SECONDS", 0.0)
        self.wanted = False
        monkeypatch.setattr(store._engine, "is_wanted", lambda: self.wanted)


@pytest.fixture
def importing(store: Store, org: Org) -> Store:
    entry = store.begin_import(org.no, NewImport(kind="test", file="x", sha256=None, size=None, answers={}))
    return store.as_import(entry.id)


def test_batches_share_transactions_of_a_bounded_size(
    importing: Store, org: Org, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Transactions(importing, monkeypatch)
    monkeypatch.setattr(bulk, "LARGEST", 20)
    applied = list(apply_all(importing, org.no, batches(phone.number, 25)))
    assert made.sizes == [10, 10, 5]
    assert [one.changed > 0 for one in applied] == [True] * 25
    assert [one.seq for one in applied] == sorted(one.seq for one in applied)
    assert len(ids(importing, org, phone)) == 25
    assert importing.position(org.no, "import/1") == "24"
    assert [one.changed for one in apply_all(importing, org.no, batches(phone.number, 25))] == [0] * 25
    assert list(importing.check()) == []


def test_a_transaction_ends_when_somebody_waits(
    importing: Store, org: Org, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Transactions(importing, monkeypatch)
    made.wanted = True
    list(apply_all(importing, org.no, batches(phone.number, 3)))
    assert made.sizes == [1, 1, 1]


class Clock:
    """Time that passes only where a test lets it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr("time.monotonic", lambda: self.now)
        monkeypatch.setattr("time.sleep", self.pass_)

    def pass_(self, seconds: float) -> None:
        self.now += seconds

    def slow_down(self, monkeypatch: pytest.MonkeyPatch, method: str, seconds: float) -> None:
        """Make a method of a session take some seconds."""
        work = getattr(Session, method)

        def slowly(*arguments: Any) -> Any:
            self.pass_(seconds)
            return work(*arguments)

        monkeypatch.setattr(Session, method, slowly)


def test_beside_others_a_transaction_is_on_disk_within_the_intended_time(
    importing: Store, org: Org, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing._engine, "is_wanted", lambda: True)
    monkeypatch.setattr(bulk, "LEAST", 1)
    clock = Clock(monkeypatch)
    clock.slow_down(monkeypatch, "write", 0.02)
    clock.slow_down(monkeypatch, "finish", 0.04)
    began: list[float] = []
    held: list[float] = []
    write_some = bulk.BulkWriter._write_some

    def watched(writer: bulk.BulkWriter, tx: Any) -> Any:
        began.append(clock.now)
        done = write_some(writer, tx)
        held.append(clock.now - began[-1])
        return done

    monkeypatch.setattr(bulk.BulkWriter, "_write_some", watched)
    list(apply_all(importing, org.no, batches(phone.number, 60)))
    # How long the end takes is learned from the first transactions.
    assert max(held[4:]) <= bulk.WANTED_SECONDS + 0.021
    assert max(held) < bulk.WANTED_SECONDS + 0.061
    assert len(ids(importing, org, phone)) == 60


def test_payloads_are_compressed_before_the_transaction_begins(
    importing: Store, org: Org, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    pack, write = packed, importing._engine.write

    def watched_pack(payload: bytes) -> PackedRaw:
        done.append("packed")
        return pack(payload)

    def watched_write(*arguments: Any) -> Any:
        done.append("begun")
        return write(*arguments)

    monkeypatch.setattr(bulk, "packed", watched_pack)
    monkeypatch.setattr("backscroll.storage.write.raws.packed", None)
    monkeypatch.setattr(importing._engine, "write", watched_write)
    some = [structs.replace(batch, raw=b"payload %d" % no) for no, batch in enumerate(batches(phone.number, 3))]
    list(apply_all(importing, org.no, [*some, some[0]]))
    assert done[:5] == ["packed"] * 4 + ["begun"]
    assert len(list(importing.check())) == 0


def test_large_transactions_leave_the_archive_that_single_batches_leave(
    importing: Store, org: Org, phone: Phone, other_phone: Phone
) -> None:
    for batch in batches(phone.number, 12):
        importing.apply(org.no, batch)
    list(apply_all(importing, org.no, batches(other_phone.number, 12)))
    told = [
        [
            (m.message.key.id, m.message.text, m.stored_at > 0, [r.emoji for r in m.reactions])
            for m in importing.list_messages(MessageQuery(org=org.no, phones=(no,), limit=100)).messages
        ]
        for no in (phone.no, other_phone.no)
    ]
    assert told[0] == told[1]
    assert list(importing.check()) == []


def test_a_large_import_is_taken_back_as_a_whole(
    importing: Store, store: Store, org: Org, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "LARGEST", 8)
    store.apply(org.no, next(batches(phone.number, 1)))
    list(apply_all(importing, org.no, batches(phone.number, 10)))
    store.undo_import(org.no, 1)
    assert ids(store, org, phone) == {"3EB00000"}
    assert list(store.check()) == []


def test_what_is_cut_goes_on_where_it_was(
    importing: Store, org: Org, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "LARGEST", 6)

    def cut() -> Iterator[Batch]:
        yield from batches(phone.number, 7)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(apply_all(importing, org.no, cut()))
    place = importing.position(org.no, "import/1")
    assert place is not None
    assert len(ids(importing, org, phone)) == int(place) + 1
    list(apply_all(importing, org.no, batches(phone.number, 20 - int(place) - 1, int(place) + 1)))
    assert len(ids(importing, org, phone)) == 20


def test_what_was_read_before_a_source_failed_is_kept(importing: Store, org: Org, phone: Phone) -> None:
    def broken() -> Iterator[Batch]:
        yield from batches(phone.number, 7)
        raise OSError("the cable was pulled")

    with pytest.raises(OSError, match="cable"):
        list(apply_all(importing, org.no, broken()))
    assert (importing.position(org.no, "import/1"), len(ids(importing, org, phone))) == ("6", 7)


def test_a_batch_that_takes_long_is_written_in_parts(
    importing: Store, org: Org, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Transactions(importing, monkeypatch)
    made.wanted = True
    monkeypatch.setattr(bulk, "LEAST", 4)
    monkeypatch.setattr(bulk, "PART_SECONDS", 0.0)
    events = [event for batch in batches(phone.number, 6) for event in batch.events]
    whole = Batch(source="backup", events=events, raw=b"all of it", position=("import/1", "end"))
    applied = apply_all(importing, org.no, [whole, *batches(phone.number, 2, 6)])
    assert next(applied).changed >= 6
    # 12 events in parts of four; the position is written only with the last part.
    assert made.sizes == [0, 0, 1]
    assert importing.position(org.no, "import/1") == "end"
    assert len(list(applied)) == 2
    assert len(ids(importing, org, phone)) == 8
    assert list(importing.check()) == []


def test_an_error_reaches_only_the_batch_whose_it_is(importing: Store, org: Org, phone: Phone) -> None:
    good = list(batches(phone.number, 4))
    bad = MessageSeen(Message(key=MessageKey(phone.number, CHAT, "x" * 5000), sent_at=MORNING, from_me=False))
    some = Batch(source="backup", events=[bad, *good[1].events])
    applied = list(apply_all(importing, org.no, [good[0], some, good[2]]))
    assert [len(one.refused) for one in applied] == [0, 1, 0]
    assert len(ids(importing, org, phone)) == 3
    nobody = next(batches("4915700000", 1))
    done: list[int] = []
    with pytest.raises(Exception, match="phone"):
        done += [one.seq for one in apply_all(importing, org.no, [good[3], nobody])]
    assert len(ids(importing, org, phone)) == 4


def test_a_batch_that_is_written_alone_keeps_its_payload(
    importing: Store, org: Org, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(writer: bulk.BulkWriter) -> Any:
        raise Conflict("not together")

    monkeypatch.setattr(bulk.BulkWriter, "write", refuse)
    payloads = [b"payload %d" % no for no in range(3)]
    some = [structs.replace(b, raw=raw) for b, raw in zip(batches(phone.number, 3), payloads, strict=True)]
    list(apply_all(importing, org.no, some))
    assert len(ids(importing, org, phone)) == 3
    digests = [{"org": org.no, "digest": hashlib.sha256(payload).hexdigest()} for payload in payloads]
    kept = importing._engine.read(lambda tx: [tx.one("find_raw", digest) for digest in digests], org.no)
    assert None not in kept
    assert list(importing.check()) == []


def test_an_import_that_is_over_tells_nothing_more(importing: Store, org: Org, phone: Phone) -> None:
    importing.finish_import(org.no, 1, {})
    with pytest.raises(Conflict):
        list(apply_all(importing, org.no, batches(phone.number, 2)))
    assert ids(importing, org, phone) == set()


def test_contacts_that_turn_out_to_be_one_are_merged(importing: Store, org: Org, phone: Phone) -> None:
    events: list[Event] = [NumberMapped(lid=LID, jid=CHAT)]
    told = MessageKey(phone.number, LID, "3EB0FFFF")
    first = Batch(
        source="backup", events=[MessageSeen(Message(key=told, sent_at=MORNING, from_me=False, text="hello"))]
    )
    mapped = Batch(source="backup", events=events)
    list(apply_all(importing, org.no, [first, *batches(phone.number, 3), mapped]))
    assert importing._engine.read_one("pending_merges", {"org": org.no}, org.no) is None
    assert len(ids(importing, org, phone)) == 4


def test_a_bad_event_is_named_when_it_is_added(store: Store, org: Org, phone: Phone) -> None:
    bad = MessageSeen(Message(key=MessageKey(phone.number, CHAT, "x" * 5000), sent_at=MORNING, from_me=False))
    with store.bulk_writer(org.no) as writer:
        with pytest.raises(BadField):
            writer.add(Batch(source="backup", events=[bad]))
        assert writer.is_empty
