"""What changes in import jobs, for those who follow an organisation."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from backscroll.storage.write.import_jobs import Changed

MAX_NEWS = 256
"""Changes that are kept for those who have not heard of them yet."""
LATE_US = 2_000_000


class JobNews:
    """What changed in an organisation's import jobs, as far as this process saw it, numbered from 1."""

    def __init__(self, now: int) -> None:
        self._seen: dict[str, int] = {}
        self._since = now
        self._news: deque[tuple[int, Changed]] = deque(maxlen=MAX_NEWS)
        self.last = 0

    @property
    def since(self) -> int:
        """What changed after this may not have been seen: another process may commit an earlier time later."""
        return self._since - LATE_US

    def see(self, changed: Sequence[Changed]) -> bool:
        """Take in what the database says; whether there is something new in it."""
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
