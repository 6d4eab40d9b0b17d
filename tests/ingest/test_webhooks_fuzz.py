"""Hostile payloads: a decoder raises only its own error, and the archive accepts whatever events it returns."""

from __future__ import annotations

import copy
import json
import random
import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import gateways
from backscroll.core.errors import Unreadable
from backscroll.ingest.connector import PUSHED
from backscroll.ingest.connectors.pushed import Setup
from backscroll.storage.store import Store
from gateway_archive import Archive
from gateways import ME, SENDERS, net
from thorough import examples

SETUP = Setup(phone=net(ME), base_url="http://127.0.0.1:3000")
MOST_SECONDS = 5.0

ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([2**63, -(2**63) - 1, 2**64, 10**30, -1, 0]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
    st.sampled_from(["", " ", "\0", "@", "@lid", "a@b@c", "x" * 600, "true_", "false_@c.us_", "9" * 400, "1e400"]),
    st.sampled_from(["wamid.", "wamid.====", "2026-02-30T00:00:00Z", "0001-01-01T00:00:00Z", "99999-01-01", "12:00"]),
)
JSON = st.recursive(
    ODD, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4)
)
PAYLOADS = {kind: [msgspec.json.decode(body) for body in gateways.payloads(kind)] for kind in SENDERS}
Change = Callable[[Any], Any]


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all places in a JSON value, beginning with the value itself."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in inner for place in _places(item, (*path, key)))]


def _changed(value: Any, path: tuple[Any, ...], put: Any) -> Any:
    if not path:
        return put
    changed = copy.deepcopy(value)
    parent = changed
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = put
    return changed


@st.composite
def spoilt(draw: st.DrawFn, kind: str) -> bytes:
    """A real payload in which some values are replaced by others."""
    value = draw(st.sampled_from(PAYLOADS[kind]))
    for _ in range(draw(st.integers(1, 3))):
        value = _changed(value, draw(st.sampled_from(_places(value))), draw(JSON))
    try:
        return msgspec.json.encode(value)
    except (OverflowError, ValueError):
        return json.dumps(value).encode()


def _observe(kind: str, body: bytes) -> None:
    begun = time.process_time()
    for problem in _problems(kind, body):
        assert problem.where
        assert len(str(problem)) < 1000
    assert time.process_time() - begun < MOST_SECONDS


def _problems(kind: str, body: bytes) -> list[Unreadable]:
    try:
        return PUSHED[kind].observe(body, SETUP).problems
    except Unreadable as error:
        return [error]


@pytest.mark.parametrize("kind", SENDERS)
@given(body=st.binary(max_size=200))
@example(body=b'{"event":"message","payload":{"id":"\\ud800"}}')
@example(body=b"[" * 100_000)
@example(body=b'{"event":' * 50_000)
@example(body=b'{"event":"message","payload":' + b"9" * 5000 + b"}")
@example(body=b'{"event":"message","event":"call","payload":{}}')
@example(body=b'{"entry":[{"changes":[{"field":"messages","value":Infinity}]}]}')
def test_bytes_raise_only_the_decoders_own_error(kind: str, body: bytes) -> None:
    _observe(kind, body)


@pytest.mark.parametrize("kind", SENDERS)
@given(value=JSON)
def test_any_json_raises_only_the_decoders_own_error(kind: str, value: Any) -> None:
    _observe(kind, json.dumps(value).encode())


@pytest.mark.parametrize("kind", SENDERS)
@settings(max_examples=examples(60, 400), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_spoilt_payload_raises_only_the_decoders_own_error(kind: str, data: st.DataObject) -> None:
    _observe(kind, data.draw(spoilt(kind)))


@pytest.mark.parametrize("kind", [kind for kind in SENDERS if kind != "events"])
@settings(
    max_examples=examples(8, 50),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_whatever_a_payload_says_is_written_or_put_aside(store: Store, kind: str, data: st.DataObject) -> None:
    archive = Archive(store)
    for body in (data.draw(spoilt(kind)) for _ in range(3)):
        taken = archive.ingestor.take(archive.sources[kind], body)
        assert taken.quarantined is None or taken.problem
    archive.view()


@pytest.mark.full
@pytest.mark.parametrize("kind", SENDERS)
def test_many_spoilt_payloads_raise_only_the_decoders_own_error(kind: str) -> None:
    """Tries 200,000 payloads for each decoder, from a generator that is simple but fast."""
    chance = random.Random(2026)
    odd: list[Any] = [
        None,
        True,
        0,
        -1,
        2**63,
        1e308,
        "",
        "\0",
        "@lid",
        "x" * 600,
        [],
        {},
        [[]],
        {"id": {}},
        "wamid.AAAA",
        [None],
    ]
    for _ in range(200_000):
        value = chance.choice(PAYLOADS[kind])
        for _ in range(chance.randint(1, 3)):
            value = _changed(value, chance.choice(_places(value)), chance.choice(odd))
        try:
            body = msgspec.json.encode(value)
        except OverflowError:
            continue
        if chance.random() < 0.1:
            body = body[: chance.randrange(len(body) + 1)]
        _observe(kind, body)
