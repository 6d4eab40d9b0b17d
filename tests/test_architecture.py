"""Which room may import which, as in docs/architecture.md. Imports in functions and for types count too."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src"
PACKAGE = "backscroll"

BELOW: dict[str, set[str]] = {
    "core": set(),
    "config": {"core"},
    "formats": {"core"},
    "concurrency": {"core"},
    "dialects": {"core", "formats"},
    "ingest.connectors": {"core", "formats"},
    "linked": {"core", "formats"},
    "database": {"core", "formats", "config", "concurrency"},
    "storage.records": {"database"},
    "storage.search": {"storage.records"},
    "storage.accounts": {"storage.records"},
    "storage.files": {"storage.records"},
    "storage.write": {"storage.search", "storage.accounts", "storage.files"},
    "storage.read": {"storage.search", "storage.accounts", "storage.files"},
    "storage.transfer": {"storage.write", "storage.read"},
    "storage.store": {"storage.transfer"},
    "outbound": {"core"},
    "ingest": {"storage.store", "ingest.connectors", "outbound"},
    "jobs": {"storage.store", "ingest", "dialects"},
    "mcp": {"storage.store", "dialects"},
    "http": {"jobs", "ingest", "dialects", "mcp"},
    "web": {"http"},
    "cli": {"http", "web"},
}
"""The rooms right below each room. A room may import itself and every room below it."""


def reached(room: str) -> set[str]:
    """The room itself and every room below it."""
    return {room}.union(*(reached(below) for below in BELOW[room]))


MAY_IMPORT = {room: reached(room) for room in BELOW}

STANDARD = set(sys.stdlib_module_names)
OUTSIDE: dict[str, set[str]] = {
    "core": {"msgspec"},
    "config": {"msgspec"},
    "formats": {"msgspec"},
    "concurrency": {"greenlet"},
    "dialects": {"msgspec"},
    "ingest.connectors": {"msgspec", "cryptography"},
    "linked": {"msgspec", "neonize", "google", "segno", "cryptography", "magic"},
    "database": {"msgspec", "apsw", "psycopg"},
    "storage.records": {"msgspec"},
    "storage.search": {"msgspec", "Stemmer"},
    "storage.accounts": {"msgspec"},
    "storage.files": {"msgspec", "cryptography", "filetype", "obstore", "PIL", "tinytag", "zstandard"},
    "storage.write": {"msgspec", "zstandard"},
    "storage.read": {"msgspec", "zstandard"},
    "storage.transfer": {"msgspec", "zstandard"},
    "storage.store": {"msgspec"},
    "outbound": {"msgspec", "httpx", "httpcore"},
    "ingest": {"msgspec", "httpx", "httpcore"},
    "jobs": {"msgspec"},
    "mcp": {"msgspec", "starlette", "anyio", "mcp", "mcp_types"},
    "http": {"msgspec", "starlette", "brotli", "zstandard"},
    "web": {"msgspec", "starlette"},
    "cli": {"msgspec", "click", "granian", "starlette"},
}
"""What each room may use besides the standard library."""

PURE = {"core", "formats", "dialects"}
FAR_FROM_PURE = {"sqlite3", "http", "urllib.request", "socket", "asyncio", "subprocess"}
"""Standard modules for databases and networks, which the pure rooms may not import."""

DYNAMIC = {"__import__", "import_module", "importlib.import_module"}


def module_name(file: Path, source: Path) -> str:
    parts = file.relative_to(source).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str:
    """The room that a module or a name in it belongs to, or none for a module outside every room."""
    parts = module.split(".")[1:]
    if not parts:
        return "core"
    if parts == ["__main__"]:
        return "cli"
    two = ".".join(parts[:2])
    return two if two in BELOW else parts[0] if parts[0] in BELOW else f"no room ({module})"


def imported(tree: ast.AST, module: str, is_package: bool) -> Iterator[tuple[int, str]]:
    """Line and full name of everything that is imported anywhere in the file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = absolute(node, module, is_package)
            yield from ((node.lineno, f"{start}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in DYNAMIC:
            yield node.lineno, "a name made at run time"


def absolute(node: ast.ImportFrom, module: str, is_package: bool) -> str:
    if not node.level:
        return node.module or ""
    package = module.split(".") if is_package else module.split(".")[:-1]
    package = package[: len(package) - node.level + 1]
    return ".".join([*package, *([node.module] if node.module else [])])


def violations(source: Path) -> list[str]:
    """Every import that the table does not allow, as ``file:line: room may not import name``."""
    found = []
    for file in sorted((source / PACKAGE).rglob("*.py")):
        module = module_name(file, source)
        room = room_of(module)
        tree = ast.parse(file.read_text("utf-8"))
        for line, name in imported(tree, module, file.name == "__init__.py"):
            if not allowed(room, name):
                found.append(f"{file.relative_to(source)}:{line}: {room} may not import {name}")
    return found


def allowed(room: str, name: str) -> bool:
    if name.split(".")[0] == PACKAGE:
        return room in MAY_IMPORT and room_of(name) in MAY_IMPORT[room]
    if room in PURE and any(name == far or name.startswith(f"{far}.") for far in FAR_FROM_PURE):
        return False
    return name.split(".")[0] in STANDARD | OUTSIDE.get(room, set())


def import_cycle(source: Path) -> list[str] | None:
    """Modules that import each other when the program starts, or None."""
    modules = {module_name(file, source): file for file in (source / PACKAGE).rglob("*.py")}
    needs: dict[str, set[str]] = {}
    for module, file in modules.items():
        names = {name for _, name in at_start(ast.parse(file.read_text("utf-8")), module, file.name == "__init__.py")}
        needs[module] = {
            target
            for name in names
            for target in (name, name.rpartition(".")[0])
            if target in modules and target != module and not module.startswith(f"{target}.")
        }
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        cycle: list[str] = error.args[1]
        return cycle
    return None


def at_start(tree: ast.Module, module: str, is_package: bool) -> Iterator[tuple[int, str]]:
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom | ast.Try):
            yield from imported(node, module, is_package)


def test_every_import_is_one_that_its_room_may_have() -> None:
    assert violations(SOURCE) == []


def test_no_modules_import_each_other() -> None:
    assert import_cycle(SOURCE) is None


def test_an_init_file_holds_a_docstring_and_nothing_else() -> None:
    for file in (SOURCE / PACKAGE).rglob("__init__.py"):
        body = ast.parse(file.read_text("utf-8")).body
        assert len(body) <= 1, file
        assert all(isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in body), file


def plant(source: Path, files: dict[str, str]) -> Path:
    for path, content in files.items():
        file = source / PACKAGE / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    return source


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("core/model.py", "import httpx"),
        ("core/model.py", "from backscroll.storage import store"),
        ("core/ids.py", "from backscroll import config"),
        ("config.py", "from backscroll.storage.store import Store"),
        ("formats/jsontext.py", "from backscroll.dialects.gowa import objects"),
        ("database/sqlite.py", "from backscroll.storage.records import rows"),
        ("dialects/gowa/objects.py", "from backscroll.storage.store import Store"),
        ("dialects/gowa/objects.py", "def parse():\n    from backscroll.http import limits"),
        (
            "dialects/gowa/objects.py",
            "from __future__ import annotations\nif TYPE_CHECKING:\n    from ...storage.store import Store",
        ),
        ("dialects/gowa/objects.py", "import sqlite3"),
        ("dialects/gowa/objects.py", "from urllib import request"),
        ("dialects/gowa/objects.py", "from ... import config"),
        ("ingest/connectors/export/lines.py", "from backscroll.ingest import pipeline"),
        ("ingest/connectors/export/lines.py", "from ...pipeline import run"),
        ("ingest/connectors/gowa/database.py", "import httpx"),
        ("ingest/pipeline.py", "from backscroll.http.messages import Header"),
        ("ingest/pipeline.py", "from backscroll import dialects"),
        ("jobs/runner.py", "from backscroll.http.app import build_app"),
        ("storage/read/messages.py", "from backscroll.storage.write.batch import Writer"),
        ("storage/write/batch.py", "from backscroll.storage.read.names import Names"),
        ("storage/records/rows.py", "from backscroll.storage.search import substring"),
        ("storage/accounts/accounts.py", "from backscroll.storage.store import Store"),
        ("storage/store.py", "from backscroll.dialects.gowa import objects"),
        ("storage/store.py", "try:\n    import starlette\nexcept ImportError:\n    pass"),
        ("http/app.py", "import backscroll.cli.main"),
        ("http/app.py", "import importlib\nimportlib.import_module('backscroll.cli')"),
        ("helpers.py", "from backscroll.core.model import Org"),
        ("storage/helpers.py", "from backscroll.core.model import Org"),
        ("core/model.py", "from backscroll import helpers"),
    ],
)
def test_a_planted_import_is_found(tmp_path: Path, path: str, content: str) -> None:
    found = violations(plant(tmp_path, {path: content}))
    assert len(found) == 1
    assert found[0].startswith(f"{PACKAGE}/{path}:")


@pytest.mark.parametrize(
    ("path", "content"),
    [
        (
            "core/model.py",
            "import re\nfrom msgspec import Struct\nfrom backscroll.core.ids import canonical\nfrom . import errors",
        ),
        ("dialects/gowa/objects.py", "from urllib.parse import quote\nfrom backscroll.formats.timestamps import iso"),
        ("ingest/connectors/gowa/database.py", "import sqlite3\nfrom backscroll.core.events import Batch"),
        ("ingest/pipeline.py", "from backscroll.ingest.connectors import gowa\nfrom .connectors import periskope"),
        ("storage/transfer/copy.py", "from backscroll.storage.read import messages\nfrom ..write import batch"),
        ("cli/serve.py", "from granian import Granian\nfrom backscroll.http.app import build_app"),
    ],
)
def test_an_allowed_import_is_left_alone(tmp_path: Path, path: str, content: str) -> None:
    assert violations(plant(tmp_path, {path: content})) == []


def test_a_planted_cycle_is_found_and_one_inside_a_function_is_none(tmp_path: Path) -> None:
    ids = "core/ids.py"
    plant(
        tmp_path,
        {
            "core/model.py": "from backscroll.core.ids import parse",
            ids: "def f():\n    from backscroll.core import model",
        },
    )
    assert import_cycle(tmp_path) is None
    plant(tmp_path, {ids: "from backscroll.core.events import Seen", "core/events.py": "from . import model"})
    cycle = import_cycle(tmp_path)
    assert cycle is not None
    assert set(cycle) == {"backscroll.core.model", "backscroll.core.ids", "backscroll.core.events"}
