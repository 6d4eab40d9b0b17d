"""Organisations, their phones, and the tokens that give access to them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import string
import uuid
import zlib
from collections.abc import Iterable
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from backscroll.core.errors import BadField, Conflict, NotFound, Unauthorised
from backscroll.core.ids import clean_text, org_in
from backscroll.core.model import Access, Org, Phone
from backscroll.database.protocol import Row, Txn
from backscroll.storage.records.rows import phone_rows

PREFIX = "bsk"
"""Prefix of every secret, for scanners that look for leaked ones."""
_ALPHABET = string.ascii_lowercase + string.digits
SCOPES = frozenset({"read", "write", "admin", "operator"})
"""``admin`` manages the token's own organisation. ``operator`` makes and names organisations, and reads no others."""
FIRST_SCOPES = frozenset({"read", "write", "admin"})
"""Scopes of the first token of an organisation that is created over HTTP."""
MAX_ORG_NAME = 200
TOUCH_EVERY = 60_000_000
"""last_used_at is accurate to a minute, so that not every read request has to write."""


class NewToken(Struct, frozen=True):
    """``secret`` is shown once and not stored."""

    id: str
    secret: str


class TokenInfo(Struct, frozen=True, kw_only=True):
    """What may be shown about a token. ``phones`` are numbers, None for all; times are microseconds UTC."""

    id: str
    name: str | None
    phones: tuple[str, ...] | None
    scopes: tuple[str, ...]
    created_at: int
    expires_at: int | None
    revoked_at: int | None
    last_used_at: int | None


class Found(Struct, frozen=True):
    """A valid credential, and whether its time of last use has to be written."""

    access: Access
    touch: bool


class NameTaken(Conflict):
    """An organisation already has this name or id, so another number would not help."""


class _StoredToken(NamedTuple):
    """A row of ``find_token``."""

    hash: bytes
    phones: str | None
    """The numbers of its phones as JSON, None for all."""
    scopes: str
    expires_at: int | None
    revoked_at: int | None
    last_used_at: int | None

    def is_valid(self, now: int) -> bool:
        """Neither revoked nor expired. Every use of a token has to check this."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


def create_org(tx: Txn, no: int, name: str, id: str | None, now: int) -> Org:
    """Create an organisation with the number ``no``.

    Raises ``BadField`` for its name or id (a UUID), ``NameTaken`` if either is taken, ``Conflict`` if the number is.
    """
    name = _org_name(name)
    try:
        id = str(uuid.UUID(id)) if id else str(uuid.uuid4())
    except ValueError:
        raise BadField("id", id, "must be a UUID such as 2997dd64-89bf-48d3-9a22-b314fca017e5") from None
    orgs = list_orgs(tx)
    _refuse_a_taken_name(orgs, name)
    for org in orgs:
        if id == org.id:
            raise NameTaken(f"The organisation {org.name} already has the id {id}; choose another id")
    tx.run("add_org", {"org": no, "id": id, "name": name, "now": now})
    tx.run("add_org_state", {"org": no})
    return Org(no=no, id=id, name=name, created_at=now)


def _org_name(name: str) -> str:
    name = clean_text(name)[0].strip()
    if not 0 < len(name) <= MAX_ORG_NAME:
        raise BadField("name", name[:MAX_ORG_NAME], f"must have 1 to {MAX_ORG_NAME} characters")
    return name


def _refuse_a_taken_name(others: Iterable[Org], name: str) -> None:
    for org in others:
        if name.casefold() == org.name.casefold():
            same = "" if name == org.name else "; names that differ only in case are the same name"
            raise NameTaken(f"There is an organisation called {org.name} already{same}; choose another name")


def rename_org(tx: Txn, org: int, name: str) -> Org:
    """Rename an organisation. Raises ``BadField`` for the name, ``NameTaken``, ``NotFound``."""
    name = _org_name(name)
    orgs = {known.no: known for known in list_orgs(tx)}
    if org not in orgs:
        raise NotFound("organisation", str(org))
    _refuse_a_taken_name([known for no, known in orgs.items() if no != org], name)
    tx.run("rename_org", {"org": org, "name": name})
    return replace(orgs[org], name=name)


def list_orgs(tx: Txn) -> list[Org]:
    """All organisations, in the order of their numbers."""
    rows = tx.all("list_orgs", {})
    return [Org(no=no, id=id, name=name, created_at=created_at) for no, id, name, created_at in rows]


def find_org(tx: Txn, name_or_id: str) -> Org:
    """Find an organisation by name or id, ignoring case; raises ``NotFound``. An exact name wins over others that older
    versions allowed.
    """
    orgs = list_orgs(tx)
    wanted = name_or_id.casefold()
    for org in orgs:
        if name_or_id == org.name or wanted == org.id:
            return org
    alike = [org for org in orgs if org.name.casefold() == wanted]
    if len(alike) == 1:
        return alike[0]
    raise NotFound("organisation", name_or_id)


class OwnPhone(NamedTuple):
    """One of the organisation's own phones, and the number of its contact."""

    phone: Phone
    contact: int


def phones_of(tx: Txn, org: int) -> dict[int, OwnPhone]:
    """Own phones by number, oldest first."""
    return {
        row.phone: OwnPhone(
            Phone(
                no=row.phone,
                jid=row.jid,
                phone_id=row.phone_id,
                device_id=row.device_id,
                name=row.name,
                created_at=row.created_at,
                state=row.state,
            ),
            row.contact,
        )
        for row in phone_rows(tx, org)
    }


def make_phone_id() -> str:
    """An id like Periskope's: ``phone-`` and sixteen random lowercase letters."""
    return "phone-" + "".join(secrets.choice(string.ascii_lowercase) for _ in range(16))


def create_token(
    tx: Txn,
    org: int,
    name: str | None,
    phones: tuple[int, ...] | None,
    scopes: frozenset[str],
    expires: int | None,
    now: int,
) -> NewToken:
    """Create a credential for some phones (None: all). Raises ``BadField`` for an unknown scope, ``NotFound`` for a
    phone.
    """
    unknown = scopes - SCOPES
    if unknown:
        raise BadField("scope", sorted(unknown)[0], f"must be one of {', '.join(sorted(SCOPES))}")
    known = phones_of(tx, org)
    for phone in phones or ():
        if phone not in known:
            raise NotFound("phone", str(phone))
    id = f"{PREFIX}{org}x" + "".join(secrets.choice(_ALPHABET) for _ in range(10))
    body = f"{id}_{base64.urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b'=').decode()}"
    secret = f"{body}_{_checksum(body)}"
    params = {"org": org, "token": id, "hash": hash_of(secret), "name": name, "now": now, "expires_at": expires}
    listed = None if phones is None else json.dumps(sorted(phones))
    tx.run("add_token", params | {"phones": listed, "scopes": " ".join(sorted(scopes))})
    return NewToken(id, secret)


def list_tokens(tx: Txn, org: int) -> list[TokenInfo]:
    """All tokens of an organisation, revoked ones too."""
    phones = phones_of(tx, org)
    return [_info(row, phones) for row in tx.all("list_tokens", {"org": org})]


def _info(row: Row, phones: dict[int, OwnPhone]) -> TokenInfo:
    id, name, numbers, scopes, created_at, expires_at, revoked_at, last_used_at = row
    listed = None if numbers is None else tuple(phones[no].phone.number for no in json.loads(numbers) if no in phones)
    return TokenInfo(
        id=id,
        name=name,
        phones=listed,
        scopes=tuple(scopes.split()),
        created_at=created_at,
        expires_at=expires_at,
        revoked_at=revoked_at,
        last_used_at=last_used_at,
    )


def revoke_token(tx: Txn, org: int, token: str, now: int) -> None:
    """Revoke a token; raises ``NotFound`` if there is no such token. Revoking twice keeps the first time."""
    if tx.one("revoke_token", {"org": org, "token": token, "now": now}) is None:
        raise NotFound("token", token)


def org_of_token(token_or_secret: str) -> int | None:
    """The organisation's number in a token id or secret; None if it is not one of ours."""
    return org_in(token_or_secret, PREFIX)


def id_of_secret(secret: str) -> str | None:
    """The token id in a secret, None if its checksum is wrong: most guesses therefore need no database access."""
    id, _, rest = secret.partition("_")
    body, _, checksum = secret.rpartition("_")
    well_formed = org_of_token(id) is not None and rest and secret.isascii()
    return id if well_formed and hmac.compare_digest(checksum, _checksum(body)) else None


def authenticate(tx: Txn, secret: str, now: int, token: str | None = None) -> Found:
    """The access that ``secret`` gives. ``token``, if given, must be its id. The error is the same whatever is
    wrong.
    """
    id = id_of_secret(secret)
    if id is None or (token is not None and not hmac.compare_digest(token.encode("utf-8", "replace"), id.encode())):
        raise Unauthorised
    stored = _valid_token(tx, id, now)
    if not hmac.compare_digest(bytes(stored.hash), hash_of(secret)):
        raise Unauthorised
    is_due = stored.last_used_at is None or now - stored.last_used_at >= TOUCH_EVERY
    return Found(_access_of(tx, id, stored), is_due)


def access_of_token(tx: Txn, token: str, now: int) -> Access:
    """The access that a token gives, without its secret; raises ``Unauthorised`` if it is not valid."""
    return _access_of(tx, token, _valid_token(tx, token, now))


def _valid_token(tx: Txn, token: str, now: int) -> _StoredToken:
    row = tx.one("find_token", {"org": org_of_token(token), "token": token})
    stored = None if row is None else _StoredToken(*row)
    if stored is None or not stored.is_valid(now):
        raise Unauthorised
    return stored


def _access_of(tx: Txn, token: str, stored: _StoredToken) -> Access:
    org = org_of_token(token)
    found = next(known for known in list_orgs(tx) if known.no == org)
    named = None if stored.phones is None else frozenset(json.loads(stored.phones))
    visible = tuple(phone for phone, _ in phones_of(tx, found.no).values() if named is None or phone.no in named)
    scopes = frozenset(stored.scopes.split())
    return Access(org=found, phones=visible, scoped=named is not None, scopes=scopes, token_id=token)


def hash_of(secret: str) -> bytes:
    """The hash that is stored for a secret."""
    # 256 random bits need no slow hash.
    return hashlib.sha256(secret.encode()).digest()


def _checksum(body: str) -> str:
    return (
        base64.b32encode(zlib.crc32(body.encode("utf-8", "replace")).to_bytes(4, "big")).rstrip(b"=").decode().lower()
    )
