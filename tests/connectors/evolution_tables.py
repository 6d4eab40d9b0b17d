"""Makes databases of Evolution API v2 in PostgreSQL."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.types.json import Jsonb

ME, BOB = "4915550001001@s.whatsapp.net", "4915550001002@s.whatsapp.net"
AT = 1_760_000_000

TABLES = """
    CREATE TABLE "Instance" (id TEXT PRIMARY KEY, name VARCHAR(255) NOT NULL, "ownerJid" VARCHAR(100),
        number VARCHAR(100), token VARCHAR(255));
    CREATE TABLE "Session" (id TEXT PRIMARY KEY, "sessionId" TEXT, creds TEXT);
    CREATE TABLE "Chat" (id TEXT PRIMARY KEY, "remoteJid" VARCHAR(100) NOT NULL, name VARCHAR(100), labels JSONB,
        "instanceId" TEXT NOT NULL, "unreadMessages" INT NOT NULL DEFAULT 0);
    CREATE TABLE "Label" (id TEXT PRIMARY KEY, "labelId" VARCHAR(100), name VARCHAR(100) NOT NULL,
        color VARCHAR(100) NOT NULL, "instanceId" TEXT NOT NULL);
    CREATE TABLE "Contact" (id TEXT PRIMARY KEY, "remoteJid" VARCHAR(100) NOT NULL, "pushName" VARCHAR(100),
        "profilePicUrl" VARCHAR(500), "instanceId" TEXT NOT NULL);
    CREATE TABLE "Message" (id TEXT PRIMARY KEY, key JSONB NOT NULL, "pushName" VARCHAR(100), participant VARCHAR(100),
        "messageType" VARCHAR(100) NOT NULL, message JSONB NOT NULL, "contextInfo" JSONB, source TEXT,
        "messageTimestamp" INT NOT NULL, "instanceId" TEXT NOT NULL, status VARCHAR(30));
    CREATE TABLE "MessageUpdate" (id TEXT PRIMARY KEY, "keyId" VARCHAR(100) NOT NULL, "remoteJid" VARCHAR(100) NOT NULL,
        "fromMe" BOOLEAN NOT NULL, participant VARCHAR(100), "pollUpdates" JSONB, status VARCHAR(30) NOT NULL,
        "messageId" TEXT NOT NULL, "instanceId" TEXT NOT NULL);
    CREATE TABLE "IsOnWhatsapp" (id TEXT PRIMARY KEY, "remoteJid" VARCHAR(100) NOT NULL, "jidOptions" TEXT NOT NULL,
        lid VARCHAR(100));
"""


class Evolution:
    """A database of Evolution API that a test fills. ``owner`` is the JID of its instance ``i1``."""

    def __init__(self, url: str, owner: str = ME) -> None:
        self.url = url
        self._owner = owner
        self.db = psycopg.connect(url, autocommit=True)
        self._made = 0

    def tables(self, schema: str = "public") -> Evolution:
        self.db.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"; SET search_path = "{schema}"'.encode())
        self.db.execute(TABLES.encode())
        self.row("Instance", id="i1", name="bakery", ownerJid=self._owner, token="SECRET")
        return self

    def row(self, table: str, **values: Any) -> str:
        """Insert a row, and return its key."""
        self._made += 1
        told = {"id": f"c{self._made:05}"} | values
        names, marks = ", ".join(f'"{name}"' for name in told), ", ".join(["%s"] * len(told))
        made = [Jsonb(value) if isinstance(value, dict | list) else value for value in told.values()]
        self.db.execute(f'INSERT INTO "{table}" ({names}) VALUES ({marks})'.encode(), made)
        return str(told["id"])

    def message(self, id: str, message: dict[str, Any], chat: str = BOB, at: int = AT, **values: Any) -> str:
        key: dict[str, Any] = {"id": id, "remoteJid": chat, "fromMe": values.pop("from_me", False)}
        if participant := values.get("participant"):
            key["participant"] = participant
        usual = {"messageType": "conversation", "messageTimestamp": at, "instanceId": "i1", "status": "DELIVERY_ACK"}
        return self.row("Message", key=key | values.pop("more", {}), message=message, **usual | values)

    def update(self, id: str, chat: str, **values: Any) -> str:
        usual = {"fromMe": False, "status": "DELIVERY_ACK", "messageId": "c", "instanceId": "i1"}
        return self.row("MessageUpdate", keyId=id, remoteJid=chat, **usual | values)
