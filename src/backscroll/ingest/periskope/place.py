"""How far a list has been read, and where to continue."""

from __future__ import annotations

import msgspec
from msgspec import Struct, structs

from backscroll.formats.timestamps import go_text
from backscroll.ingest.connectors.periskope.pages import PulledPage

SECOND = 1_000_000


FAR_END = 253_402_300_799 * SECOND
"""The last second of the year 9999."""


class Place(Struct, frozen=True, kw_only=True):
    """How far a list has been read; saved with every page."""

    top: int
    """The pass reads what is not newer than this, and at its end what came meanwhile."""
    floor: int | None = None
    """The oldest time of the pass; None means down to the very first message."""
    end: int
    offset: int = 0
    by_offset: bool = False
    """The server ignores end_time or does not sort, so that only offsets can be used."""
    done: int | None = None
    """The top of the last complete pass."""
    walking: bool = True

    def after(self, page: PulledPage) -> Place:
        """Where to continue after ``page``, which is not empty."""
        further = structs.replace(self, offset=self.offset + page.rows)
        if page.oldest is None or page.newest is None or self.by_offset:
            return further
        if page.newest >= self.end + SECOND or not page.newest_first:
            return structs.replace(further, by_offset=True)
        # One second more than was seen, because it is not documented whether the server's bound is inclusive.
        end = (page.oldest // SECOND + 1) * SECOND
        return structs.replace(self, end=end, offset=0) if end < self.end else further

    def below_floor(self, page: PulledPage) -> bool:
        """Whether the server ignores start_time and has gone past the requested period."""
        if self.floor is None or page.oldest is None:
            return False
        return page.newest_first and page.oldest < self.floor - 2 * SECOND

    def finished(self) -> Place:
        return structs.replace(self, walking=False, done=self.top, offset=0, by_offset=False)


def window_of(place: Place) -> dict[str, str | int]:
    """The parameters that request the next page."""
    params: dict[str, str | int] = {"offset": place.offset}
    if place.floor is not None:
        params["start_time"] = go_text(place.floor - SECOND)
    if place.end < FAR_END:
        params["end_time"] = go_text(place.end)
    return params


def saved(place: Place) -> str:
    return msgspec.json.encode(place).decode()
