"""A device without a network. The library is loaded once, and its side effects on this process are undone."""

from __future__ import annotations

import gc
import io
import logging
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

import pytest

from backscroll.linked.library import load

if TYPE_CHECKING:
    from linked_events import Phone


def _load_quietly() -> None:
    """Import the library, which would leave a pipe to ``uname`` open and add a handler to the root logger."""
    handlers, level = logging.root.handlers[:], logging.root.level
    with warnings.catch_warnings(), mock.patch.object(os, "popen", return_value=io.StringIO("Linux")):
        warnings.simplefilter("ignore")
        load()
        import neonize.client  # noqa: F401

        gc.collect()
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


_load_quietly()


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Phone]:
    from linked_events import Phone

    made = Phone(tmp_path / "device")
    yield made
    made.close()
