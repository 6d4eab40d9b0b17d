"""``fold``: what compares equal, what does not, and that each folded character maps to its original position;
``counted``, and that sentences use it.
"""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import backscroll
from backscroll.core.text import counted, fold, fold_with_map

SCRIPTS = (
    (0x20, 0x7F),
    (0xA0, 0x250),
    (0x300, 0x370),
    (0x370, 0x530),
    (0x590, 0x700),
    (0x900, 0xD00),
    (0xE00, 0x1200),
    (0x1E00, 0x2070),
    (0x3040, 0x3190),
    (0xAC00, 0xAC80),
    (0xD7B0, 0xD900),
    (0xFE00, 0x10000),
    (0x1F1E6, 0x1F200),
    (0x1F3F0, 0x1F470),
)
TEXTS = st.text(st.one_of(st.characters(), *(st.characters(min_codepoint=a, max_codepoint=b - 1) for a, b in SCRIPTS)))


@given(TEXTS)
def test_the_map_leads_from_every_folded_character_to_its_place(text: str) -> None:
    folded, starts = fold_with_map(text)
    assert folded == fold(text)
    assert len(starts) == len(folded) + 1
    assert starts == sorted(starts)
    assert starts[-1] == len(text)
    for start in set(starts):
        assert fold(text[:start]) == folded[: starts.index(start)]


@pytest.mark.parametrize(
    ("text", "starts"),
    [
        ("Ao\u0308ß 👍🏽!", [0, 1, 3, 3, 4, 5, 7, 8]),
        ("हाँ जी 10", [0, 0, 0, 3, 4, 4, 6, 7, 8, 9]),
        # These letters of Hangul become syllables when they are folded.
        ("ㅋㅋㅠㅠ ok", [0, 1, 3, 4, 5, 6, 7]),
        ("하ㄶ지", [0, 2, 3]),
    ],
)
def test_the_map_names_the_beginning_of_each_cluster(text: str, starts: list[int]) -> None:
    assert fold_with_map(text) == (fold(text), starts)


@given(TEXTS)
def test_folding_twice_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(TEXTS)
def test_composed_and_decomposed_spellings_are_one(text: str) -> None:
    assert fold(unicodedata.normalize("NFD", text)) == fold(text)


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Grüße aus ŁÓDŹ", "grusse aus lodz"),
        ("İstanbul ı", "istanbul i"),
        ("smørrebrød Þetta œuvre", "smorrebrod thetta oeuvre"),
        ("Ёлка ΛΟΓΑΡΙΑΣΜΌΣ", "елка λογαριασμοσ"),
        ("ﬁnal Ｆｕｌｌ ½", "final full 1⁄2"),
        ("٢٥ २५ ๒๕", "25 25 25"),
        ("أإآٱ ى ی ک ة ؤ ئ كـــتاب", "اااا ي ي ك ه و ي كتاب"),
        ("שָׁלוֹם", "שלום"),
        ("क़लम हाँ", "कलम हां"),
        ("ﾗｰﾒﾝ カタカナ ﾊﾞｶ", "らーめん かたかな ばか"),
        ("👍🏽 ❤️ 👨‍👩‍👧", "👍 ❤ 👨‍👩‍👧"),
        ("a\u200db\u00adc\u202ed", "abcd"),
    ],
)
def test_what_does_not_tell_words_apart_goes(text: str, folded: str) -> None:
    assert fold(text) == folded


@pytest.mark.parametrize(("one", "other"), [("ばか", "はか"), ("कि", "की"), ("ไป", "ไปๅ"), ("কি", "কী"), ("학", "하")])
def test_marks_that_make_another_word_stay(one: str, other: str) -> None:
    assert fold(one) != fold(other)


def test_numbers_agree_with_what_they_count() -> None:
    told = [counted(0, "chat"), counted(1, "chat"), counted(1200, "chat"), counted(1, "person", "people")]
    assert told == ["0 chats", "1 chat", "1,200 chats", "1 person"]
    assert counted(2, "person", "people") == "2 people"


COUNTED = "chats|contacts|events|exports|files|lines|messages|organisations|phones|rows|tables"
LIMIT = re.compile(r"[A-Z_]+:?,?|caps\..*")


def test_no_sentence_puts_a_number_before_a_plural_as_if_it_were_never_one() -> None:
    """``counted`` does it; only limits, which are never 1, are written out."""
    source = Path(backscroll.__file__).parent
    found = [
        f"{file.relative_to(source)}: {match[0]}"
        for room in ("cli", "ingest", "jobs", "storage")
        for file in sorted((source / room).rglob("*.py"))
        for match in re.finditer(rf"{{([^{{}}\"]+)}} (?:[a-z]+ )?(?:{COUNTED})\b", file.read_text())
        if not LIMIT.fullmatch(match[1])
    ]
    assert found == []
