"""Long work pauses between its transactions for as long as others write, but no longer than is fair."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from backscroll.core.model import Org
from backscroll.database import pauses
from backscroll.storage.store import Store, open_store


class Clock:
    """Time that passes only by sleeping; ``during`` is called in each sleep."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.during: Callable[[], object] = lambda: None
        monkeypatch.setattr("time.monotonic", lambda: self.now)
        monkeypatch.setattr("time.sleep", self.sleep)

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.during()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_a_pause_is_short_when_nobody_else_writes(clock: Clock) -> None:
    assert not pauses.pause(lambda: 1, lambda: False, 0.0)
    assert clock.now == pytest.approx(pauses.PAUSE_SECONDS)


def test_a_pause_lasts_until_one_who_writes_message_by_message_is_done(clock: Clock) -> None:
    # Five messages, each 4 ms after the one before: a writer that waited only for the first would not see the others.
    assert pauses.pause(lambda: min(int(clock.now / 0.004), 5), lambda: False, pauses.QUIET_SECONDS)
    assert 0.02 + pauses.QUIET_SECONDS <= clock.now < 0.03 + pauses.QUIET_SECONDS


def test_a_pause_waits_for_who_waits(clock: Clock) -> None:
    assert pauses.pause(lambda: 1, lambda: clock.now < 0.05, 0.0)
    assert 0.05 <= clock.now < 0.06 + pauses.QUIET_SECONDS


def test_a_pause_ends_although_others_go_on_writing(clock: Clock) -> None:
    assert pauses.pause(lambda: clock.now, lambda: True, 0.0)
    assert pauses.MAX_PAUSE_SECONDS <= clock.now < pauses.MAX_PAUSE_SECONDS + 0.01


def test_commits_of_another_process_prolong_a_pause(
    store: Store, org: Org, tmp_path: Path, database_url: str | None, clock: Clock
) -> None:
    other = open_store(database_url, tmp_path)
    written: list[float] = []

    def write() -> None:
        if len(written) < 10:
            written.append(clock.now)
            other.create_token(org.no)

    clock.now = 1000.0
    clock.during = write
    store._engine.let_others_write()
    assert len(written) == 10
    assert store._engine.is_wanted()
    clock.during = lambda: None
    began = clock.now
    store._engine.let_others_write()
    # Others wrote a moment ago, so more is expected of them.
    assert clock.now - began >= pauses.QUIET_SECONDS
    other.close()
