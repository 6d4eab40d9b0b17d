"""Makes databases of programs built on whatsmeow: wacli, the whatsapp-mcp bridges, WAHA's GOWS."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any, Literal

SESSION = """
    CREATE TABLE whatsmeow_device (jid TEXT PRIMARY KEY, lid TEXT, noise_key bytea, identity_key bytea, push_name TEXT);
    CREATE TABLE whatsmeow_lid_map (lid TEXT PRIMARY KEY, pn TEXT UNIQUE NOT NULL);
    CREATE TABLE whatsmeow_contacts (our_jid TEXT, their_jid TEXT, first_name TEXT, full_name TEXT, push_name TEXT,
        business_name TEXT, redacted_phone TEXT, PRIMARY KEY (our_jid, their_jid));
    CREATE TABLE whatsmeow_chat_settings (our_jid TEXT, chat_jid TEXT, muted_until BIGINT NOT NULL DEFAULT 0,
        pinned BOOLEAN NOT NULL DEFAULT false, archived BOOLEAN NOT NULL DEFAULT false,
        PRIMARY KEY (our_jid, chat_jid));
"""

WACLI_FIRST = """
    CREATE TABLE chats (jid TEXT PRIMARY KEY, kind TEXT NOT NULL, name TEXT, last_message_ts INTEGER);
    CREATE TABLE contacts (jid TEXT PRIMARY KEY, phone TEXT, push_name TEXT, full_name TEXT, first_name TEXT,
        business_name TEXT, updated_at INTEGER NOT NULL);
    CREATE TABLE groups (jid TEXT PRIMARY KEY, name TEXT, owner_jid TEXT, created_ts INTEGER,
        updated_at INTEGER NOT NULL);
    CREATE TABLE group_participants (group_jid TEXT NOT NULL, user_jid TEXT NOT NULL, role TEXT,
        updated_at INTEGER NOT NULL, PRIMARY KEY (group_jid, user_jid));
    CREATE TABLE contact_aliases (jid TEXT PRIMARY KEY, alias TEXT NOT NULL, notes TEXT, updated_at INTEGER NOT NULL);
    CREATE TABLE messages (rowid INTEGER PRIMARY KEY AUTOINCREMENT, chat_jid TEXT NOT NULL, chat_name TEXT,
        msg_id TEXT NOT NULL, sender_jid TEXT, sender_name TEXT, ts INTEGER NOT NULL, from_me INTEGER NOT NULL,
        text TEXT, media_type TEXT, media_caption TEXT, filename TEXT, mime_type TEXT, direct_path TEXT,
        media_key BLOB, file_sha256 BLOB, file_enc_sha256 BLOB, file_length INTEGER, local_path TEXT,
        downloaded_at INTEGER, UNIQUE(chat_jid, msg_id));
"""
WACLI_LATER = """
    ALTER TABLE chats ADD COLUMN archived INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE chats ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE chats ADD COLUMN muted_until INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE chats ADD COLUMN unread_count INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE contacts ADD COLUMN system_name TEXT;
    ALTER TABLE groups ADD COLUMN left_at INTEGER;
    ALTER TABLE messages ADD COLUMN display_text TEXT;
    ALTER TABLE messages ADD COLUMN quoted_msg_id TEXT;
    ALTER TABLE messages ADD COLUMN quoted_sender_jid TEXT;
    ALTER TABLE messages ADD COLUMN is_forwarded INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE messages ADD COLUMN forwarding_score INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE messages ADD COLUMN reaction_to_id TEXT;
    ALTER TABLE messages ADD COLUMN reaction_emoji TEXT;
    ALTER TABLE messages ADD COLUMN revoked INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE messages ADD COLUMN deleted_for_me INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE messages ADD COLUMN deleted_at INTEGER;
    ALTER TABLE messages ADD COLUMN edited INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE messages ADD COLUMN edited_ts INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE messages ADD COLUMN buttons TEXT;
    CREATE TABLE starred (chat_jid TEXT NOT NULL, msg_id TEXT NOT NULL, sender_jid TEXT,
        from_me INTEGER NOT NULL DEFAULT 0, starred_at INTEGER NOT NULL, PRIMARY KEY (chat_jid, msg_id));
    CREATE TABLE polls (chat_jid TEXT NOT NULL, msg_id TEXT NOT NULL, sender_jid TEXT, question TEXT NOT NULL,
        options_json TEXT NOT NULL, selectable_count INTEGER NOT NULL DEFAULT 1, created_ts INTEGER NOT NULL,
        PRIMARY KEY (chat_jid, msg_id));
    CREATE TABLE poll_votes (chat_jid TEXT NOT NULL, poll_msg_id TEXT NOT NULL, voter_jid TEXT NOT NULL,
        vote_msg_id TEXT NOT NULL, selected_options_json TEXT NOT NULL, ts INTEGER NOT NULL,
        PRIMARY KEY (chat_jid, poll_msg_id, voter_jid));
    CREATE TABLE message_locations (chat_jid TEXT NOT NULL, msg_id TEXT NOT NULL, latitude REAL NOT NULL,
        longitude REAL NOT NULL, name TEXT, address TEXT, is_live INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (chat_jid, msg_id));
    CREATE TABLE status_messages (rowid INTEGER PRIMARY KEY AUTOINCREMENT, msg_id TEXT NOT NULL UNIQUE,
        ts INTEGER NOT NULL, from_me INTEGER NOT NULL, sender_jid TEXT, sender_name TEXT, text TEXT, media_type TEXT,
        media_caption TEXT, filename TEXT, mime_type TEXT, direct_path TEXT, media_key BLOB, file_sha256 BLOB,
        file_enc_sha256 BLOB, file_length INTEGER);
    CREATE TABLE call_events (rowid INTEGER PRIMARY KEY AUTOINCREMENT, chat_jid TEXT NOT NULL, sender_jid TEXT,
        call_id TEXT NOT NULL, msg_id TEXT, event_type TEXT NOT NULL, direction TEXT, media TEXT, outcome TEXT,
        duration_secs INTEGER NOT NULL DEFAULT 0, ts INTEGER NOT NULL, UNIQUE(chat_jid, call_id, event_type, ts));
"""

BRIDGE_FIRST = """
    CREATE TABLE chats (jid TEXT PRIMARY KEY, name TEXT, last_message_time TIMESTAMP);
    CREATE TABLE messages (id TEXT, chat_jid TEXT, sender TEXT, content TEXT, timestamp TIMESTAMP, is_from_me BOOLEAN,
        media_type TEXT, filename TEXT, url TEXT, media_key BLOB, file_sha256 BLOB, file_enc_sha256 BLOB,
        file_length INTEGER, PRIMARY KEY (id, chat_jid), FOREIGN KEY (chat_jid) REFERENCES chats(jid));
"""
BRIDGE_LATER = """
    ALTER TABLE chats ADD COLUMN last_read_time TIMESTAMP;
    ALTER TABLE chats ADD COLUMN ephemeral_expiration INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE messages ADD COLUMN deleted_at TIMESTAMP;
    ALTER TABLE messages ADD COLUMN quoted_message_id TEXT;
    CREATE TABLE calls (call_id TEXT, chat_jid TEXT, from_jid TEXT, timestamp TIMESTAMP, is_from_me BOOLEAN,
        call_type TEXT, is_group BOOLEAN, result TEXT, duration_sec INTEGER, ended_at TIMESTAMP, reason TEXT,
        PRIMARY KEY (call_id, chat_jid));
"""

GOWS = """
    CREATE TABLE gows_messages (jid VARCHAR(100) NOT NULL, id VARCHAR(100) NOT NULL, timestamp TIMESTAMP NOT NULL,
        from_me BOOLEAN NOT NULL, data TEXT NOT NULL, is_real BOOLEAN NOT NULL DEFAULT TRUE, PRIMARY KEY (id));
    CREATE TABLE gows_chats (jid VARCHAR(100) NOT NULL, name TEXT, conversation_timestamp TIMESTAMP,
        data TEXT NOT NULL, PRIMARY KEY (jid));
    CREATE TABLE gows_groups (id VARCHAR(100) NOT NULL, name TEXT, data TEXT NOT NULL, PRIMARY KEY (id));
    CREATE TABLE gows_labels (id VARCHAR(100) NOT NULL, data TEXT NOT NULL, PRIMARY KEY (id));
    CREATE TABLE gows_label_associations (jid VARCHAR(100) NOT NULL, label_id VARCHAR(100) NOT NULL,
        data TEXT NOT NULL, PRIMARY KEY (jid, label_id));
"""

NOWEB = """
    CREATE TABLE contacts (id TEXT, data TEXT);
    CREATE UNIQUE INDEX contacts_id_index ON contacts (id);
    CREATE TABLE chats (id TEXT, conversationTimestamp INTEGER, data TEXT);
    CREATE UNIQUE INDEX chats_id_index ON chats (id);
    CREATE TABLE messages (jid TEXT, id TEXT, messageTimestamp INTEGER, data TEXT);
    CREATE UNIQUE INDEX messages_id_index ON messages (id);
    CREATE TABLE groups (id TEXT, data TEXT);
    CREATE TABLE lid_map (id TEXT, pn TEXT);
    CREATE TABLE labels (id TEXT, data TEXT);
    CREATE TABLE labelAssociations (id TEXT, type TEXT, labelId TEXT, chatId TEXT, messageId TEXT, data TEXT);
"""

Shape = Literal["wacli-first", "wacli", "bridge-first", "bridge", "gows", "noweb", "session"]
_SCRIPTS: dict[Shape, str] = {
    "wacli-first": WACLI_FIRST,
    "wacli": WACLI_FIRST + WACLI_LATER,
    "bridge-first": BRIDGE_FIRST,
    "bridge": BRIDGE_FIRST + BRIDGE_LATER,
    "gows": SESSION + GOWS,
    "noweb": NOWEB,
    "session": SESSION,
}


class GoFile:
    """A database of one of these programs."""

    def __init__(self, path: Path, shape: Shape) -> None:
        self.path = path
        self.db = sqlite3.connect(path)
        self.db.executescript(_SCRIPTS[shape])

    def row(self, table: str, **values: Any) -> GoFile:
        """Insert a row."""
        names, marks = ", ".join(values), ", ".join("?" * len(values))
        self.db.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", [*values.values()])
        return self

    def done(self) -> Path:
        self.db.commit()
        self.db.close()
        return self.path


def session(path: Path, *numbers: str, lids: dict[str, str] | None = None) -> Path:
    """A session with these numbers linked. ``lids`` maps hidden ids to numbers, both without server."""
    file = GoFile(path, "session")
    for number in numbers:
        file.row("whatsmeow_device", jid=f"{number}:7@s.whatsapp.net", noise_key=b"SECRET", identity_key=b"SECRET")
    for lid, number in (lids or {}).items():
        file.row("whatsmeow_lid_map", lid=lid, pn=number)
    return file.done()
