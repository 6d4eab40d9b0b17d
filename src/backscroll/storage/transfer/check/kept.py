"""What is kept beside messages: organisations, tokens, the change feed, payloads, quarantine and files."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Iterator
from pathlib import Path

import zstandard

from backscroll.core.errors import Error
from backscroll.core.model import SOURCE_RANK
from backscroll.core.text import counted
from backscroll.storage.accounts.accounts import SCOPES
from backscroll.storage.files.media import MediaStore
from backscroll.storage.records.org_state import read_org_state
from backscroll.storage.records.rows import phone_rows
from backscroll.storage.transfer.check.findings import MAX_FINDINGS, PAGE, Finding, Scan

_PAYLOADS = 10
"""Payloads in memory at a time."""
_HASH_BYTES = 32
_SHA256 = re.compile(r"[0-9a-f]{64}")
NUMBERS = "next number is wrong"


def organisation(scan: Scan) -> Iterator[Finding]:
    """The organisation's row and its counter row."""
    named = {no: (id, name) for no, id, name, _ in scan.tx.all("list_orgs", {})}
    id, name = named[scan.org]
    try:
        is_id = str(uuid.UUID(id)) == id
    except (ValueError, AttributeError, TypeError):
        is_id = False
    if not is_id or not isinstance(name, str) or not name.strip():
        yield scan.finding("organisation cannot be decoded", "its id is no UUID, or it has no name")
    head = read_org_state(scan.tx, scan.org)
    if head is None:
        yield scan.finding(NUMBERS, "the counter row is missing")
        return
    for table, highest in scan.tx.all("highest_numbers", {"org": scan.org}):
        if highest is not None and highest >= head.next_no:
            yield scan.finding(NUMBERS, f"the next is {head.next_no}, but {table} has {highest}", repairable=True)
    if head.named > head.seq:
        yield scan.finding("change feed has gaps", f"head {head.seq}, but names changed at {head.named}")
    yield from _changes(scan, head.seq, head.pruned, head.next_no)


def _changes(scan: Scan, seq: int, pruned: int, next_no: int) -> Iterator[Finding]:
    """Every line after those that were pruned."""
    expected = (seq - pruned, pruned + 1, seq) if seq > pruned else (0, None, None)
    for count, first, last in scan.tx.all("count_changes", {"org": scan.org}):
        if (count, first, last) != expected or pruned > seq:
            told = f"head {seq}, pruned up to {pruned}, {counted(count, 'change')} from {first} to {last}"
            yield scan.finding("change feed has gaps", told)
    params = {"org": scan.org, "next_no": max(next_no, 1), "limit": MAX_FINDINGS}
    for at, what, no in scan.tx.all("odd_changes", params):
        yield scan.finding("change cannot be decoded", f"change {at}: {what!r:.40} {no}")


def tokens(scan: Scan) -> Iterator[Finding]:
    """Tokens: a hash to compare with, phones that are there, scopes that are known."""
    phones = {row.phone for row in phone_rows(scan.tx, scan.org)}
    for token, hash, _, listed, scopes, *times in scan.tx.all("every_token", {"org": scan.org}):
        problem = None
        if len(bytes(hash)) != _HASH_BYTES:
            problem = "its hash is none"
        elif not isinstance(scopes, str) or not set(scopes.split()) <= SCOPES:
            problem = "its scopes are unknown"
        elif not all(at is None or isinstance(at, int) for at in times):
            problem = "one of its times is none"
        elif listed is not None and not _are_phones(listed, phones):
            problem = "it names phones that are not there"
        if problem:
            yield scan.finding("token cannot be decoded", f"token {token!r:.40}: {problem}")


def _are_phones(listed: object, phones: set[int]) -> bool:
    try:
        named = json.loads(str(listed))
    except ValueError:
        return False
    return isinstance(named, list) and all(phone in phones for phone in named)


def payloads(scan: Scan) -> Iterator[Finding]:
    """What sources sent is what it was when it came."""
    after = -(2**63)
    while rows := scan.tx.all("raws_after", {"org": scan.org, "after": after, "limit": _PAYLOADS}):
        after = rows[-1][0]
        for raw, digest, source, size, packed in rows:
            if problem := _problem_of_payload(digest, source, size, packed):
                yield scan.finding("payload differs from what was received", f"payload {raw}: {problem}")


def _problem_of_payload(digest: str, source: str, size: int, packed: object) -> str | None:
    if source not in SOURCE_RANK:
        return f"its source {source!r:.40} is unknown"
    if not isinstance(packed, bytes | memoryview):
        return "it is not bytes"
    found = hashlib.sha256()
    read = 0
    try:
        # Its size is what the row says, not what the bytes claim: memory stays bounded.
        for chunk in zstandard.ZstdDecompressor().read_to_iter(bytes(packed)):
            found.update(chunk)
            read += len(chunk)
            if read > size:
                return "it is longer than it was"
    except zstandard.ZstdError as error:
        return f"it cannot be unpacked ({error})"
    return None if read == size and found.hexdigest() == digest else "it has another SHA-256 than it had"


def quarantine(scan: Scan) -> Iterator[Finding]:
    """What could not be understood opens with the archive's key, and is what it was."""
    after = -(2**63)
    while rows := scan.tx.all("quarantined_after", {"org": scan.org, "after": after, "limit": _PAYLOADS}):
        after = rows[-1][0]
        for no, _, digest, sealed in rows:
            if scan.sealer is None:
                yield scan.finding("quarantined input does not open with the key", f"entry {no}: there is no key file")
                continue
            try:
                opened = scan.sealer.unseal(bytes(sealed))
            except Error as error:
                yield scan.finding("quarantined input does not open with the key", f"entry {no}: {error}")
                continue
            if hashlib.sha256(opened).hexdigest() != digest:
                yield scan.finding(
                    "quarantined input differs from what was received", f"entry {no} has another SHA-256 than it had"
                )


def files(scan: Scan) -> Iterator[Finding]:
    """Files of messages lie in the media folder, of the size that they had; on demand every byte is read."""
    if scan.media is None:
        return
    after = ""
    while rows := scan.tx.all("dump_files", {"org": scan.org, "after": after, "limit": PAGE}):
        for name, size, _ in rows:
            found = _size(scan.media, scan.org, name)
            if found is None:
                yield scan.finding("file of a message is missing", f"{name!r:.70} is not in the media folder")
            elif size and found != size:
                yield scan.finding("file of a message is damaged", f"{name} has another size than it had")
            elif scan.read_files and not _is_whole(scan.media, scan.org, name):
                yield scan.finding("file of a message is damaged", f"{name} has another SHA-256 than its name")
        after = rows[-1][0]


def _size(media: Path | MediaStore, org: int, name: object) -> int | None:
    """Bytes of a file; None when there is none."""
    if not isinstance(name, str) or not _SHA256.fullmatch(name):
        return None
    if isinstance(media, MediaStore):
        return media.stored_size(org, name)
    path = _place(media, org, name)
    return path.stat().st_size if path.is_file() else None


def _place(media: Path, org: int, name: str) -> Path:
    return media / str(org) / name[:2] / name


def _is_whole(media: Path | MediaStore, org: int, name: str) -> bool:
    if isinstance(media, MediaStore):
        return media.verify(org, name)
    with _place(media, org, name).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == name
