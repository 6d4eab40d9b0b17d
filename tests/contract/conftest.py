"""Archives for the tests: an empty one for each test, and shared ones that tests only read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import OwnDatabase
from contract.bakery import Bakery
from contract.world import World


@pytest.fixture
def world(tmp_path: Path, database_url: str | None) -> Iterator[World]:
    """An archive that the test may write to."""
    made = World(tmp_path, database=database_url)
    yield made
    made.close()


@pytest.fixture(scope="session")
def bakery(tmp_path_factory: pytest.TempPathFactory, own_database: OwnDatabase) -> Iterator[Bakery]:
    """An archive with data of every kind; tests may only read it."""
    made = Bakery(tmp_path_factory.mktemp("bakery"), own_database())
    yield made
    made.close()
