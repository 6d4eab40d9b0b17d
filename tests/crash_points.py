"""Runs a command of Backscroll repeatedly and kills it at a later sync to disk each time, until it completes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

MAX_POINTS = 400

SCRIPT = """
import os, signal, sys
left = int(sys.argv[1])
sync, replace = os.fsync, os.replace

def counted(real):
    def call(*arguments, **named):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **named)
    return call

os.fsync = counted(sync)
os.replace = os.rename = counted(replace)
from backscroll.cli.main import main
main(sys.argv[2:], prog_name="backscroll")
"""


def crashes(data: Path, *arguments: str, points: range) -> Iterator[int]:
    """Yield after each killed run; the next run is killed later. Ends when a run completes."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("BACKSCROLL_")}
    for point in points:
        command = [sys.executable, "-c", SCRIPT, str(point), *arguments, "--data", str(data)]
        code = subprocess.run(command, capture_output=True, env=environ, timeout=60, check=False).returncode
        if code == 0:
            return
        assert code == -signal.SIGKILL, code
        yield point
    raise AssertionError("the command never came to its end")
