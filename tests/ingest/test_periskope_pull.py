from __future__ import annotations

import gzip
import hashlib
import json
import random
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from backscroll.core.errors import BadField, Error, Unauthorised, Unreadable
from backscroll.core.events import Batch, ChatSeen, ContactSeen, MediaHeld, MessageSeen, PhoneSeen, ReactionSet
from backscroll.core.model import ArchivedMessage
from backscroll.core.query import MessageQuery
from backscroll.ingest.fetch import Fetcher, NotFetched
from backscroll.ingest.periskope.pull import PullSummary, pull
from backscroll.ingest.periskope.server import PullStopped
from backscroll.outbound.addresses import is_public
from backscroll.storage.files.media import MediaStore
from backscroll.storage.records.org_state import Applied
from backscroll.storage.store import Store, make_engine
from standin_periskope import (
    TOKEN,
    Fault,
    StandIn,
    broken,
    busy,
    half_json,
    hang_up,
    web_page,
    wire_message,
    wire_time,
)

T = TypeVar("T")

GOLDEN = Path(__file__).parent.parent / "golden" / "list-all-messages-200.json"
NOW = 1_763_800_000
DAY = 86_400


class Archive(Store):
    """A store that records what it was given, and that can be interrupted."""

    batches: list[Batch]
    left: int | None = None
    """How many more batches it accepts before the simulated power failure."""

    def apply(self, org: int, batch: Batch) -> Applied:
        if self.left == 0:
            raise KeyboardInterrupt
        self.left = None if self.left is None else self.left - 1
        applied = super().apply(org, batch)
        self.batches.append(batch)
        return applied

    def observed(self, kind: type[T]) -> list[T]:
        return [event for batch in self.batches for event in batch.events if isinstance(event, kind)]

    @property
    def org(self) -> int:
        return self.list_orgs()[0].no

    @property
    def messages(self) -> list[ArchivedMessage]:
        phones = tuple(phone.no for phone in self.list_phones(self.org))
        return self.list_messages(MessageQuery(org=self.org, phones=phones, limit=100_000)).messages

    @property
    def ids(self) -> list[tuple[str, str]]:
        return sorted((found.phone.jid, found.message.key.id) for found in self.messages)


@pytest.fixture
def archive(tmp_path: Path, database_url: str | None) -> Iterator[Archive]:
    archive = Archive(make_engine(database_url, tmp_path), tmp_path)
    archive.batches = []
    archive.migrate()
    archive.create_org("ACME")
    yield archive
    archive.close()


class Clock:
    """A clock that advances only while the pull waits."""

    def __init__(self) -> None:
        self.now = float(NOW)
        self.waits: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


def take(archive: Archive, server: StandIn, *, clock: Clock | None = None, **options: Any) -> PullSummary:
    clock = clock or Clock()
    options = {"media": None, "token": TOKEN, "url": server.url} | options
    return pull(archive, archive.org, sleep=clock.sleep, now=lambda: clock.now, **options)


def history(amount: int, *, seed: int = 1) -> list[dict[str, Any]]:
    """Messages over some months, some of them in bursts within one second."""
    chance = random.Random(seed)
    at, messages = NOW - 1000, []
    for number in range(amount):
        messages.append(wire_message(number, wire_time(at)))
        at -= chance.choice((0, 0, 0, 1, 1, 60, 3600, DAY))
    return messages


def expected(server: StandIn) -> list[tuple[str, str]]:
    rows = server.lists["messages"]
    return sorted((str(row["org_phone"]).replace("@c.us", "@s.whatsapp.net"), row["unique_id"]) for row in rows)


def test_the_vendors_own_published_page_is_taken_whole(archive: Archive) -> None:
    with StandIn(json.loads(GOLDEN.read_bytes())["messages"]) as server:
        summary = take(archive, server)
        assert archive.ids == expected(server)
        assert (len(archive.ids), summary.changed > 0, summary.quarantined) == (10, True, 0)
        assert take(archive, server, full=True).changed == 0


@pytest.mark.parametrize(
    "manners",
    [
        {},
        {"count": "page"},
        {"exclusive": True},
        {"honours_end": False},
        {"honours_start": False},
        {"honours_end": False, "honours_start": False},
        {"capped_limit": 20},
        {"max_limit": 70},
    ],
    ids=str,
)
def test_every_message_arrives_whatever_the_servers_manners(archive: Archive, manners: dict[str, Any]) -> None:
    with StandIn(history(700), **manners) as server:
        take(archive, server, page_size=100)
        assert archive.ids == expected(server)


def test_offsets_stay_small_because_the_window_moves(archive: Archive) -> None:
    with StandIn(history(2000)) as server:
        take(archive, server, page_size=100)
        assert max(int(asked["offset"]) for asked in server.asked("/v1/chats/messages")) < 100
        assert all(asked["limit"] == "100" for asked in server.asked("/v1/chats/messages"))


def test_more_messages_in_one_second_than_a_page_holds_are_all_taken(archive: Archive) -> None:
    same = [wire_message(number, wire_time(NOW - 500)) for number in range(450)]
    finer = [wire_message(1000 + number, wire_time(NOW - 900 + number / 1000)) for number in range(450)]
    with StandIn([*same, *finer, wire_message(5000, wire_time(NOW - DAY))]) as server:
        take(archive, server, page_size=100)
        assert archive.ids == expected(server)


def test_messages_that_arrive_during_the_walk_are_taken_and_cost_no_other(archive: Archive) -> None:
    with StandIn(history(600)) as server:
        server.before_request = lambda number: server.lists["messages"].extend(
            wire_message(10_000 + number * 10 + extra, wire_time(NOW + number))
            for extra in range(5 if number < 6 else 0)
        )
        take(archive, server, page_size=100)
        assert archive.ids == expected(server)


def test_messages_dated_ahead_or_long_ago_are_taken(archive: Archive) -> None:
    times = [
        "2038-01-19T03:14:08+00:00",
        "9999-12-31T23:59:59+00:00",
        "1970-01-01T00:00:00+00:00",
        "1969-07-20T20:17:00Z",
    ]
    with StandIn([*history(30), *(wire_message(9000 + n, at) for n, at in enumerate(times))]) as server:
        take(archive, server, page_size=10)
        assert archive.ids == expected(server)


def test_a_later_run_takes_only_what_is_new_and_what_may_have_changed(archive: Archive) -> None:
    clock = Clock()
    with StandIn(history(500)) as server:
        take(archive, server, clock=clock, page_size=100)
        first, known = len(server.requests), len(archive.batches)
        clock.now += 3600
        server.lists["messages"].append(wire_message(9999, wire_time(NOW + 100)))
        take(archive, server, clock=clock, page_size=100)
        assert archive.ids == expected(server)
        observed = [event for batch in archive.batches[known:] for event in batch.events]
        sent = [event.message.sent_at for event in observed if isinstance(event, MessageSeen)]
        assert min(sent) > (NOW - 3 * DAY) * 1_000_000
        asked = [params for path, params, _ in server.requests[first:] if path == "/v1/chats/messages"]
        assert all("start_time" in params for params in asked)
        assert len(asked) < 8


def test_a_full_run_walks_everything_again(archive: Archive) -> None:
    with StandIn(history(50)) as server:
        take(archive, server)
        late = wire_message(9999, wire_time(NOW - 300 * DAY))
        server.lists["messages"].append(late)
        take(archive, server)
        assert len(archive.ids) == 50
        take(archive, server, full=True)
        assert archive.ids == expected(server)


@pytest.mark.parametrize("cut", [1, 3, 4, 6])
def test_a_cut_run_goes_on_where_it_was(archive: Archive, cut: int) -> None:
    with StandIn(history(600)) as server:
        archive.left = cut
        with pytest.raises(KeyboardInterrupt):
            take(archive, server, page_size=100)
        archive.left = None
        taken, before = len(archive.ids), len(server.requests)
        take(archive, server, page_size=100)
        assert archive.ids == expected(server)
        ends = [
            p["end_time"] for path, p, _ in server.requests[before:] if path == "/v1/chats/messages" and "end_time" in p
        ]
        oldest_taken = sorted((row["timestamp"] for row in server.lists["messages"]), reverse=True)[taken - 1]
        assert ends[0] <= wire_time(_stamp(oldest_taken) + 1).replace("+00:00", "Z")


def _stamp(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def test_a_server_that_stumbles_is_asked_again_with_growing_waits(archive: Archive) -> None:
    clock = Clock()
    with StandIn(history(300)) as server:
        faults: list[Fault | None] = [None, broken(), broken(502), hang_up(), half_json(), None, busy(), broken(503)]
        server.faults = faults
        take(archive, server, clock=clock, page_size=100)
        assert archive.ids == expected(server)
    assert len(clock.waits) == 6
    assert clock.waits[3] > clock.waits[0]
    assert all(0 < wait <= 60 for wait in clock.waits)


@pytest.mark.parametrize("retry_after", ["7", "Sat, 22 Nov 2025 08:26:47 GMT"])
def test_the_servers_retry_after_is_kept(archive: Archive, retry_after: str) -> None:
    clock = Clock()
    dated = retry_after if retry_after.isdecimal() else None
    with StandIn(history(3)) as server:
        if dated:
            server.faults = [None, busy(retry_after)]
        else:
            server.faults = [None, lambda handler: _busy_until(handler, retry_after)]
        take(archive, server, clock=clock)
    assert 7 <= clock.waits[0] <= 7.5


def _busy_until(handler: Any, until: str) -> None:
    handler.send_response_only(429)
    for name, value in {"Date": "Sat, 22 Nov 2025 08:26:40 GMT", "Retry-After": until, "Content-Length": "0"}.items():
        handler.send_header(name, value)
    handler.end_headers()


def test_a_used_up_rate_limit_is_waited_out_instead_of_run_into(archive: Archive) -> None:
    clock = Clock()
    with StandIn(history(600), rate_limit=5) as server:
        take(archive, server, clock=clock, page_size=100)
        assert archive.ids == expected(server)
    assert clock.waits
    assert all(0 < wait <= 3 for wait in clock.waits)


@pytest.mark.parametrize("reset", ["9" * 5000, "-5", "soon", "1e9"])
def test_a_reset_time_that_is_no_number_is_passed_over(archive: Archive, reset: str) -> None:
    headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset}
    page = b'{"messages":[]}'
    with StandIn(history(3)) as server:
        server.faults = [lambda handler: handler.send(200, page, **headers), None, busy("9" * 5000)]
        take(archive, server)
        assert archive.ids == expected(server)


def test_pages_that_never_end_stop_the_run(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backscroll.ingest.periskope.server._LARGEST_ANSWER", 1 << 20)
    packed = gzip.compress(bytes(16 << 20))
    with StandIn([]) as server:
        server.lists["messages"] = history(3)
        server.faults = [None] + [lambda handler: handler.send(200, packed, **{"Content-Encoding": "gzip"})] * 8
        with pytest.raises(PullStopped, match="larger"):
            take(archive, server)


def test_a_server_that_never_recovers_stops_the_run_with_what_it_has(archive: Archive) -> None:
    with StandIn(history(300)) as server:
        server.faults = [None, None, *[broken()] * 50]
        with pytest.raises(PullStopped, match="HTTP 500, 8 times in a row"):
            take(archive, server, page_size=100)
        assert len(archive.ids) >= 100
        server.faults = []
        take(archive, server, page_size=100)
        assert archive.ids == expected(server)


def test_a_wait_of_hours_stops_the_run(archive: Archive) -> None:
    with StandIn([]) as server:
        server.faults = [None, busy("86400")]
        with pytest.raises(PullStopped, match="asks to wait 86400 seconds"):
            take(archive, server)


@pytest.mark.parametrize(
    ("fault", "kind", "says"),
    [
        (web_page(), PullStopped, "web page"),
        (half_json(), Unreadable, "not whole JSON"),
        (lambda handler: handler.send(200, b'{"ok":true}'), Unreadable, "no such list"),
        (lambda handler: handler.send(404, b""), PullStopped, "usually ends in /v1"),
        (lambda handler: handler.send(301, b"", Location="https://elsewhere.example/"), PullStopped, "sends elsewhere"),
        (
            lambda handler: handler.send(422, b'{"message":"bad x-phone","fields":{"x-phone":{}}}'),
            BadField,
            "bad x-phone",
        ),
        (lambda handler: handler.send(401, f'{{"message":"no {TOKEN}"}}'.encode()), Unauthorised, "Give a token"),
    ],
    ids=["web page", "half JSON", "other JSON", "404", "redirect", "422", "401"],
)
def test_a_refusal_names_the_address_and_a_remedy_and_never_the_token(
    archive: Archive, fault: Fault, kind: type[Error], says: str
) -> None:
    with StandIn([]) as server:
        server.faults = [fault] * 20
        with pytest.raises(kind, match=says) as caught:
            take(archive, server)
        assert server.url in str(caught.value)
    assert TOKEN not in str(caught.value)


def test_a_wrong_token_is_refused_without_retrying(archive: Archive) -> None:
    clock = Clock()
    with StandIn([]) as server, pytest.raises(Unauthorised):
        take(archive, server, clock=clock, token="sk_periskope_wrong")
    assert clock.waits == []


@pytest.mark.parametrize(
    "url", ["ftp://example.org", "example.org/v1", "https://user:secret@example.org/v1", "http://"]
)
def test_an_address_that_cannot_be_one_is_refused(archive: Archive, url: str) -> None:
    with StandIn([]) as server, pytest.raises(BadField) as caught:
        take(archive, server, url=url)
    assert "secret" not in str(caught.value)


def test_a_bad_row_is_quarantined_and_the_others_are_kept(archive: Archive) -> None:
    messages = history(20)
    messages[7]["ack"] = {"no": "number"}
    with StandIn(messages) as server:
        summary = take(archive, server, page_size=8)
    assert len(archive.ids) == 19
    assert summary.quarantined >= 1
    kept = archive.quarantined(archive.org)[0]
    assert json.loads(kept.payload)["unique_id"] == messages[7]["unique_id"]
    assert ".ack: " in kept.problem


def test_a_page_of_nothing_but_bad_rows_is_passed_over(archive: Archive) -> None:
    messages = history(30)
    for row in messages[10:25]:
        row["unique_id"] = 7
    with StandIn(messages) as server:
        take(archive, server, page_size=5)
    assert len(archive.ids) == 15


def test_one_phone_alone_can_be_asked_for(archive: Archive) -> None:
    phones = [{"org_phone": "918527184400@c.us", "phone_id": "phone-a"}, {"org_phone": "15550001@c.us"}]
    with StandIn(history(3), phones=phones) as server:
        take(archive, server, phone="+91 85271-84400")
        assert all(headers["x-phone"] == "918527184400" for _, _, headers in server.requests)
    assert {event.jid for event in archive.observed(PhoneSeen)} == {"918527184400@s.whatsapp.net"}


def test_the_other_lists_come_too_and_missing_ones_are_named(archive: Archive) -> None:
    phone = "918527184400@c.us"
    target = "false_919537851844@c.us_3EB0000000000000"
    chats = [{"chat_id": f"91953785{n:04d}@c.us", "org_phone": phone, "chat_name": f"Chat {n}"} for n in range(25)]
    contacts = [{"contact_id": f"91953785{n:04d}@c.us", "contact_name": f"Name {n}"} for n in range(25)]
    reaction = {"message_id": target, "sender_id": phone, "org_phone": phone, "reaction": "😄", "reaction_id": "r1"}
    reactions = [{**reaction, "timestamp": "2025-01-24T05:11:08+00:00"}]
    with StandIn(history(3), chats=chats, contacts=contacts, reactions=reactions) as server:
        summary = take(archive, server, page_size=10)
    assert {event.name for event in archive.observed(ChatSeen)} == {row["chat_name"] for row in chats}
    assert {event.name for event in archive.observed(ContactSeen)} == {row["contact_name"] for row in contacts}
    assert [(event.emoji, event.target.id) for event in archive.observed(ReactionSet)][:1] == [
        ("😄", "3EB0000000000000")
    ]
    assert summary.skipped == {"phones": "HTTP 404: Not found", "notifications": "HTTP 404: Not found"}


def test_a_server_without_offsets_cannot_trap_the_walk(archive: Archive) -> None:
    chats = [{"chat_id": "919537851844@c.us", "org_phone": "918527184400@c.us"}]
    with StandIn(history(300), chats=chats, honours_offset=False) as server:
        take(archive, server, page_size=100)
        assert archive.ids == expected(server)


def test_pages_are_kept_as_they_were_received(archive: Archive) -> None:
    with StandIn(history(3)) as server:
        take(archive, server)
        answer = httpx.get(
            f"{server.url}/chats/messages", headers={"Authorization": f"Bearer {TOKEN}"}, trust_env=False
        )
    raws = [batch.raw for batch in archive.batches if batch.raw and b'"messages"' in batch.raw]
    assert raws[0] == answer.content
    assert all(batch.source == "periskope" for batch in archive.batches)


# Files


@pytest.fixture
def media(tmp_path: Path) -> MediaStore:
    return MediaStore(tmp_path / "media", b"k" * 32)


def picture(number: int, path: str, **more: Any) -> dict[str, Any]:
    observed = {"path": path, "size": 4, "filename": f"F{number}", "mimetype": "text/plain"}
    return wire_message(number, wire_time(NOW - number), message_type="document", media=observed, **more)


def test_files_are_brought_into_the_archive_before_the_place_is_saved(archive: Archive, media: MediaStore) -> None:
    with StandIn([]) as server:
        server.files["/files/a b.txt"] = (b"body", "text/plain")
        server.lists["messages"] = [picture(1, f"{server.origin}/files/a%20b.txt"), picture(2, "/files/a%20b.txt")]
        summary = take(archive, server, media=media)
        sent = [headers.get("authorization") for path, _, headers in server.requests if path.startswith("/files")]
    held = archive.observed(MediaHeld)
    digest = hashlib.sha256(b"body").hexdigest()
    assert {(event.target.id, event.media.file) for event in held} >= {
        ("3EB0000000000001", digest),
        ("3EB0000000000002", digest),
    }
    assert media.exists(archive.org, digest)
    assert summary.media_failed == {}
    assert set(sent) == {f"Bearer {TOKEN}"}
    first = next(batch for batch in archive.batches if any(isinstance(event, MediaHeld) for event in batch.events))
    assert first.position is not None


def test_files_that_cannot_be_had_are_counted_and_cost_nothing_else(archive: Archive, media: MediaStore) -> None:
    with StandIn([]) as server:
        server.files["/files/large"] = (b"x" * 1000, "text/plain")
        paths = [
            f"{server.origin}/files/large",
            f"{server.origin}/files/gone",
            "ftp://example.org/x",
            "http://10.0.0.1/x",
        ]
        server.lists["messages"] = [picture(number, path) for number, path in enumerate(paths)]
        summary = take(archive, server, media=media, max_media_bytes=999)
    assert len(archive.ids) == 4
    assert summary.media_held == 0
    assert set(summary.media_failed) == {
        "it is larger than 999 bytes",
        "the server answered 404",
        "only http and https addresses are fetched",
        "it leads to a private address",
    }


def test_a_file_that_is_held_is_not_fetched_again(archive: Archive, media: MediaStore) -> None:
    with StandIn([]) as server:
        server.files["/files/x"] = (b"body", "text/plain")
        server.lists["messages"] = [picture(1, f"{server.origin}/files/x")]
        assert take(archive, server, media=media).media_held == 1
        assert take(archive, server, media=media, full=True).media_held == 0
        assert len(server.asked("/files/x")) == 1


def test_without_a_media_store_no_file_is_asked_for(archive: Archive) -> None:
    with StandIn([]) as server:
        server.lists["messages"] = [picture(1, f"{server.origin}/files/x")]
        take(archive, server)
        assert not [path for path, _, _ in server.requests if path.startswith("/files")]


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fc00::1",
        "fec0::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "64:ff9b::a00:1",
        "2002:7f00:1::1",
        "2001:db8::1",
        "nonsense",
    ],
)
def test_a_private_address_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_an_address_of_the_open_internet_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "answers",
    [["127.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["::ffff:192.168.0.1"], []],
    ids=["loopback", "mixed", "mapped", "none"],
)
def test_a_name_with_any_private_address_is_not_fetched(answers: list[str]) -> None:
    with Fetcher(resolve=lambda host, port: answers) as fetcher, pytest.raises(NotFetched):  # noqa: SIM117
        with fetcher.get("http://files.example/x"):
            pass


def test_a_redirect_into_the_private_network_is_not_followed() -> None:
    with StandIn([]) as server, StandIn([]) as inner:
        to = f"http://inner.example:{httpx.URL(inner.origin).port}/secret"
        server.faults = [lambda handler: handler.send(302, b"", Location=to)]
        url = f"http://files.example:{httpx.URL(server.origin).port}/x"
        fetcher = Fetcher(trusted=httpx.URL(url), resolve=lambda host, port: ["127.0.0.1"])
        with fetcher, pytest.raises(NotFetched, match="private"), fetcher.get(url):
            raise AssertionError
        assert inner.requests == []
        assert server.requests[0][2]["host"].startswith("files.example:")
