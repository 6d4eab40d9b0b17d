"""Who may import whom. The table is docs/architecture.md's; every import counts, also in functions and for types."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src"
PACKAGE = "backscroll"

GROUND = {"model", "events", "ids", "query", "errors", "kinds", "letters", "fts", "stemmer"}
"""Modules directly under the package, with the words that every room speaks."""

MAY_IMPORT: dict[str, set[str]] = {
    "ground": {"ground"},
    "config": {"ground"},
    "storage": {"ground", "config", "storage"},
    "dialects": {"ground", "dialects"},
    "connectors": {"ground", "connectors"},
    "ingest": {"ground", "storage", "connectors", "ingest"},
    "http": {"ground", "config", "storage", "dialects", "connectors", "ingest", "http"},
    "web": {"ground", "config", "storage", "dialects", "connectors", "ingest", "http", "web"},
    "cli": {"ground", "config", "storage", "dialects", "connectors", "ingest", "http", "web", "cli"},
}

STANDARD = set(sys.stdlib_module_names)
OUTSIDE: dict[str, set[str]] = {
    "ground": {"msgspec"},
    "config": {"msgspec"},
    "dialects": {"msgspec"},
    "connectors": {"msgspec"},
    "storage": {
        "msgspec",
        "apsw",
        "psycopg",
        "cryptography",
        "filetype",
        "greenlet",
        "PIL",
        "tinytag",
        "zstandard",
    },
    "ingest": {"msgspec", "httpx"},
    "http": {"msgspec", "starlette", "brotli", "zstandard"},
    "web": {"msgspec", "starlette"},
    "cli": {"msgspec", "click", "granian", "starlette"},
}
"""What each room may use besides the standard library."""

FAR_FROM_PURE = {"sqlite3", "http", "urllib.request", "socket", "asyncio", "subprocess"}
"""Standard modules for databases and networks, which dialects have no business with."""

DYNAMIC = {"__import__", "import_module", "importlib.import_module"}


def module_name(file: Path, source: Path) -> str:
    parts = file.relative_to(source).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str:
    """The room that a module of ours stands in; a new one at the top belongs to the ground or to no room."""
    parts = module.split(".")[1:]
    if not parts:
        return "ground"
    if parts[:2] == ["ingest", "connectors"]:
        return "connectors"
    if parts == ["__main__"]:
        return "cli"
    if parts[0] in MAY_IMPORT and parts[0] != "ground":
        return parts[0]
    return "ground" if parts[0] in GROUND else f"no room ({module})"


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
    if room == "dialects" and any(name == far or name.startswith(f"{far}.") for far in FAR_FROM_PURE):
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
        ("model.py", "import httpx"),
        ("model.py", "from backscroll.storage import store"),
        ("ids.py", "from backscroll import config"),
        ("config.py", "from backscroll.storage.store import Store"),
        ("dialects/gowa.py", "from backscroll.storage.store import Store"),
        ("dialects/gowa.py", "def parse():\n    from backscroll.http import wire"),
        (
            "dialects/gowa.py",
            "from __future__ import annotations\nif TYPE_CHECKING:\n    from ..storage.store import Store",
        ),
        ("dialects/gowa.py", "import sqlite3"),
        ("dialects/gowa.py", "from urllib import request"),
        ("dialects/gowa.py", "from .. import config"),
        ("ingest/connectors/export/lines.py", "from backscroll.ingest import pipeline"),
        ("ingest/connectors/export/lines.py", "from ...pipeline import run"),
        ("ingest/connectors/gowa_db.py", "import httpx"),
        ("ingest/pipeline.py", "from backscroll.http.wire import Header"),
        ("ingest/pipeline.py", "from backscroll import dialects"),
        ("storage/store.py", "from backscroll.dialects import gowa"),
        ("storage/store.py", "try:\n    import starlette\nexcept ImportError:\n    pass"),
        ("http/app.py", "import backscroll.cli.main"),
        ("http/app.py", "import importlib\nimportlib.import_module('backscroll.cli')"),
        ("helpers.py", "from backscroll.model import Org"),
        ("model.py", "from backscroll import helpers"),
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
            "model.py",
            "import re\nfrom msgspec import Struct\nfrom backscroll.ids import canonical\nfrom . import errors",
        ),
        ("dialects/gowa.py", "from urllib.parse import quote\nfrom backscroll.dialects.moments import iso"),
        ("ingest/connectors/gowa_db.py", "import sqlite3\nfrom backscroll.events import Batch"),
        ("ingest/pipeline.py", "from backscroll.ingest.connectors import gowa_db\nfrom .connectors import periskope"),
        ("cli/serve.py", "from granian import Granian\nfrom backscroll.http.app import build_app"),
    ],
)
def test_an_allowed_import_is_left_alone(tmp_path: Path, path: str, content: str) -> None:
    assert violations(plant(tmp_path, {path: content})) == []


def test_a_planted_cycle_is_found_and_one_inside_a_function_is_none(tmp_path: Path) -> None:
    plant(
        tmp_path,
        {"model.py": "from backscroll.ids import parse", "ids.py": "def f():\n    from backscroll import model"},
    )
    assert import_cycle(tmp_path) is None
    plant(tmp_path, {"ids.py": "from backscroll.events import Seen", "events.py": "from . import model"})
    cycle = import_cycle(tmp_path)
    assert cycle is not None
    assert set(cycle) == {"backscroll.model", "backscroll.ids", "backscroll.events"}
