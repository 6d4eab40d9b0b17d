"""Times as text, compared with the standard library."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import example, given
from hypothesis import strategies as st

from backscroll.core.limits import EARLIEST, LATEST
from backscroll.formats.timestamps import compact_text, go_text

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TIMES = st.integers(EARLIEST, LATEST)


def as_datetime(micros: int) -> datetime:
    return EPOCH + timedelta(microseconds=micros)


@given(TIMES)
@example(EARLIEST)
@example(LATEST)
@example(-1)
def test_a_time_is_written_as_go_writes_it(micros: int) -> None:
    at = as_datetime(micros).replace(microsecond=0)
    assert go_text(micros) == at.isoformat().replace("+00:00", "Z")


@given(TIMES)
@example(EARLIEST)
@example(LATEST)
@example(-1)
def test_a_time_in_a_file_name_has_only_digits_and_one_underscore(micros: int) -> None:
    at = as_datetime(micros)
    assert compact_text(micros) == f"{at.year:04d}{at:%m%d_%H%M%S}"
