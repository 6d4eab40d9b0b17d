"""Measures speed and size of the archive beside nginx. Not part of the package; see README.md here."""

import sys
from pathlib import Path

# The servers come from the tests. Their modules are imported by bare names: a package may have a module `tests`.
sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
