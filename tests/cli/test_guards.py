"""Prevented mistakes: an archive in a mistyped directory, a new key, a file in place of a device or link."""

from __future__ import annotations

import gzip
import json
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import click
import psycopg
import pytest

from backscroll.cli.main import main
from backscroll.storage.store import open_store
from postgres_server import Databases
from shell import Shell

CREATORS = {("serve",), ("org", "create"), ("import", "jsonl"), ("copy",), ("restore",)}
"""The only commands that may create an archive; the last two have an argument for its place."""
VALUES = {
    "number": "919876543210",
    "phone": "919876543210",
    "output": "-",
    "yes": "--yes",
    "url": "https://127.0.0.1:1",
    "address": "https://example.com/",
}


BESIDES: dict[tuple[str, ...], tuple[str, ...]] = {
    ("source", "add"): ("--phone", VALUES["phone"]),
    ("webhook", "redeliver"): ("--parked",),
    ("mcp",): ("--token", "bsk1x0000000000000_secret"),
    ("import", "evolution"): ("--url", "postgresql://127.0.0.1:1/evolution"),
}
"""Arguments that a command needs although they are not declared as required."""


def leaves(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if isinstance(command, click.Group):
        for name, sub in command.commands.items():
            yield from leaves(sub, (*path, name))
    else:
        yield path, command


def command_line(path: tuple[str, ...], command: click.Command) -> tuple[str, ...]:
    """The command with a value for everything that it requires."""
    words = [*path, *BESIDES.get(path, ())]
    for param in command.params:
        if param.required:
            options = [max(param.opts, key=len)] if isinstance(param, click.Option) else []
            words += [*options, something_for(param)]
        elif param.name == "yes":
            words.append("--yes")
    return tuple(words)


def something_for(param: click.Parameter) -> str:
    """A value that the command accepts for this parameter."""
    if isinstance(param.type, click.Choice):
        return str(param.type.choices[0])
    if isinstance(param.type, click.Path) and param.type.exists:
        return __file__
    return VALUES.get(param.name or "", "1")


WITHOUT_ARCHIVE = {("link", "history"), ("media", "push")}
"""Commands that fail with what they cannot do or what must be set, before they look for an archive."""
READERS = [command_line(path, command) for path, command in leaves(main) if path not in CREATORS | WITHOUT_ARCHIVE]
"""Every command that must not create an archive."""


@pytest.mark.parametrize("command", [words for words in READERS if words[0] != "db"], ids=" ".join)
def test_a_mistyped_directory_is_an_error_and_stays_absent(tmp_path: Path, command: tuple[str, ...]) -> None:
    told = Shell(tmp_path / "mistyped").refusal(*command, code=1, stdin="token")
    assert f"archive not found: {tmp_path}/mistyped/backscroll.db" in told
    assert "check --data" in told
    assert "backscroll org create NAME" in told
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def empty_database(databases: Databases) -> str:
    """The URL of a database without tables."""
    return databases.url(databases.create())


@pytest.mark.parametrize("command", READERS, ids=" ".join)
def test_an_empty_database_on_postgres_is_not_made_an_archive_by_reading(
    tmp_path: Path, empty_database: str, command: tuple[str, ...]
) -> None:
    told = Shell(tmp_path / "data", empty_database).refusal(*command, code=1, stdin="token")
    assert "archive not found: the database of that URL" in told
    with psycopg.connect(empty_database) as connection:
        assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_archive_is_neither_taken_for_one_nor_changed(tmp_path: Path) -> None:
    for text in (b"", b"some notes of mine, and no database at all"):
        (tmp_path / "backscroll.db").write_bytes(text)
        assert "archive not found" in Shell(tmp_path).refusal("status", code=1)
        assert (tmp_path / "backscroll.db").read_bytes() == text
        assert [p.name for p in tmp_path.iterdir()] == ["backscroll.db"]


@pytest.fixture
def shell(tmp_path: Path, database_url: str | None) -> Shell:
    shell = Shell(tmp_path / "data", database_url)
    shell.json("org", "create", "Bakery")
    shell.json("phone", "add", "--number", "919876543210")
    return shell


def test_a_missing_key_is_named_with_the_remedy_and_never_made_anew(shell: Shell, tmp_path: Path) -> None:
    (shell.data / "secret.key").unlink()
    for command in (("serve", "--port", "1"), ("backup", str(tmp_path / "kept"))):
        told = shell.refusal(*command, code=1)
        assert f"there is no file {shell.data}/secret.key" in told
        assert "from the backup" in told
        assert "backscroll key create" in told
    assert shell.json("status")["key"] == "missing"
    assert shell.json("org", "list")[0]["name"] == "Bakery"
    assert not (shell.data / "secret.key").exists()


def test_a_check_names_the_missing_key_and_goes_on(shell: Shell) -> None:
    assert shell.run("check").exit_code == 0
    (shell.data / "secret.key").unlink()
    done = shell.run("check")
    assert done.exit_code == 1
    assert f"{shell.data}/secret.key is missing" in done.stdout
    assert not (shell.data / "secret.key").exists()


def test_a_store_never_makes_a_key_beside_an_archive_that_is_in_use(shell: Shell) -> None:
    (shell.data / "secret.key").unlink()
    store = open_store(shell.database, shell.data)
    with pytest.raises(Exception, match=r"secret\.key"):
        store.quarantine(1, "webhook", b"{", "no JSON")
    store.create_org("Garage")
    store.close()
    assert not (shell.data / "secret.key").exists()


def test_a_key_that_is_lost_for_good_is_replaced_only_when_asked(shell: Shell) -> None:
    assert "There is already a key" in shell.refusal("key", "create", "--yes", code=1)
    (shell.data / "secret.key").unlink()
    assert "use --yes" in shell.refusal("key", "create", code=2)
    assert shell.json("key", "create", "--yes")["file"] == f"{shell.data}/secret.key"
    assert stat.S_IMODE((shell.data / "secret.key").stat().st_mode) == 0o600
    assert shell.json("status")["key"] == "present"


# ------------------------------------------------------------------ export -o


def test_an_export_goes_through_a_link_to_its_file(shell: Shell, tmp_path: Path) -> None:
    link, real = tmp_path / "link.jsonl", tmp_path / "elsewhere" / "real.jsonl"
    real.parent.mkdir()
    link.symlink_to(real)
    for _ in range(2):
        shell.json("export", "jsonl", "-o", str(link))
        assert link.is_symlink()
        assert real.is_file()
        assert not real.is_symlink()
    assert json.loads(real.read_text().splitlines()[0])


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_an_export_writes_into_a_pipe_and_leaves_it_a_pipe(shell: Shell, tmp_path: Path, ending: str) -> None:
    pipe = tmp_path / f"pipe{ending}"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    shell.json("export", "jsonl", "-o", str(pipe))
    reader.join(timeout=60)
    assert stat.S_ISFIFO(pipe.lstat().st_mode)
    text = gzip.decompress(read[0]) if ending else read[0]
    assert json.loads(text.splitlines()[0])


def test_an_export_leaves_a_device_a_device(shell: Shell, tmp_path: Path) -> None:
    device = tmp_path / "null"
    try:
        os.mknod(device, stat.S_IFCHR | 0o666, os.makedev(1, 3))
        device.open("wb").close()
    except PermissionError:
        # A user who may not make a device uses the system's own, which only root could replace.
        device = Path("/dev/null")
    shell.json("export", "jsonl", "-o", str(device))
    assert stat.S_ISCHR(device.lstat().st_mode)
