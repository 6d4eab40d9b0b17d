"""``backscroll source`` and ``backscroll quarantine``, and gateways that are set up with what these print."""

from __future__ import annotations

import base64
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import gateways
from backscroll.ingest.signatures import sign
from backscroll.ingest.webhooks import Ingestor
from backscroll.storage.store import Store, open_store
from contract.test_server import wait_until_ready
from gateways import ANA, ANSWER, HELLO, ME, SENDERS, net
from served import free_port
from shell import Shell, place
from standin_gowa import LOGIN, StandIn, wire_message
from standin_periskope import TOKEN
from standin_periskope import StandIn as Periskope
from standin_periskope import wire_message as periskope_message


@pytest.fixture
def shell(tmp_path: Path, database_url: str | None) -> Shell:
    made = Shell(tmp_path / "data", database_url)
    made.run("org", "create", "Sample")
    return made


def archive(shell: Shell) -> Store:
    return open_store(shell.database, shell.data)


@pytest.mark.parametrize("kind", SENDERS)
def test_adding_a_source_prints_what_the_gateway_needs(shell: Shell, kind: str) -> None:
    added = shell.json("source", "add", kind, "--phone", "+62 898-7654-321")
    assert added["kind"] == kind
    assert added["id"].startswith("src1x")
    assert len(added["secret"]) >= 32
    expected = f"http://127.0.0.1:8080/ingest/{kind}"
    if kind != "events":
        expected += f"/{added['id']}"
    assert added["url"] == expected + (f"/{added['secret']}" if kind == "evolution" else "")
    assert ("verify_token" in added) == (kind == "cloud")
    assert shell.json("phone", "list")[0]["number"] == "628987654321"
    told = shell.run("source", "add", kind, "--phone", "628987654321").stdout
    assert "/ingest/" in told
    assert "Keep the secret now" in told
    assert "listens on port 8080" in told


def test_a_source_is_changed_by_what_is_named(shell: Shell) -> None:
    id = shell.json("source", "add", "gowa", "--phone", ME, "--silent-after", "6h")["id"]
    asked = ("--upstream", "http://127.0.0.1:3000", "--upstream-token", "ana:sesame", "--every", "15m")
    changed = shell.json("source", "change", id, *asked)
    assert (changed["upstream"], changed["every"], changed["silent_after"]) == (asked[1], "900s", "21600s")
    changed = shell.json("source", "change", id, "--upstream", "", "--silent-after", "")
    assert (changed["upstream"], changed["every"], changed["silent_after"]) == (None, None, None)
    assert "--every: only with an upstream" in shell.refusal("source", "change", id, "--every", "1h", code=2)
    assert "not found" in shell.refusal("source", "change", "src1x0000000000000000", "--every", "1h", code=1)


def test_a_source_gets_a_new_secret_beside_the_old_one(shell: Shell) -> None:
    added = shell.json("source", "add", "gowa", "--phone", ME)
    rotated = shell.json("source", "rotate", added["id"])
    assert (rotated["id"], rotated["url"]) == (added["id"], added["url"])
    told = shell.run("source", "rotate", added["id"], "--grace", "0").stdout
    assert "Keep the secret now" in told
    store = archive(shell)
    given = store.sources.open(added["id"])[1]
    assert given.secret in told
    assert given.previous is None
    store.close()
    assert "--grace: give a span" in shell.refusal("source", "rotate", added["id"], "--grace", "soon", code=2)


def test_a_source_is_listed_without_its_secret_and_removed(shell: Shell) -> None:
    added = shell.json("source", "add", "gowa", "--phone", ME, "--secret", "s3cret-of-gowa", "--silent-after", "6h")
    assert added["secret"] == "s3cret-of-gowa"
    (listed,) = shell.json("source", "list")
    assert (listed["id"], listed["phone"], listed["last_event_at"], listed["silent"]) == (added["id"], ME, None, False)
    assert listed["silent_after"] == "21600s"
    assert "s3cret" not in shell.run("source", "list").stdout
    assert shell.json("source", "remove", added["id"]) == {"id": added["id"], "removed": True}
    assert shell.json("source", "list") == []
    assert "source not found" in shell.refusal("source", "remove", added["id"], code=1)
    assert "There is no source yet" in shell.run("source", "list").stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("gowa",), "name the number"),
        (("gowa", "--phone", "x"), "give the number with its country code"),
        (("gowa", "--phone", ME, "--secret", "secret"), "the word secret, is known to everybody"),
        (("gowa", "--phone", ME, "--secret", "with a space"), "without spaces"),
        (("gowa", "--phone", ME, "--upstream", "127.0.0.1:3000"), "give an address such as"),
        (("gowa", "--phone", ME, "--upstream", "http://u:p@127.0.0.1"), "without a password"),
        (("gowa", "--phone", ME, "--every", "15m"), "only with --upstream"),
        (("waha", "--phone", ME, "--every", "15m", "--upstream", "http://h"), "only gowa and periskope"),
        (("gowa", "--phone", ME, "--silent-after", "soon"), "give a span such as"),
        (("novel", "--phone", ME), "Invalid value for 'KIND'"),
    ],
)
def test_what_cannot_be_a_source_is_told(shell: Shell, arguments: tuple[str, ...], told: str) -> None:
    refusal = shell.run("source", "add", *arguments)
    assert refusal.exit_code == 2
    assert told in refusal.stderr
    assert shell.json("source", "list") == []


def test_quarantine_is_listed_shown_read_again_and_dropped(shell: Shell) -> None:
    added = shell.json("source", "add", "gowa", "--phone", ME)
    unheard = b'{"event":"message.unheard","payload":{}}'
    body = gateways.gowa(HELLO)
    assert body is not None
    stray = body.replace(net(ME).encode(), net("628111111111").encode())
    store = archive(shell)
    source = store.sources.find(added["id"])
    for payload in (unheard, stray):
        Ingestor(store).take(source, payload)
    store.close()
    first, second = shell.json("quarantine", "list")
    assert (first["source"], first["via"], first["org"]) == ("gowa", added["id"], "Sample")
    assert first["problem"] == "event: this version does not know the event 'message.unheard'"
    assert shell.run("quarantine", "show", str(first["no"])).stdout_bytes == unheard
    shown = shell.json("quarantine", "show", str(first["no"]))
    assert (shown["problem"], base64.b64decode(shown["payload"])) == (first["problem"], unheard)
    outcome = shell.json("quarantine", "retry")
    assert [row["taken"] for row in outcome] == [False, False]
    shell.run("phone", "add", "--number", "628111111111")
    assert shell.run("quarantine", "retry", str(second["no"])).stdout == "Processed 1 of 1.\n"
    assert shell.json("quarantine", "drop", str(first["no"])) == [{"no": first["no"], "dropped": True}]
    assert shell.json("quarantine", "list") == []
    assert "quarantined input not found: 99" in shell.refusal("quarantine", "show", "99", code=1)
    assert "not found" in shell.refusal("quarantine", "drop", "99", code=1)
    assert "not found" in shell.refusal("quarantine", "retry", "99", code=1)


def test_quarantine_of_one_source_is_listed_also_after_it_was_removed(shell: Shell) -> None:
    one, two, idle = (shell.json("source", "add", "gowa", "--phone", ME)["id"] for _ in range(3))
    store = archive(shell)
    for id in (one, two):
        Ingestor(store).take(store.sources.find(id), b'{"event":"message.unheard","payload":{}}')
    store.close()
    assert [row["via"] for row in shell.json("quarantine", "list")] == [one, two]
    shell.run("source", "remove", one)
    for id in (one, two):
        assert [row["via"] for row in shell.json("quarantine", "list", "--source", id)] == [id]
    assert shell.json("quarantine", "list", "--source", idle) == []
    assert "source not found: src1xnone" in shell.refusal("quarantine", "list", "--source", "src1xnone", code=1)


def test_numbers_of_quarantine_are_checked_before_anything_is_done_and_count_once(shell: Shell) -> None:
    added = shell.json("source", "add", "gowa", "--phone", ME)
    store = archive(shell)
    Ingestor(store).take(store.sources.find(added["id"]), b'{"event":"message.unheard","payload":{}}')
    store.close()
    (kept,) = shell.json("quarantine", "list")
    number = str(kept["no"])
    for command in ("drop", "retry"):
        assert "not found: 99" in shell.refusal("quarantine", command, number, "99", code=1)
        assert [row["no"] for row in shell.json("quarantine", "list")] == [kept["no"]]
    assert shell.run("quarantine", "drop", number, number).stdout == "Deleted 1.\n"


def test_a_secret_of_any_characters_is_written_so_that_the_address_holds(shell: Shell) -> None:
    added = shell.json("source", "add", "evolution", "--phone", ME, "--secret", "ab/c?d#e%2f")
    assert added["url"].endswith(f"/ingest/evolution/{added['id']}/ab%2Fc%3Fd%23e%252f")
    assert added["secret"] == "ab/c?d#e%2f"


def test_a_verify_token_is_refused_where_none_is_used(shell: Shell) -> None:
    told = shell.refusal("source", "add", "waha", "--phone", ME, "--verify-token", "long-enough", code=2)
    assert "--verify-token: only cloud and evolution have one" in told
    told = shell.refusal("source", "add", "cloud", "--phone", ME, "--verify-token", "short", code=2)
    assert "at least 8 characters" in told
    assert "GOWA" not in told


def test_what_an_import_put_aside_or_a_removed_source_told_is_not_read_again(shell: Shell) -> None:
    added = shell.json("source", "add", "gowa", "--phone", ME)
    store = archive(shell)
    org = store.find_org("Sample").no
    store.quarantine(org, "periskope", b"{}", "messages[0]: no")
    Ingestor(store).take(store.sources.find(added["id"]), b"half")
    store.close()
    shell.run("source", "remove", added["id"])
    imported, removed = shell.json("quarantine", "retry")
    assert "run the import again" in imported["problem"]
    assert "the source that it came through was removed" in removed["problem"]


# a fresh server


class Fresh:
    """A new archive, its server, and a token, made as the first pages of the documentation describe."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("BACKSCROLL_")}
        environment |= place(shell.data, shell.database) | {"BACKSCROLL_PORT": str(self.port)}
        self.environment = environment
        command = [sys.executable, "-m", "backscroll", "serve"]
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        with httpx.Client(base_url=self.url) as client:
            wait_until_ready(client, self.process)
        secret = shell.json("token", "create")["secret"]
        self.client = httpx.Client(base_url=self.url, headers={"authorization": f"Bearer {secret}"})

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "backscroll", *arguments]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60, check=False)

    def stop(self) -> None:
        self.client.close()
        self.process.terminate()
        assert self.process.wait(30) == 0


@pytest.fixture
def fresh(shell: Shell) -> Iterator[Fresh]:
    made = Fresh(shell)
    yield made
    made.stop()


def _word_after(text: str, name: str) -> str:
    """The value that is printed for a flag or a variable: ``--webhook=…``."""
    return next(word.partition("=")[2] for word in shlex.split(text) if word.startswith(f"{name}="))


def test_gateways_are_pointed_at_a_fresh_server_by_what_is_printed(fresh: Fresh) -> None:
    gowa = fresh.command("source", "add", "gowa", "--phone", ME).stdout
    waha = fresh.command("source", "add", "waha", "--phone", ME).stdout
    targets: dict[str, tuple[str, str]] = {
        "gowa": (_word_after(gowa, "--webhook"), _word_after(gowa, "--webhook-secret")),
        "waha": (_word_after(waha, "WHATSAPP_HOOK_URL"), _word_after(waha, "WHATSAPP_HOOK_HMAC_KEY")),
    }
    for kind, (url, secret) in targets.items():
        assert url.startswith(f"{fresh.url}/ingest/{kind}/")
        for body in gateways.payloads(kind):
            answer = httpx.post(url, content=body, headers=sign(kind, secret, body))
            assert (answer.status_code, answer.json()["quarantined"]) == (200, False)
        assert httpx.post(url, content=body, headers=sign(kind, "secret", body)).status_code == 401
    rows: list[dict[str, Any]] = fresh.client.get("/v1/chats/messages").json()["messages"]
    assert len(rows) == 7
    assert {row["unique_id"]: row["body"] for row in rows}[ANSWER.id] == "good morning"
    page = fresh.client.get(f"/chat/{net(ANA)}/messages").json()["results"]
    assert page["pagination"]["total"] == 4
    assert fresh.client.get("/v1/phones/all").json()[0]["wa_state"] == "CONNECTED"
    (id, *_) = (word for word in gowa.split() if word.startswith("src1x"))
    tried = fresh.command("source", "test", id)
    assert (tried.returncode, tried.stderr) == (0, "")
    assert "accepts requests signed by this source" in tried.stdout


def test_a_source_cannot_be_tried_while_no_server_runs(shell: Shell) -> None:
    added = shell.json("source", "add", "gowa", "--phone", ME)
    config = shell.data / "here.toml"
    config.write_text(f"port = {free_port()}\ndata = {str(shell.data)!r}\n")
    result = shell.run("source", "test", added["id"], "--config", str(config))
    assert result.exit_code == 1
    assert "is the server running at that address?" in result.stderr


# What was missed


def test_gateways_are_asked_for_what_was_missed(shell: Shell) -> None:
    chats = {net(ANA): [wire_message("A1", net(ANA), 1_773_306_000)]}
    rows = [periskope_message(1, "2026-03-12T09:00:00+00:00", org_phone=f"{ME}@c.us")]
    with StandIn(net(ME), chats) as gowa, Periskope(rows) as periskope:
        shell.json("source", "add", "gowa", "--phone", ME, "--upstream", gowa.url, "--upstream-token", LOGIN)
        options = ("--secret", "of-periskope", "--upstream", periskope.url, "--upstream-token", TOKEN)
        added = shell.json("source", "add", "periskope", *options)
        shell.json("source", "add", "waha", "--phone", ME, "--upstream", "http://127.0.0.1:9")
        done = shell.json("sync")
        assert [(row["kind"], row["changed"] > 0) for row in done] == [("gowa", True), ("periskope", True)]
        (again,) = shell.json("sync", "--source", added["id"], "--no-media")
        assert (again["changed"], again["rows"]) == (0, {})
        assert "read 1 chat, 0 messages; 0 rows changed" in shell.run("sync").stdout
    listed = shell.json("source", "list")
    assert [row["synced_at"] is not None for row in listed] == [True, True, False]
    assert len(shell.json("phone", "list")) == 1


def test_asking_nobody_is_told(shell: Shell) -> None:
    assert "No source has an upstream" in shell.refusal("sync", code=1)
    assert "source not found" in shell.refusal("sync", "--source", "src1xabc", code=1)
    added = shell.json("source", "add", "gowa", "--phone", ME)
    assert "--upstream" in shell.refusal("sync", "--source", added["id"], code=2)
