"""Any sequence of imports and undos leaves the archive as if the undone imports had never been made."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct
from shelves import Shelf, trying
from test_properties import (
    ANNA,
    ANNA_BY_NAME,
    ANNA_LID,
    ANNA_TOO,
    BEN,
    BEN_LID,
    GROUP,
    GROUP_BY_NAME,
    NINE,
    ONE,
    ONE_LID,
    TWO,
    Observed,
    histories,
)

from backscroll.core.events import (
    Batch,
    ChatLabeled,
    ChatSeen,
    Event,
    MessageEdited,
    MessageSeen,
    NumberMapped,
    ReactionSet,
    Target,
)
from backscroll.core.imports import NewImport
from backscroll.core.model import Message, MessageKey, Source
from backscroll.storage.records.rows import OBSERVED
from backscroll.storage.transfer.check.run import findings_of_org
from conftest import OwnDatabase
from plain_model import canonical

IMPORTS = 3
"""Number of imports; what a live source reports has the number 0."""
EXAMPLES = {"sqlite": 20, "postgres": 6}


class Told(Struct, frozen=True):
    """One batch; its teller is the number of an import, from 1, or 0 for a live source."""

    teller: int
    source: Source
    events: list[Event]


class Undo(Struct, frozen=True):
    teller: int


class Upgraded(Struct, frozen=True):
    """Before this, a version wrote that did not record which contacts live sources had only mapped."""

    teller: int = 0


Step = Told | Undo | Upgraded


class _Shelf(Shelf):
    def archive(self, steps: Sequence[Step]) -> dict[str, Any]:
        """What an archive holds after these steps."""
        org = self.new((ONE, TWO))
        ids: dict[int, int] = {}
        for step in steps:
            if isinstance(step, Upgraded):
                self.sql.change(f"UPDATE contacts SET imported = 0 WHERE org = {org} AND imported < 0")
                continue
            if isinstance(step, Undo):
                self.store.undo_import(org, ids[step.teller])
                continue
            if step.teller and step.teller not in ids:
                ids[step.teller] = self.store.begin_import(org, NewImport(kind="gowa")).id
            import_id = ids.get(step.teller)
            self.store.apply(org, Batch(source=step.source, events=step.events, import_id=import_id))
        assert self.store._engine.read(lambda tx: findings_of_org(tx, org), org) == []
        return without_tellers(canonical(self.store, self.sql, org))


def without_tellers(archive: dict[str, Any]) -> dict[str, Any]:
    """Leave out which source reported what, since fewer sources are stored differently; the content must be equal."""
    rows = archive["rows"]
    del rows["tellings"]
    rows["addons"] = [row for row in rows["addons"] if row["kind"] != "line"]
    for table in ("addons", "chats", "contacts", "labels", "messages"):
        for row in rows[table]:
            for name in ("told", "import", "imported", "exported"):
                row.pop(name, None)
            if "flags" in row:
                row["flags"] &= ~OBSERVED
        rows[table].sort(key=str)
    return archive


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory, own_database: OwnDatabase) -> Iterator[_Shelf]:
    made = _Shelf(tmp_path_factory.mktemp("shelf"), own_database())
    yield made
    made.close()


PEOPLE = ((ANNA, ANNA_LID, ANNA_TOO, ANNA_BY_NAME), (BEN, BEN_LID), (GROUP, GROUP_BY_NAME))


def worded(event: Event, teller: int, names: dict[tuple[int, int], str]) -> Event:
    """The event with the one JID that this teller uses for each person: rows do not keep which JID was used.

    Our own phone always has its number.
    """
    text = msgspec.json.encode(event).decode()
    for nth, jids in enumerate(PEOPLE):
        for jid in jids:
            text = _spelled(jid).sub(f'"{names[teller, nth]}"', text)
    told: Event = msgspec.json.decode(_spelled(ONE_LID).sub(f'"{ONE}"', text), type=Event)
    return told


def _spelled(jid: str) -> re.Pattern[str]:
    return re.compile(rf'"[ +]?{re.escape(jid.partition("@")[0])}(:[0-9]+)?(@[a-z.]+)?"')


def steps_of(history: list[Observed], chance: random.Random) -> list[Told | Undo]:
    """The history split among tellers, some events given twice, some several in one batch, with undos anywhere after an
    import's last batch.
    """
    again = [observed for observed in history if chance.random() < 0.5]
    names = {(t, nth): chance.choice(jids) for t in range(IMPORTS + 1) for nth, jids in enumerate(PEOPLE)}
    single: list[Told] = []
    for source, event in [*history, *again]:
        teller = chance.randint(0, IMPORTS)
        if not isinstance(event, NumberMapped):
            event = worded(event, teller, names)
        single.append(Told(teller, source, [event]))
    chance.shuffle(single)
    told: list[Told | Undo] = [*batched(single, chance)]
    for teller in range(1, IMPORTS + 1):
        said = [at for at, step in enumerate(told) if step.teller == teller]
        if said and chance.random() < 0.6:
            told.insert(chance.randint(said[-1] + 1, len(told)), Undo(teller))
    return told


def batched(single: list[Told], chance: random.Random) -> list[Told]:
    """The same events, some of a teller's together in one batch and so from one source, in any order."""
    found: list[Told] = []
    often = chance.choice([0, 0.3, 0.8])
    for step in single:
        same = [at for at, other in enumerate(found) if other.teller == step.teller]
        if same and chance.random() < often:
            at = chance.choice(same)
            found[at] = msgspec.structs.replace(found[at], events=[*found[at].events, *step.events])
        else:
            found.append(step)
    return found


def try_histories(shelf: _Shelf, examples: int) -> None:
    @trying(examples)
    @given(history=histories(), chance=st.randoms(use_true_random=False))
    def each(history: list[Observed], chance: random.Random) -> None:
        leaves_no_trace(shelf, steps_of(history, chance))

    each()


def mapped(teller: int, lid: str) -> Told:
    return Told(teller, "linked", [NumberMapped(lid=lid, jid=ANNA)])


def said(chat: str, id: str = "3EB01", teller: int = 0) -> Told:
    key = MessageKey(ONE, chat, id, None)
    return Told(
        teller, "linked", [MessageSeen(Message(key=key, sent_at=NINE, from_me=False, kind="text", text="hello"))]
    )


@pytest.mark.parametrize(
    ("before", "between"),
    [
        ([mapped(0, ANNA_TOO), said(ANNA_LID)], []),
        ([mapped(0, ANNA_TOO)], [said(ANNA_LID)]),
        ([mapped(0, ANNA_TOO), said(ANNA)], []),
        ([mapped(0, ANNA_TOO)], [said(ANNA)]),
    ],
)
def test_a_number_that_live_sources_only_mapped_keeps_nothing_of_another_when_that_goes(
    shelf: _Shelf, before: list[Step], between: list[Step]
) -> None:
    steps = [*before, mapped(1, ANNA_LID), *between, Undo(1)]
    assert shelf.archive(steps) == shelf.archive([*before, *between])


def test_a_chat_that_an_undone_mapping_parted_goes_with_the_last_import_that_told_of_it(shelf: _Shelf) -> None:
    both: list[Step] = [said(GROUP), Told(1, "linked", [NumberMapped(lid=GROUP_BY_NAME, jid=GROUP)])]
    steps = [*both, said(GROUP_BY_NAME, "3EB02", 2), Undo(1), Undo(2)]
    assert shelf.archive(steps) == shelf.archive([said(GROUP)])


def leaves_no_trace(shelf: _Shelf, steps: Sequence[Step]) -> None:
    undone = {step.teller for step in steps if isinstance(step, Undo)}
    assert shelf.archive(steps) == shelf.archive([step for step in steps if step.teller not in undone])


def test_undone_imports_leave_the_archive_that_never_saw_them(shelf: _Shelf) -> None:
    try_histories(shelf, EXAMPLES[shelf.store._engine.name])


def hello(chat: str, id: str = "3EB01") -> Message:
    return Message(key=MessageKey(ONE, chat, id), sent_at=NINE, from_me=False, text="hello")


def edited_line(teller: int, chat: str) -> Told:
    target = Target(ONE, chat, "exp_1", ANNA_BY_NAME)
    return Told(teller, "linked", [MessageEdited(target=target, text="", at=NINE, id="E1")])


def tied(teller: int, lid: str, jid: str) -> Told:
    return Told(teller, "linked", [NumberMapped(lid=lid, jid=jid)])


@pytest.mark.parametrize("again", [0, 2])
def test_a_tie_of_jids_that_others_had_joined_by_way_of_a_third_stays(shelf: _Shelf, again: int) -> None:
    """When it arrives, an import and a live source have already merged the two, each with one of two mappings."""
    ties = [tied(1, ANNA_LID, ANNA), tied(0, ANNA_TOO, ANNA), tied(again, ANNA_LID, ANNA_TOO)]
    leaves_no_trace(shelf, [*ties, Undo(1)])


def test_a_number_that_live_sources_mapped_before_an_import_used_it_is_not_taken_for_theirs(shelf: _Shelf) -> None:
    """The import reports a message under the number before it ties another JID to it."""
    told = [said(ANNA, "3EB01", 1), tied(1, ANNA_LID, ANNA), said(ANNA_LID, "3EB02")]
    leaves_no_trace(shelf, [tied(0, ANNA_TOO, ANNA), *told, Undo(1)])


@pytest.mark.parametrize("chat", [ANNA, ANNA_LID])
def test_what_an_older_version_mapped_counts_as_used_so_that_nothing_leaves_the_number(
    shelf: _Shelf, chat: str
) -> None:
    """That of a hidden id stays there as well: it is not known that live sources never used the number."""
    steps: Sequence[Step] = [tied(0, ANNA_TOO, ANNA), Upgraded(), tied(1, ANNA_LID, ANNA), said(chat), Undo(1)]
    found = shelf.archive(steps)["rows"]
    [message], [place] = found["messages"], found["chats"]
    assert (message["id"], message["chat"], place["chat"]) == ("3EB01", ANNA, ANNA)


@pytest.mark.parametrize("teller", [0, 2])
@pytest.mark.parametrize("told", [[], [said(ANNA_LID)], [said(BEN), said(ANNA_LID, "3EB02", 3)]])
@pytest.mark.parametrize("wrong", [[tied(1, ANNA_LID, ANNA)], [tied(1, ANNA_LID, ANNA_TOO), tied(1, ANNA_TOO, ANNA)]])
def test_a_mapping_that_contradicts_an_imports_is_applied_once_that_is_undone(
    shelf: _Shelf, wrong: list[Step], told: list[Step], teller: int
) -> None:
    leaves_no_trace(shelf, [*wrong, *told, tied(teller, ANNA_LID, BEN), Undo(1)])
    leaves_no_trace(shelf, [*wrong, tied(teller, ANNA_LID, BEN), *told, Undo(1)])


def test_of_mappings_that_contradict_an_imports_and_each_other_the_first_is_applied(shelf: _Shelf) -> None:
    steps: Sequence[Step] = [tied(1, ANNA_LID, ANNA), tied(0, ANNA_LID, BEN), tied(0, ANNA_LID, TWO), said(ANNA_LID)]
    leaves_no_trace(shelf, [*steps, Undo(1)])


def test_a_mapping_that_contradicts_two_imports_waits_for_both_to_be_undone(shelf: _Shelf) -> None:
    ties = [tied(1, ANNA_LID, ANNA), tied(2, ANNA_LID, ANNA), tied(0, ANNA_LID, BEN), said(ANNA_LID)]
    leaves_no_trace(shelf, [*ties, Undo(1)])
    leaves_no_trace(shelf, [*ties, Undo(1), Undo(2)])


@pytest.mark.parametrize("before", [[], [Told(3, "gowa", [MessageSeen(hello(ANNA))])]])
def test_jids_that_live_sources_only_tied_are_not_taken_for_used(shelf: _Shelf, before: list[Step]) -> None:
    """What live sources tell under the JID that an import ties to them goes with that JID."""
    target = Target(ONE, GROUP, "3EB01", ANNA_TOO)
    reaction = Told(0, "cloud", [ReactionSet(target=target, by=ANNA_TOO, emoji="❤️")])
    leaves_no_trace(shelf, [tied(0, ANNA_BY_NAME, ANNA), *before, tied(2, ANNA_TOO, ANNA), reaction, Undo(2)])


def test_what_is_told_together_with_a_tie_is_noted_as_told_under_its_jid(shelf: _Shelf) -> None:
    """Live sources use a JID in the batch that ties it; a part that has it takes what they told."""
    tie = NumberMapped(lid=ANNA_LID, jid=ANNA_TOO)
    together = Told(0, "cloud", [tie, MessageSeen(hello(ANNA_LID))])
    before = Told(1, "gowa", [MessageSeen(hello(ANNA_TOO))])
    leaves_no_trace(shelf, [before, together, tied(2, ANNA_TOO, ANNA), Undo(2)])


def test_a_chat_that_an_import_keeps_when_it_is_parted_goes_with_that_import(shelf: _Shelf) -> None:
    """A live source told of the chat first, under the JID that another import had joined."""
    told = [Told(0, "backup", [MessageSeen(hello(GROUP))]), Told(3, "linked", [MessageSeen(hello(GROUP_BY_NAME))])]
    leaves_no_trace(shelf, [tied(2, GROUP_BY_NAME, GROUP), *told, Undo(2), Undo(3)])


def test_a_chat_that_an_import_keeps_when_live_sources_part_from_it_goes_with_that_import(shelf: _Shelf) -> None:
    """The other way round: what the live source told goes, and what an import told of a line yet to come stays."""
    ties = [tied(1, GROUP_BY_NAME, GROUP)]
    told = [edited_line(0, GROUP_BY_NAME), edited_line(3, GROUP)]
    leaves_no_trace(shelf, [*ties, *told, Undo(1), Undo(3)])


def test_what_waits_for_a_line_is_moved_with_the_message_that_the_line_is(shelf: _Shelf) -> None:
    """Whatever stands in the minute of a message that leaves a chat leaves with it."""
    reaction = ReactionSet(target=Target(ONE, GROUP_BY_NAME, "exp_1"), by=ANNA, emoji="👍", at=NINE)
    told = [
        Told(3, "linked", [MessageSeen(hello(GROUP_BY_NAME)), reaction]),
        Told(0, "export", [MessageSeen(hello(GROUP_BY_NAME, "exp_1"))]),
        Told(1, "gowa", [MessageSeen(hello(GROUP, "3EB02"))]),
    ]
    leaves_no_trace(shelf, [*told, tied(2, GROUP_BY_NAME, GROUP), Undo(2)])


def test_check_knows_a_message_that_was_parted_from_an_imports(shelf: _Shelf) -> None:
    """The message of a live source keeps the number of the row that an import had brought."""
    told = [Told(1, "gowa", [MessageSeen(hello(ANNA_LID))]), Told(0, "linked", [MessageSeen(hello(ANNA_BY_NAME))])]
    ties = [tied(2, ANNA_LID, ANNA), tied(0, ANNA_BY_NAME, ANNA)]
    leaves_no_trace(shelf, [*told, *ties, Undo(2)])


def test_a_chat_is_live_sources_under_the_jid_that_they_used(shelf: _Shelf) -> None:
    """An import that joins two chats tells a fact of what is one by then."""
    fact = Told(1, "gowa", [ChatSeen(phone=ONE, chat=GROUP_BY_NAME, at=NINE, name="Club")])
    leaves_no_trace(shelf, [tied(1, GROUP_BY_NAME, GROUP), said(GROUP_BY_NAME), fact, Undo(1)])


@pytest.mark.parametrize("before", [[tied(2, ANNA_LID, ANNA_TOO)], [tied(0, ANNA_LID, ANNA_TOO)], []])
@pytest.mark.parametrize("chat", [ANNA_LID, ANNA_TOO])
def test_what_live_sources_told_of_two_chats_stays_with_each_when_an_import_that_joined_them_goes(
    shelf: _Shelf, before: list[Step], chat: str
) -> None:
    """They may have used another JID of the one than its main one."""
    facts = [
        Told(0, "linked", [ChatSeen(phone=ONE, chat=jid, at=NINE, name=jid[:4], archived=jid == ANNA)])
        for jid in (chat, ANNA)
    ]
    leaves_no_trace(shelf, [*before, *facts, tied(1, chat, ANNA), Undo(1)])


@pytest.mark.parametrize(
    "fact", [ChatSeen(phone=ONE, chat=BEN, name="Ben"), ChatLabeled(phone=ONE, chat=BEN, label="1")]
)
def test_what_live_sources_told_of_a_chat_stays_with_its_hidden_id_when_the_import_that_told_the_number_goes(
    shelf: _Shelf, fact: Event
) -> None:
    """The import tells the number and a fact of the chat at once."""
    live = Told(0, "cloud", [ChatSeen(phone=ONE, chat=BEN_LID, name="Family", unread=3)])
    leaves_no_trace(shelf, [live, Told(1, "linked", [fact, NumberMapped(lid=BEN_LID, jid=BEN)]), Undo(1)])


@pytest.mark.full
def test_undone_imports_of_many_histories_leave_the_archive_that_never_saw_them(shelf: _Shelf) -> None:
    try_histories(shelf, 500)
