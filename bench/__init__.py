"""How fast, how small: the archive measured beside nginx. Not part of the package; see README.md here."""

import sys
from pathlib import Path

# Its servers are those of the tests. A package may bring a module `tests` of its own, so they go by their own names.
sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
