"""What searches keep of the index in memory."""

from __future__ import annotations

from backscroll.storage.search.reader import ADMITTED, PartCache


def held(cache: PartCache, segments: range) -> list[int]:
    return [segment for segment in segments if cache.get((1, segment, 0)) is not None]


def search(cache: PartCache, segments: range) -> int:
    """Read all segments in turn, as a search does; returns how many had to be read from the database."""
    read = 0
    for segment in segments:
        if cache.get((1, segment, 0)) is None:
            read += 1
            cache.put((1, segment, 0), b"", 10)
    return read


def test_an_index_that_fits_is_read_once() -> None:
    cache = PartCache(1000)
    assert search(cache, range(100)) == 100
    assert search(cache, range(100)) == 0


def test_of_an_index_that_does_not_fit_the_most_is_there_for_the_next_search() -> None:
    cache = PartCache(1000)
    search(cache, range(150))
    for _ in range(10):
        assert search(cache, range(150)) <= 50 + 50 // ADMITTED + 10
        assert len(held(cache, range(150))) <= 100


def test_parts_of_segments_that_were_merged_make_room() -> None:
    cache = PartCache(1000)
    search(cache, range(100))
    for _ in range(ADMITTED * 10):
        search(cache, range(100, 200))
    assert search(cache, range(100, 200)) == 0


def test_what_takes_half_of_the_room_is_not_kept() -> None:
    cache = PartCache(1000)
    cache.put((1, 1, 0), b"", 501)
    assert cache.get((1, 1, 0)) is None
