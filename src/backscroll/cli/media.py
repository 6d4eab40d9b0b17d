"""``backscroll media``: fetching files that the archive does not have yet, and moving files to an object store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from backscroll.cli.common import (
    Archive,
    Commands,
    Failure,
    Misuse,
    json_option,
    open_archive,
    org_option,
    owners_of,
    phone_of,
    progress,
    settings_of,
    shared_options,
    show,
)
from backscroll.core.model import Org
from backscroll.core.text import counted

if TYPE_CHECKING:
    from backscroll.storage.store import Store
    from backscroll.storage.write.fetches import QueuedFile

PAGE = 500
KINDS = ("image", "video", "video_note", "voice", "audio", "document", "sticker")


@click.group(cls=Commands)
def media() -> None:
    """Media: fetch missing files of messages, move files to an object store."""


@media.command("fetch")
@org_option
@click.option("--phone", metavar="NUMBER", help="Only files of this phone of yours.")
@click.option("--chat", metavar="JID", help="Only files of this chat.")
@click.option("--retry-failed", is_flag=True, help="Also retry files that were given up.")
@json_option
@shared_options
@click.pass_context
def fetch(
    ctx: click.Context, org: str | None, phone: str | None, chat: str | None, retry_failed: bool, as_json: bool
) -> None:
    """Fetch the files that messages refer to and the archive does not have, from the gateways that keep them.

    The server does so by itself when a message comes in, and retries with growing pauses. Files that are no longer
    available may still be found in an export or a backup of the phone.

    \b
    Example:
      backscroll media fetch --retry-failed
    """
    settings = settings_of(ctx)
    rows: list[dict[str, Any]] = []
    with open_archive(settings) as archive, progress("Fetching") as report:
        for owner in owners_of(archive.store, org):
            phones = [phone_of(archive.store, owner, phone).no] if phone else []
            phones = phones or [own.no for own in archive.store.list_phones(owner.no)]
            rows.append(_fetch_all(archive, owner, phones, chat, retry_failed, report))
    show(rows, as_json, lambda: "\n".join(_told(row) for row in rows))


@media.command("push")
@json_option
@shared_options
@click.pass_context
def push(ctx: click.Context, as_json: bool) -> None:
    """Upload the media files of the data directory to the object store in the setting media.

    For an archive that moves there, and after a restore. Files that are already in the store are skipped.

    \b
    Example:
      backscroll media push
    """
    settings = settings_of(ctx)
    if settings.media is None:
        raise Misuse("There is no object store: set media, for instance to s3://bucket/archive")
    pushed = 0
    with open_archive(settings) as archive, progress("Uploading") as report:
        files = [(org.no, file) for org in archive.store.list_orgs() for file in archive.media.local_files(org.no)]
        for at, (org_no, file) in enumerate(files, 1):
            pushed += archive.media.push(org_no, file)
            report(at, len(files))
    row = {"files": len(files), "pushed": pushed}
    told = f"Uploaded {counted(pushed, 'file')} to {settings.media}; {len(files) - pushed} were already there."
    show(row, as_json, lambda: told)


def _fetch_all(
    archive: Archive, owner: Org, phones: list[int], chat: str | None, retry_failed: bool, report: Any
) -> dict[str, Any]:
    from backscroll.ingest.media import Downloads
    from backscroll.jobs.downloads import fetch_due

    store = archive.store
    _queue_missing(archive, owner, phones, chat)
    wanted = _make_due(store, owner, phones, _jids(store, owner, chat), retry_failed)
    problems: Counter[str] = Counter()
    done = 0

    def note(file: QueuedFile, problem: str | None) -> None:
        nonlocal done
        done += 1
        report(done, max(done, wanted))
        if problem is not None:
            problems[problem] += 1

    with Downloads(store, archive.media, archive.settings.max_media_bytes) as downloads:
        found = fetch_due(store, downloads, owner.no, report=note)
    if wanted and not found.done and not found.failed and store.fetches.due(owner.no, 1):
        raise Failure(
            "Another process is fetching files at the moment; your files are queued, and it will fetch them too"
        )
    waiting, given_up = store.fetches.counts(owner.no)
    return {
        "org": owner.name,
        "fetched": found.done,
        "failed": found.failed,
        "problems": dict(problems.most_common()),
        "waiting": waiting,
        "given_up": given_up,
    }


def _jids(store: Store, owner: Org, chat: str | None) -> set[str] | None:
    if chat is None:
        return None
    from backscroll.storage.read.finding import jids_of

    return store.ask(owner.no, lambda reading: jids_of(reading, chat))


def _queue_missing(archive: Archive, owner: Org, phones: list[int], chat: str | None) -> None:
    """Queue files of messages that were never queued, such as those that are older than the queue."""
    from backscroll.core.query import MediaQuery
    from backscroll.storage.read.media_lists import list_media
    from backscroll.storage.write.fetches import QueuedFile, is_fetchable

    for phone in phones:
        before = None
        while True:
            query = MediaQuery(org=owner.no, phones=(phone,), kinds=KINDS, chat=chat, before=before, limit=PAGE)
            page = archive.store.ask(owner.no, lambda reading, query=query: list_media(reading, query))  # type: ignore[misc]
            for archived in page.messages:
                told, key = archived.message.details.media, archived.message.key
                if told is None or not is_fetchable(told.url):
                    continue
                if told.file is None or not archive.media.exists(owner.no, told.file):
                    about: Any = {"chat": key.chat, "id": key.id, "sender": key.sender, "url": told.url}
                    archive.store.fetches.add(owner.no, QueuedFile(phone=phone, source=None, **about))
            if not page.more or not page.messages:
                break
            before = (page.messages[-1].message.sent_at, page.messages[-1].no)


def _make_due(store: Store, owner: Org, phones: Iterable[int], jids: set[str] | None, retry_failed: bool) -> int:
    """Make them due for another attempt now; returns how many."""
    due = 0
    for file in list(store.fetches.walk(owner.no)):
        if file.phone not in phones or (jids is not None and file.chat not in jids):
            continue
        if file.next_at is not None or retry_failed:
            store.fetches.postpone(owner.no, file, 0 if file.next_at is None else file.tries, 0, file.problem)
            due += 1
    return due


def _told(row: dict[str, Any]) -> str:
    lines = [f"{row['org']}: fetched {counted(row['fetched'], 'file')}; {row['failed']} could not be fetched."]
    lines += [f"  {count} × {problem}" for problem, count in row["problems"].items()]
    if row["waiting"]:
        lines.append(f"  {counted(row['waiting'], 'file')} will be retried by the server.")
    if row["given_up"]:
        given_up = counted(row["given_up"], "file")
        lines.append(
            f"  {given_up} given up: use --retry-failed to try again; an export or a backup may also have them."
        )
    return "\n".join(lines)
