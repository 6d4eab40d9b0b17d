"""Alignment: which lines of an export are which messages of the archive."""

from __future__ import annotations

from typing import Any

from backscroll.ingest.alignment import Utterance, align, shift_of, utterance
from backscroll.storage.write.export_matching import MINUTE_US, are_alike, words_of

MINUTE = 60_000_000
ANNA, BEN = "anna@s.whatsapp.net", "ben@s.whatsapp.net"


def said(*what: str | tuple[str, dict[str, Any]], by: str | None = ANNA, at: int = 0) -> list[Utterance]:
    """Text messages of one minute."""
    made = []
    for place, each in enumerate(what):
        text, more = (each, {}) if isinstance(each, str) else (each[0], dict(each[1]))
        made.append(utterance(place, at, more.pop("by", by), "text", text, **more))
    return made


def matched(lines: list[Utterance], stored: list[Utterance]) -> dict[int, int]:
    return align(lines, stored)


def test_equal_words_meet_in_their_order() -> None:
    assert matched(said("ok", "so", "ok"), said("ok", "ok", "so")) == {0: 0, 1: 2, 2: 1}


def test_each_message_is_met_once() -> None:
    assert matched(said("ok", "ok", "ok"), said("ok")) == {0: 0}


def test_another_minute_is_another_message() -> None:
    assert matched(said("ok"), said("ok", at=MINUTE)) == {}


def test_seconds_count_where_both_sides_know_them() -> None:
    exact = {"is_exact": True}
    five = said(("ok", exact), at=5_000_000)
    assert matched(five, said(("ok", exact), at=5_900_000)) == {0: 0}
    assert matched(five, said(("ok", exact), at=6_000_000)) == {}
    assert matched(five, said("ok")) == {0: 0}


def test_the_same_words_by_somebody_else_do_not_meet_unless_a_name_is_all_that_is_known() -> None:
    assert matched(said("ok"), said("ok", by=BEN)) == {}
    assert matched(said("ok", by=""), said("ok", by=BEN)) == {}
    assert matched(said(("ok", {"by_name": True})), said("ok", by=BEN)) == {0: 0}


def test_an_author_under_the_own_name_goes_first() -> None:
    lines = said(("ok", {"by": "ben@export", "by_name": True}), ("ok", {"by": ANNA}))
    assert matched(lines, said("ok")) == {1: 0}


def test_words_that_changed_meet_the_ones_they_are_most_like() -> None:
    lines = said(("I come at six", {"is_changed": True}), ("and bring plum cake", {"is_changed": True}))
    assert matched(lines, said("and bring cake", "I come at five")) == {0: 1, 1: 0}


def test_words_that_are_gone_meet_what_is_left() -> None:
    lines = said(("", {"is_changed": True}), "ok")
    assert matched(lines, said("ok", "secret")) == {1: 0, 0: 1}


def test_what_was_not_changed_never_meets_other_words() -> None:
    assert matched(said("yes"), said("no")) == {}


def test_words_that_are_all_others_do_not_meet_where_the_export_may_have_been_cut() -> None:
    edited = ("At the station", {"is_changed": True})
    assert matched(said(edited), said("bye")) == {0: 0}
    assert matched(said((edited[0], edited[1] | {"at_edge": True})), said("bye")) == {}


def test_a_mention_is_the_same_by_name_and_by_number() -> None:
    assert words_of("hello @\u2068Ben Holt\u2069!") == words_of("hello @4915550001003!") == "hello @!"


def test_spaces_and_signs_of_direction_are_no_words() -> None:
    assert words_of(" a\u200e\n b\u00a0c\0") == "a b c\ufffd"
    assert words_of(None) == ""


def test_edited_texts_are_alike_also_without_spaces() -> None:
    assert are_alike("明天五点见", "明天六点见")
    assert are_alike("helo", "hello")
    assert not are_alike("bye", "See you at six")
    assert not are_alike("", "See you at six")


def hours(count: int, at: int) -> list[Utterance]:
    return [utterance(i, at + i * MINUTE, ANNA, "text", f"this is sentence {i}") for i in range(count)]


def test_a_shift_is_told_by_many_sentences_at_one_distance() -> None:
    assert shift_of(hours(5, 0), hours(5, 330 * MINUTE)) == 330
    assert shift_of(hours(5, 330 * MINUTE), hours(5, 0)) == -330


def test_a_few_sentences_or_odd_distances_tell_no_shift() -> None:
    assert shift_of(hours(4, 0), hours(4, 60 * MINUTE)) is None
    assert shift_of(hours(9, 0), hours(9, 61 * MINUTE)) is None
    assert shift_of(hours(9, 0), hours(9, 16 * 60 * MINUTE)) is None
    assert shift_of(hours(9, 0), hours(9, 0)) is None


def test_summer_time_within_an_export_is_one_shift() -> None:
    summer = [utterance(i, said.sent_at + 120 * MINUTE, ANNA, "text", said.words) for i, said in enumerate(hours(9, 0))]
    winter = [utterance(i, i * MINUTE, ANNA, "text", f"a winter tale of {i}") for i in range(5)]
    later = [utterance(i, said.sent_at + 60 * MINUTE, ANNA, "text", said.words) for i, said in enumerate(winter)]
    assert shift_of(hours(9, 0) + winter, summer + later) == 120


def test_a_minute_of_very_many_lines_is_aligned_without_comparing_all_with_all() -> None:
    """If all pairs were compared, this would take hours."""
    many = 30_000
    lines = [utterance(n, MINUTE_US, "a", "text", f"line {n}") for n in range(many)]
    others = [utterance(n, MINUTE_US, "a", "text", f"another {n}", is_changed=n == 0) for n in range(many)]
    found = align(lines, others)
    assert set(found.values()) == {0}
    same = [utterance(n, MINUTE_US, "a", "text", "ok") for n in range(many)]
    assert align(same, same) == {n: n for n in range(many)}
    renamed = [utterance(n, MINUTE_US, "b", "text", "ok", by_name=True) for n in range(many)]
    assert align(same, renamed) == {n: n for n in range(many)}
    exact = [utterance(n, MINUTE_US + n % 60 * 1_000_000, "a", "text", "ok", is_exact=True) for n in range(many)]
    later = [utterance(n, MINUTE_US + (n + 1) % 60 * 1_000_000, "a", "text", "ok", is_exact=True) for n in range(many)]
    assert len(align(exact, later)) == many
