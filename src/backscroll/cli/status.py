"""Which archive this is and what it holds."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from backscroll.cli.common import (
    json_option,
    opened_store,
    settings_of,
    shared_options,
    show,
    table,
    timestamp,
)
from backscroll.core.model import Org, Phone
from backscroll.core.query import ChatQuery, MessageQuery
from backscroll.core.text import counted

if TYPE_CHECKING:
    from backscroll.config import Settings
    from backscroll.storage.store import Store


@click.command()
@json_option
@shared_options
@click.pass_context
def status(ctx: click.Context, as_json: bool) -> None:
    """Show which archive this is, how many messages it holds, when the last one came in, and the state of each phone.

    \b
    Example:
      backscroll status --data /srv/backscroll
    """
    settings = settings_of(ctx)
    with opened_store(settings) as store:
        row = status_row(store, settings)
    show(row, as_json, lambda: _lines(row))


def status_row(store: Store, settings: Settings) -> dict[str, Any]:
    """Everything that ``status`` shows. Reads only counters and newest rows, so its time does not grow with the
    archive.
    """
    from backscroll.storage.files.keys import KEY_FILE
    from backscroll.storage.files.opening import sqlite_file

    file = sqlite_file(settings.database, settings.data)
    orgs = [_org_row(store, org) for org in store.list_orgs()]
    return {
        "data": str(settings.data),
        "engine": "sqlite" if file else "postgresql",
        "database": str(file) if file else None,
        "database_bytes": _size(file),
        "archive": store.archive_id(),
        "schema": store.schema(),
        "key": "present" if (settings.data / KEY_FILE).is_file() else "missing",
        "messages": sum(org["messages"] for org in orgs),
        "orgs": orgs,
    }


def _size(file: Path | None) -> int | None:
    return file.stat().st_size if file and file.is_file() else None


def _org_row(store: Store, org: Org) -> dict[str, Any]:
    from backscroll.ingest.source_state import is_silent

    now = time.time_ns() // 1000
    silent = {source.phone for source in store.sources.of(org.no) if is_silent(source, now)}
    phones = [_phone_row(store, org, phone, phone.no in silent) for phone in store.list_phones(org.no)]
    stored = store.last_stored(org.no)
    return {
        "id": org.id,
        "name": org.name,
        "messages": sum(phone["messages"] for phone in phones),
        "last_stored_at": timestamp(stored.at) if stored else None,
        "last_source": stored.source if stored else None,
        "phones": phones,
    }


def _phone_row(store: Store, org: Org, phone: Phone, silent: bool) -> dict[str, Any]:
    page = store.list_messages(MessageQuery(org=org.no, phones=(phone.no,), limit=1))
    chats = store.list_chats(ChatQuery(org=org.no, phones=(phone.no,), limit=1)).total
    newest = page.messages[0].message.sent_at if page.messages else None
    return {
        "number": phone.number,
        "name": phone.name,
        "device_id": phone.device_id,
        "state": phone.state.lower() if phone.state else "archived" if page.total else "empty",
        "silent": silent,
        "messages": page.total,
        "chats": chats,
        "last_message_at": timestamp(newest),
    }


def _lines(row: dict[str, Any]) -> str:
    lines = [
        f"Archive   {row['archive']}, schema {row['schema']}",
        f"Data      {row['data']}",
        f"Database  {_database(row)}",
        f"Key       {row['key']}",
        f"Messages  {row['messages']:,}",
    ]
    for org in row["orgs"]:
        last = f"last stored {org['last_stored_at']} from {org['last_source']}" if org["last_stored_at"] else "empty"
        lines += ["", f'Organisation "{org["name"]}": {counted(org["messages"], "message")}, {last}']
        if org["phones"]:
            lines.append(table([*org["phones"][0]], [[*phone.values()] for phone in org["phones"]]))
        else:
            lines.append("There is no phone yet; add one with: backscroll phone add --number DIGITS")
    if not row["orgs"]:
        lines.append("There is no organisation yet; create one with: backscroll org create NAME")
    return "\n".join(lines)


def _database(row: dict[str, Any]) -> str:
    return f"{row['database']} ({counted(row['database_bytes'], 'byte')})" if row["database"] else "PostgreSQL"
