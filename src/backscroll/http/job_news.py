"""Changes of import jobs, for clients that follow an organisation."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from backscroll.storage.write.import_jobs import Changed

MAX_NEWS = 256
"""Number of changes kept for followers that have not received them yet."""
LATE_US = 2_000_000


class JobNews:
    """Changes of an organisation's import jobs that this process has seen, numbered from 1."""

    def __init__(self, now: int) -> None:
        self._seen: dict[str, int] = {}
        self._since = now
        self._news: deque[tuple[int, Changed]] = deque(maxlen=MAX_NEWS)
        self.last = 0

    @property
    def since(self) -> int:
        """Changes after this time may be unseen: another process may commit an earlier time later."""
        return self._since - LATE_US

    def see(self, changed: Sequence[Changed]) -> bool:
        """Record the rows read from the database; returns whether there is something new."""
        new = [
            one
            for one in changed
            if self._seen.get(one.id) != one.updated_at and one.updated_at > self._since - LATE_US
        ]
        for one in new:
            self.last += 1
            self._news.append((self.last, one))
            self._since = max(self._since, one.updated_at)
        self._seen = {one.id: one.updated_at for one in changed}
        return bool(new)

    def after(self, number: int) -> list[Changed]:
        """The latest change of each job that changed after a number."""
        return list({one.id: one for no, one in self._news if no > number}.values())
