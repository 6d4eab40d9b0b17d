"""Work on a whole archive takes as much memory for a large one as for a small one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from backscroll.core.events import Batch, Event, MessageEdited, MessageSeen, ReactionSet, Target
from backscroll.core.model import Message, MessageKey
from backscroll.ingest.pipeline import apply_all
from backscroll.storage.search.maintenance import Limits
from backscroll.storage.store import now_us, open_store
from backscroll.storage.write.index_upkeep import IndexUpkeep
from conftest import MORNING

PHONE = "918527184400"
CHATS = 40
SMALL, LARGE = 4_000, 40_000
AT_ONCE = 2_000
LIMITS = Limits(young=250, full=1_000, half_empty=500)
MORE = 6 << 20
"""Bytes that the tenfold archive may take in addition: data for each day and month, and random variation."""
SCRIPT = """
import sys, threading
from backscroll.cli.main import main
from backscroll.database import sqlite

# A cache that the small archive fills too.
sqlite._PRAGMAS = (*sqlite._PRAGMAS, "PRAGMA cache_size = -1000")
most, over = 0, threading.Event()

def watch():
    global most
    while not over.wait(0.002):
        with open("/proc/self/status") as file:
            own = next(line for line in file if line.startswith("RssAnon"))
        most = max(most, int(own.split()[1]) * 1024)

threading.Thread(target=watch, daemon=True).start()
try:
    main(sys.argv[1:])
finally:
    over.set()
    print(most, file=sys.stderr)
"""

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc"),
]


def history(start: int, end: int) -> Iterator[Batch]:
    """Messages of some chats, each batch with its payload; some were edited or have a reaction."""
    for first in range(start, end, 500):
        events: list[Event] = []
        for no in range(first, first + 500):
            chat = f"49171{no % CHATS:07d}@s.whatsapp.net"
            key = MessageKey(PHONE, chat, f"3EB0{no:08d}")
            at = MORNING + no * 30_000_000
            text = f"line {no} tells that {no * 7919 % 9973} of {no % 101} things were found"
            events.append(MessageSeen(Message(key=key, sent_at=at, from_me=False, text=text)))
            target = Target(PHONE, chat, key.id)
            if no % 10 == 0:
                events.append(ReactionSet(target=target, by=chat, emoji="👍", at=at))
            if no % 25 == 0:
                events.append(MessageEdited(target=target, text=f"{text}, said better", at=at + 1))
        yield Batch(source="linked", events=events, raw=f"payload {first} ".encode() * 200)


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    made = {}
    for messages in (SMALL, LARGE):
        made[messages] = tmp_path_factory.mktemp(f"archive{messages}")
        store = open_store(None, made[messages])
        org = store.create_org("Sample")
        store.add_phone(org.no, PHONE)
        # Index segments are read as a whole. They are small here, so that both archives have several of the largest.
        upkeep = IndexUpkeep(store._engine, now_us, LIMITS)
        for first in range(0, messages, AT_ONCE):
            for _ in apply_all(store, org.no, history(first, first + AT_ONCE)):
                pass
            upkeep.run(org.no)
        store.close()
    return made


def most_memory(archive: Path, *command: str) -> int:
    """Peak memory of the program in bytes, without pages of mapped files."""
    known = {name: value for name, value in os.environ.items() if not name.startswith("BACKSCROLL_")}
    environ = known | {"BACKSCROLL_DATA": str(archive)}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *command], env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return int(done.stderr.split()[-1])


@pytest.mark.parametrize(
    "command",
    [("check",), ("export", "jsonl", "--with-raw", "-o", "{}/all.jsonl"), ("backup", "{}/backup")],
    ids=lambda command: command[0],
)
def test_memory_does_not_grow_with_the_archive(
    archives: dict[int, Path], tmp_path: Path, command: tuple[str, ...]
) -> None:
    taken = {}
    for messages, archive in archives.items():
        place = tmp_path / str(messages)
        place.mkdir()
        taken[messages] = most_memory(archive, *(word.format(place) for word in command))
    assert taken[LARGE] - taken[SMALL] <= MORE, taken
