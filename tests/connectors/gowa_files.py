"""Makes chatstorage.db and whatsapp.db files as the released versions of GOWA write them."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any, Literal, Self

Version = Literal["7.1", "7.11", "hybrid", "8.0", "8.1", "8.3", "8.6", "8.11", "9.2"]

VERSIONS: tuple[Version, ...] = ("7.1", "7.11", "hybrid", "8.0", "8.1", "8.3", "8.6", "8.11", "9.2")
WITHOUT_DEVICES: tuple[Version, ...] = ("7.1", "7.11", "hybrid")

_SCHEMA_INFO = "CREATE TABLE schema_info (version INTEGER PRIMARY KEY, updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP)"
_ROW_TIMES = "created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP, updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP"

_V7 = [
    f"""CREATE TABLE chats (jid TEXT PRIMARY KEY, name TEXT NOT NULL, last_message_time TIMESTAMP NOT NULL,
        ephemeral_expiration INTEGER DEFAULT 0, {_ROW_TIMES})""",
    f"""CREATE TABLE messages (id TEXT NOT NULL, chat_jid TEXT NOT NULL, sender TEXT NOT NULL, content TEXT,
        timestamp TIMESTAMP NOT NULL, is_from_me BOOLEAN DEFAULT FALSE, media_type TEXT, filename TEXT, url TEXT,
        media_key BLOB, file_sha256 BLOB, file_enc_sha256 BLOB, file_length INTEGER DEFAULT 0, {_ROW_TIMES},
        PRIMARY KEY (id, chat_jid), FOREIGN KEY (chat_jid) REFERENCES chats(jid) ON DELETE CASCADE)""",
    "CREATE INDEX idx_messages_timestamp ON messages(timestamp)",
]
_DEVICES = f"""CREATE TABLE devices (device_id VARCHAR(255) PRIMARY KEY, display_name VARCHAR(255) DEFAULT '',
    jid VARCHAR(255) DEFAULT '', {_ROW_TIMES})"""
_V8 = [
    f"""CREATE TABLE chats (jid VARCHAR(255) NOT NULL, device_id VARCHAR(255) NOT NULL DEFAULT '',
        name VARCHAR(255) NOT NULL, last_message_time TIMESTAMP NOT NULL, ephemeral_expiration INTEGER DEFAULT 0,
        {_ROW_TIMES}, PRIMARY KEY (jid, device_id))""",
    f"""CREATE TABLE messages (id VARCHAR(255) NOT NULL, chat_jid VARCHAR(255) NOT NULL,
        device_id VARCHAR(255) NOT NULL DEFAULT '', sender VARCHAR(255) NOT NULL, content TEXT,
        timestamp TIMESTAMP NOT NULL, is_from_me BOOLEAN DEFAULT FALSE, media_type VARCHAR(50), filename VARCHAR(255),
        url TEXT, media_key BLOB, file_sha256 BLOB, file_enc_sha256 BLOB, file_length INTEGER DEFAULT 0, {_ROW_TIMES},
        PRIMARY KEY (id, chat_jid, device_id))""",
    _DEVICES,
    "CREATE INDEX idx_messages_device ON messages(device_id)",
    "CREATE INDEX idx_messages_timestamp ON messages(timestamp)",
]
_STEPS: dict[Version, list[str]] = {
    "8.1": ["ALTER TABLE chats ADD COLUMN archived BOOLEAN DEFAULT FALSE"],
    "8.3": [],
    "8.6": [
        "ALTER TABLE messages ADD COLUMN call_metadata TEXT DEFAULT ''",
        "ALTER TABLE messages ADD COLUMN referral_metadata TEXT DEFAULT ''",
        f"""CREATE TABLE message_reactions (message_id VARCHAR(255) NOT NULL, chat_jid VARCHAR(255) NOT NULL,
            device_id VARCHAR(255) NOT NULL DEFAULT '', reactor_jid VARCHAR(255) NOT NULL,
            emoji TEXT NOT NULL DEFAULT '', is_from_me BOOLEAN DEFAULT FALSE, reaction_timestamp TIMESTAMP NOT NULL,
            {_ROW_TIMES}, PRIMARY KEY (message_id, reactor_jid, device_id))""",
        """CREATE TABLE message_edits (original_message_id VARCHAR(255) NOT NULL, edit_event_id VARCHAR(255) NOT NULL,
            chat_jid VARCHAR(255) NOT NULL, device_id VARCHAR(255) NOT NULL DEFAULT '', editor VARCHAR(255) DEFAULT '',
            previous_content TEXT DEFAULT '', new_content TEXT DEFAULT '', edited_at TIMESTAMP NOT NULL,
            created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP, PRIMARY KEY (original_message_id, edit_event_id, device_id),
            FOREIGN KEY (original_message_id, chat_jid, device_id) REFERENCES messages(id, chat_jid, device_id)
            ON DELETE CASCADE)""",
    ],
    "8.11": [
        "ALTER TABLE messages ADD COLUMN direct_path TEXT DEFAULT ''",
        "ALTER TABLE devices ADD COLUMN webhook_url TEXT DEFAULT NULL",
        "ALTER TABLE devices ADD COLUMN webhook_secret TEXT DEFAULT ''",
        "ALTER TABLE devices ADD COLUMN webhook_events TEXT DEFAULT ''",
        "ALTER TABLE devices ADD COLUMN webhook_insecure_skip_verify BOOLEAN DEFAULT FALSE",
        "ALTER TABLE devices ADD COLUMN ad_jid VARCHAR(255) DEFAULT ''",
        """CREATE TABLE chatwoot_device_configs (id INTEGER PRIMARY KEY AUTOINCREMENT,
            device_id VARCHAR(255) NOT NULL DEFAULT '', api_token TEXT NOT NULL DEFAULT '')""",
    ],
    "9.2": [],
}


def _schema(version: Version) -> list[str]:
    if version in WITHOUT_DEVICES:
        return [*_V7, _DEVICES] if version == "hybrid" else list(_V7)
    steps = list(_V8)
    for later, statements in _STEPS.items():
        if VERSIONS.index(later) <= VERSIONS.index(version):
            steps += statements
    return steps


class GowaFile:
    """An SQLite file under construction; in rows, columns without a given value have their default."""

    def __init__(self, path: Path, statements: list[str], *, wal: bool = False) -> None:
        self.path = path
        self.db = sqlite3.connect(path)
        if wal:
            self.db.execute("PRAGMA journal_mode = WAL")
            self.db.execute("PRAGMA wal_autocheckpoint = 0")
        for statement in statements:
            self.db.execute(statement)
        self.db.commit()

    def add(self, table: str, **values: Any) -> Self:
        names, marks = ", ".join(values), ", ".join("?" * len(values))
        self.db.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(values.values()))
        return self

    def add_broken_text(self, table: str, column: str, raw: bytes, **values: Any) -> Self:
        """Add a row whose ``column`` has TEXT that is not UTF-8."""
        self.add(table, **{column: "", **values})
        self.db.execute(f"UPDATE {table} SET {column} = CAST(? AS TEXT) WHERE rowid = last_insert_rowid()", (raw,))
        return self

    def commit(self) -> Self:
        """Commit the rows, to the -wal file if there is one; the database stays open, as it does in GOWA."""
        self.db.commit()
        return self

    def done(self) -> Path:
        self.db.commit()
        self.db.close()
        return self.path


class ChatStorage(GowaFile):
    """A chatstorage.db of ``version``, with short methods for its usual rows."""

    def __init__(self, path: Path, version: Version = "9.2", *, device: str = "", wal: bool = False) -> None:
        statements = _schema(version)
        super().__init__(path, [_SCHEMA_INFO, *statements], wal=wal)
        for number in range(1, len(statements) + 1):
            self.add("schema_info", version=number)
        self.version = version
        self.device = {} if version in WITHOUT_DEVICES else {"device_id": device}

    def chat(self, jid: str, name: str = "", last: str = "2026-01-15 10:30:00+00:00", **values: Any) -> Self:
        self.add("chats", **{"jid": jid, "name": name, "last_message_time": last, **self.device, **values})
        return self

    def message(self, id: str, chat: str, sender: str, content: str | None, at: Any, **values: Any) -> Self:
        row = {"id": id, "chat_jid": chat, "sender": sender, "content": content, "timestamp": at, **self.device}
        self.add("messages", **{**row, "media_type": "", "filename": "", "url": "", **values})
        return self

    def reaction(self, id: str, chat: str, by: str, emoji: str, at: str, **values: Any) -> Self:
        row = {"message_id": id, "chat_jid": chat, "reactor_jid": by, "emoji": emoji, "reaction_timestamp": at}
        self.add("message_reactions", **{**row, **self.device, **values})
        return self

    def edit(self, id: str, event: str, chat: str, by: str, before: str, after: str, at: str) -> Self:
        row = {"original_message_id": id, "edit_event_id": event, "chat_jid": chat, "editor": by, "edited_at": at}
        self.add("message_edits", **row, previous_content=before, new_content=after, **self.device)
        return self


class WhatsAppDb(GowaFile):
    """The part of whatsapp.db with names and settings, and a key that must not be read."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            path,
            [
                """CREATE TABLE whatsmeow_device (jid TEXT PRIMARY KEY, lid TEXT, noise_key bytea NOT NULL,
                    platform TEXT NOT NULL DEFAULT '', business_name TEXT NOT NULL DEFAULT '',
                    push_name TEXT NOT NULL DEFAULT '')""",
                """CREATE TABLE whatsmeow_contacts (our_jid TEXT, their_jid TEXT, first_name TEXT, full_name TEXT,
                    push_name TEXT, business_name TEXT, redacted_phone TEXT, PRIMARY KEY (our_jid, their_jid))""",
                "CREATE TABLE whatsmeow_lid_map (lid TEXT PRIMARY KEY, pn TEXT UNIQUE NOT NULL)",
                """CREATE TABLE whatsmeow_chat_settings (our_jid TEXT, chat_jid TEXT,
                    muted_until BIGINT NOT NULL DEFAULT 0, pinned BOOLEAN NOT NULL DEFAULT false,
                    archived BOOLEAN NOT NULL DEFAULT false, PRIMARY KEY (our_jid, chat_jid))""",
            ],
        )

    def device(self, jid: str, lid: str = "", push_name: str = "") -> Self:
        self.add("whatsmeow_device", jid=jid, lid=lid, push_name=push_name, noise_key=b"PRIVATE KEY")
        return self
