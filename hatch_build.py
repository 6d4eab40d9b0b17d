"""No wheel without the web page: it is built where that is possible, else the build is refused."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PAGE = Path("src/backscroll/web/static/index.html")
BUILDER = Path("tools/build_page.sh")


class RequirePage(BuildHookInterface[Any]):
    """An editable install needs none: there the page is built when somebody serves."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        if version == "editable" or (root / PAGE).is_file():
            return
        if (root / BUILDER).is_file():
            subprocess.run(["bash", str(BUILDER)], cwd=root, env={**os.environ, "PYTHON": sys.executable}, check=False)
        if not (root / PAGE).is_file():
            raise RuntimeError(f"{PAGE} is missing; build the page with Node.js 20 or newer, or with: make web")
