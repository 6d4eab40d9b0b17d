"""ZIP archives written as a stream, read back by the standard library."""

from __future__ import annotations

import io
import zipfile

import pytest

from backscroll.formats import zip_stream
from backscroll.formats.zip_stream import STORED_LEVEL, ZipStream

AT = (2026, 7, 18, 9, 30, 2)


def archive_of(entries: list[tuple[str, list[bytes], int]]) -> zipfile.ZipFile:
    with ZipStream() as stream:
        parts: list[bytes] = []
        for name, pieces, level in entries:
            parts += [stream.begin(name, AT, level), *(stream.write(piece) for piece in pieces), stream.end()]
        parts += stream.finish()
    return zipfile.ZipFile(io.BytesIO(b"".join(parts)))


def test_entries_come_back_with_names_times_and_bytes() -> None:
    entries = [
        ("Ana/_chat.txt", [b"hello " * 1000, b"there"], zip_stream.TEXT_LEVEL),
        ("Ana/Żółw 🐢.jpg", [bytes(range(256)) * 999], STORED_LEVEL),
        ("empty", [], STORED_LEVEL),
    ]
    with archive_of(entries) as read:
        assert read.testzip() is None
        assert read.namelist() == [name for name, _, _ in entries]
        for name, pieces, _ in entries:
            assert read.read(name) == b"".join(pieces)
        assert {info.date_time for info in read.infolist()} == {AT}


def test_an_archive_without_entries_is_one() -> None:
    with archive_of([]) as read:
        assert read.namelist() == []


@pytest.mark.parametrize("count", [70_000])
def test_more_entries_than_two_bytes_count_and_none_stays_in_memory(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zip_stream, "_IN_MEMORY", 1024)
    with archive_of([(f"{n:06}", [], STORED_LEVEL) for n in range(count)]) as read:
        assert len(read.namelist()) == count


def test_a_year_that_a_zip_cannot_tell_is_its_first() -> None:
    with ZipStream() as stream:
        parts = [stream.begin("old", (1969, 12, 31, 23, 59, 59)), stream.end(), *stream.finish()]
    with zipfile.ZipFile(io.BytesIO(b"".join(parts))) as read:
        assert read.infolist()[0].date_time[0] == 1980
