"""Writes src/backscroll/ingest/connectors/export/meridiems.py from CLDR. Needs Babel; run once per CLDR release.

python tools/make_meridiems.py > src/backscroll/ingest/connectors/export/meridiems.py
"""

from __future__ import annotations

import textwrap
import unicodedata
from collections import defaultdict

from babel import Locale, localedata  # type: ignore[import-untyped,import-not-found,unused-ignore]

HEAD = '''"""Words for the halves of the day in all languages of CLDR. Made by tools/make_meridiems.py.

Folded as ``header.fold_word`` does; words that mean both halves in different languages are left out.
"""

from __future__ import annotations
'''


def fold_word(word: str) -> str:
    folded = unicodedata.normalize("NFKC", word).casefold()
    return "".join(c for c in folded if unicodedata.category(c)[0] not in "ZCP" or c == "/")


def usable(word: str) -> bool:
    return bool(word) and not word.isdigit() and (word in "ap" or len(word) > 1 or not word.isascii())


def halves() -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for name in localedata.locale_identifiers():
        periods = Locale.parse(name).day_periods
        for context in ("format", "stand-alone"):
            for width in ("abbreviated", "wide"):
                names = periods.get(context, {}).get(width, {})
                for half in ("am", "pm"):
                    if half in names:
                        found[fold_word(names[half])].add(half)
    return found


def table(name: str, half: str, found: dict[str, set[str]]) -> str:
    words = sorted(word for word, seen in found.items() if seen == {half} and usable(word))
    lines = textwrap.wrap(" ".join(words), 114, break_long_words=False, break_on_hyphens=False)
    body = "\n".join(f"    {line}" for line in lines)
    return f'\n_{name} = """\n{body}\n"""\n{name} = frozenset(_{name}.split())\n'


if __name__ == "__main__":
    found = halves()
    print(HEAD + table("MORNING", "am", found) + table("AFTERNOON", "pm", found), end="")
