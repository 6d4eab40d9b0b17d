"""What must be documented is documented, and the generated pages are up to date."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from backscroll.config import SETTINGS, Setting
from backscroll.http.app import ROUTES

ROOT = Path(__file__).parent.parent
CONNECTORS = ROOT / "src" / "backscroll" / "ingest" / "connectors"


def docs() -> str:
    return "\n".join(page.read_text("utf-8") for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))])


def generator(*flags: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "tools" / "generate_docs.py"), *flags]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_the_generated_pages_are_those_of_this_program() -> None:
    done = generator("--check")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_each_setting_says_what_it_does_in_a_sentence(setting: Setting) -> None:
    assert setting.help.endswith(".")
    assert f"## `{setting.name}`" in docs()


def test_each_route_is_described() -> None:
    text = docs()
    listed = [f"{route.method} {route.path}" for route in ROUTES if route.listed]
    assert listed
    assert [route for route in listed if route not in text] == []


def test_each_connector_has_a_page_of_its_own_beside_it() -> None:
    folders = [path for path in sorted(CONNECTORS.iterdir()) if (path / "__init__.py").is_file()]
    assert folders
    for folder in folders:
        assert (folder / f"{folder.name}.md").read_text("utf-8").startswith("# ")


def test_each_markdown_link_inside_the_docs_leads_somewhere() -> None:
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} links to {target}"


def _rows_of_tables(text: str) -> list[tuple[str, str]]:
    """Each row of a Markdown table beside its table's header."""
    rows: list[tuple[str, str]] = []
    header: str | None = None
    for line in re.sub(r"```.*?```", "", text, flags=re.DOTALL).split("\n"):
        if not line.startswith("|"):
            header = None
        elif header is None:
            header = line
        else:
            rows.append((header, line))
    return rows


def test_each_row_of_a_table_has_as_many_cells_as_its_header() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "src").rglob("*.md")]
    rows = [(page, *row) for page in sorted(pages) for row in _rows_of_tables(page.read_text("utf-8"))]
    bars = re.compile(r"(?<!\\)\|")
    wrong = [
        f"{page.relative_to(ROOT)}: {row[:80]}"
        for page, header, row in rows
        if len(bars.findall(row)) != len(bars.findall(header))
    ]
    assert rows
    assert wrong == []
