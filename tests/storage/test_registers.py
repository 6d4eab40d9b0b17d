"""What sources report about contacts and chats, read without one part of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backscroll.storage.records.damage import UNREADABLE
from backscroll.storage.records.registers import decode_registers, decode_registers_except, encode_registers

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text() | st.just('"members":'),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["members", "jid"]), inner),
    max_leaves=8,
)
FIELDS = st.sampled_from(["name", "members", "labels", "label:9"])


@given(st.dictionaries(FIELDS, st.tuples(st.integers(-1, 2**60), st.integers(0, 9), VALUES).map(list)))
def test_one_register_is_skipped_and_the_others_are_as_ever(registers: dict[str, Any]) -> None:
    text = encode_registers(registers)
    expected = {field: value for field, value in decode_registers(text).items() if field != "members"}
    assert decode_registers_except("members", text) == expected
    # SQLite gives bytes for text that something else wrote as a BLOB.
    as_bytes: Any = text and text.encode()
    assert decode_registers_except("members", as_bytes) == expected


@pytest.mark.parametrize("text", ['{"members":', '{"members":[1,2,[{]}', '{"members":[],"name":5}', '{"members":[]}}'])
def test_damaged_registers_are_refused_whichever_is_skipped(text: str) -> None:
    with pytest.raises(UNREADABLE):
        decode_registers_except("members", text)


@pytest.mark.parametrize("text", [None, ""])
def test_no_registers_are_none(text: str | None) -> None:
    assert decode_registers_except("members", text) == {}
