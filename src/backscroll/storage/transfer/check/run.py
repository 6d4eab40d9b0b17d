"""A complete check: every subject in its own reading transaction. For operators, not for requests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from backscroll.core.errors import StorageBusy, StorageError
from backscroll.database.protocol import Engine, Txn
from backscroll.storage.accounts import accounts
from backscroll.storage.files.keys import Sealer
from backscroll.storage.files.media import MediaStore
from backscroll.storage.transfer.check.contacts import aliases, contacts, merges, phones
from backscroll.storage.transfer.check.counters import counters
from backscroll.storage.transfer.check.coverage import spans
from backscroll.storage.transfer.check.facts import contact_facts, labels
from backscroll.storage.transfer.check.findings import Finding, Scan, Subject, bounded
from backscroll.storage.transfer.check.imports import imports
from backscroll.storage.transfer.check.kept import files, organisation, payloads, quarantine, tokens
from backscroll.storage.transfer.check.messages import annotation_rows, messages, observation_rows
from backscroll.storage.transfer.check.search import search
from backscroll.storage.transfer.check.structure import structure
from backscroll.storage.transfer.check.webhooks import webhooks

SUBJECTS: tuple[Subject, ...] = (
    organisation,
    tokens,
    phones,
    contacts,
    contact_facts,
    labels,
    aliases,
    merges,
    messages,
    observation_rows,
    annotation_rows,
    counters,
    search,
    payloads,
    quarantine,
    files,
    imports,
    spans,
    webhooks,
)
"""Each reads its own tables with bounded memory, whatever the size of the archive."""

_ODD_VALUES = (TypeError, ValueError, KeyError, ArithmeticError, AttributeError)
"""What a value of another type than its column's leads to where nobody looked at it by itself."""


def findings(
    engine: Engine, sealer: Sealer | None, media: Path | MediaStore | None, read_files: bool
) -> Iterator[Finding]:
    """All faults; none in a sound archive. ``media`` None leaves files alone."""
    if engine.name == "sqlite":
        # Every page is read once; mapped, the whole file would count as this process's memory.
        engine.read(lambda tx: tx.all("map_nothing", {}))
    with ThreadPoolExecutor(1) as pool:
        # On a connection of its own: what one remembers of a full-text index may be older than the file.
        look = partial(_looked_at, engine, None, "structure", lambda tx: structure(tx, engine.name))
        yield from pool.submit(look).result()
    for org in engine.read(accounts.list_orgs):
        for subject in SUBJECTS:

            def look_at(tx: Txn, subject: Subject = subject, org: int = org.no) -> Iterable[Finding]:
                return subject(Scan(tx=tx, org=org, media=media, read_files=read_files, sealer=sealer))

            yield from _looked_at(engine, org.no, subject.__name__, look_at)


def findings_of_org(tx: Txn, org: int) -> list[Finding]:
    """The faults in one organisation's rows, all found in one transaction."""
    scan = Scan(tx=tx, org=org)
    return [finding for subject in SUBJECTS for finding in subject(scan)]


def _looked_at(
    engine: Engine, org: int | None, name: str, look: Callable[[Txn], Iterable[Finding]]
) -> Iterable[Finding]:
    try:
        return engine.read(lambda tx: list(bounded(look(tx))), org)
    except StorageBusy:
        raise
    except StorageError as error:
        return [Finding(org or 0, "table cannot be read", f"{name}: {error}")]
    except _ODD_VALUES as error:
        return [Finding(org or 0, "table cannot be read", f"{name}: a value of another type ({type(error).__name__})")]
