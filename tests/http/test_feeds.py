"""The followers of the change feed within one process."""

from __future__ import annotations

import asyncio
import logging
from types import SimpleNamespace
from typing import Any, cast

import pytest

from backscroll.core.errors import StorageBusy
from backscroll.http.live import Feeds, Heartbeat
from backscroll.http.workers import Workers


class FailingStore:
    """A store whose first checks of the version fail."""

    def __init__(self, *errors: Exception) -> None:
        self._errors = list(errors)
        self.import_jobs = SimpleNamespace(changed=lambda org, since: [])

    def version(self, org: int) -> int:
        if self._errors:
            raise self._errors.pop(0)
        return 7


@pytest.mark.parametrize("error", [StorageBusy("busy"), KeyError("private words")])
def test_followers_hear_of_changes_after_a_check_has_failed(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    async def follow() -> bool:
        workers = Workers(1)
        feeds = Feeds(cast(Any, FailingStore(error, error)), workers, look_seconds=0.001)
        feeds.follow(1)
        try:
            async with asyncio.timeout(30):
                return await feeds.news(1, 6, Heartbeat())
        finally:
            feeds.leave(1)
            await workers.close()

    with caplog.at_level(logging.ERROR, "backscroll.http"):
        assert asyncio.run(follow())
    assert len(caplog.records) == (0 if isinstance(error, StorageBusy) else 1)
    assert "private words" not in caplog.text
