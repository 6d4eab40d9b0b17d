"""The command line for tests: it runs in the same process, on a separate archive."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from backscroll.cli.main import main


class Shell:
    """Runs commands on a separate archive."""

    def __init__(self, data: Path, database: str | None = None) -> None:
        self.data = data
        self.database = database

    def run(self, *arguments: str, stdin: str | None = None) -> Result:
        environ: dict[str, str | None] = {name: None for name in os.environ if name.startswith("BACKSCROLL_")}
        return CliRunner().invoke(main, arguments, input=stdin, env=environ | place(self.data, self.database))

    def json(self, *arguments: str) -> Any:
        result = self.run(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def refusal(self, *arguments: str, code: int, stdin: str | None = None) -> str:
        """Run a command that must end with ``code``; returns the one sentence on its standard error."""
        result = self.run(*arguments, stdin=stdin)
        assert result.exit_code == code, result.output
        assert result.stdout == ""
        assert "Traceback" not in result.stderr
        return result.stderr


def place(data: Path, database: str | None) -> dict[str, str]:
    return {"BACKSCROLL_DATA": str(data)} | ({"BACKSCROLL_DATABASE": database} if database else {})
