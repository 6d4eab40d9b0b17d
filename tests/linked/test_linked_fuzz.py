"""Hostile input to both sides: events that the library never makes, and lines that the process never writes."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backscroll.core.errors import Unreadable
from backscroll.ingest.connectors.linked.linked import observe
from backscroll.ingest.connectors.pushed import Setup
from backscroll.linked.spool import Entry
from backscroll.storage.store import Store
from linked.test_linked_archive import day, group_of_history, sync, vote
from linked_archive import LinkedArchive
from linked_events import Phone, in_group, message
from thorough import examples

CODES = (13, 17, 18, 21, 22, 32, 33, 36, 40, 42, 44, 101)
ODD: list[Any] = [
    None,
    True,
    0,
    -1,
    2**63,
    1e308,
    "",
    "@",
    "@lid",
    "\ud800",
    "x" * 600,
    "9" * 400,
    [],
    {},
    [[]],
    {"key": {"ID": 1}},
    "sha256:",
    "AAA=",
]


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Phone]:
    made = Phone(tmp_path_factory.mktemp("device"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """The lines of a process for a day with every kind of event."""
    made = Phone(tmp_path_factory.mktemp("day"))
    for event in (*day(), sync(group_of_history()), message(vote("Friday"), id="V1", where=in_group())):
        made.push(event)
    told = list(made.lines())
    made.close()
    return told


def observed(line: bytes) -> None:
    problems: list[Unreadable] = []
    try:
        problems += observe(line, Setup()).problems
    except Unreadable as error:
        problems.append(error)
    assert all(problem.where and len(str(problem)) < 1000 for problem in problems)


@settings(max_examples=examples(25, 120), deadline=None)
@given(payload=st.binary(max_size=300), code=st.sampled_from(CODES))
def test_bytes_of_any_kind_become_a_body_that_can_be_read_or_is_refused(
    device: Phone, payload: bytes, code: int
) -> None:
    for body in device.bodies.of(Entry(1, code, 1, payload), device.own):
        observed(json.dumps(body).encode())


def test_an_event_that_was_cut_or_changed_anywhere_is_no_accident(device: Phone) -> None:
    chance = random.Random(5)
    for code, event in ((17, day()[0]), (17, message(vote("Friday"), id="V1", where=in_group())), (13, day()[-1])):
        payload = event.SerializeToString()
        for _ in range(150):
            spoilt = bytearray(payload[: chance.randrange(len(payload))] if chance.random() < 0.3 else payload)
            for _ in range(chance.randrange(4)):
                if spoilt:
                    spoilt[chance.randrange(len(spoilt))] = chance.randrange(256)
            for body in device.bodies.of(Entry(1, code, 1, bytes(spoilt)), device.own):
                observed(json.dumps(body).encode())


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in inner for place in _places(item, (*path, key)))]


def _spoilt(value: Any, chance: random.Random) -> bytes:
    changed = copy.deepcopy(value)
    for _ in range(chance.randrange(1, 4)):
        *path, last = chance.choice([place for place in _places(changed) if place])
        parent = changed
        for key in path:
            parent = parent[key]
        parent[last] = chance.choice(ODD)
    return json.dumps(changed).encode()


def test_a_spoilt_line_raises_only_the_decoders_own_error(lines: list[bytes]) -> None:
    chance = random.Random(6)
    values = [json.loads(line) for line in lines]
    for line in (b"", b"{}", b"[" * 100_000, b'{"event":"Message","at":1,"own":"1","data":' + b"9" * 5000 + b"}"):
        observed(line)
    for _ in range(1500):
        observed(_spoilt(chance.choice(values), chance))


def test_whatever_a_line_says_is_written_or_put_aside(store: Store, lines: list[bytes], tmp_path: Path) -> None:
    chance = random.Random(7)
    archive = LinkedArchive(store)
    values = [json.loads(line) for line in lines]
    for _ in range(60):
        archive.ingestor.take(archive.source, _spoilt(chance.choice(values), chance))
    archive.view()
