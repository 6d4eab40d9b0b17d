"""How commands end: exit codes, errors in machine-readable form, and a remedy in every error."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from backscroll.cli.common import RootCommands
from backscroll.cli.main import main
from shell import Shell


@pytest.mark.parametrize(
    ("arguments", "exit_code", "code", "field"),
    [
        (("status",), 1, "not_found", None),
        (("org", "create", " "), 2, "bad_field", "NAME"),
        (("org", "create"), 2, "usage", None),
        (("wander",), 2, "usage", None),
        (("import", "gowa", "no-such-file.db"), 2, "usage", None),
        (("phone", "add", "--number", "12"), 2, "bad_field", "--number"),
    ],
)
def test_with_json_an_error_is_one_json_object_on_standard_error(
    tmp_path: Path, arguments: tuple[str, ...], exit_code: int, code: str, field: str | None
) -> None:
    shell = Shell(tmp_path / "data")
    told = shell.refusal(*arguments, "--json", code=exit_code)
    error = json.loads(told)["error"]
    assert (error["code"], error["field"]) == (code, field)
    assert error["message"]
    assert shell.refusal(*arguments, code=exit_code).rstrip("\n").endswith(f"Error: {error['message']}")


WAITING = """
import signal, time
from backscroll.cli import status
from backscroll.cli.main import main
# What a shell starts in the background ignores this signal.
signal.signal(signal.SIGINT, signal.default_int_handler)
real = status.status_row
def slow(*arguments):
    print("ready", flush=True)
    # Not one long wait: a signal just before a system call would only be handled after it.
    while True:
        time.sleep(0.05)
status.status_row = slow
main(["status"], prog_name="backscroll")
"""


def test_ctrl_c_ends_with_130(tmp_path: Path) -> None:
    data = tmp_path / "data"
    Shell(data).json("org", "create", "Bakery")
    environ = {name: value for name, value in os.environ.items() if not name.startswith("BACKSCROLL_")}
    with subprocess.Popen(
        [sys.executable, "-c", WAITING],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environ | {"BACKSCROLL_DATA": str(data)},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=30)
    assert process.returncode == 130
    assert told.strip() == "Stopped."


def test_saying_no_to_a_question_ends_with_1() -> None:
    @click.command()
    def ask() -> None:
        click.confirm("Do it?", abort=True, err=True)

    root = RootCommands(commands={"ask": ask})
    done = CliRunner().invoke(root, ["ask"], input="n\n")
    assert done.exit_code == 1
    assert "Nothing was done." in done.stderr


def test_a_file_where_the_directory_should_be_is_told_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("not a directory")
    told = Shell(tmp_path / "data").refusal("org", "create", "Bakery", code=1)
    assert f"{tmp_path}/data" in told
    assert "a file stands where a directory is needed" in told


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run a command as somebody else")
def test_an_archive_of_somebody_else_is_told_with_a_remedy() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        Shell(folder).json("org", "create", "Bakery")
        (folder / "backscroll.db").chmod(0o644)
        pid = os.fork()
        if pid == 0:
            os.setgid(65534)
            os.setuid(65534)
            done = Shell(folder).run("org", "create", "Garage")
            wanted = done.exit_code == 1 and "as the owner of the archive" in done.stderr
            os._exit(0 if wanted else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_an_unknown_variable_is_an_error_that_suggests_the_right_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell = Shell(tmp_path)
    shell.json("org", "create", "Bakery")
    environ: dict[str, str | None] = {"BACKSCROLL_DATA": str(tmp_path), "BACKSCROLL_DATABSE": "sqlite:x.db"}
    done = CliRunner().invoke(main, ["org", "list"], env=environ)
    assert done.exit_code == 2
    assert "BACKSCROLL_DATABSE" in done.stderr
    assert "did you mean BACKSCROLL_DATABASE?" in done.stderr
