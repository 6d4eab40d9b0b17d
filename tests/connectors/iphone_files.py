"""Makes databases and backups in the form that WhatsApp on iPhones and Finder write."""

from __future__ import annotations

import hashlib
import os
import plistlib
import sqlite3
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.keywrap import aes_key_wrap

APPLE = 978_307_200
DOMAIN = "AppDomainGroup-group.net.whatsapp.WhatsApp.shared"
BUSINESS = "AppDomainGroup-group.net.whatsapp.WhatsAppSMB.shared"

_CORE = "Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, Z_OPT INTEGER"
_CHATS = {
    "ZWACHATSESSION": "ZARCHIVED INTEGER, ZCONTACTABID INTEGER, ZFLAGS INTEGER, ZHIDDEN INTEGER, "
    "ZMESSAGECOUNTER INTEGER, ZREMOVED INTEGER, ZSESSIONTYPE INTEGER, ZUNREADCOUNT INTEGER, ZGROUPINFO INTEGER, "
    "ZLASTMESSAGE INTEGER, ZLASTMESSAGEDATE TIMESTAMP, ZCONTACTIDENTIFIER VARCHAR, ZCONTACTJID VARCHAR, "
    "ZLASTMESSAGETEXT VARCHAR, ZPARTNERNAME VARCHAR",
    "ZWAMESSAGE": "ZCHILDMESSAGESDELIVEREDCOUNT INTEGER, ZDATAITEMVERSION INTEGER, ZDOCID INTEGER, ZFLAGS INTEGER, "
    "ZGROUPEVENTTYPE INTEGER, ZISFROMME INTEGER, ZMESSAGEERRORSTATUS INTEGER, ZMESSAGESTATUS INTEGER, "
    "ZMESSAGETYPE INTEGER, ZSORT INTEGER, ZSTARRED INTEGER, ZCHATSESSION INTEGER, ZGROUPMEMBER INTEGER, "
    "ZMEDIAITEM INTEGER, ZMESSAGEINFO INTEGER, ZPARENTMESSAGE INTEGER, ZMESSAGEDATE TIMESTAMP, "
    "ZSENTDATE TIMESTAMP, ZFROMJID VARCHAR, ZMEDIASECTIONID VARCHAR, ZPUSHNAME VARCHAR, ZSTANZAID VARCHAR, "
    "ZTEXT VARCHAR, ZTOJID VARCHAR",
    "ZWAMEDIAITEM": "ZCLOUDSTATUS INTEGER, ZFILESIZE INTEGER, ZMEDIAORIGIN INTEGER, ZMOVIEDURATION INTEGER, "
    "ZMESSAGE INTEGER, ZLATITUDE FLOAT, ZLONGITUDE FLOAT, ZMEDIALOCALPATH VARCHAR, ZMEDIAURL VARCHAR, "
    "ZTITLE VARCHAR, ZVCARDNAME VARCHAR, ZVCARDSTRING VARCHAR, ZXMPPTHUMBPATH VARCHAR, ZMEDIAKEY BLOB, "
    "ZMETADATA BLOB",
    "ZWAMESSAGEINFO": "ZMESSAGE INTEGER, ZRECEIPTINFO BLOB",
    "ZWAGROUPMEMBER": "ZISACTIVE INTEGER, ZISADMIN INTEGER, ZCHATSESSION INTEGER, ZCONTACTNAME VARCHAR, "
    "ZFIRSTNAME VARCHAR, ZMEMBERJID VARCHAR",
    "ZWAGROUPINFO": "ZCHATSESSION INTEGER, ZCREATIONDATE TIMESTAMP, ZOWNERJID VARCHAR",
    "ZWAPROFILEPUSHNAME": "ZJID VARCHAR, ZPUSHNAME VARCHAR",
}
_CONTACTS = {
    "ZWAADDRESSBOOKCONTACT": "ZABOUTTIMESTAMP TIMESTAMP, ZABOUTTEXT VARCHAR, ZBUSINESSNAME VARCHAR, "
    "ZFULLNAME VARCHAR, ZLID VARCHAR, ZPHONENUMBER VARCHAR, ZWHATSAPPID VARCHAR"
}
_NUMBERS = {
    "ZWAZACCOUNT": "ZCREATEDAT TIMESTAMP, ZIDENTIFIER VARCHAR, ZPHONENUMBER VARCHAR, ZDISPLAYNAME VARCHAR",
    "ZWAPHONENUMBERLIDPAIR": "ZTIMESTAMP TIMESTAMP, ZLID VARCHAR, ZPHONENUMBER VARCHAR",
}
_CALLS = {
    "ZWACDCALLEVENT": "ZOUTCOME INTEGER, Z1CALLEVENTS INTEGER, ZDATE TIMESTAMP, ZDURATION FLOAT, "
    "ZCALLIDSTRING VARCHAR, ZGROUPJIDSTRING VARCHAR, ZGROUPCALLCREATORUSERJIDSTRING VARCHAR",
    "ZWAAGGREGATECALLEVENT": "ZINCOMING INTEGER, ZMISSED INTEGER, ZVIDEO INTEGER, ZFIRSTDATE TIMESTAMP",
    "ZWACDCALLEVENTPARTICIPANT": "ZOUTCOME INTEGER, Z1PARTICIPANTS INTEGER, ZJIDSTRING VARCHAR",
}


class AppleFile:
    """A Core Data file of the app."""

    def __init__(self, path: Path, tables: dict[str, str]) -> None:
        self.path = path
        self.db = sqlite3.connect(path)
        for name, columns in tables.items():
            self.db.execute(f"CREATE TABLE {name} ({_CORE}, {columns})")

    def row(self, table: str, **values: Any) -> int:
        """Insert a row, and return its number."""
        names, marks = ", ".join(values), ", ".join("?" * len(values))
        number = self.db.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", [*values.values()]).lastrowid
        assert number is not None
        return number

    def done(self) -> Path:
        self.db.commit()
        self.db.close()
        return self.path


class ChatStorage(AppleFile):
    """``ChatStorage.sqlite``."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, _CHATS)
        self._chats: dict[str, int] = {}
        self._members: dict[tuple[str, str], int] = {}

    def chat(self, jid: str, name: str | None = None, **values: Any) -> int:
        """The number of a chat, which is inserted if it is new."""
        if jid not in self._chats:
            self._chats[jid] = self.row("ZWACHATSESSION", ZCONTACTJID=jid, ZPARTNERNAME=name, **values)
        return self._chats[jid]

    def member(self, group: str, jid: str, **values: Any) -> int:
        """The number of a member of a group, who is inserted if new."""
        if (group, jid) not in self._members:
            told = {"ZISACTIVE": 1} | values
            number = self.row("ZWAGROUPMEMBER", ZCHATSESSION=self.chat(group), ZMEMBERJID=jid, **told)
            self._members[group, jid] = number
        return self._members[group, jid]

    def message(
        self, chat: str, id: str | None, at: float, text: str | None = None, sender: str | None = None, **values: Any
    ) -> int:
        """Insert a message sent at ``at`` seconds; it is received unless ``ZISFROMME=1``."""
        told = {"ZISFROMME": 0, "ZMESSAGETYPE": 0} | values
        if told["ZISFROMME"] == 0:
            told.setdefault("ZFROMJID", chat)
        return self.row(
            "ZWAMESSAGE",
            ZCHATSESSION=self.chat(chat),
            ZSTANZAID=id,
            ZMESSAGEDATE=at - APPLE,
            ZTEXT=text,
            ZGROUPMEMBER=self.member(chat, sender) if sender else None,
            **told,
        )

    def media(self, message: int, **values: Any) -> int:
        """Insert the media row of a message: its file, contact card, place or blob."""
        number = self.row("ZWAMEDIAITEM", ZMESSAGE=message, **values)
        self.db.execute("UPDATE ZWAMESSAGE SET ZMEDIAITEM = ? WHERE Z_PK = ?", (number, message))
        return number

    def receipts(self, message: int, blob: bytes) -> None:
        self.row("ZWAMESSAGEINFO", ZMESSAGE=message, ZRECEIPTINFO=blob)


def contacts(path: Path) -> AppleFile:
    """``ContactsV2.sqlite``."""
    return AppleFile(path, _CONTACTS)


def numbers(path: Path) -> AppleFile:
    """``LID.sqlite``."""
    return AppleFile(path, _NUMBERS)


def calls(path: Path) -> AppleFile:
    """``CallHistory.sqlite``."""
    return AppleFile(path, _CALLS)


def blob(*fields: tuple[int, int | str | bytes]) -> bytes:
    """A message of protocol buffers."""
    told = b""
    for number, value in fields:
        if isinstance(value, int):
            told += _varint(number << 3) + _varint(value)
            continue
        raw = value.encode() if isinstance(value, str) else value
        told += _varint(number << 3 | 2) + _varint(len(raw)) + raw
    return told


def _varint(value: int) -> bytes:
    told = b""
    while value > 127:
        told, value = told + bytes([value & 127 | 128]), value >> 7
    return told + bytes([value])


def backup(folder: Path, files: dict[str, bytes], domain: str = DOMAIN) -> Path:
    """The folder that Finder makes: each file's name is the hash of its domain and path."""
    folder.mkdir(parents=True)
    manifest = sqlite3.connect(folder / "Manifest.db")
    manifest.execute("CREATE TABLE Files (fileID TEXT PRIMARY KEY, domain TEXT, relativePath TEXT, flags INTEGER)")
    for path, content in files.items():
        hashed = hashlib.sha1(f"{domain}-{path}".encode(), usedforsecurity=False).hexdigest()
        manifest.execute("INSERT INTO Files VALUES (?, ?, ?, 1)", (hashed, domain, path))
        (folder / hashed[:2]).mkdir(exist_ok=True)
        (folder / hashed[:2] / hashed).write_bytes(content)
    manifest.commit()
    manifest.close()
    return folder


PASSWORD = "correct horse"
_CLASS = 3


def sealed_backup(folder: Path, files: dict[str, bytes], domain: str = DOMAIN, rounds: int = 10) -> Path:
    """The same, encrypted with ``PASSWORD``; Apple uses ten million rounds."""
    backup(folder, files, domain)
    class_key, manifest_key = os.urandom(32), os.urandom(32)
    db = sqlite3.connect(folder / "Manifest.db")
    db.execute("ALTER TABLE Files ADD COLUMN file BLOB")
    for hashed, path in db.execute("SELECT fileID, relativePath FROM Files").fetchall():
        key, stored = os.urandom(32), folder / hashed[:2] / hashed
        content = stored.read_bytes()
        stored.write_bytes(_encrypted(content, key))
        db.execute("UPDATE Files SET file = ? WHERE fileID = ?", (_entry(path, len(content), class_key, key), hashed))
    db.commit()
    db.close()
    manifest = folder / "Manifest.db"
    manifest.write_bytes(_encrypted(manifest.read_bytes(), manifest_key))
    wrapped = _CLASS.to_bytes(4, "little") + aes_key_wrap(class_key, manifest_key)
    told = {"IsEncrypted": True, "BackupKeyBag": _key_bag(class_key, rounds), "ManifestKey": wrapped, "Version": "10.0"}
    (folder / "Manifest.plist").write_bytes(plistlib.dumps(told, fmt=plistlib.FMT_BINARY))
    return folder


def _encrypted(content: bytes, key: bytes) -> bytes:
    padding = 16 - len(content) % 16
    encryptor = Cipher(AES(key), CBC(bytes(16))).encryptor()
    return encryptor.update(content + bytes([padding]) * padding) + encryptor.finalize()


def _entry(path: str, size: int, class_key: bytes, key: bytes) -> bytes:
    """The entry of a file in the manifest, as a keyed archive."""
    wrapped = _CLASS.to_bytes(4, "little") + aes_key_wrap(class_key, key)
    root = {"Size": size, "ProtectionClass": _CLASS, "RelativePath": plistlib.UID(2), "EncryptionKey": plistlib.UID(3)}
    objects = ["$null", root, path, {"NS.data": wrapped}]
    archive = {"$archiver": "NSKeyedArchiver", "$version": 100_000, "$objects": objects}
    return plistlib.dumps(archive | {"$top": {"root": plistlib.UID(1)}}, fmt=plistlib.FMT_BINARY)


def _key_bag(class_key: bytes, rounds: int) -> bytes:
    salt, first_salt = os.urandom(20), os.urandom(20)
    first = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), first_salt, rounds, 32)
    by_password = hashlib.pbkdf2_hmac("sha1", first, salt, rounds, 32)
    told = (
        (b"VERS", _four(4)),
        (b"TYPE", _four(1)),
        (b"UUID", os.urandom(16)),
        (b"HMCK", os.urandom(40)),
        (b"WRAP", _four(0)),
        (b"SALT", salt),
        (b"ITER", _four(rounds)),
        (b"DPWT", _four(2)),
        (b"DPIC", _four(rounds)),
        (b"DPSL", first_salt),
        (b"UUID", os.urandom(16)),
        (b"CLAS", _four(1)),
        (b"WRAP", _four(1)),
        (b"WPKY", os.urandom(40)),
        (b"UUID", os.urandom(16)),
        (b"CLAS", _four(_CLASS)),
        (b"WRAP", _four(2)),
        (b"KTYP", _four(0)),
        (b"WPKY", aes_key_wrap(by_password, class_key)),
    )
    return b"".join(tag + _four(len(value)) + value for tag, value in told)


def _four(number: int) -> bytes:
    return number.to_bytes(4, "big")
