"""The wheel as people install it, in an environment without the checkout."""

from __future__ import annotations

import re
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path
from urllib.request import urlopen

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE", "src", "examples")
SECONDS = 60


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built without the network, and from a copy so that nothing is left in the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    copy = folder / "source"
    copy.mkdir()
    for name in SOURCES:
        here = ROOT / name
        if here.is_dir():
            shutil.copytree(here, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(here, copy / name)
    options = ("--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--wheel-dir", str(folder))
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, str(copy)], check=True, cwd=folder)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def command(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command in a fresh environment: the wheel is installed by pip, the libraries are this environment's."""
    folder = tmp_path_factory.mktemp("clean") / "env"
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--no-index", "--no-deps", "--quiet", wheel], check=True)
    site = subprocess.check_output([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True)
    # Python does not read .pth files in a path that a .pth file adds, so that this environment's checkout is not found.
    Path(site.strip(), "libraries.pth").write_text(sysconfig.get_path("purelib"))
    return folder / "bin" / "backscroll"


def test_the_wheel_has_the_sample_and_the_statements_and_nothing_of_the_tests(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    examples = {p.relative_to(ROOT).as_posix() for p in (ROOT / "examples").rglob("*") if p.is_file()}
    assert {f"backscroll/{name}" for name in examples} <= set(names)
    assert "backscroll/database/sql/queries.sql" in names
    assert "backscroll/web/static/index.html" in names
    assert not [name for name in names if "test" in name.lower()]


def test_the_installed_command_runs_from_the_wheel_and_not_from_the_checkout(command: Path, tmp_path: Path) -> None:
    code = "import backscroll; print(backscroll.__file__)"
    found = subprocess.check_output([command.parent / "python", "-c", code], text=True, cwd=tmp_path)
    assert Path(found.strip()).is_relative_to(command.parent.parent)
    told = subprocess.check_output([command, "--version"], text=True, cwd=tmp_path)
    assert re.fullmatch(r"backscroll \d+\.\d+\.\d+\n", told)


def test_the_installed_command_serves_its_sample(command: Path, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    arguments = [str(command), "serve", "--sample", "--port", str(port), "--data", str(tmp_path / "data")]
    with subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=tmp_path
    ) as server:
        try:
            assert server.stdout is not None
            lines: list[str] = []
            for line in server.stdout:
                lines.append(line)
                if "answers at" in line:
                    break
            assert "It now holds a made-up sample: 2 phones" in "".join(lines)
            with urlopen(f"http://127.0.0.1:{port}/health", timeout=SECONDS) as answer:
                assert answer.read() == b"OK"
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(timeout=SECONDS)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_is_given_a_script_that_completes_commands(command: Path, tmp_path: Path, shell: str) -> None:
    if shell == "bash":
        environ = {"_BACKSCROLL_COMPLETE": f"{shell}_source", "PATH": "/usr/bin:/bin"}
        script = subprocess.check_output([command], env=environ, text=True, cwd=tmp_path)
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)
        assert "_BACKSCROLL_COMPLETE=bash_complete" in script
    words = {"COMP_WORDS": "backscroll imp", "COMP_CWORD": "imp" if shell == "fish" else "1", "PATH": "/usr/bin:/bin"}
    environ = words | {"_BACKSCROLL_COMPLETE": f"{shell}_complete"}
    assert "import" in subprocess.check_output([command], env=environ, text=True, cwd=tmp_path)
