"""Archives for property tests, and the settings with which these try histories."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, settings

from backscroll.storage.store import Store, open_store
from plain_sql import PlainSql


class Shelf:
    """One database for many archives, so that no example needs a database of its own."""

    def __init__(self, folder: Path, database: str | None) -> None:
        self.store: Store = open_store(database, folder)
        self.sql = PlainSql(database, folder)
        self._made = 0

    def close(self) -> None:
        self.sql.close()
        self.store.close()

    def new(self, phones: Sequence[str]) -> int:
        """Create an organisation with these phones; returns its number."""
        self._made += 1
        org = self.store.create_org(f"org {self._made}").no
        for jid in phones:
            self.store.add_phone(org, jid)
        return org


def trying(examples: int) -> Callable[[Any], Any]:
    """Settings for so many examples, without limits of size and time."""
    return settings(
        max_examples=examples,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        # Shrinking takes minutes here, and a failing history can be replayed from the printed blob.
        phases=[phase for phase in Phase if phase is not Phase.shrink],
        print_blob=True,
    )
