"""Makes databases and backups in the form that WhatsApp on Android writes."""

from __future__ import annotations

import hashlib
import hmac
import os
import sqlite3
import zlib
from pathlib import Path
from typing import Any, Literal

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import GCM

Version = Literal["2022", "2026"]
VERSIONS: tuple[Version, ...] = ("2022", "2026")

_TABLES: dict[str, str] = {
    "jid": "_id INTEGER PRIMARY KEY AUTOINCREMENT, user TEXT NOT NULL, server TEXT NOT NULL, agent INTEGER, "
    "device INTEGER, type INTEGER, raw_string TEXT",
    "chat": "_id INTEGER PRIMARY KEY AUTOINCREMENT, jid_row_id INTEGER UNIQUE, hidden INTEGER, subject TEXT, "
    "created_timestamp INTEGER, archived INTEGER, sort_timestamp INTEGER, unseen_message_count INTEGER, "
    "ephemeral_expiration INTEGER, group_type INTEGER NOT NULL DEFAULT 0",
    "message": "_id INTEGER PRIMARY KEY AUTOINCREMENT, chat_row_id INTEGER NOT NULL, from_me INTEGER NOT NULL, "
    "key_id TEXT NOT NULL, sender_jid_row_id INTEGER, status INTEGER, broadcast INTEGER, recipient_count INTEGER, "
    "participant_hash TEXT, origination_flags INTEGER, origin INTEGER, timestamp INTEGER, received_timestamp INTEGER, "
    "receipt_server_timestamp INTEGER, message_type INTEGER, text_data TEXT, starred INTEGER, lookup_tables INTEGER, "
    "message_add_on_flags INTEGER, sort_id INTEGER NOT NULL DEFAULT 0",
    "message_media": "message_row_id INTEGER PRIMARY KEY, chat_row_id INTEGER, file_path TEXT, file_size INTEGER, "
    "media_key BLOB, width INTEGER, height INTEGER, direct_path TEXT, message_url TEXT, mime_type TEXT, "
    "file_length INTEGER, media_name TEXT, file_hash TEXT, media_duration INTEGER, page_count INTEGER, "
    "enc_file_hash TEXT",
    "message_quoted": "message_row_id INTEGER PRIMARY KEY AUTOINCREMENT, chat_row_id INTEGER NOT NULL, "
    "parent_message_chat_row_id INTEGER NOT NULL, from_me INTEGER NOT NULL, sender_jid_row_id INTEGER, "
    "key_id TEXT NOT NULL, timestamp INTEGER, message_type INTEGER, text_data TEXT",
    "message_location": "message_row_id INTEGER PRIMARY KEY, chat_row_id INTEGER, latitude REAL, longitude REAL, "
    "place_name TEXT, place_address TEXT, url TEXT, live_location_share_duration INTEGER",
    "message_forwarded": "message_row_id INTEGER PRIMARY KEY, forward_score INTEGER",
    "message_ephemeral": "message_row_id INTEGER PRIMARY KEY, duration INTEGER NOT NULL, "
    "expire_timestamp INTEGER NOT NULL",
    "message_thumbnail": "message_row_id INTEGER PRIMARY KEY, thumbnail BLOB",
    "message_view_once_media": "message_row_id INTEGER PRIMARY KEY, state INTEGER NOT NULL",
    "message_system": "message_row_id INTEGER PRIMARY KEY, action_type INTEGER NOT NULL",
    "message_system_chat_participant": "message_row_id INTEGER, user_jid_row_id INTEGER",
    "message_system_number_change": "message_row_id INTEGER PRIMARY KEY, old_jid_row_id INTEGER, "
    "new_jid_row_id INTEGER",
    "message_system_value_change": "message_row_id INTEGER PRIMARY KEY, old_data TEXT",
    "message_revoked": "message_row_id INTEGER PRIMARY KEY, revoked_key_id TEXT NOT NULL, admin_jid_row_id INTEGER",
    "message_vcard": "_id INTEGER PRIMARY KEY AUTOINCREMENT, message_row_id INTEGER, vcard TEXT",
    "message_mentions": "_id INTEGER PRIMARY KEY AUTOINCREMENT, message_row_id INTEGER, jid_row_id INTEGER",
    "message_group_invite": "message_row_id INTEGER PRIMARY KEY, group_jid_row_id INTEGER NOT NULL, "
    "admin_jid_row_id INTEGER NOT NULL, group_name TEXT, invite_code TEXT, expiration INTEGER",
    "message_order": "message_row_id INTEGER PRIMARY KEY, order_id TEXT, order_title TEXT, message TEXT, token TEXT",
    "message_product": "message_row_id INTEGER PRIMARY KEY, product_id TEXT, title TEXT, description TEXT, "
    "currency_code TEXT, amount_1000 INTEGER, url TEXT, body TEXT, footer TEXT",
    "message_template": "message_row_id INTEGER PRIMARY KEY, content_text_data TEXT NOT NULL, footer_text_data TEXT",
    "message_template_button": "_id INTEGER PRIMARY KEY AUTOINCREMENT, message_row_id INTEGER, text_data TEXT NOT NULL",
    "message_add_on": "_id INTEGER PRIMARY KEY AUTOINCREMENT, chat_row_id INTEGER, from_me INTEGER, "
    "key_id TEXT NOT NULL, sender_jid_row_id INTEGER, parent_message_row_id INTEGER, timestamp INTEGER, "
    "status INTEGER, message_add_on_type INTEGER, expiry_duration_in_secs INTEGER, expiry_timestamp INTEGER",
    "message_add_on_reaction": "message_add_on_row_id INTEGER PRIMARY KEY, reaction TEXT, sender_timestamp INTEGER",
    "receipt_user": "_id INTEGER PRIMARY KEY AUTOINCREMENT, message_row_id INTEGER NOT NULL, "
    "receipt_user_jid_row_id INTEGER NOT NULL, receipt_timestamp INTEGER, read_timestamp INTEGER, "
    "played_timestamp INTEGER",
    "group_participant_user": "_id INTEGER PRIMARY KEY AUTOINCREMENT, group_jid_row_id INTEGER NOT NULL, "
    "user_jid_row_id INTEGER NOT NULL, rank INTEGER, pending INTEGER",
    "call_log": "_id INTEGER PRIMARY KEY AUTOINCREMENT, jid_row_id INTEGER, from_me INTEGER, call_id TEXT, "
    "transaction_id INTEGER, timestamp INTEGER, video_call INTEGER, duration INTEGER, call_result INTEGER, "
    "group_jid_row_id INTEGER NOT NULL DEFAULT 0",
    "missed_call_logs": "_id INTEGER PRIMARY KEY AUTOINCREMENT, message_row_id INTEGER, timestamp INTEGER, "
    "video_call INTEGER",
    "audio_data": "message_row_id INTEGER PRIMARY KEY, waveform BLOB",
}
_LATER: dict[str, str] = {
    "jid_map": "lid_row_id INTEGER PRIMARY KEY NOT NULL, jid_row_id INTEGER NOT NULL, sort_id INTEGER",
    "lid_display_name": "lid_row_id INTEGER PRIMARY KEY NOT NULL, display_name TEXT NOT NULL, username TEXT",
    "message_revoked": "message_row_id INTEGER PRIMARY KEY, revoked_key_id TEXT NOT NULL, admin_jid_row_id INTEGER, "
    "revoke_timestamp INTEGER",
    "message_edit_info": "message_row_id INTEGER PRIMARY KEY, original_key_id TEXT NOT NULL, "
    "edited_timestamp INTEGER NOT NULL, sender_timestamp INTEGER NOT NULL",
    "message_poll": "message_row_id INTEGER PRIMARY KEY, enc_key BLOB, selectable_options_count INTEGER",
    "message_poll_option": "_id INTEGER PRIMARY KEY AUTOINCREMENT, message_row_id INTEGER, option_sha256 TEXT, "
    "option_name TEXT, vote_total INTEGER",
    "message_add_on_poll_vote": "message_add_on_row_id INTEGER PRIMARY KEY, sender_timestamp INTEGER",
    "message_add_on_poll_vote_selected_option": "_id INTEGER PRIMARY KEY AUTOINCREMENT, "
    "message_add_on_row_id INTEGER, message_poll_option_id INTEGER",
    "message_add_on_pin_in_chat": "message_add_on_row_id INTEGER PRIMARY KEY, "
    "pin_in_chat_state INTEGER NOT NULL DEFAULT 0, sender_timestamp INTEGER",
    "message_event": "message_row_id INTEGER PRIMARY KEY, is_canceled INTEGER DEFAULT 0, name TEXT NOT NULL, "
    "description TEXT, location_latitude REAL, location_longitude REAL, location_name TEXT, location_address TEXT, "
    "start_time DATETIME NOT NULL",
    "message_call_log": "message_row_id INTEGER PRIMARY KEY, call_log_row_id INTEGER",
    "newsletter": "chat_row_id INTEGER PRIMARY KEY, name TEXT NOT NULL, description TEXT NOT NULL, invite_code TEXT",
}
_INDEXES = """
    CREATE UNIQUE INDEX message_key_index ON message (chat_row_id, from_me, key_id, sender_jid_row_id);
    CREATE UNIQUE INDEX mentions_index ON message_mentions (message_row_id, jid_row_id);
    CREATE UNIQUE INDEX message_vcard_index ON message_vcard (message_row_id, vcard);
    CREATE INDEX message_add_on_parent_message_row_id_index ON message_add_on (parent_message_row_id);
    CREATE UNIQUE INDEX receipt_user_index ON receipt_user (message_row_id, receipt_user_jid_row_id);
    CREATE UNIQUE INDEX group_participant_user_index ON group_participant_user (group_jid_row_id, user_jid_row_id);
"""
_LEGACY: dict[str, str] = {
    "messages": "_id INTEGER PRIMARY KEY AUTOINCREMENT, key_remote_jid TEXT NOT NULL, key_from_me INTEGER, "
    "key_id TEXT NOT NULL, status INTEGER, needs_push INTEGER, data TEXT, timestamp INTEGER, media_url TEXT, "
    "media_mime_type TEXT, media_wa_type TEXT, media_size INTEGER, media_name TEXT, media_caption TEXT, "
    "media_hash TEXT, media_duration INTEGER, origin INTEGER, latitude REAL, longitude REAL, thumb_image TEXT, "
    "remote_resource TEXT, received_timestamp INTEGER, receipt_server_timestamp INTEGER, starred INTEGER, "
    "quoted_row_id INTEGER, mentioned_jids TEXT, edit_version INTEGER, media_enc_hash TEXT, forwarded INTEGER",
    "messages_quotes": "_id INTEGER PRIMARY KEY AUTOINCREMENT, key_remote_jid TEXT NOT NULL, key_from_me INTEGER, "
    "key_id TEXT NOT NULL, data TEXT, media_wa_type TEXT, media_caption TEXT, remote_resource TEXT",
    "messages_vcards": "_id INTEGER PRIMARY KEY AUTOINCREMENT, message_row_id INTEGER, sender_jid TEXT, "
    "chat_jid TEXT, vcard TEXT",
    "group_participants": "_id INTEGER PRIMARY KEY AUTOINCREMENT, gjid TEXT NOT NULL, jid TEXT NOT NULL, "
    "admin INTEGER, pending INTEGER",
}
_WA: dict[str, str] = {
    "wa_contacts": "_id INTEGER PRIMARY KEY AUTOINCREMENT, jid TEXT NOT NULL, is_whatsapp_user BOOLEAN NOT NULL, "
    "status TEXT, number TEXT, raw_contact_id INTEGER, display_name TEXT, given_name TEXT, family_name TEXT, "
    "wa_name TEXT, company TEXT",
    "wa_vnames": "_id INTEGER PRIMARY KEY AUTOINCREMENT, jid TEXT NOT NULL, verified_name TEXT",
    "wa_group_descriptions": "_id INTEGER PRIMARY KEY AUTOINCREMENT, jid TEXT NOT NULL, description TEXT",
}


class AndroidFile:
    """A database with some of WhatsApp's tables."""

    def __init__(self, path: Path, tables: dict[str, str], script: str = "") -> None:
        self.path = path
        self.db = sqlite3.connect(path)
        for name, columns in tables.items():
            self.db.execute(f"CREATE TABLE {name} ({columns})")
        self.db.executescript(script)

    def row(self, table: str, **values: Any) -> int:
        """Insert a row, and return its number."""
        names, marks = ", ".join(values), ", ".join("?" * len(values))
        return int(
            self.db.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", [*values.values()]).lastrowid or 0
        )

    def done(self) -> Path:
        self.db.commit()
        self.db.close()
        return self.path


class Msgstore(AndroidFile):
    """``msgstore.db`` in its form since 2022; with ``old`` it also has the older table."""

    def __init__(self, path: Path, version: Version = "2026", old: bool = False) -> None:
        tables = _TABLES | (_LATER if version == "2026" else {}) | (_LEGACY if old else {})
        super().__init__(path, tables, _INDEXES)
        self._jids: dict[str, int] = {}
        self._chats: dict[str, int] = {}

    def jid(self, raw: str) -> int:
        """The number of a JID, which is inserted if it is new."""
        if raw not in self._jids:
            user, _, server = raw.partition("@")
            self._jids[raw] = self.row("jid", user=user, server=server, raw_string=raw)
        return self._jids[raw]

    def chat(self, raw: str, subject: str | None = None, **values: Any) -> int:
        """The number of a chat, which is inserted if it is new."""
        if raw not in self._chats:
            self._chats[raw] = self.row("chat", jid_row_id=self.jid(raw), subject=subject, **values)
        return self._chats[raw]

    def message(
        self, chat: str, id: str, at: int, text: str | None = None, sender: str | None = None, **values: Any
    ) -> int:
        """Insert a message sent at ``at`` seconds; it is received unless ``from_me=1``."""
        told = {"from_me": 0, "message_type": 0, "status": 0} | values
        return self.row(
            "message",
            chat_row_id=self.chat(chat),
            key_id=id,
            timestamp=at * 1000,
            text_data=text,
            sender_jid_row_id=self.jid(sender) if sender else 0,
            **told,
        )

    def media(self, message: int, path: str | None = None, content: bytes | None = None, **values: Any) -> None:
        """Insert the file of a message."""
        hashed = hashlib.sha256(content).digest() if content is not None else None
        told = {"file_hash": _base64(hashed), "file_length": len(content) if content is not None else None} | values
        self.row("message_media", message_row_id=message, file_path=path, **told)

    def reaction(self, message: int, emoji: str, at: int, sender: str | None = None, from_me: int = 0) -> None:
        add_on = self.row(
            "message_add_on",
            from_me=from_me,
            key_id=f"R{message}{at}",
            sender_jid_row_id=self.jid(sender) if sender else -1,
            parent_message_row_id=message,
            timestamp=at * 1000,
            message_add_on_type=56,
        )
        self.row("message_add_on_reaction", message_add_on_row_id=add_on, reaction=emoji, sender_timestamp=at * 1000)

    def vote(self, message: int, options: list[int], at: int, sender: str | None = None, from_me: int = 0) -> None:
        add_on = self.row(
            "message_add_on",
            from_me=from_me,
            key_id=f"V{message}{at}",
            sender_jid_row_id=self.jid(sender) if sender else -1,
            parent_message_row_id=message,
            timestamp=at * 1000,
            message_add_on_type=67,
        )
        self.row("message_add_on_poll_vote", message_add_on_row_id=add_on, sender_timestamp=at * 1000)
        for option in options:
            self.row(
                "message_add_on_poll_vote_selected_option", message_add_on_row_id=add_on, message_poll_option_id=option
            )

    def pin(self, message: int, at: int, sender: str | None = None, from_me: int = 0, **values: Any) -> None:
        """Insert a pin; ``state`` 0 is an unpin, ``expires`` is in seconds since 1970."""
        add_on = self.row(
            "message_add_on",
            from_me=from_me,
            key_id=f"P{message}{at}",
            sender_jid_row_id=self.jid(sender) if sender else -1,
            parent_message_row_id=message,
            timestamp=at * 1000,
            message_add_on_type=79,
            expiry_timestamp=values["expires"] * 1000 if "expires" in values else None,
        )
        state, stamp = values.get("state", 1), at * 1000
        row = {"message_add_on_row_id": add_on, "pin_in_chat_state": state, "sender_timestamp": stamp}
        self.row("message_add_on_pin_in_chat", **row)


def legacy(path: Path) -> Msgstore:
    """A file of 2021: the messages are in the older table, and the new one exists but is empty."""
    return Msgstore(path, "2022", old=True)


def wa_db(path: Path) -> AndroidFile:
    """The list of contacts."""
    return AndroidFile(path, _WA)


def _base64(raw: bytes | None) -> str | None:
    import base64

    return None if raw is None else base64.b64encode(raw).decode()


# Encrypted backups

Scheme = Literal["crypt12", "crypt14", "crypt15"]
ROOT_KEY = bytes(range(32))
SALT = bytes(range(100, 132))
_JAVA = bytes.fromhex("aced0005757200025b42acf317f8060854e0020000787000")


def key_file(path: Path, secret: bytes = ROOT_KEY, salt: bytes = SALT) -> Path:
    """``files/key`` of a phone: for crypt12 and crypt14."""
    google = bytes(16)
    raw = b"\0\1\1" + salt + google + hashlib.sha256(google).digest() + bytes(16) + secret
    path.write_bytes(_JAVA + len(raw).to_bytes(3, "big") + raw)
    return path


def root_key_file(path: Path, secret: bytes = ROOT_KEY) -> Path:
    """``encrypted_backup.key``: for crypt15."""
    path.write_bytes(_JAVA + len(secret).to_bytes(3, "big") + secret)
    return path


def _field(number: int, value: bytes) -> bytes:
    return bytes([number << 3 | 2, len(value)]) + value


def encrypted(
    plain: bytes,
    scheme: Scheme,
    *,
    secret: bytes = ROOT_KEY,
    salt: bytes = SALT,
    ending: str = "01",
    part: bool = False,
    packed: bool = True,
) -> bytes:
    """A backup of ``plain``. ``part``: without the checksum, as in a backup of several files."""
    iv = os.urandom(16)
    info = _field(1, b"2.26.1.1") + _field(3, ending.encode()) + bytes([4 << 3, 1])
    if scheme == "crypt12":
        header = b"\0\1\1" + salt + bytes(16) + iv
    elif scheme == "crypt14":
        cipher = _field(1, b"\0\1") + _field(2, b"\1") + _field(3, salt) + _field(4, bytes(16)) + _field(5, iv)
        header = _prefix(_field(2, cipher) + _field(4, info))
    else:
        header = _prefix(bytes([1 << 3, 1]) + _field(3, _field(1, iv)) + _field(4, info))
    inner = hmac.digest(bytes(32), secret, "sha256")
    key = hmac.digest(inner, b"backup encryption\1", "sha256") if scheme == "crypt15" else secret
    encryptor = Cipher(AES(key), GCM(iv)).encryptor()
    body = (
        header + encryptor.update(zlib.compress(plain, 1) if packed else plain) + encryptor.finalize() + encryptor.tag
    )
    if part:
        return body
    footer = hashlib.md5(body, usedforsecurity=False).digest()
    return body + footer + (b"--" + ending.encode() if scheme == "crypt12" else b"")


def _prefix(message: bytes) -> bytes:
    return bytes([len(message), 1]) + message
