"""Decides which tests each process runs when several processes share the work."""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling

TOGETHER = frozenset({"tests/web", "tests/linked", "tests/npm"})
"""Folders whose tests share fixtures that take long to make."""


class Distribution(LoadScopeScheduling):  # type: ignore[misc]
    """Gives each process whole files, and some whole folders, so that what their tests share is made only once."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        folder = file.rpartition("/")[0]
        return folder if folder in TOGETHER else file
