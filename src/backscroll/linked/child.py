"""The process itself: ``python -m backscroll.linked.child FOLDER``, started and supervised by the server
(``jobs.linked``).

The library's events go into the spool; one thread sends them from there to the server and waits until they are
committed. When the library gives up, the process reports the reason and exits; it never retries by itself.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import logging
import os
import queue
import sys
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import msgspec

from backscroll.formats.link_lines import (
    ORDERS,
    Done,
    Fetched,
    Frame,
    LinkState,
    LogOut,
    PairCode,
    Status,
    Told,
    encoded,
)
from backscroll.linked.local import Local, Wanted
from backscroll.linked.spool import Spool

DRAIN_SECONDS = 30.0
"""How long the server has to take what is in the spool when the process ends; the rest waits for the next process."""
FIRST_CODE_SECONDS, CODE_SECONDS, PAIR_CODE_SECONDS = 60, 20, 160
"""How long WhatsApp takes a QR code, those after it, and a code that is typed."""
STATE_SECONDS = 900.0
LOCK_SECONDS = 10.0
CONNECT_SECONDS = 20.0
ACCOUNT = "account.json"
FAILED, NOT_ALONE = 3, 4
"""How the process ends when it is to be started again, and when another one has the session."""


def now_us() -> int:
    """Microseconds since 1970 UTC."""
    return time.time_ns() // 1000


class Pipe:
    """The lines to the server. What it has to commit is numbered, and ``send`` waits until that is done."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out
        self._lock = threading.Lock()
        self._last = 0
        self._waiting: dict[int, threading.Event] = {}

    def say(self, line: Told) -> None:
        """Write a line that wants no answer."""
        with self._lock:
            self._write(line)

    def send(self, line: Frame | Fetched) -> None:
        """Write a line under a number of its own, and return when the server has committed it."""
        done = threading.Event()
        with self._lock:
            self._last += 1
            no = self._last
            self._waiting[no] = done
            self._write(msgspec.structs.replace(line, no=no))
        done.wait()

    def done(self, no: int) -> None:
        """The server has committed the line with this number: its sender continues."""
        event = self._waiting.pop(no, None)
        if event is not None:
            event.set()

    def _write(self, line: Told) -> None:
        try:
            self._out.write(encoded(line))
            self._out.flush()
        except OSError:
            # The server is gone; whatever it did not commit is in the spool.
            os._exit(0)


class Child:
    """Everything that runs in the process of one device, in its folder, which is the current one."""

    def __init__(self, folder: Path, pipe: Pipe, max_file_bytes: int) -> None:
        from backscroll.linked.bodies import Bodies
        from backscroll.linked.client import DATABASE, Client
        from backscroll.linked.files import Files
        from backscroll.linked.numbers import Numbers

        self._folder = folder
        self._pipe = pipe
        self._account = _read_account(folder / ACCOUNT)
        self._was_paired = bool(self._account)
        self.spool = Spool(folder / "spool", now_us)
        self._local = Local(folder / "local.db")
        self._bodies = Bodies(self._local, max_file_bytes, Numbers(folder / DATABASE).of)
        self._ending = threading.Event()
        self._codes = 0
        self._pair_number: str | None = None
        self._news: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.client = Client(
            self.spool, notice=self.notice, code=self.show_code, status=self.hear_status, fail=self.fail
        )
        self.files = Files(
            folder / "files",
            self._local,
            download=self.client.download,
            hand_over=self._hand_over,
            clock=now_us,
        )

    def run(self, orders: IO[bytes]) -> None:
        """Connect, and go on until the library gives up. Never returns."""
        for work in (self._forward, self.files.run, self._keep_state):
            threading.Thread(target=self._guarded, args=(work,), daemon=True).start()
        threading.Thread(target=self._guarded, args=(lambda: self._obey(orders),), daemon=True).start()
        self._pipe.say(Status(state="connecting" if self._was_paired else "starting", jid=self._account.get("jid")))
        try:
            self.client.connect()
        except Exception as error:
            self.finish_after(str(error))
        else:
            self.finish(None, "the library ended the connection")

    def _guarded(self, work: Any) -> None:
        try:
            work()
        except BaseException as error:
            self.fail(error)

    def fail(self, error: BaseException) -> None:
        """End at once: something could not be kept. The server starts the process anew."""
        self._pipe.say(Status(problem=f"the process of the device failed: {type(error).__name__}"))
        os._exit(FAILED)

    # What the server asks

    def _obey(self, orders: IO[bytes]) -> None:
        for line in orders:
            match ORDERS.decode(line):
                case Done(no):
                    self._pipe.done(no)
                case PairCode(number):
                    self._pair_number = number
                    if self._codes:
                        self._ask_for_code()
                case LogOut():
                    threading.Thread(target=self._log_out, daemon=True).start()
        os._exit(0)

    def _log_out(self) -> None:
        # Right after pairing the library connects once more; before that nothing can be said to WhatsApp.
        self.files.connected.wait(CONNECT_SECONDS)
        with suppress(Exception):
            self.client.logout()
        self.finish("logged_out")

    def _ask_for_code(self) -> None:
        number, self._pair_number = self._pair_number, None
        if number is not None:
            threading.Thread(target=self._pair_by_code, args=(number,), daemon=True).start()

    def _pair_by_code(self, number: str) -> None:
        try:
            code = self.client.pair_code(number)
        except Exception as error:
            self._pipe.say(Status(problem=f"WhatsApp gave no code for this number ({_shortened(error)})"))
            return
        shown = code if "-" in code else f"{code[:4]}-{code[4:]}"
        expires_at = now_us() + PAIR_CODE_SECONDS * 1_000_000
        self._pipe.say(Status(state="pairing", code=shown, expires_at=expires_at))

    # What the library tells of the connection

    def show_code(self, text: str) -> None:
        """A new QR code. WhatsApp asks a device that was paired for one when it knows it no longer."""
        from backscroll.linked.client import modules

        if self._was_paired:
            self.finish("logged_out")
            return
        seconds = CODE_SECONDS if self._codes else FIRST_CODE_SECONDS
        self._codes += 1
        expires_at = now_us() + seconds * 1_000_000
        self._pipe.say(Status(state="pairing", qr=text, rows=modules(text), expires_at=expires_at))
        self._ask_for_code()

    def hear_status(self, status: str) -> None:
        """How signing in ended."""
        ended: dict[str, LinkState] = {"timeout": "expired", "err-client-outdated": "outdated"}
        if status in ended:
            self.finish(ended[status])
        elif status == "err-scanned-without-multidevice":
            self.finish("refused", "the phone does not allow linked devices")
        elif status != "success":
            self.finish("refused", f"signing in failed: {status[:100]}")

    def notice(self, event: Any) -> None:
        """An event of the connection, by its name."""
        name = event.DESCRIPTOR.name
        match name:
            case "Device" | "PairStatus":
                self._know_account(event)
            case "Connected":
                self.files.connected.set()
                self._pipe.say(Status(state="connected"))
                self._news.put("connected")
            case "KeepAliveRestored":
                self._pipe.say(Status(state="connected"))
            case "KeepAliveTimeout" | "Disconnected" | "StreamError":
                self.files.connected.clear()
                self._pipe.say(Status(state="connecting", problem="the connection to WhatsApp is interrupted"))
            case "OfflineSyncCompleted":
                self._news.put("synced")
            case _:
                self._end_by(name, event)

    def _end_by(self, name: str, event: Any) -> None:
        ended: dict[str, LinkState] = {"StreamReplaced": "replaced", "ClientOutdated": "outdated"}
        if name in ended:
            self.finish(ended[name])
        elif name == "TemporaryBan":
            reason = event.TempBanReason.Name(event.Code).lower().replace("_", " ")
            self.finish("banned", reason, now_us() + event.Expire * 1_000_000 if event.Expire > 0 else None)
        elif name in ("LoggedOut", "ConnectFailure"):
            self._end_by_reason(name, event)

    def _end_by_reason(self, name: str, event: Any) -> None:
        from neonize.proto import Neonize_pb2 as neonize

        reason = neonize.ConnectFailureReason.Name(event.Reason)
        known: dict[str, LinkState] = {"TEMP_BANNED": "banned", "CLIENT_OUTDATED": "outdated"}
        if name == "LoggedOut":
            self.finish(known.get(reason, "logged_out"), reason.lower().replace("_", " "))
        elif reason in ("INTERNAL_SERVER_ERROR", "EXPERIMENTAL", "SERVICE_UNAVAILABLE"):
            self.finish(None, "WhatsApp is not available")
        else:
            self.finish(known.get(reason, "refused"), reason.lower().replace("_", " "))

    def finish_after(self, problem: str) -> None:
        """End as an error of the library says: it names an event that it could not pass on."""
        ended: dict[str, LinkState] = {"TemporaryBan": "banned", "LoggedOut": "logged_out", "ConnectFailure": "refused"}
        state = next((state for name, state in ended.items() if f".{name}." in problem), None)
        unreachable = "WhatsApp cannot be reached; check this machine's connection to the internet"
        self.finish(state, unreachable if "failed to dial" in problem else _shortened(problem))

    def finish(self, state: LinkState | None, problem: str | None = None, until: int | None = None) -> None:
        """Say why, let the server take what is in the spool, and end; ``state`` None is to be tried again."""
        if self._ending.is_set():
            return
        self._ending.set()
        self.files.connected.clear()
        self._pipe.say(Status(state=state, problem=problem, until=until))
        # The library's thread that tells this must get back into the library.
        threading.Thread(target=self._drain, args=(0 if state is not None else FAILED,), daemon=False).start()

    def _drain(self, status: int) -> None:
        end = time.monotonic() + DRAIN_SECONDS
        while len(self.spool) and self._account and time.monotonic() < end:
            threading.Event().wait(0.05)
        os._exit(status)

    def _know_account(self, event: Any) -> None:
        from backscroll.linked.bodies import without_device
        from backscroll.linked.plain import jid_text

        paired = event.DESCRIPTOR.name == "PairStatus"
        if paired and event.Status != event.PStatus.Value("SUCCESS"):
            self.finish("refused", "pairing failed: the phone or WhatsApp refused it")
            return
        jid = jid_text(event.ID if paired else event.JID)
        if jid is None:
            return
        lid = None if paired else jid_text(event.LID)
        self._account = {"jid": without_device(jid), "lid": without_device(lid) if lid else self._account.get("lid")}
        _write_account(self._folder / ACCOUNT, self._account)
        self._pipe.say(Status(state="connecting" if paired else None, jid=self._account["jid"]))

    # From the spool to the server

    def _forward(self) -> None:
        from backscroll.linked.bodies import Own

        while True:
            entry = self.spool.next()
            assert entry is not None, "without a time to wait there is always a frame"
            while not self._account:
                threading.Event().wait(0.1)
            own = Own(self._account["jid"] or "", self._account.get("lid"))
            self._tell(self._bodies.of(entry, own), own)
            self.spool.remove(entry.no)

    def _tell(self, bodies: Iterable[dict[str, Any]], own: Any) -> None:
        from backscroll.linked.bodies import ids_told

        for body in bodies:
            self._pipe.send(Frame(no=0, body=msgspec.Raw(json.dumps(body).encode())))
            self._notice_progress(body)
            for no, held in self._bodies.released(ids_told(body)):
                for late in self._bodies.of(held, own):
                    self._pipe.send(Frame(no=0, body=msgspec.Raw(json.dumps(late).encode())))
                self._local.forget_held(no)

    def _notice_progress(self, body: dict[str, Any]) -> None:
        data = body.get("data")
        if not isinstance(data, dict):
            return
        if body["event"] == "History":
            if "progress" in data:
                self._pipe.say(Status(progress=data["progress"]))
        elif body["event"] == "GroupInfoEvent" and (data.get("Join") or data.get("Leave")):
            self._news.put(data["JID"])

    def _hand_over(self, wanted: Wanted, path: Path) -> None:
        self._pipe.send(
            Fetched(
                no=0,
                path=str(path),
                sha256=wanted.sha256,
                chat=wanted.chat,
                id=wanted.id,
                sender=wanted.sender,
                mimetype=wanted.mimetype,
                filename=wanted.filename,
            )
        )

    # What the library knows but does not tell

    def _keep_state(self) -> None:
        """Ask for what the library does not tell: soon after it connects, after news of a group, and now and then."""
        from backscroll.linked.state import State

        state = State(self.client, self.spool, self._local)
        while True:
            with suppress(queue.Empty):
                self._news.get(timeout=STATE_SECONDS)
                threading.Event().wait(2.0)
            while not self._news.empty():
                self._news.get()
            if self.files.connected.is_set():
                state.tell()


def _shortened(problem: object) -> str:
    """A line for a person, without digits: the library's errors may quote numbers."""
    text = "".join("#" if letter.isdigit() else letter for letter in str(problem))
    return " ".join(text.split())[:160]


def _read_account(path: Path) -> dict[str, str | None]:
    try:
        account: dict[str, str | None] = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    return account


def _write_account(path: Path, account: dict[str, str | None]) -> None:
    new = path.with_suffix(".new")
    with new.open("wb") as file:
        file.write(json.dumps(account).encode())
        file.flush()
        os.fsync(file.fileno())
    new.rename(path)


def _alone(folder: Path) -> IO[bytes] | None:
    """Take the session for this process; None when another one keeps it."""
    lock = (folder / "lock").open("wb")
    end = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                return None
            threading.Event().wait(0.1)
        else:
            return lock


def _own_output() -> IO[bytes]:
    """The way to the server. What the library prints goes nowhere."""
    out = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    return out


def main() -> None:
    """Run the process of one device; see the module."""
    parser = argparse.ArgumentParser(prog="backscroll.linked.child")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--max-file-bytes", type=int, required=True)
    arguments = parser.parse_args()
    os.umask(0o077)
    folder: Path = arguments.folder.absolute()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # The library parses the name of its database, so it gets one without a path.
    os.chdir(folder)
    pipe = Pipe(_own_output())
    lock = _alone(folder)
    if lock is None:
        pipe.say(Status(problem="another process has the session of this device"))
        sys.exit(NOT_ALONE)
    from backscroll.linked.library import load

    load()
    child = Child(folder, pipe, arguments.max_file_bytes)
    logging.disable(logging.CRITICAL)
    child.run(sys.stdin.buffer)


if __name__ == "__main__":
    main()
