"""``backscroll webhook`` on a separate archive."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from receivers import receiving, unsigned

from backscroll.core.events import Batch, MessageSeen
from backscroll.core.model import Message, MessageKey
from backscroll.storage.store import open_store
from shell import Shell

NOW = time.time_ns() // 1000
HOOK = "https://example.com/hook"


@pytest.fixture
def shell(tmp_path: Path, database_url: str | None) -> Shell:
    made = Shell(tmp_path / "data", database_url)
    made.run("org", "create", "Sample")
    made.run("phone", "add", "--number", "919876543210")
    return made


def park_some(shell: Shell, webhook: str) -> None:
    """Park three events that were not delivered."""
    store = open_store(shell.database, shell.data)
    said = [
        MessageSeen(
            Message(key=MessageKey("919876543210", "919537851844", f"M{n}"), sent_at=NOW + n, from_me=False, text="x")
        )
        for n in range(3)
    ]
    store.apply(1, Batch(source="webhook", events=[*said]))
    lease = store.outbox.take_turn(1)
    assert lease is not None
    store.outbox.queue(lease)
    store.outbox.park_old(lease, webhook, 2**62, "the receiver answered 500")
    store.outbox.end_turn(lease)
    store.close()


def test_a_webhook_is_added_listed_and_removed(shell: Shell) -> None:
    added = shell.json("webhook", "add", HOOK, "--type", "message.created", "--phone", "919876543210", "--name", "CRM")
    assert added["secret"].startswith("whsec_")
    (listed,) = shell.json("webhook", "list")
    assert listed == {name: value for name, value in added.items() if name != "secret"}
    assert (listed["types"], listed["phones"], listed["state"]) == (["message.created"], ["919876543210"], "ok")
    assert added["secret"] not in shell.run("webhook", "list").stdout
    rotated = shell.json("webhook", "rotate", added["id"], "--grace", "2h")
    assert rotated["secret"] != added["secret"]
    assert rotated["previous_secret_until"]
    assert shell.json("webhook", "rotate", added["id"], "--grace", "0")["previous_secret_until"] is None
    assert shell.json("webhook", "remove", added["id"]) == {"id": added["id"], "removed": True}
    assert shell.json("webhook", "list") == []


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("http://127.0.0.1/",), "webhook_allow"),
        (("https://example.com:8443/",), "webhook_allow"),
        ((HOOK, "--type", "nonsense"), "--type"),
        ((HOOK, "--type", "org.phone.updated"), "--type"),
        ((HOOK, "--secret", "short"), "--secret"),
    ],
)
def test_what_cannot_be_added_is_refused_in_a_sentence(shell: Shell, words: tuple[str, ...], problem: str) -> None:
    assert problem in shell.refusal("webhook", "add", *words, code=2)
    assert shell.json("webhook", "list") == []


def test_what_is_parked_is_listed_and_queued_again(shell: Shell) -> None:
    webhook = shell.json("webhook", "add", HOOK, "--type", "message.created")["id"]
    park_some(shell, webhook)
    parked = shell.json("webhook", "parked")
    assert {row["error"] for row in parked} == {"the receiver answered 500"}
    assert parked == shell.json("webhook", "deliveries", webhook, "--state", "parked")
    assert len(shell.json("webhook", "deliveries", webhook, "--limit", "2")) == 2
    assert shell.json("webhook", "redeliver", webhook, parked[0]["event"])["queued"] == 1
    assert shell.json("webhook", "redeliver", webhook, "--parked")["queued"] == 2
    assert shell.json("webhook", "parked") == []
    assert "is not stored" in shell.refusal("webhook", "redeliver", webhook, "evt_0", code=1)
    assert "--parked" in shell.refusal("webhook", "redeliver", webhook, code=2)


def test_a_test_says_what_the_receiver_answered(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as receiver:
        allowed = "127.0.0.1"
        monkeypatch.setattr("shell.place", lambda data, database: place_with(data, database, allowed))
        added = shell.json("webhook", "add", receiver.url, "--format", "periskope")
        tried = shell.json("webhook", "test", added["id"])
        assert (tried["ok"], tried["status"]) == (True, 204)
        (request,) = receiver.requests
        assert (request.id, request.body["event"]) == (tried["event"], "webhook.test")
        assert unsigned([request], added["secret"]) == []
        receiver.behave = lambda id: "fail"
        assert "answered 500" in shell.refusal("webhook", "test", added["id"], code=1)


def place_with(data: Path, database: str | None, allowed: str) -> dict[str, str]:
    place = {"BACKSCROLL_DATA": str(data), "BACKSCROLL_WEBHOOK_ALLOW": allowed}
    return place | ({"BACKSCROLL_DATABASE": database} if database else {})
