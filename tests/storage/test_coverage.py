"""Coverage: spans stored with what a source reports, gaps between them, and no claim of what is unknown."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backscroll.core.coverage import GRACE_US, SILENT_US, Coverage, Covered, Heard, Span, Teller
from backscroll.core.events import Batch, MessageSeen, NumberMapped
from backscroll.core.imports import NewImport
from backscroll.core.model import Message, MessageKey, Org, Phone
from backscroll.storage.read.coverage import FEW, Coverages
from backscroll.storage.read.gaps import holes
from backscroll.storage.records.org_state import lock_org_state
from backscroll.storage.store import Store, open_store
from backscroll.storage.write.coverage import Place, Spans
from backscroll.storage.write.live_sources import LiveSource, SourceSecrets, make_source_id
from conftest import CHAT, MORNING, OwnDatabase
from thorough import examples

MINUTE = 60_000_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
LID = "99887766554433@lid"


class Keeper:
    """An archive whose clock is set by hand, with one phone."""

    def __init__(self, url: str | None, folder: Path) -> None:
        self.now = MORNING
        self.store: Store = open_store(url, folder, clock=lambda: self.now)
        self.org: Org = self.store.create_org("Sample")
        self.phone: Phone = self.store.add_phone(self.org.no, "918527184400")

    def message(self, id: str, at: int, chat: str = CHAT) -> MessageSeen:
        return MessageSeen(Message(key=MessageKey(self.phone.jid, chat, id), sent_at=at, from_me=False, text=id))

    def take_file(self, *times: int, chat: str = CHAT, done: bool = True, kind: str = "export") -> int:
        """Import a file with messages of these times, one batch each; returns the import's id."""
        entry = self.store.begin_import(self.org.no, NewImport(kind=kind, file="chat.zip"))
        for at in times:
            said = self.message(f"{entry.id}-{at}", at, chat)
            self.store.as_import(entry.id).apply(self.org.no, Batch(source="backup", events=[said]))
        if done:
            self.store.finish_import(self.org.no, entry.id, None)
        return entry.id

    def add_source(self, kind: str = "gowa", silent_after: int | None = None) -> str:
        id, phone = make_source_id(self.org.no), self.phone.no
        source = LiveSource(org=self.org.no, id=id, kind=kind, phone=phone, silent_after=silent_after)
        return self.store.sources.add(source, SourceSecrets("secret of a source")).id

    def hear(self, source: str, at: int, sequence: int | None = None) -> None:
        self.now = at
        heard = Heard(source=source, phones=(self.phone.jid,), sequence=sequence)
        self.store.apply(self.org.no, Batch(source="webhook", events=[], heard=heard))

    def attend(self, *times: int) -> None:
        for at in times:
            self.now = at
            self.store.sources.attend(self.org.no)

    def of_chat(self, chat: str = CHAT) -> Covered:
        return self.store.ask(self.org.no, lambda r: Coverages(r, self.now).of_chat(self.phone.no, chat))

    def spans(self, chat: str = CHAT) -> list[tuple[int, int]]:
        return [(span.since, span.until) for span in reversed(self.of_chat(chat).spans)]

    def gaps(self, chat: str = CHAT) -> list[tuple[int, int | None, str, int]]:
        return [(gap.since, gap.until, gap.reason, gap.messages) for gap in reversed(self.of_chat(chat).gaps)]


@pytest.fixture
def keeper(tmp_path: Path, database_url: str | None) -> Iterator[Keeper]:
    made = Keeper(database_url, tmp_path)
    yield made
    assert list(made.store.check()) == []
    made.store.close()


# ---------------------------------------------------------------------- imports


def test_a_file_covers_its_chat_from_the_first_line_to_the_last(keeper: Keeper) -> None:
    keeper.take_file(MORNING, MORNING + 3 * DAY, MORNING + DAY)
    assert keeper.spans() == [(MORNING, MORNING + 3 * DAY)]
    assert keeper.gaps() == []
    assert keeper.of_chat().spans[0].teller == Teller(how="import", kind="export", name="chat.zip", import_id=1)


def test_an_import_counts_once_it_is_done(keeper: Keeper) -> None:
    entry = keeper.take_file(MORNING, MORNING + DAY, done=False)
    assert keeper.spans() == []
    assert keeper.gaps() == [(MORNING, MORNING + DAY, "uncovered", 2)]
    keeper.store.finish_import(keeper.org.no, entry, None)
    assert keeper.spans() == [(MORNING, MORNING + DAY)]


def test_what_is_between_two_files_is_a_gap(keeper: Keeper) -> None:
    keeper.take_file(MORNING, MORNING + DAY)
    keeper.take_file(MORNING + 6 * DAY, MORNING + 9 * DAY)
    assert keeper.gaps() == [(MORNING + DAY, MORNING + 6 * DAY, "uncovered", 0)]
    (gap,) = keeper.of_chat().gaps
    assert [(one.code, one.at) for one in gap.evidence] == [
        ("span_before", MORNING + DAY),
        ("span_after", MORNING + 6 * DAY),
    ]
    assert gap.remedy == "export"


def test_a_file_that_begins_after_what_others_told_is_short(keeper: Keeper) -> None:
    early = (keeper.message("A", MORNING - 5 * DAY), keeper.message("B", MORNING - 4 * DAY))
    keeper.store.apply(keeper.org.no, Batch(source="webhook", events=early))
    keeper.take_file(MORNING, MORNING + DAY)
    late = keeper.message("C", MORNING + 4 * DAY)
    keeper.store.apply(keeper.org.no, Batch(source="webhook", events=[late]))
    assert keeper.gaps() == [
        (MORNING - 5 * DAY, MORNING, "export_short", 2),
        (MORNING + DAY, MORNING + 4 * DAY, "export_short", 1),
    ]


def test_a_message_from_a_clock_that_is_ahead_is_no_gap_while_a_source_listens(keeper: Keeper) -> None:
    keeper.hear(keeper.add_source(), MORNING)
    ahead = (keeper.message("A", MORNING), keeper.message("B", MORNING + DAY))
    keeper.store.apply(keeper.org.no, Batch(source="webhook", events=ahead))
    assert keeper.gaps() == []


@pytest.mark.parametrize("many", [FEW - 1, FEW, FEW + 1])
def test_all_messages_of_a_gap_are_counted(keeper: Keeper, many: int) -> None:
    said = tuple(keeper.message(f"M{n}", MORNING + n * HOUR) for n in range(many))
    keeper.store.apply(keeper.org.no, Batch(source="webhook", events=said))
    assert keeper.gaps() == [(MORNING, MORNING + (many - 1) * HOUR, "uncovered", many)]


def test_taking_an_import_back_takes_its_span_back(keeper: Keeper) -> None:
    first = keeper.take_file(MORNING, MORNING + DAY)
    keeper.take_file(MORNING + DAY, MORNING + 2 * DAY)
    keeper.store.undo_import(keeper.org.no, first)
    assert keeper.spans() == [(MORNING + DAY, MORNING + 2 * DAY)]


def test_coverage_follows_a_contact_whose_ids_are_joined_and_parted(keeper: Keeper) -> None:
    keeper.take_file(MORNING, MORNING + DAY, chat=LID)
    keeper.take_file(MORNING + 2 * DAY, MORNING + 3 * DAY)
    entry = keeper.store.begin_import(keeper.org.no, NewImport(kind="gowa"))
    mapped = NumberMapped(lid=LID, jid=CHAT)
    keeper.store.as_import(entry.id).apply(keeper.org.no, Batch(source="gowa", events=[mapped]))
    keeper.store.finish_import(keeper.org.no, entry.id, None)
    both = [(MORNING, MORNING + DAY), (MORNING + 2 * DAY, MORNING + 3 * DAY)]
    assert keeper.spans() == keeper.spans(LID) == both
    keeper.store.undo_import(keeper.org.no, entry.id)
    assert [keeper.spans(LID), keeper.spans()] == [both[:1], both[1:]]


def test_the_number_of_rows_follows_files_and_not_messages(keeper: Keeper) -> None:
    keeper.take_file(*(MORNING + n * HOUR for n in range(40)))
    params = {"org": keeper.org.no, "limit": 99}
    rows = keeper.store._engine.read(lambda tx: tx.all("copy_first_spans", params), keeper.org.no)
    assert len(rows) == 1


def test_imports_of_earlier_versions_are_seen_to_once(keeper: Keeper) -> None:
    older = keeper.take_file(MORNING, MORNING + DAY)
    keeper.take_file(MORNING + 5 * DAY, MORNING + 6 * DAY, kind="jsonl")
    empty = keeper.store.begin_import(keeper.org.no, NewImport(kind="export", file="empty.zip"))
    keeper.store.finish_import(keeper.org.no, empty.id, None)
    for n in (1, 2):
        keeper.store._engine.write(lambda tx, n=n: Spans(tx, keeper.org.no).forget_import(n, 99), keeper.org.no)  # type: ignore[misc]
    assert keeper.spans() == []
    assert [keeper.store.coverage.run(keeper.org.no) for _ in range(4)] == [older, empty.id, None, None]
    assert keeper.spans() == [(MORNING, MORNING + DAY)]
    keeper.store.undo_import(keeper.org.no, older)
    assert keeper.spans() == []


# ---------------------------------------------------------------------- live sources


def test_a_live_source_covers_from_its_first_event_on(keeper: Keeper) -> None:
    source = keeper.add_source()
    for n in range(5):
        keeper.hear(source, MORNING + n * HOUR)
    (span,) = keeper_phone(keeper).spans
    assert (span.since, span.until, span.live, span.whole_phone) == (MORNING, MORNING + 4 * HOUR, True, True)


def keeper_phone(keeper: Keeper) -> Covered:
    """Coverage of the phone as a whole."""
    from backscroll.core.query import ChatQuery

    query = ChatQuery(org=keeper.org.no, phones=(keeper.phone.no,))
    page = keeper.store.ask(keeper.org.no, lambda r: Coverages(r, keeper.now).page(query, None))
    return page.phones[0].covered


def phone_gaps(keeper: Keeper) -> list[tuple[int, int | None, str]]:
    return [(gap.since, gap.until, gap.reason) for gap in reversed(keeper_phone(keeper).gaps)]


def test_a_gateway_that_says_it_is_disconnected_leaves_a_gap_until_it_is_back(keeper: Keeper) -> None:
    source = keeper.add_source()
    keeper.hear(source, MORNING)
    keeper.store.sources.connect(keeper.org.no, keeper.phone.no, "CONNECTED", MORNING, source)
    down, up = MORNING + HOUR, MORNING + 6 * HOUR
    keeper.store.sources.connect(keeper.org.no, keeper.phone.no, "DISCONNECTED", down, source)
    keeper.now = MORNING + 2 * HOUR
    assert phone_gaps(keeper) == [(down, None, "disconnected")]
    (gap,) = keeper_phone(keeper).gaps
    assert (gap.remedy, gap.source) == ("reconnect", source)
    keeper.store.sources.connect(keeper.org.no, keeper.phone.no, "CONNECTED", up, source)
    keeper.hear(source, up + MINUTE)
    assert phone_gaps(keeper) == [(down, up, "disconnected")]


def test_a_short_break_is_no_gap(keeper: Keeper) -> None:
    source = keeper.add_source()
    keeper.hear(source, MORNING)
    for n in range(3):
        at = MORNING + n * HOUR
        keeper.store.sources.connect(keeper.org.no, keeper.phone.no, "DISCONNECTED", at, source)
        keeper.store.sources.connect(keeper.org.no, keeper.phone.no, "CONNECTED", at + GRACE_US, source)
    keeper.hear(source, MORNING + 3 * HOUR)
    assert [(s.since, s.until) for s in keeper_phone(keeper).spans] == [(MORNING, MORNING + 3 * HOUR)]


@pytest.mark.parametrize(("limit", "allowed"), [(None, SILENT_US), (6 * HOUR, 6 * HOUR)])
def test_a_source_that_is_silent_for_too_long_covers_nothing_meanwhile(
    keeper: Keeper, limit: int | None, allowed: int
) -> None:
    source = keeper.add_source(silent_after=limit)
    keeper.hear(source, MORNING)
    keeper.now = MORNING + allowed
    assert phone_gaps(keeper) == []
    keeper.now += MINUTE
    assert phone_gaps(keeper) == [(MORNING, None, "silence")]
    keeper.hear(source, keeper.now)
    assert phone_gaps(keeper) == [(MORNING, keeper.now, "silence")]


def test_the_time_in_which_no_server_ran_is_a_gap(keeper: Keeper) -> None:
    source = keeper.add_source()
    keeper.attend(MORNING)
    keeper.hear(source, MORNING)
    keeper.attend(*(MORNING + n * GRACE_US for n in range(13)))
    stopped = MORNING + HOUR
    keeper.hear(source, MORNING + 9 * HOUR)
    assert phone_gaps(keeper) == [(stopped, MORNING + 9 * HOUR, "server_down")]


def test_a_short_restart_of_the_server_is_no_gap(keeper: Keeper) -> None:
    source = keeper.add_source()
    keeper.attend(MORNING)
    keeper.hear(source, MORNING)
    keeper.attend(MORNING + GRACE_US)
    keeper.hear(source, MORNING + GRACE_US + MINUTE)
    assert phone_gaps(keeper) == []


def test_a_number_that_is_left_out_is_a_gap_until_it_comes(keeper: Keeper) -> None:
    source = keeper.add_source("events")
    for number, minute in [(7, 0), (8, 10), (11, 20), (12, 30)]:
        keeper.hear(source, MORNING + minute * MINUTE, number)
    gap = (MORNING + 10 * MINUTE, MORNING + 20 * MINUTE, "sequence")
    assert phone_gaps(keeper) == [gap]
    keeper.hear(source, MORNING + 31 * MINUTE, 10)
    assert phone_gaps(keeper) == [gap]
    keeper.hear(source, MORNING + 32 * MINUTE, 9)
    assert phone_gaps(keeper) == []
    assert [(s.since, s.until) for s in keeper_phone(keeper).spans] == [(MORNING, MORNING + 32 * MINUTE)]


def test_a_source_that_was_removed_covers_until_then(keeper: Keeper) -> None:
    source = keeper.add_source()
    keeper.hear(source, MORNING)
    keeper.now = MORNING + HOUR
    keeper.store.sources.remove(source)
    keeper.now = MORNING + 5 * HOUR
    assert phone_gaps(keeper) == [(MORNING + HOUR, None, "removed")]
    assert keeper_phone(keeper).gaps[0].remedy == "export"


def test_a_gap_of_the_phone_is_a_gap_of_each_chat_and_a_file_closes_it(keeper: Keeper) -> None:
    source = keeper.add_source()
    keeper.hear(source, MORNING)
    keeper.store.apply(keeper.org.no, Batch(source="webhook", events=[keeper.message("A", MORNING)]))
    keeper.hear(source, MORNING + 4 * DAY)
    assert keeper.gaps() == [(MORNING, MORNING + 4 * DAY, "silence", 0)]
    keeper.take_file(MORNING - DAY, MORNING + 4 * DAY)
    assert keeper.gaps() == []
    assert phone_gaps(keeper) == [(MORNING, MORNING + 4 * DAY, "silence")]


def test_what_a_gateway_was_asked_for_is_covered(keeper: Keeper) -> None:
    source = keeper.add_source()
    keeper.hear(source, MORNING)
    keeper.hear(source, MORNING + 4 * DAY)
    told = Coverage(phone=keeper.phone.jid, since=MORNING - DAY, until=MORNING + 4 * DAY, origin=f"pull gowa {source}")
    keeper.store.apply(keeper.org.no, Batch(source="gowa", events=[], coverage=(told,)))
    assert phone_gaps(keeper) == []


def test_an_import_that_walked_a_stretch_takes_its_walk_back(keeper: Keeper) -> None:
    entry = keeper.store.begin_import(keeper.org.no, NewImport(kind="periskope", file="https://example.org/v1"))
    origin = "pull periskope https://example.org/v1"
    for since, until in [(MORNING, MORNING + 2 * DAY), (MORNING + DAY, MORNING + 3 * DAY)]:
        told = Coverage(phone=keeper.phone.jid, since=since, until=until, origin=origin)
        keeper.store.as_import(entry.id).apply(keeper.org.no, Batch(source="periskope", events=[], coverage=(told,)))
    assert [(s.since, s.until) for s in keeper_phone(keeper).spans] == [(MORNING, MORNING + 3 * DAY)]
    report = {"walked": [MORNING + DAY, MORNING + 3 * DAY]}
    keeper.store.finish_import(keeper.org.no, entry.id, report)
    keeper.store.undo_import(keeper.org.no, entry.id)
    assert [(s.since, s.until) for s in keeper_phone(keeper).spans] == [(MORNING, MORNING + DAY)]


# ---------------------------------------------------------------------- any order, any times


Times = st.tuples(st.integers(0, 40), st.integers(0, 12)).map(lambda t: (t[0], t[0] + t[1]))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, own_database: OwnDatabase) -> Iterator[Store]:
    opened = open_store(own_database(), tmp_path_factory.mktemp("spans"))
    opened.create_org("Sample")
    yield opened
    opened.close()


@settings(max_examples=examples(20, 100), deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=st.lists(st.tuples(st.booleans(), Times), max_size=12))
def test_spans_of_one_source_are_the_union_of_what_it_said(
    shared: Store, steps: list[tuple[bool, tuple[int, int]]]
) -> None:
    """A step with ``False`` removes its time from the spans."""
    org = shared.list_orgs()[0].no
    place = Place(1, CHAT, 1, "")
    covered: set[int] = set()

    def work(tx: object) -> list[tuple[int, int]]:
        lock_org_state(tx, org)  # type: ignore[arg-type]
        spans = Spans(tx, org)  # type: ignore[arg-type]
        spans.forget_import(1, 1000)
        for adds, (since, until) in steps:
            if adds:
                spans.cover(place, since, until)
            elif until > since:
                spans.cut(place, since, until)
        params = {"org": org, "phone": 1, "jid": CHAT, "import": 1, "origin": "", "since": -1, "until": 999}
        return [(row[0], row[1]) for row in tx.all("spans_within", params)]  # type: ignore[attr-defined]

    found = shared._engine.write(work, org)
    for adds, (since, until) in steps:
        if adds:
            covered |= set(range(since, until))
        elif until > since:
            covered -= set(range(since, until))
    assert {at for since, until in found for at in range(since, until)} == covered
    assert all(one[1] <= other[0] for one, other in itertools.pairwise(found))


@given(
    spans=st.lists(Times, max_size=8),
    ends=st.tuples(st.integers(0, 50), st.integers(0, 50)).map(lambda t: (min(t), max(t))),
)
def test_gaps_are_what_no_span_covers(spans: list[tuple[int, int]], ends: tuple[int, int]) -> None:
    """Spans are whole hours, so that no gap is too short to count."""
    teller = Teller(how="import", kind="export", name=None, import_id=1)
    told = [Span(since=a * HOUR, until=b * HOUR, teller=teller, whole_phone=False) for a, b in spans]
    found = holes(told, ends[0] * HOUR, ends[1] * HOUR, 99 * HOUR)
    last = max([ends[1], *(b for a, b in spans)])
    covered = {half for a, b in spans for half in range(2 * a, 2 * b)}
    expected = set(range(2 * ends[0], 2 * last)) - covered
    gaps = {half for hole in found for half in range(2 * hole.since // HOUR, 2 * (hole.until or 0) // HOUR)}
    assert gaps == expected
