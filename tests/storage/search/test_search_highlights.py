"""Highlights split texts at the hits, and lose no character."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from search_cases import FOUND_BY

from backscroll.storage.search.highlight import highlights
from backscroll.storage.search.query import parse
from backscroll.storage.search.terms import Document, Field


def marked(query: str, text: str, sender: str | None = None) -> list[str]:
    """The texts with their hits in brackets."""
    found = highlights(parse(query), Document((Field("body", text),), ()), sender)
    return ["".join(f"[{part}]" if hit else part for part, hit in highlight.parts) for highlight in found]


@pytest.mark.parametrize(
    ("query", "text", "shown"),
    [
        ("gallop", "The horses were galloping", "The horses were [galloping]"),
        ("strasse", "Die STRAẞE, Hauptstraße", "Die [STRAẞE], Haupt[straße]"),
        ("cafe", "cafe\u0301 CAFÉ", "[cafe\u0301] [CAFÉ]"),
        ('"purchase order"', "a purchase-order, order a purchase", "a [purchase-order], order a purchase"),
        ("24-0042", "see INV-2024-0042!", "see INV-20[24-0042]!"),
        ("+90 555 010 9999", "call (0555) 010-99-99 now", "call (05[55) 010-99-99] now"),
        ("北京", "我们明天去北京开会", "我们明天去[北京]开会"),
        ("👍🏿", "ok 👍🏽!", "ok [👍🏽]!"),
        ("app*", "apples happy apply", "[app]les happy [app]ly"),
        ("wifi", "the wi-fi code", "the [wi-fi] code"),
        ("2", "qwen2b", "qwen[2]b"),
    ],
)
def test_hits_are_marked_in_the_text_as_it_was_written(query: str, text: str, shown: str) -> None:
    assert marked(query, text) == [shown]


def test_a_senders_name_is_marked_where_it_begins_so() -> None:
    assert marked("sil", "hello", "Maria Silva") == ["Maria [Sil]va"]


def test_every_case_shows_what_was_found() -> None:
    for text, queries in FOUND_BY:
        for query in queries:
            if not query.startswith("has:"):
                assert any("[" in shown for shown in marked(query, text)), (query, text)


@given(
    st.sampled_from([q for _, queries in FOUND_BY for q in queries]),
    st.text() | st.sampled_from([t for t, _ in FOUND_BY]),
)
def test_the_parts_together_are_the_text(query: str, text: str) -> None:
    for highlight in highlights(parse(query), Document((Field("body", text),), ()), text):
        assert "".join(part for part, _ in highlight.parts) == text
        assert all(part for part, _ in highlight.parts)
