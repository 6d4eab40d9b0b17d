"""The worker processes of ``backscroll serve``."""

from __future__ import annotations

import multiprocessing
import os
import time
from types import SimpleNamespace
from typing import Any

import pytest
from granian.server.mp import WorkerProcess

from backscroll.cli.serve import know_ended_processes


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A worker that nothing else watches, so that only the test waits for its end."""
    monkeypatch.setattr(multiprocessing, "get_start_method", lambda: "spawn")
    monkeypatch.setattr(WorkerProcess, "is_alive", WorkerProcess.is_alive)
    worker: Any = WorkerProcess
    made = worker(SimpleNamespace(), 0, time.sleep, (300,))
    made.inner.start()
    yield made
    if made.is_alive():
        made.kill()
        made.join()


def test_a_worker_whose_end_another_thread_was_told_of_is_not_alive(worker: Any) -> None:
    os.kill(worker.inner.pid, 9)
    os.waitpid(worker.inner.pid, 0)
    assert worker.is_alive(), "the HTTP server now detects this itself: delete know_ended_processes"
    know_ended_processes()
    assert not worker.is_alive()


def test_a_worker_that_runs_is_alive(worker: Any) -> None:
    know_ended_processes()
    assert worker.is_alive()
