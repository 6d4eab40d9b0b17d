"""The command line as users see it: its output, for people and for programs, and its exit codes."""

from __future__ import annotations

import base64
import itertools
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import click
import pytest
from click.testing import CliRunner
from gowa_files import ChatStorage

from backscroll.cli.common import Commands, bar, expiry
from backscroll.cli.main import main
from backscroll.cli.orgs import digits_of
from backscroll.cli.serve import sign_in_link
from backscroll.config import load
from backscroll.core.errors import BadField
from backscroll.storage.store import open_store
from served import free_port
from shell import Shell, place
from standin_periskope import TOKEN, StandIn, wire_message

DAY = 86_400_000_000


@pytest.fixture
def shell(tmp_path: Path, database_url: str | None) -> Shell:
    return Shell(tmp_path / "data", database_url)


@pytest.fixture
def mere_shell(tmp_path: Path) -> Shell:
    """A shell for command lines that do not open an archive."""
    return Shell(tmp_path / "data")


@pytest.fixture
def bakery(shell: Shell) -> Shell:
    shell.json("org", "create", "Bakery")
    shell.json("phone", "add", "--number", "919876543210", "--device-id", "bench", "--name", "Shop")
    return shell


def commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    if isinstance(command, click.Group):
        for name, sub in command.commands.items():
            yield from commands(sub, (*path, name))


@pytest.mark.parametrize("path", list(commands(main)), ids=" ".join)
def test_every_command_explains_itself(mere_shell: Shell, path: tuple[str, ...]) -> None:
    result = mere_shell.run(*path, "--help")
    assert result.exit_code == 0
    command: click.Command = main
    for name in path:
        assert isinstance(command, click.Group)
        command = command.commands[name]
    if not isinstance(command, click.Group):
        words = path[:-1] if path == ("import", "any") else path
        assert f"backscroll {' '.join(words)}" in result.stdout.split("Example", 1)[1]
        assert {"--data", "--database", "--config"} <= {option for p in command.params for option in p.opts}
    if path not in {("serve",), ("mcp",), ("link", "history")} and not isinstance(command, click.Group):
        assert "--json" in result.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("wander",),
        ("org", "create"),
        ("org", "list", "--loud"),
        ("phone", "add"),
        ("token", "create", "--scope", "everything"),
        ("import", "gowa", "no-such-file.db"),
        ("import", "export", "no-such-file.txt", "--phone", "919876543210"),
        ("export", "jsonl"),
    ],
)
def test_a_wrong_command_line_ends_with_2(mere_shell: Shell, arguments: tuple[str, ...]) -> None:
    assert "Error: " in mere_shell.refusal(*arguments, code=2)


def test_a_wrong_setting_ends_with_2_and_one_sentence(mere_shell: Shell) -> None:
    told = mere_shell.refusal("serve", "--port", "eighty", code=2)
    assert told == "Error: port: 'eighty' of the flag --port cannot be used; give a whole number from 1 to 65535\n"


def test_an_organisation_is_created_once_and_listed(shell: Shell) -> None:
    made = shell.json("org", "create", "Bakery", "--id", "6BA7B810-9DAD-11D1-80B4-00C04FD430C8")
    assert made["id"] == "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", made["created_at"])
    assert shell.json("org", "list") == [made]
    assert "Bakery" in shell.run("org", "list").stdout
    assert "Bakery" in shell.refusal("org", "create", "Bakery", code=1)


@pytest.mark.parametrize("arguments", [("Bakery", "--id", "12"), (" ",)])
def test_an_organisation_needs_a_name_and_a_real_id(shell: Shell, arguments: tuple[str, ...]) -> None:
    assert "Error: " in shell.refusal("org", "create", *arguments, code=2)


def test_an_organisation_is_renamed_by_its_name_or_id(shell: Shell) -> None:
    made = shell.json("org", "create", "Bakery")
    shell.json("org", "create", "Harbour")
    assert shell.json("org", "rename", "bakery", "Bakery on the Hill")["id"] == made["id"]
    assert shell.json("org", "rename", made["id"], "BAKERY")["name"] == "BAKERY"
    assert "choose another name" in shell.refusal("org", "rename", "BAKERY", "harbour", code=1)
    assert "there is BAKERY, Harbour" in shell.refusal("org", "rename", "Mill", "Oven", code=1)
    assert [org["name"] for org in shell.json("org", "list")] == ["BAKERY", "Harbour"]


def test_empty_lists_say_what_to_do_next(shell: Shell) -> None:
    open_store(shell.database, shell.data).close()
    assert shell.json("org", "list") == shell.json("phone", "list") == shell.json("token", "list") == []
    assert "backscroll org create NAME" in shell.run("org", "list").stdout
    assert "backscroll phone add" in shell.run("phone", "list").stdout
    assert "backscroll token create" in shell.run("token", "list").stdout


def test_a_phone_is_added_under_its_number_however_it_is_typed(shell: Shell) -> None:
    shell.json("org", "create", "Bakery")
    made = shell.json("phone", "add", "--org", "Bakery", "--number", "+91 98765-43210", "--device-id", "bench")
    assert (made["number"], made["jid"], made["device_id"]) == ("919876543210", "919876543210@s.whatsapp.net", "bench")
    assert re.fullmatch(r"phone-[a-z]{16}", made["id"])
    assert shell.json("phone", "list") == [made]


@pytest.mark.parametrize("number", ["", "12345", "1234567890123456", "98765x43210", "919876543210@g.us", "०१२३४५६७"])
def test_what_is_no_phone_number_is_refused(number: str) -> None:
    with pytest.raises(BadField, match="country code"):
        digits_of(number)


def test_the_only_organisation_need_not_be_named_and_one_of_several_must(shell: Shell) -> None:
    add = ("phone", "add", "--number", "919876543210")
    assert "backscroll org create NAME" in shell.refusal(*add, code=1)
    shell.json("org", "create", "Bakery")
    assert shell.json(*add)["org"] == "Bakery"
    shell.json("org", "create", "Garage")
    told = shell.refusal(*add, code=2)
    assert "Bakery, Garage" in told
    assert "--org NAME" in told
    assert "Bakery, Garage" in shell.refusal(*add, "--org", "Butcher", code=1)


def test_a_token_shows_its_secret_once_and_the_secret_opens_the_archive(bakery: Shell) -> None:
    made = bakery.json("token", "create", "--name", "till")
    assert made["id"]
    assert made["secret"]
    listed = bakery.run("token", "list", "--json").stdout
    assert made["id"] in listed
    assert made["secret"] not in listed
    store = open_store(bakery.database, bakery.data)
    assert store.authenticate(made["secret"]).org.name == "Bakery"
    assert store.authenticate_basic(made["id"], made["secret"]).org.name == "Bakery"
    store.close()


def test_a_token_may_be_bound_to_phones_and_to_a_time(bakery: Shell) -> None:
    bakery.json("phone", "add", "--number", "4915112345678")
    made = bakery.json("token", "create", "--phone", "4915112345678", "--expires", "90d")
    assert made["phones"] == ["4915112345678"]
    (listed,) = bakery.json("token", "list")
    assert listed["phones"] == ["4915112345678"]
    assert listed["expires_at"] == made["expires_at"]
    assert "backscroll phone add" in bakery.refusal("token", "create", "--phone", "4915100000000", code=1)


def test_a_token_for_people_is_told_to_be_kept(bakery: Shell) -> None:
    assert "not shown again" in bakery.run("token", "create").stdout


def test_a_revoked_token_is_listed_as_such(bakery: Shell) -> None:
    made = bakery.json("token", "create")
    assert bakery.json("token", "revoke", made["id"]) == {"id": made["id"], "revoked": True}
    assert bakery.json("token", "list")[0]["revoked_at"]
    assert "Error: " in bakery.refusal("token", "revoke", "no-such-token", code=1)


@pytest.mark.parametrize(
    ("written", "micros"),
    [
        ("90d", 1_000 * DAY + 90 * DAY),
        ("12h", 1_000 * DAY + DAY // 2),
        ("1972-09-28", 1_001 * DAY),
        ("1972-09-28T12:00:00+12:00", 1_001 * DAY),
    ],
)
def test_an_expiry_is_a_span_or_a_moment(written: str, micros: int) -> None:
    assert expiry(written, now=1_000 * DAY) == micros


@pytest.mark.parametrize("written", ["soon", "0d", "-1d", "1971-01-01", "d", "99999999y"])
def test_an_expiry_that_is_no_time_or_over_is_refused(written: str) -> None:
    with pytest.raises(BadField, match="90d"):
        expiry(written, now=1_000 * DAY)


def test_where_the_archive_is_may_be_said_before_or_after_the_command(mere_shell: Shell, tmp_path: Path) -> None:
    one, two = str(tmp_path / "one"), str(tmp_path / "two")
    mere_shell.json("--data", one, "org", "create", "Bakery")
    mere_shell.json("org", "create", "Garage", "--data", two)
    assert [org["name"] for org in mere_shell.json("org", "list", "--data", one)] == ["Bakery"]
    assert [org["name"] for org in mere_shell.json("--data", one, "org", "list", "--data", two)] == ["Garage"]
    url = f"sqlite:///{tmp_path / 'two' / 'backscroll.db'}"
    assert [org["name"] for org in mere_shell.json("org", "list", "--database", url)] == ["Garage"]
    (tmp_path / "here.toml").write_text('data = "one"')
    listed = CliRunner().invoke(main, ["org", "list", "--json", "--config", str(tmp_path / "here.toml")])
    assert [org["name"] for org in json.loads(listed.stdout)] == ["Bakery"]


def test_migrate_and_check_find_a_new_archive_whole(bakery: Shell) -> None:
    assert bakery.run("migrate").exit_code == 0
    assert bakery.json("check") == []
    assert bakery.run("check").stdout == "The archive is whole.\n"


@pytest.mark.parametrize("flags", [(), ("--from-nothing",)])
def test_reindex_makes_the_search_index_anew(bakery: Shell, flags: tuple[str, ...]) -> None:
    assert bakery.json("reindex", *flags) == {"reindexed": ["Bakery"]}
    assert "The search index was rebuilt" in bakery.run("reindex", "--org", "Bakery").stdout
    assert "The archive is whole" in bakery.run("check").stdout


def test_gowas_history_comes_with_its_phones_and_is_the_same_when_taken_twice(shell: Shell, tmp_path: Path) -> None:
    shell.json("org", "create", "Bakery")
    chat = "4915112345678@s.whatsapp.net"
    device = {"device_id": "bench", "jid": "919876543210@s.whatsapp.net"}
    files = ChatStorage(tmp_path / "chatstorage.db", device="bench").add("devices", **device).chat(chat, "Ana")
    files.message("A1", chat, chat, "Two loaves, please", "2026-01-15 10:30:00+00:00").done()
    take = ("import", "gowa", str(tmp_path / "chatstorage.db"))
    taken = shell.json(*take)
    assert {key: taken[key] for key in ("org", "phones", "messages", "problems")} == {
        "org": "Bakery",
        "phones": ["919876543210"],
        "messages": 1,
        "problems": [],
    }
    assert taken["changed"] > 0
    assert shell.json(*take)["changed"] == 0
    (phone,) = shell.json("phone", "list")
    assert (phone["number"], phone["device_id"]) == ("919876543210", "bench")
    assert shell.run(*take).stdout == "Bakery: 1 message read, of phone 919876543210; 0 rows changed.\n"


def test_a_file_that_is_no_gowa_database_is_told_so(bakery: Shell, tmp_path: Path) -> None:
    (tmp_path / "chatstorage.db").write_bytes(b"not a database, but long enough to be looked at as one" * 9)
    assert "chatstorage.db" in bakery.refusal("import", "gowa", str(tmp_path / "chatstorage.db"), code=1)


def test_the_token_of_a_pull_may_come_on_standard_input_and_is_never_shown(bakery: Shell) -> None:
    told = bakery.refusal("import", "periskope", "--url", "ftp://example.org", stdin="s3cret\n", code=2)
    assert told.startswith("Error: url: ")
    assert "s3cret" not in told
    assert "BACKSCROLL_PERISKOPE_TOKEN" in bakery.refusal("import", "periskope", stdin="\n", code=2)


def test_a_pull_takes_history_from_a_server_and_goes_on_where_it_was(bakery: Shell) -> None:
    with StandIn(messages=[wire_message(n, f"2026-01-15T10:30:{n:02}+00:00") for n in range(20)]) as server:
        pull = ("import", "periskope", "--url", server.url, "--token", TOKEN, "--no-media")
        first = bakery.json(*pull)
        assert (first["org"], first["quarantined"]) == ("Bakery", 0)
        assert first["rows"]["messages"] >= 20, "repeats at the edges of windows count too"
        assert first["changed"] >= 20
        assert bakery.json(*pull)["changed"] == 0
        assert bakery.run(*pull).stdout.startswith("Read nothing; 0 rows changed")
        assert re.match(r"Read \d+ messages; 0 rows changed", bakery.run(*pull, "--full").stdout)
        told = bakery.refusal(*pull[:4], "--no-media", stdin="another token\n", code=1)
        assert "another token" not in told


def test_an_exported_archive_is_the_same_in_another_place(
    bakery: Shell, tmp_path: Path, other_database_url: str | None
) -> None:
    file = str(tmp_path / "archive.jsonl")
    with StandIn(messages=[wire_message(1, "2026-01-15T10:30:00+00:00")]) as server:
        bakery.json("import", "periskope", "--url", server.url, "--token", TOKEN, "--no-media")
    assert bakery.json("export", "jsonl", "-o", file)["messages"] == 1
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["archive.jsonl"]
    other = Shell(tmp_path / "other", other_database_url)
    other.json("import", "jsonl", file)
    assert other.json("org", "list") == bakery.json("org", "list")
    assert other.json("phone", "list") == bakery.json("phone", "list")
    here, there = (one.run("export", "jsonl", "-o", "-").stdout.splitlines() for one in (bakery, other))
    assert here[1:-1] == there[1:-1]


def test_an_export_that_fails_leaves_no_file(bakery: Shell, tmp_path: Path) -> None:
    told = bakery.refusal("export", "jsonl", "--chat", "4915100000000", "-o", str(tmp_path / "chat.jsonl"), code=1)
    assert "4915100000000" in told
    assert [path for path in tmp_path.iterdir() if path.is_file()] == []


def test_a_bar_shows_how_far_the_work_is() -> None:
    assert bar(1500, 3000) == f"[{'#' * 15}{'-' * 15}] 50 % (1,500 of 3,000)"
    assert bar(1500, None) == "1,500"
    assert bar(12, 10).endswith("100 % (12 of 10)")


# Real processes


def backscroll(*arguments: str, data: Path, database: str | None = None, **more: Any) -> subprocess.Popen[str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("BACKSCROLL_")}
    return subprocess.Popen(
        [sys.executable, "-m", "backscroll", *arguments],
        env=environ | place(data, database) | {"PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **more,
    )


def until(process: subprocess.Popen[str], words: str, seconds: float = 60) -> str:
    """What the process printed, up to and including the line with ``words``."""
    assert process.stdout is not None
    printed = ""
    give_up = time.monotonic() + seconds
    while words not in printed:
        line = process.stdout.readline()
        assert line, printed + (process.stderr.read() if process.stderr else "")
        assert time.monotonic() < give_up, printed
        printed += line
    return printed


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Stop it as an init system does; returns its exit code and its standard error."""
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=30)
    return process.returncode, told


def test_the_command_is_installed_and_prints_its_version() -> None:
    installed = Path(sys.executable).parent / "backscroll"
    done = subprocess.run([installed, "--version"], capture_output=True, text=True, timeout=60, check=True)
    assert re.fullmatch(r"backscroll \d+\.\d+\.\d+\n", done.stdout)


def test_serve_answers_refuses_a_taken_port_and_stops_when_asked(tmp_path: Path, database_url: str | None) -> None:
    port, data = free_port(), tmp_path / "data"
    server = backscroll("serve", "--port", str(port), "--workers", "2", data=data, database=database_url)
    try:
        until(server, f"Backscroll answers at http://127.0.0.1:{port}")
        assert urlopen(f"http://127.0.0.1:{port}/health", timeout=10).status == 200
        with pytest.raises(HTTPError) as refused:
            urlopen(f"http://127.0.0.1:{port}/v1/chats/messages", timeout=10)
        assert refused.value.code == 401
        refused.value.close()
        second = backscroll("serve", "--port", str(port), data=data, database=database_url)
        printed, told = second.communicate(timeout=60)
        assert (second.returncode, printed) == (1, "")
        assert f"Cannot listen on 127.0.0.1 port {port}" in told
        assert "Traceback" not in told
    finally:
        code, told = ended(server)
    assert (code, told) == (0, "")


def test_serve_hangs_up_on_a_client_that_never_finishes_its_header(tmp_path: Path) -> None:
    (tmp_path / "backscroll.toml").write_text(f"port = {free_port()}\nheader_timeout = 1\n")
    server = backscroll("serve", data=tmp_path / "data", cwd=tmp_path)
    try:
        printed = until(server, "Backscroll answers at")
        port = int(re.findall(r":(\d+) ", printed)[0])
        with socket.create_connection(("127.0.0.1", port), timeout=10) as slow:
            slow.sendall(b"GET /health HTTP/1.1\r\nHost: slow")
            assert not slow.recv(1000).startswith(b"HTTP/1.1 2")
    finally:
        assert ended(server)[0] == 0


def test_an_empty_archive_with_a_sample_prints_commands_that_work_and_later_only_its_address(
    tmp_path: Path, database_url: str | None
) -> None:
    port, data = free_port(), tmp_path / "data"
    server = backscroll("serve", "--sample", "--port", str(port), data=data, database=database_url)
    try:
        printed = until(server, "Backscroll answers at")
        curls = [line.strip() for line in printed.splitlines() if line.strip().startswith("curl ")]
        assert len(curls) == 2
        for curl in curls:
            answer = json.loads(fetched(curl))
            assert answer.get("messages") or answer["results"]["data"]
    finally:
        assert ended(server)[0] == 0
    again = backscroll("serve", "--sample", "--port", str(port), data=data, database=database_url)
    try:
        assert until(again, "Backscroll answers at").startswith("Backscroll answers at")
    finally:
        assert ended(again)[0] == 0


def test_the_link_signs_in_with_the_token_that_may_do_most(tmp_path: Path) -> None:
    data = tmp_path / "data"
    store = open_store(None, data)
    org = store.create_org("Family").no
    phone = store.add_phone(org, "4915550001001")
    store.create_token(org, "reader")
    store.create_token(org, "of one phone", (phone.no,), frozenset({"read", "write", "admin"}))
    best = store.create_token(org, "owner", None, frozenset({"read", "admin"}))
    store.create_token(org, "old", None, frozenset({"read", "write", "admin"}), expires_at=1)
    link = sign_in_link(store, load({}, {"data": str(data)}))
    assert link is not None
    assert (
        store.sessions.open(store.sessions.sign_in_once(link.partition("#once=")[2]).secret).access.token_id == best.id
    )
    store.close()


def test_a_sample_prints_a_link_that_signs_a_browser_in_a_single_time(tmp_path: Path) -> None:
    port, data = free_port(), tmp_path / "data"
    server = backscroll("serve", "--sample", "--port", str(port), data=data)
    try:
        link = re.search(r"http://127\.0\.0\.1:\d+/read/sign-in#once=(\S+)", until(server, "#once="))
        assert link
        once = json.dumps({"once": link[1]}).encode()
        with urlopen(Request(f"http://127.0.0.1:{port}/api/session", once, method="POST")) as answer:
            assert "HttpOnly" in answer.headers["set-cookie"]
            assert json.load(answer)["chats"] > 0
        with pytest.raises(HTTPError) as used:
            urlopen(Request(f"http://127.0.0.1:{port}/api/session", once, method="POST"))
        assert used.value.code == 401
        used.value.close()
    finally:
        assert ended(server)[0] == 0


def fetched(curl: str) -> bytes:
    """What the printed command fetches, parsed as a shell and curl would parse it."""
    words = shlex.split(curl)
    url = next(word for word in words if word.startswith("http"))
    request = Request(url)
    for flag, value in itertools.pairwise(words):
        if flag == "-H":
            name, _, text = value.partition(": ")
            request.add_header(name, text)
        if flag == "-u":
            request.add_header("Authorization", "Basic " + base64.b64encode(value.encode()).decode())
    with urlopen(request, timeout=10) as answer:
        body: bytes = answer.read()
        return body


def test_a_command_that_runs_out_of_memory_says_so_without_a_traceback() -> None:
    @click.group(cls=Commands)
    def group() -> None:
        pass

    @group.command()
    def devour() -> None:
        bytearray(2**62)

    result = CliRunner().invoke(group, ["devour"])
    assert result.exit_code == 1
    assert "not enough memory for this" in result.output
    assert "Traceback" not in result.output
