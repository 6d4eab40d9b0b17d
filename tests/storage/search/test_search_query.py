"""How a typed query is parsed."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backscroll.storage.search.query import MAX_ITEMS, MAX_TEXT, Filters, Probe, Query, Run, Word, parse
from backscroll.storage.search.terms import MAX_WORD

DAY = 86_400_000_000
MAY_17 = 1_715_904_000_000_000
"""17 May 2024, UTC."""


def words(query: Query) -> list[str]:
    return [group.exact[0] if isinstance(group, Word) else " ".join(group.parts) for group in query.include]


@pytest.mark.parametrize(
    ("text", "understood"),
    [
        ("from:ana", Filters(senders=("ana",))),
        ('from:"Ana Lima" from:me', Filters(senders=("Ana Lima", "me"))),
        ("-from:ana -in:club", Filters(not_senders=("ana",), not_chats=("club",))),
        ("HAS:photo is:sent", Filters(facts=("image", "mine"))),
        ("-has:link", Filters(not_facts=("link",))),
        ("on:2024-05-17", Filters(since=MAY_17, until=MAY_17 + DAY)),
        ("before:2024-05-17", Filters(until=MAY_17)),
        ("after:2024-05-17", Filters(since=MAY_17 + DAY)),
        ("-before:2024-05-17 -after:2024-05-17", Filters(since=MAY_17, until=MAY_17 + DAY)),
        ("-on:2024-05-17", Filters(not_within=((MAY_17, MAY_17 + DAY),))),
        ("on:2024-05", Filters(since=MAY_17 - 16 * DAY, until=MAY_17 + 15 * DAY)),
        ("on:2024", Filters(since=MAY_17 - 137 * DAY, until=MAY_17 + 229 * DAY)),
    ],
)
def test_filters_are_told_apart_from_text(text: str, understood: Filters) -> None:
    assert parse(text) == Query(filters=understood)


def test_days_are_those_of_the_time_zone() -> None:
    lisbon = parse("on:2024-05-17", ZoneInfo("Asia/Kolkata")).filters
    assert (lisbon.since, lisbon.until) == (MAY_17 - 19_800_000_000, MAY_17 + DAY - 19_800_000_000)


@pytest.mark.parametrize("text", ["on:yesterday", "has:nothing", "is:", "on:2024-02-31", "x:y", "mailto:ana"])
def test_what_is_no_filter_is_text(text: str) -> None:
    query = parse(text)
    assert query.filters == Filters()
    assert query.include


def test_exclusions_alone_are_words() -> None:
    assert words(parse("-figs -pears")) == ["figs", "pears"]
    assert len(parse("-figs in:club").exclude) == 1
    query = parse("-figs :)")
    assert (words(query), query.exclude, query.ignored) == (["figs"], (), (":)",))


def test_a_number_in_groups_is_one_item_and_two_years_are_two() -> None:
    assert words(parse("+90 555 010 9999 today")) == ["905550109999", "today"]
    assert words(parse("(555) 0109999")) == ["5550109999"]
    assert words(parse("2024 2025")) == ["2024", "2025"]


def test_quotes_of_any_kind_hold_a_phrase_and_an_open_one_ends_at_the_end() -> None:
    for text in ('"purchase order"', "“purchase order”", "„purchase order“", "«purchase order»", '"purchase order'):
        (group,) = parse(text).include
        assert isinstance(group, Run)
        assert (group.parts, group.open_ends) == (("purchase", "order"), False), text


def test_stars_open_a_word() -> None:
    assert [g.probes for g in parse("app* *ples").include if isinstance(g, Word)] == [
        (Probe("prefix", "app"),),
        (Probe("inside", "ples"),),
    ]


def test_what_is_too_much_and_what_says_nothing_is_named() -> None:
    query = parse(" ".join(f"w{n}" for n in range(MAX_ITEMS + 2)))
    assert len(query.include) == MAX_ITEMS
    assert query.ignored == (f"w{MAX_ITEMS}", f"w{MAX_ITEMS + 1}")
    assert parse("++ cake ?!").ignored == ("++", "?!")


def test_what_is_too_long_to_be_read_is_named_whole_words_at_a_time() -> None:
    query = parse("x" * (MAX_TEXT - 3) + " figs and pears")
    assert len(query.include) == 1
    assert query.ignored == ("figs and pears",)
    query = parse("x" * (MAX_TEXT + 3))
    assert query.ignored == ("xxx",)
    assert parse("x " * (MAX_TEXT // 2)).ignored == ("x",) * (MAX_TEXT // 2 - MAX_ITEMS)


def test_a_word_longer_than_those_that_the_index_keeps_is_read_from_the_messages() -> None:
    long = "ab" * MAX_WORD
    for text, is_open in ((long, True), (f'"{long}"', False), (f"{long}*", True), (f"*{long}", True)):
        (group,) = parse(text).include
        assert isinstance(group, Run)
        assert (group.parts, group.open_ends) == ((long,), is_open), text
    (left_out,) = parse(f"apples -{long}").exclude
    assert isinstance(left_out, Run)
    assert not left_out.open_ends


@given(st.text())
def test_anything_can_be_typed(text: str) -> None:
    parse(text)
