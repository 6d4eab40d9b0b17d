"""Both engines store and show the same for any events in any order."""

from __future__ import annotations

import io
import itertools
import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from test_properties import ONE, TWO, Observed, histories, shuffled

from backscroll.core.events import Batch
from backscroll.core.model import Org
from backscroll.ingest.jsonl import export_jsonl
from backscroll.storage.store import Store, open_store
from backscroll.storage.transfer.check.run import findings_of_org
from plain_model import _shown
from postgres_server import Databases
from thorough import examples

NOON = 1_800_000_000_000_000
_NAMES = itertools.count()


@pytest.fixture(scope="module")
def stores(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, Store]]:
    name = databases.create()
    one = open_store(None, tmp_path_factory.mktemp("one"), lambda: NOON)
    other = open_store(databases.url(name), tmp_path_factory.mktemp("other"), lambda: NOON)
    yield one, other
    one.close()
    other.close()
    databases.drop(name)


def told_and_shown(store: Store, name: str, history: list[tuple[Any, list[Any]]]) -> tuple[list[bytes], dict[str, Any]]:
    org: Org = store.create_org(name)
    for jid in (ONE, TWO):
        store.add_phone(org.no, jid)
    for source, events in history:
        store.apply(org.no, Batch(source=source, events=events, raw=b"the same"))
    assert store._engine.read(lambda tx: findings_of_org(tx, org.no), org.no) == []
    out = io.BytesIO()
    export_jsonl(store, out, org=org, raws=True)
    lines = [line for line in out.getvalue().splitlines()[1:-1] if b'"phone_id"' not in line]
    return lines, _shown(store, org.no)


@settings(max_examples=examples(10, 60), deadline=None, suppress_health_check=list(HealthCheck))
@given(history=histories())
def test_both_engines_hold_and_show_the_same(stores: tuple[Store, Store], history: list[Observed]) -> None:
    batches = shuffled(history, random.Random(len(history)))
    name = f"org {next(_NAMES)}"
    one, other = (told_and_shown(store, name, batches) for store in stores)
    assert one[0] == other[0]
    assert one[1] == other[1]
