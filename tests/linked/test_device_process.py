"""The process of a device alone: what it reports when the library fails, and how it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from neonize.proto import Neonize_pb2 as neonize

from backscroll.formats.link_lines import TOLD as LINES
from backscroll.formats.link_lines import Done, Frame, LogOut, Status, Told, encoded
from backscroll.jobs.device import own_command
from linked_events import OWN, net

HERE = Path(__file__).parent.parent
PAIRED = json.dumps({"jid": net(OWN), "lid": None})


def as_event(event: Any) -> dict[str, str]:
    return {"event": event.DESCRIPTOR.name, "bytes": event.SerializeToString().hex()}


def started(folder: Path, paired: bool = True, count: int = 0, **plan: Any) -> subprocess.Popen[bytes]:
    folder.mkdir(exist_ok=True)
    if paired:
        (folder / "account.json").write_text(PAIRED)
    told = {"count": count, "silent_after": [], "crash_after": [], **plan}
    paths = {"PYTHONPATH": f"{HERE / 'linked_phone'}:{HERE}", "LINKED_PHONE": json.dumps(told)}
    return subprocess.Popen(
        own_command(folder, 1 << 20),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **paths},
    )


def told_by(process: subprocess.Popen[bytes]) -> list[Told]:
    """Everything that the process reports until it ends; frames are committed at once."""
    assert process.stdin is not None
    assert process.stdout is not None
    lines: list[Told] = []
    with process, process.stdout:
        for line in process.stdout:
            lines.append(LINES.decode(line))
            if isinstance(lines[-1], Frame):
                process.stdin.write(encoded(Done(lines[-1].no)))
                process.stdin.flush()
    return lines


def last_status(lines: list[Told]) -> Status:
    return [line for line in lines if isinstance(line, Status)][-1]


BAN = neonize.TemporaryBan(Code=neonize.TemporaryBan.BLOCKED_BY_USERS, Expire=3600)
BUSY = neonize.ConnectFailure(Reason=neonize.SERVICE_UNAVAILABLE, Message="", Raw=neonize.Node(Tag="failure"))
REFUSED = neonize.ConnectFailure(Reason=neonize.BAD_USER_AGENT, Message="", Raw=neonize.Node(Tag="failure"))


FULL = pytest.mark.full


@pytest.mark.parametrize(
    ("plan", "state", "status"),
    [
        pytest.param(as_event(BAN), "banned", 0, id="ban"),
        pytest.param(as_event(BUSY), None, 3, id="outage"),
        pytest.param({"code": "2@another"}, "logged_out", 0, id="unknown session"),
        pytest.param(as_event(REFUSED), "refused", 0, id="refusal", marks=FULL),
        pytest.param({"raises": "failed to dial: no such host 203.0.113.7"}, None, 3, id="no network", marks=FULL),
        pytest.param(
            {"raises": 'required field "neonize.LoggedOut.Reason" not set'}, "logged_out", 0, id="lost", marks=FULL
        ),
    ],
)
def test_what_ends_the_process_and_what_is_tried_again(
    tmp_path: Path, plan: dict[str, Any], state: str | None, status: int
) -> None:
    process = started(tmp_path / "device", **plan)
    last = last_status(told_by(process))
    assert (last.state, process.returncode) == (state, status)
    assert "203" not in (last.problem or ""), "the library's message may contain a number and must not be shown"


def test_a_code_that_nobody_scanned_ends_it_with_what_was_told_handed_over(tmp_path: Path) -> None:
    lines = told_by(started(tmp_path / "device", paired=False, count=3, signing_in="timeout"))
    codes = [line for line in lines if isinstance(line, Status) and line.qr is not None]
    assert [(line.state, len(line.rows or ())) for line in codes] == [("pairing", 29)]
    assert len([line for line in lines if isinstance(line, Frame)]) == 3
    assert last_status(lines).state == "expired"
    assert list((tmp_path / "device" / "spool").iterdir()) == []


def test_it_ends_with_its_server_and_keeps_what_was_not_committed(tmp_path: Path) -> None:
    process = started(tmp_path / "device", count=5)
    assert process.stdin is not None
    assert process.stdout is not None
    with process, process.stdout:
        while not isinstance(LINES.decode(process.stdout.readline()), Frame):
            pass
        process.stdin.close()
        assert process.wait(timeout=60) == 0
    assert list((tmp_path / "device" / "spool").iterdir())


@FULL
def test_logging_out_ends_it(tmp_path: Path) -> None:
    process = started(tmp_path / "device")
    assert process.stdin is not None
    process.stdin.write(encoded(LogOut()))
    process.stdin.flush()
    assert last_status(told_by(process)).state == "logged_out"


@FULL
def test_two_processes_never_have_one_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = started(tmp_path / "device")
    assert first.stdin is not None
    assert first.stdout is not None
    with first, first.stdout:
        first.stdout.readline()
        code = "import backscroll.linked.child as child; child.LOCK_SECONDS = 0.1; child.main()"
        command = [sys.executable, "-c", code, *own_command(tmp_path / "device", 1)[3:]]
        second = subprocess.run(command, capture_output=True, check=False)
        assert second.returncode == 4
        assert b"another process" in second.stdout
        first.stdin.close()
