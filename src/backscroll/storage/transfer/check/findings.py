"""The findings of a check, and its context."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

from msgspec import Struct

from backscroll.database.protocol import Txn
from backscroll.storage.files.keys import Sealer
from backscroll.storage.files.media import MediaStore

PAGE = 1000
"""Rows in memory at a time."""
MAX_FINDINGS = 1000
"""Maximum findings for one subject in one organisation; the rest is only mentioned."""

_REBUILD = "`backscroll check --repair` repairs it"
_RESTORE = "restore a backup, or export to JSONL and import it into a new archive"


class Finding(Struct, frozen=True):
    """A fault, named by ``what``: a sentence without its capital letter and full stop."""

    org: int
    """0 is the whole database."""
    what: str
    detail: str
    repairable: bool = False
    """Whether it can be derived from intact data, so that ``check --repair`` can rebuild it."""
    key: tuple[int | str, ...] = ()
    """What is to be rebuilt: the number of a message or contact, or phone, chat and id."""

    def __str__(self) -> str:
        where = f" in organisation {self.org}" if self.org else ""
        what = self.what[:1].upper() + self.what[1:]
        return f"{what}{where}: {self.detail}; {_REBUILD if self.repairable else _RESTORE}"


class Scan(Struct, frozen=True, kw_only=True):
    """One organisation in one reading transaction, with what lies beside the database."""

    tx: Txn
    org: int
    media: Path | MediaStore | None = None
    """The media folder, or what keeps files elsewhere; they are looked for only where it is given."""
    read_files: bool = False
    """Whether to read every file and compare its SHA-256."""
    sealer: Sealer | None = None

    def finding(self, what: str, detail: str, *, repairable: bool = False, key: tuple[int | str, ...] = ()) -> Finding:
        """A fault in this organisation. With a ``key`` it can be repaired."""
        return Finding(self.org, what, detail, repairable or bool(key), key)


Subject = Callable[[Scan], Iterable[Finding]]


def bounded(found: Iterable[Finding]) -> Iterator[Finding]:
    """The findings of one subject, limited to a number that a person can read."""
    several = iter(found)
    last: Finding | None = None
    for finding in islice(several, MAX_FINDINGS):
        yield finding
        last = finding
    if last is not None and next(several, None) is not None:
        yield Finding(last.org, last.what, f"and more than {MAX_FINDINGS} of the kind", last.repairable)
