"""Queries that are refused before an archive is read."""

from __future__ import annotations

import pytest

from backscroll.core.errors import BadField
from backscroll.core.query import MessageQuery


def test_a_search_needs_a_chat() -> None:
    assert MessageQuery(org=1, phones=(1,), chat="919537851844@s.whatsapp.net", search="cake").search == "cake"
    with pytest.raises(BadField, match="search: name the chat"):
        MessageQuery(org=1, phones=(1,), search="cake")
