"""Which messages exist only because of certain imports."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from backscroll.storage.read.names import Reading
from backscroll.storage.records.tellers import decode_tellers

_CHUNK = 400


def told_only_by(reading: Reading, nos: Sequence[int], imports: Collection[int]) -> set[int]:
    """Of messages with these numbers, those that would be gone without the imports."""
    found: set[int] = set()
    for start in range(0, len(nos), _CHUNK):
        found |= _some(reading, nos[start : start + _CHUNK], sorted(imports))
    return found


def _some(reading: Reading, nos: Sequence[int], imports: Sequence[int]) -> set[int]:
    base = {"org": reading.org, "imports": imports}
    brought = {no for (no,) in reading.tx.all("brought_by_imports", base | {"nos": nos})}
    if not brought:
        return set()
    params = base | {"nos": sorted(brought)}
    alone = brought - {no for (no,) in reading.tx.all("retold_by_others", params)}
    beside = reading.tx.all("tellers_beside", {"org": reading.org, "nos": sorted(alone)}) if alone else []
    return alone - {no for no, told in beside if not set(decode_tellers(told)) <= set(imports)}
