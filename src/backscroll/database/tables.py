"""The tables that belong to an organisation, defined once for row level security, copying, Citus and deleting.

A tenant table has ``org`` first in its primary key and in every other unique key. Reference tables are few, small and
the same for all. The search index is rebuilt from the messages and is not copied.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct


class Table(Struct, frozen=True):
    """A tenant table. ``key`` is its primary key after ``org``, ``rest`` the other columns."""

    name: str
    key: tuple[str, ...]
    rest: tuple[str, ...]
    page: int = 1000
    """Rows that are copied at a time."""
    kept_out: tuple[str, ...] = ()
    """Columns that are not copied: they tell of what is not copied either."""

    @property
    def columns(self) -> tuple[str, ...]:
        """All of them, in the order in which they are copied."""
        return ("org", *self.key, *self.rest)


def _table(name: str, key: str, rest: str, page: int = 1000) -> Table:
    return Table(name, tuple(key.split()), tuple(rest.split()), page)


TABLES: tuple[Table, ...] = (
    # First, because every writer takes its row first, and because Citus places the others beside it.
    Table(
        "heads",
        (),
        ("seq", "next_no", "named", "imports", "hooks", "pruned"),
        kept_out=("indexed_from", "next_segment"),
    ),
    _table("phones", "phone", "jid contact phone_id device_id name created_at state state_at"),
    _table("tokens", "token", "hash name phones scopes created_at expires_at revoked_at last_used_at"),
    _table(
        "contacts",
        "contact",
        "jid lid kind name push_name business_name facts merged_into stored_at changed_at imported told_by",
    ),
    _table("contact_facts", "contact phone", "facts is_named"),
    _table("aliases", "jid", "contact"),
    _table("merges", "contact", "into_contact created_at"),
    _table("chats", "phone chat", "last_at has_media exported facts seq stored_at changed_at imported"),
    _table("labels", "phone label import", "facts"),
    _table(
        "messages",
        "no",
        "phone chat sender id sent_at flags kind text details ack deleted_at edited_at prev_text fts client_ref source "
        "raw stored_at changed_at",
    ),
    _table("tellings", "phone chat id sender source digest", "message told"),
    _table("addons", "phone chat id kind actor target ref", "at value told"),
    _table(
        "tallies",
        "phone chat level bucket",
        "plain_in plain_out media_in media_out calls_in calls_out notices_in notices_out",
    ),
    _table("changes", "seq", "what no aspects phone chat"),
    _table("feed_days", "day", "seq"),
    _table("files", "file", "size mimetype stored_at"),
    # A payload may be megabytes.
    _table("raws", "raw", "digest source type size payload stored_at", page=25),
    _table("quarantine", "no", "source problem digest payload stored_at via waits", page=25),
    _table(
        "sources",
        "source",
        "kind phone secret verify_token upstream upstream_token every silent_after last_event_at created_at "
        "attended_at sequence silent_since no previous_secret previous_until",
    ),
    # Without the keys, which are files, a device is shown as logged out; it can be paired anew.
    _table(
        "links",
        "source",
        "phone_name state problem since retry_at qr qr_rows code code_for expires_at progress jid asked",
    ),
    _table("answers", "source key", "digest status body created_at"),
    _table("positions", "stream", "place told"),
    _table(
        "imports",
        "import",
        "kind file sha256 size answers state started_at finished_at report replaces sketch progress job",
    ),
    _table(
        "import_jobs",
        "job",
        "origin state name phone kind answers secrets confirm spooled found questions progress error notes request_key "
        "created_at updated_at finished_at",
        page=25,
    ),
    _table("import_uploads", "job file", "name size received"),
    _table("import_numbers", "first_no", "last_no import"),
    _table("import_retold", "import no", ""),
    _table("import_facts", "import phone jid", "facts"),
    _table("import_mappings", "import lid jid", ""),
    _table("import_files", "import file", ""),
    _table("fetches", "phone jid id sender", "source url tries next_at problem created_at"),
    _table("spans", "phone jid import origin since_at", "until_at ended"),
    _table(
        "webhooks",
        "webhook",
        "name url format types subscriptions phones imports enabled secret previous_secret previous_until created_at "
        "changed_at position failures failing_since retry_at last_success_at last_failure_at last_error",
    ),
    _table("outbox", "event", "id type at phone chat message ref imported"),
    _table("deliveries", "webhook event", "phone chat state attempts queued_at first_at last_at status error"),
    _table("webhook_lanes", "webhook phone chat", "next_at"),
)
"""In an order in which they may be made and filled; backwards, they may be emptied."""

SEARCH: tuple[str, ...] = ("search_segments", "search_tombstones", "search_fresh", "search_young", "search_full")
"""The search index, made anew from the messages in a copy (storage/search/)."""
LEASES = "leases"
"""Belongs to the processes at work, and is not copied either."""
SESSIONS = "sessions"
"""Sessions are not copied: browsers have to sign in to the copy again."""
TENANT: tuple[str, ...] = (*(table.name for table in TABLES), *SEARCH, LEASES, SESSIONS)
REFERENCE: tuple[str, ...] = ("orgs", "migrations", "meta")


def copying_statements() -> dict[str, str]:
    """For each tenant table: its first page, the page after a key, how many rows there are, and adding one."""
    return {name: sql for table in TABLES for name, sql in _statements_of(table)}


def _statements_of(table: Table) -> Iterator[tuple[str, str]]:
    columns = ", ".join(table.columns)
    read = f"SELECT {columns} FROM {table.name} WHERE org = :org"  # noqa: S608 - our own names
    order = f"ORDER BY {', '.join(table.key or ('org',))} LIMIT :limit"
    yield f"copy_first_{table.name}", f"{read} {order}"
    if table.key:
        after = ", ".join(f":{column}" for column in table.key)
        yield f"copy_next_{table.name}", f"{read} AND ({', '.join(table.key)}) > ({after}) {order}"
    yield f"copy_count_{table.name}", f"SELECT COUNT(*) FROM {table.name} WHERE org = :org"  # noqa: S608
    values = ", ".join(f":{column}" for column in table.columns)
    yield f"copy_put_{table.name}", f"INSERT INTO {table.name} ({columns}) VALUES ({values})"  # noqa: S608
