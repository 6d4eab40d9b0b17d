"""A history that a phone sends at once, 200 chats with 50,000 messages, is stored in bounded memory."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from backscroll.core.query import MessageQuery
from backscroll.storage.store import Store
from linked_archive import LinkedArchive
from linked_events import OWN, net
from linked_history import CHATS, EACH

pytestmark = pytest.mark.full
HERE = Path(__file__).parent.parent
PEAK = 160 << 20
"""Bytes that the process of a device may use, including 65 MB for its library."""
GROWTH = 100 << 20
"""Bytes by which the server's memory may grow."""
READER = """
import json, sys
from pathlib import Path
from backscroll.linked.library import load
load()
from backscroll.linked.bodies import Bodies, Own
from backscroll.linked.local import Local
from backscroll.linked.numbers import Numbers
from backscroll.linked.spool import Spool
folder = Path(sys.argv[1])
spool, local = Spool(folder / "spool", lambda: 1), Local(folder / "local.db")
bodies = Bodies(local, 1 << 30, Numbers(folder / "session.db").of)
entry = spool.next(timeout=0)
for body in bodies.of(entry, Own(sys.argv[2])):
    sys.stdout.write(json.dumps(body) + "\\n")
sys.stderr.write(Path("/proc/self/status").read_text())
"""


def peak_of(status: str) -> int:
    """The peak memory of a process in bytes, from its status."""
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) * 1024


def own_peak() -> int:
    return peak_of(Path("/proc/self/status").read_text())


def test_a_history_of_fifty_thousand_messages_is_taken_in_bounded_memory(store: Store, tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(HERE / "linked_history.py"), str(tmp_path / "spool")], check=True)
    (frame,) = (tmp_path / "spool").iterdir()
    assert frame.stat().st_size > 25 << 20
    archive = LinkedArchive(store)
    # Reset the peak memory of this process.
    Path("/proc/self/clear_refs").write_text("5")
    before = own_peak()
    command = [sys.executable, "-c", READER, str(tmp_path), net(OWN)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as reader:
        assert reader.stdout is not None
        assert reader.stderr is not None
        archive.take(reader.stdout)
        peak = peak_of(reader.stderr.read().decode())
    grown = own_peak() - before
    print(f"process of the device: {peak >> 20} MB, server: {grown >> 20} MB more")
    assert peak < PEAK
    assert grown < GROWTH
    assert archive.quarantine() == []
    page = store.list_messages(MessageQuery(org=archive.org.no, phones=(archive.phone.no,), limit=1))
    assert page.total == CHATS * EACH
    assert len(archive.chats()) == CHATS
