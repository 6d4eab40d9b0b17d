"""The numbers behind LIDs, as the library's session knows them from messages, groups and the phone's history."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

_CHUNK = 500
_MAX_KNOWN = 50_000
_USER, _LID = "@s.whatsapp.net", "@lid"


class Numbers:
    """Reads the session's file, and never writes to it."""

    def __init__(self, path: Path) -> None:
        self._uri = f"{path.absolute().as_uri()}?mode=ro"
        self._known: dict[str, str] = {}

    def of(self, lids: set[str]) -> dict[str, str]:
        """JIDs of numbers by LID, without those that are not known. Empty while there is no session to read."""
        wanted = sorted(lids - self._known.keys())
        if wanted:
            if len(self._known) > _MAX_KNOWN:
                self._known.clear()
            self._known |= self._read(wanted)
        return {lid: self._known[lid] for lid in sorted(lids) if lid in self._known}

    def _read(self, lids: list[str]) -> dict[str, str]:
        try:
            with closing(sqlite3.connect(self._uri, uri=True, timeout=5)) as db:
                return _read(db, [lid.removesuffix(_LID) for lid in lids])
        except sqlite3.Error:
            # No session yet, or one of another version of the library: the archive learns the numbers later.
            return {}


def _read(db: sqlite3.Connection, users: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for start in range(0, len(users), _CHUNK):
        part = users[start : start + _CHUNK]
        marks = ", ".join("?" * len(part))
        rows = db.execute(f"SELECT lid, pn FROM whatsmeow_lid_map WHERE lid IN ({marks})", part)  # noqa: S608
        found |= {f"{lid}{_LID}": f"{number}{_USER}" for lid, number in rows}
    return found
