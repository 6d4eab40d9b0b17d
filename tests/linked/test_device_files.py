"""Files of messages: only bytes with the right hash are handed over, and files that WhatsApp lost are given up."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from backscroll.linked.files import Files
from backscroll.linked.local import FIRST_PAUSE_US, MAX_ATTEMPTS, Local, Wanted

BYTES = b"a picture"
SHA256 = hashlib.sha256(BYTES).hexdigest()


class Desk:
    """A queue with one file, and the receiver of the file."""

    def __init__(self, folder: Path, download: Callable[[bytes], bytes]) -> None:
        self.now = 0
        self.taken: list[tuple[str, bytes]] = []
        self.local = Local(folder / "local.db")
        self.local.learn([], [wanted("A1", live=False)])
        self.files = Files(
            folder / "files", self.local, download=download, hand_over=self._take, clock=lambda: self.now
        )
        self.files.connected.set()

    def _take(self, found: Wanted, path: Path) -> None:
        assert path.stat().st_mode & 0o777 == 0o600
        self.taken.append((found.id, path.read_bytes()))


def wanted(id: str, live: bool) -> Wanted:
    return Wanted(
        chat="1@s.whatsapp.net",
        id=id,
        sender=None,
        live=live,
        size=len(BYTES),
        sha256=SHA256,
        mimetype="image/jpeg",
        filename=None,
        content=b"how to fetch it",
    )


def refusing(problem: str) -> Callable[[bytes], bytes]:
    def download(content: bytes) -> bytes:
        raise OSError(problem)

    return download


def test_a_file_is_handed_over_once_and_forgotten(tmp_path: Path) -> None:
    desk = Desk(tmp_path, lambda content: BYTES)
    assert desk.files.fetch_one()
    assert not desk.files.fetch_one()
    assert desk.taken == [("A1", BYTES)]
    assert list((tmp_path / "files").iterdir()) == []
    desk.local.close()


def test_what_came_live_is_fetched_before_old_history(tmp_path: Path) -> None:
    desk = Desk(tmp_path, lambda content: BYTES)
    desk.local.learn([], [wanted("A2", live=True)])
    while desk.files.fetch_one():
        pass
    assert [id for id, _ in desk.taken] == ["A2", "A1"]
    desk.local.close()


def test_other_bytes_than_the_message_promises_are_not_taken(tmp_path: Path) -> None:
    desk = Desk(tmp_path, lambda content: b"another picture")
    assert not desk.files.fetch_one()
    assert desk.taken == []
    assert desk.local.files() == 1
    desk.local.close()


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_file_that_whatsapp_no_longer_has_is_given_up(tmp_path: Path, status: int) -> None:
    desk = Desk(tmp_path, refusing(f"download failed with status code {status}"))
    assert desk.files.fetch_one()
    assert desk.local.files() == 0
    desk.local.close()


def test_a_failure_is_tried_again_later_and_not_for_ever(tmp_path: Path) -> None:
    desk = Desk(tmp_path, refusing("timeout"))
    attempts = 0
    while desk.local.files():
        assert not desk.files.fetch_one()
        attempts += 1
        assert not desk.files.fetch_one(), "the file was requested again without a pause"
        desk.now += FIRST_PAUSE_US << (2 * attempts)
    assert attempts == MAX_ATTEMPTS
    desk.local.close()


def test_a_lost_connection_is_no_failure_of_the_file(tmp_path: Path) -> None:
    desk = Desk(tmp_path, refusing("websocket not connected"))
    desk.files.connected.clear()
    for _ in range(2 * MAX_ATTEMPTS):
        desk.files.fetch_one()
    found = desk.local.next_file(0)
    assert found is not None
    assert found.attempts == 0
    desk.local.close()


def test_a_file_that_is_known_is_not_asked_for_twice(tmp_path: Path) -> None:
    desk = Desk(tmp_path, lambda content: BYTES)
    desk.local.learn([], [wanted("A1", live=False)])
    assert desk.local.files() == 1
    desk.local.close()
