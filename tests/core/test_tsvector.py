"""The stored search words are those of a real PostgreSQL 15; tests/full/test_fts_oracle.py compares with a live one."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from backscroll.core.pgtext.stemmer import stem
from backscroll.core.pgtext.tsvector import tsvector

FIXTURES = Path(__file__).parent.parent / "fixtures"
ROWS: list[dict[str, Any]] = [
    json.loads(line) for line in (FIXTURES / "fts_postgres15.jsonl").read_text("utf-8").split("\n") if line
]

HOSTILE_UNITS = """
a . - / @ < & : ' a. a- a_ a@ 1- 1. 1e &a &#x /. ~/ ../ ./a/./ /.. a1/ <!-- <a␠ <a␠' <a␠"<b␠'"␠' <a␠"\\ <?x <script␠
-1.2.3 a-1- é1@ a.com/ a.b-c_d.com@ a@1e5. \u0301 𝐀 中
"""


def test_the_golden_bodies_have_their_search_words_exactly() -> None:
    messages = json.loads((Path(__file__).parent.parent / "golden" / "list-all-messages-200.json").read_bytes())[
        "messages"
    ]
    golden = {message["body"]: message["fts"] for message in messages if message["body"] is not None}
    assert golden
    assert {body: tsvector(body) for body in golden} == golden


def test_every_body_has_the_search_words_of_postgres_15() -> None:
    assert len(ROWS) > 2000
    assert [row["body"] for row in ROWS if tsvector(row["body"]) != row["fts"]] == []


def test_every_word_has_the_stem_of_postgres_15() -> None:
    lines = [line.split(": ") for line in (FIXTURES / "stems_postgres15.txt").read_text("utf-8").splitlines()]
    expected = {word: lexeme for lexeme, words in lines for word in words.split()}
    assert len(expected) > 20_000
    assert {word: stem(word) for word in expected} == expected


def test_a_quote_in_a_search_word_is_doubled() -> None:
    assert tsvector("http://a.com/it's") == "'/it''s':3 'a.com':2 'a.com/it''s':1"


def test_text_without_search_words_gives_an_empty_string() -> None:
    assert [tsvector(text) for text in ("", "  \n", "the", "?!", "<br>", "&amp;", "\x00", "\ud800")] == [""] * 8


def test_a_character_no_database_stores_parts_words() -> None:
    assert tsvector("left\x00right \ud83dcats") == "'cat':3 'left':1 'right':2"


def test_a_vector_too_large_for_postgres_is_returned_whole() -> None:
    text = " ".join(f"x{number:050}" for number in range(25_000))
    assert tsvector(text).count(" ") == 24_999


@pytest.mark.parametrize("unit", HOSTILE_UNITS.split())
def test_a_hostile_text_is_read_in_time_proportional_to_its_length(unit: str) -> None:
    text = unit.replace("␠", " ") * (65_536 // len(unit))
    start = time.process_time()
    tsvector(text)
    tsvector(f"{text}!")
    # Linear time is some tenths of a second; a quadratic parser would take at least half a minute.
    assert time.process_time() - start < 8
