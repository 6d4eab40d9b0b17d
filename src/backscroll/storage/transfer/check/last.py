"""The result of the last check, stored beside the archive for the health page."""

from __future__ import annotations

import os
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from backscroll.storage.files.durable_files import writing
from backscroll.storage.transfer.check.findings import Finding

FILE = "last-check.json"
SHOWN = 10
MAX_BYTES = 1 << 20


class OrgFindings(Struct, frozen=True):
    """The number of faults in one organisation, and the first one in words."""

    count: int
    first: list[str]


class LastCheck(Struct, frozen=True, kw_only=True):
    """When a check ended (microseconds), whether it read the media files too, and what it found."""

    at: int
    media: bool
    orgs: dict[int, OrgFindings]
    """By the organisation's number; 0 is the database as a whole. Only those with findings."""

    def of(self, org: int) -> OrgFindings:
        """What concerns one organisation: the database as a whole, and its own rows."""
        found = [self.orgs[no] for no in (0, org) if no in self.orgs]
        return OrgFindings(sum(one.count for one in found), [text for one in found for text in one.first][:SHOWN])


def keep_check(data: Path, findings: Sequence[Finding], media: bool, now: int) -> None:
    """Remember what a check found. ``StorageError`` when the data directory cannot be written."""
    by_org: dict[int, list[str]] = defaultdict(list)
    for finding in findings:
        by_org[finding.org].append(str(finding))
    last = LastCheck(
        at=now, media=media, orgs={no: OrgFindings(len(texts), texts[:SHOWN]) for no, texts in by_org.items()}
    )
    with writing("the result of the check"):
        descriptor, name = tempfile.mkstemp(dir=data, prefix=f".{FILE}")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(msgspec.json.encode(last))
            Path(name).replace(data / FILE)
        except BaseException:
            with suppress(OSError):
                Path(name).unlink()
            raise


def last_check(data: Path) -> LastCheck | None:
    """What the last check found; None when none was kept, or it cannot be read."""
    try:
        with (data / FILE).open("rb") as file:
            return msgspec.json.decode(file.read(MAX_BYTES), type=LastCheck)
    except (OSError, msgspec.DecodeError):
        return None
