"""Bytes in and out."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import time
import uuid
from collections.abc import MutableMapping
from typing import Any

import brotli  # type: ignore[import-untyped]
import pytest
import zstandard

from backscroll.core.errors import RateLimited
from backscroll.http.body import BodyTooLarge, BodyTooSlow, ClientGone, read_body
from backscroll.http.encoding import choose_encoding, compress, etag_of, is_fresh
from backscroll.http.last_changes import Shown
from backscroll.http.limits import FailedLogins, RateLimit, TooManyFailures, network_of
from backscroll.http.messages import Header, Reply, parse_query
from backscroll.http.page_cache import Kept, Packed, PageCache
from backscroll.http.trace_ids import TraceIds

# The exact bytes of the vendor's published example of a refused limit, and its ETag.
GOLDEN = (
    b'{"name":"Validation Error","code":"VALIDATION_ERROR","fields":{"limit":{"message":'
    b'"Limit should be less than 2000","value":"10000"}},"message":"Limit should be less than ${MAX_LIMIT}",'
    b'"status":422}'
)


def test_the_etag_is_the_one_that_periskope_sent() -> None:
    assert etag_of(GOLDEN) == 'W/"c5-sOfQmoGHJ22vOJ8WnucWzYQT5DI"'


def test_an_etag_is_fresh_by_weak_comparison_unless_the_client_insists() -> None:
    etag = etag_of(b"x")
    strong = etag.removeprefix("W/")
    assert is_fresh(etag, etag)
    assert is_fresh(etag, f'"other", {strong}')
    assert is_fresh(etag, "*")
    assert not is_fresh(etag, '"other"')
    assert not is_fresh(etag, None)
    assert not is_fresh(etag, etag, "no-cache")


def test_a_query_keeps_order_and_repeats_and_replaces_what_is_not_utf8() -> None:
    assert parse_query(b"a=1+2&a=%2B&b=&c&=d&e=%ff&f=x%3Dy=z&&g=%00") == [
        ("a", "1 2"),
        ("a", "+"),
        ("b", ""),
        ("c", ""),
        ("", "d"),
        ("e", "\ufffd"),
        ("f", "x=y=z"),
        ("g", "\ufffd"),
    ]


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("", None),
        ("gzip, deflate", "gzip"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip, br", "br"),
        ("gzip;q=1, br;q=0.5", "gzip"),
        ("gzip;q=0", None),
        ("*", "zstd"),
        ("*;q=0, gzip", "gzip"),
        ("identity, gzip;q=0.5", None),
        ("gzip;q=bad", None),
        ("GZIP", "gzip"),
    ],
)
def test_the_cheapest_of_the_best_liked_encodings_is_chosen(accept: str, chosen: str | None) -> None:
    assert choose_encoding(accept) == chosen


def test_each_encoding_gives_the_body_back() -> None:
    body = json.dumps([{"text": "hello", "no": n} for n in range(500)]).encode()
    assert gzip.decompress(compress(body, "gzip")) == body
    assert brotli.decompress(compress(body, "br")) == body
    assert zstandard.ZstdDecompressor().decompress(compress(body, "zstd")) == body


def test_trace_ids_are_version_1_and_never_repeat() -> None:
    traces = TraceIds(now=lambda: 1_737_720_260_000_000_000)
    made = [uuid.UUID(traces.next()) for _ in range(1000)]
    assert len(set(made)) == 1000
    assert {(made_id.version, made_id.variant) for made_id in made} == {(1, uuid.RFC_4122)}
    assert made[0].node >> 40 & 1, "the multicast bit marks a node that is random"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_rate_limit_counts_each_key_in_windows_of_a_second() -> None:
    clock = Clock()
    limit = RateLimit(2, clock)
    head: list[Header] = []
    limit.count("a", head)
    assert head == [(b"x-ratelimit-limit", b"2"), (b"x-ratelimit-remaining", b"1"), (b"x-ratelimit-reset", b"1001")]
    limit.count("a", [])
    limit.count("b", [])
    with pytest.raises(RateLimited) as caught:
        limit.count("a", [])
    assert (caught.value.limit, caught.value.reset) == (2, 1001)
    clock.now += 1
    limit.count("a", [])


def test_an_address_that_fails_too_often_has_to_wait() -> None:
    clock = Clock()
    failed = FailedLogins(most=2, seconds=60, now=clock)
    for _ in range(2):
        failed.check("203.0.113.7")
        failed.failed("203.0.113.7")
    with pytest.raises(TooManyFailures):
        failed.check("203.0.113.7")
    failed.check("203.0.113.8")
    clock.now += 60
    failed.check("203.0.113.7")


def test_addresses_that_failed_last_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FailedLogins, "MAX_ADDRESSES", 2)
    failed = FailedLogins(most=1, now=Clock())
    for address in ("203.0.113.7", "203.0.113.8", "203.0.113.7", "203.0.113.9"):
        failed.failed(address)
    failed.check("203.0.113.8")
    for address in ("203.0.113.7", "203.0.113.9"):
        with pytest.raises(TooManyFailures) as refused:
            failed.check(address)
        assert 0 < refused.value.reset - time.time() <= 61


def test_ipv6_neighbours_count_as_one() -> None:
    assert network_of("2001:db8::1") == network_of("2001:db8::2") == "2001:db8::/64"
    assert network_of("::ffff:203.0.113.7") == "203.0.113.7"


def events(*parts: bytes, gone: bool = False) -> Any:
    told: list[MutableMapping[str, Any]] = [
        {"type": "http.request", "body": part, "more_body": gone or n < len(parts) - 1} for n, part in enumerate(parts)
    ]
    if gone:
        told.append({"type": "http.disconnect"})

    async def receive() -> MutableMapping[str, Any]:
        if not told:
            await asyncio.sleep(60)
        return told.pop(0)

    return receive


def test_a_body_is_read_whole_up_to_its_limit() -> None:
    assert asyncio.run(read_body(events(b"ab", b"cd"), 4, 1)) == b"abcd"
    with pytest.raises(BodyTooLarge):
        asyncio.run(read_body(events(b"ab", b"cde"), 4, 1))
    with pytest.raises(BodyTooLarge):
        asyncio.run(read_body(events(), 4, 1, declared="5"))


def test_a_body_that_stops_coming_is_given_up() -> None:
    with pytest.raises(BodyTooSlow):
        asyncio.run(read_body(events(), 4, 0.01))
    with pytest.raises(ClientGone):
        asyncio.run(read_body(events(b"a", gone=True), 4, 1))


def packed(size: int) -> Packed:
    return Packed(Reply(200, b"x" * size, (), "application/octet-stream"))


def kept(size: int) -> Kept:
    return Kept(packed(size), Shown((1,)), 1)


def test_a_page_that_is_dropped_is_no_longer_counted() -> None:
    pages = PageCache(100_000)
    pages.put("key", kept(10))
    assert pages.get("key") is not None
    pages.drop("key")
    pages.drop("key")
    assert pages.get("key") is None
    assert pages.bytes == 0


def test_the_cache_stays_within_its_bytes_and_drops_the_least_used() -> None:
    pages = PageCache(20_000)
    for name in range(4):
        pages.put(name, kept(3_900))
    assert pages.get(0)
    pages.put(4, kept(3_900))
    assert pages.bytes <= 20_000
    assert pages.get(0) is not None
    assert pages.get(1) is None
    pages.put("large", kept(10_000))
    assert pages.get("large") is None


def test_compressed_forms_never_outgrow_what_was_counted() -> None:
    noise = hashlib.shake_256(b"noise").digest(5_000)
    page = Packed(Reply(200, noise))
    for encoding in ("gzip", "br", "zstd"):
        page.body(encoding)
    assert sum(map(len, page.variants.values())) <= len(noise)
