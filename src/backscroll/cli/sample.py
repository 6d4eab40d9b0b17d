"""The made-up sample for an empty archive: everything in the folder ``examples``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from backscroll.cli.common import Archive
from backscroll.core.errors import NotFound
from backscroll.core.model import Org, Phone
from backscroll.core.query import MessageQuery
from backscroll.core.text import counted

if TYPE_CHECKING:
    from backscroll.storage.accounts.accounts import NewToken
    from backscroll.storage.store import Store

PACKAGED = Path(__file__).parents[1] / "examples"
"""Where a wheel has the sample; in a checkout it is in the top folder."""
EXAMPLES = PACKAGED if PACKAGED.is_dir() else Path(__file__).parents[3] / "examples"
NAME = "Sample"
TIMEZONE = "Europe/Berlin"


class SamplePhone(Struct, frozen=True):
    number: str
    device_id: str
    name: str


class SampleExport(Struct, frozen=True):
    """An export of the sample; ``chat`` and ``me`` are options of ``backscroll import export``."""

    phone: str
    path: str
    chat: str | None = None
    me: str | None = None


MARA = SamplePhone("4915550001001", "mara", "Mara")
SHOP = SamplePhone("4915550001002", "shop", "Shop")
PHONES = (MARA, SHOP)
ALLOTMENT = "120363299999999999@g.us"
LIVE = "sample.jsonl"
EXPORTS = (
    SampleExport(MARA.number, "mara/WhatsApp Chat with Shop", chat=SHOP.number, me=MARA.name),
    SampleExport(MARA.number, "mara/WhatsApp Chat with Allotment.txt", chat=ALLOTMENT, me=MARA.name),
    SampleExport(SHOP.number, "shop/WhatsApp Chat - Mara.zip", chat=MARA.number, me=SHOP.name),
)


def is_wanted(store: Store) -> bool:
    """Whether the archive is empty, or filling it with the sample was interrupted before the token was created."""
    orgs = store.list_orgs()
    return not orgs or (len(orgs) == 1 and orgs[0].name == NAME and not store.list_tokens(orgs[0].no))


def fill(archive: Archive) -> str:
    """Import the sample and return what to print: a token and a command for each API."""
    from backscroll.ingest.exports.importer import import_export
    from backscroll.ingest.jsonl import import_jsonl
    from backscroll.storage.accounts.accounts import SCOPES

    if not EXAMPLES.is_dir():
        raise NotFound("sample", f"{EXAMPLES}; this installation came without it, so start without --sample")
    store = archive.store
    org = next(iter(store.list_orgs()), None) or store.create_org(NAME)
    phones = {p.number: store.add_phone(org.no, p.number, device_id=p.device_id, name=p.name) for p in PHONES}
    import_jsonl(store, archive.media, EXAMPLES / LIVE, org=org.id)
    for export in EXPORTS:
        phone, path = phones[export.phone], EXAMPLES / export.path
        import_export(store, archive.media, org.no, phone, path, chat=export.chat, timezone=TIMEZONE, me=export.me)
    made = store.create_token(org.no, NAME, None, SCOPES, None)
    return greeting(archive, org, list(phones.values()), made)


def greeting(archive: Archive, org: Org, phones: list[Phone], made: NewToken) -> str:
    """The text to print: what the sample contains, its token, and a command for each API."""
    total = archive.store.list_messages(MessageQuery(org=org.no, phones=tuple(p.no for p in phones), limit=1)).total
    url = archive.settings.url
    periskope = f"{url}/v1/chats/messages?limit=3"
    gowa = f"{url}{archive.settings.gowa_base_path}/chat/{SHOP.number}@s.whatsapp.net/messages?limit=3"
    holds = f"{counted(len(phones), 'phone')}, {counted(total, 'message')}"
    return f"""The archive was empty. It now holds a made-up sample: {holds}.

Token id      {made.id}
Token secret  {made.secret}
Keep the secret: it is not shown again.

Ask Periskope's API:
  curl -H {shlex.quote(f"Authorization: Bearer {made.secret}")} {shlex.quote(periskope)}

Ask GOWA's API:
  curl -u {shlex.quote(f"{made.id}:{made.secret}")} -H 'X-Device-Id: {phones[0].device_id}' {shlex.quote(gowa)}
"""
