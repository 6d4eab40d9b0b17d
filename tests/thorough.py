"""How many examples a property test tries: few in the quick checks of a change, many in ``make test-full``."""

from __future__ import annotations

import os

FULL = os.environ.get("BACKSCROLL_TEST_FULL") == "1"


def examples(few: int, many: int) -> int:
    return many if FULL else few
