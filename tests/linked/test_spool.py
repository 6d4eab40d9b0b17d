"""The spool: entries are on disk before anything else happens, in order, and kept until they are removed."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from backscroll.linked.spool import Spool


@pytest.fixture
def clock() -> Callable[[], int]:
    return itertools.count(1000).__next__


def payloads(spool: Spool) -> list[bytes]:
    found = []
    while (entry := spool.next(timeout=0)) is not None:
        found.append(entry.payload)
        spool.remove(entry.no)
    return found


def test_frames_outlive_the_process_in_their_order(tmp_path: Path, clock: Callable[[], int]) -> None:
    spool = Spool(tmp_path, clock)
    for n in range(12):
        spool.append(17, b"frame %d" % n)
    first = spool.next(timeout=0)
    assert first is not None
    assert (first.code, first.payload) == (17, b"frame 0")
    assert payloads(Spool(tmp_path, clock)) == [b"frame %d" % n for n in range(12)]
    assert list(tmp_path.iterdir()) == []


def test_a_frame_is_synced_before_it_is_promised(
    tmp_path: Path, clock: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path, clock)
    synced: list[str] = []
    real = os.fsync

    def noting(descriptor: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", noting)
    spool.append(17, b"frame")
    assert synced[0].endswith(".frame")
    assert synced[1] == str(tmp_path)


def test_a_frame_that_was_cut_or_changed_is_no_frame(tmp_path: Path, clock: Callable[[], int]) -> None:
    spool = Spool(tmp_path, clock)
    names = [spool.append(17, b"frame %d" % n) for n in range(4)]
    files = sorted(tmp_path.iterdir())
    files[0].write_bytes(files[0].read_bytes()[:-1])
    files[1].write_bytes(b"")
    files[2].write_bytes(files[2].read_bytes()[:-1] + b"!")
    assert payloads(Spool(tmp_path, clock)) == [b"frame 3"]
    assert len(set(names)) == 4


def test_nobody_else_may_read_a_frame(tmp_path: Path, clock: Callable[[], int]) -> None:
    spool = Spool(tmp_path / "spool", clock)
    spool.append(17, b"frame")
    (file,) = (tmp_path / "spool").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "spool").stat().st_mode & 0o777 == 0o700


def test_who_waits_is_woken_by_the_next_frame(tmp_path: Path, clock: Callable[[], int]) -> None:
    spool = Spool(tmp_path, clock)
    found: list[bytes] = []

    def wait() -> None:
        entry = spool.next(timeout=30)
        found.append(b"" if entry is None else entry.payload)

    thread = threading.Thread(target=wait)
    thread.start()
    spool.append(17, b"at last")
    thread.join()
    assert found == [b"at last"]


def test_a_clock_that_goes_back_does_not_change_the_order(tmp_path: Path) -> None:
    times = iter([5000, 5000, 10, 10, 10, 10])
    spool = Spool(tmp_path, lambda: next(times))
    spool.append(17, b"one")
    spool.append(17, b"two")
    assert payloads(spool) == [b"one", b"two"]
