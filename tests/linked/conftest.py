"""Loads the library once, without what it does to the process that it is loaded into."""

from __future__ import annotations

import gc
import io
import logging
import os
import warnings
from unittest import mock

from backscroll.linked.library import load


def _load_quietly() -> None:
    """It leaves a pipe to ``uname`` open while it is imported, and adds a handler to the root logger."""
    handlers, level = logging.root.handlers[:], logging.root.level
    with warnings.catch_warnings(), mock.patch.object(os, "popen", return_value=io.StringIO("Linux")):
        warnings.simplefilter("ignore")
        load()
        import neonize.client  # noqa: F401

        gc.collect()
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


_load_quietly()
