"""The made-up sample that an empty archive is filled with on request: what ``examples/sample.toml`` lists."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from backscroll.cli.imports import take_gowa
from backscroll.cli.shared import Archive, progress
from backscroll.errors import NotFound
from backscroll.model import Org, Phone
from backscroll.query import ChatQuery, MessageQuery

if TYPE_CHECKING:
    from backscroll.storage.directory import NewToken
    from backscroll.storage.store import Store

EXAMPLES = Path(__file__).parents[3] / "examples"
TOKEN_NAME = "Sample"  # noqa: S105 -- its name, not its secret


class SamplePhone(Struct, frozen=True, forbid_unknown_fields=True):
    number: str
    device_id: str
    name: str


class GowaFiles(Struct, frozen=True, forbid_unknown_fields=True):
    chatstorage: str
    whatsapp_db: str | None = None
    account: str | None = None


class ChatExport(Struct, frozen=True, forbid_unknown_fields=True):
    """The words are those of ``backscroll import export``."""

    path: str
    phone: str
    chat: str | None = None
    timezone: str | None = None
    day_first: bool | None = None
    me: str | None = None


class Sample(Struct, frozen=True, forbid_unknown_fields=True):
    org: str
    phone: tuple[SamplePhone, ...]
    gowa: tuple[GowaFiles, ...] = ()
    export: tuple[ChatExport, ...] = ()


def is_wanted(store: Store) -> bool:
    """Whether the archive is empty, or a sample was begun there and cut before its token was made."""
    orgs = store.list_orgs()
    return not orgs or (len(orgs) == 1 and orgs[0].name == _sample().org and not store.list_tokens(orgs[0].no))


def fill(archive: Archive) -> str:
    """Import the sample and return what to tell: a token and a command for each API."""
    sample = _sample()
    store = archive.store
    org = next(iter(store.list_orgs()), None) or store.create_org(sample.org)
    phones = [store.add_phone(org.no, p.number, device_id=p.device_id, name=p.name) for p in sample.phone]
    with progress("Importing the sample") as report:
        for files in sample.gowa:
            whatsapp = EXAMPLES / files.whatsapp_db if files.whatsapp_db else None
            take_gowa(archive, org, EXAMPLES / files.chatstorage, whatsapp, files.account, report)
        for export in sample.export:
            _take_export(archive, org, export)
    made = store.create_token(org.no, TOKEN_NAME, None, frozenset({"read"}), None)
    return greeting(archive, org, phones, made)


def _sample() -> Sample:
    try:
        return msgspec.toml.decode((EXAMPLES / "sample.toml").read_bytes(), type=Sample)
    except FileNotFoundError:
        raise NotFound("sample", f"{EXAMPLES}; it comes with a checkout, so start without --sample") from None


def _take_export(archive: Archive, org: Org, export: ChatExport) -> Any:
    from backscroll.ingest.export_import import import_export

    return import_export(
        archive.store,
        archive.media,
        org.no,
        archive.store.find_phone(org.no, export.phone),
        EXAMPLES / export.path,
        chat=export.chat,
        timezone=export.timezone,
        day_first=export.day_first,
        me=export.me,
    )


def greeting(archive: Archive, org: Org, phones: list[Phone], made: NewToken) -> str:
    total = archive.store.list_messages(MessageQuery(org=org.no, phones=tuple(p.no for p in phones), limit=1)).total
    url = archive.settings.url
    periskope = f"{url}/v1/chats/messages?limit=3"
    gowa = f"{url}{archive.settings.gowa_base_path}/chat/{_latest_chat(archive.store, org, phones[0])}/messages?limit=3"
    return f"""The archive was empty. It now holds a made-up sample: {len(phones)} phones, {total} messages.

Token id      {made.id}
Token secret  {made.secret}
Keep the secret: it is not shown again.

Ask Periskope's API:
  curl -H {shlex.quote(f"Authorization: Bearer {made.secret}")} {shlex.quote(periskope)}

Ask GOWA's API:
  curl -u {shlex.quote(f"{made.id}:{made.secret}")} -H 'X-Device-Id: {phones[0].device_id}' {shlex.quote(gowa)}
"""


def _latest_chat(store: Store, org: Org, phone: Phone) -> str:
    chats = store.list_chats(ChatQuery(org=org.no, phones=(phone.no,), limit=1)).chats
    return chats[0].jid if chats else phone.jid
