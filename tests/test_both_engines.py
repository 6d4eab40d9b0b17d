"""Tests that open an archive must run on both engines, by ``database_url`` or ``own_database``, or be listed here."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import cast

import pytest

TESTS = Path(__file__).parent
FOLDERS = ("cli", "concurrency", "connectors", "contract", "database", "dialects", "ingest", "npm", "storage")
PARAMETERS = {"database_url", "own_database", "other_database_url", "spare_database_url"}
"""The fixtures that run a test once on each engine."""
TEMPLATES = {"empty_archive", "empty_file"}
"""Fixtures that make templates for others to copy. They open an archive on one engine, but test nothing."""
OPENERS = {"Store", "open_store", "make_engine", "SqliteEngine", "PostgresEngine", "open_archive", "CliRunner", "serve"}
"""What opens an archive: names of classes and functions, and the command where it is a word of a command line."""

BOTH_AT_ONCE = "compares or joins the two engines, or has a parameter of its own"
POSTGRES = "a matter of PostgreSQL alone"
SQLITE = "a matter of SQLite alone: its file, its one writer, its pragmas, its plans"
COMMANDS = "how a command finds its files and words its answers; what it imports is tried on both engines"
ONE_ENGINE: dict[str, str] = {
    "cli/test_endings.py": "how commands end does not depend on the engine",
    "cli/test_guards.py::test_a_mistyped_directory_is_an_error_and_stays_absent": (
        f"{SQLITE}; the next test is PostgreSQL's"
    ),
    "cli/test_guards.py::test_an_empty_database_on_postgres_is_not_made_an_archive_by_reading": POSTGRES,
    "cli/test_guards.py::test_a_file_that_is_no_archive_is_neither_taken_for_one_nor_changed": SQLITE,
    "contract/test_engines.py": BOTH_AT_ONCE,
    "ingest/test_database_imports.py::test_the_commands_find_what_lies_beside_and_name_what_is_wrong": COMMANDS,
    "ingest/test_database_kinds.py::test_the_bare_command_recognises_and_says_what_is_missing": COMMANDS,
    "ingest/test_evolution_import.py::test_the_command_takes_the_url_from_its_variable": COMMANDS,
    "ingest/test_ios_import.py::test_the_command_makes_the_phone_that_the_backup_names": COMMANDS,
    "ingest/test_ios_import.py::test_the_command_takes_the_password_from_the_environment": COMMANDS,
    "ingest/test_ios_import.py::test_the_bare_command_recognises_backups_also_in_the_folder_of_all": COMMANDS,
    "ingest/test_msgstore_import.py::test_the_command_imports_with_the_key_from_a_file_or_a_variable": COMMANDS,
    "ingest/test_msgstore_import.py::test_the_command_names_a_wrong_key_and_a_missing_phone": COMMANDS,
    "storage/test_backup.py": BOTH_AT_ONCE,
    "storage/test_copy.py": BOTH_AT_ONCE,
    "storage/test_engines_agree.py": BOTH_AT_ONCE,
    "storage/search/test_search_engines.py": BOTH_AT_ONCE,
    "database/test_one_version_apart.py": BOTH_AT_ONCE,
    "database/test_migration_of_quarantine.py": BOTH_AT_ONCE,
    "database/test_citus_rules.py": POSTGRES,
    "database/test_citus.py": POSTGRES,
    "concurrency/test_greenlets.py": POSTGRES,
    "database/test_postgres.py": POSTGRES,
    "database/test_postgres_restarts.py": POSTGRES,
    "database/test_row_security.py": POSTGRES,
    "database/test_sqlite_turns.py": SQLITE,
    "database/test_sqlite_parameters.py": SQLITE,
    "database/test_migrate.py": f"{SQLITE}; test_one_version_apart.py has both",
    "storage/test_store_schema.py": f"{SQLITE}; test_postgres.py and test_citus_rules.py have PostgreSQL's",
    "storage/test_group_commit.py::test_every_acknowledged_message_of_sixteen_threads_is_there_after_kill_9": SQLITE,
    "storage/test_chat_lists.py::test_every_table_of_a_page_is_read_by_its_index": (
        f"{SQLITE}; test_postgres.py has PostgreSQL's plans"
    ),
    "storage/test_leases.py::test_postgresqls_clock_counts_and_not_the_machines": POSTGRES,
    "storage/test_merge.py::test_each_step_of_a_move_changes_a_bounded_number_of_rows": f"{SQLITE}; it counts them",
    "storage/test_merge.py::test_two_chats_of_100_000_merge_without_holding_the_writer_for_a_second": SQLITE,
    "storage/test_merge.py::test_a_move_lets_others_write_after_each_step": f"{SQLITE}; it counts its transactions",
    "storage/test_object_store.py": "where files lie does not depend on the engine",
    "storage/test_crash_images.py": f"{SQLITE}; test_postgres_restarts.py kills the server",
    "storage/test_store_check.py::test_a_damage_that_only_sqlite_can_hold_is_found": SQLITE,
    "storage/test_store_durability.py::test_every_commit_is_synced_to_a_write_ahead_log": SQLITE,
    "storage/test_store_durability.py::test_a_full_disk_is_said_loses_nothing_and_writing_goes_on_after": SQLITE,
    "storage/test_store_durability.py::test_how_fast_batches_and_single_messages_are_written": "only measures",
}
"""Modules, or single tests, that need not run on both engines, and why."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


class Module:
    """A file of tests or helpers: its fixtures, its other definitions, and what it imports from other files here."""

    def __init__(self, path: Path, tests: Path) -> None:
        self._tests = tests
        self._folder = path.parent
        self.fixtures: dict[str, ast.stmt] = {}
        self.names: dict[str, ast.stmt] = {}
        self._imports: dict[str, tuple[Path, str]] = {}
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, Function | ast.ClassDef):
                (self.fixtures if is_fixture(node) else self.names)[node.name] = node
            elif isinstance(node, ast.Assign):
                self.names |= {target.id: node for target in node.targets if isinstance(target, ast.Name)}
            elif isinstance(node, ast.ImportFrom) and (file := self._ours(node.module or "")):
                self._imports |= {alias.asname or alias.name: (file, alias.name) for alias in node.names}

    def _ours(self, module: str) -> Path | None:
        name = f"{module.replace('.', '/')}.py"
        return next((place / name for place in (self._tests, self._folder) if (place / name).is_file()), None)

    def named(self, name: str) -> Found | None:
        if name in self.names:
            return self, self.names[name]
        file, there = self._imports.get(name, (None, ""))
        return None if file is None else parsed(file, self._tests).named(there)

    def fixture(self, name: str) -> Found | None:
        files = (place / "conftest.py" for place in (self._folder, self._tests))
        for module in (self, *(parsed(file, self._tests) for file in files if file.is_file())):
            if name in module.fixtures:
                return module, module.fixtures[name]
        return None


Found = tuple[Module, ast.stmt]


@lru_cache(maxsize=256)
def parsed(path: Path, tests: Path) -> Module:
    return Module(path, tests)


def is_fixture(node: ast.stmt) -> bool:
    return isinstance(node, Function) and any("fixture" in ast.unparse(one) for one in node.decorator_list)


def asked_for(node: ast.stmt) -> set[str]:
    """The fixtures that a test or a fixture requests."""
    if not isinstance(node, Function) or not (is_fixture(node) or node.name.startswith("test_")):
        return set()
    later = (part for part in ast.walk(node) if isinstance(part, ast.Call) and "getfixturevalue" in ast.dump(part.func))
    return {arg.arg for arg in node.args.args} | {word_of(one) for part in later for one in part.args}


def word_of(node: ast.AST) -> str:
    """The text of a string constant; an empty string for any other node."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


@lru_cache(maxsize=10_000)
def used(node: ast.stmt) -> frozenset[str]:
    """Every name in a definition, words of command lines included, but without annotations."""
    found, waiting = set(), [cast(ast.AST, node)]
    while waiting:
        at = waiting.pop()
        if isinstance(at, ast.Name):
            found.add(at.id)
        elif isinstance(at, ast.Attribute):
            found.add(at.attr)
        found.add(word_of(at))
        fields = (field for name, field in ast.iter_fields(at) if name not in ("annotation", "returns"))
        parts = (part for field in fields for part in (field if isinstance(field, list) else [field]))
        waiting += [part for part in parts if isinstance(part, ast.AST)]
    return frozenset(found)


def opens_on_one_engine(module: Module, test: ast.stmt) -> bool:
    """Whether a test, or a fixture that it uses, opens an archive without running on each engine."""
    return any(opens(*found) and not is_asked_of_each(*found) for found in with_fixtures(module, test))


def with_fixtures(module: Module, test: ast.stmt) -> list[Found]:
    """The test and every fixture that it uses, directly or through others."""
    met: list[Found] = [(module, test)]
    for here, node in met:
        names = asked_for(node) - PARAMETERS - TEMPLATES
        met += [found for found in map(here.fixture, names) if found and found not in met]
    return met


def is_asked_of_each(module: Module, node: ast.stmt) -> bool:
    return any(asked_for(behind) & PARAMETERS for _, behind in with_fixtures(module, node))


def opens(module: Module, node: ast.stmt) -> bool:
    """Whether it opens an archive, directly or through helpers."""
    met: list[Found] = [(module, node)]
    for here, at in met:
        met += [found for found in map(here.named, used(at)) if found and found not in met]
    return any(used(at) & OPENERS for _, at in met)


def each_test(module: Module) -> Iterator[tuple[str, ast.stmt]]:
    for name, node in module.names.items():
        if name.startswith("test_"):
            yield name, node
        elif name.startswith("Test") and isinstance(node, ast.ClassDef):
            yield from ((f"{name}.{part.name}", part) for part in node.body if isinstance(part, ast.FunctionDef))


def on_one_engine(tests: Path) -> list[str]:
    """Tests that open an archive but do not run on each engine, as ``file::test``."""
    found = []
    for folder in FOLDERS:
        for file in sorted((tests / folder).rglob("test_*.py")):
            module = parsed(file, tests)
            for name, node in each_test(module):
                if opens_on_one_engine(module, node):
                    found.append(f"{file.relative_to(tests)}::{name}")
    return found


def excused(test: str) -> bool:
    return test in ONE_ENGINE or test.partition("::")[0] in ONE_ENGINE


def test_every_test_that_opens_an_archive_runs_on_both_engines() -> None:
    wrong = [test for test in on_one_engine(TESTS) if not excused(test)]
    assert wrong == [], "give them database_url or own_database (tests/conftest.py)"


def test_what_may_run_on_one_engine_is_there_and_needs_to_be_named() -> None:
    alone = on_one_engine(TESTS)
    assert [name for name in ONE_ENGINE if not any(name in (test, test.partition("::")[0]) for test in alone)] == []


PLANTED = {
    "a store": "def test_it(tmp_path): open_store(None, tmp_path)",
    "an engine": "def test_it(tmp_path): Store(sqlite.SqliteEngine(tmp_path), tmp_path)",
    "a fixture": "@pytest.fixture\ndef made(tmp_path): return open_store(None, tmp_path)\n\ndef test_it(made): ...",
    "a class": "class Shelf:\n    def __init__(self): self.store = open_store(None, '')\n\ndef test_it(): Shelf()",
    "a subclass": "class Archive(Store): ...\n\ndef test_it(): Archive(None, None)",
    "a helper": "from contract.world import World\n\ndef test_it(tmp_path): World(tmp_path)",
    "a command": "def test_it(): CliRunner().invoke(main, ['org', 'list'])",
    "a server": "def test_it(): subprocess.run(['backscroll', 'serve'])",
    "one of two": "@pytest.fixture\ndef made(): return open_store(None, '')\n\ndef test_it(store, made): ...",
    "a test of a class": "class TestStore:\n    def test_it(self): open_store(None, '')",
}
GOOD = {
    "a parameter": "def test_it(tmp_path, database_url): open_store(database_url, tmp_path)",
    "a fixture": "def test_it(store): store.list_orgs()",
    "a fixture of a folder": "def test_it(world): world.tell()",
    "no archive": "def test_it(): assert parse('serve ') and fold(1)",
    "a type": "def test_it(made: Store) -> Store: return made",
    "a longer way": "@pytest.fixture\ndef shelf(own_database): return Shelf(own_database())\n\ndef test_it(shelf): ...",
}


def planted(tmp_path: Path, text: str) -> list[str]:
    folder = tmp_path / "contract"
    folder.mkdir()
    for name in ("conftest.py", "contract/conftest.py", "contract/world.py", "contract/bakery.py"):
        (tmp_path / name).write_text((TESTS / name).read_text("utf-8"))
    (folder / "test_planted.py").write_text(text)
    return [test.partition("::")[0] for test in on_one_engine(tmp_path)]


@pytest.mark.parametrize("text", PLANTED.values(), ids=list(PLANTED))
def test_a_planted_test_on_one_engine_is_found(tmp_path: Path, text: str) -> None:
    assert planted(tmp_path, text) == ["contract/test_planted.py"]


@pytest.mark.parametrize("text", GOOD.values(), ids=list(GOOD))
def test_a_test_on_both_engines_is_left_alone(tmp_path: Path, text: str) -> None:
    assert planted(tmp_path, text) == []
