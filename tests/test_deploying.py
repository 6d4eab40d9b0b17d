"""Files for deployment, checked without a container engine: what they name exists, and nothing runs as root."""

from __future__ import annotations

import ast
import configparser
import importlib
import json
import re
import shlex
import shutil
import subprocess
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from backscroll.cli.main import main
from backscroll.config import SETTINGS, load

ROOT = Path(__file__).parent.parent
yaml: Any = importlib.import_module("yaml")
VARIABLES = {setting.variable for setting in SETTINGS}

# ------------------------------------------------------------------ the image


class Instruction(Struct, frozen=True):
    word: str
    text: str


def instructions(text: str) -> list[Instruction]:
    """A Dockerfile's instructions, with continued lines joined."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [Instruction(*line.split(maxsplit=1)) for line in joined.splitlines() if line.strip()]


def stages(text: str) -> list[list[Instruction]]:
    found: list[list[Instruction]] = []
    for instruction in instructions(text):
        if instruction.word == "FROM":
            found.append([])
        found[-1].append(instruction)
    return found


def image_faults(text: str) -> list[str]:
    """Faults of an image; empty for ours."""
    faults = []
    *_, last = built = stages(text)
    users = [i.text for i in last if i.word == "USER"]
    if not users or not re.fullmatch(r"[1-9]\d*(:[1-9]\d*)?", users[-1]):
        faults.append("runs as root, or as a user whose number nobody can see")
    if len(built) < 2 or not any(i.word == "COPY" and i.text.startswith("--from=") for i in last):
        faults.append("is built in one stage")
    for stage in built:
        base = stage[0].text.split()[0]
        if not re.fullmatch(r"[a-z]+:[0-9][\w.-]*@sha256:[0-9a-f]{64}", base):
            faults.append(f"stands on {base}")
    if not any(i.word == "HEALTHCHECK" for i in last):
        faults.append("has no healthcheck")
    for word in ("CMD", "ENTRYPOINT"):
        if any(i.word == word and not i.text.startswith("[") for i in last):
            faults.append(f"{word} goes through a shell, which keeps SIGTERM to itself")
    if any(i.word == "ADD" for stage in built for i in stage):
        faults.append("ADD may fetch and unpack")
    if any(re.search(r"PASSWORD|SECRET|TOKEN", i.text) for stage in built for i in stage if i.word in ("ENV", "ARG")):
        faults.append("holds a secret")
    if any("https://" in i.text or "index-url" in i.text for stage in built for i in stage):
        faults.append("names a place to fetch from")
    return faults


DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
BASE = instructions(DOCKERFILE)[0].text.split()[0]


def test_the_image_runs_as_nobody_special_and_is_built_apart_from_what_runs() -> None:
    assert image_faults(DOCKERFILE) == []


@pytest.mark.parametrize(
    ("ours", "theirs", "fault"),
    [
        ("USER 10001:10001", "USER root", "runs as root"),
        ("USER 10001:10001\n", "", "runs as root"),
        ("USER 10001:10001", "USER 0", "runs as root"),
        (f"{BASE}\n\nRUN", "python:latest\n\nRUN", "stands on python:latest"),
        (f"{BASE}\n\nRUN", "python:3.13.14-slim-bookworm\n\nRUN", "stands on python:3.13.14-slim-bookworm"),
        (f"{BASE} AS", "registry.example.org/python:3.13 AS", "stands on registry.example.org"),
        ("HEALTHCHECK", "LABEL", "has no healthcheck"),
        ('CMD ["serve"]', "CMD serve", "CMD goes through a shell"),
        ("COPY src", "ADD src", "ADD may fetch"),
        ("ENV PATH", "ENV POSTGRES_PASSWORD=x PATH", "holds a secret"),
        ("--no-index", "--index-url https://example.org", "names a place"),
        ("COPY --from=build", "COPY", "is built in one stage"),
    ],
)
def test_a_planted_fault_of_the_image_is_found(ours: str, theirs: str, fault: str) -> None:
    assert ours in DOCKERFILE
    assert [found for found in image_faults(DOCKERFILE.replace(ours, theirs, 1)) if fault in found] != []


def test_both_stages_stand_on_the_same_image_and_so_does_the_database_on_a_digest() -> None:
    assert {stage[0].text.split()[0] for stage in stages(DOCKERFILE)} == {BASE}
    assert re.search(r"@sha256:[0-9a-f]{64}$", COMPOSITION["services"]["db"]["image"])


def test_a_change_of_the_readme_does_not_fetch_everything_again() -> None:
    build = next(stage for stage in stages(DOCKERFILE) if stage[0].text.endswith(" AS build"))
    fetching = max(at for at, i in enumerate(build) if i.word == "RUN" and "--require-hashes" in i.text)
    copied_before = [i.text for i in build[:fetching] if i.word == "COPY"]
    assert copied_before == ["requirements.lock ./", "requirements-mcp.lock ./"]
    assert all("--no-index" in i.text for i in build[fetching + 1 :] if i.word == "RUN")


def test_what_the_image_copies_is_there_and_is_not_kept_out_of_the_build() -> None:
    lines = (ROOT / ".dockerignore").read_text("utf-8").split()
    for instruction in instructions(DOCKERFILE):
        if instruction.word == "COPY" and "--from=" not in instruction.text:
            for name in instruction.text.split()[:-1]:
                assert (ROOT / name).exists()
                assert f"!{name}" in lines
    assert lines[0] == "*"
    let_in = [line[1:] for line in lines if line.startswith("!")]
    assert not any(fnmatch(name, pattern) for name in (".env", ".git", "backscroll-data") for pattern in let_in)


def test_the_image_starts_a_command_that_there_is_with_settings_that_there_are() -> None:
    *_, last = stages(DOCKERFILE)
    words = {i.word: i.text for i in last}
    assert json.loads(words["ENTRYPOINT"]) == ["backscroll"]
    assert json.loads(words["CMD"])[0] in main.commands
    environ = dict(pair.split("=", 1) for pair in shlex.split(words["ENV"]))
    assert {name for name in environ if name.startswith("BACKSCROLL_")} <= VARIABLES
    settings = load({name: value for name, value in environ.items() if name in VARIABLES}, {})
    assert (settings.host, str(settings.port)) == ("0.0.0.0", words["EXPOSE"])
    assert str(settings.data) == words["VOLUME"]


def test_the_healthcheck_is_a_program_that_python_understands() -> None:
    text = next(i.text for stage in stages(DOCKERFILE) for i in stage if i.word == "HEALTHCHECK")
    command = json.loads(text.partition("CMD ")[2])
    assert command[:2] == ["python", "-c"]
    assert "/health" in command[2]
    ast.parse(command[2])


# ------------------------------------------------------------------ the composition

COMPOSITION: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))


def test_backscroll_waits_for_a_healthy_database_and_keeps_its_data_in_volumes() -> None:
    ours, database = COMPOSITION["services"]["backscroll"], COMPOSITION["services"]["db"]
    assert ours["depends_on"]["db"]["condition"] == "service_healthy"
    assert database["healthcheck"]["test"][0] == "CMD-SHELL"
    assert database["image"].startswith("postgres:18")
    named = {mount.partition(":")[0] for service in (ours, database) for mount in service["volumes"]}
    assert named == set(COMPOSITION["volumes"])
    # From version 18 on, the image keeps the data of each version in its own folder below this one.
    assert database["volumes"] == ["database:/var/lib/postgresql"]


def test_the_containers_show_one_port_on_this_machine_only_and_give_up_what_they_can() -> None:
    services = COMPOSITION["services"]
    assert [port for service in services.values() for port in service.get("ports", [])] == [
        "127.0.0.1:${BACKSCROLL_PUBLISHED_PORT:-8080}:8080"
    ]
    ours = services["backscroll"]
    assert (ours["read_only"], ours["cap_drop"], ours["security_opt"]) == (True, ["ALL"], ["no-new-privileges:true"])


def test_neither_container_nor_unit_may_take_all_memory() -> None:
    limits = [service["mem_limit"] for service in COMPOSITION["services"].values()]
    assert limits == ["${ARCHIVE_MEMORY:-2g}", "${DATABASE_MEMORY:-2g}"]
    unit = (ROOT / "deploy" / "backscroll.service").read_text("utf-8")
    assert re.search(r"^MemoryMax=2G$", unit, re.M)
    assert re.search(r"^MemoryHigh=", unit, re.M)


def test_the_password_comes_from_a_file_that_is_not_kept_with_the_code() -> None:
    text = (ROOT / "docker-compose.yml").read_text("utf-8")
    assert set(re.findall(r"\$\{POSTGRES_PASSWORD[^}]*\}", text)) == {"${POSTGRES_PASSWORD:?set it in .env}"}
    example = (ROOT / "deploy" / "example.env").read_text("utf-8")
    given = dict(re.findall(r"^(?:# )?([A-Z_]+)=(.*)$", example, re.M))
    assert given["POSTGRES_PASSWORD"] == ""
    assert {name for name in given if name.startswith("BACKSCROLL_")} <= VARIABLES | {"BACKSCROLL_PUBLISHED_PORT"}
    assert ".env" in (ROOT / ".gitignore").read_text("utf-8").split()


def test_the_containers_have_longer_to_stop_than_the_server_takes() -> None:
    default = next(setting.default for setting in SETTINGS if setting.name == "shutdown_timeout")
    assert int(COMPOSITION["services"]["backscroll"]["stop_grace_period"].removesuffix("s")) > default


# ------------------------------------------------------------------ the unit

UNIT = (ROOT / "deploy" / "backscroll.service").read_text("utf-8")


def unit() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(UNIT)
    return parser


def test_the_unit_starts_a_command_that_there_is_as_a_user_of_its_own() -> None:
    service = unit()["Service"]
    program, command = service["ExecStart"].split()
    assert (Path(program).name, command) == ("backscroll", "serve")
    assert service["User"] == "backscroll"
    name, value = service["Environment"].split("=")
    assert name in VARIABLES
    assert value == f"/var/lib/{service['StateDirectory']}"


def test_the_unit_takes_away_what_the_server_does_not_need() -> None:
    service = unit()["Service"]
    wanted = (
        "NoNewPrivileges",
        "ProtectHome",
        "PrivateTmp",
        "PrivateDevices",
        "ProtectKernelModules",
        "RestrictSUIDSGID",
    )
    assert {service[name] for name in wanted} == {"yes"}
    assert (service["ProtectSystem"], service["CapabilityBoundingSet"]) == ("strict", "")


@pytest.mark.parametrize("fault", ["", "Restart=sometimes\n", "ProtectSystem=perhaps\n", "NoSuchThing=yes\n"])
def test_systemd_understands_the_unit(tmp_path: Path, fault: str) -> None:
    """Checked with systemd where it is installed; elsewhere only the parser above reads the unit."""
    if shutil.which("systemd-analyze") is None:
        assert unit().sections() == ["Unit", "Service", "Install"]
        return
    text = UNIT.replace("/opt/backscroll/bin/backscroll serve", "/bin/true").replace(
        "[Service]\n", f"[Service]\n{fault}"
    )
    file = tmp_path / "backscroll.service"
    file.write_text(text)
    done = subprocess.run(["systemd-analyze", "verify", str(file)], capture_output=True, text=True, check=False)
    told = [line for line in done.stderr.splitlines() if "backscroll.service" in line]
    assert bool(told) == bool(fault), done.stderr


def test_the_guide_says_what_was_not_tried() -> None:
    assert "have not been built" in (ROOT / "docs" / "deploying.md").read_text("utf-8")
