"""Loading the library without the two things that it does by itself at import: asking for libmagic, and for GitHub."""

from __future__ import annotations

import importlib.util
import sys
import types
from pathlib import Path


class LibraryMissing(Exception):
    """The library, or its binary for this machine, is not installed."""


def load() -> None:
    """Make ``neonize`` importable; ``LibraryMissing`` before it could download a binary from the internet."""
    spec = importlib.util.find_spec("neonize")
    if spec is None or not spec.submodule_search_locations:
        raise LibraryMissing("neonize is not installed")
    folder = Path(next(iter(spec.submodule_search_locations)))
    if not any(file.suffix in (".so", ".dylib", ".dll") for file in folder.glob("neonize-*")):
        raise LibraryMissing("neonize has no binary for this machine")
    try:
        import magic  # noqa: F401
    except ImportError:
        # Used only for files that are sent.
        sys.modules["magic"] = types.ModuleType("magic")
