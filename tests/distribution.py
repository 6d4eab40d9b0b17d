"""Which tests one process runs when several share the work."""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling

TOGETHER = frozenset({"tests/web", "tests/linked", "tests/npm"})
"""Folders whose tests share what takes long to make."""


class Distribution(LoadScopeScheduling):  # type: ignore[misc]
    """Gives each process whole files, and some folders whole: what their tests share is made once."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        folder = file.rpartition("/")[0]
        return folder if folder in TOGETHER else file
