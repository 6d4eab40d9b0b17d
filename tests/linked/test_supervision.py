"""A device and its supervisor: refused devices, wrong accounts, files, unlinking, one process at a time."""

from __future__ import annotations

import hashlib
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec import structs

from backscroll.core.errors import Conflict, NotFound, Unsupported
from backscroll.core.model import Org, Phone
from backscroll.formats.link_lines import ENDED, LinkState
from backscroll.jobs import device, linking
from backscroll.storage.files.media import MediaStore
from backscroll.storage.store import Store
from backscroll.storage.write.links import Link
from linked_events import ANA, MICROS, OWN, message, net, text
from linked_events import Phone as LinkedPhone

OTHER = "4915550009999"
SECONDS = 60


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FIRST_PAUSE", "LOOK_SECONDS", "BUSY_SECONDS"):
        monkeypatch.setattr(device, name, 0.02)
    for name in ("CONNECT_SECONDS", "LOG_OUT_SECONDS"):
        monkeypatch.setattr(device, name, 10.0)


class Desk:
    """An archive with one link, whose process is a script of the test."""

    def __init__(self, store: Store, org: Org, folder: Path) -> None:
        self.store, self.org, self.folder = store, org, folder
        self.media = MediaStore(folder / "media", b"k" * 32)
        self.script = folder / "child.py"
        self.stopping = threading.Event()
        self.starts = folder / "starts"

    def plays(self, *lines: str, then: str = "") -> None:
        """Write the script: it records each start, prints these lines, then runs ``then``."""
        said = "\n".join(f"print({line!r}, flush=True)" for line in lines)
        noted = f"open({str(self.starts)!r}, 'a').write('start\\n')"
        self.script.write_text(f"import sys, os\n{noted}\n{said}\n{then}\n")

    def begin(self, phone: Phone | None = None) -> Link:
        return linking.begin(self.store, self.org.no, phone, "Sales", None)

    def supervise(self, link: Link) -> bool:
        return linking.supervise(
            self.store,
            self.media,
            link,
            data=self.folder,
            max_media_bytes=1 << 20,
            stopping=self.stopping,
            command=lambda folder, size: [sys.executable, str(self.script), str(folder)],
        )

    def find(self, link: Link) -> Link:
        return self.store.sources.links.find(self.org.no, link.id)

    def begun(self) -> int:
        return len(self.starts.read_text().splitlines()) if self.starts.exists() else 0


@pytest.fixture
def desk(store: Store, org: Org, tmp_path: Path) -> Iterator[Desk]:
    made = Desk(store, org, tmp_path)
    yield made
    made.stopping.set()


def status(**fields: object) -> str:
    return json.dumps({"type": "status", **fields})


def until(true: Callable[[], object]) -> None:
    give_up = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < give_up, "the condition did not become true in time"
        time.sleep(0.01)


WAIT = "sys.stdin.read()"
NOTE_ORDERS = "open('orders', 'w').write(sys.stdin.readline())"


@pytest.mark.parametrize("state", sorted(ENDED - {"unavailable"}))
def test_a_refused_device_is_never_tried_again_by_itself(desk: Desk, state: LinkState) -> None:
    desk.plays(status(state=state, problem="because"))
    link = desk.begin()
    assert desk.supervise(link)
    found = desk.find(link)
    assert (found.state, found.problem, desk.begun()) == (state, "because", 1)
    assert not linking.wants_process(found)
    assert desk.supervise(found)
    assert desk.begun() == 1
    linking.begin_again(desk.store, found, None)
    assert desk.supervise(found)
    assert desk.begun() == 2


def test_a_process_that_fails_is_started_again_after_longer_pauses(desk: Desk) -> None:
    desk.plays(then="sys.exit(3)")
    link = desk.begin()
    thread = threading.Thread(target=desk.supervise, args=(link,))
    thread.start()
    until(lambda: desk.begun() >= 4)
    desk.stopping.set()
    thread.join()
    problem = desk.find(link).problem
    assert problem is not None
    assert "ended" in problem


def test_the_pause_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses = [device.FIRST_PAUSE]
    while pauses[-1] != device.LAST_PAUSE:
        pauses.append(device.next_pause(pauses[-1]))
    assert device.LAST_PAUSE == 300.0
    assert device.next_pause(device.LAST_PAUSE) == device.LAST_PAUSE


def test_the_phone_is_added_when_the_device_is_paired(desk: Desk) -> None:
    desk.plays(status(state="pairing", qr="2@x", rows=["01", "10"], expires_at=MICROS), then="input()")
    link = desk.begin()
    thread = threading.Thread(target=desk.supervise, args=(link,))
    thread.start()
    until(lambda: desk.find(link).state == "pairing")
    found = desk.find(link)
    assert (found.qr, found.rows, found.expires_at) == ("2@x", ("01", "10"), MICROS)
    desk.plays(status(jid=net(OWN)), status(state="connected"), then=WAIT)
    linking.begin_again(desk.store, found, None)
    until(lambda: desk.find(link).state == "connected")
    (own,) = desk.store.list_phones(desk.org.no)
    assert (own.number, own.name, own.state) == (OWN, "Sales", "CONNECTED")
    assert desk.find(link).qr is None
    desk.stopping.set()
    thread.join()
    (own,) = desk.store.list_phones(desk.org.no)
    assert own.state == "DISCONNECTED"


def test_another_account_than_the_one_asked_for_is_sent_away(desk: Desk) -> None:
    own = desk.store.add_phone(desk.org.no, OWN)
    body = {"event": "Message", "at": 1, "own": net(OTHER), "data": {}}
    theirs = json.dumps({"type": "frame", "no": 1, "body": body})
    note = f"os.chdir(sys.argv[1]); {NOTE_ORDERS}; sys.stdin.readline()"
    desk.plays(status(jid=net(OTHER)), status(state="connected"), theirs, then=note)
    link = desk.begin(own)
    assert desk.supervise(link)
    assert desk.find(link).state == "wrong_phone"
    assert (desk.folder / "linked" / link.id / "orders").read_text() == '{"type":"log_out"}\n'
    assert [phone.number for phone in desk.store.list_phones(desk.org.no)] == [OWN]
    assert desk.store.list_quarantined(desk.org.no) == []


def test_a_message_and_its_file_are_committed_before_the_process_hears_so(desk: Desk, tmp_path: Path) -> None:
    linked = LinkedPhone(tmp_path / "elsewhere")
    linked.push(message(text("hello")))
    (body,) = linked.lines()
    linked.close()
    picture = b"the very bytes"
    sha256 = hashlib.sha256(picture).hexdigest()
    then = f"""
os.chdir(sys.argv[1])
print('{{"type":"frame","no":1,"body":' + {body.decode()!r} + '}}', flush=True)
first = sys.stdin.readline()
os.mkdir('files')
open('files/x', 'wb').write({picture!r})
told = {{"type": "fetched", "no": 2, "path": os.path.abspath('files/x'), "sha256": {sha256!r},
    "chat": {net(ANA)!r}, "id": "A1", "mimetype": "image/jpeg"}}
import json
print(json.dumps(told), flush=True)
second = sys.stdin.readline()
open('orders', 'w').write(first + second)
sys.stdin.read()
"""
    desk.plays(status(jid=net(OWN)), then=then)
    link = desk.begin()
    thread = threading.Thread(target=desk.supervise, args=(link,))
    thread.start()
    orders = desk.folder / "linked" / link.id / "orders"
    until(lambda: orders.exists() and orders.read_text().count("\n") == 2)
    assert orders.read_text() == '{"type":"done","no":1}\n{"type":"done","no":2}\n'
    desk.stopping.set()
    thread.join()
    (own,) = desk.store.list_phones(desk.org.no)
    found = desk.store.find_message(desk.org.no, (own.no,), "A1")
    assert found is not None
    media = found.message.details.media
    assert media is not None
    assert (found.message.text, media.file) == ("hello", sha256)
    assert desk.media.exists(desk.org.no, sha256)


def test_unlinking_takes_the_device_off_the_account_and_forgets_it(desk: Desk) -> None:
    desk.plays(
        status(jid=net(OWN)),
        status(state="connected"),
        then=f"os.chdir(sys.argv[1]); open('account.json', 'w'); {WAIT}",
    )
    link = desk.begin()
    thread = threading.Thread(target=desk.supervise, args=(link,))
    thread.start()
    account = desk.folder / "linked" / link.id / "account.json"
    until(lambda: account.exists() and desk.find(link).state == "connected")
    # The next process records the order that it gets.
    desk.plays(
        status(state="connected"), then=f"open({str(desk.folder / 'orders')!r}, 'w').write(sys.stdin.readline())"
    )
    linking.begin_again(desk.store, desk.find(link), None)
    until(lambda: desk.begun() == 2 and desk.find(link).asked is None and desk.find(link).state == "connected")
    linking.unlink(desk.store, desk.find(link), desk.folder)
    thread.join()
    assert (desk.folder / "orders").read_text() == '{"type":"log_out"}\n'
    with pytest.raises(NotFound):
        desk.find(link)
    assert not account.parent.exists()


def test_a_device_that_was_never_paired_is_forgotten_at_once(desk: Desk) -> None:
    link = desk.begin()
    linking.unlink(desk.store, link, desk.folder)
    assert desk.store.sources.links.of(desk.org.no) == []
    assert desk.store.sources.of(desk.org.no) == []


def test_one_process_at_a_time_supervises_a_device(desk: Desk) -> None:
    desk.plays(status(state="connecting"), then=WAIT)
    link = desk.begin()
    thread = threading.Thread(target=desk.supervise, args=(link,))
    thread.start()
    until(lambda: desk.find(link).state == "connecting")
    assert not desk.supervise(desk.find(link))
    desk.stopping.set()
    thread.join()
    desk.stopping.clear()
    desk.plays(status(state="expired"))
    assert desk.supervise(desk.find(link))
    assert desk.begun() == 2


def test_the_process_sees_nothing_of_the_archives_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKSCROLL_DATABASE", "postgresql://user:secret@host/archive")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy")
    seen = device.environment()
    assert "secret" not in str(seen)
    assert seen["HTTPS_PROXY"] == "http://proxy"


def test_without_the_library_the_device_says_what_to_install(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    link = desk.begin()
    rounds = linking.Rounds(desk.store, None, data=desk.folder, max_media_bytes=1, library=lambda: None)
    rounds.look()
    found = desk.find(link)
    assert found.state == "unavailable"
    assert found.problem is not None
    assert "pip install 'backscroll[linked]'" in found.problem
    assert linking.wants_process(found), "the device should start by itself once the library is installed"
    monkeypatch.setattr(linking, "installed", lambda: None)
    with pytest.raises(Unsupported, match="GPL"):
        desk.begin()


def test_a_phone_has_one_linked_device(desk: Desk) -> None:
    own = desk.store.add_phone(desk.org.no, OWN)
    first = desk.begin(own)
    with pytest.raises(Conflict):
        desk.begin(own)
    assert linking.begin_for(desk.store, desk.org.no, own, None).id == first.id
    desk.store.sources.links.write(structs.replace(first, state="expired"))
    assert linking.begin_for(desk.store, desk.org.no, own, None).asked == "start"
