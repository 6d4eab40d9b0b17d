"""Names that people chose themselves (``~ Mara``): they are not the contacts saved under the same name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from backscroll.core.events import ContactSeen
from backscroll.core.model import Org
from backscroll.ingest.imports import undo
from backscroll.storage.files.media import MediaStore
from backscroll.storage.store import Store
from export_desk import BEN, GROUP, IRA_LID, Desk

TRIP = "WhatsApp Chat with Trip.txt"
CREATED = '09:00 - Mara created group "Trip"'


@pytest.fixture
def desk(store: Store, org: Org, tmp_path: Path) -> Desk:
    phone = store.add_phone(org.no, "4915550001001", name="Mara")
    return Desk(store, MediaStore(tmp_path / "media", bytes(32)), org, phone, tmp_path)


def by_whom(desk: Desk) -> dict[str | None, str | None]:
    """Senders by texts; the owner is "me"."""
    return {m.message.text: "me" if m.message.from_me else m.message.key.sender for m in desk.shown()}


def test_who_chose_a_name_is_not_the_contact_saved_under_it(desk: Desk) -> None:
    taken = desk.android(
        CREATED, "09:01 - Jo: saved", "09:02 - ~\u202fJo: a stranger", "09:03 - Mara: me", name=TRIP, me="Mara"
    )
    assert set(taken.authors) == {"Jo", "~ Jo", "Mara"}
    who = by_whom(desk)
    assert len({who["saved"], who["a stranger"], who["me"]}) == 3
    assert {m.sender_name for m in desk.shown() if not m.message.from_me} == {"Jo"}
    assert [m.message.details.push_name for m in desk.shown()] == [None, "Jo", None]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_nor_in_two_exports_of_which_one_has_both(desk: Desk, order: Sequence[int]) -> None:
    exports = [
        (CREATED, "09:01 - ~ Jo: a stranger", "09:02 - Ida: hello"),
        (CREATED, "09:01 - ~ Jo: a stranger", "09:02 - Ida: hello", "09:03 - Jo: saved", "09:04 - Mara: me"),
    ]
    added = [desk.android(*exports[nth], name=TRIP, me="Mara").added for nth in order]
    assert added == ([3, 2] if order == (0, 1) else [5, 0])
    who = by_whom(desk)
    assert who["saved"] != who["a stranger"]


def test_a_saved_number_is_not_who_chose_the_same_name(desk: Desk) -> None:
    desk.tell(ContactSeen(jid=BEN, phone=desk.phone.jid, name="Jo"))
    desk.android(CREATED, "09:01 - ~ Jo: a stranger", "09:02 - Ida: hello", name=TRIP, me="Mara")
    assert by_whom(desk)["a stranger"] != BEN
    desk.android(CREATED, "09:01 - Jo: known", "09:02 - Ida: hello", name=TRIP.replace("Trip", "Other"), me="Mara")
    assert by_whom(desk)["known"] == BEN


@pytest.mark.parametrize("saved", [True, False])
def test_an_admin_who_chose_a_name_is_told_from_a_contact_of_that_name(desk: Desk, saved: bool) -> None:
    lines = ["09:01 - ~ Jo: a stranger", *(["09:01 - Jo: saved"] if saved else []), "09:02 - Ida: yes"]
    deleted = [
        f"09:0{3 + n} - Ida: This message was deleted by admin {who}" for n, who in enumerate(("~\u202fJo", "Jo"))
    ]
    desk.android(CREATED, *lines, *deleted, name=TRIP, me="Mara")
    by = [m.deleted_by for m in desk.shown() if m.deleted_by]
    who = by_whom(desk)
    assert by[0] == who["a stranger"] != by[1]
    assert not saved or by[1] == who["saved"]


@pytest.mark.parametrize(("chat", "is_one"), [(GROUP, True), ("120363040000000001@g.us", False)])
@pytest.mark.parametrize("name", ["Jo", "~ Jo"])
def test_a_name_that_somebody_chose_means_them_only_where_they_write(
    desk: Desk, name: str, chat: str, is_one: bool
) -> None:
    desk.tell(ContactSeen(jid=IRA_LID, phone=desk.phone.jid, push_name="Jo"))
    desk.live("3EB0A", 3600, "another time", sender=IRA_LID, chat=chat)
    desk.android(f"09:01 - {name}: hello", "09:02 - Ida: yes", name=TRIP, me="Mara", chat=GROUP)
    assert (by_whom(desk)["hello"] == IRA_LID) == is_one


def test_who_chose_the_owners_name_is_not_the_owner(desk: Desk) -> None:
    lines = (CREATED, "09:01 - ~ Mara: a stranger", "09:02 - Mara: me", "09:03 - Ida: hello")
    taken = desk.android(*lines, name=TRIP)
    assert taken.authors["Mara"] == "me"
    assert by_whom(desk)["a stranger"] != "me"


def test_somebody_saved_later_under_their_own_name_is_not_doubled(desk: Desk) -> None:
    said = ("09:01 - {}: the first thing", "09:02 - {}: another one", "09:03 - {}: and the third", "09:04 - {}: ok")
    for name, new in (("~ Jo", 0), ("Jo", 1), ("~ Jo", 0)):
        lines = [line.format(name) for line in said] + [f"09:0{5 + n} - {name}: more {n}" for n in range(new)]
        desk.android(CREATED, *lines, "09:09 - Ida: hello", name=TRIP, me="Mara")
    assert len(desk.shown()) == 6


# ---------------------------------------------------------------------- renamed authors


def test_a_renamed_author_keeps_a_name_when_the_import_of_the_old_one_is_undone(desk: Desk) -> None:
    old = (CREATED, "09:01 - Jo: hello", "09:02 - Ida: yes")
    desk.android(*old, name=TRIP, me="Mara")
    desk.android(*(line.replace("Jo:", "Jo Smith:") for line in old), "09:03 - Jo Smith: new", name=TRIP, me="Mara")
    assert len(desk.shown()) == 3
    undo(desk.store, desk.media, desk.org.no, 1)
    assert [(m.sender_name, m.message.text) for m in desk.shown()] == [
        ("Jo Smith", "hello"),
        ("Ida", "yes"),
        ("Jo Smith", "new"),
    ]
    assert list(desk.store.check()) == []


def test_a_name_is_not_given_to_two_people(desk: Desk) -> None:
    desk.android(CREATED, "09:01 - Jo: ok", "09:02 - Max: ok", "09:03 - Ida: yes", name=TRIP, me="Mara")
    desk.android(CREATED, "09:01 - Anna: ok", "09:02 - Anna: ok", "09:03 - Ida: yes", name=TRIP, me="Mara")
    assert {m.sender_name for m in desk.shown()} == {"Jo", "Max", "Ida"}
